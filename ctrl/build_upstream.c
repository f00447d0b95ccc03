/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * From a destination (host, subset, port) to the endpoints: ServiceEntry documents give hosts, ports and
 * endpoints, WorkloadEntry documents give endpoints to those that select them, DestinationRule
 * documents give subsets and policies.
 *
 * ServiceEntry documents of one namespace that name the same host are one service; the first namespace
 * that names it has it. All DestinationRules of a host count, in document order, wherever they are.
 */
#include "build_maglev.h"
#include "build_parts.h"
#include "build_split.h"
#include "host.h"

#include <arpa/inet.h>
#include <stdio.h>

#define CONNECT_TIMEOUT_US 10000000u /* Istio's default */

/* ---- look-up ---------------------------------------------------------------------------- */

static const struct istio_service_port *port_of(const struct istio_service_entry *e,
                                                uint16_t number)
{
	for (uint32_t i = 0; i < e->ports.n; i++)
		if (e->ports.v[i].number.v == number)
			return &e->ports.v[i];
	return NULL;
}

/* Entry number i of a service, or NULL when it is of another namespace than the first. */
static const struct istio_object *entry_of(const struct build_list *s, uint32_t i)
{
	return strcmp(s->v[i]->ns.s, s->v[0]->ns.s) == 0 ? s->v[i] : NULL;
}

static bool service_has_port(const struct build_list *s, uint16_t number)
{
	for (uint32_t i = 0; i < s->n; i++)
		if (entry_of(s, i) && port_of(s->v[i]->service_entry, number))
			return true;
	return false;
}

/* The only port of a service, or 0. */
static uint16_t only_port(const struct build_list *s)
{
	uint16_t only = 0;

	for (uint32_t k = 0; k < s->n; k++) {
		const struct istio_service_entry *e = s->v[k]->service_entry;

		for (uint32_t i = 0; entry_of(s, k) && i < e->ports.n; i++) {
			uint16_t number = (uint16_t)e->ports.v[i].number.v;

			if (only != 0 && only != number)
				return 0;
			only = number;
		}
	}
	return only;
}

/* The rules of a host: those that name it, else those of the most specific wildcard. */
static const struct build_list *rules_of(const struct build *b, const char *host)
{
	const struct build_list *own = build_get(b, BUILD_RULES, host);
	const struct build_wild *wild = b->world->wild;
	const char *best = NULL;

	if (own)
		return own;
	for (uint32_t i = 0; i < wild->n; i++)
		if (host_matches(wild->hosts[i], host) &&
		    (!best || strlen(wild->hosts[i]) > strlen(best)))
			best = wild->hosts[i];
	return best ? build_get(b, BUILD_RULES, best) : NULL;
}

static bool has_subset(const struct istio_destination_rule *d, const struct istio_subset *sub)
{
	return sub >= d->subsets.v && sub < d->subsets.v + d->subsets.n;
}

