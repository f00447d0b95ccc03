/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Heads that go on to the other side.
 *
 * Neighbouring fields that go on unchanged are copied in one piece, line ends and all: most heads are
 * two or three pieces. What the proxy adds comes last. The chain of what wins: hop-by-hop fields and
 * framing are the proxy's; then header operations; then the proxy's own fields; then what came.
 *
 * Sources: RFC 9110 section 7.6, Envoy's header documentation for x-forwarded-* and x-envoy-*.
 */
#include "http1_write.h"

#include "http1_put.h"

#include <smmintrin.h>

#define ID(name) (1u << HTTP1_FIELD_##name)

void http1_write_status(uint16_t status, struct str reason, struct http1_out *out)
{
	HTTP1_PUT(out, "HTTP/1.1 ");
	http1_put_number(out, status);
	HTTP1_PUT(out, " ");
	http1_put_str(out, reason);
	HTTP1_PUT(out, "\r\n");
}

void http1_write_target(struct str path, struct str query, struct http1_out *out)
{
	http1_put_str(out, path);
	if (query.p) {
		HTTP1_PUT(out, "?");
		http1_put_str(out, query);
	}
}

/* ---- fields as received ---------------------------------------------------------------------- */

/* Is the line written exactly "name: value"? Then it can be copied as it stands. */
static inline bool is_plain(const struct http1_field *f)
{
	const char *colon = f->name.p + f->name.len;

	return f->value.p == colon + 2 && colon[0] == ':' && colon[1] == ' ';
}

static inline void put_run(struct str *run, struct http1_out *out)
{
	if (!run->len)
		return;
	http1_put_str(out, *run);
	HTTP1_PUT(out, "\r\n");
	run->len = 0;
}

/* Write the fields of h whose ids are not in `without`, as far as operations keep them. */
static void put_fields(const struct http1_head *h, uint32_t without, const struct http1_ops *o,
                       struct http1_out *out)
{
	bool any = o && http1_ops_any(o);
	struct str run = {NULL, 0};

	for (uint16_t i = 0; i < h->n_fields; i++) {
		const struct http1_field *f = &h->fields[i];

		if (f->hop || (without >> f->id & 1) || (any && !http1_ops_keeps(o, f->name))) {
			put_run(&run, out);
		} else if (!is_plain(f)) {
			put_run(&run, out);
			http1_put_field(out, f->name, f->value);
		} else if (run.len && f->name.p == run.p + run.len + 2) {
			run.len = (uint32_t)(f->value.p + f->value.len - run.p);
		} else {
			put_run(&run, out);
			run.p = f->name.p;
			run.len = f->name.len + 2 + f->value.len;
		}
	}
	put_run(&run, out);
}

static const struct http1_field *find_id(const struct http1_head *h, enum http1_field_id id)
{
	for (uint16_t i = 0; i < h->n_fields; i++)
		if (h->fields[i].id == id)
			return &h->fields[i];
	return NULL;
}

/* ---- the request line ------------------------------------------------------------------------ */

/* Bytes of the path that rewrite.uri replaces: the prefix that matched, else all of it. */
static uint32_t matched_bytes(const struct http1_request *r, const struct clause *c)
{
	if (!c || c->uri.op == MATCH_ANY)
		return 1; /* as if it were prefix "/" */
	if (c->uri.op == MATCH_PREFIX && c->uri.text.len <= r->path.len)
		return c->uri.text.len;
	return r->path.len;
}

static bool is_rewritten(const struct http1_request *r, const struct http1_forward *f)
{
	return f->route && f->route->rewrite_uri.p && r->path.len && *r->path.p == '/';
}

static void put_request_line(const struct http1_request *r, const struct http1_forward *f,
                             struct http1_out *out)
{
	struct str path = r->path;

	http1_put_str(out, r->method);
	HTTP1_PUT(out, " ");
	if (is_rewritten(r, f)) {
		struct str to = f->route->rewrite_uri;
		uint32_t n = matched_bytes(r, f->clause);

		path = (struct str){r->path.p + n, r->path.len - n};
		/* A target that does not begin with "/" would not be a path. */
		if ((to.len ? *to.p : path.len ? *path.p : 0) != '/')
			HTTP1_PUT(out, "/");
		http1_put_str(out, to);
	}
	http1_write_target(path, r->query, out);
	if (r->head.minor)
		HTTP1_PUT(out, " HTTP/1.1\r\n");
	else
		HTTP1_PUT(out, " HTTP/1.0\r\n");
}

/* ---- what the proxy says about the client ---------------------------------------------------- */

