/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Responses that a device passes on: that it does, that it stops in time, and that client and server see nothing of
 * it, whatever happens while it does not let go. A device that is stuck keeps every rule until it is not.
 */
#include "card.h"
#include "stage_splice.h"
#include "tcp_state.h"
#include "test.h"
#include "wire.h"

#include <stdio.h>
#include <string.h>

#define LONG \
	1000001u /* a body's bytes; odd, so that a window of two-byte units ends one in front */
#define STUCK  1000000u /* of a million removals fail */
#define WINDOW 65536u   /* about what a client takes at once */

static char body[LONG];
static char head[200];
static struct card card;

static void card_turns(void)
{
	card_turn(&card);
}

static uint64_t card_is_next(void)
{
	return card_next(&card);
}

static void make_head(uint32_t len)
{
	snprintf(head, sizeof(head), "HTTP/1.1 200 OK\r\nContent-Length: %u\r\n\r\n", len);
}

static int set_up(void **state)
{
	if (stage_set_up(state) != 0)
		return -1;
	for (uint32_t i = 0; i < LONG; i++)
		body[i] = (char)(i * 7 + (i >> 8));
	make_head(LONG);
	st.weir.node.offload = (struct node_offload){
		.level = OFFLOAD_SPLICE, .min_bytes = 16384, .window_us = SECOND};
	st.weir.node.times.flow_closed_us = SECOND;
	st.weir.node.timestamps = false;
	card_init(&card, &st.weir, MODEL_ALL);
	st.w = st.weir.w[0];
	stage_machine = (struct stage_machine){card_turns, card_is_next};
	return 0;
}

static int tear_down(void **state)
{
	int rc;

	card.device.chaos.stuck_ppm = 0;
	rc = stage_tear_down(state);
	assert_int_equal(card.device.nic.used, 0);
	card_fini(&card);
	stage_machine = (struct stage_machine){0};
	return rc;
}

static uint64_t removed(enum offload_why why)
{
	return worker_offload(st.w, 0)->removed[why];
}

/* How much of the body a side has. */
static size_t has(const struct line *c)
{
	const char *at = memmem(c->in, c->len, "\r\n\r\n", 4);

	assert_non_null(at);
	return c->len - (size_t)(at + 4 - c->in);
}

/* A side has all of it. */
static void heard_body(struct line *c)
{
	assert_int_equal(has(c), LONG);
	assert_memory_equal(c->in + c->len - LONG, body, LONG);
	c->len = 0;
}

/* A request, and half of its response, which the device has begun to pass on. */
static struct line *begin(void)
{
	struct line *c = stage_dial();

	stage_say(c, GET);
	stage_v1(0)->len = 0;
	stage_say(stage_v1(0), head);
	stage_say_bytes(stage_v1(0), body, LONG / 2);
	stage_pass(100 * MS);
	assert_int_equal(card.device.nic.used, 1);
	assert_true(card.passed_on > 100);
	assert_int_equal(stage_count(COUNT_SPLICES), 1);
	return c;
}

static struct line *begin_stuck(void)
{
	struct line *c = begin();

	card.device.chaos.stuck_ppm = STUCK;
	return c;
}

static void let_go(void)
{
	card.device.chaos.stuck_ppm = 0;
	stage_pass(50 * MS);
	assert_int_equal(card.device.nic.used, 0);
}

static void finish(struct line *c)
{
	stage_say_bytes(stage_v1(0), body + LONG / 2, LONG - LONG / 2);
	stage_pass(SECOND);
	heard_body(c);
	assert_int_equal(stage_count(COUNT_SPLICES), 0);
	assert_int_equal(st.w->flows.slab.used, 0);
}

static void say_but_the_last(void)
{
	stage_say_bytes(stage_v1(0), body + LONG / 2, LONG - LONG / 2 - 1);
	stage_pass(SECOND);
}

/* v1 sends a byte into a window that is closed, as those do who probe it so; no segment of ours comes behind it. */
static void probe(const char *byte)
{
	stage_v1(0)->conn->snd_wnd = 1;
	stage_say_bytes(stage_v1(0), byte, 1);
}

/* ---- to the end ---------------------------------------------------------------------------- */

