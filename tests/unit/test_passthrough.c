/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * TLS passthrough on the stage (sim/stage.h): a.example.com goes to v1, *.example.com to v2, and what a test
 * adds. The servers see bytes, not TLS.
 */
#include "hellos.h"
#include "stage.h"
#include "test.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

/* What documents would have made. */
static struct {
	struct host_row exact[4], suffix[4];
	uint16_t suffix_len;
	struct vhost a, wild, any;
	struct tls_rule to_v1[2], to_v2;
	struct l4_route route[2];
	struct split split[2];
	struct endpoint two[2]; /* of v1's subset, when a test wants two */
} tls;

static const uint16_t first[] = {0}, second[] = {1};

static void add_name(struct host_row *rows, const char *text, const struct vhost *v)
{
	struct str name = {text, (uint32_t)strlen(text)};
	uint64_t hash = host_hash(name);

	rows[hash & 3] = (struct host_row){hash, name, v};
}

static void use_listener(struct listener *l)
{
	l->kind = LISTENER_TLS;
	l->hosts = (struct host_table){.exact_mask = 3,
	                               .suffix_mask = 3,
	                               .exact = tls.exact,
	                               .suffix = tls.suffix,
	                               .n_suffix_lens = 1,
	                               .suffix_lens = &tls.suffix_len};
}

static int set_up(void **state)
{
	struct routing *r = &st.weir.before;

	stage_set_up(state);
	memset(&tls, 0, sizeof(tls));
	for (uint32_t i = 0; i < 2; i++) {
		tls.split[i] = (struct split){{4 + i, 1}, 2, 1, r->dests, i ? second : first};
		tls.route[i] = (struct l4_route){.name = STR("tls"), .split = &tls.split[i]};
	}
	tls.to_v1[0].route = &tls.route[0];
	tls.to_v2.route = &tls.route[1];
	tls.a = (struct vhost){.name = STR("a.example.com"), .n_tls = 1, .tls = tls.to_v1};
	tls.wild = (struct vhost){.name = STR("*.example.com"), .n_tls = 1, .tls = &tls.to_v2};
	tls.any = (struct vhost){.name = STR("*"), .n_tls = 1, .tls = &tls.to_v2};
	add_name(tls.exact, "a.example.com", &tls.a);
	add_name(tls.suffix, ".example.com", &tls.wild);
	tls.suffix_len = sizeof(".example.com") - 1;
	use_listener(&r->listener);
	return 0;
}

/* v1's subset gets two endpoints, taken in turn; ports other than 80 refuse. */
static void use_two(uint16_t port0, uint16_t port1)
{
	struct routing *r = &st.weir.before;

	for (uint32_t i = 0; i < 2; i++) {
		tls.two[i] = r->endpoints[0];
		tls.two[i].port = htons(i ? port1 : port0);
		tls.two[i].slot = (struct slot){8 + i, 1};
	}
	r->subsets[0].endpoints = tls.two;
	r->subsets[0].n_endpoints = 2;
	r->subsets[0].policy = BALANCE_ROUND_ROBIN;
}

static struct bytes_out hello;

static void make(const char *name, const char *alpn, uint32_t key_share, size_t record)
{
	hello_make(&hello, &(struct hello_spec){.name = name, .alpn = alpn, .key_share = key_share},
	           record);
}

static void make_name(const char *name)
{
	make(name, NULL, 0, 16384);
}

static void say_hello(struct line *l)
{
	stage_say_bytes(l, (const char *)hello.p, hello.len);
}

/* Send without letting time pass. */
static void say_part(struct line *l, size_t at, size_t n)
{
	tcp_send(l->end->host.tcp, l->conn, bufs_from(&l->end->host.pool, hello.p + at, n));
	host_flush(&l->end->host);
}

static void heard_hello(struct line *l)
{
	assert_int_equal(l->len, hello.len);
	assert_memory_equal(l->in, hello.p, hello.len);
	l->len = 0;
}

static struct line *stage_v2(uint32_t i)
{
	assert_true(i < st.v2.n);
	return &st.v2.lines[i];
}

