/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * TCP options as bytes: RFC 9293 section 3.1, RFC 7323 (window scale, timestamps), RFC 2018 (SACK).
 *
 * Writing keeps every option on a multiple of four bytes, padded in front with NOPs, in the layout
 * that others' fast paths look for (RFC 7323 appendix A). Unknown options are skipped, as RFC 9293
 * asks; a length that cannot be ends the segment.
 */
#include "tcp_parts.h"

#include <string.h>

enum kind {
	KIND_END = 0,
	KIND_NOP = 1,
	KIND_MSS = 2,
	KIND_WSCALE = 3,
	KIND_SACK_OK = 4,
	KIND_SACK = 5,
	KIND_TS = 8,
};

#define WSCALE_MAX 14 /* RFC 7323 section 2.3 */

static uint32_t get32(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return __builtin_bswap32(v);
}

static void put32(uint8_t *p, uint32_t v)
{
	v = __builtin_bswap32(v);
	memcpy(p, &v, sizeof(v));
}

static bool read_sack(const uint8_t *p, uint32_t len, struct tcp_options *out)
{
	uint32_t n = (len - 2) / 8;

	if (len < 10 || (len - 2) % 8 || n > TCP_SACK_MAX)
		return false;
	p += 2;
	for (uint32_t i = 0; i < n; i++, p += 8) {
		out->sack[i].start = get32(p);
		out->sack[i].end = get32(p + 4);
	}
	out->n_sack = (uint8_t)n;
	return true;
}

/* One option of len bytes, its kind and length bytes included. */
static bool read_one(const uint8_t *p, uint32_t len, struct tcp_options *out)
{
	switch (p[0]) {
	case KIND_MSS:
		out->mss = (uint16_t)(p[2] << 8 | p[3]);
		out->has |= TCP_OPT_MSS;
		return len == 4;
	case KIND_WSCALE:
		out->wscale = p[2] > WSCALE_MAX ? WSCALE_MAX : p[2];
		out->has |= TCP_OPT_WSCALE;
		return len == 3;
	case KIND_SACK_OK: out->has |= TCP_OPT_SACK_OK; return len == 2;
	case KIND_TS:
		if (len != 10)
			return false;
		out->tsval = get32(p + 2);
		out->tsecr = get32(p + 6);
		out->has |= TCP_OPT_TS;
		return true;
	case KIND_SACK: return read_sack(p, len, out);
	default: return true;
	}
}

/* Fewest bytes that read_one() looks at before it checks the length. */
static uint32_t shortest(uint8_t kind)
{
	return kind == KIND_MSS ? 4 : kind == KIND_WSCALE ? 3 : 2;
}

bool tcp_options_read(const uint8_t *p, uint32_t len, struct tcp_options *out)
{
	static const uint8_t usual[4] = {KIND_NOP, KIND_NOP, KIND_TS, 10};
	uint32_t i = 0, n;

	*out = (struct tcp_options){0};
	if (len == 12 && memcmp(p, usual, sizeof(usual)) == 0) {
		out->tsval = get32(p + 4);
		out->tsecr = get32(p + 8);
		out->has = TCP_OPT_TS;
		return true;
	}
	while (i < len && p[i] != KIND_END) {
		if (p[i] == KIND_NOP) {
			i++;
			continue;
		}
		n = len - i >= 2 ? p[i + 1] : 0;
		if (n < shortest(p[i]) || n > len - i || !read_one(p + i, n, out))
			return false;
		i += n;
	}
	return true;
}

static uint32_t write_syn(uint8_t *p, const struct tcp_options *o)
{
	uint32_t n = 0;

	if (o->has & TCP_OPT_MSS) {
		p[n] = KIND_MSS;
		p[n + 1] = 4;
		p[n + 2] = (uint8_t)(o->mss >> 8);
		p[n + 3] = (uint8_t)o->mss;
		n += 4;
	}
	if (o->has & TCP_OPT_WSCALE) {
		p[n] = KIND_NOP;
		p[n + 1] = KIND_WSCALE;
		p[n + 2] = 3;
		p[n + 3] = o->wscale;
		n += 4;
	}
	if (o->has & TCP_OPT_SACK_OK) {
		p[n] = p[n + 1] = KIND_NOP;
		p[n + 2] = KIND_SACK_OK;
		p[n + 3] = 2;
		n += 4;
	}
	return n;
}

uint32_t tcp_options_write(uint8_t *p, const struct tcp_options *o)
{
	uint32_t n = write_syn(p, o);

	if (o->has & TCP_OPT_TS) {
		p[n] = p[n + 1] = KIND_NOP;
		p[n + 2] = KIND_TS;
		p[n + 3] = 10;
		put32(p + n + 4, o->tsval);
		put32(p + n + 8, o->tsecr);
		n += 12;
	}
	if (o->n_sack) {
		p[n] = p[n + 1] = KIND_NOP;
		p[n + 2] = KIND_SACK;
		p[n + 3] = (uint8_t)(2 + o->n_sack * 8);
		n += 4;
		for (uint32_t i = 0; i < o->n_sack; i++, n += 8) {
			put32(p + n, o->sack[i].start);
			put32(p + n + 4, o->sack[i].end);
		}
	}
	return n;
}
