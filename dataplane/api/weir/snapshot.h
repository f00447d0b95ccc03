/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The snapshot: everything the workers need to know about routing, built whole by ctrl, read by core.
 *
 * Immutable from the moment it is published. What two snapshots have in common they share: virtual
 * hosts, routes, subsets, scratch space are at the same address in both; ctrl counts who has them
 * (ctrl/part.h). Nothing in it is per worker, except scratch[] and inflight[], which the comments mark.
 *
 * What has to survive a change (where a split stands, pools of connections, statistics) lives in
 * the workers, in arrays indexed by a *slot*. ctrl's registry gives an identity ("endpoint
 * 10.0.0.1:80 of subset v1 of httpbin") the same slot in every snapshot that has it, with an
 * *epoch* that tells a reused slot from the old one: a worker that finds another epoch in its
 * array resets that element first.
 *
 *   listener -- hosts --> vhost -- clauses --> route -- split --> dest --> subset --> endpoint
 *   (addr:port)           (one Host)  (match)  (action) (weights)          (LB policy) (addr:port)
 *      |  TLS: hosts --> vhost -- tls --> l4_route -- split --> ...
 *      '  TCP, UDP: l4 ----------------> l4_route -- split --> ...
 *
 * In-flight requests keep using the snapshot under which they were routed: a worker counts them in
 * inflight[worker], and ctrl frees a snapshot when it is no longer the current one, every worker
 * has passed a quiescent state since, and every inflight[] is zero.
 */
#ifndef WEIR_SNAPSHOT_H
#define WEIR_SNAPSHOT_H

#include "weir/addr.h"
#include "weir/line.h"
#include "weir/str.h"

#include <assert.h>
#include <stddef.h>
#include <string.h>

#define WEIR_WORKERS_MAX 64

struct hs_database; /* Hyperscan */
struct hs_scratch;

/* A place in the workers' arrays. */
struct slot {
	uint32_t index;
	uint32_t epoch; /* never 0 */
};

/* ---- matching --------------------------------------------------------------------------- */

enum match_op {
	MATCH_ANY,     /* no condition */
	MATCH_PRESENT, /* header or parameter is there, with any value */
	MATCH_EXACT,
	MATCH_PREFIX,
	MATCH_REGEX, /* RE2 meaning: the whole string */
};

struct str_match {
	uint8_t op; /* enum match_op */
	bool nocase;
	struct str text; /* EXACT, PREFIX: what to compare with; REGEX: the pattern's text */
	const struct hs_database *db; /* REGEX: block-mode database of this one pattern, anchored */
};

enum match_subject {
	SUBJECT_HEADER, /* name: lower-case field name */
	SUBJECT_METHOD,
	SUBJECT_SCHEME,
	SUBJECT_AUTHORITY,
	SUBJECT_PATH, /* ":path": with the query, as Envoy's pseudo header */
};

/* Header condition. A header that occurs several times is joined with "," before matching. */
struct header_match {
	uint8_t subject; /* enum match_subject */
	bool invert;     /* withoutHeaders: a missing header counts as "" unless op is PRESENT */
	struct str name;
	struct str_match value;
};

/* Query parameter condition: raw bytes, first occurrence, names case-sensitive. */
struct query_match {
	struct str name;
	struct str_match value;
};

/*
 * One match block of one HTTP rule. Clauses of a vhost stand in the order in which they are tried;
 * a clause without conditions matches everything. method, scheme and authority are in headers[].
 */
struct clause {
	struct str_match
		uri; /* on the normalised path without query; REGEX is decided by vhost->db only */
	bool uri_found; /* vhost->db or vhost->paths decides the uri condition */
	uint16_t n_headers;
	uint16_t n_queries;
	const struct header_match *headers;
	const struct query_match *queries;
	const struct route *route;
	struct str name; /* "rule" or "rule.match" as in Istio; empty when unnamed */
};

/*
 * Literal paths as a tree (core/path_tree.c). Node 0 is the root. ids: clauses by index; those of a node
 * stand together, the prefixes' first.
 */
