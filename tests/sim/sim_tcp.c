/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Random conversations over a random link: every byte arrives in order or the connection is reported
 * dead, and at the end nothing is left: no buffer, no connection.
 *
 * sim_tcp SEED COUNT runs COUNT seeds from SEED on; the first that fails is printed. sim_tcp SEED
 * alone replays one with a trace of every segment. With "twin" behind it each seed runs twice: on devices that
 * gather frames out of buffers, cut segments and write checksums, and with all of that in software. What is on the
 * wire, and when, has to be the same.
 */
#include "tcp_link.h"
#include "tcp_state.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define PAIRS_MAX 6
#define LIMIT_US  (100ull * 3600 * 1000000) /* keep-alive takes hours to find a dead peer */

/* What one end of a connection does, and how far it is. */
struct half {
	struct sim *sim;
	struct tcp_conn *c;
	uint32_t side, pair;
	uint64_t total;    /* bytes to be sent */
	uint64_t queued;   /* bytes given to tcp_send() */
	uint64_t got;      /* bytes read and found right */
	uint64_t abort_at; /* abort when so many are queued; UINT64_MAX: never */
	uint32_t chunk;    /* most bytes sent or read at a time */
	uint32_t even;     /* bytes of each buffer, when they are all alike; 0: they are not */
	uint32_t nap_us;   /* longest pause between looks */
	uint64_t wake_us;
	bool echo; /* send back what comes */
	bool rude; /* release without waiting for the peer's end */
	bool shut, eof, done, takes;
	enum tcp_why why;
};

struct pair {
	struct half half[2];
	uint32_t rounds;
	uint16_t port;
	bool running;
};

struct sim {
	struct link link;
	struct rng rng;
	struct pair pair[PAIRS_MAX];
	uint32_t n_pairs;
	uint32_t finished, dead;
	uint16_t next_port;
	const char *error;
};

static uint8_t pattern(const struct half *h, uint32_t side, uint64_t at)
{
	uint64_t x = at * 0x9e3779b97f4a7c15ull + h->pair * 977 + side * 31;

	return (uint8_t)(x >> 29);
}

static uint32_t below(struct sim *m, uint32_t n)
{
	return rng_below(&m->rng, n);
}

static struct half *other(struct half *h)
{
	return &h->sim->pair[h->pair].half[!h->side];
}

static void fail(struct half *h, const char *what)
{
	if (!h->sim->error) {
		fprintf(stderr,
		        "pair %u side %u at %" PRIu64 " us: %s (got %" PRIu64
		        ", peer queued %" PRIu64 ")\n",
		        h->pair, h->side, h->sim->link.now_us, what, h->got, other(h)->queued);
		h->sim->error = what;
	}
}

/* ---- what an end does ----------------------------------------------------------------------- */

static void check_bytes(struct half *h, const struct buf *b)
{
	/* an echo's bytes are the other end's own */
	uint32_t whose = other(h)->echo ? h->side : !h->side;

	for (uint32_t i = 0; i < b->len; i++) {
		if (b->data[i] != pattern(h, whose, h->got + i)) {
			fail(h, "wrong byte");
			return;
		}
	}
	h->got += b->len;
}

static void take_buffer(struct half *h, struct buf *b)
{
	struct tcp_stack *t = h->sim->link.side[h->side].tcp;

	check_bytes(h, b);
	if (h->echo && !h->shut) {
		h->queued += b->len;
		tcp_send(t, h->c, b);
	} else {
		buf_free(b);
	}
}

static void read_some(struct half *h)
{
	struct tcp_stack *t = h->sim->link.side[h->side].tcp;
	const struct bufq *q = tcp_recv_queue(h->c);
	struct bufq part = {0};
	uint32_t n = 1 + below(h->sim, h->chunk), how = below(h->sim, 4);
	struct buf *b;

	if (h->echo && !tcp_send_space(t, h->c))
		return; /* back-pressure */
	if (!q->bytes)
		return;
	n = n < q->bytes ? n : q->bytes;
	if (how == 0 && !h->echo) { /* look at it in place, then drop */
		struct buf copy = *q->first;

		copy.len = (uint16_t)(n < copy.len ? n : copy.len);
		check_bytes(h, &copy);
		tcp_recv_drop(t, h->c, copy.len);
	} else if (how == 1) {
		if (tcp_recv_take(t, h->c, n, &part))
			return;
		while ((b = bufq_pop(&part)))
			take_buffer(h, b);
	} else {
		for (uint32_t i = 0; i <= n / 1024 && (b = tcp_recv(t, h->c)); i++)
			take_buffer(h, b);
	}
}

