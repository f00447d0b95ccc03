/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the tls and tcp rules of VirtualServices become.
 *
 * TLS listener: a server name has the rules that name it, in document order; one without a condition on
 * ALPN ends the list. TCP and UDP listeners: of all uses the first one's first rule takes every connection.
 * The rules of the other uses are made as well, so that a change of one document touches no other's.
 */
#include "build_parts.h"

#include <arpa/inet.h>

/* ---- routes ----------------------------------------------------------------------------- */

/* A rule of either kind. */
struct rule {
	struct where at, route_at;
	const char *kind; /* "tls", "tcp" */
	uint32_t index;   /* among its kind */
	uint32_t made;    /* among all of the VirtualService */
	const struct istio_l4_destination *v;
	uint32_t n;
};

static struct rule tls_rule(const struct build_unit *u, uint32_t i)
{
	const struct istio_virtual_service *vs = u->o->virtual_service;
	const struct istio_tls_route *r = &vs->tls.v[i];

	return (struct rule){r->at, r->route.at, "tls", i, vs->http.n + i, r->route.v, r->route.n};
}

static struct rule tcp_rule(const struct build_unit *u, uint32_t i)
{
	const struct istio_virtual_service *vs = u->o->virtual_service;
	const struct istio_tcp_route *r = &vs->tcp.v[i];

	return (struct rule){r->at,      r->route.at, "tcp", i, vs->http.n + vs->tls.n + i,
	                     r->route.v, r->route.n};
}

static const struct l4_route *make_route(struct build *b, struct build_unit *u,
                                         const struct rule *r, uint16_t port, bool *by_port)
{
	struct l4_route *out = heap_alloc(b->heap, sizeof(*out));
	struct build_share *v = arena_alloc(&b->scratch, r->n * sizeof(*v));
	struct build_shares shares = {.at = r->route_at, .unit = u, .n = r->n, .v = v};

	out->name = build_printf(b, "%s/%s/%s[%u]", u->o->ns.s, u->o->name.s, r->kind, r->index);
	if (r->at.file)
		out->source = build_printf(b, "%s:%u:%u", r->at.file, r->at.line, r->at.col);
	for (uint32_t i = 0; i < r->n; i++)
		v[i] = (struct build_share){r->v[i].at, r->v[i].destination, r->v[i].weight.v,
		                            NULL};
	/* An HTTP rule may have any name, also this one. */
	shares.identity = arena_printf(&b->scratch, "l4 %.*s", (int)out->name.len, out->name.p);
	out->split = build_shares(b, &shares, port, by_port);
	return out;
}

static const struct l4_route *route_of(struct build *b, struct build_unit *u, const struct rule *r,
                                       uint16_t port)
{
	bool fresh;
	struct build_made *m = build_made(b, u, r->made, port, &fresh);

	if (!fresh)
		return m ? m->l4 : NULL;
	struct build_frame was = build_enter_all(b, &u->part);

	build_about(b, u->o);
	m->l4 = make_route(b, u, r, port, &m->by_port);
	build_leave(b, was);
	return m->l4;
}

/* ---- tls -------------------------------------------------------------------------------- */

static const struct str *alpn_of(struct build *b, const struct istio_object *o, uint32_t *n)
{
	const char *note = istio_pair_get(&o->annotations, ISTIO_NOTE_ALPN);

	*n = 0;
	if (!note)
		return NULL;
	const char **words = arena_alloc(&b->scratch, (strlen(note) + 1) * sizeof(*words));

	*n = istio_words(&b->scratch, note, words);
	struct str *v = heap_alloc(b->heap, *n * sizeof(*v));

	for (uint32_t i = 0; i < *n; i++)
		v[i] = build_str(b, words[i]);
	return v;
}

/* How a stream cannot be reached. */
static void check_stream(struct build *b, const struct build_unit *u, const struct rule *r,
                         const struct l4_route *route, const char *because)
{
	build_about(b, u->o);
	for (uint32_t i = 0; i < route->split->n_dests; i++) {
		const struct subset *s = route->split->dests[i].subset;

		if (s && s->mode != FORWARD_NAT)
			diag_error(b->diags, r->v[i].at, "FORWARD_STREAM",
			           "this destination is to be reached by %s, but %s, so answers "
			           "must come back through here; use nat",
			           istio_forward_name(s->mode), because);
	}
}

