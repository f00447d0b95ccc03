/* SPDX-License-Identifier: BSD-3-Clause */
#include "log.h"

#include <stdarg.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

static enum log_level threshold = LOG_LEVEL_INFO; /* of the process: there is one standard error */

static const char *const level_names[] = {"error", "warning", "info", "debug"};

void log_set_level(enum log_level level)
{
	threshold = level;
}

bool log_admit(struct log_site *site, uint64_t second)
{
	if (site->second != second) {
		site->second = second;
		site->lines = 0;
	}
	if (site->lines < LOG_BURST) {
		site->lines++;
		return true;
	}
	site->suppressed++;
	return false;
}

char *log_time(int64_t seconds, uint32_t millis, char *out)
{
	time_t t = (time_t)seconds;
	struct tm tm;
	size_t n;

	gmtime_r(&t, &tm);
	n = strftime(out, 24, "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(out + n, 32 - n, ".%03uZ", millis % 1000);
	return out;
}

char *log_now(char *out)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return log_time(now.tv_sec, (uint32_t)(now.tv_nsec / 1000000), out);
}

/* Append src to line with control characters escaped; returns the new length, at most cap. */
static size_t append_clean(char *line, size_t len, size_t cap, const char *src)
{
	for (; *src && len + 5 < cap; src++) {
		unsigned char c = (unsigned char)*src;

		if (c >= 0x20 && c != 0x7f)
			line[len++] = *src;
		else
			len += (size_t)snprintf(line + len, cap - len, "\\x%02x", c);
	}
	return len;
}

void log_write(struct log_site *site, enum log_level level, const char *event, const char *fmt, ...)
{
	char text[LOG_LINE_MAX], line[LOG_LINE_MAX + 128], when[32];
	struct timespec now;
	va_list args;
	size_t len;
	int n;

	clock_gettime(CLOCK_MONOTONIC, &now);
	if (level > threshold || !log_admit(site, (uint64_t)now.tv_sec))
		return;
	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	n = snprintf(line, sizeof(line), "%s %s %s ", log_now(when), level_names[level], event);
	len = append_clean(line, (size_t)n, sizeof(line) - 32, text);
	if (site->suppressed) {
		len += (size_t)snprintf(line + len, 32, " suppressed=%u", site->suppressed);
		site->suppressed = 0;
	}
	line[len++] = '\n';
	if (write(STDERR_FILENO, line, len) < 0)
		return; /* nowhere left to say so */
}
