/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A map is an array of pages; the low bits of a key's hash choose one, which is searched from its begin.
 * The array doubles when pages hold more than PAGE_ROWS on average.
 */
#include "part.h"

#include "strmap.h"

#include <stdlib.h>
#include <string.h>

#define PAGE_ROWS  16u /* on average, at most */
#define ROWS_FIRST 4u

struct part_slot {
	struct part_slot *next;
	enum registry_space space;
	struct slot slot;
};

struct part_database {
	struct part_database *next;
	struct hsdb_entry *entry;
};

struct part_link {
	struct part_link *next;
	struct part *part;
};

void *part_new(size_t size, const char *key, size_t room, struct hsdb *hsdb,
               struct registry *registry)
{
	struct heap *heap = heap_new(size + room);
	struct part *p = heap_alloc(heap, size);
	size_t len = strlen(key) + 1;
	char *kept = heap_alloc(heap, len);

	memcpy(kept, key, len);
	atomic_init(&p->refs, 1);
	p->heap = heap;
	p->key = kept;
	p->hash = strmap_hash(key);
	p->hsdb = hsdb;
	p->registry = registry;
	return p;
}

void part_get(struct part *p)
{
	atomic_fetch_add_explicit(&p->refs, 1, memory_order_relaxed);
}

void part_put(struct part *p)
{
	if (!p || atomic_fetch_sub_explicit(&p->refs, 1, memory_order_acq_rel) != 1)
		return;
	if (p->fini)
		p->fini(p);
	for (struct part_slot *s = p->slots; s; s = s->next)
		registry_put(p->registry, s->space, s->slot);
	for (struct part_database *d = p->databases; d; d = d->next)
		hsdb_put(p->hsdb, d->entry);
	for (struct part_link *l = p->links; l; l = l->next)
		part_put(l->part);
	diag_fini(&p->diags);
	heap_free(p->heap); /* p lives in it */
}

void part_hold(struct part *p, struct part *other)
{
	struct part_link *l = heap_alloc(p->heap, sizeof(*l));

	part_get(other);
	*l = (struct part_link){p->links, other};
	p->links = l;
}

bool part_holds(const struct part *p, const struct part *other)
{
	const struct part_link *l = p->links;

	while (l && l->part != other)
		l = l->next;
	return l != NULL;
}

void part_each_held(const struct part *p, void (*fn)(void *arg, struct part *held), void *arg)
{
	for (const struct part_link *l = p->links; l; l = l->next)
		fn(arg, l->part);
}

bool part_slot(struct part *p, enum registry_space space, const char *identity, struct slot *out)
{
	struct part_slot *s;

	if (!registry_get(p->registry, space, identity, out))
		return false;
	s = heap_alloc(p->heap, sizeof(*s));
	*s = (struct part_slot){p->slots, space, *out};
	p->slots = s;
	return true;
}

const struct hs_database *part_database(struct part *p, const struct hsdb_pattern *patterns,
                                        uint32_t n, struct hsdb_error *err)
{
	struct hsdb_entry *e = hsdb_get(p->hsdb, patterns, n, err);
	struct part_database *d;

	if (!e)
		return NULL;
	d = heap_alloc(p->heap, sizeof(*d));
	*d = (struct part_database){p->databases, e};
	p->databases = d;
	return hsdb_database(e);
}

bool part_each_database(const struct part *p, bool (*fn)(void *arg, const struct hs_database *db),
                        void *arg)
{
	for (const struct part_database *d = p->databases; d; d = d->next)
		if (!fn(arg, hsdb_database(d->entry)))
			return false;
	return true;
}

/* ---- pages ------------------------------------------------------------------------------ */

struct partmap_row {
	uint64_t hash;
	struct part *part;
	uint32_t uses;
};

struct partmap_page {
	atomic_uint refs; /* maps that have it; changed only while there is one */
	uint32_t n, room;
	struct partmap_row rows[];
};

static struct partmap_page *page_new(uint32_t room)
{
	struct partmap_page *page = malloc(sizeof(*page) + room * sizeof(page->rows[0]));

	if (!page)
		abort(); /* as arena.h says */
	atomic_init(&page->refs, 1);
	page->n = 0;
	page->room = room;
	return page;
}

static void page_put(struct partmap_page *page)
{
	if (!page || atomic_fetch_sub(&page->refs, 1) != 1)
		return;
	for (uint32_t i = 0; i < page->n; i++)
		part_put(page->rows[i].part);
	free(page);
}

