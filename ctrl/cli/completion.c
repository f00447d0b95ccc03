/* SPDX-License-Identifier: BSD-3-Clause */
#include "completion.h"

#include "command.h"
#include "session.h"

#include <string.h>

/* Fixed choices of a word or an argument, by its name in the tables. */
static const struct choice {
	const char *word, *values;
} choices[] = {
	{"KIND", "virtualservice destinationrule gateway serviceentry workloadentry all"},
	{"METHOD", "GET HEAD POST PUT DELETE PATCH OPTIONS"},
	{"SHELL", "bash zsh fish"},
	{"FORMAT", "text json yaml wide name"},
};

#define CHOICES (sizeof(choices) / sizeof(choices[0]))

/* What a word of this name may be, or NULL. */
static const char *choice_of(const char *word, size_t len)
{
	for (size_t i = 0; i < CHOICES; i++)
		if (strlen(choices[i].word) == len && memcmp(choices[i].word, word, len) == 0)
			return choices[i].values;
	return NULL;
}

static bool is_path(const char *word)
{
	return strcmp(word, "FILE") == 0 || strcmp(word, "PATH") == 0;
}

/* The n-th word of a command without its brackets; its length, or 0 when there is none. */
static size_t word_at(const struct command *command, size_t n, const char **word)
{
	const char *p = command->words;

	for (; n; n--)
		p += strcspn(p, " ") + (strchr(p, ' ') != NULL);
	p += *p == '[';
	*word = p;
	return strcspn(p, " ]");
}

/* ---- bash --------------------------------------------------------------------------------- */

static const char bash_head[] =
	"# bash completion for weirctl; made by \"weirctl completion bash\"\n"
	"_weirctl() {\n"
	"\tlocal cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]}\n"
	"\tlocal command='' kind='' options='' word i n=0\n"
	"\tlocal -a words=() with=()\n"
	"\tfor ((i = 1; i < COMP_CWORD; i++)); do\n"
	"\t\tword=${COMP_WORDS[i]}\n"
	"\t\tcase $word in\n"
	"\t\t-n | --namespace | -s | --socket) with+=(\"$word\" \"${COMP_WORDS[++i]}\") ;;\n";

static const char bash_words[] = "\t\t-*) ;;\n"
				 "\t\t*)\n"
				 "\t\t\tif [[ -z $command ]]; then\n"
				 "\t\t\t\tcommand=$word\n"
				 "\t\t\telse\n"
				 "\t\t\t\t[[ $n == 0 ]] && kind=$word\n"
				 "\t\t\t\t((n++))\n"
				 "\t\t\tfi\n"
				 "\t\t\t;;\n"
				 "\t\tesac\n"
				 "\tdone\n"
				 "\tcase $command in\n";

static const char bash_tail[] =
	"\tif [[ $cur == -* ]]; then\n"
	"\t\tmapfile -t COMPREPLY < <(compgen -W \"$options\" -- \"$cur\")\n"
	"\t\treturn\n"
	"\tfi\n"
	"\tcase ${words[n]:-} in\n"
	"\tNAME)\n"
	"\t\tmapfile -t COMPREPLY < <(compgen -W \"$(weirctl get \"$kind\" -t 1 -o name "
	"\"${with[@]}\" 2>/dev/null | sed 's|.*/||')\" -- \"$cur\")\n"
	"\t\t;;\n"
	"\tROUTE)\n"
	"\t\tmapfile -t COMPREPLY < <(compgen -W \"$(weirctl stats -t 1 -o name \"${with[@]}\" "
	"2>/dev/null)\" -- \"$cur\")\n"
	"\t\t;;\n";

static void bash_options(FILE *stream, const struct command *command)
{
	for (enum option i = 0; i < OPTION_COUNT; i++)
		if (command_takes(command, i))
			fprintf(stream, " --%s", option_rows[i].word);
}

static void bash_commands(FILE *stream)
{
	fputs("\t'')\n\t\twords=(COMMAND)\n\t\toptions='", stream);
	bash_options(stream, NULL);
	fputs("'\n\t\t;;\n", stream);
	for (size_t i = 0; i < command_count; i++) {
		const char *word;
		size_t len;

		fprintf(stream, "\t%s)\n\t\toptions='", command_rows[i].name);
		bash_options(stream, &command_rows[i]);
		fputs("'\n\t\twords=(", stream);
		for (size_t n = 0; (len = word_at(&command_rows[i], n, &word)); n++)
			fprintf(stream, "%s%.*s", n ? " " : "", (int)len, word);
		fputs(")\n\t\t;;\n", stream);
	}
	fputs("\tesac\n", stream);
}

/* Options with an argument: to be skipped over, and what completes the argument. */
static void bash_skips(FILE *stream)
{
	for (enum option i = 0; i < OPTION_COUNT; i++) {
		const struct option_row *row = &option_rows[i];

		if (row->arg && row->arg[0] != '[' && i != OPTION_NAMESPACE && i != OPTION_SOCKET)
			fprintf(stream, "\t\t-%c | --%s) ((i++)) ;;\n", row->letter, row->word);
	}
}

