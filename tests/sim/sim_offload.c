/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Weir with a device in front of its workers that forwards what it is told to: late, or not at all, or it forgets.
 *
 *   clients 10.0.0.1 ---+
 *   v1      10.0.0.11 --+-- wire --- model NIC --- Weir 10.0.0.2:8080, one to three workers
 *   v2      10.0.0.12 --+               '--> what a rule takes goes back to the wire, rewritten
 *
 * In the mode "flows" the listener is one of layer 4; in "bodies" it is HTTP, and long responses are spliced: clients
 * ask for more in the middle of one, or end; both sides reset, and stand still for longer than a rule stays.
 *
 * Ports of ours are few and rest for a second, less than what a removal may take here, so a flow that were let go
 * too early would soon meet the rule that is left of the one before. What must hold for every seed: each body
 * arrives byte for byte, every request is answered when nobody resets, and in the end no rule, no entry, no
 * flow and no buffer is left.
 *
 *   sim_offload MODE FIRST COUNT    run the seeds FIRST .. FIRST + COUNT - 1
 *   sim_offload MODE SEED           run one and say what it was like
 */
#include "apps.h"
#include "card.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CLIENTS_MAX 24
#define AT_ONCE     6
#define STALLS      4

/* Nothing of a host runs meanwhile. */
struct stall {
	uint64_t from_us, to_us;
};

struct scene {
	struct world world;
	struct weir weir;
	struct card card;
	struct l4_route route;
	struct clients clients;
	struct server v1, v2;
	struct stall stalls[3][STALLS]; /* of clients, v1, v2 */
	struct apps_chaos chaos;
	uint64_t reset_us, drain_us, cut_us;
	uint32_t reset_ppm;
	bool chaotic, slow, drained;
};

static struct scene s;
static bool bodies;
static uint64_t sum_by_device, sum_frames, sum_rules, sum_resets, sum_splices;

/* ---- Weir and the device ------------------------------------------------------------------- */

static void change_node(struct weir *x)
{
	struct node *n = &x->node;

	n->limits.flows = 512;
	n->limits.half_open_flows = 256;
	n->offload = (struct node_offload){.level = OFFLOAD_SPLICE,
	                                   .min_bytes = 1u << (10 + world_random(&s.world, 5)),
	                                   .window_us = 1000000};
	n->times.flow_idle_us = HOUR_US;
	n->times.flow_syn_us = HOUR_US / 60;
	n->times.flow_fin_us = HOUR_US / 60;
	n->times.flow_closed_us = world_chance(&s.world, 500000) ? 1000000 : 4000000;
	n->source_port_max = (uint16_t)(n->source_port_min + 8 * x->n - 1);
}

static void make_chaos(struct model_chaos *c)
{
	struct world *w = &s.world;

	s.slow = world_chance(w, 500000);
	*c = (struct model_chaos){.delay_us = s.slow ? 4000000 : world_random(w, 20000),
	                          .transit_us = world_random(w, OFFLOAD_SETTLE_US)};
	if (world_chance(w, 500000)) {
		c->deaf_ppm = 50000;
		c->refuse_ppm = 200000;
		c->stuck_ppm = 200000;
		c->silent_ppm = 200000;
	}
}

static void make_card(void)
{
	static const uint32_t cans[] = {MODEL_ALL, MODEL_ALL, MODEL_ALL & ~(uint32_t)MODEL_MODIFY,
	                                MODEL_MARK | MODEL_QUEUE | MODEL_PASSTHRU,
	                                MODEL_MARK | MODEL_PASSTHRU};
	struct world *w = &s.world;

	card_init(&s.card, &s.weir, cans[world_random(w, bodies ? 4 : 5)]);
	make_chaos(&s.card.device.chaos);
	s.card.device.nic.mends = world_chance(w, 500000);
	s.card.device.nic.room = world_chance(w, 300000) ? 1 + world_random(w, 4) : MODEL_RULES;
	for (uint32_t i = 0; i < s.weir.n; i++)
		s.weir.w[i]->offload.gate[0].room = 1 + world_random(w, 64);
	s.reset_ppm = world_chance(w, 300000);
	s.reset_us = w->now_us + world_random(w, 500000);
}

static void listen_at_l4(void)
{
	struct weir *x = &s.weir;

	s.route = (struct l4_route){STR("rule"), STR("file:1:1"), &x->before.split};
	x->before.listener.kind = LISTENER_TCP;
	x->before.listener.l4 = &s.route;
}

