/* SPDX-License-Identifier: BSD-3-Clause */
/* offload: one row a port, what its device did by itself between two looks; below, what went wrong. */
#include "weir/offload.h"

#include "session.h"
#include "table.h"
#include "watch.h"

#include <string.h>

#define APART_MS 500 /* of the two looks, when asked once */

static const char *const headings[] = {"PORT",   "LEVEL",  "TOLD BY", ">RULES",  ">ROOM", ">IN/S",
                                       ">OUT/S", ">PKT/S", ">MBIT/S", ">FAILED", NULL};

/* ---- figures ------------------------------------------------------------------------------ */

/* A figure, or the sum of an object of them. */
static json_int_t total(const json_t *port, const char *key)
{
	json_t *of = json_object_get(port, key), *value;
	json_int_t sum = json_integer_value(of);
	const char *name;

	json_object_foreach(of, name, value) sum += json_integer_value(value);
	return sum;
}

/* Figures that began anew, because the daemon did, count from zero. */
static double since(const json_t *now, const json_t *before, const char *key)
{
	json_int_t was = total(before, key), is = total(now, key);

	return (double)(is >= was ? is - was : is);
}

static double seconds_between(const struct look *look)
{
	json_int_t was = session_int(look->before, "time_ns"),
		   is = session_int(look->now, "time_ns");

	return is > was ? (double)(is - was) / 1e9 : 0;
}

static json_t *per_second(double n, double seconds)
{
	return seconds > 0 ? json_real(n / seconds) : json_null();
}

static json_t *row_json(const json_t *now, const json_t *before, double seconds)
{
	json_t *o = json_deep_copy(now);

	json_object_set_new(o, "inserted_per_s",
	                    per_second(since(now, before, "inserted"), seconds));
	json_object_set_new(o, "removed_per_s", per_second(since(now, before, "removed"), seconds));
	json_object_set_new(o, "packets_per_s", per_second(since(now, before, "packets"), seconds));
	json_object_set_new(o, "bits_per_s", per_second(since(now, before, "bytes") * 8, seconds));
	return o;
}

static json_t *make_figures(const struct look *look)
{
	const json_t *before = json_object_get(look->before, "ports"), *port;
	double seconds = seconds_between(look);
	json_t *rows = json_array();
	size_t i;

	json_array_foreach(json_object_get(look->now, "ports"), i, port)
		json_array_append_new(rows, row_json(port, json_array_get(before, i), seconds));
	return json_pack("{s:f, s:o}", "interval_s", seconds, "ports", rows);
}

/* ---- the table ---------------------------------------------------------------------------- */

static void rate_cell(struct table *t, const json_t *row, const char *key, double unit)
{
	const json_t *value = json_object_get(row, key);

	if (json_is_number(value))
		table_cell(t, "%.0f", json_number_value(value) / unit);
	else
		table_cell(t, "-");
}

static void add_row(struct table *t, const json_t *row)
{
	const char *level = session_str(row, "level");
	json_int_t failed = total(row, "failed");

	table_cell(t, "%s", session_str(row, "port"));
	table_cell(t, "%s", level);
	table_colour(t, strcmp(level, "none") == 0 ? COLOUR_NONE : COLOUR_GREEN);
	table_cell(t, "%s", session_str(row, "way"));
	rate_cell(t, row, "rules", 1);
	rate_cell(t, row, "room", 1);
	rate_cell(t, row, "inserted_per_s", 1);
	rate_cell(t, row, "removed_per_s", 1);
	rate_cell(t, row, "packets_per_s", 1);
	rate_cell(t, row, "bits_per_s", 1e6);
	table_cell(t, "%" JSON_INTEGER_FORMAT, failed);
	table_colour(t, failed ? COLOUR_YELLOW : COLOUR_NONE);
}

/* What the word of a failure or removal means. */
static const char *help_of(bool failed, const char *name)
{
	for (int i = 0; failed && i < OFFLOAD_FAILS; i++)
		if (strcmp(name, offload_fail_name((enum offload_fail)i)) == 0)
			return offload_fail_help((enum offload_fail)i);
	for (int i = 0; !failed && i < OFFLOAD_WHYS; i++)
		if (strcmp(name, offload_why_name((enum offload_why)i)) == 0)
			return offload_why_help((enum offload_why)i);
	return name;
}

static void print_reasons(const json_t *row, bool failed, bool *any)
{
	json_t *of = json_object_get(row, failed ? "failed" : "removed"), *value;
	const char *name;

	json_object_foreach(of, name, value)
	{
		if (!json_integer_value(value))
			continue;
		printf("%s%s: %" JSON_INTEGER_FORMAT " %s: %s\n", *any ? "" : "\n",
		       session_str(row, "port"), json_integer_value(value),
		       failed ? "failed" : "taken out", help_of(failed, name));
		*any = true;
	}
}

static enum exit_code print_figures(const struct look *look)
{
	json_t *figures = make_figures(look);
	const json_t *rows = json_object_get(figures, "ports"), *row;
	bool any = false, whole;
	struct table t;
	size_t i;

	table_init(&t, headings);
	json_array_foreach(rows, i, row) add_row(&t, row);
	whole = figures && table_print(&t, stdout);
	table_fini(&t);
	json_array_foreach(rows, i, row)
	{
		print_reasons(row, true, &any);
		print_reasons(row, false, &any);
	}
	json_decref(figures);
	return whole ? WEIRCTL_OK : session_no_memory();
}

static json_t *no_params(const struct session *s)
{
	(void)s;
	return json_object();
}

enum exit_code run_offload(struct session *s)
{
	static const struct watch_view view = {.method = "offload",
	                                       .params = no_params,
	                                       .print = print_figures,
	                                       .json = make_figures,
	                                       .wants_two = true};

	if (args_has(&s->args, OPTION_WATCH))
		return watch_start(s, &view);
	return watch_twice(s, &view, APART_MS);
}
