/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Connections of layer 4 with a device in front of the workers that forwards what it is told to: late, or
 * not at all, or it forgets.
 *
 *   clients 10.0.0.1 ---+
 *   v1      10.0.0.11 --+-- wire --- model NIC --- Weir 10.0.0.2:8080, one to three workers
 *   v2      10.0.0.12 --+               '--> what a rule takes goes back to the wire, rewritten
 *
 * Ports of ours are few and rest for a second, less than what a removal may take here, so a flow that were let go
 * too early would soon meet the rule that is left of the one before. What must hold for every seed: each body
 * arrives byte for byte, every request is answered when nobody resets, and in the end no rule, no entry, no
 * flow and no buffer is left.
 *
 *   sim_offload FIRST COUNT    run the seeds FIRST .. FIRST + COUNT - 1
 *   sim_offload SEED           run one and say what it was like
 */
#include "apps.h"
#include "csum.h"
#include "model_device.h"
#include "weir.h"
#include "wire.h"

#include <arpa/inet.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CLIENTS_MAX 24
#define AT_ONCE     6
#define TRANSIT_MAX 4096

/* A frame inside the device, on its way out. */
struct transit {
	uint64_t at_us;
	uint8_t *frame;
	uint16_t len;
};

struct scene {
	struct world world;
	struct weir weir;
	struct model_device device;
	struct offload_port ports[3];
	struct offload_env env[3];
	struct l4_route route;
	struct clients clients;
	struct server v1, v2;
	struct apps_chaos chaos;
	struct transit transit[TRANSIT_MAX];
	uint32_t n_transit;
	uint64_t by_device, reset_us, drain_us;
	uint32_t reset_ppm;
	bool chaotic, slow, drained, spoiled;
	uint32_t damage_ppm;
	void (*to_weir)(void *arg, const uint8_t *frame, uint16_t len);
};

static struct scene s;
static uint64_t seed_now;
static uint64_t sum_by_device, sum_frames, sum_rules, sum_resets;

static void fail(const char *fmt, ...)
{
	va_list ap;

	fprintf(stderr, "sim_offload: seed %llu: ", (unsigned long long)seed_now);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fprintf(stderr, "\nreplay with: sim_offload %llu\n", (unsigned long long)seed_now);
	exit(1);
}

/* ---- the device ---------------------------------------------------------------------------- */

static void hold(const uint8_t *frame, uint16_t len)
{
	struct transit *t = &s.transit[s.n_transit++];

	if (s.n_transit == TRANSIT_MAX)
		fail("too many frames in the device");
	t->at_us = s.world.now_us + model_device_random(&s.device, s.device.chaos.transit_us + 1);
	t->len = len;
	t->frame = malloc(len);
	memcpy(t->frame, frame, len);
}

static void to_worker(uint32_t w, const uint8_t *frame, uint16_t len, const struct model_out *out)
{
	struct buf *b = bufs_from(&s.weir.pool, frame, len);
	struct worker_stats *st = worker_stats(s.weir.w[w]);

	st->counters[COUNT_RX_PKTS]++;
	if (!b) {
		st->ends[DROP_NO_BUFFER]++;
		return;
	}
	b->flags |= BUF_MARKED;
	b->mark = out->mark;
	worker_input(s.weir.w[w], &b, 1, s.world.now_us);
}

/* Is the sum of a segment right? */
static bool is_sound(const uint8_t *frame, uint16_t len)
{
	struct ip_addr src = wire_ip4(frame + 26), dst = wire_ip4(frame + 30);
	uint32_t total = wire_get16(frame + 16);

	if (len < 54 || frame[23] != IP_TCP || total < 40 || total > len - 14u)
		return false;
	total -= 20;
	return csum_finish(csum_combine(csum_pseudo(&src, &dst, IP_TCP, (uint16_t)total),
	                                csum_add(frame + 34, total), 0)) == 0;
}

static void arrive(void *arg, const uint8_t *frame, uint16_t len)
{
	uint8_t copy[2048];
	struct model_out out;
	(void)arg;

	s.spoiled |= !is_sound(frame, len);
	memcpy(copy, frame, len);
	out = model_nic_frame(&s.device.nic, 0, copy, len);
	if (out.verdict == MODEL_OUT) {
		s.by_device++;
		hold(copy, len);
	} else if (out.verdict == MODEL_HOST && out.marked && (out.queue >= 0 || s.weir.n == 1)) {
		to_worker(out.queue < 0 ? 0 : (uint32_t)out.queue, frame, len, &out);
	} else {
		s.to_weir(&s.weir, frame, len);
	}
}

