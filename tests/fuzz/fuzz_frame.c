/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Frames of anybody's making, through net_parse() and on.
 *
 * The input is a series of records: one byte (bit 0: port, bit 1: the device found the IPv4 header
 * checksum right, bits 2 to 7: seconds that pass first), two bytes of length, the frame. Two
 * neighbours are being asked for, so that answers have something to change. rig_stop() aborts when a
 * buffer leaked or a frame did not end in exactly one row.
 */
#include "rig.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void send(struct rig *r, const char *src, const char *dst)
{
	struct ip_addr from = rig_addr(src), to = rig_addr(dst);
	struct buf *b = bufs_from(&r->pool, "\0\x50\0\x50\0\0\0\0\0\0\0\0\x50\0\0\0\0\0\0\0", 20);
	struct net_segment seg = {&from, &to, b->data, b->len, 0};
	struct net_path path = {0};

	net_send_tcp(r->net, &path, b, &seg);
}

/* As a worker without connections and listeners. */
static enum drop take_l4(struct rig *r, struct pkt *p)
{
	enum drop end = p->kind == PKT_TCP ? DROP_TCP_IN : DROP_UDP_NO_LISTENER;

	if (p->fragment)
		end = DROP_IP_FRAGMENT;
	else if (p->kind == PKT_UDP)
		net_refuse(r->net, p, NET_NO_PORT, 0);
	buf_free(p->buf);
	return end;
}

static void receive(struct rig *r, uint8_t how, const uint8_t *frame, size_t len)
{
	struct buf *b = bufs_exact(&r->pool, frame, len);
	struct net_icmp_error error;
	struct pkt p;

	b->port = how & 1;
	b->flags = how & 2 ? BUF_IP_CSUM_OK : 0;
	r->received++;
	enum drop end = net_parse(r->net, b, &p);

	if (end == DROP_COUNT && p.kind <= PKT_UDP) {
		end = take_l4(r, &p);
	} else if (end == DROP_COUNT && net_icmp_error(r->net, &p, &error)) {
		end = DROP_ICMP_TCP;
		buf_free(p.buf);
	} else if (end == DROP_COUNT) {
		end = net_input(r->net, &p, r->now_us);
	}
	r->ends[end]++;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct rig r;

	rig_init(&r);
	r.pool.poison = false;
	rig_start(&r, true, 8);
	rig_wait(&r, 0);
	send(&r, "10.0.0.1", "10.0.0.2");
	send(&r, "2001:db8::1", "2001:db8::2");
	rig_drain(&r);
	while (size >= 3) {
		uint8_t how = data[0];
		size_t len = (size_t)(data[1] << 8 | data[2]) % 2048;

		data += 3;
		size -= 3;
		if (len > size)
			len = size;
		if (how >> 2)
			rig_wait(&r, (how >> 2) * 1000000ull);
		receive(&r, how, data, len);
		send(&r, "10.0.0.1", "10.0.0.2");
		rig_drain(&r);
		data += len;
		size -= len;
	}
	rig_stop(&r);
	return 0;
}
