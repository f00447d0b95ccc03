/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * TCP end points of one worker: byte streams over packets, for both sides of the proxy.
 *
 * Sans-I/O: segments come in through tcp_input(), time through now_us, and what has to be sent goes
 * out through net_send_tcp() when tcp_flush() is called once a burst. That one flush is also what
 * joins an ACK with the answer that the layer above made meanwhile.
 *
 * The layer above never gets called back. A connection that has news is put on the ready list once
 * and the worker takes it off with tcp_next_ready(), so nothing re-enters.
 *
 *   segment -> tcp_input -> receive queue -> tcp_recv()   ... layer above ...
 *   segment <- tcp_flush <- send queue    <- tcp_send()   ... layer above ...
 *
 * Payload is never copied on the way: a received buffer's view is cut down to the payload and the
 * buffer itself moves from one connection's receive queue into the other's send queue. It is freed
 * when the other side has acknowledged it.
 *
 * Standards: RFC 9293 (TCP), 5681 (congestion control), 6298 (RTO), 6582 and 6675 (recovery, SACK),
 * 7323 (window scale, timestamps, PAWS), 5961 (blind attacks), 4987 (SYN cookies), 9438 (CUBIC),
 * 1191 and 8201 (path MTU), 6691 (MSS), 6528 (initial sequence numbers).
 */
#ifndef WEIR_TCP_H
#define WEIR_TCP_H

#include "buf.h"
#include "net.h"
#include "timer.h"

#include "weir/addr.h"
#include "weir/drops.h"

struct tcp_stack; /* one per worker; fields in tcp_state.h */
struct tcp_conn;  /* fields in tcp_state.h: only tcp_*.c look inside */

/* timer.kind of every timer that a stack arms; timers of other layers use other values */
#define TCP_TIMER_KIND 1

enum tcp_event {
	TCP_EV_ACCEPTED =
		1 << 0, /* new connection from a client: give it a user with tcp_set_user() */
	TCP_EV_CONNECTED = 1 << 1, /* tcp_connect() succeeded */
	TCP_EV_READABLE = 1 << 2,  /* new bytes in the receive queue */
	TCP_EV_EOF = 1 << 3, /* peer sent FIN; nothing comes after what is in the receive queue */
	TCP_EV_WRITABLE = 1 << 4, /* tcp_send_space() is large again after it was 0 */
	TCP_EV_SENT = 1 << 5,     /* the peer has acknowledged everything sent so far */
	TCP_EV_CLOSED =
		1 << 6, /* over; tcp_why() tells; only tcp_recv*() and tcp_release() are left */
};

/* Why a connection is over. */
enum tcp_why {
	TCP_WHY_NONE,     /* it is not */
	TCP_WHY_FINISHED, /* both sides closed in order */
	TCP_WHY_RESET,    /* peer sent RST on an established connection */
	TCP_WHY_REFUSED,  /* peer answered the SYN with RST, or a hard ICMP error did */
	TCP_WHY_TIMEOUT,  /* connecting, retransmitting or probing without an answer */
	TCP_WHY_ABORTED,  /* tcp_abort() */
	TCP_WHY_NO_ROUTE,
};

struct tcp_config {
	uint32_t max_conns;
	uint32_t backlog;            /* half-open connections before SYN cookies */
	uint32_t rcvbuf_bytes;       /* receive queue bound, also the largest window offered */
	uint32_t sndbuf_bytes;       /* send queue bound: tcp_send_space() counts from here */
	uint64_t keepalive_idle_us;  /* silence before the first probe; 0: no keep-alive */
	uint64_t keepalive_intvl_us; /* between probes */
	uint32_t keepalive_probes;   /* unanswered ones before giving up */
	uint64_t user_timeout_us;    /* give up when data stays unacknowledged this long */
	uint64_t time_wait_us;
	uint64_t fin_wait_us; /* wait for the peer's FIN after tcp_release() */
	uint64_t delayed_ack_us;
	bool timestamps; /* offered, and taken up: RFC 7323 section 3 */
};

