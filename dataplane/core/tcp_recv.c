/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The receiving half: queue in order, queue out of order, window.
 *
 *   rcvq (for the layer above)      ooo (sorted, disjoint)
 *   [.......................]rcv_nxt   [....]  [..][...]      | rcv_adv
 *
 * Memory is bounded three ways: bytes by the window, which is what rcvbuf_bytes leaves; buffers by
 * joining small segments into the last buffer's tail; out-of-order buffers by a count. The right edge
 * of the window never moves back (RFC 9293 section 3.8.6), and moves on only when it is worth a
 * packet (RFC 1122 section 4.2.3.3).
 */
#include "csum.h"
#include "tcp_parts.h"

#include <errno.h>
#include <string.h>

#define JOIN_MAX_BYTES 256
#define BUFS_SLACK     64 /* buffers beyond the bound, for what is on its way when it is met */

/* ---- window --------------------------------------------------------------------------------- */

static uint32_t told_window(const struct tcp_conn *c)
{
	return seq_gt(c->rcv_adv, c->rcv_nxt) ? c->rcv_adv - c->rcv_nxt : 0;
}

uint32_t tcp_recv_bound(const struct tcp_stack *s)
{
	uint32_t bound = s->config.rcvbuf_bytes;

	return s->scarce && bound > TCP_SCARCE_BYTES ? TCP_SCARCE_BYTES : bound;
}

/* The largest window that the header can tell: 65,535 bytes to a peer that does not scale. */
static uint32_t largest_window(const struct tcp_conn *c)
{
	return (uint32_t)UINT16_MAX << c->rcv_ws;
}

static uint32_t free_space(const struct tcp_stack *s, const struct tcp_conn *c)
{
	uint32_t bound = tcp_recv_bound(s), bufs = s->rcv_bufs_max, space;

	if (s->scarce && bufs > TCP_SCARCE_BUFS)
		bufs = TCP_SCARCE_BUFS;
	if (c->rcvq.n >= bufs || c->rcvq.bytes >= bound)
		return 0;
	space = bound - c->rcvq.bytes;
	return space < largest_window(c) ? space : largest_window(c);
}

uint32_t tcp_recv_window(const struct tcp_stack *s, const struct tcp_conn *c)
{
	uint32_t unit = 1u << c->rcv_ws, told = told_window(c), half = s->config.rcvbuf_bytes / 2;
	uint32_t space = free_space(s, c) & ~(unit - 1), step = half < c->mss ? half : c->mss;

	if (space >= told + step && !(c->flags & TCP_F_HOLD))
		return space;
	/*
	 * Keep the edge. The scale cannot tell it exactly; rounding down would move it back, rounding
	 * up lets it creep on, so that stops one unit beyond the bound.
	 */
	space = (told + unit - 1) & ~(unit - 1);
	return c->rcvq.bytes + space <= s->config.rcvbuf_bytes + unit ? space : told;
}

/* The layer above took bytes: is telling the new window worth a packet of its own? */
static void window_opened(struct tcp_stack *s, struct tcp_conn *c)
{
	uint32_t told = told_window(c), space = free_space(s, c);
	uint32_t most = largest_window(c), half, worth = 2u * c->mss;

	half = (s->config.rcvbuf_bytes < most ? s->config.rcvbuf_bytes : most) / 2;
	if (!tcp_is_receiving(c) || space <= told || c->flags & TCP_F_HOLD)
		return;
	if (told < worth) /* the peer is about to stall */
		worth = c->mss;
	else if (worth < half / 2)
		worth = half / 2;
	if (space - told >= (worth < half ? worth : half))
		tcp_ack_now(s, c);
}

/* ---- segments in ---------------------------------------------------------------------------- */

/* May the bytes of a small segment go behind those of the last buffer? */
static bool fits_last(const struct bufq *q, const struct buf *b)
{
	const struct buf *last = q->last;

	return last && b->len <= JOIN_MAX_BYTES && b->len <= buf_tailroom(last) &&
	       !buf_shared(last);
}