/* Closed in order, and this is why. */
static void closed(const struct line *l, enum counter why)
{
	assert_true(l->eof);
	assert_int_equal(stage_count(why), 1);
	assert_int_equal(stage_count(COUNT_PASS_ACTIVE), 0);
}

static struct dest_stats *stats(uint32_t dest)
{
	return &worker_stats(st.w)->dests[st.weir.before.dests[dest].stats.index];
}

/* ---- what goes through ------------------------------------------------------------------- */

static void passes_bytes_both_ways(void **state)
{
	struct line *c = stage_dial(), *s;

	(void)state;
	make_name("a.example.com");
	say_hello(c);
	s = stage_v1(0);
	heard_hello(s);
	stage_say(s, "server hello");
	stage_heard(c, "server hello");
	stage_say(c, "finished");
	stage_heard(s, "finished");
	assert_int_equal(stats(0)->picks, 1);
	assert_int_equal(stats(0)->active, 1);
	assert_int_equal(stats(0)->tx_bytes, hello.len + 8);
	assert_int_equal(stats(0)->rx_bytes, 12);
	assert_int_equal(stage_count(COUNT_PASS_ACTIVE), 1);
	stage_shut(c); /* half closed: the other half goes on */
	assert_true(s->eof);
	stage_say(s, "last words");
	stage_heard(c, "last words");
	stage_shut(s);
	assert_true(c->eof);
	assert_int_equal(stats(0)->active, 0);
	for (int i = 0; i < 6; i++)
		assert_int_equal(stats(0)->status[i], 0); /* those are of responses */
	assert_int_equal(stage_count(COUNT_PASS_ACTIVE), 0);
	assert_int_equal(stage_count(COUNT_PASS_OPENED), 1);
	assert_int_equal(stage_count(COUNT_UPSTREAM_IDLE), 0);
	assert_int_equal(stage_count(COUNT_HTTP_REQUESTS), 0);
}

static void half_closes_from_the_server(void **state)
{
	struct line *c = stage_dial(), *s;

	(void)state;
	make_name("a.example.com");
	say_hello(c);
	s = stage_v1(0);
	heard_hello(s);
	stage_shut(s);
	assert_true(c->eof);
	stage_say(c, "still here");
	stage_heard(s, "still here");
	stage_shut(c);
	assert_int_equal(s->why, TCP_WHY_FINISHED);
	assert_int_equal(stage_count(COUNT_PASS_ACTIVE), 0);
}

/* What the client sends behind its hello before there is a connection (early data). */
static void keeps_what_follows(void **state)
{
	struct line *c = stage_dial();

	(void)state;
	make_name("a.example.com");
	for (int i = 0; i < 5000; i++)
		out_number(&hello, 4, (uint32_t)i);
	say_hello(c);
	heard_hello(stage_v1(0));
}

/* A client that says all it has to say and ends. */
static void keeps_the_end(void **state)
{
	struct line *c = stage_dial();

	(void)state;
	make_name("a.example.com");
	say_part(c, 0, hello.len);
	stage_shut(c);
	heard_hello(stage_v1(0));
	assert_true(stage_v1(0)->eof);
}

static void passes_any_segments(void **state)
{
	static const size_t records[] = {16384, 100, 1};

	(void)state;
	for (size_t r = 0; r < sizeof(records) / sizeof(records[0]); r++)
		for (size_t step = 1; step < 200; step = step * 3 + 1) {
			struct line *c = stage_dial();

			make("a.example.com", "h2", 0, records[r]);
			for (size_t at = 0; at < hello.len; at += step) {
				say_part(c, at, hello.len - at < step ? hello.len - at : step);
				stage_pass(100);
			}
			stage_pass(5 * MS);
			heard_hello(stage_v1(st.v1.n - 1));
			stage_shut(c);
			stage_shut(stage_v1(st.v1.n - 1));
		}
}

static void passes_large_ones(void **state)
{
	static const size_t records[] = {16384, 1000, 30};

	(void)state;
	for (size_t r = 0; r < 3; r++) {
		make("a.example.com", "h2", r ? 12000 : 40000, records[r]);
		say_hello(stage_dial());
		stage_pass(SECOND);
		heard_hello(stage_v1((uint32_t)r));
	}
}

