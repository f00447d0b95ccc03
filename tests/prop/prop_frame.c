/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Properties of layers 2 and 3 under frames that are nearly right:
 *   - each received frame ends in exactly one row, whatever is done to it, and no buffer is lost
 *     (rig_stop() checks both; a sanitizer sees each byte read outside a frame);
 *   - what net_parse() lets through lies inside the frame and is addressed as promised;
 *   - no frame that is sent lies outside its buffer, and none is longer than what caused it needs;
 *   - the neighbour table never grows by what others say;
 *   - what net_parse_plain() takes, net_parse_any() takes too, and reads the same in it.
 * The seed is argv[1]; a failure prints it.
 */
#include "csum.h"
#include "rig.h"
#include "rng.h"

#include <stdio.h>
#include <string.h>

#define ROUNDS 200000
#define MAX    256

struct frame {
	uint8_t b[MAX];
	uint32_t len;
	uint32_t l3, l4;
};

static struct rng rng;
static uint32_t plain; /* frames that net_parse_plain() took */

static uint8_t *put(struct frame *f, const void *bytes, uint32_t n)
{
	uint8_t *at = f->b + f->len;

	memcpy(at, bytes, n);
	f->len += n;
	return at;
}

static void put_eth(struct frame *f, uint8_t port, const uint8_t *dst, uint16_t type)
{
	const uint8_t src[6] = {2, 0xaa, 0, 0, 0, 2};
	uint8_t tail[6] = {0x81, 0, 0, 100};

	put(f, dst, 6);
	put(f, src, 6);
	wire_put16(tail + 4, type);
	if (port == 1)
		put(f, tail, 6);
	else
		put(f, tail + 4, 2);
	f->l3 = f->len;
}

static void put_payload(struct frame *f)
{
	for (uint32_t n = rng_below(&rng, 40); n; n--)
		f->b[f->len++] = (uint8_t)rng_next(&rng);
}

static void put_tcp(struct frame *f)
{
	uint8_t h[20] = {0x9c, 0x40, 0, 80, [TCP_OFFSET] = 0x50};

	put(f, h, sizeof(h));
	put_payload(f);
}

static void put_udp(struct frame *f)
{
	uint8_t h[8] = {0x9c, 0x40, 0, 53};

	put(f, h, sizeof(h));
	put_payload(f);
}

/* An error about a segment of ours, an echo, or anything. */
static void put_icmp(struct frame *f, bool v6)
{
	static const uint8_t types[2][4] = {{8, 3, 11, 13}, {128, 2, 1, 130}};
	uint8_t h[8] = {types[v6][rng_below(&rng, 4)], (uint8_t)rng_below(&rng, 5), [6] = 5};
	uint8_t quote[48] = {v6 ? 0x60 : 0x45, [IP4_PROTO] = IP_TCP};

	put(f, h, sizeof(h));
	if (v6) {
		quote[IP6_NEXT] = IP_TCP;
		memcpy(quote + IP6_SRC, f->b + f->l3 + IP6_DST, 16);
		memcpy(quote + IP6_DST, f->b + f->l3 + IP6_SRC, 16);
	} else {
		memcpy(quote + IP4_SRC, f->b + f->l3 + IP4_DST, 4);
		memcpy(quote + IP4_DST, f->b + f->l3 + IP4_SRC, 4);
	}
	put(f, quote, v6 ? 48 : 28);
	put_payload(f);
}

static void put_ndp(struct frame *f)
{
	uint8_t h[32] = {rng_below(&rng, 2) ? NDP_NS : NDP_NA, [NDP_FLAGS] = 0x60};

	memcpy(h + NDP_TARGET, f->b + f->l3 + (h[0] == NDP_NS ? IP6_DST : IP6_SRC), 16);
	h[NDP_OPTIONS] = h[0] == NDP_NS ? 1 : 2;
	h[NDP_OPTIONS + 1] = 1;
	memcpy(h + NDP_OPTIONS + 2, f->b + 6, 6);
	put(f, h, rng_below(&rng, 4) ? 32 : 24);
}

static void sum_ip4(struct frame *f)
{
	uint8_t *h = f->b + f->l3;

	wire_put16(h + IP4_TOTAL, (uint16_t)(f->len - f->l3));
	wire_put_be16(h + IP4_CSUM, 0);
	wire_put_be16(h + IP4_CSUM, csum_of(h, f->l4 - f->l3));
	if (h[IP4_PROTO] != IP_ICMP)
		return;
	wire_put_be16(f->b + f->l4 + ICMP_CSUM, 0);
	wire_put_be16(f->b + f->l4 + ICMP_CSUM, csum_of(f->b + f->l4, f->len - f->l4));
}

