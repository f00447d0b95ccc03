/* SPDX-License-Identifier: BSD-3-Clause */
#include "manual.h"

#include "command.h"
#include "session.h"

#include <string.h>

#define ROFF_WIDTH  76 /* leaves room for escapes: mandoc -Tlint wants 80 at most */
#define MANUAL_DATE "November 23, 2026"

/* ---- mdoc --------------------------------------------------------------------------------- */

/* Print a word so that nothing in it means something to roff. */
static void roff_word(FILE *stream, const char *word, size_t len, bool at_start)
{
	if (at_start && strchr(".'", word[0]))
		fputs("\\&", stream);
	for (size_t i = 0; i < len; i++) {
		if (word[i] == '\\')
			fputs("\\e", stream);
		else
			fputc(word[i], stream);
	}
}

/* Text as mdoc(7) wants it: short lines, a new one for each sentence, .Pp between paragraphs. */
static void roff_text(FILE *stream, const char *text)
{
	size_t column = 0;

	while (*text) {
		size_t len = strcspn(text, " \n");

		if (column && column + 1 + len > ROFF_WIDTH) {
			fputc('\n', stream);
			column = 0;
		}
		fputs(column ? " " : "", stream);
		roff_word(stream, text, len, column == 0);
		column += len + 1;
		if (text[len] == '\n' || (text[len] == ' ' && text[len - 1] == '.')) {
			fputs(text[len] == '\n' ? "\n.Pp\n" : "\n", stream);
			column = 0;
		}
		text += len + strspn(text + len, " \n");
	}
	fputc('\n', stream);
}

static void mdoc_option(FILE *stream, enum option option)
{
	const struct option_row *row = &option_rows[option];

	fputs(".It", stream);
	if (row->letter)
		fprintf(stream, " Fl %c ,", row->letter);
	fprintf(stream, " Fl \\-%s", row->word);
	if (row->arg && row->arg[0] == '[')
		fprintf(stream, " Ns Op = Ns Ar %.*s", (int)strlen(row->arg) - 2, row->arg + 1);
	else if (row->arg)
		fprintf(stream, " Ar %s", row->arg);
	fputc('\n', stream);
	roff_text(stream, row->help);
}

static void mdoc_options(FILE *stream, const struct command *command, bool common)
{
	fputs(".Bl -tag -width Ds\n", stream);
	for (enum option i = 0; i < OPTION_COUNT; i++)
		if (command_takes(command, i) && command_takes(NULL, i) == common)
			mdoc_option(stream, i);
	fputs(".El\n", stream);
}

/* "KIND [NAME]" as arguments. */
static void mdoc_words(FILE *stream, const char *words)
{
	while (*words) {
		size_t len = strcspn(words, " ");

		if (words[0] == '[')
			fprintf(stream, " Oo Ar %.*s Oc", (int)len - 2, words + 1);
		else
			fprintf(stream, " Ar %.*s", (int)len, words);
		words += len + strspn(words + len, " ");
	}
}

static void mdoc_literal(FILE *stream, const char *text)
{
	fputs(".Bd -literal -offset indent\n", stream);
	for (bool at_start = true; *text; at_start = *text++ == '\n') {
		if (at_start && (*text == '.' || *text == '\''))
			fputs("\\&", stream);
		if (*text == '\\')
			fputs("\\e", stream);
		else
			fputc(*text, stream);
	}
	fputs(".Ed\n", stream);
}

static void mdoc_command(FILE *stream, const struct command *command)
{
	fprintf(stream, ".It Ic %s", command->name);
	if (command_needs_file(command))
		fputs(" Fl f Ar FILE", stream);
	mdoc_words(stream, command->words);
	fprintf(stream, "\n%s.\n.Pp\n", command->summary);
	roff_text(stream, command->text);
	if (command_has_options(command))
		mdoc_options(stream, command, false);
	mdoc_literal(stream, command->examples);
}

static void mdoc_head(FILE *stream)
{
	fputs(".\\\" SPDX-License-Identifier: BSD-3-Clause\n"
	      ".\\\" Made from the tables in ctrl/cli by weirctl-manual; do not edit.\n"
	      ".Dd " MANUAL_DATE "\n.Dt WEIRCTL 1\n.Os\n"
	      ".Sh NAME\n.Nm weirctl\n.Nd control the load balancer weir\n"
	      ".Sh SYNOPSIS\n.Nm\n.Ar command\n.Op Ar options\n.Op Ar words\n"
	      ".Sh DESCRIPTION\n.Nm\ntalks to the daemon\n.Xr weir 8\n"
	      "over its control socket: it applies and shows the routing documents,\n"
	      "explains where requests go, and prints what the daemon counts.\n"
	      "Options may stand anywhere after the command or before it.\n"
	      ".Pp\nThese options are common to all commands:\n",
	      stream);
	mdoc_options(stream, NULL, true);
}

