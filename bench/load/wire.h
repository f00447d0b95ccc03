/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One memif port of the load generator: frames in and out, ARP, TCP headers over IPv4.
 *
 * The link loses nothing and keeps the order, so a segment is sent once and nothing is kept to send it
 * again. Sending waits while the other side's ring is full.
 */
#ifndef WEIR_BENCH_LOAD_WIRE_H
#define WEIR_BENCH_LOAD_WIRE_H

#include <rte_mbuf.h>

#include <stdbool.h>
#include <stdint.h>

#define WIRE_BURST 64
#define WIRE_MSS   1460

#define SEG_FIN 1u
#define SEG_SYN 2u
#define SEG_RST 4u
#define SEG_PSH 8u
#define SEG_ACK 16u

struct wire {
	uint16_t port_id;
	bool knows_peer; /* peer_mac is Weir's */
	uint8_t mac[6], peer_mac[6];
	uint32_t
		address; /* ours, host order; ARP requests for any other are answered just the same */
	struct rte_mempool *pool;
	uint64_t rx, tx, bad; /* frames; bad: with a wrong checksum or nothing we know */
	uint16_t n;
	struct rte_mbuf *out[WIRE_BURST];
};

/* Bytes to send often: the sum is computed once. */
struct message {
	const char *bytes;
	uint16_t len;
	uint16_t sum; /* one's complement sum, not inverted */
};

/* A TCP segment over IPv4; addresses and ports in network order. */
struct segment {
	uint32_t src, dst;
	uint16_t sport, dport;
	uint32_t seq, ack; /* host order */
	uint32_t flags;    /* SEG_* */
	const char *data;
	uint16_t len;
	const struct message *message; /* sending: instead of data and len, or NULL for none */
};

/** Take a message's text over (by reference) and sum it. */
struct message message_of(const char *bytes, uint16_t len);

/** Ask for the hardware address of an address (host order). */
void wire_ask(struct wire *w, uint32_t address);

/**
 * Read a frame; answers ARP by itself.
 *
 * @return true when s is a TCP segment; s->data goes into m, which stays the caller's in any case
 */
bool wire_parse(struct wire *w, struct rte_mbuf *m, struct segment *s);

/** Queue a segment; wire_flush() sends what is queued. */
void wire_send(struct wire *w, const struct segment *s);
void wire_flush(struct wire *w);

#endif
