/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Splices on the stage: when they begin, what passes, what ends them, and what client and server see of all that:
 * nothing.
 */
#include "net_state.h"
#include "stage_splice.h"
#include "tcp_state.h"
#include "test.h"

#include <stdio.h>
#include <string.h>

#define LONG 200000u /* a body's bytes */

static char body[LONG];
static char head[200];

static void make_body(void)
{
	for (uint32_t i = 0; i < LONG; i++)
		body[i] = (char)(i * 7 + (i >> 8));
	snprintf(head, sizeof(head), "HTTP/1.1 200 OK\r\nContent-Length: %u\r\n\r\n", LONG);
}

/* The client has heard a response of the whole body. */
static void heard_body(struct line *c)
{
	char *at = memmem(c->in, c->len, "\r\n\r\n", 4);

	assert_non_null(at);
	at += 4;
	assert_int_equal(c->len - (size_t)(at - c->in), LONG);
	assert_memory_equal(at, body, LONG);
	c->len = 0;
}

/* A request whose response is on its way and has become a splice. */
static struct line *begin(void)
{
	struct line *c = stage_dial();

	make_body();
	stage_say(c, GET);
	stage_v1(0)->len = 0;
	stage_say(stage_v1(0), head);
	stage_say_bytes(stage_v1(0), body, LONG / 2);
	assert_int_equal(stage_count(COUNT_SPLICES), 1);
	return c;
}

static void finish(struct line *c)
{
	stage_say_bytes(stage_v1(0), body + LONG / 2, LONG / 2);
	stage_pass(SECOND);
	heard_body(c);
	assert_int_equal(stage_count(COUNT_SPLICES), 0);
}

/* ---- bodies ------------------------------------------------------------------------------ */

/* Again and again on the same two connections, and both go on as if nothing had been. */
static void comes_back(void **state)
{
	struct line *c = begin();

	(void)state;
	assert_int_equal(st.w->session_slab.used, 1);
	finish(c);
	stage_one_more(c);
	for (int i = 0; i < 3; i++) {
		stage_say(c, GET);
		stage_say(stage_v1(0), head);
		stage_say_bytes(stage_v1(0), body, LONG);
		stage_pass(SECOND);
		heard_body(c);
	}
	stage_one_more(c);
	assert_int_equal(st.v1.n, 1);
	assert_int_equal(st.v1.host.counters[COUNT_TCP_RETRANSMITS],
	                 0); /* its end was acknowledged */
	assert_true(stage_count(COUNT_SPLICES_BEGUN) >= 4);
	assert_int_equal(stage_count(COUNT_SPLICES_BEGUN), stage_count(COUNT_SPLICES_ENDED));
	assert_int_equal(st.w->stats.dests[st.weir.before.dests[0].stats.index].rx_bytes,
	                 4 * LONG + 4);
}

/* Time stamps only ever grow for either peer, also when the other's clock is far ahead of ours. */
static void clocks_run_on(void **state)
{
	struct line *c = begin();

	(void)state;
	stage_v1(0)->conn->ts_offset += 100000;
	c->conn->ts_offset += 70000;
	finish(c);
	stage_one_more(c);
	assert_int_equal(st.client.host.ends[DROP_TCP_PAWS], 0);
	assert_int_equal(st.v1.host.ends[DROP_TCP_PAWS], 0);
	assert_int_equal(st.w->stats.ends[DROP_TCP_PAWS], 0);
}

/* Weir holds nothing of a splice, however slow the client reads. */
static void holds_nothing(void **state)
{
	struct line *c = begin();
	uint32_t before = st.weir.pool.live;

	(void)state;
	c->deaf = true;
	stage_say_bytes(stage_v1(0), body + LONG / 2, LONG / 2);
	stage_pass(10 * SECOND);
	assert_true(st.weir.pool.live <= before + 2);
	assert_int_equal(stage_count(COUNT_SPLICES), 1);
	c->deaf = false;
	stage_listen(c);
	stage_pass(60 * SECOND);
	heard_body(c);
	stage_one_more(c);
}

