/* SPDX-License-Identifier: BSD-3-Clause */
/* Loss found and repaired: by SACK, by duplicates, by time; round trips measured. */
#include "tcp_rig.h"
#include "test.h"

static struct tcp_rig r;

static void begin(bool sack, uint32_t bytes)
{
	tcp_rig_init(&r);
	r.sack = sack;
	tcp_rig_start(&r);
	tcp_rig_accept(&r);
	tcp_rig_send(&r, bytes);
	tcp_rig_flush(&r);
	tcp_rig_drain(&r);
	r.rig.now_us += 20000;
}

static void ack(uint32_t n)
{
	TCP_RIG_IN(&r, .flags = TCP_ACK, .seq = 1, .ack = n);
}

static void sack(uint32_t n, uint32_t from, uint32_t to)
{
	struct tcp_rig_seg g = {.flags = TCP_ACK, .seq = 1, .ack = n};

	g.opt.n_sack = 1;
	g.opt.sack[0] = (struct tcp_block){r.iss + from, r.iss + to};
	tcp_rig_in(&r, &g);
}

static void sack_finds_the_hole(void **state)
{
	(void)state;
	begin(true, 14000); /* ten segments of 1,400: the second is lost */
	ack(1401);
	tcp_rig_flush(&r);
	tcp_rig_drain(&r);
	sack(1401, 2801, 4201);
	sack(1401, 2801, 5601);
	assert_int_equal(tcp_rig_flush(&r), 0);
	sack(1401, 2801, 7001);
	assert_int_equal(tcp_rig_flush(&r), 1);
	assert_int_equal(tcp_rig_only(&r).seq, 1401);
	assert_int_equal(r.c->ca, TCP_CA_RECOVERY);
	assert_int_equal(r.rig.counters[COUNT_TCP_RECOVERIES], 1);
	sack(1401, 2801, 14001);
	assert_int_equal(tcp_rig_flush(&r), 0); /* only once */
	ack(14001);
	assert_int_equal(r.c->ca, TCP_CA_OPEN);
	assert_int_equal(tcp_pipe(r.c), 0);
	assert_int_equal(tcp_send_pending(r.c), 0);
	tcp_rig_flush(&r);
	assert_true(r.events & TCP_EV_SENT);
	tcp_rig_stop(&r);
}

static void a_lost_repair_is_found_by_what_was_sent_later(void **state)
{
	(void)state;
	begin(true, 40000);
	ack(1401);
	tcp_rig_flush(&r);
	tcp_rig_drain(&r);
	sack(1401, 2801, 7001);
	tcp_rig_flush(&r);
	assert_int_equal(tcp_rig_out(&r, 0, NULL).seq, 1401);
	tcp_rig_drain(&r);
	r.rig.now_us += 20000;
	sack(1401, 2801, 14001);
	tcp_rig_flush(&r); /* new data, later than the repair */
	assert_true(rig_sent(&r.rig, 0) > 0);
	tcp_rig_drain(&r);
	r.rig.now_us += 20000;
	sack(1401, 2801, r.c->snd_nxt - r.iss); /* all of it arrives, the repair did not */
	tcp_rig_flush(&r);
	assert_true(rig_sent(&r.rig, 0) > 0);
	assert_int_equal(tcp_rig_out(&r, 0, NULL).seq, 1401);
	assert_int_equal(r.rig.counters[COUNT_TCP_RTOS], 0);
	tcp_rig_stop(&r);
}

static void three_duplicates_without_sack(void **state)
{
	(void)state;
	begin(false, 14000);
	ack(1);
	ack(1);
	assert_int_equal(tcp_rig_flush(&r), 0);
	ack(1);
	assert_int_equal(tcp_rig_flush(&r), 1);
	assert_int_equal(tcp_rig_only(&r).seq, 1);
	ack(4201); /* partial: the next one is lost, too (RFC 6582) */
	assert_int_equal(tcp_rig_flush(&r), 1);
	assert_int_equal(tcp_rig_only(&r).seq, 4201);
	ack(14001);
	assert_int_equal(r.c->ca, TCP_CA_OPEN);
	assert_int_equal(r.rig.counters[COUNT_TCP_RECOVERIES], 1);
	tcp_rig_stop(&r);
}

