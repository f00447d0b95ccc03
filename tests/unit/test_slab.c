/* SPDX-License-Identifier: BSD-3-Clause */
#include "slab.h"
#include "test.h"

#include <stdalign.h>
#include <string.h>

#define N 5

static alignas(64) uint8_t memory[N * 24];

static void gives_each_object_once(void **state)
{
	struct slab s;
	uint8_t *got[N];

	(void)state;
	assert_int_equal(slab_bytes(N, 24), sizeof(memory));
	slab_init(&s, memory, N, 24);
	for (uint32_t i = 0; i < N; i++) {
		got[i] = slab_get(&s);
		assert_non_null(got[i]);
		memset(got[i], (int)i, 24);
		assert_int_equal(slab_index(&s, got[i]), i);
		assert_ptr_equal(slab_at(&s, i), got[i]);
	}
	assert_null(slab_get(&s));
	assert_int_equal(s.used, N);
	for (uint32_t i = 0; i < N; i++)
		assert_int_equal(got[i][23], i);
}

static void gives_the_last_freed_first(void **state)
{
	struct slab s;
	void *a, *b, *c;

	(void)state;
	slab_init(&s, memory, N, 24);
	a = slab_get(&s);
	b = slab_get(&s);
	c = slab_get(&s);
	slab_put(&s, a);
	slab_put(&s, c);
	assert_int_equal(s.used, 1);
	assert_ptr_equal(slab_get(&s), c);
	assert_ptr_equal(slab_get(&s), a);
	assert_ptr_not_equal(slab_get(&s), b);
	assert_int_equal(s.used, 4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(gives_each_object_once),
		cmocka_unit_test(gives_the_last_freed_first),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
