/* SPDX-License-Identifier: BSD-3-Clause */
/* A map from text to pointer, in an arena: entries are added and replaced, never taken out. */
#ifndef WEIR_STRMAP_H
#define WEIR_STRMAP_H

#include "arena.h"

#include <stddef.h>
#include <stdint.h>

struct strmap_row {
	const char *key; /* NULL: empty */
	void *value;
};

/* All zero is an empty map. */
struct strmap {
	struct strmap_row *rows;
	size_t n;
	size_t mask; /* rows - 1 */
};

/** FNV-1a of a text. */
uint64_t strmap_hash(const char *key);

/** The value of a key, or NULL. */
void *strmap_get(const struct strmap *m, const char *key);

/** Add or replace. The key is not copied. */
void strmap_put(struct strmap *m, struct arena *a, const char *key, void *value);

#endif
