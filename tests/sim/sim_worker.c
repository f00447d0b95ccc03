/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Whole workers in a simulated world: clients, Weir, two servers, a bad network, one seed.
 *
 *   clients 10.0.0.1 ---+
 *   v1      10.0.0.11 --+-- wire --- Weir 10.0.0.2:8080, one to three workers on one queue
 *   v2      10.0.0.12 --+
 *
 * What must hold for every seed: each body arrives byte for byte; without chaos every request gets its
 * 200; picks follow the split exactly; no buffer, connection or session is left at the end; received
 * frames equal the sum of their ends; no snapshot stays referenced.
 *
 * And with splices what clients and servers see is the same as without.
 *
 *   sim_worker MODE FIRST COUNT    run the seeds FIRST .. FIRST + COUNT - 1
 *   sim_worker MODE SEED           run one and say what it was like
 *
 *   sim_worker MODE SEED COUNT requests    without tunnels and quitters, as it was before there were any
 *
 * MODE: proxy, splice (long bodies and tunnels), early (whatever can be spliced).
 */
#include "apps.h"
#include "weir.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CLIENTS_MAX 24

struct scene {
	struct world world;
	struct weir weir;
	struct clients clients;
	struct server v1, v2;
	struct apps_chaos chaos;
	bool chaotic;
};

static bool tunnels = true;
static uint64_t splices;

/* ---- the run ----------------------------------------------------------------------------- */

static const struct host_odds hosts = {150000, 1500, 8, 4000, 7};

static void make_clients(struct scene *s)
{
	struct world *w = &s->world;
	struct clients *c = &s->clients;
	struct host_config hc = host_draw(w, &hosts, "10.0.0.1", 0);

	host_init(&c->host, w, &hc);
	c->n = 1 + world_random(w, CLIENTS_MAX);
	c->list = calloc(c->n, sizeof(*c->list));
	c->to = sim_addr("10.0.0.2");
	c->port = htons(8080);
	for (uint32_t i = 0; i < c->n; i++) {
		struct client *k = &c->list[i];

		k->seed = world_random(w, UINT32_MAX);
		k->n = 1 + world_random(w, 12);
		k->depth = 1 + world_random(w, 4) * world_random(w, 3);
		k->max_len = world_chance(w, 150000) ? 300000 : 20000;
		k->abandon = world_chance(w, s->chaos.abandon_ppm);
		k->tunnel = tunnels && k->seed % 3 == 0;
		if (tunnels && s->chaotic && k->seed % 7 == 0)
			k->quits = 1 + (uint32_t)k->seed / 7 % 100000;
	}
}

static void make_scene(struct scene *s, uint64_t seed)
{
	static const uint32_t loss[] = {0, 0, 10000, 50000, 20000};
	struct wire_odds wire = {0, 300000, 400000, 200000, 5000};
	struct world *w = &s->world;
	struct host_config c1, c2;

	memset(s, 0, sizeof(*s));
	world_init(w, seed);
	wire.loss_ppm = loss[world_random(w, 5)];
	world_draw_wire(w, &wire);
	s->chaotic = world_chance(w, 300000);
	if (s->chaotic)
		s->chaos = (struct apps_chaos){30000, 30000, 50000, 100000, 0};
	weir_init(&s->weir, w, 1 + world_random(w, 3), true, weir_mode_of(sim_now.mode));
	make_clients(s);
	c1 = host_draw(w, &hosts, "10.0.0.11", 80);
	c2 = host_draw(w, &hosts, "10.0.0.12", 80);
	host_init(&s->v1.host, w, &c1);
	host_init(&s->v2.host, w, &c2);
	s->v1.version = "v1";
	s->v2.version = "v2";
	s->v1.chaos = s->v2.chaos = s->chaos;
}

static void step(struct scene *s)
{
	struct world *w = &s->world;
	uint64_t t = world_next(w);

	t = sim_least(t, weir_next(&s->weir));
	t = sim_least(t, host_next(&s->clients.host));
	t = sim_least(t, host_next(&s->v1.host));
	t = sim_least(t, host_next(&s->v2.host));
	world_go_to(w, t);
	weir_turn(&s->weir);
	clients_turn(&s->clients);
	server_turn(&s->v1);
	server_turn(&s->v2);
}

static uint32_t requests_done(const struct scene *s)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < s->clients.n; i++)
		n += s->clients.list[i].done;
	return n;
}