/* RFC 1918, RFC 4193, loopback: what Envoy calls internal. */
static bool is_internal(const struct ip_addr *a)
{
	const uint8_t *b = a->b;

	if (!ip_is_v4(a)) {
		bool loopback = a->q[0] == 0 && a->w[2] == 0 && b[12] == 0 && b[13] == 0 &&
		                b[14] == 0 && b[15] == 1;

		return loopback || (b[0] & 0xfe) == 0xfc;
	}
	return b[12] == 10 || b[12] == 127 || (b[12] == 192 && b[13] == 168) ||
	       (b[12] == 172 && (b[13] & 0xf0) == 16);
}

/* All that came, joined, and the client's address behind it: one line, as Envoy writes it. */
static void put_forwarded_for(const struct http1_head *h, const struct ip_addr *client,
                              struct http1_out *out)
{
	HTTP1_PUT(out, "x-forwarded-for: ");
	for (uint16_t i = 0; i < h->n_fields; i++) {
		if (h->fields[i].id != HTTP1_FIELD_X_FORWARDED_FOR || !h->fields[i].value.len)
			continue;
		http1_put_str(out, h->fields[i].value);
		HTTP1_PUT(out, ",");
	}
	http1_put_addr(out, client);
	HTTP1_PUT(out, "\r\n");
}

/* A version 4 UUID of 16 random bytes: RFC 9562 section 5.4. All 32 digits at once. */
static void put_request_id(const uint8_t *id, struct http1_out *out)
{
	const __m128i nibble = _mm_set1_epi8(0x0f);
	const __m128i random =
		_mm_setr_epi8(-1, -1, -1, -1, -1, -1, 0x0f, -1, 0x3f, -1, -1, -1, -1, -1, -1, -1);
	const __m128i version =
		_mm_setr_epi8(0, 0, 0, 0, 0, 0, 0x40, 0, (char)0x80, 0, 0, 0, 0, 0, 0, 0);
	const __m128i hex = _mm_setr_epi8('0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a',
	                                  'b', 'c', 'd', 'e', 'f');
	char line[] = "x-request-id: xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx\r\n";
	char digits[32], *text = line + sizeof("x-request-id: ") - 1;
	__m128i b, low, high;

	b = _mm_loadu_si128((const __m128i *)id);
	b = _mm_or_si128(_mm_and_si128(b, random), version);
	low = _mm_and_si128(b, nibble);
	high = _mm_and_si128(_mm_srli_epi16(b, 4), nibble);
	_mm_storeu_si128((__m128i *)digits, _mm_shuffle_epi8(hex, _mm_unpacklo_epi8(high, low)));
	_mm_storeu_si128((__m128i *)(digits + 16),
	                 _mm_shuffle_epi8(hex, _mm_unpackhi_epi8(high, low)));
	memcpy(text, digits, 8);
	memcpy(text + 9, digits + 8, 4);
	memcpy(text + 14, digits + 12, 4);
	memcpy(text + 19, digits + 16, 4);
	memcpy(text + 24, digits + 20, 12);
	http1_put(out, line, sizeof(line) - 1);
}

/* The proxy's own fields that operations may still change. `sent`: ids that the client gave and keeps. */
struct own_fields {
	const struct http1_request *r;
	const struct http1_forward *f;
	const struct http1_ops *o;
	uint32_t sent;
	bool any; /* operations */
};

static bool is_wanted(const struct own_fields *own, enum http1_field_id id, struct str name)
{
	return !(own->sent >> id & 1) && !(own->any && !http1_ops_keeps(own->o, name));
}

static void put_own(const struct own_fields *own, struct http1_out *out)
{
	const struct http1_forward *f = own->f;
	bool internal = f->client && is_internal(f->client);

	if (f->client && is_wanted(own, HTTP1_FIELD_X_FORWARDED_FOR, STR("x-forwarded-for")))
		put_forwarded_for(&own->r->head, f->client, out);
	if (is_wanted(own, HTTP1_FIELD_X_FORWARDED_PROTO, STR("x-forwarded-proto")))
		HTTP1_PUT(out, "x-forwarded-proto: http\r\n");
	if (f->request_id && is_wanted(own, HTTP1_FIELD_X_REQUEST_ID, STR("x-request-id")))
		put_request_id(f->request_id, out);
	if (f->client && !internal && !f->trust_forwarded &&
	    is_wanted(own, HTTP1_FIELD_X_ENVOY, STR("x-envoy-external-address"))) {
		HTTP1_PUT(out, "x-envoy-external-address: ");
		http1_put_addr(out, f->client);
		HTTP1_PUT(out, "\r\n");
	}
	/* Envoy: the request is internal when its sender is and nobody stands behind it. */
	if (internal && !find_id(&own->r->head, HTTP1_FIELD_X_FORWARDED_FOR) &&
	    is_wanted(own, HTTP1_FIELD_X_ENVOY, STR("x-envoy-internal")))
		HTTP1_PUT(out, "x-envoy-internal: true\r\n");
}

