/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Clients and servers on one core, on two ports, for a Weir on other cores; and raw floods beside them, or connections of
 * layer 4 instead (l4.h). load --help lists the options; bench/run starts it.
 *
 * Says "steady" when all connections are there and half a second is over, and at the end what it saw in the seconds
 * after that. Ends with 1 when a response was wrong, a client waits for ever or the split is not the one expected.
 */
#include "options.h"
#include "port.h"
#include "report.h"

#include <rte_cycles.h>
#include <rte_ethdev.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RESEND_MS   300  /* a request or SYN without any answer is sent again */
#define DRAIN_MS    3000 /* for the last answers */
#define SWEEP_TURNS 4096
#define AWAY_US     50 /* a turn that long: something else had the CPU */
#define OPEN_SLACK  60 /* seconds to open all connections */

/* ---- the loop ---------------------------------------------------------------------------- */

static uint16_t turn_clients(struct load *l, uint64_t now)
{
	struct rte_mbuf *m[WIRE_BURST];
	uint16_t n = rte_eth_rx_burst(l->edge.port_id, 0, m, WIRE_BURST);
	struct segment s;

	for (uint16_t i = 0; i < n; i++) {
		enum wire_kind kind = wire_parse(&l->edge, m[i], &s);

		if (kind == WIRE_NOTHING || (l->flood.kind && flood_input(&l->flood, kind, &s)))
			continue;
		if (kind == WIRE_TCP)
			clients_input(&l->clients, &s, now);
		else
			l->edge.bad++;
	}
	rte_pktmbuf_free_bulk(m, n);
	if (l->edge.knows_peer && l->clients.client)
		clients_turn(&l->clients, now);
	wire_flush(&l->edge);
	flood_turn(&l->flood, &l->edge, now);
	return n;
}

static uint16_t turn_servers(struct load *l, uint64_t now)
{
	struct rte_mbuf *m[WIRE_BURST];
	uint16_t n = rte_eth_rx_burst(l->back.port_id, 0, m, WIRE_BURST);
	struct segment s;

	for (uint16_t i = 0; i < n; i++) {
		enum wire_kind kind = wire_parse(&l->back, m[i], &s);

		if (kind == WIRE_TCP)
			servers_input(&l->servers, &s, now);
		else if (kind == WIRE_OTHER)
			l->back.bad++;
	}
	rte_pktmbuf_free_bulk(m, n);
	wire_flush(&l->back);
	return n;
}

static void turn(struct load *l)
{
	uint64_t now = rte_rdtsc(), limit = rte_get_tsc_hz() / 1000 * RESEND_MS;
	uint16_t n;

	if (now - l->last_turn > l->away)
		l->clients.away_tsc = now;
	l->last_turn = now;
	n = turn_servers(l, now);

	n = (uint16_t)(n + turn_clients(l, now));
	l->idle_turns += n == 0;
	if (++l->turns % SWEEP_TURNS == 0) {
		servers_sweep(&l->servers, now, limit);
		if (l->clients.client)
			clients_sweep(&l->clients, now, limit);
	}
}

static void turns(struct load *l, uint64_t for_tsc)
{
	uint64_t until = rte_rdtsc() + for_tsc;

	while (rte_rdtsc() < until)
		turn(l);
}

/* Holding idle connections needs no core: sleep between looks. */
static void hold(struct load *l, uint64_t for_tsc)
{
	uint64_t until = rte_rdtsc() + for_tsc;

	while (rte_rdtsc() < until) {
		uint64_t idle = l->idle_turns;

		turn(l);
		if (l->idle_turns != idle)
			rte_delay_us_sleep(1000);
	}
}

/* ---- the run ----------------------------------------------------------------------------- */

static void fail(const char *what)
{
	fprintf(stderr, "load: %s\n", what);
	exit(2);
}

