/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Where a snapshot and each of its parts live: many allocations, one free. heap_chunk.c fills chunks;
 * heap_malloc.c keeps a list of single allocations instead, for builds with a sanitizer, which wants to
 * see every allocation itself; meson chooses.
 *
 * Memory that runs out ends the program, as in arena.h. One thread at a time.
 */
#ifndef WEIR_HEAP_H
#define WEIR_HEAP_H

#include <stddef.h>

/* Of allocations over half of the first, and of those of a page or more, for parts that workers write. */
#define HEAP_ALIGN      64
#define HEAP_ALIGN_PAGE 128
#define HEAP_PAGE       4096

struct heap;

/** @param room  about how many bytes will be allocated in it */
struct heap *heap_new(size_t room);

/** Zeroed memory; never NULL, also for 0 bytes. */
void *heap_alloc(struct heap *h, size_t bytes);

/** Free it and all that came from it. NULL is fine. */
void heap_free(struct heap *h);

#endif
