/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Each object has an arena of its own, so it can be freed alone and shared between sets. A set is
 * two arrays of the same objects: one in the order of keys, to find; one in the order of effect.
 */
#include "docset.h"

#include <dirent.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

struct held {
	atomic_uint refs; /* sets that hold it */
	struct arena arena;
	struct istio_object *object; /* changed only while one set holds it, by docset_stamp() */
};

struct docset {
	struct held **by_key;
	struct held **by_order;
	uint32_t n;
	uint32_t room;
};

const char *docset_verb_name(enum docset_verb verb)
{
	static const char *const names[] = {"created", "configured", "unchanged", "deleted"};

	return names[verb];
}

/* ---- objects in a set ------------------------------------------------------------------- */

static void held_put(struct held *h)
{
	if (atomic_fetch_sub(&h->refs, 1) != 1)
		return;
	struct arena a = h->arena; /* h itself lives in it */

	arena_fini(&a);
}

typedef int order_fn(const struct istio_object *a, const struct istio_object *b);

static int key_order(const struct istio_object *a, const struct istio_object *b)
{
	int order = (int)a->kind - (int)b->kind;

	if (order == 0)
		order = strcmp(a->ns.s, b->ns.s);
	return order != 0 ? order : strcmp(a->name.s, b->name.s);
}

static int effect_order(const struct istio_object *a, const struct istio_object *b)
{
	int order = (int)a->kind - (int)b->kind;

	if (order == 0)
		order = strcmp(a->created, b->created); /* RFC 3339 in UTC sorts as text */
	if (order == 0)
		order = strcmp(a->name.s, b->name.s);
	return order != 0 ? order : strcmp(a->ns.s, b->ns.s);
}

/* Place of the first object that does not come before o. */
static uint32_t lower_bound(struct held *const *v, uint32_t n, const struct istio_object *o,
                            order_fn *order)
{
	uint32_t low = 0;

	while (low < n) {
		uint32_t mid = low + (n - low) / 2;

		if (order(v[mid]->object, o) < 0)
			low = mid + 1;
		else
			n = mid;
	}
	return low;
}

static void insert_at(struct held **v, uint32_t n, uint32_t i, struct held *h)
{
	memmove(&v[i + 1], &v[i], (n - i) * sizeof(struct held *));
	v[i] = h;
}

static void remove_at(struct held **v, uint32_t n, uint32_t i)
{
	memmove(&v[i], &v[i + 1], (n - i - 1) * sizeof(struct held *));
}

static void reserve(struct docset *set, uint32_t n)
{
	if (n <= set->room)
		return;
	set->room = n < 16 ? 16 : n * 2;
	set->by_key = reallocarray(set->by_key, set->room, sizeof(struct held *));
	set->by_order = reallocarray(set->by_order, set->room, sizeof(struct held *));
	if (!set->by_key || !set->by_order)
		abort(); /* as arena.h says */
}

/* Take over one reference. The key must not be in the set. */
static void insert(struct docset *set, struct held *h)
{
	reserve(set, set->n + 1);
	insert_at(set->by_key, set->n, lower_bound(set->by_key, set->n, h->object, key_order), h);
	insert_at(set->by_order, set->n,
	          lower_bound(set->by_order, set->n, h->object, effect_order), h);
	set->n++;
}

static struct held *find(const struct docset *set, const struct istio_object *like)
{
	uint32_t i = lower_bound(set->by_key, set->n, like, key_order);

	return i < set->n && key_order(set->by_key[i]->object, like) == 0 ? set->by_key[i] : NULL;
}

static void drop(struct docset *set, struct held *h)
{
	remove_at(set->by_key, set->n, lower_bound(set->by_key, set->n, h->object, key_order));
	remove_at(set->by_order, set->n,
	          lower_bound(set->by_order, set->n, h->object, effect_order));
	set->n--;
	held_put(h);
}

struct docset *docset_new(void)
{
	struct docset *set = calloc(1, sizeof(*set));

	if (!set)
		abort();
	return set;
}

struct docset *docset_copy(const struct docset *set)
{
	struct docset *copy = docset_new();

	reserve(copy, set->n);
	for (uint32_t i = 0; i < set->n; i++) {
		atomic_fetch_add(&set->by_key[i]->refs, 1);
		copy->by_key[i] = set->by_key[i];
		copy->by_order[i] = set->by_order[i];
	}
	copy->n = set->n;
	return copy;
}

