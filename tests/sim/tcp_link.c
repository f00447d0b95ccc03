/* SPDX-License-Identifier: BSD-3-Clause */
#include "tcp_link.h"

#include "model_send.h"
#include "tcp_state.h"

#include <stdlib.h>
#include <string.h>

#define NEIGHS   16
#define L2_BYTES 14

enum stage {
	STAGE_HELD,    /* the sending device still reads it */
	STAGE_ON_WIRE, /* arrives at `at` */
};

/* What a device reads, with its reference to the buffer, and how it was when it was told. */
struct held {
	struct buf *buf;
	const uint8_t *at;
	uint16_t len;
	uint8_t *was;
};

#define HELD_MOST 2 /* header and payload */

struct link_frame {
	uint64_t at, order;
	enum stage stage;
	uint32_t to;
	struct held held[HELD_MOST];
	uint16_t len;
	uint8_t flags;    /* of this file */
	uint64_t arrives; /* of a held one */
	uint8_t bytes[];
};

static void *need(void *p)
{
	if (!p)
		abort();
	return p;
}

static void *memory(size_t n)
{
	void *p = need(aligned_alloc(64, (n + 63) & ~(size_t)63));

	memset(p, 0, n);
	return p;
}

/* ---- heap of frames ------------------------------------------------------------------------- */

static bool sooner(const struct link_frame *a, const struct link_frame *b)
{
	return a->at != b->at ? a->at < b->at : a->order < b->order;
}

static void heap_push(struct link *l, struct link_frame *f)
{
	uint32_t i = l->n++;

	if (l->n > l->room) {
		l->room = l->room ? l->room * 2 : 256;
		l->heap = need(realloc(l->heap, l->room * sizeof(*l->heap)));
	}
	f->order = l->order++;
	for (; i && sooner(f, l->heap[(i - 1) / 2]); i = (i - 1) / 2)
		l->heap[i] = l->heap[(i - 1) / 2];
	l->heap[i] = f;
}

static struct link_frame *heap_pop(struct link *l)
{
	struct link_frame *top = l->heap[0], *f = l->heap[--l->n];
	uint32_t i = 0, kid;

	while ((kid = 2 * i + 1) < l->n) {
		if (kid + 1 < l->n && sooner(l->heap[kid + 1], l->heap[kid]))
			kid++;
		if (!sooner(l->heap[kid], f))
			break;
		l->heap[i] = l->heap[kid];
		i = kid;
	}
	l->heap[i] = f;
	return top;
}

/* ---- sending -------------------------------------------------------------------------------- */

static bool chance(struct link *l, uint32_t permille)
{
	return !l->clean && rng_below(&l->rng, 1000) < permille;
}

static bool is_ip(const uint8_t *frame)
{
	return (frame[12] == 8 && frame[13] == 0) || (frame[12] == 0x86 && frame[13] == 0xdd);
}

static void trace(const struct link *l, const char *what, uint32_t to, const uint8_t *f,
                  uint32_t len)
{
	const uint8_t *t = f + L2_BYTES + (f[12] == 8 ? 20 : 40);
	uint32_t seq, ack, header;

	if (!l->trace || !is_ip(f) || len < L2_BYTES + 40)
		return;
	memcpy(&seq, t + 4, 4);
	memcpy(&ack, t + 8, 4);
	header = (uint32_t)(t - f) + (uint32_t)(t[12] >> 4) * 4;
	fprintf(l->trace, "%12.6f %s %u: %u>%u%s%s%s%s seq %u len %u ack %u win %u opt %u\n",
	        (double)l->now_us / 1e6, what, to, t[0] << 8 | t[1], t[2] << 8 | t[3],
	        t[13] & 2 ? " SYN" : "", t[13] & 1 ? " FIN" : "", t[13] & 4 ? " RST" : "",
	        t[13] & 16 ? " ACK" : "", __builtin_bswap32(seq), len > header ? len - header : 0,
	        __builtin_bswap32(ack), t[14] << 8 | t[15], (t[12] >> 4) * 4 - 20);
}

/* When the wire has carried the frame; 0: its queue was full. */
static uint64_t wire_time(struct link *l, uint32_t from, uint32_t len)
{
	struct link_side *s = &l->side[from];
	uint64_t begin = s->wire_free_us > l->now_us ? s->wire_free_us : l->now_us;

	if (!l->conf.bytes_per_second)
		return l->now_us;
	if (begin - l->now_us > l->conf.queue_us)
		return 0;
	s->wire_free_us = begin + len * 1000000ull / l->conf.bytes_per_second;
	return s->wire_free_us;
}

