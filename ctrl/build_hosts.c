/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Listeners, the host names on each, and which VirtualService serves which of them.
 *
 *   Gateway servers (or the node's listeners)  --same address and port-->  listener
 *   server hosts x VirtualService hosts        --the more specific------>  host name
 *   host name                                  <--all that serve it, in document order
 *
 * Then each host name's match blocks: those whose gateways and port apply here, nothing after a
 * VirtualService's first catch-all, and all catch-alls moved to the end.
 */
#include "build_parts.h"
#include "host.h"

#include <arpa/inet.h>
#include <stdlib.h>

/* ---- plan ------------------------------------------------------------------------------- */

/* A host name and whom it may come from. */
struct server_host {
	const char *ns; /* VirtualServices of this namespace only; NULL: any */
	const char *name;
};

/* A Gateway server, or a listener of the node, which takes every host. */
struct server {
	const char *gateway; /* "namespace/name"; "" for one of the node */
	bool https_redirect;
	const struct server_host *hosts;
	uint32_t n_hosts;
	struct server *next;
};

/* One VirtualService on one host name of one listener. */
struct use {
	const struct service *service;
	struct strmap gateways; /* through which it comes */
	bool mesh;              /* bound without naming a gateway */
	struct use *next;
};

struct plan_host {
	const char *name;
	const char *redirect_gateway; /* not NULL: everything goes to https */
	struct use *uses, *last;
	struct plan_host *next;
};

struct plan {
	struct ip_addr addr;
	uint16_t port;
	const char *name;
	struct server *servers, **last_server;
	bool all_redirect;
	struct strmap by_name; /* host name -> struct plan_host */
	struct plan_host *hosts, **last_host;
	uint32_t n_hosts;
	struct plan *next;
};

/* A VirtualService with its names written out. */
struct service {
	const struct istio_object *o;
	const char **hosts;
	struct strmap gateways; /* "namespace/name" that it names */
	bool mesh;
	bool bound;  /* some listener is meant */
	bool serves; /* some listener has one of its hosts */
	struct service *next;
};

struct plans {
	struct plan *first, **last;
	uint32_t n;
	struct service *services, **last_service;
};

/* ---- listeners -------------------------------------------------------------------------- */

static struct plan *plan_for(struct build *b, struct plans *all, const struct ip_addr *addr,
                             uint16_t port)
{
	struct ip_addr any = {0}, any_v4 = ip_from_v4(0);
	const struct ip_addr *at = ip_eq(addr, &any_v4) ? &any : addr;

	for (struct plan *p = all->first; p; p = p->next)
		if (p->port == port && ip_eq(&p->addr, at))
			return p;
	struct plan *p = arena_alloc(&b->scratch, sizeof(*p));

	p->addr = *at;
	p->port = port;
	p->last_server = &p->servers;
	p->last_host = &p->hosts;
	p->all_redirect = true;
	*all->last = p;
	all->last = &p->next;
	all->n++;
	return p;
}

static void add_server(struct plan *p, struct server *s, const char *name)
{
	if (!p->name)
		p->name = name;
	p->all_redirect = p->all_redirect && s->https_redirect;
	*p->last_server = s;
	p->last_server = &s->next;
}

static void plan_gateway_server(struct build *b, struct plans *all, const struct istio_object *o,
                                const struct istio_server *from)
{
	const char *name = from->name.s ? from->name.s : from->port->name.s;
	struct server *s = arena_alloc(&b->scratch, sizeof(*s));
	struct server_host *hosts = arena_alloc(&b->scratch, from->hosts.n * sizeof(*hosts));
	struct ip_addr addr = {0};

	if (from->bind.s && !ip_parse(from->bind.s, &addr)) {
		build_about(b, o);
		diag_error(b->diags, from->bind.at, "BIND", "bind is %s; give an IP address",
		           from->bind.s);
		return;
	}
	for (uint32_t i = 0; i < from->hosts.n; i++) {
		struct istio_server_host h =
			istio_server_host(&b->scratch, from->hosts.v[i].s, o->ns.s);

		hosts[i] = (struct server_host){h.ns, h.host};
	}
	s->gateway = arena_printf(&b->scratch, "%s/%s", o->ns.s, o->name.s);
	s->https_redirect = from->tls && from->tls->https_redirect.v;
	s->hosts = hosts;
	s->n_hosts = from->hosts.n;
	add_server(plan_for(b, all, &addr, (uint16_t)from->port->number.v), s,
	           arena_printf(&b->scratch, "%s/%s", s->gateway, name ? name : ""));
}

static void plan_node_listener(struct build *b, struct plans *all, const struct build_listener *l)
{
	static const struct server_host every = {NULL, "*"};
	struct server *s = arena_alloc(&b->scratch, sizeof(*s));

	s->gateway = "";
	s->hosts = &every;
	s->n_hosts = 1;
	add_server(plan_for(b, all, &l->addr, l->port), s, "weir.yaml");
}

static void plan_servers(struct build *b, struct plans *all)
{
	uint32_t n, first = docset_range(b->docs, ISTIO_GATEWAY, &n);

	for (uint32_t i = first; i < first + n; i++) {
		const struct istio_object *o = docset_at(b->docs, i);

		for (uint32_t k = 0; k < o->gateway->servers.n; k++)
			plan_gateway_server(b, all, o, &o->gateway->servers.v[k]);
	}
	for (uint32_t i = 0; n == 0 && i < b->o->n_listeners; i++)
		plan_node_listener(b, all, &b->o->listeners[i]);
}

/* ---- VirtualServices -------------------------------------------------------------------- */

static bool gateway_exists(const struct build *b, const struct istio_gateway_ref *r)
{
	return docset_find(b->docs, ISTIO_GATEWAY, r->ns, r->name) != NULL;
}

/* "namespace/name" of an item of gateways, or NULL for the mesh. Warns when there is no such one. */
static const char *gateway_named(struct build *b, const struct istio_object *o,
                                 const struct istio_text *item)
{
	struct istio_gateway_ref r;

	if (!istio_gateway_ref(&b->scratch, item->s, o->ns.s, &r) || r.mesh)
		return NULL;
	if (!gateway_exists(b, &r) && build_first_time(b, item->at, "GATEWAY_UNKNOWN")) {
		build_about(b, o);
		diag_warn(b->diags, item->at, "GATEWAY_UNKNOWN",
		          "there is no Gateway %s/%s; nothing is bound through it", r.ns, r.name);
	}
	return arena_printf(&b->scratch, "%s/%s", r.ns, r.name);
}

static void plan_service(struct build *b, struct plans *all, const struct istio_object *o)
{
	const struct istio_virtual_service *vs = o->virtual_service;
	struct service *s = arena_alloc(&b->scratch, sizeof(*s));

	s->o = o;
	s->hosts = arena_alloc(&b->scratch, (vs->hosts.n + 1) * sizeof(*s->hosts));
	for (uint32_t i = 0; i < vs->hosts.n; i++)
		s->hosts[i] = host_expand(&b->scratch, vs->hosts.v[i].s, o->ns.s, b->domain);
	s->mesh = vs->gateways.n == 0;
	for (uint32_t i = 0; i < vs->gateways.n; i++) {
		const char *gateway = gateway_named(b, o, &vs->gateways.v[i]);

		if (gateway)
			strmap_put(&s->gateways, &b->scratch, gateway, s);
		else
			s->mesh = true;
	}
	s->mesh = s->mesh && !b->o->strict_gateways;
	*all->last_service = s;
	all->last_service = &s->next;
}

static struct plan_host *host_for(struct build *b, struct plan *p, const char *name)
{
	struct plan_host *h = strmap_get(&p->by_name, name);

	if (h)
		return h;
	h = arena_alloc(&b->scratch, sizeof(*h));
	h->name = name;
	strmap_put(&p->by_name, &b->scratch, name, h);
	*p->last_host = h;
	p->last_host = &h->next;
	p->n_hosts++;
	return h;
}

/* A VirtualService comes once to a host name, whatever the number of servers it comes through. */
static void add_use(struct build *b, struct plan_host *h, struct service *s,
                    const struct server *from)
{
	if (!h->last || h->last->service != s) {
		struct use *u = arena_alloc(&b->scratch, sizeof(*u));

		u->service = s;
		*(h->last ? &h->last->next : &h->uses) = u;
		h->last = u;
	}
	h->last->mesh = h->last->mesh || s->mesh;
	if (*from->gateway)
		strmap_put(&h->last->gateways, &b->scratch, from->gateway, s);
	s->serves = true;
}

static void bind_to_server(struct build *b, struct plan *p, struct service *s,
                           const struct server *from)
{
	const struct istio_virtual_service *vs = s->o->virtual_service;

	s->bound = true;
	for (uint32_t i = 0; i < from->n_hosts; i++) {
		const struct server_host *sh = &from->hosts[i];

		if (sh->ns && strcmp(sh->ns, s->o->ns.s) != 0)
			continue;
		for (uint32_t k = 0; k < vs->hosts.n; k++) {
			const char *name = host_intersect(sh->name, s->hosts[k]);

			if (!name)
				continue;
			struct plan_host *h = host_for(b, p, name);

			if (from->https_redirect && !p->all_redirect)
				h->redirect_gateway = from->gateway;
			add_use(b, h, s, from);
		}
	}
}

static void bind_service(struct build *b, struct plan *p, struct service *s)
{
	for (const struct server *from = p->servers; from; from = from->next)
		if (s->mesh || strmap_get(&s->gateways, from->gateway))
			bind_to_server(b, p, s, from);
}

/* Hosts of a server with tls.httpsRedirect answer without any VirtualService. */
static void plan_redirects(struct build *b, struct plan *p)
{
	for (const struct server *from = p->servers; from; from = from->next)
		for (uint32_t i = 0; from->https_redirect && i < from->n_hosts; i++)
			host_for(b, p, from->hosts[i].name)->redirect_gateway = from->gateway;
}

static void say_unserved(struct build *b, const struct plans *all)
{
	for (const struct service *s = all->services; s; s = s->next) {
		const struct istio_virtual_service *vs = s->o->virtual_service;

		if (s->serves || vs->http.n == 0)
			continue;
		build_about(b, s->o);
		if (s->bound)
			diag_warn(b->diags, vs->hosts.at, "HOST_NOT_SERVED",
			          "no server of its gateways has any of these hosts; the rules are "
			          "not used");
		else if (vs->gateways.n == 0 && b->o->strict_gateways)
			diag_warn(b->diags, vs->at, "GATEWAYS_MISSING",
			          "it names no gateway, and strict_gateways is set; the rules are "
			          "not "
			          "used");
		else if (all->n == 0)
			diag_warn(b->diags, vs->at, "NO_LISTENER",
			          "there is no listener to bind it to; the rules are not used");
	}
}

/* ---- match blocks ----------------------------------------------------------------------- */

static bool applies(struct build *b, const struct use *u, const struct istio_http_match *m,
                    uint16_t port)
{
	if (m->port.set && m->port.v != port)
		return false;
	if (m->gateways.n == 0)
		return true;
	for (uint32_t i = 0; i < m->gateways.n; i++) {
		const char *gateway = gateway_named(b, u->service->o, &m->gateways.v[i]);

		if (gateway ? strmap_get(&u->gateways, gateway) != NULL : u->mesh)
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
static bool add_rule(struct build *b, const struct use *u, uint32_t index, uint16_t port,
                     struct build_blocks *out)
{
	const struct istio_object *o = u->service->o;
	const struct istio_http_route *rule = &o->virtual_service->http.v[index];

	if (rule->match.n == 0) {
		add_block(b, out, (struct build_block){o, rule, NULL, index, false});
		return true;
	}
	for (uint32_t i = 0; i < rule->match.n; i++) {
		const struct istio_http_match *m = &rule->match.v[i];

		if (!applies(b, u, m, port))
			continue;
		add_block(b, out, (struct build_block){o, rule, m, index, false});
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

static struct build_blocks blocks_of(struct build *b, const struct plan_host *h, uint16_t port)
{
	struct build_blocks all = {0};

	for (const struct use *u = h->uses; u; u = u->next) {
		uint32_t n = u->service->o->virtual_service->http.n;

		for (uint32_t i = 0; i < n; i++)
			if (add_rule(b, u, i, port, &all))
				break;
	}
	return catch_alls_last(b, &all);
}

/* ---- virtual hosts ---------------------------------------------------------------------- */

static const struct vhost *make_vhost(struct build *b, const struct plan_host *h, uint16_t port)
{
	struct vhost *v = heap_alloc(b->heap, sizeof(*v));

	v->name = build_str(b, h->name);
	if (h->redirect_gateway) {
		struct clause *c = heap_alloc(b->heap, sizeof(*c));

		c->route = build_https_redirect(b, h->redirect_gateway);
		v->clauses = c;
		v->n_clauses = 1;
		return v;
	}
	struct build_blocks blocks = blocks_of(b, h, port);

	if (blocks.n == 0)
		return NULL; /* Istio makes no virtual host of it: 404 */
	if (h->uses != h->last)
		build_shadow(b, &blocks, h->name);
	build_clauses(b, &blocks, port, v);
	return v;
}

struct rows {
	struct host_row *v;
	uint32_t mask;
};

static struct rows rows_new(struct build *b, uint32_t n)
{
	struct rows r = {.mask = 1};

	while (r.mask < n * 2)
		r.mask = r.mask * 2 + 1;
	r.v = heap_alloc(b->heap, ((size_t)r.mask + 1) * sizeof(*r.v));
	return r;
}

static void rows_add(struct rows *r, struct str name, const struct vhost *v)
{
	uint64_t hash = host_hash(name);
	uint32_t i = (uint32_t)hash & r->mask;

	while (r->v[i].vhost)
		i = (i + 1) & r->mask;
	r->v[i] = (struct host_row){hash, name, v};
}

static int longest_first(const void *a, const void *b)
{
	return *(const uint16_t *)b - *(const uint16_t *)a;
}

/* The distinct lengths of the suffixes, longest first. */
static void set_suffix_lens(struct build *b, const struct rows *suffix, struct host_table *t)
{
	uint16_t *lens = heap_alloc(b->heap, ((size_t)suffix->mask + 1) * sizeof(*lens));
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

/* A Host with an IPv6 address has brackets. */
static struct str exact_name(struct build *b, const char *name)
{
	return strchr(name, ':') ? build_printf(b, "[%s]", name) : build_str(b, name);
}

static void set_hosts(struct build *b, const struct plan *p, struct host_table *t)
{
	struct rows exact = rows_new(b, p->n_hosts), suffix = rows_new(b, p->n_hosts);
	uint32_t n_exact = 0, n_suffix = 0;

	for (const struct plan_host *h = p->hosts; h; h = h->next) {
		const struct vhost *v = make_vhost(b, h, p->port);

		if (!v)
			continue;
		if (strcmp(h->name, "*") == 0) {
			t->any = v;
		} else if (host_is_wildcard(h->name)) {
			rows_add(&suffix, build_str(b, h->name + 1), v);
			n_suffix++;
		} else {
			rows_add(&exact, exact_name(b, h->name), v);
			n_exact++;
		}
	}
	if (n_exact > 0) {
		t->exact = exact.v;
		t->exact_mask = exact.mask;
	}
	if (n_suffix > 0) {
		t->suffix = suffix.v;
		t->suffix_mask = suffix.mask;
		set_suffix_lens(b, &suffix, t);
	}
}

void build_listeners(struct build *b, struct snapshot *s)
{
	struct plans all = {.last = &all.first, .last_service = &all.services};
	uint32_t n, first = docset_range(b->docs, ISTIO_VIRTUAL_SERVICE, &n);

	plan_servers(b, &all);
	for (uint32_t i = first; i < first + n; i++)
		plan_service(b, &all, docset_at(b->docs, i));
	struct listener *listeners = heap_alloc(b->heap, all.n * sizeof(*listeners));

	for (struct plan *p = all.first; p; p = p->next) {
		struct listener *l = &listeners[s->n_listeners++];

		for (struct service *v = all.services; v; v = v->next)
			bind_service(b, p, v);
		if (!p->all_redirect)
			plan_redirects(b, p);
		l->addr = p->addr;
		l->port = htons(p->port);
		l->accept_http10 = b->o->accept_http10;
		l->https_redirect = p->all_redirect;
		l->name = build_str(b, p->name);
		set_hosts(b, p, &l->hosts);
	}
	s->listeners = listeners;
	say_unserved(b, &all);
}
