/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * In: from a frame to a struct pkt, one function for each header. Most frames are done with by
 * net_plain.c, which takes no wrong ones.
 *
 * Every byte read was checked to be there: `left` is always what remains of the frame, and then of
 * the IP packet, from the header being read on. A packet that does not get through ends in exactly
 * one row of drops.def.
 */
#include "csum.h"
#include "net_state.h"

#define EXTENSIONS_MAX 8 /* more headers than that is nobody's honest packet */

/* What is known of a frame while its headers are read. */
struct frame {
	struct net *n;
	const struct net_link *l;
	struct pkt *p;
	uint8_t *at;   /* first byte not yet read */
	uint32_t left; /* bytes from there to the end */
	bool group;    /* sent to a broadcast or multicast MAC address */
};

static uint64_t load_mac(const uint8_t *mac)
{
	return wire_be32(mac) | (uint64_t)wire_be16(mac + 4) << 32;
}

/* The solicited-node address of one of ours (RFC 4291 section 2.7.1) ends in these three bytes. */
static bool is_solicited_node(const struct net_link *l, const uint8_t *last3)
{
	for (uint32_t i = 0; i < l->n_addrs; i++)
		if (!ip_is_v4(&l->addrs[i].addr) && memcmp(l->addrs[i].addr.b + 13, last3, 3) == 0)
			return true;
	return false;
}

/* Broadcast, all nodes (33:33:00:00:00:01) and solicited-node (33:33:ff:..); RFC 2464 section 7. */
static bool is_our_group_mac(const struct net_link *l, const uint8_t *mac)
{
	static const uint8_t all_nodes[MAC_LEN] = {0x33, 0x33, 0, 0, 0, 1};
	static const uint8_t everybody[MAC_LEN] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};

	if (memcmp(mac, everybody, MAC_LEN) == 0 || memcmp(mac, all_nodes, MAC_LEN) == 0)
		return true;
	return mac[0] == 0x33 && mac[1] == 0x33 && mac[2] == 0xff && is_solicited_node(l, mac + 3);
}

static bool is_our_group_ip(const struct net_link *l, const struct ip_addr *a)
{
	static const uint8_t all_nodes[16] = {0xff, 0x02, [15] = 1};
	static const uint8_t solicited[13] = {0xff, 0x02, [11] = 1, [12] = 0xff};

	if (memcmp(a->b, all_nodes, sizeof(all_nodes)) == 0)
		return true;
	return memcmp(a->b, solicited, sizeof(solicited)) == 0 && is_solicited_node(l, a->b + 13);
}

static void skip(struct frame *f, uint32_t bytes)
{
	f->at += bytes;
	f->left -= bytes;
}

/* The packet is whole: make the buffer's view what is left. */
static enum drop accept_as(struct frame *f, enum pkt_kind kind)
{
	struct pkt *p = f->p;

	p->kind = (uint8_t)kind;
	p->l4 = f->at;
	p->l4_len = (uint16_t)f->left;
	p->buf->data = f->at;
	p->buf->len = (uint16_t)f->left;
	return DROP_COUNT;
}

/* A fragment, offset in units of 8 bytes: who follows flows finds its own by the number. */
static enum drop note_fragment(struct frame *f, uint32_t offset, bool more, uint32_t id)
{
	if (!f->n->fragments)
		return DROP_IP_FRAGMENT;
	f->p->fragment = offset ? PKT_FRAGMENT_LATER : more ? PKT_FRAGMENT_FIRST : PKT_WHOLE;
	f->p->fragment_id = id;
	return DROP_COUNT;
}

/* What a later fragment has of layer 4 is in its first. */
static enum drop parse_later(struct frame *f)
{
	if (f->p->proto != IP_TCP && f->p->proto != IP_UDP)
		return DROP_IP_FRAGMENT;
	return accept_as(f, f->p->proto == IP_UDP ? PKT_UDP : PKT_TCP);
}

static enum drop parse_tcp(struct frame *f)
{
	if (f->left < TCP_LEN)
		return DROP_TCP_HEADER;
	f->p->sport = wire_be16(f->at + TCP_SPORT);
	f->p->dport = wire_be16(f->at + TCP_DPORT);
	return accept_as(f, PKT_TCP);
}

/* UDP of one of our addresses; the checksum is the endpoint's to judge: we only adjust it. RFC 768. */
static enum drop parse_udp(struct frame *f)
{
	if (f->left < UDP_LEN)
		return DROP_UDP_HEADER;
	f->p->sport = wire_be16(f->at + UDP_SPORT);
	f->p->dport = wire_be16(f->at + UDP_DPORT);
	return accept_as(f, PKT_UDP);
}

static bool is_ours(struct frame *f)
{
	int number = net_own_number(f->n, &f->p->dst);

	f->p->own = (uint16_t)number;
	return number >= 0;
}

static enum drop parse_arp(struct frame *f)
{
	if (f->left < ARP_LEN)
		return DROP_L2_SHORT;
	f->p->src = (struct ip_addr){0};
	f->p->dst = (struct ip_addr){0};
	f->p->ttl = 0;
	f->p->tos = 0;
	f->left = ARP_LEN;
	return accept_as(f, PKT_ARP);
}

