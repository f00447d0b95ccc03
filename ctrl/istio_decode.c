/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The generic walker: one function per type of field, and one that goes through the fields of a
 * message by the table. What each field is, istio_fields.def says; nothing here knows a field by name.
 *
 * Recursion follows the table, not the input: messages nest as deep as Istio's do, no deeper.
 */
#include "istio_table.h"

#include <inttypes.h>
#include <string.h>

struct decoder {
	struct arena *arena;
	struct diag_list *diags;
};

/* What the walker needs from every list of istio.h: v, n, at stand first, in this order. */
struct list {
	void *v;
	uint32_t n;
	struct where at;
};

_Static_assert(sizeof(struct list) == sizeof(struct istio_texts), "lists look alike");
_Static_assert(offsetof(struct list, at) == offsetof(struct istio_texts, at), "lists look alike");

static void decode_message(struct decoder *d, const struct istio_message *m,
                           const struct tree_node *n, void *out);

/* What to call a value in a sentence. */
static const char *name_of(const struct tree_node *n)
{
	if (n->key)
		return n->key;
	return n->parent ? "the list element" : "the document";
}

static void wrong_type(struct decoder *d, const char *want, const struct tree_node *n)
{
	diag_error(d->diags, n->where, "TYPE", "%s is %s; give %s", name_of(n), tree_kind_text(n),
	           want);
}

static bool to_text(struct decoder *d, const struct tree_node *n, struct istio_text *out)
{
	out->at = n->where;
	if (tree_is_text(n)) {
		out->s = n->text;
		return true;
	}
	if (n->kind == TREE_SCALAR && !tree_is_null(n))
		diag_error(d->diags, n->where, "TYPE",
		           "%s is %s where text is wanted; put quotes around it: \"%s\"",
		           name_of(n), tree_kind_text(n), n->text);
	else
		wrong_type(d, "text", n);
	return false;
}

/* protojson takes 80, 80.0 and "80" for a number. */
static bool to_int(const struct tree_node *n, int64_t *out)
{
	struct tree_node unquoted = *n;
	double whole;

	if (n->kind == TREE_SCALAR)
		unquoted.quoted = false;
	if (tree_as_int(&unquoted, out))
		return true;
	if (!tree_as_double(&unquoted, &whole) || whole < -1e15 || whole > 1e15 ||
	    whole != (double)(int64_t)whole)
		return false;
	*out = (int64_t)whole;
	return true;
}

static void to_number(struct decoder *d, const struct tree_node *n, int64_t min, int64_t max,
                      struct istio_number *out)
{
	int64_t v;

	out->at = n->where;
	if (!to_int(n, &v)) {
		wrong_type(d, "a whole number", n);
	} else if (v < min || v > max) {
		diag_error(d->diags, n->where, "RANGE",
		           "%s is %" PRId64 "; give %" PRId64 " to %" PRId64, name_of(n), v, min,
		           max);
	} else {
		out->v = v;
		out->set = true;
	}
}

static void *list_open(struct decoder *d, const struct tree_node *n, size_t element_bytes,
                       struct list *out)
{
	out->at = n->where;
	out->v = arena_alloc(d->arena, n->n * element_bytes);
	return out->v;
}

/* Is it a list (or map) without null elements? Reports if not. */
static bool good_elements(struct decoder *d, const struct tree_node *n, enum tree_kind kind,
                          const char *want)
{
	bool good = true;

	if (n->kind != kind) {
		wrong_type(d, want, n);
		return false;
	}
	for (const struct tree_node *c = n->first; c; c = c->next) {
		if (!tree_is_null(c))
			continue;
		if (kind == TREE_LIST)
			diag_error(d->diags, c->where, "NULL_ELEMENT",
			           "the list element is empty; fill it in or remove it");
		else
			diag_error(d->diags, c->where, "NULL_ELEMENT",
			           "%s has no value; give one, or remove the key", c->key);
		good = false;
	}
	return good;
}

/* ---- one function per type -------------------------------------------------------------- */

static void decode_text(struct decoder *d, const struct istio_field *f, const struct tree_node *n,
                        void *out)
{
	(void)f;
	to_text(d, n, out);
}

static void decode_uint32(struct decoder *d, const struct istio_field *f, const struct tree_node *n,
                          void *out)
{
	(void)f;
	to_number(d, n, 0, UINT32_MAX, out);
}

