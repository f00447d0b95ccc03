/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Header operations and the values they write. A value may hold Envoy's substitutions: %REQ(name)%,
 * %DOWNSTREAM_REMOTE_ADDRESS%, %DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%, %PROTOCOL%, and %% for one
 * percent sign; any other is refused.
 */
#include "build_parts.h"

#include <stdlib.h>
#include <strings.h>

struct parts {
	struct value_part *v;
	uint16_t n;
};

static void add_literal(struct build *b, struct parts *p, const char *text, size_t len)
{
	char *bytes = heap_alloc(b->heap, len + 1);

	memcpy(bytes, text, len);
	p->v[p->n++] = (struct value_part){VALUE_LITERAL, {bytes, (uint32_t)len}};
}

static bool is_word(const char *from, size_t len, const char *word)
{
	return strlen(word) == len && strncmp(from, word, len) == 0;
}

/* from: what stands between the percent signs. */
static bool add_substitution(struct build *b, struct parts *p, const char *from, size_t len)
{
	struct value_part *part = &p->v[p->n];

	if (is_word(from, len, "DOWNSTREAM_REMOTE_ADDRESS"))
		part->kind = VALUE_CLIENT_ADDR;
	else if (is_word(from, len, "DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT"))
		part->kind = VALUE_CLIENT_IP;
	else if (is_word(from, len, "PROTOCOL"))
		part->kind = VALUE_PROTOCOL;
	else if (len > 5 && strncmp(from, "REQ(", 4) == 0 && from[len - 1] == ')' &&
	         !memchr(from, '?', len))
		part->kind = VALUE_REQ;
	else
		return false;
	if (part->kind == VALUE_REQ) {
		char *name = heap_alloc(b->heap, len);

		for (size_t i = 4; i < len - 1; i++)
			name[i - 4] = str_lower(from[i]);
		part->text = (struct str){name, (uint32_t)(len - 5)};
	}
	p->n++;
	return true;
}

static void parse_value(struct build *b, const struct istio_text *value, struct parts *p)
{
	const char *s = value->s, *percent, *end;
	size_t n_max = 1;

	for (const char *c = s; *c; c++)
		n_max += *c == '%';
	p->v = heap_alloc(b->heap, n_max * sizeof(*p->v));
	for (; (percent = strchr(s, '%')); s = end + 1) {
		end = strchr(percent + 1, '%');
		if (end == percent + 1) { /* "%%" */
			add_literal(b, p, s, (size_t)(end - s));
			continue;
		}
		if (percent > s)
			add_literal(b, p, s, (size_t)(percent - s));
		if (!end || !add_substitution(b, p, percent + 1, (size_t)(end - percent - 1))) {
			diag_error(b->diags, value->at, "NOT_SUPPORTED",
			           "the substitution in \"%s\" is not supported yet", value->s);
			return;
		}
	}
	if (*s)
		add_literal(b, p, s, strlen(s));
}

static bool is_host(const char *name)
{
	return strcasecmp(name, "host") == 0 || strcasecmp(name, ":authority") == 0;
}

static int by_name(const void *a, const void *b)
{
	const struct istio_pair *const *x = a, *const *y = b;

	return strcmp((*x)->key.s, (*y)->key.s);
}

static void add_pairs(struct build *b, const struct istio_pairs *pairs, uint8_t kind,
                      struct header_ops *out, bool leave_out_host)
{
	const struct istio_pair **sorted =
		arena_alloc(&b->scratch, (pairs->n + 1) * sizeof(const void *));
	struct header_op *ops = heap_alloc(b->heap, (out->n + pairs->n + 1) * sizeof(*ops));

	for (uint32_t i = 0; i < pairs->n; i++)
		sorted[i] = &pairs->v[i];
	qsort(sorted, pairs->n, sizeof(const void *), by_name);
	if (out->n > 0)
		memcpy(ops, out->ops, out->n * sizeof(*ops));
	for (uint32_t i = 0; i < pairs->n; i++) {
		struct parts parts = {0};

		if (leave_out_host && is_host(sorted[i]->key.s))
			continue;
		parse_value(b, &sorted[i]->value, &parts);
		ops[out->n++] = (struct header_op){
			.kind = kind,
			.n_parts = parts.n,
			.name = is_host(sorted[i]->key.s) ? STR("host")
		                                          : build_str(b, sorted[i]->key.s),
			.parts = parts.v,
		};
	}
	out->ops = ops;
}

bool build_sets_host(const struct istio_header_operations *ops)
{
	for (uint32_t i = 0; ops && i < ops->set.n; i++)
		if (is_host(ops->set.v[i].key.s))
			return true;
	for (uint32_t i = 0; ops && i < ops->add.n; i++)
		if (is_host(ops->add.v[i].key.s))
			return true;
	return false;
}

struct header_ops build_header_ops(struct build *b, const struct istio_header_operations *ops,
                                   bool leave_out_host)
{
	struct header_ops out = {0, NULL};

	if (!ops || ops->remove.n + ops->set.n + ops->add.n == 0)
		return out;
	struct header_op *removes = heap_alloc(b->heap, (ops->remove.n + 1) * sizeof(*removes));

	for (; out.n < ops->remove.n; out.n++)
		removes[out.n] = (struct header_op){
			.kind = HEADER_REMOVE,
			.name = build_str(b, ops->remove.v[out.n].s),
		};
	out.ops = removes;
	if (ops->set.n > 0)
		add_pairs(b, &ops->set, HEADER_SET, &out, leave_out_host);
	if (ops->add.n > 0)
		add_pairs(b, &ops->add, HEADER_ADD, &out, leave_out_host);
	return out;
}
