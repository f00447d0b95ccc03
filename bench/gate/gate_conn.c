/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Connection look-up among 4,096. bench/micro measures more connections: they cost cache misses, not
 * instructions.
 */
#include "bench.h"
#include "tcp_parts.h"

#include <stdio.h>
#include <stdlib.h>

#define CONNS 4096u

struct lookups {
	struct tcp_stack *stack;
	uint32_t first; /* of the clients asked for */
};

static uint64_t counters[COUNTER_COUNT];

/* The i-th client; from CONNS on they are nobody. */
static struct tcp_peer client(uint32_t i)
{
	return (struct tcp_peer){.local = ip_from_v4(0x0100000a),
	                         .remote = ip_from_v4((be32_t)(0x0000400a + i / 50000)),
	                         .lport = 80,
	                         .rport = (be16_t)(1024 + i % 50000)};
}

static void find(void *arg, uint32_t calls)
{
	struct lookups *l = arg;

	for (uint32_t i = 0; i < calls; i++) {
		struct tcp_peer peer = client(l->first + i);

		bench_keep((uintptr_t)tcp_table_find(l->stack, &peer));
	}
}

int main(void)
{
	struct tcp_env env = {.counters = counters, .secret = {1, 2, 3}};
	struct tcp_config config;
	struct lookups l = {0};
	size_t bytes;
	void *memory;

	tcp_config_default(&config);
	config.max_conns = CONNS;
	bytes = (tcp_bytes(&config) + 63) & ~(size_t)63;
	memory = aligned_alloc(64, bytes);
	if (!memory) {
		perror("gate_conn");
		return 1;
	}
	l.stack = tcp_init(memory, &config, &env);
	for (uint32_t i = 0; i < CONNS; i++) {
		struct tcp_peer peer = client(i);

		tcp_conn_new(l.stack, &peer);
	}
	bench_run("tcp_table_find, a connection", find, &l, CONNS);
	l.first = CONNS;
	bench_run("tcp_table_find, none", find, &l, CONNS);
	free(memory);
	return 0;
}
