/* SPDX-License-Identifier: BSD-3-Clause */
#include "loop.h"

#include "frame.h"
#include "pool.h"

#include <rte_byteorder.h>
#include <rte_ethdev.h>
#include <rte_ether.h>
#include <rte_ip.h>
#include <rte_pause.h>
#include <rte_prefetch.h>

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <sys/prctl.h>
#include <time.h>

#define TX_CHUNK    64     /* frames handed to the driver at once */
#define TX_TRIES    8      /* then the queue counts as full: TCP sends again, others wait */
#define IDLE_TURNS  64     /* empty turns at least before the first sleep */
#define SLEEP_FIRST 8      /* us; doubles from there */
#define SLEEP_LEAST 4      /* us; a shorter sleep costs more than it saves */
#define WAIT_MOST   100000 /* us; what wakes us is enough: in case that it is not (decision 0060) */
#define WAIT_AGAIN  1000   /* us; after a wake-up for nothing, doubles to WAIT_MOST */

/* ---- the driver's part ------------------------------------------------------------------- */

/*
 * What a device costs is not what Weir costs: a virtual one copies, a network card does not. So the time
 * inside drivers is counted apart, at two time stamps for each burst that was not empty.
 */
static void enter_driver(struct loop *l)
{
	l->mark = rte_rdtsc();
}

static void leave_driver(struct loop *l)
{
	l->counters[COUNT_DRIVER_CYCLES] += rte_rdtsc() - l->mark;
}

/* ---- in ---------------------------------------------------------------------------------- */

static struct buf *from_mbuf(struct rte_mbuf *m, uint8_t port)
{
	struct buf *b = pool_buf(m);
	uint64_t ip = m->ol_flags & RTE_MBUF_F_RX_IP_CKSUM_MASK;
	uint64_t l4 = m->ol_flags & RTE_MBUF_F_RX_L4_CKSUM_MASK;

	b->next = NULL;
	b->data = rte_pktmbuf_mtod(m, uint8_t *);
	b->len = m->data_len;
	b->port = port;
	b->flags = ip == RTE_MBUF_F_RX_IP_CKSUM_GOOD ? BUF_IP_CSUM_OK : 0;
	/* NONE: a frame of this host whose checksum was never written and whose data is right */
	if (l4 == RTE_MBUF_F_RX_L4_CKSUM_GOOD || l4 == RTE_MBUF_F_RX_L4_CKSUM_NONE)
		b->flags |= BUF_L4_CSUM_OK;
	else if (l4 == RTE_MBUF_F_RX_L4_CKSUM_BAD)
		b->flags |= BUF_L4_CSUM_BAD;
	if (m->ol_flags & RTE_MBUF_F_RX_FDIR_ID) {
		b->flags |= BUF_MARKED;
		b->mark = m->hash.fdir.hi;
	}
	return b;
}

/* Can this be the beginning of a whole TCP packet without anything in front? Those the device sorted. */
static bool is_plain_tcp(const struct buf *b, uint16_t vlan)
{
	size_t l2 = RTE_ETHER_HDR_LEN + (vlan ? sizeof(struct rte_vlan_hdr) : 0);
	const uint8_t *l3 = b->data + l2;

	if (b->len < l2 + sizeof(struct rte_ipv4_hdr))
		return false;
	if (l3[0] >> 4 == 4)
		return l3[offsetof(struct rte_ipv4_hdr, next_proto_id)] == IPPROTO_TCP &&
		       !(l3[offsetof(struct rte_ipv4_hdr, fragment_offset)] & 0x3f) &&
		       !l3[offsetof(struct rte_ipv4_hdr, fragment_offset) + 1];
	return l3[0] >> 4 == 6 && l3[offsetof(struct rte_ipv6_hdr, proto)] == IPPROTO_TCP;
}

static void hand_to(struct loop *l, uint32_t to, struct buf *b)
{
	bool full = !l->hand[to] || rte_ring_sp_enqueue(l->hand[to], b) != 0;

	l->owed |= 1ull << to;
	l->ends[full ? DROP_RING_FULL : DROP_HANDED_OFF]++;
	if (full)
		buf_free(b);
}

/* All workers learn from it. A copy is a packet of its own: it is counted where it arrives. */
static void copy_to_others(struct loop *l, const struct buf *b)
{
	for (uint32_t w = 0; w < l->n_workers; w++) {
		struct buf *copy;

		if (!l->hand[w])
			continue;
		copy = pool_copy(l->pool, b);
		if (!copy)
			l->counters[COUNT_NO_BUFFER]++;
		else if (rte_ring_sp_enqueue(l->hand[w], copy) != 0)
			buf_free(copy);
		l->owed |= 1ull << w;
	}
}