static void run_requests(struct scene *s)
{
	uint64_t end = s->world.now_us + 4 * HOUR_US;
	uint32_t total = 0;
	bool changed = false;

	for (uint32_t i = 0; i < s->clients.n; i++) {
		total += s->clients.list[i].n;
		client_start(&s->clients, i);
	}
	while (clients_connected(&s->clients)) {
		step(s);
		if (!changed && requests_done(s) >= total / 2) {
			weir_change(&s->weir);
			changed = true;
		}
		if (s->world.now_us > end)
			sim_fail("%u of %u requests answered after four hours", requests_done(s),
			         total);
	}
	if (!changed)
		weir_change(&s->weir);
}

/* Everything closes by itself: idle limits, TIME_WAIT. */
static void run_down(struct scene *s)
{
	uint64_t end = s->world.now_us + 2 * HOUR_US;

	for (uint32_t i = 0; i < s->weir.n; i++)
		worker_drain(s->weir.w[i], true, s->world.now_us);
	while (weir_counter(&s->weir, COUNT_TCP_CONNS) || weir_flows(&s->weir) || s->world.n_heap) {
		step(s);
		if (s->world.now_us > end)
			sim_fail("%llu connections are still there after two hours",
			         (unsigned long long)weir_counter(&s->weir, COUNT_TCP_CONNS));
	}
}

/* ---- what must hold ---------------------------------------------------------------------- */

static void check_answers(const struct scene *s)
{
	if (s->clients.wrong)
		sim_fail("%llu wrong answers; first: %s", (unsigned long long)s->clients.wrong,
		         s->clients.why);
	if (s->v1.bad + s->v2.bad)
		sim_fail("%llu request bodies arrived damaged",
		         (unsigned long long)(s->v1.bad + s->v2.bad));
	for (uint32_t i = 0; i < s->clients.n && !s->chaotic; i++) {
		const struct client *c = &s->clients.list[i];

		if (c->failed || c->errors || c->done != c->n)
			sim_fail("client %u: %u of %u answered, %llu errors", i, c->done, c->n,
			         (unsigned long long)c->errors);
	}
}

static void finish(struct scene *s)
{
	uint32_t leaked;

	clients_free(&s->clients);
	server_free(&s->v1);
	server_free(&s->v2);
	world_fini(&s->world);
	leaked = weir_fini(&s->weir);
	if (leaked)
		sim_fail("%u buffers leaked", leaked);
}

static void describe(const struct scene *s)
{
	printf("seed %llu: %u workers, %u clients, %u requests, loss %u ppm, %s; "
	       "%llu frames, %llu retransmissions, %llu copies, %llu retries, %llu splices of "
	       "%llu bytes, %llu tunnels, %.1f s simulated\n",
	       (unsigned long long)sim_now.seed, s->weir.n, s->clients.n, requests_done(s),
	       s->world.wire.loss_ppm, s->chaotic ? "chaotic servers" : "orderly servers",
	       (unsigned long long)s->world.frames,
	       (unsigned long long)weir_counter(&s->weir, COUNT_TCP_RETRANSMITS),
	       (unsigned long long)weir_counter(&s->weir, COUNT_TX_COPIES),
	       (unsigned long long)weir_counter(&s->weir, COUNT_HTTP_RETRIES),
	       (unsigned long long)weir_counter(&s->weir, COUNT_SPLICES_BEGUN),
	       (unsigned long long)weir_counter(&s->weir, COUNT_SPLICE_BYTES),
	       (unsigned long long)weir_counter(&s->weir, COUNT_HTTP_TUNNELS),
	       (double)s->world.now_us / 1e6);
}

static void run_seed(uint64_t seed, bool talk)
{
	static struct scene s;
	const char *wrong;

	sim_now.seed = seed;
	make_scene(&s, seed);
	run_requests(&s);
	check_answers(&s);
	run_down(&s);
	wrong = weir_split(&s.weir);
	if (!wrong)
		wrong = weir_books(&s.weir);
	if (wrong)
		sim_fail("at the end: %s", wrong);
	splices += weir_counter(&s.weir, COUNT_SPLICES_BEGUN);
	if (talk)
		describe(&s);
	finish(&s);
}

int main(int argc, char **argv)
{
	uint64_t first = argc > 2 ? strtoull(argv[2], NULL, 0) : 1;
	uint64_t count = argc > 3 ? strtoull(argv[3], NULL, 0) : 1;

	sim_now.program = "sim_worker";
	sim_now.mode = argc > 1 ? argv[1] : "proxy";
	tunnels = argc <= 4;
	for (uint64_t i = 0; i < count; i++)
		run_seed(first + i, argc <= 3);
	if (argc > 3)
		printf("%llu seeds from %llu, %llu splices\n", (unsigned long long)count,
		       (unsigned long long)first, (unsigned long long)splices);
	return 0;
}
