/* SPDX-License-Identifier: BSD-3-Clause */
/* DPDK for a unit test: no hugepages, no devices but what the test makes, no files. */
#ifndef WEIR_TESTS_EAL_START_H
#define WEIR_TESTS_EAL_START_H

#include <rte_eal.h>
#include <rte_log.h>

/** @return 0; negative: DPDK does not start */
static inline int eal_start(char *program)
{
	static char huge[] = "--no-huge", room[] = "-m", mib[] = "64", conf[] = "--no-shconf",
		    pci[] = "--no-pci", telemetry[] = "--no-telemetry";
	char *args[] = {program, huge, room, mib, conf, pci, telemetry, NULL};

	rte_log_set_global_level(RTE_LOG_ERR);
	return rte_eal_init(7, args) < 0 ? -1 : 0;
}

#endif
