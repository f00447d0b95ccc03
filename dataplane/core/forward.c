/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A packet of a flow leaves: rewritten (NAT), or as it is to another MAC address or inside another packet.
 *
 * Checksums of layer 4 are adjusted by what changed, never made anew (RFC 1624): a packet that was damaged
 * before it came here is as damaged behind it, and the end point finds out. What addresses and ports
 * change is the same for every packet of a flow and was worked out when it was opened.
 */
#include "csum.h"
#include "tcp_edit.h"
#include "wire.h"
#include "worker_state.h"

#define HOPS         64
#define GUE_LEN      4
#define GUE_PORT_MIN 0xc000 /* source ports of the outer header: 49152 and up, by flow */

/* ---- what is constant ------------------------------------------------------------------------ */

static uint64_t sum_of(const struct ip_addr *a, be16_t port)
{
	return (uint64_t)a->w[0] + a->w[1] + a->w[2] + a->w[3] + port;
}

void forward_prepare(struct worker *w, struct flow *f)
{
	uint16_t sum[2];

	for (int i = 0; i < 2; i++) {
		const struct flow_side *s = &f->side[i];
		struct ip_addr peer = flow_peer(s);

		sum[i] = csum_fold(sum_of(&peer, s->rport) +
		                   sum_of(net_own(w->net, s->local), s->lport));
	}
	for (int to = 0; to < 2; to++)
		f->side[to].sum = csum_combine(sum[to], (uint16_t)~sum[!to], 0);
}

/* ---- layer 4 --------------------------------------------------------------------------------- */

/* A datagram over IPv4 may come without a checksum, and then leaves without. */
static void rewrite_udp(const struct flow_side *to, uint8_t *l4)
{
	if (wire_be16(l4 + UDP_CSUM)) {
		tcp_edit_adjust(l4 + UDP_CSUM, to->sum);
		if (!wire_be16(l4 + UDP_CSUM))
			wire_put_be16(l4 + UDP_CSUM, 0xffff);
	}
	wire_put_be16(l4 + UDP_SPORT, to->lport);
	wire_put_be16(l4 + UDP_DPORT, to->rport);
}

static void rewrite_tcp(const struct flow_side *to, uint8_t *l4)
{
	tcp_edit_adjust(l4 + TCP_CSUM, to->sum);
	wire_put_be16(l4 + TCP_SPORT, to->lport);
	wire_put_be16(l4 + TCP_DPORT, to->rport);
}

/* ---- layer 3 --------------------------------------------------------------------------------- */

/* From us to the side's peer. */
static void rewrite_ip(const struct ip_addr *us, const struct flow_side *to, uint8_t *h,
                       uint32_t len)
{
	if (h[0] >> 4 == 6) {
		h[IP6_HOPS]--;
		memcpy(h + IP6_SRC, us->b, 16);
		memcpy(h + IP6_DST, to->peer, 16);
		return;
	}
	h[IP4_TTL]--;
	wire_put_be32(h + IP4_SRC, us->w[3]);
	wire_put_be32(h + IP4_DST, to->peer[3]);
	wire_put_be16(h + IP4_CSUM, 0);
	wire_put_be16(h + IP4_CSUM, csum_finish(csum_add_header(h, len)));
}

static uint16_t whole_len(const struct pkt *p)
{
	return (uint16_t)((uint32_t)(p->l4 - p->l3) + p->l4_len);
}

static enum drop drop(struct pkt *p, enum drop end)
{
	buf_free(p->buf);
	return end;
}

static enum drop too_big(struct worker *w, struct pkt *p, uint32_t mtu)
{
	net_refuse(w->net, p, NET_TOO_BIG, (uint16_t)mtu);
	return drop(p, DROP_FLOW_TOO_BIG);
}

/* The packet as it stands in its buffer, to the side's peer. */
static enum drop send(struct worker *w, struct flow_side *to, struct pkt *p)
{
	uint32_t l3_len = (uint32_t)(p->l4 - p->l3);
	struct net_packet out = {
		.l3 = p->l4 - l3_len, .len = whole_len(p), .l3_len = (uint8_t)l3_len};
	struct ip_addr dst;

	if (net_send_at_once(w->net, &to->path, p->buf, &out))
		return DROP_FLOW_IN;
	dst = flow_peer(to);
	out.src = net_own(w->net, to->local);
	out.dst = &dst;
	return net_send_packet(w->net, &to->path, p->buf, &out) ? DROP_FLOW_SEND : DROP_FLOW_IN;
}

static enum drop send_nat(struct worker *w, struct flow *f, enum flow_side_id from, struct pkt *p)
{
	struct flow_side *to = &f->side[!from];
	uint32_t l3_len = (uint32_t)(p->l4 - p->l3);

	rewrite_ip(net_own(w->net, to->local), to, p->l4 - l3_len, l3_len);
	return send(w, to, p);
}

static enum drop nat(struct worker *w, struct flow *f, enum flow_side_id from, struct pkt *p)
{
	const struct flow_side *to = &f->side[!from];

