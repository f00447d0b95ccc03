/* SPDX-License-Identifier: BSD-3-Clause */
/* Which endpoint of a subset: ROUND_ROBIN, RANDOM, LEAST_REQUEST or MAGLEV, weighted. */
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

/* Who asks, for choices that depend on it. */
struct balance_client {
	const struct ip_addr *addr, *local;
	be16_t port, lport;
	bool udp;
};

/**
 * Hash of a client for a consistent choice. Without a key, so that every node chooses alike: a client can
 * find out, and choose by its port, where its connections go.
 */
uint64_t balance_hash(enum hash_on on, const struct balance_client *c);

/**
 * Choose an endpoint.
 *
 * @param avoid  an endpoint not to choose if there is another (a retry), or NULL
 * @param c      whose connection or request it is for; read with MAGLEV only
 * @return       NULL when the subset has no endpoint
 *
 * LEAST_REQUEST is the power of two choices (Mitzenmacher 2001): of two random endpoints the one with
 * fewer active requests per weight.
 */
const struct endpoint *balance_pick(const struct balance_env *e, const struct subset *s,
                                    const struct endpoint *avoid, const struct balance_client *c);

#endif
