/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Host and rule look-up, with 1 to 1,000 rules of one host. The request meets the last rule: the
 * dearest when rules are compared one by one. "direct" is the same virtual host without its tree: where
 * the two cross is DIRECT_MAX of ctrl/build_match.c.
 */
#include "bench.h"
#include "routing.h"

#include <stdio.h>
#include <stdlib.h>

static struct routing r;

struct question {
	const struct listener *listener;
	const struct vhost *vhost;
	struct hs_scratch *scratch;
	struct http1_request request;
};

static void look_up_host(void *arg, uint32_t calls)
{
	struct question *q = arg;

	for (uint32_t i = 0; i < calls; i++)
		bench_keep((uintptr_t)route_host(q->listener, q->request.authority));
}

static void look_up_rule(void *arg, uint32_t calls)
{
	struct question *q = arg;

	for (uint32_t i = 0; i < calls; i++)
		bench_keep((uintptr_t)route_match(q->vhost, &q->request, q->scratch, r.bits));
}

/* pattern: one rule's uri with a place for its number. */
static struct snapshot *build(const char *pattern, uint32_t n_rules)
{
	char *yaml = NULL;
	size_t len;
	FILE *f = open_memstream(&yaml, &len);

	fputs("apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: a}\n"
	      "spec:\n  hosts: [www.example.com]\n  http:\n",
	      f);
	for (uint32_t i = 0; i < n_rules; i++) {
		fputs("  - match: [{uri: {", f);
		fprintf(f, pattern, i); /* NOLINT(clang-diagnostic-format-nonliteral): our own */
		fputs("}}]\n    directResponse: {status: 200}\n", f);
	}
	fclose(f);
	struct snapshot *s = routing_read(&r, yaml) ? routing_build(&r) : NULL;

	diag_print(&r.diags, stderr);
	free(yaml);
	if (!s)
		exit(1);
	return s;
}

static void measure(const char *kind, const char *pattern, const char *path, uint32_t n_rules)
{
	struct snapshot *s = build(pattern, n_rules);
	struct question q = {.listener = &s->listeners[0], .scratch = s->scratch[0]};
	char last[64], name[64];

	snprintf(last, sizeof(last), path,
	         n_rules - 1); /* NOLINT(clang-diagnostic-format-nonliteral) */
	routing_fill(&(struct routing_request){.host = "www.example.com", .path = last},
	             &q.request);
	q.vhost = route_host(q.listener, q.request.authority);
	if (!route_match(q.vhost, &q.request, q.scratch, r.bits))
		exit(1);
	snprintf(name, sizeof(name), "%u %s%s", n_rules, kind,
	         q.vhost->paths || q.vhost->db ? "" : ", direct");
	bench_run(name, look_up_rule, &q, 100);
	if (q.vhost->paths && n_rules <= 100) {
		struct vhost direct = *q.vhost;

		direct.paths = NULL;
		q.vhost = &direct;
		snprintf(name, sizeof(name), "%u %s, direct", n_rules, kind);
		bench_run(name, look_up_rule, &q, 100);
	}
	build_free(s);
}

int main(void)
{
	static const uint32_t counts[] = {1, 2, 3, 4, 8, 10, 12, 16, 24, 32, 48, 64, 100, 1000};

	routing_init(&r);
	bench_begin("route");
	struct snapshot *s = build("prefix: /%u", 1);
	struct question q = {.listener = &s->listeners[0]};

	routing_fill(&(struct routing_request){.host = "www.example.com:8080"}, &q.request);
	bench_run("host, exact", look_up_host, &q, 1000);
	build_free(s);
	for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++)
		measure("prefixes", "prefix: /api/v1/service-%u/", "/api/v1/service-%u/items/12345",
		        counts[i]);
	for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++)
		measure("exact", "exact: /api/v1/service-%u", "/api/v1/service-%u", counts[i]);
	measure("regexes", "regex: '/api/v[0-9]+/service-%u/[a-z]+'", "/api/v1/service-%u/items",
	        1);
	measure("regexes", "regex: '/api/v[0-9]+/service-%u/[a-z]+'", "/api/v1/service-%u/items",
	        10);
	measure("regexes", "regex: '/api/v[0-9]+/service-%u/[a-z]+'", "/api/v1/service-%u/items",
	        100);
	measure("regexes", "regex: '/api/v[0-9]+/service-%u/[a-z]+'", "/api/v1/service-%u/items",
	        1000);
	routing_fini(&r);
	return 0;
}
