/* SPDX-License-Identifier: BSD-3-Clause */
/* What the parts of the builder share; nobody else includes it. */
#ifndef WEIR_BUILD_PARTS_H
#define WEIR_BUILD_PARTS_H

#include "build.h"
#include "part.h"
#include "strmap.h"

/*
 * What a snapshot is made of, by key. Keys of different kinds differ: services are host names, units
 * have a '/', hosts begin with the listener's number and a ':'.
 */
enum build_kind {
	BUILD_SERVICES,  /* struct build_list: host -> ServiceEntry objects that name it */
	BUILD_RULES,     /* struct build_list: host or pattern -> DestinationRule objects */
	BUILD_WORKLOADS, /* struct build_list: "ns/", "ns/key=value" -> WorkloadEntry objects */
	BUILD_CLUSTERS,  /* struct build_cluster: "outbound|port|subset|host"; used by units */
	BUILD_NAMED,     /* those of the clusters with endpoints that DNS gives */
	BUILD_UNITS,     /* struct build_unit: "namespace/name" of a VirtualService */
	BUILD_HOSTS,     /* struct build_host: "listener:host" */
	BUILD_TALKERS,   /* those of all that have something to say: diags */
	BUILD_KINDS,
};

/* Objects that say something about one key, in the order of effect. */
struct build_list {
	struct part part;
	bool services; /* of BUILD_SERVICES */
	uint32_t n, room;
	const struct istio_object **v;
};

/* A subset of a host on a port, with what it was made from that is in no document. */
struct build_cluster {
	struct part part;
	struct subset subset;
	const char *host;
	bool waits; /* there was no resolver yet */
	struct build_asked *asked;
};

/* An answer of the resolver. */
struct build_asked {
	struct build_asked *next;
	const char *name;
	uint32_t n;
	struct ip_addr *addrs;
};

/* A route that was made of a rule; by_port: for what arrives on this port only. */
struct build_made {
	struct build_made *next;
	const struct route *route; /* of an HTTP rule */
	const struct l4_route *l4; /* of a TLS or TCP rule */
	bool by_port;
	uint16_t port;
};

struct build_text {
	struct build_text *next;
	const char *text;
};

/*
 * A VirtualService and the routes of its rules. Depends on the object, the plan and the clusters of its
 * destinations; it holds the latter two.
 */
struct build_unit {
	struct part part;
	const struct istio_object *o;
	struct build_use *uses;
	struct build_made **made;        /* [number of rules: http, tls, tcp] */
	struct build_text *destinations; /* hosts, each once */
};

/* A rule that applies to a use, by index. */
struct build_rule {
	struct build_rule *next;
	uint32_t index;
};

/* A VirtualService on one host name of one listener. Lives in the unit. */
struct build_use {
	struct build_use *next;
	struct build_unit *unit;
	const char *key; /* "listener:host" */
	uint32_t listener;
	struct build_text *gateways; /* through which it comes */
	bool mesh;                   /* bound without naming a gateway */
	const char *redirect;        /* not NULL: gateway that sends everything to https */
	struct build_rule *rules;    /* TLS, TCP, UDP listeners: those that apply, ascending */
};

/*
 * A host name of a listener; of a TCP or UDP listener, which has but one: "*". Depends on the uses and the
 * plan; holds their units.
 */
struct build_host {
	struct part part;
	uint32_t listener;
	const char *name;     /* pattern */
	const char *redirect; /* gateway of the plan that sends everything to https, or NULL */
	uint32_t n_uses;
	const struct build_use **uses; /* in document order */
	const struct vhost *vhost;     /* NULL: nothing applies */
	const struct l4_route *l4;     /* of a TCP or UDP listener, or NULL: likewise */
	bool stream;                   /* l4 has a destination that wants the PROXY protocol */
	struct str row;                /* name in the listener's table */
};

/* Hyperscan's scratch space, one a worker, for the databases of a snapshot and maybe more. */
struct build_scratch {
	struct part part;
	uint32_t n;
	struct hs_scratch *v[WEIR_WORKERS_MAX];
};

struct build_plan;

/* Wildcard hosts that have a DestinationRule. */
struct build_wild {
	struct part part;
	uint32_t n;
	const char **hosts;
};

