/* SPDX-License-Identifier: BSD-3-Clause */
#include "pick.h"
#include "routing.h"
#include "test.h"

#include <arpa/inet.h>

#define VS(name, hosts, rest)                  \
	"---\n"                                \
	"apiVersion: networking.istio.io/v1\n" \
	"kind: VirtualService\n"               \
	"metadata: {name: " name "}\n"         \
	"spec:\n"                              \
	"  hosts: [" hosts "]\n" rest

#define ANSWER(status) "    directResponse: {status: " status "}\n"

#define SERVICE                                                                            \
	"---\n"                                                                            \
	"apiVersion: networking.istio.io/v1\n"                                             \
	"kind: ServiceEntry\n"                                                             \
	"metadata: {name: web}\n"                                                          \
	"spec:\n"                                                                          \
	"  hosts: [web.default.svc.cluster.local]\n"                                       \
	"  ports: [{number: 80, name: http, protocol: HTTP, targetPort: 8080}]\n"          \
	"  resolution: STATIC\n"                                                           \
	"  endpoints:\n"                                                                   \
	"  - {address: 10.0.0.1, labels: {version: v1}}\n"                                 \
	"  - {address: 10.0.0.2, labels: {version: v2}, ports: {http: 9090}, weight: 3}\n" \
	"  - {address: 'fd00::3', labels: {version: v1}}\n"                                \
	"---\n"                                                                            \
	"apiVersion: networking.istio.io/v1\n"                                             \
	"kind: DestinationRule\n"                                                          \
	"metadata: {name: web}\n"                                                          \
	"spec:\n"                                                                          \
	"  host: web\n"                                                                    \
	"  trafficPolicy: {loadBalancer: {simple: RANDOM}}\n"                              \
	"  subsets:\n"                                                                     \
	"  - {name: v1, labels: {version: v1}}\n"                                          \
	"  - {name: v2, labels: {version: v2}, trafficPolicy: {loadBalancer: {simple: "    \
	"ROUND_ROBIN}}}\n"                                                                 \
	"  - {name: none, labels: {version: v9}}\n"

#define CANARY(a, b)                                                       \
	VS("web", "web.example.com",                                       \
	   "  http:\n"                                                     \
	   "  - name: canary\n"                                            \
	   "    route:\n"                                                  \
	   "    - {destination: {host: web, subset: v1}, weight: " a "}\n" \
	   "    - {destination: {host: web, subset: v2}, weight: " b "}\n")

static struct routing r;

static int set_up(void **state)
{
	(void)state;
	routing_init(&r);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	routing_fini(&r);
	return 0;
}

static struct snapshot *build(const char *yaml)
{
	struct snapshot *s = routing_read(&r, yaml) ? routing_build(&r) : NULL;

	if (!s)
		diag_print(&r.diags, stderr);
	return s;
}

static bool is(struct str s, const char *text)
{
	return str_eq(s, (struct str){text, (uint32_t)strlen(text)});
}

static const struct route *route_of(const struct snapshot *s, const char *host, const char *path)
{
	const struct clause *c =
		routing_match(&r, s, &(struct routing_request){.host = host, .path = path});

	return c ? c->route : NULL;
}

static int status_of(const struct snapshot *s, const char *host, const char *path)
{
	const struct route *route = route_of(s, host, path);

	return route ? route->direct->status : 404;
}

static void canary_is_built_whole(void **state)
{
	struct snapshot *s = build(SERVICE CANARY("90", "10"));
	struct split_state st = {0};
	uint32_t seen[2] = {0};

	(void)state;
	assert_non_null(s);
	assert_int_equal(r.diags.n, 0);
	assert_int_equal(s->n_listeners, 1);
	assert_int_equal(s->listeners[0].port, htons(80));
	const struct route *route = route_of(s, "web.example.com:8080", "/x");

	assert_non_null(route);
	assert_true(is(route->name, "default/web/canary"));
	assert_int_equal(route->kind, ROUTE_FORWARD);
	assert_int_equal(route->split->n_table, 10);
	for (int i = 0; i < 1000; i++)
		seen[pick_next(&st, route->split, 0) - route->split->dests]++;
	assert_int_equal(seen[0], 900);
	assert_int_equal(seen[1], 100);
	const struct subset *v1 = route->split->dests[0].subset;
	const struct subset *v2 = route->split->dests[1].subset;

	assert_true(is(v1->name, "outbound|80|v1|web.default.svc.cluster.local"));
	assert_int_equal(v1->policy, BALANCE_RANDOM);
	assert_int_equal(v1->n_endpoints, 2);
	assert_true(is(v1->endpoints[0].name, "10.0.0.1:8080"));
	assert_true(is(v1->endpoints[1].name, "[fd00::3]:8080"));
	assert_int_equal(v2->policy, BALANCE_ROUND_ROBIN);
	assert_int_equal(v2->n_endpoints, 1);
	assert_int_equal(v2->endpoints[0].port, htons(9090));
	build_free(s);
	assert_int_equal(registry_used(r.registry, REGISTRY_SPLITS), 0);
	assert_int_equal(registry_used(r.registry, REGISTRY_ENDPOINTS), 0);
}

