/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Connections to endpoints: a pool of kept-alive ones per endpoint and worker, bounded, and a bounded
 * queue of requests when all are in use.
 *
 * A connection is connecting, bound to a session, or idle in its endpoint's pool. The pool gives the
 * one used last (it is warm, and the rest age out). An idle connection on which anything arrives is
 * not usable any more: the endpoint closed it or sent what nobody asked for.
 */
#include "proxy_header.h"
#include "steer.h"
#include "worker_state.h"

#include <arpa/inet.h>

#define PORT_TRIES 4096 /* source ports looked at for one connection before giving up */

struct endpoint_state *upstream_state(struct worker *w, struct slot slot)
{
	struct endpoint_state *e = &w->endpoints[slot.index];

	if (e->epoch == slot.epoch)
		return e;
	/* The slot's former endpoint left all snapshots, so nobody waits for it; its idle connections
	   would go to the wrong place. */
	while (e->idle)
		upstream_abort(w, e->idle);
	e->epoch = slot.epoch;
	e->n_waiting = 0;
	e->wait_first = NULL;
	e->wait_last = &e->wait_first;
	e->unanswered = 0;
	e->silent_us = 0;
	e->dead = false;
	e->heard_us = 0;
	return e;
}

/* Statistics of u's endpoint; NULL when its slot has been given to another one since. */
static struct endpoint_stats *stats_of(struct worker *w, const struct upstream *u)
{
	struct endpoint_stats *st = &w->stats.endpoints[u->endpoint.index];

	return st->epoch == u->endpoint.epoch ? st : NULL;
}

/* May a request be sent on it? Not when the endpoint closed it or sent what nobody asked for. */
static bool usable(const struct upstream *u)
{
	return tcp_why(u->conn) == TCP_WHY_NONE && !tcp_eof(u->conn) &&
	       !tcp_recv_queue(u->conn)->first;
}

/* ---- idle list --------------------------------------------------------------------------- */

static void idle_push(struct worker *w, struct endpoint_state *e, struct upstream *u)
{
	u->next = e->idle;
	if (u->next)
		u->next->prev = &u->next;
	u->prev = &e->idle;
	e->idle = u;
	u->idle = true;
	worker_count(w, COUNT_UPSTREAM_IDLE);
	if (stats_of(w, u))
		stats_of(w, u)->idle++;
	u->idle_since_us = w->now_us;
	/* Left armed while it is used: most requests then never touch the wheel. */
	if (!timer_armed(&u->timer))
		timer_arm(&w->wheel, &u->timer, w->now_us + w->node->times.upstream_idle_us);
}

static void idle_remove(struct worker *w, struct upstream *u)
{
	*u->prev = u->next;
	if (u->next)
		u->next->prev = u->prev;
	u->idle = false;
	worker_uncount(w, COUNT_UPSTREAM_IDLE);
	if (stats_of(w, u))
		stats_of(w, u)->idle--;
}

/* ---- opening and closing ------------------------------------------------------------------- */

const struct ip_addr *upstream_source(struct worker *w, const struct ip_addr *dst)
{
	const struct node *n = w->node;

	for (uint32_t i = 0; i < n->n_sources; i++) {
		const struct ip_addr *a = &n->sources[(w->next_source + i) % n->n_sources];

		if (ip_is_v4(a) == ip_is_v4(dst)) {
			w->next_source += i + 1;
			return a;
		}
	}
	return net_source(w->net, dst);
}

/* A free source port whose replies come to this worker; false when none was found. */
static bool choose_port(struct worker *w, struct tcp_peer *peer)
{
	uint32_t min = w->node->source_port_min, max = w->node->source_port_max;

	for (uint32_t i = 0; i < PORT_TRIES * w->n_workers && i <= max - min; i++) {
		uint32_t port = w->next_port;

		w->next_port = port == max ? min : port + 1;
		peer->lport = htons((uint16_t)port);
		if (w->steer && steer_reply_owner(w->steer, &peer->local, peer->lport,
		                                  &peer->remote, peer->rport) != w->id)
			continue;
		if (tcp_port_free(w->tcp, peer) && l4_port_free(w, peer))
			return true;
	}
	worker_count(w, COUNT_TCP_NO_PORT);
	return false;
}

