/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Which place in the workers' arrays belongs to what. An identity ("endpoint 10.0.0.1:80 of subset
 * v1 of httpbin") has the same slot in every snapshot that names it, so what workers keep there (a
 * split's cursor, connections, figures) survives a change.
 *
 * Slots are counted: each snapshot holds those it uses. When the last of them is freed the place
 * is given to another identity, with another epoch, by which workers tell the old from the new.
 *
 * Threads: any; a lock inside.
 */
#ifndef WEIR_REGISTRY_H
#define WEIR_REGISTRY_H

#include "weir/snapshot.h"

enum registry_space {
	REGISTRY_DESTS, /* struct dest_stats */
	REGISTRY_ENDPOINTS,
	REGISTRY_SUBSETS,
	REGISTRY_SPLITS,
	REGISTRY_SPACES,
};

struct registry;

/** @param capacity  number of slots of each space */
struct registry *registry_new(const uint32_t capacity[REGISTRY_SPACES]);

/** Free it, after all snapshots. NULL is fine. */
void registry_free(struct registry *r);

/**
 * The slot of an identity, taken once more.
 *
 * @param identity  any text; copied
 * @return          false when the space is full
 */
bool registry_get(struct registry *r, enum registry_space space, const char *identity,
                  struct slot *out);

/** Give back what one registry_get() took. */
void registry_put(struct registry *r, enum registry_space space, struct slot slot);

/** Slots in use, and how many there are. */
uint32_t registry_used(struct registry *r, enum registry_space space);
uint32_t registry_capacity(const struct registry *r, enum registry_space space);

/** "destinations", "endpoints", "subsets", "splits": for messages. */
const char *registry_space_name(enum registry_space space);

#endif
