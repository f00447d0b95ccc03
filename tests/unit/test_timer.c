/* SPDX-License-Identifier: BSD-3-Clause */
#include "test.h"
#include "timer.h"

#define TICK TIMER_TICK_US
#define DAY  (86400ull * 1000000)

static struct timer_wheel wheel;
static struct timer timers[4];
static uint32_t fired[64], n_fired;

static void note(void *arg, struct timer *t, uint64_t now_us)
{
	(void)arg;
	assert_false(timer_armed(t));
	assert_true(t->deadline_us <= now_us);
	fired[n_fired++] = t->kind;
}

static int start(void **state)
{
	(void)state;
	n_fired = 0;
	for (uint32_t i = 0; i < 4; i++)
		timers[i] = (struct timer){.kind = i};
	timer_init(&wheel, 5 * DAY + 17);
	return 0;
}

static void never_early_and_one_tick_late(void **state)
{
	const uint64_t after[] = {0,        1,        TICK - 1, TICK, 300 * TICK, 70000ull * TICK,
	                          30 * DAY, 200 * DAY};
	uint64_t now = 5 * DAY + 17, deadline;

	(void)state;
	for (size_t i = 0; i < sizeof(after) / sizeof(after[0]); i++) {
		deadline = now + after[i];
		n_fired = 0;
		timer_arm(&wheel, &timers[0], deadline);
		timer_turn(&wheel, deadline - 1, note, NULL);
		assert_int_equal(n_fired, 0);
		timer_turn(&wheel, deadline + TICK, note, NULL);
		assert_int_equal(n_fired, 1);
		now = deadline + TICK;
	}
	assert_int_equal(wheel.armed, 0);
}

static void fires_in_order_over_a_long_jump(void **state)
{
	uint64_t now = 5 * DAY + 17;

	(void)state;
	timer_arm(&wheel, &timers[0], now + 190 * DAY);
	timer_arm(&wheel, &timers[1], now + 3 * TICK);
	timer_arm(&wheel, &timers[2], now + DAY);
	timer_arm(&wheel, &timers[3], now + 60000000);
	timer_turn(&wheel, now + 400 * DAY, note, NULL);
	assert_int_equal(n_fired, 4);
	assert_int_equal(fired[0], 1);
	assert_int_equal(fired[1], 3);
	assert_int_equal(fired[2], 2);
	assert_int_equal(fired[3], 0);
}

static void moves_when_armed_again(void **state)
{
	uint64_t now = 5 * DAY + 17;

	(void)state;
	timer_arm(&wheel, &timers[0], now + TICK);
	timer_arm(&wheel, &timers[0], now + DAY);
	assert_int_equal(wheel.armed, 1);
	timer_turn(&wheel, now + DAY - 1, note, NULL);
	assert_int_equal(n_fired, 0);
	timer_cancel(&wheel, &timers[0]);
	timer_cancel(&wheel, &timers[0]);
	assert_int_equal(wheel.armed, 0);
	timer_turn(&wheel, now + 2 * DAY, note, NULL);
	assert_int_equal(n_fired, 0);
}

/* Cancels its neighbour, which is due at the same time, and arms itself in the past. */
static void meddle(void *arg, struct timer *t, uint64_t now_us)
{
	note(arg, t, now_us);
	timer_cancel(&wheel, &timers[t->kind ^ 1]);
	timer_arm(&wheel, t, now_us - DAY);
}

static void callbacks_may_cancel_and_arm(void **state)
{
	uint64_t now = 5 * DAY + 17;

	(void)state;
	timer_arm(&wheel, &timers[0], now + TICK);
	timer_arm(&wheel, &timers[1], now + TICK);
	timer_turn(&wheel, now + 10 * TICK, meddle, NULL);
	assert_int_equal(n_fired, 1); /* armed in the past: the next turn's */
	timer_turn(&wheel, now + 10 * TICK, note, NULL);
	assert_int_equal(n_fired, 2);
	assert_int_equal(fired[0], fired[1]);
	assert_int_equal(wheel.armed, 0);
}

static void next_delays_nothing(void **state)
{
	uint64_t now = 5 * DAY + 17, next;
	uint32_t sleeps = 0;

	(void)state;
	assert_int_equal(timer_next(&wheel), UINT64_MAX);
	timer_arm(&wheel, &timers[0], now + DAY);
	while (n_fired == 0) {
		next = timer_next(&wheel);
		assert_true(next <= now + DAY + TICK);
		timer_turn(&wheel, next, note, NULL);
		sleeps++;
	}
	assert_true(sleeps <= TIMER_LEVELS);
	assert_int_equal(timer_next(&wheel), UINT64_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(never_early_and_one_tick_late, start),
		cmocka_unit_test_setup(fires_in_order_over_a_long_jump, start),
		cmocka_unit_test_setup(moves_when_armed_again, start),
		cmocka_unit_test_setup(callbacks_may_cancel_and_arm, start),
		cmocka_unit_test_setup(next_delays_nothing, start),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
