/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Packet buffers of one memory socket, and the way between core's struct buf and DPDK's rte_mbuf.
 *
 *   rte_mbuf | struct buf | headroom | data room        one element of the mempool
 *
 * struct buf lies in the mbuf's private area, so neither side needs a look-up to find the other. Its
 * head and end are written once when the pool is made and never change.
 */
#ifndef WEIR_IO_POOL_H
#define WEIR_IO_POOL_H

#include "buf.h"

#include <rte_mbuf.h>

/* A whole cache line, so that the mbuf's second line, ours and the headroom stay apart. */
#define POOL_PRIV_BYTES 64

static_assert(sizeof(struct buf) <= POOL_PRIV_BYTES, "struct buf must fit the private area");
static_assert(BUF_HEADROOM <= RTE_PKTMBUF_HEADROOM, "a fresh buffer must have core's headroom");

static inline struct rte_mempool *pool_mempool(struct buf_pool *p)
{
	return (struct rte_mempool *)p;
}

static inline struct buf *pool_buf(struct rte_mbuf *m)
{
	return (struct buf *)rte_mbuf_to_priv(m);
}

static inline struct rte_mbuf *pool_mbuf(const struct buf *b)
{
	return (struct rte_mbuf *)((uintptr_t)b - sizeof(struct rte_mbuf));
}

enum pool_flag {
	/* Several threads of one CPU use it: take turns without waiting for a thread that the kernel has
	 * put aside. */
	POOL_CROWDED = 1 << 0,
	/* No device reads the buffers by physical address: they may cross the borders of pages. AF_XDP
	 * needs this: it takes the pool for one array of buffers without gaps. */
	POOL_PACKED = 1 << 1,
};

/** Memory of one buffer with this data room (bytes after the headroom), mempool's header included. */
size_t pool_buf_bytes(uint16_t data_bytes);

/**
 * @param name        unique in the process
 * @param n           buffers
 * @param data_bytes  data room of a buffer, without headroom
 * @param socket      memory socket, or SOCKET_ID_ANY
 * @param flags       enum pool_flag
 * @return            NULL: no memory; rte_errno says why
 */
struct buf_pool *pool_new(const char *name, uint32_t n, uint16_t data_bytes, int socket,
                          unsigned int flags);

/** NULL is fine. Nobody may hold a buffer any more. */
void pool_free(struct buf_pool *p);

/** A buffer of its own with the same view, flags and port; NULL when the pool is empty. */
struct buf *pool_copy(struct buf_pool *p, const struct buf *b);

#endif
