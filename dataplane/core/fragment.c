/* SPDX-License-Identifier: BSD-3-Clause */
#include "fragment.h"

#include <string.h>

#define OTHERS UINT32_MAX /* as fragment.flow */

static uint32_t sets_for(uint32_t max)
{
	uint32_t sets = 1;

	while ((uint64_t)sets * FRAGMENT_WAYS < max)
		sets *= 2;
	return sets;
}

size_t fragment_bytes(uint32_t max)
{
	return max ? (size_t)sets_for(max) * FRAGMENT_WAYS * sizeof(struct fragment) : 0;
}

void fragment_init(struct fragments *t, void *memory, uint32_t max, const struct hash_key *key)
{
	*t = (struct fragments){.v = max ? memory : NULL, .mask = sets_for(max) - 1, .key = *key};
	if (max)
		memset(memory, 0, fragment_bytes(max));
}

/* The places that a datagram may have. */
static struct fragment *set_of(const struct fragments *t, const struct pkt *p)
{
	uint64_t hash = hash_addr(&t->key, &p->src, p->fragment_id ^ (uint32_t)p->own << 16);

	return &t->v[(size_t)((uint32_t)hash & t->mask) * FRAGMENT_WAYS];
}

static bool is_it(const struct fragment *e, const struct pkt *p)
{
	return e->flow && e->id == p->fragment_id && e->own == p->own &&
	       e->udp == (p->kind == PKT_UDP) && memcmp(e->src, p->src.b, sizeof(e->src)) == 0;
}

/* The same datagram's place, else a free one, else that of the oldest. */
static struct fragment *place_for(const struct fragments *t, const struct flow_table *flows,
                                  const struct pkt *p)
{
	struct fragment *set = set_of(t, p), *best = set;
	uint16_t now = flows->now_s;

	for (uint32_t i = 0; i < FRAGMENT_WAYS; i++) {
		if (is_it(&set[i], p))
			return &set[i];
		if (best->flow && (!set[i].flow || (uint16_t)(now - set[i].seen_s) >
		                                           (uint16_t)(now - best->seen_s)))
			best = &set[i];
	}
	return best;
}

static struct fragment *enter(struct fragments *t, const struct flow_table *flows,
                              const struct pkt *p, uint32_t flow)
{
	struct fragment *e = place_for(t, flows, p);

	*e = (struct fragment){.id = p->fragment_id,
	                       .flow = flow,
	                       .own = p->own,
	                       .seen_s = flows->now_s,
	                       .udp = p->kind == PKT_UDP};
	memcpy(e->src, p->src.b, sizeof(e->src));
	return e;
}

void fragment_first(struct fragments *t, const struct flow_table *flows, const struct flow *f,
                    enum flow_side_id side, const struct pkt *p)
{
	struct fragment *e;

	if (!t->v)
		return;
	e = enter(t, flows, p, slab_index(&flows->slab, f) + 1);
	e->side = (uint8_t)side;
	e->lport = f->side[side].lport;
}

void fragment_other(struct fragments *t, const struct flow_table *flows, const struct pkt *p)
{
	if (t->v)
		enter(t, flows, p, OTHERS);
}

static const struct fragment *find(const struct fragments *t, const struct flow_table *flows,
                                   const struct pkt *p)
{
	const struct fragment *set = t->v ? set_of(t, p) : NULL;

	for (uint32_t i = 0; set && i < FRAGMENT_WAYS; i++)
		if (is_it(&set[i], p) &&
		    (uint16_t)(flows->now_s - set[i].seen_s) <= FRAGMENT_LIFE_S)
			return &set[i];
	return NULL;
}

bool fragment_is_other(const struct fragments *t, const struct flow_table *flows,
                       const struct pkt *p)
{
	const struct fragment *e = find(t, flows, p);

	return e && e->flow == OTHERS;
}

struct flow *fragment_find(const struct fragments *t, const struct flow_table *flows,
                           const struct pkt *p, enum flow_side_id *side)
{
	const struct fragment *e = find(t, flows, p);
	struct flow *f;

	if (!e || e->flow == OTHERS)
		return NULL;
	f = flow_at(flows, e->flow - 1);
	if (f->state == FLOW_FREE || f->side[e->side].lport != e->lport ||
	    f->side[e->side].local != e->own || !flow_peer_is(&f->side[e->side], &p->src))
		return NULL;
	*side = e->side;
	return f;
}
