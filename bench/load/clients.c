/* SPDX-License-Identifier: BSD-3-Clause */
#include "clients.h"

#include <rte_byteorder.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PORT_FIRST   1024u
#define PORTS        (65536u - PORT_FIRST)
#define OPENING_MAX  256u  /* SYNs without an answer */
#define SWEEP_PART   4096u /* clients at a time */
#define ACK_AFTER_US 200   /* of a single segment whose response goes on */
/* A port comes again after all others, with sequence numbers that have moved on. */
#define ISN_STEP 0x1000000u

enum client_state {
	CLIENT_OFF,
	CLIENT_OPENING,
	CLIENT_READY,
	CLIENT_WAITING,
	CLIENT_CLOSING,
};

/* ---- queues ------------------------------------------------------------------------------ */

static int queue_init(struct queue *q, uint32_t n)
{
	uint32_t size = 1;

	while (size < n + 1)
		size *= 2;
	q->clients = malloc(size * sizeof(*q->clients));
	q->mask = size - 1;
	return q->clients ? 0 : -ENOMEM;
}

static void push(struct queue *q, uint32_t client)
{
	q->clients[q->tail++ & q->mask] = client;
}

static bool empty(const struct queue *q)
{
	return q->head == q->tail;
}

static uint32_t pop(struct queue *q)
{
	return q->clients[q->head++ & q->mask];
}

/* ---- begin and end ----------------------------------------------------------------------- */

int clients_init(struct clients *c, const struct request_form *form)
{
	c->client = calloc(c->form.n, sizeof(*c->client));
	c->by_port = calloc((size_t)c->form.sources * 65536, sizeof(*c->by_port));
	if (!c->client || !c->by_port || queue_init(&c->ready, c->form.n) ||
	    queue_init(&c->acks, c->form.n) || requests_init(&c->requests, form, c->rules.body)) {
		clients_fini(c);
		return -ENOMEM;
	}
	if (c->form.close)
		for (uint32_t i = 0; i < c->form.n; i++)
			push(&c->ready, i);
	return 0;
}

void clients_fini(struct clients *c)
{
	for (uint32_t i = 0; c->client && i < c->form.n; i++)
		free(c->client[i].reader.part);
	free(c->client);
	free(c->by_port);
	free(c->ready.clients);
	free(c->acks.clients);
	requests_fini(&c->requests);
}

bool clients_own(const struct clients *c, uint32_t address)
{
	return address - c->form.first < c->form.sources;
}

bool clients_open(const struct clients *c)
{
	return c->form.close || (c->opened == c->form.n && c->opening == 0);
}

/* ---- sending ----------------------------------------------------------------------------- */

/* The entry of an address and a port of ours. */
static uint32_t *entry(struct clients *c, uint32_t address, uint16_t port)
{
	return &c->by_port[(size_t)(rte_be_to_cpu_32(address) - c->form.first) * 65536 +
	                   rte_be_to_cpu_16(port)];
}

/* Neighbours in the sequence have different sources; a port comes again when all of all sources had their turn. */
static void take_port(struct clients *c, struct client *k)
{
	struct peer *p = &k->peer;
	uint64_t n;

	do {
		n = c->next_port++;
		p->src = rte_cpu_to_be_32(c->form.first + (uint32_t)(n % c->form.sources));
		p->sport = rte_cpu_to_be_16((uint16_t)(PORT_FIRST + n / c->form.sources % PORTS));
	} while (*entry(c, p->src, p->sport));
	*entry(c, p->src, p->sport) = (uint32_t)(k - c->client) + 1;
	peer_begin(p, (uint32_t)(n / c->form.sources / PORTS) * ISN_STEP + (uint32_t)n);
}

static void open_one(struct clients *c, struct client *k, uint64_t now_tsc)
{
	if (k->peer.sport)
		*entry(c, k->peer.src, k->peer.sport) = 0;
	k->peer.dst = rte_cpu_to_be_32(c->form.target);
	k->peer.dport = rte_cpu_to_be_16(c->form.target_port);
	k->peer.rcv_nxt = 0;
	take_port(c, k);
	reader_reset(&k->reader);
	k->state = CLIENT_OPENING;
	k->moved_tsc = now_tsc;
	c->opening++;
	peer_say(c->wire, &k->peer, SEG_SYN);
}

