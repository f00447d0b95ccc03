/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a TCP stack and a connection consist of. Only tcp_*.c look inside.
 *
 *   sequence space of the sending half               of the receiving half
 *   una            nxt        end of queue           rcv_nxt          rcv_adv
 *    |- in flight --|- unsent ----|                   |-- window offered -|
 *    ^ sndq.first   ^ snd_last->next                   ^ rcvq before, ooo after
 *
 * Every segment in flight is exactly one buffer of sndq, so what is known of it (sent when, lost,
 * selectively acknowledged) lies in that buffer's mark, and no scoreboard needs memory of its own.
 * Deadlines and ages are milliseconds modulo 2^32; a deadline of 0 is off.
 */
#ifndef WEIR_TCP_STATE_H
#define WEIR_TCP_STATE_H

#include "buckets.h"
#include "buf.h"
#include "hash.h"
#include "net.h"
#include "slab.h"
#include "tcp.h"
#include "timer.h"

#include "weir/stats.h"

#include <assert.h>

/* RFC 9293 section 3.3.2. LISTEN is not here: tcp_listen_fn stands for it. */
enum tcp_state {
	TCP_CLOSED, /* of a segment: there is no connection */
	TCP_SYN_SENT,
	TCP_SYN_RCVD,
	TCP_ESTABLISHED,
	TCP_FIN_WAIT_1,
	TCP_FIN_WAIT_2,
	TCP_CLOSE_WAIT,
	TCP_CLOSING,
	TCP_LAST_ACK,
	TCP_TIME_WAIT,
	TCP_STATES,
	TCP_FREE = 0xff, /* the object is in the slab */
};

enum tcp_flag {
	TCP_F_USER = 1 << 0,          /* the layer above holds it: not to be freed */
	TCP_F_SACK = 1 << 1,          /* both sides sent SACK-permitted */
	TCP_F_TS = 1 << 2,            /* both sides sent timestamps */
	TCP_F_SHUT = 1 << 3,          /* FIN is to follow the queue */
	TCP_F_FIN_SENT = 1 << 4,      /* and did: snd_nxt counts it */
	TCP_F_FIN_LOST = 1 << 5,      /* to be sent again, alone or with the last segment */
	TCP_F_FIN_KNOWN = 1 << 6,     /* the peer's FIN is at fin_at */
	TCP_F_EOF = 1 << 7,           /* and everything before it has arrived */
	TCP_F_ACK_NOW = 1 << 8,       /* next flush sends an ACK, with data or alone */
	TCP_F_NO_SPACE = 1 << 9,      /* the layer above met a full send queue */
	TCP_F_CWND_LIMITED = 1 << 10, /* the last flush stopped at the congestion window */
	TCP_F_RTX_NOW = 1 << 11,      /* one retransmission may ignore the congestion window */
	TCP_F_DSACK = 1 << 12,        /* dsack_seq, dsack_len are to be reported */
	TCP_F_PROBE = 1 << 13,        /* rtx_at is the persist timer's */
	TCP_F_IN_TABLE = 1 << 14,
	TCP_F_TLP = 1 << 15,      /* rtx_at is a tail loss probe's */
	TCP_F_TLP_SENT = 1 << 16, /* a probe is out: none again before an ACK */
	TCP_F_REO = 1 << 17,      /* rtx_at is the reordering window's end */
	TCP_F_ORDERLY = 1 << 18,  /* both directions were closed by FIN */
	TCP_F_SPLIT = 1 << 19,    /* one segment may be smaller than the silly window rule allows */
	TCP_F_WSCALE = 1 << 20,   /* both sides sent window scale */
	TCP_F_HOLD = 1 << 21,     /* the right edge of our window stays where it is */
	TCP_F_SPLICED = 1 << 22,  /* its segments pass without it: tcp_splice.c */
	TCP_F_CHOSEN = 1 << 23,   /* our SYN offers only the options whose flags are set */
	TCP_F_OPTIONS = TCP_F_SACK | TCP_F_TS | TCP_F_WSCALE,
};

