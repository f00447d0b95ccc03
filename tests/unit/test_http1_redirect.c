/* SPDX-License-Identifier: BSD-3-Clause */
/* Location of redirects; the cases marked (it) are those of Istio's integration tests. */
#include "http1.h"
#include "test.h"

static struct http1_request request(const char *scheme, const char *host, const char *path,
                                    const char *query)
{
	return (struct http1_request){
		.scheme = {scheme, scheme ? (uint32_t)strlen(scheme) : 0},
		.authority = {host, (uint32_t)strlen(host)},
		.path = {path, (uint32_t)strlen(path)},
		.query = {query, query ? (uint32_t)strlen(query) : 0},
	};
}

static void is(const struct http1_request *r, const struct redirect *to, uint16_t port,
               const char *want)
{
	char buf[256] = {0};
	struct http1_out out = {buf, sizeof(buf) - 1, 0}, none = {NULL, 0, 0};

	http1_write_location(r, to, port, &out);
	assert_string_equal(buf, want);
	http1_write_location(r, to, port, &none);
	assert_int_equal(none.len, out.len);
}

static void whole(void **state)
{
	struct http1_request r = request(NULL, "a.example", "/foo", "key=value");

	(void)state;
	is(&r, &(struct redirect){.uri = STR("/new/path")}, 80,
	   "http://a.example/new/path?key=value"); /* (it) */
	is(&r, &(struct redirect){.uri = STR("/new?x=y")}, 80, "http://a.example/new?x=y");
	is(&r, &(struct redirect){.authority = STR("b.example")}, 80,
	   "http://b.example/foo?key=value");
	is(&r, &(struct redirect){.scheme = STR("https")}, 80, "https://a.example/foo?key=value");
	is(&r, &(struct redirect){.scheme = STR("https"), .authority = STR("b"), .uri = STR("/")},
	   80, "https://b/?key=value");
}

static void listener_port(void **state)
{
	struct redirect to = {.port_from = REDIRECT_PORT_REQUEST};
	struct http1_request plain = request(NULL, "b", "/foo", NULL);
	struct http1_request with80 = request(NULL, "b:80", "/foo", NULL);
	struct http1_request with99 = request(NULL, "b:99", "/foo", NULL);

	(void)state;
	is(&with80, &to, 80, "http://b:80/foo"); /* (it) */
	is(&plain, &to, 80, "http://b/foo");
	is(&plain, &to, 85, "http://b:85/foo"); /* (it) */
	is(&with99, &to, 85, "http://b:85/foo");
	to.scheme = STR("https");
	is(&plain, &to, 80, "https://b:80/foo"); /* (it) */
	is(&with80, &to, 80, "https://b:80/foo");
	is(&plain, &to, 443, "https://b/foo");
	is(&with80, &to, 443, "https://b/foo");
}

static void explicit_port(void **state)
{
	struct redirect to = {.port_from = REDIRECT_PORT_EXPLICIT, .port = 8443};
	struct http1_request r = request(NULL, "[::1]:9000", "/", NULL);

	(void)state;
	is(&r, &to, 80, "http://[::1]:8443/");
	to.authority = STR("b:1");
	is(&r, &to, 80, "http://b:8443/");
	to.authority = (struct str){NULL, 0};
	to.port = 80;
	is(&r, &to, 80, "http://[::1]:9000/");
	to.scheme = STR("https");
	is(&r, &to, 80, "https://[::1]:80/");
}

/* The host's own port goes only when the scheme changes and it was the old one's default. */
static void own_port(void **state)
{
	struct redirect to = {.port_from = REDIRECT_PORT_DEFAULT, .scheme = STR("https")};
	struct http1_request with80 = request(NULL, "b:80", "/", NULL);
	struct http1_request with443 = request("https", "b:443", "/", NULL);
	struct http1_request other = request(NULL, "b:8080", "/", NULL);
	struct http1_request v6 = request(NULL, "[::80]", "/", NULL);

	(void)state;
	is(&with80, &to, 80, "https://b/");
	is(&other, &to, 80, "https://b:8080/");
	is(&with443, &to, 80, "https://b:443/");
	is(&v6, &to, 80, "https://[::80]/");
	to.scheme = STR("http");
	is(&with80, &to, 80, "http://b:80/");
	is(&with443, &to, 80, "http://b/");
}

static void gateway_https(void **state)
{
	struct http1_request r = request(NULL, "b:80", "/p", "q");
	char buf[64] = {0};
	struct http1_out out = {buf, sizeof(buf) - 1, 0};

	(void)state;
	http1_write_https_location(&r, &out);
	assert_string_equal(buf, "https://b:80/p?q");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(whole),         cmocka_unit_test(listener_port),
		cmocka_unit_test(explicit_port), cmocka_unit_test(own_port),
		cmocka_unit_test(gateway_https),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
