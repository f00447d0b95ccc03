/* SPDX-License-Identifier: BSD-3-Clause */
#include "l4.h"

#include <rte_byteorder.h>
#include <rte_cycles.h>
#include <rte_ethdev.h>
#include <rte_ether.h>
#include <rte_ip.h>
#include <rte_tcp.h>
#include <rte_udp.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LOOK_EVERY 16  /* packets: looking at one costs more than all the rest */
#define LOST_MS    200 /* nothing came for so long: what is on its way is lost */
#define OPEN_S     60  /* to open all flows */
#define STAY_US    1000000
#define ISN        1000u
#define DATA       6u /* bytes of TCP's payload: the shortest frame is full */

struct l4_frame {
	struct rte_ether_hdr eth;
	struct rte_ipv4_hdr ip;
	union {
		struct {
			struct rte_tcp_hdr tcp;
			uint32_t tcp_flow;
		} __rte_packed;
		struct {
			struct rte_udp_hdr udp;
			uint32_t udp_flow;
		} __rte_packed;
	};
} __rte_packed __rte_aligned(2);

static bool is_udp(const struct l4 *l)
{
	return l->form.kind == L4_UDP;
}

static uint32_t halves(uint32_t word)
{
	return (word & 0xffff) + (word >> 16);
}

/* ---- clients: frames from a template ------------------------------------------------------- */

static uint16_t l4_sum(const struct rte_ipv4_hdr *ip)
{
	size_t len = rte_be_to_cpu_16(ip->total_length) - sizeof(*ip);

	return wire_fold(rte_ipv4_phdr_cksum(ip, 0) + rte_raw_cksum(ip + 1, len));
}

/* Checksums are sums yet, of all but the fields that change. */
static void prepare(struct l4 *l)
{
	struct l4_frame *t = (struct l4_frame *)l->frame;

	memset(l->frame, 0, sizeof(l->frame));
	memcpy(&t->eth.dst_addr, l->edge->peer_mac, 6);
	memcpy(&t->eth.src_addr, l->edge->mac, 6);
	t->eth.ether_type = RTE_BE16(RTE_ETHER_TYPE_IPV4);
	t->ip = (struct rte_ipv4_hdr){.version_ihl = RTE_IPV4_VHL_DEF,
	                              .total_length = RTE_BE16(L4_FRAME - sizeof(t->eth)),
	                              .time_to_live = 64,
	                              .next_proto_id = is_udp(l) ? IPPROTO_UDP : IPPROTO_TCP,
	                              .dst_addr = rte_cpu_to_be_32(l->form.vip)};
	if (is_udp(l)) {
		t->udp = (struct rte_udp_hdr){
			.dst_port = rte_cpu_to_be_16(l->form.port),
			.dgram_len = RTE_BE16(L4_FRAME - sizeof(t->eth) - sizeof(t->ip))};
		t->udp.dgram_cksum = l4_sum(&t->ip);
	} else {
		t->tcp = (struct rte_tcp_hdr){.dst_port = rte_cpu_to_be_16(l->form.port),
		                              .sent_seq = rte_cpu_to_be_32(ISN + 1),
		                              .recv_ack = RTE_BE32(1),
		                              .data_off = 5 << 4,
		                              .tcp_flags = SEG_ACK | SEG_PSH,
		                              .rx_win = 0xffff};
		t->tcp.cksum = l4_sum(&t->ip);
	}
	t->ip.hdr_checksum = rte_raw_cksum(&t->ip, sizeof(t->ip));
}

static uint32_t client_address(const struct l4 *l, uint32_t flow)
{
	return rte_cpu_to_be_32(l->form.client + flow / L4_PORTS);
}

static uint16_t client_port(uint32_t flow)
{
	return rte_cpu_to_be_16((uint16_t)(L4_PORT_FIRST + flow % L4_PORTS));
}

