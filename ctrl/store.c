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

#define SET     ".yaml"
#define DAMAGED ".damaged"

#define HEADER_FORMAT \
	"# weir set generation=%020" PRIu64 " bytes=%020" PRIu64 " fnv1a=%016" PRIx64 "\n"
#define HEADER_BYTES 93 /* of HEADER_FORMAT filled in; store_save() checks */

static int open_real(const char *path, int flags, mode_t mode)
{
	return open(path, flags, mode);
}

const struct store_ops store_ops_real = {open_real, write, fsync, rename, unlink};

/* FNV-1a, 64 bit: finds damage, is no protection against forgery. */
static uint64_t checksum(const char *data, size_t len)
{
	uint64_t h = 0xcbf29ce484222325u;

	for (size_t i = 0; i < len; i++)
		h = (h ^ (uint8_t)data[i]) * 0x100000001b3u;
	return h;
}

static void set_path(const struct store *store, uint64_t generation, const char *suffix, char *out)
{
	snprintf(out, PATH_MAX, "%s/set-%020" PRIu64 "%s", store->dir, generation, suffix);
}

/* Generation in a file name "set-N" + suffix, 0 when it is another file. */
static uint64_t generation_of(const char *name, const char *suffix)
{
	uint64_t generation;
	int end = 0;

	if (sscanf(name, "set-%20" SCNu64 "%n", &generation, &end) != 1 ||
	    strcmp(name + end, suffix) != 0)
		return 0;
	return generation;
}

/* The greatest generation with this suffix on disk that is below a bound; 0: none. */
static uint64_t newest_below(const struct store *store, const char *suffix, uint64_t bound)
{
	DIR *dir = opendir(store->dir);
	const struct dirent *entry;
	uint64_t best = 0;

	if (!dir)
		return 0;
	while ((entry = readdir(dir))) {
		uint64_t generation = generation_of(entry->d_name, suffix);

		if (generation < bound && generation > best)
			best = generation;
	}
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
	good = newest_below(store, SET, UINT64_MAX);
	damaged = newest_below(store, DAMAGED, UINT64_MAX);
	store->generation = good > damaged ? good : damaged;
	return 0;
fail:
	store_close(store);
	return rc;
}

void store_close(struct store *store)
{
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

	set_path(store, generation, SET, path);
	rc = read_whole(path, &buf, &all);
	if (rc < 0)
		return rc;
	if (all < HEADER_BYTES || buf[HEADER_BYTES - 1] != '\n' ||
	    sscanf(buf, "# weir set generation=%" SCNu64 " bytes=%" SCNu64 " fnv1a=%" SCNx64 "\n",
	           &g, &bytes, &sum) != 3 ||
	    g != generation || bytes != all - HEADER_BYTES ||
	    sum != checksum(buf + HEADER_BYTES, all - HEADER_BYTES)) {
		free(buf);
		return -EBADMSG;
	}
	*len = all - HEADER_BYTES;
	memmove(buf, buf + HEADER_BYTES, *len + 1);
	*out = buf;
	return 0;
}

void store_set_aside(const struct store *store, uint64_t generation)
{
	char from[PATH_MAX], to[PATH_MAX];

	set_path(store, generation, SET, from);
	set_path(store, generation, DAMAGED, to);
	if (store->ops->rename(from, to) < 0)
		return; /* it will be passed over again next time */
}

int store_load(struct store *store, char **text, size_t *len, char *note, size_t note_size)
{
	uint64_t newest = newest_below(store, SET, UINT64_MAX);
	int rc = 0;

	*text = NULL;
	*len = 0;
	*note = '\0';
	for (uint64_t g = newest; g > 0; g = newest_below(store, SET, g)) {
		rc = read_set(store, g, text, len);
		if (rc == 0 && g != newest)
			snprintf(note, note_size,
			         "stored set %" PRIu64 " is damaged or unreadable; set %" PRIu64
			         " is used instead",
			         newest, g);
		if (rc == 0) {
			store->loaded = g;
			return 0;
		}
		if (rc == -EBADMSG)
			store_set_aside(store, g);
	}
	if (newest > 0)
		snprintf(note, note_size, "no stored set in %s can be read: %s", store->dir,
		         rc == -EBADMSG ? "damaged" : strerror(-rc));
	return rc;
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

/* Remove all sets but the newest few. A failure leaves a file too many and is not told. */
static void prune(const struct store *store)
{
	uint64_t g = UINT64_MAX;
	char path[PATH_MAX];

	for (int kept = 0; kept < KEEP; kept++)
		g = newest_below(store, SET, g);
	while (g > 0 && (g = newest_below(store, SET, g)) > 0) {
		set_path(store, g, SET, path);
		if (store->ops->unlink(path) < 0)
			return;
	}
}

int store_save(struct store *store, uint64_t generation, const char *text, size_t len)
{
	char header[HEADER_BYTES + 1], tmp[PATH_MAX], path[PATH_MAX];
	int rc;

	if (snprintf(header, sizeof(header), HEADER_FORMAT, generation, (uint64_t)len,
	             checksum(text, len)) != HEADER_BYTES)
		return -EINVAL;
	snprintf(tmp, sizeof(tmp), "%.4000s/set.tmp", store->dir);
	set_path(store, generation, SET, path);
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
	store->generation = generation;
	prune(store);
	return 0;
}
