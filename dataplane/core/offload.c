/* SPDX-License-Identifier: BSD-3-Clause */
#include "offload.h"

#include <errno.h>

#define LOOK_AT       16   /* rules looked at for the one of least value */
#define ANSWERS       32   /* at once */
#define ANSWERS_MOST  256  /* in a turn */
#define RULES_A_TURN  64   /* asked about in a turn */
#define BACK_OFF_US   1000 /* after a refusal; doubles to the next */
#define BACK_OFF_MOST 1000000
#define GROW_US       1000000  /* after the device was full: time until more is tried */
#define POLL_US       20       /* between looks for an answer that is due */
#define MARK_MOST     0xfffffe /* 24 bits, and some devices keep the last for themselves */
#define TCP_NEVER     0x07     /* FIN, SYN, RST */

/* ---- entries and their queues -------------------------------------------------------------- */

static struct offload_entry *entry_at(const struct offload *o, uint32_t index)
{
	return slab_at(&o->slab, index);
}

static uint32_t index_of(const struct offload *o, const struct offload_entry *e)
{
	return slab_index(&o->slab, e);
}

static struct flow *flow_of(const struct offload *o, const struct offload_entry *e)
{
	return flow_at(o->env.flows, e->flow);
}

static struct offload_entry *first(const struct offload *o, enum offload_state s)
{
	return o->queue[s].first ? entry_at(o, o->queue[s].first - 1) : NULL;
}

static void push(struct offload *o, struct offload_entry *e)
{
	struct offload_queue *q = &o->queue[e->state];
	uint32_t me = index_of(o, e) + 1;

	e->next = 0;
	e->prev = q->last;
	if (q->last)
		entry_at(o, q->last - 1)->next = me;
	else
		q->first = me;
	q->last = me;
	q->n++;
}

static void pull(struct offload *o, struct offload_entry *e)
{
	struct offload_queue *q = &o->queue[e->state];

	if (e->prev)
		entry_at(o, e->prev - 1)->next = e->next;
	else
		q->first = e->next;
	if (e->next)
		entry_at(o, e->next - 1)->prev = e->prev;
	else
		q->last = e->prev;
	q->n--;
}

static void enter(struct offload *o, struct offload_entry *e, enum offload_state s)
{
	pull(o, e);
	e->state = (uint8_t)s;
	e->since_us = o->now_us;
	push(o, e);
}

static struct offload_entry *entry_new(struct offload *o)
{
	struct offload_entry *e = slab_get(&o->slab);

	/* the watch that began first has been waiting longest for nothing */
	if (!e && first(o, OFFLOAD_WATCHED)) {
		e = first(o, OFFLOAD_WATCHED);
		flow_of(o, e)->offload = 0;
		pull(o, e);
	}
	if (!e)
		return NULL;
	*e = (struct offload_entry){.state = OFFLOAD_WATCHED, .since_us = o->now_us};
	push(o, e);
	return e;
}

/* Nothing of the flow is in the device any more. */
static void let_go(struct offload *o, struct offload_entry *e)
{
	bool rewrote = e->state != OFFLOAD_WATCHED && e->level >= OFFLOAD_REWRITE;
	struct flow *f = flow_of(o, e);

	f->offload = 0;
	pull(o, e);
	e->state = OFFLOAD_FREE;
	slab_put(&o->slab, e);
	if (rewrote && o->env.freed)
		o->env.freed(o->env.arg, f);
}

/* ---- what a rule says ---------------------------------------------------------------------- */

static enum offload_kind kind_of(bool v4, bool udp)
{
	return v4 ? (udp ? OFFLOAD_UDP4 : OFFLOAD_TCP4) : (udp ? OFFLOAD_UDP6 : OFFLOAD_TCP6);
}

static void match(struct offload *o, struct offload_rule *r, const struct flow *f,
                  const struct flow_side *s, const struct pkt *p)
{
	const struct net_port *in = &o->env.net_ports[p->port];

	*r = (struct offload_rule){.in_port = p->port,
	                           .out_port = p->port,
	                           .udp = flow_is_udp(f),
	                           .vlan = in->vlan,
	                           .ttl = p->ttl,
	                           .src = flow_peer(s),
	                           .dst = *net_own(o->env.net, s->local),
	                           .sport = s->rport,
	                           .dport = s->lport};
	memcpy(r->in_mac, in->mac, sizeof(r->in_mac));
}

