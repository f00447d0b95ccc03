/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What flows once a request has its connection: the request's body up, the response down, or anything
 * both ways in a tunnel.
 *
 * Bodies move as they are, buffer by buffer, from one connection's receive queue into the other's send
 * queue. When the receiving side is slow its send queue fills, the other's receive queue is no longer
 * emptied, and its window closes: back-pressure needs no more than that.
 */
#include "csum.h"
#include "splice.h"
#include "worker_state.h"

#define SEND_HEADROOM (NET_HEADROOM + 60) /* what TCP, IP and Ethernet headers may need */

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
		if (tcp_send_space(w->tcp, to) == 0)
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
	struct exchange *x = s->x;
	uint64_t moved = 0;
	enum pump r;

	if (x->request_end_us)
		return true;
	r = pump(w, s->conn, s->up->conn, &x->req_body, &moved);
	worker_dest_stats(w, x->dest_slot)->tx_bytes += moved;
	if (moved)
		s->activity_us = w->now_us;
	if (r == PUMP_DONE) {
		x->request_end_us = w->now_us;
		tcp_window_free(w->tcp, s->conn);
		session_arm(w, s);
	}
	if (r == PUMP_BAD || (r == PUMP_EMPTY && tcp_eof(s->conn))) {
		worker_count(w, COUNT_HTTP_BAD_REQUEST);
		if (x->resp_started || r != PUMP_BAD)
			session_reset(w, s);
		else
			local_reply(w, s, &(struct local_reply){.status = 400, .close = true});
		return false;
	}
	if (x->resp_started) /* both ways at once */
		tcp_window_free(w->tcp, s->conn);
	return r == PUMP_DONE || x->resp_started || !splice_body(w, s, FLOW_CLIENT, &x->req_body);
}

/* ---- response head ----------------------------------------------------------------------- */

static void write_response(struct worker *w, struct session *s, struct http1_out *out)
{
	struct exchange *x = s->x;
	struct http1_reply f = {.route = x->route,
	                        .dest = x->dest,
	                        .close = s->close,
	                        .to_http10 = x->http10,
	                        .upstream_ms = (w->now_us - x->sent_us) / 1000,
	                        .unix_s = w->unix_s,
	                        .client = &tcp_peer(s->conn)->remote,
	                        .client_port = tcp_peer(s->conn)->rport};

	if ((exchange_needs_request(&x->route->response_ops) ||
	     exchange_needs_request(&x->dest->response_ops)) &&
	    session_reparse(w, s))
		f.request = &w->request;
	*out = (struct http1_out){.p = w->scratch, .cap = WORKER_SCRATCH_BYTES};
	http1_write_response(&w->response, &f, out);
}

/*
 * Put a head in front of what follows the first n bytes of b. The sum of the whole, when there is one,
 * becomes that of the new whole without reading the body again: taking a part away is adding its
 * complement (RFC 1624), and what moves by an odd number of bytes has them swapped.
 */
static void replace_head(struct buf *b, uint16_t n, const struct http1_out *out)
{
	bool summed = b->flags & BUF_SUMMED;
	uint16_t rest = 0;

	if (summed)
		rest = csum_combine(0, csum_combine(b->sum, (uint16_t)~csum_add(b->data, n), 0), n);
	buf_pull(b, n);
	b->data -= out->len;
	b->len = (uint16_t)(b->len + out->len);
	memcpy(b->data, out->p, out->len);
	if (!summed)
		return;
	b->sum = csum_combine(csum_add(b->data, out->len), rest, out->len);
	b->flags |= BUF_SUMMED;
}

/*
 * The response's first buffer holds its head and the beginning of the body: write the new head where
 * the old one was, directly in front of the body, so both leave in one segment without copying the
 * body. Only when there is room for all headers in front and nobody else reads the buffer.
 */
