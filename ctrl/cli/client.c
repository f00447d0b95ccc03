/* SPDX-License-Identifier: BSD-3-Clause */
#include "client.h"

#include <errno.h>
#include <poll.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define READ_BYTES    65536
#define CONNECT_RETRY 20 /* ms between attempts while the daemon's queue is full */

static int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* Wait for the socket; 0, -ETIMEDOUT or -errno (-EINTR too: the user wants to end). */
static int await(const struct client *c, short events, int64_t deadline)
{
	struct pollfd p = {.fd = c->fd, .events = events};
	int64_t left = deadline - now_ms();
	int n;

	if (left <= 0)
		return -ETIMEDOUT;
	n = poll(&p, 1, (int)left);
	if (n < 0)
		return -errno;
	return n ? 0 : -ETIMEDOUT;
}

int client_open(struct client *c, const char *path, long timeout_ms)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int64_t deadline = now_ms() + timeout_ms;
	int rc;

	*c = (struct client){.fd = -1};
	if (strlen(path) >= sizeof(addr.sun_path))
		return -ENAMETOOLONG;
	memcpy(addr.sun_path, path, strlen(path));
	c->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (c->fd < 0)
		return -errno;
	/* A Unix socket does not connect in the background: a full queue is EAGAIN, to be retried. */
	while (connect(c->fd, (struct sockaddr *)&addr, sizeof(addr)) < 0) {
		rc = errno == EAGAIN && now_ms() >= deadline ? -ETIMEDOUT : -errno;
		if (rc != -EAGAIN) {
			client_close(c);
			return rc;
		}
		poll(NULL, 0, CONNECT_RETRY);
	}
	return 0;
}

void client_close(struct client *c)
{
	if (c->fd >= 0)
		close(c->fd);
	free(c->in);
	*c = (struct client){.fd = -1};
}

static int send_all(const struct client *c, const char *data, size_t len, int64_t deadline)
{
	while (len) {
		ssize_t n = send(c->fd, data, len, MSG_NOSIGNAL);
		int rc;

		if (n >= 0) {
			data += n;
			len -= (size_t)n;
			continue;
		}
		if (errno == EPIPE || errno == ECONNRESET)
			return 0; /* it may have said why before it closed: go and read that */
		if (errno != EAGAIN)
			return -errno;
		rc = await(c, POLLOUT, deadline);
		if (rc)
			return rc;
	}
	return 0;
}

/* Receive some more; 0 or -errno. */
static int receive(struct client *c, int64_t deadline)
{
	ssize_t n;
	int rc;

	if (c->in_len > CLIENT_ANSWER_MAX_BYTES)
		return -EMSGSIZE;
	if (c->in_size - c->in_len < READ_BYTES) {
		size_t size = c->in_size * 2 + READ_BYTES;
		char *in = realloc(c->in, size);

		if (!in)
			return -ENOMEM;
		c->in = in;
		c->in_size = size;
	}
	rc = await(c, POLLIN, deadline);
	if (rc)
		return rc;
	n = recv(c->fd, c->in + c->in_len, c->in_size - c->in_len, 0);
	if (n < 0)
		return errno == EAGAIN ? 0 : -errno;
	if (n == 0)
		return -ECONNRESET;
	c->in_len += (size_t)n;
	return 0;
}

/* The next line; *line points into c->in and is valid until drop_line(). */
static int next_line(struct client *c, size_t *len, int64_t deadline)
{
	size_t seen = 0;

	for (;;) {
		char *end = c->in_len > seen ? memchr(c->in + seen, '\n', c->in_len - seen) : NULL;
		int rc;

		if (end) {
			*len = (size_t)(end - c->in);
			return 0;
		}
		seen = c->in_len;
		rc = receive(c, deadline);
		if (rc)
			return rc;
	}
}

static void drop_line(struct client *c, size_t len)
{
	c->in_len -= len + 1;
	memmove(c->in, c->in + len + 1, c->in_len);
}

/* Is it an answer to the last call, in form? An error without id is about this connection. */
static bool is_answer(const struct client *c, const json_t *answer)
{
	const json_t *id = json_object_get(answer, "id");
	const json_t *error = json_object_get(answer, "error");

	if (error)
		return json_is_object(error) &&
		       (json_is_null(id) || json_integer_value(id) == (json_int_t)c->id);
	return json_is_object(json_object_get(answer, "result")) &&
	       json_integer_value(id) == (json_int_t)c->id;
}

int client_call(struct client *c, const char *method, json_t *params, long timeout_ms,
                json_t **answer)
{
	int64_t deadline = now_ms() + timeout_ms;
	json_t *request;
	char *text;
	size_t len;
	int rc;

	request = json_pack("{s:s, s:i, s:s, s:O}", "jsonrpc", "2.0", "id", (int)++c->id, "method",
	                    method, "params", params);
	text = request ? json_dumps(request, JSON_COMPACT) : NULL;
	json_decref(request);
	if (!text)
		return -ENOMEM;
	rc = send_all(c, text, strlen(text), deadline);
	free(text);
	if (rc == 0)
		rc = send_all(c, "\n", 1, deadline);
	if (rc == 0)
		rc = next_line(c, &len, deadline);
	if (rc)
		return rc;
	*answer = json_loadb(c->in, len, 0, NULL);
	drop_line(c, len);
	if (*answer && is_answer(c, *answer))
		return 0;
	json_decref(*answer);
	*answer = NULL;
	return -EPROTO;
}
