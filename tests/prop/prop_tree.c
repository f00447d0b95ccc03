/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Random JSON, by a library that is not ours, read as YAML is the same JSON; and so it is after being
 * written as YAML and read again.
 */
#include "tree.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ROUNDS    20000
#define DEPTH_MAX 5
#define TEXT_MAX  24

static uint64_t state;

static uint32_t draw(uint32_t below)
{
	state = state * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)((state >> 33) % below);
}

/* Pieces that mean something to YAML, often; together they make any kind of trouble. */
static const char *draw_text(char out[TEXT_MAX], bool key)
{
	static const char *const pieces[] = {"a",  "Z",  "0",  "7",    "-",        "_",
	                                     ".",  "/",  ":",  " ",    ": ",       " #",
	                                     "#",  "*",  "&",  "!",    "|",        ">",
	                                     "%",  "@",  "`",  "\"",   "'",        "\\",
	                                     "{",  "}",  "[",  "]",    ",",        "?",
	                                     "<<", "=",  "~",  "null", "true",     "no",
	                                     "y",  "0x", "1e", "+",    "\xc3\xa9", "\xe2\x82\xac",
	                                     "\n", "\t", "\r", "\x01"};
	const uint32_t n = sizeof(pieces) / sizeof(pieces[0]);

	out[0] = '\0';
	for (uint32_t k = draw(6); k > 0; k--) {
		const char *piece =
			pieces[draw(key ? n - 4 : n)]; /* keys have no control characters */

		if (strlen(out) + strlen(piece) < TEXT_MAX)
			strcat(out, piece);
	}
	return out;
}

static int64_t draw_int(void)
{
	static const int64_t edges[] = {0,  1,     -1,        7,         8,         010,
	                                80, 65535, INT32_MAX, INT64_MAX, INT64_MIN, INT64_MIN + 1};

	return draw(2) ? edges[draw(sizeof(edges) / sizeof(edges[0]))]
	               : (int64_t)draw(1u << 31) - (1 << 30);
}

static json_t *draw_json(uint32_t depth)
{
	char text[TEXT_MAX];
	json_t *j;

	switch (draw(depth < DEPTH_MAX ? 8 : 5)) {
	case 0: return json_null();
	case 1: return json_boolean(draw(2));
	case 2: return json_integer(draw_int());
	case 3: return json_real((double)draw_int() / (double)(1 + draw(1000)));
	case 4: return json_string(draw_text(text, false));
	case 5:
		j = json_array();
		for (uint32_t n = draw(4); n > 0; n--)
			json_array_append_new(j, draw_json(depth + 1));
		return j;
	default:
		j = json_object();
		for (uint32_t n = draw(5); n > 0; n--)
			json_object_set_new(j, draw_text(text, true), draw_json(depth + 1));
		return j;
	}
}

/* Read a text as one document: is it this JSON? Gives the text as YAML, to be freed. */
static char *reads_as(const char *text, const json_t *want)
{
	struct arena a = {0};
	struct diag_list diags = {0};
	struct tree_docs docs = tree_parse(&a, "t", text, strlen(text), &diags);
	char *yaml = NULL;
	size_t len;

	diag_print(&diags, stderr);
	if (diags.n == 0 && docs.n == 1) {
		json_t *got = tree_to_json(docs.v[0]);
		FILE *out = open_memstream(&yaml, &len);

		tree_emit(out, docs.v[0]);
		fclose(out);
		if (!json_equal(got, want)) {
			free(yaml);
			yaml = NULL;
		}
		json_decref(got);
	}
	diag_fini(&diags);
	arena_fini(&a);
	return yaml;
}

int main(int argc, char **argv)
{
	uint64_t seed = argc > 1 ? strtoull(argv[1], NULL, 0) : 1;

	state = seed;
	for (int round = 0; round < ROUNDS; round++) {
		json_t *want = json_object();

		json_object_set_new(want, "k", draw_json(0));
		char *text = json_dumps(want, draw(2) ? JSON_COMPACT : JSON_INDENT(2));
		char *yaml = reads_as(text, want), *again = yaml ? reads_as(yaml, want) : NULL;

		if (!again || strcmp(yaml, again) != 0) {
			fprintf(stderr, "seed %lu round %d:\n%s\nYAML:\n%s\n", (unsigned long)seed,
			        round, text, yaml ? yaml : "(other)");
			return 1;
		}
		free(again);
		free(yaml);
		free(text);
		json_decref(want);
	}
	return 0;
}
