/* SPDX-License-Identifier: BSD-3-Clause */
#include "http1.h"
#include "test.h"

static void is(const struct http1_local *l, const char *want)
{
	char buf[1024] = {0};
	struct http1_out out = {buf, sizeof(buf) - 1, 0}, none = {NULL, 0, 0};

	http1_write_local(l, &out);
	assert_string_equal(buf, want);
	assert_int_equal(out.len, strlen(want));
	http1_write_local(l, &none);
	assert_int_equal(none.len, out.len);
}

#define TAIL "date: Sun, 06 Nov 1994 08:49:37 GMT\r\nserver: istio-envoy\r\n"
#define WHEN .unix_s = 784111777

static void not_found(void **state)
{
	(void)state;
	is(&(struct http1_local){.status = 404, WHEN},
	   "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n" TAIL "\r\n");
}

static void with_body(void **state)
{
	struct http1_local l = {.status = 503, .body = STR("no healthy upstream"), WHEN};

	(void)state;
	is(&l, "HTTP/1.1 503 Service Unavailable\r\ncontent-length: 19\r\n"
	       "content-type: text/plain\r\n" TAIL "\r\nno healthy upstream");
	l.is_head = true;
	l.close = true;
	is(&l, "HTTP/1.1 503 Service Unavailable\r\ncontent-length: 19\r\n"
	       "content-type: text/plain\r\n" TAIL "connection: close\r\n\r\n");
}

static void without_length(void **state)
{
	(void)state;
	is(&(struct http1_local){.status = 204, .body = STR("x"), WHEN},
	   "HTTP/1.1 204 No Content\r\n" TAIL "\r\n");
	is(&(struct http1_local){.status = 304, WHEN}, "HTTP/1.1 304 Not Modified\r\n" TAIL "\r\n");
	is(&(struct http1_local){.status = 600, WHEN},
	   "HTTP/1.1 600 \r\ncontent-length: 0\r\n" TAIL "\r\n");
}

/* headers.response acts on redirects and direct responses, not on what ends the message. */
static void operations(void **state)
{
	const struct value_part json = {VALUE_LITERAL, STR("application/json")};
	const struct value_part path = {VALUE_REQ, STR(":path")};
	const struct value_part ten = {VALUE_LITERAL, STR("10")};
	const struct header_op ops[] = {
		{HEADER_REMOVE, 0, STR("X-Gone"), NULL},
		{HEADER_SET, 1, STR("Content-Length"), &ten},
		{HEADER_SET, 1, STR("Content-Type"), &json},
		{HEADER_ADD, 1, STR("x-path"), &path},
	};
	const struct route route = {.response_ops = {4, ops}};
	const struct http1_request r = {.path = STR("/p"), .query = STR("q")};

	(void)state;
	is(&(struct http1_local){.status = 200,
	                         .body = STR("{}"),
	                         .extra = STR("x-gone: 1\r\nx-stays: 2\r\n"),
	                         .route = &route,
	                         .request = &r,
	                         WHEN},
	   "HTTP/1.1 200 OK\r\ncontent-length: 2\r\nx-stays: 2\r\nContent-Type: "
	   "application/json\r\n"
	   "x-path: /p?q\r\n" TAIL "\r\n{}");
}

static void dates(void **state)
{
	static const struct {
		uint64_t unix_s;
		const char *text;
	} rows[] = {
		{0, "Thu, 01 Jan 1970 00:00:00 GMT"},
		{951782400, "Tue, 29 Feb 2000 00:00:00 GMT"},
		{951868800, "Wed, 01 Mar 2000 00:00:00 GMT"},
		{1709251199, "Thu, 29 Feb 2024 23:59:59 GMT"},
		{1735689599, "Tue, 31 Dec 2024 23:59:59 GMT"},
		{4107542400, "Mon, 01 Mar 2100 00:00:00 GMT"},
	};
	char buf[512];

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct http1_out out = {buf, sizeof(buf) - 1, 0};

		http1_write_local(&(struct http1_local){.status = 200, .unix_s = rows[i].unix_s},
		                  &out);
		buf[out.len] = '\0';
		if (!strstr(buf, rows[i].text))
			fail_msg("%s is not in %s", rows[i].text, buf);
	}
}

static void reasons(void **state)
{
	(void)state;
	assert_true(str_eq(http1_reason(426), STR("Upgrade Required")));
	assert_true(str_eq(http1_reason(431), STR("Request Header Fields Too Large")));
	assert_int_equal(http1_reason(299).len, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(not_found),      cmocka_unit_test(with_body),
		cmocka_unit_test(without_length), cmocka_unit_test(operations),
		cmocka_unit_test(dates),          cmocka_unit_test(reasons),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
