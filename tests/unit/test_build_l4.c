/* SPDX-License-Identifier: BSD-3-Clause */
/* TCP, UDP and TLS servers: which rule a listener or a server name has, and how endpoints are reached. */
#include "pick.h"
#include "routing.h"
#include "test.h"

#include <arpa/inet.h>

#define OBJECT(kind, name)                                                                \
	"---\napiVersion: networking.istio.io/v1\nkind: " kind "\nmetadata: {name: " name \
	"}\nspec:\n"

#define NOTED(kind, name, notes)                                                          \
	"---\napiVersion: networking.istio.io/v1\nkind: " kind "\nmetadata: {name: " name \
	", annotations: {" notes "}}\nspec:\n"

#define SERVERS(list) "  servers:\n" list
#define SERVER(name, port, protocol, hosts, rest)                                        \
	"  - {port: {number: " port ", name: " name ", protocol: " protocol "}, hosts: " \
	"[" hosts "]" rest "}\n"

#define GATEWAY(list) OBJECT("Gateway", "edge") SERVERS(list)

#define VS(name, hosts, rest) \
	OBJECT("VirtualService", name) "  hosts: [" hosts "]\n  gateways: [edge]\n" rest

#define SERVICE(name, protocol, port, a, b)                                                 \
	OBJECT("ServiceEntry", name)                                                        \
	"  hosts: [" name ".default.svc.cluster.local]\n"                                   \
	"  ports: [{number: " port ", name: p, protocol: " protocol "}]\n"                  \
	"  resolution: STATIC\n  endpoints:\n  - {address: " a ", labels: {version: v1}}\n" \
	"  - {address: " b ", labels: {version: v2}}\n"

#define DB SERVICE("db", "TCP", "5432", "10.0.0.1", "10.0.0.2")

#define SUBSETS                                   \
	"  subsets:\n"                            \
	"  - {name: v1, labels: {version: v1}}\n" \
	"  - {name: v2, labels: {version: v2}}\n"

#define DR(name, rest) OBJECT("DestinationRule", name) "  host: " name "\n" rest

#define RULES(kind, list) "  " kind ":\n" list
#define MATCH(blocks, destination) \
	"  - match: [" blocks "]\n    route: [{destination: " destination "}]\n"
#define ALWAYS(destination) "  - route: [{destination: " destination "}]\n"

/* A document with one rule. */
#define TCP(name, destination)             VS(name, "'*'", RULES("tcp", ALWAYS(destination)))
#define HTTP(destination)                  VS("web", "a.b", RULES("http", ALWAYS(destination)))
#define TLS(name, hosts, sni, destination) VS(name, hosts, RULES("tls", MATCH(sni, destination)))

#define TWO_OF_DB(a, b)                                                \
	"  - match: [{port: 5432}]\n    route:\n"                      \
	"    - {destination: {host: db, subset: v1}, weight: " a "}\n" \
	"    - {destination: {host: db, subset: v2}, weight: " b "}\n"

#define TO_BOTH(a, b)                                   \
	GATEWAY(SERVER("db", "5432", "TCP", "'*'", "")) \
	DB VS("db", "'*'", RULES("tcp", TWO_OF_DB(a, b)))

static struct routing r;
static struct snapshot *s;

static int set_up(void **state)
{
	(void)state;
	routing_init(&r);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	build_free(s);
	s = NULL;
	for (int i = 0; i < REGISTRY_SPACES; i++)
		assert_int_equal(registry_used(r.registry, (enum registry_space)i), 0);
	routing_fini(&r);
	return 0;
}

static void build(const char *yaml)
{
	build_free(s);
	s = routing_read(&r, yaml) ? routing_build(&r) : NULL;
}

/* Built, and nothing was said. */
static void build_clean(const char *yaml)
{
	build(yaml);
	diag_print(&r.diags, stderr);
	assert_non_null(s);
	assert_int_equal(r.diags.n, 0);
}

static void build_warned(const char *yaml, const char *code)
{
	build(yaml);
	if (!s || !routing_said(&r, code))
		diag_print(&r.diags, stderr);
	assert_non_null(s);
	assert_true(routing_said(&r, code));
}

