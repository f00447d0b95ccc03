/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Out: IP and Ethernet headers, checksums, and the queues that io empties.
 *
 * A segment to a resolved neighbour costs the IP header, one copy of the neighbour's ready-made
 * Ethernet header and, unless the device does it, the sum of the TCP header; the payload's sum comes
 * with the segment.
 */
#include "csum.h"
#include "net_state.h"

#include <errno.h>

#define HOPS 64 /* RFC 1340 and its successors recommend 64 */

static uint8_t *write_ip4(const struct net_ip *ip, uint8_t *l4)
{
	uint8_t *h = l4 - IP4_LEN;

	/* atomic datagram (RFC 6864): DF set, so the identification may be anything */
	wire_put32(h, 0x45000000u | (uint32_t)(IP4_LEN + ip->len));
	wire_put32(h + 4, IP4_DF);
	h[IP4_TTL] = ip->hops;
	h[IP4_PROTO] = ip->proto;
	wire_put_be16(h + IP4_CSUM, 0);
	wire_put_be32(h + IP4_SRC, ip->src->w[3]);
	wire_put_be32(h + IP4_DST, ip->dst->w[3]);
	if (!ip->device_sums)
		wire_put_be16(h + IP4_CSUM, csum_finish(csum_add_header(h, IP4_LEN)));
	return h;
}

static uint8_t *write_ip6(const struct net_ip *ip, uint8_t *l4)
{
	uint8_t *h = l4 - IP6_LEN;

	wire_put32(h, 0x60000000u); /* flow label 0 */
	wire_put16(h + IP6_PAYLOAD, ip->len);
	h[IP6_NEXT] = ip->proto;
	h[IP6_HOPS] = ip->hops;
	memcpy(h + IP6_SRC, ip->src->b, 16);
	memcpy(h + IP6_DST, ip->dst->b, 16);
	return h;
}

uint8_t *net_ip_write(const struct net_ip *ip, uint8_t *l4)
{
	return ip_is_v4(ip->dst) ? write_ip4(ip, l4) : write_ip6(ip, l4);
}

void net_l2_write(const struct net_link *l, const uint8_t *mac, uint16_t eth_type, uint8_t *l2)
{
	uint8_t *h = l2 + NET_L2_MAX - l->l2_len;

	memmove(h, mac, MAC_LEN);
	memset(l2, 0, (size_t)(h - l2));
	memcpy(h + ETH_SRC, l->conf.mac, MAC_LEN);
	if (l->conf.vlan) {
		wire_put16(h + ETH_TYPE, ETH_TYPE_VLAN);
		wire_put16(h + ETH_LEN, l->conf.vlan);
	}
	wire_put16(l2 + NET_L2_MAX - 2, eth_type);
}

int net_emit(struct net *n, uint32_t port, const struct net_tx *tx)
{
	struct net_out *out = &n->out[port];

	if (out->n == NET_OUT_MAX) {
		n->counters[COUNT_TX_FULL]++;
		buf_free(tx->buf);
		return -ENOBUFS;
	}
	out->tx[out->n++] = *tx;
	return 0;
}

void net_emit_to(struct net *n, uint32_t port, const uint8_t *mac, uint16_t eth_type,
                 struct net_tx *tx)
{
	const struct net_link *l = &n->links[port];
	uint8_t l2[NET_L2_MAX];

	net_l2_write(l, mac, eth_type, l2); /* mac may lie where the header goes */
	tx->frame -= l->l2_len;
	memcpy(tx->frame, l2 + NET_L2_MAX - l->l2_len, l->l2_len);
	tx->len = (uint16_t)(tx->len + l->l2_len);
	tx->l2_len = l->l2_len;
	net_emit(n, port, tx);
}

struct buf *net_buf_new(struct net *n)
{
	struct buf *b = buf_alloc(n->pool);

	if (!b)
		n->counters[COUNT_NO_BUFFER]++;
	return b;
}

static struct neigh *cached(struct net *n, const struct net_path *path)
{
	struct neigh *e;

	if (path->neigh == 0)
		return NULL;
	e = &n->neighs[path->neigh - 1];
	return e->gen == path->neigh_gen ? e : NULL;
}

/* Fill path. NULL: no route (*err -ENETUNREACH) or no row for the neighbour (-ENOBUFS). */
static struct neigh *look_up(struct net *n, struct net_path *path, const struct ip_addr *src,
                             const struct ip_addr *dst, int *err)
{
	const struct net_route *r;
	struct ip_addr hop;
	struct neigh *e;

	*err = -ENETUNREACH;
	*path = (struct net_path){0};
	r = net_route_find(n, src, dst, &hop);
	if (!r) {
		n->counters[COUNT_TX_NO_ROUTE]++;
		return NULL;
	}
	path->port = r->port;
	path->mtu = n->links[r->port].conf.mtu;
	path->tso = n->links[r->port].conf.tx_tso_bufs != 0;
	e = net_neigh_get(n, r->port, &hop);
	if (!e) {
		*err = -ENOBUFS;
		n->counters[COUNT_TX_NO_NEIGH]++;
		return NULL;
	}
	path->neigh = (uint32_t)(e - n->neighs) + 1;
	path->neigh_gen = e->gen;
	return e;
}

