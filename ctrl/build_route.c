/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a rule does: forward by weight, redirect, or answer. A rule is one route wherever it applies,
 * so its split has one cursor and its destinations one set of figures; only a rule with a
 * destination that leaves the port open, and a service with several, differs by listener port.
 */
#include "build_parts.h"
#include "build_split.h"

#include <stdio.h>

/* "canary", or "http[2]" when the rule has no name. A name that is there twice gets its index too. */
static const char *rule_name(struct build *b, const struct build_block *k)
{
	const struct istio_virtual_service *vs = k->vs->virtual_service;
	uint32_t same = 0;

	if (!k->rule->name.s || !*k->rule->name.s)
		return arena_printf(&b->scratch, "http[%u]", k->rule_index);
	for (uint32_t i = 0; i < vs->http.n; i++)
		same += vs->http.v[i].name.s && strcmp(vs->http.v[i].name.s, k->rule->name.s) == 0;
	return same == 1 ? k->rule->name.s
	                 : arena_printf(&b->scratch, "%s[%u]", k->rule->name.s, k->rule_index);
}

/* ---- forward ---------------------------------------------------------------------------- */

static uint32_t weight_of(const struct build_shares *s, uint32_t i)
{
	if (s->n == 1)
		return 1; /* Istio ignores the weight of a single destination */
	return s->v[i].weight > 0 ? (uint32_t)s->v[i].weight : 0;
}

static void make_table(struct build *b, const struct build_shares *from, struct split *s)
{
	uint32_t *weights = arena_alloc(&b->scratch, from->n * sizeof(*weights));

	for (uint32_t i = 0; i < from->n; i++)
		weights[i] = weight_of(from, i);
	uint64_t size = build_split_size(weights, from->n);

	if (size == 0) {
		diag_error(b->diags, from->at, "WEIGHT_TOTAL_ZERO",
		           "every weight is 0; give at least one destination a weight");
		return;
	}
	if (size > BUILD_SPLIT_MAX) {
		diag_error(
			b->diags, from->at, "LIMIT_WEIGHTS",
			"these weights need a table of %llu places and it may have %u: shares are "
			"exact here, never rounded; give weights whose sum over their greatest "
			"common divisor is at most that, for example parts of 10000",
			(unsigned long long)size, BUILD_SPLIT_MAX);
		return;
	}
	uint16_t *table = heap_alloc(b->heap, size * sizeof(*table));

	build_split_fill(weights, from->n, table);
	s->table = table;
	s->n_table = (uint32_t)size;
}

/* What makes two splits the same: the rule, its destinations, their weights. */
static const char *split_identity(struct build *b, const struct build_shares *s,
                                  const struct dest *dests)
{
	const char *id = s->identity;

	for (uint32_t i = 0; i < s->n; i++)
		id = arena_printf(&b->scratch, "%s %.*s=%u", id, (int)dests[i].name.len,
		                  dests[i].name.p, dests[i].weight);
	return id;
}

const struct split *build_shares(struct build *b, const struct build_shares *from, uint16_t port,
                                 bool *by_port)
{
	struct split *s = heap_alloc(b->heap, sizeof(*s));
	struct dest *dests = heap_alloc(b->heap, from->n * sizeof(*dests));

	for (uint32_t i = 0; i < from->n; i++) {
		const struct build_share *d = &from->v[i];
		struct build_target t = build_target(b, d->destination, from->unit, port);

		*by_port = *by_port || t.by_port;
		dests[i].subset = t.subset;
		dests[i].weight = weight_of(from, i);
		dests[i].name = build_str(b, t.name);
		if (!d->headers)
			continue;
		dests[i].request_ops = build_header_ops(b, d->headers->request, from->host_is_set);
		dests[i].response_ops = build_header_ops(b, d->headers->response, false);
	}
	const char *identity = split_identity(b, from, dests);

	for (uint32_t i = 0; i < from->n; i++)
		dests[i].stats =
			build_slot(b, REGISTRY_DESTS,
		                   arena_printf(&b->scratch, "%s #%u", identity, i), from->v[i].at);
	s->slot = build_slot(b, REGISTRY_SPLITS, identity, from->at);
	s->n_dests = from->n;
	s->dests = dests;
	make_table(b, from, s);
	return s;
}

/* What Istio lets one say of a subset, and what HTTP does not do. */
static void check_http(struct build *b, const struct build_block *k, uint32_t i,
                       const struct subset *s, uint16_t port)
{
	const struct istio_destination *d = k->rule->route.v[i].destination;
	enum istio_protocol protocol = build_target_protocol(b, d, k->vs->ns.s, port);

	if (protocol != ISTIO_PROTOCOL_HTTP && protocol != ISTIO_PROTOCOL_UNKNOWN)
		diag_warn(b->diags, d->at, "PROTOCOL",
		          "requests to this port go out as plain HTTP/1.1, but its ServiceEntry "
		          "says another protocol; use HTTP there if that is meant");
	if (s && s->proxy_protocol != PROXY_PROTOCOL_NONE)
		diag_error(b->diags, d->at, "HTTP_PROXY_PROTOCOL",
		           "this destination wants the PROXY protocol, which http rules do not "
		           "send: their connections are shared by clients; use a tcp rule, or "
		           "read X-Forwarded-For");
	if (s && s->mode != FORWARD_NAT)
		diag_warn(b->diags, d->at, "FORWARD_UNUSED",
		          "this destination is to be reached by %s, which is for tcp rules: "
		          "requests are forwarded over connections of this node as always",
		          istio_forward_name(s->mode));
}

