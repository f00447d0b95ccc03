/* SPDX-License-Identifier: BSD-3-Clause */
/* Replies of Weir's own: errors, redirects, direct responses. Fields as Envoy's local replies have. */
#include "http1.h"
#include "http1_put.h"
#include "http1_write.h"

/* RFC 9110 section 15 and the IANA registry of status codes. */
static const struct {
	uint16_t status;
	struct str reason;
} reasons[] = {
#define REASON(status, text) {status, {text, sizeof(text) - 1}},
#include "http1_reasons.def"
#undef REASON
};

struct str http1_reason(uint16_t status)
{
	for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++)
		if (reasons[i].status == status)
			return reasons[i].reason;
	return STR("");
}

static bool keeps(const struct http1_ops *o, struct str name)
{
	return !http1_ops_any(o) || http1_ops_keeps(o, name);
}

/* Whole lines: each stays unless an operation takes it away. */
static void put_extra(struct str extra, const struct http1_ops *o, struct http1_out *out)
{
	const char *p = extra.p, *end = p + extra.len;

	while (p < end) {
		const char *lf = memchr(p, '\n', (size_t)(end - p));
		const char *next = lf ? lf + 1 : end;
		const char *colon = memchr(p, ':', (size_t)(next - p));
		struct str name = {p, (uint32_t)((colon ? colon : next) - p)};

		if (keeps(o, name))
			http1_put(out, p, (size_t)(next - p));
		p = next;
	}
}

/* RFC 9110 section 8.6: no length where there can be no body; 304 would tell that of another reply. */
static bool may_have_body(uint16_t status)
{
	return status >= 200 && status != 204 && status != 304;
}

void http1_write_local(const struct http1_local *l, struct http1_out *out)
{
	struct http1_ops o = {
		.request = l->request, .client = l->client, .client_port = l->client_port};
	bool body = may_have_body(l->status);

	http1_ops_of_response(&o, l->route, NULL);
	http1_write_status(l->status, http1_reason(l->status), out);
	if (body) {
		HTTP1_PUT(out, "content-length: ");
		http1_put_number(out, l->body.len);
		HTTP1_PUT(out, "\r\n");
	}
	if (body && l->body.len && keeps(&o, STR("content-type")))
		HTTP1_PUT(out, "content-type: text/plain\r\n");
	if (l->extra.len)
		put_extra(l->extra, &o, out);
	http1_ops_write(&o, out);
	HTTP1_PUT(out, "date: ");
	http1_put_date(out, l->unix_s);
	HTTP1_PUT(out, "\r\nserver: istio-envoy\r\n");
	if (l->close)
		HTTP1_PUT(out, "connection: close\r\n");
	HTTP1_PUT(out, "\r\n");
	if (body && !l->is_head)
		http1_put_str(out, l->body);
}
