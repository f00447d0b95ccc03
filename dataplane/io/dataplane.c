/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The data plane as ctrl sees it (weir/dataplane.h): start everything, hand things over, stop
 * everything.
 *
 *   start: EAL -> find ports -> pools -> open ports -> rings -> workers' memory -> launch
 *   stop:  tell the loops -> wait -> rings -> ports -> memory -> pools -> EAL
 *
 * The contract has no handle because a process has one EAL; so has this file one struct plane, which
 * only the control thread touches. What workers may touch of it they have by pointer (struct loop).
 */
#include "weir/dataplane.h"

#include "eal.h"
#include "loop.h"
#include "offload_port.h"
#include "offload_rte.h"
#include "place.h"
#include "pool.h"
#include "port.h"
#include "publish.h"
#include "steer.h"

#include <rte_errno.h>
#include <rte_launch.h>
#include <rte_lcore.h>
#include <rte_mempool.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

/*
 * Waking from the shortest sleep takes about this long (timer, scheduler, a virtual machine's exits), so
 * polling for as long first costs at most twice what the better choice would have. Workers that share a
 * CPU give it to each other instead.
 */
#define SPIN_US 50

#define SOCKETS_MAX    RTE_MAX_NUMA_NODES
#define BUF_BYTES      2048       /* data room when the node does not say */
#define BUFS_BASE      16384      /* a worker's, before its connections are counted */
#define BUFS_PER_CONNS 4          /* one buffer for so many connections: most of them are idle */
#define BUFS_MOST      (1u << 20) /* computed number; a node may ask for more */
#define MIB            (1024u * 1024u)
#define PAGE_BYTES     4096u

struct plane {
	struct loop_shared shared;
	struct publish publish;
	struct handoff handoff;
	struct steer steer;
	struct offload_rte *offload;
	struct port ports[NODE_PORTS_MAX];
	struct net_port net_ports[NODE_PORTS_MAX];
	struct buf_pool *pools[SOCKETS_MAX];
	struct loop *loops[WEIR_WORKERS_MAX];
	void *memory[WEIR_WORKERS_MAX];   /* of the worker */
	int sockets[WEIR_WORKERS_MAX];    /* of the worker's CPU */
	uint64_t pollers[NODE_PORTS_MAX]; /* bit w: worker w polls a queue of the port */
	bool strange[SOCKETS_MAX];        /* the pool for this socket lies on another */
	size_t worker_bytes;
	uint32_t n_ports;   /* found */
	uint32_t n_running; /* loops launched */
	struct port_plan plan;
	uint8_t rss_key[PORT_RSS_KEY_BYTES];
	bool eal;
};

static struct plane *plane;

/* ---- sizes ------------------------------------------------------------------------------- */

static uint16_t buf_bytes(const struct node *node)
{
	return node->buf_bytes ? node->buf_bytes : BUF_BYTES;
}

/*
 * Buffers of the node: what lies in the devices' queues, what is on its way, and what connections
 * hold. Ports are not found yet, so their queues are counted at the most they can be.
 */
static uint32_t buf_count(const struct node *node)
{
	uint64_t n = (uint64_t)node->n_workers * (BUFS_BASE + node->limits.conns / BUFS_PER_CONNS);

	for (uint32_t i = 0; i < node->n_ports; i++) {
		const struct node_port *p = &node->ports[i];
		uint32_t queues = p->rx_queues ? p->rx_queues : node->n_workers;

		n += (uint64_t)queues *
		     ((p->rx_descs ? p->rx_descs : 1024u) + (p->tx_descs ? p->tx_descs : 1024u));
	}
	if (node->mempool_bufs)
		return node->mempool_bufs;
	return (uint32_t)RTE_MIN(n, (uint64_t)BUFS_MOST);
}

/* A pool that PCI devices read keeps each buffer within a page, which wastes most of small pages. */
static uint32_t need_mib(const struct node *node)
{
	uint64_t rings = (uint64_t)2 * node->n_workers * node->n_workers * HANDOFF_RING_FRAMES * 8;
	uint64_t each = pool_buf_bytes(buf_bytes(node));

	if (eal_has_pci(node) && !node->huge)
		each = RTE_ALIGN_CEIL(each, PAGE_BYTES);
	return (uint32_t)((rings + (uint64_t)buf_count(node) * (each + each / 16)) / MIB) + 16;
}

