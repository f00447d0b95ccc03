/* SPDX-License-Identifier: BSD-3-Clause */
#include "rpc.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LINES_FIRST 4096 /* bytes of buffer a connection starts with */

/* One message: a single request, or an array of them. */
struct rpc_batch {
	struct rpc_sink *sink;
	json_t *answers; /* array; the single answer of a single request stands in it too */
	bool single;
	unsigned waiting; /* calls not answered yet, plus one while they are being dispatched */
};

static const struct {
	enum rpc_code code;
	const char *reason;
} reasons[] = {
	{RPC_PARSE_ERROR, "ParseError"},
	{RPC_INVALID_REQUEST, "InvalidRequest"},
	{RPC_METHOD_NOT_FOUND, "MethodNotFound"},
	{RPC_INVALID_PARAMS, "InvalidParams"},
	{RPC_INTERNAL, "Internal"},
	{RPC_INVALID, "Invalid"},
	{RPC_NOT_FOUND, "NotFound"},
	{RPC_CONFLICT, "Conflict"},
	{RPC_TIMEOUT, "Timeout"},
	{RPC_STORAGE_FAILED, "StorageFailed"},
	{RPC_BUSY, "Busy"},
	{RPC_TOO_LARGE, "TooLarge"},
	{RPC_SHUTTING_DOWN, "ShuttingDown"},
};

const char *rpc_reason(enum rpc_code code)
{
	for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++)
		if (reasons[i].code == code)
			return reasons[i].reason;
	return "Internal";
}

/* ---- answers ---------------------------------------------------------------------------- */

static void send_json(struct rpc_sink *sink, json_t *answer)
{
	char *line = answer ? json_dumps(answer, JSON_COMPACT | JSON_REAL_PRECISION(15)) : NULL;
	size_t len = line ? strlen(line) : 0;

	if (line)
		line[len++] = '\n'; /* where the NUL was: the length is told beside it */
	sink->send(sink, line, len);
}

static void batch_put(struct rpc_batch *batch)
{
	if (--batch->waiting > 0)
		return;
	if (json_array_size(batch->answers) == 0)
		batch->sink->send(batch->sink, NULL, 0);
	else
		send_json(batch->sink,
		          batch->single ? json_array_get(batch->answers, 0) : batch->answers);
	json_decref(batch->answers);
	free(batch);
}

static json_t *make_error(json_t *id, enum rpc_code code, json_t *data, const char *message)
{
	json_t *sentence = json_string(message);

	/* a cut or quoted sentence may end inside a UTF-8 sequence */
	if (!sentence)
		sentence = json_string(rpc_reason(code));
	if (!data)
		data = json_object();
	json_object_set_new(data, "reason", json_string(rpc_reason(code)));
	return json_pack("{s:s, s:O?, s:{s:i, s:o, s:o}}", "jsonrpc", "2.0", "id", id, "error",
	                 "code", (int)code, "message", sentence, "data", data);
}

/* Free the call; its batch goes on when this was the last one. */
static void finish(struct rpc_call *call, json_t *answer)
{
	struct rpc_batch *batch = call->batch;

	if (answer)
		json_array_append_new(batch->answers, answer);
	json_decref(call->request);
	free(call);
	batch_put(batch);
}

void rpc_reply(struct rpc_call *call, json_t *result)
{
	if (!call->id) {
		json_decref(result);
		finish(call, NULL);
	} else if (!result) {
		rpc_fail(call, RPC_INTERNAL, NULL, "out of memory");
	} else {
		finish(call, json_pack("{s:s, s:O, s:o}", "jsonrpc", "2.0", "id", call->id,
		                       "result", result));
	}
}

void rpc_fail(struct rpc_call *call, enum rpc_code code, json_t *data, const char *fmt, ...)
{
	char message[1024];
	va_list args;

	if (!call->id) {
		json_decref(data);
		finish(call, NULL);
		return;
	}
	va_start(args, fmt);
	vsnprintf(message, sizeof(message), fmt, args);
	va_end(args);
	finish(call, make_error(call->id, code, data, message));
}

void rpc_refuse(struct rpc_sink *sink, enum rpc_code code, const char *message)
{
	json_t *answer = make_error(NULL, code, NULL, message);

	send_json(sink, answer);
	json_decref(answer);
}

/* ---- requests --------------------------------------------------------------------------- */

/* NULL when it is a good request, else what is wrong with it. */
static const char *request_fault(const json_t *request)
{
	const json_t *id = json_object_get(request, "id");
	const json_t *params = json_object_get(request, "params");
	const char *version = json_string_value(json_object_get(request, "jsonrpc"));

	if (!json_is_object(request))
		return "a request is a JSON object";
	if (!version || strcmp(version, "2.0") != 0)
		return "\"jsonrpc\" must be \"2.0\"";
	if (!json_is_string(json_object_get(request, "method")))
		return "\"method\" must be a string";
	if (id && !json_is_string(id) && !json_is_number(id) && !json_is_null(id))
		return "\"id\" must be a string, a number or null";
	if (params && !json_is_object(params))
		return "\"params\" must be an object";
	return NULL;
}

