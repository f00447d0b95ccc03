/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Completion scripts for bash, zsh and fish, written from the command table. What a word or an
 * argument completes to follows from its name there: KIND, NAME, FILE, ...
 */
#ifndef WEIR_CLI_COMPLETION_H
#define WEIR_CLI_COMPLETION_H

#include <stdbool.h>
#include <stdio.h>

/** Write the script for a shell; false when the shell is none of bash, zsh, fish. */
bool completion_write(const char *shell, FILE *stream);

#endif
