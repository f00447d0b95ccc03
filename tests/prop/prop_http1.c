/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Properties of HTTP/1.1 messages, over made-up ones: what is valid parses, whole and not before; what
 * is written parses to the same; mutations harm nobody; bodies end where they were built to end; paths
 * normalise as a plain reading of RFC 3986 does. The seed is argv[1]; a failure prints it.
 */
#include "http1_check.h"

#include <stdio.h>
#include <stdlib.h>

#define ROUNDS 2000

static uint64_t s;

static uint32_t rnd(uint32_t below)
{
	s ^= s << 13, s ^= s >> 7, s ^= s << 17;
	return (uint32_t)(s >> 20) % below;
}

struct text {
	char p[8192];
	size_t len;
};

static void add(struct text *t, const char *bytes, size_t n)
{
	if (n > sizeof(t->p) - t->len)
		abort();
	memcpy(t->p + t->len, bytes, n);
	t->len += n;
}

static void adds(struct text *t, const char *words)
{
	add(t, words, strlen(words));
}

/* `most` characters or fewer of a set. */
static void add_some(struct text *t, const char *set, uint32_t least, uint32_t most)
{
	uint32_t n = least + rnd(most - least + 1), size = (uint32_t)strlen(set);

	while (n--)
		add(t, &set[rnd(size)], 1);
}

#define PICK(t, ...)                                                     \
	do {                                                             \
		static const char *const words[] = {__VA_ARGS__};        \
		adds((t), words[rnd(sizeof(words) / sizeof(words[0]))]); \
	} while (0)

static const char visible[] = "abcXYZ019 \t!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~\x80\xff";
static const char token[] = "abcdefXYZ0189!#$%&'*+-.^_`|~";

static void make_path(struct text *t)
{
	uint32_t segments = rnd(6);

	adds(t, "/");
	while (segments--) {
		PICK(t, "a", "b%41", "..", ".", "", "%2e", "%2E%2e", "x%2Fy", "%25", "%7e", "...",
		     ".a", "longer-than-sixteen-bytes", "\\..\\", "%5c", "(ok)", "a=b;c");
		PICK(t, "/", "/", "/", "");
	}
}

/* Field lines that mean nothing to the proxy or are hop-by-hop, and those about the client. */
static void make_fields(struct text *t)
{
	for (uint32_t n = rnd(12); n--;) {
		if (rnd(3)) {
			adds(t, "x-");
			add_some(t, token, 1, 30);
		} else {
			PICK(t, "Keep-Alive", "TE", "Proxy-Connection", "Date", "Server",
			     "X-Forwarded-For", "x-forwarded-proto", "X-Request-ID",
			     "X-Envoy-Max-Retries", "Trailer", "Cookie");
		}
		PICK(t, ":", ": ", ":  ", ":\t ");
		add_some(t, visible, 0, 60);
		PICK(t, "\r\n", "\r\n", " \r\n", "\t\r\n");
	}
	if (!rnd(3))
		PICK(t, "Connection: close\r\n", "connection: keep-alive, x-a\r\n",
		     "Connection: ,\r\n", "Connection: upgrade\r\nUpgrade: websocket\r\n",
		     "Connection: host, content-length\r\n");
}

static void make_framing(struct text *t)
{
	PICK(t, "", "", "Content-Length: 0\r\n", "Content-Length: 12345\r\n",
	     "content-length:7 \r\n", "Transfer-Encoding: chunked\r\n",
	     "transfer-encoding:CHUNKED\r\n");
}

static void make_request(struct text *t)
{
	t->len = 0;
	PICK(t, "", "", "\r\n");
	PICK(t, "GET ", "GET ", "POST ", "HEAD ", "OPTIONS ", "x!~ ");
	PICK(t, "", "", "", "http://a.example", "HTTPS://[::1]:8080");
	make_path(t);
	if (rnd(2)) {
		adds(t, "?");
		add_some(t, "abc=&%2/?.:@", 0, 40);
	}
	adds(t, " HTTP/1.1\r\n");
	if (rnd(2))
		make_fields(t);
	PICK(t, "Host: a\r\n", "HOST:shop.example.com:80\r\n", "host: [2001:db8::1]\r\n");
	make_framing(t);
	make_fields(t);
	PICK(t, "", "", "Expect: 100-continue\r\n");
	adds(t, "\r\n");
}

