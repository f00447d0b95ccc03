/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The tree of a file is walked together with the paths of the table: a key that is in no row is an error,
 * and so is a row that a map should have and has not. Only a file without errors becomes a profile.
 */
#include "nic.h"

#include "tree.h"

#include <ctype.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FILE_BYTES_MAX (256u << 10) /* a profile is a few KiB */
#define FILES_MAX      256u
#define PATH_BYTES_MAX 128

enum nic_kind {
	NIC_KIND_TEXT,
	NIC_KIND_TEXTS,
	NIC_KIND_NUMBER,
	NIC_KIND_NUMBERS,
	NIC_KIND_SOURCE,
	NIC_KIND_WHEN,
};

struct nic_key {
	const char *path;
	enum nic_kind kind;
	bool required;
	const char *words;
};

static const struct nic_key keys[] = {
#define NIC_KEY(path, kind, required, words) {path, NIC_KIND_##kind, required, words},
#include "nic_keys.def"
#undef NIC_KEY
};

#define N_KEYS (sizeof(keys) / sizeof(keys[0]))

struct reader {
	struct arena *arena;
	struct diag_list *diags;
};

/* ---- does a file keep to the table? ------------------------------------------------------ */

static bool is_word(const char *text, const char *words)
{
	size_t len = strlen(text);

	for (const char *w = words; w; w = strchr(w, '|')) {
		w += *w == '|';
		if (strncmp(w, text, len) == 0 && (w[len] == '|' || w[len] == '\0'))
			return true;
	}
	return false;
}

static bool is_number(const struct tree_node *n)
{
	int64_t v;

	return tree_as_int(n, &v) && v >= 0 && v <= UINT32_MAX;
}

/* Where a fact comes from, in a form that can be found again. */
static bool is_source(const char *text)
{
	static const char *const begins[] = {"DPDK 22.11 guide: ", "DPDK 22.11 source: ", "github ",
	                                     "tested: "};

	for (unsigned i = 0; i < sizeof(begins) / sizeof(begins[0]); i++)
		if (strncmp(text, begins[i], strlen(begins[i])) == 0)
			return true;
	return false;
}

static void check_list(struct reader *r, const struct nic_key *key, const struct tree_node *node)
{
	if (node->kind != TREE_LIST) {
		diag_error(r->diags, node->where, "NIC_LIST", "%s is %s; give a list in brackets",
		           key->path, tree_kind_text(node));
		return;
	}
	for (const struct tree_node *c = node->first; c; c = c->next)
		if (c->kind != TREE_SCALAR || (key->kind == NIC_KIND_NUMBERS && !is_number(c)))
			diag_error(r->diags, c->where, "NIC_LIST", "%s has %s; give %s", key->path,
			           tree_kind_text(c),
			           key->kind == NIC_KIND_NUMBERS ? "numbers" : "words");
}

static void check_value(struct reader *r, const struct nic_key *key, const struct tree_node *node)
{
	struct nic_when when;

	if (key->kind == NIC_KIND_TEXTS || key->kind == NIC_KIND_NUMBERS) {
		check_list(r, key, node);
		return;
	}
	if (node->kind != TREE_SCALAR || *node->text == '\0')
		diag_error(r->diags, node->where, "NIC_TEXT", "%s is %s; give a text", key->path,
		           node->kind == TREE_SCALAR ? "empty" : tree_kind_text(node));
	else if (key->words && !is_word(node->text, key->words))
		diag_error(r->diags, node->where, "NIC_WORD", "%s is \"%s\"; give one of %s",
		           key->path, node->text, key->words);
	else if (key->kind == NIC_KIND_NUMBER && !is_number(node))
		diag_error(r->diags, node->where, "NIC_NUMBER", "%s is \"%s\"; give a number",
		           key->path, node->text);
	else if (key->kind == NIC_KIND_SOURCE && !is_source(node->text))
		diag_error(r->diags, node->where, "NIC_SOURCE",
		           "%s is \"%s\"; begin with \"DPDK 22.11 guide: \", \"DPDK 22.11 source: "
		           "\", \"github OWNER/NAME#N\" or \"tested: \"",
		           key->path, node->text);
	else if (key->kind == NIC_KIND_WHEN && !nic_parse_when(r->arena, node->text, &when))
		diag_error(
			r->diags, node->where, "NIC_WHEN",
			"%s is \"%s\"; give FIELD OP VALUE, such as mtu > 1460 or device has a=1",
			key->path, node->text);
}

