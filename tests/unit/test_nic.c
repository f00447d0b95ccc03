/* SPDX-License-Identifier: BSD-3-Clause */
/* Profiles of network cards: those of drivers-cfg/, bad ones, and ports that differ from theirs. */
#include "nic.h"
#include "test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char folder[] = "/tmp/weir-test-nic.XXXXXX";

static const char good[] =
	"family: made\n"
	"title: a made-up card\n"
	"kind: nic\n"
	"drivers: [net_made, net_made_vf]\n"
	"library: net_made\n"
	"binding: vfio-pci\n"
	"kernel: [made]\n"
	"device: \"0000:01:00.0\"\n"
	"queues:\n  rx: 8\n  tx: 8\n"
	"descriptors:\n  min: 64\n  max: 4096\n  multiple: 32\n  low: 512\n  high: 2048\n"
	"rss:\n  key_bytes: 52\n  reta_sizes: [128, 512]\n  steering: rss\n"
	"offload:\n  level: rewrite\n  source: \"tested: here\"\n"
	"traps:\n"
	"- what: frames of that length vanish\n"
	"  do: \"mtu: 1460\"\n"
	"  when: mtu > 1460\n"
	"  source: github a/b#1\n"
	"- what: an argument of trouble\n"
	"  do: take it out\n"
	"  when: device has bad=1\n"
	"  source: github a/b#2\n"
	"- what: not to be checked\n"
	"  do: nothing\n"
	"  source: github a/b#3\n"
	"settings:\n  rx_descs: 1024\n  tx_descs: 512\n"
	"verified: never\n";

static void write_file(const char *name, const char *text)
{
	char path[128];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	f = fopen(path, "we");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static void remove_file(const char *name)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	unlink(path);
}

/* The good profile with a text in it replaced, read; the caller frees both. */
static void read_changed(const char *from, const char *to, struct nic_list *l,
                         struct diag_list *diags)
{
	const char *at = strstr(good, from);
	char text[4096];

	assert_non_null(at);
	snprintf(text, sizeof(text), "%.*s%s%s", (int)(at - good), good, to, at + strlen(from));
	write_file("made.yaml", text);
	memset(diags, 0, sizeof(*diags));
	nic_read(l, folder, diags);
	remove_file("made.yaml");
}

/* ---- reading ----------------------------------------------------------------------------- */

static void profiles_of_the_tree_are_good(void **state)
{
	struct diag_list diags = {0};
	struct nic_list l;
	char path[1024];

	(void)state;
	snprintf(path, sizeof(path), "%s/drivers-cfg", getenv("WEIR_SOURCE_ROOT"));
	nic_read(&l, path, &diags);
	diag_print(&diags, stderr);
	assert_int_equal(diags.n_errors, 0);
	assert_true(l.n >= 18);
	for (uint32_t i = 0; i < l.n; i++)
		assert_ptr_equal(nic_find(&l, l.v[i].drivers[0]), &l.v[i]);
	assert_string_equal(nic_find(&l, "mlx5_pci")->family, "mlx5");
	assert_int_equal(nic_find(&l, "mlx5_pci")->level, OFFLOAD_SPLICE);
	assert_int_equal(nic_find(&l, "net_ice")->key_bytes, 52);
	assert_int_equal(nic_find(&l, "net_ice")->level, OFFLOAD_STEER);
	assert_int_equal(nic_find(&l, "net_tap")->level, OFFLOAD_NONE);
	assert_null(nic_find(&l, "net_nothing"));
	assert_null(nic_find(&l, NULL));
	diag_fini(&diags);
	nic_fini(&l);
}

static void a_profile_is_read(void **state)
{
	struct diag_list diags;
	struct nic_list l;
	const struct nic *n;

	(void)state;
	read_changed("made", "made", &l, &diags);
	assert_int_equal(diags.n_errors, 0);
	n = nic_find(&l, "net_made_vf");
	assert_non_null(n);
	assert_string_equal(n->family, "made");
	assert_int_equal(n->rx_queues, 8);
	assert_int_equal(n->descs_low, 512);
	assert_int_equal(n->descs_high, 2048);
	assert_int_equal(n->n_retas, 2);
	assert_int_equal(n->retas[1], 512);
	assert_true(n->rss);
	assert_int_equal(n->level, OFFLOAD_REWRITE);
	assert_int_equal(n->n_traps, 3);
	assert_string_equal(n->traps[0].remedy, "mtu: 1460");
	assert_null(n->traps[2].when.field);
	diag_fini(&diags);
	nic_fini(&l);
}

