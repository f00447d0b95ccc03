/* SPDX-License-Identifier: BSD-3-Clause */
#include "condition.h"
#include "test.h"

static bool is_utf8(const char *bytes)
{
	return condition_is_utf8((struct str){bytes, (uint32_t)strlen(bytes)});
}

static void utf8_is_told_from_other_bytes(void **state)
{
	(void)state;
	assert_true(is_utf8(""));
	assert_true(is_utf8("plain text of more than eight bytes"));
	assert_true(is_utf8("\xc2\x80 \xdf\xbf \xe0\xa0\x80 \xef\xbf\xbf"));
	assert_true(is_utf8("\xed\x9f\xbf \xee\x80\x80 \xf0\x90\x80\x80 \xf4\x8f\xbf\xbf"));
	assert_false(is_utf8("\x80"));
	assert_false(is_utf8("eight ok\xff"));
	assert_false(is_utf8("\xc0\x80"));         /* overlong */
	assert_false(is_utf8("\xc1\xbf"));         /* overlong */
	assert_false(is_utf8("\xe0\x9f\xbf"));     /* overlong */
	assert_false(is_utf8("\xed\xa0\x80"));     /* surrogate */
	assert_false(is_utf8("\xf0\x8f\xbf\xbf")); /* overlong */
	assert_false(is_utf8("\xf4\x90\x80\x80")); /* above U+10FFFF */
	assert_false(is_utf8("\xf5\x80\x80\x80"));
	assert_false(is_utf8("\xe2\x82"));     /* cut off */
	assert_false(is_utf8("\xe2\x82 "));    /* cut off */
	assert_false(is_utf8("\xf0\x9f\x98")); /* cut off */
}

static struct route_bits bits;
static struct http1_request request;

static const struct condition_env env = {.request = &request, .bits = &bits};

static void add_field(const char *name, const char *value)
{
	request.head.fields[request.head.n_fields++] = (struct http1_field){
		.name = {name, (uint32_t)strlen(name)}, .value = {value, (uint32_t)strlen(value)}};
}

static bool holds(uint8_t op, const char *text, bool invert)
{
	const struct header_match h = {
		.subject = SUBJECT_HEADER,
		.invert = invert,
		.name = STR("x-a"),
		.value = {.op = op, .text = {text, (uint32_t)strlen(text)}},
	};
	const struct clause c = {.n_headers = 1, .headers = &h};

	return condition_rest(&env, &c);
}

static void headers_are_joined_and_missing_ones_match_nothing(void **state)
{
	(void)state;
	memset(&request, 0, sizeof(request));
	add_field("X-B", "no");
	assert_false(holds(MATCH_PRESENT, "", false));
	assert_false(holds(MATCH_EXACT, "", false));
	assert_true(holds(MATCH_PRESENT, "", true));
	assert_false(holds(MATCH_EXACT, "", true)); /* missing counts as empty when inverted */
	assert_true(holds(MATCH_EXACT, "1", true));
	add_field("X-A", "");
	assert_true(holds(MATCH_PRESENT, "", false));
	assert_true(holds(MATCH_EXACT, "", false));
	assert_false(holds(MATCH_PRESENT, "", true));
	add_field("x-a", "1");
	assert_true(holds(MATCH_EXACT, ",1", false));
	add_field("x-A", "2");
	assert_true(holds(MATCH_EXACT, ",1,2", false));
	assert_true(holds(MATCH_PREFIX, ",1,", false));
	assert_false(holds(MATCH_EXACT, "2", false));
}

static bool query_holds(const char *query, const char *name, uint8_t op, const char *text)
{
	const struct query_match q = {
		.name = {name, (uint32_t)strlen(name)},
		.value = {.op = op, .text = {text, (uint32_t)strlen(text)}},
	};
	const struct clause c = {.n_queries = 1, .queries = &q};

	request.query = (struct str){query, query ? (uint32_t)strlen(query) : 0};
	return condition_rest(&env, &c);
}

static void query_parameters_are_raw_and_the_first_counts(void **state)
{
	(void)state;
	memset(&request, 0, sizeof(request));
	assert_false(query_holds(NULL, "q", MATCH_PRESENT, ""));
	assert_false(query_holds("", "q", MATCH_PRESENT, ""));
	assert_true(query_holds("q", "q", MATCH_EXACT, ""));
	assert_true(query_holds("q=", "q", MATCH_EXACT, ""));
	assert_true(query_holds("a=b&q=1&q=2", "q", MATCH_EXACT, "1"));
	assert_false(query_holds("q=%31", "q", MATCH_EXACT, "1"));
	assert_true(query_holds("q=a=b", "q", MATCH_EXACT, "a=b"));
	assert_false(query_holds("Q=1", "q", MATCH_PRESENT, ""));
	assert_false(query_holds("qq=1&xq=1", "q", MATCH_PRESENT, ""));
	assert_true(query_holds("x&&q", "q", MATCH_PRESENT, ""));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(utf8_is_told_from_other_bytes),
		cmocka_unit_test(headers_are_joined_and_missing_ones_match_nothing),
		cmocka_unit_test(query_parameters_are_raw_and_the_first_counts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
