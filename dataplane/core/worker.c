/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The engine of one core: hands frames to their protocol, TCP's news to sessions and upstreams, and
 * due timers to their owners.
 *
 * The order of a turn matters: frames first (io calls worker_input), then timers, then everything TCP
 * has to tell, and only then tcp_flush(), so one segment carries the ACK of a request and the data of
 * its answer.
 */
#include "worker.h"

#include "splice.h"
#include "steer.h"
#include "wire.h"
#include "worker_state.h"

#include <stddef.h>

#define RESET_AT_ONCE 64 /* connections; each is at most two frames in net_out() */
#define HEAD_END      "\r\n\r\n"

#define POOL_LOOK_US      1000 /* counting free buffers is slow: this often is enough */
#define FLOWS_PER_QUIC_ID 4    /* places for connection ids are for that many fewer clients */
#define NEIGHS_MAX        4096 /* next hops and on-link endpoints of one worker */

/* How one block of memory is divided; every piece starts at a cache line. */
struct layout {
	size_t worker, net, tcp, sessions, exchanges, upstreams, splits, subsets, endpoints;
	size_t dest_stats, endpoint_stats, gather_request, gather_response, scratch, offload;
	size_t flows, fragments, quic_ids, splices, end;
};

static size_t place(size_t *at, size_t bytes)
{
	size_t here = *at;

	*at = (here + bytes + 63) & ~(size_t)63;
	return here;
}

static void tcp_settings(const struct node *node, struct tcp_config *c)
{
	tcp_config_default(c);
	c->max_conns = node->limits.conns;
	c->backlog = node->limits.backlog;
	c->rcvbuf_bytes = node->limits.rcvbuf_bytes;
	c->sndbuf_bytes = node->limits.sndbuf_bytes;
	c->timestamps = node->timestamps;
}

/* Each takes a flow and two connections. */
static uint32_t splices(const struct node_limits *lim)
{
	return lim->flows < lim->conns ? lim->flows : lim->conns;
}

static void divide(const struct node *node, struct layout *l)
{
	const struct node_limits *lim = &node->limits;
	struct tcp_config tcp;
	size_t at = 0;

	tcp_settings(node, &tcp);
	l->worker = place(&at, sizeof(struct worker));
	l->net = place(&at, net_bytes(NEIGHS_MAX));
	l->tcp = place(&at, tcp_bytes(&tcp));
	l->sessions = place(&at, slab_bytes(lim->conns, sizeof(struct session)));
	l->exchanges = place(&at, slab_bytes(lim->conns, sizeof(struct exchange)));
	l->upstreams = place(&at, slab_bytes(lim->conns, sizeof(struct upstream)));
	l->splits = place(&at, lim->endpoints * sizeof(struct split_state));
	l->subsets = place(&at, lim->endpoints * sizeof(struct subset_state));
	l->endpoints = place(&at, lim->endpoints * sizeof(struct endpoint_state));
	l->dest_stats = place(&at, lim->dests * sizeof(struct dest_stats));
	l->endpoint_stats = place(&at, lim->endpoints * sizeof(struct endpoint_stats));
	l->gather_request = place(&at, lim->header_bytes);
	l->gather_response = place(&at, lim->header_bytes);
	l->scratch = place(&at, WORKER_SCRATCH_BYTES);
	l->offload = place(&at, offload_bytes(offload_entries(node)));
	l->flows = place(&at, lim->flows ? flow_bytes(lim->flows) : 0);
	l->quic_ids = place(&at, quic_ids_bytes(lim->flows / FLOWS_PER_QUIC_ID));
	l->fragments = place(&at, lim->flows ? fragment_bytes(lim->fragments) : 0);
	l->splices = place(&at, slab_bytes(splices(lim), sizeof(struct splice)));
	l->end = at;
}

size_t worker_bytes(const struct node *node)
{
	struct layout l;

	divide(node, &l);
	return l.end;
}

