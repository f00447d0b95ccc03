/* SPDX-License-Identifier: BSD-3-Clause */
#include "bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define REPEATS      201
#define SLOW_REPEATS 11
#define COLD_REPEATS 31
#define EVICT_BYTES  (64u << 20) /* more than the last level of cache that one core fills */

struct spread {
	double low, median, high;
};

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static struct spread spread_of(double *v, uint32_t n)
{
	qsort(v, n, sizeof(*v), by_value);
	return (struct spread){v[n / 10], v[n / 2], v[n - 1 - n / 10]};
}

/* What two readings of the counter cost by themselves. */
static double overhead(void)
{
	double v[REPEATS];

	for (uint32_t i = 0; i < REPEATS; i++) {
		uint64_t t = bench_cycles();

		v[i] = (double)(bench_cycles() - t);
	}
	return spread_of(v, REPEATS).low;
}

static double measure(bench_fn *fn, void *arg, uint32_t calls)
{
	uint64_t t = bench_cycles();

	fn(arg, calls);
	return (double)(bench_cycles() - t);
}

static void evict(void)
{
	static uint8_t *junk;

	if (!junk)
		junk = malloc(EVICT_BYTES);
	if (!junk)
		return;
	for (uint32_t i = 0; i < EVICT_BYTES; i += 64)
		junk[i]++;
	bench_keep(junk[0]);
}

static struct spread warm(bench_fn *fn, void *arg, uint32_t calls, uint32_t repeats)
{
	double v[REPEATS], own = overhead();

	fn(arg, calls);
	for (uint32_t i = 0; i < repeats; i++)
		v[i] = (measure(fn, arg, calls) - own) / calls;
	return spread_of(v, repeats);
}

void bench_begin(const char *title)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	printf("%s (time stamp counter cycles per call)\n", title);
	printf("%-44s %10s %19s %10s\n", "", "warm", "10 % to 90 %", "cold");
}

void bench_run(const char *name, bench_fn *fn, void *arg, uint32_t calls)
{
	struct spread w = warm(fn, arg, calls, REPEATS), c;
	double v[COLD_REPEATS], own = overhead();

	for (uint32_t i = 0; i < COLD_REPEATS; i++) {
		evict();
		v[i] = measure(fn, arg, 1) - own;
	}
	c = spread_of(v, COLD_REPEATS);
	printf("%-44s %10.1f %8.1f - %8.1f %10.0f\n", name, w.median, w.low, w.high, c.median);
}

void bench_run_slow(const char *name, bench_fn *fn, void *arg, uint32_t calls)
{
	struct spread w = warm(fn, arg, calls, SLOW_REPEATS);

	printf("%-44s %10.1f %8.1f - %8.1f %10s\n", name, w.median, w.low, w.high, "-");
}
