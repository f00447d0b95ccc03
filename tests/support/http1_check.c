/* SPDX-License-Identifier: BSD-3-Clause */
#include "http1_check.h"

#include "http1_path.h"

#include <stdio.h>
#include <stdlib.h>

#define CHECK(condition)                                                                \
	do {                                                                            \
		if (!(condition)) {                                                     \
			fprintf(stderr, "%s:%d: %s\n", __func__, __LINE__, #condition); \
			abort();                                                        \
		}                                                                       \
	} while (0)

#define PREFIXES_MAX 2048 /* trying every prefix is quadratic */

/* A copy of exactly len bytes, so that a sanitizer sees reads beyond them. */
static char *exact_copy(const void *data, size_t len)
{
	char *copy = malloc(len ? len : 1);

	CHECK(copy);
	if (len)
		memcpy(copy, data, len);
	return copy;
}

static bool inside(struct str s, const char *p, size_t len)
{
	return s.p == NULL ? s.len == 0
	                   : s.p >= p && s.len <= len && (size_t)(s.p - p) <= len - s.len;
}

static void check_fields(const struct http1_head *h, const char *p, size_t len)
{
	unsigned int lengths = 0, codings = 0;

	CHECK(h->n_fields <= HTTP1_FIELDS_MAX);
	for (uint16_t i = 0; i < h->n_fields; i++) {
		const struct http1_field *f = &h->fields[i];

		CHECK(inside(f->name, p, len) && f->name.len);
		CHECK(inside(f->value, p, len));
		CHECK(!memchr(f->value.p, '\n', f->value.len) &&
		      !memchr(f->value.p, '\0', f->value.len));
		CHECK(f->id <= HTTP1_FIELD_X_ENVOY);
		lengths += f->id == HTTP1_FIELD_CONTENT_LENGTH;
		codings += f->id == HTTP1_FIELD_TRANSFER_ENCODING;
	}
	CHECK(lengths + codings <= 1);
	CHECK(h->framing != HTTP1_BODY_LENGTH || lengths == 1);
	CHECK(h->framing != HTTP1_BODY_CHUNKED || (codings == 1 && h->minor == 1));
	CHECK(h->length <= INT64_MAX && (h->length == 0 || h->framing == HTTP1_BODY_LENGTH));
}

static void same_head(const struct http1_head *a, const struct http1_head *b)
{
	CHECK(a->minor == b->minor && a->framing == b->framing && a->length == b->length);
	CHECK(a->status == b->status && a->upgrade == b->upgrade);
	CHECK(a->expect_continue == b->expect_continue);
}

static void same_request(const struct http1_request *a, const struct http1_request *b)
{
	same_head(&a->head, &b->head);
	CHECK(str_eq(a->method, b->method) && str_eq(a->path, b->path));
	CHECK(!a->query.p == !b->query.p && str_eq(a->query, b->query));
	CHECK(str_eq(a->authority, b->authority));
	CHECK(a->is_head == b->is_head && a->is_connect == b->is_connect);
}

/* Fields of a that go on must stand in b in the same order. */
static void same_fields(const struct http1_head *a, const struct http1_head *b, uint32_t changed)
{
	uint16_t k = 0;

	for (uint16_t i = 0; i < a->n_fields; i++) {
		const struct http1_field *f = &a->fields[i];

		if (f->hop || (changed >> f->id & 1))
			continue;
		while (k < b->n_fields && !(str_eq(f->name, b->fields[k].name) &&
		                            str_eq(f->value, b->fields[k].value)))
			k++;
		CHECK(k < b->n_fields);
		k++;
	}
	for (uint16_t i = 0; i < b->n_fields; i++)
		CHECK(!str_eq_nocase(b->fields[i].name, STR("te")) &&
		      !str_eq_nocase(b->fields[i].name, STR("keep-alive")));
}

/* Write with exactly the room that is needed. */
static char *request_written(const struct http1_request *r, size_t *len)
{
	static const uint8_t id[16] = {1};
	const struct http1_forward f = {.trust_forwarded = true, .attempt = 1, .request_id = id};
	struct http1_out count = {NULL, 0, 0}, out;

	http1_write_request(r, &f, &count);
	out = (struct http1_out){malloc(count.len), count.len, 0};
	CHECK(out.p);
	http1_write_request(r, &f, &out);
	CHECK(out.len == count.len);
	*len = out.len;
	return out.p;
}

static void check_request_written(const struct http1_request *r)
{
	static struct http1_request again;
	size_t len, len2, used;
	char *first = request_written(r, &len), *second;

	if (r->head.n_fields > HTTP1_FIELDS_MAX - 6) { /* the proxy's own might be too many */
		free(first);
		return;
	}
	CHECK(http1_parse_request(first, len, &again, &used) == HTTP1_DONE);
	CHECK(used == len);
	same_request(r, &again);
	same_fields(&r->head, &again.head, 1u << HTTP1_FIELD_HOST | 1u << HTTP1_FIELD_X_ENVOY);
	second = request_written(&again, &len2);
	CHECK(len == len2 && memcmp(first, second, len) == 0);
	free(first);
	free(second);
}

static void check_request_prefixes(const char *data, size_t used)
{
	static struct http1_request r;
	size_t ignored;

	for (size_t n = used > PREFIXES_MAX ? used - PREFIXES_MAX : 0; n < used; n++) {
		char *copy = exact_copy(data, n);

		CHECK(http1_parse_request(copy, n, &r, &ignored) == HTTP1_MORE);
		CHECK(n == 0 || memcmp(copy, data, n) == 0);
		free(copy);
	}
}

static void check_request_done(const char *data, char *copy, size_t len, size_t used,
                               const struct http1_request *r)
{
	static struct http1_request again;
	size_t used2;

	CHECK(used <= len);
	check_fields(&r->head, copy, used);
	CHECK(inside(r->method, copy, used) && inside(r->authority, copy, used));
	CHECK(inside(r->scheme, copy, used) && inside(r->query, copy, used));
	CHECK(str_eq(r->path, STR("*")) || inside(r->path, copy, used));
	CHECK(r->is_connect ? !r->path.p : *r->path.p == '/' || str_eq(r->path, STR("*")));
	CHECK(r->head.framing != HTTP1_BODY_CLOSE && r->head.status == 0);
	CHECK(r->authority.p || r->head.minor == 0);
	if (!r->is_connect && *r->path.p == '/')
		http1_check_path(r->path.p, r->path.len);
	CHECK(http1_parse_request(copy, len, &again, &used2) == HTTP1_DONE);
	CHECK(used == used2);
	same_request(r, &again);
	check_request_prefixes(data, used);
	if (!r->is_connect)
		check_request_written(r);
}

enum http1_result http1_check_request(const void *data, size_t len)
{
	static struct http1_request r;
	char *copy = exact_copy(data, len);
	size_t used = 0;
	enum http1_result res = http1_parse_request(copy, len, &r, &used);

	if (res == HTTP1_DONE)
		check_request_done(data, copy, len, used, &r);
	else if (res == HTTP1_MORE)
		CHECK(len == 0 || memcmp(copy, data, len) == 0);
	else
		CHECK(r.head.why &&
		      (r.head.status == 400 || r.head.status == 417 || r.head.status == 431 ||
		       r.head.status == 501 || r.head.status == 505));
	free(copy);
	return res;
}

static char *response_written(const struct http1_response *r, size_t *len)
{
	const struct http1_reply f = {.upstream_ms = 5, .unix_s = 784111777};
	struct http1_out count = {NULL, 0, 0}, out;

	http1_write_response(r, &f, &count);
	out = (struct http1_out){malloc(count.len), count.len, 0};
	CHECK(out.p);
	http1_write_response(r, &f, &out);
	CHECK(out.len == count.len);
	*len = out.len;
	return out.p;
}

static void check_response_written(const struct http1_response *r, bool to_head)
{
	const uint32_t changed =
		1u << HTTP1_FIELD_SERVER | 1u << HTTP1_FIELD_X_ENVOY |
		(r->head.status < 200 || r->head.status == 204 ? 1u << HTTP1_FIELD_CONTENT_LENGTH
	                                                       : 0);
	struct http1_response *again = malloc(sizeof(*again));
	size_t len, len2, used;
	char *first = response_written(r, &len), *second;

	CHECK(again);
	if (r->head.n_fields <= HTTP1_FIELDS_MAX - 6) {
		CHECK(http1_parse_response(first, len, to_head, again, &used) == HTTP1_DONE);
		CHECK(used == len && again->head.status == r->head.status);
		CHECK(again->head.framing == r->head.framing &&
		      again->head.length == r->head.length);
		CHECK(str_eq(again->reason, r->reason) && again->head.upgrade == r->head.upgrade);
		same_fields(&r->head, &again->head, changed);
		second = response_written(again, &len2);
		CHECK(len == len2 && memcmp(first, second, len) == 0);
		free(second);
	}
	free(first);
	free(again);
}

static void check_response_prefixes(const char *data, size_t used, bool to_head)
{
	static struct http1_response r;
	size_t ignored;

	for (size_t n = used > PREFIXES_MAX ? used - PREFIXES_MAX : 0; n < used; n++) {
		char *copy = exact_copy(data, n);

		CHECK(http1_parse_response(copy, n, to_head, &r, &ignored) == HTTP1_MORE);
		free(copy);
	}
}

enum http1_result http1_check_response(const void *data, size_t len, bool to_head)
{
	static struct http1_response r;
	char *copy = exact_copy(data, len);
	size_t used = 0;
	enum http1_result res = http1_parse_response(copy, len, to_head, &r, &used);

	if (res == HTTP1_BAD)
		CHECK(r.head.status == 502 && r.head.why);
	if (res == HTTP1_DONE) {
		CHECK(used <= len);
		check_fields(&r.head, copy, used);
		CHECK(inside(r.reason, copy, used));
		CHECK(r.head.status >= 100 && r.head.status <= 999);
		CHECK(r.head.framing != HTTP1_BODY_CLOSE || !r.head.keep_alive);
		CHECK(!to_head || r.head.framing == HTTP1_BODY_NONE);
		check_response_prefixes(data, used, to_head);
		check_response_written(&r, to_head);
	}
	free(copy);
	return res;
}

/* ---- bodies ---------------------------------------------------------------------------------- */

static uint64_t next_random(uint64_t *s)
{
	*s ^= *s << 13, *s ^= *s >> 7, *s ^= *s << 17;
	return *s;
}

/* Feed pieces of 1 to `most` bytes (drawn from *seed, or all of `most`). */
static enum http1_result feed_pieces(const char *data, size_t len, size_t most, uint64_t *seed,
                                     size_t *end)
{
	enum http1_result res = HTTP1_MORE;
	struct http1_body b;

	http1_body_init(&b, HTTP1_BODY_CHUNKED, 0);
	for (*end = 0; *end < len && res == HTTP1_MORE;) {
		size_t want = seed ? 1 + next_random(seed) % most : most;
		size_t n = want < len - *end ? want : len - *end, used = 0;
		char *piece = exact_copy(data + *end, n);

		CHECK(!http1_body_done(&b));
		res = http1_body_feed(&b, piece, n, &used);
		free(piece);
		CHECK(used <= n && (res != HTTP1_MORE || used == n));
		*end += used;
	}
	CHECK(http1_body_done(&b) == (res == HTTP1_DONE));
	return res;
}

enum http1_result http1_check_body(const void *data, size_t len, uint64_t seed, size_t *end)
{
	size_t end_bytes, end_pieces;
	uint64_t s = seed | 1;
	enum http1_result res = feed_pieces(data, len, len ? len : 1, NULL, end);

	CHECK(feed_pieces(data, len, 1, NULL, &end_bytes) == res && end_bytes == *end);
	CHECK(feed_pieces(data, len, 40, &s, &end_pieces) == res && end_pieces == *end);
	return res;
}

/* ---- paths ----------------------------------------------------------------------------------- */

static int hex(char c)
{
	static const char digits[] = "0123456789abcdefABCDEF";
	const char *at = c ? strchr(digits, c) : NULL;

	if (!at)
		return -1;
	return at - digits < 16 ? (int)(at - digits) : (int)(at - digits) - 6;
}

/* Plain reading, part one: percent-encodings and backslashes. False: to be refused. */
static bool plain_decode(const char *in, size_t len, char *out, size_t *out_len)
{
	static const char unreserved[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";

	*out_len = 0;
	for (size_t i = 0; i < len; i++) {
		if (in[i] != '%') {
			out[(*out_len)++] = in[i] == '\\' ? '/' : in[i];
			continue;
		}
		if (i + 2 >= len || hex(in[i + 1]) < 0 || hex(in[i + 2]) < 0)
			return false;
		char c = (char)(hex(in[i + 1]) * 16 + hex(in[i + 2]));

		if (c == '\0')
			return false;
		if (!strchr(unreserved, c)) {
			memcpy(out + *out_len, in + i, 3);
			*out_len += 3;
		} else {
			out[(*out_len)++] = c;
		}
		i += 2;
	}
	return true;
}

/* Part two: RFC 3986 section 5.2.4 to the letter, with an input and an output buffer. */
static size_t plain_dots(const char *in, size_t len, char *out)
{
	size_t n = 0;

	while (len) {
		bool up = (len >= 4 && memcmp(in, "/../", 4) == 0) ||
		          (len == 3 && memcmp(in, "/..", 3) == 0);
		bool last = len == (up ? 3 : 2) && memcmp(in, "/.", 2) == 0;

		while (up && n && out[--n] != '/') /* 2C */
			;
		if (last) {
			out[n++] = '/';
			return n;
		}
		if (up || (len >= 3 && memcmp(in, "/./", 3) == 0)) { /* 2B, 2C */
			in += up ? 3 : 2, len -= up ? 3 : 2;
			continue;
		}
		do /* 2E */
			out[n++] = *in++, len--;
		while (len && *in != '/');
	}
	return n;
}

void http1_check_path(const void *path, size_t len)
{
	char *got = exact_copy(path, len), *decoded = malloc(len), *want = malloc(len + 1);
	uint32_t got_len = (uint32_t)len, again;
	size_t decoded_len, want_len;
	bool ok = http1_path_normalise(got, &got_len);

	CHECK(decoded && want);
	CHECK(plain_decode(path, len, decoded, &decoded_len) == ok);
	if (ok) {
		want_len = plain_dots(decoded, decoded_len, want);
		CHECK(got_len == want_len && memcmp(got, want, got_len) == 0);
		again = got_len;
		CHECK(http1_path_normalise(got, &again));
		CHECK(again == got_len && memcmp(got, want, got_len) == 0);
	}
	free(got);
	free(decoded);
	free(want);
}
