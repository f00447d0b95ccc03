/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Any bytes from a client of the control socket, to a whole control plane over the fake data plane:
 * every message is answered at most once, and nothing is left waiting. The first byte says in which
 * pieces the rest arrives.
 */
#include "control.h"
#include "fake_dataplane.h"
#include "log.h"
#include "methods.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MESSAGE_LIMIT 65536

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* One control plane for all inputs: what one input applies, the next one finds. */
static struct {
	uv_loop_t loop;
	struct conf *conf;
	struct control control;
	char dir[32];
} plane;

struct sink {
	struct rpc_sink sink;
	uint32_t waiting;
};

static void remove_dir(void)
{
	char command[64];

	snprintf(command, sizeof(command), "rm -rf %s", plane.dir);
	if (system(command) != 0)
		fprintf(stderr, "%s was not removed\n", plane.dir);
}

static void start_plane(void)
{
	struct diag_list diags = {0};
	char text[256], err[256];

	log_set_level(LOG_LEVEL_ERROR);
	strcpy(plane.dir, "/tmp/weir-fuzz-XXXXXX");
	if (!mkdtemp(plane.dir))
		abort();
	atexit(remove_dir);
	snprintf(text, sizeof(text),
	         "ports: [{device: fake}]\nworkers: [0, 0]\nstate: {directory: %s/state}\n"
	         "limits: {destinations: 64, endpoints: 64}\n",
	         plane.dir);
	plane.conf = conf_read_text("fuzz", text, strlen(text), &diags);
	uv_loop_init(&plane.loop);
	if (!plane.conf ||
	    control_open(&plane.control, plane.conf, &plane.loop, err, sizeof(err)) < 0 ||
	    dataplane_start(&plane.conf->node, plane.control.current, err, sizeof(err)) < 0)
		abort();
	control_run(&plane.control);
}

static void take_answer(struct rpc_sink *sink, char *line, size_t len)
{
	struct sink *s = (struct sink *)sink;

	if (s->waiting == 0 || (line && (len == 0 || line[len - 1] != '\n')))
		abort();
	s->waiting--;
	free(line);
}

static void feed(struct sink *s, struct rpc_lines *lines, const char *data, size_t len)
{
	size_t at = 0, line_len;
	const char *line;

	if (rpc_lines_add(lines, data, len) != RPC_LINES_OK)
		abort();
	while ((line = rpc_lines_next(lines, &at, &line_len))) {
		s->waiting++;
		rpc_accept(line, line_len, methods_handle, &plane.control, &s->sink);
	}
	if (rpc_lines_drop(lines, at) == RPC_LINES_TOO_LONG) {
		s->waiting++;
		rpc_refuse(&s->sink, RPC_TOO_LARGE, "too long");
		rpc_lines_fini(lines);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sink sink = {{take_answer}, 0};
	struct rpc_lines lines;
	size_t piece = size > 0 ? data[0] % 97 + 1u : 1;

	if (!plane.conf)
		start_plane();
	rpc_lines_init(&lines, MESSAGE_LIMIT);
	for (size_t at = 1; at < size; at += piece) {
		size_t left = size - at;

		feed(&sink, &lines, (const char *)data + at, left < piece ? left : piece);
	}
	feed(&sink, &lines, "\n", 1);
	while (sink.waiting > 0)
		uv_run(&plane.loop, UV_RUN_ONCE);
	rpc_lines_fini(&lines);
	return 0;
}
