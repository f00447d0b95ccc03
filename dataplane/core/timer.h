/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Timers: a hierarchical timing wheel (Varghese and Lauck, 1987) with intrusive nodes.
 *
 * Arming, re-arming and cancelling are constant time and allocate nothing. Resolution is
 * TIMER_TICK_US; a timer never fires early, and at most one tick late if the wheel is turned often
 * enough. The owner embeds a struct timer and finds itself back from it.
 */
#ifndef WEIR_TIMER_H
#define WEIR_TIMER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TIMER_TICK_US   1024
#define TIMER_LEVELS    4
#define TIMER_SLOT_BITS 8 /* 256 slots a level: 4 levels reach 2^32 ticks, 50 days */
#define TIMER_SLOTS     (1u << TIMER_SLOT_BITS)

struct timer {
	struct timer *next, **prev; /* prev == NULL: not armed */
	uint64_t deadline_us;
	uint32_t kind; /* the owner's: what kind of object it is embedded in */
	uint32_t pad;
};

struct timer_wheel {
	uint64_t now_tick;
	uint64_t armed;                               /* number of armed timers */
	struct timer *due;                            /* being fired by timer_turn() */
	uint64_t map[TIMER_LEVELS][TIMER_SLOTS / 64]; /* bit set: slot is not empty */
	struct timer *slots[TIMER_LEVELS][TIMER_SLOTS];
};

/** What fires. Called with the timer already disarmed; may arm or cancel any timer. */
typedef void timer_fn(void *arg, struct timer *t, uint64_t now_us);

void timer_init(struct timer_wheel *w, uint64_t now_us);

/** Arm, or move an armed timer to, deadline_us; a deadline in the past fires at the next turn. */
void timer_arm(struct timer_wheel *w, struct timer *t, uint64_t deadline_us);

/** Cancel; harmless when not armed. */
void timer_cancel(struct timer_wheel *w, struct timer *t);

static inline bool timer_armed(const struct timer *t)
{
	return t->prev != NULL;
}

/** Turn the wheel to now_us and call fn for each timer that is due. */
void timer_turn(struct timer_wheel *w, uint64_t now_us, timer_fn *fn, void *arg);

/**
 * A time before which timer_turn() fires nothing, so that sleeping until then delays no timer: at
 * most one tick after the next deadline, and earlier for a far one. UINT64_MAX when none is armed.
 */
uint64_t timer_next(const struct timer_wheel *w);

#endif