static const struct nic_key *find_key(const char *path)
{
	for (size_t i = 0; i < N_KEYS; i++)
		if (strcmp(keys[i].path, path) == 0)
			return &keys[i];
	return NULL;
}

static bool begins_key(const char *path)
{
	for (size_t i = 0; i < N_KEYS; i++)
		if (strncmp(keys[i].path, path, strlen(path)) == 0)
			return true;
	return false;
}

/* A row that belongs into the map at prefix directly, and is wanted there, and is not. */
static void check_missing(struct reader *r, const struct tree_node *map, const char *prefix)
{
	size_t len = strlen(prefix);

	for (size_t i = 0; i < N_KEYS; i++) {
		const char *rest = keys[i].path + len;

		if (strncmp(keys[i].path, prefix, len) != 0 || strpbrk(rest, ".[") ||
		    !keys[i].required || tree_get(map, rest))
			continue;
		diag_error(r->diags, map->where, "NIC_MISSING", "%s is missing", keys[i].path);
	}
}

static void check_map(struct reader *r, const struct tree_node *map, const char *prefix);

/* A map, or a list of maps, whose keys begin with path. */
static void check_inner(struct reader *r, const struct tree_node *node, const char *path)
{
	char inner[PATH_BYTES_MAX + 4];

	snprintf(inner, sizeof(inner), "%s.", path);
	if (node->kind == TREE_MAP && begins_key(inner)) {
		check_map(r, node, inner);
		return;
	}
	snprintf(inner, sizeof(inner), "%s[].", path);
	if (node->kind != TREE_LIST || !begins_key(inner)) {
		diag_error(r->diags, node->where, "NIC_KEY", "%s is not a key of a profile", path);
		return;
	}
	for (const struct tree_node *c = node->first; c; c = c->next)
		check_map(r, c, inner);
}

static void check_map(struct reader *r, const struct tree_node *map, const char *prefix)
{
	char path[PATH_BYTES_MAX];

	if (map->kind != TREE_MAP) {
		diag_error(r->diags, map->where, "NIC_MAP", "%s is %s; give keys and values",
		           *prefix ? prefix : "a profile", tree_kind_text(map));
		return;
	}
	for (const struct tree_node *c = map->first; c; c = c->next) {
		const struct nic_key *key;

		snprintf(path, sizeof(path), "%s%s", prefix, c->key);
		key = find_key(path);
		if (key)
			check_value(r, key, c);
		else
			check_inner(r, c, path);
	}
	check_missing(r, map, prefix);
}

/* ---- a good file becomes a profile ------------------------------------------------------- */

static const char *text_at(const struct tree_node *map, const char *key)
{
	const struct tree_node *n = tree_get(map, key);

	return n ? n->text : NULL;
}

static uint32_t number_at(const struct tree_node *map, const char *part, const char *key)
{
	const struct tree_node *n = tree_get(tree_get(map, part), key);
	int64_t v = 0;

	if (n)
		tree_as_int(n, &v);
	return (uint32_t)v;
}

static enum offload_level level_of(const char *name)
{
	for (int l = 0; name && l < OFFLOAD_LEVELS; l++)
		if (strcmp(name, offload_level_name((enum offload_level)l)) == 0)
			return (enum offload_level)l;
	return OFFLOAD_NONE;
}

static void take_traps(struct reader *r, struct nic *nic, const struct tree_node *list)
{
	struct nic_trap *traps;

	if (!list)
		return;
	traps = arena_alloc(r->arena, list->n * sizeof(*traps) + 1);
	nic->traps = traps;
	for (const struct tree_node *c = list->first; c; c = c->next) {
		struct nic_trap *t = &traps[nic->n_traps++];
		const char *when = text_at(c, "when");

		*t = (struct nic_trap){.what = text_at(c, "what"),
		                       .remedy = text_at(c, "do"),
		                       .source = text_at(c, "source")};
		if (when)
			nic_parse_when(r->arena, when, &t->when);
	}
}

