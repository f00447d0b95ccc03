/* SPDX-License-Identifier: BSD-3-Clause */
#include "docset.h"
#include "test.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define OBJECT(name, more)                                                                     \
	"---\napiVersion: networking.istio.io/v1\nkind: WorkloadEntry\nmetadata: {name: " name \
		more "}\nspec: {address: "

static struct docset *read_good(const char *text)
{
	struct docset *set = docset_new();
	struct diag_list diags = {0};

	docset_read_text(set, "t", text, strlen(text), NULL, &diags);
	diag_print(&diags, stderr);
	assert_int_equal(diags.n, 0);
	diag_fini(&diags);
	return set;
}

static const char *first_error(struct diag_list *diags)
{
	assert_true(diags->n > 0);
	return diag_format(diags, &diags->items[0]);
}

static void order_is_creation_then_name_then_namespace(void **state)
{
	struct docset *set = read_good(OBJECT("b", ", namespace: z") "1.1.1.1}\n" OBJECT(
		"b",
		", "
		"name"
		"spac"
		"e: "
		"x") "1.1.1.1}\n" OBJECT("a",
	                                 ", creationTimestamp: "
	                                 "\"2026-01-02T00:00:00Z\"") "1.1.1.1}"
	                                                             "\n" OBJECT("z", ", "
	                                                                              "crea"
	                                                                              "tion"
	                                                                              "Time"
	                                                                              "s"
	                                                                              "tamp"
	                                                                              ": "
	                                                                              "\"20"
	                                                                              "26-"
	                                                                              "01-"
	                                                                              "01T0"
	                                                                              "0:"
	                                                                              "00:"
	                                                                              "00Z"
	                                                                              "\"") "1.1."
	                                                                                    "1.1}"
	                                                                                    "\n"
	                                                                                    "---"
	                                                                                    "\nap"
	                                                                                    "iVer"
	                                                                                    "sion"
	                                                                                    ": "
	                                                                                    "netw"
	                                                                                    "orki"
	                                                                                    "ng."
	                                                                                    "isti"
	                                                                                    "o."
	                                                                                    "io/"
	                                                                                    "v1\n"
	                                                                                    "kind"
	                                                                                    ": "
	                                                                                    "Dest"
	                                                                                    "inat"
	                                                                                    "ionR"
	                                                                                    "ule"
	                                                                                    "\nme"
	                                                                                    "tada"
	                                                                                    "ta: "
	                                                                                    "{nam"
	                                                                                    "e: "
	                                                                                    "q}"
	                                                                                    "\nsp"
	                                                                                    "ec: "
	                                                                                    "{hos"
	                                                                                    "t: "
	                                                                                    "a.b}"
	                                                                                    "\n");
	static const char *const want[] = {"q", "b", "b", "z", "a"};
	uint32_t n, first = docset_range(set, ISTIO_WORKLOAD_ENTRY, &n);

	(void)state;
	assert_int_equal(docset_count(set), 5);
	for (uint32_t i = 0; i < 5; i++)
		assert_string_equal(docset_at(set, i)->name.s, want[i]);
	assert_string_equal(docset_at(set, 1)->ns.s, "x");
	assert_int_equal(first, 1);
	assert_int_equal(n, 4);
	docset_range(set, ISTIO_GATEWAY, &n);
	assert_int_equal(n, 0);
	docset_free(set);
}

static struct docset *read_created(const char *name, const char *created, struct docset *into)
{
	struct docset *one;
	char text[256];

	snprintf(text, sizeof(text), OBJECT("%s", ", creationTimestamp: %s") "1.1.1.1}\n", name,
	         created);
	one = read_good(text);
	docset_apply(into, one, NULL);
	docset_free(one);
	return into;
}

static void stamps_keep_what_is_known(void **state)
{
	static const char *const want[][2] = {{"c", "2025-01-01T00:00:00Z"},
	                                      {"b", "2026-01-02T00:00:00Z"},
	                                      {"a", "2026-06-01T00:00:00Z"}};
	struct docset *known = read_created("b", want[1][1], docset_new());
	struct docset *in = docset_new();
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);

	(void)state;
	read_created("a", "null", in);
	read_created("b", "2027-01-01T00:00:00Z", in);
	read_created("c", want[0][1], in);
	docset_stamp(in, known, want[2][1]);
	for (uint32_t i = 0; i < 3; i++) {
		assert_string_equal(docset_at(in, i)->name.s, want[i][0]);
		assert_string_equal(docset_at(in, i)->created, want[i][1]);
	}
	docset_emit(in, out);
	fclose(out);
	for (uint32_t i = 0; i < 3; i++)
		assert_non_null(strstr(text, want[i][1]));
	assert_null(strstr(text, "null"));
	free(text);
	docset_free(in);
	docset_free(known);
}

