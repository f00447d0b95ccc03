/* SPDX-License-Identifier: BSD-3-Clause */
#include "nearest.h"
#include "test.h"

static const char *among(const char *word)
{
	static const char *const known[] = {"apply", "delete", "drain", "drops",
	                                    "get",   "status", "stats"};
	struct nearest n = nearest_to(word);

	for (unsigned i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		nearest_offer(&n, known[i]);
	return n.best;
}

static void a_slip_is_found(void **state)
{
	(void)state;
	assert_string_equal(among("aply"), "apply");
	assert_string_equal(among("dlete"), "delete");
	assert_string_equal(among("statsu"), "stats");
	assert_string_equal(among("drian"), "drain");
	assert_string_equal(among("gets"), "get");
}

static void another_word_is_not_a_slip(void **state)
{
	(void)state;
	assert_null(among("x"));
	assert_null(among("purple"));
	assert_null(among(""));
	assert_null(among("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_slip_is_found),
		cmocka_unit_test(another_word_is_not_a_slip),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
