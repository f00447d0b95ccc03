/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Counts of values by size: 32 steps for each doubling, so a quantile is right to 3 %.
 */
#ifndef WEIR_BENCH_LOAD_HISTOGRAM_H
#define WEIR_BENCH_LOAD_HISTOGRAM_H

#include <stdint.h>

#define HISTOGRAM_STEPS 32

struct histogram {
	uint64_t total;
	uint64_t counts[60 * HISTOGRAM_STEPS];
};

void histogram_add(struct histogram *h, uint64_t value);

/** @return the lower end of the step in which a part (0 to 1) of the values is reached; 0: no values */
uint64_t histogram_quantile(const struct histogram *h, double part);

#endif