bool net_path_hop(struct net *n, const struct net_path *path, struct net_hop *out)
{
	struct neigh *e = cached(n, path);
	const struct net_port *conf;

	if (!e || !net_neigh_use(n, e))
		return false;
	conf = &n->links[e->port].conf;
	memcpy(out->src, conf->mac, MAC_LEN);
	memcpy(out->dst, net_neigh_mac(e), MAC_LEN);
	out->vlan = conf->vlan;
	out->mtu = path->mtu;
	return true;
}

uint16_t net_mtu(struct net *n, struct net_path *path, const struct ip_addr *dst)
{
	const struct net_route *r;
	struct ip_addr hop;

	if (cached(n, path))
		return path->mtu;
	r = net_route_find(n, NULL, dst, &hop);
	return r ? n->links[r->port].conf.mtu : 0;
}

/* The TCP checksum field: of the whole segment, or of the pseudo-header for the device to go on. */
static void write_tcp_sum(const struct net_segment *seg, bool device)
{
	uint16_t sum = csum_pseudo(seg->src, seg->dst, IP_TCP, seg->len);
	size_t header = (size_t)(seg->l4[TCP_OFFSET] >> 4) * 4;

	if (device) {
		wire_put_be16(seg->l4 + TCP_CSUM, sum);
		return;
	}
	if (seg->sum == NET_SUM_UNKNOWN) {
		sum = csum_combine(sum, csum_add(seg->l4, seg->len), 0);
	} else {
		sum = csum_combine(sum, csum_add_header(seg->l4, header), 0);
		sum = csum_combine(sum, (uint16_t)seg->sum, 0);
	}
	wire_put_be16(seg->l4 + TCP_CSUM, csum_finish(sum));
}

bool net_gathers(struct net *n, const struct net_path *path)
{
	const struct neigh *e = cached(n, path);

	/* frames that wait for a neighbour are whole */
	return e && n->links[e->port].conf.tx_gather && net_neigh_has_mac(e) &&
	       n->out[e->port].n_pieces < NET_OUT_MAX;
}

static void add_piece(struct net_out *out, struct buf *b)
{
	struct net_tx *tx = &out->tx[out->n - 1];

	tx->n_pieces++;
	tx->flags |= NET_TX_MORE;
	out->piece[out->n_pieces++] = (struct net_piece){b, b->data, b->len};
}

/* Checksums and IP header of a segment, and the entry of its frame. */
static inline struct net_tx write_segment(const struct net_port *conf, struct buf *b,
                                          const struct net_segment *seg)
{
	bool device_sums = conf->tx_ip_csum && ip_is_v4(seg->dst);
	struct net_ip ip = {seg->src, seg->dst, seg->len, IP_TCP, HOPS, device_sums};
	struct net_tx tx = {.buf = b};

	write_tcp_sum(seg, conf->tx_tcp_csum);
	tx.frame = net_ip_write(&ip, seg->l4);
	tx.l3_len = (uint8_t)(seg->l4 - tx.frame);
	tx.len = (uint16_t)(seg->len + tx.l3_len);
	tx.flags = (uint8_t)((device_sums ? NET_TX_IP_CSUM : 0) |
	                     (conf->tx_tcp_csum ? NET_TX_TCP_CSUM : 0));
	return tx;
}

int net_send_tcp(struct net *n, struct net_path *path, struct buf *b, const struct net_segment *seg)
{
	struct neigh *e = cached(n, path);
	struct net_tx tx;
	int err;

	if (!e)
		e = look_up(n, path, seg->src, seg->dst, &err);
	if (!e) {
		buf_free(b);
		return err;
	}
	tx = write_segment(&n->links[e->port].conf, b, seg);
	return net_neigh_send(n, e, &tx);
}

int net_send_gathered(struct net *n, struct net_path *path, struct buf *b, struct buf *payload,
                      const struct net_segment *seg)
{
	struct neigh *e = cached(n, path);
	struct net_segment g = *seg;
	struct net_tx tx;
	int rc;

	if (g.sum == NET_SUM_UNKNOWN && !n->links[e->port].conf.tx_tcp_csum)
		g.sum = csum_add(payload->data, payload->len);
	tx = write_segment(&n->links[e->port].conf, b, &g);
	tx.len = (uint16_t)(tx.len - payload->len);
	rc = net_neigh_send(n, e, &tx);
	if (rc < 0)
		buf_free(payload);
	else
		add_piece(&n->out[e->port], payload);
	return rc;
}

