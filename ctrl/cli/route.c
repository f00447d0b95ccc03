/* SPDX-License-Identifier: BSD-3-Clause */
/* route: the daemon explains what it routes by, or weirctl does with the documents of -f. */
#include "explain.h"
#include "offline.h"
#include "terminal.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define HEADERS_MAX 128 /* as many as the daemon takes */

struct question {
	char *url;          /* owned */
	const char *method; /* NULL: a connection */
	const char *alpn;   /* or NULL */
	const char *headers[HEADERS_MAX];
	uint32_t n_headers;
};

static bool is_connection(const char *url)
{
	static const char *const schemes[] = {"tcp://", "udp://", "tls://"};

	for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++)
		if (strncasecmp(url, schemes[i], strlen(schemes[i])) == 0)
			return true;
	return false;
}

/* "httpbin/status" is as good as "http://httpbin/status". */
static enum exit_code read_question(const struct session *s, struct question *q)
{
	const char *url = s->args.words[s->args.n_words - 1], *header;
	size_t at = 0;

	*q = (struct question){.alpn = args_value(&s->args, OPTION_ALPN)};
	if (s->args.n_words == 2)
		q->method = s->args.words[0];
	else if (!is_connection(url))
		return session_misused("route needs METHOD URL for a request, or tcp://, udp:// or "
		                       "tls:// for a connection; see \"weirctl help route\"");
	while ((header = args_next(&s->args, OPTION_HEADER, &at))) {
		if (q->n_headers == HEADERS_MAX)
			return session_misused("more than %d headers", HEADERS_MAX);
		q->headers[q->n_headers++] = header;
	}
	if (asprintf(&q->url, "%s%s", strstr(url, "://") ? "" : "http://", url) < 0) {
		q->url = NULL;
		return session_no_memory();
	}
	return WEIRCTL_OK;
}

static enum exit_code ask_daemon(struct session *s, const struct question *q, json_t **explanation)
{
	json_t *headers = json_array(), *params, *result;
	enum exit_code code;

	for (uint32_t i = 0; i < q->n_headers; i++)
		json_array_append_new(headers, json_string(q->headers[i]));
	params = json_pack("{s:s*, s:s, s:o, s:s*}", "method", q->method, "url", q->url, "headers",
	                   headers, "alpn", q->alpn);
	if (!params || json_array_size(headers) != q->n_headers) {
		json_decref(params);
		return session_misused("method, URL and headers have to be UTF-8 text");
	}
	code = session_call(s, "route", params, &result);
	if (code)
		return code;
	*explanation = json_incref(json_object_get(result, "explanation"));
	json_decref(result);
	if (*explanation)
		return WEIRCTL_OK;
	session_complain("the daemon explains nothing");
	return WEIRCTL_FAILED;
}

static enum exit_code ask_documents(const struct session *s, const struct question *q,
                                    json_t **explanation)
{
	const struct explain_request request = {q->method, q->url, q->headers, q->n_headers,
	                                        q->alpn};
	const struct build_options options = {
		0}; /* without a Gateway: a listener where the URL goes */
	struct docset *set = docset_new();
	struct diag_list diags = {0};
	enum exit_code code = offline_read(s, set, &diags);
	char err[256];

	if (code == WEIRCTL_OK && diags.n_errors) {
		json_t *diagnostics = offline_diagnostics(&diags);

		session_print_diagnostics(diagnostics, stderr);
		json_decref(diagnostics);
		code = WEIRCTL_USAGE;
	}
	if (code == WEIRCTL_OK) {
		*explanation = explain_route(set, &options, &request, err, sizeof(err));
		if (!*explanation)
			code = session_misused("%s", err);
	}
	diag_fini(&diags);
	docset_free(set);
	return code;
}

/* Does a rule answer? Prints the explanation; consumes it. */
static enum exit_code print_explanation(const struct session *s, json_t *explanation)
{
	bool chosen = json_is_object(json_object_get(explanation, "chosen"));
	enum exit_code code = WEIRCTL_OK;
	char *text;

	if (s->format == FORMAT_JSON) {
		code = session_print_json(explanation);
	} else {
		text = explain_text(explanation);
		terminal_write(stdout, text);
		free(text);
		json_decref(explanation);
	}
	return code || chosen ? code : WEIRCTL_NO;
}

enum exit_code run_route(struct session *s)
{
	struct question q;
	json_t *explanation = NULL;
	enum exit_code code = read_question(s, &q);

	if (code == WEIRCTL_OK)
		code = args_has(&s->args, OPTION_FILE) ? ask_documents(s, &q, &explanation)
		                                       : ask_daemon(s, &q, &explanation);
	free(q.url);
	return code ? code : print_explanation(s, explanation);
}
