/* SPDX-License-Identifier: BSD-3-Clause */
#include "tcp_edit.h"

#include "csum.h"
#include "wire.h"

uint32_t tcp_edit_header(const uint8_t *l4, uint32_t len)
{
	uint32_t header = (uint32_t)(l4[TCP_OFFSET] >> 4) * 4;

	return header < TCP_LEN || header > len ? 0 : header;
}

void tcp_edit_adjust(uint8_t *field, uint16_t delta)
{
	uint16_t sum = csum_combine((uint16_t)~wire_be16(field), delta, 0);

	wire_put_be16(field, csum_finish(sum));
}

uint16_t tcp_edit_add32(uint8_t *field, uint32_t add)
{
	be32_t was = wire_be32(field), now;

	wire_put32(field, wire_get32(field) + add);
	now = wire_be32(field);
	return csum_fold((uint64_t)(uint32_t)~was + now);
}

/* The option at opt: its bytes; 0: the list ends there, or is cut off. */
static uint32_t option_bytes(const uint8_t *opt, uint32_t left)
{
	if (left == 0 || opt[0] == TCP_EDIT_END)
		return 0;
	if (opt[0] == TCP_EDIT_NOP)
		return 1;
	return left < 2 || opt[1] < 2 || opt[1] > left ? 0 : opt[1];
}

uint8_t *tcp_edit_find(uint8_t *l4, uint32_t len, enum tcp_edit_option kind, uint8_t *option_len)
{
	uint32_t header = tcp_edit_header(l4, len), n;

	for (uint32_t at = TCP_LEN; at < header; at += n) {
		n = option_bytes(l4 + at, header - at);
		if (n == 0)
			return NULL;
		if (l4[at] != kind)
			continue;
		*option_len = (uint8_t)n;
		return l4 + at;
	}
	return NULL;
}

/*
 * Options lie at any offset, so what a change of one adds to the sum depends on it: sum the whole list, which
 * begins at an even one, before and after.
 */
static uint16_t options_sum(const uint8_t *l4, uint32_t header)
{
	return csum_add_header(l4 + TCP_LEN, header - TCP_LEN);
}

static void options_changed(uint8_t *l4, uint32_t header, uint16_t was)
{
	uint16_t now = options_sum(l4, header);

	tcp_edit_adjust(l4 + TCP_CSUM, csum_combine(now, (uint16_t)~was, 0));
}

static void shift_sacks(uint8_t *l4, uint32_t header, uint32_t add)
{
	uint8_t n, *opt = tcp_edit_find(l4, header, TCP_EDIT_SACKS, &n);
	uint16_t was;

	if (!opt)
		return;
	was = options_sum(l4, header);
	for (uint32_t i = 2; i + 4 <= n; i += 4)
		wire_put32(opt + i, wire_get32(opt + i) + add);
	options_changed(l4, header, was);
}

bool tcp_edit_shift(uint8_t *l4, uint32_t len, uint32_t seq_add, uint32_t ack_add)
{
	uint32_t header = tcp_edit_header(l4, len);
	uint16_t sum;

	if (!header)
		return false;
	sum = tcp_edit_add32(l4 + TCP_SEQ, seq_add);
	if (l4[TCP_FLAGS] & TCP_FLAG_ACK)
		sum = csum_combine(sum, tcp_edit_add32(l4 + TCP_ACKNO, ack_add), 0);
	tcp_edit_adjust(l4 + TCP_CSUM, sum);
	if (header > TCP_LEN && ack_add)
		shift_sacks(l4, header, ack_add);
	return true;
}

void tcp_edit_cut(uint8_t *l4, uint32_t len, enum tcp_edit_option kind)
{
	uint32_t header = tcp_edit_header(l4, len);
	uint8_t n, *opt = tcp_edit_find(l4, len, kind, &n);
	uint16_t was;

	if (!opt)
		return;
	was = options_sum(l4, header);
	memset(opt, TCP_EDIT_NOP, n);
	options_changed(l4, header, was);
}

void tcp_edit_mss(uint8_t *l4, uint32_t len, uint16_t max)
{
	uint32_t header = tcp_edit_header(l4, len);
	uint8_t n, *opt = tcp_edit_find(l4, len, TCP_EDIT_MSS, &n);
	uint16_t was;

	if (!opt || n != 4 || wire_get16(opt + 2) <= max)
		return;
	was = options_sum(l4, header);
	wire_put16(opt + 2, max);
	options_changed(l4, header, was);
}
