/* SPDX-License-Identifier: BSD-3-Clause */
#include "apps.h"

#include <arpa/inet.h>
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void bytes_add(struct bytes *b, const void *p, size_t len)
{
	if (b->len + len > b->cap) {
		b->cap = (b->len + len) * 2 + 256;
		b->p = realloc(b->p, b->cap);
		assert(b->p);
	}
	memcpy(b->p + b->len, p, len);
	b->len += len;
}

void bytes_free(struct bytes *b)
{
	free(b->p);
	memset(b, 0, sizeof(*b));
}

static void add_text(struct bytes *b, const char *text)
{
	bytes_add(b, text, strlen(text));
}

static void add_pattern(struct bytes *b, uint32_t at, uint32_t len, uint32_t key)
{
	for (uint32_t i = at; i < at + len; i++) {
		uint8_t c = (uint8_t)(key * 31 + i * 7 + (i >> 8));

		bytes_add(b, &c, 1);
	}
}

void body_encode(struct bytes *out, char framing, uint32_t len, uint32_t key)
{
	char line[32];
	uint32_t at = 0;

	if (framing != 'c') {
		add_pattern(out, 0, len, key);
		return;
	}
	for (uint32_t n = 1 + key % 999; at < len; at += n, n = 1 + (n * 13 + key) % 5000) {
		if (n > len - at)
			n = len - at;
		snprintf(line, sizeof(line), "%x\r\n", n);
		add_text(out, line);
		add_pattern(out, at, n, key);
		add_text(out, "\r\n");
	}
	add_text(out, key % 3 ? "0\r\n\r\n" : "0\r\nx-trailer: yes\r\n\r\n");
}

/* ---- flows ------------------------------------------------------------------------------- */

static void talk_read(struct host *h, struct talk *f)
{
	struct buf *b;

	while ((b = tcp_recv(h->tcp, f->conn))) {
		bytes_add(&f->in, b->data, b->len);
		buf_free(b);
	}
	f->eof = tcp_eof(f->conn);
}

static void talk_write(struct host *h, struct talk *f)
{
	while (f->conn && f->out_at < f->out.len && tcp_send_space(h->tcp, f->conn)) {
		struct buf *b = buf_alloc(&h->pool);
		size_t n = f->out.len - f->out_at;

		if (!b)
			return;
		if (n > buf_tailroom(b))
			n = buf_tailroom(b);
		if (n > 1 && world_chance(h->world, 100000))
			n = 1 + world_random(h->world, (uint32_t)n - 1);
		memcpy(b->data, f->out.p + f->out_at, n);
		b->len = (uint16_t)n;
		f->out_at += n;
		tcp_send(h->tcp, f->conn, b);
	}
	if (f->conn && f->fin && f->out_at == f->out.len)
		tcp_shutdown(h->tcp, f->conn);
}

static void talk_close(struct host *h, struct talk *f, bool reset)
{
	if (!f->conn)
		return;
	if (reset)
		tcp_abort(h->tcp, f->conn);
	tcp_set_user(f->conn, NULL);
	tcp_release(h->tcp, f->conn);
	f->conn = NULL;
}

static void talk_free(struct talk *f)
{
	bytes_free(&f->in);
	bytes_free(&f->out);
}

/* ---- tunnels ----------------------------------------------------------------------------- */

static uint32_t mix(uint64_t x)
{
	x ^= x >> 33, x *= 0xff51afd7ed558ccdull, x ^= x >> 33, x *= 0xc4ceb9fe1a85ec53ull;
	return (uint32_t)(x >> 32);
}

/* Even turns are the client's, odd ones the server's. */
static uint32_t turns(uint32_t key)
{
	return 2 * (1 + mix(key) % 6);
}

static uint32_t turn_len(uint32_t key, uint32_t turn)
{
	uint32_t r = mix(key * 131ull + turn);

	return 1 + (r % 4 ? (r >> 2) % 600 : (r >> 2) % 60000);
}

static void turn_say(struct talk *f)
{
	add_pattern(&f->out, 0, turn_len(f->key, f->turn), f->key + f->turn);
	f->turn++;
}

/* Is the other one's turn here? 1: as planned, -1: not as planned. */
static int turn_hear(struct talk *f)
{
	uint32_t len = turn_len(f->key, f->turn);
	struct bytes want = {0};
	bool same;

	if (f->in.len - f->in_at < len)
		return 0;
	add_pattern(&want, 0, len, f->key + f->turn);
	same = memcmp(want.p, f->in.p + f->in_at, len) == 0;
	bytes_free(&want);
	f->in_at += len;
	f->turn++;
	return same ? 1 : -1;
}

/* ---- server ------------------------------------------------------------------------------ */

static struct str field(const struct http1_head *h, const char *name)
{
	struct str n = {name, (uint32_t)strlen(name)};

