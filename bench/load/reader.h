/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Reads responses off one connection and checks them: status, length, version, each byte of the body.
 *
 * A head that was read before and comes again byte for byte is known, so that searching it is rare.
 */
#ifndef WEIR_BENCH_LOAD_READER_H
#define WEIR_BENCH_LOAD_READER_H

#include "body.h"

#define READER_VERSIONS 2
#define READER_HEAD     1024 /* longest head */

/* What all connections share. */
struct reader_rules {
	const struct body *body;
	uint32_t body_bytes;
	uint32_t known_len[READER_VERSIONS];
	char known[READER_VERSIONS][READER_HEAD];
	uint64_t right[READER_VERSIONS]; /* responses of each version */
	char wrong[256];                 /* the first that was */
};

/* Of one connection; zero at its beginning. */
struct reader {
	char *part;  /* of a head that came in pieces, or NULL */
	uint32_t at; /* bytes of the body so far */
	uint16_t part_len;
	uint8_t version;  /* of the response whose body is being read; 0: at a head */
	uint8_t expected; /* version that the next responses must have; 0: any */
};

/** Read bytes. @return responses that they completed, or -1: something is wrong, and rules->wrong may tell */
int reader_take(struct reader *r, struct reader_rules *rules, const char *bytes, uint32_t len);

/** Begin anew, on a new connection. */
void reader_reset(struct reader *r);

#endif