static void passes_bodies_on(void **state)
{
	struct line *c = begin();

	(void)state;
	finish(c);
	assert_int_equal(removed(OFFLOAD_WHY_LIMIT), 1);
	stage_one_more(c);
	assert_int_equal(st.v1.n, 1);
	assert_int_equal(st.v1.host.counters[COUNT_TCP_RETRANSMITS], 0);
	assert_int_equal(st.w->stats.dests[st.weir.before.dests[0].stats.index].rx_bytes, LONG + 2);
	assert_in_range(stage_count(COUNT_SPLICE_BYTES), LONG - 2 * WINDOW, LONG);
}

/* Bytes are counted once, whoever passed them on, and as they are acknowledged: also those that nobody saw. */
static void counts_what_nobody_saw(void **state)
{
	struct line *c = begin();
	uint64_t before = stage_count(COUNT_SPLICE_BYTES), frames = card.passed_on;

	(void)state;
	stage_say_bytes(stage_v1(0), body + LONG / 2, 100000);
	stage_pass(SECOND);
	assert_int_equal(stage_count(COUNT_SPLICE_BYTES) - before, 100000);
	assert_in_range(card.passed_on - frames, 60, 100);
	stage_say_bytes(stage_v1(0), body + LONG / 2 + 100000, LONG - LONG / 2 - 100000);
	stage_pass(SECOND);
	heard_body(c);
}

/* The last byte waits for the device, and no longer: the server hears at once that it may send it. */
static void waits_for_the_last_byte(void **state)
{
	struct line *c = begin_stuck();

	(void)state;
	stage_say_bytes(stage_v1(0), body + LONG / 2, LONG - LONG / 2);
	stage_pass(100 * SECOND);
	assert_in_range(has(c), LONG - 4, LONG - 1); /* to units of its window's scale */
	assert_int_equal(card.device.nic.used, 1);
	let_go();
	heard_body(c);
	assert_int_equal(stage_count(COUNT_SPLICES), 0);
	stage_one_more(c);
}

/* Also when the end of the body could be told exactly, in units of the window's scale. */
static void waits_for_an_even_byte(void **state)
{
	struct line *c;

	(void)state;
	make_head(LONG - 1);
	c = begin_stuck();
	stage_say_bytes(stage_v1(0), body + LONG / 2, LONG - LONG / 2 - 1);
	stage_pass(10 * SECOND);
	assert_in_range(has(c), LONG - 5, LONG - 2);
	let_go();
	assert_int_equal(has(c), LONG - 1);
	assert_memory_equal(c->in + c->len - (LONG - 1), body, LONG - 1);
}

/*
 * A server that probes a closed window with a byte: the last one passes while the device is stuck, and the next request
 * waits until it no longer is.
 */
static void last_byte_passes(void **state)
{
	struct line *c = begin_stuck();

	(void)state;
	say_but_the_last();
	probe(body + LONG - 1);
	stage_pass(SECOND);
	assert_int_equal(has(c), LONG);
	assert_int_equal(stage_v1(0)->conn->snd_una,
	                 stage_v1(0)->conn->snd_nxt - 1); /* it must not probe on */
	assert_int_equal(stage_count(COUNT_SPLICES), 1);
	stage_say(c, GET);
	stage_pass(SECOND);
	assert_int_equal(stage_v1(0)->len, 0);
	let_go();
	heard_body(c);
	assert_int_equal(stage_count(COUNT_SPLICES), 0);
	stage_pass(SECOND);
	stage_heard(stage_v1(0), GET_UP("1"));
	stage_say(stage_v1(0), OK("hi"));
	stage_heard(c, OK_DOWN("hi"));
}

/*
 * The same, and the server resets: the client has all that it asked for, so it hears nothing of that, and need not
 * wait for the device either.
 */
static void resets_behind_the_end(void **state)
{
	struct line *c = begin_stuck();

	(void)state;
	say_but_the_last();
	probe(body + LONG - 1);
	stage_reset(stage_v1(0));
	stage_pass(SECOND);
	heard_body(c);
	assert_int_equal(c->why, TCP_WHY_NONE);
	assert_int_equal(card.device.nic.used, 1);
	for (int i = 0; i < 2; i++) {
		stage_say(c, GET);
		stage_heard(stage_v1(1), GET_UP("1"));
		stage_say(stage_v1(1), head);
		stage_say_bytes(stage_v1(1), body, LONG);
		stage_pass(SECOND);
		heard_body(c);
	}
	assert_int_equal(stage_count(COUNT_SPLICES_BEGUN), 1);
	let_go();
}