/* What will be a tunnel gets a connection like the client's, so that both can become one flow. */
static struct tcp_conn *connect_for(struct worker *w, const struct session *s,
                                    const struct tcp_peer *peer)
{
	const struct subset *subset = s->x->dest->subset;
	uint64_t timeout_us = subset->connect_timeout_us;
	char header[PROXY_HEADER_MAX];
	size_t first = 0;

	if (!s->x->stream && !s->x->upgrade)
		return tcp_connect(w->tcp, peer, timeout_us, w->now_us);
	if (s->x->stream)
		first = proxy_header_write(header, subset->proxy_protocol, tcp_peer(s->conn));
	return tcp_connect_like(w->tcp, peer, s->conn, (uint32_t)first, timeout_us, w->now_us);
}

static struct upstream *open_for(struct worker *w, const struct session *s)
{
	const struct endpoint *ep = s->x->endpoint;
	const struct ip_addr *src = upstream_source(w, &ep->addr);
	struct tcp_peer peer = {.remote = ep->addr, .rport = ep->port};
	struct endpoint_stats *st = worker_endpoint_stats(w, ep->slot);
	struct upstream *u;

	if (!src)
		return NULL;
	peer.local = *src;
	if (!choose_port(w, &peer))
		return NULL;
	u = slab_get(&w->upstream_slab);
	if (!u)
		return NULL;
	memset(u, 0, sizeof(*u));
	u->conn = connect_for(w, s, &peer);
	if (!u->conn) {
		slab_put(&w->upstream_slab, u);
		return NULL;
	}
	u->timer.kind = UPSTREAM_TIMER_KIND;
	u->endpoint = ep->slot;
	u->connecting = true;
	tcp_set_user(u->conn, u);
	st->connects++;
	st->conns++;
	worker_count(w, COUNT_UPSTREAM_CONNS);
	return u;
}

static void serve_queue(struct worker *w, struct endpoint_state *e);

static void discard(struct worker *w, struct upstream *u)
{
	if (u->idle)
		idle_remove(w, u);
	timer_cancel(&w->wheel, &u->timer);
	if (u->session)
		u->session->up = NULL;
	tcp_set_user(u->conn, NULL);
	tcp_release(w->tcp, u->conn);
	if (stats_of(w, u))
		stats_of(w, u)->conns--;
	worker_uncount(w, COUNT_UPSTREAM_CONNS);
	slab_put(&w->upstream_slab, u);
}

static void close_it(struct worker *w, struct upstream *u)
{
	struct endpoint_state *e = &w->endpoints[u->endpoint.index];
	bool current = e->epoch == u->endpoint.epoch;

	discard(w, u);
	if (current && e->wait_first)
		serve_queue(w, e);
}

void upstream_abort(struct worker *w, struct upstream *u)
{
	tcp_abort(w->tcp, u->conn);
	close_it(w, u);
}

/* ---- getting and giving back --------------------------------------------------------------- */

static void attach(struct session *s, struct upstream *u)
{
	s->up = u;
	u->session = s;
}

static void enqueue(struct endpoint_state *e, struct session *s)
{
	s->x->wait_next = NULL;
	s->x->wait_prev = e->wait_last;
	*e->wait_last = s;
	e->wait_last = &s->x->wait_next;
	s->x->waiting = true;
	e->n_waiting++;
}

void upstream_unqueue(struct worker *w, struct session *s)
{
	struct endpoint_state *e = &w->endpoints[s->x->endpoint_slot.index];

	*s->x->wait_prev = s->x->wait_next;
	if (s->x->wait_next)
		s->x->wait_next->x->wait_prev = s->x->wait_prev;
	else
		e->wait_last = s->x->wait_prev;
	s->x->waiting = false;
	e->n_waiting--;
}

enum upstream_get upstream_get(struct worker *w, struct session *s, bool fresh)
{
	const struct endpoint *ep = s->x->endpoint;
	struct endpoint_state *e = upstream_state(w, ep->slot);
	const struct node_limits *lim = &w->node->limits;
	struct upstream *u;

