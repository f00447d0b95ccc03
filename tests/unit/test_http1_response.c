/* SPDX-License-Identifier: BSD-3-Clause */
#include "http1.h"
#include "test.h"

#include <stdio.h>
#include <stdlib.h>

static struct http1_response r;
static size_t used;
static char *copy; /* of exactly the text's size: a sanitizer sees any read beyond it */

static enum http1_result parse_bytes(const char *text, size_t len, bool to_head)
{
	free(copy);
	copy = malloc(len ? len : 1);
	assert_non_null(copy);
	memcpy(copy, text, len);
	memset(&r, 0xa5, sizeof(r));
	used = 0;
	return http1_parse_response(copy, len, to_head, &r, &used);
}

static enum http1_result parse(const char *text)
{
	return parse_bytes(text, strlen(text), false);
}

static void refused(const char *text, const char *why)
{
	if (parse(text) != HTTP1_BAD)
		fail_msg("not refused: %s", text);
	if (r.head.status != 502 || strcmp(r.head.why, why) != 0)
		fail_msg("%d \"%s\" for: %s", r.head.status, r.head.why, text);
}

static void assert_str(struct str s, const char *want)
{
	if (s.len != strlen(want) || memcmp(s.p ? s.p : "", want, s.len) != 0)
		fail_msg("\"%.*s\" is not \"%s\"", (int)s.len, s.p ? s.p : "", want);
}

static void nginx(void **state)
{
	const char *text = "HTTP/1.1 200 OK\r\nServer: nginx\r\nContent-Length: 3\r\n"
			   "Connection: keep-alive\r\n\r\nabc";

	(void)state;
	assert_int_equal(parse(text), HTTP1_DONE);
	assert_int_equal(used, strlen(text) - 3);
	assert_int_equal(r.head.status, 200);
	assert_str(r.reason, "OK");
	assert_int_equal(r.head.minor, 1);
	assert_int_equal(r.head.n_fields, 3);
	assert_int_equal(r.head.framing, HTTP1_BODY_LENGTH);
	assert_int_equal(r.head.length, 3);
	assert_true(r.head.keep_alive);
	assert_false(r.head.upgrade);
	assert_false(r.head.expect_continue);
	assert_int_equal(r.head.fields[0].id, HTTP1_FIELD_SERVER);
	assert_true(r.head.fields[2].hop);
}

static void reason_may_miss(void **state)
{
	(void)state;
	assert_int_equal(parse("HTTP/1.1 404\r\nContent-Length: 0\r\n\r\n"), HTTP1_DONE);
	assert_int_equal(r.head.status, 404);
	assert_int_equal(r.reason.len, 0);
	assert_int_equal(parse("HTTP/1.1 404 \r\nContent-Length: 0\r\n\r\n"), HTTP1_DONE);
	assert_int_equal(r.reason.len, 0);
	assert_int_equal(parse("HTTP/1.1 999 Caf\xc3\xa9 \t x\r\n\r\n"), HTTP1_DONE);
	assert_str(r.reason, "Caf\xc3\xa9 \t x");
}

/* RFC 9112 section 6.3: what has no body whatever the fields say. */
static void no_body(void **state)
{
	static const int statuses[] = {100, 103, 204, 304};
	char text[128];

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		snprintf(text, sizeof(text), "HTTP/1.1 %d x\r\nContent-Length: 5\r\n\r\n",
		         statuses[i]);
		assert_int_equal(parse(text), HTTP1_DONE);
		assert_int_equal(r.head.framing, HTTP1_BODY_NONE);
		assert_true(r.head.keep_alive);
		snprintf(text, sizeof(text), "HTTP/1.1 %d x\r\n\r\n", statuses[i]);
		assert_int_equal(parse(text), HTTP1_DONE);
		assert_int_equal(r.head.framing, HTTP1_BODY_NONE);
		assert_true(r.head.keep_alive);
	}
	snprintf(text, sizeof(text), "HTTP/1.1 200 x\r\nTransfer-Encoding: chunked\r\n\r\n");
	assert_int_equal(parse_bytes(text, strlen(text), true), HTTP1_DONE);
	assert_int_equal(r.head.framing, HTTP1_BODY_NONE);
}

