/* SPDX-License-Identifier: BSD-3-Clause */
#include "hellos.h"

#include "rng.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHECK(condition)                                                                \
	do {                                                                            \
		if (!(condition)) {                                                     \
			fprintf(stderr, "%s:%d: %s\n", __func__, __LINE__, #condition); \
			abort();                                                        \
		}                                                                       \
	} while (0)

#define PREFIXES_MAX 600 /* trying every prefix is quadratic: of longer ones, some */
#define CALLS_MAX \
	90 /* of bytes that trickle in: log of 65536 to the base 6/5 is 61, and the start */

/* ---- putting together ---------------------------------------------------------------------- */

void out_bytes(struct bytes_out *o, const void *p, size_t n)
{
	CHECK(n <= sizeof(o->p) - o->len);
	if (n)
		memcpy(o->p + o->len, p, n);
	o->len += n;
}

void out_number(struct bytes_out *o, uint32_t size, uint32_t value)
{
	while (size--) {
		uint8_t byte = (uint8_t)(value >> 8 * size);

		out_bytes(o, &byte, 1);
	}
}

/* A length of `size` bytes, to be known later. */
static size_t out_open(struct bytes_out *o, uint32_t size)
{
	out_number(o, size, 0);
	return o->len;
}

static void out_close(struct bytes_out *o, size_t opened, uint32_t size)
{
	size_t n = o->len - opened;

	for (uint32_t i = 0; i < size; i++)
		o->p[opened - 1 - i] = (uint8_t)(n >> 8 * i);
}

static void out_filler(struct bytes_out *o, uint32_t n)
{
	while (n--)
		out_number(o, 1, n * 7 & 0xff);
}

/* An extension that says nothing to us. */
static void out_extension(struct bytes_out *o, uint32_t type, uint32_t n)
{
	out_number(o, 2, type);
	out_number(o, 2, n);
	out_filler(o, n);
}

static void out_name(struct bytes_out *o, const char *name)
{
	size_t extension, list, one;

	out_number(o, 2, 0);
	extension = out_open(o, 2);
	list = out_open(o, 2);
	out_number(o, 1, 0);
	one = out_open(o, 2);
	out_bytes(o, name, strlen(name));
	out_close(o, one, 2);
	out_close(o, list, 2);
	out_close(o, extension, 2);
}

static void out_alpn(struct bytes_out *o, const char *names, bool grease)
{
	size_t extension, list;

	out_number(o, 2, 16);
	extension = out_open(o, 2);
	list = out_open(o, 2);
	if (grease)
		out_bytes(o, "\x02\x8a\x8a", 3);
	while (*names) {
		size_t n = strcspn(names, ",");

		out_number(o, 1, (uint32_t)n);
		out_bytes(o, names, n);
		names += n + (names[n] == ',');
	}
	out_close(o, list, 2);
	out_close(o, extension, 2);
}

static void out_extensions(struct bytes_out *o, const struct hello_spec *spec)
{
	size_t all = out_open(o, 2);

	if (spec->grease)
		out_extension(o, 0x1a1a, 0);
	out_extension(o, 43, 7); /* supported_versions */
	if (spec->key_share) {
		out_number(o, 2, 51);
		out_number(o, 2, spec->key_share + 6);
		out_number(o, 2, spec->key_share + 4);
		out_number(o, 2, 0x11ec); /* X25519MLKEM768 */
		out_number(o, 2, spec->key_share);
		out_filler(o, spec->key_share);
	}
	if (spec->name)
		out_name(o, spec->name);
	if (spec->grease)
		out_extension(o, 0xfe0d, 186); /* encrypted_client_hello */
	if (spec->alpn)
		out_alpn(o, spec->alpn, spec->grease);
	if (spec->grease)
		out_extension(o, 0xfafa, 1);
	out_close(o, all, 2);
}

void hello_message(struct bytes_out *o, const struct hello_spec *spec)
{
	size_t message;

	out_number(o, 1, 1);
	message = out_open(o, 3);
	out_number(o, 2, 0x0303);
	out_filler(o, 32);
	out_number(o, 1, 32);
	out_filler(o, 32);
	out_number(o, 2, spec->grease ? 4 : 2);
	if (spec->grease)
		out_number(o, 2, 0x3a3a);
	out_number(o, 2, 0x1301);
	out_number(o, 2, 0x0100); /* no compression */
	if (!spec->no_extensions)
		out_extensions(o, spec);
	out_close(o, message, 3);
}

void hello_record(struct bytes_out *o, const uint8_t *content, size_t n)
{
	out_number(o, 1, 22);
	out_number(o, 2, 0x0301);
	out_number(o, 2, (uint32_t)n);
	out_bytes(o, content, n);
}

void hello_records(struct bytes_out *o, const struct bytes_out *message, size_t size)
{
	for (size_t at = 0; at < message->len; at += size)
		hello_record(o, message->p + at,
		             message->len - at < size ? message->len - at : size);
}

void hello_make(struct bytes_out *o, const struct hello_spec *spec, size_t size)
{
	static struct bytes_out message;

	message.len = 0;
	o->len = 0;
	hello_message(&message, spec);
	hello_records(o, &message, size);
}

/* ---- real ones --------------------------------------------------------------------------- */

static const struct hello_real reals[] = {
#define HELLO(client, name, alpn, hex) {client, name, alpn, hex},
#include "hellos.def"
#undef HELLO
};

const struct hello_real *hello_real(uint32_t i)
{
	return i < sizeof(reals) / sizeof(reals[0]) ? &reals[i] : NULL;
}

void hello_real_bytes(struct bytes_out *o, const struct hello_real *real)
{
	unsigned int byte;

	o->len = 0;
	for (const char *p = real->hex; *p; p += 2) {
		CHECK(sscanf(p, "%2x", &byte) == 1);
		out_number(o, 1, byte);
	}
}

const char *hello_alpn_text(struct str alpn)
{
	static struct bytes_out text;
	struct str name;

	text.len = 0;
	while (tls_hello_next_alpn(&alpn, &name)) {
		if (text.len)
			out_bytes(&text, ",", 1);
		out_bytes(&text, name.p, name.len);
	}
	out_bytes(&text, "", 1);
	return (const char *)text.p;
}

/* ---- what must hold ---------------------------------------------------------------------- */

/* A copy of exactly len bytes, so that a sanitizer sees reads beyond them. */
static uint8_t *exact_copy(const void *data, size_t len)
{
	uint8_t *copy = calloc(1, len ? len : 1);

	CHECK(copy);
	if (len)
		memcpy(copy, data, len);
	return copy;
}

static bool inside(struct str s, const uint8_t *p, size_t len)
{
	const uint8_t *from = (const uint8_t *)s.p;

	return from >= p && s.len <= len && (size_t)(from - p) <= len - s.len;
}

static void check_done(const struct tls_hello *h, const uint8_t *p, size_t len, const uint8_t *room,
                       size_t limit)
{
	struct str rest = h->alpn, name;

	CHECK(h->used <= len && h->used <= limit);
	if (h->server_name.p) {
		CHECK(inside(h->server_name, p, h->used) || inside(h->server_name, room, limit));
		CHECK(h->server_name.len >= 1 && h->server_name.len <= 255);
		CHECK(!memchr(h->server_name.p, 0, h->server_name.len));
	}
	if (!h->alpn.p)
		return;
	CHECK(inside(h->alpn, p, h->used) || inside(h->alpn, room, limit));
	while (tls_hello_next_alpn(&rest, &name))
		CHECK(name.len && inside(name, (const uint8_t *)h->alpn.p, h->alpn.len));
	CHECK(rest.len == 0);
}

/* The first n bytes alone, given what all of them are. */
static void check_prefix(const uint8_t *p, size_t n, uint32_t limit, enum tls_hello_result r,
                         const struct tls_hello *whole)
{
	uint8_t *copy = exact_copy(p, n), *room = malloc(limit);
	struct tls_hello h;
	enum tls_hello_result part = tls_hello_read(copy, n, room, limit, &h);

	switch (part) {
	case TLS_HELLO_MORE:
		CHECK(h.want > n && h.want <= limit);
		CHECK(r != TLS_HELLO_DONE || (n < whole->used && h.want <= whole->used));
		break;
	case TLS_HELLO_DONE:
		CHECK(r == TLS_HELLO_DONE && h.used == whole->used);
		CHECK(str_eq(h.server_name, whole->server_name) && str_eq(h.alpn, whole->alpn));
		break;
	default: CHECK(r == TLS_HELLO_BAD && h.why == whole->why);
	}
	free(room);
	free(copy);
}

/* The bytes come a few at a time, and it is asked when there are as many as it wanted. */
static void check_trickle(const uint8_t *p, size_t len, uint32_t limit, struct rng *rng,
                          enum tls_hello_result whole)
{
	uint8_t *room = malloc(limit);
	enum tls_hello_result r = TLS_HELLO_MORE;
	struct tls_hello h = {.want = 1};
	uint32_t step = rng_below(rng, 2) ? 1 : 1 + rng_below(rng, 2000), calls = 0;

	for (size_t n = 0; n < len && r == TLS_HELLO_MORE;) {
		n = n + step < len ? n + step : len;
		if (n < h.want && n < len)
			continue;
		r = tls_hello_read(p, n, room, limit, &h);
		calls++;
	}
	CHECK(r == whole);
	CHECK(calls <= CALLS_MAX);
	free(room);
}

enum tls_hello_result hello_check(const void *data, size_t len, uint32_t limit, uint64_t seed)
{
	uint8_t *p = exact_copy(data, len), *room = malloc(limit);
	struct rng rng = rng_seed(seed);
	struct tls_hello h;
	enum tls_hello_result r = tls_hello_read(p, len, room, limit, &h);

	if (r == TLS_HELLO_DONE)
		check_done(&h, p, len, room, limit);
	for (size_t i = 0; i < PREFIXES_MAX && i < len; i++)
		check_prefix(p, len <= PREFIXES_MAX ? i : rng_below(&rng, (uint32_t)len), limit, r,
		             &h);
	if (len)
		check_trickle(p, len, limit, &rng, r);
	free(room);
	free(p);
	return r;
}
