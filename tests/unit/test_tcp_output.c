/* SPDX-License-Identifier: BSD-3-Clause */
/* What is sent, when, and out of whose memory. */
#include "tcp_rig.h"
#include "test.h"

#include <string.h>

static struct tcp_rig r;

static int start(void **state)
{
	(void)state;
	tcp_rig_init(&r);
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

static enum drop ack(uint32_t n, uint16_t wnd)
{
	return TCP_RIG_IN(&r, .flags = TCP_ACK, .seq = 1, .ack = n, .wnd = wnd,
	                  .zero_wnd = wnd == 0);
}

static struct buf *bytes(uint16_t n)
{
	struct buf *b = buf_alloc(&r.rig.pool);

	b->len = n;
	memset(b->data, 'a', n);
	return b;
}

static void sends_in_place_what_it_may(void **state)
{
	struct buf *b = bytes(1000);
	const uint8_t *payload;

	(void)state;
	tcp_send(r.tcp, r.c, b);
	assert_int_equal(tcp_rig_flush(&r), 1);
	tcp_rig_out(&r, 0, &payload);
	assert_ptr_equal(payload, b->data);
	assert_int_equal(r.rig.counters[COUNT_TX_COPIES], 0);
}

static void copies_what_is_shared_or_has_no_room(void **state)
{
	struct buf *b = bytes(1000), *tight = bytes(1000);
	const uint8_t *payload;

	(void)state;
	buf_ref(b);
	tcp_send(r.tcp, r.c, b);
	tight->data = tight->head + 40;
	memset(tight->data, 'b', 1000);
	tcp_send(r.tcp, r.c, tight);
	assert_int_equal(tcp_rig_flush(&r), 2);
	tcp_rig_out(&r, 0, &payload);
	assert_ptr_not_equal(payload, b->data);
	assert_memory_equal(payload, b->data, 1000);
	tcp_rig_out(&r, 1, &payload);
	assert_ptr_not_equal(payload, tight->data);
	assert_int_equal(payload[999], 'b');
	assert_int_equal(r.rig.counters[COUNT_TX_COPIES], 2);
	buf_free(b);
}

static void joins_small_buffers(void **state)
{
	(void)state;
	tcp_send(r.tcp, r.c, bytes(100));
	tcp_send(r.tcp, r.c, bytes(100));
	tcp_send(r.tcp, r.c, bytes(900));
	tcp_send(r.tcp, r.c, bytes(900));
	assert_int_equal(tcp_rig_flush(&r), 2);
	assert_int_equal(tcp_rig_out(&r, 0, NULL).len, 1100);
	assert_int_equal(tcp_rig_out(&r, 1, NULL).len, 900);
	assert_int_equal(tcp_rig_out(&r, 0, NULL).flags, TCP_ACK);
	assert_int_equal(tcp_rig_out(&r, 1, NULL).flags, TCP_ACK | TCP_PSH);
}

static void cuts_at_the_mss(void **state)
{
	struct buf *b = bytes(2000);

	(void)state;
	tcp_send(r.tcp, r.c, b);
	assert_int_equal(tcp_rig_flush(&r), 2);
	assert_int_equal(tcp_rig_out(&r, 0, NULL).len, 1448); /* 1460 less the timestamps */
	assert_int_equal(tcp_rig_out(&r, 1, NULL).len, 552);
}

static void starts_with_ten_segments(void **state)
{
	(void)state;
	tcp_rig_send(&r, 100000);
	assert_in_range(tcp_rig_flush(&r), 10, 11); /* of 1,400 bytes each: RFC 6928 */
	tcp_rig_drain(&r);
	ack(1401, 65535);
	assert_int_equal(tcp_rig_flush(&r), 2); /* slow start: one out, one more */
}

static void respects_the_window_and_is_not_silly(void **state)
{
	(void)state;
	tcp_rig_send(&r, 6000);
	ack(1, 20); /* 20 << 7 = 2560 bytes */
	assert_int_equal(tcp_rig_flush(&r), 1);
	assert_int_equal(tcp_rig_out(&r, 0, NULL).len, 1400); /* 1160 more would fit: silly */
	tcp_rig_drain(&r);
	ack(1401, 65535);
	assert_int_equal(tcp_rig_flush(&r), 4);
}

static void probes_a_closed_window(void **state)
{
	struct tcp_rig_seg g;
	uint64_t before;

	(void)state;
	ack(1, 0);
	tcp_rig_send(&r, 3000);
	assert_int_equal(tcp_rig_flush(&r), 0);
	for (int i = 0; i < 12; i++) {
		before = r.rig.now_us;
		tcp_rig_wait(&r, 100000000);
		g = tcp_rig_only(&r);
		assert_int_equal(g.len, 0);
		assert_int_equal(g.seq, 0); /* in front of the window */
		assert_true(r.rig.now_us - before < 61000000);
		ack(1, 0);
		tcp_rig_flush(&r);
		assert_int_equal(rig_sent(&r.rig, 0), 0);
	}
	assert_int_equal(r.c->state, TCP_ESTABLISHED); /* the peer answers: it lives */
	ack(1, 100);
	assert_int_equal(tcp_rig_flush(&r), 3);
}

static void gives_up_probing_a_silent_peer(void **state)
{
	uint64_t before = r.rig.now_us;

	(void)state;
	ack(1, 0);
	tcp_rig_send(&r, 3000);
	tcp_rig_flush(&r);
	while (r.c->state == TCP_ESTABLISHED && r.rig.now_us - before < 1000000000) {
		tcp_rig_wait(&r, 1000000);
		tcp_rig_drain(&r);
	}
	assert_int_equal(tcp_why(r.c), TCP_WHY_TIMEOUT);
	assert_in_range(r.rig.now_us - before, 120000000, 190000000);
}

static void probes_before_a_fin_too(void **state)
{
	(void)state;
	ack(1, 0);
	tcp_shutdown(r.tcp, r.c);
	assert_int_equal(tcp_rig_flush(&r), 0);
	tcp_rig_wait(&r, 10000000);
	assert_int_equal(tcp_rig_only(&r).flags, TCP_ACK);
	ack(1, 1);
	assert_int_equal(tcp_rig_flush(&r), 1);
	assert_int_equal(tcp_rig_only(&r).flags, TCP_FIN | TCP_ACK);
}

static void fin_rides_on_the_last_segment(void **state)
{
	struct tcp_rig_seg g;

	(void)state;
	tcp_rig_send(&r, 2000);
	tcp_shutdown(r.tcp, r.c);
	assert_int_equal(tcp_rig_flush(&r), 2);
	assert_int_equal(tcp_rig_out(&r, 0, NULL).flags & TCP_FIN, 0);
	g = tcp_rig_out(&r, 1, NULL);
	assert_true(g.flags & TCP_FIN);
	tcp_rig_drain(&r);
	ack(1401, 65535);
	tcp_rig_flush(&r);
	for (int i = 0; i < 5; i++) { /* and is sent again with it */
		tcp_rig_wait(&r, 60000000);
		g = tcp_rig_only(&r);
		assert_true(g.flags & TCP_FIN);
	}
	ack(2002, 65535);
	assert_int_equal(r.c->state, TCP_FIN_WAIT_2);
}

static void stays_inside_a_window_taken_back(void **state)
{
	(void)state;
	tcp_rig_send(&r, 7000);
	assert_int_equal(tcp_rig_flush(&r), 5);
	tcp_rig_drain(&r);
	ack(1401, 8); /* 1024 bytes: the edge went back from beyond 7001 to 2425 */
	TCP_RIG_IN(&r, .flags = TCP_ACK, .seq = 1, .ack = 1401, .wnd = 8, .len = 1);
	TCP_RIG_IN(&r, .flags = TCP_ACK, .seq = 2, .ack = 1401, .wnd = 8, .len = 1);
	assert_int_equal(tcp_rig_flush(&r), 1);
	assert_int_equal(tcp_rig_only(&r).seq, 2425); /* an ACK it will look at */
	for (int i = 0; i < 3; i++) {
		tcp_rig_wait(&r, 10000000);
		assert_true(rig_sent(&r.rig, 0) >= 1);
		tcp_rig_drain(&r);
	}
	tcp_rig_wait(&r, 60000000);
	assert_int_equal(tcp_rig_only(&r).len, 1024); /* repairs fit, too */
}

static void lowers_the_mss_when_the_path_is_narrow(void **state)
{
	struct net_icmp_error e = {.too_big = true, .mtu = 1000, .lport = __builtin_bswap16(80)};
	uint32_t cwnd = r.c->cwnd;

	(void)state;
	e.local = rig_addr("10.0.0.1");
	e.remote = rig_addr("10.0.0.2");
	e.rport = __builtin_bswap16(r.port);
	tcp_rig_send(&r, 2800);
	assert_int_equal(tcp_rig_flush(&r), 2);
	tcp_rig_drain(&r);
	e.seq = r.iss + 5000; /* never sent: somebody guesses (RFC 5927) */
	tcp_icmp(r.tcp, &e, r.rig.now_us);
	assert_int_equal(tcp_rig_flush(&r), 0);
	e.seq = r.iss + 1;
	tcp_icmp(r.tcp, &e, r.rig.now_us);
	assert_int_equal(tcp_rig_flush(&r), 4);
	assert_int_equal(tcp_rig_out(&r, 0, NULL).seq, 1);
	assert_int_equal(tcp_rig_out(&r, 0, NULL).len, 948); /* 1000 - 20 - 20 - 12 */
	assert_int_equal(tcp_rig_out(&r, 1, NULL).seq, 949);
	assert_int_equal(r.c->cwnd, cwnd);
	e.mtu = 68;
	tcp_icmp(r.tcp, &e, r.rig.now_us);
	assert_int_equal(r.c->mss, 500); /* not below 552 */
}

static void without_buffers_it_is_as_if_lost(void **state)
{
	struct buf *b = bytes(2000);

	(void)state;
	tcp_send(r.tcp, r.c, b);
	r.rig.pool.limit = r.rig.pool.live;
	assert_int_equal(tcp_rig_flush(&r), 0);
	assert_true(r.rig.counters[COUNT_NO_BUFFER] > 0);
	r.rig.pool.limit = 1000;
	tcp_rig_wait(&r, 2000000);
	assert_true(rig_sent(&r.rig, 0) >= 1);
}

static void leaves_room_in_a_full_device_queue(void **state)
{
	struct net_out *out = net_out(r.rig.net, 0);
	uint32_t n;

	(void)state;
	tcp_rig_send(&r, 14000);
	n = out->n;
	out->n = NET_OUT_MAX - 10;
	tcp_flush(r.tcp, r.rig.now_us);
	assert_int_equal(out->n, NET_OUT_MAX - 10);
	out->n = n;
	tcp_flush(r.tcp, r.rig.now_us);
	assert_int_equal(out->n, 10);
}

/* ---- devices that gather and cut -------------------------------------------------------------- */

static int start_cutting(void **state)
{
	(void)state;
	tcp_rig_init(&r);
	r.rig.ports[0].tx_ip_csum = r.rig.ports[0].tx_tcp_csum = true;
	r.rig.ports[0].tx_gather = true;
	r.rig.ports[0].tx_tso_bufs = 64;
	tcp_rig_start(&r);
	tcp_rig_accept(&r);
	r.c->cwnd = 1000000;
	ack(1, 65535);
	return 0;
}

static const struct net_tx *frame(uint32_t i)
{
	return &net_out(r.rig.net, 0)->tx[i];
}

static void a_device_gets_a_run_of_segments(void **state)
{
	(void)state;
	tcp_rig_send(&r, 14000 + 300);
	assert_int_equal(tcp_rig_flush(&r), 1);
	assert_int_equal(frame(0)->flags,
	                 NET_TX_IP_CSUM | NET_TX_TCP_CSUM | NET_TX_TSO | NET_TX_MORE);
	assert_int_equal(frame(0)->n_pieces, 10);
	assert_int_equal(frame(0)->mss, 1400);
	assert_int_equal(tcp_rig_out(&r, 0, NULL).len, 1400);
	assert_int_equal(tcp_rig_out(&r, 0, NULL).flags, TCP_ACK | TCP_PSH);
	assert_int_equal(r.rig.counters[COUNT_TX_TSO], 1);
	assert_int_equal(r.rig.counters[COUNT_TX_TSO_SEGMENTS], 11);
	tcp_rig_drain(&r);
	/* one that is lost goes again alone: it has a buffer and a mark of its own */
	ack(1, 65535);
	tcp_rig_wait(&r, 3000000);
	assert_int_equal(rig_sent(&r.rig, 0), 1);
	assert_int_equal(tcp_rig_out(&r, 0, NULL).seq, 1);
	assert_int_equal(tcp_rig_out(&r, 0, NULL).len, 1400);
	assert_int_equal(frame(0)->flags & NET_TX_TSO, 0);
}

static void a_run_ends_where_lengths_differ(void **state)
{
	static const uint16_t lengths[] = {1000, 1000, 900, 1448, 1448, 1200, 1200, 511, 511};

	(void)state;
	for (uint32_t i = 0; i < 9; i++)
		tcp_send(r.tcp, r.c, bytes(lengths[i]));
	assert_int_equal(tcp_rig_flush(&r), 4);
	assert_int_equal(frame(0)->n_pieces, 2); /* 1000 1000 900 */
	assert_int_equal(frame(0)->mss, 1000);
	assert_int_equal(frame(1)->n_pieces, 2); /* 1448 1448 1200 */
	assert_int_equal(frame(1)->mss, 1448);
	assert_int_equal(frame(2)->n_pieces, 1); /* 1200 511 */
	assert_int_equal(frame(3)->n_pieces, 0); /* 511 */
}

static void a_frame_has_so_many_buffers_and_bytes(void **state)
{
	(void)state;
	tcp_rig_send(&r, 100 * 1400);
	tcp_rig_flush(&r);
	assert_int_equal(frame(0)->n_pieces, 45); /* 46 of 1,400 bytes are 64,400 */
	tcp_rig_drain(&r);
	ack(140001, 65535);
	r.rig.net->links[0].conf.tx_tso_bufs = 4;
	tcp_rig_send(&r, 7 * 1400);
	assert_int_equal(tcp_rig_flush(&r), 2);
	assert_int_equal(frame(0)->n_pieces, 3);
	assert_int_equal(frame(1)->n_pieces, 2);
}

/* What SACK blocks say belongs to one segment. */
static void segments_with_blocks_go_alone(void **state)
{
	(void)state;
	r.c->flags |= TCP_F_SACK;
	TCP_RIG_IN(&r, .flags = TCP_ACK, .seq = 2001, .ack = 1, .len = 100);
	assert_non_null(r.c->ooo);
	tcp_rig_send(&r, 5 * 1400);
	assert_int_equal(tcp_rig_flush(&r), 5);
}

/* A duplicate is reported as soon as a segment has the room, which full ones have not. */
static void segments_that_report_a_duplicate_go_alone(void **state)
{
	(void)state;
	r.c->flags |= TCP_F_SACK | TCP_F_DSACK;
	for (uint32_t i = 0; i < 3; i++)
		tcp_send(r.tcp, r.c, bytes(r.c->mss));
	tcp_send(r.tcp, r.c, bytes(1000));
	assert_int_equal(tcp_rig_flush(&r), 4);
	assert_int_equal(r.c->flags & TCP_F_DSACK, 0);
}

static void only_the_last_frame_gets_more(void **state)
{
	struct buf *b = bytes(1000);
	struct net_more more = {.mss = 1000};

	(void)state;
	tcp_send(r.tcp, r.c, bytes(1000));
	tcp_rig_flush(&r);
	more.l4 = frame(0)->frame + frame(0)->l2_len + frame(0)->l3_len;
	tcp_output_bare(r.tcp, r.c, r.c->snd_nxt, TCP_ACK);
	assert_int_equal(rig_sent(&r.rig, 0), 2);
	assert_false(net_send_more(r.rig.net, &r.c->path, b, &more));
	more.l4 = frame(1)->frame + frame(1)->l2_len + frame(1)->l3_len;
	assert_true(net_send_more(r.rig.net, &r.c->path, b, &more));
}

static void payload_that_is_shared_is_gathered(void **state)
{
	struct buf *b = bytes(1000);
	const struct net_piece *piece = net_out(r.rig.net, 0)->piece;

	(void)state;
	buf_ref(b);
	tcp_send(r.tcp, r.c, b);
	tcp_send(r.tcp, r.c, bytes(1000));
	assert_int_equal(tcp_rig_flush(&r), 1);
	assert_int_equal(frame(0)->n_pieces, 2); /* the header is alone in its buffer */
	assert_ptr_equal(piece[0].data, b->data);
	assert_int_equal(piece[0].len, 1000);
	assert_int_equal(r.rig.counters[COUNT_TX_COPIES], 0);
	assert_int_equal(r.rig.counters[COUNT_TX_GATHERED], 1);
	buf_free(b);
}

/* A frame that waits for its neighbour is in one buffer. */
static void nothing_is_gathered_for_those_who_wait(void **state)
{
	struct net_path path = {0};
	struct ip_addr to = rig_addr("10.0.0.99"), from = rig_addr("10.0.0.1");

	(void)state;
	assert_false(net_gathers(r.rig.net, &path));
	assert_true(net_path_fill(r.rig.net, &path, &from, &to));
	assert_false(net_gathers(r.rig.net, &path));
	assert_true(net_gathers(r.rig.net, &r.c->path));
	net_out(r.rig.net, 0)->n_pieces = NET_OUT_MAX;
	assert_false(net_gathers(r.rig.net, &r.c->path));
	net_out(r.rig.net, 0)->n_pieces = 0;
}

static void without_buffers_nothing_is_gathered(void **state)
{
	struct buf *b = bytes(1000);
	uint64_t missed = r.rig.counters[COUNT_NO_BUFFER];

	(void)state;
	buf_ref(b);
	tcp_send(r.tcp, r.c, b);
	for (uint32_t spare = 0; spare < 2; spare++) {
		r.rig.pool.limit = r.rig.pool.live + spare; /* the header's, or not even that */
		assert_int_equal(tcp_rig_flush(&r), 0);
		assert_int_equal(r.rig.counters[COUNT_NO_BUFFER], ++missed);
		tcp_touch(r.tcp, r.c);
	}
	r.rig.pool.limit = 1000;
	assert_int_equal(tcp_rig_flush(&r), 1);
	buf_free(b);
}

#define CASE(fn)    cmocka_unit_test_setup_teardown(fn, start, stop)
#define CUTTING(fn) cmocka_unit_test_setup_teardown(fn, start_cutting, stop)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(sends_in_place_what_it_may),
		CASE(copies_what_is_shared_or_has_no_room),
		CASE(joins_small_buffers),
		CASE(cuts_at_the_mss),
		CASE(starts_with_ten_segments),
		CASE(respects_the_window_and_is_not_silly),
		CASE(probes_a_closed_window),
		CASE(gives_up_probing_a_silent_peer),
		CASE(probes_before_a_fin_too),
		CASE(fin_rides_on_the_last_segment),
		CASE(stays_inside_a_window_taken_back),
		CASE(lowers_the_mss_when_the_path_is_narrow),
		CASE(without_buffers_it_is_as_if_lost),
		CASE(leaves_room_in_a_full_device_queue),
		CUTTING(a_device_gets_a_run_of_segments),
		CUTTING(a_run_ends_where_lengths_differ),
		CUTTING(a_frame_has_so_many_buffers_and_bytes),
		CUTTING(segments_with_blocks_go_alone),
		CUTTING(segments_that_report_a_duplicate_go_alone),
		CUTTING(only_the_last_frame_gets_more),
		CUTTING(payload_that_is_shared_is_gathered),
		CUTTING(nothing_is_gathered_for_those_who_wait),
		CUTTING(without_buffers_nothing_is_gathered),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
