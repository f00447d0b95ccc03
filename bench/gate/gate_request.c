/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Whole requests, and long bodies, through one worker, between a client and two servers of the simulation (tests/sim):
 *
 *   client 10.0.0.1 --- worker 10.0.0.2:8080 --- v1 10.0.0.11:80 (nine of ten), v2 10.0.0.12:80
 *
 * Counted is what worker_input() and worker_turn() do, nothing of the hosts or the wire. One request is in
 * flight at a time, so each pays for its turns alone. Of a long body so many segments come at once as the sender's
 * windows give. The buffers are those of the tests (malloc
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
#define LONG_BYTES (4u << 20)
#define LONG_CALLS 2
#define PART       1400u /* bytes of a buffer */
#define LAST       '.'   /* byte of a body */
#define STEPS_MAX  100000

struct ends {
	struct host client, v1, v2;
};

struct stage {
	struct world world;
	struct weir weir;
	struct worker *w;
	struct ends ends;
	struct tcp_conn *c;                           /* the client's connection; NULL: closed */
	char request[512], answer[LONG_BYTES + 1024]; /* what is sent */
	uint32_t n_request, n_answer;
	uint32_t body;                   /* bytes */
	uint32_t heard;                  /* bytes of the answer so far */
	char last;                       /* of them */
	bool close;                      /* a connection per request on both sides */
	bool flow;                       /* forwarded packet by packet: Weir sees no request */
	struct buf *burst[WORKER_BURST]; /* came for the worker since its last turn */
	uint32_t n_burst;
};

static struct stage st;

static void fail(const char *why)
{
	fprintf(stderr, "gate_request: %s\n", why);
	exit(1);
}

/* ---- what is counted ---------------------------------------------------------------------- */

static void turn(struct stage *s)
{
	if (!s->n_burst && worker_next(s->w) > s->world.now_us)
		return;
	count_on();
	worker_input(s->w, s->burst, s->n_burst, s->world.now_us);
	worker_turn(s->w, s->world.now_us, 1700000000);
	count_off();
	s->n_burst = 0;
	world_collect(&s->world, s->weir.nic, net_out(worker_net(s->w), 0));
}

static void receive(void *arg, const uint8_t *frame, uint16_t len)
{
	struct stage *s = arg;
	struct buf *b = bufs_from(&s->weir.pool, frame, len);

	if (!b)
		fail("no buffer");
	worker_stats(s->w)->counters[COUNT_RX_PKTS]++;
	s->burst[s->n_burst++] = b;
	if (s->n_burst == WORKER_BURST)
		turn(s);
}

/* ---- the ends ----------------------------------------------------------------------------- */

static void say(struct host *h, struct tcp_conn *c, const char *text, uint32_t len)
{
	uint32_t part;

	for (; len; text += part, len -= part) {
		part = len < PART ? len : PART;
		tcp_send(h->tcp, c, bufs_from(&h->pool, text, part));
	}
}

static uint32_t listen_to(struct host *h, struct tcp_conn *c)
{
	uint32_t n = 0;

	for (struct buf *b; (b = tcp_recv(h->tcp, c)); buf_free(b)) {
		if (h == &st.ends.client && st.heard + n == 0 &&
		    memcmp(b->data, "HTTP/1.1 200", 12) != 0)
			fail("not a 200");
		n += b->len;
		st.last = (char)b->data[b->len - 1];
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

static bool is_whole(const struct stage *s)
{
	return s->heard >= s->body && s->last == LAST;
}

/* One request and its whole answer; with a connection of its own, until that is closed again. */
static void request(struct stage *s)
{
	uint64_t want = weir_counter(&s->weir, COUNT_HTTP_REQUESTS) + !s->flow;
	uint32_t steps = 0;

	s->heard = 0;
	if (!s->c)
		dial(s);
	say(&s->ends.client, s->c, s->request, s->n_request);
	host_flush(&s->ends.client);
	while ((!is_whole(s) || (s->close && s->c)) && steps++ < STEPS_MAX)
		step(s);
	if (!is_whole(s) || weir_counter(&s->weir, COUNT_HTTP_REQUESTS) != want)
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
		"Content-Length: %u\r\nConnection: %s\r\nETag: \"665f2c4f-264\"\r\n\r\n%0*d%c",
		s->body, connection, (int)s->body - 1, 0, LAST);
}

static void set_up(struct stage *s, enum weir_mode mode, uint32_t body)
{
	struct host_config c = {.address = "10.0.0.1",
	                        .mtu = 1500,
	                        .rcvbuf = 65536,
	                        .sndbuf = 1 << 20,
	                        .pool = 9000};

	memset(s, 0, sizeof(*s));
	s->body = body;
	world_init(&s->world, 1);
	weir_init(&s->weir, &s->world, 1, false, mode);
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
	set_up(&st, WEIR_PROXY, BODY_BYTES);
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

/* Layer 4 where HTTP was. */
static void make_flow(struct stage *s)
{
	static struct l4_route route;
	struct routing *r = &s->weir.before;

	route = (struct l4_route){STR("gate"), STR(""), &r->split};
	r->listener.kind = LISTENER_TCP;
	r->listener.l4 = &route;
	s->flow = true;
}

enum passage {
	PROXIED,
	SPLICED,
	FLOW
};

/* What a KiB of a long body costs, the way into a splice and out of it included. */
static void count_long(const char *name, enum passage how)
{
	uint64_t splices;

	set_up(&st, how == SPLICED ? WEIR_SPLICE : WEIR_PROXY, LONG_BYTES);
	if (how == FLOW)
		make_flow(&st);
	write_texts(&st, "keep-alive");
	for (int i = 0; i < LONG_CALLS; i++)
		request(&st);
	splices = weir_counter(&st.weir, COUNT_SPLICES_ENDED) + (how == SPLICED ? LONG_CALLS : 0);
	count_begin();
	for (int i = 0; i < LONG_CALLS; i++)
		request(&st);
	count_end(name, LONG_CALLS * (LONG_BYTES >> 10));
	if (weir_counter(&st.weir, COUNT_SPLICES_ENDED) != splices)
		fail("not as many splices as bodies");
	tear_down(&st);
}

int main(void)
{
	count("request, connections kept", false);
	count("request, a connection each", true);
	count_long("a KiB of 4 MiB, proxied", PROXIED);
	count_long("a KiB of 4 MiB, spliced", SPLICED);
	count_long("a KiB of 4 MiB, of a flow", FLOW);
	return 0;
}
