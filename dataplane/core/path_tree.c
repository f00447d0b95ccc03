/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The literal paths of a virtual host as a radix tree (Morrison, "PATRICIA", 1968), from the root down
 * as far as the path agrees. Each node on the way names the clauses whose literal ends there.
 *
 *   prefix /v1 (0), exact /v1/a (1), prefix /v2 (2)        path /v1/a
 *
 *   [/v] -+- [1] {0} --- [/a] {1, exact}                   [/v] -> [1] sets 0 -> [/a] sets 1
 *         '- [2] {2}
 *
 * A node is one cache line with its label and its kids' first bytes in it. ctrl/build_paths.c makes it.
 */
#include "path_tree.h"

#include <smmintrin.h>

static const struct path_node *kid_of(const struct path_tree *t, const struct path_node *n,
                                      uint8_t byte)
{
	__m128i same;
	uint32_t hit;

	if (n->n_kids > PATH_KIDS) {
		hit = t->wide[n->kids + byte];
		return hit ? &t->nodes[hit] : NULL;
	}
	same = _mm_cmpeq_epi8(_mm_loadu_si128((const __m128i *)n->first),
	                      _mm_set1_epi8((char)byte));
	hit = (uint32_t)_mm_movemask_epi8(same) & ((1u << n->n_kids) - 1);
	return hit ? &t->nodes[n->kids + (uint32_t)__builtin_ctz(hit)] : NULL;
}

static bool agrees(const struct path_node *n, const char *p)
{
	uint64_t a, b;
	uint32_t i = 0;

	for (; i + 8 <= n->len; i += 8) {
		memcpy(&a, n->label + i, sizeof(a));
		memcpy(&b, p + i, sizeof(b));
		if (a != b)
			return false;
	}
	for (; i < n->len; i++)
		if (n->label[i] != p[i])
			return false;
	return true;
}

void path_tree_find(const struct path_tree *t, struct str path, struct route_bits *bits)
{
	const struct path_node *n = t->nodes;
	uint32_t at = 0, ends;

	while (n && path.len - at >= n->len && agrees(n, path.p + at)) {
		at += n->len;
		ends = n->n_prefix + (at == path.len ? n->n_exact : 0);
		for (uint32_t i = 0; i < ends; i++)
			route_bits_set(bits, t->ids[n->ids + i]);
		n = at < path.len ? kid_of(t, n, (uint8_t)path.p[at]) : NULL;
	}
}
