/* SPDX-License-Identifier: BSD-3-Clause */
#include "flow.h"

#include <string.h>

#define ALIGN 128 /* of a flow */

size_t flow_bytes(uint32_t max)
{
	return buckets_bytes(max * 2) + ALIGN + slab_bytes(max, sizeof(struct flow));
}

static void *align(uint8_t *p)
{
	return p + (-(uintptr_t)p & (ALIGN - 1));
}

void flow_init(struct flow_table *t, void *memory, const struct flow_config *c,
               const struct hash_key *key, uint64_t now_us)
{
	memset(t, 0, sizeof(*t));
	t->config = *c;
	t->key = *key;
	buckets_init(&t->index, memory, c->max * 2);
	slab_init(&t->slab, align((uint8_t *)memory + buckets_bytes(c->max * 2)), c->max,
	          sizeof(struct flow));
	flow_tick(t, now_us);
	t->wheel_s = t->now_s;
}

/* ---- look-up ----------------------------------------------------------------------------- */

/* The flow whose side this number is, if the packet comes from there. */
static struct flow *from(const struct flow_table *t, uint32_t number, const struct pkt *p)
{
	struct flow *f = flow_at(t, number / 2);
	const struct flow_side *s = &f->side[number & 1];

	if (s->rport != p->sport || s->lport != p->dport || s->local != p->own ||
	    flow_is_udp(f) != (p->kind == PKT_UDP) || !flow_peer_is(s, &p->src))
		return NULL;
	return f;
}

/* Not where it is looked for first. */
static __attribute__((noinline)) struct flow *search(const struct flow_table *t,
                                                     const struct pkt *p, enum flow_side_id *side)
{
	struct bucket_cursor at = buckets_start(&t->index, p->hash);
	uint32_t number;

	while ((number = buckets_next(&t->index, &at)) != UINT32_MAX) {
		struct flow *f = from(t, number, p);

		*side = number & 1;
		if (f)
			return f;
	}
	return NULL;
}

struct flow *flow_find(const struct flow_table *t, const struct pkt *p, enum flow_side_id *side)
{
	uint32_t number = buckets_guess(&t->index, p->hash);
	struct flow *f = number == UINT32_MAX ? NULL : from(t, number, p);

	*side = number & 1;
	return f ? f : search(t, p, side);
}

struct flow *flow_find_side(const struct flow_table *t, const struct flow_side *s, bool udp,
                            uint64_t hash, enum flow_side_id *side)
{
	struct pkt p = {.kind = udp ? PKT_UDP : PKT_TCP,
	                .src = flow_peer(s),
	                .sport = s->rport,
	                .dport = s->lport,
	                .own = s->local,
	                .hash = hash};

	return flow_find(t, &p, side);
}

void flow_add(struct flow_table *t, struct flow *f, enum flow_side_id side, uint64_t hash)
{
	buckets_add(&t->index, hash, slab_index(&t->slab, f) * 2 + side);
}

void flow_remove(struct flow_table *t, struct flow *f, enum flow_side_id side, uint64_t hash)
{
	buckets_remove(&t->index, hash, slab_index(&t->slab, f) * 2 + side);
}

/* ---- queues ------------------------------------------------------------------------------ */

static struct flow_queue *queue_of(struct flow_table *t, const struct flow *f)
{
	if (f->state == FLOW_HALF_OPEN)
		return &t->queue[FLOW_QUEUE_HALF_OPEN];
	if (f->state == FLOW_CLOSED)
		return &t->queue[FLOW_QUEUE_CLOSED];
	return &t->queue[FLOW_QUEUE_WHEEL + f->due_s % FLOW_WHEEL_S];
}

static void push(struct flow_table *t, struct flow *f)
{
	struct flow_queue *q = queue_of(t, f);
	uint32_t me = slab_index(&t->slab, f) + 1;

	f->next = 0;
	f->prev = q->last;
	if (q->last)
		flow_at(t, q->last - 1)->next = me;
	else
		q->first = me;
	q->last = me;
}

static void pull(struct flow_table *t, struct flow *f)
{
	struct flow_queue *q = queue_of(t, f);

	if (f->prev)
		flow_at(t, f->prev - 1)->next = f->next;
	else
		q->first = f->next;
	if (f->next)
		flow_at(t, f->next - 1)->prev = f->prev;
	else
		q->last = f->prev;
}

static struct flow *first(const struct flow_table *t, enum flow_queue_id q)
{
	return t->queue[q].first ? flow_at(t, t->queue[q].first - 1) : NULL;
}

static uint16_t time_out(const struct flow_table *t, const struct flow *f)
{
	return f->state == FLOW_CLOSING ? t->config.fin_s : t->idle_s[f->idle];
}

/*
 * On the wheel at the second at which it will be too old, unless something comes. The wheel may be behind the
 * time, and a flow must not come to stand where the wheel is, or behind it: it would meet it again at once.
 */
