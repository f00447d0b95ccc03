/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Request heads: the request line, the four forms of its target (RFC 9112 section 3.2), Host, Expect
 * and Upgrade.
 *
 * Nothing in the input changes before the whole head has been read and accepted: the path is
 * normalised last, so that HTTP1_MORE may be answered any number of times. What changes then still
 * parses to the same request, so that a head that was kept can be read again for a retry.
 *
 * The preface of HTTP/2 with prior knowledge reads as a request of version 2.0 and gets 505: its
 * sender did not ask to be upgraded, so 426, which needs an Upgrade field, would be no answer.
 */
#include "http1.h"
#include "http1_fields.h"
#include "http1_path.h"
#include "http1_scan.h"

/* The parts of a target as they stand in the input. */
struct target {
	struct str raw;
	struct str path;
	bool asterisk; /* absolute-form of OPTIONS without a path: means "*" */
};

static enum http1_result skip_empty_line(struct http1_input *in, struct http1_head *h)
{
	if (in->p == in->end)
		return HTTP1_MORE;
	if (*in->p != '\r')
		return HTTP1_DONE;
	return http1_take_crlf(in, h);
}

/* method SP */
static enum http1_result take_method(struct http1_input *in, struct http1_request *r)
{
	const char *e = http1_skip(&http1_token, in->p, in->end);

	r->method = (struct str){in->p, (uint32_t)(e - in->p)};
	if (e == in->end)
		return HTTP1_MORE;
	if (*e != ' ' || e == in->p)
		return http1_refuse(&r->head, 400, "bad method");
	in->p = e + 1;
	return HTTP1_DONE;
}

/* request-target SP */
static enum http1_result take_target(struct http1_input *in, struct http1_head *h, struct str *raw)
{
	const char *e = http1_skip_target(in->p, in->end);

	*raw = (struct str){in->p, (uint32_t)(e - in->p)};
	if (e == in->end)
		return HTTP1_MORE;
	if (*e != ' ' || e == in->p)
		return http1_refuse(h, 400, "bad request target");
	in->p = e + 1;
	return HTTP1_DONE;
}

static inline bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* HTTP-version CRLF */
static enum http1_result take_version(struct http1_input *in, struct http1_head *h)
{
	size_t n = (size_t)(in->end - in->p);
	const char *p = in->p;

	if (n > 8 && memcmp(p, "HTTP/1.1\r", 9) == 0) { /* nearly always */
		h->minor = 1;
		in->p = p + 8;
		return http1_take_crlf(in, h);
	}
	if (memcmp(p, "HTTP/", n < 5 ? n : 5) != 0)
		return http1_refuse(h, 400, "bad version");
	if (n < 9)
		return HTTP1_MORE;
	if (!is_digit(p[5]) || p[6] != '.' || !is_digit(p[7]) || (p[8] != '\r' && p[8] != '\n'))
		return http1_refuse(h, 400, "bad version");
	if (p[5] != '1' || p[7] > '1')
		return http1_refuse(h, 505, "version not supported");
	h->minor = (uint8_t)(p[7] - '0');
	in->p = p + 8;
	return http1_take_crlf(in, h);
}

/* ":" port, port empty or to 65535 */
static bool port_ok(const char *p, const char *end, bool wanted)
{
	uint32_t port = 0;

	if (p == end)
		return !wanted;
	if (*p++ != ':' || end - p > 5 || (wanted && p == end))
		return false;
	for (; p < end && is_digit(*p); p++)
		port = port * 10 + (uint32_t)(*p - '0');
	return p == end && port <= UINT16_MAX;
}

/* "[" IPv6address "]": the characters; what they mean is nobody's business here. */
static const char *skip_literal(const char *p, const char *end)
{
	const char *start = ++p;

	while (p < end && (is_digit(*p) || ((*p | 0x20) >= 'a' && (*p | 0x20) <= 'f') ||
	                   *p == ':' || *p == '.'))
		p++;
	return p < end && *p == ']' && p - start >= 2 ? p + 1 : NULL;
}

