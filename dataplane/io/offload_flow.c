/* SPDX-License-Identifier: BSD-3-Clause */
#include "offload_flow.h"

#include <rte_ether.h>
#include <rte_ip.h>
#include <rte_tcp.h>

#include <netinet/in.h>
#include <string.h>

#define NOT_IN_RULES (RTE_TCP_FIN_FLAG | RTE_TCP_SYN_FLAG | RTE_TCP_RST_FLAG)

/* ---- pattern ------------------------------------------------------------------------------- */

static uint32_t add_item(struct offload_flow *f, enum rte_flow_item_type type)
{
	uint32_t i = f->n_items++;

	f->pattern[i] = (struct rte_flow_item){.type = type};
	if (type == RTE_FLOW_ITEM_TYPE_END)
		return i;
	memset(&f->spec[i], 0, sizeof(f->spec[i]));
	memset(&f->mask[i], 0, sizeof(f->mask[i]));
	f->pattern[i].spec = &f->spec[i];
	f->pattern[i].mask = &f->mask[i];
	return i;
}

/* One that only says that the header is there. */
static void add_plain(struct offload_flow *f, enum rte_flow_item_type type)
{
	uint32_t i = add_item(f, type);

	f->pattern[i].spec = f->pattern[i].mask = NULL;
}

static void add_integrity(struct offload_flow *f, const struct offload_rule *r)
{
	uint32_t i = add_item(f, RTE_FLOW_ITEM_TYPE_INTEGRITY);
	struct rte_flow_item_integrity *m = &f->mask[i].integrity;

	m->l3_ok = 1;
	m->ipv4_csum_ok = ip_is_v4(&r->src);
	m->l4_ok = 1;
	m->l4_csum_ok = 1;
	f->spec[i].integrity = *m;
}

static void add_eth(struct offload_flow *f, const uint8_t *mac, bool tagged)
{
	uint32_t i = add_item(f, RTE_FLOW_ITEM_TYPE_ETH);

	memcpy(f->spec[i].eth.dst.addr_bytes, mac, RTE_ETHER_ADDR_LEN);
	memset(f->mask[i].eth.dst.addr_bytes, 0xff, RTE_ETHER_ADDR_LEN);
	f->spec[i].eth.has_vlan = tagged;
	f->mask[i].eth.has_vlan = 1;
}

static void add_vlan(struct offload_flow *f, uint16_t vlan, uint16_t tci_mask)
{
	uint32_t i = add_item(f, RTE_FLOW_ITEM_TYPE_VLAN);

	f->spec[i].vlan.tci = rte_cpu_to_be_16(vlan);
	f->mask[i].vlan.tci = rte_cpu_to_be_16(tci_mask);
}

static void add_ip4(struct offload_flow *f, const struct offload_rule *r, bool exact)
{
	uint32_t i = add_item(f, RTE_FLOW_ITEM_TYPE_IPV4);
	struct rte_ipv4_hdr *s = &f->spec[i].ip4.hdr, *m = &f->mask[i].ip4.hdr;

	s->src_addr = r->src.w[3];
	s->dst_addr = r->dst.w[3];
	m->src_addr = m->dst_addr = UINT32_MAX;
	if (!exact)
		return;
	s->time_to_live = r->ttl;
	m->time_to_live = UINT8_MAX;
	m->fragment_offset = rte_cpu_to_be_16(RTE_IPV4_HDR_MF_FLAG | RTE_IPV4_HDR_OFFSET_MASK);
}

static void add_ip6(struct offload_flow *f, const struct offload_rule *r, bool exact)
{
	uint32_t i = add_item(f, RTE_FLOW_ITEM_TYPE_IPV6);
	struct rte_ipv6_hdr *s = &f->spec[i].ip6.hdr, *m = &f->mask[i].ip6.hdr;

	memcpy(s->src_addr, r->src.b, 16);
	memcpy(s->dst_addr, r->dst.b, 16);
	memset(m->src_addr, 0xff, 16);
	memset(m->dst_addr, 0xff, 16);
	if (!exact)
		return;
	s->hop_limits = r->ttl;
	m->hop_limits = UINT8_MAX;
	s->proto = r->udp ? IPPROTO_UDP : IPPROTO_TCP;
	m->proto = UINT8_MAX;
}

