/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A rule of core's offload as pattern and actions of rte_flow. Pure functions: what is built here is what a
 * device gets, what probing asks about, and what the software model of the tests executes.
 *
 *   mark, steer      eth / [vlan] / ipv4|ipv6 5-tuple / tcp|udp              -> mark / passthru or queue
 *   rewrite, splice  integrity / eth to us / [vlan] / 5-tuple, hop limit,
 *                    no fragment / ports, not SYN, FIN, RST                  -> set ... / add ... / count / [age] /
 *                                                                               queue of a hairpin
 *   base             eth to us                                               -> jump to the group of the rules
 *                    eth (in that group, last)                               -> rss to the software's queues
 *
 * What software would not forward as it is has to miss: a packet with a wrong checksum (a device makes sums
 * anew, and would mend it), one whose hop limit is not the flow's, fragments, extension headers, a priority
 * in the VLAN tag, and what opens or ends a connection.
 */
#ifndef WEIR_IO_OFFLOAD_FLOW_H
#define WEIR_IO_OFFLOAD_FLOW_H

#include "offload.h"

#include <rte_flow.h>

#define OFFLOAD_FLOW_ITEMS 6 /* integrity, eth, vlan, ip, tcp, end */
#define OFFLOAD_FLOW_ACTIONS \
	14                   /* 2 MAC, 2 IP, hop limit, 2 ports, seq, ack, count, age, queue, end */
#define OFFLOAD_FLOW_GROUP 1 /* of rules behind a jump */

/* How a port wants it; found out by probing. */
struct offload_flow_way {
	bool modify;    /* MODIFY_FIELD; else SET_*, DEC_TTL, INC_TCP_* */
	bool ages;      /* takes AGE */
	uint32_t group; /* of rewriting rules: OFFLOAD_FLOW_GROUP behind a jump, or 0 */
	uint16_t hairpin
		[NODE_PORTS_MAX]; /* queue whose packets leave on that port; UINT16_MAX: none */
};

union offload_flow_item {
	struct rte_flow_item_integrity integrity;
	struct rte_flow_item_eth eth;
	struct rte_flow_item_vlan vlan;
	struct rte_flow_item_ipv4 ip4;
	struct rte_flow_item_ipv6 ip6;
	struct rte_flow_item_tcp tcp;
	struct rte_flow_item_udp udp;
};

union offload_flow_conf {
	struct rte_flow_action_modify_field modify;
	struct rte_flow_action_set_mac mac;
	struct rte_flow_action_set_ipv4 ip4;
	struct rte_flow_action_set_ipv6 ip6;
	struct rte_flow_action_set_tp tp;
	rte_be32_t be32;
	struct rte_flow_action_mark mark;
	struct rte_flow_action_queue queue;
	struct rte_flow_action_jump jump;
	struct rte_flow_action_rss rss;
	struct rte_flow_action_count count;
	struct rte_flow_action_age age;
};

/* The arrays and what they point to; not to be copied. */
struct offload_flow {
	struct rte_flow_attr attr;
	struct rte_flow_item pattern[OFFLOAD_FLOW_ITEMS];
	struct rte_flow_action actions[OFFLOAD_FLOW_ACTIONS];
	struct rte_flow_action
		masks[OFFLOAD_FLOW_ACTIONS]; /* for an actions template: what is constant */
	union offload_flow_item spec[OFFLOAD_FLOW_ITEMS], mask[OFFLOAD_FLOW_ITEMS];
	union offload_flow_conf conf[OFFLOAD_FLOW_ACTIONS], fixed[OFFLOAD_FLOW_ACTIONS];
	uint32_t n_items, n_actions;
	struct rte_flow_error error; /* of whoever was asked about it */
};

void offload_flow_build(struct offload_flow *f, const struct offload_rule *r,
                        const struct offload_flow_way *way);

/** Packets to this MAC address go to the group of the rules. */
void offload_flow_jump(struct offload_flow *f, const uint8_t mac[6]);

/** What no rule of the group takes goes where it would have gone. */
void offload_flow_rest(struct offload_flow *f, const struct rte_flow_action_rss *rss);

/* Which of our ports go to which queue: those whose low bits are these. */
struct offload_flow_steer {
	uint16_t port, mask; /* of the destination, host order */
	uint16_t queue;
};

/** Answers to connections of ours, by our port: one rule for each worker, and each kind. */
void offload_flow_steering(struct offload_flow *f, enum offload_kind kind,
                           const struct offload_flow_steer *s);

/* A port, before anything is asked of it. */
struct offload_flow_site {
	uint8_t port;
	uint32_t n_ports;
	const uint8_t *mac;
	uint16_t vlan, queue;
	enum offload_level most;
	const struct rte_flow_action_rss *rss; /* what software's queues are */
	/** Would the device take it? */
	bool (*ask)(void *arg, uint8_t port, struct offload_flow *f);
	void *arg;
};

/**
 * Find out what a port does, and how it wants to be told: for each way that there is, the exact rules that would
 * be used are asked about, from the highest level down; the way that does most for TCP over IPv4 is taken.
 *
 * @param out  its levels and ages are filled
 * @param way  hairpin is given, the rest is filled
 */
void offload_flow_survey(const struct offload_flow_site *site, struct offload_port *out,
                         struct offload_flow_way *way);

#endif
