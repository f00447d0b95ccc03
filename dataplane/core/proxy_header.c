/* SPDX-License-Identifier: BSD-3-Clause */
#include "proxy_header.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

/* Section 2.2. Version 2 and PROXY; over TCP. */
#define SIGNATURE     "\r\n\r\n\0\r\nQUIT\n"
#define COMMAND_PROXY "\x21"
#define TCP_OVER_IP4  "\x11\0\x0c"
#define TCP_OVER_IP6  "\x21\0\x24"

static size_t write_text(char *out, const struct tcp_peer *c)
{
	char from[IP_ADDR_TEXT_MAX], to[IP_ADDR_TEXT_MAX];

	return (size_t)snprintf(out, PROXY_HEADER_MAX, "PROXY %s %s %s %u %u\r\n",
	                        ip_is_v4(&c->remote) ? "TCP4" : "TCP6", ip_format(&c->remote, from),
	                        ip_format(&c->local, to), ntohs(c->rport), ntohs(c->lport));
}

static char *put(char *out, const void *bytes, size_t n)
{
	memcpy(out, bytes, n);
	return out + n;
}

static size_t write_binary(char *out, const struct tcp_peer *c)
{
	bool v4 = ip_is_v4(&c->remote);
	size_t skip = v4 ? 12 : 0; /* of a v4-mapped address */
	char *at = put(out, SIGNATURE COMMAND_PROXY, 13);

	at = put(at, v4 ? TCP_OVER_IP4 : TCP_OVER_IP6, 3);
	at = put(at, c->remote.b + skip, 16 - skip);
	at = put(at, c->local.b + skip, 16 - skip);
	at = put(at, &c->rport, 2);
	at = put(at, &c->lport, 2);
	return (size_t)(at - out);
}

size_t proxy_header_write(char *out, enum proxy_protocol version, const struct tcp_peer *client)
{
	switch (version) {
	case PROXY_PROTOCOL_V1: return write_text(out, client);
	case PROXY_PROTOCOL_V2: return write_binary(out, client);
	case PROXY_PROTOCOL_NONE: break;
	}
	return 0;
}
