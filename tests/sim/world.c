/* SPDX-License-Identifier: BSD-3-Clause */
#include "world.h"

#include "csum.h"
#include "wire.h"

#include <arpa/inet.h>
#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct wire_event {
	uint64_t at_us, seq;
	struct nic *to;     /* arrival; NULL: release of a sender's buffer */
	struct buf *buf;    /* release */
	uint8_t *sent_from; /* release: where the frame lay in buf */
	uint8_t *bytes;     /* arrival: the frame; release: as it was when sent */
	uint16_t len;
};

void world_init(struct world *w, uint64_t seed)
{
	memset(w, 0, sizeof(*w));
	w->rng = seed * 0x9e3779b97f4a7c15ull | 1;
	w->now_us = 1000000;
}

static uint64_t next_random(struct world *w)
{
	w->rng ^= w->rng << 13, w->rng ^= w->rng >> 7, w->rng ^= w->rng << 17;
	return w->rng * 0x2545f4914f6cdd1dull;
}

uint32_t world_random(struct world *w, uint32_t below)
{
	return below ? (uint32_t)((next_random(w) >> 32) % below) : 0;
}

bool world_chance(struct world *w, uint32_t ppm)
{
	return ppm && world_random(w, 1000000) < ppm;
}

void world_draw_wire(struct world *w, const struct wire_odds *odds)
{
	struct wire *l = &w->wire;

	l->loss_ppm = odds->loss_ppm;
	l->double_ppm = world_chance(w, odds->double_ppm) ? 20000 : 0;
	l->reorder_ppm = world_chance(w, odds->reorder_ppm) ? 50000 : 0;
	l->reorder_us = 20000;
	l->damage_ppm = world_chance(w, odds->damage_ppm) ? 5000 : 0;
	l->delay_min_us = world_random(w, 2000);
	l->delay_max_us = l->delay_min_us + world_random(w, 3) * world_random(w, odds->jitter_us);
	l->hold_us = world_random(w, 3) * 1000;
}

struct nic *world_nic(struct world *w, void (*receive)(void *, const uint8_t *, uint16_t),
                      void *arg)
{
	struct nic *n = &w->nics[w->n_nics];

	assert(w->n_nics < WORLD_NICS_MAX);
	w->n_nics++;
	memset(n->mac, 0, sizeof(n->mac));
	n->mac[0] = 2;
	n->mac[5] = (uint8_t)w->n_nics;
	n->receive = receive;
	n->arg = arg;
	return n;
}

/* ---- heap by time, ties in order of sending ------------------------------------------------ */

static bool before(const struct wire_event *a, const struct wire_event *b)
{
	return a->at_us < b->at_us || (a->at_us == b->at_us && a->seq < b->seq);
}

static void heap_push(struct world *w, struct wire_event e)
{
	uint32_t i = w->n_heap++;

	if (w->n_heap > w->cap_heap) {
		w->cap_heap = w->cap_heap ? w->cap_heap * 2 : 1024;
		w->heap = realloc(w->heap, w->cap_heap * sizeof(*w->heap));
		assert(w->heap);
	}
	e.seq = w->seq++;
	for (; i && before(&e, &w->heap[(i - 1) / 2]); i = (i - 1) / 2)
		w->heap[i] = w->heap[(i - 1) / 2];
	w->heap[i] = e;
}

static struct wire_event heap_pop(struct world *w)
{
	struct wire_event top = w->heap[0], last = w->heap[--w->n_heap];
	uint32_t i = 0;

	for (;;) {
		uint32_t child = 2 * i + 1;

		if (child >= w->n_heap)
			break;
		if (child + 1 < w->n_heap && before(&w->heap[child + 1], &w->heap[child]))
			child++;
		if (!before(&w->heap[child], &last))
			break;
		w->heap[i] = w->heap[child];
		i = child;
	}
	w->heap[i] = last;
	return top;
}

static uint8_t *copy(const uint8_t *p, uint16_t len)
{
	uint8_t *c = malloc(len ? len : 1);

	assert(c);
	memcpy(c, p, len);
	return c;
}

