/* SPDX-License-Identifier: BSD-3-Clause */
#include "reader.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void reader_reset(struct reader *r)
{
	free(r->part);
	*r = (struct reader){.expected = r->expected};
}

static int wrong(struct reader_rules *rules, const char *text, uint32_t len)
{
	if (!rules->wrong[0])
		snprintf(rules->wrong, sizeof(rules->wrong), "%.*s", (int)len, text);
	return -1;
}

/* Field names come back as the server wrote them. */
static const char *field(const char *head, uint32_t len, const char *name)
{
	const char *at = memmem(head, len, name, strlen(name));

	return at ? at + strlen(name) : NULL;
}

/* @return version; 0: not what was asked for */
static uint8_t check_head(struct reader_rules *rules, const char *head, uint32_t len)
{
	static const char status[] = "HTTP/1.1 200 ";
	const char *length, *version;
	uint32_t v;

	if (len < sizeof(status) || memcmp(head, status, sizeof(status) - 1) != 0)
		return 0;
	length = field(head, len, "\r\nContent-Length: ");
	version = field(head, len, "\r\nX-Version: v");
	if (!length || !version || strtoul(length, NULL, 10) != rules->body_bytes)
		return 0;
	v = (uint32_t)(*version - '0');
	if (v < 1 || v > READER_VERSIONS)
		return 0;
	if (len <= READER_HEAD) {
		memcpy(rules->known[v - 1], head, len);
		rules->known_len[v - 1] = len;
	}
	return (uint8_t)v;
}

/* Bytes of a head that was seen before; 0: another, or not all of it. */
static uint32_t known_head(struct reader *r, const struct reader_rules *rules, const char *p,
                           uint32_t len)
{
	for (uint32_t v = 0; v < READER_VERSIONS; v++) {
		uint32_t n = rules->known_len[v];

		if (n && n <= len && memcmp(rules->known[v], p, n) == 0) {
			r->version = (uint8_t)(v + 1);
			return n;
		}
	}
	return 0;
}

/* Keep what came of a head until the rest does. @return bytes taken, or -1 */
static int keep_part(struct reader *r, struct reader_rules *rules, const char *p, uint32_t len)
{
	if (r->part_len + len > READER_HEAD)
		return wrong(rules, p, len);
	if (!r->part)
		r->part = malloc(READER_HEAD);
	if (!r->part)
		abort();
	memcpy(r->part + r->part_len, p, len);
	r->part_len = (uint16_t)(r->part_len + len);
	return (int)len;
}

/* @return bytes of p that belong to the head, or -1 */
static int take_head(struct reader *r, struct reader_rules *rules, const char *p, uint32_t len)
{
	uint32_t old = r->part_len, part = len < READER_HEAD - old ? len : READER_HEAD - old, n;
	const char *head = p, *end;

	r->at = 0;
	if (old) {
		if (keep_part(r, rules, p, part) < 0)
			return -1;
		head = r->part;
	} else {
		n = known_head(r, rules, p, len);
		if (n)
			return (int)n;
	}
	end = memmem(head, old + part, "\r\n\r\n", 4);
	if (!end)
		return old ? (part < len ? wrong(rules, head, old + part) : (int)part)
		           : keep_part(r, rules, p, len);
	n = (uint32_t)(end - head) + 4;
	r->version = check_head(rules, head, n);
	if (!r->version)
		return wrong(rules, head, old + part);
	free(r->part);
	r->part = NULL;
	r->part_len = 0;
	return (int)(n - old);
}

/* @return bytes taken, or -1 */
static int take_body(struct reader *r, struct reader_rules *rules, const char *p, uint32_t len)
{
	uint32_t left = rules->body_bytes - r->at, n = len < left ? len : left;

	n = n < BODY_PIECE ? n : BODY_PIECE;
	if (!body_is(rules->body, r->version, r->at, p, n))
		return wrong(rules, p, n);
	r->at += n;
	return (int)n;
}

int reader_take(struct reader *r, struct reader_rules *rules, const char *bytes, uint32_t len)
{
	int n, done = 0;

	while (len) {
		if (r->version == 0)
			n = take_head(r, rules, bytes, len);
		else
			n = take_body(r, rules, bytes, len);
		if (n < 0)
			return -1;
		bytes += n;
		len -= (uint32_t)n;
		if (r->version == 0 || r->at < rules->body_bytes)
			continue;
		if (r->expected && r->expected != r->version)
			return wrong(rules, "another version than the request's", 34);
		rules->right[r->version - 1]++;
		r->version = 0;
		done++;
	}
	return done;
}
