/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * DPDK and the two ports of the load generator.
 */
#ifndef WEIR_BENCH_LOAD_PORT_H
#define WEIR_BENCH_LOAD_PORT_H

#include "options.h"
#include "wire.h"

/** Start DPDK and open both ports with one pool of buffers; ends the program when that fails. */
void port_open(const struct options *o, struct wire *edge, struct wire *back);

void port_close(struct wire *edge, struct wire *back);

#endif
