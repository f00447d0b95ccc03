/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Connections of layer 4: chosen once (l4_open.c), then forwarded packet by packet (forward.c). What is here is
 * their life.
 *
 * TCP's state is followed loosely, only to know when a flow is over: what is right is the end points'
 * business. A RST may be forged, so a flow that goes on after one lives on.
 *
 *   HALF_OPEN --client's ACK--> ESTABLISHED --FIN--> CLOSING --other FIN--> CLOSED --time--> gone
 *       '-- RST, time --> CLOSED, gone    '-- RST --> CLOSED --more data--> ESTABLISHED
 */
#include "offload.h"
#include "splice.h"
#include "tcp_edit.h"
#include "wire.h"
#include "worker_state.h"

#define EXPIRED_AT_ONCE 64 /* flows looked at in one turn */
#define DEAD_OPENS      3  /* connections without an answer before an endpoint may count as dead */
#define EARLY_BYTES     1048576 /* of an endpoint before the handshake is over */

/* ---- counting -------------------------------------------------------------------------------- */

void l4_adopt(struct worker *w, struct flow *f)
{
	struct endpoint_stats *e = worker_endpoint_stats(w, f->endpoint);

	worker_dest_stats(w, f->dest)->active++;
	e->conns++;
	e->active++;
	f->flags |= FLOW_F_STATS;
	worker_count(w, COUNT_FLOWS);
}

void l4_count_opened(struct worker *w, struct flow *f)
{
	worker_dest_stats(w, f->dest)->picks++;
	worker_endpoint_stats(w, f->endpoint)->requests++;
	worker_endpoint_stats(w, f->endpoint)->connects++;
	worker_count(w, COUNT_FLOWS_OPENED);
	l4_adopt(w, f);
}

/* It is over for the statistics, though its ports may rest. */
static void count_out(struct worker *w, struct flow *f)
{
	struct dest_stats *d = &w->stats.dests[f->dest.index];
	struct endpoint_stats *e = &w->stats.endpoints[f->endpoint.index];

	if (!(f->flags & FLOW_F_STATS))
		return;
	f->flags &= (uint8_t)~FLOW_F_STATS;
	worker_uncount(w, COUNT_FLOWS);
	if (d->epoch == f->dest.epoch)
		d->active--;
	if (e->epoch == f->endpoint.epoch) {
		e->active--;
		e->conns--;
		upstream_freed(w, f->endpoint);
	}
}

static void count_bytes(struct worker *w, struct flow *f, enum flow_side_id from,
                        const struct pkt *p)
{
	struct dest_stats *d = &w->stats.dests[f->dest.index];

	f->side[from].bytes += (uint32_t)(p->l4 - p->l3) + p->l4_len;
	if (d->epoch != f->dest.epoch)
		return;
	if (from == FLOW_SERVER)
		d->rx_bytes += p->l4_len;
	else
		d->tx_bytes += p->l4_len;
}

void l4_offloaded(void *worker, struct flow *f, enum flow_side_id from, uint64_t pkts,
                  uint64_t bytes)
{
	struct worker *w = worker;
	struct dest_stats *d = &w->stats.dests[f->dest.index];
	struct ip_addr peer = flow_peer(&f->side[from]);

	/* a body's splice has no destination of its own: its bytes are counted when they are acknowledged */
	if (!f->dest.epoch || d->epoch != f->dest.epoch)
		return;
	bytes -= pkts * (ip_is_v4(&peer) ? IP4_LEN : IP6_LEN);
	if (from == FLOW_SERVER)
		d->rx_bytes += bytes;
	else
		d->tx_bytes += bytes;
}

/* ---- life ------------------------------------------------------------------------------------ */

uint64_t l4_hash_side(struct worker *w, const struct flow *f, enum flow_side_id side)
{
	const struct flow_side *s = &f->side[side];
	struct ip_addr peer = flow_peer(s);

	return flow_hash(&w->flows, net_own(w->net, s->local), &peer, s->lport, s->rport,
	                 flow_is_udp(f));
}

void l4_end(struct worker *w, struct flow *f)
{
	if (f->state == FLOW_CLOSED)
		worker_uncount(w, COUNT_FLOWS_RESTING);
	count_out(w, f);
	if (f->flags & FLOW_F_SPLICE)
		splice_release(w, f);
	flow_remove(&w->flows, f, FLOW_CLIENT, l4_hash_side(w, f, FLOW_CLIENT));
	if (!(f->flags & FLOW_F_ONE_WAY))
		flow_remove(&w->flows, f, FLOW_SERVER, l4_hash_side(w, f, FLOW_SERVER));
	flow_free(&w->flows, f);
	w->stats.counters[COUNT_FLOWS_HALF_OPEN] = w->flows.n_half_open;
}

