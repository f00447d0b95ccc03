/* SPDX-License-Identifier: BSD-3-Clause */
#include "report.h"

#include "catalog.h"
#include "log.h"

#include "weir/dataplane.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define PROTOCOL 1

static json_t *text_of(struct str s)
{
	json_t *text = json_stringn(s.p ? s.p : "", s.len);

	return text ? text : json_string("?");
}

static json_t *number(uint64_t n)
{
	return json_integer((json_int_t)n);
}

json_t *report_version(void)
{
	return json_pack("{s:s, s:s, s:i}", "name", "weir", "version", WEIR_VERSION, "protocol",
	                 PROTOCOL);
}

static const char *state_name(const struct control *c)
{
	return c->stopping ? "stopping" : dataplane_draining() ? "draining" : "serving";
}

json_t *report_state(const struct control *c)
{
	return json_pack("{s:s, s:o}", "state", state_name(c), "clients",
	                 number(dataplane_clients()));
}

static double uptime_s(const struct control *c)
{
	return (double)(uv_now(c->loop) - c->started_ms) / 1000;
}

/* ---- status ----------------------------------------------------------------------------- */

static json_t *port_json(const struct port_status *p)
{
	char mac[18];
	json_t *o;

	snprintf(mac, sizeof(mac), "%02x:%02x:%02x:%02x:%02x:%02x", p->mac[0], p->mac[1], p->mac[2],
	         p->mac[3], p->mac[4], p->mac[5]);
	o = json_pack("{s:s, s:s, s:s, s:s, s:b, s:i, s:i, s:i, s:s, s:b, s:b}", "name", p->name,
	              "device", p->device, "driver", p->driver ? p->driver : "", "mac", mac,
	              "link_up", p->link_up, "speed_mbps", (int)p->speed_mbps, "rx_queues",
	              p->rx_queues, "tx_queues", p->tx_queues, "steering",
	              p->steering ? p->steering : "", "rx_csum", p->rx_csum, "tx_csum", p->tx_csum);
	json_object_set_new(o, "tx_gather", json_boolean(p->tx_gather));
	json_object_set_new(o, "tx_tso", json_boolean(p->tx_tso));
	json_object_set_new(o, "socket", p->socket < 0 ? json_null() : json_integer(p->socket));
	json_object_set_new(o, "rx_pkts", number(p->rx_pkts));
	json_object_set_new(o, "rx_bytes", number(p->rx_bytes));
	json_object_set_new(o, "rx_missed", number(p->rx_missed));
	json_object_set_new(o, "rx_errors", number(p->rx_errors));
	json_object_set_new(o, "rx_nombuf", number(p->rx_nombuf));
	json_object_set_new(o, "tx_pkts", number(p->tx_pkts));
	json_object_set_new(o, "tx_bytes", number(p->tx_bytes));
	json_object_set_new(o, "tx_errors", number(p->tx_errors));
	return o;
}

static json_t *ports_json(void)
{
	json_t *list = json_array();

	for (uint32_t i = 0; i < dataplane_ports(); i++) {
		struct port_status p;

		if (dataplane_port(i, &p))
			json_array_append_new(list, port_json(&p));
	}
	return list;
}

/* How a listener takes what comes in. */
static const char *protocol_of(const struct listener *l)
{
	switch ((enum listener_kind)l->kind) {
	case LISTENER_TCP: return l->stream ? "tcp-stream" : "tcp";
	case LISTENER_TLS: return "tls";
	case LISTENER_UDP: return l->quic ? "quic" : "udp";
	case LISTENER_HTTP: break;
	}
	return "http";
}

