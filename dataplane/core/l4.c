/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Connections of layer 4: chosen once, then forwarded packet by packet (forward.c).
 *
 *   first packet -> listener -> rule -> pick (weights) -> balance (endpoint) -> source port -> flow
 *   later ones   -> flow, whatever the documents say by then
 *
 * TCP's state is followed loosely, only to know when a flow is over: what is right is the end points'
 * business. A RST may be forged, so a flow that goes on after one lives on.
 *
 *   HALF_OPEN --client's ACK--> ESTABLISHED --FIN--> CLOSING --other FIN--> CLOSED --time--> gone
 *       '-- RST, time --> CLOSED, gone    '-- RST --> CLOSED --more data--> ESTABLISHED
 *
 * A closed flow keeps its source port from being used again while the endpoint may hold the connection in
 * TIME_WAIT. When ports are short it is used all the same, and then the new connection's sequence numbers are
 * moved beyond the old one's and its timestamps taken away, which is what an endpoint in TIME_WAIT wants to see
 * (RFC 9293 section 3.10.7.4, RFC 6191).
 */
#include "offload.h"
#include "splice.h"
#include "steer.h"
#include "tcp_edit.h"
#include "wire.h"
#include "worker_state.h"

#include <arpa/inet.h>

#define EXPIRED_AT_ONCE 64   /* flows looked at in one turn */
#define FREE_TRIES      16   /* source ports looked at before a resting one is used again */
#define PORT_TRIES      4096 /* and before giving up, unless that was in vain lately */
#define VICTIMS         8    /* flows asked to make room for one */
#define PORT_TRIES_MIN  64
#define REST_LEAST_S    2 /* a port rests for more than a second: packets of before are on the way */
#define RESTED_STEP     65536 /* how far beyond the old connection's numbers the new one begins */
#define DEAD_OPENS      3 /* connections without an answer before an endpoint may count as dead */
#define PROBE_US        1000000
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

static void count_opened(struct worker *w, struct flow *f)
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

	if (d->epoch != f->dest.epoch)
		return;
	bytes -= pkts * (ip_is_v4(&peer) ? IP4_LEN : IP6_LEN);
	if (from == FLOW_SERVER)
		d->rx_bytes += bytes;
	else
		d->tx_bytes += bytes;
}

/* ---- life ------------------------------------------------------------------------------------ */

static uint64_t hash_side(struct worker *w, const struct flow *f, enum flow_side_id side)
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
	flow_remove(&w->flows, f, FLOW_CLIENT, hash_side(w, f, FLOW_CLIENT));
	if (!(f->flags & FLOW_F_ONE_WAY))
		flow_remove(&w->flows, f, FLOW_SERVER, hash_side(w, f, FLOW_SERVER));
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

/* A rule of it may be in a device: it is looked at again later. */
static void hold(struct worker *w, struct flow *f)
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
			hold(w, f);
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

static struct endpoint_state *state_of(struct worker *w, const struct flow *f)
{
	struct endpoint_state *e = &w->endpoints[f->endpoint.index];

	return e->epoch == f->endpoint.epoch ? e : NULL;
}

static void answered(struct worker *w, const struct flow *f)
{
	struct endpoint_state *e = state_of(w, f);

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
	struct endpoint_state *e = state_of(w, f);

	if (!e || f->flags & FLOW_F_ONE_WAY || flow_is_udp(f) || !limit_us)
		return;
	if (!e->silent_us)
		e->silent_us = w->now_us;
	e->unanswered++;
	if (e->dead || e->unanswered < DEAD_OPENS || w->now_us - e->silent_us < limit_us)
		return;
	e->dead = true;
	e->probe_us = w->now_us + PROBE_US;
	worker_endpoint_stats(w, f->endpoint)->connect_fails++;
}

