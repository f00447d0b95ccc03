/* SPDX-License-Identifier: BSD-3-Clause */
/* Validation of single objects: what the kinds share, and every kind but VirtualService. */
#include "host.h"
#include "istio_check.h"
#include "istio_table.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* ---- shared ----------------------------------------------------------------------------- */

bool check_given(struct where at, const char *name)
{
	char camel[ISTIO_FIELD_NAME_MAX];
	struct istio_field f = {.name = name};

	return tree_get(at.node, name) || tree_get(at.node, istio_table_camel(&f, camel));
}

bool check_empty(uint32_t n, struct where list, struct where message, const char *name)
{
	return n == 0 && (list.file || !check_given(message, name));
}

bool check_required(struct check *c, const struct istio_text *t, struct where message,
                    const char *name)
{
	if (t->s && t->s[0])
		return true;
	if (t->s || !check_given(message, name)) /* of a wrong type: the decoder has said so */
		diag_error(c->d, t->s ? t->at : message, "REQUIRED",
		           "%s is missing; give it a value", name);
	return false;
}

void check_port(struct check *c, const struct istio_number *port, const char *what)
{
	if (port->set && (port->v < 1 || port->v > 65535))
		diag_error(c->d, port->at, "PORT", "%s is %" PRId64 "; give 1 to 65535", what,
		           port->v);
}

void check_duration(struct check *c, const struct istio_duration *t, const char *name)
{
	if (!t->set)
		return;
	if (t->us < 1000)
		diag_error(c->d, t->at, "DURATION",
		           "%s is below 1ms; give 1ms or more, or leave it out", name);
	else if (t->us % 1000 != 0)
		diag_error(c->d, t->at, "DURATION",
		           "%s has a fraction of a millisecond; give whole milliseconds", name);
}

static bool is_label_word(const char *s, size_t len)
{
	if (len == 0 || len > 63 || !isalnum((unsigned char)s[0]) ||
	    !isalnum((unsigned char)s[len - 1]))
		return false;
	for (size_t i = 0; i < len; i++)
		if (!isalnum((unsigned char)s[i]) && !strchr("-_.", s[i]))
			return false;
	return true;
}

static bool is_label_key(const char *s)
{
	const char *slash = strchr(s, '/');

	if (!slash)
		return is_label_word(s, strlen(s));
	char prefix[254];
	size_t len = (size_t)(slash - s);

	if (len == 0 || len >= sizeof(prefix))
		return false;
	memcpy(prefix, s, len);
	prefix[len] = '\0';
	return host_is_name(prefix) && is_label_word(slash + 1, strlen(slash + 1));
}

void check_labels(struct check *c, const struct istio_pairs *labels)
{
	for (uint32_t i = 0; i < labels->n; i++) {
		const struct istio_pair *l = &labels->v[i];

		if (!is_label_key(l->key.s))
			diag_error(c->d, l->key.at, "LABEL_KEY",
			           "%s is no label key; use letters, digits, '-', '_' and '.', at "
			           "most 63, with an optional prefix/",
			           l->key.s);
		if (l->value.s[0] && !is_label_word(l->value.s, strlen(l->value.s)))
			diag_error(c->d, l->value.at, "LABEL_VALUE",
			           "%s is no label value; use letters, digits, '-', '_' and '.', "
			           "at most 63",
			           l->value.s);
	}
}

static int by_text(const void *x, const void *y)
{
	const struct istio_text *a = *(const struct istio_text *const *)x,
				*b = *(const struct istio_text *const *)y;
	int order = strcmp(a->s, b->s);

	if (order == 0)
		order = (a->at.line > b->at.line) - (a->at.line < b->at.line);
	return order != 0 ? order : (a->at.col > b->at.col) - (a->at.col < b->at.col);
}

void check_unique(struct check *c, const struct istio_text *const *texts, uint32_t n,
                  const char *code, const char *what)
{
	const struct istio_text **v = arena_alloc(&c->scratch, n * sizeof(struct istio_text *));
	uint32_t m = 0;

	for (uint32_t i = 0; i < n; i++)
		if (texts[i]->s)
			v[m++] = texts[i];
	qsort(v, m, sizeof(struct istio_text *), by_text);
	for (uint32_t i = 1; i < m; i++)
		if (strcmp(v[i - 1]->s, v[i]->s) == 0)
			diag_error(c->d, v[i]->at, code,
			           "%s %s is given twice, before that in line %u; rename or remove "
			           "one",
			           what, v[i]->s, v[i - 1]->at.line);
}

