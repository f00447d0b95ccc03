/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Packets and connections of layer 4 through one worker: worker_input() and worker_turn() for bursts of 32, without a
 * device. Packets belong to flows at random, so that those of a million find nothing of theirs in a cache.
 *
 *   clients 10.1.0.0/16 --- Weir 10.0.0.2 TCP 80, UDP 53 --- 64 endpoints 10.0.1.0/24:8080
 */
#include "bench.h"
#include "csum.h"
#include "l4_rig.h"
#include "wire.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25 /* Linux 6.1; not in the C library yet */
#endif

#define BURST     32u
#define ENDPOINTS 64u
#define FIRST     64u    /* last byte of the first client and the first endpoint */
#define PORTS     32768u /* of a client address */
#define FLOWS_MAX (1u << 20)
#define REPEATS   501
#define ISN       1000u

#define FRAME_TCP (ETH_LEN + IP4_LEN + TCP_LEN)

static struct l4_rig rig;
static struct endpoint endpoints[ENDPOINTS];
static struct buf *bufs[BURST];
static uint8_t *starts[BURST];
static uint8_t sent[BURST][64];
static uint64_t dice = 1;

/* ---- frames ---------------------------------------------------------------------------------- */

static uint32_t draw(uint32_t n)
{
	dice = dice * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)((dice >> 32) * n >> 32);
}

static void prepare(uint8_t *frame, bool udp)
{
	struct l4_packet_text text = {.src = "10.1.0.64",
	                              .dst = "10.0.0.2",
	                              .dport = udp ? 53 : 80,
	                              .proto = udp ? IP_UDP : IP_TCP,
	                              .flags = TCP_FLAG_ACK,
	                              .seq = ISN + 1,
	                              .ack = 1,
	                              .len = udp ? 18 : 6};

	l4_rig_frame(&rig, &text, frame);
}

static void adjust(uint8_t *field, uint64_t add)
{
	wire_put_be16(field,
	              csum_finish(csum_combine((uint16_t)~wire_be16(field), csum_fold(add), 0)));
}

/* A client's frame of a flow into buffer i. */
static void load(uint32_t i, const uint8_t *frame, uint32_t flow, bool udp)
{
	uint8_t *f = starts[i], *ip = f + ETH_LEN, *l4 = ip + IP4_LEN;
	uint16_t host = (uint16_t)(flow / PORTS), port = (uint16_t)(1024 + flow % PORTS);

	memcpy(f, frame, 64);
	wire_put16(ip + IP4_SRC + 2, (uint16_t)(FIRST + host));
	wire_put16(l4, port);
	adjust(ip + IP4_CSUM, htons(host));
	adjust(l4 + (udp ? UDP_CSUM : TCP_CSUM), (uint64_t)htons(host) + htons(port));
	bufs[i]->data = f;
	bufs[i]->len = 60;
}

/* What went out as packet i comes back: its other end answers. */
static void bounce(uint32_t i, bool udp, uint8_t flags)
{
	static const uint8_t our_mac[6] = {2, 0, 0, 0, 0, 2};
	uint8_t *f = starts[i], *ip = f + ETH_LEN, *l4 = ip + IP4_LEN;
	uint32_t seq, ack;

	memcpy(f, sent[i], 64);
	memcpy(f, our_mac, 6);
	memcpy(ip + IP4_SRC, sent[i] + ETH_LEN + IP4_DST, 4);
	memcpy(ip + IP4_DST, sent[i] + ETH_LEN + IP4_SRC, 4);
	memcpy(l4, sent[i] + ETH_LEN + IP4_LEN + 2, 2);
	memcpy(l4 + 2, sent[i] + ETH_LEN + IP4_LEN, 2);
	bufs[i]->data = f;
	bufs[i]->len = 60;
	if (udp)
		return;
	seq = wire_get32(l4 + TCP_SEQ);
	ack = wire_get32(l4 + TCP_ACKNO);
	wire_put32(l4 + TCP_SEQ, ack);
	wire_put32(l4 + TCP_ACKNO, seq + ((l4[TCP_FLAGS] & (TCP_FLAG_SYN | TCP_FLAG_FIN)) != 0));
	l4[TCP_FLAGS] = flags;
}

