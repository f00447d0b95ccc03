/* SPDX-License-Identifier: BSD-3-Clause */
#include "methods.h"

#include "control.h"
#include "explain.h"
#include "log.h"
#include "nearest.h"
#include "report.h"
#include "tree.h"

#include "weir/dataplane.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define TIMEOUT_MS     30000
#define TIMEOUT_MS_MAX 3600000
#define HEADERS_MAX    128 /* of a request to explain */

#define PARAMS_MAX 8

#define NO_KIND                                                                 \
	"\"%.64s\" is not a kind that Weir has; give gateway, virtualservice, " \
	"destinationrule, serviceentry or workloadentry (gw, vs, dr, se, we)"

enum param_type {
	PARAM_STRING,
	PARAM_BOOL,
	PARAM_INTEGER,
	PARAM_ARRAY,
};

struct param {
	const char *name;
	enum param_type type;
	bool required;
};

struct method {
	const char *name;
	void (*run)(struct control *c, struct rpc_call *call);
	struct param params[PARAMS_MAX]; /* name NULL: the end */
};

/* ---- params ----------------------------------------------------------------------------- */

static const char *string_param(const struct rpc_call *call, const char *name,
                                const char *otherwise)
{
	const char *text = json_string_value(json_object_get(call->params, name));

	return text ? text : otherwise;
}

static bool bool_param(const struct rpc_call *call, const char *name, bool otherwise)
{
	const json_t *value = json_object_get(call->params, name);

	return value ? json_is_true(value) : otherwise;
}

static uint64_t timeout_param(const struct rpc_call *call)
{
	const json_t *value = json_object_get(call->params, "timeout_ms");
	json_int_t ms = value ? json_integer_value(value) : TIMEOUT_MS;

	return ms < 0 ? 0 : ms > TIMEOUT_MS_MAX ? TIMEOUT_MS_MAX : (uint64_t)ms;
}

static bool is_type(const json_t *value, enum param_type type)
{
	switch (type) {
	case PARAM_STRING: return json_is_string(value);
	case PARAM_BOOL: return json_is_boolean(value);
	case PARAM_INTEGER: return json_is_integer(value);
	case PARAM_ARRAY: return json_is_array(value);
	}
	return false;
}

/* Are all params known, of their type, and the required ones there? Else the call was answered. */
static bool check_params(struct rpc_call *call, const struct method *m)
{
	static const char *const types[] = {"a string", "true or false", "an integer", "an array"};
	const char *name;
	json_t *value;

	json_object_foreach(call->params, name, value)
	{
		const struct param *p = m->params;

		while (p->name && strcmp(p->name, name) != 0)
			p++;
		if (!p->name)
			rpc_fail(call, RPC_INVALID_PARAMS, NULL, "%s has no parameter \"%.64s\"",
			         m->name, name);
		else if (!is_type(value, p->type))
			rpc_fail(call, RPC_INVALID_PARAMS, NULL, "parameter \"%s\" must be %s",
			         name, types[p->type]);
		else
			continue;
		return false;
	}
	for (const struct param *p = m->params; p->name; p++)
		if (p->required && !json_object_get(call->params, p->name)) {
			rpc_fail(call, RPC_INVALID_PARAMS, NULL, "parameter \"%s\" is missing",
			         p->name);
			return false;
		}
	return true;
}

/* ---- changes ---------------------------------------------------------------------------- */

/* A call that waits for its change. */
struct pending {
	struct control *control;
	struct rpc_call *call;
	json_t *result;
	bool wait;
	uint64_t timeout_ms;
	uint64_t generation;
};

static void answer_failed(struct rpc_call *call, const struct change *ch)
{
	json_t *data = json_object();

	if (ch->diags.n > 0)
		json_object_set_new(data, "diagnostics", change_diags_json(&ch->diags, true, true));
	rpc_fail(call, ch->code, data, "%s", ch->message);
}