static unsigned int pool_flags(const struct node *node)
{
	return (eal_is_crowded(node) ? POOL_CROWDED : 0u) | (eal_has_pci(node) ? 0u : POOL_PACKED);
}

/* ---- starting, step by step -------------------------------------------------------------- */

static int find_ports(const struct node *node, char *err, size_t err_size)
{
	plane->plan = (struct port_plan){.n_workers = node->n_workers,
	                                 .buf_bytes = buf_bytes(node),
	                                 .rss_key = plane->rss_key,
	                                 .node = node,
	                                 .ports = plane->ports};
	for (uint32_t i = 0; i < node->n_ports; i++) {
		int rc = port_find(&plane->ports[i], &node->ports[i], &plane->plan, err, err_size);

		if (rc < 0) {
			memset(&plane->ports[i], 0, sizeof(plane->ports[i]));
			return rc;
		}
		plane->ports[i].index = (uint16_t)i;
		plane->n_ports++;
	}
	return 0;
}

static void find_sockets(const struct node *node)
{
	for (uint32_t w = 0; w < node->n_workers; w++)
		plane->sockets[w] = place_of_cpu(PLACE_SYSTEM, node->worker_cores[w]);
}

/* Where the worker's memory is to be; a machine that does not say has one place. */
static uint32_t worker_socket(uint32_t worker)
{
	int socket = plane->sockets[worker];

	return socket < 0 ? 0 : (uint32_t)socket % SOCKETS_MAX;
}

/* On its socket, or anywhere rather than not at all. */
static struct buf_pool *make_pool(const struct node *node, uint32_t s, uint32_t n)
{
	char name[32];
	struct buf_pool *p;

	snprintf(name, sizeof(name), "weir_bufs_%u", s);
	p = pool_new(name, n, buf_bytes(node), (int)s, pool_flags(node));
	if (p || rte_socket_count() == 1)
		return p;
	plane->strange[s] = true;
	return pool_new(name, n, buf_bytes(node), SOCKET_ID_ANY, pool_flags(node));
}

static int make_pools(const struct node *node, char *err, size_t err_size)
{
	uint32_t share[SOCKETS_MAX] = {0};

	for (uint32_t w = 0; w < node->n_workers; w++)
		share[worker_socket(w)]++;
	for (uint32_t s = 0; s < SOCKETS_MAX; s++) {
		uint32_t n;

		if (!share[s])
			continue;
		n = (uint32_t)((uint64_t)buf_count(node) * share[s] / node->n_workers);
		plane->pools[s] = make_pool(node, s, n);
		if (plane->pools[s])
			continue;
		snprintf(err, err_size,
		         "no memory for %u packet buffers of %u bytes on socket %u (%s)", n,
		         buf_bytes(node), s, rte_strerror(rte_errno));
		return -ENOMEM;
	}
	return 0;
}

/*
 * Which worker polls queue q of port i. A port without RSS has one queue; each port begins at another
 * worker, so that two ports keep two workers busy.
 */
static uint32_t queue_worker(uint32_t i, uint32_t q)
{
	uint32_t n = plane->plan.n_workers;

	return plane->ports[i].steering == PORT_HANDOFF ? (q + i) % n : q % n;
}

static int start_ports(char *err, size_t err_size)
{
	for (uint32_t i = 0; i < plane->n_ports; i++) {
		struct buf_pool *pools[LOOP_RXQ_MAX];
		struct port *p = &plane->ports[i];
		int rc;

		p->rx_queues = (uint16_t)RTE_MIN(p->rx_queues, LOOP_RXQ_MAX);
		for (uint16_t q = 0; q < p->rx_queues; q++)
			pools[q] = plane->pools[worker_socket(queue_worker(i, q))];
		rc = port_start(p, &plane->plan, pools, err, err_size);
		if (rc < 0)
			return rc;
		port_describe(p, &plane->net_ports[i]);
	}
	return 0;
}

