/* SPDX-License-Identifier: BSD-3-Clause */
/* When flows are given to the device and when they are taken back: every arrow of the picture in offload.h. */
#include "offload_rig.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

/* A device that does nothing: it writes down what it is asked, and says what the test wants. */
enum asked {
	ASKED_INSERT,
	ASKED_REMOVE,
	ASKED_QUERY,
	ASKED_KINDS,
};

static struct {
	struct offload_rule rule; /* of the last insert */
	uint32_t token[ASKED_KINDS];
	uint32_t n[ASKED_KINDS];
	bool deaf[ASKED_KINDS]; /* -EAGAIN */
	struct offload_answer say[64];
	uint32_t n_say;
	enum offload_level can; /* for probes */
} dev;

static struct offload_rig *r;

static int ask(enum asked what, uint32_t token)
{
	if (dev.deaf[what])
		return -EAGAIN;
	dev.token[what] = token;
	dev.n[what]++;
	return 0;
}

static bool dev_probe(void *device, const struct offload_rule *rule)
{
	(void)device;
	return rule->level <= dev.can;
}

static int dev_insert(void *device, const struct offload_rule *rule, uint32_t token)
{
	(void)device;
	dev.rule = *rule;
	return ask(ASKED_INSERT, token);
}

static int dev_remove(void *device, uint8_t port, uint32_t token)
{
	(void)device;
	(void)port;
	return ask(ASKED_REMOVE, token);
}

static int dev_query(void *device, uint8_t port, uint32_t token)
{
	(void)device;
	(void)port;
	return ask(ASKED_QUERY, token);
}

static uint32_t dev_poll(void *device, struct offload_answer *out, uint32_t max)
{
	uint32_t n = dev.n_say < max ? dev.n_say : max;

	(void)device;
	memcpy(out, dev.say, n * sizeof(*out));
	memmove(dev.say, dev.say + n, (dev.n_say - n) * sizeof(*out));
	dev.n_say -= n;
	return n;
}

static const struct offload_ops ops = {dev_probe, dev_insert, dev_remove, dev_query, dev_poll};

static void say(enum offload_answer_kind kind, uint32_t token)
{
	dev.say[dev.n_say++] =
		(struct offload_answer){.kind = (uint8_t)kind, .port = 1, .token = token};
}

static void say_counted(enum offload_answer_kind kind, uint32_t token, uint64_t pkts,
                        uint64_t bytes)
{
	say(kind, token);
	dev.say[dev.n_say - 1].pkts = pkts;
	dev.say[dev.n_say - 1].bytes = bytes;
}

static void say_refused(uint32_t token, enum offload_fail fail)
{
	say(OFFLOAD_REFUSED, token);
	dev.say[dev.n_say - 1].fail = (uint8_t)fail;
}

static struct offload_splice splice;

static bool tell_splice(void *arg, const struct flow *f, enum flow_side_id from,
                        struct offload_splice *out)
{
	(void)arg;
	(void)from;
	*out = splice;
	return f->splice;
}

static int set_up(void **state)
{
	(void)state;
	memset(&dev, 0, sizeof(dev));
	memset(&splice, 0, sizeof(splice));
	r = aligned_alloc(128, (sizeof(*r) + 127) & ~(size_t)127);
	assert_non_null(r);
	offload_rig_init(r, &ops, NULL);
	offload_rig_start(r, 64);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	offload_rig_stop(r);
	free(r);
	return 0;
}

static struct flow *a_flow(uint16_t lport)
{
	struct offload_rig_flow what = {.client = 9, .endpoint = 7, .cport = lport, .lport = lport};

	return offload_rig_flow(r, &what);
}

/* Enough to be heavy, at once. */
static void send_much(struct flow *f, enum flow_side_id from)
{
	for (uint32_t i = 0; i < 100; i++)
		offload_rig_packet(r, f, from, 1500);
}

static struct flow *active_flow(uint16_t lport)
{
	struct flow *f = a_flow(lport);

	send_much(f, FLOW_SERVER);
	say(OFFLOAD_INSERTED, dev.token[ASKED_INSERT]);
	offload_rig_turn(r, 10);
	return f;
}

