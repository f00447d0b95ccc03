/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What commands that show or change objects share: names of objects and the report of a change.
 */
#ifndef WEIR_CLI_CHANGE_H
#define WEIR_CLI_CHANGE_H

#include "session.h"

#define CHANGE_NAME_BYTES 640 /* of any kind, group and name */

/** "virtualservice.networking.istio.io/httpbin" of an object {kind, name}; written into name. */
const char *change_object_name(const json_t *object, char name[CHANGE_NAME_BYTES]);

/**
 * Call a method that makes a change (apply, delete, reload) and report it, an object a line.
 *
 * @param params  consumed; gets dry_run, wait and timeout_ms from the options
 */
enum exit_code change_run(struct session *s, const char *method, json_t *params);

#endif
