/* SPDX-License-Identifier: BSD-3-Clause */
#include "store.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define KEEP 2 /* sets on disk */

/* A start reads the journal a change at a time, some 0.1 ms each: it may be a quarter of the set. */
#define JOURNAL_LEAST ((off_t)256 << 10)
#define JOURNAL_PART  4

#define SET             "set-", ".yaml"
#define SET_DAMAGED     "set-", ".damaged"
#define JOURNAL         "journal-", ".yaml"
#define JOURNAL_DAMAGED "journal-", ".damaged"

#define HEADER_FORMAT \
	"# weir set generation=%020" PRIu64 " bytes=%020" PRIu64 " fnv1a=%016" PRIx64 "\n"
#define HEADER_BYTES 93 /* of HEADER_FORMAT filled in; store_save() checks */

#define CHANGE_MAGIC  "# weir change generation="
#define CHANGE_FORMAT CHANGE_MAGIC "%020" PRIu64 " bytes=%020" PRIu64
#define SUM_FORMAT    " fnv1a=%016" PRIx64 "\n"
#define CHANGE_SUMMED 72 /* bytes of CHANGE_FORMAT filled in, which the sum covers */
#define CHANGE_BYTES  96 /* with SUM_FORMAT; store_append() checks */

struct store_change {
	char *text;
	size_t len;
};

static int open_real(const char *path, int flags, mode_t mode)
{
	return open(path, flags, mode);
}

const struct store_ops store_ops_real = {open_real, write, fsync, rename, unlink, ftruncate};

#define SUM_START 0xcbf29ce484222325u

/* FNV-1a, 64 bit: finds damage, is no protection against forgery. */
static uint64_t checksum(uint64_t h, const char *data, size_t len)
{
	for (size_t i = 0; i < len; i++)
		h = (h ^ (uint8_t)data[i]) * 0x100000001b3u;
	return h;
}

static void make_path(const struct store *store, uint64_t generation, char *out, const char *prefix,
                      const char *suffix)
{
	snprintf(out, PATH_MAX, "%s/%s%020" PRIu64 "%s", store->dir, prefix, generation, suffix);
}

/* Generation in a file name prefix N suffix. False when it is another file. */
static bool generation_of(const char *name, const char *prefix, const char *suffix, uint64_t *out)
{
	size_t len = strlen(prefix);
	int end = 0;

	return strncmp(name, prefix, len) == 0 &&
	       sscanf(name + len, "%20" SCNu64 "%n", out, &end) == 1 &&
	       strcmp(name + len + end, suffix) == 0;
}

/* The greatest generation with this name on disk that is below a bound; 0: none. */
static uint64_t newest_below(const struct store *store, uint64_t bound, const char *prefix,
                             const char *suffix)
{
	DIR *dir = opendir(store->dir);
	const struct dirent *entry;
	uint64_t best = 0, generation;

	if (!dir)
		return 0;
	while ((entry = readdir(dir)))
		if (generation_of(entry->d_name, prefix, suffix, &generation) &&
		    generation < bound && generation > best)
			best = generation;
	closedir(dir);
	return best;
}

/* ---- opening ---------------------------------------------------------------------------- */

static int make_dirs(const char *dir)
{
	char path[PATH_MAX];

	for (const char *p = dir;; p++) {
		if (*p != '/' && *p != '\0')
			continue;
		snprintf(path, sizeof(path), "%.*s", (int)(p - dir), dir);
		if (*path && mkdir(path, 0750) < 0 && errno != EEXIST)
			return -errno;
		if (*p == '\0')
			return 0;
	}
}

int store_open(struct store *store, const char *dir, const struct store_ops *ops, char *err,
               size_t err_size)
{
	uint64_t good, damaged;
	char path[PATH_MAX];
	int rc;

	*store = (struct store){.ops = ops, .dir = strdup(dir), .lock = -1};
	if (!store->dir)
		return -ENOMEM;
	if (strlen(dir) > PATH_MAX - 64)
		rc = -ENAMETOOLONG;
	else
		rc = make_dirs(dir);
	if (rc < 0) {
		snprintf(err, err_size, "state directory %s cannot be made: %s", dir,
		         strerror(-rc));
		goto fail;
	}
	snprintf(path, sizeof(path), "%.4000s/lock", dir);
	store->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0640);
	if (store->lock < 0) {
		rc = -errno;
		snprintf(err, err_size, "state directory %s cannot be used: %s", dir,
		         strerror(-rc));
		goto fail;
	}
	if (flock(store->lock, LOCK_EX | LOCK_NB) < 0) {
		rc = errno == EWOULDBLOCK ? -EBUSY : -errno;
		snprintf(err, err_size, "state directory %s is in use by another weir", dir);
		goto fail;
	}
	good = newest_below(store, UINT64_MAX, SET);
	damaged = newest_below(store, UINT64_MAX, SET_DAMAGED);
	store->generation = good > damaged ? good : damaged;
	return 0; /* the changes are counted when they are read */