/* All that belongs to a snapshot, and from which the next one is built. The snapshot's owner. */
struct build_world {
	struct heap *heap; /* flat tables of the snapshot */
	struct hsdb *hsdb;
	struct registry *registry;
	struct docset *docs;
	struct build_options options;
	struct build_plan *plan;
	struct build_wild *wild;
	struct build_scratch *scratch;
	struct partmap maps[BUILD_KINDS];
};

struct build_objects {
	const struct istio_object **v;
	uint32_t n, cap;
};

struct build {
	const struct docset *docs;
	const struct build_options *o;
	const char *domain;
	struct build_world *world;
	const struct snapshot *base;     /* or NULL */
	const struct build_world *was;   /* of base, or NULL */
	struct part *part;               /* being made */
	struct heap *heap;               /* of part */
	struct diag_list *diags;         /* of part */
	struct arena scratch;            /* until the build is over */
	struct part *fresh;              /* parts made by this build */
	struct strmap dirty;             /* hosts of services that are not what they were */
	struct build_objects gone, come; /* VirtualServices */
	struct build_objects workloads, wild_rules; /* went or came; the latter: of a pattern */
	struct strmap went;                         /* keys of units that are not used any more */
	struct strmap seen;                         /* what a unit has already: "unit what" */
	struct strmap said;                         /* full spaces that were told already */
	bool again; /* something else than was foreseen: build from nothing */
};

