/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The node file (weir.yaml): what this machine has and how Weir runs on it. One table, conf.def, is
 * behind the parser, the defaults, the range checks, --help-config, the reference page and the
 * manual page. Routing is not in it; that is in Istio documents.
 */
#ifndef WEIR_CONF_H
#define WEIR_CONF_H

#include "arena.h"
#include "diag.h"

#include "weir/node.h"

#include <stdio.h>

#define CONF_LISTENERS_MAX 64
#define CONF_GATEWAYS_MAX  2
#define CONF_EAL_ARGS_MAX  32

struct conf_route {
	struct node_prefix to;
	struct ip_addr via;
};

/* A port as written; conf_read_text() flattens gateways and routes into conf.node. */
struct conf_port {
	struct node_port node;
	uint32_t n_gateways, n_routes;
	struct ip_addr gateways[CONF_GATEWAYS_MAX];
	struct conf_route routes[NODE_ROUTES_MAX];
};

struct conf_listener {
	struct ip_addr addr; /* all zero: any address of ours */
	uint16_t port;       /* host order */
};

struct conf {
	struct arena arena; /* every text below */
	struct node node;   /* what the data plane needs */
	uint32_t n_ports, n_listeners, n_eal_args;
	struct conf_port ports[NODE_PORTS_MAX];
	struct conf_listener listeners[CONF_LISTENERS_MAX];
	const char *eal_args[CONF_EAL_ARGS_MAX + 1];
	const char *routing_directory; /* "": none */
	const char *ns, *domain;
	bool strict_gateways, accept_http10;
	uint64_t resolve_us;
	const char *state_directory;
	const char *control_socket, *control_group;
	uint32_t control_mode;
	uint64_t message_limit;
	const char *metrics_address; /* "": none */
	uint32_t log_level;          /* enum log_level */
};

enum conf_page {
	CONF_PAGE_TEXT,
	CONF_PAGE_MARKDOWN,
	CONF_PAGE_MAN,
};

/**
 * Read a node file.
 *
 * @param file   name for messages
 * @param diags  gets every error
 * @return       the configuration (free it with conf_free()), or NULL when diags got an error
 */
struct conf *conf_read_text(const char *file, const char *text, size_t len,
                            struct diag_list *diags);

/** The same from a file; not being able to read it is an error in diags. */
struct conf *conf_read_file(const char *path, struct diag_list *diags);

void conf_free(struct conf *conf);

/** Write every key with its type, range, default and help. */
void conf_write_page(enum conf_page page, FILE *out);

#endif
