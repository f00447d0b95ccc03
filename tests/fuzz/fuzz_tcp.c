/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Any segments at all into a stack with a connection in any state; after each the books must balance.
 *
 *   byte 0        state to start from, and whether the peer has SACK and timestamps
 *   then records  kind, and for kind:
 *     0..2  a segment: flags, seq offset (2), ack offset (2), window (2), payload length, options (8)
 *     3     raw bytes: length, bytes
 *     4     time passes: tenths of a second
 *     5     the layer above reads   6  sends   7  shuts down   8  releases   9  aborts
 *     10    an ICMP error           11 the pool is empty, or full again
 */
#include "tcp_rig.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct input {
	const uint8_t *p;
	size_t left;
};

static uint8_t take(struct input *in)
{
	if (!in->left)
		return 0;
	in->left--;
	return *in->p++;
}

static uint16_t take16(struct input *in)
{
	uint8_t high = take(in);

	return (uint16_t)(high << 8 | take(in));
}

#define need(ok) need_at(ok, __LINE__)
static void need_at(bool ok, int line)
{
	if (ok)
		return;
	fprintf(stderr, "invariant of line %d broken\n", line);
	abort();
}

static void check_queue(const struct tcp_conn *c)
{
	uint32_t bytes = 0, n = 0, sacked = 0, lost = 0, retx = 0;
	uint32_t seq = c->snd_una + (c->state == TCP_SYN_SENT); /* SYN comes first */
	bool sent = c->snd_last != NULL, seen = !sent;

	for (const struct buf *b = c->sndq.first; b; b = b->next) {
		need(b->seq == seq && b->len > 0);
		seq += b->len;
		bytes += b->len;
		n++;
		sacked += b->mark & TCP_MARK_SACKED ? b->len : 0;
		lost += b->mark & TCP_MARK_LOST ? b->len : 0;
		retx += b->mark & TCP_MARK_RETX ? b->len : 0;
		need(!(b->mark & TCP_MARK_RETX) || b->mark & TCP_MARK_LOST);
		need(!(b->mark & TCP_MARK_SACKED) || !(b->mark & TCP_MARK_LOST));
		need(sent || !(b->mark & TCP_MARK_FLAGS));
		if (b == c->snd_last) {
			seen = true;
			sent = false;
		}
	}
	need(seen && bytes == c->sndq.bytes && n == c->sndq.n);
	need(lost == c->lost && retx == c->retx);
	need(!(c->flags & TCP_F_SACK) || sacked == c->sacked);
}

static void check_conn(const struct tcp_stack *s, const struct tcp_conn *c)
{
	uint32_t bytes = 0, n = 0, edge = c->rcv_nxt;

	if (c->state != TCP_CLOSED)
		check_queue(c);
	for (const struct buf *b = c->rcvq.first; b; b = b->next) {
		bytes += b->len;
		n++;
	}
	need(bytes == c->rcvq.bytes && n == c->rcvq.n);
	need(bytes <= s->config.rcvbuf_bytes + (1u << c->rcv_ws));
	n = 0;
	for (const struct buf *b = c->ooo; b; b = b->next, n++) {
		need(b->len > 0 && seq_geq(b->seq, edge) && (n || b->seq != c->rcv_nxt));
		edge = b->seq + b->len;
	}
	need(n == c->ooo_n && n <= s->ooo_max);
	need(c->state == TCP_CLOSED || c->state == TCP_TIME_WAIT || !n ||
	     seq_leq(edge, c->rcv_adv));
	need(c->state < TCP_ESTABLISHED || c->state == TCP_TIME_WAIT || c->cwnd >= c->mss);
	need(c->state == TCP_CLOSED || seq_leq(c->snd_una, c->snd_nxt));
	if (tcp_is_synchronized(c) && c->snd_una != c->snd_nxt)
		need(c->rtx_at && timer_armed(&c->timer));
}

static void check(struct tcp_rig *r)
{
	const struct tcp_stack *s = r->tcp;
	uint32_t live = 0, half_open = 0, waiting = 0;

	for (uint32_t i = 0; i < s->slab.fresh; i++) {
		const struct tcp_conn *c = tcp_conn_at(s, i);

		if (c->state == TCP_FREE)
			continue;
		live++;
		half_open += c->state == TCP_SYN_RCVD;
		waiting += c->state == TCP_TIME_WAIT;
		check_conn(s, c);
	}
	need(live == s->slab.used && half_open == s->half_open);
	need(waiting == r->rig.counters[COUNT_TCP_TIME_WAIT]);
}

