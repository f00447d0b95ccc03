/* SPDX-License-Identifier: BSD-3-Clause */
#include "test.h"
#include "tree.h"

#include <stdlib.h>
#include <string.h>

/* A document with most of what YAML has. */
static const char sample[] = "# comment\n"
			     "a: &x {b: 1, \"c\": 'two', d: [yes, ~, 3.5, \"80\"]}\n"
			     "e: *x\n"
			     "f: |\n"
			     "  block\n"
			     "  text\n"
			     "g:\n"
			     "- h: \"\\u00e9\\n\"\n"
			     "  i: {}\n"
			     "- - j\n"
			     "  - []\n"
			     "---\n"
			     "second: true\n";

struct parsed {
	struct arena arena;
	struct diag_list diags;
	struct tree_docs docs;
};

static struct parsed parse(const char *text, size_t len)
{
	struct parsed p = {0};

	p.docs = tree_parse(&p.arena, "t", text, len, &p.diags);
	return p;
}

static void drop(struct parsed *p)
{
	arena_fini(&p->arena);
	diag_fini(&p->diags);
}

static void nodes_know_their_place(void **state)
{
	struct parsed p = parse(sample, sizeof(sample) - 1);
	const struct tree_node *c = tree_get(tree_get(p.docs.v[0], "a"), "c");
	const struct tree_node *h = tree_get(tree_get(p.docs.v[0], "g")->first, "h");
	struct arena a = {0};

	(void)state;
	assert_int_equal(p.diags.n, 0);
	assert_int_equal(p.docs.n, 2);
	assert_string_equal(c->text, "two");
	assert_true(c->quoted);
	assert_string_equal(c->where.file, "t");
	assert_int_equal(c->where.line, 2);
	assert_int_equal(c->where.col, 19);
	assert_int_equal(c->key_where.col, 14);
	assert_string_equal(tree_path(&a, h), "g[0].h");
	assert_string_equal(h->text, "\xc3\xa9\n");
	assert_string_equal(tree_get(p.docs.v[0], "f")->text, "block\ntext\n");
	arena_fini(&a);
	drop(&p);
}

static void aliases_are_copies(void **state)
{
	struct parsed p = parse(sample, sizeof(sample) - 1);
	const struct tree_node *e = tree_get(p.docs.v[0], "e");
	struct arena a = {0};

	(void)state;
	assert_int_equal(e->n, 3);
	assert_string_equal(tree_path(&a, tree_get(e, "d")->last), "e.d[3]");
	assert_int_equal(tree_get(e, "b")->where.line, 2);
	arena_fini(&a);
	drop(&p);
}

static void plain_scalars_mean_what_kubectl_reads(void **state)
{
	static const struct {
		const char *text;
		const char *kind;
		int64_t number;
	} cases[] = {
		{"80", "a number", 80},
		{"-5", "a number", -5},
		{"0x1F", "a number", 31},
		{"010", "a number", 8},
		{"1_000", "a number", 1000},
		{"0b11", "a number", 3},
		{"3.5", "a number", 0},
		{"1e3", "a number", 0},
		{"true", "a boolean", 0},
		{"Yes", "a boolean", 0},
		{"off", "a boolean", 0},
		{"~", "nothing (null)", 0},
		{"null", "nothing (null)", 0},
		{"\"80\"", "text", 0},
		{"1.2.3.4", "text", 0},
		{"10s", "text", 0},
		{"v1", "text", 0},
		{"-", "a list", 0},
		{".", "text", 0},
		{"1e", "text", 0},
		{"- 1", "a list", 0},
		{"{}", "a map", 0},
		{"+-1", "text", 0},
		{"truely", "text", 0},
		{"9223372036854775807", "a number", INT64_MAX},
		{"9223372036854775808", "a number", 0},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char doc[64];
		int64_t v = 0;

		snprintf(doc, sizeof(doc), "k: [%s]", cases[i].text);
		if (strcmp(cases[i].kind, "a list") == 0)
			snprintf(doc, sizeof(doc), "k:\n- %s", cases[i].text);
		struct parsed p = parse(doc, strlen(doc));

		assert_int_equal(p.diags.n, 0);
		const struct tree_node *n = tree_get(p.docs.v[0], "k")->first;

		if (strcmp(tree_kind_text(n), cases[i].kind) != 0)
			print_error("of %s\n", cases[i].text);
		assert_string_equal(tree_kind_text(n), cases[i].kind);
		tree_as_int(n, &v);
		assert_int_equal(v, cases[i].number);
		drop(&p);
	}
}

