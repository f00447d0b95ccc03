/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A port whose device hashes: net_null has a key and a redirection table that can be set and read, and
 * receives nothing. Each worker polls its own queue, and nothing is handed over.
 *
 * usage: test_port_rss WORKERS
 */
#include "cpu.h"
#include "echo_worker.h"
#include "test.h"

#include "weir/dataplane.h"

#include <rte_ethdev.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct node node;
static struct snapshot snapshot = {.generation = 1};
static char err[512];

static int start(void **state)
{
	(void)state;
	node.n_ports = 1;
	node.ports[0] =
		(struct node_port){.name = "hashing", .device = "net_null0,no-rx=1", .mtu = 1500};
	for (uint32_t w = 0; w < node.n_workers; w++)
		node.worker_cores[w] = cpu_any();
	node.in_memory = true;
	node.source_port_min = 1024;
	node.source_port_max = 65535;
	node.mempool_bufs = 16384;
	node.times.idle_sleep_us = 200;
	if (dataplane_start(&node, &snapshot, err, sizeof(err)) == 0)
		return 0;
	fprintf(stderr, "%s\n", err);
	return -1;
}

static void the_device_chooses_the_worker(void **state)
{
	struct port_status st;

	(void)state;
	assert_true(dataplane_port(0, &st));
	assert_string_equal(st.steering, "rss");
	assert_int_equal(st.rx_queues, node.n_workers);
	assert_int_equal(st.socket, -1);
	assert_int_equal(st.reta_size, 128);
	assert_int_equal(st.rss_key_bytes, 0); /* this driver does not say */
}

/* What the device has, asked past io. */
static void its_table_is_ours(void **state)
{
	struct rte_eth_rss_reta_entry64 reta[2] = {{.mask = UINT64_MAX}, {.mask = UINT64_MAX}};
	struct rte_eth_dev_info info;
	uint16_t id;

	(void)state;
	assert_int_equal(rte_eth_dev_get_port_by_name("net_null0", &id), 0);
	assert_int_equal(rte_eth_dev_info_get(id, &info), 0);
	assert_int_equal(info.reta_size, 128);
	assert_int_equal(rte_eth_dev_rss_reta_query(id, reta, 128), 0);
	for (uint32_t i = 0; i < 128; i++)
		assert_int_equal(reta[i / 64].reta[i % 64], i % node.n_workers);
}

static void its_key_is_random(void **state)
{
	uint8_t key[40] = {0}, counts[256] = {0}, most = 0;
	struct rte_eth_rss_conf conf = {.rss_key = key, .rss_key_len = sizeof(key)};
	uint16_t id;

	(void)state;
	assert_int_equal(rte_eth_dev_get_port_by_name("net_null0", &id), 0);
	assert_int_equal(rte_eth_dev_rss_hash_conf_get(id, &conf), 0);
	assert_true(conf.rss_hf & RTE_ETH_RSS_NONFRAG_IPV4_TCP);
	assert_true(conf.rss_hf & RTE_ETH_RSS_NONFRAG_IPV6_TCP);
	/* not zero, nor the key of every driver, which begins 6d 5a */
	for (size_t i = 0; i < sizeof(key); i++)
		most = ++counts[key[i]] > most ? counts[key[i]] : most;
	assert_in_range(most, 1, 8);
	assert_false(key[0] == 0x6d && key[1] == 0x5a && key[2] == 0x56);
}

static int stop(void **state)
{
	(void)state;
	dataplane_stop();
	return 0;
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_device_chooses_the_worker),
		cmocka_unit_test(its_table_is_ours),
		cmocka_unit_test(its_key_is_random),
	};

	node.n_workers = argc > 1 ? (uint32_t)strtoul(argv[1], NULL, 10) : 2;
	return cmocka_run_group_tests(tests, start, stop);
}
