/* SPDX-License-Identifier: BSD-3-Clause */
/* Documents become typed objects: every built field arrives in its member, with its place. */
#include "docset.h"
#include "istio_table.h"
#include "test.h"

#include <string.h>

#define HEADING(kind)                                     \
	"apiVersion: networking.istio.io/v1\nkind: " kind \
	"\nmetadata: {name: x, namespace: ns}\nspec:\n"

struct read {
	struct docset *set;
	const struct istio_object *o;
};

static struct read read_one(const char *text)
{
	struct read r = {.set = docset_new()};
	struct diag_list diags = {0};

	docset_read_text(r.set, "t", text, strlen(text), NULL, &diags);
	diag_print(&diags, stderr);
	assert_int_equal(diags.n_errors, 0);
	diag_fini(&diags);
	r.o = docset_at(r.set, 0);
	return r;
}

static void http_match_fields(void **state)
{
	struct read r = read_one(HEADING(
		"VirtualService") "  hosts: [a.b, c.d]\n  gateways: [edge]\n  http:\n  - name: "
	                          "rule\n    match:\n"
	                          "    - name: block\n      uri: {exact: /e}\n      scheme: "
	                          "{exact: http}\n      method: {regex: G.*}\n      authority: "
	                          "{prefix: a}\n"
	                          "      headers: {h: {exact: v}, p: {}}\n      withoutHeaders: "
	                          "{w: {regex: r}}\n      queryParams: {q: {prefix: z}}\n"
	                          "      ignoreUriCase: yes\n      port: 8080\n      gateways: "
	                          "[other/gw]\n    - uri: {prefix: /p}\n    timeout: 1m1.5s\n"
	                          "    route: [{destination: {host: a.b}}]\n");
	const struct istio_virtual_service *vs = r.o->virtual_service;
	const struct istio_http_match *m = &vs->http.v[0].match.v[0];

	(void)state;
	assert_int_equal(vs->hosts.n, 2);
	assert_string_equal(vs->hosts.v[1].s, "c.d");
	assert_string_equal(vs->gateways.v[0].s, "edge");
	assert_string_equal(vs->http.v[0].name.s, "rule");
	assert_int_equal(vs->http.v[0].at.line, 8);
	assert_int_equal(vs->http.v[0].match.n, 2);
	assert_int_equal(vs->http.v[0].timeout.us, 61500000);
	assert_string_equal(m->name.s, "block");
	assert_string_equal(m->uri->exact.s, "/e");
	assert_null(m->uri->prefix.s);
	assert_string_equal(m->scheme->exact.s, "http");
	assert_string_equal(m->method->regex.s, "G.*");
	assert_string_equal(m->authority->prefix.s, "a");
	assert_int_equal(m->headers.n, 2);
	assert_string_equal(m->headers.v[0].key.s, "h");
	assert_string_equal(m->headers.v[0].match.exact.s, "v");
	assert_string_equal(m->headers.v[1].key.s, "p");
	assert_null(m->headers.v[1].match.exact.s);
	assert_string_equal(m->without_headers.v[0].match.regex.s, "r");
	assert_string_equal(m->query_params.v[0].match.prefix.s, "z");
	assert_true(m->ignore_uri_case.v);
	assert_int_equal(m->port.v, 8080);
	assert_string_equal(m->gateways.v[0].s, "other/gw");
	assert_int_equal(m->port.at.line, 19);
	assert_int_equal(m->port.at.col, 13);
	docset_free(r.set);
}

