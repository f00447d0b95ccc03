/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Flows, their neighbours and what decides about their offload, for tests; the device is the test's.
 *
 *   client 10.0.0.C or 2001:db8::C, port 0   <->  Weir  <->   endpoint 10.1.0.E or 2001:db8:1::E, port 1
 *
 * Both ports are untagged. MAC addresses of neighbours are 02:0P:00:00:00:LAST of port P.
 */
#ifndef WEIR_TESTS_OFFLOAD_RIG_H
#define WEIR_TESTS_OFFLOAD_RIG_H

#include "offload.h"
#include "rig.h"

#define OFFLOAD_RIG_FLOWS 4096

struct offload_rig {
	struct rig rig;
	struct flow_table *flows;
	void *flow_memory, *entry_memory;
	struct node_offload conf;
	struct offload_port ports[2];
	struct offload_env env;
	struct offload o;
};

/** Everything but the start: change what is to be changed. Heavy: 64 KiB within a second. */
void offload_rig_init(struct offload_rig *r, const struct offload_ops *ops, void *device);

/** Levels of both ports for all kinds. */
void offload_rig_level(struct offload_rig *r, enum offload_level level);

void offload_rig_start(struct offload_rig *r, uint32_t entries);
void offload_rig_stop(struct offload_rig *r);

struct offload_rig_flow {
	bool v6, udp;
	uint8_t client, endpoint; /* last bytes of their addresses */
	uint16_t cport, lport;    /* the client's, and ours towards the endpoint; host order */
	uint32_t seq_client, seq_server; /* seq_add of the sides */
};

/** An established flow of full NAT, both ways resolved: the client's port 80 is the endpoint's 8080. */
struct flow *offload_rig_flow(struct offload_rig *r, const struct offload_rig_flow *what);
void offload_rig_free(struct offload_rig *r, struct flow *f);

/** Account for a packet of so many bytes from a side, as forwarding does, and tell offload. */
void offload_rig_packet(struct offload_rig *r, struct flow *f, enum flow_side_id from,
                        uint32_t bytes);

/** Let time pass, and a turn. */
void offload_rig_turn(struct offload_rig *r, uint64_t us);

/** The neighbour has this last byte of its MAC address. */
void offload_rig_neighbour(struct offload_rig *r, const struct net_path *path, uint8_t last);

#endif
