/* SPDX-License-Identifier: BSD-3-Clause */
#include "count.h"

#include "bench.h"

#include <stdio.h>

void count_end(const char *name, unsigned int calls)
{
	char text[128];

	snprintf(text, sizeof(text), "%u %s", calls, name);
	CALLGRIND_DUMP_STATS_AT(text);
	CALLGRIND_STOP_INSTRUMENTATION;
}

void bench_begin(const char *title)
{
	(void)title;
}

/* Once without counting: what happens at the first call only is not what a call costs. */
void bench_run(const char *name, bench_fn *fn, void *arg, uint32_t calls)
{
	fn(arg, calls);
	count_begin();
	count_on();
	fn(arg, calls);
	count_off();
	count_end(name, calls);
}

void bench_run_slow(const char *name, bench_fn *fn, void *arg, uint32_t calls)
{
	bench_run(name, fn, arg, calls);
}
