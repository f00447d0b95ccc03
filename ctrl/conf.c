/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The tree of the file is walked together with the paths of the table: in the map at "ports[]." the
 * key "mtu" is row "ports[].mtu", and a key that is the beginning of longer paths ("limits") is a
 * map of its own. Every scalar is read by its type, checked against its row's range and stored at
 * its row's offset. What spans several keys is checked at the end, in finish().
 */
#include "conf.h"

#include "conf_table.h"
#include "istio.h"
#include "nearest.h"
#include "tree.h"

#include "weir/addr.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#define PATH_MAX_BYTES 128 /* a path of the table and one key */

struct reader {
	struct conf *conf;
	struct diag_list *diags;
};

/* A scalar that was read, before it is stored. */
union value {
	uint64_t n;
	const char *text;
	struct ip_addr addr;
	struct node_prefix prefix;
};

static void read_map(struct reader *r, const struct tree_node *map, const char *prefix, void *base);

/* ---- scalars ---------------------------------------------------------------------------- */

static bool parse_number(const char *text, int radix, uint64_t *out)
{
	char *end;

	if (!isdigit((unsigned char)*text))
		return false;
	errno = 0;
	*out = strtoull(text, &end, radix);
	return *end == '\0' && errno == 0;
}

static bool parse_bytes(const char *text, uint64_t *out)
{
	static const char *const suffixes[] = {"Ki", "Mi", "Gi"};
	size_t len = strlen(text);
	char digits[24];

	for (unsigned i = 0; i < 3; i++) {
		if (len < 3 || len > sizeof(digits) || strcmp(text + len - 2, suffixes[i]) != 0)
			continue;
		memcpy(digits, text, len - 2);
		digits[len - 2] = '\0';
		return parse_number(digits, 10, out) && *out < UINT64_C(1) << 32 &&
		       (*out <<= 10 * (i + 1), true);
	}
	return parse_number(text, 10, out);
}

static bool parse_word(const char *text, const char *const *words, uint64_t *out)
{
	for (*out = 0; words[*out]; ++*out)
		if (strcmp(text, words[*out]) == 0)
			return true;
	return false;
}

static bool parse_prefix(const char *text, struct node_prefix *out)
{
	const char *slash = strchr(text, '/');
	char addr[IP_ADDR_TEXT_MAX];
	uint64_t len;
	bool v4;

	if (!slash || (size_t)(slash - text) >= sizeof(addr))
		return false;
	memcpy(addr, text, (size_t)(slash - text));
	addr[slash - text] = '\0';
	if (!ip_parse(addr, &out->addr) || !parse_number(slash + 1, 10, &len))
		return false;
	v4 = ip_is_v4(&out->addr);
	out->len = (uint8_t)(v4 ? len + 96 : len);
	return len <= (v4 ? 32 : 128);
}

static bool parse_value(struct reader *r, enum conf_type type, const char *text, union value *out)
{
	static const char *const bools[] = {"false", "true", NULL};
	static const char *const levels[] = {"error", "warning", "info", "debug", NULL};
	static const char *const offload[] = {"none", "mark", "steer", "rewrite", "splice", NULL};

	switch (type) {
	case CONF_BOOL: return parse_word(text, bools, &out->n);
	case CONF_LEVEL: return parse_word(text, levels, &out->n);
	case CONF_NUMBER: return parse_number(text, 10, &out->n);
	case CONF_MODE: return parse_number(text, 8, &out->n);
	case CONF_BYTES_OR_OFF:
		if (strcmp(text, "off") == 0)
			return out->n = NODE_SPLICE_NEVER, true;
		return parse_bytes(text, &out->n);
	case CONF_BYTES: return parse_bytes(text, &out->n);
	case CONF_OFFLOAD: return parse_word(text, offload, &out->n);
	case CONF_TIME: return istio_duration_parse(text, &out->n);
	case CONF_TEXT: return out->text = arena_dup(&r->conf->arena, text), true;
	case CONF_ADDRESS: return ip_parse(text, &out->addr) && !ip_is_any(&out->addr);
	case CONF_BIND:
		if (strcmp(text, "*") == 0)
			return out->addr = (struct ip_addr){0}, true;
		return ip_parse(text, &out->addr);
	case CONF_PREFIX: return parse_prefix(text, &out->prefix);
	case CONF_LIST: break;
	}
	return false;
}

