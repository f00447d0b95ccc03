/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The splice of a body: from its begin, at a quiet point, until its sink has acknowledged all that was passed on. Every
 * segment is followed, so that both connections can go on from there.
 */
#include "csum.h"
#include "splice_state.h"
#include "wire.h"

#define HELD_MAX  64         /* segments held for a splice; more are sent again by the peer */
#define LIMIT_MAX 0x40000000 /* bytes of a body that sequence numbers are compared over at once */
#define SLIDE     0x20000000 /* how much of that is behind us before the rest comes into view */
#define BEYOND_MAX \
	65535 /* bytes beyond the window told that are still passed on: probes of a closed window */
#define ASK_US     200000 /* until the source is asked again how far it has got */
#define CLOCK_STEP 10     /* of a time stamp: more is believed only under a right checksum */

static struct splice *of_session(const struct worker *w, const struct session *s)
{
	return slab_at(&w->splice_slab, s->splice - 1);
}

/* ---- windows ------------------------------------------------------------------------------- */

/* How far the source may have been passed on: by a device, what it was told, and a probe of a closed window. */
static uint32_t passed(const struct splice *sp)
{
	uint32_t told = sp->seen[sp->source].rcv_adv + 1;

	if (!sp->dark)
		return sp->next;
	return splice_later(sp->next, splice_after(told, sp->limit) ? sp->limit : told);
}

/* How far it has been passed on for certain: as the source has shown, or the sink has acknowledged. */
static uint32_t reached(const struct splice *sp)
{
	return splice_later(sp->next, sp->seen[sp->source].rcv_nxt);
}

/* It ends, and where is not known, or known from the sink alone. */
static bool is_blind(const struct splice *sp)
{
	return sp->stopping && sp->dark && (!sp->known || reached(sp) != sp->next);
}

/* The last of the source's bytes that may be passed on. */
static uint32_t bound(const struct splice *sp)
{
	if (!sp->stopping)
		return sp->limit;
	return is_blind(sp) ? passed(sp) : sp->next;
}

static bool is_beyond_told(const struct tcp_frozen *source)
{
	return splice_after(source->rcv_nxt, source->rcv_adv);
}

/*
 * What the source is told: the sink's window, but beyond the end of the body no more than we would keep
 * ourselves, for what it sends there comes to us; and not up to that end while a device passes on.
 */
static uint16_t window_for_source(struct worker *w, struct splice *sp)
{
	struct tcp_frozen *source = &sp->seen[sp->source];
	const struct tcp_frozen *sink = &sp->seen[!sp->source];
	uint32_t most = bound(sp) - source->rcv_nxt + tcp_recv_room(w->tcp), edge;
	uint16_t wnd;

	if (is_beyond_told(source))
		return 0;
	wnd = splice_field(sink->snd_wnd < most ? sink->snd_wnd : most, source->rcv_ws);

	edge = source->rcv_nxt + ((uint32_t)wnd << source->rcv_ws);
	if (sp->flow->offload) {
		edge = splice_later(source->rcv_nxt, offload_edge(&w->offload, sp->flow, edge));
		wnd = splice_field(edge - source->rcv_nxt, source->rcv_ws);
	}
	source->rcv_adv =
		splice_later(source->rcv_adv, source->rcv_nxt + ((uint32_t)wnd << source->rcv_ws));
	return wnd;
}

/*
 * What the source hears by a segment of ours: at most that all it was told of has come. A byte that it sent as a probe
 * of a closed window may be the body's last, and were it acknowledged while a device passes on, so would be the
 * next, which is none of the body's.
 */
static void tell_source(struct worker *w, struct splice *sp)
{
	struct tcp_frozen f = sp->seen[sp->source];

	if (is_beyond_told(&f))
		f.rcv_nxt = f.rcv_adv;
	tcp_frozen_ack(w->tcp, splice_conn(sp->session, sp->source), &f);
}

