/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Property: a snapshot built from the one before is the one that is built from nothing, after any sequence of
 * changes; and a snapshot does not change, whatever is built from it or freed.
 *
 * Documents come and go from a few names, so that they meet: several of one host, port or server name, of one
 * service, in two namespaces, destinations that are not there yet, wildcards, selectors, names that DNS gives. Both
 * snapshots are written out as text with every slot, weight, table and database in it and compared, as
 * is what the builds say; and explain, which reads documents only, finds the same rules. Slots in use must be as many as a build from nothing takes.
 *
 * argv: seed, number of steps (400). A failure prints the documents and both texts.
 */
#include "draw.h"
#include "explain.h"
#include "routing.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define KEPT 4 /* older snapshots that are not freed yet */

/* ---- documents -------------------------------------------------------------------------- */

static const char *const namespaces[] = {"default", "default", "two"};
static const char *const hosts[] = {"x.a.b",          "'*.a.b'", "x.a.b, y.a.b", "'*'",  "svc",
                                    "'*.x.a.b', y.z", "'*.b'",   "y.a.b",        "X.A.b"};
static const char *const services[] = {"s1",     "s2",     "s3.default.svc.cluster.local",
                                       "s4.two", "ext.io", "s2.two.svc.cluster.local"};
static const char *const patterns[] = {"'*.io'", "'*.svc.cluster.local'",
                                       "'*.two.svc.cluster.local'"};
static const char *const versions[] = {"v1", "v2", "v3"};
static const char *const names[] = {"a", "b", "c", "d", "e"};

static void put_head(FILE *f, const char *kind)
{
	fprintf(f,
	        "---\napiVersion: networking.istio.io/v1\nkind: %s\nmetadata: {name: %s, "
	        "namespace: %s",
	        kind, PICK(names), PICK(namespaces));
	if (one_in(3))
		fprintf(f, ", creationTimestamp: '2026-01-0%uT00:00:00Z'", 1 + rnd(3));
}

static void put_destination(FILE *f, uint32_t weight)
{
	fprintf(f, "    - {weight: %u, destination: {host: %s", weight, PICK(services));
	if (!one_in(3))
		fprintf(f, ", subset: %s", PICK(versions));
	if (one_in(2))
		fprintf(f, ", port: {number: %u}", 80 + rnd(2));
	fputs("}}\n", f);
}

static void put_rule(FILE *f)
{
	static const char *const matches[] = {"uri: {prefix: /a}",
	                                      "uri: {exact: /b}",
	                                      "uri: {regex: '/[ab]+'}",
	                                      "headers: {x: {exact: '1'}}",
	                                      "uri: {regex: '/c.*'}",
	                                      "queryParams: {q: {prefix: '1'}}",
	                                      "port: 80",
	                                      "gateways: [g, mesh]",
	                                      "uri: {prefix: /}"};

	fprintf(f, "  - name: %s\n", PICK(names));
	if (!one_in(3))
		fprintf(f, "    match: [{%s}%s]\n", PICK(matches),
		        one_in(3) ? ", {uri: {prefix: /q}}" : "");
	if (one_in(5)) {
		fputs("    directResponse: {status: 204}\n", f);
	} else if (one_in(5)) {
		fputs("    redirect: {uri: /r}\n", f);
	} else {
		fputs("    route:\n", f);
		for (uint32_t i = 0, n = 1 + rnd(3); i < n; i++)
			put_destination(
				f, one_in(99)
					   ? 99991
					   : 1 + rnd(9)); /* the former makes the table too large */
		if (one_in(4))
			fputs("    headers: {request: {set: {x-a: '%REQ(y)%'}}}\n", f);
	}
}

static void put_l4_route(FILE *f)
{
	fputs("    route:\n", f);
	for (uint32_t i = 0, n = 1 + rnd(2); i < n; i++)
		put_destination(f, 1 + rnd(3));
}

static void put_tcp_rules(FILE *f)
{
	static const char *const matches[] = {"port: 90", "port: 91", "gateways: [g]",
	                                      "port: 90, gateways: [g, mesh]"};

	fputs("  tcp:\n", f);
	for (uint32_t i = 0, n = 1 + rnd(3); i < n; i++) {
		if (!one_in(4))
			fprintf(f, "  - match: [{%s}]\n", PICK(matches));
		else
			fputs("  -\n", f);
		put_l4_route(f);
	}
}

