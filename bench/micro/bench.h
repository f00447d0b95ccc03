/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Cycles per call, for bench_<file>.c programs.
 *
 * warm: everything in cache, many calls in a row; the median over the repeats and the spread between
 * the 10th and 90th percentile. cold: one call after the caches were filled with something else.
 * Cycles are those of the time stamp counter, which ticks at a fixed rate: on a core that clocks
 * higher or lower they are not core cycles.
 */
#ifndef WEIR_BENCH_H
#define WEIR_BENCH_H

#include <stdint.h>
#include <x86intrin.h>

/* Do the thing `calls` times. */
typedef void bench_fn(void *arg, uint32_t calls);

/** Print the heading of the table. Call first. */
void bench_begin(const char *title);

/**
 * Measure and print one line.
 *
 * @param name   what is called, for people
 * @param calls  calls in one warm measurement: enough for some ten thousand cycles
 */
void bench_run(const char *name, bench_fn *fn, void *arg, uint32_t calls);

/** As bench_run() for what cannot run cold or for long: only the warm column, fewer repeats. */
void bench_run_slow(const char *name, bench_fn *fn, void *arg, uint32_t calls);

/** Keep the compiler from leaving out the computation of v. */
static inline void bench_keep(uint64_t v)
{
	__asm__ volatile("" : : "r"(v) : "memory");
}

/** Serialised time stamp counter, for measurements of another shape. */
static inline uint64_t bench_cycles(void)
{
	uint32_t cpu;

	_mm_lfence();
	return __rdtscp(&cpu);
}

#endif
