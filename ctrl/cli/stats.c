/* SPDX-License-Identifier: BSD-3-Clause */
/* stats: one row a destination of a route; with --watch, what happened since the last look too. */
#include "session.h"
#include "table.h"
#include "text.h"
#include "watch.h"

#include <string.h>

#define CLUSTER_SUFFIX ".svc.cluster.local" /* of most hosts: left out of the table */

static const char *const headings[] = {"ROUTE",     "DESTINATION", "SUBSET", ">ASKED", ">SEEN",
                                       ">REQUESTS", ">2XX",        ">3XX",   ">4XX",   ">5XX",
                                       ">NONE",     ">P50",        ">P90",   ">P99",   NULL};
static const char *const watch_headings[] = {"ROUTE", "DESTINATION", "SUBSET", ">ASKED", ">SEEN",
                                             ">NOW",  ">REQUESTS",   ">REQ/S", ">2XX",   ">4XX",
                                             ">5XX",  ">P50",        ">P90",   ">P99",   NULL};

/* The members of a list under their names; NULL when there is no list. */
static json_t *index_names(const json_t *list)
{
	json_t *names = list ? json_object() : NULL, *item;
	size_t i;

	json_array_foreach(list, i, item) json_object_set(names, session_str(item, "name"), item);
	return names;
}

/* Requests since the last look; figures that began anew count from zero. */
static json_int_t requests_since(const json_t *now, const json_t *before)
{
	json_int_t was = session_int(before, "requests"), is = session_int(now, "requests");

	return is >= was ? is - was : is;
}

static void destination_cells(struct table *t, const json_t *row)
{
	const char *host = session_str(row, "host");
	size_t len = strlen(host), end = strlen(CLUSTER_SUFFIX);

	if (len > end && strcmp(host + len - end, CLUSTER_SUFFIX) == 0)
		len -= end;
	if (*host)
		table_cell(t, "%.*s:%lld", (int)len, host, (long long)session_int(row, "port"));
	else
		table_cell(t, "%s", session_str(row, "kind"));
	table_cell(t, "%s", session_str(row, "subset"));
	table_cell(t, "%s", text_share(&(struct text){""}, json_object_get(row, "asked")));
	table_cell(t, "%s", text_share(&(struct text){""}, json_object_get(row, "seen")));
}

static void status_cell(struct table *t, const json_t *row, const char *class, enum colour colour)
{
	json_int_t n = session_int(json_object_get(row, "status"), class);

	table_cell(t, "%lld", (long long)n);
	table_colour(t, n ? colour : COLOUR_NONE);
}

static void latency_cells(struct table *t, const json_t *row)
{
	const json_t *latency = json_object_get(row, "latency_us");

	table_cell(t, "%s", text_latency(&(struct text){""}, json_object_get(latency, "p50")));
	table_cell(t, "%s", text_latency(&(struct text){""}, json_object_get(latency, "p90")));
	table_cell(t, "%s", text_latency(&(struct text){""}, json_object_get(latency, "p99")));
}

static void add_row(struct table *t, const char *route, const json_t *row)
{
	table_cell(t, "%s", route);
	destination_cells(t, row);
	table_cell(t, "%lld", (long long)session_int(row, "requests"));
	status_cell(t, row, "2xx", COLOUR_NONE);
	status_cell(t, row, "3xx", COLOUR_NONE);
	status_cell(t, row, "4xx", COLOUR_YELLOW);
	status_cell(t, row, "5xx", COLOUR_RED);
	status_cell(t, row, "none", COLOUR_YELLOW);
	latency_cells(t, row);
}

/* since: requests of the row since the last look; all: of its whole route. */
static void add_watch_row(struct table *t, const char *route, const json_t *row, double since,
                          double all, double seconds)
{
	json_t *share = all > 0 ? json_real(since / all) : NULL;

	table_cell(t, "%s", route);
	destination_cells(t, row);
	table_cell(t, "%s", text_share(&(struct text){""}, share));
	table_cell(t, "%lld", (long long)session_int(row, "requests"));
	if (seconds > 0)
		table_cell(t, "%.0f", since / seconds);
	else
		table_cell(t, "-");
	status_cell(t, row, "2xx", COLOUR_NONE);
	status_cell(t, row, "4xx", COLOUR_YELLOW);
	status_cell(t, row, "5xx", COLOUR_RED);
	latency_cells(t, row);
	json_decref(share);
}

