/* SPDX-License-Identifier: BSD-3-Clause */
#include "flood.h"

#include <rte_byteorder.h>
#include <rte_ethdev.h>
#include <rte_ether.h>
#include <rte_ip.h>
#include <rte_tcp.h>
#include <rte_udp.h>

#include <string.h>

#define SOURCES    0xc6120000u /* 198.18.0.0/15 */
#define SOURCE_SET 0x1ffffu
#define BURST      32
#define PORTS      60000u
#define PORT_FIRST 1024u
#define UDP_BYTES  18u /* of payload: the shortest frame */

struct flood_frame {
	struct rte_ether_hdr eth;
	struct rte_ipv4_hdr ip;
	union {
		struct rte_tcp_hdr tcp;
		struct rte_udp_hdr udp;
	};
} __rte_packed __rte_aligned(2);

static uint16_t transport_len(const struct flood *f)
{
	if (f->kind == FLOOD_UDP)
		return sizeof(struct rte_udp_hdr) + UDP_BYTES;
	return sizeof(struct rte_tcp_hdr);
}

/* Checksums of all but the fields that change; those are zero. */
void flood_prepare(struct flood *f, const struct wire *w)
{
	struct flood_frame *t = (struct flood_frame *)f->frame;
	uint16_t len = transport_len(f);

	memset(f->frame, 0, sizeof(f->frame));
	memcpy(&t->eth.dst_addr, w->peer_mac, 6);
	memcpy(&t->eth.src_addr, w->mac, 6);
	t->eth.ether_type = RTE_BE16(RTE_ETHER_TYPE_IPV4);
	t->ip = (struct rte_ipv4_hdr){
		.version_ihl = RTE_IPV4_VHL_DEF,
		.total_length = rte_cpu_to_be_16((uint16_t)(sizeof(t->ip) + len)),
		.time_to_live = 64,
		.next_proto_id = f->kind == FLOOD_UDP ? IPPROTO_UDP : IPPROTO_TCP,
		.dst_addr = rte_cpu_to_be_32(f->target)};
	if (f->kind == FLOOD_UDP) {
		t->udp = (struct rte_udp_hdr){.dst_port = rte_cpu_to_be_16(f->target_port),
		                              .dgram_len = rte_cpu_to_be_16(len)};
		t->udp.dgram_cksum =
			wire_fold(rte_ipv4_phdr_cksum(&t->ip, 0) + rte_raw_cksum(&t->udp, len));
	} else {
		t->tcp = (struct rte_tcp_hdr){.dst_port = rte_cpu_to_be_16(f->target_port),
		                              .data_off = 5 << 4,
		                              .tcp_flags = f->kind == FLOOD_SYN ? SEG_SYN : SEG_ACK,
		                              .rx_win = 0xffff};
		t->tcp.cksum =
			wire_fold(rte_ipv4_phdr_cksum(&t->ip, 0) + rte_raw_cksum(&t->tcp, len));
	}
	t->ip.hdr_checksum = rte_raw_cksum(&t->ip, sizeof(t->ip));
	f->len = (uint16_t)(sizeof(t->eth) + sizeof(t->ip) + len);
}

static uint32_t halves(uint32_t word)
{
	return (word & 0xffff) + (word >> 16);
}

static void write_one(struct flood *f, struct rte_mbuf *m)
{
	struct flood_frame *t = rte_pktmbuf_mtod(m, struct flood_frame *);
	uint64_t n = f->next++;
	uint32_t source = rte_cpu_to_be_32(SOURCES + (uint32_t)((n * 40503) & SOURCE_SET));
	uint16_t port = rte_cpu_to_be_16((uint16_t)(PORT_FIRST + n % PORTS));
	uint32_t seq = (uint32_t)n * 2654435761u, sum = halves(source) + port;

	memcpy(t, f->frame, sizeof(f->frame));
	t->ip.src_addr = source;
	t->ip.hdr_checksum = (uint16_t)~wire_fold(t->ip.hdr_checksum + halves(source));
	if (f->kind == FLOOD_UDP) {
		t->udp.src_port = port;
		t->udp.dgram_cksum = (uint16_t)~wire_fold(t->udp.dgram_cksum + sum);
	} else {
		t->tcp.src_port = port;
		t->tcp.sent_seq = t->tcp.recv_ack = seq;
		t->tcp.cksum = (uint16_t)~wire_fold(t->tcp.cksum + sum + 2 * halves(seq));
	}
	m->data_len = f->len < 60 ? 60 : f->len;
	m->pkt_len = m->data_len;
}

void flood_turn(struct flood *f, struct wire *w, uint64_t now_tsc)
{
	struct rte_mbuf *m[BURST];
	uint16_t n = 0, sent;
	uint64_t due;

	if (!f->on)
		return;
	while (n < BURST && (f->full || pace_take(&f->pace, now_tsc, &due)))
		n++;
	if (n == 0 || rte_pktmbuf_alloc_bulk(w->pool, m, n))
		return;
	for (uint16_t i = 0; i < n; i++)
		write_one(f, m[i]);
	sent = rte_eth_tx_burst(w->port_id, 0, m, n);
	f->sent += sent;
	f->refused += (uint64_t)(n - sent);
	w->tx += sent;
	if (sent < n)
		rte_pktmbuf_free_bulk(m + sent, (uint32_t)(n - sent));
}

bool flood_input(struct flood *f, enum wire_kind kind, const struct segment *s)
{
	if ((rte_be_to_cpu_32(s->dst) & ~SOURCE_SET) != SOURCES)
		return false;
	if (kind != WIRE_TCP)
		f->others++;
	else if (s->flags & SEG_RST)
		f->resets++;
	else if (s->flags & SEG_SYN)
		f->syn_acks++;
	else
		f->acks++;
	return true;
}