static void split_keeps_its_slot_until_it_changes(void **state)
{
	struct snapshot *a = build(SERVICE CANARY("90", "10"));
	struct snapshot *b = build(SERVICE VS("other", "b.c", "  http:\n  -\n" ANSWER("200"))
	                                   CANARY("90", "10"));
	struct snapshot *c = build(SERVICE CANARY("70", "30"));
	const struct split *sa = route_of(a, "web.example.com", "/")->split;
	const struct split *sb = route_of(b, "web.example.com", "/")->split;
	const struct split *sc = route_of(c, "web.example.com", "/")->split;

	(void)state;
	assert_memory_equal(&sa->slot, &sb->slot, sizeof(sa->slot));
	assert_memory_equal(&sa->dests[1].stats, &sb->dests[1].stats, sizeof(sa->slot));
	assert_memory_equal(&sa->dests[0].subset->endpoints[0].slot,
	                    &sc->dests[0].subset->endpoints[0].slot, sizeof(sa->slot));
	assert_int_not_equal(sa->slot.index, sc->slot.index);
	struct slot old = sa->slot;

	build_free(a);
	build_free(b);
	a = build(SERVICE CANARY("90", "10"));
	sa = route_of(a, "web.example.com", "/")->split;
	assert_int_equal(sa->slot.index, old.index); /* free again, so it is taken again */
	assert_int_not_equal(sa->slot.epoch, old.epoch);
	build_free(a);
	build_free(c);
}

static void hosts_exact_then_longest_suffix_then_any(void **state)
{
	struct snapshot *s = build(
		VS("a", "'*'", "  gateways: [gw]\n  http:\n  -\n" ANSWER("201"))
			VS("b", "'*.foo.com'", "  http:\n  -\n" ANSWER("202"))
				VS("c", "'*.bar.foo.com'", "  http:\n  -\n" ANSWER("203")) VS(
					"d", "A.foo.com", "  http:\n  -\n" ANSWER("204"))
					VS("e", "e",
	                                   "  http:\n  -\n" ANSWER(
						   "205")) "---\n"
							   "apiVersion: networking.istio.io/v1\n"
							   "kind: Gateway\n"
							   "metadata: {name: gw}\n"
							   "spec:\n"
							   "  servers:\n"
							   "  - {port: {number: 80, name: http, "
							   "protocol: HTTP}, hosts: ['*']}\n");

	(void)state;
	assert_non_null(s);
	assert_true(is(s->listeners[0].name, "default/gw/http"));
	assert_int_equal(status_of(s, "a.foo.com", "/"), 204);
	assert_int_equal(status_of(s, "A.FOO.com:1234", "/"), 204);
	assert_int_equal(status_of(s, "b.foo.com", "/"), 202);
	assert_int_equal(status_of(s, "x.b.foo.com", "/"), 202);
	assert_int_equal(status_of(s, "x.bar.foo.com", "/"), 203);
	assert_int_equal(status_of(s, ".foo.com", "/"), 201);
	assert_int_equal(status_of(s, "foo.com", "/"), 201);
	assert_int_equal(status_of(s, "e.default.svc.cluster.local", "/"), 205);
	assert_int_equal(status_of(s, "[::1]:80", "/"), 201);
	build_free(s);
}

