/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Which objects speak of a service, and which services and VirtualServices are not what they were.
 *
 * Lists of objects stand under the name they speak of. A changed object changes its lists and makes
 * the hosts that it speaks of dirty: whatever was made from them is made again. A wildcard rule speaks of
 * every host that it matches, a WorkloadEntry of those whose ServiceEntry selects it.
 */
#include "build_parts.h"
#include "host.h"

#include <string.h>

/* ---- lists ------------------------------------------------------------------------------ */

static void make_room(struct build_list *l)
{
	const struct istio_object **v;

	if (l->n < l->room)
		return;
	l->room = l->room ? l->room * 2 : 2;
	v = heap_alloc(l->part.heap, l->room * sizeof(const struct istio_object *));
	if (l->n > 0)
		memcpy(v, l->v, l->n * sizeof(const struct istio_object *));
	l->v = v;
}

/* The list of a key, to be changed: one that other worlds have is copied. */
static struct build_list *own_list(struct build *b, enum build_kind kind, const char *key)
{
	struct build_list *was = build_get(b, kind, key), *l;

	if (was && was->part.fresh)
		return was;
	l = build_part(b, sizeof(*l), key, 64);
	l->services = kind == BUILD_SERVICES;
	for (uint32_t i = 0; was && i < was->n; i++) {
		make_room(l);
		l->v[l->n++] = was->v[i];
	}
	build_put(b, kind, &l->part);
	return l;
}

static void list_add(struct build *b, enum build_kind kind, const char *key,
                     const struct istio_object *o)
{
	struct build_list *l = own_list(b, kind, key);
	uint32_t i = l->n;

	while (i > 0 && docset_order(l->v[i - 1], o) > 0)
		i--;
	if (i > 0 && l->v[i - 1] == o)
		return; /* names the key twice */
	make_room(l);
	memmove(&l->v[i + 1], &l->v[i], (l->n - i) * sizeof(const struct istio_object *));
	l->v[i] = o;
	l->n++;
}

static void list_remove(struct build *b, enum build_kind kind, const char *key,
                        const struct istio_object *o)
{
	struct build_list *l = build_get(b, kind, key) ? own_list(b, kind, key) : NULL;
	uint32_t i = 0;

	while (l && i < l->n && l->v[i] != o)
		i++;
	if (!l || i == l->n)
		return; /* named the key twice */
	memmove(&l->v[i], &l->v[i + 1], (l->n - i - 1) * sizeof(const struct istio_object *));
	if (--l->n == 0)
		build_remove(b, kind, key);
}

static void list_change(struct build *b, enum build_kind kind, const char *key,
                        const struct istio_object *o, enum docset_verb verb)
{
	if (verb == DOCSET_CREATED)
		list_add(b, kind, key, o);
	else
		list_remove(b, kind, key, o);
}

static void make_dirty(struct build *b, const char *host)
{
	if (b->was && !strmap_get(&b->dirty, host))
		strmap_put(&b->dirty, &b->scratch, arena_dup(&b->scratch, host), b);
}

/* ---- what changed ----------------------------------------------------------------------- */

static void note_service(struct build *b, const struct istio_object *o, enum docset_verb verb)
{
	const struct istio_texts *hosts = &o->service_entry->hosts;

	for (uint32_t i = 0; i < hosts->n; i++) {
		const char *host = host_expand(&b->scratch, hosts->v[i].s, o->ns.s, b->domain);

		list_change(b, BUILD_SERVICES, host, o, verb);
		make_dirty(b, host);
	}
}

static void note_rule(struct build *b, const struct istio_object *o, enum docset_verb verb)
{
	const char *host =
		host_expand(&b->scratch, o->destination_rule->host.s, o->ns.s, b->domain);

	list_change(b, BUILD_RULES, host, o, verb);
	if (host_is_wildcard(host))
		build_add(b, &b->wild_rules, o);
	else
		make_dirty(b, host);
}

static void note_workload(struct build *b, const struct istio_object *o, enum docset_verb verb)
{
	const struct istio_pairs *lists[] = {&o->labels, &o->workload_entry->labels};

	build_add(b, &b->workloads, o);
	list_change(b, BUILD_WORKLOADS, arena_printf(&b->scratch, "%s/", o->ns.s), o, verb);
	for (int k = 0; k < 2; k++) {
		for (uint32_t i = 0; i < lists[k]->n; i++) {
			const char *key = lists[k]->v[i].key.s;

			if (k == 1 && istio_pair_get(&o->labels, key))
				continue; /* its metadata's value counts */
			list_change(b, BUILD_WORKLOADS,
			            arena_printf(&b->scratch, "%s/%s=%s", o->ns.s, key,
			                         lists[k]->v[i].value.s),
			            o, verb);
		}
	}
}

static void note(void *arg, const struct istio_object *o, enum docset_verb verb)
{
	struct build *b = arg;

	switch (o->kind) {
	case ISTIO_GATEWAY: b->again = b->again || b->was; break;
	case ISTIO_VIRTUAL_SERVICE:
		build_add(b, verb == DOCSET_CREATED ? &b->come : &b->gone, o);
		break;
	case ISTIO_DESTINATION_RULE: note_rule(b, o, verb); break;
	case ISTIO_SERVICE_ENTRY: note_service(b, o, verb); break;
	case ISTIO_WORKLOAD_ENTRY: note_workload(b, o, verb); break;
	case ISTIO_KIND_COUNT: break;
	}
}

