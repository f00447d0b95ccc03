/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A fixed number of objects of one size in memory that the caller gives. No allocation ever again;
 * free objects form a stack, so the last one freed, still in cache, is the next one given.
 */
#ifndef WEIR_SLAB_H
#define WEIR_SLAB_H

#include <stddef.h>
#include <stdint.h>

struct slab {
	uint8_t *base;
	uint32_t size;    /* bytes of an object */
	uint32_t shift;   /* size = odd << shift, */
	uint64_t inverse; /* odd * inverse = 1 modulo 2^64 */
	uint32_t total;
	uint32_t used;     /* objects given out */
	uint32_t fresh;    /* objects from here on were never given out */
	uint32_t free_top; /* index + 1 of the first free object, 0: none */
};

/** Bytes of memory that a slab of n objects of this size (at least 4 bytes each) needs. */
size_t slab_bytes(uint32_t n, uint32_t size);

/** @param memory  slab_bytes() bytes, aligned to 64; need not be zeroed */
void slab_init(struct slab *s, void *memory, uint32_t n, uint32_t size);

/** An object with undefined contents, or NULL when all are given out. */
void *slab_get(struct slab *s);

/** Take an object of this slab back; its contents are lost. */
void slab_put(struct slab *s, void *object);

/*
 * The offset is a multiple of the size, so dividing is multiplying by the inverse: Granlund and
 * Montgomery, "Division by invariant integers using multiplication" (1994), section 9. A tenth of what
 * a division costs, and lists of connections ask for it with each packet.
 */
static inline uint32_t slab_index(const struct slab *s, const void *object)
{
	return (uint32_t)(((size_t)((const uint8_t *)object - s->base) >> s->shift) * s->inverse);
}

static inline void *slab_at(const struct slab *s, uint32_t index)
{
	return s->base + (size_t)index * s->size;
}

#endif
