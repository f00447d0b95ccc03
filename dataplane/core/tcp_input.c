/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Segments in: from bytes to the row of the state table, and the checks that all synchronized states
 * share (RFC 9293 section 3.10.7.4, with RFC 7323 and RFC 5961).
 *
 *   header, options, checksum -> find connection -> tcp_step[state][class] -> named end
 *
 * A pair that the table does not list is an end of its own, TCP_BAD_STATE.
 */
#include "csum.h"
#include "fetch.h"
#include "tcp_parts.h"

#include <string.h>

#define TCP_HEADER     20
#define TCP_PROTO      6
#define CHALLENGE_UNIT 6 /* log2 ms */
#define CHALLENGE_GAP  8 /* units: half a second between challenges to one peer */

enum tcp_class tcp_classify(uint8_t flags)
{
	if (flags & TCP_RST)
		return TCP_CLASS_RST;
	if (flags & TCP_SYN)
		return flags & TCP_ACK ? TCP_CLASS_SYN_ACK : TCP_CLASS_SYN;
	return flags & TCP_ACK ? TCP_CLASS_ACK : TCP_CLASS_NONE;
}

/* ---- bytes ---------------------------------------------------------------------------------- */

static uint32_t get32(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return __builtin_bswap32(v);
}

/*
 * The payload is summed on its own and the sum kept with the buffer, so that forwarding it in a
 * segment of ours needs no second walk. Header bytes are a multiple of four: no byte is swapped.
 */
static bool checksum_ok(const struct pkt *p, uint32_t header)
{
	struct buf *b = p->buf;
	uint16_t sum, payload;

	if (b->flags & BUF_L4_CSUM_OK)
		return true;
	if (b->flags & BUF_L4_CSUM_BAD)
		return false;
	payload = csum_add(p->l4 + header, p->l4_len - header);
	sum = csum_pseudo(&p->src, &p->dst, TCP_PROTO, p->l4_len);
	sum = csum_combine(sum, csum_add_header(p->l4, header), 0);
	sum = csum_combine(sum, payload, 0);
	if (csum_finish(sum) != 0)
		return false;
	b->sum = payload;
	return true;
}

/* DROP_COUNT: g is filled and its buffer's view is the payload. */
static enum drop read_segment(struct pkt *p, struct tcp_seg *g)
{
	const uint8_t *h = p->l4;
	bool summed = !(p->buf->flags & (BUF_L4_CSUM_OK | BUF_L4_CSUM_BAD));
	uint32_t header;

	if (p->l4_len < TCP_HEADER)
		return DROP_TCP_HEADER;
	header = (uint32_t)(h[12] >> 4) * 4;
	if (header < TCP_HEADER || header > p->l4_len)
		return DROP_TCP_HEADER;
	if (!checksum_ok(p, header))
		return DROP_TCP_CSUM;
	if (!tcp_options_read(h + TCP_HEADER, header - TCP_HEADER, &g->opt))
		return DROP_TCP_HEADER;
	g->peer = (struct tcp_peer){p->dst, p->src, p->dport, p->sport};
	g->seq = get32(h + 4);
	g->ack = get32(h + 8);
	g->flags = h[13];
	g->wnd = (uint16_t)(h[14] << 8 | h[15]);
	g->len = (uint16_t)(p->l4_len - header);
	g->end = g->seq + g->len + !!(g->flags & TCP_SYN) + !!(g->flags & TCP_FIN);
	g->buf = p->buf;
	buf_pull(g->buf, (uint16_t)header);
	if (summed)
		g->buf->flags |= BUF_SUMMED;
	return DROP_COUNT;
}

void tcp_input_hash(const struct tcp_stack *s, struct pkt *p)
{
	const struct tcp_peer peer = {p->dst, p->src, p->dport, p->sport};

	p->hash = tcp_table_hash(s, &peer);
	tcp_table_fetch(s, p->hash);
}

