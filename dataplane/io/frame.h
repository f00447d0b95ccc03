/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A frame of core's as the mbuf that a driver sends, with what its device is asked to do:
 *
 *   net_tx      mbuf: header, payload
 *   net_piece    next: payload            each piece is an mbuf of the chain
 *   net_piece    next: payload
 */
#ifndef WEIR_IO_FRAME_H
#define WEIR_IO_FRAME_H

#include "net.h"

#include <rte_mbuf.h>

/**
 * @param port   index of the node's, kept in the mbuf
 * @param piece  the first of those that no frame has taken yet; moved on by the frame's
 * @return       the mbuf of tx->buf: the references to it and the pieces are its from now on
 */
struct rte_mbuf *frame_mbuf(const struct net_tx *tx, uint32_t port, const struct net_piece **piece);

/* What a frame is on the wire: a device that cuts it sends the header with each segment. */
struct frame_load {
	uint64_t pkts, bytes;
};

struct frame_load frame_load(const struct rte_mbuf *m);

#endif