/* May the device do the same with each packet as we do? Fills what it has to write. */
static bool rewrite(struct offload *o, struct offload_rule *r, const struct flow *f,
                    enum flow_side_id from, uint16_t mtu)
{
	const struct flow_side *to = &f->side[!from];
	struct net_path path = to->path;
	struct net_hop hop;

	if (f->mode != FORWARD_NAT || f->flags & FLOW_F_ONE_WAY || r->ttl < 2)
		return false;
	if (!net_path_hop(o->env.net, &path, &hop) || hop.vlan != r->vlan || hop.mtu < mtu)
		return false;
	r->out_port = path.port;
	memcpy(r->out_src_mac, hop.src, sizeof(r->out_src_mac));
	memcpy(r->out_dst_mac, hop.dst, sizeof(r->out_dst_mac));
	r->new_src = *net_own(o->env.net, to->local);
	r->new_dst = flow_peer(to);
	r->new_sport = to->lport;
	r->new_dport = to->rport;
	return true;
}

/*
 * What happens to sequence numbers; false: more than a device can do, or not for long enough. SACK blocks follow the
 * acknowledgement, and no device rewrites those: of splices, who has them says so by `can`.
 */
static bool ask_numbers(struct offload *o, const struct flow *f, enum flow_side_id from,
                        struct offload_splice *s)
{
	*s = (struct offload_splice){0};
	if (o->env.splice && o->env.splice(o->env.arg, f, from, s))
		return s->can &&
		       (!s->limited || s->left > OFFLOAD_TAIL_BYTES + o->env.conf->min_bytes);
	s->seq_add = f->side[!from].seq_add;
	s->ack_add = 0u - f->side[from].seq_add;
	return s->ack_add == 0;
}

/* The rule for packets like this one, at the highest level that fits; OFFLOAD_NONE: there is none. */
static enum offload_level make_rule(struct offload *o, struct offload_rule *r, const struct flow *f,
                                    enum flow_side_id from, const struct pkt *p,
                                    struct offload_splice *splice)
{
	const struct offload_port *port = &o->env.ports[p->port];
	enum offload_kind kind = kind_of(ip_is_v4(&p->src), flow_is_udp(f));
	enum offload_level want = OFFLOAD_STEER, can;
	uint32_t mark = slab_index(&o->env.flows->slab, f) + 1;

	match(o, r, f, &f->side[from], p);
	if (ask_numbers(o, f, from, splice) &&
	    rewrite(o, r, f, from, o->env.net_ports[p->port].mtu)) {
		r->seq_add = splice->seq_add;
		r->ack_add = splice->ack_add;
		want = r->seq_add || r->ack_add ? OFFLOAD_SPLICE : OFFLOAD_REWRITE;
	}
	can = port->level[r->out_port][kind];
	if (want >= OFFLOAD_REWRITE && can < want) {
		want = OFFLOAD_STEER;
		r->out_port = p->port;
		can = port->level[p->port][kind];
	}
	r->level = (uint8_t)(can < want ? can : want);
	r->age_s = port->ages ? OFFLOAD_IDLE_US / 1000000 : 0;
	r->queue = port->queue;
	r->mark = r->level < OFFLOAD_REWRITE ? mark : 0;
	if (r->level < OFFLOAD_REWRITE && (mark > MARK_MOST || splice->limited))
		r->level = OFFLOAD_NONE; /* what comes back at any moment is not worth a mark */
	return r->level;
}

/* ---- asking -------------------------------------------------------------------------------- */

static struct offload_gate *gate_of(struct offload *o, const struct offload_entry *e)
{
	return &o->gate[e->port];
}

static void set_rules(struct offload *o, uint8_t port, uint32_t rules)
{
	o->gate[port].rules = rules;
	o->counts[port].rules = rules;
	o->counts[port].room = o->gate[port].room;
}

static void note_question(struct offload *o)
{
	o->questions++;
	o->asked_us = o->now_us;
}

static void start_removal(struct offload *o, struct offload_entry *e, enum offload_why why)
{
	int rc;

	if (e->state == OFFLOAD_INSERTING) {
		e->why = e->doomed ? e->why : (uint8_t)why;
		e->doomed = true;
		return;
	}
	if (e->state == OFFLOAD_ACTIVE) {
		e->why = (uint8_t)why;
		gate_of(o, e)->leaving++;
	}
	rc = o->env.ops->remove(o->env.device, e->port, index_of(o, e));
	if (rc == 0)
		note_question(o);
	enter(o, e, rc == 0 ? OFFLOAD_REMOVING : OFFLOAD_RETRY);
}

