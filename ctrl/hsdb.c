/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Entries hang in a hash table by their key and, while nobody holds them, in a list by last use; when
 * the unheld ones weigh too much the oldest go. A file is named after the hash of the key and
 * holds a head (magic, lengths, checksum), the key and the serialised database; it is
 * written under another name and renamed, so a reader sees all of it or none.
 */
#include "hsdb.h"

#include "strmap.h"

#include <dirent.h>
#include <hs.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define IDLE_BYTES_MAX (64u << 20) /* of databases that nobody holds */
#define FILES_MAX      4096u       /* kept in the directory */
#define DIR_BYTES_MAX  (256u << 20)
#define PRUNE_FILES    256u /* written since it was last looked through */
#define PRUNE_BYTES    (32u << 20)
#define CHAINS         4096u
#define FILE_MAGIC     0x3162646873776569ull /* "iewshdb1", little-endian */
#define FILE_BYTES_MAX (256u << 20)

struct hsdb_entry {
	struct hsdb_entry *chain;
	struct hsdb_entry *newer, *older; /* while idle */
	char *key;
	size_t key_len;
	uint64_t hash;
	hs_database_t *db;
	size_t bytes;
	uint32_t refs;
};

struct hsdb {
	pthread_mutex_t lock;
	char *dir;
	hs_platform_info_t platform;
	struct hsdb_entry *chains[CHAINS];
	struct hsdb_entry *newest, *oldest; /* idle */
	size_t idle_bytes;
	struct hsdb_counts counts;
	uint32_t new_files; /* written since the directory was last looked through */
	size_t new_bytes;
};

static void *must(void *p)
{
	if (!p)
		abort();
	return p;
}

static uint64_t hash_bytes(const char *p, size_t len)
{
	uint64_t h = 0xcbf29ce484222325ull;

	for (size_t i = 0; i < len; i++)
		h = (h ^ (uint8_t)p[i]) * 0x100000001b3ull;
	return h ^ (h >> 29);
}

static void entry_free(struct hsdb *h, struct hsdb_entry *e)
{
	h->counts.bytes -= e->bytes;
	hs_free_database(e->db);
	free(e->key);
	free(e);
}

/* ---- the directory ---------------------------------------------------------------------- */

struct cached_file {
	char *path;
	struct timespec changed;
	size_t bytes;
};

static int newest_first(const void *a, const void *b)
{
	const struct timespec *x = &((const struct cached_file *)a)->changed;
	const struct timespec *y = &((const struct cached_file *)b)->changed;

	if (x->tv_sec != y->tv_sec)
		return x->tv_sec < y->tv_sec ? 1 : -1;
	return (x->tv_nsec < y->tv_nsec) - (x->tv_nsec > y->tv_nsec);
}

/* Is it a name that file_name() makes? Nothing else is ever touched. */
static bool is_ours(const char *name)
{
	size_t digits = strspn(name, "0123456789abcdef");

	return digits == 16 && (name[16] == '\0' || strcmp(name + 16, ".new") == 0);
}

static uint32_t list_files(const char *dir, struct cached_file **out)
{
	struct cached_file *v = NULL;
	uint32_t n = 0;
	DIR *d = opendir(dir);

	for (struct dirent *e; d && (e = readdir(d));) {
		struct stat st;

		if (!is_ours(e->d_name) || fstatat(dirfd(d), e->d_name, &st, 0) != 0)
			continue;
		v = must(realloc(v, (n + 1) * sizeof(*v)));
		if (asprintf(&v[n].path, "%s/%s", dir, e->d_name) < 0)
			abort();
		v[n].changed = st.st_mtim;
		v[n++].bytes = (size_t)st.st_size;
	}
	if (d)
		closedir(d);
	*out = v;
	return n;
}

/* Keep the newest files only; at the start none that was left half written. */
static void prune(const char *dir, bool start)
{
	struct cached_file *v;
	uint32_t n = list_files(dir, &v);
	size_t bytes = 0;

	if (n > 0)
		qsort(v, n, sizeof(*v), newest_first);
	for (uint32_t i = 0; i < n; i++) {
		bool half = strstr(v[i].path, ".new") != NULL;

		bytes += v[i].bytes;
		if (half ? start : i >= FILES_MAX || bytes > DIR_BYTES_MAX)
			unlink(v[i].path);
		free(v[i].path);
	}
	free(v);
}

/* Count a file that was written, and look through the directory now and then: the disk is the store's. */
static void note_file(struct hsdb *h, size_t bytes)
{
	pthread_mutex_lock(&h->lock);
	h->new_bytes += bytes;
	bool due = ++h->new_files >= PRUNE_FILES || h->new_bytes >= PRUNE_BYTES;

	if (due) {
		h->new_files = 0;
		h->new_bytes = 0;
	}
	pthread_mutex_unlock(&h->lock);
	if (due)
		prune(h->dir, false);
}

struct hsdb *hsdb_new(const char *dir)
{
	struct hsdb *h = must(calloc(1, sizeof(*h)));