/* No device passes on: what has come may be acknowledged. */
static void acknowledge_all(struct splice *sp)
{
	struct tcp_frozen *source = &sp->seen[sp->source];

	source->rcv_adv = splice_later(source->rcv_adv, source->rcv_nxt);
}

/* The source hears of a window that is larger. */
static void open_window(struct worker *w, struct splice *sp)
{
	struct tcp_frozen *source = &sp->seen[sp->source];
	uint32_t told = source->rcv_adv;

	window_for_source(w, sp);
	if (source->rcv_adv != told)
		tell_source(w, sp);
}

/* What the sink is told: the window that we offered it, for what it sends is held here. */
static uint16_t window_for_sink(const struct splice *sp)
{
	const struct tcp_frozen *sink = &sp->seen[!sp->source];

	return splice_field(sink->rcv_adv - sink->rcv_nxt, sink->rcv_ws);
}

/* ---- begin ---------------------------------------------------------------------------------- */

/* Is the rest of the body, beyond what its sender may send anyway, long enough? */
static bool is_worth_it(const struct worker *w, const struct tcp_conn *from,
                        const struct http1_body *body)
{
	uint64_t least = w->node->splice_bytes;

	if (!w->splice_slab.total || least == NODE_SPLICE_NEVER ||
	    body->framing != HTTP1_BODY_LENGTH || !body->left)
		return false;
	return !least || body->left > tcp_recv_offered(from) + least;
}

static bool is_idle(const struct tcp_conn *c)
{
	return !tcp_recv_queue(c)->first && !tcp_eof(c);
}

static void put_limit(struct splice *sp, uint64_t left)
{
	uint32_t part = left < LIMIT_MAX ? (uint32_t)left : LIMIT_MAX;

	sp->limit = sp->start + part;
	sp->beyond = left - part;
}

static void begin_body(struct worker *w, struct session *s, struct splice *sp,
                       enum flow_side_id source, struct http1_body *body)
{
	sp->session = s;
	sp->source = (uint8_t)source;
	sp->body = body;
	sp->start = sp->next = sp->seen[source].rcv_nxt;
	sp->held_end = sp->seen[!source].rcv_nxt;
	put_limit(sp, body->left);
	s->splice = slab_index(&w->splice_slab, sp) + 1;
	s->activity_us = w->now_us;
	open_window(w, sp);
}

bool splice_body(struct worker *w, struct session *s, enum flow_side_id source,
                 struct http1_body *body)
{
	struct tcp_conn *from = splice_conn(s, source), *to = splice_conn(s, !source);
	bool held = tcp_window_is_held(from);
	struct splice *sp;

	if (!held && !is_worth_it(w, from, body))
		return false;
	if (!is_idle(to) || !splice_fits(w, from, to)) {
		tcp_window_free(w->tcp, from);
		return false;
	}
	if (!tcp_splice_quiet(from, to) || tcp_recv_offered(from) > tcp_send_window(to)) {
		tcp_window_hold(from);
		return false;
	}
	sp = splice_begin(w, s);
	if (!sp) {
		tcp_window_free(w->tcp, from);
		return false;
	}
	begin_body(w, s, sp, source, body);
	return true;
}

/* ---- end ------------------------------------------------------------------------------------ */

/* Bytes that the sink has acknowledged are the body's no more. */
static void account(struct worker *w, struct splice *sp)
{
	uint32_t n = sp->seen[sp->source].rcv_nxt - sp->start;
	struct dest_stats *d = worker_dest_stats(w, sp->session->x->dest_slot);

	if (sp->source == FLOW_SERVER)
		d->rx_bytes += n;
	else
		d->tx_bytes += n;
	sp->body->left -= n;
	sp->start += n;
	put_limit(sp, sp->body->left);
}

/* Segments that were held come to TCP as if they had just arrived. */
static void give_held(struct worker *w, const struct tcp_peer *peer, struct bufq *held)
{
	struct buf *b;

	while ((b = bufq_pop(held))) {
		struct pkt p = {.buf = b,
		                .kind = PKT_TCP,
		                .src = peer->remote,
		                .dst = peer->local,
		                .sport = peer->rport,
		                .dport = peer->lport,
		                .l4 = b->data,
		                .l4_len = b->len};

		tcp_input(w->tcp, &p, w->now_us); /* its end was counted when it was held */
	}
}