/* ---- which way it goes ------------------------------------------------------------------- */

static void goes_to(struct end *e)
{
	uint32_t before = e->n;
	struct line *c = stage_dial();

	say_hello(c);
	assert_int_equal(e->n, before + 1);
	heard_hello(&e->lines[before]);
	stage_reset(c);
}

static void goes_by_name(void **state)
{
	(void)state;
	make_name("a.example.com");
	goes_to(&st.v1);
	make_name("A.Example.COM");
	goes_to(&st.v1);
	make_name("b.example.com");
	goes_to(&st.v2);
	make_name("x.a.example.com");
	goes_to(&st.v2);
	tls.wild.tls = tls.to_v1;
	st.weir.before.listener.hosts.any = &tls.any;
	make_name("B.EXAMPLE.com");
	goes_to(&st.v1);
	make_name("example.com");
	goes_to(&st.v2);
	make_name("a.example.com:443"); /* no name of a host, so nobody's */
	goes_to(&st.v2);
	make_name(NULL);
	goes_to(&st.v2);
}

static void goes_by_protocol(void **state)
{
	static const struct str protocols[] = {{"acme-tls/1", 10}, {"h2", 2}};
	struct line *c;

	(void)state;
	tls.to_v1[1].route = &tls.route[1];
	tls.to_v1[0].alpn = protocols;
	tls.to_v1[0].n_alpn = 2;
	tls.a.n_tls = 2;
	make("a.example.com", "http/1.1,h2", 0, 16384);
	goes_to(&st.v1);
	make("a.example.com", "H2,h22,h", 0, 16384);
	goes_to(&st.v2);
	make("a.example.com", NULL, 0, 16384);
	goes_to(&st.v2);
	tls.a.n_tls = 1;
	st.weir.before.listener.hosts.any = &tls.any;
	c = stage_dial();
	say_hello(c);
	closed(c, COUNT_PASS_NO_RULE); /* the name has rules, so "*" is not asked */
}

/* ---- what does not go through ------------------------------------------------------------ */

static void refuses_unknown_names(void **state)
{
	struct line *c = stage_dial();

	(void)state;
	make_name("other.org");
	say_hello(c);
	assert_int_equal(c->len, 7);
	assert_memory_equal(c->in, "\x15\x03\x03\0\x02\x02\x70", 7);
	closed(c, COUNT_PASS_NO_RULE);
	stage_shut(c);
	assert_int_equal(c->why, TCP_WHY_FINISHED);
}

static void refuses_no_name(void **state)
{
	struct line *c = stage_dial();

	(void)state;
	make_name(NULL);
	say_hello(c);
	assert_int_equal(c->len, 7);
	closed(c, COUNT_PASS_NO_RULE);
}

static void refuses_what_is_no_hello(void **state)
{
	struct line *c = stage_dial();

	(void)state;
	stage_say(c, GET);
	closed(c, COUNT_TLS_NOT_TLS);
	c = stage_dial();
	stage_say_bytes(c, "\x15\x03\x01\0\x02\x02\x28", 7);
	closed(c, COUNT_TLS_NOT_HELLO);
	c = stage_dial();
	stage_say_bytes(c, "\x16\x03\x01\x40\0\x01\xff\xff\xff", 9);
	closed(c, COUNT_TLS_TOO_LONG);
	c = stage_dial();
	stage_say_bytes(c, "\x16\x03\x01\0\x04\x01\0\0\0", 9);
	closed(c, COUNT_TLS_MALFORMED);
	stage_say(c, "and more, and more");
	assert_int_equal(c->len, 0);
	stage_pass(5 * SECOND);
	assert_int_equal(stage_count(COUNT_HTTP_CLIENTS), 0);
	assert_int_equal(st.v1.n + st.v2.n, 0);
}

/* No more than the receive queue can ever hold. */
static void bounds_by_the_buffer(void **state)
{
	struct line *c = stage_dial();

	(void)state;
	st.weir.node.limits.rcvbuf_bytes = 4096;
	make("a.example.com", NULL, 5000, 16384);
	say_part(c, 0, 100);
	stage_pass(5 * MS);
	closed(c, COUNT_TLS_TOO_LONG);
}

