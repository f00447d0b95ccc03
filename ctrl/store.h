/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The accepted set of documents on disk, so that a restart or a power cut comes back with it.
 *
 *   STATE/set-00000000000000000008.yaml   newest: a header line, then all objects as YAML
 *   STATE/set-00000000000000000007.yaml   the one before, in case the newest cannot be read
 *   STATE/set-N.damaged                   found damaged when it was to be read; for people to look at
 *   STATE/set.tmp                         being written; ignored and overwritten
 *   STATE/lock                            held while a weir runs on this directory
 *
 * A set is written to set.tmp, synced, renamed and the directory synced: at every moment there is
 * a whole newest set. The header line carries generation, length and a checksum of the text, so a
 * file that a disk or a hand damaged is noticed and the one before it is used.
 */
#ifndef WEIR_STORE_H
#define WEIR_STORE_H

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
};
extern const struct store_ops store_ops_real;

struct store {
	const struct store_ops *ops;
	char *dir;
	int lock;            /* descriptor of the lock file */
	uint64_t generation; /* of the newest set on disk; 0: none */
	uint64_t loaded;     /* of the set that store_load() gave; 0: none */
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
 * Read the newest set that is whole.
 *
 * @param text  receives malloc'd YAML of *len bytes and a NUL, or NULL when nothing is stored
 * @param note  receives a sentence when a newer set had to be passed over or none could be read;
 *              else ""
 * @return      0; -EBADMSG when there are sets and none is whole; or -errno
 */
int store_load(struct store *store, char **text, size_t *len, char *note, size_t note_size);

/**
 * Write a set. When this returns 0, the set survives a power cut; when not, the one before does.
 *
 * @param generation  above store->generation
 * @return            0 or -errno
 */
int store_save(struct store *store, uint64_t generation, const char *text, size_t len);

/**
 * Rename a set that cannot be used to set-N.damaged: people can look at it, and it cannot push a good
 * one out. A failure is not told: the set will then be passed over again.
 */
void store_set_aside(const struct store *store, uint64_t generation);

void store_close(struct store *store);

#endif