static void join(struct bufq *q, const struct buf *b)
{
	struct buf *last = q->last;

	memcpy(last->data + last->len, b->data, b->len);
	if (last->flags & b->flags & BUF_SUMMED)
		last->sum = csum_combine(last->sum, b->sum, last->len);
	else
		last->flags &= (uint16_t)~BUF_SUMMED;
	last->len = (uint16_t)(last->len + b->len);
	q->bytes += b->len;
}

static void append(struct tcp_conn *c, struct buf *b)
{
	c->rcv_nxt = b->seq + b->len;
	if (!fits_last(&c->rcvq, b)) {
		bufq_push(&c->rcvq, b);
		return;
	}
	join(&c->rcvq, b);
	buf_free(b);
}

/* Move what has become in order. */
static void drain_ooo(struct tcp_conn *c)
{
	struct buf *b;

	while ((b = c->ooo) && seq_leq(b->seq, c->rcv_nxt)) {
		c->ooo = b->next;
		c->ooo_n--;
		if (seq_leq(b->seq + b->len, c->rcv_nxt)) {
			buf_free(b);
			continue;
		}
		buf_pull(b, (uint16_t)(c->rcv_nxt - b->seq));
		append(c, b);
	}
}

static void note_dsack(struct tcp_conn *c, uint32_t seq, uint32_t len)
{
	if (len == 0)
		return;
	c->dsack_seq = seq;
	c->dsack_len = (uint16_t)(len > UINT16_MAX ? UINT16_MAX : len);
	c->flags |= TCP_F_DSACK;
}

/* Put a segment into the sorted queue; consumes b unless it returns something else than TCP_IN. */
static enum drop insert_ooo(struct tcp_stack *s, struct tcp_conn *c, struct buf *b)
{
	struct buf **at = &c->ooo, *next;
	uint32_t end = b->seq + b->len;

	for (; (next = *at) && seq_leq(next->seq, b->seq); at = &next->next) {
		uint32_t next_end = next->seq + next->len;

		if (seq_geq(next_end, end)) {
			note_dsack(c, b->seq, b->len);
			return DROP_TCP_DUP;
		}
		if (seq_gt(next_end, b->seq)) {
			note_dsack(c, b->seq, next_end - b->seq);
			buf_pull(b, (uint16_t)(next_end - b->seq));
		}
	}
	while ((next = *at) && seq_leq(next->seq + next->len, end)) { /* b covers it */
		*at = next->next;
		c->ooo_n--;
		buf_free(next);
	}
	if (next && seq_lt(next->seq, end))
		buf_trim(b, (uint16_t)(next->seq - b->seq));
	if (c->ooo_n >= (s->scarce ? TCP_SCARCE_OOO : s->ooo_max))
		return DROP_TCP_OOO_LIMIT;
	b->next = next;
	*at = b;
	c->ooo_n++;
	c->ooo_recent = b->seq;
	return DROP_TCP_IN;
}

/* The peer's FIN and everything before it have arrived: RFC 9293 section 3.10.7.4, eighth. */
static void finish(struct tcp_stack *s, struct tcp_conn *c)
{
	c->rcv_nxt++;
	if (seq_lt(c->rcv_adv, c->rcv_nxt))
		c->rcv_adv = c->rcv_nxt;
	c->flags |= TCP_F_EOF;
	tcp_ack_now(s, c);
	tcp_conn_event(s, c, TCP_EV_EOF);
	if (c->state == TCP_ESTABLISHED)
		c->state = TCP_CLOSE_WAIT;
	else if (c->state == TCP_FIN_WAIT_1)
		c->state = TCP_CLOSING;
	else
		tcp_time_wait_enter(s, c);
}

/* Cut the segment to what the window takes and the queue lacks; DROP_COUNT: something is left. */
static enum drop cut(struct tcp_conn *c, struct tcp_seg *g)
{
	uint32_t over;

