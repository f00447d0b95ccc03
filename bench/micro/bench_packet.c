/* SPDX-License-Identifier: BSD-3-Clause */
/* Layers 2 and 3: parse a frame, send a segment to a resolved neighbour. */
#include "bench.h"
#include "csum.h"
#include "rig.h"

#include <stdlib.h>
#include <string.h>

/* clang-format off */
static const char tcp4[] =
	"02000000000102aa00000002080045000028000040004006"
	"26ce0a0000020a0000019c40005000000001000000025010"
	"03e80000000000000000000000000000";
static const char tcp6[] =
	"02000000000102aa0000000286dd60000000001406402001"
	"0db800000000000000000000000220010db8000000000000"
	"0000000000019c400050000000010000000250100"
	"3e800000000";
static const char arp_reply[] =
	"02000000000102aa000000020806000108000604000202aa"
	"000000020a0000020200000000010a000001";
/* clang-format on */

static struct rig rig;
static struct pkt pkt;

/* A received frame that can be parsed again and again: what net_parse() moves is put back. */
struct again {
	struct buf *b;
	uint8_t *data;
	uint16_t len;
};

static void parse(void *arg, uint32_t calls)
{
	struct again *a = arg;

	while (calls--) {
		a->b->data = a->data;
		a->b->len = a->len;
		if (net_parse(rig.net, a->b, &pkt) != DROP_COUNT)
			__builtin_trap();
		bench_keep(pkt.sport);
	}
}

static struct again received(const char *hex)
{
	uint8_t bytes[256];
	size_t n = strlen(hex) / 2;
	struct again a;

	for (size_t i = 0; i < n; i++) {
		const char pair[3] = {hex[2 * i], hex[2 * i + 1], 0};

		bytes[i] = (uint8_t)strtoul(pair, NULL, 16);
	}
	a.b = bufs_from(&rig.pool, bytes, n);
	a.data = a.b->data;
	a.len = a.b->len;
	return a;
}

struct sender {
	struct net_path path;
	struct ip_addr src, dst;
	struct buf *b;
	struct net_segment seg;
};

static void send(void *arg, uint32_t calls)
{
	struct sender *s = arg;

	while (calls--) {
		net_send_tcp(rig.net, &s->path, s->b, &s->seg);
		net_out(rig.net, 0)->n = 0; /* as if sent; the one buffer serves for all */
	}
}

static void sender_init(struct sender *s, uint16_t payload, bool known_sum)
{
	*s = (struct sender){.src = rig_addr("10.0.0.1"), .dst = rig_addr("10.0.0.2")};
	s->b = buf_alloc(&rig.pool);
	memset(s->b->data, 0x5a, 20u + payload);
	s->b->data[TCP_OFFSET] = 0x50;
	s->seg = (struct net_segment){&s->src, &s->dst, s->b->data, (uint16_t)(20 + payload),
	                              NET_SUM_UNKNOWN};
	if (known_sum)
		s->seg.sum = csum_add(s->b->data + 20, payload);
}

int main(void)
{
	struct again a;
	struct sender s;

	rig_init(&rig);
	rig_start(&rig, true, 1024);
	bench_begin("layers 2 and 3");
	a = received(tcp4);
	bench_run("net_parse, TCP over IPv4, sum in software", parse, &a, 1000);
	a.b->flags = BUF_IP_CSUM_OK;
	bench_run("net_parse, TCP over IPv4, sum by the device", parse, &a, 1000);
	a = received(tcp6);
	bench_run("net_parse, TCP over IPv6", parse, &a, 1000);

	sender_init(&s, 1460, true);
	buf_ref(s.b);
	net_send_tcp(rig.net, &s.path, s.b, &s.seg);
	rig_receive_hex(&rig, 0, arp_reply);
	bench_run("net_send_tcp, 1,460 bytes, sum known", send, &s, 1000);
	s.seg.sum = NET_SUM_UNKNOWN;
	bench_run("net_send_tcp, 1,460 bytes, sum not known", send, &s, 1000);
	rig.net->links[0].conf.tx_ip_csum = true;
	rig.net->links[0].conf.tx_tcp_csum = true;
	bench_run("net_send_tcp, sums by the device", send, &s, 1000);
	return 0;
}
