/* SPDX-License-Identifier: BSD-3-Clause */
#include "servers.h"

#include <rte_byteorder.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HEAD_MAX   512
#define SWEEP_PART 4096 /* connections at a time */

void servers_init(struct servers *s)
{
	for (uint32_t v = 0; v < SERVERS; v++) {
		char *text = malloc(HEAD_MAX + s->body_bytes);
		int n;

		if (!text)
			rte_panic("no memory\n");
		n = snprintf(text, HEAD_MAX,
		             "HTTP/1.1 200 OK\r\n"
		             "Server: load\r\n"
		             "Date: Mon, 23 Nov 2026 12:00:00 GMT\r\n"
		             "Content-Type: text/plain\r\n"
		             "Content-Length: %u\r\n"
		             "X-Version: v%u\r\n%s\r\n",
		             s->body_bytes, v + 1, s->close ? "Connection: close\r\n" : "");
		body_write(s->body, v + 1, text + n, s->body_bytes);
		s->text[v] = text;
		s->response_bytes = (uint32_t)n + s->body_bytes;
		s->response[v] = script_of(text, s->response_bytes);
	}
}

void servers_fini(struct servers *s)
{
	for (uint32_t v = 0; v < SERVERS; v++) {
		script_free(&s->response[v]);
		free(s->text[v]);
	}
}

static void accept_one(struct servers *s, struct server_conn *k, const struct segment *in)
{
	s->accepted++;
	*k = (struct server_conn){.open = true,
	                          .peer = {.src = in->dst,
	                                   .dst = in->src,
	                                   .sport = in->dport,
	                                   .dport = in->sport,
	                                   .rcv_nxt = in->seq + 1}};
	peer_begin(&k->peer, in->seq ^ 0x5eed5eed);
	k->peer.wscale = in->wscale;
	k->peer.window = in->window;
	peer_say(s->wire, &k->peer, SEG_SYN | SEG_ACK);
}

/* @return bytes taken of the request's body; the last of them is the request's end */
static uint32_t take_post(struct servers *s, struct server_conn *k, const char *p, uint32_t len)
{
	uint32_t n = len < k->post_left ? len : k->post_left;

	s->wrong += !body_is(s->body, 0, s->post - k->post_left, p, n);
	k->post_left -= n;
	if (k->post_left == 0) {
		k->reading_post = false;
		k->requests++;
	}
	return n;
}

static void take_with_body(struct servers *s, struct server_conn *k, const char *p, uint32_t len)
{
	while (len) {
		const char *end;
		uint32_t n;

		if (k->reading_post) {
			n = take_post(s, k, p, len);
		} else {
			end = memmem(p, len, "\r\n\r\n", 4);
			n = end ? (uint32_t)(end - p) + 4 : len;
			k->reading_post = end != NULL;
			k->post_left = s->post;
		}
		p += n;
		len -= n;
	}
}

/* Send of the responses what the window takes; whatever is left waits for an acknowledgement. */
static void answer(struct servers *s, struct server_conn *k, uint32_t version)
{
	while (k->requests &&
	       peer_go_on(s->wire, &k->peer, &s->response[version], s->close ? SEG_FIN : 0)) {
		k->requests--;
		s->requests++;
		if (k->requests)
			peer_script(&k->peer);
	}
}

static void take_data(struct servers *s, struct server_conn *k, const struct segment *in)
{
	uint32_t before = k->requests;

	k->peer.rcv_nxt += in->len;
	k->peer.unacked++;
	if (s->post)
		take_with_body(s, k, in->data, in->len);
	else if (in->len >= 4 && memcmp(in->data + in->len - 4, "\r\n\r\n", 4) == 0)
		k->requests++;
	if (before == 0 && k->requests)
		peer_script(&k->peer);
}

void servers_input(struct servers *s, const struct segment *in, uint64_t now_tsc)
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
	if (!k->open)
		return;
	k->heard_tsc = now_tsc;
	peer_heard(&k->peer, in);
	if ((in->len || in->flags & SEG_FIN) && in->seq != k->peer.rcv_nxt) {
		s->retried++;
		peer_say(s->wire, &k->peer, SEG_ACK);
		return;
	}
	if (in->len)
		take_data(s, k, in);
	answer(s, k, version);
	if (in->flags & SEG_FIN) {
		k->peer.rcv_nxt++;
		/* with close the FIN went with the response */
		peer_say(s->wire, &k->peer, s->close ? SEG_ACK : SEG_ACK | SEG_FIN);
		k->open = false;
	} else if (k->peer.unacked >= 2 || (k->peer.unacked && k->requests)) {
		peer_say(s->wire, &k->peer, SEG_ACK);
	}
}

void servers_sweep(struct servers *s, uint64_t now_tsc, uint64_t limit_tsc)
{
	for (uint32_t i = 0; i < SWEEP_PART; i++, s->sweep_at++) {
		uint32_t v = s->sweep_at / 65536 % SERVERS;
		struct server_conn *k = &s->conn[v][s->sweep_at % 65536];

		/* before the first script: a lost SYN-ACK is Weir's to ask for again */
		if (!k->open || k->peer.snd_una == k->peer.snd_nxt ||
		    (int32_t)(k->peer.snd_una - k->peer.script_at) < 0 ||
		    now_tsc - k->heard_tsc < limit_tsc)
			continue;
		k->heard_tsc = now_tsc;
		s->resent++;
		peer_rewind(&k->peer);
		k->requests = k->requests ? k->requests : 1;
		answer(s, k, v);
	}
}
