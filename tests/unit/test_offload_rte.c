/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The thread that asks devices, between rings and rte_flow: the functions of rte_flow are this file's, and lead to
 * the model. Rules one by one, and by templates.
 */
#include "model_nic.h"
#include "offload_rte.h"

#include "weir/node.h"

#include <rte_errno.h>
#include <rte_lcore.h>

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static struct model_nic nic;
static struct node node;
static struct port port;
static struct offload_rte *rte;
static const struct offload_env *env;
static const uint8_t key[PORT_RSS_KEY_BYTES];
static struct rte_flow_op_result done[64];
static uint32_t n_done;
static bool stuck; /* nothing is taken out */
static rte_eth_dev_cb_fn on_reset;
static void *reset_arg;

/* ---- rte_flow over the model; a rule's handle is its number and one ------------------------- */

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
	rte_errno = rule < 0 ? -rule : 0;
	return rule < 0 ? NULL : (struct rte_flow *)(uintptr_t)(rule + 1);
}

int rte_flow_destroy(uint16_t id, struct rte_flow *flow, struct rte_flow_error *error)
{
	(void)id;
	(void)error;
	if (stuck)
		return -EBUSY;
	model_nic_destroy(&nic, (int)(uintptr_t)flow - 1);
	return 0;
}

int rte_flow_query(uint16_t id, struct rte_flow *flow, const struct rte_flow_action *action,
                   void *data, struct rte_flow_error *error)
{
	const struct model_rule *r = &nic.rules[(uintptr_t)flow - 1];
	struct rte_flow_query_count *out = data;

	(void)id;
	(void)action;
	(void)error;
	out->hits_set = out->bytes_set = 1;
	out->hits = r->pkts;
	out->bytes = r->bytes;
	return 0;
}

int rte_flow_flush(uint16_t id, struct rte_flow_error *error)
{
	(void)id;
	(void)error;
	model_nic_reset(&nic, 0);
	return 0;
}

int rte_flow_get_aged_flows(uint16_t id, void **contexts, uint32_t n, struct rte_flow_error *error)
{
	(void)id;
	(void)contexts;
	(void)n;
	(void)error;
	return 0;
}

/* By template: what is asked is what is in the arrays; a template is any pointer. */
struct rte_flow_pattern_template *
rte_flow_pattern_template_create(uint16_t id, const struct rte_flow_pattern_template_attr *attr,
                                 const struct rte_flow_item pattern[], struct rte_flow_error *error)
{
	(void)id;
	(void)attr;
	(void)pattern;
	(void)error;
	return (void *)&nic;
}

struct rte_flow_actions_template *
rte_flow_actions_template_create(uint16_t id, const struct rte_flow_actions_template_attr *attr,
                                 const struct rte_flow_action actions[],
                                 const struct rte_flow_action masks[], struct rte_flow_error *error)
{
	(void)id;
	(void)attr;
	(void)error;
	for (uint32_t i = 0;; i++) {
		if (actions[i].type != masks[i].type)
			return NULL;
		if (actions[i].type == RTE_FLOW_ACTION_TYPE_END)
			return (void *)&nic;
		if (actions[i].type == RTE_FLOW_ACTION_TYPE_DEC_TTL)
			return NULL; /* as a device that only knows MODIFY_FIELD */
	}
}

int rte_flow_pattern_template_destroy(uint16_t id, struct rte_flow_pattern_template *t,
                                      struct rte_flow_error *error)
{
	(void)id;
	(void)t;
	(void)error;
	return 0;
}

int rte_flow_actions_template_destroy(uint16_t id, struct rte_flow_actions_template *t,
                                      struct rte_flow_error *error)
{
	(void)id;
	(void)t;
	(void)error;
	return 0;
}

/* A table is of one group and priority. */
struct rte_flow_template_table *
rte_flow_template_table_create(uint16_t id, const struct rte_flow_template_table_attr *attr,
                               struct rte_flow_pattern_template *patterns[], uint8_t n_patterns,
                               struct rte_flow_actions_template *actions[], uint8_t n_actions,
                               struct rte_flow_error *error)
{
	static struct rte_flow_attr attrs[16];
	static uint32_t n;