/* Not worth it: what is left beyond the window that was offered is shorter than the setting. */
static void leaves_short_ones(void **state)
{
	struct line *c = stage_dial();

	(void)state;
	make_body();
	st.weir.node.splice_bytes = LONG;
	stage_say(c, GET);
	stage_say(stage_v1(0), head);
	stage_say_bytes(stage_v1(0), body, LONG);
	heard_body(c);
	assert_int_equal(stage_count(COUNT_SPLICES_BEGUN), 0);
	st.weir.node.splice_bytes = NODE_SPLICE_NEVER;
	stage_say(c, GET);
	stage_say(stage_v1(0), head);
	stage_say_bytes(stage_v1(0), body, LONG);
	heard_body(c);
	assert_int_equal(stage_count(COUNT_SPLICES_BEGUN), 0);
}

/* A stream that never pauses is brought to a quiet point by holding the window. */
static void gets_to_a_quiet_point(void **state)
{
	struct line *c = stage_dial();
	struct tcp_stack *tcp = st.v1.host.tcp;

	(void)state;
	make_body();
	st.weir.node.splice_bytes = 65536;
	stage_say(c, GET);
	stage_say(stage_v1(0), head);
	for (uint32_t at = 0; at < LONG; at += 1000) /* all at once */
		tcp_send(tcp, stage_v1(0)->conn, bufs_from(&st.v1.host.pool, body + at, 1000));
	stage_pass(SECOND);
	heard_body(c);
	assert_int_equal(stage_count(COUNT_SPLICES_BEGUN), 1);
	assert_true(stage_count(COUNT_SPLICE_BYTES) >= LONG - 2 * 65536);
	stage_one_more(c);
}

/* The next request comes while the body is on its way: the splice ends, the request is not lost. */
static void takes_the_next_request(void **state)
{
	struct line *c = begin();

	(void)state;
	stage_say(c, GET);
	assert_int_equal(st.w->stats.ends[DROP_SPLICE_HELD], 1);
	assert_int_equal(stage_count(COUNT_SPLICES), 0);
	finish(c);
	stage_heard(stage_v1(0), GET_UP("1"));
	stage_say(stage_v1(0), OK("hi"));
	stage_heard(c, OK_DOWN("hi"));
}

/* It comes with the acknowledgement of the body's end at the latest, and that is early enough. */
static void routes_the_next_request_anew(void **state)
{
	struct line *c = begin();

	(void)state;
	st.weir.after.split.n_dests = 2;
	for (int i = 0; i < 10; i++)
		st.weir.after.table[i] = 1;
	worker_use(st.w, st.weir.after.snap);
	finish(c);
	stage_say(c, GET);
	stage_heard(&st.v2.lines[0], GET_UP("1"));
	stage_say(&st.v2.lines[0], OK("hi"));
	stage_heard(c, OK_DOWN("hi"));
}

static void carries_uploads(void **state)
{
	struct line *c = stage_dial(), *s;
	char text[100];

	(void)state;
	make_body();
	snprintf(text, sizeof(text), "POST /p/ HTTP/1.1\r\nHost: a\r\nContent-Length: %u\r\n\r\n",
	         LONG);
	stage_say(c, text);
	s = stage_v1(0);
	stage_say_bytes(c, body, LONG / 2);
	assert_int_equal(stage_count(COUNT_SPLICES), 1);
	stage_say_bytes(c, body + LONG / 2, LONG / 2);
	stage_pass(SECOND);
	assert_int_equal(stage_count(COUNT_SPLICES), 0);
	heard_body(s);
	stage_say(s, OK("hi"));
	stage_heard(c, OK_DOWN("hi"));
	stage_one_more(c);
}

/* The server answers before the body is there: what a proxy does with that is done. */
static void answers_early(void **state)
{
	struct line *c = stage_dial(), *s;
	char text[100];

	(void)state;
	make_body();
	snprintf(text, sizeof(text), "POST /p/ HTTP/1.1\r\nHost: a\r\nContent-Length: %u\r\n\r\n",
	         LONG);
	stage_say(c, text);
	s = stage_v1(0);
	stage_say_bytes(c, body, LONG / 2);
	assert_int_equal(stage_count(COUNT_SPLICES), 1);
	stage_say(s, OK("hi"));
	assert_int_equal(stage_count(COUNT_SPLICES), 0);
	stage_heard(c,
	            "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n" BACK "connection: close\r\n\r\nhi");
}

