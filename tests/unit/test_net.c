/* SPDX-License-Identifier: BSD-3-Clause */
/* Start, announcements, our addresses. Ports and addresses: tests/support/rig.h. */
#include "rig.h"
#include "test.h"

static const char mld_announcement[] =
	"33330000001602000000000186dd6000000000240001fe800000000000000000"
	"00fffe000001ff0200000000000000000000000000163a000502000001008f00"
	"72070000000104000000ff0200000000000000000001ff000001";
static const char arp_announcement[] =
	"ffffffffffff020000000001080600010800060400010200000000010a000001"
	"0000000000000a000001";
static const char na_announcement[] =
	"33330000000102000000000186dd6000000000203aff20010db8000000000000"
	"000000000001ff0200000000000000000000000000018800f92a200000002001"
	"0db80000000000000000000000010201020000000001";

static void announces_each_address_three_times(void **state)
{
	struct rig r;
	uint32_t times = 0;

	(void)state;
	rig_init(&r);
	rig_start(&r, true, 64);
	for (int i = 0; i < 100; i++) {
		rig_wait(&r, 100000);
		if (!rig_sent(&r, 0))
			continue;
		times++;
		/* the groups, two addresses and the link-local one */
		assert_int_equal(rig_sent(&r, 0), 4);
		assert_int_equal(rig_sent(&r, 1), 4);
		assert_string_equal(rig_sent_hex(&r, 0, 0), mld_announcement);
		assert_string_equal(rig_sent_hex(&r, 0, 1), arp_announcement);
		assert_string_equal(rig_sent_hex(&r, 0, 2), na_announcement);
		rig_drain(&r);
	}
	assert_int_equal(times, NET_ANNOUNCE_TIMES);
	assert_int_equal(net_next(r.net), UINT64_MAX);
	rig_stop(&r);
}

static void others_announce_nothing(void **state)
{
	struct rig r;

	(void)state;
	rig_init(&r);
	rig_start(&r, false, 64);
	assert_int_equal(net_next(r.net), UINT64_MAX);
	rig_wait(&r, 10000000);
	assert_int_equal(rig_sent(&r, 0), 0);
	rig_stop(&r);
}

static void frees_what_was_not_sent(void **state)
{
	struct rig r;

	(void)state;
	rig_init(&r);
	rig_start(&r, true, 64);
	rig_wait(&r, 0);
	assert_int_equal(r.pool.live, 8);
	rig_stop(&r); /* aborts on a leak */
}

static void knows_its_addresses(void **state)
{
	const char *ours[] = {"10.0.0.1",      "10.1.0.1",        "2001:db8::1",
	                      "2001:db8:1::1", "fe80::ff:fe00:1", "fe80::ff:fe00:101"};
	struct ip_addr a;
	struct rig r;

	(void)state;
	rig_init(&r);
	rig_start(&r, true, 64);
	for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++) {
		a = rig_addr(ours[i]);
		assert_true(net_is_ours(r.net, &a));
		a.b[15] ^= 0x80;
		assert_false(net_is_ours(r.net, &a));
	}
	a = (struct ip_addr){0};
	assert_false(net_is_ours(r.net, &a));
	rig_stop(&r);
}

/* The most addresses that a node can have, close together. */
static void many_addresses(void **state)
{
	struct ip_addr a;
	struct rig r;

	(void)state;
	rig_init(&r);
	r.ports[0].n_addrs = NODE_ADDRS_MAX;
	for (uint8_t i = 0; i < NODE_ADDRS_MAX; i++) {
		r.ports[0].addrs[i] = (struct node_prefix){rig_addr("10.0.0.1"), 120};
		r.ports[0].addrs[i].addr.b[15] = i;
	}
	r.ports[0].addrs[0] = (struct node_prefix){rig_addr("2001:db8::1"), 64};
	rig_start(&r, true, 64);
	for (uint32_t i = 0; i < 256; i++) {
		a = rig_addr("10.0.0.0");
		a.b[15] = (uint8_t)i;
		assert_int_equal(net_is_ours(r.net, &a), i > 0 && i < NODE_ADDRS_MAX);
	}
	rig_stop(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(announces_each_address_three_times),
		cmocka_unit_test(others_announce_nothing),
		cmocka_unit_test(frees_what_was_not_sent),
		cmocka_unit_test(knows_its_addresses),
		cmocka_unit_test(many_addresses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
