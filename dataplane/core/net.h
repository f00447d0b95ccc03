/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Layers 2 and 3 of one worker: parse frames in, build frames out, resolve neighbours.
 *
 *   frame -> net_parse() -> struct pkt -> TCP | ICMP | ARP | NDP
 *   TCP   -> net_send_tcp() -> route -> neighbour -> Ethernet, VLAN, IP headers, checksums -> net_out
 *
 * Every worker has its own struct net with its own neighbour table (share nothing). io delivers ARP
 * and NDP packets to every worker so that all learn; only the worker that answers replies. What is to
 * be sent is appended to net_out(port); io drains it after every burst.
 */
#ifndef WEIR_NET_H
#define WEIR_NET_H

#include "buf.h"

#include "weir/addr.h"
#include "weir/drops.h"
#include "weir/node.h"

#include <assert.h>

enum pkt_kind {
	PKT_TCP,
	PKT_UDP,
	PKT_ICMP, /* ICMP and ICMPv6 except NDP */
	PKT_ARP,
	PKT_NDP,
};

enum pkt_fragment {
	PKT_WHOLE,
	PKT_FRAGMENT_FIRST, /* with the header of layer 4, if nobody cut that apart */
	PKT_FRAGMENT_LATER, /* l4 is somewhere inside; kind is what the IP header says */
};

/* A parsed frame. Pointers go into the buffer, whose view then starts at the L4 (or ARP) header. */
struct pkt {
	struct buf *buf;
	uint8_t kind; /* enum pkt_kind */
	uint8_t port; /* index of the port it came in on */
	uint8_t ttl;
	uint8_t tos; /* DSCP and ECN bits */
	struct ip_addr src, dst;
	const uint8_t *eth; /* Ethernet header */
	const uint8_t *l3;
	uint8_t *l4;         /* == buf->data */
	uint16_t l4_len;     /* bytes of L4 header and payload: padding cut off; == buf->len */
	be16_t sport, dport; /* TCP, UDP */
	uint16_t own;        /* which of our addresses dst is: net_own() */
	uint8_t fragment;    /* enum pkt_fragment */
	uint8_t proto;       /* of layer 4, as the IP header has it */
	uint32_t fragment_id;
	uint64_t hash; /* of the connection, once tcp_input_hash() was called */
};

enum net_tx_flag {
	NET_TX_IP_CSUM = 1 << 0, /* device is to write the IPv4 header checksum */
	NET_TX_TCP_CSUM =
		1 << 1, /* device is to write the TCP checksum; pseudo-header sum is in place */
	NET_TX_MORE = 1 << 2, /* the frame goes on in n_pieces of net_out's pieces */
	NET_TX_TSO = 1 << 3, /* device is to cut it into segments of at most mss bytes of payload */
};

/*
 * One frame to be sent. The entry holds one reference to buf. With NET_TX_TSO the IP header has the length of
 * all, and the pseudo-header sum in place is without a length, as each segment's is its own.
 */
struct net_tx {
	struct buf *buf;
	uint8_t *frame; /* first byte of the Ethernet header, inside buf */
	uint16_t len;   /* bytes of the frame that are in buf */
	uint8_t flags;  /* enum net_tx_flag */
	uint8_t l2_len;
	uint8_t l3_len;
	uint8_t n_pieces;
	uint16_t mss;
};
static_assert(sizeof(struct net_tx) == 24, "what most frames do not use costs them nothing");

/* More of a frame, out of another buffer, to which the entry holds one reference. */
struct net_piece {
	struct buf *buf;
	uint8_t *data;
	uint16_t len;
};

#define NET_OUT_MAX 1024

/* Frames, and the pieces of those that have some, both in the order in which they are to be sent. */
struct net_out {
	uint32_t n, n_pieces;
	struct net_tx tx[NET_OUT_MAX];
	struct net_piece piece[NET_OUT_MAX];
};

/* What io tells net of a port at start. */
struct net_port {
	uint8_t mac[6];
	uint16_t vlan; /* 0: none */
	uint16_t mtu;
	bool tx_ip_csum, tx_tcp_csum; /* the device writes them */
	bool tx_gather;               /* it takes frames out of several buffers */
	uint8_t tx_tso_bufs; /* of so many buffers, to cut into TCP segments; 0: it does not. Wants
	                        tx_tcp_csum and tx_gather */
	uint32_t n_addrs;
	struct node_prefix
		addrs[NODE_ADDRS_MAX]; /* net adds the IPv6 link-local one, from the MAC */
};

/*
 * A resolved way to a destination, cached by whoever sends often. Zero it, set nothing:
 * net_send_tcp() fills it, and fills it again when the neighbour changes.
 */
