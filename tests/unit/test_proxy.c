/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The proxy on its stage (sim/stage.h): what does the server get, what does the client get, and are the
 * books in order afterwards?
 */
#include "stage.h"
#include "test.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void passes_on(void **state)
{
	struct line *c = stage_dial();

	(void)state;
	stage_say(c, GET);
	stage_heard(stage_v1(0), GET_UP("1"));
	stage_say(stage_v1(0), OK("hi"));
	stage_heard(c, OK_DOWN("hi"));
	stage_say(c, GET); /* both connections are kept */
	stage_heard(stage_v1(0), GET_UP("1"));
	stage_say(stage_v1(0), OK("ho"));
	stage_heard(c, OK_DOWN("ho"));
}

/*
 * A head that shrinks is written over the old one, and the sum of the segment is kept up to date without
 * reading the body: for old and new heads and bodies of odd and even length. The client's stack checks it.
 */
static void replaces_a_head_in_place(void **state)
{
	char answer[512], want[512];
	struct line *c = stage_dial();

	(void)state;
	for (int i = 0; i < 8; i++) {
		int gone = 200 + i % 2, stays = 10 + i / 2 % 2, body = 2 + i / 4;

		stage_say(c, GET);
		snprintf(answer, sizeof(answer),
		         "HTTP/1.1 200 OK\r\nKeep-Alive: %0*d\r\nX: %0*d\r\nContent-Length: "
		         "%d\r\n\r\n%.*s",
		         gone, 7, stays, 9, body, body, "abc");
		snprintf(want, sizeof(want),
		         "HTTP/1.1 200 OK\r\nX: %0*d\r\nContent-Length: %d\r\n" BACK "\r\n%.*s",
		         stays, 9, body, body, "abc");
		stage_say(stage_v1(0), answer);
		stage_heard(c, want);
	}
	assert_int_equal(st.client.host.ends[DROP_TCP_CSUM], 0);
}

/* ---- retries ----------------------------------------------------------------------------- */

/* Make v1's connection a used one, so that a failure on it may be the fate of a kept connection. */
static struct line *warm(void)
{
	struct line *c = stage_dial();

	stage_say(c, GET);
	stage_say(stage_v1(0), OK("hi"));
	c->len = stage_v1(0)->len = 0;
	return c;
}

static void retries_the_same_request(void **state)
{
	struct line *c = warm();
	char first[1024], *id1, *id2;

	(void)state;
	stage_say(c, GET);
	assert_true(stage_v1(0)->len > 0);
	memcpy(first, stage_v1(0)->in, sizeof(first));
	stage_heard(stage_v1(0), GET_UP("1"));
	stage_reset(stage_v1(0));
	id1 = strstr(first, "x-request-id");
	id2 = strstr(stage_v1(1)->in, "x-request-id");
	assert_non_null(id2);
	assert_memory_equal(id1, id2, 50); /* the same request has the same id */
	stage_heard(stage_v1(1), GET_UP("2"));
	stage_reset(stage_v1(1)); /* once is enough: this one was fresh */
	stage_heard(c, "HTTP/1.1 503 Service Unavailable\r\ncontent-length: 95\r\n"
	               "content-type: text/plain\r\n" LOCAL "\r\n" RESET("connection termination"));
	assert_int_equal(st.v1.n, 2);
}

static void never_repeats_a_post(void **state)
{
	struct line *c = warm();

	(void)state;
	stage_say(c, "POST /p/ HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n");
	stage_reset(stage_v1(0));
	stage_heard_start(c, "HTTP/1.1 503 ");
	assert_int_equal(st.v1.n, 1);
}

static void never_repeats_what_was_begun_to_be_answered(void **state)
{
	struct line *c = warm();

	(void)state;
	stage_say(c, GET);
	stage_say(stage_v1(0), "HTTP/1.1 200 O");
	stage_reset(stage_v1(0));
	stage_heard_start(c, "HTTP/1.1 503 ");
	assert_int_equal(st.v1.n, 1);
}