/* RFC 1122 section 3.2.1.3: who may never be a source. */
static bool is_bad_source4(const struct frame *f)
{
	const struct ip_addr *a = &f->p->src;
	uint8_t first = a->b[12];

	if (first == 0 || first == 127 || first >= 224)
		return true;
	return net_link_broadcast(f->l, a->w[3]) || net_is_ours(f->n, a);
}

static enum drop parse_fragment4(struct frame *f, const uint8_t *h)
{
	uint16_t word = wire_get16(h + IP4_FRAG);
	enum drop end =
		note_fragment(f, word & IP4_FRAG_OFFSET, word & IP4_MORE, wire_get16(h + IP4_ID));

	if (end != DROP_COUNT || f->p->fragment != PKT_FRAGMENT_LATER)
		return end;
	return parse_later(f);
}

static enum drop parse_ip4(struct frame *f)
{
	const uint8_t *h = f->at;
	struct pkt *p = f->p;
	uint32_t header, total;

	if (f->left < IP4_LEN)
		return DROP_L2_SHORT;
	header = (h[0] & 15u) * 4;
	total = wire_get16(h + IP4_TOTAL);
	if (h[0] >> 4 != 4 || header < IP4_LEN || total < header)
		return DROP_IP_HEADER;
	if (total > f->left)
		return DROP_L2_SHORT;
	if (!(p->buf->flags & BUF_IP_CSUM_OK) && csum_finish(csum_add_header(h, header)) != 0)
		return DROP_IP_CSUM;
	p->src = wire_ip4(h + IP4_SRC);
	p->dst = wire_ip4(h + IP4_DST);
	p->ttl = h[IP4_TTL];
	p->tos = h[IP4_TOS];
	if (!is_ours(f))
		return DROP_IP_NOT_OURS;
	if (is_bad_source4(f))
		return DROP_IP_SOURCE;
	if (f->group) /* RFC 1122 section 3.3.6 */
		return DROP_L2_OTHER_MAC;
	p->proto = h[IP4_PROTO];
	f->left = total;
	skip(f, header);
	if (wire_get16(h + IP4_FRAG) & IP4_FRAG_MASK) {
		enum drop end = parse_fragment4(f, h);

		if (end != DROP_COUNT || p->fragment == PKT_FRAGMENT_LATER)
			return end;
	}
	if (p->proto == IP_TCP)
		return parse_tcp(f);
	if (p->proto == IP_UDP)
		return parse_udp(f);
	if (p->proto != IP_ICMP || p->fragment)
		return p->fragment ? DROP_IP_FRAGMENT : DROP_IP_PROTO;
	return f->left < ICMP_LEN ? DROP_ICMP_BAD : accept_as(f, PKT_ICMP);
}

/*
 * Options of a hop-by-hop or destination header that may be passed over: the two upper bits of the
 * type say "skip" when the option is unknown (RFC 8200 section 4.2).
 */
static bool options_are_harmless(const uint8_t *opt, uint32_t left)
{
	while (left) {
		if (opt[0] == 0) { /* Pad1 */
			opt++, left--;
			continue;
		}
		if (left < 2 || left < 2u + opt[1] || opt[0] >> 6)
			return false;
		left -= 2u + opt[1];
		opt += 2u + opt[1];
	}
	return true;
}

/* It is the last extension header that we follow. */
static enum drop parse_fragment6(struct frame *f, uint8_t *next)
{
	uint16_t word;

	if (f->left < IP6_FRAGMENT_LEN)
		return DROP_IP_HEADER;
	word = wire_get16(f->at + 2);
	*next = f->at[0];
	enum drop end = note_fragment(f, word >> 3, word & 1, wire_get32(f->at + 4));

	skip(f, IP6_FRAGMENT_LEN);
	return end;
}

/* Walk the extension headers; *next becomes the protocol of what follows them. */
static enum drop skip_extensions(struct frame *f, uint8_t *next)
{
	bool first = true;
	uint32_t len;

	for (int i = 0; i < EXTENSIONS_MAX; i++, first = false) {
		if (*next == IP_FRAGMENT)
			return parse_fragment6(f, next);
		if (*next == IP_ROUTING || *next == IP_AUTH || *next == IP_MOBILITY)
			return DROP_IP6_EXTENSION;
		if (*next != IP_DEST_OPTIONS && *next != IP_HOP_BY_HOP)
			return DROP_COUNT;
		if (*next == IP_HOP_BY_HOP && !first)
			return DROP_IP_HEADER;
		if (f->left < 8 || f->left < (len = (f->at[1] + 1u) * 8))
			return DROP_IP_HEADER;
		if (!options_are_harmless(f->at + 2, len - 2))
			return DROP_IP6_EXTENSION;
		*next = f->at[0];
		skip(f, len);
	}
	return DROP_IP6_EXTENSION;
}

static enum drop parse_icmp6(struct frame *f)
{
	bool ndp;