/* Of a whole TCP segment or datagram over IPv4 without options and tag, which is what nearly all frames are. */
static bool has_wrong_sum(const uint8_t *frame, uint16_t len)
{
	const uint8_t *ip = frame + ETH_LEN, *l4 = ip + IP4_LEN;
	uint32_t total = len < ETH_LEN + IP4_LEN ? 0 : wire_get16(ip + IP4_TOTAL);
	struct ip_addr src, dst;
	uint16_t sum;

	if (total <= IP4_LEN || total + ETH_LEN > len || ip[0] != 0x45 ||
	    wire_get16(frame + ETH_TYPE) != ETH_TYPE_IP4 ||
	    wire_get16(ip + IP4_FRAG) & IP4_FRAG_MASK ||
	    (ip[IP4_PROTO] != IP_TCP && ip[IP4_PROTO] != IP_UDP))
		return false;
	src = wire_ip4(ip + IP4_SRC);
	dst = wire_ip4(ip + IP4_DST);
	total -= IP4_LEN;
	sum = csum_pseudo(&src, &dst, ip[IP4_PROTO], (uint16_t)total);
	return csum_finish(csum_combine(sum, csum_add(l4, total), 0)) != 0;
}

/*
 * One bit. A frame that was passed on though it is damaged is not damaged again: two bits may make up for each
 * other, and no end could tell.
 */
static void damage(struct world *w, uint8_t *frame, uint16_t len)
{
	uint64_t at = ETH_LEN + world_random(w, len - (uint32_t)ETH_LEN), bit = world_random(w, 8);

	if (!has_wrong_sum(frame, len))
		frame[at] ^= (uint8_t)(1u << bit);
}

static void arrive(struct world *w, struct nic *to, const uint8_t *frame, uint16_t len)
{
	const struct wire *l = &w->wire;
	struct wire_event e = {.to = to, .len = len};

	w->frames++;
	if (world_chance(w, l->loss_ppm)) {
		w->lost++;
		return;
	}
	for (int copies = world_chance(w, l->double_ppm) ? 2 : 1; copies; copies--) {
		e.at_us = w->now_us + l->delay_min_us +
		          world_random(w, l->delay_max_us - l->delay_min_us + 1);
		if (world_chance(w, l->reorder_ppm))
			e.at_us += world_random(w, l->reorder_us + 1);
		e.bytes = copy(frame, len);
		if (world_chance(w, l->damage_ppm) && len > 54)
			damage(w, e.bytes, len);
		heap_push(w, e);
	}
}

void world_collect(struct world *w, const struct nic *from, struct net_out *out)
{
	for (uint32_t i = 0; i < out->n; i++) {
		struct net_tx *t = &out->tx[i];

		assert(t->frame >= t->buf->head && t->frame + t->len <= t->buf->end);
		for (uint32_t n = 0; n < w->n_nics; n++) {
			struct nic *to = &w->nics[n];

			if (to != from && ((t->frame[0] & 1) || memcmp(to->mac, t->frame, 6) == 0))
				arrive(w, to, t->frame, t->len);
		}
		heap_push(w, (struct wire_event){.at_us = w->now_us +
		                                          world_random(w, w->wire.hold_us + 1),
		                                 .buf = t->buf,
		                                 .sent_from = t->frame,
		                                 .bytes = copy(t->frame, t->len),
		                                 .len = t->len});
	}
	out->n = 0;
}

uint64_t world_next(const struct world *w)
{
	return w->n_heap ? w->heap[0].at_us : UINT64_MAX;
}

void world_deliver(struct world *w)
{
	while (w->n_heap && w->heap[0].at_us <= w->now_us) {
		struct wire_event e = heap_pop(w);

		if (e.to) {
			e.to->receive(e.to->arg, e.bytes, e.len);
		} else {
			if (memcmp(e.bytes, e.sent_from, e.len) != 0) {
				fprintf(stderr, "a frame was written to while it was being sent\n");
				abort();
			}
			buf_free(e.buf);
		}
		free(e.bytes);
	}
}

void world_go_to(struct world *w, uint64_t at_us)
{
	w->now_us = at_us != UINT64_MAX && at_us > w->now_us ? at_us : w->now_us + 1;
	world_deliver(w);
}

void world_fini(struct world *w)
{
	while (w->n_heap) {
		struct wire_event e = heap_pop(w);

		if (e.buf)
			buf_free(e.buf);
		free(e.bytes);
	}
	free(w->heap);
	w->heap = NULL;
}

/* ---- hosts ------------------------------------------------------------------------------- */

struct ip_addr sim_addr(const char *text)
{
	struct ip_addr a;

	if (!ip_parse(text, &a))
		abort();
	return a;
}

