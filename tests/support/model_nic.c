/* SPDX-License-Identifier: BSD-3-Clause */
#include "model_nic.h"

#include "csum.h"
#include "net.h"
#include "wire.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Where the headers of a frame are. */
struct headers {
	uint8_t *frame, *l3, *l4; /* l4 NULL: none that it sees */
	const uint8_t *vlan;      /* tag control information */
	uint32_t len, l3_len, l4_len;
	bool v4, fragment;
	uint8_t proto;
};

void model_nic_init(struct model_nic *n, uint32_t can)
{
	memset(n, 0, sizeof(*n));
	n->can = can;
	n->mends = true;
	n->room = MODEL_RULES;
}

void model_nic_fini(struct model_nic *n)
{
	for (uint32_t i = 0; i < n->top; i++)
		free(n->rules[i].rule);
}

/* ---- reading ------------------------------------------------------------------------------- */

static bool find_l4_v4(struct headers *h)
{
	uint32_t left = h->len - (uint32_t)(h->l3 - h->frame), total, frag;

	if (left < IP4_LEN)
		return false;
	total = wire_get16(h->l3 + IP4_TOTAL);
	frag = wire_get16(h->l3 + IP4_FRAG);
	h->l3_len = (h->l3[0] & 15u) * 4u;
	h->proto = h->l3[IP4_PROTO];
	h->fragment = frag & IP4_FRAG_MASK;
	if (total > left || total < h->l3_len || h->l3_len < IP4_LEN || frag & IP4_FRAG_OFFSET)
		return false;
	h->l4_len = total - h->l3_len;
	return true;
}

static bool is_extension(uint8_t proto)
{
	return proto == IP_HOP_BY_HOP || proto == IP_ROUTING || proto == IP_DEST_OPTIONS ||
	       proto == IP_FRAGMENT;
}

static bool find_l4_v6(struct headers *h)
{
	uint32_t left = h->len - (uint32_t)(h->l3 - h->frame), end, at = IP6_LEN;

	if (left < IP6_LEN)
		return false;
	end = IP6_LEN + wire_get16(h->l3 + IP6_PAYLOAD);
	if (end > left)
		return false;
	for (h->proto = h->l3[IP6_NEXT]; is_extension(h->proto) && at + 8 <= end;) {
		h->fragment |= h->proto == IP_FRAGMENT;
		if (h->proto == IP_FRAGMENT && wire_get16(h->l3 + at + 2) & 0xfff8)
			return false;
		h->proto = h->l3[at];
		at += h->fragment ? 8u : (h->l3[at + 1] + 1u) * 8u;
	}
	if (at > end)
		return false;
	h->l3_len = at;
	h->l4_len = end - at;
	return true;
}

static bool read_frame(struct headers *h, uint8_t *frame, uint32_t len)
{
	uint32_t at = ETH_LEN;
	uint16_t type;
	bool found;

	*h = (struct headers){.frame = frame, .len = len};
	if (len < ETH_LEN + VLAN_LEN)
		return false;
	type = wire_get16(frame + ETH_TYPE);
	if (type == ETH_TYPE_VLAN) {
		h->vlan = frame + ETH_LEN;
		type = wire_get16(frame + ETH_LEN + 2);
		at += VLAN_LEN;
	}
	h->l3 = frame + at;
	h->v4 = type == ETH_TYPE_IP4;
	if (!h->v4 && type != ETH_TYPE_IP6)
		return false;
	found = h->v4 ? find_l4_v4(h) : find_l4_v6(h);
	if (found && h->l4_len >= (h->proto == IP_TCP ? TCP_LEN : UDP_LEN) &&
	    (h->proto == IP_TCP || h->proto == IP_UDP))
		h->l4 = h->l3 + h->l3_len;
	return true;
}

