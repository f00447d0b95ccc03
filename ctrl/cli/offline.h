/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What weirctl can do without a daemon: read documents and check them as the daemon would.
 */
#ifndef WEIR_CLI_OFFLINE_H
#define WEIR_CLI_OFFLINE_H

#include "docset.h"
#include "session.h"

/**
 * Read and check the documents of -f.
 *
 * @param set    gets the objects
 * @param diags  gets what is wrong or doubtful; its n_errors says whether the set is good
 * @return       WEIRCTL_OK also when documents are wrong; WEIRCTL_USAGE when a file cannot be read
 */
enum exit_code offline_read(const struct session *s, struct docset *set, struct diag_list *diags);

/** Diagnostics as control.md has them: an array, the caller's. */
json_t *offline_diagnostics(const struct diag_list *diags);

#endif