/* Streams that hang, routes that take too long, a node that goes down. */
static void make_ends(void)
{
	struct world *w = &s.world;

	if (world_chance(w, 200000))
		s.weir.node.times.stream_idle_us = 1000000 + world_random(w, 3000000);
	if (world_chance(w, 200000))
		s.weir.before.route.timeout_us = 200000 + world_random(w, 3000000);
	if (world_chance(w, 200000))
		s.cut_us = w->now_us + world_random(w, 3000000);
}

static void make_weir(void)
{
	static const enum weir_mode modes[] = {WEIR_SPLICE, WEIR_SPLICE_EARLY};
	struct world *w = &s.world;

	weir_init(&s.weir, w, 1 + world_random(w, 3), false,
	          bodies ? modes[world_random(w, 2)] : WEIR_PROXY);
	change_node(&s.weir);
	s.weir.node.timestamps = !bodies; /* with them no device would get any */
	if (bodies)
		s.weir.node.limits.rcvbuf_bytes = 16384u << world_random(w, 5);
	else
		listen_at_l4();
	if (bodies && s.chaotic)
		make_ends();
	make_card();
}

/* ---- everybody else ------------------------------------------------------------------------ */

static void make_wire(struct world *w)
{
	static const uint32_t loss[] = {0, 0, 0, 10000, 30000};
	struct wire_odds wire = {0, 200000, 300000, 300000, 2000};

	wire.loss_ppm = loss[world_random(w, 5)];
	world_draw_wire(w, &wire);
}

static struct host_config draw_host(const char *address, uint16_t port)
{
	const struct host_odds odds = {bodies ? 50000 : 100000, 16000, 5, 16000, 5};

	return host_draw(&s.world, &odds, address, port);
}

static void make_client(struct client *k)
{
	struct world *w = &s.world;

	k->seed = world_random(w, UINT32_MAX);
	k->n = 1 + world_random(w, 6);
	k->depth = 1 + world_random(w, 2);
	k->max_len = world_chance(w, 300000) ? 200000 : 30000;
	k->abandon = world_chance(w, s.chaos.abandon_ppm);
	if (!bodies)
		return;
	k->depth = 1;
	k->max_len = 400000 + world_random(w, 2000000);
	k->heavy = true;
	k->hurry = world_chance(w, 400000) ? 1 + world_random(w, k->max_len) : 0;
	if (s.chaotic && world_chance(w, 300000))
		k->quits = 1 + world_random(w, k->max_len);
}

static void make_clients(void)
{
	struct world *w = &s.world;
	struct clients *c = &s.clients;
	struct host_config hc = draw_host("10.0.0.1", 0);

	host_init(&c->host, w, &hc);
	c->n = 1 + world_random(w, bodies ? CLIENTS_MAX / 4 : CLIENTS_MAX);
	c->list = calloc(c->n, sizeof(*c->list));
	c->to = sim_addr("10.0.0.2");
	c->port = htons(8080);
	for (uint32_t i = 0; i < c->n; i++)
		make_client(&c->list[i]);
}

static void make_stalls(void)
{
	struct world *w = &s.world;

	for (int h = 0; h < 3; h++)
		for (int i = 0; i < STALLS && world_chance(w, 300000); i++) {
			uint64_t at_us = w->now_us + world_random(w, 3000000);

			s.stalls[h][i] = (struct stall){at_us, at_us + world_random(w, 4000000)};
		}
}

static void make_scene(uint64_t seed)
{
	struct host_config c1, c2;

	memset(&s, 0, sizeof(s));
	world_init(&s.world, seed);
	make_wire(&s.world);
	s.cut_us = UINT64_MAX;
	s.chaotic = world_chance(&s.world, 400000);
	if (s.chaotic)
		s.chaos = (struct apps_chaos){30000, 60000, 50000, 200000, bodies ? 200000 : 0};
	make_weir();
	make_clients();
	c1 = draw_host("10.0.0.11", 80);
	c2 = draw_host("10.0.0.12", 80);
	host_init(&s.v1.host, &s.world, &c1);
	host_init(&s.v2.host, &s.world, &c2);
	s.v1.version = "v1";
	s.v2.version = "v2";
	s.v1.chaos = s.v2.chaos = s.chaos;
	s.drain_us = world_chance(&s.world, 100000) ? s.world.now_us + 500000 : UINT64_MAX;
	if (bodies)
		make_stalls();
}

