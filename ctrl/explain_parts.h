/* SPDX-License-Identifier: BSD-3-Clause */
/* What the parts of explain share; nobody else includes it. */
#ifndef WEIR_EXPLAIN_PARTS_H
#define WEIR_EXPLAIN_PARTS_H

#include "explain.h"

struct explain_header {
	const char *name;
	const char *value;
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
};

/**
 * Read the request. Returns false with a sentence in err when it is malformed.
 */
bool explain_read(struct explain *e, const struct explain_request *r, char *err, size_t err_size);

/** Why this match block does not hold, or NULL when it does. */
const char *explain_mismatch(struct explain *e, const struct istio_http_match *m);

/** What the rule does with the request: "action" and what belongs to it. */
json_t *explain_action(struct explain *e, const struct istio_object *vs,
                       const struct istio_http_route *rule, const struct istio_http_match *m,
                       uint16_t listener_port);

/** The Location of a redirect. */
const char *explain_location(struct explain *e, const struct istio_redirect *r,
                             uint16_t listener_port);

#endif