/* A client that has got all, and resets: the rule that is left must not meet the next answer on that connection. */
static void client_resets_behind_the_end(void **state)
{
	struct line *c = begin_stuck(), *other = stage_dial();

	(void)state;
	say_but_the_last();
	probe(body + LONG - 1);
	heard_body(c);
	stage_reset(c);
	assert_int_equal(card.device.nic.used, 1);
	assert_int_equal(stage_v1(0)->why, TCP_WHY_RESET);
	stage_say(other, GET);
	stage_heard(stage_v1(1), GET_UP("1"));
	stage_say(stage_v1(1), OK("hi"));
	stage_heard(other, OK_DOWN("hi"));
	let_go();
}

/* Ends of bodies are what the server sent, not what a client says that it got: the connection to it is used again. */
static void client_acknowledges_too_much(void **state)
{
	struct line *c = begin_stuck(), *other;
	uint32_t left;

	(void)state;
	say_but_the_last();
	left = LONG - (uint32_t)has(c);
	c->conn->rcv_nxt += left;
	stage_say(c, "G");
	stage_pass(SECOND);
	card.device.chaos.stuck_ppm = 0;
	stage_pass(SECOND);
	other = stage_dial();
	stage_say(other, GET);
	stage_heard(stage_v1(1), GET_UP("1"));
	stage_say(stage_v1(1), OK("hi"));
	stage_heard(other, OK_DOWN("hi"));
}

/* What the server says behind the body, unasked, is not passed on. */
static void nothing_passes_the_end(void **state)
{
	struct line *c = begin_stuck();

	(void)state;
	stage_say_bytes(stage_v1(0), body + LONG / 2, LONG - LONG / 2);
	stage_say(stage_v1(0), "HTTP/1.1 408 Request Timeout\r\n\r\n");
	stage_shut(stage_v1(0));
	stage_pass(200 * SECOND);
	let_go();
	stage_pass(100 * SECOND);
	heard_body(c);
	assert_int_equal(c->why, TCP_WHY_NONE);
}

/* What the device passes on is progress. */
static void is_not_idle(void **state)
{
	struct line *c;

	(void)state;
	st.weir.node.times.stream_idle_us = 2 * SECOND;
	c = begin();
	for (uint32_t at = LONG / 2; at < LONG - 1; at += LONG / 20) {
		stage_say_bytes(stage_v1(0), body + at, LONG / 20);
		stage_pass(SECOND);
	}
	stage_say_bytes(stage_v1(0), body + LONG - 1, 1);
	stage_pass(SECOND);
	heard_body(c);
	stage_one_more(c);
}

/* ---- stops before -------------------------------------------------------------------------- */

/* The next request waits until the device has let go, and the server has said how far it got. */
static void takes_the_next_request(void **state)
{
	struct line *c = begin_stuck();

	(void)state;
	stage_say(c, GET);
	stage_pass(SECOND);
	assert_int_equal(stage_count(COUNT_SPLICES), 1);
	stage_say_bytes(stage_v1(0), body + LONG / 2, 30000); /* goes on meanwhile */
	assert_true(c->len > LONG / 2 + 30000);
	assert_int_equal(card.device.nic.used, 1);
	let_go();
	assert_int_equal(stage_count(COUNT_SPLICES), 0);
	assert_int_equal(st.w->flows.slab.used, 0);
	stage_say_bytes(stage_v1(0), body + LONG / 2 + 30000, LONG - LONG / 2 - 30000);
	stage_pass(SECOND);
	heard_body(c);
	stage_heard(stage_v1(0), GET_UP("1"));
	stage_say(stage_v1(0), OK("hi"));
	stage_heard(c, OK_DOWN("hi"));
	assert_int_equal(st.v1.host.counters[COUNT_TCP_RETRANSMITS], 0);
}

