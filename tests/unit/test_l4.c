/* SPDX-License-Identifier: BSD-3-Clause */
/* Flows of layer 4, packet by packet: l4_open.c, l4.c, forward.c (support/l4_rig.h draws the stage). */
#include "csum.h"
#include "l4_say.h"
#include "tcp_edit.h"

#include <arpa/inet.h>

static void rewrites_both_ways(void **state)
{
	const struct l4_sent *s;
	const char *to;
	uint16_t our;

	(void)state;
	l4_rig_start(&r);
	our = open_flow(5000, &to);
	assert_in_range(our, 40000, 40999);
	L4_IN(&r, "10.0.0.1", "10.0.0.2", 5000, 80, .flags = A, .seq = 101, .ack = 501, .len = 77);
	s = sent("10.0.0.2", to);
	assert_int_equal(s->sport, our);
	assert_int_equal(s->dport, 8080);
	assert_int_equal(s->seq, 101);
	assert_int_equal(s->ack, 501);
	assert_int_equal(s->ttl, 63);
	assert_int_equal(s->len, 14 + 20 + 20 + 77);
	assert_int_equal(s->frame[14 + 40 + 76], 76);
	L4_IN(&r, to, "10.0.0.2", 8080, our, .flags = A, .seq = 501, .ack = 178, .len = 1000);
	s = sent("10.0.0.2", "10.0.0.1");
	assert_int_equal(s->sport, 80);
	assert_int_equal(s->dport, 5000);
	assert_int_equal(s->mac[5], 1);
	assert_int_equal(only_flow()->state, FLOW_ESTABLISHED);
	assert_int_equal(l4_rig_count(&r, COUNT_FLOWS), 1);
	assert_int_equal(l4_rig_count(&r, COUNT_FLOWS_HALF_OPEN), 0);
}

/* A damaged segment arrives damaged. */
static void repairs_nothing(void **state)
{
	const char *to;

	(void)state;
	l4_rig_start(&r);
	open_flow(5000, &to);
	assert_int_equal(L4_IN(&r, "10.0.0.1", "10.0.0.2", 5000, 80, .flags = A, .seq = 101,
	                       .ack = 501, .len = 9, .bad_sum = true),
	                 DROP_FLOW_IN);
	assert_int_equal(r.n_sent, 1);
	assert_int_not_equal(l4_rig_sum(&r.sent[0]), 0);
}

static void splits_exactly(void **state)
{
	uint32_t seen[2] = {0, 0};
	const char *to;

	(void)state;
	r.node.limits.flows = 2000;
	l4_rig_start(&r);
	for (uint16_t i = 0; i < 1000; i++) {
		open_flow((uint16_t)(1000 + i), &to);
		seen[to[8] == '2']++;
	}
	assert_int_equal(seen[0], 900);
	assert_int_equal(seen[1], 100);
	assert_int_equal(worker_stats(r.w)->dests[1].picks, 100);
	assert_int_equal(worker_stats(r.w)->dests[0].active, 900);
	assert_int_equal(worker_stats(r.w)->endpoints[0].conns, 900);
}

static void ends_by_fin(void **state)
{
	const char *to;
	uint16_t our;

	(void)state;
	l4_rig_start(&r);
	our = open_flow(5000, &to);
	L4_IN(&r, "10.0.0.1", "10.0.0.2", 5000, 80, .flags = F | A, .seq = 101, .ack = 501);
	assert_int_equal(only_flow()->state, FLOW_CLOSING);
	L4_IN(&r, to, "10.0.0.2", 8080, our, .flags = A, .seq = 501, .ack = 102, .len = 500);
	sent("10.0.0.2", "10.0.0.1"); /* half closed: the rest of the answer */
	L4_IN(&r, to, "10.0.0.2", 8080, our, .flags = F | A, .seq = 1001, .ack = 102);
	assert_int_equal(only_flow()->state, FLOW_CLOSED);
	assert_int_equal(worker_stats(r.w)->dests[0].active, 0);
	L4_IN(&r, "10.0.0.1", "10.0.0.2", 5000, 80, .flags = A, .seq = 102, .ack = 1002);
	sent("10.0.0.2", to); /* the last ACK still gets there */
	assert_int_equal(l4_rig_count(&r, COUNT_FLOWS), 0);
	assert_int_equal(l4_rig_count(&r, COUNT_FLOWS_RESTING), 1);
	l4_rig_pass(&r, 22000000);
	assert_int_equal(r.w->flows.slab.used, 0);
	assert_int_equal(l4_rig_count(&r, COUNT_FLOWS_RESTING), 0);
	assert_int_equal(L4_IN(&r, to, "10.0.0.2", 8080, our, .flags = A, .seq = 1002, .ack = 102),
	                 DROP_TCP_NO_CONN);
}