/* The names are among those of hosts[]: some are not within the document's, which is refused then. */
static void put_tls_rules(FILE *f)
{
	static const char *const snis[] = {"x.a.b", "'*.a.b'", "x.a.b, y.a.b", "'*.x.a.b'"};

	fputs("  tls:\n", f);
	for (uint32_t i = 0, n = 1 + rnd(3); i < n; i++) {
		fprintf(f, "  - match: [{sniHosts: [%s]%s}]\n", PICK(snis),
		        one_in(5) ? ", port: 91" : "");
		put_l4_route(f);
	}
}

static void put_virtual_service(FILE *f)
{
	static const char *const gateways[] = {"g", "two/g", "g, two/g", "mesh", "mesh, g"};
	bool tls = one_in(5);

	put_head(f, "VirtualService");
	if (tls && one_in(3))
		fputs(", annotations: {weir.dev/alpn: h2}", f);
	fprintf(f, "}\nspec:\n  hosts: [%s]\n", tls ? "'*.a.b'" : PICK(hosts));
	if (one_in(3))
		fprintf(f, "  gateways: [%s]\n", PICK(gateways));
	if (tls)
		put_tls_rules(f);
	if (one_in(5))
		put_tcp_rules(f);
	else if (tls && one_in(2))
		return;
	fputs("  http:\n", f);
	for (uint32_t i = 0, n = 1 + rnd(3); i < n; i++)
		put_rule(f);
}

static void put_destination_rule(FILE *f)
{
	static const char *const policies[] = {
		"simple: ROUND_ROBIN", "simple: RANDOM", "simple: LEAST_REQUEST",
		"consistentHash: {maglev: {tableSize: 251}}",
		"consistentHash: {useSourceIp: true, maglev: {tableSize: 13}}"};
	static const char *const modes[] = {"nat", "ipip", "gue", "'gue:99'"};

	put_head(f, "DestinationRule");
	if (one_in(6))
		fprintf(f, ", annotations: {weir.dev/forward%s: %s}", one_in(2) ? ".v3" : "",
		        PICK(modes));
	fprintf(f, "}\nspec:\n  host: %s\n", one_in(5) ? PICK(patterns) : PICK(services));
	if (one_in(2))
		fprintf(f, "  trafficPolicy: {loadBalancer: {%s}%s}\n", PICK(policies),
		        one_in(4)    ? ", connectionPool: {tcp: {idleTimeout: 5s}}"
		        : one_in(20) ? ", proxyProtocol: {}"
		                     : "");
	fputs("  subsets:\n", f);
	for (uint32_t i = rnd(2); i < 3; i++)
		fprintf(f, "  - {name: %s, labels: {version: %s}}\n", versions[i], PICK(versions));
}

static void put_service_entry(FILE *f)
{
	bool named = one_in(4), selects = !named && one_in(3);

	put_head(f, "ServiceEntry");
	fprintf(f, "}\nspec:\n  hosts: [%s%s]\n  resolution: %s\n", PICK(services),
	        one_in(4) ? ", ext.io" : "", named ? "DNS" : "STATIC");
	fprintf(f, "  ports: [{number: 80, name: http}%s]\n",
	        one_in(2) ? ", {number: 81, name: http-b, targetPort: 8081}" : "");
	if (selects)
		fprintf(f, "  workloadSelector: {labels: {app: %s}}\n", PICK(names));
	else if (!named || one_in(2))
		fputs("  endpoints:\n", f);
	else
		return;
	for (uint32_t i = 0, n = 1 + rnd(3); i < n && !selects; i++)
		fprintf(f, "  - {address: %s%u, labels: {version: %s}, weight: %u}\n",
		        named ? "n" : "10.0.0.", 1 + rnd(5), PICK(versions), 1 + rnd(2));
}

static void put_workload_entry(FILE *f)
{
	put_head(f, "WorkloadEntry");
	fprintf(f, ", labels: {app: %s}}\nspec: {address: %s%u, labels: {version: %s, app: %s}}\n",
	        PICK(names), one_in(4) ? "n" : "10.1.0.", 1 + rnd(5), PICK(versions), PICK(names));
}

