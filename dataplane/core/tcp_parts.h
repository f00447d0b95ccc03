/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the files of the TCP stack offer each other. The layer above sees tcp.h only.
 *
 *   tcp_input -> tcp_handshake | tcp_ack -> tcp_sack, tcp_cubic | tcp_recv     segment in
 *   tcp_output -> tcp_sendq, tcp_options                                       segment out
 *   tcp_timers, tcp_time_wait, tcp_cookie, tcp_stack, tcp_table, tcp_conn      around them
 *   tcp_splice                                                                 when segments pass by
 */
#ifndef WEIR_TCP_PARTS_H
#define WEIR_TCP_PARTS_H

#include "tcp_state.h"

/* ---- tcp_options.c -------------------------------------------------------------------------- */

enum tcp_option_bit {
	TCP_OPT_MSS = 1 << 0,
	TCP_OPT_WSCALE = 1 << 1,
	TCP_OPT_SACK_OK = 1 << 2,
	TCP_OPT_TS = 1 << 3,
};

#define TCP_OPTIONS_MAX 40
#define TCP_SACK_MAX    4

struct tcp_block {
	uint32_t start, end;
};

struct tcp_options {
	uint32_t tsval, tsecr;
	uint16_t mss;
	uint8_t wscale;
	uint8_t has; /* set of enum tcp_option_bit */
	uint8_t n_sack;
	struct tcp_block sack[TCP_SACK_MAX];
};

/**
 * Read the option bytes of a header; unknown options are skipped.
 *
 * @param p    first option byte
 * @param len  bytes, 0 to 40
 * @return     false when an option runs over the end or a known one has a wrong length
 * Source: RFC 9293 section 3.1, RFC 7323, RFC 2018.
 */
bool tcp_options_read(const uint8_t *p, uint32_t len, struct tcp_options *out);

/** Write options; returns the bytes written, a multiple of 4, at most TCP_OPTIONS_MAX. */
uint32_t tcp_options_write(uint8_t *p, const struct tcp_options *o);

/* ---- tcp_table.c ---------------------------------------------------------------------------- */

uint64_t tcp_table_hash(const struct tcp_stack *s, const struct tcp_peer *peer);
struct tcp_conn *tcp_table_find(const struct tcp_stack *s, const struct tcp_peer *peer);

/** As tcp_table_find(), with what tcp_table_hash() gave. */
struct tcp_conn *tcp_table_find_hashed(const struct tcp_stack *s, const struct tcp_peer *peer,
                                       uint64_t hash);

/** Have the line of the table come that a look-up of this hash reads. */
void tcp_table_fetch(const struct tcp_stack *s, uint64_t hash);

/** The connection whose tag fits: nearly always the right one. Not looked at, so it costs no miss. */
struct tcp_conn *tcp_table_guess(const struct tcp_stack *s, uint64_t hash);
void tcp_table_add(struct tcp_stack *s, struct tcp_conn *c);
void tcp_table_remove(struct tcp_stack *s, struct tcp_conn *c);

/* ---- tcp_stack.c ---------------------------------------------------------------------------- */

void tcp_list_push(struct tcp_stack *s, struct tcp_conn *c, enum tcp_list_id id);
void tcp_list_remove(struct tcp_stack *s, struct tcp_conn *c, enum tcp_list_id id);

/** Initial sequence number of a 4-tuple: RFC 6528, growing with time. */
uint32_t tcp_stack_isn(const struct tcp_stack *s, const struct tcp_peer *peer);

/** Offset of the timestamps of a 4-tuple: RFC 7323 section 5.4; the same for ever. */
uint32_t tcp_stack_ts_offset(const struct tcp_stack *s, const struct tcp_peer *peer);

/* ---- tcp_conn.c ----------------------------------------------------------------------------- */

/** A connection in the table, zeroed but for peer and what follows from it; NULL: limit met. */
struct tcp_conn *tcp_conn_new(struct tcp_stack *s, const struct tcp_peer *peer);

/** Tell the layer above, if there is one. */
void tcp_conn_event(struct tcp_stack *s, struct tcp_conn *c, uint32_t events);

/** The connection is over: out of the table, queues of sending freed. Frees c when nobody holds it. */
void tcp_conn_close(struct tcp_stack *s, struct tcp_conn *c, enum tcp_why why);

/** Free a connection that is closed and not held. */
void tcp_conn_free(struct tcp_stack *s, struct tcp_conn *c);

