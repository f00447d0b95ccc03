/* SPDX-License-Identifier: BSD-3-Clause */
/* get. What a table shows of a kind is a list of columns: heading and place. */
#include "objects.h"

#include "change.h"
#include "documents.h"
#include "table.h"
#include "text.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define COLUMNS_MAX 6

enum show {
	SHOW_VALUE, /* as objects_text() has it */
	SHOW_COUNT, /* how many items */
	SHOW_NAMES, /* the items' names */
	SHOW_PORTS, /* the items' ports as "HTTP:80" */
};

struct column {
	const char *heading;
	const char *place; /* "spec.hosts" */
	enum show show;
	bool wide;
};

/* In the order in which the daemon sorts the kinds' names. */
static const struct kind {
	const char *name;
	struct column columns[COLUMNS_MAX];
} kinds[] = {
	{"DestinationRule",
         {{"HOST", "spec.host", SHOW_VALUE, false}, {"SUBSETS", "spec.subsets", SHOW_NAMES, true}}},
	{"Gateway", {{"SERVERS", "spec.servers", SHOW_PORTS, false}}},
	{"ServiceEntry",
         {{"HOSTS", "spec.hosts", SHOW_VALUE, false},
          {"RESOLUTION", "spec.resolution", SHOW_VALUE, false},
          {"PORTS", "spec.ports", SHOW_PORTS, true},
          {"ENDPOINTS", "spec.endpoints", SHOW_COUNT, true}}},
	{"VirtualService",
         {{"GATEWAYS", "spec.gateways", SHOW_VALUE, false},
          {"HOSTS", "spec.hosts", SHOW_VALUE, false},
          {"RULES", "spec.http", SHOW_COUNT, true}}},
	{"WorkloadEntry",
         {{"ADDRESS", "spec.address", SHOW_VALUE, false},
          {"LABELS", "spec.labels", SHOW_VALUE, true}}},
};

#define KINDS (sizeof(kinds) / sizeof(kinds[0]))

json_t *objects_value(const json_t *object, const char *place)
{
	json_t *value = NULL;

	while (*place) {
		size_t len = strcspn(place, ".");

		value = json_object_getn(object, place, len);
		object = value;
		place += len + (place[len] == '.');
	}
	return value;
}

/* ---- cells -------------------------------------------------------------------------------- */

static void write_value(FILE *out, const json_t *value)
{
	char *text;

	if (json_is_string(value)) {
		fputs(json_string_value(value), out);
		return;
	}
	text = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);
	fputs(text ? text : "", out);
	free(text);
}

char *objects_text(json_t *value)
{
	const char *separator = "", *key;
	char *text = NULL;
	size_t len, i;
	FILE *out = open_memstream(&text, &len);
	json_t *item;

	if (!out)
		return NULL;
	if (json_is_array(value)) {
		for (i = 0; i < json_array_size(value); i++, separator = ",") {
			fputs(separator, out);
			write_value(out, json_array_get(value, i));
		}
	} else if (json_is_object(value)) {
		json_object_foreach(value, key, item)
		{
			fprintf(out, "%s%s=", separator, key);
			write_value(out, item);
			separator = ",";
		}
	} else {
		write_value(out, value);
	}
	fclose(out);
	return text;
}

static void cell_value(struct table *t, json_t *value)
{
	char *text = objects_text(value);

	table_cell(t, "%s", text ? text : "");
	free(text);
}

static void cell_names(struct table *t, const json_t *list)
{
	json_t *names = json_array(), *item;
	size_t i;

	json_array_foreach(list, i, item) json_array_append(names, json_object_get(item, "name"));
	cell_value(t, names);
	json_decref(names);
}

/* Ports of a ServiceEntry, or of a Gateway's servers. */
static void cell_ports(struct table *t, const json_t *list)
{
	json_t *names = json_array(), *item;
	size_t i;

	json_array_foreach(list, i, item)
	{
		const json_t *port = json_object_get(item, "port");

		port = port ? port : item;
		json_array_append_new(names, json_sprintf("%s:%lld", session_str(port, "protocol"),
		                                          (long long)session_int(port, "number")));
	}
	cell_value(t, names);
	json_decref(names);
}

static void add_cell(struct table *t, const struct column *column, const json_t *object)
{
	json_t *value = objects_value(object, column->place);

	if (!value && column->show == SHOW_VALUE)
		table_cell(t, "%s", "");
	else if (column->show == SHOW_COUNT)
		table_cell(t, "%zu", json_array_size(value));
	else if (column->show == SHOW_NAMES)
		cell_names(t, value);
	else if (column->show == SHOW_PORTS)
		cell_ports(t, value);
	else
		cell_value(t, value);
}

/* ---- get ---------------------------------------------------------------------------------- */

/* One table of objects of one kind. */
struct view {
	const struct kind *kind;
	bool namespaces; /* show their column */
	bool kinds;      /* several kinds: NAME says which */
	bool wide;
	bool ages; /* an object has a metadata.creationTimestamp */
	int64_t now;
};

static void begin_view(struct table *t, const struct view *v)
{
	const char *headings[COLUMNS_MAX + 6];
	size_t n = 0;

	if (v->namespaces)
		headings[n++] = "NAMESPACE";
	headings[n++] = "NAME";
	for (const struct column *c = v->kind->columns; c->heading; c++)
		if (!c->wide || v->wide)
			headings[n++] = c->heading;
	if (v->ages)
		headings[n++] = "AGE";
	if (v->wide) {
		headings[n++] = "ORIGIN";
		headings[n++] = "SOURCE";
	}
	headings[n] = NULL;
	table_init(t, headings);
}