/* Is it ours? Other workers get theirs, and copies of what all have to learn from. */
static bool is_ours(struct loop *l, const struct loop_rxq *q, struct buf *b)
{
	int owner = (int)l->id;

	if (l->n_workers > 1 &&
	    !(q->sorted && is_plain_tcp(b, l->shared->node->ports[q->port].vlan)))
		owner = worker_owner(l->worker, b);
	if (owner == WORKER_EVERY)
		copy_to_others(l, b);
	else if (owner != (int)l->id) {
		hand_to(l, (uint32_t)owner, b);
		return false;
	}
	return true;
}

static bool poll_device(struct loop *l, const struct loop_rxq *q, uint64_t now_us)
{
	struct rte_mbuf *m[LOOP_BURST];
	struct buf *ours[LOOP_BURST];
	uint16_t n = rte_eth_rx_burst(q->port_id, q->queue, m, LOOP_BURST);
	uint64_t bytes = 0;
	uint32_t k = 0;

	if (n == 0)
		return false;
	leave_driver(l);
	for (uint16_t i = 0; i < n; i++) {
		rte_prefetch0(rte_pktmbuf_mtod(m[i], const void *));
		rte_prefetch0(pool_buf(m[i]));
	}
	for (uint16_t i = 0; i < n; i++) {
		bytes += m[i]->pkt_len;
		ours[k] = from_mbuf(m[i], q->port);
		k += is_ours(l, q, ours[k]);
	}
	worker_input(l->worker, ours, k, now_us);
	l->counters[COUNT_RX_PKTS] += n;
	l->counters[COUNT_RX_BYTES] += bytes;
	enter_driver(l);
	return true;
}

static bool poll_ring(struct loop *l, struct rte_ring *r, uint64_t now_us)
{
	struct buf *b[LOOP_BURST];
	unsigned int n = rte_ring_sc_dequeue_burst(r, (void **)b, LOOP_BURST, NULL);

	l->counters[COUNT_HANDED_IN] += n;
	worker_input(l->worker, b, n, now_us);
	return n > 0;
}

/* ---- out --------------------------------------------------------------------------------- */

static void give_up(struct loop *l, struct rte_mbuf *m)
{
	l->counters[COUNT_TX_FULL] += frame_load(m).pkts;
	rte_pktmbuf_free(m);
}

/*
 * Some drivers want to see first what their device is to cut (virtio's checksum of the pseudo-header is another).
 * Returns how many frames may be sent; the others are given up.
 */
static uint16_t prepare(struct loop *l, const struct loop_tx *tx, struct rte_mbuf **m, uint16_t n)
{
	uint16_t good = 0;

	while (good < n) {
		good += rte_eth_tx_prepare(tx->port_id, tx->queue, m + good, (uint16_t)(n - good));
		if (good == n)
			break;
		give_up(l, m[good]);
		n--;
		memmove(m + good, m + good + 1, (size_t)(n - good) * sizeof(*m));
	}
	return n;
}

/* Send through our own queue; after a bounded number of tries the queue is full. */
static void send_burst(struct loop *l, const struct loop_tx *tx, struct rte_mbuf **m, uint16_t n)
{
	struct frame_load of[TX_CHUNK + 1]; /* [i]: of the first i frames; they are gone later */
	uint16_t sent = 0;

	if (tx->prepare)
		n = prepare(l, tx, m, n);
	of[0] = (struct frame_load){0};
	for (uint16_t i = 0; i < n; i++) {
		struct frame_load one = frame_load(m[i]);

		of[i + 1] = (struct frame_load){of[i].pkts + one.pkts, of[i].bytes + one.bytes};
	}
	enter_driver(l);
	for (int tries = 0; sent < n && tries < TX_TRIES; tries++) {
		if (tries)
			rte_pause();
		sent += rte_eth_tx_burst(tx->port_id, tx->queue, m + sent, (uint16_t)(n - sent));
	}
	leave_driver(l);
	l->counters[COUNT_TX_PKTS] += of[sent].pkts;
	l->counters[COUNT_TX_BYTES] += of[sent].bytes;
	for (; sent < n; sent++)
		give_up(l, m[sent]);
}

/* The owner of the queue counts what it sends; what does not get there is counted here. */
static void hand_out(struct loop *l, const struct loop_tx *tx, struct rte_mbuf **m, uint16_t n)
{
	unsigned int taken = rte_ring_sp_enqueue_burst(tx->ring, (void **)m, n, NULL);

	l->owed |= 1ull << tx->owner;
	for (; taken < n; taken++)
		give_up(l, m[taken]);
}