/** The handshake is done; in the state ESTABLISHED or, when already shut down, beyond. */
void tcp_conn_establish(struct tcp_stack *s, struct tcp_conn *c);

/** Have the next flush look at c. */
static inline void tcp_touch(struct tcp_stack *s, struct tcp_conn *c)
{
	tcp_list_push(s, c, TCP_LIST_OUTPUT);
}

/** Have the next flush send an ACK. */
static inline void tcp_ack_now(struct tcp_stack *s, struct tcp_conn *c)
{
	c->flags |= TCP_F_ACK_NOW;
	tcp_touch(s, c);
}

/* ---- tcp_input.c ---------------------------------------------------------------------------- */

enum tcp_header_flag {
	TCP_FIN = 1 << 0,
	TCP_SYN = 1 << 1,
	TCP_RST = 1 << 2,
	TCP_PSH = 1 << 3,
	TCP_ACK = 1 << 4,
};

/* A segment as read from the wire, in host order. */
struct tcp_seg {
	struct buf *buf;      /* view over the payload; a handler that keeps it sets NULL */
	struct tcp_peer peer; /* seen from our side: local is the destination */
	uint32_t seq, ack;
	uint32_t end;  /* seq + payload bytes + SYN + FIN */
	uint16_t len;  /* payload bytes */
	uint16_t wnd;  /* as in the header, not scaled */
	uint8_t flags; /* set of enum tcp_header_flag */
	struct tcp_options opt;
};

/* What a segment is to a state: the columns of tcp_step. */
enum tcp_class {
	TCP_CLASS_SYN,
	TCP_CLASS_SYN_ACK,
	TCP_CLASS_ACK, /* with or without data and FIN */
	TCP_CLASS_RST,
	TCP_CLASS_NONE, /* none of those flags */
	TCP_CLASSES,
};

typedef enum drop tcp_step_fn(struct tcp_stack *s, struct tcp_conn *c, struct tcp_seg *g);

/* One row: what to do, and the section of RFC 9293 (or the RFC) that says so. NULL: TCP_BAD_STATE. */
struct tcp_step {
	tcp_step_fn *fn;
	const char *source;
};
extern const struct tcp_step tcp_step[TCP_STATES][TCP_CLASSES];

enum tcp_class tcp_classify(uint8_t flags);

/** Send an ACK that an attacker may have asked for, unless one was sent a moment ago: RFC 5961. */
void tcp_input_challenge(struct tcp_stack *s, struct tcp_conn *c);

/** Is the segment's timestamp older than the last one? RFC 7323 section 5.3 R1. */
bool tcp_input_is_old(const struct tcp_conn *c, const struct tcp_seg *g);

/* ---- tcp_handshake.c: the handlers before ESTABLISHED, and TIME_WAIT's SYN ------------------ */

tcp_step_fn tcp_handshake_syn, tcp_handshake_syn_again, tcp_handshake_syn_ack;
tcp_step_fn tcp_handshake_refused, tcp_handshake_stray_ack, tcp_handshake_no_conn;
tcp_step_fn tcp_handshake_no_conn_ack;

/** The ACK that ends a passive handshake has come: the connection is accepted. */
void tcp_handshake_done(struct tcp_stack *s, struct tcp_conn *c, const struct tcp_seg *g);

/** The connection in SYN_RCVD that a cookie stands for, options as in its SYN; NULL: limit met. */
struct tcp_conn *tcp_handshake_resume(struct tcp_stack *s, const struct tcp_seg *g,
                                      const struct tcp_options *o);

/** Answer a SYN to a listener, with this initial sequence number. */
enum drop tcp_handshake_accept(struct tcp_stack *s, const struct tcp_seg *g, uint32_t isn);

/* ---- tcp_time_wait.c ------------------------------------------------------------------------ */

/** Both FINs are through: wait for the peer's stragglers. c may be freed by the layer above only. */
void tcp_time_wait_enter(struct tcp_stack *s, struct tcp_conn *c);

/** The layer above let go of a connection in TIME_WAIT: it may now be evicted. */
void tcp_time_wait_release(struct tcp_stack *s, struct tcp_conn *c);

/** End the oldest one to make room. Returns false when there is none. */
bool tcp_time_wait_evict(struct tcp_stack *s);

