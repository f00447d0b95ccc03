/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Frames between workers: one single-producer, single-consumer ring for each pair that needs it.
 *
 *   worker 0 (polls the queue) --in---> worker 1, 2   received frames for the worker that owns them
 *   worker 1, 2                --out--> worker 0      frames to be sent by who owns the send queue
 *
 * A ring of its own for each pair needs no atomic operation that waits for another thread, so two
 * workers on one CPU cannot hold each other up. Nothing is ever waited for: a full ring is a drop.
 */
#ifndef WEIR_IO_HANDOFF_H
#define WEIR_IO_HANDOFF_H

#include "weir/snapshot.h"

#include <rte_ring.h>

#define HANDOFF_RING_FRAMES 2048

enum handoff_kind {
	HANDOFF_IN,  /* struct buf *: view over a received frame */
	HANDOFF_OUT, /* struct rte_mbuf *: ready to be sent on the port in mbuf->port */
	HANDOFF_KINDS,
};

struct handoff {
	uint32_t n_workers;
	struct rte_ring *rings[HANDOFF_KINDS][WEIR_WORKERS_MAX][WEIR_WORKERS_MAX]; /* [from][to] */
};

/**
 * Make the ring from one worker to another unless it is there.
 *
 * @param socket  where its memory is to be, if there is any: that of the worker which empties it
 * @return        0 or -errno
 */
int handoff_connect(struct handoff *h, enum handoff_kind kind, uint32_t from, uint32_t to,
                    int socket);

/** Free the rings; what still lies in them goes back to its pool. */
void handoff_fini(struct handoff *h);

#endif
