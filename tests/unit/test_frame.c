/* SPDX-License-Identifier: BSD-3-Clause */
/* Frames of several buffers as chains of mbufs; DPDK's own cutting of a chain is that of the model. */
#include "eal_start.h"
#include "frame.h"
#include "model_send.h"
#include "pool.h"
#include "test.h"
#include "wire.h"

#include <rte_ethdev.h>
#include <rte_gso.h>

#include <string.h>

#define BUFS   256
#define ROOM   2048
#define L2     14
#define HEADER (L2 + IP4_LEN + 32) /* with time stamps */
#define MSS    1000
#define MOST   64

static struct buf_pool *pool;

static int start(void **state)
{
	static char name[] = "test_frame";

	(void)state;
	if (eal_start(name) < 0)
		return -1;
	pool = pool_new("pool", BUFS, ROOM, SOCKET_ID_ANY, POOL_CROWDED);
	return pool ? 0 : -1;
}

static int stop(void **state)
{
	(void)state;
	pool_free(pool);
	rte_eal_cleanup();
	return 0;
}

static struct buf *bytes(uint16_t len, uint8_t first)
{
	struct buf *b = buf_alloc(pool);

	assert_non_null(b);
	b->len = len;
	for (uint16_t i = 0; i < len; i++)
		b->data[i] = (uint8_t)(first + i * 7);
	return b;
}

/* A frame whose payload is that of q[0 .. n-1], the header in front of the first one's. */
struct chain {
	struct buf *q[MOST];
	struct net_tx tx;
	struct net_piece piece[MOST];
};

static void write_headers(struct chain *c, uint32_t payload)
{
	uint8_t *h = c->tx.frame;

	memset(h, 0, HEADER);
	wire_put16(h + ETH_TYPE, ETH_TYPE_IP4);
	wire_put32(h + L2, 0x45000000u | (HEADER - L2 + payload));
	h[L2 + IP4_TTL] = 64;
	h[L2 + IP4_PROTO] = IP_TCP;
	wire_put32(h + L2 + IP4_SRC, 0x0a000001);
	wire_put32(h + L2 + IP4_DST, 0x0a000002);
	wire_put32(h + L2 + IP4_LEN + TCP_SEQ, 0xfffff000); /* numbers wrap within the frame */
	h[L2 + IP4_LEN + TCP_OFFSET] = 8 << 4;
	h[L2 + IP4_LEN + TCP_FLAGS] = 0x19; /* ACK PSH FIN */
}

static void build(struct chain *c, uint32_t n, uint16_t last)
{
	memset(c, 0, sizeof(*c));
	for (uint32_t i = 0; i < n; i++) {
		c->q[i] = bytes(i == n - 1 ? last : MSS, (uint8_t)i);
		buf_ref(c->q[i]); /* the queue keeps one */
		if (i)
			c->piece[i - 1] = (struct net_piece){c->q[i], c->q[i]->data, c->q[i]->len};
	}
	c->tx = (struct net_tx){.buf = c->q[0],
	                        .frame = c->q[0]->data - HEADER,
	                        .len = (uint16_t)(c->q[0]->len + HEADER),
	                        .flags =
	                                NET_TX_IP_CSUM | NET_TX_TCP_CSUM | NET_TX_TSO | NET_TX_MORE,
	                        .l2_len = L2,
	                        .l3_len = IP4_LEN,
	                        .n_pieces = (uint8_t)(n - 1),
	                        .mss = MSS};
	write_headers(c, (n - 1) * MSS + last);
}

/* The first n buffers are sent again. */
static void build_again(struct chain *c, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		buf_ref(c->q[i]);
	c->tx.n_pieces = (uint8_t)(n - 1);
}

static void forget(struct chain *c, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		assert_false(buf_shared(c->q[i]));
		buf_free(c->q[i]);
	}
	assert_int_equal(rte_mempool_in_use_count(pool_mempool(pool)), 0);
}

static void a_chain_says_what_is_in_it(void **state)
{
	struct chain c;
	const struct net_piece *piece = c.piece;
	struct rte_mbuf *m;

	(void)state;
	build(&c, 3, 10);
	m = frame_mbuf(&c.tx, 5, &piece);
	assert_ptr_equal(piece, c.piece + 2);
	assert_int_equal(m->nb_segs, 3);
	assert_int_equal(m->pkt_len, HEADER + 2 * MSS + 10);
	assert_int_equal(m->port, 5);
	assert_int_equal(m->l2_len, L2);
	assert_int_equal(m->l3_len, IP4_LEN);
	assert_int_equal(m->l4_len, 32);
	assert_int_equal(m->tso_segsz, MSS);
	assert_int_equal(m->ol_flags, RTE_MBUF_F_TX_TCP_SEG | RTE_MBUF_F_TX_IPV4 |
	                                      RTE_MBUF_F_TX_IP_CKSUM | RTE_MBUF_F_TX_TCP_CKSUM);
	assert_int_equal(rte_validate_tx_offload(m), 0);
	assert_int_equal(rte_mbuf_check(m, 1, NULL), 0);
	assert_ptr_equal(rte_pktmbuf_mtod(m->next, uint8_t *), c.q[1]->data);
	assert_int_equal(m->next->next->data_len, 10);
	rte_pktmbuf_free(m);
	forget(&c, 3);
}

