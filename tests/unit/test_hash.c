/* SPDX-License-Identifier: BSD-3-Clause */
#include "hash.h"
#include "test.h"

#include <arpa/inet.h>

static struct ip_addr addr(const char *text)
{
	struct ip_addr a;

	assert_true(ip_parse(text, &a));
	return a;
}

/* CPython 3.11 with PYTHONHASHSEED=0 hashes the bytes address, address, port, port to the same. */
static void is_siphash13(void **state)
{
	const struct hash_key zero = {{0, 0}};
	struct ip_addr a4 = addr("192.0.2.1"), b4 = addr("198.51.100.7");
	struct ip_addr a6 = addr("2001:db8::1"), b6 = addr("2001:db8:1::2");

	(void)state;
	assert_int_equal(hash_tuple(&zero, &a4, &b4, htons(51000), htons(443)),
	                 0xc7cf6e2ce3c2b773ull);
	assert_int_equal(hash_tuple(&zero, &a6, &b6, htons(51000), htons(443)),
	                 0x93fd8b89d721232cull);
}

static uint64_t hash_of(const uint8_t bytes[52])
{
	struct hash_key key = hash_key_from(bytes + 36);
	struct ip_addr a, b;
	be16_t aport, bport;

	memcpy(&a, bytes, 16);
	memcpy(&b, bytes + 16, 16);
	memcpy(&aport, bytes + 32, 2);
	memcpy(&bport, bytes + 34, 2);
	return hash_tuple(&key, &a, &b, aport, bport);
}

/* Each bit of the input and of the key changes about half of the bits of the hash. */
static void every_bit_matters(void **state)
{
	uint8_t bytes[52];
	uint64_t was;

	(void)state;
	for (uint8_t i = 0; i < 52; i++)
		bytes[i] = (uint8_t)(i * 7);
	was = hash_of(bytes);
	for (uint32_t bit = 0; bit < 52 * 8; bit++) {
		bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
		assert_in_range(__builtin_popcountll(hash_of(bytes) ^ was), 12, 52);
		bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(is_siphash13),
		cmocka_unit_test(every_bit_matters),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