/* Its flow is ours, now; false: the device's as yet, and splice_freed() will be called. */
static bool take_back(struct worker *w, struct splice *sp)
{
	return offload_end(&w->offload, sp->flow, OFFLOAD_WHY_LIMIT);
}

/*
 * The connections are TCP's again while a device may still pass on what the source sends. So that one is reset, and the
 * flow rests, as that of a closed tunnel does, until it is ours; what comes for it is TCP's. The sink's connection may
 * go on, when it has got all it waited for, but is no splice meanwhile.
 */
static void rest(struct worker *w, struct splice *sp)
{
	tcp_abort(w->tcp, splice_conn(sp->session, sp->source));
	sp->session = NULL;
	sp->tunnel_next = NULL;
	sp->tunnel_prev = NULL;
	sp->over = true;
	l4_rest(w, sp->flow);
}

static void leave(struct worker *w, struct splice *sp)
{
	struct flow *f = sp->flow;

	if (!take_back(w, sp)) {
		rest(w, sp);
		return;
	}
	splice_free(w, sp);
	l4_end(w, f);
}

/* Both connections go on, the source's from what the sink has acknowledged, unless it has to rest(). */
static void come_back(struct worker *w, struct splice *sp)
{
	struct session *s = sp->session;
	struct tcp_frozen *sink = &sp->seen[!sp->source];
	struct bufq held[2] = {sp->held[0], sp->held[1]};

	account(w, sp);
	acknowledge_all(sp);
	sink->snd_nxt = reached(sp) + sp->way[sp->source].seq_add;
	s->splice = 0;
	s->x->splice_by_us = 0;
	if (sp->dark) /* a device passed on the source's windows */
		tcp_frozen_ack(w->tcp, splice_conn(s, !sp->source), sink);
	for (int side = 0; side < 2; side++)
		tcp_thaw(w->tcp, splice_conn(s, side), &sp->seen[side]);
	memset(sp->held, 0, sizeof(sp->held));
	leave(w, sp);
	worker_count(w, COUNT_SPLICES_ENDED);
	for (int side = 0; side < 2; side++)
		give_held(w, tcp_peer(splice_conn(s, side)), &held[side]);
}

void splice_cut(struct worker *w, struct session *s)
{
	if (s->splice)
		come_back(w, of_session(w, s));
}

void splice_fini(struct worker *w, struct session *s)
{
	if (s->splice)
		splice_free(w, of_session(w, s));
}

/* Has the sink acknowledged all that will be passed on? */
static bool is_acked(const struct splice *sp)
{
	return sp->seen[sp->source].rcv_nxt == bound(sp);
}

/* And has the source sent it? While a device passes on, the sink may say what it wants. */
static bool is_over(const struct splice *sp)
{
	return is_acked(sp) && reached(sp) == sp->next;
}

/*
 * ---- a device --------------------------------------------------------------------------------
 *
 * What a device passes on is not seen: `next` is then what segments of the source have shown since, and any
 * acknowledgement up to the edge that the source was told may be true. The edge stays below the limit while a rule may
 * be there (offload_edge()), so the end of the body itself does not pass unseen, and a body that runs to its end
 * needs nothing else.
 *
 * A splice that has to stop before waits for the device to let go, and then asks the source how far it has got: a
 * segment in front of what it expects is answered by an ACK with its SND.NXT (RFC 9293 section 3.10.7.4, as for
 * keep-alive, section 3.8.4). It is asked again whenever a segment that is held is sent again, and by the session's timer.
 * An answer that was older than it seemed costs time, not bytes: the sink acknowledges more, and it is asked again.
 *
 * A sink that acknowledges what was never sent harms itself alone: the splice does not end before the source has shown
 * all of that, so no connection to an endpoint goes back to its pool with a number that is ahead of it.
 *
 * The source's window field passes as it is, whatever its scale. That only says how much the sink may send
 * meanwhile, and it is held here or sent again; the sink is told our window when the splice is over.
 *
 * SACK: the source has nothing to acknowledge selectively, for all that was sent to it was acknowledged before the
 * splice began, and nothing is passed to it since. A copy of its request that was late may make it say D-SACK, whose
 * edges the device does not change; SACK is only advice (RFC 2018 section 8), so the worst is one loss that is
 * found out by a timer.
 */

