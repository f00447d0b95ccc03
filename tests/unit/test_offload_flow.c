/* SPDX-License-Identifier: BSD-3-Clause */
/* What is found out about devices that can more or less; the device is the model. */
#include "model_nic.h"
#include "offload_flow.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static struct model_nic nic;
static uint32_t asked;

static bool ask(void *arg, uint8_t port, struct offload_flow *f)
{
	(void)arg;
	(void)port;
	asked++;
	return model_nic_check(&nic, &f->attr, f->pattern, f->actions) == 0;
}

#define BASE (MODEL_MARK | MODEL_QUEUE | MODEL_PASSTHRU)
#define NAT  (BASE | MODEL_COUNT | MODEL_INTEGRITY | MODEL_EXACT)

static const struct {
	const char *like; /* what this is, as documented: docs/offload.md */
	uint32_t can;
	enum offload_level tcp, udp;
	bool modify, ages;
	uint32_t group;
} rows[] = {
	{"nothing", 0, OFFLOAD_NONE, OFFLOAD_NONE, false, false, 0},
	{"queue only", MODEL_QUEUE, OFFLOAD_NONE, OFFLOAD_NONE, false, false, 0},
	{"mark only", MODEL_MARK | MODEL_PASSTHRU, OFFLOAD_MARK, OFFLOAD_MARK, true, true, 1},
	{"ice", BASE, OFFLOAD_STEER, OFFLOAD_STEER, true, true, 1},
	{"no COUNT", BASE | MODEL_INTEGRITY | MODEL_EXACT | MODEL_SET | MODEL_ROOT_REWRITE,
         OFFLOAD_STEER, OFFLOAD_STEER, true, true, 1},
	{"no check of sums", NAT & ~(uint32_t)MODEL_INTEGRITY, OFFLOAD_STEER, OFFLOAD_STEER, true,
         true, 1},
	{"no match of fragments", (NAT | MODEL_SET | MODEL_ROOT_REWRITE) & ~(uint32_t)MODEL_EXACT,
         OFFLOAD_STEER, OFFLOAD_STEER, true, true, 1},
	{"older actions", NAT | MODEL_SET | MODEL_ROOT_REWRITE, OFFLOAD_REWRITE, OFFLOAD_REWRITE,
         false, false, 0},
	{"mlx5, dv_flow_en=1, first table",
         NAT | MODEL_SET | MODEL_INC | MODEL_ROOT_REWRITE | MODEL_AGE, OFFLOAD_SPLICE,
         OFFLOAD_REWRITE, false, true, 0},
	{"behind a jump", NAT | MODEL_MODIFY | MODEL_JUMP | MODEL_RSS | MODEL_AGE, OFFLOAD_SPLICE,
         OFFLOAD_REWRITE, true, true, 1},
	{"jump without a way back", NAT | MODEL_MODIFY | MODEL_JUMP | MODEL_AGE, OFFLOAD_STEER,
         OFFLOAD_STEER, true, true, 1},
	{"all", MODEL_ALL, OFFLOAD_SPLICE, OFFLOAD_REWRITE, true, true, 1},
};

static void survey(uint32_t can, enum offload_level most, struct offload_port *out,
                   struct offload_flow_way *way)
{
	static const uint8_t mac[6] = {2, 0, 0, 0, 0, 1};
	static const uint16_t queue;
	const struct rte_flow_action_rss rss = {.queue_num = 1, .queue = &queue};
	const struct offload_flow_site site = {
		.n_ports = 2, .mac = mac, .most = most, .rss = &rss, .ask = ask};

	asked = 0;
	memset(out, 0, sizeof(*out));
	memset(way, 0, sizeof(*way));
	for (int i = 0; i < NODE_PORTS_MAX; i++)
		way->hairpin[i] = i == 0 ? MODEL_HAIRPIN : UINT16_MAX;
	model_nic_init(&nic, can);
	offload_flow_survey(&site, out, way);
}

static void levels(void **state)
{
	struct offload_port out;
	struct offload_flow_way way;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		enum offload_level steer =
			rows[i].tcp < OFFLOAD_STEER ? rows[i].tcp : OFFLOAD_STEER;

		print_message("%s\n", rows[i].like);
		survey(rows[i].can, OFFLOAD_SPLICE, &out, &way);
		assert_int_equal(out.level[0][OFFLOAD_TCP4], rows[i].tcp);
		assert_int_equal(out.level[0][OFFLOAD_TCP6], rows[i].tcp);
		assert_int_equal(out.level[0][OFFLOAD_UDP4], rows[i].udp);
		assert_int_equal(out.level[0][OFFLOAD_UDP6], rows[i].udp);
		/* there is no hairpin to the other port */
		assert_int_equal(out.level[1][OFFLOAD_TCP4], steer);
		if (rows[i].tcp < OFFLOAD_REWRITE)
			continue;
		assert_int_equal(way.modify, rows[i].modify);
		assert_int_equal(way.ages, rows[i].ages);
		assert_int_equal(way.group, rows[i].group);
	}
}

static void not_more_than_wanted(void **state)
{
	struct offload_port out;
	struct offload_flow_way way;

	(void)state;
	for (int most = 0; most < OFFLOAD_LEVELS; most++) {
		survey(MODEL_ALL, (enum offload_level)most, &out, &way);
		assert_int_equal(out.level[0][OFFLOAD_TCP4], most);
	}
}

/* Answers by our port: each worker's range of low bits, and nobody else's. */
static void steering(void **state)
{
	struct offload_flow f;

	(void)state;
	for (int k = 0; k < OFFLOAD_KINDS; k++) {
		offload_flow_steering(
			&f, (enum offload_kind)k,
			&(struct offload_flow_steer){.port = 32769, .mask = 3, .queue = 5});
		assert_int_equal(f.pattern[3].type, RTE_FLOW_ITEM_TYPE_END);
		assert_int_equal(
			((const struct rte_flow_item_tcp *)f.pattern[2].spec)->hdr.dst_port,
			0x0100);
		assert_int_equal(((const struct rte_flow_action_queue *)f.actions[0].conf)->index,
		                 5);
		model_nic_init(&nic, MODEL_QUEUE);
		assert_int_equal(model_nic_check(&nic, &f.attr, f.pattern, f.actions), 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(levels),
		cmocka_unit_test(not_more_than_wanted),
		cmocka_unit_test(steering),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