	if (seq_lt(g->seq, c->rcv_nxt)) {
		over = c->rcv_nxt - g->seq; /* < len: a wholly old segment is not acceptable */
		over = over < g->len ? over : g->len;
		note_dsack(c, g->seq, over);
		buf_pull(g->buf, (uint16_t)over);
		g->seq += over;
		g->len = (uint16_t)(g->len - over);
	}
	if (c->flags & TCP_F_FIN_KNOWN && seq_gt(g->seq + g->len, c->fin_at)) {
		over = seq_lt(g->seq, c->fin_at) ? c->fin_at - g->seq : 0;
		buf_trim(g->buf, (uint16_t)over);
		g->len = (uint16_t)over;
		g->flags &= (uint8_t)~TCP_FIN;
	}
	if (seq_gt(g->seq + g->len, c->rcv_adv)) {
		over = seq_lt(g->seq, c->rcv_adv) ? c->rcv_adv - g->seq : 0;
		buf_trim(g->buf, (uint16_t)over);
		g->len = (uint16_t)over;
		g->flags &= (uint8_t)~TCP_FIN;
		if (over == 0)
			return DROP_TCP_RCV_LIMIT;
	}
	return DROP_COUNT;
}

static enum drop take_data(struct tcp_stack *s, struct tcp_conn *c, struct tcp_seg *g)
{
	enum drop end;
	bool hole = c->ooo != NULL;

	if (s->nearly_out && c->listener >= 0)
		return DROP_TCP_RCV_LIMIT;
	g->buf->seq = g->seq;
	if (g->seq != c->rcv_nxt) {
		tcp_ack_now(s, c); /* RFC 5681 section 4.2 */
		end = insert_ooo(s, c, g->buf);
		if (end == DROP_TCP_IN)
			g->buf = NULL;
		return end;
	}
	if (c->rcvq.n >= s->rcv_bufs_max + BUFS_SLACK && !fits_last(&c->rcvq, g->buf)) {
		tcp_ack_now(s, c);
		return DROP_TCP_RCV_LIMIT;
	}
	append(c, g->buf);
	g->buf = NULL;
	drain_ooo(c);
	tcp_conn_event(s, c, TCP_EV_READABLE);
	if (++c->ack_segs >= 2 || hole)
		tcp_ack_now(s, c);
	else if (!c->ack_at)
		c->ack_at = tcp_deadline(s, s->config.delayed_ack_us / 1000);
	tcp_touch(s, c);
	return DROP_TCP_IN;
}

enum drop tcp_recv_segment(struct tcp_stack *s, struct tcp_conn *c, struct tcp_seg *g)
{
	enum drop end;

	if (!tcp_is_receiving(c) || (g->len == 0 && !(g->flags & TCP_FIN)))
		return DROP_TCP_IN;
	if (g->len && !(c->flags & TCP_F_USER) && seq_gt(g->end, c->rcv_nxt)) {
		/* nobody will read it: RFC 9293 section 3.10.4, RFC 2525 section 2.17 */
		tcp_abort(s, c);
		return DROP_TCP_IN;
	}
	end = cut(c, g);
	if (end != DROP_COUNT) {
		tcp_ack_now(s, c);
		return end;
	}
	end = DROP_TCP_IN;
	if (g->flags & TCP_FIN && !(c->flags & TCP_F_FIN_KNOWN)) {
		c->flags |= TCP_F_FIN_KNOWN;
		c->fin_at = g->seq + g->len;
		tcp_ack_now(s, c);
	}
	if (g->len)
		end = take_data(s, c, g);
	if (c->flags & TCP_F_FIN_KNOWN && c->rcv_nxt == c->fin_at)
		finish(s, c);
	return end;
}

/* ---- SACK blocks out ------------------------------------------------------------------------ */

/* The run of adjacent buffers that starts at b; returns the buffer behind it. */
static const struct buf *run_from(const struct buf *b, struct tcp_block *k)
{
	k->start = b->seq;
	k->end = b->seq + b->len;
	for (b = b->next; b && b->seq == k->end; b = b->next)
		k->end += b->len;
	return b;
}

static bool holds(const struct tcp_block *k, uint32_t seq)
{
	return seq_leq(k->start, seq) && seq_lt(seq, k->end);
}

