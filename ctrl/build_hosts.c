/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The host names of each listener and what stands behind them. TCP and UDP listeners have none; theirs
 * is one host "*" that is in no table.
 *
 *   use (build_plan.c)  --same listener and name-->  host  --clauses-->  vhost  --row-->  table
 *
 * A host's match blocks: those of its uses, in document order, whose gateways and port apply here,
 * nothing after a VirtualService's first catch-all, and all catch-alls moved to the end.
 *
 * A host is made anew when a use of it went or came. When as many names are served as before, a table
 * is a copy with some rows changed.
 */
#include "build_parts.h"
#include "host.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>

/* ---- match blocks ----------------------------------------------------------------------- */

static bool comes_through(const struct build_use *u, const char *gateway)
{
	const struct build_text *t = u->gateways;

	while (t && strcmp(t->text, gateway) != 0)
		t = t->next;
	return t != NULL;
}

static bool applies(struct build *b, const struct build_use *u, const struct istio_http_match *m,
                    uint16_t port)
{
	if (m->port.set && m->port.v != port)
		return false;
	if (m->gateways.n == 0)
		return true;
	for (uint32_t i = 0; i < m->gateways.n; i++) {
		const char *gateway = build_gateway_named(b, u->unit->o, &m->gateways.v[i]);

		if (gateway ? comes_through(u, gateway) : u->mesh)
			return true;
	}
	return false;
}

static void add_block(struct build *b, struct build_blocks *out, struct build_block k)
{
	if (out->n == out->cap) {
		uint32_t cap = out->cap ? out->cap * 2 : 8;
		struct build_block *v = arena_alloc(&b->scratch, cap * sizeof(*v));

		if (out->n > 0)
			memcpy(v, out->v, out->n * sizeof(*v));
		out->v = v;
		out->cap = cap;
	}
	k.catch_all = build_is_catch_all(k.match);
	out->v[out->n++] = k;
}

/* Returns whether a catch-all ended it: Istio drops the rest of the VirtualService. */
static bool add_rule(struct build *b, const struct build_use *u, uint32_t index, uint16_t port,
                     struct build_blocks *out)
{
	const struct istio_object *o = u->unit->o;
	const struct istio_http_route *rule = &o->virtual_service->http.v[index];

	if (rule->match.n == 0) {
		add_block(b, out, (struct build_block){o, u->unit, rule, NULL, index, false});
		return true;
	}
	for (uint32_t i = 0; i < rule->match.n; i++) {
		const struct istio_http_match *m = &rule->match.v[i];

		if (!applies(b, u, m, port))
			continue;
		add_block(b, out, (struct build_block){o, u->unit, rule, m, index, false});
		if (out->v[out->n - 1].catch_all)
			return true;
	}
	return false;
}

/* The others first, then the catch-alls, each in their order. */
static struct build_blocks catch_alls_last(struct build *b, const struct build_blocks *in)
{
	struct build_blocks out = {0};

	for (int catch_all = 0; catch_all < 2; catch_all++)
		for (uint32_t i = 0; i < in->n; i++)
			if (in->v[i].catch_all == catch_all)
				add_block(b, &out, in->v[i]);
	return out;
}

static struct build_blocks blocks_of(struct build *b, const struct build_host *h, uint16_t port)
{
	struct build_blocks all = {0};

	for (uint32_t k = 0; k < h->n_uses; k++) {
		const struct build_use *u = h->uses[k];
		uint32_t n = u->unit->o->virtual_service->http.n;

		for (uint32_t i = 0; i < n; i++)
			if (add_rule(b, u, i, port, &all))
				break;
	}
	return catch_alls_last(b, &all);
}

/* ---- virtual hosts ---------------------------------------------------------------------- */

static struct vhost *vhost_new(struct build *b, const struct build_host *h)
{
	struct vhost *v = heap_alloc(b->heap, sizeof(*v));

	v->name = (struct str){h->name, (uint32_t)strlen(h->name)};
	return v;
}

static const struct vhost *make_redirect(struct build *b, const struct build_host *h,
                                         const char *gateway)
{
	struct vhost *v = vhost_new(b, h);
	struct clause *c = heap_alloc(b->heap, sizeof(*c));

	c->route = build_https_redirect(b, gateway);
	v->clauses = c;
	v->n_clauses = 1;
	return v;
}

