/* SPDX-License-Identifier: BSD-3-Clause */
#include "tcp_link.h"

#include "tcp_state.h"

#include <stdlib.h>
#include <string.h>

#define NEIGHS   16
#define L2_BYTES 14

enum stage {
	STAGE_HELD,    /* the sending device still reads it */
	STAGE_ON_WIRE, /* arrives at `at` */
};

struct link_frame {
	uint64_t at, order;
	enum stage stage;
	uint32_t to;
	struct buf *held; /* reference of the sending device */
	const uint8_t *frame;
	uint16_t len;
	uint8_t flags;    /* enum net_tx_flag */
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

static void put_on_wire(struct link *l, uint32_t from, const struct net_tx *tx)
{
	struct link_frame *f = need(malloc(sizeof(*f) + tx->len));
	uint64_t sent = wire_time(l, from, tx->len);

	*f = (struct link_frame){.to = !from, .len = tx->len, .flags = tx->flags};
	memcpy(f->bytes, tx->frame, tx->len);
	f->arrives = sent + l->conf.delay_us;
	if (l->conf.jitter_us && !l->clean)
		f->arrives += rng_below(&l->rng, l->conf.jitter_us);
	if (chance(l, l->conf.reorder_permille))
		f->arrives += rng_below(&l->rng, 3 * l->conf.delay_us + 1000);
	if (!sent || (is_ip(tx->frame) && chance(l, l->conf.loss_permille)))
		f->arrives = 0;
	trace(l, f->arrives ? "send to" : "LOST to", f->to, f->bytes, f->len);
	f->stage = STAGE_HELD;
	f->held = tx->buf;
	f->frame = tx->frame;
	f->at = l->now_us + (l->conf.hold_us ? rng_below(&l->rng, l->conf.hold_us) : 0);
	if (f->arrives && f->at > f->arrives)
		f->at = f->arrives;
	heap_push(l, f);
}

static void collect(struct link *l)
{
	for (uint32_t from = 0; from < 2; from++) {
		struct net_out *out = net_out(l->side[from].net, 0);

		for (uint32_t i = 0; i < out->n; i++)
			put_on_wire(l, from, &out->tx[i]);
		out->n = 0;
	}
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
	if (memcmp(f->frame, f->bytes, f->len) != 0) {
		fprintf(stderr, "frame written while the device held it\n");
		l->failed = true;
	}
	buf_free(f->held);
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

		if (f->stage == STAGE_HELD)
			buf_free(f->held);
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
