/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Maglev's tables, on random sets of endpoints: every place has an endpoint, shares are those of the weights,
 * the order of endpoints means nothing, and one that goes moves few places but its own.
 *
 * usage: prop_maglev SEED
 */
#include "../support/rng.h"
#include "build_maglev.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>

#define ROUNDS          40
#define MOST            64
#define SIZE_MAX_PLACES 65537u

static const uint32_t sizes[] = {65537, 65537, 16381, 65521, 7919};

struct world {
	struct rng rng;
	struct endpoint v[MOST];
	uint32_t n, size;
	uint16_t table[SIZE_MAX_PLACES], other[SIZE_MAX_PLACES];
};

static bool is_known(const struct world *w, uint32_t n, const struct endpoint *e)
{
	for (uint32_t i = 0; i < n; i++)
		if (ip_eq(&w->v[i].addr, &e->addr) && w->v[i].port == e->port)
			return true;
	return false;
}

/* Addresses close together, as they are in practice, or far apart. */
static struct endpoint draw_endpoint(struct world *w)
{
	struct endpoint e = {.addr = ip_from_v4(htonl(0x0a000001 + rng_below(&w->rng, 200)))};

	if (rng_below(&w->rng, 4) == 0)
		for (int i = 0; i < 4; i++)
			e.addr.w[i] = (be32_t)rng_next(&w->rng);
	e.port = htons((uint16_t)(8080 + rng_below(&w->rng, 3)));
	return e;
}

static void draw(struct world *w)
{
	bool weighted = rng_below(&w->rng, 2);

	w->n = 1 + rng_below(&w->rng, MOST);
	w->size = sizes[rng_below(&w->rng, sizeof(sizes) / sizeof(sizes[0]))];
	for (uint32_t i = 0; i < w->n; i++) {
		do
			w->v[i] = draw_endpoint(w);
		while (is_known(w, i, &w->v[i]));
		w->v[i].weight = weighted ? 1 + rng_below(&w->rng, 8) : 1;
	}
}

static bool shares_are_right(const struct world *w)
{
	uint32_t seen[MOST] = {0};
	uint64_t sum = 0;

	for (uint32_t p = 0; p < w->size; p++) {
		if (w->table[p] >= w->n)
			return printf("place %u has endpoint %u of %u\n", p, w->table[p], w->n),
			       false;
		seen[w->table[p]]++;
	}
	for (uint32_t i = 0; i < w->n; i++)
		sum += w->v[i].weight;
	for (uint32_t i = 0; i < w->n; i++) {
		double share = (double)w->size * w->v[i].weight / (double)sum;

		/* One turn of each round may be missing at the end, or be one too many. */
		if (seen[i] < share - 2 - share / 100 || seen[i] > share + 2 + share / 100)
			return printf("endpoint %u has %u places, wanted %.1f\n", i, seen[i],
			              share),
			       false;
	}
	return true;
}

static bool order_means_nothing(struct world *w)
{
	struct world *s = malloc(sizeof(*s));
	bool same = true;

	if (!s)
		abort();
	*s = *w;
	for (uint32_t i = w->n; i-- > 1;) {
		uint32_t k = rng_below(&w->rng, i + 1);
		struct endpoint e = s->v[i];

		s->v[i] = s->v[k];
		s->v[k] = e;
	}
	build_maglev_fill(s->v, s->n, s->size, s->table);
	for (uint32_t p = 0; p < w->size && same; p++) {
		const struct endpoint *a = &w->v[w->table[p]], *b = &s->v[s->table[p]];

		same = ip_eq(&a->addr, &b->addr) && a->port == b->port;
	}
	free(s);
	if (!same)
		puts("another order of endpoints gives another table");
	return same;
}

/* Of the places of those that stay, at most 6 in 100 have another one; the mean over all rounds is in main(). */
static bool few_move(struct world *w, double *moved)
{
	uint32_t gone = rng_below(&w->rng, w->n), kept = 0, changed = 0;
	struct endpoint was[MOST];

	for (uint32_t i = 0; i < w->n; i++)
		was[i] = w->v[i];
	w->v[gone] = w->v[w->n - 1];
	build_maglev_fill(w->v, w->n - 1, w->size, w->other);
	for (uint32_t p = 0; p < w->size; p++) {
		const struct endpoint *a = &was[w->table[p]], *b = &w->v[w->other[p]];

		if (w->table[p] == gone)
			continue;
		kept++;
		changed += !ip_eq(&a->addr, &b->addr) || a->port != b->port;
	}
	*moved = (double)changed / kept;
	if (*moved > 0.06)
		printf("%u of %u places moved that need not (%u endpoints, size %u)\n", changed,
		       kept, w->n, w->size);
	return *moved <= 0.06;
}

int main(int argc, char **argv)
{
	uint64_t seed = rng_arg(argc, argv);
	struct world *w = malloc(sizeof(*w));
	double sum = 0, moved;
	uint32_t n = 0;
	bool good = true;

	if (!w)
		abort();
	w->rng = rng_seed(seed);
	for (int i = 0; i < ROUNDS && good; i++) {
		draw(w);
		build_maglev_fill(w->v, w->n, w->size, w->table);
		good = shares_are_right(w) && order_means_nothing(w);
		if (!good || w->n < 2)
			continue;
		good = few_move(w, &moved);
		sum += moved;
		n++;
	}
	printf("seed %llu: %.2f %% of the places of others moved on average\n",
	       (unsigned long long)seed, 100 * sum / (n ? n : 1));
	free(w);
	return good && sum / (n ? n : 1) < 0.015 ? 0 : 1;
}
