/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The accepted set of documents on disk, so that a restart or a power cut comes back with it: a whole set
 * now and then, and behind it each change as it was accepted.
 *
 *   STATE/set-00000000000000000900.yaml      newest: a header line, then all objects as YAML
 *   STATE/journal-00000000000000000900.yaml  changes since, each a header line and its text
 *   STATE/set-00000000000000000007.yaml      the set before, in case the newest cannot be read,
 *   STATE/journal-00000000000000000007.yaml  and what leads from it to the newest
 *   STATE/journal-00000000000000000000.yaml  changes of an empty set, before there is any other
 *   STATE/set-N.damaged, journal-N.damaged   of no use when they were to be read; for people to look at
 *   STATE/set.tmp                            being written; ignored and overwritten
 *   STATE/lock                               held while a weir runs on this directory
 *
 *   # weir set generation=N bytes=N fnv1a=HEX       (numbers of 20 decimal digits, sums of 16 hex digits)
 *   # weir change generation=N bytes=N fnv1a=HEX    the sum covers the header up to it, and the text
 *
 * A change is appended and synced: it costs what it is long. One that was cut short by a power cut was
 * never accepted: it is left out, and overwritten by the next. When a journal has become long against its
 * set, a new set is written to set.tmp, synced, renamed and the directory synced, and a journal of
 * its own begins. The last change of a journal is the one with which the next set was written, so when a
 * set is damaged the one before and both journals give the same.
 *
 * The header line carries generation, length and a checksum, so what a disk or a hand damaged is
 * noticed. A weir before journals reads the sets only, and would go back to the newest one.
 */
#ifndef WEIR_STORE_H
#define WEIR_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* The file operations used, so that a test can let any of them fail or end the process there. */
struct store_ops {
	int (*open)(const char *path, int flags, mode_t mode);
	ssize_t (*write)(int fd, const void *data, size_t len);
	int (*fsync)(int fd);
	int (*rename)(const char *from, const char *to);
	int (*unlink)(const char *path);
	int (*truncate)(int fd, off_t len);
};
extern const struct store_ops store_ops_real;

struct store_change;

struct store {
	const struct store_ops *ops;
	char *dir;
	int lock;            /* descriptor of the lock file */
	uint64_t generation; /* of the newest set or change on disk; 0: none */
	uint64_t loaded;     /* of the set that store_load() gave; 0: none */

	uint64_t base;       /* set whose journal changes are appended to; 0: the empty one */
	uint64_t base_bytes; /* of that set */
	off_t journal_bytes; /* of whole changes in the journal */
	bool torn;           /* there is more in it, to be cut off */
	bool broken;         /* nothing may be appended: a set has to be saved first */
	struct store_change *changes; /* that store_load() found behind the set */
	uint32_t n_changes;
};

/**
 * Open a state directory, making it (mode 0750) when it is not there, and lock it.
 *
 * @param err  receives one sentence when it fails
 * @return     0 or -errno; -EBUSY when another weir holds it
 */
int store_open(struct store *store, const char *dir, const struct store_ops *ops, char *err,
               size_t err_size);

/**
 * Read the newest set that is whole, and the changes behind it: store_change().
 *
 * @param text  receives malloc'd YAML of *len bytes and a NUL, or NULL when there is no set
 * @param note  receives a sentence when something damaged had to be passed over; else ""
 * @return      0; -EBADMSG when there are sets and neither is whole nor do changes lead past them; or -errno
 */
int store_load(struct store *store, char **text, size_t *len, char *note, size_t note_size);

/** Text of change i that store_load() found, in their order; NULL when there are no more. */
const char *store_change(const struct store *store, uint32_t i, size_t *len);

/** Forget the changes that were read. */
void store_forget(struct store *store);

/**
 * Append a change. When this returns 0, it survives a power cut; when not, it does not come back.
 *
 * @param generation  above store->generation
 * @param text        what store_change() will give
 * @return            0; -EBADF when a set has to be saved first; or -errno
 */
int store_append(struct store *store, uint64_t generation, const char *text, size_t len);

/** Is the journal so long that a set should be saved? */
bool store_is_long(const struct store *store);

/**
 * Write a set. When this returns 0, the set survives a power cut; when not, what was there before does.
 *
 * @param generation  store->generation, of a set that has all changes; or above it
 * @return            0 or -errno
 */
int store_save(struct store *store, uint64_t generation, const char *text, size_t len);

/**
 * Rename a set and its journal that cannot be used to set-N.damaged: people can look at it, and it cannot push
 * a good one out. A failure is not told: the set will then be passed over again.
 */
void store_set_aside(struct store *store, uint64_t generation);

void store_close(struct store *store);

#endif