void tcp_input_fetch(const struct tcp_stack *s, const struct pkt *p)
{
	const uint8_t *c = (const uint8_t *)tcp_table_guess(s, p->hash);

	for (uint32_t line = 0; c && line < sizeof(struct tcp_conn); line += 64)
		fetch_line(c + line);
}

void tcp_input_user(const struct tcp_stack *s, const struct pkt *p)
{
	const struct tcp_conn *c = tcp_table_guess(s, p->hash);

	if (!c)
		return;
	fetch_line(c->sndq.first);
	fetch_line(c->user);
	fetch_line((const void *)((uintptr_t)c->user + 64)); /* user may be NULL */
}

enum drop tcp_input(struct tcp_stack *s, struct pkt *p, uint64_t now_us)
{
	tcp_input_hash(s, p);
	return tcp_input_burst(s, p, now_us);
}

enum drop tcp_refuse(struct tcp_stack *s, struct pkt *p, enum drop end, uint64_t now_us)
{
	struct tcp_seg g;
	enum drop bad;

	s->now_us = now_us;
	bad = read_segment(p, &g);
	if (bad == DROP_COUNT)
		tcp_output_refuse(s, &g);
	buf_free(p->buf);
	return bad == DROP_COUNT ? end : bad;
}

enum drop tcp_input_burst(struct tcp_stack *s, struct pkt *p, uint64_t now_us)
{
	struct tcp_seg g;
	struct tcp_conn *c;
	const struct tcp_step *step;
	enum drop end;

	s->now_us = now_us;
	end = read_segment(p, &g);
	if (end != DROP_COUNT) {
		buf_free(p->buf);
		return end;
	}
	c = tcp_table_find_hashed(s, &g.peer, p->hash);
	step = &tcp_step[c ? c->state : TCP_CLOSED][tcp_classify(g.flags)];
	end = step->fn ? step->fn(s, c, &g) : DROP_TCP_BAD_STATE;
	if (g.buf)
		buf_free(g.buf);
	return end;
}

/* ---- checks --------------------------------------------------------------------------------- */

void tcp_input_challenge(struct tcp_stack *s, struct tcp_conn *c)
{
	uint16_t now = (uint16_t)(tcp_now_ms(s) >> CHALLENGE_UNIT);

	/* RFC 5961 section 10; per connection, for a common budget would tell others about it */
	if (c->challenge_64ms && (uint16_t)(now - c->challenge_64ms) < CHALLENGE_GAP)
		return;
	c->challenge_64ms = now ? now : 1;
	tcp_ack_now(s, c);
}

bool tcp_input_is_old(const struct tcp_conn *c, const struct tcp_seg *g)
{
	return c->flags & TCP_F_TS && g->opt.has & TCP_OPT_TS && seq_lt(g->opt.tsval, c->ts_recent);
}

static bool is_acceptable(const struct tcp_conn *c, const struct tcp_seg *g)
{
	if (g->end == g->seq)
		return seq_geq(g->seq, c->rcv_nxt) && seq_leq(g->seq, c->rcv_adv);
	/* at the very edge of a closed window: the data is cut off, the ACK still counts */
	return seq_gt(g->end, c->rcv_nxt) && seq_leq(g->seq, c->rcv_adv);
}

static enum drop not_acceptable(struct tcp_stack *s, struct tcp_conn *c, const struct tcp_seg *g)
{
	bool old = seq_leq(g->end, c->rcv_nxt);

	if (g->end == g->seq) {
		tcp_input_challenge(s, c);
		return old ? DROP_TCP_DUP : DROP_TCP_WINDOW;
	}
	if (old && g->len) {
		c->dsack_seq = g->seq;
		c->dsack_len = g->len;
		c->flags |= TCP_F_DSACK;
	}
	tcp_ack_now(s, c);
	return old ? DROP_TCP_DUP : DROP_TCP_WINDOW;
}

/* RFC 5961 section 5.2. */
static bool is_plausible_ack(const struct tcp_conn *c, const struct tcp_seg *g)
{
	return seq_leq(g->ack, c->snd_nxt) && seq_geq(g->ack, c->snd_una - c->snd_wnd_max);
}

