/* SPDX-License-Identifier: BSD-3-Clause */
#include "model_device.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

uint32_t model_device_random(struct model_device *d, uint32_t n)
{
	d->rng ^= d->rng >> 12;
	d->rng ^= d->rng << 25;
	d->rng ^= d->rng >> 27;
	return n ? (uint32_t)(((d->rng * 0x2545f4914f6cdd1dull) >> 32) * n >> 32) : 0;
}

static bool chance(struct model_device *d, uint32_t ppm)
{
	return ppm && model_device_random(d, 1000000) < ppm;
}

static uint64_t later(struct model_device *d, uint64_t from)
{
	/* often soon, seldom as late as can be */
	uint32_t most = chance(d, 200000) ? d->chaos.delay_us : d->chaos.delay_us / 50;

	return from + model_device_random(d, most + 1);
}

void model_device_init(struct model_device *d, uint32_t can, uint64_t seed)
{
	memset(d, 0, sizeof(*d));
	model_nic_init(&d->nic, can);
	d->rng = seed | 1;
	d->workers = MODEL_WORKERS;
	d->way.modify = (can & MODEL_MODIFY) != 0;
	for (uint16_t i = 0; i < NODE_PORTS_MAX; i++)
		d->way.hairpin[i] = i < MODEL_PORTS ? (uint16_t)(MODEL_HAIRPIN + i) : UINT16_MAX;
	for (uint8_t w = 0; w < MODEL_WORKERS; w++) {
		d->askers[w] = (struct model_asker){d, w};
		for (uint32_t t = 0; t < MODEL_TOKENS; t++)
			d->rule[w][t] = -1;
	}
}

void model_device_fini(struct model_device *d)
{
	model_nic_fini(&d->nic);
}

/* ---- asking -------------------------------------------------------------------------------- */

static struct model_asked *ask(const struct model_asker *a, enum offload_answer_kind kind,
                               uint8_t port, uint32_t token)
{
	struct model_device *d = a->device;
	struct model_asked *q;

	if (chance(d, d->chaos.deaf_ppm))
		return NULL;
	if (d->n_asked == MODEL_ASKED || token >= MODEL_TOKENS)
		abort();
	q = &d->asked[d->n_asked++];
	*q = (struct model_asked){
		.kind = (uint8_t)kind, .worker = a->worker, .port = port, .token = token};
	q->apply_us = later(d, d->now_us);
	q->answer_us = later(d, q->apply_us);
	return q;
}

static bool model_probe(void *device, const struct offload_rule *r)
{
	struct model_device *d = ((struct model_asker *)device)->device;
	struct offload_flow f;

	offload_flow_build(&f, r, &d->way);
	return model_nic_check(&d->nic, &f.attr, f.pattern, f.actions) == 0;
}

static int model_insert(void *device, const struct offload_rule *r, uint32_t token)
{
	struct model_asked *q = ask(device, OFFLOAD_INSERTED, r->in_port, token);

	if (!q)
		return -EAGAIN;
	q->rule = *r;
	return 0;
}

static int model_remove(void *device, uint8_t port, uint32_t token)
{
	return ask(device, OFFLOAD_REMOVED, port, token) ? 0 : -EAGAIN;
}

static int model_query(void *device, uint8_t port, uint32_t token)
{
	return ask(device, OFFLOAD_COUNTED, port, token) ? 0 : -EAGAIN;
}

/* ---- doing --------------------------------------------------------------------------------- */

static void count(const struct model_device *d, struct model_asked *q)
{
	int rule = d->rule[q->worker][q->token];

	if (rule < 0)
		return;
	q->pkts = d->nic.rules[rule].pkts;
	q->bytes = d->nic.rules[rule].bytes;
}

static void insert(struct model_device *d, struct model_asked *q)
{
	struct offload_flow f;
	int rc;

	q->fail = OFFLOAD_FAIL_DEVICE;
	if (chance(d, d->chaos.refuse_ppm)) {
		q->kind = OFFLOAD_REFUSED;
		return;
	}
	if (d->rule[q->worker][q->token] >= 0)
		abort(); /* a number that is still in use */
	offload_flow_build(&f, &q->rule, &d->way);
	rc = model_nic_create(&d->nic, q->port, &f.attr, f.pattern, f.actions);
	if (rc < 0) {
		q->kind = OFFLOAD_REFUSED;
		q->fail = rc == -ENOSPC ? OFFLOAD_FAIL_ROOM : OFFLOAD_FAIL_CANNOT;
		return;
	}
	d->rule[q->worker][q->token] = rc;
	d->rule_port[q->worker][q->token] = q->port;
	d->inserted++;
}