/* A server that goes on and on does not keep the splice from its end. */
static void stops_a_stream(void **state)
{
	struct line *c = begin_stuck();

	(void)state;
	st.world.wire.delay_min_us = st.world.wire.delay_max_us = 20 * MS;
	stage_say_bytes(stage_v1(0), body + LONG / 2, LONG - LONG / 2);
	stage_pass(100 * MS);
	stage_say(c, GET);
	stage_pass(100 * MS);
	assert_int_equal(stage_count(COUNT_SPLICES), 1);
	card.device.chaos.stuck_ppm = 0;
	stage_pass(200 * MS);
	assert_int_equal(stage_count(COUNT_SPLICES), 0);
	assert_true(has(c) < LONG - 2 * WINDOW);
	stage_pass(5 * SECOND);
	heard_body(c);
	stage_heard(stage_v1(0), GET_UP("1"));
}

/* Its answer is lost: asked again when the request is sent again. */
static void asks_again(void **state)
{
	struct line *c = begin_stuck();

	(void)state;
	stage_say(c, GET);
	stage_pass(100 * MS);
	card.device.chaos.stuck_ppm = 0;
	st.world.wire.loss_ppm = 1000000;
	stage_pass(150 * MS);
	assert_int_equal(card.device.nic.used, 0);
	assert_int_equal(stage_count(COUNT_SPLICES), 1);
	st.world.wire.loss_ppm = 0;
	stage_pass(5 * SECOND);
	assert_int_equal(stage_count(COUNT_SPLICES), 0);
	finish(c);
	stage_heard(stage_v1(0), GET_UP("1"));
}

/* While it is not known how far the server has got, the body goes on. */
static void repairs_what_nobody_saw(void **state)
{
	struct line *c = begin_stuck();

	(void)state;
	c->deaf = true; /* it does not read, so much is on its way, unread */
	stage_say_bytes(stage_v1(0), body + LONG / 2, LONG - LONG / 2);
	stage_say(c, GET);
	stage_pass(SECOND);
	let_go();
	c->deaf = false;
	stage_listen(c);
	stage_pass(10 * SECOND);
	heard_body(c);
	stage_heard(stage_v1(0), GET_UP("1"));
}

/* An answer that is older than it seems: the client has acknowledged more, so the server is asked again. */
static void old_answer_is_no_answer(void **state)
{
	struct line *c = begin_stuck();

	(void)state;
	stage_say_bytes(stage_v1(0), body + LONG / 2, 30000);
	stage_say(c, GET);
	stage_pass(100 * MS);
	card.device.chaos.stuck_ppm = 0;
	st.world.wire.loss_ppm = 1000000;
	stage_pass(100 * MS);
	assert_int_equal(card.device.nic.used, 0);
	st.world.wire.loss_ppm = 0;
	stage_forge(FLOW_SERVER,
	            &(struct stage_segment){.flags = TCP_FLAG_ACK,
	                                    .seq = stage_splice()->next,
	                                    .ack = stage_splice()->seen[FLOW_SERVER].snd_nxt});
	stage_pass(1 * MS);
	assert_int_equal(stage_count(COUNT_SPLICES), 1);
	stage_pass(5 * SECOND);
	assert_int_equal(stage_count(COUNT_SPLICES), 0);
	stage_say_bytes(stage_v1(0), body + LONG / 2 + 30000, LONG - LONG / 2 - 30000);
	stage_pass(SECOND);
	heard_body(c);
	stage_heard(stage_v1(0), GET_UP("1"));
}

/* A rule that was not used goes, and software goes on where the device was. */
static void goes_on_in_software(void **state)
{
	struct line *c = begin();
	uint64_t frames;

	(void)state;
	stage_pass(5 * SECOND);
	assert_int_equal(removed(OFFLOAD_WHY_IDLE), 1);
	assert_int_equal(card.device.nic.used, 0);
	frames = card.passed_on;
	st.w->offload.draining = true;
	stage_say_bytes(stage_v1(0), body + LONG / 2, 30000);
	assert_int_equal(card.passed_on, frames);
	stage_say(c, GET);
	stage_pass(100 * MS);
	assert_int_equal(stage_count(COUNT_SPLICES), 0);
	stage_say_bytes(stage_v1(0), body + LONG / 2 + 30000, LONG - LONG / 2 - 30000);
	stage_pass(SECOND);
	heard_body(c);
	stage_heard(stage_v1(0), GET_UP("1"));
	assert_int_equal(st.v1.host.counters[COUNT_TCP_RETRANSMITS], 0);
}

