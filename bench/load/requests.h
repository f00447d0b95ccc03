/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The requests: one for each host and path, written in advance. Request number c asks host c / paths for path c % paths.
 */
#ifndef WEIR_BENCH_LOAD_REQUESTS_H
#define WEIR_BENCH_LOAD_REQUESTS_H

#include "body.h"
#include "draw.h"
#include "peer.h"

#define REQUESTS_MAX 1000000u /* hosts x paths */

struct request_form {
	const char *host;      /* of the one host; several are host-0.example.com and so on */
	uint32_t hosts, paths; /* several paths are /path-0/item and so on */
	double zipf;           /* 0: all alike */
	uint32_t pipeline;     /* requests that are sent at once */
	uint32_t post;         /* bytes of body; 0: GET */
	bool browser;          /* the fields of a browser: 1 KiB */
	bool close;
};

struct requests {
	struct script *scripts;
	char *text;
	uint32_t n, bytes; /* bytes of one, the last */
	struct draw draw;
};

/** @return 0 or -errno */
int requests_init(struct requests *r, const struct request_form *form, const struct body *body);
void requests_fini(struct requests *r);

#endif
