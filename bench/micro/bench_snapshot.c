/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Publishing a snapshot that is built: what the control thread does, and what each turn of a worker pays
 * for being able to change at any time. One thread plays both, so the way of a cache line from one core
 * to another is not in it; `weirctl apply --wait -o json` says effect_ns, which has everything.
 */
#include "bench.h"
#include "publish.h"

#include <stdio.h>
#include <stdlib.h>

static struct publish p;
static struct snapshot snapshots[2];

static void turn(void *arg, uint32_t calls)
{
	(void)arg;
	while (calls--)
		bench_keep((uintptr_t)publish_turn(&p, 0));
}

static void take_up(uint32_t w)
{
	publish_took(&p, w, publish_turn(&p, w)->generation, 0);
}

static void change(void *arg, uint32_t calls)
{
	(void)arg;
	while (calls--) {
		struct snapshot *was = p.current;

		publish_set(&p, was == &snapshots[0] ? &snapshots[1] : &snapshots[0]);
		for (uint32_t w = 0; w < p.n_workers; w++)
			take_up(w);
		if (!publish_released(&p, was))
			abort();
	}
}

static void measure(uint32_t n_workers)
{
	char name[64];

	if (publish_init(&p, n_workers, &snapshots[0]) < 0)
		abort();
	for (uint32_t w = 0; w < n_workers; w++)
		publish_enter(&p, w);
	if (n_workers == 1)
		bench_run("a worker's turn: quiescent, load the pointer", turn, NULL, 1000);
	snprintf(name, sizeof(name), "set, %u workers take it, release the old", n_workers);
	bench_run(name, change, NULL, 100);
	publish_fini(&p);
}

int main(void)
{
	bench_begin("publish");
	measure(1);
	measure(8);
	return 0;
}