static json_t *listeners_json(const struct snapshot *s)
{
	json_t *list = json_array();

	for (uint32_t i = 0; i < s->n_listeners; i++) {
		const struct listener *l = &s->listeners[i];
		char addr[IP_ADDR_TEXT_MAX] = "*";

		if (!ip_is_any(&l->addr))
			ip_format(&l->addr, addr);
		json_array_append_new(list, json_pack("{s:o, s:s, s:i, s:s, s:i, s:o}", "name",
		                                      text_of(l->name), "address", addr, "port",
		                                      ntohs(l->port), "protocol", protocol_of(l),
		                                      "hosts", (int)catalog_hosts(l), "route",
		                                      l->l4 ? text_of(l->l4->name) : json_null()));
	}
	return list;
}

static json_t *objects_json(const struct docset *set)
{
	json_t *counts = json_object();

	for (int kind = 0; kind < ISTIO_KIND_COUNT; kind++) {
		uint32_t n;

		docset_range(set, (enum istio_kind)kind, &n);
		json_object_set_new(counts, istio_kind_name((enum istio_kind)kind), number(n));
	}
	return counts;
}

static uint64_t counter_sum(enum counter counter)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < dataplane_workers(); i++)
		sum += dataplane_stats(i)->counters[counter];
	return sum;
}

/* The sum of one endpoint's figures over the workers. */
static struct endpoint_stats endpoint_sum(struct slot slot)
{
	struct endpoint_stats sum = {0};

	for (uint32_t i = 0; i < dataplane_workers(); i++) {
		const struct worker_stats *w = dataplane_stats(i);
		const struct endpoint_stats *e = w->endpoints + slot.index;

		if (slot.index >= w->n_endpoints || e->epoch != slot.epoch)
			continue;
		sum.requests += e->requests;
		sum.active += e->active;
		sum.conns += e->conns;
		sum.idle += e->idle;
		sum.connects += e->connects;
		sum.connect_fails += e->connect_fails;
		sum.resets += e->resets;
	}
	return sum;
}

static json_t *endpoint_counts(const struct catalog *catalog)
{
	uint32_t failing = 0;

	for (uint32_t i = 0; i < catalog->n_endpoints; i++) {
		struct endpoint_stats e = endpoint_sum(catalog->endpoints[i].endpoint->slot);

		failing += e.connect_fails > 0 && e.conns == 0;
	}
	return json_pack("{s:i, s:i}", "total", (int)catalog->n_endpoints, "failing", (int)failing);
}

static json_t *directory_json(const struct control *c)
{
	json_t *error = json_null();

	if (!*c->conf->routing_directory)
		return json_null();
	if (c->directory_errors.n_errors)
		error = change_diags_json(&c->directory_errors, true, false);
	return json_pack("{s:s, s:i, s:s, s:o}", "path", c->conf->routing_directory, "objects",
	                 (int)docset_count(c->base.directory), "read", c->directory_read, "error",
	                 error);
}

/* Applied objects that an object of the directory hides. */
static void add_hidden(const struct control *c, json_t *problems)
{
	for (uint32_t i = 0; i < docset_count(c->base.applied); i++) {
		const struct istio_object *o = docset_at(c->base.applied, i);
		const struct istio_object *by =
			docset_find(c->base.directory, o->kind, o->ns.s, o->name.s);

		if (!by)
			continue;
		json_array_append_new(
			problems,
			json_pack(
				"{s:s, s:s?, s:i, s:i, s:s++++, s:n, s:s, s:s}", "severity",
				"warning", "file", by->at.file, "line", (int)by->at.line, "column",
				(int)by->at.col, "object", istio_kind_name(o->kind), " ", o->ns.s,
				"/", o->name.s, "field", "code", "HIDDEN", "message",
				"this file hides the applied object of the same name; delete one"));
	}
}

/* What the data plane says of how it runs, and what the profiles of cards say of its ports. */
static void add_warnings(const struct control *c, json_t *problems)
{
	json_t *ports = change_diags_json(&c->ports, false, true);
	char text[512];

	for (uint32_t i = 0; dataplane_warning(i, text, sizeof(text)); i++)
		json_array_append_new(
			problems, json_pack("{s:s, s:n, s:i, s:i, s:n, s:n, s:s, s:s}", "severity",
		                            "warning", "file", "line", 0, "column", 0, "object",
		                            "field", "code", "NUMA", "message", text));
	json_array_extend(problems, ports);
	json_decref(ports);
}

