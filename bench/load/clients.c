/* SPDX-License-Identifier: BSD-3-Clause */
#include "clients.h"

#include "servers.h"

#include <rte_byteorder.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PORT_FIRST 1024
/* A port comes again after all others; its sequence numbers must have moved on by less than half of all. */
#define ISN_STEP 16384

enum client_state {
	CLIENT_OFF,
	CLIENT_OPENING,
	CLIENT_WAITING
};

/* ---- sending ----------------------------------------------------------------------------- */

static void say(struct clients *c, struct client *k, uint32_t flags, const struct message *m)
{
	wire_send(c->wire, &(struct segment){.src = c->local,
	                                     .dst = c->remote,
	                                     .sport = rte_cpu_to_be_16(k->port),
	                                     .dport = c->remote_port,
	                                     .seq = k->snd_nxt,
	                                     .ack = k->rcv_nxt,
	                                     .flags = flags,
	                                     .message = m});
	k->snd_nxt += (m ? m->len : 0u) + ((flags & (SEG_SYN | SEG_FIN)) != 0);
}

static uint16_t free_port(struct clients *c)
{
	do {
		if (++c->next_port < PORT_FIRST)
			c->next_port = PORT_FIRST;
	} while (c->by_port[c->next_port]);
	return c->next_port;
}

static void open_one(struct clients *c, struct client *k, uint64_t now_tsc)
{
	c->by_port[k->port] = 0;
	k->port = free_port(c);
	c->by_port[k->port] = (uint16_t)(k - c->client + 1);
	c->next_isn += ISN_STEP;
	k->snd_nxt = c->next_isn;
	k->rcv_nxt = 0;
	k->state = CLIENT_OPENING;
	k->sent_tsc = now_tsc;
	say(c, k, SEG_SYN, NULL);
}

static void ask(struct clients *c, struct client *k)
{
	k->got = 0;
	k->want = 0;
	k->state = CLIENT_WAITING;
	say(c, k, SEG_ACK | SEG_PSH, &c->request);
}

void clients_init(struct clients *c, const char *host)
{
	int n = snprintf(c->request_text, sizeof(c->request_text),
	                 "GET /get?item=4711&list=all HTTP/1.1\r\n"
	                 "Host: %s\r\n"
	                 "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:115.0) Gecko/20100101\r\n"
	                 "Accept: text/html,application/xhtml+xml;q=0.9,*/*;q=0.8\r\n"
	                 "Accept-Language: en-US,en;q=0.5\r\n"
	                 "Cookie: session=0123456789abcdef\r\n%s\r\n",
	                 host, c->close ? "Connection: close\r\n" : "");

	c->request = message_of(c->request_text, (uint16_t)n);
}

void clients_start(struct clients *c, uint64_t now_tsc)
{
	for (uint32_t i = 0; i < c->n; i++)
		open_one(c, &c->client[i], now_tsc);
}

/* ---- checking ---------------------------------------------------------------------------- */

static void wrong(struct clients *c, const char *text, size_t len)
{
	if (c->wrong++ == 0)
		snprintf(c->first_wrong, sizeof(c->first_wrong), "%.*s", (int)len, text);
}

/* Field names come back as the server wrote them. */
static const char *field(const char *head, size_t len, const char *name)
{
	const char *at = memmem(head, len, name, strlen(name));

	return at ? at + strlen(name) : NULL;
}

/*
 * A head is whole in its segment: it is the first of its response and shorter. Returns the bytes of the
 * response; 0: it is not what was asked for.
 */
static uint32_t read_head(struct clients *c, const char *p, size_t len)
{
	static const char status[] = "HTTP/1.1 200 ";
	const char *end = memmem(p, len, "\r\n\r\n", 4), *length, *version;
	size_t head = end ? (size_t)(end - p) + 4 : 0;
	size_t body = len - head;

	if (!end || head < sizeof(status) || memcmp(p, status, sizeof(status) - 1) != 0)
		return 0;
	length = field(p, head, "\r\nContent-Length: ");
	version = field(p, head, "\r\nX-Version: v");
	if (!length || !version || atoi(length) != SERVER_BODY || *version < '1' ||
	    *version >= '1' + VERSIONS || body > SERVER_BODY)
		return 0;
	for (size_t i = 0; i < body; i++)
		if (p[head + i] != *version)
			return 0;
	c->version[*version - '1']++;
	return (uint32_t)head + SERVER_BODY;
}

/* ---- receiving --------------------------------------------------------------------------- */

static void answered(struct clients *c, struct client *k, uint64_t now_tsc)
{
	c->answered++;
	histogram_add(&c->latency, now_tsc - k->sent_tsc);
	k->sent_tsc = now_tsc;
	if (!c->close)
		ask(c, k);
}

static void take_data(struct clients *c, struct client *k, const struct segment *s,
                      uint64_t now_tsc)
{
	if (k->got == 0)
		k->want = read_head(c, s->data, s->len);
	k->got += s->len;
	k->rcv_nxt += s->len;
	if (k->want == 0 || k->got > k->want || (s->flags & SEG_FIN && k->got < k->want)) {
		wrong(c, s->data, s->len);
		k->want = k->got;
	}
	if (k->got == k->want)
		answered(c, k, now_tsc);
	else
		say(c, k, SEG_ACK, NULL);
}

/* Weir closed: so do we, and the next request gets a new connection. */
static void take_fin(struct clients *c, struct client *k, uint64_t now_tsc)
{
	if (!c->close)
		wrong(c, "closed", 6);
	k->rcv_nxt++;
	say(c, k, SEG_ACK | SEG_FIN, NULL);
	open_one(c, k, now_tsc);
}

void clients_input(struct clients *c, const struct segment *s, uint64_t now_tsc)
{
	uint32_t i = c->by_port[rte_be_to_cpu_16(s->dport)];
	struct client *k = &c->client[i - 1];

	if (!i)
		return; /* the last ACK of a connection that is over */
	if (s->flags & SEG_RST) {
		c->resets++;
		open_one(c, k, now_tsc);
		return;
	}
	if (k->state == CLIENT_OPENING) {
		if ((s->flags & (SEG_SYN | SEG_ACK)) == (SEG_SYN | SEG_ACK) &&
		    s->ack == k->snd_nxt) {
			k->rcv_nxt = s->seq + 1;
			ask(c, k);
		}
		return;
	}
	if (s->len == 0 && !(s->flags & SEG_FIN))
		return;
	if (s->seq != k->rcv_nxt) {
		c->retried++;
		say(c, k, SEG_ACK, NULL);
		return;
	}
	if (s->len)
		take_data(c, k, s, now_tsc);
	if (s->flags & SEG_FIN)
		take_fin(c, k, now_tsc);
}

uint32_t clients_stuck(const struct clients *c, uint64_t now_tsc, uint64_t limit_tsc)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < c->n; i++)
		n += now_tsc - c->client[i].sent_tsc > limit_tsc;
	return n;
}
