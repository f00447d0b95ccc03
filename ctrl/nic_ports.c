/* SPDX-License-Identifier: BSD-3-Clause */
#include "nic_ports.h"

#include "nic.h"

#include "weir/dataplane.h"

#include <limits.h>

static void judge_port(const struct nic_list *l, const struct node *node, uint32_t i,
                       struct diag_list *diags)
{
	struct port_status st;
	const struct nic *nic;
	struct nic_port port;

	if (!dataplane_port(i, &st))
		return;
	nic = nic_find(l, st.driver);
	if (!nic)
		return;
	port = (struct nic_port){.name = st.name,
	                         .device = st.device,
	                         .driver = st.driver,
	                         .steering = st.steering,
	                         .workers = node->n_workers,
	                         .rx_queues = st.rx_queues,
	                         .tx_queues = st.tx_queues,
	                         .rx_queues_max = st.rx_queues_max,
	                         .rx_descs = st.rx_descs,
	                         .tx_descs = st.tx_descs,
	                         .mtu = node->ports[i].mtu,
	                         .level = (enum offload_level)st.offload,
	                         .allowed = (enum offload_level)node->offload.level,
	                         .key_bytes = st.rss_key_bytes,
	                         .reta_size = st.reta_size};
	nic_judge(nic, &port, diags);
}

/* A profile is a help, not a part of the node: what is wrong with one is a warning. */
static void tell_bad(struct diag_list *bad, struct diag_list *diags)
{
	for (uint32_t i = 0; i < bad->n; i++) {
		const struct diag *d = &bad->items[i];

		diag_warn(diags, (struct where){.file = d->file, .line = d->line, .col = d->col},
		          "NIC_PROFILE", "%s; the profile is not used", d->text);
	}
	diag_fini(bad);
}

void nic_ports_judge(const struct node *node, struct diag_list *diags)
{
	struct diag_list bad = {0};
	char folder[PATH_MAX];
	struct nic_list l;

	nic_folder(folder, sizeof(folder));
	if (!*folder)
		return;
	nic_read(&l, folder, &bad);
	tell_bad(&bad, diags);
	for (uint32_t i = 0; i < dataplane_ports(); i++)
		judge_port(&l, node, i, diags);
	nic_fini(&l);
}
