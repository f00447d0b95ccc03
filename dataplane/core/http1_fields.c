/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Field lines, their ids, Connection and framing: what requests and responses share.
 *
 * One function per grammar rule of RFC 9112 sections 5 and 6. The loop over the lines touches each
 * byte once, sixteen at a time.
 */
#include "http1_fields.h"

#include "http1_scan.h"

#define HOP_IDS                                                        \
	(1u << HTTP1_FIELD_CONNECTION | 1u << HTTP1_FIELD_KEEP_ALIVE | \
	 1u << HTTP1_FIELD_PROXY_CONNECTION | 1u << HTTP1_FIELD_TE |   \
	 1u << HTTP1_FIELD_TRANSFER_ENCODING | 1u << HTTP1_FIELD_UPGRADE)

/* Fields that Connection cannot take away: they carry framing, routing or who the client is. */
#define KEPT_IDS                                                                              \
	(1u << HTTP1_FIELD_HOST | 1u << HTTP1_FIELD_CONTENT_LENGTH | 1u << HTTP1_FIELD_DATE | \
	 1u << HTTP1_FIELD_X_FORWARDED_FOR | 1u << HTTP1_FIELD_X_FORWARDED_PROTO |            \
	 1u << HTTP1_FIELD_X_REQUEST_ID)

/*
 * Equal when case is ignored? For bytes of a field, and a lower-case constant: or 0x20 maps no other
 * byte but control characters onto a letter, a digit or "-".
 */
static inline __attribute__((always_inline)) bool name_is(const char *name, const char *lower,
                                                          size_t n)
{
	const uint64_t fold = 0x2020202020202020ull;
	uint64_t a, b;
	size_t i = 0;

	for (; i + 8 <= n; i += 8) {
		memcpy(&a, name + i, 8);
		memcpy(&b, lower + i, 8);
		if ((a | fold) != b)
			return false;
	}
	for (; i < n; i++)
		if ((name[i] | 0x20) != lower[i])
			return false;
	return true;
}

#define IS(text) name_is(name, text, sizeof(text) - 1)

static enum http1_field_id x_field_id(const char *name, size_t len)
{
	if (len > 8 && IS("x-envoy-"))
		return HTTP1_FIELD_X_ENVOY;
	if (len == 12 && IS("x-request-id"))
		return HTTP1_FIELD_X_REQUEST_ID;
	if (len == 15 && IS("x-forwarded-for"))
		return HTTP1_FIELD_X_FORWARDED_FOR;
	if (len == 17 && IS("x-forwarded-proto"))
		return HTTP1_FIELD_X_FORWARDED_PROTO;
	return HTTP1_FIELD_OTHER;
}

enum http1_field_id http1_field_id(const char *name, size_t len)
{
	if ((name[0] | 0x20) == 'x')
		return x_field_id(name, len);
	switch (len) {
	case 2: return IS("te") ? HTTP1_FIELD_TE : HTTP1_FIELD_OTHER;
	case 4:
		if (IS("host"))
			return HTTP1_FIELD_HOST;
		return IS("date") ? HTTP1_FIELD_DATE : HTTP1_FIELD_OTHER;
	case 6:
		if (IS("expect"))
			return HTTP1_FIELD_EXPECT;
		return IS("server") ? HTTP1_FIELD_SERVER : HTTP1_FIELD_OTHER;
	case 7:
		if (IS("upgrade"))
			return HTTP1_FIELD_UPGRADE;
		return IS("trailer") ? HTTP1_FIELD_TRAILER : HTTP1_FIELD_OTHER;
	case 10:
		if (IS("connection"))
			return HTTP1_FIELD_CONNECTION;
		return IS("keep-alive") ? HTTP1_FIELD_KEEP_ALIVE : HTTP1_FIELD_OTHER;
	case 14: return IS("content-length") ? HTTP1_FIELD_CONTENT_LENGTH : HTTP1_FIELD_OTHER;
	case 16: return IS("proxy-connection") ? HTTP1_FIELD_PROXY_CONNECTION : HTTP1_FIELD_OTHER;
	case 17: return IS("transfer-encoding") ? HTTP1_FIELD_TRANSFER_ENCODING : HTTP1_FIELD_OTHER;
	default: return HTTP1_FIELD_OTHER;
	}
}

