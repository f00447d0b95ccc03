/* SPDX-License-Identifier: BSD-3-Clause */
/* Order, windows, acknowledgements, SACK blocks of the receiving half. */
#include "tcp_rig.h"
#include "test.h"

static struct tcp_rig r;

static int start(void **state)
{
	(void)state;
	tcp_rig_init(&r);
	r.config.rcvbuf_bytes = 20000;
	tcp_rig_start(&r);
	tcp_rig_accept(&r);
	return 0;
}

static int start_unscaled(void **state)
{
	(void)state;
	tcp_rig_init(&r);
	r.wscale = 15;
	r.config.rcvbuf_bytes = 262144;
	tcp_rig_start(&r);
	tcp_rig_accept(&r);
	return 0;
}

static int stop(void **state)
{
	(void)state;
	tcp_rig_stop(&r);
	return 0;
}

static enum drop data(uint32_t seq, uint16_t len)
{
	return TCP_RIG_IN(&r, .flags = TCP_ACK, .seq = seq, .ack = 1, .len = len);
}

/* Everything that waits is right, and there are n bytes of it. */
static void expect_bytes(uint32_t n)
{
	uint32_t at = 1;

	assert_int_equal(tcp_recv_queue(r.c)->bytes, n);
	for (const struct buf *b = tcp_recv_queue(r.c)->first; b; b = b->next) {
		for (uint32_t i = 0; i < b->len; i++, at++)
			assert_int_equal(b->data[i], (uint8_t)at);
	}
}

static void acknowledges_every_second_segment(void **state)
{
	(void)state;
	assert_int_equal(data(1, 1000), DROP_TCP_IN);
	assert_int_equal(tcp_rig_flush(&r), 0);
	assert_int_equal(data(1001, 1000), DROP_TCP_IN);
	assert_int_equal(tcp_rig_flush(&r), 1);
	assert_int_equal(tcp_rig_only(&r).ack, 2001);
	assert_true(r.events & TCP_EV_READABLE);
	expect_bytes(2000);
}

static void acknowledges_a_single_one_after_40_ms(void **state)
{
	uint64_t before = r.rig.now_us;

	(void)state;
	data(1, 100);
	assert_int_equal(tcp_rig_flush(&r), 0);
	tcp_rig_wait(&r, 1000000);
	assert_in_range(r.rig.now_us - before, 39000, 43000);
	assert_int_equal(tcp_rig_only(&r).ack, 101);
}

static void an_answer_carries_the_acknowledgement(void **state)
{
	struct tcp_rig_seg g;

	(void)state;
	data(1, 100);
	tcp_rig_send(&r, 5);
	assert_int_equal(tcp_rig_flush(&r), 1);
	g = tcp_rig_only(&r);
	assert_int_equal(g.ack, 101);
	assert_int_equal(g.len, 5);
	TCP_RIG_IN(&r, .flags = TCP_ACK, .seq = 101, .ack = 6);
	tcp_rig_wait(&r, 1000000);
	assert_int_equal(rig_sent(&r.rig, 0), 0); /* nothing else was due */
}

static void reports_holes_newest_first(void **state)
{
	struct tcp_rig_seg g;

	(void)state;
	assert_int_equal(data(1001, 500), DROP_TCP_IN);
	assert_int_equal(tcp_rig_flush(&r), 1);
	g = tcp_rig_only(&r);
	assert_int_equal(g.ack, 1);
	assert_int_equal(g.opt.n_sack, 1);
	data(3001, 500);
	data(2001, 500);
	tcp_rig_flush(&r);
	g = tcp_rig_only(&r);
	assert_int_equal(g.opt.n_sack, 3);
	assert_int_equal(g.opt.sack[0].start - TCP_RIG_ISS, 2001);
	assert_int_equal(g.opt.sack[0].end - TCP_RIG_ISS, 2501);
	assert_int_equal(g.opt.sack[1].start - TCP_RIG_ISS, 1001);
	assert_int_equal(g.opt.sack[2].start - TCP_RIG_ISS, 3001);
	data(1501, 500); /* joins two of them */
	tcp_rig_flush(&r);
	g = tcp_rig_only(&r);
	assert_int_equal(g.opt.n_sack, 2);
	assert_int_equal(g.opt.sack[0].start - TCP_RIG_ISS, 1001);
	assert_int_equal(g.opt.sack[0].end - TCP_RIG_ISS, 2501);
	data(1, 1000);
	tcp_rig_flush(&r);
	g = tcp_rig_only(&r);
	assert_int_equal(g.ack, 2501);
	expect_bytes(2500);
}

