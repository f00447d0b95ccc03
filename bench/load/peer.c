/* SPDX-License-Identifier: BSD-3-Clause */
#include "peer.h"

#include <stdlib.h>

struct script script_of(const char *text, size_t len)
{
	struct script s = {.n = (uint32_t)((len + WIRE_MSS - 1) / WIRE_MSS)};

	s.segments = calloc(s.n, sizeof(*s.segments));
	if (!s.segments)
		rte_panic("no memory\n");
	for (uint32_t i = 0; i < s.n; i++) {
		size_t at = (size_t)i * WIRE_MSS, part = len - at;

		s.segments[i] =
			message_of(text + at, (uint16_t)(part < WIRE_MSS ? part : WIRE_MSS));
	}
	return s;
}

void script_free(struct script *s)
{
	free(s->segments);
	s->segments = NULL;
}

void peer_begin(struct peer *p, uint32_t isn)
{
	p->snd_nxt = p->snd_una = isn;
	p->script_at = isn + 1;
	p->next = 0;
	p->window = 0;
	p->wscale = 0;
	p->unacked = 0;
}

static void send(struct wire *w, struct peer *p, uint32_t flags, const struct message *m)
{
	wire_send(w, &(struct segment){.src = p->src,
	                               .dst = p->dst,
	                               .sport = p->sport,
	                               .dport = p->dport,
	                               .seq = p->snd_nxt,
	                               .ack = p->rcv_nxt,
	                               .flags = flags,
	                               .message = m});
	p->snd_nxt += (m ? m->len : 0u) + ((flags & (SEG_SYN | SEG_FIN)) != 0);
	p->unacked = 0;
}

void peer_say(struct wire *w, struct peer *p, uint32_t flags)
{
	send(w, p, flags, NULL);
}

void peer_script(struct peer *p)
{
	p->next = 0;
	p->script_at = p->snd_nxt;
}

void peer_rewind(struct peer *p)
{
	p->next = 0;
	p->snd_nxt = p->script_at;
}

bool peer_go_on(struct wire *w, struct peer *p, const struct script *script, uint32_t last)
{
	while (p->next < script->n) {
		const struct message *m = &script->segments[p->next];
		bool end = p->next + 1u == script->n;

		/* after a rewind: it is there already */
		if (!(end && last) && (int32_t)(p->snd_una - p->snd_nxt - m->len) >= 0) {
			p->snd_nxt += m->len;
			p->next++;
			continue;
		}
		if ((int32_t)(p->snd_nxt + m->len - p->snd_una - p->window) > 0)
			return false;
		p->next++;
		send(w, p, SEG_ACK | (end ? SEG_PSH | last : 0), m);
	}
	return true;
}

void peer_heard(struct peer *p, const struct segment *s)
{
	if (!(s->flags & SEG_ACK) || (int32_t)(s->ack - p->snd_una) < 0)
		return;
	p->snd_una = s->ack;
	p->window = s->flags & SEG_SYN ? s->window : (uint32_t)s->window << p->wscale;
	if (s->flags & SEG_SYN)
		p->wscale = s->wscale;
}