static void decode_uint64(struct decoder *d, const struct istio_field *f, const struct tree_node *n,
                          void *out)
{
	(void)f;
	to_number(d, n, 0, INT64_MAX, out);
}

static void decode_int32(struct decoder *d, const struct istio_field *f, const struct tree_node *n,
                         void *out)
{
	(void)f;
	to_number(d, n, INT32_MIN, INT32_MAX, out);
}

static void decode_bool(struct decoder *d, const struct istio_field *f, const struct tree_node *n,
                        void *out)
{
	struct istio_flag *flag = out;

	(void)f;
	flag->at = n->where;
	flag->set = tree_as_bool(n, &flag->v);
	if (!flag->set)
		wrong_type(d, "true or false", n);
}

static void decode_duration(struct decoder *d, const struct istio_field *f,
                            const struct tree_node *n, void *out)
{
	struct istio_duration *t = out;

	(void)f;
	t->at = n->where;
	if (n->kind != TREE_SCALAR)
		wrong_type(d, "a duration as \"10s\"", n);
	else if (!istio_duration_parse(n->text, &t->us))
		diag_error(d->diags, n->where, "DURATION",
		           "%s is no duration; give a number with a unit, as 1.5s, 200ms or 1h",
		           n->text);
	else
		t->set = true;
}

static void decode_enum(struct decoder *d, const struct istio_field *f, const struct tree_node *n,
                        void *out)
{
	struct istio_enum *e = out;
	const char *names = "", *near;

	e->at = n->where;
	if (n->kind != TREE_SCALAR) {
		wrong_type(d, "one of the names", n);
		return;
	}
	for (int i = 0; f->values[i]; i++) {
		if (strcmp(n->text, f->values[i]) == 0) {
			e->v = i;
			e->set = true;
			return;
		}
		names = arena_printf(d->arena, "%s%s%s", names, i == 0 ? "" : ", ", f->values[i]);
	}
	near = istio_table_similar(n->text, f->values);
	if (near)
		diag_error(d->diags, n->where, "ENUM", "%s is %s; did you mean %s? It is one of %s",
		           n->key, n->text, near, names);
	else
		diag_error(d->diags, n->where, "ENUM", "%s is %s; give one of %s", n->key, n->text,
		           names);
}

static void decode_texts(struct decoder *d, const struct istio_field *f, const struct tree_node *n,
                         void *out)
{
	struct istio_texts *list = out;

	(void)f;
	if (!good_elements(d, n, TREE_LIST, "a list of texts"))
		return;
	struct istio_text *v = list_open(d, n, sizeof(*v), out);

	for (const struct tree_node *c = n->first; c; c = c->next)
		if (to_text(d, c, &v[list->n]))
			list->n++;
}

static void set_key(struct istio_text *key, const struct tree_node *n)
{
	key->s = n->key;
	key->at = n->key_where;
}

static void decode_pairs(struct decoder *d, const struct istio_field *f, const struct tree_node *n,
                         void *out)
{
	struct istio_pairs *list = out;

	(void)f;
	if (!good_elements(d, n, TREE_MAP, "a map of texts"))
		return;
	struct istio_pair *v = list_open(d, n, sizeof(*v), out);

	for (const struct tree_node *c = n->first; c; c = c->next) {
		set_key(&v[list->n].key, c);
		if (to_text(d, c, &v[list->n].value))
			list->n++;
	}
}

static void decode_numbers(struct decoder *d, const struct istio_field *f,
                           const struct tree_node *n, void *out)
{
	struct istio_named_numbers *list = out;

	(void)f;
	if (!good_elements(d, n, TREE_MAP, "a map of numbers"))
		return;
	struct istio_named_number *v = list_open(d, n, sizeof(*v), out);

	for (const struct tree_node *c = n->first; c; c = c->next) {
		set_key(&v[list->n].key, c);
		to_number(d, c, 0, UINT32_MAX, &v[list->n].value);
		list->n += v[list->n].value.set;
	}
}

static void decode_matches(struct decoder *d, const struct istio_field *f,
                           const struct tree_node *n, void *out)
{
	struct istio_named_matches *list = out;

	if (!good_elements(d, n, TREE_MAP, "a map of names to exact, prefix or regex"))
		return;
	struct istio_named_match *v = list_open(d, n, sizeof(*v), out);

	for (const struct tree_node *c = n->first; c; c = c->next, list->n++) {
		set_key(&v[list->n].key, c);
		decode_message(d, f->of, c, &v[list->n].match);
	}
}