static inline bool is_ows(char c)
{
	return c == ' ' || c == '\t';
}

/* field-name ":"; on HTTP1_DONE in->p is behind the colon. */
static inline enum http1_result take_name(struct http1_input *in, struct http1_head *h,
                                          bool spaced_colon, struct str *name)
{
	const char *p = in->p, *e = http1_skip(&http1_token, p, in->end);

	name->p = p;
	name->len = (uint32_t)(e - p);
	if (e == in->end)
		return HTTP1_MORE;
	if (e == p)
		return http1_refuse(h, 400, is_ows(*p) ? "folded field line" : "bad field name");
	while (spaced_colon && e < in->end && is_ows(*e))
		e++;
	if (e == in->end)
		return HTTP1_MORE;
	if (*e != ':')
		return http1_refuse(h, 400, is_ows(*e) ? "space before colon" : "bad field name");
	in->p = e + 1;
	return HTTP1_DONE;
}

/* OWS field-value OWS CRLF */
static inline enum http1_result take_value(struct http1_input *in, struct http1_head *h,
                                           struct str *value)
{
	const char *p = in->p, *e;

	while (p < in->end && is_ows(*p))
		p++;
	e = http1_skip_text(p, in->end);
	if (e == in->end)
		return HTTP1_MORE;
	in->p = e;
	while (e > p && is_ows(e[-1]))
		e--;
	value->p = p;
	value->len = (uint32_t)(e - p);
	return http1_take_crlf(in, h);
}

/* field-line CRLF, and what it is */
static inline enum http1_result take_line(struct http1_input *in, struct http1_head *h,
                                          bool spaced_colon, struct http1_field *f)
{
	enum http1_result res = take_name(in, h, spaced_colon, &f->name);

	if (res == HTTP1_DONE)
		res = take_value(in, h, &f->value);
	if (res != HTTP1_DONE)
		return res;
	f->id = (uint8_t)http1_field_id(f->name.p, f->name.len);
	f->hop = HOP_IDS >> f->id & 1;
	return HTTP1_DONE;
}

/* The place in the input is kept in a local copy: in registers, where each line waits for it. */
static inline enum http1_result parse_lines(struct http1_input *input, struct http1_head *h,
                                            struct http1_seen *seen, bool spaced_colon)
{
	struct http1_input in = *input;
	enum http1_result res = HTTP1_DONE;
	uint16_t n = 0;

	for (; in.p < in.end && *in.p != '\r'; n++) {
		if (n == HTTP1_FIELDS_MAX)
			return http1_refuse(h, 431, "too many fields");
		res = take_line(&in, h, spaced_colon, &h->fields[n]);
		if (res != HTTP1_DONE)
			return res;
		if (h->fields[n].id) {
			seen->n[h->fields[n].id]++;
			seen->last[h->fields[n].id] = (uint8_t)n;
		}
	}
	h->n_fields = n;
	res = http1_take_crlf(&in, h);
	input->p = in.p;
	return res;
}

enum http1_result http1_fields_parse(struct http1_input *in, struct http1_head *h,
                                     struct http1_seen *seen)
{
	return parse_lines(in, h, seen, false);
}

enum http1_result http1_fields_parse_response(struct http1_input *in, struct http1_head *h,
                                              struct http1_seen *seen)
{
	return parse_lines(in, h, seen, true);
}

/* The next element of a comma-separated list, empty ones left out; false at its end. */
static bool next_element(struct str *list, struct str *element)
{
	const char *p = list->p, *end = list->p + list->len, *e;

	while (p < end && (is_ows(*p) || *p == ','))
		p++;
	if (p == end)
		return false;
	for (e = p; e < end && *e != ','; e++)
		;
	list->p = e;
	list->len = (uint32_t)(end - e);
	while (is_ows(e[-1]))
		e--;
	*element = (struct str){p, (uint32_t)(e - p)};
	return true;
}

