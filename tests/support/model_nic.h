/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A network card in software, as far as rte_flow goes: it takes pattern and action arrays, says no to what it
 * cannot do, and does to frames what they say. Slow and obvious.
 *
 * It is as unkind as real ones may be: it looks for the layer 4 header behind IPv6 extension headers and in first
 * fragments, it takes sums for right in those, and (when `mends`) it makes checksums anew after rewriting, so
 * a damaged packet would become a good one. A rule that leaves out what it has to match is found by that.
 */
#ifndef WEIR_TESTS_MODEL_NIC_H
#define WEIR_TESTS_MODEL_NIC_H

#include <rte_flow.h>

#include <stdbool.h>
#include <stdint.h>

enum model_can {
	MODEL_MARK = 1 << 0,
	MODEL_QUEUE = 1 << 1,
	MODEL_SET = 1 << 2,    /* SET_*, DEC_TTL */
	MODEL_INC = 1 << 3,    /* INC_TCP_* */
	MODEL_MODIFY = 1 << 4, /* MODIFY_FIELD, SET and ADD */
	MODEL_INTEGRITY = 1 << 5,
	MODEL_COUNT = 1 << 6,
	MODEL_AGE = 1 << 7,
	MODEL_JUMP = 1 << 8,
	MODEL_ROOT_REWRITE = 1 << 9, /* rewriting also without a jump */
	MODEL_EXACT = 1 << 10,       /* hop limit, fragment and TCP flags can be matched */
	MODEL_PASSTHRU = 1 << 11,
	MODEL_RSS = 1 << 12,
	MODEL_ALL = (1 << 13) - 1,
};

#define MODEL_RULES   4096
#define MODEL_PORTS   4
#define MODEL_HAIRPIN 100 /* queue 100 + p of any port leaves on port p */

struct model_rule {
	struct rte_flow_conv_rule *rule; /* NULL: free */
	uint8_t port;
	uint64_t pkts, bytes;
	uint64_t used_s; /* AGE: when it was hit last */
};

struct model_nic {
	uint32_t can; /* set of enum model_can */
	bool mends;
	uint32_t room, used; /* rules */
	uint64_t now_s;
	struct model_rule rules[MODEL_RULES];
	uint32_t top; /* rules from here on were never used */
};

enum model_verdict {
	MODEL_HOST, /* to software, by queue when that is not negative */
	MODEL_DROP,
	MODEL_OUT,
};

struct model_out {
	enum model_verdict verdict;
	int queue;
	bool marked;
	uint32_t mark;
	uint8_t port; /* MODEL_OUT */
};

void model_nic_init(struct model_nic *n, uint32_t can);
void model_nic_fini(struct model_nic *n);

/** Would it take this rule? 0, -ENOTSUP, -EINVAL. */
int model_nic_check(const struct model_nic *n, const struct rte_flow_attr *attr,
                    const struct rte_flow_item *pattern, const struct rte_flow_action *actions);

/** Number of the rule, or as model_nic_check(), -ENOSPC, -EEXIST. */
int model_nic_create(struct model_nic *n, uint8_t port, const struct rte_flow_attr *attr,
                     const struct rte_flow_item *pattern, const struct rte_flow_action *actions);
void model_nic_destroy(struct model_nic *n, int rule);

/** All rules of a port are gone. */
void model_nic_reset(struct model_nic *n, uint8_t port);

/** A frame came in on a port: what becomes of it. Rewritten in place when it goes out. */
struct model_out model_nic_frame(struct model_nic *n, uint8_t port, uint8_t *frame, uint32_t len);

/** Fill in the checksums that a frame to be sent asks a device for (flags: enum net_tx_flag). */
void model_nic_send(uint8_t *frame, uint32_t len, uint32_t flags);

#endif