static json_t *problems_json(const struct control *c)
{
	json_t *problems = change_diags_json(&c->store_problems, true, false);
	json_t *more = change_diags_json(&c->directory_errors, true, false);

	json_array_extend(problems, more);
	json_decref(more);
	add_hidden(c, problems);
	add_warnings(c, problems);
	more = change_diags_json(&c->warnings, false, true);
	json_array_extend(problems, more);
	json_decref(more);
	return problems;
}

json_t *report_status(const struct control *c)
{
	struct pool_status pool = dataplane_pool();
	struct catalog catalog;
	json_t *o = json_pack("{s:s, s:s, s:i, s:s, s:f, s:s, s:o, s:b, s:s}", "name", "weir",
	                      "version", WEIR_VERSION, "pid", (int)getpid(), "started", c->started,
	                      "uptime_s", uptime_s(c), "state", state_name(c), "generation",
	                      number(c->base.generation), "in_effect", c->in_effect, "changed",
	                      c->changed);

	if (!o || !catalog_init(&catalog, c->current)) {
		json_decref(o);
		return NULL;
	}
	json_object_set_new(o, "effect_ns", c->in_effect ? number(c->effect_ns) : json_null());
	json_object_set_new(o, "changes",
	                    json_pack("{s:o, s:o, s:i}", "accepted", number(c->accepted), "refused",
	                              number(c->refused), "waiting",
	                              (int)c->n_queued + (c->running != NULL)));
	json_object_set_new(o, "clients", number(dataplane_clients()));
	json_object_set_new(o, "flows", number(counter_sum(COUNT_FLOWS)));
	json_object_set_new(o, "namespace", json_string(c->conf->ns));
	json_object_set_new(o, "domain", json_string(c->conf->domain));
	json_object_set_new(o, "ports", ports_json());
	json_object_set_new(o, "workers", report_each_worker(&catalog, NULL));
	json_object_set_new(
		o, "pool",
		json_pack("{s:i, s:i}", "total", (int)pool.total, "in_use", (int)pool.in_use));
	json_object_set_new(o, "listeners", listeners_json(c->current));
	json_object_set_new(o, "objects", objects_json(c->base.all));
	json_object_set_new(o, "endpoints", endpoint_counts(&catalog));
	json_object_set_new(o, "directory", directory_json(c));
	json_object_set_new(o, "store",
	                    json_pack("{s:s, s:o}", "path", c->conf->state_directory, "generation",
	                              number(c->stored)));
	json_object_set_new(o, "names", resolver_json(&c->resolver));
	json_object_set_new(o, "problems", problems_json(c));
	catalog_fini(&catalog);
	return o;
}

/* ---- stats ------------------------------------------------------------------------------ */

/* Figures of a destination, of a route, of all: the same, summed over more. */
struct figures {
	uint64_t picks, active, local, rx_bytes, tx_bytes, latency_us_sum, n_latencies;
	uint64_t status[6];
	uint64_t latency[LATENCY_BUCKETS];
};

static void add_slot(struct figures *f, struct slot slot)
{
	for (uint32_t i = 0; i < dataplane_workers(); i++) {
		const struct worker_stats *w = dataplane_stats(i);
		const struct dest_stats *d = w->dests + slot.index;

		if (slot.index >= w->n_dests || d->epoch != slot.epoch)
			continue;
		f->picks += d->picks;
		f->active += d->active;
		f->local += d->local;
		f->rx_bytes += d->rx_bytes;
		f->tx_bytes += d->tx_bytes;
		f->latency_us_sum += d->latency_us_sum;
		for (uint32_t k = 0; k < 6; k++)
			f->status[k] += d->status[k];
		for (uint32_t k = 0; k < LATENCY_BUCKETS; k++) {
			f->latency[k] += d->latency[k];
			f->n_latencies += d->latency[k];
		}
	}
}

