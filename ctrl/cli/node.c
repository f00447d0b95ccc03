/* SPDX-License-Identifier: BSD-3-Clause */
/* status, drops, counters, drain, undrain, version. */
#include "session.h"
#include "table.h"
#include "text.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <time.h>

#define DRAIN_POLL_MS 200
#define LABEL_WIDTH   13 /* "Generation:  " */

/* Call a method without parameters. */
static enum exit_code ask(struct session *s, const char *method, json_t **result)
{
	return session_call(s, method, json_object(), result);
}

static enum exit_code print_table(struct table *t)
{
	bool whole = table_print(t, stdout);

	table_fini(t);
	return whole ? WEIRCTL_OK : session_no_memory();
}

/* ---- status ------------------------------------------------------------------------------- */

static void label(const char *text)
{
	printf("%-*s", LABEL_WIDTH, text);
}

static void print_string(const json_t *object, const char *key)
{
	terminal_write(stdout, session_str(object, key));
}

static void print_state(const json_t *status)
{
	const char *state = session_str(status, "state");
	bool serving = strcmp(state, "serving") == 0;
	struct text t;

	print_string(status, "name");
	putchar(' ');
	print_string(status, "version");
	fputs(terminal_colour(stdout, serving ? COLOUR_GREEN : COLOUR_YELLOW), stdout);
	putchar(' ');
	terminal_write(stdout, state);
	printf("%s, up %s, pid %lld\n\n", terminal_colour(stdout, COLOUR_NONE),
	       text_duration(&t, session_int(status, "uptime_s")),
	       (long long)session_int(status, "pid"));
}

static void print_generation(const json_t *status, int64_t now)
{
	const json_t *ns = json_object_get(status, "effect_ns");
	struct text t;

	label("Generation:");
	printf("%lld", (long long)session_int(status, "generation"));
	if (json_is_false(json_object_get(status, "in_effect")))
		printf(", %snot yet on every worker%s", terminal_colour(stdout, COLOUR_YELLOW),
		       terminal_colour(stdout, COLOUR_NONE));
	else
		fputs(", in effect on every worker", stdout);
	if (json_is_integer(ns)) {
		json_t *us = json_real((double)json_integer_value(ns) / 1000);

		printf(" after %s", text_latency(&t, us));
		json_decref(us);
	}
	if (*session_str(status, "changed"))
		printf(", %s ago", text_age(&t, session_str(status, "changed"), now));
	putchar('\n');
}

static void print_objects(const json_t *status)
{
	json_t *objects = json_object_get(status, "objects"), *count;
	const char *kind;
	bool first = true;

	label("Objects:");
	json_object_foreach(objects, kind, count)
	{
		if (json_integer_value(count) == 0)
			continue;
		printf("%s%lld ", first ? "" : ", ", (long long)json_integer_value(count));
		terminal_write(stdout, kind);
		first = false;
	}
	puts(first ? "none" : "");
}

static void print_numbers(const json_t *status)
{
	const json_t *changes = json_object_get(status, "changes");
	const json_t *endpoints = json_object_get(status, "endpoints");
	const json_t *pool = json_object_get(status, "pool");
	json_int_t failing = session_int(endpoints, "failing");

	label("Changes:");
	printf("%lld accepted, %lld refused, %lld waiting\n",
	       (long long)session_int(changes, "accepted"),
	       (long long)session_int(changes, "refused"),
	       (long long)session_int(changes, "waiting"));
	label("Clients:");
	printf("%lld connections, and %lld forwarded packet by packet\n",
	       (long long)session_int(status, "clients"), (long long)session_int(status, "flows"));
	print_objects(status);
	label("Endpoints:");
	printf("%lld, %s%lld failing%s\n", (long long)session_int(endpoints, "total"),
	       failing ? terminal_colour(stdout, COLOUR_RED) : "", (long long)failing,
	       failing ? terminal_colour(stdout, COLOUR_NONE) : "");
	label("Buffers:");
	printf("%lld of %lld in use\n", (long long)session_int(pool, "in_use"),
	       (long long)session_int(pool, "total"));
}

static void print_places(const json_t *status, int64_t now)
{
	const json_t *directory = json_object_get(status, "directory");
	const json_t *store = json_object_get(status, "store");
	struct text t;

	if (json_is_object(directory)) {
		label("Directory:");
		print_string(directory, "path");
		printf(", %lld objects, read %s ago%s\n",
		       (long long)session_int(directory, "objects"),
		       text_age(&t, session_str(directory, "read"), now),
		       json_array_size(json_object_get(directory, "error")) ? ", refused" : "");
	}
	if (json_is_object(store)) {
		label("Store:");
		print_string(store, "path");
		printf(", generation %lld", (long long)session_int(store, "generation"));
		if (*session_str(store, "error")) {
			fputs(": ", stdout);
			print_string(store, "error");
		}
		putchar('\n');
	}
}

