/* SPDX-License-Identifier: BSD-3-Clause */
#include "hsdb.h"
#include "test.h"

#include <dirent.h>
#include <hs.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct hsdb_pattern patterns[] = {{"^/a", HS_FLAG_SINGLEMATCH, 0},
                                               {"^/b[0-9]+\\z", HS_FLAG_SINGLEMATCH, 1}};
static char dir[64];

static int set_up(void **state)
{
	(void)state;
	snprintf(dir, sizeof(dir), "/tmp/test_hsdb.XXXXXX");
	return mkdtemp(dir) ? 0 : -1;
}

/* Calls fn with the path of the one file in dir, if there is one. */
static bool with_file(void (*fn)(const char *path))
{
	DIR *d = opendir(dir);
	struct dirent *e;
	bool found = false;
	char path[400];

	while ((e = readdir(d))) {
		if (e->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "%s/%s", dir, e->d_name);
		fn(path);
		found = true;
	}
	closedir(d);
	return found;
}

static void remove_file(const char *path)
{
	unlink(path);
}

static int tear_down(void **state)
{
	(void)state;
	with_file(remove_file);
	return rmdir(dir);
}

static int note(unsigned int id, unsigned long long from, unsigned long long to, unsigned int flags,
                void *seen)
{
	(void)from, (void)to, (void)flags;
	*(unsigned int *)seen |= 1u << id;
	return 0;
}

static unsigned int scan(const struct hs_database *db, const char *text)
{
	hs_scratch_t *scratch = NULL;
	unsigned int seen = 0;

	assert_int_equal(hs_alloc_scratch(db, &scratch), HS_SUCCESS);
	assert_int_equal(hs_scan(db, text, (unsigned int)strlen(text), 0, scratch, note, &seen),
	                 HS_SUCCESS);
	hs_free_scratch(scratch);
	return seen;
}

static void same_patterns_are_compiled_once(void **state)
{
	struct hsdb *h = hsdb_new(NULL);
	struct hsdb_error err;
	struct hsdb_entry *a = hsdb_get(h, patterns, 2, &err), *b = hsdb_get(h, patterns, 2, &err);
	struct hsdb_entry *other = hsdb_get(h, patterns, 1, &err);

	(void)state;
	assert_ptr_equal(a, b);
	assert_ptr_not_equal(a, other);
	assert_int_equal(scan(hsdb_database(a), "/b12"), 2);
	hsdb_put(h, a);
	hsdb_put(h, b);
	a = hsdb_get(h, patterns, 2, &err); /* nobody held it, it is still there */
	assert_int_equal(hsdb_counts(h).compiled, 2);
	assert_int_equal(hsdb_counts(h).reused, 2);
	hsdb_put(h, a);
	hsdb_put(h, other);
	hsdb_free(h);
}

static void restart_compiles_nothing(void **state)
{
	struct hsdb_error err;

	(void)state;
	for (int run = 0; run < 2; run++) {
		struct hsdb *h = hsdb_new(dir);
		struct hsdb_entry *e = hsdb_get(h, patterns, 2, &err);

		assert_int_equal(scan(hsdb_database(e), "/a"), 1);
		assert_int_equal(hsdb_counts(h).compiled, run == 0);
		assert_int_equal(hsdb_counts(h).loaded, run == 1);
		hsdb_put(h, e);
		hsdb_free(h);
	}
}

static void flip_a_bit(const char *path)
{
	FILE *f = fopen(path, "r+b");

	fseek(f, -100, SEEK_END);
	int c = fgetc(f);

	fseek(f, -100, SEEK_END);
	fputc(c ^ 1, f);
	fclose(f);
}

static void cut_short(const char *path)
{
	assert_int_equal(truncate(path, 200), 0);
}

static void claim_a_giant(const char *path)
{
	const uint64_t giant = UINT64_MAX / 2;
	FILE *f = fopen(path, "r+b");

	fseek(f, 8, SEEK_SET);
	fwrite(&giant, sizeof(giant), 1, f);
	fclose(f);
}

static void damaged_file_is_replaced(void **state)
{
	static void (*const damages[])(const char *) = {flip_a_bit, cut_short, claim_a_giant};
	struct hsdb_error err;

	(void)state;
	for (int i = 0; i < 3; i++) {
		struct hsdb *h = hsdb_new(dir);

		hsdb_put(h, hsdb_get(h, patterns, 2, &err));
		hsdb_free(h);
		assert_true(with_file(damages[i]));
		for (int run = 0; run < 2; run++) {
			h = hsdb_new(dir);
			hsdb_put(h, hsdb_get(h, patterns, 2, &err));
			assert_int_equal(hsdb_counts(h).compiled, run == 0);
			hsdb_free(h);
		}
	}
}

