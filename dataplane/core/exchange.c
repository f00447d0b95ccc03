/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One request: route it, get a connection, send its head, retry when that is safe, count the outcome.
 * What flows afterwards is in transfer.c.
 */
#include "splice.h"
#include "worker_state.h"

#define CONNECT_RETRIES   2     /* Istio's default policy: attempts 2 on connect failures */
#define ROUTE_FETCH_BYTES 512   /* of a route with two destinations and what hangs on it */
#define BACKOFF_BASE_US   25000 /* Envoy's default base interval */

/* ---- counting ---------------------------------------------------------------------------- */

static void count_response(struct worker *w, struct session *s)
{
	struct exchange *x = s->x;
	struct dest_stats *d = &w->stats.dests[x->dest_slot.index];
	uint64_t us = x->request_end_us ? w->now_us - x->request_end_us : 0;
	uint32_t class = x->status / 100u;

	if (d->epoch != x->dest_slot.epoch) /* a tunnel outlived its destination */
		return;
	d->active--;
	if (x->stream)
		return;
	d->status[class < 6 ? class : 0]++;
	if (!x->resp_started && x->status)
		d->local++;
	d->latency_us_sum += us;
	d->latency[latency_bucket(us)]++;
}

static void uncount_endpoint(struct worker *w, struct session *s)
{
	struct exchange *x = s->x;
	struct endpoint_stats *e = &w->stats.endpoints[x->endpoint_slot.index];

	if (x->counted_endpoint && e->epoch == x->endpoint_slot.epoch)
		e->active--;
	x->counted_endpoint = false;
}

void exchange_release(struct worker *w, struct session *s)
{
	struct exchange *x = s->x;
	if (x->snap)
		x->snap->inflight[w->id].requests--;
	x->snap = NULL;
	x->clause = NULL;
	x->route = NULL;
	x->dest = NULL;
	x->endpoint = NULL;
}

struct exchange *exchange_new(struct worker *w, struct session *s)
{
	/* never NULL: there are as many as sessions, and each has one at most */
	s->x = slab_get(&w->exchange_slab);
	memset(s->x, 0, sizeof(*s->x));
	worker_count(w, COUNT_HTTP_REQUESTS);
	worker_count(w, COUNT_HTTP_ACTIVE);
	return s->x;
}

void exchange_end(struct worker *w, struct session *s)
{
	struct exchange *x = s->x;

	if (!x)
		return;
	splice_cut(w, s);
	tcp_window_free(w->tcp, s->conn);
	if (s->up)
		upstream_abort(w, s->up);
	if (x->waiting)
		upstream_unqueue(w, s);
	if (x->counted_dest)
		count_response(w, s);
	x->counted_dest = false;
	uncount_endpoint(w, s);
	exchange_release(w, s);
	bufq_clear(&x->head);
	bufq_clear(&x->raw);
	worker_uncount(w, x->stream ? COUNT_PASS_ACTIVE : COUNT_HTTP_ACTIVE);
	slab_put(&w->exchange_slab, x);
	s->x = NULL;
}

/* ---- deciding ---------------------------------------------------------------------------- */

bool exchange_needs_request(const struct header_ops *ops)
{
	for (uint32_t i = 0; i < ops->n; i++)
		for (uint32_t k = 0; k < ops->ops[i].n_parts; k++)
			if (ops->ops[i].parts[k].kind == VALUE_REQ)
				return true;
	return false;
}

/* What is sent only once leaves the receive queue then; keep a copy when the response will ask for it. */
static void keep_raw(struct worker *w, struct session *s)
{
	const struct bufq *q = tcp_recv_queue(s->conn);
	size_t len;
	const char *p;

	if (s->x->safe || (!exchange_needs_request(&s->x->route->response_ops) &&
	                   !exchange_needs_request(&s->x->dest->response_ops)))
		return;
	p = worker_contiguous(w, q, w->gather_request, &len);
	worker_copy_bytes(w, &s->x->raw, p, s->x->head_len); /* without it those values are empty */
}

void exchange_pick(struct worker *w, struct session *s, const struct split *split)
{
	struct exchange *x = s->x;
	struct dest_stats *d;

	x->snap = w->snap;
	x->snap->inflight[w->id].requests++;
	x->dest = pick_next(&w->splits[split->slot.index], split, w->id);
	x->dest_slot = x->dest->stats;
	d = worker_dest_stats(w, x->dest_slot);
	d->picks++;
	d->active++;
	x->counted_dest = true;
}

static void forward(struct worker *w, struct session *s)
{
	struct exchange *x = s->x;

	exchange_pick(w, s, x->route->split);
	if (!x->dest->subset) {
		worker_count(w, COUNT_HTTP_NO_CLUSTER);
		local_reply(w, s, &(struct local_reply){.status = 503});
		return;
	}
	x->request_id[0] = worker_random(w);
	x->request_id[1] = worker_random(w);
	keep_raw(w, s);
	exchange_connect(w, s);
}

