/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Clients. Connections that wait for nothing stand in a queue; a request takes the first of them. Closed loop: as soon as
 * fewer than a number are in flight. Open loop: when it is due, and then latency counts from there. With close, each request
 * has a connection of its own, and latency counts from its SYN.
 *
 *   OFF --SYN--> OPENING --SYN-ACK--> READY --request--> WAITING --all answers--> READY
 *                                                        (close: --FIN--> OFF, which is queued like READY)
 */
#ifndef WEIR_BENCH_LOAD_CLIENTS_H
#define WEIR_BENCH_LOAD_CLIENTS_H

#include "histogram.h"
#include "pace.h"
#include "peer.h"
#include "reader.h"
#include "requests.h"

#define CLIENTS_MAX 1000000u
#define SOURCES_MAX 4096u

struct client {
	struct peer peer;
	struct reader reader;
	uint64_t sent_tsc;  /* when the request was sent or was due */
	uint64_t moved_tsc; /* when anything was last sent or received for it */
	uint32_t request;
	uint16_t answers_left;
	uint8_t state; /* enum client_state in clients.c */
	uint8_t ack_queued;
};

/* First in, first out; holds each client once at most. */
struct queue {
	uint32_t *clients, mask, head, tail;
};

struct clients_form {
	uint32_t n, sources, inflight, pipeline;
	uint32_t first;  /* address of the first source, host order */
	uint32_t target; /* Weir, host order */
	uint16_t target_port;
	bool close, once; /* once: one request for each connection, then nothing */
	bool by_request;  /* request number c must be answered by v(1 + c % 2) */
};

struct clients {
	struct wire *wire;
	struct clients_form form;
	struct requests requests;
	struct reader_rules rules;
	struct client *client;
	uint32_t *by_port; /* [source][port]: index + 1; 0: nobody */
	struct queue ready, acks;
	bool open_loop, paused; /* paused: no new requests */
	struct pace pace;
	uint64_t next_port; /* counts over all ports of all sources */
	uint32_t opened, opening, in_flight, sweep_at;
	uint64_t asked, answered, wrong, resets, closed, retried, resent, late;
	struct histogram latency;     /* TSC cycles */
	struct histogram undisturbed; /* of requests during which the generator was not away */
	uint64_t away_tsc;            /* until when it was the last time */
};

/** wire, form, and rules.body and .body_bytes are set. @return 0 or -errno */
int clients_init(struct clients *c, const struct request_form *form);
void clients_fini(struct clients *c);

void clients_input(struct clients *c, const struct segment *s, uint64_t now_tsc);

/** Open connections, send requests, acknowledge: after the input of a turn. */
void clients_turn(struct clients *c, uint64_t now_tsc);

/** All connections are there; with close: always. */
bool clients_open(const struct clients *c);

/** Look at a part of the clients: what nobody answered for a time is sent again. */
void clients_sweep(struct clients *c, uint64_t now_tsc, uint64_t limit_tsc);

/** Is the address (host order) one of theirs? */
bool clients_own(const struct clients *c, uint32_t address);

#endif
