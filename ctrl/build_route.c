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

static uint32_t weight_of(const struct istio_http_route *rule, uint32_t i)
{
	if (rule->route.n == 1)
		return 1; /* Istio ignores the weight of a single destination */
	return rule->route.v[i].weight.v > 0 ? (uint32_t)rule->route.v[i].weight.v : 0;
}

static void make_table(struct build *b, const struct istio_http_route *rule, struct split *s)
{
	uint32_t *weights = arena_alloc(&b->scratch, rule->route.n * sizeof(*weights));

	for (uint32_t i = 0; i < rule->route.n; i++)
		weights[i] = weight_of(rule, i);
	uint64_t size = build_split_size(weights, rule->route.n);

	if (size == 0) {
		diag_error(b->diags, rule->route.at, "WEIGHT_TOTAL_ZERO",
		           "every weight is 0; give at least one destination a weight");
		return;
	}
	if (size > BUILD_SPLIT_MAX) {
		diag_error(
			b->diags, rule->route.at, "LIMIT_WEIGHTS",
			"these weights need a table of %llu places and it may have %u: shares are "
			"exact here, never rounded; give weights whose sum over their greatest "
			"common divisor is at most that, for example parts of 10000",
			(unsigned long long)size, BUILD_SPLIT_MAX);
		return;
	}
	uint16_t *table = heap_alloc(b->heap, size * sizeof(*table));

	build_split_fill(weights, rule->route.n, table);
	s->table = table;
	s->n_table = (uint32_t)size;
}

/* What makes two splits the same: the rule, its destinations, their weights. */
static const char *split_identity(struct build *b, const struct build_block *k, struct str route,
                                  const struct dest *dests)
{
	const char *id = arena_printf(&b->scratch, "%.*s", (int)route.len, route.p);

	for (uint32_t i = 0; i < k->rule->route.n; i++)
		id = arena_printf(&b->scratch, "%s %.*s=%u", id, (int)dests[i].name.len,
		                  dests[i].name.p, dests[i].weight);
	return id;
}

static const struct split *make_split(struct build *b, const struct build_block *k, uint16_t port,
                                      const struct route *route, bool *by_port)
{
	const struct istio_http_route *rule = k->rule;
	struct split *s = heap_alloc(b->heap, sizeof(*s));
	struct dest *dests = heap_alloc(b->heap, rule->route.n * sizeof(*dests));
	bool host_is_set =
		route->rewrite_host || (rule->headers && build_sets_host(rule->headers->request));

	for (uint32_t i = 0; i < rule->route.n; i++) {
		const struct istio_http_destination *d = &rule->route.v[i];
		struct build_target t = build_target(b, d->destination, k->unit, port);

		*by_port = *by_port || t.by_port;
		dests[i].subset = t.subset;
		dests[i].weight = weight_of(rule, i);
		dests[i].name = build_str(b, t.name);
		if (!d->headers)
			continue;
		dests[i].request_ops = build_header_ops(b, d->headers->request, host_is_set);
		dests[i].response_ops = build_header_ops(b, d->headers->response, false);
	}
	const char *identity = split_identity(b, k, route->name, dests);

	for (uint32_t i = 0; i < rule->route.n; i++)
		dests[i].stats = build_slot(b, REGISTRY_DESTS,
		                            arena_printf(&b->scratch, "%s #%u", identity, i),
		                            rule->route.v[i].at);
	s->slot = build_slot(b, REGISTRY_SPLITS, identity, rule->route.at);
	s->n_dests = rule->route.n;
	s->dests = dests;
	make_table(b, rule, s);
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

const struct route *build_route(struct build *b, const struct build_block *block, uint16_t port)
{
	struct build_unit *unit = block->unit;
	struct build_made **made = &unit->made[block->rule_index], *m = *made;

	while (m && m->by_port && m->port != port)
		m = m->next;
	if (m)
		return m->route;
	if (!unit->part
	             .fresh) { /* which of its rules are used hangs on it alone, so this is no surprise */
		b->again = true;
		return NULL;
	}
	struct build_frame was = build_enter_all(b, &unit->part);

	build_about(b, block->vs);
	m = heap_alloc(b->heap, sizeof(*m));
	m->route = make_route(b, block, port, &m->by_port);
	m->port = port;
	m->next = *made;
	*made = m;
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