static uint64_t is_splice(const struct flow *f)
{
	return f->flags & FLOW_F_SPLICE ? 1 : 0;
}

static void become(struct worker *w, struct flow *f, enum flow_state state)
{
	if (f->state == state)
		return;
	if (f->state == FLOW_CLOSED) {
		worker_uncount(w, COUNT_FLOWS_RESTING);
		w->stats.counters[COUNT_SPLICES] += is_splice(f);
	}
	if (state == FLOW_CLOSED) {
		worker_count(w, COUNT_FLOWS_RESTING);
		w->stats.counters[COUNT_SPLICES] -= is_splice(f);
		count_out(w, f);
	}
	if (state != FLOW_ESTABLISHED)
		offload_end(&w->offload, f, OFFLOAD_WHY_CLOSED);
	flow_set_state(&w->flows, f, state);
	w->stats.counters[COUNT_FLOWS_HALF_OPEN] = w->flows.n_half_open;
}

void l4_rest(struct worker *w, struct flow *f)
{
	become(w, f, FLOW_CLOSED);
}

/* A rule of it may be in a device: it is looked at again later. */
void l4_hold(struct worker *w, struct flow *f)
{
	f->seen_s = w->flows.now_s;
	if (f->state == FLOW_CLOSED)
		flow_renew(&w->flows, f);
}

bool l4_turn(struct worker *w)
{
	uint32_t budget = EXPIRED_AT_ONCE;
	struct flow *f;

	if (!w->flows.slab.used)
		return false;
	flow_tick(&w->flows, w->now_us);
	while ((f = flow_expired(&w->flows, &budget))) {
		if (!offload_end(&w->offload, f, OFFLOAD_WHY_IDLE)) {
			l4_hold(w, f);
			continue;
		}
		if (f->state != FLOW_CLOSED)
			worker_count(w, COUNT_FLOWS_TIMED_OUT);
		if (f->flags & FLOW_F_SPLICE)
			splice_expired(w, f);
		else
			l4_end(w, f);
	}
	return budget == 0;
}

/* ---- is the endpoint there? ------------------------------------------------------------------ */

struct endpoint_state *l4_endpoint_state(struct worker *w, const struct flow *f)
{
	struct endpoint_state *e = &w->endpoints[f->endpoint.index];

	return e->epoch == f->endpoint.epoch ? e : NULL;
}

static void answered(struct worker *w, const struct flow *f)
{
	struct endpoint_state *e = l4_endpoint_state(w, f);

	if (!e)
		return;
	e->unanswered = 0;
	e->silent_us = 0;
	e->dead = false;
}

/* A first packet goes to it, or goes again. */
static void asked(struct worker *w, const struct flow *f)
{
	uint64_t limit_us = w->node->times.dead_endpoint_us;
	struct endpoint_state *e = l4_endpoint_state(w, f);

	if (!e || f->flags & FLOW_F_ONE_WAY || flow_is_udp(f) || !limit_us)
		return;
	if (!e->silent_us)
		e->silent_us = w->now_us;
	e->unanswered++;
	if (e->dead || e->unanswered < DEAD_OPENS || w->now_us - e->silent_us < limit_us)
		return;
	e->dead = true;
	e->probe_us = w->now_us + L4_PROBE_US;
	worker_endpoint_stats(w, f->endpoint)->connect_fails++;
}

/* ---- following ------------------------------------------------------------------------------- */

/* What the endpoint has last seen of us, when it may keep that in TIME_WAIT. */
static void remember(struct flow *f, enum flow_side_id from, const struct pkt *p)
{
	uint32_t header = tcp_edit_header(p->l4, p->l4_len), seq = wire_get32(p->l4 + TCP_SEQ);

	if (f->flags & FLOW_F_SPLICE) /* it knows more */
		return;
	if (from == FLOW_SERVER && p->l4[TCP_FLAGS] & TCP_FLAG_ACK)
		f->splice = wire_get32(p->l4 + TCP_ACKNO);
	else if (from == FLOW_CLIENT)
		f->splice = seq + p->l4_len - header + 1 + f->side[FLOW_SERVER].seq_add;
}