/* One of layer 4 has its connections forwarded before TCP sees them; here it has none. */
static int listening(void *arg, const struct ip_addr *addr, be16_t port)
{
	const struct worker *w = arg;
	int i = route_listener(w->snap, addr, port);

	if (i < 0 || (w->snap->listeners[i].kind == LISTENER_TCP && !w->snap->listeners[i].stream))
		return TCP_LISTEN_NONE;
	return w->draining ? TCP_LISTEN_DRAIN : i;
}

static void start_tcp(struct worker *w, void *memory, const struct worker_env *env)
{
	struct tcp_config c;
	struct tcp_env e = {.net = w->net,
	                    .pool = env->pool,
	                    .wheel = &w->wheel,
	                    .listen = listening,
	                    .listen_arg = w,
	                    .counters = w->stats.counters};

	memcpy(e.secret, env->secret, sizeof(e.secret));
	tcp_settings(env->node, &c);
	w->tcp = tcp_init(memory, &c, &e);
}

static void start_tables(struct worker *w, uint8_t *m, const struct layout *l)
{
	const struct node_limits *lim = &w->node->limits;

	slab_init(&w->session_slab, m + l->sessions, lim->conns, sizeof(struct session));
	slab_init(&w->exchange_slab, m + l->exchanges, lim->conns, sizeof(struct exchange));
	slab_init(&w->upstream_slab, m + l->upstreams, lim->conns, sizeof(struct upstream));
	w->splits = (void *)(m + l->splits);
	w->subsets = (void *)(m + l->subsets);
	w->endpoints = (void *)(m + l->endpoints);
	w->stats.dests = (void *)(m + l->dest_stats);
	w->stats.n_dests = lim->dests;
	w->stats.endpoints = (void *)(m + l->endpoint_stats);
	w->stats.n_endpoints = lim->endpoints;
	w->gather_request = (char *)m + l->gather_request;
	w->gather_response = (char *)m + l->gather_response;
	w->scratch = (char *)m + l->scratch;
	w->balance = (struct balance_env){w->subsets, w->stats.endpoints, &w->rng};
}

static uint16_t seconds(uint64_t us)
{
	uint64_t s = (us + 999999) / 1000000;

	return (uint16_t)(s > FLOW_TIME_MAX_S ? FLOW_TIME_MAX_S : s);
}

static void start_flows(struct worker *w, uint8_t *m, const struct layout *l)
{
	const struct node_limits *lim = &w->node->limits;
	const struct node_times *t = &w->node->times;
	struct flow_config c = {lim->flows, lim->half_open_flows, seconds(t->flow_syn_us),
	                        seconds(t->flow_fin_us), seconds(t->flow_closed_us)};
	struct hash_key key = tcp_hash_key(w->tcp);

	if (!lim->flows)
		return;
	slab_init(&w->splice_slab, m + l->splices, splices(lim), sizeof(struct splice));
	flow_init(&w->flows, m + l->flows, &c, &key, w->now_us);
	quic_ids_init(&w->quic_ids, m + l->quic_ids, lim->flows / FLOWS_PER_QUIC_ID, &key);
	fragment_init(&w->fragments, m + l->fragments, lim->fragments, &key);
	if (lim->fragments)
		net_follow_fragments(w->net);
}

static void start_offload(struct worker *w, void *memory, const struct worker_env *env)
{
	struct offload_env e;

	if (!env->offload)
		return;
	e = *env->offload;
	e.net_ports = env->ports;
	e.n_ports = env->node->n_ports;
	e.conf = &env->node->offload;
	e.flows = &w->flows;
	e.net = w->net;
	e.arg = w;
	e.counted = l4_offloaded;
	e.splice = splice_ask;
	e.freed = splice_freed;
	offload_init(&w->offload, memory, offload_entries(env->node), &e, w->now_us);
}

