/* SPDX-License-Identifier: BSD-3-Clause */
/* Random numbers of a seed, for property tests: the same on every machine. */
#ifndef WEIR_TESTS_RNG_H
#define WEIR_TESTS_RNG_H

#include <stdint.h>
#include <stdlib.h>

struct rng {
	uint64_t s;
};

static inline struct rng rng_seed(uint64_t seed)
{
	return (struct rng){seed * 0x9e3779b97f4a7c15ull | 1};
}

/** The seed of a test program: its first argument, 1 when there is none. */
static inline uint64_t rng_arg(int argc, char **argv)
{
	return argc > 1 ? strtoull(argv[1], NULL, 0) : 1;
}

static inline uint64_t rng_next(struct rng *r)
{
	r->s ^= r->s << 13;
	r->s ^= r->s >> 7;
	r->s ^= r->s << 17;
	return r->s * 0x2545f4914f6cdd1dull;
}

/** A number below n; n >= 1. */
static inline uint32_t rng_below(struct rng *r, uint32_t n)
{
	return (uint32_t)((rng_next(r) >> 32) * n >> 32);
}

#endif
