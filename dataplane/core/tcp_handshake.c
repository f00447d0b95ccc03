/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Before ESTABLISHED: SYN, SYN-ACK, the ACK that ends the handshake, and what ends it early; and
 * what ICMP says about a connection (RFC 5927).
 *
 * Data and FIN on a SYN are ignored: they come again (RFC 9293 section 3.10.7.2 allows queueing, not
 * more). Each half-open connection costs a slot; beyond the backlog SYN cookies take over.
 */
#include "tcp_parts.h"

#define MSS_MIN     64   /* less is a peer's attack on our packet rate */
#define MSS_DEFAULT 536  /* RFC 9293 section 3.7.1 */
#define PMTU_MIN_V4 552  /* below it only attackers go; RFC 5927 section 7 */
#define PMTU_MIN_V6 1280 /* RFC 8201 section 4 */

/* What a SYN or SYN-ACK says of the peer. An option that our SYN did not offer is not in use. */
static void note_options(struct tcp_stack *s, struct tcp_conn *c, const struct tcp_options *o)
{
	uint16_t mss = o->has & TCP_OPT_MSS ? o->mss : MSS_DEFAULT;
	uint32_t offered = tcp_output_offer(s, c);
	uint8_t scale = c->flags & TCP_F_CHOSEN ? c->rcv_ws : s->rcv_ws;

	c->peer_mss = mss < MSS_MIN ? MSS_MIN : mss;
	c->flags &= ~TCP_F_OPTIONS;
	c->rcv_ws = 0;
	if (o->has & TCP_OPT_SACK_OK)
		c->flags |= TCP_F_SACK & offered;
	if (o->has & TCP_OPT_TS) {
		c->flags |= TCP_F_TS & offered;
		c->ts_recent = o->tsval;
	}
	if (o->has & TCP_OPT_WSCALE && offered & TCP_F_WSCALE) {
		c->flags |= TCP_F_WSCALE;
		c->snd_ws = o->wscale;
		c->rcv_ws = scale;
	}
}

enum drop tcp_handshake_accept(struct tcp_stack *s, const struct tcp_seg *g, uint32_t isn)
{
	int listener = s->env.listen(s->env.listen_arg, &g->peer.local, g->peer.lport);
	struct tcp_conn *c;

	if (listener < 0) {
		tcp_output_refuse(s, g);
		return listener == TCP_LISTEN_DRAIN ? DROP_TCP_DRAINING : DROP_TCP_NO_LISTENER;
	}
	if (s->half_open >= s->config.backlog)
		return tcp_cookie_send(s, g);
	c = tcp_conn_new(s, &g->peer);
	if (!c)
		return DROP_TCP_CONN_LIMIT;
	c->state = TCP_SYN_RCVD;
	s->half_open++;
	c->listener = (int16_t)listener;
	c->rcv_nxt = c->rcv_adv = g->seq + 1;
	c->snd_una = isn;
	c->snd_nxt = isn + 1;
	note_options(s, c, &g->opt);
	tcp_output_syn(s, c);
	tcp_timers_restart(s, c);
	return DROP_TCP_IN;
}

enum drop tcp_handshake_syn(struct tcp_stack *s, struct tcp_conn *c, struct tcp_seg *g)
{
	(void)c;
	return tcp_handshake_accept(s, g, tcp_stack_isn(s, &g->peer));
}

/* Our SYN-ACK was lost, or somebody guesses. */
enum drop tcp_handshake_syn_again(struct tcp_stack *s, struct tcp_conn *c, struct tcp_seg *g)
{
	if (g->seq + 1 != c->rcv_nxt) {
		tcp_input_challenge(s, c);
		return DROP_TCP_CHALLENGE;
	}
	tcp_output_syn(s, c);
	return DROP_TCP_DUP;
}

/* The handshake is done: what both sides of it have in common. */
static void open_windows(struct tcp_stack *s, struct tcp_conn *c, const struct tcp_seg *g)
{
	uint32_t wnd = g->flags & TCP_SYN ? g->wnd : (uint32_t)g->wnd << c->snd_ws;

	c->snd_wnd = c->snd_wnd_max = wnd;
	c->snd_wl1 = g->seq;
	c->rack_time = (uint32_t)(s->now_us << TCP_MARK_TIME_BITS);
	tcp_conn_establish(s, c);
}

void tcp_handshake_done(struct tcp_stack *s, struct tcp_conn *c, const struct tcp_seg *g)
{
	uint32_t echoed = tcp_now_ms(s) + c->ts_offset - g->opt.tsecr;

	s->half_open--;
	if (c->flags & TCP_F_TS && g->opt.has & TCP_OPT_TS && echoed < 60000)
		tcp_ack_rtt(c, echoed * 1000 + 500);
	c->snd_una = g->ack;
	c->flags |= TCP_F_USER;
	open_windows(s, c, g);
	tcp_count(s, COUNT_TCP_ACCEPTED);
	tcp_conn_event(s, c, TCP_EV_ACCEPTED);
}

struct tcp_conn *tcp_handshake_resume(struct tcp_stack *s, const struct tcp_seg *g,
                                      const struct tcp_options *o)
{
	struct tcp_conn *c = tcp_conn_new(s, &g->peer);

	if (!c)
		return NULL;
	c->state = TCP_SYN_RCVD;
	s->half_open++;
	c->snd_una = g->ack - 1;
	c->snd_nxt = g->ack;
	c->rcv_nxt = c->ack_sent = g->seq;
	c->rcv_adv = c->rcv_nxt +
	             (s->config.rcvbuf_bytes > UINT16_MAX ? UINT16_MAX : s->config.rcvbuf_bytes);
	note_options(s, c, o);
	c->mss_told = tcp_output_our_mss(s, &c->path, &c->peer); /* as the cookie's SYN-ACK did */
	return c;
}

