/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Which destination of a weighted split: the next entry of the table, by a cursor of this worker.
 *
 * The builder made the table so that any run of k picks differs from k x share by less than two, and
 * N picks (N = sum of weights over their greatest common divisor) are exact. The cursor survives
 * reloads as long as the split's slot and epoch stay the same.
 */
#ifndef WEIR_PICK_H
#define WEIR_PICK_H

#include "weir/snapshot.h"

/* Of one worker and one split; index: the split's slot. */
struct split_state {
	uint32_t epoch;
	uint32_t cursor;
};

/**
 * Where in a table of n_table places a worker begins, so that the sum over workers is smooth too: at the
 * fractional part of worker x golden ratio. Whatever the number of workers, and of those that have
 * requests, the starts are spread evenly; and they keep no step with the period of a weight, as multiples
 * of 1 / n_workers do. docs/decisions/0023-split-over-many-workers.md has the figures.
 */
static inline uint32_t pick_start(uint32_t worker, uint32_t n_table)
{
	uint32_t fraction =
		worker * 2654435769u; /* 2^32 over the golden ratio; Knuth, volume 3, 6.4 */

	return (uint32_t)((uint64_t)fraction * n_table >> 32);
}

/** @param st  state of the split's slot; reset to pick_start() when the epoch is another */
const struct dest *pick_next(struct split_state *st, const struct split *s, uint32_t worker);

#endif
