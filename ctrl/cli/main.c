/* SPDX-License-Identifier: BSD-3-Clause */
#include "session.h"

int main(int argc, char *argv[])
{
	return session_main(argc, argv);
}
