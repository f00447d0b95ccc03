/* SPDX-License-Identifier: BSD-3-Clause */
#include "session.h"

#include "help.h"
#include "terminal.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define ANSWER_MARGIN_MS 2000 /* a wait that ends in the daemon is told by it, not cut off here */

static void complain_list(const char *format, va_list list)
{
	char *text;

	if (vasprintf(&text, format, list) < 0)
		return;
	fputs("weirctl: ", stderr);
	terminal_write(stderr, text);
	fputc('\n', stderr);
	free(text);
}

void session_complain(const char *format, ...)
{
	va_list list;

	va_start(list, format);
	complain_list(format, list);
	va_end(list);
}

enum exit_code session_misused(const char *format, ...)
{
	va_list list;

	va_start(list, format);
	complain_list(format, list);
	va_end(list);
	return WEIRCTL_USAGE;
}

enum exit_code session_no_memory(void)
{
	session_complain("out of memory");
	return WEIRCTL_FAILED;
}

const char *session_str(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text ? text : "";
}

json_int_t session_int(const json_t *object, const char *key)
{
	const json_t *value = json_object_get(object, key);

	if (json_is_real(value) && json_real_value(value) >= 0 && json_real_value(value) < 1e18)
		return (json_int_t)json_real_value(value);
	return json_integer_value(value);
}

enum exit_code session_print_json(json_t *value)
{
	int rc = value ? json_dumpf(value, stdout, JSON_INDENT(2)) : -1;

	json_decref(value);
	if (rc)
		return session_no_memory();
	fputc('\n', stdout);
	return WEIRCTL_OK;
}

void session_print_diagnostics(const json_t *diagnostics, FILE *stream)
{
	const json_t *d;
	size_t i;

	json_array_foreach(diagnostics, i, d)
	{
		const char *severity = session_str(d, "severity"), *file = session_str(d, "file");
		json_int_t line = session_int(d, "line"), column = session_int(d, "column");

		terminal_write(stream, *file ? file : session_str(d, "object"));
		if (*file && line)
			fprintf(stream, ":%lld", (long long)line);
		if (*file && line && column)
			fprintf(stream, ":%lld", (long long)column);
		fprintf(stream, "%s%s", *file || *session_str(d, "object") ? ": " : "",
		        terminal_colour(stream,
		                        strcmp(severity, "error") ? COLOUR_YELLOW : COLOUR_RED));
		terminal_write(stream, *severity ? severity : "error");
		fprintf(stream, "%s: ", terminal_colour(stream, COLOUR_NONE));
		terminal_write(stream, session_str(d, "message"));
		fputc('\n', stream);
	}
}

/* Who may use the socket, and what this user can do about it. */
static void explain_denied(const char *path)
{
	struct stat st;
	struct passwd *owner;
	struct group *group;

	if (stat(path, &st) != 0) {
		session_complain(
			"permission denied: %s\n"
			"This user may not even look into the socket's directory; run weirctl "
			"as root or join the group that owns it.",
			path);
		return;
	}
	owner = getpwuid(st.st_uid);
	group = getgrgid(st.st_gid);
	session_complain("permission denied: %s belongs to %s:%s, mode %04o", path,
	                 owner ? owner->pw_name : "?", group ? group->gr_name : "?",
	                 (unsigned)(st.st_mode & 07777));
	if (group && st.st_gid != 0 && st.st_mode & S_IWGRP)
		fprintf(stderr,
		        "Run weirctl as root, or join the group (sudo usermod -aG %s $USER) and "
		        "log in again.\n",
		        group->gr_name);
	else
		fputs("Run weirctl as root, or let a group in: control.group and control.mode in "
		      "weir.yaml.\n",
		      stderr);
}

