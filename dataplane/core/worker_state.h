/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What one worker owns: its layer 3, its TCP, the client sessions, the connections to endpoints, the flows,
 * and the arrays that survive a change of the snapshot. Only worker.c, session.c, exchange.c, transfer.c,
 * passthrough.c, upstream.c, local.c, and l4.c, forward.c, l4_icmp.c for flows, look inside.
 *
 *                    one client connection             one connection to an endpoint
 *   struct tcp_conn <-> struct session  <--- bound --->  struct upstream <-> struct tcp_conn
 *                        |  HEAD: reads a request head          |
 *                        |  WAIT: for a connection              |  connecting, bound or idle in the
 *                        |  BACKOFF: before the next try        |  pool of its endpoint
 *                        |  EXCHANGE: bodies flow both ways     |
 *                        |  TUNNEL: bytes flow both ways        |
 *                        |  HELLO: reads a TLS ClientHello      |
 *                        |  DIAL: for the connection of it      |
 *                        '  LINGER: answered, closing           '
 *
 * A client of a TLS listener sends no requests: it goes from HELLO over DIAL to TUNNEL (passthrough.c), with an
 * exchange marked `stream`.
 *
 * A session handles one request at a time, so responses cannot mix; pipelined requests wait in the
 * receive queue. The head of a request without a body stays in the receive queue until the response
 * begins: that is what a retry is made from, at no cost for the requests that need none.
 */
#ifndef WEIR_WORKER_STATE_H
#define WEIR_WORKER_STATE_H

#include "balance.h"
#include "flow.h"
#include "fragment.h"
#include "http1.h"
#include "offload.h"
#include "pick.h"
#include "quic_ids.h"
#include "route.h"
#include "slab.h"
#include "tcp.h"
#include "timer.h"
#include "worker.h"

#include <assert.h>

/* timer.kind; TCP has 1 */
#define SESSION_TIMER_KIND  2
#define UPSTREAM_TIMER_KIND 3

enum session_state {
	SESSION_HEAD,
	SESSION_WAIT,
	SESSION_BACKOFF,
	SESSION_EXCHANGE,
	SESSION_TUNNEL,
	SESSION_HELLO,
	SESSION_DIAL,
	SESSION_LINGER,
};

/*
 * A client's connection. While it is idle, this and its TCP state are all that it costs, so what only a
 * request needs is in struct exchange: a million idle clients hold none, and the few that are busy share
 * what is still in the cache.
 */
struct session {
	struct tcp_conn *conn;
	struct exchange *x;  /* the request being handled; NULL in HEAD and LINGER */
	struct upstream *up; /* bound connection, connecting or connected; or NULL */
	uint8_t state;       /* enum session_state */
	bool close;          /* close the client connection after this response */
	uint32_t
		scanned; /* bytes of the receive queue known to hold no complete head; HELLO: fewer are none */
	struct timer timer;
	/* 64: */
	uint64_t since_us;               /* when the state began */
	uint64_t activity_us;            /* last byte of a body or tunnel, either way */
	const struct listener *listener; /* of snapshot listener_generation */
	uint64_t listener_generation;
	struct session *next, **prev; /* all sessions of the worker */
	uint32_t unsent; /* LINGER: bytes not yet acknowledged when the timer fired last */
	uint32_t splice; /* index + 1 of the splice that carries a body; 0: none */
};
static_assert(sizeof(struct session) <= 128, "an idle session is two cache lines");

/* One request and its response. */
struct exchange {
	bool is_head, http10, upgrade;
	bool safe;      /* may be sent twice: idempotent and without a body */
	bool head_kept; /* the request head is still the first head_len bytes of the receive queue */
	bool resp_started; /* the response head is on its way to the client */
	bool up_reusable;  /* the connection may go back into the pool after this response */
	bool retried;      /* the one retry after a reset on a reused connection is spent */
	bool waiting;      /* in the queue of an endpoint */
	bool interim;      /* a 1xx response was sent on: too late to try again */
	bool counted_dest, counted_endpoint;
	bool stream;             /* a connection passed through: no request, only what it goes to */
	uint8_t attempt;         /* 1: first try */
	uint16_t status;         /* sent to the client; 0: none yet */
	uint32_t head_len;       /* bytes of the request head */
	uint64_t request_end_us; /* request's last byte was read; 0: not yet */
	uint64_t sent_us;        /* request head sent to the endpoint */

