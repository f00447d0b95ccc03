/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Listener, host name, VirtualServices, rules, in the order of the manual. Everything is looked for
 * by walking all documents: slow, and plain to see.
 */
#include "explain.h"

#include "explain_parts.h"
#include "host.h"

#include <stdio.h>
#include <string.h>

#define HOSTS_SHOWN_MAX 20 /* host names listed when none fits */

/* A place where requests of one port may come in. */
struct entrance {
	const char *gateway; /* "namespace/name", or "" for a listener of the node */
	const char *listener;
	bool https_redirect;
	struct ip_addr addr;
	uint16_t port;
	const char *ns;   /* only VirtualServices of this namespace; NULL: any */
	const char *host; /* pattern */
};

struct entrances {
	struct entrance *v;
	uint32_t n;
};

/* A list of n items in which one more has room: it doubles whenever n is a power of two. */
static void *room_for_one(struct explain *e, void *v, uint32_t n, size_t item)
{
	if (n & (n - 1))
		return v;
	void *bigger = arena_alloc(&e->arena, (n ? 2 * n : 1) * item);

	if (n > 0)
		memcpy(bigger, v, n * item);
	return bigger;
}

/* ---- entrances -------------------------------------------------------------------------- */

static void add_entrance(struct explain *e, struct entrances *l, const struct entrance *one)
{
	l->v = room_for_one(e, l->v, l->n, sizeof(*l->v));
	l->v[l->n] = *one;
	if (ip_is_v4(&one->addr) && one->addr.w[3] == 0)
		l->v[l->n].addr = (struct ip_addr){0};
	l->n++;
}

static void add_gateway(struct explain *e, struct entrances *l, const struct istio_object *o)
{
	for (uint32_t i = 0; i < o->gateway->servers.n; i++) {
		const struct istio_server *s = &o->gateway->servers.v[i];
		const char *name = s->name.s ? s->name.s : s->port->name.s;
		struct entrance one = {
			.gateway = arena_printf(&e->arena, "%s/%s", o->ns.s, o->name.s),
			.port = (uint16_t)s->port->number.v,
			.https_redirect = s->tls && s->tls->https_redirect.v,
		};

		one.listener = arena_printf(&e->arena, "%s/%s", one.gateway, name ? name : "");
		if (s->bind.s)
			ip_parse(s->bind.s, &one.addr);
		for (uint32_t k = 0; k < s->hosts.n; k++) {
			struct istio_server_host h =
				istio_server_host(&e->arena, s->hosts.v[k].s, o->ns.s);

			one.ns = h.ns;
			one.host = h.host;
			add_entrance(e, l, &one);
		}
	}
}

static struct entrances all_entrances(struct explain *e)
{
	struct entrance one = {.gateway = "", .listener = "weir.yaml", .host = "*"};
	uint32_t n, first = docset_range(e->docs, ISTIO_GATEWAY, &n);
	struct entrances l = {0};

	for (uint32_t i = first; i < first + n; i++)
		add_gateway(e, &l, docset_at(e->docs, i));
	for (uint32_t i = 0; n == 0 && i < e->o->n_listeners; i++) {
		one.addr = e->o->listeners[i].addr;
		one.port = e->o->listeners[i].port;
		add_entrance(e, &l, &one);
	}
	if (n == 0 && e->o->n_listeners == 0) {
		one.port = e->port;
		add_entrance(e, &l, &one);
	}
	return l;
}

/* The listener a request to this port reaches: its own address, else any address, else the first. */
static const struct entrance *reached(const struct explain *e, const struct entrances *l)
{
	const struct entrance *best = NULL;
	struct ip_addr to;
	bool is_ip = ip_parse(e->host, &to);

	for (uint32_t i = 0; i < l->n; i++) {
		const struct entrance *one = &l->v[i];

		if (one->port != e->port)
			continue;
		if (is_ip && ip_eq(&one->addr, &to))
			return one;
		if (!best || (ip_is_any(&one->addr) && !ip_is_any(&best->addr)))
			best = one;
	}
	return best;
}

static bool same_listener(const struct entrance *a, const struct entrance *b)
{
	return a->port == b->port && ip_eq(&a->addr, &b->addr);
}

/* ---- binding ---------------------------------------------------------------------------- */

/* Does a VirtualService without a list, or with "mesh" in it, count as bound? */
static bool mesh_counts(const struct explain *e)
{
	return !e->o->strict_gateways;
}