static void send_request(struct clients *c, struct client *k, uint64_t now_tsc)
{
	k->request = draw_next(&c->requests.draw);
	k->reader.expected = c->form.by_request ? (uint8_t)(1 + k->request % 2) : 0;
	k->answers_left = (uint16_t)c->form.pipeline;
	k->state = CLIENT_WAITING;
	k->moved_tsc = now_tsc;
	peer_script(&k->peer);
	peer_go_on(c->wire, &k->peer, &c->requests.scripts[k->request], 0);
}

/* With close the request follows when the connection is there. */
static void ask(struct clients *c, struct client *k, uint64_t since_tsc, uint64_t now_tsc)
{
	c->asked += c->form.pipeline;
	c->in_flight++;
	k->sent_tsc = since_tsc;
	if (c->form.close)
		open_one(c, k, now_tsc);
	else
		send_request(c, k, now_tsc);
}

static void ask_all(struct clients *c, uint64_t now_tsc)
{
	uint64_t due = now_tsc;

	while (!empty(&c->ready) && (c->open_loop ? pace_take(&c->pace, now_tsc, &due)
	                                          : c->in_flight < c->form.inflight))
		ask(c, &c->client[pop(&c->ready)], due, now_tsc);
	if (c->open_loop && empty(&c->ready) && pace_due(&c->pace) < now_tsc)
		c->late++;
}

static void open_more(struct clients *c, uint64_t now_tsc)
{
	while (c->opened < c->form.n && c->opening < OPENING_MAX)
		open_one(c, &c->client[c->opened++], now_tsc);
}

/* The end of a response is acknowledged, unless a request did it, and a segment that has waited for the next. */
static void acknowledge(struct clients *c, uint64_t now_tsc)
{
	uint64_t limit = rte_get_tsc_hz() / 1000000 * ACK_AFTER_US;

	for (uint32_t n = c->acks.tail - c->acks.head; n; n--) {
		uint32_t i = pop(&c->acks);
		struct client *k = &c->client[i];

		if (k->peer.unacked == 1 && k->state == CLIENT_WAITING &&
		    now_tsc - k->moved_tsc < limit) {
			push(&c->acks, i);
			continue;
		}
		k->ack_queued = 0;
		if (k->peer.unacked)
			peer_say(c->wire, &k->peer, SEG_ACK);
	}
}

void clients_turn(struct clients *c, uint64_t now_tsc)
{
	if (!c->form.close && c->opened < c->form.n)
		open_more(c, now_tsc);
	if (!c->paused && clients_open(c))
		ask_all(c, now_tsc);
	acknowledge(c, now_tsc);
}

/* ---- receiving --------------------------------------------------------------------------- */

static void wrong(struct clients *c, const char *what)
{
	c->wrong++;
	if (!c->rules.wrong[0])
		snprintf(c->rules.wrong, sizeof(c->rules.wrong), "%s", what);
}

/* All answers of the connection are there. */
static void answered(struct clients *c, struct client *k)
{
	c->in_flight--;
	if (c->form.close) {
		k->state = CLIENT_CLOSING;
		return;
	}
	k->state = CLIENT_READY;
	if (!c->form.once)
		push(&c->ready, (uint32_t)(k - c->client));
}

static void take_data(struct clients *c, struct client *k, const struct segment *s,
                      uint64_t now_tsc)
{
	int n = reader_take(&k->reader, &c->rules, s->data, s->len);

	k->peer.rcv_nxt += s->len;
	k->peer.unacked++;
	if (!k->ack_queued) {
		k->ack_queued = 1;
		push(&c->acks, (uint32_t)(k - c->client));
	}
	if (n < 0 || n > k->answers_left) {
		wrong(c, "more answers than requests");
		n = k->answers_left; /* go on; the run has failed */
		k->reader.version = 0;
	}
	for (int i = 0; i < n; i++) {
		histogram_add(&c->latency, now_tsc - k->sent_tsc);
		if (k->sent_tsc > c->away_tsc)
			histogram_add(&c->undisturbed, now_tsc - k->sent_tsc);
	}
	c->answered += (uint64_t)n;
	k->answers_left = (uint16_t)(k->answers_left - n);
	if (n && k->answers_left == 0)
		answered(c, k);
	else if (k->peer.unacked >= 2)
		peer_say(c->wire, &k->peer, SEG_ACK);
}

