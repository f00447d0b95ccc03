/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One worker with listeners of layer 4, between packets written by hand and what it sends.
 *
 *   clients 10.0.0.1 (any port) --- Weir 10.0.0.2  TCP 80, UDP 53 --- a 10.0.0.11:8080  nine of ten
 *           2001:db8::1              2001:db8::2                  --- b 10.0.0.12:8080  one of ten
 *
 * Destinations and subsets may be changed before l4_rig_start(). Addresses are asked for by ARP or NDP and answered
 * at once. Each packet that comes out was checked: IP and layer 4 checksums are right.
 */
#ifndef WEIR_TESTS_L4_RIG_H
#define WEIR_TESTS_L4_RIG_H

#include "bufs.h"
#include "worker_state.h"

#define L4_SENT_MAX 64

/* A packet, in or out. */
struct l4_packet_text {
	const char *src, *dst; /* in: addresses */
	uint16_t sport, dport;
	uint8_t proto; /* 0: TCP */
	uint8_t flags;
	uint32_t seq, ack;
	uint16_t len;  /* payload bytes: byte i is (uint8_t)i */
	uint8_t ttl;   /* 0: 64 */
	uint16_t frag; /* the IPv4 header's field */
	uint16_t id;
	const uint8_t *opt; /* TCP options, a multiple of 4 bytes */
	uint8_t opt_len;
	bool no_sum; /* UDP: without a checksum */
	bool bad_sum;
};

struct l4_sent {
	uint8_t frame[2048];
	uint16_t len, l3, l4; /* offsets */
	uint8_t proto, ttl;
	struct ip_addr src, dst;
	uint16_t sport, dport;
	uint8_t flags;
	uint32_t seq, ack;
	uint8_t mac[6];
};

struct l4_rig {
	struct buf_pool pool;
	struct node node;
	struct net_port port;
	struct snapshot *snap;
	struct listener listeners[2];
	struct l4_route route;
	struct split split;
	struct dest dests[2];
	struct subset subsets[2];
	struct endpoint endpoints[2];
	uint16_t table[10];
	struct worker *w;
	void *memory;
	uint64_t now_us;
	uint64_t in;
	enum drop end; /* of the last packet */
	struct l4_sent sent[L4_SENT_MAX];
	uint32_t n_sent;
	bool mute; /* do not answer ARP and NDP */
};

void l4_rig_init(struct l4_rig *r);
void l4_rig_start(struct l4_rig *r);

/** End it. Aborts when a buffer leaked or a packet did not end in exactly one row. */
void l4_rig_stop(struct l4_rig *r);

/** A packet comes; what goes out for it replaces r->sent. Returns its end. */
enum drop l4_rig_in(struct l4_rig *r, const struct l4_packet_text *p);
#define L4_IN(r, ...) l4_rig_in(r, &(struct l4_packet_text){__VA_ARGS__})

/** The same packet as a whole frame; returns its length. */
uint16_t l4_rig_frame(const struct l4_rig *r, const struct l4_packet_text *p, uint8_t *out);
enum drop l4_rig_receive(struct l4_rig *r, const uint8_t *frame, uint16_t len);

/** Let time pass, a second a turn at most. */
void l4_rig_pass(struct l4_rig *r, uint64_t us);

uint64_t l4_rig_count(const struct l4_rig *r, enum counter c);

/** Sum over the TCP, UDP or ICMP message of a sent packet: 0 when it is right. */
uint16_t l4_rig_sum(const struct l4_sent *s);

#endif
