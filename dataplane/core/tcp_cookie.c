/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * SYN cookies: the backlog is full, so the state of the handshake goes into our sequence number and
 * comes back in the client's ACK (RFC 4987 section 3.6).
 *
 *   31                                     8  7      5  4        1  0
 *   |  24 bits of keyed hash                | MSS    | wscale     | SACK |
 *
 * The hash covers the 4-tuple, the client's sequence number, the low byte and the minute it was made
 * in; two minutes are good, so a cookie lives 64 to 128 s and a guess succeeds once in 2^23. Whether
 * timestamps are on is seen from the ACK itself. Window scale 15 stands for none.
 */
#include "tcp_parts.h"

#include <string.h>

#define PERIOD_US 64000000ull
#define NO_SCALE  15u

static const uint16_t mss_table[8] = {216, 536, 1024, 1220, 1360, 1440, 1460, 8960};

static uint32_t hash_for(const struct tcp_stack *s, const struct tcp_peer *peer, uint32_t seq,
                         uint8_t data, uint64_t period)
{
	struct hash_state h = hash_start(&s->cookie_key);

	hash_word(&h, peer->local.q[0]);
	hash_word(&h, peer->local.q[1]);
	hash_word(&h, peer->remote.q[0]);
	hash_word(&h, peer->remote.q[1]);
	hash_word(&h, (uint64_t)seq << 32 | (uint64_t)peer->lport << 16 | peer->rport);
	hash_word(&h, period << 8 | data);
	return (uint32_t)hash_end(&h) & 0xffffff00u;
}

/* Largest entry that is not more than the peer takes. */
static uint8_t mss_index(uint16_t mss)
{
	uint8_t i = 7;

	while (i && mss_table[i] > mss)
		i--;
	return i;
}

enum drop tcp_cookie_send(struct tcp_stack *s, const struct tcp_seg *g)
{
	uint16_t mss = g->opt.has & TCP_OPT_MSS ? g->opt.mss : 536;
	uint32_t scale = g->opt.has & TCP_OPT_WSCALE ? g->opt.wscale : NO_SCALE;
	uint8_t data = (uint8_t)(mss_index(mss) << 5 | scale << 1 |
	                         (g->opt.has & TCP_OPT_SACK_OK ? 1 : 0));
	struct net_path path = {0};
	struct tcp_options opt = {.has = g->opt.has, .wscale = s->rcv_ws};
	uint32_t wnd = s->config.rcvbuf_bytes;
	struct tcp_bare b = {
		.peer = &g->peer,
		.opt = &opt,
		.ack = g->seq + 1,
		.wnd = (uint16_t)(wnd > UINT16_MAX ? UINT16_MAX : wnd),
		.flags = TCP_SYN | TCP_ACK,
	};

	opt.has |= TCP_OPT_MSS;
	if (!s->config.timestamps)
		opt.has &= (uint8_t)~TCP_OPT_TS;
	opt.mss = tcp_output_our_mss(s, &path, &g->peer);
	opt.tsval = tcp_now_ms(s) + tcp_stack_ts_offset(s, &g->peer);
	opt.tsecr = g->opt.tsval;
	b.seq = hash_for(s, &g->peer, g->seq, data, s->now_us / PERIOD_US) | data;
	s->cookie_us = s->now_us ? s->now_us : 1;
	tcp_count(s, COUNT_TCP_COOKIES_SENT);
	tcp_output_stray(s, &b);
	return DROP_TCP_IN;
}

static bool is_ours(const struct tcp_stack *s, const struct tcp_seg *g)
{
	uint32_t cookie = g->ack - 1, seq = g->seq - 1;
	uint64_t period = s->now_us / PERIOD_US;
	uint8_t data = (uint8_t)cookie;

	cookie &= 0xffffff00u;
	return cookie == hash_for(s, &g->peer, seq, data, period) ||
	       (period && cookie == hash_for(s, &g->peer, seq, data, period - 1));
}

/* The options of the SYN, from the cookie. */
static void recall(const struct tcp_seg *g, struct tcp_options *o)
{
	uint8_t data = (uint8_t)(g->ack - 1), scale = data >> 1 & 15;

	*o = (struct tcp_options){.has = TCP_OPT_MSS, .mss = mss_table[data >> 5]};
	if (data & 1)
		o->has |= TCP_OPT_SACK_OK;
	if (scale != NO_SCALE) {
		o->has |= TCP_OPT_WSCALE;
		o->wscale = scale;
	}
	if (g->opt.has & TCP_OPT_TS) {
		o->has |= TCP_OPT_TS;
		o->tsval = g->opt.tsval;
	}
}

bool tcp_cookie_out(const struct tcp_stack *s)
{
	return s->cookie_us && s->now_us - s->cookie_us <= 2 * PERIOD_US;
}

bool tcp_cookie_fits(const struct tcp_stack *s, const struct tcp_seg *g)
{
	return tcp_cookie_out(s) && is_ours(s, g);
}

enum drop tcp_cookie_ack(struct tcp_stack *s, struct tcp_seg *g)
{
	struct tcp_options o;
	struct tcp_conn *c;
	int listener;

	if (!tcp_cookie_out(s)) /* do not let anybody guess one */
		return DROP_TCP_NO_CONN;
	listener = s->env.listen(s->env.listen_arg, &g->peer.local, g->peer.lport);
	if (listener < 0)
		return DROP_TCP_NO_CONN;
	if (!is_ours(s, g))
		return DROP_TCP_COOKIE;
	recall(g, &o);
	c = tcp_handshake_resume(s, g, &o);
	if (!c)
		return DROP_TCP_CONN_LIMIT;
	c->listener = (int16_t)listener;
	tcp_count(s, COUNT_TCP_COOKIES_OK);
	return tcp_step[c->state][TCP_CLASS_ACK].fn(s, c, g);
}
