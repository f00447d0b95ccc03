/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Property: what the workers choose (builder, Hyperscan, hash tables) is what the obvious matcher
 * (explain: documents, rule by rule, PCRE2) chooses, for random documents and requests.
 *
 * Names, paths and values come from small alphabets so that they collide: shared prefixes, letter case,
 * wildcards inside wildcards, headers missing, empty and doubled, bytes that are not UTF-8. Each request is
 * parsed from its bytes, so normalisation of paths is part of what is compared.
 *
 * argv: seed, number of rule sets (200), requests of each (250). A failure prints all of them.
 */
#include "draw.h"
#include "explain.h"
#include "routing.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

/* ---- documents -------------------------------------------------------------------------- */

static const char *const namespaces[] = {"default", "default", "two"};
static const char *const hosts[] = {"x.a.b",        "'*.a.b'",        "'*.x.a.b', x.a.b",
                                    "a.b, '*.a.b'", "'*.b'",          "svc",
                                    "'*.a.b'",      "X.A.b, y.x.a.b", "'*-z.a.b', x.a.b"};
static const char *const server_hosts[] = {
	"'*'",         "'*.a.b'", "x.a.b",
	"'two/*.a.b'", "'./*'",   "'*/*.b'",
	"'*.x.a.b'",   "a.b",     "svc.default.svc.cluster.local"};
static const char *const segments[] = {"/a", "/b", "/A", "/ab", "/", "/a.b"};
static const char *const regexes[] = {
	"/a.*",       ".*",          "/(a|b)+",    "(?i)/a/?.*",     "/[ab]{1,2}",
	"a*",         "/.",          "/\\\\w+/.*", "/a/[^/]+",       "/a|/b",
	".+b",        "/a$",         "^/b.*",      "(/a|/ab)/.*",    "/[^a]",
	"/\\\\x61.?", "/.?.?.?",     "(?i:/A)b*",  "(/a)*/?",        ".*\\\\.b",
	"/\\\\pL*/?", "(?s)/.*(a|)", "/(?:a|b).*", "\\\\Q/a.b\\\\E", "/a|\\\\Q/a.b"};
static const char *const value_regexes[] = {".*",  "a*",  "1?2?", "1,2",    "(?i)AB?", "[^,]*",
                                            "..?", "1.*", ".",    "\\\\S+", ".+",      "|1"};
static const char *const values[] = {"", "1", "2", "1,2", "a", "A", "ab", "1,", "é"};
static const char *const names[] = {"x-a", "X-B", "x-c"};
static const char *const pseudo[] = {":method", "host", ":path", ":authority", ":scheme"};
static const char *const parameters[] = {"q", "Q", "r"};

static void put_path(FILE *f)
{
	for (uint32_t i = 0, n = 1 + rnd(3); i < n; i++)
		fputs(PICK(segments), f);
}

static void put_uri(FILE *f)
{
	switch (rnd(9) / 2) {
	case 0: fprintf(f, "uri: {regex: \"%s\"}", PICK(regexes)); return;
	case 1: fputs("uri: {exact: ", f); break;
	case 2:
	case 3: fputs("uri: {prefix: ", f); break;
	default: fprintf(f, "uri: {prefix: %s}", one_in(3) ? "''" : "/"); return;
	}
	put_path(f);
	fputs("}", f);
	if (one_in(4))
		fputs(", ignoreUriCase: true", f);
}

static void put_value(FILE *f, bool without)
{
	switch (rnd(without ? 5 : 4)) {
	case 0: fprintf(f, "{exact: '%s'}", PICK(values)); return;
	case 1: fprintf(f, "{prefix: '%s'}", one_in(2) ? "1" : "a"); return;
	case 2: fprintf(f, "{regex: \"%s\"}", PICK(value_regexes)); return;
	case 3: fputs("{}", f); return;
	default: fputs("{regex: '*'}", f);
	}
}

static void put_headers(FILE *f, const char *field, bool without)
{
	const char *first = PICK(names), *second = one_in(4) ? PICK(pseudo) : PICK(names);

	fprintf(f, ", %s: {%s: ", field, first);
	put_value(f, without);
	if (second != first && one_in(2)) {
		fprintf(f, ", '%s': ", second);
		put_value(f, without);
	}
	fputs("}", f);
}

