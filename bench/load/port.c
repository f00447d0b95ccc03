/* SPDX-License-Identifier: BSD-3-Clause */
#include "port.h"

#include <rte_eal.h>
#include <rte_ethdev.h>

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BUFFERS  16384
#define RING     2048
#define ARGS_MAX 24

struct args {
	int n;
	char text[ARGS_MAX][320], *v[ARGS_MAX + 1];
};

static void fail(const char *what)
{
	fprintf(stderr, "load: %s\n", what);
	exit(2);
}

static __rte_format_printf(2, 3) void add(struct args *a, const char *format, ...)
{
	va_list list;

	if (a->n == ARGS_MAX)
		fail("too many arguments for DPDK");
	va_start(list, format);
	vsnprintf(a->text[a->n], sizeof(a->text[0]), format, list);
	va_end(list);
	a->v[a->n] = a->text[a->n];
	a->n++;
}

/* PCI addresses begin with a digit: 0000:01:00.0. */
static bool is_pci(const char *device)
{
	return device && isxdigit((unsigned char)device[0]) && strchr(device, ':');
}

/* Adds the port's device; its name goes to name. */
static void add_device(struct args *a, const char *device, const char *socket, int number,
                       char name[64])
{
	if (is_pci(device)) {
		add(a, "-a");
		add(a, "%s", device);
		snprintf(name, 64, "%s", device);
	} else if (device) {
		add(a, "--vdev=%s", device);
		snprintf(name, 64, "%.*s", (int)strcspn(device, ","), device);
	} else {
		add(a, "--vdev=net_memif%d,role=client,id=0,socket=%s,socket-abstract=no,rsize=11",
		    number, socket);
		snprintf(name, 64, "net_memif%d", number);
	}
}

static void start_eal(const struct options *o, char edge[64], char back[64])
{
	struct args a = {0};

	add(&a, "load");
	add(&a, "--no-telemetry");
	add(&a, "--log-level=error");
	add(&a, "--file-prefix=weir-load-%d", (int)getpid());
	if (o->huge) {
		add(&a, "--in-memory");
	} else {
		add(&a, "--no-shconf");
		add(&a, "--no-huge");
		add(&a, "-m");
		add(&a, "256");
	}
	if (!is_pci(o->edge_device) && !is_pci(o->back_device)) {
		add(&a, "--no-pci");
		add(&a, "--iova-mode=va");
	}
	add_device(&a, o->edge_device, o->edge, 0, edge);
	add_device(&a, o->back_device, o->back, 1, back);
	if (rte_eal_init(a.n, a.v) < 0)
		fail("DPDK does not start");
}

static void open_wire(struct wire *w, const char *name, struct rte_mempool *pool)
{
	struct rte_eth_conf conf = {0};
	struct rte_ether_addr mac;
	struct rte_eth_link link = {0};
	uint16_t rx = RING, tx = RING;

	w->pool = pool;
	if (rte_eth_dev_get_port_by_name(name, &w->port_id) ||
	    rte_eth_dev_configure(w->port_id, 1, 1, &conf) ||
	    rte_eth_dev_adjust_nb_rx_tx_desc(w->port_id, &rx, &tx) ||
	    rte_eth_rx_queue_setup(w->port_id, 0, rx, rte_socket_id(), NULL, pool) ||
	    rte_eth_tx_queue_setup(w->port_id, 0, tx, rte_socket_id(), NULL) ||
	    rte_eth_dev_start(w->port_id))
		fail(name);
	rte_eth_promiscuous_enable(w->port_id); /* what cannot do it needs it not */
	rte_eth_macaddr_get(w->port_id, &mac);
	memcpy(w->mac, &mac, 6);
	for (int i = 0; i < 500 && link.link_status != RTE_ETH_LINK_UP; i++) {
		rte_eth_link_get_nowait(w->port_id, &link);
		rte_delay_us_sleep(10000);
	}
	if (link.link_status != RTE_ETH_LINK_UP)
		fail("no link");
	wire_prepare(w);
}

void port_open(const struct options *o, struct wire *edge, struct wire *back)
{
	char names[2][64];
	struct rte_mempool *pool;

	start_eal(o, names[0], names[1]);
	pool = rte_pktmbuf_pool_create("load", BUFFERS, 256, 0, RTE_MBUF_DEFAULT_BUF_SIZE,
	                               (int)rte_socket_id());
	if (!pool)
		fail("no memory for buffers");
	open_wire(edge, names[0], pool);
	open_wire(back, names[1], pool);
}

void port_close(struct wire *edge, struct wire *back)
{
	rte_eth_dev_stop(edge->port_id);
	rte_eth_dev_stop(back->port_id);
	rte_eal_cleanup();
}
