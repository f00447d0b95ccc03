/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Servers: accept any connection on any port, answer each request with a response that names the version, which is told
 * from the address: .11 is v1, .12 is v2. A request ends with its empty line, or with a body of known length after it.
 */
#ifndef WEIR_BENCH_LOAD_SERVERS_H
#define WEIR_BENCH_LOAD_SERVERS_H

#include "body.h"
#include "peer.h"

#define SERVERS      2
#define SERVER_FIRST 11 /* last byte of the address of the first */

struct server_conn {
	struct peer peer;
	uint64_t heard_tsc; /* of the last segment */
	uint32_t post_left; /* bytes of the request's body to come */
	uint16_t requests;  /* to be answered; the first of them is being */
	bool open, reading_post;
};

struct servers {
	struct wire *wire;
	const struct body *body;
	uint32_t body_bytes, post;
	bool close; /* say so, and close after each response */
	uint64_t requests, accepted, retried, resent, wrong;
	struct script response[SERVERS];
	char *text[SERVERS];
	uint32_t response_bytes, sweep_at;
	struct server_conn conn[SERVERS][65536]; /* by Weir's port */
};

/** Write the responses; wire, body and the settings are set. */
void servers_init(struct servers *s);
void servers_fini(struct servers *s);

void servers_input(struct servers *s, const struct segment *in, uint64_t now_tsc);

/** Look at a part of the connections: what nobody acknowledged for a time is sent again. */
void servers_sweep(struct servers *s, uint64_t now_tsc, uint64_t limit_tsc);

#endif