/** May this connection in TIME_WAIT be replaced by one that we open now? */
bool tcp_time_wait_reusable(const struct tcp_stack *s, const struct tcp_conn *c);

/** The wait is over, or cut short. */
void tcp_time_wait_end(struct tcp_stack *s, struct tcp_conn *c);

tcp_step_fn tcp_time_wait_syn, tcp_time_wait_ack;

/* ---- tcp_cookie.c --------------------------------------------------------------------------- */

/** Answer a SYN with a SYN cookie and keep nothing. */
enum drop tcp_cookie_send(struct tcp_stack *s, const struct tcp_seg *g);

/** Was a cookie sent that may still come back? */
bool tcp_cookie_out(const struct tcp_stack *s);

/** Does this segment acknowledge a cookie of ours? */
bool tcp_cookie_fits(const struct tcp_stack *s, const struct tcp_seg *g);

/** An ACK to no known connection: make the connection if it carries a cookie. */
enum drop tcp_cookie_ack(struct tcp_stack *s, struct tcp_seg *g);

/* ---- tcp_ack.c ------------------------------------------------------------------------------ */

/** Process the acknowledgement, SACK blocks and window of an acceptable segment. */
void tcp_ack_process(struct tcp_stack *s, struct tcp_conn *c, const struct tcp_seg *g);

/** Everything in flight is taken for lost: RFC 6298 section 5, RFC 5681 section 3.1. */
void tcp_ack_timeout(struct tcp_stack *s, struct tcp_conn *c);

/** Look again for losses once the reordering window is over: RFC 8985 section 6.3. */
void tcp_ack_reordering_over(struct tcp_stack *s, struct tcp_conn *c);

/** Account for one RTT sample: RFC 6298 section 2. */
void tcp_ack_rtt(struct tcp_conn *c, uint32_t rtt_us);

/** Retransmission time-out, microseconds, without back-off. */
uint32_t tcp_ack_rto_us(const struct tcp_conn *c);

/* ---- tcp_sack.c ----------------------------------------------------------------------------- */

/** Mark what the blocks cover; returns the bytes newly covered. */
uint32_t tcp_sack_apply(struct tcp_stack *s, struct tcp_conn *c, const struct tcp_options *o);

/** Mark as lost what RFC 6675 (IsLost) and RFC 8985 (RACK) say is; returns bytes newly lost. */
uint32_t tcp_sack_mark_lost(struct tcp_stack *s, struct tcp_conn *c);

/** The reordering window is over: mark what was overtaken; returns bytes newly lost. */
uint32_t tcp_sack_mark_overdue(struct tcp_conn *c);

/** Mark the first segment in flight as lost: NewReno. */
void tcp_sack_mark_first(struct tcp_conn *c);

/** Mark all segments in flight as lost and forget what was acknowledged selectively. */
void tcp_sack_mark_all(struct tcp_conn *c);

/** Mark as lost the segments in flight with more than bytes of payload: the path is narrower. */
void tcp_sack_mark_longer(struct tcp_conn *c, uint32_t bytes);

/** A segment was delivered: remember when the newest of those was sent. */
void tcp_sack_delivered(struct tcp_stack *s, struct tcp_conn *c, const struct buf *b);

/** First segment that is lost and not yet sent again; NULL: none. before: its predecessor. */
struct buf *tcp_sack_next_lost(const struct tcp_conn *c, struct buf **before);

/* ---- tcp_cubic.c ---------------------------------------------------------------------------- */

void tcp_cubic_init(struct tcp_conn *c);

/** The window grows for this many newly acknowledged bytes. */
void tcp_cubic_acked(struct tcp_stack *s, struct tcp_conn *c, uint32_t bytes);

/** Congestion: sets ssthresh. The caller sets cwnd. */
void tcp_cubic_congestion(struct tcp_conn *c);

/** Initial window, bytes: RFC 6928. */
uint32_t tcp_cubic_initial(const struct tcp_conn *c);

/* ---- tcp_sendq.c ---------------------------------------------------------------------------- */

/** Drop what is acknowledged up to ack; returns the bytes. Feeds RTT and RACK. */
uint32_t tcp_sendq_acked(struct tcp_stack *s, struct tcp_conn *c, uint32_t ack);

/**
 * Cut buffer b so that its first len bytes are a buffer of their own in front of it.
 *
 * @param before  predecessor of b in the queue, NULL when b is the first
 * @return        the new buffer with the first bytes (copied), NULL when the pool is empty
 */