static void apply_says_what_happened(void **state)
{
	struct docset *now = read_good(OBJECT("a", "") "1.1.1.1}\n" OBJECT("b", "") "1.1.1.1}\n");
	struct docset *in = read_good(
		OBJECT("a", ", labels: {}, uid: x") "\"1.1.1.1\"}\n# only the writing "
						    "differs\n" OBJECT("b", "") "2.2.2.2}\n" OBJECT(
							    "c", "") "1.1.1.1}\n");
	struct docset *before = docset_copy(now);
	enum docset_verb verbs[3];

	(void)state;
	docset_apply(now, in, verbs);
	assert_string_equal(docset_verb_name(verbs[0]), "unchanged");
	assert_string_equal(docset_verb_name(verbs[1]), "configured");
	assert_string_equal(docset_verb_name(verbs[2]), "created");
	assert_int_equal(docset_count(now), 3);
	docset_free(in); /* the objects live on in now */
	assert_string_equal(
		docset_find(now, ISTIO_WORKLOAD_ENTRY, "default", "b")->workload_entry->address.s,
		"2.2.2.2");
	assert_string_equal(docset_find(before, ISTIO_WORKLOAD_ENTRY, "default", "b")
	                            ->workload_entry->address.s,
	                    "1.1.1.1");
	assert_null(docset_find(before, ISTIO_WORKLOAD_ENTRY, "default", "c"));
	docset_free(before);
	assert_true(docset_delete(now, ISTIO_WORKLOAD_ENTRY, "default", "b"));
	assert_false(docset_delete(now, ISTIO_WORKLOAD_ENTRY, "default", "b"));
	assert_false(docset_delete(now, ISTIO_WORKLOAD_ENTRY, "other", "a"));
	assert_false(docset_delete(now, ISTIO_GATEWAY, "default", "a"));
	assert_int_equal(docset_count(now), 2);
	docset_free(now);
}

static void what_counts_as_a_change(void **state)
{
	static const struct {
		const char *a;
		const char *b;
		bool same;
	} cases[] = {
		{OBJECT("a", "") "1.1.1.1, weight: 1}", OBJECT("a", "") "1.1.1.1, weight: 2}",
	         false},
		{OBJECT("a", "") "1.1.1.1, weight: 1}",
	         "{spec: {weight: 1, address: 1.1.1.1}, kind: WorkloadEntry, metadata: {name: a, "
	         "namespace: default},"
	         " apiVersion: networking.istio.io/v1beta1, status: {x: z}}",
	         true},
		{OBJECT("a", ", labels: {x: z}") "1.1.1.1}", OBJECT("a", "") "1.1.1.1}", false},
		{OBJECT("a", ", annotations: {x: z}") "1.1.1.1}", OBJECT("a", "") "1.1.1.1}",
	         false},
		{OBJECT("a", ", generation: 7, annotations: "
	                     "{kubectl.kubernetes.io/last-applied-configuration: z}") "1.1.1.1}",
	         OBJECT("a", "") "1.1.1.1}", true},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct docset *a = read_good(cases[i].a), *b = read_good(cases[i].b);

		assert_int_equal(docset_same(docset_at(a, 0), docset_at(b, 0)), cases[i].same);
		docset_free(a);
		docset_free(b);
	}
}

static void one_input_names_an_object_once(void **state)
{
	static const char text[] = OBJECT("a", "") "1.1.1.1}\n";
	struct docset *set = docset_new();
	struct diag_list diags = {0};

	(void)state;
	assert_int_equal(docset_read_text(set, "one.yaml", text, sizeof(text) - 1, NULL, &diags),
	                 0);
	assert_int_equal(docset_read_text(set, "two.yaml", text, sizeof(text) - 1, "other", &diags),
	                 0);
	assert_int_equal(
		docset_read_text(set, "three.yaml", text, sizeof(text) - 1, "default", &diags),
		-EINVAL);
	assert_string_equal(first_error(&diags), "three.yaml:2:1: error: WorkloadEntry default/a "
	                                         "is already given in one.yaml line 2; keep one");
	docset_free(set);
	diag_fini(&diags);
}