static void write_some(struct half *h)
{
	struct link_side *s = &h->sim->link.side[h->side];
	uint32_t left = h->chunk;

	while (!h->echo && left && h->queued < h->total && tcp_send_space(s->tcp, h->c)) {
		uint32_t n = 1 + below(h->sim, h->chunk < 2000 ? h->chunk : 2000);
		struct buf *b = buf_alloc(&s->pool);

		if (!b)
			return;
		if (h->even)
			n = h->even;
		if (n > h->total - h->queued)
			n = (uint32_t)(h->total - h->queued);
		n = n < buf_tailroom(b) ? n : (uint32_t)buf_tailroom(b);
		for (uint32_t i = 0; i < n; i++)
			b->data[i] = pattern(h, h->side, h->queued + i);
		b->len = (uint16_t)n;
		h->queued += n;
		tcp_send(s->tcp, h->c, b);
		left -= n < left ? n : left;
	}
}

static void end(struct half *h)
{
	h->why = tcp_why(h->c);
	tcp_release(h->sim->link.side[h->side].tcp, h->c);
	h->c = NULL;
	h->done = true;
	h->wake_us = UINT64_MAX;
}

static void act(struct half *h)
{
	struct tcp_stack *t = h->sim->link.side[h->side].tcp;

	read_some(h);
	if (tcp_why(h->c) != TCP_WHY_NONE) {
		while (tcp_recv_queue(h->c)->bytes && !h->sim->error && !h->echo)
			read_some(h);
		if (tcp_eof(h->c) && !h->echo && h->got != other(h)->queued)
			fail(h, "over, but bytes are missing");
		end(h);
		return;
	}
	write_some(h);
	if (h->queued >= h->abort_at) {
		tcp_abort(t, h->c);
		end(h);
		return;
	}
	if (tcp_eof(h->c) && !tcp_recv_queue(h->c)->bytes && !h->eof) {
		h->eof = true;
		if (h->got != other(h)->queued || !other(h)->shut)
			fail(h, "end of stream, but bytes are missing");
	}
	if (!h->shut && (h->echo ? h->eof : h->queued >= h->total)) {
		h->shut = true;
		tcp_shutdown(t, h->c);
		if (h->rude)
			end(h);
	}
}

static void nap(struct half *h)
{
	uint32_t us = 1 + below(h->sim, h->nap_us);

	if (below(h->sim, 50) == 0)
		us += below(h->sim, 3000000); /* a zero-window stall */
	h->wake_us = h->sim->link.now_us + us;
}

/* The half that a new connection belongs to; NULL: its client has gone on to another port. */
static struct half *accepted(struct sim *m, struct tcp_conn *c)
{
	struct half *h = NULL;

	for (uint32_t i = 0; i < m->n_pairs; i++) {
		if (m->pair[i].running && m->pair[i].port == __builtin_bswap16(tcp_peer(c)->rport))
			h = &m->pair[i].half[1];
	}
	if (!h) {
		tcp_release(m->link.side[1].tcp, c);
		return NULL;
	}
	if (h->c) /* the client has given up on the one before it */
		end(h);
	h->c = c;
	h->queued = h->got = 0;
	h->done = h->shut = h->eof = false;
	tcp_set_user(c, h);
	nap(h);
	return h;
}

static void handle(struct sim *m, uint32_t side)
{
	struct tcp_conn *c;
	uint32_t events;

	while ((c = tcp_next_ready(m->link.side[side].tcp, &events))) {
		struct half *h = tcp_user(c);

		if (events & TCP_EV_ACCEPTED)
			h = accepted(m, c);
		if (!h)
			continue;
		if (events & TCP_EV_CLOSED || below(m, 4) == 0)
			act(h);
	}
}

/* ---- conversations -------------------------------------------------------------------------- */

