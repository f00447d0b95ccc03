/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the data plane needs to know of the node file (weir.yaml): filled by ctrl, read by io once at
 * start. Strings are NUL-terminated and live as long as the program.
 */
#ifndef WEIR_NODE_H
#define WEIR_NODE_H

#include "weir/addr.h"
#include "weir/snapshot.h"

#define NODE_PORTS_MAX   16
#define NODE_ADDRS_MAX   16
#define NODE_ROUTES_MAX  64
#define NODE_SOURCES_MAX 16

struct node_prefix {
	struct ip_addr addr;
	uint8_t len; /* prefix length; of a v4-mapped address 96..128, so 10.0.0.0/8 is 104 */
};

struct node_route {
	struct node_prefix dst; /* len 0 (or 96 for IPv4): default route */
	struct ip_addr via;     /* next hop, on a prefix of the port */
	uint8_t port;           /* index into ports */
};

struct node_port {
	const char *name;   /* for people: "edge0" */
	const char *device; /* PCI address "0000:01:00.0" or vdev "net_af_packet0,iface=veth0" */
	uint16_t mtu;       /* bytes of IP packet */
	uint16_t vlan;      /* 0: untagged; 1..4094: every frame of the port carries this tag */
	uint16_t rx_queues; /* 0: one a worker where the device can, else 1 */
	uint16_t rx_descs, tx_descs;
	bool tso; /* let the device gather frames, and cut TCP segments, if it can */
	uint32_t n_addrs;
	struct node_prefix addrs[NODE_ADDRS_MAX]; /* address and its on-link prefix length */
};

struct node_limits {
	uint32_t conns;        /* TCP connections a worker, both sides together */
	uint32_t backlog;      /* half-open connections a worker before SYN cookies */
	uint32_t header_bytes; /* of one request or response head; 431 / 502 over it */
	uint32_t
		pending_requests; /* waiting for a connection, per endpoint and worker; 503 over it */
	uint32_t upstream_conns;             /* per endpoint and worker */
	uint32_t dests;                      /* slots for statistics: destinations of all routes */
	uint32_t endpoints;                  /* slots for endpoints, subsets and splits */
	uint32_t rcvbuf_bytes, sndbuf_bytes; /* per connection */
	uint32_t flows; /* connections of layer 4 a worker, and of splices; 0: no such listeners */
	uint32_t half_open_flows; /* of those, without an answer: more push out the oldest */
	uint32_t fragments;       /* datagrams in fragments that a worker follows at once */
};

struct node_times {
	uint64_t client_idle_us;   /* keep-alive connection without a request */
	uint64_t client_header_us; /* from first byte of a request to the end of its head */
	uint64_t upstream_idle_us; /* pooled connection */
	uint64_t stream_idle_us;   /* request or response body, or tunnel, without a byte */
	uint64_t drain_us;         /* bound on draining */
	uint64_t idle_sleep_us;    /* longest sleep of an idle worker; 0: poll always */
	/* of flows */
	uint64_t
		flow_idle_us; /* established TCP without a packet, unless the subset says otherwise */
	uint64_t flow_syn_us;    /* no answer to the first packet */
	uint64_t flow_fin_us;    /* one side has closed */
	uint64_t flow_closed_us; /* both have, or one has reset: its ports rest for so long */
	uint64_t udp_idle_us;    /* UDP without a packet */
	uint64_t
		dead_endpoint_us; /* the client sends and the endpoint does not answer: cut; 0: never */
};

/* When a proxied connection becomes a pair of rewritten flows (splice.h). */
#define NODE_SPLICE_NEVER UINT64_MAX

/* When the device forwards a flow alone. */
struct node_offload {
	uint8_t level;      /* enum offload_level: at most */
	uint64_t min_bytes; /* of one flow within window_us, in one direction */
	uint64_t window_us;
	uint32_t max_rules; /* a port; 0: as many as it takes */
};

/* What a device can do with a flow; each includes those before it. */
enum offload_level {
	OFFLOAD_NONE,
	OFFLOAD_MARK,    /* tell which flow a packet is of */
	OFFLOAD_STEER,   /* bring it to the worker that owns it */
	OFFLOAD_REWRITE, /* rewrite addresses and ports, and send it */
	OFFLOAD_SPLICE,  /* and sequence numbers */
	OFFLOAD_LEVELS,
};

struct node {
	uint32_t n_ports;
	uint32_t n_routes;
	uint32_t n_sources;
	uint32_t n_workers;
	uint16_t worker_cores[WEIR_WORKERS_MAX]; /* CPU numbers; one CPU may appear twice */
	struct node_port ports[NODE_PORTS_MAX];
	struct node_route routes[NODE_ROUTES_MAX];
	struct ip_addr
		sources[NODE_SOURCES_MAX]; /* for upstream connections; none: the port's own */
	uint16_t source_port_min, source_port_max; /* host order, inclusive */
	bool huge;                                 /* false: --no-huge */
	bool in_memory;                            /* --in-memory: leaves no files behind */
	uint32_t memory_mib;   /* EAL memory without hugepages, or a bound with them; 0: default */
	uint32_t mempool_bufs; /* packet buffers of the node; 0: computed from the limits */
	uint16_t buf_bytes;    /* data room of a packet buffer, without headroom */
	const char *file_prefix;
	const char *const *eal_args; /* extra EAL arguments, NULL-terminated; or NULL */
	struct node_limits limits;
	struct node_times times;
	uint64_t
		splice_bytes; /* longest rest of a body that is not worth it; 0: as early as possible;
	                          NODE_SPLICE_NEVER */
	bool timestamps;      /* of TCP: offered, and taken up */
	struct node_offload offload;
};

#endif