static bool is_dead(struct worker *w, const struct endpoint *ep)
{
	struct endpoint_state *e = &w->endpoints[ep->slot.index];

	if (e->epoch != ep->slot.epoch || !e->dead)
		return false;
	if (w->now_us < e->probe_us)
		return true;
	e->probe_us = w->now_us + PROBE_US;
	return false;
}

/* The endpoint that the policy gives, or the next one that is not dead; when all are, that one. */
static const struct endpoint *choose(struct worker *w, const struct subset *s,
                                     const struct balance_client *c)
{
	const struct endpoint *first = balance_pick(&w->balance, s, NULL, c), *ep = first;

	for (uint32_t i = 0; ep && is_dead(w, ep) && i < s->n_endpoints; i++)
		ep = ep + 1 < s->endpoints + s->n_endpoints ? ep + 1 : s->endpoints;
	return ep;
}

static enum drop go_on(struct worker *w, struct flow *f, enum flow_side_id from, struct pkt *p);

/* ---- opening --------------------------------------------------------------------------------- */

static enum drop refuse(struct worker *w, struct pkt *p, enum drop end)
{
	if (p->kind == PKT_TCP)
		return tcp_refuse(w->tcp, p, end, w->now_us);
	net_refuse(w->net, p, NET_NO_PORT, 0);
	buf_free(p->buf);
	return end;
}

/* A device may still forward what it has a rule for; and what a splice sent last, splice.c knows. */
static bool has_rested(const struct worker *w, const struct flow *f)
{
	return f->state == FLOW_CLOSED && !f->offload && !(f->flags & FLOW_F_SPLICE) &&
	       (uint16_t)(w->flows.now_s - f->due_s) >= REST_LEAST_S;
}

/* Nobody has answered, and not for want of time: a flood must not have all ports for times.flow_syn. */
static bool is_unanswered(const struct worker *w, const struct flow *f)
{
	return f->state == FLOW_HALF_OPEN && (uint16_t)(w->flows.now_s - f->due_s) >= REST_LEAST_S;
}

static bool may_go(const struct worker *w, const struct flow *f)
{
	return is_unanswered(w, f) || (!flow_is_udp(f) && has_rested(w, f));
}

/* Searches in vain cost more than anything else that a packet can ask for, so each makes the next one shorter. */
static void learn_tries(struct worker *w, bool found)
{
	uint32_t tries = found ? w->port_tries * 2 : w->port_tries / 2;

	w->port_tries = tries < PORT_TRIES_MIN ? PORT_TRIES_MIN : tries;
	if (w->port_tries > PORT_TRIES)
		w->port_tries = PORT_TRIES;
}

/* A port of which nothing is left, else one whose flow may go for it; false: neither. */
static bool search_port(struct worker *w, struct flow *f, const struct ip_addr *src,
                        const struct ip_addr *dst, struct flow **old)
{
	uint32_t min = w->node->source_port_min, max = w->node->source_port_max, seen = 0;
	uint32_t tries = w->port_tries * w->n_workers;
	struct flow_side *s = &f->side[FLOW_SERVER];
	struct tcp_peer peer = {.local = *src, .remote = *dst, .rport = s->rport};
	be16_t rest = 0;

	*old = NULL;
	for (uint32_t i = 0; i < tries && i <= max - min; i++) {
		uint32_t port = w->next_port;
		enum flow_side_id side;
		struct flow *other;

		w->next_port = port == max ? min : port + 1;
		s->lport = peer.lport = htons((uint16_t)port);
		if (w->steer && steer_reply_owner(w->steer, src, s->lport, dst, s->rport) != w->id)
			continue;
		if (!flow_is_udp(f) && !tcp_port_free(w->tcp, &peer))
			continue;
		other = flow_find_side(&w->flows, s, flow_is_udp(f), hash_side(w, f, FLOW_SERVER),
		                       &side);
		if (!other)
			return true;
		if (!*old && side == FLOW_SERVER && may_go(w, other)) {
			*old = other;
			rest = s->lport;
		}
		if (*old && ++seen >= FREE_TRIES)
			break;
	}
	s->lport = rest;
	return *old;
}