/* The device shows the client the server's window as it is; behind the end it is ours again. */
static void tells_our_window_again(void **state)
{
	struct line *c;

	(void)state;
	st.v1.host.tcp->config.rcvbuf_bytes = 1500; /* all that it ever offers */
	c = begin_stuck();
	assert_true(c->conn->snd_wnd < 8000);
	say_but_the_last();
	probe(body + LONG - 1);
	assert_true(c->conn->snd_wnd < 8000);
	let_go();
	heard_body(c);
	assert_true(c->conn->snd_wnd > 30000);
	stage_one_more(c);
}

/* ---- ends too early ------------------------------------------------------------------------ */

static void server_ends(void **state)
{
	struct line *c = begin_stuck();

	(void)state;
	stage_shut(stage_v1(0));
	stage_pass(SECOND);
	assert_int_equal(c->why, TCP_WHY_NONE);
	let_go();
	assert_int_equal(c->why, TCP_WHY_RESET);
	assert_int_equal(stage_count(COUNT_HTTP_CUT), 1);
}

static void server_ends_in_time(void **state)
{
	struct line *c = begin();
	struct tcp_stack *tcp = st.v1.host.tcp;

	(void)state;
	for (uint32_t at = LONG / 2, n; at < LONG; at += n) {
		n = LONG - at < 1000 ? LONG - at : 1000;
		tcp_send(tcp, stage_v1(0)->conn, bufs_from(&st.v1.host.pool, body + at, n));
	}
	stage_shut(stage_v1(0));
	stage_pass(5 * SECOND);
	heard_body(c);
	assert_int_equal(stage_v1(0)->why, TCP_WHY_FINISHED);
	stage_say(c, GET);
	stage_heard(stage_v1(1), GET_UP("1"));
	stage_say(stage_v1(1), OK("hi"));
	stage_heard(c, OK_DOWN("hi"));
}

/* Whatever the device does, the others hear of the end at once; the flow stays until it has let go. */
static void rests(void)
{
	assert_int_equal(st.w->session_slab.used, 0);
	assert_int_equal(stage_count(COUNT_SPLICES), 0);
	assert_int_equal(st.w->flows.slab.used, 1);
	stage_pass(10 * SECOND);
	assert_int_equal(st.w->flows.slab.used, 1);
	assert_null(card_check(&card));
	let_go();
	stage_pass(3 * SECOND);
	assert_int_equal(st.w->flows.slab.used, 0);
}

static void server_resets(void **state)
{
	struct line *c = begin_stuck();

	(void)state;
	stage_reset(stage_v1(0));
	assert_int_equal(c->why, TCP_WHY_RESET);
	assert_int_equal(stage_count(COUNT_HTTP_CUT), 1);
	rests();
}

static void client_resets(void **state)
{
	struct line *c = begin_stuck();

	(void)state;
	stage_reset(c);
	assert_int_equal(stage_v1(0)->why, TCP_WHY_RESET);
	rests();
}

static void time_is_up(void **state)
{
	struct line *c;

	(void)state;
	st.weir.node.times.stream_idle_us = 3 * SECOND;
	c = begin_stuck();
	stage_pass(4 * SECOND);
	assert_int_equal(c->why, TCP_WHY_RESET);
	assert_int_equal(stage_v1(0)->why, TCP_WHY_RESET);
	rests();
}

static void node_goes_down(void **state)
{
	struct line *c = begin_stuck();

	(void)state;
	while (worker_reset(st.w, st.world.now_us))
		stage_pass(1);
	stage_pass(5 * MS);
	assert_int_equal(c->why, TCP_WHY_RESET);
	assert_int_equal(stage_v1(0)->why, TCP_WHY_RESET);
	rests();
}

/* The client has got more than Weir has heard of: a RST with an old number does nothing, so it gets another. */
static void client_is_ahead(void **state)
{
	struct line *c = begin_stuck();
	size_t before = c->len;

	(void)state;
	st.world.wire.delay_min_us = st.world.wire.delay_max_us = 20 * MS;
	stage_say_bytes(stage_v1(0), body + LONG / 2, 10000);
	stage_pass(40 * MS);
	assert_int_equal(c->len, before + 10000);
	assert_int_equal(stage_v1(0)->conn->snd_nxt - stage_v1(0)->conn->snd_una, 10000);
	worker_reset(st.w, st.world.now_us);
	stage_pass(25 * MS);
	assert_int_equal(c->why, TCP_WHY_NONE);
	stage_pass(100 * MS);
	assert_int_equal(c->why, TCP_WHY_RESET);
	assert_int_equal(stage_v1(0)->why, TCP_WHY_RESET);
	rests();
}