static void mark_hop(struct http1_head *h, struct str name)
{
	for (uint16_t i = 0; i < h->n_fields; i++) {
		struct http1_field *f = &h->fields[i];

		if (!(KEPT_IDS >> f->id & 1) && str_eq_nocase(f->name, name))
			f->hop = true;
	}
}

bool http1_connection_read(struct http1_head *h, const struct http1_seen *seen)
{
	bool close = false, keep = false, upgrade = false;
	struct str list, e;

	for (uint16_t i = 0; seen->n[HTTP1_FIELD_CONNECTION] && i < h->n_fields; i++) {
		if (h->fields[i].id != HTTP1_FIELD_CONNECTION)
			continue;
		list = h->fields[i].value;
		while (list.len && next_element(&list, &e)) {
			if (e.len == 10 && name_is(e.p, "keep-alive", 10))
				keep = true;
			else if (e.len == 5 && name_is(e.p, "close", 5))
				close = true;
			else if (e.len == 7 && name_is(e.p, "upgrade", 7))
				upgrade = true;
			else
				mark_hop(h, e);
		}
	}
	h->keep_alive = !close && (h->minor == 1 || keep);
	return upgrade;
}

/* 1*DIGIT, below 2^63 so that no reader can take it for a negative number. */
static bool length_of(struct str s, uint64_t *length)
{
	uint64_t n = 0;

	if (s.len == 0)
		return false;
	for (uint32_t i = 0; i < s.len; i++) {
		if (s.p[i] < '0' || s.p[i] > '9' || n > (INT64_MAX - 9) / 10)
			return false;
		n = n * 10 + (uint64_t)(s.p[i] - '0');
	}
	*length = n;
	return true;
}

static enum http1_result read_coding(struct http1_head *h, const struct http1_seen *seen)
{
	struct str v = h->fields[seen->last[HTTP1_FIELD_TRANSFER_ENCODING]].value, e;
	unsigned int n = 0, chunked = 0;
	bool last = false;

	if (seen->n[HTTP1_FIELD_CONTENT_LENGTH])
		return http1_refuse(h, 400, "content-length with transfer-encoding");
	if (seen->n[HTTP1_FIELD_TRANSFER_ENCODING] > 1)
		return http1_refuse(h, 400, "transfer-encoding twice");
	if (h->minor == 0)
		return http1_refuse(h, 400, "transfer-encoding in HTTP/1.0");
	h->framing = HTTP1_BODY_CHUNKED;
	if (str_eq_nocase(v, STR("chunked")))
		return HTTP1_DONE;
	for (; v.len && next_element(&v, &e); n++) {
		last = str_eq_nocase(e, STR("chunked"));
		chunked += last;
	}
	if (!last || chunked > 1 || n < 2)
		return http1_refuse(h, 400, "transfer-encoding does not end in one chunked");
	return http1_refuse(h, 501, "transfer-encoding other than chunked");
}

enum http1_result http1_framing_read(struct http1_head *h, const struct http1_seen *seen)
{
	h->framing = HTTP1_BODY_NONE;
	h->length = 0;
	if (seen->n[HTTP1_FIELD_TRANSFER_ENCODING])
		return read_coding(h, seen);
	if (!seen->n[HTTP1_FIELD_CONTENT_LENGTH])
		return HTTP1_DONE;
	if (seen->n[HTTP1_FIELD_CONTENT_LENGTH] > 1)
		return http1_refuse(h, 400, "content-length twice");
	if (!length_of(h->fields[seen->last[HTTP1_FIELD_CONTENT_LENGTH]].value, &h->length))
		return http1_refuse(h, 400, "bad content-length");
	h->framing = HTTP1_BODY_LENGTH;
	return HTTP1_DONE;
}