/* RFC 7323 section 4.3. */
static void note_timestamp(struct tcp_conn *c, const struct tcp_seg *g)
{
	if (c->flags & TCP_F_TS && g->opt.has & TCP_OPT_TS && seq_leq(g->seq, c->ack_sent) &&
	    seq_geq(g->opt.tsval, c->ts_recent))
		c->ts_recent = g->opt.tsval;
}

static bool is_fin_acked(const struct tcp_conn *c)
{
	return c->flags & TCP_F_FIN_SENT && c->snd_una == c->snd_nxt;
}

/* What the acknowledgement of our FIN does; false: the connection is over. */
static bool step_on_fin_acked(struct tcp_stack *s, struct tcp_conn *c)
{
	if (c->state == TCP_FIN_WAIT_1) {
		c->state = TCP_FIN_WAIT_2;
		if (!(c->flags & TCP_F_USER)) {
			c->idle_at = tcp_deadline(s, s->config.fin_wait_us / 1000);
			tcp_timers_sync(s, c);
		}
	} else if (c->state == TCP_CLOSING) {
		tcp_time_wait_enter(s, c);
	} else if (c->state == TCP_LAST_ACK) {
		tcp_conn_close(s, c, TCP_WHY_FINISHED);
		return false;
	}
	return true;
}

/* ---- handlers ------------------------------------------------------------------------------- */

/*
 * Half open, and the segment acknowledges something else than our SYN. When the first of two copies of
 * the client's SYN met a full backlog, it was answered by a cookie, and the client may hold on to that
 * answer: then the half-open connection of the second copy is the one that nobody wants.
 */
static enum drop wrong_handshake(struct tcp_stack *s, struct tcp_conn *c, struct tcp_seg *g)
{
	if (tcp_cookie_fits(s, g)) {
		tcp_conn_close(s, c, TCP_WHY_REFUSED);
		return tcp_cookie_ack(s, g);
	}
	if (!tcp_cookie_out(s)) /* else it may be that client's second segment, before its first */
		tcp_output_refuse(s, g);
	return DROP_TCP_WINDOW;
}

/* RFC 9293 section 3.10.7.4, and for SYN_RCVD its part of the fifth check. */
static enum drop on_segment(struct tcp_stack *s, struct tcp_conn *c, struct tcp_seg *g)
{
	enum drop end;
	bool news = c->state == TCP_SYN_RCVD;

	if (tcp_input_is_old(c, g)) {
		if (g->len)
			tcp_ack_now(s, c);
		else
			tcp_input_challenge(s, c);
		return DROP_TCP_PAWS;
	}
	if (!is_acceptable(c, g))
		return not_acceptable(s, c, g);
	if (c->state == TCP_SYN_RCVD) {
		if (g->ack != c->snd_nxt)
			return wrong_handshake(s, c, g);
		tcp_handshake_done(s, c, g);
	} else if (!is_plausible_ack(c, g)) {
		tcp_input_challenge(s, c);
		return DROP_TCP_WINDOW;
	}
	note_timestamp(c, g);
	news = news || g->end != g->seq || g->ack != c->snd_una || g->opt.n_sack ||
	       (uint32_t)g->wnd << c->snd_ws != c->snd_wnd;
	tcp_ack_process(s, c, g);
	if (is_fin_acked(c) && !step_on_fin_acked(s, c))
		return DROP_TCP_IN;
	tcp_timers_heard(s, c);
	end = tcp_recv_segment(s, c, g);
	return end == DROP_TCP_IN && !news ? DROP_TCP_DUP : end;
}