/* The gateway that sends everything to https: the plan's, else of the last use that comes so. */
static const char *redirect_of(const struct build_host *h)
{
	const char *redirect = h->redirect;

	for (uint32_t i = 0; i < h->n_uses && !h->redirect; i++)
		if (h->uses[i]->redirect)
			redirect = h->uses[i]->redirect;
	return redirect;
}

static const struct vhost *make_vhost(struct build *b, const struct build_host *h, uint16_t port)
{
	const char *redirect = redirect_of(h);

	if (redirect)
		return make_redirect(b, h, redirect);
	struct build_blocks blocks = blocks_of(b, h, port);

	if (blocks.n == 0)
		return NULL; /* Istio makes no virtual host of it: 404 */
	struct vhost *v = vhost_new(b, h);

	if (h->n_uses > 1)
		build_shadow(b, &blocks, h->name);
	build_clauses(b, &blocks, port, v);
	return v;
}

/* The name in the listener's table: a suffix without the star, an IPv6 address with brackets. */
static struct str row_name(struct build *b, const char *name)
{
	if (host_is_wildcard(name))
		return (struct str){name + 1, (uint32_t)strlen(name + 1)};
	return strchr(name, ':') ? build_printf(b, "[%s]", name)
	                         : (struct str){name, (uint32_t)strlen(name)};
}

/* ---- what is touched -------------------------------------------------------------------- */

/* A host name that a use came to or went from. */
struct touched {
	struct touched *next;
	const char *key;
	uint32_t listener;
	const struct build_host *was; /* or NULL */
	const struct build_host *now; /* or NULL: nobody comes to it any more */
	const char *redirect;         /* as of build_host */
	const struct build_use **uses;
	uint32_t n, cap;
};

struct touches {
	struct strmap by_key;
	struct touched *first, **last;
};

static void add_use(struct build *b, struct touched *t, const struct build_use *u)
{
	if (t->n == t->cap) {
		uint32_t cap = t->cap ? t->cap * 2 : 4;
		const struct build_use **v =
			arena_alloc(&b->scratch, cap * sizeof(const struct build_use *));

		if (t->n > 0)
			memcpy(v, t->uses, t->n * sizeof(const struct build_use *));
		t->uses = v;
		t->cap = cap;
	}
	t->uses[t->n++] = u;
}

/* Begins with the uses that stay. key: kept by reference. */
static struct touched *touch(struct build *b, struct touches *all, const char *key,
                             uint32_t listener)
{
	struct touched *t = strmap_get(&all->by_key, key);

	if (t)
		return t;
	t = arena_alloc(&b->scratch, sizeof(*t));
	t->key = key;
	t->listener = listener;
	t->was = build_get(b, BUILD_HOSTS, key);
	t->redirect = t->was ? t->was->redirect : NULL;
	for (uint32_t i = 0; t->was && i < t->was->n_uses; i++)
		if (!strmap_get(&b->went, t->was->uses[i]->unit->part.key))
			add_use(b, t, t->was->uses[i]);
	strmap_put(&all->by_key, &b->scratch, key, t);
	*all->last = t;
	all->last = &t->next;
	return t;
}

struct let_go {
	struct build *b;
	struct part **clusters; /* that lost a use */
	uint32_t n, cap;
};

static void let_go_of(void *arg, struct part *held)
{
	struct let_go *l = arg;
	struct build *b = l->b;

	if (build_get(b, BUILD_CLUSTERS, held->key) != held)
		return; /* the plan */
	partmap_use(&b->world->maps[BUILD_CLUSTERS], held->key, -1);
	if (l->n == l->cap) {
		uint32_t cap = l->cap ? l->cap * 2 : 16;
		struct part **v = arena_alloc(&b->scratch, cap * sizeof(struct part *));

		if (l->n > 0)
			memcpy(v, l->clusters, l->n * sizeof(struct part *));
		l->clusters = v;
		l->cap = cap;
	}
	l->clusters[l->n++] = held;
}

