/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Unified diff of two texts, line by line.
 */
#ifndef WEIR_CLI_DIFF_H
#define WEIR_CLI_DIFF_H

#include <stdio.h>

/**
 * Print the difference with three lines of context, coloured on a terminal; nothing when the texts
 * are equal.
 *
 * @param path  stands in the heading: "--- live/PATH", "+++ files/PATH"; an empty text is /dev/null
 * @return      0 or -ENOMEM
 *
 * The shortest edit script, unless the texts differ in more than DIFF_CELLS_MAX pairs of lines: then
 * everything between the first and the last difference counts as changed.
 */
int diff_print(const char *path, const char *before, const char *after, FILE *stream);

#define DIFF_CELLS_MAX (16u << 20)

#endif