static void reports_duplicates(void **state)
{
	struct tcp_rig_seg g;

	(void)state;
	data(1, 500);
	data(501, 500);
	tcp_rig_flush(&r);
	tcp_rig_drain(&r);
	assert_int_equal(data(1, 500), DROP_TCP_DUP);
	tcp_rig_flush(&r);
	g = tcp_rig_only(&r);
	assert_int_equal(g.opt.n_sack, 1); /* RFC 2883 */
	assert_int_equal(g.opt.sack[0].start - TCP_RIG_ISS, 1);
	assert_int_equal(g.opt.sack[0].end - TCP_RIG_ISS, 501);
	assert_int_equal(data(1, 800), DROP_TCP_DUP);
	assert_int_equal(data(701, 800), DROP_TCP_IN); /* 500 bytes are new */
	expect_bytes(1500);
}

static void takes_overlaps_of_any_shape(void **state)
{
	(void)state;
	data(301, 200);
	data(701, 200);
	data(401, 100); /* inside */
	data(251, 100); /* over the left edge */
	data(451, 300); /* from one into the next */
	data(201, 900); /* over all */
	data(1001, 50); /* known */
	assert_int_equal(tcp_recv_queue(r.c)->bytes, 0);
	data(1, 200);
	expect_bytes(1100);
	assert_int_equal(r.c->ooo_n, 0);
	data(1201, 200);
	data(1101, 150); /* over the left edge of what waits */
	expect_bytes(1400);
}

static void never_takes_more_than_it_offered(void **state)
{
	struct tcp_rig_seg g;
	uint32_t at = 1;

	(void)state;
	while (data(at, 1000) == DROP_TCP_IN && at < 100000)
		at += 1000;
	assert_in_range(at, 20001, 21001);
	assert_in_range(tcp_recv_queue(r.c)->bytes, 20000, 20001);
	tcp_rig_flush(&r);
	assert_true(tcp_rig_only(&r).zero_wnd);
	while (tcp_recv_queue(r.c)->bytes > 19000)
		tcp_recv_drop(r.tcp, r.c, 100);
	assert_int_equal(tcp_rig_flush(&r), 0); /* a silly window is not told */
	while (tcp_recv_queue(r.c)->bytes > 10000)
		tcp_recv_drop(r.tcp, r.c, 100);
	assert_int_equal(tcp_rig_flush(&r), 1);
	g = tcp_rig_only(&r);
	assert_true(g.wnd >= 9000);
}

/* To a peer without window scaling 65,535 bytes are all that can be told: reading adds no news. */
static void tells_no_window_that_was_told_before(void **state)
{
	uint32_t at = 1;

	(void)state;
	for (int i = 0; i < 100; i++, at += 1000) {
		assert_int_equal(data(at, 1000), DROP_TCP_IN);
		tcp_recv_drop(r.tcp, r.c, 1000);
		assert_int_equal(tcp_rig_flush(&r),
		                 i % 2); /* every second one is acknowledged anyway */
		tcp_rig_drain(&r);
	}
}

static void tells_an_unscaled_window_when_it_opens(void **state)
{
	uint32_t at = 1;

	(void)state;
	while (tcp_recv_queue(r.c)->bytes < 250000) {
		assert_int_equal(data(at, 1000), DROP_TCP_IN);
		at += 1000;
		tcp_rig_flush(&r);
		tcp_rig_drain(&r);
	}
	tcp_recv_drop(r.tcp, r.c, 60000);
	assert_int_equal(tcp_rig_flush(&r), 1);
	assert_int_equal(tcp_rig_only(&r).wnd, UINT16_MAX);
}

static void joins_small_segments(void **state)
{
	uint32_t at = 1;

	(void)state;
	for (int i = 0; i < 2000; i++, at += 10)
		assert_int_equal(data(at, 10), DROP_TCP_IN);
	assert_int_equal(tcp_recv_queue(r.c)->bytes, 20000);
	assert_true(r.rig.pool.live < 100);
	tcp_rig_flush(&r);
	tcp_rig_drain(&r);
}

