/* SPDX-License-Identifier: BSD-3-Clause */
/* Collect with duplicates, sort to find them, then sort back into the order of first appearance. */
#include "catalog.h"

#include <stdlib.h>

struct vhost_list {
	const struct vhost **v;
	uint32_t n, cap;
};

static bool add_vhost(struct vhost_list *list, const struct vhost *vhost)
{
	if (!vhost)
		return true;
	if (list->n == list->cap) {
		uint32_t cap = list->cap ? list->cap * 2 : 16;
		const struct vhost **bigger = realloc(list->v, cap * sizeof(const struct vhost *));

		if (!bigger)
			return false;
		list->v = bigger;
		list->cap = cap;
	}
	list->v[list->n++] = vhost;
	return true;
}

static bool add_rows(struct vhost_list *list, const struct host_row *rows, uint32_t mask)
{
	for (uint32_t i = 0; rows && i <= mask; i++)
		if (!add_vhost(list, rows[i].vhost))
			return false;
	return true;
}

static int compare_str(struct str a, struct str b)
{
	uint32_t len = a.len < b.len ? a.len : b.len;
	int order = len ? memcmp(a.p, b.p, len) : 0;

	return order ? order : a.len < b.len ? -1 : a.len > b.len;
}

static int by_name(const void *a, const void *b)
{
	const struct vhost *x = *(const struct vhost *const *)a;
	const struct vhost *y = *(const struct vhost *const *)b;

	return compare_str(x->name, y->name);
}

static const char *identity(const struct catalog_route *r)
{
	return r->route ? (const char *)r->route : (const char *)r->l4;
}

static int by_route(const void *a, const void *b)
{
	const struct catalog_route *x = a, *y = b;

	if (identity(x) != identity(y))
		return identity(x) < identity(y) ? -1 : 1;
	return x->order < y->order ? -1 : x->order > y->order;
}

static int by_order(const void *a, const void *b)
{
	const struct catalog_route *x = a, *y = b;

	return x->order < y->order ? -1 : x->order > y->order;
}

/* Make room for n more. */
static bool grow(struct catalog *c, uint32_t n, uint32_t *cap)
{
	uint32_t bigger_cap = (*cap + n) * 2;
	void *bigger;

	if (*cap - c->n_routes >= n)
		return true;
	bigger = realloc(c->routes, bigger_cap * sizeof(*c->routes));
	if (!bigger)
		return false;
	c->routes = bigger;
	*cap = bigger_cap;
	return true;
}

static void add_route(struct catalog *c, struct catalog_route r, uint32_t listener)
{
	r.listeners = listener < 64 ? UINT64_C(1) << listener : 0;
	r.order = c->n_routes;
	c->routes[c->n_routes++] = r;
}

static void add_http(struct catalog *c, const struct route *r, uint32_t listener)
{
	add_route(c,
	          (struct catalog_route){
			  .route = r, .name = r->name, .source = r->source, .split = r->split},
	          listener);
}

static void add_l4(struct catalog *c, const struct l4_route *r, uint32_t listener)
{
	add_route(c,
	          (struct catalog_route){
			  .l4 = r, .name = r->name, .source = r->source, .split = r->split},
	          listener);
}

static bool add_vhost_routes(struct catalog *c, const struct vhost_list *list, uint32_t listener,
                             uint32_t *cap)
{
	for (uint32_t i = 0; i < list->n; i++) {
		const struct vhost *v = list->v[i];

		if (!grow(c, v->n_clauses + v->n_tls, cap))
			return false;
		for (uint32_t k = 0; k < v->n_clauses; k++)
			add_http(c, v->clauses[k].route, listener);
		for (uint32_t k = 0; k < v->n_tls; k++)
			add_l4(c, v->tls[k].route, listener);
	}
	return true;
}

