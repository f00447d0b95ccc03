/* SPDX-License-Identifier: BSD-3-Clause */
#include "tcp_rig.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define L2L3_BYTES 34 /* Ethernet and IPv4 */

static void check(bool ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "tcp_rig: %s\n", what);
	abort();
}

static int listen_fn(void *arg, const struct ip_addr *addr, be16_t port)
{
	(void)arg;
	(void)addr;
	switch (__builtin_bswap16(port)) {
	case 80: return 7;
	case 81: return TCP_LISTEN_DRAIN;
	default: return TCP_LISTEN_NONE;
	}
}

void tcp_rig_init(struct tcp_rig *r)
{
	memset(r, 0, sizeof(*r));
	rig_init(&r->rig);
	tcp_config_default(&r->config);
	r->config.keepalive_idle_us = 0;
	r->config.max_conns = 64;
	r->rig.now_us = 5000000;
	r->port = 40000;
	r->our_port = 80;
	r->ts = r->sack = true;
	r->wscale = 7;
	r->peer_clock = 100;
}

void tcp_rig_start(struct tcp_rig *r)
{
	static const char arp[] = "0200000000010200000000aa08060001080006040002"
				  "0200000000aa0a0000020200000000010a000001";
	struct tcp_env env;
	size_t bytes = (tcp_bytes(&r->config) + 63) & ~(size_t)63;
	void *memory = aligned_alloc(64, bytes);

	check(memory != NULL, "memory");
	memset(memory, 0xa5, bytes); /* tcp_init() must not rely on zeroes */
	rig_start(&r->rig, true, 64);
	r->rig.net->now_us = r->rig.now_us;
	timer_init(&r->wheel, r->rig.now_us);
	env = (struct tcp_env){
		.net = r->rig.net,
		.pool = &r->rig.pool,
		.wheel = &r->wheel,
		.listen = listen_fn,
		.counters = r->rig.counters,
		.secret = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16},
	};
	r->tcp = tcp_init(memory, &r->config, &env);
	TCP_RIG_IN(r,
	           .flags = TCP_ACK); /* its RST makes net ask for the peer, and only then learn */
	rig_receive_hex(&r->rig, 0, arp);
	rig_drain(&r->rig);
	memset(r->rig.counters, 0, sizeof(r->rig.counters));
}

void tcp_rig_stop(struct tcp_rig *r)
{
	tcp_fini(r->tcp);
	check(r->tcp->slab.used == 0, "connections leaked");
	check(r->wheel.armed == 0, "timers left");
	free(r->tcp);
	rig_stop(&r->rig);
}

/* ---- in ------------------------------------------------------------------------------------- */

enum drop tcp_rig_raw(struct tcp_rig *r, const uint8_t *bytes, uint16_t len, uint16_t buf_flags)
{
	struct buf *b = r->exact ? bufs_exact(&r->rig.pool, bytes, len)
	                         : bufs_from(&r->rig.pool, bytes, len);
	struct pkt p = {.buf = b, .kind = PKT_TCP, .src = rig_addr("10.0.0.2")};

	check(b != NULL, "pool");
	b->flags = buf_flags;
	p.dst = rig_addr("10.0.0.1");
	p.l4 = b->data;
	p.l4_len = len;
	if (len >= 4) { /* net_parse() lets nothing shorter through */
		memcpy(&p.sport, bytes, sizeof(p.sport));
		memcpy(&p.dport, bytes + 2, sizeof(p.dport));
	}
	return tcp_input(r->tcp, &p, r->rig.now_us);
}

enum drop tcp_rig_in(struct tcp_rig *r, const struct tcp_rig_seg *g)
{
	uint8_t bytes[60 + 65000] = {0}, *p = bytes;
	struct tcp_options opt = g->opt;
	uint32_t seq = g->absolute ? g->seq : TCP_RIG_ISS + g->seq, n;
	uint32_t ack = g->absolute ? g->ack : r->iss + g->ack;
	uint16_t wnd = g->zero_wnd ? 0 : g->wnd ? g->wnd : 65535;