static void put_gateway(FILE *f)
{
	static const char *const server_hosts[] = {"'*'", "'*.a.b'", "x.a.b, '*.b'", "two/*",
	                                           "./*.b"};
	static const char *const others[] = {"TCP", "UDP", "TLS", "TCP"};

	fprintf(f,
	        "---\napiVersion: networking.istio.io/v1\nkind: Gateway\n"
	        "metadata: {name: g, namespace: %s}\nspec:\n  servers:\n",
	        PICK(namespaces));
	for (uint32_t i = 0, n = 1 + rnd(2); i < n; i++)
		fprintf(f, "  - {port: {number: %u, name: p%u, protocol: HTTP}, hosts: [%s]%s}\n",
		        80 + rnd(2), i, PICK(server_hosts),
		        one_in(5) ? ", tls: {httpsRedirect: true}" : "");
	for (uint32_t i = 0; i < 4; i++)
		fprintf(f, "  - {port: {number: %u, name: q%u, protocol: %s}, hosts: [%s]%s}\n",
		        i == 2 ? 443 : 90 + rnd(2), i, others[i], PICK(server_hosts),
		        i == 2 ? ", tls: {}" : "");
}

static void put_document(FILE *f)
{
	switch (rnd(16)) {
	case 0: put_gateway(f); break;
	case 1:
	case 2: put_workload_entry(f); break;
	case 3:
	case 4:
	case 5: put_destination_rule(f); break;
	case 6:
	case 7:
	case 8: put_service_entry(f); break;
	default: put_virtual_service(f); break;
	}
}

/* ---- a snapshot as text ----------------------------------------------------------------- */

static void put_slot(FILE *f, const char *name, struct slot s)
{
	fprintf(f, " %s=%u.%u", name, s.index, s.epoch);
}

static void put_str(FILE *f, const char *name, struct str s)
{
	fprintf(f, " %s='%.*s'%s", name, (int)s.len, s.p ? s.p : "", s.p ? "" : "-");
}

static void put_ops(FILE *f, const char *name, const struct header_ops *ops)
{
	for (uint32_t i = 0; i < ops->n; i++) {
		const struct header_op *o = &ops->ops[i];

		fprintf(f, " %s%u", name, o->kind);
		put_str(f, "name", o->name);
		for (uint32_t k = 0; k < o->n_parts; k++) {
			fprintf(f, " %u", o->parts[k].kind);
			put_str(f, "text", o->parts[k].text);
		}
	}
}

static void put_table(FILE *f, const uint16_t *table, uint32_t n)
{
	fputs(" table", f);
	for (uint32_t i = 0; i < n; i++)
		fprintf(f, " %u", table[i]);
}

/* Its checksum: a table has 65,537 places. */
static void put_maglev(FILE *f, const struct subset *s)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < s->n_maglev; i++)
		sum = sum * 31 + (s->maglev[i] < s->n_endpoints ? s->maglev[i] : 0xffffff);
	fprintf(f, " maglev=%u %" PRIx64, s->n_maglev, sum);
}

static void put_subset(FILE *f, const struct subset *s)
{
	if (!s) {
		fputs("      unknown\n", f);
		return;
	}
	fputs("      ", f);
	put_str(f, "subset", s->name);
	put_slot(f, "slot", s->slot);
	fprintf(f, " policy=%u timeout=%" PRIu64 " idle=%" PRIu64, s->policy, s->connect_timeout_us,
	        s->idle_timeout_us);
	fprintf(f, " mode=%u proxy=%u hash=%u gue=%u", s->mode, s->proxy_protocol, s->hash_on,
	        ntohs(s->gue_port));
	put_table(f, s->table, s->n_table);
	put_maglev(f, s);
	for (uint32_t i = 0; i < s->n_endpoints; i++) {
		const struct endpoint *e = &s->endpoints[i];
		char text[IP_ADDR_TEXT_MAX];

		fprintf(f, "\n        %s port=%u weight=%u", ip_format(&e->addr, text),
		        ntohs(e->port), e->weight);
		put_slot(f, "slot", e->slot);
		put_str(f, "name", e->name);
	}
	fputs("\n", f);
}

