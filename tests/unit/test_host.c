/* SPDX-License-Identifier: BSD-3-Clause */
#include "host.h"
#include "test.h"

#include <string.h>

static void names_and_patterns(void **state)
{
	static const struct {
		const char *text;
		bool name;
		bool pattern;
	} cases[] = {
		{"a", true, true},       {"a.b", true, true},     {"A-1.example.com.", true, true},
		{"1.2.3", false, false}, {"1a.2b", true, true},   {"", false, false},
		{".", false, false},     {"a..b", false, false},  {"-a", false, false},
		{"a-", false, false},    {"a_b", false, false},   {"a.1", false, false},
		{"*", false, true},      {"*.a", false, true},    {"*-a.b", false, true},
		{"*a.b", false, true},   {"a.*.b", false, false}, {"**", false, false},
		{"*.", false, false},    {"*.1", false, false},   {"10.0.0.1", false, false},
	};
	char label[70];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		if (host_is_name(cases[i].text) != cases[i].name ||
		    host_is_pattern(cases[i].text) != cases[i].pattern)
			print_error("%s\n", cases[i].text);
		assert_int_equal(host_is_name(cases[i].text), cases[i].name);
		assert_int_equal(host_is_pattern(cases[i].text), cases[i].pattern);
	}
	memset(label, 'a', sizeof(label));
	label[63] = '\0';
	assert_true(host_is_label(label));
	label[63] = 'a';
	label[64] = '\0';
	assert_false(host_is_label(label));
	assert_true(host_is_ip("2001:db8::1"));
	assert_false(host_is_ip("10.0.0.256"));
}

static void matching(void **state)
{
	(void)state;
	assert_true(host_matches("*.foo.com", "a.foo.com"));
	assert_true(host_matches("*.foo.com", "a.b.FOO.com"));
	assert_false(host_matches("*.foo.com", "foo.com"));
	assert_false(host_matches("*.foo.com", ".foo.com"));
	assert_true(host_matches("*-foo.com", "a-foo.com"));
	assert_false(host_matches("*-foo.com", "-foo.com"));
	assert_true(host_matches("*", "a"));
	assert_true(host_matches("A.b", "a.B"));
	assert_false(host_matches("a.b", "x.a.b"));
}

static void intersection_is_the_more_specific(void **state)
{
	static const struct {
		const char *a;
		const char *b;
		const char *want;
	} cases[] = {
		{"*.foo.com", "*", "*.foo.com"},
		{"a.foo.com", "*.foo.com", "a.foo.com"},
		{"*.foo.com", "*.a.foo.com", "*.a.foo.com"},
		{"*.foo.com", "foo.com", NULL},
		{"a.com", "b.com", NULL},
		{"a.com", "A.com", "a.com"},
		{"*", "*", "*"},
		{"*.foo.com", "*.bar.com", NULL},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const char *ab = host_intersect(cases[i].a, cases[i].b),
			   *ba = host_intersect(cases[i].b, cases[i].a);

		assert_int_equal(ab != NULL, cases[i].want != NULL);
		assert_int_equal(ba != NULL, cases[i].want != NULL);
		assert_int_equal(host_overlaps(cases[i].a, cases[i].b), cases[i].want != NULL);
		if (ab)
			assert_string_equal(ab, cases[i].want);
	}
}

static void short_names_are_completed(void **state)
{
	struct arena a = {0};

	(void)state;
	assert_string_equal(host_expand(&a, "Reviews", "shop", "cluster.local"),
	                    "reviews.shop.svc.cluster.local");
	assert_string_equal(host_expand(&a, "reviews.ns", "shop", "cluster.local"), "reviews.ns");
	assert_string_equal(host_expand(&a, "A.example.com.", "shop", "cluster.local"),
	                    "a.example.com");
	assert_string_equal(host_expand(&a, "*", "shop", "cluster.local"), "*");
	assert_string_equal(host_expand(&a, "::1", "shop", "cluster.local"), "::1");
	arena_fini(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_and_patterns),
		cmocka_unit_test(matching),
		cmocka_unit_test(intersection_is_the_more_specific),
		cmocka_unit_test(short_names_are_completed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
