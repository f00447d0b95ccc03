/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The inside of struct net: for net_*.c and their tests only.
 *
 *   net.c        start, end, addresses, time           net_parse.c  frame to struct pkt
 *   net_route.c  destination to port and next hop      net_arp.c, net_ndp.c, net_icmp.c  protocols
 *   net_neigh.c  next hop to MAC address               net_send.c   headers, checksums, queues out
 *   net_refuse.c ICMP errors of ours
 */
#ifndef WEIR_NET_STATE_H
#define WEIR_NET_STATE_H

#include "hash.h"
#include "net.h"
#include "slab.h"
#include "timer.h"
#include "wire.h"

#include "weir/stats.h"

#include <assert.h>
#include <stdalign.h>

#define NET_PORT_ADDRS_MAX (NODE_ADDRS_MAX + 1) /* the link-local one is ours */
#define NET_OURS_MAX       (NODE_PORTS_MAX * NET_PORT_ADDRS_MAX)
#define NET_OURS_ROWS      1024 /* of the hash of our addresses: at most 27 % full */
#define NET_ROUTES_MAX     (NODE_ROUTES_MAX + NET_OURS_MAX)
#define NET_L2_MAX         (ETH_LEN + VLAN_LEN)

/* Neighbours. RFC 4861 section 10 where it has a value; ARP uses the same. */
#define NEIGH_RETRY_US     1000000ull   /* RETRANS_TIMER */
#define NEIGH_TRIES        3            /* MAX_MULTICAST_SOLICIT, MAX_UNICAST_SOLICIT */
#define NEIGH_REACHABLE_US 30000000ull  /* REACHABLE_TIME */
#define NEIGH_STALE_US     600000000ull /* unused for so long: forgotten */
#define NEIGH_FAILED_US    1000000ull   /* no new question for so long after no answer */
#define NEIGH_WAIT_MAX     64           /* frames that wait for one neighbour */
#define NET_WAIT_MAX       1024         /* frames that wait for all of them */
#define NEIGH_SEARCH       32           /* rows looked at for one to replace */

#define NET_ANNOUNCE_TIMES 3
#define NET_ANNOUNCE_US    1000000ull
#define NET_REFUSE_US      1000ull    /* between ICMP errors of ours, in the long run */
#define NET_REFUSE_BURST   100ull     /* and so many at once */
#define NET_REPORT_US      1000000ull /* between answers to multicast listener queries */

enum neigh_state {
	NEIGH_FREE,
	NEIGH_INCOMPLETE, /* asked, frames wait */
	NEIGH_FAILED,     /* did not answer: frames are refused for a while */
	NEIGH_STALE,      /* address known, not confirmed lately, unused */
	NEIGH_PROBE,      /* address known and in use, being confirmed */
	NEIGH_REACHABLE,
};

enum neigh_seen {
	NEIGH_SEEN_REFRESH = 1 << 0, /* used since it was confirmed: confirm again before it ends */
	NEIGH_SEEN_CLOCK = 1 << 1,   /* used since the replacement hand passed */
};

enum net_timer {
	NET_TIMER_NEIGH,
	NET_TIMER_ANNOUNCE,
};

/* A frame without its Ethernet header: frame and len of tx are those of its IP header on. */
struct net_wait {
	struct net_wait *next;
	struct net_tx tx;
};

struct neigh {
	/* 0: all that sending to a resolved neighbour reads */
	alignas(64) uint32_t gen; /* counts the row's uses */
	uint8_t state;            /* enum neigh_state */
	uint8_t seen;             /* set of enum neigh_seen */
	uint8_t port;
	uint8_t l2_len;
	uint8_t l2[NET_L2_MAX]; /* the header, at the end of these bytes */
	uint8_t tries;
	bool pinned; /* next hop of a static route: never replaced */
	uint16_t n_wait;
	uint32_t chain; /* index + 1 of the next row in the bucket or in the free list */
	struct ip_addr addr;
	/* 64: */
	alignas(64) struct timer timer;
	struct net_wait *wait_first, *wait_last;
};
static_assert(offsetof(struct neigh, timer) == 64, "the hot part is one cache line");

struct net_route {
	struct ip_addr dst;
	struct ip_addr via; /* all zero: on link */
	uint8_t len;
	uint8_t port;
};

