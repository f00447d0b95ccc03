/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * weirctl(1) and docs/reference/weirctl.md, written from the command table.
 */
#ifndef WEIR_CLI_MANUAL_H
#define WEIR_CLI_MANUAL_H

#include <stdio.h>

/** The manual page, mdoc(7). */
void manual_write_mdoc(FILE *stream);

/** The reference page, Markdown. */
void manual_write_markdown(FILE *stream);

#endif
