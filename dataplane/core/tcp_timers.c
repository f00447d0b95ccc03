/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A connection's deadlines on one timer of the wheel.
 *
 *   rtx_at   SYN again | retransmission (RFC 6298) | tail loss probe (RFC 8985) |
 *            end of the reordering window | persist (RFC 9293 section 3.8.6.1): one at a time
 *   ack_at   delayed ACK
 *   idle_at  end of connecting | keep-alive | FIN_WAIT_2 | TIME_WAIT: one at a time
 *
 * The wheel's timer is armed for the earliest. Moving a deadline later leaves the wheel alone: the
 * timer then fires early, finds nothing due and is armed again. So a busy connection, whose deadlines
 * move with each segment, touches the wheel a few times a second.
 */
#include "tcp_parts.h"

#define RTO_MAX_US     60000000u /* RFC 6298 section 2.5 allows no less */
#define BACKOFF_MAX    10
#define SYN_ACKS_MAX   5   /* about 30 s in SYN_RCVD */
#define PTO_MIN_MS     2   /* ticks of the wheel are 1 ms */
#define DELAYED_ACK_MS 200 /* WCDelAckT of RFC 8985 section 7.2 */
#define RTX_KINDS      (TCP_F_PROBE | TCP_F_TLP | TCP_F_REO)

static bool is_due(const struct tcp_stack *s, uint32_t at)
{
	return at && (int32_t)(tcp_now_ms(s) - at) >= 0;
}

static uint32_t earlier(uint32_t a, uint32_t b)
{
	if (!a || !b)
		return a | b;
	return (int32_t)(a - b) < 0 ? a : b;
}

void tcp_timers_sync(struct tcp_stack *s, struct tcp_conn *c)
{
	uint32_t at = earlier(earlier(c->rtx_at, c->ack_at), c->idle_at);
	int32_t in_ms = (int32_t)(at - tcp_now_ms(s));
	uint64_t deadline = s->now_us + (in_ms > 0 ? (uint64_t)in_ms * 1000 : 0);

	if (!at)
		return;
	if (!timer_armed(&c->timer) || deadline < c->timer.deadline_us)
		timer_arm(s->env.wheel, &c->timer, deadline);
}

static uint32_t backed_off_ms(const struct tcp_conn *c)
{
	uint64_t us = (uint64_t)tcp_ack_rto_us(c) << c->backoff;

	return (uint32_t)((us > RTO_MAX_US ? RTO_MAX_US : us) / 1000);
}

static void back_off(struct tcp_conn *c)
{
	if (c->backoff < BACKOFF_MAX)
		c->backoff++;
}

/* Is something waiting for the peer's window to open? */
static bool is_blocked(const struct tcp_conn *c)
{
	return tcp_unsent(c) || (c->flags & TCP_F_SHUT && !(c->flags & TCP_F_FIN_SENT));
}

/* RFC 8985 section 7.2: probe when the tail of a flight may be lost and nothing else would tell. */
static bool wants_tail_probe(const struct tcp_conn *c)
{
	return c->flags & TCP_F_SACK && !(c->flags & TCP_F_TLP_SENT) && c->ca == TCP_CA_OPEN &&
	       c->srtt_us && !c->sacked && !c->backoff && tcp_is_synchronized(c);
}

void tcp_timers_restart(struct tcp_stack *s, struct tcp_conn *c)
{
	uint32_t in_ms = backed_off_ms(c), pto;

	c->flags &= ~RTX_KINDS;
	c->rtx_at = 0;
	if (c->snd_una != c->snd_nxt) {
		pto = c->srtt_us / 500 + PTO_MIN_MS;
		if (c->snd_last == c->sndq.first) /* one segment: its ACK may be delayed */
			pto += DELAYED_ACK_MS;
		if (wants_tail_probe(c) && pto < in_ms) {
			c->flags |= TCP_F_TLP;
			in_ms = pto;
		}
	} else if (is_blocked(c)) {
		c->flags |= TCP_F_PROBE;
	} else {
		return;
	}
	c->rtx_at = tcp_deadline(s, in_ms);
	tcp_timers_sync(s, c);
}

void tcp_timers_start(struct tcp_stack *s, struct tcp_conn *c)
{
	bool in_flight = c->snd_una != c->snd_nxt;

	if (c->rtx_at && in_flight == !(c->flags & TCP_F_PROBE) && (in_flight || is_blocked(c)))
		return;
	if (!c->rtx_at && !in_flight) /* waiting starts now, however long the connection was idle */
		c->progress_ms = tcp_now_ms(s);
	tcp_timers_restart(s, c);
}

void tcp_timers_heard(struct tcp_stack *s, struct tcp_conn *c)
{
	c->probes = 0;
	if (!s->config.keepalive_idle_us || !tcp_is_synchronized(c) ||
	    (c->state == TCP_FIN_WAIT_2 && !(c->flags & TCP_F_USER)))
		return;
	c->idle_at = tcp_deadline(s, s->config.keepalive_idle_us / 1000);
}

