/* SPDX-License-Identifier: BSD-3-Clause */
/* Golden heads: what goes to the endpoint and to the client. */
#include "http1.h"
#include "test.h"

#include <arpa/inet.h>
#include <stdio.h>

#define LIT(s)                        \
	&(const struct value_part)    \
	{                             \
		VALUE_LITERAL, STR(s) \
	}
#define SET(name, value)                             \
	{                                            \
		HEADER_SET, 1, STR(name), LIT(value) \
	}
#define ADD(name, value)                             \
	{                                            \
		HEADER_ADD, 1, STR(name), LIT(value) \
	}
#define REMOVE(name)                              \
	{                                         \
		HEADER_REMOVE, 0, STR(name), NULL \
	}
#define OPS(...)                                                                            \
	{                                                                                   \
		sizeof((const struct header_op[]){__VA_ARGS__}) / sizeof(struct header_op), \
			(const struct header_op[])                                          \
		{                                                                           \
			__VA_ARGS__                                                         \
		}                                                                           \
	}

static const uint8_t id[16] = {0, 1, 2, 3, 4, 5, 0xf6, 7, 0xf8, 9, 10, 11, 12, 13, 14, 15};
static struct ip_addr client;
static char text[1024];
static struct http1_request request;

static struct http1_forward forward(const struct route *route, const struct dest *dest)
{
	client = ip_from_v4(htonl(0xc6336407)); /* 198.51.100.7 */
	return (struct http1_forward){.route = route,
	                              .dest = dest,
	                              .client = &client,
	                              .client_port = htons(54321),
	                              .attempt = 1,
	                              .request_id = id};
}

static void parse(const char *head)
{
	size_t used, n = strlen(head);

	memcpy(text, head, n + 1);
	assert_int_equal(http1_parse_request(text, n, &request, &used), HTTP1_DONE);
}

static void written(const struct http1_forward *f, const char *want)
{
	char buf[2048] = {0};
	struct http1_out out = {buf, sizeof(buf) - 1, 0}, none = {NULL, 0, 0};

	http1_write_request(&request, f, &out);
	assert_string_equal(buf, want);
	assert_int_equal(out.len, strlen(want));
	http1_write_request(&request, f, &none);
	assert_int_equal(none.len, out.len);
}

#define XID     "x-request-id: 00010203-0405-4607-b809-0a0b0c0d0e0f\r\n"
#define FROM    "x-forwarded-for: 198.51.100.7\r\n"
#define PROTO   "x-forwarded-proto: http\r\n"
#define EXT     "x-envoy-external-address: 198.51.100.7\r\n"
#define ATTEMPT "x-envoy-attempt-count: 1\r\n"
#define OURS    FROM PROTO XID EXT

static void plain(void **state)
{
	const struct route route = {0};
	const struct dest dest = {0};
	struct http1_forward f = forward(&route, &dest);

	(void)state;
	parse("GET /a/../b?c=d HTTP/1.1\r\nAccept: */*\r\nHost: h:80\r\nUser-Agent:  curl \r\n"
	      "X-Envoy-Retry-On: 5xx\r\nConnection: x-hop, keep-alive\r\nX-Hop: 1\r\n"
	      "Keep-Alive: 5\r\nTE: trailers\r\nProxy-Connection: x\r\nUpgrade: h2c\r\nA:\r\n"
	      "B: 1\r\nC: 2\r\n\r\n");
	written(&f,
	        "GET /b?c=d HTTP/1.1\r\nhost: h:80\r\nAccept: */*\r\nUser-Agent: curl\r\nA: \r\n"
	        "B: 1\r\nC: 2\r\n" OURS ATTEMPT "\r\n");
}

