/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Acknowledgements in: what they free, what they say about loss, round trip and window.
 *
 *            3 dup ACKs / SACK says lost              una >= recover
 *   OPEN ------------------------------> RECOVERY ---------------------> OPEN
 *     \                                     |
 *      `----- time-out ------> LOSS <-------'  time-out      LOSS -> OPEN: una >= recover
 *
 * With SACK, losses are found by tcp_sack.c. Without it each duplicate ACK counts as one segment that
 * has left the network, and a partial acknowledgement means that the next segment is lost, too
 * (NewReno, RFC 6582): both keep the same counters, so sending need not know which it was.
 */
#include "tcp_parts.h"

#define RTO_FIRST_US 1000000 /* RFC 6298 section 2.1 */
#define RTO_MIN_US   200000  /* above common delayed ACK timers */
#define DUP_THRESH   3

uint32_t tcp_ack_rto_us(const struct tcp_conn *c)
{
	uint32_t rto = c->srtt_us + 4 * c->rttvar_us;

	if (!c->srtt_us)
		return RTO_FIRST_US;
	return rto < RTO_MIN_US ? RTO_MIN_US : rto;
}

void tcp_ack_rtt(struct tcp_conn *c, uint32_t rtt_us)
{
	uint32_t r = rtt_us ? rtt_us : 1, diff;

	c->backoff = 0; /* RFC 6298 section 5.7, Karn: an unambiguous sample ends the back-off */
	if (!c->srtt_us) {
		c->srtt_us = r;
		c->rttvar_us = r / 2;
		return;
	}
	diff = r > c->srtt_us ? r - c->srtt_us : c->srtt_us - r;
	c->rttvar_us += diff / 4 - c->rttvar_us / 4;
	c->srtt_us += r / 8 - c->srtt_us / 8;
	if (!c->srtt_us)
		c->srtt_us = 1;
}

/* Does it say that something came twice (RFC 2883)? Then it echoes the time stamp of the first time. */
static bool is_dsack(const struct tcp_seg *g)
{
	return g->opt.n_sack && seq_leq(g->opt.sack[0].end, g->ack);
}

/*
 * After repairs only timestamps tell which of two sendings was answered (RFC 7323 section 4.1); with
 * nothing repaired the clock of the send queue is finer. When the first answer was lost, the second one tells the time
 * of the first: an RTO made from that could be a minute.
 */
static void sample_timestamp(struct tcp_stack *s, struct tcp_conn *c, const struct tcp_seg *g)
{
	uint32_t ms = tcp_now_ms(s) + c->ts_offset - g->opt.tsecr;

	if ((c->ca != TCP_CA_OPEN || c->backoff) && c->flags & TCP_F_TS &&
	    g->opt.has & TCP_OPT_TS && ms < 60000 && !is_dsack(g))
		tcp_ack_rtt(c, ms * 1000 + 500);
}

/* ---- loss ----------------------------------------------------------------------------------- */

static void enter_recovery(struct tcp_stack *s, struct tcp_conn *c)
{
	tcp_cubic_congestion(c);
	c->cwnd = c->ssthresh;
	c->recover = c->snd_nxt;
	c->ca = TCP_CA_RECOVERY;
	c->flags |= TCP_F_RTX_NOW;
	tcp_count(s, COUNT_TCP_RECOVERIES);
	tcp_timers_restart(s, c);
}

/* RFC 6582 section 3.2 step 3: no burst of what the window now has room for. */
static void leave_recovery(struct tcp_conn *c)
{
	uint32_t flight = c->snd_nxt - c->snd_una;
	uint32_t most = (flight > c->mss ? flight : c->mss) + c->mss;

	if (c->ca == TCP_CA_RECOVERY)
		c->cwnd = c->ssthresh < most ? c->ssthresh : most;
	c->ca = TCP_CA_OPEN;
	c->dup_acks = 0;
	c->flags &= ~TCP_F_RTX_NOW;
	if (!(c->flags & TCP_F_SACK))
		c->sacked = 0;
}

static void bound_sacked(struct tcp_conn *c)
{
	uint32_t flight = c->snd_nxt - c->snd_una, most;

	most = flight > c->lost ? flight - c->lost : 0;
	if (c->sacked > most)
		c->sacked = most;
}

/* Without SACK: RFC 6582. acked: bytes newly acknowledged; 0 with dup: a duplicate ACK. */
static void newreno(struct tcp_stack *s, struct tcp_conn *c, uint32_t acked, bool dup)
{
	if (acked) {
		c->dup_acks = 0;
		if (c->ca == TCP_CA_OPEN) {
			c->sacked = 0;
		} else {
			c->sacked -= acked > c->mss && c->sacked > acked - c->mss ? acked - c->mss
			                                                          : c->sacked;
			tcp_sack_mark_first(c);
		}
	} else if (dup) {
		c->sacked += c->mss;
		if (c->dup_acks < UINT8_MAX)
			c->dup_acks++;
		if (c->ca == TCP_CA_OPEN && c->dup_acks >= DUP_THRESH) {
			tcp_sack_mark_first(c);
			enter_recovery(s, c);
		}
	}
	bound_sacked(c);
}

static void look_for_loss(struct tcp_stack *s, struct tcp_conn *c, uint32_t acked, bool dup)
{
	if (c->ca != TCP_CA_OPEN && seq_geq(c->snd_una, c->recover))
		leave_recovery(c);
	if (!(c->flags & TCP_F_SACK))
		newreno(s, c, acked, dup);
	else if (tcp_sack_mark_lost(s, c) && c->ca == TCP_CA_OPEN)
		enter_recovery(s, c);
}

void tcp_ack_reordering_over(struct tcp_stack *s, struct tcp_conn *c)
{
	if (tcp_sack_mark_overdue(c) && c->ca == TCP_CA_OPEN)
		enter_recovery(s, c);
}

void tcp_ack_timeout(struct tcp_stack *s, struct tcp_conn *c)
{
	if (c->ca != TCP_CA_LOSS)
		tcp_cubic_congestion(c);
	c->ca = TCP_CA_LOSS;
	c->cwnd = c->mss;
	c->recover = c->snd_nxt;
	c->dup_acks = 0;
	c->flags |= TCP_F_RTX_NOW;
	if (c->flags & TCP_F_FIN_SENT)
		c->flags |= TCP_F_FIN_LOST;
	/* also what was acknowledged selectively: the peer may have dropped it (RFC 2018 section 8) */
	tcp_sack_mark_all(c);
	tcp_touch(s, c);
}

/* ---- what an ACK moves ---------------------------------------------------------------------- */

/*
 * RFC 9293 section 3.10.7.4: SND.WL1 and SND.WL2; snd_una stands for the latter. Beyond that, a segment
 * that acknowledges more always tells the window: keeping the old one while snd_una moves would push
 * the edge beyond what the peer ever offered, and it would then refuse our ACKs too.
 */
static bool update_window(struct tcp_conn *c, const struct tcp_seg *g, uint32_t acked)
{
	uint32_t was = c->snd_una + c->snd_wnd, wnd = (uint32_t)g->wnd << c->snd_ws;

	if (seq_lt(g->ack, c->snd_una) || (!acked && seq_lt(g->seq, c->snd_wl1)))
		return false;
	if (seq_gt(g->seq, c->snd_wl1))
		c->snd_wl1 = g->seq;
	c->snd_wnd = wnd;
	if (wnd > c->snd_wnd_max)
		c->snd_wnd_max = wnd;
	return seq_gt(c->snd_una + wnd, was);
}

static uint32_t advance(struct tcp_stack *s, struct tcp_conn *c, uint32_t ack)
{
	uint32_t bytes, from = c->snd_una;

	if (!seq_gt(ack, c->snd_una))
		return 0;
	bytes = tcp_sendq_acked(s, c, ack);
	c->snd_una = ack;
	c->progress_ms = tcp_now_ms(s);
	c->flags &= ~TCP_F_TLP_SENT;
	if (bytes && !c->sndq.first)
		tcp_conn_event(s, c, TCP_EV_SENT);
	if (c->flags & TCP_F_NO_SPACE && c->sndq.bytes <= tcp_sendq_bound(s) / 2) {
		c->flags &= ~TCP_F_NO_SPACE;
		tcp_conn_event(s, c, TCP_EV_WRITABLE);
	}
	return ack - from;
}

static bool is_duplicate(const struct tcp_conn *c, const struct tcp_seg *g)
{
	return g->ack == c->snd_una && g->len == 0 && !(g->flags & TCP_FIN) &&
	       c->snd_una != c->snd_nxt && (uint32_t)g->wnd << c->snd_ws == c->snd_wnd;
}

void tcp_ack_process(struct tcp_stack *s, struct tcp_conn *c, const struct tcp_seg *g)
{
	bool dup = is_duplicate(c, g), opened, in_flight = c->snd_una != c->snd_nxt;
	bool probing = c->flags & TCP_F_PROBE;
	uint32_t acked, sacked = 0;

	if (c->flags & TCP_F_SACK && g->opt.n_sack && in_flight)
		sacked = tcp_sack_apply(s, c, &g->opt);
	acked = advance(s, c, g->ack);
	opened = update_window(c, g, acked);
	if (acked) {
		sample_timestamp(s, c, g);
		tcp_timers_restart(s, c);
	}
	if (in_flight && (acked || sacked || dup))
		look_for_loss(s, c, acked, dup);
	if (acked && c->ca != TCP_CA_RECOVERY &&
	    (c->flags & TCP_F_CWND_LIMITED || c->ca == TCP_CA_LOSS))
		tcp_cubic_acked(s, c, acked);
	/* alive, if unwilling (RFC 9293 section 3.8.6.1); also when it took back window */
	if ((probing || c->snd_wnd < c->mss) && c->flags & TCP_F_USER)
		c->progress_ms = tcp_now_ms(s);
	if (probing && opened) {
		c->backoff = 0;
		tcp_timers_restart(s, c);
	}
	if (acked || sacked || dup || opened)
		tcp_touch(s, c);
}
