/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What is known of flows that devices forward alone. Plain words with one writer, as in stats.h.
 */
#ifndef WEIR_OFFLOAD_H
#define WEIR_OFFLOAD_H

#include "weir/node.h"

#include <stdbool.h>
#include <stdint.h>

enum offload_fail {
#define OFFLOAD_FAIL(sym, name, help) OFFLOAD_FAIL_##sym,
#include "weir/offload.def"
	OFFLOAD_FAILS,
};

enum offload_why {
#define OFFLOAD_WHY(sym, name, help) OFFLOAD_WHY_##sym,
#include "weir/offload.def"
	OFFLOAD_WHYS,
};

/* Of one worker and one port; the port is the one that the packets come in on. */
struct offload_counts {
	uint64_t rules;    /* in the device, those on their way in or out included */
	uint64_t room;     /* rules that it is believed to take */
	uint64_t inserted; /* rules that the device took */
	uint64_t failed[OFFLOAD_FAILS];
	uint64_t removed[OFFLOAD_WHYS];
	uint64_t pkts, bytes; /* that the device forwarded or marked; bytes of IP packets */
};

/** Add what another worker counted. */
void offload_add(struct offload_counts *to, const struct offload_counts *counts);

/** Short stable names ("room") and sentences; never NULL. */
const char *offload_level_name(enum offload_level l);
const char *offload_fail_name(enum offload_fail f);
const char *offload_fail_help(enum offload_fail f);
const char *offload_why_name(enum offload_why w);
const char *offload_why_help(enum offload_why w);

#endif