fail:
	store_close(store);
	return rc;
}

void store_forget(struct store *store)
{
	for (uint32_t i = 0; i < store->n_changes; i++)
		free(store->changes[i].text);
	free(store->changes);
	store->changes = NULL;
	store->n_changes = 0;
}

const char *store_change(const struct store *store, uint32_t i, size_t *len)
{
	if (i >= store->n_changes)
		return NULL;
	*len = store->changes[i].len;
	return store->changes[i].text;
}

void store_close(struct store *store)
{
	store_forget(store);
	if (store->lock >= 0)
		close(store->lock);
	free(store->dir);
	*store = (struct store){.lock = -1};
}

/* ---- reading ---------------------------------------------------------------------------- */

static int read_whole(const char *path, char **out, size_t *len)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC), rc = 0;
	struct stat st;
	size_t got = 0;
	char *buf = NULL;

	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) < 0 || !(buf = malloc((size_t)st.st_size + 1))) {
		rc = -errno;
		goto out;
	}
	while (got < (size_t)st.st_size) {
		ssize_t n = read(fd, buf + got, (size_t)st.st_size - got);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			rc = n < 0 ? -errno : -EBADMSG;
			goto out;
		}
		got += (size_t)n;
	}
	buf[got] = '\0';
	*len = got;
out:
	close(fd);
	if (rc < 0) {
		free(buf);
		buf = NULL;
	}
	*out = buf;
	return rc;
}

/* Read the set of one generation and check it against its header. */
static int read_set(const struct store *store, uint64_t generation, char **out, size_t *len)
{
	uint64_t g, bytes, sum;
	char path[PATH_MAX], *buf = NULL;
	size_t all = 0;
	int rc;

	make_path(store, generation, path, SET);
	rc = read_whole(path, &buf, &all);
	if (rc < 0)
		return rc;
	if (all < HEADER_BYTES || buf[HEADER_BYTES - 1] != '\n' ||
	    sscanf(buf, "# weir set generation=%" SCNu64 " bytes=%" SCNu64 " fnv1a=%" SCNx64 "\n",
	           &g, &bytes, &sum) != 3 ||
	    g != generation || bytes != all - HEADER_BYTES ||
	    sum != checksum(SUM_START, buf + HEADER_BYTES, all - HEADER_BYTES)) {
		free(buf);
		return -EBADMSG;
	}
	*len = all - HEADER_BYTES;
	memmove(buf, buf + HEADER_BYTES, *len + 1);
	*out = buf;
	return 0;
}

/* A damaged set must not push a good one out. Its journal may still follow from the one before. */
static void set_aside(const struct store *store, uint64_t generation)
{
	char from[PATH_MAX], to[PATH_MAX];

	make_path(store, generation, from, SET);
	make_path(store, generation, to, SET_DAMAGED);
	store->ops->rename(from, to); /* on failure it will be passed over again next time */
}

void store_set_aside(struct store *store, uint64_t generation)
{
	char from[PATH_MAX], to[PATH_MAX];

	store->broken = true;
	set_aside(store, generation);
	make_path(store, generation, from, JOURNAL);
	make_path(store, generation, to, JOURNAL_DAMAGED);
	store->ops->rename(from, to); /* there may be none */
}

/* ---- reading changes -------------------------------------------------------------------- */

enum found {
	FOUND_CHANGE,
	FOUND_END,
	FOUND_TORN,    /* the last one was being written when the power went */
	FOUND_DAMAGED, /* what comes next was accepted and cannot be read */
};

static bool is_zero(const char *p, size_t len)
{
	while (len > 0 && *p == '\0')
		p++, len--;
	return len == 0;
}

