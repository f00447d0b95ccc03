/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Which worker owns a TCP connection: the one rule by which packets, hand-off rings and the choice of
 * upstream source ports agree.
 *
 *   single    one worker, or one queue that one worker owns
 *   toeplitz  the device spreads packets by RSS (Toeplitz hash of the 4-tuple, then a table), and we
 *             compute the same to know where a reply will arrive
 *   hand-off  one worker receives and hands over: replies from endpoints by our port, which tells the
 *             worker without any state, everything else by a keyed hash of the 4-tuple
 *
 * Source of the Toeplitz hash: "Introduction to Receive Side Scaling", Microsoft, whose verification
 * suite the unit test has.
 */
#ifndef WEIR_STEER_H
#define WEIR_STEER_H

#include "hash.h"
#include "net.h"

#include "weir/addr.h"

enum steer_mode {
	STEER_SINGLE,
	STEER_TOEPLITZ,
	STEER_HAND_OFF,
};

#define STEER_KEY_BYTES 40   /* what 36 bytes of input use: 36 and a window of 4 */
#define STEER_RETA_MAX  2048 /* entries */

struct steer {
	uint8_t mode; /* enum steer_mode */
	uint32_t n_workers;
	uint16_t port_min,
		port_max;    /* source ports of upstream connections, host order, inclusive */
	struct hash_key key; /* hand-off; the same for all workers */
	uint32_t reta_mask;  /* toeplitz: entries - 1 */
	uint16_t reta[STEER_RETA_MAX]; /* worker of each entry */
	uint32_t nibble[72][16]; /* Toeplitz hash of each value of each half byte of the input */
};

/** One worker owns everything. */
void steer_single(struct steer *s);

/**
 * As a device with RSS does it.
 *
 * @param rss_key  STEER_KEY_BYTES bytes of the device's hash key
 * @param reta     worker (not queue) of each entry of the device's redirection table; copied
 * @param entries  a power of two, at most STEER_RETA_MAX
 */
void steer_toeplitz(struct steer *s, uint32_t n_workers, const uint8_t *rss_key,
                    const uint16_t *reta, uint32_t entries);

/**
 * Does this hash key share the source ports out evenly: in each run of `entries` ports that begins at a
 * multiple of it, does every entry of the redirection table have exactly one, whatever the rest of the
 * 4-tuple is, for IPv4 and IPv6? About one random key in four does. With others a worker may find no
 * port at all whose replies from some endpoint come to it.
 *
 * @param rss_key  STEER_KEY_BYTES bytes
 * @param entries  a power of two, at most STEER_RETA_MAX
 */
bool steer_key_spreads(const uint8_t *rss_key, uint32_t entries);

/**
 * By port and hash.
 *
 * @param port_min, port_max  the node's source_port_min and source_port_max, host order. No listener
 *                            may have its port there
 * @param key                 random, the same for all workers
 */
void steer_hand_off(struct steer *s, uint32_t n_workers, uint16_t port_min, uint16_t port_max,
                    const struct hash_key *key);

/** Toeplitz hash of a received packet's 4-tuple, as steer_toeplitz()'s device computes it. */
uint32_t steer_hash(const struct steer *s, const struct ip_addr *src, const struct ip_addr *dst,
                    be16_t sport, be16_t dport);

/** The worker that owns a received packet. Worker 0 for what is neither TCP nor UDP. */
uint32_t steer_owner(const struct steer *s, const struct pkt *p);

/** The worker that gets the reply to a segment which we send from local:lport to remote:rport. */
uint32_t steer_reply_owner(const struct steer *s, const struct ip_addr *local, be16_t lport,
                           const struct ip_addr *remote, be16_t rport);

#endif
