/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef WEIR_TESTS_CPU_H
#define WEIR_TESTS_CPU_H

#include <sched.h>
#include <stdint.h>

/** The first CPU this process may use: all workers on one, so that they really get in each other's way. */
static inline uint16_t cpu_any(void)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	sched_getaffinity(0, sizeof(set), &set);
	for (uint16_t cpu = 0; cpu < CPU_SETSIZE; cpu++)
		if (CPU_ISSET(cpu, &set))
			return cpu;
	return 0;
}

#endif
