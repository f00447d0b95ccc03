/* SPDX-License-Identifier: BSD-3-Clause */
#include "routing.h"
#include "test.h"

static const char documents[] =
	"apiVersion: networking.istio.io/v1\n"
	"kind: ServiceEntry\n"
	"metadata: {name: web}\n"
	"spec:\n"
	"  hosts: [web.default.svc.cluster.local]\n"
	"  ports: [{number: 80, name: http}]\n"
	"  resolution: STATIC\n"
	"  endpoints: [{address: 10.0.0.1, labels: {version: v1}}]\n"
	"---\n"
	"apiVersion: networking.istio.io/v1\n"
	"kind: DestinationRule\n"
	"metadata: {name: web}\n"
	"spec:\n"
	"  host: web\n"
	"  trafficPolicy: {loadBalancer: {simple: ROUND_ROBIN}}\n"
	"  subsets: [{name: v1, labels: {version: v1}}, {name: v2, labels: {version: v2}}]\n"
	"---\n"
	"apiVersion: networking.istio.io/v1\n"
	"kind: VirtualService\n"
	"metadata: {name: web}\n"
	"spec:\n"
	"  hosts: ['*.example.com']\n"
	"  http:\n"
	"  - match: [{uri: {prefix: /v2}}]\n"
	"    route: [{destination: {host: web, subset: v2}}]\n"
	"  - name: admins\n"
	"    match: [{name: by-header, headers: {x-role: {exact: admin}}}]\n"
	"    directResponse: {status: 403, body: {string: not here}}\n"
	"  - match: [{uri: {exact: /old}}]\n"
	"    redirect: {uri: /new, scheme: https}\n"
	"  - rewrite: {uri: /api/}\n"
	"    timeout: 2s\n"
	"    route:\n"
	"    - {destination: {host: web, subset: v1}, weight: 90}\n"
	"    - {destination: {host: web, subset: v3}, weight: 10}\n";

static struct routing r;

static int set_up(void **state)
{
	(void)state;
	routing_init(&r);
	return routing_read(&r, documents) ? 0 : -1;
}

static int tear_down(void **state)
{
	(void)state;
	routing_fini(&r);
	return 0;
}

static json_t *ask(const char *url, const char *header)
{
	const struct explain_request q = {"GET", url, &header, header ? 1 : 0, NULL};

	return routing_explain(&r, &q);
}

static void says(const char *url, const char *header, const char *line)
{
	const struct explain_request q = {"GET", url, &header, header ? 1 : 0, NULL};

	assert_true(routing_says(&r, &q, line));
}

static void rules_are_told_in_order(void **state)
{
	(void)state;
	says("http://a.example.com/v1/x?a=1", NULL,
	     "because uri prefix /v2 does not match /v1/x\n");
	says("http://a.example.com/v1", NULL, "because header x-role is missing\n");
	says("http://a.example.com/v1", "X-Role: user",
	     "because header x-role exact \"admin\" does not match \"user\"\n");
	says("http://a.example.com/v1", "X-Role: admin",
	     "Rule       default/web admins.by-header http[1].match[0] at test.yaml:");
	says("http://a.example.com/v1", "X-Role: admin", "Answer     403 not here\n");
}

static void actions_are_told(void **state)
{
	(void)state;
	says("http://a.example.com/old?q", NULL, "Redirect   301 to https://a.example.com/new?q\n");
	says("http://a.example.com/v1/x", NULL, "Rewrite    path becomes /api/v1/x\n");
	says("http://a.example.com/v1/x", NULL, "Timeout    2000 ms\n");
	says("http://a.example.com/", NULL,
	     "90.00 %  web.default.svc.cluster.local subset v1 port 80, ROUND_ROBIN\n"
	     "             10.0.0.1:80\n");
	says("http://a.example.com/", NULL,
	     "no DestinationRule of web.default.svc.cluster.local has a subset v3: 503\n");
	says("http://a.example.com/v2", NULL, "no endpoint: 503 no healthy upstream\n");
}

static void what_fits_nothing_is_told(void **state)
{
	(void)state;
	says("http://example.com/", NULL, "Hosts      *.example.com\n");
	says("http://example.com/", NULL, "Answer     404: no host name of this listener fits\n");
	says("http://a.example.com:8080/", NULL, "Answer     nothing listens on port 8080\n");
	says("http://other/", "Host: b.example.com", "Host       *.example.com\n");
}

static void a_gateway_in_place_of_the_nodes_listeners_is_told(void **state)
{
	(void)state;
	assert_true(routing_read(&r, "apiVersion: networking.istio.io/v1\n"
	                             "kind: Gateway\n"
	                             "metadata: {name: edge}\n"
	                             "spec: {servers: [{port: {number: 8080, name: h, protocol: "
	                             "HTTP}, hosts: ['*']}]}\n"));
	says("http://a.example.com/", NULL,
	     "Answer     nothing listens on port 80: the listeners of weir.yaml count only while "
	     "there is no Gateway\n");
	says("http://a.example.com:81/", NULL, "Answer     nothing listens on port 81\n");
	assert_true(routing_read(&r, documents));
}

static void paths_are_normalised(void **state)
{
	static const char *const pairs[][2] = {
		{"/v2/../%6fld", "/old"}, {"", "/"},    {"?a", "/"},          {"/a/./b/..", "/a/"},
		{"//a", "//a"},           {"/..", "/"}, {"/a%2Fb", "/a%2Fb"}, {"/a\\b", "/a/b"}};

	(void)state;
	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
		char url[100];

		snprintf(url, sizeof(url), "http://a.example.com%s", pairs[i][0]);
		json_t *e = ask(url, NULL);

		assert_string_equal(
			json_string_value(json_object_get(json_object_get(e, "request"), "path")),
			pairs[i][1]);
		json_decref(e);
	}
}

static void malformed_requests_are_refused(void **state)
{
	static const char *const urls[] = {"ftp://a/", "http:///", "http://a:0/",  "http://a:b/",
	                                   "http://",  "a",        "http://a/%zz", "http://a/ b"};

	(void)state;
	for (size_t i = 0; i < sizeof(urls) / sizeof(urls[0]); i++)
		assert_null(ask(urls[i], NULL));
	assert_null(ask("http://a/", "no colon"));
	assert_null(ask("http://a/", ": no name"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(rules_are_told_in_order, set_up, tear_down),
		cmocka_unit_test_setup_teardown(actions_are_told, set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_fits_nothing_is_told, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_gateway_in_place_of_the_nodes_listeners_is_told,
	                                        set_up, tear_down),
		cmocka_unit_test_setup_teardown(paths_are_normalised, set_up, tear_down),
		cmocka_unit_test_setup_teardown(malformed_requests_are_refused, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
