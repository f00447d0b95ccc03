/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Which way a connection goes. TCP and UDP: the first tcp rule, in document order, that applies to the
 * listener. TLS: the best of the server names that the sniHosts of the listener's rules come to, and the
 * first of its rules whose ALPN the client offers.
 */
#include "explain_parts.h"
#include "host.h"

#include <string.h>

/* What decides, beside the documents. */
struct asked {
	struct explain *e;
	const struct entrances *all;
	const struct entrance *listener;
	json_t *out;
};

/* Through which entrances of the listener a VirtualService comes, one after the other; NULL: no more. */
static const struct entrance *next_way(const struct asked *q, const struct istio_object *vs,
                                       uint32_t *from)
{
	while (*from < q->all->n) {
		const struct entrance *one = &q->all->v[(*from)++];

		if (explain_same_listener(one, q->listener) && explain_is_bound(q->e, vs, one))
			return one;
	}
	return NULL;
}

/* Why a block with these conditions is not for this way in; NULL: it is. */
static const char *block_mismatch(const struct asked *q, const struct istio_object *vs,
                                  const struct entrance *way, const struct istio_number *port,
                                  const struct istio_texts *gateways)
{
	struct explain *e = q->e;

	if (port->set && port->v != q->listener->port)
		return arena_printf(&e->arena, "port %u is not %u", (unsigned)port->v,
		                    q->listener->port);
	if (gateways->n == 0 || (explain_list_has_mesh(gateways) && explain_is_mesh(e, vs)) ||
	    (*way->gateway && explain_list_names(e, gateways, vs->ns.s, way->gateway)))
		return NULL;
	return arena_printf(&e->arena, "gateways does not name %s",
	                    *way->gateway ? way->gateway : "the node's listeners");
}

/* ---- result ----------------------------------------------------------------------------- */

static json_t *describe(const struct asked *q, const struct istio_object *vs, const char *kind,
                        uint32_t rule, json_int_t match, struct where at)
{
	json_t *out = json_pack("{s:s, s:s, s:i, s:s, s:s, s:s}", "virtual_service",
	                        arena_printf(&q->e->arena, "%s/%s", vs->ns.s, vs->name.s), "rule",
	                        "", "rule_index", (int)rule, "match", "", "source",
	                        explain_place(q->e, at), "kind", kind);

	json_object_set_new(out, "match_index", match < 0 ? json_null() : json_integer(match));
	return out;
}

static void refuse_rule(const struct asked *q, json_t *item, const char *why)
{
	json_object_set_new(item, "reason", json_string(why));
	json_array_append_new(json_object_get(q->out, "tried"), item);
}

static void choose_rule(const struct asked *q, json_t *item, const struct istio_object *vs,
                        const struct istio_l4_destination *v, uint32_t n)
{
	json_object_set_new(item, "action", json_string("forward"));
	json_object_set_new(item, "destinations",
	                    explain_l4_destinations(q->e, vs, v, n, q->listener->port));
	json_object_set_new(q->out, "outcome", json_string("forward"));
	json_object_set_new(q->out, "chosen", item);
}

static void set_refused(const struct asked *q, const char *why)
{
	explain_set_answer(q->out, 0, why);
	json_object_set_new(q->out, "outcome", json_string("refuse"));
}

/* ---- tcp, udp --------------------------------------------------------------------------- */

/* A way in through which a host of the VirtualService is served, at which the block holds; else why not. */
static const char *tcp_mismatch(const struct asked *q, const struct istio_object *vs,
                                const struct istio_l4_match *m)
{
	static const struct istio_number any_port;
	static const struct istio_texts any_gateway;
	const char *why = NULL;
	uint32_t from = 0;

	for (const struct entrance *way; (way = next_way(q, vs, &from));) {
		bool served = false;

		for (uint32_t k = 0; k < vs->virtual_service->hosts.n && !served; k++)
			served = explain_served_host(q->e, vs, k, way);
		if (!served)
			continue;
		why = block_mismatch(q, vs, way, m ? &m->port : &any_port,
		                     m ? &m->gateways : &any_gateway);
		if (!why)
			return NULL;
	}
	return why ? why : "not its listener";
}

