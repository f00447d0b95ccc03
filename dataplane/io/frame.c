/* SPDX-License-Identifier: BSD-3-Clause */
#include "frame.h"

#include "pool.h"

#include <rte_tcp.h>

/*
 * The mbufs of pieces lie behind m. Those of a connection's queue keep what is written into them here until
 * they are sent again, when they are no frame's but ours; no flags: an indirect one says so there.
 */
static void chain(struct rte_mbuf *m, const struct net_piece *piece, uint32_t n)
{
	struct rte_mbuf *last = m;

	for (uint32_t i = 0; i < n; i++) {
		struct rte_mbuf *next = pool_mbuf(piece[i].buf);

		next->data_off = (uint16_t)(piece[i].data - (uint8_t *)next->buf_addr);
		next->data_len = piece[i].len;
		next->next = NULL;
		next->nb_segs = 1;
		m->pkt_len += piece[i].len;
		last->next = next;
		last = next;
	}
	m->nb_segs = (uint16_t)(n + 1);
}

/* The device is to make segments of it. */
static void ask_tso(struct rte_mbuf *m, const struct net_tx *tx)
{
	const uint8_t *l4 = tx->frame + tx->l2_len + tx->l3_len;

	m->l4_len = (uint64_t)(l4[offsetof(struct rte_tcp_hdr, data_off)] >> 4) * 4;
	m->tso_segsz = tx->mss;
	m->ol_flags |= RTE_MBUF_F_TX_TCP_SEG;
}

struct rte_mbuf *frame_mbuf(const struct net_tx *tx, uint32_t port, const struct net_piece **piece)
{
	struct rte_mbuf *m = pool_mbuf(tx->buf);

	m->data_off = (uint16_t)(tx->frame - (uint8_t *)m->buf_addr);
	m->data_len = tx->len;
	m->pkt_len = tx->len;
	m->port = (uint16_t)port;
	m->nb_segs = 1;
	m->next = NULL;
	m->ol_flags = 0;
	m->vlan_tci = 0;
	m->tx_offload = 0;
	if (!tx->flags)
		return m;
	m->tx_offload = rte_mbuf_tx_offload(tx->l2_len, tx->l3_len, 0, 0, 0, 0, 0);
	m->ol_flags = tx->frame[tx->l2_len] >> 4 == 4 ? RTE_MBUF_F_TX_IPV4 : RTE_MBUF_F_TX_IPV6;
	if (tx->flags & NET_TX_IP_CSUM)
		m->ol_flags |= RTE_MBUF_F_TX_IP_CKSUM;
	if (tx->flags & NET_TX_TCP_CSUM)
		m->ol_flags |= RTE_MBUF_F_TX_TCP_CKSUM;
	if (tx->flags & NET_TX_TSO)
		ask_tso(m, tx);
	if (tx->flags & NET_TX_MORE) {
		chain(m, *piece, tx->n_pieces);
		*piece += tx->n_pieces;
	}
	return m;
}

struct frame_load frame_load(const struct rte_mbuf *m)
{
	uint32_t header = m->l2_len + m->l3_len + m->l4_len, segments;

	if (likely(!(m->ol_flags & RTE_MBUF_F_TX_TCP_SEG)))
		return (struct frame_load){1, m->pkt_len};
	segments = (m->pkt_len - header + m->tso_segsz - 1) / m->tso_segsz;
	return (struct frame_load){segments, m->pkt_len + (segments - 1) * header};
}
