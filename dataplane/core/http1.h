/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * HTTP/1.1 messages: strict parsing of heads, tracking of bodies, writing of heads.
 *
 * Parsing works on contiguous bytes and keeps no state between calls: HTTP1_MORE means "call again
 * with more bytes from the same start". Heads nearly always lie in one packet; the caller joins
 * the pieces when they do not. Bodies are followed, not copied: http1_body_feed() says how many of
 * the bytes at hand belong to the message.
 *
 * Strict means: what two implementations could read differently is refused (RFC 9112 section 11.2,
 * request smuggling). Sources: RFC 9110, 9112.
 */
#ifndef WEIR_HTTP1_H
#define WEIR_HTTP1_H

#include "weir/addr.h"
#include "weir/snapshot.h"
#include "weir/str.h"

#define HTTP1_FIELDS_MAX 100 /* as Envoy; more: 431 */

enum http1_result {
	HTTP1_DONE,
	HTTP1_MORE, /* incomplete; not an error */
	HTTP1_BAD,  /* malformed: status and why are set, the connection must be closed */
};

/* Field names that the proxy itself reads or handles; everything else is HTTP1_FIELD_OTHER. */
enum http1_field_id {
	HTTP1_FIELD_OTHER,
	HTTP1_FIELD_HOST,
	HTTP1_FIELD_CONNECTION,
	HTTP1_FIELD_KEEP_ALIVE,
	HTTP1_FIELD_PROXY_CONNECTION,
	HTTP1_FIELD_TE,
	HTTP1_FIELD_TRAILER,
	HTTP1_FIELD_TRANSFER_ENCODING,
	HTTP1_FIELD_CONTENT_LENGTH,
	HTTP1_FIELD_UPGRADE,
	HTTP1_FIELD_EXPECT,
	HTTP1_FIELD_DATE,
	HTTP1_FIELD_SERVER,
	HTTP1_FIELD_X_FORWARDED_FOR,
	HTTP1_FIELD_X_FORWARDED_PROTO,
	HTTP1_FIELD_X_REQUEST_ID,
	HTTP1_FIELD_X_ENVOY, /* any x-envoy-*: control headers, stripped from clients */
};

struct http1_field {
	struct str name;  /* as received */
	struct str value; /* optional white space around it removed */
	uint8_t id;       /* enum http1_field_id */
	bool hop;         /* hop-by-hop: RFC 9110 section 7.6.1, or named by Connection */
};

enum http1_framing {
	HTTP1_BODY_NONE,
	HTTP1_BODY_LENGTH,
	HTTP1_BODY_CHUNKED,
	HTTP1_BODY_CLOSE, /* response: until the connection closes */
};

/* What requests and responses have in common. */
struct http1_head {
	uint8_t minor;   /* HTTP/1.minor */
	uint8_t framing; /* enum http1_framing */
	bool keep_alive; /* as version and Connection say */
	bool upgrade;    /* request: a WebSocket hand-shake without a body; response: 101 */
	bool expect_continue;
	uint16_t n_fields;
	uint16_t
		status; /* request: 0, or the status to answer on HTTP1_BAD; response: its status */
	uint64_t length; /* HTTP1_BODY_LENGTH: bytes of the body */
	const char *why; /* on HTTP1_BAD: a short stable reason, "content-length twice" */
	struct http1_field fields[HTTP1_FIELDS_MAX];
};

struct http1_request {
	struct http1_head head;
	struct str method;
	struct str scheme; /* of an absolute-form target, else absent */
	struct str
		authority; /* raw Host (or of the absolute-form target, which wins: RFC 9112 3.2.2) */
	struct str path;   /* normalised, without query; "*" for OPTIONS * */
	struct str query; /* without '?'; absent when there is no '?' */
	bool is_head;
	bool is_connect;
};

struct http1_response {
	struct http1_head head;
	struct str reason;
};

/**
 * Parse a request head.
 *
 * @param p     bytes from the start of the request. On HTTP1_DONE the path in it has been normalised
 *              in place (Istio's default "BASE": dot segments, backslash, unreserved %-encoding;
 *              "//" is kept, %2F is kept). Those bytes still parse to the same request
 * @param len   bytes at hand
 * @param r     filled on HTTP1_DONE; strings point into p (the path "*" may be constant). On HTTP1_BAD head.status and head.why
 * @param used  bytes of the head on HTTP1_DONE, up to the start of the body
 *
 * One empty line before the request line is skipped (RFC 9112 section 2.2). The limit on the size
 * of a head is the caller's. HTTP/1.0 parses as minor 0; other versions are HTTP1_BAD with 505.
 */
enum http1_result http1_parse_request(char *p, size_t len, struct http1_request *r, size_t *used);

