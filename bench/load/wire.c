/* SPDX-License-Identifier: BSD-3-Clause */
#include "wire.h"

#include <rte_arp.h>
#include <rte_byteorder.h>
#include <rte_cycles.h>
#include <rte_ethdev.h>
#include <rte_ether.h>
#include <rte_ip.h>
#include <rte_tcp.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHECK_EVERY 16 /* frames: a checksum of each costs as much as all the rest */
#define GIVE_UP_S   5  /* the other side is gone */
#define SYN_OPTIONS 8  /* bytes: segment size and window scale */

struct frame {
	struct rte_ether_hdr eth;
	struct rte_ipv4_hdr ip;
	struct rte_tcp_hdr tcp;
} __rte_packed __rte_aligned(2);

static_assert(sizeof(struct frame) == WIRE_HEADER, "the template is a frame's headers");

struct message message_of(const char *bytes, uint16_t len)
{
	return (struct message){bytes, len, rte_raw_cksum(bytes, len)};
}

uint16_t wire_fold(uint32_t sum)
{
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)((sum & 0xffff) + (sum >> 16));
}

struct rte_mbuf *wire_new_frame(struct wire *w)
{
	struct rte_mbuf *m;

	if (w->n == WIRE_BURST)
		wire_flush(w);
	if (w->spares == 0) {
		if (rte_pktmbuf_alloc_bulk(w->pool, w->spare, WIRE_BURST))
			rte_panic("no buffers left\n");
		w->spares = WIRE_BURST;
	}
	m = w->spare[--w->spares];
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
	struct rte_mbuf *m = wire_new_frame(w);
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
	wire_prepare(w);
	/* a request for the sender's own address is an announcement */
	if (arp->arp_opcode == RTE_BE16(RTE_ARP_OP_REQUEST) &&
	    arp->arp_data.arp_sip != arp->arp_data.arp_tip)
		send_arp(w, RTE_ARP_OP_REPLY, arp->arp_data.arp_tip, arp->arp_data.arp_sip);
}

/* ---- receiving --------------------------------------------------------------------------- */

static bool sums_right(const struct frame *f)
{
	size_t len = rte_be_to_cpu_16(f->ip.total_length) - sizeof(f->ip);
	uint32_t sum = rte_ipv4_phdr_cksum(&f->ip, 0) + rte_raw_cksum(&f->tcp, len);

	return rte_ipv4_cksum(&f->ip) == 0 && wire_fold(sum) == 0xffff;
}

/* The option of a SYN; 0: it has none. */
static uint8_t window_scale(const uint8_t *o, const uint8_t *end)
{
	while (o + 2 < end && *o) {
		if (*o == 3)
			return o[2];
		if (*o != 1 && o[1] < 2)
			return 0;
		o += *o == 1 ? 1 : o[1];
	}
	return 0;
}

static enum wire_kind bad(struct wire *w)
{
	w->bad++;
	return WIRE_NOTHING;
}

static enum wire_kind parse_tcp(struct wire *w, const struct frame *f, size_t room,
                                struct segment *s)
{
	size_t at = sizeof(f->eth) + sizeof(f->ip) + (size_t)(f->tcp.data_off >> 4) * 4;
	size_t end = sizeof(f->eth) + rte_be_to_cpu_16(f->ip.total_length);

	if (at > end || end > room || (w->rx % CHECK_EVERY == 0 && !sums_right(f)))
		return bad(w);
	*s = (struct segment){.src = f->ip.src_addr,
	                      .dst = f->ip.dst_addr,
	                      .sport = f->tcp.src_port,
	                      .dport = f->tcp.dst_port,
	                      .seq = rte_be_to_cpu_32(f->tcp.sent_seq),
	                      .ack = rte_be_to_cpu_32(f->tcp.recv_ack),
	                      .flags = f->tcp.tcp_flags,
	                      .window = rte_be_to_cpu_16(f->tcp.rx_win),
	                      .data = (const char *)f + at,
	                      .len = (uint16_t)(end - at)};
	if (s->flags & SEG_SYN)
		s->wscale = window_scale((const uint8_t *)(f + 1), (const uint8_t *)f + at);
	return WIRE_TCP;
}

enum wire_kind wire_parse(struct wire *w, struct rte_mbuf *m, struct segment *s)
{
	const struct frame *f = rte_pktmbuf_mtod(m, const struct frame *);

