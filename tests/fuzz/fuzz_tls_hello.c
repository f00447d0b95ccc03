/* SPDX-License-Identifier: BSD-3-Clause */
/* Any bytes as the beginning of a TLS connection; the first two choose the limit and how they trickle in. */
#include "hellos.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 2)
		return 0;
	(void)hello_check(data + 2, size - 2, 16u << (data[0] & 15), data[1]);
	return 0;
}
