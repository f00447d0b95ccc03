/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * From a destination (host, subset, port) to the endpoints: ServiceEntry documents give hosts, ports and
 * endpoints, WorkloadEntry documents give endpoints to those that select them, DestinationRule
 * documents give subsets and policies.
 *
 * ServiceEntry documents of one namespace that name the same host are one service; the first namespace
 * that names it has it. All DestinationRules of a host count, in document order, wherever they are.
 */
#include "build_parts.h"
#include "build_split.h"
#include "host.h"

#include <arpa/inet.h>
#include <stdio.h>

#define CONNECT_TIMEOUT_US 10000000u /* Istio's default */

struct object_list {
	struct object_list *next;
	const struct istio_object *o;
};

struct service {
	struct object_list *entries; /* ServiceEntry objects, in document order */
	struct object_list **end;
	const char *ns;
};

struct rule_list {
	struct rule_list *next; /* of the wildcard hosts */
	const char *host;
	struct object_list *rules; /* DestinationRule objects, in document order */
	struct object_list **end;
};

struct workload_list {
	struct object_list *entries;
	struct object_list **end;
};

/* ---- index ------------------------------------------------------------------------------ */

static void append(struct build *b, struct object_list ***end, const struct istio_object *o)
{
	struct object_list *l = arena_alloc(&b->scratch, sizeof(*l));

	l->o = o;
	**end = l;
	*end = &l->next;
}

static void index_service(struct build *b, const struct istio_object *o,
                          const struct istio_text *name)
{
	const char *host = host_expand(&b->scratch, name->s, o->ns.s, b->domain);
	struct service *s = strmap_get(&b->upstream.services, host);

	if (!s) {
		s = arena_alloc(&b->scratch, sizeof(*s));
		s->end = &s->entries;
		s->ns = o->ns.s;
		strmap_put(&b->upstream.services, &b->scratch, host, s);
	}
	if (strcmp(s->ns, o->ns.s) == 0) {
		append(b, &s->end, o);
		return;
	}
	build_about(b, o);
	diag_warn(b->diags, name->at, "SERVICE_DUPLICATE",
	          "host %s belongs to a ServiceEntry of namespace %s already; this one is not used",
	          host, s->ns);
}

static void index_rule(struct build *b, const struct istio_object *o)
{
	const char *host =
		host_expand(&b->scratch, o->destination_rule->host.s, o->ns.s, b->domain);
	struct rule_list *r = strmap_get(&b->upstream.rules, host);

	if (!r) {
		r = arena_alloc(&b->scratch, sizeof(*r));
		r->end = &r->rules;
		r->host = host;
		strmap_put(&b->upstream.rules, &b->scratch, host, r);
		if (host_is_wildcard(host)) {
			r->next = b->upstream.wild;
			b->upstream.wild = r;
		}
	}
	append(b, &r->end, o);
}

static void index_workload_under(struct build *b, const struct istio_object *o, const char *key)
{
	struct workload_list *w = strmap_get(&b->upstream.workloads, key);

	if (!w) {
		w = arena_alloc(&b->scratch, sizeof(*w));
		w->end = &w->entries;
		strmap_put(&b->upstream.workloads, &b->scratch, key, w);
	}
	append(b, &w->end, o);
}

/* Labels of a WorkloadEntry are those of its spec and of its metadata; the latter win. */
static const char *label_of(const struct istio_pairs *spec, const struct istio_pairs *metadata,
                            const char *key)
{
	const char *value = metadata ? istio_pair_get(metadata, key) : NULL;

	return value ? value : istio_pair_get(spec, key);
}

static void index_workload(struct build *b, const struct istio_object *o)
{
	const struct istio_pairs *lists[] = {&o->labels, &o->workload_entry->labels};

	index_workload_under(b, o, arena_printf(&b->scratch, "%s/", o->ns.s));
	for (int k = 0; k < 2; k++) {
		for (uint32_t i = 0; i < lists[k]->n; i++) {
			const char *key = lists[k]->v[i].key.s;

			if (k == 1 && istio_pair_get(&o->labels, key))
				continue; /* its metadata's value counts */
			index_workload_under(b, o,
			                     arena_printf(&b->scratch, "%s/%s=%s", o->ns.s, key,
			                                  lists[k]->v[i].value.s));
		}
	}
}

