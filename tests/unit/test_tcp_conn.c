/* SPDX-License-Identifier: BSD-3-Clause */
/* Birth, end and reuse of connections; the table; the lists. */
#include "rng.h"
#include "tcp_rig.h"
#include "test.h"

#include <stdlib.h>
#include <string.h>

static struct tcp_rig r;

static int start(void **state)
{
	(void)state;
	tcp_rig_init(&r);
	tcp_rig_start(&r);
	return 0;
}

static int stop(void **state)
{
	(void)state;
	tcp_rig_stop(&r);
	return 0;
}

static struct tcp_peer peer_of(uint16_t port)
{
	return (struct tcp_peer){rig_addr("10.0.0.1"), rig_addr("10.0.0.2"),
	                         __builtin_bswap16(r.our_port), __builtin_bswap16(port)};
}

static void closes_in_order_actively(void **state)
{
	(void)state;
	tcp_rig_connect(&r);
	tcp_rig_send(&r, 10);
	tcp_shutdown(r.tcp, r.c);
	assert_int_equal(tcp_rig_flush(&r), 1);
	assert_int_equal(tcp_rig_only(&r).flags, TCP_FIN | TCP_ACK | TCP_PSH);
	assert_int_equal(tcp_send_space(r.tcp, r.c), 0);
	tcp_rig_send(&r, 10); /* too late: freed */
	TCP_RIG_IN(&r, .flags = TCP_ACK | TCP_FIN, .seq = 1, .ack = 12);
	tcp_rig_flush(&r);
	assert_int_equal(tcp_rig_only(&r).ack, 2);
	assert_int_equal(r.events & (TCP_EV_EOF | TCP_EV_CLOSED), TCP_EV_EOF | TCP_EV_CLOSED);
	assert_int_equal(tcp_why(r.c), TCP_WHY_FINISHED);
	assert_int_equal(r.rig.counters[COUNT_TCP_TIME_WAIT], 1);
	tcp_release(r.tcp, r.c);
	assert_int_equal(r.tcp->slab.used, 1);
	tcp_rig_wait(&r, 61000000);
	assert_int_equal(r.tcp->slab.used, 0);
	assert_int_equal(r.rig.counters[COUNT_TCP_CONNS], 0);
	assert_int_equal(r.rig.counters[COUNT_TCP_TIME_WAIT], 0);
}

static void closes_in_order_passively(void **state)
{
	(void)state;
	tcp_rig_bring_to(&r, TCP_LAST_ACK);
	TCP_RIG_IN(&r, .flags = TCP_ACK, .seq = 2, .ack = 2);
	tcp_rig_flush(&r);
	assert_true(r.events & TCP_EV_CLOSED);
	assert_int_equal(tcp_why(r.c), TCP_WHY_FINISHED);
	assert_int_equal(r.rig.counters[COUNT_TCP_CONNS], 0);
	tcp_release(r.tcp, r.c);
	assert_int_equal(r.tcp->slab.used, 0);
}

static void releasing_unread_bytes_resets(void **state)
{
	(void)state;
	tcp_rig_accept(&r);
	TCP_RIG_IN(&r, .flags = TCP_ACK, .seq = 1, .ack = 1, .len = 10);
	tcp_rig_flush(&r);
	tcp_release(r.tcp, r.c);
	assert_int_equal(tcp_rig_only(&r).flags, TCP_RST | TCP_ACK);
	assert_int_equal(r.tcp->slab.used, 0);
}

static void bytes_after_release_reset(void **state)
{
	(void)state;
	tcp_rig_accept(&r);
	tcp_rig_send(&r, 100);
	tcp_release(r.tcp, r.c);
	assert_int_equal(tcp_rig_flush(&r), 1); /* what was queued, and FIN */
	assert_int_equal(tcp_rig_only(&r).len, 100);
	TCP_RIG_IN(&r, .flags = TCP_ACK, .seq = 1, .ack = 102, .len = 10);
	assert_int_equal(tcp_rig_only(&r).flags, TCP_RST | TCP_ACK);
	assert_int_equal(r.tcp->slab.used, 0);
}

static void a_released_one_does_not_wait_for_ever(void **state)
{
	(void)state;
	tcp_rig_bring_to(&r, TCP_FIN_WAIT_2);
	tcp_release(r.tcp, r.c);
	tcp_rig_wait(&r, 61000000);
	assert_int_equal(r.tcp->slab.used, 0);
}

