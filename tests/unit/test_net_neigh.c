/* SPDX-License-Identifier: BSD-3-Clause */
/* A neighbour's life. Ports and addresses: tests/support/rig.h. */
#include "rig.h"
#include "test.h"

#include <errno.h>
#include <stdio.h>

/* clang-format off */
static const char ask[] =
	"ffffffffffff020000000001080600010800060400010200000000010a000001"
	"0000000000000a000002";
static const char ask_unicast[] =
	"02aa00000002020000000001080600010800060400010200000000010a000001"
	"02aa000000020a000002";
static const char ask6[] =
	"3333ff00000202000000000186dd6000000000203aff20010db8000000000000"
	"000000000001ff0200000000000000000001ff00000287001c27000000002001"
	"0db80000000000000000000000020101020000000001";
static const char ask6_unicast[] =
	"02aa0000000202000000000186dd6000000000203aff20010db8000000000000"
	"00000000000120010db80000000000000000000000028700ec72000000002001"
	"0db80000000000000000000000020101020000000001";
static const char reply[] =
	"02000000000102aa000000020806000108000604000202aa000000020a000002"
	"0200000000010a000001";
static const char reply6[] =
	"02000000000102aa0000000286dd6000000000203aff20010db8000000000000"
	"00000000000220010db8000000000000000000000001880089c7600000002001"
	"0db8000000000000000000000002020102aa00000002";
/* 10.0.0.2 has moved to 02:bb:00:00:00:02 and says so to everybody */
static const char moved[] =
	"ffffffffffff02bb000000020806000108000604000102bb000000020a000002"
	"0000000000000a000002";
/* clang-format on */

#define SECOND 1000000ull

static const char *peer;
static struct net_path path;

static int start(void **state)
{
	static struct rig r;

	rig_init(&r);
	rig_start(&r, false, 64);
	rig_wait(&r, 0);
	peer = "10.0.0.2";
	path = (struct net_path){0};
	*state = &r;
	return 0;
}

static int stop(void **state)
{
	rig_stop(*state);
	return 0;
}

static int send_to(struct rig *r, struct net_path *way, const struct ip_addr *to)
{
	struct ip_addr from = rig_addr(ip_is_v4(to) ? "10.0.0.1" : "2001:db8::1");
	struct buf *b = bufs_from(&r->pool, "\0\x50\0\x50\0\0\0\0\0\0\0\0\x50\0\0\0\0\0\0\0", 20);
	struct net_segment seg = {&from, to, b->data, b->len, 0};

	return net_send_tcp(r->net, way, b, &seg);
}

static int send(struct rig *r)
{
	struct ip_addr to = rig_addr(peer);

	return send_to(r, &path, &to);
}

static enum neigh_state state_of(struct rig *r)
{
	struct ip_addr addr = rig_addr(peer);
	struct neigh *e = net_neigh_find(r->net, 0, &addr);

	return e ? (enum neigh_state)e->state : NEIGH_FREE;
}

/* What was sent: one frame, this one. */
static void assert_sent(struct rig *r, const char *hex)
{
	assert_int_equal(rig_sent(r, 0), 1);
	assert_string_equal(rig_sent_hex(r, 0, 0), hex);
	rig_drain(r);
}

static void assert_sent_to(struct rig *r, const char *mac)
{
	assert_int_equal(rig_sent(r, 0), 1);
	assert_memory_equal(rig_sent_hex(r, 0, 0), mac, 12);
	rig_drain(r);
}

static void resolves(void **state)
{
	struct rig *r = *state;

	assert_int_equal(send(r), 0);
	assert_sent(r, ask);
	assert_int_equal(state_of(r), NEIGH_INCOMPLETE);
	assert_int_equal(send(r), 0); /* waits, no second question */
	assert_int_equal(rig_sent(r, 0), 0);
	assert_int_equal(rig_receive_hex(r, 0, reply), DROP_ARP_IN);
	assert_int_equal(state_of(r), NEIGH_REACHABLE);
	assert_int_equal(rig_sent(r, 0), 2);
	rig_drain(r);
	send(r);
	assert_sent_to(r, "02aa00000002");
	peer = "2001:db8::2";
	path = (struct net_path){0};
	assert_int_equal(send(r), 0);
	assert_sent(r, ask6);
	assert_int_equal(rig_receive_hex(r, 0, reply6), DROP_NDP_IN);
	assert_sent_to(r, "02aa00000002");
	assert_int_equal(r->counters[COUNT_TX_NO_NEIGH], 0);
}