static const struct offload_counts *counts(void)
{
	return &r->o.counts[1];
}

/* ---- what becomes a rule ------------------------------------------------------------------- */

static void light_flows_stay(void **state)
{
	struct flow *f = a_flow(1000);

	(void)state;
	/* 60,000 bytes a second, for ten seconds */
	for (int i = 0; i < 400; i++) {
		offload_rig_packet(r, f, FLOW_SERVER, 1500);
		offload_rig_turn(r, 25000);
	}
	assert_int_equal(dev.n[ASKED_INSERT], 0);
	offload_rig_turn(r, 2000000);
	assert_int_equal(f->offload, 0);
	assert_int_equal(r->o.slab.used, 0);
}

static void heavy_flow_becomes_a_rule(void **state)
{
	struct flow *f = a_flow(1000);
	const uint8_t mac[6] = {2, 0, 0, 0, 0, 9};

	(void)state;
	send_much(f, FLOW_SERVER);
	assert_int_equal(dev.n[ASKED_INSERT], 1);
	assert_int_equal(dev.rule.level, OFFLOAD_REWRITE);
	assert_int_equal(dev.rule.in_port, 1);
	assert_int_equal(dev.rule.out_port, 0);
	assert_int_equal(dev.rule.ttl, 64);
	assert_memory_equal(dev.rule.out_dst_mac, mac, 6);
	assert_memory_equal(dev.rule.out_src_mac, r->rig.ports[0].mac, 6);
	assert_memory_equal(dev.rule.in_mac, r->rig.ports[1].mac, 6);
	assert_int_equal(dev.rule.sport, __builtin_bswap16(8080));
	assert_int_equal(dev.rule.dport, __builtin_bswap16(1000));
	assert_int_equal(dev.rule.new_sport, __builtin_bswap16(80));
	assert_int_equal(dev.rule.new_dport, __builtin_bswap16(1000));
	assert_true(offload_has(&r->o, f, FLOW_SERVER));
	assert_false(offload_has(&r->o, f, FLOW_CLIENT));
	assert_int_equal(counts()->rules, 1);
}

static void answers_go_first(void **state)
{
	struct flow *f = a_flow(1000);

	(void)state;
	for (int i = 0; i < 50; i++)
		offload_rig_packet(r, f, FLOW_CLIENT, 1200);
	send_much(f, FLOW_SERVER);
	assert_int_equal(dev.n[ASKED_INSERT], 1);
	assert_int_equal(dev.rule.in_port, 1);
	/* and what is sent to servers is taken where there are no answers to speak of */
	f = a_flow(1001);
	send_much(f, FLOW_CLIENT);
	assert_int_equal(dev.n[ASKED_INSERT], 2);
	assert_int_equal(dev.rule.in_port, 0);
	assert_int_equal(dev.rule.out_port, 1);
}

/* The device could not do what we do with these: they stay, or are only steered. */
static void what_cannot_be_rewritten(void **state)
{
	struct flow *f;

	(void)state;
	f = a_flow(1000);
	f->mode = FORWARD_DSR;
	send_much(f, FLOW_SERVER);
	assert_int_equal(dev.rule.level, OFFLOAD_STEER);
	f = a_flow(1001);
	f->side[FLOW_CLIENT].path.mtu = 1400; /* what does not fit is to be answered */
	send_much(f, FLOW_SERVER);
	assert_int_equal(dev.rule.level, OFFLOAD_STEER);
	f = a_flow(1002);
	f->side[FLOW_SERVER].seq_add =
		5; /* acknowledgements change, so SACK blocks would have to */
	f->side[FLOW_CLIENT].seq_add = 5;
	send_much(f, FLOW_SERVER);
	assert_int_equal(dev.rule.level, OFFLOAD_STEER);
	f = a_flow(1003);
	f->side[FLOW_CLIENT].path.neigh = 0;
	send_much(f, FLOW_SERVER);
	assert_int_equal(dev.rule.level, OFFLOAD_STEER);
	f = a_flow(1004);
	f->side[FLOW_CLIENT].seq_add = 5; /* only the numbers of what the server sends change */
	send_much(f, FLOW_SERVER);
	assert_int_equal(dev.rule.level, OFFLOAD_SPLICE);
	assert_int_equal(dev.rule.seq_add, 5);
	r->o.env.splice = tell_splice;
	f = a_flow(1005);
	f->splice = 1; /* one with time stamps */
	send_much(f, FLOW_SERVER);
	assert_int_equal(dev.rule.level, OFFLOAD_STEER);
	assert_int_equal(dev.rule.mark, slab_index(&r->flows->slab, f) + 1);
	f = a_flow(1006);
	flow_set_state(r->flows, f, FLOW_CLOSING);
	send_much(f, FLOW_SERVER);
	assert_int_equal(f->offload, 0);
}

