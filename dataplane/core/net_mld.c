/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Multicast listener reports (MLDv2, RFC 3810): which solicited-node groups we listen to.
 *
 * Without them a switch that snoops MLD does not forward neighbour solicitations to us. A report is
 * sent with each announcement, and at once for a query; not more than one a second, because one
 * report says everything. Groups never change, so there is no other state.
 */
#include "csum.h"
#include "net_state.h"

enum {
	OPTIONS_LEN = 8, /* hop-by-hop header with the router alert option (RFC 2711) */
	REPORT = 143,
	REPORT_LEN = 8,
	REPORT_COUNT = 6,
	RECORD_LEN = 20,
	RECORD_GROUP = 4,
	MODE_IS_EXCLUDE = 2,   /* record of an answer: everything from the group, and */
	CHANGE_TO_EXCLUDE = 4, /* of a report of our own accord */
	QUERY_LEN = 24,        /* of MLDv1; MLDv2's is longer */
};

static const struct ip_addr *link_local_of(const struct net_link *l)
{
	for (uint32_t i = 0; i < l->n_addrs; i++)
		if (net_is_link_local(&l->addrs[i].addr))
			return &l->addrs[i].addr;
	return NULL;
}

/* Two addresses that end alike share a group: name it once. */
static bool is_new_group(const struct net_link *l, uint32_t at)
{
	for (uint32_t i = 0; i < at; i++)
		if (!ip_is_v4(&l->addrs[i].addr) &&
		    memcmp(l->addrs[i].addr.b + 13, l->addrs[at].addr.b + 13, 3) == 0)
			return false;
	return !ip_is_v4(&l->addrs[at].addr);
}

/* Returns the bytes written at record. */
static uint16_t write_records(const struct net_link *l, uint8_t type, uint8_t *record)
{
	static const uint8_t group[13] = {0xff, 0x02, [11] = 1, [12] = 0xff};
	uint8_t *at = record;

	for (uint32_t i = 0; i < l->n_addrs; i++) {
		if (!is_new_group(l, i))
			continue;
		memset(at, 0, RECORD_LEN);
		at[0] = type;
		memcpy(at + RECORD_GROUP, group, sizeof(group));
		memcpy(at + RECORD_GROUP + 13, l->addrs[i].addr.b + 13, 3);
		at += RECORD_LEN;
	}
	return (uint16_t)(at - record);
}

static void report(struct net *n, uint32_t port, uint8_t type)
{
	static const uint8_t options[OPTIONS_LEN] = {IP_ICMP6, 0, 5, 2, 0, 0, 1, 0};
	static const struct ip_addr routers = {.b = {0xff, 0x02, [15] = 0x16}};
	static const uint8_t routers_mac[MAC_LEN] = {0x33, 0x33, 0, 0, 0, 0x16};
	const struct net_link *l = &n->links[port];
	struct net_ip ip = {link_local_of(l), &routers, 0, IP_HOP_BY_HOP, 1, false};
	struct buf *b = ip.src ? net_buf_new(n) : NULL;
	struct net_tx tx = {.buf = b, .l3_len = IP6_LEN};
	uint16_t len, sum;
	uint8_t *h;

	if (!b)
		return;
	memcpy(b->data, options, OPTIONS_LEN);
	h = b->data + OPTIONS_LEN;
	memset(h, 0, REPORT_LEN);
	h[ICMP_TYPE] = REPORT;
	len = (uint16_t)(REPORT_LEN + write_records(l, type, h + REPORT_LEN));
	wire_put16(h + REPORT_COUNT, (uint16_t)((len - REPORT_LEN) / RECORD_LEN));
	sum = csum_combine(csum_pseudo(ip.src, ip.dst, IP_ICMP6, len), csum_add(h, len), 0);
	wire_put_be16(h + ICMP_CSUM, csum_finish(sum));
	ip.len = (uint16_t)(OPTIONS_LEN + len);
	b->len = ip.len;
	tx.frame = net_ip_write(&ip, b->data);
	tx.len = (uint16_t)(IP6_LEN + ip.len);
	net_emit_to(n, port, routers_mac, ETH_TYPE_IP6, &tx);
}

void net_mld_announce(struct net *n, uint32_t port)
{
	report(n, port, CHANGE_TO_EXCLUDE);
}

enum drop net_mld_query(struct net *n, const struct pkt *p)
{
	struct net_link *l = &n->links[p->port];

	if (p->ttl != 1 || !net_is_link_local(&p->src) || p->l4_len < QUERY_LEN)
		return DROP_ICMP_BAD;
	if (n->answers && n->now_us >= l->report_due_us) {
		l->report_due_us = n->now_us + NET_REPORT_US;
		report(n, p->port, MODE_IS_EXCLUDE);
	}
	return DROP_MLD_IN;
}