static enum exit_code explain_connect(const struct session *s, int error)
{
	switch (error) {
	case ENOENT:
	case ECONNREFUSED:
		session_complain("no daemon at %s: %s\n"
		                 "Start it with \"systemctl start weir\" or \"weir -c "
		                 "/etc/weir/weir.yaml\"; if it listens elsewhere, say where "
		                 "with --socket PATH or WEIR_SOCKET.",
		                 s->socket,
		                 error == ENOENT ? "there is no such socket"
		                                 : "the socket is there, but nobody listens");
		break;
	case EACCES:
	case EPERM: explain_denied(s->socket); break;
	case ENAMETOOLONG:
		session_complain("the socket's path is too long (107 bytes at most): %s",
		                 s->socket);
		return WEIRCTL_USAGE;
	case ETIMEDOUT:
		session_complain("the daemon at %s is too busy to accept the connection",
		                 s->socket);
		return WEIRCTL_TIMEOUT;
	default: session_complain("cannot connect to %s: %s", s->socket, strerror(error));
	}
	return WEIRCTL_DAEMON;
}

enum exit_code session_connect(struct session *s)
{
	int rc;

	if (s->client.fd >= 0)
		return WEIRCTL_OK;
	rc = client_open(&s->client, s->socket, s->timeout_ms);
	return rc ? explain_connect(s, -rc) : WEIRCTL_OK;
}

static enum exit_code explain_call(const struct session *s, const char *method, int error)
{
	switch (error) {
	case ETIMEDOUT:
		session_complain("the daemon at %s did not answer \"%s\" in time (--timeout)",
		                 s->socket, method);
		return WEIRCTL_TIMEOUT;
	case EPROTO:
		session_complain(
			"the answer from %s makes no sense; is it weir that listens there?",
			s->socket);
		break;
	case EMSGSIZE: session_complain("the answer from %s does not end", s->socket); break;
	case EINTR: break; /* the user ended it */
	case ECONNRESET:
		session_complain("the daemon at %s closed the connection before it answered \"%s\"",
		                 s->socket, method);
		break;
	default: session_complain("%s: %s", s->socket, strerror(error));
	}
	return WEIRCTL_FAILED;
}

static enum exit_code code_of(json_int_t error)
{
	static const struct {
		json_int_t error;
		enum exit_code code;
	} rows[] = {
		{-32602, WEIRCTL_USAGE},                            /* InvalidParams */
		{-32001, WEIRCTL_NO},                               /* Invalid */
		{-32002, WEIRCTL_NO},                               /* NotFound */
		{-32003, WEIRCTL_NO},                               /* Conflict */
		{-32004, WEIRCTL_TIMEOUT}, {-32007, WEIRCTL_USAGE}, /* TooLarge */
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (rows[i].error == error)
			return rows[i].code;
	return WEIRCTL_FAILED;
}

static bool has_error(const json_t *diagnostics)
{
	const json_t *d;
	size_t i;

	json_array_foreach(diagnostics, i, d)
	{
		if (strcmp(session_str(d, "severity"), "error") == 0)
			return true;
	}
	return false;
}

/* The daemon said no: print its reasons. Errors of documents are the whole message. */
static enum exit_code explain_error(const struct session *s, const json_t *error)
{
	const json_t *diagnostics = json_object_get(json_object_get(error, "data"), "diagnostics");
	const char *message = session_str(error, "message");

	if (s->format == FORMAT_JSON) {
		session_print_json(json_pack("{s:O}", "error", error));
	} else {
		session_print_diagnostics(diagnostics, stderr);
		if (!has_error(diagnostics))
			session_complain("%s", *message ? message : "the daemon gives no reason");
	}
	return code_of(session_int(error, "code"));
}

enum exit_code session_call(struct session *s, const char *method, json_t *params, json_t **result)
{
	enum exit_code code;
	json_t *answer, *error;
	int rc;

	if (!params)
		return session_no_memory();
	code = session_connect(s);
	if (code) {
		json_decref(params);
		return code;
	}
	rc = client_call(&s->client, method, params, s->timeout_ms + ANSWER_MARGIN_MS, &answer);
	json_decref(params);
	if (rc) {
		client_close(&s->client);
		return explain_call(s, method, -rc);
	}
	error = json_object_get(answer, "error");
	if (error)
		code = explain_error(s, error);
	else
		*result = json_incref(json_object_get(answer, "result"));
	json_decref(answer);
	return code;
}

static enum exit_code read_format(struct session *s)
{
	static const char *const names[FORMAT_COUNT] = {
		[FORMAT_TEXT] = "text", [FORMAT_WIDE] = "wide", [FORMAT_NAME] = "name",
		[FORMAT_YAML] = "yaml", [FORMAT_JSON] = "json",
	};
	const char *format = args_value(&s->args, OPTION_OUTPUT);
	const struct command *command = s->args.command;
	uint32_t known = 1u << FORMAT_TEXT | 1u << FORMAT_JSON;

