/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ICMP errors of our own, about packets that flows cannot forward: RFC 1812 section 4.3, RFC 4443.
 *
 * As an echo reply, an error goes back to the MAC address that the packet came from: it needs no route, and
 * a flood cannot make us ask for neighbours. A token bucket bounds them.
 */
#include "csum.h"
#include "net_state.h"

#define QUOTE_MAX4 548  /* RFC 1812: the whole error within 576 bytes */
#define QUOTE_MAX6 1232 /* RFC 4443: within the minimum MTU of 1280 */
#define ERROR_HOPS 64

struct kind {
	uint8_t type4, code4, type6, code6;
};

static const struct kind kinds[] = {
	[NET_NO_PORT] = {ICMP_UNREACHABLE, ICMP_CODE_PORT, ICMP6_UNREACHABLE, ICMP6_CODE_PORT},
	[NET_TTL_EXCEEDED] = {ICMP_TIME_EXCEEDED, 0, ICMP6_TIME_EXCEEDED, 0},
	[NET_TOO_BIG] = {ICMP_UNREACHABLE, ICMP_CODE_TOO_BIG, ICMP6_TOO_BIG, 0},
	[NET_NO_WAY] = {ICMP_UNREACHABLE, ICMP_CODE_HOST, ICMP6_UNREACHABLE, ICMP6_CODE_ADDRESS},
};

static bool is_allowed(struct net *n)
{
	uint64_t depth = NET_REFUSE_US * NET_REFUSE_BURST;

	if (n->now_us > n->refused_us + depth)
		n->refused_us = n->now_us - depth;
	if (n->refused_us + NET_REFUSE_US > n->now_us)
		return false;
	n->refused_us += NET_REFUSE_US;
	return true;
}

static void write_body(uint8_t *h, const struct kind *k, bool v6, uint16_t mtu)
{
	memset(h, 0, ICMP_LEN);
	h[ICMP_TYPE] = v6 ? k->type6 : k->type4;
	h[ICMP_CODE] = v6 ? k->code6 : k->code4;
	if (v6 && mtu)
		wire_put32(h + ICMP6_MTU, mtu);
	else if (mtu)
		wire_put16(h + ICMP_MTU, mtu);
}

void net_refuse(struct net *n, const struct pkt *p, enum net_refusal why, uint16_t mtu)
{
	bool v6 = !ip_is_v4(&p->dst);
	uint32_t quote = (uint32_t)(p->l4 - p->l3) + p->l4_len, max = v6 ? QUOTE_MAX6 : QUOTE_MAX4;
	struct net_ip ip = {&p->dst, &p->src, 0, v6 ? IP_ICMP6 : IP_ICMP, ERROR_HOPS, false};
	struct buf *b = is_allowed(n) ? net_buf_new(n) : NULL;
	struct net_tx tx = {.buf = b};
	uint16_t sum = 0;

	if (!b)
		return;
	quote = quote < max ? quote : max;
	if (quote > buf_tailroom(b) - ICMP_LEN)
		quote = (uint32_t)(buf_tailroom(b) - ICMP_LEN);
	write_body(b->data, &kinds[why], v6, why == NET_TOO_BIG ? mtu : 0);
	memcpy(b->data + ICMP_LEN, p->l3, quote);
	ip.len = b->len = (uint16_t)(ICMP_LEN + quote);
	if (v6)
		sum = csum_pseudo(&p->dst, &p->src, IP_ICMP6, ip.len);
	sum = csum_combine(sum, csum_add(b->data, ip.len), 0);
	wire_put_be16(b->data + ICMP_CSUM, csum_finish(sum));
	tx.frame = net_ip_write(&ip, b->data);
	tx.l3_len = (uint8_t)(b->data - tx.frame);
	tx.len = (uint16_t)(tx.l3_len + ip.len);
	net_emit_to(n, p->port, p->eth + ETH_SRC, v6 ? ETH_TYPE_IP6 : ETH_TYPE_IP4, &tx);
}
