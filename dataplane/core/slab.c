/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A fixed number of objects of one size.
 *
 * Objects that were never given out lie behind fresh, so nothing is written at start and memory
 * that is never needed is never touched. A free object's first four bytes hold the index + 1 of the
 * next free one.
 */
#include "slab.h"

#include <string.h>

size_t slab_bytes(uint32_t n, uint32_t size)
{
	return (size_t)n * size;
}

/* Newton's iteration doubles the right bits each time; an odd number is its own inverse to three. */
static uint64_t inverse_of(uint64_t odd)
{
	uint64_t x = odd;

	for (int bits = 3; bits < 64; bits *= 2)
		x *= 2 - odd * x;
	return x;
}

void slab_init(struct slab *s, void *memory, uint32_t n, uint32_t size)
{
	uint32_t shift = (uint32_t)__builtin_ctz(size);

	*s = (struct slab){.base = memory,
	                   .size = size,
	                   .shift = shift,
	                   .inverse = inverse_of(size >> shift),
	                   .total = n};
}

void *slab_get(struct slab *s)
{
	void *object;

	if (s->free_top) {
		object = slab_at(s, s->free_top - 1);
		memcpy(&s->free_top, object, sizeof(s->free_top));
	} else if (s->fresh < s->total) {
		object = slab_at(s, s->fresh++);
	} else {
		return NULL;
	}
	s->used++;
	return object;
}

void slab_put(struct slab *s, void *object)
{
	memcpy(object, &s->free_top, sizeof(s->free_top));
	s->free_top = slab_index(s, object) + 1;
	s->used--;
}
