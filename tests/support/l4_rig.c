/* SPDX-License-Identifier: BSD-3-Clause */
#include "l4_rig.h"

#include "csum.h"
#include "wire.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>

static const uint8_t our_mac[6] = {2, 0, 0, 0, 0, 2}, peer_mac[6] = {2, 0, 0, 0, 0, 1};

static void check(bool ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "l4_rig: %s\n", what);
	abort();
}

static struct ip_addr addr(const char *text)
{
	struct ip_addr a = {0};

	check(ip_parse(text, &a), text);
	return a;
}

static void routing(struct l4_rig *r)
{
	r->snap = aligned_alloc(64, (sizeof(*r->snap) + 63) & ~63ul);
	memset(r->snap, 0, sizeof(*r->snap));
	for (uint32_t i = 0; i < 2; i++) {
		r->endpoints[i] = (struct endpoint){.addr = addr(i ? "10.0.0.12" : "10.0.0.11"),
		                                    .port = htons(8080),
		                                    .weight = 1,
		                                    .slot = {i, 1},
		                                    .name = STR("endpoint")};
		r->subsets[i] = (struct subset){.name = STR("subset"),
		                                .slot = {i, 1},
		                                .n_endpoints = 1,
		                                .endpoints = &r->endpoints[i]};
		r->dests[i] = (struct dest){.subset = &r->subsets[i],
		                            .weight = i ? 1 : 9,
		                            .stats = {i, 1},
		                            .name = STR("dest")};
	}
	r->table[9] = 1;
	r->split = (struct split){{0, 1}, 2, 10, r->dests, r->table};
	r->route = (struct l4_route){STR("rule"), STR("file:1:1"), &r->split};
	for (int i = 0; i < 2; i++)
		r->listeners[i] = (struct listener){.port = htons(i ? 53 : 80),
		                                    .kind = i ? LISTENER_UDP : LISTENER_TCP,
		                                    .name = STR("l4"),
		                                    .l4 = &r->route};
	r->snap->generation = 1;
	r->snap->n_listeners = 2;
	r->snap->n_workers = 1;
	r->snap->listeners = r->listeners;
}

void l4_rig_init(struct l4_rig *r)
{
	memset(r, 0, sizeof(*r));
	r->pool = bufs_pool(1000);
	r->now_us = 1000000000;
	r->node.n_ports = 1;
	r->node.n_workers = 1;
	r->node.source_port_min = 40000;
	r->node.source_port_max = 40999;
	r->node.limits = (struct node_limits){.conns = 64,
	                                      .backlog = 16,
	                                      .header_bytes = 8192,
	                                      .pending_requests = 10,
	                                      .upstream_conns = 10,
	                                      .dests = 8,
	                                      .endpoints = 8,
	                                      .rcvbuf_bytes = 65536,
	                                      .sndbuf_bytes = 65536,
	                                      .flows = 64,
	                                      .half_open_flows = 16,
	                                      .fragments = 16};
	r->node.times = (struct node_times){.flow_idle_us = 3600000000,
	                                    .flow_syn_us = 30000000,
	                                    .flow_fin_us = 60000000,
	                                    .flow_closed_us = 20000000,
	                                    .udp_idle_us = 60000000};
	memcpy(r->port.mac, our_mac, 6);
	r->port.mtu = 1500;
	r->port.n_addrs = 2;
	r->port.addrs[0] = (struct node_prefix){addr("10.0.0.2"), 96 + 24};
	r->port.addrs[1] = (struct node_prefix){addr("2001:db8::2"), 64};
	routing(r);
}

void l4_rig_start(struct l4_rig *r)
{
	struct worker_env env = {.node = &r->node, .ports = &r->port, .pool = &r->pool};
	size_t size = (worker_bytes(&r->node) + 63) & ~63ul;

	env.n_workers = 1;
	env.seed = 7;
	memset(env.secret, 5, sizeof(env.secret));
	r->memory = aligned_alloc(64, size);
	memset(r->memory, 0, size);
	r->w = worker_init(r->memory, &env, r->snap, r->now_us);
	check(r->w != NULL, "worker_init");
	l4_rig_pass(r, 3000000); /* announcements are over */
}

void l4_rig_stop(struct l4_rig *r)
{
	uint64_t ends = 0;

	for (int i = 0; i < DROP_COUNT; i++)
		ends += worker_stats(r->w)->ends[i];
	check(ends == r->in, "frames in differ from the sum of ends");
	worker_fini(r->w);
	check(r->pool.live == 0, "buffers leaked");
	free(r->memory);
	free(r->snap);
}

/* ---- packets in ---------------------------------------------------------------------------- */