static void levels_are_a_ceiling(void **state)
{
	struct flow *f = a_flow(1000);

	(void)state;
	offload_rig_level(r, OFFLOAD_MARK);
	send_much(f, FLOW_SERVER);
	assert_int_equal(dev.rule.level, OFFLOAD_MARK);
	offload_rig_level(r, OFFLOAD_NONE);
	f = a_flow(1001);
	send_much(f, FLOW_SERVER);
	assert_int_equal(dev.n[ASKED_INSERT], 1);
}

static void probing_goes_down(void **state)
{
	struct offload_rule sample;

	(void)state;
	for (int k = 0; k < OFFLOAD_KINDS; k++) {
		offload_sample(&sample, (enum offload_kind)k, 0, 1);
		for (int can = 0; can < OFFLOAD_LEVELS; can++) {
			enum offload_level want = (enum offload_level)can;

			dev.can = want;
			if (sample.udp && want == OFFLOAD_SPLICE)
				want = OFFLOAD_REWRITE;
			assert_int_equal(offload_probe(&ops, NULL, &sample, OFFLOAD_SPLICE), want);
		}
		dev.can = OFFLOAD_SPLICE;
		assert_int_equal(offload_probe(&ops, NULL, &sample, OFFLOAD_MARK), OFFLOAD_MARK);
	}
}

static void marks_are_only_hints(void **state)
{
	struct flow *f = a_flow(1000);
	uint32_t mark = slab_index(&r->flows->slab, f) + 1;
	enum flow_side_id side;
	struct pkt p = {.kind = PKT_TCP,
	                .src = flow_peer(&f->side[FLOW_SERVER]),
	                .sport = f->side[FLOW_SERVER].rport,
	                .dport = f->side[FLOW_SERVER].lport,
	                .own = f->side[FLOW_SERVER].local};

	(void)state;
	assert_ptr_equal(offload_marked(&r->o, mark, &p, &side), f);
	assert_int_equal(side, FLOW_SERVER);
	assert_null(offload_marked(&r->o, 0, &p, &side));
	assert_null(offload_marked(&r->o, mark + 1, &p, &side));
	assert_null(offload_marked(&r->o, UINT32_MAX, &p, &side));
	p.dport ^= 1;
	assert_null(offload_marked(&r->o, mark, &p, &side));
	p.dport ^= 1;
	p.kind = PKT_UDP;
	assert_null(offload_marked(&r->o, mark, &p, &side));
	p.kind = PKT_TCP;
	offload_rig_free(r, f);
	assert_null(offload_marked(&r->o, mark, &p, &side));
}

/* ---- and when it ends ---------------------------------------------------------------------- */

static void flow_is_held_until_settled(void **state)
{
	struct flow *f = active_flow(1000);

	(void)state;
	assert_false(offload_end(&r->o, f, OFFLOAD_WHY_CLOSED));
	assert_int_equal(dev.n[ASKED_REMOVE], 1);
	offload_rig_turn(r, 1000000);
	assert_false(offload_end(&r->o, f, OFFLOAD_WHY_CLOSED));
	assert_int_equal(dev.n[ASKED_REMOVE], 1);
	say(OFFLOAD_REMOVED, dev.token[ASKED_REMOVE]);
	offload_rig_turn(r, 10);
	assert_int_equal(counts()->rules, 0);
	assert_false(offload_end(&r->o, f, OFFLOAD_WHY_CLOSED));
	offload_rig_turn(r, OFFLOAD_SETTLE_US - 1);
	assert_false(offload_end(&r->o, f, OFFLOAD_WHY_CLOSED));
	offload_rig_turn(r, 1);
	assert_true(offload_end(&r->o, f, OFFLOAD_WHY_CLOSED));
	assert_int_equal(counts()->removed[OFFLOAD_WHY_CLOSED], 1);
	assert_int_equal(r->o.slab.used, 0);
	assert_int_equal(offload_next(&r->o), UINT64_MAX);
}

