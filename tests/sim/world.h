/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A little world for simulations: one Ethernet segment on a virtual clock, on which frames are
 * delayed, lost, doubled, reordered and damaged at random, all from one seed.
 *
 *   host (net + tcp) ---+
 *   host (net + tcp) ---+--- wire (heap of frames by time of arrival)
 *   Weir (workers)   ---+
 *
 * A sent frame is copied onto the wire at once, but the sender's buffer stays referenced for a random
 * while, as with a device that has not finished: code that writes into a buffer still being sent is
 * found out because the damage is compared (world_release()).
 */
#ifndef WEIR_SIM_WORLD_H
#define WEIR_SIM_WORLD_H

#include "bufs.h"
#include "net.h"
#include "tcp.h"
#include "timer.h"

#include "weir/stats.h"

struct wire {
	uint32_t loss_ppm, double_ppm, reorder_ppm, damage_ppm;
	uint32_t delay_min_us, delay_max_us;
	uint32_t reorder_us; /* extra delay of a reordered frame */
	uint32_t hold_us;    /* longest time a device keeps a buffer */
};

/* A device on the segment. */
struct nic {
	uint8_t mac[6];
	void (*receive)(void *arg, const uint8_t *frame, uint16_t len);
	void *arg;
};

/* What may be wrong with a wire; world_draw_wire() draws what is. */
struct wire_odds {
	uint32_t loss_ppm;                            /* of frames */
	uint32_t double_ppm, reorder_ppm, damage_ppm; /* of wires that do so at all */
	uint32_t jitter_us;                           /* up to twice that */
};

#define WORLD_NICS_MAX 8

struct world {
	uint64_t now_us;
	uint64_t rng;
	struct wire wire;
	struct nic nics[WORLD_NICS_MAX];
	uint32_t n_nics;
	struct wire_event *heap; /* by time */
	uint32_t n_heap, cap_heap;
	uint64_t seq;
	uint64_t frames, lost;
	bool trace;
};

void world_init(struct world *w, uint64_t seed);
void world_fini(struct world *w);
uint32_t world_random(struct world *w, uint32_t below);
bool world_chance(struct world *w, uint32_t ppm);
void world_draw_wire(struct world *w, const struct wire_odds *odds);

/** Add a device; its MAC address is 02:00:00:00:00:n. */
struct nic *world_nic(struct world *w, void (*receive)(void *, const uint8_t *, uint16_t),
                      void *arg);

/** Put what a net wants to send onto the wire. */
void world_collect(struct world *w, const struct nic *from, struct net_out *out);

/** Time of the next arrival or release; UINT64_MAX when the wire is empty. */
uint64_t world_next(const struct world *w);

/** Deliver and release everything that is due at w->now_us. */
void world_deliver(struct world *w);

/** Go on to a time, at least by a microsecond and by no more when it is UINT64_MAX, and deliver. */
void world_go_to(struct world *w, uint64_t at_us);

/* An ordinary host: layer 3, TCP and a wheel; the application on top is the simulation's. */
struct host {
	struct world *world;
	struct nic *nic;
	struct node node; /* addresses */
	struct net *net;
	struct tcp_stack *tcp;
	struct timer_wheel wheel;
	struct buf_pool pool;
	void *net_memory, *tcp_memory;
	uint64_t counters[COUNTER_COUNT];
	uint64_t ends[DROP_COUNT];
	uint64_t received;
	be16_t listen_port; /* 0: none */
};

struct host_config {
	const char *address; /* "10.0.0.1", prefix length 24, or an IPv6 one, 64 */
	uint16_t mtu;
	uint32_t rcvbuf, sndbuf;
	uint32_t pool;
	uint16_t listen_port; /* host order; 0: none */
};

/* How hosts differ: a small MTU, buffers of a size that is doubled up to so many times. */
struct host_odds {
	uint32_t small_ppm;
	uint32_t rcvbuf, rcvbuf_sizes;
	uint32_t sndbuf, sndbuf_sizes;
};

void host_init(struct host *h, struct world *w, const struct host_config *c);
/** A host drawn from the world's seed. */
struct host_config host_draw(struct world *w, const struct host_odds *odds, const char *address,
                             uint16_t listen_port);
void host_fini(struct host *h);
/** Timers; the caller then takes news with tcp_next_ready() and calls host_flush(). */
void host_turn(struct host *h);
void host_flush(struct host *h);
uint64_t host_next(const struct host *h);

/**
 * A simulation has failed: say how, and how it is replayed, and end the program. sim_now is set by its main().
 */
extern struct sim_now {
	const char *program, *mode; /* mode: argument before the seed, or NULL */
	uint64_t seed;
} sim_now;
void sim_fail(const char *fmt, ...) __attribute__((noreturn, format(printf, 1, 2)));

static inline uint64_t sim_least(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/** Address and port in network order of a text address. */
struct ip_addr sim_addr(const char *text);

#endif
