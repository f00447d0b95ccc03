/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Building and freeing a whole snapshot: what a change costs the builder thread. Every VirtualService has
 * its own host, two rules, a service with two endpoints and a split. Databases come from the cache
 * after the first build, as they do when weights change. Then one host with many rules: its database is
 * compiled by the first build. Last, one changed VirtualService among many, from its text to a snapshot
 * that may be published, stage by stage, as the daemon does it (change.h).
 */
#include "bench.h"
#include "change.h"
#include "routing.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define SERVICES_PER_FILE 1000
#define CHANGES           21

static struct routing r;

static void put_virtual_service(FILE *f, uint32_t i, bool regex, uint32_t percent)
{
	fprintf(f,
	        "---\napiVersion: networking.istio.io/v1\nkind: VirtualService\n"
	        "metadata: {name: v%u}\nspec:\n  hosts: [h%u.example.com]\n  http:\n"
	        "  - match: [{uri: {%s}}]\n    directResponse: {status: 200}\n"
	        "  - route:\n"
	        "    - {destination: {host: s%u, subset: v1}, weight: %u}\n"
	        "    - {destination: {host: s%u, subset: v2}, weight: %u}\n",
	        i, i, regex ? "regex: '/health[a-z]*'" : "prefix: /health", i, percent, i,
	        100 - percent);
}

static void put_service(FILE *f, uint32_t i, bool regex)
{
	fprintf(f,
	        "---\napiVersion: networking.istio.io/v1\nkind: ServiceEntry\n"
	        "metadata: {name: s%u}\nspec:\n  hosts: [s%u.default.svc.cluster.local]\n"
	        "  ports: [{number: 80, name: http}]\n  resolution: STATIC\n  endpoints:\n"
	        "  - {address: 10.%u.%u.1, labels: {version: v1}}\n"
	        "  - {address: 10.%u.%u.2, labels: {version: v2}}\n",
	        i, i, i / 250, i % 250, i / 250, i % 250);
	fprintf(f,
	        "---\napiVersion: networking.istio.io/v1\nkind: DestinationRule\n"
	        "metadata: {name: d%u}\nspec:\n  host: s%u\n  subsets:\n"
	        "  - {name: v1, labels: {version: v1}}\n  - {name: v2, labels: {version: v2}}\n",
	        i, i);
	put_virtual_service(f, i, regex, 90);
}

static double now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static void put_rules(FILE *f, uint32_t n, bool regex)
{
	fputs("apiVersion: networking.istio.io/v1\nkind: VirtualService\n"
	      "metadata: {name: v}\nspec:\n  hosts: [h.example.com]\n  http:\n",
	      f);
	for (uint32_t i = 0; i < n; i++)
		fprintf(f,
		        "  - match: [{uri: {%s/api/v1/service-%u/%s}}]\n"
		        "    directResponse: {status: 200}\n",
		        regex ? "regex: '" : "prefix: '", i, regex ? "[a-z]+'" : "'");
}

static void read_text(const char *yaml, size_t len)
{
	if (docset_read_text(r.docs, "bench.yaml", yaml, len, "default", &r.diags) == 0)
		return;
	diag_print(&r.diags, stderr);
	exit(1);
}

static void read_services(uint32_t from, uint32_t to, bool regex)
{
	char *yaml = NULL;
	size_t len;
	FILE *f = open_memstream(&yaml, &len);

	for (uint32_t i = from; i < to; i++)
		put_service(f, i, regex);
	fclose(f);
	read_text(yaml, len);
	free(yaml);
}

static void read_rules(uint32_t n, bool regex)
{
	char *yaml = NULL;
	size_t len;
	FILE *f = open_memstream(&yaml, &len);

	put_rules(f, n, regex);
	fclose(f);
	read_text(yaml, len);
	free(yaml);
}

static struct snapshot *must_build(void)
{
	struct snapshot *s = routing_build(&r);

	if (s)
		return s;
	diag_print(&r.diags, stderr);
	exit(1);
}

static void measure(const char *what, uint32_t n, bool regex, bool one_host)
{
	double start = now_ms();

	docset_free(r.docs);
	r.docs = docset_new();
	if (one_host)
		read_rules(n, regex);
	for (uint32_t i = 0; !one_host && i < n; i += SERVICES_PER_FILE)
		read_services(i, n - i < SERVICES_PER_FILE ? n : i + SERVICES_PER_FILE, regex);
	double read = now_ms();
	struct snapshot *first = must_build();
	double built = now_ms();
	struct snapshot *second = must_build();
	double again = now_ms();

	build_free(first);
	double freed = now_ms();

	printf("%6u %-10s %-8s read %9.2f  first build %9.2f  again %9.2f  free %8.2f ms\n", n,
	       what, regex ? "regexes" : "literals", read - start, built - read, again - built,
	       freed - again);
	build_free(second);
}

/* ---- one change ------------------------------------------------------------------------- */

enum stage {
	STAGE_PARSE, /* alone; READ has it again */
	STAGE_READ,
	STAGE_BUILD,
	STAGE_SAVE,
	STAGE_FREE,
	STAGE_TOTAL,
	STAGES,
};

struct node_state {
	struct change_base base;
	struct snapshot *current;
	struct store store;
	struct conf conf;
};

