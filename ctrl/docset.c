/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Each object has an arena of its own, so it can be freed alone and shared between sets. A set is two
 * sequences of the same objects: one in the order of keys, to find; one in the order of effect.
 *
 * A sequence is cut into chunks, and sets share the chunks, too: a copy of a set counts up one number a
 * chunk, and the first change of a chunk that is shared copies that chunk only. So one changed object among
 * ten thousand costs its chunk, and two sets are compared without looking into the chunks they share.
 *
 *   set -- by_order --> [chunk][chunk][chunk]        chunk: refs, n, objects in order
 *   copy -- by_order -> [  "  ][own  ][  "  ]
 */
#include "docset.h"

#include <dirent.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define CHUNK_OBJECTS 128u

#define PIECE_BYTES (1u << 20) /* far below TREE_BYTES_MAX and what TREE_NODES_MAX takes */

struct held {
	atomic_uint refs; /* chunks that hold it */
	struct arena arena;
	struct istio_object *object; /* changed only while one set holds it, by docset_stamp() */
};

struct chunk {
	atomic_uint refs; /* sequences that have it; changed only while there is one */
	uint32_t n;
	struct held *v[CHUNK_OBJECTS];
};

struct sequence {
	struct chunk **chunks; /* none is empty */
	uint32_t *starts;      /* number of the first object of each chunk */
	uint32_t n;            /* chunks */
	uint32_t room;
};

struct docset {
	struct sequence by_key;
	struct sequence by_order;
	uint32_t n;
};

/* A place in a sequence. */
struct place {
	uint32_t chunk;
	uint32_t i;
};

const char *docset_verb_name(enum docset_verb verb)
{
	static const char *const names[] = {"created", "configured", "unchanged", "deleted"};

	return names[verb];
}

/* ---- chunks ----------------------------------------------------------------------------- */

static void held_put(struct held *h)
{
	if (atomic_fetch_sub(&h->refs, 1) != 1)
		return;
	struct arena a = h->arena; /* h itself lives in it */

	arena_fini(&a);
}

static void *must(void *p)
{
	if (!p)
		abort(); /* as arena.h says */
	return p;
}

static struct chunk *chunk_new(void)
{
	struct chunk *c = must(malloc(sizeof(*c)));

	atomic_init(&c->refs, 1);
	c->n = 0;
	return c;
}

static void chunk_put(struct chunk *c)
{
	if (atomic_fetch_sub(&c->refs, 1) != 1)
		return;
	for (uint32_t i = 0; i < c->n; i++)
		held_put(c->v[i]);
	free(c);
}

/* The chunk at k, to be changed: a copy takes its place when other sequences have it. */
static struct chunk *chunk_own(struct sequence *s, uint32_t k)
{
	struct chunk *shared = s->chunks[k], *own;

	if (atomic_load(&shared->refs) == 1)
		return shared;
	own = chunk_new();
	own->n = shared->n;
	for (uint32_t i = 0; i < shared->n; i++) {
		atomic_fetch_add(&shared->v[i]->refs, 1);
		own->v[i] = shared->v[i];
	}
	s->chunks[k] = own;
	chunk_put(shared);
	return own;
}

/* ---- sequences -------------------------------------------------------------------------- */

typedef int order_fn(const struct istio_object *a, const struct istio_object *b);

static int key_order(const struct istio_object *a, const struct istio_object *b)
{
	int order = (int)a->kind - (int)b->kind;

	if (order == 0)
		order = strcmp(a->ns.s, b->ns.s);
	return order != 0 ? order : strcmp(a->name.s, b->name.s);
}

int docset_order(const struct istio_object *a, const struct istio_object *b)
{
	int order = (int)a->kind - (int)b->kind;

	if (order == 0)
		order = strcmp(a->created, b->created); /* RFC 3339 in UTC sorts as text */
	if (order == 0)
		order = strcmp(a->name.s, b->name.s);
	return order != 0 ? order : strcmp(a->ns.s, b->ns.s);
}

