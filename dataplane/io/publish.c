/* SPDX-License-Identifier: BSD-3-Clause */
#include "publish.h"

#include "clock.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int publish_init(struct publish *p, uint32_t n_workers, struct snapshot *first)
{
	size_t bytes = rte_rcu_qsbr_get_memsize(n_workers);

	memset(p, 0, sizeof(*p));
	p->qsbr = aligned_alloc(LINE_APART, RTE_ALIGN_CEIL(bytes, (size_t)LINE_APART));
	if (!p->qsbr)
		return -ENOMEM;
	rte_rcu_qsbr_init(p->qsbr, n_workers);
	for (uint32_t w = 0; w < n_workers; w++)
		rte_rcu_qsbr_thread_register(p->qsbr, w);
	p->n_workers = n_workers;
	p->current = first;
	return 0;
}

void publish_begin(struct publish *p)
{
	p->tsc = rte_rdtsc();
}

void publish_fini(struct publish *p)
{
	struct retired *r = p->retired;

	while (r) {
		struct retired *next = r->next;

		free(r);
		r = next;
	}
	free(p->qsbr);
	memset(p, 0, sizeof(*p));
}

void publish_set(struct publish *p, struct snapshot *next)
{
	struct snapshot *was = p->current;
	struct retired *r = malloc(sizeof(*r));

	p->tsc = rte_rdtsc();
	__atomic_store_n(&p->current, next, __ATOMIC_RELEASE);
	if (!r) /* never released: its memory is lost, nothing else */
		return;
	*r = (struct retired){was, rte_rcu_qsbr_start(p->qsbr), p->retired};
	p->retired = r;
}

bool publish_in_effect(const struct publish *p, uint64_t generation)
{
	for (uint32_t w = 0; w < p->n_workers; w++)
		if (__atomic_load_n(&p->taken[w].generation, __ATOMIC_ACQUIRE) < generation)
			return false;
	return true;
}

uint64_t publish_effect_ns(const struct publish *p)
{
	uint64_t last = p->tsc;

	if (!publish_in_effect(p, p->current->generation))
		return 0;
	for (uint32_t w = 0; w < p->n_workers; w++)
		if (p->taken[w].tsc > last)
			last = p->taken[w].tsc;
	/* at least 1: 0 says "not yet" */
	return 1 + clock_ns(last - p->tsc);
}

static bool in_flight(const struct snapshot *s, uint32_t n_workers)
{
	for (uint32_t w = 0; w < n_workers; w++)
		if (__atomic_load_n(&s->inflight[w].requests, __ATOMIC_ACQUIRE))
			return true;
	return false;
}

bool publish_released(struct publish *p, const struct snapshot *old)
{
	struct retired **at = &p->retired, *r;

	if (old == p->current)
		return false;
	while (*at && (*at)->snapshot != old)
		at = &(*at)->next;
	r = *at;
	if (!r)
		return false;
	if (rte_rcu_qsbr_check(p->qsbr, r->token, false) != 1 || in_flight(old, p->n_workers))
		return false;
	*at = r->next;
	free(r);
	return true;
}
