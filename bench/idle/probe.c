/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How long does a node that has been silent take to answer? Asks for its address by ARP, over any DPDK port, once
 * an interval, and prints for each question the microseconds from before the send to after the answer.
 *
 * probe DEVICE ADDRESS COUNT INTERVAL_MS      probe net_memif0,role=client,... 10.77.0.1 100 1000
 *
 * It polls while it waits for the answer, so that its own sleep is in no figure. Ends with 1 when an
 * answer does not come within a second.
 */
#include <rte_arp.h>
#include <rte_cycles.h>
#include <rte_eal.h>
#include <rte_ethdev.h>
#include <rte_ether.h>

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BUFFERS 2048
#define RING    512
#define BURST   32
#define OURS    0x0a4d0002u /* 10.77.0.2 */

struct probe {
	uint16_t port;
	struct rte_mempool *pool;
	struct rte_ether_addr mac;
	rte_be32_t target;
};

static void fail(const char *what)
{
	fprintf(stderr, "probe: %s\n", what);
	exit(2);
}

static void start_eal(const char *device)
{
	char vdev[512];
	char *argv[] = {(char[]){"probe"},
	                (char[]){"--no-huge"},
	                (char[]){"-m"},
	                (char[]){"64"},
	                (char[]){"--no-pci"},
	                (char[]){"--no-shconf"},
	                (char[]){"--no-telemetry"},
	                (char[]){"--log-level=error"},
	                (char[]){"--iova-mode=va"},
	                (char[]){"--file-prefix=weir-probe"},
	                vdev};

	snprintf(vdev, sizeof(vdev), "--vdev=%s", device);
	if (rte_eal_init(sizeof(argv) / sizeof(argv[0]), argv) < 0)
		fail("DPDK does not start");
}

static void open_port(struct probe *p)
{
	struct rte_eth_link link = {0};
	struct rte_eth_conf conf = {0};

	p->pool = rte_pktmbuf_pool_create("probe", BUFFERS, 32, 0, RTE_MBUF_DEFAULT_BUF_SIZE, 0);
	if (!p->pool || rte_eth_dev_count_avail() != 1 ||
	    rte_eth_dev_configure(p->port, 1, 1, &conf) ||
	    rte_eth_rx_queue_setup(p->port, 0, RING, 0, NULL, p->pool) ||
	    rte_eth_tx_queue_setup(p->port, 0, RING, 0, NULL) || rte_eth_dev_start(p->port))
		fail("the port does not start");
	rte_eth_random_addr(p->mac.addr_bytes);
	for (int i = 0; i < 500 && link.link_status != RTE_ETH_LINK_UP; i++) {
		rte_eth_link_get_nowait(p->port, &link);
		rte_delay_us_sleep(10000);
	}
	if (link.link_status != RTE_ETH_LINK_UP)
		fail("no link");
}

static struct rte_mbuf *question(const struct probe *p)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(p->pool);
	struct rte_ether_hdr *eth = m ? (void *)rte_pktmbuf_append(m, 60) : NULL;
	struct rte_arp_hdr *arp;

	if (!eth)
		fail("no buffer");
	memset(eth, 0, 60);
	memset(&eth->dst_addr, 0xff, sizeof(eth->dst_addr));
	eth->src_addr = p->mac;
	eth->ether_type = htons(RTE_ETHER_TYPE_ARP);
	arp = (struct rte_arp_hdr *)(eth + 1);
	arp->arp_hardware = htons(RTE_ARP_HRD_ETHER);
	arp->arp_protocol = htons(RTE_ETHER_TYPE_IPV4);
	arp->arp_hlen = RTE_ETHER_ADDR_LEN;
	arp->arp_plen = 4;
	arp->arp_opcode = htons(RTE_ARP_OP_REQUEST);
	arp->arp_data.arp_sha = p->mac;
	arp->arp_data.arp_sip = htonl(OURS);
	arp->arp_data.arp_tip = p->target;
	return m;
}

static bool is_answer(const struct probe *p, struct rte_mbuf *m)
{
	const struct rte_ether_hdr *eth = rte_pktmbuf_mtod(m, const struct rte_ether_hdr *);
	const struct rte_arp_hdr *arp = (const struct rte_arp_hdr *)(eth + 1);

	return m->data_len >= sizeof(*eth) + sizeof(*arp) &&
	       eth->ether_type == htons(RTE_ETHER_TYPE_ARP) &&
	       arp->arp_opcode == htons(RTE_ARP_OP_REPLY) && arp->arp_data.arp_sip == p->target;
}

/* True when what has come is the answer; frees it all. */
static bool answered(const struct probe *p)
{
	struct rte_mbuf *m[BURST];
	uint16_t n = rte_eth_rx_burst(p->port, 0, m, BURST);
	bool found = false;

	for (uint16_t i = 0; i < n; i++)
		found |= is_answer(p, m[i]);
	rte_pktmbuf_free_bulk(m, n);
	return found;
}

/* Microseconds; negative when no answer came. */
static double ask(const struct probe *p)
{
	struct rte_mbuf *m = question(p);
	uint64_t hz = rte_get_tsc_hz(), start;

	while (answered(p)) /* what is late from before */
		;
	start = rte_rdtsc_precise();
	if (rte_eth_tx_burst(p->port, 0, &m, 1) != 1)
		fail("cannot send");
	while (!answered(p))
		if (rte_rdtsc() - start > hz)
			return -1;
	return (double)(rte_rdtsc() - start) * 1e6 / (double)hz;
}

int main(int argc, char **argv)
{
	struct probe p = {0};
	bool lost = false;

	if (argc != 5 || inet_pton(AF_INET, argv[2], &p.target) != 1) {
		fprintf(stderr, "usage: probe DEVICE ADDRESS COUNT INTERVAL_MS\n");
		return 2;
	}
	start_eal(argv[1]);
	open_port(&p);
	ask(&p); /* its first use of everything */
	for (int i = 0; i < atoi(argv[3]); i++) {
		double us;

		rte_delay_us_sleep((unsigned int)atoi(argv[4]) * 1000);
		us = ask(&p);
		lost |= us < 0;
		printf("%.1f\n", us);
	}
	rte_eth_dev_stop(p.port);
	rte_eal_cleanup();
	return lost;
}
