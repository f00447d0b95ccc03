/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Servers: accept any connection on any port, answer each request with a fixed response that names the
 * version, which is told from the address: .11 is v1, .12 is v2. Knows a request by its empty line.
 */
#ifndef WEIR_BENCH_LOAD_SERVERS_H
#define WEIR_BENCH_LOAD_SERVERS_H

#include "wire.h"

#include <stdint.h>

#define SERVERS      2
#define SERVER_FIRST 11 /* last byte of the address of the first */
#define SERVER_BODY  1024

struct server_conn {
	uint32_t snd_nxt, rcv_nxt;
	bool open;
};

struct servers {
	struct wire *wire;
	bool close; /* say so, and close after each response */
	uint64_t requests, accepted, retried;
	struct message response[SERVERS];
	char text[SERVERS][SERVER_BODY + 512];
	struct server_conn conn[SERVERS][65536]; /* by Weir's port */
};

/** Write the responses. */
void servers_init(struct servers *s);

void servers_input(struct servers *s, const struct segment *in);

#endif
