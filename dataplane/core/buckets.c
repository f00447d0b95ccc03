/* SPDX-License-Identifier: BSD-3-Clause */
#include "buckets.h"

#include <string.h>

static uint32_t count_for(uint32_t max)
{
	uint32_t n = 1;

	while ((uint64_t)n * BUCKET_LOAD < max)
		n *= 2;
	return n;
}

size_t buckets_bytes(uint32_t max)
{
	return (size_t)count_for(max) * sizeof(struct bucket);
}

void buckets_init(struct buckets *b, void *memory, uint32_t max)
{
	b->v = memory;
	b->mask = count_for(max) - 1;
	memset(memory, 0, buckets_bytes(max));
}

static uint32_t way_of(const struct bucket *b, uint32_t tag)
{
	uint32_t ways = bucket_ways(b, tag);

	return ways ? (uint32_t)__builtin_ctz(ways) : BUCKET_WAYS;
}

void buckets_add(struct buckets *b, uint64_t hash, uint32_t number)
{
	uint32_t i = (uint32_t)hash & b->mask, k;

	/* there are more places than entries, so this ends */
	while ((k = way_of(&b->v[i], 0)) == BUCKET_WAYS) {
		b->v[i].passed++;
		i = (i + 1) & b->mask;
	}
	b->v[i].tag[k] = bucket_tag(hash);
	b->v[i].number[k] = number;
}

static bool take_out(struct bucket *b, uint32_t tag, uint32_t number)
{
	for (uint32_t k = 0; k < BUCKET_WAYS; k++) {
		if (b->tag[k] == tag && b->number[k] == number) {
			b->tag[k] = 0;
			return true;
		}
	}
	return false;
}

void buckets_remove(struct buckets *b, uint64_t hash, uint32_t number)
{
	uint32_t i = (uint32_t)hash & b->mask;

	while (!take_out(&b->v[i], bucket_tag(hash), number)) {
		b->v[i].passed--;
		i = (i + 1) & b->mask;
	}
}