static void write_frame(const struct l4 *l, struct rte_mbuf *m, uint32_t flow)
{
	struct l4_frame *t = rte_pktmbuf_mtod(m, struct l4_frame *);
	uint32_t address = client_address(l, flow), sum = halves(address) + halves(flow);
	uint16_t port = client_port(flow);

	memcpy(t, l->frame, sizeof(l->frame));
	t->ip.src_addr = address;
	t->ip.hdr_checksum = (uint16_t)~wire_fold(t->ip.hdr_checksum + halves(address));
	if (is_udp(l)) {
		t->udp.src_port = port;
		t->udp_flow = flow;
		t->udp.dgram_cksum = (uint16_t)~wire_fold(t->udp.dgram_cksum + sum + port);
		t->udp.dgram_cksum = t->udp.dgram_cksum ? t->udp.dgram_cksum : 0xffff; /* RFC 768 */
	} else {
		t->tcp.src_port = port;
		t->tcp_flow = flow;
		t->tcp.cksum = (uint16_t)~wire_fold(t->tcp.cksum + sum + port);
	}
	m->data_len = L4_FRAME;
	m->pkt_len = L4_FRAME;
}

/* ---- what goes back ------------------------------------------------------------------------ */

static void turn_round(const struct wire *w, struct l4_frame *t)
{
	uint32_t address = t->ip.src_addr;
	uint16_t port = t->tcp.src_port;

	memcpy(&t->eth.dst_addr, w->peer_mac, 6);
	memcpy(&t->eth.src_addr, w->mac, 6);
	t->ip.src_addr = t->ip.dst_addr;
	t->ip.dst_addr = address;
	t->tcp.src_port = t->tcp.dst_port;
	t->tcp.dst_port = port;
}

/* A segment that answers the one in the frame, with len bytes of data, of which the first four are the flow's. */
static void make_answer(struct rte_mbuf *m, struct l4_frame *t, uint8_t flags, uint16_t len)
{
	uint16_t got =
		(uint16_t)(rte_be_to_cpu_16(t->ip.total_length) - sizeof(t->ip) - sizeof(t->tcp));
	uint32_t seq = t->tcp.recv_ack, end = rte_be_to_cpu_32(t->tcp.sent_seq) + got;

	end += (t->tcp.tcp_flags & (SEG_SYN | SEG_FIN)) != 0;
	t->tcp.sent_seq = seq;
	t->tcp.recv_ack = rte_cpu_to_be_32(end);
	t->tcp.tcp_flags = flags;
	t->ip.total_length = rte_cpu_to_be_16((uint16_t)(sizeof(t->ip) + sizeof(t->tcp) + len));
	t->ip.time_to_live = 64;
	t->ip.hdr_checksum = 0;
	t->ip.hdr_checksum = rte_ipv4_cksum(&t->ip);
	memset((uint8_t *)&t->tcp_flow + sizeof(t->tcp_flow), 0, DATA - sizeof(t->tcp_flow));
	t->tcp.cksum = 0;
	t->tcp.cksum = (uint16_t)~l4_sum(&t->ip);
	m->data_len = L4_FRAME;
	m->pkt_len = L4_FRAME;
}

static void send_all(struct wire *w, struct rte_mbuf **m, uint16_t n)
{
	uint16_t sent = 0;

	w->tx += n;
	while (sent < n)
		sent += rte_eth_tx_burst(w->port_id, 0, m + sent, (uint16_t)(n - sent));
}

/* ---- looking closely ----------------------------------------------------------------------- */

static void wrong(struct l4 *l, const char *what)
{
	if (!l->wrong++)
		l->what = what;
}

static uint32_t flow_of(const struct l4 *l, const struct l4_frame *t)
{
	return is_udp(l) ? t->udp_flow : t->tcp_flow;
}

static bool has_data(const struct l4 *l, const struct l4_frame *t)
{
	return is_udp(l) || t->tcp.tcp_flags & SEG_PSH;
}

static void look(struct l4 *l, const struct l4_frame *t)
{
	l->looked_at++;
	if (rte_ipv4_cksum(&t->ip) != 0)
		wrong(l, "IP checksum");
	if (l4_sum(&t->ip) != 0xffff)
		wrong(l, "checksum of layer 4");
	if (has_data(l, t) && flow_of(l, t) >= l->form.flows)
		wrong(l, "data");
}

