/* SPDX-License-Identifier: BSD-3-Clause */
/* The table of connections: 4-tuple to connection (buckets.h). */
#include "tcp_parts.h"

uint64_t tcp_table_hash(const struct tcp_stack *s, const struct tcp_peer *peer)
{
	return hash_tuple(&s->table_key, &peer->local, &peer->remote, peer->lport, peer->rport);
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
	buckets_fetch(&s->table, hash);
}

struct tcp_conn *tcp_table_guess(const struct tcp_stack *s, uint64_t hash)
{
	uint32_t conn = buckets_guess(&s->table, hash);

	return conn == UINT32_MAX ? NULL : tcp_conn_at(s, conn);
}

struct tcp_conn *tcp_table_find_hashed(const struct tcp_stack *s, const struct tcp_peer *peer,
                                       uint64_t hash)
{
	struct bucket_cursor at = buckets_start(&s->table, hash);
	uint32_t conn;

	while ((conn = buckets_next(&s->table, &at)) != UINT32_MAX)
		if (is_peer(tcp_conn_at(s, conn), peer))
			return tcp_conn_at(s, conn);
	return NULL;
}

void tcp_table_add(struct tcp_stack *s, struct tcp_conn *c)
{
	buckets_add(&s->table, tcp_table_hash(s, &c->peer), slab_index(&s->slab, c));
	c->flags |= TCP_F_IN_TABLE;
}

void tcp_table_remove(struct tcp_stack *s, struct tcp_conn *c)
{
	if (!(c->flags & TCP_F_IN_TABLE))
		return;
	buckets_remove(&s->table, tcp_table_hash(s, &c->peer), slab_index(&s->slab, c));
	c->flags &= ~TCP_F_IN_TABLE;
}
