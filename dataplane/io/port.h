/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One ethdev port: open it, use what its device can do, give it back.
 *
 * Three ways in which packets find their worker:
 *
 *   single worker   there is only one
 *   rss             the device hashes the TCP 4-tuple with our key; queue i belongs to worker i
 *   hand-off        the device cannot; whoever polls the queue passes packets on through rings
 *
 * Offloads are used where the device has them and nowhere assumed; core does the rest in software.
 */
#ifndef WEIR_IO_PORT_H
#define WEIR_IO_PORT_H

#include "net.h"
#include "steer.h"

#include "weir/dataplane.h"

#include <rte_ethdev.h>

#define PORT_RSS_KEY_BYTES STEER_KEY_BYTES
#define PORT_RETA_MAX      STEER_RETA_MAX

struct buf_pool;

enum port_steering {
	PORT_SINGLE,
	PORT_RSS,
	PORT_HANDOFF,
};

struct port {
	uint16_t id;  /* of ethdev */
	bool open;    /* configured */
	bool owned;   /* we made the device: remove it at the end */
	bool rx_intr; /* queues can wake a sleeping worker */
	bool rx_csum, tx_ip_csum, tx_tcp_csum;
	bool tx_gather;      /* frames out of several buffers */
	uint8_t tx_tso_bufs; /* most buffers of one that is cut into TCP segments; 0: none are */
	uint8_t steering;    /* enum port_steering */
	int socket;          /* NUMA socket of the slot; PLACE_UNKNOWN: a virtual device */
	uint16_t rx_queues, tx_queues;
	uint16_t rx_descs, tx_descs;
	uint16_t reta_size; /* PORT_RSS: entry i of the table is worker i % rx_queues */
	uint16_t rx_queues_max, reta_found; /* what the driver says, used or not */
	uint8_t key_found;
	uint16_t index;    /* of the node's ports */
	uint16_t hairpins; /* queues behind the others whose packets leave on port 0, 1 ... */
	uint32_t bound;    /* bit i: a hairpin leads to port i */
	uint16_t steers;   /* rules that bring answers to their workers */
	bool by_template;  /* rules are asked for by templates */
	bool jumps;        /* packets pass a table of rules first, and are hashed anew behind it */
	const struct node_port *node;
	const char *driver;
	uint8_t mac[6];
};

/* What ports are opened with, the same for all. */
struct port_plan {
	uint32_t n_workers;
	uint16_t buf_bytes;     /* largest frame a buffer takes */
	const uint8_t *rss_key; /* [PORT_RSS_KEY_BYTES] */
	const struct node *node;
	const struct port *ports; /* [node->n_ports], all found */
};

/**
 * Find or make the device, read what it can do, and decide queues, steering and offloads. Nothing is
 * configured yet: the numbers are wanted for sizing the buffer pools.
 *
 * @param err  one sentence when it fails
 * @return     0 or -errno; the port then needs no port_close()
 */
int port_find(struct port *p, const struct node_port *node, const struct port_plan *plan, char *err,
              size_t err_size);

/**
 * Configure and start the port.
 *
 * @param pools  [rx_queues]: where the queue's buffers come from
 * @return       0 or -errno with a sentence; port_close() is wanted in any case
 */
int port_start(struct port *p, const struct port_plan *plan, struct buf_pool *const *pools,
               char *err, size_t err_size);

/** Stop receiving and sending; buffers that the device held go back to their pools. */
void port_close(struct port *p);

/** What core wants to know of it. */
void port_describe(const struct port *p, struct net_port *out);

/** Figures and state for people. */
void port_status(const struct port *p, struct port_status *out);

#endif
