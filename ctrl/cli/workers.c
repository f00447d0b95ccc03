/* SPDX-License-Identifier: BSD-3-Clause */
/* workers: one row a worker, what it did between two looks. */
#include "session.h"
#include "table.h"
#include "text.h"
#include "watch.h"

#include <string.h>

#define APART_MS 500 /* of the two looks, when asked once */

static const char *const headings[] = {">WORKER", ">CPU",     ">SOCKET", "STATE",  ">LOAD",
                                       ">%CPU",   ">REQ/S",   ">RX/S",   ">TX/S",  ">CONNS",
                                       ">FLOWS",  ">CYC/REQ", ">OFF",    ">PICKS", NULL};

/* ---- figures ------------------------------------------------------------------------------ */

/* What a worker, or all of them, counted between the looks. */
struct worked {
	double seconds, busy_ns, cpu_ns, cycles, loops, idle_loops;
	double requests, rx, tx, off, conns, flows, picks;
};

/* Figures that began anew, because the daemon did or a split, count from zero. */
static double since(const json_t *now, const json_t *before, const char *key)
{
	json_int_t was = session_int(before, key), is = session_int(now, key);

	return (double)(is >= was ? is - was : is);
}

static struct worked worked_since(const json_t *now, const json_t *before, double seconds)
{
	return (struct worked){
		.seconds = seconds,
		.busy_ns = since(now, before, "busy_ns"),
		.cpu_ns = since(now, before, "cpu_ns"),
		.cycles = since(now, before, "busy_cycles"),
		.loops = since(now, before, "loops"),
		.idle_loops = since(now, before, "idle_loops"),
		.requests = since(now, before, "requests"),
		.rx = since(now, before, "rx_pkts"),
		.tx = since(now, before, "tx_pkts"),
		.off = since(now, before, "handed_off"),
		.conns = (double)session_int(now, "conns"),
		.flows = (double)session_int(now, "flows"),
		.picks = since(now, before, "picks"),
	};
}

static void add_worked(struct worked *sum, const struct worked *w)
{
	sum->seconds += w->seconds; /* of workers: shares of it are means */
	sum->busy_ns += w->busy_ns;
	sum->cpu_ns += w->cpu_ns;
	sum->cycles += w->cycles;
	sum->requests += w->requests;
	sum->rx += w->rx;
	sum->tx += w->tx;
	sum->off += w->off;
	sum->conns += w->conns;
	sum->flows += w->flows;
	sum->picks += w->picks;
}

/* The share of the whole; null when there is none. */
static json_t *share_of(double part, double whole)
{
	return whole > 0 ? json_real(part / whole) : json_null();
}

/*
 * A worker that takes no turn for longer than it may sleep is stuck: something has its CPU, or it does
 * not come out of a turn.
 */
static const char *state_of(const json_t *answer, const json_t *worker, const struct worked *w)
{
	double sleep_s = (double)session_int(answer, "idle_sleep_us") / 1e6;

	if (w->loops == 0 && w->seconds > 2 * sleep_s)
		return "stuck";
	if (session_int(worker, "generation") != session_int(answer, "generation"))
		return "behind";
	if (strcmp(session_str(answer, "state"), "serving") != 0)
		return session_str(answer, "state");
	return w->loops > w->idle_loops ? "serving" : "idle";
}

/* seconds: between the looks; those of w are as many times more as it has workers. */
static json_t *figures_json(const struct worked *w, double seconds, double all_picks)
{
	json_t *o = json_pack("{s:o, s:o}", "load", share_of(w->busy_ns, w->seconds * 1e9), "cpu",
	                      share_of(w->cpu_ns, w->seconds * 1e9));

	json_object_set_new(o, "requests_per_s", share_of(w->requests, seconds));
	json_object_set_new(o, "rx_pkts_per_s", share_of(w->rx, seconds));
	json_object_set_new(o, "tx_pkts_per_s", share_of(w->tx, seconds));
	json_object_set_new(o, "conns", json_integer((json_int_t)w->conns));
	json_object_set_new(o, "flows", json_integer((json_int_t)w->flows));
	json_object_set_new(o, "cycles_per_request", share_of(w->cycles, w->requests));
	json_object_set_new(o, "handed_off", share_of(w->off, w->rx));
	json_object_set_new(o, "picks", share_of(w->picks, all_picks));
	return o;
}

static json_t *row_json(const struct look *look, const json_t *worker, const struct worked *w,
                        double all_picks)
{
	json_t *o = json_pack(
		"{s:O?, s:O?, s:O?, s:s}", "worker", json_object_get(worker, "worker"), "core",
		json_object_get(worker, "core"), "socket", json_object_get(worker, "socket"),
		"state", state_of(look->now, worker, w));
	json_t *figures = figures_json(w, w->seconds, all_picks);

	json_object_update(o, figures);
	json_decref(figures);
	return o;
}

