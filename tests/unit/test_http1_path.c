/* SPDX-License-Identifier: BSD-3-Clause */
#include "http1_path.h"
#include "test.h"

#include <string.h>

static void check(const char *in, const char *want)
{
	char buf[256];
	uint32_t len = (uint32_t)strlen(in);

	memcpy(buf, in, len + 1);
	assert_true(http1_path_normalise(buf, &len));
	buf[len] = '\0';
	assert_string_equal(buf, want);
}

static void refuse(const char *in)
{
	char buf[256];
	uint32_t len = (uint32_t)strlen(in);

	memcpy(buf, in, len + 1);
	assert_false(http1_path_normalise(buf, &len));
}

/* RFC 3986 section 5.2.4 and Istio's BASE. */
static void dot_segments(void **state)
{
	(void)state;
	check("/", "/");
	check("/a/b/c/./../../g", "/a/g");
	check("/a/./b", "/a/b");
	check("/a/../b", "/b");
	check("/a/..", "/");
	check("/a/.", "/a/");
	check("/a/b/..", "/a/");
	check("/..", "/");
	check("/../../etc/passwd", "/etc/passwd");
	check("/.", "/");
	check("/./", "/");
	check("/...", "/...");
	check("/..a/.b/c.", "/..a/.b/c.");
	check("/a//../b", "/a/b");
	check("/a//..", "/a/");
	check("//..//x", "//x");
	check("/long/enough/for/sixteen/bytes/../and/more/of/them",
	      "/long/enough/for/sixteen/and/more/of/them");
}

static void slashes_stay(void **state)
{
	(void)state;
	check("//a///b//", "//a///b//");
	check("/a%2Fb%2fc", "/a%2Fb%2fc");
	check("/\\a", "//a");
	check("/a\\..\\b", "/b");
	check("/a%5Cb", "/a%5Cb");
}

static void unreserved_is_decoded(void **state)
{
	(void)state;
	check("/%61%41%7A%30%2d%2E%5f%7e", "/aAz0-._~");
	check("/a/%2e%2e/b", "/b");
	check("/a/%2E./b", "/b");
	check("/%2561", "/%2561");
	check("/%20%3F%23%25", "/%20%3F%23%25");
	check("/%e4%B8", "/%e4%B8");
}

static void bad_encoding_is_refused(void **state)
{
	(void)state;
	refuse("/%");
	refuse("/%4");
	refuse("/%zz");
	refuse("/%2%65");
	refuse("/%00");
	refuse("/a%0");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(dot_segments),
		cmocka_unit_test(slashes_stay),
		cmocka_unit_test(unreserved_is_decoded),
		cmocka_unit_test(bad_encoding_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
