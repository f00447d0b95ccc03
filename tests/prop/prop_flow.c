/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Property: the table of flows is what a list of flows would be, whatever is opened, used, closed and forgotten,
 * and however far time jumps: each flow is found from both sides and from no other, ends when its time has
 * come and no second earlier, and half-open ones never exceed their limit.
 * The seed is argv[1]; a failure prints it.
 */
#include "flow.h"
#include "rng.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define N         200
#define HALF_OPEN 40
#define ROUNDS    60000

struct one {
	struct flow *f; /* NULL: none */
	uint64_t seen_s, entered_s;
	uint8_t state;
	uint16_t idle_s;
	bool one_way;
};

struct model {
	struct flow_table t;
	struct flow_config c;
	void *memory;
	struct one v[N];
	uint64_t now_us;
	uint32_t half_open;
	struct rng rng;
};

static uint64_t seed_of_failure(uint64_t *set)
{
	static uint64_t seed;

	if (set)
		seed = *set;
	return seed;
}

static void check(bool ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "prop_flow: %s; seed %llu\n", what,
	        (unsigned long long)seed_of_failure(NULL));
	exit(1);
}

/* Sides that differ in one thing only: address, port, own address. */
static struct flow_side side_of(uint32_t i, int side)
{
	return (struct flow_side){.peer = {0, 0, 0xffff0000, 10u + (i % 7) * 256},
	                          .rport = (be16_t)(i / 7 % 5 + (uint32_t)side * 1000),
	                          .lport = (be16_t)(i / 35),
	                          .local = (uint16_t)(i & 1)};
}

static uint64_t hash_of(const struct model *m, uint32_t i, int side)
{
	struct flow_side s = side_of(i, side);
	struct ip_addr peer = flow_peer(&s), local = {.w = {0, 0, 0xffff0000, s.local}};

	return flow_hash(&m->t, &local, &peer, s.lport, s.rport, i % 3 == 0);
}

static uint16_t limit_of(const struct model *m, const struct one *o)
{
	switch (o->state) {
	case FLOW_HALF_OPEN: return m->c.syn_s;
	case FLOW_CLOSED: return m->c.closed_s;
	case FLOW_CLOSING: return m->c.fin_s;
	default: return o->idle_s;
	}
}

static uint64_t now_s(const struct model *m)
{
	return m->now_us / 1000000;
}

static uint64_t age_of(const struct model *m, const struct one *o)
{
	bool queued = o->state == FLOW_HALF_OPEN || o->state == FLOW_CLOSED;

	return now_s(m) - (queued ? o->entered_s : o->seen_s);
}

static uint32_t number_of(const struct model *m, const struct flow *f)
{
	for (uint32_t i = 0; i < N; i++)
		if (m->v[i].f == f)
			return i;
	check(false, "a flow that nobody opened");
	return 0;
}

static void forget(struct model *m, uint32_t i)
{
	struct one *o = &m->v[i];

	flow_remove(&m->t, o->f, FLOW_CLIENT, hash_of(m, i, 0));
	if (!o->one_way)
		flow_remove(&m->t, o->f, FLOW_SERVER, hash_of(m, i, 1));
	flow_free(&m->t, o->f);
	m->half_open -= o->state == FLOW_HALF_OPEN;
	o->f = NULL;
}

static void open_one(struct model *m, uint32_t i)
{
	struct one *o = &m->v[i];
	struct flow *victim = flow_victim(&m->t);

	if (victim) {
		check(victim->state == FLOW_HALF_OPEN || victim->state == FLOW_CLOSED,
		      "a live flow was to make room");
		forget(m, number_of(m, victim));
	}
	o->f = flow_new(&m->t);
	if (!o->f)
		return;
	o->idle_s = (uint16_t)(1 + (rng_below(&m->rng, 4) ? rng_below(&m->rng, 50)
	                                                  : rng_below(&m->rng, FLOW_TIME_MAX_S)));
	o->f->idle = flow_idle(&m->t, o->idle_s * 1000000ull);
	if (m->t.n_idles == FLOW_IDLES)
		o->idle_s = m->t.idle_s[o->f->idle];
	check(m->t.idle_s[o->f->idle] == o->idle_s, "another idle time than asked for");
	o->seen_s = o->entered_s = now_s(m);
	o->state = FLOW_HALF_OPEN;
	o->one_way = rng_below(&m->rng, 5) == 0;
	o->f->side[0] = side_of(i, 0);
	o->f->side[1] = side_of(i, 1);
	o->f->flags = i % 3 == 0 ? FLOW_F_UDP : 0;
	flow_add(&m->t, o->f, FLOW_CLIENT, hash_of(m, i, 0));
	if (!o->one_way)
		flow_add(&m->t, o->f, FLOW_SERVER, hash_of(m, i, 1));
	m->half_open++;
	check(m->half_open <= HALF_OPEN, "more half-open flows than allowed");
}

