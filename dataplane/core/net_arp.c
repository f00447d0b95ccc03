/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ARP for IPv4 over Ethernet: RFC 826, with the probes and announcements of RFC 5227.
 *
 * Only addresses that we asked for are learned; what others announce changes rows that exist.
 */
#include "net_state.h"

static const uint8_t everybody[MAC_LEN] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};

struct arp {
	uint16_t op;
	const uint8_t *sha, *tha;
	be32_t spa, tpa;
};

static void emit(struct net *n, uint32_t port, const struct arp *a, const uint8_t *to)
{
	struct buf *b = net_buf_new(n);
	struct net_tx tx;
	uint8_t *h;

	if (!b)
		return;
	h = b->data;
	wire_put16(h + ARP_HTYPE, 1);
	wire_put16(h + ARP_PTYPE, ETH_TYPE_IP4);
	h[ARP_HLEN] = MAC_LEN;
	h[ARP_PLEN] = 4;
	wire_put16(h + ARP_OP, a->op);
	memcpy(h + ARP_SHA, a->sha, MAC_LEN);
	wire_put_be32(h + ARP_SPA, a->spa);
	memcpy(h + ARP_THA, a->tha, MAC_LEN);
	wire_put_be32(h + ARP_TPA, a->tpa);
	b->len = ARP_LEN;
	tx = (struct net_tx){.buf = b, .frame = h, .len = ARP_LEN};
	net_emit_to(n, port, to, ETH_TYPE_ARP, &tx);
}

void net_arp_ask(struct net *n, uint32_t port, const struct ip_addr *target, const uint8_t *mac)
{
	static const uint8_t unknown[MAC_LEN];
	const struct net_link *l = &n->links[port];
	const struct ip_addr *source = net_link_source(l, target);
	struct arp a = {ARP_REQUEST, l->conf.mac, mac ? mac : unknown, 0, target->w[3]};

	if (source)
		a.spa = source->w[3];
	emit(n, port, &a, mac ? mac : everybody);
}

/* An announcement: a request for our own address (RFC 5227 section 3). */
void net_arp_announce(struct net *n, uint32_t port, const struct ip_addr *addr)
{
	static const uint8_t unknown[MAC_LEN];
	struct arp a = {ARP_REQUEST, n->links[port].conf.mac, unknown, addr->w[3], addr->w[3]};

	emit(n, port, &a, everybody);
}

static bool is_well_formed(const uint8_t *h)
{
	uint16_t op = wire_get16(h + ARP_OP);

	return wire_get16(h + ARP_HTYPE) == 1 && wire_get16(h + ARP_PTYPE) == ETH_TYPE_IP4 &&
	       h[ARP_HLEN] == MAC_LEN && h[ARP_PLEN] == 4 && (op == ARP_REQUEST || op == ARP_REPLY);
}

/* May this be the address pair of a neighbour? Not a group, not us (a loop, or a second owner). */
static bool is_acceptable_sender(const struct net_link *l, const struct arp *a)
{
	struct ip_addr ip = ip_from_v4(a->spa);

	if (a->sha[0] & 1 || memcmp(a->sha, l->conf.mac, MAC_LEN) == 0)
		return false;
	return !net_is_group(&ip) && ip.b[12] != 127 && !net_link_has(l, &ip);
}

static void learn(struct net *n, const struct pkt *p, const struct arp *a)
{
	struct ip_addr sender = ip_from_v4(a->spa), target = ip_from_v4(a->tpa);
	struct neigh *e = net_neigh_find(n, p->port, &sender);
	bool to_us = !(p->eth[0] & 1) && net_link_has(&n->links[p->port], &target);

	if (!e)
		return;
	if (a->op == ARP_REPLY && to_us)
		net_neigh_confirm(n, e, a->sha);
	else
		net_neigh_hint(n, e, a->sha);
}

enum drop net_arp_input(struct net *n, const struct pkt *p)
{
	const struct net_link *l = &n->links[p->port];
	const uint8_t *h = p->l4;
	struct arp a = {wire_get16(h + ARP_OP), h + ARP_SHA, h + ARP_THA, wire_be32(h + ARP_SPA),
	                wire_be32(h + ARP_TPA)};
	struct ip_addr target = ip_from_v4(a.tpa);

	if (!is_well_formed(h) || !is_acceptable_sender(l, &a))
		return DROP_ARP_BAD;
	learn(n, p, &a);
	if (a.op == ARP_REQUEST && n->answers && net_link_has(l, &target)) {
		struct arp reply = {ARP_REPLY, l->conf.mac, a.sha, a.tpa, a.spa};

		emit(n, p->port, &reply, a.sha);
	}
	return DROP_ARP_IN;
}
