/* SPDX-License-Identifier: BSD-3-Clause */
#include "offload_rte.h"

#include "offload_flow.h"
#include "offload_port.h"
#include "offload_template.h"

#include <rte_cycles.h>
#include <rte_errno.h>
#include <rte_lcore.h>
#include <rte_ring.h>
#include <rte_ring_elem.h>

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#define QUESTIONS    1024 /* of a worker, on their way */
#define BURST        32
#define AGED_AT_ONCE 64
#define REST_US      50 /* between looks while there is something to do */
#define REST_LONG_US 1000
#define RULES_MOST   65536 /* of a port, when neither node nor device says */

/* What a worker wants. kind is the answer that it hopes for. */
struct question {
	uint8_t kind; /* enum offload_answer_kind */
	uint8_t port;
	uint16_t pad;
	uint32_t token;
	struct offload_rule rule;
};
static_assert(sizeof(struct question) % 4 == 0, "rings take multiples of 4 bytes");

/* A rule of a worker, or what is left of it. Only the thread looks at these. */
struct handle {
	struct rte_flow *flow;
	uint32_t token;
	uint8_t worker, port;
	uint8_t waits; /* by template: the answer that is waited for; OFFLOAD_LOST: none */
};

struct asker {
	struct offload_rte *r;
	struct rte_ring *questions; /* from the worker */
	struct rte_ring *answers;   /* to it */
	struct handle *handles;     /* [entries] by token */
	struct offload_port ports[NODE_PORTS_MAX];
	struct offload_env env;
};

struct side {
	struct port *port;
	struct offload_flow_way way;
	struct offload_templates templates;
	enum offload_level level; /* highest */
	bool lost;                /* callback: w, thread: r and w */
};

struct offload_rte {
	const struct node *node;
	uint32_t n_ports, n_workers, entries;
	const uint8_t *rss_key;
	struct side sides[NODE_PORTS_MAX];
	struct asker askers[WEIR_WORKERS_MAX];
	pthread_t thread;
	bool running;
	bool stopping; /* control: w, thread: r */
};

/* ---- what workers call --------------------------------------------------------------------- */

static int put_question(struct asker *a, struct question *q)
{
	return rte_ring_sp_enqueue_elem(a->questions, q, sizeof(*q)) == 0 ? 0 : -EAGAIN;
}

static int ask_insert(void *device, const struct offload_rule *rule, uint32_t token)
{
	struct question q = {OFFLOAD_INSERTED, rule->in_port, 0, token, *rule};

	return put_question(device, &q);
}

static int ask_remove(void *device, uint8_t port, uint32_t token)
{
	struct question q = {.kind = OFFLOAD_REMOVED, .port = port, .token = token};

	return put_question(device, &q);
}

static int ask_query(void *device, uint8_t port, uint32_t token)
{
	struct question q = {.kind = OFFLOAD_COUNTED, .port = port, .token = token};

	return put_question(device, &q);
}

static uint32_t take_answers(void *device, struct offload_answer *out, uint32_t max)
{
	struct asker *a = device;

	return rte_ring_sc_dequeue_burst_elem(a->answers, out, sizeof(*out), max, NULL);
}

static const struct offload_ops ops = {NULL, ask_insert, ask_remove, ask_query, take_answers};

/* ---- the thread's answers ------------------------------------------------------------------ */

/* There is room: an entry has two questions out at most. */
static void answer(struct asker *a, struct offload_answer *answer)
{
	while (rte_ring_sp_enqueue_elem(a->answers, answer, sizeof(*answer)) != 0)
		usleep(REST_US);
}

static void answer_about(struct offload_rte *r, const struct handle *h,
                         enum offload_answer_kind kind, enum offload_fail fail)
{
	struct offload_answer out = {
		.kind = (uint8_t)kind, .port = h->port, .fail = (uint8_t)fail, .token = h->token};

	answer(&r->askers[h->worker], &out);
}

