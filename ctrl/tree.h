/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * YAML text to a tree in which every node knows its file, line and column. JSON is read too, being
 * YAML. Built from libyaml's events in an arena; immutable afterwards except through tree_set().
 *
 * Anchors and aliases work: an alias becomes a copy, counted against the node limit, so nested
 * aliases cannot blow up. Merge keys ("<<") and tags are refused, duplicate keys are errors.
 */
#ifndef WEIR_TREE_H
#define WEIR_TREE_H

#include "arena.h"
#include "diag.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define TREE_BYTES_MAX (16u << 20) /* one file */
#define TREE_NODES_MAX 500000u     /* one file, aliases expanded */
#define TREE_DEPTH_MAX 64u

enum tree_kind {
	TREE_SCALAR,
	TREE_LIST,
	TREE_MAP,
};

struct tree_node {
	enum tree_kind kind;
	bool quoted;        /* SCALAR: 'x', "x", | or >: text whatever it looks like */
	struct where where; /* where.node points back here */
	const char *text;   /* SCALAR: NUL-terminated, has no NUL inside */
	const char *key;    /* when the parent is a MAP: the key, else NULL */
	struct where key_where;
	uint32_t index; /* place in the parent, from 0 */
	uint32_t n;     /* LIST, MAP: number of children */
	struct tree_node *parent;
	struct tree_node *first; /* children, in document order */
	struct tree_node *last;
	struct tree_node *next; /* sibling */
};

struct tree_docs {
	struct tree_node **v; /* empty documents are left out */
	uint32_t n;
};

/**
 * Read all documents of a text.
 *
 * @param a      arena for the trees
 * @param file   name for messages; copied
 * @param text   the bytes
 * @param len    how many
 * @param diags  gets one error with line and column when the text is not good YAML
 * @return       the documents before the error, all when there is none
 */
struct tree_docs tree_parse(struct arena *a, const char *file, const char *text, size_t len,
                            struct diag_list *diags);

/** The value of a key, or NULL when node is NULL, not a map, or has no such key. */
const struct tree_node *tree_get(const struct tree_node *node, const char *key);

/** Put key: text (a quoted scalar) at the end of a map that does not have the key. */
void tree_set(struct arena *a, struct tree_node *map, const char *key, const char *text);

/** Take a key out of a map, if it is there. */
void tree_remove(struct tree_node *map, const char *key);

/** Copy a tree into another arena. The copy is a root. */
struct tree_node *tree_copy(struct arena *a, const struct tree_node *node);

/** What a plain scalar means (YAML 1.1 as kubectl reads it); all false for quoted text, maps and lists. */
bool tree_is_null(const struct tree_node *node);
bool tree_as_bool(const struct tree_node *node, bool *out);
bool tree_as_int(const struct tree_node *node, int64_t *out);
bool tree_as_double(const struct tree_node *node, double *out); /* ints too */

/** Is it text: quoted, or plain and none of the above? */
bool tree_is_text(const struct tree_node *node);

/** "a map", "a list", "a number", ...: for messages. */
const char *tree_kind_text(const struct tree_node *node);

/** "spec.http[0].route[1].weight" in the arena; "" for a root. */
const char *tree_path(struct arena *a, const struct tree_node *node);

/** Write a tree as block-style YAML that reads back the same; ends with a line feed. */
void tree_emit(FILE *out, const struct tree_node *node);

/** The tree as JSON. The caller owns the reference. */
json_t *tree_to_json(const struct tree_node *node);

#endif
