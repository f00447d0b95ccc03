/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Which way a request goes, and why: the obvious matcher. It reads the documents, not the snapshot,
 * walks rule by rule as the manual says, and uses PCRE2 where the workers use Hyperscan, so it is
 * also what the tests compare the fast path with. The two share nothing but the documents.
 *
 * The result is described in docs/reference/control.md, "The explanation".
 */
#ifndef WEIR_EXPLAIN_H
#define WEIR_EXPLAIN_H

#include "build.h"

#include <jansson.h>

struct explain_request {
	const char *method; /* NULL: "GET" */
	const char *
		url; /* "http://host[:port]/path?query"; a fragment is left out. Or a connection: below */
	const char *const *headers; /* "Name: value"; "Host: x" replaces the URL's host */
	uint32_t n_headers;
	const char *alpn; /* of a TLS connection: protocols with commas; NULL: none */
};

/**
 * Explain one request, or one connection: "tcp://host:port", "udp://host:port", "tls://name[:port]".
 * The host of the first two says which address the client connects to, if it is one; the name of the last
 * is the one in its ClientHello, which has none when it is empty.
 *
 * @param docs  validated documents
 * @param o     as for build_snapshot(); n_workers is not used. Without a listener and a Gateway
 *              document, one on the URL's port is assumed
 * @param err   receives one sentence when the request itself is malformed
 * @return      the explanation, owned by the caller; NULL when err is set
 */
json_t *explain_route(const struct docset *docs, const struct build_options *o,
                      const struct explain_request *r, char *err, size_t err_size);

/** The explanation as text for people, ending in a line feed; to be freed with free(). */
char *explain_text(const json_t *explanation);

#endif
