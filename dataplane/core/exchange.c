/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One request and its response: route it, get a connection, forward both messages, retry when that is
 * safe, count the outcome.
 *
 * Bodies move as they are, buffer by buffer, from one connection's receive queue into the other's send
 * queue. When the receiving side is slow its send queue fills, the other's receive queue is no longer
 * emptied, and its window closes: back-pressure needs no more than that.
 */
#include "worker_state.h"

#define CONNECT_RETRIES 2     /* Istio's default policy: attempts 2 on connect failures */
#define BACKOFF_BASE_US 25000 /* Envoy's default base interval */
#define SEND_HEADROOM   (NET_HEADROOM + 60) /* what TCP, IP and Ethernet headers may need */

/* ---- counting ---------------------------------------------------------------------------- */

static void count_response(struct worker *w, struct session *s)
{
	struct dest_stats *d = worker_dest_stats(w, s->dest_slot);
	uint64_t us = s->request_end_us ? w->now_us - s->request_end_us : 0;
	uint32_t class = s->status / 100u;

	d->active--;
	d->status[class < 6 ? class : 0]++;
	if (!s->resp_started && s->status)
		d->local++;
	d->latency_us_sum += us;
	d->latency[latency_bucket(us)]++;
}

static void uncount_endpoint(struct worker *w, struct session *s)
{
	struct endpoint_stats *e = &w->stats.endpoints[s->endpoint_slot.index];

	if (s->counted_endpoint && e->epoch == s->endpoint_slot.epoch)
		e->active--;
	s->counted_endpoint = false;
}

static void release_snapshot(struct worker *w, struct session *s)
{
	if (s->snap)
		s->snap->inflight[w->id].requests--;
	s->snap = NULL;
	s->clause = NULL;
	s->route = NULL;
	s->dest = NULL;
	s->endpoint = NULL;
}

void exchange_end(struct worker *w, struct session *s)
{
	if (s->up)
		upstream_abort(w, s->up);
	if (s->waiting)
		upstream_unqueue(w, s);
	if (s->counted_dest)
		count_response(w, s);
	s->counted_dest = false;
	uncount_endpoint(w, s);
	release_snapshot(w, s);
	bufq_clear(&s->head);
	if (s->raw)
		buf_free(s->raw);
	s->raw = NULL;
	if (s->active)
		worker_uncount(w, COUNT_HTTP_ACTIVE);
	s->active = false;
}

/* ---- deciding ---------------------------------------------------------------------------- */

static const struct listener *listener_of(struct worker *w, struct session *s)
{
	const struct tcp_peer *peer = tcp_peer(s->conn);
	int i;

	if (s->listener_generation == w->snap->generation)
		return s->listener;
	i = route_listener(w->snap, &peer->local, peer->lport);
	s->listener = i < 0 ? NULL : &w->snap->listeners[i];
	s->listener_generation = w->snap->generation;
	return s->listener;
}

static bool needs_request(const struct header_ops *ops)
{
	for (uint32_t i = 0; i < ops->n; i++)
		for (uint32_t k = 0; k < ops->ops[i].n_parts; k++)
			if (ops->ops[i].parts[k].kind != VALUE_LITERAL)
				return true;
	return false;
}

/* A body pushes the head out of the receive queue; keep a copy when the response will ask for it. */
static void keep_raw(struct worker *w, struct session *s)
{
	const struct bufq *q = tcp_recv_queue(s->conn);
	size_t len;
	const char *p;

	if (http1_body_done(&s->req_body) ||
	    (!needs_request(&s->route->response_ops) && !needs_request(&s->dest->response_ops)))
		return;
	p = worker_contiguous(w, q, &len);
	s->raw = buf_alloc(w->pool);
	if (!s->raw)
		return;
	if (s->head_len > buf_tailroom(s->raw)) {
		buf_free(s->raw);
		s->raw = NULL;
		return;
	}
	memcpy(s->raw->data, p, s->head_len);
	s->raw->len = (uint16_t)s->head_len;
}

