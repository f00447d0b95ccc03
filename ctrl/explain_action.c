/* SPDX-License-Identifier: BSD-3-Clause */
/* What a rule does with a request: where it may go, with which share, or what is answered. */
#include "explain_parts.h"
#include "host.h"

#include <string.h>
#include <strings.h>

/* ---- services and rules, by looking through all documents ------------------------------- */

static bool names_service(struct explain *e, const struct istio_object *o, const char *host)
{
	for (uint32_t i = 0; i < o->service_entry->hosts.n; i++)
		if (strcmp(host_expand(&e->arena, o->service_entry->hosts.v[i].s, o->ns.s,
		                       e->domain),
		           host) == 0)
			return true;
	return false;
}

/* The first ServiceEntry of a host decides the namespace; the others of that namespace count too. */
static const struct istio_object *next_entry(struct explain *e, const char *host, uint32_t *from)
{
	uint32_t n, first = docset_range(e->docs, ISTIO_SERVICE_ENTRY, &n);
	const char *ns = NULL;

	for (uint32_t i = 0; i < n; i++) {
		const struct istio_object *o = docset_at(e->docs, first + i);

		if (!names_service(e, o, host))
			continue;
		if (!ns)
			ns = o->ns.s;
		if (i < *from || strcmp(ns, o->ns.s) != 0)
			continue;
		*from = i + 1;
		return o;
	}
	return NULL;
}

static const struct istio_service_port *port_of(const struct istio_object *o, uint16_t number)
{
	for (uint32_t i = 0; i < o->service_entry->ports.n; i++)
		if (o->service_entry->ports.v[i].number.v == number)
			return &o->service_entry->ports.v[i];
	return NULL;
}

/* destination.port, else the only port of the service, else the listener's. */
static uint16_t service_port(struct explain *e, const struct istio_destination *d, const char *host,
                             uint16_t listener_port)
{
	uint16_t only = 0;
	uint32_t from = 0;

	if (d->port)
		return (uint16_t)d->port->number.v;
	for (const struct istio_object *o; (o = next_entry(e, host, &from));) {
		for (uint32_t i = 0; i < o->service_entry->ports.n; i++) {
			uint16_t number = (uint16_t)o->service_entry->ports.v[i].number.v;

			if (only && only != number)
				return listener_port;
			only = number;
		}
	}
	return only ? only : listener_port;
}

static bool has_port(struct explain *e, const char *host, uint16_t port)
{
	uint32_t from = 0;

	for (const struct istio_object *o; (o = next_entry(e, host, &from));)
		if (port_of(o, port))
			return true;
	return false;
}

/* The host pattern of the DestinationRules that count: exact, else the longest wildcard. */
static const char *rule_host(struct explain *e, const char *host)
{
	uint32_t n, first = docset_range(e->docs, ISTIO_DESTINATION_RULE, &n);
	const char *best = NULL;

	for (uint32_t i = first; i < first + n; i++) {
		const struct istio_object *o = docset_at(e->docs, i);
		const char *pattern =
			host_expand(&e->arena, o->destination_rule->host.s, o->ns.s, e->domain);

		if (strcmp(pattern, host) == 0)
			return pattern;
		if (host_is_wildcard(pattern) && host_matches(pattern, host) &&
		    (!best || strlen(pattern) > strlen(best)))
			best = pattern;
	}
	return best;
}

static const struct istio_object *next_rule(struct explain *e, const char *pattern, uint32_t *from)
{
	uint32_t n, first = docset_range(e->docs, ISTIO_DESTINATION_RULE, &n);

	for (; pattern && *from < n; ++*from) {
		const struct istio_object *o = docset_at(e->docs, first + *from);

		if (strcmp(host_expand(&e->arena, o->destination_rule->host.s, o->ns.s, e->domain),
		           pattern) != 0)
			continue;
		++*from;
		return o;
	}
	return NULL;
}

static const struct istio_subset *subset_of(struct explain *e, const char *host, const char *name)
{
	const char *pattern = rule_host(e, host);
	uint32_t from = 0;

	for (const struct istio_object *o; (o = next_rule(e, pattern, &from));)
		for (uint32_t i = 0; i < o->destination_rule->subsets.n; i++)
			if (strcmp(o->destination_rule->subsets.v[i].name.s, name) == 0)
				return &o->destination_rule->subsets.v[i];
	return NULL;
}

