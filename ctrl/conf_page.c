/* SPDX-License-Identifier: BSD-3-Clause */
/* The rows of conf.def as pages for people: a terminal, docs/reference/weir.yaml.md, weir.yaml(5). */
#include "conf.h"
#include "conf_table.h"

#include <string.h>

static const char *const intro =
	"The node file says what this machine has and how Weir runs on it. It is YAML; every key "
	"but "
	"the ports has a default. Unknown keys, wrong types and values out of range are errors.";

static const char *const example[] = {
	"ports:",
	"- name: edge0",
	"  device: 0000:01:00.0",
	"  addresses: [192.0.2.10/24, \"2001:db8::10/64\"]",
	"  gateway: [192.0.2.1, \"2001:db8::1\"]",
	"workers: auto",
	"listeners:",
	"- port: 80",
	"routing:",
	"  directory: /etc/weir/routing",
};
static const size_t example_lines = sizeof(example) / sizeof(example[0]);

/* "number, 576 to 9000 bytes, default 1500" */
static const char *describe(const struct conf_key *key, char *out, size_t size)
{
	char expect[160];
	const char *def = key->def;

	conf_expect(key, expect, sizeof(expect));
	if (key->type == CONF_LIST)
		snprintf(out, size, "%s%s%s", expect, def ? "; default " : "", def ? def : "");
	else if (strchr(key->path, ']') && strcmp(strchr(key->path, '\0') - 2, "[]") == 0)
		snprintf(out, size, "each: %s", expect);
	else if (!def)
		snprintf(out, size, "%s; required", expect);
	else
		snprintf(out, size, "%s; default %s", expect, *def ? def : "empty");
	return out;
}

static void write_text(FILE *out)
{
	char text[256];

	fprintf(out, "%s\n\n", intro);
	for (size_t i = 0; i < conf_n_keys; i++)
		fprintf(out, "%s\n    %s.\n    %s.\n", conf_keys[i].path, conf_keys[i].help,
		        describe(&conf_keys[i], text, sizeof(text)));
}

static void write_markdown(FILE *out)
{
	char text[256];

	fprintf(out,
	        "<!-- made by: weir --help-config=markdown -->\n# weir.yaml: the node "
	        "file\n\n%s\n\n",
	        intro);
	fprintf(out, "`a[].b` is key `b` of each element of list `a`. Times are written `1.5s`, "
	             "`10ms`, `200us`, `1h30m`; bytes\nmay end in `Ki`, `Mi`, `Gi`.\n\n```yaml\n");
	for (size_t i = 0; i < example_lines; i++)
		fprintf(out, "%s\n", example[i]);
	fprintf(out, "```\n\n| key | meaning | value |\n|---|---|---|\n");
	for (size_t i = 0; i < conf_n_keys; i++)
		fprintf(out, "| `%s` | %s | %s |\n", conf_keys[i].path, conf_keys[i].help,
		        describe(&conf_keys[i], text, sizeof(text)));
}

/* Text for roff: a line must not begin with a dot or quote, a backslash and a minus are escaped. */
static void put_roff(const char *text, FILE *out)
{
	if (*text == '.' || *text == '\'')
		fputs("\\&", out);
	for (; *text; text++) {
		if (*text == '\\' || *text == '-')
			fputc('\\', out);
		fputc(*text, out);
	}
}

static void write_man(FILE *out)
{
	char text[256];

	fputs(".\\\" made by: weir --help-config=man\n.TH WEIR.YAML 5 \"November 23, 2026\" Weir "
	      "\"Weir manual\"\n"
	      ".SH NAME\nweir.yaml \\- node file of the Weir load balancer\n.SH DESCRIPTION\n",
	      out);
	put_roff(intro, out);
	fputs("\n.PP\n\\fIa[].b\\fR is key \\fIb\\fR of each element of list \\fIa\\fR. Times are "
	      "written 1.5s, 10ms, 200us, 1h30m; bytes may end in Ki, Mi, Gi.\n.SH EXAMPLE\n.nf\n",
	      out);
	for (size_t i = 0; i < example_lines; i++) {
		put_roff(example[i], out);
		fputc('\n', out);
	}
	fputs(".fi\n.SH KEYS\n", out);
	for (size_t i = 0; i < conf_n_keys; i++) {
		fprintf(out, ".TP\n.B %s\n", conf_keys[i].path);
		put_roff(conf_keys[i].help, out);
		fputs(".\n.br\n", out);
		put_roff(describe(&conf_keys[i], text, sizeof(text)), out);
		fputs(".\n", out);
	}
	fputs(".SH SEE ALSO\n.BR weir (8),\n.BR weirctl (1)\n", out);
}

void conf_write_page(enum conf_page page, FILE *out)
{
	switch (page) {
	case CONF_PAGE_TEXT: write_text(out); break;
	case CONF_PAGE_MARKDOWN: write_markdown(out); break;
	case CONF_PAGE_MAN: write_man(out); break;
	}
}