/* What an earlier chain wrote into an mbuf of the queue's is not there when it is sent again. */
static void a_chain_leaves_nothing_behind(void **state)
{
	struct chain c;
	const struct net_piece *piece = c.piece;
	struct net_tx alone;
	struct rte_mbuf *m;

	(void)state;
	build(&c, 4, MSS);
	rte_pktmbuf_free(frame_mbuf(&c.tx, 0, &piece));
	/* what was in the middle is the end now */
	build_again(&c, 2);
	piece = c.piece;
	m = frame_mbuf(&c.tx, 0, &piece);
	assert_int_equal(rte_mbuf_check(m, 1, NULL), 0);
	assert_null(m->next->next);
	rte_pktmbuf_free(m);
	for (uint32_t i = 0; i < 4; i++) {
		buf_ref(c.q[i]);
		alone = (struct net_tx){.buf = c.q[i], .frame = c.q[i]->data, .len = MSS};
		m = frame_mbuf(&alone, 0, &piece);
		assert_int_equal(rte_mbuf_check(m, 1, NULL), 0);
		assert_int_equal(m->nb_segs, 1);
		assert_null(m->next);
		assert_int_equal(m->tx_offload, 0);
		rte_pktmbuf_free(m);
	}
	forget(&c, 4);
}

/* Two frames of one payload at once: the second one shows it by an mbuf of its own. */
static void a_view_is_a_piece(void **state)
{
	struct buf *b = bytes(700, 3), *header = bytes(HEADER, 0), *view;
	struct net_piece pieces[1];
	const struct net_piece *piece = pieces;
	struct net_tx alone = {.buf = b, .frame = b->data, .len = 700}, tx;
	struct rte_mbuf *first, *second;

	(void)state;
	buf_ref(b);
	first = frame_mbuf(&alone, 0, &piece);
	view = buf_view(pool, b);
	assert_non_null(view);
	pieces[0] = (struct net_piece){view, view->data, view->len};
	tx = (struct net_tx){.buf = header,
	                     .frame = header->data,
	                     .len = HEADER,
	                     .flags = NET_TX_MORE,
	                     .n_pieces = 1};
	second = frame_mbuf(&tx, 0, &piece);
	assert_int_equal(rte_mbuf_check(second, 1, NULL), 0);
	assert_int_equal(second->pkt_len, HEADER + 700);
	assert_ptr_equal(rte_pktmbuf_mtod(second->next, uint8_t *), b->data);
	assert_null(first->next);
	rte_pktmbuf_free(first);
	assert_true(buf_shared(b));
	rte_pktmbuf_free(second);
	assert_false(buf_shared(b));
	buf_free(b);
	assert_int_equal(rte_mempool_in_use_count(pool_mempool(pool)), 0);
}

struct cut {
	uint32_t n, bytes;
	uint8_t frame[MOST][HEADER + MSS];
	uint32_t len[MOST];
};

static void blank_sums(uint8_t *frame)
{
	wire_put16(frame + L2 + IP4_CSUM, 0);
	wire_put16(frame + L2 + IP4_LEN + TCP_CSUM, 0);
}

static void keep(void *arg, uint32_t i, const uint8_t *frame, uint32_t len)
{
	struct cut *c = arg;

	assert_int_equal(i, c->n);
	assert_in_range(len, HEADER + 1, HEADER + MSS);
	memcpy(c->frame[i], frame, len);
	blank_sums(c->frame[i]);
	c->len[c->n++] = len;
	c->bytes += len;
}

/* DPDK's cutting does no checksums; everything else has to be the model's. */
static void compare_with_gso(uint32_t n, uint16_t last)
{
	static struct cut want;
	static struct chain c;
	const struct net_piece *piece = c.piece;
	struct rte_gso_ctx ctx = {.direct_pool = pool_mempool(pool),
	                          .indirect_pool = pool_mempool(pool),
	                          .gso_types = RTE_ETH_TX_OFFLOAD_TCP_TSO,
	                          .gso_size = HEADER + MSS};
	struct rte_mbuf *m, *got[MOST];
	struct frame_load load;
	int k;

	memset(&want, 0, sizeof(want));
	build(&c, n, last);
	assert_true(model_send(&c.tx, c.piece, MOST, keep, &want));
	m = frame_mbuf(&c.tx, 0, &piece);
	load = frame_load(m);
	assert_int_equal(load.pkts, want.n);
	assert_int_equal(load.bytes, want.bytes);
	k = rte_gso_segment(m, &ctx, got, MOST);
	assert_int_equal(k, want.n);
	for (int i = 0; i < k; i++) {
		uint8_t frame[HEADER + MSS];
		const uint8_t *p = rte_pktmbuf_read(got[i], 0, want.len[i], frame);

		assert_non_null(p);
		if (p != frame)
			memcpy(frame, p, want.len[i]);
		blank_sums(frame);
		assert_int_equal(got[i]->pkt_len, want.len[i]);
		assert_memory_equal(frame, want.frame[i], want.len[i]);
		rte_pktmbuf_free(got[i]);
	}
	rte_pktmbuf_free(m);
	forget(&c, n);
}

static void dpdk_cuts_it_as_the_model_does(void **state)
{
	(void)state;
	compare_with_gso(2, 1);
	compare_with_gso(2, MSS);
	compare_with_gso(7, 999);
	compare_with_gso(44, 500);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_chain_says_what_is_in_it),
		cmocka_unit_test(a_chain_leaves_nothing_behind),
		cmocka_unit_test(a_view_is_a_piece),
		cmocka_unit_test(dpdk_cuts_it_as_the_model_does),
	};

	return cmocka_run_group_tests(tests, start, stop);
}