	while ((u = e->idle) && !usable(u))
		close_it(w, u);
	if (u && !fresh && !s->x->stream) {
		idle_remove(w, u);
		attach(s, u);
		return UPSTREAM_READY;
	}
	if (worker_endpoint_stats(w, ep->slot)->conns >= lim->upstream_conns) {
		if (u) { /* room for the fresh one, and for nobody who waits */
			tcp_abort(w->tcp, u->conn);
			discard(w, u);
		} else if (e->n_waiting >= lim->pending_requests) {
			return UPSTREAM_OVERFLOW;
		} else {
			enqueue(e, s);
			return UPSTREAM_QUEUED;
		}
	}
	u = open_for(w, s);
	if (!u)
		return UPSTREAM_NO_ROUTE;
	attach(s, u);
	return UPSTREAM_CONNECTING;
}

/* ---- news for whom a connection is bound to ------------------------------------------------- */

static void connected(struct worker *w, struct session *s)
{
	if (s->x->stream)
		passthrough_begin(w, s);
	else
		exchange_send(w, s);
}

static void failed(struct worker *w, struct session *s, enum tcp_why why)
{
	if (s->x->stream)
		passthrough_fail(w, s);
	else
		exchange_fail(w, s, why);
}

/*
 * A connection was given back or has gone: let the oldest waiting request have it or a new one. Who
 * cannot have one makes room for the next: there may be no connection left that would wake it.
 */
static void serve_queue(struct worker *w, struct endpoint_state *e)
{
	struct session *s;

	while ((s = e->wait_first)) {
		upstream_unqueue(w, s);
		switch (upstream_get(w, s, false)) {
		case UPSTREAM_READY:
			connected(w, s);
			session_run(w, s);
			return;
		case UPSTREAM_CONNECTING:
		case UPSTREAM_QUEUED: return;
		default: failed(w, s, TCP_WHY_NO_ROUTE); session_run(w, s);
		}
	}
}

/* Not at once: flows end in the middle of packets, and what is begun here may end others. */
void upstream_freed(struct worker *w, struct slot endpoint)
{
	struct endpoint_state *e = &w->endpoints[endpoint.index];

	if (e->epoch != endpoint.epoch || !e->wait_first || e->freed)
		return;
	e->freed = true;
	e->next_freed = w->freed;
	w->freed = endpoint.index + 1;
}

static bool has_room(struct worker *w, uint32_t index)
{
	return w->stats.endpoints[index].conns < w->node->limits.upstream_conns;
}

bool upstream_turn(struct worker *w)
{
	bool any = w->freed != 0;

	while (w->freed) {
		uint32_t index = w->freed - 1;
		struct endpoint_state *e = &w->endpoints[index];

		w->freed = e->next_freed;
		e->freed = false;
		while (e->wait_first && has_room(w, index))
			serve_queue(w, e);
	}
	return any;
}

void upstream_put(struct worker *w, struct upstream *u, bool reusable)
{
	struct endpoint_state *e = &w->endpoints[u->endpoint.index];

	u->session->up = NULL;
	u->session = NULL;
	tcp_window_free(w->tcp, u->conn);
	if (!reusable || w->draining || e->epoch != u->endpoint.epoch || !usable(u)) {
		close_it(w, u);
		return;
	}
	u->requests++;
	idle_push(w, e, u);
	if (e->wait_first)
		serve_queue(w, e);
}

/* ---- news -------------------------------------------------------------------------------- */

void upstream_event(struct worker *w, struct upstream *u, uint32_t events)
{
	struct session *s = u->session;

	if (!s) { /* idle: whatever comes, the endpoint closes it or sends what nobody asked for */
		if (!usable(u))
			close_it(w, u);
		return;
	}
	if ((events & TCP_EV_CONNECTED) && u->connecting) {
		u->connecting = false;
		connected(w, s);
	} else if ((events & TCP_EV_CLOSED) && u->connecting) {
		failed(w, s, tcp_why(u->conn));
	}
	session_run(w, s);
}

void upstream_timer(struct worker *w, struct upstream *u)
{
	uint64_t due = u->idle_since_us + w->node->times.upstream_idle_us;

	if (!u->idle)
		return; /* armed again when it is given back */
	if (due > w->now_us)
		timer_arm(&w->wheel, &u->timer, due);
	else
		close_it(w, u);
}
