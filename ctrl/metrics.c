/* SPDX-License-Identifier: BSD-3-Clause */
#include "metrics.h"

#include "log.h"
#include "report.h"

#include <arpa/inet.h>
#include <errno.h>
#include <microhttpd.h>
#include <stdlib.h>
#include <string.h>

#define CONNECTIONS_MAX 64
#define IDLE_SECONDS    10

/* ---- pages ------------------------------------------------------------------------------ */

/* Writes a page; returns its HTTP status. */
typedef unsigned page_fn(const struct control *c, FILE *out);

static unsigned write_metrics(const struct control *c, FILE *out)
{
	json_t *status = report_status(c), *stats = report_stats(c, NULL);
	json_t *drops = report_drops(), *counters = report_counters();
	json_t *offload = report_offload();
	bool good = status && stats && drops && counters && offload;

	if (good) {
		metrics_write(out, status, stats, drops, counters);
		metrics_write_offload(out, offload);
	}
	json_decref(offload);
	json_decref(status);
	json_decref(stats);
	json_decref(drops);
	json_decref(counters);
	return good ? MHD_HTTP_OK : MHD_HTTP_INTERNAL_SERVER_ERROR;
}

/* Alive: the control loop answers. */
static unsigned write_health(const struct control *c, FILE *out)
{
	(void)c;
	fputs("ok\n", out);
	return MHD_HTTP_OK;
}

/* Ready for new clients: every worker has the documents, and the node does not drain. */
static unsigned write_ready(const struct control *c, FILE *out)
{
	bool ready = c->in_effect && !dataplane_draining() && !c->stopping;

	fputs(ready ? "ready\n" : c->in_effect ? "draining\n" : "starting\n", out);
	return ready ? MHD_HTTP_OK : MHD_HTTP_SERVICE_UNAVAILABLE;
}

static unsigned write_home(const struct control *c, FILE *out)
{
	json_t *status = report_status(c);

	fputs("weir\n\n/metrics  for Prometheus\n/healthz  is it alive\n/readyz   may it get "
	      "traffic\n\n",
	      out);
	if (status)
		json_dumpf(status, out, JSON_INDENT(2));
	fputc('\n', out);
	json_decref(status);
	return MHD_HTTP_OK;
}

static unsigned write_missing(const struct control *c, FILE *out)
{
	(void)c;
	fputs("no such page; try / or /metrics\n", out);
	return MHD_HTTP_NOT_FOUND;
}

static const struct {
	const char *path, *type;
	page_fn *write;
} pages[] = {
	{"/metrics", "text/plain; version=0.0.4; charset=utf-8", write_metrics},
	{"/healthz", "text/plain; charset=utf-8", write_health},
	{"/readyz", "text/plain; charset=utf-8", write_ready},
	{"/", "text/plain; charset=utf-8", write_home},
	{NULL, "text/plain; charset=utf-8", write_missing}, /* any other path; stays last */
};

static enum MHD_Result respond(struct MHD_Connection *connection, const struct control *c,
                               const char *path)
{
	struct MHD_Response *response;
	enum MHD_Result result;
	char *text = NULL;
	size_t len = 0, i = 0;
	unsigned status;
	FILE *out = open_memstream(&text, &len);

	if (!out)
		return MHD_NO;
	while (pages[i].path && strcmp(pages[i].path, path) != 0)
		i++;
	status = pages[i].write(c, out);
	fclose(out);
	response = MHD_create_response_from_buffer(len, text, MHD_RESPMEM_MUST_FREE);
	if (!response) {
		free(text);
		return MHD_NO;
	}
	MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, pages[i].type);
	result = MHD_queue_response(connection, status, response);
	MHD_destroy_response(response);
	return result;
}

static enum MHD_Result refuse_method(struct MHD_Connection *connection)
{
	static char text[] = "GET and HEAD only\n";
	struct MHD_Response *response =
		MHD_create_response_from_buffer(sizeof(text) - 1, text, MHD_RESPMEM_PERSISTENT);
	enum MHD_Result result;

	if (!response)
		return MHD_NO;
	MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, "GET, HEAD");
	result = MHD_queue_response(connection, MHD_HTTP_METHOD_NOT_ALLOWED, response);
	MHD_destroy_response(response);
	return result;
}