/* RFC 9293 section 3.10.7.3. */
enum drop tcp_handshake_syn_ack(struct tcp_stack *s, struct tcp_conn *c, struct tcp_seg *g)
{
	if (g->ack != c->snd_nxt) {
		tcp_output_refuse(s, g);
		return DROP_TCP_WINDOW;
	}
	if (!c->backoff) /* one SYN, one answer: Karn */
		tcp_ack_rtt(c, tcp_now_ms(s) - c->progress_ms
		                       ? (tcp_now_ms(s) - c->progress_ms) * 1000
		                       : 500);
	c->snd_una = g->ack;
	c->rcv_nxt = g->seq + 1;
	c->ack_sent = c->rcv_nxt;
	note_options(s, c, &g->opt);
	c->rcv_adv = c->rcv_nxt +
	             (s->config.rcvbuf_bytes > UINT16_MAX ? UINT16_MAX : s->config.rcvbuf_bytes);
	open_windows(s, c, g);
	tcp_count(s, COUNT_TCP_CONNECTED);
	tcp_conn_event(s, c, TCP_EV_CONNECTED);
	if (!(s->config.keepalive_idle_us))
		c->idle_at = 0; /* was the end of connecting */
	tcp_ack_now(s, c);
	return DROP_TCP_IN;
}

/* An ACK without SYN: an old connection's peer is still there. RFC 9293 section 3.5.1. */
enum drop tcp_handshake_stray_ack(struct tcp_stack *s, struct tcp_conn *c, struct tcp_seg *g)
{
	if (g->ack == c->snd_nxt)
		return DROP_TCP_BAD_STATE;
	tcp_output_refuse(s, g);
	return DROP_TCP_WINDOW;
}

enum drop tcp_handshake_refused(struct tcp_stack *s, struct tcp_conn *c, struct tcp_seg *g)
{
	if (!(g->flags & TCP_ACK) || g->ack != c->snd_nxt)
		return DROP_TCP_WINDOW;
	tcp_count(s, COUNT_TCP_RST_RECEIVED);
	tcp_conn_close(s, c, TCP_WHY_REFUSED);
	return DROP_TCP_IN;
}

enum drop tcp_handshake_no_conn(struct tcp_stack *s, struct tcp_conn *c, struct tcp_seg *g)
{
	(void)c;
	tcp_output_refuse(s, g);
	return DROP_TCP_NO_CONN;
}

enum drop tcp_handshake_no_conn_ack(struct tcp_stack *s, struct tcp_conn *c, struct tcp_seg *g)
{
	enum drop end = tcp_cookie_ack(s, g);

	(void)c;
	/* While cookies are out, a segment that fits none may be the second of a client whose first, the
	   one with the cookie, was lost or is late: a RST would kill a connection in the making. */
	if (end == DROP_TCP_NO_CONN)
		tcp_output_refuse(s, g);
	return end;
}

/* ---- ICMP ----------------------------------------------------------------------------------- */

/* RFC 1191 section 7: the next common size below, when the router does not tell. */
static uint16_t plateau_below(uint16_t mtu)
{
	static const uint16_t plateaus[] = {8166, 4352, 2002, 1492, 1006, 552};

	for (uint32_t i = 0; i < sizeof(plateaus) / sizeof(plateaus[0]); i++) {
		if (plateaus[i] < mtu)
			return plateaus[i];
	}
	return PMTU_MIN_V4;
}

static void path_shrank(struct tcp_stack *s, struct tcp_conn *c, uint16_t mtu)
{
	bool v4 = ip_is_v4(&c->peer.remote);
	uint16_t headers = v4 ? 40 : 60, least = v4 ? PMTU_MIN_V4 : PMTU_MIN_V6, was = c->mss;

	if (mtu == 0)
		mtu = plateau_below((uint16_t)(c->mss + headers));
	if (mtu < least)
		mtu = least;
	if (mtu - headers >= c->peer_mss)
		return;
	c->peer_mss = (uint16_t)(mtu - headers);
	tcp_output_set_mss(s, c);
	if (c->mss < was) { /* not congestion: cwnd stays (RFC 1191 section 6.5, RFC 5927) */
		tcp_sack_mark_longer(c, c->mss);
		c->flags |= TCP_F_RTX_NOW;
		tcp_touch(s, c);
	}
}

void tcp_icmp(struct tcp_stack *s, const struct net_icmp_error *e, uint64_t now_us)
{
	struct tcp_peer peer = {e->local, e->remote, e->lport, e->rport};
	struct tcp_conn *c;

	s->now_us = now_us;
	c = tcp_table_find(s, &peer);
	/* RFC 5927 section 4.1: it must quote what is in flight */
	if (!c || seq_lt(e->seq, c->snd_una) || seq_geq(e->seq, c->snd_nxt))
		return;
	if (e->too_big && tcp_is_synchronized(c))
		path_shrank(s, c, e->mtu);
	else if (e->hard && c->state == TCP_SYN_SENT)
		tcp_conn_close(s, c, TCP_WHY_REFUSED);
}
