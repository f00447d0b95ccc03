/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Tables of weighted choice: N places, N = sum of the weights over their greatest common divisor, in
 * which an entry of weight w stands in exactly w x N / sum of them, spread evenly: among the
 * first k places each entry has its exact share of k rounded up or down, so any k places in a row,
 * also around the end, differ from the share by less than two.
 */
#ifndef WEIR_BUILD_SPLIT_H
#define WEIR_BUILD_SPLIT_H

#include <stdint.h>

#define BUILD_SPLIT_MAX 65536u /* places: indexes are 16 bits wide */

/** N for these weights; 0 when all are 0. May be over BUILD_SPLIT_MAX: then there is no table. */
uint64_t build_split_size(const uint32_t *weights, uint32_t n);

/**
 * Fill the table.
 *
 * @param weights  n of them; an entry of weight 0 is never there
 * @param table    build_split_size() places, which must be 1 to BUILD_SPLIT_MAX
 */
void build_split_fill(const uint32_t *weights, uint32_t n, uint16_t *table);

#endif