struct tls_list {
	struct tls_rule *v;
	uint32_t n;
	const struct l4_route *last; /* not NULL: takes all that is left */
};

static void add_tls_rule(struct build *b, const struct build_host *h, const struct build_use *u,
                         uint32_t index, uint16_t port, struct tls_list *out)
{
	struct rule r = tls_rule(u->unit, index);
	const struct l4_route *route = route_of(b, u->unit, &r, port);

	if (!route)
		return;
	if (out->last) {
		build_about(b, u->unit->o);
		diag_warn(b->diags, r.at, "SNI_DUPLICATE",
		          "not used for the server name %s: %.*s (%.*s) comes first and takes it",
		          h->name, (int)out->last->name.len, out->last->name.p,
		          (int)out->last->source.len, out->last->source.p);
		return;
	}
	struct tls_rule *t = &out->v[out->n++];

	t->alpn = alpn_of(b, u->unit->o, &t->n_alpn);
	t->route = route;
	check_stream(b, u->unit, &r, route, "a TLS server reads the start of the connection");
	if (t->n_alpn == 0)
		out->last = route;
}

static uint32_t count_rules(const struct build_host *h)
{
	uint32_t n = 0;

	for (uint32_t k = 0; k < h->n_uses; k++)
		for (const struct build_rule *r = h->uses[k]->rules; r; r = r->next)
			n++;
	return n;
}

const struct vhost *build_tls(struct build *b, const struct build_host *h, uint16_t port)
{
	struct tls_list list = {.v = heap_alloc(b->heap, count_rules(h) * sizeof(*list.v))};
	struct vhost *v;

	for (uint32_t k = 0; k < h->n_uses; k++)
		for (const struct build_rule *r = h->uses[k]->rules; r; r = r->next)
			add_tls_rule(b, h, h->uses[k], r->index, port, &list);
	if (list.n == 0)
		return NULL;
	v = heap_alloc(b->heap, sizeof(*v));
	v->name = (struct str){h->name, (uint32_t)strlen(h->name)};
	v->tls = list.v;
	v->n_tls = list.n;
	return v;
}

/* ---- tcp, udp --------------------------------------------------------------------------- */

static bool wants_proxy_protocol(const struct l4_route *route)
{
	for (uint32_t i = 0; i < route->split->n_dests; i++) {
		const struct subset *s = route->split->dests[i].subset;

		if (s && s->proxy_protocol != PROXY_PROTOCOL_NONE)
			return true;
	}
	return false;
}

/* Packets that are not rewritten come to the port that the client asked for. */
static void check_ports(struct build *b, struct where at, const struct listener *l,
                        const struct subset *s)
{
	for (uint32_t i = 0; i < s->n_endpoints; i++) {
		const struct endpoint *e = &s->endpoints[i];

		if (e->port == l->port)
			continue;
		diag_error(b->diags, at, "FORWARD_PORT",
		           "%s leaves packets as they are, so endpoints must listen on port %u as "
		           "the Gateway does, and %.*s does not; change targetPort or the Gateway, "
		           "or use nat",
		           istio_forward_name(s->mode), ntohs(l->port), (int)e->name.len,
		           e->name.p);
		return;
	}
}

/* Neither a rewritten nor an unchanged packet can change its family. */
static void check_families(struct build *b, struct where at, const struct listener *l,
                           const struct subset *s)
{
	bool fixed = !ip_is_any(&l->addr);
	bool v4 =
		fixed ? ip_is_v4(&l->addr) : s->n_endpoints > 0 && ip_is_v4(&s->endpoints[0].addr);

	for (uint32_t i = 0; i < s->n_endpoints; i++) {
		const struct endpoint *e = &s->endpoints[i];

		if (ip_is_v4(&e->addr) == v4)
			continue;
		diag_warn(b->diags, at, "FAMILY",
		          "%.*s is an IPv%d address%s; %s reaches it from IPv%d clients only. Use "
		          "endpoints of one family, or ipip or gue",
		          (int)e->name.len, e->name.p, v4 ? 6 : 4,
		          fixed ? " and the listener's is of the other family"
		                : " and others are of the other family",
		          istio_forward_name(s->mode), v4 ? 6 : 4);
		return;
	}
}

