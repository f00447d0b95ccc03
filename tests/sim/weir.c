/* SPDX-License-Identifier: BSD-3-Clause */
#include "weir.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- routing ----------------------------------------------------------------------------- */

static void make_routing(struct routing *r, uint64_t generation, uint32_t workers, int v2_of_10)
{
	memset(r, 0, sizeof(*r));
	r->snap = aligned_alloc(64, (sizeof(*r->snap) + 63) & ~63ul);
	memset(r->snap, 0, sizeof(*r->snap));
	r->part = (struct value_part){VALUE_REQ, STR("host")};
	r->op = (struct header_op){HEADER_SET, 1, STR("x-asked-host"), &r->part};
	for (uint32_t i = 0; i < 2; i++) {
		r->endpoints[i] = (struct endpoint){.addr = sim_addr(i ? "10.0.0.12" : "10.0.0.11"),
		                                    .port = htons(80),
		                                    .weight = 1,
		                                    .slot = {i, 1},
		                                    .name = STR("endpoint")};
		r->subsets[i] = (struct subset){.name = STR("subset"),
		                                .slot = {i, 1},
		                                .connect_timeout_us = 300000000,
		                                .n_endpoints = 1,
		                                .endpoints = &r->endpoints[i]};
		r->dests[i] = (struct dest){.subset = &r->subsets[i],
		                            .weight = (uint32_t)(i ? v2_of_10 : 10 - v2_of_10),
		                            .stats = {(uint32_t)generation * 2 + i, 1},
		                            .name = STR("dest")};
	}
	for (int i = 0, acc = 0; i < 10; i++) {
		acc += v2_of_10;
		r->table[i] = acc >= 10;
		acc %= 10;
	}
	r->split = (struct split){{(uint32_t)generation, 1}, 2, 10, r->dests, r->table};
	r->route = (struct route){.name = STR("sim"),
	                          .kind = ROUTE_FORWARD,
	                          .split = &r->split,
	                          .response_ops = {1, &r->op}};
	r->clause =
		(struct clause){.uri = {MATCH_PREFIX, false, STR("/p/"), NULL}, .route = &r->route};
	r->vhost = (struct vhost){.name = STR("*"), .n_clauses = 1, .clauses = &r->clause};
	r->listener = (struct listener){
		.port = htons(8080), .name = STR("sim"), .hosts = {.any = &r->vhost}};
	r->snap->generation = generation;
	r->snap->n_listeners = 1;
	r->snap->n_workers = workers;
	r->snap->listeners = &r->listener;
}

/* ---- Weir -------------------------------------------------------------------------------- */

static void input(struct weir *x, uint32_t i)
{
	worker_input(x->w[i], x->burst[i], x->n_burst[i], x->world->now_us);
	x->n_burst[i] = 0;
}

static void hand(struct weir *x, uint32_t to, const uint8_t *frame, uint16_t len, bool in)
{
	struct worker_stats *st = worker_stats(x->w[to]);
	struct buf *b = bufs_from(&x->pool, frame, len);

	st->counters[in ? COUNT_HANDED_IN : COUNT_RX_PKTS]++;
	if (!b) {
		st->ends[DROP_NO_BUFFER]++;
		return;
	}
	if (x->n_burst[to] == WORKER_BURST)
		input(x, to);
	x->burst[to][x->n_burst[to]++] = b;
}

/* One queue, read by worker 0, as with a device that cannot spread. */
static void weir_receive(void *arg, const uint8_t *frame, uint16_t len)
{
	struct weir *x = arg;
	struct buf *peek;
	int owner = 0;

	if (x->n > 1) {
		peek = bufs_from(&x->pool, frame, len);
		if (peek) {
			owner = worker_owner(x->w[0], peek);
			buf_free(peek);
		}
	}
	if (owner > 0) {
		worker_stats(x->w[0])->counters[COUNT_RX_PKTS]++;
		worker_stats(x->w[0])->ends[DROP_HANDED_OFF]++;
		hand(x, (uint32_t)owner, frame, len, true);
		return;
	}
	hand(x, 0, frame, len, false);
	if (owner == WORKER_EVERY)
		for (uint32_t i = 1; i < x->n; i++)
			hand(x, i, frame, len, true);
}

