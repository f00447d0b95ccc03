/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * JSON-RPC 2.0, one JSON text a line: from bytes to calls, from answers to bytes. No sockets here.
 *
 *   bytes -> rpc_lines_add -> line -> rpc_accept -> handler(call) ... rpc_reply/rpc_fail(call)
 *                                        batch: waits for all of its calls -> rpc_sink.send(line)
 *
 * A call may be answered at once or at any later time; every call is answered exactly once, also
 * when its client has gone (the sink then throws the answer away). Described for users in
 * docs/reference/control.md. Control thread only.
 */
#ifndef WEIR_RPC_H
#define WEIR_RPC_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#define RPC_BATCH_MAX 64

enum rpc_code {
	RPC_PARSE_ERROR = -32700,
	RPC_INVALID_REQUEST = -32600,
	RPC_METHOD_NOT_FOUND = -32601,
	RPC_INVALID_PARAMS = -32602,
	RPC_INTERNAL = -32603,
	RPC_INVALID = -32001,
	RPC_NOT_FOUND = -32002,
	RPC_CONFLICT = -32003,
	RPC_TIMEOUT = -32004,
	RPC_STORAGE_FAILED = -32005,
	RPC_BUSY = -32006,
	RPC_TOO_LARGE = -32007,
	RPC_SHUTTING_DOWN = -32008,
};

/* Where the answers of one message go. */
struct rpc_sink {
	/* line: malloc'd, ends in '\n', now the sink's; NULL: the message needs no answer.
	 * Called once a message. */
	void (*send)(struct rpc_sink *sink, char *line, size_t len);
};

struct rpc_batch;

struct rpc_call {
	struct rpc_batch *batch;
	json_t *id; /* NULL: a notification */
	const char *method;
	json_t *params;  /* an object, never NULL */
	json_t *request; /* owns the three above */
};

/** Takes the call, answers it now or later with rpc_reply() or rpc_fail(). */
typedef void (*rpc_handler)(void *arg, struct rpc_call *call);

/** Word of an error code ("Invalid"), as data.reason; never NULL. */
const char *rpc_reason(enum rpc_code code);

/**
 * Handle one message (a line without its end).
 *
 * @param text     bytes; need not stay
 * @param sink     gets the answer; must live until its send() was called
 *
 * Malformed messages are answered without the handler.
 */
void rpc_accept(const char *text, size_t len, rpc_handler handler, void *arg,
                struct rpc_sink *sink);

/** Answer a call and free it. Takes the reference to result; NULL result means out of memory. */
void rpc_reply(struct rpc_call *call, json_t *result);

/**
 * Answer a call with an error and free it.
 *
 * @param data  object with further keys (diagnostics, generation), reference taken; or NULL
 */
void rpc_fail(struct rpc_call *call, enum rpc_code code, json_t *data, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

/** Send an error that belongs to no call (id null), such as RPC_TOO_LARGE. */
void rpc_refuse(struct rpc_sink *sink, enum rpc_code code, const char *message);

/* Bytes of a connection, cut into lines. */
struct rpc_lines {
	char *buf;
	size_t len, cap;
	size_t seen;  /* bytes of buf known to hold no line end */
	size_t limit; /* longest line, without its end */
};

enum rpc_lines_state {
	RPC_LINES_OK,
	RPC_LINES_TOO_LONG, /* give the connection up */
	RPC_LINES_NO_MEMORY,
};

void rpc_lines_init(struct rpc_lines *lines, size_t limit);
void rpc_lines_fini(struct rpc_lines *lines);

/** Add received bytes. Take the whole lines out with rpc_lines_next() before adding more. */
enum rpc_lines_state rpc_lines_add(struct rpc_lines *lines, const char *data, size_t len);

/**
 * The next whole line that is not empty, without its end ("\n" or "\r\n").
 *
 * @param at   bytes consumed so far; start with 0, pass to rpc_lines_drop() at the end
 * @return     the line, valid until rpc_lines_drop(); NULL when there is none
 */
const char *rpc_lines_next(struct rpc_lines *lines, size_t *at, size_t *len);

/** Forget the first at bytes. RPC_LINES_TOO_LONG if what is left is already over the limit. */
enum rpc_lines_state rpc_lines_drop(struct rpc_lines *lines, size_t at);

#endif
