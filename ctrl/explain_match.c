/* SPDX-License-Identifier: BSD-3-Clause */
/* One match block against one request, field by field, and the first reason why not. */
#include "explain_parts.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <string.h>
#include <strings.h>

/* RE2's FullMatch over UTF-8. Text that is not valid UTF-8 matches nothing, as there. */
static bool matches_regex(const char *regex, const char *value)
{
	uint32_t options = PCRE2_UTF | PCRE2_ANCHORED | PCRE2_ENDANCHORED | PCRE2_DOLLAR_ENDONLY;
	PCRE2_SIZE at;
	int error;
	pcre2_code *code =
		pcre2_compile((PCRE2_SPTR)regex, PCRE2_ZERO_TERMINATED, options, &error, &at, NULL);

	if (!code)
		return false;
	pcre2_match_data *data = pcre2_match_data_create_from_pattern(code, NULL);
	int rc = pcre2_match(code, (PCRE2_SPTR)value, strlen(value), 0, 0, data, NULL);

	pcre2_match_data_free(data);
	pcre2_code_free(code);
	return rc >= 0;
}

static bool matches(const struct istio_string_match *m, const char *value, bool nocase)
{
	if (m->exact.s)
		return (nocase ? strcasecmp : strcmp)(m->exact.s, value) == 0;
	if (m->prefix.s)
		return (nocase ? strncasecmp : strncmp)(value, m->prefix.s, strlen(m->prefix.s)) ==
		       0;
	if (m->regex.s)
		return matches_regex(m->regex.s, value);
	return true;
}

static const char *kind_of(const struct istio_string_match *m)
{
	return m->exact.s ? "exact" : m->prefix.s ? "prefix" : m->regex.s ? "regex" : "presence";
}

static const char *text_of(const struct istio_string_match *m)
{
	return m->exact.s ? m->exact.s : m->prefix.s ? m->prefix.s : m->regex.s ? m->regex.s : "";
}

/* Does the field hold? Else the sentence. */
static const char *field_mismatch(struct explain *e, const char *field,
                                  const struct istio_string_match *m, const char *value,
                                  bool nocase)
{
	if (!m || matches(m, value, nocase))
		return NULL;
	return arena_printf(&e->arena, "%s %s %s does not match %s", field, kind_of(m), text_of(m),
	                    *value ? value : "an empty one");
}

/* ---- headers ---------------------------------------------------------------------------- */

/* All values joined with ","; NULL when there is none. Pseudo headers have the value they stand for. */
static const char *header_value(struct explain *e, const char *name)
{
	const char *value = NULL;

	if (strcasecmp(name, ":method") == 0)
		return e->method;
	if (strcasecmp(name, ":scheme") == 0)
		return "http";
	if (strcasecmp(name, ":authority") == 0 || strcasecmp(name, "host") == 0)
		return e->authority;
	if (strcasecmp(name, ":path") == 0)
		return e->query ? arena_printf(&e->arena, "%s?%s", e->path, e->query) : e->path;
	for (uint32_t i = 0; i < e->n_headers; i++) {
		if (strcasecmp(e->headers[i].name, name) != 0)
			continue;
		value = value ? arena_printf(&e->arena, "%s,%s", value, e->headers[i].value)
		              : e->headers[i].value;
	}
	return value;
}

static const char *header_mismatch(struct explain *e, const struct istio_named_match *h)
{
	const char *value = header_value(e, h->key.s);

	if (!value)
		return arena_printf(&e->arena, "header %s is missing", h->key.s);
	if (matches(&h->match, value, false))
		return NULL;
	return arena_printf(&e->arena, "header %s %s \"%s\" does not match \"%s\"", h->key.s,
	                    kind_of(&h->match), text_of(&h->match), value);
}

static const char *without_mismatch(struct explain *e, const struct istio_named_match *h)
{
	const struct istio_string_match *m = &h->match;
	const char *value = header_value(e, h->key.s);
	bool presence = (!m->exact.s && !m->prefix.s && !m->regex.s) ||
	                (m->regex.s && strcmp(m->regex.s, "*") == 0);

	if (presence && value)
		return arena_printf(&e->arena, "header %s is there and must not be", h->key.s);
	if (presence || !matches(m, value ? value : "", false))
		return NULL;
	return arena_printf(&e->arena, "header %s is %s%s%s, which %s \"%s\" excludes", h->key.s,
	                    value ? "\"" : "", value ? value : "missing, which counts as empty",
	                    value ? "\"" : "", kind_of(m), text_of(m));
}

/* ---- query parameters ------------------------------------------------------------------- */

/* The raw value of the first parameter of that name; NULL when there is none. */
static const char *query_value(struct explain *e, const char *name)
{
	char *copy = arena_dup(&e->arena, e->query ? e->query : ""), *save = NULL;

	for (char *item = strtok_r(copy, "&", &save); item; item = strtok_r(NULL, "&", &save)) {
		char *equals = strchr(item, '=');

		if (equals)
			*equals = '\0';
		if (strcmp(item, name) == 0)
			return equals ? equals + 1 : "";
	}
	return NULL;
}

static const char *query_mismatch(struct explain *e, const struct istio_named_match *q)
{
	const char *value = query_value(e, q->key.s);

	if (!value)
		return arena_printf(&e->arena, "query parameter %s is missing", q->key.s);
	if (matches(&q->match, value, false))
		return NULL;
	return arena_printf(&e->arena, "query parameter %s %s \"%s\" does not match \"%s\"",
	                    q->key.s, kind_of(&q->match), text_of(&q->match), value);
}

/* ---- block ------------------------------------------------------------------------------ */

static const char *each_mismatch(struct explain *e, const struct istio_named_matches *l,
                                 const char *(*mismatch)(struct explain *,
                                                         const struct istio_named_match *))
{
	for (uint32_t i = 0; i < l->n; i++) {
		const char *why = mismatch(e, &l->v[i]);

		if (why)
			return why;
	}
	return NULL;
}

const char *explain_mismatch(struct explain *e, const struct istio_http_match *m)
{
	const char *why = NULL;

	if (!m)
		return NULL;
	why = field_mismatch(e, "uri", m->uri, e->path, m->ignore_uri_case.v);
	if (!why)
		why = field_mismatch(e, "method", m->method, e->method, false);
	if (!why)
		why = field_mismatch(e, "scheme", m->scheme, "http", false);
	if (!why)
		why = field_mismatch(e, "authority", m->authority, e->authority, false);
	if (!why)
		why = each_mismatch(e, &m->headers, header_mismatch);
	if (!why)
		why = each_mismatch(e, &m->without_headers, without_mismatch);
	if (!why)
		why = each_mismatch(e, &m->query_params, query_mismatch);
	return why;
}
