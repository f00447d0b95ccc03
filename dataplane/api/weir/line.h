/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Cache lines. What one thread writes while others use what lies beside it costs all of them: the line goes
 * back and forth. So what has different writers lies on different lines, and what several threads write all
 * the time lies so far apart that no processor fetches the one when it is asked for the other.
 * tools/cachelines.sh looks at every struct that threads share, in the object files.
 */
#ifndef WEIR_LINE_H
#define WEIR_LINE_H

#include <stdalign.h>

#define LINE_BYTES 64
/*
 * Processors may fetch lines in pairs (Intel 64 and IA-32 Architectures Optimization Reference Manual,
 * "Spatial Prefetcher").
 */
#define LINE_APART 128

#endif
