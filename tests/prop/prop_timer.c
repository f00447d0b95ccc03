/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Property: the wheel fires what a list of deadlines says, in the order of their ticks, whatever is
 * armed, moved and cancelled, also from callbacks, and however far time jumps.
 * The seed is argv[1]; a failure prints it.
 */
#include "rng.h"
#include "timer.h"

#include <stdio.h>
#include <string.h>

#define N      64
#define ROUNDS 40000

struct model {
	struct timer_wheel wheel;
	struct timer timers[N];
	bool armed[N];    /* what should be */
	uint64_t tick[N]; /* when it should fire */
	uint64_t born[N]; /* turn in which it was armed by a callback, 0: outside */
	uint64_t now_us, last_tick, turn;
	struct rng rng;
	const char *fault;
};

static uint64_t far_ahead(struct rng *r)
{
	static const uint64_t scale[] = {
		1, 1024, 1024 * 256, 1024ull << 16, 1024ull << 24, 1024ull << 31, 1024ull << 33};
	uint64_t at = scale[rng_below(r, 7)];

	switch (rng_below(r, 4)) {
	case 0: return at;
	case 1: return at - 1;
	default: return rng_next(r) % (at * 4);
	}
}

static void arm(struct model *m, uint32_t i, bool in_turn)
{
	uint64_t back = rng_below(&m->rng, 8) == 0 ? rng_below(&m->rng, 5000) : 0;
	uint64_t deadline = m->now_us + (back ? 0 : far_ahead(&m->rng)) - back;

	timer_arm(&m->wheel, &m->timers[i], deadline);
	m->armed[i] = true;
	m->tick[i] = (deadline + TIMER_TICK_US - 1) / TIMER_TICK_US;
	m->born[i] = in_turn ? m->turn : 0;
}

static void cancel(struct model *m, uint32_t i)
{
	timer_cancel(&m->wheel, &m->timers[i]);
	m->armed[i] = false;
}

static void fire(void *arg, struct timer *t, uint64_t now_us)
{
	struct model *m = arg;
	uint32_t i = (uint32_t)(t - m->timers);

	if (timer_armed(t))
		m->fault = "armed while firing";
	if (!m->armed[i])
		m->fault = "fired though not armed";
	if (m->tick[i] > now_us / TIMER_TICK_US)
		m->fault = "fired early";
	if (m->born[i] == m->turn)
		m->fault = "armed and fired in one turn";
	if (m->born[i] == 0 && m->tick[i] < m->last_tick && m->tick[i] > 0)
		m->fault = "fired out of order";
	if (m->tick[i] > m->last_tick)
		m->last_tick = m->tick[i];
	m->armed[i] = false;
	for (uint32_t k = rng_below(&m->rng, 3); k; k--) {
		if (rng_below(&m->rng, 2))
			arm(m, rng_below(&m->rng, N), true);
		else
			cancel(m, rng_below(&m->rng, N));
	}
}

/* What was armed in the past fires with the tick at which it was armed: order starts from there. */
static void turn(struct model *m)
{
	uint64_t was = m->now_us / TIMER_TICK_US;

	for (uint32_t i = 0; i < N; i++)
		if (m->tick[i] < was)
			m->tick[i] = was;
	m->now_us += rng_below(&m->rng, 3) ? rng_below(&m->rng, 3000) : far_ahead(&m->rng);
	m->last_tick = 0;
	m->turn++;
	timer_turn(&m->wheel, m->now_us, fire, m);
}

static void check(struct model *m)
{
	uint64_t now = m->now_us / TIMER_TICK_US, next = timer_next(&m->wheel), n = 0;

	for (uint32_t i = 0; i < N; i++) {
		n += m->armed[i];
		if (timer_armed(&m->timers[i]) != m->armed[i])
			m->fault = "armed differs";
		if (m->armed[i] && m->tick[i] <= now && m->born[i] != m->turn)
			m->fault = "did not fire";
		if (m->armed[i] && m->tick[i] > now && next > m->tick[i] * TIMER_TICK_US)
			m->fault = "next is too late";
		m->born[i] = 0;
	}
	if (n != m->wheel.armed)
		m->fault = "count differs";
	if (n == 0 && next != UINT64_MAX)
		m->fault = "next though none is armed";
}

int main(int argc, char **argv)
{
	static struct model m;
	uint64_t seed = rng_arg(argc, argv);

	m.rng = rng_seed(seed);
	m.now_us = rng_next(&m.rng) >> (rng_below(&m.rng, 2) ? 8 : 30);
	timer_init(&m.wheel, m.now_us);
	for (int round = 0; round < ROUNDS; round++) {
		for (uint32_t k = rng_below(&m.rng, 6); k; k--)
			arm(&m, rng_below(&m.rng, N), false);
		for (uint32_t k = rng_below(&m.rng, 3); k; k--)
			cancel(&m, rng_below(&m.rng, N));
		turn(&m);
		check(&m);
		if (m.fault) {
			fprintf(stderr, "seed %llu, round %d: %s\n", (unsigned long long)seed,
			        round, m.fault);
			return 1;
		}
	}
	return 0;
}
