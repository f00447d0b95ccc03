/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Building and freeing a whole snapshot: what a change costs the builder thread. Every VirtualService has
 * its own host, two rules, a service with two endpoints and a split. Databases come from the cache
 * after the first build, as they do when weights change; "regex" rules make one database a host.
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

static void read_file(uint32_t from, uint32_t to, bool regex)
{
	char *yaml = NULL;
	size_t len;
	FILE *f = open_memstream(&yaml, &len);

	for (uint32_t i = from; i < to; i++)
		put_service(f, i, regex);
	fclose(f);
	if (docset_read_text(r.docs, "bench.yaml", yaml, len, "default", &r.diags) != 0) {
		diag_print(&r.diags, stderr);
		exit(1);
	}
	free(yaml);
}

static void measure(uint32_t n, bool regex)
{
	double start = now_ms();

	docset_free(r.docs);
	r.docs = docset_new();
	for (uint32_t i = 0; i < n; i += SERVICES_PER_FILE)
		read_file(i, n - i < SERVICES_PER_FILE ? n : i + SERVICES_PER_FILE, regex);
	double read = now_ms();
	struct snapshot *first = routing_build(&r);
	double built = now_ms();
	struct snapshot *second = routing_build(&r);
	double again = now_ms();

	if (!first || !second) {
		diag_print(&r.diags, stderr);
		exit(1);
	}
	build_free(first);
	double freed = now_ms();

	printf("%6u%s  read %9.2f  first build %9.2f  again %9.2f  free %8.2f ms\n", n,
	       regex ? " regex  " : " literal", read - start, built - read, again - built,
	       freed - again);
	build_free(second);
}

int main(void)
{
	static const uint32_t counts[] = {1, 100, 10000};

	routing_init(&r);
	printf("publish: snapshots of N VirtualServices\n");
	for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
		measure(counts[i], false);
		measure(counts[i], true);
	}
	routing_fini(&r);
	return 0;
}
