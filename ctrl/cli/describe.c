/* SPDX-License-Identifier: BSD-3-Clause */
/* describe: an object, and what the daemon made of it. */
#include "objects.h"
#include "table.h"
#include "text.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

static void field(const char *label, const char *text)
{
	printf("%-13s", label);
	terminal_line(stdout, COLOUR_NONE, text);
}

static void print_pairs(const char *label, json_t *pairs)
{
	const char *key;
	json_t *value;

	json_object_foreach(pairs, key, value)
	{
		printf("%-13s", label);
		terminal_write(stdout, key);
		putchar('=');
		terminal_line(stdout, COLOUR_NONE,
		              json_string_value(value) ? json_string_value(value) : "");
		label = "";
	}
}

/* The object's YAML from "spec:" on. */
static void print_spec(const char *yaml)
{
	const char *spec = strstr(yaml, "\nspec:");

	putchar('\n');
	terminal_write(stdout, spec ? spec + 1 : yaml);
}

static void print_object(const json_t *item)
{
	const json_t *metadata = objects_value(item, "object.metadata");
	char *source;
	struct text age;

	field("Name:", session_str(item, "name"));
	field("Namespace:", session_str(item, "namespace"));
	field("Kind:", session_str(item, "kind"));
	if (json_object_get(metadata, "creationTimestamp"))
		field("Age:",
		      text_age(&age, session_str(metadata, "creationTimestamp"), time(NULL)));
	const char *file = session_str(item, "file"), *origin = session_str(item, "origin");
	bool told = *origin && strncmp(file, origin, strlen(origin)) == 0; /* "applied (stored)" */

	if (asprintf(&source, told ? "%s:%lld" : "%s:%lld (%s)", file,
	             (long long)session_int(item, "line"), origin) >= 0) {
		field("Source:", source);
		free(source);
	}
	print_pairs("Labels:", json_object_get(metadata, "labels"));
	print_pairs("Annotations:", json_object_get(metadata, "annotations"));
	print_spec(session_str(item, "yaml"));
}

/* Is this the host of a cluster's name "outbound|80|v1|HOST"? A short host is one of the namespace. */
static bool cluster_has_host(const char *cluster, const char *host, const char *ns)
{
	const char *name = strrchr(cluster, '|');
	size_t len = strlen(host);

	name = name ? name + 1 : cluster;
	if (strncmp(name, host, len) != 0)
		return false;
	if (name[len] == '\0')
		return true;
	return !strchr(host, '.') && name[len] == '.' &&
	       strncmp(name + len + 1, ns, strlen(ns)) == 0 && name[len + 1 + strlen(ns)] == '.';
}

/* Does the object speak of this endpoint: its rule's host, one of its entry's hosts, its address? */
static bool endpoint_belongs(const json_t *item, const json_t *endpoint)
{
	const json_t *spec = objects_value(item, "object.spec"), *host;
	const char *cluster = session_str(endpoint, "cluster"),
		   *ns = session_str(item, "namespace");
	size_t i;

	if (json_object_get(spec, "host"))
		return cluster_has_host(cluster, session_str(spec, "host"), ns);
	if (strcmp(session_str(item, "kind"), "ServiceEntry") != 0)
		return *session_str(spec, "address") &&
		       strcmp(session_str(spec, "address"), session_str(endpoint, "address")) == 0;
	json_array_foreach(
		json_object_get(spec, "hosts"), i,
		host) if (json_is_string(host) &&
	                  cluster_has_host(cluster, json_string_value(host), ns)) return true;
	return false;
}

static bool print_endpoints(const json_t *item, const json_t *stats)
{
	static const char *const headings[] = {"CLUSTER", "ENDPOINT", ">WEIGHT",   ">REQUESTS",
	                                       ">ACTIVE", ">CONNS",   ">FAILURES", NULL};
	const json_t *endpoint;
	struct table t;
	bool whole = true;
	size_t i;

	table_init(&t, headings);
	json_array_foreach(json_object_get(stats, "endpoints"), i, endpoint)
	{
		if (!endpoint_belongs(item, endpoint))
			continue;
		table_cell(&t, "%s", session_str(endpoint, "cluster"));
		table_cell(&t, "%s", session_str(endpoint, "name"));
		table_cell(&t, "%lld", (long long)session_int(endpoint, "weight"));
		table_cell(&t, "%lld", (long long)session_int(endpoint, "requests"));
		table_cell(&t, "%lld", (long long)session_int(endpoint, "active"));
		table_cell(&t, "%lld", (long long)session_int(endpoint, "conns"));
		table_cell(&t, "%lld",
		           (long long)(session_int(endpoint, "connect_fails") +
		                       session_int(endpoint, "resets")));
	}
	putchar('\n');
	if (table_rows(&t))
		whole = table_print(&t, stdout);
	else
		puts("No routed traffic can reach an endpoint through it.");
	table_fini(&t);
	return whole;
}

