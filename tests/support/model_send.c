/* SPDX-License-Identifier: BSD-3-Clause */
#include "model_send.h"

#include "csum.h"
#include "wire.h"

#include <stdio.h>
#include <string.h>

#define FRAME_MOST 65535
#define MSS_LEAST  256 /* i40e's */
#define FIN_PSH    0x09

/* A frame in one piece, and where its headers are. */
struct whole {
	uint8_t bytes[FRAME_MOST + 1];
	uint32_t len, l3, l4, payload; /* the last three: offsets */
};

static bool refuse(const char *why)
{
	fprintf(stderr, "model_send: %s\n", why);
	return false;
}

static bool gather(struct whole *w, const struct net_tx *tx, const struct net_piece *piece)
{
	memcpy(w->bytes, tx->frame, tx->len);
	w->len = tx->len;
	for (uint32_t i = 0; i < tx->n_pieces; i++) {
		if (w->len + piece[i].len > FRAME_MOST)
			return refuse("a frame is longer than a card's counter");
		if (piece[i].len == 0)
			return refuse("a buffer of a frame is empty");
		memcpy(w->bytes + w->len, piece[i].data, piece[i].len);
		w->len += piece[i].len;
	}
	w->l3 = tx->l2_len;
	w->l4 = w->l3 + tx->l3_len;
	return true;
}

static bool is_v4(const struct whole *w)
{
	return w->bytes[w->l3] >> 4 == 4;
}

static void put_ip_sum(uint8_t *l3)
{
	wire_put_be16(l3 + IP4_CSUM, 0);
	wire_put_be16(l3 + IP4_CSUM, csum_finish(csum_add_header(l3, IP4_LEN)));
}

/* The sum of the pseudo-header is in place; extra: what it lacks. */
static void put_tcp_sum(uint8_t *l4, uint32_t len, uint16_t extra)
{
	uint8_t length[2];

	wire_put16(length, extra);
	wire_put_be16(l4 + TCP_CSUM,
	              csum_finish(csum_combine(csum_add(l4, len), csum_add(length, 2), 0)));
}

static bool send_whole(struct whole *w, uint32_t flags, model_send_fn each, void *arg)
{
	if (flags & NET_TX_IP_CSUM)
		put_ip_sum(w->bytes + w->l3);
	if (flags & NET_TX_TCP_CSUM)
		put_tcp_sum(w->bytes + w->l4, w->len - w->l4, 0);
	each(arg, 0, w->bytes, w->len);
	return true;
}

static bool check_cut(struct whole *w, const struct net_tx *tx, uint32_t bufs)
{
	const uint8_t *l3 = w->bytes + w->l3;
	uint32_t said =
		is_v4(w) ? wire_get16(l3 + IP4_TOTAL) : IP6_LEN + wire_get16(l3 + IP6_PAYLOAD);

	w->payload = w->l4 + (uint32_t)(w->bytes[w->l4 + TCP_OFFSET] >> 4) * 4;
	if (tx->n_pieces + 1u > bufs)
		return refuse("more buffers than the card takes");
	if (tx->len < w->payload)
		return refuse("the header is in several buffers");
	if (said != w->len - w->l3)
		return refuse("the IP header has another length");
	if (tx->mss < MSS_LEAST || w->len - w->payload <= tx->mss)
		return refuse("nothing to cut, or too small pieces");
	if (!(tx->flags & NET_TX_TCP_CSUM))
		return refuse("segments are cut without their checksums");
	if (is_v4(w) && !(tx->flags & NET_TX_IP_CSUM) && csum_finish(csum_add_header(l3, IP4_LEN)))
		return refuse("the IPv4 header checksum is wrong, and nobody was asked for it");
	return true;
}

/* Segment i, of the payload from `at` on. */
static void cut(const struct whole *w, uint32_t at, uint32_t n, uint32_t i, struct whole *out)
{
	uint8_t *l3 = out->bytes + w->l3, *l4 = out->bytes + w->l4;

	memcpy(out->bytes, w->bytes, w->payload);
	memcpy(out->bytes + w->payload, w->bytes + w->payload + at, n);
	out->len = w->payload + n;
	if (is_v4(w)) {
		wire_put16(l3 + IP4_TOTAL, (uint16_t)(out->len - w->l3));
		wire_put16(l3 + 4, (uint16_t)(wire_get16(l3 + 4) + i));
		put_ip_sum(l3);
	} else {
		wire_put16(l3 + IP6_PAYLOAD, (uint16_t)(out->len - w->l4));
	}
	wire_put32(l4 + TCP_SEQ, wire_get32(l4 + TCP_SEQ) + at);
	if (w->payload + at + n < w->len)
		l4[TCP_FLAGS] &= (uint8_t)~FIN_PSH;
	put_tcp_sum(l4, out->len - w->l4, (uint16_t)(out->len - w->l4));
}

bool model_send(const struct net_tx *tx, const struct net_piece *piece, uint32_t bufs,
                model_send_fn each, void *arg)
{
	static struct whole w, out;
	uint32_t i = 0;

	if (!gather(&w, tx, piece))
		return false;
	if (!(tx->flags & NET_TX_TSO))
		return send_whole(&w, tx->flags, each, arg);
	if (!check_cut(&w, tx, bufs))
		return false;
	for (uint32_t at = 0, left; (left = w.len - w.payload - at) > 0; i++) {
		uint32_t n = left < tx->mss ? left : tx->mss;

		cut(&w, at, n, i, &out);
		each(arg, i, out.bytes, out.len);
		at += n;
	}
	return true;
}