struct worker *worker_init(void *memory, const struct worker_env *env, struct snapshot *first,
                           uint64_t now_us)
{
	uint8_t *m = memory;
	struct worker *w = memory;
	struct layout l;

	divide(env->node, &l);
	w->node = env->node;
	w->pool = env->pool;
	w->steer = env->steer;
	w->id = env->id;
	w->n_workers = env->n_workers;
	w->rng = env->seed | 1;
	w->now_us = now_us;
	w->next_port = env->node->source_port_min;
	w->port_tries = UINT16_MAX;
	timer_init(&w->wheel, now_us);
	w->net = net_init(m + l.net, NEIGHS_MAX, env->node, env->ports, env->pool, env->id == 0,
	                  w->stats.counters);
	if (!w->net)
		return NULL;
	start_tables(w, m, &l);
	start_tcp(w, m + l.tcp, env);
	start_flows(w, m, &l);
	start_offload(w, m + l.offload, env);
	worker_use(w, first);
	return w;
}

static void release_buffers(struct worker *w, struct session *s)
{
	splice_fini(w, s);
	if (!s->x)
		return;
	bufq_clear(&s->x->head);
	bufq_clear(&s->x->raw);
}

/* One connection of a client with what it waits for, or else one idle connection to an endpoint. */
static bool reset_one(struct worker *w)
{
	if (w->sessions) {
		session_reset(w, w->sessions);
		return true;
	}
	if (splice_reset_one(w))
		return true;
	for (uint32_t i = 0; i < w->stats.n_endpoints; i++) {
		if (w->endpoints[i].idle) {
			upstream_abort(w, w->endpoints[i].idle);
			return true;
		}
	}
	return false;
}

bool worker_reset(struct worker *w, uint64_t now_us)
{
	w->now_us = now_us;
	for (int i = 0; i < RESET_AT_ONCE; i++)
		if (!reset_one(w))
			return false;
	return true;
}

void worker_fini(struct worker *w)
{
	for (struct session *s = w->sessions; s; s = s->next)
		release_buffers(w, s);
	tcp_fini(w->tcp);
	net_fini(w->net);
}

/* ---- frames ------------------------------------------------------------------------------ */

/*
 * Is it a whole, unfragmented TCP segment or datagram? Then p gets what steering needs. Only peeks: the owner
 * parses again and judges. Anything odd goes to everybody, where it is counted.
 */
static bool peek_ports(const struct buf *b, struct pkt *p)
{
	const uint8_t *f = b->data, *l4;
	uint8_t proto;
	size_t at = 14;
	be32_t v4;

	if (b->len < 14 + 20)
		return false;
	if (f[12] == 0x81 && f[13] == 0x00)
		at = 18;
	if (f[at - 2] == 0x08 && f[at - 1] == 0x00) {
		size_t ihl = (size_t)(f[at] & 15u) * 4;

		proto = f[at + 9];
		if ((f[at + 6] & 0x3f) || f[at + 7] || ihl < 20 || b->len < at + ihl + 4)
			return false;
		memcpy(&v4, f + at + 12, 4);
		p->src = ip_from_v4(v4);
		memcpy(&v4, f + at + 16, 4);
		p->dst = ip_from_v4(v4);
		l4 = f + at + ihl;
	} else if (f[at - 2] == 0x86 && f[at - 1] == 0xdd) {
		if (b->len < at + 44)
			return false;
		proto = f[at + 6];
		memcpy(p->src.b, f + at + 8, 16);
		memcpy(p->dst.b, f + at + 24, 16);
		l4 = f + at + 40;
	} else {
		return false;
	}
	memcpy(&p->sport, l4, 2);
	memcpy(&p->dport, l4 + 2, 2);
	p->kind = proto == IP_UDP ? PKT_UDP : PKT_TCP;
	return proto == IP_TCP || proto == IP_UDP;
}

int worker_owner(const struct worker *w, const struct buf *frame)
{
	struct pkt p;

	if (!peek_ports(frame, &p))
		return WORKER_EVERY;
	return w->steer ? (int)steer_owner(w->steer, &p) : (int)w->id;
}

static enum drop icmp(struct worker *w, struct pkt *p)
{
	struct net_icmp_error e;
	enum drop end = l4_icmp(w, p);

