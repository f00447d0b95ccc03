/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Ethernet frames and byte streams into a whole worker. The input is a script of commands, so that a
 * fuzzer reaches beyond the TCP handshake without having to guess sequence numbers and checksums:
 *
 *   'f' n bytes   a raw frame to Weir            'c' n bytes   the client sends bytes
 *   's' n bytes   the servers answer with bytes  'C' 'S'       client, servers: orderly end
 *   'R' 'T'       client, servers: reset         't' n         n x 100 ms pass
 *   'o'           the client opens another connection
 *   'w'           another snapshot is published, one that accepts HTTP/1.0
 *   'p'           the listener passes TLS through from now on; its endpoints want the PROXY protocol
 *
 * n is one byte; for 'f', 'c' and 's' it counts units of 8 bytes. Afterwards everything must close by
 * itself, with the books in order.
 */
#include "weir.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CONNS 64

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct end {
	struct host host;
	struct tcp_conn *conns[CONNS];
	uint32_t n;
};

struct stage {
	struct world world;
	struct weir weir;
	struct end client, v1, v2;
	uint32_t opened;
	struct l4_route route[2]; /* of the snapshots before and after */
	struct tls_rule rule[2];
};

static void news(struct end *e)
{
	struct tcp_conn *c;
	uint32_t ev;

	host_turn(&e->host);
	while ((c = tcp_next_ready(e->host.tcp, &ev))) {
		if ((ev & TCP_EV_ACCEPTED) && e->n < CONNS)
			e->conns[e->n++] = c;
		else if (ev & TCP_EV_ACCEPTED)
			tcp_release(e->host.tcp, c);
		tcp_recv_drop(e->host.tcp, c, tcp_recv_queue(c)->bytes);
	}
	host_flush(&e->host);
}

static void pass(struct stage *s, uint64_t us)
{
	uint64_t end = s->world.now_us + us;

	while (s->world.now_us < end) {
		uint64_t t = world_next(&s->world), n = weir_next(&s->weir);

		t = n < t ? n : t;
		n = host_next(&s->client.host);
		t = n < t ? n : t;
		n = host_next(&s->v1.host);
		t = n < t ? n : t;
		n = host_next(&s->v2.host);
		t = n < t ? n : t;
		s->world.now_us = t <= s->world.now_us ? s->world.now_us + 1 : t < end ? t : end;
		world_deliver(&s->world);
		weir_turn(&s->weir);
		news(&s->client);
		news(&s->v1);
		news(&s->v2);
	}
}

static void say(struct end *e, const uint8_t *p, size_t n)
{
	struct buf *b;

	if (!e->n)
		return;
	b = bufs_from(&e->host.pool, p, n);
	if (b)
		tcp_send(e->host.tcp, e->conns[e->n - 1], b);
	host_flush(&e->host);
}

static void stop(struct end *e, bool reset)
{
	if (!e->n)
		return;
	e->n--;
	if (reset)
		tcp_abort(e->host.tcp, e->conns[e->n]);
	tcp_release(e->host.tcp, e->conns[e->n]);
	host_flush(&e->host);
}

static void dial(struct stage *s)
{
	struct tcp_peer peer = {.local = sim_addr("10.0.0.1"),
	                        .remote = sim_addr("10.0.0.2"),
	                        .lport = htons((uint16_t)(20000 + s->opened)),
	                        .rport = htons(8080)};
	struct tcp_conn *c;

	if (s->client.n >= CONNS || s->opened >= 1000)
		return;
	c = tcp_connect(s->client.host.tcp, &peer, 10000000, s->world.now_us);
	s->opened++;
	if (c)
		s->client.conns[s->client.n++] = c;
	host_flush(&s->client.host);
}

static void pass_through(struct routing *r, struct l4_route *route, struct tls_rule *rule)
{
	*route = (struct l4_route){.name = STR("tls"), .split = &r->split};
	*rule = (struct tls_rule){.route = route};
	r->vhost.tls = rule;
	r->vhost.n_tls = 1;
	r->listener.kind = LISTENER_TLS;
	r->subsets[0].proxy_protocol = PROXY_PROTOCOL_V1;
	r->subsets[1].proxy_protocol = PROXY_PROTOCOL_V2;
}

static const uint8_t *command(struct stage *s, const uint8_t *p, const uint8_t *end)
{
	uint8_t op = *p++;
	size_t n = p < end ? *p : 0, len = n * 8;

	if (op == 'f' || op == 'c' || op == 's') {
		p += p < end;
		len = len < (size_t)(end - p) ? len : (size_t)(end - p);
		if (op == 'f' && len)
			s->weir.nic->receive(s->weir.nic->arg, p, (uint16_t)len);
		else if (op == 'c' && len)
			say(&s->client, p, len);
		else if (len) {
			say(&s->v1, p, len);
			say(&s->v2, p, len);
		}
		pass(s, 2000);
		return p + len;
	}
	if (op == 't' || op == 'C' || op == 'R')
		op == 't' ? pass(s, n * 100000) : stop(&s->client, op == 'R');
	else if (op == 'S' || op == 'T') {
		stop(&s->v1, op == 'T');
		stop(&s->v2, op == 'T');
	} else if (op == 'o')
		dial(s);
	else if (op == 'w')
		worker_use(s->weir.w[0], s->weir.after.snap);
	else if (op == 'p') {
		pass_through(&s->weir.before, &s->route[0], &s->rule[0]);
		pass_through(&s->weir.after, &s->route[1], &s->rule[1]);
	}
	pass(s, 2000);
	return p;
}

static void set_up(struct stage *s)
{
	struct host_config c = {
		.address = "10.0.0.1", .mtu = 1500, .rcvbuf = 65536, .sndbuf = 65536, .pool = 2000};

	memset(s, 0, sizeof(*s));
	world_init(&s->world, 1);
	weir_init(&s->weir, &s->world, 1, false, WEIR_PROXY);
	s->weir.after.listener.accept_http10 = true;
	host_init(&s->client.host, &s->world, &c);
	c.listen_port = 80;
	c.address = "10.0.0.11";
	host_init(&s->v1.host, &s->world, &c);
	c.address = "10.0.0.12";
	host_init(&s->v2.host, &s->world, &c);
	dial(s);
	pass(s, 5000);
}

static void tear_down(struct stage *s)
{
	const char *bad;

	while (s->client.n)
		stop(&s->client, false);
	while (s->v1.n)
		stop(&s->v1, false);
	while (s->v2.n)
		stop(&s->v2, false);
	worker_drain(s->weir.w[0], true, s->world.now_us);
	for (int i = 0; i < 100 && weir_counter(&s->weir, COUNT_TCP_CONNS); i++)
		pass(s, 60000000);
	bad = weir_books(&s->weir);
	host_fini(&s->client.host);
	host_fini(&s->v1.host);
	host_fini(&s->v2.host);
	world_fini(&s->world);
	if (weir_fini(&s->weir))
		bad = "buffers leaked";
	if (bad) {
		fprintf(stderr, "fuzz_worker: %s\n", bad);
		abort();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct stage s;
	const uint8_t *end = data + size;

	if (size > 20000)
		return 0;
	set_up(&s);
	while (data < end)
		data = command(&s, data, end);
	tear_down(&s);
	return 0;
}