/* Entries of the first table that a device has; 0: none hashes. */
static uint32_t table_size(void)
{
	for (uint32_t i = 0; i < plane->n_ports; i++)
		if (plane->ports[i].steering == PORT_RSS)
			return plane->ports[i].reta_size;
	return 0;
}

/* Good for the table of every port: any of them may be the one that all reckon with in the end. */
static bool key_spreads(void)
{
	for (uint32_t i = 0; i < plane->n_ports; i++)
		if (plane->ports[i].steering == PORT_RSS &&
		    !steer_key_spreads(plane->rss_key, plane->ports[i].reta_size))
			return false;
	return true;
}

/* Drawn again until every worker finds source ports in its turn: one key in four is such. */
static int draw_rss_key(void)
{
	for (int tries = 0; tries < 10000; tries++) {
		if (getrandom(plane->rss_key, sizeof(plane->rss_key), 0) != sizeof(plane->rss_key))
			break;
		if (key_spreads())
			return 0;
	}
	return -EIO;
}

/*
 * One rule for all ports: when a device hashes, everybody reckons with its hash; a port that cannot
 * (or whose table has another size) then hands over by the same rule.
 */
static int make_steer(const struct node *node)
{
	uint16_t reta[STEER_RETA_MAX];
	uint32_t size = table_size();
	struct hash_key key;

	for (uint32_t i = 0; i < plane->n_ports; i++)
		if (plane->ports[i].steering == PORT_RSS && plane->ports[i].reta_size != size)
			plane->ports[i].steering = PORT_HANDOFF;
	if (getrandom(&key, sizeof(key), 0) != sizeof(key))
		return -EIO;
	for (uint32_t i = 0; i < size; i++)
		reta[i] = (uint16_t)(i % node->n_workers);
	if (node->n_workers == 1)
		steer_single(&plane->steer);
	else if (size)
		steer_toeplitz(&plane->steer, node->n_workers, plane->rss_key, reta, size);
	else
		steer_hand_off(&plane->steer, node->n_workers, node->source_port_min,
		               node->source_port_max, &key);
	return 0;
}

/* ---- who polls and sends what ------------------------------------------------------------ */

static int connect_in(uint32_t from)
{
	for (uint32_t to = 0; to < plane->plan.n_workers; to++) {
		int rc = handoff_connect(&plane->handoff, HANDOFF_IN, from, to,
		                         (int)worker_socket(to));

		if (rc < 0)
			return rc;
	}
	return 0;
}

/* Whoever polls a queue may have to reach everybody: neighbours are everybody's. */
static int give_rx(uint32_t i)
{
	struct port *p = &plane->ports[i];

	for (uint16_t q = 0; q < p->rx_queues; q++) {
		struct loop *l = plane->loops[queue_worker(i, q)];
		int rc = connect_in(l->id);

		if (rc < 0)
			return rc;
		if (l->n_rxq == LOOP_RXQ_MAX)
			return -E2BIG;
		l->rxq[l->n_rxq++] =
			(struct loop_rxq){.port_id = p->id,
		                          .queue = q,
		                          .port = (uint8_t)i,
		                          .sorted = p->steering == PORT_RSS && !p->jumps,
		                          .intr = p->rx_intr};
		plane->pollers[i] |= 1ull << l->id;
	}
	return 0;
}

/* The workers that poll a port also send on it; the rest of its send queues go to the others. */
static int give_tx(uint32_t i)
{
	const struct port *p = &plane->ports[i];
	uint32_t n = plane->plan.n_workers;

	for (uint32_t k = 0; k < n; k++) {
		uint32_t w = queue_worker(i, k);
		uint32_t owner = queue_worker(i, k % p->tx_queues);
		int rc = handoff_connect(&plane->handoff, HANDOFF_OUT, w, owner,
		                         (int)worker_socket(owner));

		if (rc < 0)
			return rc;
		plane->loops[w]->tx[i] =
			(struct loop_tx){.port_id = p->id,
		                         .queue = (uint16_t)(k % p->tx_queues),
		                         .ring = plane->handoff.rings[HANDOFF_OUT][w][owner],
		                         .owner = (uint8_t)owner,
		                         .prepare = p->tx_tso_bufs != 0};
	}
	return 0;
}

