/* SPDX-License-Identifier: BSD-3-Clause */
#include "weir/drops.h"

static const struct {
	const char *name;
	const char *help;
	enum drop_class class;
} rows[DROP_COUNT] = {
#define DROP(sym, class, help) [DROP_##sym] = {#sym, help, DROP_CLASS_##class},
#include "weir/drops.def"
};

const char *drop_name(enum drop why)
{
	return (unsigned)why < DROP_COUNT ? rows[why].name : "?";
}

const char *drop_help(enum drop why)
{
	return (unsigned)why < DROP_COUNT ? rows[why].help : "?";
}

enum drop_class drop_class(enum drop why)
{
	return (unsigned)why < DROP_COUNT ? rows[why].class : DROP_CLASS_bad;
}