static void gateway_narrows_hosts_and_redirects(void **state)
{
	struct snapshot *s = build(VS(
		"a", "'*.foo.com'",
		"  gateways: [gw]\n  http:\n"
		"  - match: [{port: 8080}]\n" ANSWER(
			"201") "  - match: [{gateways: "
			       "[other]}]\n" ANSWER(
				       "202") "  - "
					      "match: "
					      "[{"
					      "gateways: "
					      "[gw], "
					      "uri: "
					      "{prefix: "
					      "/g}}]"
					      "\n" ANSWER("203") "  - match: [{port: 80}]\n" ANSWER(
						      "20"
						      "4"))
	                                   VS("b", "bar.com",
	                                      "  gateways: [gw]\n  http:\n  -\n" ANSWER(
						      "205")) "---\n"
	                                                      "apiVersion: networking.istio.io/v1\n"
	                                                      "kind: Gateway\n"
	                                                      "metadata: {name: gw}\n"
	                                                      "spec:\n"
	                                                      "  servers:\n"
	                                                      "  - {port: {number: 80, name: a, "
	                                                      "protocol: HTTP}, hosts: "
	                                                      "[a.foo.com]}\n"
	                                                      "  - {port: {number: 80, name: b, "
	                                                      "protocol: HTTP}, hosts: "
	                                                      "[s.foo.com],\n"
	                                                      "     tls: {httpsRedirect: true}}\n"
	                                                      "  - {port: {number: 8080, name: c, "
	                                                      "protocol: HTTP}, hosts: "
	                                                      "[other/x.foo.com]}\n");

	(void)state;
	assert_non_null(s);
	assert_int_equal(s->n_listeners, 2);
	assert_int_equal(status_of(s, "a.foo.com", "/"), 204);
	assert_int_equal(status_of(s, "a.foo.com", "/g"), 203);
	assert_null(route_of(s, "b.foo.com", "/"));
	assert_int_equal(route_of(s, "s.foo.com", "/")->kind, ROUTE_REDIRECT);
	assert_null(s->listeners[1].hosts.exact);
	assert_true(routing_said(&r, "HOST_NOT_SERVED")); /* b */
	assert_true(routing_said(&r, "GATEWAY_UNKNOWN")); /* other */
	build_free(s);
}

static void virtual_services_of_one_host_are_merged(void **state)
{
	struct snapshot *s =
		build(VS("b", "x.com", "  http:\n  - match: [{uri: {prefix: /b}}]\n" ANSWER("202"))
	                      VS("a", "x.com",
	                         "  http:\n  - match: [{uri: {prefix: /b/a}}]\n" ANSWER(
					 "201") "  - match: [{uri: {prefix: "
	                                        "/}}]\n" ANSWER("209") "  - match: "
	                                                               "[{uri: {prefix: "
	                                                               "/never}}]"
	                                                               "\n" ANSWER("299"))
	                              VS("c", "x.com",
	                                 "  http:\n  - match: [{uri: {prefix: /b/c}}]\n" ANSWER(
						 "203") "  -\n" ANSWER("204")));

	(void)state;
	assert_non_null(s);
	assert_int_equal(status_of(s, "x.com", "/b/a"), 201);
	assert_int_equal(status_of(s, "x.com", "/b"), 202);
	assert_int_equal(status_of(s, "x.com", "/b/c"), 202);
	assert_int_equal(status_of(s, "x.com", "/never"), 209);
	assert_true(routing_said(&r, "SHADOWED"));
	build_free(s);
}

static void destinations_are_resolved(void **state)
{
	struct snapshot *s =
		build(SERVICE VS("w", "w.com",
	                         "  http:\n"
	                         "  - match: [{uri: {exact: /host}}]\n"
	                         "    route: [{destination: {host: nowhere}}]\n"
	                         "  - match: [{uri: {exact: /subset}}]\n"
	                         "    route: [{destination: {host: web, subset: v7}}]\n"
	                         "  - match: [{uri: {exact: /port}}]\n"
	                         "    route: [{destination: {host: web, port: {number: 81}}}]\n"
	                         "  - match: [{uri: {exact: /none}}]\n"
	                         "    route: [{destination: {host: web, subset: none}}]\n"
	                         "  - route: [{destination: {host: web}, weight: 0}]\n"));

	(void)state;
	assert_non_null(s);
	assert_null(route_of(s, "w.com", "/host")->split->dests[0].subset);
	assert_null(route_of(s, "w.com", "/subset")->split->dests[0].subset);
	assert_null(route_of(s, "w.com", "/port")->split->dests[0].subset);
	assert_int_equal(route_of(s, "w.com", "/none")->split->dests[0].subset->n_endpoints, 0);
	const struct subset *all = route_of(s, "w.com", "/")->split->dests[0].subset;

	assert_int_equal(all->n_endpoints, 3);
	assert_int_equal(all->n_table, 5); /* 1 + 3 + 1 */
	assert_true(routing_said(&r, "DESTINATION_UNKNOWN"));
	assert_true(routing_said(&r, "SUBSET_UNKNOWN"));
	assert_true(routing_said(&r, "ENDPOINTS_NONE"));
	build_free(s);
}

