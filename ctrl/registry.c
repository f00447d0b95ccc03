/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One array of slots a space. A hash table chains used slots by identity; free ones form a stack. The
 * epoch of a place counts how often it was given to a new identity.
 */
#include "registry.h"

#include "strmap.h"

#include <pthread.h>
#include <stdlib.h>

#define NONE UINT32_MAX

struct place {
	char *identity; /* NULL: free */
	uint32_t epoch;
	uint32_t refs;
	uint32_t next; /* in its chain, or in the stack of free places */
};

struct space {
	struct place *places;
	uint32_t *chains; /* [mask + 1] first place, or NONE */
	uint32_t mask;
	uint32_t capacity;
	uint32_t used;
	uint32_t free;
};

struct registry {
	pthread_mutex_t lock;
	struct space spaces[REGISTRY_SPACES];
};

static void *must(void *p)
{
	if (!p)
		abort();
	return p;
}

static void space_init(struct space *s, uint32_t capacity)
{
	s->capacity = capacity;
	for (s->mask = 1; s->mask < capacity; s->mask = s->mask * 2 + 1)
		;
	s->places = must(calloc(capacity ? capacity : 1, sizeof(*s->places)));
	s->chains = must(malloc(((size_t)s->mask + 1) * sizeof(*s->chains)));
	for (size_t i = 0; i <= s->mask; i++)
		s->chains[i] = NONE;
	s->free = capacity ? 0 : NONE;
	for (uint32_t i = 0; i < capacity; i++)
		s->places[i].next = i + 1 < capacity ? i + 1 : NONE;
}

struct registry *registry_new(const uint32_t capacity[REGISTRY_SPACES])
{
	struct registry *r = must(calloc(1, sizeof(*r)));

	pthread_mutex_init(&r->lock, NULL);
	for (int i = 0; i < REGISTRY_SPACES; i++)
		space_init(&r->spaces[i], capacity[i]);
	return r;
}

void registry_free(struct registry *r)
{
	if (!r)
		return;
	for (int i = 0; i < REGISTRY_SPACES; i++) {
		struct space *s = &r->spaces[i];

		for (uint32_t k = 0; k < s->capacity; k++)
			free(s->places[k].identity);
		free(s->places);
		free(s->chains);
	}
	pthread_mutex_destroy(&r->lock);
	free(r);
}

static uint32_t *chain_of(struct space *s, const char *identity)
{
	return &s->chains[strmap_hash(identity) & s->mask];
}

static uint32_t find(struct space *s, const char *identity)
{
	uint32_t i = *chain_of(s, identity);

	while (i != NONE && strcmp(s->places[i].identity, identity) != 0)
		i = s->places[i].next;
	return i;
}

static uint32_t claim(struct space *s, const char *identity)
{
	uint32_t i = s->free, *chain = chain_of(s, identity);

	if (i == NONE)
		return NONE;
	struct place *p = &s->places[i];

	s->free = p->next;
	s->used++;
	p->identity = must(strdup(identity));
	p->epoch = p->epoch == UINT32_MAX ? 1 : p->epoch + 1;
	p->next = *chain;
	*chain = i;
	return i;
}

static void release(struct space *s, uint32_t i)
{
	struct place *p = &s->places[i];
	uint32_t *link = chain_of(s, p->identity);

	while (*link != i)
		link = &s->places[*link].next;
	*link = p->next;
	free(p->identity);
	p->identity = NULL;
	p->next = s->free;
	s->free = i;
	s->used--;
}

bool registry_get(struct registry *r, enum registry_space space, const char *identity,
                  struct slot *out)
{
	struct space *s = &r->spaces[space];

	pthread_mutex_lock(&r->lock);
	uint32_t i = find(s, identity);

	if (i == NONE)
		i = claim(s, identity);
	if (i != NONE) {
		s->places[i].refs++;
		*out = (struct slot){.index = i, .epoch = s->places[i].epoch};
	}
	pthread_mutex_unlock(&r->lock);
	return i != NONE;
}

void registry_put(struct registry *r, enum registry_space space, struct slot slot)
{
	struct space *s = &r->spaces[space];

	pthread_mutex_lock(&r->lock);
	if (--s->places[slot.index].refs == 0)
		release(s, slot.index);
	pthread_mutex_unlock(&r->lock);
}

uint32_t registry_used(struct registry *r, enum registry_space space)
{
	pthread_mutex_lock(&r->lock);
	uint32_t used = r->spaces[space].used;

	pthread_mutex_unlock(&r->lock);
	return used;
}

uint32_t registry_capacity(const struct registry *r, enum registry_space space)
{
	return r->spaces[space].capacity;
}

const char *registry_space_name(enum registry_space space)
{
	static const char *const names[] = {"destinations", "endpoints", "subsets", "splits"};

	return names[space];
}