static void make_response(struct text *t)
{
	t->len = 0;
	adds(t, "HTTP/1.1 ");
	PICK(t, "200", "204", "304", "404", "503", "103", "999");
	PICK(t, " OK", "", " ", " Something else\t\x80");
	adds(t, "\r\n");
	make_fields(t);
	make_framing(t);
	adds(t, "\r\n");
}

/* A chunked body. */
static void make_body(struct text *t)
{
	char size[32];

	t->len = 0;
	for (uint32_t n = rnd(5); n--;) {
		uint32_t len = 1 + rnd(rnd(4) ? 20 : 600);

		snprintf(size, sizeof(size), rnd(2) ? "%x" : "00%X", len);
		adds(t, size);
		PICK(t, "", "", ";", ";name=\"value; x\"");
		adds(t, "\r\n");
		while (len--)
			add_some(t, "ab\r\n0;", 1, 1);
		adds(t, "\r\n");
	}
	PICK(t, "0\r\n", "000\r\n", "0;end\r\n");
	for (uint32_t n = rnd(3); n--;)
		PICK(t, "X-Sum: 1\r\n", "empty:\r\n", "a!: b\tc\r\n");
	adds(t, "\r\n");
}

static void mutate(struct text *t)
{
	static const char spice[] = "\r\n\0 \t:,;%/.#?0123\x7f\x80\xff-+\\xX";

	for (uint32_t n = 1 + rnd(4); n-- && t->len;) {
		size_t at = rnd((uint32_t)t->len);
		size_t span = 1 + rnd(8);

		switch (rnd(4)) {
		case 0: t->p[at] = spice[rnd(sizeof(spice) - 1)]; break;
		case 1: t->p[at] = (char)(t->p[at] ^ 1 << rnd(8)); break;
		case 2: /* take some out */
			span = span < t->len - at ? span : t->len - at;
			memmove(t->p + at, t->p + at + span, t->len - at - span);
			t->len -= span;
			break;
		default: /* put some in */
			span = span < sizeof(t->p) - t->len ? span : 0;
			memmove(t->p + at + span, t->p + at, t->len - at);
			memset(t->p + at, spice[rnd(sizeof(spice) - 1)], span);
			t->len += span;
		}
	}
}

static bool fail(const char *what, const struct text *t)
{
	fprintf(stderr, "%s:\n%.*s\n", what, (int)t->len, t->p);
	return false;
}

static bool check_round(void)
{
	static struct text t;
	size_t end, body;

	make_request(&t);
	if (http1_check_request(t.p, t.len) != HTTP1_DONE)
		return fail("a request is refused", &t);
	mutate(&t);
	(void)http1_check_request(t.p, t.len);
	make_response(&t);
	if (http1_check_response(t.p, t.len, rnd(4) == 0) != HTTP1_DONE)
		return fail("a response is refused", &t);
	mutate(&t);
	(void)http1_check_response(t.p, t.len, rnd(4) == 0);
	make_body(&t);
	body = t.len;
	PICK(&t, "", "GET / HTTP/1.1\r\n", "\r\n", "x");
	if (http1_check_body(t.p, t.len, s, &end) != HTTP1_DONE || end != body)
		return fail("a body does not end where it does", &t);
	if (http1_check_body(t.p, rnd((uint32_t)body), s, &end) != HTTP1_MORE)
		return fail("a piece of a body is not incomplete", &t);
	mutate(&t);
	(void)http1_check_body(t.p, t.len, s, &end);
	t.len = 0;
	adds(&t, "/");
	add_some(&t, "//..%%2eE\\aF5c0", 0, 24);
	http1_check_path(t.p, t.len);
	t.len = 0;
	make_path(&t);
	http1_check_path(t.p, t.len);
	return true;
}

int main(int argc, char **argv)
{
	uint64_t seed = argc > 1 ? strtoull(argv[1], NULL, 0) : 1;

	s = seed * 0x9e3779b97f4a7c15ull | 1;
	fprintf(stderr, "seed %llu\n", (unsigned long long)seed);
	for (int i = 0; i < ROUNDS; i++)
		if (!check_round())
			return 1;
	return 0;
}
