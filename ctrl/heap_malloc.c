/* SPDX-License-Identifier: BSD-3-Clause */
#include "heap.h"

#include <stdlib.h>
#include <string.h>

struct part {
	struct part *next;
	_Alignas(HEAP_ALIGN_PAGE) char data[];
};

struct heap {
	struct part *parts;
};

struct heap *heap_new(size_t room)
{
	struct heap *h = calloc(1, sizeof(*h));

	(void)room;
	if (!h)
		abort();
	return h;
}

void *heap_alloc(struct heap *h, size_t bytes)
{
	size_t size =
		(sizeof(struct part) + bytes + HEAP_ALIGN_PAGE) / HEAP_ALIGN_PAGE * HEAP_ALIGN_PAGE;
	struct part *p = aligned_alloc(HEAP_ALIGN_PAGE, size);

	if (!p)
		abort();
	memset(p, 0, size);
	p->next = h->parts;
	h->parts = p;
	return p->data;
}

void heap_free(struct heap *h)
{
	if (!h)
		return;
	while (h->parts) {
		struct part *next = h->parts->next;

		free(h->parts);
		h->parts = next;
	}
	free(h);
}
