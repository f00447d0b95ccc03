/* SPDX-License-Identifier: BSD-3-Clause */
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
		cmocka_unit_test(replies_go_by_our_port),
		cmocka_unit_test(clients_are_spread_evenly),
		cmocka_unit_test(single_owns_all),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