static void bash_arguments(FILE *stream)
{
	fputs("\tcase $prev in\n", stream);
	for (enum option i = 0; i < OPTION_COUNT; i++) {
		const struct option_row *row = &option_rows[i];

		if (!row->arg || row->arg[0] == '[')
			continue;
		fprintf(stream, "\t-%c | --%s)\n", row->letter, row->word);
		if (is_path(row->arg))
			fputs("\t\tmapfile -t COMPREPLY < <(compgen -f -- \"$cur\")\n", stream);
		if (choice_of(row->arg, strlen(row->arg)))
			fprintf(stream,
			        "\t\tmapfile -t COMPREPLY < <(compgen -W '%s' -- \"$cur\")\n",
			        choice_of(row->arg, strlen(row->arg)));
		fputs("\t\treturn\n\t\t;;\n", stream);
	}
	fputs("\tesac\n", stream);
}

static void write_bash(FILE *stream)
{
	fputs(bash_head, stream);
	bash_skips(stream);
	fputs(bash_words, stream);
	bash_commands(stream);
	bash_arguments(stream);
	fputs(bash_tail, stream);
	fputs("\tCOMMAND) mapfile -t COMPREPLY < <(compgen -W '", stream);
	for (size_t i = 0; i < command_count; i++)
		fprintf(stream, "%s%s", i ? " " : "", command_rows[i].name);
	fputs("' -- \"$cur\") ;;\n", stream);
	for (size_t i = 0; i < CHOICES; i++)
		fprintf(stream, "\t%s) mapfile -t COMPREPLY < <(compgen -W '%s' -- \"$cur\") ;;\n",
		        choices[i].word, choices[i].values);
	fputs("\tesac\n}\ncomplete -o filenames -F _weirctl weirctl\n", stream);
}

/* ---- zsh ---------------------------------------------------------------------------------- */

/* Text within '...[text]': quotes, brackets and colons mean something there. */
static void zsh_text(FILE *stream, const char *text)
{
	for (; *text; text++) {
		if (*text == '\'')
			fputs("'\\''", stream);
		else
			fprintf(stream, "%s%c", strchr("[]:\\", *text) ? "\\" : "", *text);
	}
}

/* What completes a word or an argument of this name. */
static void zsh_action(FILE *stream, const char *word, size_t len)
{
	static const struct {
		const char *word, *action;
	} actions[] = {
		{"FILE", "_files"},
		{"PATH", "_files"},
		{"NAME", "_weirctl_names"},
		{"ROUTE", "_weirctl_routes"},
		{"COMMAND", "_weirctl_commands"},
	};

	fprintf(stream, ":%.*s:", (int)len, word);
	if (choice_of(word, len))
		fprintf(stream, "(%s)", choice_of(word, len));
	for (size_t i = 0; i < sizeof(actions) / sizeof(actions[0]); i++)
		if (strlen(actions[i].word) == len && memcmp(actions[i].word, word, len) == 0)
			fputs(actions[i].action, stream);
}

static void zsh_option(FILE *stream, enum option option)
{
	const struct option_row *row = &option_rows[option];
	bool many = option == OPTION_FILE || option == OPTION_HEADER;
	bool optional = row->arg && row->arg[0] == '[';

	fputs(" \\\n\t\t\t", stream);
	if (row->letter)
		fprintf(stream, "%s{-%c,--%s%s}'[", many ? "'*'" : "", row->letter, row->word,
		        optional ? "=-" : "");
	else
		fprintf(stream, "'--%s[", row->word);
	zsh_text(stream, row->help);
	fputc(']', stream);
	if (optional)
		fprintf(stream, "::%.*s:", (int)strlen(row->arg) - 2, row->arg + 1);
	else if (row->arg)
		zsh_action(stream, row->arg, strlen(row->arg));
	fputc('\'', stream);
}

static void zsh_command(FILE *stream, const struct command *command)
{
	const char *word;
	size_t len;

	fprintf(stream, "\t%s)\n\t\t_arguments -s", command->name);
	for (enum option i = 0; i < OPTION_COUNT; i++)
		if (command_takes(command, i))
			zsh_option(stream, i);
	for (size_t n = 0; (len = word_at(command, n, &word)); n++) {
		fprintf(stream, " \\\n\t\t\t'%zu", n + 1);
		zsh_action(stream, word, len);
		fputc('\'', stream);
	}
	fputs("\n\t\t;;\n", stream);
}