/* Settings that a subset goes by: its own, else those of the first rule that has any. */
struct settings {
	const struct istio_load_balancer *lb;
	const struct istio_proxy_protocol *proxy;
	struct istio_forward forward;
};

static void take(struct settings *s, const struct istio_traffic_policy *p)
{
	if (p && p->load_balancer)
		s->lb = p->load_balancer;
	if (p && p->proxy_protocol)
		s->proxy = p->proxy_protocol;
}

static bool is_its_own(const struct istio_object *o, const struct istio_subset *subset)
{
	for (uint32_t i = 0; i < o->destination_rule->subsets.n; i++)
		if (&o->destination_rule->subsets.v[i] == subset)
			return true;
	return false;
}

static struct settings settings_of(struct explain *e, const char *host,
                                   const struct istio_subset *subset)
{
	const char *pattern = rule_host(e, host);
	const struct istio_pair *own = NULL, *any = NULL;
	const struct istio_traffic_policy *policy = NULL;
	struct settings s = {0};
	uint32_t from = 0;

	for (const struct istio_object *o; (o = next_rule(e, pattern, &from));) {
		if (!policy)
			policy = o->destination_rule->traffic_policy;
		if (!own && subset && is_its_own(o, subset))
			own = istio_forward_note(o, subset->name.s);
		if (!any)
			any = istio_forward_note(o, NULL);
	}
	take(&s, policy);
	take(&s, subset ? subset->traffic_policy : NULL);
	if (own || any)
		istio_forward_parse((own ? own : any)->value.s, &s.forward);
	return s;
}

static const char *policy_name(const struct settings *s)
{
	static const char *const names[] = {
		[ISTIO_LB_UNSPECIFIED] = "LEAST_REQUEST",
		[ISTIO_LB_LEAST_CONN] = "LEAST_REQUEST",
		[ISTIO_LB_RANDOM] = "RANDOM",
		[ISTIO_LB_PASSTHROUGH] = "LEAST_REQUEST",
		[ISTIO_LB_ROUND_ROBIN] = "ROUND_ROBIN",
		[ISTIO_LB_LEAST_REQUEST] = "LEAST_REQUEST",
	};
	int simple = s->lb ? s->lb->simple.v : ISTIO_LB_UNSPECIFIED;

	if (s->lb && s->lb->consistent_hash)
		return s->lb->consistent_hash->use_source_ip.v ? "MAGLEV by source address"
		                                               : "MAGLEV";
	return s->forward.mode != FORWARD_NAT && simple == ISTIO_LB_UNSPECIFIED ? "MAGLEV"
	                                                                        : names[simple];
}

/* ---- endpoints -------------------------------------------------------------------------- */

static bool has_labels(const struct istio_pairs *want, const struct istio_pairs *metadata,
                       const struct istio_pairs *spec)
{
	for (uint32_t i = 0; want && i < want->n; i++) {
		const char *value = metadata ? istio_pair_get(metadata, want->v[i].key.s) : NULL;

		if (!value)
			value = istio_pair_get(spec, want->v[i].key.s);
		if (!value || strcmp(value, want->v[i].value.s) != 0)
			return false;
	}
	return true;
}

static bool is_listed(const json_t *list, const char *address, uint16_t port)
{
	const json_t *item;
	size_t i;

	json_array_foreach(
		list, i,
		item) if (strcmp(json_string_value(json_object_get(item, "address")), address) ==
	                          0 &&
	                  json_integer_value(json_object_get(item, "port")) == port) return true;
	return false;
}

static void list_endpoint(json_t *list, const char *workload, const char *address, uint16_t port,
                          int64_t weight)
{
	json_t *item;

	if (is_listed(list, address, port))
		return;
	item = json_pack("{s:s, s:i, s:I}", "address", address, "port", (int)port, "weight",
	                 (json_int_t)(weight > 0 ? weight : 1));
	if (workload)
		json_object_set_new(item, "workload", json_string(workload));
	json_array_append_new(list, item);
}