static void find_weir(struct load *l, const struct options *o)
{
	uint64_t hz = rte_get_tsc_hz();

	for (int i = 0; i < 50 && !l->edge.knows_peer; i++) {
		wire_ask(&l->edge, o->vip);
		for (uint64_t until = rte_rdtsc() + hz / 20; rte_rdtsc() < until;) {
			struct rte_mbuf *m;
			struct segment s;

			if (!rte_eth_rx_burst(l->edge.port_id, 0, &m, 1))
				continue;
			wire_parse(&l->edge, m, &s);
			rte_pktmbuf_free(m);
			wire_flush(&l->edge);
		}
	}
	if (!l->edge.knows_peer)
		fail("Weir does not answer ARP");
}

static void open_connections(struct load *l)
{
	struct clients *c = &l->clients;
	uint64_t hz = rte_get_tsc_hz(), until = rte_rdtsc() + hz * OPEN_SLACK;

	c->paused = true;
	while (!clients_open(c)) {
		turn(l);
		if (rte_rdtsc() > until)
			fail("the connections do not open");
	}
	c->paused = false;
}

/* Each connection has its answer. */
static void all_once(struct load *l)
{
	uint64_t until = rte_rdtsc() + rte_get_tsc_hz() * OPEN_SLACK;

	while (l->clients.answered < l->clients.form.n)
		if (turn(l), rte_rdtsc() > until)
			fail("the connections do not get their answers");
}

static void begin_counting(struct load *l)
{
	struct clients *c = &l->clients;
	struct flood *f = &l->flood;

	memset(&c->latency, 0, sizeof(c->latency));
	memset(&c->undisturbed, 0, sizeof(c->undisturbed));
	c->answered = c->late = c->retried = c->resent = 0;
	l->servers.retried = l->servers.resent = 0;
	f->sent = f->refused = f->syn_acks = f->resets = f->acks = f->others = 0;
	l->edge.rx = l->edge.tx = l->back.rx = l->back.tx = 0;
	l->turns = l->idle_turns = 0;
}

/* No new requests; those in flight get their answers. */
static void drain(struct load *l)
{
	uint64_t until = rte_rdtsc() + rte_get_tsc_hz() / 1000 * DRAIN_MS;

	l->flood.on = false;
	l->clients.paused = true;
	while (l->clients.in_flight && rte_rdtsc() < until)
		turn(l);
}

static int verdict(const struct load *l, const struct options *o)
{
	const struct clients *c = &l->clients;
	uint64_t bad_frames = l->edge.bad + l->back.bad, wrong = c->wrong + l->servers.wrong;
	bool clients = o->flood == FLOOD_NONE || o->alongside;
	bool exact = report_split(o, c->rules.right);

	printf("split_exact %s\n", exact ? "yes" : "no");
	printf("stuck %u\nresets %lu\nclosed_by_weir %lu\nwrong_frames %lu\nwrong_responses %lu\n",
	       c->in_flight, c->resets, c->closed, bad_frames, wrong);
	if (wrong)
		printf("first_wrong: %s\n", c->rules.wrong);
	return c->in_flight || wrong || bad_frames || !exact || c->resets ||
	       (clients && !o->idle && !c->answered);
}

static int run(struct load *l, const struct options *o)
{
	uint64_t hz = rte_get_tsc_hz(), start, tsc;

	find_weir(l, o);
	flood_prepare(&l->flood, &l->edge);
	if (l->clients.client)
		open_connections(l);
	if (o->idle)
		all_once(l);
	l->flood.on = o->flood != FLOOD_NONE;
	l->flood.pace.start = l->clients.pace.start = rte_rdtsc();
	turns(l, hz / 2);
	begin_counting(l);
	puts("steady");
	fflush(stdout);
	start = rte_rdtsc();
	if (o->idle)
		hold(l, hz * o->seconds);
	else
		turns(l, hz * o->seconds);
	tsc = rte_rdtsc() - start;
	report_write(l, o, tsc);
	if (o->curve)
		report_curve(&l->clients.latency, (double)hz);
	drain(l);
	return verdict(l, o);
}

