/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The life of a connection, and what the layer above may do with one besides sending and receiving.
 *
 * A connection is held by two: the table, while segments may come for it, and the layer above, from
 * ACCEPTED or tcp_connect() to tcp_release(). It is freed when neither holds it any more. Whatever
 * ends a connection goes through tcp_conn_close(), except the way through TIME_WAIT.
 */
#include "tcp_parts.h"

#include <errno.h>
#include <string.h>

#define SCALE_UNITS 16 /* fewer would make windows too coarse */

struct tcp_conn *tcp_conn_new(struct tcp_stack *s, const struct tcp_peer *peer)
{
	struct tcp_conn *c = slab_get(&s->slab);

	if (!c && tcp_time_wait_evict(s))
		c = slab_get(&s->slab);
	if (!c)
		return NULL;
	memset(c, 0, sizeof(*c));
	c->peer = *peer;
	c->listener = TCP_LISTEN_NONE;
	c->timer.kind = TCP_TIMER_KIND;
	c->ts_offset = tcp_stack_ts_offset(s, peer);
	c->mss = c->peer_mss = 536; /* RFC 9293 section 3.7.1: when not told */
	c->ssthresh = UINT32_MAX;
	c->progress_ms = tcp_now_ms(s);
	tcp_table_add(s, c);
	s->env.counters[COUNT_TCP_CONNS]++;
	return c;
}

void tcp_conn_event(struct tcp_stack *s, struct tcp_conn *c, uint32_t events)
{
	if (!(c->flags & TCP_F_USER))
		return;
	c->events |= (uint8_t)events;
	tcp_list_push(s, c, TCP_LIST_READY);
}

static void free_ooo(struct tcp_conn *c)
{
	while (c->ooo) {
		struct buf *b = c->ooo;

		c->ooo = b->next;
		buf_free(b);
	}
	c->ooo_n = 0;
}

void tcp_conn_free(struct tcp_stack *s, struct tcp_conn *c)
{
	tcp_list_remove(s, c, TCP_LIST_READY);
	bufq_clear(&c->rcvq);
	c->state = TCP_FREE;
	slab_put(&s->slab, c);
}

void tcp_conn_close(struct tcp_stack *s, struct tcp_conn *c, enum tcp_why why)
{
	if (c->state == TCP_SYN_RCVD)
		s->half_open--;
	if (c->state == TCP_TIME_WAIT)
		s->env.counters[COUNT_TCP_TIME_WAIT]--;
	if (why == TCP_WHY_TIMEOUT)
		tcp_count(s, COUNT_TCP_TIMEOUTS);
	c->state = TCP_CLOSED;
	if (c->why == TCP_WHY_NONE)
		c->why = why & 15;
	timer_cancel(s->env.wheel, &c->timer);
	tcp_table_remove(s, c);
	s->env.counters[COUNT_TCP_CONNS]--;
	tcp_list_remove(s, c, TCP_LIST_OUTPUT);
	bufq_clear(&c->sndq);
	c->snd_last = NULL;
	free_ooo(c);
	if (!(c->flags & TCP_F_USER))
		tcp_conn_free(s, c);
	else if (!(c->flags & TCP_F_ORDERLY)) /* else TIME_WAIT has told it */
		tcp_conn_event(s, c, TCP_EV_CLOSED);
}

void tcp_conn_establish(struct tcp_stack *s, struct tcp_conn *c)
{
	c->state = TCP_ESTABLISHED;
	c->backoff = 0;
	c->rtx_at = 0;
	c->progress_ms = tcp_now_ms(s);
	tcp_output_set_mss(s, c);
	tcp_cubic_init(c);
	if (c->flags & TCP_F_SHUT)
		c->state = TCP_FIN_WAIT_1;
	tcp_timers_heard(s, c);
	tcp_touch(s, c);
}

/* ---- for the layer above ------------------------------------------------------------------- */

static struct tcp_conn *prepare(struct tcp_stack *s, const struct tcp_peer *peer, uint64_t now_us)
{
	struct tcp_conn *c;

	s->now_us = now_us;
	if (!tcp_port_free(s, peer))
		return NULL;
	c = tcp_table_find(s, peer);
	if (c)
		tcp_time_wait_end(s, c);
	c = tcp_conn_new(s, peer);
	if (!c)
		return NULL;
	c->flags |= TCP_F_USER;
	c->state = TCP_SYN_SENT;
	c->snd_una = tcp_stack_isn(s, peer);
	return c;
}