static bool send_port(struct loop *l, uint32_t port)
{
	struct net_out *out = net_out(l->net, port);
	const struct loop_tx *tx = &l->tx[port];
	const struct net_piece *piece = out->piece;
	struct rte_mbuf *m[TX_CHUNK];
	uint32_t total = out->n;

	for (uint32_t at = 0; at < total;) {
		uint16_t n = 0;

		for (; n < TX_CHUNK && at < total; at++)
			m[n++] = frame_mbuf(&out->tx[at], port, &piece);
		if (tx->ring)
			hand_out(l, tx, m, n);
		else
			send_burst(l, tx, m, n);
	}
	out->n = out->n_pieces = 0;
	return total > 0;
}

/* Frames of workers that have no send queue on that port. */
static bool send_for_others(struct loop *l, struct rte_ring *r)
{
	struct rte_mbuf *m[TX_CHUNK];
	uint16_t total = (uint16_t)rte_ring_sc_dequeue_burst(r, (void **)m, LOOP_BURST, NULL);

	for (uint16_t at = 0, n; at < total; at = (uint16_t)(at + n)) {
		for (n = 1; at + n < total && m[at + n]->port == m[at]->port;)
			n++;
		send_burst(l, &l->tx[m[at]->port], m + at, n);
	}
	return total > 0;
}

static bool send_all(struct loop *l)
{
	bool sent = false;

	for (uint32_t i = 0; i < l->n_ports; i++)
		sent |= send_port(l, i);
	for (uint32_t i = 0; i < l->n_out; i++)
		sent |= send_for_others(l, l->out[i]);
	return sent;
}

/* Whoever got frames and sleeps must hear of it. */
static void ring_peers(struct loop *l)
{
	for (; l->owed; l->owed &= l->owed - 1)
		wake_ring(l->peers[__builtin_ctzll(l->owed)]);
}

/* ---- a turn ------------------------------------------------------------------------------ */

/* Date fields need no better than this: read the wall clock when its second is over. */
static uint64_t wall_clock(struct loop *l, uint64_t now_us)
{
	struct timespec ts;

	if (now_us >= l->unix_next_us) {
		clock_gettime(CLOCK_REALTIME, &ts);
		l->unix_s = (uint64_t)ts.tv_sec;
		l->unix_next_us = now_us + 1000000 - (uint64_t)ts.tv_nsec / 1000;
	}
	return l->unix_s;
}

/* Take up what the control thread changed. */
static void obey(struct loop *l, uint64_t now_us)
{
	struct snapshot *s = publish_turn(l->shared->publish, l->id);
	bool draining = __atomic_load_n(&l->shared->draining, __ATOMIC_RELAXED);

	/* by number: a new snapshot may lie where an old one lay */
	if (unlikely(s->generation != l->generation)) {
		worker_use(l->worker, s);
		l->generation = s->generation;
		l->counters[COUNT_PICKUP_TSC] = rte_rdtsc();
		publish_took(l->shared->publish, l->id, s->generation,
		             l->counters[COUNT_PICKUP_TSC]);
	}
	if (unlikely(draining != l->draining)) {
		worker_drain(l->worker, draining, now_us);
		l->draining = draining;
	}
}

bool loop_turn(struct loop *l)
{
	uint64_t start = rte_rdtsc();
	uint64_t now_us = clock_us(&l->shared->clock, start);
	bool busy = false;

	obey(l, now_us);
	l->mark = start;
	for (uint32_t i = 0; i < l->n_rxq; i++)
		busy |= poll_device(l, &l->rxq[i], now_us);
	for (uint32_t i = 0; i < l->n_in; i++)
		busy |= poll_ring(l, l->in[i], now_us);
	busy |= worker_turn(l->worker, now_us, wall_clock(l, now_us));
	busy |= send_all(l);
	if (unlikely(l->owed))
		ring_peers(l);
	l->counters[COUNT_LOOPS]++;
	if (busy)
		l->counters[COUNT_BUSY_CYCLES] += rte_rdtsc() - start;
	else
		l->counters[COUNT_IDLE_LOOPS]++;
	return busy;
}

/* ---- idle -------------------------------------------------------------------------------- */

static bool is_stopping(const struct loop *l)
{
	return __atomic_load_n(&l->shared->stopping, __ATOMIC_ACQUIRE);
}

