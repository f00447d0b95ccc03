/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Weir in a simulation: one to three workers behind a device with one queue, at 10.0.0.2:8080, with two
 * sets of weights for one route to the endpoints 10.0.0.11:80 (v1) and 10.0.0.12:80 (v2).
 */
#ifndef WEIR_SIM_WEIR_H
#define WEIR_SIM_WEIR_H

#include "steer.h"
#include "worker.h"
#include "worker_state.h"
#include "world.h"

#define HOUR_US 3600000000ull

struct routing {
	struct snapshot *snap; /* inflight[] is aligned to cache lines, so it is allocated */
	struct listener listener;
	struct vhost vhost;
	struct clause clause;
	struct route route;
	struct split split;
	struct dest dests[2];
	struct subset subsets[2];
	struct endpoint endpoints[2];
	struct value_part part;
	struct header_op op;
	uint16_t table[10];
};

struct weir {
	struct node node;
	struct net_port port;
	struct steer steer;
	struct buf_pool pool;
	uint32_t n;
	void *memory[3];
	struct worker *w[3];
	struct buf *burst[3][WORKER_BURST]; /* arrived since the worker's last turn */
	uint32_t n_burst[3];
	struct nic *nic;
	struct world *world;
	struct routing before, after;
};

/* How bodies and tunnels pass through Weir. */
enum weir_mode {
	WEIR_PROXY,        /* always by way of two TCP connections */
	WEIR_SPLICE,       /* long ones as splices */
	WEIR_SPLICE_EARLY, /* as splices as early as that is possible */
};

/** The mode of a name: proxy, splice, early. Ends the program when there is none. */
enum weir_mode weir_mode_of(const char *name);

/**
 * @param workers  1 to 3
 * @param vary     limits, buffers and MTU at random from the world's seed; else roomy ones
 */
void weir_init(struct weir *x, struct world *w, uint32_t workers, bool vary, enum weir_mode mode);
/** Let every worker do its turn, and put what it sends onto the wire. */
void weir_turn(struct weir *x);
uint64_t weir_next(const struct weir *x);
/** All workers go by the other set of weights from now on. */
void weir_change(struct weir *x);
/** Was the route split exactly? Of n picks by one worker, v2 has its share to within one. NULL or what is wrong. */
const char *weir_split(const struct weir *x);
/** Sum over the workers. */
uint64_t weir_counter(const struct weir *x, enum counter c);
/** Flows of all workers, those included whose ports rest. */
uint32_t weir_flows(const struct weir *x);
/**
 * After everything has closed: are the books in order? Frames in = sum of ends, gauges are zero, no
 * session, upstream or reference to a snapshot is left. NULL when they are, else what is wrong.
 */
const char *weir_books(const struct weir *x);
/** Free everything; returns the number of buffers that leaked. */
uint32_t weir_fini(struct weir *x);

#endif
