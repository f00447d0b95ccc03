/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Match blocks to clauses, and their uri conditions to one tree or database a virtual host.
 *
 * A regular expression is compiled with HS_FLAG_UTF8 between ^(?: and \E)\z, which together give RE2's
 * full match; workers never scan a string that is not valid UTF-8 (core/condition.h). Literals are
 * compiled as bytes. Why, and when there is no database: docs/decisions/0020-matching.md.
 */
#include "build_parts.h"

#include <ctype.h>
#include <hs.h>
#include <stdlib.h>

#define CLAUSES_MAX       65536u /* of one virtual host: ROUTE_CLAUSES_MAX of the workers */
#define DIRECT_MAX        4u     /* literal conditions that are no slower one by one: measured */
#define NOCASE_MAX        16u /* literals without letter case that are: they are not in the tree */
#define LITERAL_BYTES_MAX 2000u /* longer ones are compared directly: Hyperscan takes 16000 */

#define REGEX_FLAGS   (HS_FLAG_UTF8 | HS_FLAG_ALLOWEMPTY | HS_FLAG_SINGLEMATCH)
#define LITERAL_FLAGS (HS_FLAG_SINGLEMATCH)

/* ---- strings ---------------------------------------------------------------------------- */

/* \E ends a \Q that the pattern leaves open, as its end does in RE2; else it means nothing. */
static const char *regex_pattern(struct build *b, const char *regex)
{
	return arena_printf(&b->scratch, "^(?:%s\\E)\\z", regex);
}

static void say_bad_regex(struct build *b, const struct istio_text *regex, const char *why)
{
	diag_error(b->diags, regex->at, "REGEX",
	           "the regular expression \"%s\" cannot be compiled: %s Use a simpler one",
	           regex->s, why);
}

static void set_regex(struct build *b, const struct istio_text *regex, struct str_match *out)
{
	const struct hsdb_pattern p = {regex_pattern(b, regex->s), REGEX_FLAGS, 0};
	struct hsdb_error err;

	out->op = MATCH_REGEX;
	out->text = build_str(b, regex->s);
	out->db = build_database(b, &p, 1, &err);
	if (!out->db)
		say_bad_regex(b, regex, err.text);
}

static void set_match(struct build *b, const struct istio_string_match *m, struct str_match *out)
{
	if (m->exact.s) {
		out->op = MATCH_EXACT;
		out->text = build_str(b, m->exact.s);
	} else if (m->prefix.s) {
		out->op = MATCH_PREFIX;
		out->text = build_str(b, m->prefix.s);
	} else if (m->regex.s) {
		set_regex(b, &m->regex, out);
	} else {
		out->op = MATCH_PRESENT;
	}
}

/* ---- conditions ------------------------------------------------------------------------- */

static void set_header(struct build *b, const char *name, const struct istio_string_match *m,
                       struct header_match *out)
{
	char *lower = arena_dup(&b->scratch, name);

	for (char *p = lower; *p; p++)
		*p = (char)tolower((unsigned char)*p);
	if (strcmp(lower, ":method") == 0)
		out->subject = SUBJECT_METHOD;
	else if (strcmp(lower, ":scheme") == 0)
		out->subject = SUBJECT_SCHEME;
	else if (strcmp(lower, ":path") == 0)
		out->subject = SUBJECT_PATH;
	else if (strcmp(lower, ":authority") == 0 || strcmp(lower, "host") == 0)
		out->subject = SUBJECT_AUTHORITY;
	else
		out->subject = SUBJECT_HEADER;
	out->name = build_str(b, lower);
	set_match(b, m, &out->value);
}

static void set_without(struct build *b, const struct istio_named_match *m,
                        struct header_match *out)
{
	static const struct istio_string_match presence;
	bool star = m->match.regex.s && strcmp(m->match.regex.s, "*") == 0;

	out->invert = true;
	set_header(b, m->key.s, star ? &presence : &m->match, out);
}

