/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Clients and servers on one core, on two memif ports, for a Weir on another core.
 *
 * load --edge SOCKET --back SOCKET [--connections N] [--seconds N] [--close] [--host NAME]
 *
 * Says "steady" when all clients have had answers for half a second, and at the end what it saw in the
 * seconds after that. Ends with 1 when a response was wrong or a client waits for ever. The latency is
 * from the turn that sends a request (with --close: the SYN) to the turn that reads its response.
 */
#include "clients.h"
#include "servers.h"
#include "wire.h"

#include <rte_cycles.h>
#include <rte_eal.h>
#include <rte_ethdev.h>

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BUFFERS  16384
#define RING     2048
#define EDGE     0x0a4d0001u /* 10.77.0.1: Weir */
#define CLIENT   0x0a4d0002u /* 10.77.0.2 */
#define SERVER_1 0x0a4d010bu /* 10.77.1.11 */

struct load {
	struct wire edge, back;
	struct clients clients;
	struct servers servers;
	uint64_t turns, idle_turns;
};

struct options {
	const char *edge, *back, *host;
	uint32_t connections, seconds;
	bool close;
};

static void fail(const char *what)
{
	fprintf(stderr, "load: %s\n", what);
	exit(2);
}

static void start_eal(const struct options *o)
{
	char text[1024], *argv[32], *save = NULL;
	int argc = 0;

	snprintf(text, sizeof(text),
	         "load --no-huge -m 256 --no-pci --no-shconf --no-telemetry --log-level=error "
	         "--iova-mode=va --file-prefix=weir-load "
	         "--vdev=net_memif0,role=client,id=0,socket=%s,socket-abstract=no,rsize=11 "
	         "--vdev=net_memif1,role=client,id=0,socket=%s,socket-abstract=no,rsize=11",
	         o->edge, o->back);
	for (char *t = strtok_r(text, " ", &save); t; t = strtok_r(NULL, " ", &save))
		argv[argc++] = t;
	if (rte_eal_init(argc, argv) < 0)
		fail("DPDK does not start");
}

static void open_wire(struct wire *w, const char *name, struct rte_mempool *pool)
{
	struct rte_eth_conf conf = {0};
	struct rte_ether_addr mac;
	struct rte_eth_link link = {0};

	w->pool = pool;
	if (rte_eth_dev_get_port_by_name(name, &w->port_id) ||
	    rte_eth_dev_configure(w->port_id, 1, 1, &conf) ||
	    rte_eth_rx_queue_setup(w->port_id, 0, RING, 0, NULL, pool) ||
	    rte_eth_tx_queue_setup(w->port_id, 0, RING, 0, NULL) || rte_eth_dev_start(w->port_id))
		fail(name);
	rte_eth_macaddr_get(w->port_id, &mac);
	memcpy(w->mac, &mac, 6);
	for (int i = 0; i < 500 && link.link_status != RTE_ETH_LINK_UP; i++) {
		rte_eth_link_get_nowait(w->port_id, &link);
		rte_delay_us_sleep(10000);
	}
	if (link.link_status != RTE_ETH_LINK_UP)
		fail("no link");
}

/* ---- the loop ---------------------------------------------------------------------------- */

static uint16_t turn_clients(struct load *l)
{
	struct rte_mbuf *m[WIRE_BURST];
	uint16_t n = rte_eth_rx_burst(l->edge.port_id, 0, m, WIRE_BURST);
	uint64_t now = rte_rdtsc();
	struct segment s;

	for (uint16_t i = 0; i < n; i++)
		if (wire_parse(&l->edge, m[i], &s))
			clients_input(&l->clients, &s, now);
	rte_pktmbuf_free_bulk(m, n);
	wire_flush(&l->edge);
	return n;
}

static uint16_t turn_servers(struct load *l)
{
	struct rte_mbuf *m[WIRE_BURST];
	uint16_t n = rte_eth_rx_burst(l->back.port_id, 0, m, WIRE_BURST);
	struct segment s;

	for (uint16_t i = 0; i < n; i++)
		if (wire_parse(&l->back, m[i], &s))
			servers_input(&l->servers, &s);
	rte_pktmbuf_free_bulk(m, n);
	wire_flush(&l->back);
	return n;
}

static void turns(struct load *l, uint64_t for_tsc)
{
	uint64_t until = rte_rdtsc() + for_tsc;

	while (rte_rdtsc() < until) {
		uint16_t n = turn_servers(l);

		n = (uint16_t)(n + turn_clients(l));
		l->turns++;
		l->idle_turns += n == 0;
	}
}

static void find_weir(struct load *l)
{
	uint64_t hz = rte_get_tsc_hz();

	for (int i = 0; i < 50 && !l->edge.knows_peer; i++) {
		wire_ask(&l->edge, EDGE);
		turns(l, hz / 20);
	}
	if (!l->edge.knows_peer)
		fail("Weir does not answer ARP");
}

static void begin_counting(struct load *l)
{
	struct clients *c = &l->clients;

	memset(&c->latency, 0, sizeof(c->latency));
	memset(c->version, 0, sizeof(c->version));
	c->answered = 0;
	l->edge.rx = l->edge.tx = l->back.rx = l->back.tx = 0;
	l->turns = l->idle_turns = 0;
}