static bool in_range(const struct conf_key *key, const union value *v)
{
	switch (key->type) {
	case CONF_NUMBER:
	case CONF_BYTES_OR_OFF:
		if (v->n == NODE_SPLICE_NEVER)
			return true;
		return v->n >= key->min && v->n <= key->max;
	case CONF_BYTES:
	case CONF_TIME:
	case CONF_MODE: return v->n >= key->min && v->n <= key->max;
	case CONF_TEXT: return strlen(v->text) >= key->min && strlen(v->text) <= key->max;
	default: return true;
	}
}

static void store(const struct conf_key *key, const union value *v, void *at)
{
	switch (key->type) {
	case CONF_TEXT: memcpy(at, &v->text, sizeof(v->text)); return;
	case CONF_ADDRESS:
	case CONF_BIND: memcpy(at, &v->addr, sizeof(v->addr)); return;
	case CONF_PREFIX: memcpy(at, &v->prefix, sizeof(v->prefix)); return;
	default: break;
	}
	switch (key->size) {
	case 1: *(uint8_t *)at = (uint8_t)v->n; break;
	case 2: *(uint16_t *)at = (uint16_t)v->n; break;
	case 4: *(uint32_t *)at = (uint32_t)v->n; break;
	default: *(uint64_t *)at = v->n; break;
	}
}

/* "mtu" of "ports[].mtu"; "addresses" of "ports[].addresses[]". */
static const char *last_word(const char *path)
{
	const char *dot = strrchr(path, '.');

	return dot ? dot + 1 : path;
}

static void read_scalar(struct reader *r, const struct conf_key *key, const struct tree_node *node,
                        void *at)
{
	const char *name = last_word(key->path);
	int name_len = (int)strcspn(name, "[");
	char expect[160];
	union value v;

	conf_expect(key, expect, sizeof(expect));
	if (node->kind != TREE_SCALAR)
		diag_error(r->diags, node->where, "CONF_TYPE", "%.*s is %s; give %s", name_len,
		           name, tree_kind_text(node), expect);
	else if (!parse_value(r, key->type, node->text, &v))
		diag_error(r->diags, node->where, "CONF_TYPE",
		           "%.*s \"%.64s\" is not right; give %s", name_len, name, node->text,
		           expect);
	else if (!in_range(key, &v))
		diag_error(r->diags, node->where, "CONF_RANGE",
		           "%.*s %.64s is out of range; give %s", name_len, name, node->text,
		           expect);
	else
		store(key, &v, at);
}

/* ---- maps and lists --------------------------------------------------------------------- */

static const struct conf_key *find_key(const char *path)
{
	for (size_t i = 0; i < conf_n_keys; i++)
		if (strcmp(conf_keys[i].path, path) == 0)
			return &conf_keys[i];
	return NULL;
}

/* Is path directly in the map at prefix ("ports[]." has "ports[].mtu" but not "ports[].routes[].to")? */
static bool is_directly_in(const char *path, const char *prefix)
{
	size_t len = strlen(prefix);

	return strncmp(path, prefix, len) == 0 && !strpbrk(path + len, ".[");
}

static bool is_section(const char *prefix)
{
	for (size_t i = 0; i < conf_n_keys; i++)
		if (strncmp(conf_keys[i].path, prefix, strlen(prefix)) == 0)
			return true;
	return false;
}

