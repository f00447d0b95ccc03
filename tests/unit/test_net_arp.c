/* SPDX-License-Identifier: BSD-3-Clause */
/* ARP packets, where they end and what is answered. Ports and addresses: tests/support/rig.h. */
#include "rig.h"
#include "test.h"

static const struct rig_golden rows[] = {
	/* clang-format off */
	{"who has ours", 0,
	 "ffffffffffff02aa000000020806000108000604000102aa000000020a000002"
	 "0000000000000a000001",
	 DROP_ARP_IN,
	 "02aa00000002020000000001080600010800060400020200000000010a000001"
	 "02aa000000020a000002"},
	{"padded, unicast", 0,
	 "02000000000102aa000000020806000108000604000102aa000000020a000002"
	 "0000000000000a000001000000000000000000000000000000000000",
	 DROP_ARP_IN,
	 "02aa00000002020000000001080600010800060400020200000000010a000001"
	 "02aa000000020a000002"},
	{"tagged", 1,
	 "ffffffffffff02aa00000002810000640806000108000604000102aa00000002"
	 "0a0100020000000000000a010001",
	 DROP_ARP_IN,
	 "02aa000000020200000001018100006408060001080006040002020000000101"
	 "0a01000102aa000000020a010002"},
	{"probe (RFC 5227)", 0,
	 "ffffffffffff02aa000000020806000108000604000102aa0000000200000000"
	 "0000000000000a000001",
	 DROP_ARP_IN,
	 "02aa00000002020000000001080600010800060400020200000000010a000001"
	 "02aa0000000200000000"},
	{"who has another", 0,
	 "ffffffffffff02aa000000020806000108000604000102aa000000020a000002"
	 "0000000000000a000003",
	 DROP_ARP_IN,
	 ""},
	{"who has the other port's", 0,
	 "ffffffffffff02aa000000020806000108000604000102aa000000020a000002"
	 "0000000000000a010001",
	 DROP_ARP_IN,
	 ""},
	{"gratuitous of a stranger", 0,
	 "ffffffffffff02aa000000020806000108000604000102aa000000020a000002"
	 "0000000000000a000002",
	 DROP_ARP_IN,
	 ""},
	{"reply nobody asked for", 0,
	 "02000000000102aa000000020806000108000604000202aa000000020a000002"
	 "0200000000010a000001",
	 DROP_ARP_IN,
	 ""},
	{"token ring", 0,
	 "ffffffffffff02aa000000020806000608000604000102aa000000020a000002"
	 "0000000000000a000001",
	 DROP_ARP_BAD,
	 ""},
	{"protocol type", 0,
	 "ffffffffffff02aa000000020806000186dd0604000102aa000000020a000002"
	 "0000000000000a000001",
	 DROP_ARP_BAD,
	 ""},
	{"hardware length", 0,
	 "ffffffffffff02aa000000020806000108000804000102aa000000020a000002"
	 "0000000000000a000001",
	 DROP_ARP_BAD,
	 ""},
	{"protocol length", 0,
	 "ffffffffffff02aa000000020806000108000610000102aa000000020a000002"
	 "0000000000000a000001",
	 DROP_ARP_BAD,
	 ""},
	{"operation", 0,
	 "ffffffffffff02aa000000020806000108000604000302aa000000020a000002"
	 "0000000000000a000001",
	 DROP_ARP_BAD,
	 ""},
	{"multicast sender MAC", 0,
	 "ffffffffffff02aa000000020806000108000604000101005e0000010a000002"
	 "0000000000000a000001",
	 DROP_ARP_BAD,
	 ""},
	{"multicast sender", 0,
	 "ffffffffffff02aa000000020806000108000604000102aa00000002e0000001"
	 "0000000000000a000001",
	 DROP_ARP_BAD,
	 ""},
	{"loopback sender", 0,
	 "ffffffffffff02aa000000020806000108000604000102aa000000027f000001"
	 "0000000000000a000001",
	 DROP_ARP_BAD,
	 ""},
	{"our address taken", 0,
	 "ffffffffffff02aa000000020806000108000604000102aa000000020a000001"
	 "0000000000000a000001",
	 DROP_ARP_BAD,
	 ""},
	{"our own frame back", 0,
	 "ffffffffffff020000000001080600010800060400010200000000010a000002"
	 "0000000000000a000001",
	 DROP_ARP_BAD,
	 ""},
	/* clang-format on */
};

#define N_ROWS (sizeof(rows) / sizeof(rows[0]))

static int start(void **state)
{
	static struct rig r;

	rig_init(&r);
	rig_start(&r, true, 64);
	*state = &r;
	return 0;
}

static int stop(void **state)
{
	rig_stop(*state);
	return 0;
}

static void golden_frames(void **state)
{
	assert_int_equal(rig_play(*state, rows, N_ROWS), 0);
}

static void only_worker_0_answers(void **state)
{
	struct rig r;

	(void)state;
	rig_init(&r);
	rig_start(&r, false, 64);
	assert_int_equal(rig_receive_hex(&r, 0, rows[0].in), DROP_ARP_IN);
	assert_int_equal(rig_sent(&r, 0), 0);
	rig_stop(&r);
}

static void no_buffer_to_answer_with(void **state)
{
	struct rig *r = *state;

	r->pool.limit = 1; /* the request itself */
	assert_int_equal(rig_receive_hex(r, 0, rows[0].in), DROP_ARP_IN);
	assert_int_equal(rig_sent(r, 0), 0);
	assert_int_equal(r->counters[COUNT_NO_BUFFER], 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(golden_frames, start, stop),
		cmocka_unit_test(only_worker_0_answers),
		cmocka_unit_test_setup_teardown(no_buffer_to_answer_with, start, stop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