static void put_split(FILE *f, const struct split *s)
{
	for (uint32_t i = 0; i < s->n_dests; i++) {
		const struct dest *d = &s->dests[i];

		fputs("     ", f);
		put_str(f, "dest", d->name);
		put_slot(f, "stats", d->stats);
		fprintf(f, " weight=%u\n", d->weight);
		put_subset(f, d->subset);
	}
	put_slot(f, "     split", s->slot);
	put_table(f, s->table, s->n_table);
	fputs("\n", f);
}

static void put_l4(FILE *f, const struct l4_route *r)
{
	put_str(f, "    l4", r->name);
	put_str(f, "source", r->source);
	fputs("\n", f);
	put_split(f, r->split);
}

static void put_route(FILE *f, const struct route *r)
{
	fputs("    route", f);
	put_str(f, "name", r->name);
	put_str(f, "source", r->source);
	put_slot(f, "stats", r->stats);
	fprintf(f, " kind=%u timeout=%" PRIu64, r->kind, r->timeout_us);
	put_ops(f, "request", &r->request_ops);
	put_ops(f, "response", &r->response_ops);
	if (r->redirect)
		put_str(f, "redirect", r->redirect->uri);
	if (r->direct)
		fprintf(f, " status=%u", r->direct->status);
	fputs("\n", f);
	if (r->split)
		put_split(f, r->split);
}

static void put_match(FILE *f, const struct str_match *m)
{
	fprintf(f, " op=%u nocase=%d db=%p", m->op, m->nocase, (const void *)m->db);
	put_str(f, "text", m->text);
}

static void put_vhost(FILE *f, const struct vhost *v)
{
	put_str(f, "  vhost", v->name);
	fprintf(f, " db=%p tree=%d direct", (const void *)v->db, v->paths != NULL);
	for (uint32_t i = 0; i < v->n_direct; i++)
		fprintf(f, " %u", v->direct[i]);
	fputs("\n", f);
	for (uint32_t i = 0; i < v->n_clauses; i++) {
		const struct clause *c = &v->clauses[i];

		put_str(f, "   clause", c->name);
		fprintf(f, " found=%d", c->uri_found);
		put_match(f, &c->uri);
		for (uint32_t k = 0; k < c->n_headers; k++) {
			put_str(f, "header", c->headers[k].name);
			put_match(f, &c->headers[k].value);
		}
		for (uint32_t k = 0; k < c->n_queries; k++) {
			put_str(f, "query", c->queries[k].name);
			put_match(f, &c->queries[k].value);
		}
		fputs("\n", f);
		put_route(f, c->route);
	}
}