/* Give every key below prefix its default, as far as it lies in the same struct. */
static void set_defaults(struct reader *r, const char *prefix, char *base)
{
	for (size_t i = 0; i < conf_n_keys; i++) {
		const struct conf_key *key = &conf_keys[i];
		union value v;

		if (strncmp(key->path, prefix, strlen(prefix)) != 0 ||
		    strchr(key->path + strlen(prefix), '[') || key->type == CONF_LIST || !key->def)
			continue;
		if (parse_value(r, key->type, key->def, &v))
			store(key, &v, base + key->off);
	}
}

static void check_required(struct reader *r, const struct tree_node *map, const char *prefix)
{
	for (size_t i = 0; i < conf_n_keys; i++) {
		const struct conf_key *key = &conf_keys[i];
		const char *name = key->path + strlen(prefix);

		if (key->type == CONF_LIST || key->def || !is_directly_in(key->path, prefix))
			continue;
		if (!tree_get(map, name))
			diag_error(r->diags, map->where, "CONF_MISSING", "%s is missing: %s", name,
			           key->help);
	}
}

static void read_element(struct reader *r, const struct conf_key *list,
                         const struct tree_node *node, char *at)
{
	char path[PATH_MAX_BYTES];
	const struct conf_key *elem;

	snprintf(path, sizeof(path), "%s[]", list->path);
	elem = find_key(path);
	if (elem) {
		read_scalar(r, elem, node, at);
		return;
	}
	snprintf(path, sizeof(path), "%s[].", list->path);
	set_defaults(r, path, at);
	read_map(r, node, path, at);
}

static void read_list(struct reader *r, const struct conf_key *key, const struct tree_node *node,
                      char *base)
{
	uint32_t *count = (uint32_t *)(void *)(base + key->n_off);
	uint32_t most = key->size / key->stride;
	const char *name = last_word(key->path);
	char expect[160];

	if (node->kind == TREE_SCALAR && key->def && strcmp(node->text, key->def) == 0)
		return;
	if (tree_is_null(node))
		return;
	if (node->kind == TREE_SCALAR && strcmp(name, "gateway") == 0) {
		read_element(r, key, node, base + key->off + (size_t)*count * key->stride);
		++*count;
		return;
	}
	if (node->kind != TREE_LIST || node->n > most) {
		diag_error(r->diags, node->where, "CONF_TYPE", "%s is %s%s; give %s", name,
		           tree_kind_text(node), node->kind == TREE_LIST ? " that is too long" : "",
		           conf_expect(key, expect, sizeof(expect)));
		return;
	}
	for (const struct tree_node *child = node->first; child; child = child->next) {
		read_element(r, key, child, base + key->off + (size_t)*count * key->stride);
		++*count;
	}
}

/* Report a key that no row has, with the one nearest to it. */
static void refuse_key(struct reader *r, const struct tree_node *node, const char *prefix)
{
	struct nearest near = nearest_to(node->key);

	for (size_t i = 0; i < conf_n_keys; i++) {
		const char *rest = conf_keys[i].path + strlen(prefix);

		if (strncmp(conf_keys[i].path, prefix, strlen(prefix)) == 0)
			nearest_offer(&near,
			              arena_copy(&r->conf->arena, rest, strcspn(rest, ".[")));
	}
	if (near.best)
		diag_error(r->diags, node->key_where, "CONF_UNKNOWN",
		           "unknown key \"%.64s\"; did you mean \"%s\"?", node->key, near.best);
	else
		diag_error(r->diags, node->key_where, "CONF_UNKNOWN",
		           "unknown key \"%.64s\"; weir --help-config lists all keys", node->key);
}

static void read_key(struct reader *r, const struct tree_node *node, const char *prefix, char *base)
{
	char path[PATH_MAX_BYTES];
	const struct conf_key *key;
	int n = snprintf(path, sizeof(path), "%s%s.", prefix, node->key);

	/* paths are made of keys, so a key must not look like a path */
	if (n >= (int)sizeof(path) || *node->key == '\0' || strpbrk(node->key, ".[")) {
		refuse_key(r, node, prefix);
		return;
	}
	if (is_section(path)) {
		read_map(r, node, path, base);
		return;
	}
	path[n - 1] = '\0';
	key = find_key(path);
	if (!key)
		refuse_key(r, node, prefix);
	else if (key->type == CONF_LIST)
		read_list(r, key, node, base);
	else
		read_scalar(r, key, node, base + key->off);
}