/* What each side can send on the other's way. */
static void clamp(struct flow *f, struct pkt *p)
{
	uint32_t headers = TCP_LEN + (ip_is_v4(&p->src) ? IP4_LEN : IP6_LEN);
	uint16_t a = f->side[FLOW_CLIENT].path.mtu, b = f->side[FLOW_SERVER].path.mtu;
	uint16_t mtu = a < b ? a : b;

	if (mtu > headers)
		tcp_edit_mss(p->l4, p->l4_len, (uint16_t)(mtu - headers));
}

static void reset(struct worker *w, struct flow *f)
{
	f->flags |= FLOW_F_RESET;
	become(w, f, FLOW_CLOSED);
}

/*
 * Only who has got the endpoint's SYN knows its number, give or take the data that came behind it: who sends from
 * an address that is not its own cannot make flows that last.
 */
static bool saw_answer(const struct flow *f, const struct pkt *p)
{
	return f->flags & FLOW_F_ONE_WAY ||
	       (f->side[FLOW_SERVER].bytes &&
	        wire_get32(p->l4 + TCP_ACKNO) - f->splice < EARLY_BYTES);
}

static void half_open(struct worker *w, struct flow *f, enum flow_side_id from, const struct pkt *p)
{
	uint8_t flags = p->l4[TCP_FLAGS];

	if (from == FLOW_SERVER)
		answered(w, f);
	if (from == FLOW_SERVER && flags & TCP_FLAG_SYN)
		f->splice = wire_get32(p->l4 + TCP_SEQ) + 1;
	if (flags & TCP_FLAG_RST)
		reset(w, f);
	else if (from == FLOW_CLIENT && flags & TCP_FLAG_SYN)
		asked(w, f);
	else if (from == FLOW_CLIENT && flags & TCP_FLAG_ACK && saw_answer(f, p))
		become(w, f, FLOW_ESTABLISHED);
}

/*
 * Data after a RST: it was forged, or too late, and then the end point that has closed says so again. Nobody
 * else gets the port meanwhile.
 */
static void closed(struct worker *w, struct flow *f, uint8_t flags, const struct pkt *p)
{
	uint32_t header = tcp_edit_header(p->l4, p->l4_len);

	if (!(f->flags & FLOW_F_RESET) || flags & TCP_FLAG_RST || p->l4_len <= header)
		return;
	f->flags &= (uint8_t)~FLOW_F_RESET;
	become(w, f, FLOW_ESTABLISHED);
	l4_adopt(w, f);
}

static void follow_tcp(struct worker *w, struct flow *f, enum flow_side_id from, struct pkt *p)
{
	uint8_t flags = p->l4[TCP_FLAGS];

	if (flags & TCP_FLAG_SYN)
		clamp(f, p);
	if (f->state == FLOW_HALF_OPEN) {
		half_open(w, f, from, p);
		return;
	}
	if (f->state == FLOW_CLOSED) {
		closed(w, f, flags, p);
		return;
	}
	remember(f, from, p);
	if (flags & TCP_FLAG_RST) {
		reset(w, f);
	} else if (flags & TCP_FLAG_FIN) {
		bool both;

		f->flags |= (uint8_t)(1 << from);
		both = (f->flags & (FLOW_F_FIN_CLIENT | FLOW_F_FIN_SERVER)) ==
		               (FLOW_F_FIN_CLIENT | FLOW_F_FIN_SERVER) ||
		       (f->flags & FLOW_F_ONE_WAY);
		become(w, f, both ? FLOW_CLOSED : FLOW_CLOSING);
	}
}

static bool has_long_header(const struct pkt *p)
{
	return p->l4_len > UDP_LEN && p->l4[UDP_LEN] & 0x80;
}

static void follow_udp(struct worker *w, struct flow *f, enum flow_side_id from,
                       const struct pkt *p)
{
	if (from == FLOW_SERVER && has_long_header(p))
		l4_learn_quic(w, f, p);
	/* one way: nobody answers through us, so the second packet has to do */
	if (f->state == FLOW_HALF_OPEN &&
	    (from == FLOW_SERVER || (f->flags & FLOW_F_ONE_WAY && f->side[from].bytes)))
		become(w, f, FLOW_ESTABLISHED);
}

/* Does this segment change what is known of the flow? */
static bool is_news(const struct flow *f, const struct pkt *p)
{
	return f->state != FLOW_ESTABLISHED ||
	       p->l4[TCP_FLAGS] & (TCP_FLAG_SYN | TCP_FLAG_FIN | TCP_FLAG_RST);
}