/* The end comes while the rule is on its way in. */
static void doomed_before_it_was_there(void **state)
{
	struct flow *f = a_flow(1000);

	(void)state;
	send_much(f, FLOW_SERVER);
	assert_false(offload_end(&r->o, f, OFFLOAD_WHY_CLOSED));
	assert_int_equal(dev.n[ASKED_REMOVE], 0);
	say(OFFLOAD_INSERTED, dev.token[ASKED_INSERT]);
	offload_rig_turn(r, 10);
	assert_int_equal(dev.n[ASKED_REMOVE], 1);
	say(OFFLOAD_REMOVED, dev.token[ASKED_REMOVE]);
	offload_rig_turn(r, 10);
	offload_rig_turn(r, OFFLOAD_SETTLE_US);
	assert_true(offload_end(&r->o, f, OFFLOAD_WHY_CLOSED));
	/* and when it does not get in, nothing has to come out */
	f = a_flow(1001);
	send_much(f, FLOW_SERVER);
	assert_false(offload_end(&r->o, f, OFFLOAD_WHY_CLOSED));
	say_refused(dev.token[ASKED_INSERT], OFFLOAD_FAIL_DEVICE);
	offload_rig_turn(r, 10);
	assert_true(offload_end(&r->o, f, OFFLOAD_WHY_CLOSED));
	assert_int_equal(counts()->failed[OFFLOAD_FAIL_DEVICE], 1);
}

static void refused_removal_is_repeated(void **state)
{
	struct flow *f = active_flow(1000);

	(void)state;
	dev.deaf[ASKED_REMOVE] = true;
	assert_false(offload_end(&r->o, f, OFFLOAD_WHY_CLOSED));
	offload_rig_turn(r, OFFLOAD_RETRY_US);
	dev.deaf[ASKED_REMOVE] = false;
	offload_rig_turn(r, OFFLOAD_RETRY_US);
	assert_int_equal(dev.n[ASKED_REMOVE], 1);
	say(OFFLOAD_STUCK, dev.token[ASKED_REMOVE]);
	offload_rig_turn(r, 10);
	assert_int_equal(counts()->failed[OFFLOAD_FAIL_STUCK], 1);
	assert_int_equal(counts()->rules, 1);
	assert_false(offload_end(&r->o, f, OFFLOAD_WHY_CLOSED));
	offload_rig_turn(r, OFFLOAD_RETRY_US);
	assert_int_equal(dev.n[ASKED_REMOVE], 2);
	say(OFFLOAD_REMOVED, dev.token[ASKED_REMOVE]);
	offload_rig_turn(r, 10);
	assert_int_equal(counts()->removed[OFFLOAD_WHY_CLOSED], 1);
}

static void lost_rules_come_back(void **state)
{
	struct flow *f = active_flow(1000), *other = a_flow(1001);

	(void)state;
	send_much(other, FLOW_SERVER); /* on its way in: it is answered as it went */
	say(OFFLOAD_LOST, 0);
	say(OFFLOAD_INSERTED, dev.token[ASKED_INSERT]);
	offload_rig_turn(r, 10);
	assert_int_equal(counts()->removed[OFFLOAD_WHY_LOST], 1);
	assert_int_equal(counts()->rules, 1);
	offload_rig_turn(r, OFFLOAD_SETTLE_US);
	assert_int_equal(f->offload, 0);
	assert_true(offload_has(&r->o, other, FLOW_SERVER));
	send_much(f, FLOW_SERVER);
	assert_int_equal(dev.n[ASKED_INSERT], 3);
}

