/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The ClientHello at the beginning of a TLS connection: which server the client asks for, and in which
 * protocols it would speak. Read only; Weir neither ends TLS here nor changes a byte of it.
 *
 *   record     | 22, version, length | bytes of the handshake message ...    1 to 2^14 of them
 *   record     | 22, version, length | ... which may go on in the next records
 *   handshake  | 1, length | version, random, session id, cipher suites, compression | extensions
 *
 * What is read is what all versions share, so hellos of TLS 1.0 to 1.3 look the same, and values that
 * mean nothing yet, GREASE (RFC 8701) among them, are skipped. An encrypted hello (ECH) shows the name
 * of its outer one: that is the name whoever cannot decrypt has to go by.
 *
 * Strict only where two readers could understand two names: a server_name or ALPN extension given
 * twice (RFC 8446 section 4.2), or lengths that do not add up. The rest is for the server to judge.
 *
 * Sources: RFC 8446 sections 4.1.2, 4.2 and 5.1, RFC 5246 sections 6.2.1 and 7.4.1.2, RFC 6066 section 3,
 * RFC 7301 section 3.1.
 */
#ifndef WEIR_TLS_HELLO_H
#define WEIR_TLS_HELLO_H

#include "weir/str.h"

enum tls_hello_result {
	TLS_HELLO_DONE,
	TLS_HELLO_MORE, /* incomplete; not an error */
	TLS_HELLO_BAD,  /* hello->why is set; the connection must be closed */
};

enum tls_hello_why {
	TLS_HELLO_NOT_TLS,   /* the first bytes are no TLS record: HTTP, SSLv2, anything */
	TLS_HELLO_NOT_HELLO, /* TLS, but not a ClientHello: an alert, data, another message */
	TLS_HELLO_TOO_LONG,  /* it cannot end within the limit */
	TLS_HELLO_MALFORMED,
};

struct tls_hello {
	struct str server_name; /* 1 to 255 visible ASCII characters, case as sent; or absent */
	struct str alpn; /* the list as sent, checked, for tls_hello_next_alpn(); or absent */
	uint32_t used;   /* TLS_HELLO_DONE: bytes from the start to the end of the hello */
	uint32_t
		want; /* TLS_HELLO_MORE: bytes from the start; with fewer, the answer is the same */
	uint8_t why;  /* TLS_HELLO_BAD: enum tls_hello_why */
};

/**
 * Read the hello that a connection begins with.
 *
 * @param p      all bytes received so far, from the first on
 * @param len    of them
 * @param room   [limit] to put a message together that lies in several records. The strings of h point
 *               into p or into it
 * @param limit  bytes of the stream within which the hello must end; at least 5
 * @param h      filled according to the result
 *
 * Keeps no state: on TLS_HELLO_MORE call again from the same start when h->want bytes are there. Who
 * does so calls O(log limit) times however the bytes trickle in: once the length of the message is known
 * `want` covers all that is missing of it, and of what comes then at least a sixth (records of one byte
 * have five of header) is message. So the work is at most about 6 x limit bytes looked at, and nobody
 * can make it quadratic. Judges as early as it can: a first byte that is wrong is enough.
 */
enum tls_hello_result tls_hello_read(const uint8_t *p, size_t len, uint8_t *room, uint32_t limit,
                                     struct tls_hello *h);

/**
 * Walk over an ALPN list.
 *
 * @param rest   to begin with, hello->alpn; what is left of it on return
 * @param proto  the next protocol name, 1 to 255 bytes of any value
 * @return       false: there is none left
 */
bool tls_hello_next_alpn(struct str *rest, struct str *proto);

#endif