	if (p->ttl <= 1) {
		net_refuse(w->net, p, NET_TTL_EXCEEDED, 0);
		return drop(p, DROP_FLOW_TTL);
	}
	if (whole_len(p) > to->path.mtu && to->path.neigh)
		return too_big(w, p, to->path.mtu);
	if (flow_is_udp(f)) {
		rewrite_udp(to, p->l4);
	} else {
		if (f->flags & FLOW_F_SEQ &&
		    !tcp_edit_shift(p->l4, p->l4_len, to->seq_add, -f->side[from].seq_add))
			return drop(p, DROP_FLOW_HEADER);
		rewrite_tcp(to, p->l4);
	}
	return send_nat(w, f, from, p);
}

/* ---- the modes without answers through us --------------------------------------------------- */

/* As it is, to the endpoint's MAC address. Nothing of the packet changes, so no hop is counted either. */
static enum drop direct(struct worker *w, struct flow *f, struct pkt *p)
{
	struct flow_side *to = &f->side[FLOW_SERVER];

	if (whole_len(p) > to->path.mtu && to->path.neigh)
		return too_big(w, p, to->path.mtu);
	return send(w, to, p);
}

/* UDP with a source port by flow, so that the network between spreads flows; RFC 7510 has the same. */
static uint8_t *put_gue(const struct flow *f, const struct net_ip *ip, uint8_t inner, uint8_t *at,
                        uint16_t len)
{
	uint8_t *h = at - GUE_LEN - UDP_LEN;
	uint16_t spread =
		csum_fold(sum_of(&(struct ip_addr){.w = {0}}, f->side[FLOW_CLIENT].rport) +
	                  f->side[FLOW_CLIENT].peer[3]);

	wire_put16(h + UDP_SPORT, (uint16_t)(GUE_PORT_MIN | (spread & ~GUE_PORT_MIN)));
	wire_put_be16(h + UDP_DPORT, f->side[FLOW_SERVER].rport);
	wire_put16(h + UDP_LENGTH, (uint16_t)(UDP_LEN + GUE_LEN + len));
	wire_put_be16(h + UDP_CSUM, 0);
	wire_put32(h + UDP_LEN, (uint32_t)inner << 16); /* version 0, data, no flags */
	if (!ip_is_v4(ip->dst)) { /* a checksum is a must there: RFC 8200 section 8.1 */
		uint16_t sum = csum_add(h, (size_t)(UDP_LEN + GUE_LEN + len)), field;

		sum = csum_combine(
			sum,
			csum_pseudo(ip->src, ip->dst, IP_UDP, (uint16_t)(UDP_LEN + GUE_LEN + len)),
			0);
		field = csum_finish(sum);
		wire_put_be16(h + UDP_CSUM, field ? field : 0xffff);
	}
	return h;
}

static enum drop encapsulate(struct worker *w, struct flow *f, struct pkt *p)
{
	struct flow_side *to = &f->side[FLOW_SERVER];
	struct ip_addr dst = flow_peer(to);
	const struct ip_addr *src = net_own(w->net, to->local);
	uint8_t *at = p->l4 - (p->l4 - p->l3), inner = ip_is_v4(&p->dst) ? IP_IPIP : IP_IP6;
	struct net_ip ip = {src, &dst, whole_len(p), inner, HOPS, false};
	uint32_t outer = ip_is_v4(&dst) ? IP4_LEN : IP6_LEN;
	struct net_packet out = {.src = src, .dst = &dst, .l3_len = (uint8_t)outer};

	if (f->mode == FORWARD_GUE)
		outer += UDP_LEN + GUE_LEN;
	if (to->path.neigh && outer + ip.len > to->path.mtu)
		return too_big(w, p, to->path.mtu - outer);
	if ((size_t)(at - p->buf->head) < outer + NET_L2_ROOM)
		return drop(p, DROP_FLOW_TOO_BIG);
	if (f->mode == FORWARD_GUE) {
		at = put_gue(f, &ip, inner, at, ip.len);
		ip.len = (uint16_t)(ip.len + UDP_LEN + GUE_LEN);
		ip.proto = IP_UDP;
	}
	out.l3 = net_ip_write(&ip, at);
	out.len = (uint16_t)(ip.len + out.l3_len);
	return net_send_packet(w->net, &to->path, p->buf, &out) ? DROP_FLOW_SEND : DROP_FLOW_IN;
}

/* Apart from what most packets take, whose registers it would need. */
static __attribute__((noinline)) enum drop one_way(struct worker *w, struct flow *f, struct pkt *p)
{
	return f->mode == FORWARD_DSR ? direct(w, f, p) : encapsulate(w, f, p);
}

enum drop forward_packet(struct worker *w, struct flow *f, enum flow_side_id from, struct pkt *p)
{
	return f->mode == FORWARD_NAT ? nat(w, f, from, p) : one_way(w, f, p);
}

enum drop forward_fragment(struct worker *w, struct flow *f, enum flow_side_id from, struct pkt *p)
{
	if (f->mode != FORWARD_NAT)
		return forward_packet(w, f, from, p);
	if (p->ttl <= 1)
		return drop(p, DROP_FLOW_TTL);
	return send_nat(w, f, from, p);
}