static void add_figures(struct figures *f, const struct figures *more)
{
	f->picks += more->picks;
	f->active += more->active;
	f->local += more->local;
	f->rx_bytes += more->rx_bytes;
	f->tx_bytes += more->tx_bytes;
	f->latency_us_sum += more->latency_us_sum;
	f->n_latencies += more->n_latencies;
	for (uint32_t k = 0; k < 6; k++)
		f->status[k] += more->status[k];
	for (uint32_t k = 0; k < LATENCY_BUCKETS; k++)
		f->latency[k] += more->latency[k];
}

/* The latency that this share of the responses does not exceed: the floor of its bucket. */
static json_t *percentile(const struct figures *f, double share)
{
	uint64_t wanted = (uint64_t)((double)f->n_latencies * share), seen = 0;

	for (uint32_t k = 0; k < LATENCY_BUCKETS && f->n_latencies > 0; k++) {
		seen += f->latency[k];
		if (seen > wanted || seen == f->n_latencies)
			return number(latency_floor(k));
	}
	return json_null();
}

/* {"512": n}: how many took at least 256 us and less than 512; powers of two, without empty ones. */
static json_t *buckets_json(const struct figures *f)
{
	json_t *buckets = json_object();
	uint64_t bound = 1, n = 0;

	for (uint32_t k = 0; k < LATENCY_BUCKETS; k++) {
		char key[24];

		n += f->latency[k];
		while (bound <= latency_floor(k))
			bound *= 2;
		if (k + 1 < LATENCY_BUCKETS && latency_floor(k + 1) < bound)
			continue;
		snprintf(key, sizeof(key), "%" PRIu64, bound);
		if (n > 0)
			json_object_set_new(buckets, k + 1 < LATENCY_BUCKETS ? key : "inf",
			                    number(n));
		n = 0;
	}
	return buckets;
}

static json_t *latency_json(const struct figures *f)
{
	json_t *mean = f->n_latencies
	                       ? json_real((double)f->latency_us_sum / (double)f->n_latencies)
	                       : json_null();

	return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "count", number(f->n_latencies),
	                 "buckets", buckets_json(f), "mean", mean, "p50", percentile(f, 0.5), "p90",
	                 percentile(f, 0.9), "p99", percentile(f, 0.99), "p999",
	                 percentile(f, 0.999));
}

static void set_figures(json_t *o, const struct figures *f)
{
	static const char *const classes[] = {"none", "1xx", "2xx", "3xx", "4xx", "5xx"};
	json_t *status = json_object();

	for (uint32_t k = 0; k < 6; k++)
		json_object_set_new(status, classes[(k + 1) % 6], number(f->status[(k + 1) % 6]));
	json_object_set_new(o, "requests", number(f->picks));
	json_object_set_new(o, "active", number(f->active));
	json_object_set_new(o, "status", status);
	json_object_set_new(o, "local", number(f->local));
	json_object_set_new(o, "rx_bytes", number(f->rx_bytes));
	json_object_set_new(o, "tx_bytes", number(f->tx_bytes));
	json_object_set_new(o, "latency_us", latency_json(f));
}

/* Part number i, from 0, of "host|subset|port". */
static struct str part_of(struct str name, unsigned i)
{
	const char *p = name.p, *end = name.p + name.len;

	for (; i > 0 && p < end; p++)
		i -= *p == '|';
	for (end = p; end < name.p + name.len && *end != '|'; end++)
		continue;
	return (struct str){p, (uint32_t)(end - p)};
}

static json_t *dest_json(const struct dest *d, const struct figures *f, uint64_t weights,
                         uint64_t picks)
{
	struct str port = part_of(d->name, 2);
	json_t *o = json_pack("{s:o, s:o, s:o, s:i, s:i, s:f}", "name", text_of(d->name), "host",
	                      text_of(part_of(d->name, 0)), "subset", text_of(part_of(d->name, 1)),
	                      "port", port.len ? atoi(port.p) : 0, "weight", (int)d->weight,
	                      "asked", weights ? (double)d->weight / (double)weights : 0);

	json_object_set_new(o, "cluster", d->subset ? text_of(d->subset->name) : json_null());
	json_object_set_new(o, "seen",
	                    picks ? json_real((double)f->picks / (double)picks) : json_null());
	set_figures(o, f);
	return o;
}

