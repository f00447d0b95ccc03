/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * In two steps: find the bytes of the message under the records (gather()), then read it.
 *
 * A message within one record, which is what everybody sends, is read in place. One over several is
 * copied together once all of it is there, or its first four bytes, which tell its length.
 */
#include "tls_hello.h"

#include "wire.h"

enum {
	RECORD_LEN = 5,
	RECORD_MAX = 1 << 14, /* RFC 8446 section 5.1 */
	RECORD_FIRST = 20,    /* change_cipher_spec */
	RECORD_HANDSHAKE = 22,
	RECORD_LAST = 24,  /* heartbeat, RFC 6520 */
	VERSION_MAJOR = 3, /* of every SSL and TLS since SSL 3.0; the rest of it says nothing */
	MESSAGE_LEN = 4,
	MESSAGE_HELLO = 1,
	RANDOM_LEN = 32,
	SESSION_ID_MAX = 32,
	NAME_MAX_LEN = 255, /* RFC 1035 section 2.3.4 */
	NAME_HOST = 0,      /* RFC 6066 section 3 */
};

enum {
	EXT_SERVER_NAME = 0, /* RFC 6066 */
	EXT_ALPN = 16,       /* RFC 7301 */
};

static enum tls_hello_result bad(struct tls_hello *h, enum tls_hello_why why)
{
	h->why = (uint8_t)why;
	return TLS_HELLO_BAD;
}

/* ---- records ------------------------------------------------------------------------------- */

/* Where the gathering stands. */
struct gather {
	const uint8_t *p;
	uint32_t len;
	uint32_t at;   /* the next record */
	uint32_t got;  /* bytes of the message, under the records so far */
	uint32_t need; /* bytes of the message with its header, as far as is known */
	const uint8_t *message;
};

/*
 * Is it a record that may hold the message, as far as can be seen? False: h->why. Nothing else may come
 * in between: RFC 8446 section 5.1.
 */
static bool is_record(const struct gather *g, struct tls_hello *h)
{
	const uint8_t *r = g->p + g->at;
	uint32_t n = g->len - g->at;

	h->why = g->at ? TLS_HELLO_MALFORMED : TLS_HELLO_NOT_TLS;
	if (n && r[0] != RECORD_HANDSHAKE) {
		if (!g->at && r[0] >= RECORD_FIRST && r[0] <= RECORD_LAST)
			h->why = TLS_HELLO_NOT_HELLO;
		return false;
	}
	if (n > 1 && r[1] != VERSION_MAJOR)
		return false;
	return n < RECORD_LEN || (wire_get16(r + 3) > 0 && wire_get16(r + 3) <= RECORD_MAX);
}

/* Take the n bytes of a record's content that are there. */
static void take_content(struct gather *g, uint8_t *room, uint32_t n)
{
	const uint8_t *content = g->p + g->at + RECORD_LEN;

	if (g->got == 0) {
		g->message = content;
	} else {
		if (g->message != room)
			memcpy(room, g->message, g->got);
		memcpy(room + g->got, content, n);
		g->message = room;
	}
	g->got += n;
	if (g->got >= MESSAGE_LEN)
		g->need = MESSAGE_LEN + (wire_get32(g->message) & 0xffffff);
}

static enum tls_hello_result more(struct tls_hello *h, uint32_t want)
{
	h->want = want;
	return TLS_HELLO_MORE;
}

/*
 * Find the whole message: TLS_HELLO_DONE when g->message has g->need bytes. Every byte is judged in its
 * turn, so what comes out does not depend on how many bytes are there at a time.
 */
static enum tls_hello_result gather(struct gather *g, uint8_t *room, uint32_t limit,
                                    struct tls_hello *h)
{
	uint32_t end = RECORD_LEN; /* where the message ends at the soonest */

	for (g->need = MESSAGE_LEN;;) {
		uint32_t there = g->len - g->at, before = g->got, content, n;

		if (!is_record(g, h))
			return TLS_HELLO_BAD;
		if (there < RECORD_LEN)
			return more(h, end);
		content = wire_get16(g->p + g->at + 3);
		n = there - RECORD_LEN < content ? there - RECORD_LEN : content;
		take_content(g, room, n);
		if (g->got && g->message[0] != MESSAGE_HELLO)
			return bad(h, TLS_HELLO_NOT_HELLO);
		end = g->at + RECORD_LEN + g->need - before;
		if (g->got >= g->need) {
			h->used = end;
			return TLS_HELLO_DONE;
		}
		if (g->need - before > content)
			end += RECORD_LEN;
		if (end > limit)
			return bad(h, TLS_HELLO_TOO_LONG);
		if (n < content)
			return more(h, end);
		g->at += RECORD_LEN + content;
	}
}