static void apply(struct model_device *d, struct model_asked *q)
{
	int *rule = &d->rule[q->worker][q->token];

	q->done = true;
	switch ((enum offload_answer_kind)q->kind) {
	case OFFLOAD_INSERTED: insert(d, q); break;
	case OFFLOAD_REMOVED:
		if (*rule >= 0 && chance(d, d->chaos.stuck_ppm)) {
			q->kind = OFFLOAD_STUCK;
			break;
		}
		count(d, q);
		if (*rule >= 0)
			model_nic_destroy(&d->nic, *rule);
		*rule = -1;
		break;
	case OFFLOAD_COUNTED:
		if (*rule < 0 || chance(d, d->chaos.silent_ppm))
			q->kind = OFFLOAD_UNCOUNTED;
		else
			count(d, q);
		break;
	default: break;
	}
	/* whether a rule is of the time before a reset has to be known from the order of answers */
	if (q->kind == OFFLOAD_INSERTED && q->answer_us <= d->lost_us[q->port])
		q->answer_us = d->lost_us[q->port] + 1;
}

void model_device_tick(struct model_device *d, uint64_t now_us)
{
	d->now_us = now_us;
	d->nic.now_s = now_us / 1000000;
	for (;;) {
		struct model_asked *next = NULL;

		for (uint32_t i = 0; i < d->n_asked; i++) {
			struct model_asked *q = &d->asked[i];

			if (!q->done && q->apply_us <= now_us &&
			    (!next || q->apply_us < next->apply_us))
				next = q;
		}
		if (!next)
			return;
		apply(d, next);
	}
}

uint64_t model_device_next(const struct model_device *d)
{
	uint64_t next = UINT64_MAX;

	for (uint32_t i = 0; i < d->n_asked; i++) {
		const struct model_asked *q = &d->asked[i];
		uint64_t at = q->done ? q->answer_us : q->apply_us;

		next = at < next ? at : next;
	}
	return next;
}

static uint32_t model_poll(void *device, struct offload_answer *out, uint32_t max)
{
	struct model_asker *a = device;
	struct model_device *d = a->device;
	uint32_t n = 0;

	for (uint32_t i = 0; i < d->n_asked && n < max;) {
		struct model_asked *q = &d->asked[i];

		if (q->worker != a->worker || !q->done || q->answer_us > d->now_us) {
			i++;
			continue;
		}
		out[n++] = (struct offload_answer){.kind = q->kind,
		                                   .port = q->port,
		                                   .fail = q->fail,
		                                   .token = q->token,
		                                   .pkts = q->pkts,
		                                   .bytes = q->bytes};
		*q = d->asked[--d->n_asked];
	}
	return n;
}

void model_device_reset(struct model_device *d, uint8_t port)
{
	uint64_t told_us = later(d, d->now_us);

	d->resets++;
	model_nic_reset(&d->nic, port);
	for (uint8_t w = 0; w < MODEL_WORKERS; w++)
		for (uint32_t t = 0; t < MODEL_TOKENS; t++)
			if (d->rule[w][t] >= 0 && d->rule_port[w][t] == port)
				d->rule[w][t] = -1;
	if (told_us > d->lost_us[port])
		d->lost_us[port] = told_us;
	/* rules that went in before and whose answer is still on its way */
	for (uint32_t i = 0; i < d->n_asked; i++) {
		struct model_asked *q = &d->asked[i];

		if (q->done && q->kind == OFFLOAD_INSERTED && q->port == port && chance(d, 500000))
			q->kind = OFFLOAD_REFUSED;
	}
	for (uint8_t w = 0; w < d->workers; w++) {
		if (d->n_asked == MODEL_ASKED)
			abort();
		d->asked[d->n_asked++] = (struct model_asked){.kind = OFFLOAD_LOST,
		                                              .worker = w,
		                                              .port = port,
		                                              .done = true,
		                                              .apply_us = d->now_us,
		                                              .answer_us = d->lost_us[port]};
	}
}

const struct offload_ops model_ops = {model_probe, model_insert, model_remove, model_query,
                                      model_poll};
