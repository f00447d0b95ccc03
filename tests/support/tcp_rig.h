/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One TCP stack on the net of rig.h, and a peer that is only bytes: 10.0.0.2, port 40000. Segments are
 * written by hand, with sequence numbers relative to both sides' initial ones, and what goes out is read
 * back. Port 80 listens (listener 7), port 81 is draining, others do not listen.
 */
#ifndef WEIR_TESTS_TCP_RIG_H
#define WEIR_TESTS_TCP_RIG_H

#include "rig.h"
#include "tcp.h"
#include "tcp_parts.h"

#define TCP_RIG_ISS 1000u /* initial sequence number of the peer */

struct tcp_rig {
	struct rig rig;
	struct tcp_config config;
	struct timer_wheel wheel;
	struct tcp_stack *tcp;
	struct tcp_conn *c; /* the connection that the helpers made last */
	uint32_t events;    /* all events of c so far */
	uint32_t iss;       /* our initial sequence number, as last seen on a SYN */
	uint16_t port;      /* the peer's */
	uint16_t our_port;
	uint32_t peer_clock; /* TSval of the next segment when timestamps are on */
	bool ts;             /* the peer sends timestamps */
	bool sack;
	bool exact; /* segments come in buffers that end with them: no reading beyond, no tailroom */
	uint8_t wscale; /* of the peer; 15: none */
};

/* A segment of the peer; seq and ack count from the initial numbers (SYN is 0). */
struct tcp_rig_seg {
	uint8_t flags;
	uint32_t seq, ack;
	uint16_t wnd; /* 0: 65535; see zero_wnd */
	uint16_t len; /* payload bytes; byte i is (uint8_t)(seq + i) */
	bool zero_wnd;
	bool absolute;          /* seq and ack are as on the wire */
	struct tcp_options opt; /* besides timestamps, which the rig adds */
};

/* Start with the defaults of tcp_config_default() and no keep-alive; change config before. */
void tcp_rig_init(struct tcp_rig *r);
void tcp_rig_start(struct tcp_rig *r);

/** End it; aborts when a buffer or connection leaked. */
void tcp_rig_stop(struct tcp_rig *r);

/** A segment of the peer arrives. Flushes nothing. */
enum drop tcp_rig_in(struct tcp_rig *r, const struct tcp_rig_seg *g);
#define TCP_RIG_IN(r, ...) tcp_rig_in(r, &(struct tcp_rig_seg){__VA_ARGS__})

/** Raw bytes of a segment, header included. */
enum drop tcp_rig_raw(struct tcp_rig *r, const uint8_t *bytes, uint16_t len, uint16_t buf_flags);

/** Take events, flush, and return the number of segments that wait to be sent. */
uint32_t tcp_rig_flush(struct tcp_rig *r);

/** Segment i that waits to be sent; numbers relative like those in. Payload pointer in *payload. */
struct tcp_rig_seg tcp_rig_out(struct tcp_rig *r, uint32_t i, const uint8_t **payload);

/** The only segment that waits, which is then forgotten; aborts when there is not exactly one. */
struct tcp_rig_seg tcp_rig_only(struct tcp_rig *r);

/** Forget what waits to be sent. */
void tcp_rig_drain(struct tcp_rig *r);

/** Let time pass in steps of a millisecond, with timers and flushes; stops when something is sent. */
void tcp_rig_wait(struct tcp_rig *r, uint64_t us);

/** Handshakes; the connection is r->c and nothing waits to be sent. */
void tcp_rig_accept(struct tcp_rig *r);
void tcp_rig_connect(struct tcp_rig *r);

/** Bring a fresh connection into a state (enum tcp_state); TCP_CLOSED: none. */
void tcp_rig_bring_to(struct tcp_rig *r, enum tcp_state state);

/** Queue n bytes (byte i is (uint8_t)i) in buffers of up to 1,400. */
void tcp_rig_send(struct tcp_rig *r, uint32_t n);

#endif
