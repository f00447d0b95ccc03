/* SPDX-License-Identifier: BSD-3-Clause */
#include "port.h"

#include "offload_port.h"
#include "place.h"
#include "pool.h"

#include <rte_bus_vdev.h>
#include <rte_dev.h>
#include <rte_errno.h>
#include <rte_ether.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define RX_DESCS_DEFAULT 1024
#define TX_DESCS_DEFAULT 1024
#define FRAME_OVERHEAD   18 /* Ethernet header and one VLAN tag, above the IP packet */

#define RX_CSUM         (RTE_ETH_RX_OFFLOAD_IPV4_CKSUM | RTE_ETH_RX_OFFLOAD_TCP_CKSUM)
#define RSS_TCP         (RTE_ETH_RSS_NONFRAG_IPV4_TCP | RTE_ETH_RSS_NONFRAG_IPV6_TCP)
#define RSS_WANTED      (RSS_TCP | RTE_ETH_RSS_IPV6_TCP_EX)
#define RSS_KEY_BIGGEST 64

#define TX_TSO         (RTE_ETH_TX_OFFLOAD_TCP_TSO | RTE_ETH_TX_OFFLOAD_TCP_CKSUM)
#define TSO_BUFS_MOST  64 /* 64 KiB in segments of 1 KiB; more is never asked for */
#define TSO_BUFS_LEAST 4  /* fewer are not worth it */
#define TSO_BUFS_UNSAID \
	17 /* of a driver that names no limit: what Linux's first ones had to take */

static const char *const steering_names[] = {
	[PORT_SINGLE] = "single worker",
	[PORT_RSS] = "rss",
	[PORT_HANDOFF] = "hand-off",
};

static int fail(const struct node_port *node, int rc, const char *what, char *err, size_t err_size)
{
	snprintf(err, err_size, "port %s: %s: %s (%s)", node->name, node->device, what,
	         rte_strerror(-rc));
	return rc;
}

static bool is_virtual(const struct node_port *node)
{
	return strncmp(node->device, "net_", 4) == 0;
}

/* "net_ring0,opt=1" and "0000:01:00.0" are known to ethdev by what stands before the comma. */
static int find_id(const char *device, uint16_t *id)
{
	char name[RTE_ETH_NAME_MAX_LEN];

	snprintf(name, sizeof(name), "%.*s", (int)strcspn(device, ","), device);
	return rte_eth_dev_get_port_by_name(name, id);
}

static int find_or_make(struct port *p, char *err, size_t err_size)
{
	int rc;

	if (find_id(p->node->device, &p->id) == 0)
		return 0;
	rc = rte_dev_probe(p->node->device);
	if (rc < 0)
		return fail(p->node, rc,
		            is_virtual(p->node)
		                    ? "the device cannot be opened"
		                    : "the card cannot be opened; weir-nic check says why",
		            err, err_size);
	if (find_id(p->node->device, &p->id) < 0)
		return fail(p->node, -ENODEV, "no driver made a port of it", err, err_size);
	p->owned = true;
	return 0;
}

/* ---- deciding ---------------------------------------------------------------------------- */

/* Of a driver that does not say: what they all have had since the first. It is read back in any case. */
static uint8_t key_bytes(const struct rte_eth_dev_info *info)
{
	return info->hash_key_size ? info->hash_key_size : PORT_RSS_KEY_BYTES;
}

/* With our key and a table in which each worker has a place. */
static bool can_rss(const struct rte_eth_dev_info *info, uint32_t n_workers)
{
	return (info->flow_type_rss_offloads & RSS_TCP) == RSS_TCP &&
	       key_bytes(info) >= PORT_RSS_KEY_BYTES && key_bytes(info) <= RSS_KEY_BIGGEST &&
	       info->reta_size >= n_workers && info->reta_size <= PORT_RETA_MAX &&
	       rte_is_power_of_2(info->reta_size) && info->max_rx_queues >= n_workers &&
	       info->max_tx_queues >= n_workers;
}

/*
 * A virtual device often has to have as many queues in as out (tap), or its peer must have as many
 * (memif), so it gets what was asked for and workers without a queue send through another's.
 */
