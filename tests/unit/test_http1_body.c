/* SPDX-License-Identifier: BSD-3-Clause */
#include "http1.h"
#include "test.h"

#include <stdio.h>

static struct http1_body b;

/* Feed text in pieces of `step` bytes; *end: bytes that belong to the body. */
static enum http1_result feed(const char *text, size_t len, size_t step, size_t *end)
{
	enum http1_result res = HTTP1_MORE;
	size_t used;

	http1_body_init(&b, HTTP1_BODY_CHUNKED, 0);
	*end = 0;
	while (*end < len && res == HTTP1_MORE) {
		size_t n = len - *end < step ? len - *end : step;

		res = http1_body_feed(&b, text + *end, n, &used);
		assert_true(used <= n);
		if (res == HTTP1_MORE)
			assert_int_equal(used, n);
		*end += used;
	}
	return res;
}

static void good(const char *text, size_t rest)
{
	size_t len = strlen(text), end;

	for (size_t step = 1; step <= len; step++) {
		if (feed(text, len, step, &end) != HTTP1_DONE || end != len - rest)
			fail_msg("steps of %zu end at %zu: %s", step, end, text);
		assert_true(http1_body_done(&b));
	}
}

static void bad(const char *text)
{
	size_t len = strlen(text), end;

	for (size_t step = 1; step <= len; step++)
		if (feed(text, len, step, &end) != HTTP1_BAD)
			fail_msg("not refused in steps of %zu: %s", step, text);
}

static void chunked(void **state)
{
	(void)state;
	good("0\r\n\r\n", 0);
	good("0\r\n\r\nGET", 3);
	good("5\r\nhello\r\n0\r\n\r\n", 0);
	good("005\r\n\r\n0\r\r\r\nA\r\n0123456789\r\n000\r\n\r\n", 0);
	good("1;a\r\nx\r\n1;a=\"b; c\"\r\ny\r\n0;last\r\n\r\n", 0);
	good("1\r\nx\r\n0\r\nX-Sum: 1\r\nY:\r\n\r\nrest", 4);
}

static void malformed(void **state)
{
	char text[512];

	(void)state;
	bad("\r\n");
	bad(";\r\n");
	bad("g\r\n");
	bad(" 5\r\n");
	bad("5 \r\n");
	bad("5 ;a\r\n");
	bad("+5\r\n");
	bad("-1\r\n");
	bad("0x5\r\n");
	bad("5\nhello");
	bad("5\rhello");
	bad("5;a\nhello");
	bad("5;a\rb\r\n");
	bad("5;\x01\r\n");
	bad("5\r\nhelloX");
	bad("5\r\nhello\n");
	bad("5\r\nhello\rX");
	bad("5\r\nhello\r\n\r\n");
	bad("8000000000000000\r\n");
	bad("ffffffffffffffff\r\n");
	bad("10000000000000000\r\n");
	bad("00000000000000001\r\n");
	bad("0\r\n\n");
	bad("0\r\n X: y\r\n\r\n");
	bad("0\r\nX : y\r\n\r\n");
	bad("0\r\nX\r\n\r\n");
	bad("0\r\n: y\r\n\r\n");
	bad("0\r\nX: y\n\r\n");
	bad("0\r\nX: y\rz\r\n");
	bad("0\r\nX: \x7f\r\n");
	bad("0\r\n\rX");
	memset(text, 'a', sizeof(text));
	memcpy(text, "5;", 2);
	text[sizeof(text) - 1] = '\0';
	bad(text);
}

static void largest_chunk(void **state)
{
	static const char size[] = "7fffffffffffffff\r\nabc";
	size_t end;

	(void)state;
	assert_int_equal(feed(size, sizeof(size) - 1, sizeof(size), &end), HTTP1_MORE);
	assert_true(b.left == INT64_MAX - 3ull);
}

static void trailers_are_bounded(void **state)
{
	static const char start[] = "0\r\n", line[] = "Name: value\r\n";
	enum http1_result res;
	size_t used, total = 0;

	(void)state;
	http1_body_init(&b, HTTP1_BODY_CHUNKED, 0);
	assert_int_equal(http1_body_feed(&b, start, 3, &used), HTTP1_MORE);
	do {
		res = http1_body_feed(&b, line, sizeof(line) - 1, &used);
		total += used;
	} while (res == HTTP1_MORE && total < 1000000);
	assert_int_equal(res, HTTP1_BAD);
	assert_in_range(total, 8000, 16384);
}

static void of_length(void **state)
{
	size_t used;

	(void)state;
	http1_body_init(&b, HTTP1_BODY_LENGTH, 5);
	assert_false(http1_body_done(&b));
	assert_int_equal(http1_body_feed(&b, "abc", 3, &used), HTTP1_MORE);
	assert_int_equal(used, 3);
	assert_int_equal(http1_body_feed(&b, "deGET", 5, &used), HTTP1_DONE);
	assert_int_equal(used, 2);
	assert_true(http1_body_done(&b));
	http1_body_init(&b, HTTP1_BODY_LENGTH, 0);
	assert_true(http1_body_done(&b));
	assert_int_equal(http1_body_feed(&b, "x", 1, &used), HTTP1_DONE);
	assert_int_equal(used, 0);
}

static void none_and_close(void **state)
{
	size_t used;

	(void)state;
	http1_body_init(&b, HTTP1_BODY_NONE, 7);
	assert_true(http1_body_done(&b));
	assert_int_equal(http1_body_feed(&b, "x", 1, &used), HTTP1_DONE);
	assert_int_equal(used, 0);
	http1_body_init(&b, HTTP1_BODY_CLOSE, 0);
	assert_false(http1_body_done(&b));
	assert_int_equal(http1_body_feed(&b, "x", 1, &used), HTTP1_MORE);
	assert_int_equal(used, 1);
	assert_false(http1_body_done(&b));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(chunked),        cmocka_unit_test(malformed),
		cmocka_unit_test(of_length),      cmocka_unit_test(largest_chunk),
		cmocka_unit_test(none_and_close), cmocka_unit_test(trailers_are_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
