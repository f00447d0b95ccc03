/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The send queue: bytes from the first unacknowledged one to the last one queued.
 *
 *   first                    snd_last            last
 *   [seg][seg SACKED][seg LOST][seg]   [unsent][unsent]
 *   snd_una                        snd_nxt
 *
 * Before a buffer is sent for the first time it is made a segment: cut at the MSS, or joined with
 * small neighbours. From then on one buffer is one segment, and its mark says what became of it.
 * Views move, bytes in frames that a device may still read are never written.
 */
#include "csum.h"
#include "tcp_parts.h"

#include <string.h>

#define JOIN_MAX_BYTES 256 /* a copy of so much costs less than a packet */

/* May bytes still be queued? */
static bool is_open(const struct tcp_conn *c)
{
	return !(c->flags & TCP_F_SHUT) && (c->state == TCP_ESTABLISHED ||
	                                    c->state == TCP_CLOSE_WAIT || c->state == TCP_SYN_SENT);
}

uint32_t tcp_sendq_bound(const struct tcp_stack *s)
{
	uint32_t bound = s->config.sndbuf_bytes;

	return s->scarce && bound > TCP_SCARCE_BYTES ? TCP_SCARCE_BYTES : bound;
}

uint32_t tcp_send_space(const struct tcp_stack *s, struct tcp_conn *c)
{
	uint32_t bound = tcp_sendq_bound(s);

	if (!is_open(c))
		return 0;
	if (c->sndq.bytes < bound)
		return bound - c->sndq.bytes;
	c->flags |= TCP_F_NO_SPACE;
	return 0;
}

uint32_t tcp_send_pending(const struct tcp_conn *c)
{
	return c->sndq.bytes;
}

/* Copy b's bytes behind those of `to`, which was not sent, if both then make one segment. */
static bool join(const struct tcp_conn *c, struct buf *to, const struct buf *b)
{
	if (to->len + b->len > c->mss || (to->len > JOIN_MAX_BYTES && b->len > JOIN_MAX_BYTES))
		return false;
	if (b->len > buf_tailroom(to) || buf_shared(to))
		return false;
	memcpy(to->data + to->len, b->data, b->len);
	if (to->flags & b->flags & BUF_SUMMED)
		to->sum = csum_combine(to->sum, b->sum, to->len);
	else
		to->flags &= (uint16_t)~BUF_SUMMED;
	to->len = (uint16_t)(to->len + b->len);
	return true;
}

/*
 * A small piece joins what waits in front of it at once: while the peer takes nothing, a queue of
 * single bytes would hold a buffer for each.
 */
static bool join_last(struct tcp_conn *c, struct buf *b)
{
	struct buf *last = c->sndq.last;

	if (!last || last == c->snd_last || b->len > JOIN_MAX_BYTES || !join(c, last, b))
		return false;
	c->sndq.bytes += b->len;
	buf_free(b);
	return true;
}

void tcp_send(struct tcp_stack *s, struct tcp_conn *c, struct buf *b)
{
	if (!is_open(c) || b->len == 0) {
		buf_free(b);
		return;
	}
	if (!join_last(c, b)) {
		b->seq = tcp_sendq_end(c);
		b->mark = 0;
		bufq_push(&c->sndq, b);
	}
	(void)tcp_send_space(s, c); /* notes that it is full */
	tcp_touch(s, c);
}

/* The buffer, or its first n bytes, are no longer in flight. */
static void uncount(struct tcp_conn *c, const struct buf *b, uint32_t n)
{
	if (b->mark & TCP_MARK_SACKED)
		c->sacked -= n;
	if (b->mark & TCP_MARK_LOST)
		c->lost -= n;
	if (b->mark & TCP_MARK_RETX)
		c->retx -= n;
}

uint32_t tcp_sendq_acked(struct tcp_stack *s, struct tcp_conn *c, uint32_t ack)
{
	struct buf *b, *newest = NULL;
	uint32_t bytes = 0, n, rtt_us = UINT32_MAX,
		 now = (uint32_t)(s->now_us << TCP_MARK_TIME_BITS);

	while ((b = c->sndq.first) && seq_lt(b->seq, ack)) {
		n = ack - b->seq;
		if (n < b->len) {
			uncount(c, b, n);
			buf_pull(b, (uint16_t)n);
			c->sndq.bytes -= n;
			return bytes + n;
		}
		bytes += b->len;
		uncount(c, b, b->len);
		if (!(b->mark & (TCP_MARK_SACKED | TCP_MARK_EVER_RETX)))
			rtt_us = (now - (b->mark & ~TCP_MARK_FLAGS)) >> TCP_MARK_TIME_BITS;
		if (!(b->mark & TCP_MARK_SACKED))
			tcp_sack_delivered(s, c, b);
		newest = bufq_pop(&c->sndq);
		if (c->snd_last == newest)
			c->snd_last = NULL;
		buf_free(newest);
	}
	if (rtt_us != UINT32_MAX)
		tcp_ack_rtt(c, rtt_us);
	return bytes;
}

static struct buf *copy_front(struct tcp_stack *s, const struct buf *b, uint16_t len)
{
	struct buf *front = buf_alloc(s->env.pool);

	if (!front) {
		tcp_count(s, COUNT_NO_BUFFER);
		return NULL;
	}
	if (len > buf_tailroom(front)) {
		buf_free(front);
		return NULL;
	}
	memcpy(front->data, b->data, len);
	front->len = len;
	front->seq = b->seq;
	front->mark = b->mark;
	tcp_count(s, COUNT_TX_COPIES);
	return front;
}

struct buf *tcp_sendq_split(struct tcp_stack *s, struct tcp_conn *c, struct buf *before,
                            uint16_t len)
{
	struct buf *b = before ? before->next : c->sndq.first;
	struct buf *front = copy_front(s, b, len);

	if (!front)
		return NULL;
	front->next = b;
	if (before)
		before->next = front;
	else
		c->sndq.first = front;
	c->sndq.n++;
	buf_pull(b, len);
	return front;
}

/* The next buffer's bytes go behind b's when both then make one segment; false: they do not. */
static bool join_next(struct tcp_conn *c, struct buf *b)
{
	struct buf *next = b->next;

	if (!next || !join(c, b, next))
		return false;
	b->next = next->next;
	if (c->sndq.last == next)
		c->sndq.last = b;
	c->sndq.n--;
	buf_free(next);
	return true;
}

struct buf *tcp_sendq_segment(struct tcp_stack *s, struct tcp_conn *c)
{
	struct buf *b = tcp_unsent(c);

	if (!b)
		return NULL;
	if (b->len > c->mss)
		return tcp_sendq_split(s, c, c->snd_last, c->mss);
	while (join_next(c, b))
		;
	return b;
}
