/* SPDX-License-Identifier: BSD-3-Clause */
/* TCP segments out. Ports and addresses: tests/support/rig.h. */
#include "csum.h"
#include "rig.h"
#include "test.h"

#include <errno.h>

/* clang-format off */
static const char arp_reply[] =
	"02000000000102aa000000020806000108000604000202aa000000020a000002"
	"0200000000010a000001";
static const char arp_reply_tagged[] =
	"02000000010102aa0000000281000064"
	"0806000108000604000202aa000000020a0100020200000001010a010001";
static const char na_reply[] =
	"02000000000102aa0000000286dd6000000000203aff20010db8000000000000"
	"00000000000220010db8000000000000000000000001880089c7600000002001"
	"0db8000000000000000000000002020102aa00000002";
static const char segment4[] =
	"02aa0000000202000000000108004500003700004000400626bf0a0000010a00"
	"000200509c400000000100000002501803e845870000485454502f312e312032"
	"3030204f4b";
static const char segment6[] =
	"02aa0000000202000000000186dd600000000023064020010db8000000000000"
	"00000000000120010db800000000000000000000000200509c40000000010000"
	"0002501803e8fe140000485454502f312e3120323030204f4b";
static const char segment_tagged[] =
	"02aa000000020200000001018100006408004500003700004000400626bd0a01"
	"00010a01000200509c400000000100000002501803e845850000485454502f31"
	"2e3120323030204f4b";
/* clang-format on */

static const uint8_t segment[] = "\x00\x50\x9c\x40\0\0\0\x01\0\0\0\x02\x50\x18\x03\xe8\0\0\0\0"
				 "HTTP/1.1 200 OK";

static int start(void **state)
{
	static struct rig r;

	rig_init(&r);
	rig_start(&r, true, 64);
	rig_wait(&r, 0);
	rig_drain(&r); /* announcements */
	*state = &r;
	return 0;
}

static int stop(void **state)
{
	rig_stop(*state);
	return 0;
}

/* The segment above from src to dst; with_sum: its payload's sum is known. */
static int send(struct rig *r, struct net_path *path, const char *src, const char *dst,
                bool with_sum)
{
	struct ip_addr from = rig_addr(src), to = rig_addr(dst);
	struct buf *b = bufs_from(&r->pool, segment, sizeof(segment) - 1);
	struct net_segment seg = {&from, &to, b->data, b->len, NET_SUM_UNKNOWN};

	if (with_sum)
		seg.sum = csum_add(b->data + 20, b->len - 20u);
	return net_send_tcp(r->net, path, b, &seg);
}

static void golden(struct rig *r, uint8_t port, const char *pair[2], const char *reply,
                   const char *want)
{
	struct net_path path = {0};

	assert_int_equal(send(r, &path, pair[0], pair[1], false), 0);
	assert_int_equal(rig_sent(r, port), 1); /* the question */
	rig_drain(r);
	rig_receive_hex(r, port, reply);
	assert_int_equal(send(r, &path, pair[0], pair[1], true), 0);
	assert_int_equal(rig_sent(r, port), 2);
	assert_string_equal(rig_sent_hex(r, port, 0), want); /* had waited */
	assert_string_equal(rig_sent_hex(r, port, 1), want);
	assert_int_equal(net_out(r->net, port)->tx[1].flags, 0);
	rig_drain(r);
}

static void segments_in_software(void **state)
{
	struct rig *r = *state;

	golden(r, 0, (const char *[]){"10.0.0.1", "10.0.0.2"}, arp_reply, segment4);
	golden(r, 0, (const char *[]){"2001:db8::1", "2001:db8::2"}, na_reply, segment6);
	golden(r, 1, (const char *[]){"10.1.0.1", "10.1.0.2"}, arp_reply_tagged, segment_tagged);
}

static void sums_by_the_device(void **state)
{
	struct rig *r = *state;
	struct net_path path = {0}, path6 = {0};
	struct ip_addr us = rig_addr("10.0.0.1"), peer = rig_addr("10.0.0.2");
	const struct net_tx *tx;
	be16_t sum;

	r->net->links[0].conf.tx_ip_csum = true;
	r->net->links[0].conf.tx_tcp_csum = true;
	send(r, &path, "10.0.0.1", "10.0.0.2", true);
	send(r, &path6, "2001:db8::1", "2001:db8::2", true);
	rig_drain(r);
	rig_receive_hex(r, 0, arp_reply);
	rig_receive_hex(r, 0, na_reply);
	tx = net_out(r->net, 0)->tx;
	assert_int_equal(tx[0].flags, NET_TX_IP_CSUM | NET_TX_TCP_CSUM);
	assert_int_equal(tx[0].l2_len, 14);
	assert_int_equal(tx[0].l3_len, 20);
	assert_int_equal(wire_be16(tx[0].frame + 14 + IP4_CSUM), 0);
	sum = wire_be16(tx[0].frame + 34 + TCP_CSUM);
	assert_int_equal(sum % 0xffff, csum_pseudo(&us, &peer, IP_TCP, 35) % 0xffff);
	assert_int_equal(tx[1].flags, NET_TX_TCP_CSUM);
	assert_int_equal(tx[1].l3_len, 40);
}

static void nowhere_to_send(void **state)
{
	struct rig *r = *state;
	const char *dst[] = {"224.0.0.1", "255.255.255.255", "10.0.0.255", "10.0.0.1", "ff02::1"};

	for (size_t i = 0; i < sizeof(dst) / sizeof(dst[0]); i++) {
		struct net_path path = {0};
		struct ip_addr to = rig_addr(dst[i]);
		const char *src = ip_is_v4(&to) ? "10.0.0.1" : "2001:db8::1";

		assert_int_equal(send(r, &path, src, dst[i], true), -ENETUNREACH);
		assert_int_equal(r->counters[COUNT_TX_NO_ROUTE], i + 1);
		assert_int_equal(net_mtu(r->net, &path, &to), 0);
	}
	assert_int_equal(rig_sent(r, 0), 0);
	assert_int_equal(r->pool.live, 0);
}

static void queue_out_is_bounded(void **state)
{
	struct rig *r = *state;
	struct net_path path = {0};

	send(r, &path, "10.0.0.1", "10.0.0.2", true);
	rig_receive_hex(r, 0, arp_reply);
	rig_drain(r);
	for (uint32_t i = 0; i < NET_OUT_MAX; i++)
		assert_int_equal(send(r, &path, "10.0.0.1", "10.0.0.2", true), 0);
	assert_int_equal(send(r, &path, "10.0.0.1", "10.0.0.2", true), -ENOBUFS);
	assert_int_equal(r->counters[COUNT_TX_FULL], 1);
	assert_int_equal(r->pool.live, NET_OUT_MAX);
}

static void path_knows_the_mtu(void **state)
{
	struct rig *r = *state;
	struct net_path path = {0};
	struct ip_addr peer = rig_addr("10.0.0.2");

	assert_int_equal(net_mtu(r->net, &path, &peer), 1500);
	send(r, &path, "10.0.0.1", "10.0.0.2", true);
	assert_int_equal(path.mtu, 1500);
	assert_int_equal(net_mtu(r->net, &path, &peer), 1500);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(segments_in_software, start, stop),
		cmocka_unit_test_setup_teardown(sums_by_the_device, start, stop),
		cmocka_unit_test_setup_teardown(nowhere_to_send, start, stop),
		cmocka_unit_test_setup_teardown(queue_out_is_bounded, start, stop),
		cmocka_unit_test_setup_teardown(path_knows_the_mtu, start, stop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