static void send_transit(const struct transit *t)
{
	static struct net_out out;
	struct buf *b = bufs_from(&s.weir.pool, t->frame, t->len);

	free(t->frame);
	if (!b)
		return;
	out.n = 1;
	out.tx[0] = (struct net_tx){.buf = b, .frame = b->data, .len = t->len};
	world_collect(&s.world, s.weir.nic, &out);
}

static void device_turn(void)
{
	model_device_tick(&s.device, s.world.now_us);
	for (uint32_t i = 0; i < s.n_transit;) {
		struct transit t = s.transit[i];

		if (t.at_us > s.world.now_us) {
			i++;
			continue;
		}
		s.transit[i] = s.transit[--s.n_transit];
		send_transit(&t);
	}
	if (s.reset_ppm && s.world.now_us >= s.reset_us) {
		model_device_reset(&s.device, 0);
		s.reset_us = s.world.now_us + 1 + world_random(&s.world, 500000);
	}
}

static uint64_t device_next(void)
{
	uint64_t next = model_device_next(&s.device);

	for (uint32_t i = 0; i < s.n_transit; i++)
		next = s.transit[i].at_us < next ? s.transit[i].at_us : next;
	return next;
}

static void make_device(void)
{
	static const uint32_t cans[] = {MODEL_ALL, MODEL_ALL, MODEL_ALL & ~(uint32_t)MODEL_MODIFY,
	                                MODEL_MARK | MODEL_QUEUE | MODEL_PASSTHRU,
	                                MODEL_MARK | MODEL_PASSTHRU};
	struct world *w = &s.world;
	struct offload_rule sample;

	model_device_init(&s.device, cans[world_random(w, 5)], w->rng);
	s.slow = world_chance(w, 500000);
	s.device.chaos = (struct model_chaos){.delay_us = s.slow ? 4000000 : world_random(w, 20000),
	                                      .transit_us = world_random(w, OFFLOAD_SETTLE_US)};
	if (world_chance(w, 500000)) {
		s.device.chaos.deaf_ppm = 50000;
		s.device.chaos.refuse_ppm = 200000;
		s.device.chaos.stuck_ppm = 200000;
		s.device.chaos.silent_ppm = 200000;
	}
	s.device.nic.mends = world_chance(w, 500000);
	s.device.nic.room = world_chance(w, 300000) ? 1 + world_random(w, 4) : MODEL_RULES;
	s.reset_ppm = world_chance(w, 300000);
	s.reset_us = w->now_us + world_random(w, 500000);
	for (uint32_t i = 0; i < 3; i++) {
		s.ports[i] = (struct offload_port){.queue = (uint16_t)i,
		                                   .max_rules = 1 + world_random(w, 64)};
		for (int k = 0; k < OFFLOAD_KINDS; k++) {
			offload_sample(&sample, (enum offload_kind)k, 0, 0);
			s.ports[i].level[0][k] = (uint8_t)offload_probe(
				&model_ops, &s.device.askers[0], &sample, OFFLOAD_SPLICE);
		}
		s.env[i] = (struct offload_env){
			.ops = &model_ops, .device = &s.device.askers[i], .ports = &s.ports[i]};
	}
}

/* ---- Weir, with a listener of layer 4 ------------------------------------------------------ */

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

static void make_weir(void)
{
	struct weir *x = &s.weir;
	struct worker_env env = {.node = &x->node, .ports = &x->port, .pool = &x->pool};
	struct hash_key key = {{1, 2}};

	weir_init(x, &s.world, 1 + world_random(&s.world, 3), false, WEIR_PROXY);
	change_node(x);
	s.device.workers = x->n;
	s.route = (struct l4_route){STR("rule"), STR("file:1:1"), &x->before.split};
	x->before.listener.kind = LISTENER_TCP;
	x->before.listener.l4 = &s.route;
	steer_hand_off(&x->steer, x->n, x->node.source_port_min, x->node.source_port_max, &key);
	env.steer = x->n > 1 ? &x->steer : NULL;
	env.n_workers = x->n;
	for (uint32_t i = 0; i < x->n; i++) {
		size_t size = (worker_bytes(&x->node) + 127) & ~127ul;

		worker_fini(x->w[i]);
		free(x->memory[i]);
		x->memory[i] = aligned_alloc(128, size);
		memset(x->memory[i], 0, size);
		env.id = i;
		env.seed = s.world.rng + i;
		env.offload = &s.env[i];
		memset(env.secret, (int)i + 1, sizeof(env.secret));
		x->w[i] = worker_init(x->memory[i], &env, x->before.snap, s.world.now_us);
	}
	s.to_weir = x->nic->receive;
	x->nic->receive = arrive;
}

/* ---- everybody else ------------------------------------------------------------------------ */

