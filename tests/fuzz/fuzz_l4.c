/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Packets of layer 4 in any order and shape: a script of steps for the stage of support/l4_rig.h. Nothing may be read or
 * written outside a packet, no buffer lost, every packet counted once.
 *
 *   0 len bytes...              a frame as it is, behind a right Ethernet header
 *   1 who flags seq len opt...  a segment of a client or an endpoint, with right sums
 *   2 who len frag bytes...     a datagram, whole or in fragments, whose payload begins with these bytes
 *   3 seconds                   time passes
 *   4 cut at                    an ICMP error about the packet that went out last, cut short, a byte changed
 *   5 mode                      the subset's mode from the next flow on
 */
#include "csum.h"
#include "l4_rig.h"
#include "wire.h"

#include <stddef.h>

struct script {
	const uint8_t *p;
	size_t left;
};

static uint8_t byte(struct script *s)
{
	if (!s->left)
		return 0;
	s->left--;
	return *s->p++;
}

static size_t bytes(struct script *s, uint8_t *to, size_t n)
{
	n = n < s->left ? n : s->left;
	memcpy(to, s->p, n);
	s->p += n;
	s->left -= n;
	return n;
}

/* Who sends: one of four clients, or the endpoint that the last packet went to. */
static void from_whom(struct l4_rig *r, uint8_t who, struct l4_packet_text *p)
{
	static const char *const clients[] = {"10.0.0.1", "10.0.0.3", "2001:db8::1", "10.0.0.1"};
	const struct l4_sent *s = &r->sent[0];

	p->src = clients[who & 3];
	p->dst = who % 4 == 2 ? "2001:db8::2" : "10.0.0.2";
	p->sport = 1000 + who % 8;
	p->dport = p->proto == IP_UDP ? 53 : 80;
	if (!(who & 0x80) || !r->n_sent)
		return;
	p->src = s->dst.b[15] == 11 ? "10.0.0.11" : "10.0.0.12";
	p->dst = "10.0.0.2";
	p->sport = s->dport;
	p->dport = s->sport;
}

static void raw(struct l4_rig *r, struct script *s)
{
	uint8_t f[14 + 255] = {2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 0};
	size_t n = bytes(s, f + 14, byte(s));

	if (n && f[14] >> 4 == 6) {
		f[12] = 0x86;
		f[13] = 0xdd;
	} else if (n >= IP4_LEN) { /* or nothing would get further */
		wire_put16(f + 14 + IP4_CSUM, 0);
		wire_put_be16(f + 14 + IP4_CSUM, csum_of(f + 14, IP4_LEN));
	}
	l4_rig_receive(r, f, (uint16_t)(14 + n));
}

static void segment(struct l4_rig *r, struct script *s)
{
	struct l4_packet_text p = {0};
	uint8_t opt[40], who = byte(s);

	from_whom(r, who, &p);
	p.flags = byte(s);
	p.seq = byte(s);
	p.ack = byte(s);
	p.len = byte(s);
	p.opt_len = (uint8_t)(byte(s) % 11 * 4);
	memset(opt, 0, sizeof(opt));
	bytes(s, opt, p.opt_len);
	p.opt = opt;
	l4_rig_in(r, &p);
}

static void datagram(struct l4_rig *r, struct script *s)
{
	struct l4_packet_text p = {.proto = IP_UDP};
	uint8_t f[2048], who = byte(s), payload[32];
	uint16_t len, l4;

	from_whom(r, who, &p);
	p.len = byte(s);
	p.frag = (uint16_t)((byte(s) & 3) << 13 | (byte(s) & 15));
	p.id = who;
	p.no_sum = true;
	if (p.dst[0] == '2')
		p.frag = 0;
	len = l4_rig_frame(r, &p, f);
	l4 = (uint16_t)(len - p.len);
	memcpy(f + l4, payload, bytes(s, payload, p.len < 32 ? p.len : 32));
	l4_rig_receive(r, f, len);
}

static void icmp(struct l4_rig *r, struct script *s)
{
	uint8_t f[14 + 28 + 255] = {2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 0};
	const struct l4_sent *sent = &r->sent[0];
	struct l4_packet_text p = {"10.0.0.99", "10.0.0.2", 0, 0, IP_UDP, .len = 0};
	uint32_t cut = byte(s), at = byte(s);

	if (!r->n_sent)
		return;
	l4_rig_frame(r, &p, f);
	if (cut > (uint32_t)(sent->len - sent->l3))
		cut = (uint32_t)(sent->len - sent->l3);
	memset(f + 34, 0, 8);
	f[34] = ICMP_UNREACHABLE;
	f[35] = ICMP_CODE_TOO_BIG;
	memcpy(f + 42, sent->frame + sent->l3, cut);
	f[42 + at % 64] ^= byte(s);
	wire_put_be16(f + 36, csum_of(f + 34, 8 + cut));
	wire_put16(f + 14 + IP4_TOTAL, (uint16_t)(28 + cut));
	f[14 + IP4_PROTO] = IP_ICMP;
	wire_put16(f + 14 + IP4_CSUM, 0);
	wire_put_be16(f + 14 + IP4_CSUM, csum_of(f + 14, 20));
	l4_rig_receive(r, f, (uint16_t)(42 + cut));
}

static void step(struct l4_rig *r, struct script *s)
{
	switch (byte(s) % 6) {
	case 0: raw(r, s); break;
	case 1: segment(r, s); break;
	case 2: datagram(r, s); break;
	case 3: l4_rig_pass(r, byte(s) * 1000000ull); break;
	case 4: icmp(r, s); break;
	default: r->subsets[0].mode = r->subsets[1].mode = byte(s) & 3;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct l4_rig r;
	struct script s = {data, size};

	l4_rig_init(&r);
	r.node.limits.flows = 8;
	r.node.limits.half_open_flows = 3;
	r.node.limits.fragments = 4;
	r.node.source_port_max = 40003;
	r.node.times.dead_endpoint_us = 5000000;
	r.listeners[1].quic = true;
	l4_rig_start(&r);
	while (s.left)
		step(&r, &s);
	l4_rig_stop(&r);
	return 0;
}