	for (int i = 0; i < h->n_fields; i++)
		if (str_eq_nocase(h->fields[i].name, n))
			return h->fields[i].value;
	return (struct str){0};
}

static void respond(struct server *s, struct talk *f, const struct plan *p, bool head_only)
{
	struct host *h = &s->host;
	char head[256];
	size_t body_at;

	snprintf(head, sizeof(head), "HTTP/1.1 200 OK\r\nx-ver: %s\r\nx-key: %u\r\n", s->version,
	         p->key);
	add_text(&f->out, head);
	if (p->framing == 'l')
		snprintf(head, sizeof(head), "Content-Length: %u\r\n\r\n", p->len);
	else
		snprintf(head, sizeof(head), "%s\r\n",
		         p->framing == 'c' ? "Transfer-Encoding: chunked\r\n"
		                           : "Connection: close\r\n");
	add_text(&f->out, head);
	body_at = f->out.len;
	if (!head_only)
		body_encode(&f->out, p->framing, p->len, p->key);
	if (p->framing == 'e')
		f->fin = true;
	if (world_chance(h->world, s->chaos.close_ppm))
		f->fin = true;
	if (p->framing != 'e' && f->out.len > body_at + 1 &&
	    world_chance(h->world, s->chaos.late_ppm)) {
		size_t n = body_at + world_random(h->world, (uint32_t)(f->out.len - body_at));

		if (world_chance(h->world, 500000))
			f->quits = n;
		else
			f->out.len = n, f->fin = true;
	}
	if (f->out.len > body_at + 1 && world_chance(h->world, s->chaos.cut_ppm)) {
		f->out.len = body_at + world_random(h->world, (uint32_t)(f->out.len - body_at));
		talk_write(h, f);
		talk_close(h, f, true);
	}
}

static bool body_arrived(const struct talk *f, size_t at, struct http1_head *head, size_t *len)
{
	struct http1_body b;
	size_t used = 0;

	http1_body_init(&b, head->framing, head->length);
	*len = 0;
	if (http1_body_done(&b))
		return true;
	if (http1_body_feed(&b, (char *)f->in.p + at, f->in.len - at, &used) != HTTP1_DONE)
		return false;
	*len = used;
	return true;
}

/* One turn of a tunnel: the client's is answered. */
static bool serve_turn(struct server *s, struct talk *f)
{
	int heard = f->turn < turns(f->key) ? turn_hear(f) : 0;

	if (heard == 0)
		return false;
	s->bad += heard < 0;
	turn_say(f);
	if (f->turn == turns(f->key) && f->key % 2)
		f->fin = true;
	if (world_chance(s->host.world, s->chaos.cut_ppm)) {
		talk_write(&s->host, f);
		talk_close(&s->host, f, true);
	}
	return f->conn != NULL;
}

static void switch_protocols(struct talk *f, uint32_t key)
{
	add_text(&f->out, "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\n"
	                  "Upgrade: websocket\r\n\r\n");
	f->tunnel = true;
	f->key = key;
	f->turn = 0;
}

/* Answer one request if it is whole. */
static bool serve_one(struct server *s, struct talk *f)
{
	struct http1_request *r = &s->request;
	struct plan p = {0};
	struct bytes want = {0};
	size_t head_len, body_len;
	char text[128];
	struct str up;

	if (f->tunnel)
		return serve_turn(s, f);
	if (f->in_at == f->in.len || f->fin)
		return false;
	if (http1_parse_request((char *)f->in.p + f->in_at, f->in.len - f->in_at, r, &head_len) !=
	    HTTP1_DONE)
		return false;
	if (!body_arrived(f, f->in_at + head_len, &r->head, &body_len))
		return false;
	snprintf(text, sizeof(text), "%.*s", (int)r->path.len, r->path.p);
	assert(sscanf(text, "/p/%c/%u/%u", &p.framing, &p.len, &p.key) == 3);
	up = field(&r->head, "x-up");
	if (up.p) {
		snprintf(text, sizeof(text), "%.*s", (int)up.len, up.p);
		assert(sscanf(text, "%c/%u", &p.up_framing, &p.up_len) == 2);
		body_encode(&want, p.up_framing, p.up_len, p.key + 1);
		if (want.len != body_len ||
		    (body_len && memcmp(want.p, f->in.p + f->in_at + head_len, body_len) != 0))
			s->bad++;
		bytes_free(&want);
	}
	f->in_at += head_len + body_len;
	s->requests++;
	if (world_chance(s->host.world, s->chaos.reset_ppm)) {
		talk_close(&s->host, f, true);
		return false;
	}
	if (r->head.upgrade)
		switch_protocols(f, p.key);
	else
		respond(s, f, &p, r->is_head);
	return f->conn != NULL;
}

