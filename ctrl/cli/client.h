/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The control protocol's client side (docs/reference/control.md): one call at a time over a Unix
 * socket, with a deadline. The answer is not trusted: garbage, truncation and endless data end in
 * an error, never in a crash or a hang.
 */
#ifndef WEIR_CLI_CLIENT_H
#define WEIR_CLI_CLIENT_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#define CLIENT_ANSWER_MAX_BYTES ((size_t)128 << 20) /* the daemon buffers 64 MiB at most */

struct client {
	int fd;      /* -1: not connected */
	unsigned id; /* of the last call */
	char *in;    /* bytes received and not yet used */
	size_t in_len, in_size;
};

/**
 * Connect.
 *
 * @param timeout_ms  bound on waiting for a place in the daemon's queue
 * @return            0, or -errno as connect(2) has it; -ETIMEDOUT, -ENAMETOOLONG
 */
int client_open(struct client *c, const char *path, long timeout_ms);
void client_close(struct client *c);

/**
 * Call one method and wait for its answer.
 *
 * @param params  an object; not consumed
 * @param answer  receives the answer with either "result" or "error" (an object); caller's
 * @return        0; -ETIMEDOUT; -EPROTO: not an answer to this call; -EMSGSIZE: endless;
 *                -ECONNRESET: closed before the answer; else -errno. After an error the
 *                connection is of no more use
 */
int client_call(struct client *c, const char *method, json_t *params, long timeout_ms,
                json_t **answer);

#endif
