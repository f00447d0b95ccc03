/* SPDX-License-Identifier: BSD-3-Clause */
/* Every row of conf.def is tried at, below and above its bounds and with a wrong type. */
#include "conf.h"
#include "conf_table.h"
#include "test.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct conf *read_text(const char *text, struct diag_list *diags)
{
	return conf_read_text("weir.yaml", text, strlen(text), diags);
}

static bool has_code(const struct diag_list *diags, const char *code)
{
	for (uint32_t i = 0; i < diags->n; i++)
		if (strcmp(diags->items[i].code, code) == 0)
			return true;
	return false;
}

/* "a.b[].c" with a value as flow YAML: {a: {b: [{c: value}]}} */
static void nest(const char *path, const char *value, char *out)
{
	size_t word = strcspn(path, ".[");
	bool list = path[word] == '[';
	const char *rest = path + word + (list ? 2 : 0);

	out += sprintf(out, "{%.*s: %s", (int)word, path, list ? "[" : "");
	if (*rest == '.')
		nest(rest + 1, value, out);
	else
		strcpy(out, value);
	strcat(out, list ? "]}" : "}");
}

/* Read a file with this one value; which kind of error did it give? */
static bool gives(const struct conf_key *key, const char *value, const char *code)
{
	struct diag_list diags = {0};
	char text[2048];
	bool given;

	nest(key->path, value, text);
	conf_free(read_text(text, &diags));
	given = has_code(&diags, code);
	if (has_code(&diags, "CONF_UNKNOWN"))
		fail_msg("%s: not understood", text);
	diag_fini(&diags);
	return given;
}

static bool is_number(enum conf_type type)
{
	return type == CONF_NUMBER || type == CONF_BYTES || type == CONF_BYTES_OR_OFF ||
	       type == CONF_TIME || type == CONF_MODE;
}

static void write_number(const struct conf_key *key, uint64_t n, char *out)
{
	const char *form = key->type == CONF_MODE   ? "%04" PRIo64
	                   : key->type == CONF_TIME ? "%" PRIu64 "us"
	                                            : "%" PRIu64;

	sprintf(out, form, n);
}

static void every_number_has_its_range(void **state)
{
	unsigned tried = 0;

	(void)state;
	for (size_t i = 0; i < conf_n_keys; i++) {
		const struct conf_key *key = &conf_keys[i];
		char value[64];

		if (!is_number(key->type))
			continue;
		tried++;
		for (int bound = 0; bound < 2; bound++) {
			write_number(key, bound ? key->max : key->min, value);
			assert_false(gives(key, value, "CONF_RANGE"));
			assert_false(gives(key, value, "CONF_TYPE"));
		}
		write_number(key, key->max + 1, value);
		assert_true(gives(key, value, "CONF_RANGE"));
		if (key->min > 0) {
			write_number(key, key->min - 1, value);
			assert_true(gives(key, value, "CONF_RANGE"));
		}
	}
	assert_in_range(tried, 30, 1000);
}

static void every_text_has_its_length(void **state)
{
	(void)state;
	for (size_t i = 0; i < conf_n_keys; i++) {
		const struct conf_key *key = &conf_keys[i];
		char value[1100];

		if (key->type != CONF_TEXT)
			continue;
		memset(value, 'x', sizeof(value));
		value[key->max] = '\0';
		assert_false(gives(key, value, "CONF_RANGE"));
		value[key->max] = 'x';
		value[key->max + 1] = '\0';
		assert_true(gives(key, value, "CONF_RANGE"));
		assert_int_equal(gives(key, "\"\"", "CONF_RANGE"), key->min > 0);
	}
}

static void every_key_refuses_a_wrong_type(void **state)
{
	(void)state;
	for (size_t i = 0; i < conf_n_keys; i++) {
		const struct conf_key *key = &conf_keys[i];

		assert_true(gives(key, "{wrong: type}", "CONF_TYPE"));
		if (key->type != CONF_TEXT && key->type != CONF_LIST)
			assert_true(gives(key, "purple", "CONF_TYPE"));
	}
}

