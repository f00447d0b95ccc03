/* SPDX-License-Identifier: BSD-3-Clause */
#include "wire.h"

#include <rte_arp.h>
#include <rte_byteorder.h>
#include <rte_ethdev.h>
#include <rte_ether.h>
#include <rte_ip.h>
#include <rte_tcp.h>

#include <string.h>

#define CHECK_EVERY 16 /* frames: a checksum of each costs as much as all the rest */

struct frame {
	struct rte_ether_hdr eth;
	struct rte_ipv4_hdr ip;
	struct rte_tcp_hdr tcp;
} __rte_packed __rte_aligned(2);

struct message message_of(const char *bytes, uint16_t len)
{
	return (struct message){bytes, len, rte_raw_cksum(bytes, len)};
}

static struct rte_mbuf *new_frame(struct wire *w)
{
	struct rte_mbuf *m;

	if (w->n == WIRE_BURST)
		wire_flush(w);
	m = rte_pktmbuf_alloc(w->pool);
	if (!m)
		rte_panic("no buffers left\n");
	w->out[w->n++] = m;
	return m;
}

static void set_len(struct rte_mbuf *m, size_t len)
{
	m->data_len = (uint16_t)len;
	m->pkt_len = (uint32_t)len;
}

/* ---- ARP --------------------------------------------------------------------------------- */

static void send_arp(struct wire *w, uint16_t op, uint32_t from, uint32_t to)
{
	struct rte_mbuf *m = new_frame(w);
	struct rte_ether_hdr *eth = rte_pktmbuf_mtod(m, struct rte_ether_hdr *);
	struct rte_arp_hdr *arp = (void *)(eth + 1);

	memset(eth, 0, 60);
	set_len(m, 60);
	if (w->knows_peer)
		memcpy(&eth->dst_addr, w->peer_mac, 6);
	else
		memset(&eth->dst_addr, 0xff, 6);
	memcpy(&eth->src_addr, w->mac, 6);
	eth->ether_type = RTE_BE16(RTE_ETHER_TYPE_ARP);
	arp->arp_hardware = RTE_BE16(RTE_ARP_HRD_ETHER);
	arp->arp_protocol = RTE_BE16(RTE_ETHER_TYPE_IPV4);
	arp->arp_hlen = 6;
	arp->arp_plen = 4;
	arp->arp_opcode = rte_cpu_to_be_16(op);
	memcpy(&arp->arp_data.arp_sha, w->mac, 6);
	arp->arp_data.arp_sip = from;
	if (w->knows_peer)
		memcpy(&arp->arp_data.arp_tha, w->peer_mac, 6);
	arp->arp_data.arp_tip = to;
}

void wire_ask(struct wire *w, uint32_t address)
{
	send_arp(w, RTE_ARP_OP_REQUEST, rte_cpu_to_be_32(w->address), rte_cpu_to_be_32(address));
	wire_flush(w);
}

static void take_arp(struct wire *w, const struct rte_mbuf *m)
{
	const struct rte_arp_hdr *arp = rte_pktmbuf_mtod_offset(m, const struct rte_arp_hdr *,
	                                                        sizeof(struct rte_ether_hdr));

	if (m->data_len < sizeof(struct rte_ether_hdr) + sizeof(*arp))
		return;
	memcpy(w->peer_mac, &arp->arp_data.arp_sha, 6);
	w->knows_peer = true;
	/* a request for the sender's own address is an announcement */
	if (arp->arp_opcode == RTE_BE16(RTE_ARP_OP_REQUEST) &&
	    arp->arp_data.arp_sip != arp->arp_data.arp_tip)
		send_arp(w, RTE_ARP_OP_REPLY, arp->arp_data.arp_tip, arp->arp_data.arp_sip);
}

/* ---- TCP --------------------------------------------------------------------------------- */

static uint16_t fold(uint32_t sum)
{
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)((sum & 0xffff) + (sum >> 16));
}

static bool sums_right(const struct frame *f)
{
	size_t len = rte_be_to_cpu_16(f->ip.total_length) - sizeof(f->ip);
	uint32_t sum = rte_ipv4_phdr_cksum(&f->ip, 0) + rte_raw_cksum(&f->tcp, len);

	return rte_ipv4_cksum(&f->ip) == 0 && fold(sum) == 0xffff;
}