/** Sensible defaults for every field. */
void tcp_config_default(struct tcp_config *c);

/**
 * Is there a listener on this address and port? Asked for a SYN to no known connection.
 *
 * @return an opaque value >= 0 handed back by tcp_listener(), or TCP_LISTEN_NONE: answer RST,
 *         or TCP_LISTEN_DRAIN: answer RST and count TCP_DRAINING
 */
typedef int tcp_listen_fn(void *arg, const struct ip_addr *addr, be16_t port);

#define TCP_LISTEN_NONE  (-1)
#define TCP_LISTEN_DRAIN (-2)

size_t tcp_bytes(const struct tcp_config *c);

/* What a stack stands on; all of it outlives the stack. */
struct tcp_env {
	struct net *net;
	struct buf_pool *pool;
	struct timer_wheel *wheel;
	tcp_listen_fn *listen;
	void *listen_arg;
	uint64_t *counters; /* indexed by enum counter */
	uint8_t secret[16]; /* random: initial sequence numbers, cookies, hash of the table */
};

/** @param memory  tcp_bytes() bytes, aligned to 64 */
struct tcp_stack *tcp_init(void *memory, const struct tcp_config *c, const struct tcp_env *env);

/** Give back every buffer and connection without sending anything (shutdown). */
void tcp_fini(struct tcp_stack *s);

/**
 * One TCP segment.
 *
 * @param p  parsed packet, p->kind == PKT_TCP; p->buf is consumed
 * @return   the named end to be counted once
 */
enum drop tcp_input(struct tcp_stack *s, struct pkt *p, uint64_t now_us);

/**
 * Answer a segment that is for no connection of ours with a RST: RFC 9293 section 3.10.7.1.
 *
 * @param p    consumed
 * @param end  how it is to be counted when it is sound
 */
enum drop tcp_refuse(struct tcp_stack *s, struct pkt *p, enum drop end, uint64_t now_us);

/*
 * The same for a burst, in steps: each asks memory for what the next one reads, for all segments of the
 * burst, so that their cache misses overlap. Between the steps nothing else may happen to the stack's
 * table; what was fetched is only a hint, so segments of the burst may open and close connections.
 *
 *   tcp_input_hash   p->hash; a line of the table comes
 *   tcp_input_fetch  the connection's lines come
 *   tcp_input_user   what the connection points to comes: oldest unacknowledged buffer, layer above
 *   tcp_input_burst  as tcp_input(), with p->hash
 */
void tcp_input_hash(const struct tcp_stack *s, struct pkt *p);

/** The key of p->hash, for other tables that are asked with it. */
struct hash_key tcp_hash_key(const struct tcp_stack *s);
void tcp_input_fetch(const struct tcp_stack *s, const struct pkt *p);
void tcp_input_user(const struct tcp_stack *s, const struct pkt *p);
enum drop tcp_input_burst(struct tcp_stack *s, struct pkt *p, uint64_t now_us);

/** An ICMP error about one of our segments (RFC 5927 checks inside). */
void tcp_icmp(struct tcp_stack *s, const struct net_icmp_error *e, uint64_t now_us);

/** The wheel's timer t (kind TCP_TIMER_KIND) is due. */
void tcp_timer(struct tcp_stack *s, struct timer *t, uint64_t now_us);

/** Send what is due on every connection touched since the last flush: data, ACKs, FIN, RST, windows. */
void tcp_flush(struct tcp_stack *s, uint64_t now_us);

/**
 * How many buffers are left. While they are scarce, every connection may hold only a small part of what it
 * may otherwise, so that many slow or hostile ones together cannot take all of the pool; windows already
 * offered are honoured. While they are nearly out, bytes from clients are dropped, to be sent again: what
 * is left is for the answers to those whose requests are here, which is what gives buffers back.
 */
void tcp_supply(struct tcp_stack *s, enum buf_supply supply);

