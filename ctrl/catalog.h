/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What is in a snapshot, as lists: every route once, every endpoint once, in an order for people.
 * The workers' view is made for look-ups; reports and metrics want to go through it.
 */
#ifndef WEIR_CATALOG_H
#define WEIR_CATALOG_H

#include "weir/snapshot.h"

/* A route of requests or one of connections. */
struct catalog_route {
	const struct route *route; /* NULL: of connections */
	const struct l4_route *l4; /* or NULL */
	struct str name, source;
	const struct split *split; /* or NULL */
	uint64_t listeners;        /* bit i: listener i, for the first 64 */
	uint32_t order;
};

struct catalog_endpoint {
	const struct subset *subset;
	const struct endpoint *endpoint;
};

/* Points into the snapshot. */
struct catalog {
	uint32_t n_routes, n_endpoints;
	struct catalog_route
		*routes; /* by virtual host, then in the order in which they are tried */
	struct catalog_endpoint *endpoints; /* by subset */
};

/** @return false when out of memory; the catalog is empty then */
bool catalog_init(struct catalog *c, const struct snapshot *s);
void catalog_fini(struct catalog *c);

/** How many host names and patterns a listener has. */
uint32_t catalog_hosts(const struct listener *l);

#endif