/* Objects keep their places and texts after the text and the tree they came from are gone. */
static void objects_stand_alone(void **state)
{
	char *text = strdup(OBJECT("a", ", labels: {x: z}") "1.1.1.1, ports: {http: 8080}}\n");
	struct docset *set = read_good(text);

	(void)state;
	memset(text, '!', strlen(text));
	free(text);
	const struct istio_object *o = docset_at(set, 0);

	assert_string_equal(o->name.at.file, "t");
	assert_int_equal(o->workload_entry->address.at.line, 5);
	assert_string_equal(o->workload_entry->ports.v[0].key.s, "http");
	assert_int_equal(o->workload_entry->ports.v[0].value.v, 8080);
	assert_string_equal(istio_pair_get(&o->labels, "x"), "z");
	docset_free(set);
}

static void write_file(const char *dir, const char *name, const char *text)
{
	char path[300];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static void directories_are_read_in_order_of_name(void **state)
{
	static const char *const names[] = {"2.yml", "1.yaml", "3.json", "4.txt", ".5.yaml"};
	char dir[] = "/tmp/weir-docset-XXXXXX", path[300];
	struct docset *set = docset_new();
	struct diag_list diags = {0};

	(void)state;
	assert_non_null(mkdtemp(dir));
	write_file(dir, "1.yaml", OBJECT("a", "") "1.1.1.1}\n");
	write_file(dir, "2.yml", OBJECT("b", "") "1.1.1.1}\n" OBJECT("a", "") "1.1.1.1}\n");
	write_file(
		dir, "3.json",
		"{\n\t\"apiVersion\": \"networking.istio.io/v1\",\n\t\"kind\": \"WorkloadEntry\",\n"
		"\t\"metadata\": {\"name\": \"c\"},\n\t\"spec\": {\"address\": \"1.1.1.1\"}\n}\n");
	write_file(dir, "4.txt", "not: read");
	write_file(dir, ".5.yaml", "not: read");
	assert_int_equal(docset_read_path(set, dir, NULL, &diags), -EINVAL);
	assert_int_equal(diags.n, 1);
	snprintf(path, sizeof(path),
	         "%s/2.yml:7:1: error: WorkloadEntry default/a is already given in %s/1.yaml line "
	         "2; keep one",
	         dir, dir);
	assert_string_equal(first_error(&diags), path);
	assert_int_equal(docset_count(set), 3);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", dir, names[i]);
		unlink(path);
	}
	rmdir(dir);
	docset_free(set);
	diag_fini(&diags);
}

static void a_pipe_in_a_directory_is_refused_at_once(void **state)
{
	char dir[] = "/tmp/weir-docset-XXXXXX", path[64];
	struct docset *set = docset_new();
	struct diag_list diags = {0};

	(void)state;
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/a.yaml", dir);
	assert_int_equal(mkfifo(path, 0600), 0);
	alarm(5); /* opening it would wait for ever */
	assert_int_equal(docset_read_path(set, dir, NULL, &diags), -EINVAL);
	alarm(0);
	assert_non_null(
		strstr(diag_format(&diags, &diags.items[0]), "a.yaml: error: is not a file"));
	unlink(path);
	rmdir(dir);
	diag_fini(&diags);
	docset_free(set);
}

static void a_missing_file_is_an_error(void **state)
{
	struct docset *set = docset_new();
	struct diag_list diags = {0};

	(void)state;
	assert_int_equal(docset_read_path(set, "/nowhere/x.yaml", NULL, &diags), -EINVAL);
	assert_string_equal(first_error(&diags),
	                    "/nowhere/x.yaml: error: cannot be read: No such file or directory");
	docset_free(set);
	diag_fini(&diags);
}

/* ---- many sets that share their pieces --------------------------------------------------- */

#define MODEL_NAMES 700 /* several chunks */
#define MODEL_SETS  4

/* What a set should hold: weight of name i, 0: not there. */
struct model {
	struct docset *set;
	uint32_t weights[MODEL_NAMES];
};

static uint32_t rnd(uint64_t *state, uint32_t below)
{
	*state ^= *state << 13, *state ^= *state >> 7, *state ^= *state << 17;
	return (uint32_t)(*state >> 33) % below;
}

