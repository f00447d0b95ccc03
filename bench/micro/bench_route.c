/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Host and rule look-up, with 1 to 1,000 rules of one host. The request meets the last rule: the
 * dearest when rules are compared one by one. "direct" is the same virtual host without its tree: where
 * the two cross is DIRECT_MAX of ctrl/build_match.c.
 */
#include "bench.h"
#include "rules.h"

#include <stdio.h>
#include <stdlib.h>

static struct routing r;

static void measure(const char *kind, const char *pattern, const char *path, uint32_t n_rules)
{
	struct snapshot *s = rules_build(&r, pattern, n_rules);
	struct rules q;
	char last[64], name[64];

	snprintf(last, sizeof(last), path,
	         n_rules - 1); /* NOLINT(clang-diagnostic-format-nonliteral) */
	rules_ask(&q, &r, s, last);
	snprintf(name, sizeof(name), "%u %s%s", n_rules, kind,
	         q.vhost->paths || q.vhost->db ? "" : ", direct");
	bench_run(name, rules_find_rule, &q, 100);
	if (q.vhost->paths && n_rules <= 100) {
		struct vhost direct = *q.vhost;

		direct.paths = NULL;
		q.vhost = &direct;
		snprintf(name, sizeof(name), "%u %s, direct", n_rules, kind);
		bench_run(name, rules_find_rule, &q, 100);
	}
	build_free(s);
}

int main(void)
{
	static const uint32_t counts[] = {1, 2, 3, 4, 8, 10, 12, 16, 24, 32, 48, 64, 100, 1000};

	routing_init(&r);
	bench_begin("route");
	struct snapshot *s = rules_build(&r, "prefix: /%u", 1);
	struct rules q;

	rules_ask(&q, &r, s, "/0");
	q.request.authority = STR("www.example.com:8080");
	bench_run("host, exact", rules_find_host, &q, 1000);
	build_free(s);
	for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++)
		measure("prefixes", "prefix: /api/v1/service-%u/", "/api/v1/service-%u/items/12345",
		        counts[i]);
	for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++)
		measure("exact", "exact: /api/v1/service-%u", "/api/v1/service-%u", counts[i]);
	measure("regexes", "regex: '/api/v[0-9]+/service-%u/[a-z]+'", "/api/v1/service-%u/items",
	        1);
	measure("regexes", "regex: '/api/v[0-9]+/service-%u/[a-z]+'", "/api/v1/service-%u/items",
	        10);
	measure("regexes", "regex: '/api/v[0-9]+/service-%u/[a-z]+'", "/api/v1/service-%u/items",
	        100);
	measure("regexes", "regex: '/api/v[0-9]+/service-%u/[a-z]+'", "/api/v1/service-%u/items",
	        1000);
	routing_fini(&r);
	return 0;
}