static void build_refused(const char *yaml, const char *code)
{
	build(yaml);
	if (s || !routing_said(&r, code))
		diag_print(&r.diags, stderr);
	assert_null(s);
	assert_true(routing_said(&r, code));
}

static bool is(struct str text, const char *want)
{
	return str_eq(text, (struct str){want, (uint32_t)strlen(want)});
}

static const struct listener *on(uint16_t port, enum listener_kind kind)
{
	for (uint32_t i = 0; i < s->n_listeners; i++)
		if (s->listeners[i].port == htons(port) && s->listeners[i].kind == kind)
			return &s->listeners[i];
	fail_msg("no listener on %u", port);
	return NULL;
}

static const struct subset *subset_of(uint16_t port, enum listener_kind kind, uint32_t i)
{
	return on(port, kind)->l4->split->dests[i].subset;
}

static const struct tls_rule *rules_of(uint16_t port, const char *name, uint32_t n)
{
	const struct vhost *v =
		route_host(on(port, LISTENER_TLS), (struct str){name, (uint32_t)strlen(name)});

	assert_int_equal(v ? v->n_tls : 0, n);
	return v ? v->tls : NULL;
}

/* ---- tcp -------------------------------------------------------------------------------- */

static void weights_are_per_connection(void **state)
{
	struct split_state st = {0};
	uint32_t seen[2] = {0};

	(void)state;
	build_clean(TO_BOTH("90", "10") DR("db", SUBSETS));
	const struct listener *l = on(5432, LISTENER_TCP);

	assert_false(l->stream);
	assert_true(is(l->l4->name, "default/db/tcp[0]"));
	assert_int_equal(memcmp(l->l4->source.p, "test.yaml:", 10), 0);
	for (int i = 0; i < 1000; i++)
		seen[pick_next(&st, l->l4->split, 0) - l->l4->split->dests]++;
	assert_int_equal(seen[0], 900);
	assert_int_equal(seen[1], 100);
	assert_int_equal(subset_of(5432, LISTENER_TCP, 0)->n_endpoints, 1);
	assert_int_equal(subset_of(5432, LISTENER_TCP, 0)->mode, FORWARD_NAT);
	assert_int_equal(subset_of(5432, LISTENER_TCP, 0)->policy, BALANCE_LEAST_REQUEST);
}

#define INNER(list) OBJECT("Gateway", "inner") SERVERS(list)

#define THREE_RULES                                                             \
	OBJECT("VirtualService", "db")                                          \
	"  hosts: [db.example.com]\n  gateways: [edge, inner]\n  tcp:\n" MATCH( \
		"{port: 2000}, {port: 7}", "{host: db}")                        \
		MATCH("{gateways: [inner]}", "{host: db}") ALWAYS("{host: db}")

static void a_rule_is_chosen_by_port_and_gateway(void **state)
{
	(void)state;
	build_clean(
		GATEWAY(SERVER("a", "1000", "TCP", "'*'", "") SERVER("b", "2000", "TCP", "'*'", ""))
			INNER(SERVER("c", "3000", "TCP", "'*'", "")) DB THREE_RULES);
	assert_true(is(on(1000, LISTENER_TCP)->l4->name, "default/db/tcp[2]"));
	assert_true(is(on(2000, LISTENER_TCP)->l4->name, "default/db/tcp[0]"));
	assert_true(is(on(3000, LISTENER_TCP)->l4->name, "default/db/tcp[1]"));
}

#define TCP_OF_B VS("db", "b.example.com", RULES("tcp", ALWAYS("{host: db}")))

static void a_server_without_a_rule_refuses(void **state)
{
	(void)state;
	build_warned(GATEWAY(SERVER("a", "1000", "TCP", "a.example.com", "")) DB TCP_OF_B,
	             "HOST_NOT_SERVED");
	assert_null(on(1000, LISTENER_TCP)->l4);
	build_warned(GATEWAY(SERVER("a", "1000", "HTTP", "'*'", "")) DB TCP_OF_B, "NO_SERVER");
}

#define HTTP_OF_B                     \
	OBJECT("VirtualService", "b") \
	"  hosts: [b.example.com]\n" RULES("http", ALWAYS("{host: db}"))

