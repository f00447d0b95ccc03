/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Property: 1 to 64 workers, each walking a split's table from its own start, together keep the shares,
 * whoever is how busy. With D(p) = picks of a destination in the first p places - p x share, a worker that
 * went from place s to place e has D(e) - D(s) picks too many. So, of n workers since their start,
 *
 *   n x min D - sum of D(s)  <=  picks too many  <=  n x max D - sum of D(s)      and max D - min D < 2.
 *
 * The bound is asserted after every pick, for several ways of sharing out the requests; one of them is an
 * adversary who reaches it, so that no better one is true. Workers that take turns stay far within it. At
 * times a reload changes everything but the split.
 * The seed is argv[1].
 */
#include "build_split.h"
#include "pick.h"
#include "rng.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define DESTS_MAX 6
#define SLOTS     3 /* of a worker: the split under test is in the second */

enum load {
	LOAD_TURNS,  /* one after the other, one request each */
	LOAD_ONE,    /* one has nearly all */
	LOAD_BURSTS, /* many for one, then many for another */
	LOAD_ZIPF,   /* worker i has 1 / (i + 1) of what the first has */
	LOAD_RANDOM,
	LOAD_ADVERSARY, /* each until it has most, or least, of one destination */
	LOAD_COUNT,
};

struct run {
	struct rng *rng;
	enum load load;
	uint32_t n_workers, n_dests, weights[DESTS_MAX];
	uint64_t sum;
	struct dest dests[DESTS_MAX];
	struct split split;
	uint16_t *table;
	struct split_state states[WEIR_WORKERS_MAX][SLOTS];
	uint64_t walked[WEIR_WORKERS_MAX];
	/* all times the sum of the weights, so that they are whole numbers */
	int64_t low[DESTS_MAX], high[DESTS_MAX], starts[DESTS_MAX];
	uint64_t picks, counts[DESTS_MAX];
	uint32_t burst_worker, burst_left;
	double worst; /* picks too many or too few of a destination, so far */
};

/* ---- a split ------------------------------------------------------------------------------ */

static int64_t deviation_at(const struct run *r, uint32_t d, uint64_t count, uint64_t places)
{
	return (int64_t)(count * r->sum) - (int64_t)(places * r->weights[d]);
}

/* min D, max D and the sum of D at the workers' starts, of one destination. */
static void find_bounds(struct run *r, uint32_t d)
{
	uint32_t n = r->split.n_table;
	uint64_t count = 0;

	r->low[d] = r->high[d] = r->starts[d] = 0;
	for (uint32_t p = 0; p < n; p++) {
		int64_t at = deviation_at(r, d, count, p);

		r->low[d] = at < r->low[d] ? at : r->low[d];
		r->high[d] = at > r->high[d] ? at : r->high[d];
		for (uint32_t w = 0; w < r->n_workers; w++)
			if (pick_start(w, n) == p)
				r->starts[d] += at;
		count += r->table[p] == d;
	}
}

static void set_up(struct run *r, struct rng *rng, const uint32_t *weights, uint32_t n_dests,
                   uint32_t n_workers)
{
	memset(r, 0, sizeof(*r));
	r->rng = rng;
	r->n_workers = n_workers;
	r->n_dests = n_dests;
	memcpy(r->weights, weights, n_dests * sizeof(*weights));
	for (uint32_t d = 0; d < n_dests; d++)
		r->sum += weights[d];
	r->split = (struct split){.slot = {1, 7}, .n_dests = n_dests, .dests = r->dests};
	r->split.n_table = (uint32_t)build_split_size(weights, n_dests);
	r->table = calloc(r->split.n_table, sizeof(*r->table));
	if (!r->table)
		abort();
	build_split_fill(weights, n_dests, r->table);
	r->split.table = r->table;
	for (uint32_t d = 0; d < n_dests; d++)
		find_bounds(r, d);
}