	(void)id;
	(void)patterns;
	(void)n_patterns;
	(void)actions;
	(void)n_actions;
	(void)error;
	attrs[n % 16] = attr->flow_attr;
	return (void *)&attrs[n++ % 16];
}

static void finish(void *user, bool ok)
{
	done[n_done++] = (struct rte_flow_op_result){
		.status = ok ? RTE_FLOW_OP_SUCCESS : RTE_FLOW_OP_ERROR, .user_data = user};
}

struct rte_flow *
rte_flow_async_create(uint16_t id, uint32_t queue, const struct rte_flow_op_attr *attr,
                      struct rte_flow_template_table *table, const struct rte_flow_item pattern[],
                      uint8_t pattern_index, const struct rte_flow_action actions[],
                      uint8_t actions_index, void *user, struct rte_flow_error *error)
{
	int rule = model_nic_create(&nic, 0, (void *)table, pattern, actions);

	(void)id;
	(void)queue;
	(void)attr;
	(void)pattern_index;
	(void)actions_index;
	(void)error;
	finish(user, rule >= 0);
	return (struct rte_flow *)(uintptr_t)(rule < 0 ? 1 : rule + 1);
}

int rte_flow_async_destroy(uint16_t id, uint32_t queue, const struct rte_flow_op_attr *attr,
                           struct rte_flow *flow, void *user, struct rte_flow_error *error)
{
	(void)queue;
	(void)attr;
	finish(user, rte_flow_destroy(id, flow, error) == 0);
	return 0;
}

int rte_flow_push(uint16_t id, uint32_t queue, struct rte_flow_error *error)
{
	(void)id;
	(void)queue;
	(void)error;
	return 0;
}

int rte_flow_pull(uint16_t id, uint32_t queue, struct rte_flow_op_result res[], uint16_t n,
                  struct rte_flow_error *error)
{
	uint32_t k = n_done < n ? n_done : n;

	(void)id;
	(void)queue;
	(void)error;
	memcpy(res, done, k * sizeof(*res));
	memmove(done, done + k, (n_done - k) * sizeof(*done));
	n_done -= k;
	return (int)k;
}

int rte_eth_dev_callback_register(uint16_t id, enum rte_eth_event_type event, rte_eth_dev_cb_fn fn,
                                  void *arg)
{
	(void)id;
	if (event == RTE_ETH_EVENT_INTR_RESET) {
		on_reset = fn;
		reset_arg = arg;
	}
	return 0;
}

int rte_eth_dev_callback_unregister(uint16_t id, enum rte_eth_event_type event,
                                    rte_eth_dev_cb_fn fn, void *arg)
{
	(void)id;
	(void)event;
	(void)fn;
	(void)arg;
	return 0;
}

int rte_ctrl_thread_create(pthread_t *thread, const char *name, const pthread_attr_t *attr,
                           void *(*run)(void *), void *arg)
{
	(void)name;
	return pthread_create(thread, attr, run, arg);
}

/* ---- the tests ----------------------------------------------------------------------------- */

static void start(bool by_template)
{
	static struct node_port of_node = {.name = "only"};

	memset(&node, 0, sizeof(node));
	memset(&port, 0, sizeof(port));
	node.n_ports = node.n_workers = 1;
	node.limits.flows = 1024;
	node.offload = (struct node_offload){OFFLOAD_SPLICE, 65536, 1000000, 0};
	port.node = &of_node;
	port.rx_queues = MODEL_HAIRPIN;
	port.hairpins = 1;
	port.by_template = by_template;
	memcpy(port.mac, "\2\0\0\0\0\1", 6);
	n_done = 0;
	stuck = false;
	model_nic_init(&nic, MODEL_ALL);
	rte = offload_rte_start(&node, &port, key);
	assert_non_null(rte);
	env = offload_rte_env(rte, 0);
}

static void stop(void)
{
	offload_rte_stop(rte);
	assert_int_equal(nic.used, 0);
	model_nic_fini(&nic);
}

static struct offload_answer wait_for_answer(void)
{
	struct offload_answer a = {.kind = UINT8_MAX};

