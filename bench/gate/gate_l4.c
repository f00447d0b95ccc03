/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Packets and first packets of layer 4 through one worker, in bursts of 32: what worker_input() and worker_turn() do,
 * without buffers and devices. bench/micro measures many flows: they cost cache misses, not instructions.
 */
#include "count.h"
#include "l4_rig.h"
#include "wire.h"

#include <stdio.h>
#include <stdlib.h>

#define BURST  32u
#define FLOWS  256u /* a multiple of the burst */
#define ROUNDS 4u

static struct l4_rig rig;

static void burst(const struct l4_packet_text *text, uint32_t first)
{
	struct net_out *out = net_out(worker_net(rig.w), 0);
	struct buf *b[BURST];
	uint8_t frame[2048];

	for (uint32_t i = 0; i < BURST; i++) {
		struct l4_packet_text p = *text;
		uint16_t len;

		p.sport = (uint16_t)(1024 + first + i);
		len = l4_rig_frame(&rig, &p, frame);
		b[i] = bufs_from(&rig.pool, frame, len);
	}
	count_on();
	worker_input(rig.w, b, BURST, rig.now_us);
	worker_turn(rig.w, rig.now_us, 1700000000);
	count_off();
	if (out->n != BURST) {
		fprintf(stderr, "gate_l4: of %u packets %u left\n", BURST, out->n);
		exit(1);
	}
	for (uint32_t i = 0; i < BURST; i++)
		buf_free(out->tx[i].buf);
	out->n = 0;
	rig.in += BURST;
}

static void count(const char *what, uint8_t proto)
{
	struct l4_packet_text p = {.src = "10.0.0.1",
	                           .dst = "10.0.0.2",
	                           .dport = proto == IP_UDP ? 53 : 80,
	                           .proto = proto,
	                           .flags = TCP_FLAG_SYN,
	                           .len = proto == IP_UDP ? 18 : 0};
	char name[64];

	l4_rig_init(&rig);
	rig.pool.poison = false;
	rig.node.limits.flows = rig.node.limits.half_open_flows = 4096;
	l4_rig_start(&rig);
	for (uint16_t i = 0; i < 10; i++) /* MAC addresses get known */
		l4_rig_in(&rig, &(struct l4_packet_text){.src = p.src,
		                                         .dst = p.dst,
		                                         .sport = i,
		                                         .dport = p.dport,
		                                         .proto = proto,
		                                         .flags = TCP_FLAG_SYN});
	count_begin();
	for (uint32_t i = 0; i < FLOWS; i += BURST)
		burst(&p, i);
	snprintf(name, sizeof(name), "layer 4, first packet, %s", what);
	count_end(name, FLOWS);
	p.flags = TCP_FLAG_ACK;
	burst(&p, 0);
	count_begin();
	for (uint32_t i = 0; i < FLOWS * ROUNDS; i += BURST)
		burst(&p, i % FLOWS);
	snprintf(name, sizeof(name), "layer 4, packet of a flow, %s", what);
	count_end(name, FLOWS * ROUNDS);
	l4_rig_stop(&rig);
}

int main(void)
{
	count("UDP", IP_UDP);
	count("TCP", IP_TCP);
	return 0;
}
