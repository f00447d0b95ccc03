/* SPDX-License-Identifier: BSD-3-Clause */
/* Ways to an endpoint without answers through us, ICMP errors, fragments: forward.c, l4_icmp.c, fragment.c. */
#include "csum.h"
#include "l4_say.h"
#include "steer.h"
#include "tcp_edit.h"

#include <arpa/inet.h>

/* ---- without answers through us --------------------------------------------------------------- */

static void direct_server_return(void **state)
{
	const struct l4_sent *s;

	(void)state;
	r.subsets[0].mode = r.subsets[1].mode = FORWARD_DSR;
	r.split.n_table = 1;
	l4_rig_start(&r);
	L4_IN(&r, "10.0.0.1", "10.0.0.2", 5000, 80, .flags = S, .seq = 100);
	s = sent("10.0.0.1", "10.0.0.2");
	assert_int_equal(s->mac[5], 11);
	assert_int_equal(s->ttl, 64);
	assert_int_equal(s->dport, 80);
	L4_IN(&r, "10.0.0.1", "10.0.0.2", 5000, 80, .flags = A, .seq = 101, .ack = 501);
	assert_int_equal(only_flow()->state, FLOW_ESTABLISHED);
	/* another node had this connection before: taken up in its middle */
	assert_int_equal(L4_IN(&r, "10.0.0.1", "10.0.0.2", 5001, 80, .flags = A, .seq = 101,
	                       .ack = 501, .len = 10),
	                 DROP_FLOW_IN);
	assert_int_equal(r.sent[0].mac[5], 11);
}

static void inside_ip(void **state)
{
	const struct l4_sent *s;

	(void)state;
	r.subsets[0].mode = r.subsets[1].mode = FORWARD_IPIP;
	r.split.n_table = 1;
	l4_rig_start(&r);
	L4_IN(&r, "10.0.0.1", "10.0.0.2", 5000, 80, .flags = S, .seq = 100);
	assert_int_equal(r.n_sent, 1);
	s = &r.sent[0];
	assert_true(is(&s->src, "10.0.0.2") && is(&s->dst, "10.0.0.11"));
	assert_int_equal(s->proto, IP_IPIP);
	assert_int_equal(s->frame[s->l4 + IP4_PROTO], IP_TCP);
	assert_memory_equal(s->frame + s->l4 + IP4_SRC, "\x0a\x00\x00\x01\x0a\x00\x00\x02", 8);
	assert_int_equal(L4_IN(&r, "10.0.0.1", "10.0.0.2", 5000, 80, .flags = A, .seq = 101,
	                       .ack = 501, .len = 1460),
	                 DROP_FLOW_TOO_BIG);
	assert_int_equal(wire_get16(r.sent[0].frame + r.sent[0].l4 + ICMP_MTU), 1480);
}

static void inside_udp(void **state)
{
	const struct l4_sent *s;

	(void)state;
	r.subsets[0].mode = r.subsets[1].mode = FORWARD_GUE;
	r.split.n_table = 1;
	r.endpoints[0].port = htons(6080);
	l4_rig_start(&r);
	L4_IN(&r, "2001:db8::1", "2001:db8::2", 5000, 80, .flags = S, .seq = 100);
	l4_rig_pass(&r, 1000);
	L4_IN(&r, "2001:db8::1", "2001:db8::2", 5000, 80, .flags = S, .seq = 100);
	assert_true(r.n_sent >= 1);
	s = &r.sent[0];
	assert_true(is(&s->dst, "10.0.0.11"));
	assert_int_equal(s->proto, IP_UDP);
	assert_int_equal(s->dport, 6080);
	assert_true(s->sport >= 49152);
	assert_int_equal(s->frame[s->l4 + 8], 0);
	assert_int_equal(s->frame[s->l4 + 9], IP_IP6);
	assert_int_equal(s->frame[s->l4 + 12] >> 4, 6);
	assert_int_equal(wire_get16(s->frame + s->l4 + UDP_LENGTH), 8 + 4 + 40 + 20);
}