/* Of a few rules of the port, the one with the fewest bytes a second. */
static struct offload_entry *least_valuable(struct offload *o, uint8_t port)
{
	uint32_t n = o->slab.fresh, looks = 0;
	struct offload_entry *least = NULL;

	for (uint32_t i = 0; i < n && looks < LOOK_AT; i++) {
		struct offload_entry *e = entry_at(o, o->hand++ % n);

		if (e->state != OFFLOAD_ACTIVE || e->port != port)
			continue;
		looks++;
		if (!least || e->rate < least->rate)
			least = e;
	}
	return least;
}

/* Room for another rule on this port, now; when there is none, the least valuable one has to go first. */
static bool make_room(struct offload *o, uint8_t port, uint64_t rate)
{
	struct offload_gate *g = &o->gate[port];
	struct offload_entry *least;

	if (o->now_us < g->pause_us)
		return false;
	if (g->rules < g->room)
		return true;
	if (g->rules - g->leaving < g->room)
		return false; /* one is on its way out */
	least = least_valuable(o, port);
	/* twice: rates differ from one look to the next, and an exchange costs two questions */
	if (least && least->rate < rate / 2)
		start_removal(o, least, OFFLOAD_WHY_ROOM);
	return false;
}

static void hand_over(struct offload *o, struct offload_entry *e, const struct pkt *p)
{
	struct flow *f = flow_of(o, e);
	struct offload_splice splice;
	struct offload_rule r;

	if (make_rule(o, &r, f, e->from, p, &splice) == OFFLOAD_NONE ||
	    !make_room(o, p->port, e->rate))
		return;
	if (o->env.ops->insert(o->env.device, &r, index_of(o, e)) < 0) {
		o->counts[p->port].failed[OFFLOAD_FAIL_BUSY]++;
		return;
	}
	note_question(o);
	e->port = p->port;
	e->level = r.level;
	e->limited = splice.limited && r.level >= OFFLOAD_REWRITE;
	e->edge = splice.edge;
	e->left = splice.left;
	e->pkts = e->bytes = 0;
	memcpy(e->hop, r.out_dst_mac, sizeof(e->hop));
	set_rules(o, e->port, gate_of(o, e)->rules + 1);
	enter(o, e, OFFLOAD_INSERTING);
}

static void watch(struct offload *o, struct flow *f, enum flow_side_id from)
{
	struct offload_entry *e = entry_new(o);

	if (!e)
		return;
	e->flow = slab_index(&o->env.flows->slab, f);
	e->from = (uint8_t)from;
	e->start = f->side[from].bytes;
	f->offload = index_of(o, e) + 1;
}

void offload_see(struct offload *o, struct flow *f, enum flow_side_id from, const struct pkt *p)
{
	struct offload_entry *e;
	uint64_t us;
	uint32_t bytes;

	if (o->draining || f->state != FLOW_ESTABLISHED)
		return;
	if (!f->offload) {
		watch(o, f, from);
		return;
	}
	e = entry_at(o, f->offload - 1);
	if (e->state != OFFLOAD_WATCHED || (e->from != from && from != FLOW_SERVER))
		return;
	us = o->now_us - e->since_us;
	if (e->from != from || us > o->env.conf->window_us) {
		/* the answers of a server go before what is sent to it */
		let_go(o, e);
		watch(o, f, from);
		return;
	}
	bytes = f->side[from].bytes - e->start;
	if (bytes < o->env.conf->min_bytes)
		return;
	e->rate = (uint64_t)bytes * 1000000 / (us ? us : 1);
	hand_over(o, e, p);
}

bool offload_end(struct offload *o, struct flow *f, enum offload_why why)
{
	struct offload_entry *e;

	if (!f->offload)
		return true;
	e = entry_at(o, f->offload - 1);
	if (e->state == OFFLOAD_WATCHED) {
		let_go(o, e);
		return true;
	}
	if (e->state == OFFLOAD_INSERTING || e->state == OFFLOAD_ACTIVE)
		start_removal(o, e, why);
	return false;
}

static bool may_be_there(const struct offload_entry *e)
{
	return e->state == OFFLOAD_INSERTING || e->state == OFFLOAD_ACTIVE ||
	       e->state == OFFLOAD_REMOVING || e->state == OFFLOAD_RETRY;
}