static void weir_settings(struct weir *x)
{
	struct node *n = &x->node;

	n->n_ports = 1;
	n->n_workers = x->n;
	n->source_port_min = 32768;
	n->source_port_max = 60999;
	n->limits = (struct node_limits){.conns = 300,
	                                 .backlog = 64,
	                                 .header_bytes = 8192,
	                                 .pending_requests = 100,
	                                 .upstream_conns = 64,
	                                 .dests = 16,
	                                 .endpoints = 16,
	                                 .rcvbuf_bytes = 65536,
	                                 .sndbuf_bytes = 65536,
	                                 .flows = 128,
	                                 .half_open_flows = 64,
	                                 .fragments = 16};
	n->times = (struct node_times){.client_idle_us = HOUR_US,
	                               .client_header_us = HOUR_US,
	                               .upstream_idle_us = 60000000,
	                               .stream_idle_us = HOUR_US,
	                               .flow_idle_us = HOUR_US,
	                               .flow_syn_us = 300000000,
	                               .flow_fin_us = HOUR_US,
	                               .flow_closed_us = 60000000};
	n->timestamps = true;
	x->port.mtu = 1500;
}

enum weir_mode weir_mode_of(const char *name)
{
	static const char *const names[] = {"proxy", "splice", "early"};

	for (int i = 0; i < 3; i++)
		if (strcmp(name, names[i]) == 0)
			return (enum weir_mode)i;
	fprintf(stderr, "%s is no mode: proxy, splice or early\n", name);
	exit(2);
}

static void allow_splices(struct weir *x, enum weir_mode mode)
{
	struct node *n = &x->node;

	n->splice_bytes = mode == WEIR_SPLICE_EARLY ? 0 : 8192;
	if (mode == WEIR_PROXY)
		n->splice_bytes = NODE_SPLICE_NEVER;
	n->limits.flows = 200;
	n->limits.half_open_flows = 50;
	n->times.flow_idle_us = HOUR_US;
	n->times.flow_syn_us = n->times.flow_fin_us = n->times.flow_closed_us = 60000000;
	n->times.udp_idle_us = 60000000;
}

static void vary_settings(struct weir *x, struct world *w)
{
	struct node_limits *l = &x->node.limits;

	l->backlog = world_chance(w, 100000) ? 1 : 64;
	l->upstream_conns = world_chance(w, 200000) ? 2 : 64;
	l->rcvbuf_bytes = 16384u << world_random(w, 5); /* a head has to fit */
	l->sndbuf_bytes = 2000u << world_random(w, 8);
	x->port.mtu = (uint16_t)(world_chance(w, 200000) ? 576 : 1500);
}

void weir_init(struct weir *x, struct world *w, uint32_t workers, bool vary, enum weir_mode mode)
{
	struct worker_env env = {.node = &x->node, .ports = &x->port, .pool = &x->pool};
	struct hash_key key = {{1, 2}};

	memset(x, 0, sizeof(*x));
	env.node = &x->node;
	x->world = w;
	x->n = workers;
	x->pool = bufs_pool(20000);
	x->nic = world_nic(w, weir_receive, x);
	weir_settings(x);
	allow_splices(x, mode);
	if (vary)
		vary_settings(x, w);
	memcpy(x->port.mac, x->nic->mac, 6);
	x->port.n_addrs = 1;
	x->port.addrs[0] = (struct node_prefix){sim_addr("10.0.0.2"), 96 + 24};
	make_routing(&x->before, 1, x->n, 1);
	make_routing(&x->after, 2, x->n, 3);
	steer_hand_off(&x->steer, x->n, x->node.source_port_min, x->node.source_port_max, &key);
	env.steer = x->n > 1 ? &x->steer : NULL;
	env.n_workers = x->n;
	for (uint32_t i = 0; i < x->n; i++) {
		size_t size = (worker_bytes(&x->node) + 63) & ~63ul;

		x->memory[i] = aligned_alloc(128, (size + 127) & ~127ul);
		memset(x->memory[i], 0, size);
		env.id = i;
		env.seed = w->rng + i;
		for (int k = 0; k < 16; k++)
			env.secret[k] = (uint8_t)world_random(w, 256);
		x->w[i] = worker_init(x->memory[i], &env, x->before.snap, w->now_us);
	}
}