static void decode_one(struct decoder *d, const struct istio_field *f, const struct tree_node *n,
                       void *out)
{
	void *message = arena_alloc(d->arena, f->of->size);

	decode_message(d, f->of, n, message);
	*(void **)out = message;
}

static void decode_many(struct decoder *d, const struct istio_field *f, const struct tree_node *n,
                        void *out)
{
	struct list *list = out;

	if (!good_elements(d, n, TREE_LIST, "a list"))
		return;
	char *v = list_open(d, n, f->of->size, list);

	for (const struct tree_node *c = n->first; c; c = c->next, list->n++)
		decode_message(d, f->of, c, v + list->n * f->of->size);
}

typedef void decode_fn(struct decoder *d, const struct istio_field *f, const struct tree_node *n,
                       void *out);

static decode_fn *const decode[] = {
	[ISTIO_TEXT] = decode_text,         [ISTIO_UINT32] = decode_uint32,
	[ISTIO_INT32] = decode_int32,       [ISTIO_BOOL] = decode_bool,
	[ISTIO_DURATION] = decode_duration, [ISTIO_ENUM_VALUE] = decode_enum,
	[ISTIO_TEXTS] = decode_texts,       [ISTIO_PAIRS] = decode_pairs,
	[ISTIO_NUMBERS] = decode_numbers,   [ISTIO_MATCHES] = decode_matches,
	[ISTIO_MESSAGE] = decode_one,       [ISTIO_MESSAGES] = decode_many,
	[ISTIO_UINT64] = decode_uint64,
};

/* ---- messages --------------------------------------------------------------------------- */

static void unknown_field(struct decoder *d, const struct istio_message *m,
                          const struct tree_node *n)
{
	char camel[64][ISTIO_FIELD_NAME_MAX];
	const char *names[65], *near;

	for (size_t i = 0; i < m->n_fields; i++)
		names[i] = istio_table_camel(&m->fields[i], camel[i]);
	names[m->n_fields] = NULL;
	near = istio_table_similar(n->key, names);
	if (near)
		diag_error(d->diags, n->key_where, "UNKNOWN_FIELD",
		           "unknown field %s in %s; did you mean %s?", n->key, m->title, near);
	else
		diag_error(d->diags, n->key_where, "UNKNOWN_FIELD",
		           "unknown field %s in %s; remove it, or check the indentation", n->key,
		           m->title);
}

static void decode_field(struct decoder *d, const struct istio_field *f, const struct tree_node *n,
                         char *out)
{
	switch (f->support) {
	case ISTIO_BUILT: decode[f->type](d, f, n, out + f->offset); break;
	case ISTIO_LATER:
		diag_error(d->diags, n->key_where, "NOT_SUPPORTED",
		           "%s is not supported yet; remove it to use this document", n->key);
		break;
	case ISTIO_IGNORED:
		diag_warn(d->diags, n->key_where, "IGNORED", "%s has no effect here: %s", n->key,
		          f->note);
		break;
	case ISTIO_REFUSED: diag_error(d->diags, n->key_where, "REFUSED", "%s", f->note); break;
	}
}

/* out begins with a struct where, as every message of istio.h does. */
static void decode_message(struct decoder *d, const struct istio_message *m,
                           const struct tree_node *n, void *out)
{
	uint64_t seen = 0;

	*(struct where *)out = n->where;
	if (n->kind != TREE_MAP) {
		wrong_type(d, "a map of fields", n);
		return;
	}
	for (const struct tree_node *c = n->first; c; c = c->next) {
		const struct istio_field *f = istio_table_find(m, c->key);

		if (!f) {
			unknown_field(d, m, c);
			continue;
		}
		uint64_t bit = UINT64_C(1) << (f - m->fields);

		if (seen & bit)
			diag_error(d->diags, c->key_where, "DUPLICATE_FIELD",
			           "%s is given in both spellings; keep one", c->key);
		else if (!tree_is_null(c)) /* null is absent, as in protojson */
			decode_field(d, f, c, out);
		seen |= bit;
	}
}

/* ---- objects ---------------------------------------------------------------------------- */

