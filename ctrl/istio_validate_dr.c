/* SPDX-License-Identifier: BSD-3-Clause */
/* Validation of a DestinationRule: policies, subsets, and how packets get to them. */
#include "build_maglev.h"
#include "host.h"
#include "istio_check.h"

#include <inttypes.h>
#include <string.h>

#define IDLE_MAX_US (UINT64_C(8) * 3600 * 1000000)

static void check_table_size(struct check *c, const struct istio_number *size)
{
	if (!size->set)
		return;
	if (size->v < 2 || size->v >= BUILD_MAGLEV_LIMIT)
		diag_error(c->d, size->at, "MAGLEV_SIZE",
		           "tableSize is %" PRId64 "; give a prime from 2 to %u", size->v,
		           BUILD_MAGLEV_LIMIT - 1);
	else if (!build_maglev_is_prime((uint32_t)size->v))
		diag_error(c->d, size->at, "MAGLEV_SIZE",
		           "tableSize %" PRId64 " is no prime, which Maglev needs; %u is a usual "
		           "one",
		           size->v, BUILD_MAGLEV_DEFAULT);
}

static void check_load_balancer(struct check *c, const struct istio_load_balancer *lb)
{
	const struct istio_consistent_hash *hash = lb->consistent_hash;

	if (lb->simple.v == ISTIO_LB_PASSTHROUGH)
		diag_error(c->d, lb->simple.at, "LB_PASSTHROUGH",
		           "PASSTHROUGH needs an original destination, which an edge does not "
		           "have; use LEAST_REQUEST, ROUND_ROBIN or RANDOM");
	if (!hash)
		return;
	if (lb->simple.set)
		diag_error(c->d, hash->at, "LB_ONEOF",
		           "simple and consistentHash exclude each other; keep one");
	if (hash->at.node->n == 0)
		diag_error(c->d, hash->at, "HASH_EMPTY",
		           "consistentHash is empty; set useSourceIp: true, or maglev: {} for a "
		           "hash of addresses and ports");
	if (hash->maglev)
		check_table_size(c, &hash->maglev->table_size);
}

static void check_policy(struct check *c, const struct istio_traffic_policy *p)
{
	if (!p)
		return;
	if (p->at.node->n == 0)
		diag_error(c->d, p->at, "POLICY_EMPTY",
		           "trafficPolicy is empty; set loadBalancer, or remove it");
	if (p->load_balancer)
		check_load_balancer(c, p->load_balancer);
	const struct istio_connection_pool *pool = p->connection_pool;

	if (pool && pool->at.node->n == 0)
		diag_error(c->d, pool->at, "POOL_EMPTY",
		           "connectionPool is empty; set tcp, or remove it");
	if (!pool || !pool->tcp)
		return;
	check_duration(c, &pool->tcp->connect_timeout, "connectTimeout");
	if (pool->tcp->idle_timeout.us != 0) /* 0s: as if absent */
		check_duration(c, &pool->tcp->idle_timeout, "idleTimeout");
	if (pool->tcp->idle_timeout.us > IDLE_MAX_US)
		diag_warn(c->d, pool->tcp->idle_timeout.at, "IDLE_TIMEOUT",
		          "idleTimeout is more than 8h, which is the most that a connection is "
		          "remembered for; give 8h");
}

/* ---- annotations ------------------------------------------------------------------------ */

static bool has_subset(const struct istio_destination_rule *r, const char *name)
{
	for (uint32_t i = 0; i < r->subsets.n; i++)
		if (r->subsets.v[i].name.s && strcmp(r->subsets.v[i].name.s, name) == 0)
			return true;
	return false;
}

static void check_forward(struct check *c, const struct istio_destination_rule *r,
                          const struct istio_pair *note)
{
	const size_t len = strlen(ISTIO_NOTE_FORWARD);
	struct istio_forward forward;

	if (strncmp(note->key.s, ISTIO_NOTE_FORWARD, len) != 0 ||
	    (note->key.s[len] && note->key.s[len] != '.'))
		return;
	if (note->key.s[len] && !has_subset(r, note->key.s + len + 1))
		diag_error(c->d, note->key.at, "FORWARD_SUBSET",
		           "%s names a subset that this document does not have; write %s.SUBSET "
		           "with one of its subsets",
		           note->key.s, ISTIO_NOTE_FORWARD);
	if (!istio_forward_parse(note->value.s, &forward))
		diag_error(c->d, note->value.at, "FORWARD",
		           "%s is no way to forward; give nat, dsr, ipip, gue or gue:PORT",
		           note->value.s);
}

/* A mode that leaves packets as they are cannot put bytes in front of the client's. */
static void check_told(struct check *c, const struct istio_destination_rule *r,
                       const struct istio_subset *s)
{
	const struct istio_traffic_policy *p = s ? s->traffic_policy : NULL;
	const struct istio_pair *note = istio_forward_note(c->o, s ? s->name.s : NULL);
	struct istio_forward forward;

	if (!p || !p->proxy_protocol)
		p = r->traffic_policy;
	if (!p || !p->proxy_protocol || !note || !istio_forward_parse(note->value.s, &forward) ||
	    forward.mode == FORWARD_NAT)
		return;
	diag_error(c->d, p->proxy_protocol->at, "FORWARD_PROXY_PROTOCOL",
	           "proxyProtocol cannot go together with %s: %s in line %u, which leaves packets "
	           "as they are (the server sees the client's address anyway); remove one",
	           note->key.s, note->value.s, note->value.at.line);
}

/* ---- the whole -------------------------------------------------------------------------- */

void check_destination_rule(struct check *c, const struct istio_destination_rule *r)
{
	uint32_t n = r->subsets.n;
	const struct istio_text **names = arena_alloc(&c->scratch, n * sizeof(struct istio_text *));

	if (check_required(c, &r->host, r->at, "host") && !host_is_pattern(r->host.s) &&
	    !host_is_ip(r->host.s))
		diag_error(c->d, r->host.at, "HOST",
		           "%s is no host name; use letters, digits, '-' and dots, with '*' at the "
		           "start only",
		           r->host.s);
	check_policy(c, r->traffic_policy);
	check_told(c, r, NULL);
	for (uint32_t i = 0; i < n; i++) {
		const struct istio_subset *s = &r->subsets.v[i];

		names[i] = &s->name;
		if (check_required(c, &s->name, s->at, "name") && !host_is_label(s->name.s))
			diag_error(c->d, s->name.at, "SUBSET_NAME",
			           "%s is no subset name; use letters, digits and inner '-', at "
			           "most 63",
			           s->name.s);
		check_labels(c, &s->labels);
		check_policy(c, s->traffic_policy);
		check_told(c, r, s);
	}
	check_unique(c, names, n, "SUBSET_DUPLICATE", "subset");
	for (uint32_t i = 0; i < c->o->annotations.n; i++)
		check_forward(c, r, &c->o->annotations.v[i]);
}