static enum offload_fail why(int error)
{
	switch (error < 0 ? -error : error) {
	case ENOSPC:
	case ENOMEM: return OFFLOAD_FAIL_ROOM;
	case ENOTSUP:
	case ENOSYS:
	case EINVAL: return OFFLOAD_FAIL_CANNOT;
	case EEXIST: return OFFLOAD_FAIL_EXISTS;
	case EBUSY:
	case EAGAIN: return OFFLOAD_FAIL_BUSY;
	default: return OFFLOAD_FAIL_DEVICE;
	}
}

/* ---- asking the device --------------------------------------------------------------------- */

static bool query(const struct side *s, struct rte_flow *flow, struct offload_answer *out)
{
	const struct rte_flow_action what[] = {{.type = RTE_FLOW_ACTION_TYPE_COUNT},
	                                       {.type = RTE_FLOW_ACTION_TYPE_END}};
	struct rte_flow_query_count count = {0};
	struct rte_flow_error error;

	if (!flow || rte_flow_query(s->port->id, flow, what, &count, &error) < 0 || !count.hits_set)
		return false;
	out->pkts = count.hits;
	out->bytes = count.bytes;
	return count.bytes_set;
}

/* Aged rules are told by what is handed over here. */
static void remember_age(struct offload_flow *f, struct handle *h)
{
	for (uint32_t i = 0; i < f->n_actions; i++)
		if (f->actions[i].type == RTE_FLOW_ACTION_TYPE_AGE)
			f->conf[i].age.context = h;
}

static void insert(struct offload_rte *r, struct side *s, struct handle *h,
                   const struct question *q)
{
	struct offload_flow f;

	offload_flow_build(&f, &q->rule, &s->way);
	remember_age(&f, h);
	rte_errno = 0;
	if (s->port->by_template) {
		h->flow = offload_template_insert(&s->templates, offload_template_key(&q->rule), &f,
		                                  h);
		h->waits = h->flow ? OFFLOAD_INSERTED : OFFLOAD_LOST;
		if (h->flow)
			return;
	} else {
		h->flow = rte_flow_create(s->port->id, &f.attr, f.pattern, f.actions, &f.error);
	}
	answer_about(r, h, h->flow ? OFFLOAD_INSERTED : OFFLOAD_REFUSED, why(rte_errno));
}

/* One that is lost is gone. */
static void take_out(struct offload_rte *r, struct side *s, struct handle *h)
{
	struct offload_answer out = {.kind = OFFLOAD_REMOVED, .port = h->port, .token = h->token};
	struct rte_flow_error error;

	if (h->flow && s->port->by_template) {
		h->waits = OFFLOAD_REMOVED;
		if (offload_template_remove(&s->templates, h->flow, h) == 0)
			return;
		h->waits = OFFLOAD_LOST;
		out.kind = OFFLOAD_STUCK;
	} else if (h->flow) {
		query(s, h->flow, &out);
		if (rte_flow_destroy(s->port->id, h->flow, &error) < 0)
			out.kind = OFFLOAD_STUCK;
	}
	if (out.kind == OFFLOAD_REMOVED)
		h->flow = NULL;
	answer(&r->askers[h->worker], &out);
}

static void handle_question(struct offload_rte *r, uint8_t worker, const struct question *q)
{
	struct side *s = &r->sides[q->port];
	struct handle *h = &r->askers[worker].handles[q->token];
	struct offload_answer out = {.kind = OFFLOAD_UNCOUNTED, .port = q->port, .token = q->token};

	switch ((enum offload_answer_kind)q->kind) {
	case OFFLOAD_INSERTED:
		*h = (struct handle){.token = q->token,
		                     .worker = worker,
		                     .port = q->port,
		                     .waits = OFFLOAD_LOST};
		insert(r, s, h, q);
		return;
	case OFFLOAD_REMOVED: take_out(r, s, h); return;
	default:
		if (h->waits == OFFLOAD_LOST && query(s, h->flow, &out))
			out.kind = OFFLOAD_COUNTED;
		answer(&r->askers[worker], &out);
		return;
	}
}

static bool hear_worker(struct offload_rte *r, uint8_t worker)
{
	struct question q[BURST];
	uint32_t n = rte_ring_sc_dequeue_burst_elem(r->askers[worker].questions, q, sizeof(q[0]),
	                                            BURST, NULL);

	for (uint32_t i = 0; i < n; i++)
		handle_question(r, worker, &q[i]);
	return n > 0;
}

