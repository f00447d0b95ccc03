/* SPDX-License-Identifier: BSD-3-Clause */
#include "routing.h"

#include <stdlib.h>

void routing_init(struct routing *r)
{
	const uint32_t capacity[REGISTRY_SPACES] = {65536, 65536, 65536, 65536};

	*r = (struct routing){.listener = {.port = 80}};
	r->hsdb = hsdb_new(NULL);
	r->registry = registry_new(capacity);
	r->docs = docset_new();
	r->bits = calloc(1, sizeof(*r->bits));
	r->options.n_workers = 1;
	r->options.n_listeners = 1;
	r->options.listeners = &r->listener;
}

void routing_fini(struct routing *r)
{
	docset_free(r->docs);
	registry_free(r->registry);
	hsdb_free(r->hsdb);
	diag_fini(&r->diags);
	free(r->bits);
}

bool routing_read(struct routing *r, const char *yaml)
{
	docset_free(r->docs);
	r->docs = docset_new();
	diag_fini(&r->diags);
	return docset_read_text(r->docs, "test.yaml", yaml, strlen(yaml), "default", &r->diags) ==
	       0;
}

struct snapshot *routing_build(struct routing *r)
{
	return build_snapshot(r->docs, &r->options, r->hsdb, r->registry, ++r->generation,
	                      &r->diags);
}

struct snapshot *routing_rules(struct routing *r, uint32_t n, routing_uri *uri, void *arg)
{
	struct snapshot *s;
	char *yaml = NULL;
	size_t len;
	FILE *f = open_memstream(&yaml, &len);

	fputs("apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: a}\n"
	      "spec:\n  hosts: [www.example.com]\n  http:\n",
	      f);
	for (uint32_t i = 0; i < n; i++) {
		fputs("  - match: [{uri: {", f);
		uri(f, i, arg);
		fputs("}}]\n    directResponse: {status: 200}\n", f);
	}
	fclose(f);
	s = routing_read(r, yaml) ? routing_build(r) : NULL;
	diag_print(&r->diags, stderr);
	free(yaml);
	return s;
}

bool routing_said(const struct routing *r, const char *code)
{
	for (uint32_t i = 0; i < r->diags.n; i++)
		if (strcmp(r->diags.items[i].code, code) == 0)
			return true;
	return false;
}

static struct str text_of(const char *s)
{
	return (struct str){s, s ? (uint32_t)strlen(s) : 0};
}

void routing_fill(const struct routing_request *q, struct http1_request *out)
{
	memset(&out->head, 0, offsetof(struct http1_head, fields));
	out->method = text_of(q->method ? q->method : "GET");
	out->scheme = text_of(NULL);
	out->authority = text_of(q->host);
	out->path = text_of(q->path ? q->path : "/");
	out->query = text_of(q->query);
	for (int i = 0; q->headers[i]; i++) {
		struct http1_field *f = &out->head.fields[out->head.n_fields++];
		const char *colon = strchr(q->headers[i], ':');

		*f = (struct http1_field){
			.name = {q->headers[i], (uint32_t)(colon - q->headers[i])},
			.value = text_of(colon + 2),
		};
	}
}

const struct clause *routing_match(const struct routing *r, const struct snapshot *s,
                                   const struct routing_request *q)
{
	static struct http1_request request;
	const struct vhost *v;

	routing_fill(q, &request);
	v = route_host(&s->listeners[0], request.authority);
	return v ? route_match(v, &request, s->scratch[0], r->bits) : NULL;
}

json_t *routing_explain(const struct routing *r, const struct explain_request *q)
{
	char err[256] = "";

	return explain_route(r->docs, &r->options, q, err, sizeof(err));
}

bool routing_says(const struct routing *r, const struct explain_request *q, const char *lines)
{
	json_t *e = routing_explain(r, q);
	char *text = e ? explain_text(e) : NULL;
	bool found = text && strstr(text, lines);

	if (!found)
		fprintf(stderr, "not in it: %s\n%s", lines, text ? text : "");
	free(text);
	json_decref(e);
	return found;
}