uint32_t offload_edge(struct offload *o, struct flow *f, uint32_t edge)
{
	struct offload_entry *e;
	uint32_t more;

	if (!f->offload)
		return edge;
	e = entry_at(o, f->offload - 1);
	more = edge - e->edge;
	if (!e->limited || !may_be_there(e) || (int32_t)more <= 0)
		return edge;
	if (more > e->left)
		more = (uint32_t)e->left;
	e->edge += more;
	e->left -= more;
	if (e->left < OFFLOAD_TAIL_BYTES &&
	    (e->state == OFFLOAD_ACTIVE || e->state == OFFLOAD_INSERTING))
		start_removal(o, e, OFFLOAD_WHY_LIMIT);
	return e->edge;
}

bool offload_has(const struct offload *o, const struct flow *f, enum flow_side_id from)
{
	const struct offload_entry *e;

	if (!f->offload)
		return false;
	e = entry_at(o, f->offload - 1);
	return e->state >= OFFLOAD_INSERTING && e->from == from && e->level >= OFFLOAD_REWRITE;
}

struct flow *offload_marked(const struct offload *o, uint32_t mark, const struct pkt *p,
                            enum flow_side_id *side)
{
	const struct flow_table *t = o->env.flows;
	struct flow *f;

	if (mark == 0 || mark > t->slab.fresh)
		return NULL;
	f = flow_at(t, mark - 1);
	if (f->state == FLOW_FREE || flow_is_udp(f) != (p->kind == PKT_UDP))
		return NULL;
	for (uint32_t i = 0; i < 2; i++) {
		const struct flow_side *s = &f->side[i];

		if (s->rport != p->sport || s->lport != p->dport || s->local != p->own ||
		    !flow_peer_is(s, &p->src) || (f->flags & FLOW_F_ONE_WAY && i != FLOW_CLIENT))
			continue;
		*side = (enum flow_side_id)i;
		return f;
	}
	return NULL;
}

/* ---- hearing ------------------------------------------------------------------------------- */

/* The device counts frames; flows count IP packets. */
static void count(struct offload *o, struct offload_entry *e, const struct offload_answer *a)
{
	uint32_t l2 = o->env.net_ports[e->port].vlan ? 18 : 14;
	uint64_t pkts = a->pkts - e->pkts, bytes;
	struct flow *f = flow_of(o, e);

	if (a->pkts <= e->pkts || a->bytes - e->bytes < pkts * l2)
		return;
	bytes = a->bytes - e->bytes - pkts * l2;
	e->pkts = a->pkts;
	e->bytes = a->bytes;
	e->moved_us = o->now_us;
	o->counts[e->port].pkts += pkts;
	o->counts[e->port].bytes += bytes;
	if (e->level < OFFLOAD_REWRITE)
		return; /* they came to software, too */
	f->side[e->from].bytes += (uint32_t)bytes;
	f->seen_s = o->env.flows->now_s;
	if (o->env.counted)
		o->env.counted(o->env.arg, f, e->from, pkts, bytes);
}

/* And how much a second that was since it was counted last. */
static void measure(struct offload *o, struct offload_entry *e, const struct offload_answer *a)
{
	uint64_t us = o->now_us - e->told_us, before = e->bytes;

	count(o, e, a);
	e->rate = us ? (e->bytes - before) * 1000000 / us : e->rate;
	e->told_us = o->now_us;
}

/* Not in the device any more: what it may still be sending has to leave. */
static void settle(struct offload *o, struct offload_entry *e)
{
	gate_of(o, e)->leaving -= e->state != OFFLOAD_ACTIVE;
	o->counts[e->port].removed[e->why]++;
	set_rules(o, e->port, gate_of(o, e)->rules - 1);
	enter(o, e, OFFLOAD_SETTLING);
}

static void inserted(struct offload *o, struct offload_entry *e)
{
	o->counts[e->port].inserted++;
	gate_of(o, e)->back_off_us = 0;
	e->moved_us = e->told_us = o->now_us;
	enter(o, e, OFFLOAD_ACTIVE);
	if (e->doomed)
		start_removal(o, e, e->why);
	else if (o->draining)
		start_removal(o, e, OFFLOAD_WHY_DRAIN);
}

static void refused(struct offload *o, struct offload_entry *e, uint8_t fail)
{
	struct offload_gate *g = gate_of(o, e);

	o->counts[e->port].failed[fail]++;
	set_rules(o, e->port, g->rules - 1);
	if (fail == OFFLOAD_FAIL_ROOM) {
		g->room = g->rules ? g->rules : 1;
		g->grow_us = o->now_us + GROW_US;
	} else {
		g->back_off_us = g->back_off_us ? g->back_off_us * 2 : BACK_OFF_US;
		if (g->back_off_us > BACK_OFF_MOST)
			g->back_off_us = BACK_OFF_MOST;
		g->pause_us = o->now_us + g->back_off_us;
	}
	o->counts[e->port].room = g->room;
	let_go(o, e);
}

