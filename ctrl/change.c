/* SPDX-License-Identifier: BSD-3-Clause */
#include "change.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct change *change_new(enum change_kind kind)
{
	struct change *ch = calloc(1, sizeof(*ch));

	if (ch)
		ch->kind = kind;
	return ch;
}

void change_free(struct change *ch)
{
	if (!ch)
		return;
	build_free(ch->snapshot);
	docset_free(ch->applied);
	docset_free(ch->directory);
	docset_free(ch->all);
	diag_fini(&ch->diags);
	arena_fini(&ch->arena);
	json_decref(ch->params);
	free(ch);
}

void change_fail(struct change *ch, enum rpc_code code, const char *fmt, ...)
{
	char text[512];
	va_list args;

	if (ch->code)
		return;
	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	ch->code = code;
	ch->message = arena_dup(&ch->arena, text);
}

struct docset *change_merge(const struct docset *applied, const struct docset *directory)
{
	struct docset *all = docset_copy(applied);

	docset_apply(all, directory, NULL);
	return all;
}

/* Fail with the first error in the sentence, so that a client that shows no diagnostics helps, too. */
static void fail_with_diags(struct change *ch, enum rpc_code code)
{
	for (uint32_t i = 0; i < ch->diags.n; i++) {
		const struct diag *d = &ch->diags.items[i];

		if (d->severity != DIAG_ERROR)
			continue;
		if (ch->diags.n_errors == 1)
			change_fail(ch, code, "%s", diag_format(&ch->diags, d));
		else
			change_fail(ch, code, "%u errors; the first: %s", ch->diags.n_errors,
			            diag_format(&ch->diags, d));
		return;
	}
	change_fail(ch, RPC_INTERNAL, "refused without a reason");
}

/* ---- reading ---------------------------------------------------------------------------- */

static void add_item(struct change *ch, const struct istio_object *o, enum docset_verb verb)
{
	struct change_item *item = &ch->items[ch->n_items++];

	*item = (struct change_item){
		.kind = o->kind,
		.ns = arena_dup(&ch->arena, o->ns.s),
		.name = arena_dup(&ch->arena, o->name.s),
		.verb = verb,
		.doc = ch->n_texts,
		.line = o->at.line,
	};
	for (uint32_t i = 0; o->at.file && i < ch->n_texts; i++)
		if (strcmp(o->at.file, ch->texts[i].name) == 0) {
			item->doc = i;
			break;
		}
	if (verb == DOCSET_UNCHANGED)
		return;
	ch->unchanged = false;
	if (o->kind == ISTIO_SERVICE_ENTRY || o->kind == ISTIO_WORKLOAD_ENTRY)
		ch->services = true;
}

static int by_place(const void *a, const void *b)
{
	const struct change_item *x = a, *y = b;

	if (x->doc != y->doc)
		return x->doc < y->doc ? -1 : 1;
	return x->line < y->line ? -1 : x->line > y->line;
}

static struct docset *read_texts(struct change *ch)
{
	struct docset *input = docset_new();

	for (uint32_t i = 0; i < ch->n_texts; i++)
		docset_read_text(input, ch->texts[i].name, ch->texts[i].text, ch->texts[i].len,
		                 ch->ns, &ch->diags);
	return input;
}

/* Refuse an object that a file of the routing directory defines. */
static void check_origin(struct change *ch, const struct change_base *base, enum istio_kind kind,
                         const char *ns, const char *name)
{
	const struct istio_object *o = docset_find(base->directory, kind, ns, name);
	const char *object;

	if (!o)
		return;
	object = arena_printf(&ch->arena, "%s %s/%s", istio_kind_name(kind), ns, name);
	diag_about(&ch->diags, object);
	diag_error(&ch->diags,
	           (struct where){.file = o->at.file, .line = o->at.line, .col = o->at.col},
	           "DIRECTORY_OWNS", "%s is defined by this file; change it there", object);
	diag_about(&ch->diags, NULL);
}

/* As the API server of Kubernetes does: the moment of creation, which no later change touches. */
static void stamp(struct docset *input, const struct docset *known)
{
	time_t now = time(NULL);
	struct tm tm;
	char text[32];

	strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&now, &tm));
	docset_stamp(input, known, text);
}

static void read_apply(struct change *ch, const struct change_base *base)
{
	struct docset *input = read_texts(ch);
	uint32_t n = docset_count(input);
	enum docset_verb *verbs = arena_alloc(&ch->arena, n * sizeof(*verbs));

	ch->items = arena_alloc(&ch->arena, n * sizeof(*ch->items));
	if (ch->diags.n_errors) {
		fail_with_diags(ch, RPC_INVALID);
	} else if (n == 0) {
		change_fail(ch, RPC_INVALID, "no objects in the documents");
	} else {
		for (uint32_t i = 0; i < n; i++) {
			const struct istio_object *o = docset_at(input, i);

			check_origin(ch, base, o->kind, o->ns.s, o->name.s);
		}
		if (ch->diags.n_errors)
			fail_with_diags(ch, RPC_CONFLICT);
	}
	stamp(input, ch->applied);
	docset_apply(ch->applied, input, verbs);
	docset_apply(ch->all, input, NULL); /* the directory has none of them: check_origin() */
	for (uint32_t i = 0; i < n; i++)
		add_item(ch, docset_at(input, i), verbs[i]);
	docset_free(input);
}

