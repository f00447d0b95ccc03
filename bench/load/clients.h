/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Clients, closed loop: each has one request in flight and sends the next when the response is whole
 * and right. With close, each request has a connection of its own.
 */
#ifndef WEIR_BENCH_LOAD_CLIENTS_H
#define WEIR_BENCH_LOAD_CLIENTS_H

#include "histogram.h"
#include "wire.h"

#define CLIENTS_MAX 4096
#define VERSIONS    2

struct client {
	uint16_t port; /* ours, host order */
	uint8_t state; /* enum client_state in clients.c */
	uint32_t snd_nxt, rcv_nxt;
	uint32_t got, want; /* bytes of the response; want is 0 until its head was read */
	uint64_t sent_tsc;  /* of the request, or of the SYN before it */
};

struct clients {
	struct wire *wire;
	uint32_t n;
	bool close;
	uint32_t local, remote; /* network order */
	uint16_t remote_port;   /* network order */
	uint16_t next_port;
	uint32_t next_isn;
	struct message request;
	char request_text[512];
	uint64_t answered;          /* right responses */
	uint64_t version[VERSIONS]; /* of those */
	uint64_t wrong, resets,
		retried; /* retried: segments of Weir that came twice or after a gap */
	char first_wrong[256];
	struct histogram latency; /* TSC cycles */
	struct client client[CLIENTS_MAX];
	uint16_t by_port[65536]; /* index + 1; 0: nobody */
};

/** Write the request. Addresses and wire are set already. */
void clients_init(struct clients *c, const char *host);

/** Open all connections. */
void clients_start(struct clients *c, uint64_t now_tsc);

void clients_input(struct clients *c, const struct segment *s, uint64_t now_tsc);

/** Clients that have waited longer than this: they will for ever. */
uint32_t clients_stuck(const struct clients *c, uint64_t now_tsc, uint64_t limit_tsc);

#endif