void manual_write_mdoc(FILE *stream)
{
	mdoc_head(stream);
	for (enum command_group group = 0; group < GROUP_COUNT; group++) {
		fprintf(stream, ".Ss %s\n.Bl -tag -width Ds\n", command_group_name(group));
		for (size_t i = 0; i < command_count; i++)
			if (command_rows[i].group == group)
				mdoc_command(stream, &command_rows[i]);
		fputs(".El\n", stream);
	}
	fputs(".Sh ENVIRONMENT\n.Bl -tag -width WEIR_SOCKET\n"
	      ".It Ev WEIR_SOCKET\nControl socket of the daemon when\n.Fl \\-socket\nis not "
	      "given.\n"
	      ".It Ev NO_COLOR\nWhen set and not empty, no colours are used.\n"
	      "They are only ever used on a terminal.\n.El\n"
	      ".Sh FILES\n.Bl -tag -width Ds\n.It Pa " SESSION_SOCKET "\n"
	      "The default control socket.\n.El\n.Sh EXIT STATUS\n.Bl -tag -width Ds\n",
	      stream);
	for (size_t i = 0; i < exit_row_count; i++) {
		fprintf(stream, ".It %d\n", (int)exit_rows[i].code);
		roff_text(stream, exit_rows[i].help);
	}
	fputs(".El\n.Sh SEE ALSO\n.Xr weir.yaml 5 ,\n.Xr weir 8\n", stream);
}

/* ---- Markdown ----------------------------------------------------------------------------- */

/* Text in which <, | and * mean themselves. */
static void markdown_text(FILE *stream, const char *text)
{
	for (; *text; text++)
		fprintf(stream, "%s%c", strchr("<|*", *text) ? "\\" : "", *text);
}

static void markdown_options(FILE *stream, const struct command *command, bool common)
{
	fputs("| option | |\n|---|---|\n", stream);
	for (enum option i = 0; i < OPTION_COUNT; i++) {
		const struct option_row *row = &option_rows[i];

		if (!command_takes(command, i) || command_takes(NULL, i) != common)
			continue;
		fputs("| ", stream);
		if (row->letter)
			fprintf(stream, "`-%c`, ", row->letter);
		if (row->arg && row->arg[0] == '[')
			fprintf(stream, "`--%s[=%s`", row->word, row->arg + 1);
		else
			fprintf(stream, "`--%s%s%s`", row->word, row->arg ? " " : "",
			        row->arg ? row->arg : "");
		fputs(" | ", stream);
		markdown_text(stream, row->help);
		fputs(" |\n", stream);
	}
	fputc('\n', stream);
}

static void markdown_command(FILE *stream, const struct command *command)
{
	fprintf(stream, "### weirctl %s\n\n%s.\n\n```\n", command->name, command->summary);
	command_print_usage(command, stream);
	fputs("```\n\n", stream);
	markdown_text(stream, command->text);
	fputs("\n\n", stream);
	if (command_has_options(command))
		markdown_options(stream, command, false);
	fprintf(stream, "```sh\n%s```\n\n", command->examples);
}

void manual_write_markdown(FILE *stream)
{
	fputs("# weirctl\n\n"
	      "<!-- Made from the tables in ctrl/cli by weirctl-manual; do not edit. -->\n\n"
	      "`weirctl` talks to the daemon `weir` over its control socket "
	      "([protocol](control.md)): "
	      "it applies and shows the\nrouting documents, explains where requests go, and prints "
	      "what the daemon counts. Options may stand anywhere.\n\n"
	      "## Common options\n\n",
	      stream);
	markdown_options(stream, NULL, true);
	for (enum command_group group = 0; group < GROUP_COUNT; group++) {
		fprintf(stream, "## %s\n\n", command_group_name(group));
		for (size_t i = 0; i < command_count; i++)
			if (command_rows[i].group == group)
				markdown_command(stream, &command_rows[i]);
	}
	fputs("## Exit codes\n\n| code | |\n|---|---|\n", stream);
	for (size_t i = 0; i < exit_row_count; i++) {
		fprintf(stream, "| %d | ", (int)exit_rows[i].code);
		markdown_text(stream, exit_rows[i].help);
		fputs(" |\n", stream);
	}
	fputs("\n## Environment\n\n| variable | |\n|---|---|\n"
	      "| `WEIR_SOCKET` | Control socket of the daemon when `--socket` is not given |\n"
	      "| `NO_COLOR` | When set and not empty, no colours are used; they are only ever used "
	      "on a "
	      "terminal |\n",
	      stream);
}