/* Key and value a line, for a script. */
static void report(const struct load *l, uint64_t tsc)
{
	const struct clients *c = &l->clients;
	double s = (double)tsc / (double)rte_get_tsc_hz();
	double us = 1e6 / (double)rte_get_tsc_hz();
	uint64_t frames = l->edge.rx + l->edge.tx + l->back.rx + l->back.tx;

	printf("seconds %.3f\n", s);
	printf("requests %lu\n", c->answered);
	printf("requests/s %.0f\n", (double)c->answered / s);
	printf("v1 %lu\nv2 %lu\n", c->version[0], c->version[1]);
	printf("p50_us %.1f\n", us * (double)histogram_quantile(&c->latency, 0.5));
	printf("p99_us %.1f\n", us * (double)histogram_quantile(&c->latency, 0.99));
	printf("p99.9_us %.1f\n", us * (double)histogram_quantile(&c->latency, 0.999));
	printf("frames/request %.3f\n", (double)frames / (double)(c->answered ? c->answered : 1));
	printf("idle_turns_percent %.1f\n", 100.0 * (double)l->idle_turns / (double)l->turns);
	printf("request_bytes %u\n", c->request.len);
	printf("response_bytes %u\n", l->servers.response[0].len);
	printf("accepted_by_servers %lu\n", l->servers.accepted);
	printf("resent_by_weir %lu\n", c->retried + l->servers.retried);
	printf("resets %lu\n", c->resets);
	printf("wrong_frames %lu\n", l->edge.bad + l->back.bad);
	printf("wrong_responses %lu\n", c->wrong);
}

static int run(struct load *l, const struct options *o)
{
	uint64_t hz = rte_get_tsc_hz(), start, end;
	uint32_t stuck;

	find_weir(l);
	clients_start(&l->clients, rte_rdtsc());
	wire_flush(&l->edge);
	turns(l, hz / 2);
	begin_counting(l);
	puts("steady");
	fflush(stdout);
	start = rte_rdtsc();
	turns(l, hz * o->seconds);
	end = rte_rdtsc();
	report(l, end - start);
	stuck = clients_stuck(&l->clients, end, hz / 2);
	printf("stuck %u\n", stuck);
	if (l->clients.wrong)
		printf("first_wrong: %s\n", l->clients.first_wrong);
	return stuck || l->clients.wrong || l->edge.bad + l->back.bad || !l->clients.answered;
}

static void usage(void)
{
	fprintf(stderr, "usage: load --edge SOCKET --back SOCKET [--connections N] [--seconds N] "
	                "[--close] [--host NAME]\n");
	exit(2);
}

static void read_options(struct options *o, int argc, char **argv)
{
	static const struct option list[] = {
		{"edge", 1, NULL, 'e'},    {"back", 1, NULL, 'b'},  {"connections", 1, NULL, 'c'},
		{"seconds", 1, NULL, 's'}, {"close", 0, NULL, 'x'}, {"host", 1, NULL, 'h'},
		{NULL, 0, NULL, 0}};

	for (int c; (c = getopt_long(argc, argv, "", list, NULL)) != -1;) {
		switch (c) {
		case 'e': o->edge = optarg; break;
		case 'b': o->back = optarg; break;
		case 'c': o->connections = (uint32_t)atoi(optarg); break;
		case 's': o->seconds = (uint32_t)atoi(optarg); break;
		case 'x': o->close = true; break;
		case 'h': o->host = optarg; break;
		default: usage();
		}
	}
	if (!o->edge || !o->back || optind != argc || !o->connections ||
	    o->connections > CLIENTS_MAX)
		usage();
}

int main(int argc, char **argv)
{
	static struct load load;
	struct options o = {
		.host = "httpbin.sample-app.svc.cluster.local", .connections = 64, .seconds = 5};
	struct rte_mempool *pool;
	int status;

	read_options(&o, argc, argv);
	start_eal(&o);
	pool = rte_pktmbuf_pool_create("load", BUFFERS, 256, 0, RTE_MBUF_DEFAULT_BUF_SIZE, 0);
	if (!pool)
		fail("no memory for buffers");
	open_wire(&load.edge, "net_memif0", pool);
	open_wire(&load.back, "net_memif1", pool);
	load.edge.address = CLIENT;
	load.back.address = SERVER_1;
	load.clients.wire = &load.edge;
	load.clients.n = o.connections;
	load.clients.close = load.servers.close = o.close;
	load.clients.local = rte_cpu_to_be_32(CLIENT);
	load.clients.remote = rte_cpu_to_be_32(EDGE);
	load.clients.remote_port = rte_cpu_to_be_16(80);
	load.servers.wire = &load.back;
	clients_init(&load.clients, o.host);
	servers_init(&load.servers);
	status = run(&load, &o);
	rte_eth_dev_stop(load.edge.port_id);
	rte_eth_dev_stop(load.back.port_id);
	rte_eal_cleanup();
	return status;
}
