/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The model of a device as offload.c sees one: asked now, done some time later, answered later still; it refuses,
 * it forgets to count, it is reset. What it forwards takes a while to leave.
 *
 * Each worker asks through its own struct model_asker; rules are built by offload_flow.c.
 */
#ifndef WEIR_TESTS_MODEL_DEVICE_H
#define WEIR_TESTS_MODEL_DEVICE_H

#include "model_nic.h"
#include "offload_flow.h"

#define MODEL_WORKERS 3
#define MODEL_TOKENS  256
#define MODEL_ASKED   4096

struct model_chaos {
	uint32_t deaf_ppm;   /* asking gives -EAGAIN */
	uint32_t refuse_ppm; /* an insertion fails */
	uint32_t stuck_ppm;  /* a removal fails */
	uint32_t silent_ppm; /* a query fails */
	uint32_t
		delay_us; /* until a question takes effect, at most; and again until it is answered */
	uint32_t transit_us; /* frames that it forwards stay in it for so long at most */
};

struct model_asked {
	uint8_t kind; /* enum offload_answer_kind that is hoped for */
	uint8_t worker, port;
	uint8_t fail;
	bool done;
	uint32_t token;
	uint64_t apply_us, answer_us;
	uint64_t pkts, bytes;
	struct offload_rule rule;
};

struct model_device;

struct model_asker {
	struct model_device *device;
	uint8_t worker;
};

struct model_device {
	struct model_nic nic;
	struct offload_flow_way way;
	struct model_chaos chaos;
	uint64_t now_us, rng;
	struct model_asker askers[MODEL_WORKERS];
	struct model_asked asked[MODEL_ASKED];
	uint32_t n_asked;
	uint32_t workers;                      /* that ask; the others need not be told anything */
	int rule[MODEL_WORKERS][MODEL_TOKENS]; /* number in nic; negative: none */
	uint8_t rule_port[MODEL_WORKERS][MODEL_TOKENS];
	uint64_t lost_us[MODEL_PORTS]; /* answers about newer rules come after */
	uint64_t inserted, resets;
};

extern const struct offload_ops model_ops;

void model_device_init(struct model_device *d, uint32_t can, uint64_t seed);
void model_device_fini(struct model_device *d);

/** What was asked for and is due takes effect. */
void model_device_tick(struct model_device *d, uint64_t now_us);

/** A time before which model_device_tick() and poll do nothing; UINT64_MAX: never. */
uint64_t model_device_next(const struct model_device *d);

/** Rules of the port are lost; the workers hear of it later. */
void model_device_reset(struct model_device *d, uint8_t port);

/** Below n. */
uint32_t model_device_random(struct model_device *d, uint32_t n);

#endif
