/* SPDX-License-Identifier: BSD-3-Clause */
/* The workers one by one: where they run and what each of them counted since the start. */
#include "catalog.h"
#include "report.h"

#include "weir/dataplane.h"

#include <string.h>

#define NS_PER_S 1000000000u

static json_t *number(uint64_t n)
{
	return json_integer((json_int_t)n);
}

/* Whole seconds first: cycles of some days times 10^9 need more than 64 bits. */
static json_t *cycles_ns(uint64_t cycles, uint64_t hz)
{
	return number(cycles / hz * NS_PER_S + cycles % hz * NS_PER_S / hz);
}

static json_t *counted(const struct worker_stats *w, enum counter c)
{
	return number(w->counters[c]);
}

static json_t *worker_json(uint32_t i, uint64_t hz)
{
	const struct worker_stats *w = dataplane_stats(i);
	struct worker_place place;
	json_t *o;

	dataplane_worker(i, &place);
	o = json_pack("{s:i, s:i, s:o, s:o, s:o, s:o, s:o, s:o}", "worker", (int)i, "core",
	              (int)place.cpu, "socket",
	              place.socket < 0 ? json_null() : json_integer(place.socket), "generation",
	              number(w->generation), "loops", counted(w, COUNT_LOOPS), "idle_loops",
	              counted(w, COUNT_IDLE_LOOPS), "clients", counted(w, COUNT_HTTP_CLIENTS),
	              "active", counted(w, COUNT_HTTP_ACTIVE));
	json_object_set_new(o, "busy_cycles", counted(w, COUNT_BUSY_CYCLES));
	json_object_set_new(o, "busy_ns", cycles_ns(w->counters[COUNT_BUSY_CYCLES], hz));
	json_object_set_new(o, "cpu_ns", number(place.cpu_ns));
	json_object_set_new(o, "requests", counted(w, COUNT_HTTP_REQUESTS));
	json_object_set_new(o, "rx_pkts", counted(w, COUNT_RX_PKTS));
	json_object_set_new(o, "tx_pkts", counted(w, COUNT_TX_PKTS));
	json_object_set_new(o, "handed_off", number(w->ends[DROP_HANDED_OFF]));
	json_object_set_new(o, "handed_in", counted(w, COUNT_HANDED_IN));
	json_object_set_new(o, "conns", counted(w, COUNT_TCP_CONNS));
	json_object_set_new(o, "flows", counted(w, COUNT_FLOWS));
	json_object_set_new(o, "flows_opened", counted(w, COUNT_FLOWS_OPENED));
	return o;
}

/* What worker i sent to the destinations of a split. */
static uint64_t split_picks(uint32_t i, const struct split *split)
{
	const struct worker_stats *w = dataplane_stats(i);
	uint64_t picks = 0;

	for (uint32_t k = 0; k < split->n_dests; k++) {
		struct slot slot = split->dests[k].stats;

		if (slot.index < w->n_dests && w->dests[slot.index].epoch == slot.epoch)
			picks += w->dests[slot.index].picks;
	}
	return picks;
}

/* Of the splits of these routes. */
static void add_picks(json_t *workers, const struct catalog *catalog, const char *prefix)
{
	struct str wanted = {prefix ? prefix : "", prefix ? (uint32_t)strlen(prefix) : 0};
	json_t *worker;
	size_t i;

	json_array_foreach(workers, i, worker)
	{
		uint64_t picks = 0;

		for (uint32_t k = 0; k < catalog->n_routes; k++) {
			const struct catalog_route *r = &catalog->routes[k];

			if (r->split && str_starts(r->name, wanted))
				picks += split_picks((uint32_t)i, r->split);
		}
		json_object_set_new(worker, "picks", number(picks));
	}
}

json_t *report_each_worker(const struct catalog *catalog, const char *prefix)
{
	uint64_t hz = dataplane_cycles().hz;
	json_t *workers = json_array();

	for (uint32_t i = 0; i < dataplane_workers(); i++)
		json_array_append_new(workers, worker_json(i, hz));
	add_picks(workers, catalog, prefix);
	return workers;
}

json_t *report_warnings(const struct control *c)
{
	json_t *warnings = json_array();
	char text[512];

	for (uint32_t i = 0; dataplane_warning(i, text, sizeof(text)); i++)
		json_array_append_new(warnings, json_string(text));
	for (uint32_t i = 0; i < c->ports.n; i++)
		json_array_append_new(warnings, json_string(c->ports.items[i].text));
	return warnings;
}

json_t *report_workers(const struct control *c, const char *prefix)
{
	struct cycle_clock clock = dataplane_cycles();
	struct catalog catalog;
	json_t *state = report_state(c), *o;

	if (!state || !catalog_init(&catalog, c->current)) {
		json_decref(state);
		return NULL;
	}
	o = json_pack("{s:o, s:O, s:o, s:o, s:o, s:o}", "generation", number(c->base.generation),
	              "state", json_object_get(state, "state"), "time_ns",
	              cycles_ns(clock.now, clock.hz), "idle_sleep_us",
	              number(c->conf->node.times.idle_sleep_us), "workers",
	              report_each_worker(&catalog, prefix), "warnings", report_warnings(c));
	catalog_fini(&catalog);
	json_decref(state);
	return o;
}