static bool comes(const struct asked *q, const struct istio_object *vs)
{
	return tcp_mismatch(q, vs, NULL) == NULL;
}

/* Tries the blocks of a rule; true: one holds. */
static bool try_tcp(const struct asked *q, const struct istio_object *vs, uint32_t i)
{
	const struct istio_tcp_route *r = &vs->virtual_service->tcp.v[i];

	if (r->match.n == 0) {
		choose_rule(q, describe(q, vs, "tcp", i, -1, r->at), vs, r->route.v, r->route.n);
		return true;
	}
	for (uint32_t k = 0; k < r->match.n; k++) {
		json_t *item = describe(q, vs, "tcp", i, k, r->match.v[k].at);
		const char *why = tcp_mismatch(q, vs, &r->match.v[k]);

		if (!why) {
			choose_rule(q, item, vs, r->route.v, r->route.n);
			return true;
		}
		refuse_rule(q, item, why);
	}
	return false;
}

static void explain_tcp(const struct asked *q)
{
	uint32_t n, first = docset_range(q->e->docs, ISTIO_VIRTUAL_SERVICE, &n);

	for (uint32_t i = first; i < first + n; i++) {
		const struct istio_object *vs = docset_at(q->e->docs, i);

		for (uint32_t k = 0, n_tcp = comes(q, vs) ? vs->virtual_service->tcp.n : 0;
		     k < n_tcp; k++)
			if (try_tcp(q, vs, k))
				return;
	}
	set_refused(q, "no tcp rule applies to this listener");
}

/* ---- tls -------------------------------------------------------------------------------- */

/* Call back with every server name that a rule comes to on the listener. */
typedef void name_fn(void *arg, const char *name);

static void each_name(const struct asked *q, const struct istio_object *vs,
                      const struct istio_tls_match *m, name_fn *fn, void *arg)
{
	uint32_t from = 0;

	for (const struct entrance *way; (way = next_way(q, vs, &from));) {
		if (block_mismatch(q, vs, way, &m->port, &m->gateways))
			continue;
		for (uint32_t i = 0; i < m->sni_hosts.n; i++) {
			const char *sni = host_lower(&q->e->arena, m->sni_hosts.v[i].s);
			const char *name = host_intersect(way->host, sni);

			if (name)
				fn(arg, name);
		}
	}
}

static void collect(void *arg, const char *name)
{
	json_object_set_new(arg, name, json_true());
}

static json_t *server_names(const struct asked *q)
{
	uint32_t n, first = docset_range(q->e->docs, ISTIO_VIRTUAL_SERVICE, &n);
	json_t *set = json_object();

	for (uint32_t i = first; i < first + n; i++) {
		const struct istio_object *vs = docset_at(q->e->docs, i);
		const struct istio_virtual_service *s = vs->virtual_service;

		for (uint32_t k = 0; k < s->tls.n; k++)
			for (uint32_t m = 0; m < s->tls.v[k].match.n; m++)
				each_name(q, vs, &s->tls.v[k].match.v[m], collect, set);
	}
	return set;
}

struct search {
	const char *name;
	bool found;
};

static void compare(void *arg, const char *name)
{
	struct search *s = arg;

	s->found = s->found || strcmp(name, s->name) == 0;
}

/* NULL: the client offers what the document asks for, or it asks for nothing. */
static const char *alpn_mismatch(struct explain *e, const struct istio_object *vs)
{
	const char *note = istio_pair_get(&vs->annotations, ISTIO_NOTE_ALPN), *offer = "";
	const char **words =
		note ? arena_alloc(&e->arena, (strlen(note) + 1) * sizeof(*words)) : NULL;
	uint32_t n = note ? istio_words(&e->arena, note, words) : 0;

	if (!note)
		return NULL;
	for (uint32_t i = 0; i < e->n_alpn; i++) {
		for (uint32_t k = 0; k < n; k++)
			if (strcmp(e->alpn[i], words[k]) == 0)
				return NULL;
		offer = arena_printf(&e->arena, "%s%s%s", offer, i ? "," : "", e->alpn[i]);
	}
	return arena_printf(&e->arena, "%s is %s and the client offers %s", ISTIO_NOTE_ALPN, note,
	                    *offer ? offer : "nothing");
}