static void bad_profiles_are_left_out(void **state)
{
	static const struct {
		const char *from, *to, *code;
	} cases[] = {
		{"family: made\n", "", "NIC_MISSING"},
		{"kind: nic", "kind: card", "NIC_WORD"},
		{"kind: nic", "kind: ni", "NIC_WORD"},
		{"binding: vfio-pci", "binding: vfio", "NIC_WORD"},
		{"level: rewrite\n", "level: rewrite\n  warn_below: much\n", "NIC_WORD"},
		{"rx: 8", "rx: eight", "NIC_NUMBER"},
		{"rx: 8", "rx: -8", "NIC_NUMBER"},
		{"rx: 8", "rxx: 8", "NIC_KEY"},
		{"drivers: [net_made, net_made_vf]", "drivers: net_made", "NIC_LIST"},
		{"[128, 512]", "[128, many]", "NIC_LIST"},
		{"\"tested: here\"", "a friend", "NIC_SOURCE"},
		{"mtu > 1460", "mtu above 1460", "NIC_WHEN"},
		{"mtu > 1460", "colour = red", "NIC_WHEN"},
		{"mtu > 1460", "mtu has 1460", "NIC_WHEN"},
		{"mtu > 1460", "mtu > 1k", "NIC_WHEN"},
		{"mtu > 1460", "mtu", "NIC_WHEN"},
		{"title: a made-up card", "title: {a: b}", "NIC_TEXT"},
		{"title: a made-up card", "title: \"\"", "NIC_TEXT"},
		{"verified: never", "verified: never\ncolour: red", "NIC_KEY"},
		{"settings:\n  rx_descs: 1024\n", "settings:\n", "NIC_MISSING"},
		{"verified: never", "verified: [", NULL},
		{"family: made", "---\nfamily: made\n---\nfamily: made", "NIC_MAP"},
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct diag_list diags;
		struct nic_list l;

		read_changed(cases[i].from, cases[i].to, &l, &diags);
		if (diags.n_errors == 0)
			fail_msg("\"%s\" is accepted", cases[i].to);
		if (cases[i].code)
			assert_string_equal(diags.items[0].code, cases[i].code);
		assert_int_equal(l.n, 0);
		diag_fini(&diags);
		nic_fini(&l);
	}
}

static void a_bad_profile_spoils_no_other(void **state)
{
	struct diag_list diags = {0};
	struct nic_list l;

	(void)state;
	write_file("a.yaml", "family: [\n");
	write_file("b.yaml", good);
	write_file("c.yaml", "");
	write_file("notes.txt", "family: [\n");
	nic_read(&l, folder, &diags);
	assert_int_equal(l.n, 1);
	assert_int_equal(diags.n_errors, 2);
	assert_non_null(strstr(diags.items[0].file, "a.yaml"));
	diag_fini(&diags);
	nic_fini(&l);
	for (const char *n = "abc"; *n; n++)
		remove_file((char[]){*n, '.', 'y', 'a', 'm', 'l', '\0'});
	remove_file("notes.txt");
}

static void no_folder_is_no_profile(void **state)
{
	struct diag_list diags = {0};
	struct nic_list l;

	(void)state;
	nic_read(&l, "/nowhere/at/all", &diags);
	assert_int_equal(l.n, 0);
	assert_int_equal(diags.n, 0);
	assert_null(nic_find(&l, "net_ice"));
	nic_fini(&l);
}

/* ---- judging ----------------------------------------------------------------------------- */

static const struct nic_port as_advised = {
	.name = "edge0",
	.device = "0000:01:00.0",
	.driver = "net_made",
	.steering = "rss",
	.workers = 4,
	.rx_queues = 4,
	.tx_queues = 4,
	.rx_queues_max = 8,
	.rx_descs = 1024,
	.tx_descs = 512,
	.mtu = 1400,
	.key_bytes = 52,
	.reta_size = 512,
	.level = OFFLOAD_REWRITE,
	.allowed = OFFLOAD_SPLICE,
};

/* The codes of what is said of a port, with blanks between them. */
static const char *judged(const struct nic_port *port)
{
	static char codes[256];
	struct diag_list diags = {0}, bad = {0};
	struct nic_list l;

	write_file("made.yaml", good);
	nic_read(&l, folder, &bad);
	assert_int_equal(l.n, 1);
	codes[0] = '\0';
	nic_judge(&l.v[0], port, &diags);
	for (uint32_t i = 0; i < diags.n; i++) {
		assert_int_equal(diags.items[i].severity, DIAG_WARNING);
		assert_non_null(strstr(diags.items[i].text, "port edge0"));
		snprintf(codes + strlen(codes), sizeof(codes) - strlen(codes), "%s%s", i ? " " : "",
		         diags.items[i].code);
	}
	diag_fini(&diags);
	diag_fini(&bad);
	nic_fini(&l);
	remove_file("made.yaml");
	return codes;
}

static void a_port_as_advised_is_not_spoken_of(void **state)
{
	struct nic_port p = as_advised;

	(void)state;
	assert_string_equal(judged(&p), "");
	p = (struct nic_port){.name = "edge0",
	                      .level = OFFLOAD_LEVELS}; /* nothing is known of it */
	assert_string_equal(judged(&p), "");
}