static void plan_queues(struct port *p, const struct rte_eth_dev_info *info, uint32_t n_workers)
{
	uint16_t wanted = p->node->rx_queues ? p->node->rx_queues : 1;
	bool is_vdev = is_virtual(p->node);

	p->steering = n_workers == 1 ? PORT_SINGLE : PORT_HANDOFF;
	if (n_workers > 1 && can_rss(info, n_workers) &&
	    (p->node->rx_queues == 0 || p->node->rx_queues == n_workers)) {
		p->steering = PORT_RSS;
		wanted = (uint16_t)n_workers;
		p->reta_size = info->reta_size;
	}
	p->rx_queues = (uint16_t)RTE_MIN(wanted, info->max_rx_queues);
	p->tx_queues = is_vdev ? p->rx_queues : (uint16_t)RTE_MIN(n_workers, info->max_tx_queues);
	p->tx_queues = (uint16_t)RTE_MIN(p->tx_queues, info->max_tx_queues);
}

/*
 * The device's address. That of a tap belongs to the kernel, who is the other end of the wire: we take
 * another, or each would see its own address in the other's ARP. So do devices that have none.
 */
static void choose_mac(struct port *p)
{
	struct rte_ether_addr mac;

	if (strcmp(p->driver, "net_tap") == 0 || rte_eth_macaddr_get(p->id, &mac) < 0 ||
	    !rte_is_valid_assigned_ether_addr(&mac))
		rte_eth_random_addr(mac.addr_bytes);
	memcpy(p->mac, mac.addr_bytes, sizeof(p->mac));
}

/* Of a frame; a ring holds a few such frames, and what the driver puts in front of each. */
static uint8_t tso_bufs(const struct port *p, uint32_t most)
{
	most = RTE_MIN(RTE_MIN(most, TSO_BUFS_MOST), p->tx_descs / 4u);
	return most < TSO_BUFS_LEAST ? 0 : (uint8_t)most;
}

/*
 * A segment is in two buffers at most, header and payload, and 64 KiB of them in as many as the device takes. A
 * driver that says nothing leaves 0 or what ethdev put there, and bnxt, which does, takes 31.
 * net_tap's cutting is the driver's: it knows IPv4 only, and its limit is the MTU with the Ethernet header
 * in it, so it refuses whole segments (DPDK 22.11).
 */
static void plan_tso(struct port *p, const struct rte_eth_dev_info *info)
{
	const struct rte_eth_desc_lim *lim = &info->tx_desc_lim;
	bool said = lim->nb_seg_max && lim->nb_seg_max != UINT16_MAX;

	p->tx_gather = p->node->tso && info->tx_offload_capa & RTE_ETH_TX_OFFLOAD_MULTI_SEGS &&
	               lim->nb_mtu_seg_max != 1;
	if (p->tx_gather && (info->tx_offload_capa & TX_TSO) == TX_TSO &&
	    strcmp(p->driver, "net_tap") != 0)
		p->tx_tso_bufs = tso_bufs(p, said ? lim->nb_seg_max : TSO_BUFS_UNSAID);
}

int port_find(struct port *p, const struct node_port *node, const struct port_plan *plan, char *err,
              size_t err_size)
{
	struct rte_eth_dev_info info;
	int rc;

	memset(p, 0, sizeof(*p));
	p->node = node;
	if (node->mtu + FRAME_OVERHEAD > plan->buf_bytes) {
		snprintf(err, err_size, "port %s: mtu %u does not fit a packet buffer of %u bytes",
		         node->name, node->mtu, plan->buf_bytes);
		return -EINVAL;
	}
	rc = find_or_make(p, err, err_size);
	if (rc < 0)
		return rc;
	rc = rte_eth_dev_info_get(p->id, &info);
	if (rc < 0)
		return fail(node, rc, "the device does not say what it can do", err, err_size);
	p->driver = info.driver_name;
	p->rx_csum = (info.rx_offload_capa & RX_CSUM) == RX_CSUM;
	p->tx_ip_csum = (info.tx_offload_capa & RTE_ETH_TX_OFFLOAD_IPV4_CKSUM) != 0;
	p->tx_tcp_csum = (info.tx_offload_capa & RTE_ETH_TX_OFFLOAD_TCP_CKSUM) != 0;
	/* drivers of virtual devices say where the thread that made them is */
	p->socket = is_virtual(node) ? PLACE_UNKNOWN : rte_eth_dev_socket_id(p->id);
	p->rx_queues_max = info.max_rx_queues;
	p->reta_found = info.reta_size;
	p->key_found = info.hash_key_size;
	plan_queues(p, &info, plan->n_workers);
	p->rx_descs = node->rx_descs ? node->rx_descs : RX_DESCS_DEFAULT;
	p->tx_descs = node->tx_descs ? node->tx_descs : TX_DESCS_DEFAULT;
	plan_tso(p, &info);
	choose_mac(p);
	return 0;
}