/* Tries a rule of the server name; true: it is chosen. */
static bool try_tls(const struct asked *q, const struct istio_object *vs, uint32_t i,
                    const char *name)
{
	const struct istio_tls_route *r = &vs->virtual_service->tls.v[i];

	for (uint32_t k = 0; k < r->match.n; k++) {
		struct search s = {.name = name};

		each_name(q, vs, &r->match.v[k], compare, &s);
		if (!s.found)
			continue;
		json_t *item = describe(q, vs, "tls", i, k, r->match.v[k].at);
		const char *why = alpn_mismatch(q->e, vs);

		if (!why) {
			choose_rule(q, item, vs, r->route.v, r->route.n);
			return true;
		}
		refuse_rule(q, item, why);
		return false;
	}
	return false;
}

static const char *best_name(struct explain *e, json_t *names)
{
	const char *best = NULL, *name;
	json_t *value;

	json_object_foreach(names, name, value)
	{
		if (explain_fits(e, name) && (!best || explain_beats(name, best)))
			best = name;
	}
	return best ? arena_dup(&e->arena, best) : NULL;
}

static void explain_tls(const struct asked *q)
{
	uint32_t n, first = docset_range(q->e->docs, ISTIO_VIRTUAL_SERVICE, &n);
	json_t *names = server_names(q);
	const char *name = best_name(q->e, names);

	if (!name) {
		explain_set_hosts(q->out, names);
		set_refused(q, "no server name of this listener fits");
		json_decref(names);
		return;
	}
	json_decref(names);
	json_object_set_new(q->out, "host", json_string(name));
	for (uint32_t i = first; i < first + n; i++) {
		const struct istio_object *vs = docset_at(q->e->docs, i);

		for (uint32_t k = 0; k < vs->virtual_service->tls.n; k++)
			if (try_tls(q, vs, k, name))
				return;
	}
	set_refused(q, "no rule of this server name is for what the client offers");
}

/* ---- the whole -------------------------------------------------------------------------- */

static const char *scheme_of(enum istio_protocol p)
{
	return p == ISTIO_PROTOCOL_UDP   ? "udp"
	       : p == ISTIO_PROTOCOL_TLS ? "tls"
	       : p == ISTIO_PROTOCOL_TCP ? "tcp"
	                                 : "http";
}

static void set_request(struct explain *e, json_t *out)
{
	json_t *alpn = json_array();

	for (uint32_t i = 0; i < e->n_alpn; i++)
		json_array_append_new(alpn, json_string(e->alpn[i]));
	json_object_set_new(out, "request",
	                    json_pack("{s:s, s:s, s:s, s:i, s:o}", "protocol",
	                              scheme_of(e->protocol), "authority", e->authority, "name",
	                              e->host, "port", (int)e->port, "alpn", alpn));
}

void explain_connection(struct explain *e, json_t *out)
{
	struct entrances l = explain_entrances(e);
	const struct entrance *listener = explain_reached(e, &l);
	const struct asked q = {e, &l, listener, out};

	set_request(e, out);
	if (!listener) {
		set_refused(&q, explain_nothing_listens(e));
		return;
	}
	explain_set_listener(out, listener);
	if (listener->protocol != e->protocol) {
		set_refused(&q, arena_printf(&e->arena,
		                             "this is a listener of another kind; ask "
		                             "%s://%s",
		                             scheme_of(listener->protocol), e->authority));
		return;
	}
	json_object_set_new(out, "tried", json_array());
	if (e->protocol == ISTIO_PROTOCOL_TLS)
		explain_tls(&q);
	else
		explain_tcp(&q);
}