static void bad_text_has_one_sentence(void **state)
{
	static const struct {
		const char *text;
		const char *want;
	} cases[] = {
		{"a: 1\nb:\n\t- 2\n", "t:3:1: error: a tab cannot indent in YAML; use spaces"},
		{"a: \xff\n", "t:1:4: error: the text is not valid UTF-8; save the file as UTF-8"},
		{"\xc3\xa9: \xff\n",
	         "t:1:4: error: the text is not valid UTF-8; save the file as UTF-8"},
		{"a: \x01\n",
	         "t:1:4: error: a control character is not allowed in YAML; remove it"},
		{"a: 1\na: 2\n", "t:2:1: error: a is given twice, first in line 1; keep one"},
		{"a: {b: 1, c: 2, b: 3}\n",
	         "t:1:17: error: b is given twice, first in line 1; keep one"},
		{"a: &x {}\nb: {<<: *x}\n",
	         "t:2:5: error: merge keys (<<) are not supported; write the fields out"},
		{"a: !!str 1\n", "t:1:4: error: tags (!) are not supported; put quotes around text "
	                         "that looks like something else"},
		{"a: !x []\n", "t:1:4: error: tags (!) are not supported; remove it"},
		{"a: *x\n",
	         "t:1:4: error: no anchor &x stands before *x in this document; define it first"},
		{"a: &x 1\n---\na: *x\n",
	         "t:3:4: error: no anchor &x stands before *x in this document; define it first"},
		{"a: &x [*x]\n",
	         "t:1:8: error: the alias stands inside its own anchor; that has no end"},
		{"? [a]\n: b\n",
	         "t:1:3: error: a key must be a single word or text; a list or map cannot be one"},
		{"a: &x b\n*x : c\n",
	         "t:2:1: error: a key must be a single word or text; an alias cannot be one"},
		{"a: \"b\\0c\"\n", "t:1:4: error: a value contains a NUL character; remove it"},
		{"\"b\\0c\": a\n", "t:1:1: error: a key contains a control character; remove it"},
		{"a: b: c\n", "t:1:5: error: a second ': ' in one line; put quotes around the "
	                      "value, or check the indentation"},
		{"a: @b\n",
	         "t:1:4: error: this character cannot start a value; put quotes around the value"},
		{"a:\n  - 1\n - 2\n", "t:3:2: error: the indentation does not fit"},
		{"a: [1\n", "t:2:1: error: a '[' list goes on without ',' or ']'; close it"},
		{"a: \"1\n", "t:2:1: error: the text ends inside a quoted value; close the quote"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct parsed p = parse(cases[i].text, strlen(cases[i].text));

		assert_int_equal(p.diags.n, 1);
		const char *got = diag_format(&p.diags, &p.diags.items[0]);

		if (strncmp(got, cases[i].want, strlen(cases[i].want)) != 0)
			assert_string_equal(got, cases[i].want);
		drop(&p);
	}
}

/* Any prefix of a good document is a good document or has an error; reading it never crashes. */
static void any_truncation_is_a_tree_or_an_error(void **state)
{
	(void)state;
	for (size_t len = 0; len < sizeof(sample); len++) {
		char *exact =
			malloc(len ? len : 1); /* so that a sanitizer sees one byte too many */

		memcpy(exact, sample, len);
		struct parsed p = parse(exact, len);

		assert_in_range(p.diags.n, 0, 1);
		if (p.diags.n == 1)
			assert_in_range(p.diags.items[0].line, 1, 14);
		drop(&p);
		free(exact);
	}
}

static void nested_aliases_do_not_blow_up(void **state)
{
	char doc[2000], *q = doc;

	(void)state;
	q += sprintf(q, "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
	for (int i = 1; i < 12; i++)
		q += sprintf(
			q,
			"a%d: &a%d [*a%d, *a%d, *a%d, *a%d, *a%d, *a%d, *a%d, *a%d, *a%d, *a%d]\n",
			i, i, i - 1, i - 1, i - 1, i - 1, i - 1, i - 1, i - 1, i - 1, i - 1, i - 1);
	struct parsed p = parse(doc, strlen(doc));

	assert_int_equal(p.diags.n, 1);
	assert_string_equal(p.diags.items[0].code, "YAML_SIZE");
	assert_in_range(p.arena.bytes, 0, (size_t)TREE_NODES_MAX * 400);
	drop(&p);
}

static void depth_is_bounded(void **state)
{
	char doc[4 * TREE_DEPTH_MAX];

	(void)state;
	for (uint32_t depth = TREE_DEPTH_MAX; depth <= TREE_DEPTH_MAX + 1; depth++) {
		memset(doc, '[', depth);
		memset(doc + depth, ']', depth);
		struct parsed p = parse(doc, 2 * depth);

		assert_int_equal(p.diags.n, depth > TREE_DEPTH_MAX);
		drop(&p);
	}
}

static char *emit(const struct tree_node *node)
{
	char *text;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	tree_emit(out, node);
	fclose(out);
	return text;
}

static char *json(const struct tree_node *node)
{
	json_t *j = tree_to_json(node);
	char *text = json_dumps(j, JSON_COMPACT | JSON_ENCODE_ANY);

	json_decref(j);
	return text;
}

static void yaml_is_written_as_people_do(void **state)
{
	static const char want[] =
		"a:\n  b: 1\n  c: two\n  d:\n  - yes\n  - null\n  - 3.5\n  - \"80\"\n"
		"e:\n  b: 1\n  c: two\n  d:\n  - yes\n  - null\n  - 3.5\n  - \"80\"\n"
		"f: \"block\\ntext\\n\"\ng:\n- h: \"\xc3\xa9\\n\"\n  i: {}\n- - j\n  - []\n";
	struct parsed p = parse(sample, sizeof(sample) - 1);
	char *text = emit(p.docs.v[0]);

	(void)state;
	assert_string_equal(text, want);
	free(text);
	drop(&p);
}

static void json_keeps_the_types(void **state)
{
	static const char want[] =
		"{\"a\":{\"b\":1,\"c\":\"two\",\"d\":[true,null,3.5,\"80\"]},\"e\":{\"b\":1,\"c\":"
		"\"two\",\"d\":[true,null,3.5,\"80\"]},"
		"\"f\":\"block\\ntext\\n\",\"g\":[{\"h\":\"\xc3\xa9\\n\",\"i\":{}},[\"j\",[]]]}";
	struct parsed p = parse(sample, sizeof(sample) - 1);
	char *text = json(p.docs.v[0]);

	(void)state;
	assert_string_equal(text, want);
	free(text);
	drop(&p);
}

/* Texts that are hard to write: what is emitted reads back as the same text. */
static void emitted_texts_read_back(void **state)
{
	static const char *const texts[] = {
		"",
		" ",
		"a b",
		"yes",
		"null",
		"~",
		"80",
		"1.5",
		"-",
		"- a",
		"a: b",
		"a #b",
		"#",
		"*",
		"*.foo.com",
		"&a",
		"!x",
		"|",
		">",
		"%",
		"@",
		"`",
		"\"",
		"'",
		"\\",
		"\n",
		"a\n",
		"\ta",
		"a\t",
		"{}",
		"[]",
		"?",
		":",
		"a:",
		"\x7f",
		"\xc2\x85",
		"\xe2\x80\xa8",
		"\xef\xbb\xbf",
		"\xc3\xa9",
		"---",
		"...",
		"<<",
		"=",
		"0x1f",
		"1_0",
		"/a/b",
		"a=b",
		"(a|b)",
		"\r\n",
		"\x1b[0m",
		"2026-02-03",
		"12:30",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct arena a = {0};
		struct tree_node root = {.kind = TREE_MAP};

		tree_set(&a, &root, "k", texts[i]);
		if (texts[i][0] &&
		    !strpbrk(texts[i], "\n\r\t\x7f\x1b")) /* keys have no control characters */
			tree_set(&a, &root, texts[i], "v");
		char *text = emit(&root);
		struct parsed p = parse(text, strlen(text));

		if (p.diags.n > 0)
			print_error("%s\n%s\n", text, p.diags.items[0].text);
		assert_int_equal(p.diags.n, 0);
		assert_string_equal(tree_get(p.docs.v[0], "k")->text, texts[i]);
		assert_true(tree_is_text(tree_get(p.docs.v[0], "k")));
		assert_int_equal(p.docs.v[0]->n, root.n);
		drop(&p);
		free(text);
		arena_fini(&a);
	}
}

static void keys_can_be_taken_out(void **state)
{
	struct parsed p = parse("{a: 1, b: 2, c: 3}", 18);

	(void)state;
	tree_remove(p.docs.v[0], "c");
	tree_remove(p.docs.v[0], "a");
	tree_remove(p.docs.v[0], "x");
	tree_set(&p.arena, p.docs.v[0], "d", "4");
	char *text = json(p.docs.v[0]);

	assert_string_equal(text, "{\"b\":2,\"d\":\"4\"}");
	free(text);
	drop(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nodes_know_their_place),
		cmocka_unit_test(aliases_are_copies),
		cmocka_unit_test(plain_scalars_mean_what_kubectl_reads),
		cmocka_unit_test(bad_text_has_one_sentence),
		cmocka_unit_test(any_truncation_is_a_tree_or_an_error),
		cmocka_unit_test(nested_aliases_do_not_blow_up),
		cmocka_unit_test(depth_is_bounded),
		cmocka_unit_test(yaml_is_written_as_people_do),
		cmocka_unit_test(json_keeps_the_types),
		cmocka_unit_test(emitted_texts_read_back),
		cmocka_unit_test(keys_can_be_taken_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
