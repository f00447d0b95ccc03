/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * An engine for tests of io alone: the functions of worker.h, sending numbered frames through port 0
 * to itself (a port that loops back) and checking what arrives where.
 *
 * Frame: 14 bytes of Ethernet header, then struct echo_tag, then filling made from the number. A
 * frame is for one worker or, as ARP is, for every worker.
 */
#ifndef WEIR_TEST_ECHO_WORKER_H
#define WEIR_TEST_ECHO_WORKER_H

#include "weir/stats.h"

#define ECHO_FRAMES 20000 /* sent by each worker */
#define ECHO_EVERY  16    /* each 16th frame is for every worker */

/* What worker w saw; read it when its counters stand still. */
struct echo_seen {
	uint64_t sent;
	uint64_t own;     /* frames for this worker */
	uint64_t every;   /* frames for every worker */
	uint64_t foreign; /* frames for another worker: must be 0 */
	uint64_t damaged; /* must be 0 */
	bool draining;
};

const struct echo_seen *echo_seen(uint32_t worker);

#endif