/* A flow's endpoint and port at the back: those that it had at first. */
static void look_at_way(struct l4 *l, const struct l4_frame *t)
{
	uint32_t endpoint = rte_be_to_cpu_32(t->ip.dst_addr) - l->form.server, way;

	if (l->form.plain)
		return;
	if (endpoint >= l->form.endpoints || rte_be_to_cpu_16(t->tcp.dst_port) != l->form.port)
		wrong(l, "endpoint");
	if (l->form.kind == L4_CONNECT || !has_data(l, t) || flow_of(l, t) >= l->form.flows)
		return;
	way = (endpoint << 16 | t->tcp.src_port) + 1;
	if (!l->seen[flow_of(l, t)])
		l->opened++;
	else if (l->seen[flow_of(l, t)] != way)
		wrong(l, "another endpoint or port than at first");
	l->seen[flow_of(l, t)] = way;
}

static void look_at_answer(struct l4 *l, const struct l4_frame *t)
{
	uint32_t flow = flow_of(l, t);

	look(l, t);
	if (t->ip.src_addr != rte_cpu_to_be_32(l->form.vip) ||
	    t->tcp.src_port != rte_cpu_to_be_16(l->form.port))
		wrong(l, "source of an answer");
	if (has_data(l, t) && flow < l->form.flows &&
	    (t->ip.dst_addr != client_address(l, flow) || t->tcp.dst_port != client_port(flow)))
		wrong(l, "answer to another client");
	if (!is_udp(l) && t->tcp.tcp_flags & SEG_SYN && t->tcp.recv_ack != RTE_BE32(ISN + 1))
		wrong(l, "acknowledgement number");
}

/* ---- arriving ------------------------------------------------------------------------------ */

static bool is_ours(const struct l4 *l, const struct l4_frame *t)
{
	return t->eth.ether_type == RTE_BE16(RTE_ETHER_TYPE_IPV4) &&
	       t->ip.next_proto_id == (is_udp(l) ? IPPROTO_UDP : IPPROTO_TCP);
}

/* ARP, announcements */
static void take_other(struct wire *w, struct rte_mbuf *m)
{
	struct segment s;

	wire_parse(w, m, &s);
	rte_pktmbuf_free(m);
	wire_flush(w);
}

static void heard(struct l4 *l, uint64_t now)
{
	l->in_flight -= l->in_flight > 0;
	l->heard_tsc = now;
}

/* At an endpoint; true: it goes back. */
static bool serve(struct l4 *l, struct rte_mbuf *m, struct l4_frame *t, uint64_t now)
{
	bool opening = l->opened < l->form.flows && !l->form.plain;

	if (opening || l->arrived % LOOK_EVERY == 0)
		look_at_way(l, t);
	if (l->arrived++ % LOOK_EVERY == 0)
		look(l, t);
	if (l->form.kind != L4_CONNECT && has_data(l, t)) {
		if (l->form.answer || opening) {
			turn_round(l->back, t);
			return true;
		}
		heard(l, now);
		return false;
	}
	turn_round(l->back, t);
	if (t->tcp.tcp_flags & SEG_SYN)
		make_answer(m, t, SEG_SYN | SEG_ACK, 0);
	else if (t->tcp.tcp_flags & SEG_PSH)
		make_answer(m, t, SEG_FIN | SEG_PSH | SEG_ACK, DATA);
	else
		make_answer(m, t, SEG_ACK, 0);
	return true;
}

