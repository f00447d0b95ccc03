/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Datagrams in fragments: only the first fragment has ports, so it is what decides, and the others follow it by
 * the number that all fragments of a datagram share (RFC 791, RFC 8200 section 4.5).
 *
 * With several workers each gets a copy of every fragment, for only the first says whose they are. Who is not the
 * owner remembers that, so that what is lost can be told from what others forward.
 *
 * A fixed number of places; a datagram has one of FRAGMENT_WAYS by hash, and the oldest of those makes
 * room. A later fragment that comes before the first one, or after the datagram has lost its place, is not
 * followed: whoever sent it sends again.
 */
#ifndef WEIR_FRAGMENT_H
#define WEIR_FRAGMENT_H

#include "flow.h"

#define FRAGMENT_WAYS   4
#define FRAGMENT_LIFE_S 5 /* fragments of one datagram come one after another, or not at all */

struct fragment {
	be32_t src[4];
	uint32_t id;   /* of the IP header */
	uint32_t flow; /* index + 1; 0: free; UINT32_MAX: of another worker */
	uint16_t own;  /* which of our addresses it is for */
	uint16_t seen_s;
	uint8_t side; /* enum flow_side_id */
	bool udp;
	uint16_t lport; /* of the flow's side: tells a flow that took the place of another */
};

struct fragments {
	struct fragment *v;
	uint32_t mask; /* sets - 1; v == NULL: none are followed */
	struct hash_key key;
};

/** Bytes for so many datagrams at once. */
size_t fragment_bytes(uint32_t max);

void fragment_init(struct fragments *t, void *memory, uint32_t max, const struct hash_key *key);

/** The first fragment p (p->fragment == PKT_FRAGMENT_FIRST) is of this flow: the others are to follow it. */
void fragment_first(struct fragments *t, const struct flow_table *flows, const struct flow *f,
                    enum flow_side_id side, const struct pkt *p);

/** The first fragment p is another worker's: so are the others. */
void fragment_other(struct fragments *t, const struct flow_table *flows, const struct pkt *p);

/** Is a later fragment known to be another worker's? */
bool fragment_is_other(const struct fragments *t, const struct flow_table *flows,
                       const struct pkt *p);

/** The flow of a later fragment; NULL: not known. */
struct flow *fragment_find(const struct fragments *t, const struct flow_table *flows,
                           const struct pkt *p, enum flow_side_id *side);

#endif