static void http_action_fields(void **state)
{
	struct read r = read_one(HEADING(
		"VirtualService") "  hosts: [a.b]\n  http:\n"
	                          "  - match: [{uri: {exact: /1}}]\n    rewrite: {uri: /u, "
	                          "authority: c.d}\n    headers: {response: {add: {a: b}}}\n"
	                          "    route:\n    - destination: {host: a.b, subset: v1, port: "
	                          "{number: 81}}\n      weight: 9\n"
	                          "      headers: {request: {set: {s: t}, remove: [x, z]}}\n    - "
	                          "{destination: {host: e.f}, weight: 1}\n"
	                          "  - match: [{uri: {exact: /2}}]\n    redirect: {uri: /r, "
	                          "authority: g.h, port: 82, scheme: https, redirectCode: 307}\n"
	                          "  - match: [{uri: {exact: /3}}]\n    redirect: {derivePort: "
	                          "FROM_REQUEST_PORT}\n"
	                          "  - directResponse: {status: 418, body: {string: short}}\n");
	const struct istio_virtual_service *vs = r.o->virtual_service;
	const struct istio_http_route *forward = &vs->http.v[0];
	const struct istio_redirect *redirect = vs->http.v[1].redirect;

	(void)state;
	assert_int_equal(vs->http.n, 4);
	assert_string_equal(forward->rewrite->uri.s, "/u");
	assert_string_equal(forward->rewrite->authority.s, "c.d");
	assert_null(forward->headers->request);
	assert_string_equal(forward->headers->response->add.v[0].value.s, "b");
	assert_int_equal(forward->route.n, 2);
	assert_string_equal(forward->route.v[0].destination->host.s, "a.b");
	assert_string_equal(forward->route.v[0].destination->subset.s, "v1");
	assert_int_equal(forward->route.v[0].destination->port->number.v, 81);
	assert_int_equal(forward->route.v[0].weight.v, 9);
	assert_string_equal(forward->route.v[0].headers->request->set.v[0].key.s, "s");
	assert_string_equal(forward->route.v[0].headers->request->remove.v[1].s, "z");
	assert_null(forward->route.v[1].headers);
	assert_string_equal(redirect->uri.s, "/r");
	assert_string_equal(redirect->authority.s, "g.h");
	assert_int_equal(redirect->port.v, 82);
	assert_string_equal(redirect->scheme.s, "https");
	assert_int_equal(redirect->redirect_code.v, 307);
	assert_false(redirect->derive_port.set);
	assert_int_equal(vs->http.v[2].redirect->derive_port.v, ISTIO_FROM_REQUEST_PORT);
	assert_int_equal(vs->http.v[3].direct_response->status.v, 418);
	assert_string_equal(vs->http.v[3].direct_response->body->string.s, "short");
	docset_free(r.set);
}

static void destination_rule_fields(void **state)
{
	struct read r = read_one(HEADING(
		"DestinationRule") "  host: a.b\n  trafficPolicy:\n    loadBalancer: {simple: "
	                           "RANDOM}\n"
	                           "    connectionPool: {tcp: {connectTimeout: 250ms}}\n  "
	                           "subsets:\n  - name: v1\n    labels: {version: v1}\n"
	                           "    trafficPolicy: {loadBalancer: {simple: ROUND_ROBIN}}\n");
	const struct istio_destination_rule *d = r.o->destination_rule;

	(void)state;
	assert_string_equal(d->host.s, "a.b");
	assert_int_equal(d->traffic_policy->load_balancer->simple.v, ISTIO_LB_RANDOM);
	assert_int_equal(d->traffic_policy->connection_pool->tcp->connect_timeout.us, 250000);
	assert_string_equal(d->subsets.v[0].name.s, "v1");
	assert_string_equal(istio_pair_get(&d->subsets.v[0].labels, "version"), "v1");
	assert_int_equal(d->subsets.v[0].traffic_policy->load_balancer->simple.v,
	                 ISTIO_LB_ROUND_ROBIN);
	docset_free(r.set);
}