static void bounds_buffers_that_cannot_be_joined(void **state)
{
	uint32_t at = 1;

	(void)state;
	r.exact = true;
	while (data(at, 10) == DROP_TCP_IN)
		at += 10;
	assert_in_range(tcp_recv_queue(r.c)->n, 94, 94 + 64); /* 20000 / 256 + 16, and the slack */
	tcp_recv_drop(r.tcp, r.c, 1000);
	assert_int_equal(data(at, 10), DROP_TCP_IN);
	tcp_rig_flush(&r);
	tcp_rig_drain(&r);
}

static void bounds_what_is_out_of_order(void **state)
{
	uint32_t full = 0;

	(void)state;
	for (uint32_t i = 0; i < 5000; i++)
		full += data(3 + 3 * i, 1) == DROP_TCP_OOO_LIMIT;
	assert_true(full > 4000);
	assert_true(r.c->ooo_n <= r.tcp->ooo_max);
	data(1, 2); /* what is in order is always taken */
	assert_true(tcp_recv_queue(r.c)->bytes >= 3);
}

static void splits_where_it_is_asked_to(void **state)
{
	struct bufq out = {0};
	uint32_t n = 0;

	(void)state;
	data(1, 1000);
	data(1001, 1000);
	assert_int_equal(tcp_recv_take(r.tcp, r.c, 1300, &out), 0);
	assert_int_equal(out.bytes, 1300);
	assert_int_equal(tcp_recv_queue(r.c)->bytes, 700);
	assert_int_equal(tcp_recv_queue(r.c)->first->data[0], (uint8_t)1301);
	assert_int_equal(tcp_recv_take(r.tcp, r.c, 690, &out), 0);
	assert_int_equal(tcp_recv_take(r.tcp, r.c, 10, &out), 0);
	for (const struct buf *b = out.first; b; b = b->next) {
		for (uint32_t i = 0; i < b->len; i++)
			assert_int_equal(b->data[i], (uint8_t)(++n));
	}
	assert_int_equal(n, 2000);
	data(2001, 100);
	r.rig.pool.limit = r.rig.pool.live;
	assert_int_equal(tcp_recv_take(r.tcp, r.c, 50, &out), -12 /* ENOMEM */);
	assert_int_equal(tcp_recv_queue(r.c)->bytes, 100);
	r.rig.pool.limit = 1000;
	bufq_clear(&out);
}

static void takes_fin_out_of_order(void **state)
{
	(void)state;
	TCP_RIG_IN(&r, .flags = TCP_ACK | TCP_FIN, .seq = 101, .ack = 1);
	tcp_rig_flush(&r);
	tcp_rig_drain(&r);
	assert_false(tcp_eof(r.c));
	data(1, 100);
	tcp_rig_flush(&r);
	assert_true(tcp_eof(r.c));
	assert_true(r.events & TCP_EV_EOF);
	assert_int_equal(tcp_rig_only(&r).ack, 102);
	assert_int_equal(r.c->state, TCP_CLOSE_WAIT);
	expect_bytes(100);
}

static void answers_keep_alive_probes(void **state)
{
	(void)state;
	assert_int_equal(TCP_RIG_IN(&r, .flags = TCP_ACK, .seq = 0, .ack = 1), DROP_TCP_DUP);
	assert_int_equal(tcp_rig_flush(&r), 1);
	assert_int_equal(tcp_rig_only(&r).ack, 1);
}

#define CASE(fn)          cmocka_unit_test_setup_teardown(fn, start, stop)
#define CASE_UNSCALED(fn) cmocka_unit_test_setup_teardown(fn, start_unscaled, stop)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(acknowledges_every_second_segment),
		CASE(acknowledges_a_single_one_after_40_ms),
		CASE(an_answer_carries_the_acknowledgement),
		CASE(reports_holes_newest_first),
		CASE(reports_duplicates),
		CASE(takes_overlaps_of_any_shape),
		CASE(never_takes_more_than_it_offered),
		CASE_UNSCALED(tells_no_window_that_was_told_before),
		CASE_UNSCALED(tells_an_unscaled_window_when_it_opens),
		CASE(joins_small_segments),
		CASE(bounds_buffers_that_cannot_be_joined),
		CASE(bounds_what_is_out_of_order),
		CASE(splits_where_it_is_asked_to),
		CASE(takes_fin_out_of_order),
		CASE(answers_keep_alive_probes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