struct net_path {
	uint32_t neigh;     /* index + 1 into the neighbour table; 0: not looked up */
	uint32_t neigh_gen; /* generation of that entry */
	uint16_t mtu;       /* bytes of IP packet on the way out */
	uint8_t port;
	bool tso; /* the port's device cuts segments */
};

struct net; /* fields in net_state.h; opaque to TCP and above */

#define NET_L2_ROOM     18 /* Ethernet 14 + VLAN 4 */
#define NET_HEADROOM    58 /* Ethernet 14 + VLAN 4 + IPv6 40 */
#define NET_SUM_UNKNOWN UINT32_MAX

/** Bytes of memory for one worker's struct net with up to max_neighs neighbours. */
size_t net_bytes(uint32_t max_neighs);

/**
 * @param memory    net_bytes() bytes, aligned to 64
 * @param node      static routes and the number of ports are taken from here; kept by reference
 * @param ports     one per port of the node, as the devices are; copied
 * @param answers   this worker answers ARP, NDP and ICMP echo and announces addresses (worker 0)
 * @param counters  indexed by enum counter
 * @return          NULL when the next hop of a static route is not on a prefix of its port
 */
struct net *net_init(void *memory, uint32_t max_neighs, const struct node *node,
                     const struct net_port *ports, struct buf_pool *pool, bool answers,
                     uint64_t *counters);

/** Free what waits for neighbours or in net_out() (at shutdown). */
void net_fini(struct net *n);

/**
 * Parse a received frame.
 *
 * @param b  the frame; consumed when the result is not DROP_COUNT
 * @return   DROP_COUNT: p is filled and p->buf is the caller's; anything else: the packet ended
 *           there and b is freed
 *
 * Verifies Ethernet, VLAN, IP header, IPv4 checksum, lengths, that the destination is ours, that the
 * source is acceptable. Does not verify L4 checksums. Sources: RFC 791, 8200, 826, 4861.
 */
enum drop net_parse(struct net *n, struct buf *b, struct pkt *p);

/** Let net_parse() give fragments of TCP and UDP, with what struct pkt says of them; else it drops them. */
void net_follow_fragments(struct net *n);

/** Handle an ARP, NDP or ICMP packet that net_icmp_error() did not claim; consumes p->buf. */
enum drop net_input(struct net *n, struct pkt *p, uint64_t now_us);

/* An ICMP error about a packet from one of our addresses: packet too big, fragmentation needed, unreachable. */
struct net_icmp_error {
	struct ip_addr local, remote; /* local: our side of the quoted segment */
	be16_t lport, rport;
	uint32_t seq; /* host order, of the quoted segment */
	uint16_t mtu; /* next-hop MTU; 0: not told (RFC 1191 section 5), or not about size */
	bool too_big;
	bool hard; /* port or protocol unreachable */
	bool udp;
	uint32_t ip, l4; /* where the quoted packet and its layer 4 begin, from p->l4 */
};

/** As net_icmp_error(), of UDP too. */
bool net_icmp_read(const struct net *n, const struct pkt *p, struct net_icmp_error *out);

/**
 * Read an ICMP or ICMPv6 error quoting one of our TCP segments. Does not consume p->buf.
 *
 * @return true when p is such an error and out is filled (the caller then frees the buffer and
 *         counts DROP_ICMP_TCP); false: pass p to net_input()
 */
bool net_icmp_error(const struct net *n, const struct pkt *p, struct net_icmp_error *out);

/**
 * Send a TCP segment.
 *
 * @param path  cached way of this connection, see struct net_path
 * @param src   our address: one of the node's
 * @param b     consumed (one reference). The segment lies in it at l4, len bytes, with at least
 *              NET_HEADROOM writable bytes in front
 * @param sum   folded one's complement sum of the payload (the bytes after the TCP header), or
 *              NET_SUM_UNKNOWN
 * @return      0, or -ENETUNREACH (no route), -ENOBUFS (queue of the unresolved neighbour, or of the
 *              port, full), -EHOSTUNREACH (the neighbour does not answer: as good as lost, may work
 *              a second later); b is consumed in any case, and counted
 *
 * Writes the TCP checksum (the caller zeroed the field) unless the device does.
 */
struct net_segment {
	const struct ip_addr *src, *dst;
	uint8_t *l4;
	uint16_t len;
	uint32_t sum;
};
int net_send_tcp(struct net *n, struct net_path *path, struct buf *b,
                 const struct net_segment *seg);

/** May the next segment that goes this way have its payload in a buffer of its own? */
bool net_gathers(struct net *n, const struct net_path *path);

/**
 * As net_send_tcp(), of a segment whose header is in b and whose payload is what the view of another buffer shows;
 * only when net_gathers() said yes.
 *
 * @param payload  consumed like b
 * @param seg      len is that of both together
 */
