/* SPDX-License-Identifier: BSD-3-Clause */
#include "watch.h"

#include "log.h"

#define REST_MS  200  /* files of one change are written within this of each other */
#define RETRY_MS 2000 /* look for a directory that is not there */

static void start(struct watch *w);

static void rested(uv_timer_t *timer)
{
	struct watch *w = timer->data;

	/* the directory itself may have been replaced: watch the one that has the name now */
	uv_fs_event_stop(&w->event);
	start(w);
	w->changed(w->arg);
}

static void found(uv_fs_event_t *event, const char *name, int events, int status)
{
	struct watch *w = event->data;

	(void)name;
	(void)events;
	(void)status;
	uv_timer_start(&w->timer, rested, REST_MS, 0);
}

static void look_again(uv_timer_t *timer)
{
	struct watch *w = timer->data;

	start(w);
	if (w->watching)
		w->changed(w->arg);
}

static void start(struct watch *w)
{
	int rc = uv_fs_event_start(&w->event, found, w->dir, 0);

	if (rc < 0 && w->watching)
		log_warning("directory-not-watched", "path=%s error=\"%s\"", w->dir,
		            uv_strerror(rc));
	w->watching = rc == 0;
	if (!w->watching)
		uv_timer_start(&w->timer, look_again, RETRY_MS, 0);
}

void watch_open(struct watch *w, uv_loop_t *loop, const char *dir, void (*changed)(void *arg),
                void *arg)
{
	*w = (struct watch){.dir = dir, .watching = true, .changed = changed, .arg = arg};
	uv_fs_event_init(loop, &w->event);
	uv_timer_init(loop, &w->timer);
	w->event.data = w;
	w->timer.data = w;
	start(w);
}

void watch_close(struct watch *w)
{
	uv_close((uv_handle_t *)&w->event, NULL);
	uv_close((uv_handle_t *)&w->timer, NULL);
}