/* At a client; true: it goes back. */
static bool take_answer(struct l4 *l, struct rte_mbuf *m, struct l4_frame *t, uint64_t now)
{
	if (l->answered++ % LOOK_EVERY == 0)
		look_at_answer(l, t);
	l->heard_tsc = now;
	if (!is_udp(l) && t->tcp.tcp_flags & SEG_SYN) {
		uint32_t flow = (rte_be_to_cpu_32(t->ip.dst_addr) - l->form.client) * L4_PORTS +
		                rte_be_to_cpu_16(t->tcp.dst_port) - L4_PORT_FIRST;

		turn_round(l->edge, t);
		t->tcp_flow = flow;
		make_answer(m, t, SEG_PSH | SEG_ACK, DATA);
		return true;
	}
	if (l->form.kind == L4_CONNECT && t->tcp.tcp_flags & SEG_FIN) {
		turn_round(l->edge, t);
		make_answer(m, t, SEG_FIN | SEG_ACK, 0);
		return true;
	}
	heard(l, now);
	l->done++;
	return false;
}

typedef bool take_fn(struct l4 *l, struct rte_mbuf *m, struct l4_frame *t, uint64_t now);

static uint16_t receive(struct l4 *l, struct wire *w, take_fn *take, uint64_t now)
{
	struct rte_mbuf *m[WIRE_BURST], *back[WIRE_BURST], *done[WIRE_BURST];
	uint16_t n = rte_eth_rx_burst(w->port_id, 0, m, WIRE_BURST), n_back = 0, n_done = 0;

	for (uint16_t i = 0; i < n; i++)
		rte_prefetch0(rte_pktmbuf_mtod(m[i], void *));
	for (uint16_t i = 0; i < n; i++) {
		struct l4_frame *t = rte_pktmbuf_mtod(m[i], struct l4_frame *);

		if (!is_ours(l, t))
			take_other(w, m[i]);
		else if (take(l, m[i], t, now))
			back[n_back++] = m[i];
		else
			done[n_done++] = m[i];
	}
	w->rx += n;
	send_all(w, back, n_back);
	rte_pktmbuf_free_bulk(done, n_done);
	return n;
}

/* ---- sending ------------------------------------------------------------------------------- */

static uint32_t next_flow(struct l4 *l)
{
	if (l->form.random) { /* Knuth's MMIX generator; the upper bits are the good ones */
		l->random = l->random * 6364136223846793005u + 1442695040888963407u;
		return (uint32_t)((l->random >> 32) * l->form.flows >> 32);
	}
	l->next = l->next + 1 < l->form.flows ? l->next + 1 : 0;
	return l->next;
}

static void begin_connection(struct rte_mbuf *m)
{
	struct l4_frame *t = rte_pktmbuf_mtod(m, struct l4_frame *);

	t->tcp.sent_seq = RTE_BE32(0);
	t->tcp.recv_ack = RTE_BE32(ISN);
	t->ip.total_length = RTE_BE16(sizeof(t->ip) + sizeof(t->tcp));
	t->tcp.tcp_flags = 0;
	make_answer(m, t, SEG_SYN, 0);
}

static void send_more(struct l4 *l, uint32_t most, bool connect)
{
	struct rte_mbuf *m[WIRE_BURST];
	uint32_t room = l->form.inflight - RTE_MIN(l->in_flight, l->form.inflight);
	uint16_t n = (uint16_t)RTE_MIN(RTE_MIN(room, most), (uint32_t)WIRE_BURST);

	if (!n || rte_pktmbuf_alloc_bulk(l->edge->pool, m, n))
		return;
	for (uint16_t i = 0; i < n; i++) {
		write_frame(l, m[i], next_flow(l));
		if (connect)
			begin_connection(m[i]);
	}
	send_all(l->edge, m, n);
	l->in_flight += n;
	l->sent += n;
}

static void look_for_losses(struct l4 *l, uint64_t now)
{
	if (!l->in_flight)
		l->heard_tsc = now;
	if (now - l->heard_tsc < rte_get_tsc_hz() / 1000 * LOST_MS)
		return;
	l->lost += l->in_flight;
	l->in_flight = 0;
}

static void hear_all(struct l4 *l, uint64_t now)
{
	uint16_t n = receive(l, l->back, serve, now);

	n = (uint16_t)(n + receive(l, l->edge, take_answer, now));
	l->turns++;
	l->idle_turns += n == 0;
	look_for_losses(l, now);
}

/* ---- the run ------------------------------------------------------------------------------- */

