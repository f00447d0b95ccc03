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

static int by_route(const void *a, const void *b)
{
	const struct catalog_route *x = a, *y = b;

	if (x->route != y->route)
		return x->route < y->route ? -1 : 1;
	return x->order < y->order ? -1 : x->order > y->order;
}

static int by_order(const void *a, const void *b)
{
	const struct catalog_route *x = a, *y = b;

	return x->order < y->order ? -1 : x->order > y->order;
}

static bool add_vhost_routes(struct catalog *c, const struct vhost_list *list, uint32_t listener,
                             uint32_t *cap)
{
	for (uint32_t i = 0; i < list->n; i++) {
		const struct vhost *v = list->v[i];

		if (*cap - c->n_routes < v->n_clauses) {
			uint32_t bigger_cap = (*cap + v->n_clauses) * 2;
			void *bigger = realloc(c->routes, bigger_cap * sizeof(*c->routes));

			if (!bigger)
				return false;
			c->routes = bigger;
			*cap = bigger_cap;
		}
		for (uint32_t k = 0; k < v->n_clauses; k++, c->n_routes++)
			c->routes[c->n_routes] = (struct catalog_route){
				.route = v->clauses[k].route,
				.listeners = listener < 64 ? UINT64_C(1) << listener : 0,
				.order = c->n_routes,
			};
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
		if (kept && c->routes[kept - 1].route == c->routes[i].route)
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
		const struct split *split = c->routes[i].route->split;

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
		const struct split *split = c->routes[i].route->split;

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