static enum exit_code print_listeners(const json_t *status)
{
	static const char *const headings[] = {"LISTENER", "ADDRESS", ">PORT", "PROTOCOL",
	                                       ">HOSTS",   "ROUTE",   NULL};
	const json_t *listener;
	struct table t;
	size_t i;

	table_init(&t, headings);
	json_array_foreach(json_object_get(status, "listeners"), i, listener)
	{
		table_cell(&t, "%s", session_str(listener, "name"));
		table_cell(&t, "%s", session_str(listener, "address"));
		table_cell(&t, "%lld", (long long)session_int(listener, "port"));
		table_cell(&t, "%s", session_str(listener, "protocol"));
		table_cell(&t, "%lld", (long long)session_int(listener, "hosts"));
		table_cell(&t, "%s", session_str(listener, "route"));
	}
	putchar('\n');
	return print_table(&t);
}

static enum exit_code print_ports(const json_t *status)
{
	static const char *const headings[] = {"PORT",     "DEVICE", "DRIVER", "LINK",  ">QUEUES",
	                                       "STEERING", ">RX",    ">TX",    ">LOST", NULL};
	const json_t *port;
	struct table t;
	size_t i;

	table_init(&t, headings);
	json_array_foreach(json_object_get(status, "ports"), i, port)
	{
		bool up = json_is_true(json_object_get(port, "link_up"));
		struct text rx, tx;

		table_cell(&t, "%s", session_str(port, "name"));
		table_cell(&t, "%s", session_str(port, "device"));
		table_cell(&t, "%s", session_str(port, "driver"));
		table_cell(&t, up ? "up" : "down");
		table_colour(&t, up ? COLOUR_GREEN : COLOUR_RED);
		table_cell(&t, "%lld", (long long)session_int(port, "rx_queues"));
		table_cell(&t, "%s", session_str(port, "steering"));
		table_cell(&t, "%s", text_bytes(&rx, (uint64_t)session_int(port, "rx_bytes")));
		table_cell(&t, "%s", text_bytes(&tx, (uint64_t)session_int(port, "tx_bytes")));
		table_cell(&t, "%lld",
		           (long long)(session_int(port, "rx_missed") +
		                       session_int(port, "rx_errors") +
		                       session_int(port, "rx_nombuf") +
		                       session_int(port, "tx_errors")));
	}
	putchar('\n');
	return print_table(&t);
}

static enum exit_code print_workers(const json_t *status)
{
	static const char *const headings[] = {">WORKER",  ">CORE",     ">GENERATION", ">IDLE",
	                                       ">CLIENTS", ">REQUESTS", NULL};
	const json_t *worker;
	struct table t;
	size_t i;

	table_init(&t, headings);
	json_array_foreach(json_object_get(status, "workers"), i, worker)
	{
		double loops = (double)session_int(worker, "loops");

		table_cell(&t, "%lld", (long long)session_int(worker, "worker"));
		table_cell(&t, "%lld", (long long)session_int(worker, "core"));
		table_cell(&t, "%lld", (long long)session_int(worker, "generation"));
		table_cell(&t, "%.0f%%",
		           loops > 0 ? 100 * (double)session_int(worker, "idle_loops") / loops : 0);
		table_cell(&t, "%lld", (long long)session_int(worker, "clients"));
		table_cell(&t, "%lld", (long long)session_int(worker, "active"));
	}
	putchar('\n');
	return print_table(&t);
}

static void print_problems(const json_t *status)
{
	const json_t *problems = json_object_get(status, "problems");

	if (json_array_size(problems) == 0)
		return;
	printf("\n%sProblems%s\n", terminal_colour(stdout, COLOUR_BOLD),
	       terminal_colour(stdout, COLOUR_NONE));
	session_print_diagnostics(problems, stdout);
}

enum exit_code run_status(struct session *s)
{
	json_t *status;
	int64_t now = time(NULL);
	enum exit_code code = ask(s, "status", &status);

	if (code)
		return code;
	if (s->format == FORMAT_JSON)
		return session_print_json(status);
	print_state(status);
	print_generation(status, now);
	print_numbers(status);
	print_places(status, now);
	code = print_listeners(status);
	if (code == WEIRCTL_OK)
		code = print_ports(status);
	if (code == WEIRCTL_OK)
		code = print_workers(status);
	print_problems(status);
	json_decref(status);
	return code;
}

/* ---- drops, counters ---------------------------------------------------------------------- */

