/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Instructions per call, counted by callgrind: the same on every run and on every machine.
 *
 * A program of bench/micro that is linked with count.c instead of bench.c counts instead of measuring
 * time. What bench_run() cannot express counts piece by piece: count_begin(), then any number of
 * count_on() ... count_off(), then count_end(). Outside of valgrind all of it does nothing.
 */
#ifndef WEIR_COUNT_H
#define WEIR_COUNT_H

#include <valgrind/callgrind.h>

/** From here on the program runs instrumented, which is slow; nothing is counted yet. */
static inline void count_begin(void)
{
	CALLGRIND_START_INSTRUMENTATION;
	CALLGRIND_ZERO_STATS;
}

static inline void count_on(void)
{
	CALLGRIND_TOGGLE_COLLECT;
}

static inline void count_off(void)
{
	CALLGRIND_TOGGLE_COLLECT;
}

/**
 * Write what was counted since count_begin() for bench/gate/run.
 *
 * @param name   of the record
 * @param calls  how many calls it was
 */
void count_end(const char *name, unsigned int calls);

#endif
