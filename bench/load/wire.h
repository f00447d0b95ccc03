/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One port of the load generator: frames in and out, ARP, TCP headers over IPv4.
 *
 * A frame is a copy of the port's template with a few fields patched; sums of payloads are computed once,
 * when a message is made. Sending waits while the other side's ring is full, so nothing is lost here.
 */
#ifndef WEIR_BENCH_LOAD_WIRE_H
#define WEIR_BENCH_LOAD_WIRE_H

#include <rte_mbuf.h>

#include <stdbool.h>
#include <stdint.h>

#define WIRE_BURST  64
#define WIRE_MSS    1460
#define WIRE_WSCALE 7 /* of the windows that are offered, if nothing else is said: 8 MiB */
#define WIRE_HEADER 54

#define SEG_FIN 1u
#define SEG_SYN 2u
#define SEG_RST 4u
#define SEG_PSH 8u
#define SEG_ACK 16u

enum wire_kind {
	WIRE_NOTHING, /* ARP, IPv6, or not understood */
	WIRE_TCP,
	WIRE_OTHER, /* IPv4, but not TCP; only the addresses are read */
};

struct wire {
	uint16_t port_id;
	bool knows_peer; /* peer_mac is Weir's */
	uint8_t mac[6], peer_mac[6];
	uint8_t wscale;   /* of the windows we offer */
	uint32_t address; /* ours, host order; ARP requests for any other are answered as well */
	struct rte_mempool *pool;
	uint64_t rx, tx, bad; /* frames; bad: with a wrong checksum or nothing we know */
	uint16_t n, spares;
	struct rte_mbuf *out[WIRE_BURST], *spare[WIRE_BURST];
	uint8_t head[WIRE_HEADER] __attribute__((aligned(8)));
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
	uint16_t window;   /* as it stands in the header, host order */
	uint8_t wscale;    /* received with SYN; 0: none */
	uint16_t len;
	const char *data;
	const struct message *message; /* sending: instead of data and len, or NULL for none */
};

/** Take a message's text over (by reference) and sum it. */
struct message message_of(const char *bytes, uint16_t len);

/** One's complement sum of 32 bits folded to 16. */
uint16_t wire_fold(uint32_t sum);

/** Read what the port's own address and the peer's are into the template; again when the peer is known. */
void wire_prepare(struct wire *w);

/** Ask for the hardware address of an address (host order). */
void wire_ask(struct wire *w, uint32_t address);

/** Read a frame; answers ARP by itself. s->data goes into m, which stays the caller's. */
enum wire_kind wire_parse(struct wire *w, struct rte_mbuf *m, struct segment *s);

/** Queue a segment; wire_flush() sends what is queued. */
void wire_send(struct wire *w, const struct segment *s);
void wire_flush(struct wire *w);

/** A new frame, queued already; its data is the caller's to write before wire_flush(). */
struct rte_mbuf *wire_new_frame(struct wire *w);

#endif
