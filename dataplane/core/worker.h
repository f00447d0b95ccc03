/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The engine of one core: everything between a received frame and the frames it causes.
 *
 * io (or a simulation) owns the loop; this is all it calls:
 *
 *   for each burst received:  worker_input(w, frames, n, now)
 *   once a turn:              worker_turn(w, now)       news of TCP -> HTTP -> routing -> sending
 *                             drain net_out(worker_net(w), port) of every port
 *                             worker_use(w, snapshot)   when ctrl has published another one
 *
 * A worker never reads a clock, never allocates and touches nothing that another worker writes.
 */
#ifndef WEIR_WORKER_H
#define WEIR_WORKER_H

#include "buf.h"
#include "net.h"

#include "weir/node.h"
#include "weir/snapshot.h"
#include "weir/stats.h"

struct worker;      /* fields in worker_state.h: only the engine's own files look inside */
struct offload_env; /* offload.h: what devices can do */
struct offload_counts;
struct steer; /* steer.h: which worker owns a packet */

/* What a worker stands on; all of it outlives the worker. */
struct worker_env {
	const struct node *node;
	const struct net_port *ports; /* [node->n_ports] */
	struct buf_pool *pool;
	const struct steer *steer;         /* NULL with a single worker */
	const struct offload_env *offload; /* ops, device, ports; NULL: devices do nothing */
	uint32_t id; /* 0 .. n_workers - 1; worker 0 answers ARP, NDP and echo */
	uint32_t n_workers;
	uint8_t secret[16]; /* random */
	uint64_t seed;      /* random */
};

/** Bytes of memory of one worker. Most of it stays untouched until connections come. */
size_t worker_bytes(const struct node *node);

/**
 * @param memory  worker_bytes() bytes, zeroed, aligned to 64
 * @param first   snapshot to start with; not NULL
 * @return        NULL when the next hop of a static route is not on a prefix of its port
 */
struct worker *worker_init(void *memory, const struct worker_env *env, struct snapshot *first,
                           uint64_t now_us);

/**
 * Reset what is still open, both sides, some of it at a time: the caller sends what it finds in
 * net_out() and calls again (shutdown; a peer that is told need not find out).
 *
 * @return true while there is more
 */
bool worker_reset(struct worker *w, uint64_t now_us);

/** Give back every buffer; sends nothing (shutdown). */
void worker_fini(struct worker *w);

/* What worker_owner() answers beside the number of a worker. */
#define WORKER_EVERY (-1)

/**
 * Who must see this frame: a worker's number, or WORKER_EVERY (ARP, NDP, ICMP: all learn from them).
 * Only looks; with one worker there is no need to ask. For ports whose device cannot do it.
 */
int worker_owner(const struct worker *w, const struct buf *frame);

#define WORKER_BURST 32

/**
 * Received frames, in the order of their arrival. Together they cost less than one by one: what each
 * needs from memory is asked for before the first is looked at.
 *
 * @param frames  views over whole Ethernet frames; consumed
 * @param n       0 to WORKER_BURST
 *
 * Counts the end of each in stats->ends. io counts RX_PKTS, RX_BYTES for frames of a device and HANDED_IN for
 * those of other workers, so that RX_PKTS + HANDED_IN = sum of ends.
 */
void worker_input(struct worker *w, struct buf *const *frames, uint32_t n, uint64_t now_us);

/**
 * Do what the frames of this turn and the time cause: timers, HTTP, routing, sending.
 *
 * @param unix_s  wall clock for Date fields, seconds since 1970
 * @return        true when something was done (else io may think about sleeping)
 */
bool worker_turn(struct worker *w, uint64_t now_us, uint64_t unix_s);

/** A time before which worker_turn() has nothing to do unless a frame comes; UINT64_MAX: none. */
uint64_t worker_next(const struct worker *w);

/** Route by this snapshot from the next request on. Requests in flight keep theirs. */
void worker_use(struct worker *w, struct snapshot *s);

/**
 * Draining: refuse new connections, close idle ones, answer the rest with "Connection: close".
 * Idempotent; false takes connections again.
 */
void worker_drain(struct worker *w, bool on, uint64_t now_us);

struct net *worker_net(struct worker *w);

/** What this worker counts; io adds its own counters (RX_PKTS, TX_PKTS, LOOPS ...) there. */
struct worker_stats *worker_stats(struct worker *w);

/** What devices do for this worker of what comes in on a port of the node. */
const struct offload_counts *worker_offload(const struct worker *w, uint32_t port);

#endif