static void give_rings(struct loop *l)
{
	for (uint32_t w = 0; w < plane->plan.n_workers; w++) {
		l->peers[w] = &plane->loops[w]->wake;
		l->hand[w] = plane->handoff.rings[HANDOFF_IN][l->id][w];
		if (plane->handoff.rings[HANDOFF_IN][w][l->id])
			l->in[l->n_in++] = plane->handoff.rings[HANDOFF_IN][w][l->id];
		if (plane->handoff.rings[HANDOFF_OUT][w][l->id])
			l->out[l->n_out++] = plane->handoff.rings[HANDOFF_OUT][w][l->id];
	}
}

static int share_out(char *err, size_t err_size)
{
	int rc = 0;

	for (uint32_t i = 0; i < plane->n_ports && rc == 0; i++)
		rc = give_rx(i);
	for (uint32_t i = 0; i < plane->n_ports && rc == 0; i++)
		rc = give_tx(i);
	if (rc < 0) {
		snprintf(err, err_size, "no memory for the rings between workers (%s)",
		         rte_strerror(-rc));
		return rc;
	}
	for (uint32_t w = 0; w < plane->plan.n_workers; w++)
		give_rings(plane->loops[w]);
	return 0;
}

/* ---- workers ----------------------------------------------------------------------------- */

static int make_loops(const struct node *node)
{
	int rc;

	for (uint32_t w = 0; w < node->n_workers; w++) {
		struct loop *l = place_map(sizeof(*l), plane->sockets[w]);

		if (!l)
			return -ENOMEM;
		l->id = w;
		l->lcore = eal_lcore(w);
		l->n_workers = node->n_workers;
		l->n_ports = node->n_ports;
		l->shared = &plane->shared;
		l->pool = plane->pools[worker_socket(w)];
		plane->loops[w] = l;
		rc = wake_init(&l->wake);
		if (rc < 0)
			return rc;
	}
	return 0;
}

/* The worker's memory costs nothing until it is touched, whatever the limit of connections. */
static int make_worker(const struct node *node, uint32_t w, struct snapshot *first,
                       const uint8_t *secret)
{
	struct loop *l = plane->loops[w];
	struct worker_env env = {.node = node,
	                         .ports = plane->net_ports,
	                         .pool = l->pool,
	                         .steer = node->n_workers > 1 ? &plane->steer : NULL,
	                         .offload = offload_rte_env(plane->offload, w),
	                         .id = w,
	                         .n_workers = node->n_workers};
	void *memory = place_map(plane->worker_bytes, plane->sockets[w]);

	if (!memory)
		return -ENOMEM;
	plane->memory[w] = memory;
	memcpy(env.secret, secret, sizeof(env.secret));
	if (getrandom(&env.seed, sizeof(env.seed), 0) != sizeof(env.seed))
		return -EIO;
	l->worker = worker_init(memory, &env, first, clock_us(&plane->shared.clock, rte_rdtsc()));
	if (!l->worker)
		return -ENETUNREACH;
	l->net = worker_net(l->worker);
	l->counters = worker_stats(l->worker)->counters;
	l->ends = worker_stats(l->worker)->ends;
	return 0;
}

static int launch(const struct node *node, struct snapshot *first, char *err, size_t err_size)
{
	uint8_t secret[16];
	int rc = getrandom(secret, sizeof(secret), 0) == sizeof(secret) ? 0 : -EIO;

	plane->worker_bytes = worker_bytes(node);
	clock_init(&plane->shared.clock);
	for (uint32_t w = 0; w < node->n_workers && rc == 0; w++)
		rc = make_worker(node, w, first, secret);
	if (rc == -ENETUNREACH) {
		snprintf(err, err_size,
		         "the next hop of a static route is on no network of its port");
		return rc;
	}
	if (rc < 0) {
		snprintf(err, err_size, "no memory for a worker of %zu MiB (%s)",
		         plane->worker_bytes / MIB, rte_strerror(-rc));
		return rc;
	}
	publish_begin(&plane->publish);
	for (uint32_t w = 0; w < node->n_workers; w++) {
		rc = rte_eal_remote_launch(loop_run, plane->loops[w], plane->loops[w]->lcore);
		if (rc < 0) {
			snprintf(err, err_size, "worker %u does not start (%s)", w,
			         rte_strerror(-rc));
			return rc;
		}
		plane->n_running++;
	}
	return 0;
}

