/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a device makes of a packet is what software makes of it, byte for byte, for random flows and random
 * packets, odd ones among them; or the packet is left to software. What nothing is odd about must not be left.
 *
 * usage: prop_offload SEED [FLOWS]
 */
#include "csum.h"
#include "model_nic.h"
#include "offload_flow.h"
#include "offload_rig.h"
#include "wire.h"
#include "worker_state.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define FRAME_MAX 1600
#define PACKETS   60 /* a flow */

static uint64_t rng;
static struct offload_rule rule; /* the one that was asked for last */
static bool asked;
static uint64_t n_out, n_left, n_odd_left;
static bool both; /* numbers change, so nobody acknowledges selectively */

static uint64_t draw(void)
{
	rng ^= rng >> 12;
	rng ^= rng << 25;
	rng ^= rng >> 27;
	return rng * 0x2545f4914f6cdd1dull;
}

static uint32_t below(uint32_t n)
{
	return (uint32_t)((draw() >> 32) * n >> 32);
}

static bool one_in(uint32_t n)
{
	return below(n) == 0;
}

/* Edges more often than their share. */
static uint32_t draw32(void)
{
	static const uint32_t edges[] = {0,          1,      0xffffffff, 0x80000000,
	                                 0x7fffffff, 0xffff, 0xffff0000};

	return one_in(3) ? edges[below(7)] : (uint32_t)draw();
}

static int fail(const char *what)
{
	fprintf(stderr, "prop_offload: %s\n", what);
	return 1;
}

/* ---- a device that only hears what it is asked --------------------------------------------- */

static int hear_insert(void *device, const struct offload_rule *r, uint32_t token)
{
	(void)device;
	(void)token;
	rule = *r;
	asked = true;
	return 0;
}

static int hear_other(void *device, uint8_t port, uint32_t token)
{
	(void)device;
	(void)port;
	(void)token;
	return 0;
}

static uint32_t say_nothing(void *device, struct offload_answer *out, uint32_t max)
{
	(void)device;
	(void)out;
	(void)max;
	return 0;
}

/* A splice of which both numbers change. */
static bool tell_both(void *arg, const struct flow *f, enum flow_side_id from,
                      struct offload_splice *out)
{
	(void)arg;
	*out = (struct offload_splice){.can = true,
	                               .seq_add = f->side[!from].seq_add,
	                               .ack_add = 0u - f->side[from].seq_add};
	return both;
}

static const struct offload_ops ops = {NULL, hear_insert, hear_other, hear_other, say_nothing};

/* ---- packets ------------------------------------------------------------------------------- */

struct packet {
	uint8_t frame[FRAME_MAX];
	uint32_t len, l3, l4;
	bool odd;
};

static void fill(uint8_t *at, uint32_t n)
{
	while (n--)
		*at++ = (uint8_t)draw();
}

static uint32_t put_options(uint8_t *tcp)
{
	static const uint8_t stamps[12] = {1, 1, 8, 10}, sack[12] = {1, 1, 5, 10};
	uint32_t n = TCP_LEN;

	if (one_in(2)) {
		memcpy(tcp + n, stamps, 12);
		fill(tcp + n + 4, 8);
		n += 12;
	}
	if (one_in(4) && !both) {
		memcpy(tcp + n, sack, 12);
		fill(tcp + n + 4, 8);
		n += 12;
	}
	return n;
}

static uint32_t put_l4(uint8_t *at, const struct flow *f, const struct flow_side *s)
{
	uint32_t payload = one_in(3) ? below(3) : below(1300), header = UDP_LEN;

	memset(at, 0, TCP_LEN);
	wire_put_be16(at, s->rport);
	wire_put_be16(at + 2, s->lport);
	if (flow_is_udp(f)) {
		wire_put16(at + UDP_LENGTH, (uint16_t)(UDP_LEN + payload));
	} else {
		wire_put32(at + TCP_SEQ, draw32());
		wire_put32(at + TCP_ACKNO, draw32());
		fill(at + 14, 2);
		header = put_options(at);
		at[TCP_OFFSET] = (uint8_t)(header / 4 << 4);
		at[TCP_FLAGS] = one_in(2) ? 0x10 : 0x18;
	}
	fill(at + header, payload);
	return header + payload;
}

