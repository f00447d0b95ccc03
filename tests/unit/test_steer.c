/* SPDX-License-Identifier: BSD-3-Clause */
#include "rng.h"
#include "steer.h"
#include "test.h"

#include <arpa/inet.h>

/* The key and the TCP rows of the RSS verification suite. */
static const uint8_t rss_key[STEER_KEY_BYTES] = {
	0x6d, 0x5a, 0x56, 0xda, 0x25, 0x5b, 0x0e, 0xc2, 0x41, 0x67, 0x25, 0x3d, 0x43, 0xa3,
	0x8f, 0xb0, 0xd0, 0xca, 0x2b, 0xcb, 0xae, 0x7b, 0x30, 0xb4, 0x77, 0xcb, 0x2d, 0xa3,
	0x80, 0x30, 0xf2, 0x0c, 0x6a, 0x42, 0xb7, 0x3b, 0xbe, 0xac, 0x01, 0xfa,
};

static const struct {
	const char *src, *dst;
	uint16_t sport, dport;
	uint32_t hash;
} suite[] = {
	{"66.9.149.187", "161.142.100.80", 2794, 1766, 0x51ccc178},
	{"199.92.111.2", "65.69.140.83", 14230, 4739, 0xc626b0ea},
	{"24.19.198.95", "12.22.207.184", 12898, 38024, 0x5c2b394a},
	{"38.27.205.30", "209.142.163.6", 48228, 2217, 0xafc7327f},
	{"153.39.163.191", "202.188.127.2", 44251, 1303, 0x10e828a2},
	{"3ffe:2501:200:1fff::7", "3ffe:2501:200:3::1", 2794, 1766, 0x40207d3d},
	{"3ffe:501:8::260:97ff:fe40:efab", "ff02::1", 14230, 4739, 0xdde51bbf},
	{"3ffe:1900:4545:3:200:f8ff:fe21:67cf", "fe80::200:f8ff:fe21:67cf", 44251, 38024,
         0x02d1feef},
};

static struct ip_addr addr(const char *text)
{
	struct ip_addr a;

	assert_true(ip_parse(text, &a));
	return a;
}

static void rss_verification_suite(void **state)
{
	static struct steer s;
	uint16_t reta[128];

	(void)state;
	for (uint16_t i = 0; i < 128; i++)
		reta[i] = i % 3;
	steer_toeplitz(&s, 3, rss_key, reta, 128);
	for (size_t i = 0; i < sizeof(suite) / sizeof(suite[0]); i++) {
		struct pkt p = {
			.kind = PKT_TCP, .src = addr(suite[i].src), .dst = addr(suite[i].dst)};

		p.sport = htons(suite[i].sport);
		p.dport = htons(suite[i].dport);
		assert_int_equal(steer_hash(&s, &p.src, &p.dst, p.sport, p.dport), suite[i].hash);
		assert_int_equal(steer_owner(&s, &p), suite[i].hash % 128 % 3);
		assert_int_equal(steer_reply_owner(&s, &p.dst, p.dport, &p.src, p.sport),
		                 steer_owner(&s, &p));
	}
}

/* ---- source ports ------------------------------------------------------------------------ */

/* The hash as the specification has it: a window of the key for each bit that is set, one by one. */
static uint32_t plain_toeplitz(const uint8_t *key, const uint8_t *in, uint32_t bytes)
{
	uint32_t hash = 0;

	for (uint32_t i = 0; i < bytes * 8; i++)
		if (in[i / 8] >> (7 - i % 8) & 1)
			for (uint32_t k = 0; k < 32; k++)
				hash ^= (uint32_t)(key[(i + k) / 8] >> (7 - (i + k) % 8) & 1)
				        << (31 - k);
	return hash;
}

