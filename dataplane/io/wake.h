/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What ends the sleep of an idle worker: a frame on one of its queues, or another thread's bell.
 *
 *   queue with receive interrupts --> epoll of the worker's thread --+
 *   queue that is a socket (AF_PACKET, AF_XDP) ----------------------+--> one ppoll()
 *   rings of other workers, publication, drain, end --> bell --------+
 *
 * The drivers of AF_PACKET and AF_XDP offer no interrupts, but their queues are sockets of this process, which
 * the kernel lets poll: readable while the ring that the driver reads has a frame. They are looked
 * for by family and interface among the open files; nothing is read from them here. A queue for which
 * nothing is found (memif, ring) leaves the worker to sleeps that only time ends.
 *
 * Waiting costs the packet path nothing: who is not asleep is not waited for, and a bell costs its ringer a
 * fence and a load.
 */
#ifndef WEIR_IO_WAKE_H
#define WEIR_IO_WAKE_H

#include <poll.h>
#include <stdalign.h>
#include <stdbool.h>
#include <stdint.h>

#define WAKE_QUEUES_MAX 64

/* A device queue to be woken by. */
struct wake_queue {
	uint16_t port_id; /* of ethdev */
	uint16_t queue;
	bool interrupts; /* the device has them */
};

struct wake {
	alignas(64) bool asleep; /* worker: w, who rings: r */
	int bell;                /* eventfd */
	alignas(64) uint32_t n_fds;
	uint32_t n_queues;
	int epoll; /* of queues with interrupts, then fds[1]; -1: there are none */
	struct pollfd fds[WAKE_QUEUES_MAX + 2];
	struct wake_queue queues[WAKE_QUEUES_MAX];
};

/** Before any thread rings. Returns 0 or -errno. */
int wake_init(struct wake *w);

void wake_fini(struct wake *w);

/**
 * Find what to wait for. In the thread of the worker, once the ports are started.
 *
 * @param alone  no other worker polls queues: a socket that does not say whose it is is ours
 * @return       false when a queue has nothing to wait for
 */
bool wake_listen(struct wake *w, const struct wake_queue *queues, uint32_t n, bool alone);

/**
 * The worker is about to wait: from here on frames and bells end it. Then look once more at every source, and
 * either wait or give up; wake_ready() ends both.
 */
void wake_prepare(struct wake *w);

/** Wait for at most so many microseconds. Returns true when something ended it before. */
bool wake_wait(struct wake *w, uint64_t us);

void wake_ready(struct wake *w);

/** Any thread, after it has stored what the worker is to find: end its wait, if it waits. */
void wake_ring(struct wake *w);

#endif