static void gives_up_and_forgets(void **state)
{
	struct rig *r = *state;

	send(r);
	for (int i = 0; i < NEIGH_TRIES; i++) {
		assert_sent(r, ask);
		assert_true(net_next(r->net) <= r->now_us + SECOND + TIMER_TICK_US);
		rig_wait(r, SECOND + TIMER_TICK_US);
	}
	assert_int_equal(rig_sent(r, 0), 0);
	assert_int_equal(state_of(r), NEIGH_FAILED);
	assert_int_equal(r->counters[COUNT_TX_NO_NEIGH], 1);
	assert_int_equal(r->pool.live, 0);
	assert_int_equal(send(r), -EHOSTUNREACH);
	assert_int_equal(r->counters[COUNT_TX_NO_NEIGH], 2);
	rig_wait(r, SECOND + TIMER_TICK_US);
	assert_int_equal(state_of(r), NEIGH_FREE);
	assert_int_equal(send(r), 0); /* the path notices and asks anew */
	assert_sent(r, ask);
}

static void queue_is_bounded(void **state)
{
	struct rig *r = *state;

	for (int i = 0; i < NEIGH_WAIT_MAX; i++)
		assert_int_equal(send(r), 0);
	assert_int_equal(send(r), -ENOBUFS);
	assert_int_equal(r->counters[COUNT_TX_NO_NEIGH], 1);
	rig_drain(r);
	rig_receive_hex(r, 0, reply);
	assert_int_equal(rig_sent(r, 0), NEIGH_WAIT_MAX);
}

static void places_to_wait_come_back(void **state)
{
	struct rig *r = *state;

	for (int times = 0; times < 40; times++) {
		for (int i = 0; i < NEIGH_WAIT_MAX; i++)
			assert_int_equal(send(r), 0);
		rig_drain(r);
		if (times & 1)
			rig_receive_hex(r, 0, reply);
		while (state_of(r) != NEIGH_FREE) {
			rig_drain(r);
			rig_wait(r, NEIGH_REACHABLE_US);
		}
	}
	assert_int_equal(r->pool.live, 0);
}

static void confirmed_while_in_use(void **state)
{
	struct rig *r = *state;

	for (int v6 = 0; v6 < 2; v6++) {
		peer = v6 ? "2001:db8::2" : "10.0.0.2";
		path = (struct net_path){0};
		send(r);
		rig_receive_hex(r, 0, v6 ? reply6 : reply);
		send(r);
		rig_drain(r);
		rig_wait(r, NEIGH_REACHABLE_US + TIMER_TICK_US);
		assert_sent(r, v6 ? ask6_unicast : ask_unicast);
		assert_int_equal(state_of(r), NEIGH_PROBE);
		send(r); /* no gap */
		assert_sent_to(r, "02aa00000002");
		rig_receive_hex(r, 0, v6 ? reply6 : reply);
		assert_int_equal(state_of(r), NEIGH_REACHABLE);
	}
	rig_drain(r);
	rig_wait(r, NEIGH_REACHABLE_US + TIMER_TICK_US);
	assert_int_equal(state_of(r), NEIGH_STALE);
}

static void confirmed_when_used_again(void **state)
{
	struct rig *r = *state;

	send(r);
	rig_receive_hex(r, 0, reply);
	rig_drain(r);
	rig_wait(r, NEIGH_REACHABLE_US + TIMER_TICK_US);
	assert_int_equal(state_of(r), NEIGH_STALE);
	assert_int_equal(rig_sent(r, 0), 0);
	send(r);
	assert_int_equal(rig_sent(r, 0), 2);
	assert_string_equal(rig_sent_hex(r, 0, 0), ask_unicast);
	assert_memory_equal(rig_sent_hex(r, 0, 1), "02aa00000002", 12);
	rig_drain(r);
	rig_receive_hex(r, 0, reply);
	assert_int_equal(state_of(r), NEIGH_REACHABLE);
	rig_wait(r, NEIGH_REACHABLE_US + TIMER_TICK_US);
	rig_wait(r, NEIGH_STALE_US + TIMER_TICK_US);
	assert_int_equal(state_of(r), NEIGH_FREE);
}

