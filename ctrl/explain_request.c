/* SPDX-License-Identifier: BSD-3-Clause */
/* From a URL and header lines, or a URL alone, to what the gateway sees. */
#include "explain_parts.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* ---- path ------------------------------------------------------------------------------- */

static bool is_unreserved(int c)
{
	return isalnum(c) || c == '-' || c == '.' || c == '_' || c == '~';
}

/* "%41" to "A", "\" to "/"; NULL when a "%" is not followed by two hexadecimal digits, or for %00. */
static char *decode(struct explain *e, const char *path)
{
	char *out = arena_dup(&e->arena, path), *w = out;

	for (const char *p = path; *p; p++) {
		if (*p != '%') {
			*w++ = *p == '\\' ? '/' : *p;
			continue;
		}
		if (!isxdigit((unsigned char)p[1]) || !isxdigit((unsigned char)p[2]))
			return NULL;
		const char digits[] = {p[1], p[2], '\0'};
		int byte = (int)strtol(digits, NULL, 16);

		if (byte == 0)
			return NULL;
		if (is_unreserved(byte)) {
			*w++ = (char)byte;
		} else {
			memcpy(w, p, 3);
			w += 3;
		}
		p += 2;
	}
	*w = '\0';
	return out;
}

/* Segment by segment onto a stack: "." is left out, ".." takes one away. */
static const char *remove_dots(struct explain *e, char *path)
{
	size_t n_max = strlen(path) + 1, n = 0;
	const char **stack = arena_alloc(&e->arena, n_max * sizeof(*stack));
	const char *out = "";
	bool ends_in_slash = false;

	for (char *segment = path + 1, *next; segment; segment = next) {
		next = strchr(segment, '/');
		if (next)
			*next++ = '\0';
		ends_in_slash = strcmp(segment, ".") == 0 || strcmp(segment, "..") == 0;
		if (strcmp(segment, "..") == 0)
			n -= n > 0;
		else if (!ends_in_slash)
			stack[n++] = segment;
	}
	for (size_t i = 0; i < n; i++)
		out = arena_printf(&e->arena, "%s/%s", out, stack[i]);
	return ends_in_slash || n == 0 ? arena_printf(&e->arena, "%s/", out) : out;
}

static bool set_target(struct explain *e, const char *target)
{
	const char *end = target + strcspn(target, "#");
	char *path = arena_copy(&e->arena, target, (size_t)(end - target));
	char *question = strchr(path, '?');

	if (question) {
		*question = '\0';
		e->query = question + 1;
	}
	if (*path != '/')
		path = arena_printf(&e->arena, "/%s", path);
	path = decode(e, path);
	if (!path)
		return false;
	e->path = remove_dots(e, path);
	return true;
}

/* ---- authority -------------------------------------------------------------------------- */

/* Behind the last ':' that is not inside brackets. */
static const char *port_of(const char *authority)
{
	const char *bracket = strrchr(authority, ']');

	return strrchr(bracket ? bracket : authority, ':');
}

static void set_host(struct explain *e)
{
	const char *colon = port_of(e->authority);
	size_t len = colon ? (size_t)(colon - e->authority) : strlen(e->authority);
	char *host = arena_copy(&e->arena, e->authority, len);

	for (char *p = host; *p; p++)
		*p = (char)tolower((unsigned char)*p);
	e->host = host;
}

/* 0: it is none. */
static uint16_t port_number(const char *text)
{
	char *end;
	long port = strtol(text, &end, 10);

	return *end || !isdigit((unsigned char)*text) || port < 1 || port > 65535 ? 0
	                                                                          : (uint16_t)port;
}

static bool set_authority(struct explain *e, const char *text, size_t len)
{
	const char *colon;

	e->authority = arena_copy(&e->arena, text, len);
	colon = port_of(e->authority);
	e->port = colon ? port_number(colon + 1) : 80;
	return len > 0 && colon != e->authority && e->port != 0;
}

/* ---- header lines ----------------------------------------------------------------------- */

static bool add_header(struct explain *e, const char *line)
{
	const char *colon = strchr(line, ':');

	if (!colon || colon == line || strpbrk(line, "\r\n"))
		return false;
	const char *value = colon + 1 + strspn(colon + 1, " \t");
	size_t len = strlen(value);

	while (len > 0 && (value[len - 1] == ' ' || value[len - 1] == '\t'))
		len--;
	struct explain_header h = {
		.name = arena_copy(&e->arena, line, (size_t)(colon - line)),
		.value = arena_copy(&e->arena, value, len),
	};

	if (strcasecmp(h.name, "host") == 0)
		e->authority = h.value;
	else
		e->headers[e->n_headers++] = h;
	return true;
}

