/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Congestion control: slow start (RFC 5681), CUBIC (RFC 9438), initial window (RFC 6928).
 *
 * All in integers: windows in bytes, time in milliseconds, so that a run replays exactly. The window
 * grows only while it is what limits sending (RFC 9438 section 5.8).
 *
 *   W_cubic(t) = C (t - K)^3 + W_max,  C = 0.4 segments / s^3,  beta = 0.7
 */
#include "tcp_parts.h"

#define CWND_MAX   (1u << 30)
#define BETA_TENTH 7

uint32_t tcp_cubic_initial(const struct tcp_conn *c)
{
	uint32_t least = 14600 > 2u * c->mss ? 14600 : 2u * c->mss;

	return 10u * c->mss < least ? 10u * c->mss : least;
}

void tcp_cubic_init(struct tcp_conn *c)
{
	c->cwnd = tcp_cubic_initial(c);
	c->ssthresh = UINT32_MAX;
	c->w_max = 0;
	c->epoch_ms = 0;
}

/* Integer cube root, bit by bit. */
static uint32_t cube_root(uint64_t x)
{
	uint64_t root = 0;

	for (int bit = 20; bit >= 0; bit--) {
		uint64_t try = root | 1ull << bit;

		if (try * try * try <= x)
			root = try;
	}
	return (uint32_t)root;
}

static void start_epoch(struct tcp_stack *s, struct tcp_conn *c)
{
	uint64_t segments1000, k_ms;

	c->epoch_ms = tcp_deadline(s, 0);
	c->w_est = c->cwnd;
	c->k_4ms = 0;
	if (c->w_max <= c->cwnd) {
		c->w_max = c->cwnd;
		return;
	}
	/* K = cbrt((W_max - cwnd) / C); in ms: cbrt(segments * 2.5 * 10^9) */
	segments1000 = (uint64_t)(c->w_max - c->cwnd) * 1000 / c->mss;
	k_ms = cube_root(segments1000 * 2500000);
	c->k_4ms = (uint16_t)(k_ms / 4 > UINT16_MAX ? UINT16_MAX : k_ms / 4);
}

/* W_cubic one round trip from now, bytes: section 4.2. */
static uint32_t target(const struct tcp_stack *s, const struct tcp_conn *c)
{
	int64_t t = (int64_t)(tcp_now_ms(s) - c->epoch_ms) + c->srtt_us / 1000;
	int64_t d = t - (int64_t)c->k_4ms * 4, grown;
	int64_t most = (int64_t)c->cwnd * 3 / 2;

	if (d > 1 << 17) /* two minutes beyond K: far above anything */
		return (uint32_t)most;
	if (d < -(1 << 19))
		d = -(1 << 19);
	/* 0.4 d^3 segments with d in seconds = d_ms^3 * 4 / 10^10 */
	grown = d * d * d / 1000000 * c->mss / 2500 + c->w_max;
	if (grown < (int64_t)c->cwnd)
		return c->cwnd;
	return (uint32_t)(grown > most ? most : grown);
}

void tcp_cubic_acked(struct tcp_stack *s, struct tcp_conn *c, uint32_t bytes)
{
	uint32_t to;

	if (c->cwnd >= CWND_MAX)
		return;
	if (c->cwnd < c->ssthresh) {
		to = c->ssthresh - c->cwnd;
		c->cwnd += bytes < to ? bytes : to;
		return;
	}
	if (!c->epoch_ms)
		start_epoch(s, c);
	/* section 4.3: never slower than Reno would be; alpha = 3 (1 - beta) / (1 + beta) = 0.53 */
	c->w_est += (uint32_t)((uint64_t)c->mss * bytes * 53 / 100 / c->cwnd);
	to = target(s, c);
	c->cwnd += (uint32_t)((uint64_t)(to - c->cwnd) * bytes / c->cwnd);
	if (c->cwnd < c->w_est)
		c->cwnd = c->w_est;
}

void tcp_cubic_congestion(struct tcp_conn *c)
{
	uint32_t flight = c->snd_nxt - c->snd_una;
	uint32_t from = flight < c->cwnd ? flight : c->cwnd;

	/* section 4.7: fast convergence leaves room for newcomers */
	c->w_max = c->cwnd < c->w_max ? c->cwnd / 20 * 17 : c->cwnd;
	c->ssthresh = from / 10 * BETA_TENTH;
	if (c->ssthresh < 2u * c->mss)
		c->ssthresh = 2u * c->mss;
	c->epoch_ms = 0;
}
