/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Scanning of message heads: how far does a run of allowed bytes go?
 *
 * A class of characters is a table of 16 rows: bit h of row l stands for the character h << 4 | l, so
 * one byte shuffle looks up 16 characters at once (bytes above 0x7f are in no class). Sixteen bytes
 * are read only where sixteen are at hand; the last few are looked up one by one.
 */
#ifndef WEIR_HTTP1_SCAN_H
#define WEIR_HTTP1_SCAN_H

#include <nmmintrin.h>
#include <stdbool.h>
#include <stdint.h>

struct http1_class {
	uint8_t rows[16];
};

/* RFC 9110 section 5.6.2: token. */
static const struct http1_class http1_token = {{0xe8, 0xfc, 0xf8, 0xfc, 0xfc, 0xfc, 0xfc, 0xfc,
                                                0xf8, 0xf8, 0xf4, 0x54, 0xd0, 0x54, 0xf4, 0x70}};

/* RFC 3986 section 3.2.2: reg-name without "%", which readers decode or not. */
static const struct http1_class http1_hostname = {{0xa8, 0xfc, 0xf8, 0xf8, 0xfc, 0xf8, 0xfc, 0xfc,
                                                   0xfc, 0xfc, 0xf4, 0x5c, 0x54, 0x5c, 0xd4, 0x70}};

static inline bool http1_is(const struct http1_class *c, char ch)
{
	uint8_t b = (uint8_t)ch;

	return b < 0x80 && (c->rows[b & 15] >> (b >> 4) & 1);
}

/** May ch stand in a field value, a reason phrase or a chunk extension? RFC 9110 section 5.5. */
static inline bool http1_is_text(char ch)
{
	uint8_t b = (uint8_t)ch;

	return (b >= 0x20 && b != 0x7f) || b == '\t';
}

/** May ch stand in a request target? Visible ASCII. */
static inline bool http1_is_target(char ch)
{
	return ch > 0x20 && ch < 0x7f;
}

/** First byte that is not of class c, or end. */
static inline const char *http1_skip(const struct http1_class *c, const char *p, const char *end)
{
	const __m128i rows = _mm_loadu_si128((const __m128i *)c->rows);
	const __m128i bit = _mm_setr_epi8(1, 2, 4, 8, 16, 32, 64, -128, 0, 0, 0, 0, 0, 0, 0, 0);
	const __m128i low = _mm_set1_epi8(0x0f);

	for (; end - p >= 16; p += 16) {
		__m128i x = _mm_loadu_si128((const __m128i *)p);
		__m128i high = _mm_and_si128(_mm_srli_epi16(x, 4), low);
		__m128i hit = _mm_and_si128(_mm_shuffle_epi8(rows, x), _mm_shuffle_epi8(bit, high));
		unsigned int bad =
			(unsigned int)_mm_movemask_epi8(_mm_cmpeq_epi8(hit, _mm_setzero_si128()));

		if (bad)
			return p + __builtin_ctz(bad);
	}
	while (p < end && http1_is(c, *p))
		p++;
	return p;
}

/** First byte that http1_is_text() refuses, or end. */
static inline const char *http1_skip_text(const char *p, const char *end)
{
	const __m128i last_ctl = _mm_set1_epi8(0x1f), tab = _mm_set1_epi8('\t');
	const __m128i del = _mm_set1_epi8(0x7f);

	for (; end - p >= 16; p += 16) {
		__m128i x = _mm_loadu_si128((const __m128i *)p);
		__m128i ctl = _mm_cmpeq_epi8(_mm_min_epu8(x, last_ctl), x);
		__m128i bad = _mm_or_si128(_mm_andnot_si128(_mm_cmpeq_epi8(x, tab), ctl),
		                           _mm_cmpeq_epi8(x, del));
		unsigned int mask = (unsigned int)_mm_movemask_epi8(bad);

		if (mask)
			return p + __builtin_ctz(mask);
	}
	while (p < end && http1_is_text(*p))
		p++;
	return p;
}

/** First byte that http1_is_target() refuses, or end. */
static inline const char *http1_skip_target(const char *p, const char *end)
{
	const __m128i space = _mm_set1_epi8(0x20), del = _mm_set1_epi8(0x7f);

	for (; end - p >= 16; p += 16) {
		__m128i x = _mm_loadu_si128((const __m128i *)p);
		/* Signed: bytes above 0x7f are below the space too. */
		__m128i ok = _mm_andnot_si128(_mm_cmpeq_epi8(x, del), _mm_cmpgt_epi8(x, space));
		unsigned int mask = (unsigned int)_mm_movemask_epi8(ok) ^ 0xffff;

		if (mask)
			return p + __builtin_ctz(mask);
	}
	while (p < end && http1_is_target(*p))
		p++;
	return p;
}

#endif
