/* SPDX-License-Identifier: BSD-3-Clause */
#include "place.h"

#include <dirent.h>
#include <linux/mempolicy.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define HUGE_BYTES (2u << 20) /* a huge page of x86-64, and of arm64 with pages of 4 KiB */
#define NODES_MAX  64         /* that the mask of place_map() has room for */

int place_of_cpu(const char *system, unsigned int cpu)
{
	int socket = PLACE_UNKNOWN, end;
	const struct dirent *e;
	char path[256];
	DIR *d;

	snprintf(path, sizeof(path), "%s/cpu/cpu%u", system, cpu);
	d = opendir(path);
	if (!d)
		return PLACE_UNKNOWN;
	while (socket == PLACE_UNKNOWN && (e = readdir(d))) {
		int n = 0;

		end = 0;
		if (sscanf(e->d_name, "node%d%n", &n, &end) == 1 && e->d_name[end] == '\0' &&
		    n >= 0)
			socket = n;
	}
	closedir(d);
	return socket;
}

/* Numbers of the bits that are set, as people write them: "0-3, 5". */
static void write_numbers(uint64_t bits, char *out, size_t size)
{
	size_t used = 0;

	out[0] = '\0';
	for (unsigned int i = 0, last; i < 64 && used < size; i = last + 1) {
		last = i;
		if (!(bits >> i & 1))
			continue;
		while (last < 63 && bits >> (last + 1) & 1)
			last++;
		used += (size_t)snprintf(out + used, size - used, last > i ? "%s%u-%u" : "%s%u",
		                         used ? ", " : "", i, last);
	}
}

bool place_tell_port(const char *name, int port, const int *workers, uint64_t pollers, char *out,
                     size_t size)
{
	char numbers[256];
	uint64_t far = 0;

	for (unsigned int w = 0; w < 64; w++)
		if (pollers >> w & 1 && place_is_far(workers[w], port))
			far |= 1ull << w;
	if (!far)
		return false;
	write_numbers(far, numbers, sizeof(numbers));
	snprintf(
		out, size,
		"port %s is on NUMA socket %d and worker%s %s, polling it, on another: each packet "
		"crosses between sockets; give the node CPUs of socket %d (lscpu) as workers",
		name, port, far & (far - 1) ? "s" : "", numbers, port);
	return true;
}

void place_tell_buffers(unsigned int socket, char *out, size_t size)
{
	snprintf(out, size,
	         "packet buffers for the workers on NUMA socket %u lie on another, for it has too "
	         "few "
	         "free hugepages; reserve more in "
	         "/sys/devices/system/node/node%u/hugepages/hugepages-2048kB/nr_hugepages",
	         socket, socket);
}

/* A kernel without NUMA refuses, and has no other place. */
static void prefer(void *memory, size_t bytes, int socket)
{
	unsigned long mask = 1ul << socket;

	syscall(SYS_mbind, memory, bytes, MPOL_PREFERRED, &mask, (unsigned long)NODES_MAX + 1, 0u);
}

void *place_map(size_t bytes, int socket)
{
	void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
	                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (memory == MAP_FAILED)
		return NULL;
	if (socket >= 0 && socket < NODES_MAX)
		prefer(memory, bytes, socket);
	if (bytes >=
	    HUGE_BYTES) /* tables are looked at all over: a miss of the TLB each, in small pages */
		madvise(memory, bytes, MADV_HUGEPAGE);
	return memory;
}

void place_unmap(void *memory, size_t bytes)
{
	if (memory)
		munmap(memory, bytes);
}
