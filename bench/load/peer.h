/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One end of a TCP connection: what both clients and servers need of it. What is sent is a script, segments
 * made in advance; a segment is sent whole, as soon as the other side's window has room for all of it.
 */
#ifndef WEIR_BENCH_LOAD_PEER_H
#define WEIR_BENCH_LOAD_PEER_H

#include "wire.h"

struct peer {
	uint32_t src, dst;           /* network order */
	uint16_t sport, dport;       /* network order */
	uint32_t snd_nxt, snd_una;   /* host order, as the rest */
	uint32_t rcv_nxt, script_at; /* script_at: sequence number of the script's first byte */
	uint32_t window;             /* bytes that the other side takes after snd_una */
	uint16_t next;               /* segment of the script */
	uint8_t wscale;              /* of the other side's windows */
	uint8_t unacked;             /* segments received and not acknowledged */
};

struct script {
	struct message *segments;
	uint32_t n;
};

/** Cut a text (taken by reference) into segments. */
struct script script_of(const char *text, size_t len);
void script_free(struct script *s);

/** Begin with an initial sequence number. */
void peer_begin(struct peer *p, uint32_t isn);

/** SYN, ACK, FIN: nothing but a header. */
void peer_say(struct wire *w, struct peer *p, uint32_t flags);

/** Begin a script; peer_go_on() sends it. */
void peer_script(struct peer *p);

/**
 * Send of the script what the window takes.
 *
 * @param last  flags of the last segment beside ACK and PSH
 * @return      true when all of it is sent
 */
bool peer_go_on(struct wire *w, struct peer *p, const struct script *script, uint32_t last);

/** Go back to what is not acknowledged; peer_go_on() sends it again. */
void peer_rewind(struct peer *p);

/** Read the other side's acknowledgement and window. */
void peer_heard(struct peer *p, const struct segment *s);

#endif
