/* SPDX-License-Identifier: BSD-3-Clause */
#include "offload_template.h"

#include <rte_errno.h>

#include <errno.h>

#define QUEUE 0 /* there is one, the thread's */

uint32_t offload_template_key(const struct offload_rule *r)
{
	uint32_t v6 = !ip_is_v4(&r->src);

	return 1u | v6 << 1 | (uint32_t)r->udp << 2 | (uint32_t)r->level << 3 |
	       (uint32_t)r->out_port << 8;
}

static struct rte_flow_pattern_template *make_pattern(uint16_t port_id, struct offload_flow *f)
{
	const struct rte_flow_pattern_template_attr attr = {.relaxed_matching = 0, .ingress = 1};

	return rte_flow_pattern_template_create(port_id, &attr, f->pattern, &f->error);
}

static struct rte_flow_actions_template *make_actions(uint16_t port_id, struct offload_flow *f)
{
	const struct rte_flow_actions_template_attr attr = {.ingress = 1};

	return rte_flow_actions_template_create(port_id, &attr, f->actions, f->masks, &f->error);
}

bool offload_template_ask(const struct offload_templates *t, struct offload_flow *f)
{
	struct rte_flow_pattern_template *pattern = make_pattern(t->port_id, f);
	struct rte_flow_actions_template *actions = make_actions(t->port_id, f);
	bool can = pattern && actions;

	if (pattern)
		rte_flow_pattern_template_destroy(t->port_id, pattern, &f->error);
	if (actions)
		rte_flow_actions_template_destroy(t->port_id, actions, &f->error);
	return can;
}

static bool make_table(struct offload_templates *t, struct offload_table *at,
                       struct offload_flow *f)
{
	const struct rte_flow_template_table_attr attr = {.flow_attr = f->attr,
	                                                  .nb_flows = t->max_rules};

	at->pattern = make_pattern(t->port_id, f);
	at->actions = make_actions(t->port_id, f);
	if (at->pattern && at->actions)
		at->table = rte_flow_template_table_create(t->port_id, &attr, &at->pattern, 1,
		                                           &at->actions, 1, &f->error);
	return at->table;
}

static struct offload_table *find_table(struct offload_templates *t, uint32_t key,
                                        struct offload_flow *f)
{
	for (uint32_t i = 0; i < OFFLOAD_TABLES; i++) {
		struct offload_table *at = &t->tables[i];

		if (at->key == key)
			return at->table ? at : NULL;
		if (at->key)
			continue;
		at->key = key;
		return make_table(t, at, f) ? at : NULL;
	}
	return NULL;
}

struct rte_flow *offload_template_insert(struct offload_templates *t, uint32_t key,
                                         struct offload_flow *f, void *user)
{
	const struct rte_flow_op_attr attr = {.postpone = 0};
	struct offload_table *at = find_table(t, key, f);

	if (!at) {
		rte_errno = ENOTSUP;
		return NULL;
	}
	return rte_flow_async_create(t->port_id, QUEUE, &attr, at->table, f->pattern, 0, f->actions,
	                             0, user, &f->error);
}

int offload_template_remove(struct offload_templates *t, struct rte_flow *flow, void *user)
{
	const struct rte_flow_op_attr attr = {.postpone = 0};
	struct rte_flow_error error;

	return rte_flow_async_destroy(t->port_id, QUEUE, &attr, flow, user, &error);
}

int offload_template_pull(struct offload_templates *t, struct rte_flow_op_result *out, uint16_t max)
{
	struct rte_flow_error error;

	rte_flow_push(t->port_id, QUEUE, &error);
	return rte_flow_pull(t->port_id, QUEUE, out, max, &error);
}