static void asks_everybody_when_it_does_not_confirm(void **state)
{
	struct rig *r = *state;

	send(r);
	rig_receive_hex(r, 0, reply);
	send(r);
	rig_drain(r);
	rig_wait(r, NEIGH_REACHABLE_US + TIMER_TICK_US);
	for (int i = 0; i < NEIGH_TRIES; i++) {
		assert_sent(r, ask_unicast);
		rig_wait(r, SECOND + TIMER_TICK_US);
	}
	assert_sent(r, ask);
	assert_int_equal(send(r), 0); /* waits */
	assert_int_equal(rig_sent(r, 0), 0);
	rig_receive_hex(r, 0, reply);
	assert_sent_to(r, "02aa00000002");
}

static void follows_a_neighbour_that_moves(void **state)
{
	struct rig *r = *state;

	send(r);
	rig_receive_hex(r, 0, reply);
	rig_drain(r);
	assert_int_equal(rig_receive_hex(r, 0, moved), DROP_ARP_IN);
	assert_int_equal(state_of(r), NEIGH_STALE);
	send(r);
	assert_int_equal(rig_sent(r, 0), 2); /* the question, and the segment at once */
	assert_memory_equal(rig_sent_hex(r, 0, 1), "02bb00000002", 12);
}

static void answer_by_announcement(void **state)
{
	struct rig *r = *state;

	send(r);
	rig_drain(r);
	rig_receive_hex(r, 0, moved);
	assert_int_equal(rig_sent(r, 0), 2);
	assert_memory_equal(rig_sent_hex(r, 0, 0), "02bb00000002", 12);
	assert_int_equal(state_of(r), NEIGH_PROBE);
}

static void floods_teach_nothing(void **state)
{
	struct rig *r = *state;
	char hex[sizeof(reply)];

	for (uint32_t i = 2; i < 200; i++) {
		snprintf(hex, sizeof(hex), "%.56s0a0000%02x%s", reply, i, reply + 64);
		assert_int_equal(rig_receive_hex(r, 0, hex), DROP_ARP_IN);
	}
	assert_int_equal(r->net->neigh_fresh, 0);
}

/* What an advertisement or a solicitation changes in a confirmed row (RFC 4861 section 7.2.5). */
static const struct {
	const char *name, *hex;
	enum neigh_state state;
	const char *mac;
} hearsay[] = {
	/* clang-format off */
	{"same address, not solicited",
	 "02000000000102aa0000000286dd6000000000203aff20010db8000000000000"
	 "00000000000220010db80000000000000000000000018800c9c7200000002001"
	 "0db8000000000000000000000002020102aa00000002",
	 NEIGH_REACHABLE, "02aa"},
	{"other address, not to override",
	 "02000000000102bb0000000286dd6000000000203aff20010db8000000000000"
	 "00000000000220010db80000000000000000000000018800a9b6400000002001"
	 "0db8000000000000000000000002020102bb00000002",
	 NEIGH_STALE, "02aa"},
	{"other address, unsolicited",
	 "33330000000102bb0000000286dd6000000000203aff20010db8000000000000"
	 "000000000002ff0200000000000000000000000000018800f86c200000002001"
	 "0db8000000000000000000000002020102bb00000002",
	 NEIGH_STALE, "02bb"},
	{"other address, solicited",
	 "02000000000102bb0000000286dd6000000000203aff20010db8000000000000"
	 "00000000000220010db8000000000000000000000001880089b6600000002001"
	 "0db8000000000000000000000002020102bb00000002",
	 NEIGH_REACHABLE, "02bb"},
	{"no address, solicited",
	 "02000000000102aa0000000286dd6000000000183aff20010db8000000000000"
	 "00000000000220010db80000000000000000000000018800ae7c400000002001"
	 "0db8000000000000000000000002",
	 NEIGH_REACHABLE, "02aa"},
	{"multicast address",
	 "02000000000102aa0000000286dd6000000000203aff20010db8000000000000"
	 "00000000000220010db8000000000000000000000001880088c8600000002001"
	 "0db8000000000000000000000002020103aa00000001",
	 NEIGH_REACHABLE, "02aa"},
	{"solicitation with the same address",
	 "3333ff00000102aa0000000286dd6000000000203aff20010db8000000000000"
	 "000000000002ff0200000000000000000001ff00000187001b7d000000002001"
	 "0db8000000000000000000000001010102aa00000002",
	 NEIGH_REACHABLE, "02aa"},
	{"solicitation with another address",
	 "3333ff00000102bb0000000286dd6000000000203aff20010db8000000000000"
	 "000000000002ff0200000000000000000001ff00000187001b6c000000002001"
	 "0db8000000000000000000000001010102bb00000002",
	 NEIGH_STALE, "02bb"},
	/* clang-format on */
};

