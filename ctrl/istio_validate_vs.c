/* SPDX-License-Identifier: BSD-3-Clause */
/* Validation of a VirtualService: hosts and gateways, match blocks, destinations, the other actions. */
#include "host.h"
#include "istio_check.h"
#include "re2.h"

#include <ctype.h>
#include <inttypes.h>
#include <string.h>
#include <strings.h>

#define HOSTS_MAX      1000 /* every pair is compared */
#define SHADOW_MAX     1000 /* match blocks among which shadowed ones are looked for, likewise */
#define WEIGHT_SUM_MAX UINT32_MAX /* Envoy's limit */
#define BODY_MAX       (1u << 20) /* Istio's limit */
#define BODY_LARGE     (100u << 10)

/* ---- hosts, gateways -------------------------------------------------------------------- */

static void check_overlap(struct check *c, const struct istio_texts *hosts)
{
	if (hosts->n > HOSTS_MAX) {
		diag_error(c->d, hosts->at, "HOSTS_TOO_MANY",
		           "more than %d hosts in one document; split it", HOSTS_MAX);
		return;
	}
	for (uint32_t i = 1; i < hosts->n; i++)
		for (uint32_t k = 0; k < i; k++)
			if (host_overlaps(hosts->v[i].s, hosts->v[k].s)) {
				diag_error(c->d, hosts->v[i].at, "HOST_DUPLICATE",
				           "%s overlaps with %s in line %u; keep one, or move it "
				           "to a document of its own",
				           hosts->v[i].s, hosts->v[k].s, hosts->v[k].at.line);
				break;
			}
}

void check_gateway_names(struct check *c, const struct istio_texts *gateways)
{
	for (uint32_t i = 0; i < gateways->n; i++) {
		const struct istio_text *t = &gateways->v[i];
		struct istio_gateway_ref ref;

		if (!istio_gateway_ref(&c->scratch, t->s, c->o->ns.s, &ref))
			diag_error(c->d, t->at, "GATEWAY_NAME",
			           "%s is no gateway name; write NAME, NAMESPACE/NAME or mesh",
			           t->s);
		else if (ref.legacy)
			diag_warn(c->d, t->at, "GATEWAY_LEGACY",
			          "%s is the old form of a gateway name; write %s/%s", t->s, ref.ns,
			          ref.name);
	}
}

static bool binds_to_mesh(const struct istio_virtual_service *vs)
{
	for (uint32_t i = 0; i < vs->gateways.n; i++)
		if (strcmp(vs->gateways.v[i].s, "mesh") == 0)
			return true;
	return vs->gateways.n == 0;
}

static void check_hosts(struct check *c, const struct istio_virtual_service *vs)
{
	if (check_empty(vs->hosts.n, vs->hosts.at, vs->at, "hosts"))
		diag_error(c->d, vs->at, "REQUIRED",
		           "hosts is missing; name the hosts these rules are for (delegates, which "
		           "have none, are not supported yet)");
	for (uint32_t i = 0; i < vs->hosts.n; i++) {
		const struct istio_text *h = &vs->hosts.v[i];

		if (!host_is_pattern(h->s) && !host_is_ip(h->s))
			diag_error(c->d, h->at, "HOST",
			           "%s is no host name; use letters, digits, '-' and dots, with "
			           "'*' at the start only",
			           h->s);
		else if (strcmp(h->s, "*") == 0 && binds_to_mesh(vs))
			diag_error(c->d, h->at, "HOST_STAR_ON_MESH",
			           "host * needs a gateway; name one in gateways, or give a host "
			           "name");
	}
	check_overlap(c, &vs->hosts);
}

/* ---- match ------------------------------------------------------------------------------ */

enum strictness {
	PREFIX_MAY_BE_EMPTY = 1,
	STAR_IS_PRESENCE = 2, /* regex "*", which is none, is an old way to say "present" */
};