static void counters_feed_the_flow(void **state)
{
	struct flow *f = active_flow(1000);
	uint32_t bytes = f->side[FLOW_SERVER].bytes;

	(void)state;
	offload_rig_turn(r, OFFLOAD_QUERY_US);
	assert_int_equal(dev.n[ASKED_QUERY], 1);
	say_counted(OFFLOAD_COUNTED, dev.token[ASKED_QUERY], 10, 10 * 1514);
	offload_rig_turn(r, 2000000);
	assert_int_equal(f->side[FLOW_SERVER].bytes - bytes, 15000);
	assert_int_equal(f->seen_s, r->flows->now_s);
	assert_int_equal(counts()->pkts, 10);
	assert_int_equal(counts()->bytes, 15000);
	/* the last ones come with the removal */
	offload_end(&r->o, f, OFFLOAD_WHY_CLOSED);
	say_counted(OFFLOAD_REMOVED, dev.token[ASKED_REMOVE], 12, 12 * 1514);
	offload_rig_turn(r, 10);
	assert_int_equal(f->side[FLOW_SERVER].bytes - bytes, 18000);
}

/* A query that is out may be answered when the rule is gone; its entry must not be another's by then. */
static void late_count_is_nobodys(void **state)
{
	struct flow *f = active_flow(1000);
	uint32_t query;

	(void)state;
	offload_rig_turn(r, OFFLOAD_QUERY_US);
	query = dev.token[ASKED_QUERY];
	offload_end(&r->o, f, OFFLOAD_WHY_CLOSED);
	say(OFFLOAD_REMOVED, dev.token[ASKED_REMOVE]);
	offload_rig_turn(r, 10);
	offload_rig_turn(r, 10 * OFFLOAD_SETTLE_US);
	assert_false(offload_end(&r->o, f, OFFLOAD_WHY_CLOSED));
	say_counted(OFFLOAD_COUNTED, query, 1000, 1514000);
	offload_rig_turn(r, 10);
	assert_int_equal(counts()->pkts, 0);
	assert_true(offload_end(&r->o, f, OFFLOAD_WHY_CLOSED));
}

static void idle_rules_go(void **state)
{
	active_flow(1000);
	(void)state;
	for (int i = 0; i < 11; i++) {
		offload_rig_turn(r, OFFLOAD_QUERY_US);
		say(OFFLOAD_COUNTED, dev.token[ASKED_QUERY]);
	}
	offload_rig_turn(r, OFFLOAD_QUERY_US);
	assert_int_equal(dev.n[ASKED_REMOVE], 1);
	/* or when the device says so */
	active_flow(1001);
	say(OFFLOAD_AGED, dev.token[ASKED_INSERT]);
	offload_rig_turn(r, 10);
	assert_int_equal(dev.n[ASKED_REMOVE], 2);
}

static void new_neighbour_ends_it(void **state)
{
	struct flow *f = active_flow(1000);

	(void)state;
	offload_rig_turn(r, OFFLOAD_QUERY_US);
	assert_int_equal(dev.n[ASKED_REMOVE], 0);
	say_counted(OFFLOAD_COUNTED, dev.token[ASKED_QUERY], 1, 1514);
	offload_rig_neighbour(r, &f->side[FLOW_CLIENT].path, 200);
	offload_rig_turn(r, OFFLOAD_QUERY_US);
	assert_int_equal(dev.n[ASKED_REMOVE], 1);
	say(OFFLOAD_REMOVED, dev.token[ASKED_REMOVE]);
	offload_rig_turn(r, 10);
	assert_int_equal(counts()->removed[OFFLOAD_WHY_PATH], 1);
}

static void draining_takes_all_back(void **state)
{
	struct flow *f[80];

	(void)state;
	for (uint16_t i = 0; i < 40; i++)
		f[i] = active_flow((uint16_t)(1000 + i));
	offload_drain(&r->o, true);
	offload_rig_turn(r, 10);
	assert_int_equal(dev.n[ASKED_REMOVE], 40);
	assert_int_equal(dev.n[ASKED_INSERT], 40);
	offload_end(&r->o, f[0], OFFLOAD_WHY_CLOSED);
	assert_int_equal(dev.n[ASKED_REMOVE], 40);
	send_much(a_flow(2000), FLOW_SERVER);
	assert_int_equal(dev.n[ASKED_INSERT], 40);
}

/* ---- room ---------------------------------------------------------------------------------- */

