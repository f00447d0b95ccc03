/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The control socket: a Unix stream socket on a libuv loop that turns clients' lines into calls of
 * rpc.h. No client can harm another or the daemon: a line and what waits to be read by a client are
 * bounded, and who goes over a bound is disconnected. A call outlives its client; its answer is then
 * thrown away. Control thread only.
 */
#ifndef WEIR_SOCKET_H
#define WEIR_SOCKET_H

#include "rpc.h"

#include <stdint.h>
#include <uv.h>

#define SOCKET_CLIENTS_MAX 1024
#define SOCKET_OUTPUT_MAX  (64u << 20) /* bytes that may wait for one client */
#define SOCKET_HELD_MIN    (64u << 20) /* all clients together may hold this, or 16 whole messages */
#define SOCKET_READ_BYTES  65536u

struct socket_client;

struct socket_config {
	const char *path;
	const char *group; /* "": leave it */
	uint32_t mode;
	size_t message_limit;
};

struct socket_server {
	uv_pipe_t pipe;
	rpc_handler handler;
	void *arg;
	struct socket_client *clients; /* list */
	uint32_t n_clients;
	size_t message_limit;
	char read_buf[SOCKET_READ_BYTES]; /* of the client being read */
};

/**
 * Listen. A socket file that nobody answers on is replaced; one that a living daemon answers on is
 * an error.
 *
 * @param err  receives one sentence when it fails
 * @return     0 or -errno
 *
 * After an error, too, run the loop until its handles are closed before freeing the server.
 */
int socket_open(struct socket_server *server, uv_loop_t *loop, const struct socket_config *config,
                char *err, size_t err_size);

/** Set who handles calls; before the loop runs. */
void socket_handle(struct socket_server *server, rpc_handler handler, void *arg);

/** Stop listening, remove the file, close all clients. The memory is free once the loop has run. */
void socket_close(struct socket_server *server);

#endif
