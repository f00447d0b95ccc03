/* SPDX-License-Identifier: BSD-3-Clause */
#include "handoff.h"

#include "pool.h"

#include <rte_errno.h>
#include <rte_mbuf.h>

#include <stdio.h>
#include <string.h>

int handoff_connect(struct handoff *h, enum handoff_kind kind, uint32_t from, uint32_t to,
                    int socket)
{
	char name[RTE_RING_NAMESIZE];
	struct rte_ring *r;

	if (from == to || h->rings[kind][from][to])
		return 0;
	snprintf(name, sizeof(name), "weir_%s_%u_%u", kind == HANDOFF_IN ? "in" : "out", from, to);
	r = rte_ring_create(name, HANDOFF_RING_FRAMES, socket, RING_F_SP_ENQ | RING_F_SC_DEQ);
	if (!r)
		r = rte_ring_create(name, HANDOFF_RING_FRAMES, SOCKET_ID_ANY,
		                    RING_F_SP_ENQ | RING_F_SC_DEQ);
	if (!r)
		return -rte_errno;
	h->rings[kind][from][to] = r;
	return 0;
}

static void empty_ring(struct rte_ring *r, enum handoff_kind kind)
{
	void *frame;

	while (rte_ring_dequeue(r, &frame) == 0) {
		if (kind == HANDOFF_IN)
			buf_free(frame);
		else
			rte_pktmbuf_free(frame);
	}
}

void handoff_fini(struct handoff *h)
{
	for (uint32_t i = 0; i < HANDOFF_KINDS * WEIR_WORKERS_MAX * WEIR_WORKERS_MAX; i++) {
		enum handoff_kind kind = i / (WEIR_WORKERS_MAX * WEIR_WORKERS_MAX);
		uint32_t from = i / WEIR_WORKERS_MAX % WEIR_WORKERS_MAX;
		uint32_t to = i % WEIR_WORKERS_MAX;
		struct rte_ring *r = h->rings[kind][from][to];

		if (r)
			empty_ring(r, kind);
		rte_ring_free(r);
	}
	memset(h, 0, sizeof(*h));
}
