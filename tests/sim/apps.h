/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The programs around Weir in a simulation: a client that asks for bodies of known bytes, and a server
 * that makes them. Every message is derived from a small plan, so both ends know every byte.
 *
 *   GET /p/<framing>/<length>/<key>    framing l: Content-Length, c: chunked, e: until close
 *   POST ... with x-up: <framing>/<length> and a body of key + 1
 */
#ifndef WEIR_SIM_APPS_H
#define WEIR_SIM_APPS_H

#include "http1.h"
#include "world.h"

struct bytes {
	uint8_t *p;
	size_t len, cap;
};

void bytes_add(struct bytes *b, const void *p, size_t len);
void bytes_free(struct bytes *b);

struct plan {
	char method; /* 'G', 'H', 'P', 'T': asks for a tunnel */
	char framing;
	char up_framing;
	uint32_t len, up_len, key;
};

/** The body of a key as it goes over the wire in this framing. */
void body_encode(struct bytes *out, char framing, uint32_t len, uint32_t key);

/* One connection of either program. */
struct talk {
	struct tcp_conn *conn; /* NULL: closed */
	struct bytes in, out;
	size_t in_at, out_at;
	size_t quits;  /* server: resets when so much was written; 0: does not */
	bool eof, fin; /* fin: shut down when everything is out */
	bool tunnel;   /* turns of bytes of `key`, the client's first */
	uint32_t key, turn;
};

struct apps_chaos {
	uint32_t reset_ppm;   /* per request: server resets instead of answering */
	uint32_t cut_ppm;     /* per response: server resets in the middle of the body */
	uint32_t close_ppm;   /* per response: server closes afterwards without having said so */
	uint32_t abandon_ppm; /* per client: resets its connection in the middle */
	uint32_t late_ppm; /* per response: server resets, or ends, while the body is on its way */
};

struct server {
	struct host host;
	const char *version; /* "v1" */
	struct apps_chaos chaos;
	struct talk *flows[512];
	uint32_t n_flows;
	uint64_t requests;
	uint64_t bad; /* request bodies, or turns in tunnels, that were not what the client sent */
	struct http1_request request;
};

struct client {
	struct talk flow;
	uint64_t seed;  /* of its plans */
	uint32_t n;     /* requests to make */
	bool tunnel;    /* the last one becomes a tunnel */
	uint32_t quits; /* resets after so many bytes; 0: does not */
	uint32_t depth; /* pipelined at most */
	bool heavy;     /* most bodies are long, and of known length */
	uint32_t
		hurry; /* asks for the next, or ends, when so much of a response has come; 0: does not */
	uint32_t max_len;
	uint32_t sent, done;
	bool failed; /* connection ended early */
	bool abandon;
	uint64_t ok[2];  /* responses by version */
	uint64_t errors; /* 5xx */
};

struct clients {
	struct host host;
	struct client *list;
	uint32_t n;
	struct ip_addr to;
	be16_t port;
	uint64_t wrong; /* responses with a byte that is not as planned */
	char why[200];
	struct http1_response response;
};

/** Take the news of the host's TCP and act. */
void server_turn(struct server *s);
void clients_turn(struct clients *c);
/** Open the connection of client i. */
void client_start(struct clients *c, uint32_t i);
void server_free(struct server *s);
void clients_free(struct clients *c);
/** How many have a connection. */
uint32_t clients_connected(const struct clients *c);

#endif
