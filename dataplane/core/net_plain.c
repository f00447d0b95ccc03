/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * In: the frames that nearly all are, in a third of the instructions. What is asked here is what net_parse.c asks,
 * but all at once, without telling what is wrong; tests/prop/prop_frame.c compares the two.
 */
#include "csum.h"
#include "net_state.h"

#define TAG_MASK  __builtin_bswap32(0xffff0fffu) /* without the priority (802.1Q) */
#define PLAIN_IP4 0x45                           /* version, and a header of 20 bytes */
#define MAC_MASK  0xffffffffffffull

static uint64_t load_mac(const uint8_t *mac)
{
	uint64_t v;

	memcpy(&v, mac, sizeof(v)); /* two bytes of the next one */
	return v & MAC_MASK;
}

/* Ethernet for us, and IPv4 that is no fragment. */
static bool has_plain_headers(const struct net_link *l, const uint8_t *eth, const uint8_t *ip)
{
	uint64_t odd = load_mac(eth) ^ l->mac;

	odd |= (uint64_t)(wire_be16(ip - 2) ^ __builtin_bswap16(ETH_TYPE_IP4));
	odd |= wire_be16(ip + IP4_FRAG) & __builtin_bswap16(IP4_FRAG_MASK);
	if (l->l2_len > ETH_LEN)
		odd |= (wire_be32(eth + ETH_TYPE) & TAG_MASK) ^ l->tag;
	return odd == 0;
}

/* RFC 1122 section 3.2.1.3, and none of ours. */
static bool is_plain_source(const struct net *n, const struct ip_addr *src)
{
	uint8_t first = src->b[12];

	return first - 1u < 223u && first != 127 && !net_is_suspect(n, src);
}

/* And which of ours it is for. */
static inline __attribute__((always_inline)) bool
are_plain_addresses(const struct net *n, const uint8_t *ip, struct pkt *p)
{
	uint16_t row;

	p->src = wire_ip4(ip + IP4_SRC);
	p->dst = wire_ip4(ip + IP4_DST);
	row = n->ours_row[net_row(&p->dst)];
	p->own = (uint16_t)(row - 1);
	return row && ip_eq(&n->ours[row - 1], &p->dst) && is_plain_source(n, &p->src);
}

bool net_parse_plain(const struct net *n, struct buf *b, struct pkt *p)
{
	const struct net_link *l = &n->links[b->port];
	uint8_t *ip = b->data + l->l2_len, *l4 = ip + IP4_LEN;
	uint32_t total, least;
	bool tcp;

	if (b->len < l->l2_len + IP4_LEN + UDP_LEN || ip[0] != PLAIN_IP4 ||
	    !has_plain_headers(l, b->data, ip))
		return false;
	tcp = ip[IP4_PROTO] == IP_TCP;
	least = IP4_LEN + (tcp ? TCP_LEN : UDP_LEN);
	total = wire_get16(ip + IP4_TOTAL);
	if ((!tcp && ip[IP4_PROTO] != IP_UDP) || total < least || total + l->l2_len > b->len)
		return false;
	if (!(b->flags & BUF_IP_CSUM_OK) && csum_finish(csum_add_20(ip)) != 0)
		return false;
	if (!are_plain_addresses(n, ip, p))
		return false;
	p->proto = ip[IP4_PROTO];
	p->buf = b;
	p->kind = tcp ? PKT_TCP : PKT_UDP;
	p->port = b->port;
	p->ttl = ip[IP4_TTL];
	p->tos = ip[IP4_TOS];
	p->eth = b->data;
	p->l3 = ip;
	p->l4 = l4;
	p->l4_len = (uint16_t)(total - IP4_LEN);
	p->sport = wire_be16(l4);
	p->dport = wire_be16(l4 + 2);
	p->fragment = PKT_WHOLE;
	b->flags &= (uint16_t)~BUF_SUMMED;
	b->data = l4;
	b->len = p->l4_len;
	return true;
}