static void ends_by_reset(void **state)
{
	const char *to;
	uint16_t our;

	(void)state;
	l4_rig_start(&r);
	our = open_flow(5000, &to);
	L4_IN(&r, to, "10.0.0.2", 8080, our, .flags = R, .seq = 501);
	sent("10.0.0.2", "10.0.0.1");
	assert_int_equal(only_flow()->state, FLOW_CLOSED);
	/* it was forged: the connection goes on, and so does the flow */
	for (int i = 0; i < 4; i++) {
		l4_rig_pass(&r, 15000000);
		L4_IN(&r, "10.0.0.1", "10.0.0.2", 5000, 80, .flags = A, .seq = 101, .ack = 501,
		      .len = 1);
		sent("10.0.0.2", to);
	}
	assert_int_equal(only_flow()->state, FLOW_ESTABLISHED);
	assert_int_equal(worker_stats(r.w)->dests[0].active, 1);
	assert_int_equal(worker_stats(r.w)->dests[0].picks, 1);
	L4_IN(&r, "10.0.0.1", "10.0.0.2", 5000, 80, .flags = R, .seq = 102);
	l4_rig_pass(&r, 22000000);
	assert_int_equal(r.w->flows.slab.used, 0);
	assert_int_equal(worker_stats(r.w)->dests[0].active, 0);
}

static void refused_by_endpoint(void **state)
{
	const char *to = "10.0.0.11";
	uint16_t our;

	(void)state;
	l4_rig_start(&r);
	L4_IN(&r, "10.0.0.1", "10.0.0.2", 5000, 80, .flags = S, .seq = 100);
	our = r.sent[0].sport;
	L4_IN(&r, to, "10.0.0.2", 8080, our, .flags = R | A, .seq = 0, .ack = 101);
	assert_int_equal(sent("10.0.0.2", "10.0.0.1")->flags, R | A);
	assert_int_equal(r.sent[0].ack, 101);
	/* and the same client comes again at once, to whom is next */
	L4_IN(&r, "10.0.0.1", "10.0.0.2", 5000, 80, .flags = S, .seq = 900);
	assert_int_equal(sent("10.0.0.2", to)->seq, 900);
	assert_int_equal(r.w->flows.slab.used, 1);
}

/* A flood of SYNs pushes out its own, and a flow that was answered stays. */
static void bounded_under_flood(void **state)
{
	const char *to;

	(void)state;
	l4_rig_start(&r);
	open_flow(5000, &to);
	for (uint16_t i = 0; i < 500; i++)
		L4_IN(&r, "10.0.0.77", "10.0.0.2", (uint16_t)(1000 + i), 80, .flags = S, .seq = i);
	assert_int_equal(r.w->flows.slab.used, 17);
	assert_int_equal(l4_rig_count(&r, COUNT_FLOWS_PUSHED_OUT), 500 - 16);
	L4_IN(&r, "10.0.0.1", "10.0.0.2", 5000, 80, .flags = A, .seq = 101, .ack = 501, .len = 5);
	sent("10.0.0.2", to);
	l4_rig_pass(&r, 32000000);
	assert_int_equal(r.w->flows.slab.used, 1);
	assert_int_equal(worker_stats(r.w)->dests[0].active + worker_stats(r.w)->dests[1].active,
	                 1);
}

static void refuses_when_full(void **state)
{
	const char *to;

	(void)state;
	r.node.limits.flows = 4;
	l4_rig_start(&r);
	for (uint16_t i = 0; i < 4; i++)
		open_flow((uint16_t)(5000 + i), &to);
	assert_int_equal(L4_IN(&r, "10.0.0.1", "10.0.0.2", 6000, 80, .flags = S, .seq = 1),
	                 DROP_FLOW_LIMIT);
	assert_int_equal(sent("10.0.0.2", "10.0.0.1")->flags, R | A);
}

