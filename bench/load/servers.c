/* SPDX-License-Identifier: BSD-3-Clause */
#include "servers.h"

#include <rte_byteorder.h>

#include <stdio.h>
#include <string.h>

void servers_init(struct servers *s)
{
	for (uint32_t v = 0; v < SERVERS; v++) {
		char *text = s->text[v];
		int n = snprintf(text, sizeof(s->text[v]),
		                 "HTTP/1.1 200 OK\r\n"
		                 "Server: load\r\n"
		                 "Date: Mon, 23 Nov 2026 12:00:00 GMT\r\n"
		                 "Content-Type: text/plain\r\n"
		                 "Content-Length: %d\r\n"
		                 "X-Version: v%u\r\n%s\r\n",
		                 SERVER_BODY, v + 1, s->close ? "Connection: close\r\n" : "");

		memset(text + n, (int)('1' + v), SERVER_BODY);
		s->response[v] = message_of(text, (uint16_t)(n + SERVER_BODY));
	}
}

static void say(struct servers *s, struct server_conn *k, const struct segment *in, uint32_t flags,
                const struct message *m)
{
	wire_send(s->wire, &(struct segment){.src = in->dst,
	                                     .dst = in->src,
	                                     .sport = in->dport,
	                                     .dport = in->sport,
	                                     .seq = k->snd_nxt,
	                                     .ack = k->rcv_nxt,
	                                     .flags = flags,
	                                     .message = m});
	k->snd_nxt += (m ? m->len : 0u) + ((flags & (SEG_SYN | SEG_FIN)) != 0);
}

static void accept_one(struct servers *s, struct server_conn *k, const struct segment *in)
{
	s->accepted++;
	k->open = true;
	k->snd_nxt = in->seq ^ 0x5eed5eed;
	k->rcv_nxt = in->seq + 1;
	say(s, k, in, SEG_SYN | SEG_ACK, NULL);
}

static void take_data(struct servers *s, struct server_conn *k, const struct segment *in,
                      uint32_t version)
{
	k->rcv_nxt += in->len;
	if (in->len < 4 || memcmp(in->data + in->len - 4, "\r\n\r\n", 4) != 0) {
		say(s, k, in, SEG_ACK, NULL);
		return;
	}
	s->requests++;
	say(s, k, in, SEG_ACK | SEG_PSH | (s->close ? SEG_FIN : 0), &s->response[version]);
}

void servers_input(struct servers *s, const struct segment *in)
{
	uint32_t version = (rte_be_to_cpu_32(in->dst) & 0xff) - SERVER_FIRST;
	struct server_conn *k;

	if (version >= SERVERS)
		return;
	k = &s->conn[version][rte_be_to_cpu_16(in->sport)];
	if (in->flags & SEG_RST) {
		k->open = false;
		return;
	}
	if (in->flags & SEG_SYN) {
		accept_one(s, k, in);
		return;
	}
	if (!k->open || (in->len == 0 && !(in->flags & SEG_FIN)))
		return;
	if (in->seq != k->rcv_nxt) {
		s->retried++;
		say(s, k, in, SEG_ACK, NULL);
		return;
	}
	if (in->len)
		take_data(s, k, in, version);
	if (in->flags & SEG_FIN) {
		k->rcv_nxt++;
		/* with close the FIN went with the response */
		say(s, k, in, s->close ? SEG_ACK : SEG_ACK | SEG_FIN, NULL);
		k->open = false;
	}
}
