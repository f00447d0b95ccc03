/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A set of Istio documents, keyed by (kind, namespace, name). What an apply reads, what the store
 * holds, and what the builder turns into a snapshot is a docset each.
 *
 * Objects are immutable and shared by count, and so are the pieces of sets, so a copy of a set is cheap
 * and so is a small change of a large one: change a copy, check it, build from it, and throw it away or
 * keep it. Counting is atomic; a set itself belongs to one
 * thread at a time.
 */
#ifndef WEIR_DOCSET_H
#define WEIR_DOCSET_H

#include "diag.h"
#include "istio.h"

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct docset;

enum docset_verb {
	DOCSET_CREATED,
	DOCSET_CONFIGURED,
	DOCSET_UNCHANGED,
	DOCSET_DELETED,
};

/** "created", "configured", "unchanged", "deleted". */
const char *docset_verb_name(enum docset_verb verb);

/** An empty set. */
struct docset *docset_new(void);

/** A set with the same objects. */
struct docset *docset_copy(const struct docset *set);

/** Free a set; its objects go with the last set that holds them. NULL is fine. */
void docset_free(struct docset *set);

/**
 * Read documents from a text and validate each.
 *
 * @param set     gets the objects. One set is one input: the same (kind, namespace, name) twice is an error
 * @param file    name for messages
 * @param text    YAML or JSON
 * @param len     its bytes
 * @param ns      namespace of objects that name none; NULL: "default"
 * @param diags   gets every error and warning
 * @return        0, or -EINVAL when diags got an error: the set then holds what could be read, for
 *                further checks, and must not be applied
 */
int docset_read_text(struct docset *set, const char *file, const char *text, size_t len,
                     const char *ns, struct diag_list *diags);

/**
 * Read a file, every *.yaml, *.yml and *.json of a directory in order of name (not below it), or "-":
 * standard input. Arguments as for docset_read_text(); what cannot be opened or read is an error too.
 *
 * @return  0 or -EINVAL
 */
int docset_read_path(struct docset *set, const char *path, const char *ns, struct diag_list *diags);

/**
 * Put all objects of a set into another, in place of those with the same key.
 *
 * @param into   changed; an object whose meaning is unchanged (metadata labels and annotations, spec) is kept
 * @param from   the input
 * @param verbs  NULL, or docset_count(from) places: what happened to docset_at(from, i)
 */
void docset_apply(struct docset *into, const struct docset *from, enum docset_verb *verbs);

/**
 * Give each object of an input its creationTimestamp: that of the object of the same key in known,
 * else the one written in the input, else now.
 *
 * @param input  read and not yet applied to or copied from any set
 * @param now    RFC 3339 in UTC, to the second
 */
void docset_stamp(struct docset *input, const struct docset *known, const char *now);

/** Take an object out. Returns false when there is none. */
bool docset_delete(struct docset *set, enum istio_kind kind, const char *ns, const char *name);

/** Number of objects. */
uint32_t docset_count(const struct docset *set);

/**
 * Object number i, 0 <= i < docset_count(), in the order in which documents take effect: by kind,
 * then creationTimestamp (none first), then name, then namespace.
 */
const struct istio_object *docset_at(const struct docset *set, uint32_t i);

/** The first object of a kind in that order and how many there are, as indexes for docset_at(). */
uint32_t docset_range(const struct docset *set, enum istio_kind kind, uint32_t *n);

/** Which of two takes effect first (<0: a): the order of docset_at(). 0 only for two of one key. */
int docset_order(const struct istio_object *a, const struct istio_object *b);

/** An object that only the old set has (DOCSET_DELETED) or only the new one (DOCSET_CREATED). */
typedef void docset_diff_fn(void *arg, const struct istio_object *o, enum docset_verb verb);

/**
 * What differs between two sets, in the order of effect. An object that was replaced is told twice, the old
 * one first. Costs little when one is a changed copy of the other.
 */
void docset_diff(const struct docset *was, const struct docset *is, docset_diff_fn *say, void *arg);

/** Find one object, or NULL. */
const struct istio_object *docset_find(const struct docset *set, enum istio_kind kind,
                                       const char *ns, const char *name);

/** Do both mean the same (canonical form)? */
bool docset_same(const struct istio_object *a, const struct istio_object *b);

/** Write every object as one multi-document YAML text that docset_read_text() reads back the same. */
void docset_emit(const struct docset *set, FILE *out);

/**
 * Read what docset_emit() wrote. Applied in many files and stored as one: the bounds on one file must not
 * keep it from being read back, so it is read in pieces of whole documents; "---" stands at the start of
 * a line only between documents there. Arguments as for docset_read_text().
 */
void docset_read_emitted(struct docset *set, const char *file, const char *text, size_t len,
                         const char *ns, struct diag_list *diags);

#endif
