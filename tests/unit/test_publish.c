/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Snapshots under real threads: readers route and pick all the time, the builder builds each from the one
 * before, publishes and frees.
 * Publishing here is what io does with rte_rcu_qsbr, in plain C11: one release store, readers that say
 * when they hold nothing, and a snapshot freed when all have said so since it was replaced. Meant for
 * ThreadSanitizer and AddressSanitizer; every pick must come from a whole snapshot.
 */
#include "pick.h"
#include "routing.h"
#include "test.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

#define READERS 3
#define CHANGES 60

static struct routing r;
static _Atomic(struct snapshot *) current;
static _Atomic uint64_t passed[READERS]; /* generation each reader has taken up */
static _Atomic uint64_t picks[READERS];
static atomic_bool stop;

static struct snapshot *build(uint32_t canary)
{
	char yaml[2000];

	/* Enough prefixes for a database, and a share that tells the snapshots apart. */
	int n = snprintf(yaml, sizeof(yaml),
	                 "apiVersion: networking.istio.io/v1\nkind: VirtualService\n"
	                 "metadata: {name: a}\nspec:\n  hosts: [a.com]\n  http:\n");
	for (int i = 0; i < 20; i++)
		n += snprintf(yaml + n, sizeof(yaml) - (size_t)n,
		              "  - match: [{uri: {prefix: /p%d}}]\n"
		              "    directResponse: {status: 200}\n",
		              i);
	snprintf(yaml + n, sizeof(yaml) - (size_t)n,
	         "  - match: [{uri: {regex: '/x%u?'}}]\n"
	         "    route: [{destination: {host: b, subset: 'one'}, weight: 100},"
	         " {destination: {host: c}, weight: %u}]\n",
	         canary % 3, canary);
	assert_true(routing_read(&r, yaml));
	const struct snapshot *was = atomic_load(&current);
	struct snapshot *s = was ? build_next(was, r.docs, &r.options, ++r.generation, &r.diags)
	                         : routing_build(&r);

	assert_non_null(s);
	return s;
}

/* One request: the route, and a pick that fits the route's own weights. */
static bool route_one(const struct snapshot *s, uint32_t id, struct route_bits *bits,
                      struct split_state *states)
{
	static _Thread_local struct http1_request q;

	routing_fill(&(struct routing_request){.host = "a.com", .path = "/x"}, &q);
	const struct vhost *v = route_host(&s->listeners[0], q.authority);
	const struct clause *c = v ? route_match(v, &q, s->scratch[id], bits) : NULL;

	if (!c || c->route->kind != ROUTE_FORWARD)
		return false;
	const struct split *split = c->route->split;
	const struct dest *d = pick_next(&states[split->slot.index], split, id);

	return d->weight > 0 && (d == &split->dests[0] || d == &split->dests[1]);
}

static void *reader(void *arg)
{
	const uint32_t id = *(const uint32_t *)arg;
	struct route_bits *bits = calloc(1, sizeof(*bits));
	struct split_state *states = calloc(65536, sizeof(*states));

	while (!atomic_load(&stop)) {
		struct snapshot *s = atomic_load_explicit(&current, memory_order_acquire);

		for (int i = 0; i < 50; i++)
			if (!route_one(s, id, bits, states))
				abort();
		atomic_fetch_add(&picks[id], 50);
		atomic_store_explicit(&passed[id], s->generation, memory_order_release);
	}
	free(bits);
	free(states);
	return NULL;
}

static void wait_for(uint64_t generation)
{
	for (uint32_t i = 0; i < READERS; i++)
		while (atomic_load_explicit(&passed[i], memory_order_acquire) < generation)
			sched_yield();
}

static void readers_never_see_half_a_snapshot(void **state)
{
	static uint32_t ids[READERS] = {0, 1, 2};
	pthread_t threads[READERS];

	(void)state;
	routing_init(&r);
	r.options.n_workers = READERS;
	atomic_store(&current, build(1));
	for (uint32_t i = 0; i < READERS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, reader, &ids[i]), 0);
	for (uint32_t change = 0; change < CHANGES; change++) {
		struct snapshot *next = build(1 + change % 50);
		struct snapshot *old = atomic_exchange(&current, next);

		wait_for(next->generation);
		build_free(old);
	}
	atomic_store(&stop, true);
	for (uint32_t i = 0; i < READERS; i++) {
		pthread_join(threads[i], NULL);
		assert_true(atomic_load(&picks[i]) >= CHANGES);
	}
	build_free(atomic_load(&current));
	assert_int_equal(registry_used(r.registry, REGISTRY_SPLITS), 0);
	routing_fini(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(readers_never_see_half_a_snapshot)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
