/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The one pointer by which ctrl changes what the workers do, and the knowledge of when the old value
 * may go.
 *
 *   control:  store the new snapshot (release) -> start a grace period -> ask, never wait
 *   worker:   say "quiescent" -> load the pointer (acquire) -> use it for a turn -> say "quiescent" ...
 *
 * Invariant: a worker says "quiescent" before it loads the pointer, not after. A grace period that
 * began after the store then means that the load which followed saw the new value.
 *
 * A snapshot is released when it is not the current one, its grace period is over and no worker counts
 * a request in flight under it.
 */
#ifndef WEIR_IO_PUBLISH_H
#define WEIR_IO_PUBLISH_H

#include "weir/line.h"
#include "weir/snapshot.h"

#include <rte_rcu_qsbr.h>

/* Replaced snapshots that are not released yet. */
struct retired {
	const struct snapshot *snapshot;
	uint64_t token; /* of its grace period */
	struct retired *next;
};

/* What a worker writes for the control thread. */
struct taken {
	alignas(LINE_APART) uint64_t generation; /* worker: w, ctrl: r; written last */
	uint64_t tsc;                            /* when it was first used */
};

/* What workers read once a turn is one line, which changes with a publication and not otherwise. */
struct publish {
	alignas(LINE_APART) struct snapshot *current; /* ctrl: w, workers: r */
	struct rte_rcu_qsbr *qsbr;
	uint32_t n_workers;
	alignas(LINE_APART) uint64_t tsc; /* of the last publication; from here on ctrl's own */
	struct retired *retired;
	struct taken taken[WEIR_WORKERS_MAX];
};

static_assert(offsetof(struct publish, tsc) >= LINE_APART, "ctrl's own beside what workers read");
static_assert(offsetof(struct publish, taken) % LINE_APART == 0 &&
                      sizeof(struct taken) == LINE_APART,
              "each worker writes its own");

/** Returns 0 or -ENOMEM. */
int publish_init(struct publish *p, uint32_t n_workers, struct snapshot *first);

/** The workers are about to run: the first snapshot counts as published now. */
void publish_begin(struct publish *p);

void publish_fini(struct publish *p);

/* ---- control thread ---- */

void publish_set(struct publish *p, struct snapshot *next);
bool publish_in_effect(const struct publish *p, uint64_t generation);
uint64_t publish_effect_ns(const struct publish *p);
bool publish_released(struct publish *p, const struct snapshot *old);

/* ---- worker w ---- */

/** The worker begins; between publish_enter() and publish_leave() it must take turns. */
static inline void publish_enter(struct publish *p, uint32_t w)
{
	rte_rcu_qsbr_thread_online(p->qsbr, w);
}

/** The worker holds no snapshot until it enters again: before a sleep and at the end. */
static inline void publish_leave(struct publish *p, uint32_t w)
{
	rte_rcu_qsbr_thread_offline(p->qsbr, w);
}

/** At the top of a turn: nothing of the last turn is in use, give me what is to be used now. */
static inline struct snapshot *publish_turn(struct publish *p, uint32_t w)
{
	rte_rcu_qsbr_quiescent(p->qsbr, w);
	return __atomic_load_n(&p->current, __ATOMIC_ACQUIRE);
}

/** The worker uses this generation from now (tsc) on. */
static inline void publish_took(struct publish *p, uint32_t w, uint64_t generation, uint64_t tsc)
{
	p->taken[w].tsc = tsc;
	__atomic_store_n(&p->taken[w].generation, generation, __ATOMIC_RELEASE);
}

#endif
