/* SPDX-License-Identifier: BSD-3-Clause */
/* A data plane without packets, for tests of ctrl and weirctl: what dataplane.h says, and these. */
#ifndef WEIR_FAKE_DATAPLANE_H
#define WEIR_FAKE_DATAPLANE_H

#include "weir/dataplane.h"

/** The snapshot that was published last. */
const struct snapshot *fake_snapshot(void);

/** The figures of one worker, to be written by a test. */
struct worker_stats *fake_stats(uint32_t worker);

/** Route this many requests over the split of every route of the present snapshot, answered 200. */
void fake_requests(uint32_t n);

/** How long dataplane_in_effect() says no after a publish. */
void fake_set_delay_ms(uint32_t ms);

/** What dataplane_clients() says. */
void fake_set_clients(uint64_t n);

#endif