	if (end != DROP_COUNT)
		return end;
	if (!net_icmp_error(w->net, p, &e))
		return net_input(w->net, p, w->now_us);
	tcp_icmp(w->tcp, &e, w->now_us);
	buf_free(p->buf);
	return DROP_ICMP_TCP;
}

static void hash(struct worker *w, struct pkt *p)
{
	if (p->kind == PKT_TCP)
		tcp_input_hash(w->tcp, p);
	else if (p->kind == PKT_UDP && l4_on(w))
		p->hash = flow_hash(&w->flows, &p->dst, &p->src, p->dport, p->sport, true);
	else
		return;
	if (l4_on(w))
		flow_fetch_bucket(&w->flows, p->hash);
}

/* Parse a burst: what gets through, in order; the rest is counted. Returns how many did. */
static uint32_t parse(struct worker *w, struct buf *const *frames, uint32_t n, struct pkt *p)
{
	uint32_t k = 0;

	for (uint32_t i = 0; i < n; i++) {
		enum drop end = net_parse(w->net, frames[i], &p[k]);

		if (end != DROP_COUNT) {
			w->stats.ends[end]++;
			continue;
		}
		hash(w, &p[k]);
		k++;
	}
	return k;
}

/* With a single packet there is nothing that its misses could overlap with. */
static void fetch(const struct worker *w, const struct pkt *p, uint32_t n)
{
	uint64_t ours =
		0; /* a bit for each that belongs to no flow, so perhaps to a connection that ends here */

	static_assert(WORKER_BURST <= 64, "a bit for each");
	if (n < 2)
		return;
	for (uint32_t i = 0; i < n; i++) {
		if (p[i].kind > PKT_UDP || (w->flows.slab.used && flow_fetch(&w->flows, p[i].hash)))
			continue;
		ours |= (uint64_t)(p[i].kind == PKT_TCP) << i;
	}
	for (uint64_t left = ours; left; left &= left - 1)
		tcp_input_fetch(w->tcp, &p[__builtin_ctzll(left)]);
	for (uint64_t left = ours; left; left &= left - 1)
		tcp_input_user(w->tcp, &p[__builtin_ctzll(left)]);
}

static bool starts(const struct pkt *p)
{
	return (p->l4[TCP_FLAGS] & (TCP_FLAG_SYN | TCP_FLAG_ACK)) == TCP_FLAG_SYN;
}

static struct flow *find(const struct worker *w, const struct pkt *p, enum flow_side_id *from)
{
	struct flow *f = NULL;

	if (p->buf->flags & BUF_MARKED)
		f = offload_marked(&w->offload, p->buf->mark, p, from);
	return f ? f : flow_find(&w->flows, p, from);
}

/* Every worker has got a copy: see worker_owner(). */
static bool is_others(const struct worker *w, const struct pkt *p)
{
	return p->fragment && w->steer && steer_owner(w->steer, p) != w->id;
}

/* Flows first: a packet of one is not looked at any further. */
static enum drop take_l4(struct worker *w, struct pkt *p)
{
	enum flow_side_id from;
	struct flow *f = w->flows.slab.used ? find(w, p, &from) : NULL;
	enum drop end;

	if (!f && is_others(w, p))
		return l4_other_fragment(w, p);
	end = f ? l4_packet(w, f, from, p) : DROP_COUNT;
	if (end == DROP_COUNT && (p->kind == PKT_UDP || starts(p) || w->picks_up))
		end = l4_open(w, p);
	if (end != DROP_COUNT)
		return end;
	if (p->fragment) {
		buf_free(p->buf);
		return DROP_IP_FRAGMENT;
	}
	if (p->kind == PKT_TCP)
		return tcp_input_burst(w->tcp, p, w->now_us);
	net_refuse(w->net, p, NET_NO_PORT, 0);
	buf_free(p->buf);
	return DROP_UDP_NO_LISTENER;
}

