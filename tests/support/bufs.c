/* SPDX-License-Identifier: BSD-3-Clause */
#include "bufs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct owner {
	struct buf buf; /* first: a struct buf * is a struct owner * */
	struct buf_pool *pool;
	uint32_t refs;
	struct buf *shown; /* a view's: whose bytes they are */
};

static struct owner *owner_of(struct buf *b)
{
	return (struct owner *)b;
}

static void *need(void *p)
{
	if (!p) {
		perror("malloc");
		abort();
	}
	return p;
}

static struct buf *give(struct buf_pool *pool, size_t room)
{
	struct owner *o;

	pool->asked++;
	if (pool->live >= pool->limit ||
	    (pool->asked >= pool->fail_first && pool->asked <= pool->fail_last)) {
		pool->refused++;
		return NULL;
	}
	o = need(malloc(sizeof(*o)));
	memset(o, pool->poison ? 0xa5 : 0, sizeof(*o)); /* mark and seq are not promised to be 0 */
	o->pool = pool;
	o->refs = 1;
	o->shown = NULL;
	o->buf.head = need(malloc(BUF_HEADROOM + room));
	o->buf.end = o->buf.head + BUF_HEADROOM + room;
	o->buf.data = o->buf.head + BUF_HEADROOM;
	o->buf.next = NULL;
	o->buf.len = 0;
	o->buf.flags = 0;
	o->buf.port = 0;
	memset(o->buf.head, pool->poison ? 0xa5 : 0, BUF_HEADROOM + room);
	pool->live++;
	pool->total++;
	return &o->buf;
}

struct buf *buf_alloc(struct buf_pool *pool)
{
	return give(pool, pool->room ? pool->room : BUFS_ROOM);
}

void buf_free(struct buf *b)
{
	struct owner *o = owner_of(b);

	if (o->refs == 0)
		abort(); /* freed once too often */
	if (--o->refs)
		return;
	if (o->pool->poison)
		memset(b->head, 0xdd, (size_t)(b->end - b->head));
	if (o->shown)
		buf_free(o->shown);
	o->pool->live--;
	free(b->head);
	free(o);
}

struct buf *buf_view(struct buf_pool *pool, struct buf *b)
{
	struct buf *view = buf_alloc(pool);

	if (!view)
		return NULL;
	buf_ref(b);
	owner_of(view)->shown = b;
	view->data = b->data;
	view->len = b->len;
	return view;
}

void buf_ref(struct buf *b)
{
	owner_of(b)->refs++;
}

bool buf_shared(const struct buf *b)
{
	return bufs_refs(b) > 1;
}

enum buf_supply buf_supply(const struct buf_pool *pool)
{
	return buf_supply_of(pool->limit - pool->live, pool->limit);
}

struct buf_pool bufs_pool(uint32_t limit)
{
	return (struct buf_pool){.limit = limit, .poison = true};
}

static struct buf *fill(struct buf *b, const void *bytes, size_t len)
{
	if (!b)
		return NULL;
	if (len > buf_tailroom(b) || len > UINT16_MAX)
		abort(); /* a test asks for more than fits */
	if (len)
		memcpy(b->data, bytes, len);
	b->len = (uint16_t)len;
	return b;
}

struct buf *bufs_from(struct buf_pool *pool, const void *bytes, size_t len)
{
	return fill(buf_alloc(pool), bytes, len);
}

struct buf *bufs_exact(struct buf_pool *pool, const void *bytes, size_t len)
{
	return fill(give(pool, len), bytes, len);
}

uint32_t bufs_refs(const struct buf *b)
{
	return ((const struct owner *)b)->refs;
}