#define PATH_LABEL 29
#define PATH_KIDS  16
struct path_node {
	alignas(64) uint32_t kids; /* the first; its siblings follow in the order of first[] */
	uint32_t ids;
	uint32_t n_prefix, n_exact;
	uint16_t
		n_kids; /* > PATH_KIDS: kids is a place in wide[], where 256 nodes stand by byte, 0: none */
	uint8_t len; /* of the label */
	char label[PATH_LABEL];
	uint8_t first[PATH_KIDS]; /* each kid's label's first byte */
};
static_assert(sizeof(struct path_node) == 64, "a node is one cache line");

struct path_tree {
	const struct path_node *nodes;
	const uint32_t *ids;
	const uint32_t *wide;
};

struct vhost {
	struct str name; /* the host pattern: "a.example.com", "*.example.com", "*" */
	uint32_t n_clauses;
	const struct clause *clauses;
	/* One of these or none. None: compare the uri conditions one by one. */
	const struct hs_database *db;
	const struct path_tree *paths;
	uint32_t n_direct;
	const uint32_t *direct; /* with one: the clauses whose uri is not in it, ascending */
	/* A server name of a TLS listener has these instead of clauses, in the order in which they are tried. */
	uint32_t n_tls;
	const struct tls_rule *tls;
};

/* Exact names: open addressing, power of two, at most half full; empty rows have vhost == NULL. */
struct host_row {
	uint64_t hash; /* host_hash() of name */
	struct str name;
	const struct vhost *vhost;
};

/*
 * Host names of a listener. exact: whole names. suffix: "*suffix" patterns stored without the star,
 * so "*.foo.com" is ".foo.com" and "*-foo.com" is "-foo.com"; suffix_lens lists the distinct suffix
 * lengths, longest first, so the longest suffix that is shorter than the host wins. any: "*".
 */
struct host_table {
	uint32_t exact_mask; /* rows - 1; exact == NULL when there is none */
	uint32_t suffix_mask;
	const struct host_row *exact;
	const struct host_row *suffix;
	uint32_t n_suffix_lens;
	const uint16_t *suffix_lens;
	const struct vhost *any; /* or NULL */
};

/* Eight letters at once to lower case; other bytes stay. */
static inline uint64_t host_lower8(uint64_t w)
{
	const uint64_t each = 0x0101010101010101ull;
	uint64_t low = w & 0x7f * each;
	uint64_t upper = (low + (0x80 - 'A') * each) & ~(low + (0x7f - 'Z') * each) & ~w;

	return w | (upper & 0x80 * each) >> 2;
}

/**
 * Hash of a host name, letter case ignored. Fixed: builder and worker must agree. Eight bytes a step, each
 * multiplied by 2^64 divided by the golden ratio (Knuth, volume 3, section 6.4) and its high half mixed in.
 */
static inline uint64_t host_hash(struct str name)
{
	const uint64_t golden = 0x9e3779b97f4a7c15ull;
	uint64_t h = name.len * golden, w;
	uint32_t i = 0;

	for (; i + 8 <= name.len; i += 8) {
		memcpy(&w, name.p + i, 8);
		h = (h ^ host_lower8(w)) * golden;
		h ^= h >> 32;
	}
	for (w = 0; i < name.len; i++)
		w = w << 8 | (uint8_t)str_lower(name.p[i]);
	h = (h ^ w) * golden;
	return h ^ h >> 32;
}

/* ---- actions ---------------------------------------------------------------------------- */

enum value_part_kind {
	VALUE_LITERAL,
	VALUE_REQ,         /* %REQ(name)%: a request header, empty when missing */
	VALUE_CLIENT_ADDR, /* %DOWNSTREAM_REMOTE_ADDRESS% with port */
	VALUE_CLIENT_IP,   /* %DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT% */
	VALUE_PROTOCOL,    /* %PROTOCOL% "HTTP/1.1" */
};

struct value_part {
	uint8_t kind;    /* enum value_part_kind */
	struct str text; /* LITERAL: the bytes; REQ: lower-case field name */
};

enum header_op_kind {
	HEADER_REMOVE,
	HEADER_SET,
	HEADER_ADD,
};

struct header_op {
	uint8_t kind; /* enum header_op_kind */
	uint16_t n_parts;
	struct str
		name; /* as written; compared without case. Host (request set/add) is handled as authority */
	const struct value_part *parts;
};