static void until_close(void **state)
{
	(void)state;
	assert_int_equal(parse("HTTP/1.1 200 OK\r\nConnection: keep-alive\r\n\r\n"), HTTP1_DONE);
	assert_int_equal(r.head.framing, HTTP1_BODY_CLOSE);
	assert_false(r.head.keep_alive);
	assert_int_equal(parse("HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\n"), HTTP1_DONE);
	assert_int_equal(r.head.minor, 0);
	assert_false(r.head.keep_alive);
	assert_int_equal(
		parse("HTTP/1.0 200 OK\r\nContent-Length: 1\r\nConnection: Keep-Alive\r\n\r\n"),
		HTTP1_DONE);
	assert_true(r.head.keep_alive);
	assert_int_equal(parse("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nConnection: close\r\n\r\n"),
	                 HTTP1_DONE);
	assert_false(r.head.keep_alive);
}

/* RFC 9112 section 5.1: a proxy removes it. It does not hide a field from us either. */
static void space_before_colon_is_removed(void **state)
{
	(void)state;
	assert_int_equal(parse("HTTP/1.1 200 OK\r\nContent-Length \t: 7\r\nX : y\r\n\r\n"),
	                 HTTP1_DONE);
	assert_int_equal(r.head.length, 7);
	assert_str(r.head.fields[0].name, "Content-Length");
	assert_str(r.head.fields[1].name, "X");
}

static void refusals(void **state)
{
	(void)state;
	refused("ICY 200 OK\r\n", "bad version");
	refused("HTTP/2.0 200 OK\r\n", "bad version");
	refused("HTTP/1.2 200 OK\r\n", "bad version");
	refused("HTTP/1.1  200 OK\r\n", "bad status");
	refused("HTTP/1.1\t200 OK\r\n", "bad version");
	refused("HTTP/1.1 020 OK\r\n", "bad status");
	refused("HTTP/1.1 2x0 OK\r\n", "bad status");
	refused("HTTP/1.1 20 OK..\r\n", "bad status");
	refused("HTTP/1.1 2000 OK\r\n", "bad status");
	refused("HTTP/1.1 200 O\x01K\r\n", "control character");
	refused("HTTP/1.1 200 OK\n\n\n", "bare LF");
	refused("HTTP/1.1 200\n\n", "bare LF");
	refused("HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n", "folded field line");
	refused("HTTP/1.1 200 OK\r\nA b: c\r\n\r\n", "bad field name");
	refused("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
	        "content-length with transfer-encoding");
	refused("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n",
	        "content-length twice");
	refused("HTTP/1.1 200 OK\r\nContent-Length: 1, 1\r\n\r\n", "bad content-length");
	refused("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
	        "transfer-encoding does not end in one chunked");
	refused("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
	        "transfer-encoding other than chunked");
	refused("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
	        "transfer-encoding in HTTP/1.0");
	refused("HTTP/1.1 204 x\r\nContent-Length: -1\r\n\r\n", "bad content-length");
}

static void switching(void **state)
{
	(void)state;
	assert_int_equal(parse("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n"
	                       "Upgrade: websocket\r\n\r\n"),
	                 HTTP1_DONE);
	assert_true(r.head.upgrade);
	assert_int_equal(r.head.framing, HTTP1_BODY_NONE);
	refused("HTTP/1.1 101 x\r\nUpgrade: websocket\r\n\r\n", "101 without upgrade");
	refused("HTTP/1.1 101 x\r\nConnection: upgrade\r\n\r\n", "101 without upgrade");
}

static void prefixes(void **state)
{
	static const char text[] = "HTTP/1.1 200 OK\r\nA : b\r\nContent-Length: 12\r\n\r\n";

	(void)state;
	for (size_t n = 0; n < sizeof(text) - 1; n++)
		assert_int_equal(parse_bytes(text, n, false), HTTP1_MORE);
	assert_int_equal(parse_bytes(text, sizeof(text) - 1, false), HTTP1_DONE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nginx),     cmocka_unit_test(reason_may_miss),
		cmocka_unit_test(no_body),   cmocka_unit_test(until_close),
		cmocka_unit_test(refusals),  cmocka_unit_test(space_before_colon_is_removed),
		cmocka_unit_test(switching), cmocka_unit_test(prefixes),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);

	free(copy);
	return failed;
}
