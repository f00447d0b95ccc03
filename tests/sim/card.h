/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The model of a network card in front of Weir's workers.
 *
 *   wire --- card --- Weir
 *              '--> what a rule takes goes back to the wire, rewritten, some time later
 */
#ifndef WEIR_SIM_CARD_H
#define WEIR_SIM_CARD_H

#include "model_device.h"
#include "weir.h"

#define CARD_TRANSIT_MAX 4096

/* A frame inside the card, on its way out. */
struct card_transit {
	uint64_t at_us;
	uint8_t *frame;
	uint16_t len;
};

struct card {
	struct model_device device; /* chaos and room may be changed at any time */
	struct offload_port ports[3];
	struct offload_env env[3];
	struct weir *weir;
	void (*to_weir)(void *arg, const uint8_t *frame, uint16_t len);
	struct card_transit transit[CARD_TRANSIT_MAX];
	uint32_t n_transit;
	uint64_t passed_on; /* frames */
};

/**
 * Put a card in front of x. Its workers begin anew, with what x->node says now and a rule for each flow that
 * is heavy enough.
 *
 * @param can  set of enum model_can
 */
void card_init(struct card *c, struct weir *x, uint32_t can);
void card_fini(struct card *c);

/** Do what is due, before the wire delivers. */
void card_turn(struct card *c);

/** A time before which card_turn() and the workers' looks for answers do nothing; UINT64_MAX: never. */
uint64_t card_next(const struct card *c);

/** As weir_next(), but when answers come is known: nobody has to look for them in between. */
uint64_t card_weir_next(const struct card *c);

/** While a rule is in the card, its flow is there, and is the one that it was made for. NULL, or what is wrong. */
const char *card_check(const struct card *c);

#endif