/* The destinations of a split; adds their figures to the route's. */
static json_t *dests_json(const struct split *split, struct figures *route)
{
	struct figures *each = calloc(split->n_dests, sizeof(*each));
	json_t *list = json_array();
	uint64_t weights = 0;

	for (uint32_t i = 0; each && i < split->n_dests; i++) {
		add_slot(&each[i], split->dests[i].stats);
		add_figures(route, &each[i]);
		weights += split->dests[i].weight;
	}
	for (uint32_t i = 0; each && i < split->n_dests; i++)
		json_array_append_new(list,
		                      dest_json(&split->dests[i], &each[i], weights, route->picks));
	free(each);
	return list;
}

static json_t *listener_names(const struct snapshot *s, uint64_t listeners)
{
	json_t *list = json_array();

	for (uint32_t i = 0; i < s->n_listeners && i < 64; i++)
		if (listeners >> i & 1)
			json_array_append_new(list, text_of(s->listeners[i].name));
	return list;
}

/* Is TCP ended here for what takes this route? */
static bool is_stream(const struct snapshot *s, uint64_t listeners)
{
	for (uint32_t i = 0; i < s->n_listeners && i < 64; i++)
		if (listeners >> i & 1)
			return s->listeners[i].kind == LISTENER_TLS || s->listeners[i].stream;
	return false;
}

static void set_ways(json_t *dests, const struct split *split, bool stream)
{
	json_t *d;
	size_t i;

	json_array_foreach(dests, i, d)
	{
		const struct subset *subset = split->dests[i].subset;

		if (subset)
			json_object_set_new(
				d, "forward",
				json_string(stream ? "stream" : istio_forward_name(subset->mode)));
	}
}

static json_t *route_json(const struct snapshot *s, const struct catalog_route *entry,
                          struct figures *total)
{
	static const char *const kinds[] = {[ROUTE_FORWARD] = "forward",
	                                    [ROUTE_REDIRECT] = "redirect",
	                                    [ROUTE_DIRECT] = "direct"};
	const struct route *route = entry->route;
	struct figures f = {0};
	json_t *dests;
	json_t *o = json_pack("{s:o, s:o, s:s, s:s, s:o}", "name", text_of(entry->name), "source",
	                      text_of(entry->source), "kind",
	                      kinds[route ? route->kind : ROUTE_FORWARD], "of",
	                      route ? "requests" : "connections", "listeners",
	                      listener_names(s, entry->listeners));

	if (entry->split) {
		dests = dests_json(entry->split, &f);
	} else {
		if (route)
			add_slot(&f, route->stats);
		dests = json_array();
	}
	if (entry->l4)
		set_ways(dests, entry->split, is_stream(s, entry->listeners));
	set_figures(o, &f);
	json_object_set_new(o, "destinations", dests);
	add_figures(total, &f);
	return o;
}

static json_t *endpoint_json(const struct catalog_endpoint *entry)
{
	const struct endpoint *e = entry->endpoint;
	struct endpoint_stats f = endpoint_sum(e->slot);
	char addr[IP_ADDR_TEXT_MAX];

	return json_pack("{s:o, s:o, s:s, s:i, s:i, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "cluster",
	                 text_of(entry->subset->name), "name", text_of(e->name), "address",
	                 ip_format(&e->addr, addr), "port", ntohs(e->port), "weight",
	                 (int)e->weight, "requests", number(f.requests), "active", number(f.active),
	                 "conns", number(f.conns), "idle", number(f.idle), "connects",
	                 number(f.connects), "connect_fails", number(f.connect_fails), "resets",
	                 number(f.resets));
}

