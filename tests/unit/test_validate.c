/* SPDX-License-Identifier: BSD-3-Clause */
/* Every rule of validation: a document that breaks it, and every sentence that is said about it. */
#include "docset.h"
#include "test.h"

#include <stdlib.h>
#include <string.h>

#define HEADING(kind) \
	"apiVersion: networking.istio.io/v1\nkind: " kind "\nmetadata: {name: x}\nspec:\n"
#define NOTED(kind, notes)                                \
	"apiVersion: networking.istio.io/v1\nkind: " kind \
	"\nmetadata: {name: x, annotations: {" notes "}}\nspec:\n"
#define DOC   ""
#define VS    HEADING("VirtualService")
#define DR    HEADING("DestinationRule")
#define SE    HEADING("ServiceEntry")
#define WE    HEADING("WorkloadEntry")
#define GW    HEADING("Gateway")
#define ROUTE "    route: [{destination: {host: a.b}}]\n"

/* Everything said about a document, one a line; the caller frees it. */
static char *sentences(const char *doc)
{
	struct docset *set = docset_new();
	struct diag_list diags = {0};
	char *text;
	size_t len;
	FILE *out = open_memstream(&text, &len);
	int r = docset_read_text(set, "t", doc, strlen(doc), NULL, &diags);

	assert_int_equal(r == 0, diags.n_errors == 0);
	diag_print(&diags, out);
	fclose(out);
	diag_fini(&diags);
	docset_free(set);
	return text;
}

static void each_rule_has_its_sentence(void **state)
{
	static const struct {
		const char *doc;
		const char *want;
	} cases[] = {
#define CASE(heading, text, want) {heading text, want},
#include "validate_cases.def"
#undef CASE
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char *got = sentences(cases[i].doc);

		if (strcmp(got, cases[i].want) != 0)
			print_error("document:\n%s\n", cases[i].doc);
		assert_string_equal(got, cases[i].want);
		free(got);
	}
}

static void good_documents_have_none(void **state)
{
	static const char *const good[] = {
		/* both spellings, quoted and whole-valued numbers, null for absent */
		VS "  hosts: [a.b]\n  http:\n  - match: [{ignore_uri_case: true, query_params: {q: "
		   "{}}, port: \"80\"}]\n"
		   "    direct_response: {status: 200.0, body: null}\n",
		/* presence, the old presence regex, pseudo headers, token characters, an empty exact value */
		VS "  hosts: [a.b]\n  http:\n  - match: [{headers: {x: {}, \":path\": {prefix: /}, "
		   "\"!#$%&'*+-.^_`|~\": {exact: \"\"}},\n"
		   "      withoutHeaders: {z: {regex: \"*\"}}, uri: {prefix: \"\"}, method: "
		   "{exact: GET}}]\n" ROUTE,
		/* one destination needs no weight; several need one that is not 0 */
		VS "  hosts: [a.b, \"*.c.d\", \"*-e.f\", 10.0.0.1, short]\n  gateways: [edge, "
		   "infra/edge, ./edge, mesh]\n  http:\n"
		   "  - route: [{destination: {host: a}, weight: 0}]\n",
		VS "  hosts: [a.b]\n  http:\n  - route: [{destination: {host: a}, weight: 1}, "
		   "{destination: {host: b}}]\n",
		VS "  hosts: [\"*\"]\n  gateways: [edge]\n  http:\n  - redirect: {derivePort: "
		   "FROM_REQUEST_PORT, redirectCode: 0}\n",
		VS "  hosts: [a.b]\n  http:\n  - headers: {request: {set: {Host: c.d}, add: {x: "
		   "\"100%% %REQ(:path)%%PROTOCOL%\"}, remove: [z]}}\n" ROUTE,
		/* an earlier block with one more condition shadows nothing */
		VS "  hosts: [a.b]\n  http:\n  - match: [{uri: {prefix: /a}, method: {exact: "
		   "GET}}]\n" ROUTE "  - match: [{uri: {prefix: /a}}]\n" ROUTE
		   "  - match: [{uri: {prefix: /}}]\n" ROUTE,
		DR "  host: \"*.a.b\"\n  subsets: [{name: v1}, {name: v2, labels: "
		   "{app.kubernetes.io/name: \"\"}}]\n",
		GW "  servers:\n  - {name: s, bind: \"::\", port: {number: 80, name: a, protocol: "
		   "http}, hosts: [\"*\", \"*/a.b\", ./c.d, x/*.e.f]}\n",
		SE "  hosts: [a.b]\n  ports: [{number: 80, name: a, targetPort: 0}]\n  resolution: "
		   "DNS_ROUND_ROBIN\n",
		SE "  hosts: [\"*.a.b\", c.d]\n  ports: [{number: 80, name: a}]\n  resolution: "
		   "STATIC\n  workload_selector: {labels: {a: b}}\n",
		WE
		"  address: vm.example.com\n  weight: 0\nstatus: {anything: [goes, {here: 1}]}\n",
		"",
		"---\n---\n# nothing\n---\n",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		char *got = sentences(good[i]);

		if (got[0])
			print_error("document:\n%s\n", good[i]);
		assert_string_equal(got, "");
		free(got);
	}
}