static void read_map(struct reader *r, const struct tree_node *map, const char *prefix, void *base)
{
	if (map->kind != TREE_MAP && !tree_is_null(map)) {
		diag_error(r->diags, map->where, "CONF_TYPE", "%.*s is %s; give a map of keys",
		           *prefix ? (int)strlen(prefix) - 1 : 13,
		           *prefix ? prefix : "the node file", tree_kind_text(map));
		return;
	}
	for (const struct tree_node *child = map->first; child; child = child->next)
		read_key(r, child, prefix, base);
	check_required(r, map, prefix);
}

/* ---- what spans several keys ------------------------------------------------------------ */

static bool on_link(const struct node_port *port, const struct ip_addr *addr)
{
	for (uint32_t i = 0; i < port->n_addrs; i++) {
		const struct node_prefix *p = &port->addrs[i];
		uint32_t bytes = p->len / 8, bits = p->len % 8;
		uint8_t mask = (uint8_t)(0xff00u >> bits);

		if (memcmp(addr->b, p->addr.b, bytes) == 0 &&
		    (bits == 0 || ((addr->b[bytes] ^ p->addr.b[bytes]) & mask) == 0))
			return true;
	}
	return false;
}

/* A route of a port, written at a place of the file. */
static void add_route(struct reader *r, uint32_t port, const struct conf_route *route,
                      struct where at)
{
	struct node *node = &r->conf->node;
	const struct conf_port *p = &r->conf->ports[port];
	char text[IP_ADDR_TEXT_MAX];

	if (!on_link(&p->node, &route->via))
		diag_error(r->diags, at, "CONF_ROUTE",
		           "next hop %s is not on a network of port %s; give the port an address "
		           "there",
		           ip_format(&route->via, text), p->node.name);
	else if (ip_is_v4(&route->to.addr) != ip_is_v4(&route->via))
		diag_error(r->diags, at, "CONF_ROUTE",
		           "next hop %s is of another address family than its destination",
		           ip_format(&route->via, text));
	else if (node->n_routes == NODE_ROUTES_MAX)
		diag_error(r->diags, at, "CONF_ROUTE", "more than %d routes", NODE_ROUTES_MAX);
	else
		node->routes[node->n_routes++] =
			(struct node_route){route->to, route->via, (uint8_t)port};
}

/* Element i of a list, or what stands in place of a list of one. */
static const struct tree_node *element(const struct tree_node *list, uint32_t i)
{
	const struct tree_node *node = list->kind == TREE_LIST ? list->first : list;

	for (; i > 0 && node->next; i--)
		node = node->next;
	return node;
}

/* Does an earlier port, or this port before that place, have the address too? */
static bool address_is_taken(const struct conf *conf, uint32_t port, uint32_t place)
{
	const struct ip_addr *addr = &conf->ports[port].node.addrs[place].addr;

	for (uint32_t i = 0; i <= port; i++) {
		const struct node_port *p = &conf->ports[i].node;

		for (uint32_t k = 0; k < (i == port ? place : p->n_addrs); k++)
			if (ip_eq(&p->addrs[k].addr, addr))
				return true;
	}
	return false;
}

static void check_addresses(struct reader *r, uint32_t index, const struct tree_node *tree)
{
	const struct node_port *p = &r->conf->ports[index].node;
	char text[IP_ADDR_TEXT_MAX];

	for (uint32_t i = 0; i < p->n_addrs; i++) {
		if (!address_is_taken(r->conf, index, i))
			continue;
		ip_format(&p->addrs[i].addr, text);
		diag_error(r->diags, element(tree_get(tree, "addresses"), i)->where, "CONF_TWICE",
		           "address %s is given twice; an address belongs to one port", text);
	}
}