static void hearsay_about_a_neighbour(void **state)
{
	struct rig *r = *state;
	struct ip_addr addr = rig_addr("2001:db8::2");
	struct neigh *e;

	peer = "2001:db8::2";
	send(r);
	for (size_t i = 0; i < sizeof(hearsay) / sizeof(hearsay[0]); i++) {
		e = net_neigh_find(r->net, 0, &addr);
		rig_receive_hex(r, 0, reply6);
		assert_int_equal(e->state, NEIGH_REACHABLE);
		assert_int_equal(rig_receive_hex(r, 0, hearsay[i].hex), DROP_NDP_IN);
		if (e->state != hearsay[i].state)
			print_error("%s\n", hearsay[i].name);
		assert_int_equal(e->state, hearsay[i].state);
		assert_int_equal(net_neigh_mac(e)[1], hearsay[i].mac[2] == 'a' ? 0xaa : 0xbb);
	}
}

/* clang-format off */
static const char request_to_us[] =
	"02000000000102aa000000020806000108000604000102aa000000020a000002"
	"0000000000000a000001";
static const char na_without_mac[] =
	"02000000000102aa0000000286dd6000000000183aff20010db8000000000000"
	"00000000000220010db80000000000000000000000018800ae7c400000002001"
	"0db8000000000000000000000002";
/* clang-format on */

static void questions_do_not_confirm(void **state)
{
	struct rig *r = *state;

	send(r);
	rig_drain(r);
	rig_receive_hex(r, 0, request_to_us); /* tells its address: used, and asked back */
	assert_int_equal(rig_sent(r, 0), 2);
	assert_int_equal(state_of(r), NEIGH_PROBE);
	rig_receive_hex(r, 0, request_to_us);
	assert_int_equal(state_of(r), NEIGH_PROBE);
	peer = "2001:db8::2";
	path = (struct net_path){0};
	send(r);
	assert_int_equal(rig_receive_hex(r, 0, na_without_mac), DROP_NDP_IN);
	assert_int_equal(state_of(r), NEIGH_INCOMPLETE);
}

/* More destinations than rows: the gateway and the one in use stay, nothing leaks. */
static void full_table_keeps_what_is_worth_it(void **state)
{
	struct rig *r = *state;
	struct ip_addr to = rig_addr("203.0.113.1");
	struct net_path gateway = {0}, others[200] = {0};

	send(r);
	rig_receive_hex(r, 0, reply);
	send_to(r, &gateway, &to);
	for (uint32_t i = 0; i < 200; i++) {
		to = rig_addr("10.0.0.3");
		to.b[15] = (uint8_t)(3 + i);
		send_to(r, &others[i], &to);
		rig_drain(r);
		send(r);
		assert_sent_to(r, "02aa00000002");
	}
	assert_int_equal(state_of(r), NEIGH_REACHABLE);
	assert_int_equal(r->net->neighs[gateway.neigh - 1].gen, gateway.neigh_gen);
	assert_true(r->counters[COUNT_TX_NO_NEIGH] >= 200 - 64);
	assert_true(r->pool.live <= 64);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(resolves, start, stop),
		cmocka_unit_test_setup_teardown(gives_up_and_forgets, start, stop),
		cmocka_unit_test_setup_teardown(queue_is_bounded, start, stop),
		cmocka_unit_test_setup_teardown(places_to_wait_come_back, start, stop),
		cmocka_unit_test_setup_teardown(confirmed_while_in_use, start, stop),
		cmocka_unit_test_setup_teardown(confirmed_when_used_again, start, stop),
		cmocka_unit_test_setup_teardown(asks_everybody_when_it_does_not_confirm, start,
	                                        stop),
		cmocka_unit_test_setup_teardown(follows_a_neighbour_that_moves, start, stop),
		cmocka_unit_test_setup_teardown(answer_by_announcement, start, stop),
		cmocka_unit_test_setup_teardown(hearsay_about_a_neighbour, start, stop),
		cmocka_unit_test_setup_teardown(questions_do_not_confirm, start, stop),
		cmocka_unit_test_setup_teardown(floods_teach_nothing, start, stop),
		cmocka_unit_test_setup_teardown(full_table_keeps_what_is_worth_it, start, stop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