static void add_ip(struct offload_flow *f, const struct offload_rule *r, bool exact)
{
	if (ip_is_v4(&r->src))
		add_ip4(f, r, exact);
	else
		add_ip6(f, r, exact);
}

static void add_ports(struct offload_flow *f, const struct offload_rule *r, bool exact)
{
	uint32_t i;

	if (r->udp) {
		i = add_item(f, RTE_FLOW_ITEM_TYPE_UDP);
		f->spec[i].udp.hdr.src_port = r->sport;
		f->spec[i].udp.hdr.dst_port = r->dport;
		f->mask[i].udp.hdr.src_port = f->mask[i].udp.hdr.dst_port = UINT16_MAX;
		return;
	}
	i = add_item(f, RTE_FLOW_ITEM_TYPE_TCP);
	f->spec[i].tcp.hdr.src_port = r->sport;
	f->spec[i].tcp.hdr.dst_port = r->dport;
	f->mask[i].tcp.hdr.src_port = f->mask[i].tcp.hdr.dst_port = UINT16_MAX;
	if (exact)
		f->mask[i].tcp.hdr.tcp_flags = NOT_IN_RULES;
}

/* ---- actions ------------------------------------------------------------------------------- */

static uint32_t add_action(struct offload_flow *f, enum rte_flow_action_type type)
{
	uint32_t i = f->n_actions++;

	f->actions[i] = f->masks[i] = (struct rte_flow_action){.type = type};
	if (type == RTE_FLOW_ACTION_TYPE_END || type == RTE_FLOW_ACTION_TYPE_PASSTHRU)
		return i;
	memset(&f->conf[i], 0, sizeof(f->conf[i]));
	memset(&f->fixed[i], 0, sizeof(f->fixed[i]));
	f->actions[i].conf = &f->conf[i];
	f->masks[i].conf = &f->fixed[i];
	return i;
}

/* Of a template, all but the value is constant. */
static void add_modify(struct offload_flow *f, enum rte_flow_modify_op op,
                       enum rte_flow_field_id field, const void *value, uint32_t bytes)
{
	uint32_t i = add_action(f, RTE_FLOW_ACTION_TYPE_MODIFY_FIELD);
	struct rte_flow_action_modify_field *m = &f->conf[i].modify, *fixed = &f->fixed[i].modify;

	m->operation = op;
	m->dst.field = field;
	m->src.field = RTE_FLOW_FIELD_VALUE;
	memcpy(m->src.value, value, bytes);
	m->width = bytes * 8;
	memset(fixed, 0xff, sizeof(*fixed));
	memset(fixed->src.value, 0, sizeof(fixed->src.value));
}

static void modify_macs(struct offload_flow *f, const struct offload_rule *r)
{
	add_modify(f, RTE_FLOW_MODIFY_SET, RTE_FLOW_FIELD_MAC_DST, r->out_dst_mac, 6);
	add_modify(f, RTE_FLOW_MODIFY_SET, RTE_FLOW_FIELD_MAC_SRC, r->out_src_mac, 6);
}

/* One less is as much as 255 more: devices add, and do not subtract. */
static void modify_ip(struct offload_flow *f, const struct offload_rule *r)
{
	const uint8_t less = UINT8_MAX;

	if (ip_is_v4(&r->src)) {
		add_modify(f, RTE_FLOW_MODIFY_SET, RTE_FLOW_FIELD_IPV4_SRC, &r->new_src.w[3], 4);
		add_modify(f, RTE_FLOW_MODIFY_SET, RTE_FLOW_FIELD_IPV4_DST, &r->new_dst.w[3], 4);
		add_modify(f, RTE_FLOW_MODIFY_ADD, RTE_FLOW_FIELD_IPV4_TTL, &less, 1);
		return;
	}
	add_modify(f, RTE_FLOW_MODIFY_SET, RTE_FLOW_FIELD_IPV6_SRC, r->new_src.b, 16);
	add_modify(f, RTE_FLOW_MODIFY_SET, RTE_FLOW_FIELD_IPV6_DST, r->new_dst.b, 16);
	add_modify(f, RTE_FLOW_MODIFY_ADD, RTE_FLOW_FIELD_IPV6_HOPLIMIT, &less, 1);
}

