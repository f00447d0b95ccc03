/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Flows in a simulated world: clients and servers that speak TCP with each other through Weir, which only rewrites
 * their packets; a bad network; one seed.
 *
 *   clients 10.0.0.1 ---+
 *   v1      10.0.0.11 --+-- wire --- Weir 10.0.0.2:8080 (LISTENER_TCP), one to three workers on one queue
 *   v2      10.0.0.12 --+
 *
 * There are hardly more source ports than connections at once, so most are used again while the connection
 * before rests in TIME_WAIT on some server. What must hold for every seed: each body arrives byte for byte, each
 * request is answered, connections follow the split, nothing is left at the end, received frames equal the sum of
 * their ends.
 *
 *   sim_l4 FIRST COUNT    run the seeds FIRST .. FIRST + COUNT - 1
 *   sim_l4 SEED           run one and say what it was like
 */
#include "apps.h"
#include "weir.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CLIENTS_MAX 40
#define AT_ONCE_MAX 8

struct scene {
	struct world world;
	struct weir weir;
	struct clients clients;
	struct server servers[2];
	struct l4_route routes[2];
	uint32_t started, at_once;
	uint64_t start_us; /* the next client does not begin before */
};

/* ---- the scene --------------------------------------------------------------------------- */

static void make_host(struct host *h, struct world *w, const char *address, uint16_t port)
{
	static const struct host_odds odds = {150000, 1500, 8, 4000, 7};
	struct host_config c = host_draw(w, &odds, address, port);

	host_init(h, w, &c);
}

static void make_clients(struct scene *s)
{
	struct world *w = &s->world;
	struct clients *c = &s->clients;

	make_host(&c->host, w, "10.0.0.1", 0);
	c->n = 1 + world_random(w, CLIENTS_MAX);
	c->list = calloc(c->n, sizeof(*c->list));
	c->to = sim_addr("10.0.0.2");
	c->port = htons(8080);
	for (uint32_t i = 0; i < c->n; i++)
		c->list[i] = (struct client){.seed = world_random(w, UINT32_MAX),
		                             .n = 1 + world_random(w, 4),
		                             .depth = 1 + world_random(w, 3),
		                             .max_len = 20000};
}

static void make_listener(struct routing *r, struct l4_route *route)
{
	*route = (struct l4_route){STR("sim"), STR(""), &r->split};
	r->listener.kind = LISTENER_TCP;
	r->listener.l4 = route;
}

static void make_scene(struct scene *s, uint64_t seed)
{
	struct wire_odds wire = {0, 300000, 400000, 200000, 5000};
	struct world *w = &s->world;

	memset(s, 0, sizeof(*s));
	world_init(w, seed);
	wire.loss_ppm = world_random(w, 3) * world_random(w, 30000);
	world_draw_wire(w, &wire);
	weir_init(&s->weir, w, 1 + world_random(w, 3), false, WEIR_PROXY);
	s->at_once = 1 + world_random(w, AT_ONCE_MAX);
	/* of each worker's, with hand-off: every n-th */
	s->weir.node.source_port_max =
		(uint16_t)(s->weir.node.source_port_min + (s->at_once + 3) * s->weir.n);
	make_listener(&s->weir.before, &s->routes[0]);
	make_listener(&s->weir.after, &s->routes[1]);
	make_clients(s);
	for (int i = 0; i < 2; i++) {
		make_host(&s->servers[i].host, w, i ? "10.0.0.12" : "10.0.0.11", 80);
		s->servers[i].version = i ? "v2" : "v1";
	}
}

/* ---- the run ----------------------------------------------------------------------------- */

static void step(struct scene *s)
{
	struct world *w = &s->world;
	uint64_t t = sim_least(world_next(w), weir_next(&s->weir));

	t = sim_least(t, host_next(&s->clients.host));
	t = sim_least(t, host_next(&s->servers[0].host));
	t = sim_least(t, host_next(&s->servers[1].host));
	if (s->start_us > w->now_us)
		t = sim_least(t, s->start_us);
	world_go_to(w, t);
	weir_turn(&s->weir);
	clients_turn(&s->clients);
	server_turn(&s->servers[0]);
	server_turn(&s->servers[1]);
}

