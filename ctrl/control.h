/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The state of a running daemon, and the life of a change:
 *
 *   submit -> queue -> read (pool) -> names looked up (loop) -> build, store (pool) -> publish (loop)
 *                                                                       -> in effect -> answer
 *
 * One change at a time, in the order of submission; a snapshot that was replaced is freed when the
 * data plane has released it. Everything here is the control thread's; the pool threads see only the
 * change at work and, to read, the base it starts from.
 */
#ifndef WEIR_CONTROL_H
#define WEIR_CONTROL_H

#include "change.h"
#include "conf.h"

#include "weir/dataplane.h"

#include <uv.h>

#define CONTROL_QUEUE_MAX 256

struct control_job;
struct control_waiter;
struct control_retired;

/** A change is over: failed (ch->code), unchanged, tried (dry_run) or published. ch is freed after. */
typedef void control_done(void *arg, struct change *ch);

/** A generation is in effect after effect_ns, or the time was up. */
typedef void control_waited(void *arg, bool in_effect, uint64_t effect_ns);

struct control {
	const struct conf *conf;
	uv_loop_t *loop;
	uv_timer_t poll; /* runs while a generation is not in effect or a snapshot not released */
	struct change_base base;
	struct build_listener *listeners;
	struct registry *registry;
	struct store store;
	struct resolver resolver;
	struct snapshot *current;
	struct control_retired *retired;
	struct control_job *queue, **queue_end, *running;
	struct control_waiter *waiters;
	uint32_t n_queued;
	bool stopping;
	bool in_effect;             /* the current generation */
	uint64_t effect_ns;         /* of the current generation, once in effect */
	uint64_t accepted, refused; /* changes, since start */
	uint64_t stored;     /* generation on disk; store itself may be at work in the pool */
	uint64_t started_ms; /* uv_now() */
	char started[32], changed[32], directory_read[32];
	struct diag_list warnings;         /* of what runs */
	struct diag_list directory_errors; /* why the directory's present files were refused */
	struct diag_list store_problems;   /* what was wrong with the stored set at start */
	struct diag_list ports;            /* warnings: ports that differ from their profiles */
};

/**
 * Read the stored set and the routing directory, build the first snapshot (control->current). What
 * cannot be read or built is left out and told in the log and in status: a gateway with old routes
 * is better than none.
 *
 * @param conf  must outlive the control
 * @param err   receives one sentence when it fails
 * @return      0 or -errno
 */
int control_open(struct control *c, const struct conf *conf, uv_loop_t *loop, char *err,
                 size_t err_size);

/** The data plane runs with control->current: look names up, watch it take effect. */
void control_run(struct control *c);

/**
 * Queue a change.
 *
 * @param ch    now the control's
 * @param done  called once, never before this returns
 * @return      0; -EBUSY, -ESHUTDOWN: ch was freed, done will not be called
 */
int control_submit(struct control *c, struct change *ch, control_done *done, void *arg);

/** Call back when a generation is in effect, or after timeout_ms. May call back at once. */
void control_wait(struct control *c, uint64_t generation, uint64_t timeout_ms, control_waited *cb,
                  void *arg);

/** Read the routing directory again and log what came of it. For SIGHUP and the watcher. */
void control_reload(struct control *c);

/** Refuse new changes, end what waits, close handles. The change at work is finished by the loop. */
void control_stop(struct control *c);

/** Free everything, after the loop has run and dataplane_stop(). */
void control_close(struct control *c);

#endif
