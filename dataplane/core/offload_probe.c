/* SPDX-License-Identifier: BSD-3-Clause */
/* Before anything is offloaded: how much can be. */
#include "offload.h"

#define ENTRIES_A_FLOW 8 /* one entry for so many flows: few are heavy at once */
#define ENTRIES_LEAST  64
#define ENTRIES_MOST   65536

uint32_t offload_entries(const struct node *node)
{
	uint32_t n = node->limits.flows / ENTRIES_A_FLOW;

	if (node->offload.level == OFFLOAD_NONE || node->limits.flows == 0)
		return 0;
	if (n < ENTRIES_LEAST)
		return ENTRIES_LEAST;
	return n > ENTRIES_MOST ? ENTRIES_MOST : n;
}

static void sample_addr(struct ip_addr *a, bool v4, uint8_t last)
{
	*a = (struct ip_addr){.b = {0x20, 0x01, 0x0d, 0xb8}}; /* RFC 3849 */
	if (v4)
		*a = ip_from_v4(__builtin_bswap32(0xc0000200)); /* RFC 5737 */
	a->b[15] = last;
}

void offload_sample(struct offload_rule *r, enum offload_kind kind, uint8_t in_port,
                    uint8_t out_port)
{
	bool v4 = kind == OFFLOAD_TCP4 || kind == OFFLOAD_UDP4;

	*r = (struct offload_rule){.in_port = in_port,
	                           .out_port = out_port,
	                           .udp = kind == OFFLOAD_UDP4 || kind == OFFLOAD_UDP6,
	                           .in_mac = {2, 0, 0, 0, 0, 1},
	                           .out_src_mac = {2, 0, 0, 0, 0, 2},
	                           .out_dst_mac = {2, 0, 0, 0, 0, 3},
	                           .ttl = 64,
	                           .sport = 80,
	                           .dport = 40000,
	                           .new_sport = 80,
	                           .new_dport = 50000,
	                           .mark = 1};
	sample_addr(&r->src, v4, 1);
	sample_addr(&r->dst, v4, 2);
	sample_addr(&r->new_src, v4, 3);
	sample_addr(&r->new_dst, v4, 4);
}

enum offload_level offload_probe(const struct offload_ops *ops, void *device,
                                 const struct offload_rule *sample, enum offload_level most)
{
	struct offload_rule r = *sample;
	uint32_t level = most;

	if (r.udp && level == OFFLOAD_SPLICE)
		level = OFFLOAD_REWRITE;
	for (; level > OFFLOAD_NONE; level--) {
		r.level = (uint8_t)level;
		r.seq_add = level == OFFLOAD_SPLICE ? 0x12345678 : 0;
		r.ack_add = level == OFFLOAD_SPLICE ? 0x9abcdef0 : 0;
		if (ops->probe(device, &r))
			break;
	}
	return level;
}
