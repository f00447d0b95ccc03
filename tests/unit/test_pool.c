/* SPDX-License-Identifier: BSD-3-Clause */
/* struct buf over mbufs: bounds, references, and that both sides find each other. */
#include "eal_start.h"
#include "pool.h"
#include "test.h"

#include <string.h>

#define BUFS 64
#define ROOM 2048

static struct buf_pool *pool;

static int start(void **state)
{
	static char name[] = "test_pool";

	(void)state;
	if (eal_start(name) < 0)
		return -1;
	pool = pool_new("pool", BUFS, ROOM, SOCKET_ID_ANY, POOL_CROWDED | POOL_PACKED);
	return pool ? 0 : -1;
}

static int stop(void **state)
{
	(void)state;
	pool_free(pool);
	rte_eal_cleanup();
	return 0;
}

static void test_fresh_buffer(void **state)
{
	struct buf *b = buf_alloc(pool);

	(void)state;
	assert_non_null(b);
	assert_int_equal(buf_headroom(b), BUF_HEADROOM);
	assert_int_equal(buf_tailroom(b), ROOM);
	assert_int_equal(b->len, 0);
	assert_int_equal(b->flags, 0);
	assert_null(b->next);
	assert_false(buf_shared(b));
	assert_ptr_equal(pool_buf(pool_mbuf(b)), b);
	assert_ptr_equal(pool_mbuf(b)->buf_addr, b->head);
	memset(b->head, 0xa5, (size_t)(b->end - b->head));
	buf_free(b);
}

/* What one user left in a buffer must not reach the next. */
static void test_view_is_reset(void **state)
{
	(void)state;
	for (int i = 0; i < BUFS * 2; i++) {
		struct buf *b = buf_alloc(pool);

		assert_non_null(b);
		assert_int_equal(buf_headroom(b), BUF_HEADROOM);
		assert_int_equal(b->len, 0);
		b->len = 1000;
		b->flags = BUF_SUMMED;
		buf_pull(b, 999);
		buf_free(b);
	}
}

static void test_references(void **state)
{
	struct buf *b = buf_alloc(pool);

	(void)state;
	buf_ref(b);
	assert_true(buf_shared(b));
	buf_free(b);
	assert_false(buf_shared(b));
	buf_free(b);
	assert_int_equal(rte_mempool_in_use_count(pool_mempool(pool)), 0);
}

static void test_empty_pool(void **state)
{
	struct buf *held[BUFS];
	uint32_t n = 0;

	(void)state;
	while (n < BUFS && (held[n] = buf_alloc(pool)))
		n++;
	assert_int_equal(n, BUFS);
	assert_null(buf_alloc(pool));
	assert_null(pool_copy(pool, held[0]));
	while (n)
		buf_free(held[--n]);
	assert_int_equal(rte_mempool_in_use_count(pool_mempool(pool)), 0);
}

static void test_copy(void **state)
{
	struct buf *b = buf_alloc(pool), *copy;

	(void)state;
	b->len = 300;
	memset(b->data, 7, b->len);
	b->port = 3;
	b->flags = BUF_IP_CSUM_OK;
	copy = pool_copy(pool, b);
	assert_non_null(copy);
	assert_ptr_not_equal(copy->data, b->data);
	assert_int_equal(copy->len, 300);
	assert_int_equal(copy->port, 3);
	assert_int_equal(copy->flags, BUF_IP_CSUM_OK);
	assert_memory_equal(copy->data, b->data, 300);
	buf_free(b);
	buf_free(copy);
}

/* A view that begins in the headroom and fills the room is longer than what a copy can take. */
static void test_copy_too_long(void **state)
{
	struct buf *b = buf_alloc(pool);

	(void)state;
	b->data = b->head;
	b->len = (uint16_t)(b->end - b->head);
	assert_null(pool_copy(pool, b));
	buf_free(b);
	assert_int_equal(rte_mempool_in_use_count(pool_mempool(pool)), 0);
}

/* AF_XDP reckons with it: buffer after buffer, no gap at the borders of pages. */
static void test_packed(void **state)
{
	const struct rte_mempool_memhdr *chunk = STAILQ_FIRST(&pool_mempool(pool)->mem_list);
	struct buf_pool *big = pool_new("big", 5000, ROOM, SOCKET_ID_ANY, POOL_PACKED);

	(void)state;
	assert_int_equal(pool_mempool(pool)->nb_mem_chunks, 1);
	assert_true(chunk->len < 4096 * BUFS);
	assert_non_null(big);
	chunk = STAILQ_FIRST(&pool_mempool(big)->mem_list);
	assert_true(chunk->len <= 5000 * pool_buf_bytes(ROOM) + 4096);
	pool_free(big);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fresh_buffer), cmocka_unit_test(test_view_is_reset),
		cmocka_unit_test(test_references),   cmocka_unit_test(test_empty_pool),
		cmocka_unit_test(test_copy),         cmocka_unit_test(test_copy_too_long),
		cmocka_unit_test(test_packed),
	};

	return cmocka_run_group_tests(tests, start, stop);
}
