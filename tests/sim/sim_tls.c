/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * TLS passthrough by whole workers in a simulated world: many connections with hellos of all shapes, a bad
 * network, a change of documents in between, resets at any moment, one seed.
 *
 * Each connection is planned from its number, which its hello carries as a protocol, so that the server knows
 * what it must hear and say. What must hold for every seed: both sides hear every byte, hello first, and the
 * end; with resets, a beginning of it; names without a rule get the alert and nothing else; established ones stay
 * where they are; nothing is left at the end.
 *
 *   sim_tls MODE FIRST COUNT    MODE: as of sim_worker
 */
#include "hellos.h"
#include "weir.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CONNS_MAX 24
#define ALERT     "\x15\x03\x03\0\x02\x02\x70"

enum name {
	NAME_EXACT,
	NAME_WILD,
	NAME_OTHER, /* no rule */
	NAME_NONE,  /* no rule */
	NAMES,
};

static const char *const names[NAMES] = {"A.example.com", "b.example.com", "c.example.org", NULL};

/* One direction, as it is planned: bytes, and how far they have come. */
struct half {
	struct bytes_out plan;
	size_t sent, heard;
	bool fin_sent, eof;
};

struct talk {
	enum name name;
	struct half up, down;
	struct tcp_conn *client, *server; /* NULL: not yet, or closed */
	bool server_first; /* the server ends when it has said everything, else when the client has */
	bool accepted;
	uint64_t reset_us; /* the client resets then; 0: it does not */
	uint64_t start_us;
	int version; /* where it went: 0 is v1 */
};

struct scene {
	struct world world;
	struct weir weir;
	struct host client, server[2];
	struct talk *talks;
	uint32_t n;
	uint64_t planned_us; /* the last start, reset or change is before */
	bool chaotic;
	struct host_row exact[4], suffix[4];
	uint16_t suffix_len;
	struct vhost to[2]; /* v1, v2 */
	struct tls_rule rule[2];
	struct l4_route route[2];
	struct split split[2];
	struct endpoint dead_first[2];
};

static uint64_t splices;

/* ---- documents --------------------------------------------------------------------------- */

static void add_name(struct host_row *rows, const char *text, const struct vhost *v)
{
	struct str name = {text, (uint32_t)strlen(text)};

	rows[host_hash(name) & 1] = (struct host_row){host_hash(name), name, v};
}

static void make_listener(struct scene *s, struct routing *r, int at)
{
	r->listener.kind = LISTENER_TLS;
	add_name(&s->exact[2 * at], "a.example.com", &s->to[at]);
	add_name(&s->suffix[2 * at], ".example.com", &s->to[!at]);
	r->listener.hosts = (struct host_table){.exact_mask = 1,
	                                        .suffix_mask = 1,
	                                        .exact = &s->exact[2 * at],
	                                        .suffix = &s->suffix[2 * at],
	                                        .n_suffix_lens = 1,
	                                        .suffix_lens = &s->suffix_len};
}

/* Before the change a.example.com goes to v1 and the others of example.com to v2, then the other way round. */
static void make_documents(struct scene *s)
{
	static const uint16_t first[] = {0}, second[] = {1};
	struct routing *r = &s->weir.before;

	s->suffix_len = sizeof(".example.com") - 1;
	for (uint32_t i = 0; i < 2; i++) {
		s->split[i] = (struct split){{4 + i, 1}, 2, 1, r->dests, i ? second : first};
		s->route[i].split = &s->split[i];
		s->rule[i].route = &s->route[i];
		s->to[i] = (struct vhost){.n_tls = 1, .tls = &s->rule[i]};
	}
	make_listener(s, r, 0);
	make_listener(s, &s->weir.after, 1);
	if (!world_chance(&s->world, 300000))
		return;
	s->dead_first[0] = s->dead_first[1] = r->endpoints[0];
	s->dead_first[0].port = htons(81);
	s->dead_first[0].slot.index = 8;
	r->subsets[0].endpoints = s->dead_first;
	r->subsets[0].n_endpoints = 2;
	r->subsets[0].policy = BALANCE_RANDOM;
}

/* ---- the plan ---------------------------------------------------------------------------- */

static void put_pattern(struct bytes_out *o, uint32_t n, uint32_t key)
{
	for (uint32_t i = 0; i < n; i++)
		out_number(o, 1, (key * 31 + i * 7 + (i >> 8)) & 0xff);
}

