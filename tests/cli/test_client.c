/* SPDX-License-Identifier: BSD-3-Clause */
/* The client over a socket pair whose other end has already said everything it will ever say. */
#include "client.h"
#include "test.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* Call "x" (id 1) of a daemon that answers with these bytes and then closes, or stays silent. */
static int call(const char *answer, size_t len, int stays, json_t **result)
{
	struct client c = {.fd = -1};
	json_t *params = json_object();
	int fds[2], rc;

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	c.fd = fds[0];
	fcntl(c.fd, F_SETFL, O_NONBLOCK);
	assert_int_equal(write(fds[1], answer, len), (ssize_t)len);
	assert_int_equal(write(fds[0], "?", 1), 1); /* not read: the close is a reset then */
	if (!stays)
		close(fds[1]);
	rc = client_call(&c, "x", params, 50, result);
	if (stays)
		close(fds[1]);
	client_close(&c);
	json_decref(params);
	return rc;
}

static int call_text(const char *answer, int stays)
{
	json_t *result = NULL;
	int rc = call(answer, strlen(answer), stays, &result);

	json_decref(result);
	return rc;
}

static void test_good_answers(void **state)
{
	(void)state;
	assert_int_equal(call_text("{\"id\":1,\"result\":{}}\n", 0), 0);
	assert_int_equal(call_text("{\"id\":1,\"result\":{}}\n", 1), 0);
	assert_int_equal(call_text("{\"id\":1,\"error\":{\"code\":1}}\n", 1), 0);
	assert_int_equal(call_text("{\"id\":null,\"error\":{\"code\":1}}\n", 1), 0);
}

static void test_bad_answers(void **state)
{
	static const char *const rows[] = {
		"\n",
		"null\n",
		"[]\n",
		"7\n",
		"{}\n",
		"{\"id\":2,\"result\":{}}\n",
		"{\"id\":\"1\",\"result\":{}}\n",
		"{\"id\":1,\"result\":[]}\n",
		"{\"id\":1,\"result\":null}\n",
		"{\"id\":1,\"error\":null}\n",
		"{\"id\":1,\"error\":\"x\"}\n",
		"{\"id\":1,\"result\":{}} trailing\n",
		"{\"id\":1,\"result\":{\"\xff\":1}}\n",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (call_text(rows[i], 1) != -EPROTO)
			fail_msg("accepted: %s", rows[i]);
}

static void test_silence_and_end(void **state)
{
	(void)state;
	assert_int_equal(call_text("", 1), -ETIMEDOUT);
	assert_int_equal(call_text("{\"id\":1,", 1), -ETIMEDOUT);
	assert_int_equal(call_text("", 0), -ECONNRESET);
	assert_int_equal(call_text("{\"id\":1,\"result\":{}}", 0), -ECONNRESET);
}

/* Every mutation of one byte of a good answer ends in an answer or an error. */
static void test_mutations(void **state)
{
	static const char good[] = "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{\"a\":[1,\"x\"]}}\n";

	(void)state;
	for (size_t i = 0; i < sizeof(good) - 2; i++) {
		for (int byte = 0; byte < 256; byte += 5) {
			char text[sizeof(good)];
			json_t *result = NULL;
			int rc;

			memcpy(text, good, sizeof(good));
			text[i] = (char)byte;
			rc = call(text, sizeof(good) - 1, 0, &result);
			assert_true(rc == 0 || rc == -EPROTO || rc == -ECONNRESET);
			assert_int_equal(rc == 0, result != NULL);
			json_decref(result);
		}
	}
}

static void test_path_too_long(void **state)
{
	struct client c;
	char path[200];

	(void)state;
	memset(path, 'x', sizeof(path) - 1);
	path[sizeof(path) - 1] = '\0';
	assert_int_equal(client_open(&c, path, 50), -ENAMETOOLONG);
	assert_int_equal(client_open(&c, "/nonexistent/x", 50), -ENOENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good_answers),    cmocka_unit_test(test_bad_answers),
		cmocka_unit_test(test_silence_and_end), cmocka_unit_test(test_mutations),
		cmocka_unit_test(test_path_too_long),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