/* ---- bursts ---------------------------------------------------------------------------------- */

/* The burst that lies in the buffers goes through; cycles of the whole. What leaves is kept in sent[]. */
static uint64_t burst(void)
{
	struct net_out *out = net_out(worker_net(rig.w), 0);
	uint64_t t;

	for (uint32_t i = 0; i < BURST; i++)
		buf_ref(bufs[i]);
	t = bench_cycles();
	worker_input(rig.w, bufs, BURST, rig.now_us);
	worker_turn(rig.w, rig.now_us, 1700000000);
	t = bench_cycles() - t;
	if (out->n < BURST) {
		fprintf(stderr, "bench_l4: of %u packets %u left\n", BURST, out->n);
		abort();
	}
	for (uint32_t i = 0; i < BURST; i++) {
		memcpy(sent[i], out->tx[i].frame, 64);
		buf_free(out->tx[i].buf);
	}
	out->n = 0;
	return t;
}

/* From a SYN's burst on. Returns the cycles of all bursts. */
static uint64_t handshake(void)
{
	uint64_t t = 0;

	for (uint32_t i = 0; i < BURST; i++)
		bounce(i, false, TCP_FLAG_SYN | TCP_FLAG_ACK);
	t += burst();
	for (uint32_t i = 0; i < BURST; i++)
		bounce(i, false, TCP_FLAG_ACK);
	return t + burst();
}

static uint64_t close_all(void)
{
	uint64_t t = 0;

	for (uint32_t i = 0; i < BURST; i++)
		bounce(i, false, TCP_FLAG_FIN | TCP_FLAG_ACK);
	t += burst();
	for (uint32_t i = 0; i < BURST; i++)
		bounce(i, false, TCP_FLAG_FIN | TCP_FLAG_ACK);
	t += burst();
	for (uint32_t i = 0; i < BURST; i++)
		bounce(i, false, TCP_FLAG_ACK);
	return t + burst();
}

static uint64_t open_burst(const uint8_t *frame, uint32_t first, bool udp)
{
	uint64_t t;

	for (uint32_t i = 0; i < BURST; i++)
		load(i, frame, first + i, udp);
	t = burst();
	if (!udp)
		return t + handshake();
	for (uint32_t i = 0; i < BURST; i++)
		bounce(i, true, 0);
	return t + burst();
}

/* ---- the table ------------------------------------------------------------------------------- */

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static void tell(const char *name, double *v, uint32_t n)
{
	qsort(v, n, sizeof(*v), by_value);
	printf("%-44s %10.1f %8.1f - %8.1f\n", name, v[n / 2], v[n / 10], v[n - 1 - n / 10]);
}

static void packets(uint32_t flows, bool udp)
{
	double v[REPEATS];
	uint8_t frame[64];
	char name[64];

	prepare(frame, udp);
	for (uint32_t r = 0; r < REPEATS + 200; r++) {
		for (uint32_t i = 0; i < BURST; i++)
			load(i, frame, draw(flows), udp);
		v[r % REPEATS] = (double)burst() / BURST;
	}
	snprintf(name, sizeof(name), "a packet, %s, %u flows", udp ? "UDP" : "TCP", flows);
	tell(name, v, REPEATS);
}

static void syn(uint8_t *frame)
{
	uint8_t *l4 = frame + ETH_LEN + IP4_LEN;

	prepare(frame, false);
	adjust(l4 + TCP_CSUM, (uint16_t)~htons(TCP_FLAG_ACK));
	adjust(l4 + TCP_CSUM, htons(TCP_FLAG_SYN));
	l4[TCP_FLAGS] = TCP_FLAG_SYN;
}

