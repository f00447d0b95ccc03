/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What must hold for any bytes taken as an HTTP/1.1 message. Property tests feed them made-up messages,
 * fuzz targets anything. Each aborts with a line on standard error when something does not hold.
 */
#ifndef WEIR_HTTP1_CHECK_H
#define WEIR_HTTP1_CHECK_H

#include "http1.h"

/**
 * Parse; if that gives a request: strings lie inside the input, the head parses again to the same
 * request, every proper prefix is incomplete, what is written parses to the same request and is
 * written the same again.
 */
enum http1_result http1_check_request(const void *data, size_t len);

/** The same for a response. */
enum http1_result http1_check_response(const void *data, size_t len, bool to_head);

/**
 * Follow a body whole, byte by byte, and in pieces drawn from seed: all agree.
 *
 * @param end  bytes that belong to the body, when not HTTP1_BAD
 */
enum http1_result http1_check_body(const void *data, size_t len, uint64_t seed, size_t *end);

/** Normalise a path (begins with "/"); compare with a plain reading of RFC 3986, and do it twice. */
void http1_check_path(const void *path, size_t len);

#endif
