/* SPDX-License-Identifier: BSD-3-Clause */
#include "quic_ids.h"

#include <string.h>

static uint32_t sets_for(uint32_t max)
{
	uint32_t sets = 1;

	while ((uint64_t)sets * QUIC_IDS_WAYS < max)
		sets *= 2;
	return sets;
}

size_t quic_ids_bytes(uint32_t max)
{
	return max ? (size_t)sets_for(max) * QUIC_IDS_WAYS * sizeof(struct quic_id) : 0;
}

void quic_ids_init(struct quic_ids *t, void *memory, uint32_t max, const struct hash_key *key)
{
	*t = (struct quic_ids){.v = max ? memory : NULL, .mask = sets_for(max) - 1, .key = *key};
	if (max)
		memset(memory, 0, quic_ids_bytes(max));
}

static struct quic_id *set_of(const struct quic_ids *t, const struct quic_cid *id, be16_t lport)
{
	struct hash_state s = hash_start(&t->key);
	uint64_t words[3] = {0};

	memcpy(words, id->p, id->len);
	for (int i = 0; i < 3; i++)
		hash_word(&s, words[i]);
	hash_word(&s, (uint64_t)id->len << 16 | lport);
	return &t->v[(size_t)((uint32_t)hash_end(&s) & t->mask) * QUIC_IDS_WAYS];
}

static bool is_it(const struct quic_id *e, const struct quic_cid *id, be16_t lport)
{
	return e->len == id->len && e->lport == lport && memcmp(e->id, id->p, id->len) == 0;
}

/* The place of an id; else a free one, else that which was used longest ago. */
static struct quic_id *place_for(const struct quic_ids *t, const struct quic_cid *id, be16_t lport)
{
	struct quic_id *set = set_of(t, id, lport), *best = set;

	for (uint32_t i = 0; i < QUIC_IDS_WAYS; i++) {
		if (is_it(&set[i], id, lport))
			return &set[i];
		if (best->len && (!set[i].len || t->used - set[i].used > t->used - best->used))
			best = &set[i];
	}
	return best;
}

void quic_ids_learn(struct quic_ids *t, const uint8_t *payload, size_t len, be16_t lport,
                    const struct flow_choice *to)
{
	struct quic_packet q;
	struct quic_id *e;

	if (!t->v || !quic_cid_read(payload, len, 0, &q) || !q.is_long || !quic_cid_learnable(&q))
		return;
	e = place_for(t, &q.scid, lport);
	*e = (struct quic_id){.len = q.scid.len, .lport = lport, .used = ++t->used, .to = *to};
	memcpy(e->id, q.scid.p, q.scid.len);
	t->lens |= 1u << q.scid.len;
}

static const struct flow_choice *find(struct quic_ids *t, const struct quic_cid *id, be16_t lport)
{
	struct quic_id *set = set_of(t, id, lport);

	for (uint32_t i = 0; i < QUIC_IDS_WAYS; i++) {
		if (!id->len || !is_it(&set[i], id, lport))
			continue;
		set[i].used = ++t->used;
		return &set[i].to;
	}
	return NULL;
}

const struct flow_choice *quic_ids_find(struct quic_ids *t, const uint8_t *payload, size_t len,
                                        be16_t lport)
{
	const struct flow_choice *to = NULL;
	struct quic_packet q;

	if (!t->v)
		return NULL;
	for (uint32_t lens = t->lens; lens && !to; lens &= lens - 1) {
		if (!quic_cid_read(payload, len, (uint8_t)__builtin_ctz(lens), &q))
			continue;
		to = find(t, &q.dcid, lport);
		if (q.is_long)
			break;
	}
	return to;
}