static void touch_uses(struct build *b, struct touches *all, const struct build_unit *unit,
                       enum docset_verb verb)
{
	for (const struct build_use *u = unit->uses; u; u = u->next) {
		struct touched *t = touch(b, all, u->key, u->listener);

		if (verb == DOCSET_CREATED)
			add_use(b, t, u);
	}
}

/* The units that went; their clusters and the keys of their uses are the base's, which stays. */
static void touch_gone(struct build *b, struct touches *all, struct let_go *l)
{
	for (uint32_t i = 0; i < b->gone.n; i++) {
		const struct istio_object *o = b->gone.v[i];
		const char *key = arena_printf(&b->scratch, "%s/%s", o->ns.s, o->name.s);
		const struct build_unit *unit = build_get(b, BUILD_UNITS, key);

		part_each_held(&unit->part, let_go_of, l);
		touch_uses(b, all, unit, DOCSET_DELETED);
		build_remove(b, BUILD_UNITS, key);
	}
}

static void touch_come(struct build *b, struct touches *all)
{
	for (uint32_t i = 0; i < b->come.n; i++) {
		struct build_unit *unit = build_unit(b, b->come.v[i]);

		build_put(b, BUILD_UNITS, &unit->part);
		touch_uses(b, all, unit, DOCSET_CREATED);
	}
}

static void drop_cluster(struct build *b, const char *key)
{
	build_remove(b, BUILD_NAMED, key);
	build_remove(b, BUILD_CLUSTERS, key);
}

/* Clusters of dirty hosts must not be found again: whoever used one has let go of it. */
static void drop_dirty(struct build *b, const struct let_go *l)
{
	for (uint32_t i = 0; i < l->n; i++) {
		const struct build_cluster *c = (void *)l->clusters[i];

		if (!strmap_get(&b->dirty, c->host) ||
		    build_get(b, BUILD_CLUSTERS, c->part.key) != c)
			continue;
		if (partmap_use(&b->world->maps[BUILD_CLUSTERS], c->part.key, 0) > 0)
			b->again = true;
		drop_cluster(b, c->part.key);
	}
}

static void drop_unused(struct build *b, const struct let_go *l)
{
	for (uint32_t i = 0; i < l->n; i++) {
		const struct part *p = l->clusters[i];

		if (build_get(b, BUILD_CLUSTERS, p->key) == p &&
		    partmap_use(&b->world->maps[BUILD_CLUSTERS], p->key, 0) == 0)
			drop_cluster(b, p->key);
	}
}

/* ---- hosts ------------------------------------------------------------------------------ */

static int by_document(const void *a, const void *b)
{
	const struct build_use *const *x = a, *const *y = b;

	return docset_order((*x)->unit->o, (*y)->unit->o);
}

static void fill_host(struct build *b, struct build_host *h, const struct listener *l)
{
	h->row = row_name(b, h->name);
	switch ((enum listener_kind)l->kind) {
	case LISTENER_HTTP: h->vhost = make_vhost(b, h, ntohs(l->port)); break;
	case LISTENER_TLS: h->vhost = build_tls(b, h, ntohs(l->port)); break;
	case LISTENER_TCP:
	case LISTENER_UDP: build_l4(b, h, l); break;
	}
}

static void make_host(struct build *b, struct touched *t, const struct listener *l)
{
	struct build_host *h;

	if (t->n == 0 && !t->redirect) {
		build_remove(b, BUILD_HOSTS, t->key);
		return;
	}
	if (t->n > 1)
		qsort(t->uses, t->n, sizeof(const struct build_use *), by_document);
	h = build_part(b, sizeof(*h), t->key, 1024);
	struct build_frame was = build_enter_all(b, &h->part);

	h->listener = t->listener;
	h->name = strchr(h->part.key, ':') + 1;
	h->redirect = t->redirect;
	h->n_uses = t->n;
	h->uses = heap_alloc(b->heap, t->n * sizeof(const struct build_use *));
	if (t->redirect)
		part_hold(&h->part, (struct part *)b->world->plan);
	for (uint32_t i = 0; i < t->n; i++) {
		h->uses[i] = t->uses[i];
		part_hold(&h->part, &t->uses[i]->unit->part);
	}
	fill_host(b, h, l);
	build_leave(b, was);
	/* Then rules of a VirtualService that stays are used now, or were: its unit is not what it was. */
	if (t->was && !redirect_of(t->was) != !redirect_of(h))
		b->again = true;
	build_put(b, BUILD_HOSTS, &h->part);
	t->now = h;
}

