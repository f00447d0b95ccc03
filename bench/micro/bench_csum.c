/* SPDX-License-Identifier: BSD-3-Clause */
#include "bench.h"
#include "csum.h"

#include <stdalign.h>

static alignas(64) uint8_t bytes[9216];

static void sum_of(void *arg, uint32_t calls)
{
	const uint32_t *len = arg;

	while (calls--)
		bench_keep(csum_add(bytes, *len));
}

static void update(void *arg, uint32_t calls)
{
	uint16_t csum = 0x1234;

	(void)arg;
	for (uint32_t i = 0; i < calls; i++)
		csum = csum_update32(csum, i, i + 1);
	bench_keep(csum);
}

static void pseudo(void *arg, uint32_t calls)
{
	struct ip_addr *a = arg;

	while (calls--)
		bench_keep(csum_pseudo(&a[0], &a[1], 6, 1460));
}

int main(void)
{
	struct ip_addr addrs[2] = {ip_from_v4(0x0100000a), ip_from_v4(0x0200000a)};
	uint32_t len[] = {20, 40, 64, 576, 1460, 1500, 8960};
	const char *name[] = {"csum_add, 20 bytes",  "csum_add, 40 bytes",   "csum_add, 64 bytes",
	                      "csum_add, 576 bytes", "csum_add, 1460 bytes", "csum_add, 1500 bytes",
	                      "csum_add, 8960 bytes"};

	for (uint32_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)(i * 31);
	bench_begin("checksum");
	for (uint32_t i = 0; i < sizeof(len) / sizeof(len[0]); i++)
		bench_run(name[i], sum_of, &len[i], 1000);
	bench_run("csum_update32", update, NULL, 1000);
	bench_run("csum_pseudo", pseudo, addrs, 1000);
	return 0;
}
