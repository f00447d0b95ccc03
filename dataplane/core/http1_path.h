/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef WEIR_HTTP1_PATH_H
#define WEIR_HTTP1_PATH_H

#include <stdbool.h>
#include <stdint.h>

/**
 * Normalise a path in place, as Istio's default "BASE" does: %-encoded unreserved characters are
 * decoded, "\" becomes "/", then dot segments are removed. "//" stays, and so does every other
 * %-encoding (%2F, %5C, %25 with the case of its digits).
 *
 * @param path  begins with "/"
 * @param len   bytes; on return never more
 * @return      false when a "%" is not followed by two hexadecimal digits, or for %00; then path is
 *              in an undefined state
 *
 * Normalising twice changes nothing: what is decoded never makes a new "%", and an incomplete "%" is
 * refused, because the bytes behind it could complete it once decoded.
 * Source: RFC 3986 sections 6.2.2 and 5.2.4.
 */
bool http1_path_normalise(char *path, uint32_t *len);

#endif