static void set_headers(struct build *b, const struct istio_http_match *m, struct clause *c)
{
	const struct {
		const char *name;
		const struct istio_string_match *match;
	} own[] = {{":method", m->method}, {":scheme", m->scheme}, {":authority", m->authority}};
	size_t max = m->headers.n + m->without_headers.n + 3;
	struct header_match *h = heap_alloc(b->heap, max * sizeof(*h));

	c->headers = h;
	for (int i = 0; i < 3; i++)
		if (own[i].match)
			set_header(b, own[i].name, own[i].match, &h[c->n_headers++]);
	for (uint32_t i = 0; i < m->headers.n; i++)
		set_header(b, m->headers.v[i].key.s, &m->headers.v[i].match, &h[c->n_headers++]);
	for (uint32_t i = 0; i < m->without_headers.n; i++)
		set_without(b, &m->without_headers.v[i], &h[c->n_headers++]);
}

static void set_queries(struct build *b, const struct istio_http_match *m, struct clause *c)
{
	struct query_match *q = heap_alloc(b->heap, m->query_params.n * sizeof(*q));

	c->queries = q;
	for (; c->n_queries < m->query_params.n; c->n_queries++) {
		q[c->n_queries].name = build_str(b, m->query_params.v[c->n_queries].key.s);
		set_match(b, &m->query_params.v[c->n_queries].match, &q[c->n_queries].value);
	}
}

/* The virtual host's database decides regular expressions, so none is made for this one alone. */
static void set_uri(struct build *b, const struct istio_http_match *m, struct clause *c)
{
	const struct istio_string_match *uri = m->uri;

	if (!uri || (uri->prefix.s && !*uri->prefix.s))
		return; /* MATCH_ANY */
	if (uri->regex.s) {
		c->uri.op = MATCH_REGEX;
		c->uri.text = build_str(b, uri->regex.s);
		return;
	}
	set_match(b, uri, &c->uri);
	c->uri.nocase = m->ignore_uri_case.v;
	if (c->uri.op == MATCH_PRESENT)
		c->uri.op = MATCH_ANY;
}

static void set_name(struct build *b, const struct build_block *k, struct clause *c)
{
	const char *rule = k->rule->name.s ? k->rule->name.s : "";
	const char *match = k->match && k->match->name.s ? k->match->name.s : "";

	c->name = build_printf(b, "%s%s%s", rule, *rule && *match ? "." : "", match);
}

static void set_clause(struct build *b, const struct build_block *k, uint16_t port,
                       struct clause *c)
{
	set_name(b, k, c);
	c->route = build_route(b, k, port);
	if (!k->match)
		return;
	build_about(b, k->vs);
	set_uri(b, k->match, c);
	set_headers(b, k->match, c);
	set_queries(b, k->match, c);
}

/* ---- database --------------------------------------------------------------------------- */

/* "^\x2fv1", with "\z" when it is the whole path. */
static const char *literal_pattern(struct build *b, const struct str_match *m)
{
	char *text = arena_alloc(&b->scratch, 4 * (size_t)m->text.len + 4), *p = text;

	*p++ = '^';
	for (uint32_t i = 0; i < m->text.len; i++)
		p += sprintf(p, isalnum((unsigned char)m->text.p[i]) ? "%c" : "\\x%02x",
		             (unsigned char)m->text.p[i]);
	if (m->op == MATCH_EXACT)
		memcpy(p, "\\z", sizeof("\\z"));
	return text;
}

static bool is_literal(const struct clause *c)
{
	return (c->uri.op == MATCH_EXACT || c->uri.op == MATCH_PREFIX) && c->uri.text.len > 0;
}

static bool needs_database(const struct clause *clauses, uint32_t n)
{
	uint32_t nocase = 0;

	for (uint32_t i = 0; i < n; i++) {
		if (clauses[i].uri.op == MATCH_REGEX)
			return true;
		nocase += is_literal(&clauses[i]) && clauses[i].uri.nocase;
	}
	return nocase > NOCASE_MAX;
}

/* Which literals go into the tree; false: so few that it is not worth one. */
static bool choose_literals(struct clause *clauses, uint32_t n)
{
	uint32_t chosen = 0;

	for (uint32_t i = 0; i < n; i++) {
		struct clause *c = &clauses[i];

		c->uri_found =
			is_literal(c) && !c->uri.nocase && c->uri.text.len <= LITERAL_BYTES_MAX;
		chosen += c->uri_found;
	}
	for (uint32_t i = 0; chosen <= DIRECT_MAX && i < n; i++)
		clauses[i].uri_found = false;
	return chosen > DIRECT_MAX;
}