static json_t *change_json(const struct change *ch)
{
	return json_pack("{s:I, s:b, s:b, s:n, s:o, s:o}", "generation", (json_int_t)ch->generation,
	                 "dry_run", ch->dry_run, "in_effect", false, "effect_ns", "objects",
	                 change_items_json(ch), "warnings",
	                 change_diags_json(&ch->diags, false, true));
}

static void answer_waited(void *arg, bool in_effect, uint64_t effect_ns)
{
	struct pending *p = arg;

	if (in_effect) {
		json_object_set_new(p->result, "in_effect", json_true());
		json_object_set_new(p->result, "effect_ns", json_integer((json_int_t)effect_ns));
	}
	if (in_effect || !p->wait) {
		rpc_reply(p->call, p->result);
	} else {
		json_decref(p->result);
		rpc_fail(p->call, RPC_TIMEOUT,
		         json_pack("{s:I}", "generation", (json_int_t)p->generation),
		         "generation %llu is made but not in effect on every worker yet",
		         (unsigned long long)p->generation);
	}
	free(p);
}

static void answer_change(void *arg, struct change *ch)
{
	struct pending *p = arg;

	if (ch->code) {
		log_warning("refused", "method=%s reason=%s error=\"%s\"", p->call->method,
		            rpc_reason(ch->code), ch->message);
		answer_failed(p->call, ch);
		free(p);
		return;
	}
	if (!ch->unchanged && !ch->dry_run)
		log_info("changed", "method=%s generation=%" PRIu64 " objects=%u", p->call->method,
		         ch->generation, ch->n_items);
	p->result = change_json(ch);
	p->generation = ch->generation;
	if (!p->result) {
		rpc_reply(p->call, NULL);
		free(p);
		return;
	}
	control_wait(p->control, p->generation, p->wait ? p->timeout_ms : 0, answer_waited, p);
}

static void submit(struct control *c, struct rpc_call *call, struct change *ch, control_done *done)
{
	struct pending *p = calloc(1, sizeof(*p));
	int rc;

	if (!p) {
		change_free(ch);
		rpc_reply(call, NULL);
		return;
	}
	*p = (struct pending){.control = c,
	                      .call = call,
	                      .wait = bool_param(call, "wait", true) && !ch->dry_run,
	                      .timeout_ms = timeout_param(call)};
	rc = control_submit(c, ch, done, p);
	if (rc == 0)
		return;
	free(p);
	if (rc == -ESHUTDOWN)
		rpc_fail(call, RPC_SHUTTING_DOWN, NULL, "weir is ending; nothing was changed");
	else
		rpc_fail(call, RPC_BUSY, NULL, "too many changes wait; try again");
}

/* The texts of "documents"; false: the call was answered. */
static bool take_documents(struct rpc_call *call, struct change *ch)
{
	json_t *documents = json_object_get(call->params, "documents");
	size_t n = json_array_size(documents);

	ch->texts = arena_alloc(&ch->arena, n * sizeof(*ch->texts));
	for (size_t i = 0; i < n; i++) {
		const json_t *d = json_array_get(documents, i);
		const json_t *text = json_object_get(d, "text");
		const char *name = json_string_value(json_object_get(d, "name"));

		if (!name || !json_is_string(text) || json_object_size(d) != 2) {
			rpc_fail(call, RPC_INVALID_PARAMS, NULL,
			         "documents[%zu] must be {\"name\": string, \"text\": string}", i);
			return false;
		}
		ch->texts[ch->n_texts++] = (struct change_text){name, json_string_value(text),
		                                                json_string_length(text)};
	}
	return true;
}

/* A change with the parameters that all have; NULL: the call was answered. */
static struct change *make_change(struct control *c, struct rpc_call *call, enum change_kind kind)
{
	struct change *ch = change_new(kind);

	if (!ch) {
		rpc_reply(call, NULL);
		return NULL;
	}
	ch->params = json_incref(call->params);
	ch->ns = string_param(call, "namespace", c->conf->ns);
	ch->dry_run = bool_param(call, "dry_run", false);
	ch->ignore_missing = bool_param(call, "ignore_not_found", false);
	if (take_documents(call, ch))
		return ch;
	change_free(ch);
	return NULL;
}

