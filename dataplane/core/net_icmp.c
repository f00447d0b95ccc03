/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ICMP and ICMPv6: answer echo, and read errors that quote our TCP segments. RFC 792, 4443; path MTU
 * RFC 1191 and 8201.
 *
 * An echo reply goes back to the MAC address that the request came from, so it needs no route and no
 * neighbour, and an echo flood cannot make us ask for neighbours.
 */
#include "csum.h"
#include "net_state.h"

#define ECHO_HOPS 64

static bool is_v6(const struct pkt *p)
{
	return !ip_is_v4(&p->dst);
}

static bool sum_is_right(const struct pkt *p)
{
	uint16_t sum = csum_add(p->l4, p->l4_len);

	if (is_v6(p))
		sum = csum_combine(sum, csum_pseudo(&p->src, &p->dst, IP_ICMP6, p->l4_len), 0);
	return csum_finish(sum) == 0;
}

/* Consumes the buffer. The IP header is written anew, so options and extensions are gone. */
static void echo(struct net *n, const struct pkt *p)
{
	bool v6 = is_v6(p);
	struct net_ip ip = {&p->dst, &p->src, p->l4_len, v6 ? IP_ICMP6 : IP_ICMP, ECHO_HOPS, false};
	uint8_t mac[MAC_LEN], type = v6 ? ICMP6_ECHO_REPLY : ICMP_ECHO_REPLY;
	struct net_tx tx = {.buf = p->buf};
	uint32_t was = wire_be16(p->l4), now;

	memcpy(mac, p->eth + ETH_SRC, MAC_LEN); /* before the new headers cover it */
	p->l4[ICMP_TYPE] = type;
	now = wire_be16(p->l4);
	wire_put_be16(p->l4 + ICMP_CSUM, csum_update32(wire_be16(p->l4 + ICMP_CSUM), was, now));
	tx.frame = net_ip_write(&ip, p->l4);
	tx.l3_len = (uint8_t)(p->l4 - tx.frame);
	tx.len = (uint16_t)(p->l4_len + tx.l3_len);
	net_emit_to(n, p->port, mac, v6 ? ETH_TYPE_IP6 : ETH_TYPE_IP4, &tx);
}

enum drop net_icmp_input(struct net *n, const struct pkt *p)
{
	uint8_t request = is_v6(p) ? ICMP6_ECHO : ICMP_ECHO;
	enum drop end = DROP_ICMP_OTHER;

	if (!sum_is_right(p)) {
		end = DROP_ICMP_BAD;
	} else if (is_v6(p) && p->l4[ICMP_TYPE] == MLD_QUERY) {
		end = net_mld_query(n, p);
	} else if (p->l4[ICMP_TYPE] == request && !net_is_group(&p->dst)) {
		end = p->l4[ICMP_CODE] == 0 ? DROP_ICMP_ECHO : DROP_ICMP_BAD;
		if (end == DROP_ICMP_ECHO && n->answers) {
			echo(n, p);
			return end;
		}
	}
	buf_free(p->buf);
	return end;
}

/* What an error message quotes of the packet that caused it. */
struct quote {
	struct ip_addr src, dst;
	const uint8_t *l4;
	uint8_t proto;
};

/* The quoted header must be whole, not of a later fragment, and 8 bytes behind it: ports and TCP's number. */
static bool read_quote4(const uint8_t *h, uint32_t left, struct quote *q)
{
	uint32_t header;

	if (left < IP4_LEN)
		return false;
	header = (h[0] & 15u) * 4;
	if (h[0] >> 4 != 4 || header < IP4_LEN || left < header + 8)
		return false;
	if (wire_get16(h + IP4_FRAG) & IP4_FRAG_OFFSET)
		return false;
	q->proto = h[IP4_PROTO];
	q->src = wire_ip4(h + IP4_SRC);
	q->dst = wire_ip4(h + IP4_DST);
	q->l4 = h + header;
	return true;
}

/* We send no extension headers, so a quote that has some is not of ours. */
static bool read_quote6(const uint8_t *h, uint32_t left, struct quote *q)
{
	if (left < IP6_LEN + 8 || h[0] >> 4 != 6)
		return false;
	q->proto = h[IP6_NEXT];
	q->src = wire_ip6(h + IP6_SRC);
	q->dst = wire_ip6(h + IP6_DST);
	q->l4 = h + IP6_LEN;
	return !ip_is_v4(&q->src) && !ip_is_v4(&q->dst);
}

/* What kind of error; false: not one that a TCP connection has to know. */
static bool read_type4(const uint8_t *h, struct net_icmp_error *out)
{
	if (h[ICMP_TYPE] == ICMP_TIME_EXCEEDED)
		return true;
	if (h[ICMP_TYPE] != ICMP_UNREACHABLE)
		return false;
	out->hard = h[ICMP_CODE] == ICMP_CODE_PROTO || h[ICMP_CODE] == ICMP_CODE_PORT;
	out->too_big = h[ICMP_CODE] == ICMP_CODE_TOO_BIG;
	if (out->too_big)
		out->mtu = wire_get16(h + ICMP_MTU);
	return true;
}

static bool read_type6(const uint8_t *h, struct net_icmp_error *out)
{
	uint32_t mtu = wire_get32(h + ICMP6_MTU);

	switch (h[ICMP_TYPE]) {
	case ICMP6_UNREACHABLE: out->hard = h[ICMP_CODE] == ICMP6_CODE_PORT; return true;
	case ICMP6_TIME_EXCEEDED: return true;
	case ICMP6_PARAMETER: out->hard = h[ICMP_CODE] == ICMP6_CODE_NEXT_HEADER; return true;
	case ICMP6_TOO_BIG:
		out->too_big = true;
		out->mtu = (uint16_t)(mtu > UINT16_MAX ? UINT16_MAX : mtu);
		if (out->mtu < IP6_MTU_MIN) /* RFC 8201 section 4: never below */
			out->mtu = IP6_MTU_MIN;
		return true;
	default: return false;
	}
}

bool net_icmp_error(const struct net *n, const struct pkt *p, struct net_icmp_error *out)
{
	return net_icmp_read(n, p, out) && !out->udp;
}

bool net_icmp_read(const struct net *n, const struct pkt *p, struct net_icmp_error *out)
{
	const uint8_t *h = p->l4;
	struct quote q;
	bool v6;

	if (p->kind != PKT_ICMP || p->l4_len < ICMP_LEN)
		return false;
	v6 = is_v6(p);
	*out = (struct net_icmp_error){0};
	if (!(v6 ? read_type6(h, out) : read_type4(h, out)))
		return false;
	if (!(v6 ? read_quote6 : read_quote4)(h + ICMP_LEN, p->l4_len - ICMP_LEN, &q))
		return false;
	if (q.proto != IP_TCP && q.proto != IP_UDP)
		return false;
	if (!ip_eq(&q.src, &p->dst) || !net_is_ours(n, &q.src) || !sum_is_right(p))
		return false;
	out->udp = q.proto == IP_UDP;
	out->ip = ICMP_LEN;
	out->l4 = (uint32_t)(q.l4 - h);
	out->local = q.src;
	out->remote = q.dst;
	out->lport = wire_be16(q.l4 + TCP_SPORT);
	out->rport = wire_be16(q.l4 + TCP_DPORT);
	out->seq = wire_get32(q.l4 + TCP_SEQ);
	return true;
}
