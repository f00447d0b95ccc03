/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Rules by rte_flow. Devices take from microseconds to milliseconds for one, and may wait for locks, so a thread of
 * its own asks them; workers hand it questions and get answers through rings of their own.
 *
 *   worker --- questions ---> thread --- rte_flow_create, _destroy, _query (or template, async, pull) ---> device
 *          <--- answers -----
 *
 * The thread exists where a port does something at all. One thread also gives answers their order: that a device
 * lost its rules is heard before anything about newer ones.
 */
#ifndef WEIR_IO_OFFLOAD_RTE_H
#define WEIR_IO_OFFLOAD_RTE_H

#include "offload.h"
#include "port.h"

struct offload_rte;

/**
 * Find out what the ports do, and start the thread if that is anything. Ports run, workers do not.
 *
 * @return NULL: nothing is offloaded (no device does anything, the node says so, or no memory)
 */
struct offload_rte *offload_rte_start(const struct node *node, struct port *ports,
                                      const uint8_t *rss_key);

/** End the thread and take every rule out. NULL is fine. Workers have ended, ports still run. */
void offload_rte_stop(struct offload_rte *r);

/** What a worker is to be told; ops, device and ports are filled. */
const struct offload_env *offload_rte_env(struct offload_rte *r, uint32_t worker);

/** The highest level at which a port takes rules. NULL: none. */
enum offload_level offload_rte_level(const struct offload_rte *r, uint32_t port);

/** How the port is told: "template", "modify", "set"; "-". */
const char *offload_rte_way(const struct offload_rte *r, uint32_t port);

#endif