/* The only port rests: the new connection begins beyond the old one, without timestamps. */
static void uses_resting_ports(void **state)
{
	static const uint8_t ts[12] = {1, 1, 8, 10, 0, 0, 0, 9, 0, 0, 0, 0};
	static const uint8_t sack[12] = {1, 1, 5, 10, 0, 0x01, 0x02, 0x00, 0, 0x01, 0x03, 0x00};
	const struct l4_sent *s;
	uint32_t isn, shift;
	const char *to;
	uint16_t our;

	(void)state;
	r.node.source_port_max = r.node.source_port_min;
	r.split.n_table = 1;
	l4_rig_start(&r);
	our = open_flow(5000, &to);
	L4_IN(&r, to, "10.0.0.2", 8080, our, .flags = F | A, .seq = 501, .ack = 101);
	assert_int_equal(L4_IN(&r, "10.0.0.1", "10.0.0.2", 5001, 80, .flags = S, .seq = 4000000000),
	                 DROP_FLOW_NO_PORT); /* not while it is only half closed */
	L4_IN(&r, "10.0.0.1", "10.0.0.2", 5000, 80, .flags = F | A, .seq = 101, .ack = 502);
	assert_int_equal(L4_IN(&r, "10.0.0.1", "10.0.0.2", 5001, 80, .flags = S, .seq = 4000000000),
	                 DROP_FLOW_NO_PORT); /* nor while packets of it may be on the way */
	l4_rig_pass(&r, 2000000);
	flow_at(&r.w->flows, 0)->offload = 1;
	assert_int_equal(L4_IN(&r, "10.0.0.1", "10.0.0.2", 5001, 80, .flags = S, .seq = 4000000000),
	                 DROP_FLOW_NO_PORT); /* nor while a rule for it may be in a device */
	flow_at(&r.w->flows, 0)->offload = 0;
	assert_int_equal(L4_IN(&r, "10.0.0.1", "10.0.0.2", 5001, 80, .flags = S, .seq = 4000000000,
	                       .opt = ts, .opt_len = sizeof(ts)),
	                 DROP_FLOW_IN);
	s = sent("10.0.0.2", to);
	isn = s->seq;
	shift = isn - 4000000000u;
	assert_true((int32_t)(isn - 102) > 0);
	assert_int_equal(s->frame[s->l4 + 22], 1);
	assert_int_equal(l4_rig_count(&r, COUNT_FLOW_RESTS), 1);
	L4_IN(&r, to, "10.0.0.2", 8080, our, .flags = S | A, .seq = 7, .ack = isn + 1);
	s = sent("10.0.0.2", "10.0.0.1");
	assert_int_equal(s->ack, 4000000001);
	assert_int_equal(s->seq, 7);
	L4_IN(&r, "10.0.0.1", "10.0.0.2", 5001, 80, .flags = A, .seq = 4000000001, .ack = 8,
	      .len = 3);
	assert_int_equal(sent("10.0.0.2", to)->seq, isn + 1);
	L4_IN(&r, to, "10.0.0.2", 8080, our, .flags = A, .seq = 8, .ack = isn + 1, .opt = sack,
	      .opt_len = sizeof(sack));
	s = sent("10.0.0.2", "10.0.0.1");
	assert_int_equal(wire_get32(s->frame + s->l4 + 24), 0x010200 - shift);
	assert_int_equal(wire_get32(s->frame + s->l4 + 28), 0x010300 - shift);
	assert_int_equal(r.w->flows.slab.used, 1);
}

/* A port rests on while a device may have a rule of its flow, or when the flow was a splice: nobody knows its numbers. */
static void keeps_ports_of_others(void **state)
{
	const char *to;
	uint16_t our;

	(void)state;
	r.node.source_port_max = r.node.source_port_min;
	r.split.n_table = 1;
	l4_rig_start(&r);
	our = open_flow(5000, &to);
	L4_IN(&r, to, "10.0.0.2", 8080, our, .flags = R, .seq = 501);
	l4_rig_pass(&r, 3000000);
	only_flow()->offload = 1;
	assert_int_equal(L4_IN(&r, "10.0.0.1", "10.0.0.2", 5001, 80, .flags = S, .seq = 1),
	                 DROP_FLOW_NO_PORT);
	only_flow()->offload = 0;
	only_flow()->flags |= FLOW_F_SPLICE;
	assert_int_equal(L4_IN(&r, "10.0.0.1", "10.0.0.2", 5001, 80, .flags = S, .seq = 1),
	                 DROP_FLOW_NO_PORT);
	only_flow()->flags &= (uint8_t)~FLOW_F_SPLICE;
	assert_int_equal(L4_IN(&r, "10.0.0.1", "10.0.0.2", 5001, 80, .flags = S, .seq = 1),
	                 DROP_FLOW_IN);
}

