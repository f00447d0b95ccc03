/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Packet buffers of malloc for tests: the implementation of buf.h for unit, property, simulation and
 * fuzz tests. Storage is an allocation of its own, so a sanitizer sees each byte read or written
 * outside it, and one used after its last reference is gone.
 */
#ifndef WEIR_TESTS_BUFS_H
#define WEIR_TESTS_BUFS_H

#include "buf.h"

#define BUFS_ROOM 2048 /* bytes behind the headroom, as an mbuf's default */

struct buf_pool {
	uint32_t limit;   /* buffers that may live at once; buf_alloc() gives NULL beyond */
	uint32_t live;    /* buffers that live; 0 at the end of a test: nothing leaked */
	uint32_t refused; /* times buf_alloc() gave NULL */
	uint64_t total;   /* buffers ever given */
	uint32_t room;    /* bytes behind the headroom; 0: BUFS_ROOM */
	bool poison;      /* fill with a pattern when given and when freed */
	uint64_t fail_first, fail_last; /* calls of buf_alloc() that get NULL, from 1; 0: none */
	uint64_t asked;                 /* calls so far */
};

/** A pool with a limit, poisoning. */
struct buf_pool bufs_pool(uint32_t limit);

/** A received frame: a buffer with a copy of these bytes as its view. NULL when the pool is empty. */
struct buf *bufs_from(struct buf_pool *pool, const void *bytes, size_t len);

/**
 * A received frame whose storage ends exactly behind its last byte, so that reading beyond the frame
 * is reading outside an allocation.
 */
struct buf *bufs_exact(struct buf_pool *pool, const void *bytes, size_t len);

/** References to b. */
uint32_t bufs_refs(const struct buf *b);

#endif