static const struct istio_field labels_field = {.name = "labels", .type = ISTIO_PAIRS};

static bool is_of_group(const char *api_version)
{
	static const char *const known[] = {"networking.istio.io/v1alpha3",
	                                    "networking.istio.io/v1beta1",
	                                    "networking.istio.io/v1"};

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (strcmp(api_version, known[i]) == 0)
			return true;
	return false;
}

/* The text of a field of the document itself, or NULL with an error that says how to write it. */
static const char *envelope_text(struct decoder *d, const struct tree_node *tree, const char *key,
                                 const char *example)
{
	const struct tree_node *n = tree_get(tree, key);
	struct istio_text t = {0};

	if (!n || tree_is_null(n)) {
		diag_error(d->diags, n ? n->where : tree->where, "REQUIRED",
		           "%s is missing; write %s: %s", key, key, example);
		return NULL;
	}
	return to_text(d, n, &t) ? t.s : NULL;
}

static bool read_kind(struct decoder *d, const struct tree_node *tree, enum istio_kind *kind)
{
	const char *name = envelope_text(d, tree, "kind", "VirtualService");
	const char *names[ISTIO_KIND_COUNT + 1] = {0}, *near;

	if (!name)
		return false;
	struct where at = tree_get(tree, "kind")->where;

	for (unsigned int i = 0; i < ISTIO_KIND_COUNT; i++) {
		names[i] = istio_kind_name(i);
		if (strcmp(name, names[i]) == 0) {
			*kind = i;
			return true;
		}
	}
	near = istio_table_similar(name, names);
	if (strcmp(name, "Sidecar") == 0)
		diag_warn(d->diags, at, "IGNORED",
		          "Sidecar documents have no effect here: there are no sidecars");
	else if (strcmp(name, "WorkloadGroup") == 0 || strcmp(name, "EnvoyFilter") == 0 ||
	         strcmp(name, "ProxyConfig") == 0)
		diag_error(d->diags, at, "NOT_SUPPORTED",
		           "kind %s is not supported yet; remove the document", name);
	else if (near)
		diag_error(d->diags, at, "KIND", "unknown kind %s; did you mean %s?", name, near);
	else
		diag_error(d->diags, at, "KIND",
		           "unknown kind %s; use VirtualService, DestinationRule, ServiceEntry, "
		           "WorkloadEntry or Gateway",
		           name);
	return false;
}

static bool read_api_version(struct decoder *d, const struct tree_node *tree,
                             struct istio_object *o)
{
	o->api_version = envelope_text(d, tree, "apiVersion", "networking.istio.io/v1");
	if (!o->api_version || is_of_group(o->api_version))
		return o->api_version != NULL;
	diag_error(d->diags, tree_get(tree, "apiVersion")->where, "API_VERSION",
	           "unknown apiVersion %s; use networking.istio.io/v1 (or v1beta1, v1alpha3)",
	           o->api_version);
	return false;
}

static struct tree_node *child_of(struct tree_node *map, const char *key)
{
	for (struct tree_node *c = map->kind == TREE_MAP ? map->first : NULL; c; c = c->next)
		if (strcmp(c->key, key) == 0)
			return c;
	return NULL;
}

static void optional(struct decoder *d, const struct tree_node *n, decode_fn *fn, void *out)
{
	if (n && !tree_is_null(n))
		fn(d, &labels_field, n, out);
}

/* Name and namespace: they say which object the diagnostics are about. The latter is filled in when absent. */
static bool read_name(struct decoder *d, struct tree_node *tree, const char *ns,
                      struct istio_object *o)
{
	struct tree_node *meta = child_of(tree, "metadata");

	if (!meta || meta->kind != TREE_MAP) {
		diag_error(d->diags, meta ? meta->where : tree->where, "REQUIRED",
		           "metadata is missing; write metadata: with name: below it");
		return false;
	}
	optional(d, tree_get(meta, "name"), decode_text, &o->name);
	optional(d, tree_get(meta, "namespace"), decode_text, &o->ns);
	if (!o->name.s || !o->name.s[0]) {
		diag_error(d->diags, o->name.at.file ? o->name.at : meta->where, "REQUIRED",
		           "metadata.name is missing; give the document a name");
		return false;
	}
	if (!o->ns.s || !o->ns.s[0]) {
		o->ns = (struct istio_text){.s = arena_dup(d->arena, ns), .at = meta->where};
		tree_remove(meta, "namespace");
		tree_set(d->arena, meta, "namespace", ns);
	}
	diag_about(d->diags, arena_printf(d->arena, "%s %s/%s", istio_kind_name(o->kind), o->ns.s,
	                                  o->name.s));
	return true;
}