bool wire_parse(struct wire *w, struct rte_mbuf *m, struct segment *s)
{
	const struct frame *f = rte_pktmbuf_mtod(m, const struct frame *);
	size_t at, end;

	w->rx++;
	if (f->eth.ether_type == RTE_BE16(RTE_ETHER_TYPE_ARP)) {
		take_arp(w, m);
		return false;
	}
	if (f->eth.ether_type == RTE_BE16(RTE_ETHER_TYPE_IPV6))
		return false; /* Weir announces itself */
	at = sizeof(f->eth) + sizeof(f->ip) + (size_t)(f->tcp.data_off >> 4) * 4;
	end = sizeof(f->eth) + rte_be_to_cpu_16(f->ip.total_length);
	if (m->data_len < sizeof(*f) || f->ip.version_ihl != RTE_IPV4_VHL_DEF ||
	    f->ip.next_proto_id != IPPROTO_TCP || at > end || end > m->data_len ||
	    (w->rx % CHECK_EVERY == 0 && !sums_right(f))) {
		w->bad++;
		return false;
	}
	*s = (struct segment){.src = f->ip.src_addr,
	                      .dst = f->ip.dst_addr,
	                      .sport = f->tcp.src_port,
	                      .dport = f->tcp.dst_port,
	                      .seq = rte_be_to_cpu_32(f->tcp.sent_seq),
	                      .ack = rte_be_to_cpu_32(f->tcp.recv_ack),
	                      .flags = f->tcp.tcp_flags,
	                      .data = (const char *)f + at,
	                      .len = (uint16_t)(end - at)};
	return true;
}

/* The only option: without it the other side may send no more than 536 bytes at once. */
static size_t add_mss(struct frame *f)
{
	uint8_t *option = (uint8_t *)(f + 1);

	option[0] = 2;
	option[1] = 4;
	option[2] = WIRE_MSS >> 8;
	option[3] = WIRE_MSS & 0xff;
	f->tcp.data_off = 6 << 4;
	return sizeof(f->tcp) + 4;
}

void wire_send(struct wire *w, const struct segment *s)
{
	struct rte_mbuf *m = new_frame(w);
	struct frame *f = rte_pktmbuf_mtod(m, struct frame *);
	uint16_t len = s->message ? s->message->len : 0;
	size_t header = sizeof(f->tcp);
	uint32_t sum;

	memcpy(&f->eth.dst_addr, w->peer_mac, 6);
	memcpy(&f->eth.src_addr, w->mac, 6);
	f->eth.ether_type = RTE_BE16(RTE_ETHER_TYPE_IPV4);
	f->tcp = (struct rte_tcp_hdr){.src_port = s->sport,
	                              .dst_port = s->dport,
	                              .sent_seq = rte_cpu_to_be_32(s->seq),
	                              .recv_ack = rte_cpu_to_be_32(s->ack),
	                              .data_off = 5 << 4,
	                              .tcp_flags = (uint8_t)s->flags,
	                              .rx_win = 0xffff};
	if (s->flags & SEG_SYN)
		header = add_mss(f);
	if (len)
		memcpy((uint8_t *)&f->tcp + header, s->message->bytes, len);
	f->ip = (struct rte_ipv4_hdr){
		.version_ihl = RTE_IPV4_VHL_DEF,
		.total_length = rte_cpu_to_be_16((uint16_t)(sizeof(f->ip) + header + len)),
		.fragment_offset = RTE_BE16(RTE_IPV4_HDR_DF_FLAG),
		.time_to_live = 64,
		.next_proto_id = IPPROTO_TCP,
		.src_addr = s->src,
		.dst_addr = s->dst};
	f->ip.hdr_checksum = rte_ipv4_cksum(&f->ip);
	sum = rte_ipv4_phdr_cksum(&f->ip, 0) + rte_raw_cksum(&f->tcp, header);
	f->tcp.cksum = (uint16_t)~fold(sum + (len ? s->message->sum : 0u));
	set_len(m, sizeof(f->eth) + sizeof(f->ip) + header + len);
}

void wire_flush(struct wire *w)
{
	uint16_t sent = 0;

	while (sent < w->n)
		sent += rte_eth_tx_burst(w->port_id, 0, w->out + sent, (uint16_t)(w->n - sent));
	w->tx += w->n;
	w->n = 0;
}