static void cut_records(struct world *w, struct bytes_out *o, const struct bytes_out *message)
{
	static const uint32_t most[] = {16384, 3000, 100};
	uint32_t kind = world_random(w, 3);

	for (size_t at = 0; at < message->len;) {
		size_t n = 1 + world_random(w, most[kind]), left = message->len - at;

		n = n < left ? n : left;
		hello_record(o, message->p + at, n);
		at += n;
	}
}

static void plan(struct scene *s, uint32_t i)
{
	static struct bytes_out message;
	struct world *w = &s->world;
	struct talk *t = &s->talks[i];
	char number[12];
	struct hello_spec spec = {.alpn = number, .grease = world_chance(w, 500000)};

	t->name = world_random(w, 5) ? (enum name)world_random(w, 2)
	                             : (enum name)world_random(w, NAMES);
	snprintf(number, sizeof(number), "%u", i);
	spec.name = names[t->name];
	spec.key_share = world_random(w, 3) ? 0 : world_random(w, 2) ? 1216 : world_random(w, 9000);
	message.len = 0;
	hello_message(&message, &spec);
	cut_records(w, &t->up.plan, &message);
	put_pattern(&t->up.plan, world_random(w, world_chance(w, 200000) ? 60000 : 500), i);
	put_pattern(&t->down.plan, world_random(w, world_chance(w, 200000) ? 60000 : 500), i + 99);
	t->server_first = world_chance(w, 500000);
	t->start_us = w->now_us + world_random(w, 400000);
	if (s->chaotic && world_chance(w, 500000))
		t->reset_us = t->start_us + world_random(w, 200000);
}

/* ---- talking ----------------------------------------------------------------------------- */

/* Say what the other side has room for, in pieces as they fall. */
static void say(struct host *h, struct tcp_conn *c, struct half *half)
{
	while (half->sent < half->plan.len && tcp_send_space(h->tcp, c)) {
		size_t n = half->plan.len - half->sent;
		struct buf *b;

		n = n < 1200 ? n : 1200;
		if (world_chance(h->world, 200000))
			n = 1 + world_random(h->world, (uint32_t)n);
		b = bufs_from(&h->pool, half->plan.p + half->sent, n);
		if (!b)
			return;
		tcp_send(h->tcp, c, b);
		half->sent += n;
	}
}

static void end(struct host *h, struct tcp_conn *c, struct half *half)
{
	if (half->sent == half->plan.len)
		tcp_shutdown(h->tcp, c);
}

/* Take what came: each byte must be the planned one. */
static void hear(struct host *h, struct tcp_conn *c, struct half *half, uint32_t talk)
{
	struct buf *b;

	while ((b = tcp_recv(h->tcp, c))) {
		if (b->len > half->plan.len - half->heard ||
		    memcmp(b->data, half->plan.p + half->heard, b->len) != 0)
			sim_fail("connection %u: wrong bytes from %zu on", talk, half->heard);
		half->heard += b->len;
		buf_free(b);
	}
	half->eof |= tcp_eof(c);
}

static void hear_alert(struct host *h, struct tcp_conn *c, struct half *half, uint32_t talk)
{
	half->plan.len = 0;
	out_bytes(&half->plan, ALERT, 7);
	hear(h, c, half, talk);
}

static void let_go(struct host *h, struct tcp_conn **c)
{
	tcp_set_user(*c, NULL);
	tcp_release(h->tcp, *c);
	*c = NULL;
}

static void client_news(struct scene *s, uint32_t i, uint32_t events)
{
	struct talk *t = &s->talks[i];
	struct host *h = &s->client;

	if (t->name < NAME_OTHER)
		hear(h, t->client, &t->down, i);
	else
		hear_alert(h, t->client, &t->down, i);
	if (!(events & TCP_EV_CLOSED))
		say(h, t->client, &t->up);
	if (!t->server_first || t->down.eof)
		end(h, t->client, &t->up);
	if (events & TCP_EV_CLOSED)
		let_go(h, &t->client);
}

static void clients_turn(struct scene *s)
{
	struct host *h = &s->client;
	struct tcp_conn *c;
	uint32_t events;

	host_turn(h);
	for (uint32_t i = 0; i < s->n; i++) {
		struct talk *t = &s->talks[i];

		if (!t->client || !t->reset_us || s->world.now_us < t->reset_us)
			continue;
		tcp_abort(h->tcp, t->client);
		let_go(h, &t->client);
	}
	while ((c = tcp_next_ready(h->tcp, &events)))
		if (tcp_user(c))
			client_news(s, (uint32_t)((struct talk *)tcp_user(c) - s->talks), events);
	host_flush(h);
}