static void make_index(struct build *b)
{
	uint32_t n, i;

	i = docset_range(b->docs, ISTIO_SERVICE_ENTRY, &n);
	for (uint32_t end = i + n; i < end; i++) {
		const struct istio_object *o = docset_at(b->docs, i);

		for (uint32_t k = 0; k < o->service_entry->hosts.n; k++)
			index_service(b, o, &o->service_entry->hosts.v[k]);
	}
	i = docset_range(b->docs, ISTIO_DESTINATION_RULE, &n);
	for (uint32_t end = i + n; i < end; i++)
		index_rule(b, docset_at(b->docs, i));
	i = docset_range(b->docs, ISTIO_WORKLOAD_ENTRY, &n);
	for (uint32_t end = i + n; i < end; i++)
		index_workload(b, docset_at(b->docs, i));
	b->upstream.indexed = true;
}

/* ---- look-up ---------------------------------------------------------------------------- */

static const struct istio_service_port *port_of(const struct istio_service_entry *e,
                                                uint16_t number)
{
	for (uint32_t i = 0; i < e->ports.n; i++)
		if (e->ports.v[i].number.v == number)
			return &e->ports.v[i];
	return NULL;
}

static bool service_has_port(const struct service *s, uint16_t number)
{
	for (const struct object_list *l = s->entries; l; l = l->next)
		if (port_of(l->o->service_entry, number))
			return true;
	return false;
}

/* The only port of a service, or 0. */
static uint16_t only_port(const struct service *s)
{
	uint16_t only = 0;

	for (const struct object_list *l = s->entries; l; l = l->next) {
		const struct istio_service_entry *e = l->o->service_entry;

		for (uint32_t i = 0; i < e->ports.n; i++) {
			uint16_t number = (uint16_t)e->ports.v[i].number.v;

			if (only != 0 && only != number)
				return 0;
			only = number;
		}
	}
	return only;
}

/* The rules of a host: those that name it, else those of the most specific wildcard. */
static const struct rule_list *rules_of(const struct build *b, const char *host)
{
	const struct rule_list *best = strmap_get(&b->upstream.rules, host);

	if (best)
		return best;
	for (const struct rule_list *r = b->upstream.wild; r; r = r->next)
		if (host_matches(r->host, host) && (!best || strlen(r->host) > strlen(best->host)))
			best = r;
	return best;
}

static const struct istio_subset *subset_of(const struct rule_list *r, const char *name)
{
	for (const struct object_list *l = r ? r->rules : NULL; l; l = l->next) {
		const struct istio_destination_rule *d = l->o->destination_rule;

		for (uint32_t i = 0; i < d->subsets.n; i++)
			if (strcmp(d->subsets.v[i].name.s, name) == 0)
				return &d->subsets.v[i];
	}
	return NULL;
}

/* ---- endpoints -------------------------------------------------------------------------- */

/* A subset being made. */
struct cluster {
	struct build *b;
	const char *name;                 /* "outbound|80|v1|host" */
	const char *host;                 /* of the service */
	uint16_t port;                    /* of the service */
	const struct istio_pairs *labels; /* endpoints must have them; NULL: any endpoint */
	struct where at;                  /* the destination that asks for it */
	struct strmap known;              /* "address:port" of the endpoints */
	struct endpoint *v;
	uint32_t n, cap;
};

/* What an endpoint takes from where it is written. */
struct source {
	const char *name; /* of a WorkloadEntry object, or NULL */
	uint16_t port;
};

static bool has_labels(const struct istio_pairs *want, const struct istio_pairs *spec,
                       const struct istio_pairs *metadata)
{
	for (uint32_t i = 0; want && i < want->n; i++) {
		const char *value = label_of(spec, metadata, want->v[i].key.s);

		if (!value || strcmp(value, want->v[i].value.s) != 0)
			return false;
	}
	return true;
}

static struct endpoint *next_endpoint(struct cluster *c)
{
	if (c->n == c->cap) {
		uint32_t cap = c->cap ? c->cap * 2 : 8;
		struct endpoint *v = arena_alloc(&c->b->scratch, cap * sizeof(*v));

		if (c->n > 0)
			memcpy(v, c->v, c->n * sizeof(*v));
		c->v = v;
		c->cap = cap;
	}
	return &c->v[c->n++];
}

