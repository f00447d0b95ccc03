/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Layers 2 and 3 of one worker: start and end, our addresses, time.
 *
 * Everything that can be known at start is worked out here once: link-local addresses, the hash of
 * our addresses, routes. After that only the neighbour table and the queues out change.
 */
#include "net_state.h"

static size_t round64(size_t n)
{
	return (n + 63) & ~(size_t)63;
}

size_t net_bytes(uint32_t max_neighs)
{
	return round64(sizeof(struct net)) + net_neigh_bytes(max_neighs);
}

bool net_prefix_has(const struct node_prefix *prefix, const struct ip_addr *a)
{
	uint32_t whole = prefix->len / 8, rest = prefix->len % 8;

	if (ip_is_v4(&prefix->addr) != ip_is_v4(a))
		return false;
	if (memcmp(prefix->addr.b, a->b, whole) != 0)
		return false;
	return rest == 0 || (prefix->addr.b[whole] ^ a->b[whole]) >> (8 - rest) == 0;
}

bool net_link_has(const struct net_link *l, const struct ip_addr *a)
{
	for (uint32_t i = 0; i < l->n_addrs; i++)
		if (ip_eq(&l->addrs[i].addr, a))
			return true;
	return false;
}

const struct ip_addr *net_link_source(const struct net_link *l, const struct ip_addr *to)
{
	const struct ip_addr *any = NULL;

	for (uint32_t i = 0; i < l->n_addrs; i++) {
		const struct ip_addr *mine = &l->addrs[i].addr;

		if (net_prefix_has(&l->addrs[i], to))
			return mine;
		if (!any && ip_is_v4(mine) == ip_is_v4(to) && !net_is_link_local(mine))
			any = mine;
	}
	return any;
}

bool net_link_broadcast(const struct net_link *l, be32_t v4)
{
	for (uint32_t i = 0; i < l->n_broadcasts; i++)
		if (l->broadcasts[i] == v4)
			return true;
	return false;
}

int net_own_number(const struct net *n, const struct ip_addr *a)
{
	for (uint32_t row = net_row(a);; row = (row + 1) % NET_OURS_ROWS) {
		if (n->ours_row[row] == 0)
			return -1;
		if (ip_eq(&n->ours[n->ours_row[row] - 1], a))
			return n->ours_row[row] - 1;
	}
}

bool net_is_ours(const struct net *n, const struct ip_addr *a)
{
	return net_own_number(n, a) >= 0;
}

const struct ip_addr *net_own(const struct net *n, uint16_t i)
{
	return &n->ours[i];
}

static void suspect(struct net *n, const struct ip_addr *a)
{
	n->suspects[net_row(a) / 64] |= 1ull << net_row(a) % 64;
}

static void add_ours(struct net *n, const struct ip_addr *a)
{
	uint32_t row = net_row(a);

	suspect(n, a);
	if (net_is_ours(n, a))
		return;
	while (n->ours_row[row])
		row = (row + 1) % NET_OURS_ROWS;
	n->ours[n->n_ours++] = *a;
	n->ours_row[row] = (uint16_t)n->n_ours;
}

/* RFC 4291 appendix A: the MAC address with ff:fe in the middle and the universal bit turned. */
static struct node_prefix link_local(const uint8_t *mac)
{
	struct node_prefix p = {.len = 64};

	p.addr = (struct ip_addr){.b = {0xfe, 0x80, [11] = 0xff, [12] = 0xfe}};
	memcpy(p.addr.b + 8, mac, 3);
	memcpy(p.addr.b + 13, mac + 3, 3);
	p.addr.b[8] ^= 2;
	return p;
}

/* A /31 (RFC 3021) and a /32 have no broadcast address. */
static void add_broadcast(struct net_link *l, const struct node_prefix *p)
{
	uint32_t bits = 128u - p->len;

	if (!ip_is_v4(&p->addr) || bits < 2 || bits > 32)
		return;
	l->broadcasts[l->n_broadcasts++] =
		p->addr.w[3] | __builtin_bswap32((uint32_t)((1ull << bits) - 1));
}

static void link_init(struct net *n, struct net_link *l, const struct net_port *conf)
{
	struct node_prefix own = link_local(conf->mac);

	l->conf = *conf;
	memcpy(&l->mac, conf->mac, MAC_LEN);
	l->l2_len = conf->vlan ? ETH_LEN + VLAN_LEN : ETH_LEN;
	l->tag = __builtin_bswap32((uint32_t)ETH_TYPE_VLAN << 16 | conf->vlan);
	for (uint32_t i = 0; i < conf->n_addrs; i++) {
		l->addrs[l->n_addrs++] = conf->addrs[i];
		add_broadcast(l, &conf->addrs[i]);
	}
	if (!net_link_has(l, &own.addr))
		l->addrs[l->n_addrs++] = own;
	for (uint32_t i = 0; i < l->n_addrs; i++)
		add_ours(n, &l->addrs[i].addr);
	for (uint32_t i = 0; i < l->n_broadcasts; i++) {
		struct ip_addr a = ip_from_v4(l->broadcasts[i]);

		suspect(n, &a);
	}
}

