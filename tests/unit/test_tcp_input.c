/* SPDX-License-Identifier: BSD-3-Clause */
/* The state table walked pair by pair, and the checks that all states share. */
#include "tcp_rig.h"
#include "test.h"

#include <string.h>

static struct tcp_rig r;

static int start(void **state)
{
	(void)state;
	tcp_rig_init(&r);
	r.exact = true;
	tcp_rig_start(&r);
	return 0;
}

static int stop(void **state)
{
	(void)state;
	tcp_rig_stop(&r);
	return 0;
}

/* What a pair leads to. */
struct expect {
	enum drop end;
	enum tcp_state next; /* TCP_CLOSED: the connection is over or there is none */
	uint8_t answer;      /* flags of the segment that goes out; 0: none */
};

#define CHALLENGED(state)                          \
	{                                          \
		DROP_TCP_CHALLENGE, state, TCP_ACK \
	}
#define RESET                              \
	{                                  \
		DROP_TCP_IN, TCP_CLOSED, 0 \
	}
#define NOT_LISTED(state)                    \
	{                                    \
		DROP_TCP_BAD_STATE, state, 0 \
	}

/*
 * The segment of each class: SYN and SYN-ACK with a new sequence number, an ACK of nothing new at the
 * next sequence number, an exact RST, and a segment without flags.
 */
static const struct expect expected[TCP_STATES][TCP_CLASSES] = {
	[TCP_CLOSED] =
		{
			{DROP_TCP_IN, TCP_SYN_RCVD, TCP_SYN | TCP_ACK},
			{DROP_TCP_NO_CONN, TCP_CLOSED, TCP_RST},
			{DROP_TCP_NO_CONN, TCP_CLOSED, TCP_RST},
			{DROP_TCP_NO_CONN, TCP_CLOSED, 0},
			{DROP_TCP_NO_CONN, TCP_CLOSED, TCP_RST | TCP_ACK},
		},
	[TCP_SYN_SENT] =
		{
			NOT_LISTED(TCP_SYN_SENT),
			{DROP_TCP_IN, TCP_ESTABLISHED, TCP_ACK},
			NOT_LISTED(TCP_SYN_SENT), /* our SYN acknowledged, but no SYN of theirs */
			{DROP_TCP_WINDOW, TCP_SYN_SENT, 0}, /* RST without ACK */
			NOT_LISTED(TCP_SYN_SENT),
		},
	[TCP_SYN_RCVD] = {CHALLENGED(TCP_SYN_RCVD),
                          CHALLENGED(TCP_SYN_RCVD),
                          {DROP_TCP_IN, TCP_ESTABLISHED, 0},
                          RESET,
                          NOT_LISTED(TCP_SYN_RCVD)},
	[TCP_ESTABLISHED] = {CHALLENGED(TCP_ESTABLISHED),
                             CHALLENGED(TCP_ESTABLISHED),
                             {DROP_TCP_DUP, TCP_ESTABLISHED, 0},
                             RESET,
                             NOT_LISTED(TCP_ESTABLISHED)},
	[TCP_FIN_WAIT_1] = {CHALLENGED(TCP_FIN_WAIT_1),
                            CHALLENGED(TCP_FIN_WAIT_1),
                            {DROP_TCP_IN, TCP_FIN_WAIT_2, 0},
                            RESET,
                            NOT_LISTED(TCP_FIN_WAIT_1)},
	[TCP_FIN_WAIT_2] = {CHALLENGED(TCP_FIN_WAIT_2),
                            CHALLENGED(TCP_FIN_WAIT_2),
                            {DROP_TCP_DUP, TCP_FIN_WAIT_2, 0},
                            RESET,
                            NOT_LISTED(TCP_FIN_WAIT_2)},
	[TCP_CLOSE_WAIT] = {CHALLENGED(TCP_CLOSE_WAIT),
                            CHALLENGED(TCP_CLOSE_WAIT),
                            {DROP_TCP_DUP, TCP_CLOSE_WAIT, 0},
                            RESET,
                            NOT_LISTED(TCP_CLOSE_WAIT)},
	[TCP_CLOSING] = {CHALLENGED(TCP_CLOSING),
                         CHALLENGED(TCP_CLOSING),
                         {DROP_TCP_IN, TCP_TIME_WAIT, 0},
                         RESET,
                         NOT_LISTED(TCP_CLOSING)},
	[TCP_LAST_ACK] = {CHALLENGED(TCP_LAST_ACK),
                          CHALLENGED(TCP_LAST_ACK),
                          {DROP_TCP_IN, TCP_CLOSED, 0},
                          RESET,
                          NOT_LISTED(TCP_LAST_ACK)},
	/* a SYN with a newer timestamp opens a new connection: RFC 6191 */
	[TCP_TIME_WAIT] = {{DROP_TCP_IN, TCP_SYN_RCVD, TCP_SYN | TCP_ACK},
                           CHALLENGED(TCP_TIME_WAIT),
                           {DROP_TCP_DUP, TCP_TIME_WAIT, 0},
                           RESET,
                           NOT_LISTED(TCP_TIME_WAIT)},
};

