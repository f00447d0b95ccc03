/* SPDX-License-Identifier: BSD-3-Clause */
/* docs/reference/routing.md: every field of the table, message by message, in the order in which a reader meets them. */
#include "istio_table.h"

#include <string.h>

#define MESSAGES_MAX 128 /* different ones below one kind */

struct page {
	FILE *out;
	const struct istio_message *queue[MESSAGES_MAX]; /* a message stands in it once */
	uint32_t n;
};

static void put_string(FILE *out, const char *text)
{
	for (; *text; text++)
		fprintf(out, *text == '|' ? "\\%c" : "%c", *text);
}

static void put_type(FILE *out, const struct istio_field *f)
{
	static const char *const names[] = {
		[ISTIO_TEXT] = "text",          [ISTIO_UINT32] = "number",
		[ISTIO_INT32] = "number",       [ISTIO_BOOL] = "true or false",
		[ISTIO_DURATION] = "duration",  [ISTIO_TEXTS] = "list of texts",
		[ISTIO_PAIRS] = "map of texts", [ISTIO_NUMBERS] = "map of numbers",
		[ISTIO_UINT64] = "number",      [ISTIO_UINT32S] = "list of numbers",
		[ISTIO_DOUBLE] = "number",      [ISTIO_BYTES] = "base64",
	};

	switch (f->type) {
	case ISTIO_MESSAGE: fprintf(out, "%s", f->of->title); break;
	case ISTIO_MESSAGES: fprintf(out, "list of %s", f->of->title); break;
	case ISTIO_MATCHES: fprintf(out, "map of %s", f->of->title); break;
	case ISTIO_ENUM_VALUE:
		for (int i = 0; f->values[i]; i++)
			fprintf(out, "%s%s", i == 0 ? "" : ", ", f->values[i]);
		break;
	default: fputs(names[f->type], out); break;
	}
}

static void put_field(FILE *out, const struct istio_field *f)
{
	char camel[ISTIO_FIELD_NAME_MAX];

	fprintf(out, "| `%s` | ", istio_table_camel(f, camel));
	put_type(out, f);
	fputs(" | ", out);
	switch (f->support) {
	case ISTIO_BUILT: fputs("yes", out); break;
	case ISTIO_LATER: fputs("not yet", out); break;
	case ISTIO_IGNORED: fputs("no effect", out); break;
	case ISTIO_REFUSED: fputs("refused", out); break;
	}
	fputs(" | ", out);
	put_string(out, f->help);
	if (f->support == ISTIO_IGNORED)
		fprintf(out, " Accepted with a warning: %s.", f->note);
	fputs(" |\n", out);
}

static void queue_add(struct page *p, const struct istio_message *m)
{
	for (uint32_t i = 0; i < p->n; i++)
		if (p->queue[i] == m)
			return;
	if (p->n < MESSAGES_MAX)
		p->queue[p->n++] = m;
}

static void put_message(struct page *p, const struct istio_message *m, const char *heading)
{
	fprintf(p->out, "\n%s %s\n\n| field | type | supported | meaning |\n|---|---|---|---|\n",
	        heading, m->title);
	for (size_t i = 0; i < m->n_fields; i++) {
		put_field(p->out, &m->fields[i]);
		if (m->fields[i].of)
			queue_add(p, m->fields[i].of);
	}
}

static void put_kind(struct page *p, const struct istio_message *spec)
{
	uint32_t next = p->n;

	queue_add(p, spec);
	for (; next < p->n; next++)
		put_message(p, p->queue[next], p->queue[next] == spec ? "##" : "###");
}

void istio_write_reference(FILE *out)
{
	struct page p = {.out = out};

	fputs("# Routing documents\n\n"
	      "Weir reads Istio's traffic API: documents of `networking.istio.io/v1`, `v1beta1` "
	      "and `v1alpha3`, one or\n"
	      "more in a YAML or JSON file, also as a `kind: List`. This page is made from the "
	      "table that the reader of\n"
	      "documents works with, so it says what the program does.\n\n"
	      "Supported: **yes**, the field does what Istio's documentation says; **not yet**, "
	      "the field is valid, and a\n"
	      "document that has it is refused with file, line and column; **no effect**, the "
	      "field is accepted with a\n"
	      "warning, because it is about sidecars or meshes; **refused**, as Istio itself "
	      "refuses it. An unknown field\n"
	      "is an error. Field names may also be written in snake_case.\n\n"
	      "Durations are numbers with units: `1h`, `1m30s`, `1.5s`, `200ms`. What looks like a "
	      "number or a boolean\n"
	      "where text is wanted needs quotes: `version: \"1\"`.\n\n"
	      "Of `metadata`, Weir uses `name`, `namespace` (else what `-n` says, else `default`), "
	      "`labels`,\n"
	      "`annotations` and `creationTimestamp`; the rest, and `status`, is for Kubernetes "
	      "and is left alone.\n"
	      "`Sidecar` documents are accepted with a warning and have no effect.\n\n"
	      "## Annotations\n\n"
	      "What Istio's API has no field for is said by annotations of our own "
	      "([why](../decisions/0070-annotations-of-our-own.md), [how to use "
	      "them](../l4.md)):\n\n"
	      "| annotation | of | value | meaning |\n|---|---|---|---|\n"
	      "| `" ISTIO_NOTE_QUIC
	      "` | Gateway | `\"true\"`, `\"false\"` | Its UDP servers follow "
	      "QUIC's connection ids, so that a client that changes its address keeps its "
	      "endpoint. |\n"
	      "| `" ISTIO_NOTE_ALPN "` | VirtualService | `h2,http/1.1` | Its tls rules are for "
	      "clients that offer one of these protocols. |\n"
	      "| `" ISTIO_NOTE_FORWARD
	      "` | DestinationRule | `nat` (default), `dsr`, `ipip`, `gue`, "
	      "`gue:PORT` | How packets of TCP and UDP servers reach the endpoints of all "
	      "its subsets. |\n"
	      "| `" ISTIO_NOTE_FORWARD ".SUBSET` | DestinationRule | the same | Those of one "
	      "subset. |\n",
	      out);
	for (unsigned int kind = 0; kind < ISTIO_KIND_COUNT; kind++)
		put_kind(&p, istio_specs[kind]);
	for (size_t i = 0; istio_later_specs[i]; i++)
		put_kind(&p, istio_later_specs[i]);
}