static void wait(struct flow_table *t, struct flow *f)
{
	uint32_t age = (uint16_t)(t->now_s - f->seen_s), limit = time_out(t, f);
	uint32_t ahead = (uint16_t)(t->now_s - t->wheel_s);

	if (age < limit)
		ahead += limit - age;
	if (ahead > FLOW_WHEEL_S - 1)
		ahead = FLOW_WHEEL_S - 1;
	f->due_s = (uint16_t)(t->wheel_s + ahead);
	push(t, f);
}

static void enter(struct flow_table *t, struct flow *f, enum flow_state state)
{
	f->state = (uint8_t)state;
	if (state == FLOW_ESTABLISHED || state == FLOW_CLOSING) {
		wait(t, f);
		return;
	}
	f->due_s = t->now_s;
	push(t, f);
}

/* ---- life -------------------------------------------------------------------------------- */

struct flow *flow_victim(const struct flow_table *t)
{
	struct flow *f;

	if (t->n_half_open >= t->config.half_open_max)
		return first(t, FLOW_QUEUE_HALF_OPEN);
	if (t->slab.used < t->slab.total)
		return NULL;
	f = first(t, FLOW_QUEUE_CLOSED);
	return f ? f : first(t, FLOW_QUEUE_HALF_OPEN);
}

struct flow *flow_new(struct flow_table *t)
{
	struct flow *f = slab_get(&t->slab);

	if (!f)
		return NULL;
	memset(f, 0, sizeof(*f));
	f->seen_s = t->now_s;
	t->n_half_open++;
	enter(t, f, FLOW_HALF_OPEN);
	return f;
}

void flow_free(struct flow_table *t, struct flow *f)
{
	pull(t, f);
	t->n_half_open -= f->state == FLOW_HALF_OPEN;
	f->state = FLOW_FREE;
	slab_put(&t->slab, f);
}

void flow_set_state(struct flow_table *t, struct flow *f, enum flow_state state)
{
	if (f->state == state)
		return;
	pull(t, f);
	t->n_half_open -= f->state == FLOW_HALF_OPEN;
	t->n_half_open += state == FLOW_HALF_OPEN;
	enter(t, f, state);
}

void flow_renew(struct flow_table *t, struct flow *f)
{
	pull(t, f);
	enter(t, f, FLOW_CLOSED);
}

/* Is a nearer to what is wanted than b? Longer ones before shorter ones. */
static bool nearer(uint16_t a, uint16_t b, uint16_t want)
{
	return a >= want ? b < want || a < b : b < want && a > b;
}

uint8_t flow_idle(struct flow_table *t, uint64_t idle_us)
{
	uint64_t s = (idle_us + 999999) / 1000000;
	uint16_t want = (uint16_t)(s > FLOW_TIME_MAX_S ? FLOW_TIME_MAX_S : s);
	uint32_t best = 0;

	for (uint32_t i = 0; i < t->n_idles; i++) {
		if (t->idle_s[i] == want)
			return (uint8_t)i;
		if (nearer(t->idle_s[i], t->idle_s[best], want))
			best = i;
	}
	if (t->n_idles == FLOW_IDLES)
		return (uint8_t)best;
	t->idle_s[t->n_idles] = want;
	return (uint8_t)t->n_idles++;
}

/* ---- time -------------------------------------------------------------------------------- */

void flow_tick(struct flow_table *t, uint64_t now_us)
{
	t->now_s = (uint16_t)(now_us / 1000000);
}

static bool older(const struct flow_table *t, uint16_t since_s, uint16_t limit_s)
{
	return (uint16_t)(t->now_s - since_s) >= limit_s;
}

/* The next one of the wheel whose second has come. It leaves the wheel when it is not to go. */
static struct flow *turn_wheel(struct flow_table *t, uint32_t *budget)
{
	while (*budget) {
		struct flow *f = first(t, FLOW_QUEUE_WHEEL + t->wheel_s % FLOW_WHEEL_S);

		if (!f && t->wheel_s == t->now_s)
			return NULL;
		if (!f) {
			t->wheel_s++;
			continue;
		}
		--*budget;
		if (older(t, f->seen_s, time_out(t, f)))
			return f;
		pull(t, f);
		wait(t, f);
	}
	return NULL;
}

struct flow *flow_expired(struct flow_table *t, uint32_t *budget)
{
	struct flow *f = first(t, FLOW_QUEUE_HALF_OPEN);

	if (f && *budget && older(t, f->due_s, t->config.syn_s)) {
		--*budget;
		return f;
	}
	f = first(t, FLOW_QUEUE_CLOSED);
	if (f && *budget && older(t, f->due_s, t->config.closed_s)) {
		--*budget;
		return f;
	}
	return turn_wheel(t, budget);
}

uint64_t flow_next(const struct flow_table *t, uint64_t now_us)
{
	return t->slab.used ? now_us - now_us % 1000000 + 1000000 : UINT64_MAX;
}
