/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A bad wire: passes frames between two interfaces and loses, doubles and delays some of them.
 *
 *   lossy IF1 IF2 LOSS DUPLICATE REORDER SEED [VLAN]     rates in 1/10,000 of the frames, each direction
 *
 * With VLAN, frames carry this tag on IF2 and none on IF1; untagged frames from IF2 go no further.
 *
 * A frame that is to be overtaken waits until 1 to 8 others have passed, or 2 ms. The same seed and the
 * same order of frames give the same losses. On SIGTERM prints what it did and ends.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <poll.h>
#include <signal.h>
#include <stdalign.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define FRAME_MAX    2048
#define MACS_BYTES   12
#define TAG_BYTES    4
#define HELD_MAX     64
#define HOLD_MS      2
#define SOCKET_BYTES (8 << 20)

struct held {
	int to; /* socket */
	int behind;
	int64_t until_ms;
	size_t len;
	uint8_t frame[FRAME_MAX];
};

struct wire {
	int sockets[2];
	unsigned long loss, duplicate, reorder;
	uint16_t vlan;
	uint64_t random;
	uint64_t passed, lost, doubled, overtaken;
	int n_held;
	struct held held[HELD_MAX];
};

static volatile sig_atomic_t ending;

static void end(int number)
{
	(void)number;
	ending = 1;
}

/* xorshift64* (Vigna, 2014) */
static uint64_t draw(struct wire *w)
{
	w->random ^= w->random >> 12;
	w->random ^= w->random << 25;
	w->random ^= w->random >> 27;
	return (w->random * 0x2545f4914f6cdd1dull) >> 11;
}

static bool happens(struct wire *w, unsigned long rate)
{
	return draw(w) % 10000 < rate;
}

static int64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static int open_socket(const char *name)
{
	int size = SOCKET_BYTES, one = 1;
	struct sockaddr_ll addr = {.sll_family = AF_PACKET,
	                           .sll_protocol = htons(ETH_P_ALL),
	                           .sll_ifindex = (int)if_nametoindex(name)};
	struct packet_mreq all = {.mr_ifindex = addr.sll_ifindex, .mr_type = PACKET_MR_PROMISC};
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK, 0);

	if (fd < 0 || addr.sll_ifindex == 0 ||
	    setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &one, sizeof(one)) < 0 ||
	    setsockopt(fd, SOL_PACKET, PACKET_AUXDATA, &one, sizeof(one)) < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)) < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size)) < 0 ||
	    bind(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0 ||
	    setsockopt(fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &all, sizeof(all)) < 0) {
		fprintf(stderr, "lossy: %s: %s\n", name, strerror(errno));
		exit(1);
	}
	return fd;
}

static void pass(struct wire *w, int to, const uint8_t *frame, size_t len)
{
	w->passed++;
	if (send(to, frame, len, 0) < 0)
		w->lost++;
}

/* A frame went by, or time did: who has waited long enough? */
static void release(struct wire *w, int frames)
{
	int64_t now = now_ms();

	for (int i = 0; i < w->n_held;) {
		struct held *h = &w->held[i];

		h->behind -= frames;
		if (h->behind > 0 && now < h->until_ms) {
			i++;
			continue;
		}
		pass(w, h->to, h->frame, h->len);
		*h = w->held[--w->n_held];
	}
}

static void hold(struct wire *w, int to, const uint8_t *frame, size_t len)
{
	struct held *h = &w->held[w->n_held++];

	h->to = to;
	h->len = len;
	h->behind = 1 + (int)(draw(w) % 8);
	h->until_ms = now_ms() + HOLD_MS;
	memcpy(h->frame, frame, len);
	w->overtaken++;
}

/*
 * Put the tag on what comes from IF1; frame has TAG_BYTES to spare. The kernel has taken the tag off
 * what comes from IF2 and says which it was. Returns the new length, 0: not ours.
 */
