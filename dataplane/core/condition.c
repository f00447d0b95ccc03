/* SPDX-License-Identifier: BSD-3-Clause */
#include "condition.h"

#include <hs.h>

/* ---- UTF-8 ------------------------------------------------------------------------------ */

static bool is_ascii(struct str s)
{
	uint64_t seen = 0, word;
	uint32_t i = 0;

	for (; i + 8 <= s.len; i += 8) {
		memcpy(&word, s.p + i, 8);
		seen |= word;
	}
	for (; i < s.len; i++)
		seen |= (uint8_t)s.p[i];
	return (seen & 0x8080808080808080ull) == 0;
}

/* Bytes of the character at p, or 0 when there is none (table 3-7 of the Unicode standard). */
static uint32_t char_len(const uint8_t *p, uint32_t left)
{
	uint8_t low = 0x80, high = 0xbf;
	uint32_t len;

	if (p[0] < 0x80)
		return 1;
	if (p[0] < 0xc2 || p[0] > 0xf4)
		return 0;
	len = p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;
	if (len > left)
		return 0;
	if (p[0] == 0xe0)
		low = 0xa0;
	if (p[0] == 0xed)
		high = 0x9f;
	if (p[0] == 0xf0)
		low = 0x90;
	if (p[0] == 0xf4)
		high = 0x8f;
	if (p[1] < low || p[1] > high)
		return 0;
	for (uint32_t i = 2; i < len; i++)
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	return len;
}

bool condition_is_utf8(struct str s)
{
	if (is_ascii(s))
		return true;
	for (uint32_t i = 0, len; i < s.len; i += len) {
		len = char_len((const uint8_t *)s.p + i, s.len - i);
		if (len == 0)
			return false;
	}
	return true;
}

/* ---- one string ------------------------------------------------------------------------- */

static bool starts_nocase(struct str s, struct str prefix)
{
	return s.len >= prefix.len && str_eq_nocase((struct str){s.p, prefix.len}, prefix);
}

static int stop_at_first(unsigned int id, unsigned long long from, unsigned long long to,
                         unsigned int flags, void *context)
{
	(void)id, (void)from, (void)to, (void)flags, (void)context;
	return 1;
}

static bool matches_regex(const struct condition_env *env, const struct str_match *m, struct str s)
{
	if (!m->db || !condition_is_utf8(s))
		return false;
	return hs_scan(m->db, s.p ? s.p : "", s.len, 0, env->scratch, stop_at_first, NULL) ==
	       HS_SCAN_TERMINATED;
}

static bool matches(const struct condition_env *env, const struct str_match *m, struct str s)
{
	switch ((enum match_op)m->op) {
	case MATCH_ANY:
	case MATCH_PRESENT: return true;
	case MATCH_EXACT: return m->nocase ? str_eq_nocase(s, m->text) : str_eq(s, m->text);
	case MATCH_PREFIX: return m->nocase ? starts_nocase(s, m->text) : str_starts(s, m->text);
	case MATCH_REGEX: return matches_regex(env, m, s);
	}
	return false;
}

bool condition_uri(const struct condition_env *env, const struct clause *c)
{
	return matches(env, &c->uri, env->request->path);
}

/* ---- headers ---------------------------------------------------------------------------- */

static bool join(struct route_bits *bits, uint32_t *used, char separator, struct str s)
{
	if (s.len + 1 > sizeof(bits->joined) - *used)
		return false;
	bits->joined[(*used)++] = separator;
	if (s.len > 0)
		memcpy(bits->joined + *used, s.p, s.len);
	*used += s.len;
	return true;
}

/*
 * All values of a field, joined with ",". Nearly always there is one, which is used where it lies.
 * Absent when there is none, or when they do not fit: a head is smaller than the buffer.
 */
static struct str header_value(const struct condition_env *env, struct str name)
{
	const struct http1_head *h = &env->request->head;
	struct str value = {NULL, 0};
	uint32_t used = 0;

	for (uint16_t i = 0; i < h->n_fields; i++) {
		const struct http1_field *f = &h->fields[i];

		if (!str_eq_nocase(f->name, name))
			continue;
		if (!value.p) {
			value = (struct str){f->value.p ? f->value.p : "", f->value.len};
			continue;
		}
		if (used == 0 && !join(env->bits, &used, ',', value))
			return (struct str){NULL, 0};
		if (!join(env->bits, &used, ',', f->value))
			return (struct str){NULL, 0};
	}
	return used == 0 ? value : (struct str){env->bits->joined + 1, used - 1};
}

/* ":path" as Envoy has it: with the query. */
static struct str full_path(const struct condition_env *env)
{
	const struct http1_request *r = env->request;
	uint32_t used = 0;

	if (!r->query.p)
		return r->path;
	if (!join(env->bits, &used, ' ', r->path) || !join(env->bits, &used, '?', r->query))
		return (struct str){NULL, 0};
	return (struct str){env->bits->joined + 1, used - 1};
}

static struct str subject_of(const struct condition_env *env, const struct header_match *m)
{
	const struct http1_request *r = env->request;

	switch ((enum match_subject)m->subject) {
	case SUBJECT_HEADER: return header_value(env, m->name);
	case SUBJECT_METHOD: return r->method;
	case SUBJECT_SCHEME: return r->scheme.p ? r->scheme : STR("http");
	case SUBJECT_AUTHORITY: return r->authority;
	case SUBJECT_PATH: return full_path(env);
	}
	return (struct str){NULL, 0};
}

/* Envoy: a missing header matches nothing; inverted, it counts as "" unless presence is asked for. */
static bool header_holds(const struct condition_env *env, const struct header_match *m)
{
	struct str value = subject_of(env, m);

	if (!m->invert)
		return value.p && matches(env, &m->value, value);
	if (m->value.op == MATCH_PRESENT)
		return !value.p;
	return !matches(env, &m->value, value.p ? value : STR(""));
}

/* ---- query parameters ------------------------------------------------------------------- */

/* The raw value of the first parameter of this name ("" without '='), or absent. */
static struct str query_value(struct str query, struct str name)
{
	const char *p = query.p, *end = query.p ? query.p + query.len : NULL;

	while (p < end) {
		const char *amp = memchr(p, '&', (size_t)(end - p));
		const char *stop = amp ? amp : end;
		const char *eq = memchr(p, '=', (size_t)(stop - p));
		const char *key_end = eq ? eq : stop;

		if (str_eq((struct str){p, (uint32_t)(key_end - p)}, name)) {
			const char *v = eq ? eq + 1 : stop;

			return (struct str){v, (uint32_t)(stop - v)};
		}
		p = stop + 1;
	}
	return (struct str){NULL, 0};
}

static bool query_holds(const struct condition_env *env, const struct query_match *m)
{
	struct str value = query_value(env->request->query, m->name);

	return value.p && matches(env, &m->value, value);
}

bool condition_rest(const struct condition_env *env, const struct clause *c)
{
	for (uint16_t i = 0; i < c->n_headers; i++)
		if (!header_holds(env, &c->headers[i]))
			return false;
	for (uint16_t i = 0; i < c->n_queries; i++)
		if (!query_holds(env, &c->queries[i]))
			return false;
	return true;
}
