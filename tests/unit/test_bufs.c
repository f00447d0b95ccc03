/* SPDX-License-Identifier: BSD-3-Clause */
#include "bufs.h"
#include "test.h"

#include <string.h>

static void limit_is_met(void **state)
{
	struct buf_pool pool = bufs_pool(2);
	struct buf *a = buf_alloc(&pool), *b = buf_alloc(&pool);

	(void)state;
	assert_non_null(a);
	assert_non_null(b);
	assert_null(buf_alloc(&pool));
	assert_int_equal(pool.refused, 1);
	buf_free(a);
	a = buf_alloc(&pool);
	assert_non_null(a);
	assert_int_equal(buf_headroom(a), BUF_HEADROOM);
	assert_int_equal(buf_tailroom(a), BUFS_ROOM);
	assert_int_equal(a->len, 0);
	buf_free(a);
	buf_free(b);
	assert_int_equal(pool.live, 0);
}

static void shared_until_the_other_is_gone(void **state)
{
	struct buf_pool pool = bufs_pool(1);
	struct buf *b = bufs_from(&pool, "abc", 3);

	(void)state;
	assert_memory_equal(b->data, "abc", 3);
	assert_false(buf_shared(b));
	buf_ref(b);
	assert_true(buf_shared(b));
	buf_free(b);
	assert_false(buf_shared(b));
	buf_free(b);
	assert_int_equal(pool.live, 0);
}

static void queue_counts(void **state)
{
	struct buf_pool pool = bufs_pool(3);
	struct bufq q = {0};

	(void)state;
	bufq_push(&q, bufs_from(&pool, "one", 3));
	bufq_push(&q, bufs_from(&pool, "three", 5));
	bufq_push(&q, bufs_exact(&pool, "", 0));
	assert_int_equal(q.bytes, 8);
	assert_int_equal(q.n, 3);

	struct buf *b = bufq_pop(&q);

	assert_memory_equal(b->data, "one", 3);
	assert_int_equal(q.bytes, 5);
	buf_free(b);
	bufq_clear(&q);
	assert_int_equal(q.n, 0);
	assert_int_equal(pool.live, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(limit_is_met),
		cmocka_unit_test(shared_until_the_other_is_gone),
		cmocka_unit_test(queue_counts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