/* What a device does with a reply: our port comes last. */
static uint32_t device_entry(const uint8_t *key, const struct ip_addr *remote, uint16_t rport,
                             const struct ip_addr *local, uint16_t lport, uint32_t entries)
{
	uint32_t n = ip_is_v4(remote) ? 4 : 16;
	uint8_t in[36];

	memcpy(in, remote->b + 16 - n, n);
	memcpy(in + n, local->b + 16 - n, n);
	in[2 * n] = (uint8_t)(rport >> 8);
	in[2 * n + 1] = (uint8_t)rport;
	in[2 * n + 2] = (uint8_t)(lport >> 8);
	in[2 * n + 3] = (uint8_t)lport;
	return plain_toeplitz(key, in, 2 * n + 4) & (entries - 1);
}

static void draw_key(struct rng *rng, uint8_t *key, uint32_t entries)
{
	uint32_t draws = 0;

	do {
		for (uint32_t i = 0; i < STEER_KEY_BYTES; i++)
			key[i] = (uint8_t)rng_next(rng);
		assert_true(++draws < 200); /* three in four are refused */
	} while (!steer_key_spreads(key, entries));
}

/* The most ports that a worker has to look at, wherever it begins and whichever it is. */
static uint32_t longest_search(const struct steer *s, const struct ip_addr *local,
                               const struct ip_addr *remote, uint32_t n_workers)
{
	uint32_t last[64], longest = 0;

	for (uint32_t w = 0; w < n_workers; w++)
		last[w] = 1023;
	for (uint32_t port = 1024; port <= 65535; port++) {
		uint32_t w = steer_reply_owner(s, local, htons((uint16_t)port), remote, htons(80));

		assert_in_range(w, 0, n_workers - 1);
		longest = port - last[w] > longest ? port - last[w] : longest;
		last[w] = port;
	}
	for (uint32_t w = 0; w < n_workers; w++)
		longest = 65536 - last[w] > longest ? 65536 - last[w] : longest;
	return longest;
}

static void ports_we_choose_come_back_to_us(void **state)
{
	static struct steer s;
	static const uint32_t sizes[] = {64, 128, 512, 2048};
	struct rng rng = {7};

	(void)state;
	for (uint32_t n = 1; n <= 64; n++) {
		uint32_t entries = sizes[n % 4];
		uint8_t key[STEER_KEY_BYTES];
		uint16_t reta[STEER_RETA_MAX];

		draw_key(&rng, key, entries);
		for (uint32_t i = 0; i < entries; i++)
			reta[i] = (uint16_t)(i % n);
		steer_toeplitz(&s, n, key, reta, entries);
		for (int v6 = 0; v6 < 2; v6++) {
			struct ip_addr local = addr(v6 ? "2001:db8::1" : "10.0.0.1");
			struct ip_addr remote = addr(v6 ? "2001:db8:7::2" : "192.0.2.9");

			remote.b[15] = (uint8_t)rng_next(&rng);
			for (uint32_t port = 1024; port <= 65535; port += n > 8 ? 37 : 1)
				assert_int_equal(steer_reply_owner(&s, &local,
				                                   htons((uint16_t)port), &remote,
				                                   htons(80)),
				                 device_entry(key, &remote, 80, &local,
				                              (uint16_t)port, entries) %
				                         n);
			assert_in_range(longest_search(&s, &local, &remote, n), 1, 2 * entries - 1);
		}
	}
}

static void each_run_of_ports_has_each_entry_once(void **state)
{
	struct rng rng = {11};

	(void)state;
	for (uint32_t entries = 1; entries <= STEER_RETA_MAX; entries *= 2) {
		uint8_t key[STEER_KEY_BYTES], met[STEER_RETA_MAX];

		draw_key(&rng, key, entries);
		for (int v6 = 0; v6 < 2; v6++) {
			struct ip_addr local = addr(v6 ? "2001:db8::1" : "10.0.0.1");
			struct ip_addr remote = addr(v6 ? "2001:db8:7::2" : "192.0.2.9");
			uint32_t first = (1024 + rng_below(&rng, 60000)) & ~(entries - 1);

			memset(met, 0, sizeof(met));
			for (uint32_t i = 0; i < entries; i++)
				met[device_entry(key, &remote, 8080, &local, (uint16_t)(first + i),
				                 entries)]++;
			for (uint32_t e = 0; e < entries; e++)
				assert_int_equal(met[e], 1);
		}
	}
}

