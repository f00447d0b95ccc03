/* SPDX-License-Identifier: BSD-3-Clause */
#include "rpc.h"
#include "test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct catcher {
	struct rpc_sink sink;
	char *line;
	int sends;
};

static void catch_line(struct rpc_sink *sink, char *line, size_t len)
{
	struct catcher *c = (struct catcher *)sink;

	c->sends++;
	if (line) {
		assert_int_equal(line[len - 1], '\n');
		line[len - 1] = '\0';
	}
	free(c->line);
	c->line = line;
}

static struct rpc_call *kept; /* call of method "later" */

static void handler(void *arg, struct rpc_call *call)
{
	(void)arg;
	if (strcmp(call->method, "later") == 0)
		kept = call;
	else if (strcmp(call->method, "fail") == 0)
		rpc_fail(call, RPC_NOT_FOUND, json_pack("{s:i}", "n", 1), "no %s", "such");
	else if (strcmp(call->method, "bad-bytes") == 0)
		rpc_fail(call, RPC_INTERNAL, NULL, "cut \xc3");
	else
		rpc_reply(call, json_incref(call->params));
}

static const char *answer(struct catcher *c, const char *text)
{
	c->sends = 0;
	free(c->line);
	c->line = NULL;
	rpc_accept(text, strlen(text), handler, NULL, &c->sink);
	return c->line;
}

static void requests_and_faults(void **state)
{
	static const struct {
		const char *in, *out;
	} rows[] = {
		{"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"echo\",\"params\":{\"a\":[2]}}",
	         "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{\"a\":[2]}}"},
		{"{\"jsonrpc\":\"2.0\",\"id\":\"x\",\"method\":\"echo\"}",
	         "{\"jsonrpc\":\"2.0\",\"id\":\"x\",\"result\":{}}"},
		{"{\"jsonrpc\":\"2.0\",\"method\":\"echo\"}", NULL},
		{"{\"jsonrpc\":\"2.0\",\"method\":\"fail\"}", NULL},
		{"{\"jsonrpc\":\"2.0\",\"id\":null,\"method\":\"fail\"}",
	         "{\"jsonrpc\":\"2.0\",\"id\":null,\"error\":{\"code\":-32002,\"message\":\"no "
	         "such\","
	         "\"data\":{\"n\":1,\"reason\":\"NotFound\"}}}"},
		{"{\"jsonrpc\":\"2.0\",\"id\":3,\"method\":\"bad-bytes\"}",
	         "{\"jsonrpc\":\"2.0\",\"id\":3,\"error\":{\"code\":-32603,\"message\":"
	         "\"Internal\","
	         "\"data\":{\"reason\":\"Internal\"}}}"},
		{"[{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"a\"},7,{\"jsonrpc\":\"2.0\","
	         "\"method\":"
	         "\"a\"}]",
	         "[{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{}},{\"jsonrpc\":\"2.0\",\"id\":null,"
	         "\"error\":{\"code\":-32600,\"message\":\"a request is a JSON "
	         "object\",\"data\":{\"reason\":"
	         "\"InvalidRequest\"}}}]"},
		{"[{\"jsonrpc\":\"2.0\",\"method\":\"a\"}]", NULL},
	};
	struct catcher c = {{catch_line}, NULL, 0};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const char *out = answer(&c, rows[i].in);

		assert_int_equal(c.sends, 1);
		if (rows[i].out)
			assert_string_equal(out, rows[i].out);
		else
			assert_null(out);
	}
	free(c.line);
}

static void malformed_messages_have_the_right_code(void **state)
{
	static const struct {
		const char *in;
		int code;
	} rows[] = {
		{"{", RPC_PARSE_ERROR},
		{"{} {}", RPC_PARSE_ERROR},
		{"\xff", RPC_PARSE_ERROR},
		{"{\"jsonrpc\":\"2.0\",\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"a\"}",
	         RPC_PARSE_ERROR},
		{"[]", RPC_INVALID_REQUEST},
		{"{\"jsonrpc\":\"1.0\",\"id\":1,\"method\":\"a\"}", RPC_INVALID_REQUEST},
		{"{\"jsonrpc\":\"2.0\",\"id\":{},\"method\":\"a\"}", RPC_INVALID_REQUEST},
		{"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":1}", RPC_INVALID_REQUEST},
		{"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"a\",\"params\":[]}",
	         RPC_INVALID_REQUEST},
	};
	struct catcher c = {{catch_line}, NULL, 0};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char code[32];

		snprintf(code, sizeof(code), "\"code\":%d,", rows[i].code);
		assert_non_null(strstr(answer(&c, rows[i].in), code));
	}
	free(c.line);
}

static void a_batch_waits_for_its_last_call(void **state)
{
	struct catcher c = {{catch_line}, NULL, 0};

	(void)state;
	assert_null(answer(&c, "[{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"later\"},"
	                       "{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"a\"}]"));
	assert_int_equal(c.sends, 0);
	rpc_reply(kept, json_true());
	assert_int_equal(c.sends, 1);
	assert_string_equal(c.line, "[{\"jsonrpc\":\"2.0\",\"id\":2,\"result\":{}},"
	                            "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":true}]");
	free(c.line);
}

/* Feed text in pieces of n bytes; the lines that come out, joined by "|". */
static void split(const char *text, size_t n, size_t limit, char *out, enum rpc_lines_state *state)
{
	struct rpc_lines lines;
	size_t left = strlen(text);

	rpc_lines_init(&lines, limit);
	*out = '\0';
	*state = RPC_LINES_OK;
	for (; left > 0 && *state == RPC_LINES_OK; text += n, left -= n) {
		size_t at = 0, len;
		const char *line;

		n = n < left ? n : left;
		assert_int_equal(rpc_lines_add(&lines, text, n), RPC_LINES_OK);
		while ((line = rpc_lines_next(&lines, &at, &len))) {
			strncat(out, line, len);
			strcat(out, "|");
		}
		*state = rpc_lines_drop(&lines, at);
	}
	rpc_lines_fini(&lines);
}

static void any_split_gives_the_same_lines(void **state)
{
	const char *text = "{\"a\":1}\r\n\n\r\n[1,2]\n \nlast\nhalf";
	enum rpc_lines_state end;
	char out[128];

	(void)state;
	for (size_t n = 1; n <= strlen(text); n++) {
		split(text, n, 100, out, &end);
		assert_string_equal(out, "{\"a\":1}|[1,2]| |last|");
		assert_int_equal(end, RPC_LINES_OK);
	}
}

static void a_line_without_end_is_too_long(void **state)
{
	enum rpc_lines_state end;
	char out[128];

	(void)state;
	split("ok\n0123456789", 3, 10, out, &end);
	assert_int_equal(end, RPC_LINES_OK);
	split("ok\n0123456789a", 3, 10, out, &end);
	assert_int_equal(end, RPC_LINES_TOO_LONG);
	assert_string_equal(out, "ok|");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(requests_and_faults),
		cmocka_unit_test(malformed_messages_have_the_right_code),
		cmocka_unit_test(a_batch_waits_for_its_last_call),
		cmocka_unit_test(any_split_gives_the_same_lines),
		cmocka_unit_test(a_line_without_end_is_too_long),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