static enum drop take(struct worker *w, struct pkt *p)
{
	if (p->kind == PKT_ICMP)
		return icmp(w, p);
	if (p->kind > PKT_UDP)
		return net_input(w->net, p, w->now_us);
	if (p->fragment == PKT_FRAGMENT_LATER)
		return l4_fragment(w, p);
	if (l4_on(w))
		return take_l4(w, p);
	if (p->kind == PKT_TCP)
		return tcp_input_burst(w->tcp, p, w->now_us);
	buf_free(p->buf);
	return DROP_UDP_NO_LISTENER;
}

void worker_input(struct worker *w, struct buf *const *frames, uint32_t n, uint64_t now_us)
{
	struct pkt p[WORKER_BURST];

	w->now_us = now_us;
	w->busy |= n > 0;
	if (l4_on(w))
		flow_tick(&w->flows, now_us);
	offload_tick(&w->offload, now_us);
	n = parse(w, frames, n, p);
	fetch(w, p, n);
	for (uint32_t i = 0; i < n; i++)
		w->stats.ends[take(w, &p[i])]++;
}

/* ---- turns ------------------------------------------------------------------------------- */

static void timer_due(void *arg, struct timer *t, uint64_t now_us)
{
	struct worker *w = arg;

	w->busy = true;
	if (t->kind == TCP_TIMER_KIND)
		tcp_timer(w->tcp, t, now_us);
	else if (t->kind == SESSION_TIMER_KIND)
		session_timer(w, (void *)((uint8_t *)t - offsetof(struct session, timer)));
	else
		upstream_timer(w, (void *)((uint8_t *)t - offsetof(struct upstream, timer)));
}

static void tell(struct worker *w, struct tcp_conn *c, uint32_t events)
{
	if (tcp_listener(c) < 0) {
		if (tcp_user(c))
			upstream_event(w, tcp_user(c), events);
		return;
	}
	if (events & TCP_EV_ACCEPTED)
		session_open(w, c, events);
	else if (tcp_user(c))
		session_event(w, tcp_user(c), events);
}

/* Often when it matters: the last buffers can go within a turn or two. */
static void look_at_pool(struct worker *w)
{
	enum buf_supply supply = buf_supply(w->pool);

	tcp_supply(w->tcp, supply);
	w->look_at_pool_us = w->now_us + (supply == BUF_PLENTY ? POOL_LOOK_US : 0);
}

bool worker_turn(struct worker *w, uint64_t now_us, uint64_t unix_s)
{
	struct tcp_conn *c;
	uint32_t events;
	bool busy;

	w->now_us = now_us;
	w->unix_s = unix_s;
	if (now_us >= w->look_at_pool_us)
		look_at_pool(w);
	timer_turn(&w->wheel, now_us, timer_due, w);
	w->busy |= l4_turn(w);
	w->busy |= upstream_turn(w);
	w->busy |= offload_turn(&w->offload, now_us);
	while ((c = tcp_next_ready(w->tcp, &events))) {
		w->busy = true;
		tell(w, c, events);
	}
	net_tick(w->net, now_us);
	tcp_flush(w->tcp, now_us);
	busy = w->busy;
	w->busy = false;
	return busy;
}

uint64_t worker_next(const struct worker *w)
{
	uint64_t timers = timer_next(&w->wheel), net = net_next(w->net);
	uint64_t flows = flow_next(&w->flows, w->now_us), offload = offload_next(&w->offload);

	if (net < timers)
		timers = net;
	if (offload < flows)
		flows = offload;
	return flows < timers ? flows : timers;
}

/* May a connection to it be taken up in its middle? See l4_open(). */
static bool is_stateless(const struct listener *l)
{
	const struct subset *sub = l->l4 ? l->l4->split->dests[0].subset : NULL;

	return l->kind == LISTENER_TCP && sub && sub->mode != FORWARD_NAT;
}