static void check_string_match(struct check *c, const struct istio_string_match *m,
                               const char *name, unsigned int leave)
{
	if (!m)
		return;
	if (!!m->exact.s + !!m->prefix.s + !!m->regex.s > 1)
		diag_error(c->d, m->at, "MATCH_ONEOF",
		           "%s has more than one of exact, prefix and regex; keep one", name);
	if (m->prefix.s && !m->prefix.s[0] && !(leave & PREFIX_MAY_BE_EMPTY))
		diag_error(c->d, m->prefix.at, "PREFIX_EMPTY",
		           "prefix of %s is empty; give a text, or {} to ask only that it is there",
		           name);
	if (!m->regex.s || ((leave & STAR_IS_PRESENCE) && strcmp(m->regex.s, "*") == 0))
		return;
	const char *wrong = re2_check(m->regex.s);

	if (!m->regex.s[0])
		diag_error(c->d, m->regex.at, "REGEX_EMPTY",
		           "regex of %s is empty; use exact: \"\" for an empty value, .* for any",
		           name);
	else if (strlen(m->regex.s) > RE2_BYTES_MAX)
		diag_error(c->d, m->regex.at, "REGEX_TOO_LONG", "regex of %s is not good: %s", name,
		           wrong);
	else if (wrong)
		diag_error(c->d, m->regex.at, "REGEX_SYNTAX", "regex of %s is not good: %s", name,
		           wrong);
}

static bool is_token(const char *s)
{
	if (!s[0])
		return false;
	for (; *s; s++)
		if (!isalnum((unsigned char)*s) && !strchr("!#$%&'*+-.^_`|~", *s))
			return false;
	return true;
}

static void check_header_name(struct check *c, const struct istio_text *key)
{
	static const char *const pseudo[] = {":method", ":scheme", ":authority", ":path"};
	static const char *const fields[] = {"uri", "scheme", "method", "authority"};

	for (size_t i = 0; i < sizeof(pseudo) / sizeof(pseudo[0]); i++)
		if (strcmp(key->s, pseudo[i]) == 0)
			return;
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
		if (strcmp(key->s, fields[i]) == 0)
			diag_warn(c->d, key->at, "HEADER_NAME",
			          "this asks for a header named %s; use the field %s of the match "
			          "block if that is meant",
			          key->s, key->s);
	if (strncmp(key->s, "@request.auth.", 14) == 0)
		diag_error(c->d, key->at, "NOT_SUPPORTED",
		           "matching on JWT claims is not supported yet; remove it to use this "
		           "document");
	else if (!is_token(key->s))
		diag_error(c->d, key->at, "HEADER_NAME",
		           "\"%s\" is no header name; use letters, digits and !#$%%&'*+-.^_`|~",
		           key->s);
}

static void check_header_matches(struct check *c, const struct istio_named_matches *m,
                                 unsigned int leave)
{
	for (uint32_t i = 0; i < m->n; i++) {
		check_header_name(c, &m->v[i].key);
		check_string_match(c, &m->v[i].match, m->v[i].key.s, leave);
	}
}

static void check_match(struct check *c, const struct istio_http_match *m)
{
	check_string_match(c, m->uri, "uri", PREFIX_MAY_BE_EMPTY);
	check_string_match(c, m->scheme, "scheme", 0);
	check_string_match(c, m->method, "method", 0);
	check_string_match(c, m->authority, "authority", 0);
	check_header_matches(c, &m->headers, 0);
	check_header_matches(c, &m->without_headers, STAR_IS_PRESENCE);
	for (uint32_t i = 0; i < m->query_params.n; i++) {
		const struct istio_named_match *q = &m->query_params.v[i];

		if (!q->key.s[0])
			diag_error(c->d, q->key.at, "QUERY_NAME",
			           "a query parameter has no name; give one");
		check_string_match(c, &q->match, q->key.s, 0);
	}
	check_port(c, &m->port, "port");
	check_gateway_names(c, &m->gateways);
}

/* ---- header operations ------------------------------------------------------------------ */

static bool is_host_header(const char *name)
{
	return strcasecmp(name, "host") == 0 || strcmp(name, ":authority") == 0;
}