/* Every rule of the port that was confirmed is gone; what is asked for is answered as it went. */
static void lost(struct offload *o, uint8_t port)
{
	static const enum offload_state held[] = {OFFLOAD_ACTIVE, OFFLOAD_RETRY};

	for (uint32_t i = 0; i < 2; i++) {
		uint32_t next = o->queue[held[i]].first;

		while (next) {
			struct offload_entry *e = entry_at(o, next - 1);

			next = e->next;
			if (e->port != port)
				continue;
			e->why = OFFLOAD_WHY_LOST;
			settle(o, e);
		}
	}
}

static void stuck(struct offload *o, struct offload_entry *e)
{
	o->counts[e->port].failed[OFFLOAD_FAIL_STUCK]++;
	enter(o, e, OFFLOAD_RETRY);
}

static void hear(struct offload *o, const struct offload_answer *a)
{
	struct offload_entry *e = entry_at(o, a->token);

	if (a->kind == OFFLOAD_LOST) {
		lost(o, a->port);
		return;
	}
	if (a->kind == OFFLOAD_AGED) {
		if (e->state == OFFLOAD_ACTIVE)
			start_removal(o, e, OFFLOAD_WHY_IDLE);
		return;
	}
	o->questions--;
	switch ((enum offload_answer_kind)a->kind) {
	case OFFLOAD_INSERTED: inserted(o, e); return;
	case OFFLOAD_REFUSED: refused(o, e, a->fail); return;
	case OFFLOAD_REMOVED:
		count(o, e, a);
		settle(o, e);
		return;
	case OFFLOAD_STUCK: stuck(o, e); return;
	case OFFLOAD_COUNTED:
		if (may_be_there(e))
			measure(o, e, a);
		e->asked = false;
		return;
	case OFFLOAD_UNCOUNTED: e->asked = false; return;
	case OFFLOAD_AGED:
	case OFFLOAD_LOST: return;
	}
}

static bool hear_all(struct offload *o)
{
	struct offload_answer a[ANSWERS];
	uint32_t n = ANSWERS, total = 0;

	while (n == ANSWERS && total < ANSWERS_MOST) {
		n = o->env.ops->poll(o->env.device, a, ANSWERS);
		for (uint32_t i = 0; i < n; i++)
			hear(o, &a[i]);
		total += n;
	}
	return total > 0;
}

/* ---- time ---------------------------------------------------------------------------------- */

/* Does it still send to the same neighbour? Asking also keeps the neighbour from being forgotten. */
static bool same_way(struct offload *o, const struct offload_entry *e)
{
	struct net_path path = flow_of(o, e)->side[!e->from].path;
	struct net_hop hop;

	return e->level < OFFLOAD_REWRITE || (net_path_hop(o->env.net, &path, &hop) &&
	                                      memcmp(hop.dst, e->hop, sizeof(e->hop)) == 0);
}

static void look_at(struct offload *o, struct offload_entry *e)
{
	if (o->draining) {
		start_removal(o, e, OFFLOAD_WHY_DRAIN);
		return;
	}
	if (!same_way(o, e)) {
		start_removal(o, e, OFFLOAD_WHY_PATH);
		return;
	}
	if (o->now_us - e->moved_us > OFFLOAD_IDLE_US) {
		start_removal(o, e, OFFLOAD_WHY_IDLE);
		return;
	}
	if (!e->asked && o->env.ops->query(o->env.device, e->port, index_of(o, e)) == 0) {
		note_question(o);
		e->asked = true;
	}
	enter(o, e, OFFLOAD_ACTIVE);
}

static bool is_old(const struct offload *o, const struct offload_entry *e, uint64_t us)
{
	return e && o->now_us - e->since_us >= us;
}

static bool look_at_rules(struct offload *o)
{
	uint64_t every = o->draining ? 0 : OFFLOAD_QUERY_US;
	uint32_t n = 0;

	while (n < RULES_A_TURN && is_old(o, first(o, OFFLOAD_ACTIVE), every)) {
		look_at(o, first(o, OFFLOAD_ACTIVE));
		n++;
	}
	while (n < RULES_A_TURN && is_old(o, first(o, OFFLOAD_RETRY), OFFLOAD_RETRY_US)) {
		start_removal(o, first(o, OFFLOAD_RETRY), OFFLOAD_WHY_CLOSED);
		n++;
	}
	return n > 0;
}