/* A token of RFC 9110 section 5.6.2, as the request parser wants it. */
static bool is_method(const char *text)
{
	const char *p = text;

	while (isalnum((unsigned char)*p) || (*p && strchr("!#$%&'*+-.^_`|~", *p)))
		p++;
	return p > text && *p == '\0';
}

/* Why a text is not taken for a URL; NULL: it may be one. */
static const char *url_problem(const char *url)
{
	const char *p = url;

	if (strncasecmp(url, "https://", strlen("https://")) == 0)
		return "is https, and Weir does not terminate TLS; give http://host[:port]/path, "
		       "or tls://name:port for what it passes through";
	if (strncasecmp(url, "http://", strlen("http://")) != 0)
		return "is no URL; give http://host[:port]/path";
	while ((unsigned char)*p > ' ' && *p != 0x7f)
		p++;
	return *p ? "has a blank or a control character; write it as %20 or the like" : NULL;
}

static bool read_http(struct explain *e, const struct explain_request *r, char *err,
                      size_t err_size)
{
	size_t scheme = strlen("http://");
	const char *problem = url_problem(r->url);

	if (r->method && !is_method(r->method)) {
		snprintf(err, err_size,
		         "\"%.64s\" is no method; give one word like GET, POST or DELETE",
		         r->method);
		return false;
	}
	if (problem) {
		snprintf(err, err_size, "%.150s %s", r->url, problem);
		return false;
	}
	const char *authority = r->url + scheme;
	size_t len = strcspn(authority, "/?#");

	if (!set_authority(e, authority, len)) {
		snprintf(err, err_size,
		         "%s has no good host and port; give http://host[:port]/path", r->url);
		return false;
	}
	if (!set_target(e, authority + len)) {
		snprintf(err, err_size,
		         "%s has a %% without two hexadecimal digits; such a request gets 400",
		         r->url);
		return false;
	}
	e->method = r->method ? r->method : "GET";
	e->headers = arena_alloc(&e->arena, (r->n_headers + 1) * sizeof(*e->headers));
	for (uint32_t i = 0; i < r->n_headers; i++) {
		if (add_header(e, r->headers[i]))
			continue;
		snprintf(err, err_size, "header \"%s\" is malformed; give Name: value",
		         r->headers[i]);
		return false;
	}
	set_host(e);
	return true;
}

/* ---- connections ------------------------------------------------------------------------ */

static const struct {
	const char *scheme;
	enum istio_protocol protocol;
	uint16_t port; /* 0: must be given */
} connections[] = {
	{"tcp://", ISTIO_PROTOCOL_TCP, 0},
	{"udp://", ISTIO_PROTOCOL_UDP, 0},
	{"tls://", ISTIO_PROTOCOL_TLS, 443},
};

static bool read_connection(struct explain *e, const struct explain_request *r, int kind, char *err,
                            size_t err_size)
{
	const char *authority = r->url + strlen(connections[kind].scheme);
	bool named = connections[kind].protocol == ISTIO_PROTOCOL_TLS;
	const char *colon;

	if (r->method || r->n_headers > 0) {
		snprintf(err, err_size,
		         "a connection has neither method nor headers; give %s alone", r->url);
		return false;
	}
	e->protocol = connections[kind].protocol;
	e->authority = arena_dup(&e->arena, authority);
	colon = port_of(e->authority);
	e->port = colon ? port_number(colon + 1) : connections[kind].port;
	if (e->port == 0 || strpbrk(authority, "/?# ")) {
		snprintf(err, err_size, "%.150s has no good %s; give %s%s", r->url,
		         named ? "name and port" : "port", connections[kind].scheme,
		         named ? "name[:port]" : "host:port");
		return false;
	}
	set_host(e);
	if (!r->alpn)
		return true;
	if (!named) {
		snprintf(err, err_size, "ALPN is a part of TLS; give tls://name[:port]");
		return false;
	}
	e->alpn = arena_alloc(&e->arena, (strlen(r->alpn) + 1) * sizeof(*e->alpn));
	e->n_alpn = istio_words(&e->arena, r->alpn, e->alpn);
	return true;
}

bool explain_read(struct explain *e, const struct explain_request *r, char *err, size_t err_size)
{
	for (int i = 0; i < (int)(sizeof(connections) / sizeof(connections[0])); i++)
		if (strncasecmp(r->url, connections[i].scheme, strlen(connections[i].scheme)) == 0)
			return read_connection(e, r, i, err, err_size);
	if (r->alpn) {
		snprintf(err, err_size, "ALPN is a part of TLS; give tls://name[:port]");
		return false;
	}
	e->protocol = ISTIO_PROTOCOL_HTTP;
	return read_http(e, r, err, err_size);
}