/* ---- the run ------------------------------------------------------------------------------- */

static uint32_t clients_open(void)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < s.clients.n; i++)
		n += s.clients.list[i].flow.conn != NULL;
	return n;
}

static uint64_t least(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* Once in a while everything comes back, and may go again. */
static void drain(void)
{
	if (s.world.now_us < s.drain_us)
		return;
	s.drained = !s.drained;
	for (uint32_t i = 0; i < s.weir.n; i++)
		offload_drain(&s.weir.w[i]->offload, s.drained);
	s.drain_us = s.drained ? s.world.now_us + 100000 : UINT64_MAX;
}

/* The end of the stall that a host is in; 0: it runs. */
static uint64_t stalled_until(int host)
{
	uint64_t until = 0;

	for (int i = 0; i < STALLS; i++) {
		const struct stall *t = &s.stalls[host][i];

		if (s.world.now_us >= t->from_us && s.world.now_us < t->to_us)
			until = t->to_us;
	}
	return until;
}

static struct host *host_of(int host)
{
	return host == 0 ? &s.clients.host : host == 1 ? &s.v1.host : &s.v2.host;
}

static uint64_t hosts_next(void)
{
	uint64_t next = UINT64_MAX;

	for (int h = 0; h < 3; h++) {
		uint64_t until = stalled_until(h);

		next = least(next, until ? until : host_next(host_of(h)));
	}
	return next;
}

static void hosts_turn(void)
{
	if (!stalled_until(0))
		clients_turn(&s.clients);
	if (!stalled_until(1))
		server_turn(&s.v1);
	if (!stalled_until(2))
		server_turn(&s.v2);
}

static void reset_things(void)
{
	struct world *w = &s.world;

	if (s.reset_ppm && w->now_us >= s.reset_us) {
		model_device_reset(&s.card.device, 0);
		s.reset_us = w->now_us + 1 + world_random(w, 500000);
	}
	if (w->now_us < s.cut_us)
		return;
	s.cut_us = UINT64_MAX;
	for (uint32_t i = 0; i < s.weir.n; i++)
		worker_reset(s.weir.w[i], w->now_us);
}

static void step(void)
{
	struct world *w = &s.world;
	uint64_t t = world_next(w);
	const char *bad;

	t = least(t, card_weir_next(&s.card));
	t = least(t, card_next(&s.card));
	t = least(t, hosts_next());
	if (t != UINT64_MAX && t > w->now_us)
		w->now_us = t;
	else
		w->now_us++;
	card_turn(&s.card);
	reset_things();
	world_deliver(w);
	weir_turn(&s.weir);
	drain();
	hosts_turn();
	bad = card_check(&s.card);
	if (bad)
		sim_fail("%s", bad);
}

static uint32_t requests_done(void)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < s.clients.n; i++)
		n += s.clients.list[i].done;
	return n;
}

/* Clients come one after the other, so that ports are used again. */
static void run_requests(void)
{
	uint64_t end = s.world.now_us + 4 * HOUR_US;
	uint32_t started = 0;

	while (started < s.clients.n || clients_open()) {
		if (started < s.clients.n && clients_open() < AT_ONCE &&
		    world_chance(&s.world, 20000))
			client_start(&s.clients, started++);
		step();
		if (s.world.now_us > end)
			sim_fail("%u requests answered after four hours", requests_done());
	}
}

static uint64_t left(void)
{
	uint64_t n = s.card.device.n_asked + s.card.device.nic.used + s.card.n_transit;

	for (uint32_t i = 0; i < s.weir.n; i++)
		n += s.weir.w[i]->offload.slab.used + s.weir.w[i]->flows.slab.used;
	return n;
}

static void run_down(void)
{
	uint64_t end = s.world.now_us + 2 * HOUR_US;

	s.reset_ppm = 0;
	for (uint32_t i = 0; i < s.weir.n; i++)
		worker_drain(s.weir.w[i], true, s.world.now_us);
	while (left() || weir_counter(&s.weir, COUNT_TCP_CONNS) || s.world.n_heap) {
		step();
		if (s.world.now_us > end)
			sim_fail("after two hours there are still %u rules, %u questions, %u "
			         "frames in "
			         "the device, %u entries, %u flows (state %u), %llu connections",
			         s.card.device.nic.used, s.card.device.n_asked, s.card.n_transit,
			         s.weir.w[0]->offload.slab.used, s.weir.w[0]->flows.slab.used,
			         flow_at(&s.weir.w[0]->flows, 0)->state,
			         (unsigned long long)weir_counter(&s.weir, COUNT_TCP_CONNS));
	}
}