static void finished(struct offload_rte *r, const struct rte_flow_op_result *result)
{
	struct handle *h = result->user_data;
	bool ok = result->status == RTE_FLOW_OP_SUCCESS;
	uint8_t waited;

	if (!h || h->waits == OFFLOAD_LOST)
		return;
	waited = h->waits;
	h->waits = OFFLOAD_LOST;
	if (waited == OFFLOAD_INSERTED) {
		h->flow = ok ? h->flow : NULL;
		answer_about(r, h, ok ? OFFLOAD_INSERTED : OFFLOAD_REFUSED, OFFLOAD_FAIL_DEVICE);
		return;
	}
	h->flow = ok ? NULL : h->flow;
	answer_about(r, h, ok ? OFFLOAD_REMOVED : OFFLOAD_STUCK, 0);
}

static bool hear_device(struct offload_rte *r, struct side *s)
{
	struct rte_flow_op_result results[BURST];
	int n = offload_template_pull(&s->templates, results, BURST);

	for (int i = 0; i < n; i++)
		finished(r, &results[i]);
	return n > 0;
}

static void hear_aged(struct offload_rte *r, struct side *s)
{
	void *contexts[AGED_AT_ONCE];
	struct rte_flow_error error;
	int n = rte_flow_get_aged_flows(s->port->id, contexts, AGED_AT_ONCE, &error);

	for (int i = 0; i < n && i < AGED_AT_ONCE; i++)
		if (contexts[i])
			answer_about(r, contexts[i], OFFLOAD_AGED, 0);
}

/* ---- rules that all others stand on -------------------------------------------------------- */

static bool put_base(struct side *s, struct offload_flow *f, uint32_t key)
{
	if (s->port->by_template)
		return offload_template_insert(&s->templates, key, f, NULL);
	return rte_flow_create(s->port->id, &f->attr, f->pattern, f->actions, &f->error);
}

static void describe_queues(const struct offload_rte *r, const struct port *p, uint16_t *queues,
                            struct rte_flow_action_rss *rss)
{
	for (uint16_t i = 0; i < p->rx_queues; i++)
		queues[i] = i;
	*rss = (struct rte_flow_action_rss){.queue_num = p->rx_queues, .queue = queues};
	if (p->steering != PORT_RSS)
		return;
	rss->types = RTE_ETH_RSS_NONFRAG_IPV4_TCP | RTE_ETH_RSS_NONFRAG_IPV6_TCP;
	rss->key = r->rss_key;
	rss->key_len = PORT_RSS_KEY_BYTES;
}

/* The way back first: what comes before it is there would be lost. */
static bool put_bases(struct offload_rte *r, struct side *s)
{
	uint16_t queues[UINT8_MAX];
	struct rte_flow_action_rss rss;
	struct offload_flow f;

	if (!s->way.group || s->level < OFFLOAD_REWRITE)
		return true;
	describe_queues(r, s->port, queues, &rss);
	offload_flow_rest(&f, &rss);
	if (!put_base(s, &f, UINT32_MAX))
		return false;
	offload_flow_jump(&f, s->port->mac);
	return put_base(s, &f, UINT32_MAX - 1);
}

/* ---- losing rules -------------------------------------------------------------------------- */

static int tell_lost(uint16_t port_id, enum rte_eth_event_type event, void *arg, void *ret)
{
	struct side *s = arg;

	(void)port_id;
	(void)event;
	(void)ret;
	__atomic_store_n(&s->lost, true, __ATOMIC_RELEASE);
	return 0;
}

/* What was confirmed is gone, and what was waited for will not be answered by the device any more. */
static void lose(struct offload_rte *r, uint8_t port)
{
	for (uint32_t w = 0; w < r->n_workers; w++) {
		struct offload_answer out = {.kind = OFFLOAD_LOST, .port = port};
		struct asker *a = &r->askers[w];

		answer(a, &out);
		for (uint32_t t = 0; t < r->entries; t++) {
			struct handle *h = &a->handles[t];
			uint8_t waited = h->waits;

			if (!h->flow || h->port != port)
				continue;
			h->flow = NULL;
			h->waits = OFFLOAD_LOST;
			if (waited == OFFLOAD_INSERTED)
				answer_about(r, h, OFFLOAD_REFUSED, OFFLOAD_FAIL_DEVICE);
			else if (waited == OFFLOAD_REMOVED)
				answer_about(r, h, OFFLOAD_REMOVED, 0);
		}
	}
	put_bases(r, &r->sides[port]);
}

