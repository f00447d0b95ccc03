/* SPDX-License-Identifier: BSD-3-Clause */
/* What is said about connections. That it is what the builder does, tests/prop/prop_build.c shows. */
#include "routing.h"
#include "test.h"

static const char documents[] =
	"apiVersion: networking.istio.io/v1\n"
	"kind: Gateway\n"
	"metadata: {name: edge}\n"
	"spec:\n"
	"  servers:\n"
	"  - {port: {number: 80, name: http, protocol: HTTP}, hosts: ['*']}\n"
	"  - {port: {number: 5432, name: db, protocol: TCP}, hosts: ['*']}\n"
	"  - {port: {number: 6000, name: none, protocol: TCP}, hosts: ['*']}\n"
	"  - {port: {number: 53, name: dns, protocol: UDP}, hosts: ['*']}\n"
	"  - {port: {number: 443, name: tls, protocol: TLS}, hosts: ['*'], tls: {}}\n"
	"---\n"
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
	"metadata: {name: web, annotations: {weir.dev/forward.v1: 'gue:99'}}\n"
	"spec:\n"
	"  host: web\n"
	"  subsets:\n"
	"  - {name: v1, labels: {version: v1}}\n"
	"  - {name: v2, labels: {version: v2}}\n"
	"  - {name: v3, labels: {version: v1}, trafficPolicy: {proxyProtocol: {}}}\n"
	"---\n"
	"apiVersion: networking.istio.io/v1\n"
	"kind: VirtualService\n"
	"metadata: {name: db}\n"
	"spec:\n"
	"  hosts: ['*']\n"
	"  gateways: [edge, other]\n"
	"  tcp:\n"
	"  - match: [{port: 53}]\n"
	"    route: [{destination: {host: web, subset: v1}}]\n"
	"  - match: [{gateways: [other]}, {port: 5432}]\n"
	"    route:\n"
	"    - {destination: {host: web, subset: v1}, weight: 3}\n"
	"    - {destination: {host: web, subset: v2}, weight: 1}\n"
	"---\n"
	"apiVersion: networking.istio.io/v1\n"
	"kind: VirtualService\n"
	"metadata: {name: h2, annotations: {weir.dev/alpn: h2}}\n"
	"spec:\n"
	"  hosts: [a.b]\n"
	"  gateways: [edge]\n"
	"  tls:\n"
	"  - match: [{sniHosts: [a.b]}]\n"
	"    route: [{destination: {host: web, subset: v3}}]\n"
	"---\n"
	"apiVersion: networking.istio.io/v1\n"
	"kind: VirtualService\n"
	"metadata: {name: rest}\n"
	"spec:\n"
	"  hosts: ['*']\n"
	"  gateways: [edge]\n"
	"  tls:\n"
	"  - match: [{sniHosts: ['*.b', a.b]}]\n"
	"    route: [{destination: {host: web}}]\n";

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

static json_t *ask(const char *url, const char *alpn)
{
	const struct explain_request q = {.url = url, .alpn = alpn};

	return routing_explain(&r, &q);
}

static void says(const char *url, const char *alpn, const char *lines)
{
	const struct explain_request q = {.url = url, .alpn = alpn};

	assert_true(routing_says(&r, &q, lines));
}

static void tcp_rules_are_told_in_order(void **state)
{
	(void)state;
	says("tcp://192.0.2.1:5432", NULL,
	     "Connection tcp to port 5432\n"
	     "Listener   default/edge/db (*:5432)\n"
	     "Not        default/db tcp[0].match[0] at test.yaml:38:13\n"
	     "           because port 53 is not 5432\n"
	     "Not        default/db tcp[1].match[0] at test.yaml:40:13\n"
	     "           because gateways does not name default/edge\n"
	     "Rule       default/db tcp[1].match[1] at test.yaml:40:34\n");
	says("tcp://192.0.2.1:5432", NULL,
	     "            75.00 %  web.default.svc.cluster.local subset v1 port 80, MAGLEV, gue to "
	     "port 99\n             10.0.0.1:80\n");
	says("tcp://x:5432", NULL, "             no endpoint: refused\n");
	says("udp://:53", NULL, "Rule       default/db tcp[0].match[0] at");
}

static void server_names_are_told(void **state)
{
	(void)state;
	says("tls://A.b", "http/1.1,h2",
	     "Connection tls to port 443, server name a.b, ALPN http/1.1,h2\n"
	     "Listener   default/edge/tls (*:443)\n"
	     "Host       a.b\n"
	     "Rule       default/h2 tls[0].match[0] at test.yaml:52:13\n"
	     "Goes to\n"
	     "           100.00 %  web.default.svc.cluster.local subset v3 port 80, LEAST_REQUEST, "
	     "stream, PROXY protocol v1\n");
	says("tls://a.b:443", NULL,
	     "           because weir.dev/alpn is h2 and the client offers nothing\n"
	     "Rule       default/rest tls[0].match[0] at test.yaml:62:13\n");
	says("tls://x.b", "h2", "Host       *.b\nRule       default/rest");
}

static void what_is_refused_is_told(void **state)
{
	(void)state;
	says("tcp://x:1", NULL, "Refused    nothing listens on port 1\n");
	says("tcp://x:53", NULL, "Refused    nothing listens on port 53\n");
	says("tcp://x:6000", NULL, "Refused    no tcp rule applies to this listener\n");
	says("tcp://x:443", NULL,
	     "Refused    this is a listener of another kind; ask tls://x:443\n");
	says("tls://x.c", NULL, "Refused    no server name of this listener fits\n");
	says("tls://:443", NULL, "server name not sent\n");
	says("http://x:5432/", NULL,
	     "Answer     this is a listener for connections; ask tcp://x:5432");
	says("tls://x.c", NULL, "Hosts      a.b\n           *.b\n");
}

static void malformed_questions_are_refused(void **state)
{
	static const char *const urls[] = {"tcp://x",   "tcp://",       "udp://x:0",
	                                   "tls://x:y", "tcp://x:1/",   "tls://a b:443",
	                                   "tls://x?y", "tcp://x:65536"};
	const char *header = "a: b";
	struct explain_request q = {.url = "tcp://x:5432", .headers = &header, .n_headers = 1};
	char err[256];

	(void)state;
	for (size_t i = 0; i < sizeof(urls) / sizeof(urls[0]); i++)
		assert_null(ask(urls[i], NULL));
	assert_null(ask("tcp://x:5432", "h2"));
	assert_null(ask("http://x/", "h2"));
	assert_null(explain_route(r.docs, &r.options, &q, err, sizeof(err)));
	q = (struct explain_request){.url = "tcp://x:5432", .method = "GET"};
	assert_null(explain_route(r.docs, &r.options, &q, err, sizeof(err)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(tcp_rules_are_told_in_order, set_up, tear_down),
		cmocka_unit_test_setup_teardown(server_names_are_told, set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_is_refused_is_told, set_up, tear_down),
		cmocka_unit_test_setup_teardown(malformed_questions_are_refused, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