static void run_apply(struct control *c, struct rpc_call *call)
{
	struct change *ch = make_change(c, call, CHANGE_APPLY);

	if (ch)
		submit(c, call, ch, answer_change);
}

/* The objects named by {kind, namespace, name}; false: the call was answered. */
static bool take_targets(struct control *c, struct rpc_call *call, struct change *ch)
{
	json_t *objects = json_object_get(call->params, "objects");
	size_t n = json_array_size(objects);

	ch->targets = arena_alloc(&ch->arena, n * sizeof(*ch->targets));
	for (size_t i = 0; i < n; i++) {
		struct change_item *target = &ch->targets[ch->n_targets++];
		const char *kind, *name, *ns = string_param(call, "namespace", c->conf->ns);

		if (json_unpack(json_array_get(objects, i), "{s:s, s?s, s:s!}", "kind", &kind,
		                "namespace", &ns, "name", &name) < 0) {
			rpc_fail(call, RPC_INVALID_PARAMS, NULL,
			         "objects[%zu] must be {\"kind\", \"namespace\", \"name\"}", i);
			return false;
		}
		if (!istio_kind_parse(kind, &target->kind)) {
			rpc_fail(call, RPC_INVALID_PARAMS, NULL, NO_KIND, kind);
			return false;
		}
		target->ns = ns;
		target->name = name;
	}
	return true;
}

static void run_delete(struct control *c, struct rpc_call *call)
{
	struct change *ch;

	if (!json_object_get(call->params, "objects") &&
	    !json_object_get(call->params, "documents")) {
		rpc_fail(call, RPC_INVALID_PARAMS, NULL, "give \"objects\" or \"documents\"");
		return;
	}
	ch = make_change(c, call, CHANGE_DELETE);
	if (!ch)
		return;
	if (take_targets(c, call, ch))
		submit(c, call, ch, answer_change);
	else
		change_free(ch);
}

static void run_reload(struct control *c, struct rpc_call *call)
{
	struct change *ch;

	if (!*c->conf->routing_directory) {
		rpc_fail(call, RPC_INVALID_PARAMS, NULL,
		         "this node has no routing directory; set routing.directory in weir.yaml");
		return;
	}
	ch = make_change(c, call, CHANGE_RELOAD);
	if (!ch)
		return;
	ch->ns = c->conf->ns;
	submit(c, call, ch, answer_change);
}

/* ---- trials ----------------------------------------------------------------------------- */

static void answer_validate(void *arg, struct change *ch)
{
	struct pending *p = arg;
	json_t *objects = change_items_json(ch);
	json_t *item;
	size_t i;

	json_array_foreach(objects, i, item) json_object_del(item, "result");
	if (ch->code && ch->code != RPC_INVALID) {
		answer_failed(p->call, ch);
		json_decref(objects);
	} else {
		json_t *diags = change_diags_json(&ch->diags, true, true);

		if (ch->code && json_array_size(diags) == 0)
			json_array_append_new(
				diags, json_pack("{s:s, s:n, s:i, s:i, s:n, s:n, s:s}", "severity",
			                         "error", "file", "line", 0, "column", 0, "object",
			                         "field", "message", ch->message));
		rpc_reply(p->call, json_pack("{s:b, s:o, s:o}", "valid", ch->code == 0, "objects",
		                             objects, "diagnostics", diags));
	}
	free(p);
}

static void run_validate(struct control *c, struct rpc_call *call)
{
	struct change *ch = make_change(c, call, CHANGE_APPLY);

	if (!ch)
		return;
	ch->dry_run = true;
	ch->alone = true;
	submit(c, call, ch, answer_validate);
}

static json_t *yaml_json(const struct tree_node *tree)
{
	char *text = NULL;
	size_t len = 0;
	json_t *yaml;
	FILE *out = open_memstream(&text, &len);

	if (!out)
		return json_null();
	tree_emit(out, tree);
	fclose(out);
	yaml = json_stringn(text, len);
	free(text);
	return yaml ? yaml : json_null();
}

