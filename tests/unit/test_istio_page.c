/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * docs/reference/routing.md is what the table of fields says today.
 * usage: test_istio_page FILE           compare
 *        test_istio_page --write FILE   make the page anew
 */
#include "istio.h"
#include "test.h"

#include <stdlib.h>
#include <string.h>

static const char *path;

static char *read_whole(const char *file)
{
	FILE *in = fopen(file, "r");
	char *text = NULL;
	size_t room = 0;

	assert_non_null(in);
	assert_true(getdelim(&text, &room, '\0', in) > 0);
	fclose(in);
	return text;
}

static void page_is_up_to_date(void **state)
{
	char *want, *got = read_whole(path);
	size_t len;
	FILE *out = open_memstream(&want, &len);

	(void)state;
	istio_write_reference(out);
	fclose(out);
	if (strcmp(got, want) != 0)
		print_error("%s is out of date: run test_istio_page --write %s\n", path, path);
	assert_true(strcmp(got, want) == 0);
	free(want);
	free(got);
}

static int write_page(const char *file)
{
	FILE *out = fopen(file, "w");

	if (!out) {
		perror(file);
		return 1;
	}
	istio_write_reference(out);
	return fclose(out) == 0 ? 0 : 1;
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(page_is_up_to_date)};

	if (argc == 3 && strcmp(argv[1], "--write") == 0)
		return write_page(argv[2]);
	path = argc > 1 ? argv[1] : "docs/reference/routing.md";
	return cmocka_run_group_tests(tests, NULL, NULL);
}
