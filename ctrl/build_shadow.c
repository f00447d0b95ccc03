/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Blocks that are never reached because another VirtualService of the same host comes first: one
 * with the same conditions, or one whose uri prefix alone covers them. Blocks of one VirtualService
 * are checked when the document is (istio_validate_vs.c).
 */
#include "build_parts.h"

#include <stdio.h>
#include <stdlib.h>

static void write_match(FILE *f, const char *field, const char *name,
                        const struct istio_string_match *m)
{
	const char *op = m->exact.s ? "=" : m->prefix.s ? "^" : m->regex.s ? "~" : "?";
	const char *text = m->exact.s ? m->exact.s : m->prefix.s ? m->prefix.s : m->regex.s;

	fprintf(f, "%s %s %s %s\n", field, name, op, text ? text : "");
}

static void write_matches(FILE *f, const char *field, const struct istio_named_matches *l)
{
	for (uint32_t i = 0; i < l->n; i++)
		write_match(f, field, l->v[i].key.s, &l->v[i].match);
}

/* All conditions of a block as text; equal texts: equal conditions. */
static const char *conditions(struct build *b, const struct istio_http_match *m)
{
	char *text = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&text, &len);

	if (!f)
		abort();
	if (m->uri)
		write_match(f, m->ignore_uri_case.v ? "uri nocase" : "uri", "", m->uri);
	if (m->method)
		write_match(f, "method", "", m->method);
	if (m->scheme)
		write_match(f, "scheme", "", m->scheme);
	if (m->authority)
		write_match(f, "authority", "", m->authority);
	write_matches(f, "header", &m->headers);
	write_matches(f, "without", &m->without_headers);
	write_matches(f, "query", &m->query_params);
	fclose(f);
	const char *kept = arena_copy(&b->scratch, text, len);

	free(text);
	return kept;
}

static bool is_plain_prefix(const struct istio_http_match *m)
{
	return m->uri && m->uri->prefix.s && !m->ignore_uri_case.v && !m->method && !m->scheme &&
	       !m->authority && m->headers.n + m->without_headers.n + m->query_params.n == 0;
}

/* The earlier block whose plain prefix begins this block's literal uri, or NULL. */
static const struct build_block *covering(struct build *b, const struct strmap *prefixes,
                                          const struct istio_http_match *m)
{
	const char *uri = !m->uri || m->ignore_uri_case.v ? NULL
	                  : m->uri->exact.s               ? m->uri->exact.s
	                                                  : m->uri->prefix.s;

	char *text = uri ? arena_dup(&b->scratch, uri) : NULL;

	for (size_t len = uri ? strlen(uri) : 0; len > 0; len--) {
		text[len] = '\0';
		const struct build_block *k = strmap_get(prefixes, text);

		if (k)
			return k;
	}
	return NULL;
}

static void say(struct build *b, const struct build_block *k, const struct build_block *by,
                const char *host)
{
	struct where at = k->match ? k->match->at : k->rule->at;

	if (k->vs == by->vs)
		return;
	build_about(b, k->vs);
	diag_warn(
		b->diags, at, "SHADOWED",
		"on host %s this is never reached: VirtualService %s/%s comes first (by age, then "
		"name) and matches all of it",
		host, by->vs->ns.s, by->vs->name.s);
}

void build_shadow(struct build *b, const struct build_blocks *blocks, const char *host)
{
	struct strmap seen = {0}, prefixes = {0};
	const struct build_block *catch_all = NULL;

	for (uint32_t i = 0; i < blocks->n; i++) {
		struct build_block *k = &blocks->v[i];
		const struct build_block *by;

		if (k->catch_all) {
			if (catch_all)
				say(b, k, catch_all, host);
			else
				catch_all = k;
			continue;
		}
		const char *key = conditions(b, k->match);

		by = strmap_get(&seen, key);
		if (!by)
			by = covering(b, &prefixes, k->match);
		if (by)
			say(b, k, by, host);
		else
			strmap_put(&seen, &b->scratch, key, k);
		if (!by && is_plain_prefix(k->match))
			strmap_put(&prefixes, &b->scratch, k->match->uri->prefix.s, k);
	}
}
