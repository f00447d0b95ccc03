/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Chunks of memory, each twice as large as the one before, filled from their begin; what is larger than
 * a chunk gets one of its own. The first is as large as the maker guesses: there are tens of thousands of
 * small heaps, and one chunk each is one allocation.
 *
 * Chunks are taken from jemalloc by name: they are allocated in a thread of the pool and freed in the
 * control thread, all the time, which its arenas bear without growing.
 */
#include "heap.h"

#include <jemalloc/jemalloc.h>
#include <stdalign.h>
#include <stdlib.h>
#include <string.h>

#define CHUNK_MIN   256u
#define CHUNK_MAX   (64u << 10)
#define SMALL_ALIGN 16u

struct chunk {
	struct chunk *next;
	size_t size; /* with this head */
	size_t used;
};

struct heap {
	struct chunk *newest; /* h itself lives in the first */
	size_t next_size;
};

static size_t round_up(size_t n, size_t align)
{
	return (n + align - 1) & ~(align - 1);
}

static struct chunk *chunk_new(size_t size, struct chunk *next)
{
	struct chunk *c = mallocx(size, MALLOCX_ALIGN(HEAP_ALIGN_PAGE));

	if (!c)
		abort();
	*c = (struct chunk){next, size, round_up(sizeof(*c), SMALL_ALIGN)};
	return c;
}

struct heap *heap_new(size_t room)
{
	size_t size = nallocx(room + CHUNK_MIN, 0);
	struct chunk *c = chunk_new(size, NULL);
	struct heap *h = (void *)((char *)c + c->used);

	c->used += round_up(sizeof(*h), SMALL_ALIGN);
	h->newest = c;
	h->next_size = size;
	return h;
}

static struct chunk *add_chunk(struct heap *h, size_t bytes)
{
	size_t least = bytes + HEAP_ALIGN_PAGE;

	h->next_size = h->next_size < CHUNK_MAX ? h->next_size * 2 : h->next_size;
	h->newest = chunk_new(least > h->next_size ? least : h->next_size, h->newest);
	return h->newest;
}

static size_t align_of(size_t bytes)
{
	if (bytes >= HEAP_PAGE)
		return HEAP_ALIGN_PAGE;
	return bytes > HEAP_ALIGN / 2 ? HEAP_ALIGN : SMALL_ALIGN;
}

void *heap_alloc(struct heap *h, size_t bytes)
{
	size_t align = align_of(bytes);
	struct chunk *c = h->newest;

	if (bytes > SIZE_MAX / 4)
		abort();
	bytes = round_up(bytes ? bytes : 1, SMALL_ALIGN);
	size_t at = round_up(c->used, align);

	if (at > c->size || c->size - at < bytes) {
		c = add_chunk(h, bytes);
		at = round_up(c->used, align);
	}
	c->used = at + bytes;
	return memset((char *)c + at, 0, bytes);
}

void heap_free(struct heap *h)
{
	if (!h)
		return;
	for (struct chunk *c = h->newest, *next; c; c = next) {
		next = c->next;
		sdallocx(c, c->size, MALLOCX_ALIGN(HEAP_ALIGN_PAGE));
	}
}