static void service_entry_fields(void **state)
{
	struct read r = read_one(HEADING(
		"ServiceEntry") "  hosts: [a.b]\n  ports: [{number: 80, protocol: HTTP, name: "
	                        "http, targetPort: 8080}]\n"
	                        "  resolution: STATIC\n  endpoints:\n  - {address: 10.0.0.1, "
	                        "ports: {http: 90}, labels: {l: m}, weight: 3}\n");
	const struct istio_service_entry *s = r.o->service_entry;

	(void)state;
	assert_string_equal(s->hosts.v[0].s, "a.b");
	assert_int_equal(s->ports.v[0].number.v, 80);
	assert_string_equal(s->ports.v[0].protocol.s, "HTTP");
	assert_string_equal(s->ports.v[0].name.s, "http");
	assert_int_equal(s->ports.v[0].target_port.v, 8080);
	assert_int_equal(s->resolution.v, ISTIO_RESOLUTION_STATIC);
	assert_string_equal(s->endpoints.v[0].address.s, "10.0.0.1");
	assert_int_equal(s->endpoints.v[0].ports.v[0].value.v, 90);
	assert_string_equal(istio_pair_get(&s->endpoints.v[0].labels, "l"), "m");
	assert_int_equal(s->endpoints.v[0].weight.v, 3);
	docset_free(r.set);
	r = read_one(HEADING(
		"ServiceEntry") "  hosts: [a.b]\n  ports: [{number: 80, name: http}]\n  "
	                        "resolution: DNS\n  workloadSelector: {labels: {app: a}}\n");
	assert_int_equal(r.o->service_entry->resolution.v, ISTIO_RESOLUTION_DNS);
	assert_string_equal(istio_pair_get(&r.o->service_entry->workload_selector->labels, "app"),
	                    "a");
	docset_free(r.set);
}

static void gateway_fields(void **state)
{
	struct read r =
		read_one(HEADING("Gateway") "  selector: {istio: edge}\n  servers:\n  - name: s\n  "
	                                    "  port: {number: 80, name: http, protocol: HTTP}\n"
	                                    "    bind: 10.0.0.1\n    hosts: [ns/a.b]\n    tls: "
	                                    "{httpsRedirect: true}\n");
	const struct istio_gateway *g = r.o->gateway;

	(void)state;
	assert_string_equal(istio_pair_get(&g->selector, "istio"), "edge");
	assert_string_equal(g->servers.v[0].name.s, "s");
	assert_int_equal(g->servers.v[0].port->number.v, 80);
	assert_string_equal(g->servers.v[0].port->name.s, "http");
	assert_string_equal(g->servers.v[0].port->protocol.s, "HTTP");
	assert_string_equal(g->servers.v[0].bind.s, "10.0.0.1");
	assert_string_equal(g->servers.v[0].hosts.v[0].s, "ns/a.b");
	assert_true(g->servers.v[0].tls->https_redirect.v);
	docset_free(r.set);
}

#define L4_RULES                                                                         \
	"  hosts: [a.b]\n"                                                               \
	"  tls:\n"                                                                       \
	"  - match: [{sniHosts: [a.b], port: 443, gateways: [g]}, {sni_hosts: [a.b]}]\n" \
	"    route: [{destination: {host: c}, weight: 3}, {destination: {host: d}}]\n"   \
	"  tcp:\n"                                                                       \
	"  - match: [{port: 5432, gateways: [g, mesh]}]\n"                               \
	"    route: [{destination: {host: c, port: {number: 1}}}]\n"

static void l4_fields(void **state)
{
	struct read r = read_one(HEADING("VirtualService") L4_RULES);
	const struct istio_virtual_service *vs = r.o->virtual_service;
	const struct istio_tls_route *tls = &vs->tls.v[0];
	const struct istio_tcp_route *tcp = &vs->tcp.v[0];

	(void)state;
	assert_int_equal(tls->match.n, 2);
	assert_string_equal(tls->match.v[0].sni_hosts.v[0].s, "a.b");
	assert_int_equal(tls->match.v[0].port.v, 443);
	assert_string_equal(tls->match.v[0].gateways.v[0].s, "g");
	assert_string_equal(tls->match.v[1].sni_hosts.v[0].s, "a.b");
	assert_int_equal(tls->route.n, 2);
	assert_int_equal(tls->route.v[0].weight.v, 3);
	assert_string_equal(tls->route.v[1].destination->host.s, "d");
	assert_int_equal(tls->at.line, 7);
	assert_int_equal(tcp->match.v[0].port.v, 5432);
	assert_string_equal(tcp->match.v[0].gateways.v[1].s, "mesh");
	assert_int_equal(tcp->route.v[0].destination->port->number.v, 1);
	docset_free(r.set);
}

#define L4_POLICY                                        \
	"  host: a.b\n"                                  \
	"  trafficPolicy:\n"                             \
	"    proxyProtocol: {version: V2}\n"             \
	"    connectionPool: {tcp: {idleTimeout: 2m}}\n" \
	"    loadBalancer: {consistentHash: {useSourceIp: true, maglev: {tableSize: '251'}}}\n"

