/* SPDX-License-Identifier: BSD-3-Clause */
/* Prometheus' text exposition format 0.0.4: one table of families over the objects of report.h. */
#include "metrics.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* Bounds of the latency histogram: each power of two from the least to the most. */
#define BUCKET_MIN_US (1u << 7)  /* 128 us */
#define BUCKET_MAX_US (1u << 24) /* 16.8 s */

/* A family whose samples are one value of each element of a list. */
struct family {
	const char *name, *type, *help;
	const char *key; /* of the element */
};

static const struct family port_families[] = {
	{"weir_port_up", "gauge", "Link state: 1 up.", "link_up"},
	{"weir_port_receive_packets_total", "counter", "Packets the port received.", "rx_pkts"},
	{"weir_port_receive_bytes_total", "counter", "Bytes the port received.", "rx_bytes"},
	{"weir_port_receive_missed_total", "counter", "Packets lost before a worker took them.",
         "rx_missed"},
	{"weir_port_receive_errors_total", "counter", "Packets received with errors.", "rx_errors"},
	{"weir_port_receive_nobuf_total", "counter", "Packets lost for want of a buffer.",
         "rx_nombuf"},
	{"weir_port_transmit_packets_total", "counter", "Packets the port sent.", "tx_pkts"},
	{"weir_port_transmit_bytes_total", "counter", "Bytes the port sent.", "tx_bytes"},
	{"weir_port_transmit_errors_total", "counter", "Packets the port failed to send.",
         "tx_errors"},
};

static const struct family route_families[] = {
	{"weir_route_requests_total", "counter", "Requests that took this route.", "requests"},
	{"weir_route_active_requests", "gauge", "Requests in progress.", "active"},
	{"weir_route_local_responses_total", "counter", "Responses made by Weir itself.", "local"},
};

static const struct family dest_families[] = {
	{"weir_destination_share_asked", "gauge",
         "Share of the route's requests the documents give.", "asked"},
	{"weir_destination_share_seen", "gauge", "Share of the route's requests that came here.",
         "seen"},
	{"weir_destination_requests_total", "counter", "Requests the split sent here.", "requests"},
	{"weir_destination_active_requests", "gauge", "Requests in progress.", "active"},
	{"weir_destination_local_responses_total", "counter", "Responses made by Weir itself.",
         "local"},
	{"weir_destination_receive_bytes_total", "counter", "Bytes of response bodies.",
         "rx_bytes"},
	{"weir_destination_transmit_bytes_total", "counter", "Bytes of request bodies.",
         "tx_bytes"},
};

static const struct family endpoint_families[] = {
	{"weir_endpoint_requests_total", "counter", "Requests sent to the endpoint.", "requests"},
	{"weir_endpoint_active_requests", "gauge", "Requests in progress.", "active"},
	{"weir_endpoint_connections", "gauge", "Open connections.", "conns"},
	{"weir_endpoint_idle_connections", "gauge", "Open connections without a request.", "idle"},
	{"weir_endpoint_connects_total", "counter", "Connection attempts.", "connects"},
	{"weir_endpoint_connect_failures_total", "counter", "Connection attempts that failed.",
         "connect_fails"},
	{"weir_endpoint_resets_total", "counter", "Closed before a whole response.", "resets"},
};

