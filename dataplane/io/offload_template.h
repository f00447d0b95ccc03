/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Rules of a port by templates (rte_flow_configure() has been called for it): what a kind of rule looks like is
 * told to the device once, as a table; a rule is then only its values, and the answer comes later.
 *
 * Only the thread of offload_rte.c calls these.
 */
#ifndef WEIR_IO_OFFLOAD_TEMPLATE_H
#define WEIR_IO_OFFLOAD_TEMPLATE_H

#include "offload_flow.h"

#define OFFLOAD_TABLES 64 /* of a port: levels, kinds, and ports to leave by */

struct offload_table {
	uint32_t key; /* of the rules in it, offload_template_key(); 0: free */
	struct rte_flow_pattern_template *pattern;
	struct rte_flow_actions_template *actions;
	struct rte_flow_template_table *table;
};

struct offload_templates {
	uint16_t port_id;
	uint32_t max_rules;
	struct offload_table tables[OFFLOAD_TABLES];
};

/** Rules with the same key are of one table. */
uint32_t offload_template_key(const struct offload_rule *r);

/** Would the device take rules like this one? Makes the templates and lets them go. */
bool offload_template_ask(const struct offload_templates *t, struct offload_flow *f);

/** Ask for a rule; offload_template_pull() gives `user`. NULL: refused, rte_errno says why. */
struct rte_flow *offload_template_insert(struct offload_templates *t, uint32_t key,
                                         struct offload_flow *f, void *user);
int offload_template_remove(struct offload_templates *t, struct rte_flow *flow, void *user);

/** Answers; how many. */
int offload_template_pull(struct offload_templates *t, struct rte_flow_op_result *out,
                          uint16_t max);

#endif