	pthread_mutex_init(&h->lock, NULL);
	h->dir = dir ? must(strdup(dir)) : NULL;
	if (hs_populate_platform(&h->platform) != HS_SUCCESS)
		abort();
	if (h->dir)
		prune(h->dir, true);
	return h;
}

void hsdb_free(struct hsdb *h)
{
	if (!h)
		return;
	for (uint32_t i = 0; i < CHAINS; i++) {
		while (h->chains[i]) {
			struct hsdb_entry *next = h->chains[i]->chain;

			entry_free(h, h->chains[i]);
			h->chains[i] = next;
		}
	}
	pthread_mutex_destroy(&h->lock);
	free(h->dir);
	free(h);
}

/* ---- key -------------------------------------------------------------------------------- */

/* Version and platform, then each pattern with its numbers; NULs keep the parts apart. */
static char *make_key(const struct hsdb *h, const struct hsdb_pattern *patterns, uint32_t n,
                      size_t *len)
{
	char *key = NULL;
	FILE *f = must(open_memstream(&key, len));

	fprintf(f, "%s %u %llx%c", hs_version(), h->platform.tune,
	        (unsigned long long)h->platform.cpu_features, 0);
	for (uint32_t i = 0; i < n; i++)
		fprintf(f, "%u %x %s%c", patterns[i].id, patterns[i].flags, patterns[i].text, 0);
	fclose(f);
	return must(key);
}

static bool has_key(const struct hsdb_entry *e, uint64_t hash, const char *key, size_t len)
{
	return e->hash == hash && e->key_len == len && memcmp(e->key, key, len) == 0;
}

/* ---- in memory -------------------------------------------------------------------------- */

static void idle_remove(struct hsdb *h, struct hsdb_entry *e)
{
	*(e->newer ? &e->newer->older : &h->newest) = e->older;
	*(e->older ? &e->older->newer : &h->oldest) = e->newer;
	h->idle_bytes -= e->bytes;
}

static void idle_add(struct hsdb *h, struct hsdb_entry *e)
{
	e->newer = NULL;
	e->older = h->newest;
	*(h->newest ? &h->newest->newer : &h->oldest) = e;
	h->newest = e;
	h->idle_bytes += e->bytes;
}

static void forget(struct hsdb *h, struct hsdb_entry *e)
{
	struct hsdb_entry **link = &h->chains[e->hash % CHAINS];

	while (*link != e)
		link = &(*link)->chain;
	*link = e->chain;
	idle_remove(h, e);
	entry_free(h, e);
}

static struct hsdb_entry *find(struct hsdb *h, uint64_t hash, const char *key, size_t len)
{
	struct hsdb_entry *e = h->chains[hash % CHAINS];

	while (e && !has_key(e, hash, key, len))
		e = e->chain;
	return e;
}

/* ---- on disk ---------------------------------------------------------------------------- */

struct file_head {
	uint64_t magic;
	uint64_t key_len;
	uint64_t db_len;
	uint64_t sum; /* hash_bytes() of key and database */
};

static void file_name(const struct hsdb *h, uint64_t hash, const char *suffix, char *out,
                      size_t size)
{
	snprintf(out, size, "%s/%016llx%s", h->dir, (unsigned long long)hash, suffix);
}

/* Key and database of a file whose head and checksum are right, or NULL. */
static char *read_body(FILE *f, struct file_head *head)
{
	if (fread(head, sizeof(*head), 1, f) != 1 || head->magic != FILE_MAGIC ||
	    head->key_len > FILE_BYTES_MAX || head->db_len > FILE_BYTES_MAX)
		return NULL;
	size_t len = head->key_len + head->db_len;
	char *body = must(malloc(len + 1));

	if (fread(body, 1, len + 1, f) == len && hash_bytes(body, len) == head->sum)
		return body;
	free(body);
	return NULL;
}

static hs_database_t *load(const struct hsdb *h, uint64_t hash, const char *key, size_t len)
{
	struct file_head head;
	hs_database_t *db = NULL;
	char path[4096];

	if (!h->dir)
		return NULL;
	file_name(h, hash, "", path, sizeof(path));
	FILE *f = fopen(path, "rbe");
	char *body = f ? read_body(f, &head) : NULL;

	if (body && head.key_len == len && memcmp(body, key, len) == 0 &&
	    hs_deserialize_database(body + len, head.db_len, &db) != HS_SUCCESS)
		db = NULL;
	free(body);
	if (f)
		fclose(f);
	return db;
}

