/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A part of a snapshot: memory that is built once, never changed afterwards, and shared by all snapshots
 * whose documents say the same about it. It holds what belongs to it: its heap, slots of the registry,
 * Hyperscan databases, other parts.
 *
 *   snapshot --> map of parts --> pages --> part --> part
 *
 * Parts are counted: by the maps that have them, and by the parts that refer to them. The last to let go
 * frees. A map's rows lie in pages which maps share, too: a copy of a map counts up one number a page,
 * and a change copies one page. So the next snapshot costs what is different about it.
 *
 * Threads: counting is atomic, so snapshots may be freed in one thread while another builds from one
 * that is not freed. A map belongs to one thread at a time.
 */
#ifndef WEIR_PART_H
#define WEIR_PART_H

#include "diag.h"
#include "heap.h"
#include "hsdb.h"
#include "registry.h"

#include <stdatomic.h>

struct part_slot;
struct part_database;
struct part_link;

/* Begins every kind of part; lives in its own heap. */
struct part {
	atomic_uint refs;
	bool fresh; /* made by the build at work, which may still change it */
	uint64_t hash;
	const char *key; /* unique in its snapshot */
	struct heap *heap;
	struct hsdb *hsdb;
	struct registry *registry;
	struct part_slot *slots;
	struct part_database *databases;
	struct part_link *links;
	struct diag_list diags;  /* what was found while it was made; errors: only while fresh */
	struct part *next_fresh; /* of the build at work */
	void (*fini)(struct part *); /* or NULL: for what is none of the above */
};

/**
 * A new part, with one reference.
 *
 * @param size  of the whole struct, which begins with struct part; zeroed
 * @param key   copied
 * @param room  about how many bytes will be allocated in it
 */
void *part_new(size_t size, const char *key, size_t room, struct hsdb *hsdb,
               struct registry *registry);

void part_get(struct part *p);

/** Let go. NULL is fine. */
void part_put(struct part *p);

/** Have p hold another part. */
void part_hold(struct part *p, struct part *other);

/** Does p hold it already? */
bool part_holds(const struct part *p, const struct part *other);

/** Call back with every part that p holds, the last first. */
void part_each_held(const struct part *p, void (*fn)(void *arg, struct part *held), void *arg);

/** The slot of an identity, held by p. Returns false when the space is full. */
bool part_slot(struct part *p, enum registry_space space, const char *identity, struct slot *out);

/** A database, held by p; NULL with err filled. */
const struct hs_database *part_database(struct part *p, const struct hsdb_pattern *patterns,
                                        uint32_t n, struct hsdb_error *err);

/** Call back with every database that p holds. Returns false as soon as fn does. */
bool part_each_database(const struct part *p, bool (*fn)(void *arg, const struct hs_database *db),
                        void *arg);

/* ---- maps ------------------------------------------------------------------------------- */

struct partmap_page;

/* By key. All zero is an empty map. */
struct partmap {
	struct partmap_page **pages; /* NULL: an empty page */
	uint32_t mask;               /* pages - 1 */
	uint32_t n;
};

/** Make an empty map a copy of another. */
void partmap_copy(struct partmap *to, const struct partmap *from);
void partmap_fini(struct partmap *m);

/** The part of a key, or NULL. */
struct part *partmap_get(const struct partmap *m, const char *key);

/** Add, in place of one of the same key; the map gets a reference of its own. Its uses begin with 0. */
void partmap_put(struct partmap *m, struct part *p);

/** Take out; the map's reference goes. Returns false when there is none. */
bool partmap_remove(struct partmap *m, const char *key);

/** Count uses of a part in this map up or down; it must be there. Returns how many there are now. */
uint32_t partmap_use(struct partmap *m, const char *key, int change);

/** Call back with every part, in no particular order. The map must not change meanwhile. */
void partmap_each(const struct partmap *m, void (*fn)(void *arg, struct part *p), void *arg);

#endif
