/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Flows: connections that are forwarded packet by packet, without ending them. A flow has two sides,
 * and what one side is recognised by is what packets to it are rewritten to:
 *
 *      client                          Weir                          endpoint
 *   peer:rport  <---  side[FLOW_CLIENT]    side[FLOW_SERVER]  --->  peer:rport
 *                     local:lport          local:lport
 *
 * A packet that comes from peer:rport for local:lport of one side leaves with the local and the peer of
 * the other side as source and destination. With seq_add it is a splice of two TCP connections; without, NAT;
 * with another mode only the client's side is in the table and its packets are handed on otherwise.
 *
 * One flow is two cache lines for both directions, and a look-up costs one more: the table has buckets
 * of one line, as that of TCP connections has (buckets.h). All flows of a worker are in one array; nothing
 * is allocated. Flows age on a wheel of whole seconds, where each waits at the second at which it would be too
 * old; when that comes and it has been used since, it waits further. Half-open ones stand in one queue,
 * oldest first, and the oldest makes room: a flood of SYNs costs the flood's flows, not others.
 *
 * Pure data and time as an argument: no clock, no I/O. l4.c opens flows and rewrites packets.
 */
#ifndef WEIR_FLOW_H
#define WEIR_FLOW_H

#include "buckets.h"
#include "fetch.h"
#include "hash.h"
#include "net.h"
#include "slab.h"

#include "weir/addr.h"
#include "weir/snapshot.h"

#include <assert.h>
#include <stdalign.h>

enum flow_side_id {
	FLOW_CLIENT,
	FLOW_SERVER,
};

enum flow_state {
	FLOW_FREE,
	FLOW_HALF_OPEN, /* no answer from the endpoint yet (modes without answers: no ACK from the client) */
	FLOW_ESTABLISHED,
	FLOW_CLOSING, /* a FIN was seen from one side */
	FLOW_CLOSED,  /* from both, or a RST: remembered, so that its ports rest */
	FLOW_STATES,
};

enum flow_flag {
	FLOW_F_FIN_CLIENT = 1 << FLOW_CLIENT,
	FLOW_F_FIN_SERVER = 1 << FLOW_SERVER,
	FLOW_F_SEQ = 1 << 2,     /* seq_add of a side is not 0 */
	FLOW_F_RESET = 1 << 3,   /* a RST was seen */
	FLOW_F_ONE_WAY = 1 << 4, /* only the client's side is in the table */
	FLOW_F_UDP = 1 << 6,     /* else TCP */
	FLOW_F_STATS = 1 << 5,   /* counted as active at its destination and endpoint */
	FLOW_F_SPLICE = 1 << 7,  /* splice.c rewrites its segments; splice is its number + 1 */
};

struct flow_side {
	be32_t peer[4]; /* struct ip_addr, at any alignment */
	be16_t rport, lport;
	uint16_t local; /* which of our own addresses: net_own() */
	uint16_t
		sum; /* what rewriting a packet to this side adds to its checksum: a one's complement sum */
	struct net_path path; /* the way to peer */
	uint32_t
		seq_add; /* added to the sequence numbers of what goes to this side, taken off what it acknowledges */
	uint32_t bytes; /* of IP packets that came from this side, modulo 2^32 */
};

struct flow {
	alignas(128) struct flow_side side[2];
	uint16_t seen_s;  /* when the last packet came: flow_table.now_s then */
	uint16_t due_s;   /* where it waits on the wheel; in a queue: when it came there */
	uint8_t state;    /* enum flow_state */
	uint8_t flags;    /* set of enum flow_flag */
	uint8_t mode;     /* enum forward_mode */
	uint8_t idle;     /* index into flow_table.idle_s */
	struct slot dest; /* whose statistics count it */
	struct slot endpoint;
	uint32_t next, prev; /* in its queue: index + 1; 0: none */
	uint32_t splice;     /* index + 1 of what splice.c knows of it; HALF_OPEN: the endpoint's
	                         first sequence number; else the last one that the
	                         endpoint saw from us */
	uint32_t offload;    /* index + 1 of what offload.c knows of it */
};
static_assert(sizeof(struct flow) == 128, "a flow is two cache lines");

#define FLOW_IDLES      255   /* different idle times; more share the nearest longer one */
#define FLOW_WHEEL_S    4096  /* seconds on the wheel; who waits longer goes round again */
#define FLOW_TIME_MAX_S 28800 /* longest time-out: seconds are counted modulo 65,536 */

enum flow_queue_id {
	FLOW_QUEUE_HALF_OPEN,
	FLOW_QUEUE_CLOSED,
	FLOW_QUEUE_WHEEL, /* the first of FLOW_WHEEL_S */
	FLOW_QUEUES = FLOW_QUEUE_WHEEL + FLOW_WHEEL_S,
};

struct flow_queue {
	uint32_t first, last; /* index + 1; 0: none */
};

struct flow_config {
	uint32_t max;           /* flows */
	uint32_t half_open_max; /* of those, half open */
	uint16_t syn_s, fin_s, closed_s;
};

