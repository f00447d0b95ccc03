/* SPDX-License-Identifier: BSD-3-Clause */
#include "pool.h"

#include <rte_errno.h>
#include <rte_mempool.h>

/* Buffers a worker keeps for itself before it goes to the common ring (mempool cache). */
#define CACHE_BUFS 256

static uint32_t element_bytes(uint16_t data_bytes)
{
	return (uint32_t)sizeof(struct rte_mbuf) + POOL_PRIV_BYTES + RTE_PKTMBUF_HEADROOM +
	       data_bytes;
}

size_t pool_buf_bytes(uint16_t data_bytes)
{
	return rte_mempool_calc_obj_size(element_bytes(data_bytes), 0, NULL);
}

static void set_bounds(struct rte_mempool *mp, void *arg, void *obj, unsigned int i)
{
	struct rte_mbuf *m = obj;
	struct buf *b = pool_buf(m);

	(void)mp;
	(void)arg;
	(void)i;
	memset(b, 0, sizeof(*b));
	b->head = m->buf_addr;
	b->end = b->head + m->buf_len;
	b->data = b->head + BUF_HEADROOM;
}

static int fill(struct rte_mempool *mp, uint16_t data_bytes, unsigned int flags)
{
	struct rte_pktmbuf_pool_private room = {
		.mbuf_data_room_size = (uint16_t)(data_bytes + RTE_PKTMBUF_HEADROOM),
		.mbuf_priv_size = POOL_PRIV_BYTES};
	int rc = rte_mempool_set_ops_byname(mp, flags & POOL_CROWDED ? "ring_mt_rts" : "ring_mp_mc",
	                                    NULL);

	if (rc < 0)
		return rc;
	rte_pktmbuf_pool_init(mp, &room);
	rc = rte_mempool_populate_default(mp);
	if (rc < 0)
		return rc;
	rte_mempool_obj_iter(mp, rte_pktmbuf_init, NULL);
	rte_mempool_obj_iter(mp, set_bounds, NULL);
	return 0;
}

struct buf_pool *pool_new(const char *name, uint32_t n, uint16_t data_bytes, int socket,
                          unsigned int flags)
{
	uint32_t cache = n / 4 < CACHE_BUFS ? n / 4 : CACHE_BUFS;
	struct rte_mempool *mp = rte_mempool_create_empty(
		name, n, element_bytes(data_bytes), cache, sizeof(struct rte_pktmbuf_pool_private),
		socket, flags & POOL_PACKED ? RTE_MEMPOOL_F_NO_IOVA_CONTIG : 0);
	int rc;

	if (!mp)
		return NULL;
	rc = fill(mp, data_bytes, flags);
	if (rc < 0) {
		rte_mempool_free(mp);
		rte_errno = -rc;
		return NULL;
	}
	return (struct buf_pool *)mp;
}

void pool_free(struct buf_pool *p)
{
	rte_mempool_free(pool_mempool(p));
}

struct buf *pool_copy(struct buf_pool *p, const struct buf *b)
{
	struct buf *copy = buf_alloc(p);

	if (!copy)
		return NULL;
	if (b->len > buf_tailroom(copy)) {
		buf_free(copy);
		return NULL;
	}
	memcpy(copy->data, b->data, b->len);
	copy->len = b->len;
	copy->flags = b->flags;
	copy->sum = b->sum;
	copy->port = b->port;
	return copy;
}

/* ---- buf.h ------------------------------------------------------------------------------- */

struct buf *buf_alloc(struct buf_pool *pool)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(pool_mempool(pool));
	struct buf *b;

	if (unlikely(!m))
		return NULL;
	b = pool_buf(m);
	b->next = NULL;
	b->data = b->head + BUF_HEADROOM;
	b->len = 0;
	b->flags = 0;
	return b;
}

/* An indirect mbuf: what a chain writes into its segments' mbufs concerns nobody else. */
struct buf *buf_view(struct buf_pool *pool, struct buf *b)
{
	struct buf *view = buf_alloc(pool);

	if (unlikely(!view))
		return NULL;
	rte_pktmbuf_attach(pool_mbuf(view), pool_mbuf(b));
	view->data = b->data;
	view->len = b->len;
	return view;
}

enum buf_supply buf_supply(const struct buf_pool *pool)
{
	const struct rte_mempool *mp = (const void *)pool;

	return buf_supply_of(rte_mempool_avail_count(mp), mp->size);
}

void buf_free(struct buf *b)
{
	rte_pktmbuf_free_seg(pool_mbuf(b));
}

void buf_ref(struct buf *b)
{
	rte_mbuf_refcnt_update(pool_mbuf(b), 1);
}

bool buf_shared(const struct buf *b)
{
	return rte_mbuf_refcnt_read(pool_mbuf(b)) > 1;
}