static void delete_one(struct change *ch, const struct change_base *base, enum istio_kind kind,
                       const char *ns, const char *name)
{
	const struct istio_object *o = docset_find(ch->applied, kind, ns, name);

	check_origin(ch, base, kind, ns, name);
	if (o) {
		add_item(ch, o, DOCSET_DELETED);
		docset_delete(ch->applied, kind, ns, name);
		docset_delete(ch->all, kind, ns, name); /* as above */
	} else if (!ch->ignore_missing && !docset_find(base->directory, kind, ns, name)) {
		change_fail(ch, RPC_NOT_FOUND, "%s %s/%s not found", istio_kind_name(kind), ns,
		            name);
	}
}

static void read_delete(struct change *ch, const struct change_base *base)
{
	struct docset *input = read_texts(ch);
	uint32_t n = docset_count(input);

	ch->items = arena_alloc(&ch->arena, (n + ch->n_targets) * sizeof(*ch->items));
	if (ch->diags.n_errors)
		fail_with_diags(ch, RPC_INVALID);
	for (uint32_t i = 0; i < n && !ch->code; i++) {
		const struct istio_object *o = docset_at(input, i);

		delete_one(ch, base, o->kind, o->ns.s, o->name.s);
	}
	for (uint32_t i = 0; i < ch->n_targets && !ch->code; i++)
		delete_one(ch, base, ch->targets[i].kind, ch->targets[i].ns, ch->targets[i].name);
	if (ch->diags.n_errors)
		fail_with_diags(ch, RPC_CONFLICT);
	docset_free(input);
}

static void read_directory(struct change *ch, const struct change_base *base)
{
	struct docset *was = docset_copy(base->directory), *now = docset_new();
	uint32_t n_was = docset_count(was), n;
	enum docset_verb *verbs;

	docset_read_path(now, base->conf->routing_directory, ch->ns, &ch->diags);
	if (ch->diags.n_errors)
		fail_with_diags(ch, RPC_INVALID);
	n = docset_count(now);
	verbs = arena_alloc(&ch->arena, n * sizeof(*verbs));
	ch->items = arena_alloc(&ch->arena, (n + n_was) * sizeof(*ch->items));
	for (uint32_t i = 0; i < n_was; i++) {
		const struct istio_object *o = docset_at(was, i);

		if (!docset_find(now, o->kind, o->ns.s, o->name.s))
			add_item(ch, o, DOCSET_DELETED);
	}
	docset_apply(was, now, verbs);
	for (uint32_t i = 0; i < n; i++)
		add_item(ch, docset_at(now, i), verbs[i]);
	docset_free(was);
	docset_free(ch->directory);
	docset_free(ch->all);
	ch->directory = now;
	ch->all = change_merge(ch->applied, now);
}

static void read_onto(struct change *ch, const struct change_base *base)
{
	ch->applied = docset_copy(base->applied);
	ch->directory = docset_copy(base->directory);
	ch->all = docset_copy(base->all);
	ch->unchanged = ch->kind != CHANGE_RENEW;
	switch (ch->kind) {
	case CHANGE_APPLY: read_apply(ch, base); break;
	case CHANGE_DELETE: read_delete(ch, base); break;
	case CHANGE_RELOAD: read_directory(ch, base); break;
	case CHANGE_RENEW: break;
	}
	if (ch->n_items > 1)
		qsort(ch->items, ch->n_items, sizeof(*ch->items), by_place);
	ch->generation = base->generation;
}

void change_read(struct change *ch, const struct change_base *base)
{
	struct change_base bare = *base;

	if (!ch->alone) {
		read_onto(ch, base);
		return;
	}
	bare.applied = docset_new();
	bare.directory = docset_new();
	bare.all = docset_new();
	read_onto(ch, &bare);
	docset_free(bare.applied);
	docset_free(bare.directory);
	docset_free(bare.all);
}

/* ---- building --------------------------------------------------------------------------- */

#define DELETE_LINE "# delete "

/* What was applied or deleted: the objects as they are now, behind the names of those that are not. */
static void write_change(const struct change *ch, FILE *out)
{
	for (uint32_t i = 0; i < ch->n_items; i++) {
		const struct change_item *item = &ch->items[i];

		if (item->verb == DOCSET_DELETED)
			fprintf(out, DELETE_LINE "%s %s/%s\n", istio_kind_name(item->kind),
			        item->ns, item->name);
	}
	for (uint32_t i = 0; i < ch->n_items; i++) {
		const struct change_item *item = &ch->items[i];

		if (item->verb != DOCSET_CREATED && item->verb != DOCSET_CONFIGURED)
			continue;
		fputs("---\n", out);
		tree_emit(out, docset_find(ch->applied, item->kind, item->ns, item->name)->tree);
	}
}

