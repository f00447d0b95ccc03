/* SPDX-License-Identifier: BSD-3-Clause */
/* Host and rule look-up with 1 to 1,000 rules of one host; the request meets the last one. */
#include "bench.h"
#include "routing.h"

#include <stdio.h>
#include <stdlib.h>

#define CALLS 100

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

static struct snapshot *build(const char *op, const char *end, uint32_t n_rules)
{
	struct snapshot *s;
	char *yaml = NULL;
	size_t len;
	FILE *f = open_memstream(&yaml, &len);

	fputs("apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: a}\n"
	      "spec:\n  hosts: [www.example.com]\n  http:\n",
	      f);
	for (uint32_t i = 0; i < n_rules; i++)
		fprintf(f,
		        "  - match: [{uri: {%s: '/api/v1/service-%u%s'}}]\n"
		        "    directResponse: {status: 200}\n",
		        op, i, end);
	fclose(f);
	s = routing_read(&r, yaml) ? routing_build(&r) : NULL;
	diag_print(&r.diags, stderr);
	free(yaml);
	if (!s)
		exit(1);
	return s;
}

static void count(const char *op, const char *end, uint32_t n_rules)
{
	struct snapshot *s = build(op, end, n_rules);
	struct question q = {.listener = &s->listeners[0], .scratch = s->scratch[0]};
	char path[64], name[64];

	snprintf(path, sizeof(path), "/api/v1/service-%u/items", n_rules - 1);
	routing_fill(&(struct routing_request){.host = "www.example.com", .path = path},
	             &q.request);
	if (n_rules == 1 && op[0] == 'p')
		bench_run("route_host, exact", look_up_host, &q, CALLS);
	q.vhost = route_host(q.listener, q.request.authority);
	if (!route_match(q.vhost, &q.request, q.scratch, r.bits))
		exit(1);
	snprintf(name, sizeof(name), "route_match, %u %s", n_rules,
	         op[0] == 'p' ? "prefixes" : "regexes");
	bench_run(name, look_up_rule, &q, CALLS);
	build_free(s);
}

int main(void)
{
	routing_init(&r);
	for (uint32_t n = 1; n <= 1000; n *= 10)
		count("prefix", "/", n);
	for (uint32_t n = 1; n <= 100; n *= 10)
		count("regex", "/[a-z]+", n);
	routing_fini(&r);
	return 0;
}