/* A client that comes again with the ports of a flow that rests waits until that is possible. */
static void ports_are_not_used_again(void **state)
{
	struct line *c = begin_stuck(), *again;
	struct tcp_peer peer = *tcp_peer(c->conn);

	(void)state;
	stage_reset(c);
	again = stage_dial();
	assert_int_equal(st.w->session_slab.used, 1);
	stage_reset(again);
	c->conn = tcp_connect(st.client.host.tcp, &peer, 20 * SECOND, st.world.now_us);
	assert_non_null(c->conn);
	c->len = 0;
	host_flush(&st.client.host);
	stage_pass(SECOND);
	assert_int_equal(st.w->session_slab.used, 0);
	card.device.chaos.stuck_ppm = 0;
	stage_pass(10 * SECOND);
	assert_int_equal(st.w->session_slab.used, 1);
	stage_say(c, GET);
	stage_heard(stage_v1(1), GET_UP("1"));
	stage_say(stage_v1(1), OK("hi"));
	stage_heard(c, OK_DOWN("hi"));
}

/* ---- not the device's ---------------------------------------------------------------------- */

static void not_with_timestamps(void **state)
{
	struct line *c;

	(void)state;
	st.w->tcp->config.timestamps = true;
	c = stage_dial();
	stage_say(c, GET);
	stage_say(stage_v1(0), head);
	stage_say_bytes(stage_v1(0), body, LONG);
	stage_pass(SECOND);
	heard_body(c);
	assert_true(stage_count(COUNT_SPLICE_BYTES) > LONG / 2);
	assert_int_equal(card.device.inserted, 0);
}

static void not_uploads(void **state)
{
	struct line *c = stage_dial();
	char text[100];

	(void)state;
	snprintf(text, sizeof(text), "POST /p/ HTTP/1.1\r\nHost: a\r\nContent-Length: %u\r\n\r\n",
	         LONG);
	stage_say(c, text);
	stage_say_bytes(c, body, LONG);
	stage_pass(SECOND);
	heard_body(stage_v1(0));
	assert_true(stage_count(COUNT_SPLICE_BYTES) > LONG / 2);
	assert_int_equal(card.device.inserted, 0);
}

/* ---- longer than sequence numbers can be compared ------------------------------------------- */

#define LONG_AGO \
	0x7ffe0000u /* bytes: nearly half of all sequence numbers, and the rest of the body is more */

/* So much has passed unseen that what the source has shown is about to come round: both connections go on all the same. */
static void passes_huge_bodies_on(void **state)
{
	struct line *c = begin();
	struct splice *sp = stage_splice();

	(void)state;
	assert_int_equal(card.device.nic.used, 1);
	sp->next = sp->seen[FLOW_SERVER].rcv_nxt - LONG_AGO;
	stage_say_bytes(stage_v1(0), body + LONG / 2, LONG - LONG / 2);
	stage_pass(SECOND);
	heard_body(c);
	assert_int_equal(stage_count(COUNT_SPLICES), 0);
	stage_one_more(c);
}

/* The window that the server was told of before is as old: afterwards it is told of what there is. */
static void tells_no_window_of_long_ago(void **state)
{
	struct line *c = begin();
	struct tcp_conn *up = stage_splice()->session->up->conn;

	(void)state;
	up->rcv_adv -= 0x90000000;
	stage_say_bytes(stage_v1(0), body + LONG / 2, LONG - LONG / 2);
	stage_pass(SECOND);
	heard_body(c);
	assert_int_equal(stage_count(COUNT_SPLICES), 0);
	stage_one_more(c);
	assert_true(up->rcv_adv - up->rcv_nxt <= st.w->tcp->config.rcvbuf_bytes + 16);
}

/*
 * A server that probes a closed window with a byte each time: the last of the body, and then one that is behind it and
 * must not reach the client.
 */
