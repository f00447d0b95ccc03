/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a worker counts, as ctrl reads it: plain uint64_t with one writer (the worker); the reader
 * sums over the workers without locks and tolerates values that are a moment apart.
 */
#ifndef WEIR_STATS_H
#define WEIR_STATS_H

#include "weir/drops.h"
#include "weir/snapshot.h"

enum counter {
#define COUNTER(sym, kind, help) COUNT_##sym,
#include "weir/counters.def"
	COUNTER_COUNT,
};

/** Short stable name ("RX_PKTS") and sentence; never NULL. */
const char *counter_name(enum counter c);
const char *counter_help(enum counter c);
bool counter_is_gauge(enum counter c);

/*
 * Latency histogram, log-linear: 16 linear steps per power of two, from 1 us to 2^26 us (67 s), so
 * a percentile read from it is at most 6.25 % off. Bucket of v: see latency_bucket().
 */
#define LATENCY_SUB_BITS 4
#define LATENCY_BUCKETS  ((26 - LATENCY_SUB_BITS + 2) << LATENCY_SUB_BITS)

/** Bucket number of a latency in microseconds; the last bucket takes everything longer. */
static inline uint32_t latency_bucket(uint64_t us)
{
	uint32_t shift, b;

	if (us < (1u << LATENCY_SUB_BITS))
		return (uint32_t)us;
	shift = 63u - (uint32_t)__builtin_clzll(us) - LATENCY_SUB_BITS;
	b = ((shift + 1) << LATENCY_SUB_BITS) +
	    (uint32_t)((us >> shift) & ((1u << LATENCY_SUB_BITS) - 1));
	return b < LATENCY_BUCKETS ? b : LATENCY_BUCKETS - 1;
}

/** Smallest latency (us) that falls into bucket b. */
static inline uint64_t latency_floor(uint32_t b)
{
	uint32_t shift = b >> LATENCY_SUB_BITS;

	if (shift == 0)
		return b;
	return (uint64_t)((1u << LATENCY_SUB_BITS) | (b & ((1u << LATENCY_SUB_BITS) - 1)))
	       << (shift - 1);
}

/* Of one destination of one route (or of a route that answers by itself); index: slot of the dest. */
struct dest_stats {
	uint32_t epoch; /* slot's epoch these figures belong to; others mean zero */
	uint32_t pad;
	uint64_t picks;  /* requests the split sent here (retries do not pick again) */
	uint64_t active; /* requests in progress */
	uint64_t status
		[6]; /* responses by class: [1] 1xx .. [5] 5xx, [0] none (client gone, cut off) */
	uint64_t local;    /* responses made by Weir itself (5xx local replies), also in status[] */
	uint64_t rx_bytes; /* response body bytes received from the endpoint */
	uint64_t tx_bytes; /* request body bytes sent to the endpoint */
	uint64_t latency_us_sum;
	uint32_t latency[LATENCY_BUCKETS]; /* request's last byte in to response's last byte out */
};

/* Of one endpoint; index: slot of the endpoint. */
struct endpoint_stats {
	uint32_t epoch;
	uint32_t pad;
	uint64_t requests;
	uint64_t active;
	uint64_t conns;    /* open */
	uint64_t idle;     /* open and in the pool */
	uint64_t connects; /* attempts */
	uint64_t connect_fails;
	uint64_t resets; /* closed by the endpoint before a whole response */
};

/* Everything one worker counts. ctrl: read only. */
struct worker_stats {
	uint64_t generation; /* of the snapshot this worker uses */
	uint64_t counters[COUNTER_COUNT];
	uint64_t ends[DROP_COUNT];
	struct dest_stats *dests;         /* [n_dests], indexed by slot */
	struct endpoint_stats *endpoints; /* [n_endpoints], indexed by slot */
	uint32_t n_dests;
	uint32_t n_endpoints;
};

#endif
