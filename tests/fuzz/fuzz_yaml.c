/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Any bytes as documents. What was read without an error is written as YAML and must read back
 * as the same objects: so the reader, the checks and the writer are all under test.
 */
#include "docset.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_back(const struct docset *set)
{
	struct docset *again = docset_new();
	struct diag_list diags = {0};
	char *text;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	if (!out)
		abort();
	docset_emit(set, out);
	fclose(out);
	if (docset_read_text(again, "again", text, len, NULL, &diags) != 0 ||
	    docset_count(again) != docset_count(set))
		abort();
	for (uint32_t i = 0; i < docset_count(set); i++)
		if (!docset_same(docset_at(set, i), docset_at(again, i)))
			abort();
	free(text);
	diag_fini(&diags);
	docset_free(again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct docset *set = docset_new();
	struct diag_list diags = {0};

	int r = docset_read_text(set, "fuzz", (const char *)data, size, "default", &diags);

	for (uint32_t i = 0; i < diags.n; i++)
		if (!diag_format(&diags, &diags.items[i]))
			abort();
	if (r == 0)
		read_back(set);
	diag_fini(&diags);
	docset_free(set);
	return 0;
}
