/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * weir: read the node file, load what was applied, start the data plane, serve until told to end.
 *
 * Start: conf -> control (stored set, directory, first snapshot) -> data plane -> socket, metrics.
 * End, on SIGTERM or SIGINT: drain until the last client has gone or times.drain is over, then close
 * in reverse order; a second signal ends the wait. SIGHUP reads the routing directory again.
 */
#include "conf.h"
#include "control.h"
#include "log.h"
#include "methods.h"
#include "metrics.h"
#include "nic_ports.h"
#include "socket.h"
#include "watch.h"

#include "weir/dataplane.h"

#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#define EXIT_USAGE    2
#define DRAIN_POLL_MS 20

struct program {
	struct conf *conf;
	uv_loop_t loop;
	struct control control;
	struct socket_server socket;
	struct metrics metrics;
	struct watch watch;
	uv_signal_t term, interrupt, hangup;
	uv_timer_t drain;
	uint64_t drain_until_ms;
	bool watching, draining, closing;
};

/* ---- the end ---------------------------------------------------------------------------- */

/* Close every handle; the loop ends when they are closed. */
static void close_all(struct program *p)
{
	if (p->closing)
		return;
	p->closing = true;
	socket_close(&p->socket);
	metrics_close(&p->metrics);
	if (p->watching)
		watch_close(&p->watch);
	control_stop(&p->control);
	uv_close((uv_handle_t *)&p->term, NULL);
	uv_close((uv_handle_t *)&p->interrupt, NULL);
	uv_close((uv_handle_t *)&p->hangup, NULL);
	uv_close((uv_handle_t *)&p->drain, NULL);
}

static void check_drained(uv_timer_t *timer)
{
	struct program *p = timer->data;
	uint64_t clients = dataplane_clients();

	if (clients > 0 && uv_now(&p->loop) < p->drain_until_ms)
		return;
	log_info("drained", "clients_left=%" PRIu64, clients);
	close_all(p);
}

static void handle_end(uv_signal_t *signal, int number)
{
	struct program *p = signal->data;

	if (p->draining) {
		log_warning("ending-at-once", "signal=%d clients_left=%" PRIu64, number,
		            dataplane_clients());
		close_all(p);
		return;
	}
	p->draining = true;
	p->drain_until_ms = uv_now(&p->loop) + p->conf->node.times.drain_us / 1000;
	log_info("draining", "signal=%d clients=%" PRIu64 " at_most_ms=%" PRIu64, number,
	         dataplane_clients(), p->conf->node.times.drain_us / 1000);
	dataplane_drain();
	uv_timer_start(&p->drain, check_drained, 0, DRAIN_POLL_MS);
}

static void handle_hangup(uv_signal_t *signal, int number)
{
	struct program *p = signal->data;

	(void)number;
	log_info("hangup", "action=\"read the routing directory again\"");
	control_reload(&p->control);
}

/* ---- the start -------------------------------------------------------------------------- */

static void reload(void *control)
{
	control_reload(control);
}

static void watch_signals(struct program *p)
{
	uv_signal_init(&p->loop, &p->term);
	uv_signal_init(&p->loop, &p->interrupt);
	uv_signal_init(&p->loop, &p->hangup);
	uv_timer_init(&p->loop, &p->drain);
	p->term.data = p->interrupt.data = p->hangup.data = p->drain.data = p;
	uv_signal_start(&p->term, handle_end, SIGTERM);
	uv_signal_start(&p->interrupt, handle_end, SIGINT);
	uv_signal_start(&p->hangup, handle_hangup, SIGHUP);
}

/* Everything that needs a running data plane. Returns 0 or -errno; close_all() undoes it. */
static int open_doors(struct program *p, char *err, size_t err_size)
{
	const struct conf *conf = p->conf;
	const struct socket_config config = {conf->control_socket, conf->control_group,
	                                     conf->control_mode, conf->message_limit};
	int rc;

	control_run(&p->control);
	watch_signals(p);
	rc = socket_open(&p->socket, &p->loop, &config, err, err_size);
	if (rc < 0)
		return rc;
	socket_handle(&p->socket, methods_handle, &p->control);
	if (*conf->metrics_address) {
		rc = metrics_open(&p->metrics, &p->control, conf->metrics_address, err, err_size);
		if (rc < 0)
			return rc;
	}
	if (*conf->routing_directory) {
		watch_open(&p->watch, &p->loop, conf->routing_directory, reload, &p->control);
		p->watching = true;
	}
	return 0;
}

static void log_warnings(struct program *p)
{
	struct diag_list *ports = &p->control.ports;
	char text[512];

	for (uint32_t i = 0; dataplane_warning(i, text, sizeof(text)); i++)
		log_warning("numa", "%s", text);
	nic_ports_judge(&p->conf->node, ports);
	for (uint32_t i = 0; i < ports->n; i++)
		log_warning("nic", "code=%s %s", ports->items[i].code,
		            diag_format(ports, &ports->items[i]));
}