uint32_t tcp_recv_blocks(const struct tcp_conn *c, struct tcp_block *out, uint32_t max)
{
	struct tcp_block k;
	const struct buf *b;
	uint32_t n = 0;

	if (c->flags & TCP_F_DSACK) /* RFC 2883: it comes first */
		out[n++] = (struct tcp_block){c->dsack_seq, c->dsack_seq + c->dsack_len};
	for (b = c->ooo; b && n < max;) { /* RFC 2018 section 4: then the newest */
		b = run_from(b, &k);
		if (holds(&k, c->ooo_recent)) {
			out[n++] = k;
			break;
		}
	}
	for (b = c->ooo; b && n < max;) {
		b = run_from(b, &k);
		if (!holds(&k, c->ooo_recent))
			out[n++] = k;
	}
	return n;
}

/* ---- for the layer above -------------------------------------------------------------------- */

const struct bufq *tcp_recv_queue(const struct tcp_conn *c)
{
	return &c->rcvq;
}

struct buf *tcp_recv(struct tcp_stack *s, struct tcp_conn *c)
{
	struct buf *b = bufq_pop(&c->rcvq);

	if (b)
		window_opened(s, c);
	return b;
}

void tcp_recv_drop(struct tcp_stack *s, struct tcp_conn *c, uint32_t n)
{
	struct buf *b;

	while (n && (b = c->rcvq.first)) {
		if (b->len > n) {
			buf_pull(b, (uint16_t)n);
			c->rcvq.bytes -= n;
			break;
		}
		n -= b->len;
		buf_free(bufq_pop(&c->rcvq));
	}
	window_opened(s, c);
}

static struct buf *copy_part(struct tcp_stack *s, const struct buf *b, uint16_t from, uint16_t len)
{
	struct buf *part = buf_alloc(s->env.pool);

	if (!part) {
		tcp_count(s, COUNT_NO_BUFFER);
		return NULL;
	}
	if (buf_tailroom(part) < len) {
		buf_free(part);
		return NULL;
	}
	memcpy(part->data, b->data + from, len);
	part->len = len;
	part->seq = b->seq + from;
	return part;
}

/* Cut the buffer b, which is in the queue and has more than n bytes, in two, copying the smaller. */
static int cut_in_two(struct tcp_stack *s, struct bufq *q, struct buf *before, uint16_t n)
{
	struct buf *b = before ? before->next : q->first, *part;

	if (n <= b->len - n) { /* the copy comes in front */
		part = copy_part(s, b, 0, n);
		if (!part)
			return -ENOMEM;
		buf_pull(b, n);
		part->next = b;
		if (before)
			before->next = part;
		else
			q->first = part;
	} else {
		part = copy_part(s, b, n, (uint16_t)(b->len - n));
		if (!part)
			return -ENOMEM;
		buf_trim(b, n);
		part->next = b->next;
		b->next = part;
		if (q->last == b)
			q->last = part;
	}
	q->n++;
	return 0;
}

int tcp_recv_take(struct tcp_stack *s, struct tcp_conn *c, uint32_t n, struct bufq *out)
{
	struct buf *before = NULL, *b = c->rcvq.first;
	uint32_t left = n;

	for (; b && b->len <= left; b = b->next) {
		left -= b->len;
		before = b;
	}
	if (b && left && cut_in_two(s, &c->rcvq, before, (uint16_t)left))
		return -ENOMEM;
	while (n && c->rcvq.first) {
		n -= c->rcvq.first->len;
		bufq_push(out, bufq_pop(&c->rcvq));
	}
	window_opened(s, c);
	return 0;
}

void tcp_window_hold(struct tcp_conn *c)
{
	c->flags |= TCP_F_HOLD;
}

bool tcp_window_is_held(const struct tcp_conn *c)
{
	return c->flags & TCP_F_HOLD;
}

void tcp_window_free(struct tcp_stack *s, struct tcp_conn *c)
{
	if (!(c->flags & TCP_F_HOLD))
		return;
	c->flags &= ~TCP_F_HOLD;
	window_opened(s, c);
}

uint32_t tcp_recv_offered(const struct tcp_conn *c)
{
	return told_window(c);
}

uint32_t tcp_recv_room(const struct tcp_stack *s)
{
	return tcp_recv_bound(s);
}

bool tcp_eof(const struct tcp_conn *c)
{
	return c->flags & TCP_F_EOF;
}
