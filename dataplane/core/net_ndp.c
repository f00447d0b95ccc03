/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * IPv6 neighbour discovery: solicitations and advertisements of RFC 4861, as a host with fixed
 * addresses and routes needs them. Router advertisements, router solicitations and redirects are
 * checked, counted and ignored: routes come from the node file. Our addresses are announced, not
 * probed for duplicates. The groups that solicitations are sent to are reported by net_mld.c.
 *
 * Only addresses that we asked for are learned; what others announce changes rows that exist.
 */
#include "csum.h"
#include "net_state.h"

#define OPTION_LEN 8 /* a link-layer address option with an Ethernet address */

static const struct ip_addr all_nodes = {.b = {0xff, 0x02, [15] = 1}};
static const uint8_t all_nodes_mac[MAC_LEN] = {0x33, 0x33, 0, 0, 0, 1};

struct ndp {
	uint8_t type;
	uint8_t flags; /* of an advertisement */
	uint8_t option;
	const struct ip_addr *src, *dst, *target;
};

static void emit(struct net *n, uint32_t port, const struct ndp *m, const uint8_t *to)
{
	const uint16_t len = NDP_OPTIONS + OPTION_LEN;
	struct net_ip ip = {m->src, m->dst, len, IP_ICMP6, NDP_HOPS, false};
	struct buf *b = net_buf_new(n);
	struct net_tx tx;
	uint8_t *h;

	if (!b)
		return;
	h = b->data;
	memset(h, 0, len);
	h[ICMP_TYPE] = m->type;
	h[NDP_FLAGS] = m->flags;
	memcpy(h + NDP_TARGET, m->target->b, 16);
	h[NDP_OPTIONS] = m->option;
	h[NDP_OPTIONS + 1] = 1; /* in units of 8 bytes */
	memcpy(h + NDP_OPTIONS + 2, n->links[port].conf.mac, MAC_LEN);
	wire_put_be16(h + ICMP_CSUM,
	              csum_finish(csum_combine(csum_pseudo(m->src, m->dst, IP_ICMP6, len),
	                                       csum_add(h, len), 0)));
	b->len = len;
	tx = (struct net_tx){.buf = b, .frame = net_ip_write(&ip, h), .len = IP6_LEN + len};
	tx.l3_len = IP6_LEN;
	net_emit_to(n, port, to, ETH_TYPE_IP6, &tx);
}

void net_ndp_ask(struct net *n, uint32_t port, const struct ip_addr *target, const uint8_t *mac)
{
	const struct ip_addr *source = net_link_source(&n->links[port], target);
	struct ip_addr group = {.b = {0xff, 0x02, [11] = 1, [12] = 0xff}};
	uint8_t group_mac[MAC_LEN] = {0x33, 0x33, 0xff};
	struct ndp m = {NDP_NS, 0, NDP_OPT_SOURCE_MAC, source, target, target};

	if (!source)
		return;
	memcpy(group.b + 13, target->b + 13, 3);
	memcpy(group_mac + 3, target->b + 13, 3);
	if (!mac)
		m.dst = &group;
	emit(n, port, &m, mac ? mac : group_mac);
}

void net_ndp_announce(struct net *n, uint32_t port, const struct ip_addr *addr)
{
	struct ndp m = {NDP_NA, NDP_NA_OVERRIDE, NDP_OPT_TARGET_MAC, addr, &all_nodes, addr};

	emit(n, port, &m, all_nodes_mac);
}

/*
 * RFC 4861 sections 6.1, 7.1 and 8.1 for all types: hop limit, code, checksum, length, and options
 * that have a length and end where the message does.
 */
static bool is_valid(const struct pkt *p)
{
	static const uint8_t min[] = {8, 16, NDP_OPTIONS, NDP_OPTIONS, 40};
	const uint8_t *h = p->l4;
	uint32_t at = min[h[ICMP_TYPE] - NDP_RS], len = p->l4_len;
	uint16_t sum;

	if (p->ttl != NDP_HOPS || h[ICMP_CODE] != 0 || len < at)
		return false;
	sum = csum_pseudo(&p->src, &p->dst, IP_ICMP6, p->l4_len);
	if (csum_finish(csum_combine(sum, csum_add(h, len), 0)) != 0)
		return false;
	while (at < len) {
		if (len - at < 8 || h[at + 1] == 0 || len - at < h[at + 1] * 8u)
			return false;
		at += h[at + 1] * 8u;
	}
	return true;
}

