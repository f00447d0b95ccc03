/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Compiled Hyperscan databases, each made once: kept in memory while a snapshot uses them and for a
 * while after, and serialised in a directory, so that a change compiles only what is new and a
 * restart compiles nothing.
 *
 * A database is known by its patterns and flags together with Hyperscan's version and the platform.
 * The whole of that key is compared, never only its hash. A file that is damaged, cut short or made
 * by another version is ignored and replaced.
 *
 * Threads: any; a lock inside, never held while something is compiled or read.
 */
#ifndef WEIR_HSDB_H
#define WEIR_HSDB_H

#include <stddef.h>
#include <stdint.h>

struct hs_database;
struct hsdb;
struct hsdb_entry;

/* Pattern number i of a database reports matches as i's id. */
struct hsdb_pattern {
	const char *text;
	uint32_t flags; /* HS_FLAG_* */
	uint32_t id;
};

struct hsdb_error {
	uint32_t
		pattern; /* index of the pattern that is at fault; UINT32_MAX: none in particular */
	char text[256];  /* Hyperscan's reason */
};

/**
 * @param dir  existing directory for serialised databases, of this cache alone; NULL: in memory
 *             only. Of old files the newest 4096 are kept
 */
struct hsdb *hsdb_new(const char *dir);

/** Free all, after all entries were put back. NULL is fine. */
void hsdb_free(struct hsdb *h);

/**
 * The block-mode database of these patterns, from memory, from the directory, or compiled now.
 *
 * @param err  filled when NULL is returned
 * @return     an entry to give back with hsdb_put(), or NULL
 */
struct hsdb_entry *hsdb_get(struct hsdb *h, const struct hsdb_pattern *patterns, uint32_t n,
                            struct hsdb_error *err);

void hsdb_put(struct hsdb *h, struct hsdb_entry *e);

/**
 * Forget databases that nobody holds, the longest unused first, until they have at most `bytes`. Done
 * by itself with 64 MiB.
 */
void hsdb_trim(struct hsdb *h, size_t bytes);

/** Valid until hsdb_put(). */
const struct hs_database *hsdb_database(const struct hsdb_entry *e);

struct hsdb_counts {
	uint64_t compiled, loaded, reused; /* databases, since the start */
	uint64_t bytes;                    /* in memory now */
};

struct hsdb_counts hsdb_counts(struct hsdb *h);

#endif