static void finish_port(struct reader *r, uint32_t index, const struct tree_node *tree)
{
	struct conf_port *p = &r->conf->ports[index];

	if (p->node.name[0] == '\0')
		p->node.name = arena_printf(&r->conf->arena, "port%u", index);
	for (uint32_t i = 0; i < index; i++) {
		const struct node_port *other = &r->conf->ports[i].node;

		if (strcmp(other->name, p->node.name) == 0)
			diag_error(r->diags, tree->where, "CONF_TWICE", "two ports are named %s",
			           other->name);
		if (strcmp(other->device, p->node.device) == 0)
			diag_error(r->diags, tree->where, "CONF_TWICE",
			           "two ports use the device %s", other->device);
	}
	check_addresses(r, index, tree);
	for (uint32_t i = 0; i < p->n_gateways; i++) {
		struct conf_route all = {.via = p->gateways[i]};

		if (ip_is_v4(&all.via))
			all.to = (struct node_prefix){ip_from_v4(0), 96};
		add_route(r, index, &all, element(tree_get(tree, "gateway"), i)->where);
	}
	for (uint32_t i = 0; i < p->n_routes; i++)
		add_route(r, index, &p->routes[i],
		          tree_get(element(tree_get(tree, "routes"), i), "via")->where);
	r->conf->node.ports[index] = p->node;
}

/* workers: auto. Every CPU the process may use but the first, which is left to the control thread. */
static void choose_cores(struct node *node)
{
	cpu_set_t set;
	int first = -1;

	if (sched_getaffinity(0, sizeof(set), &set) != 0)
		CPU_ZERO(&set);
	for (int cpu = 0; cpu < CPU_SETSIZE && node->n_workers < WEIR_WORKERS_MAX; cpu++) {
		if (!CPU_ISSET(cpu, &set))
			continue;
		if (first >= 0)
			node->worker_cores[node->n_workers++] = (uint16_t)cpu;
		else
			first = cpu;
	}
	if (node->n_workers == 0)
		node->worker_cores[node->n_workers++] = (uint16_t)(first < 0 ? 0 : first);
}

/* Where a key is written; its section, or the file, when it has its default. */
static struct where place_of(const struct tree_node *root, const char *section, const char *key)
{
	const struct tree_node *map = tree_get(root, section), *node = tree_get(map, key);

	return node ? node->where : map ? map->where : root->where;
}

/* A worker finds the owner of a packet by its port, so both ranges have to be apart (steer.h). */
static void check_source_ports(struct reader *r, const struct tree_node *root)
{
	const struct conf *c = r->conf;
	uint16_t min = c->node.source_port_min, max = c->node.source_port_max;

	if (min >= max) {
		diag_error(r->diags, place_of(root, "sources", "port_min"), "CONF_ORDER",
		           "sources.port_min %u is not below sources.port_max %u", min, max);
		return;
	}
	for (uint32_t i = 0; i < c->n_listeners; i++) {
		const struct tree_node *listener = element(tree_get(root, "listeners"), i);

		if (c->listeners[i].port < min || c->listeners[i].port > max)
			continue;
		diag_error(r->diags, tree_get(listener, "port")->where, "CONF_OVERLAP",
		           "listener port %u is among the source ports %u to %u; set "
		           "sources.port_min and sources.port_max apart from the listeners",
		           c->listeners[i].port, min, max);
	}
}

static void check_limits(struct reader *r, const struct tree_node *root)
{
	const struct node_limits *l = &r->conf->node.limits;
	const char *key =
		tree_get(tree_get(root, "limits"), "receive_buffer") ? "receive_buffer" : "header";

	if (l->rcvbuf_bytes / 2 < l->header_bytes)
		diag_error(r->diags, place_of(root, "limits", key), "CONF_TOO_SMALL",
		           "limits.receive_buffer %u is less than twice limits.header %u: a head "
		           "might never fit into it; give at least %u bytes",
		           l->rcvbuf_bytes, l->header_bytes, 2 * l->header_bytes);
}