/* In the order in which they are applied: removes, sets by name, adds by name (one level). */
struct header_ops {
	uint32_t n;
	const struct header_op *ops;
};

enum route_kind {
	ROUTE_FORWARD,
	ROUTE_REDIRECT,
	ROUTE_DIRECT,
};

enum redirect_port {
	REDIRECT_PORT_NONE,     /* keep what Istio's rules say for the host's own port */
	REDIRECT_PORT_EXPLICIT, /* redirect.port */
	REDIRECT_PORT_REQUEST,  /* the listener's port */
	REDIRECT_PORT_DEFAULT, /* FROM_PROTOCOL_DEFAULT: Istio adds no port, exactly as with NONE */
};

struct redirect {
	uint16_t status;   /* 301, 302, 303, 307, 308 */
	uint8_t port_from; /* enum redirect_port */
	uint16_t port;
	struct str scheme;    /* absent: the request's */
	struct str authority; /* absent: the request's Host */
	struct str uri;       /* absent: the request's path */
};

struct direct_response {
	uint16_t status;
	struct str body; /* absent: none */
};

struct dest {
	const struct subset
		*subset; /* NULL: host or subset unknown, answer 503 with an empty body */
	uint32_t weight;
	struct header_ops
		request_ops; /* applied after the route's, see header_ops of struct route */
	struct header_ops response_ops;
	struct slot stats; /* struct dest_stats */
	struct str name;   /* "host|subset|port", for stats */
};

/*
 * Which destination a request goes to: the table is walked by a cursor of each worker, so N picks
 * in a row hit every destination exactly in its share. table[i] is an index into dests.
 */
struct split {
	struct slot
		slot; /* struct split_state: identity is the route with its destinations and weights */
	uint32_t n_dests;
	uint32_t n_table; /* >= 1 */
	const struct dest *dests;
	const uint16_t *table;
};

struct route {
	struct str name;     /* "namespace/virtual-service/rule" for people, stats, logs */
	struct str source;   /* "file:line:column" of the rule, or empty */
	uint8_t kind;        /* enum route_kind */
	bool rewrite_host;   /* authority is set */
	uint64_t timeout_us; /* 0: none. Runs from the end of the request, includes retries */
	struct str
		rewrite_uri; /* absent: none. Replaces the prefix that matched, else the whole path */
	struct str authority;          /* new Host, when rewrite_host */
	struct header_ops request_ops; /* route level, before the destination's */
	struct header_ops response_ops;
	const struct split *split;            /* FORWARD */
	const struct redirect *redirect;      /* REDIRECT */
	const struct direct_response *direct; /* DIRECT */
	struct slot
		stats; /* struct dest_stats of the route itself: REDIRECT and DIRECT count here */
};

/* ---- connections ------------------------------------------------------------------------ */

/* Where the connections of a TCP or UDP listener, or of a server name, go: chosen once for each. */
struct l4_route {
	struct str name;           /* "namespace/virtual-service/rule" */
	struct str source;         /* "file:line:column" of the rule, or empty */
	const struct split *split; /* its destinations have no header operations */
};

/* One rule for a server name of TLS. */
struct tls_rule {
	uint32_t n_alpn;
	const struct str *alpn; /* the client must offer one of these protocols; none: any client */
	const struct l4_route *route;
};

/* ---- upstream --------------------------------------------------------------------------- */

enum balance_policy {
	BALANCE_LEAST_REQUEST, /* power of two choices; Istio's default */
	BALANCE_ROUND_ROBIN,   /* weighted */
	BALANCE_RANDOM,        /* weighted */
	BALANCE_MAGLEV,        /* by a hash of the connection: see subset.maglev */
};

/* How packets of a TCP or UDP listener reach an endpoint. */
enum forward_mode {
	FORWARD_NAT, /* both addresses and ports are rewritten: answers come back through us */
	FORWARD_DSR, /* only the MAC address is: the endpoint has our address and answers the client itself */
	FORWARD_IPIP, /* inside IP (RFC 2003, 2473): the same from another network */
	FORWARD_GUE, /* inside UDP, Generic UDP Encapsulation version 0 (draft-ietf-intarea-gue-09) */
};

