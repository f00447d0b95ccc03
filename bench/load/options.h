/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The command line of the load generator.
 */
#ifndef WEIR_BENCH_LOAD_OPTIONS_H
#define WEIR_BENCH_LOAD_OPTIONS_H

#include "flood.h"
#include "l4.h"

#include <stdbool.h>
#include <stdint.h>

#define OPTIONS_VERSIONS 2

struct options {
	const char *edge, *back;               /* sockets of memif ports */
	const char *edge_device, *back_device; /* any DPDK devices instead */
	const char *host;
	uint32_t vip, client, server, port; /* host order */
	uint32_t connections, seconds, inflight, sources, hosts, paths, pipeline, body, post,
		workers, window_scale;
	double rate, zipf, flood_rate; /* rates: per second; 0: closed loop, as fast as it goes */
	enum flood_kind flood;
	enum l4_kind l4;
	uint32_t endpoints;
	bool answer, plain, random;
	bool close, idle, browser, alongside, curve, by_request, huge;
	uint32_t expect[OPTIONS_VERSIONS]; /* weights; all 0: not checked */
};

/** Read the command line; says what is wrong with it and ends the program. */
void options_read(struct options *o, int argc, char **argv);

#endif
