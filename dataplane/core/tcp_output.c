/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Segments out: what may be sent now, and how it becomes a frame.
 *
 * A flush looks once at every touched connection. First what is lost goes again, then new data, then
 * FIN, all within the congestion window and (new data) the peer's window; an ACK that is due and
 * found no data to ride on goes alone. Payload is sent out of the queue's own buffer: the header is
 * written in front of it, unless the buffer is shared or lacks the room. Then header and payload are
 * gathered by the device out of two buffers, or, if it does not, the payload is copied.
 *
 * A device that cuts (TSO) gets a run of new segments as one frame:
 *
 *   header [1448] [1448] [1448] [700] PSH      one buffer each, as if sent one by one
 *
 * Runs are cut where the buffers end, so buffers but the last have one length. Whatever else looks at the
 * queue sees no difference: one buffer is one segment on the wire. What is sent again goes alone.
 *
 * Sources: RFC 9293 section 3.8, RFC 6675 section 5, RFC 1122 section 4.2.3.4 (silly windows; no
 * Nagle: a proxy's answers are whole, and waiting for an ACK would only delay them).
 */
#include "tcp_parts.h"

#include <errno.h>
#include <string.h>

#define TCP_HEADER     20
#define IPPROTO_V4_LEN 20
#define IPPROTO_V6_LEN 40
#define OUT_SPARE      64  /* frames left free in net_out for ACKs and other layers */
#define TSO_LEAST      512 /* bytes of payload: devices have a least MSS (i40e: 256) */

/* RFC 9293 section 3.1. */
struct header {
	be16_t sport, dport;
	be32_t seq, ack;
	uint8_t offset; /* high four bits: header length in words */
	uint8_t flags;
	be16_t wnd, csum, urgent;
};
static_assert(sizeof(struct header) == TCP_HEADER, "as on the wire");

/* What a header is to say. */
struct segment {
	uint32_t seq, ack;
	uint16_t wnd;
	uint8_t flags;
	struct tcp_options opt;
};

static uint16_t ip_header_bytes(const struct tcp_peer *p)
{
	return ip_is_v4(&p->remote) ? IPPROTO_V4_LEN : IPPROTO_V6_LEN;
}

/* Write header and options so that they end at payload; returns the first byte of the header. */
static uint8_t *write_header(uint8_t *payload, const struct tcp_peer *p, const struct segment *g)
{
	uint8_t opts[TCP_OPTIONS_MAX];
	uint32_t n = tcp_options_write(opts, &g->opt);
	uint8_t *l4 = payload - n - TCP_HEADER;
	struct header h = {
		.sport = p->lport,
		.dport = p->rport,
		.seq = __builtin_bswap32(g->seq),
		.ack = __builtin_bswap32(g->ack),
		.offset = (uint8_t)((TCP_HEADER + n) << 2),
		.flags = g->flags,
		.wnd = __builtin_bswap16(g->wnd),
	};

	memcpy(l4, &h, sizeof(h));
	memcpy(l4 + TCP_HEADER, opts, n);
	return l4;
}

/* ---- without a connection ------------------------------------------------------------------- */

void tcp_output_stray(struct tcp_stack *s, const struct tcp_bare *bare)
{
	struct segment g = {bare->seq, bare->ack, bare->wnd, bare->flags, {0}};
	struct buf *b = buf_alloc(s->env.pool);
	struct net_path path = {0};
	struct net_segment out = {.src = &bare->peer->local, .dst = &bare->peer->remote};

	if (!b) {
		tcp_count(s, COUNT_NO_BUFFER);
		return;
	}
	if (bare->opt)
		g.opt = *bare->opt;
	out.l4 = write_header(b->data, bare->peer, &g);
	out.len = (uint16_t)(b->data - out.l4);
	out.sum = 0;
	net_send_tcp(s->env.net, &path, b, &out);
}

void tcp_output_refuse(struct tcp_stack *s, const struct tcp_seg *g)
{
	struct tcp_bare b = {.peer = &g->peer, .flags = TCP_RST};

	if (g->flags & TCP_RST)
		return;
	if (g->flags & TCP_ACK) {
		b.seq = g->ack;
	} else {
		b.flags |= TCP_ACK;
		b.ack = g->end;
	}
	tcp_count(s, COUNT_TCP_RST_SENT);
	tcp_output_stray(s, &b);
}

/* ---- sizes ---------------------------------------------------------------------------------- */

uint16_t tcp_output_our_mss(struct tcp_stack *s, struct net_path *path, const struct tcp_peer *peer)
{
	uint16_t mtu = net_mtu(s->env.net, path, &peer->remote);
	uint16_t headers = (uint16_t)(ip_header_bytes(peer) + TCP_HEADER);

	return mtu > headers ? (uint16_t)(mtu - headers) : 536;
}

void tcp_output_set_mss(struct tcp_stack *s, struct tcp_conn *c)
{
	uint16_t ours = tcp_output_our_mss(s, &c->path, &c->peer);
	uint16_t mss = ours < c->peer_mss ? ours : c->peer_mss;

	/* RFC 6691: the MSS does not count options, so they come off here */
	c->mss = c->flags & TCP_F_TS ? (uint16_t)(mss - 12) : mss;
}

/* ---- of a connection ------------------------------------------------------------------------ */

static void add_timestamp(const struct tcp_stack *s, const struct tcp_conn *c,
                          struct tcp_options *o)
{
	o->has |= TCP_OPT_TS;
	o->tsval = tcp_now_ms(s) + c->ts_offset;
	o->tsecr = c->ts_recent;
}

/* Everything in the header but seq and flags; room: bytes that SACK blocks may take. */
static void describe(struct tcp_stack *s, struct tcp_conn *c, struct segment *g, uint32_t room)
{
	uint32_t wnd = tcp_recv_window(s, c), blocks = TCP_SACK_MAX;

	g->ack = c->rcv_nxt;
	g->wnd = (uint16_t)(wnd >> c->rcv_ws > UINT16_MAX ? UINT16_MAX : wnd >> c->rcv_ws);
	g->opt = (struct tcp_options){0};
	if (c->flags & TCP_F_TS) {
		add_timestamp(s, c, &g->opt);
		blocks = 3;
	}
	while (blocks && room < 4 + blocks * 8)
		blocks--;
	if (c->flags & TCP_F_SACK && (c->ooo || c->flags & TCP_F_DSACK) && blocks) {
		g->opt.n_sack = (uint8_t)tcp_recv_blocks(c, g->opt.sack, blocks);
		c->flags &= ~TCP_F_DSACK;
	}
}

/* An ACK has gone out with this header. */
static void ack_sent(struct tcp_conn *c, const struct segment *g)
{
	uint32_t edge = g->ack + ((uint32_t)g->wnd << c->rcv_ws);

	if (seq_gt(edge, c->rcv_adv))
		c->rcv_adv = edge;
	c->ack_sent = g->ack;
	c->flags &= ~TCP_F_ACK_NOW;
	c->ack_segs = 0;
	c->ack_at = 0;
}

/* payload NULL: all is in b. */
static int send_segment(struct tcp_stack *s, struct tcp_conn *c, struct buf *b, struct buf *payload,
                        struct net_segment *out)
{
	out->src = &c->peer.local;
	out->dst = &c->peer.remote;
	if (payload)
		return net_send_gathered(s->env.net, &c->path, b, payload, out);
	return net_send_tcp(s->env.net, &c->path, b, out);
}

int tcp_output_bare(struct tcp_stack *s, struct tcp_conn *c, uint32_t seq, uint8_t flags)
{
	struct segment g = {.seq = seq, .flags = flags};
	struct buf *b = buf_alloc(s->env.pool);
	struct net_segment out;

	if (!b) {
		tcp_count(s, COUNT_NO_BUFFER);
		return -ENOMEM;
	}
	describe(s, c, &g, TCP_OPTIONS_MAX);
	out.l4 = write_header(b->data, &c->peer, &g);
	out.len = (uint16_t)(b->data - out.l4);
	out.sum = 0;
	ack_sent(c, &g);
	return send_segment(s, c, b, NULL, &out);
}

uint32_t tcp_output_offer(const struct tcp_stack *s, const struct tcp_conn *c)
{
	if (c->flags & TCP_F_CHOSEN)
		return c->flags & TCP_F_OPTIONS;
	return s->config.timestamps ? TCP_F_OPTIONS : TCP_F_OPTIONS & ~TCP_F_TS;
}

int tcp_output_syn(struct tcp_stack *s, struct tcp_conn *c)
{
	struct segment g = {.seq = c->snd_una, .flags = TCP_SYN};
	struct buf *b = buf_alloc(s->env.pool);
	bool answer = c->state == TCP_SYN_RCVD;
	uint32_t options = answer ? c->flags : tcp_output_offer(s, c);
	uint32_t wnd = tcp_recv_bound(s);
	struct net_segment out;

	if (!b) {
		tcp_count(s, COUNT_NO_BUFFER);
		return -ENOMEM;
	}
	g.wnd = (uint16_t)(wnd > UINT16_MAX ? UINT16_MAX : wnd); /* never scaled: RFC 7323 2.2 */
	g.opt.has = TCP_OPT_MSS;
	g.opt.mss = tcp_output_our_mss(s, &c->path, &c->peer);
	if (c->mss_told && c->mss_told < g.opt.mss)
		g.opt.mss = c->mss_told;
	c->mss_told = g.opt.mss;
	if (options & TCP_F_SACK)
		g.opt.has |= TCP_OPT_SACK_OK;
	if (options & TCP_F_TS)
		add_timestamp(s, c, &g.opt);
	if (options & TCP_F_WSCALE) {
		g.opt.has |= TCP_OPT_WSCALE;
		g.opt.wscale = c->flags & TCP_F_CHOSEN ? c->rcv_ws : s->rcv_ws;
	}
	if (answer) {
		g.flags |= TCP_ACK;
		g.ack = c->rcv_nxt;
		c->ack_sent = c->rcv_nxt;
		c->rcv_adv = c->rcv_nxt + g.wnd;
	}
	out.l4 = write_header(b->data, &c->peer, &g);
	out.len = (uint16_t)(b->data - out.l4);
	out.sum = 0;
	return send_segment(s, c, b, NULL, &out);
}

static struct buf *copy_of(struct tcp_stack *s, const struct buf *b)
{
	struct buf *copy = buf_alloc(s->env.pool);

	if (!copy) {
		tcp_count(s, COUNT_NO_BUFFER);
		return NULL;
	}
	if (b->len > buf_tailroom(copy)) {
		buf_free(copy);
		return NULL;
	}
	memcpy(copy->data, b->data, b->len);
	copy->len = b->len;
	tcp_count(s, COUNT_TX_COPIES);
	return copy;
}

/* The payload of b for the device to read where it is, and a buffer for the header. */
static struct buf *gather(struct tcp_stack *s, struct buf *b, struct buf **payload)
{
	struct buf *header = buf_alloc(s->env.pool);

	*payload = header ? buf_view(s->env.pool, b) : NULL;
	if (*payload) {
		tcp_count(s, COUNT_TX_GATHERED);
		return header;
	}
	tcp_count(s, COUNT_NO_BUFFER);
	if (header)
		buf_free(header);
	return NULL;
}

/* New segments that go to a device as one frame, which cuts it; zero: none. */
struct run {
	const uint8_t *l4; /* TCP header of the first one; NULL: nothing to be continued */
	uint16_t bytes;    /* of payload in each */
};

/* This segment may be the first of several; SACK blocks would be those of all. */
static void start_run(struct run *r, const struct tcp_conn *c, const struct buf *b,
                      const struct segment *g, const uint8_t *l4)
{
	bool can = c->path.tso && b->len >= TSO_LEAST && !g->opt.n_sack;

	*r = (struct run){can ? l4 : NULL, b->len};
}

static void mark_sent(const struct tcp_stack *s, struct buf *b)
{
	b->mark = (b->mark & TCP_MARK_FLAGS) | (uint32_t)(s->now_us << TCP_MARK_TIME_BITS);
}

/* A header of its own would have blocks, or the run is over. */
static bool ends_run(const struct run *r, const struct tcp_conn *c, const struct buf *b)
{
	return !r->l4 || b->len > r->bytes || c->ooo || c->flags & TCP_F_DSACK || buf_shared(b);
}

/* Send the buffer as another segment of the run; false: it has to go alone. */
static bool continue_run(struct tcp_stack *s, struct tcp_conn *c, struct run *r, struct buf *b,
                         uint8_t flags)
{
	const struct net_more more = {r->l4, r->bytes, flags};

	if (ends_run(r, c, b))
		return false;
	buf_ref(b);
	if (!net_send_more(s->env.net, &c->path, b, &more)) {
		buf_free(b);
		return false;
	}
	if (b->len < r->bytes)
		r->l4 = NULL;
	mark_sent(s, b);
	return true;
}

/* Send a buffer of the queue as one segment; false: no buffer to send it with. */
static bool send_data(struct tcp_stack *s, struct tcp_conn *c, struct buf *b, uint8_t flags,
                      struct run *run)
{
	struct segment g = {.seq = b->seq, .flags = (uint8_t)(flags | TCP_ACK)};
	struct net_segment out = {.sum = b->flags & BUF_SUMMED ? b->sum : NET_SUM_UNKNOWN};
	struct buf *frame = b, *payload = NULL;
	uint32_t opts;

	describe(s, c, &g, c->mss > b->len ? (uint32_t)(c->mss - b->len) : 0);
	opts = (g.opt.has & TCP_OPT_TS ? 12 : 0) + (g.opt.n_sack ? 4u + g.opt.n_sack * 8u : 0);
	if (buf_shared(b) || buf_headroom(b) < NET_HEADROOM + TCP_HEADER + opts) {
		frame = net_gathers(s->env.net, &c->path) ? gather(s, b, &payload) : copy_of(s, b);
		if (!frame)
			return false;
	} else {
		buf_ref(b);
	}
	out.l4 = write_header(frame->data, &c->peer, &g);
	out.len = (uint16_t)(frame->data - out.l4 + b->len);
	mark_sent(s, b);
	ack_sent(c, &g);
	start_run(run, c, b, &g, out.l4);
	send_segment(s, c, frame, payload, &out);
	return true;
}

static uint8_t retransmit_flags(const struct tcp_conn *c, const struct buf *b)
{
	bool last = c->flags & TCP_F_FIN_SENT && b == c->sndq.last;

	return last ? TCP_PSH | TCP_FIN : TCP_PSH;
}

static bool retransmit(struct tcp_stack *s, struct tcp_conn *c, struct buf *b)
{
	uint8_t flags = retransmit_flags(c, b);
	struct run alone = {0};

	if (!send_data(s, c, b, flags, &alone))
		return false;
	tcp_count(s, COUNT_TCP_RETRANSMITS);
	b->mark |= TCP_MARK_EVER_RETX;
	if (b->mark & TCP_MARK_LOST && !(b->mark & TCP_MARK_RETX)) {
		b->mark |= TCP_MARK_RETX;
		c->retx += b->len;
	}
	if (flags & TCP_FIN)
		c->flags &= ~TCP_F_FIN_LOST;
	return true;
}

/* ---- what may be sent ----------------------------------------------------------------------- */

/* Is there room for more frames of ours on the connection's port? */
static bool out_has_room(struct tcp_stack *s, const struct tcp_conn *c)
{
	const struct net_out *out = net_out(s->env.net, c->path.port);

	return out->n + out->n_pieces + OUT_SPARE < NET_OUT_MAX;
}

static bool cwnd_allows(struct tcp_conn *c, uint32_t bytes)
{
	uint32_t pipe = tcp_pipe(c);

	if (pipe + bytes <= c->cwnd || pipe == 0)
		return true;
	c->flags |= TCP_F_CWND_LIMITED;
	return false;
}

/*
 * How much of a lost segment to send. A peer may have taken back window (it must not, but those short
 * of memory do): then only what fits goes, and of what lies beyond only the very first segment, as a
 * probe.
 */
static uint16_t repair_bytes(const struct tcp_conn *c, const struct buf *b)
{
	uint32_t edge = c->snd_una + c->snd_wnd, most = b->len < c->mss ? b->len : c->mss;

	if (seq_leq(edge, b->seq))
		return b->seq == c->snd_una ? (uint16_t)most : 0;
	return (uint16_t)(edge - b->seq < most ? edge - b->seq : most);
}

/* Send what is lost, one segment; false: nothing (more) to be sent again now. */
static bool send_lost(struct tcp_stack *s, struct tcp_conn *c)
{
	struct buf *before, *b;
	uint16_t len;

	if (c->lost <= c->retx)
		return false;
	b = tcp_sack_next_lost(c, &before);
	if (!b)
		return false;
	if (!(c->flags & TCP_F_RTX_NOW) && !cwnd_allows(c, b->len))
		return false;
	len = repair_bytes(c, b);
	if (len == 0)
		return false;
	if (len < b->len) {
		b = tcp_sendq_split(s, c, before, len);
		if (!b)
			return false;
	}
	c->flags &= ~TCP_F_RTX_NOW;
	return retransmit(s, c, b);
}

/* Bytes behind snd_nxt that the peer's window takes. */
static uint32_t usable_window(const struct tcp_conn *c)
{
	uint32_t edge = c->snd_una + c->snd_wnd;

	return seq_gt(edge, c->snd_nxt) ? edge - c->snd_nxt : 0;
}

/* The next new segment that the peer's window takes; NULL: none now. */
static struct buf *next_new(struct tcp_stack *s, struct tcp_conn *c)
{
	struct buf *b = tcp_unsent(c);
	uint32_t usable = usable_window(c);

	if (!b || usable == 0)
		return NULL;
	b = tcp_sendq_segment(s, c);
	if (!b || b->len <= usable)
		return b;
	/* RFC 1122 section 4.2.3.4: only a worthwhile part, or when the persist timer insists */
	if (usable < c->snd_wnd_max / 2 && !(c->flags & TCP_F_SPLIT))
		return NULL;
	return tcp_sendq_split(s, c, c->snd_last, (uint16_t)usable);
}

static void start_flight(struct tcp_stack *s, struct tcp_conn *c)
{
	uint32_t now = tcp_now_ms(s), restart = tcp_cubic_initial(c);

	if (c->snd_una != c->snd_nxt)
		return;
	/* RFC 5681 section 4.1: after silence the old window says nothing of the path */
	if (now - c->progress_ms > tcp_ack_rto_us(c) / 1000 && c->cwnd > restart)
		c->cwnd = restart;
	c->progress_ms = now;
}

static bool send_new(struct tcp_stack *s, struct tcp_conn *c, struct run *run)
{
	struct buf *b = next_new(s, c);
	uint8_t flags = 0;

	if (!b || !cwnd_allows(c, b->len))
		return false;
	if (!b->next) {
		flags = TCP_PSH;
		if (c->flags & TCP_F_SHUT && usable_window(c) > b->len)
			flags |= TCP_FIN;
	}
	start_flight(s, c);
	if (!continue_run(s, c, run, b, flags) && !send_data(s, c, b, flags, run))
		return false;
	c->snd_last = b;
	c->flags &= ~TCP_F_SPLIT;
	c->snd_nxt = b->seq + b->len;
	if (flags & TCP_FIN) {
		c->snd_nxt++;
		c->flags |= TCP_F_FIN_SENT;
	}
	return true;
}

/* FIN on its own: nothing unsent is left, or the last segment went without it. */
static void send_fin(struct tcp_stack *s, struct tcp_conn *c)
{
	bool first = !(c->flags & TCP_F_FIN_SENT);

	if (!(c->flags & TCP_F_SHUT) || tcp_unsent(c) || (!first && !(c->flags & TCP_F_FIN_LOST)))
		return;
	if (first && usable_window(c) == 0)
		return;
	if (first) {
		start_flight(s, c);
		c->snd_nxt++;
		c->flags |= TCP_F_FIN_SENT;
	} else {
		tcp_count(s, COUNT_TCP_RETRANSMITS);
	}
	c->flags &= ~TCP_F_FIN_LOST;
	tcp_output_bare(s, c, c->snd_nxt - 1, TCP_FIN | TCP_ACK);
}

bool tcp_output_probe(struct tcp_stack *s, struct tcp_conn *c)
{
	struct run alone = {0};
	struct buf *b;

	if (tcp_unsent(c) && tcp_unsent(c)->len <= c->mss &&
	    usable_window(c) >= tcp_unsent(c)->len) {
		c->cwnd +=
			c->mss; /* RFC 8985 section 7.3: the probe may exceed cwnd by one segment */
		send_new(s, c, &alone);
		c->cwnd -= c->mss;
		return true;
	}
	b = c->snd_last;
	if (!b || b->mark & TCP_MARK_SACKED) {
		if (!(c->flags & TCP_F_FIN_SENT))
			return false;
		tcp_output_bare(s, c, c->snd_nxt - 1, TCP_FIN | TCP_ACK);
		return true;
	}
	return retransmit(s, c, b);
}

/*
 * Sequence number of an ACK without data: snd_nxt, unless the peer took back window. Beyond its window
 * it would not look at the ACK, and both sides would wait for ever.
 */
static uint32_t bare_seq(const struct tcp_conn *c)
{
	uint32_t edge = c->snd_una + c->snd_wnd;

	return tcp_is_synchronized(c) && seq_lt(edge, c->snd_nxt) ? edge : c->snd_nxt;
}

/* Returns false when the connection has to be looked at again: the device's queue is full. */
static bool flush_conn(struct tcp_stack *s, struct tcp_conn *c)
{
	uint32_t nxt = c->snd_nxt;
	struct run run = {0};

	if (c->state == TCP_SYN_SENT || c->state == TCP_CLOSED || c->flags & TCP_F_SPLICED)
		return true;
	c->flags &= ~TCP_F_CWND_LIMITED;
	if (tcp_is_synchronized(c)) {
		while (out_has_room(s, c) &&
		       (send_lost(s, c) || (c->lost <= c->retx && send_new(s, c, &run))))
			;
		if (!out_has_room(s, c))
			return false;
		if (c->lost <= c->retx)
			send_fin(s, c);
	}
	if (c->flags & TCP_F_ACK_NOW)
		tcp_output_bare(s, c, bare_seq(c), TCP_ACK);
	if (nxt != c->snd_nxt && c->flags & TCP_F_TLP)
		tcp_timers_restart(s, c); /* the tail is a new one */
	else if (c->sndq.first || c->flags & TCP_F_SHUT)
		tcp_timers_start(s, c);
	tcp_timers_sync(s, c);
	return true;
}

void tcp_flush(struct tcp_stack *s, uint64_t now_us)
{
	struct tcp_list *l = &s->list[TCP_LIST_OUTPUT];
	uint32_t left = l->n;

	s->now_us = now_us;
	while (left--) {
		struct tcp_conn *c = tcp_conn_at(s, l->first - 1);

		tcp_list_remove(s, c, TCP_LIST_OUTPUT);
		if (!flush_conn(s, c))
			tcp_list_push(s, c, TCP_LIST_OUTPUT);
	}
}
