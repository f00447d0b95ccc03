/* SPDX-License-Identifier: BSD-3-Clause */
#include "quic_cid.h"

#include "wire.h"

enum {
	FORM_LONG = 0x80,
	TYPE_SHIFT = 4, /* of the packet's type in the first byte, versions 1 and 2 */
	TYPE_MASK = 3,
	VERSION_AT = 1,
	DCID_AT = 5,         /* its length, in a long header */
	CLIENT_DCID_MIN = 8, /* RFC 9000 section 7.2 */
};

#define QUIC_V1 1u
#define QUIC_V2 0x6b3343cfu

enum {
	V1_INITIAL = 0, /* RFC 9000 section 17.2.2 */
	V2_INITIAL = 1, /* RFC 9369 section 3.2 */
};

/* An id with its length in front, at *at. */
static bool read_cid(const uint8_t *p, size_t len, size_t *at, struct quic_cid *cid)
{
	if (*at >= len || p[*at] > QUIC_CID_MAX || p[*at] > len - *at - 1)
		return false;
	*cid = (struct quic_cid){.p = p + *at + 1, .len = p[*at]};
	*at += 1u + cid->len;
	return true;
}

bool quic_cid_read(const uint8_t *p, size_t len, uint8_t short_len, struct quic_packet *q)
{
	size_t at = DCID_AT;

	if (len == 0)
		return false;
	*q = (struct quic_packet){.is_long = p[0] & FORM_LONG, .first = p[0]};
	if (!q->is_long) {
		q->dcid = (struct quic_cid){.p = p + 1, .len = short_len};
		return short_len <= QUIC_CID_MAX && short_len <= len - 1;
	}
	if (len < DCID_AT)
		return false;
	q->version = wire_get32(p + VERSION_AT);
	return read_cid(p, len, &at, &q->dcid) && read_cid(p, len, &at, &q->scid);
}

bool quic_cid_may_begin(const struct quic_packet *q, size_t len)
{
	uint8_t type = q->first >> TYPE_SHIFT & TYPE_MASK;

	if (!q->is_long || len < QUIC_INITIAL_MIN || q->dcid.len < CLIENT_DCID_MIN)
		return false;
	switch (q->version) {
	case 0: return false;
	case QUIC_V1: return type == V1_INITIAL;
	case QUIC_V2: return type == V2_INITIAL;
	default: return true;
	}
}

bool quic_cid_learnable(const struct quic_packet *q)
{
	return q->is_long && q->version != 0 && q->scid.len > 0;
}
