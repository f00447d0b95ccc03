/* SPDX-License-Identifier: BSD-3-Clause */
/* Options as bytes: what is written reads back, what cannot be is refused, the rest is skipped. */
#include "rng.h"
#include "tcp_parts.h"
#include "test.h"

#include <string.h>

static void reads_a_linux_syn(void **state)
{
	static const uint8_t linux_syn[20] = {2,    4,    0x05, 0xb4, 4, 2, 8, 10, 0x01, 0x02,
	                                      0x03, 0x04, 0,    0,    0, 0, 1, 3,  3,    7};
	struct tcp_options o;

	(void)state;
	assert_true(tcp_options_read(linux_syn, sizeof(linux_syn), &o));
	assert_int_equal(o.has, TCP_OPT_MSS | TCP_OPT_SACK_OK | TCP_OPT_TS | TCP_OPT_WSCALE);
	assert_int_equal(o.mss, 1460);
	assert_int_equal(o.tsval, 0x01020304);
	assert_int_equal(o.wscale, 7);
}

static void caps_the_window_scale(void **state)
{
	static const uint8_t b[4] = {1, 3, 3, 200};
	struct tcp_options o;

	(void)state;
	assert_true(tcp_options_read(b, 4, &o));
	assert_int_equal(o.wscale, 14); /* RFC 7323 section 2.3 */
}

static void skips_what_it_does_not_know(void **state)
{
	static const uint8_t b[12] = {34, 4, 9, 9, 254, 2, 1, 1, 2, 4, 1, 2};
	struct tcp_options o;

	(void)state;
	assert_true(tcp_options_read(b, 12, &o));
	assert_int_equal(o.has, TCP_OPT_MSS);
	assert_int_equal(o.mss, 0x0102);
}

static void stops_at_the_end_option(void **state)
{
	static const uint8_t b[8] = {1, 0, 2, 4, 5, 180, 2, 99};
	struct tcp_options o;

	(void)state;
	assert_true(tcp_options_read(b, 8, &o));
	assert_int_equal(o.has, 0);
}

static void refuses_wrong_lengths(void **state)
{
	static const struct {
		uint8_t n, b[12];
	} bad[] = {
		{1, {2}},          {2, {34, 1}},       {2, {34, 0}},        {3, {2, 3, 1}},
		{4, {2, 5, 1, 1}}, {4, {3, 4, 1, 1}},  {4, {4, 3, 1, 1}},   {4, {8, 4, 1, 1}},
		{4, {5, 2, 1, 1}}, {4, {34, 5, 1, 1}}, {12, {5, 11, 1, 1}}, {4, {5, 4, 1, 1}},
	};
	struct tcp_options o;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		if (tcp_options_read(bad[i].b, bad[i].n, &o))
			fail_msg("row %zu was accepted", i);
	}
}

static struct tcp_options draw(struct rng *r)
{
	struct tcp_options o = {.has = (uint8_t)rng_below(r, 16)};

	o.mss = o.has & TCP_OPT_MSS ? (uint16_t)rng_next(r) : 0;
	o.wscale = o.has & TCP_OPT_WSCALE ? (uint8_t)rng_below(r, 15) : 0;
	if (o.has & TCP_OPT_TS) {
		o.tsval = (uint32_t)rng_next(r);
		o.tsecr = (uint32_t)rng_next(r);
	}
	if (o.has & ~TCP_OPT_TS)
		return o;
	o.n_sack = (uint8_t)rng_below(r, o.has ? 4 : 5);
	for (uint32_t i = 0; i < o.n_sack; i++)
		o.sack[i] = (struct tcp_block){(uint32_t)rng_next(r), (uint32_t)rng_next(r)};
	return o;
}

static void what_is_written_reads_back(void **state)
{
	struct rng r = rng_seed(7);
	struct tcp_options in, out;
	uint8_t b[TCP_OPTIONS_MAX];
	uint32_t n;

	(void)state;
	for (int i = 0; i < 20000; i++) {
		in = draw(&r);
		n = tcp_options_write(b, &in);
		assert_true(n <= TCP_OPTIONS_MAX && n % 4 == 0);
		assert_true(tcp_options_read(b, n, &out));
		assert_int_equal(in.has, out.has);
		assert_int_equal(in.mss, out.mss);
		assert_int_equal(in.wscale, out.wscale);
		assert_int_equal(in.tsval, out.tsval);
		assert_int_equal(in.tsecr, out.tsecr);
		assert_int_equal(in.n_sack, out.n_sack);
		assert_memory_equal(in.sack, out.sack, in.n_sack * sizeof(in.sack[0]));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_a_linux_syn),
		cmocka_unit_test(caps_the_window_scale),
		cmocka_unit_test(skips_what_it_does_not_know),
		cmocka_unit_test(stops_at_the_end_option),
		cmocka_unit_test(refuses_wrong_lengths),
		cmocka_unit_test(what_is_written_reads_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
