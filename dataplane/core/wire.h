/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Bytes of packets: numbers at any alignment, and where the fields of each header are. Offsets and
 * accessors instead of structs, because headers lie at odd places and structs would have to be packed.
 */
#ifndef WEIR_WIRE_H
#define WEIR_WIRE_H

#include "weir/addr.h"

#include <stdint.h>
#include <string.h>

enum {
	ETH_LEN = 14,
	ETH_SRC = 6,
	ETH_TYPE = 12,
	VLAN_LEN = 4,
	VLAN_ID_MASK = 0x0fff,
	MAC_LEN = 6,
};

enum eth_type {
	ETH_TYPE_IP4 = 0x0800,
	ETH_TYPE_ARP = 0x0806,
	ETH_TYPE_VLAN = 0x8100,
	ETH_TYPE_IP6 = 0x86dd,
};

/* RFC 826 with Ethernet and IPv4 */
enum {
	ARP_LEN = 28,
	ARP_HTYPE = 0,
	ARP_PTYPE = 2,
	ARP_HLEN = 4,
	ARP_PLEN = 5,
	ARP_OP = 6,
	ARP_SHA = 8,
	ARP_SPA = 14,
	ARP_THA = 18,
	ARP_TPA = 24,
	ARP_REQUEST = 1,
	ARP_REPLY = 2,
};

/* RFC 791 */
enum {
	IP4_LEN = 20,
	IP4_TOS = 1,
	IP4_TOTAL = 2,
	IP4_ID = 4,
	IP4_FRAG = 6,
	IP4_TTL = 8,
	IP4_PROTO = 9,
	IP4_CSUM = 10,
	IP4_SRC = 12,
	IP4_DST = 16,
	IP4_DF = 0x4000,
	IP4_MORE = 0x2000,
	IP4_FRAG_MASK = 0x3fff, /* more fragments, and the offset */
	IP4_FRAG_OFFSET = 0x1fff,
};

/* RFC 8200 */
enum {
	IP6_LEN = 40,
	IP6_PAYLOAD = 4,
	IP6_NEXT = 6,
	IP6_HOPS = 7,
	IP6_SRC = 8,
	IP6_DST = 24,
	IP6_MTU_MIN = 1280,
	IP6_FRAGMENT_LEN = 8,
};

enum ip_proto {
	IP_HOP_BY_HOP = 0,
	IP_ICMP = 1,
	IP_IPIP = 4,
	IP_TCP = 6,
	IP_UDP = 17,
	IP_IP6 = 41,
	IP_ROUTING = 43,
	IP_FRAGMENT = 44,
	IP_AUTH = 51,
	IP_ICMP6 = 58,
	IP_DEST_OPTIONS = 60,
	IP_MOBILITY = 135,
};

/* RFC 768 */
enum {
	UDP_LEN = 8,
	UDP_SPORT = 0,
	UDP_DPORT = 2,
	UDP_LENGTH = 4,
	UDP_CSUM = 6,
};

/* RFC 9293 */
enum {
	TCP_LEN = 20,
	TCP_SPORT = 0,
	TCP_DPORT = 2,
	TCP_SEQ = 4,
	TCP_ACKNO = 8,
	TCP_OFFSET = 12,
	TCP_FLAGS = 13,
	TCP_CSUM = 16,
	TCP_FLAG_FIN = 0x01,
	TCP_FLAG_SYN = 0x02,
	TCP_FLAG_RST = 0x04,
	TCP_FLAG_PSH = 0x08,
	TCP_FLAG_ACK = 0x10,
};

/* RFC 792, 1191, 4443, 4861 */
enum {
	ICMP_LEN = 8,
	ICMP_TYPE = 0,
	ICMP_CODE = 1,
	ICMP_CSUM = 2,
	ICMP_MTU = 6,  /* 16 bits, of fragmentation needed */
	ICMP6_MTU = 4, /* 32 bits, of packet too big */
	ICMP_ECHO_REPLY = 0,
	ICMP_UNREACHABLE = 3,
	ICMP_ECHO = 8,
	ICMP_TIME_EXCEEDED = 11,
	ICMP_CODE_HOST = 1,
	ICMP_CODE_PROTO = 2,
	ICMP_CODE_PORT = 3,
	ICMP_CODE_TOO_BIG = 4,
	ICMP6_UNREACHABLE = 1,
	ICMP6_TOO_BIG = 2,
	ICMP6_TIME_EXCEEDED = 3,
	ICMP6_PARAMETER = 4,
	ICMP6_ECHO = 128,
	ICMP6_ECHO_REPLY = 129,
	ICMP6_CODE_ADDRESS = 3,
	ICMP6_CODE_PORT = 4,
	ICMP6_CODE_NEXT_HEADER = 1, /* of ICMP6_PARAMETER: our protocol is not known there */
	MLD_QUERY = 130,
	NDP_RS = 133,
	NDP_RA = 134,
	NDP_NS = 135,
	NDP_NA = 136,
	NDP_REDIRECT = 137,
	NDP_FLAGS = 4,
	NDP_TARGET = 8,
	NDP_OPTIONS = 24, /* of NS and NA */
	NDP_HOPS = 255,
	NDP_OPT_SOURCE_MAC = 1,
	NDP_OPT_TARGET_MAC = 2,
	NDP_NA_SOLICITED = 0x40, /* first byte of the flags */
	NDP_NA_OVERRIDE = 0x20,
};

/** 16 bits in host order. */
static inline uint16_t wire_get16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

/** 32 bits in host order. */
static inline uint32_t wire_get32(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return __builtin_bswap32(v);
}

/** 16 bits as they are. */
static inline be16_t wire_be16(const uint8_t *p)
{
	be16_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

/** 32 bits as they are. */
static inline be32_t wire_be32(const uint8_t *p)
{
	be32_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

static inline void wire_put16(uint8_t *p, uint16_t host)
{
	p[0] = (uint8_t)(host >> 8);
	p[1] = (uint8_t)host;
}

static inline void wire_put32(uint8_t *p, uint32_t host)
{
	host = __builtin_bswap32(host);
	memcpy(p, &host, sizeof(host));
}

static inline void wire_put_be16(uint8_t *p, be16_t v)
{
	memcpy(p, &v, sizeof(v));
}

static inline void wire_put_be32(uint8_t *p, be32_t v)
{
	memcpy(p, &v, sizeof(v));
}

/** An IPv6 address. */
static inline struct ip_addr wire_ip6(const uint8_t *p)
{
	struct ip_addr a;

	memcpy(a.b, p, sizeof(a.b));
	return a;
}

/** An IPv4 address, v4-mapped. */
static inline struct ip_addr wire_ip4(const uint8_t *p)
{
	return ip_from_v4(wire_be32(p));
}

#endif