static int run_l4(struct load *l, const struct options *o)
{
	if (!o->plain)
		find_weir(l, o);
	l->l4.edge = &l->edge;
	l->l4.back = &l->back;
	l->l4.form = (struct l4_form){.kind = o->l4,
	                              .flows = o->connections,
	                              .inflight = o->inflight,
	                              .client = o->client,
	                              .vip = o->vip,
	                              .server = o->server,
	                              .endpoints = o->endpoints,
	                              .port = (uint16_t)o->port,
	                              .answer = o->answer,
	                              .plain = o->plain,
	                              .random = o->random};
	return l4_run(&l->l4, o->seconds);
}

/* ---- set-up ------------------------------------------------------------------------------ */

static void set_up_servers(struct load *l, const struct options *o)
{
	struct servers *s = &l->servers;

	s->wire = &l->back;
	s->body = &l->body;
	s->body_bytes = o->body;
	s->post = o->post;
	s->close = o->close;
	servers_init(s);
}

static void set_up_clients(struct load *l, const struct options *o)
{
	const struct request_form form = {.host = o->host,
	                                  .hosts = o->hosts,
	                                  .paths = o->paths,
	                                  .zipf = o->zipf,
	                                  .pipeline = o->pipeline,
	                                  .post = o->post,
	                                  .browser = o->browser,
	                                  .close = o->close};
	struct clients *c = &l->clients;

	c->wire = &l->edge;
	c->form = (struct clients_form){.n = o->connections,
	                                .sources = o->sources,
	                                .inflight = o->inflight,
	                                .pipeline = o->pipeline,
	                                .first = o->client,
	                                .target = o->vip,
	                                .target_port = (uint16_t)o->port,
	                                .close = o->close,
	                                .once = o->idle,
	                                .by_request = o->by_request};
	c->rules.body = &l->body;
	c->rules.body_bytes = o->body;
	c->open_loop = o->rate > 0;
	c->pace.period = o->rate > 0 ? (double)rte_get_tsc_hz() / o->rate : 0;
	if (clients_init(c, &form))
		fail("no memory for clients and requests");
}

static void set_up_flood(struct load *l, const struct options *o)
{
	l->flood.kind = o->flood;
	l->flood.target = o->vip;
	l->flood.target_port = (uint16_t)o->port;
	l->flood.full = o->flood_rate == 0;
	l->flood.pace.period = o->flood_rate > 0 ? (double)rte_get_tsc_hz() / o->flood_rate : 0;
}

int main(int argc, char **argv)
{
	static struct load load;
	struct options o = {.host = "httpbin.sample-app.svc.cluster.local",
	                    .vip = 0x0a4d0001u,
	                    .port = 80,
	                    .client = 0x0a4d0002u,
	                    .server = 0x0a4d010bu,
	                    .connections = 64,
	                    .seconds = 5,
	                    .sources = 1,
	                    .hosts = 1,
	                    .paths = 1,
	                    .pipeline = 1,
	                    .body = 1024,
	                    .workers = 1,
	                    .window_scale = WIRE_WSCALE,
	                    .endpoints = 1};
	int status;

	options_read(&o, argc, argv);
	load.edge.address = o.client;
	load.back.address = o.server;
	load.edge.wscale = (uint8_t)o.window_scale;
	load.back.wscale = WIRE_WSCALE;
	port_open(&o, &load.edge, &load.back);
	load.away = rte_get_tsc_hz() / 1000000 * AWAY_US;
	if (o.l4) {
		status = run_l4(&load, &o);
		port_close(&load.edge, &load.back);
		return status;
	}
	body_init(&load.body);
	set_up_servers(&load, &o);
	if (o.flood == FLOOD_NONE || o.alongside)
		set_up_clients(&load, &o);
	set_up_flood(&load, &o);
	status = run(&load, &o);
	clients_fini(&load.clients);
	servers_fini(&load.servers);
	port_close(&load.edge, &load.back);
	return status;
}