/* Weir closed: so do we; with close it is the end of a request, otherwise nothing that should happen. */
static void take_fin(struct clients *c, struct client *k)
{
	uint32_t i = (uint32_t)(k - c->client);

	k->peer.rcv_nxt++;
	peer_say(c->wire, &k->peer, SEG_ACK | SEG_FIN);
	if (!c->form.close || k->state != CLIENT_CLOSING)
		wrong(c, "closed by Weir");
	c->closed++;
	c->in_flight -= k->state == CLIENT_WAITING;
	k->state = CLIENT_OFF;
	if (c->form.close)
		push(&c->ready, i);
}

static void take_reset(struct clients *c, struct client *k, uint64_t now_tsc)
{
	if (k->state == CLIENT_OFF)
		return;
	c->resets++;
	c->opening -= k->state == CLIENT_OPENING;
	c->in_flight -= k->state == CLIENT_WAITING || (c->form.close && k->state == CLIENT_OPENING);
	if (c->form.close) {
		k->state = CLIENT_OFF;
		push(&c->ready, (uint32_t)(k - c->client));
	} else if (k->state != CLIENT_READY) {
		open_one(c, k, now_tsc);
	}
}

static void take_syn_ack(struct clients *c, struct client *k, const struct segment *s,
                         uint64_t now_tsc)
{
	if ((s->flags & (SEG_SYN | SEG_ACK)) != (SEG_SYN | SEG_ACK) || s->ack != k->peer.snd_nxt)
		return;
	c->opening--;
	k->peer.rcv_nxt = s->seq + 1;
	peer_heard(&k->peer, s);
	if (c->form.close) {
		send_request(c, k, now_tsc);
		return;
	}
	k->state = CLIENT_READY;
	k->moved_tsc = now_tsc;
	peer_say(c->wire, &k->peer, SEG_ACK);
	push(&c->ready, (uint32_t)(k - c->client));
}

static struct client *find(struct clients *c, const struct segment *s)
{
	uint32_t i;

	if (!clients_own(c, rte_be_to_cpu_32(s->dst)))
		return NULL;
	i = *entry(c, s->dst, s->dport);
	return i ? &c->client[i - 1] : NULL; /* none: the last ACK of a connection that is over */
}

void clients_input(struct clients *c, const struct segment *s, uint64_t now_tsc)
{
	struct client *k = find(c, s);

	if (!k)
		return;
	if (s->flags & SEG_RST) {
		take_reset(c, k, now_tsc);
		return;
	}
	if (k->state == CLIENT_OPENING) {
		take_syn_ack(c, k, s, now_tsc);
		return;
	}
	peer_heard(&k->peer, s);
	if (k->state == CLIENT_WAITING)
		peer_go_on(c->wire, &k->peer, &c->requests.scripts[k->request], 0);
	if (s->len == 0 && !(s->flags & SEG_FIN))
		return;
	if (s->seq != k->peer.rcv_nxt || k->state == CLIENT_OFF) {
		c->retried++;
		peer_say(c->wire, &k->peer, SEG_ACK);
		return;
	}
	k->moved_tsc = now_tsc;
	if (s->len)
		take_data(c, k, s, now_tsc);
	if (s->flags & SEG_FIN)
		take_fin(c, k);
}

/* ---- what was lost ----------------------------------------------------------------------- */

static void again(struct clients *c, struct client *k, uint64_t now_tsc)
{
	k->moved_tsc = now_tsc;
	c->resent++;
	if (k->state == CLIENT_OPENING) {
		k->peer.snd_nxt = k->peer.snd_una;
		peer_say(c->wire, &k->peer, SEG_SYN);
		return;
	}
	peer_rewind(&k->peer);
	peer_go_on(c->wire, &k->peer, &c->requests.scripts[k->request], 0);
}

void clients_sweep(struct clients *c, uint64_t now_tsc, uint64_t limit_tsc)
{
	uint32_t n = c->form.n < SWEEP_PART ? c->form.n : SWEEP_PART;

	for (uint32_t i = 0; i < n; i++, c->sweep_at++) {
		struct client *k = &c->client[c->sweep_at % c->form.n];

		if ((k->state == CLIENT_OPENING || k->state == CLIENT_WAITING) &&
		    now_tsc - k->moved_tsc > limit_tsc)
			again(c, k, now_tsc);
	}
}
