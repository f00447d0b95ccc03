/* SPDX-License-Identifier: BSD-3-Clause */
#include "eal.h"

#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_log.h>

#include <dlfcn.h>
#include <errno.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ARGS_MAX    64
#define TEXT_MAX    8192
#define NO_HUGE_MIB 64 /* EAL's own needs, above what pools and rings take */
#define HUGE_FOLDER "/sys/kernel/mm/hugepages/hugepages-"

/* The command line under construction: the words lie one after the other in text. */
struct args {
	char *v[ARGS_MAX + 1];
	int n;
	size_t used;
	char text[TEXT_MAX];
	bool full;
};

__attribute__((format(printf, 2, 3))) static void add(struct args *a, const char *format, ...)
{
	size_t left = sizeof(a->text) - a->used;
	va_list ap;
	int len;

	va_start(ap, format);
	len = vsnprintf(a->text + a->used, left, format, ap);
	va_end(ap);
	if (len < 0 || (size_t)len >= left || a->n == ARGS_MAX) {
		a->full = true;
		return;
	}
	a->v[a->n++] = a->text + a->used;
	a->used += (size_t)len + 1;
}

/* ---- CPUs -------------------------------------------------------------------------------- */

static bool is_worker_cpu(const struct node *node, int cpu)
{
	for (uint32_t w = 0; w < node->n_workers; w++)
		if (node->worker_cores[w] == cpu)
			return true;
	return false;
}

bool eal_is_crowded(const struct node *node)
{
	for (uint32_t w = 1; w < node->n_workers; w++)
		for (uint32_t v = 0; v < w; v++)
			if (node->worker_cores[v] == node->worker_cores[w])
				return true;
	return false;
}

/* CPUs of the control thread, as "0,2,3": those of the process without the workers', or all. */
static void control_cpus(const struct node *node, char *out, size_t size)
{
	size_t used = 0;
	cpu_set_t set;
	int spare = 0;

	CPU_ZERO(&set);
	sched_getaffinity(0, sizeof(set), &set);
	for (int cpu = 0; cpu < CPU_SETSIZE; cpu++)
		spare += CPU_ISSET(cpu, &set) && !is_worker_cpu(node, cpu);
	out[0] = '\0';
	for (int cpu = 0; cpu < CPU_SETSIZE && used + 8 < size; cpu++)
		if (CPU_ISSET(cpu, &set) && (spare == 0 || !is_worker_cpu(node, cpu)))
			used += (size_t)snprintf(out + used, size - used, "%s%d", used ? "," : "",
			                         cpu);
}

static void add_lcores(struct args *a, const struct node *node)
{
	char text[4096], cpus[1024];
	size_t used;

	control_cpus(node, cpus, sizeof(cpus));
	used = (size_t)snprintf(text, sizeof(text), "0@(%s)", cpus);
	for (uint32_t w = 0; w < node->n_workers && used < sizeof(text); w++)
		used += (size_t)snprintf(text + used, sizeof(text) - used, ",%u@%u", eal_lcore(w),
		                         node->worker_cores[w]);
	add(a, "--lcores");
	add(a, "%s", text);
	add(a, "--main-lcore");
	add(a, "0");
}

/* ---- memory ------------------------------------------------------------------------------ */

static uint64_t free_huge_mib(uint32_t page_kib)
{
	char path[128];
	unsigned long n = 0;
	FILE *f;

	snprintf(path, sizeof(path), HUGE_FOLDER "%ukB/free_hugepages", page_kib);
	f = fopen(path, "re");
	if (!f)
		return 0;
	if (fscanf(f, "%lu", &n) != 1)
		n = 0;
	fclose(f);
	return (uint64_t)n * page_kib / 1024;
}

static void add_memory(struct args *a, const struct node *node, uint32_t need_mib, char *say,
                       size_t say_size)
{
	bool huge = node->huge;
	uint64_t free_mib = free_huge_mib(2048) + free_huge_mib(1048576);

	if (huge && free_mib < need_mib) {
		snprintf(say, say_size,
		         "running without hugepages: %llu MiB of them are free and %u MiB wanted "
		         "(sysctl vm.nr_hugepages=%u gives enough)",
		         (unsigned long long)free_mib, need_mib, need_mib / 2 + 8);
		huge = false;
	}
	if (!huge)
		add(a, "--no-huge");
	if (!huge || node->memory_mib) {
		add(a, "-m");
		add(a, "%u", node->memory_mib ? node->memory_mib : need_mib + NO_HUGE_MIB);
	}
	/* EAL refuses --in-memory without hugepages; there the memory has no files anyway */
	if (node->in_memory)
		add(a, huge ? "--in-memory" : "--no-shconf");
}

