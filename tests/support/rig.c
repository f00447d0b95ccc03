/* SPDX-License-Identifier: BSD-3-Clause */
#include "rig.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void check(bool ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "rig: %s\n", what);
	abort();
}

struct ip_addr rig_addr(const char *text)
{
	struct ip_addr a;

	check(ip_parse(text, &a), text);
	return a;
}

static void add_addr(struct net_port *p, const char *text, uint8_t len)
{
	p->addrs[p->n_addrs++] = (struct node_prefix){rig_addr(text), len};
}

static void add_route(struct node *n, const char *dst, uint8_t len, const char *via, uint8_t port)
{
	n->routes[n->n_routes++] = (struct node_route){{rig_addr(dst), len}, rig_addr(via), port};
}

void rig_init(struct rig *r)
{
	*r = (struct rig){.pool = bufs_pool(4096), .now_us = 1000000000};
	r->node.n_ports = 2;
	for (uint8_t i = 0; i < 2; i++) {
		r->ports[i] = (struct net_port){.mac = {2, 0, 0, 0, i, 1}, .mtu = 1500};
		r->node.ports[i].mtu = 1500;
	}
	r->ports[1].vlan = 100;
	add_addr(&r->ports[0], "10.0.0.1", 120);
	add_addr(&r->ports[0], "2001:db8::1", 64);
	add_addr(&r->ports[1], "10.1.0.1", 120);
	add_addr(&r->ports[1], "2001:db8:1::1", 64);
	add_route(&r->node, "0.0.0.0", 96, "10.0.0.254", 0);
	add_route(&r->node, "::", 0, "fe80::fe", 0);
	add_route(&r->node, "192.168.0.0", 112, "10.1.0.254", 1);
}

void rig_start(struct rig *r, bool answers, uint32_t max_neighs)
{
	void *memory = aligned_alloc(64, (net_bytes(max_neighs) + 63) & ~(size_t)63);

	check(memory != NULL, "out of memory");
	r->net = net_init(memory, max_neighs, &r->node, r->ports, &r->pool, answers, r->counters);
	if (!r->net)
		free(memory);
}

void rig_stop(struct rig *r)
{
	uint64_t ends = 0;

	net_fini(r->net);
	free(r->net);
	for (uint32_t i = 0; i < DROP_COUNT; i++)
		ends += r->ends[i];
	check(r->pool.live == 0, "a buffer leaked");
	check(ends == r->received, "received packets and ends differ");
}

enum drop rig_receive(struct rig *r, uint8_t port, const void *frame, size_t len)
{
	struct buf *b = bufs_exact(&r->pool, frame, len);
	enum drop end;

	check(b != NULL, "pool empty");
	b->port = port;
	r->received++;
	end = net_parse(r->net, b, &r->pkt);
	if (end == DROP_COUNT && (r->pkt.kind == PKT_TCP || r->pkt.kind == PKT_UDP)) {
		end = r->pkt.kind == PKT_TCP ? DROP_TCP_IN : DROP_FLOW_IN;
		buf_free(r->pkt.buf);
	} else if (end == DROP_COUNT && net_icmp_error(r->net, &r->pkt, &r->error)) {
		end = DROP_ICMP_TCP;
		buf_free(r->pkt.buf);
	} else if (end == DROP_COUNT) {
		end = net_input(r->net, &r->pkt, r->now_us);
	}
	r->ends[end]++;
	return end;
}

static int digit(char c)
{
	return c <= '9' ? c - '0' : c - 'a' + 10;
}

enum drop rig_receive_hex(struct rig *r, uint8_t port, const char *hex)
{
	uint8_t bytes[2048];
	size_t n = strlen(hex) / 2;

	check(n <= sizeof(bytes), "frame too long");
	for (size_t i = 0; i < n; i++)
		bytes[i] = (uint8_t)(digit(hex[2 * i]) << 4 | digit(hex[2 * i + 1]));
	return rig_receive(r, port, bytes, n);
}

uint32_t rig_sent(const struct rig *r, uint32_t port)
{
	return net_out(r->net, port)->n;
}

const char *rig_sent_hex(const struct rig *r, uint32_t port, uint32_t i)
{
	static char text[2 * 2048 + 1];
	const struct net_tx *tx = &net_out(r->net, port)->tx[i];

	check(i < rig_sent(r, port), "no such frame");
	check(tx->frame >= tx->buf->head && tx->frame + tx->len <= tx->buf->end, "frame outside");
	for (uint32_t k = 0; k < tx->len; k++)
		snprintf(text + 2 * k, 3, "%02x", tx->frame[k]);
	return text;
}

void rig_drain(struct rig *r)
{
	for (uint32_t port = 0; port < r->node.n_ports; port++) {
		struct net_out *out = net_out(r->net, port);

		for (uint32_t i = 0; i < out->n; i++)
			buf_free(out->tx[i].buf);
		for (uint32_t i = 0; i < out->n_pieces; i++)
			buf_free(out->piece[i].buf);
		out->n = out->n_pieces = 0;
	}
}

void rig_wait(struct rig *r, uint64_t us)
{
	r->now_us += us;
	net_tick(r->net, r->now_us);
}

static bool play(struct rig *r, const struct rig_golden *g)
{
	enum drop end = rig_receive_hex(r, g->port, g->in);
	const char *out = rig_sent(r, g->port) ? rig_sent_hex(r, g->port, 0) : "";

	if (end == g->end && strcmp(out, g->out) == 0 && rig_sent(r, g->port) < 2 &&
	    rig_sent(r, !g->port) == 0)
		return true;
	fprintf(stderr, "%s: %s, want %s\n got  %s\n want %s\n", g->name, drop_name(end),
	        drop_name(g->end), out, g->out);
	return false;
}

uint32_t rig_play(struct rig *r, const struct rig_golden *rows, uint32_t n)
{
	uint32_t wrong = 0;

	for (uint32_t i = 0; i < n; i++) {
		wrong += !play(r, &rows[i]);
		rig_drain(r);
	}
	return wrong;
}