	for (int ms = 0; ms < 5000; ms++) {
		if (env->ops->poll(env->device, &a, 1))
			break;
		usleep(1000);
	}
	return a;
}

static struct offload_rule a_rule(void)
{
	struct offload_rule r;

	offload_sample(&r, OFFLOAD_TCP4, 0, 0);
	memcpy(r.in_mac, port.mac, sizeof(r.in_mac));
	r.level = OFFLOAD_SPLICE;
	r.seq_add = 77;
	return r;
}

static void insert(uint32_t token)
{
	struct offload_rule r = a_rule();
	struct offload_answer a;

	r.sport = (be16_t)(r.sport + token);
	assert_int_equal(env->ops->insert(env->device, &r, token), 0);
	a = wait_for_answer();
	assert_int_equal(a.kind, OFFLOAD_INSERTED);
	assert_int_equal(a.token, token);
}

static void check_life(bool by_template)
{
	struct offload_rule r = a_rule();
	uint32_t base;

	start(by_template);
	assert_int_equal(offload_rte_level(rte, 0), OFFLOAD_SPLICE);
	assert_string_equal(offload_rte_way(rte, 0), by_template ? "template" : "modify");
	assert_true(port.jumps); /* to a table with a way back to software */
	base = nic.used;
	assert_int_equal(base, 2);
	for (uint32_t i = 0; i < 20; i++)
		insert(i);
	assert_int_equal(nic.used, base + 20);
	assert_int_equal(env->ops->query(env->device, 0, 7), 0);
	assert_int_equal(wait_for_answer().kind, OFFLOAD_COUNTED);
	stuck = true;
	assert_int_equal(env->ops->remove(env->device, 0, 7), 0);
	assert_int_equal(wait_for_answer().kind, OFFLOAD_STUCK);
	stuck = false;
	assert_int_equal(env->ops->remove(env->device, 0, 7), 0);
	assert_int_equal(wait_for_answer().kind, OFFLOAD_REMOVED);
	assert_int_equal(nic.used, base + 19);
	assert_int_equal(env->ops->query(env->device, 0, 7), 0);
	assert_int_equal(wait_for_answer().kind, OFFLOAD_UNCOUNTED);
	nic.room = nic.used;
	assert_int_equal(env->ops->insert(env->device, &r, 30), 0);
	assert_int_equal(wait_for_answer().kind, OFFLOAD_REFUSED);
	stop();
}

static void one_by_one(void **state)
{
	(void)state;
	check_life(false);
}

static void by_templates(void **state)
{
	(void)state;
	check_life(true);
}

/* After a reset: rules are told as lost, those that others stand on are there again, removing is harmless. */
static void a_reset(void **state)
{
	(void)state;
	start(false);
	for (uint32_t i = 0; i < 5; i++)
		insert(i);
	model_nic_reset(&nic, 0);
	on_reset(0, RTE_ETH_EVENT_INTR_RESET, reset_arg, NULL);
	assert_int_equal(wait_for_answer().kind, OFFLOAD_LOST);
	for (int ms = 0; ms < 5000 && nic.used != 2; ms++)
		usleep(1000);
	assert_int_equal(nic.used, 2);
	assert_int_equal(env->ops->remove(env->device, 0, 3), 0);
	assert_int_equal(wait_for_answer().kind, OFFLOAD_REMOVED);
	insert(3);
	stop();
}

static void nothing_for_nobody(void **state)
{
	(void)state;
	memset(&node, 0, sizeof(node));
	node.n_ports = node.n_workers = 1;
	node.limits.flows = 1024;
	assert_null(offload_rte_start(&node, &port, key)); /* the node says none */
	node.offload.level = OFFLOAD_SPLICE;
	model_nic_init(&nic, 0);
	assert_null(offload_rte_start(&node, &port, key)); /* the device can nothing */
	assert_null(offload_rte_env(NULL, 0));
	offload_rte_stop(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_by_one),
		cmocka_unit_test(by_templates),
		cmocka_unit_test(a_reset),
		cmocka_unit_test(nothing_for_nobody),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