static const struct split *make_split(struct build *b, const struct build_block *k, uint16_t port,
                                      const struct route *route, bool *by_port)
{
	const struct istio_http_route *rule = k->rule;
	struct build_share *v = arena_alloc(&b->scratch, rule->route.n * sizeof(*v));
	struct build_shares shares = {
		.at = rule->route.at,
		.unit = k->unit,
		.identity = arena_printf(&b->scratch, "%.*s", (int)route->name.len, route->name.p),
		.host_is_set = route->rewrite_host ||
	                       (rule->headers && build_sets_host(rule->headers->request)),
		.n = rule->route.n,
		.v = v,
	};

	for (uint32_t i = 0; i < rule->route.n; i++) {
		const struct istio_http_destination *d = &rule->route.v[i];

		v[i] = (struct build_share){d->at, d->destination, d->weight.v, d->headers};
	}
	const struct split *s = build_shares(b, &shares, port, by_port);

	for (uint32_t i = 0; i < s->n_dests; i++)
		check_http(b, k, i, s->dests[i].subset, port);
	return s;
}

/* ---- redirect and answer ---------------------------------------------------------------- */

static const struct redirect *make_redirect(struct build *b, const struct istio_redirect *r)
{
	struct redirect *out = heap_alloc(b->heap, sizeof(*out));

	out->status = r->redirect_code.set ? (uint16_t)r->redirect_code.v : 301;
	out->scheme = build_str(b, r->scheme.s);
	out->authority = build_str(b, r->authority.s);
	out->uri = build_str(b, r->uri.s);
	if (r->port.set) {
		out->port_from = REDIRECT_PORT_EXPLICIT;
		out->port = (uint16_t)r->port.v;
	} else if (r->derive_port.set) {
		out->port_from = r->derive_port.v == ISTIO_FROM_REQUEST_PORT
		                         ? REDIRECT_PORT_REQUEST
		                         : REDIRECT_PORT_DEFAULT;
	}
	return out;
}

static const struct direct_response *make_direct(struct build *b,
                                                 const struct istio_direct_response *d)
{
	struct direct_response *out = heap_alloc(b->heap, sizeof(*out));

	out->status = (uint16_t)d->status.v;
	if (d->body)
		out->body = build_str(b, d->body->string.s);
	return out;
}

/* ---- route ------------------------------------------------------------------------------ */

static void set_action(struct build *b, const struct build_block *k, uint16_t port,
                       struct route *out, bool *by_port)
{
	const struct istio_http_route *rule = k->rule;

	if (rule->redirect) {
		out->kind = ROUTE_REDIRECT;
		out->redirect = make_redirect(b, rule->redirect);
	} else if (rule->direct_response) {
		out->kind = ROUTE_DIRECT;
		out->direct = make_direct(b, rule->direct_response);
	} else {
		out->kind = ROUTE_FORWARD;
		out->split = make_split(b, k, port, out, by_port);
	}
	out->stats = build_slot(b, REGISTRY_DESTS,
	                        arena_printf(&b->scratch, "%.*s", (int)out->name.len, out->name.p),
	                        rule->at);
}

static const struct route *make_route(struct build *b, const struct build_block *k, uint16_t port,
                                      bool *by_port)
{
	const struct istio_http_route *rule = k->rule;
	struct route *out = heap_alloc(b->heap, sizeof(*out));

	out->name = build_printf(b, "%s/%s/%s", k->vs->ns.s, k->vs->name.s, rule_name(b, k));
	if (rule->at.file)
		out->source =
			build_printf(b, "%s:%u:%u", rule->at.file, rule->at.line, rule->at.col);
	out->timeout_us = rule->timeout.us;
	if (rule->rewrite) {
		out->rewrite_uri = build_str(b, rule->rewrite->uri.s);
		out->authority = build_str(b, rule->rewrite->authority.s);
		out->rewrite_host = out->authority.len > 0;
	}
	if (rule->headers) {
		out->request_ops = build_header_ops(b, rule->headers->request, false);
		out->response_ops = build_header_ops(b, rule->headers->response, false);
	}
	set_action(b, k, port, out, by_port);
	return out;
}

struct build_made *build_made(struct build *b, struct build_unit *unit, uint32_t index,
                              uint16_t port, bool *fresh)
{
	struct build_made **made = &unit->made[index], *m = *made;

	*fresh = false;
	while (m && m->by_port && m->port != port)
		m = m->next;
	if (m)
		return m;
	if (!unit->part
	             .fresh) { /* which of its rules are used hangs on it alone, so this is no surprise */
		b->again = true;
		return NULL;
	}
	m = heap_alloc(unit->part.heap, sizeof(*m));
	m->port = port;
	m->next = *made;
	*made = m;
	*fresh = true;
	return m;
}

const struct route *build_route(struct build *b, const struct build_block *block, uint16_t port)
{
	bool fresh;
	struct build_made *m = build_made(b, block->unit, block->rule_index, port, &fresh);

	if (!fresh)
		return m ? m->route : NULL;
	struct build_frame was = build_enter_all(b, &block->unit->part);

	build_about(b, block->vs);
	m->route = make_route(b, block, port, &m->by_port);
	build_leave(b, was);
	return m->route;
}

const struct route *build_https_redirect(struct build *b, const char *gateway)
{
	struct route *out = heap_alloc(b->heap, sizeof(*out));
	struct redirect *to = heap_alloc(b->heap, sizeof(*to));

	to->status = 301;
	to->scheme = STR("https");
	out->name = build_printf(b, "%s/httpsRedirect", gateway);
	out->kind = ROUTE_REDIRECT;
	out->redirect = to;
	out->stats = build_slot(b, REGISTRY_DESTS,
	                        arena_printf(&b->scratch, "%s/httpsRedirect", gateway),
	                        (struct where){0});
	return out;
}
