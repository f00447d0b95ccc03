/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Response heads. As strict as requests about anything that decides where the body ends; tolerant
 * where nothing can be misread: a missing reason phrase, white space before a colon (RFC 9112
 * section 5.1 has a proxy remove it).
 */
#include "http1.h"
#include "http1_fields.h"
#include "http1_scan.h"

static inline bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* HTTP-version SP status-code */
static enum http1_result take_status(struct http1_input *in, struct http1_head *h)
{
	size_t n = (size_t)(in->end - in->p);
	const char *p = in->p;

	if (memcmp(p, "HTTP/1.", n < 7 ? n : 7) != 0)
		return http1_refuse(h, 502, "bad version");
	if (n < 12)
		return HTTP1_MORE;
	if ((p[7] != '0' && p[7] != '1') || p[8] != ' ')
		return http1_refuse(h, 502, "bad version");
	if (p[9] < '1' || p[9] > '9' || !is_digit(p[10]) || !is_digit(p[11]))
		return http1_refuse(h, 502, "bad status");
	h->minor = (uint8_t)(p[7] - '0');
	h->status = (uint16_t)((p[9] - '0') * 100 + (p[10] - '0') * 10 + (p[11] - '0'));
	in->p = p + 12;
	return HTTP1_DONE;
}

/* [ SP [ reason-phrase ] ] CRLF */
static enum http1_result take_reason(struct http1_input *in, struct http1_response *r)
{
	const char *p = in->p, *e;

	r->reason = (struct str){p, 0};
	if (p == in->end)
		return HTTP1_MORE;
	if (*p == ' ') {
		e = http1_skip_text(++p, in->end);
		r->reason = (struct str){p, (uint32_t)(e - p)};
		in->p = e;
	} else if (*p != '\r' && *p != '\n') {
		return http1_refuse(&r->head, 502, "bad status");
	}
	return http1_take_crlf(in, &r->head);
}

static bool has_no_body(uint16_t status, bool to_head)
{
	return to_head || status < 200 || status == 204 || status == 304;
}

/* RFC 9112 section 6.3 */
static enum http1_result read_framing(struct http1_head *h, const struct http1_seen *seen,
                                      bool to_head)
{
	enum http1_result res = http1_framing_read(h, seen);

	if (res != HTTP1_DONE)
		return res;
	if (has_no_body(h->status, to_head)) {
		h->framing = HTTP1_BODY_NONE;
		h->length = 0;
	} else if (h->framing == HTTP1_BODY_NONE) {
		h->framing = HTTP1_BODY_CLOSE;
		h->keep_alive = false;
	}
	return HTTP1_DONE;
}

static enum http1_result read_upgrade(struct http1_head *h, const struct http1_seen *seen,
                                      bool upgrade)
{
	h->upgrade = h->status == 101;
	if (h->upgrade && (!upgrade || seen->n[HTTP1_FIELD_UPGRADE] == 0 || h->minor == 0))
		return http1_refuse(h, 502, "101 without upgrade");
	return HTTP1_DONE;
}

enum http1_result http1_parse_response(const char *p, size_t len, bool to_head,
                                       struct http1_response *r, size_t *used)
{
	struct http1_input in = {p, p + len};
	struct http1_seen seen = {0};
	struct http1_head *h = &r->head;
	enum http1_result res;
	bool upgrade;

	h->why = NULL;
	h->expect_continue = false;
	res = take_status(&in, h);
	if (res == HTTP1_DONE)
		res = take_reason(&in, r);
	if (res == HTTP1_DONE)
		res = http1_fields_parse_response(&in, h, &seen);
	if (res == HTTP1_DONE) {
		upgrade = http1_connection_read(h, &seen);
		res = read_framing(h, &seen, to_head);
		if (res == HTTP1_DONE)
			res = read_upgrade(h, &seen, upgrade);
	}
	if (res == HTTP1_BAD)
		h->status = 502;
	if (res == HTTP1_DONE)
		*used = (size_t)(in.p - p);
	return res;
}