static uint16_t put_l4(const struct l4_packet_text *p, const struct ip_addr *src,
                       const struct ip_addr *dst, uint8_t *h)
{
	bool udp = p->proto == IP_UDP;
	uint16_t header = udp ? UDP_LEN : (uint16_t)(TCP_LEN + p->opt_len);
	uint16_t len = (uint16_t)(header + p->len), at = udp ? UDP_CSUM : TCP_CSUM, sum;

	memset(h, 0, header);
	wire_put16(h, p->sport);
	wire_put16(h + 2, p->dport);
	for (uint32_t i = 0; i < p->len; i++)
		h[header + i] = (uint8_t)i;
	if (udp) {
		wire_put16(h + UDP_LENGTH, len);
	} else {
		wire_put32(h + TCP_SEQ, p->seq);
		wire_put32(h + TCP_ACKNO, p->ack);
		h[TCP_OFFSET] = (uint8_t)(header / 4 << 4);
		h[TCP_FLAGS] = p->flags;
		wire_put16(h + 14, 65535);
		if (p->opt_len)
			memcpy(h + TCP_LEN, p->opt, p->opt_len);
	}
	sum = csum_combine(csum_pseudo(src, dst, udp ? IP_UDP : IP_TCP, len), csum_add(h, len), 0);
	wire_put_be16(h + at, csum_finish(sum));
	if (p->bad_sum)
		h[at] ^= 0x55;
	if (p->no_sum)
		wire_put16(h + at, 0);
	return len;
}

uint16_t l4_rig_frame(const struct l4_rig *r, const struct l4_packet_text *p, uint8_t *f)
{
	struct ip_addr src = addr(p->src), dst = addr(p->dst);
	uint8_t *h = f + ETH_LEN, proto = p->proto ? p->proto : IP_TCP, ttl = p->ttl ? p->ttl : 64;
	uint32_t l3 = ip_is_v4(&dst) ? IP4_LEN : IP6_LEN;
	uint16_t len = put_l4(p, &src, &dst, h + l3);

	(void)r;
	memcpy(f, our_mac, 6);
	memcpy(f + 6, peer_mac, 6);
	wire_put16(f + 12, l3 == IP4_LEN ? ETH_TYPE_IP4 : ETH_TYPE_IP6);
	memset(h, 0, l3);
	if (l3 == IP6_LEN) {
		wire_put32(h, 0x60000000);
		wire_put16(h + IP6_PAYLOAD, len);
		h[IP6_NEXT] = proto;
		h[IP6_HOPS] = ttl;
		memcpy(h + IP6_SRC, src.b, 16);
		memcpy(h + IP6_DST, dst.b, 16);
		return (uint16_t)(ETH_LEN + l3 + len);
	}
	h[0] = 0x45;
	wire_put16(h + IP4_TOTAL, (uint16_t)(l3 + len));
	wire_put16(h + IP4_ID, p->id);
	wire_put16(h + IP4_FRAG, p->frag);
	h[IP4_TTL] = ttl;
	h[IP4_PROTO] = proto;
	wire_put_be32(h + IP4_SRC, src.w[3]);
	wire_put_be32(h + IP4_DST, dst.w[3]);
	wire_put_be16(h + IP4_CSUM, csum_finish(csum_add_header(h, l3)));
	return (uint16_t)(ETH_LEN + l3 + len);
}

/* ---- packets out --------------------------------------------------------------------------- */

uint16_t l4_rig_sum(const struct l4_sent *s)
{
	uint16_t len = (uint16_t)(s->len - s->l4), sum = csum_add(s->frame + s->l4, len);

	if (s->proto != IP_ICMP)
		sum = csum_combine(sum, csum_pseudo(&s->src, &s->dst, s->proto, len), 0);
	return csum_finish(sum);
}

static void read_l4(struct l4_sent *s)
{
	const uint8_t *h = s->frame + s->l4;

	if (s->proto != IP_TCP && s->proto != IP_UDP)
		return;
	s->sport = wire_get16(h);
	s->dport = wire_get16(h + 2);
	if (s->proto != IP_TCP)
		return;
	s->seq = wire_get32(h + TCP_SEQ);
	s->ack = wire_get32(h + TCP_ACKNO);
	s->flags = h[TCP_FLAGS];
}

