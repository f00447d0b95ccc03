/* SPDX-License-Identifier: BSD-3-Clause */
/* What devices do with flows by themselves, port by port, since the start. */
#include "report.h"

#include "weir/dataplane.h"

#include <time.h>

static json_t *number(uint64_t n)
{
	return json_integer((json_int_t)n);
}

static json_t *failures(const struct offload_counts *c)
{
	json_t *o = json_object();

	for (int i = 0; i < OFFLOAD_FAILS; i++)
		json_object_set_new(o, offload_fail_name((enum offload_fail)i),
		                    number(c->failed[i]));
	return o;
}

static json_t *removals(const struct offload_counts *c)
{
	json_t *o = json_object();

	for (int i = 0; i < OFFLOAD_WHYS; i++)
		json_object_set_new(o, offload_why_name((enum offload_why)i),
		                    number(c->removed[i]));
	return o;
}

static json_t *port_json(const struct offload_status *st)
{
	const struct offload_counts *c = &st->counts;

	return json_pack("{s:s, s:s, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "port",
	                 st->port, "level", offload_level_name(st->level), "way", st->way, "rules",
	                 number(c->rules), "room", number(c->room), "inserted", number(c->inserted),
	                 "failed", failures(c), "removed", removals(c), "packets", number(c->pkts),
	                 "bytes", number(c->bytes), "steering_rules", number(st->steers));
}

json_t *report_offload(void)
{
	json_t *ports = json_array();
	struct offload_status st;
	struct timespec now;

	for (uint32_t i = 0; dataplane_offload(i, &st); i++)
		json_array_append_new(ports, port_json(&st));
	clock_gettime(CLOCK_MONOTONIC, &now);
	return json_pack("{s:I, s:o}", "time_ns", (json_int_t)now.tv_sec * 1000000000 + now.tv_nsec,
	                 "ports", ports);
}