static bool choose_port(struct worker *w, struct flow *f, const struct ip_addr *src,
                        const struct ip_addr *dst, struct flow **old)
{
	bool found = search_port(w, f, src, dst, old);

	learn_tries(w, found);
	return found;
}

/*
 * Begin beyond the connection that used these ports before. One that was not answered leaves nothing at the
 * endpoint, or a SYN cookie.
 */
static void follow(struct worker *w, struct flow *f, struct flow *old, struct pkt *p)
{
	if (old->state == FLOW_HALF_OPEN) {
		worker_count(w, COUNT_FLOWS_PUSHED_OUT);
		l4_end(w, old);
		return;
	}
	f->side[FLOW_SERVER].seq_add = old->splice + RESTED_STEP - wire_get32(p->l4 + TCP_SEQ);
	f->flags |= FLOW_F_SEQ;
	worker_count(w, COUNT_FLOW_RESTS);
	l4_end(w, old);
	tcp_edit_cut(p->l4, p->l4_len, TCP_EDIT_TS);
}

/* Our side towards the endpoint; DROP_COUNT: done. */
static enum drop reach(struct worker *w, struct flow *f, const struct flow_choice *to,
                       struct pkt *p)
{
	struct flow_side *s = &f->side[FLOW_SERVER];
	const struct ip_addr *src = upstream_source(w, &to->addr);
	struct flow *old;

	if (!src)
		return DROP_FLOW_NO_ENDPOINT;
	memcpy(s->peer, to->addr.b, sizeof(s->peer));
	s->rport = to->port;
	s->local = (uint16_t)net_own_number(w->net, src);
	if (!net_path_fill(w->net, &s->path, src, &to->addr))
		return DROP_FLOW_SEND;
	if (f->flags & FLOW_F_ONE_WAY)
		return DROP_COUNT;
	if (!choose_port(w, f, src, &to->addr, &old)) {
		worker_count(w, COUNT_TCP_NO_PORT);
		return DROP_FLOW_NO_PORT;
	}
	if (old)
		follow(w, f, old, p);
	return DROP_COUNT;
}

/* Can packets of this client reach it this way? Only inside others do they change the family. */
static bool fits(const struct worker *w, const struct subset *s, const struct endpoint *ep,
                 const struct pkt *p)
{
	if (s->mode == FORWARD_IPIP || s->mode == FORWARD_GUE)
		return true;
	if (ip_is_v4(&ep->addr) != ip_is_v4(&p->src))
		return false;
	return s->mode == FORWARD_NAT || net_on_link(w->net, &ep->addr);
}

/*
 * Weights first. When answers do not come through us, other nodes may get later packets of a connection, and
 * must choose alike: then the place in the table is by hash, not in turn.
 */
static const struct dest *pick(struct worker *w, const struct split *s,
                               const struct balance_client *c)
{
	const struct subset *sub = s->dests[0].subset;

	if (sub && sub->mode != FORWARD_NAT)
		return &s->dests[s->table[(balance_hash(HASH_ON_TUPLE, c) & UINT32_MAX) *
		                                  s->n_table >>
		                          32]];
	return pick_next(&w->splits[s->slot.index], s, w->id);
}

void l4_make_room(struct worker *w)
{
	struct flow *victim;

	for (int i = 0; i < VICTIMS && (victim = flow_victim(&w->flows)); i++) {
		if (!offload_end(&w->offload, victim, OFFLOAD_WHY_CLOSED)) {
			hold(w, victim);
			continue;
		}
		worker_count(w, COUNT_FLOWS_PUSHED_OUT);
		l4_end(w, victim);
		return;
	}
}

