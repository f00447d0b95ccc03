/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Documents to snapshot: everything that Istio decides when it generates Envoy's configuration is
 * decided here, once, so that the workers only look up.
 *
 *   docset --+--> listeners and bindings     build_plan.c      2.5, 2.6 of the routing language
 *            +--> what speaks of whom        build_index.c
 *            +--> host names                 build_hosts.c     2.7
 *            +--> clauses and their database build_match.c     2.2 to 2.4
 *            +--> actions and splits         build_route.c, build_split.c     2.1, 2.9 to 2.12
 *            +--> subsets and endpoints      build_upstream.c  2.8, 2.17
 *
 * A snapshot is made of parts (part.h), and the next one takes over those whose documents are the same:
 * one changed VirtualService costs its own routes and virtual hosts. docs/decisions/0050.
 *
 * A build either gives a whole snapshot or none; the diagnostics say why, or what is doubtful in what
 * was built: an unknown gateway, destination or subset, rules that are never reached.
 *
 * Threads: one build at a time, in any thread. build_free() of others may run meanwhile in another.
 */
#ifndef WEIR_BUILD_H
#define WEIR_BUILD_H

#include "diag.h"
#include "docset.h"
#include "hsdb.h"
#include "registry.h"

#include "weir/snapshot.h"

/* A listener of the node file; used when there is no Gateway document. */
struct build_listener {
	struct ip_addr addr; /* all zero, 0.0.0.0: any */
	uint16_t port;       /* host order */
};

/**
 * Addresses of a DNS name as known now.
 *
 * @param arg    build_options.resolve_arg
 * @param name   lower-case, without trailing dot
 * @param addrs  gets the addresses; they stay valid until the build is over
 * @return       how many; 0: none known
 *
 * Called in the thread of the build.
 */
typedef uint32_t build_resolve_fn(void *arg, const char *name, const struct ip_addr **addrs);

/* How the node reads documents. Zero-initialised means: the defaults. */
struct build_options {
	const char *domain;   /* suffix of short names; NULL: "cluster.local" */
	bool strict_gateways; /* without `gateways`: bound to nothing, as in Istio */
	bool accept_http10;
	uint32_t n_workers; /* 0: 1 */
	uint32_t n_listeners;
	const struct build_listener *listeners;
	build_resolve_fn *resolve; /* NULL: names have no addresses, and nothing is said about it */
	void *resolve_arg;
};

/**
 * Build a snapshot.
 *
 * @param docs        validated documents; the snapshot keeps a copy of the set
 * @param o           options; likewise
 * @param hsdb        where databases come from; must outlive the snapshot
 * @param registry    where slots come from; must outlive the snapshot
 * @param generation  of the snapshot, from 1
 * @param diags       gets errors and warnings
 * @return            the snapshot, to be freed with build_free(); NULL when diags got an error
 */
struct snapshot *build_snapshot(const struct docset *docs, const struct build_options *o,
                                struct hsdb *hsdb, struct registry *registry, uint64_t generation,
                                struct diag_list *diags);

/**
 * Build the next snapshot from one: the same as build_snapshot() with its hsdb and registry would give,
 * at the cost of what differs. With other options or Gateways everything is built.
 *
 * @param base  may be in use; shares parts with the new one afterwards, and either may be freed first
 */
struct snapshot *build_next(const struct snapshot *base, const struct docset *docs,
                            const struct build_options *o, uint64_t generation,
                            struct diag_list *diags);

/** Free a snapshot that no worker uses any more: its slots may be used again. NULL is fine. */
void build_free(struct snapshot *s);

/**
 * Every DNS name whose addresses the documents need, each once.
 *
 * @param add  called with each name, lower-case without trailing dot, valid during the call
 */
void build_names(const struct docset *docs, void (*add)(void *arg, const char *name), void *arg);

#endif