static bool list_names(struct explain *e, const struct istio_texts *list, const char *ns,
                       const char *gateway)
{
	struct istio_gateway_ref r;

	for (uint32_t i = 0; i < list->n; i++) {
		if (!istio_gateway_ref(&e->arena, list->v[i].s, ns, &r) || r.mesh)
			continue;
		if (strcmp(arena_printf(&e->arena, "%s/%s", r.ns, r.name), gateway) == 0)
			return true;
	}
	return false;
}

static bool list_has_mesh(const struct istio_texts *list)
{
	for (uint32_t i = 0; i < list->n; i++)
		if (strcmp(list->v[i].s, "mesh") == 0)
			return true;
	return false;
}

static bool is_mesh(const struct explain *e, const struct istio_object *vs)
{
	const struct istio_texts *gateways = &vs->virtual_service->gateways;

	return mesh_counts(e) && (gateways->n == 0 || list_has_mesh(gateways));
}

static bool is_bound(struct explain *e, const struct istio_object *vs, const struct entrance *one)
{
	if (one->ns && strcmp(one->ns, vs->ns.s) != 0)
		return false;
	return is_mesh(e, vs) || (*one->gateway && list_names(e, &vs->virtual_service->gateways,
	                                                      vs->ns.s, one->gateway));
}

/* The host name under which the VirtualService's k-th host is served there, or NULL. */
static const char *served_host(struct explain *e, const struct istio_object *vs, uint32_t k,
                               const struct entrance *one)
{
	const char *host =
		host_expand(&e->arena, vs->virtual_service->hosts.v[k].s, vs->ns.s, e->domain);

	return is_bound(e, vs, one) ? host_intersect(one->host, host) : NULL;
}

/* ---- rules of a host name --------------------------------------------------------------- */

struct candidate {
	const struct istio_object *vs;
	const struct istio_http_route *rule;
	const struct istio_http_match *match; /* NULL: none */
	uint32_t rule_index, match_index;
	bool catch_all;
};

struct candidates {
	struct candidate *v;
	uint32_t n;
};

static void add_candidate(struct explain *e, struct candidates *l, struct candidate one)
{
	l->v = room_for_one(e, l->v, l->n, sizeof(*l->v));
	l->v[l->n++] = one;
}

/* Through which gateways does the VirtualService come to this host name on this listener? */
static bool comes_through(struct explain *e, const struct entrances *l,
                          const struct entrance *listener, const char *name,
                          const struct istio_object *vs, const struct istio_texts *only)
{
	if (only && list_has_mesh(only) && is_mesh(e, vs))
		only = NULL;
	for (uint32_t i = 0; i < l->n; i++) {
		const struct entrance *one = &l->v[i];

		if (!same_listener(one, listener) ||
		    (only && !(*one->gateway && list_names(e, only, vs->ns.s, one->gateway))))
			continue;
		for (uint32_t k = 0; k < vs->virtual_service->hosts.n; k++) {
			const char *host = served_host(e, vs, k, one);

			if (host && strcmp(host, name) == 0)
				return true;
		}
	}
	return false;
}

static bool is_catch_all(const struct istio_http_match *m)
{
	const struct istio_string_match *uri = m ? m->uri : NULL;

	if (!m)
		return true;
	if (m->method || m->scheme || m->authority || m->headers.n || m->without_headers.n ||
	    m->query_params.n)
		return false;
	return !uri || (uri->prefix.s && strcmp(uri->prefix.s, "/") == 0) ||
	       (uri->regex.s && strcmp(uri->regex.s, ".*") == 0) ||
	       (!uri->prefix.s && !uri->regex.s && !uri->exact.s);
}

/* The blocks of one VirtualService that count on this listener, up to its first catch-all. */
static void add_rules(struct explain *e, const struct entrances *l, const struct entrance *listener,
                      const char *name, const struct istio_object *vs, struct candidates *out)
{
	const struct istio_virtual_service *s = vs->virtual_service;

	for (uint32_t i = 0; i < s->http.n; i++) {
		const struct istio_http_route *rule = &s->http.v[i];

		if (rule->match.n == 0) {
			add_candidate(e, out, (struct candidate){vs, rule, NULL, i, 0, true});
			return;
		}
		for (uint32_t k = 0; k < rule->match.n; k++) {
			const struct istio_http_match *m = &rule->match.v[k];
			struct candidate one = {vs, rule, m, i, k, is_catch_all(m)};

			if (m->port.set && m->port.v != listener->port)
				continue;
			if (m->gateways.n && !comes_through(e, l, listener, name, vs, &m->gateways))
				continue;
			add_candidate(e, out, one);
			if (one.catch_all)
				return;
		}
	}
}