static void hold(struct link_frame *f, struct buf *b, const uint8_t *at, uint16_t len)
{
	struct held *h = f->held[0].buf ? &f->held[1] : &f->held[0];

	*h = (struct held){b, at, len, need(malloc(len ? len : 1u))};
	memcpy(h->was, at, len);
}

/* Give the buffers back; false: somebody wrote to them meanwhile. */
static bool let_go(struct link_frame *f)
{
	bool same = true;

	for (uint32_t i = 0; i < HELD_MOST && f->held[i].buf; i++) {
		same &= memcmp(f->held[i].at, f->held[i].was, f->held[i].len) == 0;
		free(f->held[i].was);
		buf_free(f->held[i].buf);
	}
	memset(f->held, 0, sizeof(f->held));
	return same;
}

/* For comparison of what two runs send: but for what a device that cuts may choose (RFC 6864). */
static void log_frame(struct link *l, uint32_t from, const uint8_t *frame, uint32_t len)
{
	uint64_t hash = (l->now_us * 2 + from) * 0x9e3779b97f4a7c15ull;
	bool v4 = frame[12] == 8 && frame[13] == 0;

	for (uint32_t i = 0; i < len; i++) {
		bool free = v4 && (i == 18 || i == 19 || i == 24 || i == 25);

		hash = (hash ^ (free ? 0 : frame[i])) * 0x100000001b3ull;
	}
	if (l->n_log == l->log_room) {
		l->log_room = l->log_room ? l->log_room * 2 : 1024;
		l->log = need(realloc(l->log, l->log_room * sizeof(*l->log)));
	}
	l->log[l->n_log++] = hash;
}

/* An entry of net_out on its way through the device. */
struct sending {
	struct link *l;
	uint32_t from;
	const struct net_tx *tx;
	const struct net_piece *piece, *end; /* those that no frame took yet */
};

/* Frame i of the entry. One buffer of payload is one frame, as it would be without the device's help. */
static void put_on_wire(void *arg, uint32_t i, const uint8_t *frame, uint32_t len)
{
	struct sending *g = arg;
	struct link *l = g->l;
	struct link_frame *f = need(malloc(sizeof(*f) + len));
	uint64_t sent = wire_time(l, g->from, len);
	bool apart = g->tx->flags & NET_TX_TSO ? i == 0 && g->tx->len <= 100 : true;

	*f = (struct link_frame){.to = !g->from, .len = (uint16_t)len};
	memcpy(f->bytes, frame, len);
	log_frame(l, g->from, frame, len);
	f->arrives = sent + l->conf.delay_us;
	if (l->conf.jitter_us && !l->clean)
		f->arrives += rng_below(&l->rng, l->conf.jitter_us);
	if (chance(l, l->conf.reorder_permille))
		f->arrives += rng_below(&l->rng, 3 * l->conf.delay_us + 1000);
	if (!sent || (is_ip(frame) && chance(l, l->conf.loss_permille)))
		f->arrives = 0;
	trace(l, f->arrives ? "send to" : "LOST to", f->to, f->bytes, f->len);
	f->stage = STAGE_HELD;
	if (i == 0)
		hold(f, g->tx->buf, g->tx->frame, g->tx->len);
	if ((i || apart) && g->piece < g->end) {
		hold(f, g->piece->buf, g->piece->data, g->piece->len);
		g->piece++;
	}
	f->at = l->now_us + (l->conf.hold_us ? rng_below(&l->rng, l->conf.hold_us) : 0);
	if (f->arrives && f->at > f->arrives)
		f->at = f->arrives;
	heap_push(l, f);
}

static void collect_side(struct link *l, uint32_t from)
{
	struct net_out *out = net_out(l->side[from].net, 0);
	const struct net_piece *piece = out->piece;

	for (uint32_t i = 0; i < out->n; i++) {
		const struct net_tx *tx = &out->tx[i];
		struct sending g = {l, from, tx, piece, piece + tx->n_pieces};

		if (!model_send(tx, piece, l->conf.tx_tso_bufs, put_on_wire, &g) ||
		    g.piece != g.end)
			l->failed = true;
		piece += tx->n_pieces;
	}
	if (piece != out->piece + out->n_pieces)
		l->failed = true;
	out->n = out->n_pieces = 0;
}

