/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Set by environment in a daemon built with it: WEIR_FAKE_DELAY_MS, WEIR_FAKE_REQUESTS (routed after
 * every publish), WEIR_FAKE_CLIENTS, WEIR_FAKE_WARNING (a sentence), WEIR_FAKE_DRIVER and WEIR_FAKE_LEVEL (of the ports).
 */
#include "fake_dataplane.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static struct {
	const struct node *node;
	struct snapshot *current;
	struct worker_stats *workers;
	uint64_t published_ns;
	uint64_t delay_ns;
	uint64_t clients;
	uint32_t requests;
	bool draining;
} fake;

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static uint32_t env_number(const char *name)
{
	const char *text = getenv(name);

	return text ? (uint32_t)strtoul(text, NULL, 10) : 0;
}

const struct snapshot *fake_snapshot(void)
{
	return fake.current;
}

struct worker_stats *fake_stats(uint32_t worker)
{
	return &fake.workers[worker];
}

void fake_set_delay_ms(uint32_t ms)
{
	fake.delay_ns = (uint64_t)ms * 1000000u;
}

void fake_set_clients(uint64_t n)
{
	fake.clients = n;
}

/* ---- requests --------------------------------------------------------------------------- */

static void count_one(struct worker_stats *w, struct slot slot)
{
	struct dest_stats *d;

	if (slot.index >= w->n_dests)
		return;
	d = &w->dests[slot.index];
	if (d->epoch != slot.epoch)
		*d = (struct dest_stats){.epoch = slot.epoch};
	d->picks++;
	d->status[2]++;
	d->rx_bytes += 100;
	d->latency_us_sum += 500;
	d->latency[latency_bucket(500)]++;
}

static void route_requests(const struct route *route, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		struct worker_stats *w = &fake.workers[i % fake.node->n_workers];
		const struct split *split = route->split;

		if (split)
			count_one(w, split->dests[split->table[i % split->n_table]].stats);
		else
			count_one(w, route->stats);
		w->counters[COUNT_HTTP_REQUESTS]++;
	}
}

static void route_vhost(const struct vhost *vhost, uint32_t n)
{
	for (uint32_t i = 0; vhost && i < vhost->n_clauses; i++)
		if (i == 0 || vhost->clauses[i].route != vhost->clauses[i - 1].route)
			route_requests(vhost->clauses[i].route, n);
}

static void route_rows(const struct host_row *rows, uint32_t mask, uint32_t n)
{
	for (uint32_t i = 0; rows && i <= mask; i++)
		route_vhost(rows[i].vhost, n);
}

void fake_requests(uint32_t n)
{
	for (uint32_t i = 0; i < fake.current->n_listeners && n > 0; i++) {
		const struct host_table *hosts = &fake.current->listeners[i].hosts;

		route_rows(hosts->exact, hosts->exact_mask, n);
		route_rows(hosts->suffix, hosts->suffix_mask, n);
		route_vhost(hosts->any, n);
	}
}

/* ---- dataplane.h ------------------------------------------------------------------------ */

int dataplane_start(const struct node *node, struct snapshot *first, char *err, size_t err_size)
{
	fake.node = node;
	fake.delay_ns = (uint64_t)env_number("WEIR_FAKE_DELAY_MS") * 1000000u;
	fake.clients = env_number("WEIR_FAKE_CLIENTS");
	fake.requests = env_number("WEIR_FAKE_REQUESTS");
	fake.draining = false;
	fake.workers = calloc(node->n_workers, sizeof(*fake.workers));
	for (uint32_t i = 0; fake.workers && i < node->n_workers; i++) {
		struct worker_stats *w = &fake.workers[i];

		w->n_dests = node->limits.dests;
		w->n_endpoints = node->limits.endpoints;
		w->dests = calloc(w->n_dests, sizeof(*w->dests));
		w->endpoints = calloc(w->n_endpoints, sizeof(*w->endpoints));
		if (!w->dests || !w->endpoints)
			abort();
	}
	if (!fake.workers) {
		snprintf(err, err_size, "out of memory");
		return -ENOMEM;
	}
	dataplane_publish(first);
	return 0;
}