/* A client begins anew with the ports of a flow that is over, or whose endpoint does not answer. */
static bool is_anew(struct worker *w, const struct flow *f, enum flow_side_id from,
                    const struct pkt *p)
{
	const struct endpoint_state *e = l4_endpoint_state(w, f);

	if (from != FLOW_CLIENT ||
	    (p->l4[TCP_FLAGS] & (TCP_FLAG_SYN | TCP_FLAG_ACK)) != TCP_FLAG_SYN)
		return false;
	return f->state == FLOW_CLOSED || (f->state == FLOW_HALF_OPEN && e && e->dead);
}

/* It may take no new connections and yet serve those that it has. */
static bool is_cut_off(struct worker *w, const struct flow *f, enum flow_side_id from)
{
	struct endpoint_state *e = l4_endpoint_state(w, f);

	if (!e || !e->silent_us || f->state != FLOW_ESTABLISHED)
		return false;
	if (from == FLOW_SERVER)
		e->heard_us = w->now_us;
	return from == FLOW_CLIENT && e->dead &&
	       w->now_us - e->heard_us >= w->node->times.dead_endpoint_us;
}

static enum drop cut(struct worker *w, struct flow *f, struct pkt *p)
{
	worker_count(w, COUNT_FLOWS_CUT);
	become(w, f, FLOW_CLOSED);
	if (!f->offload)
		l4_end(w, f);
	return l4_refuse(w, p, DROP_FLOW_NO_ENDPOINT);
}

enum drop l4_go_on(struct worker *w, struct flow *f, enum flow_side_id from, struct pkt *p)
{
	uint32_t was;

	if (p->fragment == PKT_FRAGMENT_FIRST)
		fragment_first(&w->fragments, &w->flows, f, from, p);
	if (flow_is_udp(f))
		follow_udp(w, f, from, p);
	else if (is_news(f, p))
		follow_tcp(w, f, from, p);
	if (is_cut_off(w, f, from))
		return cut(w, f, p);
	f->seen_s = w->flows.now_s;
	was = f->side[from].bytes;
	count_bytes(w, f, from, p);
	if (offload_crossed(&w->offload, was, f->side[from].bytes) && !p->fragment &&
	    (flow_is_udp(f) || !is_news(f, p)))
		offload_see(&w->offload, f, from, p);
	return forward_packet(w, f, from, p);
}

enum drop l4_packet(struct worker *w, struct flow *f, enum flow_side_id from, struct pkt *p)
{
	if (f->flags & FLOW_F_SPLICE) {
		enum drop end = splice_packet(w, f, from, p);

		return end == DROP_COUNT ? l4_go_on(w, f, from, p) : end;
	}
	if (!flow_is_udp(f) && is_news(f, p) && is_anew(w, f, from, p)) {
		if (!offload_end(&w->offload, f, OFFLOAD_WHY_CLOSED)) {
			buf_free(p->buf); /* it comes again */
			return DROP_FLOW_NO_PORT;
		}
		l4_end(w, f);
		return DROP_COUNT;
	}
	return l4_go_on(w, f, from, p);
}

enum drop l4_other_fragment(struct worker *w, struct pkt *p)
{
	fragment_other(&w->fragments, &w->flows, p);
	buf_free(p->buf);
	return DROP_FRAGMENT_OTHER;
}

enum drop l4_fragment(struct worker *w, struct pkt *p)
{
	enum flow_side_id from;
	struct flow *f = fragment_find(&w->fragments, &w->flows, p, &from);

	if (!f) {
		bool other = fragment_is_other(&w->fragments, &w->flows, p);

		buf_free(p->buf);
		return other ? DROP_FRAGMENT_OTHER : DROP_FRAGMENT_LOST;
	}
	f->seen_s = w->flows.now_s;
	count_bytes(w, f, from, p);
	return forward_fragment(w, f, from, p);
}

bool l4_port_free(const struct worker *w, const struct tcp_peer *peer)
{
	int own = net_own_number(w->net, &peer->local);
	struct flow_side s = {.rport = peer->rport, .lport = peer->lport, .local = (uint16_t)own};
	enum flow_side_id side;

	if (!w->flows.slab.used || own < 0)
		return true;
	memcpy(s.peer, peer->remote.b, sizeof(s.peer));
	return !flow_find_side(
		&w->flows, &s, false,
		flow_hash(&w->flows, &peer->local, &peer->remote, peer->lport, peer->rport, false),
		&side);
}