static void a_window_update_is_no_duplicate(void **state)
{
	(void)state;
	begin(false, 14000);
	for (uint16_t i = 0; i < 5; i++)
		TCP_RIG_IN(&r, .flags = TCP_ACK, .seq = 1, .ack = 1, .wnd = (uint16_t)(60000 - i));
	for (uint16_t i = 0; i < 5; i++) /* nor is data */
		TCP_RIG_IN(&r, .flags = TCP_ACK, .seq = 1 + 10u * i, .ack = 1, .wnd = 59996,
		           .len = 10);
	tcp_rig_flush(&r);
	assert_int_equal(r.c->ca, TCP_CA_OPEN);
	tcp_rig_stop(&r);
}

static void probes_a_lost_tail(void **state)
{
	uint64_t before;

	(void)state;
	begin(true, 1400);
	ack(1401); /* round trip: 20 ms */
	tcp_rig_send(&r, 4200);
	assert_int_equal(tcp_rig_flush(&r), 3);
	tcp_rig_drain(&r);
	before = r.rig.now_us;
	tcp_rig_wait(&r, 1000000);
	assert_in_range(r.rig.now_us - before, 35000, 60000); /* twice the round trip */
	assert_int_equal(tcp_rig_only(&r).seq, 1401 + 2800);
	r.rig.now_us += 20000;
	sack(1401, 1401 + 2800, 1401 + 4200);
	assert_int_equal(tcp_rig_flush(&r), 2); /* both that went before it */
	assert_int_equal(tcp_rig_out(&r, 0, NULL).seq, 1401);
	assert_int_equal(r.rig.counters[COUNT_TCP_RTOS], 0);
	tcp_rig_stop(&r);
}

static void doubles_the_time_out_and_gives_up(void **state)
{
	uint64_t before, last = 0, begun;

	(void)state;
	begin(false, 1400);
	begun = r.rig.now_us;
	for (int i = 0; i < 20 && r.c->state == TCP_ESTABLISHED; i++) {
		before = r.rig.now_us;
		tcp_rig_wait(&r, 100000000);
		if (!rig_sent(&r.rig, 0))
			break;
		assert_int_equal(tcp_rig_only(&r).seq, 1);
		assert_true(r.rig.now_us - before >= last);
		assert_true(r.rig.now_us - before <= 61000000);
		last = r.rig.now_us - before;
	}
	assert_int_equal(tcp_why(r.c), TCP_WHY_TIMEOUT);
	assert_in_range(r.rig.now_us - begun, 119000000, 200000000);
	assert_int_equal(r.rig.counters[COUNT_TCP_TIMEOUTS], 1);
	tcp_rig_stop(&r);
}

static void a_time_out_starts_again_from_one_segment(void **state)
{
	(void)state;
	begin(false, 14000);
	tcp_rig_wait(&r, 2000000);
	assert_int_equal(tcp_rig_only(&r).seq, 1);
	assert_int_equal(r.c->cwnd, r.c->mss);
	assert_int_equal(r.c->ca, TCP_CA_LOSS);
	ack(1401);
	assert_int_equal(tcp_rig_flush(&r), 2); /* slow start through what is lost */
	assert_int_equal(tcp_rig_out(&r, 0, NULL).seq, 1401);
	tcp_rig_drain(&r);
	ack(14001); /* the rest had arrived */
	assert_int_equal(r.c->ca, TCP_CA_OPEN);
	assert_int_equal(tcp_pipe(r.c), 0);
	tcp_rig_stop(&r);
}