static void steering_is_judged(void **state)
{
	struct nic_port p = as_advised;

	(void)state;
	p.steering = "hand-off";
	assert_string_equal(judged(&p), "NIC_STEERING");
	p.rx_queues_max = 2;
	assert_string_equal(judged(&p), "NIC_QUEUES");
	p.rx_queues_max = 8;
	p.rx_queues = 3;
	assert_string_equal(judged(&p), "NIC_QUEUES");
	p.workers = 1;
	p.steering = "single worker";
	assert_string_equal(judged(&p), "");
}

static void hash_is_judged(void **state)
{
	struct nic_port p = as_advised;

	(void)state;
	p.key_bytes = 40;
	assert_string_equal(judged(&p), "NIC_RSS_KEY");
	p.reta_size = 64;
	assert_string_equal(judged(&p), "NIC_RSS_KEY NIC_RETA");
	p.key_bytes = 0;
	p.reta_size = 0;
	assert_string_equal(judged(&p), "");
}

static void descriptors_are_judged(void **state)
{
	struct nic_port p = as_advised;

	(void)state;
	p.rx_descs = 511;
	assert_string_equal(judged(&p), "NIC_DESCRIPTORS");
	p.rx_descs = 512;
	assert_string_equal(judged(&p), "");
	p.tx_descs = 2049;
	assert_string_equal(judged(&p), "NIC_DESCRIPTORS");
	p.tx_descs = 2048;
	assert_string_equal(judged(&p), "");
}

static void offload_is_judged(void **state)
{
	struct nic_port p = as_advised;

	(void)state;
	p.level = OFFLOAD_STEER;
	assert_string_equal(judged(&p), "NIC_OFFLOAD");
	p.allowed = OFFLOAD_STEER;
	assert_string_equal(judged(&p), "");
	p.level = OFFLOAD_NONE;
	assert_string_equal(judged(&p), "NIC_OFFLOAD");
	p.allowed = OFFLOAD_NONE;
	assert_string_equal(judged(&p), "");
	p.allowed = OFFLOAD_SPLICE;
	p.level = OFFLOAD_SPLICE; /* better than expected */
	assert_string_equal(judged(&p), "");
	p.level = OFFLOAD_LEVELS; /* nobody asked */
	assert_string_equal(judged(&p), "");
}

static void traps_are_judged(void **state)
{
	struct nic_port p = as_advised;

	(void)state;
	p.mtu = 1460;
	assert_string_equal(judged(&p), "");
	p.mtu = 1461;
	assert_string_equal(judged(&p), "NIC_TRAP");
	p.mtu = 1400;
	p.device = "0000:01:00.0,good=1,bad=1";
	assert_string_equal(judged(&p), "NIC_TRAP");
	p.device = "0000:01:00.0,bad=10";
	assert_string_equal(judged(&p), "");
	p.device = "0000:01:00.0,very_bad=1";
	assert_string_equal(judged(&p), "");
}

static void conditions_hold(void **state)
{
	static const struct {
		const char *when;
		bool holds;
	} cases[] = {
		{"workers > 3", true},     {"workers > 4", false},      {"workers < 5", true},
		{"workers = 4", true},     {"workers != 4", false},     {"rx_descs != 512", true},
		{"driver = net_x", false}, {"driver = net_made", true}, {"driver != net_x", true},
		{"steering = rss", true},  {"steering has rss", false}, {"tx_queues < 4", false},
	};
	struct arena a = {0};

	(void)state;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct nic_when w;

		assert_true(nic_parse_when(&a, cases[i].when, &w));
		if (nic_holds(&w, &as_advised) != cases[i].holds)
			fail_msg("%s", cases[i].when);
	}
	arena_fini(&a);
}

static void the_folder_is_found(void **state)
{
	char path[1024];

	(void)state;
	setenv("WEIR_DRIVERS_CFG", "/somewhere", 1);
	nic_folder(path, sizeof(path));
	assert_string_equal(path, "/somewhere");
	unsetenv("WEIR_DRIVERS_CFG");
	nic_folder(path, sizeof(path)); /* of the build that this program is of */
	assert_non_null(strstr(path, "drivers-cfg"));
	assert_int_equal(access(path, R_OK), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(profiles_of_the_tree_are_good),
		cmocka_unit_test(a_profile_is_read),
		cmocka_unit_test(bad_profiles_are_left_out),
		cmocka_unit_test(a_bad_profile_spoils_no_other),
		cmocka_unit_test(no_folder_is_no_profile),
		cmocka_unit_test(a_port_as_advised_is_not_spoken_of),
		cmocka_unit_test(steering_is_judged),
		cmocka_unit_test(hash_is_judged),
		cmocka_unit_test(descriptors_are_judged),
		cmocka_unit_test(offload_is_judged),
		cmocka_unit_test(traps_are_judged),
		cmocka_unit_test(conditions_hold),
		cmocka_unit_test(the_folder_is_found),
	};
	int rc;

	if (!mkdtemp(folder))
		return 1;
	rc = cmocka_run_group_tests(tests, NULL, NULL);
	rmdir(folder);
	return rc;
}