static void never_repeats_after_an_interim_response(void **state)
{
	struct line *c = warm();

	(void)state;
	stage_say(c, GET);
	stage_say(stage_v1(0), "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n");
	stage_heard(c, "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n");
	stage_reset(stage_v1(0));
	stage_heard_start(c, "HTTP/1.1 503 ");
	assert_int_equal(st.v1.n, 1);
}

/* ---- framing ----------------------------------------------------------------------------- */

static void cleans_interim_responses(void **state)
{
	struct line *c = stage_dial();

	(void)state;
	stage_say(c, GET);
	stage_say(stage_v1(0),
	          "HTTP/1.1 103 Early Hints\r\nConnection: close, x-a\r\nX-A: 1\r\nX-B: 2\r\n\r\n");
	stage_heard(c, "HTTP/1.1 103 Early Hints\r\nX-B: 2\r\n\r\n");
	stage_say(stage_v1(0), OK("hi"));
	stage_heard(c, OK_DOWN("hi"));
}

static void expects_continue(void **state)
{
	struct line *c = stage_dial();

	(void)state;
	stage_say(c, "POST /p/ HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: "
	             "3\r\n\r\n");
	stage_say(stage_v1(0), "HTTP/1.1 100 Continue\r\n\r\n");
	stage_heard(c, "HTTP/1.1 100 Continue\r\n\r\n");
	stage_v1(0)->len = 0;
	stage_say(c, "abc" GET);
	stage_heard(stage_v1(0), "abc");
	stage_say(stage_v1(0), OK("hi"));
	stage_heard(c, OK_DOWN("hi"));
	stage_heard(stage_v1(0), GET_UP("1"));
	stage_say(stage_v1(0), OK("ho"));
	stage_heard(c, OK_DOWN("ho"));
}

/* The client must learn that what it sends next is not going to be a request. */
static void closes_after_an_early_answer(void **state)
{
	struct line *c = stage_dial();

	(void)state;
	stage_say(c, "POST /p/ HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: "
	             "3\r\n\r\n");
	stage_say(stage_v1(0), "HTTP/1.1 417 No\r\nContent-Length: 0\r\n\r\n");
	stage_heard(c, "HTTP/1.1 417 No\r\nContent-Length: 0\r\n" BACK "connection: close\r\n\r\n");
	assert_true(c->eof);
	stage_say(c, "abc" GET);
	stage_heard(c, "");
	assert_int_equal(st.v1.n, 1);
	assert_true(stage_v1(0)->eof);
}

static void refuses_an_unwanted_upgrade(void **state)
{
	struct line *c = stage_dial();

	(void)state;
	stage_say(c, GET);
	stage_say(stage_v1(0),
	          "HTTP/1.1 101 X\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n" OK("hi"));
	stage_heard(c, "HTTP/1.1 502 Bad Gateway\r\ncontent-length: 87\r\n"
	               "content-type: text/plain\r\n" LOCAL "\r\n" RESET("protocol error"));
	stage_say(c, GET);
	stage_heard(stage_v1(1), GET_UP("1"));
}

/* Whatever follows the end of a response belongs to nobody. */
static void drops_what_follows_a_response(void **state)
{
	static const char *const answers[] = {
		OK("hi") OK("no"),
		"HTTP/1.1 204 No\r\nContent-Length: 2\r\n\r\nhi",
		"HTTP/1.1 304 No\r\n\r\nHTTP/1.1 200 OK\r\n\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nx",
	};
	struct line *c = stage_dial();

	(void)state;
	for (uint32_t i = 0; i < 4; i++) {
		stage_say(c, GET);
		stage_heard(stage_v1(i), GET_UP("1"));
		stage_say(stage_v1(i), answers[i]);
		stage_heard_start(c, "HTTP/1.1 ");
		assert_null(strstr(c->in, "no"));
		assert_true(stage_v1(i)->eof || stage_v1(i)->why == TCP_WHY_RESET);
	}
	assert_int_equal(st.v1.n, 4);
}