static uint32_t resolve(void *arg, const char *name, const struct ip_addr **addrs)
{
	(void)arg;
	static struct ip_addr two[2];

	ip_parse("192.0.2.1", &two[0]);
	ip_parse("2001:db8::1", &two[1]);
	*addrs = two;
	return strcmp(name, "api.example.org") == 0 ? 2 : 0;
}

static void count_name(void *arg, const char *name)
{
	assert_string_equal(name, "api.example.org");
	++*(int *)arg;
}

static void names_become_endpoints(void **state)
{
	const char *yaml = VS(
		"a", "a.com",
		"  http:\n"
		"  - route: [{destination: {host: api.example.org}}]\n") "---\n"
									 "apiVersion: "
									 "networking.istio.io/v1\n"
									 "kind: ServiceEntry\n"
									 "metadata: {name: api}\n"
									 "spec:\n"
									 "  hosts: "
									 "[API.example.org]\n"
									 "  ports: [{number: 80, "
									 "name: http, protocol: "
									 "HTTP}]\n"
									 "  resolution: DNS\n";
	int n_names = 0;

	(void)state;
	r.options.resolve = resolve;
	struct snapshot *s = build(yaml);

	assert_non_null(s);
	assert_int_equal(route_of(s, "a.com", "/")->split->dests[0].subset->n_endpoints, 2);
	build_names(r.docs, count_name, &n_names);
	assert_int_equal(n_names, 1);
	build_free(s);
	r.options.resolve = NULL;
	s = build(yaml);
	assert_int_equal(route_of(s, "a.com", "/")->split->dests[0].subset->n_endpoints, 0);
	assert_false(routing_said(&r, "ENDPOINTS_NONE"));
	build_free(s);
}

static void workloads_are_selected(void **state)
{
	struct snapshot *s = build(VS("a", "a.com",
	                              "  http:\n  - route: [{destination: {host: "
	                              "s.x.y}}]\n") "---\n"
	                                            "apiVersion: networking.istio.io/v1\n"
	                                            "kind: ServiceEntry\n"
	                                            "metadata: {name: s}\n"
	                                            "spec:\n"
	                                            "  hosts: [s.x.y]\n"
	                                            "  ports: [{number: 80, name: http, "
	                                            "protocol: HTTP}]\n"
	                                            "  resolution: STATIC\n"
	                                            "  workloadSelector: {labels: {app: "
	                                            "s, tier: front}}\n"
	                                            "---\n"
	                                            "apiVersion: networking.istio.io/v1\n"
	                                            "kind: WorkloadEntry\n"
	                                            "metadata: {name: one, labels: "
	                                            "{tier: front}}\n"
	                                            "spec: {address: 10.1.0.1, labels: "
	                                            "{app: s, tier: back}}\n"
	                                            "---\n"
	                                            "apiVersion: networking.istio.io/v1\n"
	                                            "kind: WorkloadEntry\n"
	                                            "metadata: {name: two}\n"
	                                            "spec: {address: 10.1.0.2, labels: "
	                                            "{app: s, tier: back}}\n"
	                                            "---\n"
	                                            "apiVersion: networking.istio.io/v1\n"
	                                            "kind: WorkloadEntry\n"
	                                            "metadata: {name: three, namespace: "
	                                            "elsewhere}\n"
	                                            "spec: {address: 10.1.0.3, labels: "
	                                            "{app: s, tier: front}}\n");

	(void)state;
	assert_non_null(s);
	const struct subset *all = route_of(s, "a.com", "/")->split->dests[0].subset;

	assert_int_equal(all->n_endpoints, 1);
	assert_true(is(all->endpoints[0].name, "one (10.1.0.1:80)"));
	build_free(s);
}

static void strict_gateways_bind_nothing(void **state)
{
	(void)state;
	r.options.strict_gateways = true;
	struct snapshot *s = build(SERVICE CANARY("1", "1"));

	assert_non_null(s);
	assert_null(route_of(s, "web.example.com", "/"));
	assert_true(routing_said(&r, "GATEWAYS_MISSING"));
	build_free(s);
}