static enum colour class_colour(const char *class)
{
	if (strcmp(class, "bad") == 0)
		return COLOUR_YELLOW;
	return strcmp(class, "full") == 0 ? COLOUR_RED : COLOUR_NONE;
}

/* Both methods answer with rows of name, a word about it, help and sum. */
static enum exit_code print_rows(const struct session *s, const json_t *rows, const char *word)
{
	const char *headings[] = {"NAME", strcmp(word, "class") ? "KIND" : "CLASS", ">COUNT",
	                          "MEANING", NULL};
	const json_t *row;
	struct table t;
	size_t i;

	table_init(&t, headings);
	json_array_foreach(rows, i, row)
	{
		if (session_int(row, "sum") == 0 && !args_has(&s->args, OPTION_ALL))
			continue;
		table_cell(&t, "%s", session_str(row, "name"));
		table_cell(&t, "%s", session_str(row, word));
		table_colour(&t, class_colour(session_str(row, word)));
		table_cell(&t, "%lld", (long long)session_int(row, "sum"));
		table_cell(&t, "%s", session_str(row, "help"));
	}
	return print_table(&t);
}

enum exit_code run_drops(struct session *s)
{
	json_t *result;
	enum exit_code code = ask(s, "drops", &result);

	if (code)
		return code;
	if (s->format == FORMAT_JSON)
		return session_print_json(result);
	code = print_rows(s, json_object_get(result, "ends"), "class");
	printf("\n%lld packets received, %lld ended\n", (long long)session_int(result, "received"),
	       (long long)session_int(result, "ended"));
	json_decref(result);
	return code;
}

enum exit_code run_counters(struct session *s)
{
	json_t *result;
	enum exit_code code = ask(s, "counters", &result);

	if (code)
		return code;
	if (s->format == FORMAT_JSON)
		return session_print_json(result);
	code = print_rows(s, json_object_get(result, "counters"), "kind");
	json_decref(result);
	return code;
}

/* ---- drain, undrain ----------------------------------------------------------------------- */

static int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* Ask until no client is left; *result becomes the last answer. */
static enum exit_code await_clients(struct session *s, json_t **result)
{
	static const struct timespec pause = {.tv_nsec = DRAIN_POLL_MS * 1000000L};
	int64_t deadline = now_ms() + s->timeout_ms;

	while (session_int(*result, "clients") > 0) {
		json_t *status;
		enum exit_code code;

		if (now_ms() >= deadline) {
			session_complain("%lld client connections are still open (--timeout)",
			                 (long long)session_int(*result, "clients"));
			return WEIRCTL_TIMEOUT;
		}
		nanosleep(&pause, NULL);
		code = ask(s, "status", &status);
		if (code)
			return code;
		json_object_set(*result, "clients", json_object_get(status, "clients"));
		json_decref(status);
	}
	return WEIRCTL_OK;
}

static enum exit_code print_drain(const struct session *s, json_t *result)
{
	if (s->format == FORMAT_JSON)
		return session_print_json(result);
	print_string(result, "state");
	printf(", %lld client connections\n", (long long)session_int(result, "clients"));
	json_decref(result);
	return WEIRCTL_OK;
}

enum exit_code run_drain(struct session *s)
{
	json_t *result;
	enum exit_code code = ask(s, "drain", &result);

	if (code)
		return code;
	if (args_has(&s->args, OPTION_WAIT))
		code = await_clients(s, &result);
	if (code == WEIRCTL_OK)
		return print_drain(s, result);
	json_decref(result);
	return code;
}

enum exit_code run_undrain(struct session *s)
{
	json_t *result;
	enum exit_code code = ask(s, "undrain", &result);

	return code ? code : print_drain(s, result);
}

/* ---- version ------------------------------------------------------------------------------ */

enum exit_code run_version(struct session *s)
{
	json_t *daemon = NULL;
	enum exit_code code, printed;

	if (s->format == FORMAT_TEXT) {
		puts("weirctl " WEIR_VERSION); /* known whatever becomes of the question */
		fflush(stdout);
	}
	code = session_connect(s);
	if (code == WEIRCTL_OK)
		code = ask(s, "version", &daemon);
	if (s->format == FORMAT_JSON && (daemon || s->client.fd < 0)) {
		printed = session_print_json(json_pack("{s:s, s:o}", "weirctl", WEIR_VERSION,
		                                       "daemon", daemon ? daemon : json_null()));
		return code ? code : printed;
	}
	if (code)
		return code;
	print_string(daemon, "name");
	putchar(' ');
	print_string(daemon, "version");
	printf(" (protocol %lld)\n", (long long)session_int(daemon, "protocol"));
	json_decref(daemon);
	return WEIRCTL_OK;
}
