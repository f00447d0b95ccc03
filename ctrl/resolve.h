/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Addresses of the DNS names in ServiceEntries: looked up when a change first needs them, then again
 * every interval. A name that stops resolving keeps its last good addresses. A build gets a table of
 * its own, so that it can run in another thread. Control thread only, except names_find().
 */
#ifndef WEIR_RESOLVE_H
#define WEIR_RESOLVE_H

#include "weir/addr.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#define RESOLVE_ADDRS_MAX 64   /* of one name */
#define RESOLVE_WAIT_MS   5000 /* a change waits so long for names that are new */

/* A table of names as known at one moment. Immutable. */
struct names;

/** build_resolve_fn for a struct names. */
uint32_t names_find(void *names, const char *name, const struct ip_addr **addrs);

void names_free(struct names *names);

struct resolver {
	uv_loop_t *loop;
	uv_timer_t refresh, patience;
	struct resolve_name *list;
	uint64_t interval_us;
	void (*changed)(void *arg); /* some name has other addresses than before */
	void (*ready)(void *arg);   /* of resolver_wait(); NULL: nobody waits */
	void *arg, *ready_arg;
};

/** @param changed  called when addresses of a name that was known change; NULL: never */
void resolver_init(struct resolver *r, uv_loop_t *loop, uint64_t interval_us,
                   void (*changed)(void *arg), void *arg);

/** Begin to keep this name; a name kept already stays as it is. */
void resolver_keep(struct resolver *r, const char *name);

/** Forget every name that was not given to resolver_keep() since the last resolver_mark(). */
void resolver_mark(struct resolver *r);
void resolver_sweep(struct resolver *r);

/** Call ready when every name was looked up once, or after RESOLVE_WAIT_MS. One at a time. */
void resolver_wait(struct resolver *r, void (*ready)(void *arg), void *arg);

/** The table as it is now; NULL: out of memory. */
struct names *resolver_names(const struct resolver *r);

/** For status: [{host, addresses, resolved, error}]. */
json_t *resolver_json(const struct resolver *r);

/** Stop. Memory goes when the loop has run. */
void resolver_close(struct resolver *r);

#endif