/* Whose connection is it? Its hello, which has the number in it, tells; NULL: not whole yet. */
static struct talk *recognise(struct scene *s, struct tcp_conn *c)
{
	static uint8_t bytes[HELLO_MAX], room[HELLO_MAX];
	struct tls_hello hello;
	size_t n = 0;

	for (const struct buf *b = tcp_recv_queue(c)->first; b; b = b->next) {
		memcpy(bytes + n, b->data, b->len);
		n += b->len;
	}
	if (tls_hello_read(bytes, n, room, HELLO_MAX, &hello) != TLS_HELLO_DONE)
		return NULL;
	for (uint32_t i = 0; i < s->n; i++)
		if (n >= hello.used && s->talks[i].up.plan.len >= hello.used &&
		    memcmp(bytes, s->talks[i].up.plan.p, hello.used) == 0)
			return &s->talks[i];
	sim_fail("a hello that nobody said");
	return NULL;
}

static void server_news(struct scene *s, int version, struct tcp_conn *c, uint32_t events)
{
	struct host *h = &s->server[version];
	struct talk *t = tcp_user(c);

	if (!t) {
		t = recognise(s, c);
		if (!t) {
			if (events & TCP_EV_CLOSED)
				tcp_release(h->tcp, c);
			return;
		}
		if (t->accepted || t->name >= NAME_OTHER)
			sim_fail("connection %d reached v%d again, or should not",
			         (int)(t - s->talks), version + 1);
		t->accepted = true;
		t->version = version;
		t->server = c;
		tcp_set_user(c, t);
	}
	hear(h, c, &t->up, (uint32_t)(t - s->talks));
	if (!(events & TCP_EV_CLOSED))
		say(h, c, &t->down);
	if (t->server_first || t->up.eof)
		end(h, c, &t->down);
	if (events & TCP_EV_CLOSED)
		let_go(h, &t->server);
}

static void server_turn(struct scene *s, int version)
{
	struct host *h = &s->server[version];
	struct tcp_conn *c;
	uint32_t events;

	host_turn(h);
	while ((c = tcp_next_ready(h->tcp, &events)))
		server_news(s, version, c, events);
	host_flush(h);
}

/* ---- the run ----------------------------------------------------------------------------- */

static void make_host(struct host *h, struct world *w, const char *address, uint16_t port)
{
	static const struct host_odds odds = {150000, 16384, 4, 4000, 7};
	struct host_config c = host_draw(w, &odds, address, port);

	host_init(h, w, &c);
}

static void make_scene(struct scene *s, uint64_t seed)
{
	struct wire_odds wire = {0, 300000, 400000, 0, 5000};
	struct world *w = &s->world;

	memset(s, 0, sizeof(*s));
	world_init(w, seed);
	wire.loss_ppm = world_random(w, 3) * 15000;
	world_draw_wire(w, &wire);
	s->chaotic = world_chance(w, 400000);
	weir_init(&s->weir, w, 1 + world_random(w, 3), true, weir_mode_of(sim_now.mode));
	make_documents(s);
	make_host(&s->client, w, "10.0.0.1", 0);
	make_host(&s->server[0], w, "10.0.0.11", 80);
	make_host(&s->server[1], w, "10.0.0.12", 80);
	s->weir.node.times.stream_idle_us = HOUR_US / 6; /* for those whose RST was lost */
	s->planned_us = w->now_us + 1000000;
	s->n = 1 + world_random(w, CONNS_MAX);
	s->talks = calloc(s->n, sizeof(*s->talks));
	for (uint32_t i = 0; i < s->n; i++)
		plan(s, i);
}

static void step(struct scene *s)
{
	struct world *w = &s->world;
	uint64_t t =
		sim_least(sim_least(world_next(w), weir_next(&s->weir)), host_next(&s->client));

	t = sim_least(t, sim_least(host_next(&s->server[0]), host_next(&s->server[1])));
	if (w->now_us < s->planned_us) /* starts and resets are on no wheel */
		t = sim_least(t, w->now_us + 1000);
	world_go_to(w, t);
	weir_turn(&s->weir);
	clients_turn(s);
	server_turn(s, 0);
	server_turn(s, 1);
}