/* ---- configuring ------------------------------------------------------------------------- */

static void plan_conf(const struct port *p, struct rte_eth_conf *conf, uint8_t *key,
                      const struct port_plan *plan)
{
	struct rte_eth_dev_info info;

	memset(conf, 0, sizeof(*conf));
	rte_eth_dev_info_get(p->id, &info);
	conf->rxmode.mtu = p->node->mtu;
	if (info.max_mtu && conf->rxmode.mtu > info.max_mtu)
		conf->rxmode.mtu = info.max_mtu;
	if (p->rx_csum)
		conf->rxmode.offloads |= RX_CSUM;
	if (p->tx_ip_csum)
		conf->txmode.offloads |= RTE_ETH_TX_OFFLOAD_IPV4_CKSUM;
	if (p->tx_tcp_csum)
		conf->txmode.offloads |= RTE_ETH_TX_OFFLOAD_TCP_CKSUM;
	if (p->tx_gather)
		conf->txmode.offloads |= RTE_ETH_TX_OFFLOAD_MULTI_SEGS;
	if (p->tx_tso_bufs)
		conf->txmode.offloads |= RTE_ETH_TX_OFFLOAD_TCP_TSO;
	if (p->steering != PORT_RSS)
		return;
	memset(key, 0, RSS_KEY_BIGGEST);
	memcpy(key, plan->rss_key, PORT_RSS_KEY_BYTES);
	conf->rxmode.mq_mode = RTE_ETH_MQ_RX_RSS;
	conf->rx_adv_conf.rss_conf.rss_key = key;
	conf->rx_adv_conf.rss_conf.rss_key_len = key_bytes(&info);
	conf->rx_adv_conf.rss_conf.rss_hf = RSS_WANTED & info.flow_type_rss_offloads;
}

/* With interrupts when the device has them: a sleeping worker is then woken by the first packet. */
static int configure(struct port *p, const struct port_plan *plan)
{
	uint8_t key[RSS_KEY_BIGGEST];
	struct rte_eth_conf conf;
	uint16_t rx = (uint16_t)(p->rx_queues + p->hairpins);
	uint16_t tx = (uint16_t)(p->tx_queues + p->hairpins);
	int rc;

	plan_conf(p, &conf, key, plan);
	conf.intr_conf.rxq = 1;
	p->rx_intr = true;
	rc = rte_eth_dev_configure(p->id, rx, tx, &conf);
	if (rc < 0) {
		conf.intr_conf.rxq = 0;
		p->rx_intr = false;
		rc = rte_eth_dev_configure(p->id, rx, tx, &conf);
	}
	if (rc < 0)
		return rc;
	p->open = true;
	rc = rte_eth_dev_adjust_nb_rx_tx_desc(p->id, &p->rx_descs, &p->tx_descs);
	p->tx_tso_bufs = tso_bufs(p, p->tx_tso_bufs); /* the ring may be shorter now */
	return rc;
}

/*
 * A queue lies where its device is, which reads and writes each descriptor; a virtual device's where its
 * worker is.
 */
