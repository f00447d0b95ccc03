/* SPDX-License-Identifier: BSD-3-Clause */
#include "balance.h"

#include "hash.h"

/* SplitMix64 (Steele, Lea, Flood 2014): any state is a good one, also 0. */
static uint64_t random_u64(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15ull;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
	return z ^ (z >> 31);
}

/* 0 <= result < n; the bias is under n / 2^32 (Lemire 2019). */
static uint32_t random_below(uint64_t *state, uint32_t n)
{
	return (uint32_t)(((random_u64(state) >> 32) * n) >> 32);
}

/* Places to choose from: an endpoint of weight w stands in w of them. */
static uint32_t places(const struct subset *s)
{
	return s->n_table ? s->n_table : s->n_endpoints;
}

static uint32_t endpoint_at(const struct subset *s, uint32_t place)
{
	return s->n_table ? s->table[place] : place;
}

static uint32_t pick_random(const struct balance_env *e, const struct subset *s)
{
	return endpoint_at(s, random_below(e->rng, places(s)));
}

/* The first turn of each worker begins anywhere, so that many workers do not go in step. */
static uint32_t pick_round_robin(const struct balance_env *e, const struct subset *s)
{
	struct subset_state *st = &e->subsets[s->slot.index];
	uint32_t n = places(s);

	if (st->epoch != s->slot.epoch) {
		st->epoch = s->slot.epoch;
		st->cursor = random_below(e->rng, n);
	}
	if (st->cursor >= n) /* the subset has fewer endpoints than before */
		st->cursor = 0;
	return endpoint_at(s, st->cursor++);
}

static uint64_t active_of(const struct balance_env *e, const struct endpoint *p)
{
	const struct endpoint_stats *st = &e->endpoints[p->slot.index];

	return st->epoch == p->slot.epoch ? st->active : 0;
}

/* Drawn by weight, compared by active requests per weight; when equal, the first draw stands. */
static uint32_t pick_least_request(const struct balance_env *e, const struct subset *s)
{
	uint32_t a = pick_random(e, s), b = pick_random(e, s);
	const struct endpoint *pa = &s->endpoints[a], *pb = &s->endpoints[b];

	if (a == b) { /* a second choice worth the name */
		b = (a + 1 + random_below(e->rng, s->n_endpoints - 1)) % s->n_endpoints;
		pb = &s->endpoints[b];
	}
	return active_of(e, pb) * pa->weight < active_of(e, pa) * pb->weight ? b : a;
}

uint64_t balance_hash(enum hash_on on, const struct balance_client *c)
{
	static const struct hash_key key = {{0x7765697220616e64ull, 0x6d61676c65762121ull}};

	if (on == HASH_ON_SOURCE)
		return hash_addr(&key, c->addr, 0);
	return hash_tuple(&key, c->local, c->addr, c->lport, c->port) + c->udp;
}

/* The high half of the hash times the size: Lemire 2019. */
static uint32_t pick_maglev(const struct subset *s, const struct balance_client *c)
{
	uint64_t hash = balance_hash(s->hash_on, c);

	return s->maglev[((hash >> 32) * s->n_maglev) >> 32];
}

static uint32_t pick_by_policy(const struct balance_env *e, const struct subset *s,
                               const struct balance_client *c)
{
	switch ((enum balance_policy)s->policy) {
	case BALANCE_ROUND_ROBIN: return pick_round_robin(e, s);
	case BALANCE_RANDOM: return pick_random(e, s);
	case BALANCE_MAGLEV: return pick_maglev(s, c);
	case BALANCE_LEAST_REQUEST: break;
	}
	return pick_least_request(e, s);
}

const struct endpoint *balance_pick(const struct balance_env *e, const struct subset *s,
                                    const struct endpoint *avoid, const struct balance_client *c)
{
	uint32_t i;

	if (s->n_endpoints == 0)
		return NULL;
	if (s->n_endpoints == 1)
		return &s->endpoints[0];
	i = pick_by_policy(e, s, c);
	if (&s->endpoints[i] == avoid)
		i = (i + 1 + random_below(e->rng, s->n_endpoints - 1)) % s->n_endpoints;
	return &s->endpoints[i];
}
