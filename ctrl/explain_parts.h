/* SPDX-License-Identifier: BSD-3-Clause */
/* What the parts of explain share; nobody else includes it. */
#ifndef WEIR_EXPLAIN_PARTS_H
#define WEIR_EXPLAIN_PARTS_H

#include "explain.h"

#define EXPLAIN_HOSTS_MAX 20 /* host names listed when none fits */

struct explain_header {
	const char *name;
	const char *value;
};

/* A place where requests or connections of one port may come in. */
struct entrance {
	const char *gateway; /* "namespace/name", or "" for a listener of the node */
	const char *listener;
	bool https_redirect;
	enum istio_protocol protocol;
	struct ip_addr addr;
	uint16_t port;
	const char *ns;   /* only VirtualServices of this namespace; NULL: any */
	const char *host; /* pattern */
};

struct entrances {
	struct entrance *v;
	uint32_t n;
};

struct explain {
	const struct docset *docs;
	const struct build_options *o;
	const char *domain;
	struct arena arena;
	const char *method;
	const char *authority; /* as a client sends it */
	const char *host;      /* of authority, without port, lower-case */
	const char *path;      /* normalised, without query */
	const char *query;     /* without '?', or NULL */
	struct explain_header *headers;
	uint32_t n_headers;
	uint16_t port; /* of the URL */
	enum istio_protocol protocol;
	const char **alpn; /* that a TLS client offers */
	uint32_t n_alpn;
};

/**
 * Read the request. Returns false with a sentence in err when it is malformed.
 */
bool explain_read(struct explain *e, const struct explain_request *r, char *err, size_t err_size);

/** Why this match block does not hold, or NULL when it does. */
const char *explain_mismatch(struct explain *e, const struct istio_http_match *m);

/* ---- explain_entrance.c ---- */

/** A list of n items in which one more has room: it doubles whenever n is a power of two. */
void *explain_room(struct explain *e, void *v, uint32_t n, size_t item);

struct entrances explain_entrances(struct explain *e);

/** The listener that a request to this port reaches: its own address, else any address, else the first. */
const struct entrance *explain_reached(const struct explain *e, const struct entrances *l);

/** What to say when it is NULL. */
const char *explain_nothing_listens(struct explain *e);

bool explain_same_listener(const struct entrance *a, const struct entrance *b);

/** Is the gateway ("namespace/name") in a list of gateways? ns: of the document. */
bool explain_list_names(struct explain *e, const struct istio_texts *list, const char *ns,
                        const char *gateway);
bool explain_list_has_mesh(const struct istio_texts *list);

/** Does a VirtualService count as bound without naming a gateway? */
bool explain_is_mesh(const struct explain *e, const struct istio_object *vs);
bool explain_is_bound(struct explain *e, const struct istio_object *vs, const struct entrance *one);

/** The host name under which the VirtualService's k-th host is served there, or NULL. */
const char *explain_served_host(struct explain *e, const struct istio_object *vs, uint32_t k,
                                const struct entrance *one);

/* ---- the others ---- */

/** "file:line:column" */
const char *explain_place(struct explain *e, struct where at);

/** Does a host name or pattern fit what is asked for (e->host)? */
bool explain_fits(struct explain *e, const char *pattern);

/** Exact before "*suffix", the longer suffix before the shorter, "*" last. */
bool explain_beats(const char *a, const char *b);

/** "listener" of the explanation. */
void explain_set_listener(json_t *out, const struct entrance *listener);

/** "hosts" and "n_hosts": the keys of an object, not all when they are many. */
void explain_set_hosts(json_t *out, json_t *hosts);

/** Nothing was chosen. */
void explain_set_answer(json_t *out, int status, const char *why);

/** Explain a connection; e->protocol and the rest are set. */
void explain_connection(struct explain *e, json_t *out);

/** "destinations" of a tcp or tls rule. */
json_t *explain_l4_destinations(struct explain *e, const struct istio_object *vs,
                                const struct istio_l4_destination *v, uint32_t n,
                                uint16_t listener_port);

/** What the rule does with the request: "action" and what belongs to it. */
json_t *explain_action(struct explain *e, const struct istio_object *vs,
                       const struct istio_http_route *rule, const struct istio_http_match *m,
                       uint16_t listener_port);

/** The Location of a redirect. */
const char *explain_location(struct explain *e, const struct istio_redirect *r,
                             uint16_t listener_port);

#endif