static void other_family_needs_a_tunnel(void **state)
{
	(void)state;
	l4_rig_start(&r);
	assert_int_equal(L4_IN(&r, "2001:db8::1", "2001:db8::2", 5000, 80, .flags = S, .seq = 100),
	                 DROP_FLOW_NO_ENDPOINT);
}

/* ---- ICMP, fragments ------------------------------------------------------------------------ */

/* An ICMP error that quotes the packet that went out last. */
static uint16_t icmp_about(const struct l4_sent *s, const char *from, uint8_t code, uint8_t *f)
{
	struct l4_packet_text p = {from, "10.0.0.2", 0, 0, IP_UDP, .len = 0};
	uint32_t quote = s->len - s->l3 > 60 ? 60 : (uint32_t)(s->len - s->l3);
	uint8_t *icmp = f + 34;

	l4_rig_frame(&r, &p, f);
	memset(icmp, 0, 8);
	icmp[0] = ICMP_UNREACHABLE;
	icmp[1] = code;
	wire_put16(icmp + ICMP_MTU, code == ICMP_CODE_TOO_BIG ? 1400 : 0);
	memcpy(icmp + 8, s->frame + s->l3, quote);
	wire_put_be16(icmp + ICMP_CSUM, csum_of(icmp, 8 + quote));
	wire_put16(f + 14 + IP4_TOTAL, (uint16_t)(28 + quote));
	f[14 + IP4_PROTO] = IP_ICMP;
	wire_put16(f + 14 + IP4_CSUM, 0);
	wire_put_be16(f + 14 + IP4_CSUM, csum_of(f + 14, 20));
	return (uint16_t)(14 + 28 + quote);
}

static void translates_errors(void **state)
{
	const struct l4_sent *s;
	struct l4_sent was;
	const char *to;
	uint8_t f[200];
	uint16_t our;

	(void)state;
	l4_rig_start(&r);
	our = open_flow(5000, &to);
	L4_IN(&r, "10.0.0.1", "10.0.0.2", 5000, 80, .flags = A, .seq = 101, .ack = 501, .len = 50);
	was = r.sent[0];
	assert_int_equal(l4_rig_receive(&r, f, icmp_about(&was, "10.0.0.99", ICMP_CODE_TOO_BIG, f)),
	                 DROP_ICMP_FLOW);
	s = sent("10.0.0.2", "10.0.0.1");
	assert_int_equal(wire_get16(s->frame + s->l4 + ICMP_MTU), 1400);
	assert_memory_equal(s->frame + s->l4 + 8 + IP4_SRC, "\x0a\x00\x00\x01\x0a\x00\x00\x02", 8);
	assert_int_equal(csum_of(s->frame + s->l4 + 8, 20), 0);
	assert_int_equal(wire_get16(s->frame + s->l4 + 28), 5000);
	assert_int_equal(wire_get16(s->frame + s->l4 + 30), 80);
	/* and the other way: about what the endpoint sent */
	L4_IN(&r, to, "10.0.0.2", 8080, our, .flags = A, .seq = 501, .ack = 151, .len = 50);
	was = r.sent[0];
	assert_int_equal(l4_rig_receive(&r, f, icmp_about(&was, "10.0.0.98", ICMP_CODE_HOST, f)),
	                 DROP_ICMP_FLOW);
	s = sent("10.0.0.2", to);
	assert_int_equal(wire_get16(s->frame + s->l4 + 28), 8080);
	assert_int_equal(wire_get16(s->frame + s->l4 + 30), our);
	/* a quote that is cut off, or of nobody */
	assert_int_equal(l4_rig_receive(&r, f, icmp_about(&was, "10.0.0.98", 1, f)),
	                 DROP_ICMP_FLOW);
	f[34 + 8 + 20 + 1] ^= 1;
	assert_int_equal(l4_rig_receive(&r, f, 14 + 28 + 60), DROP_ICMP_BAD);
}