static uint32_t put_l3(struct packet *k, const struct ip_addr *src, const struct ip_addr *dst,
                       uint8_t proto, uint32_t len)
{
	uint8_t *h = k->frame + k->l3;

	if (!ip_is_v4(src)) {
		wire_put32(h, 0x60000000u | (uint32_t)(draw() & 0x0fffffff));
		wire_put16(h + IP6_PAYLOAD, (uint16_t)len);
		h[IP6_NEXT] = proto;
		h[IP6_HOPS] = 64;
		memcpy(h + IP6_SRC, src->b, 16);
		memcpy(h + IP6_DST, dst->b, 16);
		return IP6_LEN;
	}
	wire_put32(h, 0x45000000u | (uint32_t)(draw() & 0xff0000) | (uint32_t)(len + IP4_LEN));
	wire_put32(h + 4, (uint32_t)draw() & 0xffff0000u);
	wire_put16(h + IP4_FRAG, one_in(3) ? 0 : IP4_DF);
	h[IP4_TTL] = 64;
	h[IP4_PROTO] = proto;
	wire_put_be16(h + IP4_CSUM, 0);
	wire_put_be32(h + IP4_SRC, src->w[3]);
	wire_put_be32(h + IP4_DST, dst->w[3]);
	return IP4_LEN;
}

static void put_l2(struct packet *k, const struct net_port *port, bool v4)
{
	memcpy(k->frame, port->mac, 6);
	memcpy(k->frame + ETH_SRC, "\2\1\0\0\0\7", 6);
	k->l3 = port->vlan ? ETH_LEN + VLAN_LEN : ETH_LEN;
	if (port->vlan) {
		wire_put16(k->frame + ETH_TYPE, ETH_TYPE_VLAN);
		wire_put16(k->frame + ETH_LEN, port->vlan);
	}
	wire_put16(k->frame + k->l3 - 2, v4 ? ETH_TYPE_IP4 : ETH_TYPE_IP6);
}

static void sum_ip(struct packet *k)
{
	uint8_t *h = k->frame + k->l3;

	wire_put_be16(h + IP4_CSUM, 0);
	wire_put_be16(h + IP4_CSUM, csum_finish(csum_add_header(h, (h[0] & 15u) * 4u)));
}

static void sum_all(struct packet *k, const struct ip_addr *src, const struct ip_addr *dst,
                    bool udp)
{
	uint32_t len = k->len - k->l4;
	uint8_t *l4 = k->frame + k->l4, *at = l4 + (udp ? UDP_CSUM : TCP_CSUM);
	uint16_t sum = csum_pseudo(src, dst, udp ? IP_UDP : IP_TCP, (uint16_t)len);

	wire_put_be16(at, 0);
	sum = csum_finish(csum_combine(sum, csum_add(l4, len), 0));
	wire_put_be16(at, udp && sum == 0 ? 0xffff : sum);
	if (ip_is_v4(src))
		sum_ip(k);
}

/* ---- what may be odd about them ------------------------------------------------------------ */

static void insert_bytes(struct packet *k, uint32_t at, uint32_t n)
{
	memmove(k->frame + at + n, k->frame + at, k->len - at);
	memset(k->frame + at, 0, n);
	k->len += n;
	k->l4 += n;
}

static void extend_v6(struct packet *k, uint8_t header)
{
	uint8_t *h = k->frame + k->l3, proto = h[IP6_NEXT];

	insert_bytes(k, k->l3 + IP6_LEN, 8);
	h[IP6_NEXT] = header;
	h[IP6_LEN] = proto;
	if (header == IP_FRAGMENT)
		wire_put16(h + IP6_LEN + 2, one_in(2) ? 1 : 0x40);
	else
		h[IP6_LEN + 2] = 1; /* PadN */
	if (header != IP_FRAGMENT)
		h[IP6_LEN + 3] = 4;
	wire_put16(h + IP6_PAYLOAD, (uint16_t)(wire_get16(h + IP6_PAYLOAD) + 8));
}

static void spoil_ip(struct packet *k, bool v4)
{
	uint8_t *h = k->frame + k->l3;

	switch (below(4)) {
	case 0: /* hop limit: another, or used up */
		h[v4 ? IP4_TTL : IP6_HOPS] = (uint8_t)(one_in(2) ? below(3) : 63);
		break;
	case 1: /* fragment */
		if (!v4)
			extend_v6(k, IP_FRAGMENT);
		else
			wire_put16(h + IP4_FRAG, one_in(2) ? 0x2000 : (uint16_t)(1 + below(64)));
		break;
	case 2: /* options, or an extension header */
		if (!v4) {
			extend_v6(k, IP_DEST_OPTIONS);
			break;
		}
		insert_bytes(k, k->l3 + IP4_LEN, 4);
		h[0] = 0x46;
		memset(h + IP4_LEN, 1, 4);
		wire_put16(h + IP4_TOTAL, (uint16_t)(wire_get16(h + IP4_TOTAL) + 4));
		break;
	default: /* damaged header */ h[v4 ? IP4_TOS : IP6_HOPS] ^= 4; return;
	}
	if (v4)
		sum_ip(k);
}