static void read_metadata(struct decoder *d, const struct tree_node *meta, struct istio_object *o)
{
	struct istio_text created = {0};

	optional(d, tree_get(meta, "labels"), decode_pairs, &o->labels);
	optional(d, tree_get(meta, "annotations"), decode_pairs, &o->annotations);
	optional(d, tree_get(meta, "creationTimestamp"), decode_text, &created);
	o->created = created.s ? created.s : "";
}

void istio_set_created(struct arena *a, struct istio_object *o, const char *created)
{
	struct tree_node *meta = child_of(o->tree, "metadata");

	tree_remove(meta, "creationTimestamp");
	tree_set(a, meta, "creationTimestamp", created);
	o->created = arena_dup(a, created);
}

/* The document's own fields are known, and spec is among them. */
static bool check_envelope(struct decoder *d, const struct tree_node *tree)
{
	static const char *const known[] = {"apiVersion", "kind",   "metadata",
	                                    "spec",       "status", NULL};
	const struct tree_node *spec = tree_get(tree, "spec");
	bool all_known = true;

	for (const struct tree_node *c = tree->first; c; c = c->next) {
		const char *near = istio_table_similar(c->key, known);

		if (near && strcmp(near, c->key) == 0)
			continue;
		all_known = false;
		if (near)
			diag_error(d->diags, c->key_where, "UNKNOWN_FIELD",
			           "unknown field %s; did you mean %s?", c->key, near);
		else
			diag_error(d->diags, c->key_where, "UNKNOWN_FIELD",
			           "unknown field %s; fields of the document stand below spec",
			           c->key);
	}
	if (all_known && (!spec || tree_is_null(spec)))
		diag_error(d->diags, spec ? spec->where : tree->where, "REQUIRED",
		           "spec is missing; write spec: with the fields of the document below it");
	return all_known && spec && !tree_is_null(spec);
}

static const char *canonical_of(struct arena *a, const struct tree_node *tree)
{
	static const char *const counted[] = {"labels", "annotations"};
	const struct tree_node *meta = tree_get(tree, "metadata"), *spec = tree_get(tree, "spec");
	json_t *j = json_object();

	for (size_t i = 0; i < sizeof(counted) / sizeof(counted[0]); i++) {
		const struct tree_node *n = tree_get(meta, counted[i]);
		json_t *part = n ? tree_to_json(n) : NULL;

		json_object_del(part, "kubectl.kubernetes.io/last-applied-configuration");
		if (part && json_object_size(part) > 0)
			json_object_set(j, counted[i], part);
		json_decref(part);
	}
	if (spec)
		json_object_set_new(j, "spec", tree_to_json(spec));
	char *text = json_dumps(j, JSON_COMPACT | JSON_SORT_KEYS);
	const char *kept = arena_dup(a, text ? text : "");

	free(text);
	json_decref(j);
	return kept;
}

struct istio_object *istio_decode(struct arena *a, struct tree_node *tree, const char *ns,
                                  struct diag_list *diags)
{
	struct decoder d = {.arena = a, .diags = diags};
	struct istio_object *o = arena_alloc(a, sizeof(*o));

	o->at = tree->where;
	o->tree = tree;
	if (tree->kind != TREE_MAP) {
		wrong_type(&d, "a document with apiVersion, kind, metadata and spec", tree);
		return NULL;
	}
	bool version_good = read_api_version(&d, tree, o);

	if (!version_good || !read_kind(&d, tree, &o->kind) || !read_name(&d, tree, ns, o))
		return NULL;
	read_metadata(&d, tree_get(tree, "metadata"), o);
	if (!check_envelope(&d, tree))
		return NULL;
	tree_remove(tree, "status");

	const struct istio_message *m = istio_specs[o->kind];
	void *message = arena_alloc(a, m->size);

	decode_message(&d, m, tree_get(tree, "spec"), message);
	o->gateway = message; /* the members of the union are all pointers to the spec */
	o->canonical = canonical_of(a, tree);
	return o;
}