static void put_match(FILE *f, uint32_t number)
{
	static const char *const methods[] = {"{exact: GET}", "{exact: POST}", "{prefix: P}",
	                                      "{regex: 'GET|HEAD'}", "{exact: get}"};
	static const char *const authorities[] = {"{exact: x.a.b}", "{exact: 'x.a.b:8080'}",
	                                          "{prefix: x}", "{regex: '.*:8080'}",
	                                          "{regex: '[a-z.]+'}"};
	static const char *const schemes[] = {"{exact: http}", "{exact: https}", "{prefix: h}"};

	fprintf(f, "    - {name: m%u", number);
	if (!one_in(6)) {
		fputs(", ", f);
		put_uri(f);
	}
	if (one_in(5))
		fprintf(f, ", method: %s", PICK(methods));
	if (one_in(8))
		fprintf(f, ", authority: %s", PICK(authorities));
	if (one_in(12))
		fprintf(f, ", scheme: %s", PICK(schemes));
	if (one_in(4))
		put_headers(f, "headers", false);
	if (one_in(5))
		put_headers(f, "withoutHeaders", true);
	if (one_in(6)) {
		fprintf(f, ", queryParams: {%s: ", PICK(parameters));
		put_value(f, false);
		fputs("}", f);
	}
	if (one_in(10))
		fprintf(f, ", port: %s", one_in(2) ? "80" : "8080");
	if (one_in(12))
		fprintf(f, ", gateways: [%s]", one_in(2) ? "gw0" : one_in(2) ? "two/gw1" : "mesh");
	fputs("}\n", f);
}

static void put_destinations(FILE *f)
{
	static const char *const services[] = {"svc", "svc.default.svc.cluster.local", "multi.x.y",
	                                       "nowhere", "dns.x.y"};
	static const char *const rest[] = {"",
	                                   ", subset: v1",
	                                   ", subset: v2",
	                                   ", subset: v3",
	                                   ", subset: unknown",
	                                   ", port: {number: 80}",
	                                   ", port: {number: 81}"};

	fputs("    route:\n", f);
	for (uint32_t i = 0, n = 1 + rnd(3); i < n; i++)
		fprintf(f, "    - {destination: {host: %s%s}, weight: %u}\n", PICK(services),
		        PICK(rest), i == 0 ? 1 + rnd(3) : rnd(3));
}

static void put_virtual_service(FILE *f, uint32_t number)
{
	static const char *const gateways[] = {"[gw0]",       "[mesh]",         "[two/gw1]",
	                                       "[gw0, mesh]", "[two/gw1, gw0]", "[./gw0]"};
	bool any = one_in(4); /* "*" is only valid with gateways and without the mesh */
	uint32_t match = 0;

	fprintf(f,
	        "---\napiVersion: networking.istio.io/v1\nkind: VirtualService\n"
	        "metadata: {name: v%u, namespace: %s}\nspec:\n  hosts: [%s]\n",
	        number, PICK(namespaces), any ? "'*'" : PICK(hosts));
	if (any || one_in(2))
		fprintf(f, "  gateways: %s\n", any ? "[default/gw0, two/gw1]" : PICK(gateways));
	fputs("  http:\n", f);
	for (uint32_t i = 0, n = 1 + rnd(one_in(8) ? 30 : 5); i < n; i++) {
		fprintf(f, "  - name: r%u\n", i);
		if (!one_in(12)) {
			fputs("    match:\n", f);
			for (uint32_t k = 0, m = 1 + rnd(3); k < m; k++)
				put_match(f, match++);
		}
		if (one_in(3))
			put_destinations(f);
		else
			fputs("    directResponse: {status: 200}\n", f);
	}
}

static void put_gateway(FILE *f, uint32_t number)
{
	fprintf(f,
	        "---\napiVersion: networking.istio.io/v1\nkind: Gateway\n"
	        "metadata: {name: gw%u, namespace: %s}\nspec:\n  servers:\n",
	        number, number ? "two" : "default");
	for (uint32_t i = 0, n = 1 + rnd(3); i < n; i++) {
		fprintf(f, "  - {port: {number: %s, name: p%u, protocol: HTTP}, hosts: [%s",
		        one_in(3) ? "8080" : "80", i, PICK(server_hosts));
		if (one_in(2))
			fprintf(f, ", %s", PICK(server_hosts));
		fprintf(f, "]%s}\n", one_in(10) ? ", tls: {httpsRedirect: true}" : "");
	}
}

