/* SPDX-License-Identifier: BSD-3-Clause */
/* Documents in, snapshot and picks out: what tests of the builder and of routing share. */
#ifndef WEIR_TEST_ROUTING_H
#define WEIR_TEST_ROUTING_H

#include "build.h"
#include "explain.h"
#include "http1.h"
#include "route.h"

#include <stdio.h>

/* A builder with room for everything, listening on port 80 of any address. */
struct routing {
	struct hsdb *hsdb;
	struct registry *registry;
	struct docset *docs;
	struct diag_list diags;
	struct build_listener listener;
	struct build_options options;
	struct route_bits *bits;
	uint64_t generation;
};

void routing_init(struct routing *r);
void routing_fini(struct routing *r);

/** Replace the documents. False when they are not valid; diags says why. */
bool routing_read(struct routing *r, const char *yaml);

/** Build from the documents; NULL when that fails. To be freed with build_free(). */
struct snapshot *routing_build(struct routing *r);

/** Writes the uri condition of rule i, "prefix: /a". */
typedef void routing_uri(FILE *f, uint32_t i, void *arg);

/**
 * A snapshot of n rules of www.example.com, each a direct response. NULL when they are not valid; the reasons are on
 * standard error. To be freed with build_free().
 */
struct snapshot *routing_rules(struct routing *r, uint32_t n, routing_uri *uri, void *arg);

/** Is there a diagnostic with this code? */
bool routing_said(const struct routing *r, const char *code);

/** What is said about a request; NULL: it is malformed. */
json_t *routing_explain(const struct routing *r, const struct explain_request *q);

/** Has the text of that these lines? When not, both are on standard error. */
bool routing_says(const struct routing *r, const struct explain_request *q, const char *lines);

struct routing_request {
	const char *method, *host, *path, *query;
	const char *headers[16]; /* "Name: value", NULL-terminated */
};

/** Fill a request as the parser would. Strings are those of q. */
void routing_fill(const struct routing_request *q, struct http1_request *out);

/** The clause that the workers choose on the first listener, or NULL. */
const struct clause *routing_match(const struct routing *r, const struct snapshot *s,
                                   const struct routing_request *q);

#endif
