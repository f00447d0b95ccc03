/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Properties of reading a ClientHello, over made ones: however it is cut into records and whatever comes
 * behind, the same is read; no piece of it passes for the whole; bytes that trickle in cost few calls; and
 * mutations and garbage harm nobody (hello_check() says what must hold for any bytes).
 */
#include "hellos.h"
#include "rng.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ROUNDS 300
#define LIMIT  65536

static struct rng rng;

static bool fail(const char *what, const struct bytes_out *o)
{
	fprintf(stderr, "%s, %zu bytes:\n", what, o->len);
	for (size_t i = 0; i < o->len && i < 4096; i++)
		fprintf(stderr, "%02x", o->p[i]);
	fprintf(stderr, "\n");
	return false;
}

static void draw_spec(struct hello_spec *s)
{
	static const char *const names[] = {NULL, "a", "shop.example.com", "XN--80AK.example"};
	static const char *const protocols[] = {NULL, "h2", "h2,http/1.1", "a,b,c,d,e,f"};

	*s = (struct hello_spec){.name = names[rng_below(&rng, 4)],
	                         .alpn = protocols[rng_below(&rng, 4)],
	                         .grease = rng_below(&rng, 2),
	                         .no_extensions = rng_below(&rng, 10) == 0};
	switch (rng_below(&rng, 6)) {
	case 0: s->key_share = 1216; break;
	case 1: s->key_share = 1 + rng_below(&rng, 20000); break;
	case 2: s->key_share = 32; break;
	default: break;
	}
}

/* Records of sizes as they fall: all of one byte, all large, or mixed. */
static void cut_at_random(struct bytes_out *o, const struct bytes_out *message)
{
	uint32_t kind = rng_below(&rng, 4), most[] = {1, 16384, 50, 3000};

	o->len = 0;
	for (size_t at = 0; at < message->len;) {
		size_t n = 1 + rng_below(&rng, most[kind]), left = message->len - at;

		n = n < left ? n : left;
		hello_record(o, message->p + at, n);
		at += n;
	}
}

static bool same_text(struct str s, const char *text)
{
	return text ? str_eq(s, (struct str){text, (uint32_t)strlen(text)}) : s.p == NULL;
}

static void mutate(struct bytes_out *o)
{
	for (uint32_t n = 1 + rng_below(&rng, 4); n-- && o->len;) {
		size_t at = rng_below(&rng, o->len < 200 ? (uint32_t)o->len : 200);

		switch (rng_below(&rng, 4)) {
		case 0: o->p[at] = (uint8_t)rng_next(&rng); break;
		case 1: o->p[at] ^= (uint8_t)(1 << rng_below(&rng, 8)); break;
		case 2: o->p[at] = rng_below(&rng, 2) ? 0 : 0xff; break;
		default: memmove(o->p + at, o->p + at + 1, o->len - at - 1); o->len--;
		}
	}
}

static bool check_cuts(const struct hello_spec *spec, struct bytes_out *o)
{
	static uint8_t room[LIMIT];
	struct str grease = {"\x02\x8a\x8a", 3};
	struct tls_hello h;
	size_t len = o->len;

	out_bytes(o, "\x16\x03\x03more", rng_below(&rng, 8));
	if (tls_hello_read(o->p, o->len, room, LIMIT, &h) != TLS_HELLO_DONE)
		return len > LIMIT || fail("refused", o);
	if (h.used != len || !same_text(h.server_name, spec->no_extensions ? NULL : spec->name))
		return fail("another hello", o);
	if (spec->alpn && spec->grease && h.alpn.p && !str_starts(h.alpn, grease))
		return fail("another protocol", o);
	if (hello_check(o->p, o->len, LIMIT, rng_next(&rng)) != TLS_HELLO_DONE)
		return fail("not the same again", o);
	return true;
}

static bool check_round(void)
{
	static struct bytes_out message, o;
	struct hello_spec spec;

	draw_spec(&spec);
	message.len = 0;
	hello_message(&message, &spec);
	cut_at_random(&o, &message);
	if (!check_cuts(&spec, &o))
		return false;
	mutate(&o);
	(void)hello_check(o.p, o.len, LIMIT, rng_next(&rng));
	mutate(&message);
	cut_at_random(&o, &message);
	(void)hello_check(o.p, o.len, LIMIT, rng_next(&rng));
	(void)hello_check(o.p, o.len, 16 + rng_below(&rng, 2000), rng_next(&rng));
	return true;
}

int main(int argc, char **argv)
{
	uint64_t seed = rng_arg(argc, argv);

	rng = rng_seed(seed);
	fprintf(stderr, "seed %llu\n", (unsigned long long)seed);
	for (int i = 0; i < ROUNDS; i++)
		if (!check_round())
			return 1;
	return 0;
}
