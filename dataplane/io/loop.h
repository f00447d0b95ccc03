/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What one core does, round and round: the loop around core's worker.
 *
 *   device queues --rx--+                                +--tx--> device queues
 *   rings in -----------+--> worker_input, worker_turn --+------> rings out
 *
 * A turn takes at most a burst from each source, so no source starves another. A turn that finds
 * nothing makes the next one a little later: first a pause, after spin_us a sleep, never past the worker's
 * next timer. A worker that every source can wake (wake.h) sleeps until one does; another's sleeps
 * grow to the node's idle_sleep_us (docs/decisions/0060).
 *
 * Nothing here locks, allocates or logs once the loop runs; the sleep and the bell of a worker that sleeps
 * are its system calls beside the clock.
 */
#ifndef WEIR_IO_LOOP_H
#define WEIR_IO_LOOP_H

#include "clock.h"
#include "handoff.h"
#include "port.h"
#include "publish.h"
#include "wake.h"
#include "worker.h"

#include <time.h>

#define LOOP_BURST   WORKER_BURST
#define LOOP_RXQ_MAX 64

/* A device queue that this worker polls. */
struct loop_rxq {
	uint16_t port_id; /* of ethdev */
	uint16_t queue;
	uint8_t port; /* index into the node's ports */
	bool sorted;  /* the device already chose the worker for TCP */
	bool intr;    /* the device can wake us */
};

/* How this worker sends on one port. */
struct loop_tx {
	uint16_t port_id;
	uint16_t queue;
	struct rte_ring *ring; /* not NULL: through the worker that owns the queue */
	uint8_t owner;         /* that worker */
	bool prepare;          /* its driver is to see frames before it sends them */
};

/* What all loops share and read once a turn; written by the control thread, draining and stopping seldom. */
struct loop_shared {
	const struct node *node;
	struct publish *publish;
	struct clock clock;
	uint64_t spin_us;   /* poll this long after the last work before sleeping */
	bool draining;      /* ctrl: w, workers: r */
	bool stopping;      /* ctrl: w, workers: r */
	uint32_t n_running; /* ctrl: w, before stopping */
	/* workers: count themselves when they have sent their last frame */
	alignas(LINE_APART) uint32_t n_reset;
};

static_assert(offsetof(struct loop_shared, n_reset) >= LINE_APART, "read by who still polls");

struct loop {
	alignas(LINE_APART) uint32_t id; /* of the worker */
	unsigned int lcore;
	uint32_t n_workers, n_ports;
	uint32_t n_rxq, n_in, n_out;
	struct loop_shared *shared;
	struct worker *worker;
	struct net *net;
	uint64_t *counters, *ends;
	struct buf_pool *pool;
	struct loop_rxq rxq[LOOP_RXQ_MAX];
	struct loop_tx tx[NODE_PORTS_MAX];
	struct rte_ring *in[WEIR_WORKERS_MAX];   /* [n_in]: received frames from others */
	struct rte_ring *out[WEIR_WORKERS_MAX];  /* [n_out]: frames others want sent */
	struct rte_ring *hand[WEIR_WORKERS_MAX]; /* [worker]: our frames for it, or NULL */
	struct wake *peers[WEIR_WORKERS_MAX];    /* [worker] */
	struct wake wake;                        /* who else touches it says wake.h */
	uint64_t owed;                           /* bit w: worker w got frames of ours this turn */
	bool can_wake;                           /* every source can wake it */
	bool alarmed;  /* the last wait ended, and nothing was found yet */
	bool draining; /* as the worker has it */
	uint64_t generation;
	uint64_t mark; /* time stamp when the driver was last entered */
	uint64_t unix_s, unix_next_us;
	uint32_t idle_turns;
	uint64_t idle_from_us;
	uint64_t sleep_us; /* the last one that only time ended */
	uint64_t wait_us;  /* the longest next one that something may end */
	clockid_t
		cpu_clock; /* worker: w, ctrl: r; CPU time of this thread, 0: it does not run yet */
};

/**
 * Run the worker until shared->stopping; then reset its connections and give back every buffer.
 *
 * @param loop  struct loop, ready; for rte_eal_remote_launch()
 */
int loop_run(void *loop);

/** One turn. Returns true when there was something to do. For loop_run() and tests. */
bool loop_turn(struct loop *l);

#endif