static void add_endpoint(struct cluster *c, const struct source *from, const struct ip_addr *addr,
                         uint32_t weight)
{
	struct build *b = c->b;
	char text[IP_ADDR_TEXT_MAX];

	ip_format(addr, text);
	const char *place =
		arena_printf(&b->scratch, ip_is_v4(addr) ? "%s:%u" : "[%s]:%u", text, from->port);

	if (strmap_get(&c->known, place))
		return; /* as Envoy: an address is one host of a cluster */
	struct endpoint *e = next_endpoint(c);
	const char *identity = arena_printf(&b->scratch, "%s %s", place, c->name);

	strmap_put(&c->known, &b->scratch, place, e);
	*e = (struct endpoint){
		.addr = *addr,
		.port = htons(from->port),
		.weight = weight,
		.slot = build_slot(b, REGISTRY_ENDPOINTS, identity, c->at),
		.name = from->name ? build_printf(b, "%s (%s)", from->name, place)
	                           : build_str(b, place),
	};
}

/* Lower case, without a trailing dot. */
static const char *dns_name(struct arena *a, const char *text)
{
	char *name = arena_dup(a, text);
	size_t len = strlen(name);

	if (len > 0 && name[len - 1] == '.')
		name[--len] = '\0';
	for (size_t i = 0; i < len; i++)
		name[i] = str_lower(name[i]);
	return name;
}

static void add_address(struct cluster *c, const struct source *from, const char *address,
                        uint32_t weight)
{
	const struct build_options *o = c->b->o;
	const struct ip_addr *addrs = NULL;
	struct ip_addr addr;
	uint32_t n = 0;

	if (ip_parse(address, &addr)) {
		add_endpoint(c, from, &addr, weight);
		return;
	}
	if (!o->resolve)
		strmap_put(&c->b->upstream.unresolved, &c->b->scratch, c->name, c->b);
	else
		n = o->resolve(o->resolve_arg, dns_name(&c->b->scratch, address), &addrs);
	for (uint32_t i = 0; i < n; i++)
		add_endpoint(c, from, &addrs[i], weight);
}

/* The entry's own number for the port's name, else targetPort, else the service's number. */
static uint16_t endpoint_port(const struct istio_workload_entry *w,
                              const struct istio_service_port *p)
{
	for (uint32_t i = 0; w && p->name.s && i < w->ports.n; i++)
		if (strcmp(w->ports.v[i].key.s, p->name.s) == 0)
			return (uint16_t)w->ports.v[i].value.v;
	return (uint16_t)(p->target_port.set ? p->target_port.v : p->number.v);
}

static void add_workload(struct cluster *c, const struct istio_service_port *port,
                         const struct istio_workload_entry *w, const struct istio_object *o)
{
	const struct source from = {o ? o->name.s : NULL, endpoint_port(w, port)};

	if (!has_labels(c->labels, &w->labels, o ? &o->labels : NULL) || !w->address.s)
		return;
	add_address(c, &from, w->address.s, w->weight.v > 0 ? (uint32_t)w->weight.v : 1);
}

/* The WorkloadEntry objects that a selector may select: those with its first label. */
static const struct workload_list *candidates(struct build *b, const char *ns,
                                              const struct istio_pairs *selector)
{
	const char *key = selector->n ? arena_printf(&b->scratch, "%s/%s=%s", ns,
	                                             selector->v[0].key.s, selector->v[0].value.s)
	                              : arena_printf(&b->scratch, "%s/", ns);

	return strmap_get(&b->upstream.workloads, key);
}

static void add_selected(struct cluster *c, const struct istio_service_port *port,
                         const struct istio_object *entry)
{
	const struct istio_pairs *selector = &entry->service_entry->workload_selector->labels;
	const struct workload_list *w = candidates(c->b, entry->ns.s, selector);

	for (const struct object_list *l = w ? w->entries : NULL; l; l = l->next)
		if (has_labels(selector, &l->o->workload_entry->labels, &l->o->labels))
			add_workload(c, port, l->o->workload_entry, l->o);
}

static bool is_dns(const struct istio_service_entry *e)
{
	return e->resolution.v == ISTIO_RESOLUTION_DNS ||
	       e->resolution.v == ISTIO_RESOLUTION_DNS_ROUND_ROBIN;
}

/* The host as the document spells it: a short name is resolved as it is. */
static const char *own_name(struct build *b, const struct istio_object *entry, const char *host)
{
	const struct istio_texts *hosts = &entry->service_entry->hosts;

	for (uint32_t i = 0; i < hosts->n; i++)
		if (strcmp(host_expand(&b->scratch, hosts->v[i].s, entry->ns.s, b->domain), host) ==
		    0)
			return hosts->v[i].s;
	return host;
}

