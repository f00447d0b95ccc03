/* SPDX-License-Identifier: BSD-3-Clause */
/* Every document of docs/examples is valid without a warning, and says the same after a round trip. */
#include "docset.h"
#include "test.h"

#include <stdlib.h>
#include <string.h>

#define FILES_MIN 10

static const char *examples;

static void all_are_valid(void **state)
{
	struct docset *set = docset_new();
	struct diag_list diags = {0};
	char path[4096];
	static const char *const names[] = {
		"canary-90-10",  "path-routing",      "redirect",  "rewrite",   "direct-response",
		"gateway-hosts", "dns-service-entry", "kind-list", "tcp-split", "udp-dns",
		"dsr",           "tls-passthrough"};

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s.yaml", examples, names[i]);
		docset_read_path(set, path, NULL, &diags);
	}
	diag_print(&diags, stderr);
	assert_int_equal(diags.n, 0);
	assert_in_range(docset_count(set), FILES_MIN, 1000);
	docset_free(set);
	diag_fini(&diags);
}

/* Alternatives of the canary: the same VirtualService with other rules. */
static void alternatives_replace_the_canary(void **state)
{
	static const char *const names[] = {"header-canary", "header-operations"};
	struct diag_list diags = {0};
	char path[4096];

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		struct docset *base = docset_new(), *set = docset_new();
		enum docset_verb verbs[1];

		snprintf(path, sizeof(path), "%s/canary-90-10.yaml", examples);
		assert_int_equal(docset_read_path(base, path, NULL, &diags), 0);
		snprintf(path, sizeof(path), "%s/%s.yaml", examples, names[i]);
		assert_int_equal(docset_read_path(set, path, NULL, &diags), 0);
		assert_int_equal(docset_count(set), 1);
		docset_apply(base, set, verbs);
		assert_int_equal(verbs[0], DOCSET_CONFIGURED);
		docset_free(base);
		docset_free(set);
	}
	diag_print(&diags, stderr);
	assert_int_equal(diags.n, 0);
	diag_fini(&diags);
}

static void emitted_documents_mean_the_same(void **state)
{
	struct docset *set = docset_new(), *again = docset_new();
	struct diag_list diags = {0};
	char path[4096], *text;
	size_t len;

	(void)state;
	snprintf(path, sizeof(path), "%s/path-routing.yaml", examples);
	docset_read_path(set, path, NULL, &diags);
	snprintf(path, sizeof(path), "%s/kind-list.yaml", examples);
	docset_read_path(set, path, NULL, &diags);
	FILE *out = open_memstream(&text, &len);

	docset_emit(set, out);
	fclose(out);
	docset_read_text(again, "again", text, len, NULL, &diags);
	diag_print(&diags, stderr);
	assert_int_equal(diags.n, 0);
	assert_int_equal(docset_count(again), docset_count(set));
	for (uint32_t i = 0; i < docset_count(set); i++)
		assert_true(docset_same(docset_at(set, i), docset_at(again, i)));
	free(text);
	docset_free(set);
	docset_free(again);
	diag_fini(&diags);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_are_valid),
		cmocka_unit_test(alternatives_replace_the_canary),
		cmocka_unit_test(emitted_documents_mean_the_same),
	};

	examples = argc > 1 ? argv[1] : "docs/examples";
	return cmocka_run_group_tests(tests, NULL, NULL);
}
