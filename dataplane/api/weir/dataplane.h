/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What ctrl asks of the data plane. Implemented by dataplane/io (workers on DPDK) and, for tests of
 * ctrl alone, by tests/support. All calls come from the control thread.
 */
#ifndef WEIR_DATAPLANE_H
#define WEIR_DATAPLANE_H

#include "weir/node.h"
#include "weir/offload.h"
#include "weir/stats.h"

/**
 * Start EAL, ports and workers. The calling thread becomes EAL's main lcore and stays the control
 * thread.
 *
 * @param node   kept by reference until dataplane_stop()
 * @param first  snapshot the workers start with (may have no listeners)
 * @param err    receives one sentence when it fails, or a warning, or nothing
 * @return       0, or -errno with nothing left running
 */
int dataplane_start(const struct node *node, struct snapshot *first, char *err, size_t err_size);

/**
 * Make a snapshot the current one: one release store. Returns at once; the workers pick it up at the
 * top of their loops. The old snapshot stays valid until dataplane_released() says otherwise.
 */
void dataplane_publish(struct snapshot *next);

/** Has every worker taken up this generation (or a later one)? Never blocks. */
bool dataplane_in_effect(uint64_t generation);

/** Time from publish of the current generation until the last worker had it, in ns; 0: not yet. */
uint64_t dataplane_effect_ns(void);

/**
 * May this snapshot be freed: not the current one, every worker has been quiescent since it was
 * replaced, and no request routed under it is in flight? Never blocks.
 */
bool dataplane_released(const struct snapshot *old);

uint32_t dataplane_workers(void);
const struct worker_stats *dataplane_stats(uint32_t worker);

/* Where a worker runs. */
struct worker_place {
	uint16_t cpu;
	int socket;      /* NUMA socket of the CPU; negative: unknown */
	uint64_t cpu_ns; /* CPU time that its thread has had, polling included; 0: unknown */
};

void dataplane_worker(uint32_t worker, struct worker_place *out);

/* The time stamp counter, in which COUNT_BUSY_CYCLES counts. */
struct cycle_clock {
	uint64_t now, hz;
};

struct cycle_clock dataplane_cycles(void);

/**
 * What should be known about how the data plane runs: memory, ports and workers that are on different
 * NUMA sockets.
 *
 * @param i    from 0; false: there are not so many
 * @param out  receives one sentence
 */
bool dataplane_warning(uint32_t i, char *out, size_t size);

struct port_status {
	const char *name, *device, *driver;
	int socket; /* NUMA socket; negative: a virtual device, or unknown */
	uint8_t mac[6];
	bool link_up;
	uint32_t speed_mbps;
	uint16_t rx_queues, tx_queues;
	uint16_t rx_queues_max; /* that the device can have as it is now; 0: not known */
	uint16_t rx_descs, tx_descs;
	uint16_t reta_size;    /* of the device's hash table; 0: none, or it does not say */
	uint8_t rss_key_bytes; /* likewise */
	uint8_t offload; /* enum offload_level that its rules reach; OFFLOAD_LEVELS: not asked */
	const char *steering;   /* "single worker", "rss", "hand-off" */
	bool rx_csum, tx_csum;  /* done by the device */
	bool tx_gather, tx_tso; /* frames out of several buffers; TCP segments cut by the device */
	uint64_t rx_pkts, rx_bytes, rx_missed, rx_errors, rx_nombuf;
	uint64_t tx_pkts, tx_bytes, tx_errors;
};

uint32_t dataplane_ports(void);
/** Fill status of port i; false if there is no such port. */
bool dataplane_port(uint32_t i, struct port_status *out);

/* What a port's device does with flows by itself; counts: of all workers. */
struct offload_status {
	const char *port;
	enum offload_level level; /* the highest that it can and may */
	const char *way;          /* how it is told: "template", "modify", "set"; "-": not */
	uint32_t steers;          /* rules that bring answers of endpoints to their workers */
	struct offload_counts counts;
};

/** Fill status of port i; false if there is no such port. */
bool dataplane_offload(uint32_t i, struct offload_status *out);

struct pool_status {
	uint32_t total, in_use;
};
struct pool_status dataplane_pool(void);

/** Stop accepting connections; finish requests; keep-alive responses get "connection: close". */
void dataplane_drain(void);
/** Accept again after dataplane_drain(). */
void dataplane_undrain(void);
bool dataplane_draining(void);
/** Client connections still open, flows among them, over all workers. */
uint64_t dataplane_clients(void);

/** Stop the workers, reset what is still open, free ports and memory. */
void dataplane_stop(void);

#endif