static void too_fine_weights_are_refused(void **state)
{
	(void)state;
	assert_true(routing_read(&r, SERVICE CANARY("65536", "1")));
	assert_null(routing_build(&r));
	assert_true(routing_said(&r, "LIMIT_WEIGHTS"));
	assert_int_equal(registry_used(r.registry, REGISTRY_SPLITS), 0);
}

static void full_registry_is_an_error(void **state)
{
	const uint32_t one[REGISTRY_SPACES] = {1, 1, 1, 1};

	(void)state;
	registry_free(r.registry);
	r.registry = registry_new(one);
	assert_true(routing_read(&r, SERVICE CANARY("90", "10")));
	assert_null(routing_build(&r));
	assert_true(routing_said(&r, "LIMIT_SLOTS"));
	assert_int_equal(registry_used(r.registry, REGISTRY_DESTS), 0);
}

static void uncompilable_regex_says_where(void **state)
{
	(void)state;
	assert_true(
		routing_read(&r, VS("a", "a.com",
	                            "  http:\n  - match: [{uri: {regex: "
	                            "'(((a{1,900}){1,900}){1,900}){1,900}'}}]\n" ANSWER("200"))));
	assert_null(routing_build(&r));
	assert_true(routing_said(&r, "REGEX"));
	assert_int_equal(r.diags.items[0].line, 8);
}

static void headers_and_rewrites_are_taken_over(void **state)
{
	struct snapshot *s =
		build(SERVICE VS("a", "a.com",
	                         "  http:\n"
	                         "  - timeout: 1.5s\n"
	                         "    rewrite: {uri: /new, authority: b.com}\n"
	                         "    headers:\n"
	                         "      request:\n"
	                         "        remove: [x-gone]\n"
	                         "        set: {x-b: '100%%', x-a: 'from %REQ(X-User)%!'}\n"
	                         "    route:\n"
	                         "    - destination: {host: web}\n"
	                         "      headers: {request: {set: {Host: ignored, x-c: d}}}\n"));

	(void)state;
	assert_non_null(s);
	const struct route *route = route_of(s, "a.com", "/");

	assert_int_equal(route->timeout_us, 1500000);
	assert_true(route->rewrite_host && is(route->authority, "b.com"));
	assert_true(is(route->rewrite_uri, "/new"));
	assert_int_equal(route->request_ops.n, 3);
	const struct header_op *ops = route->request_ops.ops;

	assert_int_equal(ops[0].kind, HEADER_REMOVE);
	assert_true(is(ops[1].name, "x-a") && is(ops[2].name, "x-b"));
	assert_int_equal(ops[1].n_parts, 3);
	assert_int_equal(ops[1].parts[1].kind, VALUE_REQ);
	assert_true(is(ops[1].parts[1].text, "x-user"));
	assert_int_equal(ops[2].n_parts, 1);
	assert_true(is(ops[2].parts[0].text, "100%"));
	assert_int_equal(route->split->dests[0].request_ops.n, 1);
	build_free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(canary_is_built_whole, set_up, tear_down),
		cmocka_unit_test_setup_teardown(split_keeps_its_slot_until_it_changes, set_up,
	                                        tear_down),
		cmocka_unit_test_setup_teardown(hosts_exact_then_longest_suffix_then_any, set_up,
	                                        tear_down),
		cmocka_unit_test_setup_teardown(gateway_narrows_hosts_and_redirects, set_up,
	                                        tear_down),
		cmocka_unit_test_setup_teardown(virtual_services_of_one_host_are_merged, set_up,
	                                        tear_down),
		cmocka_unit_test_setup_teardown(destinations_are_resolved, set_up, tear_down),
		cmocka_unit_test_setup_teardown(names_become_endpoints, set_up, tear_down),
		cmocka_unit_test_setup_teardown(workloads_are_selected, set_up, tear_down),
		cmocka_unit_test_setup_teardown(strict_gateways_bind_nothing, set_up, tear_down),
		cmocka_unit_test_setup_teardown(too_fine_weights_are_refused, set_up, tear_down),
		cmocka_unit_test_setup_teardown(full_registry_is_an_error, set_up, tear_down),
		cmocka_unit_test_setup_teardown(uncompilable_regex_says_where, set_up, tear_down),
		cmocka_unit_test_setup_teardown(headers_and_rewrites_are_taken_over, set_up,
	                                        tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