static struct candidates rules_of(struct explain *e, const struct entrances *l,
                                  const struct entrance *listener, const char *name)
{
	uint32_t n, first = docset_range(e->docs, ISTIO_VIRTUAL_SERVICE, &n);
	struct candidates all = {0}, sorted = {0};

	for (uint32_t i = first; i < first + n; i++) {
		const struct istio_object *vs = docset_at(e->docs, i);

		if (comes_through(e, l, listener, name, vs, NULL))
			add_rules(e, l, listener, name, vs, &all);
	}
	for (uint32_t i = 0; i < all.n; i++)
		if (!all.v[i].catch_all)
			add_candidate(e, &sorted, all.v[i]);
	for (uint32_t i = 0; i < all.n; i++)
		if (all.v[i].catch_all)
			add_candidate(e, &sorted, all.v[i]);
	return sorted;
}

/* ---- host name -------------------------------------------------------------------------- */

/* Exact before "*suffix", the longer suffix before the shorter, "*" last. */
static bool beats(const char *a, const char *b)
{
	bool wild_a = *a == '*', wild_b = *b == '*';

	if (wild_a != wild_b)
		return wild_b;
	return strlen(a) > strlen(b);
}

/* Does the pattern match the Host header's name? An IPv6 address stands in brackets there. */
static bool fits(struct explain *e, const char *pattern)
{
	if (strcmp(pattern, "*") == 0)
		return true;
	if (*pattern != '*')
		return strcmp(strchr(pattern, ':') ? arena_printf(&e->arena, "[%s]", pattern)
		                                   : pattern,
		              e->host) == 0;
	size_t len = strlen(e->host), suffix = strlen(pattern + 1);

	return len > suffix && strcmp(e->host + len - suffix, pattern + 1) == 0;
}

/* All host names of the listener, each once. */
static json_t *listener_hosts(struct explain *e, const struct entrances *l,
                              const struct entrance *listener)
{
	uint32_t n, first = docset_range(e->docs, ISTIO_VIRTUAL_SERVICE, &n);
	json_t *set = json_object();

	for (uint32_t i = 0; i < l->n; i++) {
		if (!same_listener(&l->v[i], listener))
			continue;
		if (l->v[i].https_redirect)
			json_object_set_new(set, l->v[i].host, json_true());
		for (uint32_t k = first; k < first + n; k++) {
			const struct istio_object *vs = docset_at(e->docs, k);

			for (uint32_t h = 0; h < vs->virtual_service->hosts.n; h++) {
				const char *name = served_host(e, vs, h, &l->v[i]);

				if (name)
					json_object_set_new(set, name, json_true());
			}
		}
	}
	return set;
}

static bool redirects_name(struct explain *e, const struct entrances *l,
                           const struct entrance *listener, const char *name)
{
	uint32_t n, first = docset_range(e->docs, ISTIO_VIRTUAL_SERVICE, &n);

	for (uint32_t i = 0; i < l->n; i++) {
		const struct entrance *one = &l->v[i];

		if (!same_listener(one, listener) || !one->https_redirect)
			continue;
		if (strcmp(one->host, name) == 0)
			return true;
		for (uint32_t k = first; k < first + n; k++) {
			const struct istio_object *vs = docset_at(e->docs, k);

			for (uint32_t h = 0; h < vs->virtual_service->hosts.n; h++) {
				const char *host = served_host(e, vs, h, one);

				if (host && strcmp(host, name) == 0)
					return true;
			}
		}
	}
	return false;
}

/* The host name that takes the request: the best that fits and has rules here, or redirects. */
static const char *best_host(struct explain *e, const struct entrances *l,
                             const struct entrance *listener, json_t *hosts)
{
	const char *best = NULL, *name;
	json_t *value;

	json_object_foreach(hosts, name, value)
	{
		if (!fits(e, name) || (best && !beats(name, best)))
			continue;
		if (redirects_name(e, l, listener, name) || rules_of(e, l, listener, name).n > 0)
			best = name;
	}
	return best ? arena_dup(&e->arena, best) : NULL;
}

/* ---- the explanation -------------------------------------------------------------------- */

static const char *place_of(struct explain *e, struct where at)
{
	return at.file ? arena_printf(&e->arena, "%s:%u:%u", at.file, at.line, at.col) : "";
}

static json_t *describe(struct explain *e, const struct candidate *c)
{
	json_t *out =
		json_pack("{s:s, s:s, s:i, s:s, s:s}", "virtual_service",
	                  arena_printf(&e->arena, "%s/%s", c->vs->ns.s, c->vs->name.s), "rule",
	                  c->rule->name.s ? c->rule->name.s : "", "rule_index", (int)c->rule_index,
	                  "match", c->match && c->match->name.s ? c->match->name.s : "", "source",
	                  place_of(e, c->match ? c->match->at : c->rule->at));

	json_object_set_new(out, "match_index",
	                    c->match ? json_integer(c->match_index) : json_null());
	return out;
}