/* Ids of the fields about the client that go on as they came. */
static uint32_t kept_forwarded(const struct http1_request *r, bool trust)
{
	const uint32_t about = ID(X_FORWARDED_FOR) | ID(X_FORWARDED_PROTO) | ID(X_REQUEST_ID);
	uint32_t ids = 0;

	for (uint16_t i = 0; trust && i < r->head.n_fields; i++)
		ids |= 1u << r->head.fields[i].id;
	return ids & about;
}

static void put_upgrade(const struct http1_head *h, struct http1_out *out)
{
	const struct http1_field *f = find_id(h, HTTP1_FIELD_UPGRADE);

	if (f) {
		HTTP1_PUT(out, "connection: upgrade\r\n");
		http1_put_field(out, STR("upgrade"), f->value);
	}
}

void http1_write_request(const struct http1_request *r, const struct http1_forward *f,
                         struct http1_out *out)
{
	const uint32_t about = ID(X_FORWARDED_FOR) | ID(X_FORWARDED_PROTO) | ID(X_REQUEST_ID);
	struct http1_ops o;
	struct own_fields own = {r, f, &o, kept_forwarded(r, f->trust_forwarded), false};

	http1_ops_of_request(&o, r, f);
	own.any = http1_ops_any(&o);
	put_request_line(r, f, out);
	http1_ops_write_host(&o, f->route, out);
	put_fields(&r->head, (ID(HOST) | ID(X_ENVOY) | about) & ~own.sent, &o, out);
	put_own(&own, out);
	if (own.any)
		http1_ops_write(&o, out);
	if (is_rewritten(r, f)) {
		HTTP1_PUT(out, "x-envoy-original-path: ");
		http1_write_target(r->path, r->query, out);
		HTTP1_PUT(out, "\r\n");
	}
	HTTP1_PUT(out, "x-envoy-attempt-count: ");
	http1_put_number(out, f->attempt);
	HTTP1_PUT(out, "\r\n");
	if (r->head.framing == HTTP1_BODY_CHUNKED)
		HTTP1_PUT(out, "transfer-encoding: chunked\r\n");
	if (r->head.upgrade)
		put_upgrade(&r->head, out);
	HTTP1_PUT(out, "\r\n");
}

/* ---- responses ------------------------------------------------------------------------------- */

static void put_connection(const struct http1_response *r, const struct http1_reply *f,
                           struct http1_out *out)
{
	if (r->head.upgrade)
		put_upgrade(&r->head, out);
	else if (f->close || r->head.framing == HTTP1_BODY_CLOSE)
		HTTP1_PUT(out, "connection: close\r\n");
	else if (f->to_http10)
		HTTP1_PUT(out, "connection: keep-alive\r\n");
}

/* The fields that only final responses (and 101) get. */
static void put_reply_fields(const struct http1_response *r, const struct http1_reply *f,
                             const struct http1_ops *o, struct http1_out *out)
{
	bool any = http1_ops_any(o);

	if (f->unix_s && !find_id(&r->head, HTTP1_FIELD_DATE) &&
	    (!any || http1_ops_keeps(o, STR("date")))) {
		HTTP1_PUT(out, "date: ");
		http1_put_date(out, f->unix_s);
		HTTP1_PUT(out, "\r\n");
	}
	if (!any || http1_ops_keeps(o, STR("x-envoy-upstream-service-time"))) {
		HTTP1_PUT(out, "x-envoy-upstream-service-time: ");
		http1_put_number(out, f->upstream_ms);
		HTTP1_PUT(out, "\r\n");
	}
	if (any)
		http1_ops_write(o, out);
	HTTP1_PUT(out, "server: istio-envoy\r\n");
	if (r->head.framing == HTTP1_BODY_CHUNKED && !f->to_http10)
		HTTP1_PUT(out, "transfer-encoding: chunked\r\n");
	put_connection(r, f, out);
}

void http1_write_response(const struct http1_response *r, const struct http1_reply *f,
                          struct http1_out *out)
{
	struct http1_ops o = {
		.request = f->request, .client = f->client, .client_port = f->client_port};
	uint32_t without = ID(SERVER);
	uint16_t status = r->head.status;

	http1_write_status(status, r->reason, out);
	/* RFC 9110 section 8.6: neither may carry a length. */
	if (status < 200 || status == 204)
		without |= ID(CONTENT_LENGTH);
	if (status < 200 && status != 101) {
		put_fields(&r->head, without, NULL, out);
	} else {
		http1_ops_of_response(&o, f->route, f->dest);
		put_fields(&r->head, without | ID(X_ENVOY), &o, out);
		put_reply_fields(r, f, &o, out);
	}
	HTTP1_PUT(out, "\r\n");
}