static void waits_only_so_long(void **state)
{
	struct line *silent = stage_dial(), *slow = stage_dial();

	(void)state;
	st.weir.node.times.client_header_us = 2 * SECOND;
	stage_reset(silent);
	stage_reset(slow);
	silent = stage_dial();
	slow = stage_dial();
	make_name("a.example.com");
	for (size_t at = 0; at < 30 && slow->conn && !slow->eof; at++) {
		say_part(slow, at, 1);
		stage_pass(100 * MS);
	}
	assert_true(silent->eof);
	assert_true(slow->eof);
	assert_int_equal(stage_count(COUNT_TLS_SLOW), 2);
	assert_int_equal(st.v1.n, 0);
}

static void notices_the_end(void **state)
{
	struct line *c = stage_dial();

	(void)state;
	make_name("a.example.com");
	say_part(c, 0, 50);
	stage_shut(c);
	closed(c, COUNT_TLS_CUT);
	c = stage_dial();
	stage_shut(c);
	assert_int_equal(stage_count(COUNT_TLS_CUT), 2);
	assert_true(c->eof);
}

/* ---- endpoints --------------------------------------------------------------------------- */

static void tries_another_endpoint(void **state)
{
	(void)state;
	use_two(81, 80);
	make_name("a.example.com");
	for (uint32_t i = 0; i < 4; i++) {
		say_hello(stage_dial());
		assert_int_equal(st.v1.n, i + 1);
		heard_hello(stage_v1(i));
	}
	assert_true(stage_count(COUNT_PASS_RETRIES) >= 1);
	assert_int_equal(worker_stats(st.w)->endpoints[9].active, 4);
	assert_int_equal(worker_stats(st.w)->endpoints[8].active, 0);
	assert_int_equal(worker_stats(st.w)->endpoints[8].connect_fails,
	                 stage_count(COUNT_PASS_RETRIES));
	assert_int_equal(stats(0)->picks, 4);
}

static void gives_up_when_all_are_dead(void **state)
{
	struct line *c = stage_dial();

	(void)state;
	use_two(81, 82);
	make_name("a.example.com");
	say_hello(c);
	closed(c, COUNT_PASS_CONNECT_FAIL);
	assert_int_equal(stage_count(COUNT_PASS_RETRIES), 2);
	st.weir.before.subsets[0].n_endpoints = 1;
	c = stage_dial();
	say_hello(c);
	assert_true(c->eof);
	assert_int_equal(stage_count(COUNT_PASS_CONNECT_FAIL), 2);
	assert_int_equal(stage_count(COUNT_PASS_RETRIES), 2);
}

/* Nobody at that address: the next one after the connect time-out. */
static void does_not_wait_for_silent_ones(void **state)
{
	struct line *c = stage_dial();

	(void)state;
	use_two(80, 80);
	tls.two[0].addr = tls.two[1].addr = sim_addr("10.0.0.99");
	st.weir.before.subsets[0].connect_timeout_us = SECOND / 2;
	make_name("a.example.com");
	say_hello(c);
	assert_int_equal(stage_count(COUNT_PASS_ACTIVE), 1);
	stage_pass(2 * SECOND);
	closed(c, COUNT_PASS_CONNECT_FAIL);
	assert_int_equal(stage_count(COUNT_PASS_RETRIES), 2);
}

static void needs_an_endpoint(void **state)
{
	struct line *c = stage_dial();

	(void)state;
	st.weir.before.subsets[0].n_endpoints = 0;
	make_name("a.example.com");
	say_hello(c);
	closed(c, COUNT_PASS_NO_ENDPOINT);
	st.weir.before.dests[0].subset = NULL;
	c = stage_dial();
	say_hello(c);
	assert_true(c->eof);
	assert_int_equal(stage_count(COUNT_PASS_NO_ENDPOINT), 2);
	assert_int_equal(stats(0)->picks, 2);
}