static struct flow_choice choice_of(struct worker *w, const struct dest *d,
                                    const struct endpoint *ep, bool udp)
{
	uint64_t idle_us = d->subset->idle_timeout_us;

	if (!idle_us)
		idle_us = udp ? w->node->times.udp_idle_us : w->node->times.flow_idle_us;
	return (struct flow_choice){.addr = ep->addr,
	                            .port = ep->port,
	                            .mode = d->subset->mode,
	                            .idle = flow_idle(&w->flows, idle_us),
	                            .endpoint = ep->slot,
	                            .dest = d->stats};
}

static void fill(struct flow *f, const struct flow_choice *to, const struct pkt *p)
{
	struct flow_side *s = &f->side[FLOW_CLIENT];

	memcpy(s->peer, p->src.b, sizeof(s->peer));
	s->rport = p->sport;
	s->lport = p->dport;
	s->local = p->own;
	f->mode = to->mode;
	f->flags = f->mode == FORWARD_NAT ? 0 : FLOW_F_ONE_WAY;
	if (p->kind == PKT_UDP)
		f->flags |= FLOW_F_UDP;
	f->idle = to->idle;
	f->dest = to->dest;
	f->endpoint = to->endpoint;
}

/* The flow of a first packet; NULL: *end says why not, and nothing is left. */
static struct flow *start(struct worker *w, const struct flow_choice *to, struct pkt *p,
                          enum drop *end)
{
	struct flow *f;

	l4_make_room(w);
	f = flow_new(&w->flows);
	*end = DROP_FLOW_LIMIT;
	if (!f)
		return NULL;
	fill(f, to, p);
	*end = reach(w, f, to, p);
	if (*end != DROP_COUNT ||
	    !net_path_fill(w->net, &f->side[FLOW_CLIENT].path, &p->dst, &p->src)) {
		flow_free(&w->flows, f);
		return NULL;
	}
	forward_prepare(w, f);
	flow_add(&w->flows, f, FLOW_CLIENT, p->hash);
	if (!(f->flags & FLOW_F_ONE_WAY))
		flow_add(&w->flows, f, FLOW_SERVER, hash_side(w, f, FLOW_SERVER));
	upstream_state(w, to->endpoint);
	count_opened(w, f);
	w->stats.counters[COUNT_FLOWS_HALF_OPEN] = w->flows.n_half_open;
	return f;
}

/* ---- QUIC ------------------------------------------------------------------------------------ */

/* A client of a known connection, from another address: it goes where it was, while that endpoint is there. */
static bool find_quic(struct worker *w, const struct listener *l, const struct pkt *p,
                      struct flow_choice *to)
{
	const struct flow_choice *known = NULL;

	if (l->quic && !p->fragment)
		known = quic_ids_find(&w->quic_ids, p->l4 + UDP_LEN, p->l4_len - (size_t)UDP_LEN,
		                      p->dport);
	if (!known || w->endpoints[known->endpoint.index].epoch != known->endpoint.epoch ||
	    ip_is_v4(&known->addr) != ip_is_v4(&p->src))
		return false;
	*to = *known;
	worker_count(w, COUNT_QUIC_MOVED);
	return true;
}

/* Long headers have the ids in clear; they are there for the handshake only, so this is rare. */
static void learn_quic(struct worker *w, const struct flow *f, const struct pkt *p)
{
	const struct flow_side *c = &f->side[FLOW_CLIENT], *s = &f->side[FLOW_SERVER];
	int i = route_listener_of(w->snap, net_own(w->net, c->local), c->lport, true);
	struct flow_choice to = {.addr = flow_peer(s),
	                         .port = s->rport,
	                         .mode = f->mode,
	                         .idle = f->idle,
	                         .endpoint = f->endpoint,
	                         .dest = f->dest};

	if (i >= 0 && w->snap->listeners[i].quic && !p->fragment)
		quic_ids_learn(&w->quic_ids, p->l4 + UDP_LEN, p->l4_len - (size_t)UDP_LEN, c->lport,
		               &to);
}

