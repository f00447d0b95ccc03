/* SPDX-License-Identifier: BSD-3-Clause */
/* apply, delete, reload, diff. */
#include "change.h"

#include "diff.h"
#include "documents.h"
#include "terminal.h"
#include "text.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

const char *change_object_name(const json_t *object, char name[CHANGE_NAME_BYTES])
{
	char *p;

	snprintf(name, CHANGE_NAME_BYTES, "%s.networking.istio.io/%s", session_str(object, "kind"),
	         session_str(object, "name"));
	for (p = name; *p && *p != '.'; p++)
		*p = (char)tolower((unsigned char)*p);
	return name;
}

static void print_change(const struct session *s, const json_t *result)
{
	const char *suffix = args_has(&s->args, OPTION_DRY_RUN) ? " (dry run)" : "";
	const json_t *object;
	size_t i;

	json_array_foreach(json_object_get(result, "objects"), i, object)
	{
		char name[CHANGE_NAME_BYTES];

		terminal_write(stdout, change_object_name(object, name));
		fputc(' ', stdout);
		terminal_write(stdout, session_str(object, "result"));
		puts(suffix);
	}
}

/* How long it took until every worker routed by the change. */
static void print_effect(const json_t *result)
{
	json_t *us = json_real((double)session_int(result, "effect_ns") / 1000);
	struct text t;

	if (json_is_true(json_object_get(result, "in_effect")))
		printf("generation %lld is in effect on every worker%s%s\n",
		       (long long)session_int(result, "generation"),
		       json_is_integer(json_object_get(result, "effect_ns")) ? ", after " : "",
		       json_is_integer(json_object_get(result, "effect_ns")) ? text_latency(&t, us)
		                                                             : "");
	json_decref(us);
}

enum exit_code change_run(struct session *s, const char *method, json_t *params)
{
	bool wait = args_has(&s->args, OPTION_WAIT), dry_run = args_has(&s->args, OPTION_DRY_RUN);
	enum exit_code code;
	json_t *result;

	json_object_set_new(params, "wait", json_boolean(wait));
	if (wait)
		json_object_set_new(params, "timeout_ms", json_integer(s->timeout_ms));
	if (dry_run)
		json_object_set_new(params, "dry_run", json_true());
	code = session_call(s, method, params, &result);
	if (code)
		return code;
	if (s->format == FORMAT_JSON)
		return session_print_json(result);
	session_print_diagnostics(json_object_get(result, "warnings"), stderr);
	print_change(s, result);
	if (wait && !dry_run)
		print_effect(result);
	json_decref(result);
	return WEIRCTL_OK;
}

enum exit_code run_apply(struct session *s)
{
	json_t *params;
	enum exit_code code = documents_params(s, &params);

	return code ? code : change_run(s, "apply", params);
}

enum exit_code run_reload(struct session *s)
{
	return change_run(s, "reload", json_object());
}

enum exit_code run_delete(struct session *s)
{
	bool files = args_has(&s->args, OPTION_FILE);
	enum exit_code code;
	json_t *params;

	if (files && s->args.n_words)
		return session_misused("delete takes -f FILE or KIND NAME, not both");
	if (!files && s->args.n_words != 2)
		return session_misused(
			"delete needs KIND NAME or -f FILE; see \"weirctl help delete\"");
	if (files) {
		code = documents_params(s, &params);
		return code ? code : change_run(s, "delete", params);
	}
	params = json_pack("{s:[{s:s, s:s}]}", "objects", "kind", s->args.words[0], "name",
	                   s->args.words[1]);
	if (!params)
		return session_misused("kind and name have to be UTF-8 text");
	documents_add_namespace(s, params);
	return change_run(s, "delete", params);
}

/* ---- diff --------------------------------------------------------------------------------- */

static int print_object_diff(const json_t *object)
{
	const char *before = session_str(object, "before"), *after = session_str(object, "after");
	char name[CHANGE_NAME_BYTES], path[CHANGE_NAME_BYTES * 2];

	snprintf(path, sizeof(path), "%s/%s", session_str(object, "namespace"),
	         change_object_name(object, name));
	return diff_print(path, before, after, stdout);
}

enum exit_code run_diff(struct session *s)
{
	json_t *params, *result, *object;
	bool differ = false;
	enum exit_code code = documents_params(s, &params);
	size_t i;

	if (code)
		return code;
	code = session_call(s, "diff", params, &result);
	if (code)
		return code == WEIRCTL_NO ? WEIRCTL_USAGE : code; /* 1 means "they differ" */
	json_array_foreach(json_object_get(result, "objects"), i, object)
	{
		int rc = 0;

		if (strcmp(session_str(object, "before"), session_str(object, "after")) == 0)
			continue;
		differ = true;
		if (s->format != FORMAT_JSON)
			rc = print_object_diff(object);
		if (rc)
			code = session_no_memory();
	}
	if (s->format == FORMAT_JSON)
		code = session_print_json(json_incref(result));
	json_decref(result);
	return code || !differ ? code : WEIRCTL_NO;
}
