/* SPDX-License-Identifier: BSD-3-Clause */
/* Choice of a destination and of an endpoint. */
#include "balance.h"
#include "bench.h"
#include "build_split.h"
#include "pick.h"

#include <stdio.h>

#define ENDPOINTS 64

static uint16_t table[BUILD_SPLIT_MAX];
static struct dest dests[4];
static struct endpoint endpoints[ENDPOINTS];
static struct endpoint_stats stats[ENDPOINTS];
static struct subset_state subsets[1];
static uint64_t rng = 1;
static struct balance_env env = {subsets, stats, &rng};

struct splitting {
	struct split split;
	struct split_state state;
};

static void pick(void *arg, uint32_t calls)
{
	struct splitting *s = arg;

	for (uint32_t i = 0; i < calls; i++)
		bench_keep((uintptr_t)pick_next(&s->state, &s->split, 0));
}

static void balance(void *arg, uint32_t calls)
{
	for (uint32_t i = 0; i < calls; i++)
		bench_keep((uintptr_t)balance_pick(&env, arg, NULL, NULL));
}

static void measure_split(const char *name, const uint32_t *weights, uint32_t n)
{
	struct splitting s = {
		.split = {.slot = {0, 1}, .n_dests = n, .dests = dests, .table = table}};

	s.split.n_table = (uint32_t)build_split_size(weights, n);
	build_split_fill(weights, n, table);
	bench_run(name, pick, &s, 1000);
}

static void measure_balance(const char *name, enum balance_policy policy)
{
	struct subset s = {.slot = {0, 1},
	                   .policy = (uint8_t)policy,
	                   .n_endpoints = ENDPOINTS,
	                   .endpoints = endpoints};

	bench_run(name, balance, &s, 1000);
}

int main(void)
{
	for (uint32_t i = 0; i < ENDPOINTS; i++) {
		endpoints[i] = (struct endpoint){.weight = 1, .slot = {i, 1}};
		stats[i].epoch = 1;
		stats[i].active = i % 7;
	}
	bench_begin("pick");
	measure_split("pick_next, 90/10", (const uint32_t[]){90, 10}, 2);
	measure_split("pick_next, 9999/1", (const uint32_t[]){9999, 1}, 2);
	measure_split("pick_next, 65533/1/1/1", (const uint32_t[]){65533, 1, 1, 1}, 4);
	measure_balance("balance_pick, ROUND_ROBIN of 64", BALANCE_ROUND_ROBIN);
	measure_balance("balance_pick, RANDOM of 64", BALANCE_RANDOM);
	measure_balance("balance_pick, LEAST_REQUEST of 64", BALANCE_LEAST_REQUEST);
	return 0;
}
