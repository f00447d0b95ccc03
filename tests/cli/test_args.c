/* SPDX-License-Identifier: BSD-3-Clause */
#include "args.h"
#include "test.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* Parse a command line of at most 15 words, parted by spaces; the words stay in line. */
static int parse(struct args *args, char *line, char err[256])
{
	char program[] = "weirctl", *argv[16] = {program};
	int argc = 1;

	for (char *word = strtok(line, " "); word && argc < 16; word = strtok(NULL, " "))
		argv[argc++] = word;
	err[0] = '\0';
	return args_parse(args, argc, argv, err, 256);
}

static void test_options_stand_anywhere(void **state)
{
	char line[] = "-s a.sock get vs -njoe --output=json httpbin --socket b.sock -A";
	struct args args;
	char err[256];

	(void)state;
	assert_int_equal(parse(&args, line, err), 0);
	assert_string_equal(args.command->name, "get");
	assert_int_equal(args.n_words, 2);
	assert_string_equal(args.words[1], "httpbin");
	assert_string_equal(args_value(&args, OPTION_SOCKET), "b.sock");
	assert_string_equal(args_value(&args, OPTION_NAMESPACE), "joe");
	assert_string_equal(args_value(&args, OPTION_OUTPUT), "json");
	assert_true(args_has(&args, OPTION_ALL));
	assert_false(args_has(&args, OPTION_WAIT));
	args_fini(&args);
}

static void test_values_in_order(void **state)
{
	char line[] = "apply -f a -f - --file=b";
	struct args args;
	size_t at = 0;
	char err[256];

	(void)state;
	assert_int_equal(parse(&args, line, err), 0);
	assert_string_equal(args_next(&args, OPTION_FILE, &at), "a");
	assert_string_equal(args_next(&args, OPTION_FILE, &at), "-");
	assert_string_equal(args_next(&args, OPTION_FILE, &at), "b");
	assert_null(args_next(&args, OPTION_FILE, &at));
	args_fini(&args);
}

static void test_kind_and_name_in_one_word(void **state)
{
	char line[] = "describe vs/a/b", plain[] = "stats ns/name/rule";
	struct args args;
	char err[256];

	(void)state;
	assert_int_equal(parse(&args, line, err), 0);
	assert_string_equal(args.words[0], "vs");
	assert_string_equal(args.words[1], "a/b");
	args_fini(&args);
	assert_int_equal(parse(&args, plain, err), 0);
	assert_int_equal(args.n_words, 1);
	args_fini(&args);
}

static void test_double_dash_ends_options(void **state)
{
	char line[] = "get -- vs --weird";
	struct args args;
	char err[256];

	(void)state;
	assert_int_equal(parse(&args, line, err), 0);
	assert_string_equal(args.words[1], "--weird");
	args_fini(&args);
}

static void test_bundles_do_not_outgrow(void **state)
{
	char line[] = "drops -AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
	struct args args;
	char err[256];

	(void)state;
	assert_int_equal(parse(&args, line, err), 0);
	assert_int_equal(args.n_given, 45);
	args_fini(&args);
}

static void test_refusals(void **state)
{
	static const struct {
		const char *line, *says;
	} rows[] = {
		{"gett", "did you mean \"get\""},
		{"get", "needs KIND"},
		{"get a b c", "one word too many"},
		{"get vs --namespace", "needs an argument"},
		{"get vs -n", "needs an argument"},
		{"status --dry-run", "does not take"},
		{"apply --dryrun", "did you mean --dry-run"},
		{"apply --wait=1", "takes no argument"},
		{"-f x", "needs a command"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct args args;
		char line[64], err[256];

		snprintf(line, sizeof(line), "%s", rows[i].line);
		assert_int_equal(parse(&args, line, err), -EINVAL);
		if (!strstr(err, rows[i].says))
			fail_msg("\"%s\" says \"%s\", not \"%s\"", rows[i].line, err, rows[i].says);
		args_fini(&args);
	}
}

static void test_times(void **state)
{
	(void)state;
	assert_int_equal(args_time_ms("5"), 5000);
	assert_int_equal(args_time_ms("500ms"), 500);
	assert_int_equal(args_time_ms("1.5s"), 1500);
	assert_int_equal(args_time_ms("2m"), 120000);
	assert_int_equal(args_time_ms("24h"), 86400000);
	assert_int_equal(args_time_ms("25h"), -1);
	assert_int_equal(args_time_ms(""), -1);
	assert_int_equal(args_time_ms("-1"), -1);
	assert_int_equal(args_time_ms("inf"), -1);
	assert_int_equal(args_time_ms("1e999"), -1);
	assert_int_equal(args_time_ms("5 s"), -1);
}

/* Every command takes its own help's examples' options; no two options share a letter or a word. */
static void test_tables(void **state)
{
	(void)state;
	for (enum option i = 0; i < OPTION_COUNT; i++) {
		for (enum option j = 0; j < i; j++) {
			assert_string_not_equal(option_rows[i].word, option_rows[j].word);
			assert_true(!option_rows[i].letter ||
			            option_rows[i].letter != option_rows[j].letter);
		}
		/* A letter cannot be without an argument sometimes and the completion needs one. */
		if (option_rows[i].arg && option_rows[i].arg[0] != '[')
			assert_true(option_rows[i].letter);
	}
	for (size_t i = 0; i < command_count; i++) {
		assert_ptr_equal(command_find(command_rows[i].name), &command_rows[i]);
		assert_true(strstr(command_rows[i].examples, "weirctl ") != NULL);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_options_stand_anywhere),
		cmocka_unit_test(test_values_in_order),
		cmocka_unit_test(test_kind_and_name_in_one_word),
		cmocka_unit_test(test_double_dash_ends_options),
		cmocka_unit_test(test_bundles_do_not_outgrow),
		cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_times),
		cmocka_unit_test(test_tables),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
