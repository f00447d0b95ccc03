/* SPDX-License-Identifier: BSD-3-Clause */
/* Multicast listener queries, where they end and what is answered. Ports and addresses: tests/support/rig.h. */
#include "rig.h"
#include "test.h"

static const struct rig_golden rows[] = {
	/* clang-format off */
	{"query", 0,
	 "33330000000102aa000000fe86dd6000000000240001fe800000000000000000"
	 "0000000000feff0200000000000000000000000000013a000502000001008200"
	 "55992710000000000000000000000000000000000000027d0000",
	 DROP_MLD_IN,
	 "33330000001602000000000186dd6000000000240001fe800000000000000000"
	 "00fffe000001ff0200000000000000000000000000163a000502000001008f00"
	 "74070000000102000000ff0200000000000000000001ff000001"},
	{"tagged, of MLDv1, two groups", 1,
	 "33330000000102aa000000fe8100006486dd6000000000200001fe8000000000"
	 "000000000000000000feff0200000000000000000000000000013a0005020000"
	 "01008200581a2710000000000000000000000000000000000000",
	 DROP_MLD_IN,
	 "3333000000160200000001018100006486dd6000000000380001fe8000000000"
	 "0000000000fffe000101ff0200000000000000000000000000163a0005020000"
	 "01008f0071ec0000000202000000ff0200000000000000000001ff0000010200"
	 "0000ff0200000000000000000001ff000101"},
	{"again within a second", 0,
	 "33330000000102aa000000fe86dd6000000000240001fe800000000000000000"
	 "0000000000feff0200000000000000000000000000013a000502000001008200"
	 "55992710000000000000000000000000000000000000027d0000",
	 DROP_MLD_IN,
	 ""},
	{"hop limit 2", 0,
	 "33330000000102aa000000fe86dd6000000000240002fe800000000000000000"
	 "0000000000feff0200000000000000000000000000013a000502000001008200"
	 "55992710000000000000000000000000000000000000027d0000",
	 DROP_ICMP_BAD,
	 ""},
	{"from afar", 0,
	 "33330000000102aa000000fe86dd600000000024000120010db8000000000000"
	 "000000000002ff0200000000000000000000000000013a000502000001008200"
	 "275d2710000000000000000000000000000000000000027d0000",
	 DROP_ICMP_BAD,
	 ""},
	{"short", 0,
	 "33330000000102aa000000fe86dd60000000001f0001fe800000000000000000"
	 "0000000000feff0200000000000000000000000000013a000502000001008200"
	 "7f2b00000000000000000000000000000000000000",
	 DROP_ICMP_BAD,
	 ""},
	{"checksum", 0,
	 "33330000000102aa000000fe86dd6000000000240001fe800000000000000000"
	 "0000000000feff0200000000000000000000000000013a000502000001008200"
	 "55982710000000000000000000000000000000000000027d0000",
	 DROP_ICMP_BAD,
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
	assert_int_equal(rig_receive_hex(&r, 0, rows[0].in), DROP_MLD_IN);
	assert_int_equal(rig_sent(&r, 0), 0);
	rig_stop(&r);
}

static void answers_again_after_a_second(void **state)
{
	struct rig *r = *state;

	rig_receive_hex(r, 0, rows[0].in);
	rig_drain(r);
	r->now_us += NET_REPORT_US;
	rig_receive_hex(r, 0, rows[0].in);
	assert_int_equal(rig_sent(r, 0), 1);
	assert_string_equal(rig_sent_hex(r, 0, 0), rows[0].out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(golden_frames, start, stop),
		cmocka_unit_test(only_worker_0_answers),
		cmocka_unit_test_setup_teardown(answers_again_after_a_second, start, stop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