/* ---- Gateway ---------------------------------------------------------------------------- */

static void check_server_host(struct check *c, const struct istio_text *t)
{
	const char *slash = strchr(t->s, '/');
	struct istio_server_host h = istio_server_host(&c->scratch, t->s, c->o->ns.s);

	if (slash && h.ns && !host_is_label(h.ns))
		diag_error(c->d, t->at, "SERVER_HOST_NAMESPACE",
		           "%s has no good namespace before '/'; use a namespace, '.' or '*'",
		           t->s);
	if (strcmp(h.host, "*") == 0)
		return;
	if (host_is_wildcard(h.host) && h.host[1] != '.')
		diag_error(c->d, t->at, "SERVER_HOST_WILDCARD",
		           "%s: a Gateway takes '*' and '*.suffix' only; write *.suffix", t->s);
	else if (!host_is_pattern(h.host) && !host_is_ip(h.host))
		diag_error(c->d, t->at, "HOST",
		           "%s is no host name; use letters, digits, '-' and dots", t->s);
	else if (!strchr(h.host, '.') && !host_is_ip(h.host))
		diag_error(c->d, t->at, "SERVER_HOST_SHORT",
		           "%s is a short name; a Gateway needs the full name, with a dot", t->s);
}

static void check_gateway_port(struct check *c, const struct istio_gateway_port *p)
{
	check_port(c, &p->number, "number");
	if (!p->number.set && !check_given(p->at, "number"))
		diag_error(c->d, p->at, "REQUIRED",
		           "number is missing; give the port to listen on");
	check_required(c, &p->name, p->at, "name");
	if (!check_required(c, &p->protocol, p->at, "protocol"))
		return;
	switch (istio_protocol(p->protocol.s)) {
	case ISTIO_PROTOCOL_LATER:
		diag_error(c->d, p->protocol.at, "NOT_SUPPORTED",
		           "protocol %s is not supported yet; use HTTP, TCP, TLS or UDP",
		           p->protocol.s);
		break;
	case ISTIO_PROTOCOL_UNKNOWN:
		diag_error(c->d, p->protocol.at, "PROTOCOL",
		           "unknown protocol %s; use HTTP, TCP, TLS or UDP", p->protocol.s);
		break;
	default: break;
	}
}

static void check_passthrough(struct check *c, const struct istio_server *s)
{
	const struct istio_server_tls *tls = s->tls;

	if (!tls) {
		if (!check_given(s->at, "tls"))
			diag_error(c->d, s->port->protocol.at, "TLS_REQUIRED",
			           "protocol %s needs tls; write tls: {mode: PASSTHROUGH}",
			           s->port->protocol.s);
		return;
	}
	if (tls->mode.v != ISTIO_TLS_PASSTHROUGH)
		diag_error(c->d, tls->mode.at, "NOT_SUPPORTED",
		           "TLS is not ended here yet; use mode PASSTHROUGH and end it at the "
		           "endpoints");
	if (tls->https_redirect.v)
		diag_warn(c->d, tls->https_redirect.at, "HTTPS_REDIRECT",
		          "httpsRedirect is for plain HTTP servers; it has no effect here");
}

static void check_server_tls(struct check *c, const struct istio_server *s)
{
	const struct istio_server_tls *tls = s->tls;

	switch (s->port && s->port->protocol.s ? istio_protocol(s->port->protocol.s)
	                                       : ISTIO_PROTOCOL_UNKNOWN) {
	case ISTIO_PROTOCOL_HTTP:
		if (tls && tls->mode.set)
			diag_error(c->d, tls->mode.at, "TLS_ON_HTTP",
			           "an HTTP server has no TLS mode; use protocol TLS, or remove "
			           "it");
		break;
	case ISTIO_PROTOCOL_TCP:
	case ISTIO_PROTOCOL_UDP:
		if (tls)
			diag_error(c->d, tls->at, "TLS_ON_TCP",
			           "a %s server has no tls; use protocol TLS to look at server "
			           "names, or remove it",
			           s->port->protocol.s);
		break;
	case ISTIO_PROTOCOL_TLS: check_passthrough(c, s); break;
	default: break;
	}
}

