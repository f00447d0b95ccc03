/* SPDX-License-Identifier: BSD-3-Clause */
#include "istio_table.h"

#include "weir/str.h"

#include <string.h>

#define NONE        NULL, NULL
#define OF(id)      &id##_message, NULL
#define OF_ENUM(id) NULL, id##_values

#define ENUM(id, ...) static const char *const id##_values[] = {__VA_ARGS__, NULL};
#define BUILT(id, member, type, of, help) \
	{#member, ISTIO_BUILT, ISTIO_##type, offsetof(struct istio_##id, member), of, help, NULL},
#define LATER(member, type, of, help) {#member, ISTIO_LATER, ISTIO_##type, 0, of, help, NULL},
#define IGNORED(member, type, of, help, why) \
	{#member, ISTIO_IGNORED, ISTIO_##type, 0, of, help, why},
#define REFUSED(member, type, of, help, because) \
	{#member, ISTIO_REFUSED, ISTIO_##type, 0, of, help, because},

/* clang-format off */
#define MESSAGE(id, title) \
	enum { id##_unique }; /* a message stands once */ \
	static const char id##_title[] = title; \
	static const struct istio_field id##_fields[] = {
#define END_OF(id, size) \
	}; \
	_Static_assert(sizeof(id##_fields) / sizeof(id##_fields[0]) <= 64, "a bit per field"); \
	static const struct istio_message id##_message = { \
		id##_title, size, id##_fields, sizeof(id##_fields) / sizeof(id##_fields[0])};
#define END(id)       END_OF(id, 0)
#define END_BUILT(id) END_OF(id, sizeof(struct istio_##id))
/* clang-format on */

#include "istio_fields.def"

const struct istio_message *const istio_specs[ISTIO_KIND_COUNT] = {
	[ISTIO_GATEWAY] = &gateway_message,
	[ISTIO_VIRTUAL_SERVICE] = &virtual_service_message,
	[ISTIO_DESTINATION_RULE] = &destination_rule_message,
	[ISTIO_SERVICE_ENTRY] = &service_entry_message,
	[ISTIO_WORKLOAD_ENTRY] = &workload_entry_message,
};

const struct istio_message *const istio_later_specs[] = {&workload_group_message, NULL};

const char *istio_table_camel(const struct istio_field *f, char out[ISTIO_FIELD_NAME_MAX])
{
	bool after_line = false;
	size_t n = 0;

	for (const char *p = f->name; *p && n + 1 < ISTIO_FIELD_NAME_MAX; p++) {
		if (*p != '_')
			out[n++] =
				after_line && *p >= 'a' && *p <= 'z' ? (char)(*p - 'a' + 'A') : *p;
		after_line = *p == '_';
	}
	out[n] = '\0';
	return out;
}

const struct istio_field *istio_table_find(const struct istio_message *m, const char *name)
{
	char camel[ISTIO_FIELD_NAME_MAX];

	for (size_t i = 0; i < m->n_fields; i++) {
		const struct istio_field *f = &m->fields[i];

		if (strcmp(f->name, name) == 0 || strcmp(istio_table_camel(f, camel), name) == 0)
			return f;
	}
	return NULL;
}

/* Levenshtein distance, ignoring letter case; both shorter than ISTIO_FIELD_NAME_MAX. */
static size_t distance(const char *a, const char *b)
{
	size_t row[ISTIO_FIELD_NAME_MAX + 1], la = strlen(a), lb = strlen(b);

	for (size_t j = 0; j <= lb; j++)
		row[j] = j;
	for (size_t i = 1; i <= la; i++) {
		size_t diagonal = row[0];

		row[0] = i;
		for (size_t j = 1; j <= lb; j++) {
			bool same = str_lower(a[i - 1]) == str_lower(b[j - 1]);
			size_t best = diagonal + !same;

			diagonal = row[j];
			if (best > row[j] + 1)
				best = row[j] + 1;
			if (best > row[j - 1] + 1)
				best = row[j - 1] + 1;
			row[j] = best;
		}
	}
	return row[lb];
}

const char *istio_table_similar(const char *wrong, const char *const *names)
{
	const char *best = NULL;
	size_t len = strlen(wrong), least = len / 3 + 1; /* a third of the letters may differ */

	if (len >= ISTIO_FIELD_NAME_MAX)
		return NULL;
	for (; *names; names++) {
		size_t d = distance(wrong, *names);

		if (d <= least && (!best || d < least)) {
			best = *names;
			least = d;
		}
	}
	return best;
}
