/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Property: with literal paths only, the rule that a worker chooses through the tree is the first one
 * whose path is the same or a beginning. Sets are drawn to part at one byte out of three or of two
 * hundred, to share beginnings longer than a node's label, to hold the same literal again, and to end
 * inside one another; paths are literals of the set cut, continued and changed.
 * Seeds are argv; a failure prints its own.
 */
#include "rng.h"
#include "routing.h"

#include <stdio.h>
#include <stdlib.h>

#define RULES_MAX 400
#define PATHS     300
#define BYTES_MAX 200

struct literal {
	char text[BYTES_MAX];
	bool exact;
};

static struct routing r;
static struct literal set[RULES_MAX];
static uint32_t n_set;

/* A byte that YAML, paths and path normalisation leave alone. */
static char byte(struct rng *s, uint32_t style)
{
	static const char wide[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_~";

	return style ? wide[rng_below(s, sizeof(wide) - 1)] : (char)('a' + rng_below(s, 3));
}

static void extend(struct rng *s, char *text, uint32_t style)
{
	size_t at = strlen(text), n = rng_below(s, 8) ? rng_below(s, 6) : rng_below(s, 80);

	while (n-- && at + 1 < BYTES_MAX)
		text[at++] = byte(s, style);
	text[at] = '\0';
}

/* "/", or what a former one begins with, and something behind it. */
static void draw_literal(struct rng *s, struct literal *l, uint32_t style)
{
	strcpy(l->text, "/");
	if (n_set && rng_below(s, 3)) {
		strcpy(l->text, set[rng_below(s, n_set)].text);
		l->text[1 + rng_below(s, (uint32_t)strlen(l->text))] = '\0';
	}
	if (rng_below(s, 6))
		extend(s, l->text, style);
	l->exact = rng_below(s, 3) == 0;
}

static void put_uri(FILE *f, uint32_t i, void *arg)
{
	(void)arg;
	fprintf(f, "%s: \"%s\"", set[i].exact ? "exact" : "prefix", set[i].text);
}

static struct snapshot *build(struct rng *s)
{
	uint32_t n = 1 + rng_below(s, rng_below(s, 2) ? 12 : RULES_MAX), style = rng_below(s, 2);

	for (n_set = 0; n_set < n; n_set++)
		draw_literal(s, &set[n_set], style);
	return routing_rules(&r, n, put_uri, NULL);
}

static void draw_path(struct rng *s, char *path)
{
	strcpy(path, set[rng_below(s, n_set)].text);
	if (rng_below(s, 4) == 0)
		path[1 + rng_below(s, (uint32_t)strlen(path))] = '\0';
	if (rng_below(s, 2))
		extend(s, path, rng_below(s, 2));
	if (rng_below(s, 4) == 0 && strlen(path) > 1)
		path[1 + rng_below(s, (uint32_t)strlen(path) - 1)] = byte(s, 1);
}

static int32_t plain(const char *path)
{
	for (uint32_t i = 0; i < n_set; i++) {
		size_t len = strlen(set[i].text);

		if (set[i].exact ? strcmp(path, set[i].text) == 0
		                 : strncmp(path, set[i].text, len) == 0)
			return (int32_t)i;
	}
	return -1;
}

static bool agrees(const struct snapshot *snap, const char *path)
{
	const struct routing_request q = {.method = "GET", .host = "www.example.com", .path = path};
	const struct vhost *v = route_host(&snap->listeners[0], STR("www.example.com"));
	const struct clause *c = routing_match(&r, snap, &q);
	int32_t got = c ? (int32_t)(c - v->clauses) : -1;

	if (got == plain(path))
		return true;
	fprintf(stderr, "path %s: rule %d, want %d of %u\n", path, got, plain(path), n_set);
	return false;
}

static bool run(uint64_t seed, uint32_t *trees)
{
	struct rng s = rng_seed(seed);
	struct snapshot *snap;
	char path[BYTES_MAX];
	bool good = true;

	routing_init(&r);
	snap = build(&s);
	if (snap)
		*trees += route_host(&snap->listeners[0], STR("www.example.com"))->paths != NULL;
	for (uint32_t i = 0; snap && good && i < PATHS; i++) {
		draw_path(&s, path);
		good = agrees(snap, path);
	}
	good &= snap != NULL;
	build_free(snap);
	routing_fini(&r);
	return good;
}

int main(int argc, char **argv)
{
	uint64_t first = argc > 1 ? strtoull(argv[1], NULL, 10) : 1;
	uint32_t n = argc > 2 ? (uint32_t)atoi(argv[2]) : 40, trees = 0;

	for (uint64_t seed = first; seed < first + n; seed++) {
		if (!run(seed, &trees)) {
			fprintf(stderr, "seed %llu\n", (unsigned long long)seed);
			return 1;
		}
	}
	printf("%u sets, %u of them trees, %u paths each\n", n, trees, PATHS);
	return trees < n / 4; /* a test of nothing is no test */
}
