/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The first packet of a connection of layer 4: where it goes is thought about once.
 *
 *   first packet -> listener -> rule -> pick (weights) -> balance (endpoint) -> source port -> flow
 *   later ones   -> flow, whatever the documents say by then (l4.c)
 *
 * A closed flow keeps its source port from being used again while the endpoint may hold the connection in
 * TIME_WAIT. When ports are short it is used all the same, and then the new connection's sequence numbers are
 * moved beyond the old one's and its timestamps taken away, which is what an endpoint in TIME_WAIT wants to see
 * (RFC 9293 section 3.10.7.4, RFC 6191).
 */
#include "offload.h"
#include "steer.h"
#include "tcp_edit.h"
#include "wire.h"
#include "worker_state.h"

#include <arpa/inet.h>

#define FREE_TRIES     16   /* source ports looked at before a resting one is used again */
#define PORT_TRIES     4096 /* and before giving up, unless that was in vain lately */
#define VICTIMS        8    /* flows asked to make room for one */
#define PORT_TRIES_MIN 64
#define REST_LEAST_S   2 /* a port rests for more than a second: packets of before are on the way */
#define RESTED_STEP    65536 /* how far beyond the old connection's numbers the new one begins */

/* ---- which endpoint ------------------------------------------------------------------------ */

static bool is_dead(struct worker *w, const struct endpoint *ep)
{
	struct endpoint_state *e = &w->endpoints[ep->slot.index];

	if (e->epoch != ep->slot.epoch || !e->dead)
		return false;
	if (w->now_us < e->probe_us)
		return true;
	e->probe_us = w->now_us + L4_PROBE_US;
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

/* ---- opening --------------------------------------------------------------------------------- */

enum drop l4_refuse(struct worker *w, struct pkt *p, enum drop end)
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
		other = flow_find_side(&w->flows, s, flow_is_udp(f),
		                       l4_hash_side(w, f, FLOW_SERVER), &side);
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
			l4_hold(w, victim);
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
		flow_add(&w->flows, f, FLOW_SERVER, l4_hash_side(w, f, FLOW_SERVER));
	upstream_state(w, to->endpoint);
	l4_count_opened(w, f);
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
void l4_learn_quic(struct worker *w, const struct flow *f, const struct pkt *p)
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
		return l4_refuse(w, p, DROP_FLOW_DRAINING);
	if (!find_quic(w, l, p, &to) && !find_endpoint(w, l, p, &to))
		return l4_refuse(w, p, DROP_FLOW_NO_ENDPOINT);
	f = start(w, &to, p, &end);
	if (!f)
		return l4_refuse(w, p, end);
	return l4_go_on(w, f, FLOW_CLIENT, p);
}
