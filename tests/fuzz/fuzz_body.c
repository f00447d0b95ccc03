/* SPDX-License-Identifier: BSD-3-Clause */
/* Any bytes as a chunked body; how they are cut into pieces depends on the bytes. */
#include "http1_check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint64_t seed = size * 0x9e3779b97f4a7c15ull;
	size_t end;

	for (size_t i = 0; i < size; i++)
		seed = (seed ^ data[i]) * 0x100000001b3ull;
	(void)http1_check_body(data, size, seed, &end);
	return 0;
}
