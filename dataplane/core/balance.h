/* SPDX-License-Identifier: BSD-3-Clause */
/* Which endpoint of a subset: ROUND_ROBIN, RANDOM or LEAST_REQUEST, weighted. */
#ifndef WEIR_BALANCE_H
#define WEIR_BALANCE_H

#include "weir/snapshot.h"
#include "weir/stats.h"

/* Of one worker and one subset; index: the subset's slot. */
struct subset_state {
	uint32_t epoch;
	uint32_t cursor;
};

/* What choosing needs from the worker. */
struct balance_env {
	struct subset_state *subsets;           /* indexed by slot */
	const struct endpoint_stats *endpoints; /* indexed by slot: active requests */
	uint64_t *rng;                          /* state of this worker's generator */
};

/**
 * Choose an endpoint.
 *
 * @param avoid  an endpoint not to choose if there is another (a retry), or NULL
 * @return       NULL when the subset has no endpoint
 *
 * LEAST_REQUEST is the power of two choices (Mitzenmacher 2001): of two random endpoints the one with
 * fewer active requests per weight.
 */
const struct endpoint *balance_pick(const struct balance_env *e, const struct subset *s,
                                    const struct endpoint *avoid);

#endif