/*
 * The key of the neighbour table. Only addresses on our own links get into that table, and a bucket
 * holds no more than the table does, so what can be learned of the address layout is secret enough.
 */
static struct hash_key neigh_key(const struct net *n)
{
	struct hash_key key = {{(uint64_t)(uintptr_t)n, n->links[0].mac}};
	struct hash_state s = hash_start(&key);

	return (struct hash_key){{hash_end(&s), (uint64_t)(uintptr_t)n->pool}};
}

/* NOLINTNEXTLINE(readability-function-size): seven things a worker has by then, one call */
struct net *net_init(void *memory, uint32_t max_neighs, const struct node *node,
                     const struct net_port *ports, struct buf_pool *pool, bool answers,
                     uint64_t *counters)
{
	struct net *n = memory;

	memset(n, 0, offsetof(struct net, out));
	for (uint32_t i = 0; i < NODE_PORTS_MAX; i++)
		n->out[i].n = n->out[i].n_pieces = 0;
	n->node = node;
	n->pool = pool;
	n->counters = counters;
	n->answers = answers;
	n->n_links = node->n_ports;
	for (uint32_t i = 0; i < n->n_links; i++)
		link_init(n, &n->links[i], &ports[i]);
	n->key = neigh_key(n);
	timer_init(&n->wheel, 0);
	slab_init(&n->waits, n->wait_memory, NET_WAIT_MAX, sizeof(struct net_wait));
	net_neigh_init(n, (uint8_t *)memory + round64(sizeof(*n)), max_neighs);
	if (!net_route_init(n))
		return NULL;
	n->announce.kind = NET_TIMER_ANNOUNCE;
	n->announce_left = NET_ANNOUNCE_TIMES;
	if (answers)
		timer_arm(&n->wheel, &n->announce, 0);
	return n;
}

void net_fini(struct net *n)
{
	net_neigh_fini(n);
	for (uint32_t i = 0; i < n->n_links; i++) {
		for (uint32_t k = 0; k < n->out[i].n; k++)
			buf_free(n->out[i].tx[k].buf);
		for (uint32_t k = 0; k < n->out[i].n_pieces; k++)
			buf_free(n->out[i].piece[k].buf);
		n->out[i].n = n->out[i].n_pieces = 0;
	}
}

enum drop net_input(struct net *n, struct pkt *p, uint64_t now_us)
{
	enum drop end;

	n->now_us = now_us;
	if (p->kind == PKT_ICMP)
		return net_icmp_input(n, p);
	end = p->kind == PKT_ARP ? net_arp_input(n, p) : net_ndp_input(n, p);
	buf_free(p->buf);
	return end;
}

const struct ip_addr *net_source(struct net *n, const struct ip_addr *dst)
{
	const struct net_route *r;
	struct ip_addr hop;

	r = net_route_find(n, NULL, dst, &hop);
	if (!r)
		return NULL;
	/* beside the gateway, unless the gateway's address is a link-local one: those do not travel */
	return net_link_source(&n->links[r->port], net_is_link_local(&hop) ? dst : &hop);
}

static void announce(struct net *n)
{
	for (uint32_t port = 0; port < n->n_links; port++) {
		const struct net_link *l = &n->links[port];

		net_mld_announce(n, port);
		for (uint32_t i = 0; i < l->n_addrs; i++) {
			if (ip_is_v4(&l->addrs[i].addr))
				net_arp_announce(n, port, &l->addrs[i].addr);
			else
				net_ndp_announce(n, port, &l->addrs[i].addr);
		}
	}
	if (--n->announce_left)
		timer_arm(&n->wheel, &n->announce, n->now_us + NET_ANNOUNCE_US);
}

static void fire(void *arg, struct timer *t, uint64_t now_us)
{
	struct net *n = arg;

	(void)now_us;
	if (t->kind == NET_TIMER_ANNOUNCE)
		announce(n);
	else
		net_neigh_timer(n, (struct neigh *)((uint8_t *)t - offsetof(struct neigh, timer)));
}

void net_tick(struct net *n, uint64_t now_us)
{
	n->now_us = now_us;
	timer_turn(&n->wheel, now_us, fire, n);
}

uint64_t net_next(const struct net *n)
{
	return timer_next(&n->wheel);
}

void net_follow_fragments(struct net *n)
{
	n->fragments = true;
}

struct net_out *net_out(struct net *n, uint32_t port)
{
	return &n->out[port];
}