static void abort_tells_the_peer_once(void **state)
{
	(void)state;
	tcp_rig_accept(&r);
	tcp_rig_send(&r, 5000);
	tcp_abort(r.tcp, r.c);
	assert_int_equal(tcp_rig_only(&r).flags, TCP_RST | TCP_ACK);
	assert_int_equal(tcp_why(r.c), TCP_WHY_ABORTED);
	assert_int_equal(tcp_rig_flush(&r), 0);
	tcp_abort(r.tcp, r.c);
	assert_int_equal(tcp_rig_flush(&r), 0);
	tcp_release(r.tcp, r.c);
}

static void connecting_is_refused(void **state)
{
	struct net_icmp_error e = {.hard = true, .lport = __builtin_bswap16(80)};

	(void)state;
	tcp_rig_bring_to(&r, TCP_SYN_SENT);
	TCP_RIG_IN(&r, .flags = TCP_RST | TCP_ACK, .ack = 5); /* not of our SYN */
	assert_int_equal(r.c->state, TCP_SYN_SENT);
	TCP_RIG_IN(&r, .flags = TCP_RST | TCP_ACK, .ack = 1);
	tcp_rig_flush(&r);
	assert_int_equal(tcp_why(r.c), TCP_WHY_REFUSED);
	tcp_release(r.tcp, r.c);
	tcp_rig_bring_to(&r, TCP_SYN_SENT);
	e.local = rig_addr("10.0.0.1");
	e.remote = rig_addr("10.0.0.2");
	e.rport = __builtin_bswap16(r.port);
	e.seq = r.iss;
	tcp_icmp(r.tcp, &e, r.rig.now_us);
	assert_int_equal(tcp_why(r.c), TCP_WHY_REFUSED);
	tcp_release(r.tcp, r.c);
}

static void connecting_times_out(void **state)
{
	uint32_t syns = 1;
	uint64_t before = r.rig.now_us;

	(void)state;
	tcp_rig_bring_to(&r, TCP_SYN_SENT);
	while (r.c->state == TCP_SYN_SENT) {
		tcp_rig_wait(&r, 1000000);
		syns += rig_sent(&r.rig, 0);
		tcp_rig_drain(&r);
	}
	assert_int_equal(syns, 4); /* at 0, 1, 3, 7 of 10 s */
	assert_in_range(r.rig.now_us - before, 10000000, 10010000);
	assert_int_equal(tcp_why(r.c), TCP_WHY_TIMEOUT);
	tcp_release(r.tcp, r.c);
}

static void no_route_is_told_at_once(void **state)
{
	struct tcp_peer p = peer_of(1);

	(void)state;
	r.rig.node.n_routes = 0;
	tcp_rig_stop(&r);
	tcp_rig_init(&r);
	r.rig.node.n_routes = 0;
	tcp_rig_start(&r);
	p.remote = rig_addr("203.0.113.1");
	r.c = tcp_connect(r.tcp, &p, 1000000, r.rig.now_us);
	assert_int_equal(tcp_why(r.c), TCP_WHY_NO_ROUTE);
	tcp_release(r.tcp, r.c);
}

static void the_limit_evicts_only_time_wait(void **state)
{
	(void)state;
	tcp_rig_bring_to(&r, TCP_TIME_WAIT);
	tcp_release(r.tcp, r.c);
	for (uint16_t i = 0; i < 64; i++) {
		r.port = (uint16_t)(1000 + i);
		assert_int_equal(TCP_RIG_IN(&r, .flags = TCP_SYN), DROP_TCP_IN);
	}
	assert_int_equal(r.rig.counters[COUNT_TCP_TIME_WAIT], 0);
	r.port = 2000;
	assert_int_equal(TCP_RIG_IN(&r, .flags = TCP_SYN), DROP_TCP_CONN_LIMIT);
}

static void half_open_ones_go_away(void **state)
{
	(void)state;
	tcp_rig_bring_to(&r, TCP_SYN_RCVD);
	for (int i = 0; i < 200; i++) {
		tcp_rig_wait(&r, 1000000);
		tcp_rig_drain(&r);
	}
	assert_int_equal(r.tcp->slab.used, 0);
	assert_int_equal(r.tcp->half_open, 0);
}

static void numbers_of_a_tuple_only_grow(void **state)
{
	struct tcp_peer p = peer_of(40000), q = peer_of(40001);
	uint32_t was = tcp_stack_isn(r.tcp, &p), now;

	(void)state;
	assert_int_not_equal(was, tcp_stack_isn(r.tcp, &q));
	assert_int_equal(tcp_stack_ts_offset(r.tcp, &p), tcp_stack_ts_offset(r.tcp, &p));
	for (int i = 0; i < 100; i++) {
		r.tcp->now_us += 1000000;
		now = tcp_stack_isn(r.tcp, &p);
		assert_int_equal(now - was, 16000000); /* 62.5 ns a step */
		was = now;
	}
}