static const char services[] =
	"---\n"
	"apiVersion: networking.istio.io/v1\n"
	"kind: ServiceEntry\n"
	"metadata: {name: svc}\n"
	"spec:\n"
	"  hosts: [svc.default.svc.cluster.local]\n"
	"  ports: [{number: 80, name: http, protocol: HTTP, targetPort: 8080}]\n"
	"  resolution: STATIC\n"
	"  endpoints:\n"
	"  - {address: 10.0.0.1, labels: {version: v1}}\n"
	"  - {address: 10.0.0.2, labels: {version: v2}, weight: 2}\n"
	"  - {address: 10.0.0.3, labels: {version: v1}}\n"
	"---\n"
	"apiVersion: networking.istio.io/v1\n"
	"kind: ServiceEntry\n"
	"metadata: {name: multi}\n"
	"spec:\n"
	"  hosts: [multi.x.y]\n"
	"  ports: [{number: 80, name: http, protocol: HTTP}, {number: 8080, name: alt}]\n"
	"  resolution: STATIC\n"
	"  workloadSelector: {labels: {app: multi}}\n"
	"---\n"
	"apiVersion: networking.istio.io/v1\n"
	"kind: WorkloadEntry\n"
	"metadata: {name: m1, labels: {version: v1}}\n"
	"spec: {address: 10.0.1.1, labels: {app: multi}, ports: {alt: 9000}}\n"
	"---\n"
	"apiVersion: networking.istio.io/v1\n"
	"kind: WorkloadEntry\n"
	"metadata: {name: m2}\n"
	"spec: {address: 10.0.1.2, labels: {app: multi, version: v2}}\n"
	"---\n"
	"apiVersion: networking.istio.io/v1\n"
	"kind: ServiceEntry\n"
	"metadata: {name: dns}\n"
	"spec:\n"
	"  hosts: [dns.x.y]\n"
	"  ports: [{number: 80, name: http, protocol: HTTP}]\n"
	"  resolution: DNS\n"
	"---\n"
	"apiVersion: networking.istio.io/v1\n"
	"kind: DestinationRule\n"
	"metadata: {name: svc}\n"
	"spec:\n"
	"  host: svc\n"
	"  subsets: [{name: v1, labels: {version: v1}}, {name: v3, labels: {version: v3}}]\n"
	"---\n"
	"apiVersion: networking.istio.io/v1\n"
	"kind: DestinationRule\n"
	"metadata: {name: wild}\n"
	"spec:\n"
	"  host: '*.x.y'\n"
	"  subsets: [{name: v2, labels: {version: v2}}, {name: v3}]\n"
	"---\n"
	"apiVersion: networking.istio.io/v1\n"
	"kind: DestinationRule\n"
	"metadata: {name: wider}\n"
	"spec:\n"
	"  host: '*.y'\n"
	"  subsets: [{name: v1, labels: {version: v1}}, {name: v2}]\n";

static char *documents(void)
{
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);
	uint32_t n_gateways = one_in(2) ? 0 : 1 + rnd(2);

	fputs(services, f);
	for (uint32_t i = 0; i < n_gateways; i++)
		put_gateway(f, i);
	for (uint32_t i = 0, n = 2 + rnd(7); i < n; i++)
		put_virtual_service(f, i);
	fclose(f);
	return text;
}

/* ---- requests --------------------------------------------------------------------------- */

struct request {
	char url[256];
	char bytes[2048];
	const char *method;
	char lines[8][64];
	const char *headers[8];
	uint32_t n_headers;
	uint16_t port;
};

static void put_target(FILE *f)
{
	static const char *const odd[] = {"/%61",  "/./a",  "/a/..", "/%2e%2e/b", "//a",
	                                  "/%2Fa", "/a%20", "/\\a",  "/%c3%a9",   "/..%2f"};
	static const char *const queries[] = {"q=1",   "q",       "Q=1&q=", "r=1,2&q=a", "q=%31",
	                                      "x&q=2", "q=1&q=2", "",       "q=a=b",     "r=ab&&q"};

	for (uint32_t i = 0, n = 1 + rnd(3); i < n; i++)
		fputs(one_in(8) ? PICK(odd) : PICK(segments), f);
	if (one_in(2))
		fprintf(f, "?%s", PICK(queries));
}

