/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Which flows the device forwards alone, and when it has to stop.
 *
 *           crosses a quantum         heavy               taken
 *   (none) ------------------> WATCHED ----> INSERTING ----------> ACTIVE
 *     ^                           |              | refused            | closed, limit, idle, room,
 *     |        window is over     |              v                    | path, drain
 *     +---------------------------+          (none)    refused        v
 *     |                                        RETRY <----------- REMOVING
 *     |   settled                                |  -----------------> | gone
 *     +---------------- SETTLING <---------------+---------------------+
 *
 * One direction of a flow at most is the device's: that of the many bytes. What acknowledges them stays
 * with software, which so sees how far the flow has got. Rules match neither SYN, FIN nor RST: those come
 * to software, at any moment.
 *
 * What makes this safe (the whole argument is in docs/offload.md):
 *
 *   1. While a rule may be in the device, the flow it stands for stays as it is: flow->offload is not 0,
 *      so the flow is not freed, its ports are not used again, a splice does not come back. Device and software
 *      rewrite a packet to the same bytes, so it makes no difference which of them gets it.
 *   2. A splice that has to come back lets the device send nothing beyond its limit: the server may send
 *      what the client's window allows, the client's acknowledgements go through software, and software
 *      lets none through that opens the window beyond the limit before the rule is out (offload_edge()).
 *   3. After the device has said that a rule is gone, the flow stays as it is for OFFLOAD_SETTLE_US, so
 *      that what is still inside the device leaves before anything else can be meant by its addresses.
 *
 * The device is behind a table of operations that only ask; answers come by poll(), each question's exactly
 * once, in any order and at any time. No clock, no I/O, no allocation.
 */
#ifndef WEIR_CORE_OFFLOAD_H
#define WEIR_CORE_OFFLOAD_H

#include "flow.h"
#include "net.h"
#include "slab.h"

#include "weir/offload.h"

#define OFFLOAD_SETTLE_US  2000 /* a frame stays in a device for less, unless its link is paused */
#define OFFLOAD_QUERY_US   200000  /* counters of a rule are read so often */
#define OFFLOAD_IDLE_US    2000000 /* without a packet for so long, a rule goes */
#define OFFLOAD_TAIL_BYTES 262144  /* so much before the limit of a splice, removal begins */
#define OFFLOAD_RETRY_US   10000   /* until a removal that was refused is asked for again */

/* One direction of a flow as a device is asked to treat it. Plain data. */
struct offload_rule {
	uint8_t level; /* enum offload_level: what is asked for */
	uint8_t in_port, out_port;
	bool udp;
	/* matches: untagged or this tag, our MAC address, no fragment, no SYN, FIN, RST, sums right */
	uint16_t vlan;
	uint8_t in_mac[6];
	uint8_t ttl; /* of the packet as it comes in; one less as it leaves */
	struct ip_addr src, dst;
	be16_t sport, dport;
	/* OFFLOAD_MARK, OFFLOAD_STEER */
	uint32_t mark;
	uint16_t queue;
	/* OFFLOAD_REWRITE */
	uint8_t out_src_mac[6], out_dst_mac[6];
	struct ip_addr new_src, new_dst;
	be16_t new_sport, new_dport;
	/* OFFLOAD_SPLICE: modulo 2^32 */
	uint32_t seq_add, ack_add;
	uint32_t age_s; /* tell when it was not used for so long; 0: the device cannot */
};

enum offload_answer_kind {
	OFFLOAD_INSERTED,
	OFFLOAD_REFUSED, /* fail says why */
	OFFLOAD_REMOVED, /* with its last counters, when the device has them */
	OFFLOAD_STUCK,   /* not removed */
	OFFLOAD_COUNTED,
	OFFLOAD_UNCOUNTED, /* the device did not tell */
	OFFLOAD_AGED,      /* no question: not used for age_s */
	OFFLOAD_LOST       /* no question: all rules of port that were confirmed before are gone */
};

struct offload_answer {
	uint8_t kind; /* enum offload_answer_kind */
	uint8_t port;
	uint8_t fail;   /* enum offload_fail */
	uint32_t token; /* of the question */
	uint64_t pkts,
		bytes; /* since the rule is there; frames with their Ethernet header, without FCS */
};

