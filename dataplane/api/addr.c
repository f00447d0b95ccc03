/* SPDX-License-Identifier: BSD-3-Clause */
#include "weir/addr.h"

#include <arpa/inet.h>

char *ip_format(const struct ip_addr *a, char *out)
{
	if (ip_is_v4(a))
		inet_ntop(AF_INET, a->b + 12, out, IP_ADDR_TEXT_MAX);
	else
		inet_ntop(AF_INET6, a->b, out, IP_ADDR_TEXT_MAX);
	return out;
}

bool ip_parse(const char *text, struct ip_addr *out)
{
	be32_t v4;

	if (inet_pton(AF_INET, text, &v4) == 1) {
		*out = ip_from_v4(v4);
		return true;
	}
	return inet_pton(AF_INET6, text, out->b) == 1;
}