static bool send_in_place(struct worker *w, struct session *s, const struct http1_out *out,
                          size_t head_len)
{
	struct exchange *x = s->x;
	struct tcp_conn *from = s->up->conn;
	struct buf *b = tcp_recv_queue(from)->first;
	struct http1_body after = x->resp_body;
	size_t used;

	if (head_len >= b->len || buf_shared(b) ||
	    buf_headroom(b) + head_len < out->len + SEND_HEADROOM)
		return false;
	if (http1_body_feed(&after, (char *)b->data + head_len, b->len - head_len, &used) ==
	    HTTP1_BAD)
		return false;
	if (used != b->len - head_len) /* bytes that nobody asked for follow */
		return false;
	x->resp_body = after;
	b = tcp_recv(w->tcp, from);
	worker_dest_stats(w, x->dest_slot)->rx_bytes += used;
	replace_head(b, (uint16_t)head_len, out);
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

/* Send an interim response (100 Continue, 103 Early Hints) on; HTTP/1.0 knows none. */
static bool forward_interim(struct worker *w, struct session *s, size_t head_len)
{
	struct http1_out out = {.p = w->scratch, .cap = WORKER_SCRATCH_BYTES};

	s->x->interim = true;
	http1_write_response(&w->response, &(struct http1_reply){0}, &out);
	if (!s->x->http10 && !worker_send_bytes(w, s->conn, out.p, out.len))
		return false;
	tcp_recv_drop(w->tcp, s->up->conn, (uint32_t)head_len);
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
	exchange_release(w, s);
	s->state = SESSION_TUNNEL;
	s->activity_us = w->now_us;
	session_arm(w, s);
}

static void begin_response(struct worker *w, struct session *s, size_t head_len)
{
	struct exchange *x = s->x;
	const struct http1_head *h = &w->response.head;
	bool tunnel = h->status == 101;

	x->up_reusable = h->keep_alive && h->framing != HTTP1_BODY_CLOSE && !tunnel;
	/* An answer to a request that is still coming: what comes next would have to be guessed. */
	if (h->framing == HTTP1_BODY_CLOSE || w->draining || !x->request_end_us)
		s->close = true;
	http1_body_init(&x->resp_body, h->framing, h->length);
	x->status = h->status;
	if (!send_response_head(w, s, head_len)) {
		bad_gateway(w, s);
		return;
	}
	x->resp_started = true;
	session_drop_head(w, s);
	if (tunnel)
		become_tunnel(w, s);
}

/* May a request of this kind be answered so? Chunks for HTTP/1.0: RFC 9112 section 6.1 forbids. */
static bool is_wanted(const struct session *s, const struct http1_head *h)
{
	if (h->status == 101)
		return s->x->upgrade;
	return !(s->x->http10 && h->framing == HTTP1_BODY_CHUNKED);
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
	p = worker_contiguous(w, q, w->gather_response, &len);
	switch (http1_parse_response(p, len, s->x->is_head, &w->response, &head_len)) {
	case HTTP1_DONE: break;
	case HTTP1_BAD: bad_gateway(w, s); return true;
	default:
		if (len >= limit) {
			bad_gateway(w, s);
			return true;
		}
		return false;
	}
	if (!is_wanted(s, &w->response.head)) {
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
	bool whole = s->x->request_end_us != 0;

	upstream_put(w, s->up, s->x->up_reusable && whole);
	exchange_end(w, s);
	session_next(w, s);
}

/* The response was cut short after its head was sent: only a reset can tell the client. */
static void cut(struct worker *w, struct session *s)
{
	worker_count(w, COUNT_HTTP_CUT);
	s->x->status = 0;
	session_reset(w, s);
}

/* Move the response's body. True: the state changed. */
static bool pump_response(struct worker *w, struct session *s)
{
	uint64_t moved = 0;
	enum pump r = pump(w, s->up->conn, s->conn, &s->x->resp_body, &moved);

	worker_dest_stats(w, s->x->dest_slot)->rx_bytes += moved;
	if (moved)
		s->activity_us = w->now_us;
	if (r == PUMP_EMPTY && s->x->resp_body.framing == HTTP1_BODY_CLOSE && tcp_eof(s->up->conn))
		r = PUMP_DONE;
	if (r == PUMP_DONE) {
		complete(w, s);
		return true;
	}
	if (r == PUMP_BAD ||
	    (r == PUMP_EMPTY && (tcp_eof(s->up->conn) || tcp_why(s->up->conn) != TCP_WHY_NONE)))
		cut(w, s);
	else if (s->x->request_end_us)
		splice_body(w, s, FLOW_SERVER, &s->x->resp_body);
	return false;
}

bool transfer_step(struct worker *w, struct session *s)
{
	if (!pump_request(w, s))
		return false;
	if (s->state != SESSION_EXCHANGE)
		return true;
	if (s->x->resp_started)
		return pump_response(w, s);
	if (tcp_send_space(w->tcp, s->conn) == 0)
		return false;
	if (response_head(w, s))
		return true;
	if (tcp_eof(s->up->conn) || tcp_why(s->up->conn) != TCP_WHY_NONE) {
		exchange_fail(w, s, tcp_why(s->up->conn));
		return true;
	}
	return false;
}

/* ---- tunnel ------------------------------------------------------------------------------ */

/* Returns the bytes moved. */
static uint64_t pour(struct worker *w, struct tcp_conn *from, struct tcp_conn *to)
{
	uint64_t moved = 0;

	while (tcp_recv_queue(from)->first && tcp_send_space(w->tcp, to)) {
		moved += tcp_recv_queue(from)->first->len;
		tcp_send(w->tcp, to, tcp_recv(w->tcp, from));
	}
	if (!tcp_recv_queue(from)->first && tcp_eof(from))
		tcp_shutdown(w->tcp, to);
	return moved;
}

static void count_tunnel(struct worker *w, const struct session *s, uint64_t there, uint64_t back)
{
	struct dest_stats *d = &w->stats.dests[s->x->dest_slot.index];

	if (d->epoch != s->x->dest_slot.epoch) /* the destination is gone, the slot is another's */
		return;
	d->tx_bytes += there;
	d->rx_bytes += back;
}

static bool finished(const struct tcp_conn *c)
{
	return tcp_eof(c) && !tcp_recv_queue(c)->first;
}

/* Bytes both ways until both sides have ended. False always: nothing further to look at. */
bool transfer_tunnel(struct worker *w, struct session *s)
{
	struct tcp_conn *up = s->up->conn;
	uint64_t there = pour(w, s->conn, up), back = pour(w, up, s->conn);

	if (there || back) {
		s->activity_us = w->now_us;
		count_tunnel(w, s, there, back);
	}
	if (tcp_why(up) != TCP_WHY_NONE && tcp_why(up) != TCP_WHY_FINISHED)
		session_reset(w, s);
	else if (finished(s->conn) && finished(up)) {
		upstream_put(w, s->up, false);
		session_close(w, s);
	} else {
		splice_tunnel(w, s);
	}
	return false;
}