/* State of loss recovery. */
enum tcp_ca {
	TCP_CA_OPEN,
	TCP_CA_RECOVERY, /* RFC 6675, RFC 6582: until snd_una reaches recover */
	TCP_CA_LOSS,     /* after a time-out, until snd_una reaches recover */
};

/* buf.mark of a buffer in sndq: flags, and above them the time it was last sent, us modulo 2^28. */
enum tcp_mark {
	TCP_MARK_SACKED = 1 << 0,
	TCP_MARK_LOST = 1 << 1,
	TCP_MARK_RETX = 1 << 2,      /* LOST, and in flight again */
	TCP_MARK_EVER_RETX = 1 << 3, /* Karn: no RTT sample from it */
};
#define TCP_MARK_FLAGS     15u
#define TCP_MARK_TIME_BITS 4

struct tcp_link {
	uint32_t next, prev; /* slab index + 1; 0: none */
};

enum tcp_list_id {
	TCP_LIST_READY,  /* has news for the layer above */
	TCP_LIST_OUTPUT, /* to be looked at by the next flush */
	TCP_LISTS,
};

struct tcp_list {
	uint32_t first, last; /* slab index + 1; 0: none */
	uint32_t n;
};

struct tcp_conn {
	/* 0: who it is; the slab overwrites the first bytes of a free one */
	struct tcp_peer peer;
	uint32_t flags;  /* set of enum tcp_flag */
	uint8_t state;   /* enum tcp_state */
	uint8_t ca  : 4; /* enum tcp_ca */
	uint8_t why : 4; /* enum tcp_why */
	uint8_t snd_ws;  /* shift of windows we are told */
	uint8_t rcv_ws;  /* shift of windows we tell */
	uint32_t rcv_nxt;
	uint32_t rcv_adv; /* right edge of the window we told; never moves back */
	uint32_t snd_una;
	uint32_t snd_nxt;
	/* 64: every segment */
	uint32_t snd_wnd;
	uint32_t snd_wl1;     /* sequence number of the last window update */
	uint32_t snd_wnd_max; /* largest window ever told: RFC 5961, RFC 1122 */
	uint32_t ts_recent;
	uint32_t ts_offset; /* added to our clock: constant per 4-tuple */
	uint32_t ack_sent;  /* rcv_nxt as last told: Last.ACK.sent of RFC 7323 */
	uint16_t mss;       /* payload bytes of a full segment, timestamps taken off */
	uint16_t peer_mss;  /* what the peer takes, or less: what the path was found to take */
	struct bufq rcvq;   /* in order, for the layer above */
	uint8_t events;     /* set of enum tcp_event not yet taken */
	uint8_t ack_segs;   /* data segments since the last ACK */
	uint8_t dup_acks;
	uint8_t backoff : 4; /* doublings of the RTO, or of the persist timer */
	uint8_t probes  : 4; /* keep-alive probes without an answer */
	uint32_t cwnd;
	/* 128: sending */
	struct bufq sndq;
	struct buf *snd_last; /* last buffer that was sent; NULL: none in sndq was */
	uint32_t ssthresh;
	uint32_t
		sacked; /* bytes in flight: selectively acknowledged (or counted so by dup ACKs), */
	uint32_t lost;  /* taken for lost, */
	uint32_t retx;  /* lost and sent again */
	uint32_t recover;
	uint32_t srtt_us; /* 0: no sample yet */
	uint32_t rttvar_us;
	uint32_t progress_ms; /* when snd_una last moved, or something was sent after silence */
	/* 192: timers and lists */
	struct timer timer;
	uint32_t rtx_at;  /* SYN, RTO, persist, tail loss probe or reordering window: see flags */
	uint32_t ack_at;  /* delayed ACK */
	uint32_t idle_at; /* connecting, keep-alive, FIN_WAIT_2, TIME_WAIT */
	struct net_path path;
	/* 248: */
	void *user;
	/* 256: out of order, and rare */
	struct tcp_link link[TCP_LISTS];
	struct buf *ooo;     /* sorted by seq, not overlapping */
	uint32_t ooo_recent; /* sequence number of the one that came last */
	uint16_t ooo_n;
	uint16_t dsack_len;
	uint32_t dsack_seq;
	uint32_t fin_at;
	uint32_t w_max; /* CUBIC, bytes */
	uint32_t w_est;
	uint32_t epoch_ms;       /* start of the congestion avoidance stage; 0: not started */
	uint16_t k_4ms;          /* CUBIC's K in units of 4 ms */
	uint16_t challenge_64ms; /* when a challenge or out-of-window ACK was last sent */
	int16_t listener;
	uint16_t mss_told;  /* to the peer, or to be told at most; 0: not yet */
	uint32_t rack_time; /* newest time of sending among delivered segments, as in a mark */
};
static_assert(sizeof(struct tcp_conn) <= 320, "a connection is five cache lines");