/* The same split in another snapshot, at another place; a new one in each of the other slots. */
static void reload(struct run *r)
{
	uint32_t n = r->split.n_table;
	uint16_t *table = calloc(n, sizeof(*table));
	struct split other = r->split;

	if (!table)
		abort();
	memcpy(table, r->table, n * sizeof(*table));
	memset(r->table, 0xff, n * sizeof(*table));
	free(r->table);
	r->table = table;
	r->split.table = table;
	other.table = table;
	other.slot.epoch = 100 + (uint32_t)r->picks;
	for (uint32_t w = 0; w < r->n_workers; w++) {
		for (uint32_t slot = 0; slot < SLOTS; slot += 2) {
			other.slot.index = slot;
			pick_next(&r->states[w][slot], &other, w);
		}
	}
}

/* ---- who gets the next request -------------------------------------------------------------- */

static uint32_t zipf_worker(struct run *r)
{
	double total = 0, at;

	for (uint32_t w = 0; w < r->n_workers; w++)
		total += 1.0 / (w + 1);
	at = total * (double)rng_below(r->rng, 1u << 24) / (1u << 24);
	for (uint32_t w = 0; w < r->n_workers; w++) {
		at -= 1.0 / (w + 1);
		if (at < 0)
			return w;
	}
	return r->n_workers - 1;
}

static uint32_t burst_worker(struct run *r)
{
	if (r->burst_left == 0) {
		r->burst_worker = rng_below(r->rng, r->n_workers);
		r->burst_left = 1 + rng_below(r->rng, 3 * r->split.n_table);
	}
	r->burst_left--;
	return r->burst_worker;
}

static uint32_t next_worker(struct run *r)
{
	switch (r->load) {
	case LOAD_TURNS: return (uint32_t)(r->picks % r->n_workers);
	case LOAD_ONE: return rng_below(r->rng, 50) ? 0 : rng_below(r->rng, r->n_workers);
	case LOAD_BURSTS: return burst_worker(r);
	case LOAD_ZIPF: return zipf_worker(r);
	default: return rng_below(r->rng, r->n_workers);
	}
}

/* ---- the property --------------------------------------------------------------------------- */

static bool within(struct run *r)
{
	int64_t n = (int64_t)r->n_workers, sum = (int64_t)r->sum;

	for (uint32_t d = 0; d < r->n_dests; d++) {
		int64_t off = deviation_at(r, d, r->counts[d], r->picks);
		double picks = (double)(off < 0 ? -off : off) / (double)sum;

		r->worst = picks > r->worst ? picks : r->worst;
		if (off > n * r->high[d] - r->starts[d] || off < n * r->low[d] - r->starts[d] ||
		    r->high[d] - r->low[d] >= 2 * sum || off >= 2 * n * sum || off <= -2 * n * sum)
			return false;
	}
	return true;
}

static bool pick(struct run *r, uint32_t w)
{
	const struct dest *d = pick_next(&r->states[w][1], &r->split, w);

	r->counts[d - r->dests]++;
	r->walked[w]++;
	r->picks++;
	return within(r);
}

/* Where the worker stands, as D there, of destination d. */
static int64_t standing(const struct run *r, uint32_t w, uint32_t d)
{
	uint32_t n = r->split.n_table;
	uint64_t place = (pick_start(w, n) + r->walked[w]) % n, count = 0;

	for (uint64_t p = 0; p < place; p++)
		count += r->table[p] == d;
	return deviation_at(r, d, count, place);
}

/* Drive each worker to the extreme of one destination; all of them there is the bound, and no less. */
static bool run_adversary(struct run *r, uint32_t d, bool most)
{
	int64_t goal = most ? r->high[d] : r->low[d];
	int64_t bound = (int64_t)r->n_workers * goal - r->starts[d];

	for (uint32_t w = 0; w < r->n_workers; w++) {
		int64_t at = standing(r, w, d);

		while (at != goal) {
			uint64_t before = r->counts[d];

			if (!pick(r, w))
				return false;
			at += (int64_t)((r->counts[d] - before) * r->sum) - (int64_t)r->weights[d];
		}
	}
	return deviation_at(r, d, r->counts[d], r->picks) == bound;
}

static bool run_load(struct run *r, uint64_t picks)
{
	for (uint64_t i = 0; i < picks; i++) {
		if (!pick(r, next_worker(r)))
			return false;
		if (rng_below(r->rng, 5000) == 0)
			reload(r);
	}
	return true;
}

