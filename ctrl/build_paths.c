/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The tree of a virtual host's literal paths: struct path_tree of the snapshot, read by
 * core/path_tree.c.
 *
 * Literals are sorted by their bytes, so those below a node stand next to one another, the ones that
 * end there first. A node takes what all of its literals have in common, as far as its label reaches,
 * and the rest is divided among kids by the next byte.
 */
#include "build_parts.h"

#include <stdalign.h>
#include <stdlib.h>
#include <string.h>

/* A literal and the clause that it belongs to. */
struct literal {
	struct str text;
	uint32_t clause;
	bool exact;
};

struct tree {
	struct path_node *nodes;
	uint32_t *ids, *wide;
	uint32_t n_nodes, n_ids, n_wide;
};

static int by_text(const void *a, const void *b)
{
	const struct literal *x = a, *y = b;
	uint32_t n = x->text.len < y->text.len ? x->text.len : y->text.len;
	int order = memcmp(x->text.p, y->text.p, n);

	if (order == 0 && x->text.len != y->text.len)
		return x->text.len < y->text.len ? -1 : 1;
	if (order == 0)
		order = x->exact - y->exact;
	if (order == 0)
		order = (x->clause > y->clause) - (x->clause < y->clause);
	return order;
}

/* What the first and the last have in common behind depth, all between them have, too. */
static uint8_t common(const struct literal *l, uint32_t n, uint32_t depth)
{
	const struct str *a = &l[0].text, *b = &l[n - 1].text;
	uint8_t len = 0;

	while (len < PATH_LABEL && depth + len < a->len && depth + len < b->len &&
	       a->p[depth + len] == b->p[depth + len])
		len++;
	return len;
}

/* Take the literals that end at depth; returns how many. */
static uint32_t take_ends(struct tree *t, struct path_node *node, const struct literal *l,
                          uint32_t n, uint32_t depth)
{
	uint32_t i = 0;

	node->ids = t->n_ids;
	for (; i < n && l[i].text.len == depth; i++) {
		t->ids[t->n_ids++] = l[i].clause;
		if (l[i].exact)
			node->n_exact++;
		else
			node->n_prefix++;
	}
	return i;
}

static uint32_t same_byte(const struct literal *l, uint32_t n, uint32_t depth)
{
	uint32_t i = 1;

	while (i < n && l[i].text.p[depth] == l[0].text.p[depth])
		i++;
	return i;
}

/* Places for the kids, all next to one another, and the way to them; returns the first. */
static uint32_t place_kids(struct tree *t, struct path_node *node, const struct literal *l,
                           uint32_t n, uint32_t depth)
{
	uint32_t first = t->n_nodes, *wide = NULL;

	for (uint32_t i = 0; i < n; i += same_byte(l + i, n - i, depth))
		node->n_kids++;
	t->n_nodes += node->n_kids;
	node->kids = first;
	if (node->n_kids > PATH_KIDS) {
		node->kids = t->n_wide;
		wide = t->wide + t->n_wide;
		t->n_wide += 256;
	}
	for (uint32_t i = 0, kid = 0; i < n; i += same_byte(l + i, n - i, depth), kid++) {
		uint8_t byte = (uint8_t)l[i].text.p[depth];

		if (wide)
			wide[byte] = first + kid;
		else
			node->first[kid] = byte;
	}
	return first;
}

/* NOLINTNEXTLINE(misc-no-recursion): as deep as a literal has bytes, and those are bounded */
static void fill(struct tree *t, uint32_t at, const struct literal *l, uint32_t n, uint32_t depth)
{
	struct path_node *node = &t->nodes[at];
	uint32_t ends, kid;

	node->len = common(l, n, depth);
	memcpy(node->label, l[0].text.p + depth, node->len);
	depth += node->len;
	ends = take_ends(t, node, l, n, depth);
	if (ends == n)
		return;
	l += ends;
	n -= ends;
	kid = place_kids(t, node, l, n, depth);
	for (uint32_t i = 0, size; i < n; i += size, kid++) {
		size = same_byte(l + i, n - i, depth);
		fill(t, kid, l + i, size, depth);
	}
}

/* Each literal ends one node and begins one at most; labels that are full make more. */
static uint32_t most_nodes(const struct literal *l, uint32_t n)
{
	uint32_t nodes = 2 * n + 1;

	for (uint32_t i = 0; i < n; i++)
		nodes += l[i].text.len / PATH_LABEL;
	return nodes;
}

static void *keep(struct build *b, const void *p, size_t bytes)
{
	return memcpy(heap_alloc(b->heap, bytes), p, bytes);
}

const struct path_tree *build_paths(struct build *b, const struct clause *clauses, uint32_t n)
{
	struct literal *l = arena_alloc(&b->scratch, n * sizeof(*l));
	struct path_tree *out;
	struct tree t = {0};
	uint32_t n_l = 0;

	for (uint32_t i = 0; i < n; i++)
		if (clauses[i].uri_found)
			l[n_l++] = (struct literal){clauses[i].uri.text, i,
			                            clauses[i].uri.op == MATCH_EXACT};
	qsort(l, n_l, sizeof(*l), by_text);
	t.nodes = arena_alloc_aligned(&b->scratch, most_nodes(l, n_l) * sizeof(*t.nodes),
	                              alignof(struct path_node));
	t.ids = arena_alloc(&b->scratch, n_l * sizeof(*t.ids));
	t.wide = arena_alloc(&b->scratch, (n_l / PATH_KIDS + 1) * 256 * sizeof(*t.wide));
	t.n_nodes = 1;
	fill(&t, 0, l, n_l, 0);
	out = heap_alloc(b->heap, sizeof(*out));
	*out = (struct path_tree){keep(b, t.nodes, t.n_nodes * sizeof(*t.nodes)),
	                          keep(b, t.ids, t.n_ids * sizeof(*t.ids)),
	                          keep(b, t.wide, t.n_wide * sizeof(*t.wide))};
	return out;
}