static void start(struct scene *s, uint32_t i)
{
	struct tcp_peer peer = {.local = sim_addr("10.0.0.1"),
	                        .remote = sim_addr("10.0.0.2"),
	                        .lport = htons((uint16_t)(20000 + i)),
	                        .rport = htons(8080)};

	s->talks[i].client = tcp_connect(s->client.tcp, &peer, HOUR_US, s->world.now_us);
	tcp_set_user(s->talks[i].client, &s->talks[i]);
	s->talks[i].start_us = 0;
}

static void run_talks(struct scene *s)
{
	uint64_t stop = s->world.now_us + HOUR_US, change = s->world.now_us + 200000;

	for (bool open = true; open;) {
		open = false;
		step(s);
		for (uint32_t i = 0; i < s->n; i++) {
			struct talk *t = &s->talks[i];

			if (t->start_us && t->start_us <= s->world.now_us)
				start(s, i);
			open |= t->start_us || t->client || (t->server && !t->reset_us);
		}
		if (s->world.now_us >= change)
			weir_change(&s->weir);
		if (s->world.now_us > stop)
			sim_fail("connections are still open after an hour");
	}
}

static void run_down(struct scene *s)
{
	uint64_t stop = s->world.now_us + 2 * HOUR_US;

	for (uint32_t i = 0; i < s->n; i++)
		if (s->talks[i].server) /* the RST may have been lost */
			let_go(&s->server[s->talks[i].version], &s->talks[i].server);
	weir_change(&s->weir);
	for (uint32_t i = 0; i < s->weir.n; i++)
		worker_drain(s->weir.w[i], true, s->world.now_us);
	while (weir_counter(&s->weir, COUNT_TCP_CONNS) || weir_flows(&s->weir) || s->world.n_heap) {
		step(s);
		if (s->world.now_us > stop)
			sim_fail("connections of Weir are still there after two hours");
	}
}

static void check(const struct scene *s)
{
	uint64_t bytes = 0, counted = 0;

	for (uint32_t i = 0; i < s->n; i++) {
		const struct talk *t = &s->talks[i];

		bytes += t->accepted ? t->up.heard : 0;
		if (t->reset_us)
			continue;
		if (t->down.heard != t->down.plan.len || !t->down.eof)
			sim_fail("connection %u: the client heard %zu of %zu bytes", i,
			         t->down.heard, t->down.plan.len);
		if (t->name >= NAME_OTHER)
			continue;
		if (t->up.heard != t->up.plan.len || !t->up.eof)
			sim_fail("connection %u: v%d heard %zu of %zu bytes", i, t->version + 1,
			         t->up.heard, t->up.plan.len);
	}
	for (uint32_t i = 0; i < s->weir.n; i++)
		for (uint32_t d = 0; d < s->weir.w[i]->stats.n_dests; d++)
			counted += s->weir.w[i]->stats.dests[d].tx_bytes;
	/* of splices packets are counted, those sent again included */
	if (counted < bytes ||
	    (!s->chaotic && weir_mode_of(sim_now.mode) == WEIR_PROXY && counted != bytes))
		sim_fail("%llu bytes went to the servers, %llu are counted",
		         (unsigned long long)bytes, (unsigned long long)counted);
}

static void finish(struct scene *s)
{
	const char *bad = weir_books(&s->weir);

	if (bad)
		sim_fail("at the end: %s", bad);
	host_fini(&s->client);
	host_fini(&s->server[0]);
	host_fini(&s->server[1]);
	world_fini(&s->world);
	free(s->talks);
	if (weir_fini(&s->weir))
		sim_fail("buffers leaked");
}

static void run_seed(uint64_t seed)
{
	static struct scene s;

	sim_now.seed = seed;
	make_scene(&s, seed);
	run_talks(&s);
	check(&s);
	run_down(&s);
	splices += weir_counter(&s.weir, COUNT_SPLICES_BEGUN);
	finish(&s);
}

int main(int argc, char **argv)
{
	uint64_t first = argc > 2 ? strtoull(argv[2], NULL, 0) : 1;
	uint64_t count = argc > 3 ? strtoull(argv[3], NULL, 0) : 1;

	sim_now.program = "sim_tls";
	sim_now.mode = argc > 1 ? argv[1] : "proxy";
	for (uint64_t i = 0; i < count; i++)
		run_seed(first + i);
	printf("%llu seeds from %llu, %llu splices\n", (unsigned long long)count,
	       (unsigned long long)first, (unsigned long long)splices);
	return 0;
}
