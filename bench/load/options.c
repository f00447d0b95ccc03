/* SPDX-License-Identifier: BSD-3-Clause */
#include "options.h"

#include "clients.h"

#include <arpa/inet.h>
#include <getopt.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum type {
	FLAG,
	NUMBER,
	REAL,
	TEXT,
	ADDRESS,
	FLOOD,
	LAYER4,
	HEADERS,
	EXPECT,
};

struct row {
	const char *name;
	enum type type;
	size_t at; /* in struct options */
	double min, max;
	const char *help;
};

#define AT(member) offsetof(struct options, member)

static const struct row rows[] = {
	{"edge", TEXT, AT(edge), 0, 0, "SOCKET  memif port of the clients"},
	{"back", TEXT, AT(back), 0, 0, "SOCKET  memif port of the servers"},
	{"edge-device", TEXT, AT(edge_device), 0, 0,
         "DEVICE  any DPDK device instead: PCI address or vdev"},
	{"back-device", TEXT, AT(back_device), 0, 0, "DEVICE  the same for the servers"},
	{"huge", FLAG, AT(huge), 0, 0, "use hugepages (devices with DMA need them)"},
	{"vip", ADDRESS, AT(vip), 0, 0, "ADDRESS  of Weir (10.77.0.1)"},
	{"port", NUMBER, AT(port), 1, 65535, "N  where Weir listens (80)"},
	{"client", ADDRESS, AT(client), 0, 0, "ADDRESS  first of the clients (10.77.0.2)"},
	{"server", ADDRESS, AT(server), 0, 0, "ADDRESS  of v1; v2 has the next one (10.77.1.11)"},
	{"sources", NUMBER, AT(sources), 1, SOURCES_MAX,
         "N  addresses of clients, from the first on (1)"},
	{"connections", NUMBER, AT(connections), 1, CLIENTS_MAX, "N  clients (64)"},
	{"inflight", NUMBER, AT(inflight), 1, CLIENTS_MAX,
         "N  requests at a time, over the connections in turn (all)"},
	{"seconds", NUMBER, AT(seconds), 1, 86400, "N  to count (5)"},
	{"rate", REAL, AT(rate), 1, 1e8,
         "N  open loop: requests a second, latency from when each is due"},
	{"close", FLAG, AT(close), 0, 0, "a connection for each request"},
	{"idle", FLAG, AT(idle), 0, 0, "one request for each connection, then hold them"},
	{"pipeline", NUMBER, AT(pipeline), 1, 64, "N  requests sent at once (1)"},
	{"body", NUMBER, AT(body), 1, 64 << 20, "BYTES  of a response's body (1024)"},
	{"window-scale", NUMBER, AT(window_scale), 0, 14,
         "N  of the clients' windows: 65,535 << N bytes (7)"},
	{"post", NUMBER, AT(post), 1, 16 << 20, "BYTES  of a request's body (none)"},
	{"headers", HEADERS, AT(browser), 0, 0, "small|browser  300 bytes or 1 KiB of fields"},
	{"host", TEXT, AT(host), 0, 0, "NAME  of the one host"},
	{"hosts", NUMBER, AT(hosts), 1, REQUESTS_MAX, "N  host-0.example.com and so on"},
	{"paths", NUMBER, AT(paths), 1, REQUESTS_MAX, "N  /path-0/item and so on"},
	{"zipf", REAL, AT(zipf), 0, 8, "S  hosts and paths by Zipf's law; 0: uniform"},
	{"expect", EXPECT, AT(expect), 0, 0,
         "v1=90,v2=10  the exact split; 'request': request c goes to v(1 + c % 2)"},
	{"workers", NUMBER, AT(workers), 1, 1024,
         "N  of Weir: each may be off the split by two (1)"},
	{"flood", FLOOD, AT(flood), 0, 0, "syn|ack|udp  packets that belong to no connection"},
	{"flood-rate", REAL, AT(flood_rate), 1, 1e9,
         "N  of them a second (as many as the port takes)"},
	{"alongside", FLAG, AT(alongside), 0, 0, "the clients work during the flood"},
	{"l4", LAYER4, AT(l4), 0, 0,
         "udp|tcp|connect  packets over --connections open flows, or connections; else HTTP"},
	{"endpoints", NUMBER, AT(endpoints), 1, 4096,
         "N  for --l4: addresses, from --server on (1)"},
	{"answer", FLAG, AT(answer), 0, 0, "endpoints of --l4 send every packet back"},
	{"random", FLAG, AT(random), 0, 0, "flows of --l4 at random instead of in turn"},
	{"plain", FLAG, AT(plain), 0, 0, "for --l4: what stands for Weir rewrites nothing"},
	{"curve", FLAG, AT(curve), 0, 0, "print the whole curve of the latency"},
};

