/* SPDX-License-Identifier: BSD-3-Clause */
/* Any bytes as a response from an endpoint, to HEAD and to anything else. */
#include "http1_check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	(void)http1_check_response(data, size, false);
	(void)http1_check_response(data, size, true);
	return 0;
}