static void add_entry(struct cluster *c, const struct istio_object *entry)
{
	const struct istio_service_entry *e = entry->service_entry;
	const struct istio_service_port *port = port_of(e, c->port);

	if (!port)
		return;
	if (e->workload_selector) {
		add_selected(c, port, entry);
		return;
	}
	for (uint32_t i = 0; i < e->endpoints.n; i++)
		add_workload(c, port, &e->endpoints.v[i], NULL);
	if (e->endpoints.n == 0 && is_dns(e) && (!c->labels || c->labels->n == 0)) {
		const struct source from = {NULL, endpoint_port(NULL, port)};

		add_address(c, &from, own_name(c->b, entry, c->host), 1);
	}
}

/* ---- subsets ---------------------------------------------------------------------------- */

static uint8_t policy_of(const struct istio_load_balancer *lb)
{
	switch ((enum istio_simple_lb)(lb ? lb->simple.v : ISTIO_LB_UNSPECIFIED)) {
	case ISTIO_LB_RANDOM: return BALANCE_RANDOM;
	case ISTIO_LB_ROUND_ROBIN: return BALANCE_ROUND_ROBIN;
	case ISTIO_LB_UNSPECIFIED:
	case ISTIO_LB_LEAST_CONN:
	case ISTIO_LB_PASSTHROUGH:
	case ISTIO_LB_LEAST_REQUEST: break;
	}
	return BALANCE_LEAST_REQUEST;
}

/* The subset's policy replaces that of the host member by member. */
static void set_policy(struct subset *out, const struct rule_list *r,
                       const struct istio_subset *sub)
{
	const struct istio_traffic_policy *host = NULL, *own = sub ? sub->traffic_policy : NULL;

	for (const struct object_list *l = r ? r->rules : NULL; l && !host; l = l->next)
		host = l->o->destination_rule->traffic_policy;
	const struct istio_load_balancer *lb = own && own->load_balancer ? own->load_balancer
	                                       : host                    ? host->load_balancer
	                                                                 : NULL;
	const struct istio_connection_pool *pool = own && own->connection_pool
	                                                   ? own->connection_pool
	                                           : host ? host->connection_pool
	                                                  : NULL;

	out->policy = policy_of(lb);
	out->connect_timeout_us = pool && pool->tcp && pool->tcp->connect_timeout.set
	                                  ? pool->tcp->connect_timeout.us
	                                  : CONNECT_TIMEOUT_US;
}

/* Unequal weights need a table. */
static void set_table(struct cluster *c, struct subset *out)
{
	uint32_t *weights = arena_alloc(&c->b->scratch, (c->n + 1) * sizeof(*weights));
	bool equal = true;

	for (uint32_t i = 0; i < c->n; i++) {
		weights[i] = c->v[i].weight;
		equal = equal && weights[i] == weights[0];
	}
	if (equal)
		return;
	uint64_t size = build_split_size(weights, c->n);

	if (size > BUILD_SPLIT_MAX) {
		diag_error(c->b->diags, c->at, "LIMIT_WEIGHTS",
		           "the endpoint weights of %s need a table of %llu places and it may have "
		           "%u; give weights with a common divisor or a smaller sum",
		           c->name, (unsigned long long)size, BUILD_SPLIT_MAX);
		return;
	}
	uint16_t *table = heap_alloc(c->b->heap, size * sizeof(*table));

	build_split_fill(weights, c->n, table);
	out->table = table;
	out->n_table = (uint32_t)size;
}

static const struct subset *make_subset(struct cluster *c, const struct service *s,
                                        const struct rule_list *r, const struct istio_subset *sub)
{
	struct build *b = c->b;
	struct subset *out = heap_alloc(b->heap, sizeof(*out));

	out->name = build_str(b, c->name);
	out->slot = build_slot(b, REGISTRY_SUBSETS, c->name, c->at);
	c->labels = sub ? &sub->labels : NULL;
	for (const struct object_list *l = s->entries; l; l = l->next)
		add_entry(c, l->o);
	struct endpoint *v = heap_alloc(b->heap, c->n * sizeof(*v));

	if (c->n > 0)
		memcpy(v, c->v, c->n * sizeof(*v));
	out->endpoints = v;
	out->n_endpoints = c->n;
	set_policy(out, r, sub);
	set_table(c, out);
	strmap_put(&b->upstream.subsets, &b->scratch, c->name, out);
	return out;
}

