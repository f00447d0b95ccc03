/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Header operations of routes and destinations, applied while a head is written: nothing is edited,
 * each field of the message asks whether it stays, and then the fields that operations make follow.
 *
 * Order: the route's removes, sets, adds, then the destination's. So the destination wins, whatever
 * the number of destinations (Istio: only with one), except for the authority, where the route does.
 */
#ifndef WEIR_HTTP1_OPS_H
#define WEIR_HTTP1_OPS_H

#include "http1.h"

/* Both levels, and where values come from. */
struct http1_ops {
	const struct header_ops *levels[2];  /* in the order of application; never NULL */
	const struct http1_request *request; /* as received; NULL: %REQ()% is empty */
	const struct ip_addr *client;        /* NULL: %DOWNSTREAM_REMOTE_ADDRESS% is empty */
	be16_t client_port;
};

/** Operations on a request. */
void http1_ops_of_request(struct http1_ops *o, const struct http1_request *r,
                          const struct http1_forward *f);

/** Operations on a response; route and dest may be NULL. The caller sets the rest of o. */
void http1_ops_of_response(struct http1_ops *o, const struct route *route, const struct dest *dest);

static inline bool http1_ops_any(const struct http1_ops *o)
{
	return o->levels[0]->n + o->levels[1]->n != 0;
}

/** Does a field of the message stay? */
bool http1_ops_keeps(const struct http1_ops *o, struct str name);

/** Write the fields that operations set and add. Values that turn out empty are not written. */
void http1_ops_write(const struct http1_ops *o, struct http1_out *out);

/**
 * Write the Host field that the request goes out with: the route's authority, else a Host the route sets,
 * else one the destination sets, else the request's own. HTTP/1.0 may have none: then none is written.
 */
void http1_ops_write_host(const struct http1_ops *o, const struct route *route,
                          struct http1_out *out);

#endif