static void framing_goes_on(void **state)
{
	struct http1_forward f = forward(NULL, NULL);

	(void)state;
	parse("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\n");
	written(&f, "POST / HTTP/1.1\r\nhost: h\r\nContent-Length: 3\r\n" OURS ATTEMPT "\r\n");
	parse("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: Chunked\r\nTrailer: X\r\n\r\n");
	written(&f, "POST / HTTP/1.1\r\nhost: h\r\nTrailer: X\r\n" OURS ATTEMPT
	            "transfer-encoding: chunked\r\n\r\n");
	parse("GET /ws HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: WebSocket\r\n\r\n");
	written(&f, "GET /ws HTTP/1.1\r\nhost: h\r\n" OURS ATTEMPT
	            "connection: upgrade\r\nupgrade: WebSocket\r\n\r\n");
	parse("GET / HTTP/1.0\r\nHost: h\r\n\r\n");
	written(&f, "GET / HTTP/1.0\r\nhost: h\r\n" OURS ATTEMPT "\r\n");
	parse("OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n");
	written(&f, "OPTIONS * HTTP/1.1\r\nhost: h\r\n" OURS ATTEMPT "\r\n");
	parse("GET http://a/b HTTP/1.1\r\nHost: h\r\n\r\n");
	written(&f, "GET /b HTTP/1.1\r\nhost: a\r\n" OURS ATTEMPT "\r\n");
}

static void about_the_client(void **state)
{
	struct http1_forward f = forward(NULL, NULL);

	(void)state;
	parse("GET / HTTP/1.1\r\nHost: h\r\nX-Forwarded-For: 1.1.1.1\r\nX-Forwarded-Proto: "
	      "https\r\n"
	      "X-Request-Id: mine\r\nX-Forwarded-For: 2.2.2.2\r\n\r\n");
	written(&f, "GET / HTTP/1.1\r\nhost: h\r\nx-forwarded-for: "
	            "1.1.1.1,2.2.2.2,198.51.100.7\r\n" PROTO XID EXT ATTEMPT "\r\n");
	f.trust_forwarded = true;
	written(&f, "GET / HTTP/1.1\r\nhost: h\r\nX-Forwarded-For: 1.1.1.1\r\nX-Forwarded-Proto: "
	            "https\r\n"
	            "X-Request-Id: mine\r\nX-Forwarded-For: 2.2.2.2\r\n" ATTEMPT "\r\n");
	parse("GET / HTTP/1.1\r\nHost: h\r\nX-Request-Id: mine\r\n\r\n");
	f.attempt = 12;
	written(&f, "GET / HTTP/1.1\r\nhost: h\r\nX-Request-Id: mine\r\n" FROM PROTO
	            "x-envoy-attempt-count: 12\r\n\r\n");
	f = forward(NULL, NULL);
	client = ip_from_v4(htonl(0x0a010203));
	written(&f, "GET / HTTP/1.1\r\nhost: h\r\nx-forwarded-for: 10.1.2.3\r\n" PROTO XID
	            "x-envoy-internal: true\r\n" ATTEMPT "\r\n");
	assert_true(ip_parse("2001:db8::1", &client));
	written(&f, "GET / HTTP/1.1\r\nhost: h\r\nx-forwarded-for: 2001:db8::1\r\n" PROTO XID
	            "x-envoy-external-address: 2001:db8::1\r\n" ATTEMPT "\r\n");
}

static void rewrites_to(const char *path, const struct clause *c, struct str to, const char *want)
{
	const struct route route = {.rewrite_uri = to};
	struct http1_forward f = forward(&route, NULL);
	char head[256], line[512];

	f.clause = c;
	snprintf(head, sizeof(head), "GET %s HTTP/1.1\r\nHost: h\r\n\r\n", path);
	parse(head);
	snprintf(line, sizeof(line),
	         "GET %s HTTP/1.1\r\nhost: h\r\n" OURS "x-envoy-original-path: %s\r\n" ATTEMPT
	         "\r\n",
	         want, path);
	written(&f, line);
}

