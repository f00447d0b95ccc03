/* SPDX-License-Identifier: BSD-3-Clause */
#include "test.h"
#include "text.h"

#include <string.h>

static void test_durations(void **state)
{
	struct text t;

	(void)state;
	assert_string_equal(text_duration(&t, -5), "0s");
	assert_string_equal(text_duration(&t, 119), "119s");
	assert_string_equal(text_duration(&t, 120), "2m");
	assert_string_equal(text_duration(&t, 3 * 3600LL), "3h");
	assert_string_equal(text_duration(&t, 47 * 3600LL), "47h");
	assert_string_equal(text_duration(&t, 2 * 86400LL), "2d");
	assert_string_equal(text_duration(&t, INT64_MAX), "106751991167300d");
}

static void test_ages(void **state)
{
	struct text t;

	(void)state;
	assert_string_equal(text_age(&t, "1970-01-01T00:00:10Z", 40), "30s");
	assert_string_equal(text_age(&t, "1970-01-01T00:00:10.123Z", 40), "30s");
	assert_string_equal(text_age(&t, "yesterday", 40), "<unknown>");
	assert_string_equal(text_age(&t, "", 40), "<unknown>");
}

static void test_latencies(void **state)
{
	static const struct {
		double us;
		const char *text;
	} rows[] = {{0, "<1us"},       {999, "999us"},    {1500, "1.5ms"},
	            {99000, "99.0ms"}, {150000, "150ms"}, {2500000, "2.50s"}};
	struct text t;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		json_t *us = json_real(rows[i].us);

		assert_string_equal(text_latency(&t, us), rows[i].text);
		json_decref(us);
	}
	assert_string_equal(text_latency(&t, NULL), "-");
	assert_string_equal(text_latency(&t, json_null()), "-");
}

static void test_shares(void **state)
{
	json_t *share = json_real(0.0001);
	struct text t;

	(void)state;
	assert_string_equal(text_share(&t, share), "0.01%");
	assert_string_equal(text_share(&t, json_null()), "-");
	json_decref(share);
}

static void test_bytes(void **state)
{
	struct text t;

	(void)state;
	assert_string_equal(text_bytes(&t, 0), "0 B");
	assert_string_equal(text_bytes(&t, 999), "999 B");
	assert_string_equal(text_bytes(&t, 1500), "1.5 kB");
	assert_string_equal(text_bytes(&t, 999999), "1.0 MB");
	assert_string_equal(text_bytes(&t, 123000000), "123 MB");
	assert_string_equal(text_bytes(&t, UINT64_MAX), "18.4 EB");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_durations), cmocka_unit_test(test_ages),
		cmocka_unit_test(test_latencies), cmocka_unit_test(test_shares),
		cmocka_unit_test(test_bytes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
