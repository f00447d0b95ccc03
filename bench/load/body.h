/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What bodies hold: a text of each version's own that repeats after 64 KiB, so that a byte that is missing, doubled or in
 * another place is seen.
 */
#ifndef WEIR_BENCH_LOAD_BODY_H
#define WEIR_BENCH_LOAD_BODY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BODY_VERSIONS 3 /* 1 and 2 of the servers; 0: of the clients' request bodies */
#define BODY_PERIOD   65536u
#define BODY_PIECE    2048u /* longest piece that is compared at once */

struct body {
	char text[BODY_VERSIONS][BODY_PERIOD + BODY_PIECE];
};

void body_init(struct body *b);

/** Are these the bytes from a place on? At most BODY_PIECE bytes. */
bool body_is(const struct body *b, uint32_t version, uint32_t at, const char *bytes, size_t len);

/** Write a body. */
void body_write(const struct body *b, uint32_t version, char *to, size_t len);

#endif
