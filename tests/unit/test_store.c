/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A save is cut at each of its file operations: by an error that it must report, and by the end of
 * the process (a fork that exits there). Whatever is cut, a load gives one whole set afterwards.
 */
#include "store.h"
#include "test.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static int steps_left; /* operations until the fault; -1: none */
static bool exit_there;

static bool fault(void)
{
	if (steps_left < 0 || steps_left-- > 0)
		return false;
	if (exit_there)
		_exit(7);
	errno = EIO;
	return true;
}

static int open_fault(const char *path, int flags, mode_t mode)
{
	return fault() ? -1 : open(path, flags, mode);
}

/* Half of the bytes reach the file before the fault. */
static ssize_t write_fault(int fd, const void *data, size_t len)
{
	bool now = steps_left == 0;

	if (now && write(fd, data, len / 2) < 0)
		return -1;
	return fault() ? -1 : write(fd, data, len);
}

static int fsync_fault(int fd)
{
	return fault() ? -1 : fsync(fd);
}

static int rename_fault(const char *from, const char *to)
{
	return fault() ? -1 : rename(from, to);
}

static int unlink_fault(const char *path)
{
	return fault() ? -1 : unlink(path);
}

static const struct store_ops ops_fault = {open_fault, write_fault, fsync_fault, rename_fault,
                                           unlink_fault};

static char dir[64];

static int make_dir(void **state)
{
	(void)state;
	strcpy(dir, "/tmp/weir-test-store-XXXXXX");
	steps_left = -1;
	return mkdtemp(dir) ? 0 : -1;
}

static int remove_dir(void **state)
{
	char path[400];
	struct dirent *e;
	DIR *d = opendir(dir);

	(void)state;
	while (d && (e = readdir(d))) {
		snprintf(path, sizeof(path), "%s/%s", dir, e->d_name);
		unlink(path);
	}
	closedir(d);
	return rmdir(dir);
}

static void open_store(struct store *s)
{
	char err[256];

	assert_int_equal(store_open(s, dir, &ops_fault, err, sizeof(err)), 0);
}

static void save(struct store *s, uint64_t generation)
{
	char text[64];

	snprintf(text, sizeof(text), "text of %u\n", (unsigned)generation);
	assert_int_equal(store_save(s, generation, text, strlen(text)), 0);
}

/* The generation whose text comes back. */
static unsigned load(struct store *s, char *note, size_t note_size)
{
	unsigned generation = 0;
	char *text;
	size_t len;

	assert_int_equal(store_load(s, &text, &len, note, note_size), 0);
	if (text) {
		assert_int_equal(sscanf(text, "text of %u\n", &generation), 1);
		assert_int_equal(strlen(text), len);
	}
	free(text);
	return generation;
}

static void an_empty_directory_has_no_set(void **state)
{
	struct store s;
	char note[256];

	(void)state;
	open_store(&s);
	assert_int_equal(load(&s, note, sizeof(note)), 0);
	assert_string_equal(note, "");
	store_close(&s);
}

static void the_newest_comes_back(void **state)
{
	struct store s;
	char note[256];

	(void)state;
	open_store(&s);
	for (uint64_t g = 1; g <= 12; g++)
		save(&s, g);
	store_close(&s);
	open_store(&s);
	assert_int_equal(s.generation, 12);
	assert_int_equal(load(&s, note, sizeof(note)), 12);
	store_close(&s);
}

static void only_one_may_hold_it(void **state)
{
	struct store a, b;
	char err[256];

	(void)state;
	open_store(&a);
	assert_int_equal(store_open(&b, dir, &ops_fault, err, sizeof(err)), -EBUSY);
	assert_non_null(strstr(err, "another weir"));
	store_close(&a);
}

static void set_path(unsigned generation, char *out, size_t size)
{
	snprintf(out, size, "%s/set-%020u.yaml", dir, generation);
}

