/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Where a body ends. Data is skipped over, not looked at; only the lines of the chunked coding are
 * read, byte by byte (RFC 9112 section 7.1):
 *
 *   SIZE -> [EXTENSION] -> SIZE_LF -> DATA -> DATA_CR -> DATA_LF -> SIZE ...
 *                             | size 0
 *                             v
 *   TRAILER -> NAME -> VALUE -> VALUE_LF -> TRAILER ... -> LAST_LF -> END
 *
 * Chunks and trailers go on to the other side as they came, so nothing is let through that it could
 * read in another way: sizes of one form, CRLF only, no control characters.
 */
#include "http1.h"
#include "http1_scan.h"

#define LINE_MAX_BYTES    256  /* size and extensions of one chunk; nobody uses long ones */
#define TRAILER_MAX_BYTES 8192 /* the whole trailer section */
#define SIZE_DIGITS_MAX   16

enum chunk_state {
	CHUNK_SIZE,
	CHUNK_EXTENSION,
	CHUNK_SIZE_LF,
	CHUNK_DATA,
	CHUNK_DATA_CR,
	CHUNK_DATA_LF,
	CHUNK_TRAILER, /* at the start of a line */
	CHUNK_TRAILER_NAME,
	CHUNK_TRAILER_VALUE,
	CHUNK_TRAILER_LF,
	CHUNK_LAST_LF,
	CHUNK_END,
	CHUNK_BAD, /* malformed: it stays so */
};

void http1_body_init(struct http1_body *b, enum http1_framing framing, uint64_t length)
{
	*b = (struct http1_body){
		.framing = (uint8_t)framing,
		.state = CHUNK_SIZE,
		.left = framing == HTTP1_BODY_LENGTH ? length : 0,
	};
}

bool http1_body_done(const struct http1_body *b)
{
	switch (b->framing) {
	case HTTP1_BODY_NONE: return true;
	case HTTP1_BODY_LENGTH: return b->left == 0;
	case HTTP1_BODY_CHUNKED: return b->state == CHUNK_END;
	default: return false;
	}
}

static inline int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* One byte of chunk-size, or what ends it. Sizes stay below 2^63: no reader takes them for negative. */
static bool step_size(struct http1_body *b, char c)
{
	int digit = hex_value(c);

	if (digit >= 0) {
		if (b->line == SIZE_DIGITS_MAX || b->left >> 59)
			return false;
		b->left = b->left << 4 | (uint64_t)digit;
		b->line++;
		return true;
	}
	b->state = c == ';' ? CHUNK_EXTENSION : CHUNK_SIZE_LF;
	return b->line > 0 && (c == ';' || c == '\r');
}

static bool step_extension(struct http1_body *b, char c)
{
	if (c == '\r')
		b->state = CHUNK_SIZE_LF;
	else if (!http1_is_text(c))
		return false;
	return ++b->line <= LINE_MAX_BYTES;
}

static bool step_size_lf(struct http1_body *b, char c)
{
	b->line = 0;
	b->state = b->left ? CHUNK_DATA : CHUNK_TRAILER;
	return c == '\n';
}

static bool step_trailer(struct http1_body *b, char c)
{
	switch (b->state) {
	case CHUNK_TRAILER:
		b->state = c == '\r' ? CHUNK_LAST_LF : CHUNK_TRAILER_NAME;
		if (c != '\r' && !http1_is(&http1_token, c))
			return false;
		break;
	case CHUNK_TRAILER_NAME:
		if (c == ':')
			b->state = CHUNK_TRAILER_VALUE;
		else if (!http1_is(&http1_token, c))
			return false;
		break;
	default:
		if (c == '\r')
			b->state = CHUNK_TRAILER_LF;
		else if (!http1_is_text(c))
			return false;
	}
	return ++b->trailer <= TRAILER_MAX_BYTES;
}

/* One byte of the coding itself, not of the data. False: malformed. */
static bool step(struct http1_body *b, char c)
{
	switch (b->state) {
	case CHUNK_SIZE: return step_size(b, c);
	case CHUNK_EXTENSION: return step_extension(b, c);
	case CHUNK_SIZE_LF: return step_size_lf(b, c);
	case CHUNK_DATA_CR: b->state = CHUNK_DATA_LF; return c == '\r';
	case CHUNK_DATA_LF: b->state = CHUNK_SIZE; return c == '\n';
	case CHUNK_TRAILER_LF: b->state = CHUNK_TRAILER; return c == '\n';
	case CHUNK_LAST_LF: b->state = CHUNK_END; return c == '\n';
	case CHUNK_BAD: return false;
	default: return step_trailer(b, c);
	}
}

/* Skip over data; returns how many of the len bytes are data. */
static size_t skip_data(struct http1_body *b, size_t len)
{
	size_t n = b->left < len ? (size_t)b->left : len;

	b->left -= n;
	return n;
}

static enum http1_result feed_chunked(struct http1_body *b, const char *p, size_t len, size_t *used)
{
	size_t i = 0;

	while (i < len && b->state != CHUNK_END) {
		if (b->state == CHUNK_DATA) {
			i += skip_data(b, len - i);
			if (b->left == 0)
				b->state = CHUNK_DATA_CR;
		} else if (!step(b, p[i++])) {
			b->state = CHUNK_BAD;
			*used = i;
			return HTTP1_BAD;
		}
	}
	*used = i;
	return b->state == CHUNK_END ? HTTP1_DONE : HTTP1_MORE;
}

enum http1_result http1_body_feed(struct http1_body *b, const char *p, size_t len, size_t *used)
{
	switch (b->framing) {
	case HTTP1_BODY_NONE: *used = 0; return HTTP1_DONE;
	case HTTP1_BODY_LENGTH:
		*used = skip_data(b, len);
		return b->left == 0 ? HTTP1_DONE : HTTP1_MORE;
	case HTTP1_BODY_CHUNKED: return feed_chunked(b, p, len, used);
	default: *used = len; return HTTP1_MORE;
	}
}
