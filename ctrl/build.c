/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A build begins as a copy of the world it starts from (build_world), whose maps share all their pages
 * with it, takes out what the changed documents touch, makes that anew, and lays the flat tables over the
 * result. A build from nothing is the same with an empty world: then everything is touched.
 *
 *   documents --diff--> services, VirtualServices that changed --> units --> hosts --> tables
 *
 * What a part was made from and where that is remembered:
 *
 *   cluster   objects of its service, rules, workloads; answers of DNS   their host is "dirty" when one changes
 *   unit      its VirtualService; its clusters                           the object; destinations
 *   host      its units                                                  uses
 *   all       Gateways, options                                          another one: built from nothing
 */
#include "build.h"

#include "build_parts.h"

#include <hs.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

/* ---- parts being made ------------------------------------------------------------------- */

void *build_part(struct build *b, size_t size, const char *key, size_t room)
{
	struct part *p = part_new(size, key, room, b->world->hsdb, b->world->registry);

	p->fresh = true;
	p->next_fresh = b->fresh; /* which holds the first reference until the build is over */
	b->fresh = p;
	return p;
}

struct build_frame build_enter(struct build *b, struct part *part)
{
	struct build_frame was = {b->part, b->diags};

	b->part = part;
	b->heap = part->heap;
	return was;
}

struct build_frame build_enter_all(struct build *b, struct part *part)
{
	struct build_frame was = build_enter(b, part);

	b->diags = &part->diags;
	return was;
}

void build_leave(struct build *b, struct build_frame was)
{
	if (b->diags == &b->part->diags && b->diags->n == 0)
		diag_fini(b->diags); /* nothing was said, so nobody asks about what */
	b->part = was.part;
	b->heap = was.part ? was.part->heap : NULL;
	b->diags = was.diags;
}

/* What a part said that is not there any more is not said again. */
static void silence(struct build *b, const struct part *p)
{
	if (p && p->diags.n > 0)
		partmap_remove(&b->world->maps[BUILD_TALKERS], p->key);
}

void build_put(struct build *b, enum build_kind kind, struct part *p)
{
	const struct part *was = build_get(b, kind, p->key);

	if (was != p)
		silence(b, was);
	partmap_put(&b->world->maps[kind], p);
}

void build_remove(struct build *b, enum build_kind kind, const char *key)
{
	silence(b, build_get(b, kind, key));
	partmap_remove(&b->world->maps[kind], key);
}

void *build_get(const struct build *b, enum build_kind kind, const char *key)
{
	return partmap_get(&b->world->maps[kind], key);
}

struct str build_str(struct build *b, const char *text)
{
	if (!text)
		return (struct str){NULL, 0};
	size_t len = strlen(text);
	char *p = heap_alloc(b->heap, len + 1);

	memcpy(p, text, len + 1);
	return (struct str){p, (uint32_t)len};
}

struct str build_printf(struct build *b, const char *fmt, ...)
{
	char *text = NULL;
	va_list ap;

	va_start(ap, fmt);
	int len = vasprintf(&text, fmt, ap);

	va_end(ap);
	if (len < 0)
		abort();
	struct str s = build_str(b, text);

	free(text);
	return s;
}

struct slot build_slot(struct build *b, enum registry_space space, const char *identity,
                       struct where at)
{
	const struct registry *registry = b->world->registry;
	const char *name = registry_space_name(space);
	struct slot slot;

	if (part_slot(b->part, space, identity, &slot))
		return slot;
	if (!strmap_get(&b->said, name))
		diag_error(b->diags, at, "LIMIT_SLOTS",
		           "the node has room for %u %s; raise limits.%s in the node file",
		           registry_capacity(registry, space), name,
		           space == REGISTRY_DESTS ? "destinations" : "endpoints");
	strmap_put(&b->said, &b->scratch, name, b);
	return (struct slot){0, 1};
}

const struct hs_database *build_database(struct build *b, const struct hsdb_pattern *patterns,
                                         uint32_t n, struct hsdb_error *err)
{
	return part_database(b->part, patterns, n, err);
}

bool build_first_time(struct build *b, const char *whose, const char *what)
{
	char *key = arena_printf(&b->scratch, "%s %s", whose, what);

	if (strmap_get(&b->seen, key))
		return false;
	strmap_put(&b->seen, &b->scratch, key, key);
	return true;
}

void build_about(struct build *b, const struct istio_object *o)
{
	diag_about(b->diags, o ? arena_printf(&b->scratch, "%s %s/%s", istio_kind_name(o->kind),
	                                      o->ns.s, o->name.s)
	                       : NULL);
}

