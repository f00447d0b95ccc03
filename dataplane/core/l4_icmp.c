/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ICMP errors about packets of flows. They come to the address that we put on the packet, and quote it as we
 * sent it; who sent it first has to hear of it, in the form in which it left there (RFC 5508 section 4.2).
 *
 *   client --- packet ---> [side CLIENT  Weir  side SERVER] --- rewritten ---> router
 *   client <-- error, quote as the client sent it ---------- error, quote as we sent it
 *
 * The error comes from our address then, not from the router's: that is whom the sender knows, and networks
 * drop packets from addresses that we are not.
 */
#include "csum.h"
#include "tcp_edit.h"
#include "wire.h"
#include "worker_state.h"

#include <stddef.h>

#define HOPS 64

/* The quoted packet as it was before we rewrote it: from the peer of its side, for our address there. */
static void restore_ip(uint8_t *h, const struct ip_addr *src, const struct ip_addr *dst)
{
	uint32_t len = (h[0] & 15u) * 4;

	if (!ip_is_v4(dst)) {
		memcpy(h + IP6_SRC, src->b, 16);
		memcpy(h + IP6_DST, dst->b, 16);
		return;
	}
	wire_put_be32(h + IP4_SRC, src->w[3]);
	wire_put_be32(h + IP4_DST, dst->w[3]);
	wire_put_be16(h + IP4_CSUM, 0);
	wire_put_be16(h + IP4_CSUM, csum_finish(csum_add_header(h, len)));
}

static void restore_l4(uint8_t *h, const struct flow *f, enum flow_side_id to)
{
	const struct flow_side *s = &f->side[!to];

	wire_put_be16(h + TCP_SPORT, s->rport);
	wire_put_be16(h + TCP_DPORT, s->lport);
	if (flow_is_udp(f) && wire_be16(h + UDP_CSUM))
		tcp_edit_adjust(h + UDP_CSUM, (uint16_t)~f->side[to].sum);
	if (!flow_is_udp(f))
		wire_put32(h + TCP_SEQ, wire_get32(h + TCP_SEQ) - f->side[to].seq_add);
}

static void sum_icmp(struct pkt *p, const struct ip_addr *src, const struct ip_addr *dst)
{
	uint16_t sum = 0;

	wire_put_be16(p->l4 + ICMP_CSUM, 0);
	if (!ip_is_v4(dst))
		sum = csum_pseudo(src, dst, IP_ICMP6, p->l4_len);
	sum = csum_combine(sum, csum_add(p->l4, p->l4_len), 0);
	wire_put_be16(p->l4 + ICMP_CSUM, csum_finish(sum));
}

/* To the side that the quoted packet came from. */
static enum drop pass_on(struct worker *w, struct flow *f, enum flow_side_id to, struct pkt *p,
                         const struct net_icmp_error *e)
{
	struct flow_side *s = &f->side[!to];
	struct ip_addr peer = flow_peer(s);
	const struct ip_addr *own = net_own(w->net, s->local);
	bool v6 = !ip_is_v4(&peer);
	struct net_ip ip = {own, &peer, p->l4_len, v6 ? IP_ICMP6 : IP_ICMP, HOPS, false};
	struct net_packet out = {own, &peer, NULL, 0, v6 ? IP6_LEN : IP4_LEN};

	if (v6 != !ip_is_v4(&p->src)) {
		buf_free(p->buf);
		return DROP_ICMP_OTHER;
	}
	restore_ip(p->l4 + e->ip, &peer, own);
	restore_l4(p->l4 + e->l4, f, to);
	sum_icmp(p, own, &peer);
	out.l3 = net_ip_write(&ip, p->l4);
	out.len = (uint16_t)(out.l3_len + p->l4_len);
	return net_send_packet(w->net, &s->path, p->buf, &out) ? DROP_FLOW_SEND : DROP_ICMP_FLOW;
}

enum drop l4_icmp(struct worker *w, struct pkt *p)
{
	struct net_icmp_error e;
	struct flow_side s;
	struct flow *f;
	enum flow_side_id to;
	enum drop end;

	if (!w->flows.slab.used || !net_icmp_read(w->net, p, &e))
		return DROP_COUNT;
	s = (struct flow_side){.rport = e.rport, .lport = e.lport, .local = p->own};
	memcpy(s.peer, e.remote.b, sizeof(s.peer));
	f = flow_find_side(&w->flows, &s, e.udp,
	                   flow_hash(&w->flows, &e.local, &e.remote, e.lport, e.rport, e.udp), &to);
	if (!f)
		return DROP_COUNT;
	if (!(f->flags & FLOW_F_ONE_WAY))
		return pass_on(w, f, to, p, &e);
	/* about what the endpoint sent to the client directly, with our address: it has to know */
	end = forward_packet(w, f, FLOW_CLIENT, p);
	return end == DROP_FLOW_IN ? DROP_ICMP_FLOW : end;
}
