/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Connection look-up by 4-tuple with 4 k, 64 k and 1 M connections open.
 *
 * "one": the same connection each time, so all of it is in cache. "any": connections in random order,
 * each look-up beginning when the one before has ended, so every cache miss is paid in full: the dearest
 * traffic there is. "none": 4-tuples of no connection, as a flood of them would bring.
 */
#include "bench.h"
#include "tcp_parts.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#define PEERS_PER_HOST 50000
#define HUGE           (2u << 20)

struct lookups {
	struct tcp_stack *stack;
	uint32_t n; /* connections, a power of two */
	uint32_t at;
};

static uint64_t counters[COUNTER_COUNT];

/* The i-th client; from n on they are nobody. */
static struct tcp_peer client(uint32_t i)
{
	return (struct tcp_peer){.local = ip_from_v4(0x0100000a),
	                         .remote = ip_from_v4((be32_t)(0x0000400a + i / PEERS_PER_HOST)),
	                         .lport = 80,
	                         .rport = (be16_t)(1024 + i % PEERS_PER_HOST)};
}

/* Visits each of n numbers once a round, in no order that a prefetcher knows (Knuth's generator). */
static uint32_t after(const struct lookups *l, uint32_t i)
{
	return (i * 1664525u + 1013904223u) & (l->n - 1);
}

static void find_one(void *arg, uint32_t calls)
{
	struct lookups *l = arg;
	struct tcp_peer peer = client(7);

	while (calls--)
		bench_keep((uintptr_t)tcp_table_find(l->stack, &peer));
}

static void find_any(void *arg, uint32_t calls)
{
	struct lookups *l = arg;

	while (calls--) {
		struct tcp_peer peer = client(l->at);
		const struct tcp_conn *c = tcp_table_find(l->stack, &peer);

		/* rport is in what was found: the next step waits for it */
		l->at = after(l, l->at ^ (uint32_t)(c->peer.rport != peer.rport));
	}
}

static void find_none(void *arg, uint32_t calls)
{
	struct lookups *l = arg;

	while (calls--) {
		struct tcp_peer peer = client(l->n + l->at);

		l->at = after(l, l->at ^ (uint32_t)(tcp_table_find(l->stack, &peer) != NULL));
	}
}

static void measure(uint32_t n, const char *count)
{
	struct tcp_config config;
	struct tcp_env env = {.counters = counters, .secret = {1, 2, 3}};
	struct lookups l = {.n = n};
	char name[64];
	size_t bytes;
	void *memory;

	tcp_config_default(&config);
	config.max_conns = n;
	bytes = (tcp_bytes(&config) + HUGE - 1) & ~(size_t)(HUGE - 1);
	memory = aligned_alloc(HUGE, bytes);
	if (!memory) {
		perror("bench_conn");
		exit(1);
	}
	madvise(memory, bytes, MADV_HUGEPAGE); /* as the workers' memory where the node has them */
	l.stack = tcp_init(memory, &config, &env);
	for (uint32_t i = 0; i < n; i++) {
		struct tcp_peer peer = client(i);

		tcp_conn_new(l.stack, &peer);
	}
	snprintf(name, sizeof(name), "%s connections, one", count);
	bench_run(name, find_one, &l, 1000);
	snprintf(name, sizeof(name), "%s connections, any", count);
	bench_run(name, find_any, &l, 10000);
	snprintf(name, sizeof(name), "%s connections, none", count);
	bench_run(name, find_none, &l, 10000);
	free(memory);
}

int main(void)
{
	bench_begin("connection look-up");
	measure(1u << 12, "4 k");
	measure(1u << 16, "64 k");
	measure(1u << 20, "1 M");
	return 0;
}
