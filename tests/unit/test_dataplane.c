/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * io with another engine (support/echo_worker.c) on a port that loops back: every frame comes to the
 * worker that owns it, whole and once, whatever the number of workers on the one queue; a snapshot is
 * released when it may be; stopping leaves no buffer.
 *
 * usage: test_dataplane WORKERS [DEVICE DEVICE]. EAL starts once a process, so each number is a run of
 * its own. With two devices, what leaves by the first must arrive by the second (tests/net/devices.sh);
 * a real device may lose frames and hold some, so then only what arrives is looked at.
 */
#include "cpu.h"
#include "echo_worker.h"
#include "test.h"

#include "weir/dataplane.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define PATIENCE_MS 20000

static struct node node;
static struct snapshot snapshots[3];
static char err[512];
static bool real_devices;

static void wait_ms(void)
{
	struct timespec ts = {.tv_nsec = 1000000};

	nanosleep(&ts, NULL);
}

static uint64_t counter(enum counter c)
{
	uint64_t n = 0;

	for (uint32_t w = 0; w < dataplane_workers(); w++)
		n += dataplane_stats(w)->counters[c];
	return n;
}

static uint64_t ended(void)
{
	uint64_t n = 0;

	for (uint32_t w = 0; w < dataplane_workers(); w++)
		for (uint32_t i = 0; i < DROP_COUNT; i++)
			n += dataplane_stats(w)->ends[i];
	return n;
}

static bool all_accounted(uint64_t total)
{
	return counter(COUNT_TX_PKTS) + counter(COUNT_TX_FULL) == total &&
	       counter(COUNT_RX_PKTS) == counter(COUNT_TX_PKTS) &&
	       counter(COUNT_RX_PKTS) + counter(COUNT_HANDED_IN) == ended() &&
	       dataplane_pool().in_use == 0;
}

/* The counters of several workers are never read at one instant, so ask for equality that lasts. */
static void wait_until_settled(uint64_t total)
{
	int lasted_ms = 0;

	for (int ms = 0; ms < (real_devices ? 1500 : PATIENCE_MS) && lasted_ms < 100; ms++) {
		lasted_ms = all_accounted(total) ? lasted_ms + 1 : 0;
		wait_ms();
	}
}

static int start(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < 3; i++)
		snapshots[i].generation = i + 1;
	for (uint32_t i = 0; i < node.n_ports; i++) {
		node.ports[i].name = i == 0 ? "loop" : "other";
		node.ports[i].mtu = 1500;
		node.ports[i].rx_queues = 1;
	}
	for (uint32_t w = 0; w < node.n_workers; w++)
		node.worker_cores[w] = cpu_any();
	node.in_memory = true;
	node.source_port_min = 1024;
	node.source_port_max = 65535;
	node.mempool_bufs = 16384;
	node.times.idle_sleep_us = 200;
	if (dataplane_start(&node, &snapshots[0], err, sizeof(err)) == 0)
		return 0;
	fprintf(stderr, "%s\n", err);
	return -1;
}

static void test_starts_without_hugepages(void **state)
{
	(void)state;
	assert_string_equal(err, "");
	assert_int_equal(dataplane_workers(), node.n_workers);
	assert_int_equal(dataplane_start(&node, &snapshots[0], err, sizeof(err)), -EALREADY);
}

static void test_each_frame_comes_to_its_owner_once(void **state)
{
	uint64_t total = (uint64_t)ECHO_FRAMES * node.n_workers;
	uint64_t lost, own = 0, every = 0;

	(void)state;
	wait_until_settled(total);
	for (uint32_t w = 0; w < node.n_workers; w++) {
		const struct echo_seen *seen = echo_seen(w);

		assert_int_equal(seen->sent, ECHO_FRAMES);
		assert_int_equal(seen->foreign, 0);
		assert_int_equal(seen->damaged, 0);
		own += seen->own;
		every += seen->every;
	}
	assert_int_equal(counter(COUNT_RX_PKTS) + counter(COUNT_HANDED_IN), ended());
	assert_true(own > 0 && every > 0);
	if (real_devices) {
		fprintf(stderr, "sent %llu, arrived %llu\n",
		        (unsigned long long)counter(COUNT_TX_PKTS),
		        (unsigned long long)counter(COUNT_RX_PKTS));
		assert_true(counter(COUNT_RX_PKTS) > 1000);
		return;
	}
	assert_int_equal(counter(COUNT_TX_PKTS) + counter(COUNT_TX_FULL), total);
	assert_int_equal(counter(COUNT_RX_PKTS), counter(COUNT_TX_PKTS));
	/* nothing vanishes uncounted; copies for every worker are the only ones that may */
	lost = counter(COUNT_TX_FULL);
	for (uint32_t w = 0; w < node.n_workers; w++)
		lost += dataplane_stats(w)->ends[DROP_RING_FULL];
	assert_in_range(own + lost, total - total / ECHO_EVERY, total - total / ECHO_EVERY + lost);
	assert_true(every <= total / ECHO_EVERY * node.n_workers);
}