void worker_use(struct worker *w, struct snapshot *s)
{
	w->snap = s;
	w->picks_up = false;
	for (uint32_t i = 0; i < s->n_listeners; i++)
		w->picks_up |= is_stateless(&s->listeners[i]);
	w->stats.generation = s->generation;
}

void worker_drain(struct worker *w, bool on, uint64_t now_us)
{
	struct session *next;

	w->now_us = now_us;
	w->draining = on;
	offload_drain(&w->offload, on);
	if (!on)
		return;
	for (struct session *s = w->sessions; s; s = next) {
		next = s->next;
		session_drain(w, s);
	}
	w->busy = true;
}

struct net *worker_net(struct worker *w)
{
	return w->net;
}

struct worker_stats *worker_stats(struct worker *w)
{
	return &w->stats;
}

const struct offload_counts *worker_offload(const struct worker *w, uint32_t port)
{
	return &w->offload.counts[port];
}

/* ---- shared by the engine's files ---------------------------------------------------------- */

/* Flows and tunnels outlive the documents that they were opened under. */
static bool is_past(struct slot slot, uint32_t epoch)
{
	return (int32_t)(slot.epoch - epoch) < 0;
}

struct dest_stats *worker_dest_stats(struct worker *w, struct slot slot)
{
	struct dest_stats *d = &w->stats.dests[slot.index];

	if (is_past(slot, d->epoch))
		return &w->past_dest;
	if (d->epoch != slot.epoch) {
		memset(d, 0, sizeof(*d));
		d->epoch = slot.epoch;
	}
	return d;
}

struct endpoint_stats *worker_endpoint_stats(struct worker *w, struct slot slot)
{
	struct endpoint_stats *e = &w->stats.endpoints[slot.index];

	if (is_past(slot, e->epoch))
		return &w->past_endpoint;
	if (e->epoch != slot.epoch) {
		memset(e, 0, sizeof(*e));
		e->epoch = slot.epoch;
	}
	return e;
}

/* xorshift64*: Vigna, "An experimental exploration of Marsaglia's xorshift generators" (2016). */
uint64_t worker_random(struct worker *w)
{
	w->rng ^= w->rng >> 12;
	w->rng ^= w->rng << 25;
	w->rng ^= w->rng >> 27;
	return w->rng * 0x2545f4914f6cdd1dull;
}

bool worker_copy_bytes(struct worker *w, struct bufq *q, const char *p, size_t len)
{
	struct bufq add = {0};

	while (len) {
		struct buf *b = buf_alloc(w->pool);

		if (!b) {
			worker_count(w, COUNT_NO_BUFFER);
			bufq_clear(&add);
			return false;
		}
		size_t n = buf_tailroom(b) < len ? buf_tailroom(b) : len;

		memcpy(b->data, p, n);
		b->len = (uint16_t)n;
		bufq_push(&add, b);
		p += n;
		len -= n;
	}
	for (struct buf *b; (b = bufq_pop(&add));)
		bufq_push(q, b);
	return true;
}

bool worker_send_bytes(struct worker *w, struct tcp_conn *c, const char *p, size_t len)
{
	struct bufq q = {0};

	if (!worker_copy_bytes(w, &q, p, len))
		return false;
	for (struct buf *b; (b = bufq_pop(&q));)
		tcp_send(w->tcp, c, b);
	return true;
}

char *worker_contiguous(struct worker *w, const struct bufq *q, char *room, size_t *len)
{
	size_t max = w->node->limits.header_bytes, n = 0;

	/* Not more than the head when that can be seen: what follows may be long. */
	if (q->first == q->last || memmem(q->first->data, q->first->len, HEAD_END, 4)) {
		*len = q->first->len < max ? q->first->len : max;
		return (char *)q->first->data;
	}
	for (const struct buf *b = q->first; b && n < max; b = b->next) {
		size_t part = b->len < max - n ? b->len : max - n, back = n < 3 ? 0 : n - 3;

		memcpy(room + n, b->data, part);
		n += part;
		if (memmem(room + back, n - back, HEAD_END, 4))
			break;
	}
	*len = n;
	return room;
}
