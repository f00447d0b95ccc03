/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The client's side of the proxy: reads request heads, one after the other, and closes.
 *
 * session_run() is the one place that goes on: it looks at the state, does what the bytes at hand
 * allow, and returns when more bytes, more room or time is needed. Everything that happens to a
 * connection ends there, so there is no second way through the states.
 */
#include "splice.h"
#include "worker_state.h"

#define LINGER_US 1000000 /* after our last byte was acknowledged: time for the client to close */

void session_open(struct worker *w, struct tcp_conn *c, uint32_t events)
{
	struct session *s = slab_get(&w->session_slab);

	if (!s || w->draining) {
		if (s)
			slab_put(&w->session_slab, s);
		tcp_abort(w->tcp, c);
		tcp_release(w->tcp, c);
		return;
	}
	memset(s, 0, sizeof(*s));
	s->conn = c;
	s->timer.kind = SESSION_TIMER_KIND;
	s->since_us = w->now_us;
	s->next = w->sessions;
	if (s->next)
		s->next->prev = &s->next;
	s->prev = &w->sessions;
	w->sessions = s;
	tcp_set_user(c, s);
	if (passthrough_listens(session_listener(w, s)))
		s->state = SESSION_HELLO;
	worker_count(w, COUNT_HTTP_CLIENTS);
	session_arm(w, s);
	session_event(w, s, events);
}

void session_close(struct worker *w, struct session *s)
{
	exchange_end(w, s);
	timer_cancel(&w->wheel, &s->timer);
	*s->prev = s->next;
	if (s->next)
		s->next->prev = s->prev;
	tcp_set_user(s->conn, NULL);
	tcp_release(w->tcp, s->conn);
	worker_uncount(w, COUNT_HTTP_CLIENTS);
	slab_put(&w->session_slab, s);
}

void session_reset(struct worker *w, struct session *s)
{
	splice_cut(w, s);
	tcp_abort(w->tcp, s->conn);
	session_close(w, s);
}

const struct listener *session_listener(struct worker *w, struct session *s)
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

/* Answer what is no request, and read no further. */
static void refuse(struct worker *w, struct session *s, uint16_t status)
{
	const struct local_reply r = {.status = status, .close = true};

	exchange_new(w, s);
	worker_count(w, COUNT_HTTP_BAD_REQUEST);
	local_reply(w, s, &r);
}

/* ---- time -------------------------------------------------------------------------------- */

