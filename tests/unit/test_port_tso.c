/* SPDX-License-Identifier: BSD-3-Clause */
/* How many buffers of a frame a device is given. The device is net_null, which says here that it cuts. */
#include "eal_start.h"
#include "port.h"
#include "test.h"

#include <rte_ethdev.h>

#include <dlfcn.h>
#include <string.h>

#define CUTS \
	(RTE_ETH_TX_OFFLOAD_MULTI_SEGS | RTE_ETH_TX_OFFLOAD_TCP_TSO | RTE_ETH_TX_OFFLOAD_TCP_CKSUM)

static uint16_t says; /* 0: the driver does not name a limit, and ethdev's preset stays */

int rte_eth_dev_info_get(uint16_t id, struct rte_eth_dev_info *info)
{
	int (*real)(uint16_t, struct rte_eth_dev_info *);
	void *at = dlsym(RTLD_NEXT, "rte_eth_dev_info_get");
	int rc;

	memcpy(&real, &at, sizeof(at));
	rc = real(id, info);
	info->tx_offload_capa |= CUTS;
	if (says)
		info->tx_desc_lim.nb_seg_max = says;
	return rc;
}

static int start(void **state)
{
	static char name[] = "test_port_tso";

	(void)state;
	return eal_start(name);
}

static uint8_t found(uint16_t limit, uint16_t tx_descs)
{
	struct node_port node = {.name = "cuts",
	                         .device = "net_null0",
	                         .mtu = 1500,
	                         .tso = true,
	                         .tx_descs = tx_descs};
	struct port_plan plan = {.n_workers = 1, .buf_bytes = 2048};
	struct port p;
	char err[512];

	says = limit;
	assert_int_equal(port_find(&p, &node, &plan, err, sizeof(err)), 0);
	return p.tx_tso_bufs;
}

static void a_limit_is_kept(void **state)
{
	(void)state;
	assert_int_equal(found(40, 1024), 40);
	assert_int_equal(found(255, 1024), 64);
}

/* bnxt names none and takes 31 (DPDK 22.11): BNXT_MAX_TSO_SEGS with the long descriptor's second half. */
static void a_driver_that_names_no_limit_gets_few(void **state)
{
	(void)state;
	assert_int_equal(found(0, 1024), 17);
}

static void a_frame_fits_into_the_ring(void **state)
{
	(void)state;
	assert_int_equal(found(255, 32),
	                 8); /* with room for what goes in front of it, and for others */
	assert_int_equal(found(255, 64), 16);
	assert_int_equal(found(255, 12), 0); /* three are not worth it */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_limit_is_kept),
		cmocka_unit_test(a_driver_that_names_no_limit_gets_few),
		cmocka_unit_test(a_frame_fits_into_the_ring),
	};

	return cmocka_run_group_tests(tests, start, NULL);
}