/* ---- bodies that end too early ------------------------------------------------------------ */

static void server_resets(void **state)
{
	struct line *c = begin();

	(void)state;
	stage_reset(stage_v1(0));
	assert_int_equal(c->why, TCP_WHY_RESET);
	assert_int_equal(stage_count(COUNT_HTTP_CUT), 1);
}

static void server_ends(void **state)
{
	struct line *c = begin();

	(void)state;
	stage_shut(stage_v1(0));
	stage_pass(SECOND);
	assert_int_equal(c->why, TCP_WHY_RESET);
	assert_int_equal(stage_count(COUNT_HTTP_CUT), 1);
}

/* FIN right behind the last byte: the client gets it all, and its connection stays. */
static void server_ends_in_time(void **state)
{
	struct line *c = begin();
	struct tcp_stack *tcp = st.v1.host.tcp;

	(void)state;
	for (uint32_t at = LONG / 2; at < LONG; at += 1000)
		tcp_send(tcp, stage_v1(0)->conn, bufs_from(&st.v1.host.pool, body + at, 1000));
	stage_shut(stage_v1(0));
	stage_pass(5 * SECOND);
	heard_body(c);
	assert_int_equal(stage_v1(0)->why, TCP_WHY_FINISHED);
	stage_say(c, GET);
	stage_heard(stage_v1(1), GET_UP("1"));
	stage_say(stage_v1(1), OK("hi"));
	stage_heard(c, OK_DOWN("hi"));
}

static void client_resets(void **state)
{
	struct line *c = begin();

	(void)state;
	stage_reset(c);
	assert_int_equal(stage_v1(0)->why, TCP_WHY_RESET);
}

/* Half closed: it has nothing more to ask, but wants the answer. */
static void client_ends(void **state)
{
	struct line *c = begin();

	(void)state;
	stage_shut(c);
	finish(c);
	stage_pass(5 * SECOND);
	assert_int_equal(c->why, TCP_WHY_FINISHED);
}

static void time_is_up(void **state)
{
	struct line *c;

	(void)state;
	st.weir.node.times.stream_idle_us = 30 * SECOND;
	c = begin();
	stage_pass(31 * SECOND);
	assert_int_equal(c->why, TCP_WHY_RESET);
	assert_int_equal(stage_v1(0)->why, TCP_WHY_RESET);
}

static void node_goes_down(void **state)
{
	struct line *c = begin(), *t = stage_dial();

	(void)state;
	stage_say(t, UPGRADE);
	stage_say(stage_v1(1), SWITCH);
	stage_pass(100 * MS);
	assert_int_equal(stage_count(COUNT_SPLICES), 2);
	while (worker_reset(st.w, st.world.now_us))
		stage_pass(1);
	stage_pass(MS); /* that sends what it has left behind */
	stage_pass(MS);
	assert_int_equal(c->why, TCP_WHY_RESET);
	assert_int_equal(t->why, TCP_WHY_RESET);
	assert_int_equal(stage_v1(0)->why, TCP_WHY_RESET);
	assert_int_equal(stage_v1(1)->why, TCP_WHY_RESET);
}

/* ---- segments that nobody sent ------------------------------------------------------------ */

/* To Weir, as from an end point, and the answer comes. */
static void forge(enum flow_side_id from, uint8_t flags, uint32_t seq, uint32_t ack, uint16_t len)
{
	stage_forge(from, &(struct stage_segment){flags, seq, ack, len, 0});
	stage_pass(5 * MS);
}

/*
 * The second long frame from now on, which only v1 sends, is damaged on its way: the lowest bit of one
 * byte, from TCP's header on. The first one may bring news: a time stamp.
 */
static struct {
	void (*receive)(void *arg, const uint8_t *frame, uint16_t len);
	void *arg;
	uint32_t at; /* 0: none */
	uint32_t frames;
} wire;

static void damaging(void *arg, const uint8_t *frame, uint16_t len)
{
	uint8_t copy[2048];

	(void)arg;
	memcpy(copy, frame, len);
	if (len > 1000 && wire.at && ++wire.frames == 2) {
		copy[34 + wire.at] ^= 1;
		wire.at = 0;
	}
	wire.receive(wire.arg, copy, len);
}

