/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Where a received packet ends: the enum, names and help texts of drops.def.
 *
 * "drop" is the field's word for it, but the list holds the good ends too, so that
 * received = sum of ends is an identity that a test can check.
 */
#ifndef WEIR_DROPS_H
#define WEIR_DROPS_H

enum drop {
#define DROP(sym, class, help) DROP_##sym,
#include "weir/drops.def"
	DROP_COUNT,
};

enum drop_class {
	DROP_CLASS_ok,
	DROP_CLASS_bad,
	DROP_CLASS_ours,
	DROP_CLASS_full,
};

/** Short stable name of an end ("TCP_IN"), for logs, metrics and tests; never NULL. */
const char *drop_name(enum drop why);

/** One sentence for people; never NULL. */
const char *drop_help(enum drop why);

/** Which class an end belongs to. */
enum drop_class drop_class(enum drop why);

#endif