void docset_free(struct docset *set)
{
	if (!set)
		return;
	for (uint32_t i = 0; i < set->n; i++)
		held_put(set->by_key[i]);
	free(set->by_key);
	free(set->by_order);
	free(set);
}

uint32_t docset_count(const struct docset *set)
{
	return set->n;
}

const struct istio_object *docset_at(const struct docset *set, uint32_t i)
{
	return set->by_order[i]->object;
}

uint32_t docset_range(const struct docset *set, enum istio_kind kind, uint32_t *n)
{
	uint32_t first = 0;

	while (first < set->n && docset_at(set, first)->kind < kind)
		first++;
	*n = 0;
	while (first + *n < set->n && docset_at(set, first + *n)->kind == kind)
		++*n;
	return first;
}

const struct istio_object *docset_find(const struct docset *set, enum istio_kind kind,
                                       const char *ns, const char *name)
{
	struct istio_object like = {.kind = kind, .ns.s = ns, .name.s = name};
	const struct held *h = find(set, &like);

	return h ? h->object : NULL;
}

bool docset_delete(struct docset *set, enum istio_kind kind, const char *ns, const char *name)
{
	struct istio_object like = {.kind = kind, .ns.s = ns, .name.s = name};
	struct held *h = find(set, &like);

	if (h)
		drop(set, h);
	return h != NULL;
}

bool docset_same(const struct istio_object *a, const struct istio_object *b)
{
	return strcmp(a->canonical, b->canonical) == 0;
}

static int by_effect(const void *a, const void *b)
{
	const struct held *const *x = a, *const *y = b;

	return effect_order((*x)->object, (*y)->object);
}

void docset_stamp(struct docset *input, const struct docset *known, const char *now)
{
	for (uint32_t i = 0; i < input->n; i++) {
		struct held *h = input->by_key[i];
		const struct held *old = find(known, h->object);
		const char *created = old ? old->object->created : h->object->created;

		created = *created ? created : now;
		if (strcmp(created, h->object->created) != 0)
			istio_set_created(&h->arena, h->object, created);
	}
	if (input->n > 0)
		qsort(input->by_order, input->n, sizeof(struct held *), by_effect);
}

void docset_apply(struct docset *into, const struct docset *from, enum docset_verb *verbs)
{
	for (uint32_t i = 0; i < from->n; i++) {
		struct held *h = from->by_order[i], *old = find(into, h->object);
		enum docset_verb verb = DOCSET_CREATED;

		if (old)
			verb = docset_same(old->object, h->object) ? DOCSET_UNCHANGED
			                                           : DOCSET_CONFIGURED;
		if (verbs)
			verbs[i] = verb;
		if (verb == DOCSET_UNCHANGED)
			continue;
		if (old)
			drop(into, old);
		atomic_fetch_add(&h->refs, 1);
		insert(into, h);
	}
}

void docset_emit(const struct docset *set, FILE *out)
{
	for (uint32_t i = 0; i < set->n; i++) {
		fputs("---\n", out);
		tree_emit(out, docset_at(set, i)->tree);
	}
}

/* ---- reading ---------------------------------------------------------------------------- */

static void read_object(struct docset *set, const struct tree_node *tree, const char *ns,
                        struct diag_list *diags)
{
	struct arena a = {0};
	struct held *h = arena_alloc(&a, sizeof(*h));

	diag_about(diags, NULL);
	h->object = istio_decode(&a, tree_copy(&a, tree), ns, diags);
	if (!h->object) {
		arena_fini(&a);
		return;
	}
	const struct held *twin = find(set, h->object);

	istio_validate(h->object, diags);
	if (twin) {
		diag_error(diags, h->object->at, "DUPLICATE_OBJECT",
		           "%s %s/%s is already given in %s line %u; keep one",
		           istio_kind_name(h->object->kind), h->object->ns.s, h->object->name.s,
		           twin->object->at.file, twin->object->at.line);
		arena_fini(&a);
		return;
	}
	h->arena = a;
	atomic_init(&h->refs, 1);
	insert(set, h);
}