/*
 * Cut short, or zeros where the file had grown and its bytes were not written: nothing follows that was
 * accepted. A number in the header that is wrong looks cut short, too, but others follow.
 */
static enum found torn_or_damaged(const char *p, size_t len)
{
	bool last =
		len < CHANGE_BYTES || !memmem(p + 1, len - 1, CHANGE_MAGIC, strlen(CHANGE_MAGIC));
	bool begun = len >= strlen(CHANGE_MAGIC)
	                     ? memcmp(p, CHANGE_MAGIC, strlen(CHANGE_MAGIC)) == 0
	                     : memcmp(p, CHANGE_MAGIC, len) == 0;
	uint64_t bytes;
	bool cut =
		len < CHANGE_BYTES || (sscanf(p, CHANGE_MAGIC "%*u bytes=%" SCNu64, &bytes) == 1 &&
	                               bytes > len - CHANGE_BYTES);

	if (is_zero(p, len))
		return FOUND_TORN;
	return last && begun && (cut || memchr(p, '\0', len)) ? FOUND_TORN : FOUND_DAMAGED;
}

static bool read_header(const char *p, size_t len, uint64_t *generation, uint64_t *text_len,
                        uint64_t *sum)
{
	char again[CHANGE_BYTES + 1];

	if (len < CHANGE_BYTES ||
	    sscanf(p, CHANGE_FORMAT SUM_FORMAT, generation, text_len, sum) != 3)
		return false;
	snprintf(again, sizeof(again), CHANGE_FORMAT SUM_FORMAT, *generation, *text_len, *sum);
	return memcmp(p, again, CHANGE_BYTES) == 0; /* sscanf() takes more than was written */
}

/* The change at p, above generation after; *generation and *text_len are filled when there is one. */
static enum found next_change(const char *p, size_t len, uint64_t after, uint64_t *generation,
                              uint64_t *text_len)
{
	uint64_t sum;

	if (len == 0)
		return FOUND_END;
	if (!read_header(p, len, generation, text_len, &sum) || *text_len > len - CHANGE_BYTES ||
	    *generation <= after ||
	    sum != checksum(checksum(SUM_START, p, CHANGE_SUMMED), p + CHANGE_BYTES, *text_len))
		return torn_or_damaged(p, len);
	return FOUND_CHANGE;
}

static void add_change(struct store *store, const char *text, size_t len)
{
	struct store_change *c;

	store->changes = reallocarray(store->changes, store->n_changes + 1, sizeof(*c));
	c = store->changes ? &store->changes[store->n_changes++] : NULL;
	if (!c || !(c->text = malloc(len + 1)))
		abort(); /* as arena.h says */
	memcpy(c->text, text, len);
	c->text[len] = '\0';
	c->len = len;
}

/* Numbers that were given to changes which cannot be read are not given again. */
static void count_past(struct store *store, const char *p, size_t len)
{
	const char *end = p + len;
	uint64_t generation;

	while ((p = memmem(p, (size_t)(end - p), CHANGE_MAGIC, strlen(CHANGE_MAGIC)))) {
		p += strlen(CHANGE_MAGIC);
		if (sscanf(p, "%20" SCNu64, &generation) == 1 && generation < UINT64_MAX / 2 &&
		    generation > store->generation)
			store->generation = generation;
	}
}

/* Read the journal of a set. Returns the generation of its last change, or of the set. */
static uint64_t read_journal(struct store *store, uint64_t base, enum found *found)
{
	uint64_t last = base, generation, text_len;
	char path[PATH_MAX], *buf = NULL;
	size_t len = 0, at = 0;
	int rc;

	make_path(store, base, path, JOURNAL);
	rc = read_whole(path, &buf, &len);
	*found = rc == 0 || rc == -ENOENT ? FOUND_END : FOUND_DAMAGED;
	while (rc == 0 && (*found = next_change(buf + at, len - at, last, &generation,
	                                        &text_len)) == FOUND_CHANGE) {
		add_change(store, buf + at + CHANGE_BYTES, text_len);
		at += CHANGE_BYTES + text_len;
		last = generation;
	}
	if (last > store->generation)
		store->generation = last;
	if (*found == FOUND_DAMAGED && rc == 0)
		count_past(store, buf + at, len - at);
	store->base = base;
	store->journal_bytes = (off_t)at;
	store->torn = at < len;
	free(buf);
	return last;
}