/* uri-host [ ":" port ], without user information; the host is not empty. */
static bool authority_ok(struct str a, bool port_wanted)
{
	const char *end = a.p + a.len, *e;

	if (a.len == 0)
		return false;
	e = *a.p == '[' ? skip_literal(a.p, end) : http1_skip(&http1_hostname, a.p, end);
	return e && e > a.p && port_ok(e, end, port_wanted);
}

/* absolute-path [ "?" query ] of origin-form, or the rest of absolute-form. */
static void split_query(struct str s, struct http1_request *r, struct target *t)
{
	const char *q = memchr(s.p, '?', s.len);

	t->path = (struct str){s.p, q ? (uint32_t)(q - s.p) : s.len};
	r->query = (struct str){NULL, 0};
	if (q)
		r->query = (struct str){q + 1, (uint32_t)(s.p + s.len - q - 1)};
}

/* absolute-form: "http" [ "s" ] "://" authority path-abempty [ "?" query ] */
static enum http1_result split_absolute(struct http1_request *r, struct target *t)
{
	const char *p = t->raw.p, *end = p + t->raw.len, *slashes;

	if (t->raw.len < sizeof("http://a") - 1)
		return http1_refuse(&r->head, 400, "bad request target");
	r->scheme = (struct str){p, 4};
	if ((p[4] | 0x20) == 's')
		r->scheme.len = 5;
	slashes = p + r->scheme.len + 1;
	if (memcmp(slashes - 1, "://", 3) != 0 ||
	    !str_eq_nocase(r->scheme, r->scheme.len == 4 ? STR("http") : STR("https")))
		return http1_refuse(&r->head, 400, "bad request target");
	for (p = slashes + 2; p < end && *p != '/' && *p != '?'; p++)
		;
	r->authority = (struct str){slashes + 2, (uint32_t)(p - slashes - 2)};
	if (!authority_ok(r->authority, false))
		return http1_refuse(&r->head, 400, "bad authority");
	split_query((struct str){p, (uint32_t)(end - p)}, r, t);
	if (t->path.len == 0) { /* the path is "/": one stands in front of the authority */
		t->path = (struct str){slashes, 1};
		t->asterisk = !r->query.p && str_eq(r->method, STR("OPTIONS"));
	}
	return HTTP1_DONE;
}

/* Which form the target has, and its parts. */
static enum http1_result split_target(struct http1_request *r, struct target *t)
{
	t->asterisk = false;
	r->scheme = r->authority = r->query = t->path = (struct str){NULL, 0};
	if (memchr(t->raw.p, '#', t->raw.len))
		return http1_refuse(&r->head, 400, "fragment in request target");
	if (r->is_connect) {
		r->authority = t->raw;
		return authority_ok(t->raw, true) ? HTTP1_DONE
		                                  : http1_refuse(&r->head, 400, "bad authority");
	}
	if (*t->raw.p == '/') {
		split_query(t->raw, r, t);
		return HTTP1_DONE;
	}
	if (str_eq(t->raw, STR("*")) && str_eq(r->method, STR("OPTIONS"))) {
		t->path = t->raw;
		return HTTP1_DONE;
	}
	return split_absolute(r, t);
}

static enum http1_result parse_line(struct http1_input *in, struct http1_request *r,
                                    struct target *t)
{
	enum http1_result res = skip_empty_line(in, &r->head);

	if (res == HTTP1_DONE)
		res = take_method(in, r);
	if (res == HTTP1_DONE)
		res = take_target(in, &r->head, &t->raw);
	if (res == HTTP1_DONE)
		res = take_version(in, &r->head);
	if (res != HTTP1_DONE)
		return res;
	r->is_head = str_eq(r->method, STR("HEAD"));
	r->is_connect = str_eq(r->method, STR("CONNECT"));
	return split_target(r, t);
}

/* RFC 9112 section 3.2: exactly one Host in HTTP/1.1; that of an absolute-form target wins. */
static enum http1_result read_host(struct http1_request *r, const struct http1_seen *seen)
{
	struct str host;

