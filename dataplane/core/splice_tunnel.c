/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The splice of a tunnel: session and connections are gone, and what the end points say to each other is passed on without
 * being judged.
 */
#include "splice_state.h"
#include "wire.h"

#define HOLD_US 1000000 /* time for a tunnel to become quiet */

/* A peer whose window opens with the splice hears of it at once; one whose closes, with the next segment. */
static void tell_window(struct worker *w, struct splice *sp, struct tcp_conn *c,
                        enum flow_side_id side)
{
	struct tcp_frozen *f = &sp->seen[side];
	uint32_t wnd = (uint32_t)splice_field(sp->seen[!side].snd_wnd, f->rcv_ws) << f->rcv_ws;

	if (!splice_after(f->rcv_nxt + wnd, f->rcv_adv))
		return;
	f->rcv_adv = f->rcv_nxt + wnd;
	tcp_frozen_ack(w->tcp, c, f);
}

static void link_tunnel(struct worker *w, struct splice *sp)
{
	sp->tunnel_next = w->tunnels;
	if (sp->tunnel_next)
		sp->tunnel_next->tunnel_prev = &sp->tunnel_next;
	sp->tunnel_prev = &w->tunnels;
	w->tunnels = sp;
}

void splice_tunnel_unlink(struct splice *sp)
{
	if (!sp->tunnel_prev)
		return;
	*sp->tunnel_prev = sp->tunnel_next;
	if (sp->tunnel_next)
		sp->tunnel_next->tunnel_prev = sp->tunnel_prev;
	sp->tunnel_prev = NULL;
}

/*
 * Let both peers stop at the edge of their windows, for a while: the one may wait for the other to read, which
 * waits for the one to send.
 */
static void wait_for_quiet(struct worker *w, struct session *s)
{
	if (s->x->splice_by_us)
		return;
	s->x->splice_by_us = w->now_us + HOLD_US;
	tcp_window_hold(s->conn);
	tcp_window_hold(s->up->conn);
	session_arm(w, s);
}

void splice_give_up(struct worker *w, struct session *s)
{
	s->x->splice_by_us = UINT64_MAX;
	tcp_window_free(w->tcp, s->conn);
	tcp_window_free(w->tcp, s->up->conn);
}

bool splice_tunnel(struct worker *w, struct session *s)
{
	struct tcp_conn *c = s->conn, *u = s->up->conn;
	struct splice *sp;
	struct flow *f;

	if (!w->splice_slab.total || w->node->splice_bytes == NODE_SPLICE_NEVER)
		return false;
	if (!splice_fits(w, c, u) || !splice_fits(w, u, c)) {
		splice_give_up(w, s);
		return false;
	}
	if (!tcp_splice_quiet(c, u)) {
		wait_for_quiet(w, s);
		return false;
	}
	sp = splice_begin(w, s);
	if (!sp)
		return false;
	tell_window(w, sp, c, FLOW_CLIENT);
	tell_window(w, sp, u, FLOW_SERVER);
	link_tunnel(w, sp);
	f = sp->flow;
	f->dest = s->x->dest_slot;
	f->endpoint = s->x->endpoint_slot;
	l4_adopt(w, f); /* first, so that the endpoint is never counted as having room */
	tcp_forget(w->tcp, c);
	tcp_forget(w->tcp, u);
	session_close(w, s);
	return true;
}

static bool begins_anew(const struct flow *f, enum flow_side_id from, uint8_t flags)
{
	return f->state == FLOW_CLOSED && from == FLOW_CLIENT &&
	       (flags & (TCP_FLAG_SYN | TCP_FLAG_ACK)) == TCP_FLAG_SYN;
}

/* Nothing is judged: that is the end points' business, and they know better. */
enum drop splice_tunnel_segment(struct worker *w, struct splice *sp, enum flow_side_id from,
                                struct splice_seg *g, struct pkt *p)
{
	struct tcp_frozen *seen = &sp->seen[from];
	uint16_t wnd = g->wnd;

	if (begins_anew(sp->flow, from, g->flags)) {
		if (!offload_end(&w->offload, sp->flow, OFFLOAD_WHY_CLOSED))
			return splice_drop(p, DROP_FLOW_NO_PORT); /* it comes again */
		l4_end(w, sp->flow);
		return tcp_input_burst(w->tcp, p, w->now_us);
	}
	if (sp->over)
		return tcp_input_burst(w->tcp, p, w->now_us);
	if (!(g->flags & TCP_FLAG_SYN) && seen->snd_ws != sp->seen[!from].rcv_ws)
		wnd = splice_field((uint32_t)g->wnd << seen->snd_ws, sp->seen[!from].rcv_ws);
	seen->rcv_nxt = splice_later(seen->rcv_nxt, g->end + (g->flags & TCP_FLAG_FIN ? 1 : 0));
	w->stats.counters[COUNT_SPLICE_BYTES] += g->len;
	splice_rewrite(p->l4, g, &sp->way[from], wnd, g->flags);
	return DROP_COUNT;
}

static void reset_side(struct worker *w, const struct splice *sp, enum flow_side_id side)
{
	const struct flow_side *s = &sp->flow->side[side];
	const struct tcp_peer peer = {*net_own(w->net, s->local), flow_peer(s), s->lport, s->rport};

	tcp_forgotten_reset(w->tcp, &peer, sp->seen[!side].rcv_nxt + sp->way[!side].seq_add,
	                    sp->seen[side].rcv_nxt);
}

void splice_tunnel_reset(struct worker *w, struct splice *sp)
{
	reset_side(w, sp, FLOW_CLIENT);
	reset_side(w, sp, FLOW_SERVER);
	splice_tunnel_unlink(sp);
	if (offload_end(&w->offload, sp->flow, OFFLOAD_WHY_CLOSED)) /* else it ends with its age */
		l4_end(w, sp->flow);
}

bool splice_reset_one(struct worker *w)
{
	if (!w->tunnels)
		return false;
	splice_tunnel_reset(w, w->tunnels);
	return true;
}
