/* SPDX-License-Identifier: BSD-3-Clause */
/* What the tests of layer 4 on l4_rig.h share: the rig, what went out, a connection that is open. */
#ifndef WEIR_TESTS_L4_SAY_H
#define WEIR_TESTS_L4_SAY_H

#include "l4_rig.h"
#include "test.h"
#include "wire.h"

#define S TCP_FLAG_SYN
#define A TCP_FLAG_ACK
#define F TCP_FLAG_FIN
#define R TCP_FLAG_RST

static struct l4_rig r;

static inline int set_up(void **state)
{
	(void)state;
	l4_rig_init(&r);
	return 0;
}

static inline int tear_down(void **state)
{
	(void)state;
	l4_rig_stop(&r);
	return 0;
}

#define L4_TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

static inline bool is(const struct ip_addr *a, const char *text)
{
	struct ip_addr b;

	return ip_parse(text, &b) && ip_eq(a, &b);
}

/* A packet went out from here to there, whole. */
static inline const struct l4_sent *sent(const char *src, const char *dst)
{
	assert_int_equal(r.n_sent, 1);
	assert_true(is(&r.sent[0].src, src));
	assert_true(is(&r.sent[0].dst, dst));
	assert_int_equal(l4_rig_sum(&r.sent[0]), 0);
	return &r.sent[0];
}

/* Handshake of the client's port; returns the source port towards the endpoint, whose name it gives. */
static inline uint16_t open_flow(uint16_t port, const char **to)
{
	uint16_t our;

	assert_int_equal(L4_IN(&r, "10.0.0.1", "10.0.0.2", port, 80, .flags = S, .seq = 100),
	                 DROP_FLOW_IN);
	assert_int_equal(r.n_sent, 1);
	*to = is(&r.sent[0].dst, "10.0.0.11") ? "10.0.0.11" : "10.0.0.12";
	sent("10.0.0.2", *to);
	assert_int_equal(r.sent[0].dport, 8080);
	assert_int_equal(r.sent[0].flags, S);
	our = r.sent[0].sport;
	L4_IN(&r, *to, "10.0.0.2", 8080, our, .flags = S | A, .seq = 500, .ack = 101);
	sent("10.0.0.2", "10.0.0.1");
	L4_IN(&r, "10.0.0.1", "10.0.0.2", port, 80, .flags = A, .seq = 101, .ack = 501);
	sent("10.0.0.2", *to);
	return our;
}

static inline struct flow *only_flow(void)
{
	assert_int_equal(r.w->flows.slab.used, 1);
	return flow_at(&r.w->flows, 0);
}

#endif