	if (!(g->flags & TCP_ACK))
		ack = 0;
	if (r->ts) {
		opt.has |= TCP_OPT_TS;
		if (!opt.tsval)
			opt.tsval = r->peer_clock++;
	}
	if (g->flags & TCP_SYN && !opt.mss) {
		opt.has |= TCP_OPT_MSS | (r->sack ? TCP_OPT_SACK_OK : 0) |
		           (r->wscale < 15 ? TCP_OPT_WSCALE : 0);
		opt.mss = 1460;
		opt.wscale = r->wscale;
	}
	n = 20 + tcp_options_write(bytes + 20, &opt);
	p[0] = (uint8_t)(r->port >> 8), p[1] = (uint8_t)r->port;
	p[2] = (uint8_t)(r->our_port >> 8), p[3] = (uint8_t)r->our_port;
	seq = __builtin_bswap32(seq), ack = __builtin_bswap32(ack);
	memcpy(p + 4, &seq, 4);
	memcpy(p + 8, &ack, 4);
	p[12] = (uint8_t)(n << 2);
	p[13] = g->flags;
	p[14] = (uint8_t)(wnd >> 8), p[15] = (uint8_t)wnd;
	for (uint32_t i = 0; i < g->len; i++)
		p[n + i] = (uint8_t)(g->seq + i);
	return tcp_rig_raw(r, bytes, (uint16_t)(n + g->len), BUF_L4_CSUM_OK);
}

/* ---- out ------------------------------------------------------------------------------------ */

static void take_events(struct tcp_rig *r)
{
	struct tcp_conn *c;
	uint32_t events;

	while ((c = tcp_next_ready(r->tcp, &events))) {
		if (events & TCP_EV_ACCEPTED)
			r->c = c;
		if (c == r->c)
			r->events |= events;
	}
}

uint32_t tcp_rig_flush(struct tcp_rig *r)
{
	take_events(r);
	tcp_flush(r->tcp, r->rig.now_us);
	return rig_sent(&r->rig, 0);
}

struct tcp_rig_seg tcp_rig_out(struct tcp_rig *r, uint32_t i, const uint8_t **payload)
{
	const struct net_tx *tx = &net_out(r->rig.net, 0)->tx[i];
	const uint8_t *h = tx->frame + L2L3_BYTES;
	uint32_t header = (uint32_t)(h[12] >> 4) * 4, seq, ack;
	struct tcp_rig_seg g = {.flags = h[13], .wnd = (uint16_t)(h[14] << 8 | h[15])};

	check(i < rig_sent(&r->rig, 0), "nothing sent");
	memcpy(&seq, h + 4, 4);
	memcpy(&ack, h + 8, 4);
	seq = __builtin_bswap32(seq);
	if (g.flags & TCP_SYN)
		r->iss = seq;
	g.seq = seq - r->iss;
	g.ack = g.flags & TCP_ACK ? __builtin_bswap32(ack) - TCP_RIG_ISS : 0;
	g.len = (uint16_t)(tx->len - L2L3_BYTES - header);
	g.zero_wnd = g.wnd == 0;
	check(tcp_options_read(h + 20, header - 20, &g.opt), "options out");
	if (payload)
		*payload = h + header;
	return g;
}

struct tcp_rig_seg tcp_rig_only(struct tcp_rig *r)
{
	struct tcp_rig_seg g;

	check(rig_sent(&r->rig, 0) == 1, "not exactly one segment sent");
	g = tcp_rig_out(r, 0, NULL);
	tcp_rig_drain(r);
	return g;
}

void tcp_rig_drain(struct tcp_rig *r)
{
	rig_drain(&r->rig);
}

static void fire(void *arg, struct timer *t, uint64_t now_us)
{
	tcp_timer(arg, t, now_us);
}

void tcp_rig_wait(struct tcp_rig *r, uint64_t us)
{
	uint64_t end = r->rig.now_us + us, step;

	while (r->rig.now_us < end && !rig_sent(&r->rig, 0)) {
		step = timer_next(&r->wheel);
		step = step <= r->rig.now_us ? r->rig.now_us + 1000 : step;
		r->rig.now_us = step < end ? step : end;
		r->peer_clock += 1;
		timer_turn(&r->wheel, r->rig.now_us, fire, r->tcp);
		tcp_rig_flush(r);
	}
}

