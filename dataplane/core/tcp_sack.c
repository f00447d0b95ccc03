/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The scoreboard of the sending half: what the peer holds, what is lost.
 *
 * It lives in the marks of the send queue's buffers. A segment is lost when three segments or more
 * than two full ones' bytes beyond it have arrived (RFC 6675, IsLost), or when a segment that was
 * sent a reordering window later has arrived (RFC 8985, RACK): the second rule finds lost
 * retransmissions and short tails, for which the first never gets its three.
 *
 *   counters, in bytes:  sacked  lost  retx (lost and sent again);  pipe = flight - sacked - lost + retx
 */
#include "tcp_parts.h"

#define DUP_THRESH 3

static bool is_covered(const struct tcp_conn *c, const struct buf *b, const struct tcp_options *o)
{
	uint32_t end = b->seq + b->len;

	for (uint32_t i = 0; i < o->n_sack; i++) {
		const struct tcp_block *k = &o->sack[i];

		/* a block below snd_una is D-SACK (RFC 2883); one beyond snd_nxt is a lie */
		if (seq_lt(k->start, c->snd_una) || seq_gt(k->end, c->snd_nxt) ||
		    seq_geq(k->start, k->end))
			continue;
		if (seq_leq(k->start, b->seq) && seq_leq(end, k->end))
			return true;
	}
	return false;
}

void tcp_sack_delivered(struct tcp_stack *s, struct tcp_conn *c, const struct buf *b)
{
	uint32_t sent = b->mark & ~TCP_MARK_FLAGS,
		 now = (uint32_t)(s->now_us << TCP_MARK_TIME_BITS);

	/* sent twice, and the answer came too soon to be the second's: RFC 8985 section 6.2 */
	if (b->mark & TCP_MARK_EVER_RETX && (now - sent) >> TCP_MARK_TIME_BITS < c->srtt_us / 2)
		return;
	if ((int32_t)(sent - c->rack_time) > 0)
		c->rack_time = sent;
}

static void mark_sacked(struct tcp_conn *c, struct buf *b)
{
	if (b->mark & TCP_MARK_RETX)
		c->retx -= b->len;
	if (b->mark & TCP_MARK_LOST)
		c->lost -= b->len;
	b->mark &= ~(uint32_t)(TCP_MARK_LOST | TCP_MARK_RETX);
	b->mark |= TCP_MARK_SACKED;
	c->sacked += b->len;
}

uint32_t tcp_sack_apply(struct tcp_stack *s, struct tcp_conn *c, const struct tcp_options *o)
{
	struct buf *end = tcp_unsent(c);
	uint32_t before = c->sacked;

	for (struct buf *b = c->sndq.first; b != end; b = b->next) {
		if (b->mark & TCP_MARK_SACKED || !is_covered(c, b, o))
			continue;
		tcp_sack_delivered(s, c, b);
		mark_sacked(c, b);
	}
	return c->sacked - before;
}

static uint32_t mark_lost(struct tcp_conn *c, struct buf *b)
{
	if (b->mark & TCP_MARK_RETX) {
		b->mark &= ~(uint32_t)TCP_MARK_RETX;
		c->retx -= b->len;
	} else {
		b->mark |= TCP_MARK_LOST;
		c->lost += b->len;
	}
	return b->len;
}

void tcp_sack_mark_first(struct tcp_conn *c)
{
	struct buf *b = c->sndq.first;

	if (b && b != tcp_unsent(c) && !(b->mark & TCP_MARK_LOST))
		mark_lost(c, b);
}

void tcp_sack_mark_all(struct tcp_conn *c)
{
	struct buf *end = tcp_unsent(c);

	c->sacked = c->lost = c->retx = 0;
	for (struct buf *b = c->sndq.first; b != end; b = b->next) {
		b->mark &= ~(uint32_t)(TCP_MARK_SACKED | TCP_MARK_RETX);
		b->mark |= TCP_MARK_LOST;
		c->lost += b->len;
	}
}

