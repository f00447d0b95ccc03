/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A save and an append are cut at each of their file operations: by an error that they must report, and by the
 * end of the process (a fork that exits there). A journal is cut at each of its bytes, and each is damaged.
 * Whatever is cut, a load gives one whole set and whole changes afterwards, none that was not accepted.
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
static bool no_truncate;

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

static int truncate_fault(int fd, off_t len)
{
	return no_truncate || fault() ? -1 : ftruncate(fd, len);
}

static const struct store_ops ops_fault = {open_fault,   write_fault,  fsync_fault,
                                           rename_fault, unlink_fault, truncate_fault};

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

/* ---- changes ---------------------------------------------------------------------------- */

static void append(struct store *s, uint64_t generation)
{
	char text[64];

	snprintf(text, sizeof(text), "change %u\n", (unsigned)generation);
	assert_int_equal(store_append(s, generation, text, strlen(text)), 0);
}

/* What a load gives: the set, then each change, as "2 3 4"; "0" is the empty set. */
static void load_all(struct store *s, char *out, char *note, size_t note_size)
{
	unsigned number = 0;
	const char *change;
	char *text;
	size_t len;

	if (store_load(s, &text, &len, note, note_size) != 0) {
		strcpy(out, "none");
		return;
	}
	if (text)
		assert_int_equal(sscanf(text, "text of %u\n", &number), 1);
	free(text);
	out += sprintf(out, "%u", number);
	for (uint32_t i = 0; (change = store_change(s, i, &len)); i++) {
		assert_int_equal(sscanf(change, "change %u\n", &number), 1);
		assert_int_equal(strlen(change), len);
		out += sprintf(out, " %u", number);
	}
}

#define assert_loads(s, want, says)                           \
	do {                                                  \
		char got_[256], note_[256];                   \
		load_all(s, got_, note_, sizeof(note_));      \
		assert_string_equal(got_, want);              \
		if (*(says))                                  \
			assert_non_null(strstr(note_, says)); \
		else                                          \
			assert_string_equal(note_, "");       \
	} while (0)

static void changes_come_back_in_their_order(void **state)
{
	struct store s;

	(void)state;
	open_store(&s);
	assert_loads(&s, "0", "");
	append(&s, 1);
	append(&s, 2);
	assert_int_equal(store_append(&s, 3, "", 0), 0); /* only a number */
	store_close(&s);
	open_store(&s);
	char note[256], *text;
	size_t len;

	assert_int_equal(store_load(&s, &text, &len, note, sizeof(note)), 0);
	assert_int_equal(s.n_changes, 3);
	assert_int_equal(s.generation, 3);
	save(&s, 4);
	append(&s, 5);
	append(&s, 7);
	store_close(&s);
	open_store(&s);
	assert_loads(&s, "4 5 7", "");
	assert_int_equal(s.generation, 7);
	store_close(&s);
}

static void journal_path(unsigned base, char *out, size_t size)
{
	snprintf(out, size, "%s/journal-%020u.yaml", dir, base);
}

static size_t read_journal(unsigned base, char *out, size_t size)
{
	char path[128];
	FILE *f;

	journal_path(base, path, sizeof(path));
	f = fopen(path, "r");
	assert_non_null(f);
	size_t n = fread(out, 1, size, f);

	fclose(f);
	return n;
}

static void write_journal(unsigned base, const char *bytes, size_t n)
{
	char path[128];
	FILE *f;

	journal_path(base, path, sizeof(path));
	f = fopen(path, "w");
	assert_non_null(f);
	assert_int_equal(fwrite(bytes, 1, n, f), n);
	fclose(f);
}

/* Set 1 and changes 2 to 4; the bytes of the journal and where each change ends. */
static size_t make_journal(char *bytes, size_t size, size_t ends[4])
{
	struct store s;

	open_store(&s);
	save(&s, 1);
	ends[0] = 0;
	for (unsigned i = 1; i < 4; i++) {
		append(&s, i + 1);
		ends[i] = read_journal(1, bytes, size);
	}
	store_close(&s);
	return ends[3];
}

static void a_journal_cut_at_any_byte_gives_the_changes_before(void **state)
{
	static const char *const before[] = {"1", "1 2", "1 2 3", "1 2 3 4"};
	static const char *const after[] = {"1 5", "1 2 5", "1 2 3 5", "1 2 3 4 5"};
	char bytes[1024];
	size_t ends[4], n = make_journal(bytes, sizeof(bytes), ends);
	unsigned whole = 0;

	(void)state;
	for (size_t cut = 0; cut <= n; cut++) {
		struct store s;

		write_journal(1, bytes, cut);
		while (whole < 3 && ends[whole + 1] <= cut)
			whole++;
		open_store(&s);
		assert_loads(&s, before[whole], "");
		assert_int_equal(s.generation, whole + 1);
		append(&s, 5); /* over what is left of the one that was cut */
		store_close(&s);
		open_store(&s);
		assert_loads(&s, after[whole], "");
		store_close(&s);
	}
	assert_int_equal(whole, 3);
}

