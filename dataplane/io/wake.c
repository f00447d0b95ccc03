/* SPDX-License-Identifier: BSD-3-Clause */
#include "wake.h"

#include <rte_ethdev.h>
#include <rte_interrupts.h>

#include <dirent.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

int wake_init(struct wake *w)
{
	memset(w, 0, sizeof(*w));
	w->epoll = -1;
	w->bell = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	return w->bell < 0 ? -errno : 0;
}

void wake_fini(struct wake *w)
{
	if (w->epoll >= 0)
		close(w->epoll);
	if (w->bell >= 0)
		close(w->bell);
	w->bell = w->epoll = -1;
}

/* ---- sockets of drivers ------------------------------------------------------------------- */

static int highest_fd(void)
{
	DIR *dir = opendir("/proc/self/fd");
	int highest = -1;

	if (!dir)
		return -1;
	for (struct dirent *e; (e = readdir(dir));) {
		int fd = e->d_name[0] == '.' ? -1 : atoi(e->d_name);

		if (fd > highest)
			highest = fd;
	}
	closedir(dir);
	return highest;
}

static bool has_family(int fd, int family)
{
	int domain = 0;
	socklen_t len = sizeof(domain);

	return getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &len) == 0 && domain == family;
}

/* A packet socket says where it is bound; an XDP socket does not. */
static bool is_of_interface(int fd, int family, uint32_t if_index)
{
	struct sockaddr_ll at = {0};
	socklen_t len = sizeof(at);

	if (family == AF_XDP)
		return true;
	return getsockname(fd, (struct sockaddr *)&at, &len) == 0 &&
	       at.sll_ifindex == (int)if_index;
}

/* Drivers open the sockets of a port in the order of its queues, each on the lowest free number. */
static int find_socket(int family, uint32_t if_index, uint32_t nth)
{
	int highest = highest_fd();

	for (int fd = 0; fd <= highest; fd++)
		if (has_family(fd, family) && is_of_interface(fd, family, if_index) && nth-- == 0)
			return fd;
	return -1;
}

/* xdp_before: queues of AF_XDP ports that have a socket already. */
static int queue_socket(const struct wake_queue *q, bool alone, uint32_t *xdp_before)
{
	struct rte_eth_dev_info info;

	if (rte_eth_dev_info_get(q->port_id, &info) < 0)
		return -1;
	if (strcmp(info.driver_name, "net_af_packet") == 0)
		return find_socket(AF_PACKET, info.if_index, q->queue);
	if (strcmp(info.driver_name, "net_af_xdp") == 0 && alone)
		return find_socket(AF_XDP, 0, (*xdp_before)++);
	return -1;
}

/* ---- listening ---------------------------------------------------------------------------- */

static void add(struct wake *w, int fd)
{
	w->fds[w->n_fds++] = (struct pollfd){.fd = fd, .events = POLLIN};
}

static bool add_interrupts(struct wake *w, const struct wake_queue *q)
{
	if (w->epoll < 0) {
		w->epoll = epoll_create1(EPOLL_CLOEXEC);
		if (w->epoll < 0)
			return false;
		add(w, w->epoll);
	}
	if (rte_eth_dev_rx_intr_ctl_q(q->port_id, q->queue, w->epoll, RTE_INTR_EVENT_ADD, NULL) < 0)
		return false;
	w->queues[w->n_queues++] = *q;
	return true;
}

bool wake_listen(struct wake *w, const struct wake_queue *queues, uint32_t n, bool alone)
{
	uint32_t xdp = 0;

	w->n_fds = w->n_queues = 0;
	add(w, w->bell);
	for (uint32_t i = 0; i < n; i++)
		if (queues[i].interrupts && !add_interrupts(w, &queues[i]))
			return false;
	for (uint32_t i = 0; i < n; i++) {
		int fd = queues[i].interrupts ? -1 : queue_socket(&queues[i], alone, &xdp);

		if (!queues[i].interrupts && fd < 0)
			return false;
		if (fd >= 0)
			add(w, fd);
	}
	return true;
}

/* ---- waiting ------------------------------------------------------------------------------ */

void wake_prepare(struct wake *w)
{
	__atomic_store_n(&w->asleep, true, __ATOMIC_RELAXED);
	/* before the last look: who stores after it sees that we sleep */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	for (uint32_t i = 0; i < w->n_queues; i++)
		rte_eth_dev_rx_intr_enable(w->queues[i].port_id, w->queues[i].queue);
}

bool wake_wait(struct wake *w, uint64_t us)
{
	struct timespec ts = {.tv_sec = (time_t)(us / 1000000),
	                      .tv_nsec = (long)(us % 1000000) * 1000};
	struct rte_epoll_event ev[WAKE_QUEUES_MAX];
	uint64_t rings;

	if (ppoll(w->fds, w->n_fds, &ts, NULL) <= 0)
		return false;
	if (w->fds[0].revents & POLLIN && read(w->bell, &rings, sizeof(rings)) < 0)
		return true; /* somebody else's signal; nothing is lost */
	/* takes the events off, as the drivers want it */
	if (w->epoll >= 0 && w->fds[1].revents & POLLIN)
		rte_epoll_wait(w->epoll, ev, WAKE_QUEUES_MAX, 0);
	return true;
}

void wake_ready(struct wake *w)
{
	for (uint32_t i = 0; i < w->n_queues; i++)
		rte_eth_dev_rx_intr_disable(w->queues[i].port_id, w->queues[i].queue);
	__atomic_store_n(&w->asleep, false, __ATOMIC_RELAXED);
}

void wake_ring(struct wake *w)
{
	const uint64_t one = 1;

	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (!__atomic_load_n(&w->asleep, __ATOMIC_RELAXED))
		return;
	/* fails only when so many rings wait that one more changes nothing */
	while (write(w->bell, &one, sizeof(one)) < 0 && errno == EINTR)
		;
}
