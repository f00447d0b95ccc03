/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The command line, checked against the tables of command.h: which command, its words, its options.
 *
 * Options may stand anywhere: -o json, -ojson, --output json, --output=json, bundled flags; "--"
 * ends them. A single "-" is a word (standard input).
 */
#ifndef WEIR_CLI_ARGS_H
#define WEIR_CLI_ARGS_H

#include "command.h"

struct args_given {
	enum option option;
	const char *value; /* NULL: a flag, or an optional argument that was not given */
};

struct args {
	const struct command *command; /* NULL: none named */
	size_t n_words, n_given;
	const char **words;
	struct args_given *given; /* in the order of the command line */
	char *split;              /* owns the words of a KIND/NAME */
};

/**
 * Read a command line.
 *
 * @param args  filled; points into argv; end with args_fini(), also after a failure
 * @param err   receives what is wrong, one or two lines without a newline at the end
 * @return      0, or -EINVAL
 */
int args_parse(struct args *args, int argc, char *const argv[], char *err, size_t err_size);
void args_fini(struct args *args);

/** Was the option given? */
bool args_has(const struct args *args, enum option option);

/** Its last value, or NULL when it was not given or has none. */
const char *args_value(const struct args *args, enum option option);

/** Its values one after the other: start with *at = 0; NULL after the last. */
const char *args_next(const struct args *args, enum option option, size_t *at);

/** A time such as "5", "1.5s", "500ms", "2m" in milliseconds; -1 if it is none or above a day. */
long args_time_ms(const char *text);

#endif
