/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Log lines of the control plane: standard error, one line an event, key=value, ISO time.
 *
 *   2026-01-31T12:00:00.123Z info published generation=8 effect_us=41
 *
 * Each call site may write LOG_BURST lines a second; what is over that is counted and told with the
 * next line of the same site (suppressed=N). Control thread only; nothing on the packet path logs.
 */
#ifndef WEIR_LOG_H
#define WEIR_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LOG_BURST    20   /* lines a second and call site */
#define LOG_LINE_MAX 2048 /* bytes; longer lines are cut */

enum log_level {
	LOG_LEVEL_ERROR,
	LOG_LEVEL_WARNING,
	LOG_LEVEL_INFO,
	LOG_LEVEL_DEBUG,
};

/* What a call site wrote in the present second. */
struct log_site {
	uint64_t second;
	uint32_t lines;
	uint32_t suppressed;
};

/** Lines above this level are not written. Starts at LOG_LEVEL_INFO. */
void log_set_level(enum log_level level);

/**
 * Write one line. Use the macros below, which give each call site its own limit.
 *
 * @param event  what happened, no spaces
 * @param fmt    printf format of "key=value key=\"value with spaces\""; may be ""
 *
 * Control characters in the line are written as \xNN, so input cannot forge a line.
 */
void log_write(struct log_site *site, enum log_level level, const char *event, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

/** May this site write now? Counts the line. Pure but for *site; for tests. */
bool log_admit(struct log_site *site, uint64_t second);

/** Write t (a CLOCK_REALTIME second and its milliseconds) as 2026-01-31T12:00:00.123Z; out >= 32 bytes. */
char *log_time(int64_t seconds, uint32_t millis, char *out);

/** The present moment as log_time() writes it. */
char *log_now(char *out);

#define LOG_AT(level, ...)                                     \
	do {                                                   \
		static struct log_site log_site_here;          \
		log_write(&log_site_here, level, __VA_ARGS__); \
	} while (0)
#define log_error(...)   LOG_AT(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warning(...) LOG_AT(LOG_LEVEL_WARNING, __VA_ARGS__)
#define log_info(...)    LOG_AT(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...)   LOG_AT(LOG_LEVEL_DEBUG, __VA_ARGS__)

#endif