/* A name is listed with its addresses, or as a name when they are not known here. */
static void list_address(struct explain *e, json_t *list, const char *workload, const char *address,
                         uint16_t port, int64_t weight)
{
	const struct ip_addr *addrs = NULL;
	char text[IP_ADDR_TEXT_MAX];
	struct ip_addr addr;
	uint32_t n = 0;

	if (ip_parse(address, &addr)) {
		list_endpoint(list, workload, ip_format(&addr, text), port, weight);
		return;
	}
	const char *name = host_expand(&e->arena, arena_printf(&e->arena, "%s.", address), "", "");

	if (!e->o->resolve) {
		list_endpoint(list, workload, name, port, weight);
		return;
	}
	n = e->o->resolve(e->o->resolve_arg, name, &addrs);
	for (uint32_t i = 0; i < n; i++)
		list_endpoint(list, workload, ip_format(&addrs[i], text), port, weight);
}

static void list_workload(struct explain *e, json_t *list, const struct istio_service_port *port,
                          const struct istio_workload_entry *w, const char *name)
{
	int64_t number = port->target_port.set ? port->target_port.v : port->number.v;

	for (uint32_t i = 0; port->name.s && i < w->ports.n; i++)
		if (strcmp(w->ports.v[i].key.s, port->name.s) == 0)
			number = w->ports.v[i].value.v;
	if (w->address.s)
		list_address(e, list, name, w->address.s, (uint16_t)number, w->weight.v);
}

static void list_selected(struct explain *e, json_t *list, const struct istio_object *entry,
                          const struct istio_service_port *port, const struct istio_pairs *labels)
{
	uint32_t n, first = docset_range(e->docs, ISTIO_WORKLOAD_ENTRY, &n);

	for (uint32_t i = first; i < first + n; i++) {
		const struct istio_object *o = docset_at(e->docs, i);
		const struct istio_pairs *spec = &o->workload_entry->labels;

		if (strcmp(o->ns.s, entry->ns.s) == 0 &&
		    has_labels(&entry->service_entry->workload_selector->labels, &o->labels,
		               spec) &&
		    has_labels(labels, &o->labels, spec))
			list_workload(e, list, port, o->workload_entry, o->name.s);
	}
}

static void list_entry(struct explain *e, json_t *list, const struct istio_object *entry,
                       const char *host, uint16_t port_number, const struct istio_pairs *labels)
{
	const struct istio_service_entry *s = entry->service_entry;
	const struct istio_service_port *port = port_of(entry, port_number);

	if (!port)
		return;
	if (s->workload_selector) {
		list_selected(e, list, entry, port, labels);
		return;
	}
	for (uint32_t i = 0; i < s->endpoints.n; i++)
		if (has_labels(labels, NULL, &s->endpoints.v[i].labels))
			list_workload(e, list, port, &s->endpoints.v[i], NULL);
	if (s->endpoints.n > 0 || (labels && labels->n > 0) ||
	    (s->resolution.v != ISTIO_RESOLUTION_DNS &&
	     s->resolution.v != ISTIO_RESOLUTION_DNS_ROUND_ROBIN))
		return;
	for (uint32_t i = 0; i < s->hosts.n; i++)
		if (strcmp(host_expand(&e->arena, s->hosts.v[i].s, entry->ns.s, e->domain), host) ==
		    0)
			list_address(e, list, NULL, s->hosts.v[i].s,
			             (uint16_t)(port->target_port.set ? port->target_port.v
			                                              : port->number.v),
			             1);
}

/* ---- destinations ----------------------------------------------------------------------- */

/* What happens to requests or connections that come to a destination that cannot be used. */
static const char *fate(const struct explain *e)
{
	return e->protocol == ISTIO_PROTOCOL_HTTP ? "503" : "refused";
}

/* NULL: nothing is wrong with it. */
static const char *problem_with(struct explain *e, const char *host, uint16_t port,
                                const char *name, const struct istio_subset *subset)
{
	uint32_t from = 0;

	if (!next_entry(e, host, &from))
		return arena_printf(&e->arena, "no ServiceEntry has the host %s: %s", host,
		                    fate(e));
	if (!has_port(e, host, port))
		return arena_printf(&e->arena, "%s has no port %u: %s", host, port, fate(e));
	if (*name && !subset)
		return arena_printf(&e->arena, "no DestinationRule of %s has a subset %s: %s", host,
		                    name, fate(e));
	return NULL;
}