/* What came before we said that we sleep wakes nobody: look once more. True: woken, or no need to sleep. */
static bool sleep_until_woken(struct loop *l, uint64_t us)
{
	bool woken = true;

	wake_prepare(&l->wake);
	if (!loop_turn(l) && !is_stopping(l)) {
		publish_leave(l->shared->publish, l->id);
		woken = wake_wait(&l->wake, us);
		publish_enter(l->shared->publish, l->id);
	}
	wake_ready(&l->wake);
	return woken;
}

static void sleep_for(struct loop *l, uint64_t us)
{
	struct timespec ts = {.tv_sec = (time_t)(us / 1000000),
	                      .tv_nsec = (long)(us % 1000000) * 1000};

	publish_leave(l->shared->publish, l->id);
	nanosleep(&ts, NULL);
	publish_enter(l->shared->publish, l->id);
}

/* Sleeps that only time ends begin short: work often comes soon after work. */
static void sleep_longer(struct loop *l, uint64_t most_us)
{
	uint64_t longest = l->shared->node->times.idle_sleep_us;
	uint64_t us;

	l->sleep_us =
		l->sleep_us ? RTE_MIN(l->sleep_us * 2, longest) : RTE_MIN(SLEEP_FIRST, longest);
	us = RTE_MIN(l->sleep_us, most_us);
	if (us >= SLEEP_LEAST)
		sleep_for(l, us);
}

/*
 * Nothing to do: poll for a while, then sleep, never past the worker's next timer. When something woke us and a
 * turn found nothing, it may be that the driver has not seen it yet (tap's learns of it by a signal, and
 * its interrupt comes once), or that the interface is down and says so for ever: sleeps that time ends come
 * first then, and waits that begin short.
 */
static void rest(struct loop *l)
{
	uint64_t now_us, next_us;

	rte_pause();
	if (++l->idle_turns < IDLE_TURNS || l->shared->node->times.idle_sleep_us == 0)
		return;
	now_us = clock_us(&l->shared->clock, rte_rdtsc());
	if (l->idle_turns == IDLE_TURNS)
		l->idle_from_us = now_us;
	if (now_us - l->idle_from_us < l->shared->spin_us)
		return;
	next_us = worker_next(l->worker);
	if (next_us <= now_us)
		return;
	if (l->can_wake && !l->alarmed) {
		l->alarmed = sleep_until_woken(l, RTE_MIN(l->wait_us, next_us - now_us));
		l->wait_us = l->alarmed ? WAIT_AGAIN : RTE_MIN(l->wait_us * 2, WAIT_MOST);
	} else {
		sleep_longer(l, next_us - now_us);
		l->alarmed = l->sleep_us < l->shared->node->times.idle_sleep_us;
	}
}

static void listen_for_work(struct loop *l)
{
	struct wake_queue queues[LOOP_RXQ_MAX];

	for (uint32_t i = 0; i < l->n_rxq; i++)
		queues[i] = (struct wake_queue){l->rxq[i].port_id, l->rxq[i].queue, l->rxq[i].intr};
	l->wait_us = WAIT_MOST;
	l->can_wake = wake_listen(&l->wake, queues, l->n_rxq, l->n_workers == 1);
}

/* Tell the peers that it is over. Who owns a send queue stays until nobody can want it any more. */
static void say_goodbye(struct loop *l)
{
	uint32_t *n_reset = &l->shared->n_reset;

	while (worker_reset(l->worker, clock_us(&l->shared->clock, rte_rdtsc())))
		send_all(l);
	send_all(l);
	__atomic_add_fetch(n_reset, 1, __ATOMIC_RELEASE);
	while (__atomic_load_n(n_reset, __ATOMIC_ACQUIRE) < l->shared->n_running)
		if (!send_all(l))
			sched_yield();
	while (send_all(l))
		;
}

static void tell_clock(struct loop *l)
{
	clockid_t clock;

	if (pthread_getcpuclockid(pthread_self(), &clock) == 0)
		__atomic_store_n(&l->cpu_clock, clock, __ATOMIC_RELEASE);
}

int loop_run(void *arg)
{
	struct loop *l = arg;

	tell_clock(l);
	/* the kernel rounds sleeps up by 50 us otherwise */
	prctl(PR_SET_TIMERSLACK, 1);
	listen_for_work(l);
	publish_enter(l->shared->publish, l->id);
	while (!is_stopping(l)) {
		if (loop_turn(l)) {
			l->idle_turns = 0;
			l->sleep_us = 0;
			l->alarmed = false;
			l->wait_us = WAIT_MOST;
		} else {
			rest(l);
		}
	}
	say_goodbye(l);
	publish_leave(l->shared->publish, l->id);
	worker_fini(l->worker);
	return 0;
}
