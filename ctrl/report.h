/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What runs and what it counted, as the JSON objects of docs/reference/control.md. Workers' figures
 * are read without locks and summed; two figures may be a moment apart. Control thread only.
 */
#ifndef WEIR_REPORT_H
#define WEIR_REPORT_H

#include "catalog.h"
#include "control.h"

#include <jansson.h>

json_t *report_version(void);
json_t *report_status(const struct control *c);

/** @param prefix  only routes whose name begins so; NULL: all */
json_t *report_stats(const struct control *c, const char *prefix);

/**
 * Each worker's figures since the start, and where it runs.
 *
 * @param prefix  "picks" counts those of routes whose name begins so; NULL: of all
 */
json_t *report_workers(const struct control *c, const char *prefix);

/** The list in it. */
json_t *report_each_worker(const struct catalog *catalog, const char *prefix);

/** What the data plane warns of (dataplane_warning()), and the profiles of its ports: a list of sentences. */
json_t *report_warnings(const struct control *c);

/** What devices do with flows by themselves. */
json_t *report_offload(void);

json_t *report_drops(void);
json_t *report_counters(void);

/** {state, clients} */
json_t *report_state(const struct control *c);

#endif
