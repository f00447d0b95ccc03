/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The commands and options of weirctl as tables: commands.def, options.def and exits.def in C. The
 * parser, the help texts, the manual pages and the completion scripts all read these.
 */
#ifndef WEIR_CLI_COMMAND_H
#define WEIR_CLI_COMMAND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum option {
#define OPTION(sym, letter, word, arg, scope, help) OPTION_##sym,
#include "options.def"
	OPTION_COUNT,
};

#define OPT(sym) (1u << OPTION_##sym)

enum exit_code {
#define EXIT(sym, code, help) WEIRCTL_##sym = (code),
#include "exits.def"
};

enum command_group {
	GROUP_DOCUMENTS,
	GROUP_TRAFFIC,
	GROUP_NODE,
	GROUP_OTHER,
	GROUP_COUNT,
};

struct option_row {
	char letter; /* 0: none */
	const char *word;
	const char *arg; /* NULL: a flag; "[X]": only as --word=X */
	const char *help;
};

struct exit_row {
	enum exit_code code;
	const char *help;
};

struct session;

struct command {
	const char *name;
	enum command_group group;
	const char *words;
	uint32_t options; /* bits OPT(x), the common ones included */
	const char *summary, *text, *examples;
	enum exit_code (*run)(struct session *s);
};

extern const struct option_row option_rows[OPTION_COUNT];
extern const struct exit_row exit_rows[];
extern const size_t exit_row_count;
extern const struct command command_rows[];
extern const size_t command_count;

/** Heading of a group of commands ("Documents"). */
const char *command_group_name(enum command_group group);

/** The command of that name, or NULL. */
const struct command *command_find(const char *name);

/** Does the command take this option? command may be NULL: the common options then. */
bool command_takes(const struct command *command, enum option option);

/** Does it take options other than the common ones? */
bool command_has_options(const struct command *command);

/** Is -f required: the command takes files and no words in their place? */
bool command_needs_file(const struct command *command);

/** Print the usage as a line: "weirctl get [OPTIONS] KIND [NAME]". */
void command_print_usage(const struct command *command, FILE *stream);

/** How many words a command needs and takes, read from its words. */
void command_words(const struct command *command, size_t *min, size_t *max);

/** What the user may have meant by an unknown command: the nearest name, or NULL. */
const char *command_suggest(const char *typed);

/** The same for an option word, without its dashes, among those that the command takes. */
const char *option_suggest(const struct command *command, const char *typed);

#endif