static void walk_pair(enum tcp_state state, enum tcp_class class)
{
	static const uint8_t flags[TCP_CLASSES] = {TCP_SYN, TCP_SYN | TCP_ACK, TCP_ACK, TCP_RST, 0};
	const struct expect *e = &expected[state][class];
	struct tcp_rig_seg g = {.flags = flags[class]}, out = {0};
	struct tcp_peer peer;
	struct tcp_conn *c;
	enum drop end;

	tcp_rig_init(&r);
	r.exact = true;
	tcp_rig_start(&r);
	tcp_rig_bring_to(&r, state);
	g.seq = state == TCP_CLOSED || state == TCP_SYN_SENT || state == TCP_SYN_RCVD ? 1 : 1;
	if (state >= TCP_CLOSE_WAIT)
		g.seq = 2; /* behind the peer's FIN */
	if (class == TCP_CLASS_SYN || class == TCP_CLASS_SYN_ACK)
		g.seq = state == TCP_SYN_SENT || state == TCP_CLOSED ? 0 : 500;
	g.ack = state == TCP_FIN_WAIT_1 || state == TCP_FIN_WAIT_2 || state >= TCP_CLOSING ? 2 : 1;
	end = tcp_rig_in(&r, &g);
	if (tcp_rig_flush(&r))
		out = tcp_rig_out(&r, 0, NULL);
	peer = (struct tcp_peer){rig_addr("10.0.0.1"), rig_addr("10.0.0.2"), __builtin_bswap16(80),
	                         __builtin_bswap16(40000)};
	c = tcp_table_find(r.tcp, &peer);
	if (end != e->end || (c ? c->state : TCP_CLOSED) != e->next || out.flags != e->answer)
		fail_msg("state %d class %d: end %s, state %d, answer %02x", state, class,
		         drop_name(end), c ? c->state : 0, out.flags);
	assert_true(rig_sent(&r.rig, 0) <= 1);
	tcp_rig_stop(&r);
}

static void walks_every_pair(void **state)
{
	(void)state;
	for (int s = 0; s < TCP_STATES; s++) {
		for (int k = 0; k < TCP_CLASSES; k++)
			walk_pair((enum tcp_state)s, (enum tcp_class)k);
	}
}

static void every_row_names_its_source(void **state)
{
	(void)state;
	for (int s = 0; s < TCP_STATES; s++) {
		for (int k = 0; k < TCP_CLASSES; k++)
			assert_int_equal(!tcp_step[s][k].fn, !tcp_step[s][k].source);
	}
}

