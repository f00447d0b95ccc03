/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Listeners and their servers, and where each VirtualService is bound.
 *
 *   Gateway servers (or the node's listeners)  --same address and port-->  listener
 *   server hosts x VirtualService hosts        --the more specific------>  use: host name of a listener
 *
 * The plan hangs on Gateways and options only. A VirtualService's uses hang on the plan and its own
 * document, so they are found once and kept in its unit.
 */
#include "build_parts.h"
#include "host.h"

#include <arpa/inet.h>

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

struct plan_listener {
	struct plan_listener *next;
	struct ip_addr addr;
	uint16_t port;
	uint32_t index;
	const char *name;
	struct server *servers, **last_server;
	bool all_redirect;
};

struct build_plan {
	struct part part;
	struct plan_listener *first, **last;
	uint32_t n;
};

/* ---- listeners -------------------------------------------------------------------------- */

static const char *keep(struct build *b, const char *text)
{
	return build_str(b, text).p;
}

static struct plan_listener *listener_for(struct build *b, struct build_plan *all,
                                          const struct ip_addr *addr, uint16_t port)
{
	struct ip_addr any = {0}, any_v4 = ip_from_v4(0);
	const struct ip_addr *at = ip_eq(addr, &any_v4) ? &any : addr;

	for (struct plan_listener *p = all->first; p; p = p->next)
		if (p->port == port && ip_eq(&p->addr, at))
			return p;
	struct plan_listener *p = heap_alloc(b->heap, sizeof(*p));

	p->addr = *at;
	p->port = port;
	p->index = all->n++;
	p->last_server = &p->servers;
	p->all_redirect = true;
	*all->last = p;
	all->last = &p->next;
	return p;
}

static void add_server(struct plan_listener *p, struct server *s, const char *name)
{
	if (!p->name)
		p->name = name;
	p->all_redirect = p->all_redirect && s->https_redirect;
	*p->last_server = s;
	p->last_server = &s->next;
}

static void plan_gateway_server(struct build *b, struct build_plan *all,
                                const struct istio_object *o, const struct istio_server *from)
{
	const char *name = from->name.s ? from->name.s : from->port->name.s;
	struct server *s = heap_alloc(b->heap, sizeof(*s));
	struct server_host *hosts = heap_alloc(b->heap, from->hosts.n * sizeof(*hosts));
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

		hosts[i] = (struct server_host){keep(b, h.ns), keep(b, h.host)};
	}
	s->gateway = build_printf(b, "%s/%s", o->ns.s, o->name.s).p;
	s->https_redirect = from->tls && from->tls->https_redirect.v;
	s->hosts = hosts;
	s->n_hosts = from->hosts.n;
	add_server(listener_for(b, all, &addr, (uint16_t)from->port->number.v), s,
	           build_printf(b, "%s/%s", s->gateway, name ? name : "").p);
}

static void plan_node_listener(struct build *b, struct build_plan *all,
                               const struct build_listener *l)
{
	static const struct server_host every = {NULL, "*"};
	struct server *s = heap_alloc(b->heap, sizeof(*s));

	s->gateway = "";
	s->hosts = &every;
	s->n_hosts = 1;
	add_server(listener_for(b, all, &l->addr, l->port), s, "weir.yaml");
}

struct build_plan *build_plan(struct build *b)
{
	struct build_plan *all = build_part(b, sizeof(*all), "//plan", 1024);
	struct build_frame was = build_enter_all(b, &all->part);
	uint32_t n, first = docset_range(b->docs, ISTIO_GATEWAY, &n);

	all->last = &all->first;
	for (uint32_t i = first; i < first + n; i++) {
		const struct istio_object *o = docset_at(b->docs, i);

		for (uint32_t k = 0; k < o->gateway->servers.n; k++)
			plan_gateway_server(b, all, o, &o->gateway->servers.v[k]);
	}
	for (uint32_t i = 0; n == 0 && i < b->o->n_listeners; i++)
		plan_node_listener(b, all, &b->o->listeners[i]);
	build_leave(b, was);
	part_get(&all->part); /* the world's */
	return all;
}

uint32_t build_plan_listeners(const struct build_plan *plan)
{
	return plan->n;
}

void build_plan_listener(struct build *b, const struct build_plan *plan, uint32_t i,
                         struct listener *out)
{
	const struct plan_listener *p = plan->first;

	while (p->index != i)
		p = p->next;
	out->addr = p->addr;
	out->port = htons(p->port);
	out->accept_http10 = b->o->accept_http10;
	out->https_redirect = p->all_redirect;
	out->name = (struct str){p->name, (uint32_t)strlen(p->name)}; /* the plan is the world's */
}

void build_plan_redirects(struct build *b, const struct build_plan *plan, build_redirect_fn *fn,
                          void *arg)
{
	for (const struct plan_listener *p = plan->first; p; p = p->next)
		for (const struct server *from = p->servers; from && !p->all_redirect;
		     from = from->next)
			for (uint32_t i = 0; from->https_redirect && i < from->n_hosts; i++)
				fn(b, arg, p->index, from->hosts[i].name, from->gateway);
}

/* ---- VirtualServices -------------------------------------------------------------------- */

/* A VirtualService with its names written out. */
struct service {
	struct build_unit *unit;
	const char **hosts;
	struct strmap gateways; /* "namespace/name" that it names */
	struct strmap uses;     /* by key */
	struct build_use **last;
	bool mesh;
	bool bound; /* some listener is meant */
};

