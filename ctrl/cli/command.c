/* SPDX-License-Identifier: BSD-3-Clause */
#include "command.h"

#include "session.h"

#include <string.h>

#define SCOPE_some   0
#define SCOPE_common 1

#define NAME_MAX_BYTES 32 /* longer than any name in the tables: nothing that long is a slip */

const struct option_row option_rows[OPTION_COUNT] = {
#define OPTION(sym, letter, word, arg, scope, help) [OPTION_##sym] = {letter, word, arg, help},
#include "options.def"
};

static const uint32_t common_options = 0
#define OPTION(sym, letter, word, arg, scope, help) | (SCOPE_##scope * OPT(sym))
#include "options.def"
	;

const struct exit_row exit_rows[] = {
#define EXIT(sym, code, help) {WEIRCTL_##sym, help},
#include "exits.def"
};
const size_t exit_row_count = sizeof(exit_rows) / sizeof(exit_rows[0]);

const struct command command_rows[] = {
#define COMMAND(name, group, words, options, summary, text, examples) \
	{#name, GROUP_##group, words, options, summary, text, examples, run_##name},
#include "commands.def"
};
const size_t command_count = sizeof(command_rows) / sizeof(command_rows[0]);

const char *command_group_name(enum command_group group)
{
	static const char *const names[GROUP_COUNT] = {
		[GROUP_DOCUMENTS] = "Documents",
		[GROUP_TRAFFIC] = "Traffic",
		[GROUP_NODE] = "Node",
		[GROUP_OTHER] = "Other",
	};

	return names[group];
}

const struct command *command_find(const char *name)
{
	for (size_t i = 0; i < command_count; i++)
		if (strcmp(command_rows[i].name, name) == 0)
			return &command_rows[i];
	return NULL;
}

bool command_takes(const struct command *command, enum option option)
{
	uint32_t taken = common_options | (command ? command->options : 0);

	return taken >> option & 1;
}

bool command_has_options(const struct command *command)
{
	return (command->options & ~common_options) != 0;
}

bool command_needs_file(const struct command *command)
{
	return command_takes(command, OPTION_FILE) && *command->words == '\0';
}

void command_print_usage(const struct command *command, FILE *stream)
{
	fprintf(stream, "weirctl %s%s%s%s%s\n", command->name,
	        command_needs_file(command) ? " -f FILE" : "",
	        command_has_options(command) ? " [OPTIONS]" : "", *command->words ? " " : "",
	        command->words);
}

void command_words(const struct command *command, size_t *min, size_t *max)
{
	bool at_start = true;

	*min = 0;
	*max = 0;
	for (const char *p = command->words; *p; p++) {
		if (at_start && *p != ' ') {
			*max += 1;
			*min += *p != '[';
		}
		at_start = *p == ' ';
	}
}

/*
 * Edit distance in which a swap of neighbours costs one, as typing errors go (optimal string
 * alignment). Both names are shorter than NAME_MAX_BYTES.
 */
static size_t edit_distance(const char *a, const char *b)
{
	size_t d[NAME_MAX_BYTES][NAME_MAX_BYTES];
	size_t n = strlen(a), m = strlen(b);

	for (size_t i = 0; i <= n; i++)
		d[i][0] = i;
	for (size_t j = 0; j <= m; j++)
		d[0][j] = j;
	for (size_t i = 1; i <= n; i++) {
		for (size_t j = 1; j <= m; j++) {
			size_t best = d[i - 1][j - 1] + (a[i - 1] != b[j - 1]);

			if (d[i - 1][j] + 1 < best)
				best = d[i - 1][j] + 1;
			if (d[i][j - 1] + 1 < best)
				best = d[i][j - 1] + 1;
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
			    d[i - 2][j - 2] + 1 < best)
				best = d[i - 2][j - 2] + 1;
			d[i][j] = best;
		}
	}
	return d[n][m];
}

/*
 * Keep the better of two guesses. Of two that are as near, the one of the typed length is better (a
 * slip of the finger swaps letters more often than it adds one); half the letters have to be right.
 */
static void consider(const char *typed, const char *name, const char **best, size_t *best_cost)
{
	size_t distance, cost;

	if (strlen(typed) >= NAME_MAX_BYTES)
		return;
	distance = edit_distance(typed, name);
	cost = distance * 2 + (strlen(typed) != strlen(name));
	if (cost < *best_cost && distance * 2 <= strlen(name)) {
		*best = name;
		*best_cost = cost;
	}
}

const char *command_suggest(const char *typed)
{
	const char *best = NULL;
	size_t cost = SIZE_MAX;

	for (size_t i = 0; i < command_count; i++)
		consider(typed, command_rows[i].name, &best, &cost);
	return best;
}

const char *option_suggest(const struct command *command, const char *typed)
{
	const char *best = NULL;
	size_t cost = SIZE_MAX;

	for (enum option i = 0; i < OPTION_COUNT; i++)
		if (command_takes(command, i))
			consider(typed, option_rows[i].word, &best, &cost);
	return best;
}
