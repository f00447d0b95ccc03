/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Replies of Weir's own: errors, redirects, direct responses. Statuses and bodies are those that
 * Istio's gateway gives, because clients, tests and dashboards know them.
 */
#include "worker_state.h"

#define EXTRA_MAX 65536 /* field lines of a reply, at the end of the scratch */

/*
 * Follow the request's body over the bytes at hand, from offset `at` of the receive queue on.
 * Returns the bytes that belong to it; b tells whether that is all.
 */
static uint32_t follow(struct http1_body *b, const struct bufq *q, uint32_t at)
{
	uint32_t total = 0;

	for (const struct buf *i = q->first; i && !http1_body_done(b); i = i->next) {
		uint32_t skip = at < i->len ? at : i->len;
		size_t used;

		at -= skip;
		if (http1_body_feed(b, (char *)i->data + skip, i->len - skip, &used) == HTTP1_BAD)
			break;
		total += (uint32_t)used;
	}
	return total;
}

void local_reply(struct worker *w, struct session *s, const struct local_reply *r)
{
	struct http1_local l = {.status = r->status,
	                        .body = r->body,
	                        .extra = r->extra,
	                        .is_head = s->x->is_head,
	                        .unix_s = w->unix_s,
	                        .route = r->route,
	                        .request = r->request,
	                        .client = &tcp_peer(s->conn)->remote,
	                        .client_port = tcp_peer(s->conn)->rport};
	struct http1_out out = {.p = w->scratch, .cap = WORKER_SCRATCH_BYTES - EXTRA_MAX};
	const struct bufq *q = tcp_recv_queue(s->conn);
	uint32_t head = s->x->head_kept ? s->x->head_len : 0, body;

	if (s->up)
		upstream_abort(w, s->up);
	if (s->x->waiting)
		upstream_unqueue(w, s);
	body = follow(&s->x->req_body, q, head);
	if (r->close || !http1_body_done(&s->x->req_body))
		s->close = true;
	l.close = s->close || w->draining;
	http1_write_local(&l, &out);
	if (out.len > out.cap || !worker_send_bytes(w, s->conn, w->scratch, out.len))
		s->close =
			true; /* pool empty: nothing was sent, the client sees an orderly close */
	tcp_recv_drop(w->tcp, s->conn, head + body);
	s->x->head_kept = false;
	s->x->status = r->status;
	exchange_end(w, s);
	session_next(w, s);
}

/* Where the field lines of a reply are put together: the end of the scratch. */
static struct http1_out extra_out(struct worker *w, struct str name)
{
	char *line = w->scratch + WORKER_SCRATCH_BYTES - EXTRA_MAX;

	memcpy(line, name.p, name.len);
	return (struct http1_out){.p = line + name.len, .cap = EXTRA_MAX - name.len - 2};
}

static void reply_location(struct worker *w, struct session *s, struct http1_out *out,
                           const struct local_reply *base)
{
	char *line = w->scratch + WORKER_SCRATCH_BYTES - EXTRA_MAX;
	struct local_reply r = *base;

	if (out->len > out->cap) {
		local_reply(w, s, &(struct local_reply){.status = 414, .close = true});
		return;
	}
	memcpy(out->p + out->len, "\r\n", 2);
	r.extra = (struct str){line, (uint32_t)(out->p + out->len + 2 - line)};
	local_reply(w, s, &r);
}

void local_redirect(struct worker *w, struct session *s, const struct route *route)
{
	struct http1_out out = extra_out(w, STR("location: "));

	http1_write_location(&w->request, route->redirect,
	                     __builtin_bswap16(tcp_peer(s->conn)->lport), &out);
	reply_location(w, s, &out,
	               &(struct local_reply){.status = route->redirect->status,
	                                     .route = route,
	                                     .request = &w->request});
}

void local_https(struct worker *w, struct session *s)
{
	struct http1_out out = extra_out(w, STR("location: "));

	http1_write_https_location(&w->request, &out);
	reply_location(w, s, &out, &(struct local_reply){.status = 301});
}