static void check_server(struct check *c, const struct istio_server *s)
{
	if (s->port)
		check_gateway_port(c, s->port);
	else
		diag_error(c->d, s->at, "REQUIRED",
		           "port is missing; give number, name and protocol");
	if (s->bind.s && strncmp(s->bind.s, "unix://", 7) == 0)
		diag_error(c->d, s->bind.at, "NOT_SUPPORTED",
		           "a unix socket is not supported here; give an IP address");
	else if (s->bind.s && !host_is_ip(s->bind.s))
		diag_error(c->d, s->bind.at, "BIND",
		           "%s is no IP address; give one of this node's, or remove bind",
		           s->bind.s);
	if (check_empty(s->hosts.n, s->hosts.at, s->at, "hosts"))
		diag_error(c->d, s->at, "REQUIRED",
		           "hosts is missing; name the hosts this server is for, or \"*\"");
	for (uint32_t i = 0; i < s->hosts.n; i++)
		check_server_host(c, &s->hosts.v[i]);
	check_server_tls(c, s);
}

static void check_quic(struct check *c, const struct istio_gateway *g)
{
	const struct istio_pair *note = istio_pair_find(&c->o->annotations, ISTIO_NOTE_QUIC);

	if (!note)
		return;
	if (strcmp(note->value.s, "true") != 0 && strcmp(note->value.s, "false") != 0)
		diag_error(c->d, note->value.at, "QUIC", "%s is %s; give \"true\" or \"false\"",
		           note->key.s, note->value.s);
	for (uint32_t i = 0; i < g->servers.n; i++) {
		const struct istio_gateway_port *p = g->servers.v[i].port;

		if (p && p->protocol.s && istio_protocol(p->protocol.s) == ISTIO_PROTOCOL_UDP)
			return;
	}
	diag_warn(c->d, note->key.at, "QUIC_UNUSED",
	          "%s is about UDP servers, and there are none; remove it", note->key.s);
}

static void check_gateway(struct check *c, const struct istio_gateway *g)
{
	uint32_t n = g->servers.n;
	const struct istio_text **names = arena_alloc(&c->scratch, n * sizeof(struct istio_text *));
	static const struct istio_text none;

	if (!host_is_label(c->o->name.s))
		diag_error(c->d, c->o->name.at, "NAME",
		           "%s is no name for a Gateway; use letters, digits and inner '-', at "
		           "most 63",
		           c->o->name.s);
	if (check_empty(n, g->servers.at, g->at, "servers"))
		diag_error(c->d, g->at, "REQUIRED", "servers is missing; give at least one server");
	for (uint32_t i = 0; i < n; i++) {
		const struct istio_server *s = &g->servers.v[i];

		names[i] = s->port ? &s->port->name : &none;
		check_server(c, s);
	}
	check_unique(c, names, n, "PORT_NAME_DUPLICATE", "port name");
	check_quic(c, g);
}

/* ---- WorkloadEntry, ServiceEntry -------------------------------------------------------- */

static void check_endpoint(struct check *c, const struct istio_workload_entry *e)
{
	for (uint32_t i = 0; i < e->ports.n; i++) {
		const struct istio_named_number *p = &e->ports.v[i];

		if (!host_is_label(p->key.s))
			diag_error(c->d, p->key.at, "PORT_NAME",
			           "%s is no port name; use letters, digits and inner '-'",
			           p->key.s);
		check_port(c, &p->value, p->key.s);
	}
	check_labels(c, &e->labels);
	if (!check_required(c, &e->address, e->at, "address"))
		return;
	if (strncmp(e->address.s, "unix://", 7) == 0)
		diag_error(c->d, e->address.at, "NOT_SUPPORTED",
		           "a unix socket is not supported as an endpoint; give an IP address");
	else if (!host_is_ip(e->address.s) && !host_is_name(e->address.s))
		diag_error(c->d, e->address.at, "ADDRESS",
		           "%s is neither an IP address nor a host name; give one", e->address.s);
}