/* RFC 6298 section 2, by hand. */
static void measures_round_trips(void **state)
{
	struct tcp_conn c = {0};

	(void)state;
	assert_int_equal(tcp_ack_rto_us(&c), 1000000);
	tcp_ack_rtt(&c, 100000);
	assert_int_equal(c.srtt_us, 100000);
	assert_int_equal(c.rttvar_us, 50000);
	assert_int_equal(tcp_ack_rto_us(&c), 300000);
	tcp_ack_rtt(&c, 180000);
	assert_int_equal(c.srtt_us, 110000);
	assert_int_equal(c.rttvar_us, 57500);
	for (int i = 0; i < 200; i++)
		tcp_ack_rtt(&c, 1000);
	assert_int_equal(tcp_ack_rto_us(&c), 200000);
	assert_in_range(c.srtt_us, 900, 1100);
}

/* A sample of a segment that was sent twice would say nothing. */
static void karn(void **state)
{
	(void)state;
	tcp_rig_init(&r);
	r.ts = r.sack = false;
	tcp_rig_start(&r);
	tcp_rig_accept(&r);
	tcp_rig_send(&r, 1400);
	tcp_rig_flush(&r);
	tcp_rig_drain(&r);
	tcp_rig_wait(&r, 2000000);
	tcp_rig_drain(&r);
	r.rig.now_us += 500;
	ack(1401);
	assert_int_equal(r.c->srtt_us, 0);
	assert_int_equal(r.c->backoff, 1);
	tcp_rig_send(&r, 1400);
	tcp_rig_flush(&r);
	tcp_rig_drain(&r);
	r.rig.now_us += 7000;
	ack(2801);
	assert_int_equal(r.c->srtt_us, 7000);
	assert_int_equal(r.c->backoff, 0);
	tcp_rig_stop(&r);
}

/* The first answer was lost: the second one echoes the time stamp of what it answered first, long ago. */
static void second_answers_tell_no_time(void **state)
{
	struct tcp_rig_seg g = {.flags = TCP_ACK, .seq = 1, .ack = 1401};

	(void)state;
	tcp_rig_init(&r);
	r.ts = r.sack = true;
	tcp_rig_start(&r);
	tcp_rig_accept(&r);
	tcp_rig_send(&r, 1400);
	g.opt.tsecr = (uint32_t)(r.rig.now_us / 1000) + r.c->ts_offset;
	tcp_rig_flush(&r);
	tcp_rig_drain(&r);
	for (int i = 0; i < 4; i++) {
		tcp_rig_wait(&r, 20000000);
		tcp_rig_drain(&r);
	}
	g.opt.n_sack = 1;
	g.opt.sack[0] = (struct tcp_block){r.iss + 1, r.iss + 1401};
	tcp_rig_in(&r, &g);
	assert_in_range(tcp_ack_rto_us(r.c), 200000, 1000000);
	tcp_rig_flush(&r);
	tcp_rig_drain(&r);
	tcp_rig_stop(&r);
}

static void lies_in_sack_blocks_are_ignored(void **state)
{
	struct tcp_rig_seg g = {.flags = TCP_ACK, .seq = 1, .ack = 1};

	(void)state;
	begin(true, 14000);
	g.opt.n_sack = 3;
	g.opt.sack[0] = (struct tcp_block){r.iss + 1401, r.iss + 90000}; /* never sent */
	g.opt.sack[1] = (struct tcp_block){r.iss - 5000, r.iss + 7001};  /* below snd_una */
	g.opt.sack[2] = (struct tcp_block){r.iss + 7001, r.iss + 1401};  /* backwards */
	tcp_rig_in(&r, &g);
	assert_int_equal(r.c->sacked, 0);
	assert_int_equal(r.c->lost, 0);
	tcp_rig_flush(&r);
	tcp_rig_stop(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sack_finds_the_hole),
		cmocka_unit_test(a_lost_repair_is_found_by_what_was_sent_later),
		cmocka_unit_test(three_duplicates_without_sack),
		cmocka_unit_test(a_window_update_is_no_duplicate),
		cmocka_unit_test(probes_a_lost_tail),
		cmocka_unit_test(doubles_the_time_out_and_gives_up),
		cmocka_unit_test(a_time_out_starts_again_from_one_segment),
		cmocka_unit_test(measures_round_trips),
		cmocka_unit_test(karn),
		cmocka_unit_test(second_answers_tell_no_time),
		cmocka_unit_test(lies_in_sack_blocks_are_ignored),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
