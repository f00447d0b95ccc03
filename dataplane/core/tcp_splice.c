/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A connection whose segments pass without it, and what it must know when it comes back.
 *
 *   quiet: nothing received is left here, nothing sent is left to be acknowledged
 *      tcp_freeze()  ->  segments pass, the peers recover losses between themselves  ->  tcp_thaw()
 *
 * Frozen, a connection holds no byte, so there is nothing that it could send again, and its numbers can be
 * set to what its follower saw go by. Its clock of timestamps moves on when the peer was shown later ones,
 * for those must not go back (RFC 7323 section 5). Congestion control starts as after silence (RFC 5681
 * section 4.1): what the path can take was found out by others.
 */
#include "tcp_parts.h"

#include <string.h>

#define FINISHING  (TCP_F_SHUT | TCP_F_FIN_SENT | TCP_F_FIN_KNOWN | TCP_F_EOF)
#define MUST_AGREE (TCP_F_TS | TCP_F_SACK)

bool tcp_splice_fits(struct tcp_stack *s, struct tcp_conn *from, struct tcp_conn *to)
{
	uint16_t told = from->mss_told;

	if (from->state != TCP_ESTABLISHED || to->state != TCP_ESTABLISHED)
		return false;
	if ((from->flags | to->flags) & FINISHING || (from->flags ^ to->flags) & MUST_AGREE)
		return false;
	if (ip_is_v4(&from->peer.remote) != ip_is_v4(&to->peer.remote))
		return false;
	return told <= to->peer_mss && told <= tcp_output_our_mss(s, &to->path, &to->peer);
}

static bool is_quiet(const struct tcp_conn *c)
{
	return !c->rcvq.first && !c->ooo && !c->sndq.first && c->snd_una == c->snd_nxt;
}

bool tcp_splice_quiet(const struct tcp_conn *a, const struct tcp_conn *b)
{
	return is_quiet(a) && is_quiet(b);
}

uint32_t tcp_send_window(const struct tcp_conn *c)
{
	return c->snd_wnd;
}

uint32_t tcp_send_window_max(const struct tcp_conn *c)
{
	return c->snd_wnd_max;
}

uint8_t tcp_recv_scale(const struct tcp_conn *c)
{
	return c->rcv_ws;
}

void tcp_freeze(struct tcp_stack *s, struct tcp_conn *c, struct tcp_frozen *f)
{
	if (c->ack_at || c->ack_segs || c->ack_sent != c->rcv_nxt)
		tcp_output_bare(s, c, c->snd_nxt, TCP_ACK);
	*f = (struct tcp_frozen){.rcv_nxt = c->rcv_nxt,
	                         .rcv_adv =
	                                 seq_gt(c->rcv_adv, c->rcv_nxt) ? c->rcv_adv : c->rcv_nxt,
	                         .snd_nxt = c->snd_nxt,
	                         .snd_wnd = c->snd_wnd,
	                         .ts_recent = c->ts_recent,
	                         .ts_sent = tcp_now_ms(s) + c->ts_offset,
	                         .snd_ws = c->snd_ws,
	                         .rcv_ws = c->rcv_ws,
	                         .ts = c->flags & TCP_F_TS};
	c->flags |= TCP_F_SPLICED;
	c->flags &= ~(TCP_F_ACK_NOW | TCP_F_HOLD | TCP_F_TLP | TCP_F_REO | TCP_F_PROBE);
	c->rtx_at = c->ack_at = c->idle_at = 0;
	timer_cancel(s->env.wheel, &c->timer);
}

/* What was seen go by becomes what the connection knows. */
static void take_over(struct tcp_stack *s, struct tcp_conn *c, const struct tcp_frozen *f)
{
	uint32_t clock = tcp_now_ms(s) + c->ts_offset;

	c->rcv_nxt = f->rcv_nxt;
	c->rcv_adv = f->rcv_adv; /* not the later one: it may have gone round since */
	c->snd_una = c->snd_nxt = f->snd_nxt;
	c->snd_wnd = f->snd_wnd;
	if (f->snd_wnd > c->snd_wnd_max)
		c->snd_wnd_max = f->snd_wnd;
	c->snd_wl1 = f->rcv_nxt;
	c->ts_recent = f->ts_recent;
	if (seq_gt(f->ts_sent, clock))
		c->ts_offset += f->ts_sent - clock;
}

void tcp_frozen_ack(struct tcp_stack *s, struct tcp_conn *c, const struct tcp_frozen *f)
{
	uint32_t hold = c->flags & TCP_F_HOLD;

	take_over(s, c, f);
	c->ts_offset = f->ts_sent - tcp_now_ms(s); /* ours may be ahead of what passes by */
	c->flags |= TCP_F_HOLD;                    /* so that the edge is the one in f, */
	c->rcv_adv =
		c->rcv_nxt + ((c->rcv_adv - c->rcv_nxt) >> c->rcv_ws << c->rcv_ws); /* not beyond */
	tcp_output_bare(s, c, c->snd_nxt, TCP_ACK);
	c->flags = (c->flags & ~TCP_F_HOLD) | hold;
}

void tcp_frozen_challenge(struct tcp_stack *s, struct tcp_conn *c, const struct tcp_frozen *f)
{
	tcp_input_challenge(s, c);
	if (!(c->flags & TCP_F_ACK_NOW))
		return;
	c->flags &= ~TCP_F_ACK_NOW;
	tcp_frozen_ack(s, c, f);
}

void tcp_expect(struct tcp_conn *c, uint32_t seq)
{
	c->rcv_nxt = seq;
}

void tcp_thaw(struct tcp_stack *s, struct tcp_conn *c, const struct tcp_frozen *f)
{
	bool moved = c->rcv_nxt != f->rcv_nxt;

	take_over(s, c, f);
	c->flags &= ~(TCP_F_SPLICED | TCP_F_HOLD | TCP_F_DSACK | TCP_F_TLP_SENT | TCP_F_RTX_NOW);
	c->ca = TCP_CA_OPEN;
	c->recover = c->snd_nxt;
	c->dup_acks = 0;
	c->backoff = 0;
	c->sacked = c->lost = c->retx = 0;
	c->epoch_ms = 0;
	if (c->cwnd > tcp_cubic_initial(c))
		c->cwnd = tcp_cubic_initial(c);
	if (moved)
		tcp_ack_now(s, c);
	tcp_timers_heard(s, c);
	tcp_timers_sync(s, c);
	tcp_touch(s, c);
	tcp_conn_event(s, c, TCP_EV_SENT | TCP_EV_READABLE);
}

void tcp_forget(struct tcp_stack *s, struct tcp_conn *c)
{
	c->flags |= TCP_F_ORDERLY; /* so that nobody is told */
	tcp_conn_close(s, c, TCP_WHY_FINISHED);
}

void tcp_forgotten_reset(struct tcp_stack *s, const struct tcp_peer *peer, uint32_t seq,
                         uint32_t ack)
{
	struct tcp_bare b = {.peer = peer, .seq = seq, .ack = ack, .flags = TCP_RST | TCP_ACK};

	tcp_count(s, COUNT_TCP_RST_SENT);
	tcp_output_stray(s, &b);
}
