/* SPDX-License-Identifier: BSD-3-Clause */
/* What bodies (splice_body.c) and tunnels (splice_tunnel.c) have in common. */
#include "splice_state.h"

#define UNITS_MIN 16 /* a window of the sink has at least so many units of the source's scale */

/* ---- begin --------------------------------------------------------------------------------- */

static void fill_side(struct worker *w, struct flow_side *side, const struct tcp_peer *p)
{
	memcpy(side->peer, &p->remote, sizeof(side->peer));
	side->rport = p->rport;
	side->lport = p->lport;
	side->local = (uint16_t)net_own_number(w->net, &p->local);
}

static void add_side(struct worker *w, struct flow *f, enum flow_side_id side,
                     const struct tcp_peer *p)
{
	flow_add(&w->flows, f, side,
	         flow_hash(&w->flows, &p->local, &p->remote, p->lport, p->rport, false));
}

static struct flow *new_flow(struct worker *w, const struct session *s)
{
	const struct tcp_peer *c = tcp_peer(s->conn), *u = tcp_peer(s->up->conn);
	struct flow *f;

	l4_make_room(w);
	f = flow_new(&w->flows);
	if (!f)
		return NULL;
	fill_side(w, &f->side[FLOW_CLIENT], c);
	fill_side(w, &f->side[FLOW_SERVER], u);
	f->flags = FLOW_F_SPLICE;
	f->idle =
		flow_idle(&w->flows, s->x->idle_us ? s->x->idle_us : w->node->times.stream_idle_us);
	flow_set_state(&w->flows, f, FLOW_ESTABLISHED);
	add_side(w, f, FLOW_CLIENT, c);
	add_side(w, f, FLOW_SERVER, u);
	return f;
}

/* What turns segments from one side into segments of the connection with the other. */
static void work_out(struct splice *sp, enum flow_side_id from)
{
	const struct tcp_frozen *a = &sp->seen[from], *b = &sp->seen[!from];

	sp->way[from] = (struct splice_way){.seq_add = b->snd_nxt - a->rcv_nxt,
	                                    .ack_add = b->rcv_nxt - a->snd_nxt};
	if (!a->ts)
		return;
	sp->way[from].tsval_add = b->ts_sent - a->ts_recent;
	sp->way[from].tsecr_add = b->ts_recent - a->ts_sent;
}

struct splice *splice_begin(struct worker *w, struct session *s)
{
	struct splice *sp = NULL;

	/* the client's flow of before may rest: see rest() */
	if (l4_port_free(w, tcp_peer(s->conn)))
		sp = slab_get(&w->splice_slab);
	if (!sp)
		return NULL;
	memset(sp, 0, sizeof(*sp));
	sp->flow = new_flow(w, s);
	if (!sp->flow) {
		slab_put(&w->splice_slab, sp);
		return NULL;
	}
	sp->flow->splice = slab_index(&w->splice_slab, sp) + 1;
	for (int side = 0; side < 2; side++)
		tcp_freeze(w->tcp, splice_conn(s, side), &sp->seen[side]);
	for (int side = 0; side < 2; side++) {
		work_out(sp, side);
		sp->flow->side[!side].seq_add = sp->way[side].seq_add;
	}
	forward_prepare(w, sp->flow);
	worker_count(w, COUNT_SPLICES);
	worker_count(w, COUNT_SPLICES_BEGUN);
	return sp;
}

bool splice_fits(struct worker *w, struct tcp_conn *from, struct tcp_conn *to)
{
	return tcp_splice_fits(w->tcp, from, to) &&
	       tcp_send_window_max(to) >> tcp_recv_scale(from) >= UNITS_MIN;
}

/* ---- end ------------------------------------------------------------------------------------ */

void splice_free(struct worker *w, struct splice *sp)
{
	struct flow *f = sp->flow;

	bufq_clear(&sp->held[0]);
	bufq_clear(&sp->held[1]);
	f->splice = 0;
	f->flags &= (uint8_t)~FLOW_F_SPLICE;
	if (f->state != FLOW_CLOSED) /* else it is none any more */
		worker_uncount(w, COUNT_SPLICES);
	slab_put(&w->splice_slab, sp);
}

void splice_release(struct worker *w, struct flow *f)
{
	struct splice *sp = splice_of(w, f);

	splice_tunnel_unlink(sp);
	splice_free(w, sp);
}

void splice_expired(struct worker *w, struct flow *f)
{
	struct splice *sp = splice_of(w, f);

	if (sp->session)
		session_reset(w, sp->session);
	else if (f->state == FLOW_CLOSED)
		l4_end(w, f);
	else
		splice_tunnel_reset(w, sp);
}

/* ---- devices ------------------------------------------------------------------------------- */

/* A device knows neither time stamps nor SACK nor scales. */
bool splice_ask(void *worker, const struct flow *f, enum flow_side_id from,
                struct offload_splice *out)
{
	const struct worker *w = worker;
	const struct splice *sp;

	if (!(f->flags & FLOW_F_SPLICE))
		return false;
	sp = splice_of(w, f);
	out->seq_add = sp->way[from].seq_add;
	out->ack_add = sp->way[from].ack_add;
	out->can = !sp->seen[from].ts && !sp->way[from].ack_add &&
	           sp->seen[from].snd_ws == sp->seen[!from].rcv_ws;
	if (sp->session)
		splice_body_ask(sp, from, out);
	return true;
}

void splice_freed(void *worker, struct flow *f)
{
	struct worker *w = worker;
	struct splice *sp;

	if (!(f->flags & FLOW_F_SPLICE))
		return;
	sp = splice_of(w, f);
	if (sp->session)
		splice_body_freed(w, sp);
}

/* ---- segments ------------------------------------------------------------------------------ */

enum drop splice_packet(struct worker *w, struct flow *f, enum flow_side_id from, struct pkt *p)
{
	struct splice *sp = splice_of(w, f);
	struct splice_seg g;

	if (p->fragment)
		return splice_drop(p, DROP_IP_FRAGMENT);
	if (!splice_read(p->l4, p->l4_len, &g))
		return splice_drop(p, DROP_FLOW_HEADER);
	if (!sp->session)
		return splice_tunnel_segment(w, sp, from, &g, p);
	return splice_body_segment(w, sp, from, &g, p);
}
