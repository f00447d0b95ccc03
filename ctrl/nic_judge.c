/* SPDX-License-Identifier: BSD-3-Clause */
/* A port beside its profile: one sentence for each difference, with what to do about it. */
#include "nic.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static struct where nowhere(void)
{
	return (struct where){0};
}

/* ---- conditions of traps ----------------------------------------------------------------- */

static bool text_field(const char *field, const struct nic_port *p, const char **out)
{
	if (strcmp(field, "device") == 0)
		*out = p->device;
	else if (strcmp(field, "driver") == 0)
		*out = p->driver;
	else if (strcmp(field, "steering") == 0)
		*out = p->steering;
	else
		return false;
	return true;
}

static bool number_field(const char *field, const struct nic_port *p, uint64_t *out)
{
	const struct {
		const char *name;
		uint64_t value;
	} fields[] = {
		{"workers", p->workers},     {"mtu", p->mtu},           {"rx_queues", p->rx_queues},
		{"tx_queues", p->tx_queues}, {"rx_descs", p->rx_descs}, {"tx_descs", p->tx_descs},
	};

	for (unsigned i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
		if (strcmp(fields[i].name, field) == 0)
			return *out = fields[i].value, true;
	return false;
}

static char parse_op(const char *op)
{
	static const char *const ops[] = {"<", ">", "=", "!=", "has"};

	for (unsigned i = 0; i < sizeof(ops) / sizeof(ops[0]); i++)
		if (strcmp(op, ops[i]) == 0)
			return *op;
	return '\0';
}

bool nic_parse_when(struct arena *a, const char *text, struct nic_when *when)
{
	static const struct nic_port none;
	char *field = arena_dup(a, text), *save = NULL, *op, *value, *end;
	const char *is_text;
	uint64_t number;

	field = strtok_r(field, " ", &save);
	op = strtok_r(NULL, " ", &save);
	value = strtok_r(NULL, "", &save);
	if (!value)
		return false;
	*when = (struct nic_when){.field = field, .op = parse_op(op), .text = value};
	if (text_field(field, &none, &is_text))
		return when->op == 'h' || when->op == '=' || when->op == '!';
	when->number = strtoull(value, &end, 10);
	return number_field(field, &none, &number) && when->op && when->op != 'h' && end != value &&
	       *end == '\0';
}

/* "a=1" is had by "0000:01:00.0,b=2,a=1" and not by "...,aa=1". */
static bool has_arg(const char *device, const char *arg)
{
	size_t len = strlen(arg);

	for (const char *p = strchr(device, ','); p; p = strchr(p, ',')) {
		p++;
		if (strncmp(p, arg, len) == 0 && (p[len] == ',' || p[len] == '\0'))
			return true;
	}
	return false;
}

bool nic_holds(const struct nic_when *when, const struct nic_port *port)
{
	const char *text = NULL;
	uint64_t number = 0;

	if (!when->field)
		return false;
	if (text_field(when->field, port, &text)) {
		if (!text)
			return false;
		if (when->op == 'h')
			return has_arg(text, when->text);
		return (strcmp(text, when->text) == 0) == (when->op == '=');
	}
	/* what is not known is no trap */
	if (!number_field(when->field, port, &number) || number == 0)
		return false;
	switch (when->op) {
	case '<': return number < when->number;
	case '>': return number > when->number;
	case '=': return number == when->number;
	default: return number != when->number;
	}
}

/* ---- differences ------------------------------------------------------------------------- */

/* A card that could spread packets over the workers and does not: packets go from worker to worker. */
static void judge_steering(const struct nic *n, const struct nic_port *p, struct diag_list *diags)
{
	if (!n->rss || p->workers < 2 || !p->steering || strcmp(p->steering, "rss") == 0)
		return;
	if (p->rx_queues_max && p->rx_queues_max < p->workers)
		diag_warn(diags, nowhere(), "NIC_QUEUES",
		          "port %s: this %s card has %u receive queues and the node %u workers, so "
		          "workers hand packets to each other; give the node at most %u workers",
		          p->name, n->family, p->rx_queues_max, p->workers, p->rx_queues_max);
	else if (p->rx_queues > 1 && p->rx_queues != p->workers)
		diag_warn(diags, nowhere(), "NIC_QUEUES",
		          "port %s: rx_queues is %u and the node has %u workers, so workers hand "
		          "packets to each other; take rx_queues out",
		          p->name, p->rx_queues, p->workers);
	else
		diag_warn(
			diags, nowhere(), "NIC_STEERING",
			"port %s: %s cards spread packets over the workers, and this one does not "
			"(hash key of %u bytes, table of %u entries), so workers hand packets to "
			"each other; compare driver and firmware: weir-nic facts %s",
			p->name, n->family, p->key_bytes, p->reta_size, n->family);
}

static bool knows_reta(const struct nic *n, uint32_t size)
{
	for (uint32_t i = 0; i < n->n_retas; i++)
		if (n->retas[i] == size)
			return true;
	return n->n_retas == 0;
}

static void judge_hash(const struct nic *n, const struct nic_port *p, struct diag_list *diags)
{
	if (n->key_bytes && p->key_bytes && n->key_bytes != p->key_bytes)
		diag_warn(diags, nowhere(), "NIC_RSS_KEY",
		          "port %s: the driver's hash key has %u bytes and the profile of %s says "
		          "%u; the profile is of another version of DPDK: see weir-nic facts %s",
		          p->name, p->key_bytes, n->family, n->key_bytes, n->family);
	if (p->reta_size && !knows_reta(n, p->reta_size))
		diag_warn(
			diags, nowhere(), "NIC_RETA",
			"port %s: the driver's hash table has %u entries, which the profile of %s "
			"does not know; see weir-nic facts %s",
			p->name, p->reta_size, n->family, n->family);
}

static void judge_descs(const struct nic *n, const struct nic_port *p, const char *key,
                        struct diag_list *diags)
{
	bool rx = *key == 'r';
	uint32_t got = rx ? p->rx_descs : p->tx_descs, advised = rx ? n->rx_descs : n->tx_descs;

	if (!got || !n->descs_high || (got >= n->descs_low && got <= n->descs_high))
		return;
	diag_warn(diags, nowhere(), "NIC_DESCRIPTORS",
	          "port %s: %s is %u, and %u to %u is advised for %s: %s; give %s: %u", p->name,
	          key, got, n->descs_low, n->descs_high, n->family,
	          got < n->descs_low ? "a burst may not fit" : "queues that long leave the caches",
	          key, advised);
}

/* Less than the family can, though the node file allows it. More is no complaint. */
static void judge_level(const struct nic *n, const struct nic_port *p, struct diag_list *diags)
{
	enum offload_level wanted = n->level < p->allowed ? n->level : p->allowed;

	if (p->level >= wanted)
		return;
	diag_warn(diags, nowhere(), "NIC_OFFLOAD",
	          "port %s: the card takes rules of level %s only, and %s cards take %s; weirctl "
	          "offload says why, weir-nic facts %s what firmware and arguments it wants",
	          p->name, offload_level_name(p->level), n->family, offload_level_name(wanted),
	          n->family);
}

static void judge_traps(const struct nic *n, const struct nic_port *p, struct diag_list *diags)
{
	for (uint32_t i = 0; i < n->n_traps; i++)
		if (nic_holds(&n->traps[i].when, p))
			diag_warn(diags, nowhere(), "NIC_TRAP", "port %s (%s): %s; %s", p->name,
			          n->family, n->traps[i].what, n->traps[i].remedy);
}

void nic_judge(const struct nic *nic, const struct nic_port *port, struct diag_list *diags)
{
	judge_steering(nic, port, diags);
	judge_hash(nic, port, diags);
	judge_descs(nic, port, "rx_descs", diags);
	judge_descs(nic, port, "tx_descs", diags);
	judge_level(nic, port, diags);
	judge_traps(nic, port, diags);
}
