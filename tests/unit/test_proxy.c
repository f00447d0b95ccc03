/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One worker between a client and two servers that say what a test tells them, byte for byte: what
 * does the server get, what does the client get, and are the books in order afterwards?
 *
 *   client 10.0.0.1 --- Weir 10.0.0.2:8080 --- v1 10.0.0.11:80 (the first nine of ten requests)
 *                                          --- v2 10.0.0.12:80
 */
#include "test.h"
#include "weir.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LINES  16
#define MS     1000ull
#define SECOND 1000000ull
#define HEARD  (4u << 20)
#define ANY_ID "~~~~~~~~-~~~~-~~~~-~~~~-~~~~~~~~~~~~"

/* One connection as its end sees it. */
struct line {
	struct end *end;
	struct tcp_conn *conn; /* NULL: closed */
	char *in;              /* [HEARD] what came and has not been asked for yet */
	size_t len;
	bool eof;         /* the other side ended in order */
	enum tcp_why why; /* of the end of the connection */
	bool deaf;        /* does not read */
};

struct end {
	struct stage *stage;
	struct host host;
	struct line lines[LINES];
	uint32_t n;
};

struct stage {
	struct world world;
	struct weir weir;
	struct worker *w;
	struct end client, v1, v2;
};

static struct stage st;

/* ---- the world --------------------------------------------------------------------------- */

static struct line *line_of(struct end *e, struct tcp_conn *c)
{
	for (uint32_t i = 0; i < e->n; i++)
		if (e->lines[i].conn == c)
			return &e->lines[i];
	assert_true(e->n < LINES);
	e->lines[e->n] = (struct line){.end = e, .conn = c, .in = calloc(1, HEARD)};
	return &e->lines[e->n++];
}

static void listen_to(struct line *l)
{
	struct tcp_stack *tcp = l->end->host.tcp;

	for (struct buf *b; !l->deaf && (b = tcp_recv(tcp, l->conn)); buf_free(b)) {
		assert_true(l->len + b->len < HEARD);
		memcpy(l->in + l->len, b->data, b->len);
		l->len += b->len;
	}
}

static void news(struct end *e)
{
	struct tcp_conn *c;
	uint32_t ev;

	host_turn(&e->host);
	while ((c = tcp_next_ready(e->host.tcp, &ev))) {
		struct line *l = line_of(e, c);

		listen_to(l);
		l->eof |= (ev & TCP_EV_EOF) != 0;
		if (!(ev & TCP_EV_CLOSED))
			continue;
		l->why = tcp_why(c);
		l->conn = NULL;
		tcp_release(e->host.tcp, c);
	}
	host_flush(&e->host);
}

