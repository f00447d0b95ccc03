/* SPDX-License-Identifier: BSD-3-Clause */
/* A host with rules and a request to it, for what measures look-ups and what counts their instructions. */
#ifndef WEIR_BENCH_RULES_H
#define WEIR_BENCH_RULES_H

#include "routing.h"

struct rules {
	const struct listener *listener;
	const struct vhost *vhost;
	struct hs_scratch *scratch;
	struct route_bits *bits;
	struct http1_request request;
};

/**
 * A snapshot of n rules of www.example.com; ends the program when it cannot be built.
 *
 * @param pattern  one rule's uri with a place for its number, "prefix: /%u"
 */
struct snapshot *rules_build(struct routing *r, const char *pattern, uint32_t n);

/** A request to www.example.com for this path, on the first listener of s; ends the program when no rule fits. */
void rules_ask(struct rules *q, const struct routing *r, const struct snapshot *s,
               const char *path);

/* For bench_run(); arg: struct rules. */
void rules_find_host(void *arg, uint32_t calls);
void rules_find_rule(void *arg, uint32_t calls);

#endif
