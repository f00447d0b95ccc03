/* SPDX-License-Identifier: BSD-3-Clause */
/* The methods of docs/reference/control.md: from a call's params to control and reports, and back. */
#ifndef WEIR_METHODS_H
#define WEIR_METHODS_H

#include "rpc.h"

struct control;

/** rpc_handler with a struct control. */
void methods_handle(void *control, struct rpc_call *call);

#endif
