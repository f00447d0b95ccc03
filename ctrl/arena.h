/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A bump arena: many small allocations, one free. Documents, their trees and their texts live in
 * one each, so that nothing in them is freed piece by piece.
 *
 * Memory that runs out ends the program (abort): every caller bounds what it reads first, and a
 * control plane that cannot hold a bounded document cannot do anything useful either.
 */
#ifndef WEIR_ARENA_H
#define WEIR_ARENA_H

#include <stddef.h>

struct arena_chunk;

/* All zero is an empty arena. */
struct arena {
	struct arena_chunk *head;
	size_t bytes; /* handed out since the start */
};

/** Allocate zeroed memory, aligned for any type that asks for no more (alignas). Never NULL, also for 0 bytes. */
void *arena_alloc(struct arena *a, size_t bytes);

/** The same at a multiple of align, a power of two. */
void *arena_alloc_aligned(struct arena *a, size_t bytes, size_t align);

/** Copy len bytes and put a NUL behind them. */
char *arena_copy(struct arena *a, const char *text, size_t len);

/** Copy a NUL-terminated text. */
char *arena_dup(struct arena *a, const char *text);

/** A formatted text. */
char *arena_printf(struct arena *a, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/** Free everything. The arena is empty afterwards and can be used again. */
void arena_fini(struct arena *a);

#endif