static bool has_journal(const struct store *store, uint64_t base)
{
	char path[PATH_MAX];

	make_path(store, base, path, JOURNAL);
	return access(path, F_OK) == 0;
}

/*
 * The journal of the set that was read, and when it leads to a newer set that could not be, that one's.
 * Returns the generation reached.
 */
static uint64_t read_journals(struct store *store, enum found *found)
{
	uint64_t base = store->loaded, last = read_journal(store, base, found);

	while (*found == FOUND_END && last > base && has_journal(store, last)) {
		base = last;
		last = read_journal(store, base, found);
	}
	return last;
}

/* Which set could not be read, and what is used in its place. */
static void write_note(const struct store *store, uint64_t set, uint64_t last, char *note,
                       size_t note_size)
{
	if (last < set)
		snprintf(note, note_size,
		         "stored set %" PRIu64 " is damaged or unreadable; set %" PRIu64
		         " is used instead",
		         set, last);
	else if (store->loaded < set)
		snprintf(note, note_size,
		         "stored set %" PRIu64 " is damaged or unreadable; an older one and the "
		         "changes since are used instead",
		         set);
}

int store_load(struct store *store, char **text, size_t *len, char *note, size_t note_size)
{
	uint64_t newest = newest_below(store, UINT64_MAX, SET), g, last;
	uint64_t journal = newest_below(store, UINT64_MAX, JOURNAL);
	enum found found;
	int rc = 0;

	*text = NULL;
	*len = 0;
	*note = '\0';
	store_forget(store);
	for (g = newest; g > 0; g = newest_below(store, g, SET)) {
		rc = read_set(store, g, text, len);
		if (rc == 0)
			break;
		if (rc == -EBADMSG)
			set_aside(store, g);
	}
	store->loaded = g;
	store->base_bytes = *len;
	last = read_journals(store, &found);
	write_note(store, last < journal ? journal : newest, last, note, note_size);
	newest = journal > newest ? journal : newest;
	store->broken = found == FOUND_DAMAGED || last < newest;
	if (found == FOUND_DAMAGED)
		snprintf(note, note_size,
		         "the stored change after number %" PRIu64
		         " is damaged; what was stored until then is used",
		         last);
	if (last > 0 || newest == 0)
		return 0;
	snprintf(note, note_size, "no stored set in %s can be read: %s", store->dir,
	         rc == 0 || rc == -EBADMSG ? "damaged" : strerror(-rc));
	return rc < 0 ? rc : -EBADMSG;
}

/* ---- writing ---------------------------------------------------------------------------- */

static int write_all(const struct store_ops *ops, int fd, const char *data, size_t len)
{
	while (len > 0) {
		ssize_t n = ops->write(fd, data, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EIO;
		data += n;
		len -= (size_t)n;
	}
	return 0;
}

static int write_synced(const struct store_ops *ops, const char *path, const char *header,
                        const char *text, size_t len)
{
	int fd = ops->open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640), rc;

	if (fd < 0)
		return -errno;
	rc = write_all(ops, fd, header, strlen(header));
	if (rc == 0)
		rc = write_all(ops, fd, text, len);
	if (rc == 0 && ops->fsync(fd) < 0)
		rc = -errno;
	close(fd);
	return rc;
}

static int sync_dir(const struct store *store)
{
	int fd = store->ops->open(store->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0), rc = 0;

	if (fd < 0)
		return -errno;
	if (store->ops->fsync(fd) < 0)
		rc = -errno;
	close(fd);
	return rc;
}

/* Remove files of this name that are older than a generation. A failure leaves too many and is not told. */
static void remove_below(const struct store *store, uint64_t generation, const char *prefix,
                         const char *suffix)
{
	char path[PATH_MAX];
	uint64_t g = generation;

	while ((g = newest_below(store, g, prefix, suffix)) > 0) {
		make_path(store, g, path, prefix, suffix);
		if (store->ops->unlink(path) < 0)
			return;
	}
}

