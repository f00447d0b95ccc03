/* SPDX-License-Identifier: BSD-3-Clause */
/* The ports that are open, each beside the profile of its card (nic.h). */
#ifndef WEIR_NIC_PORTS_H
#define WEIR_NIC_PORTS_H

#include "diag.h"

#include "weir/node.h"

/**
 * Add a warning for everything in which a port differs from its profile, and for every profile that cannot
 * be read. The data plane runs. A folder or a profile that is missing is no warning.
 */
void nic_ports_judge(const struct node *node, struct diag_list *diags);

#endif