struct buf *tcp_sendq_split(struct tcp_stack *s, struct tcp_conn *c, struct buf *before,
                            uint16_t len);

/** Make the first unsent buffer a segment: not longer than the MSS, small neighbours joined. */
struct buf *tcp_sendq_segment(struct tcp_stack *s, struct tcp_conn *c);

/** Sequence number behind the last queued byte. */
/** Bytes that the receive queue may hold now. */
uint32_t tcp_recv_bound(const struct tcp_stack *s);

/** Bytes that the send queue may hold now. */
uint32_t tcp_sendq_bound(const struct tcp_stack *s);

static inline uint32_t tcp_sendq_end(const struct tcp_conn *c)
{
	const struct buf *b = c->sndq.last;

	if (b)
		return b->seq + b->len;
	return c->snd_nxt - (c->flags & TCP_F_FIN_SENT ? 1 : 0);
}

/* ---- tcp_recv.c ----------------------------------------------------------------------------- */

/** Payload and FIN of an acceptable segment. May free c when it returns with c->state TCP_CLOSED. */
enum drop tcp_recv_segment(struct tcp_stack *s, struct tcp_conn *c, struct tcp_seg *g);

/** Window to be told now, bytes; never shrinks what was told. */
uint32_t tcp_recv_window(const struct tcp_stack *s, const struct tcp_conn *c);

/** SACK blocks to be sent, D-SACK first; returns their number, at most max. */
uint32_t tcp_recv_blocks(const struct tcp_conn *c, struct tcp_block *out, uint32_t max);

/* ---- tcp_output.c --------------------------------------------------------------------------- */

/** Send SYN or SYN-ACK, by state. Returns what net_send_tcp() did, -ENOMEM when the pool is empty. */
int tcp_output_syn(struct tcp_stack *s, struct tcp_conn *c);

/** A segment of a connection without payload, at once. */
int tcp_output_bare(struct tcp_stack *s, struct tcp_conn *c, uint32_t seq, uint8_t flags);

/** A segment without a connection: RST to a stray segment, or SYN-ACK with a cookie. */
struct tcp_bare {
	const struct tcp_peer *peer;
	const struct tcp_options *opt; /* NULL: none */
	uint32_t seq, ack;
	uint16_t wnd;
	uint8_t flags;
};
void tcp_output_stray(struct tcp_stack *s, const struct tcp_bare *b);

/** The RST that answers segment g, which belongs to no connection: RFC 9293 section 3.10.7.1. */
void tcp_output_refuse(struct tcp_stack *s, const struct tcp_seg *g);

/** What we tell the peer in the SYN about the segments we take. */
uint16_t tcp_output_our_mss(struct tcp_stack *s, struct net_path *path,
                            const struct tcp_peer *peer);

/** The options that a SYN of ours offers, of TCP_F_OPTIONS; what the peer does not take up is not in use. */
uint32_t tcp_output_offer(const struct tcp_stack *s, const struct tcp_conn *c);

/** Work out c->mss from what the peer and the path take. */
void tcp_output_set_mss(struct tcp_stack *s, struct tcp_conn *c);

/** Tail loss probe: new data if there is any, else the last segment again. False: nothing sent. */
bool tcp_output_probe(struct tcp_stack *s, struct tcp_conn *c);

/* ---- tcp_timers.c --------------------------------------------------------------------------- */

/** Arm the wheel for the earliest of the connection's deadlines. */
void tcp_timers_sync(struct tcp_stack *s, struct tcp_conn *c);

/** Set the retransmission, probe or persist deadline anew: something was acknowledged. */
void tcp_timers_restart(struct tcp_stack *s, struct tcp_conn *c);

/** The same, unless one is running: something was sent. */
void tcp_timers_start(struct tcp_stack *s, struct tcp_conn *c);

/** The peer was heard: keep-alive starts again. */
void tcp_timers_heard(struct tcp_stack *s, struct tcp_conn *c);

/** A deadline so many milliseconds from now (never 0, which means off). */
static inline uint32_t tcp_deadline(const struct tcp_stack *s, uint64_t in_ms)
{
	uint32_t at;

	if (in_ms > INT32_MAX)
		in_ms = INT32_MAX;
	at = tcp_now_ms(s) + (uint32_t)in_ms;
	return at ? at : 1;
}

#endif
