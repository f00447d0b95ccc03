/* SPDX-License-Identifier: BSD-3-Clause */
#include "http1.h"
#include "test.h"

#include <stdio.h>
#include <stdlib.h>

/*
 * Parse a copy of exactly the text's size, so that a sanitizer sees any read beyond it. The copy lives
 * until the next call.
 */
static struct http1_request r;
static size_t used;
static char *copy;

static enum http1_result parse_bytes(const char *text, size_t len)
{
	free(copy);
	copy = malloc(len ? len : 1);
	assert_non_null(copy);
	memcpy(copy, text, len);
	memset(&r, 0xa5, sizeof(r));
	used = 0;
	return http1_parse_request(copy, len, &r, &used);
}

static enum http1_result parse(const char *text)
{
	return parse_bytes(text, strlen(text));
}

static void refused_bytes(const char *text, size_t len, int status, const char *why)
{
	if (parse_bytes(text, len) != HTTP1_BAD)
		fail_msg("not refused: %s", text);
	if (r.head.status != status || strcmp(r.head.why, why) != 0)
		fail_msg("%d \"%s\" for: %s", r.head.status, r.head.why, text);
}

static void refused(const char *text, int status, const char *why)
{
	refused_bytes(text, strlen(text), status, why);
}

static void assert_str(struct str s, const char *want)
{
	if (s.len != strlen(want) || memcmp(s.p ? s.p : "", want, s.len) != 0)
		fail_msg("\"%.*s\" is not \"%s\"", (int)s.len, s.p ? s.p : "", want);
}

static void browser(void **state)
{
	const char *text = "GET /a/../index.html?q=1&r=/../ HTTP/1.1\r\n"
			   "Host: www.example.com:8080\r\n"
			   "User-Agent:Mozilla/5.0 (X11; Linux x86_64)  \r\n"
			   "Accept:\t*/* \t\r\n"
			   "X-Empty:\r\n"
			   "\r\nGET";

	(void)state;
	assert_int_equal(parse(text), HTTP1_DONE);
	assert_int_equal(used, strlen(text) - 3);
	assert_str(r.method, "GET");
	assert_str(r.path, "/index.html");
	assert_str(r.query, "q=1&r=/../");
	assert_str(r.authority, "www.example.com:8080");
	assert_null(r.scheme.p);
	assert_false(r.is_head);
	assert_false(r.is_connect);
	assert_int_equal(r.head.minor, 1);
	assert_int_equal(r.head.status, 0);
	assert_int_equal(r.head.framing, HTTP1_BODY_NONE);
	assert_true(r.head.keep_alive);
	assert_false(r.head.upgrade);
	assert_false(r.head.expect_continue);
	assert_int_equal(r.head.n_fields, 4);
	assert_int_equal(r.head.fields[0].id, HTTP1_FIELD_HOST);
	assert_str(r.head.fields[1].name, "User-Agent");
	assert_str(r.head.fields[1].value, "Mozilla/5.0 (X11; Linux x86_64)");
	assert_int_equal(r.head.fields[1].id, HTTP1_FIELD_OTHER);
	assert_str(r.head.fields[2].value, "*/*");
	assert_str(r.head.fields[3].value, "");
}