/* RFC 5961: a RST must be exact; else it is asked back, and the true peer does not confirm. */
static void forged_resets_do_nothing(void **state)
{
	struct line *c = begin();
	const struct tcp_frozen *up = &stage_splice()->seen[FLOW_SERVER];
	const struct tcp_frozen *cl = &stage_splice()->seen[FLOW_CLIENT];

	(void)state;
	forge(FLOW_SERVER, 4, up->rcv_nxt + 1, up->snd_nxt, 0);
	assert_int_equal(st.w->stats.ends[DROP_TCP_CHALLENGE], 1);
	forge(FLOW_SERVER, 4, up->rcv_nxt - 1, up->snd_nxt, 0);
	forge(FLOW_CLIENT, 4, cl->rcv_nxt + 1, 0, 0);
	assert_int_equal(st.w->stats.ends[DROP_TCP_CHALLENGE], 2);
	forge(FLOW_CLIENT, 4, cl->rcv_nxt + 100000, 0, 0);
	forge(FLOW_CLIENT, 2, cl->rcv_nxt, 0,
	      0); /* a SYN is asked back, too: the true one says no */
	assert_int_equal(st.w->stats.ends[DROP_TCP_CHALLENGE], 3);
	assert_int_equal(stage_count(COUNT_SPLICES), 1);
	finish(c);
	stage_one_more(c);
}

/*
 * What is damaged is passed on as damaged as it is, or ends here: in the body's bytes, in each number of the header,
 * in the time stamps.
 */
static void damage_is_found(void **state)
{
	static const struct {
		uint32_t at;
		bool passes; /* to the client, which then finds it */
	} rows[] = {{4, false},  {7, false}, {8, false}, {11, false}, {13, false}, {14, false},
	            {15, false}, {16, true}, {17, true}, {24, false}, {25, false}, {26, false},
	            {28, true},  {31, true}, {32, true}, {500, true}};
	const uint32_t part = LONG / 2 / 20, n = sizeof(rows) / sizeof(rows[0]);
	struct line *c = begin();

	(void)state;
	wire.receive = st.weir.nic->receive;
	wire.arg = st.weir.nic->arg;
	st.weir.nic->receive = damaging;
	for (uint32_t i = 0; i < n; i++) {
		uint64_t here = st.w->stats.ends[DROP_TCP_CSUM],
			 there = st.client.host.ends[DROP_TCP_CSUM];

		wire.at = rows[i].at;
		wire.frames = 0;
		stage_say_bytes(stage_v1(0), body + LONG / 2 + i * part, part);
		stage_pass(SECOND);
		assert_int_equal(wire.at, 0);
		assert_int_equal(st.w->stats.ends[DROP_TCP_CSUM] - here, !rows[i].passes);
		assert_int_equal(st.client.host.ends[DROP_TCP_CSUM] - there, rows[i].passes);
	}
	assert_int_equal(stage_count(COUNT_SPLICES), 1);
	stage_say_bytes(stage_v1(0), body + LONG / 2 + n * part, LONG / 2 - n * part);
	stage_pass(SECOND);
	heard_body(c);
	stage_one_more(c);
}

/* Nor does a FIN whose numbers are those of long ago: the splice goes on. */
static void forged_ends_do_nothing(void **state)
{
	struct line *c = begin();
	const struct splice *sp = stage_splice();
	const struct tcp_frozen *up = &sp->seen[FLOW_SERVER];

	(void)state;
	forge(FLOW_SERVER, TCP_FLAG_FIN | TCP_FLAG_ACK, up->rcv_nxt - 1000000000, up->snd_nxt, 0);
	forge(FLOW_SERVER, TCP_FLAG_FIN | TCP_FLAG_ACK, up->rcv_nxt, up->snd_nxt - 1000000000, 0);
	forge(FLOW_SERVER, TCP_FLAG_FIN | TCP_FLAG_ACK, up->rcv_nxt - 1000000000, up->snd_nxt, 10);
	assert_int_equal(st.w->stats.ends[DROP_TCP_WINDOW], 3);
	assert_false(sp->stopping);
	finish(c);
	stage_one_more(c);
}