static void modify_l4(struct offload_flow *f, const struct offload_rule *r)
{
	rte_be32_t seq = rte_cpu_to_be_32(r->seq_add), ack = rte_cpu_to_be_32(r->ack_add);

	add_modify(f, RTE_FLOW_MODIFY_SET,
	           r->udp ? RTE_FLOW_FIELD_UDP_PORT_SRC : RTE_FLOW_FIELD_TCP_PORT_SRC,
	           &r->new_sport, 2);
	add_modify(f, RTE_FLOW_MODIFY_SET,
	           r->udp ? RTE_FLOW_FIELD_UDP_PORT_DST : RTE_FLOW_FIELD_TCP_PORT_DST,
	           &r->new_dport, 2);
	if (r->level < OFFLOAD_SPLICE)
		return;
	add_modify(f, RTE_FLOW_MODIFY_ADD, RTE_FLOW_FIELD_TCP_SEQ_NUM, &seq, 4);
	add_modify(f, RTE_FLOW_MODIFY_ADD, RTE_FLOW_FIELD_TCP_ACK_NUM, &ack, 4);
}

static void set_macs(struct offload_flow *f, const struct offload_rule *r)
{
	uint32_t i = add_action(f, RTE_FLOW_ACTION_TYPE_SET_MAC_DST);

	memcpy(f->conf[i].mac.mac_addr, r->out_dst_mac, RTE_ETHER_ADDR_LEN);
	i = add_action(f, RTE_FLOW_ACTION_TYPE_SET_MAC_SRC);
	memcpy(f->conf[i].mac.mac_addr, r->out_src_mac, RTE_ETHER_ADDR_LEN);
}

static void set_addr(struct offload_flow *f, bool src, const struct ip_addr *a)
{
	uint32_t i;

	if (ip_is_v4(a)) {
		i = add_action(f, src ? RTE_FLOW_ACTION_TYPE_SET_IPV4_SRC
		                      : RTE_FLOW_ACTION_TYPE_SET_IPV4_DST);
		f->conf[i].ip4.ipv4_addr = a->w[3];
		return;
	}
	i = add_action(f,
	               src ? RTE_FLOW_ACTION_TYPE_SET_IPV6_SRC : RTE_FLOW_ACTION_TYPE_SET_IPV6_DST);
	memcpy(f->conf[i].ip6.ipv6_addr, a->b, 16);
}

static void set_fields(struct offload_flow *f, const struct offload_rule *r)
{
	uint32_t i;

	set_macs(f, r);
	set_addr(f, true, &r->new_src);
	set_addr(f, false, &r->new_dst);
	i = add_action(f, RTE_FLOW_ACTION_TYPE_DEC_TTL);
	f->actions[i].conf = f->masks[i].conf = NULL;
	i = add_action(f, RTE_FLOW_ACTION_TYPE_SET_TP_SRC);
	f->conf[i].tp.port = r->new_sport;
	i = add_action(f, RTE_FLOW_ACTION_TYPE_SET_TP_DST);
	f->conf[i].tp.port = r->new_dport;
	if (r->level < OFFLOAD_SPLICE)
		return;
	i = add_action(f, RTE_FLOW_ACTION_TYPE_INC_TCP_SEQ);
	f->conf[i].be32 = rte_cpu_to_be_32(r->seq_add);
	/* also when it is 0: rules of a template have the same actions */
	i = add_action(f, RTE_FLOW_ACTION_TYPE_INC_TCP_ACK);
	f->conf[i].be32 = rte_cpu_to_be_32(r->ack_add);
}