	if (seen->n[HTTP1_FIELD_HOST] == 0)
		return r->head.minor == 0 ? HTTP1_DONE : http1_refuse(&r->head, 400, "no host");
	if (seen->n[HTTP1_FIELD_HOST] > 1)
		return http1_refuse(&r->head, 400, "host twice");
	host = r->head.fields[seen->last[HTTP1_FIELD_HOST]].value;
	if (!authority_ok(host, false))
		return http1_refuse(&r->head, 400, "bad host");
	if (!r->authority.p)
		r->authority = host;
	return HTTP1_DONE;
}

/* RFC 9110 section 10.1.1: a server ignores the expectations of HTTP/1.0. */
static enum http1_result read_expect(struct http1_head *h, const struct http1_seen *seen)
{
	unsigned int n = h->minor ? seen->n[HTTP1_FIELD_EXPECT] : 0;

	h->expect_continue =
		n == 1 &&
		str_eq_nocase(h->fields[seen->last[HTTP1_FIELD_EXPECT]].value, STR("100-continue"));
	return n == 0 || h->expect_continue ? HTTP1_DONE
	                                    : http1_refuse(h, 417, "unknown expectation");
}

/*
 * Only WebSocket is let through: what else a client may ask for (h2c above all) would carry requests
 * past routing. A server may ignore Upgrade (RFC 9110 section 7.8), so others are ignored.
 */
static bool wants_upgrade(const struct http1_request *r, const struct http1_seen *seen)
{
	const struct http1_head *h = &r->head;

	return h->minor == 1 && seen->n[HTTP1_FIELD_UPGRADE] == 1 &&
	       str_eq_nocase(h->fields[seen->last[HTTP1_FIELD_UPGRADE]].value, STR("websocket")) &&
	       str_eq(r->method, STR("GET")) && h->framing != HTTP1_BODY_CHUNKED && h->length == 0;
}

/*
 * Fill the n bytes in front of a path that became shorter, so that the head still parses to the same
 * request: "/." and "/.." in front of it are removed again. A path that lost one byte lost a last "."
 * and is left as it is.
 */
static void fill_front(char *p, uint32_t n)
{
	uint32_t up = n & 1; /* begin with "/..", then "/." again and again */

	for (uint32_t i = 0; i < n; i++)
		p[i] = (i - (up && i > 1)) & 1 ? '.' : '/';
}

/* Normalise the path where it stands in the input. */
static enum http1_result settle_path(struct http1_request *r, const struct target *t, char *path)
{
	uint32_t len = t->path.len, lost;

	r->path = t->asterisk ? STR("*") : t->path;
	if (!r->path.p || *r->path.p != '/')
		return HTTP1_DONE;
	if (!http1_path_normalise(path, &len))
		return http1_refuse(&r->head, 400, "bad percent-encoding in path");
	lost = t->path.len - len;
	if (lost > 1) {
		memmove(path + lost, path, len);
		fill_front(path, lost);
		r->path.p += lost;
	}
	r->path.len = len;
	return HTTP1_DONE;
}

enum http1_result http1_parse_request(char *p, size_t len, struct http1_request *r, size_t *used)
{
	struct http1_input in = {p, p + len};
	struct http1_seen seen = {0};
	struct target t;
	bool upgrade;
	enum http1_result res;

	r->head.status = 0;
	r->head.why = NULL;
	res = parse_line(&in, r, &t);
	if (res == HTTP1_DONE)
		res = http1_fields_parse(&in, &r->head, &seen);
	if (res != HTTP1_DONE)
		return res;
	upgrade = http1_connection_read(&r->head, &seen);
	res = http1_framing_read(&r->head, &seen);
	if (res == HTTP1_DONE)
		res = read_host(r, &seen);
	if (res == HTTP1_DONE)
		res = read_expect(&r->head, &seen);
	if (res != HTTP1_DONE)
		return res;
	r->head.upgrade = upgrade && wants_upgrade(r, &seen);
	*used = (size_t)(in.p - p);
	return settle_path(r, &t, t.path.p ? p + (t.path.p - p) : NULL);
}
