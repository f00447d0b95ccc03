/* SPDX-License-Identifier: BSD-3-Clause */
#include "echo_worker.h"

#include "worker.h"

#include "weir/offload.h"

#include <string.h>

#define SEND_A_TURN 24
#define ETH_BYTES   14
#define EVERY       0xffffffffu

struct echo_tag {
	uint32_t owner; /* worker, or EVERY */
	uint32_t number;
};

/* In place of core's engine and layer 3. */
struct net {
	struct net_out out[NODE_PORTS_MAX];
};

struct worker {
	struct net net;
	struct worker_env env;
	struct worker_stats stats;
	struct echo_seen seen;
	uint64_t turned_us;
};

static const struct worker *workers[WEIR_WORKERS_MAX];

const struct echo_seen *echo_seen(uint32_t worker)
{
	return &workers[worker]->seen;
}

static uint16_t fill_bytes(uint32_t number)
{
	return (uint16_t)(46 + number % 1400);
}

size_t worker_bytes(const struct node *node)
{
	(void)node;
	return sizeof(struct worker);
}

struct worker *worker_init(void *memory, const struct worker_env *env, struct snapshot *first,
                           uint64_t now_us)
{
	struct worker *w = memory;

	w->env = *env;
	w->stats.generation = first->generation;
	w->turned_us = now_us;
	workers[env->id] = w;
	return w;
}

bool worker_reset(struct worker *w, uint64_t now_us)
{
	(void)w;
	(void)now_us;
	return false;
}

void worker_fini(struct worker *w)
{
	for (uint32_t i = 0; i < w->net.out[0].n; i++) /* port 0 is the only one used */
		buf_free(w->net.out[0].tx[i].buf);
}

int worker_owner(const struct worker *w, const struct buf *frame)
{
	struct echo_tag tag;

	(void)w;
	memcpy(&tag, frame->data + ETH_BYTES, sizeof(tag));
	return tag.owner == EVERY ? WORKER_EVERY : (int)tag.owner;
}

static bool is_whole(const struct buf *b, const struct echo_tag *tag)
{
	uint16_t fill = fill_bytes(tag->number);

	if (b->len != ETH_BYTES + sizeof(*tag) + fill || b->data < b->head ||
	    b->data + b->len > b->end)
		return false;
	for (uint16_t i = 0; i < fill; i++)
		if (b->data[ETH_BYTES + sizeof(*tag) + i] != (uint8_t)(tag->number + i))
			return false;
	return true;
}

static void input(struct worker *w, struct buf *frame)
{
	struct echo_tag tag;

	memcpy(&tag, frame->data + ETH_BYTES, sizeof(tag));
	if (!is_whole(frame, &tag))
		w->seen.damaged++;
	else if (tag.owner == EVERY)
		w->seen.every++;
	else if (tag.owner == w->env.id)
		w->seen.own++;
	else
		w->seen.foreign++;
	w->stats.ends[DROP_TCP_IN]++;
	buf_free(frame);
}

void worker_input(struct worker *w, struct buf *const *frames, uint32_t n, uint64_t now_us)
{
	(void)now_us;
	for (uint32_t i = 0; i < n; i++)
		input(w, frames[i]);
}

static bool send_one(struct worker *w)
{
	struct net_out *out = &w->net.out[0];
	uint32_t number = (uint32_t)w->seen.sent;
	struct echo_tag tag = {number % w->env.n_workers, number};
	struct buf *b = buf_alloc(w->env.pool);

	if (!b)
		return false;
	if (number % ECHO_EVERY == 0)
		tag.owner = EVERY;
	b->data -= ETH_BYTES;
	memset(b->data, 0x02, ETH_BYTES);
	memcpy(b->data + ETH_BYTES, &tag, sizeof(tag));
	for (uint16_t i = 0; i < fill_bytes(number); i++)
		b->data[ETH_BYTES + sizeof(tag) + i] = (uint8_t)(number + i);
	b->len = (uint16_t)(ETH_BYTES + sizeof(tag) + fill_bytes(number));
	out->tx[out->n++] = (struct net_tx){.buf = b, .frame = b->data, .len = b->len};
	w->seen.sent++;
	return true;
}

bool worker_turn(struct worker *w, uint64_t now_us, uint64_t unix_s)
{
	bool busy = false;

	(void)unix_s;
	w->turned_us = now_us;
	for (int i = 0; i < SEND_A_TURN && w->seen.sent < ECHO_FRAMES; i++)
		busy |= send_one(w);
	return busy;
}

uint64_t worker_next(const struct worker *w)
{
	return w->turned_us + 500;
}

void worker_use(struct worker *w, struct snapshot *s)
{
	w->stats.generation = s->generation;
}

void worker_drain(struct worker *w, bool on, uint64_t now_us)
{
	(void)now_us;
	w->seen.draining = on;
}

struct net *worker_net(struct worker *w)
{
	return &w->net;
}

struct worker_stats *worker_stats(struct worker *w)
{
	return &w->stats;
}

const struct offload_counts *worker_offload(const struct worker *w, uint32_t port)
{
	static const struct offload_counts none;

	(void)w;
	(void)port;
	return &none;
}

struct net_out *net_out(struct net *n, uint32_t port)
{
	return &n->out[port];
}
