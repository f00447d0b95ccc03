/* SPDX-License-Identifier: BSD-3-Clause */
/* Drawing from lists, for programs that make documents at random from one seed. */
#ifndef WEIR_TESTS_DRAW_H
#define WEIR_TESTS_DRAW_H

#include <stdbool.h>
#include <stdint.h>

static uint64_t draw_state; /* the seed, not 0, to begin with */

static inline uint32_t rnd(uint32_t below)
{
	draw_state ^= draw_state << 13, draw_state ^= draw_state >> 7,
		draw_state ^= draw_state << 17;
	return (uint32_t)(draw_state >> 33) % below;
}

static inline bool one_in(uint32_t n)
{
	return rnd(n) == 0;
}

#define PICK(list) (list)[rnd(sizeof(list) / sizeof((list)[0]))]

#endif