static void sum_ip6(struct frame *f, bool icmp)
{
	struct ip_addr src = wire_ip6(f->b + f->l3 + IP6_SRC),
		       dst = wire_ip6(f->b + f->l3 + IP6_DST);
	uint16_t len = (uint16_t)(f->len - f->l4), sum;

	wire_put16(f->b + f->l3 + IP6_PAYLOAD, (uint16_t)(f->len - f->l3 - IP6_LEN));
	if (!icmp)
		return;
	wire_put_be16(f->b + f->l4 + ICMP_CSUM, 0);
	sum = csum_combine(csum_pseudo(&src, &dst, IP_ICMP6, len), csum_add(f->b + f->l4, len), 0);
	wire_put_be16(f->b + f->l4 + ICMP_CSUM, csum_finish(sum));
}

/* The other end of the link; sometimes who must not be it: ourselves on either port, a broadcast address. */
static void choose_source(uint8_t *src, uint8_t port)
{
	static const uint8_t odd[][4] = {{10, 0, 0, 1},       {10, 1, 0, 1},        {10, 0, 0, 255},
	                                 {10, 1, 0, 255},     {0, 0, 0, 0},         {127, 0, 0, 1},
	                                 {224, 0, 0, 1},      {255, 255, 255, 255}, {1, 0, 0, 0},
	                                 {223, 255, 255, 255}};
	const uint8_t usual[4] = {10, port, 0, 2};

	memcpy(src, rng_below(&rng, 4) ? usual : odd[rng_below(&rng, 10)], 4);
}

static void make_ip4(struct frame *f, uint8_t port)
{
	static const uint8_t protocols[] = {IP_TCP, IP_UDP, IP_ICMP};
	const uint8_t mac[6] = {2, 0, 0, 0, port, 1};
	uint8_t h[28] = {0x45, [IP4_TTL] = 64, [IP4_DST] = 10, port, 0, 1, 1, 1, 1};
	bool options = rng_below(&rng, 4) == 0;

	h[0] = options ? 0x47 : 0x45;
	if (rng_below(&rng, 8) == 0)
		wire_put16(h + IP4_FRAG, (uint16_t)(1u << rng_below(&rng, 16)));
	h[IP4_PROTO] = protocols[rng_below(&rng, 3)];
	choose_source(h + IP4_SRC, port);
	put_eth(f, port, mac, ETH_TYPE_IP4);
	put(f, h, options ? 28 : 20);
	f->l4 = f->len;
	if (h[IP4_PROTO] == IP_TCP)
		put_tcp(f);
	else if (h[IP4_PROTO] == IP_UDP)
		put_udp(f);
	else
		put_icmp(f, false);
	sum_ip4(f);
}

static void make_ip6(struct frame *f, uint8_t port)
{
	const uint8_t mac[6] = {2, 0, 0, 0, port, 1}, extension[8] = {0, 0, 1, 4};
	uint8_t h[40] = {0x60, [IP6_HOPS] = 255, 0x20, 1, 0xd, 0xb8, 0, port};
	uint32_t n_ext = rng_below(&rng, 4) ? 0 : rng_below(&rng, 10), what = rng_below(&rng, 3);
	uint8_t proto = what ? IP_ICMP6 : IP_TCP, *next;

	memcpy(h + IP6_DST, h + IP6_SRC, 16);
	h[IP6_SRC + 15] = 2;
	h[IP6_DST + 15] = 1;
	put_eth(f, port, mac, ETH_TYPE_IP6);
	next = put(f, h, sizeof(h)) + IP6_NEXT;
	for (; n_ext; n_ext--) {
		*next = IP_DEST_OPTIONS;
		next = put(f, extension, sizeof(extension));
	}
	*next = proto;
	f->l4 = f->len;
	if (what == 0)
		put_tcp(f);
	else if (what == 1)
		put_icmp(f, true);
	else
		put_ndp(f);
	sum_ip6(f, what > 0);
}

static void make_arp(struct frame *f, uint8_t port)
{
	const uint8_t everybody[6] = {255, 255, 255, 255, 255, 255};
	uint8_t h[28] = {0, 1, 8, 0, 6, 4, 0, 1, 2, 0xaa, 0, 0, 0, 2, 10, port, 0, 2};

	h[ARP_OP + 1] = (uint8_t)(1 + rng_below(&rng, 2));
	h[ARP_TPA] = 10;
	h[ARP_TPA + 1] = port;
	h[ARP_TPA + 3] = 1;
	put_eth(f, port, everybody, ETH_TYPE_ARP);
	f->l4 = f->len;
	put(f, h, sizeof(h));
}

/* Spoil it a little: bytes, bits, the end. Sometimes the checksums are made right again. */
static void spoil(struct frame *f)
{
	static const uint8_t edges[] = {0, 1, 0x7f, 0x80, 0xff, 4, 6, 44, 43, 60, 58};

	for (uint32_t k = rng_below(&rng, 4); k; k--)
		f->b[rng_below(&rng, f->len)] = rng_below(&rng, 2)
		                                        ? (uint8_t)rng_next(&rng)
		                                        : edges[rng_below(&rng, sizeof(edges))];
	if (rng_below(&rng, 4) == 0 && f->b[f->l3] >> 4 == 4) {
		wire_put_be16(f->b + f->l3 + IP4_CSUM, 0);
		wire_put_be16(f->b + f->l3 + IP4_CSUM, csum_of(f->b + f->l3, IP4_LEN));
	}
	if (rng_below(&rng, 4) == 0)
		f->len = rng_below(&rng, f->len + 1);
	else if (rng_below(&rng, 4) == 0)
		f->len += rng_below(&rng, MAX - f->len);
}