static uint16_t pseudo(const struct headers *h)
{
	struct ip_addr src, dst;

	src = h->v4 ? wire_ip4(h->l3 + IP4_SRC) : wire_ip6(h->l3 + IP6_SRC);
	dst = h->v4 ? wire_ip4(h->l3 + IP4_DST) : wire_ip6(h->l3 + IP6_DST);
	return csum_pseudo(&src, &dst, h->proto, (uint16_t)h->l4_len);
}

static uint8_t *sum_field(const struct headers *h)
{
	return h->l4 + (h->proto == IP_TCP ? TCP_CSUM : UDP_CSUM);
}

static bool ip_sum_ok(const struct headers *h)
{
	return !h->v4 || csum_finish(csum_add_header(h->l3, h->l3_len)) == 0;
}

static bool has_no_sum(const struct headers *h)
{
	return h->proto == IP_UDP && h->v4 && wire_be16(sum_field(h)) == 0;
}

static bool l4_sum_ok(const struct headers *h)
{
	if (h->fragment || has_no_sum(h))
		return true;
	return csum_finish(csum_combine(pseudo(h), csum_add(h->l4, h->l4_len), 0)) == 0;
}

/* ---- matching ------------------------------------------------------------------------------ */

static bool same(const void *bytes, const struct rte_flow_item *item, size_t len)
{
	const uint8_t *p = bytes, *spec = item->spec, *mask = item->mask;

	if (!bytes)
		return false;
	for (size_t i = 0; spec && i < len; i++)
		if ((p[i] ^ spec[i]) & (mask ? mask[i] : 0xff))
			return false;
	return true;
}

static bool match_eth(const struct headers *h, const struct rte_flow_item *item)
{
	const struct rte_flow_item_eth *spec = item->spec, *mask = item->mask;

	if (spec && mask && mask->has_vlan && spec->has_vlan != (h->vlan != NULL))
		return false;
	return same(h->frame, item, ETH_LEN);
}

static bool match_integrity(const struct headers *h, const struct rte_flow_item *item)
{
	const struct rte_flow_item_integrity *spec = item->spec, *mask = item->mask;

	if (mask->l3_ok && spec->l3_ok && !h->l3_len)
		return false;
	if (mask->ipv4_csum_ok && spec->ipv4_csum_ok && !ip_sum_ok(h))
		return false;
	if (mask->l4_ok && spec->l4_ok && !h->l4)
		return false;
	return !(mask->l4_csum_ok && spec->l4_csum_ok) || (h->l4 && l4_sum_ok(h));
}

static bool match_item(const struct headers *h, const struct rte_flow_item *item)
{
	switch (item->type) {
	case RTE_FLOW_ITEM_TYPE_INTEGRITY: return match_integrity(h, item);
	case RTE_FLOW_ITEM_TYPE_ETH: return match_eth(h, item);
	case RTE_FLOW_ITEM_TYPE_VLAN: return same(h->vlan, item, 2);
	case RTE_FLOW_ITEM_TYPE_IPV4: return h->v4 && same(h->l3, item, IP4_LEN);
	case RTE_FLOW_ITEM_TYPE_IPV6: return !h->v4 && h->l3 && same(h->l3, item, IP6_LEN);
	case RTE_FLOW_ITEM_TYPE_TCP: return h->proto == IP_TCP && same(h->l4, item, TCP_LEN);
	case RTE_FLOW_ITEM_TYPE_UDP: return h->proto == IP_UDP && same(h->l4, item, UDP_LEN);
	default: return false;
	}
}

static bool match(const struct headers *h, const struct rte_flow_item *item)
{
	for (; item->type != RTE_FLOW_ITEM_TYPE_END; item++)
		if (!match_item(h, item))
			return false;
	return true;
}

/* ---- doing --------------------------------------------------------------------------------- */

