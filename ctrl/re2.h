/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Is a pattern good RE2 syntax? A scanner, not a compiler: it finds what RE2 refuses although other
 * engines take it (look-around, back-references, possessive quantifiers, atomic groups, ...), and
 * what no engine takes (brackets left open), so that a pattern never means something else here.
 */
#ifndef WEIR_RE2_H
#define WEIR_RE2_H

#define RE2_BYTES_MAX 1024 /* Istio's own limit */

/** NULL when the pattern is fine, else what is wrong and what to do, as the end of a sentence. */
const char *re2_check(const char *pattern);

#endif