static void add_queue(struct offload_flow *f, uint16_t queue)
{
	uint32_t i = add_action(f, RTE_FLOW_ACTION_TYPE_QUEUE);

	f->conf[i].queue.index = queue;
	f->fixed[i].queue.index = UINT16_MAX;
}

static void rewrite(struct offload_flow *f, const struct offload_rule *r,
                    const struct offload_flow_way *way)
{
	uint32_t i;

	if (way->modify) {
		modify_macs(f, r);
		modify_ip(f, r);
		modify_l4(f, r);
	} else {
		set_fields(f, r);
	}
	add_action(f, RTE_FLOW_ACTION_TYPE_COUNT);
	if (way->ages && r->age_s) {
		i = add_action(f, RTE_FLOW_ACTION_TYPE_AGE);
		f->conf[i].age.timeout = r->age_s & 0xffffff;
		f->fixed[i].age.timeout = 0xffffff;
	}
	add_queue(f, way->hairpin[r->out_port]);
}

static void hint(struct offload_flow *f, const struct offload_rule *r)
{
	uint32_t i = add_action(f, RTE_FLOW_ACTION_TYPE_MARK);

	f->conf[i].mark.id = r->mark;
	if (r->level == OFFLOAD_STEER)
		add_queue(f, r->queue);
	else
		add_action(f, RTE_FLOW_ACTION_TYPE_PASSTHRU);
}

/* ---- rules --------------------------------------------------------------------------------- */

static void begin(struct offload_flow *f, uint32_t group, uint32_t priority)
{
	f->attr = (struct rte_flow_attr){.group = group, .priority = priority, .ingress = 1};
	f->n_items = f->n_actions = 0;
	memset(&f->error, 0, sizeof(f->error));
}

static void end(struct offload_flow *f)
{
	add_item(f, RTE_FLOW_ITEM_TYPE_END);
	add_action(f, RTE_FLOW_ACTION_TYPE_END);
}

void offload_flow_build(struct offload_flow *f, const struct offload_rule *r,
                        const struct offload_flow_way *way)
{
	bool exact = r->level >= OFFLOAD_REWRITE;

	begin(f, exact ? way->group : 0, 0);
	if (exact) {
		add_integrity(f, r);
		add_eth(f, r->in_mac, r->vlan != 0);
	} else {
		add_plain(f, RTE_FLOW_ITEM_TYPE_ETH);
	}
	if (r->vlan)
		add_vlan(f, r->vlan, exact ? UINT16_MAX : 0x0fff);
	add_ip(f, r, exact);
	add_ports(f, r, exact);
	if (exact)
		rewrite(f, r, way);
	else
		hint(f, r);
	end(f);
}

void offload_flow_jump(struct offload_flow *f, const uint8_t mac[6])
{
	uint32_t i;

	begin(f, 0, 0);
	i = add_item(f, RTE_FLOW_ITEM_TYPE_ETH);
	memcpy(f->spec[i].eth.dst.addr_bytes, mac, RTE_ETHER_ADDR_LEN);
	memset(f->mask[i].eth.dst.addr_bytes, 0xff, RTE_ETHER_ADDR_LEN);
	i = add_action(f, RTE_FLOW_ACTION_TYPE_JUMP);
	f->conf[i].jump.group = OFFLOAD_FLOW_GROUP;
	f->fixed[i].jump.group = UINT32_MAX;
	end(f);
}

void offload_flow_rest(struct offload_flow *f, const struct rte_flow_action_rss *rss)
{
	uint32_t i;

	begin(f, OFFLOAD_FLOW_GROUP, 1);
	add_plain(f, RTE_FLOW_ITEM_TYPE_ETH);
	i = add_action(f, RTE_FLOW_ACTION_TYPE_RSS);
	f->conf[i].rss = *rss;
	f->fixed[i].rss = *rss;
	end(f);
}

