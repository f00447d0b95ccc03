/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How fast a bulk transfer goes on links whose answer is known: the window over the round trip on a
 * clean link, the bottleneck's rate where that is less, most of it when queues overflow.
 */
#include "tcp_link.h"
#include "tcp_state.h"

#include <stdlib.h>

struct rate_case {
	const char *name;
	struct link_conf conf;
	uint64_t bytes;
	uint64_t least; /* bytes per second */
	uint64_t most_retransmits;
};

static void fill(struct link *l, struct tcp_conn *c, uint64_t *left)
{
	while (*left && tcp_send_space(l->side[0].tcp, c)) {
		struct buf *b = buf_alloc(&l->side[0].pool);

		if (!b)
			return;
		b->len = (uint16_t)(*left < 1400 ? *left : 1400);
		for (uint32_t i = 0; i < b->len; i++)
			b->data[i] = (uint8_t)i;
		*left -= b->len;
		tcp_send(l->side[0].tcp, c, b);
	}
}

static uint64_t drain(struct link *l, struct tcp_conn *c)
{
	uint64_t got = 0;
	struct buf *b;

	while (c && (b = tcp_recv(l->side[1].tcp, c))) {
		got += b->len;
		buf_free(b);
	}
	return got;
}

/* Returns bytes per second of the whole transfer, the handshake included. */
static uint64_t transfer(struct link *l, uint64_t bytes)
{
	struct tcp_peer peer = link_peer(l, 20000, 80);
	struct tcp_conn *c = tcp_connect(l->side[0].tcp, &peer, 10000000, l->now_us), *to = NULL;
	uint64_t left = bytes, got = 0, begin = l->now_us, took;
	uint32_t events;

	while (got < bytes && l->now_us - begin < 600ull * 1000000) {
		struct tcp_conn *ready;

		while (tcp_next_ready(l->side[0].tcp, &events))
			;
		while ((ready = tcp_next_ready(l->side[1].tcp, &events)))
			to = ready;
		fill(l, c, &left);
		got += drain(l, to);
		link_flush(l);
		if (got < bytes)
			link_run(l, link_next(l));
	}
	took = l->now_us - begin;
	tcp_release(l->side[0].tcp, c);
	if (to)
		tcp_release(l->side[1].tcp, to);
	while (l->side[0].tcp->slab.used || l->side[1].tcp->slab.used)
		link_run(l, link_next(l));
	return got == bytes ? bytes * 1000000 / took : 0;
}

static bool run_case(const struct rate_case *k, bool sack)
{
	struct link l;
	uint64_t rate, again;

	link_init(&l, &k->conf, 1);
	l.no_sack = !sack;
	rate = transfer(&l, k->bytes);
	again = l.side[0].counters[COUNT_TCP_RETRANSMITS];
	printf("%-28s %-7s %9llu B/s (at least %9llu)  %6llu retransmits  %3llu time-outs\n",
	       k->name, sack ? "SACK" : "NewReno", (unsigned long long)rate,
	       (unsigned long long)k->least, (unsigned long long)again,
	       (unsigned long long)l.side[0].counters[COUNT_TCP_RTOS]);
	return link_fini(&l) && rate >= (sack ? k->least : k->least / 2) &&
	       again <= k->most_retransmits;
}

static struct link_conf base(uint32_t delay_us, uint64_t rate)
{
	struct link_conf c = {
		.delay_us = delay_us,
		.bytes_per_second = rate,
		.queue_us = 20000,
		.mtu = {1500, 1500},
		.pool_limit = 100000,
		.start_us = 1000000,
	};

	tcp_config_default(&c.tcp);
	c.tcp.max_conns = 16;
	return c;
}

int main(void)
{
	struct rate_case cases[] = {
		/* 256 KiB each 20 ms: 13.1 MB/s; slow start takes about five round trips */
		{"window over round trip", base(10000, 0), 50000000, 12000000, 0},
		/* frames carry 1448 of 1514 bytes; the queue overflows and CUBIC comes back */
		{"bottleneck, short queue", base(5000, 2500000), 30000000, 1900000, 20000},
		{"bottleneck, long queue", base(2000, 1250000), 10000000, 1100000, 20000},
		{"one in a thousand lost", base(10000, 12500000), 50000000, 2000000, 20000},
		{"one in fifty lost", base(1000, 12500000), 20000000, 2000000, 20000},
		{"local, 1 Gb/s", base(50, 125000000), 200000000, 80000000, 20000},
	};
	bool ok = true;

	cases[2].conf.queue_us = 100000;
	cases[3].conf.loss_permille = 1;
	cases[4].conf.loss_permille = 20;
	cases[5].conf.queue_us = 1000;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		ok &= run_case(&cases[i], true);
		ok &= run_case(&cases[i], false);
	}
	return !ok;
}