/* A document of one rule whose direct response has a body of n bytes. */
static char *with_body(size_t n)
{
	char *doc = malloc(n + 1000), *p = doc;

	p += sprintf(p, VS
	             "  hosts: [a.b]\n  http:\n  - directResponse: {status: 200, body: {string: ");
	memset(p, 'a', n);
	strcpy(p + n, "}}\n");
	return doc;
}

static void limits_are_exact(void **state)
{
	static const struct {
		size_t n;
		const char *want;
	} bodies[] = {
		{102400, ""},
		{102401, "100 kB"},
		{1048576, "100 kB"},
		{1048577, "at most 1 MB"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
		char *doc = with_body(bodies[i].n), *got = sentences(doc);

		assert_non_null(strstr(got, bodies[i].want));
		assert_int_equal(got[0] == '\0', bodies[i].want[0] == '\0');
		free(got);
		free(doc);
	}
}

static void all_errors_are_reported_up_to_a_bound(void **state)
{
	char *doc = malloc(100000), *p = doc;

	(void)state;
	p += sprintf(p, VS "  hosts: [a.b]\n  http:\n");
	for (int i = 0; i < DIAG_MAX + 50; i++)
		p += sprintf(p, "  - {match: [{uri: {exact: /%d}}]}\n", i);
	char *got = sentences(doc);
	size_t lines = 0;

	for (const char *q = got; *q; q++)
		lines += *q == '\n';
	assert_int_equal(lines, DIAG_MAX + 1);
	assert_non_null(strstr(got, "\n... and 50 more\n"));
	free(got);
	free(doc);
}

/* For programs: each diagnostic names the object, the path of the field, and a code. */
static void diagnostics_have_object_path_and_code(void **state)
{
	static const char doc[] =
		VS "  hosts: [a.b]\n  http:\n  - route: [{destination: {host: a.b}, weight: -1}]\n";
	struct docset *set = docset_new();
	struct diag_list diags = {0}, copy = {0};

	(void)state;
	docset_read_text(set, "t", doc, sizeof(doc) - 1, "team", &diags);
	docset_free(set);
	diag_append(&copy, &diags);
	diag_fini(&diags); /* the copy stands alone */
	assert_int_equal(copy.n, 1);
	assert_int_equal(copy.n_errors, 1);
	assert_string_equal(copy.items[0].object, "VirtualService team/x");
	assert_string_equal(copy.items[0].path, "spec.http[0].route[0].weight");
	assert_string_equal(copy.items[0].code, "WEIGHT_NEGATIVE");
	diag_fini(&copy);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_rule_has_its_sentence),
		cmocka_unit_test(good_documents_have_none),
		cmocka_unit_test(limits_are_exact),
		cmocka_unit_test(all_errors_are_reported_up_to_a_bound),
		cmocka_unit_test(diagnostics_have_object_path_and_code),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
