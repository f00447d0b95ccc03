/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Building and freeing a whole snapshot: what a change costs the builder thread. Every VirtualService has
 * its own host, two rules, a service with two endpoints and a split. Databases come from the cache
 * after the first build, as they do when weights change. Then one host with many rules: its database is
 * compiled by the first build.
 */
#include "bench.h"
#include "routing.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define SERVICES_PER_FILE 1000

static struct routing r;

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
	fprintf(f,
	        "---\napiVersion: networking.istio.io/v1\nkind: VirtualService\n"
	        "metadata: {name: v%u}\nspec:\n  hosts: [h%u.example.com]\n  http:\n"
	        "  - match: [{uri: {%s}}]\n    directResponse: {status: 200}\n"
	        "  - route:\n"
	        "    - {destination: {host: s%u, subset: v1}, weight: 90}\n"
	        "    - {destination: {host: s%u, subset: v2}, weight: 10}\n",
	        i, i, regex ? "regex: '/health[a-z]*'" : "prefix: /health", i, i);
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
	routing_fini(&r);
	return 0;
}