/* Acknowledgements of what was not sent, bytes far beyond the window, flags that cannot be: no further. */
static void nonsense_goes_no_further(void **state)
{
	struct line *c = begin();
	const struct tcp_frozen *up = &stage_splice()->seen[FLOW_SERVER];
	const struct tcp_frozen *cl = &stage_splice()->seen[FLOW_CLIENT];

	(void)state;
	forge(FLOW_CLIENT, 0x10, cl->rcv_nxt, cl->snd_nxt + 0x30000000, 0);
	forge(FLOW_SERVER, 0x10, up->rcv_nxt + 0x10000000, up->snd_nxt, 10);
	forge(FLOW_SERVER, 0x10, up->rcv_nxt, up->snd_nxt + 1, 10);
	assert_int_equal(st.w->stats.ends[DROP_TCP_WINDOW], 3);
	forge(FLOW_SERVER, 0, up->rcv_nxt, up->snd_nxt, 10);
	assert_int_equal(st.w->stats.ends[DROP_TCP_BAD_STATE], 1);
	finish(c);
	stage_one_more(c);
}

/* ---- tunnels ----------------------------------------------------------------------------- */

static struct line *tunnel(void)
{
	struct line *c = stage_dial();

	stage_say(c, UPGRADE);
	stage_say(stage_v1(0), SWITCH);
	stage_pass(100 * MS);
	c->len = stage_v1(0)->len = 0;
	assert_int_equal(stage_count(COUNT_SPLICES), 1);
	return c;
}

/* Only the flow is left, and it is still counted. */
static void tunnel_needs_no_session(void **state)
{
	struct line *c = tunnel();

	(void)state;
	assert_int_equal(st.w->session_slab.used, 0);
	assert_int_equal(st.w->upstream_slab.used, 0);
	assert_int_equal(stage_count(COUNT_TCP_CONNS), 0);
	assert_int_equal(stage_count(COUNT_FLOWS), 1);
	assert_int_equal(st.w->stats.dests[st.weir.before.dests[0].stats.index].active, 1);
	assert_int_equal(st.w->stats.endpoints[0].active, 1);
	assert_int_equal(st.w->stats.endpoints[0].conns, 1);
	make_body();
	stage_say_bytes(c, body, LONG);
	stage_pass(SECOND);
	assert_int_equal(stage_v1(0)->len, LONG);
	assert_memory_equal(stage_v1(0)->in, body, LONG);
	stage_shut(c);
	assert_true(stage_v1(0)->eof);
	stage_say_bytes(stage_v1(0), body, LONG);
	stage_pass(SECOND);
	assert_int_equal(c->len, LONG);
	stage_shut(stage_v1(0));
	assert_int_equal(c->why, TCP_WHY_FINISHED);
	assert_int_equal(stage_count(COUNT_FLOWS), 0);
	assert_int_equal(stage_count(COUNT_SPLICES), 0); /* its ports rest */
	assert_int_equal(st.w->flows.slab.used, 1);
	assert_int_equal(st.w->stats.endpoints[0].conns, 0);
}

static void tunnel_is_reset(void **state)
{
	struct line *c = tunnel();

	(void)state;
	stage_reset(c);
	assert_int_equal(stage_v1(0)->why, TCP_WHY_RESET);
	assert_int_equal(stage_count(COUNT_FLOWS), 0);
}

static void tunnel_is_reset_from_behind(void **state)
{
	struct line *c = tunnel();

	(void)state;
	stage_say(stage_v1(0), "x");
	stage_reset(stage_v1(0));
	assert_int_equal(c->why, TCP_WHY_RESET);
}

/* As few fields as possible differ: the connection to the endpoint was made like the client's. */
static void tunnel_is_alike(void **state)
{
	const struct splice *sp;

	(void)state;
	tunnel();
	sp = stage_splice();
	assert_int_equal(sp->seen[FLOW_CLIENT].snd_ws, sp->seen[FLOW_SERVER].rcv_ws);
}