static void check_operation_name(struct check *c, const struct istio_text *name, bool host_allowed)
{
	if (is_host_header(name->s)) {
		if (!host_allowed)
			diag_error(c->d, name->at, "HEADER_HOST",
			           "%s cannot be changed here; use set or add below request, or "
			           "rewrite.authority",
			           name->s);
	} else if (name->s[0] == ':')
		diag_error(c->d, name->at, "HEADER_PSEUDO",
		           "%s is a pseudo header and cannot be changed; use rewrite for path and "
		           "authority",
		           name->s);
	else if (!is_token(name->s))
		diag_error(c->d, name->at, "HEADER_NAME",
		           "\"%s\" is no header name; use letters, digits and !#$%%&'*+-.^_`|~",
		           name->s);
}

/* %NAME% or %NAME(argument)% behind the first '%' of p. Returns what follows, or NULL after an error. */
static const char *check_substitution(struct check *c, const struct istio_text *value,
                                      const char *p)
{
	static const char *const plain[] = {"DOWNSTREAM_REMOTE_ADDRESS",
	                                    "DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT", "PROTOCOL"};
	const char *end = strchr(p, '%');
	size_t len = end ? (size_t)(end - p) : 0,
	       word = strspn(p, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_");

	if (!end || word == 0 || (word != len && !(p[word] == '(' && memchr(p, ')', len)))) {
		diag_error(c->d, value->at, "HEADER_VALUE",
		           "a lone %% stands in the value; write %%%% for a percent sign, "
		           "%%REQ(name)%% for a request header");
		return NULL;
	}
	for (size_t i = 0; i < sizeof(plain) / sizeof(plain[0]); i++)
		if (strlen(plain[i]) == len && memcmp(plain[i], p, len) == 0)
			return end + 1;
	if (word == 3 && strncmp(p, "REQ(", 4) == 0 && end[-1] == ')') {
		char *name = arena_copy(&c->scratch, p + 4, len - 5);

		if (is_token(name) || (name[0] == ':' && is_token(name + 1)))
			return end + 1;
	}
	diag_error(c->d, value->at, "NOT_SUPPORTED",
	           "%%%.*s%% is not supported yet; there are REQ(name), DOWNSTREAM_REMOTE_ADDRESS, "
	           "DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT and PROTOCOL",
	           (int)len, p);
	return NULL;
}

static void check_header_value(struct check *c, const struct istio_text *value)
{
	const char *p = value->s;

	for (const char *q = p; *q; q++)
		if (((unsigned char)*q < 0x20 && *q != '\t') || *q == 0x7f) {
			diag_error(c->d, value->at, "HEADER_VALUE",
			           "the value has a control character in it; remove it");
			return;
		}
	while (p && (p = strchr(p, '%')))
		p = p[1] == '%' ? p + 2 : check_substitution(c, value, p + 1);
}

static void check_operations(struct check *c, const struct istio_header_operations *ops,
                             bool request)
{
	if (!ops)
		return;
	for (uint32_t i = 0; i < ops->set.n; i++) {
		check_operation_name(c, &ops->set.v[i].key, request);
		check_header_value(c, &ops->set.v[i].value);
	}
	for (uint32_t i = 0; i < ops->add.n; i++) {
		check_operation_name(c, &ops->add.v[i].key, request);
		check_header_value(c, &ops->add.v[i].value);
	}
	for (uint32_t i = 0; i < ops->remove.n; i++)
		check_operation_name(c, &ops->remove.v[i], false);
}

void check_headers(struct check *c, const struct istio_headers *h)
{
	if (!h)
		return;
	check_operations(c, h->request, true);
	check_operations(c, h->response, false);
}

static uint32_t count_host_headers(const struct istio_pairs *pairs)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < pairs->n; i++)
		n += is_host_header(pairs->v[i].key.s);
	return n;
}

