/* SPDX-License-Identifier: BSD-3-Clause */
/* The hash of host names: letter case is no difference, everything else is one. */
#include "test.h"

#include "weir/snapshot.h"

#define LEN_MAX 40

static uint64_t hash(const char *p, uint32_t len)
{
	return host_hash((struct str){p, len});
}

/* Every byte, at every place of names of every length: against the definition of lower case. */
static void only_letters_have_two_cases(void **state)
{
	char a[LEN_MAX], b[LEN_MAX];

	(void)state;
	memset(a, 'q', sizeof(a));
	for (uint32_t len = 1; len <= LEN_MAX; len++) {
		for (uint32_t i = 0; i < len; i++) {
			memcpy(b, a, sizeof(b));
			for (int c = 0; c < 256; c++) {
				a[i] = (char)c;
				b[i] = (char)(c ^ 0x20);
				assert_int_equal(str_lower(a[i]) == str_lower(b[i]),
				                 hash(a, len) == hash(b, len));
			}
			a[i] = 'q';
		}
	}
}

static void ends_at_the_end(void **state)
{
	char a[LEN_MAX + 8];

	(void)state;
	memset(a, 'a', sizeof(a));
	for (uint32_t len = 0; len <= LEN_MAX; len++) {
		uint64_t before = hash(a, len);

		assert_true(len == 0 || before != hash(a, len - 1));
		memset(a + len, 'b', sizeof(a) - len);
		assert_true(hash(a, len) == before);
		memset(a + len, 'a', sizeof(a) - len);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_letters_have_two_cases),
		cmocka_unit_test(ends_at_the_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
