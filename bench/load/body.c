/* SPDX-License-Identifier: BSD-3-Clause */
#include "body.h"

#include <string.h>

void body_init(struct body *b)
{
	for (uint32_t v = 0; v < BODY_VERSIONS; v++) {
		uint32_t x = 2463534242u + v;

		for (uint32_t i = 0; i < BODY_PERIOD; i++) {
			x ^= x << 13; /* Marsaglia, "Xorshift RNGs" */
			x ^= x >> 17;
			x ^= x << 5;
			b->text[v][i] = (char)('!' + x % 90);
		}
		memcpy(b->text[v] + BODY_PERIOD, b->text[v], BODY_PIECE);
	}
}

bool body_is(const struct body *b, uint32_t version, uint32_t at, const char *bytes, size_t len)
{
	return len <= BODY_PIECE && memcmp(b->text[version] + at % BODY_PERIOD, bytes, len) == 0;
}

void body_write(const struct body *b, uint32_t version, char *to, size_t len)
{
	for (size_t at = 0; at < len; at += BODY_PERIOD) {
		size_t part = len - at;

		memcpy(to + at, b->text[version], part < BODY_PERIOD ? part : BODY_PERIOD);
	}
}
