/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Steering rules: the queue that a device finds by the rules that the port asked for is the worker that software finds
 * by steer.c, for every answer of an endpoint. The functions of rte_flow are this file's and lead to the model,
 * which executes the rules on frames.
 *
 * usage: prop_steer SEED [ROUNDS]
 */
#include "csum.h"
#include "model_nic.h"
#include "offload_flow.h"
#include "offload_port.h"
#include "rig.h"
#include "rng.h"
#include "steer.h"
#include "wire.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define PACKETS 200 /* of a round */
#define FRAME   80

static struct model_nic nic;

int rte_flow_validate(uint16_t id, const struct rte_flow_attr *attr,
                      const struct rte_flow_item pattern[], const struct rte_flow_action actions[],
                      struct rte_flow_error *error)
{
	(void)id;
	(void)error;
	return model_nic_check(&nic, attr, pattern, actions);
}

struct rte_flow *rte_flow_create(uint16_t id, const struct rte_flow_attr *attr,
                                 const struct rte_flow_item pattern[],
                                 const struct rte_flow_action actions[],
                                 struct rte_flow_error *error)
{
	int rule = model_nic_create(&nic, 0, attr, pattern, actions);

	(void)id;
	(void)error;
	return rule < 0 ? NULL : (struct rte_flow *)(uintptr_t)(rule + 1);
}

/* What a device and software see of one round: workers and their ports, and the rules for them. */
struct round {
	struct rng rng;
	struct rig rig;
	struct node node;
	struct port port;
	struct steer steer;
	uint32_t workers;
	uint16_t port_min, port_max;
};

static uint32_t below(struct round *r, uint32_t n)
{
	return rng_below(&r->rng, n);
}

static void start(struct round *r, uint64_t seed)
{
	struct port_plan plan = {.node = &r->node};
	struct hash_key key = {0};

	memset(r, 0, sizeof(*r));
	r->rng = rng_seed(seed);
	r->workers = 2u << below(r, 5);
	r->port_min = (uint16_t)(1024 + below(r, 60000));
	r->port_max = (uint16_t)(r->port_min + below(r, (uint32_t)(65536 - r->port_min)));
	r->node.offload.level = OFFLOAD_STEER;
	r->port.steering = PORT_HANDOFF;
	r->port.rx_queues = (uint16_t)r->workers;
	plan.n_workers = r->workers;
	model_nic_init(&nic, MODEL_QUEUE);
	offload_port_steer(&r->port, &plan, r->port_min);
	steer_hand_off(&r->steer, r->workers, r->port_min, r->port_max, &key);
	rig_init(&r->rig);
	rig_start(&r->rig, true, 16);
}

static void stop(struct round *r)
{
	rig_drain(&r->rig);
	rig_stop(&r->rig);
	model_nic_fini(&nic);
}

/* Headers of a packet to one of our addresses; returns its bytes. */
static uint32_t write_frame(struct round *r, uint8_t *frame, uint16_t dport)
{
	bool v6 = below(r, 2), udp = below(r, 2);
	struct ip_addr src = rig_addr(v6 ? "2001:db8:5::" : "192.0.2.0");
	struct ip_addr dst = rig_addr(v6 ? "2001:db8::1" : "10.0.0.1");
	struct net_ip ip = {&src, &dst, 20, udp ? IP_UDP : IP_TCP, 64, false};
	uint8_t *l4 = frame + 54, *l3;

	memset(frame, 0, FRAME);
	src.b[15] = (uint8_t)(1 + below(r, 250));
	wire_put16(l4, (uint16_t)(1 + below(r, 65535)));
	wire_put16(l4 + 2, dport);
	if (udp)
		wire_put16(l4 + 4, 20);
	else
		l4[TCP_OFFSET] = 5 << 4;
	l3 = net_ip_write(&ip, l4);
	memcpy(l3 - ETH_LEN, r->rig.ports[0].mac, 6);
	memcpy(l3 - ETH_LEN + ETH_SRC, "\x02\x09\x09\x09\x09\x09", 6);
	wire_put16(l3 - 2, v6 ? ETH_TYPE_IP6 : ETH_TYPE_IP4);
	memmove(frame, l3 - ETH_LEN, (size_t)(l4 + 20 - l3) + ETH_LEN);
	return (uint32_t)(l4 + 20 - l3) + ETH_LEN;
}

/* One packet; answers: how many came to the queue of their worker. */
static bool one(struct round *r, uint32_t *answers)
{
	uint16_t span = (uint16_t)(r->port_max - r->port_min);
	bool answer = below(r, 4);
	uint16_t dport =
		(uint16_t)(answer ? r->port_min + below(r, span + 1u) : below(r, r->port_min));
	uint8_t frame[FRAME];
	uint32_t len = write_frame(r, frame, dport), owner;
	struct model_out out;
	enum drop end = rig_receive(&r->rig, 0, frame, len);

	if (end != DROP_TCP_IN && end != DROP_FLOW_IN) {
		fprintf(stderr, "not a packet for us: %s\n", drop_name(end));
		return false;
	}
	out = model_nic_frame(&nic, 0, frame, len);
	owner = steer_owner(&r->steer, &r->rig.pkt);
	if (out.verdict != MODEL_HOST || out.marked || out.queue < 0 ||
	    out.queue >= (int)r->workers) {
		fprintf(stderr, "port %u: the device does something else with it\n", dport);
		return false;
	}
	*answers += answer;
	if (!answer || (uint32_t)out.queue == owner)
		return true;
	fprintf(stderr, "port %u of %u to %u: queue %d, worker %u of %u\n", dport, r->port_min,
	        r->port_max, out.queue, owner, r->workers);
	return false;
}

int main(int argc, char **argv)
{
	uint64_t seed = argc > 1 ? strtoull(argv[1], NULL, 10) : 1;
	uint64_t n = argc > 2 ? strtoull(argv[2], NULL, 10) : 300;
	static struct round r;
	uint32_t answers = 0;

	for (uint64_t i = 0; i < n; i++) {
		start(&r, seed + i);
		if (r.port.steers != r.workers * OFFLOAD_KINDS)
			return 1;
		for (uint32_t k = 0; k < PACKETS; k++)
			if (!one(&r, &answers)) {
				fprintf(stderr, "seed %" PRIu64 "\n", seed + i);
				return 1;
			}
		stop(&r);
	}
	return answers < n * PACKETS / 2;
}
