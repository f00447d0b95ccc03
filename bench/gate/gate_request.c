/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Whole requests through one worker, between a client and two servers of the simulation (tests/sim):
 *
 *   client 10.0.0.1 --- worker 10.0.0.2:8080 --- v1 10.0.0.11:80 (nine of ten), v2 10.0.0.12:80
 *
 * Counted is what worker_input() and worker_turn() do, nothing of the hosts or the wire. One request is in
 * flight at a time, so each pays for its turns alone. The buffers are those of the tests (malloc
 * instead of mbufs): getting and freeing one costs some instructions that the real ones do not.
 */
#include "count.h"
#include "weir.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WARM       100
#define CALLS      200 /* a multiple of ten: the split is 9 to 1 */
#define BODY_BYTES 1024
#define STEPS_MAX  100000

struct ends {
	struct host client, v1, v2;
};

struct stage {
	struct world world;
	struct weir weir;
	struct worker *w;
	struct ends ends;
	struct tcp_conn *c;              /* the client's connection; NULL: closed */
	char request[512], answer[2048]; /* what is sent */
	uint32_t n_request, n_answer;
	uint32_t heard; /* bytes of the answer so far */
	bool close;     /* a connection per request on both sides */
	bool came;      /* frames for the worker since its last turn */
};

static struct stage st;

static void fail(const char *why)
{
	fprintf(stderr, "gate_request: %s\n", why);
	exit(1);
}

/* ---- what is counted ---------------------------------------------------------------------- */

static void receive(void *arg, const uint8_t *frame, uint16_t len)
{
	struct stage *s = arg;
	struct buf *b = bufs_from(&s->weir.pool, frame, len);

	if (!b)
		fail("no buffer");
	worker_stats(s->w)->counters[COUNT_RX_PKTS]++;
	count_on();
	worker_input(s->w, &b, 1, s->world.now_us);
	count_off();
	s->came = true;
}

static void turn(struct stage *s)
{
	if (!s->came && worker_next(s->w) > s->world.now_us)
		return;
	s->came = false;
	count_on();
	worker_turn(s->w, s->world.now_us, 1700000000);
	count_off();
	world_collect(&s->world, s->weir.nic, net_out(worker_net(s->w), 0));
}

/* ---- the ends ----------------------------------------------------------------------------- */

static void say(struct host *h, struct tcp_conn *c, const char *text, uint32_t len)
{
	tcp_send(h->tcp, c, bufs_from(&h->pool, text, len));
}

static uint32_t listen_to(struct host *h, struct tcp_conn *c)
{
	uint32_t n = 0;

	for (struct buf *b; (b = tcp_recv(h->tcp, c)); buf_free(b)) {
		if (h == &st.ends.client && st.heard + n == 0 &&
		    memcmp(b->data, "HTTP/1.1 200", 12) != 0)
			fail("not a 200");
		n += b->len;
	}
	return n;
}

/* A server: each request comes in one segment. */
static void serve(struct host *h)
{
	struct tcp_conn *c;
	uint32_t ev;

	host_turn(h);
	while ((c = tcp_next_ready(h->tcp, &ev))) {
		if (listen_to(h, c)) {
			say(h, c, st.answer, st.n_answer);
			if (st.close)
				tcp_shutdown(h->tcp, c);
		}
		if (ev & TCP_EV_CLOSED)
			tcp_release(h->tcp, c);
	}
	host_flush(h);
}

static void hear(struct host *h)
{
	struct tcp_conn *c;
	uint32_t ev;

	host_turn(h);
	while ((c = tcp_next_ready(h->tcp, &ev))) {
		st.heard += listen_to(h, c);
		if (ev & TCP_EV_EOF)
			tcp_shutdown(h->tcp, c);
		if (ev & TCP_EV_CLOSED) {
			tcp_release(h->tcp, c);
			st.c = NULL;
		}
	}
	host_flush(h);
}

/* ---- the world ---------------------------------------------------------------------------- */