static json_t *totals_json(const struct figures *f)
{
	json_t *o = json_object();

	set_figures(o, f);
	json_object_set_new(o, "requests", number(counter_sum(COUNT_HTTP_REQUESTS)));
	json_object_set_new(o, "active", number(counter_sum(COUNT_HTTP_ACTIVE)));
	json_object_set_new(o, "clients", number(dataplane_clients()));
	json_object_set_new(o, "no_host", number(counter_sum(COUNT_HTTP_NO_HOST)));
	json_object_set_new(o, "no_route", number(counter_sum(COUNT_HTTP_NO_ROUTE)));
	return o;
}

json_t *report_stats(const struct control *c, const char *prefix)
{
	json_t *routes = json_array(), *endpoints = json_array();
	struct str wanted = {prefix ? prefix : "", prefix ? (uint32_t)strlen(prefix) : 0};
	struct figures total = {0};
	struct catalog catalog;
	char now[32];

	if (!catalog_init(&catalog, c->current)) {
		json_decref(routes);
		json_decref(endpoints);
		return NULL;
	}
	for (uint32_t i = 0; i < catalog.n_routes; i++)
		if (str_starts(catalog.routes[i].name, wanted))
			json_array_append_new(routes,
			                      route_json(c->current, &catalog.routes[i], &total));
	for (uint32_t i = 0; i < catalog.n_endpoints; i++)
		json_array_append_new(endpoints, endpoint_json(&catalog.endpoints[i]));
	catalog_fini(&catalog);
	return json_pack("{s:o, s:s, s:f, s:o, s:o, s:o}", "generation", number(c->base.generation),
	                 "time", log_now(now), "uptime_s", uptime_s(c), "totals",
	                 totals_json(&total), "routes", routes, "endpoints", endpoints);
}

/* ---- drops and counters ----------------------------------------------------------------- */

json_t *report_drops(void)
{
	static const char *const classes[] = {[DROP_CLASS_ok] = "ok",
	                                      [DROP_CLASS_bad] = "bad",
	                                      [DROP_CLASS_ours] = "ours",
	                                      [DROP_CLASS_full] = "full"};
	json_t *ends = json_array();
	uint64_t ended = 0;

	for (int d = 0; d < DROP_COUNT; d++) {
		json_t *each = json_array();
		enum drop why = (enum drop)d;
		uint64_t sum = 0;

		for (uint32_t i = 0; i < dataplane_workers(); i++) {
			uint64_t n = dataplane_stats(i)->ends[d];

			sum += n;
			json_array_append_new(each, number(n));
		}
		ended += sum;
		json_array_append_new(
			ends, json_pack("{s:s, s:s, s:s, s:o, s:o}", "name", drop_name(why),
		                        "class", classes[drop_class(why)], "help", drop_help(why),
		                        "sum", number(sum), "per_worker", each));
	}
	return json_pack("{s:o, s:o, s:i, s:o}", "received",
	                 number(counter_sum(COUNT_RX_PKTS) + counter_sum(COUNT_HANDED_IN)), "ended",
	                 number(ended), "workers", (int)dataplane_workers(), "ends", ends);
}

json_t *report_counters(void)
{
	json_t *list = json_array();

	for (int k = 0; k < COUNTER_COUNT; k++) {
		json_t *each = json_array();
		enum counter counter = (enum counter)k;

		for (uint32_t i = 0; i < dataplane_workers(); i++)
			json_array_append_new(each, number(dataplane_stats(i)->counters[k]));
		json_array_append_new(
			list, json_pack("{s:s, s:s, s:s, s:o, s:o}", "name", counter_name(counter),
		                        "kind", counter_is_gauge(counter) ? "gauge" : "counter",
		                        "help", counter_help(counter), "sum",
		                        number(counter_sum(counter)), "per_worker", each));
	}
	return json_pack("{s:i, s:o}", "workers", (int)dataplane_workers(), "counters", list);
}