static void check_service_port(struct check *c, const struct istio_service_port *p)
{
	check_port(c, &p->number, "number");
	if (!p->number.set && !check_given(p->at, "number"))
		diag_error(c->d, p->at, "REQUIRED",
		           "number is missing; give the port of the service");
	if (check_required(c, &p->name, p->at, "name") && !host_is_label(p->name.s))
		diag_error(c->d, p->name.at, "PORT_NAME",
		           "%s is no port name; use letters, digits and inner '-'", p->name.s);
	if (p->target_port.v != 0)
		check_port(c, &p->target_port, "targetPort");
	const char *protocol = p->protocol.s ? p->protocol.s : "";

	if (protocol[0] == '\0')
		return;
	switch (istio_protocol(protocol)) {
	case ISTIO_PROTOCOL_LATER:
		if (strcasecmp(protocol, "MONGO") != 0)
			diag_error(c->d, p->protocol.at, "NOT_SUPPORTED",
			           "protocol %s is not supported yet; use HTTP or TCP", protocol);
		break;
	case ISTIO_PROTOCOL_UNKNOWN:
		diag_error(c->d, p->protocol.at, "PROTOCOL",
		           "unknown protocol %s; use HTTP, TCP, TLS or UDP", protocol);
		break;
	default: break;
	}
}

static void check_service_ports(struct check *c, const struct istio_service_entry *s)
{
	uint32_t n = s->ports.n;
	const struct istio_text **names = arena_alloc(&c->scratch, n * sizeof(struct istio_text *));
	const struct istio_text **numbers =
		arena_alloc(&c->scratch, n * sizeof(struct istio_text *));

	if (check_empty(n, s->ports.at, s->at, "ports"))
		diag_warn(c->d, s->at, "NO_PORTS",
		          "the service has no ports, so nothing can be sent to it; add ports");
	for (uint32_t i = 0; i < n; i++) {
		const struct istio_service_port *p = &s->ports.v[i];
		struct istio_text *number = arena_alloc(&c->scratch, sizeof(*number));

		check_service_port(c, p);
		if (p->number.set)
			*number = (struct istio_text){
				arena_printf(&c->scratch, "%" PRId64, p->number.v), p->number.at};
		names[i] = &p->name;
		numbers[i] = number;
		if (s->hosts.n > 1 && p->protocol.s && strcasecmp(p->protocol.s, "TCP") == 0)
			diag_error(c->d, p->protocol.at, "TCP_HOSTS",
			           "a TCP port cannot tell several hosts apart; give one host, or "
			           "use HTTP");
	}
	check_unique(c, names, n, "PORT_NAME_DUPLICATE", "port name");
	check_unique(c, numbers, n, "PORT_DUPLICATE", "port");
}

static bool has_port_named(const struct istio_service_entry *s, const char *name)
{
	for (uint32_t i = 0; i < s->ports.n; i++)
		if (s->ports.v[i].name.s && strcmp(s->ports.v[i].name.s, name) == 0)
			return true;
	return false;
}

static void check_endpoints(struct check *c, const struct istio_service_entry *s)
{
	for (uint32_t i = 0; i < s->endpoints.n; i++) {
		const struct istio_workload_entry *e = &s->endpoints.v[i];

		check_endpoint(c, e);
		for (uint32_t p = 0; p < e->ports.n; p++)
			if (!has_port_named(s, e->ports.v[p].key.s))
				diag_error(c->d, e->ports.v[p].key.at, "ENDPOINT_PORT",
				           "the service has no port named %s; use the name of one "
				           "of its ports",
				           e->ports.v[p].key.s);
		if (s->resolution.v == ISTIO_RESOLUTION_STATIC && e->address.s &&
		    host_is_name(e->address.s))
			diag_error(c->d, e->address.at, "STATIC_ADDRESS",
			           "%s is no IP address, which resolution STATIC needs; use "
			           "resolution DNS for names",
			           e->address.s);
	}
}