static void l4_policy_fields(void **state)
{
	struct read r = read_one(HEADING("DestinationRule") L4_POLICY);
	const struct istio_traffic_policy *p = r.o->destination_rule->traffic_policy;

	(void)state;
	assert_int_equal(p->proxy_protocol->version.v, ISTIO_PROXY_PROTOCOL_V2);
	assert_int_equal(p->connection_pool->tcp->idle_timeout.us, 120000000);
	assert_true(p->load_balancer->consistent_hash->use_source_ip.v);
	assert_int_equal(p->load_balancer->consistent_hash->maglev->table_size.v, 251);
	docset_free(r.set);
}

static void notes_are_read(void **state)
{
	static const struct {
		const char *text;
		bool good;
		uint8_t mode;
		uint16_t port;
	} cases[] = {
		{"nat", true, FORWARD_NAT, 0},
		{"dsr", true, FORWARD_DSR, 0},
		{"ipip", true, FORWARD_IPIP, 0},
		{"gue", true, FORWARD_GUE, 6080},
		{"gue:1", true, FORWARD_GUE, 1},
		{"gue:65535", true, FORWARD_GUE, 65535},
		{"gue:65536", false, 0, 0},
		{"gue:0", false, 0, 0},
		{"gue:", false, 0, 0},
		{"gue:1x", false, 0, 0},
		{"gue: 1", false, 0, 0},
		{"GUE", false, 0, 0},
		{"gue:99999999999", false, 0, 0},
		{"", false, 0, 0},
		{"dsr:1", false, 0, 0},
		{"gue:-1", false, 0, 0},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct istio_forward f;
		bool good = istio_forward_parse(cases[i].text, &f);

		assert_int_equal(good, cases[i].good);
		if (!good)
			continue;
		assert_int_equal(f.mode, cases[i].mode);
		assert_int_equal(f.gue_port, cases[i].port);
	}
	struct arena a = {0};
	const char *words[8];

	assert_int_equal(istio_words(&a, " h2 ,http/1.1\t,", words), 3);
	assert_string_equal(words[0], "h2");
	assert_string_equal(words[1], "http/1.1");
	assert_string_equal(words[2], "");
	assert_int_equal(istio_words(&a, "", words), 1);
	assert_int_equal(istio_protocol("https"), ISTIO_PROTOCOL_TLS);
	assert_int_equal(istio_protocol("udp "), ISTIO_PROTOCOL_UNKNOWN);
	arena_fini(&a);
}

static void durations(void **state)
{
	static const struct {
		const char *text;
		uint64_t us;
	} good[] = {{"0", 0},          {"0s", 0},       {"1h", 3600000000},
	            {"1.5s", 1500000}, {"10ms", 10000}, {"1m30s", 90000000},
	            {"+.5s", 500000},  {"100us", 100},  {"1.s", 1000000}};
	static const char *const bad[] = {"",   "s",      "1",  "-1s",  "1 s",       "1s ",
	                                  "1x", "1.5.5s", ".s", "1e3s", "99999999h", "1d"};
	uint64_t us;

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		assert_true(istio_duration_parse(good[i].text, &us));
		assert_int_equal(us, good[i].us);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(istio_duration_parse(bad[i], &us));
}

static void references(void **state)
{
	struct arena a = {0};
	struct istio_gateway_ref ref;
	struct istio_server_host h;

	(void)state;
	assert_true(istio_gateway_ref(&a, "mesh", "n", &ref) && ref.mesh);
	assert_true(istio_gateway_ref(&a, "gw", "n", &ref));
	assert_string_equal(ref.ns, "n");
	assert_string_equal(ref.name, "gw");
	assert_true(istio_gateway_ref(&a, "o/gw", "n", &ref));
	assert_string_equal(ref.ns, "o");
	assert_true(istio_gateway_ref(&a, "./gw", "n", &ref));
	assert_string_equal(ref.ns, "n");
	assert_true(istio_gateway_ref(&a, "gw.o.svc.cluster.local", "n", &ref) && ref.legacy);
	assert_string_equal(ref.ns, "o");
	assert_string_equal(ref.name, "gw");
	assert_false(istio_gateway_ref(&a, "", "n", &ref));
	assert_false(istio_gateway_ref(&a, "/gw", "n", &ref));
	assert_false(istio_gateway_ref(&a, "o/", "n", &ref));
	assert_false(istio_gateway_ref(&a, "a/b/c", "n", &ref));
	h = istio_server_host(&a, "A.b", "n");
	assert_null(h.ns);
	assert_string_equal(h.host, "a.b");
	h = istio_server_host(&a, "./a.b", "n");
	assert_string_equal(h.ns, "n");
	h = istio_server_host(&a, "*/a.b", "n");
	assert_null(h.ns);
	h = istio_server_host(&a, "o/*", "n");
	assert_string_equal(h.ns, "o");
	assert_string_equal(h.host, "*");
	arena_fini(&a);
}

