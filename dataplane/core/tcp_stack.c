/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A worker's TCP stack: its memory, its lists, its clock-driven numbers.
 *
 *   memory:  struct tcp_stack | buckets of the table | connections
 *
 * Four keys are made from the one secret, so that what one use shows on the wire (sequence numbers,
 * timestamps, cookies) says nothing about the hash of the table.
 */
#include "tcp_parts.h"

#include <string.h>

#define LINE 64

static size_t round_up(size_t n)
{
	return (n + LINE - 1) & ~(size_t)(LINE - 1);
}

void tcp_config_default(struct tcp_config *c)
{
	*c = (struct tcp_config){
		.max_conns = 65536,
		.backlog = 4096,
		.rcvbuf_bytes = 256 * 1024,
		.sndbuf_bytes = 256 * 1024,
		.keepalive_idle_us = 7200ull * 1000000, /* RFC 9293 section 3.8.4 */
		.keepalive_intvl_us = 75ull * 1000000,
		.keepalive_probes = 9,
		.user_timeout_us = 120ull * 1000000, /* at least 100 s: RFC 9293 section 3.8.3 */
		.time_wait_us = 60ull * 1000000,
		.fin_wait_us = 60ull * 1000000,
		.delayed_ack_us = 40000,
		.timestamps = true,
	};
}

size_t tcp_bytes(const struct tcp_config *c)
{
	return round_up(sizeof(struct tcp_stack)) + buckets_bytes(c->max_conns) +
	       slab_bytes(c->max_conns, sizeof(struct tcp_conn));
}

static struct hash_key derive(const uint8_t secret[16], uint8_t use)
{
	struct hash_key root = hash_key_from(secret), key;
	struct ip_addr what = {.b = {use}};

	key.k[0] = hash_addr(&root, &what, 0);
	key.k[1] = hash_addr(&root, &what, 1);
	return key;
}

/* Smallest shift with which the whole receive buffer can be told in 16 bits. */
static uint8_t scale_for(uint32_t bytes)
{
	uint8_t shift = 0;

	while (shift < 14 && bytes >> shift > UINT16_MAX)
		shift++;
	return shift;
}

struct tcp_stack *tcp_init(void *memory, const struct tcp_config *c, const struct tcp_env *env)
{
	struct tcp_stack *s = memory;
	uint8_t *rest = (uint8_t *)memory + round_up(sizeof(*s));

	*s = (struct tcp_stack){.env = *env, .config = *c};
	buckets_init(&s->table, rest, c->max_conns);
	slab_init(&s->slab, rest + buckets_bytes(c->max_conns), c->max_conns,
	          sizeof(struct tcp_conn));
	s->table_key = derive(env->secret, 1);
	s->isn_key = derive(env->secret, 2);
	s->ts_key = derive(env->secret, 3);
	s->cookie_key = derive(env->secret, 4);
	s->rcv_ws = scale_for(c->rcvbuf_bytes);
	/* segments of up to 256 bytes are joined, so only larger ones count: see tcp_recv.c */
	s->rcv_bufs_max = c->rcvbuf_bytes / 256 + 16;
	s->ooo_max = c->rcvbuf_bytes / 1024 + 32;
	if (s->ooo_max > 512)
		s->ooo_max = 512;
	return s;
}

static void free_list(struct buf *b)
{
	while (b) {
		struct buf *next = b->next;

		buf_free(b);
		b = next;
	}
}

void tcp_supply(struct tcp_stack *s, enum buf_supply supply)
{
	s->scarce = supply >= BUF_SCARCE;
	s->nearly_out = supply >= BUF_NEARLY_OUT;
}

void tcp_fini(struct tcp_stack *s)
{
	for (uint32_t i = 0; i < s->slab.fresh; i++) {
		struct tcp_conn *c = tcp_conn_at(s, i);

		if (c->state == TCP_FREE)
			continue;
		timer_cancel(s->env.wheel, &c->timer);
		bufq_clear(&c->rcvq);
		bufq_clear(&c->sndq);
		free_list(c->ooo);
		c->ooo = NULL;
		c->state = TCP_FREE;
		slab_put(&s->slab, c);
	}
	buckets_init(&s->table, s->table.v, s->config.max_conns);
	memset(s->list, 0, sizeof(s->list));
	s->time_wait = (struct tcp_list){0};
	s->env.counters[COUNT_TCP_CONNS] = 0;
	s->env.counters[COUNT_TCP_TIME_WAIT] = 0;
	s->half_open = 0;
}

/* ---- lists --------------------------------------------------------------------------------- */

static bool is_linked(const struct tcp_stack *s, const struct tcp_conn *c, enum tcp_list_id id)
{
	return c->link[id].next || c->link[id].prev ||
	       s->list[id].first == slab_index(&s->slab, c) + 1;
}

void tcp_list_push(struct tcp_stack *s, struct tcp_conn *c, enum tcp_list_id id)
{
	struct tcp_list *l = &s->list[id];
	uint32_t self = slab_index(&s->slab, c) + 1;

	if (is_linked(s, c, id))
		return;
	c->link[id] = (struct tcp_link){.prev = l->last};
	if (l->last)
		tcp_conn_at(s, l->last - 1)->link[id].next = self;
	else
		l->first = self;
	l->last = self;
	l->n++;
}

void tcp_list_remove(struct tcp_stack *s, struct tcp_conn *c, enum tcp_list_id id)
{
	struct tcp_list *l = &s->list[id];
	struct tcp_link link = c->link[id];

	if (!is_linked(s, c, id))
		return;
	if (link.prev)
		tcp_conn_at(s, link.prev - 1)->link[id].next = link.next;
	else
		l->first = link.next;
	if (link.next)
		tcp_conn_at(s, link.next - 1)->link[id].prev = link.prev;
	else
		l->last = link.prev;
	c->link[id] = (struct tcp_link){0};
	l->n--;
}

struct tcp_conn *tcp_next_ready(struct tcp_stack *s, uint32_t *events)
{
	uint32_t first = s->list[TCP_LIST_READY].first;
	struct tcp_conn *c;

	if (!first)
		return NULL;
	c = tcp_conn_at(s, first - 1);
	tcp_list_remove(s, c, TCP_LIST_READY);
	*events = c->events;
	c->events = 0;
	return c;
}

/* ---- numbers ------------------------------------------------------------------------------- */

/*
 * RFC 6528: M + F(4-tuple, key). M counts 62.5 ns, not 4 us, so that a new incarnation starts beyond
 * the old one even after a transfer at 16 MB/s; it wraps in 268 s, more than twice any TIME_WAIT.
 */
uint32_t tcp_stack_isn(const struct tcp_stack *s, const struct tcp_peer *peer)
{
	uint64_t f = hash_tuple(&s->isn_key, &peer->local, &peer->remote, peer->lport, peer->rport);

	return (uint32_t)(s->now_us << 4) + (uint32_t)f;
}

uint32_t tcp_stack_ts_offset(const struct tcp_stack *s, const struct tcp_peer *peer)
{
	return (uint32_t)hash_tuple(&s->ts_key, &peer->local, &peer->remote, peer->lport,
	                            peer->rport);
}

struct hash_key tcp_hash_key(const struct tcp_stack *s)
{
	return s->table_key;
}