/* What lies in the devices' queues is not there for packets on their way. */
static void check_buffers(struct reader *r, const struct tree_node *root)
{
	const struct node *n = &r->conf->node;
	uint64_t need = 0;

	for (uint32_t i = 0; i < n->n_ports; i++) {
		const struct node_port *p = &n->ports[i];

		need += (uint64_t)(p->rx_queues ? p->rx_queues : n->n_workers) * p->rx_descs +
		        (uint64_t)n->n_workers * p->tx_descs;
	}
	if (n->mempool_bufs != 0 && n->mempool_bufs <= need)
		diag_error(r->diags, place_of(root, "memory", "buffers"), "CONF_TOO_SMALL",
		           "memory.buffers %u is not more than the %" PRIu64
		           " descriptors of the ports' queues; give more, or 0 to have it computed",
		           n->mempool_bufs, need);
}

static void finish(struct reader *r, const struct tree_node *root)
{
	struct conf *c = r->conf;

	if (c->n_ports == 0)
		diag_error(r->diags, root->where, "CONF_MISSING",
		           "no ports; give at least one network port under \"ports\"");
	if (r->diags->n_errors)
		return;
	check_source_ports(r, root);
	check_limits(r, root);
	c->node.n_ports = c->n_ports;
	for (uint32_t i = 0; i < c->n_ports; i++)
		finish_port(r, i, element(tree_get(root, "ports"), i));
	if (c->node.n_workers == 0)
		choose_cores(&c->node);
	check_buffers(r, root);
	if (c->n_listeners == 0)
		c->listeners[c->n_listeners++].port = 80;
	c->node.eal_args = c->eal_args;
}

/* ---- reading ---------------------------------------------------------------------------- */

struct conf *conf_read_text(const char *file, const char *text, size_t len, struct diag_list *diags)
{
	struct reader r = {calloc(1, sizeof(struct conf)), diags};
	uint32_t errors = diags->n_errors;
	struct arena trees = {0};
	struct tree_docs docs;

	if (!r.conf) {
		diag_error(diags, (struct where){.file = file}, "NO_MEMORY", "out of memory");
		return NULL;
	}
	docs = tree_parse(&trees, file, text, len, diags);
	set_defaults(&r, "", (char *)r.conf);
	if (docs.n == 1) {
		read_map(&r, docs.v[0], "", r.conf);
		finish(&r, docs.v[0]);
	} else if (diags->n_errors == errors) {
		diag_error(diags, (struct where){.file = file}, "CONF_TYPE",
		           "%u YAML documents; a node file is one", docs.n);
	}
	arena_fini(&trees);
	if (diags->n_errors == errors)
		return r.conf;
	conf_free(r.conf);
	return NULL;
}

struct conf *conf_read_file(const char *path, struct diag_list *diags)
{
	static const size_t most = 1 << 20; /* a node file is a page or two */
	char *text = malloc(most + 1);
	FILE *f = fopen(path, "re");
	struct conf *conf = NULL;
	size_t len;

	if (!f || !text) {
		diag_error(diags, (struct where){.file = path}, "CONF_READ", "cannot be read: %s",
		           strerror(errno));
		goto out;
	}
	len = fread(text, 1, most + 1, f);
	if (ferror(f) || len > most)
		diag_error(diags, (struct where){.file = path}, "CONF_READ",
		           "is not a readable file of at most 1 MiB");
	else
		conf = conf_read_text(path, text, len, diags);
out:
	if (f)
		fclose(f);
	free(text);
	return conf;
}

void conf_free(struct conf *conf)
{
	if (!conf)
		return;
	arena_fini(&conf->arena);
	free(conf);
}
