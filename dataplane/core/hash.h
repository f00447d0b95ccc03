/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Keyed hash of a connection's addresses and ports: SipHash-1-3 (Aumasson and Bernstein, 2012, with
 * one round a word and three at the end).
 *
 * Clients choose what is hashed here, so the hash has to be one whose collisions cannot be found
 * without the key. A multiply-and-fold mixer would take half the cycles, but such mixers are broken
 * as soon as one product can be steered to zero, and nobody claims them to be safe; SipHash-1-3 is
 * what hash tables of several languages moved to for this very reason. About 15 cycles for IPv4,
 * 20 for IPv6 (bench_hash): a fraction of the cache miss that a look-up costs.
 *
 * The input is what the reference function sees when given address, address, port, port as bytes:
 * 36 of them for IPv6, and only the 12 that vary for IPv4.
 */
#ifndef WEIR_HASH_H
#define WEIR_HASH_H

#include "weir/addr.h"

#include <stdint.h>
#include <string.h>

/* Secret of one worker, or of the node where all workers have to agree. */
struct hash_key {
	uint64_t k[2];
};

struct hash_state {
	uint64_t v[4];
};

/** A key of 16 random bytes. */
static inline struct hash_key hash_key_from(const uint8_t secret[16])
{
	struct hash_key key;

	memcpy(key.k, secret, sizeof(key.k));
	return key;
}

static inline uint64_t hash_rotate(uint64_t x, uint32_t bits)
{
	return x << bits | x >> (64 - bits);
}

static inline __attribute__((always_inline)) void hash_round(struct hash_state *s)
{
	uint64_t a = s->v[0], b = s->v[1], c = s->v[2], d = s->v[3];

	a += b;
	c += d;
	b = hash_rotate(b, 13) ^ a;
	d = hash_rotate(d, 16) ^ c;
	a = hash_rotate(a, 32);
	c += b;
	a += d;
	b = hash_rotate(b, 17) ^ c;
	d = hash_rotate(d, 21) ^ a;
	c = hash_rotate(c, 32);
	s->v[0] = a;
	s->v[1] = b;
	s->v[2] = c;
	s->v[3] = d;
}

static inline __attribute__((always_inline)) void hash_word(struct hash_state *s, uint64_t word)
{
	s->v[3] ^= word;
	hash_round(s);
	s->v[0] ^= word;
}

static inline struct hash_state hash_start(const struct hash_key *key)
{
	return (struct hash_state){{
		key->k[0] ^ 0x736f6d6570736575ull,
		key->k[1] ^ 0x646f72616e646f6dull,
		key->k[0] ^ 0x6c7967656e657261ull,
		key->k[1] ^ 0x7465646279746573ull,
	}};
}

static inline __attribute__((always_inline)) uint64_t hash_end(struct hash_state *s)
{
	s->v[2] ^= 0xff;
	hash_round(s);
	hash_round(s);
	hash_round(s);
	return s->v[0] ^ s->v[1] ^ s->v[2] ^ s->v[3];
}

/* hash_tuple() of IPv6 addresses: apart, so that what most packets take is short enough to stand in its caller. */
uint64_t hash_tuple_wide(const struct hash_key *key, const struct ip_addr *a,
                         const struct ip_addr *b, be16_t aport, be16_t bport);

/**
 * Hash of a 4-tuple. Not symmetric: (a, b) and (b, a) differ.
 *
 * @param a, b          addresses, of one family
 * @param aport, bport  ports as in the packet
 * Pure: any core, any thread.
 */
static inline uint64_t hash_tuple(const struct hash_key *key, const struct ip_addr *a,
                                  const struct ip_addr *b, be16_t aport, be16_t bport)
{
	struct hash_state s;

	if (!ip_is_v4(a) || !ip_is_v4(b))
		return hash_tuple_wide(key, a, b, aport, bport);
	s = hash_start(key);
	hash_word(&s, (uint64_t)b->w[3] << 32 | a->w[3]);
	hash_word(&s, 12ull << 56 | (uint64_t)bport << 16 | aport);
	return hash_end(&s);
}

/** Hash of an address and a small number (a port index). */
static inline uint64_t hash_addr(const struct hash_key *key, const struct ip_addr *a, uint32_t with)
{
	struct hash_state s = hash_start(key);

	hash_word(&s, a->q[0]);
	hash_word(&s, a->q[1]);
	hash_word(&s, 20ull << 56 | with);
	return hash_end(&s);
}

#endif