static ssize_t retag(const struct wire *w, int from, uint8_t *frame, ssize_t len, uint16_t was)
{
	const uint8_t tag[TAG_BYTES] = {0x81, 0x00, (uint8_t)(w->vlan >> 8), (uint8_t)w->vlan};

	if (w->vlan == 0 || len < MACS_BYTES)
		return len;
	if (from == w->sockets[1])
		return was == w->vlan ? len : 0;
	memmove(frame + MACS_BYTES + TAG_BYTES, frame + MACS_BYTES, (size_t)len - MACS_BYTES);
	memcpy(frame + MACS_BYTES, tag, TAG_BYTES);
	return len + TAG_BYTES;
}

/* One frame and the number of the tag that it had; 0: none. */
static ssize_t take(int from, uint8_t *frame, size_t size, uint16_t *vlan)
{
	alignas(struct cmsghdr) uint8_t control[CMSG_SPACE(sizeof(struct tpacket_auxdata))];
	struct iovec iov = {frame, size};
	struct msghdr msg = {.msg_iov = &iov,
	                     .msg_iovlen = 1,
	                     .msg_control = control,
	                     .msg_controllen = sizeof(control)};
	ssize_t len = recvmsg(from, &msg, 0);

	*vlan = 0;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&msg); len > 0 && c; c = CMSG_NXTHDR(&msg, c)) {
		struct tpacket_auxdata aux;

		if (c->cmsg_level != SOL_PACKET || c->cmsg_type != PACKET_AUXDATA)
			continue;
		memcpy(&aux, CMSG_DATA(c), sizeof(aux));
		if (aux.tp_status & TP_STATUS_VLAN_VALID)
			*vlan = aux.tp_vlan_tci & 0xfff;
	}
	return len;
}

static void receive(struct wire *w, int from, int to)
{
	uint8_t frame[FRAME_MAX];
	uint16_t vlan;
	ssize_t len;

	while ((len = take(from, frame, sizeof(frame) - TAG_BYTES, &vlan)) > 0) {
		len = retag(w, from, frame, len, vlan);
		if (len == 0)
			continue;
		if (happens(w, w->loss)) {
			w->lost++;
			continue;
		}
		if (w->n_held < HELD_MAX && happens(w, w->reorder)) {
			hold(w, to, frame, (size_t)len);
			continue;
		}
		pass(w, to, frame, (size_t)len);
		if (happens(w, w->duplicate)) {
			pass(w, to, frame, (size_t)len);
			w->doubled++;
		}
		release(w, 1);
	}
}

static void run(struct wire *w)
{
	struct pollfd fds[2] = {{.fd = w->sockets[0], .events = POLLIN},
	                        {.fd = w->sockets[1], .events = POLLIN}};

	while (!ending) {
		if (poll(fds, 2, w->n_held ? 1 : -1) < 0)
			continue;
		if (fds[0].revents & POLLIN)
			receive(w, w->sockets[0], w->sockets[1]);
		if (fds[1].revents & POLLIN)
			receive(w, w->sockets[1], w->sockets[0]);
		release(w, 0);
	}
}

int main(int argc, char **argv)
{
	struct sigaction action = {.sa_handler = end};
	struct wire *w;

	if (argc != 7 && argc != 8) {
		fprintf(stderr, "usage: lossy IF1 IF2 LOSS DUPLICATE REORDER SEED [VLAN]\n");
		return 2;
	}
	w = calloc(1, sizeof(*w));
	if (!w)
		return 1;
	w->loss = strtoul(argv[3], NULL, 10);
	w->duplicate = strtoul(argv[4], NULL, 10);
	w->reorder = strtoul(argv[5], NULL, 10);
	w->random = strtoull(argv[6], NULL, 10) | 1;
	w->vlan = argc == 8 ? (uint16_t)strtoul(argv[7], NULL, 10) : 0;
	w->sockets[0] = open_socket(argv[1]);
	w->sockets[1] = open_socket(argv[2]);
	sigaction(SIGTERM, &action, NULL);
	run(w);
	printf("passed %llu, lost %llu, doubled %llu, overtaken %llu\n",
	       (unsigned long long)w->passed, (unsigned long long)w->lost,
	       (unsigned long long)w->doubled, (unsigned long long)w->overtaken);
	close(w->sockets[0]);
	close(w->sockets[1]);
	free(w);
	return 0;
}