static void replay_delete(struct docset *set, const char *line)
{
	char kind_name[64], ns[64], name[256];
	enum istio_kind kind;

	if (sscanf(line, DELETE_LINE "%63s %63[^/]/%255s", kind_name, ns, name) == 3 &&
	    istio_kind_parse(kind_name, &kind))
		docset_delete(set, kind, ns, name);
}

void change_replay(struct docset *set, const char *file, const char *text, size_t len,
                   const char *ns, struct diag_list *diags)
{
	struct docset *input = docset_new();

	for (const char *line = text; strncmp(line, DELETE_LINE, strlen(DELETE_LINE)) == 0;) {
		replay_delete(set, line);
		line = strchrnul(line, '\n');
		line += *line == '\n';
	}
	docset_read_emitted(input, file, text, len, ns, diags);
	docset_apply(set, input, NULL);
	docset_free(input);
}

static char *written(const struct change *ch, void (*fn)(const struct change *ch, FILE *out),
                     size_t *len)
{
	char *text = NULL;
	FILE *out = open_memstream(&text, len);

	if (!out)
		return NULL;
	fn(ch, out);
	if (fclose(out) == 0)
		return text;
	free(text);
	return NULL;
}

static void write_set(const struct change *ch, FILE *out)
{
	docset_emit(ch->applied, out);
}

static int save_set(const struct change *ch, struct store *store)
{
	size_t len = 0;
	char *text = written(ch, write_set, &len);
	int rc = text ? store_save(store, ch->generation, text, len) : -ENOMEM;

	free(text);
	return rc;
}

static int save_change(const struct change *ch, struct store *store)
{
	/* of the directory and of addresses only the number is new */
	bool ours = ch->kind == CHANGE_APPLY || ch->kind == CHANGE_DELETE;
	size_t len = 0;
	char *text = ours ? written(ch, write_change, &len) : strdup("");
	int rc = text ? store_append(store, ch->generation, text, len) : -ENOMEM;

	free(text);
	return rc;
}

static void save(struct change *ch, const struct change_base *base)
{
	struct store *store = base->store;
	int rc = save_change(ch, store);

	/* A set that cannot be written now is tried again with the next change: this one is safe. */
	if (rc == 0 && store_is_long(store))
		save_set(ch, store);
	else if (rc == -EBADF)
		rc = save_set(ch, store);
	/* of new addresses only the number is new, and that is worth no refusal */
	if (rc < 0 && ch->kind != CHANGE_RENEW)
		change_fail(ch, RPC_STORAGE_FAILED,
		            "the documents cannot be stored in %s: %s; nothing was changed",
		            base->conf->state_directory, strerror(-rc));
}

void change_build(struct change *ch, const struct change_base *base, struct names *names)
{
	struct build_options options = base->options;

	options.resolve = names_find;
	options.resolve_arg = names;
	ch->generation = base->generation + 1;
	if (ch->alone)
		ch->snapshot = build_snapshot(ch->all, &options, base->hsdb, base->registry,
		                              ch->generation, &ch->diags);
	else
		ch->snapshot =
			build_next(base->snapshot, ch->all, &options, ch->generation, &ch->diags);
	if (!ch->snapshot)
		fail_with_diags(ch, RPC_INVALID);
	else if (!ch->dry_run)
		save(ch, base);
	if (ch->code || ch->dry_run)
		ch->generation = base->generation;
}

/* ---- answers ---------------------------------------------------------------------------- */

json_t *change_items_json(const struct change *ch)
{
	json_t *list = json_array();

	for (uint32_t i = 0; i < ch->n_items; i++) {
		const struct change_item *item = &ch->items[i];

		json_array_append_new(list, json_pack("{s:s, s:s, s:s, s:s}", "kind",
		                                      istio_kind_name(item->kind), "namespace",
		                                      item->ns, "name", item->name, "result",
		                                      docset_verb_name(item->verb)));
	}
	return list;
}

json_t *change_diags_json(const struct diag_list *diags, bool errors, bool warnings)
{
	json_t *list = json_array();

	for (uint32_t i = 0; i < diags->n; i++) {
		const struct diag *d = &diags->items[i];
		bool error = d->severity == DIAG_ERROR;

		if (error ? !errors : !warnings)
			continue;
		json_array_append_new(
			list, json_pack("{s:s, s:s?, s:i, s:i, s:s?, s:s?, s:s?, s:s}", "severity",
		                        error ? "error" : "warning", "file", d->file, "line",
		                        (int)d->line, "column", (int)d->col, "object", d->object,
		                        "field", d->path, "code", d->code, "message", d->text));
	}
	return list;
}
