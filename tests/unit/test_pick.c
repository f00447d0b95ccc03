/* SPDX-License-Identifier: BSD-3-Clause */
#include "build_split.h"
#include "pick.h"
#include "test.h"

static const struct dest dests[3];
static uint16_t table[100];

static struct split split_of(const uint32_t *weights, uint32_t n)
{
	build_split_fill(weights, n, table);
	return (struct split){
		.slot = {3, 7},
		.n_dests = n,
		.n_table = (uint32_t)build_split_size(weights, n),
		.dests = dests,
		.table = table,
	};
}

static void ninety_ten_is_exact_in_every_ten(void **state)
{
	const struct split s = split_of((const uint32_t[]){90, 0, 10}, 3);
	struct split_state st = {0};

	(void)state;
	assert_int_equal(s.n_table, 10);
	for (int round = 0; round < 20; round++) {
		uint32_t seen[3] = {0};

		for (int i = 0; i < 10; i++)
			seen[pick_next(&st, &s, 0) - dests]++;
		assert_int_equal(seen[0], 9);
		assert_int_equal(seen[1], 0);
		assert_int_equal(seen[2], 1);
	}
}

static void cursor_stays_until_the_epoch_changes(void **state)
{
	struct split s = split_of((const uint32_t[]){1, 1}, 2);
	struct split_state st = {0};

	(void)state;
	assert_ptr_equal(pick_next(&st, &s, 0), &dests[0]);
	assert_ptr_equal(pick_next(&st, &s, 0), &dests[1]);
	assert_ptr_equal(pick_next(&st, &s, 0), &dests[0]);
	s.slot.epoch = 8;
	assert_ptr_equal(pick_next(&st, &s, 0), &dests[0]);
}

static void workers_begin_apart(void **state)
{
	const struct split s = split_of((const uint32_t[]){3, 1}, 2);
	uint32_t canary = 0;

	(void)state;
	for (uint32_t w = 0; w < 4; w++) { /* the first request of each of four workers */
		struct split_state st = {0};

		canary += pick_next(&st, &s, w) == &dests[1];
	}
	assert_int_equal(canary, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ninety_ten_is_exact_in_every_ten),
		cmocka_unit_test(cursor_stays_until_the_epoch_changes),
		cmocka_unit_test(workers_begin_apart),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