/* A key as random as others, but for the bits that our port's lowest ones meet: worker 1 gets no reply. */
static void a_key_that_leaves_a_worker_out_is_refused(void **state)
{
	static struct steer s;
	static const uint16_t reta[2] = {0, 1};
	struct ip_addr local = addr("10.0.0.1"), remote = addr("192.0.2.9");
	uint8_t key[STEER_KEY_BYTES];
	struct rng rng = {13};

	(void)state;
	draw_key(&rng, key, 2);
	/* the last bit of the window of input bit i is key bit i + 31; our port is bits 80 to 95 */
	for (uint32_t bit = 80 + 31; bit <= 95 + 31; bit++)
		key[bit / 8] &= (uint8_t) ~(0x80u >> bit % 8);
	assert_false(steer_key_spreads(key, 2));
	steer_toeplitz(&s, 2, key, reta, 2);
	for (uint32_t port = 1025; port <= 65535; port++)
		assert_int_equal(
			steer_reply_owner(&s, &local, htons((uint16_t)port), &remote, htons(80)),
			steer_reply_owner(&s, &local, htons(1024), &remote, htons(80)));
}

static void search_is_as_long_as_there_are_workers(void **state)
{
	static struct steer s;
	struct hash_key key = {{1, 2}};
	struct ip_addr local = addr("10.0.0.1"), remote = addr("10.0.0.2");

	(void)state;
	for (uint32_t n = 1; n <= 64; n++) {
		steer_hand_off(&s, n, 1024, 65535, &key);
		assert_int_equal(longest_search(&s, &local, &remote, n), n);
	}
}

static void replies_go_by_our_port(void **state)
{
	static struct steer s;
	struct hash_key key = {{1, 2}};
	struct pkt p = {.kind = PKT_TCP, .src = addr("10.0.0.1"), .dst = addr("10.0.0.2")};

	(void)state;
	steer_hand_off(&s, 3, 20000, 60000, &key);
	p.sport = htons(80);
	for (uint16_t port = 20000; port < 20010; port++) {
		p.dport = htons(port);
		assert_int_equal(steer_owner(&s, &p), (port - 20000) % 3);
		assert_int_equal(steer_reply_owner(&s, &p.dst, p.dport, &p.src, p.sport),
		                 (port - 20000) % 3);
	}
	p.dport = htons(60000);
	assert_int_equal(steer_owner(&s, &p), 40000 % 3);
}

static void clients_are_spread_evenly(void **state)
{
	static struct steer s;
	struct hash_key key = {{1, 2}};
	struct pkt p = {.kind = PKT_TCP, .src = addr("2001:db8::1"), .dst = addr("2001:db8::2")};
	uint32_t got[3] = {0};

	(void)state;
	steer_hand_off(&s, 3, 20000, 60000, &key);
	p.dport = htons(80);
	for (uint32_t i = 0; i < 30000; i++) {
		p.sport = htons((uint16_t)(30000 + i));
		got[steer_owner(&s, &p)]++;
	}
	for (int i = 0; i < 3; i++)
		assert_in_range(got[i], 9700, 10300);
	p.kind = PKT_ICMP;
	assert_int_equal(steer_owner(&s, &p), 0);
}

static void single_owns_all(void **state)
{
	static struct steer s;
	struct pkt p = {.kind = PKT_TCP, .src = addr("10.0.0.1"), .dst = addr("10.0.0.2")};

	(void)state;
	steer_single(&s);
	assert_int_equal(steer_owner(&s, &p), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rss_verification_suite),
		cmocka_unit_test(ports_we_choose_come_back_to_us),
		cmocka_unit_test(each_run_of_ports_has_each_entry_once),
		cmocka_unit_test(a_key_that_leaves_a_worker_out_is_refused),
		cmocka_unit_test(search_is_as_long_as_there_are_workers),
		cmocka_unit_test(replies_go_by_our_port),
		cmocka_unit_test(clients_are_spread_evenly),
		cmocka_unit_test(single_owns_all),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