static void check_subset(struct build *b, const struct rule *r, uint32_t i,
                         const struct listener *l, const struct build_host *h)
{
	const struct subset *s = h->l4->split->dests[i].subset;
	struct where at = r->v[i].at;

	if (!s)
		return;
	if (l->kind == LISTENER_UDP && s->proxy_protocol != PROXY_PROTOCOL_NONE)
		diag_error(b->diags, at, "UDP_PROXY_PROTOCOL",
		           "this destination wants the PROXY protocol, which UDP does not have; "
		           "remove proxyProtocol, or match the port of a TCP server");
	if (h->stream)
		return;
	if (s->mode != FORWARD_NAT)
		check_ports(b, at, l, s);
	if (s->mode == FORWARD_NAT || s->mode == FORWARD_DSR)
		check_families(b, at, l, s);
}

/* A port of protocol UDP for TCP is fine: so has DNS one port, and one rule for both. */
static void check_protocols(struct build *b, const struct build_unit *u, const struct rule *r,
                            const struct listener *l)
{
	for (uint32_t i = 0; i < r->n && l->kind == LISTENER_UDP; i++) {
		enum istio_protocol p =
			build_target_protocol(b, r->v[i].destination, u->o->ns.s, ntohs(l->port));

		if (p != ISTIO_PROTOCOL_UNKNOWN && p != ISTIO_PROTOCOL_UDP)
			diag_warn(b->diags, r->v[i].at, "PROTOCOL",
			          "connections to this destination come by UDP, but the port of "
			          "its ServiceEntry is not; give it protocol: UDP");
	}
}

/* Answers of some destinations come through here and those of others do not. */
static void check_mix(struct build *b, const struct rule *r, const struct l4_route *route)
{
	const struct subset *first = route->split->dests[0].subset;

	for (uint32_t i = 1; first && i < r->n; i++) {
		const struct subset *s = route->split->dests[i].subset;

		if (!s || (s->mode == FORWARD_NAT) == (first->mode == FORWARD_NAT))
			continue;
		diag_warn(b->diags, r->v[i].at, "FORWARD_MIXED",
		          "this destination is reached by %s and the first one by %s: several "
		          "nodes with these documents may choose differently for the packets of "
		          "one connection, so give them to one node only, or use nat for both or "
		          "neither",
		          istio_forward_name(s->mode), istio_forward_name(first->mode));
		return;
	}
}

static void choose(struct build *b, struct build_host *h, const struct listener *l,
                   const struct build_use *u, const struct rule *r)
{
	build_about(b, u->unit->o);
	h->stream = l->kind == LISTENER_TCP && wants_proxy_protocol(h->l4);
	if (h->stream)
		check_stream(b, u->unit, r, h->l4,
		             "another destination of the rule wants the PROXY protocol");
	for (uint32_t i = 0; i < r->n; i++)
		check_subset(b, r, i, l, h);
	check_protocols(b, u->unit, r, l);
	if (!h->stream)
		check_mix(b, r, h->l4);
}

void build_l4(struct build *b, struct build_host *h, const struct listener *l)
{
	for (uint32_t k = 0; k < h->n_uses; k++) {
		const struct build_use *u = h->uses[k];

		if (!u->rules)
			continue;
		struct rule r = tcp_rule(u->unit, u->rules->index);
		const struct l4_route *route = route_of(b, u->unit, &r, ntohs(l->port));

		if (!route)
			return;
		if (!h->l4) {
			h->l4 = route;
			choose(b, h, l, u, &r);
			continue;
		}
		build_about(b, u->unit->o);
		diag_warn(b->diags, r.at, "TCP_SHADOWED",
		          "not used for port %u: %.*s (%.*s) comes first and takes all of its "
		          "connections; give one of them match.port or match.gateways",
		          ntohs(l->port), (int)h->l4->name.len, h->l4->name.p,
		          (int)h->l4->source.len, h->l4->source.p);
	}
}