static void ids_ignore_case(void **state)
{
	static const struct {
		const char *name;
		int id;
		bool hop;
	} rows[] = {
		{"HOST", HTTP1_FIELD_HOST, false},
		{"cOnnection", HTTP1_FIELD_CONNECTION, true},
		{"Keep-Alive", HTTP1_FIELD_KEEP_ALIVE, true},
		{"Proxy-Connection", HTTP1_FIELD_PROXY_CONNECTION, true},
		{"TE", HTTP1_FIELD_TE, true},
		{"Trailer", HTTP1_FIELD_TRAILER, false},
		{"Upgrade", HTTP1_FIELD_UPGRADE, true},
		{"DATE", HTTP1_FIELD_DATE, false},
		{"Server", HTTP1_FIELD_SERVER, false},
		{"X-Forwarded-For", HTTP1_FIELD_X_FORWARDED_FOR, false},
		{"X-FORWARDED-PROTO", HTTP1_FIELD_X_FORWARDED_PROTO, false},
		{"x-request-ID", HTTP1_FIELD_X_REQUEST_ID, false},
		{"X-Envoy-Retry-On", HTTP1_FIELD_X_ENVOY, false},
		{"x-envoy-", HTTP1_FIELD_OTHER, false},
		{"x-envoi-a", HTTP1_FIELD_OTHER, false},
		{"hose", HTTP1_FIELD_OTHER, false},
		{"Content-Lengt_", HTTP1_FIELD_OTHER, false},
		{"Content\x0dLength", -1, false},
	};
	char text[256];

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		int id = rows[i].id;

		snprintf(text, sizeof(text), "GET / HTTP/1.1\r\n%s: a\r\n%s\r\n", rows[i].name,
		         id == HTTP1_FIELD_HOST ? "" : "Host: h\r\n");
		if (id < 0) {
			assert_int_equal(parse(text), HTTP1_BAD);
			continue;
		}
		assert_int_equal(parse(text), HTTP1_DONE);
		assert_int_equal(r.head.fields[0].id, id);
		assert_int_equal(r.head.fields[0].hop, rows[i].hop);
	}
}

static void targets(void **state)
{
	(void)state;
	assert_int_equal(parse("GET http://A.example/x?y HTTP/1.1\r\nHost: b\r\n\r\n"), HTTP1_DONE);
	assert_str(r.scheme, "http");
	assert_str(r.authority, "A.example");
	assert_str(r.path, "/x");
	assert_str(r.query, "y");
	assert_int_equal(parse("GET HTTPS://a HTTP/1.1\r\nHost: b\r\n\r\n"), HTTP1_DONE);
	assert_str(r.scheme, "HTTPS");
	assert_str(r.path, "/");
	assert_null(r.query.p);
	assert_int_equal(parse("GET http://a?q HTTP/1.1\r\nHost: b\r\n\r\n"), HTTP1_DONE);
	assert_str(r.path, "/");
	assert_str(r.query, "q");
	assert_int_equal(parse("OPTIONS * HTTP/1.1\r\nHost: b\r\n\r\n"), HTTP1_DONE);
	assert_str(r.path, "*");
	assert_int_equal(parse("OPTIONS http://a HTTP/1.1\r\nHost: b\r\n\r\n"), HTTP1_DONE);
	assert_str(r.path, "*");
	assert_str(r.authority, "a");
	assert_int_equal(parse("OPTIONS http://a/ HTTP/1.1\r\nHost: b\r\n\r\n"), HTTP1_DONE);
	assert_str(r.path, "/");
	assert_int_equal(parse("CONNECT a.b:443 HTTP/1.1\r\nHost: a.b:443\r\n\r\n"), HTTP1_DONE);
	assert_true(r.is_connect);
	assert_str(r.authority, "a.b:443");
	assert_null(r.path.p);
	assert_int_equal(parse("GET /? HTTP/1.1\r\nHost: b\r\n\r\n"), HTTP1_DONE);
	assert_non_null(r.query.p);
	assert_int_equal(r.query.len, 0);
	assert_int_equal(parse("HEAD /{\"<>\\^`|}!$&'()*+,;=:@[] HTTP/1.1\r\nHost: b\r\n\r\n"),
	                 HTTP1_DONE);
	assert_true(r.is_head);
	assert_str(r.path, "/{\"<>/^`|}!$&'()*+,;=:@[]");
}

#define LINE(target) target " HTTP/1.1\r\nHost: h\r\n\r\n"