/* The bytes of a field; NULL: not in this frame. */
static uint8_t *field(const struct headers *h, enum rte_flow_field_id id)
{
	switch (id) {
	case RTE_FLOW_FIELD_MAC_DST: return h->frame;
	case RTE_FLOW_FIELD_MAC_SRC: return h->frame + ETH_SRC;
	case RTE_FLOW_FIELD_IPV4_SRC: return h->l3 + IP4_SRC;
	case RTE_FLOW_FIELD_IPV4_DST: return h->l3 + IP4_DST;
	case RTE_FLOW_FIELD_IPV4_TTL: return h->l3 + IP4_TTL;
	case RTE_FLOW_FIELD_IPV6_SRC: return h->l3 + IP6_SRC;
	case RTE_FLOW_FIELD_IPV6_DST: return h->l3 + IP6_DST;
	case RTE_FLOW_FIELD_IPV6_HOPLIMIT: return h->l3 + IP6_HOPS;
	case RTE_FLOW_FIELD_TCP_PORT_SRC:
	case RTE_FLOW_FIELD_UDP_PORT_SRC: return h->l4;
	case RTE_FLOW_FIELD_TCP_PORT_DST:
	case RTE_FLOW_FIELD_UDP_PORT_DST: return h->l4 + 2;
	case RTE_FLOW_FIELD_TCP_SEQ_NUM: return h->l4 + TCP_SEQ;
	case RTE_FLOW_FIELD_TCP_ACK_NUM: return h->l4 + TCP_ACKNO;
	default: return NULL;
	}
}

/* Big-endian addition modulo the width. */
static void add_bytes(uint8_t *at, const uint8_t *value, uint32_t n)
{
	uint32_t carry = 0;

	while (n--) {
		carry += (uint32_t)at[n] + value[n];
		at[n] = (uint8_t)carry;
		carry >>= 8;
	}
}

static void modify(const struct headers *h, const struct rte_flow_action_modify_field *m)
{
	uint8_t *at = field(h, m->dst.field);

	if (m->operation == RTE_FLOW_MODIFY_SET)
		memcpy(at, m->src.value, m->width / 8);
	else
		add_bytes(at, m->src.value, m->width / 8);
}

static void act(const struct headers *h, const struct rte_flow_action *a, struct model_out *out)
{
	switch (a->type) {
	case RTE_FLOW_ACTION_TYPE_MODIFY_FIELD: modify(h, a->conf); return;
	case RTE_FLOW_ACTION_TYPE_SET_MAC_DST: memcpy(h->frame, a->conf, 6); return;
	case RTE_FLOW_ACTION_TYPE_SET_MAC_SRC: memcpy(h->frame + ETH_SRC, a->conf, 6); return;
	case RTE_FLOW_ACTION_TYPE_SET_IPV4_SRC: memcpy(h->l3 + IP4_SRC, a->conf, 4); return;
	case RTE_FLOW_ACTION_TYPE_SET_IPV4_DST: memcpy(h->l3 + IP4_DST, a->conf, 4); return;
	case RTE_FLOW_ACTION_TYPE_SET_IPV6_SRC: memcpy(h->l3 + IP6_SRC, a->conf, 16); return;
	case RTE_FLOW_ACTION_TYPE_SET_IPV6_DST: memcpy(h->l3 + IP6_DST, a->conf, 16); return;
	case RTE_FLOW_ACTION_TYPE_SET_TP_SRC: memcpy(h->l4, a->conf, 2); return;
	case RTE_FLOW_ACTION_TYPE_SET_TP_DST: memcpy(h->l4 + 2, a->conf, 2); return;
	case RTE_FLOW_ACTION_TYPE_DEC_TTL: h->l3[h->v4 ? IP4_TTL : IP6_HOPS]--; return;
	case RTE_FLOW_ACTION_TYPE_INC_TCP_SEQ: add_bytes(h->l4 + TCP_SEQ, a->conf, 4); return;
	case RTE_FLOW_ACTION_TYPE_INC_TCP_ACK: add_bytes(h->l4 + TCP_ACKNO, a->conf, 4); return;
	case RTE_FLOW_ACTION_TYPE_DROP: out->verdict = MODEL_DROP; return;
	case RTE_FLOW_ACTION_TYPE_MARK:
		out->marked = true;
		out->mark = ((const struct rte_flow_action_mark *)a->conf)->id;
		return;
	case RTE_FLOW_ACTION_TYPE_QUEUE:
		out->queue = ((const struct rte_flow_action_queue *)a->conf)->index;
		if (out->queue < MODEL_HAIRPIN)
			return;
		out->verdict = MODEL_OUT;
		out->port = (uint8_t)(out->queue - MODEL_HAIRPIN);
		return;
	default: return;
	}
}