struct net_link {
	struct net_port conf; /* addrs includes nothing but what io gave */
	uint64_t mac;         /* conf.mac as the low 48 bits of a load */
	be32_t tag; /* l2_len 18: what stands behind the MAC addresses, without priority */
	uint8_t l2_len;
	uint32_t n_addrs;
	struct node_prefix addrs[NET_PORT_ADDRS_MAX]; /* conf.addrs, then the link-local one */
	uint64_t report_due_us;                       /* multicast listener report: not before */
	uint32_t n_broadcasts;
	be32_t broadcasts[NODE_ADDRS_MAX]; /* of the IPv4 prefixes */
};

struct net {
	const struct node *node;
	struct buf_pool *pool;
	uint64_t *counters;
	uint64_t now_us; /* of the last call that knew */
	bool answers;
	bool fragments; /* are not dropped at once */
	uint32_t n_links;
	uint32_t n_routes;
	uint32_t n_ours;
	struct net_link links[NODE_PORTS_MAX];
	struct net_route routes[NET_ROUTES_MAX]; /* longest prefix first */
	struct ip_addr ours[NET_OURS_MAX];
	uint16_t ours_row[NET_OURS_ROWS];      /* index + 1 into ours, open addressing */
	uint64_t suspects[NET_OURS_ROWS / 64]; /* a bit for each row of what is never a source */

	uint64_t
		refused_us; /* token bucket of net_refuse(): when it was full last, moved on by each */

	struct timer_wheel wheel;
	struct timer announce;
	uint32_t announce_left;

	struct hash_key key;
	struct neigh *neighs;
	uint32_t *buckets; /* index + 1 of the first row */
	uint32_t max_neighs;
	uint32_t bucket_mask;
	uint32_t neigh_free;  /* index + 1 of the first free row */
	uint32_t neigh_fresh; /* rows from here on were never used */
	uint32_t neigh_hand;  /* where the search for a row to replace goes on */
	struct slab waits;
	uint8_t wait_memory[NET_WAIT_MAX * sizeof(struct net_wait)];

	struct net_out out[NODE_PORTS_MAX];
};

/* ---- net.c ------------------------------------------------------------------------------ */

/* Fibonacci hashing of the half of an address that differs between our own. */
static inline uint32_t net_row(const struct ip_addr *a)
{
	return (uint32_t)((a->q[1] ^ a->q[0]) * 0x9e3779b97f4a7c15ull >> 54);
}
static_assert(NET_OURS_ROWS == 1 << (64 - 54), "net_row() gives 10 bits");

/** May it be one of our addresses, or an IPv4 broadcast address of a link? Hardly ever true when it is not. */
static inline bool net_is_suspect(const struct net *n, const struct ip_addr *a)
{
	uint32_t row = net_row(a);

	return n->suspects[row / 64] >> row % 64 & 1;
}

/** Is a within prefix? Both v4-mapped or both not. */
bool net_prefix_has(const struct node_prefix *prefix, const struct ip_addr *a);

/** Is a one of this port's addresses? */
bool net_link_has(const struct net_link *l, const struct ip_addr *a);

/** The address of this port to speak to a neighbour from, same family; NULL: none. */
const struct ip_addr *net_link_source(const struct net_link *l, const struct ip_addr *to);

/** Is this IPv4 address the broadcast address of one of the port's prefixes? */
bool net_link_broadcast(const struct net_link *l, be32_t v4);

static inline bool net_is_link_local(const struct ip_addr *a)
{
	return a->b[0] == 0xfe && (a->b[1] & 0xc0) == 0x80;
}

/** Multicast of either family; IPv4 limited broadcast counts. */
static inline bool net_is_group(const struct ip_addr *a)
{
	return ip_is_v4(a) ? (a->b[12] & 0xf0) == 0xe0 || a->w[3] == 0xffffffff : a->b[0] == 0xff;
}

/* ---- net_parse.c, net_plain.c ------------------------------------------------------------- */

/**
 * net_parse() for the frames that nearly all are: for our MAC address and one of our IPv4 addresses, without
 * options or fragments, TCP or UDP.
 *
 * @return false: another kind, or something is wrong with it, and net_parse_any() finds out what. p may have been
 *         written to, b was not.
 */
bool net_parse_plain(const struct net *n, struct buf *b, struct pkt *p);

/** As net_parse(), header by header: all kinds of frames. */
enum drop net_parse_any(struct net *n, struct buf *b, struct pkt *p);

/* ---- net_route.c ------------------------------------------------------------------------ */