static void bad_request_lines(void **state)
{
	(void)state;
	refused(LINE(" /"), 400, "bad method");
	refused(LINE("G\tT /"), 400, "bad method");
	refused(LINE("GET\t/"), 400, "bad method");
	refused(LINE("G(T /"), 400, "bad method");
	refused(LINE("G\xc3T /"), 400, "bad method");
	refused("\x16\x03\x01", 400, "bad method");
	refused(LINE("GET  /"), 400, "bad request target");
	refused(LINE("GET /a\tb"), 400, "bad request target");
	refused(LINE("GET /a\x7f"), 400, "bad request target");
	refused(LINE("GET /a\xff"), 400, "bad request target");
	refused(LINE("GET /\xc3\xa4"), 400, "bad request target");
	refused(LINE("GET a"), 400, "bad request target");
	refused(LINE("GET *"), 400, "bad request target");
	refused(LINE("OPTIONS **"), 400, "bad request target");
	refused(LINE("GET ftp://a/"), 400, "bad request target");
	refused(LINE("GET http:/a/bcdef"), 400, "bad request target");
	refused(LINE("GET h:443"), 400, "bad request target");
	refused(LINE("GET http:///a"), 400, "bad authority");
	refused(LINE("GET http://u@h/a"), 400, "bad authority");
	refused(LINE("GET https://"), 400, "bad authority");
	refused(LINE("GET /a#b"), 400, "fragment in request target");
	refused(LINE("GET /a?b#"), 400, "fragment in request target");
	refused(LINE("CONNECT /a"), 400, "bad authority");
	refused(LINE("CONNECT h"), 400, "bad authority");
	refused(LINE("CONNECT h:"), 400, "bad authority");
	refused(LINE("GET /%zz"), 400, "bad percent-encoding in path");
	refused(LINE("GET /%00"), 400, "bad percent-encoding in path");
	refused(LINE("GET /a b"), 400, "bad version");
	refused("GET /\r\n", 400, "bad request target");
	refused("GET / \r\n", 400, "bad version");
	refused("GET / http/1.1\r\n", 400, "bad version");
	refused("GET / HTTP/11\r\n\r\n", 400, "bad version");
	refused("GET / HTTP/1.10\r\n", 400, "bad version");
	refused("GET / HTTP/1.1 \r\n", 400, "bad version");
	refused("GET / HTTP/1.2\r\n", 505, "version not supported");
	refused("GET / HTTP/0.9\r\n", 505, "version not supported");
	refused("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505, "version not supported");
	refused("GET / HTTP/1.1\nHost: h\n\n", 400, "bare LF");
	refused("GET / HTTP/1.1\rHost: h\r\n", 400, "bare CR");
	refused("\nGET / HTTP/1.1\r\n", 400, "bad method");
	refused("\r\n\r\nGET / HTTP/1.1\r\n", 400, "bad method");
	refused("\rGET / HTTP/1.1\r\n", 400, "bare CR");
}

static void an_empty_line_comes_first(void **state)
{
	(void)state;
	assert_int_equal(parse("\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n"), HTTP1_DONE);
	assert_int_equal(used, 29);
}

#define GET "GET / HTTP/1.1\r\nHost: h\r\n"

static void bad_fields(void **state)
{
	static const char nul[] = GET "A: b\0c\r\n\r\n";
	static const char nul_name[] = GET "A\0: b\r\n\r\n";

	(void)state;
	refused(GET "A : b\r\n\r\n", 400, "space before colon");
	refused(GET "A\t: b\r\n\r\n", 400, "space before colon");
	refused(GET ": b\r\n\r\n", 400, "bad field name");
	refused(GET "A\r\n\r\n", 400, "bad field name");
	refused(GET "A(b: c\r\n\r\n", 400, "bad field name");
	refused(GET "A\xe4: c\r\n\r\n", 400, "bad field name");
	refused(GET "A: b\r\n c\r\n\r\n", 400, "folded field line");
	refused(GET "A: b\r\n\tc: d\r\n\r\n", 400, "folded field line");
	refused("GET / HTTP/1.1\r\n Host: h\r\n\r\n", 400, "folded field line");
	refused(GET "A: b\nC: d\r\n\r\n", 400, "bare LF");
	refused(GET "A: b\rC: d\r\n\r\n", 400, "bare CR");
	refused(GET "A: b\x01\r\n\r\n", 400, "control character");
	refused(GET "A: b\x7f, and sixteen bytes more\r\n\r\n", 400, "control character");
	refused(GET "\n", 400, "bad field name");
	refused(GET "\r\r\n", 400, "bare CR");
	refused_bytes(nul, sizeof(nul) - 1, 400, "control character");
	refused_bytes(nul_name, sizeof(nul_name) - 1, 400, "bad field name");
	assert_int_equal(parse(GET "A: caf\xc3\xa9 \xff\r\n\r\n"), HTTP1_DONE);
}

static void too_many_fields(void **state)
{
	static const char line[] = "a: b\r\n";
	char text[4096] = GET;
	size_t n = strlen(text);

	(void)state;
	for (int i = 1; i < HTTP1_FIELDS_MAX; i++, n += sizeof(line) - 1)
		memcpy(text + n, line, sizeof(line));
	snprintf(text + n, sizeof(text) - n, "\r\n");
	assert_int_equal(parse(text), HTTP1_DONE);
	assert_int_equal(r.head.n_fields, HTTP1_FIELDS_MAX);
	snprintf(text + n, sizeof(text) - n, "%s\r\n", line);
	refused(text, 431, "too many fields");
}

static void host_rules(void **state)
{
	static const char *const good[] = {"h",
	                                   "a-b_c.example.com",
	                                   "h:",
	                                   "h:1",
	                                   "h:65535",
	                                   "10.0.0.1:80",
	                                   "[::1]",
	                                   "[2001:db8::1]:8080",
	                                   "[::ffff:1.2.3.4]",
	                                   "xn--a.b~c!$&'()*+,;="};
	static const char *const bad[] = {
		"",     "h:a",  "h:65536",     "h:123456", "h:-1", "h:1:2",  "a b",   "a/b",
		"a@b",  "a,b/", "[",           "[]",       "[::1", "[::1]x", "[g::]", "::1",
		"a%41", "h\\x", "caf\xc3\xa9", ":80",      "a?b",  "h\"",    "<h>"};
	char text[256];

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		snprintf(text, sizeof(text), "GET / HTTP/1.1\r\nHost: %s\r\n\r\n", good[i]);
		assert_int_equal(parse(text), HTTP1_DONE);
		assert_str(r.authority, good[i]);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		snprintf(text, sizeof(text), "GET / HTTP/1.1\r\nHost: %s\r\n\r\n", bad[i]);
		refused(text, 400, "bad host");
		snprintf(text, sizeof(text), "GET http://a/ HTTP/1.1\r\nHost: %s\r\n\r\n", bad[i]);
		refused(text, 400, "bad host");
	}
	refused("GET / HTTP/1.1\r\n\r\n", 400, "no host");
	refused("GET http://a/ HTTP/1.1\r\n\r\n", 400, "no host");
	refused(GET "host: h\r\n\r\n", 400, "host twice");
	assert_int_equal(parse("GET / HTTP/1.0\r\n\r\n"), HTTP1_DONE);
	assert_int_equal(r.head.minor, 0);
	assert_null(r.authority.p);
	assert_false(r.head.keep_alive);
}

