/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The proxy on its stage (sim/stage.h) when there is too much: connections, waiting requests, bytes, buffers.
 */
#include "stage.h"
#include "test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void queues_and_overflows(void **state)
{
	struct line *a = stage_dial(), *b = stage_dial(), *c = stage_dial();

	(void)state;
	st.weir.node.limits.upstream_conns = 1;
	st.weir.node.limits.pending_requests = 1;
	stage_say(a, GET);
	stage_say(b, GET);
	stage_say(c, GET);
	stage_heard(c, "HTTP/1.1 503 Service Unavailable\r\ncontent-length: 81\r\n"
	               "content-type: text/plain\r\nx-envoy-overloaded: true\r\n" LOCAL
	               "\r\n" RESET("overflow"));
	stage_say(stage_v1(0), OK("hi"));
	stage_heard(a, OK_DOWN("hi"));
	stage_say(stage_v1(0), OK("ho"));
	stage_heard(b, OK_DOWN("ho"));
	assert_int_equal(st.v1.n, 1);
}

/* Tunnels may keep all connections for as long as they like. */
static void waits_only_so_long(void **state)
{
	struct line *tunnel = stage_dial(), *c = stage_dial();

	(void)state;
	st.weir.node.limits.upstream_conns = 1;
	st.weir.node.times.stream_idle_us = 40 * SECOND;
	stage_say(tunnel, UPGRADE);
	stage_say(stage_v1(0), SWITCH);
	stage_say(c, "POST /p/ HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nab");
	for (int i = 0; i < 5; i++) {
		stage_say(tunnel, "ping");
		stage_pass(10 * SECOND);
	}
	stage_heard(c, "HTTP/1.1 504 Gateway Timeout\r\ncontent-length: 14\r\ncontent-type: "
	               "text/plain\r\n" LOCAL "connection: close\r\n\r\nstream timeout");
	assert_non_null(tunnel->conn);
}

/* The last connection goes and no other can be made: those who wait must not wait for ever. */
static void lets_nobody_wait_in_vain(void **state)
{
	struct line *a = stage_dial(), *b = stage_dial(), *c = stage_dial();

	(void)state;
	st.weir.node.limits.upstream_conns = 1;
	stage_say(a, GET);
	stage_say(b, GET);
	stage_say(c, GET);
	st.weir.before.endpoints[0].addr = sim_addr("2001:db8::1"); /* no address of ours for it */
	stage_say(stage_v1(0),
	          "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nhi");
	stage_heard(a, OK_DOWN("hi"));
	stage_pass(3 * SECOND);
	stage_heard_start(b, "HTTP/1.1 503 ");
	stage_heard_start(c, "HTTP/1.1 503 ");
}

static void refuses_connections_over_the_limit(void **state)
{
	void *taken[400];
	struct line *c;
	int n = 0;

	(void)state;
	while ((taken[n] = slab_get(&st.w->session_slab)))
		n++;
	c = stage_dial();
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
	struct line *c = stage_dial();

	(void)state;
	c->deaf = true;
	stage_say(c, GET);
	stage_say(stage_v1(0), "HTTP/1.1 200 OK\r\nContent-Length: 1048576\r\n\r\n");
	stage_say_bytes(stage_v1(0), mb, 1 << 20);
	stage_pass(5 * SECOND);
	assert_true(st.weir.pool.live < bound);
	c->deaf = false;
	stage_listen(c);
	stage_pass(60 * SECOND);
	assert_true(c->len > 1 << 20);
	c->len = 0;
	stage_v1(0)->deaf = true;
	stage_say(c, "POST /p/ HTTP/1.1\r\nHost: a\r\nContent-Length: 1048576\r\n\r\n");
	stage_say_bytes(c, mb, 1 << 20);
	stage_pass(5 * SECOND);
	assert_true(st.weir.pool.live < bound);
	stage_v1(0)->deaf = false;
	stage_listen(stage_v1(0));
	stage_pass(60 * SECOND);
	assert_true(stage_v1(0)->len > 1 << 20);
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

		c[i] = stage_dial();
		c[i]->deaf = true;
		stage_say(c[i], GET);
		server = st.v1.n > before ? &st.v1.lines[before] : &st.v2.lines[st.v2.n - 1];
		stage_say(server, "HTTP/1.1 200 OK\r\nContent-Length: 1048576\r\n\r\n");
		stage_say_bytes(server, mb, 180000);
	}
	stage_pass(5 * SECOND);
	assert_true(st.weir.pool.limit - st.weir.pool.live > 20);
	other = stage_dial();
	assert_int_equal(other->why, TCP_WHY_NONE);
	stage_say(other, "GET /nowhere HTTP/1.1\r\nHost: a\r\n\r\n");
	stage_heard_start(other, "HTTP/1.1 404 ");
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
		c[i] = stage_dial();
	st.weir.pool.limit = 80;
	snprintf(get, sizeof(get), "GET /p/ HTTP/1.1\r\nHost: a\r\nX: %0300d\r\n\r\n", 0);
	for (int i = 0; i < MANY * EACH; i++)
		stage_say(c[i % MANY], get);
	for (int s = 0; s < 60; s++) {
		for (uint32_t i = 0; i < st.v1.n; i++)
			if (st.v1.lines[i].len) {
				st.v1.lines[i].len = 0;
				stage_say(stage_v1(i), OK("hi"));
			}
		for (uint32_t i = 0; i < st.v2.n; i++)
			if (st.v2.lines[i].len) {
				st.v2.lines[i].len = 0;
				stage_say(&st.v2.lines[i], OK("hi"));
			}
		stage_pass(SECOND / 2);
	}
	for (int i = 0; i < MANY; i++)
		answers += count_text(c[i], "HTTP/1.1 200 OK");
	assert_int_equal(answers, MANY * EACH);
}

static void keeps_small_pieces_together(void **state)
{
	const uint32_t full = 65536, bytes = 3000;
	char text[100], *body = calloc(1, full);
	struct line *c = stage_dial();
	uint32_t before;

	(void)state;
	snprintf(text, sizeof(text), "POST /p/ HTTP/1.1\r\nHost: a\r\nContent-Length: %u\r\n\r\n",
	         full + bytes);
	stage_say(c, text);
	stage_v1(0)->deaf = true;
	stage_say_bytes(c, body, full);
	stage_pass(SECOND);
	before = st.weir.pool.live;
	for (uint32_t i = 0; i < bytes; i++) {
		tcp_send(st.client.host.tcp, c->conn, bufs_from(&st.client.host.pool, "x", 1));
		host_flush(&st.client.host);
		stage_pass(200);
	}
	assert_true(st.weir.pool.live < before + bytes / 10);
	stage_v1(0)->deaf = false;
	stage_listen(stage_v1(0));
	stage_pass(60 * SECOND);
	assert_true(stage_v1(0)->len > full + bytes);
	free(body);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		STAGE_TEST(queues_and_overflows),
		STAGE_TEST(waits_only_so_long),
		STAGE_TEST(lets_nobody_wait_in_vain),
		STAGE_TEST(refuses_connections_over_the_limit),
		STAGE_TEST(holds_back),
		STAGE_TEST(leaves_buffers_for_others),
		STAGE_TEST(keeps_buffers_to_finish_with),
		STAGE_TEST(keeps_small_pieces_together),
	};

	stage_mode = weir_mode_of(argc > 1 ? argv[1] : "proxy");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
