/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The sending half of a network card in software: it gathers frames out of their buffers, cuts those that are to
 * be cut, and fills in the checksums that it is asked for. Slow and obvious.
 *
 * It does what cards do and no more: it takes the sum of the pseudo-header that it finds, and an IPv4 header
 * checksum that it was not asked for has to be right already. It refuses what cards cannot send.
 */
#ifndef WEIR_TESTS_MODEL_SEND_H
#define WEIR_TESTS_MODEL_SEND_H

#include "net.h"

/** A frame goes out; i counts those of one entry from 0. */
typedef void (*model_send_fn)(void *arg, uint32_t i, const uint8_t *frame, uint32_t len);

/**
 * What is sent for an entry of net_out.
 *
 * @param piece  its first one
 * @param bufs   of one frame that is to be cut, at most
 * @return       false: no card could send it (said on stderr)
 */
bool model_send(const struct net_tx *tx, const struct net_piece *piece, uint32_t bufs,
                model_send_fn each, void *arg);

#endif
