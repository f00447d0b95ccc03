/* SPDX-License-Identifier: BSD-3-Clause */
/* Any bytes as a node file: a configuration within its bounds, or errors; never both, never none. */
#include "conf.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct diag_list diags = {0};
	struct conf *c = conf_read_text("fuzz", (const char *)data, size, &diags);

	if ((c == NULL) != (diags.n_errors > 0))
		abort();
	if (c && (c->node.n_ports < 1 || c->node.n_ports > NODE_PORTS_MAX ||
	          c->node.n_workers < 1 || c->node.n_workers > WEIR_WORKERS_MAX ||
	          c->node.n_routes > NODE_ROUTES_MAX || c->n_listeners < 1 || !c->node.eal_args))
		abort();
	for (uint32_t i = 0; c && i < c->node.n_ports; i++)
		if (!c->node.ports[i].device || !c->node.ports[i].name ||
		    c->node.ports[i].mtu < 576 || c->node.ports[i].vlan > 4094)
			abort();
	conf_free(c);
	diag_fini(&diags);
	return 0;
}
