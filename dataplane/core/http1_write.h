/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef WEIR_HTTP1_WRITE_H
#define WEIR_HTTP1_WRITE_H

#include "http1_ops.h"

/** "HTTP/1.1 " status " " reason CRLF */
void http1_write_status(uint16_t status, struct str reason, struct http1_out *out);

/** Path and query. */
void http1_write_target(struct str path, struct str query, struct http1_out *out);

#endif