	/* The route, valid while snap is held. */
	struct snapshot *snap;
	/* 40: */
	const struct clause *clause;
	const struct route *route;
	const struct dest *dest;
	/* 64: */
	const struct endpoint *endpoint;
	struct slot dest_slot;     /* outlives the snapshot: a tunnel lets it go */
	struct slot endpoint_slot; /* of the endpoint whose active requests count this one */
	struct http1_body req_body, resp_body;
	/* 120: */
	uint64_t request_id[2]; /* random bytes, the same for every try */
	struct bufq head; /* request head as it goes out, when it must wait for a connection */
	struct bufq raw; /* copy of the request head for %REQ()% in response operations; or empty */
	struct session *wait_next, **wait_prev; /* waiting at an endpoint for a connection */
	uint64_t idle_us;      /* of a tunnel without a byte; 0: times.stream_idle_us */
	uint64_t splice_by_us; /* tunnel: windows are held so long; 0: not yet; UINT64_MAX: no more.
	                         Of a body: its source is asked again */
};

struct upstream {
	struct tcp_conn *conn;
	struct session *session; /* bound; NULL: idle */
	struct timer timer;      /* idle limit; may fire early, see upstream_timer() */
	uint64_t idle_since_us;
	struct upstream *next, **prev; /* idle list of the endpoint */
	struct slot endpoint;
	uint32_t requests; /* sent on it before the current one */
	bool connecting;
	bool idle;
};

/* Of one endpoint; index: its slot. Counters are in stats.endpoints. */
struct endpoint_state {
	uint32_t epoch;
	uint32_t n_waiting;
	struct upstream *idle; /* last used first */
	struct session *wait_first, **wait_last;
	uint32_t next_freed; /* index + 1: in worker.freed */
	bool freed;          /* a flow has made room for who waits */
	/* of flows: */
	uint32_t unanswered; /* opened since it answered last */
	bool dead;           /* it has not answered for times.dead_endpoint */
	uint64_t silent_us;  /* since when it has not; 0: it has */
	uint64_t probe_us;   /* dead: when a flow may try it again */
	uint64_t heard_us;   /* silent: when something came of a flow that was open */
};

/* Longest reply of our own: a direct response of 1 MB (Istio's limit) and its head. */
#define WORKER_SCRATCH_BYTES (1048576 + 65536)

struct worker {
	struct snapshot *snap;
	struct tcp_stack *tcp;
	struct net *net;
	struct buf_pool *pool;
	const struct node *node;
	const struct steer *steer;
	uint32_t id, n_workers;
	bool draining;
	bool picks_up;            /* a listener takes up connections in their middle */
	bool busy;                /* something was done in this turn */
	uint64_t now_us, unix_s;  /* of this turn */
	uint64_t look_at_pool_us; /* when to ask again whether buffers are scarce */
	uint64_t rng;
	uint64_t net_due_us; /* when net_tick() wants to be called */

	struct split_state *splits;       /* indexed by slot */
	struct subset_state *subsets;     /* indexed by slot */
	struct endpoint_state *endpoints; /* indexed by slot */
	struct balance_env balance;
	uint32_t freed; /* endpoints where a flow has made room, index + 1 of the first; 0: none */
	struct session *sessions; /* all */
	struct slab session_slab, exchange_slab, upstream_slab;
	struct flow_table flows;
	struct slab splice_slab;
	struct splice *tunnels; /* splices without a session */
	struct fragments fragments;
	struct quic_ids quic_ids;
	struct offload offload;
	uint32_t next_port;  /* source port search goes on from here, host order */
	uint32_t port_tries; /* of a flow: how long to look for one */
	uint32_t next_source;
	struct worker_stats stats;
	struct dest_stats
		past_dest; /* what is counted for slots that are others' by now; nobody reads it */
	struct endpoint_stats past_endpoint;
	struct timer_wheel wheel;
	struct route_bits bits;
	struct http1_request request;   /* the one being handled right now */
	struct http1_response response; /* likewise */
	/* [limits.header_bytes] each: heads that lie in several buffers. Two, because a response's
	   header operations may read the request. */
	char *gather_request, *gather_response;
	char *scratch; /* [WORKER_SCRATCH_BYTES] heads and replies being written */
};

