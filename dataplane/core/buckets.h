/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A hash table of numbers in buckets of one cache line. The owner keeps the objects that the numbers
 * name and compares their keys; what is here is where to look.
 *
 * A bucket has seven entries of a tag (half of the hash) and a number, so a look-up touches one line of
 * the table and, unless tags collide (one in 2^31 an entry), only the right object. With at most four
 * entries a bucket on average, fewer than one in fifteen lies outside its home. The hash has to be keyed,
 * so that nobody outside can aim entries at one bucket.
 *
 *   home bucket     next bucket
 *   [t t t t t t t  passed=1] -> [T . . . . . .  passed=0]     T's home is full: passed counts it
 *
 * An entry that finds its home full lies in a later bucket; passed counts those, so a look-up goes on only
 * where somebody did, and removal leaves no tombs.
 */
#ifndef WEIR_BUCKETS_H
#define WEIR_BUCKETS_H

#include "fetch.h"

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <x86intrin.h>

#define BUCKET_WAYS 7
#define BUCKET_LOAD 4 /* entries a bucket, on average, when the table is full */

struct bucket {
	uint32_t tag[BUCKET_WAYS]; /* upper half of the hash, odd; 0: free */
	uint32_t passed;
	uint32_t number[BUCKET_WAYS];
	uint32_t pad;
};
static_assert(sizeof(struct bucket) == 64, "a bucket is one cache line");

struct buckets {
	struct bucket *v;
	uint32_t mask; /* buckets - 1 */
};

/* Where a look-up stands. */
struct bucket_cursor {
	uint32_t tag, at, way;
};

/** Bytes of memory of a table for max entries. */
size_t buckets_bytes(uint32_t max);

/** @param memory  buckets_bytes() bytes, aligned to 64; the table begins empty */
void buckets_init(struct buckets *b, void *memory, uint32_t max);

/** There must not be more entries than the table was made for. */
void buckets_add(struct buckets *b, uint64_t hash, uint32_t number);

/** Take out an entry that is there. */
void buckets_remove(struct buckets *b, uint64_t hash, uint32_t number);

static inline uint32_t bucket_tag(uint64_t hash)
{
	return (uint32_t)(hash >> 32) | 1;
}

static inline void buckets_fetch(const struct buckets *b, uint64_t hash)
{
	fetch_line(&b->v[(uint32_t)hash & b->mask]);
}

/* The ways whose tag fits, a bit each: which one it is cannot be guessed, so nothing branches on it. */
static inline uint32_t bucket_ways(const struct bucket *b, uint32_t tag)
{
	const __m128i *tags = (const __m128i *)b, want = _mm_set1_epi32((int)tag);
	__m128i low = _mm_cmpeq_epi32(_mm_load_si128(tags), want);
	__m128i high = _mm_cmpeq_epi32(_mm_load_si128(tags + 1), want);
	uint32_t first = (uint32_t)_mm_movemask_ps(_mm_castsi128_ps(low));
	uint32_t second = (uint32_t)_mm_movemask_ps(_mm_castsi128_ps(high));

	return (first | second << 4) & ((1u << BUCKET_WAYS) - 1); /* the eighth is passed */
}

/** The first number in the home bucket whose tag fits, without asking whose it is; UINT32_MAX: none. */
static inline uint32_t buckets_guess(const struct buckets *b, uint64_t hash)
{
	const struct bucket *home = &b->v[(uint32_t)hash & b->mask];
	uint32_t ways = bucket_ways(home, bucket_tag(hash));

	return ways ? home->number[__builtin_ctz(ways)] : UINT32_MAX;
}

static inline struct bucket_cursor buckets_start(const struct buckets *b, uint64_t hash)
{
	return (struct bucket_cursor){bucket_tag(hash), (uint32_t)hash & b->mask, 0};
}

/** The next number whose tag fits; UINT32_MAX: there is none. Compare the key, and ask on if it is another's. */
static inline uint32_t buckets_next(const struct buckets *b, struct bucket_cursor *c)
{
	for (uint32_t left = b->mask + 1; left; left--) {
		const struct bucket *at = &b->v[c->at];
		uint32_t ways = bucket_ways(at, c->tag) >> c->way;

		if (ways) {
			c->way += (uint32_t)__builtin_ctz(ways) + 1;
			return at->number[c->way - 1];
		}
		if (!at->passed)
			break;
		c->at = (c->at + 1) & b->mask;
		c->way = 0;
	}
	return UINT32_MAX;
}

#endif
