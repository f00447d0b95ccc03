/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A hierarchical timing wheel (Varghese and Lauck, 1987), addressed by the bits of the deadline.
 *
 * A timer due at tick T lies on the level of the highest byte in which T differs from the current
 * tick, in the slot which that byte of T names. So, while the wheel stands at tick 0x0112:
 *
 *   level 0  [.. 12 .. 40 ..]   due at 0x01xx, this very tick
 *   level 1  [.. 02 .. ff ..]   due at 0xXXyy: spread over level 0 when the wheel reaches 0xXX00
 *   level 2, 3                  the same, 256 times coarser each
 *
 * Everything on a level is due before everything on the level above. A bit map of the slots in use
 * lets the wheel jump from one occupied slot to the next, so turning it over a long silence costs
 * the timers that were armed, not the time that passed. The last level is a ring: it reaches 255
 * slots ahead, and what is due later waits in its farthest slot and is placed again from there.
 *
 * A turn first collects all that is due into one list, in order, and then fires from its head, so a
 * callback may cancel or move any timer, also one that is about to fire.
 */
#include "timer.h"

#include <stddef.h>

#define LAST      (TIMER_LEVELS - 1)
#define SLOT_MASK (TIMER_SLOTS - 1)

/* A slot that has something in it and the tick at which the wheel has to look at it. */
struct stop {
	uint64_t tick;
	uint32_t level;
	uint32_t slot;
};

static uint32_t slot_of(uint64_t tick, uint32_t level)
{
	return (uint32_t)(tick >> (level * TIMER_SLOT_BITS)) & SLOT_MASK;
}

/* The first tick at which deadline_us has been reached. */
static uint64_t tick_of(uint64_t deadline_us)
{
	return deadline_us / TIMER_TICK_US + (deadline_us % TIMER_TICK_US != 0);
}

static void put_in_slot(struct timer_wheel *w, struct timer *t, uint32_t level, uint32_t slot)
{
	struct timer **head = &w->slots[level][slot];

	t->next = *head;
	if (t->next)
		t->next->prev = &t->next;
	t->prev = head;
	*head = t;
	w->map[level][slot / 64] |= 1ull << (slot % 64);
}

static void place(struct timer_wheel *w, struct timer *t)
{
	uint64_t tick = tick_of(t->deadline_us), last, ahead;
	uint32_t level;

	if (tick <= w->now_tick) {
		put_in_slot(w, t, 0, slot_of(w->now_tick, 0));
		return;
	}
	level = (63 - (uint32_t)__builtin_clzll(tick ^ w->now_tick)) / TIMER_SLOT_BITS;
	if (level < LAST) {
		put_in_slot(w, t, level, slot_of(tick, level));
		return;
	}
	last = w->now_tick >> (LAST * TIMER_SLOT_BITS);
	ahead = (tick >> (LAST * TIMER_SLOT_BITS)) - last;
	if (ahead > SLOT_MASK)
		ahead = SLOT_MASK;
	put_in_slot(w, t, LAST, (uint32_t)(last + ahead) & SLOT_MASK);
}

static void take_out(struct timer_wheel *w, struct timer *t)
{
	size_t at = (size_t)((uintptr_t)t->prev - (uintptr_t)w->slots);
	uint64_t *map = &w->map[0][0];

	*t->prev = t->next;
	if (t->next)
		t->next->prev = t->prev;
	else if (at < sizeof(w->slots)) /* it was the only one, and prev is the head of its slot */
		map[at / sizeof(void *) / 64] &= ~(1ull << (at / sizeof(void *) % 64));
	t->prev = NULL;
	w->armed--;
}

/* First occupied slot from `from` on, or TIMER_SLOTS. */
static uint32_t occupied_from(const uint64_t *map, uint32_t from)
{
	uint32_t i = from / 64;
	uint64_t bits;

	if (from >= TIMER_SLOTS)
		return TIMER_SLOTS;
	bits = map[i] & ~0ull << (from % 64);
	while (!bits && ++i < TIMER_SLOTS / 64)
		bits = map[i];
	return bits ? i * 64 + (uint32_t)__builtin_ctzll(bits) : TIMER_SLOTS;
}

/* The next slot that the wheel has to look at; false when no timer is armed. */
static bool next_stop(const struct timer_wheel *w, struct stop *s)
{
	uint64_t last = w->now_tick >> (LAST * TIMER_SLOT_BITS);
	uint32_t shift, slot;

	for (uint32_t level = 0; level < LAST; level++) {
		slot = occupied_from(w->map[level], slot_of(w->now_tick, level) + (level > 0));
		if (slot == TIMER_SLOTS)
			continue;
		shift = level * TIMER_SLOT_BITS;
		s->tick = ((w->now_tick >> shift & ~(uint64_t)SLOT_MASK) | slot) << shift;
		s->level = level;
		s->slot = slot;
		return true;
	}
	slot = occupied_from(w->map[LAST], (last & SLOT_MASK) + 1);
	if (slot == TIMER_SLOTS)
		slot = occupied_from(w->map[LAST], 0);
	if (slot == TIMER_SLOTS)
		return false;
	s->tick = (last + ((slot - last) & SLOT_MASK)) << (LAST * TIMER_SLOT_BITS);
	s->level = LAST;
	s->slot = slot;
	return true;
}

static struct timer *empty_slot(struct timer_wheel *w, const struct stop *s)
{
	struct timer *t = w->slots[s->level][s->slot];

	w->slots[s->level][s->slot] = NULL;
	w->map[s->level][s->slot / 64] &= ~(1ull << (s->slot % 64));
	return t;
}

/* Append a slot's list to the due list, whose last link is *tail; returns the new last link. */
static struct timer **append_due(struct timer **tail, struct timer *list)
{
	*tail = list;
	list->prev = tail;
	while (list->next)
		list = list->next;
	return &list->next;
}

static void collect_due(struct timer_wheel *w, uint64_t until)
{
	struct timer **tail = &w->due, *t, *next;
	struct stop s;

	while (next_stop(w, &s) && s.tick <= until) {
		w->now_tick = s.tick;
		t = empty_slot(w, &s);
		if (s.level == 0) {
			tail = append_due(tail, t);
			continue;
		}
		for (; t; t = next) {
			next = t->next;
			place(w, t);
		}
	}
	w->now_tick = until;
}

void timer_init(struct timer_wheel *w, uint64_t now_us)
{
	*w = (struct timer_wheel){.now_tick = now_us / TIMER_TICK_US};
}

void timer_arm(struct timer_wheel *w, struct timer *t, uint64_t deadline_us)
{
	timer_cancel(w, t);
	t->deadline_us = deadline_us;
	place(w, t);
	w->armed++;
}

void timer_cancel(struct timer_wheel *w, struct timer *t)
{
	if (timer_armed(t))
		take_out(w, t);
}

void timer_turn(struct timer_wheel *w, uint64_t now_us, timer_fn *fn, void *arg)
{
	uint64_t until = now_us / TIMER_TICK_US;
	struct timer *t;

	if (until < w->now_tick || w->armed == 0) {
		if (until > w->now_tick)
			w->now_tick = until;
		return;
	}
	collect_due(w, until);
	while ((t = w->due)) {
		take_out(w, t);
		fn(arg, t, now_us);
	}
}

uint64_t timer_next(const struct timer_wheel *w)
{
	struct stop s;

	if (!next_stop(w, &s))
		return UINT64_MAX;
	if (s.tick > UINT64_MAX / TIMER_TICK_US)
		return UINT64_MAX;
	return s.tick * TIMER_TICK_US;
}