/* The MAC address in the first option of this type, or NULL. The message is valid. */
static const uint8_t *find_mac(const struct pkt *p, uint8_t type)
{
	for (uint32_t at = NDP_OPTIONS; at < p->l4_len; at += p->l4[at + 1] * 8u)
		if (p->l4[at] == type)
			return p->l4[at + 2] & 1 ? NULL : p->l4 + at + 2;
	return NULL;
}

static void answer(struct net *n, const struct pkt *p, const struct ip_addr *target,
                   const uint8_t *mac)
{
	struct ndp m = {
		NDP_NA, NDP_NA_OVERRIDE | NDP_NA_SOLICITED, NDP_OPT_TARGET_MAC, target, &p->src,
		target};

	if (ip_is_any(&p->src)) { /* a duplicate address check: everybody is to hear of it */
		m.flags = NDP_NA_OVERRIDE;
		m.dst = &all_nodes;
		mac = all_nodes_mac;
	}
	emit(n, p->port, &m, mac ? mac : p->eth + ETH_SRC);
}

/* RFC 4861 sections 7.1.1 and 7.2.3 */
static enum drop solicitation(struct net *n, const struct pkt *p)
{
	struct ip_addr target = wire_ip6(p->l4 + NDP_TARGET);
	const uint8_t *mac = find_mac(p, NDP_OPT_SOURCE_MAC);
	struct neigh *e;

	if (target.b[0] == 0xff || ip_is_v4(&target))
		return DROP_NDP_BAD;
	if (ip_is_any(&p->src) && (mac || p->dst.b[0] != 0xff || p->dst.b[12] != 0xff))
		return DROP_NDP_BAD;
	e = mac ? net_neigh_find(n, p->port, &p->src) : NULL;
	if (e)
		net_neigh_hint(n, e, mac);
	if (n->answers && net_link_has(&n->links[p->port], &target))
		answer(n, p, &target, mac);
	return DROP_NDP_IN;
}

/* RFC 4861 sections 7.1.2 and 7.2.5 */
static enum drop advertisement(struct net *n, const struct pkt *p)
{
	struct ip_addr target = wire_ip6(p->l4 + NDP_TARGET);
	bool solicited = p->l4[NDP_FLAGS] & NDP_NA_SOLICITED;
	bool override = p->l4[NDP_FLAGS] & NDP_NA_OVERRIDE;
	const uint8_t *mac = find_mac(p, NDP_OPT_TARGET_MAC);
	struct neigh *e;
	bool known;

	if (target.b[0] == 0xff || ip_is_v4(&target) || (solicited && p->dst.b[0] == 0xff))
		return DROP_NDP_BAD;
	if (ip_is_any(&p->src) || net_link_has(&n->links[p->port], &target))
		return DROP_NDP_BAD;
	e = net_neigh_find(n, p->port, &target);
	if (!e)
		return DROP_NDP_IN;
	known = e->state >= NEIGH_STALE;
	if (!mac && !known)
		return DROP_NDP_IN;
	if (!mac)
		mac = net_neigh_mac(e);
	if (known && !override && memcmp(mac, net_neigh_mac(e), MAC_LEN) != 0)
		net_neigh_doubt(n, e);
	else if (solicited)
		net_neigh_confirm(n, e, mac);
	else
		net_neigh_hint(n, e, mac);
	return DROP_NDP_IN;
}

enum drop net_ndp_input(struct net *n, const struct pkt *p)
{
	if (!is_valid(p))
		return DROP_NDP_BAD;
	switch (p->l4[ICMP_TYPE]) {
	case NDP_NS: return solicitation(n, p);
	case NDP_NA: return advertisement(n, p);
	default: return DROP_ICMP_OTHER;
	}
}