static uint32_t list_patterns(struct build *b, struct clause *clauses, uint32_t n,
                              struct hsdb_pattern *out)
{
	uint32_t n_out = 0;

	for (uint32_t i = 0; i < n; i++) {
		struct clause *c = &clauses[i];
		uint32_t nocase = c->uri.nocase ? HS_FLAG_CASELESS : 0;

		if (c->uri.op == MATCH_REGEX)
			out[n_out++] = (struct hsdb_pattern){
				regex_pattern(
					b, arena_copy(&b->scratch, c->uri.text.p, c->uri.text.len)),
				REGEX_FLAGS, i};
		else if (is_literal(c) && c->uri.text.len <= LITERAL_BYTES_MAX)
			out[n_out++] = (struct hsdb_pattern){literal_pattern(b, &c->uri),
			                                     LITERAL_FLAGS | nocase, i};
		else
			continue;
		c->uri_found = true;
	}
	return n_out;
}

static void set_direct(struct build *b, const struct clause *clauses, struct vhost *v)
{
	uint32_t *direct = heap_alloc(b->heap, v->n_clauses * sizeof(*direct));

	for (uint32_t i = 0; i < v->n_clauses; i++)
		if (!clauses[i].uri_found)
			direct[v->n_direct++] = i;
	v->direct = direct;
}

static void set_database(struct build *b, const struct build_blocks *blocks, struct clause *clauses,
                         struct vhost *v)
{
	struct hsdb_pattern *patterns = arena_alloc(&b->scratch, v->n_clauses * sizeof(*patterns));
	uint32_t n = list_patterns(b, clauses, v->n_clauses, patterns);
	struct hsdb_error err;

	v->db = build_database(b, patterns, n, &err);
	if (v->db) {
		set_direct(b, clauses, v);
		return;
	}
	const struct build_block *k =
		err.pattern < n ? &blocks->v[patterns[err.pattern].id] : &blocks->v[0];

	build_about(b, k->vs);
	if (k->match && k->match->uri && k->match->uri->regex.s)
		say_bad_regex(b, &k->match->uri->regex, err.text);
	else
		diag_error(b->diags, k->rule->at, "DATABASE",
		           "the rules of this host cannot be compiled together: %s", err.text);
}

/* ---- virtual host ----------------------------------------------------------------------- */

static bool is_catch_all_uri(const struct istio_string_match *uri)
{
	if (!uri || (!uri->exact.s && !uri->prefix.s && !uri->regex.s))
		return true;
	return (uri->prefix.s && strcmp(uri->prefix.s, "/") == 0) ||
	       (uri->regex.s && strcmp(uri->regex.s, ".*") == 0);
}

bool build_is_catch_all(const struct istio_http_match *m)
{
	return !m || (is_catch_all_uri(m->uri) && !m->method && !m->scheme && !m->authority &&
	              m->headers.n + m->without_headers.n + m->query_params.n == 0);
}

void build_clauses(struct build *b, const struct build_blocks *blocks, uint16_t port,
                   struct vhost *v)
{
	struct clause *clauses;

	if (blocks->n > CLAUSES_MAX) {
		diag_error(b->diags, blocks->v[CLAUSES_MAX].rule->at, "LIMIT_CLAUSES",
		           "host %.*s has %u match blocks and may have %u; use fewer, or several "
		           "hosts",
		           (int)v->name.len, v->name.p, blocks->n, CLAUSES_MAX);
		return;
	}
	clauses = heap_alloc(b->heap, blocks->n * sizeof(*clauses));
	for (uint32_t i = 0; i < blocks->n; i++)
		set_clause(b, &blocks->v[i], port, &clauses[i]);
	v->clauses = clauses;
	v->n_clauses = blocks->n;
	if (needs_database(clauses, v->n_clauses)) {
		set_database(b, blocks, clauses, v);
	} else if (choose_literals(clauses, v->n_clauses)) {
		v->paths = build_paths(b, clauses, v->n_clauses);
		set_direct(b, clauses, v);
	}
}