enum proxy_protocol {
	PROXY_PROTOCOL_NONE,
	PROXY_PROTOCOL_V1,
	PROXY_PROTOCOL_V2,
};

/* What a consistent choice depends on. */
enum hash_on {
	HASH_ON_TUPLE,  /* addresses and ports of the client's packet */
	HASH_ON_SOURCE, /* the client's address: Istio's useSourceIp */
};

struct endpoint {
	struct ip_addr addr;
	be16_t port;
	uint32_t weight; /* >= 1 */
	struct slot
		slot; /* struct endpoint_state: pools, active requests; identity is address, port and subset key */
	struct str name; /* "address:port", or the WorkloadEntry's name and that, for people */
};

/* Endpoints of one (host, port, subset): Envoy calls it a cluster. */
struct subset {
	struct str
		name; /* "outbound|80|v1|httpbin.sample-app.svc.cluster.local" as Istio names it */
	struct slot slot;       /* struct subset_state: round-robin cursor */
	uint8_t policy;         /* enum balance_policy */
	uint8_t mode;           /* enum forward_mode; of TCP and UDP listeners only */
	uint8_t proxy_protocol; /* enum proxy_protocol: tells the endpoint who the client is */
	uint8_t hash_on;        /* enum hash_on, with BALANCE_MAGLEV */
	be16_t gue_port;        /* FORWARD_GUE: UDP port of the endpoint */
	uint64_t connect_timeout_us;
	uint64_t idle_timeout_us; /* of a connection of layer 4 without a packet; 0: the node's */
	uint32_t n_endpoints;     /* 0: answer 503 "no healthy upstream" */
	uint32_t
		n_table; /* 0 when all weights are equal; else a smooth weighted order for ROUND_ROBIN and RANDOM */
	const struct endpoint *endpoints;
	const uint16_t *table; /* indexes into endpoints, each in its share */
	/*
	 * Maglev (Eisenbud et al. 2016, section 3.4): indexes into endpoints, a prime number of them. Made from
	 * names alone, so every node with these documents makes the same, and an endpoint that comes or goes
	 * moves few of the others' places.
	 */
	uint32_t n_maglev;
	const uint16_t *maglev;
};

/* ---- the whole -------------------------------------------------------------------------- */

enum listener_kind {
	LISTENER_HTTP,
	LISTENER_TCP, /* connections are forwarded packet by packet (l4.h) */
	LISTENER_TLS, /* passed through by the server name of the ClientHello: hosts, vhost.tls */
	LISTENER_UDP,
};

struct listener {
	struct ip_addr addr; /* all zero: any address of ours */
	be16_t port;
	uint8_t kind; /* enum listener_kind */
	bool stream; /* TCP: end the client's TCP here, because a destination wants the PROXY protocol */
	bool quic; /* UDP: follow connection ids, so that a client may change its address */
	bool accept_http10;        /* false: HTTP/1.0 gets 426, as in Istio */
	bool https_redirect;       /* Gateway tls.httpsRedirect on a plain HTTP server */
	struct str name;           /* "gateway-namespace/gateway/server" or "weir.yaml" */
	struct host_table hosts;   /* HTTP, TLS */
	const struct l4_route *l4; /* TCP, UDP; NULL: no rule, refuse */
};

struct inflight {
	alignas(LINE_APART) uint64_t requests; /* worker: w, ctrl: r (after a grace period) */
};

struct snapshot {
	uint64_t generation; /* counts up from 1 */
	uint32_t n_listeners;
	uint32_t n_workers;
	const struct listener *listeners;
	struct hs_scratch *
		scratch[WEIR_WORKERS_MAX]; /* worker: its own only; NULL when no database is used */
	struct inflight inflight[WEIR_WORKERS_MAX]; /* worker: its own only */
	void *owner;                                /* ctrl's handle for freeing it */
};

static_assert(sizeof(struct inflight) == LINE_APART, "workers write these with every request");
static_assert(offsetof(struct snapshot, owner) % LINE_APART == 0, "nothing beside inflight[]");

#endif
