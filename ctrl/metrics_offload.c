/* SPDX-License-Identifier: BSD-3-Clause */
/* What devices do with flows by themselves, for Prometheus; over the objects of report_offload.c. */
#include "metrics.h"

#include <string.h>

struct family {
	const char *key, *name, *type, *help;
	const char *label; /* the key is an object: a line for each of its members; or NULL */
};

static const struct family families[] = {
	{"rules", "weir_offload_rules", "gauge", "Rules in the device.", NULL},
	{"room", "weir_offload_room", "gauge", "Rules that the device is believed to take.", NULL},
	{"inserted", "weir_offload_inserted_total", "counter", "Rules that the device took.", NULL},
	{"failed", "weir_offload_failed_total", "counter",
         "Rules that it did not take, or not out.", "why"},
	{"removed", "weir_offload_removed_total", "counter", "Rules that were taken out.", "why"},
	{"packets", "weir_offload_packets_total", "counter",
         "Packets that the device forwarded alone.", NULL},
	{"bytes", "weir_offload_bytes_total", "counter", "Bytes of IP packets in them.", NULL},
};

static void write_each(FILE *out, const struct family *f, const json_t *port)
{
	const char *name = json_string_value(json_object_get(port, "port")), *key;
	json_t *of = json_object_get(port, f->key), *value;

	if (!f->label) {
		fprintf(out, "%s{port=\"%s\"} %" JSON_INTEGER_FORMAT "\n", f->name, name,
		        json_integer_value(of));
		return;
	}
	json_object_foreach(of, key, value)
		fprintf(out, "%s{port=\"%s\",%s=\"%s\"} %" JSON_INTEGER_FORMAT "\n", f->name, name,
	                f->label, key, json_integer_value(value));
}

/* Names of ports are letters, digits and "-_." (weir.yaml). */
void metrics_write_offload(FILE *out, const json_t *offload)
{
	const json_t *port;
	size_t i;

	for (size_t k = 0; k < sizeof(families) / sizeof(families[0]); k++) {
		const struct family *f = &families[k];

		fprintf(out, "# HELP %s %s\n# TYPE %s %s\n", f->name, f->help, f->name, f->type);
		json_array_foreach(json_object_get(offload, "ports"), i, port)
			write_each(out, f, port);
	}
}