static struct tcp_conn *dial(struct tcp_stack *s, struct tcp_conn *c, uint64_t timeout_us)
{
	c->snd_nxt = c->snd_una + 1;
	if (tcp_output_syn(s, c) == -ENETUNREACH) {
		tcp_conn_close(s, c, TCP_WHY_NO_ROUTE);
		return c;
	}
	c->idle_at = tcp_deadline(s, timeout_us / 1000);
	tcp_timers_restart(s, c);
	return c;
}

struct tcp_conn *tcp_connect(struct tcp_stack *s, const struct tcp_peer *peer, uint64_t timeout_us,
                             uint64_t now_us)
{
	struct tcp_conn *c = prepare(s, peer, now_us);

	return c ? dial(s, c, timeout_us) : NULL;
}

struct tcp_conn *tcp_connect_like(struct tcp_stack *s, const struct tcp_peer *peer,
                                  const struct tcp_conn *like, uint32_t first, uint64_t timeout_us,
                                  uint64_t now_us)
{
	struct tcp_conn *c = prepare(s, peer, now_us);

	if (!c)
		return NULL;
	c->flags |= TCP_F_CHOSEN | (like->flags & (TCP_F_TS | TCP_F_SACK | TCP_F_WSCALE));
	/* a scale in units of which our buffer can be told */
	c->rcv_ws =
		s->config.rcvbuf_bytes >> like->snd_ws >= SCALE_UNITS ? like->snd_ws : s->rcv_ws;
	c->mss_told = like->peer_mss;
	if (like->flags & TCP_F_TS) /* before the first byte: our SYN */
		c->snd_una = like->rcv_nxt - like->rcvq.bytes - first - 1;
	return dial(s, c, timeout_us);
}

bool tcp_port_free(struct tcp_stack *s, const struct tcp_peer *peer)
{
	const struct tcp_conn *c = tcp_table_find(s, peer);

	return !c || (c->state == TCP_TIME_WAIT && tcp_time_wait_reusable(s, c));
}

void tcp_set_user(struct tcp_conn *c, void *user)
{
	c->user = user;
}

void *tcp_user(const struct tcp_conn *c)
{
	return c->user;
}

int tcp_listener(const struct tcp_conn *c)
{
	return c->listener;
}

enum tcp_why tcp_why(const struct tcp_conn *c)
{
	return (enum tcp_why)c->why;
}

const struct tcp_peer *tcp_peer(const struct tcp_conn *c)
{
	return &c->peer;
}

void tcp_shutdown(struct tcp_stack *s, struct tcp_conn *c)
{
	if (c->flags & TCP_F_SHUT)
		return;
	switch (c->state) { /* RFC 9293 section 3.10.4 */
	case TCP_SYN_SENT: break;
	case TCP_ESTABLISHED: c->state = TCP_FIN_WAIT_1; break;
	case TCP_CLOSE_WAIT: c->state = TCP_LAST_ACK; break;
	default: return;
	}
	c->flags |= TCP_F_SHUT;
	tcp_touch(s, c);
}

void tcp_abort(struct tcp_stack *s, struct tcp_conn *c)
{
	if (c->state == TCP_CLOSED || c->state == TCP_TIME_WAIT)
		return;
	if (c->state != TCP_SYN_SENT) { /* RFC 9293 section 3.10.5 */
		tcp_count(s, COUNT_TCP_RST_SENT);
		tcp_output_bare(s, c, c->snd_nxt, TCP_RST | TCP_ACK);
	}
	tcp_conn_close(s, c, TCP_WHY_ABORTED);
}

void tcp_release(struct tcp_stack *s, struct tcp_conn *c)
{
	c->user = NULL;
	c->events = 0;
	tcp_list_remove(s, c, TCP_LIST_READY);
	if (c->state == TCP_TIME_WAIT) {
		tcp_time_wait_release(s, c);
		return;
	}
	c->flags &= ~TCP_F_USER;
	if (c->state == TCP_CLOSED) {
		tcp_conn_free(s, c);
		return;
	}
	/* RFC 2525 section 2.17: the peer must learn that its bytes were not read */
	if (c->state == TCP_SYN_SENT || c->rcvq.bytes) {
		tcp_abort(s, c);
		return;
	}
	tcp_shutdown(s, c);
	c->progress_ms = tcp_now_ms(s);
	c->idle_at = c->state == TCP_FIN_WAIT_2 ? tcp_deadline(s, s->config.fin_wait_us / 1000) : 0;
	tcp_timers_sync(s, c);
}