static void time_wait_is_reused_by_newer_numbers_only(void **state)
{
	struct tcp_peer p = peer_of(40000);
	struct tcp_rig_seg g;
	uint32_t iss;

	(void)state;
	tcp_rig_bring_to(&r, TCP_TIME_WAIT);
	iss = r.iss;
	tcp_release(r.tcp, r.c);
	assert_int_equal(TCP_RIG_IN(&r, .flags = TCP_SYN, .seq = 100, .opt.tsval = 50),
	                 DROP_TCP_CHALLENGE);
	assert_false(tcp_port_free(r.tcp, &p)); /* within a second of its end */
	r.rig.now_us += 2000000;
	r.tcp->now_us = r.rig.now_us;
	assert_true(tcp_port_free(r.tcp, &p));
	tcp_rig_flush(&r);
	tcp_rig_drain(&r);
	assert_int_equal(TCP_RIG_IN(&r, .flags = TCP_SYN, .seq = 3u - 70000u),
	                 DROP_TCP_IN); /* by time */
	g = tcp_rig_only(&r);
	assert_int_equal(g.flags, TCP_SYN | TCP_ACK);
	assert_true(seq_gt(r.iss, iss));
}

static void keep_alive_finds_the_dead(void **state)
{
	uint32_t probes = 0;

	(void)state;
	tcp_rig_stop(&r);
	tcp_rig_init(&r);
	r.config.keepalive_idle_us = 10000000;
	r.config.keepalive_intvl_us = 1000000;
	r.config.keepalive_probes = 3;
	tcp_rig_start(&r);
	tcp_rig_accept(&r);
	tcp_rig_wait(&r, 11000000);
	assert_int_equal(tcp_rig_only(&r).seq, 0);
	TCP_RIG_IN(&r, .flags = TCP_ACK, .seq = 1, .ack = 1); /* it lives */
	tcp_rig_flush(&r);
	while (r.c->state == TCP_ESTABLISHED) {
		tcp_rig_wait(&r, 1000000);
		probes += rig_sent(&r.rig, 0);
		tcp_rig_drain(&r);
	}
	assert_int_equal(probes, 4); /* three, and the RST */
	assert_int_equal(tcp_why(r.c), TCP_WHY_TIMEOUT);
}

static void cookies_carry_the_options(void **state)
{
	(void)state;
	tcp_rig_stop(&r);
	tcp_rig_init(&r);
	r.config.backlog = 0;
	tcp_rig_start(&r);
	assert_int_equal(TCP_RIG_IN(&r, .flags = TCP_SYN), DROP_TCP_IN);
	assert_int_equal(tcp_rig_only(&r).flags, TCP_SYN | TCP_ACK);
	assert_int_equal(r.tcp->slab.used, 0);
	assert_int_equal(TCP_RIG_IN(&r, .flags = TCP_ACK, .seq = 1, .ack = 0x101), DROP_TCP_COOKIE);
	assert_int_equal(TCP_RIG_IN(&r, .flags = TCP_ACK, .seq = 2, .ack = 1), DROP_TCP_COOKIE);
	assert_int_equal(TCP_RIG_IN(&r, .flags = TCP_ACK, .seq = 1, .ack = 1, .len = 5),
	                 DROP_TCP_IN);
	tcp_rig_flush(&r);
	assert_int_equal(r.events, TCP_EV_ACCEPTED | TCP_EV_READABLE);
	assert_int_equal(tcp_listener(r.c), 7);
	assert_int_equal(r.c->peer_mss, 1460);
	assert_int_equal(r.c->snd_ws, 7);
	assert_true(r.c->flags & TCP_F_SACK && r.c->flags & TCP_F_TS);
	assert_int_equal(r.rig.counters[COUNT_TCP_COOKIES_OK], 1);
}

/* Switched off, they are neither taken up, nor offered, nor promised by a cookie. */
static void agrees_to_no_timestamps(void **state)
{
	(void)state;
	for (int backlog = 0; backlog < 2; backlog++) {
		tcp_rig_stop(&r);
		tcp_rig_init(&r);
		r.config.timestamps = false;
		r.config.backlog = (uint32_t)backlog;
		tcp_rig_start(&r);
		TCP_RIG_IN(&r, .flags = TCP_SYN);
		assert_int_equal(tcp_rig_only(&r).opt.has & (TCP_OPT_TS | TCP_OPT_SACK_OK),
		                 TCP_OPT_SACK_OK);
		TCP_RIG_IN(&r, .flags = TCP_ACK, .seq = 1, .ack = 1, .len = 5);
		tcp_rig_flush(&r);
		assert_int_equal(r.c->flags & TCP_F_OPTIONS, TCP_F_SACK | TCP_F_WSCALE);
	}
}