static void classifies_flags(void **state)
{
	(void)state;
	assert_int_equal(tcp_classify(TCP_SYN | TCP_RST | TCP_ACK), TCP_CLASS_RST);
	assert_int_equal(tcp_classify(TCP_SYN | TCP_FIN), TCP_CLASS_SYN);
	assert_int_equal(tcp_classify(TCP_SYN | TCP_ACK | TCP_PSH), TCP_CLASS_SYN_ACK);
	assert_int_equal(tcp_classify(TCP_FIN | TCP_ACK), TCP_CLASS_ACK);
	assert_int_equal(tcp_classify(TCP_FIN), TCP_CLASS_NONE);
}

static void refuses_bad_headers(void **state)
{
	uint8_t b[60] = {0x9c, 0x40, 0, 80};

	(void)state;
	b[12] = 0x50;
	b[13] = TCP_SYN;
	assert_int_equal(tcp_rig_raw(&r, b, 19, BUF_L4_CSUM_OK), DROP_TCP_HEADER);
	b[12] = 0x40; /* 16 bytes */
	assert_int_equal(tcp_rig_raw(&r, b, 20, BUF_L4_CSUM_OK), DROP_TCP_HEADER);
	b[12] = 0x60; /* longer than the segment */
	assert_int_equal(tcp_rig_raw(&r, b, 20, BUF_L4_CSUM_OK), DROP_TCP_HEADER);
	b[20] = 2, b[21] = 5; /* MSS option that runs over the end */
	assert_int_equal(tcp_rig_raw(&r, b, 24, BUF_L4_CSUM_OK), DROP_TCP_HEADER);
	assert_int_equal(tcp_rig_raw(&r, b, 24, BUF_L4_CSUM_BAD), DROP_TCP_CSUM);
	assert_int_equal(tcp_rig_flush(&r), 0);
}

/* 10.0.0.2:40000 > 10.0.0.1:80 SYN, summed by hand (RFC 1071). */
static void checks_checksums(void **state)
{
	uint8_t b[20] = {0x9c, 0x40, 0x00, 0x50, 0x00, 0x00, 0x03, 0xe8, 0, 0,
	                 0,    0,    0x50, 0x02, 0xff, 0xff, 0,    0,    0, 0};
	uint32_t sum = 0x0a00 + 0x0002 + 0x0a00 + 0x0001 + 6 + 20;

	(void)state;
	for (int i = 0; i < 20; i += 2)
		sum += (uint32_t)(b[i] << 8 | b[i + 1]);
	sum = (sum & 0xffff) + (sum >> 16);
	b[16] = (uint8_t)(~sum >> 8);
	b[17] = (uint8_t)~sum;
	assert_int_equal(tcp_rig_raw(&r, b, 20, 0), DROP_TCP_IN);
	tcp_rig_drain(&r);
	b[7] ^= 1;
	assert_int_equal(tcp_rig_raw(&r, b, 20, 0), DROP_TCP_CSUM);
}

static void sums_payload_for_the_way_on(void **state)
{
	const struct bufq *q;
	uint8_t b[33] = {0x9c, 0x40, 0x00, 0x50};
	uint32_t ack, seq = __builtin_bswap32(TCP_RIG_ISS + 1),
		      sum = 0x0a00 + 2 + 0x0a00 + 1 + 6 + 25;

	(void)state;
	r.ts = false;
	tcp_rig_accept(&r);
	ack = __builtin_bswap32(r.iss + 1);
	memcpy(b + 4, &seq, 4);
	memcpy(b + 8, &ack, 4);
	b[12] = 0x50, b[13] = TCP_ACK, b[14] = 0xff;
	memcpy(b + 20, "hello", 5);
	for (int i = 0; i < 26; i += 2)
		sum += (uint32_t)(b[i] << 8 | b[i + 1]);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	b[16] = (uint8_t)(~sum >> 8), b[17] = (uint8_t)~sum;
	assert_int_equal(tcp_rig_raw(&r, b, 25, 0), DROP_TCP_IN);
	q = tcp_recv_queue(r.c);
	assert_int_equal(q->bytes, 5);
	assert_true(q->first->flags & BUF_SUMMED);
	/* 6865 + 6c6c + 6f00 = 1 43d1, folded 43d2, in network order */
	assert_int_equal(__builtin_bswap16(q->first->sum), 0x43d2);
}

