/* SPDX-License-Identifier: BSD-3-Clause */
#include "log.h"
#include "test.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static void a_site_has_its_burst_each_second(void **state)
{
	struct log_site site = {0};

	(void)state;
	for (int i = 0; i < LOG_BURST; i++)
		assert_true(log_admit(&site, 5));
	for (int i = 0; i < 7; i++)
		assert_false(log_admit(&site, 5));
	assert_int_equal(site.suppressed, 7);
	assert_true(log_admit(&site, 6));
}

static void time_is_iso(void **state)
{
	char out[32];

	(void)state;
	assert_string_equal(log_time(1769860800, 7, out), "2026-01-31T12:00:00.007Z");
}

/* What log_write() puts on standard error. */
static void capture(char *out, size_t size, enum log_level level, const char *value)
{
	struct log_site site = {.suppressed = 3};
	int saved = dup(STDERR_FILENO), ends[2];
	ssize_t n;

	assert_int_equal(pipe(ends), 0);
	dup2(ends[1], STDERR_FILENO);
	close(ends[1]);
	log_write(&site, level, "event", "value=\"%s\"", value);
	dup2(saved, STDERR_FILENO);
	close(saved);
	n = read(ends[0], out, size - 1);
	assert_true(n >= 0);
	out[n] = '\0';
	close(ends[0]);
}

static void input_cannot_forge_a_line(void **state)
{
	char out[4096];

	(void)state;
	capture(out, sizeof(out), LOG_LEVEL_WARNING, "a\nb\x1b[0m");
	assert_string_equal(out + 25, "warning event value=\"a\\x0ab\\x1b[0m\" suppressed=3\n");
}

static void a_long_line_is_cut(void **state)
{
	char out[4096], big[4000];

	(void)state;
	memset(big, '\x01', sizeof(big));
	big[sizeof(big) - 1] = '\0';
	capture(out, sizeof(out), LOG_LEVEL_INFO, big);
	assert_in_range(strlen(out), LOG_LINE_MAX - 100, LOG_LINE_MAX + 128);
	assert_int_equal(out[strlen(out) - 1], '\n');
}

static void below_the_level_nothing_is_written(void **state)
{
	char out[4096];

	(void)state;
	capture(out, sizeof(out), LOG_LEVEL_DEBUG, "x");
	assert_string_equal(out, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_site_has_its_burst_each_second),
		cmocka_unit_test(time_is_iso),
		cmocka_unit_test(input_cannot_forge_a_line),
		cmocka_unit_test(a_long_line_is_cut),
		cmocka_unit_test(below_the_level_nothing_is_written),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