#define ROWS (sizeof(rows) / sizeof(rows[0]))

static void usage(void)
{
	fprintf(stderr, "usage: load --edge SOCKET --back SOCKET [options]\n");
	for (size_t i = 0; i < ROWS; i++)
		fprintf(stderr, "  --%-12s %s\n", rows[i].name, rows[i].help);
	exit(2);
}

static void refuse(const struct row *row, const char *text)
{
	fprintf(stderr, "load: --%s %s is not understood: %s\n", row->name, text, row->help);
	exit(2);
}

static double number(const struct row *row, const char *text)
{
	char *end;
	double v = strtod(text, &end);

	if (end == text || *end || !(v >= row->min && v <= row->max))
		refuse(row, text);
	return v;
}

static void read_expect(struct options *o, const struct row *row, const char *text)
{
	int n = 0;

	o->by_request = strcmp(text, "request") == 0;
	if (o->by_request)
		return;
	if (sscanf(text, "v1=%u,v2=%u%n", &o->expect[0], &o->expect[1], &n) != 2 || text[n] ||
	    o->expect[0] + o->expect[1] == 0)
		refuse(row, text);
}

static void read_flood(struct options *o, const struct row *row, const char *text)
{
	static const char *const names[] = {
		[FLOOD_SYN] = "syn", [FLOOD_ACK] = "ack", [FLOOD_UDP] = "udp"};

	for (uint32_t i = FLOOD_SYN; i <= FLOOD_UDP; i++)
		if (strcmp(text, names[i]) == 0)
			o->flood = (enum flood_kind)i;
	if (o->flood == FLOOD_NONE)
		refuse(row, text);
}

static void read_l4(struct options *o, const struct row *row, const char *text)
{
	static const char *const names[] = {
		[L4_UDP] = "udp", [L4_TCP] = "tcp", [L4_CONNECT] = "connect"};

	for (uint32_t i = L4_UDP; i <= L4_CONNECT; i++)
		if (strcmp(text, names[i]) == 0)
			o->l4 = (enum l4_kind)i;
	if (o->l4 == L4_NONE)
		refuse(row, text);
}

static void read_one(struct options *o, const struct row *row, const char *text)
{
	void *to = (char *)o + row->at;
	struct in_addr a;

	switch (row->type) {
	case FLAG: *(bool *)to = true; break;
	case NUMBER: *(uint32_t *)to = (uint32_t)number(row, text); break;
	case REAL: *(double *)to = number(row, text); break;
	case TEXT: *(const char **)to = text; break;
	case ADDRESS:
		if (inet_pton(AF_INET, text, &a) != 1)
			refuse(row, text);
		*(uint32_t *)to = ntohl(a.s_addr);
		break;
	case FLOOD: read_flood(o, row, text); break;
	case LAYER4: read_l4(o, row, text); break;
	case HEADERS:
		if (strcmp(text, "small") != 0 && strcmp(text, "browser") != 0)
			refuse(row, text);
		*(bool *)to = *text == 'b';
		break;
	case EXPECT: read_expect(o, row, text); break;
	}
}

static void check(const struct options *o)
{
	const char *wrong = NULL;

	if ((!o->edge && !o->edge_device) || (!o->back && !o->back_device))
		usage();
	if ((uint64_t)o->hosts * o->paths > REQUESTS_MAX)
		wrong = "hosts times paths is more than 1,000,000";
	else if (o->connections > o->sources * (o->l4 ? L4_PORTS : 60000u))
		wrong = "one source has 60,000 ports (with --l4 32,768): give --sources";
	else if (o->pipeline > 1 && (o->rate > 0 || o->close || o->post))
		wrong = "--pipeline goes with neither --rate nor --close nor --post";
	else if (o->idle && (o->close || o->rate > 0))
		wrong = "--idle goes with neither --close nor --rate";
	else if (o->vip - o->client < o->sources)
		wrong = "Weir's address is among the clients'";
	if (!wrong)
		return;
	fprintf(stderr, "load: %s\n", wrong);
	exit(2);
}

void options_read(struct options *o, int argc, char **argv)
{
	struct option list[ROWS + 1] = {0};
	int c, index;

	for (size_t i = 0; i < ROWS; i++)
		list[i] = (struct option){rows[i].name, rows[i].type != FLAG, NULL, 1};
	while ((c = getopt_long(argc, argv, "", list, &index)) == 1)
		read_one(o, &rows[index], optarg);
	if (c != -1 || optind != argc)
		usage();
	if (!o->inflight)
		o->inflight = o->l4 ? L4_INFLIGHT : o->connections;
	check(o);
}
