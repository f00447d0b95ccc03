/* SPDX-License-Identifier: BSD-3-Clause */
#include "proxy_header.h"
#include "test.h"

#include <arpa/inet.h>
#include <string.h>

static void expect(enum proxy_protocol version, const char *from, const char *to, const char *want,
                   size_t n)
{
	char *out = test_malloc(PROXY_HEADER_MAX); /* notices what is written beyond */
	struct tcp_peer c = {.rport = htons(51234), .lport = htons(443)};

	assert_true(ip_parse(from, &c.remote) && ip_parse(to, &c.local));
	assert_int_equal(proxy_header_write(out, version, &c), n);
	assert_memory_equal(out, want, n);
	test_free(out);
}

#define EXPECT(version, from, to, want) expect(version, from, to, want, sizeof(want) - 1)

static void version_1(void **state)
{
	(void)state;
	EXPECT(PROXY_PROTOCOL_V1, "10.0.0.1", "192.0.2.7",
	       "PROXY TCP4 10.0.0.1 192.0.2.7 51234 443\r\n");
	EXPECT(PROXY_PROTOCOL_V1, "2001:db8::1", "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff",
	       "PROXY TCP6 2001:db8::1 2001:db8:ffff:ffff:ffff:ffff:ffff:ffff 51234 443\r\n");
}

static void version_2(void **state)
{
	(void)state;
	EXPECT(PROXY_PROTOCOL_V2, "10.0.0.1", "192.0.2.7",
	       "\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\x0a\0\0\x01\xc0\0\x02\x07\xc8\x22\x01\xbb");
	EXPECT(PROXY_PROTOCOL_V2, "2001:db8::1", "2001:db8::2",
	       "\r\n\r\n\0\r\nQUIT\n\x21\x21\0\x24"
	       "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01"
	       "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x02\xc8\x22\x01\xbb");
}

static void none(void **state)
{
	(void)state;
	EXPECT(PROXY_PROTOCOL_NONE, "10.0.0.1", "192.0.2.7", "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(version_1),
		cmocka_unit_test(version_2),
		cmocka_unit_test(none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