static struct talk *server_flow(struct server *s, struct tcp_conn *c)
{
	for (uint32_t i = 0; i < s->n_flows; i++) {
		if (s->flows[i]->conn)
			continue;
		talk_free(s->flows[i]);
		memset(s->flows[i], 0, sizeof(struct talk));
		s->flows[i]->conn = c;
		return s->flows[i];
	}
	assert(s->n_flows < 512);
	s->flows[s->n_flows] = calloc(1, sizeof(struct talk));
	s->flows[s->n_flows]->conn = c;
	return s->flows[s->n_flows++];
}

void server_turn(struct server *s)
{
	struct tcp_conn *c;
	uint32_t ev;

	host_turn(&s->host);
	while ((c = tcp_next_ready(s->host.tcp, &ev))) {
		struct talk *f = tcp_user(c);

		if (ev & TCP_EV_ACCEPTED) {
			f = server_flow(s, c);
			tcp_set_user(c, f);
		}
		if (!f)
			continue;
		talk_read(&s->host, f);
		while (serve_one(s, f))
			;
		talk_write(&s->host, f);
		if (f->quits && f->out_at >= f->quits)
			talk_close(&s->host, f, true);
		if (f->conn && ((ev & TCP_EV_CLOSED) || (f->eof && f->out_at == f->out.len)))
			talk_close(&s->host, f, false);
	}
	host_flush(&s->host);
}

void server_free(struct server *s)
{
	for (uint32_t i = 0; i < s->n_flows; i++) {
		talk_free(s->flows[i]);
		free(s->flows[i]);
	}
	host_fini(&s->host);
}

/* ---- client ------------------------------------------------------------------------------ */

static struct plan plan_of(const struct client *c, uint32_t i)
{
	uint32_t r = mix(c->seed + i * 1000003ull), q = mix(c->seed * 7 + i);
	struct plan p = {.method = "GGGGHPPG"[r & 7], .framing = "llllcccl"[r >> 3 & 7]};

	if (c->heavy && (r >> 8 & 3))
		p.method = 'G', p.framing = 'l', r &= ~(3u << 6);
	p.key = q % 100000;
	p.len = (r >> 6 & 3) ? q % 600 : q % c->max_len;
	if (i + 1 == c->n && (r >> 10 & 3) == 0)
		p.framing = 'e';
	if (i + 1 == c->n && c->tunnel)
		p.method = 'T';
	if (p.method == 'P') {
		p.up_framing = r >> 12 & 1 ? 'c' : 'l';
		p.up_len = (r >> 13 & 3) ? mix(q) % 600 : mix(q) % c->max_len;
	}
	return p;
}

static void ask(struct client *c, uint32_t i)
{
	struct plan p = plan_of(c, i);
	struct bytes *o = &c->flow.out;
	char text[512];

	snprintf(text, sizeof(text), "%s /p/%c/%u/%u%s HTTP/1.1\r\nHost: sim.example:8080\r\n",
	         p.method == 'H'   ? "HEAD"
	         : p.method == 'P' ? "POST"
	                           : "GET",
	         p.framing, p.len, p.key, p.key % 5 ? "" : "?q=1&x");
	add_text(o, text);
	for (uint32_t k = 0; k < p.key % 4; k++) {
		snprintf(text, sizeof(text), "x-pad-%u: %0*d\r\n", k, (int)(p.key % 400), 7);
		add_text(o, text);
	}
	if (p.method == 'P') {
		snprintf(text, sizeof(text), "x-up: %c/%u\r\n", p.up_framing, p.up_len);
		add_text(o, text);
		if (p.up_framing == 'l')
			snprintf(text, sizeof(text), "Content-Length: %u\r\n", p.up_len);
		else
			snprintf(text, sizeof(text), "Transfer-Encoding: chunked\r\n");
		add_text(o, text);
	}
	if (p.method == 'T')
		add_text(o, "Connection: upgrade\r\nUpgrade: websocket\r\n");
	add_text(o, "\r\n");
	if (p.method == 'P')
		body_encode(o, p.up_framing, p.up_len, p.key + 1);
}

static void wrong(struct clients *all, const struct client *c, const char *what)
{
	if (!all->wrong++)
		snprintf(all->why, sizeof(all->why), "client %d request %u: %s",
		         (int)(c - all->list), c->done, what);
}

static void judge(struct clients *all, struct client *c, const struct plan *p, const uint8_t *body,
                  size_t len)
{
	const struct http1_head *h = &all->response.head;
	struct bytes want = {0};
	struct str ver = field(h, "x-ver");

	if (h->status >= 500 || h->status == 408) { /* 408: the client itself was too slow */
		c->errors++;
		return;
	}
	if (h->status != 200 || ver.len != 2) {
		wrong(all, c, "not 200 from a server");
		return;
	}
	c->ok[ver.p[1] == '2']++;
	if (p->method != 'H')
		body_encode(&want, p->framing, p->len, p->key);
	if (want.len != len || (len && memcmp(want.p, body, len) != 0))
		wrong(all, c, "body differs");
	bytes_free(&want);
}

