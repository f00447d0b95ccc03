/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Time of a worker: microseconds since the node started, read from the time stamp counter, which
 * costs no system call. Every worker derives it from the same two numbers.
 */
#ifndef WEIR_IO_CLOCK_H
#define WEIR_IO_CLOCK_H

#include <rte_cycles.h>

__extension__ typedef unsigned __int128 clock_product;

struct clock {
	uint64_t start_tsc;
	uint64_t us_per_tsc; /* in units of 2^-52 us */
};

static inline void clock_init(struct clock *c)
{
	c->start_tsc = rte_rdtsc();
	c->us_per_tsc = (uint64_t)(((clock_product)1000000 << 52) / rte_get_tsc_hz());
}

/** Microseconds from start to tsc. Starts at one second, so that 0 can mean "never". */
static inline uint64_t clock_us(const struct clock *c, uint64_t tsc)
{
	clock_product t = (clock_product)(tsc - c->start_tsc) * c->us_per_tsc;

	return 1000000 + (uint64_t)(t >> 52);
}

/** Length in nanoseconds of a number of time stamp counter cycles. */
static inline uint64_t clock_ns(uint64_t cycles)
{
	return (uint64_t)((clock_product)cycles * 1000000000u / rte_get_tsc_hz());
}

#endif
