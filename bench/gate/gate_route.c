/* SPDX-License-Identifier: BSD-3-Clause */
/* Host and rule look-up with 1 to 1,000 rules of one host; the request meets the last one. */
#include "bench.h"
#include "rules.h"

#include <stdio.h>

#define CALLS 100

static struct routing r;

static void count(const char *kind, const char *pattern, uint32_t n_rules)
{
	struct snapshot *s = rules_build(&r, pattern, n_rules);
	char path[64], name[64];
	struct rules q;

	snprintf(path, sizeof(path), "/api/v1/service-%u/items", n_rules - 1);
	rules_ask(&q, &r, s, path);
	if (n_rules == 1 && kind[0] == 'p')
		bench_run("route_host, exact", rules_find_host, &q, CALLS);
	snprintf(name, sizeof(name), "route_match, %u %s", n_rules, kind);
	bench_run(name, rules_find_rule, &q, CALLS);
	build_free(s);
}

int main(void)
{
	routing_init(&r);
	for (uint32_t n = 1; n <= 1000; n *= 10)
		count("prefixes", "prefix: /api/v1/service-%u/", n);
	for (uint32_t n = 1; n <= 100; n *= 10)
		count("regexes", "regex: '/api/v1/service-%u/[a-z]+'", n);
	routing_fini(&r);
	return 0;
}
