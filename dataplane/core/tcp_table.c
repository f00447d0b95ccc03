/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The table of connections: 4-tuple to connection, in buckets of one cache line.
 *
 * A bucket has seven entries of a tag (half of the hash) and a slab index, so a look-up touches one
 * line of the table and, unless tags collide (one in 2^31 an entry), only the right connection.
 * With at most four entries a bucket on average, fewer than one in fifteen lies outside its home.
 * The hash is keyed, so nobody outside can aim connections at one bucket.
 *
 *   home bucket     next bucket
 *   [t t t t t t t  passed=1] -> [T . . . . . .  passed=0]     T's home is full: passed counts it
 */
#include "tcp_parts.h"

#define CONNS_PER_BUCKET 4

uint32_t tcp_table_buckets(uint32_t max_conns)
{
	uint32_t n = 1;

	while ((uint64_t)n * CONNS_PER_BUCKET < max_conns)
		n *= 2;
	return n;
}

uint64_t tcp_table_hash(const struct tcp_stack *s, const struct tcp_peer *peer)
{
	return hash_tuple(&s->table_key, &peer->local, &peer->remote, peer->lport, peer->rport);
}

static uint32_t tag_of(uint64_t hash)
{
	return (uint32_t)(hash >> 32) | 1;
}

static bool is_peer(const struct tcp_conn *c, const struct tcp_peer *p)
{
	return c->peer.lport == p->lport && c->peer.rport == p->rport &&
	       ip_eq(&c->peer.remote, &p->remote) && ip_eq(&c->peer.local, &p->local);
}

struct tcp_conn *tcp_table_find(const struct tcp_stack *s, const struct tcp_peer *peer)
{
	return tcp_table_find_hashed(s, peer, tcp_table_hash(s, peer));
}

void tcp_table_fetch(const struct tcp_stack *s, uint64_t hash)
{
	__builtin_prefetch(&s->buckets[(uint32_t)hash & s->bucket_mask]);
}

struct tcp_conn *tcp_table_guess(const struct tcp_stack *s, uint64_t hash)
{
	const struct tcp_bucket *b = &s->buckets[(uint32_t)hash & s->bucket_mask];
	uint32_t tag = tag_of(hash);

	for (uint32_t k = 0; k < TCP_BUCKET_WAYS; k++)
		if (b->tag[k] == tag)
			return tcp_conn_at(s, b->conn[k]);
	return NULL;
}

struct tcp_conn *tcp_table_find_hashed(const struct tcp_stack *s, const struct tcp_peer *peer,
                                       uint64_t hash)
{
	uint32_t tag = tag_of(hash), i = (uint32_t)hash & s->bucket_mask;

	for (uint32_t left = s->bucket_mask + 1; left; left--) {
		const struct tcp_bucket *b = &s->buckets[i];

		for (uint32_t k = 0; k < TCP_BUCKET_WAYS; k++) {
			if (b->tag[k] != tag)
				continue;
			struct tcp_conn *c = tcp_conn_at(s, b->conn[k]);

			if (is_peer(c, peer))
				return c;
		}
		if (!b->passed)
			return NULL;
		i = (i + 1) & s->bucket_mask;
	}
	return NULL;
}

static uint32_t way_of(const struct tcp_bucket *b, uint32_t tag)
{
	uint32_t k = 0;

	while (k < TCP_BUCKET_WAYS && b->tag[k] != tag)
		k++;
	return k;
}

void tcp_table_add(struct tcp_stack *s, struct tcp_conn *c)
{
	uint64_t hash = tcp_table_hash(s, &c->peer);
	uint32_t i = (uint32_t)hash & s->bucket_mask, k;

	/* there are more entries than connections, so this ends */
	while ((k = way_of(&s->buckets[i], 0)) == TCP_BUCKET_WAYS) {
		s->buckets[i].passed++;
		i = (i + 1) & s->bucket_mask;
	}
	s->buckets[i].tag[k] = tag_of(hash);
	s->buckets[i].conn[k] = slab_index(&s->slab, c);
	c->flags |= TCP_F_IN_TABLE;
}

static bool take_out(struct tcp_bucket *b, uint32_t tag, uint32_t conn)
{
	for (uint32_t k = 0; k < TCP_BUCKET_WAYS; k++) {
		if (b->tag[k] == tag && b->conn[k] == conn) {
			b->tag[k] = 0;
			return true;
		}
	}
	return false;
}

void tcp_table_remove(struct tcp_stack *s, struct tcp_conn *c)
{
	uint64_t hash = tcp_table_hash(s, &c->peer);
	uint32_t i = (uint32_t)hash & s->bucket_mask, conn = slab_index(&s->slab, c);

	if (!(c->flags & TCP_F_IN_TABLE))
		return;
	while (!take_out(&s->buckets[i], tag_of(hash), conn)) {
		s->buckets[i].passed--;
		i = (i + 1) & s->bucket_mask;
	}
	c->flags &= ~TCP_F_IN_TABLE;
}