static void segment(struct tcp_rig *r, struct input *in)
{
	struct tcp_rig_seg g = {.flags = take(in), .absolute = true};
	struct tcp_conn *c = r->c;

	g.seq = (c ? c->rcv_nxt : TCP_RIG_ISS) + (uint32_t)(int16_t)take16(in);
	g.ack = (c ? c->snd_una : r->iss) + (uint32_t)(int16_t)take16(in);
	g.wnd = take16(in);
	g.zero_wnd = g.wnd == 0;
	g.len = take(in);
	g.opt.n_sack = take(in) & 3;
	for (uint32_t i = 0; i < g.opt.n_sack; i++) {
		g.opt.sack[i].start = g.ack + take16(in);
		g.opt.sack[i].end = g.opt.sack[i].start + take16(in);
	}
	if (g.opt.n_sack && g.flags & TCP_SYN)
		g.opt.n_sack = 0; /* both do not fit into a header */
	tcp_rig_in(r, &g);
}

static void raw(struct tcp_rig *r, struct input *in)
{
	uint8_t bytes[256] = {0};
	uint32_t n = take(in);

	for (uint32_t i = 0; i < n; i++)
		bytes[i] = take(in);
	if (n >= 4) { /* else hardly any would meet the connection */
		bytes[0] = (uint8_t)(r->port >> 8), bytes[1] = (uint8_t)r->port;
		bytes[2] = 0, bytes[3] = (uint8_t)r->our_port;
	}
	tcp_rig_raw(r, bytes, (uint16_t)n, BUF_L4_CSUM_OK);
}

static void icmp(struct tcp_rig *r, struct input *in)
{
	struct net_icmp_error e = {
		.local = rig_addr("10.0.0.1"),
		.remote = rig_addr("10.0.0.2"),
		.lport = __builtin_bswap16(r->our_port),
		.rport = __builtin_bswap16(r->port),
	};
	uint8_t kind = take(in);

	e.too_big = kind & 1;
	e.hard = kind & 2;
	e.mtu = take16(in);
	e.seq = (r->c ? r->c->snd_una : 0) + take(in);
	tcp_icmp(r->tcp, &e, r->rig.now_us);
}

static void read_all(struct tcp_rig *r, uint32_t n)
{
	struct bufq out = {0};

	if (n & 1 && n <= tcp_recv_queue(r->c)->bytes)
		tcp_recv_take(r->tcp, r->c, n, &out);
	bufq_clear(&out);
	tcp_recv_drop(r->tcp, r->c,
	              n < tcp_recv_queue(r->c)->bytes ? n : tcp_recv_queue(r->c)->bytes);
}

static void above(struct tcp_rig *r, uint8_t what, struct input *in)
{
	if (!r->c || r->c->state == TCP_FREE || !(r->c->flags & TCP_F_USER))
		return;
	switch (what) {
	case 5: read_all(r, take16(in)); break;
	case 6: tcp_rig_send(r, take16(in) % 20000); break;
	case 7: tcp_shutdown(r->tcp, r->c); break;
	case 8:
		tcp_release(r->tcp, r->c);
		r->c = NULL;
		break;
	case 9: tcp_abort(r->tcp, r->c); break;
	default: break;
	}
}

/* dry: the pool is empty while the stack sends. Returns it for the next step. */
static bool step(struct tcp_rig *r, struct input *in, bool dry)
{
	uint8_t what = take(in) % 12;

	switch (what) {
	case 0:
	case 1:
	case 2: segment(r, in); break;
	case 3: raw(r, in); break;
	case 4: tcp_rig_wait(r, take(in) * 100000ull); break;
	case 10: icmp(r, in); break;
	case 11: dry = !dry; break;
	default: above(r, what, in); break;
	}
	check(r);
	if (dry)
		r->rig.pool.limit = r->rig.pool.live; /* only now: segments in need a buffer too */
	tcp_rig_flush(r);
	r->rig.pool.limit = UINT32_MAX;
	check(r);
	tcp_rig_drain(r);
	return dry;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct tcp_rig r;
	struct input in = {data, size};
	uint8_t first = take(&in);
	bool dry = false;

	tcp_rig_init(&r);
	r.config.max_conns = 4;
	r.config.backlog = first & 0x80 ? 0 : 4;
	r.config.rcvbuf_bytes = 3000;
	r.config.keepalive_idle_us = first & 0x40 ? 1000000 : 0;
	r.sack = first & 0x10;
	r.ts = first & 0x20;
	r.exact = true;
	if (first & 0x80)
		first = TCP_CLOSED; /* with cookies there is no SYN_RCVD to go through */
	tcp_rig_start(&r);
	tcp_rig_bring_to(&r, (enum tcp_state)((first & 15) % TCP_STATES));
	if (r.c && !(r.c->flags & TCP_F_USER))
		r.c = NULL;
	while (in.left)
		dry = step(&r, &in, dry);
	tcp_rig_stop(&r);
	return 0;
}
