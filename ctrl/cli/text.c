/* SPDX-License-Identifier: BSD-3-Clause */
#include "text.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#define MINUTE 60LL
#define HOUR   3600LL
#define DAY    86400LL

const char *text_duration(struct text *t, int64_t seconds)
{
	long long s = seconds < 0 ? 0 : seconds;

	if (s < 2 * MINUTE)
		snprintf(t->s, TEXT_BYTES, "%llds", s);
	else if (s < 3 * HOUR)
		snprintf(t->s, TEXT_BYTES, "%lldm", s / MINUTE);
	else if (s < 2 * DAY)
		snprintf(t->s, TEXT_BYTES, "%lldh", s / HOUR);
	else
		snprintf(t->s, TEXT_BYTES, "%lldd", s / DAY);
	return t->s;
}

const char *text_age(struct text *t, const char *rfc3339, int64_t now)
{
	struct tm tm = {0};

	if (!strptime(rfc3339, "%Y-%m-%dT%H:%M:%S", &tm))
		return "<unknown>";
	return text_duration(t, now - timegm(&tm));
}

const char *text_latency(struct text *t, const json_t *us)
{
	double v = json_number_value(us);

	if (!json_is_number(us))
		return "-";
	if (v < 1)
		return "<1us"; /* also what two clocks of two cores disagree by */
	if (v < 1e3)
		snprintf(t->s, TEXT_BYTES, "%.0fus", v);
	else if (v < 1e6)
		snprintf(t->s, TEXT_BYTES, "%.*fms", v < 1e5, v / 1e3);
	else
		snprintf(t->s, TEXT_BYTES, "%.2fs", v / 1e6);
	return t->s;
}

const char *text_share(struct text *t, const json_t *share)
{
	if (!json_is_number(share))
		return "-";
	snprintf(t->s, TEXT_BYTES, "%.2f%%", json_number_value(share) * 100);
	return t->s;
}

const char *text_bytes(struct text *t, uint64_t bytes)
{
	static const char *const units[] = {"B", "kB", "MB", "GB", "TB", "PB", "EB"};
	double v = (double)bytes;
	size_t unit = 0;

	while (v >= 999.5) {
		v /= 1000;
		unit++;
	}
	snprintf(t->s, TEXT_BYTES, "%.*f %s", unit && v < 99.95, v, units[unit]);
	return t->s;
}
