/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Packet buffers as core sees them: a fixed piece of memory with a movable view.
 *
 *   head        data        data + len      end
 *    |  headroom  |   view     |   tailroom   |
 *
 * core never knows whose memory it is. io implements the functions over rte_mbuf (the struct
 * lies in the mbuf's private area), tests over malloc; the linker decides which.
 *
 * References: buf_alloc() and reception give one. Sending consumes one (net_send_tcp). Who keeps a
 * buffer to send it again takes one more before sending; while buf_shared() is true the device may
 * still be reading, so neither the bytes of the frame nor those in front of it may be written.
 * Moving the view (data, len) of a shared buffer is fine: the frame being sent has its own bounds.
 */
#ifndef WEIR_BUF_H
#define WEIR_BUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf_pool; /* of the implementation */

enum buf_flag {
	BUF_IP_CSUM_OK =
		1 << 0, /* the device checked the IPv4 header checksum and found it right */
	BUF_L4_CSUM_OK = 1 << 1, /* the device checked the L4 checksum and found it right */
	BUF_L4_CSUM_BAD = 1 << 2,
	BUF_MARKED = 1 << 4, /* as received: mark is what the device says of the flow (offload.h) */
	BUF_SUMMED = 1 << 3, /* sum holds the one's complement sum of exactly the view */
};

struct buf {
	struct buf *next; /* link of the one queue it is in; its holder's */
	uint8_t *data;    /* first byte of the view */
	uint16_t len;     /* bytes in the view */
	uint16_t sum;     /* with BUF_SUMMED: folded, not inverted, as csum_add() gives */
	uint16_t flags;   /* enum buf_flag */
	uint8_t port;     /* index of the port it came from */
	uint8_t pad;
	uint32_t seq;  /* TCP: sequence number of data[0] */
	uint32_t mark; /* free for the holder */
	uint8_t *head; /* storage; constant */
	uint8_t *end;
};

/* What the view of a fresh buffer leaves in front: Ethernet 14 + VLAN 4 + IPv6 40 + TCP 60, slack. */
#define BUF_HEADROOM 128

/**
 * A fresh buffer, data = head + BUF_HEADROOM, len 0, flags 0, one reference.
 *
 * @return NULL when the pool is empty: the caller counts NO_BUFFER and copes
 */
struct buf *buf_alloc(struct buf_pool *pool);

/** Give back one reference; the last one frees the buffer. Does not follow next. */
void buf_free(struct buf *b);

/** One more reference. */
void buf_ref(struct buf *b);

/**
 * A buffer of its own that shows the bytes of b's view, of which it holds a reference: for a device that
 * reads a frame out of several buffers. It is only to be read.
 *
 * @return NULL when the pool is empty
 */
struct buf *buf_view(struct buf_pool *pool, struct buf *b);

/** Does anybody else hold a reference, for example a device still sending? */
bool buf_shared(const struct buf *b);

/* How much of a pool is free. */
enum buf_supply {
	BUF_PLENTY,
	BUF_SCARCE,     /* less than a quarter */
	BUF_NEARLY_OUT, /* less than a thirty-second, or than 16 */
};

static inline enum buf_supply buf_supply_of(uint32_t left, uint32_t total)
{
	if (left < total / 32 || left < 16)
		return BUF_NEARLY_OUT;
	return left < total / 4 ? BUF_SCARCE : BUF_PLENTY;
}

/** For deciding what to refuse; may be slow. */
enum buf_supply buf_supply(const struct buf_pool *pool);

static inline size_t buf_headroom(const struct buf *b)
{
	return (size_t)(b->data - b->head);
}

static inline size_t buf_tailroom(const struct buf *b)
{
	return (size_t)(b->end - b->data) - b->len;
}

/** Drop n bytes from the front of the view; n <= len. */
static inline void buf_pull(struct buf *b, uint16_t n)
{
	b->data += n;
	b->len = (uint16_t)(b->len - n);
	b->seq += n;
	b->flags &= (uint16_t)~BUF_SUMMED;
}

/** Keep the first n bytes of the view; n <= len. */
static inline void buf_trim(struct buf *b, uint16_t n)
{
	if (n != b->len)
		b->flags &= (uint16_t)~BUF_SUMMED;
	b->len = n;
}

/* A queue of buffers in order, linked by next, with its byte count. Zero is an empty queue. */
struct bufq {
	struct buf *first, *last;
	uint32_t bytes;
	uint32_t n;
};

static inline void bufq_push(struct bufq *q, struct buf *b)
{
	b->next = NULL;
	if (q->last)
		q->last->next = b;
	else
		q->first = b;
	q->last = b;
	q->bytes += b->len;
	q->n++;
}

/** Take the first buffer; NULL when empty. */
static inline struct buf *bufq_pop(struct bufq *q)
{
	struct buf *b = q->first;

	if (!b)
		return NULL;
	q->first = b->next;
	if (!q->first)
		q->last = NULL;
	q->bytes -= b->len;
	q->n--;
	b->next = NULL;
	return b;
}

static inline void bufq_clear(struct bufq *q)
{
	struct buf *b;

	while ((b = bufq_pop(q)))
		buf_free(b);
}

#endif