/* What the node's own listeners served before there was a Gateway. */
static void http_rules_without_a_server_are_told(void **state)
{
	(void)state;
	build(DB HTTP_OF_B);
	assert_false(routing_said(&r, "NO_SERVER"));
	build_warned(GATEWAY(SERVER("a", "1000", "TCP", "'*'", "")) DB HTTP_OF_B, "NO_SERVER");
}

static void the_first_document_takes_a_port(void **state)
{
	(void)state;
	build_warned(GATEWAY(SERVER("a", "1000", "TCP", "'*'", "")) DB TCP("b", "{host: db}")
	                     TCP("a", "{host: db}"),
	             "TCP_SHADOWED");
	assert_true(is(on(1000, LISTENER_TCP)->l4->name, "default/a/tcp[0]"));
}

static void one_port_is_for_one_thing(void **state)
{
	(void)state;
	build_refused(
		GATEWAY(SERVER("a", "80", "HTTP", "'*'", "") SERVER("b", "80", "TCP", "'*'", "")),
		"LISTENER_CONFLICT");
	build_refused(GATEWAY(SERVER("a", "80", "TCP", "'*'", "")
	                              SERVER("b", "80", "TLS", "'*'", ", tls: {}")),
	              "LISTENER_CONFLICT");
	build_clean(
		GATEWAY(SERVER("a", "53", "TCP", "'*'", "") SERVER("b", "53", "UDP", "'*'", "")));
	assert_ptr_not_equal(on(53, LISTENER_TCP), on(53, LISTENER_UDP));
}

static void quic_is_a_gateways_annotation(void **state)
{
	(void)state;
	build_clean(NOTED("Gateway", "edge", "weir.dev/quic: 'true'") SERVERS(
		SERVER("q", "443", "UDP", "'*'", "") SERVER("t", "443", "TCP", "'*'", "")));
	assert_true(on(443, LISTENER_UDP)->quic);
	assert_false(on(443, LISTENER_TCP)->quic);
	build_refused(NOTED("Gateway", "edge", "weir.dev/quic: 'true'")
	                      SERVERS(SERVER("q", "443", "UDP", "'*'", ""))
	                              OBJECT("Gateway", "other")
	                                      SERVERS(SERVER("q", "443", "UDP", "'*'", "")),
	              "LISTENER_CONFLICT");
}

/* ---- modes ------------------------------------------------------------------------------ */

#define RULE(name, notes, policy) NOTED("DestinationRule", name, notes) "  host: db\n" policy

static void annotations_choose_the_mode(void **state)
{
	const struct subset *v1, *v2;

	(void)state;
	build_clean(TO_BOTH("1", "1") RULE(
		"db", "weir.dev/forward: dsr, weir.dev/forward.v2: 'gue:7000'", SUBSETS));
	v1 = subset_of(5432, LISTENER_TCP, 0);
	v2 = subset_of(5432, LISTENER_TCP, 1);
	assert_int_equal(v1->mode, FORWARD_DSR);
	assert_int_equal(v2->mode, FORWARD_GUE);
	assert_int_equal(v2->gue_port, htons(7000));
	assert_int_equal(v1->policy, BALANCE_MAGLEV);
	assert_int_equal(v1->hash_on, HASH_ON_TUPLE);
	assert_int_equal(v1->n_maglev, 65537);
	build_clean(TO_BOTH("1", "1")
	                    RULE("db", "weir.dev/forward: gue, weir.dev/forward.v1: ipip",
	                         "  trafficPolicy: {loadBalancer: {simple: RANDOM}}\n" SUBSETS));
	assert_int_equal(subset_of(5432, LISTENER_TCP, 0)->mode, FORWARD_IPIP);
	assert_int_equal(subset_of(5432, LISTENER_TCP, 0)->policy, BALANCE_RANDOM);
	assert_int_equal(subset_of(5432, LISTENER_TCP, 1)->gue_port, htons(6080));
}