/* The clients' ports in turn, so that in the end each one finds its last connection closed. */
static void connections(uint32_t flows, uint32_t repeats)
{
	double v[REPEATS];
	uint8_t frame[64];
	char name[64];
	uint32_t next = 0;

	syn(frame);
	for (uint32_t r = 0; r < repeats; r++) {
		uint64_t t = open_burst(frame, next, false);

		rig.now_us += 100; /* so little that no MAC address is asked for again */
		v[r % REPEATS] = (double)(t + close_all()) / BURST;
		next = (next + BURST) % flows;
	}
	snprintf(name, sizeof(name), "a connection, six packets, %u clients' ports", flows);
	tell(name, v, REPEATS);
}

/* Into huge pages, where the workers' memory is as well. */
static void collapse(uint8_t *memory, size_t bytes)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE), skip = -(uintptr_t)memory & (page - 1);

	if (madvise(memory + skip, (bytes - skip) & ~(page - 1), MADV_COLLAPSE))
		perror("bench_l4: huge pages");
}

/* ---- set-up ---------------------------------------------------------------------------------- */

static void start(void)
{
	l4_rig_init(&rig);
	rig.node.source_port_min = 1024;
	rig.node.source_port_max = 65535;
	rig.node.limits.flows = FLOWS_MAX + FLOWS_MAX / 4;
	rig.node.limits.half_open_flows = FLOWS_MAX;
	rig.node.limits.endpoints = ENDPOINTS;
	rig.port.addrs[0].len = 96 + 8;
	for (uint32_t i = 0; i < ENDPOINTS; i++)
		endpoints[i] = (struct endpoint){.addr = ip_from_v4(htonl(0x0a000100 + FIRST + i)),
		                                 .port = htons(8080),
		                                 .weight = 1,
		                                 .slot = {i, 1},
		                                 .name = STR("endpoint")};
	rig.subsets[0].n_endpoints = ENDPOINTS;
	rig.subsets[0].endpoints = endpoints;
	rig.split.n_table = 1;
	l4_rig_start(&rig);
	collapse(rig.memory, worker_bytes(&rig.node));
	for (uint32_t i = 0; i < BURST; i++) {
		uint8_t nothing[64] = {0};

		bufs[i] = bufs_from(&rig.pool, nothing, sizeof(nothing));
		starts[i] = bufs[i]->data;
	}
}

/* Everybody's MAC address is known before packets are counted: a flow from each client address to each endpoint. */
static void meet(void)
{
	for (uint32_t i = 0; i < ENDPOINTS * 16; i++) {
		char src[32];

		snprintf(src, sizeof(src), "10.1.0.%u", FIRST + i % (FLOWS_MAX / PORTS));
		L4_IN(&rig, .src = src, .dst = "10.0.0.2", .sport = (uint16_t)(40000 + i),
		      .dport = 53, .proto = IP_UDP);
	}
}

static void open_up_to(uint32_t from, uint32_t to, bool udp)
{
	uint8_t frame[64];

	if (udp)
		prepare(frame, true);
	else
		syn(frame);
	for (uint32_t i = from; i < to; i += BURST)
		open_burst(frame, i, udp);
}

int main(void)
{
	static const uint32_t sizes[] = {1024, 10240, 102400, FLOWS_MAX};

	setvbuf(stdout, NULL, _IOLBF, 0);
	for (int udp = 1; udp >= 0; udp--) {
		uint32_t open = 0;

		start();
		meet();
		if (udp)
			printf("layer 4, bursts of 32 (time stamp counter cycles)\n%-44s %10s "
			       "%19s\n",
			       "", "median", "10 % to 90 %");
		for (uint32_t s = 0; s < sizeof(sizes) / sizeof(sizes[0]); s++) {
			open_up_to(open, sizes[s], udp);
			open = sizes[s];
			packets(open, udp);
		}
	}
	start();
	meet();
	connections(1024, 2000);
	connections(FLOWS_MAX, FLOWS_MAX / BURST * 2);
	return 0;
}
