/* SPDX-License-Identifier: BSD-3-Clause */
#include "stage.h"

#include "test.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

struct stage st;
enum weir_mode stage_mode;
struct stage_machine stage_machine;

static struct line *line_of(struct end *e, struct tcp_conn *c)
{
	for (uint32_t i = 0; i < e->n; i++)
		if (e->lines[i].conn == c)
			return &e->lines[i];
	assert_true(e->n < LINES);
	e->lines[e->n] = (struct line){.end = e, .conn = c, .in = calloc(1, HEARD)};
	return &e->lines[e->n++];
}

void stage_listen(struct line *l)
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

		stage_listen(l);
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

static void machine_turn(void)
{
	if (stage_machine.turn)
		stage_machine.turn();
}

void stage_pass(uint64_t us)
{
	uint64_t end = st.world.now_us + us;

	while (st.world.now_us < end) {
		uint64_t t = least(world_next(&st.world), weir_next(&st.weir));

		t = least(t, host_next(&st.client.host));
		t = least(t, host_next(&st.v1.host));
		t = least(t, host_next(&st.v2.host));
		if (stage_machine.next)
			t = least(t, stage_machine.next());
		st.world.now_us = t <= st.world.now_us ? st.world.now_us + 1 : least(t, end);
		machine_turn();
		world_deliver(&st.world);
		weir_turn(&st.weir);
		news(&st.client);
		news(&st.v1);
		news(&st.v2);
	}
}

struct line *stage_dial(void)
{
	static uint16_t port = 20000;
	struct tcp_peer peer = {.local = sim_addr("10.0.0.1"),
	                        .remote = sim_addr("10.0.0.2"),
	                        .lport = htons(port++),
	                        .rport = htons(8080)};
	struct tcp_conn *c = tcp_connect(st.client.host.tcp, &peer, 10 * SECOND, st.world.now_us);
	struct line *l = line_of(&st.client, c);

	host_flush(&st.client.host);
	stage_pass(5 * MS);
	return l;
}

void stage_say_bytes(struct line *l, const char *p, size_t n)
{
	while (n && l->conn) {
		size_t part = n < 1400 ? n : 1400;

		tcp_send(l->end->host.tcp, l->conn, bufs_from(&l->end->host.pool, p, part));
		p += part;
		n -= part;
	}
	host_flush(&l->end->host);
	stage_pass(5 * MS);
}

void stage_say(struct line *l, const char *text)
{
	stage_say_bytes(l, text, strlen(text));
}

void stage_shut(struct line *l)
{
	if (l->conn)
		tcp_shutdown(l->end->host.tcp, l->conn);
	host_flush(&l->end->host);
	stage_pass(5 * MS);
}

void stage_reset(struct line *l)
{
	if (l->conn)
		tcp_abort(l->end->host.tcp, l->conn);
	host_flush(&l->end->host);
	stage_pass(5 * MS);
}

/* The i-th connection that came to v1. */
struct line *stage_v1(uint32_t i)
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
void stage_heard(struct line *l, const char *want)
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
void stage_heard_start(struct line *l, const char *want)
{
	if (l->len < strlen(want) || memcmp(l->in, want, strlen(want)) != 0)
		print_error("wanted:\n%s\nheard:\n%.*s\n", want, (int)l->len, l->in);
	assert_true(l->len >= strlen(want));
	assert_memory_equal(l->in, want, strlen(want));
	l->len = 0;
}

uint64_t stage_count(enum counter c)
{
	return weir_counter(&st.weir, c);
}

int stage_set_up(void **state)
{
	struct host_config c = {.address = "10.0.0.1",
	                        .mtu = 1500,
	                        .rcvbuf = 65536,
	                        .sndbuf = 1 << 20,
	                        .pool = 9000};

	(void)state;
	memset(&st, 0, sizeof(st));
	world_init(&st.world, 1);
	weir_init(&st.weir, &st.world, 1, false, stage_mode);
	st.w = st.weir.w[0];
	host_init(&st.client.host, &st.world, &c);
	c.listen_port = 80;
	c.address = "10.0.0.11";
	host_init(&st.v1.host, &st.world, &c);
	c.address = "10.0.0.12";
	host_init(&st.v2.host, &st.world, &c);
	stage_pass(5 * MS);
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

int stage_tear_down(void **state)
{
	const char *bad;

	(void)state;
	hang_up(&st.client);
	stage_pass(50 * MS);
	hang_up(&st.v1);
	hang_up(&st.v2);
	worker_drain(st.w, true, st.world.now_us);
	for (int i = 0; i < 200 && (stage_count(COUNT_TCP_CONNS) || weir_flows(&st.weir)); i++)
		stage_pass(60 * SECOND);
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