/** Take one connection with news off the ready list, or NULL. events: set of enum tcp_event. */
struct tcp_conn *tcp_next_ready(struct tcp_stack *s, uint32_t *events);

/**
 * Open a connection.
 *
 * @param peer        our address and port and the remote ones. The caller chose lport (the reply must
 *                    reach this worker) and asked tcp_port_free()
 * @param timeout_us  for the handshake
 * @return            NULL when the connection limit is met
 */
struct tcp_peer {
	struct ip_addr local, remote;
	be16_t lport, rport;
};
struct tcp_conn *tcp_connect(struct tcp_stack *s, const struct tcp_peer *peer, uint64_t timeout_us,
                             uint64_t now_us);

/**
 * The same, for bytes that will be passed on from another connection, `like`: with its options, so that a
 * splice of both has little to change, and, when its peer has a clock of timestamps that tells the new connection
 * from one before on the same ports (RFC 6191), with its sequence numbers.
 *
 * @param first  bytes of our own that are sent before the first one that waits in like's receive queue
 */
struct tcp_conn *tcp_connect_like(struct tcp_stack *s, const struct tcp_peer *peer,
                                  const struct tcp_conn *like, uint32_t first, uint64_t timeout_us,
                                  uint64_t now_us);

/** May a new connection use this 4-tuple? True also when ours is in TIME_WAIT and may be reused. */
bool tcp_port_free(struct tcp_stack *s, const struct tcp_peer *peer);

void tcp_set_user(struct tcp_conn *c, void *user);
void *tcp_user(const struct tcp_conn *c);
/** What tcp_listen_fn returned for it; TCP_LISTEN_NONE for a connection made by tcp_connect(). */
int tcp_listener(const struct tcp_conn *c);
enum tcp_why tcp_why(const struct tcp_conn *c);
const struct tcp_peer *tcp_peer(const struct tcp_conn *c);

/* ---- receiving -------------------------------------------------------------------------- */

/** In-order bytes waiting. The queue may be read in place; views must not be moved. */
const struct bufq *tcp_recv_queue(const struct tcp_conn *c);

/**
 * Take the first waiting buffer (one reference, the caller's). Opens the receive window: a window
 * update is sent when it is worth one. NULL when nothing waits.
 */
struct buf *tcp_recv(struct tcp_stack *s, struct tcp_conn *c);

/** Drop the first n waiting bytes; n <= bytes waiting. Opens the window like tcp_recv(). */
void tcp_recv_drop(struct tcp_stack *s, struct tcp_conn *c, uint32_t n);

/**
 * Split: move exactly the first n waiting bytes (n <= bytes waiting) to the end of out. A buffer that
 * straddles the border is copied for its smaller part; the rest moves without copying.
 * Returns 0 or -ENOMEM (pool empty; nothing was taken).
 */
int tcp_recv_take(struct tcp_stack *s, struct tcp_conn *c, uint32_t n, struct bufq *out);

/** Has the peer's FIN arrived and everything before it? (bytes may still wait in the queue) */
bool tcp_eof(const struct tcp_conn *c);

/* ---- sending ---------------------------------------------------------------------------- */

/**
 * Bytes that may still be queued before sndbuf_bytes (or before much less while buffers are scarce);
 * 0 when full, closing or closed. After a 0 comes TCP_EV_WRITABLE, unless it is closing.
 */
uint32_t tcp_send_space(const struct tcp_stack *s, struct tcp_conn *c);

/** Bytes queued and not yet acknowledged. */
uint32_t tcp_send_pending(const struct tcp_conn *c);

/**
 * Queue a buffer's view for sending; b is consumed. May exceed tcp_send_space() (a head must not be
 * split); the caller stops when it is 0 and waits for TCP_EV_WRITABLE.
 * When the connection cannot send any more the buffer is freed.
 */
void tcp_send(struct tcp_stack *s, struct tcp_conn *c, struct buf *b);

