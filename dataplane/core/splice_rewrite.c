/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The TCP header of a segment that is passed on. Everything that changes is a word of 32 or 16 bits, and the
 * checksum gets the difference (RFC 1624 section 3, equation 3); options may lie at odd places, where the
 * difference has its bytes swapped (RFC 1071 section 2 (B)).
 */
#include "csum.h"
#include "splice.h"
#include "wire.h"

enum {
	TCP_WND = 14,
	KIND_END = 0,
	KIND_NOP = 1,
	KIND_SACK = 5,
	KIND_TS = 8,
	TS_LEN = 10,
	PLAIN_TS = KIND_NOP << 24 | KIND_NOP << 16 | KIND_TS << 8 | TS_LEN,
};

/* ---- reading ------------------------------------------------------------------------------- */

static bool note_option(const uint8_t *l4, uint32_t at, uint32_t len, struct splice_seg *g)
{
	if (l4[at] == KIND_TS) {
		if (len != TS_LEN)
			return false;
		g->ts_at = (uint8_t)(at + 2);
		g->tsval = wire_get32(l4 + at + 2);
	} else if (l4[at] == KIND_SACK) {
		if (len < 10 || (len - 2) % 8)
			return false;
		g->sack_at = (uint8_t)(at + 2);
		g->n_edges = (uint8_t)((len - 2) / 4);
	}
	return true;
}

/* What nearly all segments have: none, or time stamps where RFC 7323 appendix A recommends them. */
static bool has_plain_options(const uint8_t *l4, struct splice_seg *g)
{
	if (g->header == TCP_LEN)
		return true;
	if (g->header != TCP_LEN + 2 + TS_LEN || wire_get32(l4 + TCP_LEN) != PLAIN_TS)
		return false;
	g->ts_at = TCP_LEN + 4;
	g->tsval = wire_get32(l4 + TCP_LEN + 4);
	return true;
}

static bool read_options(const uint8_t *l4, struct splice_seg *g)
{
	uint32_t at = TCP_LEN, n;

	if (has_plain_options(l4, g))
		return true;
	while (at < g->header && l4[at] != KIND_END) {
		if (l4[at] == KIND_NOP) {
			at++;
			continue;
		}
		n = at + 1u < g->header ? l4[at + 1] : 0;
		if (n < 2 || n > g->header - at || !note_option(l4, at, n, g))
			return false;
		at += n;
	}
	return true;
}

bool splice_read(const uint8_t *l4, uint16_t len, struct splice_seg *g)
{
	*g = (struct splice_seg){0};
	if (len < TCP_LEN)
		return false;
	g->header = (uint8_t)((l4[TCP_OFFSET] >> 4) * 4);
	if (g->header < TCP_LEN || g->header > len)
		return false;
	g->seq = wire_get32(l4 + TCP_SEQ);
	g->ack = wire_get32(l4 + TCP_ACKNO);
	g->wnd = wire_get16(l4 + TCP_WND);
	g->flags = l4[TCP_FLAGS];
	g->len = (uint16_t)(len - g->header);
	g->end = g->seq + g->len;
	return read_options(l4, g);
}

/* ---- writing ------------------------------------------------------------------------------- */

/* What the sum under a checksum gains when eight bytes change, by where they lie. */
static uint64_t gain_of(uint64_t was, uint64_t now, uint32_t at)
{
	uint64_t d = (uint32_t)~was + (~was >> 32) + (uint32_t)now + (now >> 32);

	return at & 1 ? __builtin_bswap16(csum_fold(d)) : d;
}

static uint32_t plus(uint32_t be, uint32_t add)
{
	return __builtin_bswap32(__builtin_bswap32(be) + add);
}

/* Of two numbers that stand side by side, as all that change do. */
static uint64_t add_two(uint8_t *l4, uint32_t at, uint32_t first, uint32_t second)
{
	uint64_t was, now;

	memcpy(&was, l4 + at, sizeof(was));
	now = plus((uint32_t)was, first) | (uint64_t)plus((uint32_t)(was >> 32), second) << 32;
	memcpy(l4 + at, &now, sizeof(now));
	return gain_of(was, now, at);
}

/* The word with offset, flags and window. */
static uint64_t put_flags(uint8_t *l4, uint16_t wnd, uint8_t flags)
{
	uint32_t was, now;

	memcpy(&was, l4 + TCP_OFFSET, sizeof(was));
	l4[TCP_FLAGS] = flags;
	wire_put16(l4 + TCP_WND, wnd);
	memcpy(&now, l4 + TCP_OFFSET, sizeof(now));
	return gain_of(was, now, TCP_OFFSET);
}

static void move_sum(uint8_t *l4, uint64_t gain)
{
	uint16_t sum;

	memcpy(&sum, l4 + TCP_CSUM, sizeof(sum));
	sum = csum_finish(csum_fold((uint16_t)~sum + gain));
	memcpy(l4 + TCP_CSUM, &sum, sizeof(sum));
}

void splice_rewrite(uint8_t *l4, const struct splice_seg *g, const struct splice_way *way,
                    uint16_t wnd, uint8_t flags)
{
	bool ack = g->flags & TCP_FLAG_ACK;
	uint64_t gain = add_two(l4, TCP_SEQ, way->seq_add, ack ? way->ack_add : 0);

	if (g->ts_at)
		gain += add_two(l4, g->ts_at, way->tsval_add, ack ? way->tsecr_add : 0);
	for (uint32_t i = 0; i < g->n_edges; i += 2)
		gain += add_two(l4, g->sack_at + i * 4u, way->ack_add, way->ack_add);
	if (wnd != g->wnd || flags != g->flags)
		gain += put_flags(l4, wnd, flags);
	move_sum(l4, gain);
}

void splice_shorten(uint8_t *l4, struct splice_seg *g, uint16_t keep)
{
	uint32_t from = (uint32_t)g->header + keep;
	uint16_t gone = csum_add(l4 + from, (size_t)g->len - keep);
	uint32_t was = (uint32_t)g->header + g->len, now = from;
	uint64_t gain = from & 1 ? __builtin_bswap16((uint16_t)~gone) : (uint16_t)~gone;

	/* the length is in the pseudo-header */
	gain += (uint16_t)~__builtin_bswap16((uint16_t)was);
	gain += __builtin_bswap16((uint16_t)now);
	move_sum(l4, gain);
	g->len = keep;
	g->end = g->seq + keep;
}
