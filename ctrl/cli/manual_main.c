/* SPDX-License-Identifier: BSD-3-Clause */
/* weirctl-manual mdoc|markdown: writes the pages that are made from the command table. */
#include "manual.h"

#include <stdio.h>
#include <string.h>

int main(int argc, char *argv[])
{
	if (argc == 2 && strcmp(argv[1], "mdoc") == 0)
		manual_write_mdoc(stdout);
	else if (argc == 2 && strcmp(argv[1], "markdown") == 0)
		manual_write_markdown(stdout);
	else
		return 2;
	return fflush(stdout) ? 1 : 0;
}