/* When a flood has all source ports, those that nobody answered for are taken again. */
static void takes_unanswered_ports(void **state)
{
	(void)state;
	r.node.source_port_max = r.node.source_port_min;
	r.split.n_table = 1;
	l4_rig_start(&r);
	for (uint8_t proto = IP_TCP; proto; proto = proto == IP_TCP ? IP_UDP : 0) {
		uint16_t port = proto == IP_TCP ? 80 : 53;

		assert_int_equal(L4_IN(&r, "10.0.0.77", "10.0.0.2", 5000, port, proto, .flags = S),
		                 DROP_FLOW_IN);
		assert_int_equal(L4_IN(&r, "10.0.0.1", "10.0.0.2", 5000, port, proto, .flags = S),
		                 DROP_FLOW_NO_PORT);
		l4_rig_pass(&r, 2000000);
		assert_int_equal(
			L4_IN(&r, "10.0.0.1", "10.0.0.2", 5000, port, proto, .flags = S, .seq = 77),
			DROP_FLOW_IN);
		if (proto == IP_TCP)
			assert_int_equal(sent("10.0.0.2", "10.0.0.11")->seq, 77);
	}
	assert_int_equal(r.w->flows.slab.used, 2);
	assert_int_equal(l4_rig_count(&r, COUNT_FLOWS_PUSHED_OUT), 2);
	for (uint16_t i = 0; i < 20; i++)
		L4_IN(&r, "10.0.0.1", "10.0.0.2", (uint16_t)(6000 + i), 53, IP_UDP, .len = 1);
	assert_int_equal(r.w->port_tries,
	                 64); /* no packet makes us look for long, again and again */
}

/* A table full of flows that are over, the oldest of which still has a rule in a device: the next one goes. */
static void one_in_a_device_holds_up_nobody(void **state)
{
	static alignas(64) uint8_t memory[4096];
	struct offload_entry *e;
	const char *to;
	uint16_t our;

	(void)state;
	r.node.limits.flows = 2;
	r.split.n_table = 1;
	l4_rig_start(&r);
	for (uint16_t i = 0; i < 2; i++) {
		our = open_flow((uint16_t)(5000 + i), &to);
		L4_IN(&r, to, "10.0.0.2", 8080, our, .flags = R, .seq = 501);
	}
	slab_init(&r.w->offload.slab, memory, 1, sizeof(*e));
	e = slab_get(&r.w->offload.slab);
	*e = (struct offload_entry){.state = OFFLOAD_REMOVING};
	flow_at(&r.w->flows, 0)->offload = 1;
	assert_int_equal(L4_IN(&r, "10.0.0.1", "10.0.0.2", 6000, 80, .flags = S, .seq = 1),
	                 DROP_FLOW_IN);
	assert_int_equal(L4_IN(&r, "10.0.0.1", "10.0.0.2", 6001, 80, .flags = S, .seq = 1),
	                 DROP_FLOW_LIMIT); /* nothing but that one is over */
	l4_rig_pass(&r, 1000000);
	flow_at(&r.w->flows, 0)->offload = 0;
}

/* Who sends from an address that is not its own does not see the endpoint's number, and so cannot open. */
static void opened_by_who_saw_the_answer(void **state)
{
	uint16_t our;

	(void)state;
	r.split.n_table = 1;
	l4_rig_start(&r);
	L4_IN(&r, "10.0.0.1", "10.0.0.2", 5000, 80, .flags = S, .seq = 100);
	our = r.sent[0].sport;
	L4_IN(&r, "10.0.0.1", "10.0.0.2", 5000, 80, .flags = A, .seq = 101, .ack = 1);
	assert_int_equal(only_flow()->state, FLOW_HALF_OPEN);
	L4_IN(&r, "10.0.0.11", "10.0.0.2", 8080, our, .flags = S | A, .seq = 0xfffffffe,
	      .ack = 101);
	L4_IN(&r, "10.0.0.1", "10.0.0.2", 5000, 80, .flags = A, .seq = 101, .ack = 0xfffffffe);
	assert_int_equal(only_flow()->state, FLOW_HALF_OPEN);
	L4_IN(&r, "10.0.0.1", "10.0.0.2", 5000, 80, .flags = A, .seq = 101, .ack = 3000000);
	assert_int_equal(only_flow()->state, FLOW_HALF_OPEN);
	/* the endpoint may have sent early data behind its SYN: RFC 7413 */
	L4_IN(&r, "10.0.0.1", "10.0.0.2", 5000, 80, .flags = A, .seq = 101, .ack = 4000);
	assert_int_equal(only_flow()->state, FLOW_ESTABLISHED);
}

static void clamps_mss(void **state)
{
	static const uint8_t mss[4] = {2, 4, 0x23, 0x00};
	const struct l4_sent *s;

	(void)state;
	l4_rig_start(&r);
	L4_IN(&r, "10.0.0.1", "10.0.0.2", 5000, 80, .flags = S, .seq = 1, .opt = mss, .opt_len = 4);
	s = sent("10.0.0.2", "10.0.0.11");
	assert_int_equal(wire_get16(s->frame + s->l4 + 22), 1460);
}

