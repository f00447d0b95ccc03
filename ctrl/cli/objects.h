/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Objects as the daemon's get returns them: {kind, namespace, name, origin, file, line, object, yaml}.
 */
#ifndef WEIR_CLI_OBJECTS_H
#define WEIR_CLI_OBJECTS_H

#include "session.h"

/** The value at "a.b.c" of an object (borrowed), or NULL. */
json_t *objects_value(const json_t *object, const char *place);

/**
 * A value as a table shows it: a list as "a,b", a map as "k=v,l=w", a text as it is, anything else as JSON.
 *
 * @return  malloc'd; NULL when memory ran out
 */
char *objects_text(json_t *value);

/**
 * Fetch objects of one kind and of the name that is the command's second word, if there is one.
 *
 * @param kind   len bytes: any name of a kind, or "all"
 * @param items  array; gets what is found at its end
 */
enum exit_code objects_fetch(struct session *s, const char *kind, size_t len, json_t *items);

#endif