/* ---- tables ----------------------------------------------------------------------------- */

struct rows {
	struct host_row *v;
	uint32_t mask;
	uint32_t n;
};

/* The table of a listener while it is made. */
struct table {
	struct rows exact, suffix;
	const struct vhost *any;
	bool reshape; /* another number of names than in the base, or other ones */
};

static struct rows rows_new(struct heap *heap, uint32_t n)
{
	struct rows r = {.mask = 1};

	while (r.mask < n * 2)
		r.mask = r.mask * 2 + 1;
	r.v = heap_alloc(heap, ((size_t)r.mask + 1) * sizeof(*r.v));
	return r;
}

static void rows_add(struct rows *r, const struct build_host *h)
{
	uint64_t hash = host_hash(h->row);
	uint32_t i = (uint32_t)hash & r->mask;

	while (r->v[i].vhost)
		i = (i + 1) & r->mask;
	r->v[i] = (struct host_row){hash, h->row, h->vhost};
}

/* The row of this name is there. */
static void rows_change(struct rows *r, const struct build_host *h)
{
	uint64_t hash = host_hash(h->row);
	uint32_t i = (uint32_t)hash & r->mask;

	while (r->v[i].hash != hash || !str_eq_nocase(r->v[i].name, h->row))
		i = (i + 1) & r->mask;
	r->v[i] = (struct host_row){hash, h->row, h->vhost};
}

static struct rows rows_copy(struct heap *heap, const struct host_row *v, uint32_t mask)
{
	struct rows r = {.mask = mask, .n = v != NULL};
	size_t bytes = ((size_t)mask + 1) * sizeof(*v);

	if (v)
		r.v = memcpy(heap_alloc(heap, bytes), v, bytes);
	return r;
}

static bool is_any(const struct build_host *h)
{
	return strcmp(h->name, "*") == 0;
}

static struct rows *rows_of(struct table *t, const struct build_host *h)
{
	return host_is_wildcard(h->name) ? &t->suffix : &t->exact;
}

static void count_row(void *arg, struct part *p)
{
	const struct build_host *h = (void *)p;
	struct table *t = (struct table *)arg + h->listener;

	if (t->reshape && h->vhost && !is_any(h))
		rows_of(t, h)->n++;
}

static void add_row(void *arg, struct part *p)
{
	const struct build_host *h = (void *)p;
	struct table *t = (struct table *)arg + h->listener;

	if (!t->reshape || !h->vhost)
		return;
	if (is_any(h))
		t->any = h->vhost;
	else
		rows_add(rows_of(t, h), h);
}

static int longest_first(const void *a, const void *b)
{
	return *(const uint16_t *)b - *(const uint16_t *)a;
}

/* The distinct lengths of the suffixes, longest first. */
static void set_suffix_lens(struct heap *heap, const struct rows *suffix, struct host_table *t)
{
	uint16_t *lens = heap_alloc(heap, ((size_t)suffix->mask + 1) * sizeof(*lens));
	uint32_t n = 0;

	for (uint32_t i = 0; i <= suffix->mask; i++)
		if (suffix->v[i].vhost)
			lens[n++] = (uint16_t)suffix->v[i].name.len;
	qsort(lens, n, sizeof(*lens), longest_first);
	for (uint32_t i = 0; i < n; i++)
		if (i == 0 || lens[i] != lens[i - 1])
			lens[t->n_suffix_lens++] = lens[i];
	t->suffix_lens = lens;
}

static void set_table(struct heap *heap, const struct table *from, struct host_table *t)
{
	t->any = from->any;
	if (from->exact.n > 0) {
		t->exact = from->exact.v;
		t->exact_mask = from->exact.mask;
	}
	if (from->suffix.n > 0) {
		t->suffix = from->suffix.v;
		t->suffix_mask = from->suffix.mask;
		set_suffix_lens(heap, &from->suffix, t);
	}
}

