/* SPDX-License-Identifier: BSD-3-Clause */
#include "offload_port.h"

#include "offload_flow.h"

#define HAIRPIN_DESCS 512
#define ASYNC_QUEUE   1024 /* questions at once */
#define ASYNC_RULES   (1u << 20)

void offload_port_prepare(struct port *p, const struct port_plan *plan)
{
	uint64_t marks = RTE_ETH_RX_METADATA_USER_MARK;
	struct rte_eth_hairpin_cap cap;

	p->hairpins = 0;
	if (plan->node->offload.level == OFFLOAD_NONE)
		return;
	rte_eth_rx_metadata_negotiate(p->id, &marks);
	if (plan->node->offload.level < OFFLOAD_REWRITE ||
	    rte_eth_dev_hairpin_capability_get(p->id, &cap) < 0 ||
	    cap.max_nb_queues < plan->node->n_ports)
		return;
	p->hairpins = (uint16_t)plan->node->n_ports;
}

/* Queue k of a port's hairpins leads to port k, and comes from there. */
static struct rte_eth_hairpin_conf leads_to(const struct port *p, const struct port *peer, bool rx)
{
	uint16_t queues = rx ? peer->tx_queues : peer->rx_queues;
	struct rte_eth_hairpin_conf conf = {.peer_count = 1};

	/* between two ports nothing is bound by itself */
	conf.manual_bind = conf.tx_explicit = p != peer;
	conf.peers[0].port = peer->id;
	conf.peers[0].queue = (uint16_t)(queues + p->index);
	return conf;
}

bool offload_port_queues(struct port *p, const struct port_plan *plan)
{
	int rc = 0;

	for (uint16_t k = 0; k < p->hairpins && rc == 0; k++) {
		const struct port *peer = &plan->ports[k];
		struct rte_eth_hairpin_conf rx = leads_to(p, peer, true);
		struct rte_eth_hairpin_conf tx = leads_to(p, peer, false);

		rc = rte_eth_rx_hairpin_queue_setup(p->id, (uint16_t)(p->rx_queues + k),
		                                    HAIRPIN_DESCS, &rx);
		if (rc == 0)
			rc = rte_eth_tx_hairpin_queue_setup(p->id, (uint16_t)(p->tx_queues + k),
			                                    HAIRPIN_DESCS, &tx);
	}
	if (rc < 0)
		p->hairpins = 0;
	return rc == 0;
}

void offload_port_flows(struct port *p, const struct port_plan *plan)
{
	uint32_t rules =
		plan->node->offload.max_rules ? plan->node->offload.max_rules : ASYNC_RULES;
	const struct rte_flow_queue_attr queue = {.size = ASYNC_QUEUE};
	const struct rte_flow_queue_attr *queues[] = {&queue};
	struct rte_flow_port_attr attr = {0};
	struct rte_flow_port_info info;
	struct rte_flow_queue_info queue_info;
	struct rte_flow_error error;

	p->by_template = false;
	if (plan->node->offload.level == OFFLOAD_NONE ||
	    rte_flow_info_get(p->id, &info, &queue_info, &error) < 0)
		return;
	attr.nb_counters = RTE_MIN(rules, info.max_nb_counters);
	attr.nb_aging_objects = RTE_MIN(rules, info.max_nb_aging_objects);
	p->by_template = rte_flow_configure(p->id, &attr, 1, queues, &error) == 0;
}

void offload_port_bind(struct port *ports, uint32_t n)
{
	for (uint32_t from = 0; from < n; from++)
		for (uint32_t to = 0; to < n; to++)
			if (from != to && ports[from].hairpins && ports[to].hairpins &&
			    rte_eth_hairpin_bind(ports[to].id, ports[from].id) == 0)
				ports[from].bound |= 1u << to;
}

uint16_t offload_port_hairpin(const struct port *ports, uint32_t from, uint32_t to)
{
	const struct port *p = &ports[from];

	if (!p->hairpins || !ports[to].hairpins || (from != to && !(p->bound & 1u << to)))
		return UINT16_MAX;
	return (uint16_t)(p->rx_queues + to);
}

/* The owner of a connection to an endpoint is (our port - the lowest) modulo the workers: steer.h. */
void offload_port_steer(struct port *p, const struct port_plan *plan, uint16_t port_min)
{
	uint32_t n = plan->n_workers;
	struct offload_flow f;

	if (plan->node->offload.level < OFFLOAD_STEER || p->steering != PORT_HANDOFF ||
	    p->by_template || p->rx_queues != n || !rte_is_power_of_2(n))
		return;
	for (uint32_t i = 0; i < n * OFFLOAD_KINDS; i++) {
		struct offload_flow_steer s = {.port = (uint16_t)(port_min + i / OFFLOAD_KINDS),
		                               .mask = (uint16_t)(n - 1),
		                               .queue = (uint16_t)(i / OFFLOAD_KINDS)};

		offload_flow_steering(&f, (enum offload_kind)(i % OFFLOAD_KINDS), &s);
		if (rte_flow_validate(p->id, &f.attr, f.pattern, f.actions, &f.error) == 0 &&
		    rte_flow_create(p->id, &f.attr, f.pattern, f.actions, &f.error))
			p->steers++;
	}
}