static void second_probe_stays_here(void **state)
{
	struct line *c = begin_stuck();

	(void)state;
	say_but_the_last();
	probe(body + LONG - 1);
	stage_pass(SECOND);
	assert_int_equal(has(c), LONG);
	probe("X");
	stage_pass(SECOND);
	assert_int_equal(card.device.nic.used, 1);
	assert_int_equal(has(c), LONG);
}

/* The edge of the window is told in units; a challenge does not round it up past the end of the body. */
static void challenge_opens_nothing(void **state)
{
	const struct splice *sp;
	struct line *c;
	uint32_t at = LONG - 100;

	(void)state;
	st.w->tcp->rcv_ws = 5;
	c = begin_stuck();
	sp = stage_splice();
	stage_say_bytes(stage_v1(0), body + LONG / 2, at - LONG / 2);
	stage_pass(SECOND);
	for (; at < LONG - 50; at++) {
		stage_say_bytes(stage_v1(0), body + at, 1);
		stage_pass(SECOND / 2);
	}
	assert_int_equal(has(c), at);
	assert_int_equal(card.device.nic.used, 1);
	assert_true((int32_t)(sp->seen[FLOW_SERVER].rcv_adv - sp->limit) < 0);
	stage_forge(FLOW_SERVER, &(struct stage_segment){.flags = TCP_FLAG_SYN,
	                                                 .seq = sp->seen[FLOW_SERVER].rcv_nxt + 1});
	stage_pass(5 * MS);
	stage_say_bytes(stage_v1(0), body + at, LONG - at);
	stage_say(stage_v1(0), "HTTP/1.1 408 Request Timeout\r\n\r\n");
	stage_pass(SECOND);
	assert_int_equal(card.device.nic.used, 1);
	assert_true(has(c) < LONG);
}

/* What v1 hears: of two frames, that tell it of the last byte and ask how far it has got, the second is lost. */
static struct {
	void (*receive)(void *arg, const uint8_t *frame, uint16_t len);
	void *arg;
	uint32_t frames;
} to_v1;

static void but_the_second(void *arg, const uint8_t *frame, uint16_t len)
{
	(void)arg;
	if (++to_v1.frames != 2)
		to_v1.receive(to_v1.arg, frame, len);
}

/* As last_byte_passes, and the question how far the server has got is lost: the response ends nevertheless. */
static void lost_question_is_asked_again(void **state)
{
	struct line *c = begin_stuck();

	(void)state;
	say_but_the_last();
	probe(body + LONG - 1);
	stage_pass(SECOND);
	assert_int_equal(has(c), LONG);
	to_v1.receive = st.v1.host.nic->receive;
	to_v1.arg = st.v1.host.nic->arg;
	to_v1.frames = 0;
	st.v1.host.nic->receive = but_the_second;
	let_go();
	assert_int_equal(stage_count(COUNT_SPLICES), 1);
	stage_pass(SECOND);
	assert_int_equal(stage_count(COUNT_SPLICES), 0);
	assert_in_range(to_v1.frames, 3, 5);
	st.v1.host.nic->receive = to_v1.receive;
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(passes_bodies_on),
		TEST(counts_what_nobody_saw),
		TEST(waits_for_the_last_byte),
		TEST(waits_for_an_even_byte),
		TEST(last_byte_passes),
		TEST(resets_behind_the_end),
		TEST(client_resets_behind_the_end),
		TEST(client_acknowledges_too_much),
		TEST(nothing_passes_the_end),
		TEST(is_not_idle),
		TEST(takes_the_next_request),
		TEST(stops_a_stream),
		TEST(asks_again),
		TEST(repairs_what_nobody_saw),
		TEST(old_answer_is_no_answer),
		TEST(goes_on_in_software),
		TEST(tells_our_window_again),
		TEST(server_ends),
		TEST(server_ends_in_time),
		TEST(server_resets),
		TEST(client_resets),
		TEST(time_is_up),
		TEST(node_goes_down),
		TEST(client_is_ahead),
		TEST(ports_are_not_used_again),
		TEST(not_with_timestamps),
		TEST(not_uploads),
		TEST(challenge_opens_nothing),
		TEST(lost_question_is_asked_again),
		TEST(second_probe_stays_here),
		TEST(tells_no_window_of_long_ago),
		TEST(passes_huge_bodies_on),
	};

	stage_mode = WEIR_SPLICE_EARLY;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