/* Bytes up to there have been passed on, by whomever. */
static void count_passed(struct worker *w, const struct splice *sp, uint32_t end)
{
	uint32_t before = reached(sp);

	if (splice_after(end, before))
		w->stats.counters[COUNT_SPLICE_BYTES] += end - before;
}

/* The source has shown that it has sent so much. */
static void note_sent(struct worker *w, struct splice *sp, uint32_t end)
{
	count_passed(w, sp, end);
	if (!splice_after(end, sp->next))
		return;
	sp->next = end;
	sp->session->activity_us = w->now_us;
}

/* May it pass on this direction? It is told of segments that were passed on, as they came. */
static void offer(struct worker *w, struct splice *sp, enum flow_side_id from, uint32_t was,
                  const struct pkt *p)
{
	if (!offload_crossed(&w->offload, was, sp->flow->side[from].bytes) || from != sp->source ||
	    from != FLOW_SERVER || sp->stopping)
		return;
	offload_see(&w->offload, sp->flow, from, p);
	sp->dark |= offload_has(&w->offload, sp->flow, from);
}

static void ask_source(struct worker *w, struct splice *sp)
{
	struct tcp_frozen f = sp->seen[sp->source];

	f.snd_nxt--;
	sp->asked = true;
	tcp_frozen_ack(w->tcp, splice_conn(sp->session, sp->source), &f);
	sp->session->x->splice_by_us = w->now_us + ASK_US;
	session_arm(w, sp->session);
}

/* A FIN is behind the last byte, and so is a bare ACK that was asked for. */
static void learn(struct worker *w, struct splice *sp, const struct splice_seg *g)
{
	if (!sp->dark || !(g->flags & TCP_FLAG_FIN || (sp->asked && !g->len)) ||
	    splice_after(sp->seen[sp->source].rcv_nxt, g->end))
		return;
	note_sent(w, sp, splice_after(g->end, sp->limit) ? sp->limit : g->end);
	sp->known = true;
}

/* Something waits for the end of the splice: does it come now? */
static void end_if_over(struct worker *w, struct splice *sp)
{
	if (is_over(sp))
		come_back(w, sp);
	else if (is_blind(sp))
		ask_source(w, sp);
}

void splice_overdue(struct worker *w, struct session *s)
{
	s->x->splice_by_us = 0;
	if (s->splice)
		end_if_over(w, of_session(w, s));
	session_arm(w, s);
}

/* Of a body: the bytes of a response, but the last one, for a probe of a closed window is a byte beyond it. */
void splice_body_ask(const struct splice *sp, enum flow_side_id from, struct offload_splice *out)
{
	uint32_t edge = sp->seen[from].rcv_adv;

	out->limited = true;
	out->can = from == sp->source && from == FLOW_SERVER && !sp->stopping && !sp->seen[from].ts;
	out->edge = edge;
	out->left = splice_after(sp->limit, edge) ? sp->limit - edge - 1 + sp->beyond : 0;
}

void splice_body_freed(struct worker *w, struct splice *sp)
{
	if (is_beyond_told(&sp->seen[sp->source])) {
		acknowledge_all(sp);
		tell_source(w, sp);
	}
	if (!sp->stopping)
		open_window(w, sp); /* it may have been kept below the limit */
	else
		end_if_over(w, sp);
}

/* ---- segments ------------------------------------------------------------------------------- */

