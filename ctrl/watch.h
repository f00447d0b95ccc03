/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Watch the routing directory and say when it has come to rest after changes. Works with editors
 * that write and rename, and with Kubernetes' mounts, where a symbolic link named ..data is swapped.
 * A directory that is not there (yet, or any more) is looked for again every few seconds.
 */
#ifndef WEIR_WATCH_H
#define WEIR_WATCH_H

#include <stdbool.h>
#include <uv.h>

struct watch {
	uv_fs_event_t event;
	uv_timer_t timer; /* to rest after an event, or to look for the directory again */
	const char *dir;
	bool watching;
	void (*changed)(void *arg);
	void *arg;
};

/** @param dir  must stay; changed is called from the loop, never before this returns */
void watch_open(struct watch *w, uv_loop_t *loop, const char *dir, void (*changed)(void *arg),
                void *arg);

/** Stop. Memory goes when the loop has run. */
void watch_close(struct watch *w);

#endif