/* A peer that answers with one all the same is not believed. */
static void offers_no_timestamps(void **state)
{
	(void)state;
	tcp_rig_stop(&r);
	tcp_rig_init(&r);
	r.config.timestamps = false;
	tcp_rig_start(&r);
	tcp_rig_connect(&r);
	assert_int_equal(r.c->flags & TCP_F_OPTIONS, TCP_F_SACK | TCP_F_WSCALE);
}

static void cookies_grow_stale(void **state)
{
	(void)state;
	tcp_rig_stop(&r);
	tcp_rig_init(&r);
	r.config.backlog = 0;
	r.wscale = 15;
	r.ts = r.sack = false;
	tcp_rig_start(&r);
	TCP_RIG_IN(&r, .flags = TCP_SYN);
	tcp_rig_only(&r);
	r.rig.now_us += 128000000;
	assert_int_not_equal(TCP_RIG_IN(&r, .flags = TCP_ACK, .seq = 1, .ack = 1), DROP_TCP_IN);
	tcp_rig_drain(&r);
	TCP_RIG_IN(&r, .flags = TCP_SYN);
	tcp_rig_only(&r);
	assert_int_equal(TCP_RIG_IN(&r, .flags = TCP_ACK, .seq = 1, .ack = 1), DROP_TCP_IN);
	tcp_rig_flush(&r);
	assert_int_equal(r.c->flags & (TCP_F_SACK | TCP_F_TS | TCP_F_WSCALE), 0);
	assert_int_equal(r.c->rcv_ws, 0);
}

/* The table against a model: an array of what should be in it. */
static void the_table_agrees_with_a_model(void **state)
{
	enum {
		N = 3000
	};
	struct rng g = rng_seed(3);
	struct tcp_conn *in[N] = {0};
	struct tcp_peer p;

	(void)state;
	tcp_rig_stop(&r);
	tcp_rig_init(&r);
	r.config.max_conns = 2000;
	tcp_rig_start(&r);
	for (int i = 0; i < 200000; i++) {
		uint32_t k = rng_below(&g, N);

		p = peer_of((uint16_t)k);
		assert_ptr_equal(tcp_table_find(r.tcp, &p), in[k]);
		if (in[k]) {
			tcp_conn_close(r.tcp, in[k], TCP_WHY_ABORTED);
			in[k] = NULL;
		} else {
			in[k] = tcp_conn_new(r.tcp, &p);
		}
	}
	for (uint32_t k = 0; k < N; k++) {
		if (in[k])
			tcp_conn_close(r.tcp, in[k], TCP_WHY_ABORTED);
	}
	for (uint32_t b = 0; b <= r.tcp->table.mask; b++)
		assert_int_equal(r.tcp->table.v[b].passed, 0);
}

static void ten_thousand_connections(void **state)
{
	(void)state;
	tcp_rig_stop(&r);
	tcp_rig_init(&r);
	r.config.max_conns = 10000;
	r.config.backlog = 20000;
	tcp_rig_start(&r);
	r.rig.pool.limit = 100000;
	for (uint32_t i = 0; i < 10000; i++) {
		r.port = (uint16_t)(2000 + i);
		tcp_rig_accept(&r);
		TCP_RIG_IN(&r, .flags = TCP_ACK, .seq = 1, .ack = 1, .len = 100);
		tcp_send(r.tcp, r.c, tcp_recv(r.tcp, r.c));
		assert_int_equal(tcp_rig_flush(&r), 1);
		tcp_rig_drain(&r);
	}
	assert_int_equal(r.rig.counters[COUNT_TCP_CONNS], 10000);
}

#define CASE(fn) cmocka_unit_test_setup_teardown(fn, start, stop)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(closes_in_order_actively),
		CASE(closes_in_order_passively),
		CASE(releasing_unread_bytes_resets),
		CASE(bytes_after_release_reset),
		CASE(a_released_one_does_not_wait_for_ever),
		CASE(abort_tells_the_peer_once),
		CASE(connecting_is_refused),
		CASE(connecting_times_out),
		CASE(no_route_is_told_at_once),
		CASE(the_limit_evicts_only_time_wait),
		CASE(half_open_ones_go_away),
		CASE(numbers_of_a_tuple_only_grow),
		CASE(time_wait_is_reused_by_newer_numbers_only),
		CASE(keep_alive_finds_the_dead),
		CASE(cookies_carry_the_options),
		CASE(cookies_grow_stale),
		CASE(agrees_to_no_timestamps),
		CASE(offers_no_timestamps),
		CASE(agrees_to_no_timestamps),
		CASE(offers_no_timestamps),
		CASE(the_table_agrees_with_a_model),
		CASE(ten_thousand_connections),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
