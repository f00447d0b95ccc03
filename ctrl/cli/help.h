/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Help texts from the command table, for the terminal.
 */
#ifndef WEIR_CLI_HELP_H
#define WEIR_CLI_HELP_H

#include "command.h"

#include <stdio.h>

/** Print the help of a command; NULL: the list of commands. */
void help_print(const struct command *command, FILE *stream);

/**
 * Print text filled to 79 columns, with a newline at the end.
 *
 * @param text    paragraphs, parted by an empty line
 * @param indent  column where the cursor stands, and where every further line begins
 */
void help_fill(FILE *stream, const char *text, size_t indent);

#endif
