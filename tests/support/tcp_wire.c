/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The TCP stack on a real wire, alone: an AF_PACKET socket on one interface, net and tcp behind it.
 * For trying it against other systems' stacks, with any program on the other side.
 *
 * tcp_wire IFACE ADDRESS/LEN [connect PEER PORT BYTES]
 *
 *   port 7  echo, 9  discard, 19  sends 64 MiB and closes, 80  answers each connection's first bytes
 *   connect  sends BYTES to the peer, shuts down, reads until the end, prints the count
 */
#include "bufs.h"
#include "tcp.h"

#include "weir/stats.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define NEIGHS      64
#define CHARGEN     (64u << 20)
#define FRAME_BYTES 2048

struct wire {
	int fd;
	int ifindex;
	struct buf_pool pool;
	uint64_t counters[COUNTER_COUNT], ends[DROP_COUNT];
	struct node node;
	struct net_port port;
	struct timer_wheel wheel;
	struct net *net;
	struct tcp_stack *tcp;
	struct tcp_conn *client;
	uint64_t client_left, client_got;
	bool over;
};

/* What a connection has still to do. */
struct user {
	uint16_t port;
	uint64_t left;
	bool shut;
};

static uint64_t now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static void *memory(size_t n)
{
	void *p = aligned_alloc(64, (n + 63) & ~(size_t)63);

	if (!p)
		die("memory");
	memset(p, 0, n);
	return p;
}

static int listen_fn(void *arg, const struct ip_addr *addr, be16_t port)
{
	uint16_t p = ntohs(port);

	(void)arg;
	(void)addr;
	return p == 7 || p == 9 || p == 19 || p == 80 ? p : TCP_LISTEN_NONE;
}

static void open_wire(struct wire *w, const char *iface)
{
	struct ifreq r = {0};
	int rcvbuf = 16 << 20; /* no device drops a whole window */
	struct sockaddr_ll a = {.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL)};

	w->fd = socket(AF_PACKET, SOCK_RAW, htons(ETH_P_ALL));
	if (w->fd < 0)
		die("socket");
	strncpy(r.ifr_name, iface, IFNAMSIZ - 1);
	if (ioctl(w->fd, SIOCGIFINDEX, &r))
		die(iface);
	w->ifindex = a.sll_ifindex = r.ifr_ifindex;
	if (ioctl(w->fd, SIOCGIFHWADDR, &r))
		die(iface);
	memcpy(w->port.mac, r.ifr_hwaddr.sa_data, 6);
	if (setsockopt(w->fd, SOL_SOCKET, SO_RCVBUFFORCE, &rcvbuf, sizeof(rcvbuf)))
		die("SO_RCVBUFFORCE");
	if (bind(w->fd, (struct sockaddr *)&a, sizeof(a)))
		die("bind");
}

static void start(struct wire *w, const char *iface, char *prefix)
{
	struct tcp_config c;
	char *slash = strchr(prefix, '/');

	open_wire(w, iface);
	if (!slash)
		die("ADDRESS/LEN");
	*slash = 0;
	w->pool = bufs_pool(200000);
	w->pool.poison = false;
	w->node.n_ports = 1;
	w->port.mtu = 1500;
	w->port.n_addrs = 1;
	if (!ip_parse(prefix, &w->port.addrs[0].addr))
		die(prefix);
	w->port.addrs[0].len =
		(uint8_t)(atoi(slash + 1) + (ip_is_v4(&w->port.addrs[0].addr) ? 96 : 0));
	timer_init(&w->wheel, now_us());
	w->net = net_init(memory(net_bytes(NEIGHS)), NEIGHS, &w->node, &w->port, &w->pool, true,
	                  w->counters);
	tcp_config_default(&c);
	if (getenv("RCVBUF"))
		c.rcvbuf_bytes = (uint32_t)atoi(getenv("RCVBUF"));
	if (getenv("BACKLOG"))
		c.backlog = (uint32_t)atoi(getenv("BACKLOG"));
	struct tcp_env env = {w->net, &w->pool, &w->wheel, listen_fn, w, w->counters, {0}};

	if (getrandom(env.secret, sizeof(env.secret), 0) < 0)
		die("getrandom");
	w->tcp = tcp_init(memory(tcp_bytes(&c)), &c, &env);
}

static void transmit(struct wire *w)
{
	struct net_out *out = net_out(w->net, 0);
	struct sockaddr_ll a = {.sll_family = AF_PACKET, .sll_ifindex = w->ifindex};

	for (uint32_t i = 0; i < out->n; i++) {
		if (sendto(w->fd, out->tx[i].frame, out->tx[i].len, 0, (struct sockaddr *)&a,
		           sizeof(a)) < 0 &&
		    errno != ENOBUFS)
			die("send");
		buf_free(out->tx[i].buf);
	}
	out->n = 0;
}

