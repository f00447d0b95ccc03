/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Neighbours: which MAC address a next hop has. One table for ARP and NDP, after RFC 4861 section
 * 7.3 without DELAY (nothing from above confirms reachability here, so there is no use in waiting).
 *
 *          ask            answer                 30 s unused
 *   (none) ---> INCOMPLETE ----> REACHABLE ------------------------> STALE ---> forgotten (10 min)
 *                 |  ^            ^   | 30 s, used                     | used
 *        no answer|  |no answer   |   v                                |
 *                 v  +----------- PROBE <------------------------------+
 *              FAILED ---> forgotten (1 s)
 *
 * Sending goes on through PROBE, so a neighbour in use is confirmed without a gap. Rows are only
 * made for what we want to send to, never for what others say, so no flood of ARP or NDP fills the
 * table; when it is full the row of least worth among a few is replaced.
 *
 * A struct net_path knows a row by its index and generation: the generation changes when the row is
 * given up, so a stale path is noticed.
 */
#include "net_state.h"

#include <errno.h>

static uint32_t buckets_for(uint32_t max_neighs)
{
	uint32_t n = 16;

	while (n < max_neighs)
		n *= 2;
	return n;
}

size_t net_neigh_bytes(uint32_t max_neighs)
{
	return (size_t)max_neighs * sizeof(struct neigh) +
	       (size_t)buckets_for(max_neighs) * sizeof(uint32_t);
}

void net_neigh_init(struct net *n, void *rows, uint32_t max_neighs)
{
	memset(rows, 0, net_neigh_bytes(max_neighs));
	n->neighs = rows;
	n->max_neighs = max_neighs;
	n->buckets = (uint32_t *)(void *)(n->neighs + max_neighs);
	n->bucket_mask = buckets_for(max_neighs) - 1;
}

static uint32_t *bucket_of(struct net *n, uint32_t port, const struct ip_addr *addr)
{
	return &n->buckets[hash_addr(&n->key, addr, port) & n->bucket_mask];
}

static void drop_waiting(struct net *n, struct neigh *e)
{
	struct net_wait *w;

	while ((w = e->wait_first)) {
		e->wait_first = w->next;
		buf_free(w->tx.buf);
		slab_put(&n->waits, w);
		n->counters[COUNT_TX_NO_NEIGH]++;
	}
	e->wait_last = NULL;
	e->n_wait = 0;
}

void net_neigh_fini(struct net *n)
{
	for (uint32_t i = 0; i < n->neigh_fresh; i++)
		drop_waiting(n, &n->neighs[i]);
}

struct neigh *net_neigh_find(struct net *n, uint32_t port, const struct ip_addr *addr)
{
	uint32_t at = *bucket_of(n, port, addr);
	struct neigh *e;

	for (; at; at = e->chain) {
		e = &n->neighs[at - 1];
		if (e->port == port && ip_eq(&e->addr, addr))
			return e;
	}
	return NULL;
}

/* Give a row up: out of its bucket, on to the free list, its paths invalid. */
static void release(struct net *n, struct neigh *e)
{
	uint32_t *at = bucket_of(n, e->port, &e->addr), self = (uint32_t)(e - n->neighs) + 1;

	drop_waiting(n, e);
	timer_cancel(&n->wheel, &e->timer);
	while (*at != self)
		at = &n->neighs[*at - 1].chain;
	*at = e->chain;
	e->chain = n->neigh_free;
	n->neigh_free = self;
	e->state = NEIGH_FREE;
	e->gen++;
}

/* What a row is worth keeping: the least worth is replaced first; a pinned one never. */
static uint32_t worth(const struct neigh *e)
{
	bool used = e->seen & NEIGH_SEEN_CLOCK;

	switch ((enum neigh_state)e->state) {
	case NEIGH_FREE:
	case NEIGH_FAILED: return 0;
	case NEIGH_INCOMPLETE: return 1;
	case NEIGH_STALE: return used ? 4 : 2;
	case NEIGH_PROBE:
	case NEIGH_REACHABLE: break;
	}
	return used ? 5 : 3;
}