void build_add(struct build *b, struct build_objects *list, const struct istio_object *o)
{
	if (list->n == list->cap) {
		uint32_t cap = list->cap ? list->cap * 2 : 16;
		const struct istio_object **v =
			arena_alloc(&b->scratch, cap * sizeof(const struct istio_object *));

		if (list->n > 0)
			memcpy(v, list->v, list->n * sizeof(const struct istio_object *));
		list->v = v;
		list->cap = cap;
	}
	list->v[list->n++] = o;
}

/* ---- scratch space ---------------------------------------------------------------------- */

static void free_scratch(struct part *p)
{
	struct build_scratch *s = (void *)p;

	for (uint32_t i = 0; i < s->n; i++)
		hs_free_scratch(s->v[i]);
}

static bool fit(void *arg, const struct hs_database *db)
{
	struct build_scratch *s = arg;

	return hs_alloc_scratch(db, &s->v[0]) == HS_SUCCESS;
}

/* One that fits every database, copied for each worker: the base's, unless a database is new. */
static bool make_scratch(struct build *b, uint32_t n_workers)
{
	struct build_scratch *was = b->was ? b->was->scratch : NULL, *s = NULL;

	for (const struct part *p = b->fresh; p; p = p->next_fresh) {
		if (!p->databases)
			continue;
		if (!s) {
			s = part_new(sizeof(*s), "scratch", 0, b->world->hsdb, b->world->registry);
			s->part.fini = free_scratch;
			s->n = n_workers;
			b->world->scratch = s;
			if (was && hs_clone_scratch(was->v[0], &s->v[0]) != HS_SUCCESS)
				return false;
		}
		if (!part_each_database(p, fit, s))
			return false;
	}
	for (uint32_t i = 1; s && i < n_workers; i++)
		if (hs_clone_scratch(s->v[0], &s->v[i]) != HS_SUCCESS)
			return false;
	if (!s && was) {
		part_get(&was->part);
		b->world->scratch = was;
	}
	return true;
}

/* ---- diagnostics ------------------------------------------------------------------------ */

struct said {
	const struct diag **v;
	uint32_t n;
};

static void count_said(void *arg, struct part *p)
{
	((struct said *)arg)->n += p->diags.n;
}

static void list_said(void *arg, struct part *p)
{
	struct said *said = arg;

	for (uint32_t i = 0; i < p->diags.n; i++)
		said->v[said->n++] = &p->diags.items[i];
}

static int compare_text(const char *a, const char *b)
{
	return a && b ? strcmp(a, b) : (a != NULL) - (b != NULL);
}

static int by_place(const struct diag *x, const struct diag *y)
{
	int order = compare_text(x->file, y->file);

	if (order == 0)
		order = (x->line > y->line) - (x->line < y->line);
	if (order == 0)
		order = (x->col > y->col) - (x->col < y->col);
	return order ? order : strcmp(x->code, y->code);
}

static int by_place_and_text(const void *a, const void *b)
{
	const struct diag *x = *(const struct diag *const *)a, *y = *(const struct diag *const *)b;
	int order = by_place(x, y);

	return order ? order : strcmp(x->text, y->text);
}

/* What each part has to say, in the order of places, once a place. */
static void tell(struct build *b, struct diag_list *diags)
{
	struct partmap *talkers = &b->world->maps[BUILD_TALKERS];
	struct said said = {0};

	for (struct part *p = b->fresh; p; p = p->next_fresh)
		if (p->diags.n > 0)
			partmap_put(talkers, p);
	partmap_each(talkers, count_said, &said);
	if (said.n == 0)
		return;
	said.v = arena_alloc(&b->scratch, said.n * sizeof(const struct diag *));
	said.n = 0;
	partmap_each(talkers, list_said, &said);
	qsort(said.v, said.n, sizeof(const struct diag *), by_place_and_text);
	for (uint32_t i = 0; i < said.n; i++) {
		struct diag copy = *said.v[i];

		if (i == 0 || by_place(said.v[i - 1], said.v[i]) != 0)
			diag_append(diags, &(struct diag_list){.items = &copy, .n = 1});
	}
}

/* ---- worlds ----------------------------------------------------------------------------- */

static void keep_options(struct build_world *w, const struct build_options *o)
{
	size_t bytes = o->n_listeners * sizeof(*o->listeners);
	struct build_listener *listeners = heap_alloc(w->heap, bytes);
	const char *domain = o->domain ? o->domain : "cluster.local";
	char *kept = heap_alloc(w->heap, strlen(domain) + 1);

	if (bytes)
		memcpy(listeners, o->listeners, bytes);
	strcpy(kept, domain);
	w->options = *o;
	w->options.listeners = listeners;
	w->options.domain = kept;
	w->options.n_workers = o->n_workers ? o->n_workers : 1;
	w->options.resolve = NULL; /* another one each time */
	w->options.resolve_arg = NULL;
}