static void zeros_behind_the_last_change_are_nothing(void **state)
{
	char bytes[4096] = {0};
	size_t ends[4];
	struct store s;

	(void)state;
	make_journal(bytes, sizeof(bytes), ends);
	write_journal(1, bytes, sizeof(bytes)); /* the file had grown, its bytes were not written */
	open_store(&s);
	assert_loads(&s, "1 2 3 4", "");
	store_close(&s);
	memset(bytes + ends[2] + 100, 0, ends[3] - ends[2] - 100);
	write_journal(1, bytes, ends[3]);
	open_store(&s);
	assert_loads(&s, "1 2 3", "");
	append(&s, 5);
	assert_loads(&s, "1 2 3 5", "");
	store_close(&s);
}

static void a_damaged_byte_never_gives_a_wrong_change(void **state)
{
	static const char *const prefixes[] = {"1", "1 2", "1 2 3", "1 2 3 4"};
	char bytes[1024], got[256], note[256];
	size_t ends[4], n = make_journal(bytes, sizeof(bytes), ends);
	unsigned hit = 0;

	(void)state;
	for (size_t at = 0; at < n; at++) {
		struct store s;

		while (ends[hit + 1] <= at)
			hit++;
		for (unsigned bit = 0; bit < 8; bit++) {
			bytes[at] = (char)(bytes[at] ^ 1 << bit);
			write_journal(1, bytes, n);
			bytes[at] = (char)(bytes[at] ^ 1 << bit);
			open_store(&s);
			load_all(&s, got, note, sizeof(note));
			assert_string_equal(got, prefixes[hit]);
			if (hit <
			    2) { /* of the last one nobody can tell: it may have been cut short */
				assert_non_null(strstr(note, "damaged"));
				assert_true(s.generation >= 4);
				assert_int_equal(store_append(&s, s.generation + 1, "", 0), -EBADF);
			}
			store_close(&s);
		}
	}
	assert_int_equal(hit, 2);
}

static void after_damage_a_set_is_saved_and_all_goes_on(void **state)
{
	char bytes[1024];
	size_t ends[4], n = make_journal(bytes, sizeof(bytes), ends);
	struct store s;

	(void)state;
	bytes[ends[1] + 98] ^= 4;
	write_journal(1, bytes, n);
	open_store(&s);
	assert_loads(&s, "1 2", "after number 2 is damaged");
	save(&s, 5);
	append(&s, 6);
	store_close(&s);
	open_store(&s);
	assert_loads(&s, "5 6", "");
	store_close(&s);
}

static void a_damaged_set_is_reached_from_the_one_before(void **state)
{
	char path[128];
	struct store s;

	(void)state;
	open_store(&s);
	save(&s, 1);
	append(&s, 2);
	append(&s, 3);
	save(&s, 3); /* of the same state */
	append(&s, 4);
	append(&s, 5);
	store_close(&s);
	set_path(3, path, sizeof(path));
	assert_int_equal(truncate(path, 20), 0);
	open_store(&s);
	assert_loads(&s, "1 2 3 4 5", "set 3 is damaged");
	assert_true(!is_there("set-00000000000000000003.yaml"));
	append(&s, 6);
	assert_loads(&s, "1 2 3 4 5 6", "");
	save(&s, 6); /* what leads here from 1 stays */
	set_path(6, path, sizeof(path));
	assert_int_equal(truncate(path, 20), 0);
	store_close(&s);
	open_store(&s);
	assert_loads(&s, "1 2 3 4 5 6", "set 6 is damaged");
	store_close(&s);
}

static void old_journals_go_with_their_sets(void **state)
{
	struct store s;

	(void)state;
	open_store(&s);
	for (unsigned g = 1; g <= 9; g += 3) {
		append(&s, g);
		append(&s, g + 1);
		save(&s, g + 2);
	}
	assert_false(is_there("journal-00000000000000000000.yaml"));
	assert_false(is_there("set-00000000000000000003.yaml"));
	assert_false(is_there("journal-00000000000000000003.yaml"));
	assert_true(is_there("journal-00000000000000000006.yaml"));
	assert_true(is_there("set-00000000000000000009.yaml"));
	store_close(&s);
}

static void a_long_journal_asks_for_a_set(void **state)
{
	static char text[100000];
	struct store s;
	unsigned n = 0;

	(void)state;
	memset(text, '#', sizeof(text));
	open_store(&s);
	for (; !store_is_long(&s); n++)
		assert_int_equal(store_append(&s, n + 1, text, sizeof(text)), 0);
	assert_int_equal(n, 3);
	assert_int_equal(store_save(&s, n, text, sizeof(text)), 0);
	assert_false(store_is_long(&s));
	store_close(&s);
}