static void damage_falls_back_and_keeps_counting(void **state)
{
	char path[128], note[256];
	struct store s;
	FILE *f;

	(void)state;
	open_store(&s);
	save(&s, 1);
	save(&s, 2);
	set_path(2, path, sizeof(path));
	f = fopen(path, "r+");
	assert_non_null(f);
	fseek(f, -2, SEEK_END);
	fputc('X', f);
	fclose(f);
	assert_int_equal(load(&s, note, sizeof(note)), 1);
	assert_non_null(strstr(note, "set 2 is damaged"));
	store_close(&s);
	open_store(&s);
	assert_int_equal(s.generation, 2);
	save(&s, 3);
	set_path(3, path, sizeof(path));
	assert_int_equal(truncate(path, 50), 0);
	assert_int_equal(load(&s, note, sizeof(note)), 1);
	store_close(&s);
}

static void all_damaged_is_an_error(void **state)
{
	char path[128], note[256], *text;
	struct store s;
	size_t len;

	(void)state;
	open_store(&s);
	save(&s, 1);
	set_path(1, path, sizeof(path));
	assert_int_equal(truncate(path, 0), 0);
	assert_int_equal(store_load(&s, &text, &len, note, sizeof(note)), -EBADMSG);
	assert_null(text);
	assert_non_null(strstr(note, "no stored set"));
	store_close(&s);
}

static bool is_there(const char *name)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return access(path, F_OK) == 0;
}

/* Save generation 3 after 1 and 2, with a fault at operation number step. True when it went through. */
static bool save_cut_at(int step)
{
	struct store s;
	char note[256];
	unsigned got;
	int rc;

	open_store(&s);
	save(&s, 1);
	save(&s, 2);
	steps_left = step;
	rc = store_save(&s, 3, "text of 3\n", 10);
	steps_left = -1;
	got = load(&s, note, sizeof(note));
	assert_string_equal(note, "");
	assert_int_equal(got, rc == 0 ? 3 : 2);
	assert_false(is_there("set.tmp")); /* a part of a set would keep a full disk full */
	store_close(&s);
	return rc == 0;
}

static void an_error_at_any_step_changes_nothing(void **state)
{
	int step = 0;

	for (; step < 50; step++) {
		bool done = save_cut_at(step);

		remove_dir(state);
		make_dir(state);
		if (done)
			break;
	}
	assert_in_range(step, 6,
	                40); /* open, 2 writes, fsync, rename, open, fsync of the directory */
}

/* In a child: save, ending the process at operation number step. True when it went through. */
static bool process_ends_at(int step)
{
	struct store s;
	pid_t pid = fork();
	int status;

	assert_true(pid >= 0);
	if (pid == 0) {
		char err[256];

		if (store_open(&s, dir, &ops_fault, err, sizeof(err)) < 0)
			_exit(1);
		exit_there = true;
		steps_left = step;
		_exit(store_save(&s, s.generation + 1, "text of 99\n", 11) == 0 ? 0 : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_true(WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == 7);
	return WEXITSTATUS(status) == 0;
}

static void the_end_of_the_process_at_any_step_leaves_a_whole_set(void **state)
{
	char note[256];
	bool done = false;
	struct store s;
	int step = 0;

	(void)state;
	open_store(&s);
	save(&s, 1);
	save(&s, 2);
	store_close(&s);
	for (; !done && step < 50; step++) {
		unsigned got;

		done = process_ends_at(step);
		open_store(&s);
		got = load(&s, note, sizeof(note));
		assert_string_equal(note, "");
		assert_true(got == 99 || (got == 2 && !done));
		store_close(&s);
	}
	assert_in_range(step, 7, 40);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(an_empty_directory_has_no_set, make_dir,
	                                        remove_dir),
		cmocka_unit_test_setup_teardown(the_newest_comes_back, make_dir, remove_dir),
		cmocka_unit_test_setup_teardown(only_one_may_hold_it, make_dir, remove_dir),
		cmocka_unit_test_setup_teardown(damage_falls_back_and_keeps_counting, make_dir,
	                                        remove_dir),
		cmocka_unit_test_setup_teardown(all_damaged_is_an_error, make_dir, remove_dir),
		cmocka_unit_test_setup_teardown(an_error_at_any_step_changes_nothing, make_dir,
	                                        remove_dir),
		cmocka_unit_test_setup_teardown(
			the_end_of_the_process_at_any_step_leaves_a_whole_set, make_dir,
			remove_dir),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
