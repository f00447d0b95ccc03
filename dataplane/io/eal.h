/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * DPDK's environment: its command line made from the node, its start and its end.
 *
 * lcore 0 is the control thread, on every CPU that no worker has; lcore i + 1 is worker i. Several
 * workers may share one CPU. Hugepages are used when enough are free, else ordinary memory.
 */
#ifndef WEIR_IO_EAL_H
#define WEIR_IO_EAL_H

#include "weir/node.h"

/* What the DPDK says while it starts, for the sentence that explains a failure. */
struct eal_log {
	char *text;
	size_t bytes;
	void *stream; /* FILE * */
};

/** From here on DPDK's messages are kept in log instead of printed. Needs eal_log_end(). */
void eal_log_begin(struct eal_log *log);

/** Add the most telling message, if there is one, to the sentence in err. Once: it cuts the log. */
void eal_log_explain(struct eal_log *log, char *err, size_t err_size);

/** Messages are printed again, errors only. */
void eal_log_end(struct eal_log *log);

/**
 * Start EAL. At most once in a process (DPDK's own limit).
 *
 * @param need_mib  memory that pools and rings will want
 * @param say       receives one sentence: why it failed, or a warning, or nothing
 * @return          0 or -errno
 */
int eal_start(const struct node *node, uint32_t need_mib, char *say, size_t say_size);

void eal_stop(void);

/** The lcore of a worker. */
static inline unsigned int eal_lcore(uint32_t worker)
{
	return worker + 1;
}

/** Is one of the ports a PCI device? */
bool eal_has_pci(const struct node *node);

/** Do several workers run on one CPU? */
bool eal_is_crowded(const struct node *node);

#endif
