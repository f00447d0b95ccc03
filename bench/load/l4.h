/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Connections of layer 4: both of their ends on this core, so cheap that Weir is what limits.
 *
 *   client: frame from a template, number of the flow inside -> edge -> Weir -> back -> endpoint: counts, or sends it back
 *
 * Neither end remembers anything of a connection: what comes says what goes back. As many packets (L4_CONNECT: connections)
 * are on their way as fit into Weir's rings, so none is lost but by Weir. Every 16th packet that arrives is looked at
 * closely: addresses, ports, both checksums, and that its flow has the endpoint and source port that it had first.
 */
#ifndef WEIR_BENCH_LOAD_L4_H
#define WEIR_BENCH_LOAD_L4_H

#include "wire.h"

enum l4_kind {
	L4_NONE,
	L4_UDP,     /* packets of open flows */
	L4_TCP,     /* the same, of connections that were opened by a handshake */
	L4_CONNECT, /* TCP: SYN, SYN-ACK, ACK with data, FIN with data, FIN, ACK, again and again */
};

#define L4_PORTS      32768u /* of one client address */
#define L4_PORT_FIRST 1024u
#define L4_INFLIGHT   1024u
#define L4_FRAME      60u /* bytes: 64 with the check sequence that a wire adds */

struct l4_form {
	enum l4_kind kind;
	uint32_t flows, inflight;
	uint32_t client, vip,
		server; /* host order: the first client, Weir's edge, the first endpoint */
	uint32_t endpoints;
	uint16_t port; /* where Weir listens; endpoints have the same */
	bool answer;   /* endpoints send every packet back, and answers count */
	bool plain;    /* the other side is a mirror, which rewrites nothing of layer 3 and 4 */
	bool random;   /* flows not in turn */
};

struct l4 {
	struct l4_form form;
	struct wire *edge, *back;
	uint64_t sent, arrived, answered, done, wrong, lost, looked_at;
	uint32_t in_flight, next;
	uint64_t random, heard_tsc, turns, idle_turns;
	uint32_t *
		seen; /* of each flow: endpoint and Weir's source port, as they were first; 0: not yet */
	uint32_t opened;  /* flows of which a packet arrived */
	const char *what; /* was wrong first */
	uint8_t frame[64] __attribute__((aligned(64)));
};

/** Opens the flows, says "steady", counts for so many seconds, reports. @return what main() returns */
int l4_run(struct l4 *l, uint32_t seconds);

#endif
