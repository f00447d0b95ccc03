/* SPDX-License-Identifier: BSD-3-Clause */
/* Weir's own annotations. */
#include "istio.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const char *const modes[] = {
	[FORWARD_NAT] = "nat",
	[FORWARD_DSR] = "dsr",
	[FORWARD_IPIP] = "ipip",
	[FORWARD_GUE] = "gue",
};

const char *istio_forward_name(uint8_t mode)
{
	return modes[mode];
}

/* 1 to 65535, digits only; 0: none. */
static uint16_t port_number(const char *text)
{
	size_t len = strspn(text, "0123456789");
	unsigned long port = len > 0 && len < 6 && !text[len] ? strtoul(text, NULL, 10) : 0;

	return port <= 65535 ? (uint16_t)port : 0;
}

bool istio_forward_parse(const char *text, struct istio_forward *out)
{
	static const struct istio_forward none;

	*out = none;
	if (strncmp(text, "gue:", 4) == 0) {
		out->mode = FORWARD_GUE;
		out->gue_port = port_number(text + 4);
		return out->gue_port != 0;
	}
	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
		if (strcmp(text, modes[i]) != 0)
			continue;
		out->mode = (uint8_t)i;
		out->gue_port = i == FORWARD_GUE ? ISTIO_GUE_PORT : 0;
		return true;
	}
	return false;
}

const struct istio_pair *istio_forward_note(const struct istio_object *o, const char *subset)
{
	const size_t len = strlen(ISTIO_NOTE_FORWARD);

	for (uint32_t i = 0; subset && i < o->annotations.n; i++) {
		const char *key = o->annotations.v[i].key.s;

		if (strncmp(key, ISTIO_NOTE_FORWARD ".", len + 1) == 0 &&
		    strcmp(key + len + 1, subset) == 0)
			return &o->annotations.v[i];
	}
	return istio_pair_find(&o->annotations, ISTIO_NOTE_FORWARD);
}

uint32_t istio_words(struct arena *a, const char *text, const char **v)
{
	uint32_t n = 0;

	for (const char *p = text;; p++) {
		size_t len = strcspn(p, ","), from = 0, to = len;

		while (from < to && (p[from] == ' ' || p[from] == '\t'))
			from++;
		while (from < to && (p[to - 1] == ' ' || p[to - 1] == '\t'))
			to--;
		v[n++] = arena_copy(a, p + from, to - from);
		p += len;
		if (!*p)
			return n;
	}
}

enum istio_protocol istio_protocol(const char *text)
{
	static const struct {
		const char *name;
		enum istio_protocol is;
	} known[] = {
		{"HTTP", ISTIO_PROTOCOL_HTTP},      {"TCP", ISTIO_PROTOCOL_TCP},
		{"TLS", ISTIO_PROTOCOL_TLS},        {"HTTPS", ISTIO_PROTOCOL_TLS},
		{"UDP", ISTIO_PROTOCOL_UDP},        {"GRPC", ISTIO_PROTOCOL_LATER},
		{"GRPC-WEB", ISTIO_PROTOCOL_LATER}, {"HTTP2", ISTIO_PROTOCOL_LATER},
		{"MONGO", ISTIO_PROTOCOL_LATER},
	};

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (strcasecmp(text, known[i].name) == 0)
			return known[i].is;
	return ISTIO_PROTOCOL_UNKNOWN;
}
