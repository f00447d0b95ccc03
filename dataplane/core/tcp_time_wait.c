/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * TIME_WAIT: both FINs are through and the 4-tuple rests, so that old segments die out.
 *
 * The layer above is told at once that the connection is over. Once it has let go, the connection is
 * on a list, oldest first, and makes room when new ones need it. A new SYN from the peer, or a new
 * connection of ours, may take the 4-tuple before the time is over when its numbers prove it newer:
 * RFC 6191 (timestamps), RFC 9293 section 3.6.1 (sequence number beyond the old one).
 */
#include "tcp_parts.h"

#define REUSE_AFTER_MS \
	1000 /* the peer's clock of timestamps must have ticked: RFC 7323 5.4, 1 s at most */

/* Released ones are linked through link[TCP_LIST_READY], which they can no longer need. */
static void list_push(struct tcp_stack *s, struct tcp_conn *c)
{
	struct tcp_list *l = &s->time_wait;
	uint32_t self = slab_index(&s->slab, c) + 1;

	c->link[TCP_LIST_READY] = (struct tcp_link){.prev = l->last};
	if (l->last)
		tcp_conn_at(s, l->last - 1)->link[TCP_LIST_READY].next = self;
	else
		l->first = self;
	l->last = self;
	l->n++;
}

static void list_remove(struct tcp_stack *s, struct tcp_conn *c)
{
	struct tcp_list *l = &s->time_wait;
	struct tcp_link link = c->link[TCP_LIST_READY];

	if (link.prev)
		tcp_conn_at(s, link.prev - 1)->link[TCP_LIST_READY].next = link.next;
	else
		l->first = link.next;
	if (link.next)
		tcp_conn_at(s, link.next - 1)->link[TCP_LIST_READY].prev = link.prev;
	else
		l->last = link.prev;
	c->link[TCP_LIST_READY] = (struct tcp_link){0};
	l->n--;
}

void tcp_time_wait_enter(struct tcp_stack *s, struct tcp_conn *c)
{
	c->state = TCP_TIME_WAIT;
	c->why = TCP_WHY_FINISHED;
	c->flags |= TCP_F_ORDERLY;
	s->env.counters[COUNT_TCP_TIME_WAIT]++;
	c->rtx_at = 0;
	c->progress_ms = tcp_now_ms(s);
	c->idle_at = tcp_deadline(s, s->config.time_wait_us / 1000);
	tcp_timers_sync(s, c);
	if (c->flags & TCP_F_USER)
		tcp_conn_event(s, c, TCP_EV_CLOSED);
	else
		list_push(s, c);
}

void tcp_time_wait_release(struct tcp_stack *s, struct tcp_conn *c)
{
	c->flags &= ~TCP_F_USER;
	bufq_clear(&c->rcvq);
	list_push(s, c);
}

void tcp_time_wait_end(struct tcp_stack *s, struct tcp_conn *c)
{
	if (!(c->flags & TCP_F_USER))
		list_remove(s, c);
	tcp_conn_close(s, c, TCP_WHY_FINISHED);
}

bool tcp_time_wait_evict(struct tcp_stack *s)
{
	if (!s->time_wait.first)
		return false;
	tcp_time_wait_end(s, tcp_conn_at(s, s->time_wait.first - 1));
	return true;
}

bool tcp_time_wait_reusable(const struct tcp_stack *s, const struct tcp_conn *c)
{
	if (!seq_gt(tcp_stack_isn(s, &c->peer), c->snd_nxt))
		return false; /* would be taken for an old segment */
	return c->flags & TCP_F_TS && tcp_now_ms(s) - c->progress_ms > REUSE_AFTER_MS;
}

enum drop tcp_time_wait_syn(struct tcp_stack *s, struct tcp_conn *c, struct tcp_seg *g)
{
	bool both_ts = c->flags & TCP_F_TS && g->opt.has & TCP_OPT_TS;
	bool newer = both_ts ? seq_gt(g->opt.tsval, c->ts_recent) ||
	                               (g->opt.tsval == c->ts_recent && seq_gt(g->seq, c->rcv_nxt))
	                     : seq_gt(g->seq, c->rcv_nxt);
	uint32_t isn = tcp_stack_isn(s, &c->peer);

	if (!newer) {
		tcp_input_challenge(s, c);
		return DROP_TCP_CHALLENGE;
	}
	if (!seq_gt(isn, c->snd_nxt))
		isn = c->snd_nxt + UINT16_MAX; /* beyond the old window: RFC 9293 section 3.6.1 */
	tcp_time_wait_end(s, c);
	return tcp_handshake_accept(s, g, isn);
}

/* RFC 9293 section 3.10.7.4: only a FIN sent again matters; it restarts the wait. */
enum drop tcp_time_wait_ack(struct tcp_stack *s, struct tcp_conn *c, struct tcp_seg *g)
{
	if (tcp_input_is_old(c, g)) {
		tcp_input_challenge(s, c);
		return DROP_TCP_PAWS;
	}
	if (g->flags & TCP_FIN && g->end == c->rcv_nxt) {
		c->idle_at = tcp_deadline(s, s->config.time_wait_us / 1000);
		tcp_ack_now(s, c);
		return DROP_TCP_DUP;
	}
	if (g->end != g->seq || g->seq != c->rcv_nxt)
		tcp_input_challenge(s, c);
	return DROP_TCP_DUP;
}