#define POST "POST / HTTP/1.1\r\nHost: h\r\n"

static void framing(void **state)
{
	(void)state;
	assert_int_equal(parse(POST "Content-Length: 0012\r\n\r\n"), HTTP1_DONE);
	assert_int_equal(r.head.framing, HTTP1_BODY_LENGTH);
	assert_int_equal(r.head.length, 12);
	assert_int_equal(parse(POST "Content-Length: 9223372036854775799\r\n\r\n"), HTTP1_DONE);
	assert_true(r.head.length == 9223372036854775799ull);
	assert_int_equal(parse(POST "Transfer-Encoding: ChunKed\r\n\r\n"), HTTP1_DONE);
	assert_int_equal(r.head.framing, HTTP1_BODY_CHUNKED);
	assert_int_equal(parse(POST "\r\n"), HTTP1_DONE);
	assert_int_equal(r.head.framing, HTTP1_BODY_NONE);
}

static void smuggling(void **state)
{
	static const char *const lengths[] = {"",
	                                      "+5",
	                                      "-5",
	                                      "5 ",
	                                      "0x5",
	                                      "5,5",
	                                      "5, 5",
	                                      "5;",
	                                      "5 5",
	                                      "5.0",
	                                      "1e3",
	                                      "\xd9\xa5",
	                                      "9223372036854775808",
	                                      "18446744073709551616",
	                                      "99999999999999999999999"};
	static const char *const codings[] = {"",
	                                      "gzip",
	                                      "identity",
	                                      "chunked, gzip",
	                                      "chunked,",
	                                      ",chunked",
	                                      "chunked, chunked",
	                                      "gzip, chunked, chunked",
	                                      "chunked;a=b",
	                                      "\"chunked\"",
	                                      "chunked x",
	                                      "xchunked",
	                                      "chunke"};
	char text[256];

	(void)state;
	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		if (strcmp(lengths[i], "5 ") ==
		    0) /* white space around a value is not part of it */
			continue;
		snprintf(text, sizeof(text), POST "Content-Length: %s\r\n\r\n", lengths[i]);
		refused(text, 400, "bad content-length");
	}
	for (size_t i = 0; i < sizeof(codings) / sizeof(codings[0]); i++) {
		snprintf(text, sizeof(text), POST "Transfer-Encoding: %s\r\n\r\n", codings[i]);
		refused(text, 400, "transfer-encoding does not end in one chunked");
	}
	refused(POST "Transfer-Encoding: gzip, chunked\r\n\r\n", 501,
	        "transfer-encoding other than chunked");
	refused(POST "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", 400,
	        "content-length with transfer-encoding");
	refused(POST "Transfer-Encoding: chunked\r\ncontent-length: 5\r\n\r\n", 400,
	        "content-length with transfer-encoding");
	refused(POST "Content-Length: 5\r\nContent-Length: 6\r\n\r\n", 400, "content-length twice");
	refused(POST "Content-Length: 5\r\nContent-Length: 5\r\n\r\n", 400, "content-length twice");
	refused(POST "Transfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n\r\n", 400,
	        "transfer-encoding twice");
	refused("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", 400,
	        "transfer-encoding in HTTP/1.0");
	refused(POST "Transfer-Encoding : chunked\r\n\r\n", 400, "space before colon");
	refused(POST "Transfer-Encoding:\x0b"
	             "chunked\r\n\r\n",
	        400, "control character");
}

