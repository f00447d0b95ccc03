/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Diagnostics: what is wrong with which document, where, and what to do about it.
 *
 * A check does not stop at the first error: it adds to a list and goes on, so that the user sees
 * everything in one run. A list owns all its texts and may outlive the documents it speaks of.
 *
 * A sentence says what is wrong, then what to do: "weight is -1; give 0 or more".
 */
#ifndef WEIR_DIAG_H
#define WEIR_DIAG_H

#include "arena.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#define DIAG_MAX 100 /* errors kept, and warnings kept; further ones are only counted */

struct tree_node;

/* A place in a document. All zero: nowhere in particular. */
struct where {
	const char *file;             /* lives as long as the document */
	uint32_t line;                /* from 1; 0 when unknown */
	uint32_t col;                 /* from 1, in characters */
	const struct tree_node *node; /* what stands there: gives the field path; or NULL */
};

enum diag_severity {
	DIAG_ERROR,
	DIAG_WARNING,
};

struct diag {
	enum diag_severity severity;
	const char *file; /* or NULL */
	uint32_t line;    /* 0 when unknown */
	uint32_t col;
	const char *object; /* "VirtualService sample-app/httpbin", or NULL */
	const char *path;   /* "spec.http[0].route[1].weight", or NULL */
	const char *code;   /* "WEIGHT_NEGATIVE": stable, for programs */
	const char *text;   /* the sentence, without place and severity */
};

/* All zero is an empty list. */
struct diag_list {
	struct arena arena;
	struct diag *items;
	uint32_t n;
	uint32_t n_errors;   /* of all added, also those not kept */
	uint32_t n_warnings; /* of all added, also those not kept */
	const char *object;  /* what the diagnostics being added are about; see diag_about() */
};

/** Say which object the following diagnostics are about ("Kind namespace/name"; NULL: none). Copies the text. */
void diag_about(struct diag_list *l, const char *object);

/**
 * Add one error.
 *
 * @param at    where; its node, if any, gives the field path
 * @param code  stable upper-case name, a literal
 * @param fmt   printf format of the sentence
 */
void diag_error(struct diag_list *l, struct where at, const char *code, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

/** Add one warning. Arguments as for diag_error(). */
void diag_warn(struct diag_list *l, struct where at, const char *code, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

/** Append copies of all diagnostics of another list. */
void diag_append(struct diag_list *l, const struct diag_list *from);

/** "FILE:LINE:COL: error: sentence" (without what is unknown), in the list's arena. */
const char *diag_format(struct diag_list *l, const struct diag *d);

/** Print all, one a line, and how many were left out. */
void diag_print(struct diag_list *l, FILE *out);

/** Free everything. The list is empty afterwards and can be used again. */
void diag_fini(struct diag_list *l);

#endif