/* What the checksum of layer 4 covers and rewriting may change: addresses and the first 16 bytes. */
static uint16_t l4_covers(const struct headers *h)
{
	uint8_t head[16];

	memcpy(head, h->l4, h->proto == IP_TCP ? 16 : 4);
	return csum_combine(pseudo(h), csum_add(head, h->proto == IP_TCP ? 16 : 4), 0);
}

static void put_sum(uint8_t *at, uint16_t sum, bool udp)
{
	sum = csum_finish(sum);
	wire_put_be16(at, udp && sum == 0 ? 0xffff : sum);
}

static void make_sums(const struct headers *h)
{
	if (h->v4) {
		wire_put_be16(h->l3 + IP4_CSUM, 0);
		wire_put_be16(h->l3 + IP4_CSUM, csum_finish(csum_add_header(h->l3, h->l3_len)));
	}
	if (!h->l4 || has_no_sum(h))
		return;
	wire_put_be16(sum_field(h), 0);
	put_sum(sum_field(h), csum_combine(pseudo(h), csum_add(h->l4, h->l4_len), 0),
	        h->proto == IP_UDP);
}

static void move_sums(const struct headers *h, uint16_t l3_was, uint16_t l4_was)
{
	uint16_t sum;

	if (h->v4) {
		uint16_t now = csum_add_header(h->l3, h->l3_len);

		sum = (uint16_t)~wire_be16(h->l3 + IP4_CSUM);
		sum = csum_combine(sum, (uint16_t)~l3_was, 0);
		wire_put_be16(h->l3 + IP4_CSUM, csum_finish(csum_combine(sum, now, 0)));
	}
	if (!h->l4 || has_no_sum(h))
		return;
	sum = (uint16_t)~wire_be16(sum_field(h));
	sum = csum_combine(sum, (uint16_t)~l4_was, 0);
	put_sum(sum_field(h), csum_combine(sum, l4_covers(h), 0), h->proto == IP_UDP);
}

static bool rewrites(const struct rte_flow_action *a)
{
	for (; a->type != RTE_FLOW_ACTION_TYPE_END; a++)
		if (a->type == RTE_FLOW_ACTION_TYPE_MODIFY_FIELD ||
		    a->type == RTE_FLOW_ACTION_TYPE_SET_MAC_DST)
			return true;
	return false;
}

static void execute(const struct model_nic *n, const struct headers *h,
                    const struct rte_flow_action *a, struct model_out *out)
{
	bool changes = rewrites(a);
	uint16_t l3 = h->v4 ? csum_add_header(h->l3, h->l3_len) : 0;
	uint16_t l4 = h->l4 ? l4_covers(h) : 0;

	for (; a->type != RTE_FLOW_ACTION_TYPE_END; a++)
		act(h, a, out);
	if (changes && n->mends)
		make_sums(h);
	else if (changes)
		move_sums(h, l3, l4);
}

/* ---- rules --------------------------------------------------------------------------------- */

static struct model_rule *find(struct model_nic *n, uint8_t port, uint32_t group,
                               const struct headers *h)
{
	struct model_rule *best = NULL;

	for (uint32_t i = 0; i < n->top; i++) {
		struct model_rule *r = &n->rules[i];

		if (!r->rule || r->port != port || r->rule->attr->group != group ||
		    !match(h, r->rule->pattern))
			continue;
		if (!best || r->rule->attr->priority < best->rule->attr->priority)
			best = r;
	}
	return best;
}

