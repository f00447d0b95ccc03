/* SPDX-License-Identifier: BSD-3-Clause */
#include "weir/offload.h"

struct row {
	const char *name, *help;
};

static const struct row fails[OFFLOAD_FAILS] = {
#define OFFLOAD_FAIL(sym, name, help) [OFFLOAD_FAIL_##sym] = {name, help},
#include "weir/offload.def"
};

static const struct row whys[OFFLOAD_WHYS] = {
#define OFFLOAD_WHY(sym, name, help) [OFFLOAD_WHY_##sym] = {name, help},
#include "weir/offload.def"
};

static const char *const levels[OFFLOAD_LEVELS] = {
	[OFFLOAD_NONE] = "none",       [OFFLOAD_MARK] = "mark",     [OFFLOAD_STEER] = "steer",
	[OFFLOAD_REWRITE] = "rewrite", [OFFLOAD_SPLICE] = "splice",
};

const char *offload_level_name(enum offload_level l)
{
	return (unsigned)l < OFFLOAD_LEVELS ? levels[l] : "?";
}

const char *offload_fail_name(enum offload_fail f)
{
	return (unsigned)f < OFFLOAD_FAILS ? fails[f].name : "?";
}

const char *offload_fail_help(enum offload_fail f)
{
	return (unsigned)f < OFFLOAD_FAILS ? fails[f].help : "?";
}

const char *offload_why_name(enum offload_why w)
{
	return (unsigned)w < OFFLOAD_WHYS ? whys[w].name : "?";
}

const char *offload_why_help(enum offload_why w)
{
	return (unsigned)w < OFFLOAD_WHYS ? whys[w].help : "?";
}

void offload_add(struct offload_counts *to, const struct offload_counts *counts)
{
	to->rules += counts->rules;
	to->room += counts->room;
	to->inserted += counts->inserted;
	for (int i = 0; i < OFFLOAD_FAILS; i++)
		to->failed[i] += counts->failed[i];
	for (int i = 0; i < OFFLOAD_WHYS; i++)
		to->removed[i] += counts->removed[i];
	to->pkts += counts->pkts;
	to->bytes += counts->bytes;
}
