/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Location of redirects: scheme "://" host [":" port] path.
 *
 * Istio gives Envoy a port for redirect.port and for FROM_REQUEST_PORT, unless it is the scheme's
 * default. The host's own port goes when there is such a port, or when the scheme changes and it was the
 * old scheme's default; else it stays.
 */
#include "http1.h"
#include "http1_put.h"
#include "http1_write.h"

static uint16_t default_port(struct str scheme)
{
	return str_eq_nocase(scheme, STR("https")) ? 443 : 80;
}

/* The port to write, 0: none. */
static uint16_t port_of(const struct redirect *to, uint16_t listener_port, struct str scheme)
{
	uint16_t port = 0;

	if (to->port_from == REDIRECT_PORT_EXPLICIT)
		port = to->port;
	else if (to->port_from == REDIRECT_PORT_REQUEST)
		port = listener_port;
	return port == default_port(scheme) ? 0 : port;
}

/* Bytes of the host in front of ":" port; all of it when there is no port. */
static uint32_t host_bytes(struct str authority)
{
	for (uint32_t i = authority.len; i-- > 0;) {
		if (authority.p[i] == ':')
			return i;
		if (authority.p[i] == ']')
			break;
	}
	return authority.len;
}

/* Is the authority's own port the default of the request's scheme, which the redirect leaves? */
static bool is_old_default(struct str authority, uint32_t host, struct str scheme)
{
	struct str port = {authority.p + host, authority.len - host};

	return str_eq(port, default_port(scheme) == 443 ? STR(":443") : STR(":80"));
}

static void put_target(const struct http1_request *r, const struct redirect *to,
                       struct http1_out *out)
{
	struct str query = r->query;

	if (!to->uri.p) {
		http1_write_target(r->path, query, out);
		return;
	}
	if (to->uri.len && memchr(to->uri.p, '?', to->uri.len))
		query.p = NULL;
	http1_write_target(to->uri, query, out);
}

void http1_write_location(const struct http1_request *r, const struct redirect *to,
                          uint16_t listener_port, struct http1_out *out)
{
	struct str was = r->scheme.p ? r->scheme : STR("http");
	struct str scheme = to->scheme.p ? to->scheme : was;
	struct str authority = to->authority.p ? to->authority : r->authority;
	uint16_t port = port_of(to, listener_port, scheme);
	uint32_t host = host_bytes(authority);

	if (port || (!to->authority.p && !str_eq_nocase(scheme, was) &&
	             is_old_default(authority, host, was)))
		authority.len = host;
	http1_put_str(out, scheme);
	HTTP1_PUT(out, "://");
	http1_put_str(out, authority);
	if (port) {
		HTTP1_PUT(out, ":");
		http1_put_number(out, port);
	}
	put_target(r, to, out);
}

void http1_write_https_location(const struct http1_request *r, struct http1_out *out)
{
	HTTP1_PUT(out, "https://");
	http1_put_str(out, r->authority);
	http1_write_target(r->path, r->query, out);
}