	if (command && command->run == run_get)
		known |= 1u << FORMAT_WIDE | 1u << FORMAT_NAME | 1u << FORMAT_YAML;
	if (command && command->run == run_stats)
		known |= 1u << FORMAT_NAME;
	for (s->format = 0; format && s->format < FORMAT_COUNT; s->format++)
		if (strcmp(names[s->format], format) == 0)
			break;
	if (s->format < FORMAT_COUNT && known >> s->format & 1)
		return WEIRCTL_OK;
	return session_misused("no format \"%.64s\" here; give text%s%s%s or json", format,
	                       known >> FORMAT_WIDE & 1 ? ", wide" : "",
	                       known >> FORMAT_NAME & 1 ? ", name" : "",
	                       known >> FORMAT_YAML & 1 ? ", yaml" : "");
}

static enum exit_code read_common(struct session *s)
{
	const char *timeout = args_value(&s->args, OPTION_TIMEOUT);
	const char *socket = args_value(&s->args, OPTION_SOCKET);

	if (!socket)
		socket = getenv("WEIR_SOCKET");
	s->socket = socket && *socket ? socket : SESSION_SOCKET;
	s->timeout_ms = timeout ? args_time_ms(timeout) : SESSION_TIMEOUT_MS;
	if (s->timeout_ms <= 0)
		return session_misused(
			"\"%.64s\" is no time; give seconds, or a number and ms, s, m "
			"or h, up to a day",
			timeout);
	return read_format(s);
}

static enum exit_code run(struct session *s)
{
	enum exit_code code = read_common(s);

	if (code)
		return code;
	if (args_has(&s->args, OPTION_HELP)) {
		help_print(s->args.command, stdout);
		return WEIRCTL_OK;
	}
	if (args_has(&s->args, OPTION_VERSION)) {
		puts("weirctl " WEIR_VERSION);
		return WEIRCTL_OK;
	}
	if (s->args.command)
		return s->args.command->run(s);
	help_print(NULL, stderr);
	return WEIRCTL_USAGE;
}

/* What was printed has to have arrived; a reader that left early wants no explanation. */
static enum exit_code finish_output(enum exit_code code)
{
	bool lost = ferror(stdout); /* in an earlier write, whose reason is gone */

	errno = 0;
	if (fflush(stdout) == 0 && !lost)
		return code;
	if (errno == 0)
		session_complain("not all of the output could be written");
	else if (errno != EPIPE)
		session_complain("cannot write: %s", strerror(errno));
	return code ? code : WEIRCTL_FAILED;
}

/*
 * Whoever started this with a standard stream closed must not find the daemon's socket or a document
 * in its place: what is printed would go into it. A place opened for the wrong direction gives EBADF.
 */
static void keep_standard_streams(void)
{
	for (int fd = 0; fd <= STDERR_FILENO; fd++)
		if (fcntl(fd, F_GETFD) < 0 &&
		    open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY) < 0)
			_exit(WEIRCTL_FAILED);
}

/* The first argument that JSON cannot carry, or 0. */
static int not_text(int argc, char *const argv[])
{
	for (int i = 1; i < argc; i++) {
		json_t *text = json_string(argv[i]);

		if (!text)
			return i;
		json_decref(text);
	}
	return 0;
}

int session_main(int argc, char *const argv[])
{
	struct session s = {.client = {.fd = -1}};
	enum exit_code code;
	char err[256];
	int bad;

	keep_standard_streams();
	bad = not_text(argc, argv);
	if (bad)
		code = session_misused("argument %d is not UTF-8 text: \"%.64s\"", bad, argv[bad]);
	else if (args_parse(&s.args, argc, argv, err, sizeof(err)) == 0)
		code = run(&s);
	else
		code = session_misused("%s", err);
	code = finish_output(code);
	client_close(&s.client);
	args_fini(&s.args);
	return code;
}
