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
 * @param st      state of the split's slot; reset to `start` when the epoch is another
 * @param worker  index of the worker and their number: where in the table this worker begins, so that
 *                the sum over workers is smooth too
 */
const struct dest *pick_next(struct split_state *st, const struct split *s, uint32_t worker,
                             uint32_t n_workers);

#endif