static json_t *make_rows(const struct look *look, double seconds, struct worked *total)
{
	const json_t *now = json_object_get(look->now, "workers"), *worker;
	const json_t *before = json_object_get(look->before, "workers");
	json_t *rows = json_array();
	size_t i;

	json_array_foreach(now, i, worker)
	{
		struct worked w = worked_since(worker, json_array_get(before, i), seconds);

		add_worked(total, &w);
	}
	json_array_foreach(now, i, worker)
	{
		struct worked w = worked_since(worker, json_array_get(before, i), seconds);

		json_array_append_new(rows, row_json(look, worker, &w, total->picks));
	}
	return rows;
}

/* By the daemon's clock, the same that busy time is measured with. */
static double seconds_between(const struct look *look)
{
	double s = since(look->now, look->before, "time_ns") / 1e9;

	return session_int(look->now, "time_ns") >= session_int(look->before, "time_ns") ? s : 0;
}

static json_t *make_figures(const struct look *look)
{
	double seconds = seconds_between(look);
	struct worked total = {0};
	json_t *rows = make_rows(look, seconds, &total);

	return json_pack("{s:f, s:O?, s:O?, s:o, s:o, s:O?}", "interval_s", seconds, "generation",
	                 json_object_get(look->now, "generation"), "state",
	                 json_object_get(look->now, "state"), "workers", rows, "total",
	                 figures_json(&total, seconds, total.picks), "warnings",
	                 json_object_get(look->now, "warnings"));
}

/* ---- the table ---------------------------------------------------------------------------- */

static void number_cell(struct table *t, const json_t *row, const char *key)
{
	const json_t *value = json_object_get(row, key);

	if (json_is_number(value))
		table_cell(t, "%.0f", json_number_value(value));
	else
		table_cell(t, "-");
}

static void share_cell(struct table *t, const json_t *row, const char *key, int digits)
{
	const json_t *share = json_object_get(row, key);

	if (json_is_number(share))
		table_cell(t, "%.*f%%", digits, json_number_value(share) * 100);
	else
		table_cell(t, "-");
}

static enum colour state_colour(const char *state)
{
	if (strcmp(state, "stuck") == 0)
		return COLOUR_RED;
	if (strcmp(state, "serving") == 0)
		return COLOUR_GREEN;
	return strcmp(state, "idle") == 0 ? COLOUR_NONE : COLOUR_YELLOW;
}

static enum colour load_colour(const json_t *row)
{
	double load = json_number_value(json_object_get(row, "load"));

	return load >= 0.9 ? COLOUR_RED : load >= 0.7 ? COLOUR_YELLOW : COLOUR_NONE;
}

static void add_row(struct table *t, const json_t *row)
{
	share_cell(t, row, "load", 0);
	table_colour(t, load_colour(row));
	share_cell(t, row, "cpu", 0);
	number_cell(t, row, "requests_per_s");
	number_cell(t, row, "rx_pkts_per_s");
	number_cell(t, row, "tx_pkts_per_s");
	number_cell(t, row, "conns");
	number_cell(t, row, "flows");
	number_cell(t, row, "cycles_per_request");
	share_cell(t, row, "handed_off", 1);
	share_cell(t, row, "picks", 1);
}

static bool print_table(const json_t *figures)
{
	const json_t *row;
	struct table t;
	bool whole;
	size_t i;

	table_init(&t, headings);
	json_array_foreach(json_object_get(figures, "workers"), i, row)
	{
		number_cell(&t, row, "worker");
		number_cell(&t, row, "core");
		number_cell(&t, row, "socket");
		table_cell(&t, "%s", session_str(row, "state"));
		table_colour(&t, state_colour(session_str(row, "state")));
		add_row(&t, row);
	}
	table_cell(&t, "total");
	for (i = 0; i < 3; i++)
		table_cell(&t, "%s", "");
	add_row(&t, json_object_get(figures, "total"));
	whole = table_print(&t, stdout);
	table_fini(&t);
	return whole;
}

static enum exit_code print_figures(const struct look *look)
{
	json_t *figures = make_figures(look);
	const json_t *warning;
	bool whole = figures && print_table(figures);
	size_t i;

	json_array_foreach(json_object_get(figures, "warnings"), i, warning)
	{
		fputs(i ? "" : "\n", stdout);
		terminal_line(stdout, COLOUR_YELLOW, json_string_value(warning));
	}
	json_decref(figures);
	return whole ? WEIRCTL_OK : session_no_memory();
}

enum exit_code run_workers(struct session *s)
{
	static const struct watch_view view = {.method = "workers",
	                                       .params = watch_route_params,
	                                       .print = print_figures,
	                                       .json = make_figures,
	                                       .wants_two = true};

	if (args_has(&s->args, OPTION_WATCH))
		return watch_start(s, &view);
	return watch_twice(s, &view, APART_MS);
}