/* Takes the reference to request. */
static void dispatch(struct rpc_batch *batch, json_t *request, rpc_handler handler, void *arg)
{
	const char *fault = request_fault(request);
	struct rpc_call *call;

	if (fault) {
		json_array_append_new(batch->answers,
		                      make_error(NULL, RPC_INVALID_REQUEST, NULL, fault));
		json_decref(request);
		return;
	}
	if (!json_object_get(request, "params"))
		json_object_set_new(request, "params", json_object());
	call = calloc(1, sizeof(*call));
	if (!call) {
		json_decref(request);
		return;
	}
	*call = (struct rpc_call){
		.batch = batch,
		.id = json_object_get(request, "id"),
		.method = json_string_value(json_object_get(request, "method")),
		.params = json_object_get(request, "params"),
		.request = request,
	};
	batch->waiting++;
	handler(arg, call);
}

void rpc_accept(const char *text, size_t len, rpc_handler handler, void *arg, struct rpc_sink *sink)
{
	json_error_t error;
	json_t *message = json_loadb(text, len, JSON_REJECT_DUPLICATES, &error);
	struct rpc_batch *batch;
	size_t n;

	if (!message) {
		char why[JSON_ERROR_TEXT_LENGTH + 64];

		snprintf(why, sizeof(why), "not JSON: %s at byte %d", error.text, error.position);
		rpc_refuse(sink, RPC_PARSE_ERROR, why);
		return;
	}
	n = json_array_size(message);
	if (json_is_array(message) && (n == 0 || n > RPC_BATCH_MAX)) {
		rpc_refuse(sink, RPC_INVALID_REQUEST, "a batch has 1 to 64 requests");
		json_decref(message);
		return;
	}
	batch = calloc(1, sizeof(*batch));
	if (!batch) {
		json_decref(message);
		rpc_refuse(sink, RPC_INTERNAL, "out of memory");
		return;
	}
	*batch = (struct rpc_batch){sink, json_array(), !json_is_array(message), 1};
	if (batch->single)
		dispatch(batch, json_incref(message), handler, arg);
	for (size_t i = 0; i < n; i++)
		dispatch(batch, json_incref(json_array_get(message, i)), handler, arg);
	json_decref(message);
	batch_put(batch);
}

/* ---- lines ------------------------------------------------------------------------------ */

void rpc_lines_init(struct rpc_lines *lines, size_t limit)
{
	*lines = (struct rpc_lines){.limit = limit};
}

void rpc_lines_fini(struct rpc_lines *lines)
{
	free(lines->buf);
	*lines = (struct rpc_lines){.limit = lines->limit};
}

enum rpc_lines_state rpc_lines_add(struct rpc_lines *lines, const char *data, size_t len)
{
	if (lines->cap - lines->len < len) {
		size_t cap = lines->cap ? lines->cap : LINES_FIRST;
		char *bigger;

		while (cap - lines->len < len)
			cap *= 2;
		bigger = realloc(lines->buf, cap);
		if (!bigger)
			return RPC_LINES_NO_MEMORY;
		lines->buf = bigger;
		lines->cap = cap;
	}
	if (len > 0)
		memcpy(lines->buf + lines->len, data, len);
	lines->len += len;
	return RPC_LINES_OK;
}

const char *rpc_lines_next(struct rpc_lines *lines, size_t *at, size_t *len)
{
	while (*at < lines->len) {
		size_t from = *at > lines->seen ? *at : lines->seen;
		char *start = lines->buf + *at;
		char *end = memchr(lines->buf + from, '\n', lines->len - from);

		if (!end) {
			lines->seen = lines->len;
			return NULL;
		}
		*at = (size_t)(end - lines->buf) + 1;
		*len = (size_t)(end - start);
		if (*len > 0 && start[*len - 1] == '\r')
			--*len;
		if (*len > 0)
			return start;
	}
	return NULL;
}

enum rpc_lines_state rpc_lines_drop(struct rpc_lines *lines, size_t at)
{
	lines->len -= at;
	lines->seen = lines->seen > at ? lines->seen - at : 0;
	if (lines->len == 0) {
		rpc_lines_fini(lines); /* a client at rest holds no buffer */
		return RPC_LINES_OK;
	}
	if (at > 0)
		memmove(lines->buf, lines->buf + at, lines->len);
	return lines->len > lines->limit ? RPC_LINES_TOO_LONG : RPC_LINES_OK;
}