/* A device, or a model of one. Questions return 0 (it will be answered) or -EAGAIN (ask again later). */
struct offload_ops {
	/** Would the device take this rule? At start, on the control thread. Level and port are in it. */
	bool (*probe)(void *device, const struct offload_rule *r);
	int (*insert)(void *device, const struct offload_rule *r, uint32_t token);
	int (*remove)(void *device, uint8_t port, uint32_t token);
	int (*query)(void *device, uint8_t port, uint32_t token);
	/** Answers, at most max; 0: none now. */
	uint32_t (*poll)(void *device, struct offload_answer *out, uint32_t max);
};

enum offload_kind {
	OFFLOAD_TCP4,
	OFFLOAD_UDP4,
	OFFLOAD_TCP6,
	OFFLOAD_UDP6,
	OFFLOAD_KINDS,
};

/* What a port can do, found out at start. */
struct offload_port {
	uint8_t level[NODE_PORTS_MAX][OFFLOAD_KINDS]; /* by the port that the packets leave on */
	bool ages;
	uint16_t queue;     /* of this worker; for OFFLOAD_STEER */
	uint32_t max_rules; /* of this worker */
};

/* How a splice stands. */
struct offload_splice {
	bool can; /* equal window scales, no timestamps, no SACK that would have to be rewritten */
	uint32_t seq_add, ack_add; /* to the numbers of packets that come from this side */
	bool limited; /* it has to come back: rewritten by the device, or not its at all */
	uint32_t
		edge; /* right edge of the window that was let through to the sender: sequence number */
	uint64_t left; /* bytes from there to the limit */
};

struct offload_env {
	const struct offload_ops *ops;
	void *device;
	const struct offload_port *ports; /* [n_ports] */
	const struct net_port *net_ports; /* [n_ports] */
	uint32_t n_ports;
	const struct node_offload *conf;
	struct flow_table *flows;
	struct net *net;
	/* Is it a splice, and may packets that come from this side be the device's? NULL: there are none */
	bool (*splice)(void *arg, const struct flow *f, enum flow_side_id from,
	               struct offload_splice *out);
	/* The device forwarded so much; side[from].bytes and seen_s have it already. NULL: nobody asks */
	void (*counted)(void *arg, struct flow *f, enum flow_side_id from, uint64_t pkts,
	                uint64_t bytes);
	/* A rule that rewrote its packets is no more, or never was: flow->offload is 0. NULL: nobody asks */
	void (*freed)(void *arg, struct flow *f);
	void *arg;
};

enum offload_state {
	OFFLOAD_FREE,
	OFFLOAD_WATCHED,
	OFFLOAD_INSERTING,
	OFFLOAD_ACTIVE,
	OFFLOAD_REMOVING,
	OFFLOAD_RETRY,
	OFFLOAD_SETTLING,
	OFFLOAD_STATES,
};

/* What is known of a flow while flow->offload is not 0. */
struct offload_entry {
	uint32_t flow; /* index; the slab's link when it is free, state then is OFFLOAD_FREE */
	uint8_t state; /* enum offload_state */
	uint8_t from;  /* enum flow_side_id: where the packets come from */
	uint8_t level;
	uint8_t port;        /* that they come in on */
	uint8_t why;         /* enum offload_why, once it is to go */
	bool doomed;         /* to go as soon as the device has answered */
	bool asked;          /* a query is out */
	bool limited;        /* edge and left count */
	uint32_t next, prev; /* in the queue of its state: index + 1; 0: none */
	uint32_t start;      /* of the flow's bytes, when the watch began */
	uint32_t edge;       /* as in struct offload_splice */
	uint64_t since_us;   /* in its state; ACTIVE: since it was last asked about */
	uint64_t left;
	uint64_t pkts, bytes; /* as the device said last */
	uint64_t moved_us;    /* when they grew last */
	uint64_t told_us;     /* when the device said so */
	uint64_t rate;        /* bytes a second */
	uint8_t hop[6];       /* MAC address that it sends to */
};

