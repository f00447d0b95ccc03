/* SPDX-License-Identifier: BSD-3-Clause */
#include "table.h"
#include "test.h"

#include <stdlib.h>
#include <string.h>

static void assert_prints(struct table *t, const char *wanted)
{
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	assert_true(table_print(t, f));
	fclose(f);
	assert_string_equal(text, wanted);
	free(text);
	table_fini(t);
}

static void test_columns_align(void **state)
{
	static const char *const headings[] = {"NAME", ">COUNT", "HELP", NULL};
	struct table t;

	(void)state;
	table_init(&t, headings);
	table_cell(&t, "first one");
	table_cell(&t, "%d", 7);
	table_cell(&t, "some words");
	table_cell(&t, "b");
	table_cell(&t, "%d", 123456);
	table_cell(&t, "%s", "");
	assert_int_equal(table_rows(&t), 2);
	assert_prints(&t, "NAME         COUNT   HELP\n"
	                  "first one        7   some words\n"
	                  "b           123456\n");
}

static void test_characters_count_not_bytes(void **state)
{
	static const char *const headings[] = {"A", "B", NULL};
	struct table t;

	(void)state;
	table_init(&t, headings);
	table_cell(&t, "\xc3\xa4\xc3\xb6");
	table_cell(&t, "x");
	assert_prints(&t, "A    B\n\xc3\xa4\xc3\xb6   x\n");
}

static void test_control_characters_are_harmless(void **state)
{
	static const char *const headings[] = {"A", NULL};
	struct table t;

	(void)state;
	table_init(&t, headings);
	table_cell(&t, "a\033[2Jb\nc\td\x7f\xc2\x9bz");
	assert_prints(&t, "A\na?[2Jb?c?d??z\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_columns_align),
		cmocka_unit_test(test_characters_count_not_bytes),
		cmocka_unit_test(test_control_characters_are_harmless),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