static void test_no_buffer_is_left_over(void **state)
{
	(void)state;
	assert_int_equal(dataplane_pool().total, node.mempool_bufs);
	if (!real_devices)
		assert_int_equal(dataplane_pool().in_use, 0);
}

static void test_workers_sleep_when_idle(void **state)
{
	uint64_t before = counter(COUNT_LOOPS), after;

	(void)state;
	for (int ms = 0; ms < 100; ms++)
		wait_ms();
	after = counter(COUNT_LOOPS);
	assert_true(after > before);
	assert_true(after - before < 20000 * node.n_workers);
}

static void test_a_snapshot_is_released_when_nobody_uses_it(void **state)
{
	struct snapshot *first = &snapshots[0], *second = &snapshots[1];

	(void)state;
	assert_true(dataplane_in_effect(1));
	assert_false(dataplane_released(first));
	first->inflight[node.n_workers - 1].requests = 1;
	dataplane_publish(second);
	for (int ms = 0; ms < PATIENCE_MS && !dataplane_in_effect(2); ms++)
		wait_ms();
	assert_true(dataplane_in_effect(2));
	assert_false(dataplane_in_effect(3));
	assert_in_range(dataplane_effect_ns(), 1, 1000000000);
	for (int ms = 0; ms < 20; ms++)
		wait_ms();
	assert_false(dataplane_released(first));
	first->inflight[node.n_workers - 1].requests = 0;
	assert_true(dataplane_released(first));
	assert_false(dataplane_released(second));
}

static void test_draining_reaches_every_worker(void **state)
{
	(void)state;
	dataplane_drain();
	assert_true(dataplane_draining());
	for (uint32_t w = 0; w < node.n_workers; w++) {
		for (int ms = 0; ms < PATIENCE_MS && !echo_seen(w)->draining; ms++)
			wait_ms();
		assert_true(echo_seen(w)->draining);
	}
	dataplane_undrain();
	assert_false(dataplane_draining());
}

static void test_the_port_tells_what_it_is(void **state)
{
	struct port_status st;

	(void)state;
	assert_int_equal(dataplane_ports(), node.n_ports);
	assert_false(dataplane_port(node.n_ports, &st));
	assert_true(dataplane_port(0, &st));
	assert_string_equal(st.name, "loop");
	assert_string_equal(st.steering, node.n_workers == 1 ? "single worker" : "hand-off");
	assert_int_equal(st.rx_queues, 1);
	assert_true(st.rx_queues_max >= st.rx_queues);
	assert_true(st.rx_descs > 0 && st.tx_descs > 0);
	if (!real_devices)
		assert_int_equal(st.rx_pkts, counter(COUNT_RX_PKTS));
}

static void test_a_worker_tells_where_it_runs(void **state)
{
	struct cycle_clock before = dataplane_cycles(), after;
	char text[512];

	(void)state;
	for (uint32_t w = 0; w < node.n_workers; w++) {
		struct worker_place place;

		dataplane_worker(w, &place);
		assert_int_equal(place.cpu, node.worker_cores[w]);
		assert_in_range(place.socket + 1, 0, 1024);
		assert_true(place.cpu_ns > 0);
	}
	assert_false(dataplane_warning(0, text, sizeof(text))); /* one socket, or a virtual port */
	for (int ms = 0; ms < 20; ms++)
		wait_ms();
	after = dataplane_cycles();
	assert_int_equal(after.hz, before.hz);
	assert_true(after.now - before.now > after.hz / 1000 * 20);
}

static int stop(void **state)
{
	(void)state;
	dataplane_stop();
	return dataplane_workers() == 0 ? 0 : -1;
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_starts_without_hugepages),
		cmocka_unit_test(test_each_frame_comes_to_its_owner_once),
		cmocka_unit_test(test_no_buffer_is_left_over),
		cmocka_unit_test(test_workers_sleep_when_idle),
		cmocka_unit_test(test_a_snapshot_is_released_when_nobody_uses_it),
		cmocka_unit_test(test_draining_reaches_every_worker),
		cmocka_unit_test(test_the_port_tells_what_it_is),
		cmocka_unit_test(test_a_worker_tells_where_it_runs),
	};

	node.n_workers = argc > 1 ? (uint32_t)strtoul(argv[1], NULL, 10) : 1;
	real_devices = argc > 3;
	node.n_ports = real_devices ? 2 : 1;
	node.ports[0].device = real_devices ? argv[2] : "net_ring0";
	node.ports[1].device = real_devices ? argv[3] : NULL;
	return cmocka_run_group_tests(tests, start, stop);
}
