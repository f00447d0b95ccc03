/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Devices without rules: they are asked for everything, say no, and run as ever.
 *
 * usage: test_offload_none DEVICE. Exits 77 when the device cannot be made here (tap needs root).
 */
#include "cpu.h"
#include "echo_worker.h"

#include "weir/dataplane.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static struct node node;
static struct snapshot first = {.generation = 1};

static void nothing_is_found(void **state)
{
	struct offload_status st;

	(void)state;
	assert_true(dataplane_offload(0, &st));
	assert_int_equal(st.level, OFFLOAD_NONE);
	assert_string_equal(st.way, "-");
	assert_int_equal(st.counts.rules, 0);
	assert_int_equal(st.steers, 0);
	assert_string_equal(st.port, "only");
	assert_false(dataplane_offload(1, &st));
}

static void it_runs(void **state)
{
	struct port_status st;

	(void)state;
	assert_true(dataplane_port(0, &st));
	assert_true(st.rx_queues > 0);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_is_found),
		cmocka_unit_test(it_runs),
	};
	char err[512];
	int rc;

	node.n_workers = 1;
	node.worker_cores[0] = cpu_any();
	node.times.idle_sleep_us = 200;
	node.n_ports = 1;
	node.ports[0].name = "only";
	node.ports[0].device = argc > 1 ? argv[1] : "net_null0";
	node.ports[0].mtu = 1500;
	node.in_memory = true;
	node.memory_mib = 128;
	node.source_port_min = 32768;
	node.source_port_max = 60999;
	node.limits.flows = 1024;
	node.offload = (struct node_offload){OFFLOAD_SPLICE, 65536, 1000000, 0};
	rc = dataplane_start(&node, &first, err, sizeof(err));
	if (rc < 0) {
		printf("%s\n", err);
		return 77;
	}
	rc = cmocka_run_group_tests(tests, NULL, NULL);
	dataplane_stop();
	return rc;
}
