/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Change a TCP header in place, in a segment that is passed on. The checksum is adjusted by what changed (RFC
 * 1624), never made anew: a damaged segment stays damaged, and its end point finds out.
 *
 * l4 is the first byte of the header, len the bytes from there to the end of the segment, of which at least
 * TCP_LEN are there. All pure: any core, any thread.
 */
#ifndef WEIR_TCP_EDIT_H
#define WEIR_TCP_EDIT_H

#include <stdbool.h>
#include <stdint.h>

enum tcp_edit_option {
	TCP_EDIT_END = 0,
	TCP_EDIT_NOP = 1,
	TCP_EDIT_MSS = 2,
	TCP_EDIT_SACKS = 5,
	TCP_EDIT_TS = 8,
};

/** Bytes of the header; 0: it says less than 20 or more than there is. */
uint32_t tcp_edit_header(const uint8_t *l4, uint32_t len);

/** Add a one's complement sum to a checksum field. */
void tcp_edit_adjust(uint8_t *field, uint16_t delta);

/** Add to a 32-bit number at an even offset; returns what that adds to the sum. */
uint16_t tcp_edit_add32(uint8_t *field, uint32_t add);

/**
 * Add to the sequence number, and to the acknowledgement number and the edges of selective
 * acknowledgements (RFC 2018), modulo 2^32.
 *
 * @return false: the header is malformed; nothing was changed
 */
bool tcp_edit_shift(uint8_t *l4, uint32_t len, uint32_t seq_add, uint32_t ack_add);

/** An option of a kind and its length; NULL: not there, or not whole. */
uint8_t *tcp_edit_find(uint8_t *l4, uint32_t len, enum tcp_edit_option kind, uint8_t *option_len);

/** Put NOPs where an option is. */
void tcp_edit_cut(uint8_t *l4, uint32_t len, enum tcp_edit_option kind);

/** Make the MSS of a SYN no larger than this; a SYN without one keeps none (536 then: RFC 9293 section 3.7.1). */
void tcp_edit_mss(uint8_t *l4, uint32_t len, uint16_t max);

#endif
