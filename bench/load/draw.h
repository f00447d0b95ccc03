/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A long sequence of numbers below n, made once: uniform, or by Zipf's law, where number i comes as often as 1 / (i + 1)
 * to the power s. The same seed gives the same sequence.
 */
#ifndef WEIR_BENCH_LOAD_DRAW_H
#define WEIR_BENCH_LOAD_DRAW_H

#include <stdint.h>

struct draw {
	uint32_t *numbers;
	uint32_t mask, at;
};

/** @param s  0: uniform  @return 0 or -ENOMEM */
int draw_init(struct draw *d, uint32_t n, double s, uint64_t seed);
void draw_fini(struct draw *d);

static inline uint32_t draw_next(struct draw *d)
{
	return d->numbers[d->at++ & d->mask];
}

#endif