static void head_has_no_body(void **state)
{
	struct line *c = stage_dial();

	(void)state;
	stage_say(c, "HEAD /p/ HTTP/1.1\r\nHost: a\r\n\r\n");
	stage_say(stage_v1(0), "HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n");
	stage_heard(c, "HTTP/1.1 200 OK\r\nContent-Length: 50\r\n" BACK "\r\n");
	stage_say(c, "HEAD /p/ HTTP/1.1\r\nHost: a\r\n\r\n");
	stage_say(stage_v1(0), "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
	stage_heard(c, "HTTP/1.1 200 OK\r\n" BACK "\r\n");
	assert_int_equal(st.v1.n, 1);
}

static void keeps_chunks_and_trailers(void **state)
{
	struct line *c = stage_dial();

	(void)state;
	stage_say(c, "POST /p/ HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: "
	             "chunked\r\n\r\n3\r\nabc\r\n0\r\nx: y\r\n\r\n");
	stage_heard(stage_v1(0),
	            "POST /p/ HTTP/1.1\r\nhost: a\r\n" OWN(
			    "1") "transfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nx: y\r\n\r\n");
	stage_say(stage_v1(0), "HTTP/1.1 200 OK\r\nTransfer-Encoding: "
	                       "chunked\r\n\r\n2\r\nhi\r\n0\r\nt: u\r\n\r\n");
	stage_heard(c, "HTTP/1.1 200 OK\r\n" BACK
	               "transfer-encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\nt: u\r\n\r\n");
	stage_say(c, GET);
	stage_heard(stage_v1(0), GET_UP("1"));
}

static void refuses_bad_chunks(void **state)
{
	struct line *c = stage_dial();

	(void)state;
	stage_say(
		c,
		"POST /p/ HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcX" GET);
	stage_heard_start(c, "HTTP/1.1 400 ");
	assert_true(c->eof);
	assert_int_equal(st.v1.n, 0); /* the connection was not even used */
	c = stage_dial();
	stage_say(c, "POST /p/ HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n");
	stage_say(c, "abcX" GET);
	stage_heard_start(c, "HTTP/1.1 400 ");
	assert_int_equal(stage_v1(0)->why, TCP_WHY_RESET);
	assert_null(strstr(stage_v1(0)->in, "GET"));
}

static void nothing_follows_a_refused_request(void **state)
{
	struct line *c = stage_dial();

	(void)state;
	stage_say(c, GET "GET /p/ HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n" GET);
	stage_heard(stage_v1(0), GET_UP("1"));
	stage_say(stage_v1(0), OK("hi"));
	assert_non_null(strstr(c->in, "hiHTTP/1.1 400 Bad Request\r\n"));
	assert_true(c->eof);
	stage_heard(stage_v1(0), "");
}

static void cuts_a_short_response(void **state)
{
	struct line *c = stage_dial();

	(void)state;
	stage_say(c, GET);
	stage_say(stage_v1(0), "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nhi");
	stage_shut(stage_v1(0));
	assert_int_equal(c->why, TCP_WHY_RESET);
	assert_int_equal(stage_count(COUNT_HTTP_CUT), 1);
}

static void reads_until_close(void **state)
{
	struct line *c = stage_dial();

	(void)state;
	stage_say(c, GET);
	stage_say(stage_v1(0), "HTTP/1.1 200 OK\r\n\r\nhi");
	stage_shut(stage_v1(0));
	stage_heard(c, "HTTP/1.1 200 OK\r\n" BACK "connection: close\r\n\r\nhi");
	assert_true(c->eof);
}

static void serves_a_client_that_shut_its_side(void **state)
{
	struct line *c = stage_dial();

	(void)state;
	stage_say(c, GET);
	stage_shut(c);
	stage_say(stage_v1(0), OK("hi"));
	stage_heard(c, OK_DOWN("hi"));
	assert_true(c->eof);
}

/* The rest of a request that never ends must not take the response before it along. */
static void answers_before_half_a_request(void **state)
{
	struct line *c = stage_dial();

	(void)state;
	stage_say(c, GET "GET /p/ HTT");
	stage_shut(c);
	stage_say(stage_v1(0), OK("hi"));
	stage_heard(c, OK_DOWN("hi"));
	assert_true(c->eof);
}

/* ---- HTTP/1.0 ---------------------------------------------------------------------------- */

static void refuses_http10(void **state)
{
	struct line *c = stage_dial();

	(void)state;
	stage_say(c, "GET /p/ HTTP/1.0\r\nHost: a\r\n\r\n");
	stage_heard(c, "HTTP/1.1 426 Upgrade Required\r\ncontent-length: 0\r\n" LOCAL
	               "connection: close\r\n\r\n");
	assert_true(c->eof);
}

static void accepts_http10(void **state)
{
	struct line *c;

	(void)state;
	st.weir.before.listener.accept_http10 = true;
	c = stage_dial();
	stage_say(c, "GET /p/ HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\n");
	stage_heard(stage_v1(0), "GET /p/ HTTP/1.0\r\nhost: a\r\n" OWN("1") "\r\n");
	stage_say(stage_v1(0), "HTTP/1.1 103 No\r\n\r\n" OK("hi"));
	stage_heard(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n" BACK
	               "connection: keep-alive\r\n\r\nhi");
	stage_say(c, "GET /p/ HTTP/1.0\r\nHost: a\r\n\r\n");
	stage_say(stage_v1(0), "HTTP/1.1 200 OK\r\n\r\nho");
	stage_shut(stage_v1(0));
	stage_heard(c, "HTTP/1.1 200 OK\r\n" BACK "connection: close\r\n\r\nho");
	assert_true(c->eof);
}

/* RFC 9112 section 6.1: nobody may answer HTTP/1.0 so, and the client could not read it. */
static void never_shows_chunks_to_http10(void **state)
{
	struct line *c;

	(void)state;
	st.weir.before.listener.accept_http10 = true;
	c = stage_dial();
	stage_say(c, "GET /p/ HTTP/1.0\r\nHost: a\r\n\r\n");
	stage_say(stage_v1(0),
	          "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n");
	stage_heard_start(c, "HTTP/1.1 502 ");
	assert_true(c->eof);
}

/* ---- %REQ()% in response operations -------------------------------------------------------- */

static void remembers_the_request(void **state)
{
	struct line *c = stage_dial();
	char text[6000];

	(void)state;
	stage_say(c, "POST /p/ HTTP/1.1\r\nHost: a\r\n\r\n");
	stage_say(stage_v1(0), OK("hi"));
	stage_heard(c, OK_DOWN("hi"));
	snprintf(text, sizeof(text),
	         "POST /p/ HTTP/1.1\r\nHost: a\r\nCookie: %04000d\r\nContent-Length: 3\r\n\r\nabc",
	         7);
	stage_say(c, text);
	assert_int_equal(st.v1.n, 1);
	stage_say(stage_v1(0), OK("ho"));
	stage_heard(c, OK_DOWN("ho"));
}

/* ---- tunnels ----------------------------------------------------------------------------- */

static void tunnels(void **state)
{
	struct line *c = stage_dial();

	(void)state;
	stage_say(c, UPGRADE);
	stage_say(stage_v1(0), SWITCH "hello");
	stage_heard(c, "HTTP/1.1 101 Switching Protocols\r\n" BACK
	               "connection: upgrade\r\nupgrade: websocket\r\n\r\nhello");
	stage_v1(0)->len = 0;
	stage_say(c, GET);
	stage_heard(stage_v1(0), GET);
	stage_shut(c);
	assert_true(stage_v1(0)->eof);
	stage_say(stage_v1(0), "bye");
	stage_heard(c, "bye");
	stage_shut(stage_v1(0));
	assert_true(c->eof);
	assert_int_equal(stage_count(COUNT_HTTP_ACTIVE), 0);
}

/* The server ends first; what the client says last must reach it, and then its end, even if it is slow. */
static void tunnels_to_the_last_byte(void **state)
{
	struct line *c = stage_dial(), *s;
	char *mb = calloc(1, 150000);

	(void)state;
	stage_say(c, UPGRADE);
	s = stage_v1(0);
	stage_say(s, SWITCH);
	stage_shut(s);
	assert_true(c->eof);
	s->len = 0;
	tcp_send(c->end->host.tcp, c->conn, bufs_from(&c->end->host.pool, "the last", 8));
	stage_shut(c);
	stage_heard(s, "the last");
	assert_int_equal(s->why, TCP_WHY_FINISHED);
	c = stage_dial();
	stage_say(c, UPGRADE);
	s = stage_v1(1);
	stage_say(s, SWITCH);
	stage_shut(s);
	s->len = 0;
	s->deaf = true;
	stage_say_bytes(c, mb, 150000);
	stage_shut(c);
	stage_pass(5 * SECOND);
	s->deaf = false;
	stage_listen(s);
	stage_pass(60 * SECOND);
	assert_int_equal(s->len, 150000);
	assert_int_equal(s->why, TCP_WHY_FINISHED);
	free(mb);
}

/* A tunnel has let its snapshot go, so its slots may have new users when it ends. */
static void tunnel_outlives_its_slots(void **state)
{
	struct dest_stats *d;
	struct line *c = stage_dial(), *c2 = stage_dial();

	(void)state;
	stage_say(c, UPGRADE);
	stage_say(stage_v1(0), SWITCH);
	st.weir.after.dests[0].stats = (struct slot){st.weir.before.dests[0].stats.index, 2};
	worker_use(st.w, st.weir.after.snap);
	stage_say(c2, GET);
	stage_say(stage_v1(1), OK("hi"));
	d = &st.w->stats.dests[st.weir.before.dests[0].stats.index];
	assert_int_equal(d->epoch, 2);
	stage_say(c, "bytes of the old one");
	assert_int_equal(d->tx_bytes, 0);
	stage_reset(c);
	assert_int_equal(d->epoch, 2);
	assert_int_equal(d->picks, 1);
	assert_int_equal(d->active, 0);
}

/* ---- replies of our own -------------------------------------------------------------------- */

static void says_not_found(void **state)
{
	struct line *c = stage_dial();

	(void)state;
	stage_say(c, "POST /q HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc"
	             "HEAD /q HTTP/1.1\r\nHost: a\r\n\r\n" GET);
	stage_heard(c, NOT_FOUND NOT_FOUND);
	stage_heard(stage_v1(0), GET_UP("1"));
}

static void says_refused(void **state)
{
	struct line *c = stage_dial();

	(void)state;
	st.v1.host.listen_port = 0;
	stage_say(c, GET);
	stage_pass(SECOND);
	stage_heard(c,
	            "HTTP/1.1 503 Service Unavailable\r\ncontent-length: 190\r\ncontent-type: "
	            "text/plain\r\n" LOCAL "\r\nupstream connect error or disconnect/reset before "
	            "headers. retried and the latest "
	            "reset reason: remote connection failure, transport failure reason: delayed "
	            "connect "
	            "error: Connection refused");
	assert_int_equal(stage_count(COUNT_HTTP_RETRIES), 2);
}

static void says_unhealthy(void **state)
{
	struct line *c = stage_dial();

	(void)state;
	st.weir.before.subsets[0].n_endpoints = 0;
	stage_say(c, "HEAD /p/ HTTP/1.1\r\nHost: a\r\n\r\n");
	stage_heard(c, "HTTP/1.1 503 Service Unavailable\r\ncontent-length: 19\r\n"
	               "content-type: text/plain\r\n" LOCAL "\r\n");
	st.weir.before.dests[0].subset = NULL;
	stage_say(c, GET);
	stage_heard(c, "HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n" LOCAL "\r\n");
	st.weir.before.dests[0].subset = &st.weir.before.subsets[0];
}

static void says_directly(void **state)
{
	struct direct_response direct = {.status = 418, .body = STR("teapot")};
	struct line *c = stage_dial();

	(void)state;
	st.weir.before.route.kind = ROUTE_DIRECT;
	st.weir.before.route.direct = &direct;
	st.weir.before.route.stats = (struct slot){9, 1};
	stage_say(c, GET "HEAD /p/ HTTP/1.1\r\nHost: a\r\n\r\n");
	stage_heard(c, "HTTP/1.1 418 I'm a teapot\r\ncontent-length: 6\r\ncontent-type: "
	               "text/plain\r\nx-asked-host: a\r\n" LOCAL "\r\nteapot"
	               "HTTP/1.1 418 I'm a teapot\r\ncontent-length: 6\r\ncontent-type: "
	               "text/plain\r\nx-asked-host: a\r\n" LOCAL "\r\n");
	assert_int_equal(st.w->stats.dests[9].active, 0);
	assert_int_equal(st.w->stats.dests[9].picks, 2);
}

static void says_too_large(void **state)
{
	struct line *c = stage_dial();
	char text[9000];

	(void)state;
	snprintf(text, sizeof(text), "GET /p/ HTTP/1.1\r\nHost: a\r\nCookie: %08500d\r\n\r\n", 7);
	stage_say(c, text);
	stage_heard(c, "HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-length: 0\r\n" LOCAL
	               "connection: close\r\n\r\n");
	assert_true(c->eof);
}

/* ---- time -------------------------------------------------------------------------------- */

static void times_out(void **state)
{
	struct line *c = stage_dial();

	(void)state;
	st.weir.before.route.timeout_us = 2 * SECOND;
	stage_say(c, "POST /p/ HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nab");
	stage_pass(5 * SECOND); /* the time runs from the end of the request */
	stage_heard(c, "");
	stage_say(c, "c");
	stage_pass(1900 * MS);
	stage_heard(c, "");
	stage_pass(200 * MS);
	stage_heard(c, "HTTP/1.1 504 Gateway Timeout\r\ncontent-length: 24\r\n"
	               "content-type: text/plain\r\n" LOCAL "\r\nupstream request timeout");
	assert_int_equal(stage_v1(0)->why, TCP_WHY_RESET);
	stage_say(c, GET);
	stage_heard(stage_v1(1), GET_UP("1"));
	stage_say(stage_v1(1), "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nh");
	stage_pass(3 * SECOND);
	assert_int_equal(c->why, TCP_WHY_RESET);
}

static void closes_idle_clients(void **state)
{
	struct line *idle, *slow, *tunnel;

	(void)state;
	st.weir.node.times.client_idle_us = 20 * SECOND;
	st.weir.node.times.client_header_us = 10 * SECOND;
	st.weir.node.times.stream_idle_us = 40 * SECOND;
	idle = stage_dial(), slow = stage_dial(), tunnel = stage_dial();
	stage_say(tunnel, UPGRADE);
	stage_say(stage_v1(0), SWITCH);
	for (int i = 0; i < 9; i++) {
		stage_say(slow, "GET /"); /* one byte now and then does not help */
		stage_pass(SECOND);
	}
	assert_non_null(slow->conn);
	stage_pass(2 * SECOND);
	stage_heard(slow, "HTTP/1.1 408 Request Timeout\r\ncontent-length: 0\r\n" LOCAL
	                  "connection: close\r\n\r\n");
	assert_true(slow->eof);
	assert_false(idle->eof);
	stage_pass(11 * SECOND);
	assert_true(idle->eof);
	assert_non_null(tunnel->conn);
	stage_pass(20 * SECOND);
	assert_int_equal(tunnel->why, TCP_WHY_RESET);
	assert_int_equal(stage_count(COUNT_HTTP_CLIENTS), 0);
}

static void gives_up_on_silence(void **state)
{
	struct line *c = stage_dial();

	(void)state;
	st.weir.node.times.stream_idle_us = 40 * SECOND;
	stage_say(c, "POST /p/ HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc");
	stage_pass(41 * SECOND);
	stage_heard(c, "HTTP/1.1 504 Gateway Timeout\r\ncontent-length: 14\r\n"
	               "content-type: text/plain\r\n" LOCAL "\r\nstream timeout");
	stage_say(c, "POST /p/ HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nab");
	stage_pass(41 * SECOND);
	stage_heard(c, "HTTP/1.1 408 Request Timeout\r\ncontent-length: 14\r\ncontent-type: "
	               "text/plain\r\n" LOCAL "connection: close\r\n\r\nstream timeout");
	assert_true(c->eof);
}

/* ---- changes ----------------------------------------------------------------------------- */

static void routes_each_request_anew(void **state)
{
	struct line *c = stage_dial();

	(void)state;
	stage_say(c, GET);
	st.weir.after.snap->n_listeners = 0;
	worker_use(st.w, st.weir.after.snap);
	stage_say(stage_v1(0), OK("hi"));
	stage_heard(c, OK_DOWN("hi"));
	stage_say(c, GET);
	stage_heard(c, NOT_FOUND);
	assert_int_equal(stage_dial()->why, TCP_WHY_REFUSED);
}

/* Another endpoint in a slot gets neither the connections nor the figures of the former one. */
static void gives_a_slot_to_another_endpoint(void **state)
{
	struct endpoint *after = &st.weir.after.endpoints[0];
	struct line *c = warm(), *tunnel = stage_dial();
	struct endpoint_stats *e = &st.w->stats.endpoints[after->slot.index];

	(void)state;
	stage_say(c, GET); /* two connections: one will be idle, one a tunnel */
	stage_say(tunnel, UPGRADE);
	stage_say(stage_v1(1), SWITCH);
	stage_say(stage_v1(0), OK("hi"));
	assert_int_equal(e->conns, 2);
	after->slot.epoch = 2;
	after->addr = sim_addr("10.0.0.12");
	worker_use(st.w, st.weir.after.snap);
	stage_say(c, GET);
	assert_int_equal(st.v2.n, 1);
	stage_heard_start(&st.v2.lines[0], "GET ");
	assert_true(stage_v1(0)->why == TCP_WHY_RESET);
	stage_reset(tunnel);
	stage_say(&st.v2.lines[0], OK("hi"));
	assert_int_equal(e->conns, 1);
	assert_int_equal(e->idle, 1);
	assert_int_equal(e->active, 0);
}

static void drains(void **state)
{
	struct line *idle = stage_dial(), *busy = stage_dial();

	(void)state;
	stage_say(busy, GET);
	worker_drain(st.w, true, st.world.now_us);
	assert_int_equal(stage_dial()->why, TCP_WHY_REFUSED);
	assert_true(idle->eof);
	stage_say(stage_v1(0), OK("hi"));
	stage_heard(busy,
	            "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n" BACK "connection: close\r\n\r\nhi");
	assert_true(busy->eof);
}

/* ---- memory ------------------------------------------------------------------------------ */

/* A scene with most of what takes buffers; survives any answer, also none. */
static void busy_scene(void)
{
	struct line *c = stage_dial();
	char text[4000];

	snprintf(text, sizeof(text),
	         GET
	         "POST /p/ HTTP/1.1\r\nHost: a\r\nCookie: %03000d\r\nContent-Length: 3\r\n\r\nab",
	         7);
	stage_say(c, text);
	stage_pass(SECOND);
	if (st.v1.n)
		stage_say(stage_v1(0), "HTTP/1.1 103 No\r\nA: b\r\n\r\n" OK("hi") OK("xx"));
	stage_pass(SECOND);
	stage_say(c, "c"
	             "GET /q HTTP/1.1\r\nHost: a\r\n\r\n" UPGRADE);
	stage_pass(SECOND);
	for (uint32_t i = 0; i < st.v1.n; i++)
		stage_say(stage_v1(i), "HTTP/1.1 200 OK\r\nTransfer-Encoding: "
		                       "chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n" SWITCH "more");
	stage_pass(SECOND);
}

static void survives_every_missing_buffer(void **state)
{
	uint64_t n, last;

	busy_scene();
	last = st.weir.pool.asked;
	for (n = 1; n <= last; n++) {
		assert_int_equal(stage_tear_down(state), 0);
		stage_set_up(state);
		st.weir.pool.fail_first = st.weir.pool.asked + n;
		st.weir.pool.fail_last = st.weir.pool.fail_first + (n % 3 == 0 ? 5 : 0);
		busy_scene();
	}
}

/* ---- start ------------------------------------------------------------------------------- */

static void needs_a_reachable_next_hop(void **state)
{
	struct worker_env env = {.node = &st.weir.node,
	                         .ports = &st.weir.port,
	                         .pool = &st.weir.pool,
	                         .n_workers = 1};
	void *memory = aligned_alloc(64, (worker_bytes(&st.weir.node) + 63) & ~63ul);

	(void)state;
	memset(memory, 0, worker_bytes(&st.weir.node));
	st.weir.node.n_routes = 1;
	st.weir.node.routes[0] =
		(struct node_route){{sim_addr("10.9.0.0"), 112}, sim_addr("10.8.0.1"), 0};
	assert_null(worker_init(memory, &env, st.weir.before.snap, 0));
	st.weir.node.n_routes = 0;
	free(memory);
}

/* Who owns a frame is asked before anybody has checked it. */
static void looks_only_inside_a_frame(void **state)
{
	static const uint8_t kinds[][6] = {{0x08, 0x00, 0x45},
	                                   {0x81, 0x00, 0, 1, 0x08, 0x00},
	                                   {0x86, 0xdd},
	                                   {0x81, 0x00, 0, 1, 0x86, 0xdd}};
	uint8_t frame[80];

	(void)state;
	for (size_t kind = 0; kind < 4; kind++)
		for (size_t len = 0; len <= sizeof(frame); len++) {
			struct buf *b;

			memset(frame, 0, sizeof(frame));
			memcpy(frame + 12, kinds[kind], 6);
			frame[kind % 2 ? 18 + 9 : 14 + 9] = 6;
			frame[kind % 2 ? 18 + 6 : 14 + 6] = kind < 2 ? 0 : 6;
			b = bufs_exact(&st.weir.pool, frame, len);
			worker_owner(st.w, b);
			buf_free(b);
		}
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		STAGE_TEST(passes_on),
		STAGE_TEST(replaces_a_head_in_place),
		STAGE_TEST(retries_the_same_request),
		STAGE_TEST(never_repeats_a_post),
		STAGE_TEST(never_repeats_what_was_begun_to_be_answered),
		STAGE_TEST(never_repeats_after_an_interim_response),
		STAGE_TEST(cleans_interim_responses),
		STAGE_TEST(expects_continue),
		STAGE_TEST(closes_after_an_early_answer),
		STAGE_TEST(refuses_an_unwanted_upgrade),
		STAGE_TEST(drops_what_follows_a_response),
		STAGE_TEST(head_has_no_body),
		STAGE_TEST(keeps_chunks_and_trailers),
		STAGE_TEST(refuses_bad_chunks),
		STAGE_TEST(nothing_follows_a_refused_request),
		STAGE_TEST(cuts_a_short_response),
		STAGE_TEST(reads_until_close),
		STAGE_TEST(serves_a_client_that_shut_its_side),
		STAGE_TEST(answers_before_half_a_request),
		STAGE_TEST(refuses_http10),
		STAGE_TEST(accepts_http10),
		STAGE_TEST(never_shows_chunks_to_http10),
		STAGE_TEST(remembers_the_request),
		STAGE_TEST(tunnels),
		STAGE_TEST(tunnels_to_the_last_byte),
		STAGE_TEST(tunnel_outlives_its_slots),
		STAGE_TEST(says_not_found),
		STAGE_TEST(says_refused),
		STAGE_TEST(says_unhealthy),
		STAGE_TEST(says_directly),
		STAGE_TEST(says_too_large),
		STAGE_TEST(times_out),
		STAGE_TEST(closes_idle_clients),
		STAGE_TEST(gives_up_on_silence),
		STAGE_TEST(routes_each_request_anew),
		STAGE_TEST(gives_a_slot_to_another_endpoint),
		STAGE_TEST(drains),
		STAGE_TEST(survives_every_missing_buffer),
		STAGE_TEST(needs_a_reachable_next_hop),
		STAGE_TEST(looks_only_inside_a_frame),
	};

	stage_mode = weir_mode_of(argc > 1 ? argv[1] : "proxy");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