struct offload_queue {
	uint32_t first, last, n;
};

/* Of a port, how insertion goes. */
struct offload_gate {
	uint32_t rules, room;
	uint32_t leaving;  /* of rules: on their way out */
	uint64_t pause_us; /* nothing is asked for before */
	uint64_t back_off_us;
	uint64_t grow_us; /* when more room may be tried for */
};

struct offload {
	uint32_t mask; /* what changes in a byte count when it crosses a quantum; 0: off */
	bool draining;
	uint64_t now_us;
	struct offload_env env;
	struct slab slab;
	uint32_t hand;      /* search for the rule of least value goes on here */
	uint32_t questions; /* without an answer */
	uint64_t asked_us;  /* when the last one was asked */
	struct offload_queue queue[OFFLOAD_STATES];
	struct offload_gate gate[NODE_PORTS_MAX];
	struct offload_counts counts[NODE_PORTS_MAX]; /* worker: w, ctrl: r */
};

/** Entries for a worker: flows watched and rules together. 0: no offload. */
uint32_t offload_entries(const struct node *node);

size_t offload_bytes(uint32_t entries);

/**
 * The highest level at which a device takes rules of a kind that come in on one port and leave on another,
 * from `most` down; asks ops->probe() with rules as they will be.
 *
 * @param ages  with age_s; else without
 */
enum offload_level offload_probe(const struct offload_ops *ops, void *device,
                                 const struct offload_rule *sample, enum offload_level most);

/** A rule of made-up addresses for offload_probe(). */
void offload_sample(struct offload_rule *r, enum offload_kind kind, uint8_t in_port,
                    uint8_t out_port);

/**
 * @param memory   offload_bytes() bytes, aligned to 64; not needed when entries is 0
 * @param env      copied; what it points to stays
 */
void offload_init(struct offload *o, void *memory, uint32_t entries, const struct offload_env *env,
                  uint64_t now_us);

/**
 * Is it time for offload_see()? Asked with each packet that was forwarded.
 *
 * @param was, now  side->bytes before and after it
 */
static inline bool offload_crossed(const struct offload *o, uint32_t was, uint32_t now)
{
	return ((was ^ now) & o->mask) != 0;
}

/** The time, before packets are looked at. */
static inline void offload_tick(struct offload *o, uint64_t now_us)
{
	o->now_us = now_us;
}

/**
 * A packet of a flow made its byte count cross a quantum: watch the flow, or ask the device to take it.
 *
 * @param p  as it came, neither SYN, FIN nor RST; side[from].bytes counts it
 */
void offload_see(struct offload *o, struct flow *f, enum flow_side_id from, const struct pkt *p);

/**
 * The flow ends, changes, or its splice comes back: get it back from the device.
 *
 * @return true when it is ours (flow->offload is 0) and may go; false: leave the flow as it is, and ask
 *         again later
 */
bool offload_end(struct offload *o, struct flow *f, enum offload_why why);

/**
 * An acknowledgement is about to be passed on that opens the sender's window to `edge`.
 *
 * @return the edge that may be passed on: the same or, near the limit of a splice whose rule is not
 *         out yet, a lower one, never lower than those before. Once the rule is out (offload_env.freed), a
 *         sender that stopped there waits for more.
 */
uint32_t offload_edge(struct offload *o, struct flow *f, uint32_t edge);

/** The flow of a packet that the device marked, if it is that; NULL: look it up. */
struct flow *offload_marked(const struct offload *o, uint32_t mark, const struct pkt *p,
                            enum flow_side_id *side);

/** Is this direction of the flow the device's, so that software seeing nothing of it means nothing? */
bool offload_has(const struct offload *o, const struct flow *f, enum flow_side_id from);

/** Hear answers, read counters, end watches. Returns true when something was done. */
bool offload_turn(struct offload *o, uint64_t now_us);

/** A time before which offload_turn() has nothing to do; UINT64_MAX: idle. */
uint64_t offload_next(const struct offload *o);

/** While on, everything goes back to software and nothing is given away. */
void offload_drain(struct offload *o, bool on);

#endif
