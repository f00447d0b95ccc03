/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Prefetching, so that the cache misses of a burst overlap.
 */
#ifndef WEIR_FETCH_H
#define WEIR_FETCH_H

/**
 * Begin to load a cache line that will be read and written; any address will do.
 *
 * GCC takes a function that only prefetches for one without an effect, and leaves out calls of it that it does not
 * inline (12.2, with link-time optimisation); the empty statement is an effect.
 */
static inline void fetch_line(const void *p)
{
	__builtin_prefetch(p, 1);
	__asm__ volatile("");
}

#endif
