/* SPDX-License-Identifier: BSD-3-Clause */
/* Open addressing, power of two, at most half full. */
#include "strmap.h"

#include <string.h>

#define ROWS_FIRST 16

uint64_t strmap_hash(const char *key)
{
	uint64_t h = 0xcbf29ce484222325ull;

	for (; *key; key++)
		h = (h ^ (uint8_t)*key) * 0x100000001b3ull;
	return h ^ (h >> 29);
}

static struct strmap_row *find(const struct strmap *m, const char *key)
{
	size_t i = strmap_hash(key) & m->mask;

	while (m->rows[i].key && strcmp(m->rows[i].key, key) != 0)
		i = (i + 1) & m->mask;
	return &m->rows[i];
}

static void grow(struct strmap *m, struct arena *a)
{
	struct strmap bigger = {.n = m->n, .mask = m->rows ? m->mask * 2 + 1 : ROWS_FIRST - 1};

	bigger.rows = arena_alloc(a, (bigger.mask + 1) * sizeof(*bigger.rows));
	for (size_t i = 0; m->rows && i <= m->mask; i++)
		if (m->rows[i].key)
			*find(&bigger, m->rows[i].key) = m->rows[i];
	*m = bigger;
}

void *strmap_get(const struct strmap *m, const char *key)
{
	return m->rows ? find(m, key)->value : NULL;
}

void strmap_put(struct strmap *m, struct arena *a, const char *key, void *value)
{
	if (!m->rows || m->n * 2 > m->mask)
		grow(m, a);
	struct strmap_row *row = find(m, key);

	if (!row->key)
		m->n++;
	row->key = key;
	row->value = value;
}
