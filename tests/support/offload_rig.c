/* SPDX-License-Identifier: BSD-3-Clause */
#include "offload_rig.h"

#include <stdio.h>
#include <stdlib.h>

static void *need(void *p)
{
	if (!p)
		abort();
	return p;
}

void offload_rig_init(struct offload_rig *r, const struct offload_ops *ops, void *device)
{
	memset(r, 0, sizeof(*r));
	rig_init(&r->rig);
	r->rig.ports[1].vlan = 0;
	r->conf = (struct node_offload){OFFLOAD_SPLICE, 65536, 1000000, 0};
	r->env = (struct offload_env){.ops = ops,
	                              .device = device,
	                              .ports = r->ports,
	                              .net_ports = r->rig.ports,
	                              .n_ports = 2,
	                              .conf = &r->conf};
	for (int i = 0; i < 2; i++)
		r->ports[i].max_rules = 1024;
	offload_rig_level(r, OFFLOAD_SPLICE);
}

void offload_rig_level(struct offload_rig *r, enum offload_level level)
{
	for (int i = 0; i < 2; i++)
		memset(r->ports[i].level, (int)level, sizeof(r->ports[i].level));
}

void offload_rig_start(struct offload_rig *r, uint32_t entries)
{
	struct flow_config c = {OFFLOAD_RIG_FLOWS, OFFLOAD_RIG_FLOWS, 10, 30, 60};
	struct hash_key key = {{1, 2}};

	rig_start(&r->rig, true, 512);
	r->flows = need(aligned_alloc(128, (sizeof(*r->flows) + 127) & ~(size_t)127));
	r->flow_memory = need(aligned_alloc(128, (flow_bytes(c.max) + 255) & ~(size_t)127));
	memset(r->flow_memory, 0, flow_bytes(c.max));
	flow_init(r->flows, r->flow_memory, &c, &key, r->rig.now_us);
	flow_idle(r->flows, 300000000);
	r->entry_memory = need(aligned_alloc(64, (offload_bytes(entries) + 127) & ~(size_t)63));
	r->env.flows = r->flows;
	r->env.net = r->rig.net;
	offload_init(&r->o, r->entry_memory, entries, &r->env, r->rig.now_us);
}

void offload_rig_stop(struct offload_rig *r)
{
	rig_drain(&r->rig);
	rig_stop(&r->rig);
	free(r->flows);
	free(r->flow_memory);
	free(r->entry_memory);
}

void offload_rig_neighbour(struct offload_rig *r, const struct net_path *path, uint8_t last)
{
	uint8_t mac[6] = {2, path->port, 0, 0, 0, last};

	net_neigh_confirm(r->rig.net, &r->rig.net->neighs[path->neigh - 1], mac);
}

static struct ip_addr address(bool v6, uint8_t net, uint8_t last)
{
	char text[64];

	if (v6 && net)
		snprintf(text, sizeof(text), "2001:db8:1::%x", last);
	else if (v6)
		snprintf(text, sizeof(text), "2001:db8::%x", last);
	else
		snprintf(text, sizeof(text), "10.%u.0.%u", net, last);
	return rig_addr(text);
}

static void fill_side(struct offload_rig *r, struct flow_side *s, bool v6, uint8_t port,
                      uint8_t last)
{
	struct ip_addr own = address(v6, port, 1), peer = address(v6, port, last);
	struct neigh *e = net_neigh_get(r->rig.net, port, &peer);

	need(e);
	memcpy(s->peer, &peer, sizeof(peer));
	s->local = (uint16_t)net_own_number(r->rig.net, &own);
	s->path = (struct net_path){.neigh = (uint32_t)(e - r->rig.net->neighs) + 1,
	                            .neigh_gen = e->gen,
	                            .mtu = r->rig.ports[port].mtu,
	                            .port = port};
	offload_rig_neighbour(r, &s->path, last);
	rig_drain(&r->rig);
}

static uint64_t side_hash(struct offload_rig *r, const struct flow *f, enum flow_side_id side)
{
	const struct flow_side *s = &f->side[side];
	struct ip_addr peer = flow_peer(s);

	return flow_hash(r->flows, net_own(r->rig.net, s->local), &peer, s->lport, s->rport,
	                 flow_is_udp(f));
}

struct flow *offload_rig_flow(struct offload_rig *r, const struct offload_rig_flow *what)
{
	struct flow *f = need(flow_new(r->flows));
	struct flow_side *c = &f->side[FLOW_CLIENT], *s = &f->side[FLOW_SERVER];

	f->flags = what->udp ? FLOW_F_UDP : 0;
	fill_side(r, c, what->v6, 0, what->client);
	fill_side(r, s, what->v6, 1, what->endpoint);
	c->rport = __builtin_bswap16(what->cport);
	c->lport = __builtin_bswap16(80);
	s->rport = __builtin_bswap16(8080);
	s->lport = __builtin_bswap16(what->lport);
	c->seq_add = what->seq_client;
	s->seq_add = what->seq_server;
	if (what->seq_client || what->seq_server)
		f->flags |= FLOW_F_SEQ;
	flow_add(r->flows, f, FLOW_CLIENT, side_hash(r, f, FLOW_CLIENT));
	flow_add(r->flows, f, FLOW_SERVER, side_hash(r, f, FLOW_SERVER));
	flow_set_state(r->flows, f, FLOW_ESTABLISHED);
	return f;
}

void offload_rig_free(struct offload_rig *r, struct flow *f)
{
	flow_remove(r->flows, f, FLOW_CLIENT, side_hash(r, f, FLOW_CLIENT));
	flow_remove(r->flows, f, FLOW_SERVER, side_hash(r, f, FLOW_SERVER));
	flow_free(r->flows, f);
}

void offload_rig_packet(struct offload_rig *r, struct flow *f, enum flow_side_id from,
                        uint32_t bytes)
{
	struct flow_side *s = &f->side[from];
	uint32_t was = s->bytes;
	struct pkt p = {.kind = flow_is_udp(f) ? PKT_UDP : PKT_TCP,
	                .port = s->path.port,
	                .ttl = 64,
	                .src = flow_peer(s),
	                .sport = s->rport,
	                .dport = s->lport,
	                .own = s->local};

	s->bytes += bytes;
	if (offload_crossed(&r->o, was, s->bytes))
		offload_see(&r->o, f, from, &p);
}

void offload_rig_turn(struct offload_rig *r, uint64_t us)
{
	r->rig.now_us += us;
	flow_tick(r->flows, r->rig.now_us);
	offload_turn(&r->o, r->rig.now_us);
}