void weir_turn(struct weir *x)
{
	for (uint32_t i = 0; i < x->n; i++) {
		input(x, i);
		worker_turn(x->w[i], x->world->now_us, 1700000000);
		world_collect(x->world, x->nic, net_out(worker_net(x->w[i]), 0));
	}
}

uint64_t weir_next(const struct weir *x)
{
	uint64_t t = UINT64_MAX;

	for (uint32_t i = 0; i < x->n; i++)
		if (worker_next(x->w[i]) < t)
			t = worker_next(x->w[i]);
	return t;
}

uint64_t weir_counter(const struct weir *x, enum counter c)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < x->n; i++)
		sum += worker_stats(x->w[i])->counters[c];
	return sum;
}

uint32_t weir_flows(const struct weir *x)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < x->n; i++)
		n += x->w[i]->flows.slab.used;
	return n;
}

/* ---- the end ----------------------------------------------------------------------------- */

static const char *gauges(const struct weir *x)
{
	static const enum counter zero[] = {
		COUNT_TCP_CONNS,      COUNT_TCP_TIME_WAIT, COUNT_HTTP_ACTIVE, COUNT_HTTP_CLIENTS,
		COUNT_UPSTREAM_CONNS, COUNT_UPSTREAM_IDLE, COUNT_PASS_ACTIVE, COUNT_SPLICES,
		COUNT_FLOWS,          COUNT_FLOWS_RESTING};

	for (size_t i = 0; i < sizeof(zero) / sizeof(zero[0]); i++)
		if (weir_counter(x, zero[i]))
			return counter_name(zero[i]);
	return NULL;
}

const char *weir_books(const struct weir *x)
{
	uint64_t in = weir_counter(x, COUNT_RX_PKTS) + weir_counter(x, COUNT_HANDED_IN), ends = 0;

	for (uint32_t i = 0; i < x->n; i++)
		for (int e = 0; e < DROP_COUNT; e++)
			ends += worker_stats(x->w[i])->ends[e];
	if (in != ends)
		return "frames that came in differ from the sum of their ends";
	for (uint32_t i = 0; i < x->n; i++) {
		if (x->w[i]->session_slab.used || x->w[i]->exchange_slab.used ||
		    x->w[i]->upstream_slab.used)
			return "sessions or upstreams are left";
		if (x->w[i]->splice_slab.used || x->w[i]->flows.slab.used)
			return "splices or flows are left";
		if (x->before.snap->inflight[i].requests || x->after.snap->inflight[i].requests)
			return "a snapshot is still referenced";
		for (uint32_t d = 0; d < x->w[i]->stats.n_dests; d++)
			if (x->w[i]->stats.dests[d].active)
				return "a destination still has active requests";
	}
	return gauges(x);
}

void weir_change(struct weir *x)
{
	for (uint32_t i = 0; i < x->n; i++)
		worker_use(x->w[i], x->after.snap);
}

static const char *split_by(const struct worker *w, const struct routing *r)
{
	uint64_t v1 = w->stats.dests[r->dests[0].stats.index].picks;
	uint64_t v2 = w->stats.dests[r->dests[1].stats.index].picks;
	int64_t off = (int64_t)(v2 * 10) - (int64_t)((v1 + v2) * r->dests[1].weight);
	static char wrong[128];

	if (off <= 10 && off >= -10)
		return NULL;
	snprintf(wrong, sizeof(wrong), "worker %u split %llu : %llu where v2 should have %u of 10",
	         w->id, (unsigned long long)v1, (unsigned long long)v2, r->dests[1].weight);
	return wrong;
}

const char *weir_split(const struct weir *x)
{
	const char *wrong = NULL;

	for (uint32_t i = 0; i < x->n && !wrong; i++) {
		wrong = split_by(x->w[i], &x->before);
		if (!wrong)
			wrong = split_by(x->w[i], &x->after);
	}
	return wrong;
}

uint32_t weir_fini(struct weir *x)
{
	for (uint32_t i = 0; i < x->n; i++) {
		worker_fini(x->w[i]);
		free(x->memory[i]);
	}
	free(x->before.snap);
	free(x->after.snap);
	return x->pool.live;
}