/* What devices do by rules; nothing is said when that is nothing. */
static void start_offload(const struct node *node)
{
	offload_port_bind(plane->ports, plane->n_ports);
	for (uint32_t i = 0; i < plane->n_ports; i++)
		offload_port_steer(&plane->ports[i], &plane->plan, node->source_port_min);
	plane->offload = offload_rte_start(node, plane->ports, plane->rss_key);
}

static int start_all(const struct node *node, struct snapshot *first, char *err, size_t err_size)
{
	int rc = eal_start(node, need_mib(node), err, err_size);

	if (rc < 0)
		return rc;
	plane->eal = true;
	plane->shared.node = node;
	plane->shared.spin_us = eal_is_crowded(node) ? 0 : SPIN_US;
	plane->shared.publish = &plane->publish;
	if (publish_init(&plane->publish, node->n_workers, first) < 0) {
		snprintf(err, err_size, "no memory to start with");
		return -ENOMEM;
	}
	find_sockets(node);
	rc = find_ports(node, err, err_size);
	if (rc == 0)
		rc = draw_rss_key();
	if (rc == 0)
		rc = make_pools(node, err, err_size);
	if (rc == 0)
		rc = start_ports(err, err_size);
	if (rc == 0)
		rc = make_steer(node);
	if (rc == 0)
		start_offload(node);
	if (rc == 0)
		rc = make_loops(node);
	if (rc == 0)
		rc = share_out(err, err_size);
	if (rc == 0)
		rc = launch(node, first, err, err_size);
	return rc;
}

int dataplane_start(const struct node *node, struct snapshot *first, char *err, size_t err_size)
{
	struct eal_log log;
	int rc;

	if (plane)
		return -EALREADY;
	err[0] = '\0';
	plane = aligned_alloc(alignof(struct plane), sizeof(*plane));
	if (!plane)
		return -ENOMEM;
	memset(plane, 0, sizeof(*plane));
	eal_log_begin(&log);
	rc = start_all(node, first, err, err_size);
	if (rc < 0)
		eal_log_explain(&log, err, err_size);
	eal_log_end(&log);
	if (rc < 0)
		dataplane_stop();
	return rc;
}

/* Whatever the workers are to find is stored: those that sleep look now. */
static void ring_workers(void)
{
	for (uint32_t w = 0; w < plane->n_running; w++)
		wake_ring(&plane->loops[w]->wake);
}

void dataplane_stop(void)
{
	if (!plane)
		return;
	plane->shared.n_running = plane->n_running;
	__atomic_store_n(&plane->shared.stopping, true, __ATOMIC_RELEASE);
	ring_workers();
	for (uint32_t w = 0; w < plane->n_running; w++)
		rte_eal_wait_lcore(plane->loops[w]->lcore);
	/* a worker that was made and never ran */
	for (uint32_t w = plane->n_running; w < plane->plan.n_workers; w++)
		if (plane->loops[w] && plane->loops[w]->worker)
			worker_fini(plane->loops[w]->worker);
	offload_rte_stop(plane->offload);
	handoff_fini(&plane->handoff);
	for (uint32_t i = 0; i < plane->n_ports; i++)
		port_close(&plane->ports[i]);
	for (uint32_t w = 0; w < plane->plan.n_workers; w++) {
		place_unmap(plane->memory[w], plane->worker_bytes);
		if (plane->loops[w])
			wake_fini(&plane->loops[w]->wake);
		place_unmap(plane->loops[w], sizeof(struct loop));
	}
	for (uint32_t s = 0; s < SOCKETS_MAX; s++)
		pool_free(plane->pools[s]);
	publish_fini(&plane->publish);
	if (plane->eal)
		eal_stop();
	free(plane);
	plane = NULL;
}

/* ---- while it runs ----------------------------------------------------------------------- */

void dataplane_publish(struct snapshot *next)
{
	publish_set(&plane->publish, next);
	ring_workers();
}