/* How packets or bytes reach the endpoints: of connections only. */
static void set_way(struct explain *e, json_t *out, const struct settings *s)
{
	bool stream = e->protocol == ISTIO_PROTOCOL_TLS;

	if (e->protocol == ISTIO_PROTOCOL_HTTP)
		return;
	json_object_set_new(out, "forward",
	                    json_string(stream ? "stream" : istio_forward_name(s->forward.mode)));
	if (s->forward.gue_port)
		json_object_set_new(out, "gue_port", json_integer(s->forward.gue_port));
	if (s->proxy)
		json_object_set_new(
			out, "proxy_protocol",
			json_string(s->proxy->version.v == ISTIO_PROXY_PROTOCOL_V2 ? "v2" : "v1"));
}

static json_t *destination(struct explain *e, const struct istio_object *vs,
                           const struct istio_destination *d, uint16_t listener_port)
{
	const char *host = host_expand(&e->arena, d->host.s, vs->ns.s, e->domain);
	const char *name = d->subset.s ? d->subset.s : "";
	uint16_t port = service_port(e, d, host, listener_port);
	const struct istio_subset *subset = *name ? subset_of(e, host, name) : NULL;
	json_t *out = json_pack("{s:s, s:s, s:i, s:s}", "host", host, "subset", name, "port",
	                        (int)port, "cluster",
	                        arena_printf(&e->arena, "outbound|%u|%s|%s", port, name, host));
	const char *problem = problem_with(e, host, port, name, subset);
	uint32_t from = 0;

	if (problem) {
		json_object_set_new(out, "problem", json_string(problem));
		return out;
	}
	const struct settings settings = settings_of(e, host, subset);
	json_t *list = json_array();

	for (const struct istio_object *o; (o = next_entry(e, host, &from));)
		list_entry(e, list, o, host, port, subset ? &subset->labels : NULL);
	json_object_set_new(out, "policy", json_string(policy_name(&settings)));
	set_way(e, out, &settings);
	if (json_array_size(list) == 0)
		json_object_set_new(out, "problem",
		                    json_string(e->protocol == ISTIO_PROTOCOL_HTTP
		                                        ? "no endpoint: 503 no healthy upstream"
		                                        : "no endpoint: refused"));
	json_object_set_new(out, "endpoints", list);
	return out;
}

/* A destination with its weight, of any kind of rule. */
struct share {
	const struct istio_destination *destination;
	int64_t weight;
};

static json_t *destinations(struct explain *e, const struct istio_object *vs, struct share *v,
                            uint32_t n, uint16_t listener_port)
{
	json_t *out = json_array();
	int64_t sum = 0;

	for (uint32_t i = 0; i < n; i++) {
		v[i].weight = n == 1 ? 1 : v[i].weight > 0 ? v[i].weight : 0;
		sum += v[i].weight;
	}
	for (uint32_t i = 0; i < n; i++) {
		json_t *d = destination(e, vs, v[i].destination, listener_port);

		json_object_set_new(d, "weight", json_integer(v[i].weight));
		json_object_set_new(d, "share",
		                    json_real(sum ? (double)v[i].weight / (double)sum : 0));
		json_array_append_new(out, d);
	}
	return out;
}

static json_t *http_destinations(struct explain *e, const struct istio_object *vs,
                                 const struct istio_http_route *rule, uint16_t listener_port)
{
	struct share *v = arena_alloc(&e->arena, (rule->route.n + 1) * sizeof(*v));

	for (uint32_t i = 0; i < rule->route.n; i++)
		v[i] = (struct share){rule->route.v[i].destination, rule->route.v[i].weight.v};
	return destinations(e, vs, v, rule->route.n, listener_port);
}

json_t *explain_l4_destinations(struct explain *e, const struct istio_object *vs,
                                const struct istio_l4_destination *l, uint32_t n,
                                uint16_t listener_port)
{
	struct share *v = arena_alloc(&e->arena, (n + 1) * sizeof(*v));

	for (uint32_t i = 0; i < n; i++)
		v[i] = (struct share){l[i].destination, l[i].weight.v};
	json_t *out = destinations(e, vs, v, n, listener_port), *d;
	bool told = false;
	size_t k;

	json_array_foreach(out, k, d) told = told || json_object_get(d, "proxy_protocol");
	if (told) /* one that wants the PROXY protocol makes streams of all of the listener */
		json_array_foreach(out, k, d)
			json_object_set_new(d, "forward", json_string("stream"));
	return out;
}