static int set_up_queues(struct port *p, struct buf_pool *const *pools)
{
	int rc = 0;

	for (uint16_t q = 0; q < p->rx_queues && rc == 0; q++) {
		struct rte_mempool *pool = pool_mempool(pools[q]);
		int where = p->socket < 0 ? pool->socket_id : p->socket;

		rc = rte_eth_rx_queue_setup(p->id, q, p->rx_descs, (unsigned int)where, NULL, pool);
	}
	for (uint16_t q = 0; q < p->tx_queues && rc == 0; q++)
		rc = rte_eth_tx_queue_setup(p->id, q, p->tx_descs, (unsigned int)p->socket, NULL);
	return rc;
}

struct reta {
	struct rte_eth_rss_reta_entry64 groups[PORT_RETA_MAX / RTE_ETH_RETA_GROUP_SIZE];
};

/* All entries are meant; queue i % queues for entry i, or 0 for those that are to be read. */
static void reta_fill(struct reta *reta, uint16_t n, uint16_t queues)
{
	memset(reta, 0, sizeof(*reta));
	for (uint16_t i = 0; i < n; i++) {
		struct rte_eth_rss_reta_entry64 *g = &reta->groups[i / RTE_ETH_RETA_GROUP_SIZE];

		g->mask |= 1ull << i % RTE_ETH_RETA_GROUP_SIZE;
		g->reta[i % RTE_ETH_RETA_GROUP_SIZE] = queues ? i % queues : 0;
	}
}

/* The table that turns a hash into a queue: ours, so that steer knows it. */
static int set_up_reta(const struct port *p)
{
	struct reta ours, got;
	int rc;

	reta_fill(&ours, p->reta_size, p->rx_queues);
	reta_fill(&got, p->reta_size, 0);
	rc = rte_eth_dev_rss_reta_update(p->id, ours.groups, p->reta_size);
	if (rc < 0)
		return rc;
	rc = rte_eth_dev_rss_reta_query(p->id, got.groups, p->reta_size);
	if (rc < 0)
		return rc;
	for (uint16_t i = 0; i < p->reta_size; i++)
		if (got.groups[i / RTE_ETH_RETA_GROUP_SIZE].reta[i % RTE_ETH_RETA_GROUP_SIZE] !=
		    i % p->rx_queues)
			return -ENOTSUP;
	return 0;
}

/* Again, for drivers that take no notice of the key in the configuration; others may refuse here. */
static void set_up_key(const struct port *p, const struct port_plan *plan)
{
	struct rte_eth_conf conf;
	uint8_t key[RSS_KEY_BIGGEST];

	plan_conf(p, &conf, key, plan);
	rte_eth_dev_rss_hash_update(p->id, &conf.rx_adv_conf.rss_conf);
}

/*
 * Table and key are read back: a device that uses others would send packets to workers that do not know
 * them.
 */
static int set_up_rss(struct port *p, const struct port_plan *plan)
{
	uint8_t key[RSS_KEY_BIGGEST] = {0};
	struct rte_eth_rss_conf got = {.rss_key = key, .rss_key_len = sizeof(key)};
	int rc;

	rc = set_up_reta(p);
	if (rc < 0)
		return rc;
	set_up_key(p, plan);
	rc = rte_eth_dev_rss_hash_conf_get(p->id, &got);
	if (rc < 0)
		return rc;
	if ((got.rss_hf & RSS_TCP) != RSS_TCP ||
	    memcmp(key, plan->rss_key, PORT_RSS_KEY_BYTES) != 0)
		return -ENOTSUP;
	return 0;
}

/* IPv6 neighbour discovery needs multicast; a device without filters delivers it anyway. */
static void hear_multicast(const struct port *p)
{
	if (rte_eth_allmulticast_enable(p->id) < 0)
		rte_eth_promiscuous_enable(p->id);
}