static void look_up(struct model *m, uint32_t i)
{
	for (int k = 0; k < 2; k++) {
		struct flow_side s = side_of(i, k);
		enum flow_side_id side;
		struct flow *f = flow_find_side(&m->t, &s, i % 3 == 0, hash_of(m, i, k), &side);
		bool there = m->v[i].f && (k == 0 || !m->v[i].one_way);

		check(f == (there ? m->v[i].f : NULL), "look-up");
		check(!f || side == (enum flow_side_id)k, "the other side");
	}
}

static void change(struct model *m, uint32_t i)
{
	static const enum flow_state next[] = {FLOW_ESTABLISHED, FLOW_CLOSING, FLOW_CLOSED,
	                                       FLOW_ESTABLISHED};
	struct one *o = &m->v[i];
	enum flow_state to = next[rng_below(&m->rng, 4)];

	if (to == (enum flow_state)o->state)
		return;
	m->half_open -= o->state == FLOW_HALF_OPEN;
	flow_set_state(&m->t, o->f, to);
	o->state = (uint8_t)to;
	o->entered_s = now_s(m);
}

/* What comes out is too old; afterwards nothing that is too old is left. */
static void pass(struct model *m)
{
	uint32_t budget;
	struct flow *f;

	m->now_us += rng_below(&m->rng, 20) ? rng_below(&m->rng, 3000000)
	                                    : rng_next(&m->rng) % 20000000000ull;
	flow_tick(&m->t, m->now_us);
	do {
		budget = 1 + rng_below(&m->rng, 20);
		while ((f = flow_expired(&m->t, &budget))) {
			uint32_t i = number_of(m, f);

			check(age_of(m, &m->v[i]) >= limit_of(m, &m->v[i]), "ended too early");
			forget(m, i);
		}
	} while (budget == 0);
	for (uint32_t i = 0; i < N; i++)
		check(!m->v[i].f || age_of(m, &m->v[i]) < limit_of(m, &m->v[i]) ||
		              age_of(m, &m->v[i]) == 0,
		      "outlived its time");
}

static void act(struct model *m)
{
	uint32_t i = rng_below(&m->rng, N);
	struct one *o = &m->v[i];

	switch (rng_below(&m->rng, 12)) {
	case 0: pass(m); break;
	case 1:
		if (o->f)
			forget(m, i);
		break;
	case 2:
	case 3:
		if (o->f)
			change(m, i);
		break;
	case 4:
	case 5:
	case 6:
		if (!o->f)
			open_one(m, i);
		break;
	case 7:
		if (o->f) {
			o->f->seen_s = m->t.now_s;
			o->seen_s = now_s(m);
		}
		break;
	default: look_up(m, i);
	}
}

int main(int argc, char **argv)
{
	static struct model m;
	uint64_t seed = rng_arg(argc, argv);
	struct hash_key key = {{seed, 3}};

	seed_of_failure(&seed);
	m.rng = rng_seed(seed);
	m.c = (struct flow_config){N / 2, HALF_OPEN, 5, 60, 20};
	m.now_us = rng_next(&m.rng) % 100000000000ull;
	m.memory = aligned_alloc(64, (flow_bytes(m.c.max) + 63) & ~63ul);
	flow_init(&m.t, m.memory, &m.c, &key, m.now_us);
	for (uint32_t i = 0; i < ROUNDS; i++)
		act(&m);
	for (uint32_t i = 0; i < N; i++)
		if (m.v[i].f)
			forget(&m, i);
	for (uint32_t b = 0; b <= m.t.index.mask; b++)
		check(m.t.index.v[b].passed == 0, "a bucket is still passed");
	check(m.t.slab.used == 0, "flows are left");
	free(m.memory);
	return 0;
}