static void put_tls(FILE *f, const struct vhost *v)
{
	for (uint32_t i = 0; i < v->n_tls; i++) {
		const struct tls_rule *t = &v->tls[i];

		fputs("   tls", f);
		for (uint32_t k = 0; k < t->n_alpn; k++)
			put_str(f, "alpn", t->alpn[k]);
		fputs("\n", f);
		put_l4(f, t->route);
	}
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The rows in the order of names: where they stand in the table is nobody's business. */
static void put_rows(FILE *f, const struct host_row *rows, uint32_t mask)
{
	char **texts = calloc((size_t)mask + 1, sizeof(char *));
	uint32_t n = 0;

	for (uint32_t i = 0; rows && i <= mask; i++) {
		size_t len;
		FILE *row;

		if (!rows[i].vhost)
			continue;
		row = open_memstream(&texts[n++], &len);
		put_str(row, " row", rows[i].name);
		fprintf(row, " hash %s\n",
		        rows[i].hash == host_hash(rows[i].name) ? "right" : "wrong");
		put_vhost(row, rows[i].vhost);
		put_tls(row, rows[i].vhost);
		fclose(row);
	}
	qsort(texts, n, sizeof(char *), by_text);
	for (uint32_t i = 0; i < n; i++) {
		fputs(texts[i], f);
		free(texts[i]);
	}
	free(texts);
}

static uint32_t n_l4; /* TCP and UDP listeners with a rule that were seen */

static char *text_of(const struct snapshot *s)
{
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	for (uint32_t i = 0; i < s->n_listeners; i++) {
		const struct listener *l = &s->listeners[i];

		put_str(f, "listener", l->name);
		fprintf(f, " kind=%u port=%u stream=%d quic=%d redirect=%d lens", l->kind,
		        ntohs(l->port), l->stream, l->quic, l->https_redirect);
		for (uint32_t k = 0; k < l->hosts.n_suffix_lens; k++)
			fprintf(f, " %u", l->hosts.suffix_lens[k]);
		fputs("\n", f);
		put_rows(f, l->hosts.exact, l->hosts.exact_mask);
		put_rows(f, l->hosts.suffix, l->hosts.suffix_mask);
		if (l->hosts.any) {
			put_vhost(f, l->hosts.any);
			put_tls(f, l->hosts.any);
		}
		if (l->l4) {
			n_l4++;
			put_l4(f, l->l4);
		}
	}
	fclose(f);
	return text;
}

/* Every exact name of the table leads to its own virtual host. */
static bool names_are_found(const struct snapshot *s)
{
	for (uint32_t i = 0; i < s->n_listeners; i++) {
		const struct host_table *h = &s->listeners[i].hosts;

		for (uint32_t k = 0; h->exact && k <= h->exact_mask; k++)
			if (h->exact[k].vhost &&
			    route_host(&s->listeners[i], h->exact[k].name) != h->exact[k].vhost)
				return false;
	}
	return true;
}

/* ---- what is said about connections ----------------------------------------------------- */

/* "namespace/name/tcp[1]" of the rule that explain finds for a connection; "" for none. */
static void explained(const struct routing *from, const char *url, const char *alpn, char *out,
                      size_t size)
{
	const struct explain_request q = {.url = url, .alpn = alpn};
	char err[256];
	json_t *e = explain_route(from->docs, &from->options, &q, err, sizeof(err));
	const json_t *chosen = json_object_get(e, "chosen");

	snprintf(out, size, "%s", e ? "" : err);
	if (chosen)
		snprintf(out, size, "%s/%s[%d]",
		         json_string_value(json_object_get(chosen, "virtual_service")),
		         json_string_value(json_object_get(chosen, "kind")),
		         (int)json_integer_value(json_object_get(chosen, "rule_index")));
	json_decref(e);
}

static bool is_named(const struct l4_route *route, const char *name)
{
	return route ? strlen(name) == route->name.len &&
	                       memcmp(name, route->name.p, route->name.len) == 0
	             : !*name;
}

/* The rule that a client's server name and ALPN meet in a snapshot. */
static const struct l4_route *tls_route(const struct listener *l, const char *sni, const char *alpn)
{
	const struct vhost *v =
		*sni ? route_host(l, (struct str){sni, (uint32_t)strlen(sni)}) : l->hosts.any;

	for (uint32_t i = 0; v && i < v->n_tls; i++) {
		const struct tls_rule *t = &v->tls[i];
		bool fits = t->n_alpn == 0;

		for (uint32_t k = 0; alpn && k < t->n_alpn; k++)
			fits = fits || (strlen(alpn) == t->alpn[k].len &&
			                memcmp(alpn, t->alpn[k].p, t->alpn[k].len) == 0);
		if (fits)
			return t->route;
	}
	return NULL;
}

static bool tls_agrees(const struct routing *from, const struct listener *l)
{
	static const char *const snis[] = {"x.a.b", "y.a.b", "q.a.b", "z.x.a.b", "y.z", "b", ""};
	char url[64], name[256];

	for (uint32_t i = 0; i < sizeof(snis) / sizeof(snis[0]) * 2; i++) {
		const char *sni = snis[i / 2], *alpn = i % 2 ? "h2" : NULL;

		snprintf(url, sizeof(url), "tls://%s:%u", sni, ntohs(l->port));
		explained(from, url, alpn, name, sizeof(name));
		if (is_named(tls_route(l, sni, alpn), name))
			continue;
		fprintf(stderr, "%s %s is explained by \"%s\"\n", url, alpn ? alpn : "", name);
		return false;
	}
	return true;
}

/* Explain finds what was built, though it knows nothing of the builder. */
static bool explain_agrees(const struct routing *from, const struct snapshot *s)
{
	char url[64], name[256];

	for (uint32_t i = 0; i < s->n_listeners; i++) {
		const struct listener *l = &s->listeners[i];

		if (l->kind == LISTENER_HTTP)
			continue;
		if (l->kind == LISTENER_TLS) {
			if (!tls_agrees(from, l))
				return false;
			continue;
		}
		snprintf(url, sizeof(url), "%s://x:%u", l->kind == LISTENER_UDP ? "udp" : "tcp",
		         ntohs(l->port));
		explained(from, url, NULL, name, sizeof(name));
		if (!is_named(l->l4, name)) {
			fprintf(stderr, "%s is explained by \"%s\"\n", url, name);
			return false;
		}
	}
	return true;
}

/* ---- changes ---------------------------------------------------------------------------- */

static const struct build_listener listeners[] = {{.port = 80}, {.port = 81}};

static struct routing r, other; /* the latter: slots of builds from nothing alone */

static struct {
	struct snapshot *snapshot;
	char *text;
} kept[KEPT];

static uint32_t n_addrs = 1; /* of the names that DNS knows */
static uint32_t built, refused, invalid, n_vhosts, shared;

static uint32_t resolve(void *arg, const char *name, const struct ip_addr **addrs)
{
	static struct ip_addr some[3];

	(void)arg;
	for (uint32_t i = 0; i < 3; i++)
		some[i] = ip_from_v4(htonl(0xc0000200 + (uint32_t)name[strlen(name) - 1] + i));
	*addrs = some;
	return strcmp(name, "n5") == 0 ? 0 : n_addrs;
}

static char *documents(void)
{
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	docset_emit(r.docs, f);
	fclose(f);
	return text;
}

static void add_documents(struct docset *docs)
{
	struct docset *input = docset_new();
	struct diag_list diags = {0};
	char *text = NULL, file[32];
	size_t len;
	FILE *f = open_memstream(&text, &len);

	for (uint32_t i = 0, n = 1 + one_in(4); i < n; i++)
		put_document(f);
	fclose(f);
	snprintf(file, sizeof(file), "%u.yaml", rnd(1000));
	if (docset_read_text(input, file, text, len, NULL, &diags) == 0)
		docset_apply(docs, input, NULL);
	else
		invalid++;
	diag_fini(&diags);
	docset_free(input);
	free(text);
}

static struct docset *changed_documents(void)
{
	struct docset *docs = docset_copy(r.docs);

	if (one_in(3) && docset_count(docs) > 0) {
		const struct istio_object *o = docset_at(docs, rnd(docset_count(docs)));
		char *ns = strdup(o->ns.s), *name = strdup(o->name.s);

		docset_delete(docs, o->kind, ns, name);
		free(ns);
		free(name);
	}
	if (!one_in(4))
		add_documents(docs);
	if (one_in(10))
		n_addrs = rnd(4);
	if (one_in(40))
		r.options.strict_gateways = !r.options.strict_gateways;
	if (one_in(10))
		r.options.resolve = r.options.resolve ? NULL : resolve;
	return docs;
}

static bool same_diags(const struct diag_list *a, const struct diag_list *b)
{
	bool same = a->n == b->n && a->n_errors == b->n_errors && a->n_warnings == b->n_warnings;

	for (uint32_t i = 0; same && i < a->n; i++)
		same = strcmp(a->items[i].text, b->items[i].text) == 0 &&
		       strcmp(a->items[i].code, b->items[i].code) == 0 &&
		       a->items[i].line == b->items[i].line;
	return same;
}

/* Both slots and texts. Slots in use are compared when no other snapshot holds any. */
static const char *compare(struct snapshot *next, struct snapshot *whole, bool alone)
{
	char *a = text_of(next), *b = text_of(whole);
	const char *wrong = strcmp(a, b) != 0 ? "text" : NULL;

	if (wrong)
		fprintf(stderr, "--- from the one before\n%s--- from nothing\n%s", a, b);
	if (!wrong && !names_are_found(next))
		wrong = "look-up";
	if (!wrong && !explain_agrees(&r, next))
		wrong = "explain";
	free(a);
	free(b);
	build_free(whole);
	if (wrong || !alone)
		return wrong;
	struct diag_list diags = {0};
	struct snapshot *again =
		build_snapshot(r.docs, &r.options, other.hsdb, other.registry, 1, &diags);

	for (int i = 0; i < REGISTRY_SPACES; i++)
		if (registry_used(r.registry, i) != registry_used(other.registry, i))
			wrong = registry_space_name(i);
	build_free(again);
	diag_fini(&diags);
	return wrong;
}

static const char *let_go(uint32_t i)
{
	char *text = kept[i].snapshot ? text_of(kept[i].snapshot) : NULL;
	const char *wrong =
		text && strcmp(text, kept[i].text) != 0 ? "an old snapshot changed" : NULL;

	build_free(kept[i].snapshot);
	free(kept[i].text);
	free(text);
	kept[i].snapshot = NULL;
	kept[i].text = NULL;
	return wrong;
}

static const char *retire(struct snapshot *old)
{
	uint32_t i = rnd(KEPT);
	const char *wrong = let_go(i);

	kept[i].text = text_of(old);
	kept[i].snapshot = old;
	for (uint32_t k = 0; !wrong && one_in(3) && k < KEPT; k++)
		wrong = let_go(k);
	return wrong;
}

static bool nothing_kept(void)
{
	for (uint32_t i = 0; i < KEPT; i++)
		if (kept[i].snapshot)
			return false;
	return true;
}

/* Virtual hosts that both have. */
static void count_shared(const struct snapshot *a, const struct snapshot *b)
{
	for (uint32_t i = 0; i < a->n_listeners && i < b->n_listeners; i++) {
		const struct host_table *h = &b->listeners[i].hosts;

		for (uint32_t k = 0; h->exact && k <= h->exact_mask; k++) {
			if (!h->exact[k].vhost)
				continue;
			n_vhosts++;
			shared +=
				route_host(&a->listeners[i], h->exact[k].name) == h->exact[k].vhost;
		}
	}
}

static const char *step(struct snapshot **current)
{
	struct diag_list said = {0}, told = {0};
	struct docset *was = r.docs;
	const char *wrong = NULL;

	r.docs = changed_documents();
	r.generation++;
	struct snapshot *next = build_next(*current, r.docs, &r.options, r.generation, &said);
	struct snapshot *whole =
		build_snapshot(r.docs, &r.options, r.hsdb, r.registry, r.generation, &told);

	if (!next != !whole)
		wrong = "one build failed";
	else if (!same_diags(&said, &told))
		wrong = "what is said";
	if (wrong) {
		diag_print(&said, stderr);
		fputs("---\n", stderr);
		diag_print(&told, stderr);
	}
	diag_fini(&said);
	diag_fini(&told);
	docset_free(next ? was : r.docs);
	if (!next)
		r.docs = was;
	if (wrong || !next) {
		refused++;
		return wrong;
	}
	built++;
	count_shared(*current, next);
	if (one_in(5)) { /* a trial: thrown away */
		wrong = compare(next, whole, false);
		build_free(next);
		return wrong;
	}
	wrong = retire(*current);
	*current = next;
	return wrong ? wrong : compare(next, whole, nothing_kept());
}

static const char *finish(struct snapshot *current)
{
	const char *wrong = NULL;

	build_free(current);
	for (uint32_t i = 0; i < KEPT; i++)
		wrong = wrong ? wrong : let_go(i);
	for (int i = 0; i < REGISTRY_SPACES; i++)
		if (registry_used(r.registry, i) > 0)
			wrong = "slots are left";
	return wrong;
}

int main(int argc, char **argv)
{
	uint64_t seed = argc > 1 ? strtoull(argv[1], NULL, 0) : 1;
	uint32_t n_steps = argc > 2 ? (uint32_t)atoi(argv[2]) : 400, i = 0;
	const char *wrong = NULL;

	draw_state = seed * 0x9e3779b97f4a7c15ull | 1;
	routing_init(&r);
	routing_init(&other);
	r.options.n_listeners = 2;
	r.options.listeners = listeners;
	r.options.resolve = resolve;
	struct snapshot *current = routing_build(&r);

	for (; !wrong && i < n_steps; i++)
		wrong = step(&current);
	if (!wrong)
		wrong = finish(current);
	printf("%u steps, %u invalid, %u built, %u refused, %u of %u virtual hosts shared, %u L4\n",
	       i, invalid, built, refused, shared, n_vhosts, n_l4);
	if (wrong) {
		char *text = documents();

		fprintf(stderr, "%s\nseed %" PRIu64 ", step %u: %s\n", text, seed, i, wrong);
		return 1;
	}
	routing_fini(&r);
	routing_fini(&other);
	return shared > n_steps / 4 && shared < n_vhosts && n_l4 > n_steps / 4
	               ? 0
	               : 1; /* a test of nothing is no test */
}
