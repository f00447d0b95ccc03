/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Which rule a request meets: listener, then virtual host, then the first clause whose conditions all
 * hold. Reads the snapshot only; the scratch is the worker's own.
 *
 * First match in document order, whatever the number of rules: one walk down the tree of the host's
 * literal paths, or one Hyperscan scan where there are regular expressions, sets a bit for each clause
 * whose uri condition holds, and the lowest bits are tried in order for the rest.
 */
#ifndef WEIR_ROUTE_H
#define WEIR_ROUTE_H

#include "http1.h"

#include "weir/snapshot.h"

#define ROUTE_CLAUSES_MAX 65536      /* of one virtual host; the builder refuses more */
#define ROUTE_JOINED_MAX  (1u << 20) /* bytes; limits.header is no more */

/** Index of the listener of TCP on this address and port (the more specific address wins), or -1. */
int route_listener(const struct snapshot *s, const struct ip_addr *addr, be16_t port);

/** The same, of TCP (whatever is on it) or of UDP: both may have the same port. */
int route_listener_of(const struct snapshot *s, const struct ip_addr *addr, be16_t port, bool udp);

/**
 * The virtual host for a Host header: port stripped, case ignored, exact name, else the longest
 * suffix pattern, else "*". NULL: none, answer 404.
 */
const struct vhost *route_host(const struct listener *l, struct str authority);

/** The same for the server name of a TLS connection: no port, and an absent name meets "*" only. */
const struct vhost *route_name(const struct listener *l, struct str name);

/** Work space of route_match(), one per worker: ROUTE_CLAUSES_MAX bits. Opaque; zero it once. */
struct route_bits {
	uint64_t words[ROUTE_CLAUSES_MAX / 64];
	uint64_t dirty[ROUTE_CLAUSES_MAX / 4096];
	char joined[ROUTE_JOINED_MAX]; /* values of a field that stands there several times */
};

static inline void route_bits_set(struct route_bits *bits, uint32_t clause)
{
	bits->words[clause / 64] |= 1ull << (clause % 64);
	bits->dirty[clause / 4096] |= 1ull << (clause / 64 % 64);
}

/**
 * The first clause of v that the request meets; NULL: none, answer 404.
 *
 * @param scratch  this worker's scratch of the snapshot that v belongs to; may be NULL when the
 *                 snapshot has no database
 */
const struct clause *route_match(const struct vhost *v, const struct http1_request *r,
                                 struct hs_scratch *scratch, struct route_bits *bits);

#endif