static bool has_long_header(const struct pkt *p)
{
	return p->l4_len > UDP_LEN && p->l4[UDP_LEN] & 0x80;
}

/* ---- the first packet ------------------------------------------------------------------------ */

/* In the modes without state at the endpoint's side a connection may be taken up in its middle. */
static bool may_begin(const struct l4_route *r, const struct pkt *p)
{
	const struct subset *s = r->split->dests[0].subset;

	if (p->kind == PKT_UDP)
		return true;
	if ((p->l4[TCP_FLAGS] & (TCP_FLAG_SYN | TCP_FLAG_ACK | TCP_FLAG_RST)) == TCP_FLAG_SYN)
		return true;
	return s && s->mode != FORWARD_NAT && !(p->l4[TCP_FLAGS] & TCP_FLAG_SYN);
}

static bool find_endpoint(struct worker *w, const struct listener *l, const struct pkt *p,
                          struct flow_choice *to)
{
	const struct balance_client c = {&p->src, &p->dst, p->sport, p->dport, p->kind == PKT_UDP};
	const struct dest *d = l->l4 ? pick(w, l->l4->split, &c) : NULL;
	const struct endpoint *ep = d && d->subset ? choose(w, d->subset, &c) : NULL;

	if (!ep || !fits(w, d->subset, ep, p))
		return false;
	*to = choice_of(w, d, ep, c.udp);
	return true;
}

enum drop l4_open(struct worker *w, struct pkt *p)
{
	bool udp = p->kind == PKT_UDP;
	int i = route_listener_of(w->snap, &p->dst, p->dport, udp);
	const struct listener *l = i < 0 ? NULL : &w->snap->listeners[i];
	struct flow_choice to;
	struct flow *f;
	enum drop end;

	if (!l || l->stream || l->kind != (udp ? LISTENER_UDP : LISTENER_TCP))
		return DROP_COUNT;
	if (l->l4 && !may_begin(l->l4, p))
		return DROP_COUNT;
	if (w->draining)
		return refuse(w, p, DROP_FLOW_DRAINING);
	if (!find_quic(w, l, p, &to) && !find_endpoint(w, l, p, &to))
		return refuse(w, p, DROP_FLOW_NO_ENDPOINT);
	f = start(w, &to, p, &end);
	if (!f)
		return refuse(w, p, end);
	return go_on(w, f, FLOW_CLIENT, p);
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

static void follow_udp(struct worker *w, struct flow *f, enum flow_side_id from,
                       const struct pkt *p)
{
	if (from == FLOW_SERVER && has_long_header(p))
		learn_quic(w, f, p);
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
	const struct endpoint_state *e = state_of(w, f);

	if (from != FLOW_CLIENT ||
	    (p->l4[TCP_FLAGS] & (TCP_FLAG_SYN | TCP_FLAG_ACK)) != TCP_FLAG_SYN)
		return false;
	return f->state == FLOW_CLOSED || (f->state == FLOW_HALF_OPEN && e && e->dead);
}

/* It may take no new connections and yet serve those that it has. */
static bool is_cut_off(struct worker *w, const struct flow *f, enum flow_side_id from)
{
	struct endpoint_state *e = state_of(w, f);

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
	return refuse(w, p, DROP_FLOW_NO_ENDPOINT);
}

static enum drop go_on(struct worker *w, struct flow *f, enum flow_side_id from, struct pkt *p)
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

		return end == DROP_COUNT ? go_on(w, f, from, p) : end;
	}
	if (!flow_is_udp(f) && is_news(f, p) && is_anew(w, f, from, p)) {
		if (!offload_end(&w->offload, f, OFFLOAD_WHY_CLOSED)) {
			buf_free(p->buf); /* it comes again */
			return DROP_FLOW_NO_PORT;
		}
		l4_end(w, f);
		return DROP_COUNT;
	}
	return go_on(w, f, from, p);
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
