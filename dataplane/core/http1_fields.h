/* SPDX-License-Identifier: BSD-3-Clause */
/* Field lines of a head, and what they say about the connection and the body. */
#ifndef WEIR_HTTP1_FIELDS_H
#define WEIR_HTTP1_FIELDS_H

#include "http1.h"

/* Of the fields that have an id: how many there are, and which is the last one. */
struct http1_seen {
	uint8_t n[HTTP1_FIELD_X_ENVOY + 1];
	uint8_t last[HTTP1_FIELD_X_ENVOY + 1];
};

/* Bytes being read: p moves towards end. */
struct http1_input {
	const char *p, *end;
};

/** Note a refusal. Returns HTTP1_BAD. */
static inline enum http1_result http1_refuse(struct http1_head *h, uint16_t status, const char *why)
{
	h->status = status;
	h->why = why;
	return HTTP1_BAD;
}

/** CRLF at in->p. A bare LF, which RFC 9112 section 2.2 allows, is refused: two readers may disagree. */
static inline enum http1_result http1_take_crlf(struct http1_input *in, struct http1_head *h)
{
	if (in->p == in->end)
		return HTTP1_MORE;
	if (*in->p != '\r')
		return http1_refuse(h, 400, *in->p == '\n' ? "bare LF" : "control character");
	if (in->end - in->p < 2)
		return HTTP1_MORE;
	if (in->p[1] != '\n')
		return http1_refuse(h, 400, "bare CR");
	in->p += 2;
	return HTTP1_DONE;
}

/**
 * Read the field section up to and with its empty line into h->fields, h->n_fields.
 *
 * @param seen  zeroed by the caller
 * @return      HTTP1_BAD: 400 or 431
 *
 * RFC 9112 section 5. White space before a colon is refused.
 */
enum http1_result http1_fields_parse(struct http1_input *in, struct http1_head *h,
                                     struct http1_seen *seen);

/**
 * The same for a response: white space before a colon is left out of the name, as RFC 9112 section 5.1
 * asks of proxies.
 */
enum http1_result http1_fields_parse_response(struct http1_input *in, struct http1_head *h,
                                              struct http1_seen *seen);

/** What one field name is; name consists of token characters. */
enum http1_field_id http1_field_id(const char *name, size_t len);

/**
 * Read Connection: marks the fields it names as hop-by-hop and sets h->keep_alive from it and the
 * version. Returns whether it names "upgrade".
 *
 * Framing, Host and the forwarding fields cannot be taken away by naming them.
 */
bool http1_connection_read(struct http1_head *h, const struct http1_seen *seen);

/**
 * Framing that Content-Length and Transfer-Encoding give: h->framing, h->length. HTTP1_BODY_NONE when
 * there is neither.
 *
 * @return  HTTP1_DONE or HTTP1_BAD (400, 501)
 *
 * RFC 9112 section 6.3, and refused: both, repeated or listed lengths, anything but one "chunked".
 */
enum http1_result http1_framing_read(struct http1_head *h, const struct http1_seen *seen);

#endif