static int jump_of(const struct rte_flow_action *a)
{
	for (; a->type != RTE_FLOW_ACTION_TYPE_END; a++)
		if (a->type == RTE_FLOW_ACTION_TYPE_JUMP)
			return (int)((const struct rte_flow_action_jump *)a->conf)->group;
	return -1;
}

struct model_out model_nic_frame(struct model_nic *n, uint8_t port, uint8_t *frame, uint32_t len)
{
	struct model_out out = {.verdict = MODEL_HOST, .queue = -1};
	struct model_rule *r;
	struct headers h;
	int group = 0;

	read_frame(&h, frame, len);
	do {
		r = find(n, port, (uint32_t)group, &h);
		if (!r) {
			/* behind a jump, what nothing takes is lost */
			out.verdict = group ? MODEL_DROP : MODEL_HOST;
			return out;
		}
		group = jump_of(r->rule->actions);
	} while (group > 0);
	r->pkts++;
	r->bytes += len;
	r->used_s = n->now_s;
	execute(n, &h, r->rule->actions, &out);
	return out;
}

static bool can(const struct model_nic *n, uint32_t what)
{
	return (n->can & what) == what;
}

static bool is_exact(const struct rte_flow_item *item)
{
	const struct rte_flow_item_ipv4 *v4 = item->mask;
	const struct rte_flow_item_ipv6 *v6 = item->mask;
	const struct rte_flow_item_tcp *tcp = item->mask;

	if (!item->mask)
		return false;
	if (item->type == RTE_FLOW_ITEM_TYPE_IPV4)
		return v4->hdr.time_to_live || v4->hdr.fragment_offset;
	if (item->type == RTE_FLOW_ITEM_TYPE_IPV6)
		return v6->hdr.hop_limits || v6->hdr.proto;
	return item->type == RTE_FLOW_ITEM_TYPE_TCP && tcp->hdr.tcp_flags;
}

static int check_items(const struct model_nic *n, const struct rte_flow_item *item)
{
	for (; item->type != RTE_FLOW_ITEM_TYPE_END; item++) {
		if (item->type == RTE_FLOW_ITEM_TYPE_INTEGRITY && !can(n, MODEL_INTEGRITY))
			return -ENOTSUP;
		if (is_exact(item) && !can(n, MODEL_EXACT))
			return -ENOTSUP;
		if (item->last || (item->spec && !item->mask))
			return -EINVAL;
	}
	return 0;
}

static uint32_t needs(const struct rte_flow_action *a)
{
	const struct rte_flow_action_modify_field *m = a->conf;

	switch (a->type) {
	case RTE_FLOW_ACTION_TYPE_MODIFY_FIELD:
		return m->operation == RTE_FLOW_MODIFY_SUB ? UINT32_MAX : MODEL_MODIFY;
	case RTE_FLOW_ACTION_TYPE_SET_MAC_DST:
	case RTE_FLOW_ACTION_TYPE_SET_MAC_SRC:
	case RTE_FLOW_ACTION_TYPE_SET_IPV4_SRC:
	case RTE_FLOW_ACTION_TYPE_SET_IPV4_DST:
	case RTE_FLOW_ACTION_TYPE_SET_IPV6_SRC:
	case RTE_FLOW_ACTION_TYPE_SET_IPV6_DST:
	case RTE_FLOW_ACTION_TYPE_SET_TP_SRC:
	case RTE_FLOW_ACTION_TYPE_SET_TP_DST:
	case RTE_FLOW_ACTION_TYPE_DEC_TTL: return MODEL_SET;
	case RTE_FLOW_ACTION_TYPE_INC_TCP_SEQ:
	case RTE_FLOW_ACTION_TYPE_INC_TCP_ACK: return MODEL_INC;
	case RTE_FLOW_ACTION_TYPE_MARK: return MODEL_MARK;
	case RTE_FLOW_ACTION_TYPE_QUEUE: return MODEL_QUEUE;
	case RTE_FLOW_ACTION_TYPE_COUNT: return MODEL_COUNT;
	case RTE_FLOW_ACTION_TYPE_AGE: return MODEL_AGE;
	case RTE_FLOW_ACTION_TYPE_JUMP: return MODEL_JUMP;
	case RTE_FLOW_ACTION_TYPE_PASSTHRU: return MODEL_PASSTHRU;
	case RTE_FLOW_ACTION_TYPE_RSS: return MODEL_RSS;
	case RTE_FLOW_ACTION_TYPE_DROP: return 0;
	default: return UINT32_MAX;
	}
}

