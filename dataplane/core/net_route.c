/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Routes: from a destination to a port and a next hop.
 *
 * A handful of rows in one array, longest prefix first, searched from the front. That is not on the
 * path of a packet: a connection looks once and keeps the answer in its struct net_path.
 */
#include "net_state.h"

static bool is_on_link(const struct net_link *l, const struct ip_addr *a)
{
	for (uint32_t i = 0; i < l->n_addrs; i++)
		if (net_prefix_has(&l->addrs[i], a))
			return true;
	return false;
}

/* Rows of equal length keep the order in which they were added: connected ones come first. */
static void add(struct net *n, const struct net_route *r)
{
	uint32_t at = n->n_routes++;

	for (; at > 0 && n->routes[at - 1].len < r->len; at--)
		n->routes[at] = n->routes[at - 1];
	n->routes[at] = *r;
}

bool net_route_init(struct net *n)
{
	const struct node *node = n->node;

	for (uint32_t port = 0; port < n->n_links; port++) {
		const struct net_link *l = &n->links[port];

		for (uint32_t i = 0; i < l->n_addrs; i++)
			add(n, &(struct net_route){.dst = l->addrs[i].addr,
			                           .len = l->addrs[i].len,
			                           .port = (uint8_t)port});
	}
	for (uint32_t i = 0; i < node->n_routes; i++) {
		const struct node_route *s = &node->routes[i];
		struct net_route r = {s->dst.addr, s->via, s->dst.len, s->port};

		if (s->port >= n->n_links || !is_on_link(&n->links[s->port], &s->via))
			return false;
		if (r.len == 0 && ip_is_v4(&r.via)) { /* "default" says nothing of the family */
			r.dst = ip_from_v4(0);
			r.len = 96;
		}
		add(n, &r);
	}
	return true;
}

/* The port of a link-local destination is the one that our address belongs to. */
static const struct net_route *find_link_local(const struct net *n, const struct ip_addr *src,
                                               const struct ip_addr *dst)
{
	for (uint32_t i = 0; i < n->n_routes; i++) {
		const struct net_route *r = &n->routes[i];
		struct node_prefix p = {r->dst, r->len};

		if (!net_is_link_local(&r->dst) || !net_prefix_has(&p, dst))
			continue;
		if (!src || net_link_has(&n->links[r->port], src))
			return r;
	}
	return NULL;
}

const struct net_route *net_route_find(const struct net *n, const struct ip_addr *src,
                                       const struct ip_addr *dst, struct ip_addr *hop)
{
	if (net_is_group(dst) || net_is_ours(n, dst))
		return NULL;
	*hop = *dst;
	if (net_is_link_local(dst))
		return find_link_local(n, src, dst);
	for (uint32_t i = 0; i < n->n_routes; i++) {
		const struct net_route *r = &n->routes[i];
		struct node_prefix p = {r->dst, r->len};

		if (!net_prefix_has(&p, dst))
			continue;
		if (!ip_is_any(&r->via))
			*hop = r->via;
		else if (net_link_broadcast(&n->links[r->port], ip_is_v4(dst) ? dst->w[3] : 0))
			return NULL;
		return r;
	}
	return NULL;
}