static void merge_routes(struct catalog *c)
{
	uint32_t kept = 0;

	if (c->n_routes == 0)
		return;
	qsort(c->routes, c->n_routes, sizeof(*c->routes), by_route);
	for (uint32_t i = 0; i < c->n_routes; i++) {
		if (kept && identity(&c->routes[kept - 1]) == identity(&c->routes[i]))
			c->routes[kept - 1].listeners |= c->routes[i].listeners;
		else
			c->routes[kept++] = c->routes[i];
	}
	c->n_routes = kept;
	qsort(c->routes, c->n_routes, sizeof(*c->routes), by_order);
}

static bool collect_routes(struct catalog *c, const struct snapshot *s)
{
	uint32_t cap = 0;
	bool good = true;

	for (uint32_t i = 0; i < s->n_listeners && good; i++) {
		const struct host_table *h = &s->listeners[i].hosts;
		struct vhost_list list = {0};

		good = add_rows(&list, h->exact, h->exact_mask) &&
		       add_rows(&list, h->suffix, h->suffix_mask);
		if (good && list.n > 1)
			qsort(list.v, list.n, sizeof(void *), by_name);
		good = good && add_vhost(&list, h->any) && add_vhost_routes(c, &list, i, &cap);
		free(list.v);
		if (good && s->listeners[i].l4) {
			good = grow(c, 1, &cap);
			if (good)
				add_l4(c, s->listeners[i].l4, i);
		}
	}
	merge_routes(c);
	return good;
}

static int by_endpoint(const void *a, const void *b)
{
	const struct catalog_endpoint *x = a, *y = b;
	int order = compare_str(x->subset->name, y->subset->name);

	if (order)
		return order;
	return x->endpoint < y->endpoint ? -1 : x->endpoint > y->endpoint;
}

static uint32_t count_endpoints(const struct catalog *c)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < c->n_routes; i++) {
		const struct split *split = c->routes[i].split;

		for (uint32_t k = 0; split && k < split->n_dests; k++)
			n += split->dests[k].subset ? split->dests[k].subset->n_endpoints : 0;
	}
	return n;
}

static void add_subset(struct catalog *c, const struct subset *subset)
{
	for (uint32_t i = 0; subset && i < subset->n_endpoints; i++)
		c->endpoints[c->n_endpoints++] =
			(struct catalog_endpoint){subset, &subset->endpoints[i]};
}

static bool collect_endpoints(struct catalog *c)
{
	uint32_t n = count_endpoints(c), kept = 0;

	c->endpoints = calloc(n ? n : 1, sizeof(*c->endpoints));
	if (!c->endpoints)
		return false;
	for (uint32_t i = 0; i < c->n_routes; i++) {
		const struct split *split = c->routes[i].split;

		for (uint32_t k = 0; split && k < split->n_dests; k++)
			add_subset(c, split->dests[k].subset);
	}
	qsort(c->endpoints, c->n_endpoints, sizeof(*c->endpoints), by_endpoint);
	for (uint32_t i = 0; i < c->n_endpoints; i++)
		if (kept == 0 || c->endpoints[kept - 1].endpoint != c->endpoints[i].endpoint)
			c->endpoints[kept++] = c->endpoints[i];
	c->n_endpoints = kept;
	return true;
}

bool catalog_init(struct catalog *c, const struct snapshot *s)
{
	*c = (struct catalog){0};
	if (collect_routes(c, s) && collect_endpoints(c))
		return true;
	catalog_fini(c);
	return false;
}

void catalog_fini(struct catalog *c)
{
	free(c->routes);
	free(c->endpoints);
	*c = (struct catalog){0};
}

uint32_t catalog_hosts(const struct listener *l)
{
	const struct host_table *h = &l->hosts;
	uint32_t n = h->any != NULL;

	for (uint32_t i = 0; h->exact && i <= h->exact_mask; i++)
		n += h->exact[i].vhost != NULL;
	for (uint32_t i = 0; h->suffix && i <= h->suffix_mask; i++)
		n += h->suffix[i].vhost != NULL;
	return n;
}