/* ---- ways into a state ---------------------------------------------------------------------- */

void tcp_rig_accept(struct tcp_rig *r)
{
	r->events = 0;
	check(TCP_RIG_IN(r, .flags = TCP_SYN) == DROP_TCP_IN, "SYN");
	check(tcp_rig_only(r).flags == (TCP_SYN | TCP_ACK), "SYN-ACK");
	check(TCP_RIG_IN(r, .flags = TCP_ACK, .seq = 1, .ack = 1) == DROP_TCP_IN, "ACK");
	check(tcp_rig_flush(r) == 0, "quiet after the handshake");
	check(r->c && r->events == TCP_EV_ACCEPTED, "ACCEPTED");
}

static void start_connect(struct tcp_rig *r)
{
	struct tcp_peer peer = {
		.local = rig_addr("10.0.0.1"),
		.remote = rig_addr("10.0.0.2"),
		.lport = __builtin_bswap16(r->our_port),
		.rport = __builtin_bswap16(r->port),
	};

	r->events = 0;
	r->c = tcp_connect(r->tcp, &peer, 10000000, r->rig.now_us);
	check(r->c != NULL, "tcp_connect");
	check(tcp_rig_only(r).flags == TCP_SYN, "SYN");
}

void tcp_rig_connect(struct tcp_rig *r)
{
	start_connect(r);
	check(TCP_RIG_IN(r, .flags = TCP_SYN | TCP_ACK, .ack = 1) == DROP_TCP_IN, "SYN-ACK");
	check(tcp_rig_flush(r) == 1 && tcp_rig_only(r).flags == TCP_ACK, "ACK");
	check(r->events == TCP_EV_CONNECTED, "CONNECTED");
}

static void shut(struct tcp_rig *r)
{
	tcp_shutdown(r->tcp, r->c);
	check(tcp_rig_flush(r) == 1 && tcp_rig_only(r).flags == (TCP_FIN | TCP_ACK), "FIN");
}

static void peer_fin(struct tcp_rig *r, uint32_t ack)
{
	TCP_RIG_IN(r, .flags = TCP_FIN | TCP_ACK, .seq = 1, .ack = ack);
	tcp_rig_flush(r);
	tcp_rig_drain(r);
}

void tcp_rig_bring_to(struct tcp_rig *r, enum tcp_state state)
{
	if (state == TCP_CLOSED)
		return;
	if (state == TCP_SYN_SENT) {
		start_connect(r);
		return;
	}
	if (state == TCP_SYN_RCVD) {
		TCP_RIG_IN(r, .flags = TCP_SYN);
		tcp_rig_only(r);
		return;
	}
	tcp_rig_accept(r);
	switch (state) {
	case TCP_FIN_WAIT_2:
		shut(r);
		TCP_RIG_IN(r, .flags = TCP_ACK, .seq = 1, .ack = 2);
		break;
	case TCP_CLOSE_WAIT: peer_fin(r, 1); break;
	case TCP_LAST_ACK:
		peer_fin(r, 1);
		shut(r);
		break;
	case TCP_FIN_WAIT_1: shut(r); break;
	case TCP_CLOSING:
		shut(r);
		peer_fin(r, 1);
		break;
	case TCP_TIME_WAIT:
		shut(r);
		peer_fin(r, 2);
		break;
	default: break;
	}
	check(r->c->state == state, "state");
}

void tcp_rig_send(struct tcp_rig *r, uint32_t n)
{
	for (uint32_t at = 0; at < n;) {
		struct buf *b = buf_alloc(&r->rig.pool);

		check(b != NULL, "pool");
		b->len = (uint16_t)(n - at < 1400 ? n - at : 1400);
		for (uint32_t i = 0; i < b->len; i++)
			b->data[i] = (uint8_t)(at + i);
		at += b->len;
		tcp_send(r->tcp, r->c, b);
	}
}