int net_send_gathered(struct net *n, struct net_path *path, struct buf *b, struct buf *payload,
                      const struct net_segment *seg);

/**
 * Have the device make another segment out of the frame that was sent last: one frame becomes the header of
 * both. What is in the header must fit both but for its number and flags, which are those of the last one.
 *
 * @param b  consumed (one reference) when it is taken: its view is the payload
 * @return   false, nothing was done: the last frame is another, it is full, or the device does not cut
 */
struct net_more {
	const uint8_t *l4; /* of the segment that is to be continued, as net_send_tcp() got it */
	uint16_t mss;      /* bytes of payload of each segment so far */
	uint8_t flags;     /* TCP's, besides those that are there */
};
bool net_send_more(struct net *n, const struct net_path *path, struct buf *b,
                   const struct net_more *more);

struct net_ip {
	const struct ip_addr *src, *dst;
	uint16_t len; /* bytes behind the IP header */
	uint8_t proto;
	uint8_t hops;
	bool device_sums; /* leave the IPv4 header checksum to the device */
};

/** Write an IP header in front of l4; returns its first byte. */
uint8_t *net_ip_write(const struct net_ip *ip, uint8_t *l4);

/**
 * Send a packet that has its IP header, checksums and all.
 *
 * @param path  as with net_send_tcp(); towards dst
 * @param src   tells the port when dst is link-local
 * @param b     consumed. The packet lies in it at l3, with NET_L2_ROOM writable bytes in front
 * @return      as net_send_tcp()
 */
struct net_packet {
	const struct ip_addr *src, *dst;
	uint8_t *l3;
	uint16_t len;   /* bytes of the packet */
	uint8_t l3_len; /* bytes of its IP header */
};
int net_send_packet(struct net *n, struct net_path *path, struct buf *b,
                    const struct net_packet *p);

/**
 * The same when the neighbour is known and there is room: few instructions.
 *
 * @param p  src and dst are not looked at
 * @return   false: nothing was done; net_send_packet() finds out why
 */
bool net_send_at_once(struct net *n, const struct net_path *path, struct buf *b,
                      const struct net_packet *p);

/** Fill a path; false: no route, or no room for the neighbour. Asks for the neighbour. */
bool net_path_fill(struct net *n, struct net_path *path, const struct ip_addr *src,
                   const struct ip_addr *dst);

/** Is dst on a link of ours, so that a frame can be addressed to it? */
bool net_on_link(const struct net *n, const struct ip_addr *dst);

/**
 * Tell the sender of a packet to one of our addresses why it went no further. At most so many a second
 * (RFC 4443 section 2.4 (f)); never about ICMP.
 *
 * @param p    the packet: quoted, not consumed
 * @param mtu  with NET_TOO_BIG: what would fit
 */
enum net_refusal {
	NET_NO_PORT,
	NET_TTL_EXCEEDED,
	NET_TOO_BIG,
	NET_NO_WAY, /* host unreachable */
};
void net_refuse(struct net *n, const struct pkt *p, enum net_refusal why, uint16_t mtu);

/** MTU towards dst, bytes of IP packet; 0 when there is no route. A filled path saves the look-up. */
uint16_t net_mtu(struct net *n, struct net_path *path, const struct ip_addr *dst);

/* What a frame that goes a resolved way begins with. */
struct net_hop {
	uint8_t src[6], dst[6];
	uint16_t vlan; /* 0: untagged */
	uint16_t mtu;
};

/**
 * How frames that go this way begin, for a device that is to make them. Counts as sending: the neighbour stays
 * confirmed.
 *
 * @return false: not known, or not any more
 */
bool net_path_hop(struct net *n, const struct net_path *path, struct net_hop *out);

/** The address of ours to use towards dst: on the port of the route, same family. NULL: no route. */
const struct ip_addr *net_source(struct net *n, const struct ip_addr *dst);

/** Our address number i, as struct pkt has it: numbers are from 0 and stay. */
const struct ip_addr *net_own(const struct net *n, uint16_t i);

/** The number of an address of ours; negative: it is not one. */
int net_own_number(const struct net *n, const struct ip_addr *a);

/** Is this address one of the node's (any port)? */
bool net_is_ours(const struct net *n, const struct ip_addr *a);

/** Retry, age and refresh neighbours, announce ourselves. Cheap when nothing is due. */
void net_tick(struct net *n, uint64_t now_us);

/** A time before which net_tick() has nothing to do; UINT64_MAX: idle. */
uint64_t net_next(const struct net *n);

/** Frames to be sent on a port. io sends them, then sets n and n_pieces to 0. */
struct net_out *net_out(struct net *n, uint32_t port);

#endif