static void check_authority_once(struct check *c, const struct istio_http_route *r)
{
	uint32_t n = r->rewrite && r->rewrite->authority.s && r->rewrite->authority.s[0];

	if (r->headers && r->headers->request)
		n += count_host_headers(&r->headers->request->set) +
		     count_host_headers(&r->headers->request->add);
	if (n > 1)
		diag_error(c->d, r->at, "AUTHORITY_SET_TWICE",
		           "rewrite.authority, headers.request.set and .add change the Host more "
		           "than once; keep one");
}

/* ---- actions ---------------------------------------------------------------------------- */

void check_destination(struct check *c, struct where at, const struct istio_destination *d,
                       const struct istio_number *weight, struct check_weights *w)
{
	w->n++;
	w->sum += weight->v > 0 ? weight->v : 0;
	if (weight->v < 0)
		diag_error(c->d, weight->at, "WEIGHT_NEGATIVE",
		           "weight is %" PRId64 "; give 0 or more", weight->v);
	if (!d) {
		if (!check_given(at, "destination") ||
		    tree_is_null(tree_get(at.node, "destination")))
			diag_error(c->d, at, "DEST_REQUIRED",
			           "destination is missing; give one with a host");
		return;
	}
	if (check_required(c, &d->host, d->at, "host")) {
		if (host_is_wildcard(d->host.s))
			diag_error(c->d, d->host.at, "DEST_HOST_WILDCARD",
			           "%s: a destination cannot be a wildcard; name one service",
			           d->host.s);
		else if (!host_is_name(d->host.s) && !host_is_ip(d->host.s))
			diag_error(c->d, d->host.at, "DEST_HOST",
			           "%s is no host name; use letters, digits, '-' and dots",
			           d->host.s);
	}
	if (d->subset.s && d->subset.s[0] && !host_is_label(d->subset.s))
		diag_error(c->d, d->subset.at, "SUBSET_NAME",
		           "%s is no subset name; use letters, digits and inner '-', at most 63",
		           d->subset.s);
	if (d->port && !d->port->number.set && !check_given(d->port->at, "number"))
		diag_error(c->d, d->port->at, "DEST_PORT",
		           "port has no number; write port: {number: 80}, or remove it");
	else if (d->port)
		check_port(c, &d->port->number, "port number");
}

void check_weights(struct check *c, const struct check_weights *w, struct where at)
{
	if (w->n >= 2 && w->sum == 0)
		diag_error(c->d, at, "WEIGHT_TOTAL_ZERO",
		           "all weights are 0 or absent; give at least one destination a weight");
	if (w->sum > WEIGHT_SUM_MAX)
		diag_error(c->d, at, "WEIGHT_TOTAL",
		           "the weights add up to more than %u; use smaller ones", WEIGHT_SUM_MAX);
}

static void check_http_destinations(struct check *c, const struct istio_http_route *r)
{
	struct check_weights w = {0};

	for (uint32_t i = 0; i < r->route.n; i++) {
		const struct istio_http_destination *d = &r->route.v[i];

		check_headers(c, d->headers);
		check_destination(c, d->at, d->destination, &d->weight, &w);
	}
	check_weights(c, &w, r->route.at);
}

static bool has_text(const struct istio_text *t)
{
	return t->s && t->s[0];
}

static void check_redirect(struct check *c, const struct istio_redirect *r)
{
	static const int64_t built[] = {0, 301, 302, 303, 307, 308}; /* 0: absent */
	bool known = false;

	if (!r)
		return;
	if (!has_text(&r->uri) && !has_text(&r->authority) && !has_text(&r->scheme) &&
	    !r->port.set && !r->derive_port.set && !check_given(r->at, "prefix_rewrite"))
		diag_error(c->d, r->at, "REDIRECT_EMPTY",
		           "redirect changes nothing; give uri, authority, scheme or port");
	if (r->port.set && r->derive_port.set)
		diag_error(c->d, r->derive_port.at, "REDIRECT_PORT",
		           "port and derivePort exclude each other; keep one");
	check_port(c, &r->port, "port");
	if (has_text(&r->scheme) && strcmp(r->scheme.s, "http") != 0 &&
	    strcmp(r->scheme.s, "https") != 0)
		diag_error(c->d, r->scheme.at, "REDIRECT_SCHEME",
		           "scheme is %s; give http or https", r->scheme.s);
	for (size_t i = 0; i < sizeof(built) / sizeof(built[0]); i++)
		known = known || r->redirect_code.v == built[i];
	if (!known)
		diag_error(c->d, r->redirect_code.at, "REDIRECT_CODE",
		           "redirectCode is %" PRId64 "; give 301, 302, 303, 307 or 308",
		           r->redirect_code.v);
}

