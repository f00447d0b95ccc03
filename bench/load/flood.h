/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Raw floods: packets that belong to no connection, from addresses of 198.18.0.0/15 (RFC 2544) that are swept with their
 * ports, to the port that the clients use. They are not sent again, and what the other side's ring does not take is not counted.
 */
#ifndef WEIR_BENCH_LOAD_FLOOD_H
#define WEIR_BENCH_LOAD_FLOOD_H

#include "pace.h"
#include "wire.h"

enum flood_kind {
	FLOOD_NONE,
	FLOOD_SYN,
	FLOOD_ACK,
	FLOOD_UDP,
};

struct flood {
	enum flood_kind kind;
	bool on;
	uint32_t target;                         /* host order */
	uint16_t target_port;                    /* host order */
	bool full;                               /* as fast as the ring takes them, without pace */
	struct pace pace;                        /* in TSC cycles */
	uint64_t next;                           /* number of the next packet */
	uint64_t sent, refused;                  /* refused: the ring was full */
	uint64_t syn_acks, resets, acks, others; /* Weir's answers */
	uint8_t frame[64] __attribute__((aligned(8)));
	uint16_t len;
};

/** Write the frame; the wire knows its peer. */
void flood_prepare(struct flood *f, const struct wire *w);

/** When it is on: send a burst, or what is due. */
void flood_turn(struct flood *f, struct wire *w, uint64_t now_tsc);

/** A packet from Weir: is it an answer to the flood? Counts it then. */
bool flood_input(struct flood *f, enum wire_kind kind, const struct segment *s);

#endif