static const struct family worker_families[] = {
	{"weir_per_worker_busy_seconds_total", "counter",
         "Time on turns that did something; its rate is the load.", "busy_ns"},
	{"weir_per_worker_cpu_seconds_total", "counter",
         "CPU time of the worker's thread, polling included.", "cpu_ns"},
	{"weir_per_worker_requests_total", "counter", "HTTP requests received.", "requests"},
	{"weir_per_worker_receive_packets_total", "counter", "Packets received.", "rx_pkts"},
	{"weir_per_worker_transmit_packets_total", "counter", "Packets sent.", "tx_pkts"},
	{"weir_per_worker_handed_off_packets_total", "counter",
         "Packets received for another worker and handed to it.", "handed_off"},
	{"weir_per_worker_connections", "gauge", "TCP connections, both sides.", "conns"},
	{"weir_per_worker_flows", "gauge", "Connections forwarded packet by packet.", "flows"},
	{"weir_per_worker_picks_total", "counter", "Requests that the present splits sent on.",
         "picks"},
};

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static void write_head(FILE *out, const char *name, const char *type, const char *help)
{
	fprintf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

/* A label's value: backslash, quote and line feed are escaped. */
static void write_label(FILE *out, const char *separator, const char *label, const char *value)
{
	fprintf(out, "%s%s=\"", separator, label);
	for (; value && *value; value++) {
		if (*value == '\n')
			fputs("\\n", out);
		else if (*value == '\\' || *value == '"')
			fprintf(out, "\\%c", *value);
		else
			fputc(*value, out);
	}
	fputc('"', out);
}

static const char *text_at(const json_t *o, const char *key)
{
	return json_string_value(json_object_get(o, key));
}

/* The end of a sample: its value. Booleans are 0 and 1. */
static void write_value(FILE *out, const json_t *value)
{
	if (json_is_integer(value))
		fprintf(out, " %" JSON_INTEGER_FORMAT "\n", json_integer_value(value));
	else if (json_is_real(value))
		fprintf(out, " %.10g\n", json_real_value(value));
	else
		fprintf(out, " %d\n", json_is_true(value));
}

/* ---- lists of elements ------------------------------------------------------------------ */

static void write_ports(FILE *out, const json_t *ports)
{
	const json_t *port;
	size_t i;

	for (size_t k = 0; k < COUNT(port_families); k++) {
		const struct family *f = &port_families[k];

		write_head(out, f->name, f->type, f->help);
		json_array_foreach(ports, i, port)
		{
			fputs(f->name, out);
			write_label(out, "{", "port", text_at(port, "name"));
			fputc('}', out);
			write_value(out, json_object_get(port, f->key));
		}
	}
}

static void write_routes(FILE *out, const json_t *routes)
{
	const json_t *route;
	size_t i;

	for (size_t k = 0; k < COUNT(route_families); k++) {
		const struct family *f = &route_families[k];

		write_head(out, f->name, f->type, f->help);
		json_array_foreach(routes, i, route)
		{
			fputs(f->name, out);
			write_label(out, "{", "route", text_at(route, "name"));
			fputc('}', out);
			write_value(out, json_object_get(route, f->key));
		}
	}
}

static void write_endpoints(FILE *out, const json_t *endpoints)
{
	const json_t *endpoint;
	size_t i;

	for (size_t k = 0; k < COUNT(endpoint_families); k++) {
		const struct family *f = &endpoint_families[k];

		write_head(out, f->name, f->type, f->help);
		json_array_foreach(endpoints, i, endpoint)
		{
			fputs(f->name, out);
			write_label(out, "{", "cluster", text_at(endpoint, "cluster"));
			write_label(out, ",", "endpoint", text_at(endpoint, "name"));
			fputc('}', out);
			write_value(out, json_object_get(endpoint, f->key));
		}
	}
}

static void write_worker(FILE *out, const struct family *f, const json_t *worker)
{
	static const char *const labels[] = {"worker", "core", "socket"};
	const json_t *value = json_object_get(worker, f->key);

	fputs(f->name, out);
	for (size_t i = 0; i < COUNT(labels); i++) {
		const json_t *label = json_object_get(worker, labels[i]);

		if (json_is_integer(label)) /* a socket that is not known is no label */
			fprintf(out, "%s%s=\"%" JSON_INTEGER_FORMAT "\"", i ? "," : "{", labels[i],
			        json_integer_value(label));
	}
	fputc('}', out);
	if (strstr(f->name, "_seconds_"))
		fprintf(out, " %.9f\n", json_number_value(value) / 1e9);
	else
		write_value(out, value);
}

static void write_workers(FILE *out, const json_t *workers)
{
	const json_t *worker;
	size_t i;

	for (size_t k = 0; k < COUNT(worker_families); k++) {
		const struct family *f = &worker_families[k];

		write_head(out, f->name, f->type, f->help);
		json_array_foreach(workers, i, worker) write_worker(out, f, worker);
	}
}

/* ---- destinations ----------------------------------------------------------------------- */

typedef void write_dest_fn(FILE *out, const json_t *route, const json_t *dest, const void *arg);

static void each_dest(FILE *out, const json_t *routes, write_dest_fn *write, const void *arg)
{
	const json_t *route, *dest;
	size_t i, k;

	json_array_foreach(routes, i, route)
	{
		const json_t *dests = json_object_get(route, "destinations");

		json_array_foreach(dests, k, dest) write(out, route, dest, arg);
	}
}

static void write_dest_labels(FILE *out, const char *name, const json_t *route, const json_t *dest)
{
	fputs(name, out);
	write_label(out, "{", "route", text_at(route, "name"));
	write_label(out, ",", "host", text_at(dest, "host"));
	write_label(out, ",", "subset", text_at(dest, "subset"));
	fprintf(out, ",port=\"%" JSON_INTEGER_FORMAT "\"",
	        json_integer_value(json_object_get(dest, "port")));
}

static void write_dest_value(FILE *out, const json_t *route, const json_t *dest, const void *arg)
{
	const struct family *f = arg;
	const json_t *value = json_object_get(dest, f->key);

	if (json_is_null(value))
		return; /* no request seen yet: no share */
	write_dest_labels(out, f->name, route, dest);
	fputc('}', out);
	write_value(out, value);
}

static void write_dest_classes(FILE *out, const json_t *route, const json_t *dest, const void *arg)
{
	json_t *status = json_object_get(dest, "status");
	const char *class;
	json_t *value;

	json_object_foreach(status, class, value)
	{
		write_dest_labels(out, arg, route, dest);
		write_label(out, ",", "class", class);
		fputc('}', out);
		write_value(out, value);
	}
}

/* Those below a bound, in microseconds, of buckets {"512": n, ..., "inf": n} (control.md). */
static json_int_t count_below(json_t *buckets, uint64_t bound_us)
{
	json_int_t n = 0;
	const char *key;
	json_t *value;

	json_object_foreach(buckets, key, value)
	{
		uint64_t us = strtoull(key, NULL, 10); /* "inf": 0 */

		if (us > 0 && us <= bound_us)
			n += json_integer_value(value);
	}
	return n;
}

/* Latencies are whole microseconds, cut off: less than 512 of them is at most 0.000512 s. */
static void write_dest_latency(FILE *out, const json_t *route, const json_t *dest, const void *arg)
{
	const json_t *latency = json_object_get(dest, "latency_us");
	double count = json_number_value(json_object_get(latency, "count"));
	double mean = json_number_value(json_object_get(latency, "mean"));
	const struct family *f = arg;
	char name[80];

	if (count == 0)
		return; /* twenty lines that say nothing */
	snprintf(name, sizeof(name), "%s_bucket", f->name);
	for (uint64_t us = BUCKET_MIN_US; us <= BUCKET_MAX_US; us *= 2) {
		write_dest_labels(out, name, route, dest);
		fprintf(out, ",le=\"%.6f\"} %" JSON_INTEGER_FORMAT "\n", (double)us / 1e6,
		        count_below(json_object_get(latency, "buckets"), us));
	}
	write_dest_labels(out, name, route, dest);
	fprintf(out, ",le=\"+Inf\"} %.0f\n", count);
	snprintf(name, sizeof(name), "%s_sum", f->name);
	write_dest_labels(out, name, route, dest);
	fprintf(out, "} %.6f\n", mean * count / 1e6);
	snprintf(name, sizeof(name), "%s_count", f->name);
	write_dest_labels(out, name, route, dest);
	fprintf(out, "} %.0f\n", count);
}

static void write_dests(FILE *out, const json_t *routes)
{
	static const char responses[] = "weir_destination_responses_total";
	static const struct family latency = {"weir_destination_latency_seconds", "histogram",
	                                      "Request's last byte in to response's last byte out.",
	                                      "latency_us"};

	for (size_t k = 0; k < COUNT(dest_families); k++) {
		const struct family *f = &dest_families[k];

		write_head(out, f->name, f->type, f->help);
		each_dest(out, routes, write_dest_value, f);
	}
	write_head(out, responses, "counter", "Responses by status class.");
	each_dest(out, routes, write_dest_classes, responses);
	write_head(out, latency.name, latency.type, latency.help);
	each_dest(out, routes, write_dest_latency, &latency);
}

/* ---- the node --------------------------------------------------------------------------- */

static void write_ends(FILE *out, const json_t *ends)
{
	const json_t *end;
	size_t i;

	write_head(out, "weir_packets_ended_total", "counter",
	           "Received packets by where they ended; the help of each is in weirctl drops.");
	json_array_foreach(ends, i, end)
	{
		fputs("weir_packets_ended_total", out);
		write_label(out, "{", "end", text_at(end, "name"));
		write_label(out, ",", "class", text_at(end, "class"));
		fputc('}', out);
		write_value(out, json_object_get(end, "sum"));
	}
}

/* weir_worker_rx_pkts_total of "RX_PKTS" */
static void counter_metric(const char *name, bool is_gauge, char *out, size_t size)
{
	snprintf(out, size, "weir_worker_%s%s", name, is_gauge ? "" : "_total");
	for (; *out; out++)
		*out = (char)tolower((unsigned char)*out);
}

static void write_counters(FILE *out, const json_t *counters)
{
	const json_t *counter;
	size_t i;

	json_array_foreach(counters, i, counter)
	{
		const char *kind = text_at(counter, "kind");
		char metric[96];

		counter_metric(text_at(counter, "name"), strcmp(kind, "gauge") == 0, metric,
		               sizeof(metric));
		write_head(out, metric, kind, text_at(counter, "help"));
		fputs(metric, out);
		write_value(out, json_object_get(counter, "sum"));
	}
}

static void write_one(FILE *out, const struct family *f, const json_t *o)
{
	write_head(out, f->name, f->type, f->help);
	fputs(f->name, out);
	write_value(out, json_object_get(o, f->key));
}

static void write_node(FILE *out, const json_t *status)
{
	static const struct family families[] = {
		{"weir_generation", "gauge", "Set of documents that runs.", "generation"},
		{"weir_generation_in_effect", "gauge", "1: every worker uses it.", "in_effect"},
		{"weir_uptime_seconds", "gauge", "Time since start.", "uptime_s"},
		{"weir_clients", "gauge", "Client connections open.", "clients"},
	};
	static const struct family changes[] = {
		{"weir_changes_accepted_total", "counter", "Changes accepted since start.",
	         "accepted"},
		{"weir_changes_refused_total", "counter", "Changes refused since start.",
	         "refused"},
	};
	json_t *objects = json_object_get(status, "objects");
	const char *kind;
	json_t *value;

	write_head(out, "weir_info", "gauge", "Version.");
	fputs("weir_info", out);
	write_label(out, "{", "version", text_at(status, "version"));
	fputs("} 1\n", out);
	for (size_t i = 0; i < COUNT(families); i++)
		write_one(out, &families[i], status);
	for (size_t i = 0; i < COUNT(changes); i++)
		write_one(out, &changes[i], json_object_get(status, "changes"));
	write_head(out, "weir_draining", "gauge", "1: no new connections are accepted.");
	fprintf(out, "weir_draining %d\n", strcmp(text_at(status, "state"), "serving") != 0);
	write_head(out, "weir_problems", "gauge", "Lines under problems in weirctl status.");
	fprintf(out, "weir_problems %zu\n", json_array_size(json_object_get(status, "problems")));
	write_head(out, "weir_objects", "gauge", "Documents that run, by kind.");
	json_object_foreach(objects, kind, value)
	{
		fputs("weir_objects", out);
		write_label(out, "{", "kind", kind);
		fputc('}', out);
		write_value(out, value);
	}
}

void metrics_write(FILE *out, const json_t *status, const json_t *stats, const json_t *drops,
                   const json_t *counters)
{
	write_node(out, status);
	write_ports(out, json_object_get(status, "ports"));
	write_workers(out, json_object_get(status, "workers"));
	write_routes(out, json_object_get(stats, "routes"));
	write_dests(out, json_object_get(stats, "routes"));
	write_endpoints(out, json_object_get(stats, "endpoints"));
	write_ends(out, json_object_get(drops, "ends"));
	write_counters(out, json_object_get(counters, "counters"));
}
