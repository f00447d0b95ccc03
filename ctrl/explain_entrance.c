/* SPDX-License-Identifier: BSD-3-Clause */
/* Where requests and connections come in, and which VirtualServices come there. */
#include "explain_parts.h"
#include "host.h"

#include <string.h>

/* A list of n items in which one more has room: it doubles whenever n is a power of two. */
void *explain_room(struct explain *e, void *v, uint32_t n, size_t item)
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
	l->v = explain_room(e, l->v, l->n, sizeof(*l->v));
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
			.protocol = istio_protocol(s->port->protocol.s),
		};

		one.https_redirect =
			one.protocol == ISTIO_PROTOCOL_HTTP && s->tls && s->tls->https_redirect.v;
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

struct entrances explain_entrances(struct explain *e)
{
	struct entrance one = {.gateway = "",
	                       .listener = "weir.yaml",
	                       .host = "*",
	                       .protocol = ISTIO_PROTOCOL_HTTP};
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
		one.protocol = e->protocol;
		add_entrance(e, &l, &one);
	}
	return l;
}

/* UDP's ports are others than TCP's. */
static bool is_udp(enum istio_protocol protocol)
{
	return protocol == ISTIO_PROTOCOL_UDP;
}

/* The listener a request to this port reaches: its own address, else any address, else the first. */
const struct entrance *explain_reached(const struct explain *e, const struct entrances *l)
{
	const struct entrance *best = NULL;
	struct ip_addr to;
	bool is_ip = ip_parse(e->host, &to);

	for (uint32_t i = 0; i < l->n; i++) {
		const struct entrance *one = &l->v[i];

		if (one->port != e->port || is_udp(one->protocol) != is_udp(e->protocol))
			continue;
		if (is_ip && ip_eq(&one->addr, &to))
			return one;
		if (!best || (ip_is_any(&one->addr) && !ip_is_any(&best->addr)))
			best = one;
	}
	return best;
}

/* Does weir.yaml name a listener for it? */
static bool node_would_listen(const struct explain *e)
{
	for (uint32_t i = 0; i < e->o->n_listeners; i++)
		if (e->o->listeners[i].port == e->port && !is_udp(e->protocol))
			return true;
	return false;
}

const char *explain_nothing_listens(struct explain *e)
{
	return arena_printf(&e->arena, "nothing listens on port %u%s", e->port,
	                    node_would_listen(e) ? ": the listeners of weir.yaml count only while "
	                                           "there is no Gateway"
	                                         : "");
}

bool explain_same_listener(const struct entrance *a, const struct entrance *b)
{
	return a->port == b->port && ip_eq(&a->addr, &b->addr) &&
	       is_udp(a->protocol) == is_udp(b->protocol);
}

/* ---- binding ---------------------------------------------------------------------------- */

/* Does a VirtualService without a list, or with "mesh" in it, count as bound? */
static bool mesh_counts(const struct explain *e)
{
	return !e->o->strict_gateways;
}

bool explain_list_names(struct explain *e, const struct istio_texts *list, const char *ns,
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

bool explain_list_has_mesh(const struct istio_texts *list)
{
	for (uint32_t i = 0; i < list->n; i++)
		if (strcmp(list->v[i].s, "mesh") == 0)
			return true;
	return false;
}

bool explain_is_mesh(const struct explain *e, const struct istio_object *vs)
{
	const struct istio_texts *gateways = &vs->virtual_service->gateways;

	return mesh_counts(e) && (gateways->n == 0 || explain_list_has_mesh(gateways));
}

bool explain_is_bound(struct explain *e, const struct istio_object *vs, const struct entrance *one)
{
	if (one->ns && strcmp(one->ns, vs->ns.s) != 0)
		return false;
	return explain_is_mesh(e, vs) ||
	       (*one->gateway &&
	        explain_list_names(e, &vs->virtual_service->gateways, vs->ns.s, one->gateway));
}

/* The host name under which the VirtualService's k-th host is served there, or NULL. */
const char *explain_served_host(struct explain *e, const struct istio_object *vs, uint32_t k,
                                const struct entrance *one)
{
	const char *host =
		host_expand(&e->arena, vs->virtual_service->hosts.v[k].s, vs->ns.s, e->domain);

	return explain_is_bound(e, vs, one) ? host_intersect(one->host, host) : NULL;
}