static void add_row(struct partmap_page *page, struct partmap_row row)
{
	part_get(row.part);
	page->rows[page->n++] = row;
}

/* The page at i, to be changed, with room for one more row. */
static struct partmap_page *page_own(struct partmap *m, uint32_t i)
{
	struct partmap_page *page = m->pages[i], *own;

	if (page && atomic_load(&page->refs) == 1 && page->n < page->room)
		return page;
	own = page_new(page ? page->n + page->n / 2 + ROWS_FIRST : ROWS_FIRST);
	for (uint32_t k = 0; page && k < page->n; k++)
		add_row(own, page->rows[k]);
	page_put(page);
	m->pages[i] = own;
	return own;
}

static struct partmap_row *find(struct partmap_page *page, uint64_t hash, const char *key)
{
	for (uint32_t i = 0; page && i < page->n; i++)
		if (page->rows[i].hash == hash && strcmp(page->rows[i].part->key, key) == 0)
			return &page->rows[i];
	return NULL;
}

/* ---- maps ------------------------------------------------------------------------------- */

static struct partmap_page **new_pages(uint32_t n)
{
	struct partmap_page **pages = calloc(n, sizeof(struct partmap_page *));

	if (!pages)
		abort();
	return pages;
}

void partmap_copy(struct partmap *to, const struct partmap *from)
{
	*to = *from;
	if (!from->pages)
		return;
	to->pages = new_pages(from->mask + 1);
	for (uint32_t i = 0; i <= from->mask; i++) {
		to->pages[i] = from->pages[i];
		if (to->pages[i])
			atomic_fetch_add_explicit(&to->pages[i]->refs, 1, memory_order_relaxed);
	}
}

void partmap_fini(struct partmap *m)
{
	for (uint32_t i = 0; m->pages && i <= m->mask; i++)
		page_put(m->pages[i]);
	free(m->pages);
	*m = (struct partmap){0};
}

static void grow(struct partmap *m)
{
	struct partmap bigger = {.mask = m->pages ? m->mask * 2 + 1 : 0, .n = m->n};

	bigger.pages = new_pages(bigger.mask + 1);
	for (uint32_t i = 0; m->pages && i <= m->mask; i++)
		for (uint32_t k = 0; m->pages[i] && k < m->pages[i]->n; k++) {
			struct partmap_row row = m->pages[i]->rows[k];

			add_row(page_own(&bigger, (uint32_t)row.hash & bigger.mask), row);
		}
	partmap_fini(m);
	*m = bigger;
}

struct part *partmap_get(const struct partmap *m, const char *key)
{
	uint64_t hash = strmap_hash(key);
	const struct partmap_row *row = m->pages ? find(m->pages[hash & m->mask], hash, key) : NULL;

	return row ? row->part : NULL;
}

void partmap_put(struct partmap *m, struct part *p)
{
	if (!m->pages || m->n / PAGE_ROWS > m->mask)
		grow(m);
	struct partmap_page *page = page_own(m, (uint32_t)p->hash & m->mask);
	struct partmap_row *row = find(page, p->hash, p->key);

	if (!row) {
		add_row(page, (struct partmap_row){p->hash, p, 0});
		m->n++;
		return;
	}
	part_get(p);
	part_put(row->part);
	row->part = p;
	row->uses = 0;
}

bool partmap_remove(struct partmap *m, const char *key)
{
	uint64_t hash = strmap_hash(key);
	uint32_t i = (uint32_t)hash & m->mask;

	if (!m->pages || !find(m->pages[i], hash, key))
		return false;
	struct partmap_page *page = page_own(m, i);
	struct partmap_row *row = find(page, hash, key);

	part_put(row->part);
	*row = page->rows[--page->n];
	m->n--;
	return true;
}

uint32_t partmap_use(struct partmap *m, const char *key, int change)
{
	uint64_t hash = strmap_hash(key);
	struct partmap_row *row = find(page_own(m, (uint32_t)hash & m->mask), hash, key);

	row->uses += (uint32_t)change;
	return row->uses;
}

void partmap_each(const struct partmap *m, void (*fn)(void *arg, struct part *p), void *arg)
{
	for (uint32_t i = 0; m->pages && i <= m->mask; i++)
		for (uint32_t k = 0; m->pages[i] && k < m->pages[i]->n; k++)
			fn(arg, m->pages[i]->rows[k].part);
}