static uint64_t least(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static void pass(uint64_t us)
{
	uint64_t end = st.world.now_us + us;

	while (st.world.now_us < end) {
		uint64_t t = least(world_next(&st.world), weir_next(&st.weir));

		t = least(t, host_next(&st.client.host));
		t = least(t, host_next(&st.v1.host));
		t = least(t, host_next(&st.v2.host));
		st.world.now_us = t <= st.world.now_us ? st.world.now_us + 1 : least(t, end);
		world_deliver(&st.world);
		weir_turn(&st.weir);
		news(&st.client);
		news(&st.v1);
		news(&st.v2);
	}
}

static struct line *dial(void)
{
	static uint16_t port = 20000;
	struct tcp_peer peer = {.local = sim_addr("10.0.0.1"),
	                        .remote = sim_addr("10.0.0.2"),
	                        .lport = htons(port++),
	                        .rport = htons(8080)};
	struct tcp_conn *c = tcp_connect(st.client.host.tcp, &peer, 10 * SECOND, st.world.now_us);
	struct line *l = line_of(&st.client, c);

	host_flush(&st.client.host);
	pass(5 * MS);
	return l;
}

static void say_bytes(struct line *l, const char *p, size_t n)
{
	while (n && l->conn) {
		size_t part = n < 1400 ? n : 1400;

		tcp_send(l->end->host.tcp, l->conn, bufs_from(&l->end->host.pool, p, part));
		p += part;
		n -= part;
	}
	host_flush(&l->end->host);
	pass(5 * MS);
}

static void say(struct line *l, const char *text)
{
	say_bytes(l, text, strlen(text));
}

static void shut(struct line *l)
{
	if (l->conn)
		tcp_shutdown(l->end->host.tcp, l->conn);
	host_flush(&l->end->host);
	pass(5 * MS);
}

static void reset(struct line *l)
{
	if (l->conn)
		tcp_abort(l->end->host.tcp, l->conn);
	host_flush(&l->end->host);
	pass(5 * MS);
}

/* The i-th connection that came to v1. */
static struct line *v1(uint32_t i)
{
	assert_true(i < st.v1.n);
	return &st.v1.lines[i];
}

/* Times are not the same in every test: one '~' instead. */
static void hide_time(struct line *l)
{
	char *p = l->in;

	l->in[l->len] = 0;
	while ((p = strstr(p, "service-time: "))) {
		size_t digits;

		p += strlen("service-time: ");
		digits = strspn(p, "0123456789");
		memmove(p + 1, p + digits, l->len - (size_t)(p + digits - l->in) + 1);
		*p = '~';
		l->len -= digits - 1;
	}
}

/* What came must be this text; '~' stands for any byte. Forgets it. */
static void heard(struct line *l, const char *want)
{
	bool same;

	hide_time(l);
	same = l->len == strlen(want);
	for (size_t i = 0; same && i < l->len; i++)
		same = want[i] == '~' || want[i] == l->in[i];
	if (!same)
		print_error("wanted %zu bytes:\n%s\nheard %zu:\n%.*s\n", strlen(want), want, l->len,
		            (int)l->len, l->in);
	assert_true(same);
	l->len = 0;
}

/* What came must begin so, and have so many more bytes behind it. Forgets it. */
static void heard_start(struct line *l, const char *want)
{
	if (l->len < strlen(want) || memcmp(l->in, want, strlen(want)) != 0)
		print_error("wanted:\n%s\nheard:\n%.*s\n", want, (int)l->len, l->in);
	assert_true(l->len >= strlen(want));
	assert_memory_equal(l->in, want, strlen(want));
	l->len = 0;
}

static uint64_t count(enum counter c)
{
	return weir_counter(&st.weir, c);
}

static int set_up(void **state)
{
	struct host_config c = {.address = "10.0.0.1",
	                        .mtu = 1500,
	                        .rcvbuf = 65536,
	                        .sndbuf = 1 << 20,
	                        .pool = 9000};

	(void)state;
	memset(&st, 0, sizeof(st));
	world_init(&st.world, 1);
	weir_init(&st.weir, &st.world, 1, false);
	st.w = st.weir.w[0];
	host_init(&st.client.host, &st.world, &c);
	c.listen_port = 80;
	c.address = "10.0.0.11";
	host_init(&st.v1.host, &st.world, &c);
	c.address = "10.0.0.12";
	host_init(&st.v2.host, &st.world, &c);
	pass(5 * MS);
	return 0;
}

static void hang_up(struct end *e)
{
	for (uint32_t i = 0; i < e->n; i++) {
		if (e->lines[i].conn)
			tcp_release(e->host.tcp, e->lines[i].conn);
		e->lines[i].conn = NULL;
	}
	host_flush(&e->host);
}

static void end_free(struct end *e)
{
	for (uint32_t i = 0; i < e->n; i++)
		free(e->lines[i].in);
	host_fini(&e->host);
}

static int tear_down(void **state)
{
	const char *bad;

	(void)state;
	hang_up(&st.client);
	pass(50 * MS);
	hang_up(&st.v1);
	hang_up(&st.v2);
	worker_drain(st.w, true, st.world.now_us);
	for (int i = 0; i < 200 && count(COUNT_TCP_CONNS); i++)
		pass(60 * SECOND);
	bad = weir_books(&st.weir);
	if (bad)
		print_error("books: %s\n", bad);
	end_free(&st.client);
	end_free(&st.v1);
	end_free(&st.v2);
	world_fini(&st.world);
	if (weir_fini(&st.weir) != 0)
		bad = "buffers leaked";
	return bad ? -1 : 0;
}

/* ---- what is said ------------------------------------------------------------------------ */

#define OWN(attempt)                                                                           \
	"x-forwarded-for: 10.0.0.1\r\nx-forwarded-proto: http\r\nx-request-id: " ANY_ID "\r\n" \
	"x-envoy-internal: true\r\nx-envoy-attempt-count: " attempt "\r\n"
#define GET        "GET /p/ HTTP/1.1\r\nHost: a\r\n\r\n"
#define GET_UP(n)  "GET /p/ HTTP/1.1\r\nhost: a\r\n" OWN(n) "\r\n"
#define DATE       "date: Tue, 14 Nov 2023 22:13:20 GMT\r\n"
#define BACK       DATE "x-envoy-upstream-service-time: ~\r\nx-asked-host: a\r\nserver: istio-envoy\r\n"
#define OK(body)   "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n" body
#define OK_DOWN(b) "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n" BACK "\r\n" b
#define LOCAL      DATE "server: istio-envoy\r\n"
#define RESET(why) "upstream connect error or disconnect/reset before headers. reset reason: " why
#define NOT_FOUND  "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n" LOCAL "\r\n"

static void passes_on(void **state)
{
	struct line *c = dial();

	(void)state;
	say(c, GET);
	heard(v1(0), GET_UP("1"));
	say(v1(0), OK("hi"));
	heard(c, OK_DOWN("hi"));
	say(c, GET); /* both connections are kept */
	heard(v1(0), GET_UP("1"));
	say(v1(0), OK("ho"));
	heard(c, OK_DOWN("ho"));
}

/*
 * A head that shrinks is written over the old one, and the sum of the segment is kept up to date without
 * reading the body: for old and new heads and bodies of odd and even length. The client's stack checks it.
 */
static void replaces_a_head_in_place(void **state)
{
	char answer[512], want[512];
	struct line *c = dial();

	(void)state;
	for (int i = 0; i < 8; i++) {
		int gone = 200 + i % 2, stays = 10 + i / 2 % 2, body = 2 + i / 4;

		say(c, GET);
		snprintf(answer, sizeof(answer),
		         "HTTP/1.1 200 OK\r\nKeep-Alive: %0*d\r\nX: %0*d\r\nContent-Length: "
		         "%d\r\n\r\n%.*s",
		         gone, 7, stays, 9, body, body, "abc");
		snprintf(want, sizeof(want),
		         "HTTP/1.1 200 OK\r\nX: %0*d\r\nContent-Length: %d\r\n" BACK "\r\n%.*s",
		         stays, 9, body, body, "abc");
		say(v1(0), answer);
		heard(c, want);
	}
	assert_int_equal(st.client.host.ends[DROP_TCP_CSUM], 0);
}

/* ---- retries ----------------------------------------------------------------------------- */

/* Make v1's connection a used one, so that a failure on it may be the fate of a kept connection. */
static struct line *warm(void)
{
	struct line *c = dial();

	say(c, GET);
	say(v1(0), OK("hi"));
	c->len = v1(0)->len = 0;
	return c;
}

static void retries_the_same_request(void **state)
{
	struct line *c = warm();
	char first[1024], *id1, *id2;

	(void)state;
	say(c, GET);
	assert_true(v1(0)->len > 0);
	memcpy(first, v1(0)->in, sizeof(first));
	heard(v1(0), GET_UP("1"));
	reset(v1(0));
	id1 = strstr(first, "x-request-id");
	id2 = strstr(v1(1)->in, "x-request-id");
	assert_non_null(id2);
	assert_memory_equal(id1, id2, 50); /* the same request has the same id */
	heard(v1(1), GET_UP("2"));
	reset(v1(1)); /* once is enough: this one was fresh */
	heard(c, "HTTP/1.1 503 Service Unavailable\r\ncontent-length: 95\r\n"
	         "content-type: text/plain\r\n" LOCAL "\r\n" RESET("connection termination"));
	assert_int_equal(st.v1.n, 2);
}

static void never_repeats_a_post(void **state)
{
	struct line *c = warm();

	(void)state;
	say(c, "POST /p/ HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n");
	reset(v1(0));
	heard_start(c, "HTTP/1.1 503 ");
	assert_int_equal(st.v1.n, 1);
}

static void never_repeats_what_was_begun_to_be_answered(void **state)
{
	struct line *c = warm();

	(void)state;
	say(c, GET);
	say(v1(0), "HTTP/1.1 200 O");
	reset(v1(0));
	heard_start(c, "HTTP/1.1 503 ");
	assert_int_equal(st.v1.n, 1);
}

static void never_repeats_after_an_interim_response(void **state)
{
	struct line *c = warm();

	(void)state;
	say(c, GET);
	say(v1(0), "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n");
	heard(c, "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n");
	reset(v1(0));
	heard_start(c, "HTTP/1.1 503 ");
	assert_int_equal(st.v1.n, 1);
}

/* ---- framing ----------------------------------------------------------------------------- */

static void cleans_interim_responses(void **state)
{
	struct line *c = dial();

	(void)state;
	say(c, GET);
	say(v1(0),
	    "HTTP/1.1 103 Early Hints\r\nConnection: close, x-a\r\nX-A: 1\r\nX-B: 2\r\n\r\n");
	heard(c, "HTTP/1.1 103 Early Hints\r\nX-B: 2\r\n\r\n");
	say(v1(0), OK("hi"));
	heard(c, OK_DOWN("hi"));
}

static void expects_continue(void **state)
{
	struct line *c = dial();

	(void)state;
	say(c, "POST /p/ HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n");
	say(v1(0), "HTTP/1.1 100 Continue\r\n\r\n");
	heard(c, "HTTP/1.1 100 Continue\r\n\r\n");
	v1(0)->len = 0;
	say(c, "abc" GET);
	heard(v1(0), "abc");
	say(v1(0), OK("hi"));
	heard(c, OK_DOWN("hi"));
	heard(v1(0), GET_UP("1"));
	say(v1(0), OK("ho"));
	heard(c, OK_DOWN("ho"));
}

/* The client must learn that what it sends next is not going to be a request. */
static void closes_after_an_early_answer(void **state)
{
	struct line *c = dial();

	(void)state;
	say(c, "POST /p/ HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n");
	say(v1(0), "HTTP/1.1 417 No\r\nContent-Length: 0\r\n\r\n");
	heard(c, "HTTP/1.1 417 No\r\nContent-Length: 0\r\n" BACK "connection: close\r\n\r\n");
	assert_true(c->eof);
	say(c, "abc" GET);
	heard(c, "");
	assert_int_equal(st.v1.n, 1);
	assert_true(v1(0)->eof);
}

static void refuses_an_unwanted_upgrade(void **state)
{
	struct line *c = dial();

	(void)state;
	say(c, GET);
	say(v1(0), "HTTP/1.1 101 X\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n" OK("hi"));
	heard(c, "HTTP/1.1 502 Bad Gateway\r\ncontent-length: 87\r\n"
	         "content-type: text/plain\r\n" LOCAL "\r\n" RESET("protocol error"));
	say(c, GET);
	heard(v1(1), GET_UP("1"));
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
	struct line *c = dial();

	(void)state;
	for (uint32_t i = 0; i < 4; i++) {
		say(c, GET);
		heard(v1(i), GET_UP("1"));
		say(v1(i), answers[i]);
		heard_start(c, "HTTP/1.1 ");
		assert_null(strstr(c->in, "no"));
		assert_true(v1(i)->eof || v1(i)->why == TCP_WHY_RESET);
	}
	assert_int_equal(st.v1.n, 4);
}

static void head_has_no_body(void **state)
{
	struct line *c = dial();

	(void)state;
	say(c, "HEAD /p/ HTTP/1.1\r\nHost: a\r\n\r\n");
	say(v1(0), "HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n");
	heard(c, "HTTP/1.1 200 OK\r\nContent-Length: 50\r\n" BACK "\r\n");
	say(c, "HEAD /p/ HTTP/1.1\r\nHost: a\r\n\r\n");
	say(v1(0), "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
	heard(c, "HTTP/1.1 200 OK\r\n" BACK "\r\n");
	assert_int_equal(st.v1.n, 1);
}

static void keeps_chunks_and_trailers(void **state)
{
	struct line *c = dial();

	(void)state;
	say(c, "POST /p/ HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: "
	       "chunked\r\n\r\n3\r\nabc\r\n0\r\nx: y\r\n\r\n");
	heard(v1(0),
	      "POST /p/ HTTP/1.1\r\nhost: a\r\n" OWN(
		      "1") "transfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nx: y\r\n\r\n");
	say(v1(0),
	    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\nt: u\r\n\r\n");
	heard(c, "HTTP/1.1 200 OK\r\n" BACK
	         "transfer-encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\nt: u\r\n\r\n");
	say(c, GET);
	heard(v1(0), GET_UP("1"));
}

static void refuses_bad_chunks(void **state)
{
	struct line *c = dial();

	(void)state;
	say(c, "POST /p/ HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcX" GET);
	heard_start(c, "HTTP/1.1 400 ");
	assert_true(c->eof);
	assert_int_equal(st.v1.n, 0); /* the connection was not even used */
	c = dial();
	say(c, "POST /p/ HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n");
	say(c, "abcX" GET);
	heard_start(c, "HTTP/1.1 400 ");
	assert_int_equal(v1(0)->why, TCP_WHY_RESET);
	assert_null(strstr(v1(0)->in, "GET"));
}

static void nothing_follows_a_refused_request(void **state)
{
	struct line *c = dial();

	(void)state;
	say(c, GET "GET /p/ HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n" GET);
	heard(v1(0), GET_UP("1"));
	say(v1(0), OK("hi"));
	assert_non_null(strstr(c->in, "hiHTTP/1.1 400 Bad Request\r\n"));
	assert_true(c->eof);
	heard(v1(0), "");
}

static void cuts_a_short_response(void **state)
{
	struct line *c = dial();

	(void)state;
	say(c, GET);
	say(v1(0), "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nhi");
	shut(v1(0));
	assert_int_equal(c->why, TCP_WHY_RESET);
	assert_int_equal(count(COUNT_HTTP_CUT), 1);
}

static void reads_until_close(void **state)
{
	struct line *c = dial();

	(void)state;
	say(c, GET);
	say(v1(0), "HTTP/1.1 200 OK\r\n\r\nhi");
	shut(v1(0));
	heard(c, "HTTP/1.1 200 OK\r\n" BACK "connection: close\r\n\r\nhi");
	assert_true(c->eof);
}

static void serves_a_client_that_shut_its_side(void **state)
{
	struct line *c = dial();

	(void)state;
	say(c, GET);
	shut(c);
	say(v1(0), OK("hi"));
	heard(c, OK_DOWN("hi"));
	assert_true(c->eof);
}

/* The rest of a request that never ends must not take the response before it along. */
static void answers_before_half_a_request(void **state)
{
	struct line *c = dial();

	(void)state;
	say(c, GET "GET /p/ HTT");
	shut(c);
	say(v1(0), OK("hi"));
	heard(c, OK_DOWN("hi"));
	assert_true(c->eof);
}

/* ---- HTTP/1.0 ---------------------------------------------------------------------------- */

static void refuses_http10(void **state)
{
	struct line *c = dial();

	(void)state;
	say(c, "GET /p/ HTTP/1.0\r\nHost: a\r\n\r\n");
	heard(c, "HTTP/1.1 426 Upgrade Required\r\ncontent-length: 0\r\n" LOCAL
	         "connection: close\r\n\r\n");
	assert_true(c->eof);
}

static void accepts_http10(void **state)
{
	struct line *c;

	(void)state;
	st.weir.before.listener.accept_http10 = true;
	c = dial();
	say(c, "GET /p/ HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\n");
	heard(v1(0), "GET /p/ HTTP/1.0\r\nhost: a\r\n" OWN("1") "\r\n");
	say(v1(0), "HTTP/1.1 103 No\r\n\r\n" OK("hi"));
	heard(c,
	      "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n" BACK "connection: keep-alive\r\n\r\nhi");
	say(c, "GET /p/ HTTP/1.0\r\nHost: a\r\n\r\n");
	say(v1(0), "HTTP/1.1 200 OK\r\n\r\nho");
	shut(v1(0));
	heard(c, "HTTP/1.1 200 OK\r\n" BACK "connection: close\r\n\r\nho");
	assert_true(c->eof);
}

/* RFC 9112 section 6.1: nobody may answer HTTP/1.0 so, and the client could not read it. */
static void never_shows_chunks_to_http10(void **state)
{
	struct line *c;

	(void)state;
	st.weir.before.listener.accept_http10 = true;
	c = dial();
	say(c, "GET /p/ HTTP/1.0\r\nHost: a\r\n\r\n");
	say(v1(0), "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n");
	heard_start(c, "HTTP/1.1 502 ");
	assert_true(c->eof);
}

/* ---- %REQ()% in response operations -------------------------------------------------------- */

static void remembers_the_request(void **state)
{
	struct line *c = dial();
	char text[6000];

	(void)state;
	say(c, "POST /p/ HTTP/1.1\r\nHost: a\r\n\r\n");
	say(v1(0), OK("hi"));
	heard(c, OK_DOWN("hi"));
	snprintf(text, sizeof(text),
	         "POST /p/ HTTP/1.1\r\nHost: a\r\nCookie: %04000d\r\nContent-Length: 3\r\n\r\nabc",
	         7);
	say(c, text);
	assert_int_equal(st.v1.n, 1);
	say(v1(0), OK("ho"));
	heard(c, OK_DOWN("ho"));
}

/* ---- tunnels ----------------------------------------------------------------------------- */

#define UPGRADE "GET /p/ HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n"
#define SWITCH \
	"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n"

static void tunnels(void **state)
{
	struct line *c = dial();

	(void)state;
	say(c, UPGRADE);
	say(v1(0), SWITCH "hello");
	heard(c, "HTTP/1.1 101 Switching Protocols\r\n" BACK
	         "connection: upgrade\r\nupgrade: websocket\r\n\r\nhello");
	v1(0)->len = 0;
	say(c, GET);
	heard(v1(0), GET);
	shut(c);
	assert_true(v1(0)->eof);
	say(v1(0), "bye");
	heard(c, "bye");
	shut(v1(0));
	assert_true(c->eof);
	assert_int_equal(count(COUNT_HTTP_ACTIVE), 0);
}

/* A tunnel has let its snapshot go, so its slots may have new users when it ends. */
static void tunnel_outlives_its_slots(void **state)
{
	struct dest_stats *d;
	struct line *c = dial(), *c2 = dial();

	(void)state;
	say(c, UPGRADE);
	say(v1(0), SWITCH);
	st.weir.after.dests[0].stats = (struct slot){st.weir.before.dests[0].stats.index, 2};
	worker_use(st.w, st.weir.after.snap);
	say(c2, GET);
	say(v1(1), OK("hi"));
	d = &st.w->stats.dests[st.weir.before.dests[0].stats.index];
	assert_int_equal(d->epoch, 2);
	reset(c);
	assert_int_equal(d->epoch, 2);
	assert_int_equal(d->picks, 1);
	assert_int_equal(d->active, 0);
}

/* ---- replies of our own -------------------------------------------------------------------- */

static void says_not_found(void **state)
{
	struct line *c = dial();

	(void)state;
	say(c, "POST /q HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc"
	       "HEAD /q HTTP/1.1\r\nHost: a\r\n\r\n" GET);
	heard(c, NOT_FOUND NOT_FOUND);
	heard(v1(0), GET_UP("1"));
}

static void says_refused(void **state)
{
	struct line *c = dial();

	(void)state;
	st.v1.host.listen_port = 0;
	say(c, GET);
	pass(SECOND);
	heard(c,
	      "HTTP/1.1 503 Service Unavailable\r\ncontent-length: 190\r\ncontent-type: "
	      "text/plain\r\n" LOCAL "\r\nupstream connect error or disconnect/reset before "
	      "headers. retried and the latest "
	      "reset reason: remote connection failure, transport failure reason: delayed connect "
	      "error: Connection refused");
	assert_int_equal(count(COUNT_HTTP_RETRIES), 2);
}

static void says_unhealthy(void **state)
{
	struct line *c = dial();

	(void)state;
	st.weir.before.subsets[0].n_endpoints = 0;
	say(c, "HEAD /p/ HTTP/1.1\r\nHost: a\r\n\r\n");
	heard(c, "HTTP/1.1 503 Service Unavailable\r\ncontent-length: 19\r\n"
	         "content-type: text/plain\r\n" LOCAL "\r\n");
	st.weir.before.dests[0].subset = NULL;
	say(c, GET);
	heard(c, "HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n" LOCAL "\r\n");
	st.weir.before.dests[0].subset = &st.weir.before.subsets[0];
}

static void says_directly(void **state)
{
	struct direct_response direct = {.status = 418, .body = STR("teapot")};
	struct line *c = dial();

	(void)state;
	st.weir.before.route.kind = ROUTE_DIRECT;
	st.weir.before.route.direct = &direct;
	st.weir.before.route.stats = (struct slot){9, 1};
	say(c, GET "HEAD /p/ HTTP/1.1\r\nHost: a\r\n\r\n");
	heard(c, "HTTP/1.1 418 I'm a teapot\r\ncontent-length: 6\r\ncontent-type: "
	         "text/plain\r\nx-asked-host: a\r\n" LOCAL "\r\nteapot"
	         "HTTP/1.1 418 I'm a teapot\r\ncontent-length: 6\r\ncontent-type: "
	         "text/plain\r\nx-asked-host: a\r\n" LOCAL "\r\n");
	assert_int_equal(st.w->stats.dests[9].active, 0);
	assert_int_equal(st.w->stats.dests[9].picks, 2);
}

static void says_too_large(void **state)
{
	struct line *c = dial();
	char text[9000];

	(void)state;
	snprintf(text, sizeof(text), "GET /p/ HTTP/1.1\r\nHost: a\r\nCookie: %08500d\r\n\r\n", 7);
	say(c, text);
	heard(c, "HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-length: 0\r\n" LOCAL
	         "connection: close\r\n\r\n");
	assert_true(c->eof);
}

/* ---- time -------------------------------------------------------------------------------- */

static void times_out(void **state)
{
	struct line *c = dial();

	(void)state;
	st.weir.before.route.timeout_us = 2 * SECOND;
	say(c, "POST /p/ HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nab");
	pass(5 * SECOND); /* the time runs from the end of the request */
	heard(c, "");
	say(c, "c");
	pass(1900 * MS);
	heard(c, "");
	pass(200 * MS);
	heard(c, "HTTP/1.1 504 Gateway Timeout\r\ncontent-length: 24\r\n"
	         "content-type: text/plain\r\n" LOCAL "\r\nupstream request timeout");
	assert_int_equal(v1(0)->why, TCP_WHY_RESET);
	say(c, GET);
	heard(v1(1), GET_UP("1"));
	say(v1(1), "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nh");
	pass(3 * SECOND);
	assert_int_equal(c->why, TCP_WHY_RESET);
}

static void closes_idle_clients(void **state)
{
	struct line *idle, *slow, *tunnel;

	(void)state;
	st.weir.node.times.client_idle_us = 20 * SECOND;
	st.weir.node.times.client_header_us = 10 * SECOND;
	st.weir.node.times.stream_idle_us = 40 * SECOND;
	idle = dial(), slow = dial(), tunnel = dial();
	say(tunnel, UPGRADE);
	say(v1(0), SWITCH);
	for (int i = 0; i < 9; i++) {
		say(slow, "GET /"); /* one byte now and then does not help */
		pass(SECOND);
	}
	assert_non_null(slow->conn);
	pass(2 * SECOND);
	heard(slow, "HTTP/1.1 408 Request Timeout\r\ncontent-length: 0\r\n" LOCAL
	            "connection: close\r\n\r\n");
	assert_true(slow->eof);
	assert_false(idle->eof);
	pass(11 * SECOND);
	assert_true(idle->eof);
	assert_non_null(tunnel->conn);
	pass(20 * SECOND);
	assert_int_equal(tunnel->why, TCP_WHY_RESET);
	assert_int_equal(count(COUNT_HTTP_CLIENTS), 0);
}

static void gives_up_on_silence(void **state)
{
	struct line *c = dial();

	(void)state;
	st.weir.node.times.stream_idle_us = 40 * SECOND;
	say(c, "POST /p/ HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc");
	pass(41 * SECOND);
	heard(c, "HTTP/1.1 504 Gateway Timeout\r\ncontent-length: 14\r\n"
	         "content-type: text/plain\r\n" LOCAL "\r\nstream timeout");
	say(c, "POST /p/ HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nab");
	pass(41 * SECOND);
	heard(c, "HTTP/1.1 408 Request Timeout\r\ncontent-length: 14\r\ncontent-type: "
	         "text/plain\r\n" LOCAL "connection: close\r\n\r\nstream timeout");
	assert_true(c->eof);
}

/* ---- limits ------------------------------------------------------------------------------ */

static void queues_and_overflows(void **state)
{
	struct line *a = dial(), *b = dial(), *c = dial();

	(void)state;
	st.weir.node.limits.upstream_conns = 1;
	st.weir.node.limits.pending_requests = 1;
	say(a, GET);
	say(b, GET);
	say(c, GET);
	heard(c, "HTTP/1.1 503 Service Unavailable\r\ncontent-length: 81\r\n"
	         "content-type: text/plain\r\nx-envoy-overloaded: true\r\n" LOCAL
	         "\r\n" RESET("overflow"));
	say(v1(0), OK("hi"));
	heard(a, OK_DOWN("hi"));
	say(v1(0), OK("ho"));
	heard(b, OK_DOWN("ho"));
	assert_int_equal(st.v1.n, 1);
}

/* Tunnels may keep all connections for as long as they like. */
static void waits_only_so_long(void **state)
{
	struct line *tunnel = dial(), *c = dial();

	(void)state;
	st.weir.node.limits.upstream_conns = 1;
	st.weir.node.times.stream_idle_us = 40 * SECOND;
	say(tunnel, UPGRADE);
	say(v1(0), SWITCH);
	say(c, "POST /p/ HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nab");
	for (int i = 0; i < 5; i++) {
		say(tunnel, "ping");
		pass(10 * SECOND);
	}
	heard(c, "HTTP/1.1 504 Gateway Timeout\r\ncontent-length: 14\r\ncontent-type: "
	         "text/plain\r\n" LOCAL "connection: close\r\n\r\nstream timeout");
	assert_non_null(tunnel->conn);
}

/* The last connection goes and no other can be made: those who wait must not wait for ever. */
static void lets_nobody_wait_in_vain(void **state)
{
	struct line *a = dial(), *b = dial(), *c = dial();

	(void)state;
	st.weir.node.limits.upstream_conns = 1;
	say(a, GET);
	say(b, GET);
	say(c, GET);
	st.weir.before.endpoints[0].addr = sim_addr("2001:db8::1"); /* no address of ours for it */
	say(v1(0), "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nhi");
	heard(a, OK_DOWN("hi"));
	pass(3 * SECOND);
	heard_start(b, "HTTP/1.1 503 ");
	heard_start(c, "HTTP/1.1 503 ");
}

static void refuses_connections_over_the_limit(void **state)
{
	void *taken[400];
	struct line *c;
	int n = 0;

	(void)state;
	while ((taken[n] = slab_get(&st.w->session_slab)))
		n++;
	c = dial();
	assert_int_equal(c->why, TCP_WHY_RESET);
	while (n)
		slab_put(&st.w->session_slab, taken[--n]);
}

/* Slow readers hold back fast writers: what Weir keeps is bounded by its buffers' limits. */
static void holds_back(void **state)
{
	struct node_limits *l = &st.weir.node.limits;
	uint32_t bound = 3 * (l->rcvbuf_bytes + l->sndbuf_bytes) / 1400;
	char *mb = calloc(1, 1 << 20);
	struct line *c = dial();

	(void)state;
	c->deaf = true;
	say(c, GET);
	say(v1(0), "HTTP/1.1 200 OK\r\nContent-Length: 1048576\r\n\r\n");
	say_bytes(v1(0), mb, 1 << 20);
	pass(5 * SECOND);
	assert_true(st.weir.pool.live < bound);
	c->deaf = false;
	listen_to(c);
	pass(60 * SECOND);
	assert_true(c->len > 1 << 20);
	c->len = 0;
	v1(0)->deaf = true;
	say(c, "POST /p/ HTTP/1.1\r\nHost: a\r\nContent-Length: 1048576\r\n\r\n");
	say_bytes(c, mb, 1 << 20);
	pass(5 * SECOND);
	assert_true(st.weir.pool.live < bound);
	v1(0)->deaf = false;
	listen_to(v1(0));
	pass(60 * SECOND);
	assert_true(v1(0)->len > 1 << 20);
	free(mb);
}

/* Many readers that stop reading must not take the buffers that others need. */
static void leaves_buffers_for_others(void **state)
{
	enum {
		DEAF = 12
	};
	struct line *c[DEAF], *other;
	char *mb = calloc(1, 1 << 20);

	(void)state;
	st.weir.pool.limit = 800; /* DEAF readers may hold 12 x 128 KiB otherwise: 1,100 buffers */
	for (int i = 0; i < DEAF; i++) {
		uint32_t before = st.v1.n;
		struct line *server;

		c[i] = dial();
		c[i]->deaf = true;
		say(c[i], GET);
		server = st.v1.n > before ? &st.v1.lines[before] : &st.v2.lines[st.v2.n - 1];
		say(server, "HTTP/1.1 200 OK\r\nContent-Length: 1048576\r\n\r\n");
		say_bytes(server, mb, 180000);
	}
	pass(5 * SECOND);
	assert_true(st.weir.pool.limit - st.weir.pool.live > 20);
	other = dial();
	assert_int_equal(other->why, TCP_WHY_NONE);
	say(other, "GET /nowhere HTTP/1.1\r\nHost: a\r\n\r\n");
	heard_start(other, "HTTP/1.1 404 ");
	free(mb);
}

/* A byte to a buffer would let a client that sends bytes one by one take many times what it may. */
static uint32_t count_text(const struct line *l, const char *text)
{
	uint32_t n = 0;

	l->in[l->len] = 0;
	for (const char *p = l->in; (p = strstr(p, text)); p++)
		n++;
	return n;
}

/*
 * More requests at once than there are buffers for: each holds one until its response begins. If they may
 * hold all, no response can be received, and nobody ever lets go.
 */
static void keeps_buffers_to_finish_with(void **state)
{
	enum {
		MANY = 14,
		EACH = 8
	};
	struct line *c[MANY];
	char get[512]; /* too long to be joined with the one before */
	uint32_t answers = 0;

	(void)state;
	for (int i = 0; i < MANY; i++)
		c[i] = dial();
	st.weir.pool.limit = 80;
	snprintf(get, sizeof(get), "GET /p/ HTTP/1.1\r\nHost: a\r\nX: %0300d\r\n\r\n", 0);
	for (int i = 0; i < MANY * EACH; i++)
		say(c[i % MANY], get);
	for (int s = 0; s < 60; s++) {
		for (uint32_t i = 0; i < st.v1.n; i++)
			if (st.v1.lines[i].len) {
				st.v1.lines[i].len = 0;
				say(v1(i), OK("hi"));
			}
		for (uint32_t i = 0; i < st.v2.n; i++)
			if (st.v2.lines[i].len) {
				st.v2.lines[i].len = 0;
				say(&st.v2.lines[i], OK("hi"));
			}
		pass(SECOND / 2);
	}
	for (int i = 0; i < MANY; i++)
		answers += count_text(c[i], "HTTP/1.1 200 OK");
	assert_int_equal(answers, MANY * EACH);
}

static void keeps_small_pieces_together(void **state)
{
	const uint32_t full = 65536, bytes = 3000;
	char text[100], *body = calloc(1, full);
	struct line *c = dial();
	uint32_t before;

	(void)state;
	snprintf(text, sizeof(text), "POST /p/ HTTP/1.1\r\nHost: a\r\nContent-Length: %u\r\n\r\n",
	         full + bytes);
	say(c, text);
	v1(0)->deaf = true;
	say_bytes(c, body, full);
	pass(SECOND);
	before = st.weir.pool.live;
	for (uint32_t i = 0; i < bytes; i++) {
		tcp_send(st.client.host.tcp, c->conn, bufs_from(&st.client.host.pool, "x", 1));
		host_flush(&st.client.host);
		pass(200);
	}
	assert_true(st.weir.pool.live < before + bytes / 10);
	v1(0)->deaf = false;
	listen_to(v1(0));
	pass(60 * SECOND);
	assert_true(v1(0)->len > full + bytes);
	free(body);
}

/* ---- changes ----------------------------------------------------------------------------- */

static void routes_each_request_anew(void **state)
{
	struct line *c = dial();

	(void)state;
	say(c, GET);
	st.weir.after.snap->n_listeners = 0;
	worker_use(st.w, st.weir.after.snap);
	say(v1(0), OK("hi"));
	heard(c, OK_DOWN("hi"));
	say(c, GET);
	heard(c, NOT_FOUND);
	assert_int_equal(dial()->why, TCP_WHY_REFUSED);
}

/* Another endpoint in a slot gets neither the connections nor the figures of the former one. */
static void gives_a_slot_to_another_endpoint(void **state)
{
	struct endpoint *after = &st.weir.after.endpoints[0];
	struct line *c = warm(), *tunnel = dial();
	struct endpoint_stats *e = &st.w->stats.endpoints[after->slot.index];

	(void)state;
	say(c, GET); /* two connections: one will be idle, one a tunnel */
	say(tunnel, UPGRADE);
	say(v1(1), SWITCH);
	say(v1(0), OK("hi"));
	assert_int_equal(e->conns, 2);
	after->slot.epoch = 2;
	after->addr = sim_addr("10.0.0.12");
	worker_use(st.w, st.weir.after.snap);
	say(c, GET);
	assert_int_equal(st.v2.n, 1);
	heard_start(&st.v2.lines[0], "GET ");
	assert_true(v1(0)->why == TCP_WHY_RESET);
	reset(tunnel);
	say(&st.v2.lines[0], OK("hi"));
	assert_int_equal(e->conns, 1);
	assert_int_equal(e->idle, 1);
	assert_int_equal(e->active, 0);
}

static void drains(void **state)
{
	struct line *idle = dial(), *busy = dial();

	(void)state;
	say(busy, GET);
	worker_drain(st.w, true, st.world.now_us);
	assert_int_equal(dial()->why, TCP_WHY_REFUSED);
	assert_true(idle->eof);
	say(v1(0), OK("hi"));
	heard(busy, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n" BACK "connection: close\r\n\r\nhi");
	assert_true(busy->eof);
}

/* ---- memory ------------------------------------------------------------------------------ */

/* A scene with most of what takes buffers; survives any answer, also none. */
static void busy_scene(void)
{
	struct line *c = dial();
	char text[4000];

	snprintf(text, sizeof(text),
	         GET
	         "POST /p/ HTTP/1.1\r\nHost: a\r\nCookie: %03000d\r\nContent-Length: 3\r\n\r\nab",
	         7);
	say(c, text);
	pass(SECOND);
	if (st.v1.n)
		say(v1(0), "HTTP/1.1 103 No\r\nA: b\r\n\r\n" OK("hi") OK("xx"));
	pass(SECOND);
	say(c, "c"
	       "GET /q HTTP/1.1\r\nHost: a\r\n\r\n" UPGRADE);
	pass(SECOND);
	for (uint32_t i = 0; i < st.v1.n; i++)
		say(v1(i), "HTTP/1.1 200 OK\r\nTransfer-Encoding: "
		           "chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n" SWITCH "more");
	pass(SECOND);
}

static void survives_every_missing_buffer(void **state)
{
	uint64_t n, last;

	busy_scene();
	last = st.weir.pool.asked;
	for (n = 1; n <= last; n++) {
		assert_int_equal(tear_down(state), 0);
		set_up(state);
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

#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(passes_on),
		T(replaces_a_head_in_place),
		T(retries_the_same_request),
		T(never_repeats_a_post),
		T(never_repeats_what_was_begun_to_be_answered),
		T(never_repeats_after_an_interim_response),
		T(cleans_interim_responses),
		T(expects_continue),
		T(closes_after_an_early_answer),
		T(refuses_an_unwanted_upgrade),
		T(drops_what_follows_a_response),
		T(head_has_no_body),
		T(keeps_chunks_and_trailers),
		T(refuses_bad_chunks),
		T(nothing_follows_a_refused_request),
		T(cuts_a_short_response),
		T(reads_until_close),
		T(serves_a_client_that_shut_its_side),
		T(answers_before_half_a_request),
		T(refuses_http10),
		T(accepts_http10),
		T(never_shows_chunks_to_http10),
		T(remembers_the_request),
		T(tunnels),
		T(tunnel_outlives_its_slots),
		T(says_not_found),
		T(says_refused),
		T(says_unhealthy),
		T(says_directly),
		T(says_too_large),
		T(times_out),
		T(closes_idle_clients),
		T(gives_up_on_silence),
		T(queues_and_overflows),
		T(waits_only_so_long),
		T(lets_nobody_wait_in_vain),
		T(refuses_connections_over_the_limit),
		T(holds_back),
		T(leaves_buffers_for_others),
		T(keeps_buffers_to_finish_with),
		T(keeps_small_pieces_together),
		T(routes_each_request_anew),
		T(gives_a_slot_to_another_endpoint),
		T(drains),
		T(survives_every_missing_buffer),
		T(needs_a_reachable_next_hop),
		T(looks_only_inside_a_frame),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