	if (f->left < ICMP_LEN)
		return DROP_ICMP_BAD;
	ndp = f->at[ICMP_TYPE] >= NDP_RS && f->at[ICMP_TYPE] <= NDP_REDIRECT;
	if (!ndp && ip_is_any(&f->p->src))
		return DROP_IP_SOURCE;
	return accept_as(f, ndp ? PKT_NDP : PKT_ICMP);
}

/*
 * Who may never be a source in IPv6. The unspecified address may, for NDP (duplicate address
 * detection). A v4-mapped one must not be seen on a wire and would be taken for an IPv4 address here.
 */
static bool is_bad_source6(const struct frame *f)
{
	static const struct ip_addr loopback = {.b = {[15] = 1}};
	const struct ip_addr *a = &f->p->src;

	return a->b[0] == 0xff || ip_is_v4(a) || ip_eq(a, &loopback) || net_is_ours(f->n, a);
}

static enum drop parse_ip6(struct frame *f)
{
	const uint8_t *h = f->at;
	struct pkt *p = f->p;
	uint8_t next;
	enum drop end;
	bool group;

	if (f->left < IP6_LEN)
		return DROP_L2_SHORT;
	if (h[0] >> 4 != 6)
		return DROP_IP_HEADER;
	skip(f, IP6_LEN);
	if (wire_get16(h + IP6_PAYLOAD) > f->left)
		return DROP_L2_SHORT;
	f->left = wire_get16(h + IP6_PAYLOAD);
	p->src = wire_ip6(h + IP6_SRC);
	p->dst = wire_ip6(h + IP6_DST);
	p->ttl = h[IP6_HOPS];
	p->tos = (uint8_t)(h[0] << 4 | h[1] >> 4);
	group = is_our_group_ip(f->l, &p->dst);
	if (!group && (ip_is_v4(&p->dst) || !is_ours(f)))
		return DROP_IP_NOT_OURS;
	if (is_bad_source6(f))
		return DROP_IP_SOURCE;
	if (f->group && !group)
		return DROP_L2_OTHER_MAC;
	next = h[IP6_NEXT];
	end = skip_extensions(f, &next);
	if (end != DROP_COUNT)
		return end;
	p->proto = next;
	if (p->fragment && (next == IP_ICMP6 || group))
		return DROP_IP_FRAGMENT;
	if (p->fragment == PKT_FRAGMENT_LATER)
		return parse_later(f);
	if (next == IP_ICMP6)
		return parse_icmp6(f);
	if ((next != IP_TCP && next != IP_UDP) || group)
		return DROP_IP_PROTO;
	if (ip_is_any(&p->src))
		return DROP_IP_SOURCE;
	return next == IP_TCP ? parse_tcp(f) : parse_udp(f);
}

/* The type behind the Ethernet header and, where the port has one, the VLAN tag. */
static enum drop parse_eth(struct frame *f, uint16_t *type)
{
	const uint8_t *h = f->at;
	uint16_t vlan = 0;
	uint64_t mac;

	if (f->left < ETH_LEN)
		return DROP_L2_SHORT;
	mac = load_mac(h);
	f->group = h[0] & 1;
	if (f->group ? !is_our_group_mac(f->l, h) : mac != f->l->mac)
		return DROP_L2_OTHER_MAC;
	*type = wire_get16(h + ETH_TYPE);
	skip(f, ETH_LEN);
	if (*type == ETH_TYPE_VLAN) { /* identifier 0 is a priority without a VLAN (802.1Q) */
		if (f->left < VLAN_LEN)
			return DROP_L2_SHORT;
		vlan = wire_get16(f->at) & VLAN_ID_MASK;
		*type = wire_get16(f->at + 2);
		skip(f, VLAN_LEN);
	}
	return vlan == f->l->conf.vlan ? DROP_COUNT : DROP_L2_VLAN;
}

static enum drop parse(struct frame *f)
{
	uint16_t type = 0;
	enum drop end = parse_eth(f, &type);

	if (end != DROP_COUNT)
		return end;
	f->p->l3 = f->at;
	switch (type) {
	case ETH_TYPE_IP4: return parse_ip4(f);
	case ETH_TYPE_IP6: return parse_ip6(f);
	case ETH_TYPE_ARP: return parse_arp(f);
	default: return DROP_L2_ETHERTYPE;
	}
}

enum drop net_parse_any(struct net *n, struct buf *b, struct pkt *p)
{
	struct frame f = {n, &n->links[b->port], p, b->data, b->len, false};
	enum drop end;

	p->buf = b;
	p->port = b->port;
	p->eth = b->data;
	p->sport = 0;
	p->dport = 0;
	p->fragment = PKT_WHOLE;
	b->flags &= (uint16_t)~BUF_SUMMED;
	end = parse(&f);
	if (end != DROP_COUNT)
		buf_free(b);
	return end;
}

enum drop net_parse(struct net *n, struct buf *b, struct pkt *p)
{
	return net_parse_plain(n, b, p) ? DROP_COUNT : net_parse_any(n, b, p);
}
