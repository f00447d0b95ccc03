/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The files of -f: which they are, and their texts for the daemon.
 */
#ifndef WEIR_CLI_DOCUMENTS_H
#define WEIR_CLI_DOCUMENTS_H

#include "session.h"

/**
 * Read all files of -f.
 *
 * @param documents  receives an array of {name, text} (control.md), caller's
 * @return           WEIRCTL_OK, or WEIRCTL_USAGE after saying which file cannot be read
 */
enum exit_code documents_read(const struct session *s, json_t **documents);

/** Parameters {documents, namespace} from -f and -n; consumed by session_call(). */
enum exit_code documents_params(const struct session *s, json_t **params);

/** Add the namespace of -n to parameters, if it was given. */
void documents_add_namespace(const struct session *s, json_t *params);

#endif