static void spoil_l4(struct packet *k, bool v4, bool udp)
{
	uint8_t *l4 = k->frame + k->l4;

	switch (below(4)) {
	case 0: k->frame[k->l4 + below(k->len - k->l4)] ^= (uint8_t)(1 + below(255)); break;
	case 1: l4[below(4)] ^= 1; break; /* another's ports */
	case 2:
		if (udp && v4)
			wire_put16(l4 + UDP_CSUM, 0);
		else if (!udp)
			l4[TCP_FLAGS] |= (uint8_t)(1u << below(3));
		break;
	default: wire_put16(l4 + (udp ? UDP_CSUM : TCP_CSUM), (uint16_t)draw()); break;
	}
}

static void spoil_l2(struct packet *k)
{
	uint32_t pad = below(20);

	switch (below(3)) {
	case 0: k->frame[below(6)] ^= 4; break;
	case 1:
		if (k->l3 > ETH_LEN)
			k->frame[ETH_LEN] ^=
				one_in(2) ? 0x20 : 1; /* priority, or another network */
		break;
	default:
		memset(k->frame + k->len, 0, pad);
		k->len += pad;
		break;
	}
}

static void make_packet(struct packet *k, struct offload_rig *r, const struct flow *f,
                        enum flow_side_id from)
{
	const struct flow_side *s = &f->side[from];
	struct ip_addr src = flow_peer(s), dst = *net_own(r->rig.net, s->local);
	uint8_t proto = flow_is_udp(f) ? IP_UDP : IP_TCP, l4[FRAME_MAX];
	uint32_t len = put_l4(l4, f, s);

	put_l2(k, &r->rig.ports[s->path.port], ip_is_v4(&src));
	k->l4 = k->l3 + put_l3(k, &src, &dst, proto, len);
	memcpy(k->frame + k->l4, l4, len);
	k->len = k->l4 + len;
	sum_all(k, &src, &dst, flow_is_udp(f));
	k->odd = one_in(2);
	if (!k->odd)
		return;
	do {
		switch (below(3)) {
		case 0: spoil_l2(k); break;
		case 1: spoil_ip(k, ip_is_v4(&src)); break;
		default: spoil_l4(k, ip_is_v4(&src), flow_is_udp(f)); break;
		}
	} while (one_in(4) && k->l4 + TCP_LEN < k->len && k->len < FRAME_MAX - 64 &&
	         (ip_is_v4(&src) ? k->l4 - k->l3 == IP4_LEN : k->l4 - k->l3 == IP6_LEN));
}

/* ---- both ways ----------------------------------------------------------------------------- */

/* What software sends; false: nothing. */
static bool software(struct worker *w, struct offload_rig *r, struct flow *f,
                     enum flow_side_id from, const struct packet *k, struct packet *out,
                     uint8_t *port)
{
	struct buf *b = bufs_from(&r->rig.pool, k->frame, k->len);
	enum flow_side_id side;
	struct pkt p;
	bool sent = false;

	b->port = f->side[from].path.port;
	if (net_parse(r->rig.net, b, &p) != DROP_COUNT)
		return false;
	if (p.kind <= PKT_UDP)
		p.hash = flow_hash(r->flows, &p.dst, &p.src, p.dport, p.sport, p.kind == PKT_UDP);
	if (p.kind > PKT_UDP || flow_find(r->flows, &p, &side) != f || side != from) {
		buf_free(p.buf);
		return false;
	}
	forward_packet(w, f, from, &p);
	for (uint32_t i = 0; i < 2; i++) {
		const struct net_out *o = net_out(r->rig.net, i);

		/* a refusal goes back where the packet came from */
		if (o->n && i == f->side[!from].path.port) {
			memcpy(out->frame, o->tx[0].frame, o->tx[0].len);
			out->len = o->tx[0].len;
			*port = (uint8_t)i;
			sent = true;
		}
	}
	rig_drain(&r->rig);
	return sent;
}

static void print_frame(const char *what, const struct packet *k)
{
	fprintf(stderr, "%-9s", what);
	for (uint32_t i = 0; i < k->len; i++)
		fprintf(stderr, "%02x", k->frame[i]);
	fprintf(stderr, "\n");
}

static int compare(struct worker *w, struct offload_rig *r, struct model_nic *nic, struct flow *f,
                   enum flow_side_id from)
{
	struct packet in, soft, hard;
	struct model_out out;
	uint8_t port = 0;
	bool sent;