/* ---- devices ----------------------------------------------------------------------------- */

static bool is_pci(const struct node_port *p)
{
	return strncmp(p->device, "net_", 4) != 0;
}

bool eal_has_pci(const struct node *node)
{
	for (uint32_t i = 0; i < node->n_ports; i++)
		if (is_pci(&node->ports[i]))
			return true;
	return false;
}

/* PCI devices are looked for only when one is named, and then only those. */
static void add_devices(struct args *a, const struct node *node)
{
	for (uint32_t i = 0; i < node->n_ports; i++) {
		if (!is_pci(&node->ports[i]))
			continue;
		add(a, "-a");
		add(a, "%s", node->ports[i].device);
	}
	if (eal_has_pci(node))
		return;
	add(a, "--no-pci");
	/* contiguous pools, which AF_XDP's frame area needs; no device reads physical addresses */
	add(a, "--iova-mode=va");
}

/*
 * AF_XDP's libraries write their thoughts to standard error. They come in with DPDK's plugin, so they
 * are asked for by name; both have void *set_print(NULL), which means "say nothing".
 */
static void hush(const char *library, const char *function)
{
	void *handle = dlopen(library, RTLD_LAZY | RTLD_NOLOAD);
	void *(*set_print)(void *) = NULL;
	void *found = handle ? dlsym(handle, function) : NULL;

	memcpy(&set_print, &found, sizeof(found));
	if (set_print)
		set_print(NULL);
	if (handle)
		dlclose(handle);
}

int eal_start(const struct node *node, uint32_t need_mib, char *say, size_t say_size)
{
	struct args *a = calloc(1, sizeof(*a));
	char *words[ARGS_MAX + 1];
	int rc;

	if (!a)
		return -ENOMEM;
	add(a, "weir");
	add_lcores(a, node);
	add_memory(a, node, need_mib, say, say_size);
	add_devices(a, node);
	add(a, "--no-telemetry");
	if (node->file_prefix) {
		add(a, "--file-prefix");
		add(a, "%s", node->file_prefix);
	}
	for (uint32_t i = 0; node->eal_args && node->eal_args[i]; i++)
		add(a, "%s", node->eal_args[i]);
	memcpy(words, a->v, sizeof(words)); /* EAL moves the pointers about */
	rc = a->full ? -E2BIG : rte_eal_init(a->n, words);
	free(a);
	if (rc >= 0) {
		hush("libbpf.so.1", "libbpf_set_print");
		hush("libxdp.so.1", "libxdp_set_print");
		return 0;
	}
	rc = rc == -E2BIG ? rc : -rte_errno;
	snprintf(say, say_size, "DPDK does not start: %s", rte_strerror(-rc));
	return rc ? rc : -EINVAL;
}

void eal_stop(void)
{
	rte_eal_cleanup();
}

/* ---- what DPDK says ---------------------------------------------------------------------- */

void eal_log_begin(struct eal_log *log)
{
	memset(log, 0, sizeof(*log));
	log->stream = open_memstream(&log->text, &log->bytes);
	if (log->stream)
		rte_openlog_stream(log->stream);
	rte_log_set_global_level(RTE_LOG_WARNING);
}

/* What a driver says is nearer to the cause than what EAL says of it afterwards. */
static const char *telling_line(char *text)
{
	const char *best = NULL;
	char *save = NULL;

	for (char *l = strtok_r(text, "\n", &save); l; l = strtok_r(NULL, "\n", &save))
		if (!best || strncmp(l, "EAL: ", 5) != 0 || strncmp(best, "EAL: ", 5) == 0)
			best = l;
	return best;
}

void eal_log_explain(struct eal_log *log, char *err, size_t err_size)
{
	size_t used = strlen(err);
	const char *line;

	if (!log->stream)
		return;
	fflush(log->stream);
	line = log->text ? telling_line(log->text) : NULL;
	if (line)
		snprintf(err + used, err_size - used, "; DPDK says: %s", line);
}

void eal_log_end(struct eal_log *log)
{
	rte_log_set_global_level(RTE_LOG_ERR);
	rte_openlog_stream(NULL);
	if (log->stream)
		fclose(log->stream);
	free(log->text);
	memset(log, 0, sizeof(*log));
}