static void make_request(struct request *q)
{
	static const char *const authorities[] = {
		"a.b",       "x.a.b", "y.x.a.b",
		"q.y.x.a.b", "X.a.B", "c-z.a.b",
		"b",         ".a.b",  "svc.default.svc.cluster.local",
		"other",     "x.a.b."};
	static const char *const methods[] = {"GET", "GET", "POST", "HEAD", "PUT", "get"};
	static const char *const request_values[] = {"",   "1",  "2", "1,2",  "a",     "A",
	                                             "ab", "1,", "é", "\xff", "1\xc3", "1 2"};
	const char *authority = PICK(authorities), *host = authority;
	char target[200] = {0};
	FILE *f = fmemopen(target, sizeof(target) - 1, "w");

	put_target(f);
	fclose(f);
	q->port = one_in(3) ? 8080 : 80;
	q->method = PICK(methods);
	q->n_headers = 0;
	snprintf(q->url, sizeof(q->url), "http://%s%s%s", authority, q->port == 80 ? "" : ":8080",
	         target);
	f = fmemopen(q->bytes, sizeof(q->bytes), "w");
	fprintf(f, "%s %s HTTP/1.1\r\n", q->method, target);
	if (one_in(4)) {
		host = PICK(authorities);
		snprintf(q->lines[q->n_headers++], sizeof(q->lines[0]), "Host: %s", host);
		fprintf(f, "Host: %s\r\n", host);
	} else {
		fprintf(f, "Host: %s%s\r\n", host, q->port == 80 ? "" : ":8080");
	}
	for (uint32_t n = rnd(4); n > 0; n--) {
		char *line = q->lines[q->n_headers++];

		snprintf(line, sizeof(q->lines[0]), "%s: %s", one_in(4) ? "X-A" : PICK(names),
		         PICK(request_values));
		fprintf(f, "%s\r\n", line);
	}
	fputs("\r\n", f);
	fclose(f);
	for (uint32_t i = 0; i < q->n_headers; i++)
		q->headers[i] = q->lines[i];
}

/* ---- comparison ------------------------------------------------------------------------- */

static struct routing r;
static struct build_listener listeners[2] = {{.port = 80}, {.port = 8080}};
static uint64_t chosen, forwarded, unmatched;

static bool is(struct str s, const char *text)
{
	return str_eq(s, (struct str){text, (uint32_t)strlen(text)});
}

static const char *text(const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));

	return s ? s : "";
}

static const char *compare_destinations(const struct route *route, const json_t *want)
{
	const json_t *list = json_object_get(want, "destinations"), *d;
	size_t i;

	if (route->split->n_dests != json_array_size(list))
		return "number of destinations";
	json_array_foreach(list, i, d)
	{
		const struct dest *got = &route->split->dests[i];
		const json_t *endpoints = json_object_get(d, "endpoints");

		if (got->weight != json_integer_value(json_object_get(d, "weight")))
			return "weight";
		if (!got->subset != !endpoints)
			return "known or unknown destination";
		if (endpoints && !is(got->subset->name, text(d, "cluster")))
			return "cluster";
		if (endpoints && got->subset->n_endpoints != json_array_size(endpoints))
			return "number of endpoints";
	}
	forwarded++;
	return NULL;
}

static const char *compare_chosen(const struct clause *got, const json_t *want)
{
	char name[128], label[64];

	if (strcmp(text(want, "rule"), "tls.httpsRedirect") == 0)
		return got->route->kind == ROUTE_REDIRECT ? NULL : "no redirect to https";
	snprintf(name, sizeof(name), "%s/%s", text(want, "virtual_service"), text(want, "rule"));
	snprintf(label, sizeof(label), "%s%s%s", text(want, "rule"),
	         *text(want, "match") ? "." : "", text(want, "match"));
	if (!is(got->route->name, name))
		return "rule";
	if (!is(got->name, label))
		return "match block";
	chosen++;
	return got->route->kind == ROUTE_FORWARD ? compare_destinations(got->route, want) : NULL;
}

