/* SPDX-License-Identifier: BSD-3-Clause */
/* Source: jemalloc(3), "arenas.create", "arena.<i>.destroy". */
#include "heap.h"

#include <jemalloc/jemalloc.h>
#include <stdio.h>
#include <stdlib.h>

struct heap {
	unsigned arena;
};

struct heap *heap_new(void)
{
	struct heap *h = malloc(sizeof(*h));
	size_t size = sizeof(h->arena);

	if (!h || mallctl("arenas.create", &h->arena, &size, NULL, 0) != 0)
		abort();
	return h;
}

void *heap_alloc(struct heap *h, size_t bytes)
{
	int align = bytes > HEAP_ALIGN / 2 ? MALLOCX_ALIGN(HEAP_ALIGN) : 0;
	void *p = mallocx(bytes ? bytes : 1,
	                  MALLOCX_ARENA(h->arena) | MALLOCX_TCACHE_NONE | MALLOCX_ZERO | align);

	if (!p)
		abort();
	return p;
}

void heap_free(struct heap *h)
{
	char name[40];

	if (!h)
		return;
	snprintf(name, sizeof(name), "arena.%u.destroy", h->arena);
	if (mallctl(name, NULL, NULL, NULL, 0) != 0)
		abort();
	free(h);
}