static void model_put(struct model *m, uint32_t name, uint32_t weight)
{
	char text[256];

	/* the age of some differs from the order of their names */
	snprintf(text, sizeof(text),
	         OBJECT("n%04u",
	                ", creationTimestamp: \"2026-01-01T00:00:%02uZ\"") "1.1.1.1, weight: %u}\n",
	         name, name % 7, weight);
	struct docset *one = read_good(text);

	docset_apply(m->set, one, NULL);
	docset_free(one);
	m->weights[name] = weight;
}

static void model_drop(struct model *m, uint32_t name)
{
	char text[16];

	snprintf(text, sizeof(text), "n%04u", name);
	assert_int_equal(docset_delete(m->set, ISTIO_WORKLOAD_ENTRY, "default", text),
	                 m->weights[name] != 0);
	m->weights[name] = 0;
}

static void check_model(const struct model *m)
{
	uint32_t n = 0, of_kind;

	for (uint32_t i = 0; i < MODEL_NAMES; i++) {
		char text[16];

		snprintf(text, sizeof(text), "n%04u", i);
		const struct istio_object *o =
			docset_find(m->set, ISTIO_WORKLOAD_ENTRY, "default", text);

		assert_int_equal(o ? o->workload_entry->weight.v : 0, m->weights[i]);
		n += m->weights[i] != 0;
	}
	assert_int_equal(docset_count(m->set), n);
	assert_int_equal(docset_range(m->set, ISTIO_WORKLOAD_ENTRY, &of_kind), 0);
	assert_int_equal(of_kind, n);
	for (uint32_t i = 1; i < n; i++)
		assert_true(docset_order(docset_at(m->set, i - 1), docset_at(m->set, i)) < 0);
}

struct seen {
	int32_t change[MODEL_NAMES]; /* 1: came, -1: went, 0: both or neither */
	uint32_t told;
};

static void see(void *arg, const struct istio_object *o, enum docset_verb verb)
{
	struct seen *seen = arg;

	seen->change[atoi(o->name.s + 1)] += verb == DOCSET_CREATED ? 1 : -1;
	seen->told++;
}

static void check_diff(const struct model *a, const struct model *b)
{
	struct seen seen = {0};
	uint32_t least = 0;

	docset_diff(a->set, b->set, see, &seen);
	for (uint32_t i = 0; i < MODEL_NAMES; i++) {
		assert_int_equal(seen.change[i], (b->weights[i] != 0) - (a->weights[i] != 0));
		if (a->weights[i] != b->weights[i])
			least += 1 + (a->weights[i] && b->weights[i]);
	}
	assert_true(seen.told >= least); /* the same weight may be another object */
	seen.told = 0;
	docset_diff(a->set, a->set, see, &seen);
	assert_int_equal(seen.told, 0);
}

static void sets_that_share_are_still_their_own(void **state)
{
	static struct model models[MODEL_SETS];
	uint64_t seed = 42;

	(void)state;
	memset(models, 0, sizeof(models));
	for (uint32_t i = 0; i < MODEL_SETS; i++)
		models[i].set = docset_new();
	for (uint32_t step = 0; step < 6000; step++) {
		struct model *m = &models[rnd(&seed, MODEL_SETS)];
		const struct model *other = &models[rnd(&seed, MODEL_SETS)];

		if (rnd(&seed, 100) == 0 && other != m) {
			docset_free(m->set);
			*m = *other;
			m->set = docset_copy(other->set);
		} else if (rnd(&seed, 3) == 0) {
			model_drop(m, rnd(&seed, MODEL_NAMES));
		} else {
			model_put(m, rnd(&seed, MODEL_NAMES), 1 + rnd(&seed, 9));
		}
		if (step % 500 == 499) {
			check_model(m);
			check_diff(m, other);
		}
	}
	for (uint32_t i = 0; i < MODEL_SETS; i++) {
		check_model(&models[i]);
		docset_free(models[i].set);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(order_is_creation_then_name_then_namespace),
		cmocka_unit_test(stamps_keep_what_is_known),
		cmocka_unit_test(apply_says_what_happened),
		cmocka_unit_test(what_counts_as_a_change),
		cmocka_unit_test(one_input_names_an_object_once),
		cmocka_unit_test(objects_stand_alone),
		cmocka_unit_test(directories_are_read_in_order_of_name),
		cmocka_unit_test(a_pipe_in_a_directory_is_refused_at_once),
		cmocka_unit_test(sets_that_share_are_still_their_own),
		cmocka_unit_test(a_missing_file_is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