bool dataplane_in_effect(uint64_t generation)
{
	return publish_in_effect(&plane->publish, generation);
}

uint64_t dataplane_effect_ns(void)
{
	return publish_effect_ns(&plane->publish);
}

bool dataplane_released(const struct snapshot *old)
{
	return publish_released(&plane->publish, old);
}

uint32_t dataplane_workers(void)
{
	return plane ? plane->plan.n_workers : 0;
}

const struct worker_stats *dataplane_stats(uint32_t worker)
{
	return worker_stats(plane->loops[worker]->worker);
}

void dataplane_worker(uint32_t worker, struct worker_place *out)
{
	const struct loop *l = plane->loops[worker];
	clockid_t clock = __atomic_load_n(&l->cpu_clock, __ATOMIC_ACQUIRE);
	struct timespec used;

	*out = (struct worker_place){.cpu = plane->shared.node->worker_cores[worker],
	                             .socket = plane->sockets[worker]};
	if (clock && clock_gettime(clock, &used) == 0)
		out->cpu_ns = (uint64_t)used.tv_sec * 1000000000u + (uint64_t)used.tv_nsec;
}

struct cycle_clock dataplane_cycles(void)
{
	return (struct cycle_clock){.now = rte_rdtsc(), .hz = rte_get_tsc_hz()};
}

bool dataplane_warning(uint32_t i, char *out, size_t size)
{
	for (uint32_t p = 0; plane && p < plane->n_ports; p++)
		if (place_tell_port(plane->ports[p].node->name, plane->ports[p].socket,
		                    plane->sockets, plane->pollers[p], out, size) &&
		    i-- == 0)
			return true;
	for (uint32_t s = 0; plane && s < SOCKETS_MAX; s++) {
		if (!plane->strange[s] || i-- > 0)
			continue;
		place_tell_buffers(s, out, size);
		return true;
	}
	return false;
}

uint32_t dataplane_ports(void)
{
	return plane ? plane->n_ports : 0;
}

bool dataplane_port(uint32_t i, struct port_status *out)
{
	if (!plane || i >= plane->n_ports)
		return false;
	port_status(&plane->ports[i], out);
	/* the node may have asked for less than the port can: then nobody knows */
	if (plane->shared.node->offload.level == OFFLOAD_LEVELS - 1)
		out->offload = (uint8_t)offload_rte_level(plane->offload, i);
	return true;
}

bool dataplane_offload(uint32_t i, struct offload_status *out)
{
	memset(out, 0, sizeof(*out));
	if (!plane || i >= plane->n_ports)
		return false;
	out->port = plane->ports[i].node->name;
	out->level = offload_rte_level(plane->offload, i);
	out->way = offload_rte_way(plane->offload, i);
	out->steers = plane->ports[i].steers;
	for (uint32_t w = 0; w < plane->plan.n_workers && plane->offload; w++)
		offload_add(&out->counts, worker_offload(plane->loops[w]->worker, i));
	return true;
}

struct pool_status dataplane_pool(void)
{
	struct pool_status st = {0};

	for (uint32_t s = 0; plane && s < SOCKETS_MAX; s++) {
		if (!plane->pools[s])
			continue;
		st.total += pool_mempool(plane->pools[s])->size;
		st.in_use += rte_mempool_in_use_count(pool_mempool(plane->pools[s]));
	}
	return st;
}

void dataplane_drain(void)
{
	__atomic_store_n(&plane->shared.draining, true, __ATOMIC_RELAXED);
	ring_workers();
}

void dataplane_undrain(void)
{
	__atomic_store_n(&plane->shared.draining, false, __ATOMIC_RELAXED);
	ring_workers();
}

bool dataplane_draining(void)
{
	return plane && __atomic_load_n(&plane->shared.draining, __ATOMIC_RELAXED);
}

uint64_t dataplane_clients(void)
{
	uint64_t n = 0;

	for (uint32_t w = 0; w < dataplane_workers(); w++)
		n += dataplane_stats(w)->counters[COUNT_HTTP_CLIENTS] +
		     dataplane_stats(w)->counters[COUNT_FLOWS];
	return n;
}