static void check_answers(void)
{
	if (s.clients.wrong)
		sim_fail("%llu wrong answers; first: %s", (unsigned long long)s.clients.wrong,
		         s.clients.why);
	if (s.v1.bad + s.v2.bad)
		sim_fail("%llu request bodies arrived damaged",
		         (unsigned long long)(s.v1.bad + s.v2.bad));
	/* refused: ports of ours that a slow device does not let go of are none to give out */
	if (s.chaotic || weir_counter(&s.weir, COUNT_TCP_NO_PORT))
		return;
	for (uint32_t i = 0; i < s.clients.n; i++) {
		const struct client *c = &s.clients.list[i];

		if (c->failed || c->errors || c->done != c->n)
			sim_fail("client %u: %u of %u answered, %llu errors", i, c->done, c->n,
			         (unsigned long long)c->errors);
	}
}

static void check_books(void)
{
	const char *bad = weir_books(&s.weir);

	if (bad)
		sim_fail("at the end: %s", bad);
	for (uint32_t i = 0; i < s.weir.n; i++) {
		const struct offload_counts *c = worker_offload(s.weir.w[i], 0);
		uint64_t removed = 0;

		for (int k = 0; k < OFFLOAD_WHYS; k++)
			removed += c->removed[k];
		if (c->rules || c->inserted != removed)
			sim_fail("worker %u: %llu rules, %llu inserted, %llu removed", i,
			         (unsigned long long)c->rules, (unsigned long long)c->inserted,
			         (unsigned long long)removed);
	}
}

static void describe(void)
{
	printf("seed %llu: %u workers, %u clients, %u requests, %s, device %s%s, %llu resets; "
	       "%llu frames, %llu by the device, %llu rules, %llu splices, %.1f s simulated\n",
	       (unsigned long long)sim_now.seed, s.weir.n, s.clients.n, requests_done(),
	       s.chaotic ? "chaotic" : "orderly", offload_level_name(s.card.ports[0].level[0][0]),
	       s.slow ? ", slow" : "", (unsigned long long)s.card.device.resets,
	       (unsigned long long)s.world.frames, (unsigned long long)s.card.passed_on,
	       (unsigned long long)s.card.device.inserted,
	       (unsigned long long)weir_counter(&s.weir, COUNT_SPLICES_BEGUN),
	       (double)s.world.now_us / 1e6);
}

static void run_seed(uint64_t seed, bool talk)
{
	uint32_t leaked;

	sim_now.seed = seed;
	make_scene(seed);
	run_requests();
	check_answers();
	run_down();
	check_books();
	if (talk)
		describe();
	sum_by_device += s.card.passed_on;
	sum_frames += s.world.frames;
	sum_rules += s.card.device.inserted;
	sum_resets += s.card.device.resets;
	sum_splices += weir_counter(&s.weir, COUNT_SPLICES_BEGUN);
	clients_free(&s.clients);
	server_free(&s.v1);
	server_free(&s.v2);
	world_fini(&s.world);
	card_fini(&s.card);
	leaked = weir_fini(&s.weir);
	if (leaked)
		sim_fail("%u buffers leaked", leaked);
}

int main(int argc, char **argv)
{
	uint64_t first = argc > 2 ? strtoull(argv[2], NULL, 0) : 1;
	uint64_t count = argc > 3 ? strtoull(argv[3], NULL, 0) : 1;

	bodies = argc > 1 && strcmp(argv[1], "bodies") == 0;
	if (!bodies && (argc < 2 || strcmp(argv[1], "flows") != 0)) {
		fprintf(stderr, "usage: sim_offload flows|bodies SEED [COUNT]\n");
		return 2;
	}
	sim_now.program = "sim_offload";
	sim_now.mode = argv[1];
	for (uint64_t i = 0; i < count; i++)
		run_seed(first + i, argc <= 3);
	if (argc > 3)
		printf("%s: %llu seeds from %llu: %llu frames, %llu of them by the device, %llu "
		       "rules, %llu splices, %llu resets\n",
		       sim_now.mode, (unsigned long long)count, (unsigned long long)first,
		       (unsigned long long)sum_frames, (unsigned long long)sum_by_device,
		       (unsigned long long)sum_rules, (unsigned long long)sum_splices,
		       (unsigned long long)sum_resets);
	return 0;
}
