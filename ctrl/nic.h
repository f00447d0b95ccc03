/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What is known of families of network cards: the profiles in drivers-cfg/, and how a port that is open
 * compares with its profile.
 *
 * A profile says what a driver of DPDK can do and which settings go wrong with it; none of it decides what
 * the data plane does, which asks the device itself. So a profile that is missing is no error, and what
 * differs is told as a warning. drivers-cfg/README.md describes the files.
 */
#ifndef WEIR_NIC_H
#define WEIR_NIC_H

#include "arena.h"
#include "diag.h"

#include "weir/offload.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NIC_NAMES_MAX 4  /* drivers of a family */
#define NIC_RETAS_MAX 16 /* sizes that its hash tables may have */

/* "mtu > 1460", "device has mprq_en=1": when a trap is one. field NULL: always, so nobody is warned. */
struct nic_when {
	const char *field;
	char op; /* < > = ! (is not) h (has) */
	const char *text;
	uint64_t number;
};

struct nic_trap {
	const char *what, *remedy, *source;
	struct nic_when when;
};

struct nic {
	const char *family;
	uint32_t n_drivers, n_retas, n_traps;
	const char *drivers[NIC_NAMES_MAX]; /* as ethdev names them */
	uint32_t rx_queues;
	uint32_t descs_low, descs_high; /* what is advised; 0: not said */
	uint32_t rx_descs, tx_descs;    /* to be set */
	uint32_t key_bytes;             /* of the hash; 0: it has none, or does not say */
	uint32_t retas[NIC_RETAS_MAX];
	bool rss;                 /* the device spreads packets over workers itself */
	enum offload_level level; /* that rules of Weir are expected to reach on the family */
	const struct nic_trap *traps;
};

struct nic_list {
	struct arena arena; /* everything */
	uint32_t n;
	struct nic *v;
};

/* A port as it is. What is 0 or NULL is not known, except the levels. */
struct nic_port {
	const char *name, *device, *driver, *steering;
	enum offload_level level;   /* as found; OFFLOAD_LEVELS: not asked */
	enum offload_level allowed; /* by the node file */
	uint32_t workers, rx_queues, tx_queues, rx_queues_max;
	uint32_t rx_descs, tx_descs, mtu;
	uint32_t key_bytes, reta_size;
};

/**
 * Where the profiles are: WEIR_DRIVERS_CFG when it is set; else, seen from this program, the installed
 * folder or that of a build.
 *
 * @param out  receives the path; empty when there is none
 */
void nic_folder(char *out, size_t size);

/**
 * Read every profile (*.yaml) of a folder. One that is not as drivers-cfg/README.md says is left out.
 *
 * @param diags  gets what is wrong with them, with file, line and column
 */
void nic_read(struct nic_list *l, const char *folder, struct diag_list *diags);

void nic_fini(struct nic_list *l);

/** The profile of a driver, or NULL. */
const struct nic *nic_find(const struct nic_list *l, const char *driver);

/** Add a warning to diags for everything in which the port differs from its profile. */
void nic_judge(const struct nic *nic, const struct nic_port *port, struct diag_list *diags);

/** Is the condition of a trap true of this port? */
bool nic_holds(const struct nic_when *when, const struct nic_port *port);

/** Read "mtu > 1460" into when. Returns false when it is none, or of a field that a port has not. */
bool nic_parse_when(struct arena *a, const char *text, struct nic_when *when);

#endif