static void receive(struct wire *w)
{
	struct net_icmp_error e;
	enum drop end;
	struct pkt p;

	for (int i = 0; i < 64; i++) {
		struct sockaddr_ll from;
		socklen_t len = sizeof(from);
		struct buf *b = buf_alloc(&w->pool);
		ssize_t n;

		if (!b)
			return;
		n = recvfrom(w->fd, b->data, FRAME_BYTES, MSG_DONTWAIT, (struct sockaddr *)&from,
		             &len);
		if (n <= 0 || from.sll_pkttype == PACKET_OUTGOING) {
			buf_free(b);
			if (n <= 0)
				return;
			continue;
		}
		b->len = (uint16_t)n;
		end = net_parse(w->net, b, &p);
		if (end == DROP_COUNT && p.kind == PKT_TCP) {
			end = tcp_input(w->tcp, &p, now_us());
		} else if (end == DROP_COUNT && net_icmp_error(w->net, &p, &e)) {
			tcp_icmp(w->tcp, &e, now_us());
			buf_free(p.buf);
			end = DROP_ICMP_TCP;
		} else if (end == DROP_COUNT) {
			end = net_input(w->net, &p, now_us());
		}
		w->ends[end]++;
	}
}

static void send_filler(struct wire *w, struct tcp_conn *c, uint64_t *left)
{
	while (*left && tcp_send_space(w->tcp, c)) {
		struct buf *b = buf_alloc(&w->pool);

		if (!b)
			return;
		b->len = (uint16_t)(*left < 1448 ? *left : 1448);
		memset(b->data, 'x', b->len);
		*left -= b->len;
		tcp_send(w->tcp, c, b);
	}
}

static void serve(struct wire *w, struct tcp_conn *c, struct user *u)
{
	static const char answer[] = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nhello\n";
	struct buf *b;

	while ((u->port != 7 || tcp_send_space(w->tcp, c)) && (b = tcp_recv(w->tcp, c))) {
		if (u->port == 7) {
			tcp_send(w->tcp, c, b);
			continue;
		}
		if (u->port == 80)
			tcp_send(w->tcp, c, bufs_from(&w->pool, answer, sizeof(answer) - 1));
		if (u->port == 0)
			w->client_got += b->len;
		buf_free(b);
	}
	if (u->port == 19 || u->port == 0)
		send_filler(w, c, &u->left);
	if (u->shut || ((u->port == 19 || u->port == 0) && u->left))
		return;
	if (u->port == 19 || u->port == 0 || (tcp_eof(c) && !tcp_recv_queue(c)->bytes)) {
		u->shut = true;
		tcp_shutdown(w->tcp, c);
	}
}

static void news(struct wire *w)
{
	struct tcp_conn *c;
	uint32_t events;

	while ((c = tcp_next_ready(w->tcp, &events))) {
		struct user *u = tcp_user(c);

		if (events & TCP_EV_ACCEPTED) {
			u = memory(sizeof(*u));
			u->port = (uint16_t)tcp_listener(c);
			u->left = u->port == 19 ? CHARGEN : 0;
			tcp_set_user(c, u);
		}
		serve(w, c, u);
		if (!(events & TCP_EV_CLOSED))
			continue;
		if (c == w->client) {
			printf("closed: why %d, got %llu\n", tcp_why(c),
			       (unsigned long long)w->client_got);
			w->over = true;
		}
		tcp_release(w->tcp, c);
		free(u);
	}
}

static void fire(void *arg, struct timer *t, uint64_t now)
{
	tcp_timer(arg, t, now);
}

static void client(struct wire *w, char **argv)
{
	struct tcp_peer p = {.local = w->port.addrs[0].addr,
	                     .rport = htons((uint16_t)atoi(argv[1]))};
	struct user *u = memory(sizeof(*u));

	if (!ip_parse(argv[0], &p.remote))
		die(argv[0]);
	p.lport = htons(
		(uint16_t)(getenv("LPORT") ? atoi(getenv("LPORT")) : 20000 + getpid() % 10000));
	u->left = strtoull(argv[2], NULL, 0);
	w->client = tcp_connect(w->tcp, &p, 10000000, now_us());
	if (!w->client)
		die("tcp_connect");
	tcp_set_user(w->client, u);
}

static void report(const struct wire *w)
{
	for (uint32_t i = 0; i < COUNTER_COUNT; i++) {
		if (w->counters[i])
			printf("%s %llu\n", counter_name((enum counter)i),
			       (unsigned long long)w->counters[i]);
	}
	for (uint32_t i = 0; i < DROP_COUNT; i++) {
		if (w->ends[i])
			printf("end %s %llu\n", drop_name((enum drop)i),
			       (unsigned long long)w->ends[i]);
	}
}

int main(int argc, char **argv)
{
	static struct wire w;
	struct pollfd p = {.events = POLLIN};
	uint64_t until = UINT64_MAX;

	if (argc != 3 && argc != 7) {
		fprintf(stderr, "usage: %s IFACE ADDRESS/LEN [connect PEER PORT BYTES]\n", argv[0]);
		return 2;
	}
	start(&w, argv[1], argv[2]);
	if (getenv("SECONDS_TO_LIVE"))
		until = now_us() + (uint64_t)atoi(getenv("SECONDS_TO_LIVE")) * 1000000;
	if (argc == 7)
		client(&w, argv + 4);
	p.fd = w.fd;
	while (!w.over && now_us() < until) {
		poll(&p, 1, 1);
		receive(&w);
		net_tick(w.net, now_us());
		timer_turn(&w.wheel, now_us(), fire, w.tcp);
		news(&w);
		tcp_flush(w.tcp, now_us());
		transmit(&w);
	}
	report(&w);
	return 0;
}
