/* SPDX-License-Identifier: BSD-3-Clause */
#include "report.h"

#include <rte_cycles.h>

#include <inttypes.h>
#include <math.h>
#include <stdio.h>

#define SPLIT_SLACK 2.0 /* requests that each worker may be off: it walks a table of its own */

static void count(const char *key, uint64_t value)
{
	printf("%s %" PRIu64 "\n", key, value);
}

static void latency(const struct histogram *h, const char *name)
{
	static const struct {
		const char *key;
		double part;
	} rows[] = {{"p50", 0.5},     {"p90", 0.9},       {"p99", 0.99},
	            {"p99.9", 0.999}, {"p99.99", 0.9999}, {"max", 1}};
	double us = 1e6 / (double)rte_get_tsc_hz();

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		printf("%s%s_us %.1f\n", rows[i].key, name,
		       us * (double)histogram_quantile(h, rows[i].part));
}

static void flood(const struct flood *f, double seconds)
{
	count("flood_sent", f->sent);
	printf("flood/s %.0f\n", (double)f->sent / seconds);
	count("flood_refused_by_ring", f->refused);
	count("flood_syn_acks", f->syn_acks);
	count("flood_resets", f->resets);
	count("flood_acks", f->acks);
	count("flood_other_answers", f->others);
}

void report_write(const struct load *l, const struct options *o, uint64_t tsc)
{
	const struct clients *c = &l->clients;
	double s = (double)tsc / (double)rte_get_tsc_hz();
	uint64_t frames = l->edge.rx + l->edge.tx + l->back.rx + l->back.tx;

	printf("seconds %.3f\n", s);
	count("requests", c->answered);
	printf("requests/s %.0f\n", (double)c->answered / s);
	if (o->rate > 0)
		printf("offered/s %.0f\n", o->rate);
	printf("body_gbit/s %.3f\n", (double)c->answered * (o->body + o->post) * 8e-9 / s);
	latency(&c->latency, "");
	latency(&c->undisturbed, "_undisturbed");
	printf("disturbed_percent %.3f\n",
	       c->latency.total
	               ? 100 - 100 * (double)c->undisturbed.total / (double)c->latency.total
	               : 0);
	printf("frames/request %.3f\n", (double)frames / (double)(c->answered ? c->answered : 1));
	printf("idle_turns_percent %.1f\n", 100.0 * (double)l->idle_turns / (double)l->turns);
	count("turns_without_free_connection", c->late);
	count("request_bytes", c->requests.bytes);
	count("response_bytes", l->servers.response_bytes);
	count("accepted_by_servers", l->servers.accepted);
	count("resent_by_weir", c->retried + l->servers.retried);
	count("resent_by_clients", c->resent);
	count("resent_by_servers", l->servers.resent);
	if (o->flood != FLOOD_NONE)
		flood(&l->flood, s);
}

void report_curve(const struct histogram *h, double tsc_hz)
{
	for (int i = 0;; i++) {
		double rest = pow(2, -i / 5.0), part = 1 - rest;

		printf("curve %.7f %.2f %.0f\n", 100 * part,
		       1e6 / tsc_hz * (double)histogram_quantile(h, part), rest * (double)h->total);
		if (rest * (double)h->total < 1)
			return;
	}
}

bool report_split(const struct options *o, const uint64_t right[OPTIONS_VERSIONS])
{
	double total = (double)(right[0] + right[1]), weights = o->expect[0] + o->expect[1];
	bool exact = true;

	count("v1", right[0]);
	count("v2", right[1]);
	for (int v = 0; weights > 0 && v < OPTIONS_VERSIONS; v++)
		exact &= fabs((double)right[v] - total * o->expect[v] / weights) <=
		         SPLIT_SLACK * o->workers;
	return exact;
}
