/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Over HTTP: /metrics for Prometheus, /healthz and /readyz for whoever watches the node, / for
 * people. The figures are those of report.h, in another notation. libmicrohttpd's epoll descriptor
 * is polled by the control loop, so all runs in the control thread.
 */
#ifndef WEIR_METRICS_H
#define WEIR_METRICS_H

#include "control.h"

#include <jansson.h>
#include <stdio.h>
#include <uv.h>

struct MHD_Daemon;

struct metrics {
	struct MHD_Daemon *daemon;
	uv_poll_t poll;
	uv_timer_t timer; /* libmicrohttpd's own deadlines */
	struct control *control;
};

/**
 * Listen on "address:port" or "[IPv6]:port".
 *
 * @param err  receives one sentence when it fails
 * @return     0 or -errno
 */
int metrics_open(struct metrics *m, struct control *c, const char *address, char *err,
                 size_t err_size);

/** Stop. Memory goes when the loop has run. */
void metrics_close(struct metrics *m);

/** Write status, stats, drops and counters (report.h) in Prometheus' text format 0.0.4. */
void metrics_write(FILE *out, const json_t *status, const json_t *stats, const json_t *drops,
                   const json_t *counters);

/** Write what devices do with flows: report_offload(). */
void metrics_write_offload(FILE *out, const json_t *offload);

#endif