void offload_flow_steering(struct offload_flow *f, enum offload_kind kind,
                           const struct offload_flow_steer *s)
{
	bool v4 = kind == OFFLOAD_TCP4 || kind == OFFLOAD_UDP4;
	bool udp = kind == OFFLOAD_UDP4 || kind == OFFLOAD_UDP6;
	uint32_t i;

	begin(f, 0, 0);
	add_plain(f, RTE_FLOW_ITEM_TYPE_ETH);
	add_plain(f, v4 ? RTE_FLOW_ITEM_TYPE_IPV4 : RTE_FLOW_ITEM_TYPE_IPV6);
	i = add_item(f, udp ? RTE_FLOW_ITEM_TYPE_UDP : RTE_FLOW_ITEM_TYPE_TCP);
	if (udp) {
		f->spec[i].udp.hdr.dst_port = rte_cpu_to_be_16(s->port & s->mask);
		f->mask[i].udp.hdr.dst_port = rte_cpu_to_be_16(s->mask);
	} else {
		f->spec[i].tcp.hdr.dst_port = rte_cpu_to_be_16(s->port & s->mask);
		f->mask[i].tcp.hdr.dst_port = rte_cpu_to_be_16(s->mask);
	}
	add_queue(f, s->queue);
	end(f);
}

/* ---- finding out --------------------------------------------------------------------------- */

struct survey {
	const struct offload_flow_site *site;
	struct offload_flow_way way;
};

static bool ask_rule(void *arg, const struct offload_rule *r)
{
	struct survey *y = arg;
	struct offload_flow f;

	if (r->level >= OFFLOAD_REWRITE && y->way.hairpin[r->out_port] == UINT16_MAX)
		return false;
	offload_flow_build(&f, r, &y->way);
	return y->site->ask(y->site->arg, y->site->port, &f);
}

static bool ask_base(struct survey *y)
{
	const struct offload_flow_site *site = y->site;
	struct offload_flow f;

	if (!y->way.group)
		return true;
	offload_flow_jump(&f, site->mac);
	if (!site->ask(site->arg, site->port, &f))
		return false;
	offload_flow_rest(&f, site->rss);
	return site->ask(site->arg, site->port, &f);
}

static uint32_t try_way(struct survey *y, struct offload_port *out)
{
	const struct offload_ops ops = {.probe = ask_rule};
	const struct offload_flow_site *site = y->site;
	enum offload_level most = site->most;
	struct offload_rule sample;
	uint32_t worth = 0;

	if (!ask_base(y))
		most = most < OFFLOAD_STEER ? most : OFFLOAD_STEER;
	for (uint32_t i = 0; i < site->n_ports * OFFLOAD_KINDS; i++) {
		enum offload_kind kind = (enum offload_kind)(i % OFFLOAD_KINDS);
		uint8_t to = (uint8_t)(i / OFFLOAD_KINDS);
		enum offload_level level;

		offload_sample(&sample, kind, site->port, to);
		memcpy(sample.in_mac, site->mac, sizeof(sample.in_mac));
		sample.vlan = site->vlan;
		sample.queue = site->queue;
		sample.age_s = y->way.ages ? 2 : 0;
		level = offload_probe(&ops, y, &sample, most);
		out->level[to][kind] = (uint8_t)level;
		worth += level * (kind == OFFLOAD_TCP4 ? 100u : 1u);
	}
	return worth;
}

void offload_flow_survey(const struct offload_flow_site *site, struct offload_port *out,
                         struct offload_flow_way *way)
{
	struct survey y = {.site = site, .way = *way};
	uint32_t best = 0;

	memset(out->level, 0, sizeof(out->level));
	way->modify = way->ages = false;
	way->group = 0;
	/* newer actions before older, a table of its own before the first one, AGE before none */
	for (uint32_t i = 0; i < 8; i++) {
		struct offload_port found = {0};
		uint32_t worth;

		y.way.modify = !(i & 1);
		y.way.group = i & 2 ? 0 : OFFLOAD_FLOW_GROUP;
		y.way.ages = !(i & 4);
		worth = try_way(&y, &found);
		if (worth <= best)
			continue;
		best = worth;
		memcpy(out->level, found.level, sizeof(out->level));
		*way = y.way;
	}
	out->ages = way->ages;
}