/* ---- what is due ---------------------------------------------------------------------------- */

/* RFC 9293 section 3.8.3: has the peer been silent for longer than we wait? */
static bool is_given_up(const struct tcp_stack *s, const struct tcp_conn *c)
{
	return (uint64_t)(tcp_now_ms(s) - c->progress_ms) * 1000 >= s->config.user_timeout_us;
}

static void syn_due(struct tcp_stack *s, struct tcp_conn *c)
{
	if (c->state == TCP_SYN_RCVD && c->backoff >= SYN_ACKS_MAX) {
		tcp_conn_close(s, c, TCP_WHY_TIMEOUT);
		return;
	}
	back_off(c);
	tcp_count(s, COUNT_TCP_RETRANSMITS);
	tcp_output_syn(s, c);
	tcp_timers_restart(s, c);
}

/*
 * The peer's window is closed: ask for it with a segment in front of it, which has to be answered
 * (RFC 9293 section 3.10.7.4, first check) and moves nothing. When the window is open but too small
 * for the silly window rule, the rule is waived once instead.
 */
static void persist_due(struct tcp_stack *s, struct tcp_conn *c)
{
	bool open = seq_gt(c->snd_una + c->snd_wnd, c->snd_nxt);

	back_off(c);
	if (open)
		c->flags |= TCP_F_SPLIT;
	else
		tcp_output_bare(s, c, c->snd_una - 1, TCP_ACK);
	tcp_touch(s, c);
	tcp_timers_restart(s, c);
}

static void rtx_due(struct tcp_stack *s, struct tcp_conn *c)
{
	uint32_t kind = c->flags & RTX_KINDS;

	c->flags &= ~RTX_KINDS;
	c->rtx_at = 0;
	if (c->state == TCP_SYN_SENT || c->state == TCP_SYN_RCVD) {
		syn_due(s, c);
		return;
	}
	if (is_given_up(s, c)) {
		tcp_conn_close(s, c, TCP_WHY_TIMEOUT);
		return;
	}
	if (kind == TCP_F_PROBE) {
		persist_due(s, c);
		return;
	}
	if (kind == TCP_F_REO) {
		tcp_ack_reordering_over(s, c);
	} else if (kind == TCP_F_TLP && tcp_output_probe(s, c)) {
		c->flags |= TCP_F_TLP_SENT;
	} else if (c->snd_una != c->snd_nxt) {
		tcp_count(s, COUNT_TCP_RTOS);
		back_off(c);
		tcp_ack_timeout(s, c);
	}
	if (!c->rtx_at)
		tcp_timers_restart(s, c);
	tcp_touch(s, c);
}

/* RFC 9293 section 3.8.4. */
static void keepalive_due(struct tcp_stack *s, struct tcp_conn *c)
{
	if (c->snd_una != c->snd_nxt || is_blocked(c)) { /* the other timers look after it */
		c->idle_at = tcp_deadline(s, s->config.keepalive_idle_us / 1000);
		return;
	}
	if (c->probes >= s->config.keepalive_probes || c->probes == 15) {
		tcp_count(s, COUNT_TCP_RST_SENT);
		tcp_output_bare(s, c, c->snd_nxt, TCP_RST | TCP_ACK);
		tcp_conn_close(s, c, TCP_WHY_TIMEOUT);
		return;
	}
	c->probes++;
	tcp_output_bare(s, c, c->snd_una - 1, TCP_ACK);
	c->idle_at = tcp_deadline(s, s->config.keepalive_intvl_us / 1000);
}

static void idle_due(struct tcp_stack *s, struct tcp_conn *c)
{
	c->idle_at = 0;
	if (c->state == TCP_TIME_WAIT)
		tcp_time_wait_end(s, c);
	else if (c->state == TCP_SYN_SENT)
		tcp_conn_close(s, c, TCP_WHY_TIMEOUT);
	else if (c->state == TCP_FIN_WAIT_2 && !(c->flags & TCP_F_USER))
		tcp_conn_close(s, c, TCP_WHY_FINISHED);
	else if (tcp_is_synchronized(c) && s->config.keepalive_idle_us)
		keepalive_due(s, c);
}

void tcp_timer(struct tcp_stack *s, struct timer *t, uint64_t now_us)
{
	struct tcp_conn *c =
		(struct tcp_conn *)(void *)((uint8_t *)t - offsetof(struct tcp_conn, timer));

	s->now_us = now_us;
	if (is_due(s, c->ack_at)) {
		c->ack_at = 0;
		tcp_ack_now(s, c);
	}
	if (is_due(s, c->rtx_at))
		rtx_due(s, c);
	if (c->state <= TCP_TIME_WAIT && c->state != TCP_CLOSED && is_due(s, c->idle_at))
		idle_due(s, c);
	if (c->state <= TCP_TIME_WAIT && c->state != TCP_CLOSED)
		tcp_timers_sync(s, c);
}
