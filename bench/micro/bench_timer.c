/* SPDX-License-Identifier: BSD-3-Clause */
#include "bench.h"
#include "timer.h"

#include <stdio.h>
#include <stdlib.h>

#define MANY (1u << 16)

struct field {
	struct timer_wheel wheel;
	uint64_t now_us;
	uint32_t at;
	struct timer timers[MANY];
};

/* What TCP does for each segment: the same timer to a little later. */
static void rearm(void *arg, uint32_t calls)
{
	struct field *f = arg;

	while (calls--)
		timer_arm(&f->wheel, &f->timers[0], f->now_us + 200000 + (f->at++ & 1023));
}

static void rearm_many(void *arg, uint32_t calls)
{
	struct field *f = arg;

	while (calls--) {
		f->at = f->at * 1664525 + 1013904223;
		timer_arm(&f->wheel, &f->timers[f->at % MANY], f->now_us + 200000 + (f->at >> 16));
	}
}

static void again(void *arg, struct timer *t, uint64_t now_us)
{
	struct field *f = arg;

	timer_arm(&f->wheel, t, now_us + 200000 + (f->at++ & 0xffff));
}

/* A turn of the polling loop's length, 10 us, with 65,536 timers of about 200 ms armed. */
static void turn(void *arg, uint32_t calls)
{
	struct field *f = arg;

	while (calls--) {
		f->now_us += 10;
		timer_turn(&f->wheel, f->now_us, again, f);
	}
}

static void fire(void *arg, uint32_t calls)
{
	struct field *f = arg;
	uint64_t end = f->at + calls;

	while (f->at < end) {
		f->now_us += TIMER_TICK_US;
		timer_turn(&f->wheel, f->now_us, again, f);
	}
}

static void next(void *arg, uint32_t calls)
{
	struct field *f = arg;

	while (calls--)
		bench_keep(timer_next(&f->wheel));
}

int main(void)
{
	struct field *f = calloc(1, sizeof(*f));

	if (!f) {
		perror("calloc");
		return 1;
	}
	timer_init(&f->wheel, 0);
	bench_begin("timer wheel");
	bench_run("timer_turn, nothing armed", turn, f, 1000);
	bench_run("timer_arm, the same timer again", rearm, f, 1000);
	for (uint32_t i = 0; i < MANY; i++)
		timer_arm(&f->wheel, &f->timers[i], f->now_us + 200000 + i);
	bench_run("timer_arm, any of 65,536", rearm_many, f, 1000);
	bench_run("timer_turn by 10 us, 65,536 armed", turn, f, 1000);
	bench_run("timer_next, 65,536 armed", next, f, 1000);
	bench_run("fire and arm again, 65,536 armed", fire, f, 10000);
	free(f);
	return 0;
}