/* A redirect or direct response counts under its route. */
static void count_local_route(struct worker *w, struct session *s, const struct route *route)
{
	struct dest_stats *d = worker_dest_stats(w, route->stats);

	s->x->dest_slot = route->stats;
	d->picks++;
	d->active++;
	s->x->counted_dest = true;
}

/*
 * A route's split, destinations and table were allocated right behind it. Each is found through the one
 * before, so with thousands of routes that is a row of cache misses: have all of them come at once.
 */
static void fetch(const struct route *route)
{
	for (size_t at = 0; at < ROUTE_FETCH_BYTES; at += 64)
		__builtin_prefetch((const uint8_t *)route + at);
}

static void act(struct worker *w, struct session *s, const struct clause *c)
{
	const struct route *route = c->route;

	fetch(route);
	s->x->clause = c;
	s->x->route = route;
	switch (route->kind) {
	case ROUTE_REDIRECT:
		count_local_route(w, s, route);
		local_redirect(w, s, route);
		return;
	case ROUTE_DIRECT:
		count_local_route(w, s, route);
		local_reply(w, s,
		            &(struct local_reply){.status = route->direct->status,
		                                  .body = route->direct->body,
		                                  .route = route,
		                                  .request = &w->request});
		return;
	default: forward(w, s);
	}
}

static void not_found(struct worker *w, struct session *s, enum counter why)
{
	worker_count(w, why);
	local_reply(w, s, &(struct local_reply){.status = 404});
}

void exchange_begin(struct worker *w, struct session *s)
{
	const struct http1_request *r = &w->request;
	const struct listener *l = session_listener(w, s);
	const struct vhost *v;
	const struct clause *c;

	if (s->x->http10 && !(l && l->accept_http10)) {
		worker_count(w, COUNT_HTTP_VERSION);
		local_reply(w, s, &(struct local_reply){.status = 426, .close = true});
		return;
	}
	if (l && l->https_redirect) {
		local_https(w, s);
		return;
	}
	v = l ? route_host(l, r->authority) : NULL;
	if (!v) {
		not_found(w, s, COUNT_HTTP_NO_HOST);
		return;
	}
	/* CONNECT needs a route that says so (Envoy's connect_matcher); Istio has no such rule. */
	c = r->is_connect ? NULL : route_match(v, r, w->snap->scratch[w->id], &w->bits);
	if (!c) {
		not_found(w, s, COUNT_HTTP_NO_ROUTE);
		return;
	}
	act(w, s, c);
}

/* ---- request head ------------------------------------------------------------------------ */

/* Write the head that goes to the endpoint from w->request into s->x->head. False: pool empty. */
static bool write_head(struct worker *w, struct session *s)
{
	struct exchange *x = s->x;
	const struct tcp_peer *peer = tcp_peer(s->conn);
	struct http1_forward f = {.clause = x->clause,
	                          .route = x->route,
	                          .dest = x->dest,
	                          .client = &peer->remote,
	                          .client_port = peer->rport,
	                          .attempt = x->attempt,
	                          .request_id = (const uint8_t *)x->request_id};
	struct buf *b = buf_alloc(w->pool);
	struct http1_out out;

	if (!b) {
		worker_count(w, COUNT_NO_BUFFER);
		return false;
	}
	out = (struct http1_out){.p = (char *)b->data, .cap = buf_tailroom(b)};
	http1_write_request(&w->request, &f, &out);
	if (out.len <= out.cap) {
		b->len = (uint16_t)out.len;
		bufq_push(&x->head, b);
		return true;
	}
	buf_free(b);
	out = (struct http1_out){.p = w->scratch, .cap = WORKER_SCRATCH_BYTES};
	http1_write_request(&w->request, &f, &out);
	return out.len <= out.cap && worker_copy_bytes(w, &x->head, w->scratch, out.len);
}

/*
 * Make sure s->x->head holds the head to be sent. On the first try the request has just been parsed; on a
 * retry it is parsed again from where it was kept.
 */
static bool have_head(struct worker *w, struct session *s)
{
	if (s->x->attempt > 1) {
		bufq_clear(&s->x->head);
		if (!session_reparse(w, s))
			return false;
	}
	return s->x->head.first || write_head(w, s);
}

static void fail_locally(struct worker *w, struct session *s)
{
	worker_count(w, COUNT_HTTP_OVERFLOW);
	local_reply(
		w, s,
		&(struct local_reply){
			.status = 503,
			.body = STR("upstream connect error or disconnect/reset before headers. "
	                            "reset reason: overflow"),
			.extra = STR("x-envoy-overloaded: true\r\n")});
}