/* One match block of one rule, as it applies to one listener. */
struct build_block {
	const struct istio_object *vs;
	struct build_unit *unit;
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

/** A new part, which the build frees when nobody took it. */
void *build_part(struct build *b, size_t size, const char *key, size_t room);

/* What was being made before build_enter(). */
struct build_frame {
	struct part *part;
	struct diag_list *diags;
};

/** Allocate in this part, and have it hold slots and databases. Diagnostics stay where they go. */
struct build_frame build_enter(struct build *b, struct part *part);

/** The same, and diagnostics go to the part. */
struct build_frame build_enter_all(struct build *b, struct part *part);
void build_leave(struct build *b, struct build_frame was);

/** Put a part into the new world, or take one out. */
void build_put(struct build *b, enum build_kind kind, struct part *p);
void build_remove(struct build *b, enum build_kind kind, const char *key);
void *build_get(const struct build *b, enum build_kind kind, const char *key);

/** A copy in the part; absent when text is NULL. */
struct str build_str(struct build *b, const char *text);

/** A formatted text in the part. */
struct str build_printf(struct build *b, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/** The slot of an identity, held by the part; an error at `at` when the space is full. */
struct slot build_slot(struct build *b, enum registry_space space, const char *identity,
                       struct where at);

/** A database held by the part, or NULL with err filled. */
const struct hs_database *build_database(struct build *b, const struct hsdb_pattern *patterns,
                                         uint32_t n, struct hsdb_error *err);

/** True the first time this unit (or whatever) is asked about what. */
bool build_first_time(struct build *b, const char *whose, const char *what);

/** Say what the following diagnostics are about. */
void build_about(struct build *b, const struct istio_object *o);

/** Add an object to a list. */
void build_add(struct build *b, struct build_objects *list, const struct istio_object *o);

/* ---- build_index.c ---- */

/** Bring the lists of objects up to date and find out which services and VirtualServices changed. */
void build_index(struct build *b);

/* ---- build_plan.c ---- */

/** Listeners and their servers, from the Gateways or the node's settings. */
struct build_plan *build_plan(struct build *b);

/** Number of listeners; fill one, except its hosts. */
uint32_t build_plan_listeners(const struct build_plan *plan);
void build_plan_listener(struct build *b, const struct build_plan *plan, uint32_t i,
                         struct listener *out);

/** The words for a kind of listener: "HTTP", "TCP", "TLS", "UDP". */
const char *build_kind_name(uint8_t kind);

/** A VirtualService with all its uses. */
struct build_unit *build_unit(struct build *b, const struct istio_object *o);

/** Call back for each host of a server that sends everything to https, and its gateway. */
typedef void build_redirect_fn(struct build *b, void *arg, uint32_t listener, const char *host,
                               const char *gateway);
void build_plan_redirects(struct build *b, const struct build_plan *plan, build_redirect_fn *fn,
                          void *arg);

/** "namespace/name" of an item of gateways, or NULL for the mesh. Warns when there is no such one. */
const char *build_gateway_named(struct build *b, const struct istio_object *o,
                                const struct istio_text *item);

/* ---- build_hosts.c ---- */

/** Make what changed of the virtual hosts, and the tables that lead to all of them. */
void build_hosts(struct build *b, struct snapshot *s);

/* ---- build_match.c ---- */

/** Does this block match everything, as Istio decides it (IsCatchAllRoute)? */
bool build_is_catch_all(const struct istio_http_match *m);

/** The tree of those clauses' uris that have uri_found set; at least one has. In the part's heap. */
const struct path_tree *build_paths(struct build *b, const struct clause *clauses, uint32_t n);

/** The clauses of a virtual host and their database, from its blocks. */
void build_clauses(struct build *b, const struct build_blocks *blocks, uint16_t port,
                   struct vhost *v);

/* ---- build_shadow.c ---- */

/** Warn of blocks that another VirtualService's earlier block keeps from ever being reached. */
void build_shadow(struct build *b, const struct build_blocks *blocks, const char *host);

/* ---- build_route.c ---- */

/** The action of a rule for requests that arrive on a port; the same one for all that share it. */
const struct route *build_route(struct build *b, const struct build_block *block, uint16_t port);

/* A destination with its weight, of any kind of rule. */
struct build_share {
	struct where at;
	const struct istio_destination *destination;
	int64_t weight;
	const struct istio_headers *headers; /* or NULL */
};

/* The destinations of a rule that is being made. */
struct build_shares {
	struct where at;
	struct build_unit *unit;
	const char *identity; /* of the rule: unique in the node */
	bool host_is_set;     /* the rule changes Host, so a destination may not */
	uint32_t n;
	const struct build_share *v;
};

/** A split over them; *by_port is set when it holds for this port only. */
const struct split *build_shares(struct build *b, const struct build_shares *s, uint16_t port,
                                 bool *by_port);

/**
 * What was made of rule number index (among all of its VirtualService) for a port, or NULL with *fresh set:
 * to be filled in between build_enter_all() and build_leave() of the unit's part. NULL and not fresh: the
 * unit cannot be changed any more, b->again is set.
 */
struct build_made *build_made(struct build *b, struct build_unit *unit, uint32_t index,
                              uint16_t port, bool *fresh);

/** An action that sends to https, for the hosts of a server with tls.httpsRedirect. */
const struct route *build_https_redirect(struct build *b, const char *gateway);

/* ---- build_l4.c ---- */

/** The rules of a server name of a TLS listener. NULL: none. */
const struct vhost *build_tls(struct build *b, const struct build_host *h, uint16_t port);

/** Where the connections of a TCP or UDP listener go: h->l4 and h->stream. */
void build_l4(struct build *b, struct build_host *h, const struct listener *l);

/* ---- build_value.c ---- */

/** Header operations of one level, in the order in which they are applied. */
struct header_ops build_header_ops(struct build *b, const struct istio_header_operations *ops,
                                   bool leave_out_host);

/** Does the level set or add Host? */
bool build_sets_host(const struct istio_header_operations *ops);

/* ---- build_upstream.c ---- */

/** Labels of a WorkloadEntry are those of its spec and of its metadata; are all wanted ones there? */
bool build_has_labels(const struct istio_pairs *want, const struct istio_pairs *spec,
                      const struct istio_pairs *metadata);

/** Has the resolver another answer than when the cluster was made? */
bool build_names_changed(struct build *b, const struct build_cluster *c);

/* What a destination means on a port. */
struct build_target {
	const struct subset *subset; /* NULL: unknown */
	const char *name;            /* "host|subset|port" */
	bool by_port;                /* depends on the port the request arrived on */
};

/** Protocol of the service's port that a destination means; ISTIO_PROTOCOL_UNKNOWN: it is not there. */
enum istio_protocol build_target_protocol(struct build *b, const struct istio_destination *d,
                                          const char *ns, uint16_t port);

/** Look up a destination of a rule; warns when there is none. The unit holds it from now on. */
struct build_target build_target(struct build *b, const struct istio_destination *d,
                                 struct build_unit *unit, uint16_t port);

#endif