	w->rx++;
	if (f->eth.ether_type == RTE_BE16(RTE_ETHER_TYPE_ARP)) {
		take_arp(w, m);
		return WIRE_NOTHING;
	}
	if (f->eth.ether_type == RTE_BE16(RTE_ETHER_TYPE_IPV6))
		return WIRE_NOTHING; /* Weir announces itself */
	if (f->ip.version_ihl != RTE_IPV4_VHL_DEF || m->data_len < sizeof(f->eth) + sizeof(f->ip))
		return bad(w);
	if (f->ip.next_proto_id == IPPROTO_TCP)
		return m->data_len < sizeof(*f) ? bad(w) : parse_tcp(w, f, m->data_len, s);
	*s = (struct segment){.src = f->ip.src_addr, .dst = f->ip.dst_addr};
	return WIRE_OTHER;
}

/* ---- sending ----------------------------------------------------------------------------- */

void wire_prepare(struct wire *w)
{
	struct frame *f = (struct frame *)w->head;

	*f = (struct frame){.ip = {.version_ihl = RTE_IPV4_VHL_DEF,
	                           .fragment_offset = RTE_BE16(RTE_IPV4_HDR_DF_FLAG),
	                           .time_to_live = 64,
	                           .next_proto_id = IPPROTO_TCP},
	                    .tcp = {.data_off = 5 << 4, .rx_win = 0xffff}};
	memcpy(&f->eth.dst_addr, w->peer_mac, 6);
	memcpy(&f->eth.src_addr, w->mac, 6);
	f->eth.ether_type = RTE_BE16(RTE_ETHER_TYPE_IPV4);
	f->ip.hdr_checksum = rte_raw_cksum(&f->ip, sizeof(f->ip)); /* of what stays the same */
}

static uint32_t halves(uint32_t word)
{
	return (word & 0xffff) + (word >> 16);
}

/* Segment size, without which the other side may send no more than 536 bytes at once, and window scale. */
static uint32_t add_options(struct frame *f, uint8_t wscale)
{
	const uint8_t options[SYN_OPTIONS] = {2, 4, WIRE_MSS >> 8, WIRE_MSS & 0xff, 1,
	                                      3, 3, wscale};

	memcpy(f + 1, options, sizeof(options));
	f->tcp.data_off = (5 + SYN_OPTIONS / 4) << 4;
	return rte_raw_cksum(options, sizeof(options));
}

void wire_send(struct wire *w, const struct segment *s)
{
	struct rte_mbuf *m = wire_new_frame(w);
	struct frame *f = rte_pktmbuf_mtod(m, struct frame *);
	uint16_t len = s->message ? s->message->len : 0;
	uint16_t tcp = sizeof(f->tcp) + (s->flags & SEG_SYN ? SYN_OPTIONS : 0);
	uint32_t addresses = halves(s->src) + halves(s->dst),
		 sum = addresses + RTE_BE16(IPPROTO_TCP);

	memcpy(f, w->head, sizeof(*f));
	if (s->flags & SEG_SYN)
		sum += add_options(f, w->wscale);
	if (len) {
		memcpy((uint8_t *)&f->tcp + tcp, s->message->bytes, len);
		sum += s->message->sum;
	}
	f->ip.src_addr = s->src;
	f->ip.dst_addr = s->dst;
	f->ip.total_length = rte_cpu_to_be_16((uint16_t)(sizeof(f->ip) + tcp + len));
	f->ip.hdr_checksum =
		(uint16_t)~wire_fold(f->ip.hdr_checksum + addresses + f->ip.total_length);
	f->tcp.src_port = s->sport;
	f->tcp.dst_port = s->dport;
	f->tcp.sent_seq = rte_cpu_to_be_32(s->seq);
	f->tcp.recv_ack = rte_cpu_to_be_32(s->ack);
	f->tcp.tcp_flags = (uint8_t)s->flags;
	sum += rte_cpu_to_be_16((uint16_t)(tcp + len)) + s->sport + s->dport +
	       halves(f->tcp.sent_seq) + halves(f->tcp.recv_ack) + 0xffff +
	       rte_cpu_to_be_16((uint16_t)(f->tcp.data_off << 8 | s->flags));
	f->tcp.cksum = (uint16_t)~wire_fold(sum);
	set_len(m, sizeof(f->eth) + sizeof(f->ip) + tcp + len);
}

static void give_up(void)
{
	fputs("load: the other side takes no frames any more\n", stderr);
	exit(2);
}

void wire_flush(struct wire *w)
{
	uint16_t sent = 0, n;
	uint64_t since = 0;

	while (sent < w->n) {
		n = rte_eth_tx_burst(w->port_id, 0, w->out + sent, (uint16_t)(w->n - sent));
		sent += n;
		if (n)
			since = 0;
		else if (!since)
			since = rte_rdtsc();
		else if (rte_rdtsc() - since > GIVE_UP_S * rte_get_tsc_hz())
			give_up();
	}
	w->tx += w->n;
	w->n = 0;
}