int port_start(struct port *p, const struct port_plan *plan, struct buf_pool *const *pools,
               char *err, size_t err_size)
{
	int rc;

	offload_port_prepare(p, plan);
	rc = configure(p, plan);
	if (rc < 0)
		return fail(p->node, rc, "the device cannot be configured", err, err_size);
	rc = rte_eth_dev_set_mtu(p->id, p->node->mtu);
	if (rc < 0 && rc != -ENOTSUP)
		return fail(p->node, rc, "the device does not take this mtu", err, err_size);
	rc = set_up_queues(p, pools);
	if (rc == 0 && !offload_port_queues(p, plan)) {
		/* without hairpins then */
		rc = configure(p, plan);
		rc = rc < 0 ? rc : set_up_queues(p, pools);
	}
	if (rc < 0)
		return fail(p->node, rc, "the device's queues cannot be set up", err, err_size);
	offload_port_flows(p, plan);
	rc = rte_eth_dev_start(p->id);
	if (rc < 0)
		return fail(p->node, rc, "the device cannot be started", err, err_size);
	if (p->steering == PORT_RSS && set_up_rss(p, plan) < 0)
		p->steering = PORT_HANDOFF;
	/* some drivers take the setting and have no interrupts all the same */
	if (p->rx_intr && rte_eth_dev_rx_intr_ctl_q_get_fd(p->id, 0) < 0)
		p->rx_intr = false;
	hear_multicast(p);
	return 0;
}

void port_close(struct port *p)
{
	struct rte_eth_dev_info info;
	struct rte_device *device = NULL;

	if (!p->node)
		return;
	if (rte_eth_dev_info_get(p->id, &info) == 0)
		device = info.device;
	if (p->open) {
		rte_eth_dev_stop(p->id);
		rte_eth_dev_close(p->id);
	}
	if (p->owned && device)
		rte_dev_remove(device);
	memset(p, 0, sizeof(*p));
}

/* ---- telling ----------------------------------------------------------------------------- */

void port_describe(const struct port *p, struct net_port *out)
{
	memset(out, 0, sizeof(*out));
	memcpy(out->mac, p->mac, sizeof(out->mac));
	out->vlan = p->node->vlan;
	out->mtu = p->node->mtu;
	out->tx_ip_csum = p->tx_ip_csum;
	out->tx_tcp_csum = p->tx_tcp_csum;
	out->tx_gather = p->tx_gather;
	out->tx_tso_bufs = p->tx_tso_bufs;
	out->n_addrs = p->node->n_addrs;
	memcpy(out->addrs, p->node->addrs, sizeof(out->addrs));
}

void port_status(const struct port *p, struct port_status *out)
{
	struct rte_eth_link link;
	struct rte_eth_stats stats;

	memset(out, 0, sizeof(*out));
	memset(&link, 0, sizeof(link));
	memset(&stats, 0, sizeof(stats));
	rte_eth_link_get_nowait(p->id, &link);
	rte_eth_stats_get(p->id, &stats);
	out->name = p->node->name;
	out->device = p->node->device;
	out->driver = p->driver;
	out->socket = p->socket;
	memcpy(out->mac, p->mac, sizeof(out->mac));
	out->link_up = link.link_status == RTE_ETH_LINK_UP;
	out->speed_mbps = link.link_speed == RTE_ETH_SPEED_NUM_UNKNOWN ? 0 : link.link_speed;
	out->rx_queues = p->rx_queues;
	out->tx_queues = p->tx_queues;
	out->rx_queues_max = p->rx_queues_max;
	out->rx_descs = p->rx_descs;
	out->tx_descs = p->tx_descs;
	out->reta_size = p->reta_found;
	out->rss_key_bytes = p->key_found;
	out->offload = OFFLOAD_LEVELS;
	out->steering = steering_names[p->steering];
	out->rx_csum = p->rx_csum;
	out->tx_csum = p->tx_ip_csum && p->tx_tcp_csum;
	out->tx_gather = p->tx_gather;
	out->tx_tso = p->tx_tso_bufs != 0;
	out->rx_pkts = stats.ipackets;
	out->rx_bytes = stats.ibytes;
	out->rx_missed = stats.imissed;
	out->rx_errors = stats.ierrors;
	out->rx_nombuf = stats.rx_nombuf;
	out->tx_pkts = stats.opackets;
	out->tx_bytes = stats.obytes;
	out->tx_errors = stats.oerrors;
}
