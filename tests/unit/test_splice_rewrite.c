/* SPDX-License-Identifier: BSD-3-Clause */
/* The header of a segment that is passed on: each field, each option at any place, and the checksum. */
#include "csum.h"
#include "rng.h"
#include "splice.h"
#include "test.h"
#include "wire.h"

#include <string.h>

#define ROUNDS 20000

static const struct ip_addr src = {.b = {[10] = 0xff, 0xff, 10, 0, 0, 1}};
static const struct ip_addr dst = {.b = {[10] = 0xff, 0xff, 10, 0, 0, 2}};

static uint16_t whole_sum(const uint8_t *l4, uint16_t len)
{
	return csum_combine(csum_pseudo(&src, &dst, IP_TCP, len), csum_add(l4, len), 0);
}

static void put_sum(uint8_t *l4, uint16_t len)
{
	wire_put_be16(l4 + TCP_CSUM, 0);
	wire_put_be16(l4 + TCP_CSUM, csum_finish(whole_sum(l4, len)));
}

static bool is_sound(const uint8_t *l4, uint16_t len)
{
	return csum_finish(whole_sum(l4, len)) == 0;
}

/* A header with these options and so many bytes of payload; returns all bytes. */
static uint16_t make(uint8_t *l4, const uint8_t *opts, uint32_t n, uint16_t payload)
{
	memset(l4, 0, TCP_LEN);
	wire_put32(l4 + TCP_SEQ, 0xfffffff0);
	wire_put32(l4 + TCP_ACKNO, 5);
	l4[TCP_OFFSET] = (uint8_t)((TCP_LEN + n) << 2);
	l4[TCP_FLAGS] = TCP_FLAG_ACK;
	wire_put16(l4 + 14, 1000);
	memcpy(l4 + TCP_LEN, opts, n);
	for (uint32_t i = 0; i < payload; i++)
		l4[TCP_LEN + n + i] = (uint8_t)(i * 7 + 3);
	put_sum(l4, (uint16_t)(TCP_LEN + n + payload));
	return (uint16_t)(TCP_LEN + n + payload);
}

static void reads_what_is_there(void **state)
{
	static const uint8_t opts[] = {1, 8, 10, 0, 0,  1, 2, 0, 0,  3, 4, 5, 18, 0, 0, 0,
	                               9, 0, 0,  0, 12, 0, 0, 0, 20, 0, 0, 0, 30, 1, 0, 0};
	uint8_t l4[100];
	struct splice_seg g;
	uint16_t len = make(l4, opts, sizeof(opts), 10);

	(void)state;
	assert_true(splice_read(l4, len, &g));
	assert_int_equal(g.seq, 0xfffffff0);
	assert_int_equal(g.ack, 5);
	assert_int_equal(g.len, 10);
	assert_int_equal(g.end, 0xfffffffa);
	assert_int_equal(g.wnd, 1000);
	assert_int_equal(g.header, 52);
	assert_int_equal(g.tsval, 0x0102);
	assert_int_equal(g.ts_at, 23);
	assert_int_equal(g.sack_at, 33);
	assert_int_equal(g.n_edges, 4);
}

static void refuses_what_is_malformed(void **state)
{
	static const struct {
		uint8_t offset;
		uint8_t opts[8];
	} bad[] = {
		{4 << 4, {0}},                       /* header shorter than 20 */
		{15 << 4, {0}},                      /* longer than the segment */
		{6 << 4, {8, 9, 0, 0}},              /* time stamps of a wrong length */
		{7 << 4, {2, 4, 0, 0, 8, 10, 0, 0}}, /* over the end */
		{6 << 4, {3, 1, 0, 0}},              /* a length that does not count itself */
		{6 << 4, {1, 1, 1, 8}},              /* no length at all */
		{7 << 4, {5, 8, 0, 0, 0, 0, 0, 0}},  /* half a SACK block */
	};
	uint8_t l4[40] = {0};
	struct splice_seg g;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		l4[TCP_OFFSET] = bad[i].offset;
		memcpy(l4 + TCP_LEN, bad[i].opts, sizeof(bad[i].opts));
		if (splice_read(l4, 28, &g))
			fail_msg("row %zu was read", i);
	}
	assert_false(splice_read(l4, 19, &g));
}

static void shifts_every_number(void **state)
{
	static const uint8_t opts[] = {1,  8, 10, 0, 0, 0, 2, 0xff, 0xff, 0xff, 0xff, 5,
	                               10, 0, 0,  0, 1, 0, 0, 0,    9,    1,    0,    0};
	const struct splice_way way = {0x20, (uint32_t)-6, 100, 2};
	uint8_t l4[100];
	struct splice_seg g;
	uint16_t len = make(l4, opts, sizeof(opts), 11);

	(void)state;
	assert_true(splice_read(l4, len, &g));
	splice_rewrite(l4, &g, &way, 77, TCP_FLAG_ACK | 8);
	assert_int_equal(wire_get32(l4 + TCP_SEQ), 0x10);         /* over the end of the space */
	assert_int_equal(wire_get32(l4 + TCP_ACKNO), 0xffffffff); /* and back over it */
	assert_int_equal(wire_get32(l4 + 23), 102);               /* TSval */
	assert_int_equal(wire_get32(l4 + 27), 1);                 /* TSecr */
	assert_int_equal(wire_get32(l4 + 33), 0xfffffffb);        /* SACK edges */
	assert_int_equal(wire_get32(l4 + 37), 3);
	assert_int_equal(wire_get16(l4 + 14), 77);
	assert_int_equal(l4[TCP_FLAGS], TCP_FLAG_ACK | 8);
	assert_int_equal(l4[TCP_OFFSET], 44 << 2);
	assert_true(is_sound(l4, len));
}