/* An object as YAML without what no file says: when it was created. null for none. */
static json_t *written_json(const struct istio_object *o)
{
	struct arena a = {0};
	struct tree_node *tree;
	json_t *yaml;

	if (!o)
		return json_null();
	tree = tree_copy(&a, o->tree);
	for (struct tree_node *c = tree->first; c; c = c->next)
		if (strcmp(c->key, "metadata") == 0)
			tree_remove(c, "creationTimestamp");
	yaml = yaml_json(tree);
	arena_fini(&a);
	return yaml;
}

static void answer_diff(void *arg, struct change *ch)
{
	struct pending *p = arg;
	json_t *objects = json_array();

	if (ch->code) {
		answer_failed(p->call, ch);
		json_decref(objects);
		free(p);
		return;
	}
	for (uint32_t i = 0; i < ch->n_items; i++) {
		const struct change_item *item = &ch->items[i];
		const struct istio_object *before =
			docset_find(p->control->base.applied, item->kind, item->ns, item->name);
		const struct istio_object *after =
			docset_find(ch->applied, item->kind, item->ns, item->name);

		json_array_append_new(objects, json_pack("{s:s, s:s, s:s, s:s, s:o, s:o}", "kind",
		                                         istio_kind_name(item->kind), "namespace",
		                                         item->ns, "name", item->name, "result",
		                                         docset_verb_name(item->verb), "before",
		                                         written_json(before), "after",
		                                         written_json(after)));
	}
	rpc_reply(p->call, json_pack("{s:o}", "objects", objects));
	free(p);
}

static void run_diff(struct control *c, struct rpc_call *call)
{
	struct change *ch = make_change(c, call, CHANGE_APPLY);

	if (!ch)
		return;
	ch->dry_run = true;
	submit(c, call, ch, answer_diff);
}

/* ---- questions -------------------------------------------------------------------------- */

static json_t *object_json(const struct control *c, const struct istio_object *o)
{
	bool file = docset_find(c->base.directory, o->kind, o->ns.s, o->name.s) != NULL;

	return json_pack("{s:s, s:s, s:s, s:s, s:s?, s:i, s:o, s:o}", "kind",
	                 istio_kind_name(o->kind), "namespace", o->ns.s, "name", o->name.s,
	                 "origin", file ? "directory" : "applied", "file", o->at.file, "line",
	                 (int)o->at.line, "object", tree_to_json(o->tree), "yaml",
	                 yaml_json(o->tree));
}

static int by_name(const void *a, const void *b)
{
	const struct istio_object *x = *(const struct istio_object *const *)a;
	const struct istio_object *y = *(const struct istio_object *const *)b;
	int order = strcmp(istio_kind_name(x->kind), istio_kind_name(y->kind));

	order = order ? order : strcmp(x->ns.s, y->ns.s);
	return order ? order : strcmp(x->name.s, y->name.s);
}

/* What a get wants; NULL and -1: any. */
struct filter {
	int kind;
	const char *ns, *name;
};

static json_t *matching_objects(const struct control *c, const struct filter *f)
{
	uint32_t n = docset_count(c->base.all), kept = 0;
	const struct istio_object **list = calloc(n + 1, sizeof(const struct istio_object *));
	json_t *items = json_array();

	for (uint32_t i = 0; list && i < n; i++) {
		const struct istio_object *o = docset_at(c->base.all, i);

		if ((f->kind < 0 || (int)o->kind == f->kind) &&
		    (!f->ns || strcmp(f->ns, o->ns.s) == 0) &&
		    (!f->name || strcmp(f->name, o->name.s) == 0))
			list[kept++] = o;
	}
	if (list)
		qsort(list, kept, sizeof(void *), by_name);
	for (uint32_t i = 0; i < kept; i++)
		json_array_append_new(items, object_json(c, list[i]));
	free(list);
	return items;
}