static void every_default_is_good(void **state)
{
	(void)state;
	for (size_t i = 0; i < conf_n_keys; i++) {
		const struct conf_key *key = &conf_keys[i];
		char value[300];

		if (!key->def)
			continue;
		snprintf(value, sizeof(value), "%s%s%s", strcmp(key->def, "*") == 0 ? "\"" : "",
		         *key->def ? key->def : "\"\"", strcmp(key->def, "*") == 0 ? "\"" : "");
		assert_false(gives(key, value, "CONF_TYPE"));
		assert_false(gives(key, value, "CONF_RANGE"));
	}
}

static void errors_teach(void **state)
{
	static const struct {
		const char *text, *message;
	} rows[] = {
		{"ports:\n- device: a\n  mtu: 99\n",
	         "weir.yaml:3:8: error: mtu 99 is out of range; give 576 to 9000 bytes"},
		{"ports:\n- device: a\n  mut: 99\n",
	         "weir.yaml:3:3: error: unknown key \"mut\"; did you mean \"mtu\"?"},
		{"prots: []\n",
	         "weir.yaml:1:1: error: unknown key \"prots\"; did you mean \"ports\"?"},
		{"zebra: 1\n",
	         "weir.yaml:1:1: error: unknown key \"zebra\"; weir --help-config lists all keys"},
		{"ports:\n- name: a\n", "weir.yaml:2:3: error: device is missing: PCI address "
	                                "(0000:01:00.0) or DPDK virtual "
	                                "device (net_af_packet0,iface=veth0)"},
		{"limits: 7\n", "weir.yaml:1:9: error: limits is a number; give a map of keys"},
		{"times:\n  drain: 5\n",
	         "weir.yaml:2:10: error: drain \"5\" is not right; give a time "
	         "from 0s to 24h"},
		{"ports:\n- device: a\n  gateway: 10.0.0.1\n",
	         "weir.yaml:3:12: error: next hop 10.0.0.1 is not on a network of port port0; give "
	         "the port an address there"},
		{"ports:\n- device: a\n  name: edge\n  addresses: [10.0.0.1/24]\n"
	         "  gateway: [10.0.0.9, 'fd00::1']\n",
	         "weir.yaml:5:23: error: next hop fd00::1 is not on a network of port edge; give "
	         "the port an address there"},
		{"ports:\n- device: a\n  addresses: [10.0.0.1/24]\n  routes:\n"
	         "  - {to: 10.9.0.0/16, via: 10.0.0.9}\n  - {to: 10.9.0.0/16, via: 10.0.1.9}\n",
	         "weir.yaml:6:28: error: next hop 10.0.1.9 is not on a network of port port0; give "
	         "the port an address there"},
		{"ports: [{device: a}]\nlimits:\n  receive_buffer: 100000\n",
	         "weir.yaml:3:19: error: limits.receive_buffer 100000 is less than twice "
	         "limits.header 61440: a head might never fit into it; give at least 122880 "
	         "bytes"},
		{"ports: [{device: a}]\nlimits: {header: 1Mi}\n",
	         "weir.yaml:2:18: error: limits.receive_buffer 262144 is less than twice "
	         "limits.header 1048576: a head might never fit into it; give at least 2097152 "
	         "bytes"},
		{"ports: [{device: a}]\nsources: {port_min: 5000, port_max: 5000}\n",
	         "weir.yaml:2:21: error: sources.port_min 5000 is not below sources.port_max "
	         "5000"},
		{"ports: [{device: a}]\nlisteners: [{port: 80}, {port: 32768}]\n",
	         "weir.yaml:2:32: error: listener port 32768 is among the source ports 32768 to "
	         "65535; set sources.port_min and sources.port_max apart from the listeners"},
		{"ports: [{device: a}]\nworkers: [1, 2]\nmemory: {buffers: 4096}\n",
	         "weir.yaml:3:19: error: memory.buffers 4096 is not more than the 4096 "
	         "descriptors of the ports' queues; give more, or 0 to have it computed"},
		{"ports:\n- device: a\n- device: a\n",
	         "weir.yaml:3:3: error: two ports use the device a"},
		{"ports:\n- {device: a, addresses: [10.0.0.1/24]}\n"
	         "- {device: b, addresses: ['fd00::1/64', 10.0.0.1/16]}\n",
	         "weir.yaml:3:41: error: address 10.0.0.1 is given twice; an address belongs to "
	         "one port"},
		{"ports: [{device: a, addresses: ['fd00::1/64', 'fd00:0::1/64']}]\n",
	         "weir.yaml:1:47: error: address fd00::1 is given twice; an address belongs to one "
	         "port"},
		{"{}",
	         "weir.yaml:1:1: error: no ports; give at least one network port under \"ports\""},
		{"ports: [{device: a}]\n---\nports: []\n",
	         "weir.yaml: error: 2 YAML documents; a node file is one"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct diag_list diags = {0};

		assert_null(read_text(rows[i].text, &diags));
		assert_in_range(diags.n, 1, 10);
		assert_string_equal(diag_format(&diags, &diags.items[0]), rows[i].message);
		diag_fini(&diags);
	}
}

static const char whole[] = "ports:\n"
			    "- name: edge0\n"
			    "  device: net_af_packet0,iface=veth0\n"
			    "  addresses: [10.1.0.2/24, 'fd00:1::2/64']\n"
			    "  gateway: [10.1.0.1, 'fd00:1::1']\n"
			    "  routes:\n"
			    "  - {to: 10.9.0.0/16, via: 10.1.0.9}\n"
			    "  mtu: 9000\n"
			    "  vlan: 7\n"
			    "- {device: b, addresses: [10.2.0.2/24], gateway: 10.2.0.1}\n"
			    "workers: [3, 3]\n"
			    "listeners: [{port: 8080}, {address: 10.1.0.2, port: 81}]\n"
			    "sources: {addresses: [10.2.0.3], port_min: 2000, port_max: 3000}\n"
			    "limits: {header: 8Ki, connections: 100}\n"
			    "times: {drain: 1500ms, idle_sleep: 0s, dead_endpoint: 0s}\n"
			    "splice: {min_body: off}\n"
			    "tcp: {timestamps: false}\n"
			    "offload: {level: steer, window: 10ms}\n"
			    "control: {mode: 0600}\n"
			    "routing: {strict_gateways: true}\n"
			    "memory: {hugepages: false}\n"
			    "log: {level: debug}\n"
			    "eal_args: [--no-pci]\n";

static void a_whole_file_is_understood(void **state)
{
	struct diag_list diags = {0};
	struct conf *c = read_text(whole, &diags);
	char text[IP_ADDR_TEXT_MAX];

	(void)state;
	diag_print(&diags, stderr);
	assert_non_null(c);
	assert_int_equal(c->node.n_ports, 2);
	assert_string_equal(c->node.ports[0].name, "edge0");
	assert_string_equal(c->node.ports[0].device, "net_af_packet0,iface=veth0");
	assert_string_equal(c->node.ports[1].name, "port1");
	assert_int_equal(c->node.ports[0].mtu, 9000);
	assert_int_equal(c->node.ports[1].mtu, 1500);
	assert_int_equal(c->node.ports[0].vlan, 7);
	assert_int_equal(c->node.ports[0].n_addrs, 2);
	assert_int_equal(c->node.ports[0].addrs[0].len, 96 + 24);
	assert_int_equal(c->node.ports[0].addrs[1].len, 64);
	assert_int_equal(c->node.n_routes, 4);
	assert_int_equal(c->node.routes[0].dst.len, 96);
	assert_string_equal(ip_format(&c->node.routes[0].via, text), "10.1.0.1");
	assert_int_equal(c->node.routes[1].dst.len, 0);
	assert_int_equal(c->node.routes[2].dst.len, 96 + 16);
	assert_int_equal(c->node.routes[3].port, 1);
	assert_int_equal(c->node.n_workers, 2);
	assert_int_equal(c->node.worker_cores[1], 3);
	assert_int_equal(c->n_listeners, 2);
	assert_true(ip_is_any(&c->listeners[0].addr));
	assert_int_equal(c->listeners[1].port, 81);
	assert_int_equal(c->node.n_sources, 1);
	assert_int_equal(c->node.source_port_max, 3000);
	assert_int_equal(c->node.limits.header_bytes, 8192);
	assert_int_equal(c->node.limits.conns, 100);
	assert_int_equal(c->node.times.drain_us, 1500000);
	assert_int_equal(c->node.times.idle_sleep_us, 0);
	assert_int_equal(c->node.times.dead_endpoint_us, 0);
	assert_true(c->node.splice_bytes == NODE_SPLICE_NEVER);
	assert_false(c->node.timestamps);
	assert_int_equal(c->node.offload.level, OFFLOAD_STEER);
	assert_int_equal(c->node.offload.window_us, 10000);
	assert_int_equal(c->node.offload.min_bytes, 1 << 20);
	assert_int_equal(c->control_mode, 0600);
	assert_true(c->strict_gateways);
	assert_false(c->node.huge);
	assert_true(c->node.in_memory);
	assert_int_equal(c->log_level, 3);
	assert_string_equal(c->node.eal_args[0], "--no-pci");
	assert_null(c->node.eal_args[1]);
	conf_free(c);
	diag_fini(&diags);
}

static void a_port_is_enough(void **state)
{
	struct diag_list diags = {0};
	struct conf *c = read_text("ports: [{device: x}]", &diags);

	(void)state;
	assert_non_null(c);
	assert_in_range(c->node.n_workers, 1, WEIR_WORKERS_MAX);
	assert_int_equal(c->n_listeners, 1);
	assert_int_equal(c->listeners[0].port, 80);
	assert_string_equal(c->ns, "default");
	assert_string_equal(c->control_socket, "/run/weir/control.sock");
	assert_int_equal(c->message_limit, 16 << 20);
	assert_int_equal(c->node.limits.flows, 262144);
	assert_int_equal(c->node.times.flow_idle_us, UINT64_C(3600000000));
	assert_int_equal(c->node.splice_bytes, 65536);
	assert_true(c->node.timestamps);
	assert_int_equal(c->node.offload.level, OFFLOAD_SPLICE);
	conf_free(c);
}

/* What a page says now, against the committed file. */
static void page_is_up_to_date(enum conf_page page, const char *path)
{
	char *text = NULL, *committed;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len), *f = fopen(path, "r");

	conf_write_page(page, out);
	fclose(out);
	committed = calloc(1, len + 2);
	if (!f || fread(committed, 1, len + 1, f) != len || memcmp(text, committed, len) != 0)
		fail_msg("%s is not what weir --help-config gives; write it anew", path);
	fclose(f);
	free(committed);
	free(text);
}

static void committed_pages_are_up_to_date(void **state)
{
	const char *root = getenv("WEIR_SOURCE_ROOT");
	char path[1024];

	(void)state;
	if (!root)
		skip();
	snprintf(path, sizeof(path), "%s/docs/reference/weir.yaml.md", root);
	page_is_up_to_date(CONF_PAGE_MARKDOWN, path);
	snprintf(path, sizeof(path), "%s/docs/man/weir.yaml.5", root);
	page_is_up_to_date(CONF_PAGE_MAN, path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_number_has_its_range),
		cmocka_unit_test(every_text_has_its_length),
		cmocka_unit_test(every_key_refuses_a_wrong_type),
		cmocka_unit_test(every_default_is_good),
		cmocka_unit_test(errors_teach),
		cmocka_unit_test(a_whole_file_is_understood),
		cmocka_unit_test(a_port_is_enough),
		cmocka_unit_test(committed_pages_are_up_to_date),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