static int serve(struct program *p)
{
	char err[512] = "";
	int rc;

	uv_loop_init(&p->loop);
	rc = control_open(&p->control, p->conf, &p->loop, err, sizeof(err));
	if (rc < 0)
		goto out;
	rc = dataplane_start(&p->conf->node, p->control.current, err, sizeof(err));
	if (rc < 0)
		goto out;
	if (*err)
		log_warning("data-plane", "%s", err);
	log_warnings(p);
	*err = '\0';
	rc = open_doors(p, err, sizeof(err));
	if (rc < 0)
		close_all(p);
	else
		log_info("serving",
		         "version=%s generation=%" PRIu64 " workers=%u ports=%u socket=%s",
		         WEIR_VERSION, p->control.base.generation, p->conf->node.n_workers,
		         p->conf->node.n_ports, p->conf->control_socket);
	uv_run(&p->loop, UV_RUN_DEFAULT);
	dataplane_stop();
out:
	if (rc < 0)
		log_error("cannot-start", "%s", *err ? err : strerror(-rc));
	else
		log_info("ended", "generation=%" PRIu64, p->control.base.generation);
	control_close(&p->control);
	uv_loop_close(&p->loop);
	return rc < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

/* ---- the command line ------------------------------------------------------------------- */

static const char usage[] =
	"usage: weir -c FILE [--check]\n"
	"\n"
	"Load balancer for edge nodes: splits HTTP traffic by Istio documents, on DPDK.\n"
	"\n"
	"  -c, --config FILE         node file (weir.yaml)\n"
	"      --check               read the node file, say what is wrong with it, and end\n"
	"      --help-config[=FORM]  list every key of the node file; FORM: text, markdown, man\n"
	"  -h, --help                this text\n"
	"  -V, --version             the version\n"
	"\n"
	"Signals: TERM and INT finish requests and end, a second one ends at once;\n"
	"HUP reads the routing directory again. Documents are applied with weirctl.\n";

static int help_config(const char *form)
{
	static const char *const forms[] = {"text", "markdown", "man"};

	for (unsigned i = 0; i < 3; i++)
		if (!form || strcmp(form, forms[i]) == 0) {
			conf_write_page((enum conf_page)i, stdout);
			return EXIT_SUCCESS;
		}
	fprintf(stderr, "weir: --help-config=%s: give text, markdown or man\n", form);
	return EXIT_USAGE;
}

static struct conf *read_conf(const char *path)
{
	struct diag_list diags = {0};
	struct conf *conf = conf_read_file(path, &diags);

	diag_print(&diags, stderr);
	diag_fini(&diags);
	return conf;
}

static int run(const char *path, bool check)
{
	struct program *p;
	int code;

	if (!path) {
		fprintf(stderr, "weir: no node file; give one with -c FILE (weir --help)\n");
		return EXIT_USAGE;
	}
	p = calloc(1, sizeof(*p));
	if (!p)
		return EXIT_FAILURE;
	p->conf = read_conf(path);
	code = p->conf ? EXIT_SUCCESS : EXIT_USAGE;
	if (p->conf && check) {
		printf("%s: good\n", path);
	} else if (p->conf) {
		log_set_level((enum log_level)p->conf->log_level);
		code = serve(p);
	}
	conf_free(p->conf);
	free(p);
	return code;
}

int main(int argc, char **argv)
{
	enum {
		OPT_CHECK = 256,
		OPT_HELP_CONFIG
	};
	static const struct option options[] = {
		{"config", required_argument, NULL, 'c'},
		{"check", no_argument, NULL, OPT_CHECK},
		{"help-config", optional_argument, NULL, OPT_HELP_CONFIG},
		{"help", no_argument, NULL, 'h'},
		{"version", no_argument, NULL, 'V'},
		{NULL, 0, NULL, 0}};
	const char *path = NULL;
	bool check = false;
	int opt;

	while ((opt = getopt_long(argc, argv, "c:hV", options, NULL)) != -1) {
		switch (opt) {
		case 'c': path = optarg; break;
		case OPT_CHECK: check = true; break;
		case OPT_HELP_CONFIG: return help_config(optarg);
		case 'h': fputs(usage, stdout); return EXIT_SUCCESS;
		case 'V': puts("weir " WEIR_VERSION); return EXIT_SUCCESS;
		default: return EXIT_USAGE;
		}
	}
	if (optind < argc) {
		fprintf(stderr, "weir: what is \"%s\"? give the node file with -c FILE\n",
		        argv[optind]);
		return EXIT_USAGE;
	}
	/* names are looked up in half of these threads, so slow ones cannot hold up a build */
	setenv("UV_THREADPOOL_SIZE", "8", 0);
	signal(SIGPIPE, SIG_IGN); /* a client that went away is an error of write() */
	return run(path, check);
}