static void error_names_the_pattern(void **state)
{
	const struct hsdb_pattern bad[] = {patterns[0], {"^(?=x)", 0, 1}};
	struct hsdb *h = hsdb_new(NULL);
	struct hsdb_error err;

	(void)state;
	assert_null(hsdb_get(h, bad, 2, &err));
	assert_int_equal(err.pattern, 1);
	assert_true(strlen(err.text) > 0);
	hsdb_free(h);
}

static void longest_unused_go_first(void **state)
{
	const struct hsdb_pattern p[] = {
		{"^/a", 0, 0}, {"^/b", 0, 0}, {"^/c", 0, 0}, {"^/d", 0, 0}};
	struct hsdb *h = hsdb_new(NULL);
	struct hsdb_entry *e[4];
	struct hsdb_error err;

	(void)state;
	for (int i = 0; i < 4; i++)
		e[i] = hsdb_get(h, &p[i], 1, &err);
	uint64_t one = hsdb_counts(h).bytes / 4;

	hsdb_put(h, e[2]);
	hsdb_put(h, e[0]);
	hsdb_put(h, e[1]);                        /* d is held */
	hsdb_put(h, hsdb_get(h, &p[2], 1, &err)); /* c was used last */
	hsdb_trim(h, one * 2 + one / 2);
	assert_int_equal(hsdb_counts(h).bytes / one, 3);
	hsdb_put(h, hsdb_get(h, &p[1], 1, &err));
	hsdb_put(h, hsdb_get(h, &p[2], 1, &err));
	assert_int_equal(hsdb_counts(h).compiled, 4);
	hsdb_put(h, hsdb_get(h, &p[0], 1, &err)); /* a went */
	assert_int_equal(hsdb_counts(h).compiled, 5);
	hsdb_trim(h, 0);
	assert_int_equal(hsdb_counts(h).bytes / one, 1);
	assert_int_equal(scan(hsdb_database(e[3]), "/d"), 1);
	hsdb_put(h, e[3]);
	hsdb_free(h);
}

static void half_written_files_are_removed(void **state)
{
	char half[400], other[400];

	(void)state;
	snprintf(half, sizeof(half), "%s/0123456789abcdef.new", dir);
	snprintf(other, sizeof(other), "%s/other", dir);
	fclose(fopen(half, "w"));
	fclose(fopen(other, "w"));
	hsdb_free(hsdb_new(dir));
	assert_int_equal(access(half, F_OK), -1);
	assert_int_equal(access(other, F_OK), 0);
}

/* Also while it runs: the disk is the store's. One large old file is there, then many are made. */
static void directory_is_bounded_while_it_runs(void **state)
{
	struct hsdb *h = hsdb_new(dir);
	char old[400], half[400], text[32];
	struct hsdb_error err;

	(void)state;
	snprintf(old, sizeof(old), "%s/0123456789abcdef", dir);
	snprintf(half, sizeof(half), "%s/fedcba9876543210.new", dir);
	fclose(fopen(old, "w"));
	fclose(fopen(half, "w")); /* another thread may be writing it */
	assert_int_equal(truncate(old, 300 << 20), 0);
	for (unsigned i = 0; i < 256; i++) {
		snprintf(text, sizeof(text), "^/p%u", i);
		hsdb_put(h, hsdb_get(h, &(struct hsdb_pattern){text, HS_FLAG_SINGLEMATCH, 0}, 1,
		                     &err));
	}
	assert_int_equal(access(old, F_OK), -1);
	assert_int_equal(access(half, F_OK), 0);
	hsdb_free(h);
	h = hsdb_new(dir);
	hsdb_put(h, hsdb_get(h, &(struct hsdb_pattern){text, HS_FLAG_SINGLEMATCH, 0}, 1, &err));
	assert_int_equal(hsdb_counts(h).loaded, 1); /* the new ones stay */
	hsdb_free(h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(same_patterns_are_compiled_once),
		cmocka_unit_test_setup_teardown(restart_compiles_nothing, set_up, tear_down),
		cmocka_unit_test_setup_teardown(damaged_file_is_replaced, set_up, tear_down),
		cmocka_unit_test(error_names_the_pattern),
		cmocka_unit_test(longest_unused_go_first),
		cmocka_unit_test_setup_teardown(half_written_files_are_removed, set_up, tear_down),
		cmocka_unit_test_setup_teardown(directory_is_bounded_while_it_runs, set_up,
	                                        tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