static void least_valuable_goes_first(void **state)
{
	struct flow *f[8], *more;

	(void)state;
	r->ports[1].max_rules = r->o.gate[1].room = 8;
	for (uint16_t i = 0; i < 8; i++)
		f[i] = active_flow((uint16_t)(1000 + i));
	offload_rig_turn(r, OFFLOAD_QUERY_US);
	for (uint32_t i = 0; i < 8; i++)
		say_counted(OFFLOAD_COUNTED, f[i]->offload - 1, 100,
		            (i == 5 ? 100 : 1000000) + 1514);
	offload_rig_turn(r, 1000);
	more = a_flow(3000);
	send_much(more, FLOW_SERVER);
	assert_int_equal(dev.n[ASKED_INSERT], 8);
	assert_int_equal(dev.n[ASKED_REMOVE], 1);
	assert_int_equal(dev.token[ASKED_REMOVE], f[5]->offload - 1);
	say(OFFLOAD_REMOVED, dev.token[ASKED_REMOVE]);
	offload_rig_turn(r, 10);
	send_much(more, FLOW_SERVER);
	assert_int_equal(dev.n[ASKED_INSERT], 9);
	assert_int_equal(counts()->removed[OFFLOAD_WHY_ROOM], 1);
}

static void full_device_is_believed(void **state)
{
	struct flow *f;

	(void)state;
	active_flow(1000);
	active_flow(1001);
	f = a_flow(1002);
	send_much(f, FLOW_SERVER);
	say_refused(dev.token[ASKED_INSERT], OFFLOAD_FAIL_ROOM);
	offload_rig_turn(r, 10);
	assert_int_equal(counts()->room, 2);
	assert_int_equal(f->offload, 0);
	/* tried again a little at a time */
	offload_rig_turn(r, 1000000);
	assert_int_equal(counts()->room, 3);
}

static void failures_back_off(void **state)
{
	struct flow *f = a_flow(1000);
	uint32_t tries = 0;

	(void)state;
	for (int ms = 0; ms < 1000; ms++) {
		uint32_t before = dev.n[ASKED_INSERT];

		send_much(f, FLOW_SERVER);
		if (dev.n[ASKED_INSERT] != before)
			say_refused(dev.token[ASKED_INSERT], OFFLOAD_FAIL_CANNOT);
		tries += dev.n[ASKED_INSERT] - before;
		offload_rig_turn(r, 1000);
	}
	assert_in_range(tries, 8, 11); /* after 1, 2, 4 ... 512 ms */
}

static void watches_make_room_for_watches(void **state)
{
	struct flow *f[100];

	(void)state;
	for (uint16_t i = 0; i < 100; i++) {
		f[i] = a_flow((uint16_t)(1000 + i));
		for (int k = 0; k < 30; k++)
			offload_rig_packet(r, f[i], FLOW_SERVER, 1500);
	}
	assert_int_equal(r->o.slab.used, 64);
	assert_int_equal(f[0]->offload, 0);
	assert_int_not_equal(f[99]->offload, 0);
	/* but rules are not pushed out by watches */
	offload_rig_turn(r, 2000000);
	for (uint16_t i = 0; i < 64; i++)
		active_flow((uint16_t)(2000 + i));
	send_much(f[0], FLOW_SERVER);
	assert_int_equal(f[0]->offload, 0);
}

/* ---- splices that come back ---------------------------------------------------------------- */

static struct flow *active_splice(uint64_t left)
{
	struct offload_rig_flow what = {
		.client = 9, .endpoint = 7, .cport = 5, .lport = 5, .seq_client = 77};
	struct flow *f = offload_rig_flow(r, &what);

	r->o.env.splice = tell_splice;
	splice = (struct offload_splice){true, 77, 0, true, 0xfffffff0u, left};
	f->splice = 1;
	send_much(f, FLOW_SERVER);
	if (dev.n[ASKED_INSERT])
		say(OFFLOAD_INSERTED, dev.token[ASKED_INSERT]);
	offload_rig_turn(r, 10);
	return f;
}

