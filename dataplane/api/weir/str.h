/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A string with its length: the one string type of the data plane and of the snapshot.
 *
 * Not NUL-terminated and not owned: whoever keeps one knows how long the bytes live (a snapshot's
 * arena, a packet being parsed). An absent string has p == NULL; an empty one has p != NULL, len 0.
 */
#ifndef WEIR_STR_H
#define WEIR_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct str {
	const char *p;
	uint32_t len;
};

#define STR(literal) ((struct str){(literal), sizeof(literal) - 1})

/** Are both the same bytes? An absent string equals an empty one. */
static inline bool str_eq(struct str a, struct str b)
{
	return a.len == b.len && (a.len == 0 || memcmp(a.p, b.p, a.len) == 0);
}

static inline bool str_starts(struct str s, struct str prefix)
{
	return s.len >= prefix.len && (prefix.len == 0 || memcmp(s.p, prefix.p, prefix.len) == 0);
}

static inline char str_lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;
}

/** Equal when ASCII letter case is ignored (RFC 9110 field names, host names). */
static inline bool str_eq_nocase(struct str a, struct str b)
{
	if (a.len != b.len)
		return false;
	for (uint32_t i = 0; i < a.len; i++)
		if (str_lower(a.p[i]) != str_lower(b.p[i]))
			return false;
	return true;
}

#endif