static void forwards_udp(void **state)
{
	uint16_t our;

	(void)state;
	l4_rig_start(&r);
	L4_IN(&r, "10.0.0.1", "10.0.0.2", 5000, 53, IP_UDP, .len = 30);
	our = sent("10.0.0.2", "10.0.0.11")->sport;
	assert_int_equal(only_flow()->state, FLOW_HALF_OPEN);
	L4_IN(&r, "10.0.0.11", "10.0.0.2", 8080, our, IP_UDP, .len = 33);
	assert_int_equal(sent("10.0.0.2", "10.0.0.1")->sport, 53);
	assert_int_equal(only_flow()->state, FLOW_ESTABLISHED);
	L4_IN(&r, "10.0.0.1", "10.0.0.2", 5000, 53, IP_UDP, .len = 30, .no_sum = true);
	assert_int_equal(wire_get16(r.sent[0].frame + r.sent[0].l4 + UDP_CSUM), 0);
	l4_rig_pass(&r, 50000000);
	assert_int_equal(r.w->flows.slab.used, 1);
	l4_rig_pass(&r, 12000000);
	assert_int_equal(r.w->flows.slab.used, 0);
}

/* Any sum but zero: zero would mean that there is none. */
static void never_sends_a_zero_sum(void **state)
{
	uint16_t our;

	(void)state;
	l4_rig_start(&r);
	L4_IN(&r, "10.0.0.1", "10.0.0.2", 5000, 53, IP_UDP, .len = 2);
	our = r.sent[0].sport;
	for (uint32_t port = 0; port < 65536; port += 1) {
		uint8_t f[128];
		uint16_t len = l4_rig_frame(&r,
		                            &(struct l4_packet_text){"10.0.0.11", "10.0.0.2", 8080,
		                                                     our, IP_UDP, .len = 2},
		                            f);
		uint8_t *udp = f + 34;

		if (port % 97 && port > 300 && port < 65000)
			continue;
		wire_put16(udp + 8, (uint16_t)port);
		wire_put16(udp + UDP_CSUM, 0);
		uint16_t sum = csum_combine(
			csum_add(udp, 10),
			csum_pseudo(&(struct ip_addr){0}, &(struct ip_addr){0}, IP_UDP, 10), 0);
		struct ip_addr a, b;

		ip_parse("10.0.0.11", &a);
		ip_parse("10.0.0.2", &b);
		sum = csum_combine(csum_add(udp, 10), csum_pseudo(&a, &b, IP_UDP, 10), 0);
		sum = csum_finish(sum);
		wire_put_be16(udp + UDP_CSUM, sum ? sum : 0xffff);
		l4_rig_receive(&r, f, len);
		assert_int_equal(r.n_sent, 1);
		assert_int_not_equal(wire_get16(r.sent[0].frame + r.sent[0].l4 + UDP_CSUM), 0);
		assert_int_equal(l4_rig_sum(&r.sent[0]), 0);
	}
}

/* A datagram of QUIC: long header with these ids of 8 bytes, or a short one. */
static enum drop quic(const char *src, uint16_t sport, uint16_t dport, const char *dcid,
                      const char *scid)
{
	struct l4_packet_text p = {src, "10.0.0.2", sport, dport, IP_UDP, .len = 40};
	uint8_t f[128], *q = f + 14 + 20 + 8;
	uint16_t len = l4_rig_frame(&r, &p, f), was = csum_add(q, 40), sum;

	memset(q, 0x40, 40);
	memcpy(q + 1, dcid, 8);
	if (scid) {
		memcpy(q, "\xc0\0\0\0\1\x8", 6);
		memcpy(q + 6, dcid, 8);
		q[14] = 8;
		memcpy(q + 15, scid, 8);
	}
	sum = csum_combine(csum_add(q, 40), (uint16_t)~was, 0);
	tcp_edit_adjust(f + 34 + UDP_CSUM, sum);
	return l4_rig_receive(&r, f, len);
}

static void follows_quic_clients(void **state)
{
	uint16_t our;

	(void)state;
	r.listeners[1].quic = true;
	l4_rig_start(&r);
	for (uint16_t i = 0; i < 9; i++) /* the tenth goes to b */
		L4_IN(&r, "10.0.0.3", "10.0.0.2", (uint16_t)(100 + i), 53, IP_UDP, .len = 5);
	quic("10.0.0.1", 5000, 53, "RandomId", "clientId");
	our = sent("10.0.0.2", "10.0.0.12")->sport;
	quic("10.0.0.12", 8080, our, "clientId", "serverId");
	sent("10.0.0.2", "10.0.0.1");
	/* a NAT gives the client another port, then another address: a would be next */
	quic("10.0.0.1", 5001, 53, "serverId", NULL);
	assert_int_not_equal(sent("10.0.0.2", "10.0.0.12")->sport, our);
	quic("10.0.0.9", 77, 53, "serverId", NULL);
	sent("10.0.0.2", "10.0.0.12");
	assert_int_equal(l4_rig_count(&r, COUNT_QUIC_MOVED), 2);
	/* nobody's id, and too short for one */
	quic("10.0.0.9", 78, 53, "otherId!", NULL);
	sent("10.0.0.2", "10.0.0.11");
	assert_int_equal(L4_IN(&r, "10.0.0.9", "10.0.0.2", 79, 53, IP_UDP, .len = 1), DROP_FLOW_IN);
	assert_int_equal(L4_IN(&r, "10.0.0.9", "10.0.0.2", 80, 53, IP_UDP, .len = 0), DROP_FLOW_IN);
	/* the endpoint is gone, and its place in the tables is another's */
	r.w->endpoints[1].epoch++;
	quic("10.0.0.9", 81, 53, "serverId", NULL);
	sent("10.0.0.2", "10.0.0.11");
}