void tcp_sack_mark_longer(struct tcp_conn *c, uint32_t bytes)
{
	struct buf *end = tcp_unsent(c);

	for (struct buf *b = c->sndq.first; b != end; b = b->next) {
		bool in_flight = !(b->mark & TCP_MARK_LOST) || b->mark & TCP_MARK_RETX;

		if (b->len > bytes && in_flight && !(b->mark & TCP_MARK_SACKED))
			mark_lost(c, b);
	}
}

/* Segments that the peer holds beyond the cumulative acknowledgement. */
static uint32_t count_sacked(const struct tcp_conn *c)
{
	uint32_t n = 0;
	struct buf *end = tcp_unsent(c);

	for (struct buf *b = c->sndq.first; b != end; b = b->next)
		n += b->mark & TCP_MARK_SACKED;
	return n;
}

/* What lies beyond the segment that is looked at. */
struct beyond {
	uint32_t segs, bytes;
	uint32_t reo_us;  /* reordering window */
	uint32_t wait_us; /* longest rest of it that a segment still has; 0: none has */
};

/* Has it, or its repetition, been overtaken for longer than the reordering window? */
static bool is_overtaken(const struct tcp_conn *c, const struct buf *b, struct beyond *y)
{
	int32_t late = (int32_t)(c->rack_time - (b->mark & ~TCP_MARK_FLAGS)) >> TCP_MARK_TIME_BITS;

	if (late < 0 || (late == 0 && !y->segs))
		return false;
	if ((uint32_t)late >= y->reo_us)
		return true;
	if (y->reo_us - (uint32_t)late > y->wait_us)
		y->wait_us = y->reo_us - (uint32_t)late;
	return false;
}

/* RFC 6675, IsLost. Of a repair it says nothing: what lies beyond may have been there before it. */
static bool has_enough_beyond(const struct tcp_conn *c, const struct buf *b, const struct beyond *y)
{
	if (b->mark & TCP_MARK_RETX)
		return false;
	return y->segs >= DUP_THRESH || y->bytes > (DUP_THRESH - 1) * (uint32_t)c->mss;
}

static uint32_t scan(struct tcp_conn *c, struct beyond *y)
{
	uint32_t newly = 0;
	struct buf *end = tcp_unsent(c);

	for (struct buf *b = c->sndq.first; b != end; b = b->next) {
		bool in_flight = !(b->mark & TCP_MARK_LOST) || b->mark & TCP_MARK_RETX;

		if (b->mark & TCP_MARK_SACKED) {
			y->segs--;
			y->bytes -= b->len;
			continue;
		}
		if (!in_flight)
			continue;
		if (has_enough_beyond(c, b, y) || is_overtaken(c, b, y))
			newly += mark_lost(c, b);
	}
	return newly;
}

uint32_t tcp_sack_mark_lost(struct tcp_stack *s, struct tcp_conn *c)
{
	struct beyond y = {.segs = count_sacked(c), .bytes = c->sacked};
	uint32_t newly;

	y.reo_us = c->srtt_us / 4 > 1000 ? c->srtt_us / 4 : 1000; /* the timer's grain */
	if (!y.segs && c->ca == TCP_CA_OPEN && !(c->flags & TCP_F_TLP_SENT))
		return 0;
	newly = scan(c, &y);
	if (y.wait_us && !newly && !(c->flags & TCP_F_REO)) {
		c->flags &= ~(TCP_F_TLP | TCP_F_PROBE);
		c->flags |= TCP_F_REO;
		c->rtx_at = tcp_deadline(s, y.wait_us / 1000 + 1);
		tcp_timers_sync(s, c);
	}
	return newly;
}

uint32_t tcp_sack_mark_overdue(struct tcp_conn *c)
{
	struct beyond y = {.segs = count_sacked(c), .bytes = c->sacked};

	return scan(c, &y);
}

struct buf *tcp_sack_next_lost(const struct tcp_conn *c, struct buf **before)
{
	struct buf *end = tcp_unsent(c);

	*before = NULL;
	for (struct buf *b = c->sndq.first; b != end; b = b->next) {
		if ((b->mark & (TCP_MARK_LOST | TCP_MARK_RETX)) == TCP_MARK_LOST)
			return b;
		*before = b;
	}
	return NULL;
}
