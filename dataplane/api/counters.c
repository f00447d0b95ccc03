/* SPDX-License-Identifier: BSD-3-Clause */
#include "weir/stats.h"

enum kind {
	KIND_counter,
	KIND_gauge,
};

static const struct {
	const char *name;
	const char *help;
	enum kind kind;
} rows[COUNTER_COUNT] = {
#define COUNTER(sym, kind, help) [COUNT_##sym] = {#sym, help, KIND_##kind},
#include "weir/counters.def"
};

const char *counter_name(enum counter c)
{
	return (unsigned)c < COUNTER_COUNT ? rows[c].name : "?";
}

const char *counter_help(enum counter c)
{
	return (unsigned)c < COUNTER_COUNT ? rows[c].help : "?";
}

bool counter_is_gauge(enum counter c)
{
	return (unsigned)c < COUNTER_COUNT && rows[c].kind == KIND_gauge;
}