/* A cache: what cannot be written is compiled again next time. */
static void save(struct hsdb *h, const struct hsdb_entry *e)
{
	char path[4096], temporary[4096];
	size_t db_len = 0;
	char *db = NULL;

	if (!h->dir || hs_serialize_database(e->db, &db, &db_len) != HS_SUCCESS)
		return;
	char *body = must(malloc(e->key_len + db_len));
	struct file_head head = {FILE_MAGIC, e->key_len, db_len, 0};

	memcpy(body, e->key, e->key_len);
	memcpy(body + e->key_len, db, db_len);
	head.sum = hash_bytes(body, e->key_len + db_len);
	file_name(h, e->hash, "", path, sizeof(path));
	file_name(h, e->hash, ".new", temporary, sizeof(temporary));
	FILE *f = fopen(temporary, "wbe");
	bool good = f && fwrite(&head, sizeof(head), 1, f) == 1 &&
	            fwrite(body, e->key_len + db_len, 1, f) == 1;

	if (f && fclose(f) != 0)
		good = false;
	if (good && rename(temporary, path) == 0)
		note_file(h, sizeof(head) + e->key_len + db_len);
	else
		unlink(temporary);
	free(body);
	free(db);
}

/* ---- compilation ------------------------------------------------------------------------ */

static hs_database_t *compile(const struct hsdb *h, const struct hsdb_pattern *patterns, uint32_t n,
                              struct hsdb_error *err)
{
	const char **texts = must(calloc(n, sizeof(*texts)));
	unsigned int *flags = must(calloc(n, sizeof(*flags)));
	unsigned int *ids = must(calloc(n, sizeof(*ids)));
	hs_compile_error_t *why = NULL;
	hs_database_t *db = NULL;

	for (uint32_t i = 0; i < n; i++) {
		texts[i] = patterns[i].text;
		flags[i] = patterns[i].flags;
		ids[i] = patterns[i].id;
	}
	if (hs_compile_multi(texts, flags, ids, n, HS_MODE_BLOCK, &h->platform, &db, &why) !=
	    HS_SUCCESS) {
		db = NULL;
		err->pattern = why->expression < 0 ? UINT32_MAX : (uint32_t)why->expression;
		snprintf(err->text, sizeof(err->text), "%s", why->message);
		hs_free_compile_error(why);
	}
	free(texts);
	free(flags);
	free(ids);
	return db;
}

/* Takes the key and the database. */
static struct hsdb_entry *insert(struct hsdb *h, uint64_t hash, char *key, size_t len,
                                 hs_database_t *db)
{
	struct hsdb_entry *e = must(calloc(1, sizeof(*e)));

	e->key = key;
	e->key_len = len;
	e->hash = hash;
	e->db = db;
	e->refs = 1;
	if (hs_database_size(db, &e->bytes) != HS_SUCCESS)
		e->bytes = 0;
	h->counts.bytes += e->bytes;
	e->chain = h->chains[hash % CHAINS];
	h->chains[hash % CHAINS] = e;
	return e;
}

static struct hsdb_entry *reuse(struct hsdb *h, uint64_t hash, const char *key, size_t len)
{
	pthread_mutex_lock(&h->lock);
	struct hsdb_entry *e = find(h, hash, key, len);

	if (e) {
		h->counts.reused++;
		if (e->refs++ == 0)
			idle_remove(h, e);
	}
	pthread_mutex_unlock(&h->lock);
	return e;
}

/* Two threads may make the same at the same time; then there are two, which harms nobody. */
struct hsdb_entry *hsdb_get(struct hsdb *h, const struct hsdb_pattern *patterns, uint32_t n,
                            struct hsdb_error *err)
{
	size_t len = 0;
	char *key = make_key(h, patterns, n, &len);
	uint64_t hash = hash_bytes(key, len);
	struct hsdb_entry *e = reuse(h, hash, key, len);

	if (e) {
		free(key);
		return e;
	}
	hs_database_t *loaded = load(h, hash, key, len);
	hs_database_t *db = loaded ? loaded : compile(h, patterns, n, err);

	if (!db) {
		free(key);
		return NULL;
	}
	pthread_mutex_lock(&h->lock);
	e = insert(h, hash, key, len, db);
	*(loaded ? &h->counts.loaded : &h->counts.compiled) += 1;
	pthread_mutex_unlock(&h->lock);
	if (!loaded)
		save(h, e);
	return e;
}

static void trim(struct hsdb *h, size_t bytes)
{
	for (struct hsdb_entry *e = h->oldest, *newer; e && h->idle_bytes > bytes; e = newer) {
		newer = e->newer;
		forget(h, e);
	}
}

void hsdb_put(struct hsdb *h, struct hsdb_entry *e)
{
	pthread_mutex_lock(&h->lock);
	if (--e->refs == 0) {
		idle_add(h, e);
		trim(h, IDLE_BYTES_MAX);
	}
	pthread_mutex_unlock(&h->lock);
}

void hsdb_trim(struct hsdb *h, size_t bytes)
{
	pthread_mutex_lock(&h->lock);
	trim(h, bytes);
	pthread_mutex_unlock(&h->lock);
}

const struct hs_database *hsdb_database(const struct hsdb_entry *e)
{
	return e->db;
}

struct hsdb_counts hsdb_counts(struct hsdb *h)
{
	pthread_mutex_lock(&h->lock);
	struct hsdb_counts c = h->counts;

	pthread_mutex_unlock(&h->lock);
	return c;
}