static void make_wire(struct world *w)
{
	static const uint32_t loss[] = {0, 0, 0, 10000, 30000};
	struct wire *l = &w->wire;

	l->loss_ppm = loss[world_random(w, 5)];
	l->double_ppm = world_chance(w, 200000) ? 20000 : 0;
	l->reorder_ppm = world_chance(w, 300000) ? 50000 : 0;
	l->reorder_us = 20000;
	l->damage_ppm = world_chance(w, 300000) ? 5000 : 0;
	l->delay_min_us = world_random(w, 2000);
	l->delay_max_us = l->delay_min_us + world_random(w, 3) * world_random(w, 2000);
	l->hold_us = world_random(w, 3) * 1000;
}

static struct host_config host_config(struct world *w, const char *address, uint16_t port)
{
	return (struct host_config){.address = address,
	                            .mtu = (uint16_t)(world_chance(w, 100000) ? 300 : 1500),
	                            .rcvbuf = 16000u << world_random(w, 5),
	                            .sndbuf = 16000u << world_random(w, 5),
	                            .pool = 200000,
	                            .listen_port = port};
}

static void make_clients(void)
{
	struct world *w = &s.world;
	struct clients *c = &s.clients;
	struct host_config hc = host_config(w, "10.0.0.1", 0);

	host_init(&c->host, w, &hc);
	c->n = 1 + world_random(w, CLIENTS_MAX);
	c->list = calloc(c->n, sizeof(*c->list));
	c->to = sim_addr("10.0.0.2");
	c->port = htons(8080);
	for (uint32_t i = 0; i < c->n; i++) {
		struct client *k = &c->list[i];

		k->seed = world_random(w, UINT32_MAX);
		k->n = 1 + world_random(w, 6);
		k->depth = 1 + world_random(w, 2);
		k->max_len = world_chance(w, 300000) ? 200000 : 30000;
		k->abandon = world_chance(w, s.chaos.abandon_ppm);
	}
}

static void make_scene(uint64_t seed)
{
	struct host_config c1, c2;

	memset(&s, 0, sizeof(s));
	world_init(&s.world, seed);
	make_wire(&s.world);
	s.damage_ppm = s.world.wire.damage_ppm;
	s.chaotic = world_chance(&s.world, 400000);
	if (s.chaotic)
		s.chaos = (struct apps_chaos){30000, 60000, 50000, 200000};
	make_device();
	make_weir();
	make_clients();
	c1 = host_config(&s.world, "10.0.0.11", 80);
	c2 = host_config(&s.world, "10.0.0.12", 80);
	host_init(&s.v1.host, &s.world, &c1);
	host_init(&s.v2.host, &s.world, &c2);
	s.v1.version = "v1";
	s.v2.version = "v2";
	s.v1.chaos = s.v2.chaos = s.chaos;
	s.drain_us = world_chance(&s.world, 100000) ? s.world.now_us + 500000 : UINT64_MAX;
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

/* When answers come is known here: nobody has to look for them in between. */
static uint64_t workers_next(void)
{
	uint64_t next = UINT64_MAX;

	for (uint32_t i = 0; i < s.weir.n; i++) {
		struct worker *w = s.weir.w[i];
		uint32_t questions = w->offload.questions;

		w->offload.questions = 0;
		next = least(next, worker_next(w));
		w->offload.questions = questions;
	}
	return next;
}

/* While a rule is in the device, its flow is there, and is the one that the rule was made for. */
static void check_held(uint8_t worker, uint32_t token)
{
	const struct worker *w = s.weir.w[worker];
	const struct offload_entry *e = slab_at(&w->offload.slab, token);
	const struct flow *f = flow_at(&w->flows, e->flow);
	const struct model_rule *r = &s.device.nic.rules[s.device.rule[worker][token]];
	const struct rte_flow_item *item = r->rule->pattern;
	const struct rte_flow_item_tcp *ports;

	while (item->type != RTE_FLOW_ITEM_TYPE_TCP)
		item++;
	ports = item->spec;
	if (f->state == FLOW_FREE || f->offload != token + 1)
		fail("a rule is in the device, and its flow was let go");
	if (ports->hdr.src_port != f->side[e->from].rport ||
	    ports->hdr.dst_port != f->side[e->from].lport)
		fail("a rule is in the device, and its flow is another");
}

static void check_rules(void)
{
	for (uint8_t w = 0; w < s.weir.n; w++)
		for (uint32_t t = 0; t < s.weir.w[w]->offload.slab.fresh; t++)
			if (s.device.rule[w][t] >= 0)
				check_held(w, t);
}

static void step(void)
{
	struct world *w = &s.world;
	uint64_t t = world_next(w);

	t = least(t, workers_next());
	t = least(t, device_next());
	t = least(t, host_next(&s.clients.host));
	t = least(t, host_next(&s.v1.host));
	t = least(t, host_next(&s.v2.host));
	if (t != UINT64_MAX && t > w->now_us)
		w->now_us = t;
	else
		w->now_us++;
	device_turn();
	world_deliver(w);
	/* two bits may make up for each other, and no sum would tell: a damaged frame is not damaged again */
	w->wire.damage_ppm = s.spoiled ? 0 : s.damage_ppm;
	weir_turn(&s.weir);
	w->wire.damage_ppm = s.damage_ppm;
	s.spoiled = false;
	drain();
	clients_turn(&s.clients);
	server_turn(&s.v1);
	server_turn(&s.v2);
	check_rules();
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
			fail("%u requests answered after four hours", requests_done());
	}
}