int model_nic_check(const struct model_nic *n, const struct rte_flow_attr *attr,
                    const struct rte_flow_item *pattern, const struct rte_flow_action *actions)
{
	int rc = check_items(n, pattern);

	if (rc < 0)
		return rc;
	if (attr->group && !can(n, MODEL_JUMP))
		return -ENOTSUP;
	if (!attr->group && rewrites(actions) && !can(n, MODEL_ROOT_REWRITE))
		return -ENOTSUP;
	for (; actions->type != RTE_FLOW_ACTION_TYPE_END; actions++)
		if (!can(n, needs(actions)))
			return -ENOTSUP;
	return 0;
}

static struct model_rule *free_rule(struct model_nic *n)
{
	for (uint32_t i = 0; i < n->top; i++)
		if (!n->rules[i].rule)
			return &n->rules[i];
	return n->top < MODEL_RULES ? &n->rules[n->top++] : NULL;
}

int model_nic_create(struct model_nic *n, uint8_t port, const struct rte_flow_attr *attr,
                     const struct rte_flow_item *pattern, const struct rte_flow_action *actions)
{
	const struct rte_flow_conv_rule rule = {
		.attr_ro = attr, .pattern_ro = pattern, .actions_ro = actions};
	int rc = model_nic_check(n, attr, pattern, actions), size;
	struct model_rule *r;

	if (rc < 0)
		return rc;
	r = n->used < n->room ? free_rule(n) : NULL;
	if (!r)
		return -ENOSPC;
	size = rte_flow_conv(RTE_FLOW_CONV_OP_RULE, NULL, 0, &rule, NULL);
	if (size < 0)
		return size;
	*r = (struct model_rule){.port = port, .used_s = n->now_s};
	r->rule = calloc(1, (size_t)size);
	if (!r->rule ||
	    rte_flow_conv(RTE_FLOW_CONV_OP_RULE, r->rule, (size_t)size, &rule, NULL) < 0)
		abort();
	n->used++;
	return (int)(r - n->rules);
}

void model_nic_destroy(struct model_nic *n, int rule)
{
	struct model_rule *r = &n->rules[rule];

	n->used -= r->rule != NULL;
	free(r->rule);
	r->rule = NULL;
}

void model_nic_reset(struct model_nic *n, uint8_t port)
{
	for (uint32_t i = 0; i < n->top; i++)
		if (n->rules[i].rule && n->rules[i].port == port)
			model_nic_destroy(n, (int)i);
}

void model_nic_send(uint8_t *frame, uint32_t len, uint32_t flags)
{
	struct headers h;

	read_frame(&h, frame, len);
	if (flags & NET_TX_IP_CSUM) {
		wire_put_be16(h.l3 + IP4_CSUM, 0);
		wire_put_be16(h.l3 + IP4_CSUM, csum_finish(csum_add_header(h.l3, h.l3_len)));
	}
	/* the sum of the pseudo-header is in place */
	if (flags & NET_TX_TCP_CSUM && h.l4)
		wire_put_be16(sum_field(&h), csum_finish(csum_add(h.l4, h.l4_len)));
}