struct flow_table {
	struct buckets index; /* of numbers: flow * 2 + side */
	struct slab slab;
	struct flow_config config;
	struct hash_key key;
	uint16_t now_s;   /* of the last flow_tick() */
	uint16_t wheel_s; /* the wheel's next second */
	uint32_t n_half_open;
	uint32_t n_idles;
	uint16_t idle_s[FLOW_IDLES];
	struct flow_queue queue[FLOW_QUEUES];
};

/** Bytes of memory for a table of max flows. */
size_t flow_bytes(uint32_t max);

/**
 * @param memory  flow_bytes() bytes, aligned to 64
 * @param key     of the hashes that flow_find() gets: that of the worker's TCP (tcp_hash_key())
 */
void flow_init(struct flow_table *t, void *memory, const struct flow_config *c,
               const struct hash_key *key, uint64_t now_us);

/** Hash of what a side is recognised by. TCP: the same as that of a connection of tcp.h. */
static inline uint64_t flow_hash(const struct flow_table *t, const struct ip_addr *local,
                                 const struct ip_addr *peer, be16_t lport, be16_t rport, bool udp)
{
	uint64_t hash = hash_tuple(&t->key, local, peer, lport, rport);

	return udp ? ~hash : hash;
}

/* ---- look-up, in steps as tcp_input_hash() and so on: bucket, then flow ------------------- */

static inline void flow_fetch_bucket(const struct flow_table *t, uint64_t hash)
{
	buckets_fetch(&t->index, hash);
}

/** @return false: there is none, or (hardly ever) it is not where it is looked for first */
static inline bool flow_fetch(const struct flow_table *t, uint64_t hash)
{
	uint32_t number = buckets_guess(&t->index, hash);
	const uint8_t *f;

	if (number == UINT32_MAX)
		return false;
	f = slab_at(&t->slab, number / 2);
	fetch_line(f);
	fetch_line(f + 64);
	return true;
}

/**
 * The flow of a packet.
 *
 * @param p     kind PKT_TCP or PKT_UDP, with p->hash
 * @param side  receives the side that it comes from
 * @return      NULL: none
 */
struct flow *flow_find(const struct flow_table *t, const struct pkt *p, enum flow_side_id *side);

/** Is there a flow whose side is this? Asked for a free source port. hash: flow_hash() of it. */
struct flow *flow_find_side(const struct flow_table *t, const struct flow_side *s, bool udp,
                            uint64_t hash, enum flow_side_id *side);

/* ---- life --------------------------------------------------------------------------------- */

/**
 * What has to go before a half-open flow can be made: the oldest half-open one when there are too many,
 * else the oldest closed one when the table is full, else the oldest half-open one. NULL: nothing has to,
 * or (flow_new() gives NULL then) nothing can. The caller ends it with flow_free().
 */
struct flow *flow_victim(const struct flow_table *t);

/** A flow, half open, zero but for its queue; NULL: table full. Fill it, then flow_add() its sides. */
struct flow *flow_new(struct flow_table *t);

/** Make a side findable. hash: flow_hash() of it. */
void flow_add(struct flow_table *t, struct flow *f, enum flow_side_id side, uint64_t hash);
void flow_remove(struct flow_table *t, struct flow *f, enum flow_side_id side, uint64_t hash);

/** Give it back. Its sides have been removed. */
void flow_free(struct flow_table *t, struct flow *f);

void flow_set_state(struct flow_table *t, struct flow *f, enum flow_state state);

/** A closed flow begins its rest anew. */
void flow_renew(struct flow_table *t, struct flow *f);

/** The number for flow.idle that stands for a time, rounded up to seconds. */
uint8_t flow_idle(struct flow_table *t, uint64_t idle_us);

/** Tell the time. */
void flow_tick(struct flow_table *t, uint64_t now_us);

/**
 * A flow whose time has come, still in the table: the caller ends it.
 *
 * @param budget  how many flows may still be looked at in this turn; counted down
 * @return        NULL: none, or the budget is spent
 */
struct flow *flow_expired(struct flow_table *t, uint32_t *budget);

/** A time before which flow_expired() gives nothing; UINT64_MAX: no flows. */
uint64_t flow_next(const struct flow_table *t, uint64_t now_us);

static inline bool flow_is_udp(const struct flow *f)
{
	return f->flags & FLOW_F_UDP;
}

static inline struct ip_addr flow_peer(const struct flow_side *s)
{
	struct ip_addr a;

	memcpy(&a, s->peer, sizeof(a));
	return a;
}

static inline bool flow_peer_is(const struct flow_side *s, const struct ip_addr *a)
{
	uint64_t q[2];

	memcpy(q, s->peer, sizeof(q));
	return ((q[0] ^ a->q[0]) | (q[1] ^ a->q[1])) == 0;
}

static inline struct flow *flow_at(const struct flow_table *t, uint32_t index)
{
	return slab_at(&t->slab, index);
}

#endif