static uint64_t least(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static void step(struct stage *s)
{
	uint64_t t = least(world_next(&s->world), worker_next(s->w));

	t = least(t, host_next(&s->ends.client));
	t = least(t, least(host_next(&s->ends.v1), host_next(&s->ends.v2)));
	s->world.now_us = t <= s->world.now_us ? s->world.now_us + 1 : t;
	world_deliver(&s->world);
	turn(s);
	hear(&s->ends.client);
	serve(&s->ends.v1);
	serve(&s->ends.v2);
}

static void dial(struct stage *s)
{
	static uint16_t port = 20000;
	struct tcp_peer peer = {.local = sim_addr("10.0.0.1"),
	                        .remote = sim_addr("10.0.0.2"),
	                        .lport = htons(port++),
	                        .rport = htons(8080)};

	s->c = tcp_connect(s->ends.client.tcp, &peer, 10000000, s->world.now_us);
	host_flush(&s->ends.client);
}

/* One request and its whole answer; with a connection of its own, until that is closed again. */
static void request(struct stage *s)
{
	uint64_t before = weir_counter(&s->weir, COUNT_HTTP_REQUESTS);
	uint32_t steps = 0;

	s->heard = 0;
	if (!s->c)
		dial(s);
	say(&s->ends.client, s->c, s->request, s->n_request);
	host_flush(&s->ends.client);
	while ((s->heard < BODY_BYTES || (s->close && s->c)) && steps++ < STEPS_MAX)
		step(s);
	if (s->heard < BODY_BYTES || weir_counter(&s->weir, COUNT_HTTP_REQUESTS) != before + 1)
		fail("a request is not answered");
}

/* 300 bytes, as a client library behind a gateway sends; an answer as nginx's. */
static void write_texts(struct stage *s, const char *connection)
{
	s->n_request = (uint32_t)snprintf(
		s->request, sizeof(s->request),
		"GET /p/v1/orders/7421?expand=lines HTTP/1.1\r\nHost: shop.example.com\r\n"
		"User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101\r\n"
		"Accept: application/json\r\nAccept-Encoding: gzip, deflate\r\n"
		"Accept-Language: en-GB,en;q=0.5\r\nConnection: %s\r\n"
		"Cookie: session=0123456789abcdef0123456789\r\n\r\n",
		connection);
	s->n_answer = (uint32_t)snprintf(
		s->answer, sizeof(s->answer),
		"HTTP/1.1 200 OK\r\nServer: nginx/1.22.1\r\n"
		"Date: Sun, 06 Nov 1994 08:49:37 GMT\r\nContent-Type: text/html\r\n"
		"Content-Length: %d\r\nConnection: %s\r\nETag: \"665f2c4f-264\"\r\n\r\n%0*d",
		BODY_BYTES, connection, BODY_BYTES, 0);
}

static void set_up(struct stage *s)
{
	struct host_config c = {.address = "10.0.0.1",
	                        .mtu = 1500,
	                        .rcvbuf = 65536,
	                        .sndbuf = 1 << 20,
	                        .pool = 9000};

	memset(s, 0, sizeof(*s));
	world_init(&s->world, 1);
	weir_init(&s->weir, &s->world, 1, false, WEIR_PROXY);
	s->w = s->weir.w[0];
	s->weir.nic->receive = receive;
	s->weir.nic->arg = s;
	host_init(&s->ends.client, &s->world, &c);
	c.listen_port = 80;
	c.address = "10.0.0.11";
	host_init(&s->ends.v1, &s->world, &c);
	c.address = "10.0.0.12";
	host_init(&s->ends.v2, &s->world, &c);
	s->weir.pool.poison = s->ends.client.pool.poison = false;
	s->ends.v1.pool.poison = s->ends.v2.pool.poison = false;
}

static void tear_down(struct stage *s)
{
	host_fini(&s->ends.client);
	host_fini(&s->ends.v1);
	host_fini(&s->ends.v2);
	world_fini(&s->world);
	if (weir_fini(&s->weir) != 0)
		fail("buffers leaked");
}

static void count(const char *name, bool close)
{
	set_up(&st);
	st.close = close;
	write_texts(&st, close ? "close" : "keep-alive");
	for (int i = 0; i < WARM; i++)
		request(&st);
	count_begin();
	for (int i = 0; i < CALLS; i++)
		request(&st);
	count_end(name, CALLS);
	tear_down(&st);
}

int main(void)
{
	count("request, connections kept", false);
	count("request, a connection each", true);
	return 0;
}