/* ---- the message ------------------------------------------------------------------------- */

/* Bytes still to be read. */
struct bytes {
	const uint8_t *p;
	uint32_t left;
};

/* Take n bytes off. False: there are not as many. */
static bool take_bytes(struct bytes *b, uint32_t n, struct bytes *out)
{
	if (n > b->left)
		return false;
	*out = (struct bytes){b->p, n};
	b->p += n;
	b->left -= n;
	return true;
}

/* Take a vector off whose length stands before it in `size` bytes, 1 or 2. */
static bool take_vector(struct bytes *b, uint32_t size, struct bytes *out)
{
	struct bytes n;

	if (!take_bytes(b, size, &n))
		return false;
	return take_bytes(b, size == 1 ? n.p[0] : wire_get16(n.p), out);
}

static struct str str_of(struct bytes b)
{
	return (struct str){(const char *)b.p, b.left};
}

/* Could it be the name of a host? What else is wrong with one, no route will match. */
static bool is_host_name(struct bytes name)
{
	if (name.left == 0 || name.left > NAME_MAX_LEN)
		return false;
	for (uint32_t i = 0; i < name.left; i++)
		if (name.p[i] <= ' ' || name.p[i] > '~')
			return false;
	return true;
}

/* Names of types yet unknown have a length too: RFC 6066 section 3 promises. */
static bool read_server_name(struct bytes data, struct tls_hello *h)
{
	struct bytes list, type, name;

	if (!take_vector(&data, 2, &list) || data.left || !list.left)
		return false;
	while (list.left) {
		if (!take_bytes(&list, 1, &type) || !take_vector(&list, 2, &name))
			return false;
		if (type.p[0] != NAME_HOST)
			continue;
		if (h->server_name.p || !is_host_name(name))
			return false;
		h->server_name = str_of(name);
	}
	return true;
}

static bool read_alpn(struct bytes data, struct tls_hello *h)
{
	struct bytes list, name;

	if (h->alpn.p || !take_vector(&data, 2, &list) || data.left || !list.left)
		return false;
	h->alpn = str_of(list);
	while (list.left)
		if (!take_vector(&list, 1, &name) || !name.left)
			return false;
	return true;
}

static bool read_extensions(struct bytes all, struct tls_hello *h)
{
	bool named = false;

	while (all.left) {
		struct bytes type, data;
		bool good = true;

		if (!take_bytes(&all, 2, &type) || !take_vector(&all, 2, &data))
			return false;
		switch (wire_get16(type.p)) {
		case EXT_SERVER_NAME:
			good = !named && read_server_name(data, h);
			named = true;
			break;
		case EXT_ALPN: good = read_alpn(data, h); break;
		default: break;
		}
		if (!good)
			return false;
	}
	return true;
}

static bool read_message(struct bytes b, struct tls_hello *h)
{
	struct bytes version, random, id, suites, compression, extensions;

	if (!take_bytes(&b, 2, &version) || version.p[0] != VERSION_MAJOR ||
	    !take_bytes(&b, RANDOM_LEN, &random))
		return false;
	if (!take_vector(&b, 1, &id) || id.left > SESSION_ID_MAX)
		return false;
	if (!take_vector(&b, 2, &suites) || suites.left < 2 || suites.left % 2)
		return false;
	if (!take_vector(&b, 1, &compression) || compression.left == 0)
		return false;
	if (b.left == 0) /* before TLS 1.2 extensions were optional */
		return true;
	return take_vector(&b, 2, &extensions) && b.left == 0 && read_extensions(extensions, h);
}

enum tls_hello_result tls_hello_read(const uint8_t *p, size_t len, uint8_t *room, uint32_t limit,
                                     struct tls_hello *h)
{
	struct gather g = {.p = p, .len = len < limit ? (uint32_t)len : limit};
	enum tls_hello_result r;

	*h = (struct tls_hello){0};
	r = gather(&g, room, limit, h);
	if (r != TLS_HELLO_DONE)
		return r;
	if (!read_message((struct bytes){g.message + MESSAGE_LEN, g.need - MESSAGE_LEN}, h))
		return bad(h, TLS_HELLO_MALFORMED);
	return TLS_HELLO_DONE;
}

bool tls_hello_next_alpn(struct str *rest, struct str *proto)
{
	struct bytes b = {(const uint8_t *)rest->p, rest->len}, name;

	if (!b.left || !take_vector(&b, 1, &name))
		return false;
	*proto = str_of(name);
	*rest = str_of(b);
	return true;
}
