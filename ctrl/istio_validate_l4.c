/* SPDX-License-Identifier: BSD-3-Clause */
/* Validation of a VirtualService's tcp and tls rules. */
#include "host.h"
#include "istio_check.h"

#include <string.h>
#include <strings.h>

#define ALPN_BYTES_MAX 255 /* RFC 7301, section 3.1: a byte of length */

static void check_l4_destinations(struct check *c, struct where at, struct where list,
                                  const struct istio_l4_destination *v, uint32_t n)
{
	struct check_weights w = {0};

	if (check_empty(n, list, at, "route"))
		diag_error(c->d, at, "ROUTE_REQUIRED",
		           "the rule sends nowhere; give route with a destination");
	for (uint32_t i = 0; i < n; i++)
		check_destination(c, v[i].at, v[i].destination, &v[i].weight, &w);
	check_weights(c, &w, list);
}

/* ---- tls -------------------------------------------------------------------------------- */

/* Within the hosts of the document, as Istio wants it: matched by one of them. */
static bool within_hosts(const struct istio_virtual_service *vs, const char *sni)
{
	for (uint32_t i = 0; i < vs->hosts.n; i++) {
		const char *both = host_intersect(vs->hosts.v[i].s, sni);

		if (both && strcasecmp(both, sni) == 0)
			return true;
	}
	return false;
}

static void check_sni(struct check *c, const struct istio_virtual_service *vs,
                      const struct istio_text *sni)
{
	if (host_is_ip(sni->s))
		diag_warn(c->d, sni->at, "SNI_IP",
		          "%s is an address, which clients do not send as a server name; give a "
		          "name",
		          sni->s);
	else if (!host_is_pattern(sni->s))
		diag_error(c->d, sni->at, "SNI_HOST",
		           "%s is no server name; use letters, digits, '-' and dots, with '*' at "
		           "the start only",
		           sni->s);
	else if (!within_hosts(vs, sni->s))
		diag_error(c->d, sni->at, "SNI_NOT_SUBSET",
		           "%s is not within the hosts of the document; add it there", sni->s);
}

static void check_tls_route(struct check *c, const struct istio_virtual_service *vs,
                            const struct istio_tls_route *r)
{
	if (check_empty(r->match.n, r->match.at, r->at, "match"))
		diag_error(c->d, r->at, "TLS_MATCH_REQUIRED",
		           "match is missing; give a block with sniHosts (\"*\" for every name)");
	for (uint32_t i = 0; i < r->match.n; i++) {
		const struct istio_tls_match *m = &r->match.v[i];

		if (check_empty(m->sni_hosts.n, m->sni_hosts.at, m->at, "sni_hosts"))
			diag_error(c->d, m->at, "SNI_REQUIRED",
			           "sniHosts is missing; name the servers, or \"*\"");
		for (uint32_t k = 0; k < m->sni_hosts.n; k++)
			check_sni(c, vs, &m->sni_hosts.v[k]);
		check_port(c, &m->port, "port");
		check_gateway_names(c, &m->gateways);
	}
	check_l4_destinations(c, r->at, r->route.at, r->route.v, r->route.n);
}

static void check_alpn(struct check *c, const struct istio_virtual_service *vs)
{
	const struct istio_pair *note = istio_pair_find(&c->o->annotations, ISTIO_NOTE_ALPN);
	const char **words;

	if (!note)
		return;
	if (vs->tls.n == 0)
		diag_warn(c->d, note->key.at, "ALPN_UNUSED",
		          "%s is about tls rules, and there are none; remove it", note->key.s);
	words = arena_alloc(&c->scratch, (strlen(note->value.s) + 1) * sizeof(*words));
	uint32_t n = istio_words(&c->scratch, note->value.s, words);

	for (uint32_t i = 0; i < n; i++) {
		size_t len = strlen(words[i]);

		if (len == 0 || len > ALPN_BYTES_MAX)
			diag_error(c->d, note->value.at, "ALPN",
			           "a protocol has %zu bytes; give names of 1 to %d bytes with "
			           "commas between them, as h2,http/1.1",
			           len, ALPN_BYTES_MAX);
	}
}

/* ---- tcp -------------------------------------------------------------------------------- */

static bool takes_all(const struct istio_tcp_route *r)
{
	for (uint32_t i = 0; i < r->match.n; i++)
		if (!r->match.v[i].port.set && r->match.v[i].gateways.n == 0)
			return true;
	return r->match.n == 0;
}

static void warn_tcp_unreachable(struct check *c, const struct istio_virtual_service *vs)
{
	for (uint32_t i = 0; i + 1 < vs->tcp.n; i++) {
		if (!takes_all(&vs->tcp.v[i]))
			continue;
		diag_warn(c->d, vs->tcp.v[i + 1].at, "UNREACHABLE",
		          "never reached: the rule in line %u takes every connection; move that "
		          "rule to the end",
		          vs->tcp.v[i].at.line);
		return;
	}
}

static void check_tcp_route(struct check *c, const struct istio_tcp_route *r)
{
	for (uint32_t i = 0; i < r->match.n; i++) {
		check_port(c, &r->match.v[i].port, "port");
		check_gateway_names(c, &r->match.v[i].gateways);
	}
	check_l4_destinations(c, r->at, r->route.at, r->route.v, r->route.n);
}

void check_l4_rules(struct check *c, const struct istio_virtual_service *vs)
{
	for (uint32_t i = 0; i < vs->tls.n; i++)
		check_tls_route(c, vs, &vs->tls.v[i]);
	for (uint32_t i = 0; i < vs->tcp.n; i++)
		check_tcp_route(c, &vs->tcp.v[i]);
	warn_tcp_unreachable(c, vs);
	check_alpn(c, vs);
}
