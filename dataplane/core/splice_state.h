/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The inside of splices: for splice*.c only.
 *
 *   splice.c          what bodies and tunnels have in common: begin, segments in, devices
 *   splice_body.c     the rest of a body, followed exactly and given back
 *   splice_tunnel.c   tunnels, for good
 *   splice_rewrite.c  the header of one segment
 */
#ifndef WEIR_SPLICE_STATE_H
#define WEIR_SPLICE_STATE_H

#include "splice.h"
#include "worker_state.h"

/* Sequence numbers, time stamps: modulo 2^32. */
static inline bool splice_after(uint32_t a, uint32_t b)
{
	return (int32_t)(a - b) > 0;
}

static inline uint32_t splice_later(uint32_t a, uint32_t b)
{
	return splice_after(a, b) ? a : b;
}

/* A window as it stands in a header. */
static inline uint16_t splice_field(uint32_t bytes, uint8_t scale)
{
	bytes >>= scale;
	return (uint16_t)(bytes > UINT16_MAX ? UINT16_MAX : bytes);
}

static inline enum drop splice_drop(struct pkt *p, enum drop end)
{
	buf_free(p->buf);
	return end;
}

static inline struct splice *splice_of(const struct worker *w, const struct flow *f)
{
	return slab_at(&w->splice_slab, f->splice - 1);
}

static inline struct tcp_conn *splice_conn(const struct session *s, enum flow_side_id side)
{
	return side == FLOW_CLIENT ? s->conn : s->up->conn;
}

/* ---- splice.c ------------------------------------------------------------------------------ */

/** May segments of one connection become those of another? */
bool splice_fits(struct worker *w, struct tcp_conn *from, struct tcp_conn *to);

/** A splice of both connections of a session, which are quiet; NULL: no room. */
struct splice *splice_begin(struct worker *w, struct session *s);

/** Give it back, and what it holds. Its flow is no splice any more. */
void splice_free(struct worker *w, struct splice *sp);

/* ---- splice_body.c ------------------------------------------------------------------------- */

enum drop splice_body_segment(struct worker *w, struct splice *sp, enum flow_side_id from,
                              struct splice_seg *g, struct pkt *p);

/** splice_ask() of a body: can, limited, edge, left. */
void splice_body_ask(const struct splice *sp, enum flow_side_id from, struct offload_splice *out);

/** splice_freed() of a body. */
void splice_body_freed(struct worker *w, struct splice *sp);

/* ---- splice_tunnel.c ----------------------------------------------------------------------- */

/** As splice_packet(), also for a flow that rests. */
enum drop splice_tunnel_segment(struct worker *w, struct splice *sp, enum flow_side_id from,
                                struct splice_seg *g, struct pkt *p);

/** Both sides are told by RST, and it ends. */
void splice_tunnel_reset(struct worker *w, struct splice *sp);

/** It is none of the worker's tunnels any more. */
void splice_tunnel_unlink(struct splice *sp);

#endif