static void connection_options(void **state)
{
	(void)state;
	assert_int_equal(parse(GET "Connection: close\r\n\r\n"), HTTP1_DONE);
	assert_false(r.head.keep_alive);
	assert_int_equal(parse(GET "Connection: keep-alive, CLOSE\r\n\r\n"), HTTP1_DONE);
	assert_false(r.head.keep_alive);
	assert_int_equal(parse("GET / HTTP/1.0\r\nConnection: foo,Keep-Alive\r\n\r\n"), HTTP1_DONE);
	assert_true(r.head.keep_alive);
	assert_int_equal(parse(GET
	                       "X-A: 1\r\nConnection: ,x-a ,, x-b\r\nconnection: x-c\r\nx-C: 2\r\n"
	                       "x-d: 3\r\n\r\n"),
	                 HTTP1_DONE);
	assert_true(r.head.fields[1].hop);
	assert_true(r.head.fields[4].hop);
	assert_false(r.head.fields[5].hop);
	assert_int_equal(parse(POST "Content-Length: 5\r\nX-Forwarded-For: a\r\n"
	                            "Connection: Host, Content-Length, X-Forwarded-For\r\n\r\n"),
	                 HTTP1_DONE);
	assert_false(r.head.fields[0].hop);
	assert_false(r.head.fields[1].hop);
	assert_false(r.head.fields[2].hop);
}

#define WS "Connection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\n\r\n"