/** Fill the routes from node and links. False: the next hop of a static route is not on link. */
bool net_route_init(struct net *n);

/**
 * Where to send what is for dst.
 *
 * @param src  our address, which tells the port when dst is link-local; may be NULL
 * @param hop  receives the next hop
 * @return     NULL: no route
 */
const struct net_route *net_route_find(const struct net *n, const struct ip_addr *src,
                                       const struct ip_addr *dst, struct ip_addr *hop);

/* ---- net_neigh.c ------------------------------------------------------------------------ */

void net_neigh_init(struct net *n, void *rows, uint32_t max_neighs);
void net_neigh_fini(struct net *n);

/** Rows and buckets: bytes that net_neigh_init() wants. */
size_t net_neigh_bytes(uint32_t max_neighs);

/** The row of an address, or NULL. */
struct neigh *net_neigh_find(struct net *n, uint32_t port, const struct ip_addr *addr);

/** The row of an address, made and asked for when there is none. NULL: no row can be had. */
struct neigh *net_neigh_get(struct net *n, uint32_t port, const struct ip_addr *addr);

/** A neighbour answered our question: this is its address. */
void net_neigh_confirm(struct net *n, struct neigh *e, const uint8_t *mac);

/** A neighbour said what its address is, without being asked: used at once, confirmed later. */
void net_neigh_hint(struct net *n, struct neigh *e, const uint8_t *mac);

/** Its address may be wrong: confirm it. */
void net_neigh_doubt(struct net *n, struct neigh *e);

/**
 * Send through a row in whatever state it is. tx->frame and tx->len are those of the IP packet; the
 * buffer is consumed.
 *
 * @return 0, -ENOBUFS or -EHOSTUNREACH as net_send_tcp()
 */
int net_neigh_send(struct net *n, struct neigh *e, struct net_tx *tx);

/** As sending would: it is in use. False: its address is not known. */
bool net_neigh_use(struct net *n, struct neigh *e);

/** Its timer is due. */
void net_neigh_timer(struct net *n, struct neigh *e);

/** Is its address known, be it not confirmed lately? */
static inline bool net_neigh_has_mac(const struct neigh *e)
{
	return e->state >= NEIGH_STALE;
}

/** The MAC address in a row that has one. */
static inline const uint8_t *net_neigh_mac(const struct neigh *e)
{
	return e->l2 + NET_L2_MAX - e->l2_len;
}

/* ---- net_arp.c, net_ndp.c, net_mld.c, net_icmp.c ----------------------------------------------------- */

/** Each takes a packet of its kind, and does not free its buffer. */
enum drop net_arp_input(struct net *n, const struct pkt *p);
enum drop net_ndp_input(struct net *n, const struct pkt *p);

/** A multicast listener query, checksum verified. */
enum drop net_mld_query(struct net *n, const struct pkt *p);

/** Takes a packet of kind PKT_ICMP and consumes its buffer. */
enum drop net_icmp_input(struct net *n, const struct pkt *p);

/** Ask who has target; mac: whom to ask, or NULL for everybody. */
void net_arp_ask(struct net *n, uint32_t port, const struct ip_addr *target, const uint8_t *mac);
void net_ndp_ask(struct net *n, uint32_t port, const struct ip_addr *target, const uint8_t *mac);

/** Tell everybody that we have addr. */
void net_arp_announce(struct net *n, uint32_t port, const struct ip_addr *addr);
void net_ndp_announce(struct net *n, uint32_t port, const struct ip_addr *addr);

/** Tell switches which groups we listen to. */
void net_mld_announce(struct net *n, uint32_t port);

/* ---- net_send.c ------------------------------------------------------------------------- */

/**
 * Prepare an Ethernet header (with the port's VLAN tag) at the end of the NET_L2_MAX bytes of l2. mac
 * may be the one in l2.
 */
void net_l2_write(const struct net_link *l, const uint8_t *mac, uint16_t eth_type, uint8_t *l2);

/** Put a whole frame into the port's queue; the buffer is consumed. */
int net_emit(struct net *n, uint32_t port, const struct net_tx *tx);

/** Give a packet (l3, len) an Ethernet header for mac and queue it; the buffer is consumed. */
void net_emit_to(struct net *n, uint32_t port, const uint8_t *mac, uint16_t eth_type,
                 struct net_tx *tx);

/** A fresh buffer for a packet of our own, or NULL (counted). */
struct buf *net_buf_new(struct net *n);

#endif
