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
	l->v = explain_room(e, l->v, l->n, sizeof(*l->v));
	l->v[l->n++] = one;
}

/* Through which gateways does the VirtualService come to this host name on this listener? */
static bool comes_through(struct explain *e, const struct entrances *l,
                          const struct entrance *listener, const char *name,
                          const struct istio_object *vs, const struct istio_texts *only)
{
	if (only && explain_list_has_mesh(only) && explain_is_mesh(e, vs))
		only = NULL;
	for (uint32_t i = 0; i < l->n; i++) {
		const struct entrance *one = &l->v[i];

		if (!explain_same_listener(one, listener) ||
		    (only &&
		     !(*one->gateway && explain_list_names(e, only, vs->ns.s, one->gateway))))
			continue;
		for (uint32_t k = 0; k < vs->virtual_service->hosts.n; k++) {
			const char *host = explain_served_host(e, vs, k, one);

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
bool explain_beats(const char *a, const char *b)
{
	bool wild_a = *a == '*', wild_b = *b == '*';

	if (wild_a != wild_b)
		return wild_b;
	return strlen(a) > strlen(b);
}

/* Does the pattern match the Host header's name? An IPv6 address stands in brackets there. */
bool explain_fits(struct explain *e, const char *pattern)
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
		if (!explain_same_listener(&l->v[i], listener))
			continue;
		if (l->v[i].https_redirect)
			json_object_set_new(set, l->v[i].host, json_true());
		for (uint32_t k = first; k < first + n; k++) {
			const struct istio_object *vs = docset_at(e->docs, k);

			for (uint32_t h = 0; h < vs->virtual_service->hosts.n; h++) {
				const char *name = explain_served_host(e, vs, h, &l->v[i]);

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

		if (!explain_same_listener(one, listener) || !one->https_redirect)
			continue;
		if (strcmp(one->host, name) == 0)
			return true;
		for (uint32_t k = first; k < first + n; k++) {
			const struct istio_object *vs = docset_at(e->docs, k);

			for (uint32_t h = 0; h < vs->virtual_service->hosts.n; h++) {
				const char *host = explain_served_host(e, vs, h, one);

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
		if (!explain_fits(e, name) || (best && !explain_beats(name, best)))
			continue;
		if (redirects_name(e, l, listener, name) || rules_of(e, l, listener, name).n > 0)
			best = name;
	}
	return best ? arena_dup(&e->arena, best) : NULL;
}

/* ---- the explanation -------------------------------------------------------------------- */

const char *explain_place(struct explain *e, struct where at)
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
	                  explain_place(e, c->match ? c->match->at : c->rule->at));

	json_object_set_new(out, "match_index",
	                    c->match ? json_integer(c->match_index) : json_null());
	return out;
}

void explain_set_answer(json_t *out, int status, const char *why)
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
	explain_set_answer(out, 404, "no rule of this host matches");
}

void explain_set_hosts(json_t *out, json_t *hosts)
{
	json_t *list = json_array(), *value;
	const char *name;

	json_object_foreach(hosts, name, value) if (json_array_size(list) < EXPLAIN_HOSTS_MAX)
		json_array_append_new(list, json_string(name));
	json_object_set_new(out, "hosts", list);
	json_object_set_new(out, "n_hosts", json_integer((json_int_t)json_object_size(hosts)));
}

static bool all_redirect(const struct entrances *l, const struct entrance *listener)
{
	for (uint32_t i = 0; i < l->n; i++)
		if (explain_same_listener(&l->v[i], listener) && !l->v[i].https_redirect)
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

void explain_set_listener(json_t *out, const struct entrance *listener)
{
	char addr[IP_ADDR_TEXT_MAX];

	json_object_set_new(
		out, "listener",
		json_pack("{s:s, s:s, s:i}", "name", listener->listener, "address",
	                  ip_is_any(&listener->addr) ? "*" : ip_format(&listener->addr, addr),
	                  "port", (int)listener->port));
}

static void choose(struct explain *e, json_t *out)
{
	struct entrances l = explain_entrances(e);
	const struct entrance *listener = explain_reached(e, &l);
	static const struct istio_redirect to_https = {.scheme = {.s = "https"}};

	if (!listener) {
		explain_set_answer(out, 0, explain_nothing_listens(e));
		return;
	}
	explain_set_listener(out, listener);
	if (listener->protocol != ISTIO_PROTOCOL_HTTP) {
		explain_set_answer(
			out, 0,
			arena_printf(&e->arena, "this is a listener for connections; ask %s://%s",
		                     listener->protocol == ISTIO_PROTOCOL_TLS ? "tls" : "tcp",
		                     e->authority));
		return;
	}
	if (all_redirect(&l, listener)) {
		set_https_redirect(out, https_location(e));
		return;
	}
	json_t *hosts = listener_hosts(e, &l, listener);
	const char *name = best_host(e, &l, listener, hosts);

	if (!name) {
		explain_set_hosts(out, hosts);
		explain_set_answer(out, 404, "no host name of this listener fits");
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

	if (!explain_read(&e, r, err, err_size)) {
		arena_fini(&e.arena);
		return NULL;
	}
	out = json_object();
	if (e.protocol == ISTIO_PROTOCOL_HTTP) {
		json_object_set_new(out, "request",
		                    json_pack("{s:s, s:s, s:s, s:s?}", "method", e.method,
		                              "authority", e.authority, "path", e.path, "query",
		                              e.query));
		choose(&e, out);
	} else {
		explain_connection(&e, out);
	}
	arena_fini(&e.arena);
	return out;
}