/* The tunnel's turns, until both sides have closed. */
static bool take_turn(struct clients *all, struct client *c)
{
	struct talk *f = &c->flow;

	if (f->turn < turns(f->key)) {
		int heard = turn_hear(f);

		if (heard < 0)
			wrong(all, c, "a turn in a tunnel differs");
		if (heard && f->turn < turns(f->key))
			turn_say(f);
		return heard;
	}
	f->fin |= f->key % 2 == 0 || f->eof;
	if (f->eof)
		c->done++;
	return false;
}

static bool begin_tunnel(struct client *c, const struct plan *p, size_t head_len)
{
	struct talk *f = &c->flow;

	f->in_at += head_len;
	f->tunnel = true;
	f->key = p->key;
	turn_say(f);
	return true;
}

/* Take one whole response. */
static bool take_one(struct clients *all, struct client *c)
{
	struct talk *f = &c->flow;
	struct http1_head *h = &all->response.head;
	struct plan p = plan_of(c, c->done);
	size_t head_len, body_len;

	if (c->done == c->sent)
		return false;
	if (f->tunnel)
		return take_turn(all, c);
	if (f->in_at == f->in.len)
		return false;
	switch (http1_parse_response((char *)f->in.p + f->in_at, f->in.len - f->in_at,
	                             p.method == 'H', &all->response, &head_len)) {
	case HTTP1_DONE: break;
	case HTTP1_BAD: wrong(all, c, "malformed response"); return false;
	default: return false;
	}
	if (h->status == 101)
		return begin_tunnel(c, &p, head_len);
	if (h->framing == HTTP1_BODY_CLOSE) {
		if (!f->eof)
			return false;
		body_len = f->in.len - f->in_at - head_len;
	} else if (!body_arrived(f, f->in_at + head_len, h, &body_len)) {
		return false;
	}
	judge(all, c, &p, f->in.p + f->in_at + head_len, body_len);
	f->in_at += head_len + body_len;
	c->done++;
	if (!h->keep_alive)
		f->eof = true;
	return true;
}

/* So much of a response has come that the next request is sent, though it is not over. */
static bool is_hurried(const struct client *c)
{
	const struct talk *f = &c->flow;

	return c->hurry && c->sent == c->done + 1 && f->in.len - f->in_at >= c->hurry;
}

static void client_news(struct clients *all, struct client *c, uint32_t ev)
{
	struct host *h = &all->host;
	struct talk *f = &c->flow;

	talk_read(h, f);
	while (take_one(all, c))
		;
	while (c->sent < c->n && c->sent - c->done < c->depth && !f->eof)
		ask(c, c->sent++);
	if (is_hurried(c) && c->sent < c->n && !f->eof)
		ask(c, c->sent++);
	else if (is_hurried(c) && c->sent == c->n)
		f->fin = true;
	if ((c->abandon && c->done > c->n / 2) || (c->quits && f->in.len >= c->quits)) {
		talk_close(h, f, true);
		c->failed = true;
		return;
	}
	talk_write(h, f);
	if (c->done == c->n || (f->eof && !f->tunnel) || (ev & TCP_EV_CLOSED)) {
		c->failed = c->done < c->n;
		talk_close(h, f, false);
	}
}

void client_start(struct clients *all, uint32_t i)
{
	struct tcp_peer peer = {
		.local = all->host.node.n_ports ? *net_source(all->host.net, &all->to) : all->to,
		.remote = all->to,
		.lport = htons((uint16_t)(20000 + i)),
		.rport = all->port};
	struct client *c = &all->list[i];

	c->flow.conn = tcp_connect(all->host.tcp, &peer, 300000000, all->host.world->now_us);
	assert(c->flow.conn);
	tcp_set_user(c->flow.conn, c);
}

void clients_turn(struct clients *all)
{
	struct tcp_conn *conn;
	uint32_t ev;

	host_turn(&all->host);
	while ((conn = tcp_next_ready(all->host.tcp, &ev)))
		if (tcp_user(conn))
			client_news(all, tcp_user(conn), ev);
	host_flush(&all->host);
}

uint32_t clients_connected(const struct clients *c)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < c->n; i++)
		n += c->list[i].flow.conn != NULL;
	return n;
}

void clients_free(struct clients *all)
{
	for (uint32_t i = 0; i < all->n; i++)
		talk_free(&all->list[i].flow);
	free(all->list);
	host_fini(&all->host);
}
