/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The PROXY protocol: what is sent to an endpoint before anything else, so that it knows whose connection it
 * is. Source: "The PROXY protocol", versions 1 and 2 (haproxy.org, doc/proxy-protocol.txt), sections 2.1, 2.2.
 */
#ifndef WEIR_PROXY_HEADER_H
#define WEIR_PROXY_HEADER_H

#include "tcp.h"

#include "weir/snapshot.h"

#define PROXY_HEADER_MAX 128 /* version 1 has 107 at most, version 2 as written here 52 */

/**
 * Write the header of a connection.
 *
 * @param out      [PROXY_HEADER_MAX]
 * @param version  of the protocol
 * @param client   the client's connection: remote is the client, local what it connected to; both of one family
 * @return         bytes written; 0 for PROXY_PROTOCOL_NONE
 */
size_t proxy_header_write(char *out, enum proxy_protocol version, const struct tcp_peer *client);

#endif