#define POLICIES                                                                  \
	"  trafficPolicy:\n"                                                      \
	"    proxyProtocol: {version: V2}\n"                                      \
	"    connectionPool: {tcp: {idleTimeout: 90s}}\n"                         \
	"    loadBalancer:\n"                                                     \
	"      consistentHash: {useSourceIp: true, maglev: {tableSize: '251'}}\n" \
	"  subsets:\n"                                                            \
	"  - {name: v1, labels: {version: v1}}\n"                                 \
	"  - name: v2\n"                                                          \
	"    labels: {version: v2}\n"                                             \
	"    trafficPolicy: {proxyProtocol: {}, loadBalancer: {simple: ROUND_ROBIN}}\n"

static void policies_of_connections(void **state)
{
	const struct subset *v1, *v2;

	(void)state;
	build_clean(TO_BOTH("1", "1") DR("db", POLICIES));
	v1 = subset_of(5432, LISTENER_TCP, 0);
	v2 = subset_of(5432, LISTENER_TCP, 1);
	assert_true(on(5432, LISTENER_TCP)->stream);
	assert_int_equal(v1->proxy_protocol, PROXY_PROTOCOL_V2);
	assert_int_equal(v2->proxy_protocol, PROXY_PROTOCOL_V1);
	assert_int_equal(v1->idle_timeout_us, 90000000);
	assert_int_equal(v2->idle_timeout_us, 90000000);
	assert_int_equal(v1->policy, BALANCE_MAGLEV);
	assert_int_equal(v1->hash_on, HASH_ON_SOURCE);
	assert_int_equal(v1->n_maglev, 251);
	assert_int_equal(v2->policy, BALANCE_ROUND_ROBIN);
	assert_int_equal(v2->n_maglev, 0);
}

#define TELL "  trafficPolicy: {proxyProtocol: {}}\n"

static void what_cannot_be_forwarded_so(void **state)
{
	(void)state;
	/* The packet keeps its port. */
	build_refused(GATEWAY(SERVER("db", "15432", "TCP", "'*'", ""))
	                      DB RULE("db", "weir.dev/forward: dsr", SUBSETS)
	                              TCP("db", "{host: db, subset: v1}"),
	              "FORWARD_PORT");
	/* One half of a split wants bytes in front, the other packets as they are. */
	build_refused(TO_BOTH("1", "1") RULE("db", "weir.dev/forward.v1: ipip",
	                                     "  subsets:\n  - {name: v1, labels: {version: v1}}\n"
	                                     "  - {name: v2, labels: {version: v2}, trafficPolicy: "
	                                     "{proxyProtocol: {}}}\n"),
	              "FORWARD_STREAM");
	build_refused(GATEWAY(SERVER("t", "5432", "TLS", "'*'", ", tls: {}"))
	                      DB RULE("db", "weir.dev/forward: dsr", SUBSETS)
	                              TLS("db", "a.b", "{sniHosts: [a.b]}", "{host: db}"),
	              "FORWARD_STREAM");
	build_refused(GATEWAY(SERVER("h", "5432", "HTTP", "'*'", "")) DB DR("db", TELL)
	                      HTTP("{host: db}"),
	              "HTTP_PROXY_PROTOCOL");
	build_warned(GATEWAY(SERVER("h", "5432", "HTTP", "'*'", ""))
	                     DB RULE("db", "weir.dev/forward: dsr", SUBSETS) HTTP("{host: db}"),
	             "FORWARD_UNUSED");
	build_refused(GATEWAY(SERVER("u", "53", "UDP", "'*'", ""))
	                      SERVICE("dns", "UDP", "53", "10.0.0.1", "10.0.0.2") DR("dns", TELL)
	                              TCP("dns", "{host: dns}"),
	              "UDP_PROXY_PROTOCOL");
	build_warned(GATEWAY(SERVER("u", "53", "UDP", "'*'", ""))
	                     SERVICE("dns", "TCP", "53", "10.0.0.1", "10.0.0.2")
	                             TCP("dns", "{host: dns}"),
	             "PROTOCOL");
}

static void a_rule_is_for_answers_of_one_kind(void **state)
{
	(void)state;
	build_warned(TO_BOTH("1", "1") RULE("db", "weir.dev/forward.v1: dsr", SUBSETS),
	             "FORWARD_MIXED");
	build_clean(TO_BOTH("1", "1") RULE(
		"db", "weir.dev/forward.v1: dsr, weir.dev/forward.v2: ipip", SUBSETS));
}