/* Place of the first object that does not come before o; behind the last one there is none. */
static struct place lower_bound(const struct sequence *s, const struct istio_object *o,
                                order_fn *order)
{
	uint32_t low = 0, high = s->n;

	while (low < high) { /* the first chunk whose last object does not come before o */
		uint32_t mid = low + (high - low) / 2;
		const struct chunk *c = s->chunks[mid];

		if (order(c->v[c->n - 1]->object, o) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	struct place at = {low, 0};

	if (low == s->n)
		return at;
	for (high = s->chunks[low]->n; at.i < high;) {
		uint32_t mid = at.i + (high - at.i) / 2;

		if (order(s->chunks[low]->v[mid]->object, o) < 0)
			at.i = mid + 1;
		else
			high = mid;
	}
	return at;
}

static void count_from(struct sequence *s, uint32_t k)
{
	for (; k < s->n; k++)
		s->starts[k] = k ? s->starts[k - 1] + s->chunks[k - 1]->n : 0;
}

static void sequence_reserve(struct sequence *s, uint32_t n)
{
	if (n <= s->room)
		return;
	s->room = n < 16 ? 16 : n * 2;
	s->chunks = must(reallocarray(s->chunks, s->room, sizeof(struct chunk *)));
	s->starts = must(reallocarray(s->starts, s->room, sizeof(uint32_t)));
}

static void insert_chunk(struct sequence *s, uint32_t k, struct chunk *c)
{
	sequence_reserve(s, s->n + 1);
	memmove(&s->chunks[k + 1], &s->chunks[k], (s->n - k) * sizeof(struct chunk *));
	s->chunks[k] = c;
	s->n++;
}

/* A full chunk becomes two halves. */
static void split_chunk(struct sequence *s, uint32_t k)
{
	struct chunk *c = chunk_own(s, k), *behind = chunk_new();
	uint32_t half = c->n / 2;

	behind->n = c->n - half;
	memcpy(behind->v, &c->v[half], behind->n * sizeof(struct held *));
	c->n = half;
	insert_chunk(s, k + 1, behind);
}

/* Where o may be put in: makes room. Behind everything goes a chunk of its own when the last is full. */
static struct place make_room(struct sequence *s, const struct istio_object *o, order_fn *order)
{
	struct place at = lower_bound(s, o, order);

	if (at.chunk == s->n && s->n > 0 && s->chunks[s->n - 1]->n < CHUNK_OBJECTS)
		return (struct place){s->n - 1, s->chunks[s->n - 1]->n};
	if (at.chunk == s->n) {
		insert_chunk(s, s->n, chunk_new());
		return at;
	}
	if (s->chunks[at.chunk]->n < CHUNK_OBJECTS)
		return at;
	split_chunk(s, at.chunk);
	return lower_bound(s, o, order);
}

static void sequence_insert(struct sequence *s, struct held *h, order_fn *order)
{
	struct place at = make_room(s, h->object, order);
	struct chunk *c = chunk_own(s, at.chunk);

	if (at.i > c->n)
		at.i = c->n;
	memmove(&c->v[at.i + 1], &c->v[at.i], (c->n - at.i) * sizeof(struct held *));
	atomic_fetch_add(&h->refs, 1);
	c->v[at.i] = h;
	c->n++;
	count_from(s, at.chunk);
}

static void sequence_remove(struct sequence *s, const struct held *h, order_fn *order)
{
	struct place at = lower_bound(s, h->object, order);
	struct chunk *c = chunk_own(s, at.chunk);
	struct held *gone = c->v[at.i];

	memmove(&c->v[at.i], &c->v[at.i + 1], (c->n - at.i - 1) * sizeof(struct held *));
	if (--c->n == 0) {
		memmove(&s->chunks[at.chunk], &s->chunks[at.chunk + 1],
		        (s->n - at.chunk - 1) * sizeof(struct chunk *));
		s->n--;
		chunk_put(c);
	}
	count_from(s, at.chunk);
	held_put(gone);
}

static void sequence_copy(struct sequence *to, const struct sequence *from)
{
	sequence_reserve(to, from->n);
	for (uint32_t k = 0; k < from->n; k++) {
		atomic_fetch_add(&from->chunks[k]->refs, 1);
		to->chunks[k] = from->chunks[k];
		to->starts[k] = from->starts[k];
	}
	to->n = from->n;
}

static void sequence_fini(struct sequence *s)
{
	for (uint32_t k = 0; k < s->n; k++)
		chunk_put(s->chunks[k]);
	free(s->chunks);
	free(s->starts);
}

static struct held *held_at(const struct sequence *s, uint32_t i)
{
	uint32_t low = 0, high = s->n;

	while (low + 1 < high) {
		uint32_t mid = low + (high - low) / 2;

		if (s->starts[mid] <= i)
			low = mid;
		else
			high = mid;
	}
	return s->chunks[low]->v[i - s->starts[low]];
}

/* ---- objects in a set ------------------------------------------------------------------- */

/* The key must not be in the set. */
static void insert(struct docset *set, struct held *h)
{
	sequence_insert(&set->by_key, h, key_order);
	sequence_insert(&set->by_order, h, docset_order);
	set->n++;
}

static struct held *find(const struct docset *set, const struct istio_object *like)
{
	struct place at = lower_bound(&set->by_key, like, key_order);

	if (at.chunk == set->by_key.n)
		return NULL;
	struct held *h = set->by_key.chunks[at.chunk]->v[at.i];

	return key_order(h->object, like) == 0 ? h : NULL;
}

static void drop(struct docset *set, struct held *h)
{
	sequence_remove(&set->by_order, h, docset_order);
	sequence_remove(&set->by_key, h, key_order); /* may be the end of h */
	set->n--;
}

struct docset *docset_new(void)
{
	return must(calloc(1, sizeof(struct docset)));
}

struct docset *docset_copy(const struct docset *set)
{
	struct docset *copy = docset_new();

	sequence_copy(&copy->by_key, &set->by_key);
	sequence_copy(&copy->by_order, &set->by_order);
	copy->n = set->n;
	return copy;
}

void docset_free(struct docset *set)
{
	if (!set)
		return;
	sequence_fini(&set->by_key);
	sequence_fini(&set->by_order);
	free(set);
}

uint32_t docset_count(const struct docset *set)
{
	return set->n;
}

const struct istio_object *docset_at(const struct docset *set, uint32_t i)
{
	return held_at(&set->by_order, i)->object;
}

/* Number of objects of the kinds below this one. */
static uint32_t count_below(const struct docset *set, unsigned kind)
{
	uint32_t low = 0, high = set->n;

	while (low < high) {
		uint32_t mid = low + (high - low) / 2;

		if (docset_at(set, mid)->kind < kind)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

uint32_t docset_range(const struct docset *set, enum istio_kind kind, uint32_t *n)
{
	uint32_t first = count_below(set, kind);

	*n = count_below(set, (unsigned)kind + 1) - first;
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

/* Put the objects in order again: docset_stamp() has changed what the order goes by. */
static void sort_by_order(struct docset *set)
{
	struct sequence sorted = {0};

	for (uint32_t i = 0; i < set->n; i++)
		sequence_insert(&sorted, held_at(&set->by_key, i), docset_order);
	sequence_fini(&set->by_order);
	set->by_order = sorted;
}

void docset_stamp(struct docset *input, const struct docset *known, const char *now)
{
	for (uint32_t i = 0; i < input->n; i++) {
		struct held *h = held_at(&input->by_key, i);
		const struct held *old = find(known, h->object);
		const char *created = old ? old->object->created : h->object->created;

		created = *created ? created : now;
		if (strcmp(created, h->object->created) != 0)
			istio_set_created(&h->arena, h->object, created);
	}
	sort_by_order(input);
}

void docset_apply(struct docset *into, const struct docset *from, enum docset_verb *verbs)
{
	for (uint32_t i = 0; i < from->n; i++) {
		struct held *h = held_at(&from->by_order, i), *old = find(into, h->object);
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
		insert(into, h);
	}
}

/* Are both at the begin of a chunk that they share? */
static bool same_chunk(const struct sequence *a, struct place x, const struct sequence *b,
                       struct place y)
{
	return x.i == 0 && y.i == 0 && a->chunks[x.chunk] == b->chunks[y.chunk];
}

static void advance(const struct sequence *s, struct place *at)
{
	if (++at->i < s->chunks[at->chunk]->n)
		return;
	at->chunk++;
	at->i = 0;
}

void docset_diff(const struct docset *was, const struct docset *is, docset_diff_fn *say, void *arg)
{
	const struct sequence *a = &was->by_order, *b = &is->by_order;
	struct place x = {0, 0}, y = {0, 0};

	while (x.chunk < a->n || y.chunk < b->n) {
		if (x.chunk < a->n && y.chunk < b->n && same_chunk(a, x, b, y)) {
			x.chunk++;
			y.chunk++;
			continue;
		}
		const struct istio_object *old =
			x.chunk < a->n ? a->chunks[x.chunk]->v[x.i]->object : NULL;
		const struct istio_object *now =
			y.chunk < b->n ? b->chunks[y.chunk]->v[y.i]->object : NULL;
		int order = !old ? 1 : !now ? -1 : old == now ? 0 : docset_order(old, now);

		if (order <= 0)
			advance(a, &x);
		if (order >= 0)
			advance(b, &y);
		if (old != now && order <= 0)
			say(arg, old, DOCSET_DELETED);
		if (old != now && order >= 0)
			say(arg, now, DOCSET_CREATED);
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
	atomic_init(&h->refs, 0);
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

void docset_read_emitted(struct docset *set, const char *file, const char *text, size_t len,
                         const char *ns, struct diag_list *diags)
{
	static const char separator[] = "\n---\n";
	const char *end = text + len;

	while (text < end) {
		const char *to = end;

		if ((size_t)(end - text) > PIECE_BYTES)
			to = memmem(text + PIECE_BYTES, (size_t)(end - text) - PIECE_BYTES,
			            separator, strlen(separator));
		to = !to || to == end ? end : to + 1;
		docset_read_text(set, file, text, (size_t)(to - text), ns, diags);
		text = to;
	}
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