/* ---- session.c: the client's side -------------------------------------------------------- */

/** A client connection was accepted; events: what else is new with it already. */
void session_open(struct worker *w, struct tcp_conn *c, uint32_t events);
/** News of the client's connection; events: enum tcp_event. */
void session_event(struct worker *w, struct session *s, uint32_t events);
void session_timer(struct worker *w, struct session *s);
/** Go on as far as the bytes at hand allow. s may be gone afterwards. */
void session_run(struct worker *w, struct session *s);
/** Close now: in order if everything was answered, by RST if `reset`. Frees s. */
void session_close(struct worker *w, struct session *s);
void session_reset(struct worker *w, struct session *s);
/** The response is out; take the next request, or close if that was said. */
void session_next(struct worker *w, struct session *s);
/** Arm the timer for the nearest deadline of the current state. */
void session_arm(struct worker *w, struct session *s);
/** Drop the kept request head from the receive queue. */
void session_drop_head(struct worker *w, struct session *s);
/** Parse the kept request head again into w->request (fields and all); false if it is not there. */
bool session_reparse(struct worker *w, struct session *s);
/** What it came in by, under the present snapshot; NULL: no longer there. */
const struct listener *session_listener(struct worker *w, struct session *s);
/** Close when idle, at the start of draining. May free s. */
void session_drain(struct worker *w, struct session *s);

/* ---- exchange.c: one request and its response --------------------------------------------- */

/** A request has come: s->x is there from now until exchange_end(). Counts it. */
struct exchange *exchange_new(struct worker *w, struct session *s);
/** Route the request in w->request, whose head has just been parsed, and begin to answer it. */
void exchange_begin(struct worker *w, struct session *s);
/** Choose a destination, counted as active from now on, and hold the snapshot. */
void exchange_pick(struct worker *w, struct session *s, const struct split *split);
/** Choose an endpoint, not the last one if there is another. False: there is none. */
bool exchange_choose(struct worker *w, struct session *s);
/** Choose an endpoint and get a connection to it (first try or retry). */
void exchange_connect(struct worker *w, struct session *s);
/** The bound connection is ready: send the request head. */
void exchange_send(struct worker *w, struct session *s);
/** The bound connection failed: retry, reply, or cut off. */
void exchange_fail(struct worker *w, struct session *s, enum tcp_why why);
/** Count the request as finished with its status and let go of everything it held, s->x too, if any. */
void exchange_end(struct worker *w, struct session *s);
/** Let the route and its snapshot go. */
void exchange_release(struct worker *w, struct session *s);
/** Do these response operations read the request's fields? */
bool exchange_needs_request(const struct header_ops *ops);

/* ---- transfer.c: bodies and tunnels -------------------------------------------------------- */

/** Move what can be moved. True when the state changed and session_run() should look again. */
bool transfer_step(struct worker *w, struct session *s);
/** Bytes both ways until both sides have ended. Always false: nothing further to look at. */
bool transfer_tunnel(struct worker *w, struct session *s);

/* ---- passthrough.c: connections by their ClientHello ----------------------------------------- */