/* RFC 5961 section 3.2: exact or nothing. */
static enum drop on_rst(struct tcp_stack *s, struct tcp_conn *c, struct tcp_seg *g)
{
	if (g->seq == c->rcv_nxt) {
		tcp_count(s, COUNT_TCP_RST_RECEIVED);
		if (c->state == TCP_TIME_WAIT)
			tcp_time_wait_end(s, c);
		else
			tcp_conn_close(s, c, TCP_WHY_RESET);
		return DROP_TCP_IN;
	}
	if (seq_gt(g->seq, c->rcv_nxt) && seq_lt(g->seq, c->rcv_adv)) {
		tcp_input_challenge(s, c);
		return DROP_TCP_CHALLENGE;
	}
	return DROP_TCP_WINDOW;
}

/* RFC 5961 section 4.2: a SYN on a synchronized connection is never obeyed. */
static enum drop on_syn(struct tcp_stack *s, struct tcp_conn *c, struct tcp_seg *g)
{
	(void)g;
	tcp_input_challenge(s, c);
	return DROP_TCP_CHALLENGE;
}

#define SYNCHRONIZED                                                                 \
	{                                                                            \
		[TCP_CLASS_SYN] = {on_syn, "RFC 5961 section 4.2"},                  \
		[TCP_CLASS_SYN_ACK] = {on_syn, "RFC 5961 section 4.2"},              \
		[TCP_CLASS_ACK] = {on_segment, "3.10.7.4"},                          \
		[TCP_CLASS_RST] = {on_rst, "3.10.7.4 second, RFC 5961 section 3.2"}, \
	}

const struct tcp_step tcp_step[TCP_STATES][TCP_CLASSES] = {
	[TCP_CLOSED] =
		{
			[TCP_CLASS_SYN] = {tcp_handshake_syn, "3.10.7.2 third"},
			[TCP_CLASS_SYN_ACK] = {tcp_handshake_no_conn, "3.10.7.1, 3.10.7.2 second"},
			[TCP_CLASS_ACK] = {tcp_handshake_no_conn_ack, "3.10.7.1, RFC 4987"},
			[TCP_CLASS_RST] = {tcp_handshake_no_conn, "3.10.7.1, 3.10.7.2 first"},
			[TCP_CLASS_NONE] = {tcp_handshake_no_conn, "3.10.7.1"},
		},
	[TCP_SYN_SENT] =
		{
			/* SYN alone would be a simultaneous open: a proxy's peers listen */
			[TCP_CLASS_SYN_ACK] = {tcp_handshake_syn_ack, "3.10.7.3 fourth"},
			[TCP_CLASS_ACK] = {tcp_handshake_stray_ack, "3.10.7.3 first"},
			[TCP_CLASS_RST] = {tcp_handshake_refused, "3.10.7.3 second"},
		},
	[TCP_SYN_RCVD] =
		{
			[TCP_CLASS_SYN] = {tcp_handshake_syn_again, "3.10.7.4 fourth, RFC 5961 4"},
			[TCP_CLASS_SYN_ACK] = {on_syn, "RFC 5961 section 4.2"},
			[TCP_CLASS_ACK] = {on_segment, "3.10.7.4 fifth"},
			[TCP_CLASS_RST] = {on_rst, "3.10.7.4 second, RFC 5961 section 3.2"},
		},
	[TCP_ESTABLISHED] = SYNCHRONIZED,
	[TCP_FIN_WAIT_1] = SYNCHRONIZED,
	[TCP_FIN_WAIT_2] = SYNCHRONIZED,
	[TCP_CLOSE_WAIT] = SYNCHRONIZED,
	[TCP_CLOSING] = SYNCHRONIZED,
	[TCP_LAST_ACK] = SYNCHRONIZED,
	[TCP_TIME_WAIT] =
		{
			[TCP_CLASS_SYN] = {tcp_time_wait_syn, "3.10.7.4 fourth, RFC 6191"},
			[TCP_CLASS_SYN_ACK] = {on_syn, "RFC 5961 section 4.2"},
			[TCP_CLASS_ACK] = {tcp_time_wait_ack, "3.10.7.4 eighth"},
			[TCP_CLASS_RST] = {on_rst, "3.10.7.4 second, RFC 5961 section 3.2"},
		},
};
