/* SPDX-License-Identifier: BSD-3-Clause */
#include "pick.h"

const struct dest *pick_next(struct split_state *st, const struct split *s, uint32_t worker)
{
	if (st->epoch != s->slot.epoch) {
		st->epoch = s->slot.epoch;
		st->cursor = pick_start(worker, s->n_table);
	}
	const struct dest *d = &s->dests[s->table[st->cursor]];

	st->cursor = st->cursor + 1 < s->n_table ? st->cursor + 1 : 0;
	return d;
}