static void check_direct_response(struct check *c, const struct istio_direct_response *r)
{
	if (!r)
		return;
	if (!r->status.set && !check_given(r->at, "status"))
		diag_error(c->d, r->at, "DIRECT_STATUS", "status is missing; give 200 to 600");
	else if (r->status.set && (r->status.v < 200 || r->status.v > 600))
		diag_error(c->d, r->status.at, "DIRECT_STATUS",
		           "status is %" PRId64 "; give 200 to 600", r->status.v);
	size_t len = r->body && r->body->string.s ? strlen(r->body->string.s) : 0;

	if (len > BODY_MAX)
		diag_error(c->d, r->body->string.at, "DIRECT_BODY",
		           "the body has %zu bytes; at most 1 MB is allowed", len);
	else if (len > BODY_LARGE)
		diag_warn(c->d, r->body->string.at, "DIRECT_BODY",
		          "the body has %zu bytes; above 100 kB a service of its own is better",
		          len);
}

static void exclude(struct check *c, struct where a, struct where b, const char *code,
                    const char *names)
{
	if (a.file && b.file)
		diag_error(c->d, a, code, "%s exclude each other in one rule; keep one", names);
}

static void check_actions(struct check *c, const struct istio_http_route *r)
{
	static const struct where none;
	struct where route = r->route.n > 0 ? r->route.at : none;
	struct where redirect = r->redirect ? r->redirect->at : none;
	struct where direct = r->direct_response ? r->direct_response->at : none;
	struct where rewrite = r->rewrite ? r->rewrite->at : none;

	exclude(c, redirect, route, "REDIRECT_WITH_ROUTE", "redirect and route");
	exclude(c, redirect, rewrite, "REDIRECT_WITH_REWRITE", "redirect and rewrite");
	exclude(c, redirect, direct, "REDIRECT_WITH_DIRECT_RESPONSE",
	        "redirect and directResponse");
	exclude(c, direct, route, "DIRECT_RESPONSE_WITH_ROUTE", "directResponse and route");
	exclude(c, direct, rewrite, "DIRECT_RESPONSE_WITH_REWRITE", "directResponse and rewrite");
	if (!redirect.file && !direct.file && !check_given(r->at, "delegate") &&
	    check_empty(r->route.n, r->route.at, r->at, "route"))
		diag_error(c->d, r->at, "ROUTE_ACTION_REQUIRED",
		           "the rule does nothing; give route with a destination, redirect or "
		           "directResponse");
}

static void check_http_route(struct check *c, const struct istio_http_route *r)
{
	check_actions(c, r);
	for (uint32_t i = 0; i < r->match.n; i++)
		check_match(c, &r->match.v[i]);
	check_http_destinations(c, r);
	check_headers(c, r->headers);
	check_redirect(c, r->redirect);
	check_direct_response(c, r->direct_response);
	if (r->rewrite && !has_text(&r->rewrite->uri) && !has_text(&r->rewrite->authority) &&
	    !check_given(r->rewrite->at, "uri_regex_rewrite"))
		diag_error(c->d, r->rewrite->at, "REWRITE_EMPTY",
		           "rewrite changes nothing; give uri or authority");
	check_authority_once(c, r);
	check_duration(c, &r->timeout, "timeout");
}

/* ---- rules that never match ------------------------------------------------------------- */