/* istio-traffic-api 2.9. */
static void rewrite(void **state)
{
	const struct clause prefix = {.uri = {.op = MATCH_PREFIX, .text = STR("/foo")}};
	const struct clause prefix_slash = {.uri = {.op = MATCH_PREFIX, .text = STR("/")}};
	const struct clause nocase = {
		.uri = {.op = MATCH_PREFIX, .nocase = true, .text = STR("/FOO")}};
	const struct clause exact = {.uri = {.op = MATCH_EXACT, .text = STR("/foo/bar")}};
	const struct clause regex = {.uri = {.op = MATCH_REGEX, .text = STR("/f.*")},
	                             .uri_found = true};
	const struct clause any = {.uri = {.op = MATCH_ANY}};

	(void)state;
	rewrites_to("/foo/bar?q", &prefix, STR("/new"), "/new/bar?q");
	rewrites_to("/foo/bar", &prefix, STR("/"), "//bar");
	rewrites_to("/foo", &prefix_slash, STR("/v1"), "/v1foo");
	rewrites_to("/Foo/Bar", &nocase, STR("/x"), "/x/Bar");
	rewrites_to("/foo/bar?a=b", &exact, STR("/x"), "/x?a=b");
	rewrites_to("/foo/bar?a=b", &regex, STR("/x"), "/x?a=b");
	rewrites_to("/foo", &any, STR("/v1/"), "/v1/foo");
	rewrites_to("/foo", &exact, STR("x"), "/x");
	rewrites_to("/foobar", &prefix, STR(""), "/bar");
	rewrites_to("/foo", &prefix, STR(""), "/");
}

static void asterisk_is_not_rewritten(void **state)
{
	const struct route route = {.rewrite_uri = STR("/x")};
	struct http1_forward f = forward(&route, NULL);

	(void)state;
	parse("OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n");
	written(&f, "OPTIONS * HTTP/1.1\r\nhost: h\r\n" OURS ATTEMPT "\r\n");
}