static void check_resolution(struct check *c, const struct istio_service_entry *s)
{
	struct where at = s->resolution.set ? s->resolution.at : s->at;

	switch (s->resolution.v) {
	case ISTIO_RESOLUTION_NONE:
		if (s->resolution.set || !check_given(s->at, "resolution"))
			diag_error(c->d, at, "RESOLUTION_NONE",
			           "resolution is NONE%s: an edge has no original destination; set "
			           "resolution: STATIC or DNS",
			           s->resolution.set ? "" : " (the default)");
		break;
	case ISTIO_RESOLUTION_STATIC:
		if (!s->workload_selector &&
		    check_empty(s->endpoints.n, s->endpoints.at, s->at, "endpoints"))
			diag_warn(c->d, s->at, "NO_ENDPOINTS",
			          "the service has no endpoints, so requests get 503; add "
			          "endpoints or a workloadSelector");
		break;
	case ISTIO_RESOLUTION_DYNAMIC_DNS:
		diag_error(c->d, at, "NOT_SUPPORTED",
		           "resolution DYNAMIC_DNS is not supported yet; use DNS");
		break;
	case ISTIO_RESOLUTION_DNS_ROUND_ROBIN:
		if (s->endpoints.n > 1)
			diag_error(c->d, s->endpoints.at, "DNS_ROUND_ROBIN_ENDPOINTS",
			           "resolution DNS_ROUND_ROBIN takes one endpoint; use DNS for "
			           "several");
		break;
	default: break;
	}
}

static void check_service_hosts(struct check *c, const struct istio_service_entry *s)
{
	bool looked_up = (s->resolution.v == ISTIO_RESOLUTION_DNS ||
	                  s->resolution.v == ISTIO_RESOLUTION_DNS_ROUND_ROBIN) &&
	                 s->endpoints.n == 0 && !s->workload_selector;

	if (check_empty(s->hosts.n, s->hosts.at, s->at, "hosts"))
		diag_error(c->d, s->at, "REQUIRED", "hosts is missing; name the service");
	for (uint32_t i = 0; i < s->hosts.n; i++) {
		const struct istio_text *h = &s->hosts.v[i];

		if (strcmp(h->s, "*") == 0)
			diag_error(c->d, h->at, "HOST_STAR",
			           "a service cannot be named *; give a name");
		else if (!host_is_pattern(h->s))
			diag_error(c->d, h->at, "HOST",
			           "%s is no host name; use letters, digits, '-' and dots", h->s);
		else if (looked_up && host_is_wildcard(h->s))
			diag_error(c->d, h->at, "DNS_WILDCARD",
			           "%s cannot be looked up in DNS; give endpoints, or a name "
			           "without '*'",
			           h->s);
	}
}

static void check_service_entry(struct check *c, const struct istio_service_entry *s)
{
	check_service_hosts(c, s);
	check_service_ports(c, s);
	check_resolution(c, s);
	check_endpoints(c, s);
	if (s->workload_selector && s->endpoints.n > 0)
		diag_error(c->d, s->workload_selector->at, "SELECTOR_AND_ENDPOINTS",
		           "workloadSelector and endpoints exclude each other; keep one");
	if (s->workload_selector)
		check_labels(c, &s->workload_selector->labels);
}

/* ---- any -------------------------------------------------------------------------------- */

static bool is_object_name(const char *s)
{
	size_t len = strlen(s);

	if (len > 253 || !isalnum((unsigned char)s[0]) || !isalnum((unsigned char)s[len - 1]))
		return false;
	return strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789-.") == len;
}

void istio_validate(const struct istio_object *o, struct diag_list *diags)
{
	struct check c = {.o = o, .d = diags};

	if (!is_object_name(o->name.s))
		diag_error(diags, o->name.at, "NAME",
		           "%s is no object name; use lower-case letters, digits, '-' and '.', at "
		           "most 253",
		           o->name.s);
	if (!host_is_label(o->ns.s))
		diag_error(diags, o->ns.at, "NAMESPACE",
		           "%s is no namespace; use lower-case letters, digits and inner '-', at "
		           "most 63",
		           o->ns.s);
	switch (o->kind) {
	case ISTIO_GATEWAY: check_gateway(&c, o->gateway); break;
	case ISTIO_VIRTUAL_SERVICE: check_virtual_service(&c, o->virtual_service); break;
	case ISTIO_DESTINATION_RULE: check_destination_rule(&c, o->destination_rule); break;
	case ISTIO_SERVICE_ENTRY: check_service_entry(&c, o->service_entry); break;
	case ISTIO_WORKLOAD_ENTRY: check_endpoint(&c, o->workload_entry); break;
	default: break;
	}
	arena_fini(&c.scratch);
}