void dataplane_publish(struct snapshot *next)
{
	fake.current = next;
	fake.published_ns = now_ns();
	fake_requests(fake.requests);
}

bool dataplane_in_effect(uint64_t generation)
{
	bool now = now_ns() >= fake.published_ns + fake.delay_ns;

	for (uint32_t i = 0; now && i < fake.node->n_workers; i++)
		fake.workers[i].generation = fake.current->generation;
	return now && fake.current->generation >= generation;
}

uint64_t dataplane_effect_ns(void)
{
	return dataplane_in_effect(0) ? fake.delay_ns + 1000 : 0;
}

bool dataplane_released(const struct snapshot *old)
{
	return old != fake.current;
}

uint32_t dataplane_workers(void)
{
	return fake.node->n_workers;
}

const struct worker_stats *dataplane_stats(uint32_t worker)
{
	return &fake.workers[worker];
}

void dataplane_worker(uint32_t worker, struct worker_place *out)
{
	*out = (struct worker_place){.cpu = fake.node->worker_cores[worker],
	                             .socket = (int)worker % 2,
	                             .cpu_ns = now_ns()};
}

struct cycle_clock dataplane_cycles(void)
{
	return (struct cycle_clock){.now = now_ns() * 2, .hz = 2000000000u};
}

bool dataplane_warning(uint32_t i, char *out, size_t size)
{
	const char *text = getenv("WEIR_FAKE_WARNING");

	if (!text || i > 0)
		return false;
	snprintf(out, size, "%s", text);
	return true;
}

uint32_t dataplane_ports(void)
{
	return fake.node->n_ports;
}

bool dataplane_port(uint32_t i, struct port_status *out)
{
	if (i >= fake.node->n_ports)
		return false;
	*out = (struct port_status){
		.name = fake.node->ports[i].name,
		.device = fake.node->ports[i].device,
		.driver = getenv("WEIR_FAKE_DRIVER") ? getenv("WEIR_FAKE_DRIVER") : "fake",
		.socket = (int)i - 1,
		.mac = {2, 0, 0, 0, 0, (uint8_t)i},
		.link_up = true,
		.speed_mbps = 10000,
		.rx_queues = 1,
		.tx_queues = 1,
		.steering = "single worker",
		.offload = getenv("WEIR_FAKE_LEVEL") ? (uint8_t)env_number("WEIR_FAKE_LEVEL")
	                                             : OFFLOAD_LEVELS,
	};
	return true;
}

bool dataplane_offload(uint32_t i, struct offload_status *out)
{
	if (i >= 2)
		return false;
	*out = (struct offload_status){.port = i ? "edge1" : "edge0",
	                               .level = i ? OFFLOAD_SPLICE : OFFLOAD_NONE,
	                               .way = i ? "modify" : "-",
	                               .counts = {.rules = i * 12,
	                                          .room = i * 1024,
	                                          .inserted = i * 40,
	                                          .pkts = i * 1000,
	                                          .bytes = i * 1400000}};
	out->counts.failed[OFFLOAD_FAIL_ROOM] = i * 3;
	out->counts.removed[OFFLOAD_WHY_CLOSED] = i * 28;
	return true;
}

struct pool_status dataplane_pool(void)
{
	return (struct pool_status){.total = 1024, .in_use = 0};
}

void dataplane_drain(void)
{
	fake.draining = true;
}

void dataplane_undrain(void)
{
	fake.draining = false;
}

bool dataplane_draining(void)
{
	return fake.draining;
}

uint64_t dataplane_clients(void)
{
	return fake.clients;
}

void dataplane_stop(void)
{
	for (uint32_t i = 0; i < fake.node->n_workers; i++) {
		free(fake.workers[i].dests);
		free(fake.workers[i].endpoints);
	}
	free(fake.workers);
	fake.workers = NULL;
}