/*
 * A packet or connection for each client's address and each endpoint, one at a time. Of what goes to a neighbour whose MAC
 * address it has yet to ask for, Weir keeps 64 packets and drops the rest, and nobody here sends anything twice.
 */
static void meet(struct l4 *l)
{
	uint32_t clients = (l->form.flows + L4_PORTS - 1) / L4_PORTS;
	uint32_t n = RTE_MAX(clients, l->form.endpoints);

	for (uint32_t i = 0; i < n; i++) {
		l->next = (i % clients * L4_PORTS + i / clients) % l->form.flows;
		send_more(l, 1, !is_udp(l));
		while (l->in_flight)
			hear_all(l, rte_rdtsc());
	}
	l->next = 0;
}

/* Every flow once, and again those that did not get through (the table was full, say). */
static bool open_flows(struct l4 *l)
{
	uint64_t now = rte_rdtsc(), until = now + OPEN_S * rte_get_tsc_hz();
	bool random = l->form.random;

	l->form.random = false;
	meet(l);
	while (l->opened < l->form.flows) {
		uint32_t next = l->next + 1 < l->form.flows ? l->next + 1 : 0;

		now = rte_rdtsc();
		if (now > until)
			return false;
		hear_all(l, now);
		if (l->seen[next])
			l->next = next;
		else
			send_more(l, 1, !is_udp(l));
	}
	l->form.random = random;
	return true;
}

static void run_for(struct l4 *l, double seconds)
{
	uint64_t now = rte_rdtsc(), until = now + (uint64_t)(seconds * (double)rte_get_tsc_hz());

	for (; now < until; now = rte_rdtsc()) {
		hear_all(l, now);
		send_more(l, WIRE_BURST, l->form.kind == L4_CONNECT);
	}
}

static void drain(struct l4 *l)
{
	uint64_t now = rte_rdtsc(), until = now + rte_get_tsc_hz() / 1000 * LOST_MS;

	for (; l->in_flight && now < until; now = rte_rdtsc())
		hear_all(l, now);
	l->lost += l->in_flight;
}

static int report(const struct l4 *l, double seconds)
{
	uint64_t through = l->arrived + l->answered;

	printf("packets/s %.0f\n", (double)through / seconds);
	printf("connections/s %.0f\n", l->form.kind == L4_CONNECT ? (double)l->done / seconds : 0);
	printf("sent %" PRIu64 "\narrived %" PRIu64 "\nanswered %" PRIu64 "\n", l->sent, l->arrived,
	       l->answered);
	printf("lost %" PRIu64 "\nlooked_at %" PRIu64 "\nwrong_packets %" PRIu64 "\n", l->lost,
	       l->looked_at, l->wrong);
	printf("idle_turns_percent %.1f\n", 100.0 * (double)l->idle_turns / (double)l->turns);
	if (l->wrong)
		printf("first_wrong: %s\n", l->what);
	return l->wrong || !l->arrived;
}

int l4_run(struct l4 *l, uint32_t seconds)
{
	uint64_t start;
	double took;
	int status;

	prepare(l);
	l->seen = calloc(l->form.flows, sizeof(*l->seen));
	if (!l->seen)
		return 2;
	l->heard_tsc = rte_rdtsc();
	if (l->form.kind == L4_CONNECT)
		l->opened = l->form.flows;
	if (!l->form.plain && !open_flows(l)) {
		fprintf(stderr, "load: %u of %u flows open\n", l->opened, l->form.flows);
		report(l, 1);
		return 2;
	}
	run_for(l, 0.5);
	l->sent = l->arrived = l->answered = l->done = l->lost = l->turns = l->idle_turns = 0;
	puts("steady");
	fflush(stdout);
	start = rte_rdtsc();
	run_for(l, seconds);
	took = (double)(rte_rdtsc() - start) / (double)rte_get_tsc_hz();
	drain(l);
	free(l->seen);
	l->seen = NULL;
	status = report(l, took);
	fflush(stdout);
	if (l->form.plain) /* a mirror's memif port forgets what it counted when we go */
		rte_delay_us_sleep(STAY_US);
	return status;
}