/* Keep a segment for TCP, until the splice ends: which it does as soon as it can. */
static enum drop hold(struct worker *w, struct splice *sp, enum flow_side_id from, struct pkt *p)
{
	enum drop end = DROP_SPLICE_HELD;

	sp->stopping = true;
	if (sp->held[0].n + sp->held[1].n < HELD_MAX) {
		p->buf->flags |= BUF_L4_CSUM_OK;
		bufq_push(&sp->held[from], p->buf);
	} else {
		end = splice_drop(p, DROP_TCP_RCV_LIMIT);
	}
	if (take_back(w, sp))
		end_if_over(w, sp);
	return end;
}

/* RFC 5961: say where we are, to one who may be somebody else. */
static enum drop challenge(struct worker *w, struct splice *sp, enum flow_side_id from,
                           struct pkt *p)
{
	struct tcp_frozen f = sp->seen[from];

	if (from != sp->source)
		f.snd_nxt = reached(sp) + sp->way[sp->source].seq_add;
	else if (is_beyond_told(&f))
		f.rcv_nxt = f.rcv_adv;
	tcp_frozen_challenge(w->tcp, splice_conn(sp->session, from), &f);
	return splice_drop(p, DROP_TCP_CHALLENGE);
}

/*
 * RFC 5961 section 3.2: exact or nothing. The source's is where it was acknowledged, or behind all that
 * it sent; the sink's is behind what is held. TCP then decides as it does without a splice.
 */
static enum drop on_reset(struct worker *w, struct splice *sp, enum flow_side_id from,
                          const struct splice_seg *g, struct pkt *p)
{
	const struct tcp_frozen *seen = &sp->seen[from];
	uint32_t newest = from == sp->source ? sp->next : sp->held_end;
	uint32_t oldest = is_beyond_told(seen) ? seen->rcv_adv : seen->rcv_nxt;
	struct tcp_conn *c = splice_conn(sp->session, from);

	if (g->seq != oldest && g->seq != seen->rcv_nxt && g->seq != newest) {
		if (splice_after(oldest, g->seq) ||
		    splice_after(g->seq, splice_later(newest, seen->rcv_adv)))
			return splice_drop(p, DROP_TCP_WINDOW);
		return challenge(w, sp, from, p);
	}
	come_back(w, sp);
	tcp_expect(c, g->seq);
	return tcp_input_burst(w->tcp, p, w->now_us);
}

/* Keep the first bytes only, in every header that says how long the segment is. */
static void cut(struct pkt *p, struct splice_seg *g, uint16_t keep)
{
	uint16_t gone = (uint16_t)(g->len - keep);
	uint8_t *l3 = p->l4 - (p->l4 - p->l3);

	splice_shorten(p->l4, g, keep);
	p->l4_len = (uint16_t)(p->l4_len - gone);
	p->buf->len = p->l4_len;
	if (ip_is_v4(&p->dst)) /* forward.c makes the header's sum anew */
		wire_put16(l3 + IP4_TOTAL, (uint16_t)(wire_get16(l3 + IP4_TOTAL) - gone));
	else
		wire_put16(l3 + IP6_PAYLOAD, (uint16_t)(wire_get16(l3 + IP6_PAYLOAD) - gone));
}

/*
 * Are its numbers those of the end point, now? Who does not know them may say what he wants, but not move a clock or
 * end anything. What is too far ahead was dropped before.
 */
static bool is_current(const struct splice *sp, enum flow_side_id from, const struct splice_seg *g)
{
	const struct tcp_frozen *seen = &sp->seen[from];

	if (splice_after(seen->rcv_nxt - 1, g->end)) /* a keep-alive is one behind */
		return false;
	if (from == sp->source)
		return g->ack == seen->snd_nxt;
	return !splice_after(sp->seen[sp->source].rcv_nxt, g->ack + sp->way[from].ack_add);
}

