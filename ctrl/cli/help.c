/* SPDX-License-Identifier: BSD-3-Clause */
#include "help.h"

#include "session.h"
#include "terminal.h"

#include <stdio.h>
#include <string.h>

#define WIDTH         79
#define COMMAND_WIDTH 12 /* of the names in the list of commands */
#define OPTION_WIDTH  26 /* of "-n, --namespace NS" */

void help_fill(FILE *stream, const char *text, size_t indent)
{
	size_t column = indent;

	while (*text) {
		size_t len = strcspn(text, " \n");

		if (column > indent && column + 1 + len > WIDTH) {
			fprintf(stream, "\n%*s", (int)indent, "");
			column = indent;
		}
		column += (size_t)fprintf(stream, "%s%.*s", column > indent ? " " : "", (int)len,
		                          text);
		text += len;
		if (*text == '\n') { /* they come in pairs: the paragraph ends */
			fprintf(stream, "\n\n%*s", (int)indent, "");
			column = indent;
		}
		text += strspn(text, " \n");
	}
	fputc('\n', stream);
}

static void heading(FILE *stream, const char *text)
{
	fprintf(stream, "\n%s%s%s\n", terminal_colour(stream, COLOUR_BOLD), text,
	        terminal_colour(stream, COLOUR_NONE));
}

static void print_option(FILE *stream, enum option option)
{
	const struct option_row *row = &option_rows[option];
	char left[64], letter[8] = "    ";

	if (row->letter)
		snprintf(letter, sizeof(letter), "-%c, ", row->letter);
	if (row->arg && row->arg[0] == '[')
		snprintf(left, sizeof(left), "%s--%s[=%s", letter, row->word, row->arg + 1);
	else
		snprintf(left, sizeof(left), "%s--%s%s%s", letter, row->word, row->arg ? " " : "",
		         row->arg ? row->arg : "");
	fprintf(stream, "  %-*s", OPTION_WIDTH, left);
	help_fill(stream, row->help, OPTION_WIDTH + 2);
}

static void print_options(FILE *stream, const struct command *command, bool common)
{
	for (enum option i = 0; i < OPTION_COUNT; i++)
		if (command_takes(command, i) && command_takes(NULL, i) == common)
			print_option(stream, i);
}

static void print_examples(FILE *stream, const char *text)
{
	while (*text) {
		size_t len = strcspn(text, "\n");

		fprintf(stream, "  %s%.*s%s\n",
		        text[0] == '#' ? terminal_colour(stream, COLOUR_DIM) : "", (int)len, text,
		        text[0] == '#' ? terminal_colour(stream, COLOUR_NONE) : "");
		text += len + 1;
	}
}

static void print_command(const struct command *command, FILE *stream)
{
	fputs("Usage: ", stream);
	command_print_usage(command, stream);
	fputc('\n', stream);
	fprintf(stream, "%s%s.%s\n\n", terminal_colour(stream, COLOUR_BOLD), command->summary,
	        terminal_colour(stream, COLOUR_NONE));
	help_fill(stream, command->text, 0);
	if (command_has_options(command)) {
		heading(stream, "Options");
		print_options(stream, command, false);
	}
	heading(stream, "Common options");
	print_options(stream, command, true);
	heading(stream, "Examples");
	print_examples(stream, command->examples);
}

static void print_overview(FILE *stream)
{
	fputs("Usage: weirctl COMMAND [OPTIONS] [WORDS]\n\n"
	      "Controls the load balancer weir: what it routes, and what it does.\n",
	      stream);
	for (enum command_group group = 0; group < GROUP_COUNT; group++) {
		heading(stream, command_group_name(group));
		for (size_t i = 0; i < command_count; i++)
			if (command_rows[i].group == group)
				fprintf(stream, "  %-*s%s\n", COMMAND_WIDTH, command_rows[i].name,
				        command_rows[i].summary);
	}
	heading(stream, "Common options");
	print_options(stream, NULL, true);
	heading(stream, "Exit codes");
	for (size_t i = 0; i < exit_row_count; i++) {
		fprintf(stream, "  %-3d", (int)exit_rows[i].code);
		help_fill(stream, exit_rows[i].help, 5);
	}
	fputs("\n\"weirctl help COMMAND\" says more about a command.\n", stream);
}

void help_print(const struct command *command, FILE *stream)
{
	if (command)
		print_command(command, stream);
	else
		print_overview(stream);
}

enum exit_code run_help(struct session *s)
{
	const struct command *command = NULL;
	const char *name, *near;

	if (s->args.n_words) {
		name = s->args.words[0];
		command = command_find(name);
		if (!command) {
			near = command_suggest(name);
			return near ? session_misused(
					      "unknown command \"%.64s\"; did you mean \"%s\"?",
					      name, near)
			            : session_misused("unknown command \"%.64s\"", name);
		}
	}
	help_print(command, stdout);
	return WEIRCTL_OK;
}