static void window_stays_below_the_limit(void **state)
{
	struct flow *f = active_splice(1000000);
	uint32_t limit = 0xfffffff0u + 1000000, edge = 0xfffffff0u;

	(void)state;
	assert_int_equal(dev.rule.level, OFFLOAD_SPLICE);
	/* far from it nothing is held back; an old acknowledgement is as it is */
	assert_int_equal(offload_edge(&r->o, f, edge + 700000), edge + 700000);
	assert_int_equal(offload_edge(&r->o, f, edge + 300000), edge + 300000);
	assert_int_equal(dev.n[ASKED_REMOVE], 0);
	/* near it, the rule goes, and until it has gone nothing beyond is asked for */
	assert_int_equal(offload_edge(&r->o, f, edge + 800000), edge + 800000);
	assert_int_equal(dev.n[ASKED_REMOVE], 1);
	assert_int_equal(offload_edge(&r->o, f, edge + 1000001), limit);
	assert_int_equal(offload_edge(&r->o, f, edge + 2000000), limit);
	say(OFFLOAD_STUCK, dev.token[ASKED_REMOVE]);
	offload_rig_turn(r, 10);
	assert_int_equal(offload_edge(&r->o, f, edge + 2000000), limit);
	offload_rig_turn(r, OFFLOAD_RETRY_US);
	say(OFFLOAD_REMOVED, dev.token[ASKED_REMOVE]);
	offload_rig_turn(r, 10);
	assert_int_equal(offload_edge(&r->o, f, edge + 2000000), edge + 2000000);
	assert_int_equal(counts()->removed[OFFLOAD_WHY_LIMIT], 1);
}

/* The limit counts from the first byte that is asked for, also while the rule is on its way in. */
static void limit_holds_before_the_answer(void **state)
{
	struct offload_rig_flow what = {
		.client = 9, .endpoint = 7, .cport = 5, .lport = 5, .seq_client = 77};
	struct flow *f = offload_rig_flow(r, &what);

	(void)state;
	r->o.env.splice = tell_splice;
	splice = (struct offload_splice){true, 77, 0, true, 100, 400000};
	f->splice = 1;
	send_much(f, FLOW_SERVER);
	assert_int_equal(offload_edge(&r->o, f, 500000), 400100);
	assert_int_equal(dev.n[ASKED_REMOVE], 0);
	say(OFFLOAD_INSERTED, dev.token[ASKED_INSERT]);
	offload_rig_turn(r, 10);
	assert_int_equal(dev.n[ASKED_REMOVE], 1);
}

static void very_long_bodies(void **state)
{
	struct flow *f = active_splice(1ull << 34);
	uint32_t edge = 0xfffffff0u;

	(void)state;
	for (uint64_t sent = 0; sent < (1ull << 34) - (1u << 20); sent += 1u << 20) {
		edge += 1u << 20;
		assert_int_equal(offload_edge(&r->o, f, edge), edge);
	}
	assert_int_equal(dev.n[ASKED_REMOVE], 0);
	offload_edge(&r->o, f, edge + (1u << 19) + (1u << 18) + 1);
	assert_int_equal(dev.n[ASKED_REMOVE], 1);
}

static void short_rests_are_not_worth_it(void **state)
{
	(void)state;
	active_splice(OFFLOAD_TAIL_BYTES + 65536);
	assert_int_equal(dev.n[ASKED_INSERT], 0); /* not for a mark either */
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(light_flows_stay),
		TEST(heavy_flow_becomes_a_rule),
		TEST(answers_go_first),
		TEST(what_cannot_be_rewritten),
		TEST(levels_are_a_ceiling),
		TEST(probing_goes_down),
		TEST(marks_are_only_hints),
		TEST(flow_is_held_until_settled),
		TEST(doomed_before_it_was_there),
		TEST(refused_removal_is_repeated),
		TEST(lost_rules_come_back),
		TEST(counters_feed_the_flow),
		TEST(late_count_is_nobodys),
		TEST(idle_rules_go),
		TEST(new_neighbour_ends_it),
		TEST(draining_takes_all_back),
		TEST(least_valuable_goes_first),
		TEST(full_device_is_believed),
		TEST(failures_back_off),
		TEST(watches_make_room_for_watches),
		TEST(window_stays_below_the_limit),
		TEST(limit_holds_before_the_answer),
		TEST(very_long_bodies),
		TEST(short_rests_are_not_worth_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