/* kubectl writes several objects as one: kind List, or VirtualServiceList and the like. */
static bool is_list(const struct tree_node *doc)
{
	const struct tree_node *kind = tree_get(doc, "kind");
	size_t len = kind && kind->kind == TREE_SCALAR ? strlen(kind->text) : 0;

	return len >= 4 && strcmp(kind->text + len - 4, "List") == 0;
}

static void read_document(struct docset *set, const struct tree_node *doc, const char *ns,
                          struct diag_list *diags)
{
	if (!is_list(doc)) {
		read_object(set, doc, ns, diags);
		return;
	}
	const struct tree_node *items = tree_get(doc, "items");

	if (!items || items->kind != TREE_LIST) {
		diag_about(diags, NULL);
		diag_error(diags, doc->where, "REQUIRED",
		           "the List has no items; write items: with the documents as a list below "
		           "it");
		return;
	}
	for (const struct tree_node *c = items->first; c; c = c->next)
		read_object(set, c, ns, diags);
}

int docset_read_text(struct docset *set, const char *file, const char *text, size_t len,
                     const char *ns, struct diag_list *diags)
{
	uint32_t before = diags->n_errors;
	struct arena a = {0};
	struct tree_docs docs = tree_parse(&a, file, text, len, diags);

	for (uint32_t i = 0; i < docs.n; i++)
		read_document(set, docs.v[i], ns ? ns : "default", diags);
	diag_about(diags, NULL);
	arena_fini(&a);
	return diags->n_errors == before ? 0 : -EINVAL;
}

static int cannot(struct diag_list *diags, const char *path, int error)
{
	diag_about(diags, NULL);
	diag_error(diags, (struct where){.file = path}, "FILE", "cannot be read: %s",
	           strerror(error));
	return -EINVAL;
}

static int read_stream(struct docset *set, const char *name, FILE *in, const char *ns,
                       struct diag_list *diags)
{
	size_t room = TREE_BYTES_MAX + 1; /* one too many is reported by the parser */
	char *text = malloc(room);

	if (!text)
		abort();
	size_t len = fread(text, 1, room, in);
	int r = ferror(in) ? cannot(diags, name, errno)
	                   : docset_read_text(set, name, text, len, ns, diags);

	free(text);
	return r;
}

static int read_file(struct docset *set, const char *path, const char *ns, struct diag_list *diags)
{
	FILE *in = fopen(path, "re");

	if (!in)
		return cannot(diags, path, errno);
	int r = read_stream(set, path, in, ns, diags);

	fclose(in);
	return r;
}

static int is_document(const struct dirent *e)
{
	const char *dot = strrchr(e->d_name, '.');

	return e->d_name[0] != '.' && dot &&
	       (strcmp(dot, ".yaml") == 0 || strcmp(dot, ".yml") == 0 || strcmp(dot, ".json") == 0);
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

/* Nobody named this file: opening a pipe would wait for a writer, for ever. */
static int read_entry(struct docset *set, const char *path, const char *ns, struct diag_list *diags)
{
	struct stat st;

	if (stat(path, &st) != 0)
		return cannot(diags, path, errno);
	if (S_ISREG(st.st_mode))
		return read_file(set, path, ns, diags);
	diag_about(diags, NULL);
	diag_error(diags, (struct where){.file = path}, "FILE",
	           "is not a file; a directory of documents has only files with these endings");
	return -EINVAL;
}

static int read_directory(struct docset *set, const char *path, const char *ns,
                          struct diag_list *diags)
{
	struct dirent **entries;
	int n = scandir(path, &entries, is_document, by_name), result = 0;

	if (n < 0)
		return cannot(diags, path, errno);
	for (int i = 0; i < n; i++) {
		struct arena a = {0};

		if (read_entry(set, arena_printf(&a, "%s/%s", path, entries[i]->d_name), ns,
		               diags) != 0)
			result = -EINVAL;
		arena_fini(&a);
		free(entries[i]);
	}
	free(entries);
	return result;
}

int docset_read_path(struct docset *set, const char *path, const char *ns, struct diag_list *diags)
{
	struct stat st;

	if (strcmp(path, "-") == 0)
		return read_stream(set, "stdin", stdin, ns, diags);
	if (stat(path, &st) != 0)
		return cannot(diags, path, errno);
	return S_ISDIR(st.st_mode) ? read_directory(set, path, ns, diags)
	                           : read_file(set, path, ns, diags);
}
