/* SPDX-License-Identifier: BSD-3-Clause */
#include "pace.h"

uint64_t pace_due(const struct pace *p)
{
	return p->start + (uint64_t)((double)p->taken * p->period);
}

bool pace_take(struct pace *p, uint64_t now, uint64_t *due)
{
	*due = pace_due(p);
	if (*due > now)
		return false;
	p->taken++;
	return true;
}