static void run_get(struct control *c, struct rpc_call *call)
{
	const char *kind_text = string_param(call, "kind", NULL);
	struct filter f = {-1, string_param(call, "namespace", c->conf->ns),
	                   string_param(call, "name", NULL)};
	enum istio_kind kind;
	json_t *items;

	if (kind_text && !istio_kind_parse(kind_text, &kind)) {
		rpc_fail(call, RPC_INVALID_PARAMS, NULL, NO_KIND, kind_text);
		return;
	}
	if (kind_text)
		f.kind = (int)kind;
	if (bool_param(call, "all_namespaces", false))
		f.ns = NULL;
	items = matching_objects(c, &f);
	if (json_array_size(items) == 0 && kind_text && f.name) {
		json_decref(items);
		rpc_fail(call, RPC_NOT_FOUND, NULL, "%s %s/%s not found", istio_kind_name(kind),
		         f.ns ? f.ns : "*", f.name);
		return;
	}
	rpc_reply(call, json_pack("{s:I, s:o}", "generation", (json_int_t)c->base.generation,
	                          "items", items));
}

static void run_route(struct control *c, struct rpc_call *call)
{
	json_t *headers = json_object_get(call->params, "headers"), *explanation;
	struct build_options options = c->base.options;
	const char *lines[HEADERS_MAX];
	struct explain_request request = {.method = string_param(call, "method", NULL),
	                                  .url = string_param(call, "url", ""),
	                                  .headers = lines,
	                                  .alpn = string_param(call, "alpn", NULL)};
	size_t n = json_array_size(headers);
	char err[256] = "";

	for (size_t i = 0; i < n && i < HEADERS_MAX; i++) {
		lines[i] = json_string_value(json_array_get(headers, i));
		if (lines[i])
			request.n_headers++;
	}
	if (request.n_headers != n) {
		rpc_fail(call, RPC_INVALID_PARAMS, NULL,
		         "headers must be at most %d strings \"Name: value\"", HEADERS_MAX);
		return;
	}
	options.resolve = names_find;
	options.resolve_arg = resolver_names(&c->resolver);
	explanation = explain_route(c->base.all, &options, &request, err, sizeof(err));
	names_free(options.resolve_arg);
	if (explanation)
		rpc_reply(call,
		          json_pack("{s:I, s:o}", "generation", (json_int_t)c->base.generation,
		                    "explanation", explanation));
	else
		rpc_fail(call, RPC_INVALID_PARAMS, NULL, "%s", err);
}

static void run_wait(struct control *c, struct rpc_call *call)
{
	const json_t *wanted = json_object_get(call->params, "generation");
	json_int_t generation =
		wanted ? json_integer_value(wanted) : (json_int_t)c->base.generation;
	struct pending *p;

	if (generation < 1 || (uint64_t)generation > c->base.generation) {
		rpc_fail(call, RPC_INVALID_PARAMS, NULL,
		         "there is no generation %lld yet; the present is %llu",
		         (long long)generation, (unsigned long long)c->base.generation);
		return;
	}
	p = calloc(1, sizeof(*p));
	if (!p) {
		rpc_reply(call, NULL);
		return;
	}
	*p = (struct pending){.control = c,
	                      .call = call,
	                      .wait = true,
	                      .timeout_ms = timeout_param(call),
	                      .generation = (uint64_t)generation};
	p->result = json_pack("{s:I, s:b, s:n}", "generation", generation, "in_effect", false,
	                      "effect_ns");
	control_wait(c, p->generation, p->timeout_ms, answer_waited, p);
}

static void run_status(struct control *c, struct rpc_call *call)
{
	rpc_reply(call, report_status(c));
}

static void run_stats(struct control *c, struct rpc_call *call)
{
	rpc_reply(call, report_stats(c, string_param(call, "route", NULL)));
}

static void run_workers(struct control *c, struct rpc_call *call)
{
	rpc_reply(call, report_workers(c, string_param(call, "route", NULL)));
}

static void run_offload(struct control *c, struct rpc_call *call)
{
	(void)c;
	rpc_reply(call, report_offload());
}

