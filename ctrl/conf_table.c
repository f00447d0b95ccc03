/* SPDX-License-Identifier: BSD-3-Clause */
#include "conf_table.h"

#include "conf.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define MEMBER_SIZE(st, member) sizeof(((struct st *)0)->member)

const struct conf_key conf_keys[] = {
#define LIST(path, st, member, count, word, help) \
	{path,                                    \
	 CONF_LIST,                               \
	 offsetof(struct st, member),             \
	 MEMBER_SIZE(st, member),                 \
	 0,                                       \
	 0,                                       \
	 word,                                    \
	 NULL,                                    \
	 help,                                    \
	 offsetof(struct st, count),              \
	 sizeof(((struct st *)0)->member[0])},
#define ELEM(path, type, ctype, min, max, unit, help) \
	{path, CONF_##type, 0, sizeof(ctype), min, max, NULL, unit, help, 0, 0},
#define KEY(path, type, st, member, min, max, def, unit, help) \
	{path,                                                 \
	 CONF_##type,                                          \
	 offsetof(struct st, member),                          \
	 MEMBER_SIZE(st, member),                              \
	 min,                                                  \
	 max,                                                  \
	 def,                                                  \
	 unit,                                                 \
	 help,                                                 \
	 0,                                                    \
	 0},
#include "conf.def"
};
const size_t conf_n_keys = sizeof(conf_keys) / sizeof(conf_keys[0]);

/* A number of bytes in the largest unit that divides it. */
static void format_bytes(uint64_t v, char *out, size_t size)
{
	static const char *const units[] = {"", "Ki", "Mi", "Gi"};
	unsigned u = 0;

	for (; v != 0 && v % 1024 == 0 && u < 3; u++)
		v /= 1024;
	snprintf(out, size, "%" PRIu64 "%s", v, units[u]);
}

static void format_time(uint64_t us, char *out, size_t size)
{
	static const struct {
		const char *name;
		uint64_t us;
	} units[] = {{"h", 3600000000}, {"m", 60000000}, {"s", 1000000}, {"ms", 1000}, {"us", 1}};
	unsigned u = 0;

	while (us % units[u].us != 0)
		u++;
	snprintf(out, size, "%" PRIu64 "%s", us / units[u].us, us == 0 ? "s" : units[u].name);
}

const char *conf_expect(const struct conf_key *key, char *out, size_t size)
{
	const char *unit = key->unit ? key->unit : "";
	char min[32], max[32];

	switch (key->type) {
	case CONF_LIST:
		snprintf(out, size, "%s%sa list of up to %u", key->def ? key->def : "",
		         key->def ? " or " : "", key->size / key->stride);
		break;
	case CONF_BOOL: snprintf(out, size, "true or false"); break;
	case CONF_NUMBER:
		snprintf(out, size, "%" PRIu64 " to %" PRIu64 "%s%s", key->min, key->max,
		         *unit ? " " : "", unit);
		break;
	case CONF_BYTES:
	case CONF_BYTES_OR_OFF:
		format_bytes(key->min, min, sizeof(min));
		format_bytes(key->max, max, sizeof(max));
		snprintf(out, size, "%s to %s bytes%s", min, max,
		         key->type == CONF_BYTES ? "" : ", or off");
		break;
	case CONF_TIME:
		format_time(key->min, min, sizeof(min));
		format_time(key->max, max, sizeof(max));
		snprintf(out, size, "a time from %s to %s", min, max);
		break;
	case CONF_MODE:
		snprintf(out, size, "octal permissions from %04o to %04o", (unsigned)key->min,
		         (unsigned)key->max);
		break;
	case CONF_LEVEL: snprintf(out, size, "error, warning, info or debug"); break;
	case CONF_OFFLOAD: snprintf(out, size, "none, mark, steer, rewrite or splice"); break;
	case CONF_TEXT:
		snprintf(out, size, "text of %" PRIu64 " to %" PRIu64 " bytes", key->min, key->max);
		break;
	case CONF_ADDRESS: snprintf(out, size, "an IPv4 or IPv6 address"); break;
	case CONF_BIND: snprintf(out, size, "an IPv4 or IPv6 address, or *"); break;
	case CONF_PREFIX: snprintf(out, size, "address/length, such as 192.0.2.10/24"); break;
	}
	return out;
}