/* NOLINTBEGIN(readability-function-size,readability-non-const-parameter): libmicrohttpd's type */
static enum MHD_Result handle(void *arg, struct MHD_Connection *connection, const char *url,
                              const char *method, const char *version, const char *data,
                              size_t *data_size, void **state)
{
	const struct metrics *m = arg;

	(void)version;
	(void)data;
	(void)data_size;
	(void)state;
	if (strcmp(method, MHD_HTTP_METHOD_GET) != 0 && strcmp(method, MHD_HTTP_METHOD_HEAD) != 0)
		return refuse_method(connection);
	return respond(connection, m->control, url);
}
/* NOLINTEND(readability-function-size,readability-non-const-parameter) */

/* ---- the loop --------------------------------------------------------------------------- */

static void run(struct metrics *m);

static void run_timer(uv_timer_t *timer)
{
	run(timer->data);
}

static void run_poll(uv_poll_t *poll, int status, int events)
{
	(void)status;
	(void)events;
	run(poll->data);
}

static void run(struct metrics *m)
{
	MHD_UNSIGNED_LONG_LONG timeout_ms;

	MHD_run(m->daemon);
	if (MHD_get_timeout(m->daemon, &timeout_ms) == MHD_YES)
		uv_timer_start(&m->timer, run_timer, timeout_ms, 0);
	else
		uv_timer_stop(&m->timer);
}

/* ---- start and end ---------------------------------------------------------------------- */

/* "address:port" or "[address]:port" */
static bool parse_address(const char *text, struct sockaddr_storage *out)
{
	const char *colon = strrchr(text, ':');
	char host[IP_ADDR_TEXT_MAX + 2];
	struct ip_addr addr;
	size_t len;
	long port;

	if (!colon || (size_t)(colon - text) >= sizeof(host))
		return false;
	len = (size_t)(colon - text);
	memcpy(host, text, len);
	host[len] = '\0';
	if (len > 2 && host[0] == '[' && host[len - 1] == ']') {
		memmove(host, host + 1, len - 2);
		host[len - 2] = '\0';
	}
	port = strtol(colon + 1, NULL, 10);
	if (!ip_parse(host, &addr) || port < 1 || port > 65535)
		return false;
	memset(out, 0, sizeof(*out));
	if (ip_is_v4(&addr)) {
		struct sockaddr_in *in = (struct sockaddr_in *)out;

		in->sin_family = AF_INET;
		in->sin_port = htons((uint16_t)port);
		in->sin_addr.s_addr = addr.w[3];
	} else {
		struct sockaddr_in6 *in = (struct sockaddr_in6 *)out;

		in->sin6_family = AF_INET6;
		in->sin6_port = htons((uint16_t)port);
		memcpy(&in->sin6_addr, addr.b, 16);
	}
	return true;
}

int metrics_open(struct metrics *m, struct control *c, const char *address, char *err,
                 size_t err_size)
{
	const union MHD_DaemonInfo *info;
	struct sockaddr_storage at;
	unsigned flags = MHD_USE_EPOLL;

	*m = (struct metrics){.control = c};
	if (!parse_address(address, &at)) {
		snprintf(err, err_size, "metrics.address \"%s\" is not address:port", address);
		return -EINVAL;
	}
	if (at.ss_family == AF_INET6)
		flags |= MHD_USE_IPv6;
	m->daemon = MHD_start_daemon(flags, 0, NULL, NULL, handle, m, MHD_OPTION_SOCK_ADDR, &at,
	                             MHD_OPTION_CONNECTION_LIMIT, (unsigned)CONNECTIONS_MAX,
	                             MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)IDLE_SECONDS,
	                             MHD_OPTION_LISTENING_ADDRESS_REUSE, 1u, MHD_OPTION_END);
	if (!m->daemon) {
		snprintf(err, err_size, "metrics.address %s cannot be listened on: %s", address,
		         strerror(errno));
		return -EADDRINUSE;
	}
	info = MHD_get_daemon_info(m->daemon, MHD_DAEMON_INFO_EPOLL_FD);
	uv_timer_init(c->loop, &m->timer);
	uv_poll_init(c->loop, &m->poll, info->epoll_fd);
	m->timer.data = m;
	m->poll.data = m;
	uv_poll_start(&m->poll, UV_READABLE, run_poll);
	log_info("metrics", "address=%s", address);
	return 0;
}

void metrics_close(struct metrics *m)
{
	if (!m->daemon)
		return;
	uv_close((uv_handle_t *)&m->poll, NULL);
	uv_close((uv_handle_t *)&m->timer, NULL);
	MHD_stop_daemon(m->daemon);
	m->daemon = NULL;
}