/* old: the same route at the look before, or NULL. */
static void add_watched(struct table *t, const json_t *route, const json_t *old,
                        const struct look *look)
{
	const char *name = session_str(route, "name");
	const json_t *destinations = json_object_get(route, "destinations"), *row;
	json_t *were = index_names(json_object_get(old, "destinations"));
	json_int_t all = 0;
	size_t i;

	json_array_foreach(destinations, i, row) all +=
		requests_since(row, json_object_get(were, session_str(row, "name")));
	json_array_foreach(destinations, i, row)
	{
		const json_t *was = json_object_get(were, session_str(row, "name"));

		add_watch_row(t, name, row, look->before ? (double)requests_since(row, was) : 0,
		              look->before ? (double)all : 0, look->seconds);
	}
	if (json_array_size(destinations) == 0)
		add_watch_row(t, name, route, look->before ? (double)requests_since(route, old) : 0,
		              0, look->seconds);
	json_decref(were);
}

static void add_route(struct table *t, const json_t *route)
{
	const json_t *destinations = json_object_get(route, "destinations"), *row;
	size_t i;

	json_array_foreach(destinations, i, row) add_row(t, session_str(route, "name"), row);
	if (json_array_size(destinations) == 0)
		add_row(t, session_str(route, "name"), route);
}

static void print_totals(const json_t *stats)
{
	const json_t *totals = json_object_get(stats, "totals");

	printf("%lld requests, %lld in progress, %lld clients; no host %lld, no rule %lld; "
	       "generation "
	       "%lld\n\n",
	       (long long)session_int(totals, "requests"), (long long)session_int(totals, "active"),
	       (long long)session_int(totals, "clients"), (long long)session_int(totals, "no_host"),
	       (long long)session_int(totals, "no_route"),
	       (long long)session_int(stats, "generation"));
}

static enum exit_code print_look(const struct look *look, bool watch)
{
	json_t *before = index_names(json_object_get(look->before, "routes")), *route;
	struct table t;
	bool whole;
	size_t i;

	print_totals(look->now);
	table_init(&t, watch ? watch_headings : headings);
	json_array_foreach(json_object_get(look->now, "routes"), i, route)
	{
		if (watch)
			add_watched(&t, route, json_object_get(before, session_str(route, "name")),
			            look);
		else
			add_route(&t, route);
	}
	whole = table_print(&t, stdout);
	table_fini(&t);
	json_decref(before);
	return whole ? WEIRCTL_OK : session_no_memory();
}

static enum exit_code print_names(json_t *stats)
{
	const json_t *route;
	size_t i;

	json_array_foreach(json_object_get(stats, "routes"), i, route)
		terminal_line(stdout, COLOUR_NONE, session_str(route, "name"));
	json_decref(stats);
	return WEIRCTL_OK;
}

static enum exit_code look_once(struct session *s)
{
	json_t *stats;
	enum exit_code code = session_call(s, "stats", watch_route_params(s), &stats);

	if (code)
		return code;
	if (s->format == FORMAT_JSON)
		return session_print_json(stats);
	if (s->format == FORMAT_NAME)
		return print_names(stats);
	code = print_look(&(struct look){stats, NULL, 0}, false);
	json_decref(stats);
	return code;
}

static enum exit_code print_watched(const struct look *look)
{
	return print_look(look, true);
}

enum exit_code run_stats(struct session *s)
{
	static const struct watch_view view = {
		.method = "stats", .params = watch_route_params, .print = print_watched};

	return args_has(&s->args, OPTION_WATCH) ? watch_start(s, &view) : look_once(s);
}