#define TINY "  trafficPolicy: {loadBalancer: {consistentHash: {maglev: {tableSize: 2}}}}\n"
#define THREE                                                                       \
	OBJECT("ServiceEntry", "db")                                                \
	"  hosts: [db.default.svc.cluster.local]\n"                                 \
	"  ports: [{number: 5432, name: p, protocol: TCP}]\n  resolution: STATIC\n" \
	"  endpoints: [{address: 10.0.0.1}, {address: 10.0.0.2}, {address: 10.0.0.3}]\n"
#define TWO_PORTS            GATEWAY(SERVER("a", "1", "TCP", "'*'", "") SERVER("b", "2", "TCP", "'*'", ""))
#define DR_NAMED(name, rest) OBJECT("DestinationRule", name) "  host: db\n" rest
#define ON(name, port)       VS(name, "'*'", RULES("tcp", MATCH("{port: " port "}", "{host: db}")))

/* What is said about a subset does not go with the document that asked for it first. */
static void a_subset_is_spoken_of_as_long_as_it_is_there(void **state)
{
	(void)state;
	build_warned(TWO_PORTS THREE DR("db", TINY) ON("a", "1") ON("b", "2"), "MAGLEV_SIZE");
	struct snapshot *was = s;

	diag_fini(&r.diags);
	assert_true(docset_delete(r.docs, ISTIO_VIRTUAL_SERVICE, "default", "a"));
	s = build_next(was, r.docs, &r.options, ++r.generation, &r.diags);
	build_free(was);
	assert_non_null(s);
	assert_true(routing_said(&r, "MAGLEV_SIZE"));
}

/* Two documents, each good alone: the place is that of the setting, whoever asks. */
static void what_two_rules_say_together_is_refused(void **state)
{
	static const char yaml[] = GATEWAY(SERVER("db", "5432", "TCP", "'*'", "")) DB NOTED(
		"DestinationRule", "a", "weir.dev/forward: dsr") "  host: db\n" DR_NAMED("b", TELL)
		TCP("db", "{host: db}");

	(void)state;
	build_refused(yaml, "FORWARD_PROXY_PROTOCOL");
	for (uint32_t i = 0; i < r.diags.n; i++)
		if (strcmp(r.diags.items[i].code, "FORWARD_PROXY_PROTOCOL") == 0)
			assert_int_equal(r.diags.items[i].col, 34);
}

static void families_are_told_apart(void **state)
{
	(void)state;
	build_warned(GATEWAY(SERVER("a", "5432", "TCP", "'*'", ", bind: 192.0.2.1"))
	                     SERVICE("db", "TCP", "5432", "'fd00::1'", "'fd00::2'")
	                             TCP("db", "{host: db}"),
	             "FAMILY");
	build_warned(GATEWAY(SERVER("a", "5432", "TCP", "'*'", ""))
	                     SERVICE("db", "TCP", "5432", "10.0.0.1", "'fd00::2'")
	                             TCP("db", "{host: db}"),
	             "FAMILY");
	build_clean(GATEWAY(SERVER("a", "5432", "TCP", "'*'", "")) SERVICE(
		"db", "TCP", "5432", "'fd00::1'", "'fd00::2'") TCP("db", "{host: db}"));
	build_clean(GATEWAY(SERVER("a", "5432", "TCP", "'*'", "")) SERVICE("db", "TCP", "5432",
	                                                                   "10.0.0.1", "'fd00::2'")
	                    RULE("db", "weir.dev/forward: ipip", SUBSETS) TCP("db", "{host: db}"));
}

/* ---- tls -------------------------------------------------------------------------------- */

#define TLS_EDGE GATEWAY(SERVER("t", "443", "TLS", "'*'", ", tls: {mode: PASSTHROUGH}"))
#define WEB      SERVICE("web", "TLS", "443", "10.0.0.1", "10.0.0.2")

#define FOUR_NAMES                                                         \
	MATCH("{sniHosts: ['*.example.com']}", "{host: web}")              \
	MATCH("{sniHosts: [A.example.com, b.example.com]}", "{host: web}") \
	MATCH("{sniHosts: ['*'], port: 443}", "{host: web}")               \
	MATCH("{sniHosts: [c.d], port: 444}", "{host: web}")