static bool is_any(const struct istio_string_match *m)
{
	if (!m || (!m->exact.s && !m->prefix.s && !m->regex.s))
		return true;
	return (m->prefix.s && (!m->prefix.s[0] || strcmp(m->prefix.s, "/") == 0)) ||
	       (m->regex.s && strcmp(m->regex.s, ".*") == 0);
}

/* Nothing but the uri decides. */
static bool only_uri(const struct istio_http_match *m)
{
	return !m->scheme && !m->method && !m->authority && m->headers.n == 0 &&
	       m->without_headers.n == 0 && m->query_params.n == 0 && !m->port.set &&
	       m->gateways.n == 0;
}

static bool catches_all(const struct istio_http_route *r)
{
	for (uint32_t i = 0; i < r->match.n; i++)
		if (only_uri(&r->match.v[i]) && is_any(r->match.v[i].uri))
			return true;
	return r->match.n == 0;
}

/* Does the earlier block, by uri alone, take every request that the later one is for? */
static bool shadows(const struct istio_http_match *early, const struct istio_http_match *late)
{
	const struct istio_string_match *a = early->uri, *b = late->uri;

	if (!only_uri(early) || !a || !b || early->ignore_uri_case.v != late->ignore_uri_case.v)
		return false;
	if (a->prefix.s && b->prefix.s)
		return strncmp(a->prefix.s, b->prefix.s, strlen(a->prefix.s)) == 0;
	if (a->prefix.s && b->exact.s)
		return strncmp(a->prefix.s, b->exact.s, strlen(a->prefix.s)) == 0;
	if (a->exact.s && b->exact.s)
		return strcmp(a->exact.s, b->exact.s) == 0;
	return a->regex.s && b->regex.s && strcmp(a->regex.s, b->regex.s) == 0;
}

static const struct istio_http_match *find_shadow(const struct istio_http_match **seen, uint32_t n,
                                                  const struct istio_http_match *m)
{
	for (uint32_t i = 0; i < n; i++)
		if (shadows(seen[i], m))
			return seen[i];
	return NULL;
}

static void warn_unreachable(struct check *c, const struct istio_virtual_service *vs)
{
	const struct istio_http_match **seen =
		arena_alloc(&c->scratch, SHADOW_MAX * sizeof(struct istio_http_match *));
	uint32_t n = 0;

	for (uint32_t i = 0; i < vs->http.n; i++) {
		const struct istio_http_route *r = &vs->http.v[i];

		for (uint32_t k = 0; k < r->match.n; k++) {
			const struct istio_http_match *early = find_shadow(seen, n, &r->match.v[k]);

			if (early)
				diag_warn(c->d, r->match.v[k].at, "SHADOWED",
				          "never matches: the block in line %u takes these "
				          "requests first; put this one before it, or remove it",
				          early->at.line);
			else if (n < SHADOW_MAX && only_uri(&r->match.v[k]))
				seen[n++] = &r->match.v[k];
		}
		if (!catches_all(r) || i + 1 == vs->http.n)
			continue;
		diag_warn(c->d, vs->http.v[i + 1].at, "UNREACHABLE",
		          "never reached: the rule in line %u matches every request; move that "
		          "rule to the end",
		          r->at.line);
		return;
	}
}

void check_virtual_service(struct check *c, const struct istio_virtual_service *vs)
{
	check_hosts(c, vs);
	check_gateway_names(c, &vs->gateways);
	if (check_empty(vs->http.n, vs->http.at, vs->at, "http") &&
	    check_empty(vs->tcp.n, vs->tcp.at, vs->at, "tcp") &&
	    check_empty(vs->tls.n, vs->tls.at, vs->at, "tls"))
		diag_error(c->d, vs->at, "NO_ROUTES",
		           "http, tls and tcp are missing; give at least one rule");
	for (uint32_t i = 0; i < vs->http.n; i++)
		check_http_route(c, &vs->http.v[i]);
	warn_unreachable(c, vs);
	check_l4_rules(c, vs);
}
