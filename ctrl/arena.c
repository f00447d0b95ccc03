/* SPDX-License-Identifier: BSD-3-Clause */
#include "arena.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ALIGN       16u
#define CHUNK_FIRST ((size_t)4096)       /* a small document fits */
#define CHUNK_MAX   ((size_t)256 * 1024) /* chunks double up to here */

struct arena_chunk {
	struct arena_chunk *next;
	size_t used; /* of data */
	size_t size;
	_Alignas(ALIGN) char data[];
};

static struct arena_chunk *chunk_new(struct arena *a, size_t bytes)
{
	size_t size = a->head ? a->head->size * 2 : CHUNK_FIRST;

	if (size > CHUNK_MAX)
		size = CHUNK_MAX;
	if (size < bytes)
		size = bytes;
	struct arena_chunk *c = calloc(1, sizeof(*c) + size);

	if (!c)
		abort();
	c->size = size;
	c->next = a->head;
	a->head = c;
	return c;
}

void *arena_alloc(struct arena *a, size_t bytes)
{
	struct arena_chunk *c = a->head;

	if (bytes > SIZE_MAX / 4)
		abort();
	bytes = (bytes + ALIGN) & ~(size_t)(ALIGN - 1); /* never 0, so that addresses differ */
	if (!c || c->size - c->used < bytes)
		c = chunk_new(a, bytes);
	char *p = c->data + c->used;

	c->used += bytes;
	a->bytes += bytes;
	return p;
}

void *arena_alloc_aligned(struct arena *a, size_t bytes, size_t align)
{
	uintptr_t p = (uintptr_t)arena_alloc(a, bytes + align - 1);

	return (void *)((p + align - 1) & ~(uintptr_t)(align - 1));
}

char *arena_copy(struct arena *a, const char *text, size_t len)
{
	char *p = arena_alloc(a, len + 1);

	if (len > 0)
		memcpy(p, text, len);
	return p;
}

char *arena_dup(struct arena *a, const char *text)
{
	return arena_copy(a, text, strlen(text));
}

char *arena_printf(struct arena *a, const char *fmt, ...)
{
	va_list ap, again;

	va_start(ap, fmt);
	va_copy(again, ap);
	int len = vsnprintf(NULL, 0, fmt, ap);

	va_end(ap);
	if (len < 0)
		abort();
	char *p = arena_alloc(a, (size_t)len + 1);

	vsnprintf(p, (size_t)len + 1, fmt, again);
	va_end(again);
	return p;
}

void arena_fini(struct arena *a)
{
	while (a->head) {
		struct arena_chunk *next = a->head->next;

		free(a->head);
		a->head = next;
	}
	a->bytes = 0;
}
