/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the load generator saw, as lines of a key and a value, for a script.
 */
#ifndef WEIR_BENCH_LOAD_REPORT_H
#define WEIR_BENCH_LOAD_REPORT_H

#include "clients.h"
#include "flood.h"
#include "options.h"
#include "servers.h"

struct load {
	struct wire edge, back;
	struct body body;
	struct clients clients;
	struct servers servers;
	struct flood flood;
	struct l4 l4;
	uint64_t turns, idle_turns;
	uint64_t last_turn, away; /* TSC: when the last began; how long one may take */
};

/** @param tsc  length of the time that was counted */
void report_write(const struct load *l, const struct options *o, uint64_t tsc);

/** Lines "curve PERCENTILE MICROSECONDS REQUESTS": five steps each time that the rest is halved. */
void report_curve(const struct histogram *h, double tsc_hz);

/** Is the split exact? Writes the counts. right: of all requests since the beginning, none in flight. */
bool report_split(const struct options *o, const uint64_t right[OPTIONS_VERSIONS]);

#endif
