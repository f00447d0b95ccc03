/* SPDX-License-Identifier: BSD-3-Clause */
#include "histogram.h"

#define STEP_BITS 5

/* Values below HISTOGRAM_STEPS have a step each; then the leading bit and the five after it count. */
static uint32_t step_of(uint64_t value)
{
	uint32_t shift;

	if (value < HISTOGRAM_STEPS)
		return (uint32_t)value;
	shift = 63u - (uint32_t)__builtin_clzll(value) - STEP_BITS;
	return (shift + 1) * HISTOGRAM_STEPS + (uint32_t)(value >> shift) - HISTOGRAM_STEPS;
}

static uint64_t lower_end(uint32_t step)
{
	uint32_t shift = step / HISTOGRAM_STEPS;

	if (shift == 0)
		return step;
	return (uint64_t)(HISTOGRAM_STEPS + step % HISTOGRAM_STEPS) << (shift - 1);
}

void histogram_add(struct histogram *h, uint64_t value)
{
	h->total++;
	h->counts[step_of(value)]++;
}

uint64_t histogram_quantile(const struct histogram *h, double part)
{
	uint64_t want = (uint64_t)(part * (double)h->total), seen = 0;
	uint32_t n = sizeof(h->counts) / sizeof(h->counts[0]);

	if (want >= h->total && h->total)
		want = h->total - 1; /* the largest */
	for (uint32_t i = 0; i < n; i++) {
		seen += h->counts[i];
		if (seen > want)
			return lower_end(i);
	}
	return 0;
}