static void draw_half(struct sim *m, struct half *h, uint32_t pair, uint32_t side)
{
	static const uint32_t totals[] = {0, 1, 100, 3000, 20000, 120000};

	*h = (struct half){.sim = m, .pair = pair, .side = side, .abort_at = UINT64_MAX};
	h->total = below(m, totals[below(m, 6)] + 1);
	h->chunk = below(m, 3) ? 1 + below(m, 20000) : 1 + below(m, 300);
	h->nap_us = below(m, 3) ? 2000 : 100000;
	if (h->chunk < 300 && h->total > 5000)
		h->total = 5000;
	if (h->chunk > 1000 && pair % 2)
		h->even = 1000 + pair % 3 * 224; /* 1000, 1224, 1448 */
	h->rude = below(m, 12) == 0;
	if (below(m, 12) == 0)
		h->abort_at = below(m, (uint32_t)h->total + 1);
	h->wake_us = UINT64_MAX;
	h->done = side == 1; /* until it is accepted */
}

static void start_round(struct sim *m, uint32_t i)
{
	struct pair *p = &m->pair[i];
	struct tcp_peer peer;
	struct half *h = &p->half[0];

	draw_half(m, &p->half[0], i, 0);
	draw_half(m, &p->half[1], i, 1);
	if (below(m, 4) == 0) {
		p->half[1].echo = true;
		p->half[1].rude = false;
		p->half[1].abort_at = UINT64_MAX;
		if (p->half[1].chunk < 1000)
			p->half[1].chunk = 1000;
	}
	/* an old segment may carry a cookie that is still good: RFC 4987 knows no way around it */
	if (!p->port || below(m, 2) || m->link.conf.tcp.backlog < 2)
		p->port = (uint16_t)(20000 + i * 1000 + m->next_port++);
	peer = link_peer(&m->link, p->port, 80);
	if (!tcp_port_free(m->link.side[0].tcp, &peer)) {
		p->port = 0;
		return;
	}
	h->c = tcp_connect(m->link.side[0].tcp, &peer, 60000000, m->link.now_us);
	if (!h->c)
		return;
	tcp_set_user(h->c, h);
	p->running = true;
	nap(h);
}

static void finish_round(struct sim *m, struct pair *p)
{
	p->running = false;
	p->rounds--;
	for (int i = 0; i < 2; i++) {
		if (p->half[i].why == TCP_WHY_TIMEOUT)
			m->dead++;
		if (p->half[i].why == TCP_WHY_FINISHED)
			m->finished++;
	}
}

static uint64_t act_all(struct sim *m)
{
	uint64_t next = UINT64_MAX;

	for (uint32_t i = 0; i < m->n_pairs; i++) {
		struct pair *p = &m->pair[i];

		for (uint32_t k = 0; k < 2; k++) {
			struct half *h = &p->half[k];

			if (h->c && h->wake_us <= m->link.now_us) {
				nap(h);
				act(h);
			}
			if (h->c && h->wake_us < next)
				next = h->wake_us;
		}
		if (p->running && p->half[0].done && p->half[1].done)
			finish_round(m, p);
		if (!p->running && p->rounds)
			start_round(m, i);
		if (!p->running && p->rounds) /* no port: try again soon */
			next = m->link.now_us + 1000000;
		if (p->running && p->half[0].wake_us < next)
			next = p->half[0].wake_us;
	}
	return next;
}

static bool busy(const struct sim *m)
{
	for (uint32_t i = 0; i < m->n_pairs; i++) {
		if (m->pair[i].running || m->pair[i].rounds)
			return true;
	}
	return m->link.side[0].tcp->slab.used || m->link.side[1].tcp->slab.used;
}

static void say_stuck(const struct sim *m)
{
	for (uint32_t i = 0; i < 2; i++) {
		const struct link_side *s = &m->link.side[i];

		fprintf(stderr, "stuck: side %u: %u connections, %u of %u buffers\n", i,
		        s->tcp->slab.used, s->pool.live, s->pool.limit);
		for (uint32_t k = 0; k < s->tcp->slab.fresh; k++) {
			const struct tcp_conn *c = tcp_conn_at(s->tcp, k);

			if (c->state == TCP_FREE)
				continue;
			fprintf(stderr,
			        "  state %u flags %x una %u nxt %u wnd %u sndq %u rcvq %u/%u ooo "
			        "%u "
			        "lost %u retx %u sacked %u cwnd %u rtx_at %u idle_at %u\n",
			        c->state, c->flags, c->snd_una, c->snd_nxt, c->snd_wnd,
			        c->sndq.bytes, c->rcvq.bytes, c->rcvq.n, c->ooo_n, c->lost, c->retx,
			        c->sacked, c->cwnd, c->rtx_at, c->idle_at);
		}
	}
}