static void authority(void **state)
{
	const struct route rewritten = {.rewrite_host = true, .authority = STR("route.example")};
	const struct route sets = {.request_ops = OPS(SET("Host", "set.example"))};
	const struct route neither = {.request_ops = OPS(REMOVE("Host"), SET("host", ""))};
	const struct dest dest = {.request_ops = OPS(ADD(":authority", "dest.example"))};
	struct http1_forward f = forward(&rewritten, &dest);

	(void)state;
	parse("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
	written(&f, "GET / HTTP/1.1\r\nhost: route.example\r\n" OURS ATTEMPT "\r\n");
	f.route = &sets;
	written(&f, "GET / HTTP/1.1\r\nhost: set.example\r\n" OURS ATTEMPT "\r\n");
	f.route = &neither;
	written(&f, "GET / HTTP/1.1\r\nhost: dest.example\r\n" OURS ATTEMPT "\r\n");
	f.dest = NULL;
	written(&f, "GET / HTTP/1.1\r\nhost: h\r\n" OURS ATTEMPT "\r\n");
}

/* istio-traffic-api 2.12. */
static void operations(void **state)
{
	const struct route route = {.request_ops = OPS(REMOVE("X-Gone"), SET("x-both", "route"),
	                                               SET("X-Set", "new"), SET("x-empty", ""),
	                                               ADD("x-add", "a"), ADD("X-Back", "route"))};
	const struct dest dest = {.request_ops = OPS(REMOVE("x-back"), SET("X-BOTH", "dest"),
	                                             ADD("X-Add", "b"), ADD("x-gone", "again"))};
	struct http1_forward f = forward(&route, &dest);

	(void)state;
	parse("GET / HTTP/1.1\r\nHost: h\r\nx-gone: 1\r\nX-Add: 0\r\nx-both: 0\r\nx-set: 0\r\n"
	      "X-SET: 1\r\nX-Empty: 0\r\nx-back: 0\r\n\r\n");
	written(&f,
	        "GET / HTTP/1.1\r\nhost: h\r\nX-Add: 0\r\nX-Empty: 0\r\n" OURS
	        "X-Set: new\r\nx-add: a\r\nX-BOTH: dest\r\nX-Add: b\r\nx-gone: again\r\n" ATTEMPT
	        "\r\n");
}

/* Operations may change what the proxy says about the client, never where the message ends. */
static void operations_on_own_fields(void **state)
{
	const struct route route = {
		.request_ops = OPS(REMOVE("Content-Length"), REMOVE("x-request-id"),
	                           SET("Transfer-Encoding", "chunked"), SET("Connection", "close"),
	                           SET("X-Forwarded-For", "me"), ADD("content-length", "1"))};
	struct http1_forward f = forward(&route, NULL);

	(void)state;
	parse("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\n");
	written(&f, "POST / HTTP/1.1\r\nhost: h\r\nContent-Length: 3\r\n" PROTO EXT
	            "X-Forwarded-For: me\r\n" ATTEMPT "\r\n");
}

static void templates(void **state)
{
	const struct value_part parts[] = {
		{VALUE_LITERAL, STR("<")},      {VALUE_REQ, STR("x-a")},
		{VALUE_LITERAL, STR("|")},      {VALUE_REQ, STR("none")},
		{VALUE_REQ, STR(":path")},      {VALUE_REQ, STR(":method")},
		{VALUE_REQ, STR(":scheme")},    {VALUE_REQ, STR("host")},
		{VALUE_REQ, STR(":authority")}, {VALUE_CLIENT_ADDR, {0}},
		{VALUE_LITERAL, STR("|")},      {VALUE_CLIENT_IP, {0}},
		{VALUE_LITERAL, STR("|")},      {VALUE_PROTOCOL, {0}},
	};
	const struct header_op ops[] = {{HEADER_SET, 14, STR("x-t"), parts},
	                                {HEADER_ADD, 1, STR("x-none"), &parts[3]}};
	const struct route route = {.request_ops = {2, ops}};
	struct http1_forward f = forward(&route, NULL);

	(void)state;
	parse("GET /p?q HTTP/1.1\r\nHost: h\r\nX-A: 1\r\nx-a: 2\r\n\r\n");
	written(&f,
	        "GET /p?q HTTP/1.1\r\nhost: h\r\nX-A: 1\r\nx-a: 2\r\n" OURS
	        "x-t: <1|/p?qGEThttphh198.51.100.7:54321|198.51.100.7|HTTP/1.1\r\n" ATTEMPT "\r\n");
	parse("GET /p?q HTTP/1.0\r\n\r\n");
	assert_true(ip_parse("2001:db8::1", &client));
	written(&f,
	        "GET /p?q HTTP/1.0\r\nx-forwarded-for: 2001:db8::1\r\n" PROTO XID
	        "x-envoy-external-address: 2001:db8::1\r\n"
	        "x-t: <|/p?qGEThttp[2001:db8::1]:54321|2001:db8::1|HTTP/1.0\r\n" ATTEMPT "\r\n");
}

/* ---- responses ------------------------------------------------------------------------------- */

static void replied(const char *head, bool to_head, const struct http1_reply *f, const char *want)
{
	char buf[2048] = {0};
	struct http1_out out = {buf, sizeof(buf) - 1, 0}, none = {NULL, 0, 0};
	struct http1_response r;
	size_t used;

	assert_int_equal(http1_parse_response(head, strlen(head), to_head, &r, &used), HTTP1_DONE);
	http1_write_response(&r, f, &out);
	assert_string_equal(buf, want);
	assert_int_equal(out.len, strlen(want));
	http1_write_response(&r, f, &none);
	assert_int_equal(none.len, out.len);
}

#define TIME   "x-envoy-upstream-service-time: 7\r\n"
#define SERVER "server: istio-envoy\r\n"

static void response(void **state)
{
	const struct http1_reply f = {.upstream_ms = 7, .unix_s = 784111777};
	struct http1_reply old = f;

	(void)state;
	replied("HTTP/1.1 200 OK\r\nServer: nginx\r\nDate: x\r\nContent-Length: 3\r\nConnection: "
	        "close\r\n"
	        "X-Envoy-Upstream-Service-Time: 1\r\nKeep-Alive: 1\r\nX : y\r\nZ: 1\r\n\r\n",
	        false, &f,
	        "HTTP/1.1 200 OK\r\nDate: x\r\nContent-Length: 3\r\nX: y\r\nZ: 1\r\n" TIME SERVER
	        "\r\n");
	replied("HTTP/1.1 404\r\nTransfer-Encoding: chunked\r\n\r\n", false, &f,
	        "HTTP/1.1 404 \r\n"
	        "date: Sun, 06 Nov 1994 08:49:37 GMT\r\n" TIME SERVER
	        "transfer-encoding: chunked\r\n\r\n");
	old.unix_s = 0;
	replied("HTTP/1.1 200 Fine\r\n\r\n", false, &old,
	        "HTTP/1.1 200 Fine\r\n" TIME SERVER "connection: close\r\n\r\n");
	old.to_http10 = true;
	replied("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n", false, &old,
	        "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n" TIME SERVER
	        "connection: keep-alive\r\n\r\n");
	old.close = true;
	replied("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", false, &old,
	        "HTTP/1.1 200 OK\r\n" TIME SERVER "connection: close\r\n\r\n");
}

static void response_without_body(void **state)
{
	const struct http1_reply f = {.upstream_ms = 7};

	(void)state;
	replied("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n", true, &f,
	        "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n" TIME SERVER "\r\n");
	replied("HTTP/1.1 304 x\r\nContent-Length: 3\r\n\r\n", false, &f,
	        "HTTP/1.1 304 x\r\nContent-Length: 3\r\n" TIME SERVER "\r\n");
	replied("HTTP/1.1 204 x\r\nContent-Length: 0\r\nA: b\r\n\r\n", false, &f,
	        "HTTP/1.1 204 x\r\nA: b\r\n" TIME SERVER "\r\n");
	replied("HTTP/1.1 103 Early Hints\r\nLink: a\r\nServer: x\r\n\r\n", false, &f,
	        "HTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\n");
	replied("HTTP/1.1 101 Go\r\nUpgrade: websocket\r\nConnection: upgrade\r\nA: b\r\n\r\n",
	        false, &f,
	        "HTTP/1.1 101 Go\r\nA: b\r\n" TIME SERVER
	        "connection: upgrade\r\nupgrade: websocket\r\n\r\n");
}

static void response_operations(void **state)
{
	const struct value_part agent = {VALUE_REQ, STR("user-agent")};
	const struct header_op from_request = {HEADER_ADD, 1, STR("x-ua"), &agent};
	const struct route route = {.response_ops =
	                                    OPS(REMOVE("x-powered-by"), SET("x-v", "route"),
	                                        SET("Host", "x"), SET("Content-Length", "9"))};
	const struct dest dest = {.response_ops = OPS(SET("x-v", "dest"), from_request)};
	struct http1_reply f = {
		.route = &route, .dest = &dest, .upstream_ms = 7, .request = &request};
	const char *head = "HTTP/1.1 200 OK\r\nX-Powered-By: php\r\nContent-Length: 3\r\n\r\n";

	(void)state;
	parse("GET / HTTP/1.1\r\nHost: h\r\nUser-Agent: curl\r\n\r\n");
	replied(head, false, &f,
	        "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n" TIME "x-v: dest\r\nx-ua: curl\r\n" SERVER
	        "\r\n");
	f.request = NULL;
	replied(head, false, &f,
	        "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n" TIME "x-v: dest\r\n" SERVER "\r\n");
}

/* What does not fit is counted, and nothing is written beyond the end. */
static void short_of_room(void **state)
{
	struct http1_forward f = forward(NULL, NULL);
	char buf[512];

	(void)state;
	parse("GET /a?b HTTP/1.1\r\nHost: h\r\nA: b\r\n\r\n");
	struct http1_out all = {buf, sizeof(buf), 0};

	http1_write_request(&request, &f, &all);
	for (size_t cap = 0; cap < all.len; cap++) {
		struct http1_out out = {buf, cap, 0};

		memset(buf, 'Z', sizeof(buf));
		http1_write_request(&request, &f, &out);
		assert_int_equal(out.len, all.len);
		for (size_t i = cap; i < sizeof(buf); i++)
			assert_int_equal(buf[i], 'Z');
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(plain),
		cmocka_unit_test(framing_goes_on),
		cmocka_unit_test(about_the_client),
		cmocka_unit_test(rewrite),
		cmocka_unit_test(asterisk_is_not_rewritten),
		cmocka_unit_test(authority),
		cmocka_unit_test(operations),
		cmocka_unit_test(operations_on_own_fields),
		cmocka_unit_test(templates),
		cmocka_unit_test(response),
		cmocka_unit_test(response_without_body),
		cmocka_unit_test(response_operations),
		cmocka_unit_test(short_of_room),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