static void read_sent(struct l4_sent *s)
{
	const uint8_t *h = s->frame + ETH_LEN;

	memcpy(s->mac, s->frame, 6);
	s->l3 = ETH_LEN;
	if (h[0] >> 4 == 4) {
		s->l4 = (uint16_t)(ETH_LEN + (h[0] & 15u) * 4);
		s->proto = h[IP4_PROTO];
		s->ttl = h[IP4_TTL];
		s->src = wire_ip4(h + IP4_SRC);
		s->dst = wire_ip4(h + IP4_DST);
		check(csum_finish(csum_add(h, (size_t)(s->l4 - ETH_LEN))) == 0, "IP checksum");
		check(wire_get16(h + IP4_TOTAL) == s->len - ETH_LEN, "IP length");
	} else {
		s->l4 = ETH_LEN + IP6_LEN;
		s->proto = h[IP6_NEXT];
		s->ttl = h[IP6_HOPS];
		s->src = wire_ip6(h + IP6_SRC);
		s->dst = wire_ip6(h + IP6_DST);
	}
	read_l4(s);
}

static void receive(struct l4_rig *r, const uint8_t *frame, uint16_t len)
{
	uint64_t before[DROP_COUNT];
	struct buf *b = bufs_from(&r->pool, frame, len);

	check(b != NULL, "no buffer");
	memcpy(before, worker_stats(r->w)->ends, sizeof(before));
	r->in++;
	worker_input(r->w, &b, 1, r->now_us);
	r->end = DROP_COUNT;
	for (int i = 0; i < DROP_COUNT; i++)
		if (worker_stats(r->w)->ends[i] != before[i])
			r->end = (enum drop)i;
}

/* Who asks for an address hears that of a host whose MAC ends with the address's last byte. */
static bool answer(struct l4_rig *r, const uint8_t *f)
{
	uint8_t reply[ETH_LEN + ARP_LEN];

	if (wire_get16(f + 12) != ETH_TYPE_ARP)
		return wire_get16(f + 12) == ETH_TYPE_IP6 && f[ETH_LEN + IP6_NEXT] == IP_ICMP6 &&
		       f[ETH_LEN + IP6_LEN] >= NDP_RS;
	memcpy(reply, f, sizeof(reply));
	memcpy(reply, our_mac, 6);
	memcpy(reply + 6, peer_mac, 6);
	reply[ETH_LEN + ARP_OP + 1] = ARP_REPLY;
	memcpy(reply + ETH_LEN + ARP_SHA, peer_mac, 6);
	reply[ETH_LEN + ARP_SHA + 5] = f[ETH_LEN + ARP_TPA + 3];
	memcpy(reply + ETH_LEN + ARP_SPA, f + ETH_LEN + ARP_TPA, 4);
	memcpy(reply + ETH_LEN + ARP_THA, our_mac, 6);
	memcpy(reply + ETH_LEN + ARP_TPA, f + ETH_LEN + ARP_SPA, 4);
	if (memcmp(reply + ETH_LEN + ARP_SPA, reply + ETH_LEN + ARP_TPA, 4) != 0 && !r->mute) {
		enum drop end = r->end;

		receive(r, reply, sizeof(reply));
		r->end = end;
	}
	return true;
}

static void collect(struct l4_rig *r)
{
	struct net_out *out = net_out(worker_net(r->w), 0);

	for (uint32_t i = 0; i < out->n; i++) { /* answers may add to it */
		struct net_tx tx = out->tx[i];
		uint8_t frame[2048];

		check(tx.len <= sizeof(frame), "frame too long");
		memcpy(frame, tx.frame, tx.len);
		buf_free(tx.buf);
		if (answer(r, frame))
			continue;
		check(r->n_sent < L4_SENT_MAX, "too many frames");
		struct l4_sent *s = &r->sent[r->n_sent++];

		*s = (struct l4_sent){.len = tx.len};
		memcpy(s->frame, frame, tx.len);
		read_sent(s);
	}
	out->n = 0;
}

enum drop l4_rig_receive(struct l4_rig *r, const uint8_t *frame, uint16_t len)
{
	r->n_sent = 0;
	receive(r, frame, len);
	worker_turn(r->w, r->now_us, 1700000000);
	collect(r);
	return r->end;
}

enum drop l4_rig_in(struct l4_rig *r, const struct l4_packet_text *p)
{
	uint8_t frame[2048];
	uint16_t len = l4_rig_frame(r, p, frame);

	return l4_rig_receive(r, frame, len);
}

void l4_rig_pass(struct l4_rig *r, uint64_t us)
{
	uint64_t end = r->now_us + us;

	r->n_sent = 0;
	while (r->now_us < end) {
		r->now_us += end - r->now_us < 500000 ? end - r->now_us : 500000;
		worker_turn(r->w, r->now_us, 1700000000);
		collect(r);
	}
}

uint64_t l4_rig_count(const struct l4_rig *r, enum counter c)
{
	return worker_stats(r->w)->counters[c];
}