static enum drop pass_on(struct worker *w, struct splice *sp, enum flow_side_id from,
                         const struct splice_seg *g, struct pkt *p)
{
	uint16_t wnd = from == sp->source ? window_for_sink(sp) : window_for_source(w, sp);
	uint8_t flags = g->flags & (uint8_t)~TCP_FLAG_FIN;
	struct splice_way way = sp->way[from];
	struct flow_side *side = &sp->flow->side[from];
	uint32_t was = side->bytes;

	/* An ACK behind bytes that are held: were the source to see their numbers, it would take our own
	   segments, which come before them, for old ones when the splice is over, and their windows. */
	if (from != sp->source && splice_after(g->seq, sp->seen[from].rcv_nxt))
		way.seq_add -= g->seq - sp->seen[from].rcv_nxt;
	splice_rewrite(p->l4, g, &way, wnd, flags);
	sp->flow->seen_s = w->flows.now_s;
	side->bytes += (uint32_t)(p->l4 - p->l3) + p->l4_len;
	offer(w, sp, from, was, p);
	return forward_packet(w, sp->flow, from, p);
}

/*
 * The end points' clocks: what the other one is shown, and how late it is with this one. Not of segments that are held, for
 * TCP will look at those, and they may be older than others.
 */
static void note_clock(struct splice *sp, enum flow_side_id from, const struct splice_seg *g)
{
	struct tcp_frozen *seen = &sp->seen[from], *to = &sp->seen[!from];

	if (!g->ts_at || !is_current(sp, from, g))
		return;
	to->ts_sent = splice_later(to->ts_sent, g->tsval + sp->way[from].tsval_add);
	if (from == sp->source || !splice_after(g->end, seen->rcv_nxt))
		seen->ts_recent = splice_later(seen->ts_recent, g->tsval);
}

static enum drop from_source(struct worker *w, struct splice *sp, struct splice_seg *g,
                             struct pkt *p)
{
	struct tcp_frozen *seen = &sp->seen[sp->source];
	bool fin = g->flags & TCP_FLAG_FIN;
	uint32_t last;

	if (splice_after(g->ack, seen->snd_nxt) || splice_after(g->end, seen->rcv_adv + BEYOND_MAX))
		return splice_drop(p, DROP_TCP_WINDOW);
	if (fin && !is_current(sp, sp->source, g))
		return splice_drop(p, DROP_TCP_WINDOW);
	learn(w, sp, g);
	last = bound(sp);
	if ((fin && !g->len) || (splice_after(g->end, last) && !splice_after(last, g->seq)))
		return hold(w, sp, sp->source, p);
	if (splice_after(g->end, last))
		cut(p, g, (uint16_t)(last - g->seq));
	note_clock(sp, sp->source, g);
	if (!splice_after(sp->next, g->seq))
		seen->snd_wnd = (uint32_t)g->wnd << seen->snd_ws;
	note_sent(w, sp, g->end);
	if (fin) /* it will be said again, to TCP */
		sp->stopping = true;
	if (!g->len && is_over(sp) && take_back(w, sp)) { /* that was the answer of ask_source() */
		come_back(w, sp);
		return tcp_input_burst(w->tcp, p, w->now_us);
	}
	return pass_on(w, sp, sp->source, g, p);
}

/* The sink's acknowledgement, in the source's numbers. True: it says more than those before. */
static bool note_ack(struct worker *w, struct splice *sp, const struct splice_seg *g, uint32_t ack)
{
	struct tcp_frozen *source = &sp->seen[sp->source], *sink = &sp->seen[!sp->source];
	bool news = splice_after(ack, source->rcv_nxt);

	if (splice_after(source->rcv_nxt, ack) || splice_after(sink->rcv_nxt, g->seq))
		return false;
	if (news)
		sp->session->activity_us = w->now_us;
	count_passed(w, sp, ack);
	source->rcv_nxt = ack;
	if (!sp->flow->offload || ack != sp->limit) /* see tell_source() */
		source->rcv_adv = splice_later(source->rcv_adv, ack);
	if (splice_after(ack - SLIDE, sp->next)) /* shown too long ago to be compared */
		sp->next = ack - SLIDE;
	sink->snd_wnd = (uint32_t)g->wnd << sink->snd_ws;
	if (ack - sp->start >= SLIDE)
		account(w, sp);
	return news;
}