static void run_drops(struct control *c, struct rpc_call *call)
{
	(void)c;
	rpc_reply(call, report_drops());
}

static void run_counters(struct control *c, struct rpc_call *call)
{
	(void)c;
	rpc_reply(call, report_counters());
}

static void run_version(struct control *c, struct rpc_call *call)
{
	(void)c;
	rpc_reply(call, report_version());
}

static void run_drain(struct control *c, struct rpc_call *call)
{
	dataplane_drain();
	rpc_reply(call, report_state(c));
}

static void run_undrain(struct control *c, struct rpc_call *call)
{
	dataplane_undrain();
	rpc_reply(call, report_state(c));
}

/* ---- dispatch --------------------------------------------------------------------------- */

#define P_NAMESPACE                              \
	{                                        \
		"namespace", PARAM_STRING, false \
	}
#define P_DOCUMENTS                            \
	{                                      \
		"documents", PARAM_ARRAY, true \
	}
#define P_DRY_RUN                            \
	{                                    \
		"dry_run", PARAM_BOOL, false \
	}
#define P_WAIT                            \
	{                                 \
		"wait", PARAM_BOOL, false \
	}
#define P_TIMEOUT                                  \
	{                                          \
		"timeout_ms", PARAM_INTEGER, false \
	}

static const struct method methods[] = {
	{"apply", run_apply, {P_DOCUMENTS, P_NAMESPACE, P_DRY_RUN, P_WAIT, P_TIMEOUT}},
	{"delete",
         run_delete,
         {{"objects", PARAM_ARRAY, false},
          {"documents", PARAM_ARRAY, false},
          P_NAMESPACE,
          {"ignore_not_found", PARAM_BOOL, false},
          P_DRY_RUN,
          P_WAIT,
          P_TIMEOUT}},
	{"validate", run_validate, {P_DOCUMENTS, P_NAMESPACE}},
	{"diff", run_diff, {P_DOCUMENTS, P_NAMESPACE}},
	{"get",
         run_get,
         {{"kind", PARAM_STRING, false},
          {"name", PARAM_STRING, false},
          P_NAMESPACE,
          {"all_namespaces", PARAM_BOOL, false}}},
	{"route",
         run_route,
         {{"url", PARAM_STRING, true},
          {"method", PARAM_STRING, false},
          {"headers", PARAM_ARRAY, false},
          {"alpn", PARAM_STRING, false}}},
	{"status", run_status, {{0}}},
	{"stats", run_stats, {{"route", PARAM_STRING, false}}},
	{"workers", run_workers, {{"route", PARAM_STRING, false}}},
	{"offload", run_offload, {{0}}},
	{"drops", run_drops, {{0}}},
	{"counters", run_counters, {{0}}},
	{"drain", run_drain, {{0}}},
	{"undrain", run_undrain, {{0}}},
	{"reload", run_reload, {P_WAIT, P_TIMEOUT}},
	{"wait", run_wait, {{"generation", PARAM_INTEGER, false}, P_TIMEOUT}},
	{"version", run_version, {{0}}},
};
static const size_t n_methods = sizeof(methods) / sizeof(methods[0]);

static void refuse_method(struct rpc_call *call)
{
	struct nearest near = nearest_to(call->method);

	for (size_t i = 0; i < n_methods; i++)
		nearest_offer(&near, methods[i].name);
	if (near.best)
		rpc_fail(call, RPC_METHOD_NOT_FOUND, NULL,
		         "no method \"%.64s\"; did you mean \"%s\"?", call->method, near.best);
	else
		rpc_fail(call, RPC_METHOD_NOT_FOUND, NULL, "no method \"%.64s\"", call->method);
}

void methods_handle(void *control, struct rpc_call *call)
{
	for (size_t i = 0; i < n_methods; i++) {
		if (strcmp(methods[i].name, call->method) != 0)
			continue;
		if (check_params(call, &methods[i]))
			methods[i].run(control, call);
		return;
	}
	refuse_method(call);
}