/* From all hosts, for the tables that have other names than before. */
static void fill_tables(struct build *b, struct table *tables, uint32_t n)
{
	struct partmap *hosts = &b->world->maps[BUILD_HOSTS];
	struct heap *heap = b->world->heap;
	bool any = false;

	for (uint32_t i = 0; i < n; i++)
		any = any || tables[i].reshape;
	if (!any)
		return;
	partmap_each(hosts, count_row, tables);
	for (uint32_t i = 0; i < n; i++) {
		struct table *t = &tables[i];
		uint32_t n_exact = t->exact.n, n_suffix = t->suffix.n;

		if (!t->reshape)
			continue;
		t->exact = rows_new(heap, n_exact);
		t->suffix = rows_new(heap, n_suffix);
		t->exact.n = n_exact;
		t->suffix.n = n_suffix;
	}
	partmap_each(hosts, add_row, tables);
}

/* From the base's. */
static void change_tables(struct build *b, struct table *tables, uint32_t n,
                          const struct touched *first)
{
	for (uint32_t i = 0; i < n; i++) {
		const struct host_table *was = b->base ? &b->base->listeners[i].hosts : NULL;
		struct table *t = &tables[i];

		if (t->reshape || !was)
			continue;
		t->exact = rows_copy(b->world->heap, was->exact, was->exact_mask);
		t->suffix = rows_copy(b->world->heap, was->suffix, was->suffix_mask);
		t->any = was->any;
	}
	for (const struct touched *c = first; c; c = c->next) {
		struct table *t = &tables[c->listener];

		if (t->reshape || !c->now || !c->now->vhost)
			continue;
		if (is_any(c->now))
			t->any = c->now->vhost;
		else
			rows_change(rows_of(t, c->now), c->now);
	}
}

static void make_hosts(struct build *b, const struct listener *listeners, struct table *tables,
                       struct touched *first)
{
	for (struct touched *t = first; t; t = t->next) {
		bool served = t->was && t->was->vhost;

		make_host(b, t, &listeners[t->listener]);
		if (served != (t->now && t->now->vhost))
			tables[t->listener].reshape = true;
	}
}

/* Hosts of a server with tls.httpsRedirect answer without any VirtualService. */
static void touch_redirect(struct build *b, void *arg, uint32_t listener, const char *host,
                           const char *gateway)
{
	const char *key = arena_printf(&b->scratch, "%u:%s", listener, host);

	touch(b, arg, key, listener)->redirect = gateway;
}

/* A TCP or UDP listener's only host. */
static void set_l4(const struct build *b, uint32_t index, struct listener *l)
{
	char key[16];

	if (l->kind != LISTENER_TCP && l->kind != LISTENER_UDP)
		return;
	snprintf(key, sizeof(key), "%u:*", index);
	const struct build_host *h = build_get(b, BUILD_HOSTS, key);

	l->l4 = h ? h->l4 : NULL;
	l->stream = h && h->stream;
}

void build_hosts(struct build *b, struct snapshot *s)
{
	struct touches touches = {.last = &touches.first};
	struct let_go let_go = {.b = b};
	struct build_plan *plan = b->world->plan;

	if (!plan)
		b->world->plan = plan = build_plan(b);
	if (!b->was)
		build_plan_redirects(b, plan, touch_redirect, &touches);
	touch_gone(b, &touches, &let_go);
	touch_come(b, &touches);
	drop_dirty(b, &let_go);

	uint32_t n = build_plan_listeners(plan);
	struct listener *listeners = heap_alloc(b->world->heap, n * sizeof(*listeners));
	struct table *tables = arena_alloc(&b->scratch, n * sizeof(*tables));

	for (uint32_t i = 0; i < n; i++)
		build_plan_listener(b, plan, i, &listeners[i]);
	make_hosts(b, listeners, tables, touches.first);
	drop_unused(b, &let_go);
	fill_tables(b, tables, n);
	change_tables(b, tables, n, touches.first);
	for (uint32_t i = 0; i < n; i++) {
		set_table(b->world->heap, &tables[i], &listeners[i].hosts);
		set_l4(b, i, &listeners[i]);
	}
	s->listeners = listeners;
	s->n_listeners = n;
}