/* Subset of a known service, made when it is asked for first; NULL: no such subset. */
static const struct subset *subset_for(struct cluster *c, const struct service *s,
                                       const struct istio_destination *d)
{
	const char *name = d->subset.s ? d->subset.s : "";
	const struct rule_list *r = rules_of(c->b, c->host);
	const struct istio_subset *sub = *name ? subset_of(r, name) : NULL;

	if (*name && !sub) {
		if (build_first_time(c->b, d->subset.at, "SUBSET_UNKNOWN"))
			diag_warn(c->b->diags, d->subset.at, "SUBSET_UNKNOWN",
			          "no DestinationRule of %s has a subset %s; its requests get 503",
			          c->host, name);
		return NULL;
	}
	c->name = arena_printf(&c->b->scratch, "outbound|%u|%s|%s", c->port, name, c->host);
	const struct subset *made = strmap_get(&c->b->upstream.subsets, c->name);

	if (!made)
		made = make_subset(c, s, r, sub);
	if (made->n_endpoints == 0 && !strmap_get(&c->b->upstream.unresolved, c->name) &&
	    build_first_time(c->b, d->at, "ENDPOINTS_NONE"))
		diag_warn(c->b->diags, d->at, "ENDPOINTS_NONE",
		          "%s%s%s has no endpoint now; its requests get 503", c->host,
		          *name ? " subset " : "", name);
	return made;
}

static void say_unknown(struct build *b, const struct istio_destination *d, const char *host,
                        const struct service *s, uint16_t port)
{
	if (!build_first_time(b, d->at, "DESTINATION_UNKNOWN"))
		return;
	if (!s)
		diag_warn(b->diags, d->host.at, "DESTINATION_UNKNOWN",
		          "no ServiceEntry has the host %s; its requests get 503", host);
	else
		diag_warn(b->diags, d->port ? d->port->number.at : d->host.at,
		          "DESTINATION_UNKNOWN", "%s has no port %u; its requests get 503", host,
		          port);
}

struct build_target build_target(struct build *b, const struct istio_destination *d, const char *ns,
                                 uint16_t port)
{
	if (!b->upstream.indexed)
		make_index(b);
	const char *host = host_expand(&b->scratch, d->host.s, ns, b->domain);
	const struct service *s = strmap_get(&b->upstream.services, host);
	uint16_t only = s ? only_port(s) : 0;
	struct build_target t = {.by_port = !d->port && !only};
	struct cluster c = {.b = b, .host = host, .at = d->at};

	c.port = d->port ? (uint16_t)d->port->number.v : only ? only : port;
	t.name =
		arena_printf(&b->scratch, "%s|%s|%u", host, d->subset.s ? d->subset.s : "", c.port);
	if (s && service_has_port(s, c.port))
		t.subset = subset_for(&c, s, d);
	else
		say_unknown(b, d, host, s, c.port);
	return t;
}

/* ---- names to resolve ------------------------------------------------------------------- */

struct names {
	struct arena arena;
	struct strmap seen;
	void (*add)(void *arg, const char *name);
	void *arg;
};

static void offer(struct names *n, const char *address)
{
	struct ip_addr addr;

	if (!address || ip_parse(address, &addr) || !host_is_name(address))
		return;
	const char *name = dns_name(&n->arena, address);

	if (strmap_get(&n->seen, name))
		return;
	strmap_put(&n->seen, &n->arena, name, n);
	n->add(n->arg, name);
}

static void offer_service(struct names *n, const struct istio_service_entry *e)
{
	for (uint32_t i = 0; i < e->endpoints.n; i++)
		offer(n, e->endpoints.v[i].address.s);
	for (uint32_t i = 0; i < e->hosts.n && is_dns(e); i++)
		if (e->endpoints.n == 0 && !e->workload_selector)
			offer(n, e->hosts.v[i].s);
}

void build_names(const struct docset *docs, void (*add)(void *arg, const char *name), void *arg)
{
	struct names n = {.add = add, .arg = arg};

	for (uint32_t i = 0; i < docset_count(docs); i++) {
		const struct istio_object *o = docset_at(docs, i);

		if (o->kind == ISTIO_SERVICE_ENTRY)
			offer_service(&n, o->service_entry);
		else if (o->kind == ISTIO_WORKLOAD_ENTRY)
			offer(&n, o->workload_entry->address.s);
	}
	arena_fini(&n.arena);
}
