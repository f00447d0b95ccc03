/* SPDX-License-Identifier: BSD-3-Clause */
#include "socket.h"

#include "log.h"

#include <errno.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

/*
 * Held by its handle until that is closed, and by each of its messages that is not answered yet:
 * users counts both. The last one frees it.
 */
struct socket_client {
	struct rpc_sink sink; /* first: a sink is its client */
	uv_pipe_t pipe;
	struct socket_server *server; /* NULL once closing */
	struct socket_client *prev, *next;
	struct rpc_lines lines;
	uint32_t users;
	bool finishing; /* close when all output is written */
};

struct output {
	uv_write_t req;
	char *line;
};

static void client_closed(uv_handle_t *handle)
{
	struct socket_client *client = handle->data;

	rpc_lines_fini(&client->lines);
	if (--client->users == 0)
		free(client);
}

static void client_close(struct socket_client *client)
{
	struct socket_server *server = client->server;

	if (!server)
		return;
	if (client->prev)
		client->prev->next = client->next;
	else
		server->clients = client->next;
	if (client->next)
		client->next->prev = client->prev;
	server->n_clients--;
	client->server = NULL;
	uv_close((uv_handle_t *)&client->pipe, client_closed);
}

/* Close a client that waits for nothing more: all its messages are answered and written. */
static void client_finish(struct socket_client *client)
{
	if (client->finishing && client->users == 1 &&
	    uv_stream_get_write_queue_size((uv_stream_t *)&client->pipe) == 0)
		client_close(client);
}

static void client_put(struct socket_client *client)
{
	if (--client->users == 0)
		free(client);
	else if (client->server)
		client_finish(client);
}

static size_t client_holds(const struct socket_client *client)
{
	return client->lines.len +
	       uv_stream_get_write_queue_size((const uv_stream_t *)&client->pipe);
}

/* Would one more make the clients together hold too much? Only who holds much itself is at fault. */
static bool holds_too_much(const struct socket_client *client)
{
	const struct socket_server *server = client->server;
	size_t most = server->message_limit * 16, all = 0;

	if (client_holds(client) <= SOCKET_READ_BYTES)
		return false;
	for (const struct socket_client *c = server->clients; c; c = c->next)
		all += client_holds(c);
	return all > (most > SOCKET_HELD_MIN ? most : SOCKET_HELD_MIN);
}

/* ---- output ----------------------------------------------------------------------------- */

static void output_done(uv_write_t *req, int status)
{
	struct output *out = (struct output *)req;
	struct socket_client *client = req->data;

	free(out->line);
	free(out);
	if (status < 0)
		client_close(client);
	else if (client->server)
		client_finish(client);
}

static void client_send(struct rpc_sink *sink, char *line, size_t len)
{
	struct socket_client *client = (struct socket_client *)sink;
	uv_buf_t buf = uv_buf_init(line, (unsigned)len);
	struct output *out;

	if (!line || !client->server || len > UINT32_MAX)
		goto drop;
	if (uv_stream_get_write_queue_size((uv_stream_t *)&client->pipe) > SOCKET_OUTPUT_MAX ||
	    holds_too_much(client)) {
		log_warning("client-cut-off", "reason=\"does not read its answers\"");
		client_close(client);
		goto drop;
	}
	out = malloc(sizeof(*out));
	if (!out) {
		client_close(client);
		goto drop;
	}
	out->req.data = client;
	out->line = line;
	if (uv_write(&out->req, (uv_stream_t *)&client->pipe, &buf, 1, output_done) == 0) {
		client_put(client);
		return;
	}
	free(out);
	client_close(client);
drop:
	free(line);
	client_put(client);
}

/* ---- input ------------------------------------------------------------------------------ */

static void client_refuse(struct socket_client *client)
{
	uv_read_stop((uv_stream_t *)&client->pipe);
	client->finishing = true;
	client->users++;
	rpc_refuse(&client->sink, RPC_TOO_LARGE,
	           "the message is longer than control.message_limit; the connection is closed");
}

static void handle_lines(struct socket_client *client)
{
	struct socket_server *server = client->server;
	size_t at = 0, len;
	const char *line;

	while (client->server && (line = rpc_lines_next(&client->lines, &at, &len))) {
		if (len > client->lines.limit) {
			client_refuse(client);
			return;
		}
		client->users++;
		rpc_accept(line, len, server->handler, server->arg, &client->sink);
	}
	if (client->server && rpc_lines_drop(&client->lines, at) == RPC_LINES_TOO_LONG)
		client_refuse(client);
}

static void client_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
	struct socket_client *client = handle->data;

	(void)suggested;
	*buf = uv_buf_init(client->server->read_buf, SOCKET_READ_BYTES);
}