static void kinds_have_kubectls_names(void **state)
{
	enum istio_kind kind;

	(void)state;
	assert_true(istio_kind_parse("vs", &kind) && kind == ISTIO_VIRTUAL_SERVICE);
	assert_true(istio_kind_parse("destinationrules", &kind) && kind == ISTIO_DESTINATION_RULE);
	assert_true(istio_kind_parse("serviceentries", &kind) && kind == ISTIO_SERVICE_ENTRY);
	assert_true(istio_kind_parse("WorkloadEntry", &kind) && kind == ISTIO_WORKLOAD_ENTRY);
	assert_false(istio_kind_parse("pods", &kind));
}

static void labels_match_when_all_are_there(void **state)
{
	struct istio_pair have_v[] = {{{.s = "a"}, {.s = "1"}}, {{.s = "b"}, {.s = "2"}}};
	struct istio_pair other_v[] = {{{.s = "a"}, {.s = "2"}}};
	struct istio_pairs have = {.v = have_v, .n = 2}, part = {.v = have_v, .n = 1},
			   other = {.v = other_v, .n = 1}, none = {0};

	(void)state;
	assert_true(istio_labels_match(&part, &have));
	assert_true(istio_labels_match(&none, &have));
	assert_false(istio_labels_match(&have, &part));
	assert_false(istio_labels_match(&other, &have));
}

static void check_rows(const struct istio_message *m)
{
	char camel[ISTIO_FIELD_NAME_MAX];

	for (size_t i = 0; i < m->n_fields; i++) {
		const struct istio_field *f = &m->fields[i];
		bool has_of = f->type == ISTIO_MESSAGE || f->type == ISTIO_MESSAGES ||
		              f->type == ISTIO_MATCHES;

		assert_ptr_equal(istio_table_find(m, f->name), f); /* names differ */
		assert_ptr_equal(istio_table_find(m, istio_table_camel(f, camel)), f);
		assert_int_equal(f->of != NULL, has_of);
		assert_int_equal(f->values != NULL, f->type == ISTIO_ENUM_VALUE);
		if (f->support == ISTIO_BUILT) {
			assert_in_range(f->offset, sizeof(struct where), m->size - 1);
			assert_in_range(f->type, ISTIO_TEXT, ISTIO_UINT64);
			assert_true(!f->of || f->of->size > 0);
		}
		if (f->of)
			check_rows(f->of);
	}
}

static void the_table_is_sound(void **state)
{
	(void)state;
	for (unsigned int kind = 0; kind < ISTIO_KIND_COUNT; kind++)
		check_rows(istio_specs[kind]);
	for (size_t i = 0; istio_later_specs[i]; i++)
		check_rows(istio_later_specs[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(http_match_fields),
		cmocka_unit_test(http_action_fields),
		cmocka_unit_test(destination_rule_fields),
		cmocka_unit_test(service_entry_fields),
		cmocka_unit_test(gateway_fields),
		cmocka_unit_test(l4_fields),
		cmocka_unit_test(l4_policy_fields),
		cmocka_unit_test(notes_are_read),
		cmocka_unit_test(durations),
		cmocka_unit_test(references),
		cmocka_unit_test(kinds_have_kubectls_names),
		cmocka_unit_test(labels_match_when_all_are_there),
		cmocka_unit_test(the_table_is_sound),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
