/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Connections that are passed through: TLS by the server name and protocols of its ClientHello, and TCP whose
 * endpoint wants to be told who the client is. Which endpoint is decided once, before its first byte; then the
 * connection is a tunnel (transfer.c).
 *
 *   HELLO -- a rule --> DIAL -- connected --> TUNNEL
 *     |                  | ^
 *     |                  '-' refused: another endpoint
 *     '--- none, no hello --'--- none left ---> LINGER, closed
 *
 * The hello is only looked at: it waits in the receive queue until there is a connection to pour it into, so
 * what the endpoint gets is what the client sent. While it is incomplete nothing is looked at before as many
 * bytes are there as tls_hello_read() asked for.
 *
 * A connection is never from the pool, nor goes back into it: what was said on it was meant for one client.
 */
#include "proxy_header.h"
#include "tls_hello.h"
#include "worker_state.h"

#define HELLO_MAX_BYTES 65536 /* post-quantum key shares take some KiB; RFC 8446 would allow 2^24 */
#define ATTEMPTS        3     /* as with requests: Istio's default policy has two retries */

/* The scratch holds the hello's bytes, when they lie in several buffers, and its message likewise. */
static_assert(2 * HELLO_MAX_BYTES <= WORKER_SCRATCH_BYTES, "both fit");

/* Fatal, unrecognized_name: RFC 8446 sections 5.1 and 6, RFC 6066 section 3. */
static const char unrecognized_name[] = {21, 3, 3, 0, 2, 2, 112};

bool passthrough_listens(const struct listener *l)
{
	return l && (l->kind == LISTENER_TLS || (l->kind == LISTENER_TCP && l->stream));
}

/* Close in order; what still comes is read and dropped. session_run() goes on. */
static void finish(struct worker *w, struct session *s, enum counter why)
{
	worker_count(w, why);
	exchange_end(w, s);
	s->close = true;
	session_next(w, s);
}

/* ---- connecting -------------------------------------------------------------------------- */

static void dial(struct worker *w, struct session *s)
{
	if (!exchange_choose(w, s)) {
		finish(w, s, COUNT_PASS_NO_ENDPOINT);
		return;
	}
	s->state = SESSION_DIAL;
	s->since_us = w->now_us;
	switch (upstream_get(w, s, true)) {
	case UPSTREAM_READY: passthrough_begin(w, s); return;
	case UPSTREAM_CONNECTING:
	case UPSTREAM_QUEUED: session_arm(w, s); return;
	case UPSTREAM_OVERFLOW: finish(w, s, COUNT_PASS_OVERFLOW); return;
	default: passthrough_fail(w, s);
	}
}

void passthrough_fail(struct worker *w, struct session *s)
{
	const struct exchange *x = s->x;

	worker_endpoint_stats(w, x->endpoint_slot)->connect_fails++;
	if (s->up)
		upstream_abort(w, s->up);
	if (x->attempt >= ATTEMPTS || x->dest->subset->n_endpoints < 2) {
		finish(w, s, COUNT_PASS_CONNECT_FAIL);
		return;
	}
	worker_count(w, COUNT_PASS_RETRIES);
	dial(w, s);
}

static void route_to(struct worker *w, struct session *s, const struct l4_route *route)
{
	/* never NULL: there are as many as sessions, and each has one at most */
	s->x = slab_get(&w->exchange_slab);
	memset(s->x, 0, sizeof(*s->x));
	s->x->stream = true;
	worker_count(w, COUNT_PASS_ACTIVE);
	exchange_pick(w, s, route->split);
	if (s->x->dest->subset)
		dial(w, s);
	else
		finish(w, s, COUNT_PASS_NO_ENDPOINT);
}

static bool send_proxy_header(struct worker *w, struct session *s, enum proxy_protocol version)
{
	char header[PROXY_HEADER_MAX];
	size_t n = proxy_header_write(header, version, tcp_peer(s->conn));

	return n == 0 || worker_send_bytes(w, s->up->conn, header, n);
}

void passthrough_begin(struct worker *w, struct session *s)
{
	const struct subset *subset = s->x->dest->subset;

	if (!send_proxy_header(w, s, subset->proxy_protocol)) {
		finish(w, s, COUNT_PASS_OVERFLOW);
		return;
	}
	worker_count(w, COUNT_PASS_OPENED);
	worker_endpoint_stats(w, s->x->endpoint_slot)->requests++;
	s->x->idle_us =
		subset->idle_timeout_us ? subset->idle_timeout_us : w->node->times.flow_idle_us;
	exchange_release(w, s);
	s->state = SESSION_TUNNEL;
	s->activity_us = w->now_us;
	session_arm(w, s);
}

/* ---- the hello --------------------------------------------------------------------------- */

