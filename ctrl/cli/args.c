/* SPDX-License-Identifier: BSD-3-Clause */
#include "args.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TIME_MAX_MS (24 * 3600 * 1000.0)

/* One pass over argv. */
struct parse {
	struct args *args;
	char *const *argv;
	int argc, at;
	char *err;
	size_t err_size;
};

__attribute__((format(printf, 2, 3))) static int complain(struct parse *p, const char *format, ...)
{
	va_list list;

	va_start(list, format);
	vsnprintf(p->err, p->err_size, format, list);
	va_end(list);
	return -EINVAL;
}

static void give(struct parse *p, enum option option, const char *value)
{
	p->args->given[p->args->n_given++] = (struct args_given){option, value};
}

static bool needs_value(enum option option)
{
	return option_rows[option].arg && option_rows[option].arg[0] != '[';
}

static enum option find_word(const char *word, size_t len)
{
	for (enum option i = 0; i < OPTION_COUNT; i++)
		if (strlen(option_rows[i].word) == len &&
		    memcmp(option_rows[i].word, word, len) == 0)
			return i;
	return OPTION_COUNT;
}

static enum option find_letter(char letter)
{
	for (enum option i = 0; i < OPTION_COUNT; i++)
		if (option_rows[i].letter == letter)
			return i;
	return OPTION_COUNT;
}

/* --word, --word=value, --word value */
static int long_option(struct parse *p, const char *text)
{
	size_t len = strcspn(text, "=");
	const char *value = text[len] ? text + len + 1 : NULL;
	enum option option = find_word(text, len);
	char word[64];
	const char *near;

	if (option == OPTION_COUNT) {
		snprintf(word, sizeof(word), "%.*s", (int)len, text);
		near = option_suggest(p->args->command, word);
		return near ? complain(p, "unknown option --%s; did you mean --%s?", word, near)
		            : complain(p, "unknown option --%s", word);
	}
	if (value && !option_rows[option].arg)
		return complain(p, "option --%s takes no argument", option_rows[option].word);
	if (needs_value(option) && !value) {
		if (p->at == p->argc)
			return complain(p, "option --%s needs an argument: %s",
			                option_rows[option].word, option_rows[option].arg);
		value = p->argv[p->at++];
	}
	give(p, option, value);
	return 0;
}

/* -a, -abc (flags), -ovalue, -o value */
static int short_options(struct parse *p, const char *text)
{
	for (; *text; text++) {
		enum option option = find_letter(*text);

		if (option == OPTION_COUNT)
			return complain(p, "unknown option -%c", *text);
		if (!needs_value(option)) {
			give(p, option, NULL);
			continue;
		}
		if (text[1] == '\0' && p->at == p->argc)
			return complain(p, "option -%c needs an argument: %s", *text,
			                option_rows[option].arg);
		give(p, option, text[1] ? text + 1 : p->argv[p->at++]);
		break;
	}
	return 0;
}

/* The first word names the command. */
static int take_word(struct parse *p, const char *word)
{
	const char *near;

	if (p->args->command) {
		p->args->words[p->args->n_words++] = word;
		return 0;
	}
	p->args->command = command_find(word);
	if (p->args->command)
		return 0;
	near = command_suggest(word);
	if (near)
		return complain(p, "unknown command \"%.64s\"; did you mean \"%s\"?", word, near);
	return complain(p, "unknown command \"%.64s\"; \"weirctl help\" lists the commands", word);
}

static int check_options(struct parse *p)
{
	const struct args *args = p->args;

	for (size_t i = 0; i < args->n_given; i++) {
		enum option option = args->given[i].option;

		if (command_takes(args->command, option))
			continue;
		if (!args->command)
			return complain(p, "option --%s needs a command", option_rows[option].word);
		return complain(p, "%s does not take option --%s; see \"weirctl help %s\"",
		                args->command->name, option_rows[option].word, args->command->name);
	}
	return 0;
}

static int check_words(struct parse *p)
{
	const struct command *command = p->args->command;
	size_t min, max;

	if (!command || args_has(p->args, OPTION_HELP))
		return 0;
	command_words(command, &min, &max);
	if (p->args->n_words > max)
		return complain(p, "%s: \"%.64s\" is one word too many; usage: weirctl %s%s%s",
		                command->name, p->args->words[max], command->name,
		                max ? " " : " [OPTIONS]", command->words);
	if (p->args->n_words < min)
		return complain(p, "%s needs %s; see \"weirctl help %s\"", command->name,
		                command->words, command->name);
	return 0;
}

/* KIND/NAME is as good as KIND NAME: make two words of it. */
static int split_kind(struct parse *p)
{
	struct args *args = p->args;
	const char *word = args->n_words == 1 ? args->words[0] : NULL;
	const char *slash = word ? strchr(word, '/') : NULL;

	if (!slash || !strstr(args->command->words, "KIND"))
		return 0;
	args->split = strdup(word);
	if (!args->split)
		return complain(p, "out of memory");
	args->split[slash - word] = '\0';
	args->words[0] = args->split;
	args->words[1] = args->split + (slash - word) + 1;
	args->n_words = 2;
	return 0;
}

static int parse_all(struct parse *p)
{
	bool options = true;
	int rc = 0;

	while (rc == 0 && p->at < p->argc) {
		const char *arg = p->argv[p->at++];

		if (!options || arg[0] != '-' || arg[1] == '\0')
			rc = take_word(p, arg);
		else if (strcmp(arg, "--") == 0)
			options = false;
		else if (arg[1] == '-')
			rc = long_option(p, arg + 2);
		else
			rc = short_options(p, arg + 1);
	}
	if (rc == 0)
		rc = check_options(p);
	if (rc == 0)
		rc = split_kind(p);
	return rc ? rc : check_words(p);
}

int args_parse(struct args *args, int argc, char *const argv[], char *err, size_t err_size)
{
	struct parse p = {args, argv, argc, 1, err, err_size};
	size_t letters = 1;

	/* A bundle gives one option a letter: no argument can give more than it has bytes. */
	for (int i = 1; i < argc; i++)
		letters += strlen(argv[i]);
	*args = (struct args){0};
	*err = '\0';
	args->words = calloc((size_t)argc + 2, sizeof(*args->words));
	args->given = calloc(letters, sizeof(*args->given));
	if (!args->words || !args->given)
		return complain(&p, "out of memory");
	return parse_all(&p);
}

void args_fini(struct args *args)
{
	free(args->words);
	free(args->given);
	free(args->split);
	*args = (struct args){0};
}

bool args_has(const struct args *args, enum option option)
{
	for (size_t i = 0; i < args->n_given; i++)
		if (args->given[i].option == option)
			return true;
	return false;
}

const char *args_value(const struct args *args, enum option option)
{
	const char *value = NULL;

	for (size_t i = 0; i < args->n_given; i++)
		if (args->given[i].option == option)
			value = args->given[i].value;
	return value;
}

const char *args_next(const struct args *args, enum option option, size_t *at)
{
	while (*at < args->n_given) {
		const struct args_given *given = &args->given[(*at)++];

		if (given->option == option && given->value)
			return given->value;
	}
	return NULL;
}

long args_time_ms(const char *text)
{
	static const struct {
		const char *unit;
		double ms;
	} units[] = {{"", 1000}, {"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}};
	char *end;
	double value;

	if (*text < '0' || *text > '9')
		return -1;
	value = strtod(text, &end);
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		if (strcmp(end, units[i].unit) != 0)
			continue;
		value *= units[i].ms;
		return isfinite(value) && value <= TIME_MAX_MS ? (long)value : -1;
	}
	return -1;
}