static void must_be_good(const struct change *ch)
{
	if (!ch->code)
		return;
	fprintf(stderr, "%s\n", ch->message);
	exit(1);
}

static struct change *change_of(struct change_text *text, bool dry_run)
{
	struct change *ch = change_new(CHANGE_APPLY);

	if (!ch)
		abort();
	ch->ns = "default";
	ch->texts = text;
	ch->n_texts = 1;
	ch->dry_run = dry_run;
	return ch;
}

/* What the control thread does with a change that is built. */
static void take(struct node_state *n, struct change *ch)
{
	docset_free(n->base.applied);
	docset_free(n->base.directory);
	docset_free(n->base.all);
	n->base.applied = ch->applied;
	n->base.directory = ch->directory;
	n->base.all = ch->all;
	ch->applied = ch->directory = ch->all = NULL;
	build_free(n->current);
	n->current = n->base.snapshot = ch->snapshot;
	n->base.generation = ch->snapshot->generation;
	ch->snapshot = NULL;
}

static void change_once(struct node_state *n, struct change_text *text, double at[STAGES])
{
	struct docset *input = docset_new();
	double start = now_ms();

	if (docset_read_text(input, text->name, text->text, text->len, "default", &r.diags) != 0)
		exit(1);
	at[STAGE_PARSE] = now_ms() - start;
	docset_free(input);

	struct change *dry = change_of(text, true);

	change_read(dry, &n->base);
	start = now_ms();
	change_build(dry, &n->base, NULL);
	at[STAGE_BUILD] = now_ms() - start;
	must_be_good(dry);
	change_free(dry);

	struct change *ch = change_of(text, false);

	start = now_ms();
	change_read(ch, &n->base);
	double read = now_ms();
	change_build(ch, &n->base, NULL);
	double built = now_ms();
	must_be_good(ch);
	take(n, ch);
	change_free(ch);
	double end = now_ms();

	at[STAGE_READ] = read - start;
	at[STAGE_SAVE] = built - read - at[STAGE_BUILD];
	at[STAGE_FREE] = end - built;
	at[STAGE_TOTAL] = end - start;
}

static int by_time(const void *a, const void *b)
{
	const double *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

static void print_stages(const char *what, uint32_t n, double at[][STAGES])
{
	static const char *const names[STAGES] = {"parse", "parse and apply", "build",
	                                          "store", "free the old",    "all of it"};

	for (uint32_t s = 0; s < STAGES; s++) {
		double v[CHANGES];

		for (uint32_t i = 0; i < CHANGES; i++)
			v[i] = at[i][s];
		qsort(v, CHANGES, sizeof(v[0]), by_time);
		printf("%6u %-10s one %s changed: %-15s median %9.3f  max %9.3f ms\n", n,
		       "services", what, names[s], v[CHANGES / 2], v[CHANGES - 1]);
	}
}

static void begin(struct node_state *n, uint32_t count)
{
	static char dir[] = "/tmp/weir-bench-publish-XXXXXX";
	char err[256];

	if (!mkdtemp(dir) || store_open(&n->store, dir, &store_ops_real, err, sizeof(err)) < 0)
		exit(1);
	n->conf.state_directory = dir;
	docset_free(r.docs);
	r.docs = docset_new();
	for (uint32_t i = 0; i < count; i += SERVICES_PER_FILE)
		read_services(i, count - i < SERVICES_PER_FILE ? count : i + SERVICES_PER_FILE,
		              false);
	n->current = must_build();
	n->base = (struct change_base){
		.conf = &n->conf,
		.applied = docset_copy(r.docs),
		.directory = docset_new(),
		.all = docset_copy(r.docs),
		.snapshot = n->current,
		.options = r.options,
		.hsdb = r.hsdb,
		.registry = r.registry,
		.store = &n->store,
		.generation = n->current->generation,
	};
}

static void end(struct node_state *n)
{
	char command[128];

	docset_free(n->base.applied);
	docset_free(n->base.directory);
	docset_free(n->base.all);
	build_free(n->current);
	store_close(&n->store);
	snprintf(command, sizeof(command), "rm -r '%s'", n->conf.state_directory);
	if (system(command) != 0) /* our own name of mkdtemp() */
		fprintf(stderr, "%s is left\n", n->conf.state_directory);
}

static void measure_change(uint32_t count)
{
	static struct node_state n;
	static double at[CHANGES][STAGES];

	begin(&n, count);
	for (uint32_t i = 0; i < CHANGES; i++) {
		char *yaml = NULL;
		size_t len;
		FILE *f = open_memstream(&yaml, &len);

		put_virtual_service(f, count / 2 + i % 2, false, 10 + i);
		fclose(f);
		change_once(&n, &(struct change_text){"change.yaml", yaml, len}, at[i]);
		free(yaml);
	}
	print_stages("VirtualService", count, at);
	end(&n);
}

int main(void)
{
	static const uint32_t counts[] = {1, 100, 10000};

	routing_init(&r);
	printf("publish: building and freeing a snapshot\n");
	for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
		measure("services", counts[i], false, false);
		measure("services", counts[i], true, false);
	}
	for (uint32_t n = 100; n <= 1000; n *= 10) {
		measure("rules", n, false, true);
		measure("rules", n, true, true);
	}
	measure_change(10000);
	routing_fini(&r);
	return 0;
}