static void add_item(struct table *t, const struct view *v, const json_t *item)
{
	const json_t *object = json_object_get(item, "object");
	const char *created = session_str(objects_value(object, "metadata"), "creationTimestamp");
	char name[CHANGE_NAME_BYTES];
	struct text age;

	if (v->namespaces)
		table_cell(t, "%s", session_str(item, "namespace"));
	table_cell(t, "%s", v->kinds ? change_object_name(item, name) : session_str(item, "name"));
	for (const struct column *c = v->kind->columns; c->heading; c++)
		if (!c->wide || v->wide)
			add_cell(t, c, object);
	if (v->ages)
		table_cell(t, "%s", text_age(&age, created, v->now));
	if (v->wide) {
		table_cell(t, "%s", session_str(item, "origin"));
		table_cell(t, "%s:%lld", session_str(item, "file"),
		           (long long)session_int(item, "line"));
	}
}

static bool any_age(const json_t *items)
{
	const json_t *item;
	size_t i;

	json_array_foreach(
		items, i,
		item) if (objects_value(item, "object.metadata.creationTimestamp")) return true;
	return false;
}

static size_t count_kinds(const json_t *items)
{
	bool seen[KINDS] = {0};
	const json_t *item;
	size_t i, n = 0;

	json_array_foreach(
		items, i, item) for (size_t k = 0; k < KINDS;
	                             k++) if (strcmp(kinds[k].name, session_str(item, "kind")) == 0)
		seen[k] = true;
	for (size_t k = 0; k < KINDS; k++)
		n += seen[k];
	return n;
}

static enum exit_code print_tables(const struct session *s, const json_t *items)
{
	struct view v = {.namespaces = args_has(&s->args, OPTION_ALL),
	                 .kinds = count_kinds(items) > 1,
	                 .wide = s->format == FORMAT_WIDE,
	                 .ages = any_age(items),
	                 .now = time(NULL)};
	bool first = true, whole = true;

	for (size_t k = 0; k < KINDS && whole; k++) {
		const json_t *item;
		struct table t;
		size_t i;

		v.kind = &kinds[k];
		begin_view(&t, &v);
		json_array_foreach(items, i,
		                   item) if (strcmp(kinds[k].name, session_str(item, "kind")) == 0)
			add_item(&t, &v, item);
		if (table_rows(&t)) {
			fputs(first ? "" : "\n", stdout);
			whole = table_print(&t, stdout);
			first = false;
		}
		table_fini(&t);
	}
	return whole ? WEIRCTL_OK : session_no_memory();
}

static void print_yaml(const json_t *items)
{
	const json_t *item;
	size_t i;

	json_array_foreach(items, i, item)
	{
		fputs(i ? "---\n" : "", stdout);
		terminal_write(stdout, session_str(item, "yaml"));
	}
}

static void print_names(const json_t *items)
{
	char name[CHANGE_NAME_BYTES];
	const json_t *item;
	size_t i;

	json_array_foreach(items, i, item)
		terminal_line(stdout, COLOUR_NONE, change_object_name(item, name));
}

/* The object itself when one was asked for by name, else a List that apply reads. */
static enum exit_code print_objects(const struct session *s, const json_t *items)
{
	json_t *objects = json_array(), *item;
	size_t i;

	if (s->args.n_words == 2 && json_array_size(items) == 1) {
		json_decref(objects);
		return session_print_json(
			json_incref(json_object_get(json_array_get(items, 0), "object")));
	}
	json_array_foreach(items, i, item)
		json_array_append(objects, json_object_get(item, "object"));
	return session_print_json(
		json_pack("{s:s, s:s, s:o}", "apiVersion", "v1", "kind", "List", "items", objects));
}

static enum exit_code print_items(const struct session *s, const json_t *items)
{
	const char *ns = args_value(&s->args, OPTION_NAMESPACE);

	if (json_array_size(items) == 0 && s->format != FORMAT_JSON) {
		if (args_has(&s->args, OPTION_ALL))
			session_complain("no objects found");
		else
			session_complain("no objects found in namespace %s; -A looks in all",
			                 ns ? ns : "default");
		return WEIRCTL_OK;
	}
	switch (s->format) {
	case FORMAT_JSON: return print_objects(s, items);
	case FORMAT_YAML: print_yaml(items); return WEIRCTL_OK;
	case FORMAT_NAME: print_names(items); return WEIRCTL_OK;
	default: return print_tables(s, items);
	}
}

enum exit_code objects_fetch(struct session *s, const char *kind, size_t len, json_t *items)
{
	const char *name = s->args.n_words == 2 ? s->args.words[1] : NULL;
	enum exit_code code;
	json_t *params, *result;

	params = len == 3 && strncmp(kind, "all", 3) == 0 ? json_object()
	                                                  : json_pack("{s:s%}", "kind", kind, len);
	if (!params || (name && json_object_set_new(params, "name", json_string(name)))) {
		json_decref(params);
		return session_misused("kind and name have to be UTF-8 text");
	}
	documents_add_namespace(s, params);
	if (args_has(&s->args, OPTION_ALL))
		json_object_set_new(params, "all_namespaces", json_true());
	code = session_call(s, "get", params, &result);
	if (code)
		return code;
	json_array_extend(items, json_object_get(result, "items"));
	json_decref(result);
	return WEIRCTL_OK;
}

enum exit_code run_get(struct session *s)
{
	enum exit_code code = WEIRCTL_OK;
	const char *kind = s->args.words[0];
	json_t *items = json_array();

	for (;;) {
		size_t len = strcspn(kind, ",");

		code = objects_fetch(s, kind, len, items);
		if (code || kind[len] == '\0')
			break;
		kind += len + 1;
	}
	if (code == WEIRCTL_OK)
		code = print_items(s, items);
	json_decref(items);
	return code;
}