static void collect(struct link *l)
{
	collect_side(l, 0);
	collect_side(l, 1);
}

void link_flush(struct link *l)
{
	for (uint32_t i = 0; i < 2; i++)
		tcp_flush(l->side[i].tcp, l->now_us);
	collect(l);
}

/* ---- receiving ------------------------------------------------------------------------------ */

static void corrupt(struct link *l, struct link_frame *f)
{
	uint32_t from = L2_BYTES + (f->bytes[12] == 8 ? 20 : 40);

	if (!is_ip(f->bytes) || f->len <= from || !chance(l, l->conf.corrupt_permille))
		return;
	f->bytes[from + rng_below(&l->rng, f->len - from)] ^=
		(uint8_t)(1 + rng_below(&l->rng, 255));
	if (l->conf.device_sums)
		f->flags |= 0x80; /* found by the receiving device */
}

/* Turn SACK-permitted into NOPs and the checksum with it. */
static void blank_sack(struct link_frame *f)
{
	uint8_t *t = f->bytes + L2_BYTES + (f->bytes[12] == 8 ? 20 : 40);
	uint32_t csum, i, end;

	if (!is_ip(f->bytes) || !(t[13] & 2))
		return;
	end = (uint32_t)(t[12] >> 4) * 4;
	for (i = 20; i + 1 < end; i += t[i] == 1 ? 1 : t[i + 1]) {
		if (t[i] != 4)
			continue;
		t[i] = t[i + 1] = 1; /* 0x0402 becomes 0x0101: the sum falls by 0x0301 */
		csum = (uint32_t)(t[16] << 8 | t[17]) + 0x0301;
		csum = (csum & 0xffff) + (csum >> 16);
		t[16] = (uint8_t)(csum >> 8);
		t[17] = (uint8_t)csum;
	}
}

static void deliver(struct link *l, struct link_frame *f)
{
	struct link_side *s = &l->side[f->to];
	struct buf *b;
	struct pkt p;
	struct net_icmp_error e;
	enum drop end;

	if (l->no_sack)
		blank_sack(f);
	corrupt(l, f);
	trace(l, "recv at", f->to, f->bytes, f->len);
	b = bufs_from(&s->pool, f->bytes, f->len);
	if (!b)
		return; /* a device without buffers */
	if (l->conf.device_sums && is_ip(f->bytes))
		b->flags |= f->flags & 0x80 ? BUF_L4_CSUM_BAD : BUF_L4_CSUM_OK;
	l->delivered++;
	s->received++;
	end = net_parse(s->net, b, &p);
	if (end == DROP_COUNT && p.kind == PKT_TCP) {
		end = tcp_input(s->tcp, &p, l->now_us);
	} else if (end == DROP_COUNT && net_icmp_error(s->net, &p, &e)) {
		tcp_icmp(s->tcp, &e, l->now_us);
		buf_free(p.buf);
		end = DROP_ICMP_TCP;
	} else if (end == DROP_COUNT) {
		end = net_input(s->net, &p, l->now_us);
	}
	s->ends[end]++;
	if (l->trace && end != DROP_TCP_IN)
		fprintf(l->trace, "%12.6f end %s\n", (double)l->now_us / 1e6, drop_name(end));
}

/* The device has read the frame: nobody may have written to it meanwhile. */
static void release_held(struct link *l, struct link_frame *f)
{
	if (!let_go(f)) {
		fprintf(stderr, "frame written while the device held it\n");
		l->failed = true;
	}
	if (!f->arrives) {
		free(f);
		return;
	}
	f->stage = STAGE_ON_WIRE;
	f->at = f->arrives;
	if (chance(l, l->conf.dup_permille)) {
		struct link_frame *twin = need(malloc(sizeof(*f) + f->len));

		memcpy(twin, f, sizeof(*f) + f->len);
		twin->at += rng_below(&l->rng, 2 * l->conf.delay_us + 100);
		heap_push(l, twin);
	}
	heap_push(l, f);
}

static void fire(void *arg, struct timer *t, uint64_t now_us)
{
	tcp_timer(arg, t, now_us);
}

void link_run(struct link *l, uint64_t now_us)
{
	l->now_us = now_us;
	while (l->n && l->heap[0]->at <= now_us) {
		struct link_frame *f = heap_pop(l);

		if (f->stage == STAGE_HELD) {
			release_held(l, f);
			continue;
		}
		deliver(l, f);
		free(f);
	}
	for (uint32_t i = 0; i < 2; i++) {
		net_tick(l->side[i].net, now_us);
		timer_turn(&l->side[i].wheel, now_us, fire, l->side[i].tcp);
	}
	link_flush(l);
}

