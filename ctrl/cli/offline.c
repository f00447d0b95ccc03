/* SPDX-License-Identifier: BSD-3-Clause */
/* validate, and what route -f shares with it. */
#include "offline.h"

#include "build.h"
#include "documents.h"

#include <stdio.h>

#define SLOTS \
	(1u   \
	 << 20) /* more than any node has: what does not fit there is no error of the documents */

static void read_document(const struct session *s, const json_t *document, struct docset *set,
                          struct diag_list *diags)
{
	const json_t *text = json_object_get(document, "text");

	docset_read_text(set, session_str(document, "name"), json_string_value(text),
	                 json_string_length(text), args_value(&s->args, OPTION_NAMESPACE), diags);
}

enum exit_code offline_read(const struct session *s, struct docset *set, struct diag_list *diags)
{
	json_t *documents, *document;
	enum exit_code code = documents_read(s, &documents);
	size_t i;

	if (code)
		return code;
	json_array_foreach(documents, i, document) read_document(s, document, set, diags);
	json_decref(documents);
	return WEIRCTL_OK;
}

json_t *offline_diagnostics(const struct diag_list *diags)
{
	json_t *all = json_array();

	for (uint32_t i = 0; i < diags->n; i++) {
		const struct diag *d = &diags->items[i];

		json_array_append_new(
			all, json_pack("{s:s, s:s?, s:i, s:i, s:s?, s:s?, s:s}", "severity",
		                       d->severity == DIAG_ERROR ? "error" : "warning", "file",
		                       d->file, "line", (int)d->line, "column", (int)d->col,
		                       "object", d->object, "field", d->path, "message", d->text));
	}
	return all;
}

/* ---- validate ----------------------------------------------------------------------------- */

/*
 * Build what the daemon would build from a set that is good object by object: destinations, subsets
 * and gateways that are nowhere, rules that are never reached, patterns that cannot be compiled.
 */
static void check_together(const struct docset *set, struct diag_list *diags)
{
	static const uint32_t capacity[REGISTRY_SPACES] = {SLOTS, SLOTS, SLOTS, SLOTS};
	struct registry *registry = registry_new(capacity);
	struct hsdb *hsdb = hsdb_new(NULL);
	/* What a node without a "listeners" in its weir.yaml has while there is no Gateway. */
	static const struct build_listener listener = {.port = 80};
	const struct build_options options = {.n_listeners = 1, .listeners = &listener};

	build_free(build_snapshot(set, &options, hsdb, registry, 1, diags));
	hsdb_free(hsdb);
	registry_free(registry);
}

static json_t *object_names(const struct docset *set)
{
	json_t *all = json_array();

	for (uint32_t i = 0; i < docset_count(set); i++) {
		const struct istio_object *o = docset_at(set, i);

		json_array_append_new(all,
		                      json_pack("{s:s, s:s, s:s}", "kind", istio_kind_name(o->kind),
		                                "namespace", o->ns.s, "name", o->name.s));
	}
	return all;
}

static const char *plural(uint32_t n)
{
	return n == 1 ? "" : "s";
}

static enum exit_code print_verdict(const struct session *s, const struct docset *set,
                                    const struct diag_list *diags)
{
	json_t *diagnostics = offline_diagnostics(diags);
	enum exit_code code = WEIRCTL_OK;
	uint32_t n = docset_count(set);

	if (s->format == FORMAT_JSON) {
		code = session_print_json(json_pack("{s:b, s:o, s:O}", "valid",
		                                    diags->n_errors == 0, "objects",
		                                    object_names(set), "diagnostics", diagnostics));
	} else {
		session_print_diagnostics(diagnostics, stdout);
		printf("%u object%s, %u error%s, %u warning%s\n", n, plural(n), diags->n_errors,
		       plural(diags->n_errors), diags->n_warnings, plural(diags->n_warnings));
	}
	json_decref(diagnostics);
	return code || diags->n_errors == 0 ? code : WEIRCTL_NO;
}

enum exit_code run_validate(struct session *s)
{
	struct docset *set = docset_new();
	struct diag_list diags = {0};
	enum exit_code code = offline_read(s, set, &diags);

	if (code == WEIRCTL_OK && diags.n_errors == 0)
		check_together(set, &diags);
	if (code == WEIRCTL_OK)
		code = print_verdict(s, set, &diags);
	diag_fini(&diags);
	docset_free(set);
	return code;
}
