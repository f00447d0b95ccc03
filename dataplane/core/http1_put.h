/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Putting text into a struct http1_out. What does not fit is counted and left out, so that len says
 * afterwards how much room the whole head needs.
 */
#ifndef WEIR_HTTP1_PUT_H
#define WEIR_HTTP1_PUT_H

#include "http1.h"

static inline void http1_put(struct http1_out *out, const char *p, size_t n)
{
	if (n && out->len < out->cap && n <= out->cap - out->len)
		memcpy(out->p + out->len, p, n);
	out->len += n;
}

static inline void http1_put_str(struct http1_out *out, struct str s)
{
	http1_put(out, s.p, s.len);
}

#define HTTP1_PUT(out, literal) http1_put((out), (literal), sizeof(literal) - 1)

static inline void http1_put_field(struct http1_out *out, struct str name, struct str value)
{
	http1_put_str(out, name);
	HTTP1_PUT(out, ": ");
	http1_put_str(out, value);
	HTTP1_PUT(out, "\r\n");
}

/** A number in decimal. */
void http1_put_number(struct http1_out *out, uint64_t n);

/** A number in decimal with a leading zero when it is below 10; for dates. */
void http1_put_2digits(struct http1_out *out, uint32_t n);

/** An address as text, without port. */
void http1_put_addr(struct http1_out *out, const struct ip_addr *a);

/** Seconds since 1970 as an IMF-fixdate, "Sun, 06 Nov 1994 08:49:37 GMT": RFC 9110 section 5.6.7. */
void http1_put_date(struct http1_out *out, uint64_t unix_s);

#endif
