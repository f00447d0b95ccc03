/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Arenas are emptied and used again, not destroyed: jemalloc keeps the addresses of a destroyed arena
 * reserved for ever (opt.retain) and its page map grows with them, by 8 KiB a snapshot. There are as
 * many arenas as there were snapshots at one time.
 *
 * Source: jemalloc(3), "arenas.create", "arena.<i>.reset", "arena.<i>.purge", "opt.retain".
 */
#include "heap.h"

#include <jemalloc/jemalloc.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

struct heap {
	unsigned arena;
	struct heap *next; /* of the spare ones */
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct heap *spare; /* under lock */

static struct heap *take_spare(void)
{
	pthread_mutex_lock(&lock);
	struct heap *h = spare;

	if (h)
		spare = h->next;
	pthread_mutex_unlock(&lock);
	return h;
}

struct heap *heap_new(void)
{
	struct heap *h = take_spare();
	size_t size = sizeof(h->arena);

	if (h)
		return h;
	h = malloc(sizeof(*h));
	if (!h || mallctl("arenas.create", &h->arena, &size, NULL, 0) != 0)
		abort();
	return h;
}

void *heap_alloc(struct heap *h, size_t bytes)
{
	int align = bytes >= HEAP_PAGE       ? MALLOCX_ALIGN(HEAP_ALIGN_PAGE)
	            : bytes > HEAP_ALIGN / 2 ? MALLOCX_ALIGN(HEAP_ALIGN)
	                                     : 0;
	void *p = mallocx(bytes ? bytes : 1,
	                  MALLOCX_ARENA(h->arena) | MALLOCX_TCACHE_NONE | MALLOCX_ZERO | align);

	if (!p)
		abort();
	return p;
}

static void tell_arena(const struct heap *h, const char *what)
{
	char name[40];

	snprintf(name, sizeof(name), "arena.%u.%s", h->arena, what);
	if (mallctl(name, NULL, NULL, NULL, 0) != 0)
		abort();
}

void heap_free(struct heap *h)
{
	if (!h)
		return;
	tell_arena(h, "reset");
	tell_arena(h, "purge"); /* its pages go back to the system */
	pthread_mutex_lock(&lock);
	h->next = spare;
	spare = h;
	pthread_mutex_unlock(&lock);
}
