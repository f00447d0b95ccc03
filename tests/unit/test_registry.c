/* SPDX-License-Identifier: BSD-3-Clause */
#include "registry.h"
#include "test.h"

#include <stdio.h>

static const uint32_t capacity[REGISTRY_SPACES] = {4, 2, 2, 2};

static void identity_keeps_its_slot(void **state)
{
	struct registry *r = registry_new(capacity);
	struct slot a, b, again;

	(void)state;
	assert_true(registry_get(r, REGISTRY_DESTS, "a", &a));
	assert_true(registry_get(r, REGISTRY_DESTS, "b", &b));
	assert_true(registry_get(r, REGISTRY_DESTS, "a", &again));
	assert_int_not_equal(a.index, b.index);
	assert_int_not_equal(a.epoch, 0);
	assert_int_equal(a.index, again.index);
	assert_int_equal(a.epoch, again.epoch);
	assert_int_equal(registry_used(r, REGISTRY_DESTS), 2);
	assert_int_equal(registry_used(r, REGISTRY_SPLITS), 0);
	registry_free(r);
}

static void slot_is_reused_after_the_last_holder_only(void **state)
{
	struct registry *r = registry_new(capacity);
	struct slot old, held, other, reused;

	(void)state;
	assert_true(registry_get(r, REGISTRY_SPLITS, "old", &old));
	assert_true(registry_get(r, REGISTRY_SPLITS, "old", &held));
	assert_true(registry_get(r, REGISTRY_SPLITS, "other", &other));
	registry_put(r, REGISTRY_SPLITS, old);
	assert_false(registry_get(r, REGISTRY_SPLITS, "new", &reused));
	registry_put(r, REGISTRY_SPLITS, held);
	assert_true(registry_get(r, REGISTRY_SPLITS, "new", &reused));
	assert_int_equal(reused.index, old.index);
	assert_int_not_equal(reused.epoch, old.epoch);
	registry_free(r);
}

static void many_come_and_go(void **state)
{
	const uint32_t many[REGISTRY_SPACES] = {1000, 0, 0, 0};
	struct registry *r = registry_new(many);
	struct slot slots[1000], none;
	char name[16];

	(void)state;
	for (int round = 0; round < 3; round++) {
		for (int i = 0; i < 1000; i++) {
			snprintf(name, sizeof(name), "%d.%d", round, i);
			assert_true(registry_get(r, REGISTRY_DESTS, name, &slots[i]));
			assert_true(slots[i].index < 1000);
			assert_int_equal(slots[i].epoch, round + 1);
		}
		assert_false(registry_get(r, REGISTRY_DESTS, "more", &none));
		for (int i = 0; i < 1000; i++)
			registry_put(r, REGISTRY_DESTS, slots[i]);
		assert_int_equal(registry_used(r, REGISTRY_DESTS), 0);
	}
	assert_false(registry_get(r, REGISTRY_ENDPOINTS, "no room at all", &none));
	registry_free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(identity_keeps_its_slot),
		cmocka_unit_test(slot_is_reused_after_the_last_holder_only),
		cmocka_unit_test(many_come_and_go),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
