/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Which worker owns a TCP connection.
 *
 * The Toeplitz hash is linear: each bit of the input that is set adds (exclusive or) a 32-bit window
 * of the key. So the windows of each half byte are added up once at start and a hash is one look-up
 * for each half byte, 24 for IPv4 and 72 for IPv6, in 4.5 KiB.
 */
#include "steer.h"

#include <string.h>

/* 32 bits of the key from bit `at` on. */
static uint32_t key_window(const uint8_t *key, uint32_t at)
{
	uint64_t bits = 0;

	for (uint32_t i = 0; i < 5; i++)
		bits = bits << 8 | (at / 8 + i < STEER_KEY_BYTES ? key[at / 8 + i] : 0);
	return (uint32_t)(bits >> (8 - at % 8));
}

void steer_single(struct steer *s)
{
	*s = (struct steer){.mode = STEER_SINGLE, .n_workers = 1};
}

void steer_toeplitz(struct steer *s, uint32_t n_workers, const uint8_t *rss_key,
                    const uint16_t *reta, uint32_t entries)
{
	*s = (struct steer){.mode = STEER_TOEPLITZ, .n_workers = n_workers};
	s->reta_mask = entries - 1;
	memcpy(s->reta, reta, entries * sizeof(*reta));
	for (uint32_t bit = 0; bit < 288; bit++)
		for (uint32_t value = 0; value < 16; value++)
			if (value & (8u >> (bit % 4)))
				s->nibble[bit / 4][value] ^= key_window(rss_key, bit);
}

/*
 * The hash is linear, so which entry a port leads to is a linear map of the port's bits, plus something
 * that the rest of the 4-tuple decides. Row j: what the bit of value 2^j of our port, the last field of
 * the input, adds to the number of the entry. A run has each entry once if no row follows from others.
 */
static bool is_regular(const uint8_t *key, uint32_t input_bits, uint32_t entries)
{
	uint32_t rows[16], n = 0;

	for (; 1u << n < entries; n++)
		rows[n] = key_window(key, input_bits - 1 - n) & (entries - 1);
	for (uint32_t i = 0; i < n; i++) {
		uint32_t top = rows[i] & -rows[i];

		if (!top)
			return false;
		for (uint32_t j = i + 1; j < n; j++)
			rows[j] ^= rows[j] & top ? rows[i] : 0;
	}
	return true;
}

bool steer_key_spreads(const uint8_t *rss_key, uint32_t entries)
{
	return is_regular(rss_key, 12 * 8, entries) && is_regular(rss_key, 36 * 8, entries);
}

void steer_hand_off(struct steer *s, uint32_t n_workers, uint16_t port_min, uint16_t port_max,
                    const struct hash_key *key)
{
	*s = (struct steer){.mode = STEER_HAND_OFF, .n_workers = n_workers};
	s->port_min = port_min;
	s->port_max = port_max;
	s->key = *key;
}

static uint32_t add_bytes(const struct steer *s, uint32_t at, const void *bytes, uint32_t n)
{
	const uint8_t *b = bytes;
	uint32_t hash = 0;

	for (uint32_t i = 0; i < n; i++) {
		const uint32_t(*half)[16] = &s->nibble[(size_t)2 * (at + i)];

		hash ^= half[0][b[i] >> 4] ^ half[1][b[i] & 15];
	}
	return hash;
}

uint32_t steer_hash(const struct steer *s, const struct ip_addr *src, const struct ip_addr *dst,
                    be16_t sport, be16_t dport)
{
	uint32_t n = ip_is_v4(src) ? 4 : 16, hash;

	hash = add_bytes(s, 0, src->b + 16 - n, n);
	hash ^= add_bytes(s, n, dst->b + 16 - n, n);
	hash ^= add_bytes(s, 2 * n, &sport, sizeof(sport));
	return hash ^ add_bytes(s, 2 * n + 2, &dport, sizeof(dport));
}

/* Owner of what arrives from src:sport for our dst:dport. */
static uint32_t owner_of(const struct steer *s, const struct ip_addr *src, be16_t sport,
                         const struct ip_addr *dst, be16_t dport)
{
	uint16_t port = __builtin_bswap16(dport);
	uint64_t hash;

	if (s->mode == STEER_SINGLE || s->n_workers == 1)
		return 0;
	if (s->mode == STEER_TOEPLITZ)
		return s->reta[steer_hash(s, src, dst, sport, dport) & s->reta_mask];
	if (port >= s->port_min && port <= s->port_max)
		return (uint32_t)(port - s->port_min) % s->n_workers;
	hash = hash_tuple(&s->key, src, dst, sport, dport);
	return (uint32_t)((hash >> 32) * s->n_workers >> 32);
}

uint32_t steer_owner(const struct steer *s, const struct pkt *p)
{
	if (p->kind != PKT_TCP && p->kind != PKT_UDP)
		return 0;
	return owner_of(s, &p->src, p->sport, &p->dst, p->dport);
}

uint32_t steer_reply_owner(const struct steer *s, const struct ip_addr *local, be16_t lport,
                           const struct ip_addr *remote, be16_t rport)
{
	return owner_of(s, remote, rport, local, lport);
}