static void take(struct reader *r, struct nic *nic, const struct tree_node *map)
{
	const struct tree_node *rss = tree_get(map, "rss"), *offload = tree_get(map, "offload"),
			       *list;
	const char *least = text_at(offload, "warn_below");

	*nic = (struct nic){.family = text_at(map, "family"),
	                    .rx_queues = number_at(map, "queues", "rx"),
	                    .descs_low = number_at(map, "descriptors", "low"),
	                    .descs_high = number_at(map, "descriptors", "high"),
	                    .rx_descs = number_at(map, "settings", "rx_descs"),
	                    .tx_descs = number_at(map, "settings", "tx_descs"),
	                    .key_bytes = number_at(map, "rss", "key_bytes"),
	                    .rss = rss && strcmp(text_at(rss, "steering"), "rss") == 0,
	                    .level = level_of(least ? least : text_at(offload, "level"))};
	list = tree_get(map, "drivers");
	for (const struct tree_node *c = list->first; c && nic->n_drivers < NIC_NAMES_MAX;
	     c = c->next)
		nic->drivers[nic->n_drivers++] = c->text;
	list = tree_get(rss, "reta_sizes");
	for (const struct tree_node *c = list ? list->first : NULL;
	     c && nic->n_retas < NIC_RETAS_MAX; c = c->next)
		nic->retas[nic->n_retas++] = (uint32_t)strtoul(c->text, NULL, 10);
	take_traps(r, nic, tree_get(map, "traps"));
}

static char *read_text(struct arena *a, const char *path, size_t *len)
{
	FILE *f = fopen(path, "re");
	char *text;

	if (!f)
		return NULL;
	text = arena_alloc(a, FILE_BYTES_MAX);
	*len = fread(text, 1, FILE_BYTES_MAX, f);
	fclose(f);
	return *len < FILE_BYTES_MAX ? text : NULL;
}

static void read_file(struct nic_list *l, const char *path, struct diag_list *diags)
{
	struct reader r = {&l->arena, diags};
	uint32_t errors = diags->n_errors;
	struct tree_docs docs;
	size_t len = 0;
	char *text = read_text(&l->arena, path, &len);

	if (!text) {
		diag_error(diags, (struct where){.file = path}, "NIC_READ",
		           "is not a readable file of less than 256 KiB");
		return;
	}
	docs = tree_parse(&l->arena, path, text, len, diags);
	if (docs.n == 1)
		check_map(&r, docs.v[0], "");
	else if (diags->n_errors == errors)
		diag_error(diags, (struct where){.file = path}, "NIC_MAP",
		           "has %u documents; give one", docs.n);
	if (diags->n_errors == errors)
		take(&r, &l->v[l->n++], docs.v[0]);
}

static int is_profile(const struct dirent *e)
{
	const char *dot = strrchr(e->d_name, '.');

	return e->d_name[0] != '.' && dot && strcmp(dot, ".yaml") == 0;
}

void nic_read(struct nic_list *l, const char *folder, struct diag_list *diags)
{
	struct dirent **names = NULL;
	int n = scandir(folder, &names, is_profile, alphasort);

	memset(l, 0, sizeof(*l));
	l->v = arena_alloc(&l->arena, FILES_MAX * sizeof(*l->v));
	for (int i = 0; i < n; i++) {
		if (l->n < FILES_MAX)
			read_file(l, arena_printf(&l->arena, "%s/%s", folder, names[i]->d_name),
			          diags);
		free(names[i]);
	}
	free(names);
}

void nic_fini(struct nic_list *l)
{
	arena_fini(&l->arena);
	memset(l, 0, sizeof(*l));
}

const struct nic *nic_find(const struct nic_list *l, const char *driver)
{
	for (uint32_t i = 0; driver && i < l->n; i++)
		for (uint32_t k = 0; k < l->v[i].n_drivers; k++)
			if (strcmp(l->v[i].drivers[k], driver) == 0)
				return &l->v[i];
	return NULL;
}

/* The folder of this program, or nothing. */
static void program_folder(char *out, size_t size)
{
	ssize_t n = readlink("/proc/self/exe", out, size - 1);
	char *slash;

	out[n > 0 ? n : 0] = '\0';
	slash = strrchr(out, '/');
	if (slash)
		*slash = '\0';
}

void nic_folder(char *out, size_t size)
{
	static const char *const places[] = {"../share/weir/drivers-cfg", "../drivers-cfg"};
	const char *set = getenv("WEIR_DRIVERS_CFG");
	char here[1024];

	if (set) {
		snprintf(out, size, "%s", set);
		return;
	}
	program_folder(here, sizeof(here));
	for (unsigned i = 0; *here && i < sizeof(places) / sizeof(places[0]); i++) {
		snprintf(out, size, "%s/%s", here, places[i]);
		if (access(out, R_OK) == 0)
			return;
	}
	out[0] = '\0';
}