static void drops_old_timestamps(void **state)
{
	(void)state;
	tcp_rig_accept(&r);
	assert_int_equal(TCP_RIG_IN(&r, .flags = TCP_ACK, .seq = 1, .ack = 1, .len = 10),
	                 DROP_TCP_IN);
	assert_int_equal(
		TCP_RIG_IN(&r, .flags = TCP_ACK, .seq = 11, .ack = 1, .len = 10, .opt.tsval = 50),
		DROP_TCP_PAWS);
	assert_int_equal(tcp_rig_flush(&r), 1);
	assert_int_equal(tcp_rig_only(&r).ack, 11);
	/* but an exact RST counts, whatever its timestamp: RFC 7323 section 5.2 */
	assert_int_equal(TCP_RIG_IN(&r, .flags = TCP_RST, .seq = 11, .opt.tsval = 50), DROP_TCP_IN);
	tcp_rig_flush(&r);
	assert_true(r.events & TCP_EV_CLOSED);
	assert_int_equal(tcp_why(r.c), TCP_WHY_RESET);
}

static void challenges_inexact_resets_at_most_twice_a_second(void **state)
{
	uint32_t answers = 0;

	(void)state;
	tcp_rig_accept(&r);
	for (int i = 0; i < 1000; i++) {
		assert_int_equal(TCP_RIG_IN(&r, .flags = TCP_RST, .seq = 2 + (uint32_t)i),
		                 DROP_TCP_CHALLENGE);
		answers += tcp_rig_flush(&r);
		tcp_rig_drain(&r);
		r.rig.now_us += 1000;
	}
	assert_in_range(answers, 1, 2);
	assert_int_equal(TCP_RIG_IN(&r, .flags = TCP_RST, .seq = 400000), DROP_TCP_WINDOW);
	assert_int_equal(r.c->state, TCP_ESTABLISHED);
}

static void refuses_acks_of_what_was_never_sent(void **state)
{
	(void)state;
	tcp_rig_accept(&r);
	assert_int_equal(TCP_RIG_IN(&r, .flags = TCP_ACK, .seq = 1, .ack = 2), DROP_TCP_WINDOW);
	assert_int_equal(TCP_RIG_IN(&r, .flags = TCP_ACK, .seq = 1, .ack = 1u - (70000u << 7)),
	                 DROP_TCP_WINDOW);
	assert_int_equal(tcp_rig_flush(&r), 1); /* the second challenge came too soon */
}

static void no_listener_and_draining(void **state)
{
	(void)state;
	r.our_port = 99;
	assert_int_equal(TCP_RIG_IN(&r, .flags = TCP_SYN), DROP_TCP_NO_LISTENER);
	assert_int_equal(tcp_rig_only(&r).flags, TCP_RST | TCP_ACK);
	r.our_port = 81;
	assert_int_equal(TCP_RIG_IN(&r, .flags = TCP_SYN, .len = 3), DROP_TCP_DRAINING);
	assert_int_equal(tcp_rig_only(&r).ack, 4); /* SYN and its data */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(walks_every_pair),
		cmocka_unit_test(every_row_names_its_source),
		cmocka_unit_test(classifies_flags),
		cmocka_unit_test_setup_teardown(refuses_bad_headers, start, stop),
		cmocka_unit_test_setup_teardown(checks_checksums, start, stop),
		cmocka_unit_test_setup_teardown(sums_payload_for_the_way_on, start, stop),
		cmocka_unit_test_setup_teardown(drops_old_timestamps, start, stop),
		cmocka_unit_test_setup_teardown(challenges_inexact_resets_at_most_twice_a_second,
	                                        start, stop),
		cmocka_unit_test_setup_teardown(refuses_acks_of_what_was_never_sent, start, stop),
		cmocka_unit_test_setup_teardown(no_listener_and_draining, start, stop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
