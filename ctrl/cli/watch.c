/* SPDX-License-Identifier: BSD-3-Clause */
#include "watch.h"

#include "terminal.h"

#include <time.h>

#define HOME        "\033[H"
#define ERASE_BELOW "\033[J"
#define HIDE_CURSOR "\033[?25l"
#define SHOW_CURSOR "\033[?25h"

json_t *watch_route_params(const struct session *s)
{
	const char *ns = args_value(&s->args, OPTION_NAMESPACE);
	const char *route = s->args.n_words ? s->args.words[0] : NULL;

	if (!ns)
		return route ? json_pack("{s:s}", "route", route) : json_object();
	return json_pack("{s:s++}", "route", ns, "/", route ? route : "");
}

static double seconds_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void pause_for(double seconds)
{
	struct timespec pause = {.tv_sec = (time_t)seconds,
	                         .tv_nsec = (long)((seconds - (double)(time_t)seconds) * 1e9)};

	nanosleep(&pause, NULL);
}

/* One picture: on a terminal over the last one, else below it; JSON as one line. */
static enum exit_code draw(const struct session *s, const struct watch_view *view,
                           const struct look *look, bool terminal, bool first)
{
	enum exit_code code;

	if (s->format == FORMAT_JSON) {
		json_t *made = view->json ? view->json(look) : NULL;
		int failed = json_dumpf(view->json ? made : look->now, stdout, JSON_COMPACT);

		json_decref(made);
		if (failed)
			return session_no_memory();
		putchar('\n');
	} else {
		fputs(terminal ? HOME ERASE_BELOW : first ? "" : "\n", stdout);
		code = view->print(look);
		if (code)
			return code;
	}
	/*
	 * A reader that left ends the watch; session_main() says what there is to say. A terminal is
	 * written line by line: when it is gone, fflush() may have nothing left that could fail.
	 */
	return fflush(stdout) == 0 && !ferror(stdout) ? WEIRCTL_OK : WEIRCTL_FAILED;
}

static enum exit_code watch(struct session *s, const struct watch_view *view, double interval,
                            bool terminal)
{
	json_t *before = NULL, *now;
	double then = 0;
	bool first = true;
	enum exit_code code = WEIRCTL_OK;

	while (code == WEIRCTL_OK && !terminal_interrupted()) {
		code = session_call(s, view->method, view->params(s), &now);
		if (code == WEIRCTL_OK) {
			double at = seconds_now();
			struct look look = {now, before, before ? at - then : 0};

			if (before || !view->wants_two) {
				code = draw(s, view, &look, terminal, first);
				first = false;
			}
			then = at;
			json_decref(before);
			before = now;
		}
		if (code == WEIRCTL_OK)
			pause_for(interval);
	}
	json_decref(before);
	return terminal_interrupted() ? WEIRCTL_OK : code;
}

enum exit_code watch_start(struct session *s, const struct watch_view *view)
{
	const char *text = args_value(&s->args, OPTION_WATCH);
	long interval_ms = text ? args_time_ms(text) : 1000;
	bool terminal = s->format == FORMAT_TEXT && terminal_is(stdout);
	enum exit_code code;

	if (s->format == FORMAT_NAME)
		return session_misused("--watch and -o name do not go together");
	if (interval_ms < 100)
		return session_misused("\"%.64s\" is no interval; give 0.1 seconds or more", text);
	terminal_catch_signals();
	fputs(terminal ? HIDE_CURSOR HOME ERASE_BELOW : "", stdout);
	code = watch(s, view, (double)interval_ms / 1000, terminal);
	fputs(terminal ? SHOW_CURSOR : "", stdout);
	return code;
}

static enum exit_code show(const struct session *s, const struct watch_view *view,
                           const struct look *look)
{
	if (s->format == FORMAT_JSON)
		return session_print_json(view->json(look));
	return view->print(look);
}

enum exit_code watch_twice(struct session *s, const struct watch_view *view, long apart_ms)
{
	json_t *before, *now;
	double then;
	enum exit_code code = session_call(s, view->method, view->params(s), &before);

	if (code)
		return code;
	then = seconds_now();
	pause_for((double)apart_ms / 1000);
	code = session_call(s, view->method, view->params(s), &now);
	if (code == WEIRCTL_OK) {
		code = show(s, view, &(struct look){now, before, seconds_now() - then});
		json_decref(now);
	}
	json_decref(before);
	return code;
}
