/* SPDX-License-Identifier: BSD-3-Clause */
#include "bench.h"
#include "hash.h"
#include "steer.h"

static struct steer steer;
static struct ip_addr pair[2];

static void tuple(void *arg, uint32_t calls)
{
	const struct hash_key *key = arg;

	for (uint32_t i = 0; i < calls; i++)
		bench_keep(hash_tuple(key, &pair[0], &pair[1], (be16_t)i, 80));
}

static void toeplitz(void *arg, uint32_t calls)
{
	(void)arg;
	for (uint32_t i = 0; i < calls; i++)
		bench_keep(steer_hash(&steer, &pair[0], &pair[1], (be16_t)i, 80));
}

int main(void)
{
	struct hash_key key = {{0x0123456789abcdef, 0xfedcba9876543210}};
	uint8_t rss_key[STEER_KEY_BYTES];
	uint16_t reta[1] = {0};

	for (uint32_t i = 0; i < STEER_KEY_BYTES; i++)
		rss_key[i] = (uint8_t)(i * 37 + 1);
	steer_toeplitz(&steer, 2, rss_key, reta, 1);
	bench_begin("hash of a 4-tuple");
	pair[0] = ip_from_v4(0x0100000a);
	pair[1] = ip_from_v4(0x0200000a);
	bench_run("hash_tuple, IPv4", tuple, &key, 1000);
	bench_run("steer_hash (Toeplitz), IPv4", toeplitz, NULL, 1000);
	for (int i = 0; i < 2; i++)
		pair[i].w[0] = 0xb80d0120;
	bench_run("hash_tuple, IPv6", tuple, &key, 1000);
	bench_run("steer_hash (Toeplitz), IPv6", toeplitz, NULL, 1000);
	return 0;
}