/* ---- what that touches ------------------------------------------------------------------ */

struct listing {
	const char **v;
	uint32_t n;
};

static void list_wild(void *arg, struct part *p)
{
	struct listing *l = arg;

	if (!host_is_wildcard(p->key))
		return;
	if (l->v)
		l->v[l->n] = p->key;
	l->n++;
}

static void make_wild(struct build *b)
{
	struct listing l = {0};
	struct build_wild *wild;

	if (b->world->wild && b->wild_rules.n == 0)
		return;
	partmap_each(&b->world->maps[BUILD_RULES], list_wild, &l);
	wild = build_part(b, sizeof(*wild), "//wild", 64);
	wild->n = l.n;
	l = (struct listing){arena_alloc(&b->scratch, wild->n * sizeof(*l.v)), 0};
	partmap_each(&b->world->maps[BUILD_RULES], list_wild, &l);
	wild->hosts = heap_alloc(wild->part.heap, wild->n * sizeof(*wild->hosts));
	for (uint32_t i = 0; i < wild->n; i++) {
		size_t len = strlen(l.v[i]) + 1;

		wild->hosts[i] = memcpy(heap_alloc(wild->part.heap, len), l.v[i], len);
	}
	part_put((struct part *)b->world->wild);
	part_get(&wild->part); /* the world's */
	b->world->wild = wild;
}

static bool is_selected(const struct build_list *service, const struct istio_object *workload)
{
	for (uint32_t i = 0; i < service->n; i++) {
		const struct istio_workload_selector *by =
			service->v[i]->service_entry->workload_selector;

		if (by && strcmp(service->v[i]->ns.s, workload->ns.s) == 0 &&
		    build_has_labels(&by->labels, &workload->workload_entry->labels,
		                     &workload->labels))
			return true;
	}
	return false;
}

static void touch_service(void *arg, struct part *p)
{
	const struct build_list *service = (void *)p;
	struct build *b = arg;

	for (uint32_t i = 0; i < b->workloads.n; i++)
		if (is_selected(service, b->workloads.v[i]))
			make_dirty(b, p->key);
	for (uint32_t i = 0; i < b->wild_rules.n; i++) {
		const struct istio_object *o = b->wild_rules.v[i];

		if (host_matches(host_expand(&b->scratch, o->destination_rule->host.s, o->ns.s,
		                             b->domain),
		                 p->key))
			make_dirty(b, p->key);
	}
}

static void touch_named(void *arg, struct part *p)
{
	const struct build_cluster *c = (void *)p;

	if (build_names_changed(arg, c))
		make_dirty(arg, c->host);
}

static bool depends_on_dirty(const struct build *b, const struct build_unit *unit)
{
	for (const struct build_text *t = unit->destinations; t; t = t->next)
		if (strmap_get(&b->dirty, t->text))
			return true;
	return false;
}

/* A VirtualService that is the same, but what it sends to is not: as if it went and came. */
static void touch_unit(void *arg, struct part *p)
{
	const struct build_unit *unit = (void *)p;
	struct build *b = arg;

	if (strmap_get(&b->went, p->key) || !depends_on_dirty(b, unit))
		return;
	strmap_put(&b->went, &b->scratch, p->key, p);
	build_add(b, &b->gone, unit->o);
	build_add(b, &b->come, unit->o);
}

/* ServiceEntry documents of one namespace that name the same host are one service; the first has it. */
static void say_duplicates(struct build *b, struct build_list *l)
{
	struct build_frame was = build_enter_all(b, &l->part);

	for (uint32_t i = 1; i < l->n; i++) {
		const struct istio_object *o = l->v[i];
		const struct istio_texts *hosts = &o->service_entry->hosts;
		uint32_t k = 0;

		if (strcmp(o->ns.s, l->v[0]->ns.s) == 0)
			continue;
		while (strcmp(host_expand(&b->scratch, hosts->v[k].s, o->ns.s, b->domain),
		              l->part.key) != 0)
			k++;
		build_about(b, o);
		diag_warn(b->diags, hosts->v[k].at, "SERVICE_DUPLICATE",
		          "host %s belongs to a ServiceEntry of namespace %s already; this one is "
		          "not used",
		          l->part.key, l->v[0]->ns.s);
	}
	build_leave(b, was);
}

void build_index(struct build *b)
{
	struct docset *none = docset_new();

	docset_diff(b->was ? b->was->docs : none, b->docs, note, b);
	docset_free(none);
	if (b->again)
		return;
	for (struct part *p = b->fresh; p; p = p->next_fresh) { /* lists only, so far */
		struct build_list *l = (void *)p;

		if (l->services)
			say_duplicates(b, l);
	}
	make_wild(b);
	if (!b->was)
		return;
	for (uint32_t i = 0; i < b->gone.n; i++) {
		const struct istio_object *o = b->gone.v[i];

		strmap_put(&b->went, &b->scratch,
		           arena_printf(&b->scratch, "%s/%s", o->ns.s, o->name.s), b);
	}
	if (b->workloads.n + b->wild_rules.n > 0)
		partmap_each(&b->world->maps[BUILD_SERVICES], touch_service, b);
	partmap_each(&b->world->maps[BUILD_NAMED], touch_named, b);
	if (b->dirty.n > 0)
		partmap_each(&b->world->maps[BUILD_UNITS], touch_unit, b);
}
