/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Checksums of what is sent: a device that fills them in, as it is asked to, makes the frame that software makes
 * alone. Segments of any length, both families, with and without a sum that came with the payload.
 *
 * usage: prop_offload_tx SEED [SEGMENTS]
 */
#include "csum.h"
#include "model_nic.h"
#include "rig.h"
#include "wire.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

static uint64_t rng;

static uint32_t below(uint32_t n)
{
	rng ^= rng >> 12;
	rng ^= rng << 25;
	rng ^= rng >> 27;
	return (uint32_t)((rng * 0x2545f4914f6cdd1dull >> 32) * n >> 32);
}

struct sender {
	struct rig rig;
	struct net_path path;
};

static void start(struct sender *s, bool device_ip, bool device_tcp)
{
	rig_init(&s->rig);
	for (int i = 0; i < 2; i++) {
		s->rig.ports[i].tx_ip_csum = device_ip;
		s->rig.ports[i].tx_tcp_csum = device_tcp;
	}
	rig_start(&s->rig, true, 16);
}

static void send_segment(struct sender *s, const uint8_t *segment, uint16_t len, const char *dst,
                         bool sum)
{
	const uint8_t mac[6] = {2, 9, 9, 9, 9, 9};
	struct ip_addr to = rig_addr(dst);
	struct neigh *e = net_neigh_get(s->rig.net, 0, &to);
	const struct ip_addr *from = net_source(s->rig.net, &to);
	struct buf *b = buf_alloc(&s->rig.pool);
	struct net_segment seg = {from, &to, b->data, len, NET_SUM_UNKNOWN};
	uint32_t header = (uint32_t)(segment[TCP_OFFSET] >> 4) * 4;

	net_neigh_confirm(s->rig.net, e, mac);
	rig_drain(&s->rig);
	memcpy(b->data, segment, len);
	b->len = len;
	if (sum)
		seg.sum = csum_add(segment + header, len - header);
	net_send_tcp(s->rig.net, &s->path, b, &seg);
}

static int one(void)
{
	static const char *const to[] = {"10.0.0.77", "2001:db8::77"};
	bool v6 = below(2), sum = below(2), ip = below(2), tcp = below(2);
	uint16_t header = (uint16_t)(TCP_LEN + 4 * below(11)),
		 len = (uint16_t)(header + below(1400));
	struct sender device, software;
	const struct net_tx *a, *b;
	uint8_t segment[1500];
	int rc = 0;

	for (uint32_t i = 0; i < len; i++)
		segment[i] = below(8) ? (uint8_t)below(256) : (uint8_t)(below(2) ? 0 : 0xff);
	segment[TCP_OFFSET] = (uint8_t)(header / 4 << 4);
	wire_put16(segment + TCP_CSUM, 0);
	memset(&device, 0, sizeof(device));
	memset(&software, 0, sizeof(software));
	start(&device, ip, tcp);
	start(&software, false, false);
	send_segment(&device, segment, len, to[v6], sum);
	send_segment(&software, segment, len, to[v6], sum);
	a = &net_out(device.rig.net, 0)->tx[0];
	b = &net_out(software.rig.net, 0)->tx[0];
	if (tcp != ((a->flags & NET_TX_TCP_CSUM) != 0) || b->flags)
		rc = 1;
	model_nic_send(a->frame, a->len, a->flags);
	if (a->len != b->len || memcmp(a->frame, b->frame, a->len) != 0)
		rc = 1;
	if (rc)
		fprintf(stderr, "prop_offload_tx: %s, %u bytes: device and software differ\n",
		        to[v6], len);
	rig_drain(&device.rig);
	rig_drain(&software.rig);
	rig_stop(&device.rig);
	rig_stop(&software.rig);
	return rc;
}

int main(int argc, char **argv)
{
	uint64_t seed = argc > 1 ? strtoull(argv[1], NULL, 10) : 1;
	uint64_t n = argc > 2 ? strtoull(argv[2], NULL, 10) : 2000;

	rng = seed * 0x9e3779b97f4a7c15ull | 1;
	for (uint64_t i = 0; i < n; i++)
		if (one()) {
			fprintf(stderr, "seed %" PRIu64 ", segment %" PRIu64 "\n", seed, i);
			return 1;
		}
	return 0;
}