/* ---- the thread ---------------------------------------------------------------------------- */

static bool turn(struct offload_rte *r)
{
	bool busy = false;

	for (uint32_t i = 0; i < r->n_ports; i++) {
		struct side *s = &r->sides[i];

		if (__atomic_exchange_n(&s->lost, false, __ATOMIC_ACQ_REL))
			lose(r, (uint8_t)i);
		if (s->port->by_template && s->level > OFFLOAD_NONE)
			busy |= hear_device(r, s);
		if (s->way.ages)
			hear_aged(r, s);
	}
	for (uint32_t w = 0; w < r->n_workers; w++)
		busy |= hear_worker(r, (uint8_t)w);
	return busy;
}

static void *run(void *arg)
{
	struct offload_rte *r = arg;
	uint32_t idle = 0;

	while (!__atomic_load_n(&r->stopping, __ATOMIC_ACQUIRE)) {
		idle = turn(r) ? 0 : idle + 1;
		if (idle)
			usleep(idle < 100 ? REST_US : REST_LONG_US);
	}
	return NULL;
}

/* ---- start and end ------------------------------------------------------------------------- */

static bool ask_device(void *arg, uint8_t port, struct offload_flow *f)
{
	struct offload_rte *r = arg;
	struct side *s = &r->sides[port];

	if (s->port->by_template)
		return offload_template_ask(&s->templates, f);
	return rte_flow_validate(s->port->id, &f->attr, f->pattern, f->actions, &f->error) == 0;
}

static void find_levels(struct offload_rte *r, uint8_t i, struct offload_port *out)
{
	struct side *s = &r->sides[i];
	struct rte_flow_action_rss rss;
	uint16_t queues[UINT8_MAX];
	const struct offload_flow_site site = {
		.port = i,
		.n_ports = r->n_ports,
		.mac = s->port->mac,
		.vlan = s->port->node->vlan,
		.most = (enum offload_level)r->node->offload.level,
		.rss = &rss,
		.ask = ask_device,
		.arg = r,
	};

	describe_queues(r, s->port, queues, &rss);
	offload_flow_survey(&site, out, &s->way);
	for (uint32_t k = 0; k < r->n_ports * OFFLOAD_KINDS; k++) {
		enum offload_level l =
			(enum offload_level)out->level[k / OFFLOAD_KINDS][k % OFFLOAD_KINDS];

		s->level = l > s->level ? l : s->level;
	}
	if (put_bases(r, s))
		return;
	/* asked, it said yes; told, it did not: nothing that stands on these rules */
	s->level = OFFLOAD_NONE;
	memset(out->level, 0, sizeof(out->level));
	rte_flow_flush(s->port->id, &(struct rte_flow_error){0});
}

static bool find_all(struct offload_rte *r, struct port *ports)
{
	struct offload_port found[NODE_PORTS_MAX] = {0};
	uint32_t rules = r->node->offload.max_rules ? r->node->offload.max_rules : RULES_MOST;
	bool any = false;

	for (uint32_t i = 0; i < r->n_ports; i++) {
		struct side *s = &r->sides[i];

		s->port = &ports[i];
		s->templates =
			(struct offload_templates){.port_id = ports[i].id, .max_rules = rules};
		for (uint32_t to = 0; to < NODE_PORTS_MAX; to++)
			s->way.hairpin[to] =
				to < r->n_ports ? offload_port_hairpin(ports, i, to) : UINT16_MAX;
		find_levels(r, (uint8_t)i, &found[i]);
		any |= s->level > OFFLOAD_NONE;
		ports[i].jumps = s->way.group && s->level >= OFFLOAD_REWRITE;
		found[i].max_rules = rules / r->n_workers ? rules / r->n_workers : 1;
	}
	for (uint32_t w = 0; w < r->n_workers; w++) {
		memcpy(r->askers[w].ports, found, sizeof(found));
		for (uint32_t i = 0; i < r->n_ports; i++)
			r->askers[w].ports[i].queue = (uint16_t)(w % ports[i].rx_queues);
	}
	return any;
}

