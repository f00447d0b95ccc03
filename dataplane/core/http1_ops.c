/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Header operations. There are few of them, so looking through all for each field costs less than
 * any table would.
 *
 * Fields that say where a message ends or what becomes of the connection belong to the proxy:
 * operations on them have no effect, lest a document opens the door to request smuggling.
 */
#include "http1_ops.h"

#include "http1_fields.h"
#include "http1_put.h"

#include <arpa/inet.h>

#define OWN_IDS                                                                                 \
	(1u << HTTP1_FIELD_HOST | 1u << HTTP1_FIELD_CONNECTION | 1u << HTTP1_FIELD_KEEP_ALIVE | \
	 1u << HTTP1_FIELD_PROXY_CONNECTION | 1u << HTTP1_FIELD_TE |                            \
	 1u << HTTP1_FIELD_TRANSFER_ENCODING | 1u << HTTP1_FIELD_CONTENT_LENGTH |               \
	 1u << HTTP1_FIELD_UPGRADE)

static const struct header_ops no_ops;

void http1_ops_of_request(struct http1_ops *o, const struct http1_request *r,
                          const struct http1_forward *f)
{
	*o = (struct http1_ops){
		.levels = {f->route ? &f->route->request_ops : &no_ops,
	                   f->dest ? &f->dest->request_ops : &no_ops},
		.request = r,
		.client = f->client,
		.client_port = f->client_port,
	};
}

void http1_ops_of_response(struct http1_ops *o, const struct route *route, const struct dest *dest)
{
	o->levels[0] = route ? &route->response_ops : &no_ops;
	o->levels[1] = dest ? &dest->response_ops : &no_ops;
}

static bool is_authority(struct str name)
{
	return str_eq_nocase(name, STR("host")) || str_eq_nocase(name, STR(":authority"));
}

static bool is_own(struct str name)
{
	return name.len == 0 || *name.p == ':' || (OWN_IDS >> http1_field_id(name.p, name.len) & 1);
}

static void put_request_field(const struct http1_request *r, struct str name, struct http1_out *out)
{
	for (uint16_t i = 0; i < r->head.n_fields; i++) {
		if (str_eq_nocase(r->head.fields[i].name, name)) {
			http1_put_str(out, r->head.fields[i].value);
			return;
		}
	}
}

/* %REQ(name)%: the first of several, as Envoy does. */
static void put_req(const struct http1_request *r, struct str name, struct http1_out *out)
{
	if (!r)
		return;
	if (name.len == 0 || *name.p != ':') {
		put_request_field(r, name, out);
	} else if (str_eq(name, STR(":authority"))) {
		http1_put_str(out, r->authority);
	} else if (str_eq(name, STR(":method"))) {
		http1_put_str(out, r->method);
	} else if (str_eq(name, STR(":scheme"))) {
		http1_put_str(out, r->scheme.p ? r->scheme : STR("http"));
	} else if (str_eq(name, STR(":path"))) {
		http1_put_str(out, r->path);
		if (r->query.p) {
			HTTP1_PUT(out, "?");
			http1_put_str(out, r->query);
		}
	}
}

static void put_client(const struct http1_ops *o, bool with_port, struct http1_out *out)
{
	bool brackets;

	if (!o->client)
		return;
	brackets = with_port && !ip_is_v4(o->client);
	if (brackets)
		HTTP1_PUT(out, "[");
	http1_put_addr(out, o->client);
	if (brackets)
		HTTP1_PUT(out, "]");
	if (with_port) {
		HTTP1_PUT(out, ":");
		http1_put_number(out, ntohs(o->client_port));
	}
}

static void put_value(const struct http1_ops *o, const struct header_op *op, struct http1_out *out)
{
	for (uint16_t i = 0; i < op->n_parts; i++) {
		const struct value_part *part = &op->parts[i];

		switch (part->kind) {
		case VALUE_LITERAL: http1_put_str(out, part->text); break;
		case VALUE_REQ: put_req(o->request, part->text, out); break;
		case VALUE_CLIENT_ADDR: put_client(o, true, out); break;
		case VALUE_CLIENT_IP: put_client(o, false, out); break;
		case VALUE_PROTOCOL:
			http1_put_str(out, o->request && o->request->head.minor == 0
			                           ? STR("HTTP/1.0")
			                           : STR("HTTP/1.1"));
			break;
		default: break;
		}
	}
}

static bool has_value(const struct http1_ops *o, const struct header_op *op)
{
	struct http1_out count = {NULL, 0, 0};

	put_value(o, op, &count);
	return count.len != 0;
}

/* Does op take away what was there under this name before it? A set to nothing does nothing. */
static bool takes_away(const struct http1_ops *o, const struct header_op *op, struct str name)
{
	if (op->kind == HEADER_ADD || !str_eq_nocase(op->name, name))
		return false;
	return op->kind == HEADER_REMOVE || has_value(o, op);
}

/* Is there an operation from number `from` on, counted over both levels, that takes `name` away? */
static bool is_taken_away(const struct http1_ops *o, uint32_t from, struct str name)
{
	uint32_t at = 0;

	for (int l = 0; l < 2; l++) {
		for (uint32_t i = 0; i < o->levels[l]->n; i++, at++)
			if (at >= from && takes_away(o, &o->levels[l]->ops[i], name))
				return true;
	}
	return false;
}

bool http1_ops_keeps(const struct http1_ops *o, struct str name)
{
	return !is_taken_away(o, 0, name) || is_own(name);
}

void http1_ops_write(const struct http1_ops *o, struct http1_out *out)
{
	uint32_t at = 0;

	for (int l = 0; l < 2; l++) {
		for (uint32_t i = 0; i < o->levels[l]->n; i++) {
			const struct header_op *op = &o->levels[l]->ops[i];

			at++;
			if (op->kind == HEADER_REMOVE || is_own(op->name) || !has_value(o, op) ||
			    is_taken_away(o, at, op->name))
				continue;
			http1_put_str(out, op->name);
			HTTP1_PUT(out, ": ");
			put_value(o, op, out);
			HTTP1_PUT(out, "\r\n");
		}
	}
}

/* The operation that gives the authority, or NULL. */
static const struct header_op *find_authority(const struct http1_ops *o)
{
	for (int l = 0; l < 2; l++) {
		for (uint32_t i = 0; i < o->levels[l]->n; i++) {
			const struct header_op *op = &o->levels[l]->ops[i];

			if (op->kind != HEADER_REMOVE && is_authority(op->name) && has_value(o, op))
				return op;
		}
	}
	return NULL;
}

void http1_ops_write_host(const struct http1_ops *o, const struct route *route,
                          struct http1_out *out)
{
	bool rewrite = route && route->rewrite_host;
	const struct header_op *op = rewrite ? NULL : find_authority(o);

	if (!rewrite && !op && !o->request->authority.p)
		return;
	HTTP1_PUT(out, "host: ");
	if (op)
		put_value(o, op, out);
	else
		http1_put_str(out, rewrite ? route->authority : o->request->authority);
	HTTP1_PUT(out, "\r\n");
}
