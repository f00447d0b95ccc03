/* SPDX-License-Identifier: BSD-3-Clause */
#include "re2.h"
#include "test.h"

#include <string.h>

static void what_re2_takes(void **state)
{
	static const char *const good[] = {
		"",
		"a",
		"a*b+c?",
		"a*?",
		"a{2}",
		"a{2,}",
		"a{2,3}?",
		"a{1000}",
		"{",
		"a{",
		"a{,3}",
		"a{x}",
		"[a-z]",
		"[]a]",
		"[^]a]",
		"[a-]",
		"[[:alpha:]]",
		"[\\d\\-x]",
		"[*+?]",
		"(a|b)",
		"(?:a)",
		"(?i)a",
		"(?i:a)",
		"(?i-s)a",
		"(?P<n>a)",
		"(?<n>a)",
		"^a$",
		"\\Aa\\z",
		"\\bx\\B",
		"\\d\\D\\w\\W\\s\\S",
		"\\pN\\PN\\p{Greek}",
		"\\x41\\x{10FFFF}",
		"\\012",
		"\\12",
		"\\Qa(*\\E",
		"\\Qa(",
		"\\.\\*\\/\\-",
		"a|b|",
		"|a",
		"()",
		"\xc3\xa9+",
		"(a*)*",
		"^*",
		"\\C",
		"/items/[0-9]+",
		".*\\.(png|jpg)",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		const char *wrong = re2_check(good[i]);

		if (wrong)
			print_error("%s: %s\n", good[i], wrong);
		assert_null(wrong);
	}
}

static void what_re2_refuses(void **state)
{
	static const struct {
		const char *pattern;
		const char *want;
	} bad[] = {
		{"a\\v", "vertical tab"},      {"(?=a)", "look-ahead"},
		{"(?!a)", "look-ahead"},       {"(?<=a)", "look-behind"},
		{"(?<!a)", "look-behind"},     {"(?>a)", "atomic"},
		{"(a)\\1", "back-reference"},  {"\\8", "back-reference"},
		{"a++", "possessive"},         {"a*+", "possessive"},
		{"a?+", "possessive"},         {"a{2}+", "possessive"},
		{"a**", "side by side"},       {"a+*", "side by side"},
		{"a{2}{3}", "side by side"},   {"*", "nothing before"},
		{"a|*", "nothing before"},     {"(*)", "nothing before"},
		{"(?i)*", "nothing before"},   {"a{1001}", "above 1000"},
		{"a{3,2}", "backwards"},       {"(", "'(' is not closed"},
		{"((a)", "'(' is not closed"}, {")", "has no '('"},
		{"(a))", "has no '('"},        {"[", "'[' is not closed"},
		{"[]", "'[' is not closed"},   {"[a", "'[' is not closed"},
		{"[z-a]", "backwards"},        {"\\", "ends in a backslash"},
		{"\\Z", "does not know"},      {"\\G", "does not know"},
		{"\\K", "does not know"},      {"\\h", "does not know"},
		{"\\k<n>", "does not know"},   {"\\u0041", "does not know"},
		{"[\\b]", "does not know"},    {"\\p{Greek", "not closed"},
		{"\\p", "class name"},         {"\\x4", "two hexadecimal"},
		{"\\x{110000}", "10FFFF"},     {"(?P<n", "group name"},
		{"(?P<>a)", "group name"},     {"(?x)a", "does not know"},
		{"(?#c)", "does not know"},    {"(?(1)a|b)", "does not know"},
		{"(?P=n)", "does not know"},   {"(?", "does not know"},
		{"(?i", "does not know"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		const char *wrong = re2_check(bad[i].pattern);

		if (!wrong || !strstr(wrong, bad[i].want))
			print_error("%s: %s\n", bad[i].pattern, wrong ? wrong : "accepted");
		assert_non_null(wrong);
		assert_non_null(strstr(wrong, bad[i].want));
	}
}

static void length_is_bounded(void **state)
{
	char pattern[RE2_BYTES_MAX + 2];

	(void)state;
	memset(pattern, 'a', sizeof(pattern));
	pattern[RE2_BYTES_MAX] = '\0';
	assert_null(re2_check(pattern));
	pattern[RE2_BYTES_MAX] = 'a';
	pattern[RE2_BYTES_MAX + 1] = '\0';
	assert_non_null(re2_check(pattern));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_re2_takes),
		cmocka_unit_test(what_re2_refuses),
		cmocka_unit_test(length_is_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