static bool gateway_exists(const struct build *b, const struct istio_gateway_ref *r)
{
	return docset_find(b->docs, ISTIO_GATEWAY, r->ns, r->name) != NULL;
}

const char *build_gateway_named(struct build *b, const struct istio_object *o,
                                const struct istio_text *item)
{
	struct istio_gateway_ref r;

	if (!istio_gateway_ref(&b->scratch, item->s, o->ns.s, &r) || r.mesh)
		return NULL;
	if (!gateway_exists(b, &r)) {
		build_about(b, o);
		diag_warn(b->diags, item->at, "GATEWAY_UNKNOWN",
		          "there is no Gateway %s/%s; nothing is bound through it", r.ns, r.name);
	}
	return arena_printf(&b->scratch, "%s/%s", r.ns, r.name);
}

static void write_out(struct build *b, const struct istio_object *o, struct service *s)
{
	const struct istio_virtual_service *vs = o->virtual_service;

	s->hosts = arena_alloc(&b->scratch, (vs->hosts.n + 1) * sizeof(*s->hosts));
	for (uint32_t i = 0; i < vs->hosts.n; i++)
		s->hosts[i] = host_expand(&b->scratch, vs->hosts.v[i].s, o->ns.s, b->domain);
	s->mesh = vs->gateways.n == 0;
	for (uint32_t i = 0; i < vs->gateways.n; i++) {
		const char *gateway = build_gateway_named(b, o, &vs->gateways.v[i]);

		if (gateway)
			strmap_put(&s->gateways, &b->scratch, gateway, s);
		else
			s->mesh = true;
	}
	s->mesh = s->mesh && !b->o->strict_gateways;
}

/* A VirtualService comes once to a host name, whatever the number of servers it comes through. */
static struct build_use *use_for(struct build *b, struct service *s, uint32_t listener,
                                 const char *host)
{
	const char *key = arena_printf(&b->scratch, "%u:%s", listener, host);
	struct build_use *u = strmap_get(&s->uses, key);

	if (u)
		return u;
	u = heap_alloc(b->heap, sizeof(*u));
	u->unit = s->unit;
	u->key = keep(b, key);
	u->listener = listener;
	u->mesh = s->mesh;
	*s->last = u;
	s->last = &u->next;
	strmap_put(&s->uses, &b->scratch, u->key, u);
	return u;
}

static void add_gateway(struct build *b, struct build_use *u, const char *gateway)
{
	struct build_text *t = heap_alloc(b->heap, sizeof(*t));

	*t = (struct build_text){u->gateways, gateway}; /* of the plan, which the unit holds */
	u->gateways = t;
}

static void bind_to_server(struct build *b, const struct plan_listener *p, struct service *s,
                           const struct server *from)
{
	const struct istio_object *o = s->unit->o;

	s->bound = true;
	for (uint32_t i = 0; i < from->n_hosts; i++) {
		const struct server_host *sh = &from->hosts[i];

		if (sh->ns && strcmp(sh->ns, o->ns.s) != 0)
			continue;
		for (uint32_t k = 0; k < o->virtual_service->hosts.n; k++) {
			const char *name = host_intersect(sh->name, s->hosts[k]);

			if (!name)
				continue;
			struct build_use *u = use_for(b, s, p->index, name);

			if (from->https_redirect && !p->all_redirect)
				u->redirect = from->gateway;
			if (*from->gateway)
				add_gateway(b, u, from->gateway);
		}
	}
}

static void say_unserved(struct build *b, const struct service *s)
{
	const struct istio_virtual_service *vs = s->unit->o->virtual_service;

	if (s->unit->uses || vs->http.n == 0)
		return;
	build_about(b, s->unit->o);
	if (s->bound)
		diag_warn(b->diags, vs->hosts.at, "HOST_NOT_SERVED",
		          "no server of its gateways has any of these hosts; the rules are "
		          "not used");
	else if (vs->gateways.n == 0 && b->o->strict_gateways)
		diag_warn(b->diags, vs->at, "GATEWAYS_MISSING",
		          "it names no gateway, and strict_gateways is set; the rules are "
		          "not used");
	else if (b->world->plan->n == 0)
		diag_warn(b->diags, vs->at, "NO_LISTENER",
		          "there is no listener to bind it to; the rules are not used");
}

struct build_unit *build_unit(struct build *b, const struct istio_object *o)
{
	const char *key = arena_printf(&b->scratch, "%s/%s", o->ns.s, o->name.s);
	struct build_unit *unit = build_part(b, sizeof(*unit), key, 2048);
	struct service s = {.unit = unit, .last = &unit->uses};
	struct build_frame was = build_enter_all(b, &unit->part);
	struct build_plan *plan = b->world->plan;

	unit->o = o;
	unit->made = heap_alloc(b->heap, o->virtual_service->http.n * sizeof(*unit->made));
	part_hold(&unit->part, &plan->part);
	write_out(b, o, &s);
	for (const struct plan_listener *p = plan->first; p; p = p->next)
		for (const struct server *from = p->servers; from; from = from->next)
			if (s.mesh || strmap_get(&s.gateways, from->gateway))
				bind_to_server(b, p, &s, from);
	say_unserved(b, &s);
	build_leave(b, was);
	return unit;
}
