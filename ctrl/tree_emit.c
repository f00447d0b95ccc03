/* SPDX-License-Identifier: BSD-3-Clause */
/* A tree back to text. What is written reads back the same; how it was written is not kept. */
#include "tree.h"

#include <string.h>

/* Text that needs no quotes: of harmless characters only, and not read as a number, boolean or null. */
static bool plain_is_safe(const char *text)
{
	static const char first[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/_";
	static const char rest[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/_.-+=^$()@";
	struct tree_node as_plain = {.kind = TREE_SCALAR, .text = text};

	if (text[0] == '\0' || !strchr(first, text[0]) || strspn(text, rest) != strlen(text))
		return false;
	return tree_is_text(&as_plain);
}

static void emit_quoted(FILE *out, const char *text)
{
	fputc('"', out);
	for (const unsigned char *p = (const unsigned char *)text; *p; p++) {
		if (*p == '"' || *p == '\\')
			fprintf(out, "\\%c", *p);
		else if (*p == '\n')
			fputs("\\n", out);
		else if (*p == '\t')
			fputs("\\t", out);
		else if (*p < 0x20 || *p == 0x7f)
			fprintf(out, "\\x%02x", *p);
		else if (*p == 0xc2 && p[1] >= 0x80 &&
		         p[1] < 0xa0) /* U+0080 to U+009F: control characters too */
			fprintf(out, "\\x%02x", *++p);
		else if (*p == 0xe2 && p[1] == 0x80 &&
		         (p[2] == 0xa8 || p[2] == 0xa9)) { /* YAML line breaks */
			fprintf(out, "\\u20%02x", p[2] - 0x80);
			p += 2;
		} else if (*p == 0xef && p[1] == 0xbb && p[2] == 0xbf) { /* a byte order mark */
			fputs("\\uFEFF", out);
			p += 2;
		} else
			fputc(*p, out);
	}
	fputc('"', out);
}

static void emit_text(FILE *out, const char *text)
{
	if (plain_is_safe(text))
		fputs(text, out);
	else
		emit_quoted(out, text);
}

static void emit_scalar(FILE *out, const struct tree_node *node)
{
	if (tree_is_null(node))
		fputs("null", out);
	else if (tree_is_text(node))
		emit_text(out, node->text);
	else
		fputs(node->text, out);
}

static void emit_block(FILE *out, const struct tree_node *node, int indent);

/* The value behind "key:" or "-". A list under a key keeps the key's indentation, as kubectl writes. */
static void emit_value(FILE *out, const struct tree_node *node, int indent)
{
	bool in_list = node->parent && node->parent->kind == TREE_LIST;

	if (node->kind == TREE_SCALAR || node->n == 0) {
		fputc(' ', out);
		emit_block(out, node, 0);
		return;
	}
	if (in_list) { /* "- key: value": the first line goes on behind the dash */
		fputc(' ', out);
		emit_block(out, node, indent + 2);
		return;
	}
	fputc('\n', out);
	if (node->kind == TREE_MAP)
		indent += 2;
	fprintf(out, "%*s", indent, "");
	emit_block(out, node, indent);
}

/* Writes from the current column, which is `indent`; ends with a line feed. */
static void emit_block(FILE *out, const struct tree_node *node, int indent)
{
	if (node->kind == TREE_SCALAR || node->n == 0) {
		if (node->kind == TREE_SCALAR)
			emit_scalar(out, node);
		else
			fputs(node->kind == TREE_MAP ? "{}" : "[]", out);
		fputc('\n', out);
		return;
	}
	for (const struct tree_node *c = node->first; c; c = c->next) {
		if (c != node->first)
			fprintf(out, "%*s", indent, "");
		if (node->kind == TREE_LIST) {
			fputc('-', out);
		} else {
			emit_text(out, c->key);
			fputc(':', out);
		}
		emit_value(out, c, indent);
	}
}

void tree_emit(FILE *out, const struct tree_node *node)
{
	emit_block(out, node, 0);
}

static json_t *scalar_to_json(const struct tree_node *node)
{
	bool flag;
	int64_t i;
	double d;

	if (tree_is_null(node))
		return json_null();
	if (tree_is_text(node))
		return json_string(node->text);
	if (tree_as_bool(node, &flag))
		return json_boolean(flag);
	if (tree_as_int(node, &i))
		return json_integer(i);
	return tree_as_double(node, &d) ? json_real(d) : json_null();
}

json_t *tree_to_json(const struct tree_node *node)
{
	if (node->kind == TREE_SCALAR)
		return scalar_to_json(node);
	json_t *j = node->kind == TREE_MAP ? json_object() : json_array();

	for (const struct tree_node *c = node->first; c; c = c->next) {
		if (node->kind == TREE_MAP)
			json_object_set_new(j, c->key, tree_to_json(c));
		else
			json_array_append_new(j, tree_to_json(c));
	}
	return j;
}
