/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Tables of consistent choice: a hash of the client gives a place, and the place an endpoint. Every node
 * that knows the same endpoints makes the same table, and an endpoint that comes or goes moves few of the
 * places that are not its own.
 *
 * Source: Eisenbud et al., "Maglev: A Fast and Reliable Software Network Load Balancer" (NSDI 2016),
 * section 3.4.
 */
#ifndef WEIR_BUILD_MAGLEV_H
#define WEIR_BUILD_MAGLEV_H

#include "weir/snapshot.h"

#define BUILD_MAGLEV_DEFAULT 65537u   /* Envoy's */
#define BUILD_MAGLEV_LIMIT   5000011u /* Envoy's: sizes are below */

bool build_maglev_is_prime(uint32_t n);

/**
 * How many places for so many endpoints: the default, or a prime of 100 times the endpoints, which bounds
 * the difference of their shares to one percent (section 5.3 of the source).
 */
uint32_t build_maglev_size(uint32_t n_endpoints);

/**
 * Fill a table.
 *
 * @param v      endpoints: addresses, ports and weights count, their order does not
 * @param n      1 to 65535
 * @param size   a prime
 * @param table  size places; gets indexes into v
 */
void build_maglev_fill(const struct endpoint *v, uint32_t n, uint32_t size, uint16_t *table);

#endif
