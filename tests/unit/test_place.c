/* SPDX-License-Identifier: BSD-3-Clause */
/* Sockets of a machine that is made up: the folders of /sys for CPUs of three sockets. */
#include "place.h"
#include "test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char root[] = "/tmp/weir-place.XXXXXX";
static char text[512];

static const struct {
	unsigned int cpu;
	const char *node; /* as the kernel has it: a link; any entry will do */
	int socket;
} cpus[] = {
	{0, "node0", 0},  {1, "node1", 1},       {2, "node12", 12},
	{3, "power", -1}, {4, "node1extra", -1}, {5, "nodes", -1},
};

#define N_CPUS (sizeof(cpus) / sizeof(cpus[0]))

static void at(char *path, size_t size, unsigned int i, bool with_node)
{
	snprintf(path, size, "%s/cpu/cpu%u%s%s", root, cpus[i].cpu, with_node ? "/" : "",
	         with_node ? cpus[i].node : "");
}

static int make_machine(void **state)
{
	char path[256];

	(void)state;
	if (!mkdtemp(root))
		return -1;
	snprintf(path, sizeof(path), "%s/cpu", root);
	mkdir(path, 0700);
	for (unsigned int i = 0; i < N_CPUS; i++) {
		at(path, sizeof(path), i, false);
		mkdir(path, 0700);
		at(path, sizeof(path), i, true);
		if (mkdir(path, 0700) < 0)
			return -1;
	}
	return 0;
}

static int remove_machine(void **state)
{
	char path[256];

	(void)state;
	for (unsigned int i = 0; i < N_CPUS; i++) {
		at(path, sizeof(path), i, true);
		rmdir(path);
		at(path, sizeof(path), i, false);
		rmdir(path);
	}
	snprintf(path, sizeof(path), "%s/cpu", root);
	rmdir(path);
	return rmdir(root);
}

static void a_cpu_is_on_the_socket_that_the_kernel_says(void **state)
{
	(void)state;
	for (unsigned int i = 0; i < N_CPUS; i++)
		assert_int_equal(place_of_cpu(root, cpus[i].cpu), cpus[i].socket);
	assert_int_equal(place_of_cpu(root, 99), PLACE_UNKNOWN);
	assert_int_equal(place_of_cpu("/nowhere", 0), PLACE_UNKNOWN);
}

static void what_is_unknown_is_near(void **state)
{
	(void)state;
	assert_false(place_is_far(0, 0));
	assert_true(place_is_far(0, 1));
	assert_true(place_is_far(3, 0));
	assert_false(place_is_far(PLACE_UNKNOWN, 1));
	assert_false(place_is_far(1, PLACE_UNKNOWN));
}

static void a_far_port_names_its_workers(void **state)
{
	int workers[64] = {0, 0, 0, 1, 1, 0, PLACE_UNKNOWN};

	(void)state;
	assert_true(place_tell_port("edge0", 1, workers, 0x7f, text, sizeof(text)));
	assert_string_equal(text,
	                    "port edge0 is on NUMA socket 1 and workers 0-2, 5, polling it, on "
	                    "another: each packet crosses between sockets; give the node CPUs "
	                    "of socket 1 (lscpu) as workers");
	assert_true(place_tell_port("edge0", 0, workers, 1u << 4, text, sizeof(text)));
	assert_non_null(strstr(text, "socket 0 and worker 4, polling"));
}

static void who_does_not_poll_does_not_matter(void **state)
{
	int workers[64] = {0, 1};

	(void)state;
	strcpy(text, "untouched");
	assert_false(place_tell_port("edge0", 0, workers, 1, text, sizeof(text)));
	assert_false(place_tell_port("edge0", 1, workers, 2, text, sizeof(text)));
	assert_false(place_tell_port("edge0", 1, workers, 0, text, sizeof(text)));
	assert_false(place_tell_port("memif", PLACE_UNKNOWN, workers, 3, text, sizeof(text)));
	assert_string_equal(text, "untouched");
	assert_true(place_tell_port("edge0", 0, workers, 3, text, sizeof(text)));
}

static void sixty_four_workers(void **state)
{
	int workers[64];

	(void)state;
	for (int w = 0; w < 64; w++)
		workers[w] = w % 2;
	assert_true(place_tell_port("edge0", 0, workers, UINT64_MAX, text, sizeof(text)));
	assert_non_null(strstr(text, "workers 1, 3, 5,"));
	assert_non_null(strstr(text, " 61, 63, polling"));
	for (int w = 0; w < 64; w++)
		workers[w] = 1;
	assert_true(place_tell_port("edge0", 0, workers, UINT64_MAX, text, sizeof(text)));
	assert_non_null(strstr(text, "workers 0-63, polling"));
}

static void missing_buffers_name_the_file_to_write(void **state)
{
	(void)state;
	place_tell_buffers(3, text, sizeof(text));
	assert_non_null(strstr(text, "NUMA socket 3 "));
	assert_non_null(strstr(text, "/node3/hugepages/"));
}

static void a_map_is_zero_whatever_the_socket(void **state)
{
	static const int sockets[] = {PLACE_UNKNOWN, 0, 1, 63, 64};
	size_t bytes = 3 * 4096 + 1;

	(void)state;
	for (size_t i = 0; i < sizeof(sockets) / sizeof(sockets[0]); i++) {
		unsigned char *p = place_map(bytes, sockets[i]);

		assert_non_null(p);
		assert_int_equal((uintptr_t)p % 4096, 0);
		for (size_t k = 0; k < bytes; k += 512)
			assert_int_equal(p[k], 0);
		memset(p, 1, bytes);
		place_unmap(p, bytes);
	}
	place_unmap(NULL, bytes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_cpu_is_on_the_socket_that_the_kernel_says),
		cmocka_unit_test(what_is_unknown_is_near),
		cmocka_unit_test(a_far_port_names_its_workers),
		cmocka_unit_test(who_does_not_poll_does_not_matter),
		cmocka_unit_test(sixty_four_workers),
		cmocka_unit_test(missing_buffers_name_the_file_to_write),
		cmocka_unit_test(a_map_is_zero_whatever_the_socket),
	};

	return cmocka_run_group_tests(tests, make_machine, remove_machine);
}