static void forward(struct worker *w, struct session *s)
{
	const struct split *split = s->route->split;
	struct dest_stats *d;

	s->snap = w->snap;
	s->snap->inflight[w->id].requests++;
	s->dest = pick_next(&w->splits[split->slot.index], split, w->id, w->n_workers);
	s->dest_slot = s->dest->stats;
	d = worker_dest_stats(w, s->dest_slot);
	d->picks++;
	d->active++;
	s->counted_dest = true;
	if (!s->dest->subset) {
		worker_count(w, COUNT_HTTP_NO_CLUSTER);
		local_reply(w, s, &(struct local_reply){.status = 503});
		return;
	}
	keep_raw(w, s);
	exchange_connect(w, s);
}

/* A redirect or direct response counts under its route. */
static void count_local_route(struct worker *w, struct session *s, const struct route *route)
{
	struct dest_stats *d = worker_dest_stats(w, route->stats);

	s->dest_slot = route->stats;
	d->picks++;
	d->active++;
	s->counted_dest = true;
}

static void act(struct worker *w, struct session *s, const struct clause *c)
{
	const struct route *route = c->route;

	s->clause = c;
	s->route = route;
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
	const struct listener *l = listener_of(w, s);
	const struct vhost *v;
	const struct clause *c;

	worker_count(w, COUNT_HTTP_REQUESTS);
	worker_count(w, COUNT_HTTP_ACTIVE);
	s->active = true;
	if (s->http10 && !(l && l->accept_http10)) {
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

/* Write the head that goes to the endpoint from w->request into s->head. False: pool empty. */
static bool write_head(struct worker *w, struct session *s)
{
	uint64_t id[2] = {worker_random(w), worker_random(w)};
	const struct tcp_peer *peer = tcp_peer(s->conn);
	struct http1_forward f = {.clause = s->clause,
	                          .route = s->route,
	                          .dest = s->dest,
	                          .client = &peer->remote,
	                          .client_port = peer->rport,
	                          .attempt = s->attempt,
	                          .request_id = (const uint8_t *)id};
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
		bufq_push(&s->head, b);
		return true;
	}
	buf_free(b);
	out = (struct http1_out){.p = w->scratch, .cap = WORKER_SCRATCH_BYTES};
	http1_write_request(&w->request, &f, &out);
	return out.len <= out.cap && worker_copy_bytes(w, &s->head, w->scratch, out.len);
}

/*
 * Make sure s->head holds the head to be sent. On the first try the request has just been parsed; on a
 * retry it is parsed again from where it was kept, unless normalising has changed those bytes: then
 * the head written before was kept instead.
 */
static bool have_head(struct worker *w, struct session *s)
{
	if (s->attempt > 1 && !s->path_changed) {
		bufq_clear(&s->head);
		if (!session_reparse(w, s))
			return false;
	}
	return s->head.first || write_head(w, s);
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

void exchange_connect(struct worker *w, struct session *s)
{
	bool fresh = s->retried;

	uncount_endpoint(w, s);
	s->endpoint = balance_pick(&w->balance, s->dest->subset, s->endpoint);
	if (!s->endpoint) {
		worker_count(w, COUNT_HTTP_NO_ENDPOINT);
		local_reply(
			w, s,
			&(struct local_reply){.status = 503, .body = STR("no healthy upstream")});
		return;
	}
	s->attempt++;
	s->endpoint_slot = s->endpoint->slot;
	worker_endpoint_stats(w, s->endpoint_slot)->active++;
	s->counted_endpoint = true;
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
	struct bufq keep = {0};
	bool copy = s->safe && s->path_changed && s->up->requests && !s->retried;

	worker_endpoint_stats(w, s->endpoint_slot)->requests++;
	for (struct buf *b; (b = bufq_pop(&s->head));) {
		if (copy && !worker_copy_bytes(w, &keep, (char *)b->data, b->len))
			copy = false;
		tcp_send(w->tcp, s->up->conn, b);
	}
	s->head = keep;
	if (!s->safe || s->request_end_us == 0)
		session_drop_head(w, s);
	s->state = SESSION_EXCHANGE;
	s->sent_us = w->now_us;
	s->activity_us = w->now_us;
	s->up_reusable = true;
	session_arm(w, s);
}

/* ---- moving bodies ----------------------------------------------------------------------- */

enum pump {
	PUMP_DONE,  /* the body has ended and is on its way */
	PUMP_EMPTY, /* more is to come */
	PUMP_FULL,  /* the receiver's send queue is full */
	PUMP_BAD,   /* malformed chunked coding, or no buffer to split with */
};

static enum pump pump(struct worker *w, struct tcp_conn *from, struct tcp_conn *to,
                      struct http1_body *body, uint64_t *bytes)
{
	while (!http1_body_done(body)) {
		const struct buf *b = tcp_recv_queue(from)->first;
		struct bufq part = {0};
		size_t used;

		if (!b)
			return PUMP_EMPTY;
		if (tcp_send_space(to) == 0)
			return PUMP_FULL;
		if (http1_body_feed(body, (const char *)b->data, b->len, &used) == HTTP1_BAD)
			return PUMP_BAD;
		*bytes += used;
		if (used == b->len) {
			tcp_send(w->tcp, to, tcp_recv(w->tcp, from));
			continue;
		}
		if (used && tcp_recv_take(w->tcp, from, (uint32_t)used, &part))
			return PUMP_BAD;
		for (struct buf *p; (p = bufq_pop(&part));)
			tcp_send(w->tcp, to, p);
	}
	return PUMP_DONE;
}

/* Request body towards the endpoint. False: the session is no longer in this exchange. */
static bool pump_request(struct worker *w, struct session *s)
{
	uint64_t moved = 0;
	enum pump r;

	if (s->request_end_us)
		return true;
	r = pump(w, s->conn, s->up->conn, &s->req_body, &moved);
	worker_dest_stats(w, s->dest_slot)->tx_bytes += moved;
	if (moved)
		s->activity_us = w->now_us;
	if (r == PUMP_DONE) {
		s->request_end_us = w->now_us;
		session_arm(w, s);
	}
	if (r == PUMP_BAD || (r == PUMP_EMPTY && tcp_eof(s->conn))) {
		worker_count(w, COUNT_HTTP_BAD_REQUEST);
		if (s->resp_started || r != PUMP_BAD)
			session_reset(w, s);
		else
			local_reply(w, s, &(struct local_reply){.status = 400, .close = true});
		return false;
	}
	return true;
}

/* ---- response head ----------------------------------------------------------------------- */

static void write_response(struct worker *w, struct session *s, struct http1_out *out)
{
	struct http1_reply f = {.route = s->route,
	                        .dest = s->dest,
	                        .close = s->close,
	                        .to_http10 = s->http10,
	                        .upstream_ms = (w->now_us - s->sent_us) / 1000};

	if ((needs_request(&s->route->response_ops) || needs_request(&s->dest->response_ops)) &&
	    session_reparse(w, s))
		f.request = &w->request;
	*out = (struct http1_out){.p = w->scratch, .cap = WORKER_SCRATCH_BYTES};
	http1_write_response(&w->response, &f, out);
}

/*
 * The response's first buffer holds its head and the beginning of the body: write the new head where
 * the old one was, directly in front of the body, so both leave in one segment without copying the
 * body. Only when there is room for all headers in front and nobody else reads the buffer.
 */
static bool send_in_place(struct worker *w, struct session *s, const struct http1_out *out,
                          size_t head_len)
{
	struct tcp_conn *from = s->up->conn;
	struct buf *b = tcp_recv_queue(from)->first;
	struct http1_body after = s->resp_body;
	size_t used;

	if (head_len >= b->len || buf_shared(b) ||
	    buf_headroom(b) + head_len < out->len + SEND_HEADROOM)
		return false;
	if (http1_body_feed(&after, (char *)b->data + head_len, b->len - head_len, &used) ==
	    HTTP1_BAD)
		return false;
	if (used != b->len - head_len) /* bytes that nobody asked for follow */
		return false;
	s->resp_body = after;
	b = tcp_recv(w->tcp, from);
	worker_dest_stats(w, s->dest_slot)->rx_bytes += used;
	buf_pull(b, (uint16_t)head_len);
	b->data -= out->len;
	b->len = (uint16_t)(b->len + out->len);
	memcpy(b->data, out->p, out->len);
	tcp_send(w->tcp, s->conn, b);
	return true;
}

static bool send_response_head(struct worker *w, struct session *s, size_t head_len)
{
	struct http1_out out;

	write_response(w, s, &out);
	if (out.len > out.cap)
		return false;
	if (send_in_place(w, s, &out, head_len))
		return true;
	if (!worker_send_bytes(w, s->conn, out.p, out.len))
		return false;
	tcp_recv_drop(w->tcp, s->up->conn, (uint32_t)head_len);
	return true;
}

/* Send an interim response (100 Continue, 103 Early Hints) on as it came; HTTP/1.0 knows none. */
static bool forward_interim(struct worker *w, struct session *s, size_t len)
{
	struct bufq part = {0};

	if (s->http10) {
		tcp_recv_drop(w->tcp, s->up->conn, (uint32_t)len);
		return true;
	}
	if (tcp_recv_take(w->tcp, s->up->conn, (uint32_t)len, &part))
		return false;
	for (struct buf *b; (b = bufq_pop(&part));)
		tcp_send(w->tcp, s->conn, b);
	return true;
}

static void bad_gateway(struct worker *w, struct session *s)
{
	worker_count(w, COUNT_HTTP_UPSTREAM_BAD);
	local_reply(
		w, s,
		&(struct local_reply){
			.status = 502,
			.body = STR("upstream connect error or disconnect/reset before headers. "
	                            "reset reason: protocol error")});
}

/* The connection becomes a tunnel: nothing of the route is needed any more. */
static void become_tunnel(struct worker *w, struct session *s)
{
	worker_count(w, COUNT_HTTP_TUNNELS);
	release_snapshot(w, s);
	s->state = SESSION_TUNNEL;
	s->activity_us = w->now_us;
	session_arm(w, s);
}

static void begin_response(struct worker *w, struct session *s, size_t head_len)
{
	const struct http1_head *h = &w->response.head;
	bool tunnel = h->status == 101;

	s->up_reusable = h->keep_alive && h->framing != HTTP1_BODY_CLOSE && !tunnel;
	if (h->framing == HTTP1_BODY_CLOSE || w->draining)
		s->close = true;
	http1_body_init(&s->resp_body, h->framing, h->length);
	s->status = h->status;
	if (!send_response_head(w, s, head_len)) {
		bad_gateway(w, s);
		return;
	}
	s->resp_started = true;
	session_drop_head(w, s);
	if (tunnel)
		become_tunnel(w, s);
}

/* Read the response's head and send it on. True: go on with the body (or the changed state). */
static bool response_head(struct worker *w, struct session *s)
{
	const struct bufq *q = tcp_recv_queue(s->up->conn);
	uint32_t limit = w->node->limits.header_bytes;
	size_t len, head_len;
	const char *p;

	if (!q->first)
		return false;
	p = worker_contiguous(w, q, &len);
	switch (http1_parse_response(p, len, s->is_head, &w->response, &head_len)) {
	case HTTP1_DONE: break;
	case HTTP1_BAD: bad_gateway(w, s); return true;
	default:
		if (len >= limit) {
			bad_gateway(w, s);
			return true;
		}
		return false;
	}
	if (w->response.head.status == 101 && !s->upgrade) {
		bad_gateway(w, s);
		return true;
	}
	if (w->response.head.status < 200 && w->response.head.status != 101) {
		if (!forward_interim(w, s, head_len))
			bad_gateway(w, s);
		return true;
	}
	begin_response(w, s, head_len);
	return true;
}

/* ---- the exchange ------------------------------------------------------------------------ */

static void complete(struct worker *w, struct session *s)
{
	bool whole = s->request_end_us != 0;

	/* An early answer to a request that is still coming: neither connection can go on. */
	if (!whole)
		s->close = true;
	upstream_put(w, s->up, s->up_reusable && whole);
	exchange_end(w, s);
	session_next(w, s);
}

/* The response was cut short after its head was sent: only a reset can tell the client. */
static void cut(struct worker *w, struct session *s)
{
	worker_count(w, COUNT_HTTP_CUT);
	s->status = 0;
	session_reset(w, s);
}

/* Move the response's body. True: the state changed. */
static bool pump_response(struct worker *w, struct session *s)
{
	uint64_t moved = 0;
	enum pump r = pump(w, s->up->conn, s->conn, &s->resp_body, &moved);

	worker_dest_stats(w, s->dest_slot)->rx_bytes += moved;
	if (moved)
		s->activity_us = w->now_us;
	if (r == PUMP_EMPTY && s->resp_body.framing == HTTP1_BODY_CLOSE && tcp_eof(s->up->conn))
		r = PUMP_DONE;
	if (r == PUMP_DONE) {
		complete(w, s);
		return true;
	}
	if (r == PUMP_BAD ||
	    (r == PUMP_EMPTY && (tcp_eof(s->up->conn) || tcp_why(s->up->conn) != TCP_WHY_NONE)))
		cut(w, s);
	return false;
}

bool exchange_step(struct worker *w, struct session *s)
{
	if (!pump_request(w, s))
		return false;
	if (s->state != SESSION_EXCHANGE)
		return true;
	if (s->resp_started)
		return pump_response(w, s);
	if (tcp_send_space(s->conn) == 0)
		return false;
	if (response_head(w, s))
		return true;
	if (tcp_eof(s->up->conn) || tcp_why(s->up->conn) != TCP_WHY_NONE) {
		exchange_fail(w, s, tcp_why(s->up->conn));
		return true;
	}
	return false;
}

/* ---- failing ----------------------------------------------------------------------------- */

static void wait_before_retry(struct worker *w, struct session *s)
{
	uint64_t span = BACKOFF_BASE_US * ((1ull << s->attempt) - 1);

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
	bool again = s->attempt > 1;

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
	worker_endpoint_stats(w, s->endpoint_slot)->connect_fails++;
	if (s->attempt <= CONNECT_RETRIES) {
		wait_before_retry(w, s);
		return;
	}
	worker_count(w, COUNT_HTTP_CONNECT_FAIL);
	local_reply(w, s, &(struct local_reply){.status = 503, .body = connect_error(s, why)});
}

void exchange_fail(struct worker *w, struct session *s, enum tcp_why why)
{
	bool connecting = !s->up || s->up->connecting;
	bool reused = s->up && s->up->requests > 0;

	if (s->up)
		upstream_abort(w, s->up);
	if (connecting) {
		connect_failed(w, s, why);
		return;
	}
	worker_endpoint_stats(w, s->endpoint_slot)->resets++;
	/* The endpoint may have closed an idle connection at the moment we sent on it: not its answer. */
	if (reused && s->safe && !s->retried && (s->head_kept || s->head.first)) {
		worker_count(w, COUNT_HTTP_RETRIES);
		s->retried = true;
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

/* ---- tunnel ------------------------------------------------------------------------------ */

static bool pour(struct worker *w, struct tcp_conn *from, struct tcp_conn *to)
{
	bool moved = false;

	while (tcp_recv_queue(from)->first && tcp_send_space(to)) {
		tcp_send(w->tcp, to, tcp_recv(w->tcp, from));
		moved = true;
	}
	if (!tcp_recv_queue(from)->first && tcp_eof(from))
		tcp_shutdown(w->tcp, to);
	return moved;
}

static bool finished(const struct tcp_conn *c)
{
	return tcp_eof(c) && !tcp_recv_queue(c)->first;
}

/* Bytes both ways until both sides have ended. False always: nothing further to look at. */
bool exchange_tunnel(struct worker *w, struct session *s)
{
	struct tcp_conn *up = s->up->conn;

	if (pour(w, s->conn, up) | pour(w, up, s->conn))
		s->activity_us = w->now_us;
	if (tcp_why(up) != TCP_WHY_NONE && tcp_why(up) != TCP_WHY_FINISHED)
		session_reset(w, s);
	else if (finished(s->conn) && finished(up)) {
		upstream_put(w, s->up, false);
		session_close(w, s);
	}
	return false;
}