/* When all connections to an endpoint are in use: the oldest who waits has the next. */
static void waits_for_room(void **state)
{
	struct line *a = stage_dial(), *b = stage_dial(), *c = stage_dial(), *d;

	(void)state;
	st.weir.node.limits.upstream_conns = 1;
	st.weir.node.limits.pending_requests = 2;
	make_name("a.example.com");
	say_hello(a);
	heard_hello(stage_v1(0));
	say_hello(b);
	say_hello(c);
	assert_int_equal(st.v1.n, 1);
	d = stage_dial();
	say_hello(d);
	assert_true(d->eof);
	assert_int_equal(stage_count(COUNT_PASS_OVERFLOW), 1);
	stage_reset(a);
	stage_pass(5 * MS);
	assert_int_equal(st.v1.n, 2);
	heard_hello(stage_v1(1));
	stage_reset(c); /* who no longer waits is passed over */
	stage_reset(b);
	stage_pass(5 * MS);
	assert_int_equal(st.v1.n, 2);
}

static void does_not_wait_for_ever(void **state)
{
	struct line *a = stage_dial(), *b = stage_dial();

	(void)state;
	st.weir.node.limits.upstream_conns = 1;
	st.weir.before.subsets[0].connect_timeout_us = SECOND;
	make_name("a.example.com");
	say_hello(a);
	say_hello(b);
	stage_pass(2 * SECOND);
	assert_true(b->eof);
	assert_int_equal(stage_count(COUNT_PASS_OVERFLOW), 1);
	assert_false(a->eof);
}

/* An HTTP client on a connection to v1; then the listener becomes the TLS one. */
static struct line *http_first(void)
{
	struct routing *r = &st.weir.before;
	struct line *c;

	r->listener.kind = LISTENER_HTTP;
	r->listener.hosts = (struct host_table){.any = &r->vhost};
	c = stage_dial();
	stage_say(c, GET);
	use_listener(&r->listener);
	return c;
}

/* A connection that carried requests is not for it, not even when there is no room for another. */
static void takes_no_used_connection(void **state)
{
	struct line *c = http_first();

	(void)state;
	stage_say(stage_v1(0), OK("hi"));
	stage_heard(c, OK_DOWN("hi"));
	assert_int_equal(stage_count(COUNT_UPSTREAM_IDLE), 1);
	stage_v1(0)->len = 0;
	st.weir.node.limits.upstream_conns = 1;
	make_name("a.example.com");
	say_hello(stage_dial());
	assert_int_equal(stage_v1(0)->len, 0);
	heard_hello(stage_v1(1));
	assert_int_equal(stage_count(COUNT_UPSTREAM_CONNS), 1);
}

/* Nor one that is given back while it waits; and the room that makes is its own, not the next one's. */
static void takes_no_returned_connection(void **state)
{
	struct line *c = http_first(), *t[2];

	(void)state;
	st.weir.node.limits.upstream_conns = 1;
	make_name("a.example.com");
	for (int i = 0; i < 2; i++) {
		t[i] = stage_dial();
		say_hello(t[i]);
	}
	stage_v1(0)->len = 0;
	stage_say(stage_v1(0), OK("hi"));
	stage_heard(c, OK_DOWN("hi"));
	assert_int_equal(stage_v1(0)->len, 0);
	assert_int_equal(st.v1.n, 2);
	heard_hello(stage_v1(1));
	assert_int_equal(stage_count(COUNT_UPSTREAM_CONNS), 1);
	stage_say(stage_v1(1), "for the first");
	stage_heard(t[0], "for the first");
	stage_reset(t[0]);
	stage_pass(5 * MS);
	heard_hello(stage_v1(2));
}

/* ---- who the client is ------------------------------------------------------------------- */

static void tells_who_the_client_is(void **state)
{
	struct line *c = stage_dial();

	(void)state;
	st.weir.before.subsets[0].proxy_protocol = PROXY_PROTOCOL_V1;
	make_name("a.example.com");
	say_hello(c);
	stage_v1(0)->in[stage_v1(0)->len] = 0;
	assert_memory_equal(stage_v1(0)->in, "PROXY TCP4 10.0.0.1 10.0.0.2 2", 30);
	assert_non_null(strstr(stage_v1(0)->in, " 8080\r\n\x16\x03"));
	stage_v1(0)->in[0] = 0;
	assert_memory_equal(stage_v1(0)->in + stage_v1(0)->len - hello.len, hello.p, hello.len);
	st.weir.before.subsets[0].proxy_protocol = PROXY_PROTOCOL_V2;
	say_hello(stage_dial());
	assert_int_equal(stage_v1(1)->len, 28 + hello.len);
	assert_memory_equal(stage_v1(1)->in, "\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c", 16);
	assert_memory_equal(stage_v1(1)->in + 28, hello.p, hello.len);
}