static bool is_v4(const struct net_tx *tx)
{
	return tx->frame[tx->l2_len] >> 4 == 4;
}

/* The IP header says the length of all; false: it cannot. */
static bool lengthen(struct net_tx *tx, uint16_t more)
{
	uint8_t *l3 = tx->frame + tx->l2_len;
	uint8_t *field = l3 + (is_v4(tx) ? IP4_TOTAL : IP6_PAYLOAD);
	uint32_t len = wire_get16(field) + (uint32_t)more;

	/* some devices count the whole frame in 16 bits, whatever the IP version */
	if (len + tx->l2_len + IP6_LEN > UINT16_MAX)
		return false;
	wire_put16(field, (uint16_t)len);
	if (is_v4(tx) && !(tx->flags & NET_TX_IP_CSUM)) {
		wire_put_be16(l3 + IP4_CSUM, 0);
		wire_put_be16(l3 + IP4_CSUM, csum_finish(csum_add_header(l3, IP4_LEN)));
	}
	return true;
}

/* A segment of its own becomes one that is to be cut. */
static void make_tso(struct net_tx *tx, uint8_t *l4, uint16_t mss)
{
	const uint8_t *l3 = tx->frame + tx->l2_len;
	struct ip_addr src = is_v4(tx) ? wire_ip4(l3 + IP4_SRC) : wire_ip6(l3 + IP6_SRC);
	struct ip_addr dst = is_v4(tx) ? wire_ip4(l3 + IP4_DST) : wire_ip6(l3 + IP6_DST);

	tx->flags |= NET_TX_TSO;
	tx->mss = mss;
	wire_put_be16(l4 + TCP_CSUM, csum_pseudo(&src, &dst, IP_TCP, 0));
}

bool net_send_more(struct net *n, const struct net_path *path, struct buf *b,
                   const struct net_more *more)
{
	uint32_t bufs = n->links[path->port].conf.tx_tso_bufs;
	struct net_out *out = &n->out[path->port];
	struct net_tx *tx;
	uint8_t *l4;

	if (out->n == 0 || out->n_pieces == NET_OUT_MAX)
		return false;
	tx = &out->tx[out->n - 1];
	l4 = tx->frame + tx->l2_len + tx->l3_len;
	if (l4 != more->l4 || tx->n_pieces + 2u > bufs || !lengthen(tx, b->len))
		return false;
	if (!(tx->flags & NET_TX_TSO)) {
		make_tso(tx, l4, more->mss);
		n->counters[COUNT_TX_TSO]++;
		n->counters[COUNT_TX_TSO_SEGMENTS]++;
	}
	n->counters[COUNT_TX_TSO_SEGMENTS]++;
	l4[TCP_FLAGS] |= more->flags;
	add_piece(out, b);
	return true;
}

int net_send_packet(struct net *n, struct net_path *path, struct buf *b, const struct net_packet *p)
{
	struct neigh *e = cached(n, path);
	struct net_tx tx = {.buf = b, .frame = p->l3, .len = p->len, .l3_len = p->l3_len};
	int err;

	if (!e)
		e = look_up(n, path, p->src, p->dst, &err);
	if (!e) {
		buf_free(b);
		return err;
	}
	return net_neigh_send(n, e, &tx);
}

bool net_send_at_once(struct net *n, const struct net_path *path, struct buf *b,
                      const struct net_packet *p)
{
	struct neigh *e = cached(n, path);
	struct net_out *out;

	if (!e || e->state < NEIGH_PROBE)
		return false;
	out = &n->out[e->port];
	if (out->n == NET_OUT_MAX)
		return false;
	e->seen = NEIGH_SEEN_REFRESH | NEIGH_SEEN_CLOCK;
	memcpy(p->l3 - NET_L2_MAX, e->l2, NET_L2_MAX);
	out->tx[out->n++] = (struct net_tx){.buf = b,
	                                    .frame = p->l3 - e->l2_len,
	                                    .len = (uint16_t)(p->len + e->l2_len),
	                                    .l2_len = e->l2_len,
	                                    .l3_len = p->l3_len};
	return true;
}

bool net_path_fill(struct net *n, struct net_path *path, const struct ip_addr *src,
                   const struct ip_addr *dst)
{
	int err;

	return cached(n, path) || look_up(n, path, src, dst, &err);
}

bool net_on_link(const struct net *n, const struct ip_addr *dst)
{
	struct ip_addr hop;

	return net_route_find(n, NULL, dst, &hop) && ip_eq(&hop, dst);
}
