/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What is the least that waking costs on this machine? One thread waits for an eventfd on a CPU of its own, another
 * writes to it after each interval of silence. Prints the microseconds from before the write to after the wait.
 *
 * wakeup WAITING_CPU WRITING_CPU COUNT INTERVAL_MS
 */
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

struct bed {
	int fd, cpu;
	uint64_t woke_ns; /* sleeper: w, main: r and zeroes */
};

static void on_cpu(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	sched_setaffinity(0, sizeof(set), &set);
}

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

static void *sleeper(void *arg)
{
	struct bed *b = arg;
	uint64_t n;

	on_cpu(b->cpu);
	for (;;) {
		struct pollfd p = {.fd = b->fd, .events = POLLIN};

		poll(&p, 1, -1);
		__atomic_store_n(&b->woke_ns, now_ns(), __ATOMIC_RELEASE);
		if (read(b->fd, &n, sizeof(n)) != sizeof(n))
			return NULL;
	}
}

static double wake(struct bed *b)
{
	const uint64_t one = 1;
	uint64_t start, woke;

	__atomic_store_n(&b->woke_ns, 0, __ATOMIC_RELAXED);
	start = now_ns();
	if (write(b->fd, &one, sizeof(one)) != sizeof(one))
		exit(2);
	while ((woke = __atomic_load_n(&b->woke_ns, __ATOMIC_ACQUIRE)) == 0)
		;
	return (double)(woke - start) / 1000;
}

int main(int argc, char **argv)
{
	struct bed b = {.fd = eventfd(0, 0)};
	pthread_t t;

	if (argc != 5 || b.fd < 0) {
		fprintf(stderr, "usage: wakeup WAITING_CPU WRITING_CPU COUNT INTERVAL_MS\n");
		return 2;
	}
	b.cpu = atoi(argv[1]);
	on_cpu(atoi(argv[2]));
	if (pthread_create(&t, NULL, sleeper, &b))
		return 2;
	for (int i = 0; i < atoi(argv[3]); i++) {
		usleep((unsigned int)atoi(argv[4]) * 1000);
		printf("%.1f\n", wake(&b));
	}
	return 0;
}
