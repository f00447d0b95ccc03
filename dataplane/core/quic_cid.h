/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Connection ids of QUIC packets: what a listener that routes QUIC goes by, so that a client whose address
 * or port changes keeps its endpoint.
 *
 *   long header   | 1....... | version (4) | n | destination id (n) | m | source id (m) | ...
 *   short header  | 0....... | destination id, of a length only its owner knows | ...
 *
 * These are the invariants of all versions (RFC 8999); everything else of a packet is encrypted or belongs
 * to one version. An id is chosen by whom packets with it go to, so what tells a client's packets apart
 * after the hand-shake is an id that the *server* chose. What can be known of those from outside, without
 * the server's help:
 *
 * - The source id of a server's long headers is where the client's next packets go. It can be read, and an
 *   id learnt so leads back to that server: take it with quic_cid_learnable().
 * - Its length is that of the server's short headers: servers use one length.
 * - Ids that a server gives later (NEW_CONNECTION_ID) are encrypted. A client changes to one of those when
 *   it moves on purpose (RFC 9000 section 9.5: it must), so that such a move cannot be followed by learning
 *   alone; one whose address a NAT changed keeps its id and can. To follow all, servers must put what leads
 *   to them into every id, which is what a fixed place in the id is for (draft-ietf-quic-load-balancers).
 *
 * Until it has heard from the server, a client uses an id of its own choice, random and at least eight bytes
 * (RFC 9000 section 7.2); so do its other packets of the first flight. All packets in one datagram have the
 * same destination id (section 12.2): the first one's header is enough.
 */
#ifndef WEIR_QUIC_CID_H
#define WEIR_QUIC_CID_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define QUIC_CID_MAX     20   /* RFC 9000 section 17.2; the invariants would allow 255 */
#define QUIC_INITIAL_MIN 1200 /* bytes of UDP payload of a client's first: RFC 9000 section 14.1 */

struct quic_cid {
	const uint8_t *p; /* in the packet */
	uint8_t len;      /* may be 0 */
};

struct quic_packet {
	bool is_long;
	uint8_t first;        /* the first byte, whose other bits belong to the version */
	uint32_t version;     /* long header: host order; 0: version negotiation */
	struct quic_cid dcid; /* where it goes to */
	struct quic_cid scid; /* long header: where answers to it go to */
};

/**
 * Read the connection ids of a datagram's first packet.
 *
 * @param p          UDP payload
 * @param len        of it
 * @param short_len  bytes of the destination id in short headers, as the servers here use it
 * @return           false: cut short, or ids longer than QUIC_CID_MAX; it cannot be routed by an id
 *
 * Anything whose first bit is 0 and that is long enough reads as a short header: whether it is QUIC at all
 * shows only by whether the id is known.
 */
bool quic_cid_read(const uint8_t *p, size_t len, uint8_t short_len, struct quic_packet *q);

/**
 * May a client begin a connection with it? A long header of a full-sized datagram, in a version that is
 * unknown (it may be) or in one that is known and calls it Initial (1: RFC 9000, 2: RFC 9369), to an id that is long
 * enough to be told from others by. What is not is not worth a new flow.
 *
 * @param len  bytes of the whole UDP payload
 */
bool quic_cid_may_begin(const struct quic_packet *q, size_t len);

/**
 * May q's source id, of a packet that a server sent, be kept as one that leads to it? Not that of a version
 * negotiation, which only repeats what the client said, nor one of no length.
 */
bool quic_cid_learnable(const struct quic_packet *q);

#endif
