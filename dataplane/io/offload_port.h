/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a port has to be told before it starts, so that rules can do more later: that marks are wanted, queues
 * whose packets leave again without software (hairpins), and whether rules are asked for by templates.
 *
 * Whatever the device refuses here is simply not there: probing will find the lower level.
 */
#ifndef WEIR_IO_OFFLOAD_PORT_H
#define WEIR_IO_OFFLOAD_PORT_H

#include "port.h"

/** Before rte_eth_dev_configure(): ask for marks, and count the hairpins. */
void offload_port_prepare(struct port *p, const struct port_plan *plan);

/** After the queues were set up: hairpins to every port. False: none can be had, and p->hairpins is 0. */
bool offload_port_queues(struct port *p, const struct port_plan *plan);

/** Before the start: rules by template, if the device wants that. */
void offload_port_flows(struct port *p, const struct port_plan *plan);

/** When all ports run: bind the hairpins from one port to another. */
void offload_port_bind(struct port *ports, uint32_t n);

/** The queue of port `from` whose packets leave on port `to`; UINT16_MAX: there is none. */
uint16_t offload_port_hairpin(const struct port *ports, uint32_t from, uint32_t to);

/** Rules that bring answers to our connections to their worker, where the device does not hash. */
void offload_port_steer(struct port *p, const struct port_plan *plan, uint16_t port_min);

#endif