static uint64_t left(void)
{
	uint64_t n = s.device.n_asked + s.device.nic.used + s.n_transit;

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
			fail("after two hours there are still %u rules, %u questions, %u frames in "
			     "the device, %u entries, %u flows (state %u)",
			     s.device.nic.used, s.device.n_asked, s.n_transit,
			     s.weir.w[0]->offload.slab.used, s.weir.w[0]->flows.slab.used,
			     flow_at(&s.weir.w[0]->flows, 0)->state);
	}
}

static void check_answers(void)
{
	if (s.clients.wrong)
		fail("%llu wrong answers; first: %s", (unsigned long long)s.clients.wrong,
		     s.clients.why);
	if (s.v1.bad + s.v2.bad)
		fail("%llu request bodies arrived damaged",
		     (unsigned long long)(s.v1.bad + s.v2.bad));
	/* refused: ports of ours that a slow device does not let go of are none to give out */
	if (s.chaotic || weir_counter(&s.weir, COUNT_TCP_NO_PORT))
		return;
	for (uint32_t i = 0; i < s.clients.n; i++) {
		const struct client *c = &s.clients.list[i];

		if (c->failed || c->errors || c->done != c->n)
			fail("client %u: %u of %u answered, %llu errors", i, c->done, c->n,
			     (unsigned long long)c->errors);
	}
}

static void check_books(void)
{
	const char *bad = weir_books(&s.weir);

	if (bad)
		fail("at the end: %s", bad);
	for (uint32_t i = 0; i < s.weir.n; i++) {
		const struct offload_counts *c = worker_offload(s.weir.w[i], 0);
		uint64_t removed = 0;

		for (int k = 0; k < OFFLOAD_WHYS; k++)
			removed += c->removed[k];
		if (c->rules || c->inserted != removed)
			fail("worker %u: %llu rules, %llu inserted, %llu removed", i,
			     (unsigned long long)c->rules, (unsigned long long)c->inserted,
			     (unsigned long long)removed);
	}
}

static void describe(void)
{
	printf("seed %llu: %u workers, %u clients, %u requests, %s, device %s%s, %llu resets; "
	       "%llu frames, %llu by the device, %llu rules, %.1f s simulated\n",
	       (unsigned long long)seed_now, s.weir.n, s.clients.n, requests_done(),
	       s.chaotic ? "chaotic" : "orderly", offload_level_name(s.ports[0].level[0][0]),
	       s.slow ? ", slow" : "", (unsigned long long)s.device.resets,
	       (unsigned long long)s.world.frames, (unsigned long long)s.by_device,
	       (unsigned long long)s.device.inserted, (double)s.world.now_us / 1e6);
}

static void run_seed(uint64_t seed, bool talk)
{
	uint32_t leaked;

	seed_now = seed;
	make_scene(seed);
	run_requests();
	check_answers();
	run_down();
	check_books();
	if (talk)
		describe();
	sum_by_device += s.by_device;
	sum_frames += s.world.frames;
	sum_rules += s.device.inserted;
	sum_resets += s.device.resets;
	clients_free(&s.clients);
	server_free(&s.v1);
	server_free(&s.v2);
	world_fini(&s.world);
	model_device_fini(&s.device);
	leaked = weir_fini(&s.weir);
	if (leaked)
		fail("%u buffers leaked", leaked);
}

int main(int argc, char **argv)
{
	uint64_t first = argc > 1 ? strtoull(argv[1], NULL, 0) : 1;
	uint64_t count = argc > 2 ? strtoull(argv[2], NULL, 0) : 1;

	for (uint64_t i = 0; i < count; i++)
		run_seed(first + i, argc <= 2);
	if (argc > 2)
		printf("%llu seeds from %llu: %llu frames, %llu of them by the device, %llu rules, "
		       "%llu resets\n",
		       (unsigned long long)count, (unsigned long long)first,
		       (unsigned long long)sum_frames, (unsigned long long)sum_by_device,
		       (unsigned long long)sum_rules, (unsigned long long)sum_resets);
	return 0;
}
