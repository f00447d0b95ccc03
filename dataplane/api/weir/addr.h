/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Addresses. IPv6 is in from the first day: an address is 16 bytes everywhere, IPv4 as v4-mapped
 * (::ffff:a.b.c.d, RFC 4291 section 2.5.5.2), so one path serves both families.
 */
#ifndef WEIR_ADDR_H
#define WEIR_ADDR_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

typedef uint16_t be16_t; /* network order */
typedef uint32_t be32_t; /* network order */

struct ip_addr {
	union {
		uint8_t b[16];
		be32_t w[4];
		uint64_t q[2];
	};
};

#define IP_ADDR_TEXT_MAX 46 /* longest text form with its NUL, as INET6_ADDRSTRLEN */

static inline bool ip_eq(const struct ip_addr *a, const struct ip_addr *b)
{
	return a->q[0] == b->q[0] && a->q[1] == b->q[1];
}

static inline bool ip_is_any(const struct ip_addr *a)
{
	return a->q[0] == 0 && a->q[1] == 0;
}

static inline bool ip_is_v4(const struct ip_addr *a)
{
	static const struct ip_addr mapped = {.b = {[10] = 0xff, [11] = 0xff}};

	return a->q[0] == 0 && a->w[2] == mapped.w[2];
}

/** The v4-mapped form of an IPv4 address in network order. */
static inline struct ip_addr ip_from_v4(be32_t v4)
{
	struct ip_addr a = {.b = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff}};

	a.w[3] = v4;
	return a;
}

/**
 * Write an address as people do: dotted quad for v4-mapped, RFC 5952 for the rest.
 *
 * @param a    address
 * @param out  at least IP_ADDR_TEXT_MAX bytes, NUL-terminated on return
 * @return     out
 */
char *ip_format(const struct ip_addr *a, char *out);

/** Read either text form (no brackets, no port, no prefix). Returns false if text is not one. */
bool ip_parse(const char *text, struct ip_addr *out);

#endif