/* Without ACK the fields that only it gives a meaning stay. */
static void leaves_what_means_nothing(void **state)
{
	static const uint8_t opts[] = {1, 1, 8, 10, 0, 0, 0, 2, 0, 0, 0, 7};
	const struct splice_way way = {1, 2, 3, 4};
	uint8_t l4[60];
	struct splice_seg g;
	uint16_t len = make(l4, opts, sizeof(opts), 0);

	(void)state;
	l4[TCP_FLAGS] = TCP_FLAG_RST;
	put_sum(l4, len);
	assert_true(splice_read(l4, len, &g));
	splice_rewrite(l4, &g, &way, g.wnd, g.flags);
	assert_int_equal(wire_get32(l4 + TCP_SEQ), 0xfffffff1);
	assert_int_equal(wire_get32(l4 + TCP_ACKNO), 5);
	assert_int_equal(wire_get32(l4 + 24), 5);
	assert_int_equal(wire_get32(l4 + 28), 7);
	assert_true(is_sound(l4, len));
}

static uint32_t often_an_edge(struct rng *r)
{
	static const uint32_t edges[] = {0, 1, 0xffffffff, 0x80000000, 0x7fffffff, 0xffff, 0x10000};

	return rng_below(r, 2) ? edges[rng_below(r, 7)] : (uint32_t)rng_next(r);
}

/* Options at random, at even and odd places; returns their bytes, a multiple of four. */
static uint32_t any_options(struct rng *r, uint8_t *o)
{
	uint32_t n = rng_below(r, 4);

	memset(o, 1, 40);
	if (rng_below(r, 2)) {
		o[n] = 8;
		o[n + 1] = 10;
		wire_put32(o + n + 2, often_an_edge(r));
		wire_put32(o + n + 6, often_an_edge(r));
		n += 10 + rng_below(r, 3);
	}
	if (rng_below(r, 2)) {
		uint32_t blocks = 1 + rng_below(r, n < 5 ? 4 : 2);

		o[n] = 5;
		o[n + 1] = (uint8_t)(2 + blocks * 8);
		for (uint32_t i = 0; i < blocks * 2; i++)
			wire_put32(o + n + 2 + i * 4, often_an_edge(r));
		n += 2 + blocks * 8;
	}
	return (n + 3) & ~3u;
}

/* A sound segment stays sound, a damaged one stays as damaged, whatever is added to what. */
static void checksum_moves_along(void **state)
{
	struct rng r = rng_seed(1);

	(void)state;
	for (int i = 0; i < ROUNDS; i++) {
		const struct splice_way way = {often_an_edge(&r), often_an_edge(&r),
		                               often_an_edge(&r), often_an_edge(&r)};
		uint8_t l4[200], opts[44];
		uint32_t n = any_options(&r, opts);
		uint16_t len = make(l4, opts, n, (uint16_t)rng_below(&r, 100));
		bool damaged = rng_below(&r, 2);
		struct splice_seg g;

		if (damaged && len > TCP_LEN + n)
			l4[TCP_LEN + n + rng_below(&r, len - TCP_LEN - n)] ^= 0x10;
		else
			damaged = false;
		assert_true(splice_read(l4, len, &g));
		splice_rewrite(l4, &g, &way, (uint16_t)rng_next(&r), g.flags & 0x1f);
		if (is_sound(l4, len) == damaged)
			fail_msg("round %d", i);
	}
}

static void shortens(void **state)
{
	struct rng r = rng_seed(2);

	(void)state;
	for (int i = 0; i < ROUNDS; i++) {
		uint8_t l4[200], opts[44];
		uint32_t n = any_options(&r, opts);
		uint16_t payload = (uint16_t)(1 + rng_below(&r, 100)),
			 len = make(l4, opts, n, payload);
		uint16_t keep = (uint16_t)rng_below(&r, payload);
		struct splice_seg g;

		assert_true(splice_read(l4, len, &g));
		splice_shorten(l4, &g, keep);
		assert_int_equal(g.len, keep);
		assert_int_equal(g.end, g.seq + keep);
		if (!is_sound(l4, (uint16_t)(g.header + keep)))
			fail_msg("round %d: %u of %u", i, keep, payload);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_what_is_there),  cmocka_unit_test(refuses_what_is_malformed),
		cmocka_unit_test(shifts_every_number),  cmocka_unit_test(leaves_what_means_nothing),
		cmocka_unit_test(checksum_moves_along), cmocka_unit_test(shortens),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
