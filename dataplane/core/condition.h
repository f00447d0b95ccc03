/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Does a request meet the conditions of one clause? Uri, headers, query parameters, each as Envoy
 * evaluates what Istio generates.
 *
 * Regular expressions mean what RE2 means: the whole string, over UTF-8. RE2 can match a byte that is
 * not part of valid UTF-8 with nothing, so a string with one never matches a whole-string pattern.
 * Hyperscan leaves such input undefined, therefore it is never given any.
 */
#ifndef WEIR_CONDITION_H
#define WEIR_CONDITION_H

#include "route.h"

struct condition_env {
	const struct http1_request *request;
	struct hs_scratch *scratch;
	struct route_bits *bits; /* its join buffer is used */
};

/** The uri condition, compared directly. A REGEX that only the vhost's database knows is false. */
bool condition_uri(const struct condition_env *env, const struct clause *c);

/** All other conditions of the clause. */
bool condition_rest(const struct condition_env *env, const struct clause *c);

/** Is it valid UTF-8 (RFC 3629: no surrogates, no overlong forms, up to U+10FFFF)? */
bool condition_is_utf8(struct str s);

#endif