uint64_t link_next(const struct link *l)
{
	uint64_t next = l->n ? l->heap[0]->at : UINT64_MAX, t;

	for (uint32_t i = 0; i < 2; i++) {
		t = timer_next(&l->side[i].wheel);
		next = t < next ? t : next;
		t = net_next(l->side[i].net);
		next = t < next ? t : next;
		if (l->side[i].tcp->list[TCP_LIST_OUTPUT].n)
			next = l->now_us;
	}
	return next > l->now_us ? next : l->now_us + 1;
}

/* ---- start and end -------------------------------------------------------------------------- */

static int listen_fn(void *arg, const struct ip_addr *addr, be16_t port)
{
	const struct link_side *s = arg;

	(void)addr;
	(void)port;
	return s->listen;
}

static struct ip_addr parse(const char *text)
{
	struct ip_addr a;

	if (!ip_parse(text, &a))
		abort();
	return a;
}

static void side_init(struct link *l, uint32_t i)
{
	struct link_side *s = &l->side[i];
	struct tcp_env env;

	s->pool = bufs_pool(l->conf.pool_limit);
	s->node.n_ports = 1;
	s->port.mac[0] = 2;
	s->port.mac[5] = (uint8_t)(i + 1);
	s->port.mtu = l->conf.mtu[i];
	s->port.addrs[0] = (struct node_prefix){parse(i ? "10.0.0.2" : "10.0.0.1"), 96 + 24};
	s->port.addrs[1] = (struct node_prefix){parse(i ? "2001:db8::2" : "2001:db8::1"), 64};
	s->port.n_addrs = 2;
	s->port.tx_ip_csum = l->conf.tx_ip_csum;
	s->port.tx_tcp_csum = l->conf.tx_tcp_csum;
	s->port.tx_gather = l->conf.tx_gather;
	s->port.tx_tso_bufs = l->conf.tx_tso_bufs;
	s->addr = s->port.addrs[l->conf.v6 ? 1 : 0].addr;
	s->listen = i ? 0 : TCP_LISTEN_NONE;
	timer_init(&s->wheel, l->now_us);
	s->net = net_init(memory(net_bytes(NEIGHS)), NEIGHS, &s->node, &s->port, &s->pool, true,
	                  s->counters);
	env = (struct tcp_env){
		.net = s->net,
		.pool = &s->pool,
		.wheel = &s->wheel,
		.listen = listen_fn,
		.listen_arg = s,
		.counters = s->counters,
	};
	for (uint32_t k = 0; k < sizeof(env.secret); k++)
		env.secret[k] = (uint8_t)rng_next(&l->rng);
	s->tcp = tcp_init(memory(tcp_bytes(&l->conf.tcp)), &l->conf.tcp, &env);
	s->tcp->now_us = l->now_us;
}

void link_init(struct link *l, const struct link_conf *conf, uint64_t seed)
{
	*l = (struct link){.conf = *conf, .rng = rng_seed(seed), .now_us = conf->start_us};
	side_init(l, 0);
	side_init(l, 1);
}

bool link_fini(struct link *l)
{
	bool ok = !l->failed;

	while (l->n) {
		struct link_frame *f = heap_pop(l);

		let_go(f);
		free(f);
	}
	for (uint32_t i = 0; i < 2; i++) {
		struct link_side *s = &l->side[i];

		if (s->tcp->slab.used || s->counters[COUNT_TCP_CONNS] || s->tcp->half_open) {
			fprintf(stderr, "side %u: %u connections leaked\n", i, s->tcp->slab.used);
			ok = false;
		}
		net_fini(s->net);
		if (s->pool.live) {
			fprintf(stderr, "side %u: %u buffers leaked\n", i, s->pool.live);
			ok = false;
		}
		tcp_fini(s->tcp);
		free(s->net);
		free(s->tcp);
	}
	free(l->heap);
	free(l->log);
	return ok;
}

struct tcp_peer link_peer(const struct link *l, uint16_t a, uint16_t b)
{
	return (struct tcp_peer){
		.local = l->side[0].addr,
		.remote = l->side[1].addr,
		.lport = __builtin_bswap16(a),
		.rport = __builtin_bswap16(b),
	};
}
