/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One run of weirctl: its arguments, its connection, and what every command needs of both.
 *
 * A command is a function run_NAME(session) that prints its result on standard output, what went
 * wrong on standard error, and returns how weirctl ends.
 */
#ifndef WEIR_CLI_SESSION_H
#define WEIR_CLI_SESSION_H

#include "args.h"
#include "client.h"
#include "command.h"

#include <jansson.h>

#define SESSION_SOCKET     "/run/weir/control.sock"
#define SESSION_TIMEOUT_MS 30000

enum format {
	FORMAT_TEXT,
	FORMAT_WIDE,
	FORMAT_NAME,
	FORMAT_YAML,
	FORMAT_JSON,
	FORMAT_COUNT,
};

struct session {
	struct args args;
	enum format format;
	long timeout_ms;
	const char *socket;
	struct client client;
};

#define COMMAND(name, group, words, options, summary, text, examples) \
	enum exit_code run_##name(struct session *s);
#include "commands.def"

/**
 * Run one command line.
 *
 * @return  the exit code of the program
 */
int session_main(int argc, char *const argv[]);

/**
 * Call the daemon; connects at the first call. Says on standard error what failed, or prints the
 * error as JSON when -o json was given.
 *
 * @param params  consumed; NULL (out of memory) is an error
 * @param result  receives the "result" object, caller's; untouched after a failure
 * @return        WEIRCTL_OK, or how weirctl is to end
 */
enum exit_code session_call(struct session *s, const char *method, json_t *params, json_t **result);

/** Connect now; WEIRCTL_OK, or the exit code after an explanation unless quiet is set. */
enum exit_code session_connect(struct session *s);

/** Print a sentence as weirctl's: "weirctl: ..." on standard error. */
__attribute__((format(printf, 1, 2))) void session_complain(const char *format, ...);

/** Say that the command line is wrong; WEIRCTL_USAGE. */
__attribute__((format(printf, 1, 2))) enum exit_code session_misused(const char *format, ...);

/** Say that memory ran out; WEIRCTL_FAILED. */
enum exit_code session_no_memory(void);

/** Print a value as JSON, indented, and give it back; consumes value. WEIRCTL_OK or a failure. */
enum exit_code session_print_json(json_t *value);

/** Print diagnostics (control.md) one a line: "file:line:column: error: message". */
void session_print_diagnostics(const json_t *diagnostics, FILE *stream);

/** A string member; "" when it is missing or no string. */
const char *session_str(const json_t *object, const char *key);
/** A member that is a number, without its fraction; 0 when it is missing, no number or out of range. */
json_int_t session_int(const json_t *object, const char *key);

#endif