static void server_names_lead_to_rules(void **state)
{
	(void)state;
	build_clean(TLS_EDGE WEB VS("t", "'*'", RULES("tls", FOUR_NAMES)));
	assert_true(is(rules_of(443, "a.example.com", 1)->route->name, "default/t/tls[1]"));
	assert_true(is(rules_of(443, "c.example.com", 1)->route->name, "default/t/tls[0]"));
	assert_true(is(rules_of(443, "c.d", 1)->route->name, "default/t/tls[2]"));
	assert_true(is(on(443, LISTENER_TLS)->hosts.any->tls->route->name, "default/t/tls[2]"));
	assert_ptr_equal(rules_of(443, "a.example.com", 1)->route,
	                 rules_of(443, "b.example.com", 1)->route);
}

static void a_servers_hosts_bound_the_names(void **state)
{
	(void)state;
	build_clean(GATEWAY(SERVER("t", "443", "HTTPS", "'*.example.com'", ", tls: {}"))
	                    WEB TLS("t", "'*'", "{sniHosts: ['*']}", "{host: web}"));
	rules_of(443, "a.example.com", 1);
	rules_of(443, "a.example.org", 0);
	assert_null(on(443, LISTENER_TLS)->hosts.any);
}

#define FIRST_FOR_H2                                                    \
	NOTED("VirtualService", "a", "weir.dev/alpn: 'h2, acme-tls/1'") \
	"  hosts: [a.b]\n  gateways: [edge]\n" RULES("tls",             \
	                                             MATCH("{sniHosts: [a.b]}", "{host: web}"))

static void alpn_lets_two_documents_share_a_name(void **state)
{
	const struct tls_rule *t;

	(void)state;
	build_clean(TLS_EDGE WEB FIRST_FOR_H2 TLS("b", "a.b", "{sniHosts: [a.b]}", "{host: web}"));
	t = rules_of(443, "a.b", 2);
	assert_int_equal(t[0].n_alpn, 2);
	assert_true(is(t[0].alpn[0], "h2"));
	assert_true(is(t[0].alpn[1], "acme-tls/1"));
	assert_int_equal(t[1].n_alpn, 0);
	assert_true(is(t[1].route->name, "default/b/tls[0]"));
	build_warned(TLS_EDGE WEB TLS("a", "a.b", "{sniHosts: [a.b]}", "{host: web}")
	                     TLS("b", "a.b", "{sniHosts: [a.b]}", "{host: web}"),
	             "SNI_DUPLICATE");
	assert_true(is(rules_of(443, "a.b", 1)->route->name, "default/a/tls[0]"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(weights_are_per_connection, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_rule_is_chosen_by_port_and_gateway, set_up,
	                                        tear_down),
		cmocka_unit_test_setup_teardown(a_server_without_a_rule_refuses, set_up, tear_down),
		cmocka_unit_test_setup_teardown(http_rules_without_a_server_are_told, set_up,
	                                        tear_down),
		cmocka_unit_test_setup_teardown(the_first_document_takes_a_port, set_up, tear_down),
		cmocka_unit_test_setup_teardown(one_port_is_for_one_thing, set_up, tear_down),
		cmocka_unit_test_setup_teardown(quic_is_a_gateways_annotation, set_up, tear_down),
		cmocka_unit_test_setup_teardown(annotations_choose_the_mode, set_up, tear_down),
		cmocka_unit_test_setup_teardown(policies_of_connections, set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_cannot_be_forwarded_so, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_rule_is_for_answers_of_one_kind, set_up,
	                                        tear_down),
		cmocka_unit_test_setup_teardown(a_subset_is_spoken_of_as_long_as_it_is_there,
	                                        set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_two_rules_say_together_is_refused, set_up,
	                                        tear_down),
		cmocka_unit_test_setup_teardown(families_are_told_apart, set_up, tear_down),
		cmocka_unit_test_setup_teardown(server_names_lead_to_rules, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_servers_hosts_bound_the_names, set_up, tear_down),
		cmocka_unit_test_setup_teardown(alpn_lets_two_documents_share_a_name, set_up,
	                                        tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
