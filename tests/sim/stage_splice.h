/* SPDX-License-Identifier: BSD-3-Clause */
/* On the stage (stage.h): the splice that is there, and segments for it that no end point sent. */
#ifndef WEIR_SIM_STAGE_SPLICE_H
#define WEIR_SIM_STAGE_SPLICE_H

#include "splice.h"
#include "stage.h"

/** The only splice, or the first that was begun. */
struct splice *stage_splice(void);

struct stage_segment {
	uint8_t flags;
	uint32_t seq, ack;
	uint16_t len;   /* zeros */
	uint32_t tsval; /* 0: no time stamps */
};

/** A segment with right checksums and the address of an end point comes to Weir; no time passes. */
void stage_forge(enum flow_side_id from, const struct stage_segment *g);

/** Another request of the client on its connection, which v1 answers on its first. */
void stage_one_more(struct line *c);

#endif
