/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The table of istio_fields.def as data. For the decoder and the reference page; nobody else needs it.
 *
 * A field's name is its protocol buffer name ("redirect_code"), which is also the member of the
 * struct; documents may use it or its lowerCamelCase form ("redirectCode"), as protojson does.
 */
#ifndef WEIR_ISTIO_TABLE_H
#define WEIR_ISTIO_TABLE_H

#include "istio.h"

#include <stdbool.h>
#include <stddef.h>

#define ISTIO_FIELD_NAME_MAX 64

enum istio_type {
	ISTIO_TEXT,
	ISTIO_UINT32,
	ISTIO_INT32,
	ISTIO_BOOL,
	ISTIO_DURATION,
	ISTIO_ENUM_VALUE,
	ISTIO_TEXTS,
	ISTIO_PAIRS,
	ISTIO_NUMBERS,
	ISTIO_MATCHES,
	ISTIO_MESSAGE,
	ISTIO_MESSAGES,
	ISTIO_UINT64, /* up to 2^63 - 1 */
	/* only of fields that are not built */
	ISTIO_UINT32S,
	ISTIO_DOUBLE,
	ISTIO_BYTES,
};

enum istio_support {
	ISTIO_BUILT,
	ISTIO_LATER,
	ISTIO_IGNORED,
	ISTIO_REFUSED,
};

struct istio_message;

struct istio_field {
	const char *name; /* snake_case */
	enum istio_support support;
	enum istio_type type;
	size_t offset;                  /* BUILT: in the struct */
	const struct istio_message *of; /* MESSAGE, MESSAGES */
	const char *const *values; /* ENUM_VALUE: names, in the order of their numbers; NULL ends */
	const char *help;
	const char *note; /* IGNORED: why; REFUSED: the sentence */
};

struct istio_message {
	const char *title;
	size_t size; /* of the struct; 0: not built */
	const struct istio_field *fields;
	size_t n_fields; /* at most 64 */
};

/* The spec of each kind. */
extern const struct istio_message *const istio_specs[ISTIO_KIND_COUNT];

/* The specs of kinds that are not supported yet; NULL ends. */
extern const struct istio_message *const istio_later_specs[];

/** Find a field by either form of its name, or NULL. */
const struct istio_field *istio_table_find(const struct istio_message *m, const char *name);

/** The lowerCamelCase form. Returns out. */
const char *istio_table_camel(const struct istio_field *f, char out[ISTIO_FIELD_NAME_MAX]);

/** The name most like a wrong one (at most a few letters differ), or NULL. names ends with NULL. */
const char *istio_table_similar(const char *wrong, const char *const *names);

#endif