/** Are its connections passed through, and not HTTP? l may be NULL. */
bool passthrough_listens(const struct listener *l);
/** Read the hello and go on. True when the state changed and session_run() should look again. */
bool passthrough_hello(struct worker *w, struct session *s);
/** The bound connection is ready: from now on it is a tunnel. */
void passthrough_begin(struct worker *w, struct session *s);
/** There is no connection to the endpoint: try another or close. session_run() should look again. */
void passthrough_fail(struct worker *w, struct session *s);
uint64_t passthrough_deadline(const struct worker *w, const struct session *s);
/** The deadline has passed. s may be gone afterwards. */
void passthrough_timer(struct worker *w, struct session *s);

/* ---- upstream.c: connections to endpoints ------------------------------------------------- */

enum upstream_get {
	UPSTREAM_READY,      /* bound and connected */
	UPSTREAM_CONNECTING, /* bound, not yet connected */
	UPSTREAM_QUEUED,     /* waits for a free connection */
	UPSTREAM_OVERFLOW,   /* a limit was met */
	UPSTREAM_NO_ROUTE,   /* no route, no source address, or no free port */
};

/** A connection to s->endpoint for s: from the pool, a new one, or a place in the queue. */
enum upstream_get upstream_get(struct worker *w, struct session *s, bool fresh);
/** Unbind; back into the pool if reusable, else close it. */
void upstream_put(struct worker *w, struct upstream *u, bool reusable);
/** Unbind and reset: its stream is in an unknown state. */
void upstream_abort(struct worker *w, struct upstream *u);
void upstream_event(struct worker *w, struct upstream *u, uint32_t events);
void upstream_timer(struct worker *w, struct upstream *u);
/** A flow to the endpoint, which counts as a connection to it, is over: who waits is served in upstream_turn(). */
void upstream_freed(struct worker *w, struct slot endpoint);
/** Once a turn. True: something was done. */
bool upstream_turn(struct worker *w);
/** Leave the queue of an endpoint. */
void upstream_unqueue(struct worker *w, struct session *s);
struct endpoint_state *upstream_state(struct worker *w, struct slot slot);

/** Our address for a connection to dst: one of the configured sources of its family, in turn; or NULL. */
const struct ip_addr *upstream_source(struct worker *w, const struct ip_addr *dst);

/* ---- l4_open.c, l4.c: flows are opened; followed, ended ------------------------------------------------- */

/** Has this worker room for flows at all? */
static inline bool l4_on(const struct worker *w)
{
	return w->flows.config.max > 0;
}

/**
 * A packet of no flow that may begin one: the first of a connection to a listener of layer 4.
 *
 * @param p  PKT_TCP or PKT_UDP with p->hash; consumed when the result is not DROP_COUNT
 * @return   its end; DROP_COUNT: it is for nobody here (p is untouched)
 */
enum drop l4_open(struct worker *w, struct pkt *p);

#define L4_PROBE_US 1000000 /* a dead endpoint is tried again so often */

/** Tell who sent a first packet that it goes no further: RST, or port unreachable. Consumes it. */
enum drop l4_refuse(struct worker *w, struct pkt *p, enum drop end);

/** An endpoint of a QUIC listener has sent a packet with a long header: which ids lead to it. */
void l4_learn_quic(struct worker *w, const struct flow *f, const struct pkt *p);

/** Follow and forward a packet of a flow that is known to be its own. Consumes it. */
enum drop l4_go_on(struct worker *w, struct flow *f, enum flow_side_id from, struct pkt *p);

/** Where a side is found in the table. */
uint64_t l4_hash_side(struct worker *w, const struct flow *f, enum flow_side_id side);

/** Count a new flow. */
void l4_count_opened(struct worker *w, struct flow *f);

/** A rule of a flow may be in a device: the flow is looked at again later. */
void l4_hold(struct worker *w, struct flow *f);

/** The state of a flow's endpoint; NULL: its slot is another's by now. */
struct endpoint_state *l4_endpoint_state(struct worker *w, const struct flow *f);

/** A packet of a flow; consumed as by l4_open(). DROP_COUNT: it begins anew, and the flow has ended. */
enum drop l4_packet(struct worker *w, struct flow *f, enum flow_side_id from, struct pkt *p);

/** A first fragment of no flow here, whose owner is another worker. Consumes it. */
enum drop l4_other_fragment(struct worker *w, struct pkt *p);