static void run(struct sim *m)
{
	uint64_t limit = m->link.now_us + LIMIT_US, next;

	while (busy(m) && !m->error && !m->link.failed) {
		handle(m, 0);
		handle(m, 1);
		next = act_all(m);
		link_flush(&m->link);
		if (m->link.now_us > limit) {
			m->error = "stuck";
			say_stuck(m);
			break;
		}
		if (link_next(&m->link) < next)
			next = link_next(&m->link);
		if (next == UINT64_MAX)
			next = m->link.now_us + 1000000;
		link_run(&m->link, next);
	}
}

/* ---- one seed ------------------------------------------------------------------------------- */

static uint32_t pick(struct rng *r, const uint32_t *of, uint32_t n)
{
	return of[rng_below(r, n)];
}

static struct link_conf draw_conf(struct rng *r)
{
	static const uint32_t rates[] = {0, 0, 0, 5, 20, 100, 200};
	static const uint32_t delays[] = {10, 200, 5000, 40000};
	static const uint32_t mtus[] = {1500, 1500, 1280, 600, 9000, 120};
	static const uint32_t bufs[] = {256 * 1024, 65536, 20000, 3000, 500};
	struct link_conf c = {0};

	c.loss_permille = pick(r, rates, 7);
	c.dup_permille = pick(r, rates, 6);
	c.corrupt_permille = pick(r, rates, 5);
	c.reorder_permille = pick(r, rates, 7);
	c.delay_us = pick(r, delays, 4);
	c.jitter_us = rng_below(r, 4) ? 0 : c.delay_us;
	c.hold_us = rng_below(r, 2) ? 0 : 5000;
	c.bytes_per_second = rng_below(r, 3) ? 0 : 200000 + rng_below(r, 100000000);
	c.queue_us = 20000;
	c.v6 = rng_below(r, 2);
	c.mtu[0] = (uint16_t)pick(r, mtus, 6);
	c.mtu[1] = (uint16_t)pick(r, mtus, 6);
	if (c.mtu[1] > 2000 || c.mtu[0] > 2000)
		c.mtu[0] = c.mtu[1] = 2000; /* frames fit the test's buffers */
	c.pool_limit = rng_below(r, 4) ? 100000 : 60 + rng_below(r, 300);
	c.device_sums = rng_below(r, 2);
	tcp_config_default(&c.tcp);
	c.tcp.max_conns = rng_below(r, 4) ? 64 : 8;
	c.tcp.backlog = rng_below(r, 4) ? 16 : rng_below(r, 2);
	c.tcp.rcvbuf_bytes = pick(r, bufs, 5);
	c.tcp.sndbuf_bytes = pick(r, bufs, 5);
	if (rng_below(r, 2))
		c.tcp.keepalive_idle_us = 3000000;
	c.tcp.keepalive_intvl_us = 1000000;
	c.start_us = rng_below(r, 2) ? 1000000 : rng_next(r) >> 16; /* numbers wrap at any time */
	return c;
}

/* What both ports' devices do of what is sent. */
enum device {
	DEVICE_NOTHING,
	DEVICE_AS_DRAWN,
	DEVICE_CUTS,
};

static void draw_device(struct link_conf *c, enum device device, uint64_t seed)
{
	if (device == DEVICE_NOTHING || (device == DEVICE_AS_DRAWN && seed % 4))
		return;
	c->tx_tcp_csum = c->tx_gather = true;
	c->tx_ip_csum = seed % 3; /* virtio does not */
	c->tx_tso_bufs = seed % 5 ? 64 : 4;
	if (seed % 7 == 0) { /* the sums of two buffers in software */
		c->tx_tcp_csum = false;
		c->tx_tso_bufs = 0;
	}
}

/* What one seed did. */
struct outcome {
	uint32_t finished, dead, n_log;
	uint64_t *log;
	uint64_t tso, segments, gathered, copies;
};

