/* SPDX-License-Identifier: BSD-3-Clause */
#include "istio.h"

#include "host.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#define DURATION_MAX_US \
	(UINT64_C(365) * 86400 * 1000000) /* a year; Go's own limit is 292 of them */

static const struct {
	const char *name;
	const char *plural;
	const char *brief;
} kinds[ISTIO_KIND_COUNT] = {
	[ISTIO_GATEWAY] = {"Gateway", "Gateways", "gw"},
	[ISTIO_VIRTUAL_SERVICE] = {"VirtualService", "VirtualServices", "vs"},
	[ISTIO_DESTINATION_RULE] = {"DestinationRule", "DestinationRules", "dr"},
	[ISTIO_SERVICE_ENTRY] = {"ServiceEntry", "ServiceEntries", "se"},
	[ISTIO_WORKLOAD_ENTRY] = {"WorkloadEntry", "WorkloadEntries", "we"},
};

const char *istio_kind_name(enum istio_kind kind)
{
	return kinds[kind].name;
}

bool istio_kind_parse(const char *text, enum istio_kind *kind)
{
	for (unsigned int i = 0; i < ISTIO_KIND_COUNT; i++) {
		if (strcasecmp(text, kinds[i].name) != 0 &&
		    strcasecmp(text, kinds[i].plural) != 0 && strcasecmp(text, kinds[i].brief) != 0)
			continue;
		*kind = i;
		return true;
	}
	return false;
}

/* One number of a duration: digits with an optional fraction, in units of us. Returns the rest, or NULL. */
static const char *duration_part(const char *p, double *number)
{
	double scale = 1;
	bool digits = false, fraction = false;

	*number = 0;
	for (; isdigit((unsigned char)*p) || (*p == '.' && !fraction); p++) {
		if (*p == '.') {
			fraction = true;
			continue;
		}
		digits = true;
		*number = *number * 10 + (*p - '0');
		if (fraction)
			scale *= 10;
	}
	*number /= scale;
	return digits ? p : NULL;
}

static const char *duration_unit(const char *p, double *us)
{
	static const struct {
		const char *name;
		double us;
	} units[] = {{"ns", 1e-3}, {"us", 1},  {"\xc2\xb5s", 1}, {"\xce\xbcs", 1},
	             {"ms", 1e3},  {"s", 1e6}, {"m", 60e6},      {"h", 3600e6}};

	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		size_t len = strlen(units[i].name);

		if (strncmp(p, units[i].name, len) == 0) {
			*us = units[i].us;
			return p + len;
		}
	}
	return NULL;
}

bool istio_duration_parse(const char *text, uint64_t *us)
{
	const char *p = text + (text[0] == '+');
	double sum = 0, number, unit;

	if (strcmp(p, "0") == 0) { /* the one number Go takes without a unit */
		*us = 0;
		return true;
	}
	if (strlen(text) > 64 || *p == '\0')
		return false;
	while (*p) {
		p = duration_part(p, &number);
		if (p)
			p = duration_unit(p, &unit);
		if (!p)
			return false;
		sum += number * unit;
	}
	if (sum > (double)DURATION_MAX_US)
		return false;
	*us = (uint64_t)(sum + 0.5);
	return true;
}

bool istio_gateway_ref(struct arena *a, const char *text, const char *ns,
                       struct istio_gateway_ref *out)
{
	const char *slash = strchr(text, '/'), *dot = strchr(text, '.');

	*out = (struct istio_gateway_ref){.mesh = strcmp(text, "mesh") == 0};
	if (out->mesh)
		return true;
	if (slash) {
		bool own = slash == text + 1 && text[0] == '.';

		out->ns = own ? arena_dup(a, ns) : arena_copy(a, text, (size_t)(slash - text));
		out->name = arena_dup(a, slash + 1);
	} else if (dot) {
		out->legacy = true;
		out->name = arena_copy(a, text, (size_t)(dot - text));
		out->ns = arena_copy(a, dot + 1, strcspn(dot + 1, "."));
	} else {
		out->ns = arena_dup(a, ns);
		out->name = arena_dup(a, text);
	}
	return host_is_label(out->ns) && host_is_label(out->name);
}

struct istio_server_host istio_server_host(struct arena *a, const char *text, const char *ns)
{
	const char *slash = strchr(text, '/');
	struct istio_server_host h = {0};
	char *host = arena_dup(a, slash ? slash + 1 : text);

	for (char *p = host; *p; p++)
		*p = (char)tolower((unsigned char)*p);
	h.host = host;
	if (!slash || (slash == text + 1 && text[0] == '*'))
		return h;
	h.ns = slash == text + 1 && text[0] == '.' ? arena_dup(a, ns)
	                                           : arena_copy(a, text, (size_t)(slash - text));
	return h;
}

const struct istio_pair *istio_pair_find(const struct istio_pairs *pairs, const char *key)
{
	for (uint32_t i = 0; i < pairs->n; i++)
		if (strcmp(pairs->v[i].key.s, key) == 0)
			return &pairs->v[i];
	return NULL;
}

const char *istio_pair_get(const struct istio_pairs *pairs, const char *key)
{
	const struct istio_pair *pair = istio_pair_find(pairs, key);

	return pair ? pair->value.s : NULL;
}

bool istio_labels_match(const struct istio_pairs *want, const struct istio_pairs *have)
{
	for (uint32_t i = 0; i < want->n; i++) {
		const char *value = istio_pair_get(have, want->v[i].key.s);

		if (!value || strcmp(value, want->v[i].value.s) != 0)
			return false;
	}
	return true;
}
