/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Place number t is a turn. The j-th turn (from 0) of an entry of weight w may not come before turn
 * floor(j N / w) and must come before turn ceil((j + 1) N / w). Giving each turn to the entry that may
 * have it and whose end comes first meets all of them, and whoever keeps to these bounds is never
 * a whole turn ahead or behind.
 * Source: Baruah, Cohen, Plaxton, Varvel: "Proportionate progress" (1996), for one resource.
 */
#include "build_split.h"

#include <stdbool.h>
#include <stdlib.h>

#define NONE UINT32_MAX

static uint64_t gcd(uint64_t a, uint64_t b)
{
	while (b) {
		uint64_t r = a % b;

		a = b;
		b = r;
	}
	return a;
}

static uint64_t divisor_of(const uint32_t *weights, uint32_t n)
{
	uint64_t g = 0;

	for (uint32_t i = 0; i < n; i++)
		g = gcd(g, weights[i]);
	return g;
}

uint64_t build_split_size(const uint32_t *weights, uint32_t n)
{
	uint64_t sum = 0, g = divisor_of(weights, n);

	for (uint32_t i = 0; i < n; i++)
		sum += weights[i];
	return g ? sum / g : 0;
}

struct entry {
	uint64_t weight; /* over the divisor */
	uint64_t done;   /* turns had */
	uint64_t end;    /* the next turn must come before this */
	uint32_t next;   /* in the list of those who may begin at the same turn */
};

struct schedule {
	struct entry *entries;
	uint64_t n_turns;
	uint32_t *begin; /* [n_turns] list of entries that may have a turn from then on */
	uint32_t *heap;  /* entries that may have a turn now, the earliest end on top */
	uint32_t n_heap;
};

/* Ties go to the entry that stands first. */
static bool before(const struct schedule *s, uint32_t a, uint32_t b)
{
	const struct entry *x = &s->entries[a], *y = &s->entries[b];

	return x->end != y->end ? x->end < y->end : a < b;
}

static void heap_push(struct schedule *s, uint32_t e)
{
	uint32_t i = s->n_heap++;

	for (; i > 0 && before(s, e, s->heap[(i - 1) / 2]); i = (i - 1) / 2)
		s->heap[i] = s->heap[(i - 1) / 2];
	s->heap[i] = e;
}

static uint32_t heap_pop(struct schedule *s)
{
	uint32_t top = s->heap[0], last = s->heap[--s->n_heap], i = 0;

	for (uint32_t child; (child = 2 * i + 1) < s->n_heap; i = child) {
		if (child + 1 < s->n_heap && before(s, s->heap[child + 1], s->heap[child]))
			child++;
		if (!before(s, s->heap[child], last))
			break;
		s->heap[i] = s->heap[child];
	}
	s->heap[i] = last;
	return top;
}

/* Put the next turn of an entry on the calendar; now: the first turn not given yet. */
static void plan(struct schedule *s, uint32_t e, uint64_t now)
{
	struct entry *x = &s->entries[e];
	uint64_t begin = x->done * s->n_turns / (x->weight ? x->weight : 1);

	if (x->done == x->weight)
		return;
	x->end = ((x->done + 1) * s->n_turns + x->weight - 1) / x->weight;
	if (begin < now)
		begin = now;
	x->next = s->begin[begin];
	s->begin[begin] = e;
}

static void run(struct schedule *s, uint32_t n, uint16_t *table)
{
	for (uint32_t e = 0; e < n; e++)
		plan(s, e, 0);
	for (uint64_t turn = 0; turn < s->n_turns; turn++) {
		for (uint32_t e = s->begin[turn]; e != NONE; e = s->entries[e].next)
			heap_push(s, e);
		uint32_t e = heap_pop(s);

		table[turn] = (uint16_t)e;
		s->entries[e].done++;
		plan(s, e, turn + 1);
	}
}

static void *must(void *p)
{
	if (!p)
		abort();
	return p;
}

void build_split_fill(const uint32_t *weights, uint32_t n, uint16_t *table)
{
	struct schedule s = {.n_turns = build_split_size(weights, n)};
	uint64_t g = divisor_of(weights, n);

	if (s.n_turns == 0)
		return;
	s.entries = must(calloc(n, sizeof(*s.entries)));
	s.heap = must(calloc(n, sizeof(*s.heap)));
	s.begin = must(calloc(s.n_turns, sizeof(*s.begin)));
	for (uint64_t i = 0; i < s.n_turns; i++)
		s.begin[i] = NONE;
	for (uint32_t i = 0; i < n; i++)
		s.entries[i].weight = weights[i] / g;
	run(&s, n, table);
	free(s.entries);
	free(s.heap);
	free(s.begin);
}
