/* SPDX-License-Identifier: BSD-3-Clause */
#include "hash.h"

uint64_t hash_tuple_wide(const struct hash_key *key, const struct ip_addr *a,
                         const struct ip_addr *b, be16_t aport, be16_t bport)
{
	struct hash_state s = hash_start(key);

	hash_word(&s, a->q[0]);
	hash_word(&s, a->q[1]);
	hash_word(&s, b->q[0]);
	hash_word(&s, b->q[1]);
	hash_word(&s, 36ull << 56 | (uint64_t)bport << 16 | aport);
	return hash_end(&s);
}
