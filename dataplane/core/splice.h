/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Splices: two TCP connections of a proxied exchange whose segments pass from one to the other, rewritten,
 * while Weir holds no byte of them.
 *
 *   source --- segment ---> rewrite ---> sink      numbers, time stamps, SACK edges, window: shifted by
 *   source <-- rewrite <--- ACK -------- sink      constants that are worked out when the splice begins
 *
 * A splice begins at a quiet point: everything received was sent on, everything sent was acknowledged.
 * From then on the end points recover losses between themselves.
 *
 * The splice of a *body* carries one direction, up to the limit: the end of the body. Segments with bytes of
 * the other direction are held, as is what lies beyond the limit. It ends when the sink has acknowledged
 * all that was passed on, and both connections go on from there (tcp_thaw()); the segment that brought that
 * acknowledgement, and those held, are given to TCP then, so nothing of the next request is missed.
 *
 *   running --- anything unusual: FIN, bytes of the other direction ---> stopping: nothing new is passed on
 *      |  sink has acknowledged the limit                                    |  sink has acknowledged it all
 *      '------------------------------> both connections are back <----------'
 *
 * The splice of a *tunnel* carries both directions and never comes back: session and connections are gone,
 * what is left is this and the flow.
 *
 * Not for hardware: time stamps, SACK edges, and of tunnels windows of another scale. A device can take over the
 * direction of data when nothing of that would have to be changed. Of a body it takes the response, and software
 * sees acknowledgements only; what that means is told at "a device" in splice_body.c.
 */
#ifndef WEIR_SPLICE_H
#define WEIR_SPLICE_H

#include "buf.h"
#include "flow.h"
#include "offload.h"
#include "tcp.h"

#include <assert.h>

struct http1_body;
struct session;
struct worker;

/* ---- splice_rewrite.c: the header of one segment ------------------------------------------- */

/* A TCP header as read from the wire, in host order. */
struct splice_seg {
	uint32_t seq, ack, tsval;
	uint32_t end;    /* seq + payload bytes; SYN and FIN are not counted */
	uint16_t len;    /* payload bytes */
	uint16_t wnd;    /* not scaled */
	uint8_t header;  /* bytes */
	uint8_t flags;   /* TCP_FLAG_FIN and so on */
	uint8_t ts_at;   /* where TSval is in the header; 0: no time stamps */
	uint8_t sack_at; /* where the first edge is; 0: none */
	uint8_t n_edges;
};

/* What is added to the numbers of segments of one direction. */
struct splice_way {
	uint32_t seq_add;
	uint32_t ack_add; /* also to SACK edges */
	uint32_t tsval_add, tsecr_add;
};

/** Read a header of len bytes at most, options and all; false: malformed. */
bool splice_read(const uint8_t *l4, uint16_t len, struct splice_seg *g);

/**
 * Rewrite the header. The checksum is moved along with what changes (RFC 1624), so a segment that was
 * damaged stays so.
 *
 * @param g      of splice_read()
 * @param wnd    the new window field
 * @param flags  the new flags
 */
void splice_rewrite(uint8_t *l4, const struct splice_seg *g, const struct splice_way *way,
                    uint16_t wnd, uint8_t flags);

/** Take off the checksum what lies behind the first `keep` of g->len payload bytes. Changes g. */
void splice_shorten(uint8_t *l4, struct splice_seg *g, uint16_t keep);

/* ---- splice.c, splice_body.c, splice_tunnel.c ------------------------------------------- */

struct splice {
	struct splice_way way[2];  /* by the side (enum flow_side_id) that a segment comes from */
	struct tcp_frozen seen[2]; /* by side: of the connection with it */
	/* 88: */
	struct flow *flow;
	struct session *session; /* NULL: a tunnel */
	union {
		struct {                         /* a body: */
			struct http1_body *body; /* in the session's exchange */
			uint64_t beyond;         /* bytes of it behind the limit */
		};
		struct {
			struct splice *tunnel_next, **tunnel_prev; /* of the worker's */
		};
	};
	uint32_t start, limit,
		next;      /* source's numbers: accounted for, end, highest seen to be passed on */
	uint32_t held_end; /* sink's numbers: end of what is held of it without a gap */
	struct bufq held[2]; /* by side, views of TCP segments */
	uint8_t source;      /* enum flow_side_id */
	bool stopping;
	bool dark;  /* a device passes on, or has: more than next may have gone by */
	bool asked; /* the source was asked for the end of that */
	bool known; /* it is next, as the source said */
	bool over;  /* no tunnel, and no session any more: it waits for the device */
};
static_assert(sizeof(struct splice) <= 192, "a splice is three cache lines");

/**
 * Splice the rest of a body if that is worth it and possible now; else see to it that it will be.
 *
 * @param source  the side that sends the body
 * @param body    its rest, nothing of which is in the receive queue
 * @return        true: s->splice is there, and nothing is left to do until it ends
 */
bool splice_body(struct worker *w, struct session *s, enum flow_side_id source,
                 struct http1_body *body);

/** The same for a tunnel; true: s is gone. Windows are held until x->splice_by_us at most, */
bool splice_tunnel(struct worker *w, struct session *s);

/** and no longer. */
void splice_give_up(struct worker *w, struct session *s);

/** x->splice_by_us of a body's splice has come: its source has not said how far it has got. */
void splice_overdue(struct worker *w, struct session *s);

/** A segment of a splice. Consumes it; the end to be counted; or DROP_COUNT: it was rewritten, send it on. */
enum drop splice_packet(struct worker *w, struct flow *f, enum flow_side_id from, struct pkt *p);

/**
 * End the splice of a session now, whatever is on its way: what was not acknowledged is lost to the sink. The
 * connection with the source is reset if a device has not let go of it yet.
 */
void splice_cut(struct worker *w, struct session *s);

/** The flow of a splice has been idle for too long: both sides are told by RST. */
void splice_expired(struct worker *w, struct flow *f);

/** The flow of a tunnel's splice ends. */
void splice_release(struct worker *w, struct flow *f);

/** Reset one tunnel; false: there is none. */
bool splice_reset_one(struct worker *w);

/** offload_env.splice: is it a splice, and may a device pass on what comes from this side? */
bool splice_ask(void *worker, const struct flow *f, enum flow_side_id from,
                struct offload_splice *out);

/** offload_env.freed: the device has let go, so what waited for that goes on. */
void splice_freed(void *worker, struct flow *f);

/** Free what the splice of a session holds (shutdown). */
void splice_fini(struct worker *w, struct session *s);

#endif