static bool same_options(const struct build_options *a, const struct build_options *b)
{
	if (a->strict_gateways != b->strict_gateways || a->accept_http10 != b->accept_http10 ||
	    a->n_workers != b->n_workers || a->n_listeners != b->n_listeners ||
	    strcmp(a->domain, b->domain) != 0)
		return false;
	for (uint32_t i = 0; i < a->n_listeners; i++)
		if (!ip_eq(&a->listeners[i].addr, &b->listeners[i].addr) ||
		    a->listeners[i].port != b->listeners[i].port)
			return false;
	return true;
}

static_assert(sizeof(struct snapshot) >= HEAP_PAGE && alignof(struct snapshot) <= HEAP_ALIGN_PAGE,
              "the heap must align it");

static struct snapshot *snapshot_new(struct hsdb *hsdb, struct registry *registry,
                                     const struct docset *docs, const struct build_options *o)
{
	struct heap *heap = heap_new(sizeof(struct snapshot) + sizeof(struct build_world));
	struct snapshot *s = heap_alloc(heap, sizeof(*s));
	struct build_world *w = heap_alloc(heap, sizeof(*w));

	w->heap = heap;
	w->hsdb = hsdb;
	w->registry = registry;
	w->docs = docset_copy(docs); /* parts point into its objects */
	keep_options(w, o);
	s->owner = w;
	s->n_workers = w->options.n_workers;
	return s;
}

/* Begin as what the base is. */
static void copy_world(struct build *b)
{
	struct build_world *w = b->world;

	for (int kind = 0; kind < BUILD_KINDS; kind++)
		partmap_copy(&w->maps[kind], &b->was->maps[kind]);
	w->plan = b->was->plan;
	w->wild = b->was->wild;
	part_get((struct part *)w->plan);
	part_get((struct part *)w->wild);
}

static void end_fresh(struct build *b)
{
	for (struct part *p = b->fresh, *next; p; p = next) {
		next = p->next_fresh;
		p->next_fresh = NULL;
		p->fresh = false;
		part_put(p);
	}
}

static void make(struct build *b, struct snapshot *s, struct diag_list *diags)
{
	uint32_t n_errors = diags->n_errors;

	if (b->was)
		copy_world(b);
	build_index(b);
	if (!b->again)
		build_hosts(b, s);
	if (b->again)
		return;
	tell(b, diags);
	if (diags->n_errors == n_errors && !make_scratch(b, s->n_workers))
		diag_error(diags, (struct where){0}, "MEMORY",
		           "no memory for Hyperscan's scratch space; use fewer workers or "
		           "shorter regular expressions");
	if (b->world->scratch)
		memcpy(s->scratch, b->world->scratch->v, sizeof(s->scratch));
}

/* On again the world was not what it seemed: nothing was said. */
static struct snapshot *build(struct snapshot *s, const struct snapshot *base, bool *again,
                              const struct build_options *o, struct diag_list *diags)
{
	struct build_world *w = s->owner;
	struct build b = {
		.docs = w->docs,
		.o = o,
		.domain = w->options.domain,
		.world = w,
		.base = base,
		.was = base ? base->owner : NULL,
	};
	uint32_t n_errors = diags->n_errors;

	make(&b, s, diags);
	end_fresh(&b);
	arena_fini(&b.scratch);
	*again = b.again;
	if (!b.again && diags->n_errors == n_errors)
		return s;
	build_free(s);
	return NULL;
}

struct snapshot *build_snapshot(const struct docset *docs, const struct build_options *o,
                                struct hsdb *hsdb, struct registry *registry, uint64_t generation,
                                struct diag_list *diags)
{
	struct snapshot *s = snapshot_new(hsdb, registry, docs, o);
	bool again;

	s->generation = generation;
	return build(s, NULL, &again, o, diags);
}

struct snapshot *build_next(const struct snapshot *base, const struct docset *docs,
                            const struct build_options *o, uint64_t generation,
                            struct diag_list *diags)
{
	const struct build_world *was = base->owner;
	struct snapshot *s = snapshot_new(was->hsdb, was->registry, docs, o);
	const struct build_world *w = s->owner;
	bool again = !same_options(&w->options, &was->options);

	s->generation = generation;
	if (!again)
		s = build(s, base, &again, o, diags);
	else
		build_free(s);
	return again ? build_snapshot(docs, o, was->hsdb, was->registry, generation, diags) : s;
}

void build_free(struct snapshot *s)
{
	if (!s)
		return;
	struct build_world *w = s->owner;

	for (int kind = 0; kind < BUILD_KINDS; kind++)
		partmap_fini(&w->maps[kind]);
	part_put((struct part *)w->plan);
	part_put((struct part *)w->wild);
	part_put((struct part *)w->scratch);
	docset_free(w->docs);
	heap_free(w->heap);
}