/* A TCP listener whose endpoint is told so: there is no hello, and the server may speak first. */
static void passes_plain_tcp(void **state)
{
	struct listener *l = &st.weir.before.listener;
	struct line *c;

	(void)state;
	*l = (struct listener){
		.port = l->port, .kind = LISTENER_TCP, .stream = true, .l4 = &tls.route[0]};
	st.weir.before.subsets[0].proxy_protocol = PROXY_PROTOCOL_V1;
	c = stage_dial();
	stage_heard(stage_v1(0), "PROXY TCP4 10.0.0.1 10.0.0.2 2~~~~ 8080\r\n");
	stage_say(stage_v1(0), "220 ready");
	stage_heard(c, "220 ready");
	stage_say(c, "EHLO");
	stage_heard(stage_v1(0), "EHLO");
	l->l4 = NULL;
	c = stage_dial();
	assert_int_equal(c->len, 0);
	assert_true(c->eof);
	assert_int_equal(stage_count(COUNT_PASS_NO_RULE), 1);
}

/* ---- endings ----------------------------------------------------------------------------- */

/* The client resets after so much time: whatever the state, nothing is left (tear_down looks). */
static void survives_resets(void **state)
{
	for (uint64_t us = 0; us < 2500; us += 50) {
		struct line *c;

		if (us) {
			assert_int_equal(stage_tear_down(state), 0);
			set_up(state);
		}
		c = stage_dial();
		make_name("a.example.com");
		say_part(c, 0, hello.len);
		stage_pass(us);
		stage_reset(c);
		stage_pass(50 * MS);
		assert_int_equal(stage_count(COUNT_PASS_ACTIVE), 0);
		assert_int_equal(stage_count(COUNT_HTTP_CLIENTS), 0);
		assert_int_equal(stage_count(COUNT_UPSTREAM_CONNS), 0);
	}
}

static void survives_resets_while_dialling(void **state)
{
	struct line *c = stage_dial();

	(void)state;
	use_two(80, 80);
	tls.two[0].addr = tls.two[1].addr = sim_addr("10.0.0.99");
	make_name("a.example.com");
	say_hello(c);
	assert_int_equal(stage_count(COUNT_UPSTREAM_CONNS), 1);
	stage_reset(c);
	assert_int_equal(stage_count(COUNT_UPSTREAM_CONNS), 0);
	assert_int_equal(stage_count(COUNT_PASS_ACTIVE), 0);
}

static void passes_resets_on(void **state)
{
	struct line *c = stage_dial();

	(void)state;
	make_name("a.example.com");
	say_hello(c);
	stage_reset(stage_v1(0));
	assert_int_equal(c->why, TCP_WHY_RESET);
	c = stage_dial();
	say_hello(c);
	stage_reset(c);
	assert_int_equal(stage_v1(1)->why, TCP_WHY_RESET);
	assert_int_equal(stats(0)->active, 0);
}

static void ends_idle_ones(void **state)
{
	struct line *c = stage_dial();

	(void)state;
	st.weir.before.subsets[0].idle_timeout_us = 10 * SECOND;
	make_name("a.example.com");
	say_hello(c);
	for (int i = 0; i < 4; i++) {
		stage_pass(8 * SECOND);
		stage_say(i % 2 ? c : stage_v1(0), "x");
	}
	assert_non_null(c->conn);
	stage_pass(11 * SECOND);
	assert_int_equal(c->why, TCP_WHY_RESET);
	assert_int_equal(stage_v1(0)->why, TCP_WHY_RESET);
}

/* ---- changes ----------------------------------------------------------------------------- */