static void client_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
	struct socket_client *client = stream->data;

	if (n == 0)
		return;
	if (n == UV_EOF) {
		/* half-closed: it may still wait for answers (echo ... | socat) */
		uv_read_stop(stream);
		client->finishing = true;
		client_finish(client);
		return;
	}
	if (n < 0 || rpc_lines_add(&client->lines, buf->base, (size_t)n) != RPC_LINES_OK) {
		client_close(client);
		return;
	}
	if (holds_too_much(client)) {
		log_warning("client-cut-off", "reason=\"all clients together hold too much\"");
		client_close(client);
		return;
	}
	client->users++;
	handle_lines(client);
	client_put(client);
}

/* ---- listening -------------------------------------------------------------------------- */

static void accept_client(uv_stream_t *listener, int status)
{
	struct socket_server *server = listener->data;
	struct socket_client *client;

	if (status < 0) {
		log_warning("accept-failed", "error=\"%s\"", uv_strerror(status));
		return;
	}
	client = calloc(1, sizeof(*client));
	if (!client)
		return;
	client->sink.send = client_send;
	client->users = 1;
	client->pipe.data = client;
	rpc_lines_init(&client->lines, server->message_limit);
	uv_pipe_init(listener->loop, &client->pipe, 0);
	client->server = server;
	client->next = server->clients;
	if (client->next)
		client->next->prev = client;
	server->clients = client;
	server->n_clients++;
	if (uv_accept(listener, (uv_stream_t *)&client->pipe) < 0) {
		client_close(client);
		return;
	}
	if (server->n_clients > SOCKET_CLIENTS_MAX) {
		log_warning("client-refused", "reason=\"%u clients already\"", SOCKET_CLIENTS_MAX);
		client_close(client);
		return;
	}
	uv_read_start((uv_stream_t *)&client->pipe, client_alloc, client_read);
}

/* Does a living process answer on this socket file? */
static bool is_answered(const char *path)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	bool answered;

	if (fd < 0)
		return false;
	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", path);
	/* EAGAIN: alive, with a full backlog */
	answered = connect(fd, (struct sockaddr *)&addr, sizeof(addr)) == 0 || errno == EAGAIN;
	close(fd);
	return answered;
}

static int clear_path(const char *path, char *err, size_t err_size)
{
	struct stat st;

	if (lstat(path, &st) < 0)
		return 0;
	if (!S_ISSOCK(st.st_mode)) {
		snprintf(err, err_size, "control.socket %s is there and is not a socket", path);
		return -EEXIST;
	}
	if (is_answered(path)) {
		snprintf(err, err_size, "another weir answers on %s", path);
		return -EADDRINUSE;
	}
	unlink(path); /* left behind by one that was killed */
	return 0;
}

static void make_parent(const char *path)
{
	const char *slash = strrchr(path, '/');
	char dir[108];

	if (!slash || slash == path)
		return;
	snprintf(dir, sizeof(dir), "%.*s", (int)(slash - path), path);
	if (mkdir(dir, 0755) < 0)
		return; /* it is there; or bind() tells why not */
}

static int set_access(const struct socket_config *config, char *err, size_t err_size)
{
	if (*config->group) {
		const struct group *group = getgrnam(config->group);

		if (!group || chown(config->path, (uid_t)-1, group->gr_gid) < 0) {
			snprintf(err, err_size, "control.group %s: %s", config->group,
			         group ? strerror(errno) : "no such group");
			return group ? -errno : -ENOENT;
		}
	}
	if (chmod(config->path, config->mode) < 0) {
		snprintf(err, err_size, "%s: %s", config->path, strerror(errno));
		return -errno;
	}
	return 0;
}

int socket_open(struct socket_server *server, uv_loop_t *loop, const struct socket_config *config,
                char *err, size_t err_size)
{
	mode_t mask;
	int rc;

	*server = (struct socket_server){.message_limit = config->message_limit};
	uv_pipe_init(loop, &server->pipe, 0);
	server->pipe.data = server;
	make_parent(config->path);
	rc = clear_path(config->path, err, err_size);
	if (rc < 0)
		goto fail;
	mask = umask(0177); /* nobody else between bind() and chmod() */
	rc = uv_pipe_bind(&server->pipe, config->path);
	umask(mask);
	if (rc < 0) {
		snprintf(err, err_size, "%s: %s", config->path, uv_strerror(rc));
		goto fail;
	}
	rc = set_access(config, err, err_size);
	if (rc < 0)
		goto fail;
	rc = uv_listen((uv_stream_t *)&server->pipe, SOCKET_CLIENTS_MAX, accept_client);
	if (rc < 0) {
		snprintf(err, err_size, "%s: %s", config->path, uv_strerror(rc));
		goto fail;
	}
	return 0;
fail:
	uv_close((uv_handle_t *)&server->pipe, NULL);
	return rc;
}

void socket_handle(struct socket_server *server, rpc_handler handler, void *arg)
{
	server->handler = handler;
	server->arg = arg;
}

void socket_close(struct socket_server *server)
{
	while (server->clients)
		client_close(server->clients);
	if (!uv_is_closing((uv_handle_t *)&server->pipe))
		uv_close((uv_handle_t *)&server->pipe, NULL); /* removes the file */
}
