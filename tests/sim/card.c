/* SPDX-License-Identifier: BSD-3-Clause */
#include "card.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* ---- frames -------------------------------------------------------------------------------- */

static void hold(struct card *c, const uint8_t *frame, uint16_t len)
{
	struct card_transit *t = &c->transit[c->n_transit++];

	assert(c->n_transit < CARD_TRANSIT_MAX);
	t->at_us = c->weir->world->now_us +
	           model_device_random(&c->device, c->device.chaos.transit_us + 1);
	t->len = len;
	t->frame = malloc(len);
	assert(t->frame);
	memcpy(t->frame, frame, len);
}

static void to_worker(struct card *c, uint32_t w, const uint8_t *frame, uint16_t len,
                      const struct model_out *out)
{
	struct weir *x = c->weir;
	struct buf *b = bufs_from(&x->pool, frame, len);
	struct worker_stats *st = worker_stats(x->w[w]);

	st->counters[COUNT_RX_PKTS]++;
	if (!b) {
		st->ends[DROP_NO_BUFFER]++;
		return;
	}
	b->flags |= BUF_MARKED;
	b->mark = out->mark;
	worker_input(x->w[w], &b, 1, x->world->now_us);
}

static void arrive(void *arg, const uint8_t *frame, uint16_t len)
{
	struct card *c = arg;
	uint8_t copy[2048];
	struct model_out out;

	memcpy(copy, frame, len);
	out = model_nic_frame(&c->device.nic, 0, copy, len);
	if (out.verdict == MODEL_OUT) {
		c->passed_on++;
		hold(c, copy, len);
	} else if (out.verdict == MODEL_HOST && out.marked && (out.queue >= 0 || c->weir->n == 1)) {
		to_worker(c, out.queue < 0 ? 0 : (uint32_t)out.queue, frame, len, &out);
	} else {
		c->to_weir(c->weir, frame, len);
	}
}

static void send_transit(struct card *c, const struct card_transit *t)
{
	static struct net_out out;
	struct buf *b = bufs_from(&c->weir->pool, t->frame, t->len);

	free(t->frame);
	if (!b)
		return;
	out.n = 1;
	out.tx[0] = (struct net_tx){.buf = b, .frame = b->data, .len = t->len};
	world_collect(c->weir->world, c->weir->nic, &out);
}

void card_turn(struct card *c)
{
	uint64_t now_us = c->weir->world->now_us;

	model_device_tick(&c->device, now_us);
	for (uint32_t i = 0; i < c->n_transit;) {
		struct card_transit t = c->transit[i];

		if (t.at_us > now_us) {
			i++;
			continue;
		}
		c->transit[i] = c->transit[--c->n_transit];
		send_transit(c, &t);
	}
}

uint64_t card_next(const struct card *c)
{
	uint64_t next = model_device_next(&c->device);

	for (uint32_t i = 0; i < c->n_transit; i++)
		next = c->transit[i].at_us < next ? c->transit[i].at_us : next;
	return next;
}

uint64_t card_weir_next(const struct card *c)
{
	uint64_t next = UINT64_MAX;

	for (uint32_t i = 0; i < c->weir->n; i++) {
		struct worker *w = c->weir->w[i];
		uint32_t questions = w->offload.questions;
		uint64_t own;

		w->offload.questions = 0;
		own = worker_next(w);
		w->offload.questions = questions;
		next = own < next ? own : next;
	}
	return next;
}

/* ---- rules --------------------------------------------------------------------------------- */

static const char *check_held(const struct card *c, uint8_t worker, uint32_t token)
{
	const struct worker *w = c->weir->w[worker];
	const struct offload_entry *e = slab_at(&w->offload.slab, token);
	const struct flow *f = flow_at(&w->flows, e->flow);
	const struct model_rule *r = &c->device.nic.rules[c->device.rule[worker][token]];
	const struct rte_flow_item *item = r->rule->pattern;
	const struct rte_flow_item_tcp *ports;

	while (item->type != RTE_FLOW_ITEM_TYPE_TCP)
		item++;
	ports = item->spec;
	if (f->state == FLOW_FREE || f->offload != token + 1)
		return "a rule is in the device, and its flow was let go";
	if (ports->hdr.src_port != f->side[e->from].rport ||
	    ports->hdr.dst_port != f->side[e->from].lport)
		return "a rule is in the device, and its flow is another";
	return NULL;
}

const char *card_check(const struct card *c)
{
	const char *bad = NULL;

	for (uint8_t w = 0; w < c->weir->n && !bad; w++)
		for (uint32_t t = 0; t < c->weir->w[w]->offload.slab.fresh && !bad; t++)
			if (c->device.rule[w][t] >= 0)
				bad = check_held(c, w, t);
	return bad;
}

/* ---- begin --------------------------------------------------------------------------------- */

static void make_ports(struct card *c)
{
	struct offload_rule sample;

	for (uint32_t i = 0; i < 3; i++) {
		c->ports[i] = (struct offload_port){.queue = (uint16_t)i, .max_rules = 64};
		for (int k = 0; k < OFFLOAD_KINDS; k++) {
			offload_sample(&sample, (enum offload_kind)k, 0, 0);
			c->ports[i].level[0][k] = (uint8_t)offload_probe(
				&model_ops, &c->device.askers[0], &sample, OFFLOAD_SPLICE);
		}
		c->env[i] = (struct offload_env){
			.ops = &model_ops, .device = &c->device.askers[i], .ports = &c->ports[i]};
	}
}

static void make_worker(struct card *c, uint32_t i, struct worker_env *env)
{
	struct weir *x = c->weir;
	size_t size = (worker_bytes(&x->node) + 127) & ~127ul;

	worker_fini(x->w[i]);
	free(x->memory[i]);
	x->memory[i] = aligned_alloc(128, size);
	assert(x->memory[i]);
	memset(x->memory[i], 0, size);
	env->id = i;
	env->seed = x->world->rng + i;
	env->offload = &c->env[i];
	memset(env->secret, (int)i + 1, sizeof(env->secret));
	x->w[i] = worker_init(x->memory[i], env, x->before.snap, x->world->now_us);
}

void card_init(struct card *c, struct weir *x, uint32_t can)
{
	struct worker_env env = {.node = &x->node, .ports = &x->port, .pool = &x->pool};
	struct hash_key key = {{1, 2}};

	memset(c, 0, sizeof(*c));
	c->weir = x;
	model_device_init(&c->device, can, x->world->rng);
	c->device.workers = x->n;
	make_ports(c);
	steer_hand_off(&x->steer, x->n, x->node.source_port_min, x->node.source_port_max, &key);
	env.steer = x->n > 1 ? &x->steer : NULL;
	env.n_workers = x->n;
	for (uint32_t i = 0; i < x->n; i++)
		make_worker(c, i, &env);
	c->to_weir = x->nic->receive;
	x->nic->receive = arrive;
	x->nic->arg = c;
}

void card_fini(struct card *c)
{
	model_device_fini(&c->device);
}
