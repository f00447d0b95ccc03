/* SPDX-License-Identifier: BSD-3-Clause */
#include "stage_splice.h"

#include "wire.h"

#include <string.h>

#define WITH_TS 0x0101080au /* two NOPs, kind and length: RFC 7323 appendix A */

struct splice *stage_splice(void)
{
	return slab_at(&st.w->splice_slab, 0);
}

static void write_header(uint8_t *l4, uint32_t header, const struct stage_segment *g)
{
	memset(l4, 0, header);
	wire_put32(l4 + TCP_SEQ, g->seq);
	wire_put32(l4 + TCP_ACKNO, g->ack);
	l4[TCP_OFFSET] = (uint8_t)(header << 2);
	l4[TCP_FLAGS] = g->flags;
	wire_put16(l4 + 14, 0xff00); /* window */
	if (header == TCP_LEN)
		return;
	wire_put32(l4 + TCP_LEN, WITH_TS);
	wire_put32(l4 + TCP_LEN + 4, g->tsval);
}

void stage_forge(enum flow_side_id from, const struct stage_segment *g)
{
	static const uint8_t zeros[1500];
	const struct flow_side *f = &stage_splice()->flow->side[from];
	struct host *h = from == FLOW_CLIENT ? &st.client.host : &st.v1.host;
	struct ip_addr src = flow_peer(f);
	uint32_t header = g->tsval ? TCP_LEN + 12 : TCP_LEN;
	struct buf *b = bufs_from(&h->pool, zeros, g->len);
	struct net_segment out = {.src = &src,
	                          .dst = net_own(worker_net(st.w), f->local),
	                          .l4 = b->data - header,
	                          .len = (uint16_t)(header + g->len),
	                          .sum = NET_SUM_UNKNOWN};
	struct net_path path = {0};

	write_header(out.l4, header, g);
	wire_put_be16(out.l4 + TCP_SPORT, f->rport);
	wire_put_be16(out.l4 + TCP_DPORT, f->lport);
	net_send_tcp(h->net, &path, b, &out);
	host_flush(h);
}

void stage_one_more(struct line *c)
{
	stage_v1(0)->len = 0;
	stage_say(c, GET);
	stage_heard(stage_v1(0), GET_UP("1"));
	stage_say(stage_v1(0), OK("hi"));
	stage_heard(c, OK_DOWN("hi"));
}