/* ---- rewrite and redirect --------------------------------------------------------------- */

/* rewrite.uri replaces the prefix that matched, else the whole path; without uri match the first "/". */
static const char *rewritten(struct explain *e, const char *uri, const struct istio_http_match *m)
{
	size_t replaced = strlen(e->path);

	if (!m || !m->uri || (!m->uri->exact.s && !m->uri->prefix.s && !m->uri->regex.s))
		replaced = 1;
	else if (m->uri->prefix.s)
		replaced = strlen(m->uri->prefix.s);
	return arena_printf(&e->arena, "%s%s", uri, e->path + replaced);
}

static bool is_default(uint32_t port, const char *scheme)
{
	return port == (strcasecmp(scheme, "https") == 0 ? 443 : 80);
}

/* Its own port goes when another is given, or when it was http's default and the scheme is no longer. */
static const char *redirect_host(struct explain *e, const struct istio_redirect *r,
                                 const char *scheme, uint32_t port)
{
	const char *host = r->authority.s ? r->authority.s : e->authority;
	const char *bracket = strrchr(host, ']');
	const char *colon = strrchr(bracket ? bracket : host, ':');
	bool leaves_default = !r->authority.s && strcasecmp(scheme, "http") != 0 && colon &&
	                      strcmp(colon, ":80") == 0;

	if (colon && (port || leaves_default))
		host = arena_copy(&e->arena, host, (size_t)(colon - host));
	return port ? arena_printf(&e->arena, "%s:%u", host, port) : host;
}

const char *explain_location(struct explain *e, const struct istio_redirect *r,
                             uint16_t listener_port)
{
	const char *scheme = r->scheme.s ? r->scheme.s : "http";
	const char *path = r->uri.s ? r->uri.s : e->path;
	uint32_t port = r->port.set ? (uint32_t)r->port.v : 0;
	bool has_query = strchr(path, '?') != NULL;

	if (r->derive_port.set && r->derive_port.v == ISTIO_FROM_REQUEST_PORT)
		port = listener_port;
	if (is_default(port, scheme))
		port = 0;
	return arena_printf(&e->arena, "%s://%s%s%s%s", scheme, redirect_host(e, r, scheme, port),
	                    path, e->query && !has_query ? "?" : "",
	                    e->query && !has_query ? e->query : "");
}

static void set_rewrite(struct explain *e, json_t *out, const struct istio_rewrite *r,
                        const struct istio_http_match *m)
{
	json_t *rewrite = json_object();

	if (r->uri.s)
		json_object_set_new(rewrite, "path", json_string(rewritten(e, r->uri.s, m)));
	if (r->authority.s)
		json_object_set_new(rewrite, "authority", json_string(r->authority.s));
	json_object_set_new(out, "rewrite", rewrite);
}

json_t *explain_action(struct explain *e, const struct istio_object *vs,
                       const struct istio_http_route *rule, const struct istio_http_match *m,
                       uint16_t listener_port)
{
	json_t *out = json_object();

	if (rule->redirect) {
		const struct istio_redirect *r = rule->redirect;

		json_object_set_new(out, "action", json_string("redirect"));
		json_object_set_new(out, "status",
		                    json_integer(r->redirect_code.set ? r->redirect_code.v : 301));
		json_object_set_new(out, "location",
		                    json_string(explain_location(e, r, listener_port)));
		return out;
	}
	if (rule->direct_response) {
		const struct istio_body *body = rule->direct_response->body;

		json_object_set_new(out, "action", json_string("direct_response"));
		json_object_set_new(out, "status", json_integer(rule->direct_response->status.v));
		json_object_set_new(out, "body",
		                    json_string(body && body->string.s ? body->string.s : ""));
		return out;
	}
	json_object_set_new(out, "action", json_string("forward"));
	json_object_set_new(out, "destinations", http_destinations(e, vs, rule, listener_port));
	if (rule->rewrite)
		set_rewrite(e, out, rule->rewrite, m);
	if (rule->timeout.set)
		json_object_set_new(out, "timeout_ms",
		                    json_integer((json_int_t)(rule->timeout.us / 1000)));
	return out;
}