static void write_zsh(FILE *stream)
{
	fputs("#compdef weirctl\n# zsh completion for weirctl; made by \"weirctl completion "
	      "zsh\"\n\n"
	      "_weirctl_commands() {\n\tlocal -a commands=(\n",
	      stream);
	for (size_t i = 0; i < command_count; i++) {
		fprintf(stream, "\t\t'%s:", command_rows[i].name);
		zsh_text(stream, command_rows[i].summary);
		fputs("'\n", stream);
	}
	fputs("\t)\n\t_describe command commands\n}\n\n"
	      "_weirctl_names() {\n"
	      "\tcompadd -- ${(f)\"$(weirctl get $line[1] -t 1 -o name 2>/dev/null | sed "
	      "'s|.*/||')\"}\n"
	      "}\n\n"
	      "_weirctl_routes() {\n"
	      "\tcompadd -- ${(f)\"$(weirctl stats -t 1 -o name 2>/dev/null)\"}\n"
	      "}\n\n"
	      "_weirctl() {\n"
	      "\tlocal -a line\n"
	      "\tif ((CURRENT == 2)); then\n\t\t_weirctl_commands\n\t\treturn\n\tfi\n"
	      "\tlocal command=$words[2]\n"
	      "\tshift words\n"
	      "\t((CURRENT--))\n"
	      "\tcase $command in\n",
	      stream);
	for (size_t i = 0; i < command_count; i++)
		zsh_command(stream, &command_rows[i]);
	fputs("\tesac\n}\n\nif [[ $zsh_eval_context[-1] == loadautofunc ]]; then\n"
	      "\t_weirctl \"$@\"\nelse\n\tcompdef _weirctl weirctl\nfi\n",
	      stream);
}

/* ---- fish --------------------------------------------------------------------------------- */

static void fish_text(FILE *stream, const char *text)
{
	fputc('\'', stream);
	for (; *text; text++)
		fprintf(stream, "%s%c", strchr("'\\", *text) ? "\\" : "", *text);
	fputc('\'', stream);
}

static void fish_option(FILE *stream, enum option option, const char *condition)
{
	const struct option_row *row = &option_rows[option];

	fprintf(stream, "complete -c weirctl%s -l %s", condition, row->word);
	if (row->letter)
		fprintf(stream, " -s %c", row->letter);
	if (row->arg && row->arg[0] != '[')
		fputs(is_path(row->arg) ? " -rF" : " -x", stream);
	if (row->arg && choice_of(row->arg, strlen(row->arg)))
		fprintf(stream, " -a '%s'", choice_of(row->arg, strlen(row->arg)));
	fputs(" -d ", stream);
	fish_text(stream, row->help);
	fputc('\n', stream);
}

static void fish_word(FILE *stream, const char *condition, const char *word, size_t len)
{
	const char *values = choice_of(word, len);

	if (len == 4 && memcmp(word, "NAME", 4) == 0)
		values = "(weirctl get all -A -t 1 -o name 2>/dev/null | string replace -r \".*/\" "
			 "\"\")";
	if (len == 5 && memcmp(word, "ROUTE", 5) == 0)
		values = "(weirctl stats -t 1 -o name 2>/dev/null)";
	if (len == 7 && memcmp(word, "COMMAND", 7) == 0)
		values = "(__weirctl_commands)";
	if (values)
		fprintf(stream, "complete -c weirctl%s -a '%s'\n", condition, values);
}

static void write_fish(FILE *stream)
{
	fputs("# fish completion for weirctl; made by \"weirctl completion fish\"\n"
	      "function __weirctl_commands\n\tprintf '%s\\n'",
	      stream);
	for (size_t i = 0; i < command_count; i++)
		fprintf(stream, " %s", command_rows[i].name);
	fputs("\nend\ncomplete -c weirctl -f\n", stream);
	for (enum option i = 0; i < OPTION_COUNT; i++)
		if (command_takes(NULL, i))
			fish_option(stream, i, "");
	for (size_t i = 0; i < command_count; i++) {
		const struct command *command = &command_rows[i];
		char condition[96];
		const char *word;
		size_t len;

		fprintf(stream, "complete -c weirctl -n __fish_use_subcommand -a %s -d ",
		        command->name);
		fish_text(stream, command->summary);
		fputc('\n', stream);
		snprintf(condition, sizeof(condition), " -n '__fish_seen_subcommand_from %s'",
		         command->name);
		for (enum option o = 0; o < OPTION_COUNT; o++)
			if (command_takes(command, o) && !command_takes(NULL, o))
				fish_option(stream, o, condition);
		for (size_t n = 0; (len = word_at(command, n, &word)); n++)
			fish_word(stream, condition, word, len);
	}
}

bool completion_write(const char *shell, FILE *stream)
{
	static const struct {
		const char *shell;
		void (*write)(FILE *stream);
	} writers[] = {{"bash", write_bash}, {"zsh", write_zsh}, {"fish", write_fish}};

	for (size_t i = 0; i < sizeof(writers) / sizeof(writers[0]); i++) {
		if (strcmp(writers[i].shell, shell) == 0) {
			writers[i].write(stream);
			return true;
		}
	}
	return false;
}

enum exit_code run_completion(struct session *s)
{
	if (completion_write(s->args.words[0], stdout))
		return WEIRCTL_OK;
	return session_misused("no completion for \"%.64s\"; give bash, zsh or fish",
	                       s->args.words[0]);
}