static void count_devices(const struct sim *m, struct outcome *out)
{
	for (uint32_t i = 0; i < 2; i++) {
		const uint64_t *n = m->link.side[i].counters;

		out->tso += n[COUNT_TX_TSO];
		out->segments += n[COUNT_TX_TSO_SEGMENTS];
		out->gathered += n[COUNT_TX_GATHERED];
		out->copies += n[COUNT_TX_COPIES];
	}
}

static bool run_seed(uint64_t seed, FILE *trace, enum device device, struct outcome *out)
{
	struct rng r = rng_seed(seed * 2 + 1);
	struct sim *m = calloc(1, sizeof(*m));
	struct link_conf conf = draw_conf(&r);
	bool ok;

	if (!m)
		abort();
	m->rng = r;
	draw_device(&conf, device, seed);
	if (device != DEVICE_AS_DRAWN)
		conf.pool_limit = 100000; /* buffers of headers are more buffers */
	link_init(&m->link, &conf, seed);
	m->link.trace = trace;
	if (trace)
		fprintf(trace,
		        "loss %u dup %u corrupt %u reorder %u delay %u mtu %u,%u pool %u rcvbuf %u "
		        "sndbuf %u\n",
		        conf.loss_permille, conf.dup_permille, conf.corrupt_permille,
		        conf.reorder_permille, conf.delay_us, conf.mtu[0], conf.mtu[1],
		        conf.pool_limit, conf.tcp.rcvbuf_bytes, conf.tcp.sndbuf_bytes);
	m->n_pairs = 1 + below(m, PAIRS_MAX);
	for (uint32_t i = 0; i < m->n_pairs; i++)
		m->pair[i].rounds = 1 + below(m, 3);
	run(m);
	ok = !m->error && !m->link.failed;
	out->finished += m->finished;
	out->dead += m->dead;
	count_devices(m, out);
	out->log = m->link.log;
	out->n_log = m->link.n_log;
	m->link.log = NULL;
	if (ok)
		ok = link_fini(&m->link); /* a failed run leaves its memory to be looked at */
	free(m);
	return ok;
}

/* Both ways of one seed send the same. */
static bool run_twins(uint64_t seed, struct outcome *out)
{
	struct outcome software = {0}, *device = out;
	bool ok = run_seed(seed, NULL, DEVICE_NOTHING, &software) &&
	          run_seed(seed, NULL, DEVICE_CUTS, device);
	uint32_t n = software.n_log < device->n_log ? software.n_log : device->n_log, i = 0;

	while (ok && i < n && software.log[i] == device->log[i])
		i++;
	if (ok && (i < n || software.n_log != device->n_log)) {
		fprintf(stderr, "frame %u of %u differs from software's of %u\n", i, device->n_log,
		        software.n_log);
		ok = false;
	}
	free(software.log);
	return ok;
}

int main(int argc, char **argv)
{
	uint64_t seed = argc > 1 ? strtoull(argv[1], NULL, 0) : 1;
	uint64_t count = argc > 2 ? strtoull(argv[2], NULL, 0) : 1;
	bool twin = argc > 3;
	struct outcome all = {0};

	for (uint64_t i = 0; i < count; i++) {
		bool ok =
			twin ? run_twins(seed + i, &all)
			     : run_seed(seed + i, argc > 2 ? NULL : stdout, DEVICE_AS_DRAWN, &all);

		free(all.log);
		all.log = NULL;
		if (ok)
			continue;
		fprintf(stderr, "seed %" PRIu64 " failed: sim_tcp %" PRIu64 "%s replays it\n",
		        seed + i, seed + i, twin ? " 1 twin" : "");
		return 1;
	}
	printf("%" PRIu64 " seeds, %u ends finished, %u timed out; %" PRIu64
	       " frames to be cut into %" PRIu64 " segments, %" PRIu64 " gathered, %" PRIu64
	       " copied\n",
	       count, all.finished, all.dead, all.tso, all.segments, all.gathered, all.copies);
	if (twin && count >= 100 && (all.segments <= 2 * all.tso || all.gathered < 50))
		return 1; /* it shows nothing */
	/* with at most a fifth lost, giving up must stay rare */
	return count >= 100 && all.dead * 20 > all.finished;
}