/* Append 4 behind set 1 and changes 2 and 3, with a fault at operation number step. True when it went through. */
static bool append_cut_at(int step)
{
	struct store s;
	int rc;

	open_store(&s);
	save(&s, 1);
	append(&s, 2);
	append(&s, 3);
	steps_left = step;
	rc = store_append(&s, 4, "change 4\n", 9);
	steps_left = -1;
	assert_loads(&s, rc == 0 ? "1 2 3 4" : "1 2 3", "");
	append(&s, 5);
	assert_loads(&s, rc == 0 ? "1 2 3 4 5" : "1 2 3 5", "");
	store_close(&s);
	return rc == 0;
}

static void an_error_at_any_step_of_an_append_changes_nothing(void **state)
{
	int step = 0;

	for (; step < 20; step++) {
		bool done = append_cut_at(step);

		remove_dir(state);
		make_dir(state);
		if (done)
			break;
	}
	assert_in_range(step, 3, 10); /* open, write, fsync */
}

/* When what was not accepted cannot be cut off again, nothing is accepted before a set was saved. */
static void an_append_that_cannot_be_undone_asks_for_a_set(void **state)
{
	struct store s;

	(void)state;
	open_store(&s);
	append(&s, 1);
	append(&s, 2);
	steps_left = 2; /* the fsync */
	exit_there = false;
	no_truncate = true;
	assert_int_equal(store_append(&s, 3, "change 3\n", 9), -EIO);
	assert_int_equal(store_append(&s, 3, "change 3\n", 9), -EBADF);
	save(&s, 4);
	append(&s, 5);
	no_truncate = false;
	assert_loads(&s, "4 5", "");
	store_close(&s);
}

static bool process_ends_in_append(int step, uint64_t generation)
{
	char text[64], note[256], *set;
	struct store s;
	pid_t pid = fork();
	size_t len;
	int status;

	assert_true(pid >= 0);
	if (pid == 0) {
		char err[256];

		if (store_open(&s, dir, &ops_fault, err, sizeof(err)) < 0 ||
		    store_load(&s, &set, &len, note, sizeof(note)) < 0)
			_exit(1);
		snprintf(text, sizeof(text), "change %u\n", (unsigned)generation);
		exit_there = true;
		steps_left = step;
		_exit(store_append(&s, generation, text, strlen(text)) == 0 ? 0 : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_true(WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == 7);
	return WEXITSTATUS(status) == 0;
}

static void the_end_of_the_process_at_any_step_of_an_append(void **state)
{
	bool done = false;
	int step = 0;

	(void)state;
	for (; !done && step < 20; step++) {
		char got[256], note[256], last[16];
		struct store s;

		done = process_ends_in_append(step, (uint64_t)step + 1);
		open_store(&s);
		load_all(&s, got, note, sizeof(note));
		assert_string_equal(note, "");
		snprintf(last, sizeof(last), " %d", step + 1);
		if (done)
			assert_non_null(strstr(got, last));
		assert_int_equal(got[0], '0');
		store_close(&s);
	}
	assert_in_range(step, 4, 10);
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
		cmocka_unit_test_setup_teardown(changes_come_back_in_their_order, make_dir,
	                                        remove_dir),
		cmocka_unit_test_setup_teardown(a_journal_cut_at_any_byte_gives_the_changes_before,
	                                        make_dir, remove_dir),
		cmocka_unit_test_setup_teardown(zeros_behind_the_last_change_are_nothing, make_dir,
	                                        remove_dir),
		cmocka_unit_test_setup_teardown(a_damaged_byte_never_gives_a_wrong_change, make_dir,
	                                        remove_dir),
		cmocka_unit_test_setup_teardown(after_damage_a_set_is_saved_and_all_goes_on,
	                                        make_dir, remove_dir),
		cmocka_unit_test_setup_teardown(a_damaged_set_is_reached_from_the_one_before,
	                                        make_dir, remove_dir),
		cmocka_unit_test_setup_teardown(old_journals_go_with_their_sets, make_dir,
	                                        remove_dir),
		cmocka_unit_test_setup_teardown(a_long_journal_asks_for_a_set, make_dir,
	                                        remove_dir),
		cmocka_unit_test_setup_teardown(an_error_at_any_step_of_an_append_changes_nothing,
	                                        make_dir, remove_dir),
		cmocka_unit_test_setup_teardown(an_append_that_cannot_be_undone_asks_for_a_set,
	                                        make_dir, remove_dir),
		cmocka_unit_test_setup_teardown(the_end_of_the_process_at_any_step_of_an_append,
	                                        make_dir, remove_dir),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