/* The source hears by a segment of ours what a held one acknowledges. */
static void pass_ack(struct worker *w, struct splice *sp)
{
	window_for_source(w, sp);
	tell_source(w, sp);
}

static enum drop from_sink(struct worker *w, struct splice *sp, struct splice_seg *g, struct pkt *p)
{
	enum flow_side_id side = !sp->source;
	struct tcp_frozen *seen = &sp->seen[side];
	uint32_t ack = g->ack + sp->way[side].ack_add;
	uint32_t end = g->end + (g->flags & TCP_FLAG_FIN ? 1 : 0);
	bool news;

	if (splice_after(ack, passed(sp)) || splice_after(g->seq, seen->rcv_adv))
		return splice_drop(p, DROP_TCP_WINDOW);
	note_clock(sp, side, g);
	news = note_ack(w, sp, g, ack);
	if (end != g->seq && splice_after(end, seen->rcv_nxt)) {
		if (news)
			pass_ack(w, sp);
		if (!splice_after(g->seq, sp->held_end) && !(g->flags & TCP_FLAG_FIN))
			sp->held_end = splice_later(sp->held_end, end);
		return hold(w, sp, side, p);
	}
	if (!is_acked(sp))
		return pass_on(w, sp, side, g, p);
	if (!is_over(sp) || !take_back(w, sp)) {
		pass_ack(w, sp);
		return hold(w, sp, side, p);
	}
	come_back(w, sp);
	return tcp_input_burst(w->tcp, p, w->now_us);
}

static bool is_sound(const struct pkt *p)
{
	uint16_t sum;

	if (p->buf->flags & (BUF_L4_CSUM_OK | BUF_L4_CSUM_BAD))
		return p->buf->flags & BUF_L4_CSUM_OK;
	sum = csum_pseudo(&p->src, &p->dst, IP_TCP, p->l4_len);
	return csum_finish(csum_combine(sum, csum_add(p->l4, p->l4_len), 0)) == 0;
}

/*
 * Does it say nothing but what comes next? Then its checksum need not be made: if it is damaged, the sink finds
 * out, and what it says again comes from below sp->next.
 */
static bool is_next(const struct splice *sp, enum flow_side_id from, const struct splice_seg *g)
{
	const struct tcp_frozen *seen = &sp->seen[from];

	return from == sp->source && g->seq == sp->next && g->len && !sp->stopping &&
	       !splice_after(g->end, sp->limit) && !splice_after(g->end, seen->rcv_adv) &&
	       (g->flags & ~TCP_FLAG_PSH) == TCP_FLAG_ACK && g->ack == seen->snd_nxt &&
	       (uint32_t)g->wnd << seen->snd_ws == seen->snd_wnd && !g->n_edges &&
	       (!g->ts_at || g->tsval - seen->ts_recent <= CLOCK_STEP);
}

static enum drop next_bytes(struct worker *w, struct splice *sp, const struct splice_seg *g,
                            struct pkt *p)
{
	note_clock(sp, sp->source, g);
	note_sent(w, sp, g->end);
	return pass_on(w, sp, sp->source, g, p);
}

enum drop splice_body_segment(struct worker *w, struct splice *sp, enum flow_side_id from,
                              struct splice_seg *g, struct pkt *p)
{
	if (is_next(sp, from, g))
		return next_bytes(w, sp, g, p);
	if (!is_sound(p))
		return splice_drop(p, DROP_TCP_CSUM);
	if (g->flags & TCP_FLAG_RST)
		return on_reset(w, sp, from, g, p);
	if (g->flags & TCP_FLAG_SYN)
		return challenge(w, sp, from, p);
	if (!(g->flags & TCP_FLAG_ACK))
		return splice_drop(p, DROP_TCP_BAD_STATE);
	return from == sp->source ? from_source(w, sp, g, p) : from_sink(w, sp, g, p);
}