static const struct istio_subset *subset_of(const struct build_list *rules, const char *name)
{
	for (uint32_t k = 0; rules && k < rules->n; k++) {
		const struct istio_destination_rule *d = rules->v[k]->destination_rule;

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
	struct build_cluster *out;
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

/* Labels of a WorkloadEntry are those of its spec and of its metadata; the latter win. */
static const char *label_of(const struct istio_pairs *spec, const struct istio_pairs *metadata,
                            const char *key)
{
	const char *value = metadata ? istio_pair_get(metadata, key) : NULL;

	return value ? value : istio_pair_get(spec, key);
}

bool build_has_labels(const struct istio_pairs *want, const struct istio_pairs *spec,
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

/* Ask the resolver, and note what it said. */
static uint32_t ask(struct cluster *c, const char *name, const struct ip_addr **addrs)
{
	struct build *b = c->b;
	struct build_asked *asked = heap_alloc(b->heap, sizeof(*asked));

	*asked = (struct build_asked){.next = c->out->asked, .name = build_str(b, name).p};
	c->out->asked = asked;
	if (!b->o->resolve) {
		c->out->waits = true;
		return 0;
	}
	asked->n = b->o->resolve(b->o->resolve_arg, name, addrs);
	asked->addrs = heap_alloc(b->heap, asked->n * sizeof(*asked->addrs));
	if (asked->n > 0)
		memcpy(asked->addrs, *addrs, asked->n * sizeof(*asked->addrs));
	return asked->n;
}

bool build_names_changed(struct build *b, const struct build_cluster *c)
{
	if (c->waits != !b->o->resolve)
		return true;
	for (const struct build_asked *a = c->asked; a && b->o->resolve; a = a->next) {
		const struct ip_addr *addrs = NULL;
		uint32_t n = b->o->resolve(b->o->resolve_arg, a->name, &addrs);

		if (n != a->n || (n > 0 && memcmp(addrs, a->addrs, n * sizeof(*addrs)) != 0))
			return true;
	}
	return false;
}

static void add_address(struct cluster *c, const struct source *from, const char *address,
                        uint32_t weight)
{
	const struct ip_addr *addrs = NULL;
	struct ip_addr addr;
	uint32_t n;

	if (ip_parse(address, &addr)) {
		add_endpoint(c, from, &addr, weight);
		return;
	}
	n = ask(c, dns_name(&c->b->scratch, address), &addrs);
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

	if (!build_has_labels(c->labels, &w->labels, o ? &o->labels : NULL) || !w->address.s)
		return;
	add_address(c, &from, w->address.s, w->weight.v > 0 ? (uint32_t)w->weight.v : 1);
}

/* The WorkloadEntry objects that a selector may select: those with its first label. */
static const struct build_list *candidates(struct build *b, const char *ns,
                                           const struct istio_pairs *selector)
{
	const char *key = selector->n ? arena_printf(&b->scratch, "%s/%s=%s", ns,
	                                             selector->v[0].key.s, selector->v[0].value.s)
	                              : arena_printf(&b->scratch, "%s/", ns);

	return build_get(b, BUILD_WORKLOADS, key);
}

static void add_selected(struct cluster *c, const struct istio_service_port *port,
                         const struct istio_object *entry)
{
	const struct istio_pairs *selector = &entry->service_entry->workload_selector->labels;
	const struct build_list *w = candidates(c->b, entry->ns.s, selector);

	for (uint32_t i = 0; w && i < w->n; i++) {
		const struct istio_object *o = w->v[i];

		if (build_has_labels(selector, &o->workload_entry->labels, &o->labels))
			add_workload(c, port, o->workload_entry, o);
	}
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

static uint8_t simple_policy(const struct istio_load_balancer *lb)
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

/* Nodes that share the traffic of a service whose packets are not rewritten must choose alike. */
static void set_choice(struct subset *out, const struct istio_load_balancer *lb)
{
	const struct istio_consistent_hash *hash = lb ? lb->consistent_hash : NULL;
	bool asked = lb && lb->simple.v != ISTIO_LB_UNSPECIFIED;

	out->policy = simple_policy(lb);
	if (hash || (!asked && out->mode != FORWARD_NAT))
		out->policy = BALANCE_MAGLEV;
	out->hash_on = hash && hash->use_source_ip.v ? HASH_ON_SOURCE : HASH_ON_TUPLE;
}

/* What the annotations of the rules say: those of the rule that has the subset, else the first that say it. */
static void set_forward(struct subset *out, const struct build_list *rules,
                        const struct istio_subset *sub)
{
	const struct istio_pair *note = NULL;
	struct istio_forward forward;

	for (uint32_t i = 0; sub && rules && i < rules->n && !note; i++)
		if (has_subset(rules->v[i]->destination_rule, sub))
			note = istio_forward_note(rules->v[i], sub->name.s);
	for (uint32_t i = 0; rules && i < rules->n && !note; i++)
		note = istio_forward_note(rules->v[i], NULL);
	if (!note || !istio_forward_parse(note->value.s, &forward))
		return;
	out->mode = forward.mode;
	out->gue_port = htons(forward.gue_port);
}

/* The settings that a subset goes by. */
struct policy {
	const struct istio_load_balancer *lb;
	const struct istio_connection_pool *pool;
	const struct istio_proxy_protocol *proxy;
};

static void override(struct policy *p, const struct istio_traffic_policy *by)
{
	if (!by)
		return;
	p->lb = by->load_balancer ? by->load_balancer : p->lb;
	p->pool = by->connection_pool ? by->connection_pool : p->pool;
	p->proxy = by->proxy_protocol ? by->proxy_protocol : p->proxy;
}

/* The subset's policy replaces that of the host member by member. */
static struct policy policy_of(const struct build_list *rules, const struct istio_subset *sub)
{
	const struct istio_traffic_policy *host = NULL;
	struct policy p = {0};

	for (uint32_t i = 0; rules && i < rules->n && !host; i++)
		host = rules->v[i]->destination_rule->traffic_policy;
	override(&p, host);
	override(&p, sub ? sub->traffic_policy : NULL);
	return p;
}

/* What is said of the documents that make the subset is its own, not of whoever asks for it first. */
static void set_policy(struct cluster *c, struct subset *out, const struct policy *p,
                       const struct build_list *rules, const struct istio_subset *sub)
{
	const struct istio_tcp_settings *tcp = p->pool ? p->pool->tcp : NULL;

	set_forward(out, rules, sub);
	set_choice(out, p->lb);
	out->connect_timeout_us =
		tcp && tcp->connect_timeout.set ? tcp->connect_timeout.us : CONNECT_TIMEOUT_US;
	out->idle_timeout_us = tcp ? tcp->idle_timeout.us : 0;
	if (p->proxy)
		out->proxy_protocol = p->proxy->version.v == ISTIO_PROXY_PROTOCOL_V2
		                              ? PROXY_PROTOCOL_V2
		                              : PROXY_PROTOCOL_V1;
	if (p->proxy && out->mode != FORWARD_NAT) /* of two documents: each alone is good */
		diag_error(&c->out->part.diags, p->proxy->at, "FORWARD_PROXY_PROTOCOL",
		           "%s is to be reached by %s, which leaves packets as they are, and by "
		           "the PROXY protocol; remove one from its DestinationRules",
		           c->name, istio_forward_name(out->mode));
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

static void set_maglev(struct cluster *c, struct subset *out, const struct istio_load_balancer *lb)
{
	const struct istio_consistent_hash *hash = lb ? lb->consistent_hash : NULL;
	const struct istio_number *asked = hash && hash->maglev ? &hash->maglev->table_size : NULL;
	uint32_t size = asked && asked->set ? (uint32_t)asked->v : build_maglev_size(c->n);

	if (out->policy != BALANCE_MAGLEV || c->n == 0)
		return;
	if (c->n >= UINT16_MAX) {
		diag_error(c->b->diags, c->at, "LIMIT_ENDPOINTS",
		           "%s has %u endpoints and a consistent choice may have %u; use another "
		           "loadBalancer",
		           c->name, c->n, UINT16_MAX - 1);
		return;
	}
	if (asked && size < c->n)
		diag_warn(&c->out->part.diags, asked->at, "MAGLEV_SIZE",
		          "%s has %u endpoints and a table of %u places, so some get nothing; "
		          "give a tableSize 100 times as large, or leave it out",
		          c->name, c->n, size);
	uint16_t *table = heap_alloc(c->b->heap, size * sizeof(*table));

	build_maglev_fill(c->v, c->n, size, table);
	out->maglev = table;
	out->n_maglev = size;
}

static void make_subset(struct cluster *c, const struct build_list *s,
                        const struct build_list *rules, const struct istio_subset *sub)
{
	struct build *b = c->b;
	struct subset *out = &c->out->subset;

	out->name = build_str(b, c->name);
	out->slot = build_slot(b, REGISTRY_SUBSETS, c->name, c->at);
	c->labels = sub ? &sub->labels : NULL;
	for (uint32_t i = 0; i < s->n; i++)
		if (entry_of(s, i))
			add_entry(c, s->v[i]);
	struct endpoint *v = heap_alloc(b->heap, c->n * sizeof(*v));

	if (c->n > 0)
		memcpy(v, c->v, c->n * sizeof(*v));
	out->endpoints = v;
	out->n_endpoints = c->n;
	const struct policy policy = policy_of(rules, sub);

	set_policy(c, out, &policy, rules, sub);
	set_table(c, out);
	set_maglev(c, out, policy.lb);
}

static struct build_cluster *make_cluster(struct cluster *c, const struct build_list *s,
                                          const struct build_list *rules,
                                          const struct istio_subset *sub)
{
	struct build *b = c->b;
	struct build_cluster *out = build_part(b, sizeof(*out), c->name, 512);
	struct build_frame was = build_enter(b, &out->part);

	c->out = out;
	out->host = build_str(b, c->host).p;
	make_subset(c, s, rules, sub);
	build_leave(b, was);
	build_put(b, BUILD_CLUSTERS, &out->part);
	if (out->asked)
		build_put(b, BUILD_NAMED, &out->part);
	return out;
}

static void use(struct build *b, struct build_unit *unit, struct build_cluster *c)
{
	if (!build_first_time(b, unit->part.key, c->part.key))
		return;
	part_hold(&unit->part, &c->part);
	partmap_use(&b->world->maps[BUILD_CLUSTERS], c->part.key, 1);
}

/* Subset of a known service, made when it is asked for first; NULL: no such subset. */
static const struct subset *subset_for(struct cluster *c, const struct build_list *s,
                                       const struct istio_destination *d, struct build_unit *unit)
{
	const char *name = d->subset.s ? d->subset.s : "";
	const struct build_list *rules = rules_of(c->b, c->host);
	const struct istio_subset *sub = *name ? subset_of(rules, name) : NULL;

	if (*name && !sub) {
		diag_warn(c->b->diags, d->subset.at, "SUBSET_UNKNOWN",
		          "no DestinationRule of %s has a subset %s; its requests get 503", c->host,
		          name);
		return NULL;
	}
	c->name = arena_printf(&c->b->scratch, "outbound|%u|%s|%s", c->port, name, c->host);
	struct build_cluster *made = build_get(c->b, BUILD_CLUSTERS, c->name);

	if (!made)
		made = make_cluster(c, s, rules, sub);
	use(c->b, unit, made);
	if (made->subset.n_endpoints == 0 && !made->waits)
		diag_warn(c->b->diags, d->at, "ENDPOINTS_NONE",
		          "%s%s%s has no endpoint now; its requests get 503", c->host,
		          *name ? " subset " : "", name);
	return &made->subset;
}

static void say_unknown(struct build *b, const struct istio_destination *d, const char *host,
                        const struct build_list *s, uint16_t port)
{
	if (!s)
		diag_warn(b->diags, d->host.at, "DESTINATION_UNKNOWN",
		          "no ServiceEntry has the host %s; its requests get 503", host);
	else
		diag_warn(b->diags, d->port ? d->port->number.at : d->host.at,
		          "DESTINATION_UNKNOWN", "%s has no port %u; its requests get 503", host,
		          port);
}

enum istio_protocol build_target_protocol(struct build *b, const struct istio_destination *d,
                                          const char *ns, uint16_t port)
{
	const char *host = host_expand(&b->scratch, d->host.s, ns, b->domain);
	const struct build_list *s = build_get(b, BUILD_SERVICES, host);
	uint16_t only = s ? only_port(s) : 0;
	uint16_t number = d->port ? (uint16_t)d->port->number.v : only ? only : port;

	for (uint32_t i = 0; s && i < s->n; i++) {
		const struct istio_service_port *p =
			entry_of(s, i) ? port_of(s->v[i]->service_entry, number) : NULL;

		if (p)
			return p->protocol.s && *p->protocol.s ? istio_protocol(p->protocol.s)
			                                       : ISTIO_PROTOCOL_HTTP;
	}
	return ISTIO_PROTOCOL_UNKNOWN;
}

/* The unit is made again when something about this host changes. */
static void depend(struct build *b, struct build_unit *unit, const char *host)
{
	struct build_text *t;

	if (!build_first_time(b, unit->part.key, host))
		return;
	t = heap_alloc(unit->part.heap, sizeof(*t));
	*t = (struct build_text){unit->destinations, build_str(b, host).p};
	unit->destinations = t;
}

/* Made while the unit is. */
struct build_target build_target(struct build *b, const struct istio_destination *d,
                                 struct build_unit *unit, uint16_t port)
{
	const char *host = host_expand(&b->scratch, d->host.s, unit->o->ns.s, b->domain);
	const struct build_list *s = build_get(b, BUILD_SERVICES, host);
	uint16_t only = s ? only_port(s) : 0;
	struct build_target t = {.by_port = !d->port && !only};
	struct cluster c = {.b = b, .host = host, .at = d->at};

	depend(b, unit, host);
	c.port = d->port ? (uint16_t)d->port->number.v : only ? only : port;
	t.name =
		arena_printf(&b->scratch, "%s|%s|%u", host, d->subset.s ? d->subset.s : "", c.port);
	if (s && service_has_port(s, c.port))
		t.subset = subset_for(&c, s, d, unit);
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
