/* SPDX-License-Identifier: BSD-3-Clause */
#include "quic_cid.h"
#include "test.h"

#include <string.h>

static struct quic_packet q;
static uint8_t datagram[QUIC_INITIAL_MIN];

/* Read these bytes with zeros behind them, as one datagram of the smallest size that may begin. */
static bool read_padded(const char *head, size_t n)
{
	memset(datagram, 0, sizeof(datagram));
	memcpy(datagram, head, n);
	return quic_cid_read(datagram, sizeof(datagram), 8, &q);
}

#define READ_PADDED(head) read_padded(head, sizeof(head) - 1)

static void expect(struct quic_cid id, const char *want, uint8_t n)
{
	assert_int_equal(id.len, n);
	assert_memory_equal(n ? id.p : (const uint8_t *)"", want, n);
}

/* The packets of RFC 9001 appendix A: a client that says 8394c8f03e515708, a server f067a5502a4262b5. */
#define CLIENT_ID "\x83\x94\xc8\xf0\x3e\x51\x57\x08"
#define SERVER_ID "\xf0\x67\xa5\x50\x2a\x42\x62\xb5"

static void reads_version_1(void **state)
{
	(void)state;
	assert_true(READ_PADDED("\xc0\0\0\0\x01\x08" CLIENT_ID "\0\0\x44\x9e"));
	assert_true(q.is_long);
	assert_int_equal(q.version, 1);
	expect(q.dcid, CLIENT_ID, 8);
	expect(q.scid, "", 0);
	assert_true(quic_cid_may_begin(&q, sizeof(datagram)));
	assert_false(quic_cid_may_begin(&q, sizeof(datagram) - 1));
	assert_false(quic_cid_learnable(&q));
	/* the server's Initial, and a Retry */
	assert_true(READ_PADDED("\xcf\0\0\0\x01\0\x08" SERVER_ID "\0\x40\x75"));
	expect(q.dcid, "", 0);
	expect(q.scid, SERVER_ID, 8);
	assert_true(quic_cid_learnable(&q));
	assert_false(quic_cid_may_begin(&q, sizeof(datagram)));
	assert_true(READ_PADDED("\xff\0\0\0\x01\0\x08" SERVER_ID "token"));
	expect(q.scid, SERVER_ID, 8);
	assert_true(quic_cid_learnable(&q));
}

static void knows_what_begins(void **state)
{
	(void)state;
	assert_true(READ_PADDED("\xd0\0\0\0\x01\x08" CLIENT_ID "\0")); /* 0-RTT */
	assert_false(quic_cid_may_begin(&q, sizeof(datagram)));
	assert_true(READ_PADDED("\xe0\0\0\0\x01\x08" CLIENT_ID "\0")); /* Handshake */
	assert_false(quic_cid_may_begin(&q, sizeof(datagram)));
	assert_true(READ_PADDED("\xc0\0\0\0\x01\x07" CLIENT_ID "\0")); /* too short an id */
	assert_false(quic_cid_may_begin(&q, sizeof(datagram)));
	/* version 2 (RFC 9369 appendix A) has the types in another order */
	assert_true(READ_PADDED("\xd3\x6b\x33\x43\xcf\x08" CLIENT_ID "\0"));
	assert_true(quic_cid_may_begin(&q, sizeof(datagram)));
	assert_true(READ_PADDED("\xc3\x6b\x33\x43\xcf\x08" CLIENT_ID "\0"));
	assert_false(quic_cid_may_begin(&q, sizeof(datagram)));
	/* one that nobody knows yet: any long header may begin; so may GREASE */
	for (unsigned int first = 0x80; first < 0x100; first++) {
		assert_true(READ_PADDED("\x80\x1a\x2a\x3a\x4a\x08" CLIENT_ID "\0"));
		q.first = (uint8_t)first;
		assert_true(quic_cid_may_begin(&q, sizeof(datagram)));
	}
}

static void knows_version_negotiation(void **state)
{
	(void)state;
	assert_true(READ_PADDED("\x80\0\0\0\0\0\x08" CLIENT_ID "\0\0\0\x01"));
	assert_int_equal(q.version, 0);
	assert_false(quic_cid_learnable(&q));
	assert_true(READ_PADDED("\x80\0\0\0\0\x08" CLIENT_ID "\x08" CLIENT_ID "\0\0\0\x01"));
	assert_false(quic_cid_may_begin(&q, sizeof(datagram)));
}

static void reads_short_headers(void **state)
{
	static const uint8_t p[] = "\x4c" SERVER_ID "rest";

	(void)state;
	assert_true(quic_cid_read(p, sizeof(p), 8, &q));
	assert_false(q.is_long);
	expect(q.dcid, SERVER_ID, 8);
	expect(q.scid, "", 0);
	assert_false(quic_cid_learnable(&q));
	assert_false(quic_cid_may_begin(&q, QUIC_INITIAL_MIN));
	assert_true(quic_cid_read(p, 9, 8, &q));
	assert_false(quic_cid_read(p, 8, 8, &q));
	assert_true(quic_cid_read(p, 1, 0, &q)); /* servers that use no ids */
	expect(q.dcid, "", 0);
	datagram[0] = 0x40;
	assert_true(quic_cid_read(datagram, sizeof(datagram), 20, &q));
	assert_false(quic_cid_read(datagram, sizeof(datagram), 21, &q));
	assert_false(quic_cid_read(p, 0, 0, &q));
}

static void bounds_ids(void **state)
{
	static const char longest[] = "\xc0\0\0\0\x01\x14"
				      "01234567890123456789"
				      "\x14"
				      "abcdefghijklmnopqrst";
	static const char longer[] = "\xc0\0\0\0\x01\x15"
				     "012345678901234567890"
				     "\0";
	static const char longer_source[] = "\xc0\0\0\0\x01\0\x15"
					    "012345678901234567890";

	(void)state;
	assert_true(quic_cid_read((const uint8_t *)longest, sizeof(longest) - 1, 0, &q));
	expect(q.dcid, "01234567890123456789", 20);
	expect(q.scid, "abcdefghijklmnopqrst", 20);
	assert_false(READ_PADDED(longer));
	assert_false(READ_PADDED(longer_source));
	for (size_t n = 0; n < sizeof(longest) - 1; n++)
		assert_false(quic_cid_read((const uint8_t *)longest, n, 0, &q));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_version_1),
		cmocka_unit_test(knows_what_begins),
		cmocka_unit_test(knows_version_negotiation),
		cmocka_unit_test(reads_short_headers),
		cmocka_unit_test(bounds_ids),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