static void upgrade(void **state)
{
	(void)state;
	assert_int_equal(parse(GET WS), HTTP1_DONE);
	assert_true(r.head.upgrade);
	assert_int_equal(parse(GET "Content-Length: 0\r\n" WS), HTTP1_DONE);
	assert_true(r.head.upgrade);
	assert_int_equal(parse(GET "Content-Length: 1\r\n" WS), HTTP1_DONE);
	assert_false(r.head.upgrade);
	assert_int_equal(parse(GET "Transfer-Encoding: chunked\r\n" WS), HTTP1_DONE);
	assert_false(r.head.upgrade);
	assert_int_equal(parse(POST WS), HTTP1_DONE);
	assert_false(r.head.upgrade);
	assert_int_equal(parse(GET "Upgrade: websocket\r\n\r\n"), HTTP1_DONE);
	assert_false(r.head.upgrade);
	assert_int_equal(parse(GET "Connection: upgrade\r\nUpgrade: h2c\r\n\r\n"), HTTP1_DONE);
	assert_false(r.head.upgrade);
	assert_int_equal(parse(GET "Connection: upgrade\r\nUpgrade: h2c, websocket\r\n\r\n"),
	                 HTTP1_DONE);
	assert_false(r.head.upgrade);
}

static void expect(void **state)
{
	(void)state;
	assert_int_equal(parse(POST "Content-Length: 1\r\nExpect: 100-Continue\r\n\r\n"),
	                 HTTP1_DONE);
	assert_true(r.head.expect_continue);
	refused(POST "Expect: 200-ok\r\n\r\n", 417, "unknown expectation");
	refused(POST "Expect: 100-continue\r\nExpect: 100-continue\r\n\r\n", 417,
	        "unknown expectation");
	assert_int_equal(parse("GET / HTTP/1.0\r\nExpect: x\r\n\r\n"), HTTP1_DONE);
	assert_false(r.head.expect_continue);
}

/* Each proper prefix is incomplete, and answering so leaves the input as it was. */
static void prefixes(void **state)
{
	static const char text[] = "\r\nPOST /a%2e/../b?c HTTP/1.1\r\nHost: example.com\r\n"
				   "Content-Length: 3\r\nX: y\r\n\r\n";
	size_t len = sizeof(text) - 1;

	(void)state;
	for (size_t n = 0; n < len; n++) {
		assert_int_equal(parse_bytes(text, n), HTTP1_MORE);
		assert_memory_equal(copy, text, n);
	}
	assert_int_equal(parse_bytes(text, len), HTTP1_DONE);
	assert_int_equal(used, len);
	assert_str(r.path, "/b");
}

/* A kept head parses again to the same request, whatever normalising did to it. */
static void kept_heads_parse_again(void **state)
{
	static const char *const paths[] = {
		"/a/.",          "/a/..", "/./a", "/../a", "/a/./b/../c", "/a//..//./x",
		"/%61/%2e%2E/x", "/.",    "/..",  "/%2e",  "/a\\.",       "/x/%7E/.."};
	char text[256], path[64];
	struct http1_request first;

	(void)state;
	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		snprintf(text, sizeof(text), "GET %s?q=%%41 HTTP/1.1\r\nHost: h\r\n\r\n", paths[i]);
		assert_int_equal(parse(text), HTTP1_DONE);
		first = r;
		snprintf(path, sizeof(path), "%.*s", (int)r.path.len, r.path.p);
		assert_int_equal(http1_parse_request(copy, strlen(text), &r, &used), HTTP1_DONE);
		assert_int_equal(used, strlen(text));
		assert_str(r.path, path);
		assert_str(first.path, path);
		assert_str(r.query, "q=%41");
		assert_str(r.head.fields[0].value, "h");
	}
	assert_int_equal(parse("OPTIONS http://a HTTP/1.1\r\nHost: b\r\n\r\n"), HTTP1_DONE);
	assert_int_equal(http1_parse_request(copy, used, &r, &used), HTTP1_DONE);
	assert_str(r.path, "*");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(browser),
		cmocka_unit_test(ids_ignore_case),
		cmocka_unit_test(targets),
		cmocka_unit_test(bad_request_lines),
		cmocka_unit_test(an_empty_line_comes_first),
		cmocka_unit_test(bad_fields),
		cmocka_unit_test(too_many_fields),
		cmocka_unit_test(host_rules),
		cmocka_unit_test(framing),
		cmocka_unit_test(smuggling),
		cmocka_unit_test(connection_options),
		cmocka_unit_test(upgrade),
		cmocka_unit_test(expect),
		cmocka_unit_test(prefixes),
		cmocka_unit_test(kept_heads_parse_again),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);

	free(copy);
	return failed;
}