/* A client of small segments: the endpoint is told so, and the tunnel becomes a flow all the same. */
static void tunnel_of_small_segments(void **state)
{
	struct line *c;

	(void)state;
	st.client.host.net->links[0].conf.mtu = 600;
	c = tunnel();
	make_body();
	stage_say_bytes(stage_v1(0), body, 20000);
	stage_pass(SECOND);
	assert_int_equal(c->len, 20000);
	assert_int_equal(st.w->stats.ends[DROP_FLOW_TOO_BIG], 0);
}

/* A client that both waits to be read and does not read: the windows are held for a second, not for ever. */
static void tunnel_does_not_wait_for_ever(void **state)
{
	struct line *c = stage_dial();
	struct tcp_stack *tcp = st.client.host.tcp;

	(void)state;
	make_body();
	c->deaf = true;
	stage_say(c, GET);
	stage_say(stage_v1(0), "HTTP/1.1 200 OK\r\nContent-Length: 60000\r\n\r\n");
	stage_say_bytes(stage_v1(0), body, 60000);
	stage_pass(SECOND);
	assert_int_equal(stage_count(COUNT_SPLICES), 0);
	stage_say(c, UPGRADE);
	stage_say(stage_v1(0), SWITCH);
	stage_say_bytes(stage_v1(0), body, LONG); /* more than the client takes */
	stage_v1(0)->len = 0;
	for (uint32_t at = 0; at < LONG; at += 1000)
		tcp_send(tcp, c->conn, bufs_from(&st.client.host.pool, body + at, 1000));
	stage_pass(5 * SECOND);
	assert_int_equal(stage_count(COUNT_SPLICES), 0);
	assert_int_equal(stage_v1(0)->len, LONG);
	assert_memory_equal(stage_v1(0)->in, body, LONG);
	c->deaf = false;
	stage_listen(c);
	stage_pass(60 * SECOND);
	assert_int_equal(stage_count(COUNT_SPLICES), 1); /* now it is quiet */
}

/* Numbers of a thousand million bytes ago: the clocks stay as they are, and both connections go on. */
static void forge_clock_of(enum flow_side_id from)
{
	struct line *c = begin();
	const struct tcp_frozen *seen = &stage_splice()->seen[from];

	/* of one who does not know any number of the connection */
	stage_forge(from, &(struct stage_segment){.flags = TCP_FLAG_ACK,
	                                          .seq = seen->rcv_nxt - 1000000000,
	                                          .ack = seen->snd_nxt - 1000000000,
	                                          .tsval = seen->ts_recent + 1000000000});
	stage_pass(5 * MS);
	finish(c);
	stage_one_more(c);
}

static void forged_clocks_of_servers_do_nothing(void **state)
{
	(void)state;
	forge_clock_of(FLOW_SERVER);
}

static void forged_clocks_of_clients_do_nothing(void **state)
{
	(void)state;
	forge_clock_of(FLOW_CLIENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		STAGE_TEST(comes_back),
		STAGE_TEST(clocks_run_on),
		STAGE_TEST(holds_nothing),
		STAGE_TEST(leaves_short_ones),
		STAGE_TEST(gets_to_a_quiet_point),
		STAGE_TEST(takes_the_next_request),
		STAGE_TEST(routes_the_next_request_anew),
		STAGE_TEST(carries_uploads),
		STAGE_TEST(answers_early),
		STAGE_TEST(server_resets),
		STAGE_TEST(server_ends),
		STAGE_TEST(server_ends_in_time),
		STAGE_TEST(client_resets),
		STAGE_TEST(client_ends),
		STAGE_TEST(time_is_up),
		STAGE_TEST(node_goes_down),
		STAGE_TEST(forged_resets_do_nothing),
		STAGE_TEST(forged_clocks_of_servers_do_nothing),
		STAGE_TEST(forged_clocks_of_clients_do_nothing),
		STAGE_TEST(forged_ends_do_nothing),
		STAGE_TEST(nonsense_goes_no_further),
		STAGE_TEST(damage_is_found),
		STAGE_TEST(tunnel_needs_no_session),
		STAGE_TEST(tunnel_is_reset),
		STAGE_TEST(tunnel_is_reset_from_behind),
		STAGE_TEST(tunnel_is_alike),
		STAGE_TEST(tunnel_of_small_segments),
		STAGE_TEST(tunnel_does_not_wait_for_ever),
	};

	stage_mode = WEIR_SPLICE_EARLY;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