struct tcp_stack {
	uint64_t now_us; /* of the last call that told the time */
	struct buckets table;
	uint32_t half_open;
	struct slab slab;
	struct tcp_list list[TCP_LISTS];
	struct tcp_list time_wait; /* released ones, oldest first; linked by link[TCP_LIST_READY] */
	struct tcp_env env;
	struct tcp_config config;
	struct hash_key table_key;
	struct hash_key isn_key;
	struct hash_key ts_key;
	struct hash_key cookie_key;
	uint64_t cookie_us; /* when a SYN cookie was last sent; 0: never */
	uint32_t rcv_bufs_max;
	uint32_t ooo_max;
	uint8_t rcv_ws;
	bool scarce, nearly_out; /* tcp_supply() */
};

/* What a connection may hold in each direction while buffers are scarce. */
#define TCP_SCARCE_BYTES 16384u
#define TCP_SCARCE_BUFS  16u
#define TCP_SCARCE_OOO   4u

/* ---- sequence numbers: RFC 9293 section 3.4 ----------------------------------------------- */

static inline bool seq_lt(uint32_t a, uint32_t b)
{
	return (int32_t)(a - b) < 0;
}

static inline bool seq_leq(uint32_t a, uint32_t b)
{
	return (int32_t)(a - b) <= 0;
}

static inline bool seq_gt(uint32_t a, uint32_t b)
{
	return (int32_t)(a - b) > 0;
}

static inline bool seq_geq(uint32_t a, uint32_t b)
{
	return (int32_t)(a - b) >= 0;
}

/* ---- small questions ---------------------------------------------------------------------- */

static inline uint32_t tcp_now_ms(const struct tcp_stack *s)
{
	return (uint32_t)(s->now_us / 1000);
}

static inline void tcp_count(struct tcp_stack *s, enum counter c)
{
	s->env.counters[c]++;
}

/** Has the handshake been done and the connection not ended? */
static inline bool tcp_is_synchronized(const struct tcp_conn *c)
{
	return c->state >= TCP_ESTABLISHED && c->state <= TCP_LAST_ACK;
}

/** May the peer still send bytes that we take? */
static inline bool tcp_is_receiving(const struct tcp_conn *c)
{
	return c->state == TCP_ESTABLISHED || c->state == TCP_FIN_WAIT_1 ||
	       c->state == TCP_FIN_WAIT_2;
}

/** First buffer that was never sent. */
static inline struct buf *tcp_unsent(const struct tcp_conn *c)
{
	return c->snd_last ? c->snd_last->next : c->sndq.first;
}

/** Bytes believed to be in the network: RFC 6675 section 4, SetPipe. */
static inline uint32_t tcp_pipe(const struct tcp_conn *c)
{
	uint32_t out = c->snd_nxt - c->snd_una + c->retx, gone = c->sacked + c->lost;

	return out > gone ? out - gone : 0;
}

static inline struct tcp_conn *tcp_conn_at(const struct tcp_stack *s, uint32_t index)
{
	return slab_at(&s->slab, index);
}

#endif
