/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Listeners and their servers, and where each VirtualService is bound.
 *
 *   Gateway servers (or the node's listeners)  --same address and port-->  listener: HTTP, TLS, TCP or UDP
 *   server hosts x VirtualService hosts        --the more specific------>  use: host name of a listener
 *
 * A TLS listener's names come from the sniHosts of tls rules in place of the VirtualService's hosts; TCP and
 * UDP listeners have one name, "*". Both note in the use which rules apply.
 *
 * The plan hangs on Gateways and options only. A VirtualService's uses hang on the plan and its own
 * document, so they are found once and kept in its unit.
 */
#include "build_parts.h"
#include "host.h"

#include <arpa/inet.h>

#define LISTENER_KINDS (LISTENER_UDP + 1)

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
	uint8_t kind; /* enum listener_kind */
	bool quic;
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

const char *build_kind_name(uint8_t kind)
{
	static const char *const names[] = {
		[LISTENER_HTTP] = "HTTP",
		[LISTENER_TCP] = "TCP",
		[LISTENER_TLS] = "TLS",
		[LISTENER_UDP] = "UDP",
	};

	return names[kind];
}

/* The one on this address and port, of whatever kind; UDP's ports are others than TCP's. */
static struct plan_listener *listener_for(struct build *b, struct build_plan *all,
                                          const struct ip_addr *addr, uint16_t port, uint8_t kind)
{
	struct ip_addr any = {0}, any_v4 = ip_from_v4(0);
	const struct ip_addr *at = ip_eq(addr, &any_v4) ? &any : addr;

	for (struct plan_listener *p = all->first; p; p = p->next)
		if (p->port == port && ip_eq(&p->addr, at) &&
		    (p->kind == LISTENER_UDP) == (kind == LISTENER_UDP))
			return p;
	struct plan_listener *p = heap_alloc(b->heap, sizeof(*p));

	p->addr = *at;
	p->port = port;
	p->kind = kind;
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

static uint8_t kind_of(const struct istio_server *s)
{
	switch (istio_protocol(s->port->protocol.s)) {
	case ISTIO_PROTOCOL_TCP: return LISTENER_TCP;
	case ISTIO_PROTOCOL_TLS: return LISTENER_TLS;
	case ISTIO_PROTOCOL_UDP: return LISTENER_UDP;
	default: return LISTENER_HTTP;
	}
}

static bool is_quic(const struct istio_object *o)
{
	const char *note = istio_pair_get(&o->annotations, ISTIO_NOTE_QUIC);

	return note && strcmp(note, "true") == 0;
}

/* The listener of a server, or NULL: another server has the port for something else. */
static struct plan_listener *server_listener(struct build *b, struct build_plan *all,
                                             const struct istio_object *o,
                                             const struct istio_server *from,
                                             const struct ip_addr *addr)
{
	uint8_t kind = kind_of(from);
	struct plan_listener *p = listener_for(b, all, addr, (uint16_t)from->port->number.v, kind);

	build_about(b, o);
	if (p->kind != kind) {
		diag_error(b->diags, from->port->protocol.at, "LISTENER_CONFLICT",
		           "port %u is for %s here and for %s in server %s; give one of them "
		           "another port or bind address",
		           p->port, build_kind_name(kind), build_kind_name(p->kind), p->name);
		return NULL;
	}
	if (kind != LISTENER_UDP)
		return p;
	if (p->name && p->quic != is_quic(o))
		diag_error(b->diags, from->port->protocol.at, "LISTENER_CONFLICT",
		           "port %u is for QUIC in one of this and server %s only; set %s in both "
		           "Gateways",
		           p->port, p->name, ISTIO_NOTE_QUIC);
	p->quic = is_quic(o);
	return p;
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
	s->https_redirect =
		from->tls && from->tls->https_redirect.v && kind_of(from) == LISTENER_HTTP;
	s->hosts = hosts;
	s->n_hosts = from->hosts.n;
	struct plan_listener *p = server_listener(b, all, o, from, &addr);

	if (p)
		add_server(p, s, build_printf(b, "%s/%s", s->gateway, name ? name : "").p);
}

static void plan_node_listener(struct build *b, struct build_plan *all,
                               const struct build_listener *l)
{
	static const struct server_host every = {NULL, "*"};
	struct server *s = heap_alloc(b->heap, sizeof(*s));

	s->gateway = "";
	s->hosts = &every;
	s->n_hosts = 1;
	add_server(listener_for(b, all, &l->addr, l->port, LISTENER_HTTP), s, "weir.yaml");
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
	out->kind = p->kind;
	out->quic = p->quic;
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
	bool bound[LISTENER_KINDS]; /* some listener of this kind is meant */
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

/* Come to a host name of a listener through a server. */
static struct build_use *come(struct build *b, struct service *s, const struct plan_listener *p,
                              const struct server *from, const char *host)
{
	struct build_use *u = use_for(b, s, p->index, host);

	if (from->https_redirect && !p->all_redirect)
		u->redirect = from->gateway;
	if (*from->gateway)
		add_gateway(b, u, from->gateway);
	return u;
}

/* What is being bound: a server of a listener, maybe a rule. */
struct binding {
	const struct plan_listener *listener;
	const struct server *server;
	uint32_t rule;
};

typedef void meet_fn(struct build *b, struct service *s, const struct binding *at,
                     const char *host);

/* Call back for each host of the server that these hosts meet, with the more specific of the two. */
static void meet(struct build *b, struct service *s, const struct binding *at,
                 const char *const *hosts, uint32_t n, meet_fn *fn)
{
	for (uint32_t i = 0; i < at->server->n_hosts; i++) {
		const struct server_host *sh = &at->server->hosts[i];

		if (sh->ns && strcmp(sh->ns, s->unit->o->ns.s) != 0)
			continue;
		for (uint32_t k = 0; k < n; k++) {
			const char *name = host_intersect(sh->name, hosts[k]);

			if (name)
				fn(b, s, at, name);
		}
	}
}

static void bind_http(struct build *b, struct service *s, const struct binding *at,
                      const char *host)
{
	come(b, s, at->listener, at->server, host);
}

/* Rules stand in their order, each once. */
static void add_rule(struct build *b, struct build_use *u, uint32_t index)
{
	struct build_rule **at = &u->rules, *r;

	while (*at && (*at)->index < index)
		at = &(*at)->next;
	if (*at && (*at)->index == index)
		return;
	r = heap_alloc(b->heap, sizeof(*r));
	*r = (struct build_rule){*at, index};
	*at = r;
}

static void bind_rule(struct build *b, struct service *s, const struct binding *at,
                      const char *host)
{
	bool names = at->listener->kind == LISTENER_TLS;

	add_rule(b, come(b, s, at->listener, at->server, names ? host : "*"), at->rule);
}

/* Does a match block with this port and these gateways apply to a server? */
static bool applies(struct build *b, const struct service *s, const struct binding *at,
                    const struct istio_number *port, const struct istio_texts *gateways)
{
	if (port->set && port->v != at->listener->port)
		return false;
	for (uint32_t i = 0; i < gateways->n; i++) {
		const char *gateway = build_gateway_named(b, s->unit->o, &gateways->v[i]);

		if (gateway ? strcmp(gateway, at->server->gateway) == 0 : s->mesh)
			return true;
	}
	return gateways->n == 0;
}

static void bind_tls(struct build *b, struct service *s, struct binding at)
{
	const struct istio_virtual_service *vs = s->unit->o->virtual_service;
	const struct istio_tls_route *r = &vs->tls.v[at.rule];

	for (uint32_t i = 0; i < r->match.n; i++) {
		const struct istio_tls_match *m = &r->match.v[i];
		const char **names = arena_alloc(&b->scratch, m->sni_hosts.n * sizeof(*names));

		if (!applies(b, s, &at, &m->port, &m->gateways))
			continue;
		for (uint32_t k = 0; k < m->sni_hosts.n; k++)
			names[k] = host_lower(&b->scratch, m->sni_hosts.v[k].s);
		meet(b, s, &at, names, m->sni_hosts.n, bind_rule);
	}
}

static void bind_tcp(struct build *b, struct service *s, struct binding at)
{
	const struct istio_virtual_service *vs = s->unit->o->virtual_service;
	const struct istio_tcp_route *r = &vs->tcp.v[at.rule];
	bool applied = r->match.n == 0;

	for (uint32_t i = 0; i < r->match.n && !applied; i++)
		applied = applies(b, s, &at, &r->match.v[i].port, &r->match.v[i].gateways);
	if (applied)
		meet(b, s, &at, s->hosts, vs->hosts.n, bind_rule);
}

/* Which rules a listener of a kind reads. */
static uint32_t count_rules(const struct istio_virtual_service *vs, uint8_t kind)
{
	switch ((enum listener_kind)kind) {
	case LISTENER_HTTP: return vs->http.n;
	case LISTENER_TLS: return vs->tls.n;
	case LISTENER_TCP:
	case LISTENER_UDP: break;
	}
	return vs->tcp.n;
}

static void bind_to_server(struct build *b, const struct plan_listener *p, struct service *s,
                           const struct server *from)
{
	const struct istio_virtual_service *vs = s->unit->o->virtual_service;
	uint32_t n = count_rules(vs, p->kind);
	struct binding at = {p, from, 0};

	s->bound[p->kind] = true;
	if (p->kind == LISTENER_HTTP && n > 0)
		meet(b, s, &at, s->hosts, vs->hosts.n, bind_http);
	for (; p->kind != LISTENER_HTTP && at.rule < n; at.rule++) {
		if (p->kind == LISTENER_TLS)
			bind_tls(b, s, at);
		else
			bind_tcp(b, s, at);
	}
}

/* Is there a use of a listener of one of two kinds? */
static bool is_used(const struct build_plan *plan, const struct build_unit *unit, uint8_t kind,
                    uint8_t or_kind)
{
	for (const struct build_use *u = unit->uses; u; u = u->next)
		for (const struct plan_listener *p = plan->first; p; p = p->next)
			if (p->index == u->listener && (p->kind == kind || p->kind == or_kind))
				return true;
	return false;
}

/* Rules of one kind that nothing uses: at the first one, in a sentence that says why. */
static void say_unserved(struct build *b, const struct service *s, const char *rules, bool bound,
                         struct where at)
{
	const struct istio_virtual_service *vs = s->unit->o->virtual_service;

	build_about(b, s->unit->o);
	if (bound)
		diag_warn(b->diags, vs->hosts.at, "HOST_NOT_SERVED",
		          "no server of its gateways has any of these hosts; the %srules are "
		          "not used",
		          rules);
	else if (vs->gateways.n == 0 && b->o->strict_gateways)
		diag_warn(b->diags, vs->at, "GATEWAYS_MISSING",
		          "it names no gateway, and strict_gateways is set; the rules are "
		          "not used");
	else if (b->world->plan->n == 0)
		diag_warn(b->diags, vs->at, "NO_LISTENER",
		          "there is no listener to bind it to; the rules are not used");
	else if (*rules)
		diag_warn(b->diags, at, "NO_SERVER",
		          "no server of its gateways takes %srules; the rules are not used", rules);
	else if (s->mesh)
		diag_warn(b->diags, at, "NO_SERVER",
		          "no server of any Gateway is for HTTP, and the listeners of weir.yaml "
		          "count only while there is no Gateway; the rules are not used");
}

static void say_all_unserved(struct build *b, const struct service *s)
{
	const struct istio_virtual_service *vs = s->unit->o->virtual_service;
	const struct build_plan *plan = b->world->plan;

	if (vs->http.n > 0 && !is_used(plan, s->unit, LISTENER_HTTP, LISTENER_HTTP))
		say_unserved(b, s, "", s->bound[LISTENER_HTTP], vs->http.at);
	if (vs->tls.n > 0 && !is_used(plan, s->unit, LISTENER_TLS, LISTENER_TLS))
		say_unserved(b, s, "tls ", s->bound[LISTENER_TLS], vs->tls.at);
	if (vs->tcp.n > 0 && !is_used(plan, s->unit, LISTENER_TCP, LISTENER_UDP))
		say_unserved(b, s, "tcp ", s->bound[LISTENER_TCP] || s->bound[LISTENER_UDP],
		             vs->tcp.at);
}

struct build_unit *build_unit(struct build *b, const struct istio_object *o)
{
	const char *key = arena_printf(&b->scratch, "%s/%s", o->ns.s, o->name.s);
	struct build_unit *unit = build_part(b, sizeof(*unit), key, 2048);
	struct service s = {.unit = unit, .last = &unit->uses};
	struct build_frame was = build_enter_all(b, &unit->part);
	struct build_plan *plan = b->world->plan;
	const struct istio_virtual_service *vs = o->virtual_service;

	unit->o = o;
	unit->made = heap_alloc(b->heap,
	                        (vs->http.n + vs->tls.n + vs->tcp.n) * sizeof(struct build_made *));
	part_hold(&unit->part, &plan->part);
	write_out(b, o, &s);
	for (const struct plan_listener *p = plan->first; p; p = p->next)
		for (const struct server *from = p->servers; from; from = from->next)
			if (s.mesh || strmap_get(&s.gateways, from->gateway))
				bind_to_server(b, p, &s, from);
	say_all_unserved(b, &s);
	build_leave(b, was);
	return unit;
}