static void set_answer(json_t *out, int status, const char *why)
{
	json_object_set_new(out, "outcome", json_string("local_reply"));
	json_object_set_new(out, "status", json_integer(status));
	json_object_set_new(out, "reason", json_string(why));
}

static void try_rules(struct explain *e, const struct candidates *rules, uint16_t port, json_t *out)
{
	json_t *tried = json_array();

	json_object_set_new(out, "tried", tried);
	for (uint32_t i = 0; i < rules->n; i++) {
		const struct candidate *c = &rules->v[i];
		const char *why = explain_mismatch(e, c->match);
		json_t *item = describe(e, c);

		if (why) {
			json_object_set_new(item, "reason", json_string(why));
			json_array_append_new(tried, item);
			continue;
		}
		json_t *action = explain_action(e, c->vs, c->rule, c->match, port);

		json_object_update(item, action);
		json_object_set(out, "outcome", json_object_get(action, "action"));
		json_object_set_new(out, "chosen", item);
		json_decref(action);
		return;
	}
	set_answer(out, 404, "no rule of this host matches");
}

static void set_hosts(json_t *out, json_t *hosts)
{
	json_t *list = json_array(), *value;
	const char *name;

	json_object_foreach(hosts, name, value) if (json_array_size(list) < HOSTS_SHOWN_MAX)
		json_array_append_new(list, json_string(name));
	json_object_set_new(out, "hosts", list);
	json_object_set_new(out, "n_hosts", json_integer((json_int_t)json_object_size(hosts)));
}

static bool all_redirect(const struct entrances *l, const struct entrance *listener)
{
	for (uint32_t i = 0; i < l->n; i++)
		if (same_listener(&l->v[i], listener) && !l->v[i].https_redirect)
			return false;
	return true;
}

static void set_https_redirect(json_t *out, const char *location)
{
	json_object_set_new(out, "outcome", json_string("redirect"));
	json_object_set_new(out, "chosen",
	                    json_pack("{s:s, s:s, s:i, s:s}", "rule", "tls.httpsRedirect", "action",
	                              "redirect", "status", 301, "location", location));
}

/* Every server of the port redirects: Host stays as it is, with its port. */
static const char *https_location(struct explain *e)
{
	return arena_printf(&e->arena, "https://%s%s%s%s", e->authority, e->path,
	                    e->query ? "?" : "", e->query ? e->query : "");
}

static void choose(struct explain *e, json_t *out)
{
	struct entrances l = all_entrances(e);
	const struct entrance *listener = reached(e, &l);
	static const struct istio_redirect to_https = {.scheme = {.s = "https"}};
	char addr[IP_ADDR_TEXT_MAX];

	if (!listener) {
		set_answer(out, 0, arena_printf(&e->arena, "nothing listens on port %u", e->port));
		return;
	}
	json_object_set_new(
		out, "listener",
		json_pack("{s:s, s:s, s:i}", "name", listener->listener, "address",
	                  ip_is_any(&listener->addr) ? "*" : ip_format(&listener->addr, addr),
	                  "port", (int)listener->port));
	if (all_redirect(&l, listener)) {
		set_https_redirect(out, https_location(e));
		return;
	}
	json_t *hosts = listener_hosts(e, &l, listener);
	const char *name = best_host(e, &l, listener, hosts);

	if (!name) {
		set_hosts(out, hosts);
		set_answer(out, 404, "no host name of this listener fits");
	} else {
		struct candidates rules = rules_of(e, &l, listener, name);

		json_object_set_new(out, "host", json_string(name));
		if (redirects_name(e, &l, listener, name))
			set_https_redirect(out, explain_location(e, &to_https, listener->port));
		else
			try_rules(e, &rules, listener->port, out);
	}
	json_decref(hosts);
}

json_t *explain_route(const struct docset *docs, const struct build_options *o,
                      const struct explain_request *r, char *err, size_t err_size)
{
	struct explain e = {
		.docs = docs, .o = o, .domain = o->domain ? o->domain : "cluster.local"};
	json_t *out = NULL;

	if (explain_read(&e, r, err, err_size)) {
		out = json_object();
		json_object_set_new(out, "request",
		                    json_pack("{s:s, s:s, s:s, s:s?}", "method", e.method,
		                              "authority", e.authority, "path", e.path, "query",
		                              e.query));
		choose(&e, out);
	}
	arena_fini(&e.arena);
	return out;
}