/* All bytes that wait, up to a limit, as one piece. */
static const uint8_t *join(const struct bufq *q, char *room, uint32_t limit, size_t *len)
{
	size_t n = 0;

	*len = q->bytes < limit ? q->bytes : limit;
	if (q->first == q->last)
		return q->first->data;
	for (const struct buf *b = q->first; b && n < *len; b = b->next) {
		size_t part = b->len < *len - n ? b->len : *len - n;

		memcpy(room + n, b->data, part);
		n += part;
	}
	return (const uint8_t *)room;
}

static enum tls_hello_result read_hello(struct worker *w, const struct session *s,
                                        struct tls_hello *h)
{
	const struct bufq *q = tcp_recv_queue(s->conn);
	uint32_t limit = w->node->limits.rcvbuf_bytes; /* more would never be there at once */
	const uint8_t *p;
	size_t len;

	if (limit > HELLO_MAX_BYTES)
		limit = HELLO_MAX_BYTES;
	p = join(q, w->scratch, limit, &len);
	return tls_hello_read(p, len, (uint8_t *)w->scratch + HELLO_MAX_BYTES, limit, h);
}

static bool offers(struct str alpn, struct str wanted)
{
	struct str name;

	while (tls_hello_next_alpn(&alpn, &name))
		if (str_eq(name, wanted))
			return true;
	return false;
}

static bool meets(const struct tls_rule *rule, const struct tls_hello *h)
{
	for (uint32_t i = 0; i < rule->n_alpn; i++)
		if (offers(h->alpn, rule->alpn[i]))
			return true;
	return rule->n_alpn == 0;
}

/* The first rule of the name that fits best. When none of its rules is met, no other name is tried: as Envoy. */
static const struct l4_route *match(const struct listener *l, const struct tls_hello *h)
{
	const struct vhost *v = route_name(l, h->server_name); /* one of HTTP has no such rules */

	for (uint32_t i = 0; v && i < v->n_tls; i++)
		if (meets(&v->tls[i], h))
			return v->tls[i].route;
	return NULL;
}

static void refuse_name(struct worker *w, struct session *s)
{
	worker_send_bytes(w, s->conn, unrecognized_name, sizeof(unrecognized_name));
	finish(w, s, COUNT_PASS_NO_RULE);
}

static void route_hello(struct worker *w, struct session *s, const struct listener *l,
                        const struct tls_hello *h)
{
	const struct l4_route *route = l ? match(l, h) : NULL;

	if (route)
		route_to(w, s, route);
	else
		refuse_name(w, s);
}

static void route_plain(struct worker *w, struct session *s, const struct l4_route *route)
{
	if (route)
		route_to(w, s, route);
	else
		finish(w, s, COUNT_PASS_NO_RULE);
}

bool passthrough_hello(struct worker *w, struct session *s)
{
	const struct listener *l = session_listener(w, s);
	const struct bufq *q = tcp_recv_queue(s->conn);
	struct tls_hello h = {.want = s->scanned};

	if (l && l->kind == LISTENER_TCP) {
		route_plain(w, s, l->l4);
		return true;
	}
	if (q->first && q->bytes >= s->scanned) {
		switch (read_hello(w, s, &h)) {
		case TLS_HELLO_DONE: route_hello(w, s, l, &h); return true;
		case TLS_HELLO_BAD: finish(w, s, COUNT_TLS_NOT_TLS + h.why); return true;
		case TLS_HELLO_MORE: break;
		}
	}
	s->scanned = h.want;
	if (!tcp_eof(s->conn))
		return false;
	finish(w, s, COUNT_TLS_CUT);
	return true;
}

static_assert(COUNT_TLS_NOT_HELLO == COUNT_TLS_NOT_TLS + TLS_HELLO_NOT_HELLO, "in the same order");
static_assert(COUNT_TLS_TOO_LONG == COUNT_TLS_NOT_TLS + TLS_HELLO_TOO_LONG, "in the same order");
static_assert(COUNT_TLS_MALFORMED == COUNT_TLS_NOT_TLS + TLS_HELLO_MALFORMED, "in the same order");

/* ---- time -------------------------------------------------------------------------------- */

uint64_t passthrough_deadline(const struct worker *w, const struct session *s)
{
	if (s->state == SESSION_HELLO)
		return s->since_us + w->node->times.client_header_us;
	return s->since_us + s->x->dest->subset->connect_timeout_us;
}

void passthrough_timer(struct worker *w, struct session *s)
{
	if (s->state == SESSION_HELLO)
		finish(w, s, COUNT_TLS_SLOW);
	else if (s->x->waiting)
		finish(w, s, COUNT_PASS_OVERFLOW);
	else
		passthrough_fail(w, s);
	session_run(w, s);
}