bool exchange_choose(struct worker *w, struct session *s)
{
	struct exchange *x = s->x;
	const struct tcp_peer *peer = tcp_peer(s->conn);
	const struct balance_client client = {&peer->remote, &peer->local, peer->rport, peer->lport,
	                                      false};

	uncount_endpoint(w, s);
	x->endpoint = balance_pick(&w->balance, x->dest->subset, x->endpoint, &client);
	if (!x->endpoint)
		return false;
	x->attempt++;
	x->endpoint_slot = x->endpoint->slot;
	worker_endpoint_stats(w, x->endpoint_slot)->active++;
	x->counted_endpoint = true;
	return true;
}

void exchange_connect(struct worker *w, struct session *s)
{
	struct exchange *x = s->x;
	bool fresh = x->retried;

	if (!exchange_choose(w, s)) {
		worker_count(w, COUNT_HTTP_NO_ENDPOINT);
		local_reply(
			w, s,
			&(struct local_reply){.status = 503, .body = STR("no healthy upstream")});
		return;
	}
	s->state = SESSION_WAIT;
	s->since_us = w->now_us;
	if (!have_head(w, s)) {
		fail_locally(w, s);
		return;
	}
	switch (upstream_get(w, s, fresh)) {
	case UPSTREAM_READY: exchange_send(w, s); return;
	case UPSTREAM_CONNECTING:
	case UPSTREAM_QUEUED: session_arm(w, s); return;
	case UPSTREAM_OVERFLOW: fail_locally(w, s); return;
	default: exchange_fail(w, s, TCP_WHY_NO_ROUTE);
	}
}

void exchange_send(struct worker *w, struct session *s)
{
	struct exchange *x = s->x;
	worker_endpoint_stats(w, x->endpoint_slot)->requests++;
	for (struct buf *b; (b = bufq_pop(&x->head));)
		tcp_send(w->tcp, s->up->conn, b);
	if (!x->safe || x->request_end_us == 0)
		session_drop_head(w, s);
	s->state = SESSION_EXCHANGE;
	x->sent_us = w->now_us;
	s->activity_us = w->now_us;
	x->up_reusable = true;
	session_arm(w, s);
}

/* ---- failing ----------------------------------------------------------------------------- */

static void wait_before_retry(struct worker *w, struct session *s)
{
	uint64_t span = BACKOFF_BASE_US * ((1ull << s->x->attempt) - 1);

	worker_count(w, COUNT_HTTP_RETRIES);
	s->state = SESSION_BACKOFF;
	s->since_us = w->now_us + worker_random(w) % span;
	timer_cancel(&w->wheel, &s->timer);
	session_arm(w, s);
}

static struct str connect_error(const struct session *s, enum tcp_why why)
{
#define BEFORE  "upstream connect error or disconnect/reset before headers. "
#define AGAIN   "retried and the latest reset reason: "
#define REFUSED "remote connection failure, transport failure reason: delayed connect error: "
	bool again = s->x->attempt > 1;

	if (why == TCP_WHY_REFUSED)
		return again ? STR(BEFORE AGAIN REFUSED "Connection refused")
		             : STR(BEFORE "reset reason: " REFUSED "Connection refused");
	if (why == TCP_WHY_TIMEOUT)
		return again ? STR(BEFORE AGAIN "connection timeout")
		             : STR(BEFORE "reset reason: connection timeout");
	return again ? STR(BEFORE AGAIN REFUSED "No route to host")
	             : STR(BEFORE "reset reason: " REFUSED "No route to host");
#undef BEFORE
#undef AGAIN
#undef REFUSED
}

static void connect_failed(struct worker *w, struct session *s, enum tcp_why why)
{
	worker_endpoint_stats(w, s->x->endpoint_slot)->connect_fails++;
	if (s->x->attempt <= CONNECT_RETRIES) {
		wait_before_retry(w, s);
		return;
	}
	worker_count(w, COUNT_HTTP_CONNECT_FAIL);
	local_reply(w, s, &(struct local_reply){.status = 503, .body = connect_error(s, why)});
}

void exchange_fail(struct worker *w, struct session *s, enum tcp_why why)
{
	bool connecting = !s->up || s->up->connecting;
	bool silent = s->up && !s->x->interim && !tcp_recv_queue(s->up->conn)->first;
	bool reused = silent && s->up->requests > 0;

	if (s->up)
		upstream_abort(w, s->up);
	if (connecting) {
		connect_failed(w, s, why);
		return;
	}
	worker_endpoint_stats(w, s->x->endpoint_slot)->resets++;
	/* The endpoint may have closed an idle connection at the moment we sent on it: not its answer. */
	if (reused && s->x->safe && !s->x->retried && (s->x->head_kept || s->x->head.first)) {
		worker_count(w, COUNT_HTTP_RETRIES);
		s->x->retried = true;
		exchange_connect(w, s);
		return;
	}
	worker_count(w, COUNT_HTTP_UPSTREAM_RESET);
	local_reply(
		w, s,
		&(struct local_reply){
			.status = 503,
			.body = STR("upstream connect error or disconnect/reset before headers. "
	                            "reset reason: connection termination")});
}