static void add_destination(struct table *t, const json_t *route, const json_t *row)
{
	char *listeners = objects_text(json_object_get(route, "listeners"));
	const char *way = session_str(row, "forward"); /* of connections */

	table_cell(t, "%s", session_str(route, "name"));
	table_cell(t, "%s", listeners ? listeners : "");
	table_cell(t, "%s%s%s",
	           *session_str(row, "cluster") ? session_str(row, "cluster")
	                                        : session_str(route, "kind"),
	           *way ? " by " : "", way);
	table_cell(t, "%s", text_share(&(struct text){""}, json_object_get(row, "asked")));
	table_cell(t, "%s", text_share(&(struct text){""}, json_object_get(row, "seen")));
	table_cell(t, "%lld", (long long)session_int(row, "requests"));
	free(listeners);
}

/* Is the route's name "namespace/name" of this object, alone or with a rule behind it? */
static bool is_route_of(const json_t *item, const char *route)
{
	const char *ns = session_str(item, "namespace"), *name = session_str(item, "name");
	size_t ns_len = strlen(ns), len = strlen(name);

	if (strncmp(route, ns, ns_len) != 0 || route[ns_len] != '/')
		return false;
	route += ns_len + 1;
	return strncmp(route, name, len) == 0 && (route[len] == '/' || route[len] == '\0');
}

static bool print_routes(const json_t *item, const json_t *stats)
{
	static const char *const headings[] = {"ROUTE", "LISTENERS", "DESTINATION", ">ASKED",
	                                       ">SEEN", ">REQUESTS", NULL};
	const json_t *route, *row;
	struct table t;
	bool whole = true;
	size_t i, j;

	table_init(&t, headings);
	json_array_foreach(json_object_get(stats, "routes"), i, route)
	{
		const json_t *rows = json_object_get(route, "destinations");

		if (!is_route_of(item, session_str(route, "name")))
			continue;
		json_array_foreach(rows, j, row) add_destination(&t, route, row);
		if (json_array_size(rows) == 0)
			add_destination(&t, route, route);
	}
	putchar('\n');
	if (table_rows(&t))
		whole = table_print(&t, stdout);
	else
		puts("No listener routes by it.");
	table_fini(&t);
	return whole;
}

static bool print_listeners(const json_t *item, const json_t *status)
{
	static const char *const headings[] = {"LISTENER", "ADDRESS", ">PORT", "PROTOCOL",
	                                       ">HOSTS",   "ROUTE",   NULL};
	const json_t *listener;
	struct table t;
	bool whole;
	char *prefix;
	size_t i;

	if (asprintf(&prefix, "%s/%s/", session_str(item, "namespace"), session_str(item, "name")) <
	    0)
		return false;
	table_init(&t, headings);
	json_array_foreach(json_object_get(status, "listeners"), i, listener)
	{
		if (strncmp(session_str(listener, "name"), prefix, strlen(prefix)) != 0)
			continue;
		table_cell(&t, "%s", session_str(listener, "name"));
		table_cell(&t, "%s", session_str(listener, "address"));
		table_cell(&t, "%lld", (long long)session_int(listener, "port"));
		table_cell(&t, "%s", session_str(listener, "protocol"));
		table_cell(&t, "%lld", (long long)session_int(listener, "hosts"));
		table_cell(&t, "%s", session_str(listener, "route"));
	}
	putchar('\n');
	whole = table_print(&t, stdout);
	table_fini(&t);
	free(prefix);
	return whole;
}

/* Ask for what became of an object: listeners of a Gateway, routes or endpoints of the others. */
static enum exit_code fetch_effects(struct session *s, const json_t *item, json_t **effects)
{
	const char *kind = session_str(item, "kind");

	if (strcmp(kind, "Gateway") == 0)
		return session_call(s, "status", json_object(), effects);
	if (strcmp(kind, "VirtualService") != 0)
		return session_call(s, "stats", json_object(), effects);
	return session_call(s, "stats",
	                    json_pack("{s:s++}", "route", session_str(item, "namespace"), "/",
	                              session_str(item, "name")),
	                    effects);
}

static enum exit_code print_description(const json_t *item, const json_t *effects)
{
	const char *kind = session_str(item, "kind");
	bool whole;

	print_object(item);
	if (strcmp(kind, "VirtualService") == 0)
		whole = print_routes(item, effects);
	else if (strcmp(kind, "Gateway") == 0)
		whole = print_listeners(item, effects);
	else
		whole = print_endpoints(item, effects);
	return whole ? WEIRCTL_OK : session_no_memory();
}

enum exit_code run_describe(struct session *s)
{
	json_t *items = json_array(), *effects = NULL, *item;
	enum exit_code code = objects_fetch(s, s->args.words[0], strlen(s->args.words[0]), items);

	item = json_array_get(items, 0);
	if (code == WEIRCTL_OK && !item) {
		session_complain("there is no %s", s->args.words[0]);
		code = WEIRCTL_NO;
	}
	if (code == WEIRCTL_OK)
		code = fetch_effects(s, item, &effects);
	if (code == WEIRCTL_OK && s->format == FORMAT_JSON)
		code = session_print_json(
			json_pack("{s:O, s:O}", "object", item, "effects", effects));
	else if (code == WEIRCTL_OK)
		code = print_description(item, effects);
	json_decref(effects);
	json_decref(items);
	return code;
}
