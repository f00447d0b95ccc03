/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Each endpoint has a permutation of the places, its list of preferences: offset + i * skip modulo the
 * size, both from a hash of its address and port. The endpoints take turns, and each takes the next place
 * on its list that is free, until none is. A weight decides how many turns: one of half the largest
 * weight has every other turn.
 *
 * Who is first among equals must not hang on the documents' order, so turns go by address and port.
 */
#include "build_maglev.h"

#include <arpa/inet.h>
#include <stdlib.h>

#define FREE UINT16_MAX

bool build_maglev_is_prime(uint32_t n)
{
	for (uint32_t d = 2; (uint64_t)d * d <= n; d++)
		if (n % d == 0)
			return false;
	return n >= 2;
}

uint32_t build_maglev_size(uint32_t n_endpoints)
{
	uint64_t want = (uint64_t)n_endpoints * 100;
	uint32_t size = want < BUILD_MAGLEV_LIMIT ? (uint32_t)want : BUILD_MAGLEV_LIMIT - 1;

	if (want <= BUILD_MAGLEV_DEFAULT)
		return BUILD_MAGLEV_DEFAULT;
	while (!build_maglev_is_prime(size))
		size++;
	return size;
}

/* An endpoint on its way through its list. */
struct taker {
	uint16_t index; /* of the endpoint */
	uint32_t rank;  /* among all, by address and port */
	uint32_t skip;
	uint32_t next; /* place to look at */
	uint64_t weight;
	uint64_t turns; /* had */
	uint64_t round; /* of the next one */
};

/* The last step of SplitMix64 (Steele, Lea, Flood 2014). */
static uint64_t mix(uint64_t z)
{
	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
	return z ^ (z >> 31);
}

/* Fixed for ever: nodes of different versions stand side by side. seed: one for each use. */
static uint64_t hash_place(const struct endpoint *e, uint64_t seed)
{
	uint64_t h = mix(seed + ntohs(e->port));

	for (size_t i = 0; i < sizeof(e->addr.b); i++)
		h = mix(h * 31 + e->addr.b[i] + 0x9e3779b97f4a7c15ull);
	return h;
}

static int by_place(const void *a, const void *b)
{
	const struct endpoint *x = *(const struct endpoint *const *)a;
	const struct endpoint *y = *(const struct endpoint *const *)b;
	int order = memcmp(x->addr.b, y->addr.b, sizeof(x->addr.b));

	return order ? order : (int)ntohs(x->port) - (int)ntohs(y->port);
}

static void *must(void *p)
{
	if (!p)
		abort();
	return p;
}

static struct taker *takers_new(const struct endpoint *v, uint32_t n, uint32_t size)
{
	struct taker *t = must(calloc(n, sizeof(*t)));
	const struct endpoint **sorted = must(calloc(n, sizeof(const struct endpoint *)));

	for (uint32_t i = 0; i < n; i++)
		sorted[i] = &v[i];
	qsort(sorted, n, sizeof(const struct endpoint *), by_place);
	for (uint32_t i = 0; i < n; i++) {
		t[i].index = (uint16_t)(sorted[i] - v);
		t[i].rank = i;
		t[i].round = 1;
		t[i].next = (uint32_t)(hash_place(sorted[i], 1) % size);
		t[i].skip = (uint32_t)(hash_place(sorted[i], 2) % (size - 1)) + 1;
		t[i].weight = sorted[i]->weight ? sorted[i]->weight : 1;
	}
	free(sorted);
	return t;
}

static void take(struct taker *t, uint32_t size, uint16_t *table)
{
	while (table[t->next] != FREE)
		t->next = (t->next + t->skip) % size;
	table[t->next] = t->index;
}

/* In one round, the order of place. */
static bool before(const struct taker *a, const struct taker *b)
{
	return a->round != b->round ? a->round < b->round : a->rank < b->rank;
}

/* The first of a heap has a later round now: let it down. */
static void sift(struct taker *heap, uint32_t n)
{
	struct taker t = heap[0];
	uint32_t i = 0;

	for (uint32_t child; (child = 2 * i + 1) < n; i = child) {
		if (child + 1 < n && before(&heap[child + 1], &heap[child]))
			child++;
		if (before(&t, &heap[child]))
			break;
		heap[i] = heap[child];
	}
	heap[i] = t;
}

/* The k-th turn (from 0) of weight w is in the first round in which round * w is k * most or more. */
static void set_next_round(struct taker *t, uint64_t most)
{
	uint64_t due = (++t->turns * most + t->weight - 1) / t->weight;

	t->round = due > t->round ? due : t->round + 1;
}

void build_maglev_fill(const struct endpoint *v, uint32_t n, uint32_t size, uint16_t *table)
{
	struct taker *heap = takers_new(v, n, size); /* sorted, so it is one */
	uint64_t most = 0;

	memset(table, 0xff, size * sizeof(*table));
	for (uint32_t i = 0; i < n; i++)
		most = heap[i].weight > most ? heap[i].weight : most;
	for (uint32_t left = size; left > 0; left--) {
		take(&heap[0], size, table);
		set_next_round(&heap[0], most);
		sift(heap, n);
	}
	free(heap);
}