/**
 * Parse a response head.
 *
 * @param to_head     the request was HEAD: no body whatever the fields say
 * @param to_connect  reserved for CONNECT: 2xx has no body
 *
 * 1xx, 204, 304 have no body. head.status is the status. HTTP1_BAD means 502 to the client.
 */
enum http1_result http1_parse_response(const char *p, size_t len, bool to_head,
                                       struct http1_response *r, size_t *used);

/* Where in a message body we are. */
struct http1_body {
	uint8_t framing;  /* enum http1_framing */
	uint8_t state;    /* of the chunked reader */
	uint16_t line;    /* bytes of the current chunk or trailer line, bounded */
	uint32_t trailer; /* bytes of the trailer section, bounded */
	uint64_t left;    /* bytes to come in the body or the chunk */
};

void http1_body_init(struct http1_body *b, enum http1_framing framing, uint64_t length);

/**
 * Follow a body over the next bytes.
 *
 * @param used  of the bytes at hand, those that belong to the body
 * @return      HTTP1_DONE: the body ends after *used bytes; HTTP1_MORE: all belong to it and more is
 *              to come; HTTP1_BAD: chunked coding is malformed
 *
 * HTTP1_BODY_CLOSE never ends by itself. Strict: CRLF only, no bare LF, no white space around sizes,
 * at most 16 hex digits, chunk extensions and trailers bounded. RFC 9112 section 7.1.
 */
enum http1_result http1_body_feed(struct http1_body *b, const char *p, size_t len, size_t *used);

/** Is nothing more to come? True at once for HTTP1_BODY_NONE and length 0. */
bool http1_body_done(const struct http1_body *b);

/* Where to send a head: bytes, capacity, and how much was needed (len > cap: did not fit). */
struct http1_out {
	char *p;
	size_t cap;
	size_t len;
};

/* What is needed to forward a request, beside the request. */
struct http1_forward {
	const struct clause *clause; /* what matched: its prefix is what rewrite.uri replaces */
	const struct route *route;
	const struct dest *dest;
	const struct ip_addr *client;
	be16_t client_port;
	bool trust_forwarded; /* keep X-Forwarded-* and X-Request-Id of the client as they are */
	uint32_t attempt;     /* 1 for the first try: x-envoy-attempt-count */
	const uint8_t *request_id; /* 16 random bytes: x-request-id when the client gave none */
};

/**
 * Write the head that goes to the endpoint: request line, Host, fields without hop-by-hop ones and
 * x-envoy-* control headers, X-Forwarded-For and -Proto, X-Request-Id, x-envoy-attempt-count,
 * x-envoy-original-path after a rewrite, header operations of route and destination, framing as
 * received, "Connection: upgrade" for upgrades. The version is that of the request.
 */
void http1_write_request(const struct http1_request *r, const struct http1_forward *f,
                         struct http1_out *out);

struct http1_reply {
	const struct route *route; /* response operations; NULL: none */
	const struct dest *dest;
	const struct http1_request *request; /* for %REQ()%; NULL: none at hand, those are empty */
	bool close;                          /* the client connection closes after this response */
	bool to_http10; /* the client speaks HTTP/1.0: nothing says "chunked" to it, so the caller decodes chunks */
	uint64_t upstream_ms;         /* x-envoy-upstream-service-time */
	uint64_t unix_s;              /* Date when the endpoint gave none; 0: then none is added */
	const struct ip_addr *client; /* for %DOWNSTREAM_REMOTE_ADDRESS%; NULL: empty */
	be16_t client_port;
};

/** Write the head that goes to the client: status line, fields without hop-by-hop ones, operations. */
void http1_write_response(const struct http1_response *r, const struct http1_reply *f,
                          struct http1_out *out);

/* A reply of Weir's own. */
struct http1_local {
	uint16_t status;
	struct str body;  /* absent: empty */
	struct str extra; /* whole field lines ending in CRLF, or absent */
	bool is_head;     /* answer to HEAD: length is told, body is not sent */
	bool close;
	uint64_t unix_s; /* for Date */
	const struct route
		*route; /* response operations for redirects and direct responses; NULL: none */
	const struct http1_request *request;
	const struct ip_addr *client; /* for %DOWNSTREAM_REMOTE_ADDRESS%; NULL: empty */
	be16_t client_port;
};

/** Write a whole local reply, head and body: server: istio-envoy, date, content-length, content-type. */
void http1_write_local(const struct http1_local *l, struct http1_out *out);

/**
 * Location of a redirect (istio-traffic-api semantics of HTTPRedirect).
 *
 * @param listener_port  host order
 */
void http1_write_location(const struct http1_request *r, const struct redirect *to,
                          uint16_t listener_port, struct http1_out *out);

/** Location of a Gateway's httpsRedirect: https, the Host as it came, port and all, path and query. */
void http1_write_https_location(const struct http1_request *r, struct http1_out *out);

/** Reason phrase of a status; "" when unknown. */
struct str http1_reason(uint16_t status);

#endif