	make_packet(&in, r, f, from);
	hard = in;
	sent = software(w, r, f, from, &in, &soft, &port);
	out = model_nic_frame(nic, f->side[from].path.port, hard.frame, hard.len);
	n_odd_left += out.verdict != MODEL_OUT;
	if (out.verdict == MODEL_HOST && !in.odd)
		return fail("the device left a packet that nothing was odd about");
	if (out.verdict == MODEL_HOST) {
		n_left++;
		if (memcmp(hard.frame, in.frame, in.len) == 0)
			return 0;
		return fail("a packet that was left to software was changed");
	}
	n_out++;
	if (out.verdict != MODEL_OUT)
		return fail("the device lost a packet");
	/* software cuts padding off; the wire puts it there again */
	if (sent && port == out.port && hard.len >= soft.len &&
	    memcmp(soft.frame, hard.frame, soft.len) == 0)
		return 0;
	print_frame("in", &in);
	print_frame("device", &hard);
	if (sent)
		print_frame("software", &soft);
	return fail(sent ? "device and software differ"
	                 : "the device sent what software would not");
}

/* The rule as it is asked for when the flow is heavy. */
static bool get_rule(struct offload_rig *r, struct flow *f, enum flow_side_id from)
{
	asked = false;
	for (int i = 0; i < 100 && !asked; i++)
		offload_rig_packet(r, f, from, 1500);
	return asked;
}

static int one_flow(struct worker *w, struct offload_rig *r)
{
	struct offload_rig_flow what = {.v6 = one_in(2),
	                                .udp = one_in(2),
	                                .client = (uint8_t)(2 + below(250)),
	                                .endpoint = (uint8_t)(2 + below(250)),
	                                .cport = (uint16_t)(1 + below(65535)),
	                                .lport = (uint16_t)(1 + below(65535))};
	struct offload_flow_way way = {.modify = one_in(2), .ages = one_in(2)};
	struct rte_flow_action_rss rss = {.queue_num = 1, .queue = (const uint16_t[]){0}};
	enum flow_side_id from = one_in(3) ? FLOW_CLIENT : FLOW_SERVER;
	static struct model_nic nic;
	struct offload_flow arrays;
	struct flow *f;
	int rc;

	if (!what.udp && one_in(2))
		*(from == FLOW_SERVER ? &what.seq_client : &what.seq_server) = draw32();
	both = !what.udp && one_in(3);
	if (both) {
		what.seq_client = draw32();
		what.seq_server = draw32();
	}
	f = offload_rig_flow(r, &what);
	forward_prepare(w, f);
	if (!get_rule(r, f, from) || rule.level < OFFLOAD_REWRITE)
		return fail("no rule, or a lower one");
	model_nic_init(&nic, MODEL_ALL);
	nic.mends = one_in(2);
	way.group = one_in(2);
	for (uint16_t i = 0; i < MODEL_PORTS; i++)
		way.hairpin[i] = (uint16_t)(MODEL_HAIRPIN + i);
	if (way.group) {
		offload_flow_jump(&arrays, r->rig.ports[rule.in_port].mac);
		model_nic_create(&nic, rule.in_port, &arrays.attr, arrays.pattern, arrays.actions);
		offload_flow_rest(&arrays, &rss);
		model_nic_create(&nic, rule.in_port, &arrays.attr, arrays.pattern, arrays.actions);
	}
	offload_flow_build(&arrays, &rule, &way);
	if (model_nic_create(&nic, rule.in_port, &arrays.attr, arrays.pattern, arrays.actions) < 0)
		return fail("the device does not take the rule");
	rc = 0;
	for (int i = 0; i < PACKETS && rc == 0; i++)
		rc = compare(w, r, &nic, f, from);
	model_nic_fini(&nic);
	return rc;
}

static int one_node(uint64_t seed)
{
	struct offload_rig *r = aligned_alloc(128, (sizeof(*r) + 127) & ~(size_t)127);
	struct worker *w = calloc(1, sizeof(*w) + 128);
	int rc = 0;

	rng = seed * 0x9e3779b97f4a7c15ull | 1;
	draw();
	if (!r || !w)
		return fail("no memory");
	offload_rig_init(r, &ops, NULL);
	r->env.splice = tell_both;
	if (one_in(2))
		r->rig.ports[0].vlan = r->rig.ports[1].vlan = 100;
	offload_rig_start(r, 64);
	w->net = r->rig.net;
	for (int i = 0; i < 8 && rc == 0; i++)
		rc = one_flow(w, r);
	if (rc)
		fprintf(stderr, "seed %" PRIu64 "\n", seed);
	else
		offload_rig_stop(r);
	free(r);
	free(w);
	return rc;
}

int main(int argc, char **argv)
{
	uint64_t first = argc > 1 ? strtoull(argv[1], NULL, 10) : 1;
	uint64_t n = argc > 2 ? strtoull(argv[2], NULL, 10) : 100;

	for (uint64_t seed = first; seed < first + n; seed++)
		if (one_node(seed))
			return 1;
	printf("%" PRIu64 " packets sent by the device, %" PRIu64 " left to software\n", n_out,
	       n_left);
	return 0;
}
