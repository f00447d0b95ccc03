/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Numbers, times and shares as people read them. Each writes into a buffer of TEXT_BYTES and
 * returns it, so that it can stand in an argument list.
 */
#ifndef WEIR_CLI_TEXT_H
#define WEIR_CLI_TEXT_H

#include <jansson.h>
#include <stdint.h>

#define TEXT_BYTES 64

struct text {
	char s[TEXT_BYTES];
};

/** "45s", "12m", "5h", "3d": one unit, as ages are read. */
const char *text_duration(struct text *t, int64_t seconds);

/** Age of an RFC 3339 time in UTC at now (seconds since 1970); "<unknown>" when it is none. */
const char *text_age(struct text *t, const char *rfc3339, int64_t now);

/** "350us", "1.25ms", "2.00s" of a JSON number of microseconds; "-" of anything else. */
const char *text_latency(struct text *t, const json_t *us);

/** "90.00%" of a JSON number from 0 to 1; "-" of anything else. */
const char *text_share(struct text *t, const json_t *share);

/** "1.5 MB" of bytes, by powers of 1000. */
const char *text_bytes(struct text *t, uint64_t bytes);

#endif