static struct rte_ring *make_ring(uint32_t n, uint32_t bytes)
{
	ssize_t size = rte_ring_get_memsize_elem(bytes, n);
	struct rte_ring *ring =
		size > 0 ? aligned_alloc(128, ((size_t)size + 127) & ~(size_t)127) : NULL;

	if (ring)
		rte_ring_init(ring, "weir_offload", n, RING_F_SP_ENQ | RING_F_SC_DEQ);
	return ring;
}

static bool make_asker(struct offload_rte *r, uint32_t w)
{
	struct asker *a = &r->askers[w];

	a->r = r;
	a->questions = make_ring(QUESTIONS, sizeof(struct question));
	a->answers = make_ring(rte_align32pow2(r->entries * 4), sizeof(struct offload_answer));
	a->handles = calloc(r->entries, sizeof(*a->handles));
	a->env = (struct offload_env){.ops = &ops, .device = a, .ports = a->ports};
	return a->questions && a->answers && a->handles;
}

static void let_go(struct offload_rte *r)
{
	for (uint32_t w = 0; w < r->n_workers; w++) {
		free(r->askers[w].questions);
		free(r->askers[w].answers);
		free(r->askers[w].handles);
	}
	free(r);
}

static void listen_for_resets(struct offload_rte *r, bool on)
{
	static const enum rte_eth_event_type events[] = {RTE_ETH_EVENT_INTR_RESET,
	                                                 RTE_ETH_EVENT_INTR_RMV};

	for (uint32_t i = 0; i < r->n_ports; i++)
		for (uint32_t k = 0; k < RTE_DIM(events); k++) {
			uint16_t id = r->sides[i].port->id;

			if (on)
				rte_eth_dev_callback_register(id, events[k], tell_lost,
				                              &r->sides[i]);
			else
				rte_eth_dev_callback_unregister(id, events[k], tell_lost,
				                                &r->sides[i]);
		}
}

struct offload_rte *offload_rte_start(const struct node *node, struct port *ports,
                                      const uint8_t *rss_key)
{
	uint32_t entries = offload_entries(node);
	struct offload_rte *r = entries ? calloc(1, sizeof(*r)) : NULL;
	bool ok;

	if (!r)
		return NULL;
	r->node = node;
	r->n_ports = node->n_ports;
	r->n_workers = node->n_workers;
	r->entries = entries;
	r->rss_key = rss_key;
	ok = find_all(r, ports);
	for (uint32_t w = 0; w < r->n_workers && ok; w++)
		ok = make_asker(r, w);
	if (ok)
		ok = rte_ctrl_thread_create(&r->thread, "weir-offload", NULL, run, r) == 0;
	if (!ok) {
		let_go(r);
		return NULL;
	}
	r->running = true;
	listen_for_resets(r, true);
	return r;
}

void offload_rte_stop(struct offload_rte *r)
{
	struct rte_flow_error error;

	if (!r)
		return;
	listen_for_resets(r, false);
	__atomic_store_n(&r->stopping, true, __ATOMIC_RELEASE);
	pthread_join(r->thread, NULL);
	for (uint32_t i = 0; i < r->n_ports; i++)
		if (r->sides[i].level > OFFLOAD_NONE)
			rte_flow_flush(r->sides[i].port->id, &error);
	let_go(r);
}

const struct offload_env *offload_rte_env(struct offload_rte *r, uint32_t worker)
{
	return r ? &r->askers[worker].env : NULL;
}

enum offload_level offload_rte_level(const struct offload_rte *r, uint32_t port)
{
	return r ? r->sides[port].level : OFFLOAD_NONE;
}

const char *offload_rte_way(const struct offload_rte *r, uint32_t port)
{
	if (!r || r->sides[port].level == OFFLOAD_NONE)
		return "-";
	if (r->sides[port].port->by_template)
		return "template";
	return r->sides[port].way.modify ? "modify" : "set";
}
