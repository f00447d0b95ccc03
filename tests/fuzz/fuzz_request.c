/* SPDX-License-Identifier: BSD-3-Clause */
/* Any bytes as a request from a client. */
#include "http1_check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	(void)http1_check_request(data, size);
	return 0;
}
