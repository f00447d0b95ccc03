/* SPDX-License-Identifier: BSD-3-Clause */
#include "table.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define GAP 3 /* spaces between columns, as kubectl has */

/* Columns on the screen: bytes that do not continue a UTF-8 character. */
static size_t width_of(const char *text)
{
	size_t width = 0;

	for (; *text; text++)
		width += ((unsigned char)*text & 0xc0) != 0x80;
	return width;
}

static void clean(char *text)
{
	char *to = text;

	while (*text) {
		size_t n = terminal_control(text);

		*to++ = n ? '?' : *text;
		text += n ? n : 1;
	}
	*to = '\0';
}

static void add(struct table *t, char *text)
{
	if (t->n_cells == t->size) {
		size_t size = t->size * 2 + 64;
		struct table_cell *cells = realloc(t->cells, size * sizeof(*cells));

		if (!cells) {
			free(text);
			text = NULL;
		} else {
			t->cells = cells;
			t->size = size;
		}
	}
	if (!text) {
		t->failed = true;
		return;
	}
	clean(text);
	t->cells[t->n_cells++] = (struct table_cell){text, COLOUR_NONE};
}

void table_init(struct table *t, const char *const *headings)
{
	*t = (struct table){0};
	for (; headings[t->n_columns]; t->n_columns++) {
		const char *heading = headings[t->n_columns];

		t->right[t->n_columns] = heading[0] == '>';
		add(t, strdup(heading + (heading[0] == '>')));
		table_colour(t, COLOUR_BOLD);
	}
}

void table_fini(struct table *t)
{
	for (size_t i = 0; i < t->n_cells; i++)
		free(t->cells[i].text);
	free(t->cells);
	*t = (struct table){0};
}

void table_cell(struct table *t, const char *format, ...)
{
	char *text;
	va_list list;

	va_start(list, format);
	if (vasprintf(&text, format, list) < 0)
		text = NULL;
	va_end(list);
	add(t, text);
}

void table_colour(struct table *t, enum colour colour)
{
	if (!t->failed && t->n_cells)
		t->cells[t->n_cells - 1].colour = colour;
}

size_t table_rows(const struct table *t)
{
	return t->n_cells / t->n_columns - 1;
}

static void print_row(const struct table *t, size_t row, const size_t *widths, bool colours,
                      FILE *stream)
{
	const struct table_cell *cells = &t->cells[row * t->n_columns];
	size_t owed = 0; /* spaces are printed only when something follows them */

	for (size_t i = 0; i < t->n_columns; i++) {
		size_t width = width_of(cells[i].text), pad = widths[i] - width;

		if (width) {
			bool coloured = colours && cells[i].colour != COLOUR_NONE;

			fprintf(stream, "%*s%s%s%s", (int)(owed + (t->right[i] ? pad : 0)), "",
			        coloured ? terminal_colour(stream, cells[i].colour) : "",
			        cells[i].text,
			        coloured ? terminal_colour(stream, COLOUR_NONE) : "");
			owed = t->right[i] ? 0 : pad;
		} else {
			owed += pad;
		}
		owed += GAP;
	}
	fputc('\n', stream);
}

bool table_print(const struct table *t, FILE *stream)
{
	size_t widths[TABLE_COLUMNS_MAX] = {0};
	bool colours =
		terminal_colours(stream); /* asks the system: once a table, not once a cell */

	if (t->failed)
		return false;
	for (size_t i = 0; i < t->n_cells; i++) {
		size_t width = width_of(t->cells[i].text), *max = &widths[i % t->n_columns];

		*max = width > *max ? width : *max;
	}
	for (size_t row = 0; row < t->n_cells / t->n_columns; row++)
		print_row(t, row, widths, colours, stream);
	return true;
}