static void no_listener(void **state)
{
	const struct l4_sent *s;

	(void)state;
	l4_rig_start(&r);
	assert_int_equal(L4_IN(&r, "10.0.0.1", "10.0.0.2", 5000, 54, IP_UDP, .len = 30),
	                 DROP_UDP_NO_LISTENER);
	s = sent("10.0.0.2", "10.0.0.1");
	assert_int_equal(s->proto, IP_ICMP);
	assert_int_equal(s->frame[s->l4], ICMP_UNREACHABLE);
	assert_int_equal(s->frame[s->l4 + 1], ICMP_CODE_PORT);
	assert_memory_equal(s->frame + s->l4 + 8 + 20, "\x13\x88\x00\x36", 4);
	assert_int_equal(L4_IN(&r, "10.0.0.1", "10.0.0.2", 5000, 81, .flags = S),
	                 DROP_TCP_NO_LISTENER);
	assert_int_equal(L4_IN(&r, "10.0.0.1", "10.0.0.2", 5000, 80, .flags = A, .len = 3),
	                 DROP_TCP_NO_CONN);
	r.listeners[0].l4 = NULL;
	assert_int_equal(L4_IN(&r, "10.0.0.1", "10.0.0.2", 5000, 80, .flags = S),
	                 DROP_FLOW_NO_ENDPOINT);
	assert_int_equal(sent("10.0.0.2", "10.0.0.1")->flags, R | A);
}

/* No room for flows at all: nobody takes a connection of layer 4 for one of HTTP. */
static void without_flows(void **state)
{
	(void)state;
	r.node.limits.flows = 0;
	l4_rig_start(&r);
	assert_int_equal(L4_IN(&r, "10.0.0.1", "10.0.0.2", 5000, 80, .flags = S),
	                 DROP_TCP_NO_LISTENER);
	assert_int_equal(sent("10.0.0.2", "10.0.0.1")->flags, R | A);
	assert_int_equal(L4_IN(&r, "10.0.0.1", "10.0.0.2", 5000, 53, IP_UDP, .len = 3),
	                 DROP_UDP_NO_LISTENER);
}

static void errors_are_bounded(void **state)
{
	uint32_t told = 0;

	(void)state;
	l4_rig_start(&r);
	for (int i = 0; i < 1000; i++) {
		L4_IN(&r, "10.0.0.1", "10.0.0.2", 5000, 54, IP_UDP, .len = 30);
		told += r.n_sent;
	}
	assert_in_range(told, 50, 100);
}

static void draining(void **state)
{
	const char *to;

	(void)state;
	l4_rig_start(&r);
	open_flow(5000, &to);
	worker_drain(r.w, true, r.now_us);
	assert_int_equal(L4_IN(&r, "10.0.0.1", "10.0.0.2", 5001, 80, .flags = S),
	                 DROP_FLOW_DRAINING);
	L4_IN(&r, "10.0.0.1", "10.0.0.2", 5000, 80, .flags = A, .seq = 101, .ack = 501, .len = 5);
	sent("10.0.0.2", to);
}

/* The documents change: what is open stays, what is new goes where they say. */
static void stays_through_reloads(void **state)
{
	const char *to;

	(void)state;
	l4_rig_start(&r);
	open_flow(5000, &to);
	r.split.dests = &r.dests[1];
	r.split.n_table = 1;
	r.split.slot.epoch = 2;
	r.snap->generation = 2;
	worker_use(r.w, r.snap);
	L4_IN(&r, "10.0.0.1", "10.0.0.2", 5000, 80, .flags = A, .seq = 101, .ack = 501, .len = 5);
	sent("10.0.0.2", "10.0.0.11");
	L4_IN(&r, "10.0.0.1", "10.0.0.2", 5001, 80, .flags = S, .seq = 5);
	sent("10.0.0.2", "10.0.0.12");
}