/** A later fragment: it follows the first one of its datagram. Consumes it. */
enum drop l4_fragment(struct worker *w, struct pkt *p);

/** Count a flow that was a proxied connection as active at its destination and endpoint. */
void l4_adopt(struct worker *w, struct flow *f);

/** End the flow that has to go before another can be made, if one has to and may. */
void l4_make_room(struct worker *w);

/** End a flow: it leaves the table and the statistics. Tells nobody. */
void l4_end(struct worker *w, struct flow *f);

/** A flow is over for those who count, and rests until its ports may be used again. */
void l4_rest(struct worker *w, struct flow *f);

/** Flows whose time has come; true: there may be more to do at once. */
bool l4_turn(struct worker *w);

/** A device forwarded so much of a flow; of struct offload_env. w: struct worker. */
void l4_offloaded(void *w, struct flow *f, enum flow_side_id from, uint64_t pkts, uint64_t bytes);

/** Is no flow at this place? Connections and flows share our source ports. */
bool l4_port_free(const struct worker *w, const struct tcp_peer *peer);

/* ---- forward.c: a packet of a flow is rewritten and sent -------------------------------------- */

/** Send a packet of a flow on to its other side. Consumes it; the end to be counted. */
enum drop forward_packet(struct worker *w, struct flow *f, enum flow_side_id from, struct pkt *p);

/** A later fragment, of the flow that its first fragment was of. Consumes it. */
enum drop forward_fragment(struct worker *w, struct flow *f, enum flow_side_id from, struct pkt *p);

/** Work out the constant parts of rewriting, once both sides are filled. */
void forward_prepare(struct worker *w, struct flow *f);

/* ---- l4_icmp.c ---------------------------------------------------------------------------- */

/** An ICMP error that quotes a packet of a flow: translate and pass on. DROP_COUNT: it is not such. */
enum drop l4_icmp(struct worker *w, struct pkt *p);

/* ---- local.c: replies of our own ---------------------------------------------------------- */

struct local_reply {
	uint16_t status;
	struct str body;
	struct str extra;                    /* field lines ending in CRLF */
	const struct route *route;           /* whose response operations apply; or NULL */
	const struct http1_request *request; /* for %REQ()% in them, when still parsed; or NULL */
	bool close;
};

/**
 * Answer the current request ourselves and go on to the next one (or close). What is left of the
 * request is read and dropped if it is at hand, else the connection closes after the reply.
 */
void local_reply(struct worker *w, struct session *s, const struct local_reply *r);
void local_redirect(struct worker *w, struct session *s, const struct route *route);
void local_https(struct worker *w, struct session *s);

/* ---- worker.c: what the others share ------------------------------------------------------- */

/** Statistics of a destination, reset if they belong to an older user of the slot; a newer one's are left alone. */
struct dest_stats *worker_dest_stats(struct worker *w, struct slot slot);
struct endpoint_stats *worker_endpoint_stats(struct worker *w, struct slot slot);
uint64_t worker_random(struct worker *w);
/** Send bytes by copying them into fresh buffers; false when the pool is empty (nothing was sent). */
bool worker_send_bytes(struct worker *w, struct tcp_conn *c, const char *p, size_t len);
/** Copy bytes into fresh buffers at the end of q; false when the pool is empty (q as before). */
bool worker_copy_bytes(struct worker *w, struct bufq *q, const char *p, size_t len);
/**
 * The first bytes of a receive queue as one piece, at least to the end of the head that they begin
 * with, if that is there: in place when one buffer holds it, else gathered.
 *
 * @param room  gather_request or gather_response
 * @param len   bytes on return, at most limits.header_bytes
 */
char *worker_contiguous(struct worker *w, const struct bufq *q, char *room, size_t *len);

static inline void worker_count(struct worker *w, enum counter c)
{
	w->stats.counters[c]++;
}

static inline void worker_uncount(struct worker *w, enum counter c)
{
	w->stats.counters[c]--;
}

#endif
