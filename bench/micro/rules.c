/* SPDX-License-Identifier: BSD-3-Clause */
#include "rules.h"

#include "bench.h"

#include <stdio.h>
#include <stdlib.h>

static void put_uri(FILE *f, uint32_t i, void *pattern)
{
	fprintf(f, (const char *)pattern,
	        i); /* NOLINT(clang-diagnostic-format-nonliteral): our own */
}

struct snapshot *rules_build(struct routing *r, const char *pattern, uint32_t n)
{
	char text[128];

	snprintf(text, sizeof(text), "%s", pattern);

	struct snapshot *s = routing_rules(r, n, put_uri, text);

	if (!s)
		exit(1);
	return s;
}

void rules_ask(struct rules *q, const struct routing *r, const struct snapshot *s, const char *path)
{
	*q = (struct rules){
		.listener = &s->listeners[0], .scratch = s->scratch[0], .bits = r->bits};
	routing_fill(&(struct routing_request){.host = "www.example.com", .path = path},
	             &q->request);
	q->vhost = route_host(q->listener, q->request.authority);
	if (!route_match(q->vhost, &q->request, q->scratch, q->bits))
		exit(1);
}

void rules_find_host(void *arg, uint32_t calls)
{
	struct rules *q = arg;

	for (uint32_t i = 0; i < calls; i++)
		bench_keep((uintptr_t)route_host(q->listener, q->request.authority));
}

void rules_find_rule(void *arg, uint32_t calls)
{
	struct rules *q = arg;

	for (uint32_t i = 0; i < calls; i++)
		bench_keep((uintptr_t)route_match(q->vhost, &q->request, q->scratch, q->bits));
}