/* Keep the newest few sets and what leads from the oldest of them to now. */
static void prune(const struct store *store)
{
	uint64_t oldest = UINT64_MAX;
	char path[PATH_MAX];

	for (int kept = 0; kept < KEEP && oldest > 0; kept++)
		oldest = newest_below(store, oldest, SET);
	if (oldest == 0)
		return;
	remove_below(store, oldest, SET);
	remove_below(store, oldest, JOURNAL);
	make_path(store, 0, path, JOURNAL);
	if (has_journal(store, 0))
		store->ops->unlink(path);
}

int store_save(struct store *store, uint64_t generation, const char *text, size_t len)
{
	char header[HEADER_BYTES + 1], tmp[PATH_MAX], path[PATH_MAX];
	int rc;

	if (snprintf(header, sizeof(header), HEADER_FORMAT, generation, (uint64_t)len,
	             checksum(SUM_START, text, len)) != HEADER_BYTES)
		return -EINVAL;
	snprintf(tmp, sizeof(tmp), "%.4000s/set.tmp", store->dir);
	make_path(store, generation, path, SET);
	rc = write_synced(store->ops, tmp, header, text, len);
	if (rc == 0 && store->ops->rename(tmp, path) < 0)
		rc = -errno;
	if (rc < 0) {
		store->ops->unlink(tmp); /* a part of a set would keep a full disk full */
		return rc;
	}
	rc = sync_dir(store);
	if (rc < 0) {
		store->ops->unlink(
			path); /* not sure to survive: it must not come back as accepted */
		return rc;
	}
	store->generation = store->base = generation;
	store->base_bytes = len;
	store->journal_bytes = 0;
	store->torn = store->broken = false;
	prune(store);
	return 0;
}

/* ---- appending -------------------------------------------------------------------------- */

/* Header and text in one piece, malloc'd; NULL when there is no memory. */
static char *make_record(uint64_t generation, const char *text, size_t len)
{
	char *record = malloc(CHANGE_BYTES + len + 1);
	uint64_t sum;

	if (!record)
		return NULL;
	if (snprintf(record, CHANGE_BYTES, CHANGE_FORMAT, generation, (uint64_t)len) !=
	    CHANGE_SUMMED)
		abort(); /* the numbers have a fixed width */
	sum = checksum(checksum(SUM_START, record, CHANGE_SUMMED), text, len);
	if (snprintf(record + CHANGE_SUMMED, CHANGE_BYTES - CHANGE_SUMMED + 1, SUM_FORMAT, sum) !=
	    CHANGE_BYTES - CHANGE_SUMMED)
		abort();
	memcpy(record + CHANGE_BYTES, text, len);
	return record;
}

/* What was not accepted must not come back. Where that cannot be made sure, a set is to follow. */
static void cut_off(struct store *store, int fd)
{
	store->torn = true;
	if (store->ops->truncate(fd, store->journal_bytes) < 0 || store->ops->fsync(fd) < 0)
		store->broken = true;
	else
		store->torn = false;
}

static int write_record(struct store *store, int fd, const char *record, size_t len)
{
	int rc = 0;

	if (store->torn && store->ops->truncate(fd, store->journal_bytes) < 0)
		return -errno;
	store->torn = false;
	rc = write_all(store->ops, fd, record, len);
	if (rc == 0 && store->ops->fsync(fd) < 0)
		rc = -errno;
	if (rc == 0 && store->journal_bytes == 0)
		rc = sync_dir(store); /* which the file may be new in */
	if (rc < 0)
		cut_off(store, fd);
	return rc;
}

int store_append(struct store *store, uint64_t generation, const char *text, size_t len)
{
	char path[PATH_MAX], *record;
	int fd, rc;

	if (store->broken)
		return -EBADF;
	/* opened each time: into a directory that was taken away nothing is written that is lost */
	make_path(store, store->base, path, JOURNAL);
	fd = store->ops->open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
	if (fd < 0)
		return -errno;
	record = make_record(generation, text, len);
	rc = record ? write_record(store, fd, record, CHANGE_BYTES + len) : -ENOMEM;
	free(record);
	close(fd);
	if (rc < 0)
		return rc;
	store->generation = generation;
	store->journal_bytes += (off_t)(CHANGE_BYTES + len);
	return 0;
}

bool store_is_long(const struct store *store)
{
	return store->journal_bytes > JOURNAL_LEAST &&
	       store->journal_bytes > (off_t)(store->base_bytes / JOURNAL_PART);
}
