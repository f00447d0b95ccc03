/* SPDX-License-Identifier: BSD-3-Clause */
/* What the parts of the builder share; nobody else includes it. */
#ifndef WEIR_BUILD_PARTS_H
#define WEIR_BUILD_PARTS_H

#include "build.h"
#include "heap.h"
#include "strmap.h"

/* What a snapshot holds outside its heap, to give back. Lives in the heap. */
struct build_owner {
	struct heap *heap;
	struct hsdb *hsdb;
	struct registry *registry;
	struct held_slot *slots;
	struct held_db *dbs;
};

/* Services, rules and workloads by name; see build_upstream.c. */
struct build_upstream {
	struct strmap services; /* host -> struct service */
	struct strmap rules;    /* exact host -> struct rule_list */
	struct rule_list *wild; /* wildcard hosts */
	struct strmap
		workloads;     /* "namespace/" and "namespace/key=value" -> struct workload_list */
	struct strmap subsets; /* cluster name -> struct subset */
	struct strmap unresolved; /* cluster names that wait for a resolver */
	bool indexed;             /* the maps above were filled */
};

struct build {
	const struct docset *docs;
	const struct build_options *o;
	const char *domain;
	struct diag_list *diags;
	struct heap *heap;    /* the snapshot's */
	struct arena scratch; /* until the build is over */
	struct build_owner *owner;
	struct build_upstream upstream;
	struct strmap routes; /* rule and port -> struct route */
	struct strmap said;   /* warnings that were given already */
};

/* One match block of one rule, as it applies to one listener. */
struct build_block {
	const struct istio_object *vs;
	const struct istio_http_route *rule;
	const struct istio_http_match *match; /* NULL: the rule has none */
	uint32_t rule_index;
	bool catch_all;
};

struct build_blocks {
	struct build_block *v;
	uint32_t n;
	uint32_t cap;
};

/* ---- build.c ---- */

/** A copy in the snapshot; absent when text is NULL. */
struct str build_str(struct build *b, const char *text);

/** A formatted text in the snapshot. */
struct str build_printf(struct build *b, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/** The slot of an identity, held by the snapshot; an error at `at` when the space is full. */
struct slot build_slot(struct build *b, enum registry_space space, const char *identity,
                       struct where at);

/** A database held by the snapshot, or NULL with err filled. */
const struct hs_database *build_database(struct build *b, const struct hsdb_pattern *patterns,
                                         uint32_t n, struct hsdb_error *err);

/** True the first time it is asked about this place and code: warnings are given once. */
bool build_first_time(struct build *b, struct where at, const char *code);

/** Say what the following diagnostics are about. */
void build_about(struct build *b, const struct istio_object *o);

/* ---- build_hosts.c ---- */

/** Listeners with their host names and virtual hosts. */
void build_listeners(struct build *b, struct snapshot *s);

/* ---- build_match.c ---- */

/** Does this block match everything, as Istio decides it (IsCatchAllRoute)? */
bool build_is_catch_all(const struct istio_http_match *m);

/** The clauses of a virtual host and their database, from its blocks. */
void build_clauses(struct build *b, const struct build_blocks *blocks, uint16_t port,
                   struct vhost *v);

/* ---- build_shadow.c ---- */

/** Warn of blocks that another VirtualService's earlier block keeps from ever being reached. */
void build_shadow(struct build *b, const struct build_blocks *blocks, const char *host);

/* ---- build_route.c ---- */

/** The action of a rule for requests that arrive on a port; the same one for all that share it. */
const struct route *build_route(struct build *b, const struct build_block *block, uint16_t port);

/** An action that sends to https, for the hosts of a server with tls.httpsRedirect. */
const struct route *build_https_redirect(struct build *b, const char *gateway);

/* ---- build_value.c ---- */

/** Header operations of one level, in the order in which they are applied. */
struct header_ops build_header_ops(struct build *b, const struct istio_header_operations *ops,
                                   bool leave_out_host);

/** Does the level set or add Host? */
bool build_sets_host(const struct istio_header_operations *ops);

/* ---- build_upstream.c ---- */

/* What a destination means on a port. */
struct build_target {
	const struct subset *subset; /* NULL: unknown */
	const char *name;            /* "host|subset|port" */
	bool by_port;                /* depends on the port the request arrived on */
};

/** Look up a destination of a rule in namespace ns; warns when there is none. */
struct build_target build_target(struct build *b, const struct istio_destination *d, const char *ns,
                                 uint16_t port);

#endif
