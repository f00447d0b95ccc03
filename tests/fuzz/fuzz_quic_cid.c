/* SPDX-License-Identifier: BSD-3-Clause */
/* Any bytes as a QUIC datagram; the first is the length of ids in short headers. */
#include "quic_cid.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Ids lie in the packet, as a sanitizer would see when each byte is read. */
static void touch(struct quic_cid id, const uint8_t *p, size_t len)
{
	volatile uint8_t sum = 0;

	if (id.len > QUIC_CID_MAX || (id.len && (id.p < p || id.p + id.len > p + len)))
		abort();
	for (uint8_t i = 0; i < id.len; i++)
		sum = (uint8_t)(sum + id.p[i]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct quic_packet q;

	if (size == 0 || !quic_cid_read(data + 1, size - 1, data[0], &q))
		return 0;
	touch(q.dcid, data + 1, size - 1);
	touch(q.scid, data + 1, size - 1);
	if (quic_cid_may_begin(&q, size - 1) && (!q.is_long || q.version == 0))
		abort();
	if (quic_cid_learnable(&q) && q.scid.len == 0)
		abort();
	return 0;
}