static bool end_waits(struct offload *o)
{
	struct offload_entry *e, *next;
	bool did = false;

	while (is_old(o, first(o, OFFLOAD_WATCHED), o->env.conf->window_us)) {
		let_go(o, first(o, OFFLOAD_WATCHED));
		did = true;
	}
	for (e = first(o, OFFLOAD_SETTLING); is_old(o, e, OFFLOAD_SETTLE_US); e = next) {
		next = e->next ? entry_at(o, e->next - 1) : NULL;
		if (e->asked)
			continue;
		let_go(o, e);
		did = true;
	}
	return did;
}

/* A device that was full may have room again: by an eighth each second. */
static void grow(struct offload *o)
{
	for (uint32_t i = 0; i < o->env.n_ports; i++) {
		struct offload_gate *g = &o->gate[i];
		uint32_t most = o->env.ports[i].max_rules;

		if (g->room >= most || o->now_us < g->grow_us)
			continue;
		g->room += g->room / 8 + 1;
		if (g->room > most)
			g->room = most;
		o->counts[i].room = g->room;
		g->grow_us = o->now_us + GROW_US;
	}
}

bool offload_turn(struct offload *o, uint64_t now_us)
{
	bool did;

	o->now_us = now_us;
	if (!o->mask)
		return false;
	did = hear_all(o);
	if (o->slab.used == 0)
		return did;
	did |= look_at_rules(o);
	did |= end_waits(o);
	grow(o);
	return did;
}

static void sooner(uint64_t *next, const struct offload_entry *e, uint64_t us)
{
	if (e && e->since_us + us < *next)
		*next = e->since_us + us;
}

uint64_t offload_next(const struct offload *o)
{
	/* more seldom the longer it takes */
	uint64_t next = UINT64_MAX, look_us = o->now_us + POLL_US + (o->now_us - o->asked_us) / 8;
	const struct offload_entry *settling;

	if (!o->mask || o->slab.used == 0)
		return next;
	sooner(&next, first(o, OFFLOAD_WATCHED), o->env.conf->window_us);
	sooner(&next, first(o, OFFLOAD_ACTIVE), o->draining ? 0 : OFFLOAD_QUERY_US);
	sooner(&next, first(o, OFFLOAD_RETRY), OFFLOAD_RETRY_US);
	settling = first(o, OFFLOAD_SETTLING);
	while (settling && settling->asked) /* that answer is waited for below */
		settling = settling->next ? entry_at(o, settling->next - 1) : NULL;
	sooner(&next, settling, OFFLOAD_SETTLE_US);
	if (o->questions && look_us < next)
		next = look_us;
	return next;
}

void offload_drain(struct offload *o, bool on)
{
	o->draining = on;
}

/* ---- start --------------------------------------------------------------------------------- */

size_t offload_bytes(uint32_t entries)
{
	return slab_bytes(entries, sizeof(struct offload_entry));
}

static bool can_anything(const struct offload_env *env)
{
	for (uint32_t i = 0; i < env->n_ports; i++)
		for (uint32_t k = 0; k < env->n_ports * OFFLOAD_KINDS; k++)
			if (env->ports[i].level[k / OFFLOAD_KINDS][k % OFFLOAD_KINDS] >
			    OFFLOAD_NONE)
				return true;
	return false;
}

/* Half of what makes a flow heavy, rounded down to a power of two: two crossings within the window. */
static uint32_t quantum_mask(uint64_t min_bytes)
{
	uint32_t bits = 0;

	while (bits < 31 && (4ull << bits) <= min_bytes)
		bits++;
	return UINT32_MAX << bits;
}

void offload_init(struct offload *o, void *memory, uint32_t entries, const struct offload_env *env,
                  uint64_t now_us)
{
	memset(o, 0, sizeof(*o));
	o->now_us = now_us;
	if (entries == 0 || !can_anything(env))
		return;
	o->env = *env;
	slab_init(&o->slab, memory, entries, sizeof(struct offload_entry));
	o->mask = quantum_mask(env->conf->min_bytes);
	for (uint32_t i = 0; i < env->n_ports; i++) {
		o->gate[i].room = env->ports[i].max_rules;
		o->counts[i].room = env->ports[i].max_rules;
	}
}