static void stays_through_a_reload(void **state)
{
	struct line *c = stage_dial(), *half = stage_dial();
	struct routing *r = &st.weir.after;

	(void)state;
	make_name("a.example.com");
	say_hello(c);
	heard_hello(stage_v1(0));
	say_part(half, 0, 60);
	stage_pass(5 * MS);
	assert_int_equal(st.weir.before.snap->inflight[0].requests, 0);
	tls.a.tls = &tls.to_v2;
	use_listener(&r->listener);
	worker_use(st.w, r->snap);
	stage_say(c, "on and on");
	stage_heard(stage_v1(0), "on and on");
	say_part(half, 60, hello.len - 60); /* what was not decided yet goes by the new documents */
	stage_pass(5 * MS);
	heard_hello(stage_v2(0));
	r->snap->n_listeners = 0;
	stage_say(c, "for ever");
	stage_heard(stage_v1(0), "for ever");
}

/* The listener is another's, or gone, by the time the hello is whole. */
static void notices_a_gone_listener(void **state)
{
	struct line *c = stage_dial();
	struct routing *r = &st.weir.after;

	(void)state;
	make_name("a.example.com");
	say_part(c, 0, 60);
	stage_pass(5 * MS);
	worker_use(st.w, r->snap); /* HTTP there */
	say_part(c, 60, hello.len - 60);
	stage_pass(5 * MS);
	closed(c, COUNT_PASS_NO_RULE);
}

static void drains(void **state)
{
	struct line *c = stage_dial(), *idle = stage_dial();

	(void)state;
	make_name("a.example.com");
	say_hello(c);
	worker_drain(st.w, true, st.world.now_us);
	assert_int_equal(stage_dial()->why, TCP_WHY_REFUSED);
	assert_true(idle->eof);
	stage_say(c, "goes on");
	heard_hello(&(struct line){.in = stage_v1(0)->in, .len = hello.len});
	assert_int_equal(stage_v1(0)->len, hello.len + 7);
}

static void survives_an_empty_pool(void **state)
{
	struct line *c = stage_dial();

	(void)state;
	st.weir.before.subsets[0].proxy_protocol = PROXY_PROTOCOL_V1;
	make_name("a.example.com");
	for (uint32_t limit = 4; limit < 16; limit++) {
		st.weir.pool.limit = st.weir.pool.live + limit;
		say_hello(c);
		stage_reset(c);
		st.weir.pool.limit = 20000;
		c = stage_dial();
	}
	say_hello(c);
	assert_true(st.v1.n >= 1);
}

#define TLS_TEST(f) cmocka_unit_test_setup_teardown(f, set_up, stage_tear_down)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		TLS_TEST(passes_bytes_both_ways),
		TLS_TEST(half_closes_from_the_server),
		TLS_TEST(keeps_what_follows),
		TLS_TEST(keeps_the_end),
		TLS_TEST(passes_any_segments),
		TLS_TEST(passes_large_ones),
		TLS_TEST(goes_by_name),
		TLS_TEST(goes_by_protocol),
		TLS_TEST(refuses_unknown_names),
		TLS_TEST(refuses_no_name),
		TLS_TEST(refuses_what_is_no_hello),
		TLS_TEST(bounds_by_the_buffer),
		TLS_TEST(waits_only_so_long),
		TLS_TEST(notices_the_end),
		TLS_TEST(tries_another_endpoint),
		TLS_TEST(gives_up_when_all_are_dead),
		TLS_TEST(does_not_wait_for_silent_ones),
		TLS_TEST(needs_an_endpoint),
		TLS_TEST(waits_for_room),
		TLS_TEST(does_not_wait_for_ever),
		TLS_TEST(takes_no_used_connection),
		TLS_TEST(takes_no_returned_connection),
		TLS_TEST(tells_who_the_client_is),
		TLS_TEST(passes_plain_tcp),
		TLS_TEST(survives_resets),
		TLS_TEST(survives_resets_while_dialling),
		TLS_TEST(passes_resets_on),
		TLS_TEST(ends_idle_ones),
		TLS_TEST(stays_through_a_reload),
		TLS_TEST(notices_a_gone_listener),
		TLS_TEST(drains),
		TLS_TEST(survives_an_empty_pool),
	};

	stage_mode = weir_mode_of(argc > 1 ? argv[1] : "proxy");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