static const char *compare(const struct snapshot *s, const struct request *q,
                           const struct http1_request *parsed, const json_t *want)
{
	const json_t *rule = json_object_get(want, "chosen");
	struct ip_addr to = ip_from_v4(htonl(0x0a090909));
	int l = route_listener(s, &to, htons(q->port));

	if (l < 0 || !json_object_get(want, "listener"))
		return (l < 0) == !json_object_get(want, "listener") ? NULL : "listener";
	if (s->listeners[l].https_redirect)
		return strcmp(text(rule, "rule"), "tls.httpsRedirect") == 0 ? NULL
		                                                            : "https redirect";
	const struct vhost *v = route_host(&s->listeners[l], parsed->authority);

	if (!v || !json_object_get(want, "host"))
		return !v == !json_object_get(want, "host") ? NULL : "host";
	if (!is(v->name, text(want, "host")))
		return "host name";
	const struct clause *c = route_match(v, parsed, s->scratch[0], r.bits);

	if (!c || !rule) {
		unmatched++;
		return !c == !rule ? NULL : "match or no match";
	}
	return compare_chosen(c, rule);
}

static bool bits_are_clear(void)
{
	for (size_t i = 0; i < sizeof(r.bits->words) / sizeof(r.bits->words[0]); i++)
		if (r.bits->words[i])
			return false;
	return true;
}

/* False on a difference, which is printed. */
static bool check_request(const struct snapshot *s, uint64_t *n_compared)
{
	static struct request q;
	static struct http1_request parsed;
	char copy[sizeof(q.bytes)], err[256];
	size_t used;

	make_request(&q);
	memcpy(copy, q.bytes, sizeof(copy));
	if (http1_parse_request(copy, strlen(copy), &parsed, &used) != HTTP1_DONE)
		return true;
	const struct explain_request ask = {q.method, q.url, q.headers, q.n_headers, NULL};
	json_t *want = explain_route(r.docs, &r.options, &ask, err, sizeof(err));
	const char *difference = want ? compare(s, &q, &parsed, want) : err;

	++*n_compared;
	if (difference) {
		char *explanation = want ? explain_text(want) : NULL;

		fprintf(stderr, "different %s\n%s\n%s\n%s\n", difference, q.url, q.bytes,
		        explanation ? explanation : "");
		free(explanation);
	}
	json_decref(want);
	return !difference;
}

static bool check_set(uint32_t n_requests, uint64_t *n_compared, uint32_t *n_invalid)
{
	char *yaml = documents();
	bool good = true;

	r.options.strict_gateways = one_in(6);
	if (!routing_read(&r, yaml)) {
		++*n_invalid;
		free(yaml);
		return true;
	}
	struct snapshot *s = routing_build(&r);

	if (!s) {
		diag_print(&r.diags, stderr);
		good = false;
	}
	for (uint32_t i = 0; good && i < n_requests; i++)
		good = check_request(s, n_compared);
	if (good && !bits_are_clear()) {
		fprintf(stderr, "bits are left set\n");
		good = false;
	}
	if (!good)
		fprintf(stderr, "%s", yaml);
	build_free(s);
	free(yaml);
	return good;
}

static uint32_t resolve(void *arg, const char *name, const struct ip_addr **addrs)
{
	static struct ip_addr two[2];

	(void)arg;
	two[0] = ip_from_v4(htonl(0xc0000201));
	two[1] = ip_from_v4(htonl(0xc0000202));
	*addrs = two;
	return strcmp(name, "dns.x.y") == 0 ? 2 : 0;
}

int main(int argc, char **argv)
{
	uint64_t seed = argc > 1 ? strtoull(argv[1], NULL, 0) : 1, compared = 0;
	uint32_t n_sets = argc > 2 ? (uint32_t)atoi(argv[2]) : 200, invalid = 0;
	uint32_t n_requests = argc > 3 ? (uint32_t)atoi(argv[3]) : 250;
	bool good = true;

	draw_state = seed * 0x9e3779b97f4a7c15ull | 1;
	routing_init(&r);
	r.options.n_listeners = 2;
	r.options.listeners = listeners;
	r.options.resolve = resolve;
	for (uint32_t done = 0; good && done < n_sets + invalid; done++) {
		good = check_set(n_requests, &compared, &invalid);
		if (!good)
			fprintf(stderr, "seed %" PRIu64 ", set %u\n", seed, done);
	}
	printf("%" PRIu64 " pairs, %" PRIu64 " chose a rule, %" PRIu64 " forward, %" PRIu64
	       " no rule, %u invalid sets\n",
	       compared, chosen, forwarded, unmatched, invalid);
	routing_fini(&r);
	return good ? 0 : 1;
}