static void host_receive(void *arg, const uint8_t *frame, uint16_t len)
{
	struct host *h = arg;
	struct buf *b = bufs_from(&h->pool, frame, len);
	struct net_icmp_error err;
	struct pkt p;
	enum drop end;

	if (!b)
		return;
	h->received++;
	end = net_parse(h->net, b, &p);
	if (end != DROP_COUNT) {
		h->ends[end]++;
		return;
	}
	if (p.kind == PKT_TCP) {
		end = tcp_input(h->tcp, &p, h->world->now_us);
	} else if (p.kind == PKT_ICMP && net_icmp_error(h->net, &p, &err)) {
		tcp_icmp(h->tcp, &err, h->world->now_us);
		buf_free(p.buf);
		end = DROP_ICMP_TCP;
	} else {
		end = net_input(h->net, &p, h->world->now_us);
	}
	h->ends[end]++;
}

static int host_listen(void *arg, const struct ip_addr *addr, be16_t port)
{
	const struct host *h = arg;

	(void)addr;
	return h->listen_port && port == h->listen_port ? 0 : TCP_LISTEN_NONE;
}

void host_init(struct host *h, struct world *w, const struct host_config *c)
{
	struct net_port port = {.mtu = c->mtu, .n_addrs = 1};
	struct tcp_config tcp;
	struct tcp_env env;

	memset(h, 0, sizeof(*h));
	h->world = w;
	h->nic = world_nic(w, host_receive, h);
	h->pool = bufs_pool(c->pool);
	h->listen_port = htons(c->listen_port);
	h->node.n_ports = 1;
	port.addrs[0].addr = sim_addr(c->address);
	port.addrs[0].len = strchr(c->address, ':') ? 64 : 96 + 24;
	memcpy(port.mac, h->nic->mac, 6);
	h->net_memory = aligned_alloc(64, (net_bytes(64) + 63) & ~63ul);
	h->net = net_init(h->net_memory, 64, &h->node, &port, &h->pool, true, h->counters);
	timer_init(&h->wheel, w->now_us);
	tcp_config_default(&tcp);
	tcp.max_conns = 512;
	tcp.rcvbuf_bytes = c->rcvbuf;
	tcp.sndbuf_bytes = c->sndbuf;
	h->tcp_memory = aligned_alloc(64, (tcp_bytes(&tcp) + 63) & ~63ul);
	memset(h->tcp_memory, 0, (tcp_bytes(&tcp) + 63) & ~63ul);
	env = (struct tcp_env){.net = h->net,
	                       .pool = &h->pool,
	                       .wheel = &h->wheel,
	                       .listen = host_listen,
	                       .listen_arg = h,
	                       .counters = h->counters};
	for (int i = 0; i < 16; i++)
		env.secret[i] = (uint8_t)world_random(w, 256);
	h->tcp = tcp_init(h->tcp_memory, &tcp, &env);
}

void host_fini(struct host *h)
{
	tcp_fini(h->tcp);
	net_fini(h->net);
	free(h->net_memory);
	free(h->tcp_memory);
}

static void host_timer(void *arg, struct timer *t, uint64_t now_us)
{
	struct host *h = arg;

	tcp_timer(h->tcp, t, now_us);
}

void host_turn(struct host *h)
{
	timer_turn(&h->wheel, h->world->now_us, host_timer, h);
	net_tick(h->net, h->world->now_us);
}

void host_flush(struct host *h)
{
	tcp_flush(h->tcp, h->world->now_us);
	world_collect(h->world, h->nic, net_out(h->net, 0));
}

uint64_t host_next(const struct host *h)
{
	uint64_t t = timer_next(&h->wheel), n = net_next(h->net);

	return t < n ? t : n;
}

struct host_config host_draw(struct world *w, const struct host_odds *odds, const char *address,
                             uint16_t listen_port)
{
	struct host_config c = {.address = address, .pool = 200000, .listen_port = listen_port};

	c.mtu = world_chance(w, odds->small_ppm) ? 300 : 1500;
	c.rcvbuf = odds->rcvbuf << world_random(w, odds->rcvbuf_sizes);
	c.sndbuf = odds->sndbuf << world_random(w, odds->sndbuf_sizes);
	return c;
}

/* ---- simulations ------------------------------------------------------------------------- */

struct sim_now sim_now;

void sim_fail(const char *fmt, ...)
{
	unsigned long long seed = sim_now.seed;
	va_list ap;

	fprintf(stderr, "%s: seed %llu: ", sim_now.program, seed);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fprintf(stderr, "\nreplay with: %s %s%s%llu\n", sim_now.program,
	        sim_now.mode ? sim_now.mode : "", sim_now.mode ? " " : "", seed);
	exit(1);
}
