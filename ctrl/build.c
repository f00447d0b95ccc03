/* SPDX-License-Identifier: BSD-3-Clause */
#include "build.h"

#include "build_parts.h"

#include <hs.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

struct held_slot {
	struct held_slot *next;
	enum registry_space space;
	struct slot slot;
};

struct held_db {
	struct held_db *next;
	struct hsdb_entry *entry;
};

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
	struct held_slot *held;
	struct slot slot;

	if (!registry_get(b->owner->registry, space, identity, &slot)) {
		if (build_first_time(b, (struct where){0}, registry_space_name(space)))
			diag_error(b->diags, at, "LIMIT_SLOTS",
			           "the node has room for %u %s; raise limits.%s in the node file",
			           registry_capacity(b->owner->registry, space),
			           registry_space_name(space),
			           space == REGISTRY_DESTS ? "destinations" : "endpoints");
		return (struct slot){0, 1};
	}
	held = heap_alloc(b->heap, sizeof(*held));
	*held = (struct held_slot){b->owner->slots, space, slot};
	b->owner->slots = held;
	return slot;
}

const struct hs_database *build_database(struct build *b, const struct hsdb_pattern *patterns,
                                         uint32_t n, struct hsdb_error *err)
{
	struct hsdb_entry *e = hsdb_get(b->owner->hsdb, patterns, n, err);
	struct held_db *held;

	if (!e)
		return NULL;
	held = heap_alloc(b->heap, sizeof(*held));
	*held = (struct held_db){b->owner->dbs, e};
	b->owner->dbs = held;
	return hsdb_database(e);
}

bool build_first_time(struct build *b, struct where at, const char *code)
{
	char *key = arena_printf(&b->scratch, "%s:%u:%u:%s", at.file ? at.file : "", at.line,
	                         at.col, code);

	if (strmap_get(&b->said, key))
		return false;
	strmap_put(&b->said, &b->scratch, key, key);
	return true;
}

void build_about(struct build *b, const struct istio_object *o)
{
	diag_about(b->diags, o ? arena_printf(&b->scratch, "%s %s/%s", istio_kind_name(o->kind),
	                                      o->ns.s, o->name.s)
	                       : NULL);
}

/* One scratch that fits every database, copied for each worker. */
static bool make_scratch(const struct build_owner *owner, struct snapshot *s)
{
	for (const struct held_db *d = owner->dbs; d; d = d->next)
		if (hs_alloc_scratch(hsdb_database(d->entry), &s->scratch[0]) != HS_SUCCESS)
			return false;
	for (uint32_t i = 1; s->scratch[0] && i < s->n_workers; i++)
		if (hs_clone_scratch(s->scratch[0], &s->scratch[i]) != HS_SUCCESS)
			return false;
	return true;
}

static_assert(sizeof(struct snapshot) >= HEAP_PAGE && alignof(struct snapshot) <= HEAP_ALIGN_PAGE,
              "the heap must align it");

static struct snapshot *snapshot_new(struct hsdb *hsdb, struct registry *registry)
{
	struct heap *heap = heap_new();
	struct snapshot *s = heap_alloc(heap, sizeof(*s));
	struct build_owner *owner = heap_alloc(heap, sizeof(*owner));

	*owner = (struct build_owner){.heap = heap, .hsdb = hsdb, .registry = registry};
	s->owner = owner;
	return s;
}

struct snapshot *build_snapshot(const struct docset *docs, const struct build_options *o,
                                struct hsdb *hsdb, struct registry *registry, uint64_t generation,
                                struct diag_list *diags)
{
	struct snapshot *s = snapshot_new(hsdb, registry);
	struct build_owner *owner = s->owner;
	struct build b = {
		.docs = docs,
		.o = o,
		.domain = o->domain ? o->domain : "cluster.local",
		.diags = diags,
		.heap = owner->heap,
		.owner = owner,
	};

	uint32_t n_errors = diags->n_errors;

	s->generation = generation;
	s->n_workers = o->n_workers ? o->n_workers : 1;
	build_listeners(&b, s);
	diag_about(diags, NULL);
	if (diags->n_errors == n_errors && !make_scratch(owner, s))
		diag_error(diags, (struct where){0}, "MEMORY",
		           "no memory for Hyperscan's scratch space; use fewer workers or "
		           "shorter regular expressions");
	arena_fini(&b.scratch);
	if (diags->n_errors == n_errors)
		return s;
	build_free(s);
	return NULL;
}

void build_free(struct snapshot *s)
{
	if (!s)
		return;
	struct build_owner *owner = s->owner;

	for (uint32_t i = 0; i < s->n_workers; i++)
		hs_free_scratch(s->scratch[i]);
	for (struct held_slot *h = owner->slots; h; h = h->next)
		registry_put(owner->registry, h->space, h->slot);
	for (struct held_db *h = owner->dbs; h; h = h->next)
		hsdb_put(owner->hsdb, h->entry);
	heap_free(owner->heap);
}
