/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The lines both texts begin and end with are set aside; of what is left, a table of the lengths of
 * the longest common subsequences of all pairs of tails says which lines stay.
 */
#include "diff.h"

#include "terminal.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define CONTEXT ((size_t)3)

struct line {
	const char *p;
	size_t len;
};

struct lines {
	struct line *v;
	size_t n;
};

/* One step of the script. */
struct edit {
	char sign; /* ' ', '-', '+' */
	const struct line *line;
};

struct script {
	struct edit *v;
	size_t n;
};

static int split_lines(const char *text, struct lines *lines)
{
	size_t n = 0;

	for (const char *p = text; *p; p += strcspn(p, "\n"), p += *p == '\n')
		n++;
	lines->n = 0;
	lines->v = calloc(n + 1, sizeof(*lines->v));
	if (!lines->v)
		return -ENOMEM;
	for (const char *p = text; *p; p += *p == '\n') {
		size_t len = strcspn(p, "\n");

		lines->v[lines->n++] = (struct line){p, len};
		p += len;
	}
	return 0;
}

static bool same(const struct line *a, const struct line *b)
{
	return a->len == b->len && memcmp(a->p, b->p, a->len) == 0;
}

static void step(struct script *script, char sign, const struct line *line)
{
	script->v[script->n++] = (struct edit){sign, line};
}

/* The differing middles of both texts. Without memory for the table all of it counts as changed. */
static void compare_middle(struct script *script, struct lines a, struct lines b)
{
	size_t width = b.n + 1, i = 0, j = 0;
	uint32_t *common = NULL;

	if (a.n && b.n && a.n < DIFF_CELLS_MAX / b.n)
		common = calloc((a.n + 1) * width, sizeof(*common));
	for (size_t x = common ? a.n : 0; x-- > 0;) {
		for (size_t y = b.n; y-- > 0;) {
			uint32_t down = common[(x + 1) * width + y],
				 right = common[x * width + y + 1];

			if (same(&a.v[x], &b.v[y]))
				common[x * width + y] = common[(x + 1) * width + y + 1] + 1;
			else
				common[x * width + y] = down > right ? down : right;
		}
	}
	while (common && i < a.n && j < b.n) {
		if (same(&a.v[i], &b.v[j])) {
			step(script, ' ', &a.v[i++]);
			j++;
		} else if (common[(i + 1) * width + j] >= common[i * width + j + 1]) {
			step(script, '-', &a.v[i++]);
		} else {
			step(script, '+', &b.v[j++]);
		}
	}
	while (i < a.n)
		step(script, '-', &a.v[i++]);
	while (j < b.n)
		step(script, '+', &b.v[j++]);
	free(common);
}

static void compare(struct script *script, struct lines a, struct lines b)
{
	size_t head = 0, tail = 0;

	while (head < a.n && head < b.n && same(&a.v[head], &b.v[head]))
		head++;
	while (tail < a.n - head && tail < b.n - head &&
	       same(&a.v[a.n - 1 - tail], &b.v[b.n - 1 - tail]))
		tail++;
	for (size_t i = 0; i < head; i++)
		step(script, ' ', &a.v[i]);
	compare_middle(script, (struct lines){a.v + head, a.n - head - tail},
	               (struct lines){b.v + head, b.n - head - tail});
	for (size_t i = a.n - tail; i < a.n; i++)
		step(script, ' ', &a.v[i]);
}

static void print_line(const struct edit *edit, FILE *stream)
{
	enum colour colour = edit->sign == '-'   ? COLOUR_RED
	                     : edit->sign == '+' ? COLOUR_GREEN
	                                         : COLOUR_NONE;
	char *text;

	if (asprintf(&text, "%c%.*s", edit->sign, (int)edit->line->len, edit->line->p) < 0)
		return;
	terminal_line(stream, colour, text);
	free(text);
}

/* Where the hunk that begins at the change "from" ends: no change within two contexts behind it. */
static size_t hunk_end(const struct script *script, size_t from)
{
	size_t end = from;

	for (size_t i = from; i < script->n && i <= end + 2 * CONTEXT + 1; i++)
		if (script->v[i].sign != ' ')
			end = i;
	return end + 1 + CONTEXT < script->n ? end + 1 + CONTEXT : script->n;
}

/* "12,3" of a hunk's head; an empty range is counted from the line before it. */
static void print_range(FILE *stream, char sign, size_t before, size_t count)
{
	fprintf(stream, " %c%zu", sign, count ? before + 1 : before);
	if (count != 1)
		fprintf(stream, ",%zu", count);
}

static void print_hunk(const struct script *script, size_t from, size_t to, FILE *stream)
{
	size_t old_before = 0, new_before = 0, old_count = 0, new_count = 0;

	for (size_t i = 0; i < to; i++) {
		*(i < from ? &old_before : &old_count) += script->v[i].sign != '+';
		*(i < from ? &new_before : &new_count) += script->v[i].sign != '-';
	}
	fprintf(stream, "%s@@", terminal_colour(stream, COLOUR_CYAN));
	print_range(stream, '-', old_before, old_count);
	print_range(stream, '+', new_before, new_count);
	fprintf(stream, " @@%s\n", terminal_colour(stream, COLOUR_NONE));
	for (size_t i = from; i < to; i++)
		print_line(&script->v[i], stream);
}

static void print_script(const struct script *script, FILE *stream)
{
	for (size_t i = 0, shown = 0; i < script->n; i++) {
		size_t from;

		if (script->v[i].sign == ' ')
			continue;
		from = i > shown + CONTEXT ? i - CONTEXT : shown;
		shown = hunk_end(script, i);
		print_hunk(script, from, shown, stream);
		i = shown - 1;
	}
}

int diff_print(const char *path, const char *before, const char *after, FILE *stream)
{
	struct lines a = {0}, b = {0};
	struct script script = {0};
	int rc = 0;

	if (strcmp(before, after) == 0)
		return 0;
	if (split_lines(before, &a) || split_lines(after, &b))
		rc = -ENOMEM;
	if (rc == 0)
		script.v = calloc(a.n + b.n + 1, sizeof(*script.v));
	if (script.v) {
		compare(&script, a, b);
		fprintf(stream, "%s--- %s", terminal_colour(stream, COLOUR_BOLD),
		        *before ? "live/" : "");
		terminal_write(stream, *before ? path : "/dev/null");
		fprintf(stream, "\n+++ %s", *after ? "files/" : "");
		terminal_line(stream, COLOUR_NONE, *after ? path : "/dev/null");
		fputs(terminal_colour(stream, COLOUR_NONE), stream);
		print_script(&script, stream);
	} else {
		rc = -ENOMEM;
	}
	free(script.v);
	free(a.v);
	free(b.v);
	return rc;
}