/* Hardly more often than a port has rested enough. */
static void start_next(struct scene *s)
{
	if (s->started == s->clients.n || clients_connected(&s->clients) >= s->at_once ||
	    s->world.now_us < s->start_us)
		return;
	client_start(&s->clients, s->started++);
	s->start_us = s->world.now_us + 1000000 + world_random(&s->world, 1000000);
}

static void run_clients(struct scene *s)
{
	uint64_t end = s->world.now_us + 4 * HOUR_US;
	bool changed = false;

	while (s->started < s->clients.n || clients_connected(&s->clients)) {
		start_next(s);
		if (!changed && s->started > s->clients.n / 2) {
			weir_change(&s->weir);
			changed = true;
		}
		step(s);
		if (s->world.now_us > end)
			sim_fail("not done after four hours");
	}
}

static void run_down(struct scene *s)
{
	uint64_t end = s->world.now_us + 3 * HOUR_US;
	uint32_t left = 1;

	while (left || s->world.n_heap) {
		step(s);
		left = 0;
		for (uint32_t i = 0; i < s->weir.n; i++)
			left += s->weir.w[i]->flows.slab.used;
		if (s->world.now_us > end)
			sim_fail("%u flows are still there after three hours", left);
	}
}

/* ---- what must hold ---------------------------------------------------------------------- */

static void check(const struct scene *s)
{
	if (s->clients.wrong)
		sim_fail("%llu wrong answers; first: %s", (unsigned long long)s->clients.wrong,
		         s->clients.why);
	if (s->servers[0].bad + s->servers[1].bad)
		sim_fail("request bodies arrived damaged");
	for (uint32_t i = 0; i < s->clients.n; i++) {
		const struct client *c = &s->clients.list[i];

		if (c->failed || c->errors || c->done != c->n)
			sim_fail("client %u: %u of %u answered", i, c->done, c->n);
	}
}

static void finish(struct scene *s)
{
	uint32_t leaked;

	clients_free(&s->clients);
	server_free(&s->servers[0]);
	server_free(&s->servers[1]);
	world_fini(&s->world);
	leaked = weir_fini(&s->weir);
	if (leaked)
		sim_fail("%u buffers leaked", leaked);
}

static void describe(const struct scene *s)
{
	printf("seed %llu: %u workers, %u clients, %u at once, loss %u ppm; %llu frames, %llu "
	       "flows, %llu began "
	       "on a resting port, %.1f s simulated\n",
	       (unsigned long long)sim_now.seed, s->weir.n, s->clients.n, s->at_once,
	       s->world.wire.loss_ppm, (unsigned long long)s->world.frames,
	       (unsigned long long)weir_counter(&s->weir, COUNT_FLOWS_OPENED),
	       (unsigned long long)weir_counter(&s->weir, COUNT_FLOW_RESTS),
	       (double)s->world.now_us / 1e6);
}

static void run_seed(uint64_t seed, bool talk)
{
	static struct scene s;
	const char *wrong;

	sim_now.seed = seed;
	make_scene(&s, seed);
	run_clients(&s);
	check(&s);
	run_down(&s);
	wrong = weir_split(&s.weir);
	if (!wrong)
		wrong = weir_books(&s.weir);
	if (wrong)
		sim_fail("at the end: %s", wrong);
	if (talk)
		describe(&s);
	finish(&s);
}

int main(int argc, char **argv)
{
	uint64_t first = argc > 1 ? strtoull(argv[1], NULL, 0) : 1;
	uint64_t count = argc > 2 ? strtoull(argv[2], NULL, 0) : 1;

	sim_now.program = "sim_l4";
	for (uint64_t i = 0; i < count; i++)
		run_seed(first + i, argc <= 2);
	if (argc > 2)
		printf("%llu seeds from %llu\n", (unsigned long long)count,
		       (unsigned long long)first);
	return 0;
}