static void fragments_follow_their_first(void **state)
{
	const struct l4_sent *s;
	uint16_t our;

	(void)state;
	l4_rig_start(&r);
	assert_int_equal(
		L4_IN(&r, "10.0.0.1", "10.0.0.2", 5000, 53, IP_UDP, .len = 64, .id = 9, .frag = 9),
		DROP_FRAGMENT_LOST);
	assert_int_equal(L4_IN(&r, "10.0.0.1", "10.0.0.2", 5000, 53, IP_UDP, .len = 64, .id = 9,
	                       .frag = IP4_MORE),
	                 DROP_FLOW_IN);
	our = sent("10.0.0.2", "10.0.0.11")->sport;
	assert_int_equal(L4_IN(&r, "10.0.0.1", "10.0.0.2", 0xdead, 0xbeef, IP_UDP, .len = 64,
	                       .id = 9, .frag = 9),
	                 DROP_FLOW_IN);
	assert_int_equal(r.n_sent, 1);
	s = &r.sent[0];
	assert_true(is(&s->dst, "10.0.0.11"));
	assert_int_equal(s->sport, 0xdead); /* payload: not touched */
	assert_int_equal(wire_get16(s->frame + 14 + IP4_ID), 9);
	assert_int_equal(wire_get16(s->frame + 14 + IP4_FRAG), 9);
	assert_int_equal(
		L4_IN(&r, "10.0.0.1", "10.0.0.2", 1, 1, IP_UDP, .len = 64, .id = 10, .frag = 9),
		DROP_FRAGMENT_LOST);
	l4_rig_pass(&r, 7000000);
	assert_int_equal(
		L4_IN(&r, "10.0.0.1", "10.0.0.2", 1, 1, IP_UDP, .len = 64, .id = 9, .frag = 18),
		DROP_FRAGMENT_LOST);
	(void)our;
}

/* Every worker gets a copy of each fragment, for only the first has ports: one of them forwards it. */
static void fragments_of_other_workers(void **state)
{
	struct hash_key key = {{1, 2}};
	struct steer steer;
	uint32_t owned = 0;

	(void)state;
	r.split.n_table = 1;
	l4_rig_start(&r);
	steer_hand_off(&steer, 2, r.node.source_port_min, r.node.source_port_max, &key);
	r.w->steer = &steer;
	r.w->n_workers = 2;
	for (uint16_t i = 0; i < 14; i++) {
		struct pkt p = {.kind = PKT_UDP, .sport = htons(5000 + i), .dport = htons(53)};
		enum drop want, end;

		ip_parse("10.0.0.1", &p.src);
		ip_parse("10.0.0.2", &p.dst);
		want = steer_owner(&steer, &p) == 0 ? DROP_FLOW_IN : DROP_FRAGMENT_OTHER;
		owned += want == DROP_FLOW_IN;
		end = L4_IN(&r, "10.0.0.1", "10.0.0.2", (uint16_t)(5000 + i), 53, IP_UDP, .len = 64,
		            .id = (uint16_t)(9 + i), .frag = IP4_MORE);
		assert_int_equal(end, want);
		assert_int_equal(r.n_sent, want == DROP_FLOW_IN);
		end = L4_IN(&r, "10.0.0.1", "10.0.0.2", 1, 1, IP_UDP, .len = 64,
		            .id = (uint16_t)(9 + i), .frag = 9);
		assert_int_equal(end, want);
	}
	assert_in_range(owned, 1, 13);
	assert_int_equal(r.w->flows.slab.used, owned);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		L4_TEST(direct_server_return),
		L4_TEST(inside_ip),
		L4_TEST(inside_udp),
		L4_TEST(other_family_needs_a_tunnel),
		L4_TEST(translates_errors),
		L4_TEST(fragments_follow_their_first),
		L4_TEST(fragments_of_other_workers),
	};

	return cmocka_run_group_tests_name("l4_ways", tests, NULL, NULL);
}