static bool run(struct run *r, enum load load)
{
	uint64_t round = (uint64_t)r->n_workers * r->split.n_table;
	uint32_t d = rng_below(r->rng, r->n_dests);

	r->load = load;
	if (load == LOAD_ADVERSARY)
		return run_adversary(r, d, true) && run_adversary(r, d, false);
	/* a whole round of turns ends where it began: exact */
	if (load == LOAD_TURNS && round <= 1000000) {
		if (!run_load(r, round))
			return false;
		for (d = 0; d < r->n_dests; d++)
			if (deviation_at(r, d, r->counts[d], r->picks) != 0)
				return false;
	}
	return run_load(r, 30000);
}

/* ---- rounds ----------------------------------------------------------------------------------- */

static uint32_t make_weights(struct rng *rng, uint32_t n_workers, uint32_t *weights)
{
	static const uint32_t usual[][2] = {{90, 10}, {99, 1}, {9999, 1}, {50, 50}, {1, 999}};
	uint32_t n = 2 + rng_below(rng, DESTS_MAX - 1), kind = rng_below(rng, 4);

	for (uint32_t i = 0; i < n; i++)
		weights[i] = kind == 0 ? rng_below(rng, 100) : 1 + rng_below(rng, 1000);
	if (kind == 1) /* hard for workers that take turns: all are at one place of the weight */
		weights[0] = n_workers * (1 + rng_below(rng, 3));
	weights[n - 1] += weights[n - 1] == 0;
	if (kind != 2)
		return n;
	memcpy(weights, usual[rng_below(rng, 5)], sizeof(usual[0]));
	return 2;
}

/* Shares that people ask for, requests in turn: nobody can see that there are several workers. */
static bool usual_splits_in_turns(struct rng *rng)
{
	static const uint32_t usual[][3] = {{90, 10},  {99, 1},  {95, 5},   {50, 50},
	                                    {75, 25},  {60, 40}, {1, 1, 1}, {999, 1},
	                                    {9999, 1}, {70, 30}, {80, 20},  {80, 15, 5}};
	static struct run r;

	for (size_t i = 0; i < sizeof(usual) / sizeof(usual[0]); i++) {
		double worst = 0;

		for (uint32_t n = 1; n <= WEIR_WORKERS_MAX; n++) {
			bool good;

			set_up(&r, rng, usual[i], usual[i][2] ? 3 : 2, n);
			good = run(&r, LOAD_TURNS);
			worst = r.worst > worst ? r.worst : worst;
			free(r.table);
			if (!good)
				return false;
		}
		printf("%u/%u/%u in turns, 1 to 64 workers: at most %.2f picks off\n", usual[i][0],
		       usual[i][1], usual[i][2], worst);
		if (worst >= 4)
			return false;
	}
	return true;
}

int main(int argc, char **argv)
{
	static const char *const names[] = {"turns", "one",    "bursts",
	                                    "zipf",  "random", "adversary"};
	uint64_t seed = rng_arg(argc, argv);
	struct rng rng = rng_seed(seed);
	double worst[LOAD_COUNT] = {0};
	static struct run r;

	for (uint32_t round = 0; round < 300; round++) {
		uint32_t n_workers =
			round % 4 ? 1 + rng_below(&rng, WEIR_WORKERS_MAX) : WEIR_WORKERS_MAX;
		enum load load = round % LOAD_COUNT;
		uint32_t weights[DESTS_MAX], n = make_weights(&rng, n_workers, weights);
		bool good;

		set_up(&r, &rng, weights, n, n_workers);
		good = run(&r, load);
		worst[load] = r.worst > worst[load] ? r.worst : worst[load];
		free(r.table);
		if (good)
			continue;
		printf("seed %" PRIu64 ", round %u, %u workers, load %s: shares not kept\n", seed,
		       round, n_workers, names[load]);
		return 1;
	}
	for (int load = 0; load < LOAD_COUNT; load++)
		printf("%s: at most %.2f picks off\n", names[load], worst[load]);
	return usual_splits_in_turns(&rng) ? 0 : 1;
}
