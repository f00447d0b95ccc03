/* SPDX-License-Identifier: BSD-3-Clause */
/* --watch: ask again and again, and show what happened between two answers. */
#ifndef WEIR_CLI_WATCH_H
#define WEIR_CLI_WATCH_H

#include "session.h"

/* Two looks at the figures. */
struct look {
	const json_t *now, *before; /* before: NULL at the first look */
	double seconds;             /* between them */
};

/* What a command has to say for --watch. */
struct watch_view {
	const char *method;
	json_t *(*params)(const struct session *s); /* the caller's; NULL: out of memory */
	enum exit_code (*print)(const struct look *look);
	json_t *(*json)(const struct look *look); /* in place of the answer; or NULL */
	bool wants_two;                           /* nothing to show before the second look */
};

/** The parameter "route": what stands after the command, within the namespace of -n when there is one. */
json_t *watch_route_params(const struct session *s);

/** Run --watch until it is interrupted. */
enum exit_code watch_start(struct session *s, const struct watch_view *view);

/** Two looks, so far apart; show the second. */
enum exit_code watch_twice(struct session *s, const struct watch_view *view, long apart_ms);

#endif
