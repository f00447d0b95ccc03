/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Host names and patterns of the Istio API: "a.example.com", "*.example.com", "*-foo.com", "*".
 * Comparing ignores letter case. Pure; no allocation except where an arena is given.
 */
#ifndef WEIR_HOST_H
#define WEIR_HOST_H

#include "arena.h"

#include <stdbool.h>

/** DNS label (RFC 1123): letters, digits, inner '-', 1 to 63 bytes. */
bool host_is_label(const char *s);

/** Whole DNS name without wildcard, at most 255 bytes, last label not all digits; a trailing dot is allowed. */
bool host_is_name(const char *s);

/** host_is_name(), or a wildcard in the first label: "*", "*.foo.com", "*foo.com". */
bool host_is_pattern(const char *s);

/** IPv4 or IPv6 address, without brackets. */
bool host_is_ip(const char *s);

/** Does it begin with '*'? */
bool host_is_wildcard(const char *s);

/** Does the pattern (or name) match the name? "*.foo.com" matches a.foo.com and a.b.foo.com, not foo.com. */
bool host_matches(const char *pattern, const char *name);

/** Is there a name that both patterns match? */
bool host_overlaps(const char *a, const char *b);

/** The more specific of two patterns that overlap (Gateway server host and VirtualService host), or NULL if they do not. */
const char *host_intersect(const char *a, const char *b);

/** A name in lower case, without a trailing dot, in the arena. */
const char *host_lower(struct arena *a, const char *host);

/**
 * Expand a short name: a host without a dot becomes NAME.NAMESPACE.svc.DOMAIN. "*", IP addresses and
 * anything with a dot stay. The result is lower-case, without a trailing dot, in the arena.
 */
const char *host_expand(struct arena *a, const char *host, const char *ns, const char *domain);

#endif
