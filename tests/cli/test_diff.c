/* SPDX-License-Identifier: BSD-3-Clause */
/* The printed diff, applied to the old text, gives the new one: for random texts of few lines. */
#include "diff.h"
#include "test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LINES_MAX 40

static uint32_t draw(uint64_t *seed, uint32_t below)
{
	*seed = *seed * 6364136223846793005ull + 1442695040888963407ull;
	return (uint32_t)(*seed >> 33) % below;
}

/* A random text of lines "a", "b" or "c", or empty. */
static void random_text(uint64_t *seed, char text[LINES_MAX * 2 + 1])
{
	size_t n = draw(seed, LINES_MAX + 1);

	for (size_t i = 0; i < n; i++) {
		text[2 * i] = (char)('a' + draw(seed, 3));
		text[2 * i + 1] = '\n';
	}
	text[2 * n] = '\0';
}

/* The old text with a few lines changed. */
static void mutate(uint64_t *seed, char *text)
{
	size_t n = strlen(text) / 2;

	for (uint32_t i = 0; n && i < 3; i++)
		text[(size_t)2 * draw(seed, (uint32_t)n)] = (char)('a' + draw(seed, 3));
}

/* Lines copied from old up to (not including) line number upto, counted from 0. */
static const char *copy_to(FILE *out, const char *old, size_t *line, size_t upto)
{
	for (; *line < upto; ++*line) {
		fwrite(old, 1, 2, out);
		old += 2;
	}
	return old;
}

static void apply(const char *diff, const char *old, FILE *out)
{
	size_t line = 0;

	for (const char *p = diff; *p; p = strchr(p, '\n') + 1) {
		unsigned from, count = 1;

		if (strncmp(p, "---", 3) == 0 || strncmp(p, "+++", 3) == 0)
			continue;
		if (*p == '@') {
			sscanf(p, "@@ -%u,%u", &from, &count);
			old = copy_to(out, old, &line, count ? from - 1 : from);
		} else if (*p == '+') {
			fwrite(p + 1, 1, 2, out);
		} else {
			assert_memory_equal(p + 1, old, 2);
			if (*p == ' ')
				fwrite(old, 1, 2, out);
			old += 2;
			line++;
		}
	}
	fputs(old, out);
}

static void check(const char *before, const char *after)
{
	char *diff = NULL, *result = NULL;
	size_t size;
	FILE *f = open_memstream(&diff, &size);

	assert_int_equal(diff_print("x", before, after, f), 0);
	fclose(f);
	f = open_memstream(&result, &size);
	apply(diff, before, f);
	fclose(f);
	assert_string_equal(result, after);
	assert_int_equal(strcmp(before, after) == 0, *diff == '\0');
	free(diff);
	free(result);
}

static void test_random_texts(void **state)
{
	uint64_t seed = 1;

	(void)state;
	for (int i = 0; i < 20000; i++) {
		char before[LINES_MAX * 2 + 1] = {0}, after[LINES_MAX * 2 + 1];

		random_text(&seed, before);
		memcpy(after, before, sizeof(after));
		if (draw(&seed, 2))
			mutate(&seed, after);
		else
			random_text(&seed, after);
		check(before, after);
	}
}

static void test_as_diff_u_has_it(void **state)
{
	char *diff = NULL;
	size_t size;
	FILE *f = open_memstream(&diff, &size);

	(void)state;
	assert_int_equal(diff_print("vs", "a\nb\nc\nd\ne\nf\n1\n2\n3\ni\nj\n",
	                            "b\nc\nd\ne\nf\n1\n2\n3\ni\nj\nk\n", f),
	                 0);
	fclose(f);
	assert_string_equal(diff, "--- live/vs\n+++ files/vs\n"
	                          "@@ -1,4 +1,3 @@\n-a\n b\n c\n d\n"
	                          "@@ -9,3 +8,4 @@\n 3\n i\n j\n+k\n");
	free(diff);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_random_texts),
		cmocka_unit_test(test_as_diff_u_has_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