/** No more bytes from us: FIN after what is queued. */
void tcp_shutdown(struct tcp_stack *s, struct tcp_conn *c);

/** Send RST and be closed (TCP_WHY_ABORTED). Harmless when closed already. */
void tcp_abort(struct tcp_stack *s, struct tcp_conn *c);

/**
 * The layer above is done with it; c must not be used after this. What is queued is still sent, then
 * FIN; bytes that wait unread, or that arrive later, turn the close into RST, as sockets do.
 */
void tcp_release(struct tcp_stack *s, struct tcp_conn *c);

/* ---- splicing: segments of two connections pass from one to the other without them ------------- */

/** Let the right edge of the window stay where it is, so that the peer stops there; and go on. */
void tcp_window_hold(struct tcp_conn *c);
void tcp_window_free(struct tcp_stack *s, struct tcp_conn *c);

bool tcp_window_is_held(const struct tcp_conn *c);

/** Bytes that the peer may still send: from what has arrived to the right edge that it was told. */
uint32_t tcp_recv_offered(const struct tcp_conn *c);

/** The right edge beyond what has arrived may be told to be so many bytes: what we would keep. */
uint32_t tcp_recv_room(const struct tcp_stack *s);

/**
 * Could segments from one pass to the other unchanged but for their numbers? Both are established and
 * have not heard or said FIN, agree in timestamps, SACK and address family, and no segment of the MSS that
 * `from`'s peer was told is too long for `to`.
 */
bool tcp_splice_fits(struct tcp_stack *s, struct tcp_conn *from, struct tcp_conn *to);

/** Is nothing received left to be moved on, and nothing sent left to be acknowledged, on either? */
bool tcp_splice_quiet(const struct tcp_conn *a, const struct tcp_conn *b);

/** The window that c's peer has told, bytes, and the largest so far. */
uint32_t tcp_send_window(const struct tcp_conn *c);
uint32_t tcp_send_window_max(const struct tcp_conn *c);

/** By how many bits the windows that we tell are shifted. */
uint8_t tcp_recv_scale(const struct tcp_conn *c);

/* What a connection has to know when it comes back: the follower of its segments keeps it up to date. */
struct tcp_frozen {
	uint32_t rcv_nxt, rcv_adv; /* of the peer: acknowledged, right edge told */
	uint32_t snd_nxt;          /* acknowledged by the peer, and sent */
	uint32_t snd_wnd;          /* told by the peer, bytes */
	uint32_t ts_recent;        /* latest TSval of the peer */
	uint32_t ts_sent;          /* latest TSval that the peer was shown */
	uint8_t snd_ws, rcv_ws;
	bool ts;
};

/** Stop: c is quiet. No timer runs and nothing is sent until tcp_thaw(), tcp_abort() or tcp_forget(). */
void tcp_freeze(struct tcp_stack *s, struct tcp_conn *c, struct tcp_frozen *f);

/** Tell the peer of a frozen connection what f says: an ACK with the window up to f->rcv_adv. */
void tcp_frozen_ack(struct tcp_stack *s, struct tcp_conn *c, const struct tcp_frozen *f);

/** The same, but not often: as to one who may be an attacker (RFC 5961 section 10). */
void tcp_frozen_challenge(struct tcp_stack *s, struct tcp_conn *c, const struct tcp_frozen *f);

/** Go on where f says. Tells the layer above that everything is sent. */
void tcp_thaw(struct tcp_stack *s, struct tcp_conn *c, const struct tcp_frozen *f);

/** The peer's next segment, its last one, begins here: bytes in front of it passed by. */
void tcp_expect(struct tcp_conn *c, uint32_t seq);

/** A frozen connection never comes back: it is over, without a word to the peer or an event. */
void tcp_forget(struct tcp_stack *s, struct tcp_conn *c);

/** A RST to the peer of a connection that is forgotten. */
void tcp_forgotten_reset(struct tcp_stack *s, const struct tcp_peer *peer, uint32_t seq,
                         uint32_t ack);

#endif
