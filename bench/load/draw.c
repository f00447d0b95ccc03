/* SPDX-License-Identifier: BSD-3-Clause */
#include "draw.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

#define LENGTH (1u << 18)

static uint64_t next(uint64_t *x)
{
	uint64_t z = (*x += 0x9e3779b97f4a7c15u); /* splitmix64 */

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return z ^ z >> 31;
}

/* Number of the first sum above a part of the whole. */
static uint32_t find(const double *sum, uint32_t n, double part)
{
	uint32_t low = 0, high = n - 1;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (sum[middle] > part * sum[n - 1])
			high = middle;
		else
			low = middle + 1;
	}
	return low;
}

int draw_init(struct draw *d, uint32_t n, double s, uint64_t seed)
{
	double *sum = malloc(n * sizeof(*sum)), total = 0;

	*d = (struct draw){.numbers = malloc(LENGTH * sizeof(*d->numbers)), .mask = LENGTH - 1};
	if (!sum || !d->numbers) {
		free(sum);
		draw_fini(d);
		return -ENOMEM;
	}
	for (uint32_t i = 0; i < n; i++)
		sum[i] = total += pow(i + 1, -s);
	for (uint32_t i = 0; i < LENGTH; i++)
		d->numbers[i] = find(sum, n, (double)(next(&seed) >> 11) * 0x1p-53);
	free(sum);
	return 0;
}

void draw_fini(struct draw *d)
{
	free(d->numbers);
	d->numbers = NULL;
}
