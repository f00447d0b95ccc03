/* SPDX-License-Identifier: BSD-3-Clause */
#include "balance.h"
#include "build_split.h"
#include "test.h"

#define N 3

static struct endpoint endpoints[N];
static struct endpoint_stats stats[N];
static struct subset_state subsets[1];
static uint16_t table[16];
static uint64_t rng;
static const struct balance_env env = {subsets, stats, &rng};

static struct subset subset_of(enum balance_policy policy, const uint32_t weights[N])
{
	struct subset s = {.slot = {0, 5},
	                   .policy = (uint8_t)policy,
	                   .n_endpoints = N,
	                   .endpoints = endpoints};

	rng = 42;
	subsets[0] = (struct subset_state){0};
	for (uint32_t i = 0; i < N; i++) {
		endpoints[i] = (struct endpoint){.weight = weights[i], .slot = {i, 1}};
		stats[i] = (struct endpoint_stats){.epoch = 1};
	}
	if (weights[0] == weights[1] && weights[1] == weights[2])
		return s;
	build_split_fill(weights, N, table);
	s.table = table;
	s.n_table = (uint32_t)build_split_size(weights, N);
	return s;
}

static void count(const struct subset *s, uint32_t picks, uint32_t seen[N])
{
	for (int i = 0; i < N; i++)
		seen[i] = 0;
	for (uint32_t i = 0; i < picks; i++)
		seen[balance_pick(&env, s, NULL, NULL) - endpoints]++;
}

static void round_robin_is_exact(void **state)
{
	struct subset s = subset_of(BALANCE_ROUND_ROBIN, (const uint32_t[N]){1, 1, 1});
	uint32_t seen[N];

	(void)state;
	count(&s, 30, seen);
	for (int i = 0; i < N; i++)
		assert_int_equal(seen[i], 10);
	s = subset_of(BALANCE_ROUND_ROBIN, (const uint32_t[N]){4, 2, 1});
	count(&s, 70, seen);
	assert_int_equal(seen[0], 40);
	assert_int_equal(seen[1], 20);
	assert_int_equal(seen[2], 10);
}

static void random_follows_the_weights(void **state)
{
	const struct subset s = subset_of(BALANCE_RANDOM, (const uint32_t[N]){4, 2, 2});
	uint32_t seen[N];

	(void)state;
	count(&s, 40000, seen); /* standard deviation of 20,000: 100 */
	assert_in_range(seen[0], 19500, 20500);
	assert_in_range(seen[1], 9500, 10500);
}

static void least_request_follows_the_weights_when_idle(void **state)
{
	const struct subset s = subset_of(BALANCE_LEAST_REQUEST, (const uint32_t[N]){4, 2, 2});
	uint32_t seen[N];

	(void)state;
	count(&s, 40000, seen);
	assert_in_range(seen[0], 19500, 20500);
}

static void least_request_avoids_the_busy_one(void **state)
{
	const struct subset s = subset_of(BALANCE_LEAST_REQUEST, (const uint32_t[N]){1, 1, 1});
	uint32_t seen[N];

	(void)state;
	stats[1].active = 100;
	count(&s, 1000, seen);
	assert_int_equal(seen[1], 0); /* it loses against any other */
	stats[1].epoch = 9;           /* figures of somebody else */
	count(&s, 1000, seen);
	assert_in_range(seen[1], 200, 500);
}

static void avoided_when_there_is_another(void **state)
{
	static const enum balance_policy policies[] = {BALANCE_LEAST_REQUEST, BALANCE_ROUND_ROBIN,
	                                               BALANCE_RANDOM};

	(void)state;
	for (int p = 0; p < 3; p++) {
		struct subset s = subset_of(policies[p], (const uint32_t[N]){5, 1, 1});

		for (int i = 0; i < 1000; i++)
			assert_ptr_not_equal(balance_pick(&env, &s, &endpoints[0], NULL),
			                     &endpoints[0]);
		s.n_endpoints = 1;
		assert_ptr_equal(balance_pick(&env, &s, &endpoints[0], NULL), &endpoints[0]);
		s.n_endpoints = 0;
		assert_null(balance_pick(&env, &s, NULL, NULL));
	}
}

static void fewer_endpoints_than_before(void **state)
{
	struct subset s = subset_of(BALANCE_ROUND_ROBIN, (const uint32_t[N]){1, 1, 1});

	(void)state;
	subsets[0] = (struct subset_state){.epoch = 5, .cursor = 2};
	s.n_endpoints = 2;
	assert_ptr_equal(balance_pick(&env, &s, NULL, NULL), &endpoints[0]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(round_robin_is_exact),
		cmocka_unit_test(random_follows_the_weights),
		cmocka_unit_test(least_request_follows_the_weights_when_idle),
		cmocka_unit_test(least_request_avoids_the_busy_one),
		cmocka_unit_test(avoided_when_there_is_another),
		cmocka_unit_test(fewer_endpoints_than_before),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