/* A flow that is taken up again counts nowhere when its statistics are another's by now. */
static void slots_of_others(void **state)
{
	struct dest_stats *d;
	const char *to;
	uint16_t our;

	(void)state;
	r.split.n_table = 1;
	l4_rig_start(&r);
	our = open_flow(5000, &to);
	L4_IN(&r, to, "10.0.0.2", 8080, our, .flags = R, .seq = 501);
	r.dests[0].stats.epoch = 2;
	r.endpoints[0].slot.epoch = 2;
	open_flow(5001, &to);
	d = &worker_stats(r.w)->dests[0];
	assert_int_equal(d->active, 1);
	L4_IN(&r, "10.0.0.1", "10.0.0.2", 5000, 80, .flags = A, .seq = 101, .ack = 501, .len = 5);
	sent("10.0.0.2", to);
	assert_int_equal(d->epoch, 2);
	assert_int_equal(d->active, 1);
	assert_int_equal(worker_stats(r.w)->endpoints[0].epoch, 2);
	assert_int_equal(worker_stats(r.w)->endpoints[0].active, 1);
	assert_int_equal(l4_rig_count(&r, COUNT_FLOWS), 2);
	l4_rig_pass(&r, 3700000000);
	assert_int_equal(d->active, 0);
	assert_int_equal(worker_stats(r.w)->endpoints[0].conns, 0);
	assert_int_equal(l4_rig_count(&r, COUNT_FLOWS), 0);
}

/* Nor is an endpoint dead because the one was that had its place before. */
static void place_of_the_dead(void **state)
{
	(void)state;
	r.node.times.dead_endpoint_us = 5000000;
	r.split.n_table = 1;
	l4_rig_start(&r);
	L4_IN(&r, "10.0.0.1", "10.0.0.2", 5000, 80, .flags = S, .seq = 100);
	r.w->endpoints[0].dead = true;
	r.endpoints[0].slot.epoch = 2;
	L4_IN(&r, "10.0.0.1", "10.0.0.2", 5001, 80, .flags = S, .seq = 100);
	assert_int_equal(r.w->endpoints[0].epoch, 2);
	assert_false(r.w->endpoints[0].dead);
}

/* The client of a flow that is over comes again, and nobody listens any more: as any other packet. */
static void listener_gone(void **state)
{
	const char *to;
	uint16_t our;

	(void)state;
	l4_rig_start(&r);
	our = open_flow(5000, &to);
	L4_IN(&r, to, "10.0.0.2", 8080, our, .flags = R, .seq = 501);
	r.snap->n_listeners = 0;
	worker_use(r.w, r.snap);
	assert_int_equal(L4_IN(&r, "10.0.0.1", "10.0.0.2", 5000, 80, .flags = S, .seq = 900),
	                 DROP_TCP_NO_LISTENER);
	assert_int_equal(sent("10.0.0.2", "10.0.0.1")->flags, R | A);
	assert_int_equal(r.w->flows.slab.used, 0);
}

static void too_big_and_too_far(void **state)
{
	const struct l4_sent *s;
	const char *to;

	(void)state;
	l4_rig_start(&r);
	open_flow(5000, &to);
	assert_int_equal(L4_IN(&r, "10.0.0.1", "10.0.0.2", 5000, 80, .flags = A, .seq = 101,
	                       .ack = 501, .len = 1461),
	                 DROP_FLOW_TOO_BIG);
	s = sent("10.0.0.2", "10.0.0.1");
	assert_int_equal(s->frame[s->l4], ICMP_UNREACHABLE);
	assert_int_equal(wire_get16(s->frame + s->l4 + ICMP_MTU), 1500);
	assert_int_equal(L4_IN(&r, "10.0.0.1", "10.0.0.2", 5000, 80, .flags = A, .seq = 101,
	                       .ack = 501, .ttl = 1),
	                 DROP_FLOW_TTL);
	s = sent("10.0.0.2", "10.0.0.1");
	assert_int_equal(s->frame[s->l4], ICMP_TIME_EXCEEDED);
}

