/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Aligned columns. Cells are added one after the other; a row is full when every column has one.
 */
#ifndef WEIR_CLI_TABLE_H
#define WEIR_CLI_TABLE_H

#include "terminal.h"

#include <stddef.h>

#define TABLE_COLUMNS_MAX 16

struct table_cell {
	char *text; /* owned; without control characters */
	enum colour colour;
};

struct table {
	size_t n_columns, n_cells, size;
	bool right[TABLE_COLUMNS_MAX];
	struct table_cell *cells; /* row by row, the heading first */
	bool failed;              /* out of memory: cells are missing */
};

/** Begin a table. headings: up to TABLE_COLUMNS_MAX, NULL-terminated; ">X" aligns to the right. */
void table_init(struct table *t, const char *const *headings);
void table_fini(struct table *t);

/** Add a cell; control characters in it become "?". An empty cell is shown as it is. */
__attribute__((format(printf, 2, 3))) void table_cell(struct table *t, const char *format, ...);

/** Colour of the cell added last. */
void table_colour(struct table *t, enum colour colour);

/** Rows without the heading. */
size_t table_rows(const struct table *t);

/** Print it; false when memory ran out and the table is not whole (nothing is printed then). */
bool table_print(const struct table *t, FILE *stream);

#endif
