/* SPDX-License-Identifier: BSD-3-Clause */
/* Routes and source addresses. Ports and addresses: tests/support/rig.h. */
#include "rig.h"
#include "test.h"

static const struct {
	const char *dst, *hop, *source; /* hop NULL: no route */
	uint8_t port;
} ways[] = {
	{"10.0.0.2", "10.0.0.2", "10.0.0.1", 0},
	{"10.1.0.2", "10.1.0.2", "10.1.0.1", 1},
	{"203.0.113.1", "10.0.0.254", "10.0.0.1", 0},
	{"192.168.255.1", "10.1.0.254", "10.1.0.1", 1},
	{"192.169.0.1", "10.0.0.254", "10.0.0.1", 0},
	{"2001:db8::2", "2001:db8::2", "2001:db8::1", 0},
	{"2001:db8:1::2", "2001:db8:1::2", "2001:db8:1::1", 1},
	{"2001:db8:2::2", "fe80::fe", "2001:db8::1", 0},
	{"fe80::5", "fe80::5", "fe80::ff:fe00:1", 0},
	{"10.0.0.255", NULL, NULL, 0},
	{"10.1.0.255", NULL, NULL, 0},
	{"255.255.255.255", NULL, NULL, 0},
	{"224.0.0.5", NULL, NULL, 0},
	{"ff02::1", NULL, NULL, 0},
	{"10.1.0.1", NULL, NULL, 0},
	{"2001:db8::1", NULL, NULL, 0},
};

static void ways_to_destinations(void **state)
{
	struct rig r;

	(void)state;
	rig_init(&r);
	rig_start(&r, true, 64);
	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
		struct ip_addr dst = rig_addr(ways[i].dst), hop, want;
		const struct net_route *route = net_route_find(r.net, NULL, &dst, &hop);
		const struct ip_addr *source = net_source(r.net, &dst);

		if (!ways[i].hop) {
			assert_null(route);
			assert_null(source);
			continue;
		}
		assert_non_null(route);
		assert_int_equal(route->port, ways[i].port);
		want = rig_addr(ways[i].hop);
		assert_true(ip_eq(&hop, &want));
		want = rig_addr(ways[i].source);
		assert_true(ip_eq(source, &want));
	}
	rig_stop(&r);
}

static void our_address_tells_the_link(void **state)
{
	struct ip_addr dst = rig_addr("fe80::5"), src0 = rig_addr("fe80::ff:fe00:1"),
		       src1 = rig_addr("fe80::ff:fe00:101"), hop;
	struct rig r;

	(void)state;
	rig_init(&r);
	rig_start(&r, true, 64);
	assert_int_equal(net_route_find(r.net, &src0, &dst, &hop)->port, 0);
	assert_int_equal(net_route_find(r.net, &src1, &dst, &hop)->port, 1);
	rig_stop(&r);
}

static void default_route_of_length_0_by_its_next_hop(void **state)
{
	struct ip_addr dst = rig_addr("203.0.113.1"), dst6 = rig_addr("2001:db8:2::2"), hop;
	struct rig r;

	(void)state;
	rig_init(&r);
	r.node.n_routes = 1;
	r.node.routes[0].dst = (struct node_prefix){0};
	rig_start(&r, true, 64);
	assert_non_null(net_route_find(r.net, NULL, &dst, &hop));
	assert_null(net_route_find(r.net, NULL, &dst6, &hop));
	rig_stop(&r);
}

static void next_hop_must_be_on_link(void **state)
{
	struct rig r;

	(void)state;
	rig_init(&r);
	r.node.routes[0].via = rig_addr("10.0.1.254");
	rig_start(&r, true, 64);
	assert_null(r.net);
	r.node.routes[0].via = rig_addr("10.0.0.254");
	r.node.routes[0].port = 1;
	rig_start(&r, true, 64);
	assert_null(r.net);
	r.node.routes[0].port = 2;
	rig_start(&r, true, 64);
	assert_null(r.net);
}

static void prefixes_of_any_length(void **state)
{
	struct node_prefix p = {rig_addr("10.11.12.13"), 128};
	struct ip_addr a;

	(void)state;
	for (uint32_t bit = 96; bit < 128; bit++) {
		a = p.addr;
		a.b[bit / 8] ^= (uint8_t)(0x80 >> bit % 8);
		for (uint8_t len = 96; len < 128; len++) {
			p.len = len;
			assert_int_equal(net_prefix_has(&p, &a), bit >= len);
		}
	}
	p = (struct node_prefix){.len = 0}; /* of IPv6: has no IPv4 address */
	assert_false(net_prefix_has(&p, &a));
	a = rig_addr("2001:db8::1");
	assert_true(net_prefix_has(&p, &a));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ways_to_destinations),
		cmocka_unit_test(our_address_tells_the_link),
		cmocka_unit_test(default_route_of_length_0_by_its_next_hop),
		cmocka_unit_test(next_hop_must_be_on_link),
		cmocka_unit_test(prefixes_of_any_length),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
