/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Path normalisation in place: a reader runs ahead of a writer over the same bytes.
 *
 * Nearly every path is normal already, so a scan for "%", "\" and "/." comes first, sixteen bytes at a
 * time. The writer's invariant: what stands before it is normal but for the segment being written,
 * which is looked at when it ends.
 */
#include "http1_path.h"

#include <nmmintrin.h>

static inline int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* RFC 3986 section 2.3 */
static inline bool is_unreserved(int c)
{
	int lower = c | 0x20;

	return (c >= '0' && c <= '9') || (lower >= 'a' && lower <= 'z') || c == '-' || c == '.' ||
	       c == '_' || c == '~';
}

/* Could these 16 bytes be less than normal? `before` is the byte in front of them. */
static inline bool is_suspect16(const char *p)
{
	__m128i x = _mm_loadu_si128((const __m128i *)p);
	__m128i before = _mm_loadu_si128((const __m128i *)(p - 1));
	__m128i dot = _mm_and_si128(_mm_cmpeq_epi8(x, _mm_set1_epi8('.')),
	                            _mm_cmpeq_epi8(before, _mm_set1_epi8('/')));
	__m128i other = _mm_or_si128(_mm_cmpeq_epi8(x, _mm_set1_epi8('%')),
	                             _mm_cmpeq_epi8(x, _mm_set1_epi8('\\')));

	return _mm_movemask_epi8(_mm_or_si128(dot, other)) != 0;
}

static bool is_normal(const char *path, uint32_t len)
{
	uint32_t i = 1;

	for (; i + 16 <= len; i += 16)
		if (is_suspect16(path + i))
			return false;
	for (; i < len; i++)
		if (path[i] == '%' || path[i] == '\\' || (path[i] == '.' && path[i - 1] == '/'))
			return false;
	return true;
}

/* Pass 1: decode, turn backslashes. */
static bool decode(char *path, uint32_t *len)
{
	uint32_t n = *len, w = 0;

	for (uint32_t r = 0; r < n; r++) {
		char c = path[r];

		if (c == '\\')
			c = '/';
		if (c != '%') {
			path[w++] = c;
			continue;
		}
		if (n - r < 3 || hex_value(path[r + 1]) < 0 || hex_value(path[r + 2]) < 0)
			return false;
		int byte = hex_value(path[r + 1]) << 4 | hex_value(path[r + 2]);

		if (byte == 0)
			return false;
		if (is_unreserved(byte)) {
			path[w++] = (char)byte;
		} else {
			path[w++] = '%';
			path[w++] = path[r + 1];
			path[w++] = path[r + 2];
		}
		r += 2;
	}
	*len = w;
	return true;
}

/* Where the segment before the one that starts at `segment` starts; the first one has none. */
static uint32_t parent_of(const char *path, uint32_t segment)
{
	if (segment == 1)
		return 1;
	for (segment--; path[segment - 1] != '/'; segment--)
		;
	return segment;
}

/* Pass 2: RFC 3986 section 5.2.4. */
static uint32_t remove_dots(char *path, uint32_t n)
{
	uint32_t w = 1, segment = 1; /* the segment being written starts at `segment` */

	for (uint32_t r = 1; r <= n; r++) {
		uint32_t len = w - segment;

		if (r < n && path[r] != '/') {
			path[w++] = path[r];
			continue;
		}
		if (len == 1 && path[segment] == '.') {
			w = segment;
		} else if (len == 2 && path[segment] == '.' && path[segment + 1] == '.') {
			w = segment = parent_of(path, segment);
		} else if (r < n) {
			path[w++] = '/';
			segment = w;
		}
	}
	return w;
}

bool http1_path_normalise(char *path, uint32_t *len)
{
	if (is_normal(path, *len))
		return true;
	if (!decode(path, len))
		return false;
	*len = remove_dots(path, *len);
	return true;
}