/*
 * Second chance among a few rows from the hand on: a row that was used since the hand last passed
 * loses its mark instead of its place.
 */
static bool replace_one(struct net *n)
{
	struct neigh *least = NULL, *e;
	uint32_t steps = n->max_neighs < NEIGH_SEARCH ? n->max_neighs : NEIGH_SEARCH;

	if (n->max_neighs == 0)
		return false;
	while (steps--) {
		e = &n->neighs[n->neigh_hand++ % n->max_neighs];
		if (!e->pinned && (!least || worth(e) < worth(least)))
			least = e;
		else
			e->seen &= (uint8_t)~NEIGH_SEEN_CLOCK;
	}
	n->neigh_hand %= n->max_neighs;
	if (!least)
		return false;
	release(n, least);
	return true;
}

static bool is_next_hop(const struct net *n, uint32_t port, const struct ip_addr *addr)
{
	for (uint32_t i = 0; i < n->node->n_routes; i++)
		if (n->node->routes[i].port == port && ip_eq(&n->node->routes[i].via, addr))
			return true;
	return false;
}

static struct neigh *take_row(struct net *n)
{
	struct neigh *e;

	if (!n->neigh_free && n->neigh_fresh < n->max_neighs)
		return &n->neighs[n->neigh_fresh++];
	if (!n->neigh_free && !replace_one(n))
		return NULL;
	e = &n->neighs[n->neigh_free - 1];
	n->neigh_free = e->chain;
	return e;
}

/* mac: whom to ask, or NULL for everybody. */
static void ask(struct net *n, struct neigh *e, const uint8_t *mac)
{
	if (ip_is_v4(&e->addr))
		net_arp_ask(n, e->port, &e->addr, mac);
	else
		net_ndp_ask(n, e->port, &e->addr, mac);
	e->tries++;
	timer_arm(&n->wheel, &e->timer, n->now_us + NEIGH_RETRY_US);
}

struct neigh *net_neigh_get(struct net *n, uint32_t port, const struct ip_addr *addr)
{
	struct neigh *e = net_neigh_find(n, port, addr);
	uint32_t *bucket;

	if (e)
		return e;
	e = take_row(n);
	if (!e)
		return NULL;
	bucket = bucket_of(n, port, addr);
	*e = (struct neigh){.gen = e->gen, .addr = *addr, .port = (uint8_t)port};
	e->timer.kind = NET_TIMER_NEIGH;
	e->l2_len = n->links[port].l2_len;
	e->pinned = is_next_hop(n, port, addr);
	e->chain = *bucket;
	*bucket = (uint32_t)(e - n->neighs) + 1;
	e->state = NEIGH_INCOMPLETE;
	ask(n, e, NULL);
	return e;
}

static void start_probe(struct net *n, struct neigh *e)
{
	e->state = NEIGH_PROBE;
	e->tries = 0;
	ask(n, e, net_neigh_mac(e));
}

static int emit(struct net *n, struct neigh *e, struct net_tx *tx)
{
	/* one copy of constant size; a frame without a tag starts 4 bytes into it */
	memcpy(tx->frame - NET_L2_MAX, e->l2, NET_L2_MAX);
	tx->frame -= e->l2_len;
	tx->len = (uint16_t)(tx->len + e->l2_len);
	tx->l2_len = e->l2_len;
	return net_emit(n, e->port, tx);
}

static int wait(struct net *n, struct neigh *e, const struct net_tx *tx)
{
	struct net_wait *w = e->n_wait < NEIGH_WAIT_MAX ? slab_get(&n->waits) : NULL;

	if (!w) {
		n->counters[COUNT_TX_NO_NEIGH]++;
		buf_free(tx->buf);
		return -ENOBUFS;
	}
	*w = (struct net_wait){NULL, *tx};
	if (e->wait_last)
		e->wait_last->next = w;
	else
		e->wait_first = w;
	e->wait_last = w;
	e->n_wait++;
	return 0;
}