static uint64_t sooner(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* Route timeouts run from the end of the request (Envoy), so not while its body still comes in. */
static uint64_t route_deadline(const struct session *s)
{
	if (!s->x->snap || !s->x->route->timeout_us || !s->x->request_end_us)
		return UINT64_MAX;
	return s->x->request_end_us + s->x->route->timeout_us;
}

static uint64_t idle_deadline(const struct worker *w, const struct session *s)
{
	return s->activity_us + (s->x->idle_us ? s->x->idle_us : w->node->times.stream_idle_us);
}

static uint64_t splice_deadline(const struct session *s)
{
	return s->x->splice_by_us ? s->x->splice_by_us : UINT64_MAX;
}

static uint64_t exchange_deadline(const struct worker *w, const struct session *s)
{
	return sooner(s->activity_us + w->node->times.stream_idle_us, route_deadline(s));
}

static uint64_t deadline(const struct worker *w, const struct session *s)
{
	const struct node_times *t = &w->node->times;

	switch (s->state) {
	case SESSION_HEAD:
		return s->since_us + (s->scanned ? t->client_header_us : t->client_idle_us);
	case SESSION_BACKOFF: return sooner(s->since_us, route_deadline(s));
	case SESSION_WAIT:
	case SESSION_EXCHANGE: return sooner(exchange_deadline(w, s), splice_deadline(s));
	case SESSION_TUNNEL: return sooner(idle_deadline(w, s), splice_deadline(s));
	case SESSION_HELLO:
	case SESSION_DIAL: return passthrough_deadline(w, s);
	default: return s->since_us + LINGER_US;
	}
}

/* Lazy: a timer that fires too early is moved then, so that most requests never touch the wheel. */
void session_arm(struct worker *w, struct session *s)
{
	uint64_t due = deadline(w, s);

	if (due == UINT64_MAX)
		return;
	if (!timer_armed(&s->timer) || due < s->timer.deadline_us)
		timer_arm(&w->wheel, &s->timer, due);
}

/* The route's time is over, or nothing has moved for too long: then 408 if the client owes us bytes. */
static void give_up_waiting(struct worker *w, struct session *s)
{
	bool late = route_deadline(s) <= w->now_us;
	bool owed = s->state == SESSION_EXCHANGE && !s->x->request_end_us;
	const struct local_reply reply = {.status = owed ? 408 : 504,
	                                  .body = late ? STR("upstream request timeout")
	                                               : STR("stream timeout")};

	worker_count(w, COUNT_HTTP_TIMEOUT);
	if (s->x->resp_started) {
		worker_count(w, COUNT_HTTP_CUT);
		session_reset(w, s);
		return;
	}
	local_reply(w, s, &reply);
	session_run(w, s);
}

/* A slow client may take long to read the last response; it has to go on reading, though. */
static void linger_more(struct worker *w, struct session *s)
{
	uint32_t pending = tcp_send_pending(s->conn);

	if (pending < s->unsent)
		s->activity_us = w->now_us;
	s->unsent = pending;
	if (pending == 0 || w->now_us - s->activity_us >= w->node->times.stream_idle_us) {
		session_reset(w, s);
		return;
	}
	s->since_us = w->now_us;
	session_arm(w, s);
}

static void tunnel_due(struct worker *w, struct session *s)
{
	if (idle_deadline(w, s) <= w->now_us) {
		session_reset(w, s);
		return;
	}
	splice_give_up(w, s);
	session_arm(w, s);
}

static void exchange_due(struct worker *w, struct session *s)
{
	if (exchange_deadline(w, s) <= w->now_us)
		give_up_waiting(w, s);
	else
		splice_overdue(w, s);
}

void session_timer(struct worker *w, struct session *s)
{
	uint64_t due = deadline(w, s);

	if (due > w->now_us) {
		session_arm(w, s);
		return;
	}
	switch (s->state) {
	case SESSION_BACKOFF:
		if (route_deadline(s) <= w->now_us) {
			give_up_waiting(w, s);
			return;
		}
		exchange_connect(w, s);
		session_run(w, s);
		return;
	case SESSION_WAIT:
	case SESSION_EXCHANGE: exchange_due(w, s); return;
	case SESSION_LINGER: linger_more(w, s); return;
	case SESSION_TUNNEL: tunnel_due(w, s); return;
	case SESSION_HELLO:
	case SESSION_DIAL: passthrough_timer(w, s); return;
	default: break;
	}
	if (!s->scanned) {
		session_close(w, s);
		return;
	}
	refuse(w, s, 408);
	session_run(w, s);
}

/* ---- reading heads ----------------------------------------------------------------------- */

/*
 * Could a head end in the bytes from offset `from` on? Looks for an empty line. Without this, a
 * client that sends one byte at a time would have its head parsed once per byte.
 */
static bool empty_line_after(const struct bufq *q, uint32_t from)
{
	uint32_t back = from > 3 ? from - 3 : 0; /* the line end may straddle the border */
	unsigned newline = 0;

	for (const struct buf *b = q->first; b; b = b->next) {
		if (back >= b->len) {
			back -= b->len;
			continue;
		}
		for (uint32_t i = back; i < b->len; i++) {
			if (b->data[i] == '\n' && newline)
				return true;
			if (b->data[i] == '\n')
				newline = 1;
			else if (b->data[i] != '\r')
				newline = 0;
		}
		back = 0;
	}
	return false;
}

/* RFC 9110 section 9.2.2; the common one first. */
static bool is_idempotent(const struct http1_request *r)
{
	return str_eq(r->method, STR("GET")) || r->is_head || str_eq(r->method, STR("OPTIONS")) ||
	       str_eq(r->method, STR("PUT")) || str_eq(r->method, STR("DELETE")) ||
	       str_eq(r->method, STR("TRACE"));
}

static void remember_request(struct worker *w, struct session *s, size_t head_len)
{
	const struct http1_request *r = &w->request;
	struct exchange *x = exchange_new(w, s);
	bool whole;

	s->scanned = 0;
	s->close = !r->head.keep_alive || w->draining;
	s->activity_us = w->now_us;
	x->head_len = (uint32_t)head_len;
	x->head_kept = true;
	x->is_head = r->is_head;
	x->http10 = r->head.minor == 0;
	x->upgrade = r->head.upgrade;
	http1_body_init(&x->req_body, r->head.framing, r->head.length);
	whole = http1_body_done(&x->req_body);
	x->safe = whole && !r->head.upgrade && is_idempotent(r);
	if (whole)
		x->request_end_us = w->now_us;
}

/*
 * Close with half a request at hand: unread, it would turn the close into a RST, and that could take
 * the responses to earlier requests along.
 */
static void hang_up(struct worker *w, struct session *s)
{
	tcp_recv_drop(w->tcp, s->conn, tcp_recv_queue(s->conn)->bytes);
	session_close(w, s);
}

/* Is there a next request? Begins it and returns true; false: nothing to do until news come. */
static bool try_request(struct worker *w, struct session *s)
{
	const struct bufq *q = tcp_recv_queue(s->conn);
	uint32_t limit = w->node->limits.header_bytes;
	size_t len, head_len;
	char *p;

	if (!q->first || (s->scanned && q->bytes < limit && !empty_line_after(q, s->scanned))) {
		s->scanned = q->bytes;
		if (tcp_eof(s->conn))
			hang_up(w, s);
		return false;
	}
	if (tcp_send_space(w->tcp, s->conn) == 0)
		return false;
	p = worker_contiguous(w, q, w->gather_request, &len);
	switch (http1_parse_request(p, len, &w->request, &head_len)) {
	case HTTP1_DONE: break;
	case HTTP1_BAD: refuse(w, s, w->request.head.status); return true;
	default:
		if (len >= limit) {
			refuse(w, s, 431);
			return true;
		}
		if (!s->scanned)
			s->since_us = w->now_us;
		s->scanned = q->bytes;
		session_arm(w, s);
		if (tcp_eof(s->conn))
			hang_up(w, s);
		return false;
	}
	remember_request(w, s, head_len);
	exchange_begin(w, s);
	return true;
}

bool session_reparse(struct worker *w, struct session *s)
{
	size_t len, used;
	char *p;

	if (s->x->raw.first) {
		p = worker_contiguous(w, &s->x->raw, w->gather_request, &len);
	} else if (s->x->head_kept) {
		p = worker_contiguous(w, tcp_recv_queue(s->conn), w->gather_request, &len);
	} else {
		return false;
	}
	return http1_parse_request(p, len, &w->request, &used) == HTTP1_DONE;
}

void session_drop_head(struct worker *w, struct session *s)
{
	if (s->x->head_kept)
		tcp_recv_drop(w->tcp, s->conn, s->x->head_len);
	s->x->head_kept = false;
}

/* ---- going on ---------------------------------------------------------------------------- */

static void linger(struct worker *w, struct session *s)
{
	tcp_shutdown(w->tcp, s->conn);
	s->state = SESSION_LINGER;
	s->since_us = w->now_us;
	s->activity_us = w->now_us;
	s->unsent = UINT32_MAX;
	session_arm(w, s);
}

void session_next(struct worker *w, struct session *s)
{
	s->scanned = 0;
	s->since_us = w->now_us;
	if (s->close || w->draining) {
		linger(w, s);
		return;
	}
	s->state = SESSION_HEAD;
	session_arm(w, s);
}

/* Read and drop, so that closing does not turn into a RST that could overtake the reply. */
static void run_linger(struct worker *w, struct session *s)
{
	tcp_recv_drop(w->tcp, s->conn, tcp_recv_queue(s->conn)->bytes);
	if (tcp_eof(s->conn))
		session_close(w, s);
}

void session_run(struct worker *w, struct session *s)
{
	for (;;) {
		switch (s->state) {
		case SESSION_HEAD:
			if (!try_request(w, s))
				return;
			break;
		case SESSION_EXCHANGE:
			if (s->splice || !transfer_step(w, s))
				return;
			break;
		case SESSION_TUNNEL:
			if (!transfer_tunnel(w, s))
				return;
			break;
		case SESSION_HELLO:
			if (!passthrough_hello(w, s))
				return;
			break;
		case SESSION_LINGER: run_linger(w, s); return;
		default: return;
		}
	}
}

void session_event(struct worker *w, struct session *s, uint32_t events)
{
	/* The client of a tunnel may end second: its last bytes and its end are still to be passed on. */
	bool orderly = s->state == SESSION_TUNNEL && tcp_why(s->conn) == TCP_WHY_FINISHED;

	if ((events & TCP_EV_CLOSED) && !orderly)
		session_close(w, s);
	else
		session_run(w, s);
}

void session_drain(struct worker *w, struct session *s)
{
	if ((s->state == SESSION_HEAD || s->state == SESSION_HELLO) &&
	    !tcp_recv_queue(s->conn)->first)
		session_close(w, s);
}