static const char *sent_well(const struct rig *r)
{
	for (uint32_t port = 0; port < 2; port++) {
		const struct net_out *out = net_out(r->net, port);

		for (uint32_t i = 0; i < out->n; i++) {
			const struct net_tx *tx = &out->tx[i];

			if (tx->frame < tx->buf->head || tx->frame + tx->len > tx->buf->end)
				return "frame sent lies outside its buffer";
			if (tx->len < ETH_LEN + ARP_LEN || tx->len > MAX)
				return "frame sent has an odd length";
			if (tx->l2_len != (port ? 18 : 14))
				return "frame sent has an odd header";
		}
	}
	return NULL;
}

static const char *passed_well(const struct rig *r, const struct frame *f, enum drop end)
{
	const struct pkt *p = &r->pkt;

	if (end != DROP_TCP_IN)
		return NULL;
	if (p->l4_len < TCP_LEN || (uint32_t)(p->l4 - p->eth) + p->l4_len > f->len)
		return "segment lies outside the frame";
	if (!net_is_ours(r->net, &p->dst) || net_is_ours(r->net, &p->src) || net_is_group(&p->src))
		return "segment has wrong addresses";
	return ip_is_v4(&p->src) == ip_is_v4(&p->dst) ? NULL : "segment mixes families";
}

/* Of two copies of a frame; pointers are compared by what they point to. */
static bool same(const struct pkt *a, const struct pkt *b)
{
	return a->kind == b->kind && a->port == b->port && a->ttl == b->ttl && a->tos == b->tos &&
	       ip_eq(&a->src, &b->src) && ip_eq(&a->dst, &b->dst) &&
	       a->l3 - a->eth == b->l3 - b->eth && a->l4 - a->eth == b->l4 - b->eth &&
	       a->l4_len == b->l4_len && a->sport == b->sport && a->dport == b->dport &&
	       a->own == b->own && a->fragment == b->fragment && a->proto == b->proto &&
	       a->buf->data == a->l4 && b->buf->data == b->l4 && a->buf->len == b->buf->len &&
	       a->buf->flags == b->buf->flags;
}

static const char *plain_is_any(struct rig *r, uint8_t port, const struct frame *f)
{
	struct buf *one = bufs_exact(&r->pool, f->b, f->len),
		   *two = bufs_exact(&r->pool, f->b, f->len);
	struct pkt a = {0}, b = {0};
	const char *fault = NULL;

	one->port = two->port = port;
	one->flags = two->flags = BUF_SUMMED | (rng_below(&rng, 4) ? 0 : BUF_IP_CSUM_OK);
	if (!net_parse_plain(r->net, one, &a)) {
		if (one->data != one->head + buf_headroom(two) || one->len != f->len ||
		    one->flags != two->flags)
			fault = "a frame that is not plain was touched";
		buf_free(two);
	} else if (net_parse_any(r->net, two, &b) != DROP_COUNT) { /* then it has freed it */
		fault = "a frame is plain, and wrong";
	} else {
		plain++;
		fault = same(&a, &b) ? NULL : "a plain frame was read in two ways";
		buf_free(two);
	}
	buf_free(one);
	return fault;
}

int main(int argc, char **argv)
{
	static struct rig r;
	uint64_t seed = rng_arg(argc, argv);
	const char *fault = NULL;
	uint32_t good = 0;

	rng = rng_seed(seed);
	rig_init(&r);
	rig_start(&r, true, 64);
	for (int round = 0; round < ROUNDS && !fault; round++) {
		struct frame f = {0};
		uint8_t port = (uint8_t)rng_below(&rng, 2);
		enum drop end;

		switch (rng_below(&rng, 5)) {
		case 0: make_arp(&f, port); break;
		case 1:
		case 2: make_ip4(&f, port); break;
		default: make_ip6(&f, port); break;
		}
		spoil(&f);
		fault = plain_is_any(&r, port, &f);
		end = rig_receive(&r, port, f.b, f.len);
		good += drop_class(end) == DROP_CLASS_ok;
		if (!fault)
			fault = passed_well(&r, &f, end);
		if (!fault)
			fault = sent_well(&r);
		if (!fault && r.net->neigh_fresh)
			fault = "learned what was not asked for";
		rig_drain(&r);
		if (fault)
			fprintf(stderr, "seed %llu, round %d: %s\n", (unsigned long long)seed,
			        round, fault);
	}
	rig_stop(&r);
	if (!fault && (good < ROUNDS / 10 || plain < ROUNDS / 20)) {
		fprintf(stderr, "seed %llu: only %u frames were good, %u plain\n",
		        (unsigned long long)seed, good, plain);
		return 1;
	}
	return fault != NULL;
}
