/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A struct net with two ports for tests of layers 2 and 3.
 *
 *   port 0  02:00:00:00:00:01  untagged  10.0.0.1/24  2001:db8::1/64    fe80::ff:fe00:1/64
 *   port 1  02:00:00:00:01:01  VLAN 100  10.1.0.1/24  2001:db8:1::1/64  fe80::ff:fe00:101/64
 *   routes  default via 10.0.0.254 and fe80::fe on port 0, 192.168.0.0/16 via 10.1.0.254 on port 1
 */
#ifndef WEIR_TESTS_RIG_H
#define WEIR_TESTS_RIG_H

#include "bufs.h"
#include "net.h"
#include "net_state.h"

struct rig {
	struct buf_pool pool;
	struct node node;
	struct net_port ports[2];
	uint64_t counters[COUNTER_COUNT];
	uint64_t ends[DROP_COUNT];
	uint64_t received;
	uint64_t now_us;
	struct net *net;
	struct pkt pkt;              /* the last one that net_parse() let through */
	struct net_icmp_error error; /* the last one that net_icmp_error() read */
};

/** Describe the ports and routes above; change them before rig_start(). */
void rig_init(struct rig *r);
void rig_start(struct rig *r, bool answers, uint32_t max_neighs);

/** End it. Aborts when a buffer leaked or a packet did not end in exactly one row. */
void rig_stop(struct rig *r);

/** Take a frame through net_parse() and on; TCP segments end in TCP_IN. Counts the end. */
enum drop rig_receive(struct rig *r, uint8_t port, const void *frame, size_t len);

/** As rig_receive(), of hexadecimal text. */
enum drop rig_receive_hex(struct rig *r, uint8_t port, const char *hex);

/** Number of frames waiting to be sent on a port. */
uint32_t rig_sent(const struct rig *r, uint32_t port);

/** Frame i waiting to be sent on a port as hexadecimal text; in a static buffer. */
const char *rig_sent_hex(const struct rig *r, uint32_t port, uint32_t i);

/** Forget what waits to be sent, as io does after sending it. */
void rig_drain(struct rig *r);

/** Let time pass and call net_tick(). */
void rig_wait(struct rig *r, uint64_t us);

/* A frame in, where it ends, and the frame that goes out on the same port ("" when none does). */
struct rig_golden {
	const char *name;
	uint8_t port;
	const char *in;
	enum drop end;
	const char *out;
};

/** Play each row; prints the ones that differ and returns how many did. */
uint32_t rig_play(struct rig *r, const struct rig_golden *rows, uint32_t n);

/** An address from its text; aborts when it is none. */
struct ip_addr rig_addr(const char *text);

#endif
