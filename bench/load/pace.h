/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Open loop: request number k is due at start + k periods, whatever became of those before it. Latency counts from then,
 * so that a stall of the other side is seen by every request that should have been sent meanwhile.
 */
#ifndef WEIR_BENCH_LOAD_PACE_H
#define WEIR_BENCH_LOAD_PACE_H

#include <stdbool.h>
#include <stdint.h>

struct pace {
	uint64_t start;
	double period; /* same unit as start */
	uint64_t taken;
};

/** When the next one is due. */
uint64_t pace_due(const struct pace *p);

/** One is due: take it. @return false: not yet */
bool pace_take(struct pace *p, uint64_t now, uint64_t *due);

#endif
