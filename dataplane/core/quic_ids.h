/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Where QUIC's connection ids lead: learnt from what servers say in clear (quic_cid.h), so that a client whose
 * address a NAT changed meets its endpoint again.
 *
 * A fixed number of places; an id has one of QUIC_IDS_WAYS by hash, and the one that was used longest ago makes
 * room. An entry holds all that a new flow needs, so it does not depend on the flow that it was learnt from.
 */
#ifndef WEIR_QUIC_IDS_H
#define WEIR_QUIC_IDS_H

#include "hash.h"
#include "quic_cid.h"

#include "weir/snapshot.h"

#define QUIC_IDS_WAYS 4

/* An endpoint as a flow to it needs it. */
struct flow_choice {
	struct ip_addr addr;
	be16_t port;
	uint8_t mode; /* enum forward_mode */
	uint8_t idle; /* index into flow_table.idle_s */
	struct slot endpoint, dest;
};

struct quic_id {
	uint8_t id[QUIC_CID_MAX];
	uint8_t len;   /* 0: free */
	be16_t lport;  /* of the listener */
	uint32_t used; /* counts up with each use of the table */
	struct flow_choice to;
};

struct quic_ids {
	struct quic_id *v;
	uint32_t mask; /* sets - 1; v == NULL: none are kept */
	uint32_t used;
	uint32_t lens; /* bit n: an id of n bytes was learnt */
	struct hash_key key;
};

size_t quic_ids_bytes(uint32_t max);
void quic_ids_init(struct quic_ids *t, void *memory, uint32_t max, const struct hash_key *key);

/** A packet of an endpoint says which id it goes by: keep that. Nothing happens when it says none. */
void quic_ids_learn(struct quic_ids *t, const uint8_t *payload, size_t len, be16_t lport,
                    const struct flow_choice *to);

/** Where a client's packet of no known flow goes; NULL: not known. */
const struct flow_choice *quic_ids_find(struct quic_ids *t, const uint8_t *payload, size_t len,
                                        be16_t lport);

#endif
