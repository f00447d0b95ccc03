/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Property: in a weighted table every entry has exactly its share, and in any window of k places, also
 * around the end, differs from k x share by less than two. All windows are looked at: with
 * D(p) = count in the first p places - p x share, a window's difference is D(q) - D(p), so it is
 * enough that max D - min D < 2 (around the end D goes on where it began, since D(N) = 0).
 * The seed is argv[1].
 */
#include "build_split.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#define ENTRIES_MAX 40

static uint64_t state;

static uint32_t rnd(void)
{
	state ^= state << 13, state ^= state >> 7, state ^= state << 17;
	return (uint32_t)(state >> 32);
}

/* Small sums, one giant and dwarfs, equal ones, zeros, common factors. */
static uint32_t make_weights(uint32_t *w)
{
	uint32_t n = 1 + rnd() % (rnd() % 4 ? 5 : ENTRIES_MAX), kind = rnd() % 5;
	uint32_t factor = rnd() % 3 ? 1 : 1 + rnd() % 1000000;

	for (uint32_t i = 0; i < n; i++) {
		w[i] = kind == 0   ? 1 + rnd() % 10
		       : kind == 1 ? 1 + rnd() % 1000
		       : kind == 2 ? 1
		                   : 0;
		if (kind == 3)
			w[i] = i == 0 ? 10000 + rnd() % 20000 : rnd() % 3;
		if (kind == 4)
			w[i] = rnd() % 100;
		if (rnd() % 8 == 0)
			w[i] = 0;
		if (w[i] <= UINT32_MAX / factor)
			w[i] *= factor;
	}
	return n;
}

static bool check(const uint32_t *w, uint32_t n, const uint16_t *table, uint64_t size)
{
	uint64_t sum = 0, count[ENTRIES_MAX] = {0};
	int64_t low[ENTRIES_MAX] = {0}, high[ENTRIES_MAX] = {0};

	for (uint32_t i = 0; i < n; i++)
		sum += w[i];
	for (uint64_t p = 0; p < size; p++) {
		if (table[p] >= n || w[table[p]] == 0)
			return false;
		count[table[p]]++;
		for (uint32_t i = 0; i < n; i++) { /* sum x D(p + 1) */
			int64_t d = (int64_t)(count[i] * sum) - (int64_t)((p + 1) * w[i]);

			low[i] = d < low[i] ? d : low[i];
			high[i] = d > high[i] ? d : high[i];
		}
	}
	for (uint32_t i = 0; i < n; i++)
		if (count[i] * sum != size * w[i] || high[i] - low[i] >= 2 * (int64_t)sum)
			return false;
	return true;
}

int main(int argc, char **argv)
{
	static uint16_t table[BUILD_SPLIT_MAX];
	uint64_t seed = argc > 1 ? strtoull(argv[1], NULL, 0) : 1;
	uint32_t w[ENTRIES_MAX], n, checked = 0;

	state = seed * 0x9e3779b97f4a7c15ull | 1;
	for (int round = 0; round < 3000; round++) {
		n = make_weights(w);
		uint64_t size = build_split_size(w, n);

		if (size == 0 || size > BUILD_SPLIT_MAX)
			continue;
		build_split_fill(w, n, table);
		checked++;
		if (check(w, n, table, size))
			continue;
		fprintf(stderr, "seed %" PRIu64 ", round %d: weights", seed, round);
		for (uint32_t i = 0; i < n; i++)
			fprintf(stderr, " %u", w[i]);
		fputc('\n', stderr);
		return 1;
	}
	printf("%u tables\n", checked);
	return checked > 1000 ? 0 : 1;
}