int net_neigh_send(struct net *n, struct neigh *e, struct net_tx *tx)
{
	e->seen = NEIGH_SEEN_REFRESH | NEIGH_SEEN_CLOCK;
	if (e->state >= NEIGH_PROBE)
		return emit(n, e, tx);
	if (e->state == NEIGH_STALE) {
		start_probe(n, e);
		return emit(n, e, tx);
	}
	if (e->state == NEIGH_INCOMPLETE)
		return wait(n, e, tx);
	n->counters[COUNT_TX_NO_NEIGH]++;
	buf_free(tx->buf);
	return -EHOSTUNREACH;
}

bool net_neigh_use(struct net *n, struct neigh *e)
{
	e->seen = NEIGH_SEEN_REFRESH | NEIGH_SEEN_CLOCK;
	if (e->state == NEIGH_STALE)
		start_probe(n, e);
	return net_neigh_has_mac(e);
}

static void flush_waiting(struct net *n, struct neigh *e)
{
	struct net_wait *w;

	while ((w = e->wait_first)) {
		e->wait_first = w->next;
		emit(n, e, &w->tx);
		slab_put(&n->waits, w);
	}
	e->wait_last = NULL;
	e->n_wait = 0;
}

static void set_mac(struct net *n, struct neigh *e, const uint8_t *mac)
{
	net_l2_write(&n->links[e->port], mac, ip_is_v4(&e->addr) ? ETH_TYPE_IP4 : ETH_TYPE_IP6,
	             e->l2);
}

void net_neigh_confirm(struct net *n, struct neigh *e, const uint8_t *mac)
{
	set_mac(n, e, mac);
	e->state = NEIGH_REACHABLE;
	e->seen &= (uint8_t)~NEIGH_SEEN_REFRESH;
	timer_arm(&n->wheel, &e->timer, n->now_us + NEIGH_REACHABLE_US);
	flush_waiting(n, e);
}

static void become_stale(struct net *n, struct neigh *e)
{
	e->state = NEIGH_STALE;
	timer_arm(&n->wheel, &e->timer, n->now_us + NEIGH_STALE_US);
}

void net_neigh_hint(struct net *n, struct neigh *e, const uint8_t *mac)
{
	bool waited = e->n_wait > 0;

	if (net_neigh_has_mac(e) && memcmp(net_neigh_mac(e), mac, MAC_LEN) == 0)
		return;
	set_mac(n, e, mac);
	become_stale(n, e);
	flush_waiting(n, e);
	if (waited)
		start_probe(n, e);
}

void net_neigh_doubt(struct net *n, struct neigh *e)
{
	if (e->state == NEIGH_REACHABLE)
		become_stale(n, e);
}

/* Nobody answered: ask everybody once more before giving up on an address that worked before. */
static void no_answer(struct net *n, struct neigh *e)
{
	if (e->state == NEIGH_PROBE) {
		e->state = NEIGH_INCOMPLETE;
		e->tries = 0;
		ask(n, e, NULL);
		return;
	}
	drop_waiting(n, e);
	e->state = NEIGH_FAILED;
	timer_arm(&n->wheel, &e->timer, n->now_us + NEIGH_FAILED_US);
}

void net_neigh_timer(struct net *n, struct neigh *e)
{
	switch ((enum neigh_state)e->state) {
	case NEIGH_REACHABLE:
		if (e->seen & NEIGH_SEEN_REFRESH)
			start_probe(n, e);
		else
			become_stale(n, e);
		return;
	case NEIGH_PROBE:
	case NEIGH_INCOMPLETE:
		if (e->tries >= NEIGH_TRIES)
			no_answer(n, e);
		else
			ask(n, e, e->state == NEIGH_PROBE ? net_neigh_mac(e) : NULL);
		return;
	case NEIGH_STALE:
	case NEIGH_FAILED: release(n, e); return;
	case NEIGH_FREE: return;
	}
}