/* An endpoint that does not answer any more: others get the connections, and it is tried now and then. */
static void leaves_dead_endpoints(void **state)
{
	const char *to;
	uint16_t port = 5000;
	uint32_t tried = 0;

	(void)state;
	r.node.times.dead_endpoint_us = 5000000;
	r.subsets[0].n_endpoints = 2;
	r.subsets[0].policy = BALANCE_ROUND_ROBIN;
	r.split.n_table = 1;
	l4_rig_start(&r);
	for (open_flow(port, &to); to[8] != '1';)
		open_flow(++port, &to);
	for (uint16_t i = 0; i < 40; i++) { /* b answers, a does not */
		L4_IN(&r, "10.0.0.1", "10.0.0.2", (uint16_t)(6000 + i), 80, .flags = S, .seq = 9);
		if (is(&r.sent[0].dst, "10.0.0.12"))
			L4_IN(&r, "10.0.0.12", "10.0.0.2", 8080, r.sent[0].sport, .flags = S | A,
			      .ack = 10);
		l4_rig_pass(&r, 500000);
	}
	assert_true(r.w->endpoints[0].dead);
	for (uint16_t i = 0; i < 10; i++) {
		L4_IN(&r, "10.0.0.1", "10.0.0.2", (uint16_t)(7000 + i), 80, .flags = S, .seq = 9);
		tried += is(&r.sent[0].dst, "10.0.0.11");
	}
	assert_in_range(tried, 0, 1);
	/* what was open to it is cut when the client speaks again */
	assert_int_equal(L4_IN(&r, "10.0.0.1", "10.0.0.2", port, 80, .flags = A, .seq = 101,
	                       .ack = 501, .len = 5),
	                 DROP_FLOW_NO_ENDPOINT);
	assert_int_equal(sent("10.0.0.2", "10.0.0.1")->flags, R);
	assert_int_equal(r.sent[0].seq, 501);
	assert_int_equal(l4_rig_count(&r, COUNT_FLOWS_CUT), 1);
	/* one answer, and it is back */
	l4_rig_pass(&r, 1500000);
	for (uint16_t i = 0; r.w->endpoints[0].dead && i < 4; i++) {
		L4_IN(&r, "10.0.0.1", "10.0.0.2", (uint16_t)(8000 + i), 80, .flags = S, .seq = 9);
		if (is(&r.sent[0].dst, "10.0.0.11"))
			L4_IN(&r, "10.0.0.11", "10.0.0.2", 8080, r.sent[0].sport, .flags = S | A,
			      .ack = 10);
	}
	assert_false(r.w->endpoints[0].dead);
}

/* No answer to new connections, but those that are open go on: they are left alone. */
static void cuts_no_one_who_is_heard(void **state)
{
	const char *to;
	uint16_t our;

	(void)state;
	r.node.times.dead_endpoint_us = 5000000;
	r.split.n_table = 1;
	l4_rig_start(&r);
	our = open_flow(5000, &to);
	for (uint16_t i = 0; i < 40; i++) {
		L4_IN(&r, "10.0.0.1", "10.0.0.2", (uint16_t)(6000 + i), 80, .flags = S, .seq = 9);
		L4_IN(&r, to, "10.0.0.2", 8080, our, .flags = A, .seq = 501, .ack = 101, .len = 1);
		assert_int_equal(L4_IN(&r, "10.0.0.1", "10.0.0.2", 5000, 80, .flags = A, .seq = 101,
		                       .ack = 501, .len = 5),
		                 DROP_FLOW_IN);
		l4_rig_pass(&r, 500000);
	}
	assert_true(r.w->endpoints[0].dead);
	l4_rig_pass(&r, 5000000);
	assert_int_equal(L4_IN(&r, "10.0.0.1", "10.0.0.2", 5000, 80, .flags = A, .seq = 101,
	                       .ack = 501, .len = 5),
	                 DROP_FLOW_NO_ENDPOINT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		L4_TEST(rewrites_both_ways),
		L4_TEST(repairs_nothing),
		L4_TEST(splits_exactly),
		L4_TEST(ends_by_fin),
		L4_TEST(ends_by_reset),
		L4_TEST(refused_by_endpoint),
		L4_TEST(bounded_under_flood),
		L4_TEST(refuses_when_full),
		L4_TEST(uses_resting_ports),
		L4_TEST(keeps_ports_of_others),
		L4_TEST(takes_unanswered_ports),
		L4_TEST(one_in_a_device_holds_up_nobody),
		L4_TEST(opened_by_who_saw_the_answer),
		L4_TEST(clamps_mss),
		L4_TEST(forwards_udp),
		L4_TEST(never_sends_a_zero_sum),
		L4_TEST(follows_quic_clients),
		L4_TEST(no_listener),
		L4_TEST(without_flows),
		L4_TEST(errors_are_bounded),
		L4_TEST(draining),
		L4_TEST(stays_through_reloads),
		L4_TEST(slots_of_others),
		L4_TEST(place_of_the_dead),
		L4_TEST(listener_gone),
		L4_TEST(too_big_and_too_far),
		L4_TEST(leaves_dead_endpoints),
		L4_TEST(cuts_no_one_who_is_heard),
	};

	return cmocka_run_group_tests_name("l4", tests, NULL, NULL);
}
