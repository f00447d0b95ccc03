/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Two hosts, each a net and a TCP stack, joined by a link that may do everything links do: lose,
 * delay, reorder, double, corrupt, and hold a sent buffer for a while as a device's DMA does. All of it
 * drawn from one seed, on a virtual clock.
 *
 *   side[0] 10.0.0.1, 2001:db8::1  <---- frames in flight, a heap by time ---->  side[1] 10.0.0.2, ...::2
 */
#ifndef WEIR_SIM_TCP_LINK_H
#define WEIR_SIM_TCP_LINK_H

#include "bufs.h"
#include "net.h"
#include "rng.h"
#include "tcp.h"

#include "weir/stats.h"

#include <stdio.h>

struct link_conf {
	uint32_t loss_permille, dup_permille, corrupt_permille, reorder_permille;
	uint32_t delay_us, jitter_us;
	uint32_t hold_us;          /* a sent buffer stays shared up to so long */
	uint64_t bytes_per_second; /* 0: no limit */
	uint32_t queue_us;         /* longest wait for the wire before a frame is dropped */
	uint16_t mtu[2];           /* of each side's port */
	uint32_t pool_limit;
	bool device_sums;                        /* the receiving device checks checksums */
	bool tx_ip_csum, tx_tcp_csum, tx_gather; /* of both ports, as struct net_port has them */
	uint8_t tx_tso_bufs;
	bool v6;
	struct tcp_config tcp;
	uint64_t start_us;
};

struct link_side {
	struct buf_pool pool;
	uint64_t counters[COUNTER_COUNT];
	uint64_t ends[DROP_COUNT];
	uint64_t received;
	struct node node;
	struct net_port port;
	struct timer_wheel wheel;
	struct net *net;
	struct tcp_stack *tcp;
	struct ip_addr addr;
	uint64_t wire_free_us; /* when the wire towards the other side is free */
	int listen;            /* what the listener answers */
};

struct link_frame;

struct link {
	struct link_conf conf;
	struct rng rng;
	uint64_t now_us;
	struct link_side side[2];
	struct link_frame **heap;
	uint32_t n, room;
	uint64_t order;
	FILE *trace;
	bool failed;        /* a frame was written while a device held it */
	bool no_sack;       /* blank the SACK-permitted options on the way */
	bool clean;         /* from now on the link is perfect */
	uint64_t delivered; /* frames */
	uint64_t *log;      /* of each frame sent: a hash of when and what */
	uint32_t n_log, log_room;
};

void link_init(struct link *l, const struct link_conf *conf, uint64_t seed);

/** Everything freed; returns false when buffers or connections leaked (written to stderr). */
bool link_fini(struct link *l);

/** Time of the next thing that happens by itself; UINT64_MAX: none. */
uint64_t link_next(const struct link *l);

/** Go on to time now_us: deliver, fire timers, flush. */
void link_run(struct link *l, uint64_t now_us);

/** Flush both stacks and put what they sent on the wire. */
void link_flush(struct link *l);

/** 4-tuple of a connection from side 0's port a to side 1's port b. */
struct tcp_peer link_peer(const struct link *l, uint16_t a, uint16_t b);

#endif
